//! `PrivilegedFiles`: all setuid, setgid and capability files below some places. Any other is `Extra`, and loses its power.
//!
//! The resource itself stands nowhere: its address `//privileged-files/NAME` is one that no path has, so that it neither
//! collides with a resource nor explains anything to an exclusive directory.
//!
//! **Invariant:** an allowed file may be missing or powerless; only power that nobody wrote down counts.

use super::{Decoding, Draft, blank, set};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
use crate::model::{Address, Fields, Presence, Risk, RiskLevel, Scope, Value};
use crate::providers::host::fs::HostPath;
use crate::providers::host::glob::Globs;
use crate::providers::host::state::{NONE, mode_text};

/// The option that holds what allowed files have to be like, by address.
pub const ALLOW: &str = "allow";

/// Reads the spec of a `PrivilegedFiles`.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let at = spec.node();
    let places = spec
        .require("paths", &mut decoding.problems)
        .and_then(|node| places(node, decoding));
    let mut allow = Fields::new();
    let mut plain = Vec::new();
    if let Some(node) = spec.take("allow") {
        for item in node.list(&mut decoding.problems).unwrap_or_default() {
            let Some((path, wanted)) = allowed(item, decoding) else {
                continue;
            };
            let address = path.address();
            let known = plain.contains(&address) || allow.contains_key(&address.0);
            if known {
                let message = format!("{address} is listed twice");
                decoding.problems.push(item.problem(message));
            }
            match wanted {
                Some(wanted) => set(&mut allow, &address.0, Some(wanted)),
                None => plain.push(address),
            }
        }
    }
    let ignore = ignore(spec, decoding);
    let address = Address(format!("//privileged-files/{}", declared.id.name));
    let nowhere = HostPath::default();
    let mut desired = blank(declared, &nowhere, Presence::Present(Fields::new()));
    desired.address = address;
    desired.risk = Risk::new(RiskLevel::High, "gives power to whoever runs it");
    desired.scope = Some(Scope {
        within: places?.iter().map(HostPath::address).collect(),
        ignore,
        allow: plain.into_iter().collect(),
    });
    set(&mut desired.options, ALLOW, Some(Value::Map(allow)));
    Some(Draft::new(desired, nowhere, at))
}

fn places(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Vec<HostPath>> {
    let items = node.list(&mut decoding.problems)?;
    let places: Vec<_> = items
        .iter()
        .filter_map(|item| decoding.path(item))
        .collect();
    if items.is_empty() {
        decoding.problems.push(
            node.problem("no place is given")
                .hint("list where to look, such as /usr and /opt"),
        );
    }
    (!places.is_empty()).then_some(places)
}

/// One allowed file, and what it has to be like where that is said.
fn allowed(item: &Yaml, decoding: &mut Decoding<'_>) -> Option<(HostPath, Option<Value>)> {
    if !matches!(item.value, YamlValue::Map(_)) {
        return decoding.path(item).map(|path| (path, None));
    }
    let mut fields = item.fields(&mut decoding.problems)?;
    let path = fields
        .require("path", &mut decoding.problems)
        .and_then(|node| decoding.path(node));
    let mode = fields.take("mode").and_then(|node| decoding.mode(node));
    let uid = fields.take("owner").and_then(|node| decoding.user(node));
    let gid = fields.take("group").and_then(|node| decoding.group(node));
    let capabilities = fields
        .take("capabilities")
        .and_then(|node| decoding.capabilities(node));
    fields.finish(&mut decoding.problems);
    let mut wanted = Fields::new();
    set(&mut wanted, "mode", mode.map(mode_text));
    set(&mut wanted, "uid", uid.map(|id| Value::Int(id.into())));
    set(&mut wanted, "gid", gid.map(|id| Value::Int(id.into())));
    // A file that is allowed one sort of power is not thereby allowed the other.
    let capabilities = capabilities.unwrap_or_else(|| NONE.to_owned());
    set(&mut wanted, "capabilities", Some(Value::Text(capabilities)));
    Some((path?, Some(Value::Map(wanted))))
}

/// The globs of whole paths that a listing leaves alone.
pub fn ignore(spec: &mut YamlFields<'_>, decoding: &mut Decoding<'_>) -> Vec<String> {
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
                .hint("whole paths, with *, ?, [a-z], {a,b} and **"),
        );
    }
    globs
}
