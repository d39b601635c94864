//! The hits of one correlation within its time, by group.
//!
//! **Invariant:** what a hit costs does not depend on how many groups there are: hits leave in the order in which they came,
//! and a group without hits is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::correlate::Evidence;
use super::correlation::{Correlation, Counts, Hitting, When};

/// What is noted of one hit.
#[derive(Debug)]
pub(super) struct Item {
    pub time: Timestamp,
    /// The place of the rule in the correlation.
    pub place: usize,
    pub value: Noted,
    pub evidence: Arc<[Evidence]>,
    /// How many more records there are than `evidence` names.
    pub more: u64,
}

/// The value that a hit brings.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Noted {
    Nothing,
    Text(Arc<str>),
    Number(f64),
}

/// What the items of a group come to, kept up to date item by item.
#[derive(Debug, Default)]
struct Tally {
    values: HashMap<Arc<str>, u32>,
    /// By the place of the rule.
    hits: Vec<u32>,
    /// For each place, when the latest row of hits began that leads up to it.
    rows: Vec<Option<Timestamp>>,
    sum: f64,
    /// Numbers that left since the sum was last made anew.
    left: usize,
    sorted: Vec<f64>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub key: Arc<[Box<str>]>,
    pub items: VecDeque<Item>,
    tally: Tally,
    /// When it has fired, until when it does not again.
    pub quiet_until: Option<Timestamp>,
}

/// All groups of one correlation.
#[derive(Debug)]
pub(super) struct Window {
    counts: Counts,
    places: usize,
    timespan: SignedDuration,
    by_key: HashMap<Arc<[Box<str>]>, usize>,
    groups: Vec<Option<Group>>,
    free: Vec<usize>,
    /// One entry for each item, oldest first.
    order: VecDeque<(Timestamp, usize)>,
}

impl Window {
    pub fn new(correlation: &Correlation) -> Self {
        Self {
            counts: correlation.counts,
            places: correlation.rules.len(),
            timespan: SignedDuration::from_secs(correlation.timespan),
            by_key: HashMap::new(),
            groups: Vec::new(),
            free: Vec::new(),
            order: VecDeque::new(),
        }
    }

    /// The time of the oldest item.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.order.front().map(|(time, _)| *time)
    }

    /// Whether an item of a time counts no more.
    pub fn is_over(&self, time: Timestamp, now: Timestamp) -> bool {
        now.duration_since(time) > self.timespan
    }

    /// Lets everything go that counts no more; how many items that were.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let mut gone = 0;
        while let Some(oldest) = self.oldest()
            && self.is_over(oldest, now)
        {
            self.drop_oldest();
            gone += 1;
        }
        gone
    }

    /// Lets the oldest item go.
    pub fn drop_oldest(&mut self) {
        let Some((_, slot)) = self.order.pop_front() else {
            return;
        };
        let Some(group) = &mut self.groups[slot] else {
            return;
        };
        if let Some(item) = group.items.pop_front() {
            group.tally.remove(self.counts, &item, &group.items);
        }
        if group.items.is_empty() {
            self.by_key.remove(&group.key);
            self.groups[slot] = None;
            self.free.push(slot);
        }
    }

    /// Adds an item, which is the latest, to the group of a key.
    pub fn add(&mut self, key: Vec<Box<str>>, item: Item) -> &mut Group {
        let (counts, places, timespan) = (self.counts, self.places, self.timespan);
        let slot = match self.by_key.get(key.as_slice()) {
            Some(slot) => *slot,
            None => self.new_group(key),
        };
        self.order.push_back((item.time, slot));
        let group = self.groups[slot].get_or_insert_with(|| Group::new(Arc::from([]), places));
        group.tally.add(counts, &item, timespan);
        group.items.push_back(item);
        group
    }

    fn new_group(&mut self, key: Vec<Box<str>>) -> usize {
        let key: Arc<[Box<str>]> = key.into();
        let group = Some(Group::new(Arc::clone(&key), self.places));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.groups[slot] = group;
                slot
            }
            None => {
                self.groups.push(group);
                self.groups.len() - 1
            }
        };
        self.by_key.insert(key, slot);
        slot
    }
}

impl Group {
    fn new(key: Arc<[Box<str>]>, places: usize) -> Self {
        Self {
            key,
            items: VecDeque::new(),
            tally: Tally {
                hits: vec![0; places],
                rows: vec![None; places],
                ..Tally::default()
            },
            quiet_until: None,
        }
    }

