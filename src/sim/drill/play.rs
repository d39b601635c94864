//! Lets a scenario happen: the timeline and the cycles, in the order of time.
//!
//! Flow: make the world → at each instant first what others do, then a cycle if one is due → look at the world after
//! everything that changed it.
//!
//! **Invariant:** nothing but the virtual clock decides what comes next.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::story::{Cycle, GroupStory, Happened, Moment, StepStory, Story, differing, unseen};
use crate::engine::EngineError;
use crate::model::{
    Comparison, Group, GroupOutcome, Problem, Problems, ResourceId, RunReport, StepResult, Verb,
    Verdict,
};
use crate::providers::host::fs::HostPath;
use crate::report::FailOn;
use crate::report::exit;
use crate::sim::scenario::{Condition, Scenario, Truth, What};
use crate::sim::{Bench, Faults, Setup};

struct Player<'a> {
    scenario: &'a Scenario,
    bench: Bench,
    story: Story,
    /// Paths that expectations ask for.
    asked: Vec<HostPath>,
    cycles: usize,
}

/// Plays a scenario from its start to its end.
///
/// # Errors
/// What is wrong with its world or its baseline.
pub(super) async fn play(scenario: &Scenario, seed: u64) -> Result<Story, Problems> {
    let bench = Bench::new(Setup {
        loaded: Arc::clone(&scenario.loaded),
        target: scenario.target.clone(),
        mode: scenario.mode,
        start: scenario.start,
        seed,
        faults: Faults::none(),
    });
    let bench = bench.ok_or_else(|| general("the baseline has no such target".to_owned()))?;
    scenario.live.fill(&bench.world)?;
    if scenario.live.seeded {
        bench
            .settle()
            .await
            .map_err(super::super::scenario::below_baseline)?;
        // What the list says comes last: a world may differ from its baseline at the start.
        scenario.live.fill(&bench.world)?;
    }
    bench.world.take_touched();
    let asked = scenario.expectations.iter();
    let asked = asked.filter_map(|expectation| match &expectation.condition {
        Condition::Stands { path, .. } => Some(path.clone()),
        _ => None,
    });
    let mut player = Player {
        scenario,
        asked: asked.collect(),
        bench,
        story: Story::default(),
        cycles: 0,
    };
    player.all().await?;
    Ok(player.story)
}

impl Player<'_> {
    async fn all(&mut self) -> Result<(), Problems> {
        self.story.first = self.bench.world.picture();
        self.existed(&[HostPath::default()]);
        self.happened(Happened::Start, None).await?;
        let every =
            SignedDuration::try_from(self.scenario.cycle_every).unwrap_or(SignedDuration::MAX);
        let mut due = Some(self.scenario.start);
        for (index, line) in self.scenario.timeline.iter().enumerate() {
            due = self.cycles_until(due, line.at, false, every).await?;
            self.bench.clock.advance_to(line.at);
            self.line(index).await?;
        }
        self.cycles_until(due, self.scenario.end, true, every)
            .await?;
        self.bench.clock.advance_to(self.scenario.end);
        self.happened(Happened::End, None).await?;
        self.story.last = self.bench.world.picture();
        Ok(())
    }

    /// Runs the cycles that are due before an instant, or at it too, and gives when the next one is.
    async fn cycles_until(
        &mut self,
        mut due: Option<Timestamp>,
        until: Timestamp,
        inclusive: bool,
        every: SignedDuration,
    ) -> Result<Option<Timestamp>, Problems> {
        while let Some(at) = due
            && (at < until || inclusive && at == until)
        {
            self.bench.clock.advance_to(at);
            self.cycle(at).await?;
            due = at.checked_add(every).ok();
        }
        Ok(due)
    }

    async fn line(&mut self, index: usize) -> Result<(), Problems> {
        let line = &self.scenario.timeline[index];
        let (failed, changed) = match &line.what {
            What::Event(_) => (None, 0),
            What::Deed(deed) => match self.bench.world.apply(deed) {
                Ok(paths) => {
                    self.existed(&paths);
                    (None, paths.len())
                }
                Err(why) => (Some(why), 0),
            },
        };
        let what = Happened::Line {
            index,
            failed,
            changed,
        };
        self.happened(what, Some(line.truth)).await
    }

    async fn cycle(&mut self, at: Timestamp) -> Result<(), Problems> {
        self.cycles += 1;
        let before = self.bench.world.temporaries();
        let report = self.bench.reconcile().await.map_err(problems)?;
        let touched = self.bench.world.take_touched();
        self.existed(&touched);
        let mut left_behind = self.bench.world.temporaries();
        left_behind.retain(|path| !before.contains(path));
        let cycle = Cycle {
            number: self.cycles,
            exit: exit::code(&report, FailOn::default(), false),
            coverage: report.found.coverage(),
            found: differing(&report.found),
            groups: groups(&report),
            errors: report.errors.clone(),
            beyond_plan: beyond_plan(&report, &touched),
            left_behind,
            touched,
        };
        self.story.report(at, &cycle.found);
        let acted_on = acted_on(&cycle.groups);
        self.stands(
            at,
            Happened::Cycle(cycle),
            None,
            &report.comparison,
            &acted_on,
        );
        Ok(())
    }

    /// Remembers that something stands at these paths and below them.
    fn existed(&mut self, paths: &[HostPath]) {
        for path in paths {
            self.story.ever.extend(self.bench.world.below(path));
        }
    }

    /// Looks at what differs after something happened that was no cycle.
    async fn happened(&mut self, what: Happened, truth: Option<Truth>) -> Result<(), Problems> {
        let at = match &what {
            Happened::Start => self.scenario.start,
            Happened::Line { index, .. } => self.scenario.timeline[*index].at,
            _ => self.scenario.end,
        };
        let report = self.bench.plan().await.map_err(problems)?;
        self.stands(at, what, truth, &report.comparison, &BTreeSet::new());
        Ok(())
    }

    fn stands(
        &mut self,
        at: Timestamp,
        what: Happened,
        truth: Option<Truth>,
        comparison: &Comparison,
        acted_on: &BTreeSet<ResourceId>,
    ) {
        let (differs, unseen) = (differing(comparison), unseen(comparison));
        self.story.follow(at, truth, &differs, &unseen, acted_on);
        let asked = self.asked.iter();
        let stands = asked
            .filter(|path| self.bench.world.holds(path))
            .cloned()
            .collect();
        self.story.moments.push(Moment {
            at,
            what,
            differs,
            unseen,
            stands,
        });
    }
}

