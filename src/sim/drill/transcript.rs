//! The transcript: what happened, what was decided, what is different at the end; never a whole state.
//!
//! **Invariant:** neither seed nor run id nor digest is in it, so that it is the same wherever and however often it is made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::check::{Check, code};
use super::story::{Cycle, GroupStory, Happened, Moment, Seen, Story, passed};
use crate::model::{Change, GroupResult, HeldBecause, ResourceId, StepResult};
use crate::report::escape::clipped;
use crate::sim::scenario::{Scenario, Truth, What, duration_text, offset_text};

/// The most lines of one list.
const MAX_LINES: usize = 12;
/// The most differences at the end.
const MAX_DIFFERENCES: usize = 60;
const MAX_TEXT: usize = 200;

/// A part of the transcript that can be the same as the one before it.
struct Block {
    at: Timestamp,
    /// The number of the cycle, for a cycle.
    cycle: Option<usize>,
    text: String,
}

/// Tells a story; ends with a line end.
pub(super) fn tell(scenario: &Scenario, story: &Story, checks: &[Check]) -> String {
    let mut text = header(scenario);
    let mut blocks = Vec::new();
    let mut before = BTreeMap::new();
    for moment in &story.moments {
        blocks.push(Block {
            at: moment.at,
            cycle: match &moment.what {
                Happened::Cycle(cycle) => Some(cycle.number),
                _ => None,
            },
            text: block(scenario, story, moment, &before),
        });
        before.clone_from(&moment.differs);
    }
    let mut blocks = blocks.into_iter().peekable();
    while let Some(first) = blocks.next() {
        let mut last = (first.at, first.cycle);
        while let Some(next) = blocks.next_if(|next| {
            first.cycle.is_some() && next.text == first.text && next.cycle.is_some()
        }) {
            last = (next.at, next.cycle);
        }
        write_block(&mut text, scenario.start, &first, last);
    }
    differences(&mut text, story);
    text.push_str("\nexpectations\n");
    for check in checks {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        let _ = writeln!(
            text,
            "  {mark} {}\n         {}",
            check.expected,
            clipped(&check.seen, 2_000)
        );
    }
    text
}

fn header(scenario: &Scenario) -> String {
    let length = passed(scenario.start, scenario.end);
    format!(
        "{}\nattack {}\ntarget {}, mode {}, from {} for {}, a cycle every {}\n\n",
        scenario.title,
        scenario.attack.join(", "),
        scenario.target,
        scenario.mode,
        scenario.start,
        duration_text(length),
        duration_text(scenario.cycle_every)
    )
}

fn write_block(
    text: &mut String,
    start: Timestamp,
    first: &Block,
    last: (Timestamp, Option<usize>),
) {
    if first.text.is_empty() {
        return;
    }
    let mut time = offset_text(start, first.at);
    let mut cycle = String::new();
    if let Some(number) = first.cycle {
        cycle = match last.1 {
            Some(other) if other > number => format!("cycles {number} to {other}: "),
            _ => format!("cycle {number}: "),
        };
    }
    if last.0 > first.at {
        time = format!("{time} to {}", offset_text(start, last.0));
    }
    let mut lines = first.text.lines();
    let _ = writeln!(
        text,
        "{time:<10} {cycle}{}",
        lines.next().unwrap_or_default()
    );
    for line in lines {
        let _ = writeln!(text, "             {line}");
    }
}

fn block(
    scenario: &Scenario,
    story: &Story,
    moment: &Moment,
    before: &BTreeMap<ResourceId, Seen>,
) -> String {
    let mut text = String::new();
    match &moment.what {
        Happened::Start if moment.differs.is_empty() && moment.unseen.is_empty() => {}
        Happened::Start => text.push_str("at the start\n"),
        Happened::End => {
            let _ = writeln!(text, "the end: {}", standing(moment));
        }
        Happened::Line {
            index,
            failed,
            changed,
        } => line(&mut text, scenario, *index, failed.as_deref(), *changed),
        Happened::Cycle(cycle) => self::cycle(&mut text, story, moment, cycle),
    }
    if !matches!(moment.what, Happened::Cycle(_) | Happened::End) {
        let new = moment
            .differs
            .iter()
            .filter(|(id, seen)| before.get(*id) != Some(*seen));
        let new: Vec<_> = new.map(|(id, seen)| described(id, seen)).collect();
        list(&mut text, "differs now: ", &new);
        let over = before.keys().filter(|id| !moment.differs.contains_key(*id));
        let over: Vec<_> = over.map(shown).collect();
        list(&mut text, "differs no longer: ", &over);
        unseen(&mut text, moment);
    }
    text
}

