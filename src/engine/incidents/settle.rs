//! What a run's findings make of the incidents that there are.
//!
//! **Invariant:** a plain function of both and the time; a finding that is known and says nothing newer changes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::{
    Added, Change, INCIDENT_GONE, INCIDENT_GREW, INCIDENT_OPENED, INCIDENT_REOPENED, Incidents,
};
use crate::detect::incidents::{self, Open};
use crate::model::{Comparison, Finding, Incident, Level, TargetInfo};

/// How many incidents one run opens.
const MAX_NEW: usize = 100;
/// How much of a finding an incident keeps.
const MAX_EVENTS: usize = 20;
const MAX_NAMES: usize = 20;
const MAX_TEXT: usize = 500;
/// How many bytes of findings one run records; beyond it findings are known by fingerprint alone.
const MAX_BYTES: usize = 16 << 20;

/// What came of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settled {
    pub changes: Vec<Change>,
    /// What every reader has to see.
    pub notices: Vec<String>,
}

impl Incidents {
    /// Says of each finding which incident it belongs to, and what has to be recorded of that.
    pub fn settle(&self, findings: &mut [Finding], now: Timestamp) -> Settled {
        let mut again: BTreeMap<&str, &str> = BTreeMap::new();
        let mut free = Vec::new();
        for (at, finding) in findings.iter().enumerate() {
            match self.of(finding) {
                Some(incident) if !incident.is_open() && !is_newer(incident, finding) => {}
                Some(incident) => {
                    if !incident.is_open() {
                        again.entry(&incident.id).or_insert(&finding.fingerprint);
                    }
                    free.push(at);
                }
                None => free.push(at),
            }
        }
        let again: BTreeMap<String, String> = again
            .into_iter()
            .map(|(id, because)| (id.to_owned(), because.to_owned()))
            .collect();
        let loose: Vec<Finding> = free.iter().map(|at| findings[*at].clone()).collect();
        let groups = self.group(&loose, &again, now);
        let mut settled = Settled::default();
        let (new, known): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.is_new);
        for finding in findings.iter_mut() {
            finding.incident = self.of(finding).map(|incident| incident.id.clone());
        }
        let opened = opened(new, &loose, &mut settled.notices);
        let mut budget = MAX_BYTES;
        for group in known.iter().chain(&opened) {
            for at in &group.members {
                findings[free[*at]].incident = Some(group.incident.clone());
            }
            let because = again.get(&group.incident);
            settled
                .changes
                .extend(self.change(group, &loose, because, &mut budget));
        }
        settled
    }

    /// What is recorded when drifts that incidents know are not there any more: those of targets that were looked at.
    pub fn gone(
        &self,
        comparison: &Comparison,
        targets: &[TargetInfo],
        still: &[Finding],
    ) -> Vec<Change> {
        let still: BTreeSet<_> = still.iter().map(|it| it.fingerprint.as_str()).collect();
        let unseen = &comparison.not_evaluated;
        let is_gone = |finding: &Finding| {
            let Some(resource) = &finding.resource else {
                return false;
            };
            let is_looked_at = targets.iter().any(|it| it.name == resource.target);
            // What git does not list was found in a listing; which one that was, nobody may know any more.
            let is_listed = !resource.name.starts_with('/');
            let mut unseen = unseen
                .iter()
                .filter(|it| it.resource.target == resource.target);
            let is_unseen = unseen.any(|it| !is_listed || it.resource == *resource);
            is_looked_at && !is_unseen && !still.contains(finding.fingerprint.as_str())
        };
        let each = self.all.values().filter_map(|incident| {
            let gone: BTreeSet<_> = incident
                .findings
                .values()
                .filter(|seen| !seen.gone && is_gone(&seen.finding))
                .map(|seen| &seen.finding.fingerprint)
                .collect();
            (!gone.is_empty()).then(|| Change {
                kind: INCIDENT_GONE,
                payload: json!({"incident": incident.id, "fingerprints": gone}),
            })
        });
        each.collect()
    }

    fn of(&self, finding: &Finding) -> Option<&Incident> {
        self.all.get(self.of.get(&finding.fingerprint)?)
    }

    /// Groups findings with all that is open, or will be.
    fn group(
        &self,
        loose: &[Finding],
        again: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Vec<incidents::Group> {
        let live = self.all.values();
        let live = live.filter(|it| it.is_open() || again.contains_key(&it.id));
        let held: Vec<(&Incident, Vec<_>)> = live
            .map(|it| {
                let findings = it.findings.values();
                (
                    it,
                    findings.map(|seen| (seen.seen, &seen.finding)).collect(),
                )
            })
            .collect();
        let open: Vec<_> = held
            .iter()
            .map(|(incident, findings)| Open {
                id: &incident.id,
                opened: incident.opened,
                findings,
            })
            .collect();
        incidents::group(loose, &open, now)
    }

    /// What a group adds to its incident; none where all of it is known.
    fn change(
        &self,
        group: &incidents::Group,
        loose: &[Finding],
        because: Option<&String>,
        budget: &mut usize,
    ) -> Option<Change> {
        let incident = self.all.get(&group.incident);
        let mut new: Vec<&Finding> = group
            .members
            .iter()
            .map(|at| &loose[*at])
            .filter(|finding| incident.is_none_or(|it| is_news(it, finding)))
            .collect();
        let related = match incident {
            None => group.related.clone(),
            Some(it) if it.related.len() >= Incident::MAX_RELATED => BTreeSet::new(),
            Some(it) => group.related.difference(&it.related).cloned().collect(),
        };
        if new.is_empty() && related.is_empty() && because.is_none() {
            return None;
        }
        new.sort_by_key(|it| (Reverse(it.level), it.first, &it.fingerprint));
        let mut added = Added {
            incident: group.incident.clone(),
            related,
            because: because.cloned(),
            ..Added::default()
        };
        let mut room = Incident::MAX_FINDINGS - incident.map_or(0, |it| it.findings.len());
        let mut more = Incident::MAX_MORE - incident.map_or(0, |it| it.more.len());
        for finding in new {
            let is_whole =
                incident.is_some_and(|it| it.findings.contains_key(&finding.fingerprint));
            let is_counted = incident.is_some_and(|it| it.more.contains_key(&finding.fingerprint));
            let kept = (is_whole || (room > 0 && !is_counted))
                .then(|| within(budget, kept(finding)))
                .flatten();
            if let Some(kept) = kept {
                room -= usize::from(!is_whole);
                added.findings.push(kept);
            } else if !is_whole && (is_counted || more > 0) {
                more -= usize::from(!is_counted);
                added.more.insert(finding.fingerprint.clone(), finding.last);
            }
        }
        let is_empty = added.findings.is_empty() && added.more.is_empty();
        if is_empty && added.related.is_empty() && because.is_none() {
            return None;
        }
        let kind = match (incident, because) {
            (None, _) => INCIDENT_OPENED,
            (Some(_), Some(_)) => INCIDENT_REOPENED,
            (Some(_), None) => INCIDENT_GREW,
        };
        Some(Change {
            kind,
            payload: serde_json::to_value(added).expect("findings are plain data"),
        })
    }
}

