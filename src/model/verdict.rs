//! Verdicts: what the guard says of each group, with a reason that machines can read.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far evenkeel may go on a target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Look and report.
    #[default]
    Observe,
    /// Ask for approval by pull request, and carry out what was approved.
    Propose,
    /// Act at once on what needs no approval.
    Enforce,
}

/// Whether a group may run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow {
        /// Who approved it and where, when somebody did: `pull request #7 merged by alice`.
        approved_by: Option<String>,
    },
    Held(HeldBecause),
}

/// Why a group does not run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum HeldBecause {
    /// The whole plan changes more resources than `guard.max_changes`.
    BlastRadius { changes: usize, max: usize },
    /// The whole plan changes a larger share than `guard.max_changed_percent` of what was evaluated.
    ChangedPercent {
        changes: usize,
        evaluated: usize,
        max_percent: u32,
    },
    /// `guard.protected` names the resource.
    Protected { resource: String, selector: String },
    /// It would change evenkeel's own access or state.
    SelfProtection { resource: String, what: String },
    /// Somebody pulled the kill switch.
    KillSwitch { switch: String },
    /// It needs an approval that is not there.
    NeedsApproval {
        why: String,
        /// What is wrong with the approval that was found, if one was.
        found: Option<String>,
    },
    /// The target's mode does not allow acting.
    Mode { mode: Mode },
    /// It was undone by a person and rests until then.
    Suspended { until: Timestamp, run: String },
    /// An undo failed on this target; it is propose-only until a person has looked.
    UndoFailed { run: String },
    /// Part of what it depends on could not be evaluated.
    DependsOnNotEvaluated { resource: String },
    /// The state store keeps nothing, so nothing can be journalled.
    NoJournal,
}

impl HeldBecause {
    /// Whether this is a refusal (exit code 5) and not a wait (exit code 2).
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::BlastRadius { .. }
            | Self::ChangedPercent { .. }
            | Self::Protected { .. }
            | Self::SelfProtection { .. }
            | Self::KillSwitch { .. }
            | Self::NoJournal => true,
            Self::NeedsApproval { .. }
            | Self::Mode { .. }
            | Self::Suspended { .. }
            | Self::UndoFailed { .. }
            | Self::DependsOnNotEvaluated { .. } => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BlastRadius { .. } | Self::ChangedPercent { .. } => {
                "look at the drifts; if they are all to be undone, raise the limit in evenkeel.yaml or work target by target with --target"
            }
            Self::Protected { .. } => "change it by hand, or take it out of guard.protected",
            Self::SelfProtection { .. } => "take this resource out of the baseline",
            Self::KillSwitch { .. } => "remove the switch when acting is safe again",
            Self::NeedsApproval { .. } => {
                "merge its pull request; reconcile in mode propose opens one"
            }
            Self::Mode {
                mode: Mode::Observe,
            } => "set the target's mode to propose or enforce",
            Self::Mode { .. } => "merge its pull request, or set the target's mode to enforce",
            Self::Suspended { .. } => "wait, or resume it with: evenkeel undo --resume RUN",
            Self::UndoFailed { .. } => "look at the target, then: evenkeel undo --resume RUN",
            Self::DependsOnNotEvaluated { .. } => "see the reason beside that resource",
            Self::NoJournal => "run with a state store (leave out --state none)",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Propose => "propose",
            Self::Enforce => "enforce",
        })
    }
}

impl fmt::Display for HeldBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlastRadius { changes, max } => {
                write!(
                    f,
                    "the plan changes {changes} resources, and guard.max_changes is {max}"
                )
            }
            Self::ChangedPercent {
                changes,
                evaluated,
                max_percent,
            } => write!(
                f,
                "the plan changes {changes} of {evaluated} evaluated resources, more than guard.max_changed_percent ({max_percent} %)"
            ),
            Self::Protected { resource, selector } => {
                write!(f, "{resource} is protected by guard.protected ({selector})")
            }
            Self::SelfProtection { resource, what } => {
                write!(f, "{resource} would touch evenkeel's own {what}")
            }
            Self::KillSwitch { switch } => write!(f, "the kill switch is on ({switch})"),
            Self::NeedsApproval { why, found: None } => write!(f, "needs approval: {why}"),
            Self::NeedsApproval {
                why,
                found: Some(found),
            } => {
                write!(
                    f,
                    "needs approval: {why}; the approval that was found does not count: {found}"
                )
            }
            Self::Mode { mode } => write!(f, "the target's mode is {mode}"),
            Self::Suspended { until, run } => {
                write!(f, "undone by run {run}, at rest until {until}")
            }
            Self::UndoFailed { run } => {
                write!(f, "an undo in run {run} failed on this target")
            }
            Self::DependsOnNotEvaluated { resource } => {
                write!(f, "it depends on {resource}, which could not be evaluated")
            }
            Self::NoJournal => f.write_str("there is no journal, and without one nothing is done"),
        }
    }
}
