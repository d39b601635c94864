//! From a path to a handle, without following anything.
//!
//! **Invariant:** a handle is of what lies at exactly these names below the given directory, or there is none.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, statat};
use rustix::io::Errno;

use crate::providers::host::fs::HostPath;

/// The longest part of a path that is given to the system at once.
const CHUNK_BYTES: usize = 2048;

fn resolve() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

/// Opens what lies at these names below a directory. `flags` are completed with `NOFOLLOW` and `CLOEXEC`.
///
/// # Errors
/// `LOOP` where a symbolic link stands in the way; `NOTDIR` where something else does.
pub fn open_below(dir: BorrowedFd<'_>, names: &[Vec<u8>], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut held: Option<OwnedFd> = None;
    let mut rest = names;
    loop {
        let at = held.as_ref().map_or(dir, AsFd::as_fd);
        let mut taken = 0;
        let mut bytes = 0;
        while taken < rest.len() && (taken == 0 || bytes + rest[taken].len() < CHUNK_BYTES) {
            bytes += rest[taken].len() + 1;
            taken += 1;
        }
        let (chunk, tail) = rest.split_at(taken);
        let last = tail.is_empty();
        let wanted = if last {
            flags
        } else {
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
        };
        let path = HostPath(chunk.to_vec()).relative();
        let opened = match openat2(at, path.as_slice(), wanted, Mode::empty(), resolve()) {
            // Kernels before 5.6, and sandboxes that do not know the call.
            Err(Errno::NOSYS) => open_stepwise(at, chunk, wanted),
            Err(Errno::NOTDIR) if is_link(at, &path) => Err(Errno::LOOP),
            other => other,
        }?;
        if last {
            return Ok(opened);
        }
        held = Some(opened);
        rest = tail;
    }
}

/// Whether the last part of a path is a symbolic link, which the system calls no directory where one is asked for.
fn is_link(at: BorrowedFd<'_>, path: &[u8]) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(at, path, flags, Mode::empty(), resolve())
        .and_then(fstat)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn open_stepwise(dir: BorrowedFd<'_>, names: &[Vec<u8>], flags: OFlags) -> Result<OwnedFd, Errno> {
    let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some((last, before)) = names.split_last() else {
        return openat(dir, ".", flags, Mode::empty());
    };
    let mut held: Option<OwnedFd> = None;
    for name in before {
        let at = held.as_ref().map_or(dir, AsFd::as_fd);
        held = Some(open_one(at, name, through)?);
    }
    open_one(held.as_ref().map_or(dir, AsFd::as_fd), last, flags)
}

fn open_one(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(dir, name, flags, Mode::empty()).map_err(|errno| {
        let is_link = errno == Errno::NOTDIR
            && statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if is_link { Errno::LOOP } else { errno }
    })
}

/// Opens a directory for listing and syncing.
///
/// # Errors
/// As [`open_below`].
pub fn open_dir(dir: BorrowedFd<'_>, names: &[Vec<u8>]) -> Result<OwnedFd, Errno> {
    open_below(dir, names, OFlags::RDONLY | OFlags::DIRECTORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<Vec<u8>> {
        path.split('/')
            .map(|name| name.as_bytes().to_vec())
            .collect()
    }

    // Goal: the way for kernels without openat2 gives the same answers as openat2, links in every place included.
    #[test]
    fn both_ways_agree() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("a/b")).unwrap();
        std::fs::write(temp.path().join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("a", temp.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", temp.path().join("a/out")).unwrap();
        let root = std::fs::File::open(temp.path()).unwrap();
        for (path, flags) in [
            ("a/b/file", OFlags::PATH),
            ("a/b/file", OFlags::RDONLY | OFlags::DIRECTORY),
            ("a/b/file/x", OFlags::PATH),
            ("link", OFlags::PATH),
            ("link", OFlags::RDONLY),
            ("link", OFlags::RDONLY | OFlags::DIRECTORY),
            ("link/b/file", OFlags::PATH),
            ("a/out/passwd", OFlags::PATH),
            ("a/none", OFlags::PATH),
            ("none/b", OFlags::PATH),
        ] {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let new = open_below(root.as_fd(), &names(path), flags).map(drop);
            let old = open_stepwise(root.as_fd(), &names(path), flags).map(drop);
            assert_eq!(new, old, "{path}");
        }
    }

    // Goal: a path longer than the system takes at once is still reached, so that depth is no hiding place.
    #[test]
    fn long_paths_are_reached() {
        let temp = tempfile::tempdir().unwrap();
        let name = vec![b'n'; 200];
        let mut dir: OwnedFd = std::fs::File::open(temp.path()).unwrap().into();
        let root = std::fs::File::open(temp.path()).unwrap();
        let depth = 40;
        for _ in 0..depth {
            rustix::fs::mkdirat(&dir, name.as_slice(), Mode::RWXU).unwrap();
            dir = open_dir(dir.as_fd(), std::slice::from_ref(&name)).unwrap();
        }
        let names = vec![name; depth];
        assert!(open_below(root.as_fd(), &names, OFlags::PATH).is_ok());
    }
}
