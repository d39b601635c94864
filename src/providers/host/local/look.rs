//! One look at one place.
//!
//! Flow: a handle of the place that opens nothing → what stands there → for a regular file a second handle for reading,
//! checked to be of the same inode → every byte, hashed while it streams → checked to have stood still meanwhile.
//!
//! **Invariant:** nothing but a regular file is read; what moved while it was read is never reported as seen.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use md5::{Digest as _, Md5};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Statx, StatxAttributes, StatxFlags, openat, readlinkat, statx,
};
use rustix::io::Errno;

use super::xattr::{self, Attributes, Handle};
use super::{errors, list, open};
use crate::model::{Blob, Digest, Reason, ReasonCode};
use crate::providers::host::fs::{HostPath, Look, Node, NodeType, Want};

const ATTEMPTS: usize = 3;
const BUFFER_BYTES: usize = 128 << 10;
/// A larger file is told apart by its inode, size and time and not by its content, which could never be kept for undo:
/// a sparse file of exabytes must not hold up a run.
pub const MAX_HASHED_BYTES: u64 = 1 << 30;

thread_local! {
    /// What files are read through, made once a thread.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

enum Attempt {
    Done(Look),
    Moved,
}

/// Looks at `path` below `dir`; `shown` is its path from the root, for messages.
pub fn look(dir: impl AsFd, path: &HostPath, shown: &HostPath, want: Want) -> Look {
    for _ in 0..ATTEMPTS {
        match attempt(&dir, path, shown, want) {
            Ok(Attempt::Done(look)) => return look,
            Ok(Attempt::Moved) => {}
            Err(Errno::NOENT | Errno::NOTDIR) => return Look::Absent,
            Err(errno) => return Look::Unseen(errors::unseen(errno, shown)),
        }
    }
    Look::Unseen(Reason::new(
        ReasonCode::Unstable,
        format!("{} kept changing while it was read", shown.address()),
    ))
}

/// Looks at entries of one directory, which is found once.
pub fn look_in(
    root: impl AsFd,
    dir: &HostPath,
    names: &[&[u8]],
    want: Want,
    seen: &mut dyn FnMut(usize, Look),
) {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let opened = open::open_below(root.as_fd(), &dir.0, flags);
    for (at, name) in names.iter().enumerate() {
        let quick = match &opened {
            Ok(dir) => regular_file(dir, name, want).ok().flatten(),
            Err(_) => None,
        };
        let answer = quick.unwrap_or_else(|| {
            let shown = dir.join(name);
            match &opened {
                Ok(dir) => look(dir, &HostPath(vec![name.to_vec()]), &shown, want),
                Err(_) => look(root.as_fd(), &shown, &shown, want),
            }
        });
        seen(at, answer);
    }
}

/// A look at a regular file by its name in an open directory, with as few calls as tell as much as [`look`]: that the name
/// led to the inode that was read, and that it stood still, shows afterwards. None where it is anything else, or moved.
fn regular_file(dir: &OwnedFd, name: &[u8], want: Want) -> Result<Option<Look>, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let before = statx(
        dir,
        name,
        flags,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )?;
    let is_file = FileType::from_raw_mode(before.stx_mode.into()) == FileType::RegularFile;
    if !is_file || want == Want::Nothing {
        return Ok(None);
    }
    // One name leads nowhere else when it is not followed.
    let flags = OFlags::RDONLY
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::NOATIME
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC;
    let file = openat(dir, name, flags, Mode::empty())?;
    let attributes = xattr::read(Handle::Open(file.as_fd()))?;
    let (content, bytes) = read(&file, &before, want)?;
    if !unmoved(&before, &status(&file)?) {
        return Ok(None);
    }
    let mut node = node_from(NodeType::File, &before);
    node.content = Some(content);
    node.carry(attributes);
    Ok(Some(Look::Present(Box::new(node), bytes)))
}

/// What the system says of an inode, without its path.
pub(super) fn status(fd: impl AsFd) -> Result<Statx, Errno> {
    statx(
        fd,
        "",
        AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )
}

/// Whether two looks were at the same inode.
pub(super) fn same_inode(a: &Statx, b: &Statx) -> bool {
    (a.stx_dev_major, a.stx_dev_minor, a.stx_ino) == (b.stx_dev_major, b.stx_dev_minor, b.stx_ino)
}

fn unmoved(a: &Statx, b: &Statx) -> bool {
    let times = |s: &Statx| {
        (
            s.stx_size,
            s.stx_mtime.tv_sec,
            s.stx_mtime.tv_nsec,
            s.stx_ctime.tv_sec,
            s.stx_ctime.tv_nsec,
        )
    };
    same_inode(a, b) && times(a) == times(b)
}

