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
