//! Inodes and names: what a file system holds, without any rule of who may do what.
//!
//! Flow: a path → [`Tree::find`] from the top, through directories only → an inode's number → its [`Inode`].
//!
//! **Invariant:** every name leads to an inode that exists, every inode but the top has a name, and no link is followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Blob;
use crate::providers::host::fs::{HostPath, Node, NodeType};

/// The number of the top directory.
pub(super) const TOP: u64 = 1;
/// The file system that the top lies on; a mount point has another one.
const TOP_FILE_SYSTEM: u64 = 1;

/// What stands at one or more names.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Inode {
    pub node_type: NodeType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub device: Option<(u32, u32)>,
    pub target: Option<Vec<u8>>,
    pub content: Option<(Blob, Arc<[u8]>)>,
    pub capabilities: Option<String>,
    pub acl: Option<Vec<u8>>,
    pub default_acl: Option<Vec<u8>>,
    pub xattrs: Vec<(String, Vec<u8>)>,
    pub immutable: bool,
    pub append_only: bool,
    pub file_system: u64,
    /// The system refuses to let its content be read.
    pub unreadable: bool,
    /// Of a directory, by name.
    pub entries: BTreeMap<Vec<u8>, u64>,
    /// How many names lead here.
    names: u64,
}

/// A file system.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    file_systems: u64,
    /// Bytes of all regular files.
    bytes: u64,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// Nothing, or no directory, stands on the way or at the end.
    Absent,
    /// A symbolic link stands in the way.
    Link,
    /// A directory on the way may not be entered.
    Closed,
}

impl Inode {
    /// A plain inode of a type, owned by root.
    pub fn new(node_type: NodeType, mode: u32) -> Self {
        Self {
            node_type,
            mode: match node_type {
                NodeType::Symlink => 0o777,
                _ => mode,
            },
            uid: 0,
            gid: 0,
            device: None,
            target: None,
            content: (node_type == NodeType::File).then(|| content_of(Arc::from([]))),
            capabilities: None,
            acl: None,
            default_acl: None,
            xattrs: Vec::new(),
            immutable: false,
            append_only: false,
            file_system: 0,
            unreadable: false,
            entries: BTreeMap::new(),
            names: 0,
        }
    }

    /// Gives a regular file that is in no tree yet other bytes.
    pub fn fill(&mut self, bytes: Arc<[u8]>) {
        self.content = Some(content_of(bytes));
    }

    fn size(&self) -> u64 {
        self.content.as_ref().map_or(0, |(blob, _)| blob.size)
    }

    /// Whether a flag keeps it from being moved, and its entries from being changed.
    pub fn is_flagged(&self) -> bool {
        self.immutable || self.append_only
    }

    /// What a look tells; `read` says whether the content was asked for.
    pub fn node(&self, number: u64, read: bool, subdirectories: u64) -> Node {
        let blob = self.content.as_ref().map(|(blob, _)| *blob);
        Node {
            node_type: self.node_type,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            links: match self.node_type {
                NodeType::Directory => 2 + subdirectories,
                _ => self.names,
            },
            size: blob.map_or(0, |blob| blob.size),
            device: self.device,
            target: self.target.clone(),
            content: blob.filter(|_| read),
            capabilities: self.capabilities.clone(),
            acl: self.acl.clone(),
            default_acl: self.default_acl.clone(),
            xattrs: self.xattrs.clone(),
            immutable: self.immutable,
            append_only: self.append_only,
            file_system: self.file_system,
            inode: number,
        }
    }
}

fn content_of(bytes: Arc<[u8]>) -> (Blob, Arc<[u8]>) {
    (Blob::of(&bytes), bytes)
}

impl Default for Tree {
    fn default() -> Self {
        let mut top = Inode::new(NodeType::Directory, 0o755);
        top.file_system = TOP_FILE_SYSTEM;
        top.names = 1;
        Self {
            inodes: BTreeMap::from([(TOP, top)]),
            next: TOP + 1,
            file_systems: TOP_FILE_SYSTEM,
            bytes: 0,
        }
    }
}

impl Tree {
    /// The inode at a path.
    pub fn find(&self, path: &HostPath) -> Result<u64, Obstacle> {
        let Some((parent, name)) = path.split() else {
            return Ok(TOP);
        };
        let parent = self.find_directory(&parent)?;
        let entries = &self.inodes[&parent].entries;
        entries.get(name).copied().ok_or(Obstacle::Absent)
    }

    /// The directory at a path, one that may be entered.
    pub fn find_directory(&self, path: &HostPath) -> Result<u64, Obstacle> {
        let mut at = TOP;
        for name in &path.0 {
            let next = self.inodes[&at].entries.get(name).copied();
            at = next.ok_or(Obstacle::Absent)?;
            let inode = &self.inodes[&at];
            match inode.node_type {
                NodeType::Directory if inode.unreadable => return Err(Obstacle::Closed),
                NodeType::Directory => {}
                NodeType::Symlink => return Err(Obstacle::Link),
                _ => return Err(Obstacle::Absent),
            }
        }
        Ok(at)
    }

