//! Findings: what detection says of drifts and events.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Actor, RecordPlace, ResourceId, Trust};

/// How bad a finding is, in the words of Sigma.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Level {
    /// The next milder one; the mildest stays.
    pub fn down(self) -> Self {
        match self {
            Self::Informational | Self::Low => Self::Informational,
            Self::Medium => Self::Low,
            Self::High => Self::Medium,
            Self::Critical => Self::High,
        }
    }

    /// The next graver one; the gravest stays.
    pub fn up(self) -> Self {
        match self {
            Self::Informational => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How sure a finding is: that what it says happened, and that it means what it says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// What a finding was made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSource {
    /// A drift that is an indicator of compromise.
    Drift,
    /// A rule of ours, or of a pack, that records meet.
    Rule,
    /// Several records together.
    Correlation,
    /// Something strange, held against what was learned.
    Heuristic,
}

/// The rule that was met.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RuleRef {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub title: String,
}

/// One record as a finding names it. In order, they are by time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct EventRef {
    pub time: Timestamp,
    pub place: RecordPlace,
    /// The record's own id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What was done, in the source's terms; for what a correlation counted, the rule that it met.
    pub what: String,
}

/// An indicator of compromise. A step that answers one is kept whatever happens afterwards.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The first digits of the fingerprint.
    pub id: String,
    pub source: FindingSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// The indicator's name, such as `unlisted-key`, or the rule's title in that form.
    pub indicator: String,
    pub level: Level,
    pub confidence: Confidence,
    /// Of the least believed record that it needs.
    pub trust: Trust,
    /// The resource that drifted, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// What it happened to: `AWS::S3::Bucket/name`, `host/h1`.
    pub targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    pub addresses: Vec<String>,
    /// The first ones by time, at most [`Finding::MAX_EVENTS`].
    pub events: Vec<EventRef>,
    /// How many there are in all.
    pub event_count: u64,
    /// ATT&CK technique ids, such as `T1098.004`.
    pub attack: Vec<String>,
    /// Ids of the controls that it bears on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// What shows it, in sentences; unescaped.
    pub evidence: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The same for the same cause, whenever it is found.
    pub fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

impl Finding {
    /// How many records a finding names; the rest it counts.
    pub const MAX_EVENTS: usize = 1000;

    /// An indicator on a resource that drifted, with nothing known of who did it.
    pub fn on(resource: ResourceId, indicator: &str, level: Level) -> Self {
        let target = resource.to_string();
        let fingerprint = Self::fingerprint(indicator, None, &target);
        Self {
            id: Self::id_of(&fingerprint),
            source: FindingSource::Drift,
            rule: None,
            indicator: indicator.to_owned(),
            level,
            confidence: Confidence::Medium,
            trust: Trust::HostWritten,
            resource: Some(resource),
            targets: vec![target],
            actor: None,
            addresses: Vec::new(),
            events: Vec::new(),
            event_count: 0,
            attack: Vec::new(),
            controls: Vec::new(),
            evidence: Vec::new(),
            first: None,
            last: None,
            fingerprint,
            incident: None,
        }
    }

    /// The fingerprint of a cause: which rule or indicator, who, and what it was done to.
    pub fn fingerprint(cause: &str, actor: Option<&str>, target: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in ["finding-1", cause, actor.unwrap_or(""), target] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// The id that goes with a fingerprint.
    pub fn id_of(fingerprint: &str) -> String {
        fingerprint.chars().take(12).collect()
    }
}
