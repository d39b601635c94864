//! `detect.severity`: how grave a team finds what is found.
//!
//! **Invariant:** a finding can be lowered to `informational` and never made to vanish.

use super::groups::{self, Named};
use super::selector::selector;
use super::terms;
use crate::document::{Yaml, suggest};
use crate::model::{INDICATORS, Indicator, Level, Problems, SeverityRule, TargetName};

const LEVELS: [(&str, Level); 5] = [
    ("informational", Level::Informational),
    ("low", Level::Low),
    ("medium", Level::Medium),
    ("high", Level::High),
    ("critical", Level::Critical),
];
/// The most rules, since each finding is held against all of them.
const MAX_RULES: usize = 1000;

/// Decodes `detect`.
pub(super) fn decode(
    node: &Yaml,
    targets: &[Named<'_>],
    problems: &mut Problems,
) -> Vec<SeverityRule> {
    let Some(mut fields) = node.fields(problems) else {
        return Vec::new();
    };
    let node = fields.take("severity");
    fields.finish(problems);
    let items = node.and_then(|node| node.list(problems));
    let items = items.unwrap_or_default();
    if let (Some(node), true) = (node, items.len() > MAX_RULES) {
        problems.push(node.problem(format!("more than {MAX_RULES} rules are not read")));
    }
    let items = items.iter().take(MAX_RULES);
    items
        .filter_map(|item| rule(item, targets, problems))
        .collect()
}

fn rule(item: &Yaml, targets: &[Named<'_>], problems: &mut Problems) -> Option<SeverityRule> {
    let before = problems.0.len();
    let mut fields = item.fields(problems)?;
    let name = fields
        .require("indicator", problems)
        .and_then(|node| indicator(node, problems));
    let level = fields
        .require("level", problems)
        .and_then(|node| node.one_of(&LEVELS, problems));
    let labels = fields.take("labels").map(|node| {
        let members = groups::by_labels(node, targets, problems).into_iter();
        members
            .map(|at| TargetName(targets[at].name.clone()))
            .collect()
    });
    let on = fields.take("where").and_then(|node| {
        let chosen = selector(node, problems)?;
        if chosen.risk.is_some() {
            problems.push(
                node.problem("the level of a finding cannot depend on a risk")
                    .hint("say which resources by target, kind, name or path"),
            );
            return None;
        }
        Some(chosen)
    });
    fields.finish(problems);
    if problems.0.len() > before {
        return None;
    }
    Some(SeverityRule {
        indicator: name?,
        targets: labels,
        on,
        level: level?,
    })
}

fn indicator(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if Indicator::named(text).is_some() {
        return Some(text.to_owned());
    }
    let names: Vec<_> = INDICATORS.iter().map(|one| one.name).collect();
    problems.push(
        node.problem(format!("\"{}\" is no indicator", terms::shown(text)))
            .hint(suggest(text, &names)),
    );
    None
}
