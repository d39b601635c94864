//! Counting hits over time.
//!
//! Flow: the hits of a record → each correlation that counts one of them → its group → fired, when the group now is what the
//! correlation looks for → correlations that count that one.
//!
//! A group that has fired is quiet for one timespan, whatever comes; if its condition still holds then, it fires again with
//! the next hit. So what is always true is told once a timespan and not once a record.
//!
//! **Invariant:** time is that of the records. Memory is bounded by [`Limits`], and what is given up for that is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::correlation::{Correlation, Counts, Taken};
use super::route::{Hit, Rules};
use super::rule::{LooksFor, RuleIndex};
use super::window::{Group, Item, Noted, Window};
use crate::model::{Record, RecordPlace};

/// The longest text that is kept of a value; of longer ones a part and a digest.
const MAX_TEXT: usize = 256;

/// How much may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most hits that are held in all correlations together. When there are more, the oldest are given up.
    pub max_hits: usize,
    /// The most records that are named when a correlation fires.
    pub max_evidence: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_hits: 200_000,
            max_evidence: 50,
        }
    }
}

/// A record that a correlation counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    pub place: RecordPlace,
    pub id: Option<Arc<str>>,
    pub time: Timestamp,
    /// The rule that it met.
    pub rule: RuleIndex,
}

/// A correlation that found what it looks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Fired {
    pub rule: RuleIndex,
    /// That of the record that made it so.
    pub time: Timestamp,
    /// What the records have in common: names, as the correlation groups by, and values.
    pub group: Vec<(String, String)>,
    /// What was counted: hits, values, rules or a number made of values.
    pub counted: f64,
    /// The records, in order.
    pub records: Vec<Evidence>,
    /// How many more there are than `records` names.
    pub more: u64,
}

/// What did not count, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uncounted {
    /// Hits that were given up before their time, for [`Limits::max_hits`].
    pub given_up: u64,
    /// Hits of records without a field that is grouped by.
    pub without_group: u64,
    /// Hits of records without the value that is counted, or with one that is no number.
    pub without_value: u64,
    /// Records that came after a later one; they count at the time of that one.
    pub late: u64,
}

/// The state of all correlations.
#[derive(Debug)]
pub struct Correlator {
    rules: Arc<Rules>,
    limits: Limits,
    counting: Vec<(RuleIndex, Window)>,
    /// For each rule, which of `counting` count it, and the rule's place there.
    counted_by: Vec<Vec<(usize, usize)>>,
    now: Timestamp,
    held: usize,
    uncounted: Uncounted,
}

/// Something that hit a rule: a record, or a correlation that fired.
enum Source<'a> {
    Hit(&'a Hit, &'a Record),
    Fired(&'a Fired),
}

impl Correlator {
    /// Nothing counted yet.
    pub fn new(rules: Arc<Rules>, limits: Limits) -> Self {
        let mut counting = Vec::new();
        let mut counted_by = vec![Vec::new(); rules.all().len()];
        for index in rules.indexes() {
            if let LooksFor::Hits(correlation) = &rules.rule(index).looks_for {
                for (place, counted) in correlation.rules.iter().enumerate() {
                    counted_by[counted.place()].push((counting.len(), place));
                }
                counting.push((index, Window::new(correlation)));
            }
        }
        Self {
            rules,
            limits,
            counting,
            counted_by,
            now: Timestamp::MIN,
            held: 0,
            uncounted: Uncounted::default(),
        }
    }

    /// Whether a correlation counts hits of this rule.
    pub fn counts(&self, rule: RuleIndex) -> bool {
        !self.counted_by[rule.place()].is_empty()
    }

    /// What did not count so far.
    pub fn uncounted(&self) -> Uncounted {
        self.uncounted
    }

    /// How many hits are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Counts the hits of a record, and answers with what fired by them; those that are only counted by others too. Records
    /// come in the order of their times.
    pub fn feed(&mut self, hits: &[Hit], record: &Record) -> Vec<Fired> {
        if hits
            .iter()
            .all(|hit| self.counted_by[hit.rule.place()].is_empty())
        {
            return Vec::new();
        }
        if record.time < self.now {
            self.uncounted.late += 1;
        }
        self.now = self.now.max(record.time);
        let mut fired = Vec::new();
        for hit in hits {
            self.count(hit.rule, &Source::Hit(hit, record), &mut fired);
        }
        // What fired may be counted in turn; no chain leads back to itself, so this ends.
        let mut next = 0;
        while next < fired.len() {
            let mut more = Vec::new();
            let one = &fired[next];
            self.count(one.rule, &Source::Fired(one), &mut more);
            fired.extend(more);
            next += 1;
        }
        fired
    }

    fn count(&mut self, rule: RuleIndex, source: &Source<'_>, fired: &mut Vec<Fired>) {
        let rules = Arc::clone(&self.rules);
        for at in 0..self.counted_by[rule.place()].len() {
            let (counting, place) = self.counted_by[rule.place()][at];
            let index = self.counting[counting].0;
            let LooksFor::Hits(correlation) = &rules.rule(index).looks_for else {
                continue;
            };
            let Some(key) = source.key(&rules, correlation, place) else {
                self.uncounted.without_group += 1;
                continue;
            };
            let Some(value) = source.value(&rules, correlation, place) else {
                self.uncounted.without_value += 1;
                continue;
            };
            let (evidence, more) = source.evidence(rule);
            let item = Item {
                time: self.now,
                place,
                value,
                evidence,
                more,
            };
            let window = &mut self.counting[counting].1;
            self.held -= window.expire(self.now);
            let group = window.add(key, item);
            self.held += 1;
            fired.extend(judge(
                index,
                correlation,
                group,
                self.now,
                self.limits.max_evidence,
            ));
            self.keep_within_limits();
        }
    }

