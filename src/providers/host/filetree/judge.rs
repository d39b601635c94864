//! What an entry of a manifest is expected to be, and what is to be made of one that is not.
//!
//! **Invariant:** pure, since a controller judges anew what a host says. [`is_as_listed`], which is quick, and [`judge`]
//! say the same of the same look.

use super::bounds::Bounds;
use super::manifest::Entry;
use super::{Baseline, packages};
use crate::model::{Blob, Desired, Digest, Fields, Member, Observed, State, Value};
use crate::providers::host::capability::hex;
use crate::providers::host::fs::{HostPath, Node, NodeType};
use crate::providers::host::listing::kind_of;
use crate::providers::host::state::{NONE, flags_text, mode_text, type_word};

/// Option: whether the manifest lists everything that may lie in the tree.
pub const EXCLUSIVE: &str = "exclusive";
/// Option: which paths are the tree's to judge.
pub const BOUNDS: &str = "bounds";
/// The field of attributes that no manifest says anything of.
const LABELS: &str = "xattrs";

/// What a `FileTree` says of one path.
pub enum Said<'a> {
    /// Nothing: it lies elsewhere, or is ignored.
    Nothing,
    /// It is this entry of the manifest.
    Listed(&'a Baseline, usize),
    /// It is not in the manifest.
    Unlisted,
}

/// What is wanted of a tree, without its claims.
pub struct Terms<'a> {
    pub bounds: Bounds,
    pub exclusive: bool,
    /// None: dpkg's database of the host.
    pub baseline: Option<&'a Baseline>,
}

impl<'a> Terms<'a> {
    /// The terms of a resource; none where it has no place.
    pub fn of(desired: &Desired, baseline: Option<&'a Baseline>) -> Option<Self> {
        let Some(Value::Map(bounds)) = desired.options.get(BOUNDS) else {
            return None;
        };
        Some(Self {
            bounds: Bounds::of(bounds)?,
            exclusive: desired.options.get(EXCLUSIVE) != Some(&Value::Bool(false)),
            baseline,
        })
    }

    /// Where the tree lies.
    pub fn top(&self) -> &HostPath {
        &self.bounds.within
    }

    /// What is said of a path.
    pub fn say(&self, path: &HostPath) -> Said<'a> {
        let top = self.top();
        if !path.is_within(top) || self.bounds.is_ignored(path) {
            return Said::Nothing;
        }
        let listed = self
            .baseline
            .and_then(|baseline| Some((baseline, baseline.manifest.find(&path.0[top.0.len()..])?)));
        match listed {
            Some((baseline, at)) => Said::Listed(baseline, at),
            None => Said::Unlisted,
        }
    }
}

/// All fields of an entry.
pub fn expected(entry: &Entry<'_>) -> Fields {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    set("type", type_word(entry.node_type).into());
    set("mode", mode_text(entry.mode));
    set("uid", Value::Int(entry.uid.into()));
    set("gid", Value::Int(entry.gid.into()));
    set("capabilities", entry.capabilities.unwrap_or(NONE).into());
    set("flags", entry.flags.into());
    set("acl", entry.acl.unwrap_or(NONE).into());
    match entry.node_type {
        NodeType::File => {
            if let Some(blob) = blob(entry) {
                set("content", Value::Blob(blob));
            }
        }
        NodeType::Symlink => set("target", entry.target.unwrap_or_default().into()),
        _ => set("default_acl", entry.default_acl.unwrap_or(NONE).into()),
    }
    fields
}

fn blob(entry: &Entry<'_>) -> Option<Blob> {
    let digest = entry.digest.parse::<Digest>().ok()?;
    let size = entry.size;
    Some(Blob { digest, size })
}

