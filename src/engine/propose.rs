//! The forge's part of a cycle: which approvals count, and what becomes of the pull requests.
//!
//! Cost: one list of evenkeel's pull requests a run; one further request for each approval that is judged, each pull
//! request that is changed and each outcome that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Engine;
use super::cycle::{CycleInput, EngineError};
use super::facts::{Facts, PULL};
use crate::forge::body::{self, Case};
use crate::forge::lifecycle::{self, PullAction, Settled, Wanted};
use crate::forge::{approval, marker};
use crate::guard::ApprovalState;
use crate::model::{
    Comparison, Digest, ForgeConfig, Group, GroupOutcome, HeldBecause, Mode, Plan, PullNote, RunId,
    RunReport, TargetName, Verdict,
};
use crate::ports::{Forge, ForgeError, Proposal, PullRequest, StatusState};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The context of the commit status.
const STATUS: &str = "evenkeel/drift";

/// What was asked of the forge before acting.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub approvals: BTreeMap<Digest, ApprovalState>,
    /// The pull request behind each approval that counts.
    pub pulls_of: BTreeMap<Digest, u64>,
    pub pulls: Vec<PullRequest>,
    pub errors: Vec<String>,
}

impl Engine<'_> {
    /// Judges the approvals that lie in the baseline for groups of this plan, and lists the pull requests.
    pub(super) async fn ask_forge(
        &self,
        input: &CycleInput<'_>,
        facts: &Facts,
        plan: &Plan,
        now: Timestamp,
    ) -> Asked {
        let mut asked = Asked::default();
        let of_plan: Vec<_> = input
            .approvals
            .iter()
            .filter(|approval| plan.group(&approval.group).is_some())
            .collect();
        let Some(forge) = self.forge else {
            for approval in of_plan {
                let why = "no forge can be asked who merged it".to_owned();
                asked
                    .approvals
                    .insert(approval.group, ApprovalState::Invalid(why));
            }
            return asked;
        };
        match forge.pulls(marker::BRANCH_PREFIX).await {
            Ok(pulls) => asked.pulls = pulls,
            Err(error) => asked.errors.push(error.to_string()),
        }
        for approval in of_plan {
            let state = match self.pull_behind(forge, &asked.pulls, approval).await {
                Err(error) => ApprovalState::Invalid(format!(
                    "the forge could not be asked who merged it: {error}"
                )),
                Ok(pull) => {
                    let used = pull.as_ref().is_some_and(|pull| {
                        facts
                            .approvals_used
                            .contains(&use_of(&approval.group, pull.number))
                    });
                    match approval::judge(approval, &approval.group, now, pull.as_ref(), used) {
                        Ok(by) => {
                            asked.pulls_of.insert(approval.group, by.pull);
                            ApprovalState::Valid(format!(
                                "pull request {} merged by {}",
                                by.pull, by.login
                            ))
                        }
                        Err(why) => ApprovalState::Invalid(why.to_string()),
                    }
                }
            };
            asked.approvals.insert(approval.group, state);
        }
        asked
    }

    /// The merged pull request that brought an approval, whole.
    async fn pull_behind(
        &self,
        forge: &dyn Forge,
        pulls: &[PullRequest],
        approval: &crate::model::Approval,
    ) -> Result<Option<PullRequest>, ForgeError> {
        let mut first = None;
        for number in approval::candidates(pulls, approval) {
            let pull = forge.pull(number).await?;
            if approval::brings(&pull, &approval.group) {
                return Ok(Some(pull));
            }
            first = first.or(Some(pull));
        }
        Ok(first)
    }

    /// Brings the pull requests up to date with what this run found and did. Failures are errors of the run, and
    /// never stop it.
    pub(super) async fn sync_forge(
        &self,
        input: &CycleInput<'_>,
        run: &RunId,
        asked: &Asked,
        report: &mut RunReport,
    ) {
        let (Some(forge), Some(config)) = (self.forge, &input.project.forge) else {
            return;
        };
        report.errors.extend(asked.errors.iter().cloned());
        if !asked.errors.is_empty() {
            return;
        }
        self.tell_outcomes(forge, run, asked, report).await;
        let actions = decide(input, config, asked, report, self.clock.now());
        for action in actions {
            if let Err(error) = self
                .carry_out(forge, config, run, asked, &action, report)
                .await
            {
                report.errors.push(crate::report_chain(&error));
            }
        }
        if let Err(error) = self.set_status(forge, report).await {
            report.errors.push(error.to_string());
        }
    }

    /// Comments what became of each group that an approval let through.
    async fn tell_outcomes(
        &self,
        forge: &dyn Forge,
        run: &RunId,
        asked: &Asked,
        report: &mut RunReport,
    ) {
        let outcomes: Vec<GroupOutcome> = report.outcomes.clone();
        for outcome in &outcomes {
            let Some(number) = asked.pulls_of.get(&outcome.group) else {
                continue;
            };
            let text = body::outcome_comment(outcome, run, self.clock.now());
            let key = body::outcome_key(run, &outcome.group);
            match forge.comment(*number, &key, &text).await {
                Ok(()) => report.pulls.push(note(
                    asked.pulls.iter().find(|pull| pull.number == *number),
                    *number,
                    &outcome.fingerprint,
                    "carried out",
                )),
                Err(error) => report.errors.push(error.to_string()),
            }
        }
    }

    async fn carry_out(
        &self,
        forge: &dyn Forge,
        config: &ForgeConfig,
        run: &RunId,
        asked: &Asked,
        action: &PullAction,
        report: &mut RunReport,
    ) -> Result<(), EngineError> {
        let failed = |error: ForgeError| EngineError::Refused(error.to_string());
        let known = |number: u64| asked.pulls.iter().find(|pull| pull.number == number);
        let done = match action {
            PullAction::Open {
                fingerprint,
                follows,
                ..
            } => {
                let Some(proposal) = self.proposal(config, fingerprint, *follows, report)? else {
                    return Ok(());
                };
                let pull = forge.open(&proposal).await.map_err(failed)?;
                note(Some(&pull), pull.number, fingerprint, "opened")
            }
            PullAction::Update {
                fingerprint,
                number,
                ..
            } => {
                let (Some(pull), Some(proposal)) = (
                    known(*number),
                    self.proposal(config, fingerprint, None, report)?,
                ) else {
                    return Ok(());
                };
                forge.update(pull, &proposal).await.map_err(failed)?;
                note(Some(pull), *number, fingerprint, "updated")
            }
            PullAction::Close {
                fingerprint,
                number,
                because,
            } => {
                let Some(pull) = known(*number) else {
                    return Ok(());
                };
                let commit = report.baseline.commit.as_deref();
                let text = body::closed_comment(*because, commit, self.clock.now());
                forge
                    .comment(*number, "closed", &text)
                    .await
                    .map_err(failed)?;
                forge.close(pull).await.map_err(failed)?;
                note(Some(pull), *number, fingerprint, "closed")
            }
            PullAction::Leave {
                fingerprint,
                number,
                ..
            } => note(known(*number), *number, fingerprint, "unchanged"),
            PullAction::LeaveClosed {
                fingerprint,
                number,
                until,
            } => {
                let what = format!("left closed until {until}");
                note(known(*number), *number, fingerprint, &what)
            }
            PullAction::Hold {
                fingerprint,
                open,
                max,
            } => {
                report.notices.push(format!(
                    "no pull request was opened for {fingerprint}: {open} are open, and forge.max_open is {max}"
                ));
                return Ok(());
            }
        };
        if !action.is_passive() && self.store.is_durable() {
            self.record(run, PULL, &json!(done))?;
        }
        report.pulls.push(done);
        Ok(())
    }

    /// Writes the pull request for the group with this fingerprint.
    fn proposal(
        &self,
        config: &ForgeConfig,
        fingerprint: &str,
        follows: Option<u64>,
        report: &RunReport,
    ) -> Result<Option<Proposal>, EngineError> {
        let Some(group) = report
            .plan
            .groups
            .iter()
            .find(|group| group.fingerprint == fingerprint)
        else {
            return Ok(None);
        };
        let Some(target) = report.targets.iter().find(|info| info.name == group.target) else {
            return Ok(None);
        };
        let named: BTreeSet<_> = group.steps.iter().map(|step| &step.resource).collect();
        let drifts: Vec<_> = report
            .comparison
            .drifts
            .iter()
            .filter(|drift| named.contains(&drift.resource))
            .collect();
        let why = match report.verdicts.get(&group.hash) {
            Some(Verdict::Held(because)) => because.to_string(),
            _ => "it needs approval".to_owned(),
        };
        let since = self.first_seen(group)?;
        let case = Case {
            group,
            drifts: &drifts,
            contents: &report.contents,
            disclosure_key: report.disclosure_key.as_ref(),
            baseline: &report.baseline,
            target,
            why_asked: &why,
            since,
            evaluated: report.comparison.coverage().evaluated(),
            now: self.clock.now(),
            follows,
            config,
        };
        Ok(Some(body::proposal(&case)))
    }

    /// When the journal first knew of this cause.
    fn first_seen(&self, group: &Group) -> Result<Option<Timestamp>, EngineError> {
        let records = self.store.records(&crate::ports::RecordQuery {
            kinds: vec![super::facts::PLANNED],
            resource: Some(group.steps[0].resource.clone()),
            ..Default::default()
        })?;
        Ok(records.first().map(|record| record.at))
    }

    async fn set_status(&self, forge: &dyn Forge, report: &RunReport) -> Result<(), ForgeError> {
        let Some(commit) = &report.baseline.commit else {
            return Ok(());
        };
        let coverage = report.comparison.coverage();
        let (state, text) = if !report.errors.is_empty() {
            (
                StatusState::Error,
                "evenkeel ended with an error".to_owned(),
            )
        } else if coverage.drifted == 0 && coverage.not_evaluated == 0 {
            let text = format!("the live state matches: {} resources", coverage.clean);
            (StatusState::Success, text)
        } else {
            let text = format!(
                "{} drifted, {} not evaluated, {} clean",
                coverage.drifted, coverage.not_evaluated, coverage.clean
            );
            (StatusState::Failure, text)
        };
        forge.status(commit, STATUS, state, &text).await
    }
}

