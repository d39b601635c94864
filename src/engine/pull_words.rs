//! What a run says of pull requests: notes, notices and errors.
//!
//! **Invariant:** plain functions; each error and notice says what to do next.

use crate::forge::lifecycle::PullAction;
use crate::model::{GroupResult, PullNote, RunReport};
use crate::ports::{ForgeError, PullRequest};

/// What failed at the forge, with what to do about it.
pub(super) fn told(error: &ForgeError) -> String {
    match error {
        ForgeError::Refused { hint, .. } => format!("{error}; {hint}"),
        ForgeError::Unreachable { .. } => {
            format!("{error}; nothing is approved without it, and the next run asks again")
        }
    }
}

/// The first resource of the group with this fingerprint.
fn resource_of(report: &RunReport, fingerprint: &str) -> Option<String> {
    let mut groups = report.plan.groups.iter();
    let group = groups.find(|group| group.fingerprint == fingerprint)?;
    Some(group.steps.first()?.resource.to_string())
}

pub(super) fn note(
    report: &RunReport,
    pull: Option<&PullRequest>,
    number: u64,
    fingerprint: &str,
    what: &str,
) -> PullNote {
    PullNote {
        number,
        url: pull.map_or_else(String::new, |pull| pull.url.clone()),
        fingerprint: fingerprint.to_owned(),
        resource: resource_of(report, fingerprint),
        what: what.to_owned(),
    }
}

/// Sentences on the causes for which no pull request was opened although one is wanted.
pub(super) fn not_opened(actions: &[PullAction], report: &RunReport) -> Vec<String> {
    let name = |fingerprint: &str| {
        resource_of(report, fingerprint).unwrap_or_else(|| fingerprint.to_owned())
    };
    let mut notices = Vec::new();
    let mut held = Vec::new();
    for action in actions {
        match action {
            PullAction::Hold {
                fingerprint,
                open,
                max,
            } => held.push((name(fingerprint), open, max)),
            PullAction::Taken {
                fingerprint,
                number,
                by,
            } => notices.push(format!(
                "no pull request was opened for {}: #{number} of the baseline in {by} has its branch; give the targets \
                 of the two different names",
                name(fingerprint)
            )),
            _ => {}
        }
    }
    if let Some((first, open, max)) = held.first() {
        let more = match held.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        notices.push(format!(
            "no pull request was opened for {first}{more}: {open} are open, and forge.max_open is {max}; merge or close some"
        ));
    }
    notices
}

/// What became of a group that an approval let through.
pub(super) fn outcome(result: GroupResult) -> &'static str {
    match result {
        GroupResult::Done => "carried out",
        GroupResult::Stale => "not carried out: the live state had changed",
        GroupResult::Failed => "failed, and taken back",
        GroupResult::Broken => "failed, and could not be taken back",
        GroupResult::Lost => "not known: the target was lost in the middle",
    }
}
