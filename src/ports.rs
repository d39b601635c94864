//! The seams between the core and the world: small traits, each with a real and a simulated implementation.
//!
//! Flow: `engine` and `saga` call these; `providers`, `journal`, `forge` and `sim` stand behind them.
//!
//! **Invariant:** traits and their data only; nothing here does anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::document::Declared;
use crate::model::{
    Address, Contents, Desired, Digest, Observed, Problems, Reason, Record as LogRecord,
    ResourceId, RunId, Snapshot, Step, Tally,
};

/// Logs that tell who did what.
pub trait Logs: Send + Sync {
    /// Reads all of them once, to their ends, in batches; the records of one source come in its order. What each source
    /// held, and what of it could not be read, is in its tally.
    fn read(&self, take: &mut dyn FnMut(Vec<LogRecord>)) -> Vec<Tally>;
}

/// Tells the time, and passes it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// Returns when `duration` has passed.
    async fn sleep(&self, duration: Duration);
}

/// Makes what nobody can guess: names of temporary files, suffixes of runs. The drill's is seeded.
pub trait Entropy: Send + Sync {
    /// 32 hexadecimal digits, different at each call.
    fn nonce(&self) -> String;
}

/// Files that lie beside the manifests, read from the same commit.
pub trait SideFiles: Send + Sync {
    /// Reads the file at this path relative to the baseline's directory, `/`-separated, without following links.
    ///
    /// # Errors
    /// A sentence for the person who wrote the path: it does not exist, is no file, or is larger than the bound.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String>;

    /// As `read`, for a file of up to so many bytes; it does not count towards what a baseline may hold in all.
    ///
    /// # Errors
    /// As `read`.
    fn read_large(&self, path: &str, _max_bytes: usize) -> Result<Arc<[u8]>, String> {
        self.read(path)
    }

    /// The names of the files that lie directly in this directory, in order.
    fn names_in(&self, _directory: &str) -> Vec<String> {
        Vec::new()
    }
}

/// What a provider made of the declared resources of one target.
#[derive(Debug, Default)]
pub struct Normalised {
    pub desired: Vec<Desired>,
    /// The contents that the desired states refer to.
    pub contents: Contents,
    /// Directories of the baseline with further contents, each in a file that is named by its digest. They are read when
    /// a step needs them.
    pub stores: BTreeSet<String>,
    /// What is wrong with the manifests. Any problem stops the run before anything is planned.
    pub problems: Problems,
    /// Resources that are well written, but of which a name cannot be resolved on the target as it is now.
    pub not_evaluated: Vec<(ResourceId, Address, Reason)>,
}

/// Something of evenkeel's own that lies within a target and must survive whatever is done there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnPlace {
    pub address: Address,
    /// What it is: "state directory", "journal key".
    pub what: &'static str,
}

/// The state before, as seen immediately before acting, with the content to restore it.
#[derive(Debug)]
pub struct Captured {
    pub observed: Observed,
    /// Content that the state refers to and that has to be stored before the step begins.
    pub contents: Contents,
}

/// Why a step did not happen, or did not finish.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The live state is not what the step expects. Nothing was changed.
    #[error("the live state is no longer what the plan was made for: {found}")]
    Stale { found: String },
    /// The system refused, or would not do it safely. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Something went wrong on the way; what is there now has to be looked at.
    #[error("{0}")]
    Failed(String),
    /// The target cannot be reached any more. Whether anything was done is not known until it can be looked at again.
    #[error("{0}")]
    Lost(String),
}

/// What act needs besides the step.
pub struct ActContext<'a> {
    /// Finds content by digest, in the baseline or in the kept states.
    pub contents: &'a dyn ContentSource,
    /// Unguessable and unique to the step; names everything temporary that the step makes.
    pub nonce: &'a str,
}

/// Finds content by digest.
pub trait ContentSource: Send + Sync {
    /// The bytes, or none where they are not kept.
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>>;
}

impl ContentSource for Contents {
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        self.get(digest)
    }
}

/// A kind of live system: looks at it and changes it.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Validates manifests and makes them comparable. `connect` is false for an untrusted revision and for `check`
    /// without a live system: then nothing live is asked, and what would need it is left as it is.
    async fn normalise(
        &self,
        declared: &[Declared],
        files: &dyn SideFiles,
        connect: bool,
    ) -> Normalised;

    /// Looks at each desired resource and at all that lies in its scope. Never fails as a whole: what cannot be seen
    /// is `NotEvaluated` with its reason.
    async fn observe(&self, desired: &[Desired]) -> Snapshot;

    /// Looks at the one place that a step changes, in the same terms as its `expect` digest, and reads what is needed
    /// to restore it, at most `max_bytes`.
    async fn capture(&self, step: &Step, max_bytes: u64) -> Result<Captured, ActError>;

    /// Carries out one step if, at the last moment, the live state still is what it expects.
    async fn apply(&self, step: &Step, context: &ActContext<'_>) -> Result<Vec<String>, ActError>;

    /// Removes everything temporary that an interrupted `apply` with this nonce left behind.
    async fn tidy(&self, step: &Step, nonce: &str) -> Result<(), ActError>;

    /// Gives up what is held for the target, such as a connection: nothing more is asked of it in this run. When something
    /// is all the same, that costs a new one.
    async fn release(&self) {}

    /// What of evenkeel's own lies within this target.
    fn own_places(&self) -> Vec<OwnPlace>;

    /// Names the parts of a state that no undo brings back (a change time, an inode number).
    fn beyond_undo(&self) -> &'static [&'static str];
}

