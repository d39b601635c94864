//! What all decoders of logs have in common.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

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

/// Why a line became no record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// Longer than a line may be.
    TooLong,
    /// The last line, without its end, and not whole.
    Torn,
    /// Not in the form that the source has.
    Malformed,
    /// In the form of another source: a line of one format in a file of another.
    OtherFormat,
    /// Without a time, and none before it.
    NoTime,
    /// Delivered before, byte for byte.
    Duplicate,
}

impl LeftOut {
    /// For a person, after a number: `3 malformed`.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Torn => "torn",
            Self::Malformed => "malformed",
            Self::OtherFormat => "of another format",
            Self::NoTime => "without a time",
            Self::Duplicate => "delivered twice",
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A line that became no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    pub line: u64,
    pub why: LeftOut,
    /// What exactly, for a person: `expected value at column 7`. Holds no content of the line.
    pub detail: String,
}

/// A decoder of one source in one format. It may hold back what is not complete (a joined auditd event), within a bound
/// of its own.
pub trait Decode: Send {
    /// Takes the next line. Pushes what became complete by it, in any number.
    fn take(&mut self, line: Line<'_>, records: &mut Vec<Record>, left: &mut Vec<Left>);

    /// The source is at its end, or nothing came for a while: what was held back is complete as it is.
    fn end(&mut self, records: &mut Vec<Record>, left: &mut Vec<Left>);

    /// How many lines so far belong to a record that stands at another line. After [`Decode::end`], the lines taken are the
    /// records, these, and what was left.
    fn joined(&self) -> u64 {
        0
    }
}