    /// Whether an inode is still there.
    pub fn has(&self, number: u64) -> bool {
        self.inodes.contains_key(&number)
    }

    /// An inode by its number.
    pub fn inode(&self, number: u64) -> &Inode {
        &self.inodes[&number]
    }

    /// An inode by its number, to be changed.
    pub fn inode_mut(&mut self, number: u64) -> &mut Inode {
        self.inodes
            .get_mut(&number)
            .expect("every name leads to an inode")
    }

    /// What a look at an inode tells.
    pub fn node(&self, number: u64, read: bool) -> Node {
        let inode = &self.inodes[&number];
        let below = inode.entries.values();
        let directories = below.filter(|number| self.is_directory(**number)).count();
        inode.node(number, read, directories as u64)
    }

    fn is_directory(&self, number: u64) -> bool {
        self.inodes[&number].node_type == NodeType::Directory
    }

    /// Whether something else is mounted at this name of a directory.
    pub fn is_mount(&self, directory: u64, number: u64) -> bool {
        self.inodes[&number].file_system != self.inodes[&directory].file_system
    }

    /// Adds an inode under a name that is free, and gives its number.
    pub fn add(&mut self, directory: u64, name: &[u8], mut inode: Inode) -> u64 {
        let number = self.next;
        self.next += 1;
        inode.file_system = self.inodes[&directory].file_system;
        inode.names = 0;
        self.bytes += inode.size();
        self.inodes.insert(number, inode);
        self.link(directory, name, number);
        number
    }

    /// Gives an inode one more name, which is free.
    pub fn link(&mut self, directory: u64, name: &[u8], number: u64) {
        self.inode_mut(number).names += 1;
        let before = self
            .inode_mut(directory)
            .entries
            .insert(name.to_vec(), number);
        debug_assert!(before.is_none(), "the name was free");
    }

    /// Takes a name away without touching what it led to; it gets another name at once.
    fn unlink(&mut self, directory: u64, name: &[u8]) -> Option<u64> {
        let number = self.inode_mut(directory).entries.remove(name)?;
        self.inode_mut(number).names -= 1;
        Some(number)
    }

    /// Moves a name within a directory to one that is free.
    pub fn rename(&mut self, directory: u64, from: &[u8], to: &[u8]) {
        if let Some(number) = self.unlink(directory, from) {
            self.link(directory, to, number);
        }
    }

    /// Lets two names of a directory change places.
    pub fn exchange(&mut self, directory: u64, one: &[u8], other: &[u8]) {
        let (Some(a), Some(b)) = (self.unlink(directory, one), self.unlink(directory, other))
        else {
            return;
        };
        self.link(directory, one, b);
        self.link(directory, other, a);
    }

    /// Removes a name and, where it was the last one, what it led to with all below it.
    pub fn remove(&mut self, directory: u64, name: &[u8]) {
        let Some(number) = self.unlink(directory, name) else {
            return;
        };
        let mut gone = vec![number];
        while let Some(number) = gone.pop() {
            // One that had several names among those that went is gone already.
            if self.inodes.get(&number).is_none_or(|inode| inode.names > 0) {
                continue;
            }
            let Some(inode) = self.inodes.remove(&number) else {
                continue;
            };
            self.bytes -= inode.size();
            for below in inode.entries.values() {
                self.inode_mut(*below).names -= 1;
                gone.push(*below);
            }
        }
    }

    /// Gives a regular file other bytes.
    pub fn refill(&mut self, number: u64, bytes: Arc<[u8]>) {
        self.bytes -= self.inodes[&number].size();
        self.bytes += bytes.len() as u64;
        self.inode_mut(number).fill(bytes);
    }

    /// Bytes of all regular files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many levels lie below an inode.
    pub fn height(&self, number: u64) -> usize {
        let mut height = 0;
        let mut level = vec![number];
        loop {
            let entries = level
                .iter()
                .flat_map(|one| self.inodes[one].entries.values());
            level = entries.copied().collect();
            if level.is_empty() {
                return height;
            }
            height += 1;
        }
    }

    /// How many inodes there are.
    pub fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Makes a directory a mount point: all below it lies on a file system of its own.
    pub fn mount(&mut self, number: u64) {
        self.file_systems += 1;
        let mut within = vec![number];
        while let Some(number) = within.pop() {
            let file_system = self.file_systems;
            let inode = self.inode_mut(number);
            inode.file_system = file_system;
            within.extend(inode.entries.values());
        }
    }

    /// Whether a mount point lies somewhere below a directory.
    pub fn holds_mount(&self, number: u64) -> bool {
        let inode = &self.inodes[&number];
        inode
            .entries
            .values()
            .any(|below| self.is_mount(number, *below) || self.holds_mount(*below))
    }

    /// Every path with its inode's number, the top first, each directory before what lies in it.
    pub fn walk(&self, from: &HostPath, number: u64, visit: &mut dyn FnMut(&HostPath, u64)) {
        visit(from, number);
        for (name, below) in &self.inodes[&number].entries {
            self.walk(&from.join(name), *below, visit);
        }
    }
}
