//! Snapshots: what a provider saw of a target, each resource with the reason where it could not look.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Address, Digest, Fields, Kind, ResourceId, Value};

/// The whole state of one existing resource.
///
/// `fields` is all that can be put back; its digest is what a step expects and leaves. `beyond` holds what counts as
/// drift but cannot be restored by anyone (the number of hard links), and is left out of the digest.
/// The field `type`, where a provider has one, tells what sort of thing it is: a change of it means a replacement.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub fields: Fields,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beyond: Fields,
}

/// What was seen at one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    Present(State),
    Absent,
    /// It could not be seen. Never clean, and never a reason to remove.
    NotEvaluated(Reason),
}

/// Why something could not be evaluated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Reason {
    pub code: ReasonCode,
    /// One sentence for a person, without live content.
    pub text: String,
}

/// The sort of reason, for counting and for machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The system refused to let us look.
    PermissionDenied,
    /// It changed or vanished while we looked.
    Unstable,
    /// The system or the provider cannot tell this here.
    Unsupported,
    /// More than the bound on size, depth, entries or time.
    TooLarge,
    /// A name in the baseline could not be resolved on the target.
    Unresolved,
    /// A symbolic link or a mount stands in the way.
    Redirected,
    /// The target or its provider could not be reached.
    Unreachable,
    /// An input or output error of the system.
    Io,
}

/// What was seen of one desired resource.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Observation {
    pub observed: Observed,
    /// The state that putting the baseline back would leave, where the provider knows better than "the observed
    /// fields with the expected ones laid over" (a file of which only some lines are managed).
    pub remedy: Option<State>,
    /// For a resource with a scope: all that was found in it.
    pub listing: Option<Listing>,
    /// What a person has to do when it differs, where no step of evenkeel can put it right.
    #[serde(default)]
    pub by_hand: Option<String>,
    /// Why putting it right as it differs now cannot be taken back, where that is not so of every change of it.
    #[serde(default)]
    pub one_way: Option<String>,
}

/// What was found in the scope of a resource, ignored entries left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Listing {
    pub members: Vec<Member>,
    pub complete: Completeness,
    /// How many entries the `ignore` globs left out.
    pub ignored: u64,
}

/// Whether a listing can be trusted to hold everything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    Complete,
    /// What is listed is there, but there may be more.
    Partial(Reason),
}

/// One entry found in a scope.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Member {
    pub address: Address,
    pub kind: Kind,
    pub observed: Observed,
    /// What to make of it when it is `Extra`; none means: remove it.
    pub remedy: Option<State>,
    /// What a person has to do when it is `Extra`, where no step of evenkeel can put it right.
    #[serde(default)]
    pub by_hand: Option<String>,
}

/// All that was seen of one target.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub observations: BTreeMap<ResourceId, Observation>,
    /// Content that differs from what is desired, as far as it is small enough to show or is needed to act.
    pub contents: Contents,
}

/// Content by digest.
#[derive(Clone, Debug, Default)]
pub struct Contents(BTreeMap<Digest, Arc<[u8]>>);

impl Contents {
    /// Keeps these bytes and gives their digest.
    pub fn keep(&mut self, bytes: impl Into<Arc<[u8]>>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.0.insert(digest, bytes);
        digest
    }

    /// Keeps bytes whose digest is known already.
    pub fn hold(&mut self, digest: Digest, bytes: Arc<[u8]>) {
        self.0.insert(digest, bytes);
    }

    /// The bytes with this digest, if they are here.
    pub fn get(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        self.0.get(digest).cloned()
    }

    /// Takes all of another in.
    pub fn extend(&mut self, other: Contents) {
        self.0.extend(other.0);
    }

    /// All that is kept, in the order of digests.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &Arc<[u8]>)> {
        self.0.iter()
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.0.values().map(|bytes| bytes.len()).sum()
    }
}

impl State {
    /// A state of these fields.
    pub fn of(fields: Fields) -> Self {
        Self {
            fields,
            beyond: Fields::new(),
        }
    }

    /// The digest of all that can be put back.
    pub fn digest(&self) -> Digest {
        Digest::of_json("evenkeel state v1", &self.fields)
    }

    /// The contents that this state refers to.
    pub fn blobs(&self) -> impl Iterator<Item = super::Blob> {
        self.fields.values().flat_map(Value::blobs)
    }

    /// The value of a field, restorable or not.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).or_else(|| self.beyond.get(field))
    }
}

impl Observed {
    /// The digest that a step expects: of the state, or of absence. None where nothing could be seen.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Present(state) => Some(state.digest()),
            Self::Absent => Some(Self::absent_digest()),
            Self::NotEvaluated(_) => None,
        }
    }

    /// The digest that stands for "does not exist".
    pub fn absent_digest() -> Digest {
        Digest::of_json("evenkeel state v1", "absent")
    }

    /// The state, if it exists and could be seen.
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Present(state) => Some(state),
            _ => None,
        }
    }
}

impl Reason {
    /// A reason from its sort and its sentence.
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl Observation {
    /// An observation with nothing but what was seen.
    pub fn plain(observed: Observed) -> Self {
        Self {
            observed,
            remedy: None,
            listing: None,
            by_hand: None,
            one_way: None,
        }
    }

    /// An observation that failed for a reason.
    pub fn not_evaluated(code: ReasonCode, text: impl Into<String>) -> Self {
        Self::plain(Observed::NotEvaluated(Reason::new(code, text)))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
