//! The story of a drill: all that was seen, in the order of time.
//!
//! **Invariant:** what differs is told by looking at the world after every change of it, never by what anybody meant to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    Address, Change, Comparison, Coverage, GroupOutcome, HeldBecause, ResourceId, Verb,
};
use crate::providers::host::fs::HostPath;
use crate::sim::Picture;
use crate::sim::scenario::Truth;

/// Everything that happened.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub moments: Vec<Moment>,
    /// In the order in which they began.
    pub episodes: Vec<Episode>,
    /// Every path at which something stood at some moment.
    pub ever: BTreeSet<HostPath>,
    pub first: Picture,
    pub last: Picture,
}

/// One thing that happened, and how the world stood right after it.
#[derive(Debug)]
pub(super) struct Moment {
    pub at: Timestamp,
    pub what: Happened,
    /// What differs from the baseline now.
    pub differs: BTreeMap<ResourceId, Seen>,
    /// What could not be evaluated now, with why.
    pub unseen: BTreeMap<ResourceId, Unseen>,
    /// Which of the paths that expectations ask for something stands at.
    pub stands: BTreeSet<HostPath>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Happened {
    /// The drill begins.
    Start,
    /// The line of the timeline with this index, and why it had no effect if it had none.
    Line {
        index: usize,
        failed: Option<String>,
        /// How many paths it changed.
        changed: usize,
    },
    Cycle(Cycle),
    /// The drill is over.
    End,
}

/// One reconcile cycle.
#[derive(Debug, Default)]
pub(super) struct Cycle {
    /// Counts from 1.
    pub number: usize,
    pub exit: u8,
    /// Of what was there before it acted.
    pub coverage: Coverage,
    pub found: BTreeMap<ResourceId, Seen>,
    pub groups: Vec<GroupStory>,
    pub errors: Vec<String>,
    /// The places that were changed.
    pub touched: Vec<HostPath>,
    /// Those of them that no step of an allowed group is about.
    pub beyond_plan: Vec<HostPath>,
    /// Names of temporary files that were left behind.
    pub left_behind: Vec<HostPath>,
}

/// What became of one group.
#[derive(Debug)]
pub(super) struct GroupStory {
    pub steps: Vec<StepStory>,
    pub held: Option<HeldBecause>,
    pub outcome: Option<GroupOutcome>,
}

/// What one step was about.
#[derive(Debug)]
pub(super) struct StepStory {
    pub resource: ResourceId,
    pub address: Address,
    pub verb: Verb,
}

/// How one resource differs.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Seen {
    pub address: Address,
    pub change: Change,
    /// Names of fields.
    pub fields: Vec<String>,
}

/// One resource that could not be evaluated.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Unseen {
    pub address: Address,
    pub why: String,
}

/// One time that a resource differed, from its beginning to its end.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Episode {
    pub resource: ResourceId,
    pub address: Address,
    pub change: Change,
    pub began: Timestamp,
    /// Whether an attack began it; none where it was so at the start.
    pub truth: Option<Truth>,
    /// When a cycle reported it first.
    pub seen: Option<Timestamp>,
    /// When it was over, and whether evenkeel had put it right.
    pub over: Option<(Timestamp, bool)>,
}

impl Episode {
    /// When evenkeel put it right.
    pub fn restored(&self) -> Option<Timestamp> {
        self.over.filter(|(_, by_us)| *by_us).map(|(at, _)| at)
    }
}

impl Story {
    /// All cycles with their times.
    pub fn cycles(&self) -> impl Iterator<Item = (Timestamp, &Cycle)> {
        self.moments.iter().filter_map(|moment| match &moment.what {
            Happened::Cycle(cycle) => Some((moment.at, cycle)),
            _ => None,
        })
    }

    /// The longest time from the beginning of an attack to some moment of it.
    pub fn longest_attack(
        &self,
        moment: impl Fn(&Episode) -> Option<Timestamp>,
    ) -> Option<Duration> {
        self.episodes
            .iter()
            .filter(|episode| episode.truth == Some(Truth::Malicious))
            .filter_map(|episode| moment(episode).map(|at| passed(episode.began, at)))
            .max()
    }

    /// Begins and ends episodes by what differs now. `cycle` tells which resources a cycle that just ran acted on.
    pub fn follow(
        &mut self,
        at: Timestamp,
        truth: Option<Truth>,
        differs: &BTreeMap<ResourceId, Seen>,
        unseen: &BTreeMap<ResourceId, Unseen>,
        acted_on: &BTreeSet<ResourceId>,
    ) {
        for episode in self.episodes.iter_mut().filter(|one| one.over.is_none()) {
            let id = &episode.resource;
            // What cannot be seen is not over.
            if !differs.contains_key(id) && !unseen.contains_key(id) {
                episode.over = Some((at, acted_on.contains(id)));
            }
        }
        for (resource, seen) in differs {
            if !self.is_open(resource) {
                self.episodes.push(Episode {
                    resource: resource.clone(),
                    address: seen.address.clone(),
                    change: seen.change,
                    began: at,
                    truth,
                    seen: None,
                    over: None,
                });
            }
        }
    }

    /// A cycle reports these.
    pub fn report(&mut self, at: Timestamp, found: &BTreeMap<ResourceId, Seen>) {
        let open = self.episodes.iter_mut().filter(|one| one.over.is_none());
        for episode in open.filter(|one| one.seen.is_none()) {
            if let Some(seen) = found.get(&episode.resource) {
                episode.seen = Some(at);
                episode.change = seen.change;
            }
        }
    }

    fn is_open(&self, resource: &ResourceId) -> bool {
        let mut episodes = self.episodes.iter();
        episodes.any(|one| one.over.is_none() && one.resource == *resource)
    }
}

/// The time from one instant to a later one.
pub(super) fn passed(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).unsigned_abs()
}

/// What differs, by resource.
pub(super) fn differing(comparison: &Comparison) -> BTreeMap<ResourceId, Seen> {
    let drifts = comparison.drifts.iter();
    drifts
        .map(|drift| {
            let seen = Seen {
                address: drift.address.clone(),
                change: drift.change,
                fields: drift
                    .fields
                    .iter()
                    .map(|field| field.path.clone())
                    .collect(),
            };
            (drift.resource.clone(), seen)
        })
        .collect()
}

/// What could not be evaluated, by resource.
pub(super) fn unseen(comparison: &Comparison) -> BTreeMap<ResourceId, Unseen> {
    let unseen = comparison.not_evaluated.iter();
    unseen
        .map(|one| {
            let unseen = Unseen {
                address: one.address.clone(),
                why: one.reason.text.clone(),
            };
            (one.resource.clone(), unseen)
        })
        .collect()
}
