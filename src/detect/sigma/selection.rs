//! The `detection` of a rule: its selections, and the condition that joins them.

use std::collections::BTreeMap;

use rsigma_parser::{ConditionExpr, Detection, Quantifier, SelectorPattern, parse_condition};

use super::item;
use super::reading::Reading;
use crate::document::{Key, Yaml, YamlValue, suggest};

/// The longest condition, in bytes.
const MAX_CONDITION: usize = 4096;
/// The most words in one.
const MAX_WORDS: usize = 512;
/// The deepest parentheses.
const MAX_DEPTH: usize = 32;

/// Selections by name, and what has to hold of them: one of the conditions, in which only names stand.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Selections {
    pub named: BTreeMap<String, Detection>,
    pub conditions: Vec<ConditionExpr>,
}

/// Reads a map of selections and a `condition`; `other` names the keys of it that are something else.
pub(super) fn selections(
    node: &Yaml,
    other: &[&str],
    reading: &mut Reading<'_>,
) -> Option<Selections> {
    let YamlValue::Map(entries) = &node.value else {
        return reading.refuse(
            node,
            format!("expected a map, found {}", node.type_name()),
            "name the selections",
        );
    };
    let before = reading.problems.0.len();
    let mut found = Selections::default();
    let mut condition = None;
    for (key, value) in entries {
        match key.name.as_str() {
            "condition" => condition = Some(value),
            "timeframe" => {
                let problem =
                    node.problem_with_key(key, "`timeframe` is not part of a detection any more");
                reading.push(problem.hint("a correlation with `timespan` says what was meant"));
            }
            name if other.contains(&name) => {}
            name => {
                if let Some(detection) = selection(node, key, value, reading) {
                    found.named.insert(name.to_owned(), detection);
                }
            }
        }
    }
    // What could not be read is not told a second time as a selection that is not there.
    if reading.problems.0.len() > before {
        return None;
    }
    if found.named.is_empty() {
        return reading.refuse(
            node,
            "no selection",
            "a detection needs one selection at least",
        );
    }
    let Some(condition) = condition else {
        return reading.refuse(
            node,
            "`condition` is missing",
            "such as `condition: selection`",
        );
    };
    found.conditions = conditions(condition, &found.named, reading)?;
    Some(found)
}

fn selection(node: &Yaml, key: &Key, value: &Yaml, reading: &mut Reading<'_>) -> Option<Detection> {
    match &value.value {
        YamlValue::Map(entries) => map(value, entries, reading),
        YamlValue::List(items) if items.is_empty() => {
            let problem = node.problem_with_key(key, "an empty selection, which nothing can match");
            reading.push(problem.hint("give it a field or a keyword"));
            None
        }
        YamlValue::List(items) => list(items, reading),
        YamlValue::Text(_) | YamlValue::Int(_) => item::keywords(&[value], reading),
        _ => {
            let problem =
                node.problem_with_key(key, format!("a selection cannot be {}", value.type_name()));
            reading.push(problem.hint("a map of fields, or a list of keywords or maps"));
            None
        }
    }
}

fn map(node: &Yaml, entries: &[(Key, Yaml)], reading: &mut Reading<'_>) -> Option<Detection> {
    if entries.is_empty() {
        return reading.refuse(
            node,
            "an empty selection, which nothing can match",
            "give it a field or a keyword",
        );
    }
    // Every entry is read, so that all that is wrong is told at once.
    let parts: Vec<_> = entries
        .iter()
        .map(|(key, value)| item::entry(node, key, value, reading))
        .collect();
    Some(item::all_of(parts.into_iter().collect::<Option<_>>()?))
}

fn list(items: &[Yaml], reading: &mut Reading<'_>) -> Option<Detection> {
    let is_keyword = |item: &&Yaml| matches!(item.value, YamlValue::Text(_) | YamlValue::Int(_));
    let keywords: Vec<&Yaml> = items.iter().filter(is_keyword).collect();
    let mut parts = Vec::new();
    if !keywords.is_empty() {
        parts.push(item::keywords(&keywords, reading));
    }
    for item in items.iter().filter(|item| !is_keyword(item)) {
        parts.push(match &item.value {
            YamlValue::Map(entries) => map(item, entries, reading),
            _ => reading.refuse(
                item,
                format!("expected a keyword or a map, found {}", item.type_name()),
                "put a keyword in quotes",
            ),
        });
    }
    Some(item::any_of(parts.into_iter().collect::<Option<_>>()?))
}

