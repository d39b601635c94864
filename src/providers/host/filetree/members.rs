//! Makes members of a listing from what a walk found odd.
//!
//! **Invariant:** listed entries come first, so that no flood of others hides one; and every look is in the terms of a step.

use super::judge::{Terms, judge};
use super::manifest::Manifest;
use super::walk::{Ground, Odd, Walk, What, mount, unread};
use crate::model::{Completeness, Kind, Listing, Member, Observed, Reason, ReasonCode};
use crate::providers::host::fs::{HostPath, Look, Node, NodeType, Want};
use crate::providers::host::kinds;
use crate::providers::host::listing::{MAX_MEMBERS, kind_of};
use crate::providers::host::path::MAX_DEPTH;
use crate::providers::host::{place, tree};

/// How many entries of the tree that nobody lists are looked at.
const MAX_EXTRA: u64 = 1_000_000;
/// How many names of one directory are held at once.
const MAX_NAMES: u64 = 200_000;

/// How a path is looked at: which content is worth keeping is not for a listing to say.
pub type LookAt<'l> = &'l mut dyn FnMut(&HostPath) -> Look;

/// Members, made from what is odd.
pub struct Members<'a, 'l> {
    walk: &'a Walk<'a>,
    ground: Ground<'a>,
    terms: &'a Terms<'a>,
    look: LookAt<'l>,
    members: Vec<Member>,
    extra: u64,
}

impl<'a, 'l> Members<'a, 'l> {
    /// None yet.
    pub fn new(
        walk: &'a Walk<'a>,
        ground: Ground<'a>,
        terms: &'a Terms<'a>,
        look: LookAt<'l>,
    ) -> Self {
        Self {
            walk,
            ground,
            terms,
            look,
            members: Vec::new(),
            extra: 0,
        }
    }

    /// The listing of all of them.
    pub fn listing(self) -> Listing {
        Listing {
            members: self.members,
            complete: match self.walk.partial() {
                None => Completeness::Complete,
                Some(reason) => Completeness::Partial(reason),
            },
            ignored: self.walk.ignored(),
        }
    }

    /// Adds an entry of a manifest that is not as listed.
    pub fn listed(&mut self, manifest: &Manifest, odd: Odd) {
        let wanted = manifest.entry(odd.at).node_type;
        let observed = match odd.what {
            What::Missing => Observed::Absent,
            What::Unseen(reason) => Observed::NotEvaluated(reason),
            What::Differs => match self.look_at(&odd.path) {
                Ok(look) => self.differing(&odd.path, wanted, &look),
                Err(reason) => Observed::NotEvaluated(reason),
            },
        };
        self.member(&odd.path, kind_of(wanted), observed);
    }

    /// Adds a member that was judged already.
    pub fn add(&mut self, member: Member) {
        match self.members.len() < MAX_MEMBERS {
            true => self.members.push(member),
            false => {
                let top = self.terms.top();
                self.walk
                    .too_large(top, "has more that is not as listed than is told");
            }
        }
    }

    /// Adds a member at a path.
    pub fn member(&mut self, path: &HostPath, kind: &str, observed: Observed) {
        let mut member = Member {
            address: path.address(),
            kind: Kind(kind.to_owned()),
            observed,
            remedy: None,
            by_hand: None,
        };
        if judge(self.terms, &mut member) {
            self.add(member);
        }
    }

    /// Looks at what is not as listed, as long as no more was read than may be.
    fn look_at(&mut self, path: &HostPath) -> Result<Look, Reason> {
        if let Look::Present(node, _) = self.ground.fs.look(path, Want::Nothing)
            && self.walk.spend(node.size).is_none()
        {
            return Err(unread(path));
        }
        Ok((self.look)(path))
    }

