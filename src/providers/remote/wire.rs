//! What controller and worker say to each other: one request, one answer, in turn.
//!
//! Flow: `Hello` first, with what the worker has to know; then any of the others. In the middle of `Apply` the worker may
//! answer `NeedContent`, and gets `Content` before it goes on.
//!
//! **Invariant:** a change of any message here is a change of [`VERSION`].

use serde::{Deserialize, Serialize};

use crate::model::{Desired, Digest, Observation, Observed, Reason, ResourceId, Step};
use crate::providers::host::owner::TargetNames;
use crate::providers::host::parts::{Form, Question};

/// The version of the protocol. Both ends have to have the same.
pub const VERSION: u32 = 5;

/// What the controller says.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Hello(Hello),
    /// The users and groups of the host.
    Names,
    /// The one form of each of these texts.
    Forms {
        questions: Vec<Question>,
    },
    /// Looks at all of these, and at what lies in their scopes. The manifests of trees come with it.
    Observe {
        desired: Vec<Desired>,
    },
    /// Looks at the place of one step and reads at most so many bytes of what is there.
    Capture {
        step: Box<Step>,
        max_bytes: u64,
    },
    /// Carries out one step.
    Apply {
        step: Box<Step>,
        nonce: String,
    },
    /// After an `Apply` that could have cut the host off: whether it is still reached. Where it is not, or where nobody says
    /// so in time, the worker takes the step back.
    Confirm {
        is_reached: bool,
    },
    /// Removes what an interrupted `Apply` left.
    Tidy {
        step: Box<Step>,
        nonce: String,
    },
    /// Answers `NeedContent`: the one content that comes with it, or none.
    Content,
}

/// What a worker has to know before anything else.
#[derive(Serialize, Deserialize, Debug)]
pub struct Hello {
    pub version: u32,
    /// Which target this is, for the notes of locks.
    pub target: String,
    /// The root folder on the host, absolute.
    pub root: String,
    /// Globs of whole paths that no exclusive listing looks at.
    pub ignore: Vec<String>,
    /// The programs that `validate` may call.
    pub validate_commands: Vec<String>,
    /// Set where the controller means to act: for how long to wait for another run on the same root, in milliseconds.
    pub lock_wait_ms: Option<u64>,
}

/// What the worker answers.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Hello(Machine),
    Names(TargetNames),
    /// In the order of the questions.
    Forms {
        forms: Vec<Form>,
    },
    /// The contents that differ come with it.
    Observed {
        observations: Vec<(ResourceId, Observation)>,
    },
    /// The contents that were read come with it.
    Captured {
        observed: Observed,
    },
    NeedContent {
        digest: Digest,
    },
    Applied {
        notes: Vec<String>,
    },
    Tidied,
    Confirmed,
    /// The step was not done, or not wholly.
    Failed(Failure),
    /// The worker cannot serve this target at all.
    Cannot(Reason),
}

/// The machine that a worker runs on, as it sees it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub version: u32,
    /// The ids that whatever is made gets where nothing else is said.
    pub uid: u32,
    pub gid: u32,
    /// `x86_64`
    pub architecture: String,
    /// `6.1.0-18-amd64`
    pub kernel: String,
}

/// Why a step was not done.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    Stale(String),
    Refused(String),
    Failed(String),
}
