//! The words of pull requests: title, body, approval file, commit message and comments.
//!
//! Flow: a [`Case`] (one group with its drifts and what is known around it) → [`proposal`]; outcomes and closings →
//! [`outcome_comment`], [`closed_comment`].
//!
//! **Invariant:** live content is shown only where its resource says `disclose: true` and is not sensitive; everywhere
//! else it is type, size and keyed digest.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{Timestamp, Unit};

use self::differs::{Side, View};
use super::adopt;
use super::lifecycle::Settled;
use super::marker::{self, Marker};
use super::text::{bounded, code_span, escape_markdown};
use crate::model::{
    BaselineInfo, Change, Contents, Digest, Drift, Finding, ForgeConfig, Group, GroupOutcome,
    GroupResult, RunId, Step, StepResult, TargetInfo, Undo, Verb,
};
use crate::ports::{FileChange, Proposal};
use crate::report::finding;

mod adoption;
mod differs;

pub use adoption::{Adoption, adopt_proposal};

/// The largest body, in bytes; GitHub takes 65,536 characters.
const MAX_BODY_BYTES: usize = 60_000;
/// The most resources and steps that are shown one by one.
const MAX_SHOWN: usize = 50;
const DAY_SECONDS: u64 = 24 * 3600;

/// One group that asks for approval, with all that a reviewer wants to know.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub group: &'a Group,
    /// The drifts that the group answers.
    pub drifts: &'a [&'a Drift],
    /// What they show, worst first.
    pub findings: &'a [&'a Finding],
    /// Contents of both sides, for the diffs of disclosed resources.
    pub contents: &'a Contents,
    /// The key for digests of what is not shown; none before the first run that journals.
    pub disclosure_key: Option<&'a [u8; 32]>,
    pub baseline: &'a BaselineInfo,
    pub target: &'a TargetInfo,
    /// Why a person is asked, as a fragment: "the target's mode is propose".
    pub why_asked: &'a str,
    /// When the cause was first seen, as far as the journal goes back.
    pub since: Option<Timestamp>,
    /// How many resources could be evaluated on the target.
    pub evaluated: usize,
    pub now: Timestamp,
    /// The pull request for the same cause that was closed or merged before.
    pub follows: Option<u64>,
    pub config: &'a ForgeConfig,
}

/// Writes the pull request that asks approval for a group: its diff adds the approval file and nothing else.
pub fn proposal(case: &Case<'_>) -> Proposal {
    let group = case.group;
    Proposal {
        branch: marker::branch(&group.fingerprint),
        title: title(case),
        body: body(case),
        message: format!(
            "Approve group {} on {}\n\nMerging this carries the steps in the file out once.\n",
            group.hash.short(),
            group.target
        ),
        files: vec![FileChange {
            path: approval_path(&case.baseline.prefix, &group.hash),
            content: Some(approval_file(case).into_bytes()),
        }],
        // The file is new, and named after what is in it.
        made_from: Vec::new(),
        labels: case.config.labels.clone(),
    }
}

/// The path of a group's approval, relative to the top of the repository; `prefix` is the baseline's directory.
pub fn approval_path(prefix: &str, group: &Digest) -> String {
    in_repository(prefix, &format!("approvals/{group}.yaml"))
}

/// A path in the baseline's directory `prefix` as one relative to the top of the repository.
pub fn in_repository(prefix: &str, path: &str) -> String {
    match prefix.trim_matches('/') {
        "" => path.to_owned(),
        prefix => format!("{prefix}/{path}"),
    }
}

/// The key under which the outcome of a run is commented once.
pub fn outcome_key(run: &RunId, group: &Digest) -> String {
    format!("outcome:{run}:{}", group.short())
}

