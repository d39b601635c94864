//! The objects of the JSON report, version `evenkeel.dev/plan/v1`.
//!
//! Fields may be added within a version; none is removed, renamed or given another meaning. Absent things are `null` or
//! an empty list, never a missing key, but where a comment says so.
//!
//! **Invariant:** plain strings, numbers and lists; content stands only in [`ContentValue`].

use std::collections::BTreeMap;

use serde::Serialize;

/// The whole document.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    pub schema: &'static str,
    /// `plan`, `reconcile` or `undo`.
    pub command: crate::model::Command,
    /// None for `plan`.
    pub run: Option<String>,
    /// UTC, RFC 3339.
    pub started: String,
    pub ended: String,
    pub exit_code: u8,
    pub baseline: Baseline,
    pub targets: Vec<Target>,
    pub summary: Summary,
    /// What differs at the end of the run.
    pub drifts: Vec<Drift>,
    /// What differed when the run began and does not any more; empty for `plan`.
    pub remedied: Vec<Drift>,
    pub not_evaluated: Vec<NotEvaluated>,
    pub exempted: Vec<Exempted>,
    pub plan: Plan,
    pub held: Vec<Held>,
    pub outcomes: Vec<Outcome>,
    pub pulls: Vec<Pull>,
    pub recovered: Vec<Recovered>,
    pub notices: Vec<String>,
    pub errors: Vec<String>,
    pub journal: Journal,
    /// The level of the worst finding: `informational` to `critical`.
    pub worst_finding: Option<crate::model::Level>,
    /// What speaks for a compromise, worst first: also of what is put right, and of what an exemption covers.
    pub findings: Vec<crate::model::Finding>,
    /// Targets on which somebody was root, as far as what differed tells.
    pub not_trusted: Vec<NotTrusted>,
}

/// One target that is not to be trusted, whatever was put right.
#[derive(Clone, Debug, Serialize)]
pub struct NotTrusted {
    pub target: String,
    /// `restored, not trusted`, or `not trusted` where some of it still differs.
    pub state: &'static str,
    pub evidence: Vec<Evidence>,
    pub advice: &'static str,
}

/// A resource that differed in a way that takes root.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    pub id: String,
    pub why: &'static str,
}

/// Where the baseline came from.
#[derive(Clone, Debug, Serialize)]
pub struct Baseline {
    /// The full commit id; null when the files were read as they lie.
    pub commit: Option<String>,
    pub rev: String,
    /// The first line of the commit's message.
    pub message: Option<String>,
    /// The baseline's directory relative to the top of its repository.
    pub prefix: String,
    /// `{"state": "not_required" | "trusted" | "untrusted", …}`
    pub signature: crate::model::SignatureState,
}

/// One target.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub name: String,
    pub description: String,
    pub mode: crate::model::Mode,
    pub committed_mode: crate::model::Mode,
}

/// The figures.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    pub clean: usize,
    pub drifted: usize,
    pub not_evaluated: usize,
    pub exempted: usize,
    /// The share that could be evaluated, one decimal, rounded down.
    pub coverage_percent: f64,
}

/// One drift.
#[derive(Clone, Debug, Serialize)]
pub struct Drift {
    /// `target/Kind/name`
    pub id: String,
    pub target: String,
    /// `Kind/name`
    pub resource: String,
    pub kind: String,
    pub change: crate::model::Change,
    pub address: String,
    pub fields: Vec<Field>,
    /// 16 hexadecimal digits, the same in every run.
    pub fingerprint: String,
    pub risk: Risk,
    /// The baseline's file, relative to the top of its repository, and the line that says it.
    pub file: String,
    pub line: u32,
    /// The id of the exclusive resource that this extra one was found in.
    pub found_in: Option<String>,
    pub controls: Vec<String>,
    /// What a person has to do; where this is set, no step is planned.
    pub by_hand: Option<String>,
    /// Why putting it back cannot be taken back.
    pub one_way: Option<String>,
}

/// One field that differs. Null where it should not be there, or is not.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    pub path: String,
    pub expected: Option<Shown>,
    pub actual: Option<Shown>,
}

/// A value: a plain one as JSON has it, or an object that stands for content.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Shown {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Shown>),
    Map(BTreeMap<String, Shown>),
    Content(ContentValue),
    Redacted(RedactedValue),
}

