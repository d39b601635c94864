//! The golden transcript: what a scenario's folder says that its drill looks like.
//!
//! **Invariant:** it is never rewritten while an expectation fails.

use std::io::Write as _;
use std::path::Path;

use similar::TextDiff;

use super::DrillResult;
use crate::report::escape::terminal;
use crate::sim::scenario::EXPECTED;

/// The most lines of a difference that are shown.
const MAX_LINES: usize = 80;

/// How a transcript compares with the golden one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Golden {
    Same,
    /// There is no golden one yet.
    Missing,
    /// The difference, line by line, from the golden one to this one.
    Differs(String),
}

/// Why a golden transcript was not written.
#[derive(Debug, thiserror::Error)]
pub enum BlessError {
    #[error("{failing} of its expectations fail, so its transcript is nothing to go by")]
    Fails { failing: usize },
    #[error("failed to write {EXPECTED}")]
    Io(#[source] std::io::Error),
}

pub(super) fn compare(expected: Option<&str>, transcript: &str) -> Golden {
    let Some(expected) = expected else {
        return Golden::Missing;
    };
    if expected == transcript {
        return Golden::Same;
    }
    let diff = TextDiff::from_lines(expected, transcript);
    let diff = diff.unified_diff().context_radius(2).to_string();
    let mut lines: Vec<_> = diff
        .lines()
        .map(|line| terminal(line).into_owned())
        .collect();
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("… and {more} more lines"));
    }
    Golden::Differs(lines.join("\n"))
}

/// Makes the transcript of a drill the golden one of the scenario in this folder; says whether that changed anything.
///
/// # Errors
/// An expectation fails, or the file cannot be written. Nothing is changed then.
pub fn bless(dir: &Path, result: &DrillResult) -> Result<bool, BlessError> {
    let failing = result.checks.iter().filter(|check| !check.ok).count();
    if failing > 0 {
        return Err(BlessError::Fails { failing });
    }
    if result.golden == Golden::Same {
        return Ok(false);
    }
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(BlessError::Io)?;
    file.write_all(result.transcript.as_bytes())
        .map_err(BlessError::Io)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file()
        .set_permissions(mode)
        .map_err(BlessError::Io)?;
    file.persist(dir.join(EXPECTED))
        .map_err(|error| BlessError::Io(error.error))?;
    Ok(true)
}