/// Writes what became of a group that was approved, with the run and how to take it back.
pub fn outcome_comment(outcome: &GroupOutcome, run: &RunId, now: Timestamp) -> String {
    let mut out = String::new();
    let headline = match outcome.result {
        GroupResult::Done => "Carried out and verified",
        GroupResult::Stale => "Not carried out: the live state had changed meanwhile",
        GroupResult::Failed => "Failed, and what had been done was taken back",
        GroupResult::Broken => "Failed, and taking it back failed too: a person has to look",
        GroupResult::Lost => {
            "The target was lost in the middle: the next run finds out what is there"
        }
    };
    let _ = writeln!(
        out,
        "**{headline}**, in run {} at {}.\n",
        code_span(&run.0),
        time(now)
    );
    for step in outcome.steps.iter().take(MAX_SHOWN) {
        let _ = writeln!(
            out,
            "- {}: {}",
            code_span(&step.resource.to_string()),
            result_words(&step.result)
        );
    }
    more(&mut out, outcome.steps.len());
    let undo = match outcome.result {
        GroupResult::Done => format!("\nTo take it back: {}\n", code_span(&format!("evenkeel undo {run}"))),
        GroupResult::Stale => {
            "\nThis approval is for the state that was; the next run asks anew if it still differs.\n"
                .to_owned()
        }
        GroupResult::Failed | GroupResult::Broken | GroupResult::Lost => format!(
            "\nWhat happened in detail: {}\n",
            code_span(&format!("evenkeel journal show --run {run}"))
        ),
    };
    out.push_str(&undo);
    bounded(out, MAX_BODY_BYTES)
}

/// Writes why evenkeel closes a pull request that nobody merged.
pub fn closed_comment(because: Settled, commit: Option<&str>, now: Timestamp) -> String {
    let against = commit.map_or_else(String::new, |commit| {
        format!(", compared with commit {}", code_span(short_commit(commit)))
    });
    format!(
        "Closed: {because} (seen at {}{against}). Nothing was carried out for this pull request. \
         If it comes back, a new one is opened.\n",
        time(now)
    )
}

fn title(case: &Case<'_>) -> String {
    let group = case.group;
    let first = &group.steps[0];
    let verb = match (first.verb, case.drifts.first().map(|drift| drift.change)) {
        (Verb::Remove, _) => "Remove",
        (Verb::Put, Some(Change::Missing)) => "Put back",
        (Verb::Put, _) => "Restore",
    };
    let rest = match group.steps.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let name = plain_name(&first.resource.short());
    format!(
        "{verb} {name}{rest} on {} ({} risk)",
        group.target,
        group.risk().level
    )
}