fn line(
    text: &mut String,
    scenario: &Scenario,
    index: usize,
    failed: Option<&str>,
    changed: usize,
) {
    let line = &scenario.timeline[index];
    let truth = match line.truth {
        Truth::Malicious => "malicious",
        Truth::Benign => "benign",
    };
    let what = match &line.what {
        What::Deed(deed) => deed.to_string(),
        What::Event(event) => format!("logs {}", clipped(&event.to_string(), MAX_TEXT)),
    };
    let _ = write!(text, "{} ({truth}) {what}", line.actor);
    if changed > 1 {
        let _ = write!(text, ": {changed} places");
    }
    if let Some(note) = &line.note {
        let _ = write!(text, " [{note}]");
    }
    text.push('\n');
    if let Some(why) = failed {
        let _ = writeln!(text, "without effect: {}", clipped(why, MAX_TEXT));
    }
}

fn cycle(text: &mut String, story: &Story, moment: &Moment, cycle: &Cycle) {
    let coverage = cycle.coverage;
    let total = coverage.total();
    let _ = match (coverage.drifted, coverage.not_evaluated) {
        (0, 0) => writeln!(
            text,
            "all {total} resources are as the baseline says; exit {}",
            cycle.exit
        ),
        (drifted, 0) => writeln!(
            text,
            "{drifted} of {total} resources differ; exit {}",
            cycle.exit
        ),
        (drifted, unseen) => writeln!(
            text,
            "{drifted} of {total} resources differ, {unseen} could not be evaluated; exit {}",
            cycle.exit
        ),
    };
    let found: Vec<_> = cycle
        .found
        .iter()
        .map(|(id, seen)| reported(story, moment, id, seen))
        .collect();
    list(text, "found ", &found);
    unseen(text, moment);
    held(text, &cycle.groups);
    for group in &cycle.groups {
        outcome(text, group);
    }
    let restored: Vec<_> = story
        .episodes
        .iter()
        .filter(|episode| episode.restored() == Some(moment.at))
        .map(|episode| {
            let took = passed(episode.began, moment.at);
            format!("{} after {}", shown(&episode.resource), duration_text(took))
        })
        .collect();
    list(text, "restored ", &restored);
    let errors: Vec<_> = cycle
        .errors
        .iter()
        .map(|error| clipped(error, MAX_TEXT).into_owned())
        .collect();
    list(text, "error: ", &errors);
    if !moment.differs.is_empty() {
        let _ = writeln!(text, "left: {}", standing(moment));
    }
}

/// A finding with the time that it took, the first time that it is reported.
fn reported(story: &Story, moment: &Moment, id: &ResourceId, seen: &Seen) -> String {
    let text = described(id, seen);
    let mut episodes = story.episodes.iter();
    match episodes.find(|one| one.resource == *id && one.seen == Some(moment.at)) {
        Some(episode) if episode.began < moment.at => {
            let took = passed(episode.began, moment.at);
            format!("{text} after {}", duration_text(took))
        }
        _ => text,
    }
}

/// What the guard held, one line a reason.
fn held(text: &mut String, groups: &[GroupStory]) {
    let mut by_reason: Vec<(&HeldBecause, Vec<String>)> = Vec::new();
    for group in groups {
        let Some(because) = &group.held else { continue };
        let steps = group
            .steps
            .iter()
            .map(|step| format!("{} {}", step.verb, shown(&step.resource)));
        match by_reason.iter_mut().find(|(known, _)| *known == because) {
            Some((_, all)) => all.extend(steps),
            None => by_reason.push((because, steps.collect())),
        }
    }
    for (because, steps) in by_reason {
        let what = match steps.len() {
            1 => steps[0].clone(),
            number => format!("{number} steps"),
        };
        let reason = because.to_string();
        let _ = writeln!(
            text,
            "held {what} ({}): {}",
            code(because),
            clipped(&reason, MAX_TEXT)
        );
    }
}

