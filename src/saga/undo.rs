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
    for intent in standing(store, run)? {
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
        let back = intent.inverse(intent.step.leaves);
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

/// The steps of a run that were done and not unwound, newest first.
fn standing(store: &dyn StateStore, run: &RunId) -> Result<Vec<Intent>, StoreError> {
    let intents = store.records(&RecordQuery {
        run: Some(run.clone()),
        kinds: vec![INTENT],
        ..RecordQuery::default()
    })?;
    let Some(first) = intents.first().map(|record| record.seq) else {
        return Ok(Vec::new());
    };
    let outcomes: BTreeMap<u64, OutcomeResult> = store
        .records(&RecordQuery {
            kinds: vec![OUTCOME],
            after: first,
            ..RecordQuery::default()
        })?
        .iter()
        .map(|record| read::<Outcome>(record).map(|outcome| (outcome.intent, outcome.result)))
        .collect::<Result<_, _>>()?;
    let mut standing: Vec<Intent> = Vec::new();
    for record in intents {
        if outcomes.get(&record.seq) != Some(&OutcomeResult::Done) {
            continue;
        }
        let intent: Intent = read(&record)?;
        if intent.purpose == Purpose::Unwind {
            standing.retain(|other| {
                other.group != intent.group || other.step.resource != intent.step.resource
            });
        } else {
            standing.push(intent);
        }
    }
    standing.reverse();
    Ok(standing)
}
