//! The locks that the programs of a host take on its files.
//!
//! **Invariant:** never waits: whoever holds a lock for ever holds up one step and not the run.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, FlockOperation, OFlags, fcntl_lock, fstat};
use rustix::io::Errno;

use super::{errors, open};
use crate::providers::host::fs::{FsError, HostPath};

/// Takes the lock of a file, see [`super::Fs::hold`].
///
/// # Errors
/// Somebody has it, or it could not be asked for.
pub fn hold(root: &OwnedFd, path: &HostPath) -> Result<Option<Box<dyn Send>>, FsError> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open::open_below(root.as_fd(), &path.0, flags) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(errors::refused(errno, "lock", path)),
    };
    let is_file = fstat(&file)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    if !is_file {
        let text = format!("{} is no regular file, so it locks nothing", path.address());
        return Err(FsError::Refused(text));
    }
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Box::new(file))),
        Err(Errno::AGAIN | Errno::ACCESS) => Err(FsError::Refused(format!(
            "another program holds {}, as useradd and passwd do while they work; nothing was changed, and the next run tries again",
            path.address()
        ))),
        Err(errno) => Err(errors::refused(errno, "lock", path)),
    }
}
