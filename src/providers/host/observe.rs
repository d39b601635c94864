//! Looks at every desired resource and at what lies in exclusive directories.
//!
//! **Invariant:** nothing is changed, and whatever goes wrong with one resource is said of that one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Host;
use super::fs::{Fs, HostPath, Look, NodeType, Want};
use super::glob::Globs;
use super::kinds;
use super::listing::{Claims, Survey};
use super::place::{self, Terms};
use crate::model::{
    Contents, Desired, Digest, Listing, Observation, Observed, ReasonCode, Snapshot, Value,
};

/// The largest live content that is kept to be shown, and all of it together, in bytes.
const MAX_SHOWN: u64 = 256 << 10;
const MAX_SHOWN_IN_ALL: u64 = 16 << 20;

/// Live content that differs, as far as there is room for it.
pub(super) struct Shown {
    pub(super) contents: Contents,
    room: u64,
}

impl Shown {
    fn new() -> Self {
        Self {
            contents: Contents::default(),
            room: MAX_SHOWN_IN_ALL,
        }
    }

    /// How much of a file to read whose content is worth showing when it is not `unless`.
    pub(super) fn want(&self, unless: Option<Digest>) -> Want {
        match self.room {
            0 => Want::Digest,
            room => Want::Bytes {
                unless,
                max_bytes: room.min(MAX_SHOWN),
            },
        }
    }

    pub(super) fn keep(&mut self, look: &Look) {
        if let Look::Present(_, Some(bytes)) = look {
            self.room = self.room.saturating_sub(bytes.len() as u64);
            self.contents.keep(Arc::clone(bytes));
        }
    }
}

impl<F: Fs> Host<F> {
    pub(super) fn look_at_all(&self, desired: &[Desired]) -> Snapshot {
        let claims = Claims::of(desired);
        let everywhere = Globs::new(&self.config.ignore).unwrap_or_default();
        let mut shown = Shown::new();
        // From the top down, so that what stands above is known.
        let in_order: BTreeMap<_, _> = desired
            .iter()
            .map(|one| (HostPath::from_address(&one.address), &one.id, one))
            .map(|(path, id, one)| ((path, id), one))
            .collect();
        let mut no_directories = BTreeSet::new();
        let mut snapshot = Snapshot::default();
        for ((path, id), one) in in_order {
            let observation = match (path, kinds::unresolved(one)) {
                (_, Some(reason)) => Observation::plain(Observed::NotEvaluated(reason)),
                (None, None) => Observation::not_evaluated(
                    ReasonCode::Unsupported,
                    "its address is no path of a host",
                ),
                (Some(path), None) => self.look_at(
                    one,
                    &path,
                    &mut no_directories,
                    &claims,
                    &everywhere,
                    &mut shown,
                ),
            };
            snapshot.observations.insert(id.clone(), observation);
        }
        snapshot.contents = shown.contents;
        snapshot
    }

    fn look_at(
        &self,
        desired: &Desired,
        path: &HostPath,
        no_directories: &mut BTreeSet<HostPath>,
        claims: &Claims,
        everywhere: &Globs,
        shown: &mut Shown,
    ) -> Observation {
        let wanted = desired
            .expected()
            .and_then(|fields| fields.get("content"))
            .and_then(Value::as_blob);
        let want = match wanted {
            Some(blob) if !desired.sensitive => shown.want(Some(blob.digest)),
            None if !desired.sensitive && desired.expected().is_none() => shown.want(None),
            _ => Want::Digest,
        };
        let look = self.fs.look(path, want);
        let terms = Terms::of(&desired.id);
        let mut observed = place::observed(&self.fs, path, &look, terms);
        if is_redirected(&observed) && no_directories.iter().any(|above| path.is_within(above)) {
            // Something else stands where git wants the directory that this lies in. When that is put right, nothing
            // is here; until then nothing is here either, since what a link leads to is elsewhere.
            observed = Observed::Absent;
        }
        shown.keep(&look);
        let is_managed_directory = desired.id.kind.0 == kinds::DIRECTORY;
        let mut listing = None;
        if let Look::Present(node, _) = &look {
            if is_managed_directory && node.node_type != NodeType::Directory {
                no_directories.insert(path.clone());
            } else if let Some(scope) = &desired.scope {
                let ignore = Globs::new(&scope.ignore).unwrap_or_default();
                let sensitive = desired.sensitive;
                let fs = &self.fs;
                let mut look = |path: &HostPath| {
                    let want = if sensitive {
                        Want::Digest
                    } else {
                        shown.want(None)
                    };
                    let look = fs.look(path, want);
                    shown.keep(&look);
                    look
                };
                let survey = Survey::new(fs, claims, ignore, everywhere, &mut look);
                listing = Some(survey.run(path, node));
            }
        }
        finish(desired, observed, listing)
    }
}

fn finish(desired: &Desired, observed: Observed, listing: Option<Listing>) -> Observation {
    Observation {
        remedy: kinds::remedy(desired, &observed),
        observed,
        listing,
    }
}

fn is_redirected(observed: &Observed) -> bool {
    matches!(observed, Observed::NotEvaluated(reason) if reason.code == ReasonCode::Redirected)
}