fn groups(report: &RunReport) -> Vec<GroupStory> {
    let groups = report.plan.groups.iter();
    groups
        .map(|group| GroupStory {
            steps: group
                .steps
                .iter()
                .map(|step| StepStory {
                    resource: step.resource.clone(),
                    address: step.address.clone(),
                    verb: step.verb,
                })
                .collect(),
            held: match report.verdicts.get(&group.hash) {
                Some(Verdict::Held(because)) => Some(because.clone()),
                _ => None,
            },
            outcome: outcome(report, group).cloned(),
        })
        .collect()
}

fn outcome<'a>(report: &'a RunReport, group: &Group) -> Option<&'a GroupOutcome> {
    let mut outcomes = report.outcomes.iter();
    outcomes.find(|outcome| outcome.group == group.hash)
}

/// The resources whose steps were done.
fn acted_on(groups: &[GroupStory]) -> BTreeSet<ResourceId> {
    groups
        .iter()
        .filter_map(|group| group.outcome.as_ref())
        .flat_map(|outcome| &outcome.steps)
        .filter(|step| step.result == StepResult::Done)
        .map(|step| step.resource.clone())
        .collect()
}

/// The touched places that lie in no place of a step that was allowed.
fn beyond_plan(report: &RunReport, touched: &[HostPath]) -> Vec<HostPath> {
    let allowed = report
        .plan
        .groups
        .iter()
        .filter(|group| {
            !matches!(
                report.verdicts.get(&group.hash),
                Some(Verdict::Held(_)) | None
            )
        })
        .flat_map(|group| &group.steps);
    let places: Vec<(HostPath, bool)> = allowed
        .filter_map(|step| {
            let path = HostPath::from_address(&step.address)?;
            let replaces = step.verb == Verb::Remove || !is_directory(step);
            Some((path, replaces))
        })
        .collect();
    touched
        .iter()
        .filter(|path| {
            !places.iter().any(|(place, replaces)| match replaces {
                true => path.is_within(place),
                false => *path == place,
            })
        })
        .cloned()
        .collect()
}

/// Whether a step leaves a directory, which keeps what lies in it.
fn is_directory(step: &crate::model::Step) -> bool {
    let state = step.state.as_ref();
    let word = state.and_then(|state| state.get("type"));
    word.and_then(|word| word.as_text()) == Some("directory")
}

fn general(message: String) -> Problems {
    Problems(vec![Problem::general(message)])
}

fn problems(error: EngineError) -> Problems {
    match error {
        EngineError::Problems(problems) => super::super::scenario::below_baseline(problems),
        error => general(crate::report_chain(&error)),
    }
}
