//! The small things that a scenario is made of: times, paths, modes, globs.
//!
//! **Invariant:** every text that gets through is bounded and free of control characters.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jiff::{SignedDuration, Timestamp};

use crate::document::Yaml;
use crate::model::Problems;
use crate::providers::host::fs::HostPath;
use crate::providers::host::path;
use crate::sim::deed::Matching;

/// The longest time that a drill can cover.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest glob; a longer one could compile to something huge.
const MAX_GLOB: usize = 512;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a duration such as `90s`, `5m` or `1h30m`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum: u64 = 0;
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..letters])?;
        sum = sum.checked_add(number.checked_mul(*unit)?)?;
        rest = &rest[letters..];
    }
    let duration = Duration::from_millis(sum);
    (duration <= MAX_DURATION).then_some(duration)
}

/// A duration as scenarios write it, the shortest way.
pub fn duration_text(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, unit) in UNITS.iter().rev() {
        let number = left / unit;
        left %= unit;
        if number > 0 {
            text.push_str(&format!("{number}{name}"));
        }
    }
    match text.is_empty() {
        true => "0s".to_owned(),
        false => text,
    }
}

/// How often, in words.
pub fn times_text(times: usize) -> String {
    match times {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    }
}

/// How long after the start an instant is, such as `+1m30s`.
pub fn offset_text(start: Timestamp, at: Timestamp) -> String {
    let passed = at.duration_since(start);
    format!("+{}", duration_text(passed.unsigned_abs()))
}

/// An instant: `+90s` after the start, or RFC 3339.
pub(super) fn parse_instant(text: &str, start: Timestamp) -> Option<Timestamp> {
    match text.strip_prefix('+') {
        Some(offset) => {
            let offset = SignedDuration::try_from(parse_duration(offset)?).ok()?;
            start.checked_add(offset).ok()
        }
        None => text.parse().ok(),
    }
}

/// A duration of a node, at least `min`.
pub(super) fn duration(node: &Yaml, min: Duration, problems: &mut Problems) -> Option<Duration> {
    let text = node.text(problems)?;
    let found = parse_duration(text).filter(|duration| *duration >= min);
    if found.is_none() {
        problems.push(
            node.problem(format!("\"{}\" is no duration here", shown(text)))
                .hint(format!(
                    "write a number and a unit (ms, s, m, h, d), such as 90s or 1h30m; from {} to 366d",
                    duration_text(min)
                )),
        );
    }
    found
}

/// One line of text, at most `max` characters.
pub(super) fn line(node: &Yaml, max: usize, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if is_line(text, max) {
        return Some(text.to_owned());
    }
    problems.push(node.problem(format!(
        "expected one line of 1 to {max} characters, without control characters"
    )));
    None
}

/// Whether a text is one line without control characters, and not empty.
pub(super) fn is_line(text: &str, max: usize) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= max
        && crate::report::escape::terminal(text) == text
}

/// A path of the simulated root.
pub(super) fn host_path(node: &Yaml, problems: &mut Problems) -> Option<HostPath> {
    let text = node.text(problems)?;
    match path::parse(text) {
        Ok(path) => Some(path),
        Err(bad) => {
            problems.push(node.problem(bad.message).hint(bad.hint));
            None
        }
    }
}

/// Reads a mode: three or four octal digits.
pub(super) fn parse_mode(text: &str) -> Option<u32> {
    let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    digits.then(|| u32::from_str_radix(text, 8).ok())?
}

/// A glob on whole paths, in which `*` stays within a name and `**` crosses `/`.
pub(super) fn parse_glob(text: &str) -> Result<Matching, String> {
    if !text.starts_with('/') {
        return Err("a glob starts at the root, with /".to_owned());
    }
    if !is_line(text, MAX_GLOB) {
        return Err(format!(
            "a glob is one line of at most {MAX_GLOB} characters"
        ));
    }
    compile(text).map(|glob| Matching {
        text: text.to_owned(),
        glob,
    })
}

fn compile(text: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("this is no glob: {}", error.kind()))
}

/// Text of the file, for a message.
pub(super) fn shown(text: &str) -> String {
    crate::report::escape::clipped(text, 80).into_owned()
}

/// A message of a library, for a problem.
pub(super) fn shown_whole(text: &str) -> String {
    crate::report::escape::clipped(text, 400).into_owned()
}
