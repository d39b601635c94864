//! One cycle, from the baseline to the report.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::act::{Acted, Acting};
use super::facts::{Facts, PLANNED, VERIFIED_CLEAN};
use super::look::{self, Looked, Wanted};
use super::propose::Asked;
use super::stored::Stored;
use crate::detect::drift::{self, Severity};
use crate::document::Declared;
use crate::guard::{ApprovalState, Situation, guard};
use crate::model::{
    Approval, BaselineInfo, Command, Comparison, Digest, Exemption, Finding, GroupResult,
    OBSERVER_DISAGREES, Plan, Problems, Project, Recovered, RunId, RunReport, SignatureState,
    StepResult, TargetInfo, TargetName, Verdict,
};
use crate::plan::plan;
use crate::ports::{
    Clock, Entropy, Forge, ForgeError, Providers, Record, SideFiles, StateStore, StoreError,
};
use crate::saga::{self, Purpose, RUN_ENDED, RUN_STARTED, recover};

/// The ports that a cycle works through.
pub struct Engine<'a> {
    pub providers: &'a Providers,
    pub store: &'a dyn StateStore,
    pub clock: &'a dyn Clock,
    pub entropy: &'a dyn Entropy,
    pub forge: Option<&'a dyn Forge>,
}

/// What a cycle works on.
pub struct CycleInput<'a> {
    pub command: Command,
    /// From a trusted commit.
    pub project: &'a Project,
    pub declared: &'a BTreeMap<TargetName, Vec<Declared>>,
    pub exemptions: &'a [Exemption],
    pub approvals: &'a [Approval],
    /// What was found besides drifts.
    pub findings: &'a [Finding],
    pub files: &'a dyn SideFiles,
    /// False for an untrusted revision: nothing live is asked by name.
    pub connect: bool,
    pub baseline: BaselineInfo,
    pub targets: Vec<TargetInfo>,
    pub kill_switch: Option<String>,
    /// `--plan FILE`: only a plan with this hash is carried out, whole.
    pub expected_plan: Option<Digest>,
    /// Whether every target of the project is part of this run.
    pub whole: bool,
    pub notices: Vec<String>,
}

/// Why there is no report at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the baseline has errors")]
    Problems(Problems),
    #[error("failed to use the journal")]
    Store(#[from] StoreError),
    #[error(
        "the plan is stale: it was {expected}, and the plan made now is {found}; nothing was done"
    )]
    StalePlan { expected: String, found: String },
    #[error("{0}")]
    Refused(String),
    /// Each says why something that was named cannot be adopted.
    #[error("nothing was adopted: {0}")]
    NotAdopted(Problems),
    #[error(transparent)]
    Forge(#[from] ForgeError),
}

/// What a cycle found, and what the guard says of it.
pub(super) struct Judged {
    pub asked: Asked,
    pub wanted: Wanted,
    pub looked: Looked,
    pub findings: Vec<Finding>,
    pub plan: Plan,
    pub verdicts: BTreeMap<Digest, Verdict>,
}

impl<'a> CycleInput<'a> {
    /// What the drifts show, with what else was found.
    pub(super) fn findings_in(&self, comparison: &Comparison) -> Vec<Finding> {
        let severity = Severity::new(&self.project.severity);
        let mut findings = drift::findings(comparison, &severity);
        if self.baseline.signature == SignatureState::Untrusted {
            // What nobody vouches for says not who may log in.
            findings.retain(|one| one.indicator == OBSERVER_DISAGREES.name);
        }
        drift::merge(&mut findings, self.findings.to_vec());
        findings
    }

    pub(super) fn baseline_of_targets(&self) -> look::Baseline<'a> {
        look::Baseline {
            declared: self.declared,
            files: self.files,
            connect: self.connect,
        }
    }
}