fn conditions(
    node: &Yaml,
    named: &BTreeMap<String, Detection>,
    reading: &mut Reading<'_>,
) -> Option<Vec<ConditionExpr>> {
    let nodes = match &node.value {
        YamlValue::List(items) if items.is_empty() => {
            return reading.refuse(node, "an empty condition", "such as `condition: selection`");
        }
        YamlValue::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let read: Vec<_> = nodes
        .iter()
        .map(|node| {
            let names: Vec<&str> = named.keys().map(String::as_str).collect();
            let expression = expression(node, reading)?;
            resolve(&expression, &names, node, reading)
        })
        .collect();
    read.into_iter().collect()
}

/// Reads one condition, within bounds that its parser does not have.
pub(super) fn expression(node: &Yaml, reading: &mut Reading<'_>) -> Option<ConditionExpr> {
    let YamlValue::Text(text) = &node.value else {
        return reading.refuse(
            node,
            "a condition is text",
            "such as `condition: selection and not filter`",
        );
    };
    let text = text.replace(['\r', '\n'], " ");
    let mut depth = 0usize;
    let deepest = text.bytes().fold(0, |deepest, byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest.max(depth)
    });
    if text.len() > MAX_CONDITION
        || deepest > MAX_DEPTH
        || text.split_whitespace().count() > MAX_WORDS
    {
        return reading.refuse(
            node,
            "a condition that is too long or too deep",
            format!("up to {MAX_CONDITION} bytes, {MAX_WORDS} words and {MAX_DEPTH} parentheses in one another"),
        );
    }
    if text.contains('|') {
        return reading.refuse(
            node,
            "an aggregation in a condition, which is not part of Sigma any more",
            "a correlation says what was meant",
        );
    }
    match parse_condition(text.trim()) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("").trim();
            let reason = last.trim_start_matches("= ");
            reading.refuse(
                node,
                format!("the condition is not understood: {reason}"),
                "names of selections, `and`, `or`, `not`, parentheses, `1 of` and `all of`, all in lower case",
            )
        }
    }
}

/// Puts names in place of `1 of them` and its like, and refuses names that nothing has.
fn resolve(
    expression: &ConditionExpr,
    names: &[&str],
    node: &Yaml,
    reading: &mut Reading<'_>,
) -> Option<ConditionExpr> {
    let mut each = |parts: &[ConditionExpr]| -> Option<Vec<ConditionExpr>> {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| resolve(part, names, node, reading))
            .collect();
        parts.into_iter().collect()
    };
    Some(match expression {
        ConditionExpr::And(parts) => ConditionExpr::And(each(parts)?),
        ConditionExpr::Or(parts) => ConditionExpr::Or(each(parts)?),
        ConditionExpr::Not(inner) => {
            ConditionExpr::Not(Box::new(resolve(inner, names, node, reading)?))
        }
        ConditionExpr::Identifier(name) if names.contains(&name.as_str()) => expression.clone(),
        ConditionExpr::Identifier(name) => {
            return reading.refuse(
                node,
                format!("no selection is called `{}`", name.escape_debug()),
                suggest(name, names),
            );
        }
        ConditionExpr::Selector {
            quantifier,
            pattern,
        } => {
            let chosen: Vec<_> = names
                .iter()
                .filter(|name| is_chosen(pattern, name))
                .map(|name| ConditionExpr::Identifier((*name).to_owned()))
                .collect();
            match (quantifier, chosen.len()) {
                (_, 0) => {
                    return reading.refuse(
                        node,
                        format!("no selection is one of `{pattern}`"),
                        suggest("", names),
                    );
                }
                (Quantifier::Count(count), _) => {
                    return reading.refuse(
                        node,
                        format!("`{count} of` is not part of Sigma"),
                        "`1 of` and `all of` are",
                    );
                }
                (_, 1) => chosen.into_iter().next()?,
                (Quantifier::Any, _) => ConditionExpr::Or(chosen),
                (Quantifier::All, _) => ConditionExpr::And(chosen),
            }
        }
    })
}

/// Whether a selection is one of those that a pattern means. A name that begins with `_` is none of `them`.
fn is_chosen(pattern: &SelectorPattern, name: &str) -> bool {
    match pattern {
        SelectorPattern::Them => !name.starts_with('_'),
        SelectorPattern::Pattern(pattern) => {
            let mut parts = pattern.split('*');
            let first = parts.next().unwrap_or("");
            let Some(mut rest) = name.strip_prefix(first) else {
                return false;
            };
            let mut parts: Vec<_> = parts.collect();
            let Some(last) = parts.pop() else {
                return rest.is_empty();
            };
            for part in parts {
                match rest.find(part) {
                    Some(at) => rest = &rest[at + part.len()..],
                    None => return false,
                }
            }
            rest.ends_with(last)
        }
    }
}

/// Gives every name in a condition another one.
pub(super) fn rename(expression: &ConditionExpr, name: &impl Fn(&str) -> String) -> ConditionExpr {
    let each = |parts: &[ConditionExpr]| parts.iter().map(|part| rename(part, name)).collect();
    match expression {
        ConditionExpr::And(parts) => ConditionExpr::And(each(parts)),
        ConditionExpr::Or(parts) => ConditionExpr::Or(each(parts)),
        ConditionExpr::Not(inner) => ConditionExpr::Not(Box::new(rename(inner, name))),
        ConditionExpr::Identifier(old) => ConditionExpr::Identifier(name(old)),
        ConditionExpr::Selector { .. } => expression.clone(),
    }
}
