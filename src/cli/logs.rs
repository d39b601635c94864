//! Logs that `plan` and `reconcile` read besides looking at the targets.
//!
//! Flow: `--events`, or `detect.events` of the trusted `evenkeel.yaml`, and the rules of the baseline → [`LogFiles`], which a
//! run reads once.
//!
//! **Invariant:** a log that cannot be read is an error of the run, and keeps it from nothing else.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use jiff::tz::TimeZone;

use super::CliError;
use super::context::{Opened, Place};
use super::output::Terminal;
use super::rules::files::{self, is_rule};
use super::sources::{self, How, SEEN};
use crate::detect::scan::ScanOptions;
use crate::detect::sigma::{Options, Rules};
use crate::engine::LogInput;
use crate::events::Seen;
use crate::events::frame::Bounds;
use crate::events::source::{self, Wanted};
use crate::model::{EventSource, Record, Tally};
use crate::ports::Logs;

/// Which logs.
#[derive(Args, Debug, Clone, Default)]
pub struct LogArgs {
    /// Logs that say who changed what: a file, or a folder with all below it. Rules of the baseline are held against them too.
    /// Default: detect.events of evenkeel.yaml. May be given again.
    #[arg(long, value_name = "[FORMAT[@TARGET]=]PATH")]
    pub events: Vec<String>,
    /// Reads no logs, whatever evenkeel.yaml lists.
    #[arg(long, conflicts_with = "events")]
    pub no_events: bool,
}

/// Files to read, and what to look for in them.
pub struct LogFiles {
    sources: Vec<(Wanted, TimeZone)>,
    pub rules: Arc<Rules>,
}

impl LogFiles {
    /// Those that are asked for; none where there are none.
    ///
    /// # Errors
    /// A source is written wrongly, names no zone or target that there is, or a rule of the baseline cannot be evaluated.
    pub fn of(
        args: &LogArgs,
        place: &Place,
        opened: &Opened,
        terminal: &Terminal,
    ) -> Result<Option<Self>, CliError> {
        let sources = match (args.no_events, args.events.is_empty()) {
            (true, _) => Vec::new(),
            (false, false) => named(args, opened)?,
            (false, true) => configured(&opened.project.events, place)?,
        };
        if sources.is_empty() {
            return Ok(None);
        }
        let texts = files::of_baseline(&opened.source, is_rule)?;
        let found = files::load(&texts, &Options::default(), false, terminal)?;
        let rules = Arc::new(found.loaded.rules);
        Ok(Some(Self { sources, rules }))
    }
}

fn named(args: &LogArgs, opened: &Opened) -> Result<Vec<(Wanted, TimeZone)>, CliError> {
    let is_target = |name: &str| {
        let mut targets = opened.project.targets.iter();
        targets.any(|target| target.name.0 == name)
    };
    let each = args.events.iter().map(|text| {
        let mut wanted = Wanted::from_str(text).map_err(|error| CliError::of(&error))?;
        if wanted.path == Path::new("-") {
            let hint = "evenkeel detect --events - reads standard input";
            return Err(CliError::new("a run reads its logs from files").hint(hint));
        }
        if let Some(host) = wanted.host.as_deref().filter(|host| !is_target(host)) {
            let hint = "after @ stands the target that wrote the log, as evenkeel.yaml names it";
            return Err(
                CliError::new(format!("--events {text}: there is no target {host}")).hint(hint),
            );
        }
        wanted.regular = true;
        Ok((wanted, TimeZone::UTC))
    });
    each.collect()
}

fn configured(sources: &[EventSource], place: &Place) -> Result<Vec<(Wanted, TimeZone)>, CliError> {
    let each = sources.iter().map(|source| {
        let zone = sources::zone(source.zone.as_deref())?;
        let wanted = Wanted {
            format: Some(source.format),
            trust: source.trust,
            host: source.host.as_deref().map(Arc::from),
            path: place.whole(&source.path),
            regular: true,
        };
        Ok((wanted, zone))
    });
    each.collect()
}

impl LogFiles {
    /// As a run takes them.
    pub fn input(&self) -> LogInput<'_> {
        LogInput {
            logs: self,
            rules: Arc::clone(&self.rules),
            options: ScanOptions::default(),
        }
    }
}

impl Logs for LogFiles {
    fn read(&self, take: &mut dyn FnMut(Vec<Record>)) -> Vec<Tally> {
        let mut seen = Seen::new(SEEN);
        let mut tallies = Vec::new();
        for (wanted, zone) in &self.sources {
            let files = match source::files(wanted) {
                Ok(files) => files,
                Err(error) => {
                    tallies.push(sources::lost(&wanted.path, &error));
                    continue;
                }
            };
            let how = How {
                wanted,
                zone,
                bounds: Bounds::default(),
            };
            for file in &files {
                let read = how.read(file, &mut seen, &|record| record, take);
                let tally = read.unwrap_or_else(|error| sources::lost(file, error.as_ref()));
                tallies.push(tally);
            }
        }
        tallies
    }
}
