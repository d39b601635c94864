//! Removes what stands at a place: aside first, judged there, and only then for good.
//!
//! **Invariant:** nothing is deleted that was not judged after it had been taken out of its place; no mount is entered.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, fsync, openat2, statat, unlinkat,
};
use rustix::io::Errno;

use super::put::Site;
use super::{LocalFs, errors, list, make};
use crate::providers::host::fs::{FsError, HostPath, Look, Node, NodeType, Verify};

/// The deepest tree that is removed; deeper ones are never judged removable.
const MAX_DEPTH: usize = 200;
/// How many names of one directory are held at once.
const BATCH: usize = 1024;

/// Removes what stands at a path.
///
/// # Errors
/// `Stale` and `Refused` leave everything as it was.
pub fn remove(
    local: &LocalFs,
    path: &HostPath,
    nonce: &str,
    verify: Verify<'_>,
) -> Result<(), FsError> {
    let Some(site) = Site::open_if_there(local, path, nonce)? else {
        return verify(path, &Look::Absent);
    };
    let now = site.look(&site.name);
    verify(path, &now)?;
    let node = match &now {
        Look::Present(node, _) => node,
        Look::Absent => return Ok(()),
        Look::Unseen(reason) => return Err(FsError::Refused(reason.text.clone())),
    };
    site.refuse_leftovers()?;
    site.clear_flags(node)?;
    if let Err(errno) = site.rename(&site.name, &site.temporary, RenameFlags::NOREPLACE) {
        site.restore_flags(&site.name, node);
        return Err(match errno {
            Errno::NOENT => FsError::Stale("it vanished meanwhile".into()),
            Errno::BUSY => FsError::Refused(format!(
                "{} is a mount point, and mounts are left alone; nothing was changed",
                path.address()
            )),
            errno => errors::refused(errno, "remove", path),
        });
    }
    let judged = site
        .judge_aside(node, verify)
        .and_then(|()| site.still_there());
    if let Err(error) = judged {
        return Err(put_back(&site, node, error));
    }
    site.discard_aside(node)?;
    fsync(&site.parent).map_err(|errno| errors::failed(errno, "finish removing", path))
}

fn put_back(site: &Site<'_>, node: &Node, error: FsError) -> FsError {
    match site.rename(&site.temporary, &site.name, RenameFlags::NOREPLACE) {
        Ok(()) => {
            site.restore_flags(&site.name, node);
            error
        }
        Err(errno) => FsError::Failed(format!(
            "{error}, and what stood at {} could not be put back ({}); it is beside it, named {}",
            site.shown.address(),
            errors::words(errno),
            String::from_utf8_lossy(&site.temporary)
        )),
    }
}

impl Site<'_> {
    /// Deletes what was taken aside and judged.
    pub(super) fn discard_aside(&self, node: &Node) -> Result<(), FsError> {
        let mut name = &self.temporary;
        if node.node_type == NodeType::Directory {
            // Marks a tree as judged: from here on a crash leaves a part of it, which no longer looks like itself.
            self.rename(name, &self.old, RenameFlags::NOREPLACE)
                .map_err(|errno| errors::failed(errno, "remove", &self.shown))?;
            name = &self.old;
        }
        remove_any(self.parent.as_fd(), name)
            .map_err(|errno| errors::failed(errno, "remove all of", &self.shown))
    }
}

/// Removes an entry of a directory, with all below it, whatever it is and whatever flags it has.
///
/// # Errors
/// Those of the system; one that is not there is no error.
pub fn remove_any(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    remove_at_depth(dir, name, 0)
}

fn remove_at_depth(dir: BorrowedFd<'_>, name: &[u8], depth: usize) -> Result<(), Errno> {
    if depth > MAX_DEPTH {
        return Err(Errno::FBIG);
    }
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(Errno::PERM | Errno::ACCESS) => {
            // A directory on some file systems, or a file with a flag.
            if make::set_flags(dir, name, false, false).is_ok() {
                match unlinkat(dir, name, AtFlags::empty()) {
                    Ok(()) => return Ok(()),
                    Err(Errno::ISDIR | Errno::PERM) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        // Some systems refuse before they look whether there is anything.
        Err(errno) => {
            return match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(()),
                _ => Err(errno),
            };
        }
    }
    let below = open_same_mount(dir, name)?;
    make::set_flags_of(below.as_fd(), false, false)?;
    empty(&below, depth)?;
    unlinkat(dir, name, AtFlags::REMOVEDIR)
}

fn open_same_mount(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match openat2(dir, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => rustix::fs::openat(dir, name, flags, Mode::empty()),
        other => other,
    }
}

fn empty(dir: &OwnedFd, depth: usize) -> Result<(), Errno> {
    loop {
        let mut names = Vec::new();
        let fresh = open_same_mount(dir.as_fd(), b".")?;
        list::entries(fresh, &mut |entry| {
            names.push(entry.name);
            if names.len() < BATCH {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove_at_depth(dir.as_fd(), &name, depth + 1)?;
        }
    }
}
