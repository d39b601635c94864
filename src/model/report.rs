//! The report of one run: all that any output format shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Comparison, Contents, Digest, Finding, GroupOutcome, Mode, Plan, RunId, TargetName, Verdict,
};

/// Where the baseline came from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BaselineInfo {
    /// The commit's full id; none when the files were read as they lie.
    pub commit: Option<String>,
    /// What was asked for: `HEAD`, a revision, `last-good`, `worktree`.
    pub rev: String,
    /// The first line of the commit's message.
    pub summary: Option<String>,
    /// The directory of the baseline relative to the top of its repository, `/`-separated, empty for the top.
    pub prefix: String,
    pub signature: SignatureState,
}

/// What is known of the commit's signature.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SignatureState {
    /// No signature is asked for.
    NotRequired,
    /// Signed by an allowed signer.
    Trusted { principal: String, key: String },
    /// A revision that nobody vouches for: planned offline.
    Untrusted,
}

/// One target as the run saw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TargetInfo {
    pub name: TargetName,
    /// For a person: `host, root /srv/web`.
    pub description: String,
    /// The mode that is committed.
    pub committed_mode: Mode,
    /// The mode of this run, never higher.
    pub mode: Mode,
}

/// What happened to a pull request in this run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PullNote {
    pub number: u64,
    pub url: String,
    pub fingerprint: String,
    /// The id of what it is about, or of the first of several; none where the run no longer plans anything for it.
    pub resource: Option<String>,
    /// `opened`, `updated`, `unchanged`, `closed`, `left closed until …`, `carried out`; for some with a reason behind it.
    pub what: String,
}

/// A step that an earlier run left in flight, and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recovered {
    pub run: RunId,
    pub resource: String,
    /// `had been done`, `had not begun`, `was half done and is planned anew`
    pub what: String,
}

/// Which command made a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    Plan,
    Reconcile,
    Undo,
}

/// One run, whole.
#[derive(Clone, Debug)]
pub struct RunReport {
    pub command: Command,
    /// None for `plan`, which leaves no trace.
    pub run: Option<RunId>,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub baseline: BaselineInfo,
    pub targets: Vec<TargetInfo>,
    /// What differs: at the end of the run.
    pub comparison: Comparison,
    /// What differed before anything was done; the same as `comparison` for `plan`.
    pub found: Comparison,
    /// Made from `found`.
    pub plan: Plan,
    /// By group hash.
    pub verdicts: BTreeMap<Digest, Verdict>,
    pub outcomes: Vec<GroupOutcome>,
    pub recovered: Vec<Recovered>,
    pub pulls: Vec<PullNote>,
    /// Sentences that every reader has to see (the baseline is unsigned; a mode was not raised).
    pub notices: Vec<String>,
    /// What failed besides steps: the forge, the state store. Each makes the run an error.
    pub errors: Vec<String>,
    /// Number and hash of the journal's newest record.
    pub journal_head: Option<(u64, String)>,
    /// Contents of both sides, for diffs.
    pub contents: Contents,
    /// The key for digests of content that is not shown; none before the first run that journals.
    pub disclosure_key: Option<[u8; 32]>,
    /// What was found in this run, worst first: also what is put right at its end, and what an exemption covers.
    pub findings: Vec<Finding>,
}
