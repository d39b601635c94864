//! GitHub workflow commands that annotate a pull request's files: `::error file=…,line=…,title=…::message`.
//!
//! Flow: report → at most ten of each level, since GitHub shows no more of one step, the last saying how many are left out.
//!
//! **Invariant:** exactly one command a line, whatever names and sentences hold.

use crate::model::{Level, Origin, RiskLevel, RunReport};

use super::entry::{Entry, entries};
use super::escape::{clipped, workflow_message, workflow_property};
use super::finding;
use super::shown::{Disclosure, Reader};
use super::words::{self, MAX_SENTENCE};

/// How many annotations of one level GitHub takes from one step.
const MAX_OF_A_LEVEL: usize = 10;
/// The most characters of a name.
const MAX_NAME: usize = 300;
/// The most fields of a drift that are named.
const MAX_FIELDS: usize = 10;

/// One annotation; its texts are escaped for a terminal already.
struct Annotation {
    /// The file, relative to the top of the repository, and the line.
    at: Option<(String, u32)>,
    title: String,
    message: String,
}

/// Writes the annotations: errors for what failed, for grave findings and for drift of high risk, warnings for other drift and what could
/// not be evaluated, notices for what every reader has to see.
pub fn render(report: &RunReport) -> String {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    errors.extend(report.errors.iter().map(|error| Annotation {
        at: None,
        title: "evenkeel failed".to_owned(),
        message: clipped(error, MAX_SENTENCE).into_owned(),
    }));
    for one in &report.findings {
        let level = match one.level {
            Level::Critical | Level::High => &mut errors,
            Level::Medium | Level::Low | Level::Informational => &mut warnings,
        };
        let drift = report.drift_of(one);
        level.push(Annotation {
            at: drift.and_then(|drift| place(report, &drift.origin)),
            title: format!(
                "{}: {}",
                one.indicator,
                clipped(&one.targets.join(", "), MAX_NAME)
            ),
            message: clipped(&finding::line(one), MAX_SENTENCE).into_owned(),
        });
    }
    for entry in entries(report).iter().filter(|entry| entry.remains) {
        let level = match entry.drift.risk.level {
            RiskLevel::High => &mut errors,
            RiskLevel::Low | RiskLevel::Medium => &mut warnings,
        };
        level.push(drifted(report, entry));
    }
    warnings.extend(report.comparison.not_evaluated.iter().map(|it| Annotation {
        at: place(report, &it.origin),
        title: format!(
            "{} was not evaluated",
            clipped(&it.resource.to_string(), MAX_NAME)
        ),
        message: clipped(&it.reason.text, MAX_SENTENCE).into_owned(),
    }));
    let notices: Vec<_> = report
        .notices
        .iter()
        .map(|notice| Annotation {
            at: None,
            title: "evenkeel".to_owned(),
            message: clipped(notice, MAX_SENTENCE).into_owned(),
        })
        .collect();
    let mut out = String::new();
    for (level, annotations) in [
        ("error", errors),
        ("warning", warnings),
        ("notice", notices),
    ] {
        for annotation in bounded(annotations) {
            out.push_str(&command(level, &annotation));
            out.push('\n');
        }
    }
    out
}

fn bounded(mut annotations: Vec<Annotation>) -> Vec<Annotation> {
    let total = annotations.len();
    if total > MAX_OF_A_LEVEL {
        annotations.truncate(MAX_OF_A_LEVEL - 1);
        let more = words::number(total - annotations.len());
        annotations.push(Annotation {
            at: None,
            title: format!("and {more} more"),
            message: "the job summary and the log have all of them".to_owned(),
        });
    }
    annotations
}

fn drifted(report: &RunReport, entry: &Entry<'_>) -> Annotation {
    let drift = entry.drift;
    let disclosure = Disclosure::new(report, Reader::Anyone);
    let mut lines = vec![format!("at {}", clipped(&drift.address.0, MAX_NAME))];
    lines.extend(
        words::differences(&disclosure, drift, MAX_FIELDS)
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
    Annotation {
        at: place(report, &drift.origin),
        title: format!(
            "{} is {}",
            clipped(&drift.resource.to_string(), MAX_NAME),
            words::change(drift.change)
        ),
        message: lines.join("\n"),
    }
}

fn place(report: &RunReport, origin: &Origin) -> Option<(String, u32)> {
    let file = words::repository_path(&report.baseline, &origin.file);
    Some((clipped(&file, MAX_NAME).into_owned(), origin.line.max(1)))
}

fn command(level: &str, annotation: &Annotation) -> String {
    let mut properties = Vec::new();
    if let Some((file, line)) = &annotation.at {
        properties.push(format!("file={}", workflow_property(file)));
        properties.push(format!("line={line}"));
    }
    properties.push(format!("title={}", workflow_property(&annotation.title)));
    let message = workflow_message(&annotation.message);
    format!("::{level} {}::{message}", properties.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    // Goal: what GitHub reads stays the same, hostile names included.
    #[test]
    fn a_plan() {
        insta::assert_snapshot!(render(&samples::mixed()));
    }

    // Goal: each line is one command of ours, so that no live text became one of its own. Method: parse as the runner does.
    #[test]
    fn one_command_a_line() {
        for report in [samples::mixed(), samples::troubled(), samples::many(500)] {
            for line in render(&report)
                .split(['\n', '\r'])
                .filter(|line| !line.is_empty())
            {
                let (level, rest) = line[2..].split_once(' ').unwrap();
                assert!(["error", "warning", "notice"].contains(&level), "{line}");
                let (properties, _) = rest.split_once("::").unwrap();
                for property in properties.split(',') {
                    let (name, _) = property.split_once('=').unwrap();
                    assert!(["file", "line", "title"].contains(&name), "{line}");
                }
            }
        }
    }

    // Goal: GitHub takes ten of a level, so the tenth says how many more there are.
    #[test]
    fn ten_of_a_level() {
        let text = render(&samples::many(500));
        let warnings: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("::warning "))
            .collect();
        assert_eq!(warnings.len(), 10);
        assert!(warnings[9].contains("and 491 more"), "{}", warnings[9]);
    }
}
