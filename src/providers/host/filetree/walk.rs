//! Goes through a tree and finds what is not as listed.
//!
//! Flow: directories and parcels of their entries are looked at on all lanes, each entry of the manifest by its name,
//! whatever a listing says → what is odd is put in order → each is looked at once more, in the terms of a step, and judged.
//!
//! **Invariant:** what was not seen is never passed over: it is a member that could not be evaluated, or the listing is
//! partial. No mount below the top is entered.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::judge::{Terms, is_as_listed, judge};
use super::pool;
use crate::model::{Completeness, Kind, Listing, Member, Observed, Reason, ReasonCode};
use crate::providers::host::fs::{Fs, HostPath, Look, Node, NodeType, Want};
use crate::providers::host::glob::Globs;
use crate::providers::host::kinds;
use crate::providers::host::listing::{Claims, MAX_MEMBERS, kind_of};
use crate::providers::host::path::MAX_DEPTH;
use crate::providers::host::place;

/// How many names of one directory are held at once, and how many odd entries until they are in order.
const MAX_NAMES: usize = 200_000;
const MAX_ODD: usize = 4 * MAX_MEMBERS;
/// How many entries of the tree that nobody lists are looked at.
const MAX_EXTRA: u64 = 1_000_000;
/// How many entries one lane takes at once.
const PARCEL: usize = 64;

/// A directory of the manifest, or some of its entries.
enum Job {
    Directory(HostPath, usize),
    Entries(Arc<HostPath>, Vec<usize>),
}

/// Something that is not as listed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Odd {
    path: HostPath,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Listed, and not there.
    Missing(usize),
    Differs(usize),
    Unseen(usize, Reason),
    Extra,
}

struct Walk<'a> {
    fs: &'a dyn Fs,
    terms: &'a Terms<'a>,
    claims: &'a Claims,
    everywhere: &'a Globs,
    file_system: u64,
    odd: Mutex<Vec<Odd>>,
    ignored: AtomicU64,
    /// Why not everything was seen: the first in the order of paths.
    partial: Mutex<Option<(HostPath, Reason)>>,
}

/// Lists what differs in a tree, is missing from it or, where the manifest is exclusive, is not listed.
pub fn survey(
    fs: &dyn Fs,
    terms: &Terms<'_>,
    claims: &Claims,
    everywhere: &Globs,
    look: &mut dyn FnMut(&HostPath) -> Look,
) -> Listing {
    let mut walk = Walk {
        fs,
        terms,
        claims,
        everywhere,
        file_system: 0,
        odd: Mutex::default(),
        ignored: AtomicU64::new(0),
        partial: Mutex::default(),
    };
    walk.top();
    let mut odd = std::mem::take(&mut *hold(&walk.odd));
    odd.sort_unstable();
    let mut judged = Judged {
        walk: &walk,
        look,
        members: Vec::new(),
        extra: 0,
    };
    for one in odd {
        judged.add(one);
    }
    let members = judged.members;
    let partial = std::mem::take(&mut *hold(&walk.partial));
    Listing {
        members,
        complete: match partial {
            None => Completeness::Complete,
            Some((_, reason)) => Completeness::Partial(reason),
        },
        ignored: walk.ignored.into_inner(),
    }
}

fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mount(path: &HostPath) -> Reason {
    Reason::new(
        ReasonCode::Redirected,
        format!(
            "{} is a mount point, and mounts are left alone",
            path.address()
        ),
    )
}

