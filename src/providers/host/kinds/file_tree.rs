//! `FileTree`: that a large tree is what a manifest beside the YAML says, entry by entry.
//!
//! Like `PrivilegedFiles` it stands nowhere: its address is one that no path has, and what differs is a member of its
//! listing.
//!
//! **Invariant:** a manifest with anything wrong in it is a problem of the baseline; none of it is used.

use super::{Decoding, Draft, blank, set};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{Blob, Digest, Fields, LISTS_ENTRIES, Presence, Problem, Scope, Span, Value};
use crate::providers::host::filetree::judge::EXCLUSIVE;
use crate::providers::host::filetree::manifest::{MAX_BYTES, Manifest};
use crate::providers::host::filetree::{Baseline, MANIFEST};
use crate::providers::host::glob::Globs;
use crate::providers::host::parts::address;
use crate::providers::host::risk;

/// Reads the spec of a `FileTree`, and its manifest.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let path = super::path_of(spec, decoding);
    let manifest = spec
        .require("manifest", &mut decoding.problems)
        .and_then(|node| manifest(declared, node, decoding));
    let store = spec
        .take("store")
        .and_then(|node| decoding.beside(declared, node));
    let exclusive = spec
        .take("exclusive")
        .and_then(|node| node.boolean(&mut decoding.problems))
        .unwrap_or(true);
    let ignore = ignore(spec, decoding);
    let (path, at) = path?;
    let manifest = manifest?;
    let mut desired = blank(declared, &path, Presence::Present(Fields::new()));
    desired.address = address("file-tree", &declared.id.name);
    desired.risk = risk::of(&path);
    desired.scope = Some(Scope {
        within: [path.address()].into(),
        ignore,
        ..Scope::default()
    });
    let blob = Blob {
        digest: manifest.digest(),
        size: manifest.text().len() as u64,
    };
    let options = &mut desired.options;
    set(options, MANIFEST, Some(Value::Blob(blob)));
    set(options, EXCLUSIVE, Some(Value::Bool(exclusive)));
    set(options, LISTS_ENTRIES, Some(Value::Bool(true)));
    let stored = store.as_deref().map(|store| stored(store, decoding));
    decoding.stores.extend(store.clone());
    let baseline = Baseline {
        manifest,
        stored: stored.unwrap_or_default(),
        store,
    };
    decoding.trees.add(&declared.id, baseline);
    Some(Draft::new(desired, path, at))
}

fn manifest(declared: &Declared, node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Manifest> {
    let path = decoding.beside(declared, node)?;
    let text = decoding
        .files
        .read_large(&path, MAX_BYTES)
        .map_err(|why| decoding.problems.push(node.problem(why)))
        .ok()?;
    Manifest::parse(text)
        .map_err(|bad| {
            decoding.problems.push(Problem {
                at: Some(Span {
                    file: path,
                    line: bad.line,
                    column: 1,
                }),
                message: bad.message,
                source_line: String::new(),
                hint: Some("`evenkeel manifest` writes one; it is not edited by hand".to_owned()),
            });
        })
        .ok()
}

/// The contents that a store says it has. What they are is looked at when one is needed.
fn stored(store: &str, decoding: &Decoding<'_>) -> Vec<Digest> {
    let names = decoding.files.names_in(store);
    // In the order of names, which is that of digests.
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn ignore(spec: &mut YamlFields<'_>, decoding: &mut Decoding<'_>) -> Vec<String> {
    let Some(node) = spec.take("ignore") else {
        return Vec::new();
    };
    let globs = node.texts(&mut decoding.problems).unwrap_or_default();
    if let Err((at, why)) = Globs::new(&globs) {
        let items = node.list(&mut decoding.problems).unwrap_or_default();
        let blamed = items.get(at).unwrap_or(node);
        decoding.problems.push(
            blamed
                .problem(format!("this is no glob: {why}"))
                .hint("paths relative to the tree, with *, ?, [a-z], {a,b} and **"),
        );
    }
    globs
}
