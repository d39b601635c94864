//! Markdown fit for a GitHub job summary or a comment.
//!
//! Flow: report → summary, notices and errors, a table of drifts, why groups are held, what could not be evaluated, and
//! folded details, each as far as there is room, and a note of what was cut.
//!
//! **Invariant:** at most [`MAX_BYTES`]; no live text keeps a meaning in Markdown or HTML, mentions anybody or refers to anything.

use crate::model::{Change, Command, Drift, PullNote, RunReport, Verdict};

use super::diff::{self, Difference, Side};
use super::doubt::{self, doubts};
use super::entry::{Entry, entries, held, unseen};
use super::escape::{clipped, markdown, markdown_code, preformatted};
use super::finding;
use super::shown::{Disclosure, Reader};
use super::words::{self, MAX_SENTENCE, counted, number};

/// The largest document. GitHub takes 65,536 characters in a comment.
pub const MAX_BYTES: usize = 60_000;
/// Kept free for the note of what was cut.
const RESERVE: usize = 1_000;
/// The most rows of each table and the most folded details.
const MAX_ROWS: usize = 200;
const MAX_DETAILS: usize = 25;
const MAX_DIFF_LINES: usize = 60;
/// The most characters of a name in a table.
const MAX_NAME: usize = 200;
const MAX_FIELDS: usize = 50;

/// A document that takes only what it has room for.
struct Sheet {
    out: String,
    /// What was left out, in the words of the note.
    cut: Vec<String>,
}

/// Writes the report as Markdown.
pub fn render(report: &RunReport) -> String {
    let disclosure = Disclosure::new(report, Reader::Anyone);
    let all = entries(report);
    let mut sheet = Sheet {
        out: String::new(),
        cut: Vec::new(),
    };
    head(&mut sheet, report);
    sentences(&mut sheet, "\n### Errors\n\n", "error", &report.errors);
    sentences(&mut sheet, "\n", "notice", &report.notices);
    let found: Vec<_> = report.findings.iter().map(finding::named_line).collect();
    let head = "\n### Indicators of compromise\n\n";
    sentences(&mut sheet, head, "finding", &found);
    not_trusted(&mut sheet, report);
    let (remaining, gone): (Vec<_>, Vec<_>) = all.iter().partition(|entry| entry.remains);
    table(
        &mut sheet,
        report,
        "Differs from the baseline",
        "drift",
        &remaining,
    );
    held_back(&mut sheet, report);
    not_evaluated(&mut sheet, report);
    table(&mut sheet, report, "Put right in this run", "change", &gone);
    exempted(&mut sheet, report);
    pulls(&mut sheet, report);
    recovered(&mut sheet, report);
    details(&mut sheet, report, &disclosure, &remaining);
    foot(&mut sheet, report);
    sheet.finish()
}

/// A list with what stands around it.
struct Section<'a> {
    head: &'a str,
    tail: &'a str,
    /// What one of its items is called, and several.
    one: &'a str,
    many: &'a str,
}

impl Sheet {
    /// Adds all of `text`, or nothing when there is no room for it.
    fn push(&mut self, text: &str) -> bool {
        let fits = self.out.len() + text.len() + RESERVE <= MAX_BYTES;
        if fits {
            self.out.push_str(text);
        }
        fits
    }

    /// Adds a section with its items as far as there is room, and notes how many there was none for.
    fn section(
        &mut self,
        section: &Section<'_>,
        total: usize,
        items: impl Iterator<Item = String>,
    ) {
        if total == 0 {
            return;
        }
        let mut shown = 0;
        let mut block = section.head.to_owned();
        for item in items.take(MAX_ROWS) {
            let length = self.out.len() + block.len() + item.len() + section.tail.len();
            if length + RESERVE > MAX_BYTES {
                break;
            }
            block.push_str(&item);
            shown += 1;
        }
        block.push_str(section.tail);
        if shown > 0 && !self.push(&block) {
            shown = 0;
        }
        if shown < total {
            self.cut
                .push(counted(total - shown, section.one, section.many));
        }
    }

    fn finish(mut self) -> String {
        if !self.cut.is_empty() {
            // At most eleven kinds of items, so that the note fits into what was kept free.
            self.out.push_str(&format!(
                "\n*Left out here for want of room: {}. The JSON report and the log have all of it.*\n",
                self.cut.join(", ")
            ));
        }
        self.out
    }
}

