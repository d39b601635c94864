//! `Directory`: that a directory is there, and with `exclusive: true` that git lists all it holds.
//!
//! Counts: type, mode, owner, group, flags, and both access lists where `mode` is given.
//!
//! **Invariant:** what a directory holds is judged by its listing or by other resources, never by its own state.

use super::{Decoding, Draft, blank, path_of, set};
use crate::document::{Declared, Fields as YamlFields};
use crate::model::{Fields, Presence, Scope, Value};
use crate::providers::host::glob::Globs;
use crate::providers::host::state::{NONE, mode_text};

/// The mode of a new directory of which the manifest gives none.
const DEFAULT_MODE: u32 = 0o755;

/// Reads the spec of a `Directory`.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let path = path_of(spec, decoding);
    let mode = spec.take("mode").and_then(|node| decoding.mode(node));
    let uid = spec.take("owner").and_then(|node| decoding.user(node));
    let gid = spec.take("group").and_then(|node| decoding.group(node));
    let exclusive = spec
        .take("exclusive")
        .and_then(|node| node.boolean(&mut decoding.problems))
        .unwrap_or(false);
    let ignore = ignore(spec, exclusive, decoding);
    let (path, at) = path?;
    let mut expected = Fields::new();
    let mut add = |name: &str, value| set(&mut expected, name, value);
    add("type", Some("directory".into()));
    add("mode", mode.map(mode_text));
    add("uid", uid.map(|id| Value::Int(id.into())));
    add("gid", gid.map(|id| Value::Int(id.into())));
    add("flags", Some(NONE.into()));
    if mode.is_some() {
        add("acl", Some(NONE.into()));
        add("default_acl", Some(NONE.into()));
    }
    let mut desired = blank(declared, &path, Presence::Present(expected));
    desired.create_with = defaults(decoding, DEFAULT_MODE);
    desired.scope = exclusive.then(|| Scope {
        ignore,
        ..Scope::default()
    });
    Some(Draft::new(desired, path, at))
}

/// The fields of a new directory.
pub fn defaults(decoding: &Decoding<'_>, mode: u32) -> Fields {
    let (uid, gid) = decoding.creator;
    let mut fields = Fields::new();
    let mut add = |name: &str, value: Value| set(&mut fields, name, Some(value));
    add("type", "directory".into());
    add("mode", mode_text(mode));
    add("uid", Value::Int(uid.into()));
    add("gid", Value::Int(gid.into()));
    for name in ["capabilities", "flags", "acl", "default_acl"] {
        add(name, NONE.into());
    }
    fields
}

fn ignore(spec: &mut YamlFields<'_>, exclusive: bool, decoding: &mut Decoding<'_>) -> Vec<String> {
    let Some(node) = spec.take("ignore") else {
        return Vec::new();
    };
    let globs = node.texts(&mut decoding.problems).unwrap_or_default();
    if !exclusive {
        decoding.problems.push(
            node.problem("`ignore` without `exclusive: true` has no effect")
                .hint("add exclusive: true, or take this out"),
        );
    }
    if let Err((at, why)) = Globs::new(&globs) {
        let items = node.list(&mut decoding.problems).unwrap_or_default();
        let blamed = items.get(at).unwrap_or(node);
        decoding.problems.push(
            blamed
                .problem(format!("this is no glob: {why}"))
                .hint("paths relative to the directory, with *, ?, [a-z], {a,b} and **"),
        );
    }
    globs
}
