//! Finds out what an interrupted run left in flight.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::records::{INTENT, Intent, OUTCOME, Outcome, OutcomeResult, RUN_ENDED, RUN_STARTED};
use crate::model::{Digest, Recovered, RunId};
use crate::ports::{
    ActError, Clock, Provider, Providers, Record, RecordQuery, StateStore, StoreError,
};

/// Kind of the record that says an interrupted run has been looked after.
pub const RUN_RECOVERED: &str = "run-recovered";

/// Looks after every interrupted run: each intent without an outcome gets one, from what is there now, and whatever
/// temporary its step made is removed. What is half done is left for the next plan, which sees it as drift.
///
/// An intent on a target that is not among `providers`, or cannot be reached, stays open until that changes.
///
/// # Errors
/// When the state store fails.
pub async fn recover(
    providers: &Providers,
    store: &dyn StateStore,
    clock: &dyn Clock,
    run: &RunId,
) -> Result<Vec<Recovered>, StoreError> {
    let mut recovered = Vec::new();
    for interrupted in interrupted_runs(store, run)? {
        let mut left_open = false;
        for (seq, intent) in in_flight(store, &interrupted)? {
            let Some(provider) = providers.get(&intent.step.resource.target) else {
                left_open = true;
                continue;
            };
            let Some((result, found, what)) = look(provider.as_ref(), &intent).await else {
                left_open = true;
                continue;
            };
            append(
                store,
                clock,
                run,
                OUTCOME,
                &Outcome {
                    intent: seq,
                    resource: intent.step.resource.clone(),
                    result,
                    detail: what.clone(),
                    recovered: true,
                    found: found.filter(|_| result == OutcomeResult::Unclear),
                },
            )?;
            recovered.push(Recovered {
                run: interrupted.clone(),
                resource: intent.step.resource.to_string(),
                what,
            });
        }
        if !left_open {
            append(
                store,
                clock,
                run,
                RUN_RECOVERED,
                &json!({"run": interrupted}),
            )?;
        }
    }
    Ok(recovered)
}

/// What an intent came to; none where the target cannot be reached.
async fn look(
    provider: &dyn Provider,
    intent: &Intent,
) -> Option<(OutcomeResult, Option<Digest>, String)> {
    let tidied = provider.tidy(&intent.step, &intent.nonce).await;
    let found = match provider.capture(&intent.step, 0).await {
        Ok(captured) => captured.observed.digest(),
        Err(ActError::Lost(_)) => return None,
        Err(_) => None,
    };
    let (result, what) = match found {
        Some(found) if found == intent.step.leaves => (OutcomeResult::Done, "had been done"),
        Some(found) if found == intent.step.expect => (OutcomeResult::NotDone, "had not begun"),
        Some(_) => (
            OutcomeResult::Unclear,
            "is in neither state and is planned anew",
        ),
        None => (OutcomeResult::Unclear, "could not be looked at"),
    };
    Some(match tidied {
        Ok(()) => (result, found, what.to_owned()),
        Err(error) => (result, found, format!("{what}; tidying up failed: {error}")),
    })
}

fn append<T: serde::Serialize>(
    store: &dyn StateStore,
    clock: &dyn Clock,
    run: &RunId,
    kind: &str,
    payload: &T,
) -> Result<Record, StoreError> {
    let payload = serde_json::to_value(payload).expect("records are plain data");
    store.append(run, kind, clock.now(), payload)
}

/// Runs but for our own that have begun and neither ended nor been looked after, oldest first.
fn interrupted_runs(store: &dyn StateStore, own: &RunId) -> Result<Vec<RunId>, StoreError> {
    let records = store.records(&RecordQuery {
        kinds: vec![RUN_STARTED, RUN_ENDED, RUN_RECOVERED],
        ..RecordQuery::default()
    })?;
    let mut open: Vec<RunId> = Vec::new();
    for record in records {
        match record.kind.as_str() {
            RUN_STARTED if record.run == *own => {}
            RUN_STARTED => open.push(record.run),
            RUN_ENDED => open.retain(|run| *run != record.run),
            _ => {
                let named = record.payload.get("run").and_then(|run| run.as_str());
                open.retain(|run| Some(run.0.as_str()) != named);
            }
        }
    }
    Ok(open)
}

/// Whether an intent of this run has no outcome.
///
/// # Errors
/// When the journal cannot be read.
pub fn is_in_flight(store: &dyn StateStore, run: &RunId) -> Result<bool, StoreError> {
    Ok(!in_flight(store, run)?.is_empty())
}

/// The intents of a run that have no outcome, newest first.
fn in_flight(store: &dyn StateStore, run: &RunId) -> Result<Vec<(u64, Intent)>, StoreError> {
    let intents = store.records(&RecordQuery {
        run: Some(run.clone()),
        kinds: vec![INTENT],
        ..RecordQuery::default()
    })?;
    let Some(first) = intents.first().map(|record| record.seq) else {
        return Ok(Vec::new());
    };
    // Outcomes of an interrupted run may have been written by the runs that looked after it.
    let closed: BTreeSet<u64> = store
        .records(&RecordQuery {
            kinds: vec![OUTCOME],
            after: first,
            ..RecordQuery::default()
        })?
        .iter()
        .filter_map(|record| record.payload.get("intent").and_then(|seq| seq.as_u64()))
        .collect();
    let mut open = BTreeMap::new();
    for record in intents {
        if !closed.contains(&record.seq) {
            open.insert(record.seq, read(&record)?);
        }
    }
    Ok(open.into_iter().rev().collect())
}

/// Reads a payload of ours back.
pub(super) fn read<T: serde::de::DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_value(record.payload.clone()).map_err(|error| StoreError::Damaged {
        path: "the journal".to_owned(),
        what: format!("record {} cannot be read: {error}", record.seq),
    })
}