fn outcome(text: &mut String, group: &GroupStory) {
    let Some(outcome) = &group.outcome else {
        return;
    };
    let verbs: BTreeMap<_, _> = group
        .steps
        .iter()
        .map(|step| (&step.resource, step.verb))
        .collect();
    let word = match outcome.result {
        GroupResult::Done => "done",
        GroupResult::Stale => "stale",
        GroupResult::Failed => "failed",
        GroupResult::Broken => "broken",
        GroupResult::Lost => "lost",
    };
    let steps: Vec<String> = outcome
        .steps
        .iter()
        .map(|step| {
            let verb = verbs
                .get(&step.resource)
                .map_or_else(String::new, |verb| format!("{verb} "));
            let result = match &step.result {
                StepResult::Done => String::new(),
                StepResult::Stale { found } => format!(" (stale: {})", clipped(found, MAX_TEXT)),
                StepResult::Failed { error } => format!(" (failed: {})", clipped(error, MAX_TEXT)),
                StepResult::Unwound => " (taken back)".to_owned(),
                StepResult::UnwindFailed { error } => {
                    format!(" (could not be taken back: {})", clipped(error, MAX_TEXT))
                }
                StepResult::Lost { error } => format!(" (lost: {})", clipped(error, MAX_TEXT)),
                StepResult::NotBegun => " (not begun)".to_owned(),
            };
            format!("{verb}{}{result}", shown(&step.resource))
        })
        .collect();
    let _ = writeln!(text, "{word} {}", steps.join(", "));
}

fn standing(moment: &Moment) -> String {
    match (moment.differs.len(), moment.unseen.len()) {
        (0, 0) => "nothing differs from the baseline".to_owned(),
        (1, 0) => "1 resource differs from the baseline".to_owned(),
        (differs, 0) => format!("{differs} resources differ from the baseline"),
        (differs, unseen) => {
            format!("{differs} resources differ from the baseline, {unseen} could not be evaluated")
        }
    }
}

fn unseen(text: &mut String, moment: &Moment) {
    let unseen: Vec<_> = moment
        .unseen
        .iter()
        .map(|(id, unseen)| format!("{}: {}", shown(id), clipped(&unseen.why, MAX_TEXT)))
        .collect();
    list(text, "not evaluated ", &unseen);
}

fn shown(id: &ResourceId) -> String {
    clipped(&id.short(), MAX_TEXT).into_owned()
}

fn described(id: &ResourceId, seen: &Seen) -> String {
    let word = match seen.change {
        Change::Missing => return format!("{} is missing", shown(id)),
        Change::Extra => return format!("{} is extra", shown(id)),
        Change::Changed => "differs in",
    };
    let mut names: Vec<_> = seen
        .fields
        .iter()
        .map(|name| clipped(name, MAX_TEXT).into_owned())
        .collect();
    let more = names.len().saturating_sub(5);
    names.truncate(5);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    format!("{} {word} {}", shown(id), names.join(", "))
}

fn list(text: &mut String, mark: &str, items: &[String]) {
    for item in items.iter().take(MAX_LINES) {
        let _ = writeln!(text, "{mark}{item}");
    }
    if items.len() > MAX_LINES {
        let _ = writeln!(text, "{mark}{} more", items.len() - MAX_LINES);
    }
}

fn differences(text: &mut String, story: &Story) {
    let all = story.first.differences(&story.last);
    text.push_str("\nthe world at the end against its start\n");
    if all.is_empty() {
        text.push_str("  nothing is different\n");
    }
    for one in all.iter().take(MAX_DIFFERENCES) {
        let path = one.path.address();
        let _ = writeln!(text, "  {}: {}", clipped(&path.0, MAX_TEXT), one.what);
    }
    if all.len() > MAX_DIFFERENCES {
        let _ = writeln!(text, "  {} more", all.len() - MAX_DIFFERENCES);
    }
}
