//! evenkeel keeps live infrastructure on the state that a team committed to git.
//!
//! See ARCHITECTURE.md for the flow of the stages and which module may import which.

#![forbid(unsafe_code)]

#[cfg(feature = "controller")]
pub mod baseline;
#[cfg(feature = "controller")]
pub mod cli;
#[cfg(feature = "controller")]
pub mod clock;
#[cfg(feature = "controller")]
pub mod compare;
#[cfg(feature = "detection")]
pub mod detect;
pub mod document;
#[cfg(feature = "controller")]
pub mod engine;
#[cfg(feature = "controller")]
pub mod entropy;
#[cfg(feature = "detection")]
pub mod events;
#[cfg(feature = "controller")]
pub mod forge;
#[cfg(feature = "controller")]
pub mod guard;
#[cfg(feature = "controller")]
pub mod journal;
#[cfg(feature = "controller")]
pub mod kill_switch;
pub mod lock;
pub mod model;
#[cfg(feature = "controller")]
pub mod plan;
pub mod ports;
pub mod providers;
#[cfg(feature = "controller")]
pub mod report;
#[cfg(feature = "controller")]
pub mod saga;
#[cfg(feature = "controller")]
pub mod schema;
#[cfg(feature = "detection")]
pub mod selector;
#[cfg(feature = "controller")]
pub mod sim;
#[cfg(feature = "controller")]
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
