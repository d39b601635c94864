//! The exit code: the single place where results become a number.
//!
//! Flow: a report → which of the outcomes it holds → the first of 3, 1, 5, 4, 2 that counts, or 0.
//!
//! **Invariant:** an error is never silenced, whatever was asked for.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::model::{
    Command, Group, GroupResult, HeldBecause, Level, ResourceId, RunReport, Verdict,
};

/// All is as the baseline says.
pub const CLEAN: u8 = 0;
/// Something failed.
pub const ERROR: u8 = 1;
/// Something differs, or waits for approval.
pub const DRIFT: u8 = 2;
/// An indicator of compromise was found.
pub const INDICATOR: u8 = 3;
/// Something could not be evaluated.
pub const NOT_EVALUATED: u8 = 4;
/// The guard refused something that still differs.
pub const REFUSED: u8 = 5;

/// What `--fail-on` says: one word, or two with a comma between them (`medium,refused`).
///
/// - `informational`, `low`, `medium`, `high` (the default), `critical`: the lowest level of a finding that gives 3.
/// - `drift` (the default), `not-evaluated`, `refused`, `error`: the least grave outcome that gives another code than 0,
///   in the order in which codes win. `refused` lets 2 and 4 pass, `error` lets 5 pass too.
///
/// A finding of at least the level always gives 3, and an error always 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailOn {
    pub finding: Level,
    pub outcome: Gravity,
}

/// Outcomes by how grave they are, mildest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Gravity {
    Drift,
    NotEvaluated,
    Refused,
    Error,
}

/// The text is no `--fail-on`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailOnError {
    #[error(
        "unknown level {0:?}: it is one of informational, low, medium, high, critical for findings and drift, not-evaluated, refused, error for the rest"
    )]
    Unknown(String),
    #[error("{0:?} says the same thing twice: give at most one level of findings and one outcome")]
    Twice(String),
}

impl Default for FailOn {
    fn default() -> Self {
        Self {
            finding: Level::High,
            outcome: Gravity::Drift,
        }
    }
}

impl FromStr for FailOn {
    type Err = FailOnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut finding = None;
        let mut outcome = None;
        for word in text.split(',').map(str::trim) {
            let again = match (level(word), gravity(word)) {
                (Some(level), _) => finding.replace(level).is_some(),
                (_, Some(gravity)) => outcome.replace(gravity).is_some(),
                _ => return Err(FailOnError::Unknown(word.to_owned())),
            };
            if again {
                return Err(FailOnError::Twice(text.to_owned()));
            }
        }
        let default = Self::default();
        Ok(Self {
            finding: finding.unwrap_or(default.finding),
            outcome: outcome.unwrap_or(default.outcome),
        })
    }
}

fn level(word: &str) -> Option<Level> {
    Some(match word {
        "informational" => Level::Informational,
        "low" => Level::Low,
        "medium" => Level::Medium,
        "high" => Level::High,
        "critical" => Level::Critical,
        _ => return None,
    })
}

fn gravity(word: &str) -> Option<Gravity> {
    Some(match word {
        "drift" => Gravity::Drift,
        "not-evaluated" => Gravity::NotEvaluated,
        "refused" => Gravity::Refused,
        "error" => Gravity::Error,
        _ => return None,
    })
}

/// The exit code of a run.
///
/// Of what holds, the first of 3, 1, 5, 4, 2 wins. `reconcile` is judged by the state at its end, but a finding stays a
/// finding when what caused it is gone. `undo` is judged by whether it did what was asked, since the drift that it
/// brings back is what was asked for. `exit_zero` makes 0 of everything but an error.
pub fn code(report: &RunReport, fail_on: FailOn, exit_zero: bool) -> u8 {
    let code = weigh(report, fail_on);
    if exit_zero && code != ERROR {
        return CLEAN;
    }
    code
}

