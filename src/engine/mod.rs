//! The engine: it alone knows the order of the stages.
//!
//! Flow of a cycle: recover → normalise → observe → compare → plan → guard → act → verify → forge → journal. `plan` is
//! the same cycle that stops before act and writes nothing; `undo` runs groups that the journal gives; `adopt`
//! looks, and changes the baseline instead of the systems.
//!
//! Cost: one `observe` a target for `plan`, two for a `reconcile` that acted.
//!
//! **Invariant:** nothing is called fixed before it was observed again; without a durable journal nothing is done.

mod act;
mod adopt;
mod cycle;
mod explained;
mod facts;
mod incidents;
mod logs;
mod look;
mod propose;
mod pull_words;
mod stored;
mod told;
mod undo;

pub use adopt::{AdoptInput, Adopted, Edited};
pub use cycle::{CycleInput, Engine, EngineError, new_run_id};
pub use explained::{Earlier, LoadEarlier};
pub use facts::{
    APPROVAL_USED, Facts, PLANNED, PULL, RESUMED, SUSPENDED, Suspended, TRUSTED, UNDO_FAILED,
    VERIFIED_CLEAN,
};
pub use incidents::{
    Added, Change, INCIDENT_CLOSED, INCIDENT_GONE, INCIDENT_GREW, INCIDENT_OPENED,
    INCIDENT_REOPENED, Incidents, NotClosed, SUPPRESSED, Settled, news,
};
pub use logs::LogInput;
pub use look::Looked;
pub use stored::{MAX_STORED, Stored};
pub use told::told_once;
pub use undo::UndoInput;