impl Engine<'_> {
    /// Runs `plan` or `reconcile`.
    ///
    /// # Errors
    /// When the baseline is not valid, the journal fails before anything was done, or `expected_plan` is not the plan.
    pub async fn cycle(&self, input: CycleInput<'_>) -> Result<RunReport, EngineError> {
        let started = self.clock.now();
        if input.command == Command::Plan || !self.store.is_durable() {
            let judged = self.judge(&input, started).await?;
            return self.only_look(&input, started, judged).await;
        }
        let run = new_run_id(started, self.entropy);
        self.start_run(&run, &input)?;
        match self.reconcile(&input, &run).await {
            Ok(done) => {
                let asked = done.judged.asked;
                let judged = Judged {
                    asked: Asked::default(),
                    ..done.judged
                };
                let mut report = self.report(
                    &input,
                    started,
                    Some(run.clone()),
                    judged,
                    done.acted,
                    done.recovered,
                );
                if let Some(after) = done.after {
                    drift::merge(&mut report.findings, input.findings_in(&after.comparison));
                    report.comparison = after.comparison;
                    report.contents.extend(after.contents);
                }
                self.sync_forge(&input, &run, &asked, &mut report).await;
                self.finish(&run, &mut report, done.whole)?;
                Ok(report)
            }
            Err(error) => {
                let payload = json!({"error": crate::report_chain(&error)});
                self.record(&run, RUN_ENDED, &payload)?;
                Err(error)
            }
        }
    }

    pub(super) fn start_run(&self, run: &RunId, input: &CycleInput<'_>) -> Result<(), StoreError> {
        self.record(
            run,
            RUN_STARTED,
            &json!({
                "command": input.command,
                "baseline": input.baseline,
                "targets": input.targets,
            }),
        )?;
        Ok(())
    }

    async fn reconcile(&self, input: &CycleInput<'_>, run: &RunId) -> Result<Done, EngineError> {
        let recovered = recover(self.providers, self.store, self.clock, run).await?;
        let mut judged = self.judge(input, self.clock.now()).await?;
        if let Some(expected) = input.expected_plan {
            refuse_other(expected, &judged)?;
        }
        self.record(run, PLANNED, &planned(&judged))?;
        let mut contents = judged.wanted.contents.clone();
        contents.extend(judged.looked.contents.clone());
        let stored = Stored {
            contents: &contents,
            stores: &judged.wanted.stores,
            files: input.files,
        };
        let how = Acting {
            run,
            contents: &stored,
            undo_max_bytes: input.project.guard.undo_max_bytes,
            purpose: Purpose::Act,
            all_or_nothing: input.expected_plan.is_some(),
            pulls_of: &judged.asked.pulls_of,
        };
        let mut acted = self.act(&judged.plan, &judged.verdicts, how).await;
        acted.errors.extend(failures(&acted));
        let nothing_done = acted.outcomes.is_empty() && acted.errors.is_empty();
        let after = match nothing_done {
            true => None,
            false => Some(
                look::look(
                    self.providers,
                    &judged.wanted,
                    input.exemptions,
                    self.clock.now(),
                )
                .await,
            ),
        };
        judged.looked.contents = contents;
        Ok(Done {
            judged,
            acted,
            recovered,
            after,
            whole: input.whole,
        })
    }

    /// Everything up to the guard's verdicts. Changes nothing.
    pub(super) async fn judge(
        &self,
        input: &CycleInput<'_>,
        now: Timestamp,
    ) -> Result<Judged, EngineError> {
        let facts = Facts::read(self.store)?;
        let then = match input.command {
            Command::Plan => look::Then::Done,
            Command::Reconcile | Command::Undo => look::Then::More,
        };
        let baseline = input.baseline_of_targets();
        let (wanted, looked) = look::survey(self.providers, &baseline, input.exemptions, now, then)
            .await
            .map_err(EngineError::Problems)?;
        let findings = input.findings_in(&looked.comparison);
        let plan = plan(
            &looked.comparison.drifts,
            &findings,
            input.project.guard.undo_max_bytes,
        );
        let asked = self.ask_forge(input, &facts, &plan, now).await;
        let approvals = asked.approvals.clone();
        let situation = self.situation(input, &facts, &wanted, &looked, approvals);
        let verdicts = guard(&plan, &input.project.guard, &situation, now);
        Ok(Judged {
            asked,
            wanted,
            looked,
            findings,
            plan,
            verdicts,
        })
    }

    pub(super) fn situation(
        &self,
        input: &CycleInput<'_>,
        facts: &Facts,
        wanted: &Wanted,
        looked: &Looked,
        approvals: BTreeMap<Digest, ApprovalState>,
    ) -> Situation {
        Situation {
            modes: input
                .targets
                .iter()
                .map(|target| (target.name.clone(), target.mode))
                .collect(),
            evaluated: looked.comparison.coverage().evaluated(),
            kill_switch: input.kill_switch.clone(),
            own_places: self
                .providers
                .iter()
                .map(|(target, provider)| {
                    let places = provider.own_places();
                    let places = places.into_iter().map(|own| (own.address, own.what));
                    (target.clone(), places.collect())
                })
                .collect(),
            approvals,
            suspended: facts.suspended.clone(),
            undo_failed: facts.undo_failed.clone(),
            not_evaluated: looked.unseen.clone(),
            depends_on: wanted.dependencies.clone(),
            has_journal: input.command == Command::Plan || self.store.is_durable(),
        }
    }

    /// A `plan`, or a `reconcile` without a journal, which proposes and does nothing else.
    async fn only_look(
        &self,
        input: &CycleInput<'_>,
        started: Timestamp,
        mut judged: Judged,
    ) -> Result<RunReport, EngineError> {
        if let Some(expected) = input.expected_plan {
            refuse_other(expected, &judged)?;
        }
        let asked = std::mem::take(&mut judged.asked);
        let mut report = self.report(input, started, None, judged, Acted::default(), vec![]);
        if input.command == Command::Reconcile {
            let run = new_run_id(started, self.entropy);
            self.sync_forge(input, &run, &asked, &mut report).await;
        } else {
            report.errors.extend(asked.errors);
        }
        Ok(report)
    }

    pub(super) fn report(
        &self,
        input: &CycleInput<'_>,
        started: Timestamp,
        run: Option<RunId>,
        judged: Judged,
        acted: Acted,
        recovered: Vec<Recovered>,
    ) -> RunReport {
        let mut contents = judged.wanted.contents;
        contents.extend(judged.looked.contents);
        let mut errors = acted.errors;
        for exemption in input.exemptions {
            if exemption.expires <= started {
                errors.push(format!(
                    "exemption {} of {} expired at {} ({}); renew it or take it out",
                    exemption.id, exemption.owner, exemption.expires, exemption.origin
                ));
            }
        }
        RunReport {
            command: input.command,
            run,
            started,
            ended: self.clock.now(),
            baseline: input.baseline.clone(),
            targets: input.targets.clone(),
            found: judged.looked.comparison.clone(),
            comparison: judged.looked.comparison,
            plan: judged.plan,
            verdicts: judged.verdicts,
            outcomes: acted.outcomes,
            recovered,
            pulls: vec![],
            notices: input.notices.clone(),
            errors,
            journal_head: self.store.head().ok().flatten(),
            contents,
            disclosure_key: self.store.disclosure_key(),
            findings: judged.findings,
        }
    }

    /// Closes the run in the journal, and marks the commit as good when all of it was seen to be clean.
    pub(super) fn finish(
        &self,
        run: &RunId,
        report: &mut RunReport,
        whole: bool,
    ) -> Result<(), StoreError> {
        let comparison = &report.comparison;
        let clean = comparison.drifts.is_empty()
            && comparison.not_evaluated.is_empty()
            && report.errors.is_empty();
        if let Some(commit) = &report.baseline.commit
            && clean
            && whole
        {
            self.record(run, VERIFIED_CLEAN, &json!({"commit": commit}))?;
        }
        let payload = json!({
            "coverage": comparison.coverage(),
            "outcomes": report.outcomes,
            "errors": report.errors,
        });
        // A run whose journal failed between an effect and its outcome stays open, for the next one to look after.
        if !saga::is_in_flight(self.store, run)? {
            self.record(run, RUN_ENDED, &payload)?;
        }
        report.ended = self.clock.now();
        report.journal_head = self.store.head()?;
        Ok(())
    }

    pub(super) fn record<T: Serialize>(
        &self,
        run: &RunId,
        kind: &str,
        payload: &T,
    ) -> Result<Record, StoreError> {
        let payload = serde_json::to_value(payload).expect("records are plain data");
        self.store.append(run, kind, self.clock.now(), payload)
    }
}