fn weigh(report: &RunReport, fail_on: FailOn) -> u8 {
    let counts = |gravity: Gravity| gravity >= fail_on.outcome;
    if report.worst().is_some_and(|level| level >= fail_on.finding) {
        INDICATOR
    } else if is_error(report) {
        ERROR
    } else if counts(Gravity::Refused) && is_held(report, HeldBecause::is_refusal) {
        REFUSED
    } else if counts(Gravity::NotEvaluated) && is_unseen(report) {
        NOT_EVALUATED
    } else if counts(Gravity::Drift) && is_drifted(report) {
        DRIFT
    } else {
        CLEAN
    }
}

/// A group that failed but whose resources are right at the end (a lost answer, say) is no error; one that could not
/// be taken back always is.
fn is_error(report: &RunReport) -> bool {
    let drifted = drifted(report);
    let unseen = unseen(report);
    let is_right =
        |resource: &ResourceId| !drifted.contains(resource) && !unseen.contains(resource);
    let failed = |result: GroupResult| match (report.command, result) {
        (_, GroupResult::Done) => false,
        (Command::Undo, _) => true,
        (_, GroupResult::Stale) => false,
        (_, GroupResult::Failed | GroupResult::Broken | GroupResult::Lost) => true,
    };
    !report.errors.is_empty()
        || report.outcomes.iter().any(|outcome| {
            failed(outcome.result)
                && (report.command == Command::Undo
                    || matches!(outcome.result, GroupResult::Broken | GroupResult::Lost)
                    || !outcome.steps.iter().all(|step| is_right(&step.resource)))
        })
}

/// For an undo only what it touched matters.
fn is_unseen(report: &RunReport) -> bool {
    let mut touched = report.plan.groups.iter().flat_map(|group| &group.steps);
    match report.command {
        Command::Plan | Command::Reconcile => !report.comparison.not_evaluated.is_empty(),
        Command::Undo => {
            let unseen = unseen(report);
            touched.any(|step| unseen.contains(&step.resource))
        }
    }
}

fn is_drifted(report: &RunReport) -> bool {
    match report.command {
        Command::Undo => is_held(report, |because| !because.is_refusal()),
        Command::Plan | Command::Reconcile => !report.comparison.drifts.is_empty(),
    }
}

/// Whether a group is held for such a reason and what it would answer is still there.
fn is_held(report: &RunReport, such: impl Fn(&HeldBecause) -> bool) -> bool {
    let drifted = drifted(report);
    let remains = |group: &Group| {
        report.command == Command::Undo
            || group
                .steps
                .iter()
                .any(|step| drifted.contains(&step.resource))
    };
    report.plan.groups.iter().any(|group| {
        matches!(report.verdicts.get(&group.hash), Some(Verdict::Held(because)) if such(because))
            && remains(group)
    })
}

fn unseen(report: &RunReport) -> BTreeSet<&ResourceId> {
    let not_evaluated = &report.comparison.not_evaluated;
    not_evaluated.iter().map(|it| &it.resource).collect()
}