/// A name fit for a title, which becomes part of the merge's message, where `@name` mentions and `fixes #1` closes.
fn plain_name(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    name.chars()
        .take(120)
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

fn body(case: &Case<'_>) -> String {
    let marker = Marker {
        fingerprint: case.group.fingerprint.clone(),
        group: case.group.hash,
        target: case.group.target.clone(),
        project: marker::project(&case.baseline.prefix),
        expires: expires(case),
    };
    let mut out = format!("{marker}\n");
    let _ = writeln!(
        out,
        "The live state of {} is not what the baseline says. **Merging this approves putting it back**, once; \
         nothing else happens on merging.\n",
        code_span(&case.group.target.0)
    );
    summary(case, &mut out);
    findings(case, &mut out);
    let view = View {
        drifts: case.drifts,
        contents: case.contents,
        key: case.disclosure_key,
        prefix: &case.baseline.prefix,
        merging_makes: Side::Baseline,
    };
    differs::section(&view, &mut out);
    steps(case, &mut out);
    choices(case, &mut out);
    bounded(out, MAX_BODY_BYTES)
}

fn summary(case: &Case<'_>, out: &mut String) {
    let risk = case.group.risk();
    let why = match risk.why.as_str() {
        "" => String::new(),
        why => format!(": {}", escape_markdown(why)),
    };
    out.push_str("| | |\n|---|---|\n");
    let mut row = |name: &str, text: String| {
        let _ = writeln!(out, "| {name} | {text} |");
    };
    row("Risk", format!("**{}**{why}", risk.level));
    row("Reach", reach(case));
    row("Since", since(case));
    row("Undo", undo(case.group));
    row("Baseline", baseline(case.baseline));
    row("Asked because", escape_markdown(case.why_asked));
    row("Executes", executes(case));
    if let Some(number) = case.follows {
        // A reference links the two pull requests at the forge, which is what a reviewer wants here.
        row("Follows", format!("#{number}, for the same cause"));
    }
    out.push('\n');
}

/// What speaks for an intruder, before a reviewer looks at anything else.
fn findings(case: &Case<'_>, out: &mut String) {
    if case.findings.is_empty() {
        return;
    }
    out.push_str("**Indicators of compromise**: find out who did it before it is put right.\n\n");
    for one in case.findings.iter().take(MAX_SHOWN) {
        let _ = writeln!(out, "- {}", escape_markdown(&finding::named_line(one)));
    }
    more(out, case.findings.len());
    out.push('\n');
}

fn reach(case: &Case<'_>) -> String {
    let resources: std::collections::BTreeSet<_> =
        case.group.steps.iter().map(|step| &step.resource).collect();
    format!(
        "{} of {} on {} ({}), in {}",
        resources.len(),
        count(case.evaluated.max(resources.len()), "evaluated resource"),
        code_span(&case.target.name.0),
        escape_markdown(&case.target.description),
        count(case.group.steps.len(), "step")
    )
}

fn since(case: &Case<'_>) -> String {
    match case.since {
        Some(since) => format!(
            "first seen at {}, {} ago",
            time(since),
            duration(case.now, since)
        ),
        None => format!("first seen in this run, at {}", time(case.now)),
    }
}

fn undo(group: &Group) -> String {
    let lost: Vec<_> = group
        .steps
        .iter()
        .filter_map(|step| match &step.undo {
            Undo::Irreversible { why } => Some(why),
            Undo::Restore => None,
        })
        .collect();
    match lost.first() {
        None => format!(
            "{} puts back what is there now, and proves it",
            code_span("evenkeel undo RUN")
        ),
        Some(why) => format!(
            "**{} cannot be taken back**: {}",
            match lost.len() {
                1 => "one step".to_owned(),
                n => format!("{n} steps"),
            },
            escape_markdown(why)
        ),
    }
}

fn baseline(baseline: &BaselineInfo) -> String {
    let summary = baseline
        .summary
        .as_deref()
        .map_or_else(String::new, |text| format!(" ({})", escape_markdown(text)));
    match &baseline.commit {
        Some(commit) => format!("commit {}{summary}", code_span(short_commit(commit))),
        None => "the files as they lay, not a commit".to_owned(),
    }
}

fn executes(case: &Case<'_>) -> String {
    format!(
        "at the next {} on {} after the merge, on {}, and only if it is then still exactly what is shown here; not after {}",
        code_span("evenkeel reconcile"),
        code_span(&case.config.base),
        code_span(&case.target.name.0),
        time(expires(case))
    )
}

fn steps(case: &Case<'_>, out: &mut String) {
    out.push_str("### What merging does\n\n");
    for (number, step) in (1..).zip(case.group.steps.iter().take(MAX_SHOWN)) {
        let _ = writeln!(
            out,
            "{number}. **{}** {} at {}{}",
            step.verb,
            code_span(&step.resource.short()),
            code_span(&step.address.0),
            step_notes(step)
        );
    }
    more(out, case.group.steps.len());
    out.push('\n');
}

fn step_notes(step: &Step) -> String {
    let mut notes = String::new();
    if let Undo::Irreversible { why } = &step.undo {
        let _ = write!(notes, "; cannot be taken back: {}", escape_markdown(why));
    }
    if step.keep {
        notes.push_str("; stays done even if a later step fails");
    }
    notes
}

fn choices(case: &Case<'_>, out: &mut String) {
    out.push_str("### Your choice\n\n");
    let _ = writeln!(
        out,
        "- **Put the baseline back:** merge. The one who merges has to be a person who neither opened this nor pushed to \
         its branch. If the live state or the baseline changes before, this pull request changes with it."
    );
    live_is_right(case, out);
    let again = match case.config.reopen_after_days {
        0 => "by the next run".to_owned(),
        days => format!("after {}", count(days as usize, "day")),
    };
    let _ = writeln!(
        out,
        "- **Neither now:** close this. It is raised again {again} if it still differs."
    );
    let _ = writeln!(
        out,
        "\nGroup {}, cause {}.",
        code_span(&case.group.hash.to_string()),
        code_span(&case.group.fingerprint)
    );
}

/// Names the way to the opposite pull request: the command where it can make one, else by hand.
fn live_is_right(case: &Case<'_>, out: &mut String) {
    let listed: Vec<_> = case
        .drifts
        .iter()
        .take(MAX_SHOWN)
        .filter(|drift| drift.found_in.is_none())
        .collect();
    if listed.is_empty() {
        return;
    }
    let names: Vec<_> = listed
        .iter()
        .map(|drift| drift.resource.to_string())
        .collect();
    let names = names.join(" ");
    let way = match listed
        .iter()
        .all(|drift| adopt::edits(drift, case.contents).is_ok())
    {
        true => format!(
            "{} opens a pull request that changes the baseline instead",
            code_span(&format!("evenkeel adopt {names}"))
        ),
        false => format!(
            "change the manifest of {} in a pull request of your own",
            code_span(&names)
        ),
    };
    let _ = writeln!(
        out,
        "- **The live state is right:** {way}; when that is merged, this one is closed."
    );
}

fn approval_file(case: &Case<'_>) -> String {
    let group = case.group;
    let mut out = String::from(
        "# Merging this file into the base branch approves the steps below, once, until it expires.\n\
         # Only `group` and `expires` count; the steps are written out for people.\n",
    );
    let _ = writeln!(out, "apiVersion: evenkeel.dev/v1\nkind: Approval");
    let _ = writeln!(out, "group: {}", quoted(&group.hash.to_string()));
    let _ = writeln!(out, "fingerprint: {}", quoted(&group.fingerprint));
    let _ = writeln!(out, "expires: {}", quoted(&expires(case).to_string()));
    let _ = writeln!(out, "reason: {}", quoted(case.why_asked));
    out.push_str("steps:\n");
    for step in &group.steps {
        let undo = match &step.undo {
            Undo::Restore => "can be taken back".to_owned(),
            Undo::Irreversible { why } => format!("cannot be taken back: {why}"),
        };
        let line = format!(
            "{} {} at {} ({} risk; {undo})",
            step.verb, step.resource, step.address, step.risk.level
        );
        let _ = writeln!(out, "  - {}", quoted(&line));
    }
    out
}

/// A YAML scalar in double quotes, so that no name or digest can pass for anything but text.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn expires(case: &Case<'_>) -> Timestamp {
    let valid = Duration::from_secs(u64::from(case.config.approval_valid_days) * DAY_SECONDS);
    let at = case.now.checked_add(valid).unwrap_or(Timestamp::MAX);
    at.round(Unit::Second).unwrap_or(at)
}

fn result_words(result: &StepResult) -> String {
    match result {
        StepResult::Done => "done".to_owned(),
        StepResult::Stale { .. } => "not done, it had changed".to_owned(),
        StepResult::Failed { error } => format!("failed: {}", escape_markdown(error)),
        StepResult::Unwound => "done, then taken back".to_owned(),
        StepResult::UnwindFailed { error } => {
            format!("could not be taken back: {}", escape_markdown(error))
        }
        StepResult::Lost { error } => format!("not known: {}", escape_markdown(error)),
        StepResult::NotBegun => "not begun".to_owned(),
    }
}

fn more(out: &mut String, total: usize) {
    if total > MAX_SHOWN {
        let _ = writeln!(out, "\n…and {} more.", total - MAX_SHOWN);
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn short_commit(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn duration(now: Timestamp, since: Timestamp) -> String {
    let seconds = u64::try_from(now.as_second() - since.as_second()).unwrap_or(0);
    match seconds {
        0..60 => count(seconds as usize, "second"),
        60..3600 => count((seconds / 60) as usize, "minute"),
        3600..172_800 => count((seconds / 3600) as usize, "hour"),
        _ => count((seconds / DAY_SECONDS) as usize, "day"),
    }
}

#[cfg(test)]
mod tests;
