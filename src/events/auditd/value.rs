//! Values of audit fields: quoted, in hex, or bare.
//!
//! The kernel and libaudit write a text that others chose (a command, a file's name, an account) in quotes when it is plain,
//! and in hex when it holds a quote, a blank or a control character.

/// Fields whose bare value may be hex.
const ENCODED: [&str; 22] = [
    "acct",
    "cgroup",
    "cmd",
    "cmdline",
    "comm",
    "cwd",
    "data",
    "device",
    "dir",
    "exe",
    "file",
    "grp",
    "key",
    "name",
    "new_group",
    "ocomm",
    "old_dir",
    "path",
    "proctitle",
    "root_dir",
    "vm",
    "watch",
];

pub(super) fn may_be_encoded(kind: &str, key: &str) -> bool {
    ENCODED.binary_search(&key).is_ok() || (kind == "EXECVE" && is_argument(key))
}

/// `a0`, and `a0[1]` for a piece of a long one.
fn is_argument(key: &str) -> bool {
    key.strip_prefix('a').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.ends_with("_len")
    })
}

/// The bytes that a text of hex digits stands for; none where it is not that.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// A bare value of a field that may be in hex. What has no reason to be in hex (a plain text would be quoted) stays as it is:
/// so `name=cafe` is not taken for two bytes. A piece of a cut argument may be plain and in hex all the same.
pub(super) fn decode(key: &str, bare: &str) -> String {
    let Some(bytes) = unhex(bare) else {
        return bare.to_owned();
    };
    let unplain = |byte: &u8| *byte == b'"' || *byte < 0x21 || *byte > 0x7e;
    if key != "data" && !key.ends_with(']') && !bytes.iter().any(unplain) {
        return bare.to_owned();
    }
    text(&bytes)
}

/// As text: what is no UTF-8 becomes U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the list is searched by halving; out of order it would leave fields in hex.
    #[test]
    fn the_list_is_sorted() {
        assert!(ENCODED.is_sorted());
    }

    // Goal: hex stays hex where the writer would have quoted, and is read where it would not.
    #[test]
    fn hex_is_read_only_where_it_was_needed() {
        assert_eq!(decode("exe", "2F746D702F6120622F6D"), "/tmp/a b/m");
        assert_eq!(decode("name", "cafe"), "\u{fffd}\u{fffd}");
        assert_eq!(decode("name", "6162"), "6162");
        assert_eq!(decode("a1[0]", "6162"), "ab");
        assert_eq!(decode("name", "(null)"), "(null)");
        assert_eq!(decode("data", "6C730D"), "ls\r");
    }

    // Goal: a system call's a0 is a number in hex, an EXECVE's a text.
    #[test]
    fn arguments_are_texts_only_in_execve() {
        assert!(may_be_encoded("EXECVE", "a12"));
        assert!(may_be_encoded("EXECVE", "a1[3]"));
        assert!(!may_be_encoded("EXECVE", "a1_len"));
        assert!(!may_be_encoded("EXECVE", "argc"));
        assert!(!may_be_encoded("SYSCALL", "a0"));
    }
}
