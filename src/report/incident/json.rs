//! Incidents as JSON, version 1.

use jiff::Timestamp;
use serde::Serialize;

use super::Names;
use crate::model::{Finding, Incident, IncidentAct, IncidentNote, IncidentState, Level};
use crate::report::escape;

#[derive(Serialize)]
struct Summary<'a> {
    id: &'a str,
    state: IncidentState,
    level: Option<Level>,
    opened: Timestamp,
    /// The times of the first and the last event; of a drift, when it was seen.
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Findings in all.
    count: usize,
    /// Those of them of which only the fingerprint is kept.
    beyond: usize,
    places: Vec<&'a str>,
    actors: Vec<&'a str>,
    addresses: Vec<&'a str>,
    attack: Vec<&'a str>,
    related: Vec<&'a str>,
}

#[derive(Serialize)]
struct Entry<'a> {
    seen: Timestamp,
    gone: bool,
    #[serde(flatten)]
    finding: &'a Finding,
}

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    incidents: Vec<Summary<'a>>,
}

#[derive(Serialize)]
struct Whole<'a> {
    version: u32,
    #[serde(flatten)]
    summary: Summary<'a>,
    findings: Vec<Entry<'a>>,
    history: &'a [IncidentNote],
    done: &'a [IncidentAct],
}

/// Writes a list.
pub fn list(incidents: &[&Incident]) -> String {
    written(&List {
        version: 1,
        incidents: incidents.iter().map(|it| summary(it)).collect(),
    })
}

/// Writes one with all that is known of it; its findings in the order of time.
pub fn one(incident: &Incident, done: &[IncidentAct]) -> String {
    let entry = |seen: &crate::model::Seen| (seen.seen, seen.gone);
    let findings = incident.timeline().into_iter().map(|it| {
        let (seen, gone) = entry(it);
        Entry {
            seen,
            gone,
            finding: &it.finding,
        }
    });
    written(&Whole {
        version: 1,
        summary: summary(incident),
        findings: findings.collect(),
        history: &incident.history,
        done,
    })
}

fn summary(incident: &Incident) -> Summary<'_> {
    let names = Names::of(incident);
    Summary {
        id: &incident.id,
        state: incident.state,
        level: incident.level(),
        opened: incident.opened,
        first: incident.first(),
        last: incident.last(),
        count: incident.count(),
        beyond: incident.more.len(),
        places: names.places.into_iter().collect(),
        actors: names.actors.into_iter().collect(),
        addresses: names.addresses.into_iter().collect(),
        attack: names.attack.into_iter().collect(),
        related: incident.related.iter().map(String::as_str).collect(),
    }
}

fn written(document: &impl Serialize) -> String {
    // Plain strings and numbers cannot fail to be written.
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    escape::json(&format!("{text}\n"))
}