    fn keep_within_limits(&mut self) {
        while self.held > self.limits.max_hits {
            let oldest = self
                .counting
                .iter_mut()
                .map(|(_, window)| window)
                .filter(|window| window.oldest().is_some())
                .min_by_key(|window| window.oldest());
            let Some(window) = oldest else {
                return;
            };
            let is_over = window
                .oldest()
                .is_some_and(|time| window.is_over(time, self.now));
            self.uncounted.given_up += u64::from(!is_over);
            window.drop_oldest();
            self.held -= 1;
        }
    }
}

impl Source<'_> {
    fn field(&self, rules: &Rules, name: &str) -> Option<Box<str>> {
        let text = match self {
            Self::Hit(hit, record) => rules.field(hit, record, name),
            Self::Fired(fired) => {
                let found = fired.group.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            }
        };
        text.map(short)
    }

    fn fields(&self, rules: &Rules, taken: &[Taken], place: usize) -> Option<Vec<Box<str>>> {
        taken
            .iter()
            .map(|taken| self.field(rules, &taken.fields[place]))
            .collect()
    }

    fn key(&self, rules: &Rules, correlation: &Correlation, place: usize) -> Option<Vec<Box<str>>> {
        self.fields(rules, &correlation.group_by, place)
    }

    fn value(&self, rules: &Rules, correlation: &Correlation, place: usize) -> Option<Noted> {
        if correlation.values.is_empty() {
            return Some(Noted::Nothing);
        }
        let values = self.fields(rules, &correlation.values, place)?;
        if correlation.counts == Counts::Values {
            return Some(Noted::Text(values.join("\u{1e}").into()));
        }
        let number: f64 = values.first()?.parse().ok()?;
        number.is_finite().then_some(Noted::Number(number))
    }

    fn evidence(&self, rule: RuleIndex) -> (Arc<[Evidence]>, u64) {
        match self {
            Self::Hit(_, record) => {
                let evidence = Evidence {
                    place: record.place.clone(),
                    id: record.id.clone(),
                    time: record.time,
                    rule,
                };
                (Arc::from([evidence]), 0)
            }
            Self::Fired(fired) => (fired.records.as_slice().into(), fired.more),
        }
    }
}

fn short(text: String) -> Box<str> {
    if text.len() <= MAX_TEXT {
        return text.into();
    }
    let start: String = text.chars().take(MAX_TEXT / 4).collect();
    format!(
        "{start}\u{2026} ({})",
        blake3::hash(text.as_bytes()).to_hex()
    )
    .into()
}

fn judge(
    rule: RuleIndex,
    correlation: &Correlation,
    group: &mut Group,
    now: Timestamp,
    most: usize,
) -> Option<Fired> {
    if group.quiet_until.is_some_and(|until| now <= until) {
        return None;
    }
    let (counted, holds) = group.judge(correlation);
    if !holds {
        return None;
    }
    let timespan = SignedDuration::from_secs(correlation.timespan);
    group.quiet_until = Some(now.checked_add(timespan).unwrap_or(Timestamp::MAX));
    let names = correlation.group_by.iter().map(|taken| taken.name.clone());
    let values = group.key.iter().map(|value| value.to_string());
    let (records, more) = records(correlation, group, most);
    Some(Fired {
        rule,
        time: now,
        group: names.zip(values).collect(),
        counted,
        records,
        more,
    })
}

/// The records that made it so: first those without which it would not be, then the latest ones.
fn records(correlation: &Correlation, group: &Group, most: usize) -> (Vec<Evidence>, u64) {
    let mut chosen = match correlation.counts {
        Counts::InOrder => row(group, correlation.rules.len()),
        Counts::Together => latest_of_each(group, correlation.rules.len()),
        _ => Vec::new(),
    };
    let total: u64 = group
        .items
        .iter()
        .map(|item| item.evidence.len() as u64 + item.more)
        .sum();
    let mut room = most.saturating_sub(chosen.len());
    for at in (0..group.items.len()).rev() {
        if room == 0 {
            break;
        }
        if !chosen.contains(&at) {
            chosen.push(at);
            room -= 1;
        }
    }
    chosen.sort_unstable();
    let all = chosen
        .iter()
        .flat_map(|at| group.items[*at].evidence.iter().cloned());
    let mut told: VecDeque<_> = all.collect();
    while told.len() > most {
        told.pop_front();
    }
    let more = total - told.len() as u64;
    (told.into(), more)
}

fn latest_of_each(group: &Group, places: usize) -> Vec<usize> {
    let latest = |place| group.items.iter().rposition(|item| item.place == place);
    (0..places).filter_map(latest).collect()
}

/// The latest row of hits, from its end back.
fn row(group: &Group, places: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    let mut wanted = places;
    for (at, item) in group.items.iter().enumerate().rev() {
        if wanted > 0 && item.place + 1 == wanted {
            chosen.push(at);
            wanted -= 1;
        }
    }
    chosen
}
