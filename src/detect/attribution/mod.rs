//! Attribution: joins drifts with the events that caused them.
//!
//! Flow: drifts → [`Wanted`] → records in a stream → [`Kept`] (bounded) → [`attribute`]: of each drift the records that
//! changed it, who is behind them, and what class that makes it.
//!
//! **Invariant:** evidence that an attacker can write makes nothing milder (see `proof`). Where several had their hands on
//! a resource, the worst of them names the class.

mod actor;
mod coverage;
mod kept;
mod named;
mod places;
mod proof;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;

use self::actor::Behind;
use self::kept::{Candidate, OfDrift};
use self::named::Did;
use self::places::Strength;
use self::proof::Proof;
use crate::model::{
    Attribution, Authorship, Change, Class, Confidence, Drift, EventRef, Format, Known, Record,
    Trust,
};

pub use kept::{Kept, Wanted};
pub use places::plural;

/// When it must have happened: since it was last known that nothing differed, until now. Both may be unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Records that an attribution names.
const MOST_EVENTS: usize = 32;

/// Fields of a file that change without its content.
const ATTRIBUTES: [&str; 10] = [
    "mode",
    "owner",
    "group",
    "acl",
    "xattrs",
    "capabilities",
    "immutable",
    "append_only",
    "links",
    "flags",
];

/// Says of each drift who is behind it. `kept` was made for the same drifts in the same order.
pub fn attribute(drifts: &[Drift], kept: &Kept, known: &Known, span: Span) -> Vec<Authorship> {
    let nothing = OfDrift::default();
    let each = drifts.iter().enumerate().map(|(index, drift)| {
        let of_drift = kept.of_drift.get(&index).unwrap_or(&nothing);
        let culprits = culprits(drift, of_drift, span);
        let git = Proof::of_git(known, &drift.resource);
        let judged = culprits.into_iter().map(|candidate| Judged {
            candidate,
            behind: actor::behind(&candidate.record, &kept.logins, known),
        });
        let mut judged: Vec<_> = judged.collect();
        judged.sort_by_key(|it| (it.candidate.record.time, it.candidate.record.place.clone()));
        match (judged.is_empty(), git) {
            (true, None) => Authorship::NoEvent {
                coverage: kept.coverage.all(),
            },
            (true, Some(git)) => Authorship::By(Box::new(by_git_alone(&git))),
            (false, git) => {
                let is_whole = of_drift.let_go == 0;
                Authorship::By(Box::new(by_records(&judged, git, is_whole, known)))
            }
        }
    });
    each.collect()
}

/// A record that changed the drift, and who is behind it.
struct Judged<'a, 'k> {
    candidate: &'a Candidate,
    behind: Behind<'k>,
}

/// The records that changed what differs: those that say so most surely.
fn culprits<'a>(drift: &Drift, kept: &'a OfDrift, span: Span) -> Vec<&'a Candidate> {
    let in_time = |time: Timestamp| {
        span.from.is_none_or(|from| from <= time) && span.until.is_none_or(|until| time <= until)
    };
    let ranked: Vec<(u8, &Candidate)> = kept
        .all()
        .filter(|candidate| in_time(candidate.record.time))
        .filter_map(|candidate| Some((rank(drift, candidate)?, candidate)))
        .collect();
    let best = ranked.iter().map(|(rank, _)| *rank).max();
    let best = ranked.into_iter().filter(|(rank, _)| Some(*rank) == best);
    best.map(|(_, candidate)| candidate).collect()
}

/// How surely a record made the difference; none where it did not.
fn rank(drift: &Drift, candidate: &Candidate) -> Option<u8> {
    let is_call = candidate.record.format == Format::KubernetesAudit;
    if is_call && drift.change == Change::Changed {
        let mut fields = drift.fields.iter();
        let body = &candidate.record.body;
        if !fields.any(|field| named::may_set(body, &field.path)) {
            return None;
        }
    }
    let plain = |path: &str| ATTRIBUTES.contains(&path.split('.').next().unwrap_or(path));
    let only_attributes = drift.fields.iter().all(|field| plain(&field.path));
    let fits = match (drift.change, candidate.did) {
        (Change::Missing, did) => did == Did::Removed,
        (Change::Changed, Did::Attributes) => only_attributes,
        (Change::Extra | Change::Changed, did) => did == Did::Written,
    };
    Some(match (candidate.strength, fits, candidate.did) {
        (Strength::Exact, true, _) => 4,
        (Strength::Exact, false, Did::Ran) => 3,
        (Strength::Near, true, _) | (Strength::Near, false, Did::Ran) => 2,
        (Strength::Exact, false, _) => 1,
        (Strength::Near, false, _) => return None,
    })
}

