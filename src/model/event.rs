//! Events: what logs say was done, by whom, to what.
//!
//! Flow: a line of a log → [`Record`] (decoded, as its source said it) → rules; and → [`Event`] (the same in one form for all
//! sources) for attribution, heuristics and reports.
//!
//! **Invariant:** what a record says is its writer's word. How far that is believed is its [`Trust`], which never comes from
//! the record itself.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The form of a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// AWS CloudTrail, as records or in `{"Records": []}`.
    #[serde(rename = "cloudtrail")]
    CloudTrail,
    /// `audit.k8s.io` events.
    KubernetesAudit,
    /// Linux auditd, raw or enriched.
    Auditd,
    /// RFC 3164, RFC 5424 and the RFC 3339 form of rsyslog.
    Syslog,
    /// `journalctl -o json`.
    Journald,
    /// Falco's JSON output.
    Falco,
    /// Suricata's EVE JSON.
    Suricata,
    /// OCSF events, as JSON.
    Ocsf,
}

impl Format {
    pub const ALL: [Self; 8] = [
        Self::CloudTrail,
        Self::KubernetesAudit,
        Self::Auditd,
        Self::Syslog,
        Self::Journald,
        Self::Falco,
        Self::Suricata,
        Self::Ocsf,
    ];

    /// Its name on the command line, in settings and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::CloudTrail => "cloudtrail",
            Self::KubernetesAudit => "kubernetes-audit",
            Self::Auditd => "auditd",
            Self::Syslog => "syslog",
            Self::Journald => "journald",
            Self::Falco => "falco",
            Self::Suricata => "suricata",
            Self::Ocsf => "ocsf",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a source is believed, from least to most.
///
/// A source that could be forged may raise a finding and propose; by itself it never acts on anything but the host that
/// wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Anybody who reaches it may have written it: syslog over UDP, a webhook without a secret.
    Unauthenticated,
    /// The host that it is about wrote it, and whoever has root there could have.
    HostWritten,
    /// A service outside the systems that it is about wrote it and it came on a road that proves it.
    Authenticated,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "unauthenticated",
            Self::HostWritten => "host-written",
            Self::Authenticated => "authenticated",
        })
    }
}

/// What is known of a record's time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeBasis {
    /// The record says it with its zone.
    #[default]
    Stated,
    /// The record has no zone; the source's setting (UTC where it has none) stands in.
    ZoneInferred,
    /// The record has neither year nor zone; the year is the one that puts it before and nearest to what the source's own
    /// time says.
    YearInferred,
    /// The record has no time; the one before it in the same source stands in.
    Neighbour,
}

impl TimeBasis {
    /// For a person, after a number of records.
    pub fn words(self) -> &'static str {
        match self {
            Self::Stated => "with their own time",
            Self::ZoneInferred => "without a zone, taken as the source's",
            Self::YearInferred => "without year and zone, which are inferred",
            Self::Neighbour => "without a time, taken as that of the one before",
        }
    }
}

/// Where a record stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecordPlace {
    /// The source as it was given: a path, `-`.
    pub source: Arc<str>,
    /// The line, from 1; in a document the record's number, from 1.
    pub line: u64,
}

/// One record of a log, decoded and otherwise as its source said it.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    pub format: Format,
    pub place: RecordPlace,
    pub trust: Trust,
    pub time: Timestamp,
    pub basis: TimeBasis,
    /// The record's own id (`eventID`, `auditID`, `time:serial`), where it has one.
    pub id: Option<Arc<str>>,
    /// The machine that wrote it, where the record or the source says so.
    pub host: Option<Arc<str>>,
    /// A JSON object: the record itself, or for text what the decoder made of it.
    pub body: Value,
}

/// What somebody did, in one form for all sources. Every text is as the source had it, unescaped.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Event {
    pub actor: Actor,
    /// In the source's own terms: `s3:PutBucketPolicy`, `delete pods`, `execve`, `ssh-login`.
    pub action: String,
    pub object: Option<Object>,
    pub outcome: Outcome,
    /// Where the actor came from: IP addresses, or the name of a service.
    pub addresses: Vec<String>,
}

/// Who did something.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Actor {
    /// The name by which one would look for them: an ARN, a user name, `system:serviceaccount:ns:name`.
    pub name: String,
    /// Who they were before they became `name` (the login behind sudo, the user behind an assumed role), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// A session, access key or process by which their acts hang together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The program or user agent, which an actor can choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// What it was done to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Object {
    /// `file`, `process`, `user`, `AWS::S3::Bucket`, `pods`.
    pub kind: String,
    /// A path, a name, an ARN, `namespace/name`.
    pub name: String,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Success,
    Failure,
    #[default]
    Unknown,
}
