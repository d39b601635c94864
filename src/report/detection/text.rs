//! A detection for a person.
//!
//! Flow: a summary, what every reader has to see, a block a finding, what was read and what was not.
//!
//! **Invariant:** the length is bounded unless everything is asked for; no text of a log is written unescaped.

use crate::model::{Detection, EventRef, Finding, Level, Tally};
use crate::report::Style;
use crate::report::escape::clipped;
use crate::report::text::{Ink, Page};
use crate::report::words::{counted, number};

const MAX_FINDINGS: usize = 50;
const MAX_NAMES: usize = 4;
const MAX_NAME: usize = 200;
const MAX_SENTENCE: usize = 600;
const LABEL: usize = 7;

/// Writes the whole report.
pub fn render(detection: &Detection, style: &Style) -> String {
    let mut page = Page::new(*style);
    summary(&mut page, detection);
    for notice in &detection.notices {
        page.labelled(0, "notice", 6, Ink::Warn, &clipped(notice, MAX_SENTENCE));
    }
    let most = if style.verbose {
        usize::MAX
    } else {
        MAX_FINDINGS
    };
    for finding in detection.findings.iter().take(most) {
        block(&mut page, finding);
    }
    let more = detection.findings.len().saturating_sub(most);
    if more > 0 {
        let line = format!(
            "{} more; -v shows all",
            counted(more, "finding", "findings")
        );
        page.line(Ink::Faint, &line);
    }
    read(&mut page, detection);
    page.finish()
}

/// One finding.
pub fn one(finding: &Finding, style: &Style) -> String {
    let mut page = Page::new(*style);
    block(&mut page, finding);
    page.finish()
}

/// What was read, after the findings were told one by one.
pub fn sources(detection: &Detection, style: &Style) -> String {
    let mut page = Page::new(*style);
    page.end();
    summary(&mut page, detection);
    for notice in &detection.notices {
        page.labelled(0, "notice", 6, Ink::Warn, &clipped(notice, MAX_SENTENCE));
    }
    read(&mut page, detection);
    page.finish()
}

fn summary(page: &mut Page, detection: &Detection) {
    let of = |level: Level| {
        let count = detection.findings.iter().filter(|it| it.level == level);
        count.count()
    };
    let levels = [
        Level::Critical,
        Level::High,
        Level::Medium,
        Level::Low,
        Level::Informational,
    ];
    let parts: Vec<_> = levels
        .into_iter()
        .filter(|level| of(*level) > 0)
        .map(|level| format!("{} {level}", number(of(level))))
        .collect();
    let ink = match detection.findings.first().map(|it| it.level) {
        Some(level) if level >= Level::High => Ink::Bad,
        Some(_) => Ink::Warn,
        None if detection.is_whole() => Ink::Good,
        None => Ink::Warn,
    };
    let mut line = counted(detection.findings.len(), "finding", "findings");
    if !parts.is_empty() {
        line = format!("{line}: {}", parts.join(", "));
    }
    page.put(ink, &line);
    let mut rest = format!(
        " · {} of {} · {}",
        plural(detection.records(), "record", "records"),
        counted(detection.sources.len(), "source", "sources"),
        counted(detection.rules.loaded, "rule", "rules"),
    );
    if let (Some(from), Some(until)) = (detection.from, detection.until) {
        rest.push_str(&format!(" · {from:.0} to {until:.0}"));
    }
    page.put(Ink::Plain, &rest);
    page.end();
}