fn head(sheet: &mut Sheet, report: &RunReport) {
    let coverage = report.comparison.coverage();
    let sign = match (coverage.drifted, coverage.not_evaluated) {
        _ if !report.errors.is_empty() => "❌",
        (0, 0) => "✅",
        _ => "⚠️",
    };
    let mut line = format!(
        "## {sign} evenkeel {}: {}\n\n",
        command(report),
        words::figures(report)
    );
    line.push_str(&match &report.baseline.commit {
        Some(_) => format!(
            "Baseline {}",
            markdown_code(&words::revision(&report.baseline))
        ),
        None => format!("Baseline: {}", words::revision(&report.baseline)),
    });
    if let Some(message) = &report.baseline.summary {
        line.push_str(&format!(" “{}”", markdown(&clipped(message, MAX_NAME))));
    }
    line.push_str(&format!(
        " · {}",
        markdown(&words::signature(&report.baseline))
    ));
    for target in report.targets.iter().take(10) {
        line.push_str(&format!(
            " · {} in mode {}",
            markdown_code(&clipped(&target.name.0, MAX_NAME)),
            target.mode
        ));
    }
    line.push('\n');
    sheet.push(&line);
}

fn command(report: &RunReport) -> &'static str {
    match report.command {
        Command::Plan => "plan",
        Command::Reconcile => "reconcile",
        Command::Undo => "undo",
    }
}

fn sentences(sheet: &mut Sheet, head: &str, word: &str, sentences: &[String]) {
    let section = Section {
        head,
        tail: "",
        one: word,
        many: &format!("{word}s"),
    };
    let items = sentences
        .iter()
        .map(|sentence| format!("- {}\n", markdown(&clipped(sentence, MAX_SENTENCE))));
    sheet.section(&section, sentences.len(), items);
}

fn not_trusted(sheet: &mut Sheet, report: &RunReport) {
    let all = doubts(report);
    let section = Section {
        head: "\n### Not to be trusted\n\n",
        tail: "",
        one: "target that is not to be trusted",
        many: "targets that are not to be trusted",
    };
    let items = all.iter().map(|doubt| {
        format!(
            "- {}: **{}**: {}\n",
            markdown_code(&clipped(&doubt.target.0, MAX_NAME)),
            doubt.words(),
            markdown(&clipped(&doubt::sentence(doubt), 2 * MAX_SENTENCE))
        )
    });
    sheet.section(&section, all.len(), items);
}

fn table(sheet: &mut Sheet, report: &RunReport, heading: &str, word: &str, entries: &[&Entry<'_>]) {
    let section = Section {
        head: &format!(
            "\n### {heading}\n\n| Resource | Change | Differs in | Risk | What happens | Baseline |\n|---|---|---|---|---|---|\n"
        ),
        tail: "",
        one: word,
        many: &format!("{word}s"),
    };
    let rows = entries.iter().map(|entry| row(report, entry));
    sheet.section(&section, entries.len(), rows);
}

fn row(report: &RunReport, entry: &Entry<'_>) -> String {
    let drift = entry.drift;
    let risk = match entry.step {
        Some(step) => format!("{}, {}", step.risk.level, step.risk.why),
        None => format!("{}, {}", drift.risk.level, drift.risk.why),
    };
    let held = match (entry.held(), entry.remains) {
        (Some(because), true) => format!("; held: {}", clipped(&because.to_string(), MAX_SENTENCE)),
        _ => String::new(),
    };
    let differs = match words::field_names(drift, 5) {
        names if names.is_empty() => "all of it".to_owned(),
        names => names,
    };
    let file = words::repository_path(&report.baseline, &drift.origin.file);
    let place = format!("{}:{}", clipped(&file, MAX_NAME), drift.origin.line);
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        markdown_code(&clipped(&drift.resource.to_string(), MAX_NAME)),
        words::change(drift.change),
        markdown(&differs),
        markdown(&clipped(risk.trim_end_matches([',', ' ']), MAX_NAME)),
        markdown(&clipped(&format!("{}{held}", entry.action()), 2 * MAX_NAME)),
        markdown_code(&place),
    )
}

fn held_back(sheet: &mut Sheet, report: &RunReport) {
    let section = Section {
        head: "\n### Held back\n\n",
        tail: "",
        one: "reason for holding back",
        many: "reasons for holding back",
    };
    let reasons = held(report);
    let items = reasons.iter().map(|(because, groups)| {
        format!(
            "- **{}**: {} ({})\n",
            counted(groups.len(), "group", "groups"),
            markdown(&clipped(&because.to_string(), MAX_SENTENCE)),
            markdown(because.hint())
        )
    });
    sheet.section(&section, reasons.len(), items);
}

