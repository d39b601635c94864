//! Makes a complete file, directory, link or node under a name of its own, and dresses one in owner, mode and attributes.
//!
//! **Invariant:** what is made is complete and on the disk before anybody renames it into its place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, IFlags, Mode, OFlags, Uid, chownat, fchmod, fchown, fsync,
    ioctl_getflags, ioctl_setflags, mkdirat, mknodat, openat, symlinkat,
};
use rustix::io::Errno;

use super::look::status;
use super::xattr::{self, Attributes, Handle};
use super::{errors, open};
use crate::model::{Blob, Digest};
use crate::providers::host::fs::{Content, FsError, HostPath, Node, NodeType, Wanted};
use crate::providers::host::path::MAX_DEPTH;

/// Where something is made, and what messages call it.
#[derive(Clone, Copy)]
pub struct Spot<'a> {
    pub dir: BorrowedFd<'a>,
    pub name: &'a [u8],
    pub shown: &'a HostPath,
}

impl Spot<'_> {
    fn refused(&self, action: &str) -> impl Fn(Errno) -> FsError + '_ {
        let action = action.to_owned();
        move |errno| errors::refused(errno, &action, self.shown)
    }
}

/// Makes what is wanted, with everything but its immutable and append-only flags. `source` is the file whose bytes
/// [`Content::Same`] means.
///
/// # Errors
/// Nothing is in its place yet, so every error is a refusal; what was made so far is still there.
pub fn make(spot: Spot<'_>, wanted: &Wanted, source: Option<&OwnedFd>) -> Result<(), FsError> {
    make_at_depth(spot, wanted, source, 0)
}

fn make_at_depth(
    spot: Spot<'_>,
    wanted: &Wanted,
    source: Option<&OwnedFd>,
    depth: usize,
) -> Result<(), FsError> {
    if depth > MAX_DEPTH {
        return Err(FsError::Refused(format!(
            "{} is nested too deeply to be made",
            spot.shown.address()
        )));
    }
    match wanted.node_type {
        NodeType::File => make_file(spot, wanted, source),
        NodeType::Directory => make_directory(spot, wanted, depth),
        NodeType::Symlink => {
            let target = wanted.target.as_deref().unwrap_or_default();
            symlinkat(target, spot.dir, spot.name).map_err(spot.refused("make the link"))?;
            dress_place(spot, wanted)
        }
        NodeType::Fifo | NodeType::Socket | NodeType::CharDevice | NodeType::BlockDevice => {
            make_node(spot, wanted)
        }
    }
}

fn make_file(spot: Spot<'_>, wanted: &Wanted, source: Option<&OwnedFd>) -> Result<(), FsError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(spot.dir, spot.name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(spot.refused("write"))?;
    match (&wanted.content, source) {
        (None, _) => {}
        (Some(Content::Bytes(bytes)), _) => {
            write_all(&file, bytes).map_err(spot.refused("write"))?;
        }
        (Some(Content::Same(blob)), Some(source)) => copy(source, &file, *blob, spot)?,
        (Some(Content::Same(_)), None) => {
            return Err(FsError::Stale("its content is no longer there".into()));
        }
    }
    dress(file.as_fd(), wanted, spot.shown)?;
    fsync(&file).map_err(spot.refused("write"))
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn copy(source: &OwnedFd, file: &OwnedFd, blob: Blob, spot: Spot<'_>) -> Result<(), FsError> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        let length = match rustix::io::read(source, &mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errors::refused(errno, "read", spot.shown)),
        };
        size += length as u64;
        if size > blob.size {
            break;
        }
        hasher.update(&buffer[..length]);
        write_all(file, &buffer[..length]).map_err(spot.refused("write"))?;
    }
    if size != blob.size || Digest::from_bytes(*hasher.finalize().as_bytes()) != blob.digest {
        return Err(FsError::Stale("its content is another one now".into()));
    }
    Ok(())
}

fn make_directory(spot: Spot<'_>, wanted: &Wanted, depth: usize) -> Result<(), FsError> {
    mkdirat(spot.dir, spot.name, Mode::RWXU).map_err(spot.refused("make the directory"))?;
    let dir = open::open_dir(spot.dir, &[spot.name.to_vec()])
        .map_err(spot.refused("open the directory"))?;
    for (name, child) in wanted.children.iter().flatten() {
        let shown = spot.shown.join(name);
        let child_spot = Spot {
            dir: dir.as_fd(),
            name,
            shown: &shown,
        };
        make_at_depth(child_spot, child, None, depth + 1)?;
        if child.immutable || child.append_only {
            set_flags(dir.as_fd(), name, child.immutable, child.append_only)
                .map_err(|errno| flags_refused(errno, &shown))?;
        }
    }
    dress(dir.as_fd(), wanted, spot.shown)?;
    fsync(&dir).map_err(spot.refused("write"))
}

fn make_node(spot: Spot<'_>, wanted: &Wanted) -> Result<(), FsError> {
    let file_type = match wanted.node_type {
        NodeType::Fifo => FileType::Fifo,
        NodeType::Socket => FileType::Socket,
        NodeType::CharDevice => FileType::CharacterDevice,
        _ => FileType::BlockDevice,
    };
    let (major, minor) = wanted.device.unwrap_or_default();
    let device = rustix::fs::makedev(major, minor);
    mknodat(
        spot.dir,
        spot.name,
        file_type,
        Mode::RUSR | Mode::WUSR,
        device,
    )
    .map_err(spot.refused("make the node"))?;
    dress_place(spot, wanted)
}

