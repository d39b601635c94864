//! Logs: bytes of files and streams, made into records.
//!
//! Flow: [`source`] (files, folders, standard input) → [`frame`]d lines or elements of a document (bounded) → a decoder of one
//! [format](formats) → [`Record`](crate::model::Record)s, and a [`Tally`](crate::model::Tally) of what was left out and why.
//!
//! **Invariant:** every line that was read is in exactly one count: it became a record, belonged to one, or was left out for
//! a reason. Nothing here stops at bad input.

pub mod auditd;
pub mod cloudtrail;
mod decode;
pub mod follow;
pub mod formats;
pub mod frame;
pub mod journald;
mod json;
pub mod kubernetes;
mod messages;
mod reader;
mod seen;
pub mod sniff;
pub mod source;
pub mod suricata;
pub mod syslog;
pub mod tail;

pub use decode::{Decode, Left, LeftOut, Line, SourceTerms};
pub use reader::{Given, ReadError, Reader};
pub use seen::Seen;
