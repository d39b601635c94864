//! Goes through a tree and finds what is not as listed.
//!
//! Flow: directories and parcels of their entries are looked at on all lanes, each listed entry by its name, whatever the
//! directory says → what is odd is put in order, for [`members`](super::members) to make something of it.
//!
//! **Invariant:** what was not seen is never passed over: it is odd, or the walk is partial. No mount below the top is
//! entered. What is not listed has a bound of its own, so that no flood of it hides an entry that was changed.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::bounds::Bounds;
use super::listed::{Listed, children};
use super::pool;
use crate::model::{Reason, ReasonCode};
use crate::providers::host::fs::{Fs, HostPath, Look, NodeType, Want};
use crate::providers::host::listing::{Claims, MAX_MEMBERS};

/// How many odd entries are held until they are in order: of those that are listed, and of the others.
const MAX_ODD: usize = 4 * MAX_MEMBERS;
const MAX_EXTRAS: usize = 2 * MAX_MEMBERS;
/// How many entries beside the listed ones a directory may have before it is no longer read.
const MAX_NAMES: usize = 1_000_000;
/// How much is read in all, in bytes: sparse files cost nothing to make and take long to read.
pub const MAX_READ: u64 = 256 << 30;
/// How many entries one lane takes at once.
const PARCEL: usize = 64;

/// A listed directory, or some of its entries.
enum Job {
    Directory(HostPath, usize),
    Entries(Arc<HostPath>, Vec<usize>),
}

/// A listed entry that is not as it should be.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Odd {
    pub path: HostPath,
    pub at: usize,
    pub what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Missing,
    Differs,
    Unseen(Reason),
}

/// What a walk is about.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub fs: &'a dyn Fs,
    pub bounds: &'a Bounds,
    /// Whether what is not listed counts.
    pub exclusive: bool,
    pub claims: &'a Claims,
}

/// A walk, and then what it found.
pub struct Walk<'a> {
    ground: Ground<'a>,
    listed: &'a dyn Listed,
    pub file_system: u64,
    odd: Mutex<Vec<Odd>>,
    extras: Mutex<Vec<HostPath>>,
    ignored: AtomicU64,
    read: AtomicU64,
    max_read: u64,
    /// Why not everything was seen: the first in the order of paths.
    partial: Mutex<Option<(HostPath, Reason)>>,
}

fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why what lies on another mount is not seen.
pub fn mount(path: &HostPath) -> Reason {
    Reason::new(
        ReasonCode::Redirected,
        format!(
            "{} is a mount point, and mounts are left alone",
            path.address()
        ),
    )
}

impl<'a> Walk<'a> {
    /// Goes through the tree.
    pub fn through(ground: Ground<'a>, listed: &'a dyn Listed) -> Self {
        Self::within(ground, listed, MAX_READ)
    }

    fn within(ground: Ground<'a>, listed: &'a dyn Listed, max_read: u64) -> Self {
        let mut walk = Walk {
            ground,
            listed,
            file_system: 0,
            odd: Mutex::default(),
            extras: Mutex::default(),
            ignored: AtomicU64::new(0),
            read: AtomicU64::new(0),
            max_read,
            partial: Mutex::default(),
        };
        walk.top();
        walk
    }

    /// Takes the listed entries that are odd, in order.
    pub fn take_odd(&self) -> Vec<Odd> {
        let mut odd = std::mem::take(&mut *hold(&self.odd));
        odd.sort_unstable();
        odd
    }

    /// Takes what is not listed, in order.
    pub fn take_extras(&self) -> Vec<HostPath> {
        let mut extras = std::mem::take(&mut *hold(&self.extras));
        extras.sort_unstable();
        extras
    }

    /// Why not everything was seen.
    pub fn partial(&self) -> Option<Reason> {
        hold(&self.partial)
            .as_ref()
            .map(|(_, reason)| reason.clone())
    }

    /// How many entries were ignored.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    /// Notes that something was not seen.
    pub fn cut(&self, path: &HostPath, reason: Reason) {
        let mut partial = hold(&self.partial);
        if partial.as_ref().is_none_or(|(first, _)| path < first) {
            *partial = Some((path.clone(), reason));
        }
    }

    /// Notes that there is more than is looked at.
    pub fn too_large(&self, path: &HostPath, what: &str) {
        let text = format!("{} {what}", path.address());
        self.cut(path, Reason::new(ReasonCode::TooLarge, text));
    }

