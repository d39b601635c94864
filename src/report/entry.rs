//! Entries: each drift joined with what is planned for it, what the guard said and what became of it.
//!
//! Flow: report → [`entries`] (what still differs first, then what differed and is right now) → renderers.
//!
//! **Invariant:** every drift of the end of the run is one entry, whether anything is planned for it or not.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Change, Command, Drift, Group, GroupOutcome, GroupResult, HeldBecause, NotEvaluated,
    ReasonCode, ResourceId, RunReport, Step, StepResult, TargetName, Undo, Verb, Verdict,
};

use super::escape::clipped;
use super::words::{self, MAX_SENTENCE};

/// One drift with all that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub drift: &'a Drift,
    pub group: Option<&'a Group>,
    pub step: Option<&'a Step>,
    pub verdict: Option<&'a Verdict>,
    pub outcome: Option<&'a GroupOutcome>,
    /// Whether it still differs at the end of the run.
    pub remains: bool,
    /// Whether it could be told at the end of the run.
    pub is_seen: bool,
    pub command: Command,
}

/// Finds what is planned for a resource.
struct Index<'a> {
    report: &'a RunReport,
    planned: BTreeMap<&'a ResourceId, (&'a Group, &'a Step)>,
    outcomes: BTreeMap<crate::model::Digest, &'a GroupOutcome>,
    unseen: BTreeSet<&'a ResourceId>,
}

/// All drifts of the report: those of its end first, then those that were found and are gone.
pub fn entries(report: &RunReport) -> Vec<Entry<'_>> {
    let index = Index::of(report);
    let now: BTreeSet<_> = report
        .comparison
        .drifts
        .iter()
        .map(|it| &it.resource)
        .collect();
    let remaining = report.comparison.drifts.iter();
    let gone = report
        .found
        .drifts
        .iter()
        .filter(|drift| !now.contains(&drift.resource));
    remaining
        .map(|drift| index.entry(drift, true))
        .chain(gone.map(|drift| index.entry(drift, false)))
        .collect()
}

/// Groups that the guard held back, by reason, in the order of the plan.
pub fn held(report: &RunReport) -> Vec<(&HeldBecause, Vec<&Group>)> {
    let mut reasons: Vec<(&HeldBecause, Vec<&Group>)> = Vec::new();
    let mut at = BTreeMap::new();
    for group in &report.plan.groups {
        let Some(Verdict::Held(because)) = report.verdicts.get(&group.hash) else {
            continue;
        };
        let slot = *at.entry(because.to_string()).or_insert_with(|| {
            reasons.push((because, Vec::new()));
            reasons.len() - 1
        });
        reasons[slot].1.push(group);
    }
    reasons
}

/// What could not be evaluated, as names with their reasons: a target that could not be reached is named once for each
/// reason, with how many resources it is true of.
pub fn unseen(report: &RunReport) -> Vec<(String, &str)> {
    let mut counts = BTreeMap::new();
    let all = &report.comparison.not_evaluated;
    for it in all {
        *counts.entry(cause(it)).or_insert(0_usize) += 1;
    }
    let mut items = Vec::new();
    for it in all {
        let reason = it.reason.text.as_str();
        let of_target = it.reason.code == ReasonCode::Unreachable;
        match counts.get(&cause(it)) {
            Some(n @ 2..) if of_target => {
                let resources = words::counted(*n, "resource", "resources");
                items.push((format!("{}: {resources}", it.resource.target), reason));
                // Told once.
                counts.remove(&cause(it));
            }
            None => {}
            Some(_) => items.push((it.resource.to_string(), reason)),
        }
    }
    items
}

fn cause(it: &NotEvaluated) -> (&TargetName, ReasonCode, &str) {
    (&it.resource.target, it.reason.code, &it.reason.text)
}

impl<'a> Index<'a> {
    fn of(report: &'a RunReport) -> Self {
        let planned = report
            .plan
            .groups
            .iter()
            .flat_map(|group| {
                group
                    .steps
                    .iter()
                    .map(move |step| (&step.resource, (group, step)))
            })
            .collect();
        Self {
            report,
            planned,
            outcomes: report.outcomes.iter().map(|it| (it.group, it)).collect(),
            unseen: report
                .comparison
                .not_evaluated
                .iter()
                .map(|it| &it.resource)
                .collect(),
        }
    }

