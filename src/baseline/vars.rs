//! `vars` and `labels`: what is declared for targets, and what resources list of it.
//!
//! **Invariant:** a declared value is one scalar on one line, so that wherever it is put it adds no line.

use std::collections::BTreeMap;

use super::terms;
use crate::document::{Key, Substitution, Yaml, YamlValue, suggest};
use crate::model::{Problems, Scalar, TargetName, Vars};

/// The most values that one place declares, or one resource lists.
pub(super) const MAX_VARS: usize = 256;
/// The most labels of one target or group.
const MAX_LABELS: usize = 64;

/// Declared values with where they stand.
pub(super) type Given<'a> = BTreeMap<&'a str, (Scalar, &'a Yaml)>;

/// Decodes the values of a target or a group.
pub(super) fn declared<'a>(node: &'a Yaml, problems: &mut Problems) -> Given<'a> {
    let mut given = Given::new();
    for (key, value) in entries(node, MAX_VARS, problems) {
        if !Substitution::is_name(&key.name) {
            problems.push(
                node.problem_with_key(
                    key,
                    format!("\"{}\" is no name of a value", terms::shown(&key.name)),
                )
                .hint("a letter or _, then letters, digits and _, at most 64"),
            );
        } else if let Some(scalar) = scalar(value, problems) {
            given.insert(&key.name, (scalar, value));
        }
    }
    given
}

fn scalar(node: &Yaml, problems: &mut Problems) -> Option<Scalar> {
    Some(match &node.value {
        YamlValue::Int(number) => Scalar::Int(*number),
        YamlValue::Bool(value) => Scalar::Bool(*value),
        YamlValue::Text(text) if text.is_empty() => Scalar::Text("".into()),
        YamlValue::Text(_) => Scalar::Text(terms::line(node, problems)?.into()),
        YamlValue::Float(_) => {
            problems.push(
                node.problem("a fraction is no value: 1.50 would come out as 1.5")
                    .hint("put it in quotes"),
            );
            return None;
        }
        YamlValue::Null | YamlValue::List(_) | YamlValue::Map(_) => {
            problems.push(
                node.problem(format!(
                    "expected text, a whole number or a boolean, found {}",
                    node.type_name()
                ))
                .hint("a value is one scalar; \"\" is the empty text"),
            );
            return None;
        }
    })
}

/// Decodes labels.
pub(super) fn labels<'a>(node: &'a Yaml, problems: &mut Problems) -> BTreeMap<&'a str, &'a str> {
    let mut labels = BTreeMap::new();
    let hint = "1 to 63 letters, digits and any of . _ / -";
    for (key, value) in entries(node, MAX_LABELS, problems) {
        if !is_label(&key.name) {
            let message = format!("\"{}\" is no label", terms::shown(&key.name));
            problems.push(node.problem_with_key(key, message).hint(hint));
            continue;
        }
        let Some(text) = value.text(problems) else {
            continue;
        };
        if is_label(text) {
            labels.insert(key.name.as_str(), text);
        } else {
            let message = format!("\"{}\" is no value of a label", terms::shown(text));
            problems.push(value.problem(message).hint(hint));
        }
    }
    labels
}

fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

fn entries<'a>(node: &'a Yaml, max: usize, problems: &mut Problems) -> &'a [(Key, Yaml)] {
    match &node.value {
        YamlValue::Map(entries) if entries.len() <= max => entries,
        YamlValue::Map(_) => {
            problems.push(node.problem(format!("more than {max} entries are not read")));
            &[]
        }
        _ => {
            problems.push(node.problem(format!("expected a map, found {}", node.type_name())));
            &[]
        }
    }
}

/// Decodes the names that a resource lists; none where any of them is wrong.
pub(super) fn listed(node: &Yaml, problems: &mut Problems) -> Option<Vec<(String, Yaml)>> {
    let items = node.list(problems)?;
    if items.len() > MAX_VARS {
        problems.push(node.problem(format!("more than {MAX_VARS} names are not read")));
        return None;
    }
    let before = problems.0.len();
    let mut listed: Vec<(String, Yaml)> = Vec::new();
    for item in items {
        let Some(text) = item.text(problems) else {
            continue;
        };
        if !Substitution::is_name(text) {
            problems.push(
                item.problem(format!("\"{}\" is no name of a value", terms::shown(text)))
                    .hint("the bare name, such as listen for ${listen}: a letter or _, then letters, digits and _"),
            );
        } else if listed.iter().any(|(name, _)| name == text) {
            problems.push(item.problem(format!("`{text}` is listed twice")));
        } else {
            listed.push((text.to_owned(), item.clone()));
        }
    }
    (problems.0.len() == before).then_some(listed)
}

/// Whether each of these targets has all the listed values; if not, that is a problem with the list.
pub(super) fn are_there(
    listed: &[(String, Yaml)],
    targets: &[TargetName],
    vars: &BTreeMap<TargetName, Vars>,
    problems: &mut Problems,
) -> bool {
    let mut all = true;
    for (name, node) in listed {
        let has =
            |target: &&TargetName| vars.get(target).is_some_and(|vars| vars.contains_key(name));
        let without: Vec<&TargetName> = targets.iter().filter(|target| !has(target)).collect();
        let Some(first) = without.first() else {
            continue;
        };
        all = false;
        let known: Vec<&str> = vars
            .get(first)
            .into_iter()
            .flat_map(|vars| vars.keys().map(String::as_str))
            .collect();
        let hint = match suggest(name, &known) {
            similar if similar.starts_with("did you mean") => similar,
            _ => format!(
                "give it one under vars of the target in {}, or of one of its groups",
                super::layout::PROJECT
            ),
        };
        problems.push(
            node.problem(format!(
                "`{name}` has no value for {}",
                TargetName::several(without.iter().copied())
            ))
            .hint(hint),
        );
    }
    all
}
