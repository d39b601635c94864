//! Findings: what detection says of drifts and events.

use serde::{Deserialize, Serialize};

use super::ResourceId;

/// How bad a finding is, in the words of Sigma.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// An indicator of compromise on a resource. A step that answers one is kept whatever happens afterwards.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    pub id: String,
    pub resource: ResourceId,
    /// The indicator's name, such as `unlisted-key`.
    pub indicator: String,
    pub level: Level,
}