/// A `reconcile` that came to its end.
struct Done {
    judged: Judged,
    acted: Acted,
    recovered: Vec<Recovered>,
    /// What was seen after acting; none when nothing was done.
    after: Option<Looked>,
    whole: bool,
}

/// `--plan FILE` applies exactly that plan, with nothing held back, or refuses.
fn refuse_other(expected: Digest, judged: &Judged) -> Result<(), EngineError> {
    if expected != judged.plan.hash {
        return Err(EngineError::StalePlan {
            expected: expected.short(),
            found: judged.plan.hash.short(),
        });
    }
    for verdict in judged.verdicts.values() {
        if let Verdict::Held(because) = verdict {
            return Err(EngineError::Refused(format!(
                "the plan cannot be applied whole, so nothing was done: {because}"
            )));
        }
    }
    Ok(())
}

/// The plan as the journal keeps it: enough to say later what was decided and why.
fn planned(judged: &Judged) -> serde_json::Value {
    let groups: Vec<_> = judged
        .plan
        .groups
        .iter()
        .map(|group| {
            let resources: Vec<_> = group.steps.iter().map(|step| &step.resource).collect();
            json!({
                "hash": group.hash,
                "fingerprint": group.fingerprint,
                "resources": resources,
                "verdict": judged.verdicts.get(&group.hash),
            })
        })
        .collect();
    json!({
        "plan": judged.plan.hash,
        "groups": groups,
        "coverage": judged.looked.comparison.coverage(),
    })
}

/// A sentence for each group that failed; a stale one is no error, the next run plans it anew.
pub(super) fn failures(acted: &Acted) -> Vec<String> {
    let mut errors = Vec::new();
    for outcome in &acted.outcomes {
        if matches!(outcome.result, GroupResult::Done | GroupResult::Stale) {
            continue;
        }
        for step in &outcome.steps {
            match &step.result {
                StepResult::Failed { error } => {
                    errors.push(format!("failed to put {} right: {error}", step.resource));
                }
                StepResult::Lost { error } => errors.push(format!(
                    "lost the target while putting {} right: {error}; the next run that reaches it finds out what is there",
                    step.resource
                )),
                StepResult::UnwindFailed { error } => {
                    let then = match outcome.result {
                        GroupResult::Broken => {
                            "its target is propose-only until a person has looked"
                        }
                        _ => "the next run plans it anew",
                    };
                    errors.push(format!(
                        "failed to take {} back: {error}; {then}",
                        step.resource
                    ));
                }
                _ => {}
            }
        }
    }
    errors
}

/// A new run's id: the time, so that ids sort, and six digits that keep two runs of one second apart.
pub(super) fn new_run_id(now: Timestamp, entropy: &dyn Entropy) -> RunId {
    let nonce = entropy.nonce();
    RunId(format!(
        "{}-{}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        &nonce[..6.min(nonce.len())]
    ))
}