/// One record of the journal as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 1 without gaps.
    pub seq: u64,
    pub run: RunId,
    pub kind: String,
    pub at: Timestamp,
    pub payload: Json,
    /// SHA-256 over this record and the hash before it, in hexadecimal digits.
    pub hash: String,
}

/// What can be asked of the journal.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    pub run: Option<RunId>,
    /// Only these kinds; all when empty.
    pub kinds: Vec<&'static str>,
    /// Only records that name this resource.
    pub resource: Option<ResourceId>,
    /// Only records with a higher number.
    pub after: u64,
}

/// The state store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("failed to {action} the state store at {path}")]
    Io {
        action: &'static str,
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the state store at {path} is damaged: {what}")]
    Damaged { path: String, what: String },
    /// `--state none`
    #[error("there is no state store (--state none), and this needs one")]
    None,
}

/// Keeps the journal and the states before. Everything else that evenkeel remembers is derived from signed records.
pub trait StateStore: Send + Sync {
    /// Appends one record and returns it when it is on the disk.
    fn append(
        &self,
        run: &RunId,
        kind: &str,
        at: Timestamp,
        payload: Json,
    ) -> Result<Record, StoreError>;
    /// Reads records in order, each checked against its own hash and signature.
    fn records(&self, query: &RecordQuery) -> Result<Vec<Record>, StoreError>;
    /// The number and hash of the newest record, none when there is none.
    fn head(&self) -> Result<Option<(u64, String)>, StoreError>;
    /// Keeps bytes until they are on the disk, readable by evenkeel's user alone.
    fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError>;
    /// The kept bytes, checked against their digest.
    fn kept(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError>;
    /// Whether records are kept at all.
    fn is_durable(&self) -> bool;
    /// The key under which content is shown as a keyed digest; none before the first run.
    fn disclosure_key(&self) -> Option<[u8; 32]>;
}

/// A file to be added, changed or removed by a pull request.
#[derive(Clone, PartialEq, Debug)]
pub struct FileChange {
    /// Relative to the top of the repository.
    pub path: String,
    /// None: the file goes.
    pub content: Option<Vec<u8>>,
}

/// What a pull request should be.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    /// Without `refs/heads/`.
    pub branch: String,
    pub title: String,
    pub body: String,
    pub message: String,
    pub files: Vec<FileChange>,
    /// Files as they were where the changes were made. The base branch has to have them so, since a file is written
    /// whole and what somebody else changed in it would be taken back. Empty where that cannot be.
    pub made_from: Vec<FileChange>,
    pub labels: Vec<String>,
}

/// A pull request as the forge has it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub url: String,
    pub branch: String,
    pub state: PullState,
    pub author: Person,
    pub merged_by: Option<Person>,
    /// Everyone who authored or committed what is on its branch, as far as the forge tells; an empty login stands for
    /// somebody who has no account there. Empty in a list.
    pub pushers: Vec<Person>,
    /// The paths that it changes. Empty in a list.
    #[serde(default)]
    pub files: Vec<String>,
    pub closed_at: Option<Timestamp>,
    pub closed_by: Option<Person>,
    /// The commit that the merge made on the base branch.
    pub merge_commit: Option<String>,
    pub body: String,
    pub head: String,
}

/// What became of a pull request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullState {
    Open,
    Merged,
    Closed,
}

/// An account on the forge.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Person {
    pub login: String,
    pub is_bot: bool,
}

/// The colour of a commit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusState {
    Success,
    Failure,
    Error,
    Pending,
}

/// The forge failed.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    #[error("the forge refused to {action}: {why}")]
    Refused {
        action: String,
        why: String,
        hint: String,
    },
    #[error("failed to {action} at the forge: {why}")]
    Unreachable { action: String, why: String },
}

/// Where the team reviews: pull requests and commit statuses.
#[async_trait]
pub trait Forge: Send + Sync {
    /// All pull requests whose branch starts with `prefix`, newest first, whatever their state.
    async fn pulls(&self, prefix: &str) -> Result<Vec<PullRequest>, ForgeError>;
    /// One pull request whole: who merged it, who pushed its branch.
    async fn pull(&self, number: u64) -> Result<PullRequest, ForgeError>;
    /// Makes the branch and its commits, and opens the pull request; finds them again where they are there already.
    async fn open(&self, proposal: &Proposal) -> Result<PullRequest, ForgeError>;
    /// Brings title, body and files up to date; does nothing where they are.
    async fn update(
        &self,
        pull: &PullRequest,
        proposal: &Proposal,
    ) -> Result<PullRequest, ForgeError>;
    /// Comments, once for each `key`.
    async fn comment(&self, number: u64, key: &str, body: &str) -> Result<(), ForgeError>;
    /// Closes and deletes the branch.
    async fn close(&self, pull: &PullRequest) -> Result<(), ForgeError>;
    /// Sets a commit status.
    async fn status(
        &self,
        commit: &str,
        context: &str,
        state: StatusState,
        text: &str,
    ) -> Result<(), ForgeError>;
}

/// Providers by target name, in order.
pub type Providers = BTreeMap<crate::model::TargetName, Arc<dyn Provider>>;
