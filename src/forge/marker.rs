//! What evenkeel writes invisibly into pull requests and comments to know them again, and how branches are named.
//!
//! Flow: [`Marker`] is the first line of a body and is read back from the forge's list; [`comment_mark`] ends a comment.
//!
//! **Invariant:** a marker only tells which pull request is which and how old it is; it never approves anything, since
//! whoever may edit the body may edit it too.

use std::fmt;

use jiff::Timestamp;

use crate::model::{Digest, TargetName};

/// Every branch that evenkeel makes starts with this.
pub const BRANCH_PREFIX: &str = "evenkeel/";

/// Every branch of a pull request that makes a live state the baseline starts with this.
pub const ADOPT_PREFIX: &str = "evenkeel/adopt-";

/// Added to the body when evenkeel itself closes a pull request, so that it is told apart from one that a person closed.
pub const CLOSED_MARK: &str = "<!-- evenkeel:closed -->";

const START: &str = "<!-- evenkeel fingerprint=";
const ADOPT_START: &str = "<!-- evenkeel adopts=";
const END: &str = " -->";
/// Hexadecimal digits in a fingerprint.
const FINGERPRINT_DIGITS: usize = 16;

/// What a pull request asks approval for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    pub fingerprint: String,
    pub group: Digest,
    pub target: TargetName,
    /// Which of the repository's baselines asks, see [`project`].
    pub project: String,
    /// When the approval in its diff expires.
    pub expires: Timestamp,
}

impl Marker {
    /// Reads the first marker of a body; none where there is none or it is damaged.
    pub fn parse(body: &str) -> Option<Self> {
        let (_, rest) = body.split_once(START)?;
        let (inside, _) = rest.split_once(END)?;
        let mut parts = inside.split(' ');
        let fingerprint = parts.next().filter(|text| is_fingerprint(text))?;
        let group = parts.next()?.strip_prefix("group=")?;
        let target = parts.next()?.strip_prefix("target=")?;
        let project = parts.next()?.strip_prefix("project=")?;
        let expires = parts.next()?.strip_prefix("expires=")?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            fingerprint: fingerprint.to_owned(),
            group: group.parse().ok()?,
            target: TargetName(target.to_owned()),
            project: project.to_owned(),
            expires: expires.parse().ok()?,
        })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{START}{} group={} target={} project={} expires={}{END}",
            self.fingerprint, self.group, self.target, self.project, self.expires
        )
    }
}

/// How a marker names a baseline by its directory relative to the top of the repository: without a character that could
/// end the marker, and never empty.
pub fn project(prefix: &str) -> String {
    let mut name = String::new();
    for byte in prefix.trim_matches('/').bytes() {
        match byte {
            b'.' | b'_' | b'/' | b'-' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            byte => name.push_str(&format!("%{byte:02X}")),
        }
    }
    match name.is_empty() {
        true => ".".to_owned(),
        false => name,
    }
}

/// The branch of the pull request that asks approval for this cause.
pub fn branch(fingerprint: &str) -> String {
    format!("{BRANCH_PREFIX}{fingerprint}")
}

/// The branch of the pull request that makes the live state of this resource the baseline.
pub fn adopt_branch(fingerprint: &str) -> String {
    format!("{ADOPT_PREFIX}{fingerprint}")
}

/// The invisible line of a pull request that adopts these resources, so that none is adopted in two at once.
pub fn adopt_mark(fingerprints: impl Iterator<Item = String>) -> String {
    let mut all: Vec<_> = fingerprints.collect();
    all.sort();
    all.dedup();
    format!("{ADOPT_START}{}{END}", all.join(" "))
}

/// The fingerprints that an [`adopt_mark`] in this body names.
pub fn adopted_in(body: &str) -> Vec<&str> {
    let inside = body
        .split_once(ADOPT_START)
        .and_then(|(_, rest)| rest.split_once(END));
    let words = inside.map_or("", |(inside, _)| inside).split(' ');
    words.filter(|word| is_fingerprint(word)).collect()
}

