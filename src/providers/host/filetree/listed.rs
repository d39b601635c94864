//! What a walk holds a tree against: entries in the order of paths, each directory followed by what it holds.

use std::borrow::Cow;

use super::judge::is_as_listed;
use super::manifest::{Manifest, name_of, raw};
use crate::providers::host::fs::{Node, Want};

/// Entries by number; the first is the top.
pub trait Listed: Sync {
    /// How much of a file it takes to judge it.
    fn want(&self) -> Want;
    /// The first entry that does not lie below this one.
    fn end(&self, at: usize) -> usize;
    /// The last name of its path.
    fn name(&self, at: usize) -> Cow<'_, [u8]>;
    /// Whether it may be a directory.
    fn may_hold(&self, at: usize) -> bool;
    /// Whether a look, with the bytes that were wanted, is as listed.
    fn is_as_listed(&self, at: usize, node: &Node, bytes: Option<&[u8]>) -> bool;
}

/// What a directory holds directly.
pub fn children(listed: &dyn Listed, at: usize) -> impl Iterator<Item = usize> + '_ {
    let end = listed.end(at);
    let mut next = at + 1;
    std::iter::from_fn(move || {
        let child = next;
        (child < end).then(|| {
            next = listed.end(child);
            child
        })
    })
}

impl Listed for Manifest {
    fn want(&self) -> Want {
        Want::Digest
    }

    fn end(&self, at: usize) -> usize {
        self.end_of(at)
    }

    fn name(&self, at: usize) -> Cow<'_, [u8]> {
        raw(name_of(self.path(at)))
    }

    fn may_hold(&self, at: usize) -> bool {
        self.is_directory(at)
    }

    fn is_as_listed(&self, at: usize, node: &Node, _bytes: Option<&[u8]>) -> bool {
        is_as_listed(&self.entry(at), node)
    }
}
