//! All that lies in the scope of an exclusive directory and that nothing explains.
//!
//! What a desired resource claims, and the directories that lead to it, are explained; so is what the globs ignore.
//! The topmost unexplained entry is one member, a directory with all below it, unless something ignored lies inside:
//! then its other parts are members one by one, so that nothing ignored is ever removed.
//!
//! **Invariant:** memory is bounded whatever lies in the scope, and what was not seen makes the listing partial.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::filetree::{self, Baseline, Baselines};
use super::fs::{Fs, HostPath, Look, Node, NodeType};
use super::glob::Globs;
use super::kinds;
use super::parts;
use super::path::MAX_DEPTH;
use super::place::{self, Terms};
use crate::model::{Completeness, Desired, Kind, Listing, Member, Observed, Reason, ReasonCode};

/// The most members of one listing.
pub const MAX_MEMBERS: usize = 10_000;
/// The most entries that one listing looks at.
pub const MAX_ENTRIES: u64 = 1_000_000;

/// Which paths desired resources claim.
#[derive(Default)]
pub struct Claims {
    paths: BTreeSet<HostPath>,
    /// Directories of which another resource than a tree above says what they hold: exclusive ones, and tops of trees.
    own: BTreeSet<HostPath>,
    trees: Vec<(HostPath, Globs, Arc<Baseline>)>,
    /// A user's file of keys is claimed, and nobody knows where that user's home is.
    keys_somewhere: bool,
}

/// The members of one directory that are candidates, and its explained directories.
#[derive(Default)]
struct Found {
    /// The value tells whether a claim lies below.
    names: BTreeMap<Vec<u8>, bool>,
}

/// One walk through a scope.
pub struct Survey<'a> {
    pub fs: &'a dyn Fs,
    pub claims: &'a Claims,
    /// Relative to the scope's directory.
    pub ignore: Globs,
    /// On whole paths.
    pub ignore_everywhere: &'a Globs,
    /// How to look at a member: which content is worth keeping is not for a listing to say.
    pub look: &'a mut dyn FnMut(&HostPath) -> Look,
    pub max_entries: u64,
    pub max_members: usize,
    top: HostPath,
    file_system: u64,
    members: Vec<Member>,
    ignored: u64,
    seen: u64,
    partial: Option<Reason>,
}

impl Claims {
    /// The paths of all desired resources that have one.
    pub fn of(desired: &[Desired], baselines: &Baselines) -> Self {
        let placed = desired
            .iter()
            .filter(|one| !parts::is_address(&one.address));
        let homeless = |one: &Desired| {
            one.id.kind.0 == kinds::AUTHORIZED_KEYS && kinds::unresolved(one).is_some()
        };
        let exclusive = |one: &&Desired| one.id.kind.0 == kinds::DIRECTORY && one.scope.is_some();
        let tops = desired.iter().filter_map(filetree::top_of);
        let directories = desired.iter().filter(exclusive);
        Self {
            keys_somewhere: desired.iter().any(homeless),
            own: directories
                .filter_map(|one| HostPath::from_address(&one.address))
                .chain(tops)
                .collect(),
            trees: desired
                .iter()
                .filter_map(|one| {
                    let baseline = baselines.of(&one.id)?;
                    let ignore = Globs::new(&one.scope.as_ref()?.ignore).ok()?;
                    Some((filetree::top_of(one)?, ignore, Arc::clone(baseline)))
                })
                .collect(),
            paths: placed
                .filter_map(|one| HostPath::from_address(&one.address))
                .collect(),
        }
    }

    /// Whether a desired resource is of this path, or a manifest lists it.
    pub fn has(&self, path: &HostPath) -> bool {
        self.has_of_others(path) || self.own.contains(path) || self.is_listed(path)
    }

    /// Whether a desired resource with a path of its own is of this path.
    pub fn has_of_others(&self, path: &HostPath) -> bool {
        let is_keys = || matches!(&path.0[..], [.., dir, name] if dir == b".ssh" && name == b"authorized_keys");
        self.paths.contains(path) || self.keys_somewhere && is_keys()
    }

    /// Whether what a directory holds is for another resource to say than for a tree around it.
    pub fn decides_for_itself(&self, path: &HostPath) -> bool {
        self.own.contains(path)
    }

    /// Whether a place in a tree is for that tree to judge.
    pub fn leaves_to_tree(&self, top: &HostPath, path: &HostPath) -> bool {
        let between = |length: usize| self.own.contains(&HostPath(path.0[..length].to_vec()));
        path.is_within(top)
            && !self.has_of_others(path)
            && !(top.0.len() + 1..=path.0.len()).any(between)
    }

