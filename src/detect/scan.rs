//! Records in, findings out.
//!
//! Flow: [`look`] at each record, side by side → [`Scan::take`] the answers in the order in which they were read: single hits
//! are gathered at once, hits that a correlation counts wait until the watermark has passed them and are then counted by
//! time → [`Scan::finish`]. Where heuristics are on, they get what every record says was done.
//!
//! Cost: a record that meets no rule costs its evaluation and nothing else. What waits is bounded by bytes.
//!
//! **Invariant:** the result depends on the records and their order alone; no clock is asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde_json::Value;

use super::collect::{self, Collected, Counted, Met};
use super::heuristics::{Act, Heuristics};
use super::logins::{Logins, may_be_login};
use super::sigma::{Correlator, Fired, Hit, Limits, Rules};
use crate::events::formats::event;
use crate::model::{Detection, Event, EventRef, Finding, Record, RecordPlace, RuleCount, Trust};

/// How much is kept, and how long is waited.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// Bytes of records that wait for their turn.
    pub waiting_bytes: usize,
    /// How much later than its time a record may come. None: everything is read before anything is counted, as far as
    /// `waiting_bytes` allows.
    pub lateness: Option<SignedDuration>,
    pub limits: Limits,
    pub findings: collect::Bounds,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            waiting_bytes: 64 << 20,
            lateness: None,
            limits: Limits::default(),
            findings: collect::Bounds::default(),
        }
    }
}

/// What a look at one record showed.
pub struct Looked {
    time: Timestamp,
    /// None when it meets no rule.
    hit: Option<Box<Known>>,
    /// Where heuristics are on.
    act: Option<Box<Act>>,
    /// A record that may be a login, behind which others are.
    login: Option<Box<Record>>,
}

struct Known {
    record: Record,
    event: Event,
    hits: Vec<Hit>,
}

/// Asks the rules of one record, and makes an act of it where heuristics are on.
pub fn look(rules: &Rules, heuristics: bool, record: Record) -> Looked {
    let hits = rules.hits(&record);
    Looked {
        time: record.time,
        login: may_be_login(&record).then(|| Box::new(record.clone())),
        act: heuristics.then(|| Box::new(Act::new(&record, event(&record)))),
        hit: (!hits.is_empty()).then(|| {
            Box::new(Known {
                event: event(&record),
                record,
                hits,
            })
        }),
    }
}

/// Asks the rules of each of many, side by side and without heuristics; the answers are in their order.
pub fn look_at_all(rules: &Rules, records: Vec<Record>) -> Vec<Looked> {
    let each = records.into_par_iter();
    each.map(|record| look(rules, false, record)).collect()
}

/// A detection in the making.
pub struct Scan {
    rules: Arc<Rules>,
    options: ScanOptions,
    correlator: Correlator,
    collected: Collected,
    heuristics: Option<Heuristics>,
    logins: Logins,
    waiting: BTreeMap<(Timestamp, RecordPlace), Known>,
    waiting_bytes: usize,
    /// The watermark: what is older was counted already.
    counted_until: Timestamp,
    newest: Timestamp,
    from: Option<Timestamp>,
    trusts: HashMap<Arc<str>, Trust>,
    late: u64,
    /// Records that were counted before their time, since too many waited.
    hurried: u64,
}

