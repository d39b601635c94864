//! What time the logs that were read cover.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::model::{LogCoverage, Record, Silence};

/// A shorter stretch without records is no gap.
const GAP: SignedDuration = SignedDuration::from_mins(10);
/// Gaps that are named for one source, and sources that are named.
const MOST_GAPS: usize = 8;
const MOST_SOURCES: usize = 10_000;

/// The coverage of each source so far.
#[derive(Default)]
pub(super) struct Coverage {
    sources: BTreeMap<Arc<str>, LogCoverage>,
}

impl Coverage {
    pub(super) fn take(&mut self, record: &Record) {
        let source = &record.place.source;
        let Some(known) = self.sources.get_mut(source) else {
            if self.sources.len() < MOST_SOURCES {
                let coverage = LogCoverage {
                    source: Arc::clone(source),
                    format: record.format,
                    from: record.time,
                    until: record.time,
                    records: 1,
                    gaps: Vec::new(),
                };
                self.sources.insert(Arc::clone(source), coverage);
            }
            return;
        };
        known.records += 1;
        known.from = known.from.min(record.time);
        if record.time.duration_since(known.until) >= GAP {
            known.gaps.push(Silence {
                from: known.until,
                until: record.time,
            });
            known
                .gaps
                .sort_by_key(|gap| (-gap.until.duration_since(gap.from), gap.from));
            known.gaps.truncate(MOST_GAPS);
        }
        known.until = known.until.max(record.time);
    }

    pub(super) fn all(&self) -> Vec<LogCoverage> {
        let mut all: Vec<_> = self.sources.values().cloned().collect();
        all.iter_mut()
            .for_each(|source| source.gaps.sort_unstable());
        all
    }
}
