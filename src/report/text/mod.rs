//! What a person reads.
//!
//! Flow: a summary line, what every reader has to see, a block a drift (a count by kind where there are too many), what
//! could not be evaluated, what is exempted, why groups are held, pull requests, what an earlier run had left, errors, and
//! the journal's head.
//!
//! **Invariant:** the length is bounded unless everything is asked for; content that may not be seen is not written, and
//! neither is an unescaped live string.

mod block;
mod paint;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Command, Finding, GroupResult, Level, Mode, RunReport, Verdict};

use super::doubt::{self, doubts};
use super::entry::{Entry, entries, held, unseen};
use super::escape::clipped;
use super::finding;
use super::shown::{Disclosure, Reader};
use super::words::{self, MAX_SENTENCE, counted, number};

pub use paint::Style;
pub(in crate::report) use paint::{Ink, Page};

/// The most blocks, and the most lines of a list, unless everything is asked for.
const MAX_BLOCKS: usize = 50;
/// The most characters of a name.
const MAX_NAME: usize = 1_000;

/// Writes the whole report.
pub fn render(report: &RunReport, style: &Style) -> String {
    let mut page = Page::new(*style);
    summary(&mut page, report);
    targets(&mut page, report);
    for notice in &report.notices {
        page.labelled(0, "notice", 6, Ink::Warn, &clipped(notice, MAX_SENTENCE));
    }
    indicators(&mut page, report);
    match report.command {
        Command::Undo => undone(&mut page, report),
        Command::Plan | Command::Reconcile => drifts(&mut page, report),
    }
    not_evaluated(&mut page, report);
    exempted(&mut page, report);
    held_back(&mut page, report);
    pulls(&mut page, report);
    recovered(&mut page, report);
    errors(&mut page, report);
    foot(&mut page, report);
    page.finish()
}

fn summary(page: &mut Page, report: &RunReport) {
    let coverage = report.comparison.coverage();
    let ink = match (coverage.drifted, coverage.not_evaluated) {
        _ if !report.errors.is_empty() || has_failed(report) => Ink::Bad,
        (0, 0) => Ink::Good,
        _ => Ink::Warn,
    };
    let done = deeds(report);
    if !done.is_empty() {
        page.put(Ink::Title, &done);
        page.put(Ink::Plain, " · now ");
    }
    page.put(ink, &words::figures(report));
    page.put(
        Ink::Plain,
        &format!(" · baseline {}", words::revision(&report.baseline)),
    );
    if let Some(message) = &report.baseline.summary {
        page.put(Ink::Plain, &format!(" \"{}\"", clipped(message, 72)));
    }
    page.put(
        Ink::Plain,
        &format!(" · {}", words::signature(&report.baseline)),
    );
    if let Some(run) = &report.run {
        page.put(Ink::Faint, &format!(" · run {}", clipped(&run.0, MAX_NAME)));
    }
    page.end();
}

fn has_failed(report: &RunReport) -> bool {
    report.outcomes.iter().any(|it| is_failure(it.result))
}

fn is_failure(result: GroupResult) -> bool {
    matches!(
        result,
        GroupResult::Failed | GroupResult::Broken | GroupResult::Lost
    )
}

/// `3 groups done, 1 failed`; empty for `plan`, and where nothing was to be done.
fn deeds(report: &RunReport) -> String {
    let count = |such: &dyn Fn(GroupResult) -> bool| {
        report
            .outcomes
            .iter()
            .filter(|outcome| such(outcome.result))
            .count()
    };
    let verb = match report.command {
        Command::Plan => return String::new(),
        Command::Reconcile => "done",
        Command::Undo => "undone",
    };
    let done = count(&|result| result == GroupResult::Done);
    let failed = count(&is_failure);
    let stale = count(&|result| result == GroupResult::Stale);
    let held = report
        .verdicts
        .values()
        .filter(|it| matches!(it, Verdict::Held(_)))
        .count();
    if done + failed + stale + held == 0 {
        return String::new();
    }
    let mut parts = vec![format!("{} {verb}", counted(done, "group", "groups"))];
    for (n, word) in [(failed, "failed"), (stale, "skipped"), (held, "held back")] {
        if n > 0 {
            parts.push(format!("{} {word}", number(n)));
        }
    }
    parts.join(", ")
}

fn targets(page: &mut Page, report: &RunReport) {
    for target in &report.targets {
        let is_lowered = target.mode != target.committed_mode;
        if !page.style.verbose && !is_lowered {
            continue;
        }
        let mut line = format!(
            "{}: {}, mode {}",
            clipped(&target.name.0, MAX_NAME),
            clipped(&target.description, MAX_SENTENCE),
            target.mode
        );
        if is_lowered {
            line.push_str(&format!(" (committed: {})", target.committed_mode));
        }
        page.labelled(0, "target", 6, Ink::Plain, &line);
    }
}

/// How loud a finding is.
fn ink(finding: &Finding) -> Ink {
    match finding.level {
        Level::Critical | Level::High => Ink::Bad,
        Level::Medium => Ink::Warn,
        Level::Low | Level::Informational => Ink::Plain,
    }
}

