//! Expectations: what must come of a drill, and what must not.
//!
//! Flow: an item of `musts` or `must_nots` → [`Expectation`]. Each has exactly one condition; see `docs/scenarios.md`.
//!
//! **Invariant:** a condition names a resource that the baseline has, or an address; a word that means nothing is a
//! problem, since a must-not about nothing would always hold.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::terms::{self, duration_text, offset_text};
use crate::baseline::Loaded;
use crate::document::{Fields, Yaml, suggest};
use crate::model::{Address, Change, Problems, ResourceId, Span, TargetName};
use crate::providers::host::fs::HostPath;
use crate::providers::host::path;
use crate::sim::deed::Matching;

/// Every reason for which the guard holds something, as it is written in `because`.
const REASONS: [&str; 11] = [
    "blast_radius",
    "changed_percent",
    "protected",
    "self_protection",
    "kill_switch",
    "needs_approval",
    "mode",
    "suspended",
    "undo_failed",
    "depends_on_not_evaluated",
    "no_journal",
];

/// Every condition.
const CONDITIONS: [&str; 9] = [
    "drifted", "restored", "held", "acted", "changed", "present", "absent", "clean", "exit",
];

/// One thing that must, or must not, come of a drill.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub must: bool,
    pub condition: Condition,
    /// Where the scenario says it.
    pub at: Span,
}

/// Which resources a condition is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Subject {
    Any,
    /// A person's words for one resource: `Kind/name`, `name` or an address.
    One(String),
}

/// When a state has to hold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum When {
    End,
    /// At any one moment.
    Ever,
    At(Timestamp),
}

/// What is looked for.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// A cycle reports that it differs: each time it does, `within` that time.
    Drifted {
        subject: Subject,
        change: Option<Change>,
        within: Option<Duration>,
        times: Option<usize>,
    },
    /// evenkeel puts it back, proven by looking again: each time it differs, `within` that time.
    Restored {
        subject: Subject,
        within: Option<Duration>,
        times: Option<usize>,
    },
    /// The guard holds what would change it.
    Held {
        subject: Subject,
        because: Option<String>,
    },
    /// evenkeel begins to change it.
    Acted { subject: Subject },
    /// evenkeel changes something at such a path.
    Changed { paths: Matching },
    /// Something stands at the path, or nothing does.
    Stands {
        path: HostPath,
        present: bool,
        when: When,
    },
    /// Nothing differs and everything could be evaluated.
    Clean { subject: Subject, when: When },
    /// The exit code of the newest cycle.
    Exit { code: u8, when: When },
}

/// What expectations are read against.
pub(super) struct Frame<'a> {
    pub start: Timestamp,
    pub end: Timestamp,
    pub target: &'a TargetName,
    pub baseline: &'a Loaded,
}

/// Decodes one item.
pub(super) fn decode(
    node: &Yaml,
    must: bool,
    frame: &Frame<'_>,
    problems: &mut Problems,
) -> Option<Expectation> {
    let mut fields = node.fields(problems)?;
    let found: Vec<_> = CONDITIONS
        .iter()
        .filter_map(|name| fields.take(name).map(|value| (*name, value)))
        .collect();
    let [(name, value)] = found[..] else {
        let known = format!("exactly one of {} is needed", CONDITIONS.join(", "));
        problems.push(node.problem(known));
        return None;
    };
    let before = problems.0.len();
    let condition = condition(name, value, &mut fields, frame, problems);
    if !must {
        refuse_measures(&condition, node, problems);
    }
    fields.finish(problems);
    if problems.0.len() > before {
        return None;
    }
    Some(Expectation {
        must,
        condition: condition?,
        at: node.span(),
    })
}

