//! The first half of a cycle: normalise, observe and compare, over all targets at once.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::told::told_once;
use crate::compare::compare;
use crate::document::Declared;
use crate::model::{
    Comparison, Contents, Desired, Exemption, NotEvaluated, Observation, Observed, Problems,
    ResourceId, TargetName,
};
use crate::ports::{Normalised, Providers, SideFiles};

/// How many targets are looked at side by side.
const TARGETS_AT_ONCE: usize = 16;

/// What is desired on every target, and what could not be resolved.
#[derive(Debug, Default)]
pub struct Wanted {
    pub desired: BTreeMap<TargetName, Vec<Desired>>,
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

/// Has every provider make its resources comparable.
///
/// # Errors
/// Every problem of every target, in one go; what targets share is told once.
pub async fn want(
    providers: &Providers,
    declared: &BTreeMap<TargetName, Vec<Declared>>,
    files: &dyn SideFiles,
    connect: bool,
) -> Result<Wanted, Problems> {
    let mut wanted = Wanted::default();
    let mut problems = Vec::new();
    let none = Vec::new();
    let all: Vec<(&TargetName, &Vec<Declared>, Normalised)> = stream::iter(providers)
        .map(|(target, provider)| {
            let documents = declared.get(target).unwrap_or(&none);
            async move {
                let normalised = provider.normalise(documents, files, connect).await;
                (target, documents, normalised)
            }
        })
        .buffered(TARGETS_AT_ONCE)
        .collect()
        .await;
    for (target, documents, normalised) in all {
        problems.push((target, normalised.problems));
        wanted.contents.extend(normalised.contents);
        wanted.stores.extend(normalised.stores);
        wanted.desired.insert(target.clone(), normalised.desired);
        for (resource, address, reason) in normalised.not_evaluated {
            let Some(document) = documents.iter().find(|document| document.id == resource) else {
                continue;
            };
            wanted.not_evaluated.push(NotEvaluated {
                origin: document.at.clone(),
                resource,
                address,
                reason,
            });
        }
    }
    let problems = told_once(problems, declared);
    match problems.is_empty() {
        true => Ok(wanted),
        false => Err(problems),
    }
}

/// Observes every target and compares.
pub async fn look(
    providers: &Providers,
    wanted: &Wanted,
    exemptions: &[Exemption],
    now: Timestamp,
) -> Looked {
    let mut looked = Looked::default();
    let snapshots: Vec<_> = stream::iter(&wanted.desired)
        .filter_map(|(target, desired)| async move {
            providers.get(target).map(|provider| (provider, desired))
        })
        .map(|(provider, desired)| async move { (desired, provider.observe(desired).await) })
        .buffered(TARGETS_AT_ONCE)
        .collect()
        .await;
    for (desired, snapshot) in snapshots {
        looked
            .comparison
            .extend(compare(desired, &snapshot, exemptions, now));
        looked.unseen.extend(
            desired
                .iter()
                .filter(|one| !is_seen(snapshot.observations.get(&one.id)))
                .map(|one| one.id.clone()),
        );
        looked.contents.extend(snapshot.contents);
    }
    let unresolved = wanted.not_evaluated.iter();
    looked
        .unseen
        .extend(unresolved.map(|unseen| unseen.resource.clone()));
    looked
        .comparison
        .not_evaluated
        .extend(wanted.not_evaluated.iter().cloned());
    looked
}

impl Wanted {
    /// What each resource depends on.
    pub fn dependencies(&self) -> BTreeMap<ResourceId, Vec<ResourceId>> {
        self.desired
            .values()
            .flatten()
            .filter(|desired| !desired.depends_on.is_empty())
            .map(|desired| {
                (
                    desired.id.clone(),
                    desired.depends_on.iter().cloned().collect(),
                )
            })
            .collect()
    }
}

fn is_seen(observation: Option<&Observation>) -> bool {
    observation.is_some_and(|seen| !matches!(seen.observed, Observed::NotEvaluated(_)))
}
