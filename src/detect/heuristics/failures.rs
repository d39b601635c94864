//! Failures of one kind of act from one address, and then a success.
//!
//! Who fails more often before they get in than they usually do is told, in doublings. Where a record has no address, its actor
//! stands in. An attack that comes from another address each time is not seen here.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::seen::Act;
use super::store::{Keys, Saved, Store, Weigh};
use super::strange::{Strange, Why};
use crate::model::{EventRef, Outcome};

/// A run of failures lasts a day at most.
const PATIENCE: i64 = 24 * 3600;
/// How much one run moves what is usual for everybody.
const SHARE: f32 = 1.0 / 16.0;
/// The last records of failures that a finding names.
const NAMED: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    failures: u32,
    first: i64,
    /// How many failures there usually are before a success, as the logarithm to the base of 2 of one more than it.
    usual: f32,
    taught: i64,
    #[serde(skip)]
    records: VecDeque<EventRef>,
}

impl Weigh for Run {
    fn weight(&self) -> usize {
        // Whether or not it holds records now.
        size_of::<Self>() + NAMED * size_of::<EventRef>()
    }
}

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Failures {
    runs: Store<Run>,
    /// What is usual for everybody, where nothing is known of one; as [`Run::usual`].
    everybody: f32,
}

#[derive(Debug, Deserialize)]
pub struct SavedFailures {
    runs: Saved<Run>,
    everybody: f32,
}

impl Failures {
    pub fn new(most: usize) -> Self {
        Self {
            runs: Store::new(most),
            everybody: 0.0,
        }
    }

    pub fn look(&mut self, act: &Act, keys: &Keys, found: &mut Vec<Strange>) {
        let failed = match act.event.outcome {
            Outcome::Failure => true,
            Outcome::Success => false,
            Outcome::Unknown => return,
        };
        let group = group(&act.event.action);
        let name = match act.network() {
            Some(network) => ["address", network.as_str()].map(str::to_owned),
            None if act.event.actor.name.is_empty() => return,
            None => ["actor", act.event.actor.name.as_str()].map(str::to_owned),
        };
        let [kind, name] = &name;
        let key = keys.of(&["run", act.believed(), &act.scope, group, kind, name]);
        // A success of somebody who never failed leaves no trace.
        if !failed && !self.runs.contains(key) {
            return;
        }
        let now = act.time.as_second();
        let everybody = &mut self.everybody;
        let fresh = Run {
            usual: *everybody,
            ..Run::default()
        };
        let strange = self.runs.meet(
            key,
            act.hour(),
            || fresh,
            |met| match failed {
                true => {
                    met.value.fail(act, now);
                    None
                }
                false => met.value.succeed(group, now, everybody),
            },
            |_| {},
        );
        found.extend(strange);
    }

    pub fn given_up(&self) -> u64 {
        self.runs.given_up()
    }

    pub fn used(&self) -> usize {
        self.runs.used()
    }

    pub fn restore(&mut self, saved: SavedFailures) {
        self.runs.restore(saved.runs);
        self.everybody = saved.everybody;
    }
}

impl Run {
    fn fail(&mut self, act: &Act, now: i64) {
        if self.failures == 0 || now.saturating_sub(self.first).abs() > PATIENCE {
            self.failures = 0;
            self.first = now;
            self.records.clear();
        }
        self.failures = self.failures.saturating_add(1);
        self.first = self.first.min(now);
        self.records.push_back(act.reference());
        if self.records.len() > NAMED {
            self.records.pop_front();
        }
    }

    fn succeed(&mut self, group: &str, now: i64, everybody: &mut f32) -> Option<Strange> {
        let failures = std::mem::take(&mut self.failures);
        let records: Vec<_> = std::mem::take(&mut self.records).into();
        if failures == 0 || now < self.first || now.saturating_sub(self.first) > PATIENCE {
            return None;
        }
        let bits = (f64::from(failures) + 1.0).log2();
        let score = bits - f64::from(self.usual);
        let why = Why::Succeeded {
            what: group.to_owned(),
            failures,
            seconds: now - self.first,
            usual: f64::from(self.usual).exp2() - 1.0,
        };
        // A day may at most double what is usual.
        if now.saturating_sub(self.taught) >= PATIENCE || now < self.taught {
            self.taught = now;
            self.usual += (score / 2.0).clamp(-1.0, 1.0) as f32;
            *everybody += (bits as f32 - *everybody).clamp(-1.0, 1.0) * SHARE;
        }
        (score > 0.0).then(|| Strange {
            before: records,
            ..Strange::new(score, why)
        })
    }
}

/// Acts that are tries of the same.
fn group(action: &str) -> &str {
    match action {
        "USER_AUTH" | "USER_LOGIN" | "USER_ERR" => "login",
        "sudo" | "su" => "sudo",
        _ if action.starts_with("ssh-") => "ssh",
        other => other,
    }
}

impl SavedFailures {
    pub fn is_sound(&self) -> bool {
        let usual = self.runs.values().map(|run| run.usual);
        usual
            .chain([self.everybody])
            .all(|usual| (0.0..=64.0).contains(&usual))
    }
}
