//! The report of an incident that a person hands on, as Markdown.
//!
//! **Invariant:** bounded in length; every text of a log or a system is without meaning in Markdown.

use std::collections::BTreeSet;

use super::{Names, deed, place, remaining, state, title};
use crate::model::{Finding, Incident, IncidentAct, Level, Seen};
use crate::report::escape::{clipped, markdown, markdown_code};
use crate::report::words::{counted, number};

const MAX_NAMES: usize = 50;
const MAX_NAME: usize = 200;
const MAX_SENTENCE: usize = 600;
/// Rows of each table.
const MAX_ROWS: usize = 500;
/// Beyond this no finding is added.
const MAX_BYTES: usize = 1 << 20;
/// Records of a finding.
const MAX_EVENTS: usize = 10;

/// Writes the whole report.
pub fn render(incident: &Incident, done: &[IncidentAct]) -> String {
    let mut out = String::new();
    head(&mut out, incident);
    timeline(&mut out, incident);
    acts(&mut out, done);
    open(&mut out, incident);
    history(&mut out, incident);
    findings(&mut out, incident);
    out
}

fn head(out: &mut String, incident: &Incident) {
    let names = Names::of(incident);
    out.push_str(&format!("# Incident {}\n\n", code(&incident.id)));
    let mut line = format!(
        "**{}**, {}, {}",
        state(incident),
        incident.level().map_or("", Level::name),
        counted(incident.count(), "finding", "findings")
    );
    if let (Some(first), Some(last)) = (incident.first(), incident.last()) {
        line.push_str(&format!(", from {first:.0} to {last:.0}"));
    }
    out.push_str(&format!("{line}.\n\n"));
    out.push_str("| | |\n|---|---|\n");
    let related = incident.related.iter().map(String::as_str).collect();
    for (label, all) in [
        ("Hosts, accounts, clusters", names.places),
        ("Actors", names.actors),
        ("Addresses", names.addresses),
        ("ATT&amp;CK", names.attack),
        ("Related incidents", related),
    ] {
        let names = if all.is_empty() {
            "none known".to_owned()
        } else {
            listed(&all)
        };
        out.push_str(&format!("| {label} | {names} |\n"));
    }
}

fn timeline(out: &mut String, incident: &Incident) {
    out.push_str(
        "\n## Timeline\n\n| When | Level | What | Where | Who | From |\n|---|---|---|---|---|---|\n",
    );
    let all = incident.timeline();
    for Seen { finding, seen, .. } in all.iter().take(MAX_ROWS) {
        let when = match (finding.first, finding.last) {
            (Some(first), Some(last)) if first != last => format!("{first:.0} to {last:.0}"),
            (Some(first), _) => format!("{first:.0}"),
            _ => format!("seen {seen:.0}"),
        };
        let actor = finding.actor.as_ref();
        let from: BTreeSet<_> = finding.addresses.iter().map(String::as_str).collect();
        out.push_str(&format!(
            "| {when} | {} | {} | {} | {} | {} |\n",
            finding.level,
            text(title(finding)),
            code(what(finding)),
            actor.map(|it| code(&it.name)).unwrap_or_default(),
            listed(&from),
        ));
    }
    let hidden = all.len().saturating_sub(MAX_ROWS) + incident.more.len();
    left_out(out, hidden, "finding", "findings");
}

fn acts(out: &mut String, done: &[IncidentAct]) {
    out.push_str("\n## What was done\n\n");
    if done.is_empty() {
        out.push_str("Nothing by evenkeel, as far as the journal tells.\n");
        return;
    }
    out.push_str("| When | Resource | What | Run |\n|---|---|---|---|\n");
    for act in done.iter().take(MAX_ROWS) {
        out.push_str(&format!(
            "| {:.0} | {} | {} | {} |\n",
            act.at,
            act.resource.as_deref().map(code).unwrap_or_default(),
            markdown(&clipped(&act.what, MAX_SENTENCE)),
            code(&act.run.0),
        ));
    }
    left_out(out, done.len().saturating_sub(MAX_ROWS), "step", "steps");
}

