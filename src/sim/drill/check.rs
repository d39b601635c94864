//! Holds expectations against a story.
//!
//! Flow: each [`Condition`] → whether it holds and the sentence that tells what was seen and when → [`Check`].
//!
//! **Invariant:** an expectation that had nothing to look at fails, whichever way round it is.

use std::time::Duration;

use jiff::Timestamp;

use super::story::{Cycle, Episode, GroupStory, Happened, Moment, Story, passed};
use crate::model::{Change, HeldBecause, Span, StepResult};
use crate::providers::host::fs::HostPath;
use crate::report::escape::clipped;
use crate::sim::deed::Matching;
use crate::sim::scenario::{
    Condition, Expectation, Scenario, Subject, When, duration_text, offset_text, times_text,
};

/// What sort of expectation a check is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    Must,
    MustNot,
    /// What every drill has to keep.
    Always,
}

/// One expectation, judged.
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    pub sort: Sort,
    /// What was expected.
    pub expected: String,
    pub ok: bool,
    /// What was seen, and at which time.
    pub seen: String,
    /// Where the scenario says it; none for what every drill has to keep.
    pub at: Option<Span>,
}

/// Whether a condition holds, and what was seen.
struct Found {
    holds: bool,
    seen: String,
    /// Nothing of what the condition names ever turned up, so it could not fail.
    idle: bool,
}

/// Judges everything.
pub(super) fn all(scenario: &Scenario, story: &Story) -> Vec<Check> {
    let judge = Judge {
        start: scenario.start,
        end: scenario.end,
        story,
    };
    let expectations = scenario.expectations.iter();
    let mut checks: Vec<_> = expectations.map(|one| judge.judge(one)).collect();
    checks.extend(judge.always());
    checks
}

struct Judge<'a> {
    start: Timestamp,
    end: Timestamp,
    story: &'a Story,
}