/// Content that is not shown, or shown because its resource says `disclose`.
#[derive(Clone, Debug, Serialize)]
pub struct ContentValue {
    /// `content` for that of a file, `text` for text inside a field.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// In bytes.
    pub size: u64,
    /// A digest under evenkeel's own key, only good for telling two contents apart; null before the first run that journals.
    pub digest: Option<String>,
    /// Only there when it is disclosed, is UTF-8 and has at most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Sensitive content, of which nothing is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RedactedValue {
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Always true.
    pub redacted: bool,
}

/// How far something can hurt.
#[derive(Clone, Debug, Serialize)]
pub struct Risk {
    pub level: crate::model::RiskLevel,
    pub why: String,
}

/// One resource that could not be evaluated.
#[derive(Clone, Debug, Serialize)]
pub struct NotEvaluated {
    pub id: String,
    pub target: String,
    pub resource: String,
    pub address: String,
    /// A sentence.
    pub reason: String,
    /// `permission_denied`, `unstable`, `unsupported`, `too_large`, `unresolved`, `redirected`, `unreachable`, `io`
    pub code: &'static str,
    pub file: String,
    pub line: u32,
}

/// A drift that an exemption covers.
#[derive(Clone, Debug, Serialize)]
pub struct Exempted {
    /// The exemption's id.
    pub exemption: String,
    #[serde(flatten)]
    pub drift: Drift,
}

/// All that would be done, or was to be done.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub hash: String,
    pub groups: Vec<Group>,
}

/// The steps that answer one cause.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What an approval names.
    pub hash: String,
    pub fingerprint: String,
    pub target: String,
    /// The highest of its steps.
    pub risk: Risk,
    /// `allow` or `held`; null where the guard was not asked.
    pub verdict: Option<&'static str>,
    /// Who approved it and where, when somebody did: `pull request #7 merged by alice`.
    pub approved_by: Option<String>,
    pub steps: Vec<Step>,
}

/// One change of one resource. The states themselves are not told.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub id: String,
    pub resource: String,
    pub address: String,
    pub verb: crate::model::Verb,
    /// Digests of the state before and after.
    pub expect: String,
    pub leaves: String,
    pub undo: Undo,
    pub risk: Risk,
    /// Ids of the findings that it answers.
    pub answers: Vec<String>,
    /// Never unwound when its group fails.
    pub keep: bool,
}

/// How a step is taken back.
#[derive(Clone, Debug, Serialize)]
pub struct Undo {
    /// `restore` or `irreversible`
    pub kind: &'static str,
    /// Why it is irreversible.
    pub why: Option<String>,
}

/// A group that the guard holds back.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// The group's hash.
    pub group: String,
    /// A sentence.
    pub because: String,
    /// `blast_radius`, `needs_approval`, …
    pub code: String,
    /// Whether it was refused (exit code 5), and does not merely wait (2).
    pub refused: bool,
    /// What a person can do about it.
    pub hint: &'static str,
    /// Ids of what the group would change.
    pub resources: Vec<String>,
}

/// What became of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub group: String,
    pub fingerprint: String,
    pub result: crate::model::GroupResult,
    pub steps: Vec<StepOutcome>,
}

/// What became of a step.
#[derive(Clone, Debug, Serialize)]
pub struct StepOutcome {
    pub id: String,
    pub resource: String,
    /// `done`, `stale`, `failed`, `unwound`, `unwind_failed`, `lost`, `not_begun`
    pub result: &'static str,
    /// What was found, or what failed.
    pub detail: Option<String>,
    pub notes: Vec<String>,
}

/// What happened to a pull request.
#[derive(Clone, Debug, Serialize)]
pub struct Pull {
    pub number: u64,
    pub url: String,
    pub fingerprint: String,
    /// The resource's id, or that of the first of several; null where nothing is planned for it any more.
    pub id: Option<String>,
    /// `opened`, `updated`, `unchanged`, `closed`, `left closed until …`, `carried out`; for some with a reason behind it.
    pub what: String,
}

/// A step that an earlier run left in flight.
#[derive(Clone, Debug, Serialize)]
pub struct Recovered {
    pub run: String,
    /// The resource's id.
    pub id: String,
    pub what: String,
}

/// The journal's newest record, for `journal verify --expect-head`; both null when nothing was journalled.
#[derive(Clone, Debug, Serialize)]
pub struct Journal {
    pub head: Option<String>,
    pub seq: Option<u64>,
}