/// The groups that open an incident, the worst first where they are too many.
fn opened(
    mut new: Vec<incidents::Group>,
    loose: &[Finding],
    notices: &mut Vec<String>,
) -> Vec<incidents::Group> {
    let worst = |group: &incidents::Group| {
        let levels = group.members.iter().map(|at| loose[*at].level);
        levels.max().unwrap_or(Level::Informational)
    };
    new.retain(|group| worst(group) >= incidents::OPENS);
    new.sort_by_cached_key(|group| (Reverse(worst(group)), group.incident.clone()));
    if new.len() > MAX_NEW {
        notices.push(format!(
            "{} more incidents would be open; one run opens the {MAX_NEW} worst, and the findings of the others are in this \
             report without one",
            new.len() - MAX_NEW
        ));
        new.truncate(MAX_NEW);
    }
    new
}

/// Whether a finding of an incident is more than was known of it: what differed came back, or there are newer events.
///
/// Known is what there was until it was recorded: an event that claims to be of a later time makes none that follow old.
fn is_newer(incident: &Incident, finding: &Finding) -> bool {
    let Some(seen) = incident.findings.get(&finding.fingerprint) else {
        return match incident.more.get(&finding.fingerprint) {
            Some(until) => finding.last > *until,
            None => true,
        };
    };
    let known = &seen.finding;
    let until = known.last.map_or(seen.updated, |it| it.min(seen.updated));
    let times = finding.events.iter().map(|event| event.time);
    let is_later = times.chain(finding.last).any(|time| time > until);
    let claims = known.last.is_some_and(|last| last > seen.updated);
    let differs = finding.last != known.last || finding.event_count > known.event_count;
    seen.gone || (is_later && (!claims || differs))
}

