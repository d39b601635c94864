//! The forge's part of a cycle: which approvals count, and what becomes of the pull requests.
//!
//! Cost: one list of evenkeel's pull requests a run; a few further requests for each approval that is judged, each pull
//! request that is changed and each outcome that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Engine;
use super::cycle::{CycleInput, EngineError};
use super::facts::{Facts, PULL};
use super::pull_words::{self, not_opened, note, told};
use crate::forge::body::{self, Case};
use crate::forge::lifecycle::{self, LeaveBecause, PullAction, Settled, Wanted};
use crate::forge::{approval, marker};
use crate::guard::ApprovalState;
use crate::model::{
    Approval, Comparison, Coverage, Digest, ForgeConfig, Group, GroupOutcome, HeldBecause, Mode,
    Plan, RunId, RunReport, TargetName, Verdict,
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
        let unknown = |error: &ForgeError| {
            ApprovalState::Invalid(format!(
                "the forge could not be asked who merged it: {error}"
            ))
        };
        match forge.pulls(marker::BRANCH_PREFIX).await {
            Ok(pulls) => asked.pulls = pulls,
            Err(error) => {
                let unknown = |approval: &&Approval| (approval.group, unknown(&error));
                asked.approvals = of_plan.iter().map(unknown).collect();
                asked.errors.push(told(&error));
                return asked;
            }
        }
        for approval in of_plan {
            let path = body::approval_path(&input.baseline.prefix, &approval.group);
            let state = match pull_behind(forge, &asked.pulls, approval, &path).await {
                Err(error) => {
                    asked.errors.push(told(&error));
                    unknown(&error)
                }
                Ok(pull) => {
                    let pull = pull.as_ref();
                    let used = pull.is_some_and(|pull| {
                        let this = use_of(&approval.group, pull.number);
                        facts.approvals_used.contains(&this)
                    });
                    match approval::judge(approval, &approval.group, &path, now, pull, used) {
                        Ok(by) => {
                            asked.pulls_of.insert(approval.group, by.pull);
                            ApprovalState::Valid(format!(
                                "pull request #{} merged by {}",
                                by.pull, by.login
                            ))
                        }
                        Err(why) => ApprovalState::Invalid(format!("{why} ({})", why.hint())),
                    }
                }
            };
            asked.approvals.insert(approval.group, state);
        }
        asked
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
        self.tell_outcomes(forge, run, asked, report).await;
        if !asked.errors.is_empty() {
            // What could not be asked would pass for "no": a pull request would be opened in vain.
            return;
        }
        let actions = decide(input, config, asked, report, self.clock.now());
        for action in &actions {
            if let Err(error) = self
                .carry_out(forge, config, run, asked, action, report)
                .await
            {
                report.errors.push(crate::report_chain(&error));
            }
        }
        report.notices.extend(not_opened(&actions, report));
        if let Err(error) = self.set_status(forge, report).await {
            report.errors.push(told(&error));
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
                Ok(()) => {
                    let pull = asked.pulls.iter().find(|pull| pull.number == *number);
                    let what = pull_words::outcome(outcome.result);
                    let done = note(report, pull, *number, &outcome.fingerprint, what);
                    report.pulls.push(done);
                }
                Err(error) => report.errors.push(told(&error)),
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
        let failed = |error: ForgeError| EngineError::Refused(told(&error));
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
                note(report, Some(&pull), pull.number, fingerprint, "opened")
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
                note(report, Some(pull), *number, fingerprint, "updated")
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
                note(report, Some(pull), *number, fingerprint, "closed")
            }
            PullAction::Leave {
                fingerprint,
                number,
                because,
            } => {
                let what = match because {
                    LeaveBecause::UpToDate => "unchanged".to_owned(),
                    because => format!("unchanged: {because}"),
                };
                note(report, known(*number), *number, fingerprint, &what)
            }
            PullAction::LeaveClosed {
                fingerprint,
                number,
                until,
            } => {
                let what = format!("left closed until {until}");
                note(report, known(*number), *number, fingerprint, &what)
            }
            PullAction::Hold { .. } | PullAction::Taken { .. } => return Ok(()),
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
        let findings: Vec<_> = report
            .findings
            .iter()
            .filter(|it| it.resource.as_ref().is_some_and(|id| named.contains(id)))
            .collect();
        let case = Case {
            group,
            drifts: &drifts,
            findings: &findings,
            contents: &report.contents,
            disclosure_key: report.disclosure_key.as_ref(),
            baseline: &report.baseline,
            target,
            why_asked: &why,
            since,
            evaluated: coverage_of(&report.comparison, &group.target).evaluated(),
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

/// The merged pull request that brought the approval at this path, whole.
async fn pull_behind(
    forge: &dyn Forge,
    pulls: &[PullRequest],
    approval: &Approval,
    path: &str,
) -> Result<Option<PullRequest>, ForgeError> {
    let mut candidates = approval::candidates(pulls, approval);
    if candidates.is_empty() {
        // A list of what was closed ends somewhere; that of one branch does not.
        let of_branch = forge.pulls(&marker::branch(&approval.fingerprint)).await?;
        candidates = approval::candidates(&of_branch, approval);
    }
    let mut first = None;
    for number in candidates {
        let pull = forge.pull(number).await?;
        if approval::brings(&pull, path) {
            return Ok(Some(pull));
        }
        first = first.or(Some(pull));
    }
    Ok(first)
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
        project: &marker::project(&input.baseline.prefix),
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
                // After an undo that failed, a target is propose-only whatever its mode.
                | HeldBecause::UndoFailed { .. }
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

/// The figures of one target.
fn coverage_of(comparison: &Comparison, target: &TargetName) -> Coverage {
    let on = |resource: &crate::model::ResourceId| resource.target == *target;
    let drifts = comparison.drifts.iter();
    let exempted = comparison.exempted.iter();
    let unseen = comparison.not_evaluated.iter();
    Coverage {
        clean: comparison.clean.iter().filter(|one| on(one)).count(),
        drifted: drifts.filter(|drift| on(&drift.resource)).count(),
        exempted: exempted.filter(|one| on(&one.drift.resource)).count(),
        not_evaluated: unseen.filter(|one| on(&one.resource)).count(),
    }
}
