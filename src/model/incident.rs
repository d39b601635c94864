//! Incidents: findings with one cause, from when they were first seen until a person closed them.
//!
//! **Invariant:** an incident only gains: what was found stays in it, whatever comes later.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Level, RunId};

/// Whether somebody still has to look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    #[default]
    Open,
    Closed,
}

/// One incident as the journal has it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Incident {
    /// `inc-` and twelve hexadecimal digits, made of its first cause.
    pub id: String,
    pub state: IncidentState,
    pub opened: Timestamp,
    /// By when they were first seen, then by fingerprint; at most [`Incident::MAX_FINDINGS`].
    pub findings: Vec<Seen>,
    /// Findings beyond that, by fingerprint, each with the time of its newest event.
    #[serde(skip)]
    pub more: BTreeMap<String, Option<Timestamp>>,
    /// Other incidents that share something with it.
    pub related: BTreeSet<String>,
    /// What became of it, in order.
    pub history: Vec<IncidentNote>,
}

/// A finding of an incident.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// When evenkeel first saw it.
    pub seen: Timestamp,
    /// What differed was put right, or is not there any more.
    #[serde(default)]
    pub gone: bool,
    pub finding: Finding,
}

/// One thing that happened to an incident.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentNote {
    pub at: Timestamp,
    pub run: RunId,
    #[serde(flatten)]
    pub what: IncidentDeed,
}

/// What happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum IncidentDeed {
    Opened {
        findings: usize,
    },
    /// Findings were new, or had newer events.
    Grew {
        findings: usize,
    },
    /// What these findings are about is not there any more.
    Gone {
        findings: usize,
    },
    Closed {
        reason: String,
    },
    Reopened {
        because: String,
    },
}

impl Incident {
    /// What ids begin with.
    pub const PREFIX: &str = "inc-";
    /// How many digits follow.
    pub const DIGITS: usize = 12;
    /// How many findings are kept whole.
    pub const MAX_FINDINGS: usize = 1_000;
    /// How many more are known by fingerprint.
    pub const MAX_MORE: usize = 50_000;
    /// How many other incidents it names.
    pub const MAX_RELATED: usize = 20;

    /// Whether somebody still has to look at it.
    pub fn is_open(&self) -> bool {
        self.state == IncidentState::Open
    }

    /// The worst level of its findings.
    pub fn level(&self) -> Option<Level> {
        self.findings.iter().map(|seen| seen.finding.level).max()
    }

    /// The time of its first event, or else when its first finding was seen.
    pub fn first(&self) -> Option<Timestamp> {
        let times = self.findings.iter();
        times.map(|it| it.finding.first.unwrap_or(it.seen)).min()
    }

    /// The time of its last event, or else when its last finding was seen.
    pub fn last(&self) -> Option<Timestamp> {
        let times = self.findings.iter();
        times.map(|it| it.finding.last.unwrap_or(it.seen)).max()
    }

    /// How many findings it has in all.
    pub fn count(&self) -> usize {
        self.findings.len() + self.more.len()
    }

    /// Its finding with this fingerprint.
    pub fn finding(&self, fingerprint: &str) -> Option<&Seen> {
        let mut all = self.findings.iter();
        all.find(|seen| seen.finding.fingerprint == fingerprint)
    }
}
