//! Incidents for a person at a terminal.

use std::collections::BTreeSet;

use super::{Names, deed, place, remaining, state, title};
use crate::model::{Finding, Incident, IncidentAct, Level, Seen};
use crate::report::Style;
use crate::report::escape::clipped;
use crate::report::text::{Ink, Page};
use crate::report::words::{counted, number};

const MAX_NAMES: usize = 6;
const MAX_NAME: usize = 200;
const MAX_SENTENCE: usize = 600;
/// Findings, acts and notes that are shown unless all are asked for.
const MAX_SHOWN: usize = 50;
/// Records of a finding.
const MAX_EVENTS: usize = 5;
const LABEL: usize = 9;

/// Writes a list, a block each.
pub fn list(incidents: &[&Incident], style: &Style) -> String {
    let mut page = Page::new(*style);
    if incidents.is_empty() {
        page.line(Ink::Good, "no incidents");
        return page.finish();
    }
    for (at, incident) in incidents.iter().enumerate() {
        if at > 0 {
            page.end();
        }
        head(&mut page, incident);
        names(&mut page, incident);
    }
    page.finish()
}

/// Writes one with its timeline.
pub fn one(incident: &Incident, done: &[IncidentAct], style: &Style) -> String {
    let mut page = Page::new(*style);
    let most = if style.verbose { usize::MAX } else { MAX_SHOWN };
    head(&mut page, incident);
    names(&mut page, incident);
    page.heading(Ink::Title, "Timeline");
    let all = incident.timeline();
    for seen in all.iter().take(most) {
        finding(&mut page, seen);
    }
    let hidden = all.len().saturating_sub(most) + incident.more.len();
    more(&mut page, hidden, "finding", "findings");
    if !done.is_empty() {
        page.heading(Ink::Title, "Done");
        for act in done.iter().take(most) {
            let resource = act.resource.as_deref().unwrap_or("");
            let line = format!(
                "{:.0}  {} {}",
                act.at,
                clipped(resource, MAX_NAME),
                clipped(&act.what, MAX_SENTENCE)
            );
            page.line(Ink::Plain, &format!("  {line}"));
        }
        more(&mut page, done.len().saturating_sub(most), "step", "steps");
    }
    let open: Vec<_> = remaining(incident).collect();
    if !open.is_empty() {
        page.heading(Ink::Title, "Still there when last looked");
        for seen in open.iter().take(most) {
            let what = clipped(place_and_target(&seen.finding), MAX_NAME);
            page.line(Ink::Warn, &format!("  {what}"));
        }
        more(
            &mut page,
            open.len().saturating_sub(most),
            "drift",
            "drifts",
        );
    }
    page.heading(Ink::Title, "History");
    let spare = incident.history.len().saturating_sub(most);
    for note in incident.history.iter().skip(spare) {
        let what = deed(incident, &note.what);
        let run = clipped(&note.run.0, MAX_NAME);
        let line = format!(
            "  {:.0}  {}  ({run})",
            note.at,
            clipped(&what, MAX_SENTENCE)
        );
        page.line(Ink::Plain, &line);
    }
    page.finish()
}

/// What somebody needs to know who closed one.
pub fn closed(incident: &Incident) -> String {
    format!(
        "{} is closed; newer events of its findings would open it again\n",
        incident.id
    )
}

fn head(page: &mut Page, incident: &Incident) {
    let ink = match incident.level() {
        _ if !incident.is_open() => Ink::Faint,
        Some(Level::Critical | Level::High) => Ink::Bad,
        _ => Ink::Warn,
    };
    let level = incident.level().map_or("", Level::name);
    page.put(ink, &format!("{} {} {level}", incident.id, state(incident)));
    let count = counted(incident.count(), "finding", "findings");
    page.put(Ink::Plain, &format!(" · {count}"));
    if let (Some(first), Some(last)) = (incident.first(), incident.last()) {
        page.put(Ink::Plain, &format!(" · {first:.0} to {last:.0}"));
    }
    page.end();
}