impl Judge<'_> {
    fn judge(&self, expectation: &Expectation) -> Check {
        let mut found = self.find(&expectation.condition);
        if let Some(path) = self.nowhere(&expectation.condition) {
            found.idle = true;
            found.seen = format!("nothing ever stood at {} in this world", path.address());
        }
        let ok = found.holds == expectation.must && !found.idle;
        Check {
            sort: match expectation.must {
                true => Sort::Must,
                false => Sort::MustNot,
            },
            expected: expectation.words(self.start),
            ok,
            seen: found.seen,
            at: Some(expectation.at.clone()),
        }
    }

    /// The path that a condition names as its subject, where nothing ever stood.
    fn nowhere(&self, condition: &Condition) -> Option<HostPath> {
        let (Condition::Drifted { subject, .. }
        | Condition::Restored { subject, .. }
        | Condition::Held { subject, .. }
        | Condition::Acted { subject }
        | Condition::Clean { subject, .. }) = condition
        else {
            return None;
        };
        subject
            .path()
            .filter(|path| !self.story.ever.contains(path))
    }

    fn time(&self, at: Timestamp) -> String {
        offset_text(self.start, at)
    }

    fn find(&self, condition: &Condition) -> Found {
        match condition {
            Condition::Drifted {
                subject,
                change,
                within,
                times,
            } => self.drifted(subject, *change, *within, *times),
            Condition::Restored {
                subject,
                within,
                times,
            } => self.restored(subject, *within, *times),
            Condition::Held { subject, because } => self.held(subject, because.as_deref()),
            Condition::Acted { subject } => self.acted(subject),
            Condition::Changed { paths } => self.changed(paths),
            Condition::Stands {
                path,
                present,
                when,
            } => self.stands(path, *present, *when),
            Condition::Clean { subject, when } => self.clean(subject, *when),
            Condition::Exit { code, when } => self.exit(*code, *when),
        }
    }

    fn episodes(&self, subject: &Subject) -> Vec<&Episode> {
        let episodes = self.story.episodes.iter();
        episodes
            .filter(|episode| subject.means(&episode.resource, &episode.address))
            .collect()
    }

    fn drifted(
        &self,
        subject: &Subject,
        change: Option<Change>,
        within: Option<Duration>,
        times: Option<usize>,
    ) -> Found {
        let mut episodes = self.episodes(subject);
        episodes.retain(|episode| change.is_none_or(|change| episode.change == change));
        self.each_time(&episodes, "reported", within, times, |episode| episode.seen)
    }

    fn restored(&self, subject: &Subject, within: Option<Duration>, times: Option<usize>) -> Found {
        let episodes = self.episodes(subject);
        self.each_time(&episodes, "put right", within, times, Episode::restored)
    }

    /// Whether something came of each episode, in time.
    fn each_time(
        &self,
        episodes: &[&Episode],
        what: &str,
        within: Option<Duration>,
        times: Option<usize>,
        came: impl Fn(&Episode) -> Option<Timestamp>,
    ) -> Found {
        let mut told = Vec::new();
        let mut holds = true;
        for episode in episodes {
            let name = clipped(&episode.resource.short(), 200).into_owned();
            let began = self.time(episode.began);
            match came(episode) {
                Some(at) => {
                    let took = passed(episode.began, at);
                    let late = within.is_some_and(|within| took > within);
                    holds &= !late;
                    told.push(format!(
                        "{name} differed from {began} on and was {what} at {}, after {}",
                        self.time(at),
                        duration_text(took)
                    ));
                }
                None => {
                    // It ended by itself, or its time is not yet over: nothing can be said of it.
                    let until = episode.over.map_or(self.end, |(at, _)| at);
                    let waited = passed(episode.began, until);
                    let in_time = within.is_some_and(|within| waited <= within);
                    if episode.over.is_none() && !in_time {
                        holds = false;
                        told.push(format!(
                            "{name} differed from {began} on and was not {what} by {}",
                            self.time(until)
                        ));
                    }
                }
            }
        }
        let came: Vec<_> = episodes
            .iter()
            .filter(|episode| came(episode).is_some())
            .collect();
        holds &= times.map_or(!came.is_empty(), |times| came.len() == times);
        let seen = match (told.is_empty(), times) {
            (true, _) if episodes.is_empty() => "it never differed".to_owned(),
            (true, _) => format!("it differed and was never {what}"),
            (false, Some(_)) => format!("{}: {}", times_text(came.len()), few(told)),
            (false, None) => few(told),
        };
        Found {
            holds,
            seen,
            idle: false,
        }
    }

    fn groups<'b>(
        &'b self,
        subject: &'b Subject,
    ) -> impl Iterator<Item = (Timestamp, &'b GroupStory)> + 'b {
        let cycles = self.story.cycles();
        cycles
            .flat_map(|(at, cycle)| cycle.groups.iter().map(move |group| (at, group)))
            .filter(|(_, group)| {
                group
                    .steps
                    .iter()
                    .any(|step| subject.means(&step.resource, &step.address))
            })
    }

    fn held(&self, subject: &Subject, because: Option<&str>) -> Found {
        let mut other = None;
        for (at, group) in self.groups(subject) {
            let Some(reason) = &group.held else { continue };
            let told = format!("held at {} ({}): {reason}", self.time(at), code(reason));
            if because.is_none_or(|because| because == code(reason)) {
                return found(true, told);
            }
            other.get_or_insert(told);
        }
        found(
            false,
            other.unwrap_or_else(|| "the guard held nothing of it".to_owned()),
        )
    }

    fn acted(&self, subject: &Subject) -> Found {
        let begun = |result: &StepResult| {
            !matches!(result, StepResult::NotBegun | StepResult::Stale { .. })
        };
        for (at, group) in self.groups(subject) {
            let results = group.outcome.iter().flat_map(|outcome| &outcome.steps);
            // Outcomes are in the order of the group's steps.
            for (step, result) in group.steps.iter().zip(results) {
                if subject.means(&step.resource, &step.address) && begun(&result.result) {
                    let told = format!(
                        "{} {} at {}",
                        step.verb,
                        step.resource.short(),
                        self.time(at)
                    );
                    return found(true, told);
                }
            }
        }
        found(false, "nothing was done to it".to_owned())
    }

    fn changed(&self, paths: &Matching) -> Found {
        let is_meant = |path: &&HostPath| paths.glob.is_match(&path.address().0);
        for (at, cycle) in self.story.cycles() {
            if let Some(path) = cycle.touched.iter().find(is_meant) {
                return found(true, format!("{} at {}", path.address(), self.time(at)));
            }
        }
        let idle = !self.story.ever.iter().any(|path| is_meant(&path));
        Found {
            holds: false,
            idle,
            seen: match idle {
                true => "no such path ever existed in this world, so nothing could change there"
                    .to_owned(),
                false => "evenkeel changed nothing there".to_owned(),
            },
        }
    }

    fn stands(&self, path: &HostPath, present: bool, when: When) -> Found {
        let stood = self.story.ever.contains(path);
        let mut found = self.state(when, |moment| {
            let stands = moment.stands.contains(path);
            let word = if stands {
                "something stands there"
            } else {
                "nothing is there"
            };
            (stands == present, word.to_owned())
        });
        if !present && !stood {
            found.idle = true;
            found.seen = "nothing ever stood there in this world".to_owned();
        }
        found
    }

    fn clean(&self, subject: &Subject, when: When) -> Found {
        self.state(when, |moment| {
            let differs = moment.differs.iter();
            let mut told: Vec<_> = differs
                .filter(|(id, seen)| subject.means(id, &seen.address))
                .map(|(id, _)| format!("{} differs", id.short()))
                .collect();
            let unseen = moment.unseen.iter();
            told.extend(
                unseen
                    .filter(|(id, unseen)| subject.means(id, &unseen.address))
                    .map(|(id, _)| format!("{} could not be evaluated", id.short())),
            );
            match told.is_empty() {
                true => (true, "nothing differs".to_owned()),
                false => (false, few(told)),
            }
        })
    }

    fn exit(&self, code: u8, when: When) -> Found {
        let told = |cycle: &Cycle| format!("cycle {} ended with {}", cycle.number, cycle.exit);
        let mut cycles = self.story.cycles();
        let cycle = match when {
            When::Ever => {
                let all: Vec<_> = cycles.collect();
                let with = all.iter().find(|(_, cycle)| cycle.exit == code);
                return match (with, all.last()) {
                    (Some((at, cycle)), _) => {
                        found(true, format!("{} at {}", told(cycle), self.time(*at)))
                    }
                    (None, _) => found(false, format!("no cycle ended with {code}")),
                };
            }
            When::End => cycles.last(),
            When::At(until) => cycles.by_ref().take_while(|(at, _)| *at <= until).last(),
        };
        match cycle {
            Some((at, cycle)) => found(
                cycle.exit == code,
                format!("{} at {}", told(cycle), self.time(at)),
            ),
            None => found(false, "no cycle had run".to_owned()),
        }
    }

    /// Whether the world is so at a time, or ever.
    fn state(&self, when: When, is_so: impl Fn(&Moment) -> (bool, String)) -> Found {
        let moments = &self.story.moments;
        let told = |moment: &Moment| {
            let (so, told) = is_so(moment);
            found(so, format!("{told} at {}", self.time(moment.at)))
        };
        let chosen = match when {
            When::Ever => {
                let first = moments.iter().map(told).find(|found| found.holds);
                return first.unwrap_or_else(|| found(false, "it never was so".to_owned()));
            }
            When::End => moments.last(),
            When::At(until) => moments.iter().take_while(|one| one.at <= until).last(),
        };
        chosen.map_or_else(|| found(false, "nothing had happened".to_owned()), told)
    }

    /// What holds in every drill.
    fn always(&self) -> Vec<Check> {
        let check = |expected: &str, bad: Vec<String>| Check {
            sort: Sort::Always,
            expected: format!("always: {expected}"),
            ok: bad.is_empty(),
            seen: match bad.is_empty() {
                true => "held".to_owned(),
                false => bad.join("; "),
            },
            at: None,
        };
        let paths = |of: fn(&Cycle) -> &[HostPath]| -> Vec<String> {
            let cycles = self.story.cycles();
            cycles
                .flat_map(|(at, cycle)| of(cycle).iter().map(move |path| (at, path)))
                .take(10)
                .map(|(at, path)| format!("{} at {}", path.address(), self.time(at)))
                .collect()
        };
        vec![
            check(
                "nothing is changed but what an allowed step is about",
                paths(|cycle| &cycle.beyond_plan),
            ),
            check(
                "nothing temporary is left behind",
                paths(|cycle| &cycle.left_behind),
            ),
            check(
                "what was put right is right when looked at again",
                self.not_right(),
            ),
        ]
    }

    /// Steps that were done in groups that were done, and whose resource differs all the same.
    fn not_right(&self) -> Vec<String> {
        let mut bad = Vec::new();
        for moment in &self.story.moments {
            let Happened::Cycle(cycle) = &moment.what else {
                continue;
            };
            let done = cycle
                .groups
                .iter()
                .filter_map(|group| group.outcome.as_ref());
            for step in done
                .filter(|outcome| outcome.is_done())
                .flat_map(|one| &one.steps)
            {
                if moment.differs.contains_key(&step.resource) {
                    bad.push(format!(
                        "{} at {}",
                        step.resource.short(),
                        self.time(moment.at)
                    ));
                }
            }
        }
        bad.truncate(10);
        bad
    }
}

