//! One source of records, read to its end: what `detect`, `plan` and `reconcile` have in common.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::CliError;
use crate::clock::SystemClock;
use crate::events::frame::Bounds;
use crate::events::source::{self, Opened, Wanted};
use crate::events::{Given, Reader, Seen, SourceTerms};
use crate::model::{Record, Tally, Trust};
use crate::ports::Clock;

/// How many records are remembered, to know those that are delivered twice.
pub const SEEN: usize = 1 << 20;

/// How a source is read.
pub struct How<'a> {
    pub wanted: &'a Wanted,
    /// Of times that have none.
    pub zone: &'a TimeZone,
    pub bounds: Bounds,
}

impl How<'_> {
    /// What is said of one of its files before that is read.
    pub fn given(&self, opened: &Opened) -> Given {
        Given {
            format: self.wanted.format,
            trust: self.wanted.trust,
            terms: SourceTerms {
                name: Arc::clone(&opened.name),
                trust: Trust::Unauthenticated,
                host: self.wanted.host.clone(),
                zone: self.zone.clone(),
                until: opened.written.unwrap_or_else(|| SystemClock.now()),
            },
            bounds: self.bounds,
        }
    }

    /// Reads one of its files to the end, a batch at a time; `map` runs side by side.
    ///
    /// # Errors
    /// It cannot be opened, or is in no format that is known. What goes wrong later is in the tally.
    pub fn read<T: Send>(
        &self,
        file: &Path,
        seen: &mut Seen,
        map: &(impl Fn(Record) -> T + Sync),
        take: &mut dyn FnMut(Vec<T>),
    ) -> Result<Tally, Box<dyn Error>> {
        let opened = source::open(self.wanted, file)?;
        let given = self.given(&opened);
        let mut reader = Reader::new(opened, given)?;
        while let Some(batch) = reader.next(seen, map) {
            take(batch);
        }
        Ok(reader.into_tally())
    }
}

/// The tally of a file that cannot be read at all.
pub fn lost(file: &Path, error: &(dyn Error + 'static)) -> Tally {
    Tally {
        source: file.display().to_string(),
        error: Some(crate::report_chain(error)),
        ..Tally::default()
    }
}

/// A time zone by its name; UTC where none is given.
///
/// # Errors
/// There is none of this name.
pub fn zone(name: Option<&str>) -> Result<TimeZone, CliError> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    TimeZone::get(name).map_err(|_| {
        CliError::new(format!("there is no time zone {name:?}")).hint("a name as in Europe/Berlin")
    })
}