fn attempt(
    dir: impl AsFd,
    path: &HostPath,
    shown: &HostPath,
    want: Want,
) -> Result<Attempt, Errno> {
    let place = open::open_below(dir.as_fd(), &path.0, OFlags::PATH)?;
    let before = status(&place)?;
    let file_type = FileType::from_raw_mode(before.stx_mode.into());
    let Some(node_type) = list::node_type(file_type) else {
        return Ok(Attempt::Done(Look::Unseen(Reason::new(
            ReasonCode::Unsupported,
            format!(
                "{} is of a type that evenkeel does not know",
                shown.address()
            ),
        ))));
    };
    let mut node = node_from(node_type, &before);
    if node_type == NodeType::Symlink {
        node.target = Some(readlinkat(&place, "", Vec::new())?.into_bytes());
    }
    let mut bytes = None;
    let attributes = if node_type == NodeType::File && want != Want::Nothing {
        let file = open_for_reading(dir.as_fd(), path)?;
        if !unmoved(&before, &status(&file)?) {
            return Ok(Attempt::Moved);
        }
        let attributes = xattr::read(Handle::Open(file.as_fd()))?;
        let (content, kept) = read(&file, &before, want)?;
        if !unmoved(&before, &status(&file)?) {
            return Ok(Attempt::Moved);
        }
        node.content = Some(content);
        bytes = kept;
        attributes
    } else {
        attributes_of(&place, dir, path, node_type)?
    };
    node.carry(attributes);
    Ok(Attempt::Done(Look::Present(Box::new(node), bytes)))
}

impl Node {
    fn carry(&mut self, attributes: Attributes) {
        self.capabilities = attributes.capabilities;
        self.acl = attributes.acl;
        self.default_acl = attributes.default_acl;
        self.xattrs = attributes.others;
    }
}

fn node_from(node_type: NodeType, status: &Statx) -> Node {
    let device = matches!(node_type, NodeType::CharDevice | NodeType::BlockDevice)
        .then_some((status.stx_rdev_major, status.stx_rdev_minor));
    let mount = StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::MNT_ID);
    Node {
        node_type,
        mode: u32::from(status.stx_mode) & 0o7777,
        uid: status.stx_uid,
        gid: status.stx_gid,
        links: status.stx_nlink.into(),
        size: if node_type == NodeType::File {
            status.stx_size
        } else {
            0
        },
        device,
        target: None,
        content: None,
        capabilities: None,
        acl: None,
        default_acl: None,
        xattrs: Vec::new(),
        immutable: status.stx_attributes.contains(StatxAttributes::IMMUTABLE),
        append_only: status.stx_attributes.contains(StatxAttributes::APPEND),
        file_system: if mount {
            status.stx_mnt_id
        } else {
            u64::from(status.stx_dev_major) << 32 | u64::from(status.stx_dev_minor)
        },
        inode: status.stx_ino,
    }
}

/// Opens a regular file for reading, never waiting for anything, and without leaving a trace where that is allowed.
fn open_for_reading(dir: impl AsFd, path: &HostPath) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    match open::open_below(dir.as_fd(), &path.0, flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open::open_below(dir.as_fd(), &path.0, flags),
        other => other,
    }
}

/// What a file holds, and its bytes where they are wanted.
type Read = (Blob, Option<Arc<[u8]>>);

/// Reads to the end, hashing; keeps the bytes where they are wanted.
fn read(file: &OwnedFd, status: &Statx, want: Want) -> Result<Read, Errno> {
    if status.stx_size > MAX_HASHED_BYTES {
        return Ok((identity(status), None));
    }
    let (unless, max_bytes) = match want {
        Want::Bytes { unless, max_bytes } => (unless, max_bytes),
        _ => (None, 0),
    };
    let mut kept = (matches!(want, Want::Bytes { .. }) && status.stx_size <= max_bytes)
        .then(|| Vec::with_capacity(usize::try_from(status.stx_size).unwrap_or(0)));
    let mut buffer = BUFFER.take();
    buffer.resize(BUFFER_BYTES, 0);
    let mut hasher = blake3::Hasher::new();
    let mut md5 = (want == Want::Md5).then(Md5::new);
    let mut size = 0_u64;
    loop {
        let length = match rustix::io::read(file, &mut buffer[..]) {
            Ok(0) => break,
            Ok(length) => length,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        hasher.update(&buffer[..length]);
        if let Some(md5) = &mut md5 {
            md5.update(&buffer[..length]);
        }
        size += length as u64;
        if size > MAX_HASHED_BYTES {
            return Err(Errno::FBIG);
        }
        if size > max_bytes {
            kept = None;
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&buffer[..length]);
        }
    }
    BUFFER.set(buffer);
    let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
    let kept = match md5 {
        Some(md5) => Some(Arc::from(md5.finalize().as_slice())),
        None => kept.filter(|_| unless != Some(digest)).map(Arc::from),
    };
    Ok((Blob { digest, size }, kept))
}

/// What stands for the content of a file that is too large to be hashed.
fn identity(status: &Statx) -> Blob {
    let parts = (
        status.stx_size,
        (status.stx_dev_major, status.stx_dev_minor, status.stx_ino),
        (status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec),
    );
    Blob {
        digest: Digest::of_json("evenkeel content by identity v1", &parts),
        size: status.stx_size,
    }
}

/// The attributes of what is not read.
fn attributes_of(
    place: &OwnedFd,
    dir: impl AsFd,
    path: &HostPath,
    node_type: NodeType,
) -> Result<Attributes, Errno> {
    match xattr::read(Handle::Place(place.as_fd())) {
        // No /proc here.
        Err(Errno::NOENT | Errno::NOTDIR) => match node_type {
            NodeType::File => xattr::read(Handle::Open(open_for_reading(dir, path)?.as_fd())),
            NodeType::Directory => {
                xattr::read(Handle::Open(open::open_dir(dir.as_fd(), &path.0)?.as_fd()))
            }
            _ => Ok(Attributes::default()),
        },
        other => other,
    }
}
