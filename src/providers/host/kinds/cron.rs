//! `Cron`: all that is started by the clock: crontabs of the system and of users, the `cron.*` folders, `at` and systemd's
//! timers, as one inventory. Whatever it does not allow and no `File` claims is `Extra`.
//!
//! Like `PrivilegedFiles` it stands nowhere; its address is one that no path has.
//!
//! **Invariant:** an allowed file may be missing. Where its lines are given, they are all that it may hold besides comments.

use super::privileged::{ALLOW, ignore};
use super::{Decoding, Draft, blank, set};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
use crate::model::{Blob, Fields, Presence, Risk, RiskLevel, Scope, Value};
use crate::providers::host::cron::{normal, places};
use crate::providers::host::fs::HostPath;
use crate::providers::host::parts::address;

/// Reads the spec of a `Cron`.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let at = spec.node();
    let mut held = Fields::new();
    let mut plain = std::collections::BTreeSet::new();
    let allow = spec.require("allow", &mut decoding.problems)?;
    for item in allow.list(&mut decoding.problems).unwrap_or_default() {
        let Some((path, lines)) = allowed(item, decoding) else {
            continue;
        };
        let address = path.address();
        if !places().any(|place| place.holds(&path)) {
            decoding.problems.push(
                item.problem(format!("nothing at {address} is started by the clock"))
                    .hint("such as /etc/crontab, /etc/cron.d/NAME, /var/spool/cron/crontabs/USER or a .timer of systemd"),
            );
        }
        if plain.contains(&address) || held.contains_key(&address.0) {
            let message = format!("{address} is listed twice");
            decoding.problems.push(item.problem(message));
        }
        match lines {
            Some(lines) => set(&mut held, &address.0, Some(lines)),
            None => {
                plain.insert(address);
            }
        }
    }
    let nowhere = HostPath::default();
    let mut desired = blank(declared, &nowhere, Presence::Present(Fields::new()));
    desired.address = address("cron", &declared.id.name);
    desired.risk = Risk::new(RiskLevel::Medium, "starts programs");
    desired.scope = Some(Scope {
        within: places().map(|place| place.path().address()).collect(),
        ignore: ignore(spec, decoding),
        allow: plain,
    });
    set(&mut desired.options, ALLOW, Some(Value::Map(held)));
    Some(Draft::new(desired, nowhere, at))
}

/// One allowed file, and what its lines have to be where that is said: the lines, and the content made of them.
fn allowed(item: &Yaml, decoding: &mut Decoding<'_>) -> Option<(HostPath, Option<Value>)> {
    if !matches!(item.value, YamlValue::Map(_)) {
        return decoding.path(item).map(|path| (path, None));
    }
    let mut fields = item.fields(&mut decoding.problems)?;
    let path = fields
        .require("path", &mut decoding.problems)
        .and_then(|node| decoding.path(node));
    let lines = fields
        .require("lines", &mut decoding.problems)
        .and_then(|node| lines_of(node, decoding));
    fields.finish(&mut decoding.problems);
    let lines = lines?;
    let content = lines
        .iter()
        .fold(String::new(), |all, line| all + line + "\n");
    let blob = Blob::of(content.as_bytes());
    decoding.contents.keep(content.into_bytes());
    let wanted = Fields::from([
        ("content".to_owned(), Value::Blob(blob)),
        (
            "lines".to_owned(),
            Value::List(lines.iter().map(|line| Value::Text(normal(line))).collect()),
        ),
    ]);
    Some((path?, Some(Value::Map(wanted))))
}

fn lines_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    for item in node.list(&mut decoding.problems)? {
        let text = item.text(&mut decoding.problems)?.trim();
        let is_line = !text.chars().any(|c| c.is_control() && c != '\t');
        if text.is_empty() || text.starts_with('#') || !is_line {
            decoding.problems.push(
                item.problem("this is no line of a crontab")
                    .hint("one line a list element, without comments"),
            );
            return None;
        }
        lines.push(text.to_owned());
    }
    Some(lines)
}
