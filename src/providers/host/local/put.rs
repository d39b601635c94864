//! Puts something in its place: made aside, exchanged for what stands there, judged after the exchange, taken back where
//! that was not what was expected.
//!
//! **Invariant:** at every moment the place holds either all of the old or all of the new.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, OFlags, RenameFlags, Statx, StatxAttributes, fsync, linkat, renameat, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::look::{look, same_inode, status};
use super::make::{self, Spot, flags_refused, make, set_flags};
use super::remove::remove_any;
use super::{LocalFs, errors, open};
use crate::providers::host::fs::{
    Content, FsError, HostPath, Look, Node, NodeType, Prepare, Verify, Want, Wanted,
};

/// A place in an open directory, and the temporary names beside it.
pub(super) struct Site<'a> {
    root: &'a OwnedFd,
    parent_path: HostPath,
    pub(super) parent: OwnedFd,
    parent_status: Statx,
    pub(super) name: Vec<u8>,
    pub(super) shown: HostPath,
    /// Being written.
    pub(super) fresh: Vec<u8>,
    /// Complete, or just displaced.
    pub(super) temporary: Vec<u8>,
    /// Judged, and being deleted.
    pub(super) old: Vec<u8>,
    exchange: bool,
}

/// Puts what is wanted at a path, see [`super::Fs::put`].
///
/// # Errors
/// `Stale` and `Refused` leave everything as it was.
pub fn put(
    local: &LocalFs,
    path: &HostPath,
    wanted: &Wanted,
    nonce: &str,
    verify: Verify<'_>,
    prepare: Prepare<'_>,
) -> Result<Vec<String>, FsError> {
    if path.0.is_empty() {
        return put_root(local, wanted, verify);
    }
    let site = Site::open(local, path, nonce)?;
    let now = site.look(&site.name);
    if let Look::Present(node, _) = &now
        && stays_directory(node, wanted)
    {
        verify(path, &now)?;
        let dir = open::open_dir(site.parent.as_fd(), std::slice::from_ref(&site.name))
            .map_err(|errno| errors::refused(errno, "open", path))?;
        redress(&dir, node, wanted, path)?;
        return Ok(Vec::new());
    }
    site.refuse_leftovers()?;
    let notes = site.prepare(local, wanted, prepare).and_then(|()| {
        let now = site.look(&site.name);
        verify(path, &now)?;
        match &now {
            Look::Absent => site.place(wanted),
            Look::Present(node, _) => site.swap(node, wanted, verify),
            Look::Unseen(reason) => Err(FsError::Refused(reason.text.clone())),
        }
    });
    if matches!(notes, Err(FsError::Stale(_) | FsError::Refused(_))) {
        for name in [&site.fresh, &site.temporary] {
            remove_any(site.parent.as_fd(), name)
                .map_err(|errno| errors::failed(errno, "clean up beside", path))?;
        }
    }
    notes
}

fn stays_directory(node: &Node, wanted: &Wanted) -> bool {
    node.node_type == NodeType::Directory
        && wanted.node_type == NodeType::Directory
        && wanted.children.is_none()
}

fn put_root(local: &LocalFs, wanted: &Wanted, verify: Verify<'_>) -> Result<Vec<String>, FsError> {
    let path = HostPath::default();
    let root = &local.root;
    let now = look(root, &path, &path, Want::Digest);
    verify(&path, &now)?;
    let Look::Present(node, _) = &now else {
        return Err(FsError::Refused("the root could not be looked at".into()));
    };
    if !stays_directory(node, wanted) {
        return Err(FsError::Refused("the root stays a directory".into()));
    }
    let dir =
        open::open_dir(root.as_fd(), &[]).map_err(|errno| errors::refused(errno, "open", &path))?;
    redress(&dir, node, wanted, &path)?;
    Ok(Vec::new())
}

