//! Takes an earlier run back, and proves it.

use std::collections::BTreeMap;

use serde_json::json;

use super::act::Acting;
use super::cycle::{CycleInput, Engine, EngineError, failures, new_run_id};
use super::facts::{Facts, RESUMED, SUSPENDED, Suspended};
use super::look;
use crate::detect::drift;
use crate::guard::guard;
use crate::model::{
    Digest, GroupResult, GuardConfig, Mode, OBSERVER_DISAGREES, Plan, RunId, RunReport, StepResult,
    Verdict,
};
use crate::ports::ActError;
use crate::saga::{Purpose, RUN_ENDED, UndoPlan, recover, undo_groups};

/// What to take back.
pub struct UndoInput<'a> {
    pub run: RunId,
    /// Also take back what answered an indicator of compromise.
    pub reopen: bool,
    pub cycle: CycleInput<'a>,
}

impl Engine<'_> {
    /// Takes back what a run did and proves that the state before is there again. What was undone rests for
    /// `guard.suspend_after_undo`, else the next schedule would do it again.
    ///
    /// # Errors
    /// When the run is not known or did nothing that stands, the baseline is not valid, or the journal fails.
    pub async fn undo(&self, input: UndoInput<'_>) -> Result<RunReport, EngineError> {
        let started = self.clock.now();
        let run = new_run_id(started, self.entropy);
        self.start_run(&run, &input.cycle)?;
        match self.undo_in(&input, &run).await {
            Ok(mut report) => {
                report.started = started;
                self.finish(&run, &mut report, false)?;
                Ok(report)
            }
            Err(error) => {
                let payload = json!({"error": crate::report_chain(&error)});
                self.record(&run, RUN_ENDED, &payload)?;
                Err(error)
            }
        }
    }

    async fn undo_in(&self, input: &UndoInput<'_>, run: &RunId) -> Result<RunReport, EngineError> {
        let cycle = &input.cycle;
        let recovered = recover(self.providers, self.store, self.clock, run).await?;
        let undo = undo_groups(self.store, &input.run)?;
        refuse_unless_possible(&undo, input)?;
        let baseline = cycle.baseline_of_targets();
        let now = self.clock.now();
        let more = look::Then::More;
        let (wanted, looked) = look::survey(self.providers, &baseline, cycle.exemptions, now, more)
            .await
            .map_err(EngineError::Problems)?;
        let found = looked.comparison.clone();
        let plan = Plan::new(undo.groups);
        let verdicts = self.judge_undo(cycle, &plan, &wanted, &looked)?;
        let until = self.rest(run, &plan, &verdicts, &cycle.project.guard)?;
        let how = Acting {
            run,
            contents: &wanted.contents,
            undo_max_bytes: cycle.project.guard.undo_max_bytes,
            purpose: Purpose::Undo,
            all_or_nothing: false,
            pulls_of: &BTreeMap::new(),
        };
        let mut acted = self.act(&plan, &verdicts, how).await;
        self.prove(&plan, &mut acted.outcomes).await;
        acted.errors.extend(failures(&acted));
        for lost in &undo.not_undoable {
            acted
                .errors
                .push(format!("{} cannot be undone: {}", lost.resource, lost.why));
        }
        let after = look::look(self.providers, &wanted, cycle.exemptions, self.clock.now()).await;
        // What it brings back was found before; only who hides something is told here.
        let mut findings = cycle.findings_in(&found);
        drift::merge(&mut findings, cycle.findings_in(&after.comparison));
        findings.retain(|one| one.indicator == OBSERVER_DISAGREES.name);
        let mut contents = wanted.contents;
        contents.extend(looked.contents);
        contents.extend(after.contents);
        let mut notices = cycle.notices.clone();
        notices.push(format!(
            "what was undone rests until {until}; to end the rest earlier: evenkeel undo --resume {run}"
        ));
        Ok(RunReport {
            command: cycle.command,
            run: Some(run.clone()),
            started: self.clock.now(),
            ended: self.clock.now(),
            baseline: cycle.baseline.clone(),
            targets: cycle.targets.clone(),
            comparison: after.comparison,
            found,
            plan,
            verdicts,
            outcomes: acted.outcomes,
            recovered,
            pulls: vec![],
            notices,
            errors: acted.errors,
            journal_head: None,
            contents,
            disclosure_key: self.store.disclosure_key(),
            findings,
        })
    }

    /// A person's word stands in for approvals and modes above observe; every other rule holds.
    fn judge_undo(
        &self,
        cycle: &CycleInput<'_>,
        plan: &Plan,
        wanted: &look::Wanted,
        looked: &look::Looked,
    ) -> Result<BTreeMap<Digest, Verdict>, EngineError> {
        let facts = Facts {
            suspended: BTreeMap::new(),
            undo_failed: BTreeMap::new(),
            ..Facts::read(self.store)?
        };
        let mut situation = self.situation(cycle, &facts, wanted, looked, BTreeMap::new());
        for mode in situation.modes.values_mut() {
            if *mode == Mode::Propose {
                *mode = Mode::Enforce;
            }
        }
        situation.not_evaluated.clear();
        let config = GuardConfig {
            require_approval: Vec::new(),
            ..cycle.project.guard.clone()
        };
        Ok(guard(plan, &config, &situation, self.clock.now()))
    }

    /// Puts what is about to be undone at rest, before anything is done: a crash must not lose a person's word.
    fn rest(
        &self,
        run: &RunId,
        plan: &Plan,
        verdicts: &BTreeMap<Digest, Verdict>,
        config: &GuardConfig,
    ) -> Result<jiff::Timestamp, EngineError> {
        // Whole seconds: a person reads this. Rounding can only fail at the end of time, where the instant itself does.
        let until = self.clock.now() + config.suspend_after_undo;
        let until = until.round(jiff::Unit::Second).unwrap_or(until);
        let resources = plan
            .groups
            .iter()
            .filter(|group| matches!(verdicts.get(&group.hash), Some(Verdict::Allow { .. })))
            .flat_map(|group| group.steps.iter().map(|step| step.resource.clone()))
            .collect();
        self.record(run, SUSPENDED, &Suspended { resources, until })?;
        Ok(until)
    }

    /// Looks at every resource that was taken back: its state must be the state before, digest for digest.
    async fn prove(&self, plan: &Plan, outcomes: &mut [crate::model::GroupOutcome]) {
        for outcome in outcomes.iter_mut() {
            let Some(group) = plan.group(&outcome.group) else {
                continue;
            };
            let Some(provider) = self.providers.get(&group.target) else {
                continue;
            };
            for (step, result) in group.steps.iter().zip(&mut outcome.steps) {
                if result.result != StepResult::Done {
                    continue;
                }
                let now = match provider.capture(step, 0).await {
                    Ok(captured) => captured.observed.digest(),
                    Err(ActError::Lost(error)) => {
                        result.result = StepResult::Lost { error };
                        outcome.result = GroupResult::Lost;
                        continue;
                    }
                    Err(_) => None,
                };
                if now == Some(step.leaves) {
                    let lost = provider.beyond_undo().join(", ");
                    result.notes.push(format!(
                        "as before, proven by looking again (but for {lost})"
                    ));
                } else {
                    result.result = StepResult::Failed {
                        error: "it was put back, and is not as before".to_owned(),
                    };
                    outcome.result = GroupResult::Failed;
                }
            }
        }
    }

    /// Ends the rest that an undo began, and lifts what a failed one left behind.
    ///
    /// # Errors
    /// When the journal fails, or the run began no rest.
    pub fn resume(&self, named: &RunId) -> Result<RunId, EngineError> {
        let facts = Facts::read(self.store)?;
        let known = facts.suspended.values().any(|rest| rest.run == *named)
            || facts.undo_failed.values().any(|failed| failed == named);
        if !known {
            return Err(EngineError::Refused(format!(
                "run {named} left nothing at rest; evenkeel journal show lists the runs"
            )));
        }
        let run = new_run_id(self.clock.now(), self.entropy);
        self.record(&run, RESUMED, &json!({"run": named}))?;
        Ok(run)
    }
}

fn refuse_unless_possible(undo: &UndoPlan, input: &UndoInput<'_>) -> Result<(), EngineError> {
    if undo.groups.is_empty() && undo.not_undoable.is_empty() {
        return Err(EngineError::Refused(format!(
            "run {} did nothing that stands; evenkeel journal show lists the runs",
            input.run
        )));
    }
    if let Some(resource) = undo.reopens.first()
        && !input.reopen
    {
        return Err(EngineError::Refused(format!(
            "{resource} was changed in answer to an indicator of compromise; undoing it puts the attacker back (--reopen does it all the same)"
        )));
    }
    Ok(())
}
