//! A budget of alerts a day, made into a threshold.
//!
//! Of each day the highest scores are kept, one for each who. The threshold is the highest that a day of the learned past had
//! beyond its budget: with it, no such day would have raised more than that. One day a week, at most two, is left out of this,
//! so that no single night (which touches two days) can raise the threshold for the weeks after it. On the day itself a score
//! also has to be among the highest of the day, as many as the budget has; what is not is counted.
//!
//! **Invariant:** scores of less believed records take no place of those of more believed ones.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::store::Key;
use crate::model::Trust;

/// How many days are held.
const WINDOW: usize = 28;
/// The largest budget, and so what is kept of a day.
pub const MAX_BUDGET: u32 = 100;

/// What a score means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Verdict {
    /// It is to be told. The threshold that it was held against.
    Raise(f64),
    /// It is above the threshold, but as many that are higher were there today.
    OverBudget,
    Usual,
}

/// The highest scores of one day, in falling order, by trust.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Day {
    day: i64,
    top: [Vec<(f32, Key)>; 3],
}

/// See the module.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Budget {
    #[serde(skip)]
    a_day: usize,
    /// In the order in which they began.
    days: VecDeque<Day>,
    /// For which day thresholds were worked out, and what they are.
    #[serde(skip)]
    known: Option<(i64, [f64; 3])>,
    #[serde(skip)]
    over: u64,
}

impl Budget {
    pub fn new(a_day: u32) -> Self {
        Self {
            a_day: a_day.clamp(1, MAX_BUDGET) as usize,
            days: VecDeque::new(),
            known: None,
            over: 0,
        }
    }

    /// Takes over the days of a saved one.
    pub fn restore(&mut self, saved: Self) {
        self.days = saved.days;
        self.known = None;
    }

    /// How much was above the threshold and beyond the budget of its day.
    pub fn over(&self) -> u64 {
        self.over
    }

    /// How many alerts a day it allows.
    pub fn a_day(&self) -> u32 {
        u32::try_from(self.a_day).unwrap_or(MAX_BUDGET)
    }

    /// A day has begun, whether or not anything in it is strange.
    pub fn begin(&mut self, day: i64) {
        self.place(day);
    }

    /// Holds a score against the past and the day, and keeps it.
    pub fn judge(&mut self, day: i64, trust: Trust, who: Key, score: f64) -> Verdict {
        let rank = rank(trust);
        let threshold = self.threshold(day)[rank];
        let most = self.a_day;
        let place = self.place(day);
        let score32 = score as f32;
        let higher = self.days[place].top[rank..]
            .iter()
            .flatten()
            .filter(|(other, by)| *by != who && *other >= score32)
            .count();
        self.days[place].keep(rank, score32, who, most + 1);
        if f64::from(score32) <= threshold {
            Verdict::Usual
        } else if higher >= most {
            self.over += 1;
            Verdict::OverBudget
        } else {
            Verdict::Raise(threshold)
        }
    }

    fn place(&mut self, day: i64) -> usize {
        let known = self.days.iter().rposition(|known| known.day == day);
        known.unwrap_or_else(|| {
            self.known = None;
            self.days.push_back(Day {
                day,
                ..Day::default()
            });
            if self.days.len() > WINDOW + 1 {
                self.days.pop_front();
            }
            self.days.len() - 1
        })
    }

    fn threshold(&mut self, day: i64) -> [f64; 3] {
        if let Some((of, thresholds)) = self.known
            && of == day
        {
            return thresholds;
        }
        let thresholds = std::array::from_fn(|rank| {
            let past = self.days.iter().filter(|past| past.day != day);
            let mut beyond: Vec<f32> = past.map(|past| past.beyond(rank, self.a_day)).collect();
            beyond.sort_by(|a, b| b.total_cmp(a));
            let left_out = (beyond.len() / 7).min(2);
            f64::from(beyond.get(left_out).copied().unwrap_or(0.0))
        });
        self.known = Some((day, thresholds));
        thresholds
    }

    /// Whether what was saved can be.
    pub fn is_sound(&self) -> bool {
        self.days.len() <= WINDOW + 1
            && self.days.iter().all(|day| {
                day.top.iter().all(|top| {
                    top.len() <= MAX_BUDGET as usize + 1
                        && top.iter().all(|(score, _)| score.is_finite())
                })
            })
    }
}

impl Day {
    fn keep(&mut self, rank: usize, score: f32, who: Key, most: usize) {
        let top = &mut self.top[rank];
        if let Some(place) = top.iter().position(|(_, by)| *by == who) {
            if top[place].0 >= score {
                return;
            }
            top.remove(place);
        }
        let place = top.partition_point(|(other, _)| *other >= score);
        top.insert(place, (score, who));
        top.truncate(most);
    }

    /// The highest score beyond the budget.
    fn beyond(&self, rank: usize, a_day: usize) -> f32 {
        let mut all: Vec<f32> = self.top[rank..]
            .iter()
            .flatten()
            .map(|(score, _)| *score)
            .collect();
        all.sort_by(|a, b| b.total_cmp(a));
        all.get(a_day).copied().unwrap_or(0.0)
    }
}

fn rank(trust: Trust) -> usize {
    match trust {
        Trust::Unauthenticated => 0,
        Trust::HostWritten => 1,
        Trust::Authenticated => 2,
    }
}

#[cfg(test)]
#[path = "budget/tests.rs"]
mod tests;
