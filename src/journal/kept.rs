//! Kept content: one file a digest below `kept/`, for undo and as evidence.
//!
//! **Invariant:** a file has its name only when it is complete and on the disk, and is checked each time that it is read.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{NotJournalled, damaged, io as failed};
use super::folder::{self, Folder, Privacy};
use crate::model::Digest;
use crate::ports::StoreError;

const DIRECTORY: &str = "kept";

/// No kept content is larger: the bound on what is captured lies far below.
const MAX_BYTES: u64 = 1 << 30;

fn path_of(folder: &Folder, digest: &Digest) -> (PathBuf, PathBuf) {
    let name = digest.to_string();
    let dir = folder.path(DIRECTORY).join(&name[..2]);
    let file = dir.join(name);
    (dir, file)
}

/// Keeps bytes and returns when they are on the disk. Keeping the same bytes again is free of effect.
pub(super) fn keep(folder: &Folder, bytes: &[u8]) -> Result<Digest, StoreError> {
    let digest = Digest::of(bytes);
    let (dir, path) = path_of(folder, &digest);
    let write = || -> io::Result<()> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::other(format!("more than {MAX_BYTES} bytes")));
        }
        folder::make_private_dir(&folder.path(DIRECTORY))?;
        folder::make_private_dir(&dir)?;
        match folder::read_file(&path, MAX_BYTES, Privacy::Any) {
            Ok(Some(there)) if there.as_slice() == bytes => {
                // Whoever wrote it may have been killed before its name was on the disk.
                folder::sync_parent(&path)?;
                folder::sync_parent(&dir)
            }
            Ok(None) => folder::write_over(&path, bytes, &folder.temporary()?),
            Ok(Some(_)) | Err(_) => {
                tracing::warn!(%digest, "kept content had been altered and is written anew");
                folder::write_over(&path, bytes, &folder.temporary()?)
            }
        }
    };
    write().map_err(|error| failed("keep content in", &path, NotJournalled(error.into())))?;
    Ok(digest)
}

/// The kept bytes, none when they are not kept.
pub(super) fn kept(folder: &Folder, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
    let (_, path) = path_of(folder, digest);
    let read = folder::read_file(&path, MAX_BYTES, Privacy::Any)
        .map_err(|error| failed("read content kept in", &path, error))?;
    match read {
        None => Ok(None),
        Some(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes.as_slice().into())),
        Some(_) => Err(damaged(&path, "its content is not what was kept")),
    }
}

/// Every digest that has a file, in order.
///
/// # Errors
/// A directory cannot be listed, or holds what is no kept content.
pub(super) fn all(folder: &Folder) -> Result<Vec<Digest>, StoreError> {
    let top = folder.path(DIRECTORY);
    let mut digests = Vec::new();
    for dir in list(&top)? {
        for file in list(&dir)? {
            let digest = file
                .file_name()
                .and_then(|name| name.to_str()?.parse::<Digest>().ok())
                .filter(|digest| path_of(folder, digest).1 == file)
                .ok_or_else(|| damaged(&file, "evenkeel did not put it there"))?;
            digests.push(digest);
        }
    }
    digests.sort_unstable();
    Ok(digests)
}

fn list(dir: &std::path::Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", dir, error)),
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(|error| failed("list", dir, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let top = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(&top.path().join("s")).unwrap();
        (top, folder)
    }

    // Goal: bytes come back, are private, and are kept once however often.
    #[test]
    fn keeps_once() {
        let (_top, folder) = folder();
        let digest = keep(&folder, b"shadow").unwrap();
        let path = path_of(&folder, &digest).1;
        let before = std::fs::metadata(&path).unwrap();
        assert_eq!(before.mode() & 0o777, 0o600);
        assert_eq!(keep(&folder, b"shadow").unwrap(), digest);
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before.ino());
        assert_eq!(kept(&folder, &digest).unwrap().unwrap()[..], b"shadow"[..]);
        assert_eq!(kept(&folder, &Digest::of(b"other")).unwrap(), None);
        assert_eq!(all(&folder).unwrap(), [digest]);
        assert_eq!(
            std::fs::read_dir(folder.temporary().unwrap())
                .unwrap()
                .count(),
            0
        );
    }

    // Goal: altered content is never given out for undo, and keeping the right bytes again mends it.
    #[test]
    fn altered_content_is_refused_and_mended() {
        let (_top, folder) = folder();
        let digest = keep(&folder, b"good").unwrap();
        let path = path_of(&folder, &digest).1;
        std::fs::write(&path, b"evil").unwrap();
        assert!(matches!(
            kept(&folder, &digest),
            Err(StoreError::Damaged { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        assert!(kept(&folder, &digest).is_err());
        keep(&folder, b"good").unwrap();
        assert_eq!(kept(&folder, &digest).unwrap().unwrap()[..], b"good"[..]);
    }

    // Goal: a directory that cannot take the bytes gives an error that says that nothing will be done, and nothing half.
    // Method: a file stands where the directory has to be.
    #[test]
    fn no_room_is_an_error() {
        let (_top, folder) = folder();
        std::fs::write(folder.path(DIRECTORY), b"").unwrap();
        let error = keep(&folder, b"x").unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "no journal, no action");
    }
}
