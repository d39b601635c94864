//! A root folder on this machine.
//!
//! Flow: every path is resolved anew from a handle of the root ([`open`]); [`look`] and [`list`] read; [`put`] and
//! [`remove`] change by renames inside one directory, judged after the fact and taken back where they hit the wrong thing.
//!
//! **Invariant:** nothing is followed and nothing outside the root is touched, whatever is swapped at whatever moment.

mod errors;
mod hold;
mod list;
mod look;
mod machine;
mod make;
mod open;
mod put;
mod remove;
mod tidy;
mod xattr;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::fs::{Entry, Fs, FsError, HostPath, Judge, Look, Prepare, Verify, Want, Wanted};
use super::machine::Machine;
use crate::model::Reason;

/// More threads than these gain nothing over the disk, and take from whoever the machine is for.
const MAX_LANES: usize = 16;

/// A root folder on this machine.
#[derive(Debug)]
pub struct LocalFs {
    path: PathBuf,
    root: OwnedFd,
    /// Whether renames that exchange or refuse to replace are used; some file systems lack them.
    exchange: bool,
}

/// The root folder cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

impl LocalFs {
    /// Opens a root folder. Links in its own path are followed, since that path is configuration.
    ///
    /// # Errors
    /// There is no such folder, or it may not be entered.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| OpenError(errors::words(errno)))?;
        Ok(Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            root,
            exchange: true,
        })
    }

    /// The device and inode of the root, which name its lock.
    ///
    /// # Errors
    /// The system's word for why they could not be had.
    pub fn identity(&self) -> Result<(u64, u64), OpenError> {
        let stat =
            rustix::fs::fstat(&self.root).map_err(|errno| OpenError(errors::words(errno)))?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

impl Fs for LocalFs {
    fn look(&self, path: &HostPath, want: Want) -> Look {
        look::look(&self.root, path, path, want)
    }

    fn look_in(
        &self,
        dir: &HostPath,
        names: &[&[u8]],
        want: Want,
        seen: &mut dyn FnMut(usize, Look),
    ) {
        look::look_in(&self.root, dir, names, want, seen);
    }

    fn lanes(&self) -> usize {
        std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_LANES))
    }

    fn list(
        &self,
        path: &HostPath,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Reason> {
        list::list(&self.root, path, visit)
    }

    fn creator(&self) -> (u32, u32) {
        (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        )
    }

    fn machine(&self) -> Option<&dyn Machine> {
        let is_top = self.path == Path::new("/");
        is_top.then_some(&machine::ThisMachine as &dyn Machine)
    }

    fn hold(&self, path: &HostPath) -> Result<Option<Box<dyn Send>>, FsError> {
        hold::hold(&self.root, path)
    }

    fn put(
        &self,
        path: &HostPath,
        wanted: &Wanted,
        nonce: &str,
        verify: Verify<'_>,
        prepare: Prepare<'_>,
    ) -> Result<Vec<String>, FsError> {
        put::put(self, path, wanted, nonce, verify, prepare)
    }

    fn remove(&self, path: &HostPath, nonce: &str, verify: Verify<'_>) -> Result<(), FsError> {
        remove::remove(self, path, nonce, verify)
    }

    fn tidy(&self, path: &HostPath, nonce: &str, judge: Judge<'_>) -> Result<(), FsError> {
        tidy::tidy(self, path, nonce, judge)
    }
}
