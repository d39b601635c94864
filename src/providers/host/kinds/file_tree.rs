//! `FileTree`: that a large tree is what a manifest beside the YAML says, entry by entry, or what dpkg says of it.
//!
//! Like `PrivilegedFiles` it stands nowhere: its address is one that no path has, and what differs is a member of its
//! listing.
//!
//! **Invariant:** a manifest with anything wrong in it is a problem of the baseline; none of it is used.

use std::collections::BTreeSet;

use super::{Decoding, Draft, blank, set};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Blob, Digest, Fields, LISTS_ENTRIES, Presence, Problem, Risk, RiskLevel, Scope, Span,
    Value,
};
use crate::providers::host::filetree::judge::EXCLUSIVE;
use crate::providers::host::filetree::manifest::{MAX_BYTES, Manifest};
use crate::providers::host::filetree::{AGAINST, Baseline, MANIFEST};
use crate::providers::host::glob::Globs;
use crate::providers::host::parts::{address, package};
use crate::providers::host::risk;

/// Why a tree that is held against dpkg is dangerous to change.
const RISK: &str = "installs packages anew, among them what evenkeel comes in by or acts with";

/// Reads the spec of a `FileTree`, and its manifest.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let at = spec.node();
    let path = super::path_of(spec, decoding);
    let against = against(at, declared, spec, decoding);
    let exclusive = spec
        .take("exclusive")
        .and_then(|node| node.boolean(&mut decoding.problems))
        .unwrap_or(true);
    let ignore = ignore(spec, decoding);
    let (path, at) = path?;
    let mut desired = blank(declared, &path, Presence::Present(Fields::new()));
    desired.address = address("file-tree", &declared.id.name);
    desired.risk = risk::of(&path);
    let mut within = BTreeSet::from([path.address()]);
    let options = &mut desired.options;
    set(options, EXCLUSIVE, Some(Value::Bool(exclusive)));
    set(options, LISTS_ENTRIES, Some(Value::Bool(true)));
    match against? {
        Against::Dpkg => {
            set(options, AGAINST, Some("dpkg".into()));
            within.insert(Address(format!("//{}", package::PLACE)));
            desired.risk = Risk::new(RiskLevel::High, RISK);
        }
        Against::Manifest(baseline) => {
            let blob = Blob {
                digest: baseline.manifest.digest(),
                size: baseline.manifest.text().len() as u64,
            };
            set(options, MANIFEST, Some(Value::Blob(blob)));
            decoding.stores.extend(baseline.store.clone());
            decoding.trees.add(&declared.id, baseline);
        }
    }
    desired.scope = Some(Scope {
        within,
        ignore,
        ..Scope::default()
    });
    Some(Draft::new(desired, path, at))
}

/// What a tree is held against.
enum Against {
    Manifest(Baseline),
    Dpkg,
}

fn against(
    at: &Yaml,
    declared: &Declared,
    spec: &mut YamlFields<'_>,
    decoding: &mut Decoding<'_>,
) -> Option<Against> {
    let manifest = spec.take("manifest");
    let store = spec.take("store");
    let Some(against) = spec.take("against") else {
        let Some(node) = manifest else {
            decoding.problems.push(
                at.problem("`manifest` or `against` is missing")
                    .hint("name a manifest beside this file, or write against: dpkg"),
            );
            return None;
        };
        let manifest = self::manifest(declared, node, decoding);
        let store = store.and_then(|node| decoding.beside(declared, node));
        let stored = store.as_deref().map(|store| stored(store, decoding));
        return Some(Against::Manifest(Baseline {
            manifest: manifest?,
            stored: stored.unwrap_or_default(),
            store,
        }));
    };
    if let Some(node) = manifest.or(store) {
        decoding.problems.push(
            node.problem("a tree is held against a manifest or against dpkg, not both")
                .hint(
                    "two trees of one place are an error too; keep the manifest where there is one",
                ),
        );
        return None;
    }
    match against.text(&mut decoding.problems)? {
        "dpkg" => Some(Against::Dpkg),
        other => {
            let message = format!("\"{}\" is nothing that knows a tree", other.escape_debug());
            let problem = against.problem(message).hint("write against: dpkg");
            decoding.problems.push(problem);
            None
        }
    }
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
