//! The executor of one group.

use std::sync::Arc;

use serde::Serialize;

use super::records::{INTENT, Intent, OUTCOME, Outcome, OutcomeResult, Purpose};
use crate::model::{
    Digest, Group, GroupOutcome, GroupResult, Observed, RunId, State, Step, StepOutcome,
    StepResult, Undo,
};
use crate::ports::{
    ActContext, ActError, Captured, Clock, ContentSource, Entropy, Provider, StateStore, StoreError,
};

/// Runs groups on one target.
pub struct Saga<'a> {
    pub provider: &'a dyn Provider,
    pub store: &'a dyn StateStore,
    pub clock: &'a dyn Clock,
    pub entropy: &'a dyn Entropy,
    pub run: &'a RunId,
    /// The contents that the steps' states refer to; what is not here is looked for among the kept ones.
    pub contents: &'a dyn ContentSource,
    pub undo_max_bytes: u64,
}

/// What became of one step, and how it would be taken back.
enum Progress {
    Done {
        intent: Box<Intent>,
        notes: Vec<String>,
    },
    /// The live state was right already.
    Already,
    Stopped {
        result: StepResult,
        /// Set when the step changed something all the same, with what is there now.
        partly: Option<(Box<Intent>, Digest)>,
    },
    /// The target is out of reach. An intent that was written stays open, for the run that reaches it again.
    Lost(String),
}

