//! `evenkeel detect`: what logs say, by rules.
//!
//! Flow: rules (of the baseline's commit, or named) and sources → each source is read to its end → findings → exit code.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::CliError;
use super::args::{DetectArgs, DetectFormat};
use super::follow;
use super::output::Terminal;
use super::reports::write_file;
use super::rules::files;
use crate::clock::SystemClock;
use crate::detect::scan::{Scan, ScanOptions, look};
use crate::detect::sigma::{Limits, Options, Rules};
use crate::events::frame::Bounds;
use crate::events::source::{self, Opened, Wanted};
use crate::events::{Given, Reader, Seen, SourceTerms};
use crate::model::{Detection, Tally, Trust};
use crate::ports::Clock;
use crate::report::{FailOn, detection};

/// How many records are remembered, to know those that are delivered twice.
pub(super) const SEEN: usize = 1 << 20;
/// About how many bytes a hit takes that a correlation holds.
const HIT_BYTES: usize = 512;

/// Reads the sources and says what was found.
pub async fn run(args: &DetectArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let fail_on = match &args.fail_on {
        None => FailOn::default(),
        Some(level) => FailOn::from_str(level).map_err(|error| CliError::of(&error))?,
    };
    let reports = reports(&args.report)?;
    let wanted = wanted(args)?;
    let texts = super::rules::rules(&args.rules, terminal)?;
    let found = files::load(&texts, &Options::default(), args.skip_bad_rules, terminal)?;
    let mut detection = match args.follow {
        false => {
            let rules = Arc::new(found.loaded.rules);
            pool(args.threads)?.install(|| scan(args, &wanted, &rules))?
        }
        true => follow::run(args, &wanted, found.loaded.rules, terminal).await?,
    };
    detection.rules.left_out = found.left_out;
    let code = detection::code(&detection, fail_on, args.exit_zero);
    let render = |format| match format {
        DetectFormat::Json => detection::json::render(&detection, code),
        DetectFormat::Sarif => detection::sarif::render(&detection, code),
        DetectFormat::Ocsf => detection::ocsf::render(&detection),
        DetectFormat::Text => detection::text::render(&detection, &terminal.style(false)),
    };
    match args.follow {
        // Its findings were told when they were made.
        true => follow::end(&detection, args.format, terminal),
        false => terminal.out(&render(args.format)),
    }
    for (format, path) in reports {
        write_file(&path, render(format).as_bytes())?;
    }
    Ok(code)
}

/// The reports that are wanted beside the result, understood before anything is read.
fn reports(wishes: &[String]) -> Result<Vec<(DetectFormat, PathBuf)>, CliError> {
    wishes
        .iter()
        .map(|wish| match wish.split_once('=') {
            Some(("sarif", path)) if !path.is_empty() => Ok((DetectFormat::Sarif, path.into())),
            Some(("ocsf", path)) if !path.is_empty() => Ok((DetectFormat::Ocsf, path.into())),
            Some(("json", path)) if !path.is_empty() => Ok((DetectFormat::Json, path.into())),
            _ => Err(CliError::new(format!("--report {wish} is not KIND=FILE"))
                .hint("the reports of detect are sarif=FILE, json=FILE and ocsf=FILE")),
        })
        .collect()
}

fn wanted(args: &DetectArgs) -> Result<Vec<Wanted>, CliError> {
    let host: Option<Arc<str>> = args.host.as_deref().map(Arc::from);
    args.events
        .iter()
        .map(|text| {
            let wanted: Wanted = Wanted::from_str(text).map_err(|error| CliError::of(&error))?;
            Ok(Wanted {
                host: host.clone(),
                trust: args.trust.map(Trust::from),
                ..wanted
            })
        })
        .collect()
}

/// So many threads, at the work of which results are the same for any number.
pub(super) fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool, CliError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .build()
        .map_err(|error| CliError::new(format!("failed to start threads: {error}")))
}

/// How much is kept.
pub(super) fn options(args: &DetectArgs) -> ScanOptions {
    let bytes = (args.memory as usize) << 20;
    ScanOptions {
        waiting_bytes: bytes / 2,
        limits: Limits {
            max_hits: bytes / 2 / HIT_BYTES,
            ..Limits::default()
        },
        ..ScanOptions::default()
    }
}

/// How a source is read.
pub(super) fn given(args: &DetectArgs, wanted: &Wanted, zone: &TimeZone, opened: &Opened) -> Given {
    Given {
        format: wanted.format,
        trust: wanted.trust,
        terms: SourceTerms {
            name: Arc::clone(&opened.name),
            trust: Trust::Unauthenticated,
            host: wanted.host.clone(),
            zone: zone.clone(),
            until: opened.written.unwrap_or_else(|| SystemClock.now()),
        },
        bounds: Bounds {
            line: (args.max_line as usize) << 10,
            source: args.max_source << 20,
        },
    }
}

fn scan(args: &DetectArgs, wanted: &[Wanted], rules: &Arc<Rules>) -> Result<Detection, CliError> {
    let mut scan = Scan::new(Arc::clone(rules), options(args));
    let mut seen = Seen::new(SEEN);
    let mut tallies = Vec::new();
    for wanted in wanted {
        for file in source::files(wanted).map_err(|error| CliError::of(&error))? {
            tallies.push(read(args, wanted, &file, rules, &mut seen, &mut scan)?);
        }
    }
    let mut detection = scan.finish();
    detection.sources = tallies;
    Ok(detection)
}

/// Reads one file to its end. One that cannot be read among others is told and ends nothing.
fn read(
    args: &DetectArgs,
    wanted: &Wanted,
    file: &Path,
    rules: &Rules,
    seen: &mut Seen,
    scan: &mut Scan,
) -> Result<Tally, CliError> {
    let alone = file == wanted.path;
    let lost = |error: &dyn std::error::Error| match alone {
        true => Err(CliError::of(error).hint("a format can be named: --events FORMAT=PATH")),
        false => Ok(Tally {
            source: file.display().to_string(),
            error: Some(crate::report_chain(error)),
            ..Tally::default()
        }),
    };
    let opened = match source::open(wanted, file) {
        Ok(opened) => opened,
        Err(error) => return lost(&error),
    };
    let given = given(args, wanted, &zone(args)?, &opened);
    let mut reader = match Reader::new(opened, given) {
        Ok(reader) => reader,
        Err(error) => return lost(&error),
    };
    while let Some(looked) = reader.next(seen, &|record| look(rules, record)) {
        looked.into_iter().for_each(|looked| scan.take(looked));
    }
    Ok(reader.into_tally())
}

pub(super) fn zone(args: &DetectArgs) -> Result<TimeZone, CliError> {
    match &args.zone {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| {
            CliError::new(format!("there is no time zone {name:?}"))
                .hint("a name as in Europe/Berlin")
        }),
    }
}
