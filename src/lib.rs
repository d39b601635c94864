//! evenkeel keeps live infrastructure on the state that a team committed to git.
//!
//! See ARCHITECTURE.md for the flow of the stages and which module may import which.

#![forbid(unsafe_code)]

pub mod baseline;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod document;
pub mod engine;
pub mod entropy;
pub mod forge;
pub mod guard;
pub mod journal;
pub mod kill_switch;
pub mod lock;
pub mod model;
pub mod plan;
pub mod ports;
pub mod providers;
pub mod report;
pub mod saga;
pub mod selector;
pub mod sim;
pub mod trust;

/// An error with its causes, as one line for people.
pub(crate) fn report_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