/// Whether a look, with the digest of a file, is as listed.
pub fn is_as_listed(entry: &Entry<'_>, node: &Node) -> bool {
    let list_is = |raw: &Option<Vec<u8>>, listed: Option<&str>| match (raw, listed) {
        (None, None) => true,
        (Some(raw), Some(listed)) => hex(raw) == listed,
        _ => false,
    };
    let same = node.node_type == entry.node_type
        && node.mode == entry.mode
        && node.uid == entry.uid
        && node.gid == entry.gid
        && node.capabilities.as_deref() == entry.capabilities
        && flags_text(node.immutable, node.append_only) == entry.flags
        && list_is(&node.acl, entry.acl);
    same && match entry.node_type {
        NodeType::File => {
            node.links <= entry.links
                && node.content.is_some_and(|content| {
                    content.size == entry.size && is_written_as(&content.digest, entry.digest)
                })
        }
        NodeType::Symlink => node.target.as_deref().is_some_and(|target| {
            *target == *super::manifest::raw(entry.target.unwrap_or_default())
        }),
        _ => list_is(&node.default_acl, entry.default_acl),
    }
}

/// Whether these are the digits of a digest.
fn is_written_as(digest: &Digest, digits: &str) -> bool {
    let digits = digits.as_bytes();
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    digits.len() == 64
        && digest
            .bytes()
            .iter()
            .zip(digits.chunks_exact(2))
            .all(|(byte, pair)| pair[0] == digit(byte >> 4) && pair[1] == digit(byte & 15))
}

/// Whether a listing of this resource may hold such a member, which no other resource claims; sets what is to be made of
/// it.
pub fn judge(terms: &Terms<'_>, member: &mut Member) -> bool {
    member.remedy = None;
    member.by_hand = None;
    let Some(path) = HostPath::from_address(&member.address) else {
        return terms.baseline.is_none() && packages::judge(&terms.bounds, member);
    };
    if member.kind.0 == packages::KIND {
        return false;
    }
    match terms.say(&path) {
        Said::Nothing => false,
        Said::Unlisted => {
            // Of what a package owns, only that it could not be seen is told by itself.
            let is_unseen = matches!(member.observed, Observed::NotEvaluated(_));
            (terms.exclusive && path != *terms.top() || terms.baseline.is_none() && is_unseen)
                && member.observed != Observed::Absent
        }
        Said::Listed(baseline, at) => listed(baseline, &baseline.manifest.entry(at), member),
    }
}

fn listed(baseline: &Baseline, entry: &Entry<'_>, member: &mut Member) -> bool {
    if member.kind.0 != kind_of(entry.node_type) {
        return false;
    }
    let mut fields = expected(entry);
    let mut beyond = Fields::new();
    let mut there = None;
    match &member.observed {
        Observed::NotEvaluated(_) => return true,
        Observed::Absent => {}
        Observed::Present(state) => {
            let is_directory = entry.node_type == NodeType::Directory;
            if is_directory && state.get("tree").is_some() {
                return false;
            }
            let links = state.get("links").and_then(Value::as_int).unwrap_or(1);
            let may = i64::try_from(entry.links).unwrap_or(i64::MAX);
            let is_file = entry.node_type == NodeType::File;
            let is_linked = is_file && state.get("type") == fields.get("type") && links > may;
            let differs = |(name, value): (&String, &Value)| state.fields.get(name) != Some(value);
            if !is_linked && !fields.iter().any(differs) {
                return false;
            }
            if state.get("type") == fields.get("type") {
                // What the manifest says nothing of stays: labels, and nothing else that a host may say there is.
                let labels = state.fields.get_key_value(LABELS);
                fields.extend(labels.map(|(name, value)| (name.clone(), value.clone())));
            }
            if is_linked {
                // It is put as a new file, which has one name.
                beyond.insert("links".to_owned(), Value::Int(1));
            }
            there = state.fields.get("content").and_then(Value::as_blob);
        }
    }
    member.by_hand = blob(entry)
        .filter(|blob| there != Some(*blob))
        .and_then(|blob| {
            let is_stored = blob.size == 0 || baseline.stored.binary_search(&blob.digest).is_ok();
            (!is_stored).then(|| baseline.to_be_done())
        });
    member.remedy = Some(State { fields, beyond });
    true
}

#[cfg(test)]
mod tests;
