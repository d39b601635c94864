//! The records of the journal that the saga writes and reads back.

use serde::{Deserialize, Serialize};

use crate::model::{Digest, Observed, ResourceId, Step, TERMS, Undo, Verb};

/// Kind of the record that opens a run.
pub const RUN_STARTED: &str = "run-started";
/// Kind of the record that closes a run. A run without one was interrupted.
pub const RUN_ENDED: &str = "run-ended";
/// Kind of the record before each effect.
pub const INTENT: &str = "intent";
/// Kind of the record after each effect.
pub const OUTCOME: &str = "outcome";

/// Why a step is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Part of a plan.
    Act,
    /// Takes back a step of a group that failed.
    Unwind,
    /// Takes back a step of an earlier run, because a person said so.
    Undo,
}

/// What is about to happen, with the whole state before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Intent {
    pub purpose: Purpose,
    pub group: Digest,
    pub fingerprint: String,
    pub step: Step,
    pub before: Observed,
    /// Names everything temporary that the step makes.
    pub nonce: String,
}

/// What became of an intent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The number of the intent's record.
    pub intent: u64,
    pub resource: ResourceId,
    pub result: OutcomeResult,
    /// Why it did not happen, or what the system had to say.
    pub detail: String,
    /// Found out by a later run, after a crash.
    #[serde(default)]
    pub recovered: bool,
    /// The digest of what is there instead, when that is unclear and could be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Digest>,
}

/// The result of an intent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    /// The live state is what the step leaves.
    Done,
    /// Nothing was changed.
    NotDone,
    /// The live state is neither what was expected nor what the step leaves.
    Unclear,
}

impl Intent {
    /// The step that takes this one back, from the state that is there (`found`) to the state before.
    pub fn inverse(&self, found: Digest) -> Step {
        let absent = Observed::absent_digest();
        let state = self.before.state().cloned();
        Step {
            verb: match state {
                Some(_) => Verb::Put,
                None => Verb::Remove,
            },
            expect: found,
            leaves: self.before.digest().unwrap_or(absent),
            state,
            options: (self.step.options.iter())
                .filter(|(name, _)| name.as_str() == TERMS)
                .map(|(name, terms)| (name.clone(), terms.clone()))
                .collect(),
            undo: Undo::Restore,
            answers: Vec::new(),
            keep: false,
            ..self.step.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Fields, Risk, TargetName, Value};

    // Goal: a step that takes another back looks in the same terms, or it would find everything stale; and it runs no command
    // that the first one was told to.
    #[test]
    fn terms_alone_are_turned_round() {
        let options = [TERMS, "validate"].map(|name| (name.to_owned(), Value::text("x")));
        let absent = Observed::absent_digest();
        let intent = Intent {
            purpose: Purpose::Act,
            group: absent,
            fingerprint: String::new(),
            step: Step {
                resource: ResourceId::new(&TargetName("t".into()), "Package", "p"),
                address: Address("//package/p".into()),
                verb: Verb::Put,
                expect: absent,
                leaves: absent,
                state: None,
                options: Fields::from(options),
                undo: Undo::Restore,
                risk: Risk::default(),
                answers: vec![],
                keep: false,
            },
            before: Observed::Absent,
            nonce: String::new(),
        };
        let back = intent.inverse(absent);
        assert_eq!(back.options.keys().collect::<Vec<_>>(), [TERMS]);
    }
}
