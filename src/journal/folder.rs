//! The state directory: who may own it, and how files in it are read and written.
//!
//! **Invariant:** no symbolic link is followed, nothing that blocks is opened, and a file is whole or not there.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use secrecy::zeroize::Zeroizing;

use super::error::{damaged, io};
use crate::ports::StoreError;

/// Names inside the state directory.
pub(super) const DATABASE: &str = "state.db";
pub(super) const KEY: &str = "journal.key";
pub(super) const PUBLIC_KEY: &str = "journal.pub";
pub(super) const DISCLOSURE_KEY: &str = "disclosure.key";
const TEMPORARY: &str = "tmp";
const LOCK: &str = "lock";

/// How the name of a file begins that is still being written.
const HALF_WRITTEN: &str = ".evenkeel-";

/// Who may be able to read and write a file for it to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Owned by us or by root, and nobody else can read or write it.
    OwnerOnly,
    /// Its content proves itself.
    Any,
}

/// A state directory that was found to be ours.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the directory where there is none, and judges it where there is.
    pub(super) fn prepare(dir: &Path) -> Result<Self, StoreError> {
        let path = resolve(dir).map_err(|error| io("make", dir, error))?;
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => sync_parent(&path).map_err(|error| io("make", &path, error))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io("make", &path, error)),
        }
        let folder = Self(path);
        folder.judge()?;
        let ignore = folder.path(".gitignore");
        if !exists(&ignore) {
            write_new(&ignore, b"*\n")
                .or_else(unless_exists)
                .map_err(|error| io("make", &ignore, error))?;
        }
        Ok(folder)
    }

    /// Judges the directory for reading, none when it does not exist.
    pub(super) fn existing(dir: &Path) -> Result<Option<Self>, StoreError> {
        if !exists(dir) {
            return Ok(None);
        }
        let folder = Self(resolve(dir).map_err(|error| io("read", dir, error))?);
        folder.judge()?;
        Ok(Some(folder))
    }

    /// Takes the directory for an audit, whoever owns it; none when it does not exist.
    pub(super) fn of_anyone(dir: &Path) -> Result<Option<Self>, StoreError> {
        if !exists(dir) {
            return Ok(None);
        }
        let path = resolve(dir).map_err(|error| io("read", dir, error))?;
        open_dir(&path).map_err(|error| io("read", &path, error))?;
        Ok(Some(Self(path)))
    }

    fn judge(&self) -> Result<(), StoreError> {
        let meta = open_dir(&self.0)
            .and_then(|dir| dir.metadata())
            .map_err(|error| io("use", &self.0, link_or(error)))?;
        match unsafe_folder(meta.uid(), meta.mode(), geteuid().as_raw()) {
            Some(why) => Err(io("use", &self.0, why)),
            None => Ok(()),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where files are written before they get their name; on the same file system.
    pub(super) fn temporary(&self) -> io::Result<PathBuf> {
        let path = self.path(TEMPORARY);
        make_private_dir(&path)?;
        Ok(path)
    }

    /// Keeps every other process from writing here, for as long as the file stays open.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let path = self.path(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&path)
            .map_err(|error| io("lock", &path, link_or(error)))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io("lock", &path, "another run is writing to it"))?;
        Ok(file)
    }

    /// Removes what a killed run left half written. Only who holds the lock may call this.
    pub(super) fn clear_temporary(&self) -> Result<(), StoreError> {
        let temporary = self.path(TEMPORARY);
        for (dir, prefix) in [(&temporary, ""), (&self.0, HALF_WRITTEN)] {
            remove_files(dir, prefix).map_err(|error| io("tidy", dir, error))?;
        }
        Ok(())
    }

    /// Reads 32 secret bytes, and makes them first where `make` says so; none when there are none.
    pub(super) fn secret(&self, name: &str, make: bool) -> Result<Option<[u8; 32]>, StoreError> {
        use rand_core::RngCore;
        let path = self.path(name);
        let read =
            || read_file(&path, 32, Privacy::OwnerOnly).map_err(|why| io("read", &path, why));
        let mut bytes = read()?;
        if bytes.is_none() && make {
            let mut fresh = Zeroizing::new([0_u8; 32]);
            rand_core::OsRng.fill_bytes(&mut *fresh);
            write_new(&path, &*fresh)
                .or_else(unless_exists)
                .map_err(|error| io("make", &path, error))?;
            bytes = read()?;
        }
        match bytes {
            None => Ok(None),
            Some(bytes) => <[u8; 32]>::try_from(bytes.as_slice())
                .map(Some)
                .map_err(|_| damaged(&path, "it does not hold 32 bytes")),
        }
    }
}

/// The directory with its parents resolved and its own name kept, so that a link in its place is seen.
fn resolve(dir: &Path) -> io::Result<PathBuf> {
    let name = dir
        .file_name()
        .ok_or_else(|| io::Error::other("it has no name of its own"))?;
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok(parent.canonicalize()?.join(name))
}

/// Why a state directory with this owner and mode is not to be trusted.
fn unsafe_folder(uid: u32, mode: u32, euid: u32) -> Option<String> {
    if uid != euid {
        return Some(format!(
            "it belongs to uid {uid}, and evenkeel runs as uid {euid}"
        ));
    }
    (mode & 0o077 != 0).then(|| {
        format!(
            "others than its owner can enter it (mode {:04o}), so it was not made by evenkeel: \
             remove it if it came with a checkout, else chmod 700",
            mode & 0o7777
        )
    })
}

