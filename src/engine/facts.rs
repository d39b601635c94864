//! What the journal knows: facts that outlive a run, derived from its signed records and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::guard::Suspension;
use crate::model::{ResourceId, RunId, TargetName};
use crate::ports::{RecordQuery, StateStore, StoreError};

/// A run ended with everything evaluated and clean.
pub const VERIFIED_CLEAN: &str = "verified-clean";
/// A commit was found trustworthy.
pub const TRUSTED: &str = "trusted";
/// Resources rest after an undo.
pub const SUSPENDED: &str = "suspended";
/// A rest was ended by a person.
pub const RESUMED: &str = "resumed";
/// An undo or unwind failed on a target.
pub const UNDO_FAILED: &str = "undo-failed";
/// A group that an approval allowed was carried out.
pub const APPROVAL_USED: &str = "approval-used";
/// The plan of a run with its verdicts.
pub const PLANNED: &str = "planned";
/// A pull request was opened, updated, closed or commented.
pub const PULL: &str = "pull-request";

/// The payload of [`SUSPENDED`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Suspended {
    pub resources: Vec<ResourceId>,
    pub until: Timestamp,
}

/// What is known from earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub suspended: BTreeMap<ResourceId, Suspension>,
    pub undo_failed: BTreeMap<TargetName, RunId>,
    /// Approvals that have been used, each as the group's hash and the pull request's number.
    pub approvals_used: BTreeSet<String>,
    pub last_good: Option<String>,
    pub trusted: Option<String>,
}

impl Facts {
    /// Reads what the journal knows.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(store: &dyn StateStore) -> Result<Self, StoreError> {
        let records = store.records(&RecordQuery {
            kinds: vec![
                VERIFIED_CLEAN,
                TRUSTED,
                SUSPENDED,
                RESUMED,
                UNDO_FAILED,
                APPROVAL_USED,
            ],
            ..RecordQuery::default()
        })?;
        let mut facts = Self::default();
        for record in records {
            facts.learn(&record.kind, &record.run, &record.payload);
        }
        Ok(facts)
    }

    fn learn(&mut self, kind: &str, run: &RunId, payload: &Json) {
        let text = |name: &str| payload.get(name).and_then(Json::as_str).map(str::to_owned);
        match kind {
            VERIFIED_CLEAN => self.last_good = text("commit").or(self.last_good.take()),
            TRUSTED => self.trusted = text("commit").or(self.trusted.take()),
            APPROVAL_USED => self.approvals_used.extend(text("approval")),
            UNDO_FAILED => {
                if let Some(target) = text("target") {
                    self.undo_failed.insert(TargetName(target), run.clone());
                }
            }
            SUSPENDED => {
                let Ok(suspended) = serde_json::from_value::<Suspended>(payload.clone()) else {
                    return;
                };
                for resource in suspended.resources {
                    self.suspended.insert(
                        resource,
                        Suspension {
                            until: suspended.until,
                            run: run.clone(),
                        },
                    );
                }
            }
            RESUMED => {
                if let Some(named) = text("run") {
                    self.suspended.retain(|_, rest| rest.run.0 != named);
                    self.undo_failed.retain(|_, failed| failed.0 != named);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn learned(records: &[(&str, &str, Json)]) -> Facts {
        let mut facts = Facts::default();
        for (kind, run, payload) in records {
            facts.learn(kind, &RunId((*run).into()), payload);
        }
        facts
    }

    // Goal: the newest good commit counts, and resuming a run ends exactly what that run began.
    #[test]
    fn later_records_win() {
        let resource = json!({"target": "t", "kind": "File", "name": "a"});
        let until = "2026-11-25T00:00:00Z";
        let facts = learned(&[
            (VERIFIED_CLEAN, "r1", json!({"commit": "one"})),
            (VERIFIED_CLEAN, "r2", json!({"commit": "two"})),
            (
                SUSPENDED,
                "r3",
                json!({"resources": [resource], "until": until}),
            ),
            (UNDO_FAILED, "r3", json!({"target": "t"})),
        ]);
        assert_eq!(facts.last_good.as_deref(), Some("two"));
        assert_eq!((facts.suspended.len(), facts.undo_failed.len()), (1, 1));
        let facts = learned(&[
            (
                SUSPENDED,
                "r3",
                json!({"resources": [resource], "until": until}),
            ),
            (SUSPENDED, "r4", json!({"resources": [], "until": until})),
            (RESUMED, "r5", json!({"run": "r3"})),
        ]);
        assert!(facts.suspended.is_empty());
    }
}
