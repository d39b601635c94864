//! Rules that name other rules: each name leads to one rule, and none to itself.

use std::collections::{BTreeMap, BTreeSet};

use rsigma_eval::CompiledRule;

use super::correlation::Correlation;
use super::load::{Read, RuleProblem};
use super::route::Rules;
use super::rule::{LooksFor, Rule, RuleIndex};
use super::written::Written;
use crate::detect::fields::Views;
use crate::document::Yaml;
use crate::model::{Problem, Span};

/// The longest chain of correlations of correlations.
const MAX_CHAIN: usize = 8;

/// Leaves out rules whose id or name another one has already.
pub(super) fn unique(read: &mut Read) {
    let mut taken: BTreeMap<String, Span> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut is_first = |rule: &Rule| {
        let names: BTreeSet<_> = [rule.id.clone(), rule.name.clone()]
            .into_iter()
            .flatten()
            .collect();
        for name in &names {
            if let Some(first) = taken.get(name) {
                problems.push(RuleProblem {
                    problem: Problem {
                        at: Some(rule.at.clone()),
                        message: format!(
                            "the id or name `{}` is that of the rule at {first} too",
                            name.escape_debug()
                        ),
                        source_line: String::new(),
                        hint: Some("give one of them another, or load only one".to_owned()),
                    },
                    rule: Some(rule.title.clone()),
                });
                return false;
            }
        }
        taken.extend(names.into_iter().map(|name| (name, rule.at.clone())));
        true
    };
    read.detections
        .retain(|detecting| is_first(&detecting.rule));
    read.correlations.retain(|(rule, _)| is_first(rule));
    read.filters.retain(|(rule, _)| is_first(rule));
    read.problems.extend(problems);
}

/// Gives every rule its index, and every correlation the indexes of its rules.
pub(super) fn link(read: &mut Read, compiled: Vec<(Rule, CompiledRule)>, views: &Views) -> Rules {
    let mut rules = Vec::new();
    let mut engine = Vec::new();
    let mut index: BTreeMap<String, RuleIndex> = BTreeMap::new();
    for (rule, made) in compiled {
        let own = note(&mut index, &rules, &rule);
        rules.push(rule);
        engine.push((own, made));
    }
    let mut waiting = std::mem::take(&mut read.correlations);
    let names: BTreeSet<String> = waiting
        .iter()
        .flat_map(|(rule, _)| [rule.id.clone(), rule.name.clone()])
        .flatten()
        .collect();
    // A correlation follows those that it counts, so that one pass over them in order is enough.
    for _ in 0..MAX_CHAIN {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, written)| {
            written
                .rules
                .iter()
                .all(|(name, _)| index.contains_key(name))
        });
        waiting = rest;
        for (mut rule, written) in ready {
            let found: Vec<_> = written.rules.iter().map(|(name, _)| index[name]).collect();
            if let Some(problem) = unknown_fields(&rules, &found, &written) {
                read.leave_out(&rule);
                read.problems.push(RuleProblem {
                    problem,
                    rule: Some(rule.title),
                });
                continue;
            }
            rule.looks_for = LooksFor::Hits(resolved(written, found));
            note(&mut index, &rules, &rule);
            rules.push(rule);
        }
    }
    for (rule, written) in waiting {
        let problem = unresolved(&written, &index, &names, &read.refused);
        read.leave_out(&rule);
        read.problems.push(RuleProblem {
            problem,
            rule: Some(rule.title),
        });
    }
    mark_counted(&mut rules);
    Rules::new(rules, engine, views)
}

fn note(index: &mut BTreeMap<String, RuleIndex>, rules: &[Rule], rule: &Rule) -> RuleIndex {
    // `load` bounds how many rules there are.
    let own = RuleIndex(u32::try_from(rules.len()).unwrap_or(u32::MAX));
    for name in [&rule.id, &rule.name].into_iter().flatten() {
        index.insert(name.clone(), own);
    }
    own
}

fn resolved(written: Written, rules: Vec<RuleIndex>) -> Correlation {
    Correlation {
        counts: written.counts,
        rules,
        group_by: written.group_by,
        timespan: written.timespan,
        when: written.when,
        values: written.values,
        generate: written.generate,
    }
}

/// What a correlation asks of another one that it counts and that one does not have: only what it groups by is known of it.
fn unknown_fields(rules: &[Rule], found: &[RuleIndex], written: &Written) -> Option<Problem> {
    for (place, index) in found.iter().enumerate() {
        let LooksFor::Hits(inner) = &rules[index.place()].looks_for else {
            continue;
        };
        for taken in written.group_by.iter().chain(&written.values) {
            let field = &taken.fields[place];
            if !inner.group_by.iter().any(|known| known.name == *field) {
                let (name, node) = &written.rules[place];
                return Some(
                    node.problem(format!(
                        "the correlation `{}` does not group by `{}`",
                        name.escape_debug(),
                        field.escape_debug()
                    ))
                    .hint("of a correlation only the fields that it groups by are known"),
                );
            }
        }
    }
    None
}

/// Why a correlation is left: its rules are not there, were refused, or lead back to it.
fn unresolved(
    written: &Written,
    index: &BTreeMap<String, RuleIndex>,
    waiting: &BTreeSet<String>,
    refused: &[String],
) -> Problem {
    let missing = written
        .rules
        .iter()
        .filter(|(name, _)| !index.contains_key(name));
    let answer = |name: &str, node: &Yaml| {
        let name_shown = name.escape_debug();
        if refused.iter().any(|refused| refused == name) {
            return node
                .problem(format!("the rule `{name_shown}` was left out"))
                .hint("mend that rule first");
        }
        if waiting.contains(name) {
            return node
                .problem(format!(
                    "the correlation `{name_shown}` is left out, or counts this one"
                ))
                .hint(format!(
                    "no correlation may count itself; chains are up to {MAX_CHAIN} long"
                ));
        }
        node.problem(format!("no rule is called `{name_shown}`"))
            .hint("load the rule too; rules are called by id or name")
    };
    let problems: Vec<_> = missing.map(|(name, node)| answer(name, node)).collect();
    problems
        .into_iter()
        .next()
        .unwrap_or_else(|| Problem::general("a correlation of rules that are not there"))
}

/// A rule that is counted is no finding by itself, unless a correlation that counts it says `generate`.
fn mark_counted(rules: &mut [Rule]) {
    let mut counted = BTreeSet::new();
    let mut generating = BTreeSet::new();
    for rule in rules.iter() {
        if let LooksFor::Hits(correlation) = &rule.looks_for {
            match correlation.generate {
                true => generating.extend(correlation.rules.iter().copied()),
                false => counted.extend(correlation.rules.iter().copied()),
            }
        }
    }
    for index in counted.difference(&generating) {
        rules[index.place()].is_finding = false;
    }
}