fn most_blocks(page: &Page) -> usize {
    match page.style.verbose {
        true => usize::MAX,
        false => MAX_BLOCKS,
    }
}

/// What nobody may overlook: findings that stand beside no drift below, and whom not to trust any more.
fn indicators(page: &mut Page, report: &RunReport) {
    let max = most_blocks(page);
    let entries = entries(report);
    let shown = entries.iter().take(max);
    let shown: BTreeSet<_> = shown.map(|entry| &entry.drift.resource).collect();
    let is_told = |finding: &&Finding| {
        let resource = finding.resource.as_ref();
        report.command != Command::Undo && resource.is_some_and(|id| shown.contains(id))
    };
    let others: Vec<_> = report.findings.iter().filter(|it| !is_told(it)).collect();
    for one in others.iter().take(max) {
        let line = finding::named_line(one);
        page.labelled(0, "finding", 9, ink(one), &clipped(&line, MAX_SENTENCE));
    }
    if others.len() > max {
        let more = counted(others.len() - max, "more finding", "more findings");
        page.labelled(
            0,
            "finding",
            9,
            Ink::Bad,
            &format!("and {more} (-v shows all)"),
        );
    }
    for doubt in doubts(report) {
        let line = format!(
            "{} is {}: {}",
            doubt.target,
            doubt.words(),
            doubt::sentence(&doubt)
        );
        page.labelled(0, "target", 9, Ink::Bad, &clipped(&line, 2 * MAX_SENTENCE));
    }
}

fn drifts(page: &mut Page, report: &RunReport) {
    let reader = match page.style.show_content {
        true => Reader::Person,
        false => Reader::Anyone,
    };
    let disclosure = Disclosure::new(report, reader);
    let entries = entries(report);
    let max = most_blocks(page);
    let mut before = None;
    for entry in entries.iter().take(max) {
        block::write(page, report, &disclosure, entry, before);
        before = Some(entry);
    }
    let rest = entries.get(max..).unwrap_or_default();
    if !rest.is_empty() {
        let text = format!(
            "and {} more: {} (-v shows all)",
            number(rest.len()),
            kinds(rest)
        );
        page.heading(Ink::Warn, &text);
    }
}

