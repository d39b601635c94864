//! `evenkeel rules test`: what lies beside rules as tests, through the same reader and the same engine as a log.

use std::io::Cursor;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::files::{self, Text};
use crate::cli::CliError;
use crate::cli::args::{Format, RulesArgs};
use crate::cli::output::Terminal;
use crate::detect::rule_tests::{self, Case, RuleTests};
use crate::detect::scan::{Scan, ScanOptions, look};
use crate::detect::sigma::{Options, Rules};
use crate::events::frame::Bounds;
use crate::events::source::Opened;
use crate::events::{Given, Reader, Seen, SourceTerms};
use crate::model::{Problems, Trust};
use crate::report::escape;
use crate::report::exit::{CLEAN, ERROR};

/// A case that went wrong.
struct Failure {
    file: String,
    case: String,
    why: String,
}

/// Runs every case of every file of tests.
pub fn run(at: &RulesArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let (texts, tests) = super::rules_and_tests(&at.from, terminal)?;
    let found = files::load(&texts, &Options::default(), false, terminal)?;
    let rules = Arc::new(found.loaded.rules);
    let mut failures = Vec::new();
    let mut problems = Problems::default();
    let mut cases = 0;
    for file in &tests {
        match rule_tests::read(&file.path, &file.text) {
            Ok(read) => {
                cases += read.cases.len();
                failures.extend(of_file(&rules, &texts, file, &read));
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if !problems.0.is_empty() {
        return Err(CliError::problems(problems));
    }
    let untested: Vec<_> = texts
        .iter()
        .filter(|text| !is_tested(text, &tests))
        .map(|text| text.path.as_str())
        .collect();
    let code = if failures.is_empty() { CLEAN } else { ERROR };
    match at.format {
        Format::Json => {
            let value = json!({
                "version": 1,
                "files": tests.len(),
                "cases": cases,
                "failures": failures.iter().map(|it| json!({
                    "file": it.file, "case": it.case, "why": it.why,
                })).collect::<Vec<_>>(),
                "untested": untested,
                "exit_code": code,
            });
            terminal.out(&escape::json(&format!("{value:#}\n")));
        }
        Format::Text => terminal.out(&shown(cases, tests.len(), &failures, &untested)),
    }
    Ok(code)
}

fn shown(cases: usize, files: usize, failures: &[Failure], untested: &[&str]) -> String {
    let mut text = String::new();
    for failure in failures {
        text.push_str(&format!(
            "failed  {}: {}: {}\n",
            escape::terminal(&failure.file),
            escape::terminal(&failure.case),
            escape::terminal(&failure.why),
        ));
    }
    for path in untested {
        text.push_str(&format!(
            "notice  {} has no tests\n",
            escape::terminal(path)
        ));
    }
    text.push_str(&format!(
        "{} of {}, {} failed\n",
        crate::report::words::counted(cases, "case", "cases"),
        crate::report::words::counted(files, "file", "files"),
        failures.len(),
    ));
    text
}

fn is_tested(rules: &Text, tests: &[Text]) -> bool {
    tests
        .iter()
        .filter_map(|test| rule_tests::tested(&test.path))
        .any(|names| names.contains(&rules.path))
}

fn of_file(rules: &Arc<Rules>, texts: &[Text], file: &Text, tests: &RuleTests) -> Vec<Failure> {
    let failure = |case: &str, why: String| Failure {
        file: file.path.clone(),
        case: case.to_owned(),
        why,
    };
    let names = rule_tests::tested(&file.path).unwrap_or_default();
    if !texts.iter().any(|text| names.contains(&text.path)) {
        return vec![failure(
            "all",
            format!("there is no {}", names.join(" or ")),
        )];
    }
    tests
        .cases
        .iter()
        .filter_map(|case| {
            let why = of_case(rules, &names, case, tests).err()?;
            Some(failure(&case.name, why))
        })
        .collect()
}

/// Whether rules of these files find something, as they should.
fn of_case(
    rules: &Arc<Rules>,
    names: &[String],
    case: &Case,
    tests: &RuleTests,
) -> Result<(), String> {
    let opened = Opened {
        name: Arc::from(case.name.as_str()),
        bytes: Box::new(Cursor::new(case.log.clone())),
        written: None,
    };
    let given = Given {
        format: tests.format,
        trust: Some(Trust::Authenticated),
        terms: SourceTerms {
            name: Arc::clone(&opened.name),
            trust: Trust::Authenticated,
            host: None,
            zone: TimeZone::UTC,
            // The end of a year, so that every day of a line without a year lies in it.
            until: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 60),
        },
        bounds: Bounds::default(),
    };
    let mut reader = Reader::new(opened, given).map_err(|error| error.to_string())?;
    let mut scan = Scan::new(Arc::clone(rules), ScanOptions::default());
    let mut seen = Seen::new(1024);
    while let Some(looked) = reader.next(&mut seen, &|record| look(rules, false, record)) {
        looked.into_iter().for_each(|looked| scan.take(looked));
    }
    let tally = reader.into_tally();
    if let Some((why, left)) = tally.left_out.first_key_value() {
        return Err(format!("event {} is {why}: {}", left.line, left.detail));
    }
    let own: Vec<_> = rules
        .all()
        .iter()
        .filter(|rule| names.contains(&rule.at.file))
        .map(|rule| rule.title.as_str())
        .collect();
    let detection = scan.finish();
    let titles = detection
        .0
        .findings
        .iter()
        .filter_map(|finding| Some(finding.rule.as_ref()?.title.as_str()));
    let hits: Vec<_> = titles.filter(|title| own.contains(title)).collect();
    match (case.must_hit, hits.is_empty()) {
        (true, true) => Err("it finds nothing, and has to".to_owned()),
        (false, false) => Err(format!("it finds {}, and must not", hits.join(", "))),
        _ => Ok(()),
    }
}
