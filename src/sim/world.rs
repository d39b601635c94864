//! A simulated Linux root in memory, behind the same port as a real one.
//!
//! Flow: `live.yaml` or a test fills a [`World`] with [`Deed`]s; `Host<World>` looks and changes through [`Fs`] by the
//! same small effects as on a disk (make aside, exchange, judge, discard), each of which [`Faults`] can let go wrong;
//! [`World::picture`] tells what there is. A `validate` command is not run: a drill never starts a program.
//!
//! **Invariant:** nothing of the real machine is read or changed, and the same calls give the same world.

mod change;
mod deeds;
mod picture;
mod site;
mod tidy;
mod tree;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use md5::{Digest as _, Md5};

pub use picture::{Difference, Picture};
use tree::{Obstacle, Tree};

use super::deed::{Deed, Dress};
use super::faults::Faults;
use crate::model::{Address, Reason, ReasonCode};
use crate::providers::host::fs::{
    Entry, Fs, FsError, HostPath, Judge, Look, NodeType, Prepare, Verify, Want, Wanted,
};

/// A simulated root. Clones are handles of the same world.
#[derive(Clone, Debug, Default)]
pub struct World(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tree: Mutex<Tree>,
    faults: Arc<Faults>,
    /// What was changed through the port, in order.
    touched: Mutex<Vec<HostPath>>,
}

impl World {
    /// An empty root, whose effects these faults may disturb.
    pub fn new(faults: Arc<Faults>) -> Self {
        Self(Arc::new(Inner {
            faults,
            ..Inner::default()
        }))
    }

    /// Does what somebody other than evenkeel does, and gives the paths that it changed.
    ///
    /// # Errors
    /// A sentence saying why it had no effect.
    pub fn apply(&self, deed: &Deed) -> Result<Vec<HostPath>, String> {
        deeds::apply(&mut self.tree(), deed)
    }

    /// Makes the directories that lead to a place, where nothing stands on the way.
    pub fn make_parents(&self, address: &Address) {
        let Some(path) = HostPath::from_address(address) else {
            return;
        };
        for depth in 1..path.0.len() {
            let parent = HostPath(path.0[..depth].to_vec());
            if self.tree().find(&parent).is_err() {
                let deed = Deed::Make {
                    path: parent,
                    node_type: NodeType::Directory,
                    target: None,
                    device: None,
                    dress: Dress::default(),
                };
                // Something else on the way is not for us to judge: whoever needs the place will say so.
                let _ = self.apply(&deed);
            }
        }
    }

    /// A path with all that lies below it, where something stands there.
    pub fn below(&self, path: &HostPath) -> Vec<HostPath> {
        let tree = self.tree();
        let mut paths = Vec::new();
        if let Ok(number) = tree.find(path) {
            tree.walk(path, number, &mut |path, _| paths.push(path.clone()));
        }
        paths
    }

    /// The temporary names of evenkeel's that there are.
    pub fn temporaries(&self) -> Vec<HostPath> {
        let tree = self.tree();
        let mut paths = Vec::new();
        tree.walk(&HostPath::default(), tree::TOP, &mut |path, _| {
            let name = path.0.last();
            if name.is_some_and(|name| name.starts_with(b".evenkeel-")) {
                paths.push(path.clone());
            }
        });
        paths
    }

    /// Whether something stands at a path.
    pub fn holds(&self, path: &HostPath) -> bool {
        self.tree().find(path).is_ok()
    }

    /// All that there is.
    pub fn picture(&self) -> Picture {
        Picture::of(&self.tree())
    }

    /// The places that evenkeel has changed since the last call, in order; one that was removed or replaced comes with
    /// all that lay below it.
    pub fn take_touched(&self) -> Vec<HostPath> {
        let mut touched = self
            .0
            .touched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut touched)
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_touched(&self, tree: &Tree, path: &HostPath, number: u64) {
        let mut touched = self
            .0
            .touched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tree.walk(path, number, &mut |path, _| touched.push(path.clone()));
    }

    fn faults(&self) -> &Faults {
        &self.0.faults
    }
}

impl Fs for World {
    fn look(&self, path: &HostPath, want: Want) -> Look {
        let tree = self.tree();
        let number = match tree.find(path) {
            Ok(number) => number,
            Err(Obstacle::Absent) => return Look::Absent,
            Err(obstacle) => return Look::Unseen(unseen(obstacle, path)),
        };
        look_at(&tree, number, path, want)
    }

    fn list(
        &self,
        path: &HostPath,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Reason> {
        let entries: Vec<Entry> = {
            let tree = self.tree();
            let number = tree
                .find_directory(path)
                .map_err(|obstacle| unseen(obstacle, path))?;
            let entries = tree.inode(number).entries.iter();
            entries
                .map(|(name, number)| Entry {
                    name: name.clone(),
                    node_type: Some(tree.inode(*number).node_type),
                })
                .collect()
        };
        for entry in entries {
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn creator(&self) -> (u32, u32) {
        (0, 0)
    }

    fn put(
        &self,
        path: &HostPath,
        wanted: &Wanted,
        nonce: &str,
        verify: Verify<'_>,
        _prepare: Prepare<'_>,
    ) -> Result<Vec<String>, FsError> {
        change::put(self, path, wanted, nonce, verify).map(|()| Vec::new())
    }

    fn remove(&self, path: &HostPath, nonce: &str, verify: Verify<'_>) -> Result<(), FsError> {
        change::remove(self, path, nonce, verify)
    }

    fn tidy(&self, path: &HostPath, nonce: &str, judge: Judge<'_>) -> Result<(), FsError> {
        tidy::tidy(self, path, nonce, judge)
    }
}

fn look_at(tree: &Tree, number: u64, path: &HostPath, want: Want) -> Look {
    let inode = tree.inode(number);
    let read = want != Want::Nothing && inode.node_type == NodeType::File;
    if read && inode.unreadable {
        return Look::Unseen(unseen(Obstacle::Closed, path));
    }
    let bytes = match (want, &inode.content) {
        (Want::Bytes { unless, max_bytes }, Some((blob, bytes)))
            if blob.size <= max_bytes && unless != Some(blob.digest) =>
        {
            Some(Arc::clone(bytes))
        }
        (Want::Md5, Some((_, bytes))) => Some(Arc::from(Md5::digest(bytes).as_slice())),
        _ => None,
    };
    Look::Present(Box::new(tree.node(number, read)), bytes)
}

fn unseen(obstacle: Obstacle, path: &HostPath) -> Reason {
    let address = path.address();
    match obstacle {
        Obstacle::Absent => Reason::new(
            ReasonCode::Io,
            format!("failed to read {address}: there is no such directory"),
        ),
        Obstacle::Link => Reason::new(
            ReasonCode::Redirected,
            format!("a symbolic link stands in the way of {address}"),
        ),
        Obstacle::Closed => Reason::new(
            ReasonCode::PermissionDenied,
            format!("permission denied to read {address}"),
        ),
    }
}
