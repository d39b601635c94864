//! Attribution: who is behind a drift, as far as logs and git tell.
//!
//! **Invariant:** what is milder than [`Class::Suspicious`] rests on git or on records of [`Trust::Authenticated`], never on
//! what the host in question wrote.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Actor, Confidence, EventRef, Format, Trust};

/// What a drift's author makes of it, from mildest to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A commit or an approved window explains it.
    Intended,
    /// A known controller, by an identity that nobody can borrow.
    Controller,
    /// A known person, outside of the process.
    Manual,
    /// All else.
    Suspicious,
}

impl Class {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Controller => "controller",
            Self::Manual => "manual",
            Self::Suspicious => "suspicious",
        }
    }
}

/// Who did it, and how that is known. Texts are as the sources had them, unescaped.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Attribution {
    pub class: Class,
    /// Whoever acted; none where only git explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Who that was at login, where it is another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// Where they came from.
    pub addresses: Vec<String>,
    /// Of the key that the login was made with, such as `SHA256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// When it was done, where an event or a commit says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// A sentence: how.
    pub method: String,
    /// The records that show it, the login behind it among them.
    pub events: Vec<EventRef>,
    /// Of the least believed of them; none where only git explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    pub confidence: Confidence,
    /// Why it is of this class.
    pub reason: String,
    /// What speaks against the author, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<String>,
}

/// What is known of a drift's author.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorship {
    By(Box<Attribution>),
    /// No event that was read matches; what the logs that were read cover.
    NoEvent {
        coverage: Vec<LogCoverage>,
    },
}

/// What one source of records covers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LogCoverage {
    pub source: Arc<str>,
    pub format: Format,
    pub from: Timestamp,
    pub until: Timestamp,
    pub records: u64,
    /// The longest stretches in it without any record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Silence>,
}

/// A stretch of time without records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Silence {
    pub from: Timestamp,
    pub until: Timestamp,
}