impl Saga<'_> {
    /// Carries out a group, whole or not at all (but for steps that are kept).
    ///
    /// # Errors
    /// Only when the journal fails: then nothing further is done, and the next run finds out what is in flight.
    pub async fn run(&self, group: &Group, purpose: Purpose) -> Result<GroupOutcome, StoreError> {
        let mut outcomes: Vec<StepOutcome> = Vec::new();
        let mut done: Vec<(usize, Box<Intent>, Digest)> = Vec::new();
        let mut stopped = None;
        for step in &group.steps {
            if stopped.is_some() {
                outcomes.push(outcome(step, StepResult::NotBegun, vec![]));
                continue;
            }
            match self.step(group, step, purpose).await? {
                Progress::Done { intent, notes } => {
                    done.push((outcomes.len(), intent, step.leaves));
                    outcomes.push(outcome(step, StepResult::Done, notes));
                }
                Progress::Already => {
                    let note = "it was so already".to_owned();
                    outcomes.push(outcome(step, StepResult::Done, vec![note]));
                }
                Progress::Stopped { result, partly } => {
                    if let Some((intent, found)) = partly {
                        done.push((outcomes.len(), intent, found));
                    }
                    stopped = Some(match result {
                        StepResult::Stale { .. } => GroupResult::Stale,
                        _ => GroupResult::Failed,
                    });
                    outcomes.push(outcome(step, result, vec![]));
                }
                Progress::Lost(error) => {
                    stopped = Some(GroupResult::Lost);
                    outcomes.push(outcome(step, StepResult::Lost { error }, vec![]));
                }
            }
        }
        let result = match stopped {
            None => GroupResult::Done,
            // Nothing can be taken back there now; what is half done is drift for the next run.
            Some(GroupResult::Lost) => GroupResult::Lost,
            Some(result) => self.unwind(group, done, &mut outcomes, result).await?,
        };
        Ok(GroupOutcome {
            group: group.hash,
            fingerprint: group.fingerprint.clone(),
            result,
            steps: outcomes,
        })
    }

    /// Takes the finished steps back, newest first, but for those that are kept.
    async fn unwind(
        &self,
        group: &Group,
        done: Vec<(usize, Box<Intent>, Digest)>,
        outcomes: &mut [StepOutcome],
        mut result: GroupResult,
    ) -> Result<GroupResult, StoreError> {
        for (at, intent, found) in done.into_iter().rev() {
            let failed_itself = outcomes[at].result != StepResult::Done;
            // One that failed itself goes back all the same: it may have been half an answer, or have locked us out.
            if intent.step.keep && !failed_itself {
                continue;
            }
            let back = intent.inverse(found);
            match self.step(group, &back, Purpose::Unwind).await? {
                Progress::Done { .. } | Progress::Already if failed_itself => {}
                Progress::Done { .. } | Progress::Already => {
                    outcomes[at].result = StepResult::Unwound;
                }
                Progress::Lost(error) => {
                    outcomes[at].result = StepResult::Lost { error };
                    return Ok(GroupResult::Lost);
                }
                Progress::Stopped { result: why, .. } => {
                    let error = match why {
                        // Somebody changes it while we act. That must not hold up the target: it is planned anew.
                        StepResult::Stale { found } => found,
                        StepResult::Failed { error } => {
                            result = GroupResult::Broken;
                            error
                        }
                        _ => "unknown".to_owned(),
                    };
                    outcomes[at].result = StepResult::UnwindFailed { error };
                }
            }
        }
        Ok(result)
    }

    async fn step(
        &self,
        group: &Group,
        step: &Step,
        purpose: Purpose,
    ) -> Result<Progress, StoreError> {
        let captured = match self.provider.capture(step, self.undo_max_bytes).await {
            Ok(captured) => captured,
            Err(error) => return Ok(stopped(error)),
        };
        let found = match &captured.observed {
            Observed::NotEvaluated(reason) => {
                return Ok(failed(format!("it could not be looked at: {reason}")));
            }
            observed => observed.digest().unwrap_or_else(Observed::absent_digest),
        };
        if found != step.expect {
            if found == step.leaves {
                return Ok(Progress::Already);
            }
            return Ok(Progress::Stopped {
                result: StepResult::Stale {
                    found: "the live state is no longer what the plan was made for".to_owned(),
                },
                partly: None,
            });
        }
        if let Some(error) = self.keep_before(step, &captured)? {
            return Ok(failed(error));
        }
        let intent = Box::new(Intent {
            purpose,
            group: group.hash,
            fingerprint: group.fingerprint.clone(),
            step: step.clone(),
            before: captured.observed,
            nonce: self.entropy.nonce(),
        });
        self.act(step, intent).await
    }

    /// Keeps the contents of the state before; a sentence when an undo that was promised could not be kept.
    fn keep_before(&self, step: &Step, captured: &Captured) -> Result<Option<String>, StoreError> {
        for (_, bytes) in captured.contents.iter() {
            self.store.keep(bytes)?;
        }
        let lacks = |state: &State| {
            state
                .blobs()
                .any(|blob| captured.contents.get(&blob.digest).is_none())
        };
        let broken = step.undo == Undo::Restore && captured.observed.state().is_some_and(lacks);
        Ok(broken
            .then(|| "the state before could not be kept for undo; nothing was changed".to_owned()))
    }

    async fn act(&self, step: &Step, intent: Box<Intent>) -> Result<Progress, StoreError> {
        let seq = self.append(INTENT, &intent)?;
        let context = ActContext {
            contents: self,
            nonce: &intent.nonce,
        };
        let error = match self.provider.apply(step, &context).await {
            Ok(notes) => {
                self.close(seq, step, OutcomeResult::Done, &notes.join("; "), None)?;
                return Ok(Progress::Done { intent, notes });
            }
            Err(error) => error,
        };
        if !matches!(error, ActError::Failed(_) | ActError::Lost(_)) {
            self.close(seq, step, OutcomeResult::NotDone, &error.to_string(), None)?;
            return Ok(stopped(error));
        }
        // It broke on the way: what is there now decides, not what the system said.
        let tidied = self.provider.tidy(step, &intent.nonce).await;
        let now = match self.provider.capture(step, 0).await {
            Ok(captured) => captured.observed.digest(),
            Err(ActError::Lost(_)) => return Ok(Progress::Lost(error.to_string())),
            Err(_) => None,
        };
        let (result, partly) = match now {
            Some(found) if found == step.expect => (OutcomeResult::NotDone, None),
            Some(found) if found == step.leaves => (OutcomeResult::Done, Some((intent, found))),
            Some(found) => (OutcomeResult::Unclear, Some((intent, found))),
            None => (OutcomeResult::Unclear, None),
        };
        let mut detail = error.to_string();
        if let Err(error) = tidied {
            detail = format!("{detail}; and tidying up failed: {error}");
        }
        self.close(seq, step, result, &detail, now)?;
        Ok(Progress::Stopped {
            result: StepResult::Failed { error: detail },
            partly,
        })
    }

    fn close(
        &self,
        intent: u64,
        step: &Step,
        result: OutcomeResult,
        detail: &str,
        found: Option<Digest>,
    ) -> Result<(), StoreError> {
        self.append(
            OUTCOME,
            &Outcome {
                intent,
                resource: step.resource.clone(),
                result,
                detail: detail.to_owned(),
                recovered: false,
                found: found.filter(|_| result == OutcomeResult::Unclear),
            },
        )?;
        Ok(())
    }

    fn append<T: Serialize>(&self, kind: &str, payload: &T) -> Result<u64, StoreError> {
        let payload = serde_json::to_value(payload).expect("records are plain data");
        let record = self
            .store
            .append(self.run, kind, self.clock.now(), payload)?;
        Ok(record.seq)
    }
}

impl ContentSource for Saga<'_> {
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        self.contents
            .content(digest)
            .or_else(|| self.store.kept(digest).ok().flatten())
    }
}

fn outcome(step: &Step, result: StepResult, notes: Vec<String>) -> StepOutcome {
    StepOutcome {
        resource: step.resource.clone(),
        result,
        notes,
    }
}

fn failed(error: String) -> Progress {
    Progress::Stopped {
        result: StepResult::Failed { error },
        partly: None,
    }
}

fn stopped(error: ActError) -> Progress {
    let result = match error {
        ActError::Lost(error) => return Progress::Lost(error),
        ActError::Stale { found } => StepResult::Stale { found },
        ActError::Refused(error) | ActError::Failed(error) => StepResult::Failed { error },
    };
    Progress::Stopped {
        result,
        partly: None,
    }
}
