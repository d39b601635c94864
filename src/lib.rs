//! evenkeel keeps live infrastructure on the state that a team committed to git.
//!
//! See ARCHITECTURE.md for the flow of the stages and which module may import which.

#![forbid(unsafe_code)]

pub mod document;
pub mod forge;
pub mod model;
pub mod ports;
pub mod providers;