fn block(page: &mut Page, finding: &Finding) {
    let ink = match finding.level {
        Level::Critical | Level::High => Ink::Bad,
        Level::Medium => Ink::Warn,
        Level::Low | Level::Informational => Ink::Plain,
    };
    let title = match &finding.rule {
        Some(rule) => clipped(&rule.title, MAX_NAME),
        None => clipped(&finding.indicator, MAX_NAME),
    };
    let attack = match finding.attack.is_empty() {
        true => String::new(),
        false => format!(" · {}", finding.attack.join(", ")),
    };
    page.heading(ink, &format!("{} {title}{attack}", finding.level));
    if let Some(actor) = &finding.actor {
        let mut who = clipped(&actor.name, MAX_NAME).into_owned();
        if let Some(original) = &actor.original {
            who.push_str(&format!(", who was {}", clipped(original, MAX_NAME)));
        }
        if !finding.addresses.is_empty() {
            who.push_str(&format!(", from {}", names(&finding.addresses)));
        }
        page.labelled(2, "who", LABEL, Ink::Plain, &who);
    } else if !finding.addresses.is_empty() {
        page.labelled(2, "from", LABEL, Ink::Plain, &names(&finding.addresses));
    }
    page.labelled(2, "what", LABEL, Ink::Plain, &names(&finding.targets));
    page.labelled(2, "when", LABEL, Ink::Plain, &times(finding));
    for sentence in &finding.evidence {
        page.labelled(
            2,
            "why",
            LABEL,
            Ink::Plain,
            &clipped(sentence, MAX_SENTENCE),
        );
    }
    for event in finding.events.iter().take(MAX_NAMES) {
        page.labelled(2, "event", LABEL, Ink::Faint, &record(event));
    }
    let more = finding.event_count.saturating_sub(MAX_NAMES as u64);
    if more > 0 {
        page.labelled(
            2,
            "event",
            LABEL,
            Ink::Faint,
            &format!("{} more", number(more)),
        );
    }
    let sure = format!(
        "{}, confidence {}, source {}",
        finding.id,
        match finding.confidence {
            crate::model::Confidence::Low => "low",
            crate::model::Confidence::Medium => "medium",
            crate::model::Confidence::High => "high",
        },
        finding.trust,
    );
    page.labelled(2, "finding", LABEL, Ink::Faint, &sure);
}

fn plural(count: u64, one: &str, many: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), one, many)
}

fn names(all: &[String]) -> String {
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

fn times(finding: &Finding) -> String {
    let events = plural(finding.event_count, "record", "records");
    match (finding.first, finding.last) {
        (Some(first), Some(last)) if first == last => format!("{first}, {events}"),
        (Some(first), Some(last)) => format!("{first} to {last}, {events}"),
        _ => events,
    }
}

fn record(event: &EventRef) -> String {
    let id = match &event.id {
        Some(id) => format!(" {}", clipped(id, MAX_NAME)),
        None => String::new(),
    };
    format!(
        "{} {}{id} ({}:{})",
        event.time,
        clipped(&event.what, MAX_NAME),
        clipped(&event.place.source, MAX_NAME),
        event.place.line,
    )
}

/// What was read, where anything is to be said of it.
fn read(page: &mut Page, detection: &Detection) {
    for source in &detection.sources {
        let loses = source.error.is_some() || source.lost() > 0;
        if page.style.verbose || loses || !source.left_out.is_empty() || !source.inferred.is_empty()
        {
            let ink = if loses { Ink::Warn } else { Ink::Faint };
            page.labelled(0, "read", 4, ink, &tally(source));
        }
    }
    for beyond in &detection.beyond {
        let line = format!(
            "{}: {} beyond what is kept, each a finding of its own",
            clipped(&beyond.rule.title, MAX_NAME),
            counted(
                usize::try_from(beyond.hits).unwrap_or(usize::MAX),
                "hit",
                "hits"
            ),
        );
        page.labelled(0, "left out", 8, Ink::Warn, &line);
    }
    for rule in &detection.rules.left_out {
        page.labelled(0, "left out", 8, Ink::Warn, &clipped(rule, MAX_SENTENCE));
    }
    if detection.late > 0 {
        let line = format!(
            "{} later than the watermark, counted for no correlation",
            plural(detection.late, "record", "records")
        );
        page.labelled(0, "late", 4, Ink::Warn, &line);
    }
}

fn tally(source: &Tally) -> String {
    if let (None, Some(error)) = (source.format, &source.error) {
        return format!("not read: {}", clipped(error, MAX_SENTENCE));
    }
    let mut line = clipped(&source.source, MAX_NAME).into_owned();
    match (source.format, source.trust) {
        (Some(format), Some(trust)) => line.push_str(&format!(" ({format}, {trust})")),
        _ => line.push_str(" (empty)"),
    }
    line.push_str(&format!(
        ": {}, {}",
        plural(source.lines, "line", "lines"),
        plural(source.records, "record", "records")
    ));
    if source.joined > 0 {
        line.push_str(&format!(", {} lines joined", number(source.joined)));
    }
    for (why, left) in &source.left_out {
        line.push_str(&format!(
            "; {} {why} (first: line {}: {})",
            number(left.count),
            left.line,
            clipped(&left.detail, MAX_NAME)
        ));
    }
    for (basis, count) in &source.inferred {
        line.push_str(&format!("; {} {}", number(*count), basis.words()));
    }
    if let Some(error) = &source.error {
        line.push_str(&format!("; reading ended: {}", clipped(error, MAX_NAME)));
    }
    line
}
