//! Scenarios, version 1: a folder that tells an incident and what has to come of it.
//!
//! Flow: `scenario.yaml` (the story, the clock, the expectations), `baseline/` (what git says), `live.yaml` (the world at
//! the start), `timeline.jsonl` (who does what, when) and `expected.txt` (the transcript) → [`Scenario`]. See
//! `docs/scenarios.md` for the format.
//!
//! **Invariant:** everything is checked before anything runs, each problem has its place, and no expectation can hold
//! for want of something to look at: what it names has to be declared, or to turn up in the drill.

mod expectation;
mod header;
mod live;
mod terms;
mod timeline;

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

pub use expectation::{Condition, Expectation, Subject, When};
pub use live::Live;
pub use terms::{duration_text, offset_text, times_text};
pub use timeline::{Line, Truth, What};

use crate::baseline::{BaselineError, Loaded, Source, load, render};
use crate::document::{Yaml, parse};
use crate::model::{Mode, Problem, Problems, Span, TargetName};

/// The configuration of a scenario.
pub const SCENARIO: &str = "scenario.yaml";
/// The world at the start.
pub const LIVE: &str = "live.yaml";
/// What happens.
pub const TIMELINE: &str = "timeline.jsonl";
/// The golden transcript.
pub const EXPECTED: &str = "expected.txt";
/// The folder of the baseline.
pub const BASELINE: &str = "baseline";

/// One scenario, read and checked.
pub struct Scenario {
    /// The name of its folder.
    pub name: String,
    pub title: String,
    pub story: String,
    /// ATT&CK ids of techniques.
    pub attack: Vec<String>,
    pub target: TargetName,
    pub mode: Mode,
    pub start: Timestamp,
    pub end: Timestamp,
    pub cycle_every: std::time::Duration,
    /// In the order of the file, musts first.
    pub expectations: Vec<Expectation>,
    pub loaded: Arc<Loaded>,
    pub live: Live,
    /// In the order of time.
    pub timeline: Vec<Line>,
    /// The golden transcript, where there is one.
    pub expected: Option<String>,
}

/// Why a folder is no scenario that can run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// What is wrong with its files, by paths relative to its folder.
    #[error("the scenario {name} has errors")]
    Problems { name: String, problems: Problems },
    #[error("failed to read the scenario at {}", .dir.display())]
    Source {
        dir: PathBuf,
        #[source]
        source: BaselineError,
    },
}

impl ScenarioError {
    /// The error as a person wants to read it, with excerpts; ends with a line end. With `colour` it holds escape
    /// sequences.
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Problems { name, problems } => render(problems, name, colour),
            Self::Source { .. } => format!("{}\n", crate::report_chain(self)),
        }
    }
}

impl Scenario {
    /// Reads a scenario's folder.
    ///
    /// # Errors
    /// All that is wrong with it, in one go.
    pub fn load(dir: &Path) -> Result<Self, ScenarioError> {
        let unreadable = |source| ScenarioError::Source {
            dir: dir.to_owned(),
            source,
        };
        let name = name_of(dir);
        let files = Source::folder(dir).map_err(unreadable)?;
        let baseline = load(&Source::folder(&dir.join(BASELINE)).map_err(unreadable)?);
        let mut problems = Problems::default();
        let read = read(&files, baseline.map_err(unreadable)?, &name, &mut problems);
        match read {
            Some(scenario) if problems.is_empty() => Ok(scenario),
            _ => {
                problems.sort();
                Err(ScenarioError::Problems { name, problems })
            }
        }
    }
}

/// The name of a folder, also of one that is given as `.`.
fn name_of(dir: &Path) -> String {
    let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = real.file_name().unwrap_or(real.as_os_str());
    crate::report::escape::clipped(&name.to_string_lossy(), 200).into_owned()
}

fn read(files: &Source, baseline: Loaded, name: &str, problems: &mut Problems) -> Option<Scenario> {
    problems.extend(below_baseline(baseline.problems.clone()));
    let header = document(files, SCENARIO, problems)
        .and_then(|doc| header::decode(&doc, &baseline, problems));
    let live = document(files, LIVE, problems).map(|doc| live::decode(&doc, problems));
    let timeline = match files.read(TIMELINE) {
        Ok(text) => Some(text),
        Err(why) => {
            problems.push(about(TIMELINE, format!("the file {why}")));
            None
        }
    };
    let header = header?;
    let timeline = timeline::decode(&timeline?, header.start, header.end, problems);
    Some(Scenario {
        name: name.to_owned(),
        title: header.title,
        story: header.story,
        attack: header.attack,
        target: header.target,
        mode: header.mode,
        start: header.start,
        end: header.end,
        cycle_every: header.cycle_every,
        expectations: header.expectations,
        loaded: Arc::new(baseline),
        live: live?,
        timeline,
        expected: files
            .read(EXPECTED)
            .ok()
            .map(|text| String::from_utf8_lossy(&text).into_owned()),
    })
}

/// The one document of a file.
fn document(files: &Source, path: &'static str, problems: &mut Problems) -> Option<Yaml> {
    let text = match files.read(path) {
        Ok(text) => text,
        Err(why) => {
            problems.push(about(path, format!("the file {why}")));
            return None;
        }
    };
    match parse(path, &text) {
        Err(problem) => problems.push(*problem),
        Ok(docs) => match <[Yaml; 1]>::try_from(docs) {
            Ok([doc]) => return Some(doc),
            Err(docs) => problems.push(match docs.get(1) {
                Some(second) => second.problem("only one document is expected here"),
                None => about(path, "the file is empty"),
            }),
        },
    }
    None
}

fn about(file: &str, message: impl Into<String>) -> Problem {
    let mut problem = Problem::general(message);
    problem.at = Some(Span {
        file: file.to_owned(),
        line: 1,
        column: 1,
    });
    problem
}

/// The problems of a baseline, named from the scenario's folder.
pub(super) fn below_baseline(mut problems: Problems) -> Problems {
    for problem in &mut problems.0 {
        match &mut problem.at {
            Some(at) => at.file = format!("{BASELINE}/{}", at.file),
            None => problem.message = format!("{BASELINE}: {}", problem.message),
        }
    }
    problems
}
