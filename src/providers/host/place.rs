//! What stands at one place, in the terms in which a resource sees it.
//!
//! **Invariant:** `observe`, `capture` and the last check of `apply` all see through here, so that their digests agree.

use super::fs::{Fs, HostPath, Look, NodeType, Want};
use super::state::state_of;
use super::tree::{self, Keep};
use crate::model::{Observed, ResourceId};

/// How much of a place counts for a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terms {
    /// All of it: a directory with everything below.
    Whole,
    /// A directory counts without what it holds.
    Shallow,
}

impl Terms {
    /// The terms of a resource: a directory that git lists counts without what it holds, since that is for other
    /// resources or its listing to judge. An extra one, named by its address, counts whole.
    pub fn of(resource: &ResourceId) -> Self {
        if resource.kind.0 == super::kinds::DIRECTORY && !resource.name.starts_with('/') {
            Self::Shallow
        } else {
            Self::Whole
        }
    }
}

/// The state behind a look at a path.
pub fn observed(fs: &dyn Fs, path: &HostPath, look: &Look, terms: Terms) -> Observed {
    kept(fs, path, look, terms, None)
}

/// The state behind a look at a path; what restoring it takes goes into `keep`.
pub fn kept(
    fs: &dyn Fs,
    path: &HostPath,
    look: &Look,
    terms: Terms,
    mut keep: Option<&mut Keep<'_>>,
) -> Observed {
    let (node, bytes) = match look {
        Look::Present(node, bytes) => (node, bytes),
        Look::Absent => return Observed::Absent,
        Look::Unseen(reason) => return Observed::NotEvaluated(reason.clone()),
    };
    let mut state = match &mut keep {
        Some(keep) => {
            match (node.content, bytes) {
                (Some(_), Some(bytes)) => keep.store(bytes.clone()),
                (Some(_), None) => keep.overflowed = true,
                _ => {}
            }
            keep.state_of(node)
        }
        None => state_of(node, None),
    };
    if node.node_type == NodeType::Directory && terms == Terms::Whole {
        match tree::survey(fs, path, node, keep) {
            Ok(tree) => tree::describe(&mut state, &tree),
            Err(reason) => return Observed::NotEvaluated(reason),
        }
    }
    Observed::Present(state)
}

/// Looks and reads to the end, and gives what is there now.
pub fn see(fs: &dyn Fs, path: &HostPath, terms: Terms) -> Observed {
    observed(fs, path, &fs.look(path, Want::Digest), terms)
}
