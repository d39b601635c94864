//! Filters: what has to hold besides, of rules that somebody else wrote.

use super::load::{Read, RuleProblem};
use super::reading::Reading;
use super::rule::{LooksFor, Rule, logsource};
use super::selection::{Selections, rename, selections};
use crate::detect::fields::LogSource;
use crate::document::{Yaml, YamlValue};
use rsigma_parser::ConditionExpr;

/// What a filter adds, and to which rules.
pub(super) struct Filter {
    logsource: LogSource,
    /// By id or name; none where it is for any rule of its log source.
    rules: Option<Vec<(String, Yaml)>>,
    selections: Selections,
}

/// Where selections of filters begin; a rule cannot name one, since its conditions are resolved before.
pub(super) const PREFIX: &str = "__filter";

impl Filter {
    /// Reads `filter` and `logsource` of a document.
    pub fn read(
        document: &Yaml,
        node: Option<&Yaml>,
        source: Option<&Yaml>,
        reading: &mut Reading<'_>,
    ) -> Option<Self> {
        let node = node?;
        let logsource = logsource(source, document, reading);
        let selections = selections(node, &["rules"], reading);
        let rules = targets(node, reading)?;
        if let Some(found) = &selections
            && !found.conditions.iter().all(negates)
        {
            // The example of the specification and all that evaluate filters read this in opposite ways.
            return reading.refuse(
                node,
                "a filter whose condition does not say `not`",
                "the condition has to hold besides that of the rule: `condition: not selection` takes away",
            );
        }
        Some(Self {
            logsource: logsource?,
            rules,
            selections: selections?,
        })
    }

    fn add_to(&self, number: usize, selections: &mut Selections) {
        let name = |name: &str| format!("{PREFIX}_{number}_{name}");
        for (own, detection) in &self.selections.named {
            selections.named.insert(name(own), detection.clone());
        }
        let mut own: Vec<_> = self
            .selections
            .conditions
            .iter()
            .map(|condition| rename(condition, &name))
            .collect();
        let own = match own.len() {
            1 => own.remove(0),
            _ => ConditionExpr::Or(own),
        };
        for condition in &mut selections.conditions {
            let rule = std::mem::replace(condition, ConditionExpr::And(Vec::new()));
            *condition = ConditionExpr::And(vec![rule, own.clone()]);
        }
    }
}

/// Whether a `not` stands in a condition.
fn negates(condition: &ConditionExpr) -> bool {
    match condition {
        ConditionExpr::Not(_) => true,
        ConditionExpr::And(parts) | ConditionExpr::Or(parts) => parts.iter().any(negates),
        ConditionExpr::Identifier(_) | ConditionExpr::Selector { .. } => false,
    }
}

/// Some rules by name, or none for `any`; nothing where that could not be read.
#[allow(clippy::option_option)]
fn targets(node: &Yaml, reading: &mut Reading<'_>) -> Option<Option<Vec<(String, Yaml)>>> {
    let YamlValue::Map(entries) = &node.value else {
        return None;
    };
    let Some((_, rules)) = entries.iter().find(|(key, _)| key.name == "rules") else {
        return reading.refuse(
            node,
            "`rules` is missing",
            "ids or names of rules, or `any`",
        );
    };
    match &rules.value {
        YamlValue::Text(word) if word == "any" => Some(None),
        YamlValue::Text(name) => Some(Some(vec![(name.clone(), rules.clone())])),
        YamlValue::List(items) if !items.is_empty() => {
            let mut names = Vec::new();
            for item in items {
                match &item.value {
                    YamlValue::Text(name) => names.push((name.clone(), item.clone())),
                    _ => {
                        return reading.refuse(
                            item,
                            "a rule is named by text",
                            "its id or its name",
                        );
                    }
                }
            }
            Some(Some(names))
        }
        _ => reading.refuse(
            rules,
            "a filter of no rules",
            "ids or names of rules, or `any`",
        ),
    }
}

/// Puts every filter in front of the rules that it is for.
pub(super) fn apply(read: &mut Read) {
    let filters = std::mem::take(&mut read.filters);
    for (number, (own, filter)) in filters.iter().enumerate() {
        let Some(targets) = &filter.rules else {
            for detecting in &mut read.detections {
                if admits(filter, &detecting.rule) {
                    filter.add_to(number, &mut detecting.selections);
                }
            }
            continue;
        };
        for (name, node) in targets {
            let found = read
                .detections
                .iter_mut()
                .find(|detecting| is_called(&detecting.rule, name));
            let problem = match found {
                Some(detecting) if admits(filter, &detecting.rule) => {
                    filter.add_to(number, &mut detecting.selections);
                    continue;
                }
                Some(_) => node
                    .problem(format!(
                        "the rule `{}` is for another log source",
                        name.escape_debug()
                    ))
                    .hint("the filter's `logsource` has to hold the rule's"),
                // A rule that is left out needs no filter.
                None if read.refused.contains(name) => continue,
                None => node
                    .problem(format!("no rule is called `{}`", name.escape_debug()))
                    .hint("load the rule too, or take it out of the filter"),
            };
            read.problems.push(RuleProblem {
                problem,
                rule: Some(own.title.clone()),
            });
        }
    }
}

/// Whether a rule may be called by a name.
pub(super) fn is_called(rule: &Rule, name: &str) -> bool {
    rule.id.as_deref() == Some(name) || rule.name.as_deref() == Some(name)
}

fn admits(filter: &Filter, rule: &Rule) -> bool {
    match &rule.looks_for {
        LooksFor::Record(logsource) => filter.logsource.admits(logsource),
        LooksFor::Hits(_) => false,
    }
}