    fn differing(&mut self, path: &HostPath, wanted: NodeType, look: &Look) -> Observed {
        let is_directory =
            matches!(look, Look::Present(node, _) if node.node_type == NodeType::Directory);
        let terms = match wanted {
            NodeType::Directory => place::Terms::Shallow,
            _ => place::Terms::Whole,
        };
        if is_directory && terms == place::Terms::Whole && self.holds_exceptions(path) {
            return Observed::NotEvaluated(Reason::new(
                ReasonCode::Unsupported,
                format!(
                    "{} is a directory that holds what is left alone; move it out of the way",
                    path.address()
                ),
            ));
        }
        self.observed(path, look, terms)
    }

    fn observed(&self, path: &HostPath, look: &Look, terms: place::Terms) -> Observed {
        let observed = place::observed(self.ground.fs, path, look, terms);
        let bytes = observed.state().and_then(|state| state.get("tree_bytes"));
        let bytes = bytes.and_then(crate::model::Value::as_int).unwrap_or(0);
        match self.walk.spend(u64::try_from(bytes).unwrap_or(0)) {
            Some(()) => observed,
            None => Observed::NotEvaluated(unread(path)),
        }
    }

    /// An entry that nobody lists: one member with all below it, unless something that is left alone lies there.
    pub fn extra(&mut self, path: &HostPath) {
        let walk = self.walk;
        if walk.is_left_alone(path) {
            return;
        }
        self.extra += 1;
        if self.extra > MAX_EXTRA || path.0.len() >= MAX_DEPTH {
            return walk.too_large(path, "is more than is looked at");
        }
        if self.ground.claims.has_of_others(path) {
            // A directory that another resource manages, without saying what it holds: all of that is unlisted.
            return self.extra_below(path, true);
        }
        let look = match self.look_at(path) {
            Ok(look) => look,
            Err(reason) => {
                return self.member(path, kinds::FILE, Observed::NotEvaluated(reason));
            }
        };
        let node: &Node = match &look {
            Look::Present(node, _) => node,
            // Gone since it was listed: nothing to say of it.
            Look::Absent => return,
            Look::Unseen(reason) => {
                return self.member(path, kinds::FILE, Observed::NotEvaluated(reason.clone()));
            }
        };
        let kind = kind_of(node.node_type);
        let is_directory = node.node_type == NodeType::Directory;
        if node.file_system != walk.file_system {
            return self.member(path, kind, Observed::NotEvaluated(mount(path)));
        }
        if is_directory && self.holds_exceptions(path) {
            return self.extra_below(path, false);
        }
        let observed = self.observed(path, &look, place::Terms::Whole);
        self.member(path, kind, observed);
    }

    fn extra_below(&mut self, path: &HostPath, is_claimed: bool) {
        let (walk, fs) = (self.walk, self.ground.fs);
        let is_directory = |look: Look| matches!(look, Look::Present(node, _) if node.node_type == NodeType::Directory && node.file_system == walk.file_system);
        if is_claimed && !is_directory(fs.look(path, Want::Nothing)) {
            return;
        }
        match self.names(path) {
            Ok(names) => {
                for path in names.iter().map(|name| path.join(name)) {
                    self.extra(&path);
                }
            }
            Err(reason) => walk.cut(path, reason),
        }
    }

    fn names(&self, path: &HostPath) -> Result<Vec<Vec<u8>>, Reason> {
        let entries = tree::sorted(self.ground.fs, path, MAX_NAMES)?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// Whether something that is left alone lies below a directory.
    fn holds_exceptions(&mut self, dir: &HostPath) -> bool {
        let Ground {
            claims, bounds, fs, ..
        } = self.ground;
        if claims.has_below(dir) {
            return true;
        }
        if !bounds.has_exceptions() || dir.0.len() >= MAX_DEPTH {
            return false;
        }
        // What cannot be listed cannot be seen whole either, and is told then.
        let names = self.names(dir).unwrap_or_default();
        names.iter().any(|name| {
            self.extra += 1;
            let path = dir.join(name);
            if self.extra > MAX_EXTRA {
                self.walk.too_large(dir, "is more than is looked at");
                return true;
            }
            bounds.is_ignored(&path)
                || matches!(fs.look(&path, Want::Nothing), Look::Present(node, _) if node.node_type == NodeType::Directory)
                    && self.holds_exceptions(&path)
        })
    }
}
