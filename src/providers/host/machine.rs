//! The running machine behind a root: what its kernel and its programs say, besides its files.
//!
//! **Invariant:** only a root that is the machine's own `/` has one. What a program says is the host's word
//! (`host-tool`); where the kernel can be asked itself, it is.

use std::time::Duration;

use super::fs::FsError;
use super::tool::Said;
use crate::model::{Reason, ReasonCode};

/// A running machine.
pub trait Machine: Send + Sync {
    /// Reads a file of `/proc` or `/sys` to its end, which has to come within so many bytes; none where there is none.
    ///
    /// # Errors
    /// Why it could not be read.
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, Reason>;

    /// Writes a file of `/proc` or `/sys`.
    ///
    /// # Errors
    /// The kernel refused.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FsError>;

    /// The names in a folder of `/proc`; none where there is no such folder.
    ///
    /// # Errors
    /// Why it could not be listed.
    fn names(&self, folder: &str) -> Result<Option<Vec<String>>, Reason>;

    /// Where a link of `/proc` leads; none where there is none.
    ///
    /// # Errors
    /// Why it could not be read.
    fn link(&self, path: &str) -> Result<Option<Vec<u8>>, Reason>;

    /// Device and inode of the file at a path, where links lead to; none where there is none.
    fn identity(&self, path: &str) -> Option<(u64, u64)>;

    /// The number of this process.
    fn own_pid(&self) -> u32;

    /// What the kernel answers to one dump request of `NETLINK_SOCK_DIAG`: its messages, one behind the other.
    ///
    /// # Errors
    /// It has no such interface here, or refused.
    fn sock_diag(&self, request: &[u8]) -> Result<Vec<u8>, Reason>;

    /// Ends a process: asks it to, and makes it where it does not. `is_same` is asked when the process can no longer become
    /// another one.
    ///
    /// # Errors
    /// It is another one, or is still there.
    fn end(&self, pid: u32, is_same: &dyn Fn() -> Result<(), String>) -> Result<(), FsError>;

    /// Runs a program of the host by its absolute path.
    ///
    /// # Errors
    /// It is not there, or took longer than `limit`. What it says of the thing itself is no error here.
    fn call(
        &self,
        program: &str,
        arguments: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Said, Reason>;
}

/// That a root has no running machine behind it.
pub fn not_running() -> Reason {
    Reason::new(
        ReasonCode::Unsupported,
        "only a target whose root is / has a running system to ask",
    )
}