fn drifted(report: &RunReport) -> BTreeSet<&ResourceId> {
    report
        .comparison
        .drifts
        .iter()
        .map(|drift| &drift.resource)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Comparison, Finding, Mode, TargetName};
    use crate::report::samples;

    fn finding(level: Level) -> Finding {
        let id = ResourceId::new(&TargetName("web-1".into()), "File", "x");
        Finding::on(id, "unlisted-key", level)
    }

    fn plain(report: &RunReport) -> u8 {
        code(report, FailOn::default(), false)
    }

    // Goal: each sample run ends with the code that the design gives it.
    #[test]
    fn samples_have_their_codes() {
        for (name, report, expected) in [
            ("clean", samples::clean(), CLEAN),
            ("mixed plan", samples::mixed(), NOT_EVALUATED),
            ("refused", samples::refused(), REFUSED),
            ("waits for approval", samples::approval(), DRIFT),
            ("reconcile all done", samples::reconciled(), CLEAN),
            ("reconcile with failures", samples::troubled(), ERROR),
            ("undo", samples::undone(), CLEAN),
        ] {
            assert_eq!(plain(&report), expected, "{name}");
        }
    }

    // Goal: the order 3, 1, 5, 4, 2. Method: a report in which all hold, from which the winner is taken away each time.
    #[test]
    fn the_gravest_wins() {
        let mut report = samples::mixed();
        report.findings = vec![finding(Level::Critical)];
        report.errors.push("the forge did not answer".into());
        for verdict in report.verdicts.values_mut() {
            *verdict = Verdict::Held(HeldBecause::NoJournal);
        }
        assert_eq!(plain(&report), INDICATOR);
        report.findings.clear();
        assert_eq!(plain(&report), ERROR);
        report.errors.clear();
        assert_eq!(plain(&report), REFUSED);
        for verdict in report.verdicts.values_mut() {
            *verdict = Verdict::Held(HeldBecause::Mode {
                mode: Mode::Observe,
            });
        }
        assert_eq!(plain(&report), NOT_EVALUATED);
        report.comparison.not_evaluated.clear();
        assert_eq!(plain(&report), DRIFT);
        report.comparison.drifts.clear();
        assert_eq!(plain(&report), CLEAN);
    }

    // Goal: a refusal of what somebody else has put right meanwhile does not fail the run.
    #[test]
    fn refusals_count_only_while_the_drift_remains() {
        let mut report = samples::refused();
        report.comparison = Comparison::default();
        assert_eq!(plain(&report), CLEAN);
    }

    // Goal: a failed step whose effect is there after all is judged by the state at the end; a failed undo is not.
    #[test]
    fn failures_are_judged_at_the_end() {
        let mut report = samples::troubled();
        report.comparison.drifts.clear();
        report.comparison.not_evaluated.clear();
        report
            .outcomes
            .retain(|outcome| outcome.result != GroupResult::Broken);
        assert!(
            report
                .outcomes
                .iter()
                .any(|outcome| outcome.result == GroupResult::Failed)
        );
        assert_eq!(plain(&report), CLEAN);
        report.outcomes[0].result = GroupResult::Broken;
        assert_eq!(plain(&report), ERROR);
    }

    // Goal: an undo is judged by what it touched: another resource that nobody may read does not fail it for ever.
    #[test]
    fn an_undo_is_judged_by_what_it_touched() {
        let mut report = samples::undone();
        report.comparison.not_evaluated = samples::mixed().comparison.not_evaluated;
        assert_eq!(plain(&report), CLEAN);
        report.comparison.not_evaluated[0].resource =
            report.plan.groups[0].steps[0].resource.clone();
        assert_eq!(plain(&report), NOT_EVALUATED);
    }

    // Goal: an undo that could not be done because the world moved on is no success.
    #[test]
    fn a_stale_undo_is_an_error() {
        let mut report = samples::undone();
        report.outcomes[0].result = GroupResult::Stale;
        assert_eq!(plain(&report), ERROR);
    }

    // Goal: --fail-on lowers and raises what it says, and neither it nor --exit-zero hides an error.
    #[test]
    fn fail_on_and_exit_zero() {
        let fail_on = |text: &str| text.parse::<FailOn>().unwrap();
        let mut report = samples::mixed();
        report.findings = vec![finding(Level::Medium)];
        assert_eq!(code(&report, FailOn::default(), false), NOT_EVALUATED);
        assert_eq!(code(&report, fail_on("medium"), false), INDICATOR);
        assert_eq!(code(&report, fail_on("refused"), false), CLEAN);
        assert_eq!(code(&report, fail_on("low, error"), false), INDICATOR);
        assert_eq!(code(&report, fail_on("low"), true), CLEAN);
        report.errors.push("the state store is full".into());
        assert_eq!(code(&report, fail_on("error"), true), ERROR);

        report = samples::refused();
        assert_eq!(code(&report, fail_on("refused"), false), REFUSED);
        assert_eq!(code(&report, fail_on("error"), false), CLEAN);
    }

    // Goal: what --fail-on does not know is refused, so that a typing error never makes a run pass.
    #[test]
    fn unknown_levels_are_refused() {
        for bad in ["", "hihg", "high,low", "drift,error", "high,"] {
            assert!(bad.parse::<FailOn>().is_err(), "{bad:?}");
        }
    }
}
