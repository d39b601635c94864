//! Looks at every desired resource and at what lies in exclusive directories.
//!
//! **Invariant:** nothing is changed, and whatever goes wrong with one resource is said of that one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Host;
use super::cron;
use super::filetree::{self, Baselines};
use super::finish::{Finished, finish, leave_to_removal};
use super::fs::{Fs, HostPath, Look, Node, NodeType, Want};
use super::glob::Globs;
use super::keys;
use super::kinds;
use super::listing::{Claims, Survey};
use super::parts::{self, Part, View};
use super::place::{self, Terms};
use super::privileged;
use super::risk::is_secret;
use crate::model::{
    Contents, Desired, Digest, Listing, Observation, Observed, ReasonCode, Scope, Snapshot, State,
    Value,
};

/// The largest live content that is kept to be shown, and all of it together, in bytes.
const MAX_SHOWN: u64 = 256 << 10;
const MAX_SHOWN_IN_ALL: u64 = 16 << 20;

/// One look at all of a target.
struct Round<'a, F> {
    host: &'a Host<F>,
    claims: Claims,
    trees: Baselines,
    /// Globs of what no listing looks at.
    everywhere: Globs,
    /// Places where a managed directory should be and something else stands.
    no_directories: BTreeSet<HostPath>,
    shown: Shown,
    /// What parts are looked at through.
    view: View<'a>,
}

/// Live content that differs, as far as there is room for it.
struct Shown {
    contents: Contents,
    room: u64,
}

impl Shown {
    /// How much of a file to read whose content is worth showing when it is not `unless`.
    fn want(&self, unless: Option<Digest>) -> Want {
        match self.room {
            0 => Want::Digest,
            room => Want::Bytes {
                unless,
                max_bytes: room.min(MAX_SHOWN),
            },
        }
    }

    fn keep(&mut self, look: &Look) {
        if let Look::Present(_, Some(bytes)) = look {
            self.room = self.room.saturating_sub(bytes.len() as u64);
            self.contents.keep(Arc::clone(bytes));
        }
    }
}

impl<F: Fs> Host<F> {
    pub(crate) fn look_at_all(&self, desired: &[Desired]) -> Snapshot {
        let trees = self.trees();
        let mut round = Round {
            host: self,
            claims: Claims::of(desired, &trees),
            trees,
            everywhere: Globs::new(&self.config.ignore).unwrap_or_default(),
            no_directories: BTreeSet::new(),
            shown: Shown {
                contents: Contents::default(),
                room: MAX_SHOWN_IN_ALL,
            },
            view: View::new(&self.fs),
        };
        // From the top down, so that what stands above is known.
        let in_order: BTreeMap<_, _> = desired
            .iter()
            .map(|one| ((HostPath::from_address(&one.address), &one.id), one))
            .collect();
        let mut observations = BTreeMap::new();
        for ((path, id), one) in in_order {
            observations.insert(id.clone(), round.look_at(one, path.as_ref()));
        }
        leave_to_removal(desired, &mut observations);
        Snapshot {
            observations,
            contents: round.shown.contents,
        }
    }
}