    /// Takes the bytes of a file off what may be read; none where there is no room for them.
    pub fn spend(&self, bytes: u64) -> Option<()> {
        let before = self.read.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= self.max_read).then_some(())
    }

    fn odd(&self, path: HostPath, at: usize, what: What) {
        let mut odd = hold(&self.odd);
        if odd.len() >= MAX_ODD {
            drop(odd);
            let what = "is one entry more that is not as listed than are looked at";
            return self.too_large(&path, what);
        }
        odd.push(Odd { path, at, what });
    }

    /// Notes what is not listed; false where there is no room.
    fn unlisted(&self, path: HostPath) -> bool {
        let mut extras = hold(&self.extras);
        let has_room = extras.len() < MAX_EXTRAS;
        if has_room {
            extras.push(path);
        } else {
            drop(extras);
            self.too_large(
                &path,
                "is one entry more that nobody lists than are looked at",
            );
        }
        has_room
    }

    /// Whether a path is ignored, with all that it holds.
    pub fn is_ignored(&self, path: &HostPath) -> bool {
        let is = self.ground.bounds.is_ignored(path);
        if is {
            self.ignored.fetch_add(1, Ordering::Relaxed);
        }
        is
    }

    /// Whether a path and all below it is not for this tree to judge.
    pub fn is_left_alone(&self, path: &HostPath) -> bool {
        self.is_ignored(path) || self.ground.claims.decides_for_itself(path)
    }

    /// The top, which may be another mount but no link.
    fn top(&mut self) {
        let top = self.ground.bounds.within.clone();
        let node = match self.ground.fs.look(&top, Want::Nothing) {
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
        if !self.ground.claims.has_of_others(&top) && !self.listed.is_as_listed(0, &node, None) {
            self.odd(top.clone(), 0, What::Differs);
        }
        pool::run(
            self.ground.fs.lanes(),
            Job::Directory(top, 0),
            |job, more| match job {
                Job::Directory(path, at) => self.directory(path, at, more),
                Job::Entries(path, entries) => self.entries(&path, &entries, more),
            },
        );
    }

    fn directory(&self, path: HostPath, at: usize, more: &mut Vec<Job>) {
        let path = Arc::new(path);
        let listed: Vec<usize> = children(self.listed, at).collect();
        if self.ground.exclusive {
            self.look_beside(&path, &listed);
        }
        for parcel in listed.chunks(PARCEL) {
            more.push(Job::Entries(Arc::clone(&path), parcel.to_vec()));
        }
    }

    /// Notes what a directory holds beside what is listed. Memory grows with what is listed and what was noted.
    fn look_beside(&self, path: &HostPath, listed: &[usize]) {
        let names: Vec<Cow<'_, [u8]>> = listed.iter().map(|at| self.listed.name(*at)).collect();
        let mut seen = 0;
        let mut overflowed = false;
        let ended = self.ground.fs.list(path, &mut |entry| {
            seen += 1;
            // Also one that is renamed while it is read ends.
            overflowed = seen > names.len() + MAX_NAMES;
            let is_listed = names
                .binary_search_by(|name| (**name).cmp(&entry.name))
                .is_ok();
            let goes_on = is_listed || overflowed || {
                let path = path.join(&entry.name);
                self.is_left_alone(&path) || self.unlisted(path)
            };
            match goes_on && !overflowed {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        if let Err(reason) = ended {
            self.cut(path, reason);
        }
        if overflowed {
            self.too_large(path, "holds more entries than are looked at");
        }
    }

    fn entries(&self, dir: &Arc<HostPath>, entries: &[usize], more: &mut Vec<Job>) {
        let Ground { claims, bounds, .. } = self.ground;
        let has_exceptions = claims.has_below(dir) || bounds.has_exceptions();
        let mut wanted = Vec::with_capacity(entries.len());
        for at in entries {
            let name = self.listed.name(*at);
            if !has_exceptions || !self.is_left_alone(&dir.join(&name)) {
                wanted.push((*at, name));
            }
        }
        let names: Vec<&[u8]> = wanted.iter().map(|(_, name)| &**name).collect();
        let want = match self.spend(0) {
            Some(()) => self.listed.want(),
            None => Want::Nothing,
        };
        self.ground
            .fs
            .look_in(dir, &names, want, &mut |which, look| {
                self.entry(dir, wanted[which].0, names[which], look, more);
            });
    }

    fn entry(&self, dir: &HostPath, at: usize, name: &[u8], look: Look, more: &mut Vec<Job>) {
        let (node, bytes) = match &look {
            Look::Present(node, bytes) => (node, bytes.as_deref()),
            Look::Absent => return self.missing(&dir.join(name), at),
            Look::Unseen(reason) => {
                let path = dir.join(name);
                if !self.ground.claims.has_of_others(&path) {
                    self.odd(path, at, What::Unseen(reason.clone()));
                }
                return;
            }
        };
        if node.content.is_some() {
            self.spend(node.size);
        }
        let is_directory = node.node_type == NodeType::Directory;
        let is_listed = self.listed.is_as_listed(at, node, bytes);
        let is_here = node.file_system == self.file_system;
        // A link may be as listed where dpkg does not know what stands there, and still hide what it should hold.
        let holds = is_directory || self.listed.end(at) > at + 1;
        if is_listed && !holds && is_here {
            return;
        }
        let path = dir.join(name);
        if !is_here {
            let reason = mount(&path);
            return self.odd(path, at, What::Unseen(reason));
        }
        if !is_listed && !self.ground.claims.has_of_others(&path) {
            let what = match node.node_type == NodeType::File && node.content.is_none() {
                true => What::Unseen(unread(&path)),
                false => What::Differs,
            };
            self.odd(path.clone(), at, what);
        }
        match self.listed.may_hold(at) {
            true if is_directory => more.push(Job::Directory(path, at)),
            // Nothing that it should hold is there.
            true => self.missing_below(&path, at),
            false => {}
        }
    }

    /// An entry that is not there, with all that it should hold.
    fn missing(&self, path: &HostPath, at: usize) {
        if !self.ground.claims.has_of_others(path) {
            self.odd(path.clone(), at, What::Missing);
        }
        self.missing_below(path, at);
    }

    fn missing_below(&self, path: &HostPath, at: usize) {
        for child in children(self.listed, at) {
            let path = path.join(&self.listed.name(child));
            if !self.is_left_alone(&path) {
                self.missing(&path, child);
            }
        }
    }
}

/// Why a file was not read.
pub fn unread(path: &HostPath) -> Reason {
    Reason::new(
        ReasonCode::TooLarge,
        format!(
            "{} was not read, since {} GiB of the tree were read before",
            path.address(),
            MAX_READ >> 30
        ),
    )
}

#[cfg(test)]
mod tests;
