//! Desired resources: what the baseline says, made comparable by a provider.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Address, Digest, ResourceId, Risk, Span, Value};

/// Values by field name. Names are flat (`mode`, `content`, `keys`); what is nested is a [`Value::Map`].
pub type Fields = BTreeMap<String, Value>;

/// The option of a resource whose scope the baseline lists entry by entry: a member of its listing with a remedy is one of
/// those, and `Changed` or `Missing` where others would be `Extra`.
pub const LISTS_ENTRIES: &str = "lists_entries";

/// Where the baseline says it, for reports that point a reviewer there.
pub type Origin = Span;

/// One resource as the baseline wants it, with all that the core needs to compare, plan and guard it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Desired {
    pub id: ResourceId,
    #[serde(skip_deserializing, default = "nowhere")]
    pub origin: Origin,
    pub address: Address,
    pub presence: Presence,
    /// What a provider takes for fields of which the baseline says nothing, when the resource has to be made anew.
    pub create_with: Fields,
    /// Set where git lists all that may exist below or inside: anything else is `Extra`.
    pub scope: Option<Scope>,
    /// Resources that have to be right before this one can be (a parent directory, a namespace).
    pub depends_on: BTreeSet<ResourceId>,
    /// How dangerous it is to change this resource at all.
    pub risk: Risk,
    /// Live content may be shown in forges, notifications and CI logs.
    pub disclose: bool,
    /// Content is never shown, not even on a person's own terminal.
    pub sensitive: bool,
    /// Ids of controls (CIS, NIST CSF, ATT&CK mitigations) that this resource serves.
    pub controls: Vec<String>,
    /// Why a change of it, or of what its scope holds, cannot be taken back; none where the state before can be put back.
    #[serde(default)]
    pub one_way: Option<String>,
    /// What only the provider understands and needs in act (a command that validates the new content).
    pub options: Fields,
}

/// Whether the resource has to exist, and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// These fields have these values; of fields not named here nothing is said.
    /// Inside a [`Value::Map`] the comparison is exact: a key that is not listed is drift.
    Present(Fields),
    Absent,
}

/// That the baseline lists everything a listing of this resource may hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, Default)]
pub struct Scope {
    /// The places that it covers, where that is not simply what lies below the resource's own address.
    #[serde(default)]
    pub within: BTreeSet<Address>,
    /// Globs, relative to the address, of what is left alone.
    pub ignore: Vec<String>,
    /// Addresses that the resource itself allows, besides those of other desired resources.
    pub allow: BTreeSet<Address>,
}

/// Chooses resources. Every part that is given has to match; parts are globs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Selector {
    pub target: Option<String>,
    pub kind: Option<String>,
    pub name: Option<String>,
    /// Matches the address (a path on hosts); `**` crosses `/`.
    pub path: Option<String>,
    /// `low`, `medium`, `high` or `irreversible`: matches steps of at least that risk.
    pub risk: Option<String>,
}

/// Drift that a team accepts for a time. It never silences an indicator of compromise.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Exemption {
    pub id: String,
    pub selector: Selector,
    pub reason: String,
    pub owner: String,
    pub expires: Timestamp,
    #[serde(skip_deserializing, default = "nowhere")]
    pub origin: Origin,
}

/// What a merged `approvals/<group-hash>.yaml` says. Who merged it is the forge's to tell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Approval {
    pub group: Digest,
    /// The fingerprint of the group, which names the branch its pull request came from.
    pub fingerprint: String,
    pub expires: Timestamp,
    #[serde(skip_deserializing, default = "nowhere")]
    pub origin: Origin,
}

fn nowhere() -> Span {
    Span {
        file: String::new(),
        line: 0,
        column: 0,
    }
}

impl Desired {
    /// The fields that are expected, none when the resource has to be absent.
    pub fn expected(&self) -> Option<&Fields> {
        match &self.presence {
            Presence::Present(fields) => Some(fields),
            Presence::Absent => None,
        }
    }
}
