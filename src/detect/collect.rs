//! Hits gathered into findings: one for each rule, actor and place.
//!
//! **Invariant:** memory is bounded whatever is logged. What is beyond a bound is counted, and said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::sigma::{Rule, RuleIndex, Rules};
use crate::model::{
    Actor, Beyond, Confidence, Event, EventRef, Finding, FindingSource, Level, Record, RuleRef,
    Trust,
};

/// Bounds on what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Findings in all.
    pub findings: usize,
    /// Findings of one rule, so that a flood that meets one does not hide the others.
    pub of_one_rule: usize,
    /// Targets and addresses that one finding names.
    pub names: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            findings: 50_000,
            of_one_rule: 5_000,
            names: 100,
        }
    }
}

/// How many sentences a finding says.
const MAX_SENTENCES: usize = 10;

/// What a rule without a level counts as.
pub const LEVEL: Level = Level::Medium;

/// What makes two hits one finding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    rule: RuleIndex,
    /// The actor, or what the records of a correlation have in common.
    by: String,
    scope: String,
}

#[derive(Clone)]
struct Gathered {
    actor: Option<Actor>,
    trust: Trust,
    targets: BTreeSet<String>,
    addresses: BTreeSet<String>,
    events: BTreeSet<EventRef>,
    event_count: u64,
    first: Timestamp,
    last: Timestamp,
    evidence: BTreeSet<String>,
    is_correlation: bool,
}

/// Findings while they are gathered.
pub struct Collected {
    bounds: Bounds,
    found: BTreeMap<Cause, Gathered>,
    by_rule: BTreeMap<RuleIndex, usize>,
    /// Hits that would have been findings of their own beyond the bound.
    beyond: BTreeMap<RuleIndex, u64>,
    /// What was found since it was last asked for.
    fresh: Vec<Cause>,
}

/// A record, and what it means.
#[derive(Clone, Copy)]
pub struct Met<'a> {
    pub record: &'a Record,
    pub event: &'a Event,
}

/// A correlation that came true with a record.
pub struct Counted {
    /// What its records have in common: names and values.
    pub group: Vec<(String, String)>,
    /// The records that made it so, and how many there are in all.
    pub events: Vec<EventRef>,
    pub event_count: u64,
    /// Of the least believed of them.
    pub trust: Trust,
    /// A sentence.
    pub why: String,
}

impl Collected {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            found: BTreeMap::new(),
            by_rule: BTreeMap::new(),
            beyond: BTreeMap::new(),
            fresh: Vec::new(),
        }
    }

    /// Adds a record that met a rule.
    pub fn hit(&mut self, rule: RuleIndex, met: Met<'_>) {
        let cause = Cause {
            rule,
            by: met.event.actor.name.clone(),
            scope: scope(met.record),
        };
        let actor = Some(&met.event.actor).filter(|actor| !actor.name.is_empty());
        let Some(gathered) = self.place(cause, met, actor, false) else {
            return;
        };
        gathered.trust = gathered.trust.min(met.record.trust);
        gathered.event_count += 1;
        // Most hits of a flood are later than all that will be named.
        match gathered.has_room_at(met.record.time) {
            true => gathered.name(reference(met)),
            false => gathered.last = gathered.last.max(met.record.time),
        }
    }

    /// Adds a correlation that came true with the record that made it so.
    pub fn counted(&mut self, rule: RuleIndex, met: Met<'_>, counted: Counted) {
        let values = counted.group.iter().map(|(_, value)| value.as_str());
        let cause = Cause {
            rule,
            by: values.collect::<Vec<_>>().join("\u{1f}"),
            scope: scope(met.record),
        };
        // Who did the last of it did all of it only if that is what its records have in common.
        let actor = &met.event.actor;
        let own = [
            Some(&actor.name),
            actor.original.as_ref(),
            actor.session.as_ref(),
        ];
        let is_common = own
            .into_iter()
            .flatten()
            .any(|own| !own.is_empty() && counted.group.iter().any(|(_, value)| value == own));
        let Some(gathered) = self.place(cause, met, is_common.then_some(actor), true) else {
            return;
        };
        gathered.trust = gathered.trust.min(counted.trust);
        gathered.event_count += counted.event_count;
        gathered.evidence.insert(counted.why);
        for event in counted.events {
            gathered.name(event);
        }
    }

    /// Where a cause is gathered; none beyond the bounds, which is counted.
    fn place(
        &mut self,
        cause: Cause,
        met: Met<'_>,
        actor: Option<&Actor>,
        is_correlation: bool,
    ) -> Option<&mut Gathered> {
        if !self.found.contains_key(&cause) {
            let of_rule = self.by_rule.entry(cause.rule).or_default();
            if *of_rule >= self.bounds.of_one_rule || self.found.len() >= self.bounds.findings {
                *self.beyond.entry(cause.rule).or_default() += 1;
                return None;
            }
            *of_rule += 1;
            self.fresh.push(cause.clone());
        }
        let most = self.bounds.names;
        let gathered = self.found.entry(cause).or_insert_with(|| Gathered {
            actor: actor.cloned(),
            trust: met.record.trust,
            targets: BTreeSet::new(),
            addresses: BTreeSet::new(),
            events: BTreeSet::new(),
            event_count: 0,
            first: met.record.time,
            last: met.record.time,
            evidence: BTreeSet::new(),
            is_correlation,
        });
        if let Some(object) = &met.event.object
            && gathered.targets.len() < most
        {
            let name = format!("{}/{}", object.kind, object.name);
            gathered.targets.insert(name);
        }
        for address in &met.event.addresses {
            if gathered.addresses.len() < most && !gathered.addresses.contains(address) {
                gathered.addresses.insert(address.clone());
            }
        }
        Some(gathered)
    }

    /// The findings that are new since this was last asked, as they are now.
    pub fn fresh(&mut self, rules: &Rules) -> Vec<Finding> {
        std::mem::take(&mut self.fresh)
            .into_iter()
            .filter_map(|cause| {
                let gathered = self.found.get(&cause)?.clone();
                Some(finding(rules.rule(cause.rule), &cause, gathered))
            })
            .collect()
    }

    /// Lets go of findings whose last record is older than this; what comes later is a finding anew.
    pub fn forget(&mut self, before: Timestamp) {
        let by_rule = &mut self.by_rule;
        self.found.retain(|cause, gathered| {
            let stays = gathered.last >= before;
            if !stays && let Some(count) = by_rule.get_mut(&cause.rule) {
                *count -= 1;
            }
            stays
        });
    }

    /// The findings, worst first, then by time; and what was beyond the bounds, by rule.
    pub fn finish(self, rules: &Rules) -> (Vec<Finding>, Vec<Beyond>) {
        let mut findings: Vec<_> = self
            .found
            .into_iter()
            .map(|(cause, gathered)| finding(rules.rule(cause.rule), &cause, gathered))
            .collect();
        sort(&mut findings);
        let beyond = self
            .beyond
            .into_iter()
            .map(|(rule, hits)| Beyond {
                rule: rule_ref(rules.rule(rule)),
                hits,
            })
            .collect();
        (findings, beyond)
    }
}

