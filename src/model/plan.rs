//! Plans: groups of steps, immutable and serialisable.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Address, Digest, Fields, ResourceId, State, TargetName, drift};

/// What a step does. Both are declarative, so doing a step twice is the same as doing it once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Makes the resource be there in the step's state, whatever was there.
    Put,
    /// Makes it not be there.
    Remove,
}

/// How far an action can hurt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskLevel {
    #[default]
    Low,
    Medium,
    High,
}

/// The risk of a step or a group, with the reason that set it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Risk {
    pub level: RiskLevel,
    /// Why, as a fragment: "decides who may log in".
    pub why: String,
}

/// How a step is taken back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The state before is kept and can be put back.
    Restore,
    /// It cannot be taken back, because of this.
    Irreversible { why: String },
}

/// One change of one resource.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Step {
    pub resource: ResourceId,
    pub address: Address,
    pub verb: Verb,
    /// The digest of the state that has to be there, or nothing is done.
    pub expect: Digest,
    /// The digest of the state that is there afterwards.
    pub leaves: Digest,
    /// The whole state to put; none for [`Verb::Remove`].
    pub state: Option<State>,
    /// What only the provider understands.
    pub options: Fields,
    pub undo: Undo,
    pub risk: Risk,
    /// Ids of the findings that this step answers.
    pub answers: Vec<String>,
    /// Never unwound when a later step of the group fails: that would put an attacker back.
    pub keep: bool,
}

/// The option that says in which terms a resource is looked at. A step that takes another one back sees in the same terms,
/// and has none of its other options.
pub const TERMS: &str = "terms";

/// The steps that answer one cause. They succeed together or are unwound together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Group {
    pub hash: Digest,
    /// Names the cause, the same in every run: see `Drift::fingerprint`.
    pub fingerprint: String,
    pub target: TargetName,
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// All that would be done, in order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub hash: Digest,
    pub groups: Vec<Group>,
}

impl Risk {
    /// A risk with its reason.
    pub fn new(level: RiskLevel, why: impl Into<String>) -> Self {
        Self {
            level,
            why: why.into(),
        }
    }

    /// The higher of two; the first where they are equal.
    pub fn max(self, other: Risk) -> Risk {
        if other.level > self.level {
            other
        } else {
            self
        }
    }
}

impl Group {
    /// A group of these steps, which are not empty, on one target.
    pub fn new(target: TargetName, steps: Vec<Step>) -> Self {
        Self {
            hash: Self::hash_of(&target, &steps),
            fingerprint: drift::fingerprint(&steps[0].resource),
            target,
            steps,
        }
    }

    /// The hash that an approval names: target, resources, states before and after, and actions; never the commit,
    /// the time or the rest of the plan, so that it stays valid when something else changes.
    pub fn hash_of(target: &TargetName, steps: &[Step]) -> Digest {
        let covered: Vec<_> = steps
            .iter()
            .map(|step| {
                (
                    &step.resource,
                    &step.address,
                    step.verb,
                    step.expect,
                    step.leaves,
                    &step.options,
                )
            })
            .collect();
        Digest::of_json("evenkeel group v1", &(target, covered))
    }

    /// The highest risk of its steps.
    pub fn risk(&self) -> Risk {
        self.steps
            .iter()
            .fold(Risk::default(), |risk, step| risk.max(step.risk.clone()))
    }

    /// Whether any step cannot be taken back.
    pub fn is_irreversible(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.undo, Undo::Irreversible { .. }))
    }
}

impl Plan {
    /// A plan of these groups.
    pub fn new(groups: Vec<Group>) -> Self {
        let hashes: Vec<_> = groups.iter().map(|group| group.hash).collect();
        Self {
            hash: Digest::of_json("evenkeel plan v1", &hashes),
            groups,
        }
    }

    /// How many steps there are in all.
    pub fn steps(&self) -> usize {
        self.groups.iter().map(|group| group.steps.len()).sum()
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "put",
            Self::Remove => "remove",
        })
    }
}

impl fmt::Display for RiskLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}
