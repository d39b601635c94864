//! What follows from a look at one resource: what counts besides its fields, and what putting it back leaves.
//!
//! **Invariant:** pure, so that the answers of a worker are finished by the controller, which believes no remedy that a
//! host proposes.

use std::collections::{BTreeMap, BTreeSet};

use super::fs::HostPath;
use super::kinds;
use super::state::mode_of;
use crate::model::{Blob, Desired, Digest, Observation, Observed, ResourceId, State, Value};

/// A look, finished.
pub struct Finished {
    pub observed: Observed,
    pub remedy: Option<State>,
    /// Content that the remedy was made with, and that nobody else knows.
    pub made: Option<Vec<u8>>,
}

/// Finishes the look at a resource. `live` is what its file holds, where the kind needs that.
pub fn finish(desired: &Desired, mut observed: Observed, live: Option<&[u8]>) -> Finished {
    kinds::describe(desired, &mut observed, live);
    remedied(desired, observed, live)
}

/// As [`finish`], for a look that is described already.
pub fn remedied(desired: &Desired, observed: Observed, live: Option<&[u8]>) -> Finished {
    let mut remedy = kinds::remedy(desired, &observed);
    let mut made = None;
    if let Some(remedy) = &mut remedy {
        if desired.id.kind.0 == kinds::AUTHORIZED_KEYS {
            made = kinds::keys_content(desired, &observed, live);
            if let Some(content) = &made {
                let blob = Value::Blob(Blob {
                    digest: Digest::of(content),
                    size: content.len() as u64,
                });
                remedy.fields.insert("content".into(), blob);
            }
            let mode = mode_of(remedy).unwrap_or(0);
            remedy.beyond = kinds::keys_beyond(desired, mode);
        }
        kinds::make_sound(desired, remedy);
    }
    Finished {
        observed,
        remedy,
        made,
    }
}

/// What goes with an unlisted entry of an exclusive directory needs no step of its own that takes its power away.
pub fn leave_to_removal(desired: &[Desired], observations: &mut BTreeMap<ResourceId, Observation>) {
    let is_privileged = |id: &ResourceId| id.kind.0 == kinds::PRIVILEGED_FILES;
    if !desired.iter().any(|one| is_privileged(&one.id)) {
        return;
    }
    let going: BTreeSet<HostPath> = observations
        .iter()
        .filter(|(id, _)| !is_privileged(id))
        .filter_map(|(_, observation)| observation.listing.as_ref())
        .flat_map(|listing| &listing.members)
        .filter(|member| member.observed.state().is_some() && member.remedy.is_none())
        .filter_map(|member| HostPath::from_address(&member.address))
        .collect();
    let goes = |path: &HostPath| {
        (0..=path.0.len()).any(|length| going.contains(&HostPath(path.0[..length].to_vec())))
    };
    for (_, observation) in observations.iter_mut().filter(|(id, _)| is_privileged(id)) {
        if let Some(listing) = &mut observation.listing {
            listing.members.retain(|member| {
                HostPath::from_address(&member.address).is_none_or(|path| !goes(&path))
            });
        }
    }
}
