//! Lines of an `authorized_keys` file: which key each one lets in, and under which options.
//!
//! **Invariant:** no line that sshd might take for a key is passed over: what cannot be read counts as an entry of its own.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::path::escape;
use crate::model::Digest;

/// The longest file that is read, in bytes, and the most lines of it.
pub const MAX_BYTES: u64 = 1 << 20;
const MAX_LINES: usize = 10_000;
/// How much of a line that is no key is shown.
const SHOWN_BYTES: usize = 200;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One line that lets a key in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `SHA256:…`, as `ssh-keygen -l` shows it; `line:…` for what is no key.
    pub identity: String,
    /// Options, type and key, without the comment, which decides nothing.
    pub grant: String,
}

/// What a line is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// Empty, or a comment.
    Nothing,
    Key(Entry),
    /// Neither; sshd passes it over, and so a person should look at it.
    Other(Entry),
}

/// All grants of a file by identity. A key that is listed more than once has all its grants, a line each.
pub fn grants(content: &[u8]) -> BTreeMap<String, String> {
    let mut grants: BTreeMap<String, String> = BTreeMap::new();
    for (at, line) in lines(content).enumerate() {
        let entry = match parse(line) {
            _ if at >= MAX_LINES => Entry {
                identity: "too many lines".to_owned(),
                grant: format!("more than {MAX_LINES}"),
            },
            Line::Nothing => continue,
            Line::Key(entry) | Line::Other(entry) => entry,
        };
        let grant = grants.entry(entry.identity).or_default();
        if !grant.lines().any(|known| known == entry.grant) {
            if !grant.is_empty() {
                grant.push('\n');
            }
            grant.push_str(&entry.grant);
        }
        if at >= MAX_LINES {
            break;
        }
    }
    grants
}

/// The lines of a file without their ends.
pub fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n')
}

/// Reads one line.
pub fn parse(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Nothing;
    }
    if let Some(entry) = key(b"", line) {
        return Line::Key(entry);
    }
    let end = end_of_options(line);
    if let Some(entry) = key(&line[..end], line[end..].trim_ascii_start()) {
        return Line::Key(entry);
    }
    Line::Other(Entry {
        identity: format!("line:{}", Digest::of(line).short()),
        grant: escape(&line[..line.len().min(SHOWN_BYTES)]),
    })
}

/// A key's type and base64 at the beginning of `text`.
fn key(options: &[u8], text: &[u8]) -> Option<Entry> {
    let mut words = text
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let (kind, encoded) = (words.next()?, words.next()?);
    let blob = decode(encoded)?;
    let length = usize::try_from(u32::from_be_bytes(blob.get(..4)?.try_into().ok()?)).ok()?;
    if length == 0 || blob.get(4..4usize.checked_add(length)?)? != kind {
        return None;
    }
    let digest = Sha256::digest(&blob);
    let space = if options.is_empty() { "" } else { " " };
    Some(Entry {
        identity: format!("SHA256:{}", encode(&digest)),
        grant: format!(
            "{}{space}{} {}",
            escape(options),
            escape(kind),
            escape(encoded)
        ),
    })
}

/// Where the options end: at the first blank that is not between quotes.
fn end_of_options(line: &[u8]) -> usize {
    let mut quoted = false;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'\\' if line.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    at.min(line.len())
}

/// Base64 with its padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = &text[..text.len() - padding];
    for chunk in digits.chunks(4) {
        let mut word = 0_u32;
        for at in 0..4 {
            let digit = match chunk.get(at) {
                Some(byte) => ALPHABET.iter().position(|known| known == byte)?,
                None => 0,
            };
            word = word << 6 | u32::try_from(digit).ok()?;
        }
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

/// Base64 without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = 0_usize;
        for at in 0..3 {
            word = word << 8 | usize::from(chunk.get(at).copied().unwrap_or(0));
        }
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[word >> (18 - 6 * at) & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn only(line: &str) -> Entry {
        match parse(line.as_bytes()) {
            Line::Key(entry) => entry,
            other => panic!("{line}: {other:?}"),
        }
    }

    // Goal: the identity is what ssh-keygen -l prints, so that people can match it. Method: a known key and its print.
    #[test]
    fn identities_are_those_of_ssh() {
        let line = format!("ssh-ed25519 {KEY} somebody");
        let known = ssh_key::PublicKey::from_openssh(&line).unwrap();
        let print = known.fingerprint(ssh_key::HashAlg::Sha256).to_string();
        assert_eq!(only(&line).identity, print);
    }

    // Goal: options are part of what a line grants and its comment is not; quotes and blanks do not confuse.
    #[test]
    fn options_count_and_comments_do_not() {
        let plain = only(&format!("ssh-ed25519 {KEY} a"));
        assert_eq!(
            plain,
            only(&format!("  ssh-ed25519\t{KEY}  other comment \r"))
        );
        for options in [
            "cert-authority",
            "command=\"echo \\\"hi there\\\"\",no-pty",
            "from=\"10.0.0.0/8\"",
        ] {
            let entry = only(&format!("{options} ssh-ed25519 {KEY} a"));
            assert_eq!(entry.identity, plain.identity);
            let shown = options.replace('\\', "\\x5c");
            assert_eq!(entry.grant, format!("{shown} {}", plain.grant));
        }
    }

    // Goal: what is no key still counts, so that nothing can hide from an exclusive list: broken base64, a type that is
    // not the key's own, bytes that are no text.
    #[test]
    fn odd_lines_count() {
        for odd in [
            &b"hello"[..],
            b"ssh-ed25519",
            b"ssh-ed25519 AAAA",
            b"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
            b"\xff\xfe",
            b"command=\"x ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        ] {
            assert!(matches!(parse(odd), Line::Other(_)), "{odd:?}");
            assert_eq!(grants(odd).len(), 1);
        }
        assert_eq!(grants(b"# ssh-rsa x\n\n  \t\n"), BTreeMap::new());
    }

    // Goal: a second line that lets the same key in without its restrictions is seen, a mere repetition is not.
    #[test]
    fn second_grants_are_seen() {
        let one = format!("restrict ssh-ed25519 {KEY}\n");
        let two = format!("{one}ssh-ed25519 {KEY}\n");
        assert_eq!(grants(one.as_bytes()), grants(one.repeat(2).as_bytes()));
        assert_ne!(grants(one.as_bytes()), grants(two.as_bytes()));
        assert_eq!(grants(two.as_bytes()).len(), 1);
    }

    // Goal: a file of a million lines gives a bounded answer that is not the one of its beginning.
    #[test]
    fn endless_files_are_bounded() {
        let long = "x\n".repeat(1_000_000);
        assert_eq!(grants(long.as_bytes()).len(), 2);
    }
}
