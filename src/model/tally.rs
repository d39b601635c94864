//! What was read of a source, and what was not.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Format, TimeBasis, Trust};

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

/// The count of one source. `lines` is the sum of `records`, `joined` and all of `left_out`.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Tally {
    pub source: String,
    pub format: Option<Format>,
    pub trust: Option<Trust>,
    /// Lines that are not empty, or elements of a document.
    pub lines: u64,
    pub records: u64,
    /// Lines that went into a record together with others.
    pub joined: u64,
    pub left_out: BTreeMap<LeftOut, LeftCount>,
    /// Records whose time is not wholly their own word.
    pub inferred: BTreeMap<TimeBasis, u64>,
    /// The times of the first and the last record, by time.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Why reading ended before the source did.
    pub error: Option<String>,
}

/// Lines that were left out for one reason.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LeftCount {
    pub count: u64,
    /// The first of them.
    pub line: u64,
    pub detail: String,
}

impl Tally {
    /// Counts a record.
    pub fn record(&mut self, time: Timestamp, basis: TimeBasis) {
        self.records += 1;
        if basis != TimeBasis::Stated {
            *self.inferred.entry(basis).or_default() += 1;
        }
        self.from = Some(self.from.map_or(time, |from| from.min(time)));
        self.until = Some(self.until.map_or(time, |until| until.max(time)));
    }

    /// Counts what was left out.
    pub fn leave(&mut self, left: Left) {
        self.left_out
            .entry(left.why)
            .and_modify(|it| it.count += 1)
            .or_insert(LeftCount {
                count: 1,
                line: left.line,
                detail: left.detail,
            });
    }

    /// How many lines could not be looked at. A duplicate loses nothing, and a torn last line is still being written.
    pub fn lost(&self) -> u64 {
        self.left_out
            .iter()
            .filter(|(why, _)| !matches!(why, LeftOut::Duplicate | LeftOut::Torn))
            .map(|(_, it)| it.count)
            .sum()
    }
}
