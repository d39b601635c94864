//! `FileTree`: a large tree held against a manifest in git.
//!
//! Flow: the manifest is read once ([`manifest`]) → [`walk`] goes through the tree on all cores and hashes every byte →
//! what is as listed is passed over, everything else becomes a member of the listing, with what is to be made of it
//! ([`judge`]) → a step for each, as for any other file.
//!
//! Cost: the text of the manifest and eight bytes an entry; what differs, and the buffers of the cores.
//!
//! **Invariant:** an entry is passed over only when all of it was seen and is as listed; what another resource claims or
//! the baseline ignores is never a member.

pub mod judge;
#[cfg(feature = "controller")]
pub mod make;
pub mod manifest;
mod pool;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use walk::survey;

use super::fs::HostPath;
use super::kinds;
use crate::model::{Contents, Desired, Digest, ResourceId, Value};
use manifest::Manifest;

/// The option that holds which manifest it is.
pub const MANIFEST: &str = "manifest";

/// What a `FileTree` is held against.
pub struct Baseline {
    pub manifest: Manifest,
    /// The contents of its store, in order.
    pub stored: Vec<Digest>,
    /// The directory of the baseline that is its store.
    pub store: Option<String>,
}

impl Baseline {
    fn to_be_done(&self) -> String {
        match &self.store {
            Some(store) => format!(
                "its content is not in the store: reinstall what it belongs to, or add it to {store}"
            ),
            None => "the baseline has no store with its content: reinstall what it belongs to"
                .to_owned(),
        }
    }
}

/// What the `FileTree`s of a target are held against.
#[derive(Clone, Default)]
pub struct Baselines(BTreeMap<ResourceId, Arc<Baseline>>);

impl Baselines {
    /// Adds that of a resource.
    pub fn add(&mut self, resource: &ResourceId, baseline: Baseline) {
        self.0.insert(resource.clone(), Arc::new(baseline));
    }

    /// That of a resource.
    pub fn of(&self, resource: &ResourceId) -> Option<&Arc<Baseline>> {
        self.0.get(resource)
    }

    /// The texts of the manifests, for a worker.
    #[cfg(feature = "controller")]
    pub fn texts(&self) -> Contents {
        let mut texts = Contents::default();
        for baseline in self.0.values() {
            texts.hold(
                baseline.manifest.digest(),
                Arc::clone(baseline.manifest.text()),
            );
        }
        texts
    }

    /// Those of these resources, from texts that came with them.
    pub fn received(desired: &[Desired], texts: &Contents) -> Self {
        let mut found = Self::default();
        for one in desired.iter().filter(|one| is_tree(one)) {
            let blob = one.options.get(MANIFEST).and_then(Value::as_blob);
            let text = blob.and_then(|blob| texts.get(&blob.digest));
            if let Some(Ok(manifest)) = text.map(Manifest::parse) {
                let baseline = Baseline {
                    manifest,
                    stored: Vec::new(),
                    store: None,
                };
                found.add(&one.id, baseline);
            }
        }
        found
    }
}

/// Whether a resource is a `FileTree`.
pub fn is_tree(desired: &Desired) -> bool {
    desired.id.kind.0 == kinds::FILE_TREE
}

/// Where a `FileTree` lies.
pub fn top_of(desired: &Desired) -> Option<HostPath> {
    let scope = desired.scope.as_ref().filter(|_| is_tree(desired))?;
    scope.within.iter().find_map(HostPath::from_address)
}
