//! The file system of a host as the host provider needs it: a port of its own, so that the kinds run unchanged on a
//! local root, on a simulated one and, later, in a worker at the other end of a connection.
//!
//! **Invariant:** no implementation follows a symbolic link, leaves its root, or opens what is no regular file or directory.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::model::{Blob, Digest, Reason};

/// A path below the root: raw names without `/`, `.`, `..` or NUL. Empty for the root itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct HostPath(pub Vec<Vec<u8>>);

/// What sort of thing stands at a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeType {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// All that one look at a path tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub node_type: NodeType,
    /// The low twelve bits: permissions, setuid, setgid, sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Number of hard links.
    pub links: u64,
    /// Bytes, for a regular file.
    pub size: u64,
    /// Major and minor number, for devices.
    pub device: Option<(u32, u32)>,
    /// The text of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// The content of a regular file, when it was asked for.
    pub content: Option<Blob>,
    /// `security.capability` in the words of `setcap` (`cap_net_raw=ep`), or its raw bytes in hex where it has no such form.
    pub capabilities: Option<String>,
    /// `system.posix_acl_access` and `_default` as raw bytes.
    pub acl: Option<Vec<u8>>,
    pub default_acl: Option<Vec<u8>>,
    /// Other security labels and user attributes by name (`security.selinux`, `user.*`), kept when a file is replaced;
    /// in the order of names.
    pub xattrs: Vec<(String, Vec<u8>)>,
    pub immutable: bool,
    pub append_only: bool,
    /// The mount it lies on; a change while descending means a mount point.
    pub file_system: u64,
    pub inode: u64,
}

/// How much of a regular file to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Metadata only.
    Nothing,
    /// Read every byte and give the digest.
    Digest,
    /// As `Digest`, and give in place of the bytes the 16 of their MD5 digest, the only one that dpkg knows.
    Md5,
    /// As `Digest`, and keep the bytes when the digest is not `unless` and they are at most `max_bytes`.
    Bytes {
        unless: Option<Digest>,
        max_bytes: u64,
    },
}

/// The answer to one look.
#[derive(Clone, Debug)]
pub enum Look {
    Present(Box<Node>, Option<Arc<[u8]>>),
    Absent,
    Unseen(Reason),
}

/// What a regular file has to hold.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    Bytes(Arc<[u8]>),
    /// What the file that stands there holds, which has to be this; for content that is too large to pass along.
    Same(Blob),
}

/// What has to be at a path.
#[derive(Clone, PartialEq, Debug)]
pub struct Wanted {
    pub node_type: NodeType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// For a regular file, where none means empty.
    pub content: Option<Content>,
    pub target: Option<Vec<u8>>,
    pub device: Option<(u32, u32)>,
    pub capabilities: Option<String>,
    pub acl: Option<Vec<u8>>,
    pub default_acl: Option<Vec<u8>>,
    pub xattrs: Vec<(String, Vec<u8>)>,
    pub immutable: bool,
    pub append_only: bool,
    /// For a directory, all that it holds. None leaves alone what is in a directory that stands there, and makes an
    /// empty one where there is none.
    pub children: Option<Vec<(Vec<u8>, Wanted)>>,
}

/// Why a change did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FsError {
    /// `verify` said that what is there is not what was expected. Nothing was changed.
    #[error("{0}")]
    Stale(String),
    /// Refused, and nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Failed on the way.
    #[error("{0}")]
    Failed(String),
}

/// A directory entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    pub name: Vec<u8>,
    /// None where only a look can tell.
    pub node_type: Option<NodeType>,
}

/// What an interrupted change left beside its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leftover {
    /// What the change expected to find: it is kept elsewhere and may go.
    Expected,
    /// What the change was to put there.
    Made,
    /// Something that nobody has seen before, displaced in the last moment: it has to go back.
    Foreign,
}

/// Judges the node that is about to be replaced or removed, or has just been taken out of its place; an error stops
/// the change and brings it back. The path is where that node stands while it is judged.
pub type Verify<'a> = &'a dyn Fn(&HostPath, &Look) -> Result<(), FsError>;

/// Says what a leftover at this path is.
pub type Judge<'a> = &'a dyn Fn(&HostPath, &Look) -> Leftover;

/// Called with the absolute path of a new file, complete but not yet in place; an error vetoes it.
pub type Prepare<'a> = &'a dyn Fn(&Path) -> Result<(), FsError>;

/// A root with files in it.
pub trait Fs: Send + Sync {
    /// Looks at a path without following anything.
    fn look(&self, path: &HostPath, want: Want) -> Look;

    /// Looks at entries of one directory by their names, each as `look` does; `seen` gets them by their place in `names`.
    fn look_in(
        &self,
        dir: &HostPath,
        names: &[&[u8]],
        want: Want,
        seen: &mut dyn FnMut(usize, Look),
    ) {
        for (at, name) in names.iter().enumerate() {
            seen(at, self.look(&dir.join(name), want));
        }
    }

    /// How many looks at once get on faster than one after the other.
    fn lanes(&self) -> usize {
        1
    }

    /// Visits each entry of a directory once, in the order of the system, until `visit` breaks.
    ///
    /// # Errors
    /// Why it could not be listed, wholly or to its end.
    fn list(
        &self,
        path: &HostPath,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Reason>;

    /// The user and group ids that whatever is made gets where nothing else is said.
    fn creator(&self) -> (u32, u32);

    /// The running machine whose root this is; none where it is a folder like any other.
    fn machine(&self) -> Option<&dyn Machine> {
        None
    }

    /// Takes the lock of a file that the host's own programs take on it (`fcntl`), until what is returned is dropped;
    /// none where there is no such file or nobody to lock out.
    ///
    /// # Errors
    /// Somebody else has it.
    fn hold(&self, _path: &HostPath) -> Result<Option<Box<dyn Send>>, FsError> {
        Ok(None)
    }

    /// Puts a file, directory, link or node there, atomically, whatever stands there now.
    ///
    /// `verify` judges what stands there at the last moment that the system allows, more than once where that helps.
    /// A directory that stays a directory keeps its content; one that gives way to something else goes with all
    /// below it. Returns what is worth noting.
    fn put(
        &self,
        path: &HostPath,
        wanted: &Wanted,
        nonce: &str,
        verify: Verify<'_>,
        prepare: Prepare<'_>,
    ) -> Result<Vec<String>, FsError>;

    /// Removes what stands there, a directory with all below it, never crossing into another file system.
    fn remove(&self, path: &HostPath, nonce: &str, verify: Verify<'_>) -> Result<(), FsError>;

    /// Removes what `put` or `remove` with this nonce left behind beside the path, and puts back what is foreign.
    fn tidy(&self, path: &HostPath, nonce: &str, judge: Judge<'_>) -> Result<(), FsError>;
}
