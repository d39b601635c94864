//! JUnit XML: a suite a target, a case a resource.
//!
//! Flow: report → cases in the order of ids: clean passes, drift fails, what could not be evaluated is an error, what is
//! exempted is skipped → XML. What failed besides resources is a suite of its own, and so are findings that are suppressed.
//!
//! **Invariant:** every resource of the run is exactly one case, so that a resource that vanishes from the baseline is seen.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::model::{Origin, ResourceId, RunReport, Suppressed, TargetName};

use super::entry::{Entry, entries};
use super::escape::{clipped, terminal};
use super::finding;
use super::shown::{Disclosure, Reader};
use super::words::{self, MAX_SENTENCE};

/// The most characters of a name.
const MAX_NAME: usize = 1_000;
/// The most fields of a drift that are named.
const MAX_FIELDS: usize = 100;

/// Writes the report as JUnit XML.
pub fn render(report: &RunReport) -> String {
    let mut suites: BTreeMap<&TargetName, BTreeMap<&ResourceId, TestCase>> = BTreeMap::new();
    for (resource, case) in cases(report) {
        suites
            .entry(&resource.target)
            .or_default()
            .insert(resource, case);
    }
    let mut document = Report::new("evenkeel");
    for (target, cases) in suites {
        let mut suite = TestSuite::new(clipped(&target.0, MAX_NAME));
        suite.add_test_cases(cases.into_values());
        document.add_test_suite(suite);
    }
    if !report.suppressed.is_empty() {
        let mut suite = TestSuite::new("suppressed findings");
        suite.add_test_cases(report.suppressed.iter().map(suppressed));
        document.add_test_suite(suite);
    }
    if let Some(suite) = errors(report) {
        document.add_test_suite(suite);
    }
    // Writing to memory cannot fail.
    document.to_string().unwrap_or_default()
}

fn cases(report: &RunReport) -> Vec<(&ResourceId, TestCase)> {
    let comparison = &report.comparison;
    let mut cases = Vec::with_capacity(comparison.coverage().total());
    for resource in &comparison.clean {
        cases.push((resource, case(resource, TestCaseStatus::success())));
    }
    for it in &comparison.exempted {
        let resource = &it.drift.resource;
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("exempted by {}", clipped(&it.exemption, MAX_NAME)));
        let case = located(report, resource, &it.drift.origin, status);
        cases.push((resource, case));
    }
    for it in &comparison.not_evaluated {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(words::reason_code(it.reason.code));
        status.set_message(clipped(&it.reason.text, MAX_SENTENCE));
        let case = located(report, &it.resource, &it.origin, status);
        cases.push((&it.resource, case));
    }
    for entry in entries(report).iter().filter(|entry| entry.remains) {
        cases.push((&entry.drift.resource, drifted(report, entry)));
    }
    cases
}

fn suppressed(one: &Suppressed) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(clipped(&finding::suppressed_line(one), MAX_SENTENCE));
    let targets = one.finding.targets.join(", ");
    let mut case = TestCase::new(clipped(&targets, MAX_NAME), status);
    case.set_classname(clipped(&one.finding.indicator, MAX_NAME));
    case
}

fn case(resource: &ResourceId, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clipped(&resource.name, MAX_NAME), status);
    case.set_classname(format!(
        "{}.{}",
        clipped(&resource.target.0, MAX_NAME),
        clipped(&resource.kind.0, MAX_NAME)
    ));
    case
}

fn located(
    report: &RunReport,
    resource: &ResourceId,
    origin: &Origin,
    status: TestCaseStatus,
) -> TestCase {
    let mut case = case(resource, status);
    let file = words::repository_path(&report.baseline, &origin.file);
    case.extra
        .insert("file".into(), terminal(&file).as_ref().into());
    case.extra
        .insert("line".into(), origin.line.to_string().as_str().into());
    case
}

fn drifted(report: &RunReport, entry: &Entry<'_>) -> TestCase {
    let drift = entry.drift;
    let disclosure = Disclosure::new(report, Reader::Anyone);
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(words::change(drift.change));
    let names = words::field_names(drift, 5);
    status.set_message(match names.as_str() {
        "" => words::change(drift.change).to_owned(),
        names => format!("{}: {names}", words::change(drift.change)),
    });
    status.set_description(details(&disclosure, entry).join("\n"));
    let mut case = located(report, &drift.resource, &drift.origin, status);
    case.add_property(("fingerprint", drift.fingerprint().as_str()));
    case
}

/// The lines of a failure, each escaped.
fn details(disclosure: &Disclosure<'_>, entry: &Entry<'_>) -> Vec<String> {
    let drift = entry.drift;
    let mut lines = vec![format!("at {}", clipped(&drift.address.0, MAX_NAME))];
    lines.extend(
        words::differences(disclosure, drift, MAX_FIELDS)
            .into_iter()
            .map(|(name, sentence)| format!("{name} {sentence}")),
    );
    lines.push(format!("action: {}", entry.action()));
    if let Some(because) = entry.held() {
        lines.push(format!(
            "held: {}",
            clipped(&because.to_string(), MAX_SENTENCE)
        ));
    }
    lines
}

fn errors(report: &RunReport) -> Option<TestSuite> {
    if report.errors.is_empty() {
        return None;
    }
    let mut suite = TestSuite::new("run");
    for (i, error) in report.errors.iter().enumerate() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(clipped(error, MAX_SENTENCE));
        let mut case = TestCase::new(format!("error {}", i + 1), status);
        case.set_classname("evenkeel");
        suite.add_test_case(case);
    }
    Some(suite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    // Goal: what a CI system reads stays the same, for all four sorts of results and hostile names.
    #[test]
    fn a_plan() {
        let mut report = samples::mixed();
        report.comparison.clean.truncate(2);
        insta::assert_snapshot!(render(&report));
    }

    // Goal: the counts of cases are those of the summary, and errors of the run and suppressed findings count too. Method: the XML read back.
    #[test]
    fn counts_are_those_of_the_summary() {
        let mut report = samples::mixed();
        report.errors.push("the forge did not answer".into());
        let text = render(&report);
        let read = Report::deserialize_from_str(&text).expect("it is JUnit");
        let coverage = report.comparison.coverage();
        let suppressed = report.suppressed.len();
        assert_eq!(read.tests, coverage.total() + suppressed + 1);
        assert_eq!(read.failures, coverage.drifted);
        assert_eq!(read.errors, coverage.not_evaluated + 1);
        let skipped: usize = read.test_suites.iter().map(|suite| suite.disabled).sum();
        assert_eq!(skipped, coverage.exempted + suppressed);
    }

    // Goal: a clean run passes in every case.
    #[test]
    fn a_clean_run_passes() {
        let text = render(&samples::clean());
        assert!(text.contains("failures=\"0\" errors=\"0\""), "{text}");
    }
}
