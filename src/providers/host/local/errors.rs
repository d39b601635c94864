//! Sentences for what the system refuses.
//!
//! **Invariant:** a sentence says what and where, and never holds live content.

use rustix::io::Errno;

use crate::model::{Reason, ReasonCode};
use crate::providers::host::fs::{FsError, HostPath};

/// A few words for an error number, in lower case and without its number.
pub fn words(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "there is no such file or directory".into(),
        Errno::ACCESS | Errno::PERM => "permission denied".into(),
        Errno::NOTDIR => "it is not a directory".into(),
        Errno::LOOP => "a symbolic link stands in the way".into(),
        Errno::NOSPC => "no space left on the file system".into(),
        Errno::DQUOT => "the disk quota is used up".into(),
        Errno::ROFS => "the file system is read-only".into(),
        other => {
            let text = std::io::Error::from(other).to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            text.to_lowercase()
        }
    }
}

/// Why a path could not be seen.
pub fn unseen(errno: Errno, path: &HostPath) -> Reason {
    let address = path.address();
    match errno {
        Errno::ACCESS | Errno::PERM => Reason::new(
            ReasonCode::PermissionDenied,
            format!("permission denied to read {address}"),
        ),
        Errno::LOOP => Reason::new(
            ReasonCode::Redirected,
            format!(
                "a symbolic link stands in the way of {address}; name the real path in the baseline if it belongs there"
            ),
        ),
        Errno::NAMETOOLONG | Errno::FBIG | Errno::OVERFLOW => Reason::new(
            ReasonCode::TooLarge,
            format!("{address} is too large to look at"),
        ),
        other => Reason::new(
            ReasonCode::Io,
            format!("failed to read {address}: {}", words(other)),
        ),
    }
}

/// Why a change did not begin, or was taken back. Nothing was changed.
pub fn refused(errno: Errno, action: &str, path: &HostPath) -> FsError {
    let address = path.address();
    FsError::Refused(match errno {
        Errno::NOSPC => {
            format!("no space left on the file system of {address}; nothing was changed")
        }
        Errno::DQUOT => {
            format!(
                "the disk quota on the file system of {address} is used up; nothing was changed"
            )
        }
        Errno::ROFS => format!("the file system of {address} is read-only; nothing was changed"),
        Errno::ACCESS | Errno::PERM => {
            format!("permission denied to {action} {address}; nothing was changed")
        }
        Errno::LOOP => {
            format!("a symbolic link stands in the way of {address}; nothing was changed")
        }
        Errno::NOENT | Errno::NOTDIR => format!(
            "the directory that {address} should be in does not exist; manage it with a Directory resource"
        ),
        other => format!(
            "failed to {action} {address}: {}; nothing was changed",
            words(other)
        ),
    })
}

/// Something went wrong after the change had begun.
pub fn failed(errno: Errno, action: &str, path: &HostPath) -> FsError {
    FsError::Failed(format!(
        "failed to {action} {}: {}",
        path.address(),
        words(errno)
    ))
}
