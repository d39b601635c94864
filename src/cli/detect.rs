//! `evenkeel detect`: what logs say, by rules.
//!
//! Flow: rules (of the baseline's commit, or named) and sources → each source is read to its end → findings → exit code.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::CliError;
use super::args::{DetectArgs, DetectFormat};
use super::follow;
use super::heuristics;
use super::incident::of_detect;
use super::output::Terminal;
use super::reports::write_file;
use super::rules::files::{self, Found, is_rule};
use super::sources::{self, How, SEEN};
use crate::detect::heuristics::Heuristics;
use crate::detect::scan::{Looked, Scan, ScanOptions, look};
use crate::detect::sigma::{Limits, Options};
use crate::events::Seen;
use crate::events::frame::Bounds;
use crate::events::source::{self, Wanted};
use crate::model::{Detection, Suppression, Tally, Trust};
use crate::report::{FailOn, detection};

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
    let LookFor {
        found,
        learned,
        suppressions,
    } = look_for(args, terminal)?;
    heuristics::hold(args, learned.as_ref())?;
    let scanned = Scan::new(Arc::new(found.loaded.rules), options(args)).with(learned);
    let (mut detection, learned) = match args.follow {
        false => pool(args.threads)?.install(|| scan(args, &wanted, scanned))?,
        true => follow::run(args, &wanted, scanned, &suppressions, terminal).await?,
    };
    detection.rules.left_out = found.left_out;
    let recorded = match args.follow {
        true => Ok(()),
        false => {
            of_detect::suppress(&mut detection, false, &suppressions);
            of_detect::name(args, &mut detection, terminal)
        }
    };
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
    recorded?;
    heuristics::save(args, learned.as_ref())?;
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
                host: host.clone().or_else(|| wanted.host.clone()),
                trust: args.trust.map(Trust::from),
                ..wanted
            })
        })
        .collect()
}

/// What is looked for, and what of it does not count.
struct LookFor {
    found: Found,
    learned: Option<Heuristics>,
    suppressions: Vec<Suppression>,
}

/// The rules that are named, or those of the baseline with its suppressions; and likewise heuristics, if they are on.
fn look_for(args: &DetectArgs, terminal: &Terminal) -> Result<LookFor, CliError> {
    let mut learned = heuristics::named(args)?;
    let (texts, suppressions) = match args.rules.paths.is_empty() {
        false => (files::of_paths(&args.rules.paths, is_rule)?, Vec::new()),
        true => {
            let opened = super::rules::opened(&args.rules, terminal)?;
            if args.heuristics.is_none() {
                let config = opened.project.heuristics.as_ref();
                learned = heuristics::of_baseline(args, config, &opened.source)?;
            }
            let texts = files::of_baseline(&opened.source, is_rule)?;
            (texts, opened.loaded.suppressions)
        }
    };
    let texts = match learned.is_some() {
        true => texts,
        false => super::rules::some(texts)?,
    };
    let found = files::load(&texts, &Options::default(), args.skip_bad_rules, terminal)?;
    Ok(LookFor {
        found,
        learned,
        suppressions,
    })
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

/// The longest line and the largest source.
pub(super) fn bounds(args: &DetectArgs) -> Bounds {
    Bounds {
        line: (args.max_line as usize) << 10,
        source: args.max_source << 20,
    }
}

fn scan(
    args: &DetectArgs,
    wanted: &[Wanted],
    mut scan: Scan,
) -> Result<(Detection, Option<Heuristics>), CliError> {
    let mut seen = Seen::new(SEEN);
    let mut tallies = Vec::new();
    let zone = sources::zone(args.zone.as_deref())?;
    for wanted in wanted {
        let how = How {
            wanted,
            zone: &zone,
            bounds: bounds(args),
        };
        for file in source::files(wanted).map_err(|error| CliError::of(&error))? {
            tallies.push(read(&how, &file, &mut seen, &mut scan)?);
        }
    }
    let (mut detection, learned) = scan.finish();
    detection.sources = tallies;
    Ok((detection, learned))
}

/// Reads one file to its end. One that cannot be read among others is told and ends nothing.
fn read(how: &How<'_>, file: &Path, seen: &mut Seen, scan: &mut Scan) -> Result<Tally, CliError> {
    let (rules, acts) = (scan.rules(), scan.has_heuristics());
    let look = |record| look(&rules, acts, record);
    let mut take = |batch: Vec<Looked>| batch.into_iter().for_each(|looked| scan.take(looked));
    match how.read(file, seen, &look, &mut take) {
        Ok(tally) => Ok(tally),
        Err(error) if file == how.wanted.path => {
            Err(CliError::of(error.as_ref()).hint("a format can be named: --events FORMAT=PATH"))
        }
        Err(error) => Ok(sources::lost(file, error.as_ref())),
    }
}