/// Changes owner, mode and attributes of a directory where it stands, and back where not all of it can be done.
fn redress(dir: &OwnedFd, node: &Node, wanted: &Wanted, path: &HostPath) -> Result<(), FsError> {
    let now = status(dir).map_err(|errno| errors::refused(errno, "read", path))?;
    if now.stx_ino != node.inode {
        return Err(FsError::Stale("another directory stands there now".into()));
    }
    let attempt = |wanted: &Wanted| {
        make::set_flags_of(dir.as_fd(), false, false)
            .map_err(|errno| flags_refused(errno, path))?;
        make::dress(dir.as_fd(), wanted, path)?;
        make::set_flags_of(dir.as_fd(), wanted.immutable, wanted.append_only)
            .map_err(|errno| flags_refused(errno, path))
    };
    if let Err(error) = attempt(wanted) {
        return Err(match attempt(&make::as_it_is(node)) {
            Ok(()) => error,
            Err(_) => FsError::Failed(format!("{} was changed in part: {error}", path.address())),
        });
    }
    fsync(dir).map_err(|errno| errors::failed(errno, "finish changing", path))
}

impl<'a> Site<'a> {
    /// Opens the directory that holds a path.
    pub(super) fn open(local: &'a LocalFs, path: &HostPath, nonce: &str) -> Result<Self, FsError> {
        Self::resolve(local, path, nonce)?.map_err(|errno| errors::refused(errno, "open", path))
    }

    /// As [`Site::open`], or none where there is no such directory.
    pub(super) fn open_if_there(
        local: &'a LocalFs,
        path: &HostPath,
        nonce: &str,
    ) -> Result<Option<Self>, FsError> {
        match Self::resolve(local, path, nonce)? {
            Ok(site) => Ok(Some(site)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errors::refused(errno, "open", path)),
        }
    }