fn condition(
    name: &str,
    value: &Yaml,
    fields: &mut Fields<'_>,
    frame: &Frame<'_>,
    problems: &mut Problems,
) -> Option<Condition> {
    Some(match name {
        "drifted" => Condition::Drifted {
            subject: subject(value, frame, problems)?,
            change: change(fields, problems),
            within: within(fields, problems),
            times: times(fields, problems),
        },
        "restored" => Condition::Restored {
            subject: subject(value, frame, problems)?,
            within: within(fields, problems),
            times: times(fields, problems),
        },
        "held" => Condition::Held {
            subject: subject(value, frame, problems)?,
            because: because(fields, problems),
        },
        "acted" => Condition::Acted {
            subject: subject(value, frame, problems)?,
        },
        "changed" => Condition::Changed {
            paths: glob(value, problems)?,
        },
        "present" | "absent" => Condition::Stands {
            path: terms::host_path(value, problems)?,
            present: name == "present",
            when: when(fields, frame, problems),
        },
        "clean" => Condition::Clean {
            subject: subject(value, frame, problems)?,
            when: when(fields, frame, problems),
        },
        _ => Condition::Exit {
            code: u8::try_from(value.integer(0, 6, problems)?).ok()?,
            when: when(fields, frame, problems),
        },
    })
}

/// How soon or how often something happens is no matter where it must not happen at all.
fn refuse_measures(condition: &Option<Condition>, node: &Yaml, problems: &mut Problems) {
    let measured = match condition {
        Some(
            Condition::Drifted { within, times, .. } | Condition::Restored { within, times, .. },
        ) => within.is_some() || times.is_some(),
        _ => false,
    };
    if measured {
        problems.push(
            node.problem("`within` and `times` have no meaning in a must_not")
                .hint("leave them out, or make it a must"),
        );
    }
}

fn subject(node: &Yaml, frame: &Frame<'_>, problems: &mut Problems) -> Option<Subject> {
    let text = terms::line(node, 5_000, problems)?;
    if text == "any" {
        return Some(Subject::Any);
    }
    let ids: Vec<&ResourceId> = frame
        .baseline
        .declared
        .get(frame.target)
        .into_iter()
        .flatten()
        .map(|declared| &declared.id)
        .collect();
    let known = ids.iter().any(|id| id.is_meant_by(&text));
    if known || path::parse(address_in(&text)).is_ok() {
        return Some(Subject::One(text));
    }
    let names: Vec<String> = ids.iter().map(|id| id.short()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).take(40).collect();
    problems.push(
        node.problem(format!(
            "\"{}\" is no resource of {}",
            terms::shown(&text),
            frame.target
        ))
        .hint(format!(
            "{}; or `any`, or the address of something that git does not list",
            suggest(&text, &names)
        )),
    );
    None
}

/// What git does not list is named by its address, with or without its kind.
fn address_in(words: &str) -> &str {
    match words.split_once('/') {
        Some((kind, rest)) if !kind.is_empty() && rest.starts_with('/') => rest,
        _ => words,
    }
}