    fn is_listed(&self, path: &HostPath) -> bool {
        self.trees.iter().any(|(top, ignore, baseline)| {
            let below = |length: usize| path.0[top.0.len()..length].join(&b'/');
            self.leaves_to_tree(top, path)
                && !(top.0.len() + 1..=path.0.len()).any(|length| ignore.matches(&below(length)))
                && baseline.manifest.find(&path.0[top.0.len()..]).is_some()
        })
    }

    /// Whether a desired resource is of a path below this one.
    pub fn has_below(&self, path: &HostPath) -> bool {
        let below = |set: &BTreeSet<HostPath>| {
            set.range(path.clone()..)
                .take(2)
                .any(|claim| claim != path && claim.is_within(path))
        };
        below(&self.paths) || below(&self.own)
    }
}

impl<'a> Survey<'a> {
    /// A survey of what lies below `top`.
    pub fn new(
        fs: &'a dyn Fs,
        claims: &'a Claims,
        ignore: Globs,
        ignore_everywhere: &'a Globs,
        look: &'a mut dyn FnMut(&HostPath) -> Look,
    ) -> Self {
        Self {
            fs,
            claims,
            ignore,
            ignore_everywhere,
            look,
            max_entries: MAX_ENTRIES,
            max_members: MAX_MEMBERS,
            top: HostPath::default(),
            file_system: 0,
            members: Vec::new(),
            ignored: 0,
            seen: 0,
            partial: None,
        }
    }

    /// Lists all unexplained entries below a directory.
    pub fn run(mut self, top: &HostPath, node: &Node) -> Listing {
        self.top = top.clone();
        self.file_system = node.file_system;
        self.directory(top);
        self.members.sort_by(|a, b| a.address.cmp(&b.address));
        Listing {
            members: self.members,
            complete: match self.partial {
                None => Completeness::Complete,
                Some(reason) => Completeness::Partial(reason),
            },
            ignored: self.ignored,
        }
    }

    fn cut(&mut self, code: ReasonCode, text: String) {
        if self.partial.is_none() {
            self.partial = Some(Reason::new(code, text));
        }
    }

    fn too_many(&mut self) {
        let text = format!("{} holds more than is looked at", self.top.address());
        self.cut(ReasonCode::TooLarge, text);
    }

    fn is_ignored(&self, path: &HostPath) -> bool {
        if self.ignore.is_empty() && self.ignore_everywhere.is_empty() {
            return false;
        }
        let whole = path.relative();
        let relative = match self.top.0.is_empty() {
            true => &whole[..],
            false => &whole[self.top.relative().len() + 1..],
        };
        self.ignore.matches(relative)
            || self
                .ignore_everywhere
                .matches(&[b"/", whole.as_slice()].concat())
    }

    fn directory(&mut self, dir: &HostPath) {
        if dir.0.len() >= MAX_DEPTH {
            self.cut(
                ReasonCode::TooLarge,
                format!("{} is nested more than 128 deep", dir.address()),
            );
            return;
        }
        let found = self.unexplained(dir);
        for (name, claimed_below) in found.names {
            self.entry(&dir.join(&name), claimed_below);
        }
    }

