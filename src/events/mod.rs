//! Logs: bytes of files and streams, made into records.
//!
//! Flow: bytes → framed lines or elements of a document (bounded) → a decoder of one format → [`Record`]s, and a count of
//! what was left out and why.
//!
//! **Invariant:** every line that was read is in exactly one count: it became a record, belonged to one, or was left out for
//! a reason. Nothing here stops at bad input.

pub mod auditd;
pub mod cloudtrail;
mod decode;
pub mod journald;
mod json;
pub mod kubernetes;
mod messages;
pub mod syslog;

pub use decode::{Decode, Left, LeftOut, Line, SourceTerms};
