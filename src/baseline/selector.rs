//! Selectors: which resources a rule is about.
//!
//! Flow: a map of globs, or a short text (`Kind/name`, `target/Kind/name`, or a path glob starting with `/`) → `Selector`.
//!
//! **Invariant:** a selector that says nothing is refused, since it would match everything.

use super::terms;
use crate::document::{Yaml, YamlValue};
use crate::model::{Problems, Selector};

const SHORT_FORMS: &str = "write Kind/name, target/Kind/name, a path glob starting with /, or a map of target, kind, name, path, risk";

/// Decodes one selector.
pub(super) fn selector(node: &Yaml, problems: &mut Problems) -> Option<Selector> {
    match &node.value {
        YamlValue::Text(text) => short(node, text, problems),
        YamlValue::Map(_) => long(node, problems),
        _ => {
            problems.push(
                node.problem(format!("expected a selector, found {}", node.type_name()))
                    .hint(SHORT_FORMS),
            );
            None
        }
    }
}

/// Decodes a list of selectors; those that are none are reported and left out.
pub(super) fn selectors(node: &Yaml, problems: &mut Problems) -> Vec<Selector> {
    node.list(problems)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| selector(item, problems))
        .collect()
}

fn short(node: &Yaml, text: &str, problems: &mut Problems) -> Option<Selector> {
    terms::glob(node, problems)?;
    if text.starts_with('/') {
        return Some(Selector {
            path: Some(text.to_owned()),
            ..Selector::default()
        });
    }
    let parts: Vec<_> = text.split('/').collect();
    let (target, kind, name) = match parts[..] {
        [kind, name] => (None, kind, name),
        [target, kind, name] => (Some(target), kind, name),
        _ => {
            problems.push(
                node.problem(format!("\"{}\" is not a selector", terms::shown(text)))
                    .hint(SHORT_FORMS),
            );
            return None;
        }
    };
    let part = |part: &str| terms::is_glob(part).is_ok() && !part.is_empty();
    if target.is_some_and(|target| !part(target)) || !part(kind) || !part(name) {
        problems.push(
            node.problem(format!("\"{}\" is not a selector", terms::shown(text)))
                .hint("each part between the slashes is a glob of its own"),
        );
        return None;
    }
    Some(Selector {
        target: target.map(str::to_owned),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        ..Selector::default()
    })
}

fn long(node: &Yaml, problems: &mut Problems) -> Option<Selector> {
    const RISKS: [(&str, &str); 4] = [
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("irreversible", "irreversible"),
    ];
    let before = problems.0.len();
    let mut fields = node.fields(problems)?;
    let mut glob = |name, problems: &mut Problems| {
        let node = fields.take(name)?;
        terms::glob(node, problems)
    };
    let (target, kind, name) = (
        glob("target", problems),
        glob("kind", problems),
        glob("name", problems),
    );
    let path = fields
        .take("path")
        .and_then(|node| terms::path_glob(node, problems));
    let risk = fields
        .take("risk")
        .and_then(|node| node.one_of(&RISKS, problems))
        .map(str::to_owned);
    fields.finish(problems);
    let selector = Selector {
        target,
        kind,
        name,
        path,
        risk,
    };
    if problems.0.len() > before {
        return None;
    }
    if selector == Selector::default() {
        problems.push(
            node.problem("an empty selector would choose every resource")
                .hint("if that is meant, write name: \"*\""),
        );
        return None;
    }
    Some(selector)
}
