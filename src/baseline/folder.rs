//! A baseline as it lies in a folder.
//!
//! **Invariant:** every component is opened without following links, and nothing but regular files and directories is
//! opened at all, so that neither a link nor a FIFO beside the manifests can lead or hold anybody anywhere.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use super::BaselineError;
use super::source::{Entry, EntryKind, Listing, MAX_DEPTH, Place, is_left_out, too_large};

/// An open folder.
pub(super) struct Folder {
    root: OwnedFd,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens a folder and lists everything below it.
///
/// # Errors
/// It cannot be opened or listed, or holds too much.
pub(super) fn open(dir: &Path) -> Result<(Folder, Listing), BaselineError> {
    let failed = |source: std::io::Error| BaselineError::Io {
        action: "open the baseline's directory",
        path: dir.to_owned(),
        source,
    };
    // The directory itself is named by the person who runs this; a link is followed here and only here.
    let real = dir.canonicalize().map_err(failed)?;
    let root = openat(rustix::fs::CWD, &real, DIRECTORY, Mode::empty())
        .map_err(|errno| failed(errno.into()))?;
    let mut listing = Listing::default();
    walk(root.as_fd(), "", 1, &mut listing).map_err(|(path, error)| match error {
        Stop::Errno(errno) => BaselineError::Io {
            action: "list",
            path: real.join(path),
            source: errno.into(),
        },
        Stop::Error(error) => error,
    })?;
    Ok((Folder { root }, listing))
}

enum Stop {
    Errno(Errno),
    Error(BaselineError),
}

fn walk(
    directory: BorrowedFd<'_>,
    path: &str,
    depth: usize,
    listing: &mut Listing,
) -> Result<(), (PathBuf, Stop)> {
    let errno = |errno| (PathBuf::from(path), Stop::Errno(errno));
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(errno)? {
        let name = entry.map_err(errno)?.file_name().to_owned();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        listing
            .count()
            .map_err(|error| (PathBuf::from(path), Stop::Error(error)))?;
        if !is_left_out(path, name.to_bytes()) {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        let Some(below) = listing.path_of(path, name.to_bytes()) else {
            continue;
        };
        let stat = match statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // An editor's temporary file that is gone by now.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err((below.into(), Stop::Errno(error))),
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if depth >= MAX_DEPTH => {
                listing.refuse(&below, format!("lies deeper than {MAX_DEPTH} directories"));
                continue;
            }
            FileType::Directory => {
                let opened = openat(directory, &name, DIRECTORY, Mode::empty())
                    .map_err(|error| (PathBuf::from(&below), Stop::Errno(error)))?;
                walk(opened.as_fd(), &below, depth + 1, listing)?;
                continue;
            }
            FileType::RegularFile => EntryKind::File,
            FileType::Symlink => EntryKind::Symlink,
            _ => EntryKind::Special,
        };
        let place = Place::Disk;
        listing.entries.insert(below, Entry { kind, place });
    }
    Ok(())
}

impl Folder {
    /// Reads a file that was listed, whatever has become of it since.
    ///
    /// # Errors
    /// A fragment for a person.
    pub(super) fn read(&self, path: &str, max_bytes: usize) -> Result<Arc<[u8]>, String> {
        let file = self.open_file(path).map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR => {
                "is or lies below a symbolic link, and none is followed".to_owned()
            }
            errno => format!("cannot be read: {}", std::io::Error::from(errno)),
        })?;
        let stat = fstat(&file).map_err(|errno| format!("cannot be read: {errno}"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err("is no regular file".into());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if size > max_bytes as u64 {
            return Err(too_large(size, max_bytes));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        File::from(file)
            .take(max_bytes as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.len() > max_bytes {
            return Err(too_large(bytes.len() as u64, max_bytes));
        }
        Ok(bytes.into())
    }

    fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        // NONBLOCK: opening a FIFO returns at once, and what it is shows before anything is read.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let (parents, name) = match path.rsplit_once('/') {
            Some((parents, name)) => (Some(parents), name),
            None => (None, path),
        };
        let mut directory: Option<OwnedFd> = None;
        for part in parents.into_iter().flat_map(|parents| parents.split('/')) {
            let at = directory.as_ref().unwrap_or(&self.root);
            directory = Some(openat(at, part, DIRECTORY, Mode::empty())?);
        }
        openat(
            directory.as_ref().unwrap_or(&self.root),
            name,
            flags,
            Mode::empty(),
        )
    }
}