fn open(out: &mut String, incident: &Incident) {
    out.push_str("\n## What is open\n\n");
    let all: Vec<_> = remaining(incident).collect();
    if all.is_empty() {
        let line = match incident.is_open() {
            true => {
                "Nothing that differs from the baseline is known to be left. The incident itself is open.\n"
            }
            false => "Nothing that differs from the baseline is known to be left.\n",
        };
        out.push_str(line);
        return;
    }
    for seen in all.iter().take(MAX_ROWS) {
        out.push_str(&format!(
            "- {}: {}\n",
            code(what(&seen.finding)),
            text(title(&seen.finding))
        ));
    }
    left_out(out, all.len().saturating_sub(MAX_ROWS), "drift", "drifts");
}

fn history(out: &mut String, incident: &Incident) {
    out.push_str("\n## History\n\n");
    let spare = incident.history.len().saturating_sub(MAX_ROWS);
    for note in incident.history.iter().skip(spare) {
        let what = deed(incident, &note.what);
        out.push_str(&format!(
            "- {:.0}: {} (run {})\n",
            note.at,
            markdown(&clipped(&what, MAX_SENTENCE)),
            code(&note.run.0)
        ));
    }
}

fn findings(out: &mut String, incident: &Incident) {
    out.push_str("\n## Findings\n");
    let all = incident.timeline();
    for (at, seen) in all.iter().enumerate() {
        if at >= MAX_ROWS || out.len() > MAX_BYTES {
            left_out(out, all.len() - at, "finding", "findings");
            break;
        }
        one(out, seen);
    }
}

fn one(out: &mut String, seen: &Seen) {
    let finding = &seen.finding;
    let gone = if seen.gone { ", gone since" } else { "" };
    out.push_str(&format!(
        "\n### {} {}{gone}\n\n",
        finding.level,
        text(title(finding))
    ));
    let targets: BTreeSet<_> = finding.targets.iter().map(String::as_str).collect();
    out.push_str(&format!("- targets: {}\n", listed(&targets)));
    if let Some(actor) = &finding.actor {
        let was = match &actor.original {
            Some(original) => format!(", who was {}", code(original)),
            None => String::new(),
        };
        out.push_str(&format!("- actor: {}{was}\n", code(&actor.name)));
    }
    if !finding.attack.is_empty() {
        let attack: BTreeSet<_> = finding.attack.iter().map(String::as_str).collect();
        out.push_str(&format!("- ATT&amp;CK: {}\n", listed(&attack)));
    }
    for sentence in &finding.evidence {
        let sentence = markdown(&clipped(sentence, MAX_SENTENCE));
        out.push_str(&format!("- {sentence}\n"));
    }
    for event in finding.events.iter().take(MAX_EVENTS) {
        let id = event.id.as_deref().map(|id| format!(" {}", code(id)));
        out.push_str(&format!(
            "- {}: {}{} ({})\n",
            event.time,
            text(&event.what),
            id.unwrap_or_default(),
            code(&format!("{}:{}", event.place.source, event.place.line))
        ));
    }
    let hidden = finding
        .event_count
        .saturating_sub(finding.events.len().min(MAX_EVENTS) as u64);
    if hidden > 0 {
        out.push_str(&format!("- {} more records\n", number(hidden)));
    }
    out.push_str(&format!(
        "- finding {}, source {}\n",
        code(&finding.id),
        finding.trust
    ));
}

/// The resource, or the object, or where it happened.
fn what(finding: &Finding) -> &str {
    match (&finding.resource, finding.targets.get(1)) {
        (None, Some(object)) => object,
        (Some(_), _) => finding.targets.first().map_or("", String::as_str),
        (None, None) => place(finding),
    }
}

fn listed(all: &BTreeSet<&str>) -> String {
    let mut shown: Vec<_> = all.iter().take(MAX_NAMES).map(|name| code(name)).collect();
    if all.len() > MAX_NAMES {
        shown.push(format!("{} more", number(all.len() - MAX_NAMES)));
    }
    shown.join(", ")
}

fn left_out(out: &mut String, hidden: usize, one: &str, many: &str) {
    if hidden > 0 {
        let more = counted(hidden, one, many);
        out.push_str(&format!("\n{more} left out here.\n"));
    }
}

fn text(text: &str) -> String {
    markdown(&clipped(text, MAX_NAME))
}

fn code(text: &str) -> String {
    markdown_code(&clipped(text, MAX_NAME))
}
