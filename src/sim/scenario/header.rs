//! `scenario.yaml`: who, when, and what has to come of it.
//!
//! **Invariant:** a scenario has at least one must and one must-not, and they speak of resources that its baseline has.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::expectation::{self, Expectation, Frame};
use super::terms;
use crate::baseline::Loaded;
use crate::document::{Fields, Yaml, suggest};
use crate::model::{Mode, Problems, TargetName};

/// The most cycles of one drill.
const MAX_CYCLES: u128 = 10_000;
/// The most expectations of one sort.
const MAX_EXPECTATIONS: usize = 200;
const MAX_TITLE: usize = 120;
const MAX_STORY: usize = 20_000;

/// What the file says.
pub(super) struct Header {
    pub title: String,
    pub story: String,
    pub attack: Vec<String>,
    pub target: TargetName,
    pub mode: Mode,
    pub start: Timestamp,
    pub end: Timestamp,
    pub cycle_every: Duration,
    pub expectations: Vec<Expectation>,
}

/// Decodes the document, none where something that everything else needs is wrong.
pub(super) fn decode(doc: &Yaml, baseline: &Loaded, problems: &mut Problems) -> Option<Header> {
    let mut fields = doc.fields(problems)?;
    fixed(&mut fields, "apiVersion", "evenkeel.dev/v1", problems);
    fixed(&mut fields, "kind", "Scenario", problems);
    let title = fields
        .require("title", problems)
        .and_then(|node| terms::line(node, MAX_TITLE, problems));
    let story = fields
        .require("story", problems)
        .and_then(|node| story(node, problems));
    let attack = fields
        .require("attack", problems)
        .map(|node| attack(node, problems));
    let target = fields
        .require("target", problems)
        .and_then(|node| target(node, baseline, problems));
    let modes = [
        ("observe", Mode::Observe),
        ("propose", Mode::Propose),
        ("enforce", Mode::Enforce),
    ];
    let mode = fields
        .require("mode", problems)
        .and_then(|node| node.one_of(&modes, problems));
    let times = times(&mut fields, problems);
    let musts = fields.require("musts", problems);
    let must_nots = fields.require("must_nots", problems);
    fields.finish(problems);
    let (target, (start, end, cycle_every)) = (target?, times?);
    let frame = Frame {
        start,
        end,
        target: &target,
        baseline,
    };
    let mut expectations = Vec::new();
    for (node, must) in [(musts?, true), (must_nots?, false)] {
        let items = node.list(problems).unwrap_or_default();
        if items.is_empty() {
            problems.push(node.problem("at least one is needed: a drill has to show what it does, and what it leaves alone"));
        }
        if items.len() > MAX_EXPECTATIONS {
            problems.push(node.problem(format!("at most {MAX_EXPECTATIONS} are read")));
        }
        for item in items.iter().take(MAX_EXPECTATIONS) {
            expectations.extend(expectation::decode(item, must, &frame, problems));
        }
    }
    Some(Header {
        title: title?,
        story: story?,
        attack: attack?,
        target,
        mode: mode?,
        start,
        end,
        cycle_every,
        expectations,
    })
}

fn fixed(fields: &mut Fields<'_>, name: &'static str, value: &str, problems: &mut Problems) {
    if let Some(node) = fields.require(name, problems)
        && let Some(text) = node.text(problems)
        && text != value
    {
        problems.push(node.problem(format!(
            "`{name}` is {value} here, not \"{}\"",
            terms::shown(text)
        )));
    }
}

fn story(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let fits = text.chars().count() <= MAX_STORY && !text.trim().is_empty();
    let plain = text
        .lines()
        .all(|line| line.is_empty() || terms::is_line(line, MAX_STORY));
    if fits && plain {
        return Some(text.trim_end().to_owned());
    }
    problems.push(node.problem(format!(
        "expected 1 to {MAX_STORY} characters of text, without control characters"
    )));
    None
}

fn attack(node: &Yaml, problems: &mut Problems) -> Vec<String> {
    let mut ids = Vec::new();
    for item in node.list(problems).unwrap_or_default() {
        let Some(text) = item.text(problems) else {
            continue;
        };
        let (technique, sub) = text.split_once('.').unwrap_or((text, "000"));
        let digits = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit())
        };
        let known = technique
            .strip_prefix('T')
            .is_some_and(|number| digits(number, 4) && digits(sub, 3));
        if known {
            ids.push(text.to_owned());
        } else {
            problems.push(
                item.problem(format!("\"{}\" is no ATT&CK technique", terms::shown(text)))
                    .hint("write its id, such as T1098 or T1098.004"),
            );
        }
    }
    if ids.len() > 50 {
        problems.push(node.problem("at most 50 techniques are read"));
    }
    ids
}

fn target(node: &Yaml, baseline: &Loaded, problems: &mut Problems) -> Option<TargetName> {
    let text = node.text(problems)?;
    let targets = &baseline.project.as_ref()?.targets;
    if let Some(found) = targets.iter().find(|target| target.name.0 == text) {
        return Some(found.name.clone());
    }
    let known: Vec<_> = targets
        .iter()
        .map(|target| target.name.0.as_str())
        .collect();
    problems.push(
        node.problem(format!(
            "\"{}\" is no target of the baseline",
            terms::shown(text)
        ))
        .hint(suggest(text, &known)),
    );
    None
}

/// Start, end and interval.
fn times(
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<(Timestamp, Timestamp, Duration)> {
    let start = fields.require("start", problems).and_then(|node| {
        let text = node.text(problems)?;
        let found = text.parse::<Timestamp>().ok();
        if found.is_none() {
            problems.push(
                node.problem(format!("\"{}\" is no instant", terms::shown(text)))
                    .hint("write it as RFC 3339, such as 2026-11-24T02:00:00Z"),
            );
        }
        found
    });
    let second = Duration::from_secs(1);
    let every = fields
        .require("cycle_every", problems)
        .and_then(|node| terms::duration(node, second, problems));
    let node = fields.require("duration", problems)?;
    let length = terms::duration(node, second, problems);
    let (start, every, length) = (start?, every?, length?);
    if length.as_millis() / every.as_millis() > MAX_CYCLES {
        problems.push(
            node.problem(format!("this makes more than {MAX_CYCLES} cycles"))
                .hint("make `duration` shorter or `cycle_every` longer"),
        );
        return None;
    }
    let end = start
        .checked_add(SignedDuration::try_from(length).ok()?)
        .ok();
    if end.is_none() {
        problems.push(node.problem("it would end after the last instant there is"));
    }
    Some((start, end?, every))
}
