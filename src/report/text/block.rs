//! The block of one drift: what differs, the diff, what is done about it and why not.
//!
//! **Invariant:** only what `shown` lets through is written, and every live string is escaped.

use crate::model::{Change, Drift, FieldDrift, RiskLevel, RunReport, Undo, Value};

use super::super::diff::{self, Diff, Difference, Line, Side};
use super::super::entry::Entry;
use super::super::escape::{clipped, terminal};
use super::super::finding;
use super::super::shown::Disclosure;
use super::super::words::{self, MAX_SENTENCE};
use super::paint::{Ink, Page};

/// The lines of a diff, unless all are asked for.
const DIFF_LINES: usize = 40;
/// The lines of a diff, if all are asked for.
const ALL_DIFF_LINES: usize = 100_000;
/// The width of the labels, and the widest field name that is still aligned.
const LABEL: usize = 7;
const MAX_FIELD: usize = 24;
/// The fields of one drift, unless all are asked for.
const FIELDS: usize = 20;
/// The most characters of a name.
const MAX_NAME: usize = 1_000;

/// Writes the block of one entry, which stands below that of `before`.
pub(super) fn write(
    page: &mut Page,
    report: &RunReport,
    disclosure: &Disclosure<'_>,
    entry: &Entry<'_>,
    before: Option<&Entry<'_>>,
) {
    page.end();
    heading(page, report, entry);
    findings(page, report, entry.drift);
    fields(page, disclosure, entry.drift);
    content(page, disclosure, entry.drift);
    remedy(page, entry);
    reason(page, entry, before);
}

fn heading(page: &mut Page, report: &RunReport, entry: &Entry<'_>) {
    let drift = entry.drift;
    let ink = match (entry.remains, drift.change) {
        (false, _) => Ink::Good,
        (true, Change::Changed) => Ink::Warn,
        (true, Change::Missing | Change::Extra) => Ink::Bad,
    };
    page.put(ink, &format!("{:<7}", words::change(drift.change)));
    page.put(Ink::Plain, "  ");
    page.put(Ink::Title, &clipped(&drift.resource.to_string(), MAX_NAME));
    if drift.address.0 != drift.resource.name {
        page.put(
            Ink::Plain,
            &format!("  {}", clipped(&drift.address.0, MAX_NAME)),
        );
    }
    let file = words::repository_path(&report.baseline, &drift.origin.file);
    let place = format!("{}:{}", clipped(&file, MAX_NAME), drift.origin.line);
    page.put(
        Ink::Faint,
        &match &drift.found_in {
            Some(scope) => format!(
                "  (not listed in {}, {place})",
                clipped(&scope.short(), MAX_NAME)
            ),
            None => format!("  ({place})"),
        },
    );
    page.end();
}

fn findings(page: &mut Page, report: &RunReport, drift: &Drift) {
    let all = report.findings.iter();
    for one in all.filter(|it| it.resource.as_ref() == Some(&drift.resource)) {
        let line = finding::line(one);
        page.labelled(
            2,
            "finding",
            LABEL,
            super::ink(one),
            &clipped(&line, MAX_SENTENCE),
        );
    }
}

fn fields(page: &mut Page, disclosure: &Disclosure<'_>, drift: &Drift) {
    let max = match page.style.verbose {
        true => usize::MAX,
        false => FIELDS,
    };
    let lines = words::differences(disclosure, drift, max);
    let width = lines
        .iter()
        .map(|(name, _)| name.chars().count().min(MAX_FIELD))
        .fold(LABEL, usize::max);
    for (name, sentence) in &lines {
        page.labelled(2, name, width, Ink::Plain, sentence);
    }
    if drift.change == Change::Changed && drift.fields.len() > max {
        page.labelled(2, "", width, Ink::Faint, "(-v shows all)");
    }
}

fn content(page: &mut Page, disclosure: &Disclosure<'_>, drift: &Drift) {
    if !disclosure.is_open(drift) {
        return;
    }
    for (path, live, baseline) in contents(drift) {
        let side = |value: Option<&Value>| match value.and_then(Value::as_blob) {
            Some(blob) => disclosure.bytes(drift, &blob).map(|bytes| bytes.to_vec()),
            None => Some(Vec::new()),
        };
        let max = if page.style.verbose {
            ALL_DIFF_LINES
        } else {
            DIFF_LINES
        };
        let note = match (side(live), side(baseline)) {
            (Some(live), Some(baseline)) => match diff::unified(&live, &baseline, max) {
                Difference::Lines(diff) => {
                    hunks(page, path, &diff);
                    continue;
                }
                Difference::Binary { offset } => {
                    format!("no text, differs from byte {} on", words::number(offset))
                }
                Difference::TooMany { old, new } => format!(
                    "{} are {} instead, too many to compare",
                    words::counted(new, "line of the baseline", "lines of the baseline"),
                    words::counted(old, "other line", "other lines"),
                ),
            },
            _ => "too large to be kept, so no diff is shown".to_owned(),
        };
        page.labelled(4, &clipped(path, MAX_NAME), LABEL, Ink::Faint, &note);
    }
}

