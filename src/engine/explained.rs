//! Drift that git explains: what is live is what the last good commit says, so it was the baseline that moved.
//!
//! Flow: what differs → the last good commit's resources, made comparable → those that are as it says.
//!
//! **Invariant:** a resource that a step of evenkeel changed since that commit was clean is explained by nothing: whoever
//! puts back an older state of it is no commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::cycle::{CycleInput, Engine};
use super::facts::VERIFIED_CLEAN;
use super::look;
use crate::compare::compare;
use crate::document::Declared;
use crate::model::{
    Commit, Comparison, Desired, Drift, Observation, ResourceId, Snapshot, TargetName,
};
use crate::ports::{Providers, RecordQuery, SideFiles, StoreError};
use crate::saga::{INTENT, Intent};

/// What the last good commit says.
pub struct Earlier {
    /// Its id.
    pub commit: String,
    pub time: Timestamp,
    pub author: String,
    pub declared: BTreeMap<TargetName, Vec<Declared>>,
    pub files: Arc<dyn SideFiles>,
}

/// Loads it, when something differs; none where it is the commit at hand, or no longer to be had.
pub type LoadEarlier<'a> = &'a dyn Fn() -> Option<Earlier>;

impl Engine<'_> {
    /// The last good commit, with what of all that differs is as it says.
    pub(super) async fn explained(
        &self,
        input: &CycleInput<'_>,
        comparison: &Comparison,
    ) -> Result<Option<Commit>, StoreError> {
        let exempted = comparison.exempted.iter().map(|it| &it.drift);
        let all: Vec<&Drift> = comparison.drifts.iter().chain(exempted).collect();
        let Some(load) = input.earlier.filter(|_| !all.is_empty() && input.connect) else {
            return Ok(None);
        };
        let Some(earlier) = load() else {
            return Ok(None);
        };
        let touched = self.touched()?;
        let drifts: Vec<_> = all
            .into_iter()
            .filter(|drift| !touched.contains(&drift.resource))
            .collect();
        let desired = self.desired_then(&earlier, &drifts).await;
        Ok(Some(Commit {
            id: earlier.commit,
            time: earlier.time,
            author: earlier.author,
            files: BTreeSet::new(),
            met: met(&desired, &drifts),
        }))
    }

    /// What steps began to change since the last good commit was found clean.
    fn touched(&self) -> Result<BTreeSet<ResourceId>, StoreError> {
        let of = |kind, after| {
            let kinds = vec![kind];
            self.store.records(&RecordQuery {
                kinds,
                after,
                ..RecordQuery::default()
            })
        };
        let good = of(VERIFIED_CLEAN, 0)?;
        let since = good.last().map_or(0, |record| record.seq);
        let intents = of(INTENT, since)?.into_iter();
        let each = intents.filter_map(|record| {
            let intent: Intent = serde_json::from_value(record.payload).ok()?;
            Some(intent.step.resource)
        });
        Ok(each.collect())
    }

    /// What was desired then, on the targets of these drifts. Nothing where that commit is not valid any more.
    async fn desired_then(&self, earlier: &Earlier, drifts: &[&Drift]) -> Vec<Desired> {
        let targets: BTreeSet<_> = drifts.iter().map(|drift| &drift.resource.target).collect();
        let providers: Providers = self
            .providers
            .iter()
            .filter(|(target, _)| targets.contains(target))
            .map(|(target, provider)| (target.clone(), Arc::clone(provider)))
            .collect();
        let baseline = look::Baseline {
            declared: &earlier.declared,
            files: earlier.files.as_ref(),
            connect: true,
        };
        let wanted = look::want(&providers, &baseline).await.unwrap_or_default();
        wanted.desired.into_values().flatten().collect()
    }
}

/// The drifts of which the live state is what was desired then.
fn met(desired: &[Desired], drifts: &[&Drift]) -> BTreeSet<ResourceId> {
    // By place, since what git no longer lists has no name of its own now.
    let by_place: BTreeMap<_, _> = desired
        .iter()
        .map(|one| ((&one.id.target, &one.id.kind, &one.address), one))
        .collect();
    let mut then = Vec::new();
    let mut snapshot = Snapshot::default();
    let mut of = BTreeMap::new();
    for drift in drifts {
        let place = (&drift.resource.target, &drift.resource.kind, &drift.address);
        let Some(one) = by_place.get(&place) else {
            continue;
        };
        let one = Desired {
            // What lies in it differs by itself.
            scope: None,
            ..(*one).clone()
        };
        let observation = Observation {
            observed: drift.before.clone(),
            remedy: None,
            listing: None,
            by_hand: None,
            one_way: None,
        };
        snapshot.observations.insert(one.id.clone(), observation);
        of.insert(one.id.clone(), drift.resource.clone());
        then.push(one);
    }
    let compared = compare(&then, &snapshot, &[], Timestamp::UNIX_EPOCH);
    let clean = compared.clean.into_iter();
    clean.filter_map(|id| of.get(&id).cloned()).collect()
}
