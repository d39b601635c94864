//! The first half of a cycle: normalise, observe and compare, over all targets.
//!
//! Cost: of a target that is only looked at, nothing is kept but how it differs, what is clean by name, and what depends on
//! what; and it is held, with its connection, no longer than its own look takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::told::told_once;
use crate::compare::compare;
use crate::document::Declared;
use crate::model::{
    Comparison, Contents, Desired, Exemption, NotEvaluated, Observation, Observed, Problems,
    ResourceId, Snapshot, TargetName,
};
use crate::ports::{Normalised, Providers, SideFiles};

/// How many targets are looked at side by side.
const TARGETS_AT_ONCE: usize = 16;

/// What the baseline says of all targets, not yet understood by their providers.
#[derive(Clone, Copy)]
pub struct Baseline<'a> {
    pub declared: &'a BTreeMap<TargetName, Vec<Declared>>,
    pub files: &'a dyn SideFiles,
    /// As for [`Provider::normalise`](crate::ports::Provider::normalise).
    pub connect: bool,
}

/// What is desired on every target, and what could not be resolved.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Empty for targets of which nothing more is asked.
    pub desired: BTreeMap<TargetName, Vec<Desired>>,
    /// What each resource depends on.
    pub dependencies: BTreeMap<ResourceId, Vec<ResourceId>>,
    /// The contents that the baseline wants.
    pub contents: Contents,
    /// Directories of the baseline with contents that are read when a step needs them.
    pub stores: BTreeSet<String>,
    not_evaluated: Vec<NotEvaluated>,
}

/// What was seen, compared with what is wanted.
#[derive(Debug, Default)]
pub struct Looked {
    pub comparison: Comparison,
    /// Live contents that differ.
    pub contents: Contents,
    /// Resources whose own state could not be seen. One that was seen, but whose listing is not whole, is none of them:
    /// whoever fills a directory must not hold up what depends on it.
    pub unseen: BTreeSet<ResourceId>,
}

/// What becomes of a target once it was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Nothing more is asked of it: what is wanted there is let go, and so is what its provider holds.
    Done,
    /// It is acted on, or looked at again.
    More,
}

/// Has every provider make its resources comparable, observe them, and compares: one target after the other, as many side
/// by side as is good, so that a target is only held while it is looked at.
///
/// # Errors
/// Every problem of every target, in one go; what targets share is told once. From the first one on nothing more is
/// observed.
pub async fn survey(
    providers: &Providers,
    baseline: &Baseline<'_>,
    exemptions: &[Exemption],
    now: Timestamp,
    then: Then,
) -> Result<(Wanted, Looked), Problems> {
    let mut wanted = Wanted::default();
    let mut looked = Looked::default();
    let mut problems = Vec::new();
    let stop = AtomicBool::new(false);
    let mut all = stream::iter(providers)
        .map(|(target, provider)| {
            let stop = &stop;
            async move {
                let connect = baseline.connect && !stop.load(Ordering::SeqCst);
                let documents = baseline.of(target);
                let normalised = provider.normalise(documents, baseline.files, connect).await;
                if !normalised.problems.is_empty() {
                    stop.store(true, Ordering::SeqCst);
                }
                let seen = match stop.load(Ordering::SeqCst) {
                    true => Looked::default(),
                    false => {
                        let desired = &normalised.desired;
                        let snapshot = provider.observe(desired).await;
                        Looked::of(desired, snapshot, exemptions, now)
                    }
                };
                if then == Then::Done {
                    provider.release().await;
                }
                (target, documents, normalised, seen)
            }
        })
        .buffered(TARGETS_AT_ONCE);
    while let Some((target, documents, normalised, seen)) = all.next().await {
        problems.push((target, wanted.take(target, documents, normalised, then)));
        looked.extend(seen);
    }
    drop(all);
    looked.not_resolved(&wanted);
    told(problems, baseline).map(|()| (wanted, looked))
}