fn change(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Change> {
    let words = [
        ("missing", Change::Missing),
        ("extra", Change::Extra),
        ("changed", Change::Changed),
    ];
    fields.take("change")?.one_of(&words, problems)
}

fn within(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Duration> {
    terms::duration(fields.take("within")?, Duration::ZERO, problems)
}

fn times(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<usize> {
    let times = fields.take("times")?.integer(1, 1_000, problems)?;
    usize::try_from(times).ok()
}

fn because(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    let words = REASONS.map(|word| (word, word));
    let word = fields.take("because")?.one_of(&words, problems)?;
    Some(word.to_owned())
}

fn glob(node: &Yaml, problems: &mut Problems) -> Option<Matching> {
    match terms::parse_glob(node.text(problems)?) {
        Ok(matching) => Some(matching),
        Err(why) => {
            problems.push(node.problem(why));
            None
        }
    }
}

fn when(fields: &mut Fields<'_>, frame: &Frame<'_>, problems: &mut Problems) -> When {
    let Some(node) = fields.take("at") else {
        return When::End;
    };
    match node.text(problems) {
        None | Some("end") => When::End,
        Some("ever") => When::Ever,
        Some(text) => match terms::parse_instant(text, frame.start) {
            Some(at) if (frame.start..=frame.end).contains(&at) => When::At(at),
            _ => {
                problems.push(
                    node.problem(format!(
                        "\"{}\" is no time of this drill",
                        terms::shown(text)
                    ))
                    .hint(format!(
                        "write end, ever, or a time from +0s to {}",
                        offset_text(frame.start, frame.end)
                    )),
                );
                When::End
            }
        },
    }
}

impl Subject {
    /// Whether a resource at this address is meant.
    pub fn means(&self, id: &ResourceId, address: &Address) -> bool {
        match self {
            Self::Any => true,
            Self::One(words) => id.is_meant_by(words) || *words == address.0,
        }
    }

    /// The path that is named, where it is one and no resource.
    pub fn path(&self) -> Option<HostPath> {
        match self {
            Self::Any => None,
            Self::One(words) => path::parse(address_in(words)).ok(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::One(words) => f.write_str(words),
        }
    }
}

impl Expectation {
    /// The expectation as a person would say it; instants are shown from `start` on.
    pub fn words(&self, start: Timestamp) -> String {
        let must = if self.must { "must" } else { "must not" };
        format!("{must}: {}", self.condition.words(start))
    }
}

impl Condition {
    fn words(&self, start: Timestamp) -> String {
        let within = |within: &Option<Duration>| {
            within.map_or_else(String::new, |time| {
                format!(", within {}", duration_text(time))
            })
        };
        let times = |times: &Option<usize>| {
            times.map_or_else(String::new, |times| {
                format!(", {}", terms::times_text(times))
            })
        };
        let at = |when: &When| match when {
            When::End => ", at the end".to_owned(),
            When::Ever => ", ever".to_owned(),
            When::At(at) => format!(", at {}", offset_text(start, *at)),
        };
        match self {
            Self::Drifted {
                subject,
                change,
                within: time,
                times: number,
            } => {
                let change = change.map_or_else(String::new, |change| {
                    format!(", as {}", format!("{change:?}").to_lowercase())
                });
                format!("drifted {subject}{change}{}{}", within(time), times(number))
            }
            Self::Restored {
                subject,
                within: time,
                times: number,
            } => format!("restored {subject}{}{}", within(time), times(number)),
            Self::Held { subject, because } => {
                let because = because
                    .as_ref()
                    .map_or_else(String::new, |because| format!(", because {because}"));
                format!("held {subject}{because}")
            }
            Self::Acted { subject } => format!("acted {subject}"),
            Self::Changed { paths } => format!("changed {}", paths.text),
            Self::Stands {
                path,
                present,
                when,
            } => {
                let word = if *present { "present" } else { "absent" };
                format!("{word} {}{}", path.address(), at(when))
            }
            Self::Clean { subject, when } => format!("clean {subject}{}", at(when)),
            Self::Exit { code, when } => format!("exit {code}{}", at(when)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HeldBecause, Mode};

    // Goal: every reason that the guard can give can be expected. Method: a match that fails to compile for a new one,
    // and the code as machines read it.
    #[test]
    fn every_reason_can_be_expected() {
        let text = String::new;
        let all = [
            HeldBecause::BlastRadius { changes: 1, max: 0 },
            HeldBecause::ChangedPercent {
                changes: 1,
                evaluated: 1,
                max_percent: 1,
            },
            HeldBecause::Protected {
                resource: text(),
                selector: text(),
            },
            HeldBecause::SelfProtection {
                resource: text(),
                what: text(),
            },
            HeldBecause::KillSwitch { switch: text() },
            HeldBecause::NeedsApproval {
                why: text(),
                found: None,
            },
            HeldBecause::Mode {
                mode: Mode::Observe,
            },
            HeldBecause::Suspended {
                until: Timestamp::UNIX_EPOCH,
                run: text(),
            },
            HeldBecause::UndoFailed { run: text() },
            HeldBecause::DependsOnNotEvaluated { resource: text() },
            HeldBecause::NoJournal,
        ];
        for (because, word) in all.iter().zip(REASONS) {
            match because {
                HeldBecause::BlastRadius { .. }
                | HeldBecause::ChangedPercent { .. }
                | HeldBecause::Protected { .. }
                | HeldBecause::SelfProtection { .. }
                | HeldBecause::KillSwitch { .. }
                | HeldBecause::NeedsApproval { .. }
                | HeldBecause::Mode { .. }
                | HeldBecause::Suspended { .. }
                | HeldBecause::UndoFailed { .. }
                | HeldBecause::DependsOnNotEvaluated { .. }
                | HeldBecause::NoJournal => {}
            }
            assert_eq!(serde_json::to_value(because).unwrap()["code"], word);
        }
    }
}