/// `9,900 File changed, 50 File extra`, the most frequent first.
fn kinds(entries: &[Entry<'_>]) -> String {
    let mut counts = BTreeMap::new();
    for entry in entries {
        let key = (
            &entry.drift.resource.kind,
            entry.drift.change,
            entry.remains,
        );
        *counts.entry(key).or_insert(0usize) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let words: Vec<_> = counts
        .iter()
        .map(|((kind, change, remains), n)| {
            let was = if *remains { "" } else { "was " };
            let kind = clipped(&kind.0, MAX_NAME);
            format!("{} {kind} {was}{}", number(*n), words::change(*change))
        })
        .collect();
    words.join(", ")
}

/// For an undo the steps are what matters; what differs from the baseline now is only listed.
fn undone(page: &mut Page, report: &RunReport) {
    let (touched, others): (Vec<_>, Vec<_>) = entries(report)
        .into_iter()
        .partition(|entry| entry.step.is_some());
    let mut steps: Vec<(String, String)> = touched
        .iter()
        .map(|entry| (entry.drift.resource.to_string(), entry.action()))
        .collect();
    let drifting: BTreeSet<_> = touched.iter().map(|entry| &entry.drift.resource).collect();
    for step in report.outcomes.iter().flat_map(|outcome| &outcome.steps) {
        if !drifting.contains(&step.resource) {
            steps.push((
                step.resource.to_string(),
                format!("{}, as the baseline has it", result(&step.result)),
            ));
        }
    }
    list(page, "undone", Ink::Title, &steps);
    list(page, "notes", Ink::Title, &notes(report));
    let others: Vec<_> = others
        .iter()
        .map(|entry| {
            let change = words::change(entry.drift.change).to_owned();
            (entry.drift.resource.to_string(), change)
        })
        .collect();
    list(page, "also differs from the baseline", Ink::Warn, &others);
}

/// What the system had to say of the steps, such as how an undo was proven: each once, with how many it is true of.
fn notes(report: &RunReport) -> Vec<(String, String)> {
    let mut counts = BTreeMap::new();
    let steps = report.outcomes.iter().flat_map(|outcome| &outcome.steps);
    for note in steps.flat_map(|step| &step.notes) {
        *counts.entry(note).or_insert(0) += 1;
    }
    let of = |n| counted(n, "resource", "resources");
    counts
        .into_iter()
        .map(|(note, n)| (of(n), note.clone()))
        .collect()
}

fn result(result: &crate::model::StepResult) -> String {
    use crate::model::StepResult;
    match result {
        StepResult::Done => "restored".to_owned(),
        StepResult::Stale { found } => format!("skipped: {found}"),
        StepResult::Failed { error } => format!("failed: {error}"),
        StepResult::Unwound => "taken back".to_owned(),
        StepResult::UnwindFailed { error } => format!("could not be taken back: {error}"),
        StepResult::Lost { error } => format!("not known, the target was lost: {error}"),
        StepResult::NotBegun => "not begun".to_owned(),
    }
}

/// Writes a heading and a line for each name with its sentence, as many as there is room for.
fn list(page: &mut Page, heading: &str, ink: Ink, items: &[(String, String)]) {
    if items.is_empty() {
        return;
    }
    page.heading(ink, heading);
    let max = if page.style.verbose {
        usize::MAX
    } else {
        MAX_BLOCKS
    };
    for (name, sentence) in items.iter().take(max) {
        page.put(Ink::Plain, &format!("  {}", clipped(name, MAX_NAME)));
        page.line(
            Ink::Plain,
            &format!("  {}", clipped(sentence, MAX_SENTENCE)),
        );
    }
    if items.len() > max {
        let more = number(items.len() - max);
        page.line(Ink::Faint, &format!("  … and {more} more (-v shows all)"));
    }
}

fn not_evaluated(page: &mut Page, report: &RunReport) {
    let items: Vec<_> = unseen(report)
        .into_iter()
        .map(|(name, reason)| (name, reason.to_owned()))
        .collect();
    list(page, "not evaluated", Ink::Warn, &items);
}

fn exempted(page: &mut Page, report: &RunReport) {
    let items: Vec<_> = report
        .comparison
        .exempted
        .iter()
        .map(|it| {
            let drift = &it.drift;
            let fields = words::field_names(drift, 5);
            let differs = match fields.as_str() {
                "" => words::change(drift.change).to_owned(),
                fields => format!("{} in {fields}", words::change(drift.change)),
            };
            (
                drift.resource.to_string(),
                format!("{differs}; exemption {}", it.exemption),
            )
        })
        .collect();
    list(page, "exempted", Ink::Title, &items);
}

fn held_back(page: &mut Page, report: &RunReport) {
    let reasons = held(report);
    if reasons.is_empty() {
        return;
    }
    page.heading(Ink::Warn, "held back");
    let max = if page.style.verbose {
        usize::MAX
    } else {
        MAX_BLOCKS
    };
    for (because, groups) in reasons.iter().take(max) {
        let sentence = format!(
            "{}: {}",
            counted(groups.len(), "group", "groups"),
            clipped(&because.to_string(), MAX_SENTENCE)
        );
        page.labelled(0, "", 0, Ink::Plain, &sentence);
        page.labelled(4, "hint", 4, Ink::Faint, because.hint());
    }
    if reasons.len() > max {
        let more = number(reasons.len() - max);
        page.line(
            Ink::Faint,
            &format!("  … and for {more} more reasons (-v shows all)"),
        );
    }
}

fn pulls(page: &mut Page, report: &RunReport) {
    let items: Vec<_> = report
        .pulls
        .iter()
        .map(|pull| {
            let about = pull.resource.iter().map(|id| format!(" ({id})"));
            let name = format!("#{} {}", pull.number, pull.what);
            (name, pull.url.clone() + &about.collect::<String>())
        })
        .collect();
    list(page, "pull requests", Ink::Title, &items);
}

fn recovered(page: &mut Page, report: &RunReport) {
    let items: Vec<_> = report
        .recovered
        .iter()
        .map(|it| (it.resource.clone(), format!("{} (run {})", it.what, it.run)))
        .collect();
    list(page, "left in flight by an earlier run", Ink::Warn, &items);
}

fn errors(page: &mut Page, report: &RunReport) {
    if report.errors.is_empty() {
        return;
    }
    page.end();
    for error in &report.errors {
        page.labelled(0, "error", 5, Ink::Bad, &clipped(error, MAX_SENTENCE));
    }
}

fn foot(page: &mut Page, report: &RunReport) {
    let plan = &report.plan;
    let observes = report
        .targets
        .iter()
        .all(|target| target.mode == Mode::Observe);
    if report.command == Command::Plan && !plan.groups.is_empty() {
        let allowed = plan
            .groups
            .iter()
            .filter(|group| {
                matches!(
                    report.verdicts.get(&group.hash),
                    Some(Verdict::Allow { .. })
                )
            })
            .count();
        let would = match allowed {
            0 if observes => "reconcile would only report".to_owned(),
            0 => "reconcile would do none of it".to_owned(),
            n => format!(
                "reconcile would carry out {}",
                counted(n, "group", "groups")
            ),
        };
        page.heading(
            Ink::Faint,
            &format!(
                "plan {}: {}, {} · {would}",
                plan.hash.short(),
                counted(plan.groups.len(), "group", "groups"),
                counted(plan.steps(), "step", "steps"),
            ),
        );
    }
    if let Some((seq, hash)) = &report.journal_head {
        page.heading(
            Ink::Faint,
            &format!(
                "journal head {} (record {})",
                clipped(hash, MAX_NAME),
                number(*seq)
            ),
        );
    }
}

#[cfg(test)]
mod tests;
