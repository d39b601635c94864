//! Heuristics: what is strange about an act, held against what was learned.
//!
//! Flow: [`Act`]s wait until the watermark has passed them → in order of time each heuristic that is on looks at them, says how
//! strange they are, and learns → a budget makes scores into alerts → `found` makes alerts into findings.
//!
//! What one day may teach is bounded: something is known when it was met on two days (`store`), an hour is clipped to twice of
//! what was the most (`profile`), and a day raises no threshold alone (`budget`).
//!
//! **Invariant:** the time is that of records. One order of records and one seed give one result. Memory is bounded, and
//! what is forgotten for that is counted. Keys hold the place and the trust of a record: one place teaches nothing about another,
//! and what is less believed nothing about what is more believed.

mod budget;
mod failures;
mod first_seen;
mod found;
mod learned;
mod novelty;
mod places;
mod profile;
mod rare_child;
mod seen;
mod store;
mod strange;
mod travel;
mod volume;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use budget::MAX_BUDGET;
pub use learned::{LearnedError, Saved, read, seal};
pub use places::Places;
pub use seen::Act;

use budget::{Budget, Verdict};
use failures::Failures;
use found::{Found, who};
use learned::Part;
use novelty::Novelty;
use store::Keys;
use strange::Strange;
use travel::Travel;
use volume::{Distinct, Rate};

use crate::model::{Finding, Heuristic, HeuristicsConfig, RecordPlace};

/// What is at most this strange is not: something that is as likely as not (one bit), one deviation, one failure.
const FLOOR: f64 = 1.0;

/// All heuristics that are on, with what they learned.
pub struct Heuristics {
    config: HeuristicsConfig,
    keys: Keys,
    places: Places,
    state: State,
    found: Found,
    waiting: BTreeMap<(Timestamp, RecordPlace), Act>,
    waiting_bytes: usize,
    most_waiting: usize,
    passed: Timestamp,
    late: u64,
    hurried: u64,
}

#[derive(Serialize)]
struct State {
    seed: u64,
    first_seen: Option<Part<Novelty>>,
    rate: Option<Part<Rate>>,
    distinct: Option<Part<Distinct>>,
    failed_then_success: Option<Part<Failures>>,
    impossible_travel: Option<Part<Travel>>,
    rare_child: Option<Part<Novelty>>,
}

