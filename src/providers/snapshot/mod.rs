//! A host as a file says it was: planned against like a live one, and never changed.
//!
//! Flow: JSON (`format`) → `tree`, a file system and a machine with what was recorded → the host provider's own code.
//!
//! **Invariant:** what the recording does not hold is "not evaluated"; nothing of the machine that reads it counts.

mod format;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use format::Recorded;
pub use format::SnapshotError;
use tree::Tree;

use crate::document::Declared;
use crate::model::{Desired, Observation, Reason, ReasonCode, Snapshot, Step, TargetName};
use crate::ports::{ActContext, ActError, Captured, Normalised, OwnPlace, Provider, SideFiles};
use crate::providers::host::finish::leave_to_removal;
use crate::providers::host::{Host, HostConfig, kinds};

/// Contents that are wanted, by SHA-256: a recording knows contents by no other digest.
type Known = BTreeMap<String, Arc<[u8]>>;

/// A recorded host.
pub struct Recording {
    target: TargetName,
    recorded: Recorded,
    ignore: Vec<String>,
    validate_commands: Vec<String>,
    known: Mutex<Known>,
}

impl Recording {
    /// Reads a recording of a target, which has the host's own name where none is given.
    ///
    /// # Errors
    /// It cannot be read, is too large, or is no recording of a host.
    pub fn read(
        path: &Path,
        target: Option<&str>,
        config: &HostConfig,
    ) -> Result<Self, SnapshotError> {
        let recorded = format::read(path)?;
        Ok(Self {
            target: TargetName(target.unwrap_or(&recorded.host).to_owned()),
            recorded,
            ignore: config.ignore.clone(),
            validate_commands: config.validate_commands.clone(),
            known: Mutex::default(),
        })
    }

    /// The target that it stands for: the one that was named, or the one of the host's own name.
    pub fn target(&self) -> &TargetName {
        &self.target
    }

    fn view(&self, tree: Tree) -> Host<Tree> {
        let config = HostConfig {
            ignore: self.ignore.clone(),
            validate_commands: self.validate_commands.clone(),
            ..HostConfig::default()
        };
        Host::new(self.target.clone(), tree, config)
    }

    fn known(&self) -> Known {
        let known = self.known.lock();
        known.map(|known| known.clone()).unwrap_or_default()
    }

    fn learn(&self, normalised: &Normalised) {
        let contents = normalised.contents.iter();
        let wanted = contents.map(|(_, bytes)| Arc::clone(bytes));
        let keys = normalised.desired.iter().filter_map(kinds::whole_file);
        if let Ok(mut known) = self.known.lock() {
            known.extend(
                wanted
                    .chain(keys.map(Into::into))
                    .map(|bytes| (format::hex(&Sha256::digest(&bytes)), bytes)),
            );
        }
    }
}

#[async_trait]
impl Provider for Recording {
    async fn normalise(
        &self,
        declared: &[Declared],
        files: &dyn SideFiles,
        connect: bool,
    ) -> Normalised {
        let host = self.view(Tree::of_files(&self.recorded, BTreeMap::new()));
        let normalised = host.normalise(declared, files, connect).await;
        self.learn(&normalised);
        normalised
    }

    async fn observe(&self, desired: &[Desired]) -> Snapshot {
        let files = self.view(Tree::of_files(&self.recorded, self.known()));
        let mut seen = files.look_at_all(desired);
        // Powerful files were looked for everywhere, and are listed apart.
        let powerful = self.view(Tree::of_powerful(&self.recorded, self.known()));
        for (id, observation) in powerful.look_at_all(desired).observations {
            if id.kind.0 == kinds::PRIVILEGED_FILES {
                seen.observations.insert(id, observation);
            }
        }
        let is_unread = |one: &&Desired| kinds::is_unread(one, &seen);
        let unread: Vec<_> = desired.iter().filter(is_unread).collect();
        for one in unread {
            let reason = not_recorded(&format!("what {} holds", one.address));
            let observation = Observation::not_evaluated(reason.code, reason.text);
            seen.observations.insert(one.id.clone(), observation);
        }
        leave_to_removal(desired, &mut seen.observations);
        seen
    }

    async fn capture(&self, _step: &Step, _max_bytes: u64) -> Result<Captured, ActError> {
        Err(unchangeable())
    }

    async fn apply(&self, _: &Step, _: &ActContext<'_>) -> Result<Vec<String>, ActError> {
        Err(unchangeable())
    }

    async fn tidy(&self, _step: &Step, _nonce: &str) -> Result<(), ActError> {
        Err(unchangeable())
    }

    fn own_places(&self) -> Vec<OwnPlace> {
        Vec::new()
    }

    fn beyond_undo(&self) -> &'static [&'static str] {
        &[]
    }
}

fn unchangeable() -> ActError {
    ActError::Refused("a recorded host cannot be changed".to_owned())
}

/// That something is not in the recording.
fn not_recorded(what: &str) -> Reason {
    let text = format!("the recording does not hold {what}");
    Reason::new(ReasonCode::Unsupported, text)
}

#[cfg(test)]
mod tests;