    /// The entries of a directory that need a look: the first by name where there are too many.
    fn unexplained(&mut self, dir: &HostPath) -> Found {
        let mut found = Found::default();
        let room = self.max_members.saturating_sub(self.members.len());
        let mut candidates = 0;
        let mut overflowed = false;
        let fs = self.fs;
        let listed = fs.list(dir, &mut |entry| {
            self.seen += 1;
            if self.seen > self.max_entries {
                overflowed = true;
                return ControlFlow::Break(());
            }
            let path = dir.join(&entry.name);
            if self.claims.has(&path) {
                return ControlFlow::Continue(());
            }
            if self.is_ignored(&path) {
                self.ignored += 1;
                return ControlFlow::Continue(());
            }
            let claimed_below = self.claims.has_below(&path);
            found.names.insert(entry.name, claimed_below);
            if !claimed_below {
                candidates += 1;
                if candidates > room {
                    overflowed = true;
                    found.drop_last_candidate();
                    candidates -= 1;
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(reason) = listed {
            self.cut(reason.code, reason.text);
        }
        if overflowed {
            self.too_many();
        }
        found
    }

    fn entry(&mut self, path: &HostPath, claimed_below: bool) {
        let look = (self.look)(path);
        let node = match &look {
            Look::Present(node, _) => node,
            // Gone since it was listed: nothing to say of it.
            Look::Absent => return,
            Look::Unseen(reason) => {
                let reason = reason.clone();
                return self.member(path, kinds::FILE, Observed::NotEvaluated(reason));
            }
        };
        let is_directory = node.node_type == NodeType::Directory;
        // What was found by then is still told: planting a million files must not hide one.
        if is_directory && self.seen > self.max_entries {
            return self.too_many();
        }
        if is_directory && claimed_below {
            return self.directory(path);
        }
        let kind = kind_of(node.node_type);
        if node.file_system != self.file_system {
            let reason = Reason::new(
                ReasonCode::Redirected,
                format!(
                    "{} is a mount point, and mounts are left alone",
                    path.address()
                ),
            );
            return self.member(path, kind, Observed::NotEvaluated(reason));
        }
        if is_directory && self.holds_ignored(path) {
            return self.directory(path);
        }
        let observed = place::observed(self.fs, path, &look, Terms::Whole);
        if let Some(entries) = observed
            .state()
            .and_then(|state| state.get("tree_entries"))
            .and_then(crate::model::Value::as_int)
        {
            self.seen += u64::try_from(entries).unwrap_or(0);
            if self.seen > self.max_entries {
                self.too_many();
            }
        }
        self.member(path, kind, observed);
    }

    fn member(&mut self, path: &HostPath, kind: &str, observed: Observed) {
        if self.members.len() >= self.max_members {
            return self.too_many();
        }
        self.members.push(Member {
            address: path.address(),
            kind: Kind(kind.to_owned()),
            observed,
            remedy: None,
            by_hand: None,
        });
    }

    /// Whether something that is ignored lies below an unexplained directory.
    fn holds_ignored(&mut self, dir: &HostPath) -> bool {
        if self.ignore.is_empty() && self.ignore_everywhere.is_empty() || dir.0.len() >= MAX_DEPTH {
            return false;
        }
        let mut below = Vec::new();
        let mut holds = false;
        let fs = self.fs;
        let listed = fs.list(dir, &mut |entry| {
            self.seen += 1;
            let path = dir.join(&entry.name);
            holds = self.is_ignored(&path);
            if entry
                .node_type
                .is_none_or(|known| known == NodeType::Directory)
            {
                below.push(entry.name);
            }
            if holds || self.seen > self.max_entries {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if self.seen > self.max_entries {
            self.too_many();
            return true;
        }
        // What cannot be listed cannot be seen whole either, and is reported then.
        holds || (listed.is_ok() && below.iter().any(|name| self.holds_ignored(&dir.join(name))))
    }
}

impl Found {
    fn drop_last_candidate(&mut self) {
        let last = self
            .names
            .iter()
            .rev()
            .find(|(_, claimed_below)| !**claimed_below)
            .map(|(name, _)| name.clone());
        if let Some(name) = last {
            self.names.remove(&name);
        }
    }
}

/// The kind that an entry of no resource is shown as.
pub fn kind_of(node_type: NodeType) -> &'static str {
    match node_type {
        NodeType::Directory => kinds::DIRECTORY,
        NodeType::Symlink => kinds::SYMLINK,
        _ => kinds::FILE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::host::LocalFs;
    use crate::providers::host::fs::Want;

    // Goal: when there are more entries than are looked at, those that were found are told and the listing is partial;
    // exactly as many as are looked at is still whole.
    #[test]
    fn a_flood_hides_nothing_that_was_found() {
        let temp = tempfile::tempdir().unwrap();
        for i in 0..20 {
            std::fs::write(temp.path().join(format!("{i:02}")), "").unwrap();
        }
        let fs = LocalFs::open(temp.path()).unwrap();
        let top = HostPath::default();
        let Look::Present(node, _) = fs.look(&top, Want::Nothing) else {
            panic!("the root is there");
        };
        for (max_entries, max_members, expected, whole) in
            [(20, 20, 20, true), (10, 20, 10, false), (30, 5, 5, false)]
        {
            let claims = Claims::default();
            let none = Globs::default();
            let mut look = |path: &HostPath| fs.look(path, Want::Digest);
            let mut survey = Survey::new(&fs, &claims, Globs::default(), &none, &mut look);
            survey.max_entries = max_entries;
            survey.max_members = max_members;
            let listing = survey.run(&top, &node);
            assert_eq!(listing.members.len(), expected);
            assert_eq!(listing.complete == Completeness::Complete, whole);
        }
    }
}
