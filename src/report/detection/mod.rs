//! What was found in events, in every form.
//!
//! **Invariant:** no text of a log reaches an output unescaped, and the exit code is judged here alone.

pub mod json;
pub mod ocsf;
pub mod sarif;
pub mod text;

use crate::model::Detection;

use super::exit::{self, FailOn, Gravity};

/// The exit code of a detection: 3 for a finding of at least the level, 4 where something could not be looked at, else 0.
pub fn code(detection: &Detection, fail_on: FailOn, exit_zero: bool) -> u8 {
    let worst = detection.findings.iter().map(|finding| finding.level).max();
    if exit_zero {
        exit::CLEAN
    } else if worst.is_some_and(|level| level >= fail_on.finding) {
        exit::INDICATOR
    } else if fail_on.outcome <= Gravity::NotEvaluated && !detection.is_whole() {
        exit::NOT_EVALUATED
    } else {
        exit::CLEAN
    }
}
