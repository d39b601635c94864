//! `FileTree`: a large tree held against a manifest in git, or against dpkg's database of the host.
//!
//! Flow: what is listed is read once ([`manifest`], [`index`]) → [`walk`] goes through the tree on all cores and hashes
//! every byte → what is as listed is passed over, everything else becomes a member of the listing ([`members`]), with what
//! is to be made of it ([`judge`]) → a step for each, as for any other file; what packages own is put right by package
//! ([`packages`]).
//!
//! Cost: the text of the manifest and eight bytes an entry, or the paths that dpkg lists and forty bytes for each; what
//! differs, and the buffers of the cores.
//!
//! **Invariant:** an entry is passed over only when all of it was seen and is as listed; what another resource claims or
//! the baseline ignores is never a member.

pub mod bounds;
mod index;
pub mod judge;
mod listed;
#[cfg(feature = "controller")]
pub mod make;
pub mod manifest;
mod members;
mod packages;
mod pool;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::bounds::Bounds;
use self::judge::{BOUNDS, Terms};
use self::members::{LookAt, Members};
use self::walk::{Ground, Walk};
use super::fs::HostPath;
use super::kinds::{self, Draft};
use super::listing::Claims;
use super::parts::{self, View, package};
use crate::model::{
    Contents, Desired, Digest, Listing, Reason, ReasonCode, ResourceId, TERMS, Value,
};
use manifest::Manifest;

/// The option that says that dpkg's database is what counts.
pub const AGAINST: &str = "against";
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

/// Lists what is not as it should be in a tree.
///
/// # Errors
/// What it is held against is not there or cannot be understood.
pub fn survey(
    view: &View<'_>,
    desired: &Desired,
    baseline: Option<&Baseline>,
    claims: &Claims,
    look: LookAt<'_>,
) -> Result<Listing, Reason> {
    let unsupported = |text: &str| Reason::new(ReasonCode::Unsupported, text);
    let terms = Terms::of(desired, baseline).ok_or_else(|| unsupported("it has no place"))?;
    let Some(baseline) = baseline else {
        if !is_against_dpkg(desired) {
            return Err(unsupported("its manifest did not come with it"));
        }
        return packages::survey(view, &terms, claims, &desired.options, look);
    };
    let ground = Ground {
        fs: view.fs,
        bounds: &terms.bounds,
        exclusive: terms.exclusive,
        claims,
    };
    let walk = Walk::through(ground, &baseline.manifest);
    let mut members = Members::new(&walk, ground, &terms, look);
    for odd in walk.take_odd() {
        members.listed(&baseline.manifest, odd);
    }
    for path in walk.take_extras() {
        members.extra(&path);
    }
    Ok(members.listing())
}

/// Tells each tree what other resources say in it, and what no listing looks at.
pub fn set_bounds(drafts: &mut [Draft<'_>], everywhere: &[String]) {
    let placed = |draft: &&Draft<'_>| !parts::is_address(&draft.desired.address);
    let says_what_is_there = |draft: &&Draft<'_>| {
        let is_directory = draft.desired.id.kind.0 == kinds::DIRECTORY;
        is_tree(&draft.desired) || is_directory && draft.desired.scope.is_some()
    };
    let paths = |drafts: &[Draft<'_>], which: &dyn Fn(&&Draft<'_>) -> bool| -> Vec<HostPath> {
        let found = drafts.iter().filter(which);
        found.map(|draft| draft.path.clone()).collect()
    };
    let others = paths(drafts, &placed);
    let apart = paths(drafts, &says_what_is_there);
    for draft in drafts.iter_mut().filter(|draft| is_tree(&draft.desired)) {
        let top = &draft.path;
        let ignore = draft.desired.scope.as_ref().map(|scope| &scope.ignore[..]);
        let mut bounds = Bounds::option(top, ignore.unwrap_or_default(), everywhere);
        let others: Vec<_> = others.iter().filter(|path| path.is_within(top)).collect();
        let inside = |path: &&HostPath| path.is_within(top) && *path != top;
        let apart: Vec<_> = apart.iter().filter(inside).collect();
        Bounds::leave_to_others(&mut bounds, &others, &apart);
        let options = &mut draft.desired.options;
        if options.contains_key(AGAINST) {
            options.insert(TERMS.to_owned(), package::terms_of_tree(bounds.clone()));
        }
        options.insert(BOUNDS.to_owned(), Value::Map(bounds));
    }
}

/// Whether a tree is held against dpkg's database.
pub fn is_against_dpkg(desired: &Desired) -> bool {
    is_tree(desired) && desired.options.contains_key(AGAINST)
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
