//! Paths below the root: raw names, their printable addresses, and what people write in manifests.
//!
//! Flow: manifest text → [`parse`] → [`HostPath`] ↔ [`Address`].
//!
//! **Invariant:** an address is printable and names exactly one path; no path leaves the root.

use std::fmt::Write as _;

use super::fs::HostPath;
use crate::model::Address;

/// The longest path in bytes, and the longest name, as Linux has them.
const MAX_PATH_BYTES: usize = 4095;
const MAX_NAME_BYTES: usize = 255;
/// The deepest path that is looked at.
pub const MAX_DEPTH: usize = 128;

/// What is wrong with a path, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPath {
    pub message: String,
    pub hint: &'static str,
}

impl HostPath {
    /// The printable address: control characters, backslashes, invisible characters and bytes that are no UTF-8 are
    /// written `\xNN`.
    pub fn address(&self) -> Address {
        if self.0.is_empty() {
            return Address("/".into());
        }
        let mut text = String::new();
        for name in &self.0 {
            text.push('/');
            escape_into(&mut text, name);
        }
        Address(text)
    }

    /// The path of an address, or none where it is no address of a path.
    pub fn from_address(address: &Address) -> Option<Self> {
        parse(&address.0).ok()
    }

    /// The path of a child.
    pub fn join(&self, name: &[u8]) -> Self {
        let mut names = Vec::with_capacity(self.0.len() + 1);
        names.extend_from_slice(&self.0);
        names.push(name.to_vec());
        Self(names)
    }

    /// The directory that holds it and its name there; none for the root.
    pub fn split(&self) -> Option<(HostPath, &[u8])> {
        let (name, parent) = self.0.split_last()?;
        Some((Self(parent.to_vec()), name))
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The names joined by `/`, without one at the start; `.` for the root.
    pub fn relative(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return b".".to_vec();
        }
        self.0.join(&b'/')
    }
}

/// Whether a character would be invisible or would rearrange the line it is in.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn escape_into(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || is_unprintable(c) {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// Bytes as printable, unambiguous text.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    escape_into(&mut text, bytes);
    text
}

/// The bytes of escaped text, or none where a backslash does not begin `\xNN`.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        if *byte != b'\\' {
            bytes.push(*byte);
            rest = tail;
            continue;
        }
        let [b'x', high, low, ..] = tail else {
            return None;
        };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = &tail[3..];
    }
    Some(bytes)
}

/// Reads a path as it is written in a manifest, or an address.
///
/// # Errors
/// It is not absolute, has `.`, `..`, empty parts or control characters, or is longer or deeper than the bounds.
pub fn parse(text: &str) -> Result<HostPath, BadPath> {
    let bad = |message: &str, hint| {
        Err(BadPath {
            message: message.to_owned(),
            hint,
        })
    };
    if text.chars().any(char::is_control) {
        return bad(
            "the path has a control character",
            "write such a byte as \\xNN, if it really is part of the name",
        );
    }
    let Some(rest) = text.strip_prefix('/') else {
        return bad(
            "the path is not absolute",
            "paths start at the target's root, with /",
        );
    };
    if text.len() > 4 * MAX_PATH_BYTES {
        return bad("the path is too long", "a path has at most 4095 bytes");
    }
    if rest.is_empty() {
        return Ok(HostPath::default());
    }
    let mut names = Vec::new();
    for part in rest.split('/') {
        let Some(name) = unescape(part) else {
            return bad(
                "the path has a backslash that does not begin \\xNN",
                "write a backslash in a name as \\x5c",
            );
        };
        match name.as_slice() {
            b"" => {
                return bad(
                    "the path has an empty part",
                    "leave out double slashes and the one at the end",
                );
            }
            b"." | b".." => {
                return bad(
                    "the path has a part that is . or ..",
                    "name the real path; it may not leave the root",
                );
            }
            name if name.contains(&0) || name.contains(&b'/') => {
                return bad(
                    "the path has a byte that no name can have",
                    "take out \\x00 and \\x2f",
                );
            }
            name if name.len() > MAX_NAME_BYTES => {
                return bad(
                    "the path has a name that is too long",
                    "a name has at most 255 bytes",
                );
            }
            _ => names.push(name),
        }
    }
    let bytes: usize = names.iter().map(|name| name.len() + 1).sum();
    if bytes > MAX_PATH_BYTES {
        return bad("the path is too long", "a path has at most 4095 bytes");
    }
    if names.len() > MAX_DEPTH {
        return bad("the path is too deep", "a path has at most 128 parts");
    }
    Ok(HostPath(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: any name, however hostile, has an address that is printable and leads back to the same name.
    #[test]
    fn addresses_round_trip() {
        for name in [
            &b"motd"[..],
            b"a\\b",
            b"a\\x41",
            b"\xff\xfe",
            b"line\nbreak\x1b[31m",
            "caf\u{e9}".as_bytes(),
            "evil\u{202e}txt.exe".as_bytes(),
            "\u{200b}".as_bytes(),
            b" ",
        ] {
            let path = HostPath(vec![b"etc".to_vec(), name.to_vec()]);
            let address = path.address();
            assert!(!address.0.chars().any(is_unprintable), "{address:?}");
            assert_eq!(HostPath::from_address(&address), Some(path));
        }
        assert_eq!(HostPath::default().address().0, "/");
    }

    // Goal: no two names share an address: one that spells an escape is not the byte it spells.
    #[test]
    fn addresses_are_unambiguous() {
        let spelled = HostPath(vec![b"\\x0a".to_vec()]).address();
        let real = HostPath(vec![b"\n".to_vec()]).address();
        assert_ne!(spelled, real);
    }

    // Goal: what would leave the root, or could not be a name, is refused with a hint.
    #[test]
    fn hostile_paths_are_refused() {
        let long = format!("/{}", "a".repeat(256));
        let deep = "/a".repeat(129);
        let longer = format!("/{}", "abcdefgh/".repeat(600));
        for text in [
            "",
            "etc/motd",
            "/etc/../..",
            "/./a",
            "//a",
            "/a/",
            "/a\0",
            "/a\n",
            "/a\\b",
            "/a\\x00",
            "/a\\x2fb",
            "/\\x2e\\x2e/etc",
            &long,
            &deep,
            &longer,
        ] {
            let bad = parse(text).expect_err(text);
            assert!(!bad.hint.is_empty());
        }
        assert_eq!(parse("/"), Ok(HostPath::default()));
        assert_eq!(parse("/etc/motd").unwrap().address().0, "/etc/motd");
    }
}