impl Walk<'_> {
    fn cut(&self, path: &HostPath, reason: Reason) {
        let mut partial = hold(&self.partial);
        if partial.as_ref().is_none_or(|(first, _)| path < first) {
            *partial = Some((path.clone(), reason));
        }
    }

    fn too_large(&self, path: &HostPath, what: &str) {
        let text = format!("{} {what}", path.address());
        self.cut(path, Reason::new(ReasonCode::TooLarge, text));
    }

    fn odd(&self, path: HostPath, what: What) {
        let mut odd = hold(&self.odd);
        if odd.len() >= MAX_ODD {
            drop(odd);
            return self.too_large(
                &path,
                "is one entry more that is not as listed than are looked at",
            );
        }
        odd.push(Odd { path, what });
    }

    fn is_ignored(&self, path: &HostPath) -> bool {
        let everywhere = || {
            !self.everywhere.is_empty()
                && self
                    .everywhere
                    .matches(&[b"/", path.relative().as_slice()].concat())
        };
        let is = self.terms.is_ignored(path) || everywhere();
        if is {
            self.ignored.fetch_add(1, Ordering::Relaxed);
        }
        is
    }

    /// Whether a path and all below it is not for this tree to judge.
    fn is_left_alone(&self, path: &HostPath) -> bool {
        self.is_ignored(path) || self.claims.decides_for_itself(path)
    }

    /// The top, which may be another mount but no link.
    fn top(&mut self) {
        let top = self.terms.top.clone();
        let node = match self.fs.look(&top, Want::Nothing) {
            Look::Present(node, _) => node,
            Look::Absent => return self.missing(&top, 0),
            Look::Unseen(reason) => return self.cut(&top, reason),
        };
        if node.node_type != NodeType::Directory {
            let text = format!(
                "{} is no directory; name the real place in the baseline",
                top.address()
            );
            return self.cut(&top, Reason::new(ReasonCode::Redirected, text));
        }
        self.file_system = node.file_system;
        if !self.claims.has_of_others(&top)
            && !is_as_listed(&self.terms.baseline.manifest.entry(0), &node)
        {
            self.odd(top.clone(), What::Differs(0));
        }
        pool::run(
            self.fs.lanes(),
            Job::Directory(top, 0),
            |job, more| match job {
                Job::Directory(path, at) => self.directory(path, at, more),
                Job::Entries(path, entries) => self.entries(&path, &entries, more),
            },
        );
    }

    fn directory(&self, path: HostPath, at: usize, more: &mut Vec<Job>) {
        let manifest = &self.terms.baseline.manifest;
        let path = Arc::new(path);
        if self.terms.exclusive {
            self.unlisted(&path, at);
        }
        let mut parcel = Vec::with_capacity(PARCEL);
        for child in manifest.children(at) {
            parcel.push(child);
            if parcel.len() == PARCEL {
                more.push(Job::Entries(Arc::clone(&path), std::mem::take(&mut parcel)));
            }
        }
        if !parcel.is_empty() {
            more.push(Job::Entries(path, parcel));
        }
    }

    /// Notes what a directory holds beside what is listed.
    fn unlisted(&self, path: &HostPath, at: usize) {
        let mut names = Vec::new();
        let mut overflowed = false;
        let listed = self.fs.list(path, &mut |entry| {
            if names.len() >= MAX_NAMES {
                overflowed = true;
                return ControlFlow::Break(());
            }
            names.push(entry.name);
            ControlFlow::Continue(())
        });
        if let Err(reason) = listed {
            self.cut(path, reason);
        }
        if overflowed {
            self.too_large(path, "holds more entries than are looked at");
        }
        names.sort_unstable();
        let manifest = &self.terms.baseline.manifest;
        let mut children = manifest
            .children(at)
            .map(|child| manifest.entry(child))
            .peekable();
        for name in names {
            while children.next_if(|child| *child.name() < *name).is_some() {}
            if children.peek().is_none_or(|child| *child.name() != *name) {
                let path = path.join(&name);
                if !self.is_left_alone(&path) {
                    self.odd(path, What::Extra);
                }
            }
        }
    }

    fn entries(&self, dir: &Arc<HostPath>, entries: &[usize], more: &mut Vec<Job>) {
        let manifest = &self.terms.baseline.manifest;
        let has_exceptions = self.claims.has_below(dir)
            || !self.terms.ignore.is_empty()
            || !self.everywhere.is_empty();
        let mut wanted = Vec::with_capacity(entries.len());
        for at in entries {
            let entry = manifest.entry(*at);
            if has_exceptions {
                let path = dir.join(&entry.name());
                if self.is_left_alone(&path) {
                    continue;
                }
            }
            wanted.push((*at, entry));
        }
        let names: Vec<_> = wanted.iter().map(|(_, entry)| entry.name()).collect();
        let names: Vec<&[u8]> = names.iter().map(|name| &**name).collect();
        self.fs
            .look_in(dir, &names, Want::Digest, &mut |which, look| {
                let (at, entry) = &wanted[which];
                let node = match &look {
                    Look::Present(node, _) => node,
                    Look::Absent => return self.missing(&dir.join(names[which]), *at),
                    Look::Unseen(reason) => {
                        let path = dir.join(names[which]);
                        if !self.claims.has_of_others(&path) {
                            self.odd(path, What::Unseen(*at, reason.clone()));
                        }
                        return;
                    }
                };
                let is_directory = node.node_type == NodeType::Directory;
                let is_listed = is_as_listed(entry, node);
                if is_listed && !is_directory && node.file_system == self.file_system {
                    return;
                }
                let path = dir.join(names[which]);
                if node.file_system != self.file_system {
                    let reason = mount(&path);
                    return self.odd(path, What::Unseen(*at, reason));
                }
                if !is_listed && !self.claims.has_of_others(&path) {
                    self.odd(path.clone(), What::Differs(*at));
                }
                match entry.node_type {
                    NodeType::Directory if is_directory => more.push(Job::Directory(path, *at)),
                    // Nothing that it should hold is there.
                    NodeType::Directory => self.missing_below(&path, *at),
                    _ => {}
                }
            });
    }

    /// An entry that is not there, with all that it should hold.
    fn missing(&self, path: &HostPath, at: usize) {
        if !self.claims.has_of_others(path) {
            self.odd(path.clone(), What::Missing(at));
        }
        self.missing_below(path, at);
    }

    fn missing_below(&self, path: &HostPath, at: usize) {
        let manifest = &self.terms.baseline.manifest;
        for child in manifest.children(at) {
            let path = path.join(&manifest.entry(child).name());
            if !self.is_left_alone(&path) {
                self.missing(&path, child);
            }
        }
    }
}

