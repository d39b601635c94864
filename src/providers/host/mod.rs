//! The host provider: files below the root of a Linux machine.
//!
//! Flow: `normalise` reads manifests (`kinds`); `observe` looks through the port [`fs::Fs`]; `act` keeps the
//! state before and carries steps out. `local` is the port on this machine.
//!
//! **Invariant:** everything that is asked or done goes through [`fs::Fs`], so that a drill runs the very same code.

mod act;
mod capability;
#[cfg(feature = "controller")]
pub mod coverage;
pub(crate) mod cron;
mod dpkg;
pub(crate) mod filetree;
pub(crate) mod finish;
#[cfg(feature = "controller")]
pub mod first;
pub mod fs;
mod glob;
mod keys;
pub(crate) mod kinds;
pub(crate) mod listing;
mod local;
pub mod machine;
pub(crate) mod normalise;
mod observe;
pub(crate) mod owner;
pub(crate) mod parts;
pub mod path;
mod place;
pub(crate) mod privileged;
mod risk;
mod state;
pub mod tool;
pub(crate) mod tree;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

pub use local::{LocalFs, OpenError};

use filetree::Baselines;

use crate::document::Declared;
use crate::model::{Desired, Snapshot, Step, TargetName};
use crate::ports::{ActContext, ActError, Captured, Normalised, OwnPlace, Provider, SideFiles};

/// What makes the manifest of a tree.
#[cfg(feature = "controller")]
pub mod tree_manifest {
    pub use super::filetree::make::{Making, make};
    pub use super::glob::Globs;
}

/// Something of evenkeel's own on the controller's disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnPath {
    pub path: PathBuf,
    /// What it is: "state directory", "journal key".
    pub what: &'static str,
}

/// What a host target is told by the trusted configuration.
#[derive(Clone, Debug, Default)]
pub struct HostConfig {
    /// Globs of whole paths that no exclusive listing looks at.
    pub ignore: Vec<String>,
    /// The programs that `validate` may call, as absolute paths.
    pub validate_commands: Vec<String>,
    pub own: Vec<OwnPath>,
    /// The root on this machine. None for a simulated one, which then has no names but its own.
    pub root: Option<PathBuf>,
}

/// A host, behind whatever file system it is reached through.
pub struct Host<F> {
    target: TargetName,
    fs: F,
    config: HostConfig,
    /// What its trees are held against, as far as they were read.
    trees: Mutex<Baselines>,
}

impl<F: fs::Fs> Host<F> {
    /// A host of this name.
    pub fn new(target: TargetName, fs: F, config: HostConfig) -> Self {
        Self {
            target,
            fs,
            config,
            trees: Mutex::default(),
        }
    }

    /// Has its trees held against these.
    pub(crate) fn hold_against(&self, trees: Baselines) {
        *self.trees.lock().unwrap_or_else(PoisonError::into_inner) = trees;
    }

    fn trees(&self) -> Baselines {
        let trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.clone()
    }

    /// The file system behind it.
    pub fn fs(&self) -> &F {
        &self.fs
    }

    /// The name of the target.
    pub fn target(&self) -> &TargetName {
        &self.target
    }
}

#[async_trait]
impl<F: fs::Fs> Provider for Host<F> {
    async fn normalise(
        &self,
        declared: &[Declared],
        files: &dyn SideFiles,
        connect: bool,
    ) -> Normalised {
        self.make_comparable(declared, files, connect)
    }

    async fn observe(&self, desired: &[Desired]) -> Snapshot {
        self.look_at_all(desired)
    }

    async fn capture(&self, step: &Step, max_bytes: u64) -> Result<Captured, ActError> {
        self.keep_before(step, max_bytes)
    }

    async fn apply(&self, step: &Step, context: &ActContext<'_>) -> Result<Vec<String>, ActError> {
        self.carry_out(step, context)
    }

    async fn tidy(&self, step: &Step, nonce: &str) -> Result<(), ActError> {
        self.clean_up(step, nonce)
    }

    /// Those of the configured paths that lie in the root, by their real paths where they have one.
    fn own_places(&self) -> Vec<OwnPlace> {
        let Some(root) = self.config.root.as_deref().map(real) else {
            return Vec::new();
        };
        self.config
            .own
            .iter()
            .filter_map(|own| {
                let path = real(&own.path);
                let inside = path.strip_prefix(&root).ok()?;
                let names = inside
                    .iter()
                    .map(|name| name.as_encoded_bytes().to_vec())
                    .collect();
                Some(OwnPlace {
                    address: fs::HostPath(names).address(),
                    what: own.what,
                })
            })
            .collect()
    }

    fn beyond_undo(&self) -> &'static [&'static str] {
        beyond_undo()
    }
}

/// What no undo brings back on any host.
pub(crate) fn beyond_undo() -> &'static [&'static str] {
    &[
        "times (ctime, mtime, atime, birth)",
        "inode number",
        "hard links",
        "sparseness and other file system flags",
    ]
}

/// A path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(path), _, _) => path,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}
