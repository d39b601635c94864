//! What became of groups and steps when they were carried out.

use serde::{Deserialize, Serialize};

use super::{Digest, Plan, ResourceId, State};

/// What became of one step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum StepResult {
    Done,
    /// The live state was not what the step expects; nothing was done.
    Stale {
        found: String,
    },
    Failed {
        error: String,
    },
    /// Done, then taken back because a later step of the group failed.
    Unwound,
    /// Taking it back failed; the target is propose-only until a person has looked.
    UnwindFailed {
        error: String,
    },
    /// The target was lost; whether the step was done is found out by the next run that reaches it.
    Lost {
        error: String,
    },
    /// Not begun, because an earlier step of the group failed.
    NotBegun,
}

/// One step with its result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StepOutcome {
    pub resource: ResourceId,
    pub result: StepResult,
    /// What the system had to say that is no error ("the file system has no flags to restore").
    pub notes: Vec<String>,
}

/// What became of a group as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupResult {
    Done,
    /// Skipped or unwound because the world had moved on; the next run plans it anew.
    Stale,
    /// Failed and taken back (but for steps that are kept).
    Failed,
    /// Failed, and taking it back failed too.
    Broken,
    /// The target was lost in the middle; the next run that reaches it finds out what is there, and plans anew.
    Lost,
}

/// One group with its result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupOutcome {
    pub group: Digest,
    pub fingerprint: String,
    pub result: GroupResult,
    pub steps: Vec<StepOutcome>,
}

/// What a resource must look like at the end of an undo, for the proof.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FinalState {
    pub resource: ResourceId,
    /// None: it must not exist.
    pub state: Option<State>,
}

impl GroupOutcome {
    /// Whether every step was done.
    pub fn is_done(&self) -> bool {
        self.result == GroupResult::Done
    }
}

impl Plan {
    /// The group with this hash.
    pub fn group(&self, hash: &Digest) -> Option<&super::Group> {
        self.groups.iter().find(|group| group.hash == *hash)
    }
}
