//! `Symlink`: a symbolic link with its target, or that there is nothing at its path.
//!
//! Counts: type, target, owner and group.
//!
//! **Invariant:** the target is text that is compared and written, and never followed.

use super::{Decoding, Draft, blank, path_of, set};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{Fields, Presence, Value};
use crate::providers::host::path::{escape, unescape};
use crate::providers::host::state::{NONE, mode_text};

const MAX_TARGET_BYTES: usize = 4095;

/// Reads the spec of a `Symlink`.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let path = path_of(spec, decoding);
    let state = spec.take("state");
    let absent = decoding.is_absent(state);
    let mut given = Vec::new();
    let mut take = |name| {
        let node = spec.take(name);
        given.extend(node);
        node
    };
    let (target, owner, group) = (take("target"), take("owner"), take("group"));
    let target_text = target.and_then(|node| target_of(node, decoding));
    let uid = owner.and_then(|node| decoding.user(node));
    let gid = group.and_then(|node| decoding.group(node));
    let (path, at) = path?;
    if path.0.is_empty() {
        decoding.problems.push(at.problem("the root is no link"));
        return None;
    }
    if absent? {
        for node in given {
            decoding.problems.push(
                node.problem("a link that is absent has no such thing")
                    .hint("take this out, or take out state: absent"),
            );
        }
        let desired = blank(declared, &path, Presence::Absent);
        return Some(Draft::new(desired, path, at));
    }
    if target.is_none() {
        decoding
            .problems
            .push(spec.node().problem("`target` is missing"));
    }
    let mut expected = Fields::new();
    let mut add = |name: &str, value| set(&mut expected, name, value);
    add("type", Some("symlink".into()));
    add("target", Some(Value::Text(target_text?)));
    add("uid", uid.map(|id| Value::Int(id.into())));
    add("gid", gid.map(|id| Value::Int(id.into())));
    let mut desired = blank(declared, &path, Presence::Present(expected));
    desired.create_with = defaults(decoding);
    Some(Draft::new(desired, path, at))
}

fn defaults(decoding: &Decoding<'_>) -> Fields {
    let (uid, gid) = decoding.creator;
    let mut fields = Fields::new();
    let mut add = |name: &str, value: Value| set(&mut fields, name, Some(value));
    add("type", "symlink".into());
    // Links have no permissions of their own.
    add("mode", mode_text(0o777));
    add("uid", Value::Int(uid.into()));
    add("gid", Value::Int(gid.into()));
    for name in ["capabilities", "flags", "acl"] {
        add(name, NONE.into());
    }
    fields
}

/// A target in its escaped form.
fn target_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<String> {
    let text = node.text(&mut decoding.problems)?;
    let bytes = unescape(text).filter(|bytes| {
        !bytes.is_empty() && bytes.len() <= MAX_TARGET_BYTES && !bytes.contains(&0)
    });
    if bytes.is_none() {
        decoding.problems.push(
            node.problem("this is no target of a link")
                .hint("1 to 4095 bytes without NUL, a backslash as \\x5c"),
        );
    }
    bytes.map(|bytes| escape(&bytes))
}
