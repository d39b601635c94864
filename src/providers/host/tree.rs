//! A directory with all that lies below it, as one value that can be compared, kept and put back.
//!
//! Flow: entries in the order of their names, depth first → one JSON line each → a digest over all lines. The lines are
//! kept only where the tree has to be restorable.
//!
//! **Invariant:** the same tree gives the same digest; a tree that was not seen whole gives none.

#[cfg(feature = "controller")]
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fs::{Entry, Fs, HostPath, Look, Node, NodeType, Want, Wanted};
use super::path::{MAX_DEPTH, escape, unescape};
use super::state::{long_attributes, state_of, wanted_of};
use crate::model::{Blob, Contents, Digest, Fields, Reason, ReasonCode, State, Value};

/// The largest tree that is looked at.
pub const MAX_ENTRIES: u64 = 200_000;

/// One line of an archive.
#[derive(Serialize, Deserialize)]
struct Line {
    /// The escaped names below the top.
    path: Vec<String>,
    fields: Fields,
}

/// What a walk through a tree gave.
pub struct Tree {
    pub blob: Blob,
    pub entries: u64,
    /// Bytes of all regular files and of all attributes that are kept apart.
    pub bytes: u64,
}

/// Where the content of a tree is kept while it is walked.
pub struct Keep<'a> {
    pub contents: &'a mut Contents,
    pub bytes_left: u64,
    /// Set when not all of it found room; what was kept then is of no use.
    pub overflowed: bool,
}

struct Walk<'a, 'k> {
    fs: &'a dyn Fs,
    file_system: u64,
    hasher: blake3::Hasher,
    archive: Option<Vec<u8>>,
    size: u64,
    entries: u64,
    bytes: u64,
    keep: Option<&'a mut Keep<'k>>,
}

/// Walks a tree from its top, which `top` describes.
///
/// # Errors
/// Why it could not be seen whole: something unreadable, a mount, more than the bounds allow.
pub fn survey(
    fs: &dyn Fs,
    path: &HostPath,
    top: &Node,
    keep: Option<&mut Keep<'_>>,
) -> Result<Tree, Reason> {
    // Reborrows, so that the walk may own its handle on what is kept.
    let mut keep = keep;
    let mut walk = Walk {
        fs,
        file_system: top.file_system,
        hasher: blake3::Hasher::new(),
        archive: keep.is_some().then(Vec::new),
        size: 0,
        entries: 0,
        bytes: 0,
        keep: keep.as_deref_mut(),
    };
    walk.below(path, &mut Vec::new())?;
    let digest = Digest::from_bytes(*walk.hasher.finalize().as_bytes());
    let tree = Tree {
        blob: Blob {
            digest,
            size: walk.size,
        },
        entries: walk.entries,
        bytes: walk.bytes,
    };
    if let (Some(archive), Some(keep)) = (walk.archive, keep) {
        keep.store(archive.into());
    }
    Ok(tree)
}

impl Keep<'_> {
    /// The state that a look tells, with its long attributes kept if there is room.
    pub fn state_of(&mut self, node: &Node) -> State {
        let long = long_attributes(node);
        match self.bytes_left.checked_sub(long) {
            Some(left) if !self.overflowed => {
                self.bytes_left = left;
                state_of(node, Some(self.contents))
            }
            _ => {
                self.overflowed = true;
                state_of(node, None)
            }
        }
    }

    /// Keeps these bytes if there is room.
    pub fn store(&mut self, bytes: Arc<[u8]>) {
        match self.bytes_left.checked_sub(bytes.len() as u64) {
            Some(left) => {
                self.bytes_left = left;
                self.contents.keep(bytes);
            }
            None => self.overflowed = true,
        }
    }
}

fn too_large(path: &HostPath, what: &str) -> Reason {
    Reason::new(ReasonCode::TooLarge, format!("{} {what}", path.address()))
}

impl Walk<'_, '_> {
    fn below(&mut self, dir: &HostPath, names: &mut Vec<String>) -> Result<(), Reason> {
        if names.len() >= MAX_DEPTH {
            return Err(too_large(dir, "is nested more than 128 deep"));
        }
        for entry in sorted(self.fs, dir, MAX_ENTRIES.saturating_sub(self.entries))? {
            let path = dir.join(&entry.name);
            names.push(escape(&entry.name));
            self.entry(&path, names)?;
            names.pop();
        }
        Ok(())
    }

