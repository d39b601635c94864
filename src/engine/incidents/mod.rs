//! Incidents that the journal knows, and what a run's findings make of them.
//!
//! Flow: signed records → [`Incidents`] → a run's findings are [settled](Incidents::settle) → [`Change`]s, which `reconcile` and
//! `detect --record` append and everything else lets go.
//!
//! **Invariant:** only a person closes an incident, and only events that are newer than what was closed open it again.

mod acts;
mod settle;
mod suppressed;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::logs::Heard;
use super::{CycleInput, Engine};
use crate::model::{
    Finding, Incident, IncidentDeed, IncidentNote, IncidentState, RunId, RunReport, Seen,
};
use crate::ports::{Record, RecordQuery, StateStore, StoreError};

pub use settle::Settled;
pub use suppressed::{SUPPRESSED, news};

/// Findings opened an incident.
pub const INCIDENT_OPENED: &str = "incident-opened";
/// Findings were added to one, or came again with newer events.
pub const INCIDENT_GREW: &str = "incident-grew";
/// What findings are about is not there any more.
pub const INCIDENT_GONE: &str = "incident-gone";
/// A person closed one.
pub const INCIDENT_CLOSED: &str = "incident-closed";
/// Something newer opened one again.
pub const INCIDENT_REOPENED: &str = "incident-reopened";

const KINDS: [&str; 5] = [
    INCIDENT_OPENED,
    INCIDENT_GREW,
    INCIDENT_GONE,
    INCIDENT_CLOSED,
    INCIDENT_REOPENED,
];

/// What findings add to an incident: the payload of records that do.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Added {
    pub incident: String,
    pub findings: Vec<Finding>,
    /// Those that an incident does not keep whole, each with the time of its newest event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, Option<Timestamp>>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub related: BTreeSet<String>,
    /// The finding that opens it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// One thing to be recorded.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    pub kind: &'static str,
    pub payload: Json,
}

/// All incidents, open and closed.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    all: BTreeMap<String, Incident>,
    /// The incident of each fingerprint.
    of: BTreeMap<String, String>,
}

/// There is nothing to close.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotClosed {
    #[error("there is no incident {0}")]
    Unknown(String),
    #[error("{0} incidents start with {1}")]
    Several(usize, String),
    #[error("incident {0} is closed already")]
    Already(String),
}

impl Incidents {
    /// Reads what the journal knows.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn read(store: &dyn StateStore) -> Result<Self, StoreError> {
        let records = store.records(&RecordQuery {
            kinds: KINDS.to_vec(),
            ..RecordQuery::default()
        })?;
        let mut incidents = Self::default();
        for record in &records {
            incidents.learn(record);
        }
        Ok(incidents)
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<&Incident> {
        let mut all: Vec<_> = self.all.values().collect();
        all.sort_by_key(|it| (it.opened, &it.id));
        all
    }