fn names(page: &mut Page, incident: &Incident) {
    let names = Names::of(incident);
    let titles: BTreeSet<_> = incident
        .findings
        .values()
        .map(|it| title(&it.finding))
        .collect();
    let related = incident.related.iter().map(String::as_str).collect();
    for (label, all) in [
        ("what", titles),
        ("where", names.places),
        ("who", names.actors),
        ("from", names.addresses),
        ("ATT&CK", names.attack),
        ("related", related),
    ] {
        if !all.is_empty() {
            page.labelled(2, label, LABEL, Ink::Plain, &listed(&all));
        }
    }
}

fn listed(all: &BTreeSet<&str>) -> String {
    let mut shown: Vec<_> = all
        .iter()
        .take(MAX_NAMES)
        .map(|name| clipped(name, MAX_NAME).into_owned())
        .collect();
    if all.len() > MAX_NAMES {
        shown.push(format!("{} more", number(all.len() - MAX_NAMES)));
    }
    shown.join(", ")
}

fn finding(page: &mut Page, seen: &Seen) {
    let finding = &seen.finding;
    let ink = match finding.level {
        Level::Critical | Level::High => Ink::Bad,
        Level::Medium => Ink::Warn,
        Level::Low | Level::Informational => Ink::Plain,
    };
    let gone = if seen.gone { ", gone" } else { "" };
    let when = match finding.first {
        Some(first) => format!("{first:.0}"),
        None => format!("seen {:.0}", seen.seen),
    };
    let line = format!(
        "  {when}  {} {}{gone}",
        finding.level,
        clipped(title(finding), MAX_NAME)
    );
    page.line(ink, &line);
    let what = clipped(place_and_target(finding), MAX_NAME);
    page.labelled(4, "what", LABEL, Ink::Plain, &what);
    if let Some(actor) = &finding.actor {
        let mut who = clipped(&actor.name, MAX_NAME).into_owned();
        if let Some(original) = &actor.original {
            who.push_str(&format!(", who was {}", clipped(original, MAX_NAME)));
        }
        page.labelled(4, "who", LABEL, Ink::Plain, &who);
    }
    if !finding.addresses.is_empty() {
        let from = finding.addresses.iter().map(String::as_str).collect();
        page.labelled(4, "from", LABEL, Ink::Plain, &listed(&from));
    }
    for sentence in finding.evidence.iter().take(MAX_EVENTS) {
        let sentence = clipped(sentence, MAX_SENTENCE);
        page.labelled(4, "why", LABEL, Ink::Plain, &sentence);
    }
    for event in finding.events.iter().take(MAX_EVENTS) {
        let id = match &event.id {
            Some(id) => format!(" {}", clipped(id, MAX_NAME)),
            None => String::new(),
        };
        let line = format!(
            "{} {}{id} ({}:{})",
            event.time,
            clipped(&event.what, MAX_NAME),
            clipped(&event.place.source, MAX_NAME),
            event.place.line
        );
        page.labelled(4, "event", LABEL, Ink::Faint, &line);
    }
    let hidden = finding
        .event_count
        .saturating_sub(finding.events.len().min(MAX_EVENTS) as u64);
    if hidden > 0 {
        let line = format!("{} more", number(hidden));
        page.labelled(4, "event", LABEL, Ink::Faint, &line);
    }
}

/// The resource, or the object and where it is.
fn place_and_target(finding: &Finding) -> &str {
    match finding.targets.get(1) {
        Some(object) if finding.resource.is_none() => object,
        _ if finding.resource.is_some() => finding.targets.first().map_or("", String::as_str),
        _ => place(finding),
    }
}

fn more(page: &mut Page, hidden: usize, one: &str, many: &str) {
    if hidden > 0 {
        let line = format!(
            "  {} more; -v shows all that is kept",
            counted(hidden, one, many)
        );
        page.line(Ink::Faint, &line);
    }
}
