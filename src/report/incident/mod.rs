//! Incidents in every form: for a terminal, for programs, and as a report that is handed on.
//!
//! **Invariant:** no text of a log or of a live system is written unescaped.

pub mod json;
pub mod markdown;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeSet;

use crate::model::{Finding, Incident, IncidentDeed, IncidentState, Seen};

use super::words::counted;

/// What the findings of an incident name, each once.
#[derive(Default)]
struct Names<'a> {
    actors: BTreeSet<&'a str>,
    addresses: BTreeSet<&'a str>,
    places: BTreeSet<&'a str>,
    attack: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(incident: &'a Incident) -> Self {
        let mut names = Self::default();
        for Seen { finding, .. } in incident.findings.values() {
            names.places.insert(match &finding.resource {
                Some(resource) => &resource.target.0,
                None => place(finding),
            });
            let actor = finding.actor.iter();
            let all = actor.flat_map(|it| [Some(&it.name), it.original.as_ref()]);
            names.actors.extend(
                all.flatten()
                    .map(String::as_str)
                    .filter(|it| !it.is_empty()),
            );
            names
                .addresses
                .extend(finding.addresses.iter().map(String::as_str));
            names
                .attack
                .extend(finding.attack.iter().map(String::as_str));
        }
        names
    }
}

/// The host, the account or the log that a finding is of.
fn place(finding: &Finding) -> &str {
    let first = finding.targets.first().map_or("", String::as_str);
    first.strip_prefix("host/").unwrap_or(first)
}

fn title(finding: &Finding) -> &str {
    finding
        .rule
        .as_ref()
        .map_or(&finding.indicator, |rule| &rule.title)
}

fn state(incident: &Incident) -> &'static str {
    match incident.state {
        IncidentState::Open => "open",
        IncidentState::Closed => "closed",
    }
}

/// What happened to an incident as a sentence, unescaped.
fn deed(incident: &Incident, deed: &IncidentDeed) -> String {
    let findings = |count: &usize| counted(*count, "finding", "findings");
    match deed {
        IncidentDeed::Opened { findings: count } => format!("opened with {}", findings(count)),
        IncidentDeed::Grew { findings: count } => {
            format!("{}, new or with newer events", findings(count))
        }
        IncidentDeed::Gone { findings: count } => {
            format!("what {} told of is not there any more", findings(count))
        }
        IncidentDeed::Closed { reason } => format!("closed: {reason}"),
        IncidentDeed::Reopened { because } => match incident.findings.get(because) {
            Some(seen) => format!("opened again by {}", title(&seen.finding)),
            None => "opened again".to_owned(),
        },
    }
}

/// What still differs: the findings on resources whose drift was not seen to be gone.
fn remaining(incident: &Incident) -> impl Iterator<Item = &Seen> {
    let all = incident.timeline().into_iter();
    all.filter(|seen| seen.finding.resource.is_some() && !seen.gone)
}