/// Names one use of an approval.
pub(super) fn use_of(group: &Digest, pull: u64) -> String {
    format!("{group}:{pull}")
}

fn note(pull: Option<&PullRequest>, number: u64, fingerprint: &str, what: &str) -> PullNote {
    PullNote {
        number,
        url: pull.map_or_else(String::new, |pull| pull.url.clone()),
        fingerprint: fingerprint.to_owned(),
        what: what.to_owned(),
    }
}

/// Gathers what the life cycle needs and has it decide.
fn decide(
    input: &CycleInput<'_>,
    config: &ForgeConfig,
    asked: &Asked,
    report: &RunReport,
    now: Timestamp,
) -> Vec<PullAction> {
    let still: BTreeSet<String> = report
        .comparison
        .drifts
        .iter()
        .map(crate::model::Drift::fingerprint)
        .collect();
    let waiting: Vec<Wanted> = report
        .plan
        .groups
        .iter()
        .filter(|group| still.contains(&group.fingerprint) && waits(report, group))
        .map(|group| Wanted {
            fingerprint: group.fingerprint.clone(),
            group: group.hash,
            risk: group.risk().level,
            approval: match asked.approvals.get(&group.hash) {
                None => lifecycle::ApprovalState::None,
                Some(ApprovalState::Valid(_)) => lifecycle::ApprovalState::Valid,
                Some(ApprovalState::Invalid(_)) => lifecycle::ApprovalState::Refused,
            },
        })
        .collect();
    let settled = report
        .comparison
        .exempted
        .iter()
        .map(|exempted| (exempted.drift.fingerprint(), Settled::Exempted))
        .collect();
    lifecycle::decide(&lifecycle::Situation {
        wanted: &waiting,
        pulls: &asked.pulls,
        settled: &settled,
        differing: &still,
        fully_seen: &fully_seen(input, &report.comparison),
        now,
        approval_valid: DAY * config.approval_valid_days,
        reopen_after: DAY * config.reopen_after_days,
        max_open: config.max_open,
    })
}

/// Whether a group waits for a person, on a target where pull requests are meant to be made.
fn waits(report: &RunReport, group: &Group) -> bool {
    matches!(
        report.verdicts.get(&group.hash),
        Some(Verdict::Held(
            HeldBecause::NeedsApproval { .. }
                | HeldBecause::Mode {
                    mode: Mode::Propose
                }
        ))
    )
}

/// Targets of this run on which nothing was left unseen.
fn fully_seen(input: &CycleInput<'_>, comparison: &Comparison) -> BTreeSet<TargetName> {
    let unseen: BTreeSet<_> = comparison
        .not_evaluated
        .iter()
        .map(|unseen| &unseen.resource.target)
        .collect();
    input
        .targets
        .iter()
        .map(|info| info.name.clone())
        .filter(|name| !unseen.contains(name))
        .collect()
}
