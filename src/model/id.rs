//! Names of targets, resources, places and runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a target in `evenkeel.yaml`: lower-case letters, digits, `-` and `.`, at most 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetName(pub String);

/// The kind of a resource, as in its document: `File`, `Directory`, later `apps/v1/Deployment`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub String);

/// One resource: the target it is on, its kind and its name. Shown as `target/Kind/name`.
///
/// A resource that git lists is named by its `metadata.name`; an `Extra` one, which has no such name, by its address,
/// which always starts with `/` and so never collides with a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ResourceId {
    pub target: TargetName,
    pub kind: Kind,
    pub name: String,
}

/// Where a resource lives inside its target, in the provider's canonical form: `/`-separated, starting with `/`.
///
/// For hosts this is the path below the root, in which control characters, backslashes and bytes that are no UTF-8 are
/// written `\xNN`, so that an address is always printable text and never ambiguous. Addresses form a tree: what lies
/// below another is what starts with it and a `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(pub String);

/// The id of one run of `reconcile`, `undo` or `drill`: its start in UTC and a random suffix, sortable by time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

/// The text is not `[target/]Kind/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a resource is written target/Kind/name, such as web-1/File/motd")]
pub struct IdParseError;

/// How many targets are named one by one in a sentence.
const MAX_NAMED: usize = 5;

impl TargetName {
    /// These targets in a sentence: `target web-1`, `targets web-1, web-2 and 3 more`.
    pub fn several<'a>(targets: impl ExactSizeIterator<Item = &'a Self>) -> String {
        let count = targets.len();
        let shown: Vec<_> = targets
            .take(MAX_NAMED)
            .map(|name| name.0.as_str())
            .collect();
        let more = match count.saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("target{plural} {}{more}", shown.join(", "))
    }
}

impl ResourceId {
    /// Makes an id from its three parts.
    pub fn new(target: &TargetName, kind: &str, name: impl Into<String>) -> Self {
        Self {
            target: target.clone(),
            kind: Kind(kind.to_owned()),
            name: name.into(),
        }
    }

    /// The id without its target: `Kind/name`.
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Whether a person's words mean this resource: `name`, `Kind/name`, `target/Kind/name` or, for an extra one, its address.
    pub fn is_meant_by(&self, words: &str) -> bool {
        words == self.name || words == self.short() || words == self.to_string()
    }
}

impl Address {
    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Address) -> bool {
        self == other || self.is_below(other)
    }

    /// Whether `self` lies strictly below `other`.
    pub fn is_below(&self, other: &Address) -> bool {
        match self.0.strip_prefix(other.0.trim_end_matches('/')) {
            Some(rest) => rest.starts_with('/') && rest.len() > 1,
            None => false,
        }
    }

    /// The address one level up, or none for the top.
    pub fn parent(&self) -> Option<Address> {
        let at = self.0.rfind('/')?;
        match (at, self.0.len()) {
            (_, 1) => None,
            (0, _) => Some(Address("/".into())),
            _ => Some(Address(self.0[..at].to_owned())),
        }
    }

    /// The last part of the address, empty for the top.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The address of a child.
    pub fn join(&self, leaf: &str) -> Address {
        Address(format!("{}/{leaf}", self.0.trim_end_matches('/')))
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.target, self.kind, self.name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ResourceId {
    type Err = IdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(target), Some(kind), Some(name))
                if !target.is_empty() && !kind.is_empty() && !name.is_empty() =>
            {
                Ok(Self::new(&TargetName(target.into()), kind, name))
            }
            _ => Err(IdParseError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address(text.into())
    }

    // Goal: "below" follows whole parts, so /etc/cron.d does not contain /etc/cron.daily.
    #[test]
    fn below_means_whole_parts() {
        assert!(address("/etc/cron.d/x").is_below(&address("/etc/cron.d")));
        assert!(!address("/etc/cron.daily").is_below(&address("/etc/cron.d")));
        assert!(address("/etc").is_below(&address("/")));
        assert!(!address("/etc").is_below(&address("/etc")));
        assert!(address("/etc").is_within(&address("/etc")));
    }

    // Goal: walking up ends at the top, once.
    #[test]
    fn parents_end_at_the_top() {
        assert_eq!(address("/a/b").parent(), Some(address("/a")));
        assert_eq!(address("/a").parent(), Some(address("/")));
        assert_eq!(address("/").parent(), None);
        assert_eq!(address("/").join("a"), address("/a"));
    }

    // Goal: an extra resource, named by its address, survives its text form.
    #[test]
    fn resource_text_round_trips() {
        let id = ResourceId::new(&TargetName("web-1".into()), "File", "/etc/cron.d/x");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("File/x".parse::<ResourceId>().is_err());
    }
}
