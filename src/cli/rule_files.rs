//! Where rules come from: the baseline's `rules/`, or files and folders that are named.

use std::path::{Path, PathBuf};

use super::CliError;
use super::output::Terminal;
use crate::baseline::Source;
use crate::detect::sigma::{Loaded, Options, RuleFile, Rules};

/// The baseline's folder of rules.
const FOLDER: &str = "rules/";
/// The most problems that are printed.
const MAX_SHOWN: usize = 50;

/// A file of rules, or of tests for one.
#[derive(Clone, Debug)]
pub struct Text {
    /// For messages.
    pub path: String,
    pub text: String,
}

/// Rules with what is wrong with others.
pub struct Found {
    pub loaded: Loaded,
    /// What was left out, with where and why.
    pub left_out: Vec<String>,
}

/// Whether a path is a file of rules.
pub fn is_rule(path: &str) -> bool {
    (path.ends_with(".yml") || path.ends_with(".yaml")) && !is_test(path)
}

/// Whether a path is a file of tests for rules.
pub fn is_test(path: &str) -> bool {
    path.ends_with(".test.yaml") || path.ends_with(".test.yml")
}

/// The texts below the baseline's `rules/` that are such.
///
/// # Errors
/// One of them cannot be read, or is no text.
pub fn of_baseline(source: &Source, such: fn(&str) -> bool) -> Result<Vec<Text>, CliError> {
    let paths: Vec<_> = source
        .paths()
        .filter(|path| path.starts_with(FOLDER) && such(path))
        .map(str::to_owned)
        .collect();
    paths
        .into_iter()
        .map(|path| read(source, &path, path.clone()))
        .collect()
}

/// The texts of named files and folders that are such.
///
/// # Errors
/// One of them cannot be read, or is no text, or there is none.
pub fn of_paths(paths: &[PathBuf], such: fn(&str) -> bool) -> Result<Vec<Text>, CliError> {
    let mut texts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let source = Source::folder(path)?;
            let names: Vec<_> = source
                .paths()
                .filter(|name| such(name))
                .map(str::to_owned)
                .collect();
            for name in names {
                let shown = path.join(&name).display().to_string();
                texts.push(read(&source, &name, shown)?);
            }
        } else {
            texts.push(one(path)?);
        }
    }
    Ok(texts)
}

fn one(path: &Path) -> Result<Text, CliError> {
    let shown = path.display().to_string();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|_| path.exists())
        .ok_or_else(|| CliError::new(format!("there is no file {shown}")))?;
    let bytes = std::fs::metadata(folder.join(name))
        .and_then(|meta| match meta.len() <= MAX_FILE {
            true => std::fs::read(path),
            false => Err(std::io::Error::other("it is too large for a file of rules")),
        })
        .map_err(|error| CliError::new(format!("failed to read {shown}: {error}")))?;
    text(shown, &bytes)
}

const MAX_FILE: u64 = 4 << 20;

fn read(source: &Source, path: &str, shown: String) -> Result<Text, CliError> {
    let bytes = source
        .read(path)
        .map_err(|why| CliError::new(format!("{shown} {why}")))?;
    text(shown, &bytes)
}

fn text(path: String, bytes: &[u8]) -> Result<Text, CliError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Text {
            path,
            text: text.to_owned(),
        }),
        Err(_) => Err(CliError::new(format!("{path} is no UTF-8 text"))),
    }
}

/// Loads rules: all of them, or with `skip` those that are sound.
///
/// # Errors
/// One cannot be evaluated, and none is to be skipped; each is printed with its place.
pub fn load(
    texts: &[Text],
    options: &Options,
    skip: bool,
    terminal: &Terminal,
) -> Result<Found, CliError> {
    let files: Vec<_> = texts
        .iter()
        .map(|it| RuleFile {
            path: &it.path,
            text: &it.text,
        })
        .collect();
    let loaded = Rules::load(&files, options);
    let left_out: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    if !skip && !left_out.is_empty() {
        for problem in loaded.problems.iter().take(MAX_SHOWN) {
            terminal.error(&problem.to_string(), problem.problem.hint.as_deref());
        }
        let count = left_out.len();
        let noun = if count == 1 {
            "rule problem"
        } else {
            "rule problems"
        };
        return Err(CliError::new(format!("{count} {noun}; nothing was looked at"))
            .hint("mend the rules, or leave them out with --skip-bad-rules, which says so in each report"));
    }
    Ok(Found { loaded, left_out })
}