/// As [`is_newer`], and whether it is worse by now, or somebody's.
fn is_news(incident: &Incident, finding: &Finding) -> bool {
    let seen = incident.findings.get(&finding.fingerprint);
    let is_more = |known: &Finding| {
        known.level < finding.level || (known.actor.is_none() && finding.actor.is_some())
    };
    is_newer(incident, finding) || seen.is_some_and(|it| is_more(&it.finding))
}

/// A finding as an incident keeps it.
fn kept(finding: &Finding) -> Finding {
    let mut finding = finding.clone();
    finding.incident = None;
    finding.events.truncate(MAX_EVENTS);
    for names in [&mut finding.targets, &mut finding.addresses] {
        names.truncate(MAX_NAMES);
        names.iter_mut().for_each(clip);
    }
    finding.evidence.truncate(MAX_NAMES);
    finding.evidence.iter_mut().for_each(clip);
    finding.attack.truncate(MAX_NAMES);
    finding.controls.truncate(MAX_NAMES);
    for event in &mut finding.events {
        clip(&mut event.what);
        event.id.as_mut().map(clip);
    }
    if let Some(actor) = &mut finding.actor {
        clip(&mut actor.name);
        for name in [&mut actor.original, &mut actor.session, &mut actor.agent] {
            name.as_mut().map(clip);
        }
    }
    finding
}

/// The finding, where there is room for it.
fn within(budget: &mut usize, finding: Finding) -> Option<Finding> {
    let size = serde_json::to_vec(&finding).map_or(usize::MAX, |json| json.len());
    *budget = budget.checked_sub(size)?;
    Some(finding)
}

fn clip(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(at);
    }
}

/// A finding with what is known of it by now: the events of both, and the worse level.
pub(super) fn together(before: &Finding, now: Finding) -> Finding {
    let mut both = now;
    both.level = both.level.max(before.level);
    both.first = [before.first, both.first].into_iter().flatten().min();
    both.last = before.last.max(both.last);
    both.event_count = both.event_count.max(before.event_count);
    let events: BTreeSet<_> = before.events.iter().chain(&both.events).cloned().collect();
    // The first ones say how it began, the last ones what it has come to.
    let spare = events.len().saturating_sub(MAX_EVENTS);
    let (head, tail) = (MAX_EVENTS / 2, MAX_EVENTS / 2 + spare);
    both.events = events
        .into_iter()
        .enumerate()
        .filter(|(at, _)| *at < head || *at >= tail)
        .map(|(_, event)| event)
        .collect();
    for (all, known) in [
        (&mut both.targets, &before.targets),
        (&mut both.addresses, &before.addresses),
    ] {
        for name in known {
            if all.len() < MAX_NAMES && !all.contains(name) {
                all.push(name.clone());
            }
        }
    }
    both.actor = both.actor.or_else(|| before.actor.clone());
    both
}
