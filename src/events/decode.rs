//! What all decoders of logs have in common.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use crate::model::{Left, LeftOut};
use crate::model::{Record, Trust};

/// One line of a source without its end, or one element of a document.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// From 1.
    pub number: u64,
    pub bytes: &'a [u8],
}

/// What holds for a whole source, whatever its records say.
#[derive(Clone, Debug)]
pub struct SourceTerms {
    /// As it was given: a path, `-`.
    pub name: Arc<str>,
    pub trust: Trust,
    /// The machine whose log this is, where the user says so; otherwise the records' own word counts.
    pub host: Option<Arc<str>>,
    /// The zone of times that have none.
    pub zone: TimeZone,
    /// A time that no record can be much later than (when the file was last written, or now): it settles years that records
    /// do not have.
    pub until: Timestamp,
}

/// A decoder of one source in one format. It may hold back what is not complete (a joined auditd event), within a bound
/// of its own.
pub trait Decode: Send {
    /// Takes the next line. Pushes what became complete by it, in any number.
    fn take(&mut self, line: Line<'_>, records: &mut Vec<Record>, left: &mut Vec<Left>);

    /// The source is at its end, or nothing came for a while: what was held back is complete as it is.
    fn end(&mut self, records: &mut Vec<Record>, left: &mut Vec<Left>);

    /// Time goes on for a source that grows: no later record can be much later than this.
    fn until(&mut self, _until: Timestamp) {}

    /// How many lines so far belong to a record that stands at another line. After [`Decode::end`], the lines taken are the
    /// records, these, and what was left.
    fn joined(&self) -> u64 {
        0
    }
}
