//! Names that go into request paths: checked, then percent-encoded.
//!
//! **Invariant:** no name reaches a path that could leave its place there (`..`, an empty part, a control character).

/// Whether this is `owner/name`.
pub(super) fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=100).contains(&part.len())
            && part != "."
            && part != ".."
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    matches!(text.split_once('/'), Some((owner, name)) if is_part(owner) && is_part(name))
}

/// Whether git takes this for the name of a branch, and it is one of moderate length.
pub(super) fn is_branch(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.ends_with(".lock")
    };
    text.len() <= 200
        && !text.starts_with('-')
        && text.split('/').all(is_part)
        && !text.contains("..")
        && !text.contains("@{")
        && text
            .chars()
            .all(|c| !c.is_control() && !" ~^:?*[\\".contains(c))
}

/// Whether this is the path of a file below the top of a repository, outside of git's own directory.
pub(super) fn is_path(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git")
    };
    text.len() <= 1024
        && text.split('/').all(is_part)
        && text.chars().all(|c| !c.is_control() && c != '\\')
}

/// Percent-encodes a path, its slashes left as they are.
pub(super) fn encode_path(path: &str) -> String {
    encode(path, b"/")
}

/// Percent-encodes one value of a query.
pub(super) fn encode_value(value: &str) -> String {
    encode(value, b"")
}

fn encode(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: nothing that could turn a request into another one passes for a name.
    #[test]
    fn names_stay_in_their_place() {
        assert!(is_repository("o/r.git-x") && is_branch("evenkeel/0123") && is_path("a/b c.yaml"));
        for bad in ["o", "o/r/x", "../r", "o/..", "o/r?x", "o /r", "/r"] {
            assert!(!is_repository(bad), "{bad}");
        }
        for bad in [
            "a..b", "a//b", "/a", "a/", "a b", "a:b", "a\n", "a.lock", ".a", "-a", "@{x",
        ] {
            assert!(!is_branch(bad), "{bad}");
        }
        for bad in [
            "../a",
            "a/../b",
            "/a",
            "a//b",
            "a\0",
            ".git/config",
            "a/.GIT/x",
            "a\\b",
        ] {
            assert!(!is_path(bad), "{bad}");
        }
        assert_eq!(encode_path("a b/ü?#.yaml"), "a%20b/%C3%BC%3F%23.yaml");
        assert_eq!(encode_value("o:a/b"), "o%3Aa%2Fb");
    }
}