fn by_git_alone(git: &Proof<'_>) -> Attribution {
    let (time, method) = match git {
        Proof::Commit(commit) => (Some(commit.time), format!("by commit {}", commit.id)),
        _ => (None, String::new()),
    };
    Attribution {
        class: git.class(),
        actor: None,
        original: None,
        addresses: Vec::new(),
        key_fingerprint: None,
        time,
        method,
        events: Vec::new(),
        trust: None,
        confidence: Confidence::High,
        reason: git.words(),
        against: Vec::new(),
    }
}

/// The class by one record; `is_whole` unless records were let go that might have told of somebody else.
fn judge<'k>(judged: &Judged<'_, 'k>, is_whole: bool, known: &'k Known) -> Option<Proof<'k>> {
    let Judged { candidate, behind } = judged;
    let party = behind
        .party
        .filter(|_| behind.against.is_empty() && is_whole)?;
    Proof::of_records(known, behind.trust, party, candidate.record.time)
}

fn by_records(
    all: &[Judged<'_, '_>],
    git: Option<Proof<'_>>,
    is_whole: bool,
    known: &Known,
) -> Attribution {
    let class = |judged: &Judged<'_, '_>| {
        judge(judged, is_whole, known).map_or(Class::Suspicious, |proof| proof.class())
    };
    // The worst, and of those the first: that is when it began to differ.
    let worst = all
        .iter()
        .max_by_key(|judged| {
            let against = judged.behind.against.len();
            (
                class(judged),
                against > 0,
                Reverse(judged.candidate.record.time),
            )
        })
        .unwrap_or(&all[0]);
    let behind = &worst.behind;
    let proof = match behind.against.is_empty() {
        // Git explains what is there, whoever put it there, unless something speaks against them.
        true => git.or_else(|| judge(worst, is_whole, known)),
        false => None,
    };
    let reason = match (&proof, behind.against.is_empty()) {
        (Some(proof), _) => proof.words(),
        (None, false) => behind.against.join("; "),
        (None, true) => unproven(behind, is_whole),
    };
    let record = &worst.candidate.record;
    Attribution {
        class: proof.map_or(Class::Suspicious, |proof| proof.class()),
        original: behind.event.actor.original.clone(),
        actor: Some(behind.event.actor.clone()),
        addresses: behind.addresses.clone(),
        key_fingerprint: behind.fingerprint.clone(),
        time: Some(record.time),
        method: method(record, behind),
        events: events(all, worst),
        trust: Some(behind.trust),
        confidence: confidence(worst, is_whole),
        reason,
        against: behind.against.clone(),
    }
}

fn unproven(behind: &Behind<'_>, is_whole: bool) -> String {
    let whose = match behind.party {
        Some(party) => format!("the logs say {}", party.name),
        None => "nothing proves who it was".to_owned(),
    };
    match (is_whole, behind.trust) {
        (false, _) => format!("{whose}, but there were more records than are kept"),
        (true, Trust::Authenticated) => whose,
        (true, trust) => format!("{whose}, in {trust} records, which whoever did it could forge"),
    }
}

/// A sentence: how it was done. Programs without their arguments, which may hold secrets and stand in the records.
fn method(record: &Record, behind: &Behind<'_>) -> String {
    let text = |key: &str| record.body.get(key).and_then(serde_json::Value::as_str);
    let mut words = behind.event.action.clone();
    if let Some(program) = text("exe") {
        words = format!("{words} by {program}");
    }
    if let Some(parent) = text("parent_exe") {
        words = format!("{words}, started by {parent}");
    }
    let actor = &behind.event.actor;
    if let Some(original) = &actor.original {
        words = format!("{words}, as {} after logging in as {original}", actor.name);
    }
    match (&behind.program, &behind.login_method) {
        (Some(program), Some(login)) => format!("{words}, in a session of {program} by {login}"),
        (Some(program), None) => format!("{words}, in a session of {program}"),
        _ => words,
    }
}

/// The records that show it, by time: the worst and its login first to be kept.
fn events(all: &[Judged<'_, '_>], worst: &Judged<'_, '_>) -> Vec<EventRef> {
    let reference = |judged: &Judged<'_, '_>| {
        let record = &judged.candidate.record;
        EventRef {
            time: record.time,
            place: record.place.clone(),
            id: record.id.as_deref().map(str::to_owned),
            what: judged.behind.event.action.clone(),
        }
    };
    let mut events = vec![reference(worst)];
    events.extend(worst.behind.login.iter().cloned());
    events.extend(all.iter().rev().map(reference));
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.len() < MOST_EVENTS && seen.insert(event.clone()));
    events.sort();
    events
}

fn confidence(judged: &Judged<'_, '_>, is_whole: bool) -> Confidence {
    let by_trust = match judged.behind.trust {
        Trust::Authenticated => Confidence::High,
        Trust::HostWritten => Confidence::Medium,
        Trust::Unauthenticated => Confidence::Low,
    };
    let says_so = judged.candidate.strength == Strength::Exact && judged.candidate.did != Did::Ran;
    match says_so && is_whole {
        true => by_trust,
        false => by_trust.min(Confidence::Medium),
    }
}
