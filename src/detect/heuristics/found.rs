//! What heuristics told, gathered into findings: one for each heuristic, who and place.
//!
//! **Invariant:** memory is bounded. What is beyond is counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::seen::Act;
use super::strange::{Strange, Who};
use crate::model::{Actor, Confidence, EventRef, Finding, FindingSource, Heuristic, Trust};

/// The most findings of one heuristic.
const MAX_FINDINGS: usize = 2_000;
/// The most sentences, targets and addresses that one names.
const MAX_NAMES: usize = 20;
/// The most records that one names.
const MAX_EVENTS: usize = 200;

/// What makes two of them one finding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    heuristic: Heuristic,
    who: String,
    scope: String,
}

#[derive(Clone)]
struct Gathered {
    actor: Option<Actor>,
    trust: Trust,
    score: f64,
    threshold: f64,
    budget: u32,
    /// By reason: the highest score, and the sentence of it.
    why: BTreeMap<String, (f64, String)>,
    targets: BTreeSet<String>,
    addresses: BTreeSet<String>,
    events: BTreeSet<EventRef>,
    event_count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Findings while they are gathered.
#[derive(Default)]
pub struct Found {
    found: BTreeMap<Cause, Gathered>,
    of: BTreeMap<Heuristic, usize>,
    fresh: Vec<Cause>,
    beyond: u64,
}

impl Found {
    /// Adds something strange that was above a threshold.
    pub fn add(
        &mut self,
        heuristic: Heuristic,
        act: &Act,
        strange: Strange,
        threshold: f64,
        budget: u32,
    ) {
        let cause = Cause {
            heuristic,
            who: who(act, strange.who).to_owned(),
            scope: act.scope.clone(),
        };
        if !self.found.contains_key(&cause) {
            let of = self.of.entry(heuristic).or_default();
            if *of >= MAX_FINDINGS {
                self.beyond += 1;
                return;
            }
            *of += 1;
            self.fresh.push(cause.clone());
        }
        let is_actors = strange.who == Who::Actor && !act.event.actor.name.is_empty();
        let gathered = self.found.entry(cause).or_insert_with(|| Gathered {
            actor: is_actors.then(|| act.event.actor.clone()),
            trust: act.trust,
            score: 0.0,
            threshold,
            budget,
            why: BTreeMap::new(),
            targets: BTreeSet::new(),
            addresses: BTreeSet::new(),
            events: BTreeSet::new(),
            event_count: 0,
            first: act.time,
            last: act.time,
        });
        gathered.take(act, strange, threshold);
    }

    /// How many were beyond the bound.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Those that are new since this was last asked.
    pub fn fresh(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.fresh)
            .into_iter()
            .filter_map(|cause| Some(finding(&cause, self.found.get(&cause)?.clone())))
            .collect()
    }

    /// Lets go of those whose last record is older.
    pub fn forget(&mut self, before: Timestamp) {
        let of = &mut self.of;
        self.found.retain(|cause, gathered| {
            let stays = gathered.last >= before;
            if !stays && let Some(count) = of.get_mut(&cause.heuristic) {
                *count -= 1;
            }
            stays
        });
    }

    pub fn finish(self) -> Vec<Finding> {
        let found = self.found.into_iter();
        found
            .map(|(cause, gathered)| finding(&cause, gathered))
            .collect()
    }
}

/// The name of whom something is told of.
pub fn who(act: &Act, who: Who) -> &str {
    let address = act.event.addresses.last().map(String::as_str);
    match who {
        Who::Actor => &act.event.actor.name,
        Who::Address => address.unwrap_or(&act.event.actor.name),
    }
}

impl Gathered {
    fn take(&mut self, act: &Act, strange: Strange, threshold: f64) {
        self.trust = self.trust.min(act.trust);
        let reason = strange.why.reason();
        let sentence = || (strange.score, strange.why.to_string());
        let has_room = self.why.len() < MAX_NAMES;
        match self.why.get_mut(&reason) {
            Some(known) if known.0 < strange.score => *known = sentence(),
            Some(_) => {}
            None if has_room => {
                self.why.insert(reason, sentence());
            }
            None => {}
        }
        if strange.score > self.score {
            self.score = strange.score;
            self.threshold = threshold;
        }
        if let Some(object) = &act.event.object
            && self.targets.len() < MAX_NAMES
        {
            self.targets
                .insert(format!("{}/{}", object.kind, object.name));
        }
        if self.addresses.len() < MAX_NAMES {
            self.addresses.extend(act.event.addresses.iter().cloned());
        }
        self.event_count += 1 + strange.before.len() as u64;
        for event in strange.before.into_iter().chain([act.reference()]) {
            self.first = self.first.min(event.time);
            self.last = self.last.max(event.time);
            if self.events.len() < MAX_EVENTS {
                self.events.insert(event);
            }
        }
    }
}

fn finding(cause: &Cause, gathered: Gathered) -> Finding {
    let heuristic = cause.heuristic;
    let indicator = heuristic.indicator();
    let fingerprint = Finding::fingerprint(indicator, Some(&cause.who), &cause.scope);
    let mut targets: Vec<_> = gathered.targets.into_iter().collect();
    targets.retain(|target| *target != cause.scope);
    targets.insert(0, cause.scope.clone());
    let mut why: Vec<_> = gathered.why.into_values().collect();
    why.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut evidence: Vec<_> = why.into_iter().map(|(_, sentence)| sentence).collect();
    let (score, budget) = (gathered.score, gathered.budget);
    evidence.push(match gathered.threshold {
        0.0 => format!("the score is {score:.1}; what was learned kept to its budget of {budget} a day by itself"),
        threshold => format!(
            "the score is {score:.1}; {threshold:.1} keeps what was learned to its budget of {budget} a day"
        ),
    });
    Finding {
        id: Finding::id_of(&fingerprint),
        source: FindingSource::Heuristic,
        rule: None,
        indicator: indicator.to_owned(),
        level: heuristic.level(),
        confidence: match heuristic {
            _ if gathered.trust == Trust::Unauthenticated => Confidence::Low,
            Heuristic::FailedThenSuccess | Heuristic::ImpossibleTravel => Confidence::Medium,
            _ => Confidence::Low,
        },
        trust: gathered.trust,
        resource: None,
        targets,
        actor: gathered.actor,
        addresses: gathered.addresses.into_iter().collect(),
        events: gathered.events.into_iter().collect(),
        event_count: gathered.event_count,
        attack: vec![heuristic.attack().to_owned()],
        controls: Vec::new(),
        evidence,
        first: Some(gathered.first),
        last: Some(gathered.last),
        fingerprint,
        incident: None,
    }
}
