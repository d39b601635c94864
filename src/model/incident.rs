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
#[derive(Clone, PartialEq, Debug)]
pub struct Incident {
    /// `inc-` and twelve hexadecimal digits, made of its first cause.
    pub id: String,
    pub state: IncidentState,
    pub opened: Timestamp,
    /// By fingerprint; at most [`Incident::MAX_FINDINGS`].
    pub findings: BTreeMap<String, Seen>,
    /// Findings beyond that, by fingerprint, each with the time of its newest event.
    pub more: BTreeMap<String, Option<Timestamp>>,
    /// Other incidents that share something with it.
    pub related: BTreeSet<String>,
    /// What became of it, in order.
    pub history: Vec<IncidentNote>,
}

/// A finding of an incident.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// When evenkeel first saw it.
    pub seen: Timestamp,
    /// When it was last recorded.
    pub updated: Timestamp,
    /// What differed was put right, or is not there any more.
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
        self.findings.values().map(|it| it.finding.level).max()
    }

    /// The time of its first event, or else when its first finding was seen.
    pub fn first(&self) -> Option<Timestamp> {
        self.findings.values().map(Seen::first).min()
    }

    /// The time of its last event, or else when its last finding was seen.
    pub fn last(&self) -> Option<Timestamp> {
        self.findings.values().map(Seen::last).max()
    }

    /// Its findings in the order of what they tell.
    pub fn timeline(&self) -> Vec<&Seen> {
        let mut all: Vec<_> = self.findings.values().collect();
        all.sort_by_key(|it| (it.first(), it.last(), &it.finding.fingerprint));
        all
    }

    /// How many findings it has in all.
    pub fn count(&self) -> usize {
        self.findings.len() + self.more.len()
    }
}

impl Seen {
    /// The time of its first event, or else when it was seen.
    pub fn first(&self) -> Timestamp {
        self.finding.first.unwrap_or(self.seen)
    }

    /// The time of its last event, or else when it was seen.
    pub fn last(&self) -> Timestamp {
        self.finding.last.unwrap_or(self.seen)
    }
}

/// Something that evenkeel did about what an incident is about, as the journal has it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct IncidentAct {
    pub at: Timestamp,
    pub run: RunId,
    /// The resource, where it is about one.
    pub resource: Option<String>,
    /// `put done`, `pull request 12 opened (https://…)`.
    pub what: String,
}
