//! What evenkeel did about an incident: the steps and pull requests on its resources, since the run that opened it.
//!
//! **Invariant:** told from signed records alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::facts::PULL;
use super::Incidents;
use crate::model::{Incident, IncidentAct, PullNote};
use crate::ports::{Record, RecordQuery, StateStore, StoreError};
use crate::saga::{INTENT, Intent, OUTCOME, Outcome, OutcomeResult, Purpose};

/// How many of them are told.
const MAX_ACTS: usize = 10_000;

impl Incidents {
    /// What was done about one, in order.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn acts(
        store: &dyn StateStore,
        incident: &Incident,
    ) -> Result<Vec<IncidentAct>, StoreError> {
        let about: BTreeSet<_> = incident
            .findings
            .values()
            .filter_map(|seen| Some(seen.finding.resource.as_ref()?.to_string()))
            .collect();
        if about.is_empty() {
            return Ok(Vec::new());
        }
        let runs: BTreeSet<_> = incident.history.iter().map(|note| &note.run).collect();
        let records = store.records(&RecordQuery {
            kinds: vec![INTENT, OUTCOME, PULL],
            ..RecordQuery::default()
        })?;
        let since = |record: &&Record| record.at >= incident.opened || runs.contains(&record.run);
        let mut steps = BTreeMap::new();
        let mut acts = Vec::new();
        for record in records.iter().filter(since) {
            let act = match record.kind.as_str() {
                INTENT => {
                    let words = Intent::deserialize(&record.payload).map(|it| words(&it));
                    steps.extend(words.ok().map(|words| (record.seq, words)));
                    None
                }
                OUTCOME => outcome(record, &steps),
                _ => pull(record),
            };
            acts.extend(
                act.filter(|act| act.resource.as_ref().is_some_and(|it| about.contains(it))),
            );
            if acts.len() >= MAX_ACTS {
                break;
            }
        }
        Ok(acts)
    }
}

fn words(intent: &Intent) -> String {
    match intent.purpose {
        Purpose::Act => intent.step.verb.to_string(),
        Purpose::Unwind => format!("taken back ({})", intent.step.verb),
        Purpose::Undo => format!("undone ({})", intent.step.verb),
    }
}

fn outcome(record: &Record, steps: &BTreeMap<u64, String>) -> Option<IncidentAct> {
    let outcome = Outcome::deserialize(&record.payload).ok()?;
    let result = match outcome.result {
        OutcomeResult::Done => "done",
        OutcomeResult::NotDone => "not done",
        OutcomeResult::Unclear => "unclear",
    };
    let step = steps.get(&outcome.intent).map_or("step", String::as_str);
    let detail = match outcome.detail.is_empty() {
        true => String::new(),
        false => format!(": {}", outcome.detail),
    };
    Some(IncidentAct {
        at: record.at,
        run: record.run.clone(),
        resource: Some(outcome.resource.to_string()),
        what: format!("{step} {result}{detail}"),
    })
}

fn pull(record: &Record) -> Option<IncidentAct> {
    let note = PullNote::deserialize(&record.payload).ok()?;
    Some(IncidentAct {
        at: record.at,
        run: record.run.clone(),
        resource: note.resource,
        what: format!("pull request {} {} ({})", note.number, note.what, note.url),
    })
}
