//! The report of one detection: all that any output format shows.

use jiff::Timestamp;
use serde::Serialize;

use super::{Finding, RuleRef, Suppressed, Tally};

/// What was found in events.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Detection {
    /// Worst first, then by time.
    pub findings: Vec<Finding>,
    /// Findings that count for nothing.
    pub suppressed: Vec<Suppressed>,
    /// One for each source, in the order in which they were read.
    pub sources: Vec<Tally>,
    pub rules: RuleCount,
    /// Hits beyond the bounds of what is kept, by rule: each would be a finding of its own.
    pub beyond: Vec<Beyond>,
    /// Records that came later than the watermark: they met rules and counted for no correlation.
    pub late: u64,
    /// What every reader has to see.
    pub notices: Vec<String>,
    /// The times of the first and the last record, by time.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// What was looked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RuleCount {
    pub loaded: usize,
    /// Rules that could not be evaluated and were left out, as was asked, with where and why.
    pub left_out: Vec<String>,
}

/// Hits that are counted and not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Beyond {
    pub rule: RuleRef,
    pub hits: u64,
}

impl Detection {
    /// How many records were read.
    pub fn records(&self) -> u64 {
        self.sources.iter().map(|source| source.records).sum()
    }

    /// Whether all that there was could be looked at. A last line that is still being written is none that is missing.
    pub fn is_whole(&self) -> bool {
        self.rules.left_out.is_empty()
            && self.beyond.is_empty()
            && self
                .sources
                .iter()
                .all(|source| source.error.is_none() && source.lost() == 0)
    }
}