fn not_evaluated(sheet: &mut Sheet, report: &RunReport) {
    let section = Section {
        head: "\n### Not evaluated\n\n| Resource | Reason |\n|---|---|\n",
        tail: "",
        one: "resource that was not evaluated",
        many: "resources that were not evaluated",
    };
    let all = unseen(report);
    let rows = all.iter().map(|(name, reason)| {
        format!(
            "| {} | {} |\n",
            markdown_code(&clipped(name, MAX_NAME)),
            markdown(&clipped(reason, MAX_SENTENCE))
        )
    });
    sheet.section(&section, all.len(), rows);
}

fn exempted(sheet: &mut Sheet, report: &RunReport) {
    let all = &report.comparison.exempted;
    let section = Section {
        head: &format!(
            "\n<details><summary>Exempted: {}</summary>\n\n",
            number(all.len())
        ),
        tail: "\n</details>\n",
        one: "exempted drift",
        many: "exempted drifts",
    };
    let items = all.iter().map(|it| {
        format!(
            "- {}: {}, exemption {}\n",
            markdown_code(&clipped(&it.drift.resource.to_string(), MAX_NAME)),
            words::change(it.drift.change),
            markdown_code(&clipped(&it.exemption, MAX_NAME))
        )
    });
    sheet.section(&section, all.len(), items);
}

fn pulls(sheet: &mut Sheet, report: &RunReport) {
    let section = Section {
        head: "\n### Pull requests\n\n",
        tail: "",
        one: "pull request",
        many: "pull requests",
    };
    let items = report.pulls.iter().map(|pull| {
        format!(
            "- {}: {}\n",
            markdown(&clipped(&pull.what, MAX_NAME)),
            link(pull)
        )
    });
    sheet.section(&section, report.pulls.len(), items);
}

/// A link to a pull request, if its address is one that can be linked to without escaping anything.
fn link(pull: &PullNote) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    match pull.url.strip_prefix("https://") {
        Some(rest) if rest.len() < MAX_NAME && rest.chars().all(is_plain) => {
            format!("[{}](https://{rest})", pull.number)
        }
        _ => format!(
            "{} at {}",
            pull.number,
            markdown_code(&clipped(&pull.url, MAX_NAME))
        ),
    }
}

fn recovered(sheet: &mut Sheet, report: &RunReport) {
    let section = Section {
        head: "\n### Left in flight by an earlier run\n\n",
        tail: "",
        one: "recovered step",
        many: "recovered steps",
    };
    let items = report.recovered.iter().map(|it| {
        format!(
            "- {} {} (run {})\n",
            markdown_code(&clipped(&it.resource, MAX_NAME)),
            markdown(&clipped(&it.what, MAX_NAME)),
            markdown_code(&clipped(&it.run.0, MAX_NAME))
        )
    });
    sheet.section(&section, report.recovered.len(), items);
}

