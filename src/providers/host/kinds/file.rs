//! `File`: a regular file, or that there is nothing at its path.
//!
//! Counts: type, content, mode, owner, group, capabilities, flags, hard links, and an access list where `mode` is given.
//!
//! **Invariant:** what the manifest leaves open is never expected, but for what would give a file power that nobody
//! wrote down.

use super::{DIRECTORY, Decoding, Draft, QUIET, VALIDATE, blank, path_of, set};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{Blob, Fields, Presence, Value};
use crate::providers::host::state::{NONE, flags_text, mode_text};

/// The mode of a new file of which the manifest gives none.
const DEFAULT_MODE: u32 = 0o644;

/// Reads the spec of a `File`.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let path = path_of(spec, decoding);
    let state = spec.take("state");
    let absent = decoding.is_absent(state);
    let content = content(declared, spec, decoding);
    let mut given = content.nodes.clone();
    let mut take = |name| {
        let node = spec.take(name);
        given.extend(node);
        node
    };
    let (mode, owner, group) = (take("mode"), take("owner"), take("group"));
    let (capabilities, immutable) = (take("capabilities"), take("immutable"));
    let validate = take("validate");
    let mode = mode.and_then(|node| decoding.mode(node));
    let uid = owner.and_then(|node| decoding.user(node));
    let gid = group.and_then(|node| decoding.group(node));
    let capabilities = capabilities.and_then(|node| decoding.capabilities(node));
    let immutable = immutable.and_then(|node| node.boolean(&mut decoding.problems));
    let validate = validate.and_then(|node| decoding.validate(node));
    let sensitive = spec
        .take("sensitive")
        .and_then(|node| node.boolean(&mut decoding.problems));
    let (path, at) = path?;
    if path.0.is_empty() {
        decoding.problems.push(
            at.problem("the root is no file")
                .hint(format!("use kind: {DIRECTORY}")),
        );
        return None;
    }
    let absent = absent?;
    if absent {
        for node in given {
            decoding.problems.push(
                node.problem("a file that is absent has no such thing")
                    .hint("take this out, or take out state: absent"),
            );
        }
    }
    let mut desired = blank(declared, &path, Presence::Absent);
    desired.sensitive |= sensitive.unwrap_or(false);
    if absent {
        return Some(Draft::new(desired, path, at));
    }
    let (uid, gid) = (uid.map(i64::from), gid.map(i64::from));
    let mut expected = Fields::new();
    let mut add = |name: &str, value| set(&mut expected, name, value);
    add("type", Some("file".into()));
    add("content", content.blob.map(Value::Blob));
    add("mode", mode.map(mode_text));
    add("uid", uid.map(Value::Int));
    add("gid", gid.map(Value::Int));
    let capabilities = capabilities.unwrap_or_else(|| NONE.to_owned());
    add("capabilities", Some(Value::Text(capabilities)));
    let flags = flags_text(immutable.unwrap_or(false), false);
    add("flags", Some(flags.into()));
    // An access list can give away what the mode withholds; so can these bits where no mode is given.
    match mode {
        Some(_) => add("acl", Some(NONE.into())),
        None => add("special_bits", Some(NONE.into())),
    }
    add("links", Some(Value::Int(1)));
    desired.presence = Presence::Present(expected);
    desired.create_with = defaults(decoding);
    if validate.is_some() && desired.sensitive {
        set(&mut desired.options, QUIET, Some(Value::Bool(true)));
    }
    set(&mut desired.options, VALIDATE, validate);
    Some(Draft::new(desired, path, at))
}

/// The fields of a new file.
pub fn defaults(decoding: &mut Decoding<'_>) -> Fields {
    let (uid, gid) = decoding.creator;
    let empty = decoding.contents.keep(&b""[..]);
    let mut fields = Fields::new();
    let mut add = |name: &str, value: Value| set(&mut fields, name, Some(value));
    add("type", "file".into());
    add(
        "content",
        Value::Blob(Blob {
            digest: empty,
            size: 0,
        }),
    );
    add("mode", mode_text(DEFAULT_MODE));
    add("uid", Value::Int(uid.into()));
    add("gid", Value::Int(gid.into()));
    add("capabilities", NONE.into());
    add("flags", NONE.into());
    add("acl", NONE.into());
    fields
}

#[derive(Default)]
struct GivenContent<'a> {
    blob: Option<Blob>,
    nodes: Vec<&'a Yaml>,
}

fn content<'a>(
    declared: &Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> GivenContent<'a> {
    let inline = spec.take("content");
    let beside = spec.take("contentFrom");
    let mut given = GivenContent {
        blob: None,
        nodes: inline.into_iter().chain(beside).collect(),
    };
    let bytes = match (inline, beside) {
        (Some(_), Some(second)) => {
            decoding.problems.push(
                second
                    .problem("content is given twice")
                    .hint("keep one of content and contentFrom"),
            );
            None
        }
        (Some(node), None) => node
            .text(&mut decoding.problems)
            .map(|text| text.as_bytes().into()),
        (None, Some(node)) => decoding.side_file(declared, node),
        (None, None) => None,
    };
    if let Some(bytes) = bytes {
        let size = bytes.len() as u64;
        let digest = decoding.contents.keep(bytes);
        given.blob = Some(Blob { digest, size });
    }
    given
}