/// Members, made from what is odd.
struct Judged<'a, 'l> {
    walk: &'a Walk<'a>,
    look: &'l mut dyn FnMut(&HostPath) -> Look,
    members: Vec<Member>,
    extra: u64,
}

impl Judged<'_, '_> {
    fn add(&mut self, odd: Odd) {
        let manifest = &self.walk.terms.baseline.manifest;
        let path = odd.path;
        match odd.what {
            What::Extra => self.extra(&path),
            What::Missing(at) => {
                let kind = kind_of(manifest.entry(at).node_type);
                self.member(&path, kind, Observed::Absent);
            }
            What::Unseen(at, reason) => {
                let kind = kind_of(manifest.entry(at).node_type);
                self.member(&path, kind, Observed::NotEvaluated(reason));
            }
            What::Differs(at) => {
                let wanted = manifest.entry(at).node_type;
                let look = (self.look)(&path);
                let observed = self.differing(&path, wanted, &look);
                self.member(&path, kind_of(wanted), observed);
            }
        }
    }

    fn differing(&mut self, path: &HostPath, wanted: NodeType, look: &Look) -> Observed {
        let walk = self.walk;
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
        place::observed(walk.fs, path, look, terms)
    }

    fn member(&mut self, path: &HostPath, kind: &str, observed: Observed) {
        if self.members.len() >= MAX_MEMBERS {
            return self.walk.too_large(
                path,
                "is one entry more that is not as listed than are told",
            );
        }
        let mut member = Member {
            address: path.address(),
            kind: Kind(kind.to_owned()),
            observed,
            remedy: None,
            by_hand: None,
        };
        if judge(self.walk.terms, &mut member) {
            self.members.push(member);
        }
    }

    /// An entry that nobody lists: one member with all below it, unless something that is left alone lies there.
    fn extra(&mut self, path: &HostPath) {
        let walk = self.walk;
        if walk.is_ignored(path) || walk.claims.decides_for_itself(path) {
            return;
        }
        self.extra += 1;
        if self.extra > MAX_EXTRA || path.0.len() >= MAX_DEPTH {
            return walk.too_large(path, "is more than is looked at");
        }
        if walk.claims.has_of_others(path) {
            // A directory that another resource manages, without saying what it holds: all of that is unlisted.
            return self.extra_below(path, true);
        }
        let look = (self.look)(path);
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
        let observed = place::observed(walk.fs, path, &look, place::Terms::Whole);
        self.member(path, kind, observed);
    }

    fn extra_below(&mut self, path: &HostPath, is_claimed: bool) {
        let walk = self.walk;
        let is_directory = |look: Look| matches!(look, Look::Present(node, _) if node.node_type == NodeType::Directory && node.file_system == walk.file_system);
        if is_claimed && !is_directory(walk.fs.look(path, Want::Nothing)) {
            return;
        }
        match self.names(path) {
            Ok(names) => {
                for path in names.iter().map(|name| path.join(name)) {
                    if !walk.is_left_alone(&path) {
                        self.extra(&path);
                    }
                }
            }
            Err(reason) => walk.cut(path, reason),
        }
    }

    fn names(&self, path: &HostPath) -> Result<Vec<Vec<u8>>, Reason> {
        let entries = super::super::tree::sorted(self.walk.fs, path, MAX_NAMES as u64)?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// Whether something that is left alone lies below a directory.
    fn holds_exceptions(&mut self, dir: &HostPath) -> bool {
        let walk = self.walk;
        if walk.claims.has_below(dir) {
            return true;
        }
        if walk.terms.ignore.is_empty() && walk.everywhere.is_empty() || dir.0.len() >= MAX_DEPTH {
            return false;
        }
        // What cannot be listed cannot be seen whole either, and is told then.
        let names = self.names(dir).unwrap_or_default();
        names.iter().any(|name| {
            self.extra += 1;
            let path = dir.join(name);
            if self.extra > MAX_EXTRA {
                walk.too_large(dir, "is more than is looked at");
                return true;
            }
            walk.is_ignored(&path)
                || matches!(walk.fs.look(&path, Want::Nothing), Look::Present(node, _) if node.node_type == NodeType::Directory)
                    && self.holds_exceptions(&path)
        })
    }
}
