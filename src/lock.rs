//! Mutual exclusion of runs on one machine: `flock` on files in a folder that only evenkeel's user can enter.
//!
//! The file is named by the device and inode of the directory that is held, so that two checkouts, two paths and two bind
//! mounts of one root meet. `flock` ends with the process, so what a killed run left behind is no obstacle.
//!
//! **Invariant:** no other local user can hold evenkeel up, and a lock file is never removed, since that would let two runs
//! hold one root.

mod folder;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use folder::Surroundings;

/// How long to wait between two tries, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// No note of a holder is longer.
const MAX_NOTE: u64 = 4096;

/// One directory, or several, held against every other run until this is dropped.
#[derive(Debug)]
pub struct RootLock {
    files: Vec<File>,
}

/// Who holds a lock, as the holder wrote it down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// When it got the lock.
    pub since: Timestamp,
    /// What it holds, in the holder's words.
    pub what: String,
}

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it and did not let go in time. The holder is not known while it has not yet written its note.
    #[error("{path} is held by {}", holder_text(.holder.as_ref()))]
    Held {
        path: String,
        holder: Option<Holder>,
    },
    /// The folder for locks could be entered or was prepared by somebody else.
    #[error("the folder for locks {path} is not safe to use: {why}")]
    Unsafe { path: String, why: String },
    /// There is no place for locks.
    #[error(
        "there is no private folder for locks: neither XDG_RUNTIME_DIR nor HOME names a directory of uid {uid}"
    )]
    NoFolder { uid: u32 },
    #[error("failed to {action} {path}")]
    Io {
        action: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
}

/// How to wait: for how long, whom to tell once that it is held, and how to let time pass.
struct Patience<'a> {
    wait: Duration,
    waiting: &'a dyn Fn(&str),
    pause: &'a dyn Fn(Duration),
}

impl RootLock {
    /// Holds the directory at `path`, for `who` says what. While another run holds it, waits for at most `wait`, after
    /// calling `waiting` once with who it is.
    ///
    /// # Errors
    /// It is still held, or the folder for locks is not safe to use.
    pub fn acquire(
        path: &Path,
        who: &str,
        wait: Duration,
        waiting: &dyn Fn(&str),
    ) -> Result<Self, LockError> {
        Self::acquire_all(&[path.to_path_buf()], who, wait, waiting)
    }

    /// Holds several directories at once: each once, however many paths lead to it, and in one order for all runs, so that
    /// two runs never wait for each other in a circle.
    ///
    /// # Errors
    /// As [`RootLock::acquire`]; none is held then.
    pub fn acquire_all(
        paths: &[PathBuf],
        who: &str,
        wait: Duration,
        waiting: &dyn Fn(&str),
    ) -> Result<Self, LockError> {
        let folders = Surroundings::of_process().folders()?;
        let patience = Patience {
            wait,
            waiting,
            pause: &std::thread::sleep,
        };
        Self::acquire_in(&folders, paths, who, &patience)
    }

    fn acquire_in(
        folders: &[PathBuf],
        paths: &[PathBuf],
        who: &str,
        patience: &Patience<'_>,
    ) -> Result<Self, LockError> {
        let mut places = Vec::new();
        for path in paths {
            let meta = std::fs::metadata(path).map_err(|error| failed("look at", path, error))?;
            places.push(((meta.dev(), meta.ino()), path));
        }
        places.sort();
        places.dedup_by_key(|(inode, _)| *inode);
        let mut left = patience.wait;
        let mut files = Vec::new();
        for ((device, inode), path) in places {
            let name = format!("{device:x}-{inode}.lock");
            for folder in folders {
                files.push(hold(&folder.join(&name), path, who, patience, &mut left)?);
            }
        }
        Ok(Self { files })
    }
}

impl Drop for RootLock {
    fn drop(&mut self) {
        for file in &self.files {
            // The note is for people; that it could not be taken back is no harm, since the lock itself is.
            let _ = file.set_len(0);
        }
    }
}

/// Waits for one lock file, spending what is `left` of the time.
fn hold(
    file: &Path,
    held: &Path,
    who: &str,
    patience: &Patience<'_>,
    left: &mut Duration,
) -> Result<File, LockError> {
    let mut pause = FIRST_PAUSE;
    let mut is_told = false;
    loop {
        if let Some(got) = try_hold(file).map_err(|error| failed("lock", file, error))? {
            note(&got, who).map_err(|error| failed("write", file, error))?;
            return Ok(got);
        }
        let holder = read_note(file);
        if left.is_zero() {
            let path = held.display().to_string();
            return Err(LockError::Held { path, holder });
        }
        if !is_told {
            (patience.waiting)(&holder_text(holder.as_ref()));
            is_told = true;
        }
        let now = pause.min(*left);
        (patience.pause)(now);
        *left -= now;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tries once; none when another run holds it.
fn try_hold(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    Ok(is_current(&file, path)?.then_some(file))
}

/// Whether the file is still the one that others find: somebody may have cleared the folder since it was opened.
fn is_current(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn note(mut file: &File, what: &str) -> io::Result<()> {
    let holder = Holder {
        pid: std::process::id(),
        since: Timestamp::now(),
        what: what.to_owned(),
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(&holder)?.as_bytes())
}

fn read_note(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .and_then(|file| file.take(MAX_NOTE).read_to_string(&mut text))
        .ok()?;
    serde_json::from_str(&text).ok()
}

fn holder_text(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, since, what }) => format!(
            "process {pid} since {} ({what})",
            since.strftime("%Y-%m-%d %H:%M:%SZ")
        ),
        None => "another run".to_owned(),
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LockError {
    LockError::Io {
        action,
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
