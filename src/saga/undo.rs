//! Turns a run of the past into groups that take it back.

use std::collections::BTreeMap;

use super::records::{INTENT, Intent, OUTCOME, Outcome, OutcomeResult, Purpose};
use super::recover::read;
use crate::model::{Digest, Group, ResourceId, RunId, Step, Undo};
use crate::ports::{RecordQuery, StateStore, StoreError};

/// What taking a run back comes to.
#[derive(Debug, Default)]
pub struct UndoPlan {
    /// Newest first, as they have to be done.
    pub groups: Vec<Group>,
    /// What cannot be taken back, with the reason.
    pub not_undoable: Vec<NotUndoable>,
    /// Whether any step answered an indicator of compromise.
    pub reopens: Vec<ResourceId>,
}

/// One step that cannot be taken back.
#[derive(Clone, PartialEq, Debug)]
pub struct NotUndoable {
    pub resource: ResourceId,
    pub why: String,
}

/// Plans the undo of everything that a run did and that still stands.
///
/// # Errors
/// When the journal cannot be read.
pub fn undo_groups(store: &dyn StateStore, run: &RunId) -> Result<UndoPlan, StoreError> {
    let mut plan = UndoPlan::default();
    let mut steps: BTreeMap<usize, (Digest, Vec<Step>)> = BTreeMap::new();
    let mut order: Vec<Digest> = Vec::new();
    for Standing { intent, left } in standing(store, run)? {
        if !intent.step.answers.is_empty() {
            plan.reopens.push(intent.step.resource.clone());
        }
        if let Undo::Irreversible { why } = &intent.step.undo {
            plan.not_undoable.push(NotUndoable {
                resource: intent.step.resource.clone(),
                why: why.clone(),
            });
            continue;
        }
        let at = order
            .iter()
            .position(|group| *group == intent.group)
            .unwrap_or_else(|| {
                order.push(intent.group);
                order.len() - 1
            });
        let back = intent.inverse(left);
        steps
            .entry(at)
            .or_insert((intent.group, Vec::new()))
            .1
            .push(back);
    }
    plan.groups = steps
        .into_values()
        .map(|(_, steps)| Group::new(steps[0].resource.target.clone(), steps))
        .collect();
    Ok(plan)
}

/// A step that stands, and the digest of what it left: what it was meant to, or what is there since it or its undo broke
/// on the way.
struct Standing {
    intent: Intent,
    left: Digest,
}

/// The steps of a run that were done, wholly or in part, and not unwound; newest first.
fn standing(store: &dyn StateStore, run: &RunId) -> Result<Vec<Standing>, StoreError> {
    let query = |kind, after| RecordQuery {
        kinds: vec![kind],
        after,
        ..RecordQuery::default()
    };
    let intents = store.records(&RecordQuery {
        run: Some(run.clone()),
        ..query(INTENT, 0)
    })?;
    let Some(first) = intents.first().map(|record| record.seq) else {
        return Ok(Vec::new());
    };
    let mut outcomes: BTreeMap<u64, Outcome> = BTreeMap::new();
    for record in store.records(&query(OUTCOME, first))? {
        let outcome: Outcome = read(&record)?;
        outcomes.insert(outcome.intent, outcome);
    }
    let mut standing: Vec<Standing> = Vec::new();
    for record in intents {
        let Some(outcome) = outcomes.get(&record.seq) else {
            continue;
        };
        let intent: Intent = read(&record)?;
        let left = match outcome.result {
            OutcomeResult::Done => Some(intent.step.leaves),
            OutcomeResult::Unclear => outcome.found,
            OutcomeResult::NotDone => None,
        };
        match (intent.purpose, left) {
            (Purpose::Unwind, _) if outcome.result == OutcomeResult::Done => {
                standing.retain(|one| !one.is_of(&intent));
            }
            (Purpose::Unwind, _) => standing
                .iter_mut()
                .for_each(|one| one.follow(&intent, outcome)),
            (_, Some(left)) => standing.push(Standing { intent, left }),
            (_, None) => {}
        }
    }
    // An undo of this run that broke on the way goes on from where it stopped.
    for record in store.records(&query(INTENT, first))? {
        let Some(outcome) = outcomes.get(&record.seq).filter(|_| record.run != *run) else {
            continue;
        };
        let intent: Intent = read(&record)?;
        if intent.purpose != Purpose::Act {
            standing
                .iter_mut()
                .for_each(|one| one.follow(&intent, outcome));
        }
    }
    standing.reverse();
    Ok(standing)
}

impl Standing {
    fn is_of(&self, other: &Intent) -> bool {
        self.intent.group == other.group && self.intent.step.resource == other.step.resource
    }

    /// Learns from a way back that was gone in part, or gone and turned round, what is there now.
    fn follow(&mut self, back: &Intent, outcome: &Outcome) {
        if back.step.resource != self.intent.step.resource {
            return;
        }
        let aims_here = Some(back.step.leaves) == self.intent.before.digest();
        let starts_here = back.step.expect == self.left;
        match (back.purpose, outcome.result, outcome.found) {
            (Purpose::Undo, OutcomeResult::Unclear, Some(found)) if aims_here => self.left = found,
            (Purpose::Unwind, OutcomeResult::Done, _) if starts_here => {
                self.left = back.step.leaves
            }
            (Purpose::Unwind, OutcomeResult::Unclear, Some(found)) if starts_here => {
                self.left = found
            }
            _ => {}
        }
    }
}