/// Worst first, then by time.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.level, a.first, &a.fingerprint).cmp(&(a.level, b.first, &b.fingerprint))
    });
}

impl Gathered {
    /// Whether a record of this time may be among those that are named.
    fn has_room_at(&self, time: Timestamp) -> bool {
        let is_full = self.events.len() >= Finding::MAX_EVENTS;
        !is_full || self.events.last().is_none_or(|last| time <= last.time)
    }

    fn name(&mut self, event: EventRef) {
        self.first = self.first.min(event.time);
        self.last = self.last.max(event.time);
        self.events.insert(event);
        if self.events.len() > Finding::MAX_EVENTS {
            self.events.pop_last();
        }
        while self.evidence.len() > MAX_SENTENCES {
            self.evidence.pop_last();
        }
    }
}

/// The record as a finding names it.
fn reference(met: Met<'_>) -> EventRef {
    EventRef {
        id: met.record.id.as_deref().map(str::to_owned),
        time: met.record.time,
        place: met.record.place.clone(),
        what: met.event.action.clone(),
    }
}

/// Where it happened: the host, the account, the cluster's log.
pub(super) fn scope(record: &Record) -> String {
    let account = record.body.get("recipientAccountId");
    match (&record.host, account.and_then(serde_json::Value::as_str)) {
        (Some(host), _) => format!("host/{host}"),
        (None, Some(account)) => format!("AWS::Account/{account}"),
        (None, None) => record.format.name().to_owned(),
    }
}

fn rule_ref(rule: &Rule) -> RuleRef {
    RuleRef {
        id: rule.id.clone(),
        title: rule.title.clone(),
    }
}

fn finding(rule: &Rule, cause: &Cause, gathered: Gathered) -> Finding {
    let fingerprint = Finding::fingerprint(rule.key(), Some(&cause.by), &cause.scope);
    let mut targets: Vec<_> = gathered.targets.into_iter().collect();
    targets.retain(|target| *target != cause.scope);
    targets.insert(0, cause.scope.clone());
    let controls = rule.attributes.get("controls").cloned().unwrap_or_default();
    Finding {
        id: Finding::id_of(&fingerprint),
        source: match gathered.is_correlation {
            true => FindingSource::Correlation,
            false => FindingSource::Rule,
        },
        rule: Some(rule_ref(rule)),
        indicator: indicator(&rule.title),
        level: rule.level.unwrap_or(LEVEL),
        confidence: confidence(rule, gathered.trust),
        trust: gathered.trust,
        resource: None,
        targets,
        actor: gathered.actor,
        addresses: gathered.addresses.into_iter().collect(),
        events: gathered.events.into_iter().collect(),
        event_count: gathered.event_count,
        attack: rule.attack().collect(),
        controls,
        evidence: gathered.evidence.into_iter().collect(),
        first: Some(gathered.first),
        last: Some(gathered.last),
        fingerprint,
        incident: None,
    }
}

/// A title in the form of an indicator's name.
fn indicator(title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// How sure: by what its author says of the rule, and never more than the source allows.
fn confidence(rule: &Rule, trust: Trust) -> Confidence {
    let by_status = match rule.status.as_deref() {
        Some("stable") => Confidence::High,
        Some("test") => Confidence::Medium,
        _ => Confidence::Low,
    };
    match trust {
        Trust::Unauthenticated => Confidence::Low,
        Trust::HostWritten => by_status.min(Confidence::Medium),
        Trust::Authenticated => by_status,
    }
}
