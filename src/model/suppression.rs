//! Suppressions: findings that a team knows and does not want to be woken by, for a time.
//!
//! **Invariant:** a suppressed finding is told, with who vouches for it and until when.

use jiff::Timestamp;
use serde::Serialize;

use super::{Finding, Origin, Selector};

/// Findings that a team accepts for a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Suppression {
    pub id: String,
    pub selector: FindingSelector,
    pub reason: String,
    pub owner: String,
    pub expires: Timestamp,
    pub origin: Origin,
}

/// Chooses findings. Every part that is given has to match.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FindingSelector {
    /// The id or the title of a rule, as it stands there.
    pub rule: Option<String>,
    /// The name of an indicator.
    pub indicator: Option<String>,
    /// Globs: of the target, host or account that a finding is of, or else of all objects that it names.
    pub targets: Vec<String>,
    pub resource: Option<Selector>,
    /// A glob of the actor's name.
    pub actor: Option<String>,
    /// Ranges: all addresses of a finding, of which it has to have one, have to be in them.
    pub addresses: Vec<String>,
}

/// A finding that counts for nothing, and why.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Suppressed {
    /// The suppression's id.
    pub suppression: String,
    pub owner: String,
    pub expires: Timestamp,
    pub reason: String,
    pub finding: Finding,
}