    /// The one with this id, or whose id alone starts so.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn named(&self, id: &str) -> Result<&Incident, NotClosed> {
        if let Some(incident) = self.all.get(id) {
            return Ok(incident);
        }
        let digits = id.strip_prefix(Incident::PREFIX).unwrap_or(id);
        let starts = |it: &&Incident| {
            let own = it.id.strip_prefix(Incident::PREFIX).unwrap_or(&it.id);
            !digits.is_empty() && own.starts_with(digits)
        };
        let mut found = self.all.values().filter(starts);
        match (found.next(), found.count()) {
            (Some(incident), 0) => Ok(incident),
            (None, _) => Err(NotClosed::Unknown(id.to_owned())),
            (Some(_), more) => Err(NotClosed::Several(more + 1, id.to_owned())),
        }
    }

    /// What closing one is recorded as.
    ///
    /// # Errors
    /// There is no such incident, or it is closed.
    pub fn close(&self, id: &str, reason: &str) -> Result<Change, NotClosed> {
        let incident = self.named(id)?;
        if !incident.is_open() {
            return Err(NotClosed::Already(incident.id.clone()));
        }
        Ok(Change {
            kind: INCIDENT_CLOSED,
            payload: json!({"incident": incident.id, "reason": reason}),
        })
    }

    /// Takes changes in as if they were recorded.
    pub fn apply(&mut self, changes: &[Change], run: &RunId, at: Timestamp) {
        for change in changes {
            self.take(change.kind, &change.payload, run, at);
        }
    }

    fn learn(&mut self, record: &Record) {
        self.take(&record.kind, &record.payload, &record.run, record.at);
    }

    fn take(&mut self, kind: &str, payload: &Json, run: &RunId, at: Timestamp) {
        let note = |what| IncidentNote {
            at,
            run: run.clone(),
            what,
        };
        match kind {
            INCIDENT_OPENED | INCIDENT_GREW | INCIDENT_REOPENED => {
                let Ok(added) = Added::deserialize(payload) else {
                    return;
                };
                let findings = added.findings.len() + added.more.len();
                let what = match (kind, &added.because) {
                    (INCIDENT_OPENED, _) => IncidentDeed::Opened { findings },
                    (INCIDENT_REOPENED, because) => IncidentDeed::Reopened {
                        because: because.clone().unwrap_or_default(),
                    },
                    _ => IncidentDeed::Grew { findings },
                };
                let incident = self.add(added, at);
                incident.history.push(note(what));
                if kind != INCIDENT_GREW {
                    incident.state = IncidentState::Open;
                }
            }
            INCIDENT_GONE => {
                let Ok(gone) = Gone::deserialize(payload) else {
                    return;
                };
                if let Some(incident) = self.all.get_mut(&gone.incident) {
                    let findings = incident.lose(&gone.fingerprints);
                    incident.history.push(note(IncidentDeed::Gone { findings }));
                }
            }
            INCIDENT_CLOSED => {
                let text = |key: &str| payload.get(key).and_then(Json::as_str).unwrap_or("");
                if let Some(incident) = self.all.get_mut(text("incident")) {
                    let reason = text("reason").to_owned();
                    incident.state = IncidentState::Closed;
                    incident.history.push(note(IncidentDeed::Closed { reason }));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, added: Added, at: Timestamp) -> &mut Incident {
        let id = added.incident;
        for finding in &added.findings {
            self.of.insert(finding.fingerprint.clone(), id.clone());
        }
        for fingerprint in added.more.keys() {
            self.of.insert(fingerprint.clone(), id.clone());
        }
        let incident = self.all.entry(id.clone()).or_insert_with(|| Incident {
            id,
            state: IncidentState::Open,
            opened: at,
            findings: BTreeMap::new(),
            more: BTreeMap::new(),
            related: BTreeSet::new(),
            history: Vec::new(),
        });
        for finding in added.findings {
            match incident.findings.get_mut(&finding.fingerprint) {
                Some(seen) => {
                    seen.gone = false;
                    seen.updated = at;
                    seen.finding = settle::together(&seen.finding, finding);
                }
                None => {
                    let fingerprint = finding.fingerprint.clone();
                    let seen = Seen {
                        seen: at,
                        updated: at,
                        gone: false,
                        finding,
                    };
                    incident.findings.insert(fingerprint, seen);
                }
            }
        }
        incident.more.extend(added.more);
        let room = Incident::MAX_RELATED.saturating_sub(incident.related.len());
        incident
            .related
            .extend(added.related.into_iter().take(room));
        incident
    }
}

/// The payload of [`INCIDENT_GONE`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Gone {
    incident: String,
    fingerprints: BTreeSet<String>,
}

impl Incident {
    fn lose(&mut self, fingerprints: &BTreeSet<String>) -> usize {
        let mut lost = 0;
        for fingerprint in fingerprints {
            if let Some(seen) = self.findings.get_mut(fingerprint) {
                seen.gone = true;
                lost += 1;
            }
        }
        lost
    }
}

impl Engine<'_> {
    /// Takes out what is suppressed, says which incidents the other findings belong to, and records nothing.
    pub(super) fn name_incidents(
        &self,
        input: &CycleInput<'_>,
        report: &mut RunReport,
    ) -> Result<(), StoreError> {
        suppressed::take_out(input, report);
        let settled = Incidents::read(self.store)?.settle(&mut report.findings, report.started);
        report.notices.extend(settled.notices);
        Ok(())
    }

    /// The same at the end of a run, which records what came of it.
    pub(super) fn record_incidents(
        &self,
        input: &CycleInput<'_>,
        run: &RunId,
        report: &mut RunReport,
    ) -> Result<(), StoreError> {
        suppressed::take_out(input, report);
        if let Some(payload) = suppressed::news(self.store, &report.suppressed)? {
            self.record(run, SUPPRESSED, &payload)?;
        }
        let mut incidents = Incidents::read(self.store)?;
        let settled = incidents.settle(&mut report.findings, report.started);
        report.notices.extend(settled.notices);
        incidents.apply(&settled.changes, run, self.clock.now());
        let still = input.findings_in(&report.comparison, &Heard::default());
        let gone = incidents.gone(&report.comparison, &report.targets, &still);
        for change in settled.changes.iter().chain(&gone) {
            self.record(run, change.kind, &change.payload)?;
        }
        Ok(())
    }
}
