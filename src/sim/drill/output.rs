//! Results of drills for people, for CI systems and for programs.
//!
//! **Invariant:** everything comes from results; nothing is measured or decided here.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::{Check, DrillResult, Golden, Sort};
use crate::report::escape;
use crate::sim::scenario::{SCENARIO, duration_text};

/// The schema of the JSON form.
pub const SCHEMA: &str = "evenkeel.dev/drill/v1";

/// What to do about a transcript that is not the golden one.
const BLESS: &str = "if the new one is right: evenkeel drill --bless";

/// One line a drill, what failed in full, and a line with the sum; with `transcripts`, each drill's transcript too.
pub fn text(results: &[DrillResult], transcripts: bool) -> String {
    let mut text = String::new();
    let width = results
        .iter()
        .map(|one| one.name.chars().count())
        .max()
        .unwrap_or(0);
    for result in results {
        let mark = if result.passed() { "ok  " } else { "FAIL" };
        let _ = writeln!(text, "{mark} {:<width$}  {}", result.name, measures(result));
        if transcripts {
            for line in result.transcript.lines() {
                let _ = writeln!(text, "     | {line}");
            }
        }
    }
    for result in results.iter().filter(|result| !result.passed()) {
        let _ = writeln!(text, "\n{}: {}", result.name, result.title);
        for check in result.checks.iter().filter(|check| !check.ok) {
            let _ = writeln!(
                text,
                "  expected  {}{}",
                check.expected,
                place(result, check)
            );
            let _ = writeln!(text, "  seen      {}", escape::clipped(&check.seen, 4_000));
        }
        if let Some(why) = golden(result) {
            for line in why.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    let failed = results.iter().filter(|result| !result.passed()).count();
    let _ = match failed {
        0 => writeln!(text, "{} passed", drills(results.len())),
        failed => writeln!(text, "{failed} of {} failed", drills(results.len())),
    };
    text
}

fn drills(number: usize) -> String {
    match number {
        1 => "1 drill".to_owned(),
        number => format!("{number} drills"),
    }
}

fn measures(result: &DrillResult) -> String {
    let mut parts = Vec::new();
    if let Some(time) = result.detect {
        parts.push(format!("detected within {}", duration_text(time)));
    }
    if let Some(time) = result.restore {
        parts.push(format!("restored within {}", duration_text(time)));
    }
    parts.push(match result.cycles {
        1 => "1 cycle".to_owned(),
        cycles => format!("{cycles} cycles"),
    });
    parts.push(format!("exit {} at the end", result.exit));
    parts.join(", ")
}

fn place(result: &DrillResult, check: &Check) -> String {
    match &check.at {
        Some(at) => format!("  ({}/{at})", result.name),
        None => String::new(),
    }
}

/// What is wrong with the transcript.
fn golden(result: &DrillResult) -> Option<String> {
    match &result.golden {
        Golden::Same => None,
        Golden::Missing => Some(format!("there is no golden transcript yet; {BLESS}")),
        Golden::Differs(diff) => Some(format!(
            "the transcript is not the golden one; {BLESS}\n{diff}"
        )),
    }
}

/// JUnit XML: a suite a drill, a case an expectation, and one for the transcript.
pub fn junit(results: &[DrillResult]) -> String {
    let mut document = Report::new("evenkeel drill");
    for result in results {
        let mut suite = TestSuite::new(result.name.clone());
        for check in &result.checks {
            let status = match check.ok {
                true => TestCaseStatus::success(),
                false => failure(&check.seen),
            };
            let mut case = TestCase::new(check.expected.clone(), status);
            case.set_classname(result.name.clone());
            if let Some(at) = &check.at {
                let file = format!("{}/{}", result.name, at.file);
                case.extra.insert("file".into(), file.as_str().into());
                let line = at.line.to_string();
                case.extra.insert("line".into(), line.as_str().into());
            }
            suite.add_test_case(case);
        }
        let status = golden(result).map_or_else(TestCaseStatus::success, |why| failure(&why));
        let mut case = TestCase::new("the transcript is the golden one", status);
        case.set_classname(result.name.clone());
        suite.add_test_case(case);
        document.add_test_suite(suite);
    }
    // Writing to memory cannot fail.
    document.to_string().unwrap_or_default()
}

fn failure(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let first = why.lines().next().unwrap_or_default();
    status.set_message(escape::clipped(first, 1_000).into_owned());
    let lines: Vec<_> = why.lines().map(escape::terminal).collect();
    status.set_description(lines.join("\n"));
    status
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    exit_code: u8,
    drills: Vec<Drill<'a>>,
}

#[derive(Serialize)]
struct Drill<'a> {
    scenario: &'a str,
    title: &'a str,
    attack: &'a [String],
    target: &'a str,
    mode: String,
    seed: u64,
    passed: bool,
    cycles: usize,
    exit: u8,
    time_to_detect_ms: Option<u64>,
    time_to_restore_ms: Option<u64>,
    checks: Vec<JsonCheck<'a>>,
    /// `same`, `missing` or `differs`.
    golden: &'static str,
    transcript: Vec<&'a str>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    sort: &'static str,
    expected: &'a str,
    ok: bool,
    seen: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// JSON with a versioned schema; ends with a line end.
pub fn json(results: &[DrillResult]) -> String {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let drills = results.iter().map(|result| Drill {
        scenario: &result.name,
        title: &result.title,
        attack: &result.attack,
        target: &result.target.0,
        mode: result.mode.to_string(),
        seed: result.seed,
        passed: result.passed(),
        cycles: result.cycles,
        exit: result.exit,
        time_to_detect_ms: result.detect.map(millis),
        time_to_restore_ms: result.restore.map(millis),
        checks: result.checks.iter().map(json_check).collect(),
        golden: match result.golden {
            Golden::Same => "same",
            Golden::Missing => "missing",
            Golden::Differs(_) => "differs",
        },
        transcript: result.transcript.lines().collect(),
    });
    let document = Document {
        schema: SCHEMA,
        exit_code: super::exit_code(results),
        drills: drills.collect(),
    };
    // Plain strings and numbers cannot fail to be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    escape::json(&text)
}

fn json_check(check: &Check) -> JsonCheck<'_> {
    JsonCheck {
        sort: match check.sort {
            Sort::Must => "must",
            Sort::MustNot => "must_not",
            Sort::Always => "always",
        },
        expected: &check.expected,
        ok: check.ok,
        seen: &check.seen,
        file: check.at.as_ref().map(|_| SCENARIO),
        line: check.at.as_ref().map(|at| at.line),
    }
}
