//! Carries out groups of steps: journal the intent, act, journal the outcome, and unwind when a step fails.
//!
//! Flow: [`Group`](crate::model::Group) → [`Saga::run`] → [`GroupOutcome`](crate::model::GroupOutcome). After a crash
//! [`recover`] finds what was in flight; [`undo_groups`] turns a run of the past into groups that take it back.
//!
//! **Invariant:** no effect without an intent on the disk; no step on a state other than the one it expects; a step that
//! answers an indicator is never unwound.

mod executor;
mod records;
mod recover;
mod undo;

#[cfg(test)]
mod tests;

pub use executor::Saga;
pub use records::{
    INTENT, Intent, OUTCOME, Outcome, OutcomeResult, Purpose, RUN_ENDED, RUN_STARTED,
};
pub use recover::{RUN_RECOVERED, is_in_flight, recover};
pub use undo::{NotUndoable, UndoPlan, undo_groups};