/// Gives owner, mode and attributes to an open file or directory. The order matters: a change of owner clears the
/// setuid bit and the capabilities.
///
/// # Errors
/// Refusals; what was set before stays set.
pub fn dress(file: BorrowedFd<'_>, wanted: &Wanted, shown: &HostPath) -> Result<(), FsError> {
    let now = status(file).map_err(|errno| errors::refused(errno, "read", shown))?;
    if (now.stx_uid, now.stx_gid) != (wanted.uid, wanted.gid) {
        fchown(
            file,
            Some(Uid::from_raw(wanted.uid)),
            Some(Gid::from_raw(wanted.gid)),
        )
        .map_err(|errno| owner_refused(errno, wanted, shown))?;
    }
    fchmod(file, Mode::from_raw_mode(wanted.mode))
        .map_err(|errno| errors::refused(errno, "set the mode of", shown))?;
    set_attributes(Handle::Open(file), wanted, shown)?;
    // An access list rewrites the group bits; where both are wanted they agree, and a setgid bit may have been lost.
    let mode = u32::from(
        status(file)
            .map_err(|errno| errors::refused(errno, "read", shown))?
            .stx_mode,
    ) & 0o7777;
    if mode != wanted.mode {
        return Err(FsError::Refused(format!(
            "the system does not let {} have mode {:04o}; nothing was changed",
            shown.address(),
            wanted.mode
        )));
    }
    Ok(())
}

/// Dresses what cannot be opened: links, FIFOs, sockets, devices.
fn dress_place(spot: Spot<'_>, wanted: &Wanted) -> Result<(), FsError> {
    chownat(
        spot.dir,
        spot.name,
        Some(Uid::from_raw(wanted.uid)),
        Some(Gid::from_raw(wanted.gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .map_err(|errno| owner_refused(errno, wanted, spot.shown))?;
    let flags = OFlags::PATH;
    let place =
        open::open_below(spot.dir, &[spot.name.to_vec()], flags).map_err(spot.refused("open"))?;
    if wanted.node_type != NodeType::Symlink {
        // The handle opens nothing, and its name in /proc leads to this very inode.
        let path = Handle::proc_path(place.as_fd());
        rustix::fs::chmod(path, Mode::from_raw_mode(wanted.mode))
            .map_err(spot.refused("set the mode of"))?;
    }
    if wanted.xattrs.is_empty() && wanted.acl.is_none() {
        return Ok(());
    }
    set_attributes(Handle::Place(place.as_fd()), wanted, spot.shown)
}

fn set_attributes(handle: Handle<'_>, wanted: &Wanted, shown: &HostPath) -> Result<(), FsError> {
    let attributes = Attributes {
        capabilities: wanted.capabilities.clone(),
        acl: wanted.acl.clone(),
        default_acl: wanted.default_acl.clone(),
        others: wanted.xattrs.clone(),
    };
    xattr::write(handle, &attributes)
        .map_err(|(name, errno)| errors::refused(errno, &format!("set {name} on"), shown))
}

fn owner_refused(errno: Errno, wanted: &Wanted, shown: &HostPath) -> FsError {
    match errno {
        Errno::PERM => FsError::Refused(format!(
            "only root may give {} to user {} and group {}; nothing was changed",
            shown.address(),
            wanted.uid,
            wanted.gid
        )),
        errno => errors::refused(errno, "set the owner of", shown),
    }
}

/// Sets or clears the immutable and append-only flags of a regular file or directory; others of its flags stay.
///
/// # Errors
/// Those of the system. A file system without flags is none where nothing is to be set.
pub fn set_flags(
    dir: BorrowedFd<'_>,
    name: &[u8],
    immutable: bool,
    append_only: bool,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open::open_below(dir, &[name.to_vec()], flags)?;
    set_flags_of(file.as_fd(), immutable, append_only)
}

/// As [`set_flags`], on an open file or directory.
pub fn set_flags_of(file: BorrowedFd<'_>, immutable: bool, append_only: bool) -> Result<(), Errno> {
    let now = match ioctl_getflags(file) {
        Ok(now) => now,
        Err(Errno::NOTTY | Errno::NOTSUP | Errno::INVAL) if !immutable && !append_only => {
            return Ok(());
        }
        Err(errno) => return Err(errno),
    };
    let mut wanted = now;
    wanted.set(IFlags::IMMUTABLE, immutable);
    wanted.set(IFlags::APPEND, append_only);
    if wanted == now {
        return Ok(());
    }
    ioctl_setflags(file, wanted)
}

/// The sentence for flags that could not be set.
pub fn flags_refused(errno: Errno, shown: &HostPath) -> FsError {
    let address = shown.address();
    FsError::Refused(match errno {
        Errno::PERM | Errno::ACCESS => {
            format!("only root may change the immutable flag of {address}; nothing was changed")
        }
        Errno::NOTTY | Errno::NOTSUP | Errno::INVAL => {
            format!("the file system of {address} has no immutable flag; nothing was changed")
        }
        errno => format!(
            "failed to change the immutable flag of {address}: {}; nothing was changed",
            errors::words(errno)
        ),
    })
}

/// What would make a node be as it is now.
pub fn as_it_is(node: &Node) -> Wanted {
    Wanted {
        node_type: node.node_type,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        content: None,
        target: node.target.clone(),
        device: node.device,
        capabilities: node.capabilities.clone(),
        acl: node.acl.clone(),
        default_acl: node.default_acl.clone(),
        xattrs: node.xattrs.clone(),
        immutable: node.immutable,
        append_only: node.append_only,
        children: None,
    }
}