impl<F: Fs> Round<'_, F> {
    fn look_at(&mut self, desired: &Desired, path: Option<&HostPath>) -> Observation {
        if let Some(reason) = kinds::unresolved(desired) {
            return Observation::plain(Observed::NotEvaluated(reason));
        }
        if let Some(part) = parts::of(&desired.id.kind) {
            return self.part(part, desired);
        }
        match (desired.id.kind.0.as_str(), path) {
            (kinds::PRIVILEGED_FILES, _) => self.privileged(desired),
            (kinds::CRON, _) => self.cron(desired),
            (kinds::FILE_TREE, _) => self.tree(desired),
            (kinds::AUTHORIZED_KEYS, Some(path)) => self.keys(desired, path),
            (_, Some(path)) => self.plain(desired, path),
            (_, None) => Observation::not_evaluated(
                ReasonCode::Unsupported,
                "its address is no path of a host",
            ),
        }
    }

    /// A file, directory or link, with what lies in its scope.
    fn plain(&mut self, desired: &Desired, path: &HostPath) -> Observation {
        let wanted = desired
            .expected()
            .and_then(|fields| fields.get("content"))
            .and_then(Value::as_blob);
        let want = match wanted {
            Some(blob) if !desired.sensitive => self.shown.want(Some(blob.digest)),
            None if !desired.sensitive && desired.expected().is_none() => self.shown.want(None),
            _ => Want::Digest,
        };
        let look = self.host.fs.look(path, want);
        self.shown.keep(&look);
        let Finished {
            observed, remedy, ..
        } = finish(desired, self.observed(desired, path, &look), None);
        let is_managed_directory = desired.id.kind.0 == kinds::DIRECTORY;
        let mut listing = None;
        if let Look::Present(node, _) = &look {
            if is_managed_directory && node.node_type != NodeType::Directory {
                self.no_directories.insert(path.clone());
            } else if let Some(scope) = &desired.scope {
                listing = Some(self.listing(desired, scope, path, node));
            }
        }
        Observation {
            observed,
            remedy,
            listing,
            by_hand: None,
            one_way: None,
        }
    }

    fn observed(&self, desired: &Desired, path: &HostPath, look: &Look) -> Observed {
        let terms = Terms::of(&desired.id);
        let observed = place::observed(&self.host.fs, path, look, terms);
        let lies_in_no_directory = || {
            self.no_directories
                .iter()
                .any(|above| path.is_within(above))
        };
        if is_redirected(&observed) && lies_in_no_directory() {
            // Something else stands where git wants the directory that this lies in. When that is put right, nothing
            // is here; until then nothing is here either, since what a link leads to is elsewhere.
            return Observed::Absent;
        }
        observed
    }

    fn listing(
        &mut self,
        desired: &Desired,
        scope: &Scope,
        path: &HostPath,
        node: &Node,
    ) -> Listing {
        let ignore = Globs::new(&scope.ignore).unwrap_or_default();
        let (fs, shown) = (&self.host.fs, &mut self.shown);
        let mut look = |path: &HostPath| {
            let want = match desired.sensitive {
                true => Want::Digest,
                false => shown.want(None),
            };
            let look = fs.look(path, want);
            shown.keep(&look);
            look
        };
        Survey::new(fs, &self.claims, ignore, &self.everywhere, &mut look).run(path, node)
    }

    /// A file of keys, read whole whatever room there is, since its remedy is made from it.
    fn keys(&mut self, desired: &Desired, path: &HostPath) -> Observation {
        let want = Want::Bytes {
            unless: None,
            max_bytes: keys::MAX_BYTES,
        };
        let look = self.host.fs.look(path, want);
        let observed = self.observed(desired, path, &look);
        let live = match &look {
            Look::Present(_, Some(bytes)) => Some(bytes.as_ref()),
            _ => None,
        };
        let finished = finish(desired, observed, live);
        if let Some(content) = finished.made {
            // Kept, since nobody else knows it.
            self.shown.contents.keep(content);
            self.shown.keep(&look);
        }
        Observation {
            observed: finished.observed,
            remedy: finished.remedy,
            listing: None,
            by_hand: None,
            one_way: None,
        }
    }

    fn part(&mut self, part: &dyn Part, desired: &Desired) -> Observation {
        let mut seen = Contents::default();
        let looked = part.look(&self.view, desired, &mut seen);
        let bytes = seen.bytes() as u64;
        if !desired.sensitive && bytes <= self.shown.room {
            self.shown.room -= bytes;
            self.shown.contents.extend(seen);
        }
        parts::finish(part, desired, looked)
    }

    fn cron(&mut self, desired: &Desired) -> Observation {
        let (fs, shown) = (&self.host.fs, &mut self.shown);
        let mut look = |path: &HostPath| {
            let look = fs.look(path, cron::WANT);
            if !desired.sensitive {
                shown.keep(&look);
            }
            look
        };
        Observation {
            listing: Some(cron::survey(
                fs,
                desired,
                &self.claims,
                &self.everywhere,
                &mut look,
            )),
            ..Observation::plain(Observed::Present(State::default()))
        }
    }

    fn tree(&mut self, desired: &Desired) -> Observation {
        let baseline = self.trees.of(&desired.id).map(Arc::clone);
        let (fs, shown) = (&self.host.fs, &mut self.shown);
        let mut look = |path: &HostPath| {
            let want = match desired.sensitive || is_secret(path) {
                true => Want::Digest,
                false => shown.want(None),
            };
            let look = fs.look(path, want);
            shown.keep(&look);
            look
        };
        let baseline = baseline.as_deref();
        match filetree::survey(&self.view, desired, baseline, &self.claims, &mut look) {
            Ok(listing) => Observation {
                listing: Some(listing),
                ..Observation::plain(Observed::Present(State::default()))
            },
            Err(reason) => Observation::plain(Observed::NotEvaluated(reason)),
        }
    }

    fn privileged(&mut self, desired: &Desired) -> Observation {
        let fs = &self.host.fs;
        Observation {
            // It stands nowhere, and so it always is as it should be; what it finds is what counts.
            observed: Observed::Present(State::default()),
            remedy: None,
            listing: Some(privileged::survey(
                fs,
                desired,
                &self.claims,
                &self.everywhere,
            )),
            by_hand: None,
            one_way: None,
        }
    }
}

fn is_redirected(observed: &Observed) -> bool {
    matches!(observed, Observed::NotEvaluated(reason) if reason.code == ReasonCode::Redirected)
}