    fn resolve(
        local: &'a LocalFs,
        path: &HostPath,
        nonce: &str,
    ) -> Result<Result<Self, Errno>, FsError> {
        let root = &local.root;
        let Some((parent_path, name)) = path.split() else {
            return Err(FsError::Refused("the root itself is never replaced".into()));
        };
        if nonce.is_empty()
            || nonce.len() > 64
            || !nonce
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err(FsError::Refused("the step's nonce is no plain word".into()));
        }
        let opened = open::open_dir(root.as_fd(), &parent_path.0)
            .and_then(|parent| status(&parent).map(|status| (parent, status)));
        let (parent, parent_status) = match opened {
            Ok(opened) => opened,
            Err(errno) => return Ok(Err(errno)),
        };
        let flagged = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
        if parent_status.stx_attributes.intersects(flagged) {
            return Err(FsError::Refused(format!(
                "{} is immutable or append-only, so nothing in it can be replaced; manage it with a Directory resource",
                parent_path.address()
            )));
        }
        let temporary = format!(".evenkeel-{nonce}");
        Ok(Ok(Self {
            root,
            parent_path,
            parent,
            parent_status,
            name: name.to_vec(),
            shown: path.clone(),
            fresh: format!("{temporary}.new").into_bytes(),
            old: format!("{temporary}.old").into_bytes(),
            temporary: temporary.into_bytes(),
            exchange: local.exchange,
        }))
    }

    /// Looks at an entry of the directory.
    pub(super) fn look(&self, name: &[u8]) -> Look {
        look(
            &self.parent,
            &HostPath(vec![name.to_vec()]),
            &self.shown,
            Want::Digest,
        )
    }

    /// Where what was taken aside can be looked at.
    pub(super) fn aside(&self) -> HostPath {
        self.parent_path.join(&self.temporary)
    }

    pub(super) fn rename(&self, from: &[u8], to: &[u8], flags: RenameFlags) -> Result<(), Errno> {
        let result = if self.exchange {
            renameat_with(&self.parent, from, &self.parent, to, flags)
        } else {
            Err(Errno::INVAL)
        };
        match result {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if flags == RenameFlags::NOREPLACE => {
                self.rename_to_free(from, to)
            }
            other => other,
        }
    }

    /// A rename that replaces nothing, where the system has no such call.
    fn rename_to_free(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        match linkat(&self.parent, from, &self.parent, to, AtFlags::empty()) {
            Ok(()) => return unlinkat(&self.parent, from, AtFlags::empty()),
            // A directory, or a file system without links: the moment between the look and the rename stays open.
            Err(Errno::PERM | Errno::NOTSUP | Errno::MLINK) => {}
            Err(errno) => return Err(errno),
        }
        match statat(&self.parent, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => renameat(&self.parent, from, &self.parent, to),
            Err(errno) => Err(errno),
        }
    }

    /// Refuses to begin while something of an earlier attempt is there.
    pub(super) fn refuse_leftovers(&self) -> Result<(), FsError> {
        for name in [&self.fresh, &self.temporary, &self.old] {
            match statat(&self.parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                Ok(_) => {
                    return Err(FsError::Refused(format!(
                        "an interrupted run left {} beside {}; it has to be cleaned up first",
                        String::from_utf8_lossy(name),
                        self.shown.address()
                    )));
                }
                Err(errno) => return Err(errors::refused(errno, "look beside", &self.shown)),
            }
        }
        Ok(())
    }

    fn prepare(
        &self,
        local: &LocalFs,
        wanted: &Wanted,
        prepare: Prepare<'_>,
    ) -> Result<(), FsError> {
        let source = match wanted.content {
            Some(Content::Same(_)) => Some(
                open::open_below(
                    self.parent.as_fd(),
                    std::slice::from_ref(&self.name),
                    OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
                )
                .map_err(|errno| errors::refused(errno, "read", &self.shown))?,
            ),
            _ => None,
        };
        let spot = Spot {
            dir: self.parent.as_fd(),
            name: &self.fresh,
            shown: &self.shown,
        };
        make(spot, wanted, source.as_ref())?;
        let mut path: PathBuf = local.path.clone();
        path.extend(
            self.parent_path
                .0
                .iter()
                .map(|name| OsStr::from_bytes(name)),
        );
        prepare(&path.join(OsStr::from_bytes(&self.fresh)))?;
        self.rename(&self.fresh, &self.temporary, RenameFlags::NOREPLACE)
            .map_err(|errno| errors::refused(errno, "write", &self.shown))
    }

    /// Puts the new one where nothing stands.
    fn place(&self, wanted: &Wanted) -> Result<Vec<String>, FsError> {
        self.rename(&self.temporary, &self.name, RenameFlags::NOREPLACE)
            .map_err(|errno| match errno {
                Errno::EXIST => FsError::Stale("something stands there now".into()),
                errno => errors::refused(errno, "write", &self.shown),
            })?;
        let settled = self.still_there().and_then(|()| self.set_flags(wanted));
        if let Err(error) = settled {
            return Err(
                match self.rename(&self.name, &self.temporary, RenameFlags::NOREPLACE) {
                    Ok(()) => error,
                    Err(errno) => errors::failed(errno, "take back", &self.shown),
                },
            );
        }
        self.sync()?;
        Ok(Vec::new())
    }

    /// Exchanges the new one for the one that stands there.
    fn swap(
        &self,
        node: &Node,
        wanted: &Wanted,
        verify: Verify<'_>,
    ) -> Result<Vec<String>, FsError> {
        self.clear_flags(node)?;
        match self.rename(&self.temporary, &self.name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                return self.replace_plainly(node, wanted);
            }
            Err(errno) => {
                self.restore_flags(&self.name, node);
                return Err(match errno {
                    Errno::NOENT => FsError::Stale("it vanished meanwhile".into()),
                    Errno::BUSY => FsError::Refused(format!(
                        "{} is a mount point, and mounts are left alone; nothing was changed",
                        self.shown.address()
                    )),
                    errno => errors::refused(errno, "replace", &self.shown),
                });
            }
        }
        let settled = self
            .judge_aside(node, verify)
            .and_then(|()| self.still_there())
            .and_then(|()| self.set_flags(wanted));
        if let Err(error) = settled {
            return Err(self.swap_back(node, error));
        }
        self.sync()?;
        self.discard_aside(node)?;
        self.sync()?;
        Ok(Vec::new())
    }

    fn swap_back(&self, node: &Node, error: FsError) -> FsError {
        match self.rename(&self.temporary, &self.name, RenameFlags::EXCHANGE) {
            Ok(()) => {
                self.restore_flags(&self.name, node);
                error
            }
            Err(errno) => FsError::Failed(format!(
                "{error}, and what stood at {} could not be put back ({}); it is beside it, named {}",
                self.shown.address(),
                errors::words(errno),
                String::from_utf8_lossy(&self.temporary)
            )),
        }
    }

    /// The way for file systems that cannot exchange: what is displaced in the very last moment is not judged.
    fn replace_plainly(&self, node: &Node, wanted: &Wanted) -> Result<Vec<String>, FsError> {
        let failed = |errno| errors::failed(errno, "replace", &self.shown);
        let is_dir = node.node_type == NodeType::Directory;
        if is_dir || wanted.node_type == NodeType::Directory {
            self.rename(&self.name, &self.old, RenameFlags::NOREPLACE)
                .map_err(failed)?;
            self.rename(&self.temporary, &self.name, RenameFlags::NOREPLACE)
                .map_err(failed)?;
            remove_any(self.parent.as_fd(), &self.old).map_err(failed)?;
        } else {
            renameat(&self.parent, &self.temporary, &self.parent, &self.name).map_err(failed)?;
        }
        self.still_there()
            .and_then(|()| self.set_flags(wanted))
            .map_err(|error| FsError::Failed(error.to_string()))?;
        self.sync()?;
        Ok(vec![format!(
            "the file system of {} cannot exchange files, so the moment of the replacement was not watched",
            self.shown.address()
        )])
    }

    /// Judges what now stands under the temporary name, with the flags that were cleared to move it.
    pub(super) fn judge_aside(&self, node: &Node, verify: Verify<'_>) -> Result<(), FsError> {
        let mut aside = self.look(&self.temporary);
        if let Look::Present(found, _) = &mut aside
            && found.inode == node.inode
        {
            found.immutable = node.immutable;
            found.append_only = node.append_only;
        }
        verify(&self.aside(), &aside)
    }

    /// Whether the directory still is where it was found; otherwise the change would be somewhere else.
    pub(super) fn still_there(&self) -> Result<(), FsError> {
        let again = open::open_below(
            self.root.as_fd(),
            &self.parent_path.0,
            OFlags::PATH | OFlags::DIRECTORY,
        )
        .and_then(status);
        match again {
            Ok(again) if same_inode(&again, &self.parent_status) => Ok(()),
            _ => Err(FsError::Stale(format!(
                "the directory {} was moved or replaced meanwhile",
                self.parent_path.address()
            ))),
        }
    }

    pub(super) fn clear_flags(&self, node: &Node) -> Result<(), FsError> {
        if !node.immutable && !node.append_only {
            return Ok(());
        }
        set_flags(self.parent.as_fd(), &self.name, false, false)
            .map_err(|errno| flags_refused(errno, &self.shown))
    }

    pub(super) fn restore_flags(&self, name: &[u8], node: &Node) {
        if node.immutable || node.append_only {
            // Best effort on the way out of an error that is reported itself.
            let _ = set_flags(self.parent.as_fd(), name, node.immutable, node.append_only);
        }
    }

    fn set_flags(&self, wanted: &Wanted) -> Result<(), FsError> {
        if !wanted.immutable && !wanted.append_only {
            return Ok(());
        }
        set_flags(
            self.parent.as_fd(),
            &self.name,
            wanted.immutable,
            wanted.append_only,
        )
        .map_err(|errno| flags_refused(errno, &self.shown))
    }

    fn sync(&self) -> Result<(), FsError> {
        fsync(&self.parent).map_err(|errno| errors::failed(errno, "finish writing", &self.shown))
    }
}