    /// What was counted, and whether that is what the correlation looks for.
    pub fn judge(&self, correlation: &Correlation) -> (f64, bool) {
        let counted = self.counted(correlation.counts);
        let holds = match (&correlation.when, correlation.counts) {
            (When::Rules(hitting), _) => self.has(hitting),
            // The row is whole when the hit at hand is the end of one.
            (_, Counts::InOrder) => {
                let last = self.items.back();
                let ends = last.is_some_and(|item| item.place + 1 == self.tally.rows.len());
                let began = self.tally.rows.last().copied().flatten();
                let is_within = |began: Timestamp| {
                    last.is_some_and(|item| {
                        item.time.duration_since(began).as_secs() <= correlation.timespan
                    })
                };
                ends && began.is_some_and(is_within)
            }
            (when, _) => when.holds(counted),
        };
        (counted, holds)
    }

    fn has(&self, hitting: &Hitting) -> bool {
        match hitting {
            Hitting::All(parts) => parts.iter().all(|part| self.has(part)),
            Hitting::Any(parts) => parts.iter().any(|part| self.has(part)),
            Hitting::Rule(place) => self.tally.hits.get(*place).is_some_and(|hits| *hits > 0),
        }
    }

    fn counted(&self, counts: Counts) -> f64 {
        let tally = &self.tally;
        match counts {
            Counts::Events => self.items.len() as f64,
            Counts::Values => tally.values.len() as f64,
            Counts::Together | Counts::InOrder => {
                tally.hits.iter().filter(|hits| **hits > 0).count() as f64
            }
            Counts::Sum => tally.sum,
            Counts::Average => tally.sum / self.items.len().max(1) as f64,
            Counts::Median => {
                let middle = tally.sorted.len() / 2;
                match (tally.sorted.get(middle), tally.sorted.len() % 2) {
                    (Some(high), 0) => tally.sorted[middle - 1].midpoint(*high),
                    (Some(value), _) => *value,
                    (None, _) => 0.0,
                }
            }
            Counts::Percentile(rank) => {
                let place = (tally.sorted.len() * usize::from(rank)).div_ceil(100);
                tally
                    .sorted
                    .get(place.saturating_sub(1))
                    .copied()
                    .unwrap_or(0.0)
            }
        }
    }
}

impl Tally {
    fn add(&mut self, counts: Counts, item: &Item, timespan: SignedDuration) {
        self.hits[item.place] += 1;
        match (counts, &item.value) {
            (Counts::Values, Noted::Text(text)) => {
                *self.values.entry(Arc::clone(text)).or_default() += 1
            }
            (Counts::InOrder, _) => self.lead(item, timespan),
            (Counts::Sum | Counts::Average, Noted::Number(number)) => self.sum += number,
            (Counts::Median | Counts::Percentile(_), Noted::Number(number)) => {
                let at = self.sorted.partition_point(|other| other < number);
                self.sorted.insert(at, *number);
            }
            _ => {}
        }
    }

    /// A row that led up to the place before may lead up to this one now. It began as late as possible, so that it is within
    /// the time for as long as any is.
    fn lead(&mut self, item: &Item, timespan: SignedDuration) {
        self.rows[item.place] = match item.place {
            0 => Some(item.time),
            place => {
                let before = self.rows[place - 1]
                    .filter(|began| item.time.duration_since(*began) <= timespan);
                before.max(self.rows[place])
            }
        };
    }

    fn remove(&mut self, counts: Counts, item: &Item, rest: &VecDeque<Item>) {
        self.hits[item.place] -= 1;
        match (counts, &item.value) {
            (Counts::Values, Noted::Text(text)) => {
                if let Some(count) = self.values.get_mut(text) {
                    *count -= 1;
                    if *count == 0 {
                        self.values.remove(text);
                    }
                }
            }
            (Counts::Sum | Counts::Average, Noted::Number(number)) => {
                self.sum -= number;
                self.left += 1;
                // Subtracting keeps what was rounded; made anew every so often, the sum is right and costs no more.
                if self.left > rest.len() {
                    self.left = 0;
                    let number = |item: &Item| match item.value {
                        Noted::Number(number) => number,
                        _ => 0.0,
                    };
                    self.sum = rest.iter().map(number).sum();
                }
            }
            (Counts::Median | Counts::Percentile(_), Noted::Number(number)) => {
                let at = self.sorted.partition_point(|other| other < number);
                if self.sorted.get(at) == Some(number) {
                    self.sorted.remove(at);
                }
            }
            _ => {}
        }
    }
}