/// Has every provider make its resources comparable.
///
/// # Errors
/// As [`survey`].
pub async fn want(providers: &Providers, baseline: &Baseline<'_>) -> Result<Wanted, Problems> {
    let mut wanted = Wanted::default();
    let mut problems = Vec::new();
    let mut all = stream::iter(providers)
        .map(|(target, provider)| async move {
            let documents = baseline.of(target);
            let normalised = provider
                .normalise(documents, baseline.files, baseline.connect)
                .await;
            (target, documents, normalised)
        })
        .buffered(TARGETS_AT_ONCE);
    while let Some((target, documents, normalised)) = all.next().await {
        problems.push((
            target,
            wanted.take(target, documents, normalised, Then::More),
        ));
    }
    drop(all);
    told(problems, baseline).map(|()| wanted)
}

/// Observes every target and compares.
pub async fn look(
    providers: &Providers,
    wanted: &Wanted,
    exemptions: &[Exemption],
    now: Timestamp,
) -> Looked {
    let mut looked = Looked::default();
    let all = stream::iter(&wanted.desired)
        .filter_map(|(target, desired)| async move {
            providers.get(target).map(|provider| (provider, desired))
        })
        .map(|(provider, desired)| async move {
            let snapshot = provider.observe(desired).await;
            Looked::of(desired, snapshot, exemptions, now)
        })
        .buffered(TARGETS_AT_ONCE);
    let mut all = std::pin::pin!(all);
    while let Some(seen) = all.next().await {
        looked.extend(seen);
    }
    looked.not_resolved(wanted);
    looked
}

fn told(problems: Vec<(&TargetName, Problems)>, baseline: &Baseline<'_>) -> Result<(), Problems> {
    let problems = told_once(problems, baseline.declared);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

impl Baseline<'_> {
    fn of(&self, target: &TargetName) -> &[Declared] {
        self.declared.get(target).map_or(&[], Vec::as_slice)
    }
}

impl Looked {
    fn of(
        desired: &[Desired],
        snapshot: Snapshot,
        exemptions: &[Exemption],
        now: Timestamp,
    ) -> Self {
        let unseen = desired
            .iter()
            .filter(|one| !is_seen(snapshot.observations.get(&one.id)));
        Self {
            comparison: compare(desired, &snapshot, exemptions, now),
            unseen: unseen.map(|one| one.id.clone()).collect(),
            contents: snapshot.contents,
        }
    }

    fn extend(&mut self, other: Self) {
        self.comparison.extend(other.comparison);
        self.unseen.extend(other.unseen);
        self.contents.extend(other.contents);
    }

    /// Adds what could not be looked at since it could not be resolved.
    fn not_resolved(&mut self, wanted: &Wanted) {
        let unresolved = wanted.not_evaluated.iter();
        self.unseen
            .extend(unresolved.clone().map(|unseen| unseen.resource.clone()));
        self.comparison.not_evaluated.extend(unresolved.cloned());
    }
}

impl Wanted {
    /// Takes in what one target wants; gives what is wrong with it.
    fn take(
        &mut self,
        target: &TargetName,
        documents: &[Declared],
        normalised: Normalised,
        then: Then,
    ) -> Problems {
        self.contents.extend(normalised.contents);
        self.stores.extend(normalised.stores);
        for (resource, address, reason) in normalised.not_evaluated {
            let Some(document) = documents.iter().find(|document| document.id == resource) else {
                continue;
            };
            self.not_evaluated.push(NotEvaluated {
                origin: document.at.clone(),
                resource,
                address,
                reason,
            });
        }
        for one in &normalised.desired {
            if !one.depends_on.is_empty() {
                let needs = one.depends_on.iter().cloned().collect();
                self.dependencies.insert(one.id.clone(), needs);
            }
        }
        if then == Then::More {
            self.desired.insert(target.clone(), normalised.desired);
        }
        normalised.problems
    }
}

fn is_seen(observation: Option<&Observation>) -> bool {
    observation.is_some_and(|seen| !matches!(seen.observed, Observed::NotEvaluated(_)))
}
