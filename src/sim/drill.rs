//! Drills: a scenario run through the engine in simulated time, and judged.
//!
//! Flow: [`Scenario`] → [`run`] lets its timeline and the reconcile cycles happen in the order of time (`play`) → a
//! story of all that was seen → `check` holds the expectations against it, `transcript` tells it → [`DrillResult`].
//! `golden` compares the transcript with `expected.txt`, `output` shows results.
//!
//! **Invariant:** the same scenario gives the same transcript, byte for byte, whatever the folder, the time zone, the
//! locale or the seed; a drill touches nothing but memory.

mod check;
mod golden;
mod output;
mod play;
mod story;
mod transcript;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use check::{Check, Sort};
pub use golden::{BlessError, Golden, bless};
pub use output::{SCHEMA, json, junit, text};

use super::scenario::{SCENARIO, Scenario, ScenarioError};
use crate::model::{Mode, TargetName};

/// The exit code of a drill that failed.
pub const FAILED: u8 = 6;

/// What came of one drill.
#[derive(Clone, Debug)]
pub struct DrillResult {
    /// The name of the scenario's folder.
    pub name: String,
    pub title: String,
    pub attack: Vec<String>,
    pub target: TargetName,
    pub mode: Mode,
    pub seed: u64,
    /// What happened and what was decided, for people; ends with a line end.
    pub transcript: String,
    /// The expectations in the order of the scenario, then what every drill has to keep.
    pub checks: Vec<Check>,
    pub golden: Golden,
    pub cycles: usize,
    /// The exit code of the last cycle.
    pub exit: u8,
    /// The longest time from an attack to the cycle that reported it; none where nothing was reported.
    pub detect: Option<Duration>,
    /// The longest time from an attack to the cycle that put it right.
    pub restore: Option<Duration>,
}

impl DrillResult {
    /// Whether every expectation holds.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// Whether every expectation holds and the transcript is the golden one.
    pub fn passed(&self) -> bool {
        self.holds() && self.golden == Golden::Same
    }
}

/// The scenarios in a folder, by name: each folder in it that has a `scenario.yaml`. With `names`, only those, in the
/// order given.
///
/// # Errors
/// A sentence: the folder cannot be listed, has no scenario, or not one of those names.
pub fn find(dir: &Path, names: &[String]) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("failed to list {}: {error}", dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join(SCENARIO).is_file() {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(format!("there is no scenario in {}", dir.display()));
    }
    if names.is_empty() {
        return Ok(found);
    }
    let chosen = names.iter().map(|name| {
        let meant = found
            .iter()
            .find(|path| path.file_name().is_some_and(|own| own == name.as_str()));
        meant.cloned().ok_or_else(|| {
            let known: Vec<_> = found
                .iter()
                .filter_map(|path| path.file_name())
                .map(|name| name.to_string_lossy())
                .collect();
            format!(
                "there is no scenario {} in {}; there are {}",
                name.escape_debug(),
                dir.display(),
                known.join(", ")
            )
        })
    });
    chosen.collect()
}

/// Runs one scenario.
///
/// # Errors
/// Its world cannot be made, or the engine finds its baseline wanting.
pub async fn run(scenario: &Scenario, seed: u64) -> Result<DrillResult, ScenarioError> {
    let story = play::play(scenario, seed)
        .await
        .map_err(|problems| ScenarioError::Problems {
            name: scenario.name.clone(),
            problems,
        })?;
    let checks = check::all(scenario, &story);
    let transcript = transcript::tell(scenario, &story, &checks);
    Ok(DrillResult {
        name: scenario.name.clone(),
        title: scenario.title.clone(),
        attack: scenario.attack.clone(),
        target: scenario.target.clone(),
        mode: scenario.mode,
        seed,
        golden: golden::compare(scenario.expected.as_deref(), &transcript),
        transcript,
        checks,
        cycles: story.cycles().count(),
        exit: story.cycles().last().map_or(0, |(_, cycle)| cycle.exit),
        detect: story.longest_attack(|episode| episode.seen),
        restore: story.longest_attack(|episode| episode.restored()),
    })
}

/// What came of several drills.
#[derive(Debug, Default)]
pub struct Drills {
    pub results: Vec<DrillResult>,
    /// Scenarios that could not run.
    pub errors: Vec<ScenarioError>,
    /// Names of scenarios whose golden transcript was rewritten.
    pub blessed: Vec<String>,
    /// Names of scenarios whose golden transcript was not, with why.
    pub not_blessed: Vec<(String, BlessError)>,
}

/// Runs the scenarios of these folders one after the other; with `rewrite`, makes their transcripts the golden ones,
/// where every expectation holds.
pub async fn run_all(dirs: &[PathBuf], seed: u64, rewrite: bool) -> Drills {
    let mut drills = Drills::default();
    for dir in dirs {
        let ran = match Scenario::load(dir) {
            Ok(scenario) => run(&scenario, seed).await,
            Err(error) => Err(error),
        };
        let mut result = match ran {
            Ok(result) => result,
            Err(error) => {
                drills.errors.push(error);
                continue;
            }
        };
        if rewrite {
            match bless(dir, &result) {
                Ok(changed) => {
                    result.golden = Golden::Same;
                    drills.blessed.extend(changed.then(|| result.name.clone()));
                }
                Err(error) => drills.not_blessed.push((result.name.clone(), error)),
            }
        }
        drills.results.push(result);
    }
    drills
}

impl Drills {
    /// 0; 6 when a drill failed; 1 when a scenario could not run, or a transcript could not be written.
    pub fn exit_code(&self) -> u8 {
        let unwritten = |(_, error): &(String, BlessError)| matches!(error, BlessError::Io(_));
        if !self.errors.is_empty() || self.not_blessed.iter().any(unwritten) {
            return 1;
        }
        exit_code(&self.results)
    }
}

/// The exit code of results alone: 0, or 6 when one failed.
pub fn exit_code(results: &[DrillResult]) -> u8 {
    match results.iter().all(DrillResult::passed) {
        true => 0,
        false => FAILED,
    }
}