/// The fingerprint that a branch of ours is named after; none for any other branch, those of `adopt` included.
pub fn fingerprint_of(branch: &str) -> Option<&str> {
    branch
        .strip_prefix(BRANCH_PREFIX)
        .filter(|rest| is_fingerprint(rest))
}

/// The invisible end of a comment that is to be made once.
pub fn comment_mark(key: &str) -> String {
    format!("<!-- evenkeel:{key} -->")
}

/// Whether a key is fit for [`comment_mark`]: 1 to 100 letters, digits and `._:-`.
pub fn is_comment_key(key: &str) -> bool {
    (1..=100).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

/// Whether a path is that of an approval: it ends in `approvals/<64 hexadecimal digits>.yaml`.
pub fn approval_in_path(path: &str) -> Option<Digest> {
    let (directory, file) = path.rsplit_once('/')?;
    if directory != "approvals" && !directory.ends_with("/approvals") {
        return None;
    }
    file.strip_suffix(".yaml")?.parse().ok()
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == FINGERPRINT_DIGITS
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            fingerprint: "0123456789abcdef".into(),
            group: Digest::of(b"group"),
            target: TargetName("web-1".into()),
            project: project("ops/my -->état"),
            expires: "2026-12-01T00:00:00Z".parse().unwrap(),
        }
    }

    // Goal: a marker is read back from a body that a forge gave CRLF line ends and a person added to.
    #[test]
    fn marker_survives_the_forge() {
        let body = format!("hello\r\n{}\r\n\r\nrest -->", marker());
        assert_eq!(Marker::parse(&body), Some(marker()));
    }

    // Goal: a damaged marker is none at all, rather than half of one.
    #[test]
    fn damaged_markers_are_none() {
        let good = marker().to_string();
        for bad in [
            good.replace("group=", "group=g"),
            good.replace("0123456789abcdef", "../../main"),
            good.replace(" -->", ""),
            good.replace(" -->", " more=1 -->"),
            good.replace("2026-", "x-"),
            String::new(),
        ] {
            assert_eq!(Marker::parse(&bad), None, "{bad}");
        }
    }

    // Goal: two directories never have one name, the top of the repository among them.
    #[test]
    fn projects_are_told_apart() {
        let names = ["", "a", "a/b", "a b", "a%20b", "A"].map(project);
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert_eq!(project("/desired-state/"), "desired-state");
    }

    // Goal: what an adoption says of itself is read back, also between what a person wrote, and is no request for approval.
    #[test]
    fn adoptions_are_known() {
        let (a, b) = ("0123456789abcdef", "fedcba9876543210");
        let mark = adopt_mark([b, a, b].map(str::to_owned).into_iter());
        let body = format!("x\r\n{mark}\r\n<!-- evenkeel adopts=0000000000000000 -->");
        assert_eq!(adopted_in(&body), [a, b]);
        assert_eq!(Marker::parse(&body), None);
        assert!(adopted_in("<!-- evenkeel adopts=x ../y -->").is_empty());
        assert!(adopted_in(&marker().to_string()).is_empty());
    }

    // Goal: only branches that are exactly ours count, so that `evenkeel/adopt-…` or a person's branch is never one.
    #[test]
    fn branches_of_ours() {
        assert_eq!(
            fingerprint_of(&branch("0123456789abcdef")),
            Some("0123456789abcdef")
        );
        for other in [
            "evenkeel/adopt-0123456789abcdef",
            "evenkeel/0123456789ABCDEF",
            "evenkeel/0123456789abcdef/x",
            "main",
        ] {
            assert_eq!(fingerprint_of(other), None, "{other}");
        }
    }

    // Goal: only a file that is named like an approval, in a directory named so, is taken for one.
    #[test]
    fn approvals_are_known_by_path() {
        let digest = Digest::of(b"x");
        let path = format!("desired-state/approvals/{digest}.yaml");
        assert_eq!(approval_in_path(&path), Some(digest));
        assert_eq!(
            approval_in_path(&format!("approvals/{digest}.yaml")),
            Some(digest)
        );
        assert_eq!(
            approval_in_path(&format!("disapprovals/{digest}.yaml")),
            None
        );
        assert_eq!(approval_in_path("approvals/readme.yaml"), None);
    }
}