/// The first few of many sentences.
fn few(mut told: Vec<String>) -> String {
    let more = told.len().saturating_sub(4);
    told.truncate(4);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join("; ")
}

fn found(holds: bool, seen: String) -> Found {
    Found {
        holds,
        seen,
        idle: false,
    }
}

/// The word by which machines know a reason.
pub(super) fn code(because: &HeldBecause) -> String {
    let value = serde_json::to_value(because).unwrap_or_default();
    let code = value.get("code").and_then(|code| code.as_str());
    code.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::story::{Moment, Seen, StepStory};
    use super::*;
    use crate::model::{
        Address, Digest, GroupOutcome, GroupResult, ResourceId, StepOutcome, TargetName, Verb,
    };

    // Goal: what every drill has to keep is found broken when it is, each by itself and with its time. Method: a story of
    // one cycle, made by hand, since an engine that is sound cannot make it.
    #[test]
    fn a_broken_invariant_is_found() {
        let path = crate::providers::host::path::parse("/srv/data").unwrap_or_default();
        let resource = ResourceId::new(&TargetName("t".into()), "File", "motd");
        let address = Address("/etc/motd".into());
        let step = StepOutcome {
            resource: resource.clone(),
            result: StepResult::Done,
            notes: vec![],
        };
        let cycle = Cycle {
            beyond_plan: vec![path.clone()],
            left_behind: vec![path],
            groups: vec![GroupStory {
                steps: vec![StepStory {
                    resource: resource.clone(),
                    address: address.clone(),
                    verb: Verb::Put,
                }],
                held: None,
                outcome: Some(GroupOutcome {
                    group: Digest::of(b""),
                    fingerprint: String::new(),
                    result: GroupResult::Done,
                    steps: vec![step],
                }),
            }],
            ..Cycle::default()
        };
        let seen = Seen {
            address,
            change: Change::Changed,
            fields: vec![],
        };
        let story = Story {
            moments: vec![Moment {
                at: Timestamp::UNIX_EPOCH,
                what: Happened::Cycle(cycle),
                differs: BTreeMap::from([(resource, seen)]),
                unseen: BTreeMap::new(),
                stands: BTreeSet::new(),
            }],
            ..Story::default()
        };
        let judge = Judge {
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            story: &story,
        };
        let checks = judge.always();
        let told: Vec<_> = checks
            .iter()
            .map(|check| (check.ok, check.seen.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (false, "/srv/data at +0s"),
                (false, "/srv/data at +0s"),
                (false, "File/motd at +0s"),
            ]
        );
    }
}
