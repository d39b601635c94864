//! Carries out the groups that the guard let through: targets side by side, groups of one target in order.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, StreamExt};
use serde_json::json;

use super::Engine;
use super::facts::{APPROVAL_USED, UNDO_FAILED};
use super::propose::use_of;
use crate::model::{
    Digest, Group, GroupOutcome, GroupResult, Plan, RunId, StepResult, TargetName, Verdict,
};
use crate::ports::{ContentSource, StoreError};
use crate::saga::{Purpose, Saga, undo_groups};

/// What became of a plan.
#[derive(Debug, Default)]
pub(super) struct Acted {
    /// In the order of the plan.
    pub outcomes: Vec<GroupOutcome>,
    pub errors: Vec<String>,
}

/// How a plan is carried out.
#[derive(Clone, Copy)]
pub(super) struct Acting<'a> {
    pub run: &'a RunId,
    pub contents: &'a dyn ContentSource,
    pub undo_max_bytes: u64,
    pub purpose: Purpose,
    /// One failure takes everything back.
    pub all_or_nothing: bool,
    /// The pull request behind each approval that counts.
    pub pulls_of: &'a BTreeMap<Digest, u64>,
}

impl Engine<'_> {
    pub(super) async fn act(
        &self,
        plan: &Plan,
        verdicts: &BTreeMap<Digest, Verdict>,
        how: Acting<'_>,
    ) -> Acted {
        let mut by_target: BTreeMap<&TargetName, Vec<(&Group, bool)>> = BTreeMap::new();
        for group in &plan.groups {
            if let Some(Verdict::Allow { approved_by }) = verdicts.get(&group.hash) {
                by_target
                    .entry(&group.target)
                    .or_default()
                    .push((group, approved_by.is_some()));
            }
        }
        let shared = Shared::default();
        // One plan that is all or nothing cannot be spread: what came before has to be known when something fails.
        let at_once = if how.all_or_nothing { 1 } else { 16 };
        stream::iter(by_target)
            .map(|(target, groups)| self.act_on(target, groups, how, &shared))
            .buffer_unordered(at_once)
            .collect::<Vec<()>>()
            .await;
        let mut acted = shared.acted.into_inner().unwrap_or_default();
        let order: BTreeMap<_, _> = plan
            .groups
            .iter()
            .enumerate()
            .map(|(at, group)| (group.hash, at))
            .collect();
        acted
            .outcomes
            .sort_by_key(|outcome| order.get(&outcome.group).copied());
        if how.all_or_nothing && acted.outcomes.iter().any(|outcome| !outcome.is_done()) {
            self.take_back(how, &mut acted).await;
        }
        acted
    }

    async fn act_on(
        &self,
        target: &TargetName,
        groups: Vec<(&Group, bool)>,
        how: Acting<'_>,
        shared: &Shared,
    ) {
        let Some(provider) = self.providers.get(target) else {
            return;
        };
        let saga = Saga {
            provider: provider.as_ref(),
            store: self.store,
            clock: self.clock,
            entropy: self.entropy,
            run: how.run,
            contents: how.contents,
            undo_max_bytes: how.undo_max_bytes,
        };
        for (group, approved) in groups {
            if shared.stop.load(Ordering::SeqCst) {
                return;
            }
            match self.run_group(&saga, group, approved, how).await {
                Ok(outcome) => {
                    let ends = matches!(outcome.result, GroupResult::Broken | GroupResult::Lost);
                    let halts = how.all_or_nothing && !outcome.is_done();
                    shared.took(outcome);
                    if halts {
                        shared.stop.store(true, Ordering::SeqCst);
                    }
                    if ends {
                        return;
                    }
                }
                Err(error) => {
                    shared.fail(format!(
                        "{}; nothing further was done, and the next run finds out what is in flight",
                        crate::report_chain(&error)
                    ));
                    return;
                }
            }
        }
    }

    async fn run_group(
        &self,
        saga: &Saga<'_>,
        group: &Group,
        approved: bool,
        how: Acting<'_>,
    ) -> Result<GroupOutcome, StoreError> {
        if approved {
            // Before the effect: an approval that was spent in vain can be given again, one that is used twice cannot be taken back.
            let pull = how.pulls_of.get(&group.hash).copied().unwrap_or_default();
            let payload = json!({
                "approval": use_of(&group.hash, pull),
                "group": group.hash,
                "pull": pull,
            });
            self.record(how.run, APPROVAL_USED, &payload)?;
        }
        let outcome = saga.run(group, how.purpose).await?;
        if outcome.result == GroupResult::Broken {
            self.record(
                how.run,
                UNDO_FAILED,
                &json!({"target": group.target, "group": group.hash}),
            )?;
        }
        Ok(outcome)
    }

    /// Takes back every group of the run that was done.
    async fn take_back(&self, how: Acting<'_>, acted: &mut Acted) {
        let undo = match undo_groups(self.store, how.run) {
            Ok(undo) => undo,
            Err(error) => {
                acted.errors.push(crate::report_chain(&error));
                return;
            }
        };
        for group in &undo.groups {
            let shared = Shared::default();
            let how = Acting {
                purpose: Purpose::Unwind,
                all_or_nothing: false,
                ..how
            };
            self.act_on(&group.target, vec![(group, false)], how, &shared)
                .await;
            let back = shared.acted.into_inner().unwrap_or_default();
            acted.errors.extend(back.errors);
            for outcome in &back.outcomes {
                mark_unwound(outcome, &mut acted.outcomes);
            }
        }
    }
}

/// Says of the steps that were done that they have been taken back, or could not be.
fn mark_unwound(back: &GroupOutcome, outcomes: &mut [GroupOutcome]) {
    for step in &back.steps {
        let done = outcomes.iter_mut().find_map(|outcome| {
            let at = outcome.steps.iter().position(|other| {
                other.resource == step.resource && other.result == StepResult::Done
            })?;
            Some((outcome, at))
        });
        let Some((outcome, at)) = done else { continue };
        match &step.result {
            StepResult::Done => {
                outcome.steps[at].result = StepResult::Unwound;
                outcome.result = GroupResult::Failed;
            }
            StepResult::Failed { error } | StepResult::Stale { found: error } => {
                outcome.steps[at].result = StepResult::UnwindFailed {
                    error: error.clone(),
                };
                outcome.result = GroupResult::Broken;
            }
            StepResult::Lost { error } => {
                outcome.steps[at].result = StepResult::Lost {
                    error: error.clone(),
                };
                outcome.result = GroupResult::Lost;
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Shared {
    acted: Mutex<Acted>,
    stop: AtomicBool,
}

impl Shared {
    fn took(&self, outcome: GroupOutcome) {
        if let Ok(mut acted) = self.acted.lock() {
            acted.outcomes.push(outcome);
        }
    }

    fn fail(&self, error: String) {
        self.stop.store(true, Ordering::SeqCst);
        if let Ok(mut acted) = self.acted.lock() {
            acted.errors.push(error);
        }
    }
}
