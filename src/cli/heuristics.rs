//! Heuristics for a run of `detect`: their settings, what they learned before, and where it is put.
//!
//! Flow: settings (of the baseline's commit, or of the file that is named) → the table of places and the learned state beside
//! them → `--learned` in place of that state, where it is there → the run → `--learned` is written anew.

use std::path::{Path, PathBuf};

use super::CliError;
use super::args::DetectArgs;
use super::reports::write_file;
use crate::baseline::{Source, heuristics_of_file};
use crate::detect::heuristics::{Heuristics, Places, read};
use crate::model::HeuristicsConfig;

/// The largest file of settings.
const MAX_SETTINGS: u64 = 1 << 20;
/// The largest table of places.
const MAX_PLACES: u64 = 64 << 20;

/// Where files that settings name are read from.
#[derive(Clone, Copy)]
enum Beside<'a> {
    Baseline(&'a Source),
    Folder(&'a Path),
}

/// Those that the file named with `--heuristics` turns on, if one is named.
///
/// # Errors
/// The settings, the table of places or a learned state cannot be read or are not sound.
pub fn named(args: &DetectArgs) -> Result<Option<Heuristics>, CliError> {
    let Some(path) = &args.heuristics else {
        return Ok(None);
    };
    let shown = path.display().to_string();
    let bytes = bounded(path, MAX_SETTINGS)?;
    let config = heuristics_of_file(&shown, &bytes).map_err(CliError::problems)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let made = make(args, config, Beside::Folder(folder))?;
    made.map(Some).ok_or_else(|| {
        CliError::new(format!("{shown} turns no heuristic on"))
            .hint("name those that are wanted, such as `rate: {budget: 5}`")
    })
}

/// Those that the baseline turns on, if any.
///
/// # Errors
/// As [`named`].
pub fn of_baseline(
    args: &DetectArgs,
    config: Option<&HeuristicsConfig>,
    source: &Source,
) -> Result<Option<Heuristics>, CliError> {
    match config {
        Some(config) => make(args, config.clone(), Beside::Baseline(source)),
        None => Ok(None),
    }
}

/// Refuses a wish that nobody can fulfil.
///
/// # Errors
/// A learned state is named, and no heuristic is on.
pub fn hold(args: &DetectArgs, heuristics: Option<&Heuristics>) -> Result<(), CliError> {
    if args.learned.is_some() && heuristics.is_none() {
        return Err(CliError::new("--learned is given, and no heuristic is on").hint(
            "turn some on in detect.heuristics of evenkeel.yaml, or name their settings with --heuristics",
        ));
    }
    Ok(())
}

/// Writes what was learned, where that is wanted.
///
/// # Errors
/// The file cannot be written.
pub fn save(args: &DetectArgs, heuristics: Option<&Heuristics>) -> Result<(), CliError> {
    match (&args.learned, heuristics) {
        (Some(path), Some(heuristics)) => write_file(path, &heuristics.learned()),
        _ => Ok(()),
    }
}

fn make(
    args: &DetectArgs,
    config: HeuristicsConfig,
    beside: Beside<'_>,
) -> Result<Option<Heuristics>, CliError> {
    let places = match &config.travel.locations {
        Some(path) => {
            let (shown, bytes) = beside.read(path, MAX_PLACES)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| CliError::new(format!("{shown} is no UTF-8 text")))?;
            Places::read(&text).map_err(|why| CliError::new(format!("{shown}: {why}")))?
        }
        None => Places::default(),
    };
    // About what a state of this memory takes in its file, and some more.
    let most = u64::from(config.memory_mib) << 21;
    let pinned = config.learned.clone();
    let Some(mut heuristics) = Heuristics::new(config, places) else {
        return Ok(None);
    };
    let learned = match (&args.learned, pinned) {
        (Some(path), _) if exists(path)? => {
            Some((path.display().to_string(), bounded(path, most)?))
        }
        (_, Some(path)) => Some(beside.read(&path, most)?),
        _ => None,
    };
    if let Some((shown, bytes)) = learned {
        read(&bytes)
            .and_then(|saved| heuristics.restore(saved))
            .map_err(|error| {
                CliError::new(format!("the learned state {shown} is not used: {error}"))
                    .hint(error.hint())
            })?;
    }
    Ok(Some(heuristics))
}

impl Beside<'_> {
    fn read(self, path: &str, most: u64) -> Result<(String, Vec<u8>), CliError> {
        match self {
            Self::Baseline(source) => match source.read(path) {
                Ok(bytes) => Ok((path.to_owned(), bytes.to_vec())),
                Err(why) => Err(CliError::new(format!("{path} {why}"))),
            },
            Self::Folder(folder) => {
                let whole: PathBuf = folder.join(path);
                Ok((whole.display().to_string(), bounded(&whole, most)?))
            }
        }
    }
}

fn exists(path: &Path) -> Result<bool, CliError> {
    path.try_exists()
        .map_err(|error| CliError::new(format!("failed to look for {}: {error}", path.display())))
}

/// A file of at most so many bytes.
fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| {
        CliError::new(format!("failed to read {}: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > most {
        let most = most >> 20;
        return Err(
            CliError::new(format!("{} has more than {most} MiB", path.display()))
                .hint("a learned state may take twice the MiB that detect.heuristics.memory says"),
        );
    }
    Ok(bytes)
}