/// Why a private file with this owner and mode is not to be trusted.
fn unsafe_file(uid: u32, mode: u32, euid: u32) -> Option<String> {
    if uid != euid && uid != 0 {
        return Some(format!(
            "it belongs to uid {uid}, not to root or to uid {euid}"
        ));
    }
    (mode & 0o077 != 0).then(|| {
        format!(
            "others than its owner can read or change it (mode {:04o}); chmod 600, and think of the key as known",
            mode & 0o7777
        )
    })
}

fn link_or(error: io::Error) -> io::Error {
    let loops = rustix::io::Errno::LOOP.raw_os_error();
    let not_dir = rustix::io::Errno::NOTDIR.raw_os_error();
    match error.raw_os_error() {
        Some(code) if code == loops => io::Error::other("it is a symbolic link"),
        Some(code) if code == not_dir => io::Error::other("it is a symbolic link or no directory"),
        _ => error,
    }
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

fn unless_exists(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    }
}

/// Removes the files of a directory whose names begin so.
fn remove_files(dir: &Path, prefix: &str) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let is_dir = entry.file_type()?.is_dir();
        if !is_dir
            && entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(prefix.as_bytes())
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens a directory that is no symbolic link.
fn open_dir(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32)
        .open(path)
}

/// Opens a regular file that is no symbolic link, without blocking on what is none; none when it does not exist.
pub(super) fn open_file(path: &Path) -> io::Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(link_or(error)),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(Some(file))
}

/// Reads a whole file of at most `max` bytes, none when it does not exist.
pub(super) fn read_file(
    path: &Path,
    max: u64,
    privacy: Privacy,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = open_file(path)? else {
        return Ok(None);
    };
    let meta = file.metadata()?;
    if privacy == Privacy::OwnerOnly
        && let Some(why) = unsafe_file(meta.uid(), meta.mode(), geteuid().as_raw())
    {
        return Err(io::Error::other(why));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len().min(max) as usize + 1));
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("it is larger than {max} bytes")));
    }
    Ok(Some(bytes))
}

/// Writes a file, readable by us alone, that does not exist yet; returns when it is on the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let file = written(parent.unwrap_or(Path::new(".")), bytes)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_parent(path)
}

/// Writes a file by way of `temporary`, in place of what has its name; returns when it is on the disk.
pub(super) fn write_over(path: &Path, bytes: &[u8], temporary: &Path) -> io::Result<()> {
    let file = written(temporary, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    sync_parent(path)
}

fn written(dir: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(HALF_WRITTEN)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a directory that only we can enter; its parent must exist.
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            open_dir(path).map(|_| ()).map_err(link_or)
        }
        Err(error) => Err(error),
    }
}

/// Brings the entry of this path in its directory to the disk.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    // Goal: a new state directory is private and stays out of git, and preparing it again changes nothing.
    #[test]
    fn is_made_private() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join(".evenkeel");
        for _ in 0..2 {
            Folder::prepare(&dir).unwrap();
            assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o7777, 0o700);
            assert_eq!(std::fs::read(dir.join(".gitignore")).unwrap(), b"*\n");
            assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        }
    }

    // Goal: a directory that another user could have prepared for us is refused, for writing and for reading.
    #[test]
    fn foreign_directories_are_refused() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("real");
        Folder::prepare(&dir).unwrap();
        let link = top.path().join("link");
        symlink(&dir, &link).unwrap();
        let file = top.path().join("file");
        std::fs::write(&file, "").unwrap();
        for bad in [&link, &file] {
            assert!(Folder::prepare(bad).is_err(), "{}", bad.display());
            assert!(Folder::existing(bad).is_err(), "{}", bad.display());
        }
        for mode in [0o755, 0o770, 0o702] {
            std::fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
            assert!(Folder::prepare(&dir).is_err(), "{mode:o}");
            assert!(Folder::existing(&dir).is_err(), "{mode:o}");
        }
    }

    // Goal: the owner is judged, also when the tests run as root and cannot fail to open anything. Method: the pure part.
    #[test]
    fn owners_are_judged() {
        assert!(unsafe_folder(1000, 0o40700, 1000).is_none());
        assert!(unsafe_folder(0, 0o40700, 1000).is_some());
        assert!(unsafe_folder(1000, 0o40700, 0).is_some());
        assert!(unsafe_file(0, 0o100400, 1000).is_none());
        assert!(unsafe_file(1001, 0o100600, 1000).is_some());
        assert!(unsafe_file(1000, 0o100600, 0).is_some());
    }

    // Goal: a FIFO, a link and an oversized file in place of a key end in an error and never block.
    #[test]
    fn odd_files_are_refused() {
        let top = tempfile::tempdir().unwrap();
        let fifo = top.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let big = top.path().join("big");
        write_new(&big, &[0; 33]).unwrap();
        let link = top.path().join("link");
        symlink(&big, &link).unwrap();
        for bad in [&fifo, &big, &link] {
            assert!(
                read_file(bad, 32, Privacy::Any).is_err(),
                "{}",
                bad.display()
            );
        }
        assert!(
            read_file(&top.path().join("none"), 32, Privacy::Any)
                .unwrap()
                .is_none()
        );
    }

    // Goal: the secret is made once and stays, and is not made when only reading.
    #[test]
    fn secret_is_made_once() {
        let top = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(&top.path().join("s")).unwrap();
        assert_eq!(folder.secret("x", false).unwrap(), None);
        let made = folder.secret("x", true).unwrap();
        assert!(made.is_some_and(|bytes| bytes != [0; 32]));
        assert_eq!(folder.secret("x", true).unwrap(), made);
        std::fs::write(folder.path("x"), [1; 31]).unwrap();
        assert!(folder.secret("x", false).is_err());
    }
}