/// Contents to compare: the name of the field, what is live and what the baseline has.
fn contents(drift: &Drift) -> Vec<(&str, Option<&Value>, Option<&Value>)> {
    let is_blob = |value: &Option<Value>| matches!(value, Some(Value::Blob(_)));
    match (drift.change, drift.before.state()) {
        // What should be there is in the baseline for everyone to read; what was put there is not.
        (Change::Missing, _) => Vec::new(),
        (Change::Extra, Some(state)) => state
            .fields
            .iter()
            .filter(|(_, value)| matches!(value, Value::Blob(_)))
            .map(|(path, value)| (path.as_str(), Some(value), None))
            .collect(),
        _ => drift
            .fields
            .iter()
            .filter(|field| is_blob(&field.actual) || is_blob(&field.expected))
            .map(|field: &FieldDrift| {
                (
                    field.path.as_str(),
                    field.actual.as_ref(),
                    field.expected.as_ref(),
                )
            })
            .collect(),
    }
}

fn hunks(page: &mut Page, path: &str, diff: &Diff) {
    let path = terminal(path);
    page.line(Ink::Old, &format!("    --- live {path}"));
    page.line(Ink::New, &format!("    +++ baseline {path}"));
    for hunk in &diff.hunks {
        page.line(Ink::Hunk, &format!("    {}", hunk.header));
        for line in &hunk.lines {
            diff_line(page, line);
        }
    }
    if diff.left_out > 0 {
        let lines = words::counted(diff.left_out, "line", "lines");
        page.line(
            Ink::Faint,
            &format!("    … {lines} left out (-v shows all)"),
        );
    }
}

fn diff_line(page: &mut Page, line: &Line) {
    let (sign, ink, mark) = match line.side {
        Side::Both => (' ', Ink::Plain, Ink::Plain),
        Side::Old => ('-', Ink::Old, Ink::OldMark),
        Side::New => ('+', Ink::New, Ink::NewMark),
    };
    page.put(ink, &format!("    {sign}"));
    if page.style.colour && ink != Ink::Plain {
        for (is_marked, part) in &line.parts {
            page.put(if *is_marked { mark } else { ink }, &terminal(part));
        }
    } else {
        // As one piece, since a command of a CI runner could hide on the seam of two.
        let whole: String = line.parts.iter().map(|(_, part)| part.as_str()).collect();
        page.put(ink, &terminal(&whole));
    }
    page.end();
    if line.is_open {
        page.line(Ink::Faint, "    \\ no line end here");
    }
}

fn remedy(page: &mut Page, entry: &Entry<'_>) {
    let action = match entry.group {
        Some(group) => format!(
            "{} [group {}]{}",
            entry.action(),
            group.hash.short(),
            entry.company()
        ),
        None => entry.action(),
    };
    let ink = if entry.remains { Ink::Plain } else { Ink::Good };
    page.labelled(2, "action", LABEL, ink, &action);
    if let Some(step) = entry.step {
        let why = clipped(&step.risk.why, MAX_SENTENCE);
        let (ink, level) = match step.risk.level {
            RiskLevel::Low => (Ink::Plain, "low"),
            RiskLevel::Medium => (Ink::Warn, "medium"),
            RiskLevel::High => (Ink::Bad, "high"),
        };
        let risk = if why.is_empty() {
            level.to_owned()
        } else {
            format!("{level}, {why}")
        };
        page.labelled(2, "risk", LABEL, ink, &risk);
        let ink = match step.undo {
            Undo::Restore => Ink::Plain,
            Undo::Irreversible { .. } => Ink::Bad,
        };
        let undo = entry.undo().unwrap_or_default();
        page.labelled(2, "undo", LABEL, ink, &undo);
    }
    if let Some(outcome) = entry.outcome {
        for note in outcome
            .steps
            .iter()
            .filter(|step| step.resource == entry.drift.resource)
            .flat_map(|step| &step.notes)
        {
            page.labelled(2, "note", LABEL, Ink::Faint, &clipped(note, MAX_SENTENCE));
        }
    }
}

/// Why the group is held; said once where many in a row are held for the same reason.
fn reason(page: &mut Page, entry: &Entry<'_>, before: Option<&Entry<'_>>) {
    let Some(because) = entry.held().filter(|_| entry.remains) else {
        return;
    };
    let sentence = match before.and_then(Entry::held) {
        Some(said) if said == because => "for the same reason".to_owned(),
        _ => clipped(&because.to_string(), MAX_SENTENCE).into_owned(),
    };
    page.labelled(2, "held", LABEL, Ink::Warn, &sentence);
}
