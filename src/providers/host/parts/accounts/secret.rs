//! Passwords of accounts and groups: what a state says of them, and never what they are.
//!
//! **Invariant:** what could be a hash is a [`Value::Blob`]; only marks that no password can match are told as they are.

use std::sync::Arc;

use crate::model::{Blob, Contents, Digest, Value};
use crate::providers::host::path::{escape, unescape};

/// No password matches.
pub const LOCKED: &str = "locked";
/// There is one.
pub const SET: &str = "set";
/// None is asked for.
pub const EMPTY: &str = "empty";

/// Says that the password is in the shadow file.
pub const SHADOWED: &str = "x";
/// What a new account or group has for a password.
pub const LOCK: &str = "!";

/// The longest mark that is told as it is.
const MAX_MARK: usize = 4;

/// A password field as a value; what may be a hash goes into `keep`.
pub fn value(field: &[u8], keep: &mut Contents) -> Value {
    if is_mark(field) {
        return Value::Text(escape(field));
    }
    keep.keep(field);
    Value::Blob(Blob::of(field))
}

/// Whether no hash looks like this.
pub fn is_mark(field: &[u8]) -> bool {
    field.len() <= MAX_MARK && field.iter().all(|byte| b"!*x".contains(byte))
}

/// The field of a value; none where its content is nowhere kept.
pub fn field(value: &Value, find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>) -> Option<Vec<u8>> {
    match value {
        Value::Text(mark) => unescape(mark),
        Value::Blob(blob) => find(&blob.digest).map(|bytes| bytes.to_vec()),
        _ => None,
    }
}

/// What a field lets in. One that cannot be told counts as a password, so that none is missed.
fn of_field(field: &[u8]) -> &'static str {
    match field.first() {
        None => EMPTY,
        Some(b'!' | b'*') => LOCKED,
        Some(b'x') if field.len() == 1 => LOCKED,
        Some(_) => SET,
    }
}

/// What the two places of an account's password let in together: the one that lets in more.
pub fn of_account(in_passwd: &[u8], in_shadow: Option<&[u8]>) -> &'static str {
    let shadow = in_shadow.map_or(LOCKED, of_field);
    let passwd = match in_passwd {
        b"x" => LOCKED,
        other => of_field(other),
    };
    [EMPTY, SET]
        .into_iter()
        .find(|word| [shadow, passwd].contains(word))
        .unwrap_or(LOCKED)
}

/// The same for a group, where an empty password lets nobody in.
pub fn of_group(in_group: &[u8], in_gshadow: Option<&[u8]>) -> &'static str {
    let of = |field: &[u8]| of_field(field) == SET;
    let is_set = of(in_group) || in_gshadow.is_some_and(of);
    if is_set { SET } else { LOCKED }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: an account without a password is never taken for a locked one, wherever the hole is.
    #[test]
    fn the_weaker_place_counts() {
        let word = |passwd: &str, shadow: Option<&str>| {
            of_account(passwd.as_bytes(), shadow.map(str::as_bytes))
        };
        assert_eq!(word("x", Some("!")), LOCKED);
        assert_eq!(word("x", Some("!$6$a$b")), LOCKED);
        assert_eq!(word("x", Some("*")), LOCKED);
        assert_eq!(word("x", None), LOCKED);
        assert_eq!(word("x", Some("$6$a$b")), SET);
        assert_eq!(word("$1$a$b", Some("!")), SET);
        assert_eq!(word("x", Some("")), EMPTY);
        assert_eq!(word("", Some("!")), EMPTY);
        assert_eq!(word("*", Some("$6$a$b")), SET);
        assert_eq!(of_group(b"x", Some(b"")), LOCKED);
        assert_eq!(of_group(b"x", Some(b"$6$a$b")), SET);
    }

    // Goal: nothing that could be a hash, not even an old or a locked one, is told as text.
    #[test]
    fn hashes_are_contents() {
        let mut keep = Contents::default();
        for hash in ["$6$a$b", "!$y$j9T$x", "ab.cdefghijkl", "abc", "!!!!!"] {
            assert!(value(hash.as_bytes(), &mut keep).as_blob().is_some());
        }
        for mark in ["", "!", "*", "!*", "!!", "x"] {
            assert_eq!(value(mark.as_bytes(), &mut keep), Value::text(mark));
        }
    }
}