impl Heuristics {
    /// Those that the settings turn on, with nothing learned. None: no one is on.
    pub fn new(config: HeuristicsConfig, places: Places) -> Option<Self> {
        if config.budgets.is_empty() {
            return None;
        }
        let half = (config.memory_mib as usize) << 19;
        let share = half / config.budgets.len();
        let state = State {
            seed: config.seed,
            first_seen: part(&config, Heuristic::FirstSeen, || Novelty::new(share)),
            rate: part(&config, Heuristic::Rate, || Rate::new(share)),
            distinct: part(&config, Heuristic::Distinct, || Distinct::new(share)),
            failed_then_success: part(&config, Heuristic::FailedThenSuccess, || {
                Failures::new(share)
            }),
            impossible_travel: part(&config, Heuristic::ImpossibleTravel, || Travel::new(share)),
            rare_child: part(&config, Heuristic::RareChild, || Novelty::new(share)),
        };
        Some(Self {
            keys: Keys::new(config.seed),
            config,
            places,
            state,
            found: Found::default(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            most_waiting: half,
            passed: Timestamp::MIN,
            late: 0,
            hurried: 0,
        })
    }

    /// Begins with what was learned before. What is on now and was not then begins to learn; what is off now is not taken.
    ///
    /// # Errors
    /// It was learned with another seed.
    pub fn restore(&mut self, saved: Saved) -> Result<(), LearnedError> {
        if saved.seed != self.config.seed {
            return Err(LearnedError::Seed(saved.seed, self.config.seed));
        }
        let State {
            seed: _,
            first_seen,
            rate,
            distinct,
            failed_then_success,
            impossible_travel,
            rare_child,
        } = &mut self.state;
        restore(first_seen, saved.first_seen, Novelty::restore);
        restore(rate, saved.rate, Rate::restore);
        restore(distinct, saved.distinct, Distinct::restore);
        restore(
            failed_then_success,
            saved.failed_then_success,
            Failures::restore,
        );
        restore(impossible_travel, saved.impossible_travel, Travel::restore);
        restore(rare_child, saved.rare_child, Novelty::restore);
        Ok(())
    }

    /// What was learned, as a file.
    pub fn learned(&self) -> Vec<u8> {
        learned::write(&self.state)
    }

    /// Takes an act. It waits for those that may still come before it.
    pub fn take(&mut self, act: Act) {
        if act.time < self.passed {
            // It is looked at all the same: nobody hides by being late.
            self.late += 1;
            return self.look(&act);
        }
        self.waiting_bytes += act.weight();
        let replaced = self.waiting.insert((act.time, act.place.clone()), act);
        if let Some(replaced) = replaced {
            self.waiting_bytes -= replaced.weight();
            self.look(&replaced);
        }
        while self.waiting_bytes > self.most_waiting {
            self.hurried += 1;
            self.look_first();
        }
    }

    /// No act of this time or before is expected any more.
    pub fn until(&mut self, watermark: Timestamp) {
        while self
            .waiting
            .first_key_value()
            .is_some_and(|((time, _), _)| *time <= watermark)
        {
            self.look_first();
        }
        self.passed = self.passed.max(watermark);
    }

    fn look_first(&mut self) {
        if let Some(((time, _), act)) = self.waiting.pop_first() {
            self.waiting_bytes -= act.weight();
            self.passed = self.passed.max(time);
            self.look(&act);
        }
    }

    fn look(&mut self, act: &Act) {
        let Self {
            config,
            keys,
            places,
            state,
            found,
            ..
        } = self;
        let mut tell = Tell {
            config,
            keys,
            act,
            found,
        };
        tell.part(Heuristic::FirstSeen, &mut state.first_seen, |known, out| {
            first_seen::look(act, keys, known, out);
        });
        tell.part(Heuristic::Rate, &mut state.rate, |rate, out| {
            rate.look(act, keys, out);
        });
        tell.part(Heuristic::Distinct, &mut state.distinct, |distinct, out| {
            distinct.look(act, keys, out);
        });
        let runs = &mut state.failed_then_success;
        tell.part(Heuristic::FailedThenSuccess, runs, |runs, out| {
            runs.look(act, keys, out);
        });
        let travel = &mut state.impossible_travel;
        tell.part(Heuristic::ImpossibleTravel, travel, |travel, out| {
            travel.look(act, keys, places, &config.travel, out);
        });
        tell.part(Heuristic::RareChild, &mut state.rare_child, |known, out| {
            rare_child::look(act, keys, known, out);
        });
    }

    /// The findings that are new since this was last asked; those that were quiet for long are let go.
    pub fn fresh(&mut self, newest: Timestamp, quiet: SignedDuration) -> Vec<Finding> {
        let fresh = self.found.fresh();
        if let Ok(before) = newest.checked_sub(quiet) {
            self.found.forget(before);
        }
        fresh
    }

    /// The findings, and what every reader has to know.
    pub fn finish(&mut self) -> (Vec<Finding>, Vec<String>) {
        self.until(Timestamp::MAX);
        let notices = self.notices();
        (std::mem::take(&mut self.found).finish(), notices)
    }

    /// About how many bytes are used for what was learned.
    pub fn used(&self) -> usize {
        let state = &self.state;
        let used = [
            state.first_seen.as_ref().map(|part| part.state.used()),
            state.rate.as_ref().map(|part| part.state.used()),
            state.distinct.as_ref().map(|part| part.state.used()),
            state
                .failed_then_success
                .as_ref()
                .map(|part| part.state.used()),
            state
                .impossible_travel
                .as_ref()
                .map(|part| part.state.used()),
            state.rare_child.as_ref().map(|part| part.state.used()),
        ];
        used.into_iter().flatten().sum()
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        let state = &self.state;
        let mut of = |heuristic: Heuristic, days: usize, over: u64, given_up: u64| {
            let name = heuristic.name();
            let learn = self.config.learn_days as usize;
            if days <= learn {
                notices.push(format!(
                    "heuristics: {name} tells nothing yet; it learned on {days} of {learn} days"
                ));
            }
            if over > 0 {
                notices.push(format!(
                    "heuristics: {name} had {over} acts above its threshold and beyond its alerts of that day"
                ));
            }
            if given_up > 0 {
                notices.push(format!(
                    "heuristics: {name} forgot {given_up} things, since more were met than its memory holds"
                ));
            }
        };
        macro_rules! part {
            ($field:ident, $heuristic:expr) => {
                if let Some(part) = &state.$field {
                    let given_up = part.state.given_up();
                    of($heuristic, part.days.len(), part.budget.over(), given_up);
                }
            };
        }
        part!(first_seen, Heuristic::FirstSeen);
        part!(rate, Heuristic::Rate);
        part!(distinct, Heuristic::Distinct);
        part!(failed_then_success, Heuristic::FailedThenSuccess);
        part!(impossible_travel, Heuristic::ImpossibleTravel);
        part!(rare_child, Heuristic::RareChild);
        for (count, words) in [
            (
                self.late,
                "records came later than the watermark and were looked at out of order",
            ),
            (
                self.hurried,
                "records were looked at before all earlier ones had come, since more waited than their memory holds",
            ),
            (self.found.beyond(), "alerts were beyond what is kept"),
        ] {
            if count > 0 {
                notices.push(format!("heuristics: {count} {words}"));
            }
        }
        notices
    }
}

fn part<T>(
    config: &HeuristicsConfig,
    heuristic: Heuristic,
    state: impl FnOnce() -> T,
) -> Option<Part<T>> {
    config.budgets.get(&heuristic).map(|budget| Part {
        days: BTreeSet::new(),
        budget: Budget::new(*budget),
        state: state(),
    })
}

fn restore<T, S>(part: &mut Option<Part<T>>, saved: Option<Part<S>>, state: fn(&mut T, S)) {
    if let (Some(part), Some(saved)) = (part, saved) {
        part.days = saved.days;
        part.budget.restore(saved.budget);
        state(&mut part.state, saved.state);
    }
}

/// What all heuristics have in common about one act.
struct Tell<'a> {
    config: &'a HeuristicsConfig,
    keys: &'a Keys,
    act: &'a Act,
    found: &'a mut Found,
}

impl Tell<'_> {
    fn part<T>(
        &mut self,
        heuristic: Heuristic,
        part: &mut Option<Part<T>>,
        look: impl FnOnce(&mut T, &mut Vec<Strange>),
    ) {
        let Some(part) = part else { return };
        let day = self.act.day();
        part.budget.begin(day);
        let learns = part.learns(day, self.config.learn_days);
        let mut strange = Vec::new();
        look(&mut part.state, &mut strange);
        for strange in strange.into_iter().filter(|it| it.score > FLOOR) {
            let who = who(self.act, strange.who);
            let who = self.keys.of(&[&self.act.scope, who]);
            let verdict = part.budget.judge(day, self.act.trust, who, strange.score);
            if let (false, Verdict::Raise(threshold)) = (learns, verdict) {
                let budget = part.budget.a_day();
                self.found
                    .add(heuristic, self.act, strange, threshold, budget);
            }
        }
    }
}

impl<T> Part<T> {
    /// Whether records of this day only teach. It counts the day.
    fn learns(&mut self, day: i64, days: u32) -> bool {
        let days = days as usize;
        if self.days.len() <= days {
            self.days.insert(day);
        }
        self.days.len() <= days
    }
}