impl Scan {
    pub fn new(rules: Arc<Rules>, options: ScanOptions) -> Self {
        Self {
            correlator: Correlator::new(Arc::clone(&rules), options.limits),
            rules,
            options,
            collected: Collected::new(options.findings),
            heuristics: None,
            logins: Logins::default(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            counted_until: Timestamp::MIN,
            newest: Timestamp::MIN,
            from: None,
            trusts: HashMap::new(),
            late: 0,
            hurried: 0,
        }
    }

    /// With heuristics, or without.
    pub fn with(self, heuristics: Option<Heuristics>) -> Self {
        Self { heuristics, ..self }
    }

    /// The same, where a record may come so much later than its time.
    pub fn late_by(mut self, lateness: SignedDuration) -> Self {
        self.options.lateness = Some(lateness);
        self
    }

    /// What records are asked by.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// Whether it wants acts of records.
    pub fn has_heuristics(&self) -> bool {
        self.heuristics.is_some()
    }

    /// Takes the answer of the next record.
    pub fn take(&mut self, looked: Looked) {
        self.newest = self.newest.max(looked.time);
        self.from = Some(self.from.map_or(looked.time, |from| from.min(looked.time)));
        if let Some(login) = &looked.login {
            self.logins.take(login);
        }
        if let Some(mut known) = looked.hit {
            self.logins.complete(&mut known.event, &known.record);
            self.gather(*known);
        }
        if let (Some(heuristics), Some(act)) = (&mut self.heuristics, looked.act) {
            heuristics.take(*act);
        }
        if let Some(lateness) = self.options.lateness {
            let until = self.newest.checked_sub(lateness);
            self.count_until(until.unwrap_or(Timestamp::MIN));
        }
        while self.waiting_bytes > self.options.waiting_bytes {
            self.hurried += 1;
            self.count_first();
        }
    }

    fn gather(&mut self, known: Known) {
        let met = Met {
            record: &known.record,
            event: &known.event,
        };
        let mut is_counted = false;
        for hit in &known.hits {
            if self.rules.rule(hit.rule).is_finding {
                self.collected.hit(hit.rule, met);
            }
            is_counted |= self.correlator.counts(hit.rule);
        }
        if !is_counted {
            return;
        }
        if known.record.time < self.counted_until {
            self.late += 1;
            return;
        }
        self.trusts
            .entry(Arc::clone(&known.record.place.source))
            .or_insert(known.record.trust);
        self.waiting_bytes += weight(&known.record.body);
        self.waiting
            .insert((known.record.time, known.record.place.clone()), known);
    }

    fn count_until(&mut self, until: Timestamp) {
        while self
            .waiting
            .first_key_value()
            .is_some_and(|((time, _), _)| *time <= until)
        {
            self.count_first();
        }
        self.counted_until = self.counted_until.max(until);
        if let Some(heuristics) = &mut self.heuristics {
            heuristics.until(until);
        }
    }

    fn count_first(&mut self) {
        let Some(((time, _), known)) = self.waiting.pop_first() else {
            self.waiting_bytes = 0;
            return;
        };
        self.waiting_bytes = self
            .waiting_bytes
            .saturating_sub(weight(&known.record.body));
        self.counted_until = self.counted_until.max(time);
        let met = Met {
            record: &known.record,
            event: &known.event,
        };
        for fired in self.correlator.feed(&known.hits, &known.record) {
            if self.rules.rule(fired.rule).is_finding {
                let rule = fired.rule;
                let counted = self.counted(fired);
                self.collected.counted(rule, met, counted);
            }
        }
    }

    fn counted(&self, fired: Fired) -> Counted {
        let why = sentence(&fired);
        let trust = |place: &RecordPlace| self.trusts.get(&place.source).copied();
        Counted {
            event_count: fired.records.len() as u64 + fired.more,
            trust: fired
                .records
                .iter()
                .filter_map(|it| trust(&it.place))
                .min()
                .unwrap_or(Trust::Unauthenticated),
            events: fired
                .records
                .into_iter()
                .map(|it| EventRef {
                    time: it.time,
                    place: it.place,
                    id: it.id.as_deref().map(str::to_owned),
                    what: self.rules.rule(it.rule).title.clone(),
                })
                .collect(),
            group: fired.group,
            why,
        }
    }

    /// What is new since this was last asked, while records still come. What was quiet for `quiet` is let go: it is told anew
    /// when it comes again.
    pub fn fresh(&mut self, quiet: SignedDuration) -> Vec<Finding> {
        let mut fresh = self.collected.fresh(&self.rules);
        if let Some(heuristics) = &mut self.heuristics {
            fresh.extend(heuristics.fresh(self.newest, quiet));
        }
        if let Ok(before) = self.newest.checked_sub(quiet) {
            self.collected.forget(before);
        }
        fresh
    }

    /// No earlier record is expected: counts all that waits.
    pub fn count_all(&mut self) {
        self.count_until(Timestamp::MAX);
    }

    /// All records were read: counts what waits, and gives what was found, with the heuristics and what they learned. Sources
    /// are the caller's to add.
    pub fn finish(mut self) -> (Detection, Option<Heuristics>) {
        self.count_all();
        let uncounted = self.correlator.uncounted();
        let (mut findings, beyond) = self.collected.finish(&self.rules);
        let mut notices = Vec::new();
        if let Some(heuristics) = &mut self.heuristics {
            let (strange, told) = heuristics.finish();
            findings.extend(strange);
            collect::sort(&mut findings);
            notices.extend(told);
        }
        let mut notice = |count: u64, words: &str| {
            if count > 0 {
                notices.push(format!("{count} {words}"));
            }
        };
        notice(
            self.hurried,
            "records were counted by correlations before all earlier ones had come, since more waited than --memory allows",
        );
        notice(
            uncounted.given_up,
            "hits were given up by correlations before their time, since more were open than --memory allows",
        );
        let detection = Detection {
            suppressed: Vec::new(),
            findings,
            rules: RuleCount {
                loaded: self.rules.all().len(),
                left_out: Vec::new(),
            },
            beyond,
            late: self.late,
            notices,
            from: self.from,
            until: self.from.map(|_| self.newest),
            sources: Vec::new(),
        };
        (detection, self.heuristics)
    }
}

/// `12 counted, with user bob and address 192.0.2.1`.
fn sentence(fired: &Fired) -> String {
    let group: Vec<_> = fired
        .group
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let with = match group.is_empty() {
        true => String::new(),
        false => format!(" with {}", group.join(" and ")),
    };
    format!("{} counted{with}", fired.counted)
}

/// About how many bytes a value holds.
fn weight(value: &Value) -> usize {
    const NODE: usize = 64;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| key.len() + weight(value))
            .sum(),
        _ => 0,
    }
}
