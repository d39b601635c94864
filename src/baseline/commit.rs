//! The tree of a commit, below the baseline's directory.
//!
//! **Invariant:** the size of an object is known from its header before any of it is loaded.

use std::collections::BTreeSet;
use std::sync::Arc;

use git2::{Oid, Repository, Tree};

use super::source::{Entry, EntryKind, Listing, MAX_DEPTH, Place, is_left_out, too_large};
use super::{BaselineError, CommitId};
use crate::document::MAX_FILE_BYTES;

/// Bits of a tree entry's mode that say what it is.
const TYPE_BITS: i32 = 0o170_000;
const TREE: i32 = 0o040_000;
const FILE: i32 = 0o100_000;
const SYMLINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

/// Lists everything below `prefix` in a commit.
///
/// # Errors
/// The commit has no such directory, cannot be read, or holds too much.
pub(super) fn list(
    git: &Repository,
    id: &CommitId,
    prefix: &str,
) -> Result<Listing, BaselineError> {
    let failed = |source| BaselineError::Git {
        action: format!("read commit {id}"),
        source,
    };
    let commit = git.find_commit(id.oid()?).map_err(failed)?;
    let mut tree = load_tree(git, commit.tree_id())?;
    for part in prefix.split('/').filter(|part| !part.is_empty()) {
        let below = tree
            .get_name_bytes(part.as_bytes())
            .filter(|entry| entry.filemode_raw() & TYPE_BITS == TREE)
            .map(|entry| entry.id())
            .ok_or_else(|| BaselineError::NotInCommit {
                commit: id.to_string(),
                prefix: prefix.to_owned(),
            })?;
        tree = load_tree(git, below)?;
    }
    let mut listing = Listing::default();
    walk(git, &tree, "", 1, &mut listing)?;
    Ok(listing)
}

fn walk(
    git: &Repository,
    tree: &Tree<'_>,
    directory: &str,
    depth: usize,
    listing: &mut Listing,
) -> Result<(), BaselineError> {
    let mut names = BTreeSet::new();
    for entry in tree {
        listing.count()?;
        if is_left_out(directory, entry.name_bytes()) {
            continue;
        }
        let Some(path) = listing.path_of(directory, entry.name_bytes()) else {
            continue;
        };
        if !names.insert(entry.name_bytes().to_vec()) {
            listing.refuse(&path, "the commit lists this name twice in one directory");
            continue;
        }
        let kind = match entry.filemode_raw() & TYPE_BITS {
            TREE if depth >= MAX_DEPTH => {
                listing.refuse(&path, format!("lies deeper than {MAX_DEPTH} directories"));
                continue;
            }
            TREE => {
                let below = load_tree(git, entry.id())?;
                walk(git, &below, &path, depth + 1, listing)?;
                continue;
            }
            FILE => EntryKind::File,
            SYMLINK => EntryKind::Symlink,
            SUBMODULE => EntryKind::Submodule,
            _ => EntryKind::Special,
        };
        let place = Place::Blob(entry.id());
        listing.entries.insert(path, Entry { kind, place });
    }
    Ok(())
}

fn load_tree(git: &Repository, id: Oid) -> Result<Tree<'_>, BaselineError> {
    let failed = |source| BaselineError::Git {
        action: format!("read tree {id}"),
        source,
    };
    let (bytes, _) = git
        .odb()
        .and_then(|odb| odb.read_header(id))
        .map_err(failed)?;
    if bytes > MAX_FILE_BYTES {
        return Err(BaselineError::TooLarge {
            what: format!("one directory {}", too_large(bytes as u64, MAX_FILE_BYTES)),
        });
    }
    git.find_tree(id).map_err(failed)
}

/// Reads a blob after a look at its size.
///
/// # Errors
/// A fragment for a person.
pub(super) fn read(git: &Repository, id: Oid, max_bytes: usize) -> Result<Arc<[u8]>, String> {
    let failed = |error: git2::Error| {
        format!(
            "cannot be read from the repository: {}",
            error.message().escape_debug()
        )
    };
    let odb = git.odb().map_err(failed)?;
    let (bytes, _) = odb.read_header(id).map_err(failed)?;
    if bytes > max_bytes {
        return Err(too_large(bytes as u64, max_bytes));
    }
    let blob = git.find_blob(id).map_err(failed)?;
    Ok(blob.content().into())
}