fn details(
    sheet: &mut Sheet,
    report: &RunReport,
    disclosure: &Disclosure<'_>,
    entries: &[&Entry<'_>],
) {
    let mut shown = 0;
    for entry in entries.iter().take(MAX_DETAILS) {
        let heading = if shown == 0 { "\n### Details\n" } else { "" };
        let folded = folded(report, disclosure, entry);
        // Without the diff, where there is no room for it.
        let is_in = folded
            .iter()
            .any(|text| sheet.push(&format!("{heading}{text}")));
        shown += usize::from(is_in);
    }
    if shown < entries.len() {
        let left_out = entries.len() - shown;
        sheet.cut.push(format!(
            "details of {}",
            counted(left_out, "drift", "drifts")
        ));
    }
}

/// One folded block: whole, and without its diffs.
fn folded(report: &RunReport, disclosure: &Disclosure<'_>, entry: &Entry<'_>) -> [String; 2] {
    let drift = entry.drift;
    let mut short = format!(
        "\n<details><summary>{} {}</summary>\n\n- at {}\n",
        words::change(drift.change),
        markdown_code(&clipped(&drift.resource.to_string(), MAX_NAME)),
        markdown_code(&clipped(&drift.address.0, MAX_NAME))
    );
    for (name, sentence) in words::differences(disclosure, drift, MAX_FIELDS) {
        let name = markdown_code(&name);
        short.push_str(&format!("- {name} {}\n", markdown(&sentence)));
    }
    short.push_str(&format!("- action: {}\n", markdown(&entry.action())));
    if let Some(undo) = entry.undo() {
        short.push_str(&format!("- undo: {}\n", markdown(&undo)));
    }
    if let Some(group) = entry.group {
        let verdict = match report.verdicts.get(&group.hash) {
            Some(Verdict::Allow {
                approved_by: Some(file),
            }) => {
                format!(", approved by {}", markdown_code(&clipped(file, MAX_NAME)))
            }
            _ => String::new(),
        };
        let hash = markdown_code(&group.hash.short());
        short.push_str(&format!("- group {hash}{}{verdict}\n", entry.company()));
    }
    let whole = format!("{short}{}\n</details>\n", diffs(disclosure, drift));
    [whole, format!("{short}\n</details>\n")]
}

/// The diffs of disclosed contents.
fn diffs(disclosure: &Disclosure<'_>, drift: &Drift) -> String {
    let mut out = String::new();
    if drift.change != Change::Changed || !disclosure.is_open(drift) {
        return out;
    }
    for field in &drift.fields {
        let side = |value: &Option<crate::model::Value>| {
            let blob = value.as_ref().and_then(|value| value.as_blob())?;
            disclosure.bytes(drift, &blob)
        };
        let (Some(live), Some(baseline)) = (side(&field.actual), side(&field.expected)) else {
            continue;
        };
        let Difference::Lines(diff) = diff::unified(&live, &baseline, MAX_DIFF_LINES) else {
            continue;
        };
        out.push_str("\n<pre lang=\"diff\">\n--- live\n+++ baseline\n");
        for hunk in &diff.hunks {
            out.push_str(&format!("{}\n", preformatted(&hunk.header)));
            for line in &hunk.lines {
                let text: String = line.parts.iter().map(|(_, part)| part.as_str()).collect();
                let sign = match line.side {
                    Side::Both => ' ',
                    Side::Old => '-',
                    Side::New => '+',
                };
                out.push_str(&format!("{sign}{}\n", preformatted(&text)));
            }
        }
        if diff.left_out > 0 {
            out.push_str(&format!(
                "… {} left out\n",
                counted(diff.left_out, "line", "lines")
            ));
        }
        out.push_str("</pre>\n");
    }
    out
}

fn foot(sheet: &mut Sheet, report: &RunReport) {
    let mut parts = Vec::new();
    if let Some(run) = &report.run {
        parts.push(format!("run {}", markdown_code(&clipped(&run.0, MAX_NAME))));
    }
    if let Some((seq, hash)) = &report.journal_head {
        let hash = markdown_code(&clipped(hash, MAX_NAME));
        parts.push(format!("journal head {hash} (record {})", number(*seq)));
    }
    if !parts.is_empty() {
        sheet.push(&format!("\n{}\n", parts.join(" · ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    // Goal: a target out of reach does not push everything else out of a comment: one row for each reason.
    #[test]
    fn targets_out_of_reach() {
        let text = render(&samples::out_of_reach(150));
        let at = text.find("### Not evaluated").unwrap();
        insta::assert_snapshot!(&text[at..]);
    }

    // Goal: what a reviewer reads stays the same for a plan with everything in it.
    #[test]
    fn a_plan() {
        insta::assert_snapshot!(render(&samples::mixed()));
    }

    // Goal: the same for a reconcile with outcomes.
    #[test]
    fn a_reconcile() {
        insta::assert_snapshot!(render(&samples::troubled()));
    }

    // Goal: the document never grows beyond what a forge takes, and says exactly how much it left out.
    #[test]
    fn is_bounded_and_says_so() {
        let text = render(&samples::many(10_000));
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        let rows = text
            .lines()
            .filter(|line| line.starts_with("| <code>web"))
            .count();
        let left_out = number(10_000 - rows);
        assert!(rows > 20, "{rows}");
        assert!(
            text.contains(&format!("{left_out} drifts,")),
            "{}",
            &text[text.len() - 300..]
        );
    }

    // Goal: no live text opens a tag, a mention or a table cell. Method: every table row has the same number of cells,
    // and every `<` belongs to a tag that we write.
    #[test]
    fn nothing_live_has_a_meaning() {
        let text = render(&samples::mixed());
        assert!(!text.contains('@') && !text.contains('`'), "{text}");
        let ours = [
            "<code>",
            "</code>",
            "<details>",
            "</details>",
            "<summary>",
            "</summary>",
            "<pre lang=\"diff\">",
            "</pre>",
        ];
        for (at, _) in text.match_indices('<') {
            assert!(
                ours.iter().any(|tag| text[at..].starts_with(tag)),
                "{}",
                &text[at..]
            );
        }
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            assert!([3, 7].contains(&line.matches('|').count()), "{line}");
        }
    }
}