    fn entry(&mut self, path: &HostPath, names: &mut Vec<String>) -> Result<(), Reason> {
        self.entries += 1;
        let want = match &self.keep {
            Some(keep) if !keep.overflowed => Want::Bytes {
                unless: None,
                max_bytes: keep.bytes_left,
            },
            _ => Want::Digest,
        };
        let (node, bytes) = match self.fs.look(path, want) {
            Look::Present(node, bytes) => (node, bytes),
            Look::Absent => {
                return Err(Reason::new(
                    ReasonCode::Unstable,
                    format!("{} vanished while it was looked at", path.address()),
                ));
            }
            Look::Unseen(reason) => return Err(reason),
        };
        if node.file_system != self.file_system {
            return Err(Reason::new(
                ReasonCode::Redirected,
                format!(
                    "{} is a mount point, and mounts are left alone",
                    path.address()
                ),
            ));
        }
        let state = match &mut self.keep {
            Some(keep) => {
                match (node.content, bytes) {
                    (Some(_), Some(bytes)) => keep.store(bytes),
                    (Some(_), None) => keep.overflowed = true,
                    _ => {}
                }
                keep.state_of(&node)
            }
            None => state_of(&node, None),
        };
        self.bytes += node.size + long_attributes(&node);
        self.line(&Line {
            path: names.clone(),
            fields: state.fields,
        });
        if node.node_type == NodeType::Directory {
            self.below(path, names)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) {
        let mut text = serde_json::to_vec(line).expect("model types are plain data");
        text.push(b'\n');
        self.hasher.update(&text);
        self.size += text.len() as u64;
        let overflowed = self.keep.as_ref().is_some_and(|keep| keep.overflowed);
        match &mut self.archive {
            Some(archive) if !overflowed => archive.extend_from_slice(&text),
            archive => *archive = None,
        }
    }
}

/// The entries of a directory in the order of their names.
///
/// # Errors
/// It cannot be listed, or has more than `max` entries.
pub fn sorted(fs: &dyn Fs, dir: &HostPath, max: u64) -> Result<Vec<Entry>, Reason> {
    let mut entries = Vec::new();
    let mut overflowed = false;
    fs.list(dir, &mut |entry| {
        if entries.len() as u64 >= max {
            overflowed = true;
            return ControlFlow::Break(());
        }
        entries.push(entry);
        ControlFlow::Continue(())
    })?;
    if overflowed {
        return Err(too_large(dir, "holds more entries than are looked at"));
    }
    entries.sort_unstable();
    Ok(entries)
}

/// Adds what a tree looked like to the state of its top.
pub fn describe(state: &mut State, tree: &Tree) {
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    state.fields.insert("tree".into(), tree.blob.into());
    state
        .fields
        .insert("tree_entries".into(), int(tree.entries));
    state.fields.insert("tree_bytes".into(), int(tree.bytes));
}

/// The contents that a kept tree refers to.
///
/// # Errors
/// The archive is damaged.
#[cfg(feature = "controller")]
pub fn contents_of(archive: &[u8]) -> Result<BTreeSet<Digest>, String> {
    let mut digests = BTreeSet::new();
    for text in archive.split(|byte| *byte == b'\n') {
        if text.is_empty() {
            continue;
        }
        let line: Line =
            serde_json::from_slice(text).map_err(|_| "the kept tree is damaged".to_owned())?;
        digests.extend(State::of(line.fields).blobs().map(|blob| blob.digest));
    }
    Ok(digests)
}

/// What has to be made below a directory for its kept tree to be there.
///
/// # Errors
/// A sentence: something is not kept, or the archive is damaged.
pub fn children_of(
    archive: &[u8],
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
) -> Result<Vec<(Vec<u8>, Wanted)>, String> {
    let mut top = Vec::new();
    for text in archive
        .split(|byte| *byte == b'\n')
        .filter(|text| !text.is_empty())
    {
        let damaged = || "the kept tree is damaged".to_owned();
        let line: Line = serde_json::from_slice(text).map_err(|_| damaged())?;
        let names = line
            .path
            .iter()
            .map(|name| unescape(name))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(damaged)?;
        let (name, parents) = names.split_last().ok_or_else(damaged)?;
        let is_name = |name: &[u8]| {
            !name.is_empty()
                && name != b"."
                && name != b".."
                && !name.contains(&b'/')
                && !name.contains(&0)
        };
        if names.len() > MAX_DEPTH || !names.iter().all(|name| is_name(name)) {
            return Err(damaged());
        }
        // Depth first: the parent of an entry is the last child of the last child, and so on.
        let mut siblings = &mut top;
        for parent in parents {
            siblings = match siblings.last_mut() {
                Some((
                    last,
                    Wanted {
                        children: Some(children),
                        ..
                    },
                )) if last == parent => children,
                _ => return Err(damaged()),
            };
        }
        let mut wanted = wanted_of(&State::of(line.fields), find, None)?;
        if wanted.node_type == NodeType::Directory {
            wanted.children = Some(Vec::new());
        }
        siblings.push((name.clone(), wanted));
    }
    Ok(top)
}