    fn entry(&self, drift: &'a Drift, remains: bool) -> Entry<'a> {
        let planned = self.planned.get(&drift.resource).copied();
        let group = planned.map(|(group, _)| group);
        Entry {
            drift,
            group,
            step: planned.map(|(_, step)| step),
            verdict: group.and_then(|group| self.report.verdicts.get(&group.hash)),
            outcome: group.and_then(|group| self.outcomes.get(&group.hash).copied()),
            remains,
            is_seen: !self.unseen.contains(&drift.resource),
            command: self.report.command,
        }
    }
}

impl Entry<'_> {
    /// Why nothing is done, where the guard said so.
    pub fn held(&self) -> Option<&HeldBecause> {
        match self.verdict {
            Some(Verdict::Held(because)) => Some(because),
            _ => None,
        }
    }

    /// What the step does, as a bare verb phrase.
    pub fn deed(&self) -> &'static str {
        match self.step.map(|step| step.verb) {
            _ if self.command == Command::Undo => "restore it",
            Some(Verb::Remove) => "remove it",
            Some(Verb::Put) if self.drift.change == Change::Missing => "make it",
            _ => "put it back",
        }
    }

    /// What would be done, or was done and with which result, as a fragment that is escaped for a terminal.
    pub fn action(&self) -> String {
        let Some(step) = self.step else {
            return match self.remains {
                true => match &self.drift.by_hand {
                    Some(what) => format!("for a person to do: {}", clipped(what, MAX_SENTENCE)),
                    None => "nothing is planned for it".to_owned(),
                },
                false => "no longer differs".to_owned(),
            };
        };
        let Some(outcome) = self.outcome else {
            return match (self.command, self.verdict) {
                (_, Some(Verdict::Held(_))) | (Command::Plan, _) | (_, None) => {
                    format!("would {}", self.deed())
                }
                (_, Some(Verdict::Allow { .. })) => format!("was to {}, not begun", self.deed()),
            };
        };
        let result = outcome
            .steps
            .iter()
            .find(|it| it.resource == step.resource)
            .map(|it| &it.result);
        match result {
            Some(StepResult::Done) => self.done(outcome.result),
            Some(StepResult::Stale { found }) => format!(
                "skipped, it changed after it was planned: {}",
                clipped(found, MAX_SENTENCE)
            ),
            Some(StepResult::Failed { error }) => {
                format!(
                    "failed to {}: {}",
                    self.deed(),
                    clipped(error, MAX_SENTENCE)
                )
            }
            Some(StepResult::Unwound) => {
                "done, then taken back, since another step of its group failed".to_owned()
            }
            Some(StepResult::UnwindFailed { error }) => format!(
                "done, and could not be taken back when its group failed: {}",
                clipped(error, MAX_SENTENCE)
            ),
            Some(StepResult::Lost { error }) => format!(
                "not known whether done, the target was lost: {}",
                clipped(error, MAX_SENTENCE)
            ),
            Some(StepResult::NotBegun) | None => {
                "not begun, since an earlier step of its group did not succeed".to_owned()
            }
        }
    }

    fn done(&self, group: GroupResult) -> String {
        let deed = match self.deed() {
            "remove it" => "removed",
            "make it" => "made",
            "restore it" => "restored",
            _ => "put back",
        };
        match (self.remains, self.is_seen) {
            // What an undo restores differs from the baseline, as it did before.
            _ if self.command == Command::Undo => deed.to_owned(),
            (true, _) => format!("{deed}, and differs again"),
            (false, false) => format!("{deed}, and could not be looked at afterwards"),
            (false, true) if group == GroupResult::Done => format!("{deed}, verified"),
            (false, true) => format!("{deed}, verified, and kept though its group failed"),
        }
    }

    /// How it is taken back, where something is planned.
    pub fn undo(&self) -> Option<String> {
        Some(match (&self.step?.undo, self.drift.change) {
            (Undo::Irreversible { why }, _) => {
                format!("irreversible: {}", clipped(why, MAX_SENTENCE))
            }
            (Undo::Restore, Change::Missing) => "it is removed again".to_owned(),
            (Undo::Restore, Change::Extra) => "it is kept and can be put back".to_owned(),
            (Undo::Restore, Change::Changed) => {
                "the state before is kept and can be put back".to_owned()
            }
        })
    }

    /// `, together with 2 others` where the group has more steps than this one.
    pub fn company(&self) -> String {
        match self.group.map_or(1, |group| group.steps.len()) {
            0 | 1 => String::new(),
            n => format!(
                ", together with {}",
                words::counted(n - 1, "other", "others")
            ),
        }
    }
}
