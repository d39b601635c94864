//! The data that flows between the stages: ids, values, desired resources, snapshots, drifts, plans.
//!
//! Flow: `baseline` and a provider make [`Desired`], a provider makes [`Snapshot`], `compare` makes [`Drift`]s,
//! `plan` makes a [`Plan`], `guard` makes [`Verdict`]s, `saga` makes [`StepOutcome`]s; `report` shows them.
//!
//! **Invariant:** this module imports nothing of ours and does nothing but hold, order, hash and print data.

mod attribution;
mod detection;
mod digest;
mod drift;
mod event;
mod finding;
mod id;
mod indicator;
mod plan;
mod problem;
mod project;
mod report;
mod resource;
mod run;
mod snapshot;
mod tally;
mod value;
mod vars;
mod verdict;

pub use attribution::{Attribution, Authorship, Class, LogCoverage, Silence};
pub use detection::{Beyond, Detection, RuleCount};
pub use digest::{Digest, DigestParseError, KeyedDigest};
pub use drift::{Change, Comparison, Coverage, Drift, Exempted, FieldDrift, NotEvaluated};
pub use event::{Actor, Event, Format, Object, Outcome, Record, RecordPlace, TimeBasis, Trust};
pub use finding::{Confidence, EventRef, Finding, FindingSource, Level, RuleRef};
pub use id::{Address, IdParseError, Kind, ResourceId, RunId, TargetName};
pub use indicator::*;
pub use plan::{Group, Plan, Risk, RiskLevel, Step, TERMS, Undo, Verb};
pub use problem::{Problem, Problems, Span};
pub use project::{
    Become, ForgeConfig, GuardConfig, Project, ProviderKind, Ssh, Target, TrustConfig,
};
pub use report::{
    BaselineInfo, Command, PullNote, Recovered, RunReport, SignatureState, TargetInfo,
};
pub use resource::{
    Approval, Desired, Exemption, Fields, LISTS_ENTRIES, Origin, Presence, Scope, Selector,
};
pub use run::{FinalState, GroupOutcome, GroupResult, StepOutcome, StepResult};
pub use snapshot::{
    Completeness, Contents, Listing, Member, Observation, Observed, Reason, ReasonCode, Snapshot,
    State,
};
pub use tally::{Left, LeftCount, LeftOut, Tally};
pub use value::{Blob, Value};
pub use vars::{Scalar, TargetGroup, Vars};
pub use verdict::{HeldBecause, Mode, Verdict};
