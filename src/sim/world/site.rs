//! A place in a directory, the temporary names beside it, and the effects that a change is made of.
//!
//! **Invariant:** only the place and names with the change's own nonce are touched.

use super::change::{dress, effect};
use super::tree::{Inode, Obstacle, Tree};
use super::{World, look_at};
use crate::providers::host::fs::{
    Content, FsError, HostPath, Look, Node, NodeType, Verify, Want, Wanted,
};

/// A place in a directory, and the temporary names beside it.
pub(super) struct Site<'w> {
    pub world: &'w World,
    pub path: HostPath,
    parent: HostPath,
    pub directory: u64,
    pub name: Vec<u8>,
    /// Being written.
    pub fresh: Vec<u8>,
    /// Complete, or just displaced.
    pub temporary: Vec<u8>,
    /// Judged, and being deleted.
    pub old: Vec<u8>,
}

impl<'w> Site<'w> {
    /// Finds the directory that holds a path.
    pub fn open(world: &'w World, path: &HostPath, nonce: &str) -> Result<Self, FsError> {
        Self::open_if_there(world, path, nonce)?.ok_or_else(|| {
            FsError::Refused(format!(
                "the directory that {} should be in does not exist; manage it with a Directory resource",
                path.address()
            ))
        })
    }

    /// As [`Site::open`], or none where there is no such directory.
    pub fn open_if_there(
        world: &'w World,
        path: &HostPath,
        nonce: &str,
    ) -> Result<Option<Self>, FsError> {
        let refused = |why: String| Err(FsError::Refused(why));
        let Some((parent, name)) = path.split() else {
            return refused("the root itself is never replaced".into());
        };
        if nonce.is_empty() || nonce.len() > 64 || !nonce.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return refused("the step's nonce is no plain word".into());
        }
        let address = path.address();
        let tree = world.tree();
        let directory = match tree.find_directory(&parent) {
            Ok(directory) => directory,
            Err(Obstacle::Absent) => return Ok(None),
            Err(Obstacle::Link) => {
                return refused(format!(
                    "a symbolic link stands in the way of {address}; nothing was changed"
                ));
            }
            Err(Obstacle::Closed) => {
                return refused(format!(
                    "permission denied to open {address}; nothing was changed"
                ));
            }
        };
        if tree.inode(directory).is_flagged() {
            return refused(format!(
                "{} is immutable or append-only, so nothing in it can be replaced; manage it with a Directory resource",
                parent.address()
            ));
        }
        let name_of = |end: &str| format!(".evenkeel-{nonce}{end}").into_bytes();
        let name = name.to_vec();
        Ok(Some(Self {
            world,
            path: path.clone(),
            parent,
            directory,
            name,
            fresh: name_of(".new"),
            temporary: name_of(""),
            old: name_of(".old"),
        }))
    }

    /// Looks at an entry of the directory; `shown` is what messages call it.
    pub fn look(&self, name: &[u8], shown: &HostPath) -> Look {
        let tree = self.world.tree();
        if !tree.has(self.directory) {
            return Look::Absent;
        }
        match tree.inode(self.directory).entries.get(name) {
            Some(number) => look_at(&tree, *number, shown, Want::Digest),
            None => Look::Absent,
        }
    }

    /// Where what was taken aside can be looked at.
    pub fn aside(&self) -> HostPath {
        self.parent.join(&self.temporary)
    }

    /// Lets one effect in the directory happen, or go wrong.
    pub fn effect(
        &self,
        what: &'static str,
        begun: bool,
        change: impl FnOnce(&mut Tree) -> Result<(), FsError>,
    ) -> Result<(), FsError> {
        effect(self.world, &self.path, what, begun, |tree| {
            if !tree.has(self.directory) {
                return Err(self.moved());
            }
            change(tree)
        })
    }

    fn moved(&self) -> FsError {
        FsError::Stale(format!(
            "the directory {} was moved or replaced meanwhile",
            self.parent.address()
        ))
    }

    /// What stands at the place now, if it may be moved.
    pub fn number(&self, tree: &Tree) -> Result<u64, FsError> {
        let found = tree.inode(self.directory).entries.get(&self.name).copied();
        let number = found.ok_or_else(|| FsError::Stale("it vanished meanwhile".into()))?;
        if tree.is_mount(self.directory, number) {
            return Err(FsError::Refused(format!(
                "{} is a mount point, and mounts are left alone; nothing was changed",
                self.path.address()
            )));
        }
        if tree.inode(number).is_flagged() {
            return Err(FsError::Refused(format!(
                "permission denied to replace {}; nothing was changed",
                self.path.address()
            )));
        }
        Ok(number)
    }

    pub fn refuse_leftovers(&self) -> Result<(), FsError> {
        let tree = self.world.tree();
        let entries = &tree.inode(self.directory).entries;
        let left = [&self.fresh, &self.temporary, &self.old]
            .into_iter()
            .find(|name| entries.contains_key(*name));
        match left {
            None => Ok(()),
            Some(name) => Err(FsError::Refused(format!(
                "an interrupted run left {} beside {}; it has to be cleaned up first",
                String::from_utf8_lossy(name),
                self.path.address()
            ))),
        }
    }

    /// Makes what is wanted, complete, under the temporary name.
    pub fn make(&self, wanted: &Wanted) -> Result<(), FsError> {
        self.effect("write", false, |tree| {
            let there = tree.inode(self.directory).entries.get(&self.name).copied();
            let content = match &wanted.content {
                Some(Content::Same(blob)) => {
                    let inode = there.map(|number| tree.inode(number));
                    let content = inode.and_then(|inode| inode.content.clone());
                    let same = content.filter(|(found, _)| found == blob);
                    let changed = || FsError::Stale("its content is another one now".into());
                    Some(same.ok_or_else(changed)?.1)
                }
                Some(Content::Bytes(bytes)) => Some(bytes.clone()),
                None => None,
            };
            build(tree, self.directory, &self.fresh, wanted, content);
            Ok(())
        })?;
        self.effect("name", false, |tree| {
            tree.rename(self.directory, &self.fresh, &self.temporary);
            Ok(())
        })
    }

    /// Puts the new one where nothing stands.
    pub fn place(&self, wanted: &Wanted) -> Result<(), FsError> {
        self.effect("place", false, |tree| {
            if tree.inode(self.directory).entries.contains_key(&self.name) {
                return Err(FsError::Stale("something stands there now".into()));
            }
            tree.rename(self.directory, &self.temporary, &self.name);
            self.touch(tree);
            Ok(())
        })?;
        let settled = self.still_there().and_then(|()| self.set_flags(wanted));
        let Err(error) = settled else { return Ok(()) };
        let back = self.effect("take back", true, |tree| {
            tree.rename(self.directory, &self.name, &self.temporary);
            Ok(())
        });
        Err(back.err().unwrap_or(error))
    }

    /// Exchanges the new one for the one that stands there.
    pub fn swap(&self, node: &Node, wanted: &Wanted, verify: Verify<'_>) -> Result<(), FsError> {
        self.clear_flags(node)?;
        let swapped = self.effect("exchange", false, |tree| {
            self.number(tree)?;
            self.touch(tree);
            tree.exchange(self.directory, &self.temporary, &self.name);
            Ok(())
        });
        if let Err(error) = swapped {
            self.restore_flags(node, &error);
            return Err(error);
        }
        let settled = self
            .judge_aside(node, verify)
            .and_then(|()| self.still_there())
            .and_then(|()| self.set_flags(wanted));
        if let Err(error) = settled {
            let back = self.effect("exchange back", true, |tree| {
                tree.exchange(self.directory, &self.temporary, &self.name);
                Ok(())
            });
            return Err(self.after_putting_back(node, error, back));
        }
        self.discard_aside(node)
    }

    fn touch(&self, tree: &Tree) {
        if let Some(number) = tree.inode(self.directory).entries.get(&self.name) {
            self.world.note_touched(tree, &self.path, *number);
        }
    }

    pub fn after_putting_back(
        &self,
        node: &Node,
        error: FsError,
        back: Result<(), FsError>,
    ) -> FsError {
        match back {
            Ok(()) => {
                self.restore_flags(node, &error);
                error
            }
            Err(why) => FsError::Failed(format!(
                "{error}, and what stood at {} could not be put back ({why}); it is beside it, named {}",
                self.path.address(),
                String::from_utf8_lossy(&self.temporary)
            )),
        }
    }

    /// Judges what now stands under the temporary name, with the flags that were cleared to move it.
    pub fn judge_aside(&self, node: &Node, verify: Verify<'_>) -> Result<(), FsError> {
        let mut aside = self.look(&self.temporary, &self.path);
        if let Look::Present(found, _) = &mut aside
            && found.inode == node.inode
        {
            found.immutable = node.immutable;
            found.append_only = node.append_only;
        }
        verify(&self.aside(), &aside)
    }

    /// Whether the directory still is where it was found; otherwise the change would be somewhere else.
    pub fn still_there(&self) -> Result<(), FsError> {
        match self.world.tree().find_directory(&self.parent) {
            Ok(directory) if directory == self.directory => Ok(()),
            _ => Err(self.moved()),
        }
    }

    /// Clears the flags that would keep what stands there from being moved.
    pub fn clear_flags(&self, node: &Node) -> Result<(), FsError> {
        if !node.immutable && !node.append_only {
            return Ok(());
        }
        self.effect("clear flags of", false, |tree| {
            self.flag(tree, false, false)
        })
    }

    fn set_flags(&self, wanted: &Wanted) -> Result<(), FsError> {
        if !wanted.immutable && !wanted.append_only {
            return Ok(());
        }
        self.effect("set flags of", false, |tree| {
            self.flag(tree, wanted.immutable, wanted.append_only)
        })
    }

    /// Best effort on the way out of an error that is reported itself.
    pub fn restore_flags(&self, node: &Node, error: &FsError) {
        if (node.immutable || node.append_only) && !matches!(error, FsError::Failed(_)) {
            let _ = self.effect("restore flags of", true, |tree| {
                self.flag(tree, node.immutable, node.append_only)
            });
        }
    }

    fn flag(&self, tree: &mut Tree, immutable: bool, append_only: bool) -> Result<(), FsError> {
        let found = tree.inode(self.directory).entries.get(&self.name).copied();
        let number = found.ok_or_else(|| FsError::Stale("it vanished meanwhile".into()))?;
        let inode = tree.inode_mut(number);
        inode.immutable = immutable;
        inode.append_only = append_only;
        Ok(())
    }

    /// Deletes what was taken aside and judged.
    pub fn discard_aside(&self, node: &Node) -> Result<(), FsError> {
        let mut name = &self.temporary;
        if node.node_type == NodeType::Directory {
            // As on a disk: a tree that is being deleted bears another name than one that may have to go back.
            self.effect("mark", true, |tree| {
                tree.rename(self.directory, name, &self.old);
                Ok(())
            })?;
            name = &self.old;
        }
        self.discard(name)
    }

    /// Deletes an entry of ours, if it is there, never entering another file system.
    pub fn discard(&self, name: &[u8]) -> Result<(), FsError> {
        let entry = |tree: &Tree| {
            let there = tree.has(self.directory);
            there.then(|| tree.inode(self.directory).entries.get(name).copied())?
        };
        if entry(&self.world.tree()).is_none() {
            return Ok(());
        }
        self.effect("discard", true, |tree| {
            if entry(tree).is_some_and(|number| tree.holds_mount(number)) {
                return Err(FsError::Failed(format!(
                    "failed to remove all of {}: something is mounted in it",
                    self.path.address()
                )));
            }
            tree.remove(self.directory, name);
            Ok(())
        })
    }
}

fn build(
    tree: &mut Tree,
    directory: u64,
    name: &[u8],
    wanted: &Wanted,
    content: Option<std::sync::Arc<[u8]>>,
) {
    let mut inode = Inode::new(wanted.node_type, wanted.mode);
    dress(&mut inode, wanted);
    inode.device = wanted.device;
    inode.target.clone_from(&wanted.target);
    if let Some(content) = content {
        inode.fill(content);
    }
    let number = tree.add(directory, name, inode);
    for (name, child) in wanted.children.iter().flatten() {
        let bytes = match &child.content {
            Some(Content::Bytes(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        build(tree, number, name, child, bytes);
        let made = tree.inode(number).entries[name];
        let made = tree.inode_mut(made);
        made.immutable = child.immutable;
        made.append_only = child.append_only;
    }
}
