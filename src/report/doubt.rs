//! Targets that are not to be trusted any more, however much of them was put right.
//!
//! Flow: what differed when the run began → the evidence that somebody was root there ([`EVIDENCE`]) → one [`Doubt`] a target.
//!
//! evenkeel sees what the baseline names. Who was root may have changed anything else as well, the kernel that answers
//! included, and from within nobody can tell; so such a target is *restored, not trusted* at best.
//!
//! **Invariant:** pure, and by what differed alone: nobody who was root talks a target out of it in the same run.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Address, Change, Drift, ResourceId, RunReport, TargetName, Value};

/// What a person should do.
pub const ADVICE: &str = "rebuild it from what you trust, and replace every key and password that it held; until then, believe nothing that it says of itself";

/// A target with what speaks against it.
#[derive(Clone, PartialEq, Debug)]
pub struct Doubt<'a> {
    pub target: &'a TargetName,
    /// Whether none of the evidence differs any more at the end of the run.
    pub is_restored: bool,
    /// What differed, and why only root can have done that; in the order of resources.
    pub evidence: Vec<(&'a ResourceId, &'static str)>,
}

impl Doubt<'_> {
    /// `restored, not trusted`
    pub fn words(&self) -> &'static str {
        match self.is_restored {
            true => "restored, not trusted",
            false => "not trusted",
        }
    }
}

/// What only somebody who is root can change, and by which he stays root.
struct Evidence {
    is_it: fn(&Drift) -> bool,
    why: &'static str,
}

/// The rule, first match first.
const EVIDENCE: [Evidence; 10] = [
    Evidence {
        is_it: |drift| drift.disagreement().is_some(),
        why: "something hides from one way to ask",
    },
    Evidence {
        is_it: |drift| is_kind(drift, &["KernelModules", "KernelModule"]),
        why: "the kernel runs other code",
    },
    Evidence {
        is_it: |drift| is_kind(drift, &["Preload"]) || is_at(drift, &PRELOAD),
        why: "every program may run other code",
    },
    Evidence {
        is_it: |drift| is_kind(drift, &["Mount"]) && drift.change == Change::Extra,
        why: "a mount may hide what lies below it",
    },
    Evidence {
        is_it: |drift| {
            let found_in = drift.found_in.as_ref();
            found_in.is_some_and(|scope| scope.kind.0 == "PrivilegedFiles")
        },
        why: "whoever runs it has its powers",
    },
    Evidence {
        is_it: |drift| {
            is_kind(drift, &["User"])
                && drift
                    .before
                    .state()
                    .is_some_and(|state| state.get("uid") == Some(&Value::Int(0)))
                && (drift.change == Change::Extra || differs_in(drift, &["uid"]))
        },
        why: "another account is root",
    },
    Evidence {
        is_it: |drift| is_kind(drift, &["Accounts"]) || is_at(drift, &RIGHTS),
        why: "it says who may become root",
    },
    Evidence {
        is_it: |drift| is_at(drift, &LOGIN),
        why: "it decides who is let in",
    },
    Evidence {
        is_it: |drift| is_kind(drift, &["Package"]) && differs_in(drift, &["files"]),
        why: "a program is not the one that its package brought",
    },
    Evidence {
        is_it: |drift| is_at(drift, &BOOT),
        why: "the next boot runs it",
    },
];

const PRELOAD: [&str; 3] = ["/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d"];
const RIGHTS: [&str; 2] = ["/etc/sudoers", "/etc/sudoers.d"];
const LOGIN: [&str; 7] = [
    "/etc/pam.d",
    "/etc/pam.conf",
    "/etc/security",
    "/etc/ssh",
    "/usr/sbin/sshd",
    "/root/.ssh",
    "/usr/lib/x86_64-linux-gnu/security",
];
const BOOT: [&str; 4] = [
    "/boot",
    "/etc/modules",
    "/etc/modules-load.d",
    "/usr/lib/modules",
];

fn is_kind(drift: &Drift, kinds: &[&str]) -> bool {
    kinds.contains(&drift.resource.kind.0.as_str())
}

fn differs_in(drift: &Drift, fields: &[&str]) -> bool {
    let mut paths = drift.fields.iter().map(|field| field.path.as_str());
    paths.any(|path| fields.contains(&path.split_once('.').map_or(path, |(field, _)| field)))
}

/// What is missing gives nobody a power.
fn is_at(drift: &Drift, places: &[&str]) -> bool {
    let is_within = |place: &str| drift.address.is_within(&Address(place.to_owned()));
    drift.change != Change::Missing && places.iter().copied().any(is_within)
}

/// Why a drift is evidence, if it is.
fn why(drift: &Drift) -> Option<&'static str> {
    let evidence = EVIDENCE.iter().find(|one| (one.is_it)(drift))?;
    Some(evidence.why)
}

/// The targets that are not to be trusted after this run, in the order of names.
pub fn doubts(report: &RunReport) -> Vec<Doubt<'_>> {
    let remaining: BTreeSet<_> = report
        .comparison
        .drifts
        .iter()
        .map(|drift| &drift.resource)
        .collect();
    let mut by_target: BTreeMap<&TargetName, BTreeMap<&ResourceId, &'static str>> = BTreeMap::new();
    let drifts = report.found.drifts.iter().chain(&report.comparison.drifts);
    // No exemption makes who hides something believable.
    let exempted = report.found.exempted.iter();
    let exempted = exempted.chain(&report.comparison.exempted);
    let hidden = exempted
        .map(|it| &it.drift)
        .filter(|drift| drift.disagreement().is_some());
    for drift in drifts.chain(hidden) {
        if let Some(why) = why(drift) {
            let evidence = by_target.entry(&drift.resource.target).or_default();
            evidence.insert(&drift.resource, why);
        }
    }
    by_target
        .into_iter()
        .map(|(target, evidence)| Doubt {
            target,
            is_restored: report.command == crate::model::Command::Reconcile
                && !evidence.keys().any(|id| remaining.contains(id)),
            evidence: evidence.into_iter().collect(),
        })
        .collect()
}

/// The evidence as a list for a person, unescaped, with how much more there is.
pub fn sentence(doubt: &Doubt<'_>) -> String {
    const MAX: usize = 5;
    let shown = doubt.evidence.iter().take(MAX);
    let mut parts: Vec<_> = shown
        .map(|(id, why)| format!("{} ({why})", id.short()))
        .collect();
    if doubt.evidence.len() > MAX {
        parts.push(format!("{} more", doubt.evidence.len() - MAX));
    }
    format!("{}; {ADVICE}", parts.join(", "))
}

#[cfg(test)]
mod tests;
