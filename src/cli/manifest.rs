//! `evenkeel manifest`: the manifest of a tree, for a `FileTree` of the baseline.
//!
//! **Invariant:** nothing below the tree is changed, and no link is followed, not even to the tree.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::CliError;
use super::args::ManifestArgs;
use super::output::Terminal;
use crate::engine::MAX_STORED;
use crate::model::Digest;
use crate::providers::host::LocalFs;
use crate::providers::host::tree_manifest::{Globs, Making, make};

/// How often progress is told on a terminal.
const EVERY: Duration = Duration::from_millis(200);

/// Makes it, and the store where one is asked for.
pub fn run(args: &ManifestArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let ignore = Globs::new(&args.ignore).map_err(|(at, why)| {
        CliError::new(format!(
            "\"{}\" is no glob: {why}",
            args.ignore[at].escape_debug()
        ))
        .hint("paths relative to the directory, with *, ?, [a-z], {a,b} and **")
    })?;
    let fs = open(&args.path)?;
    if let Some(store) = &args.store {
        std::fs::create_dir_all(store).map_err(|error| failed("make the store", store, &error))?;
    }
    let keep = |digest: &Digest, bytes: &[u8]| {
        let store = args.store.as_deref().unwrap_or(Path::new(""));
        put(store, &digest.to_string(), bytes)
            .map_err(|error| format!("cannot be kept in {}: {error}", store.display()))
    };
    let told = Mutex::new(Instant::now());
    let is_told = terminal.is_watched();
    let progress = |entries: u64, bytes: u64| {
        if let Ok(mut last) = told.try_lock()
            && is_told
            && last.elapsed() >= EVERY
        {
            *last = Instant::now();
            eprint!("\r{entries} entries, {} MiB", bytes >> 20);
        }
    };
    let making = Making {
        ignore: &ignore,
        keep: args.store.is_some().then_some((&keep, MAX_STORED as u64)),
        progress: &progress,
    };
    let made = make(&fs, &making);
    if is_told {
        eprint!("\r\x1b[K");
    }
    let made = made.map_err(|reasons| {
        CliError::new(format!(
            "no manifest was made of {}: {}",
            args.path.display(),
            reasons.join("; ")
        ))
    })?;
    match &args.out {
        None => std::io::stdout()
            .write_all(made.text.as_bytes())
            .and_then(|()| std::io::stdout().flush())
            .map_err(|error| CliError::new(format!("failed to write the manifest: {error}")))?,
        Some(out) => {
            let (directory, name) = (out.parent(), out.file_name());
            let directory = directory.filter(|directory| *directory != Path::new(""));
            let name = name.unwrap_or_default().to_string_lossy();
            put_again(
                directory.unwrap_or(Path::new(".")),
                &name,
                made.text.as_bytes(),
            )
            .map_err(|error| failed("write", out, &error))?;
        }
    }
    terminal.note(&format!(
        "{} entries with {} bytes",
        made.entries, made.bytes
    ));
    if made.not_kept > 0 {
        terminal.note(&format!(
            "{} files have more than {} MiB and are not in the store",
            made.not_kept,
            MAX_STORED >> 20
        ));
    }
    Ok(0)
}

/// Opens the tree, which has to be named by its real place.
fn open(path: &Path) -> Result<LocalFs, CliError> {
    let real = path
        .canonicalize()
        .map_err(|error| failed("find", path, &error))?;
    let named = std::path::absolute(path).map_err(|error| failed("find", path, &error))?;
    let named: PathBuf = named.components().collect();
    if real != named {
        return Err(CliError::new(format!(
            "{} is or lies below a symbolic link",
            path.display()
        ))
        .hint(format!("name the real place: {}", real.display())));
    }
    LocalFs::open(&real).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!("failed to {action} {}: {error}", path.display()))
}

/// Puts a file that is complete when it is there, unless it is there already.
fn put(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    match directory.join(name).exists() {
        true => Ok(()),
        false => put_again(directory, name, bytes),
    }
}

fn put_again(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".manifest-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.persist(directory.join(name))
        .map_err(|error| error.error)?;
    Ok(())
}
