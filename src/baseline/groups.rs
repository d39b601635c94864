//! `groups`: which targets share resources and values.
//!
//! Flow: the targets that are named, with their labels and values → [`decode`] → groups, and for each target the values
//! that it has in the end.
//!
//! **Invariant:** what a target gets from its groups does not depend on their order: where two of them differ, that is a
//! problem.

use std::collections::{BTreeMap, BTreeSet};

use super::vars::{self, Given, MAX_VARS};
use super::{project, terms};
use crate::document::{Yaml, suggest};
use crate::model::{Problems, Scalar, Span, TargetGroup, TargetName, Vars};

/// The most groups.
const MAX_GROUPS: usize = 200;

/// A target that is named, those with problems included.
pub(super) struct Named<'a> {
    pub name: String,
    /// Where its name stands.
    pub at: Span,
    pub labels: BTreeMap<&'a str, &'a str>,
    pub vars: Given<'a>,
}

/// What the groups come to.
pub(super) struct Grouped {
    pub groups: Vec<TargetGroup>,
    /// The values of each named target, in their order.
    pub vars: Vec<Vars>,
}

/// A group on the way: its members as positions among the targets.
struct Draft<'a> {
    group: TargetGroup,
    members: Vec<usize>,
    vars: Given<'a>,
}

/// Decodes `groups`, if there are any.
pub(super) fn decode(
    node: Option<&Yaml>,
    targets: &[Named<'_>],
    problems: &mut Problems,
) -> Grouped {
    let items = node
        .and_then(|node| node.list(problems))
        .unwrap_or_default();
    if items.len() > MAX_GROUPS
        && let Some(node) = node
    {
        problems.push(node.problem(format!("more than {MAX_GROUPS} groups are not read")));
    }
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    let drafts: Vec<_> = items
        .iter()
        .take(MAX_GROUPS)
        .filter_map(|item| group(item, targets, &mut first, problems))
        .collect();
    let vars = resolve(targets, &drafts, problems);
    Grouped {
        groups: drafts.into_iter().map(|draft| draft.group).collect(),
        vars,
    }
}

fn group<'a>(
    item: &'a Yaml,
    targets: &[Named<'_>],
    first: &mut BTreeMap<String, Span>,
    problems: &mut Problems,
) -> Option<Draft<'a>> {
    let mut fields = item.fields(problems)?;
    let name = fields
        .require("name", problems)
        .and_then(|node| name(node, targets, first, problems));
    let labels = fields.take("labels");
    let listed = fields.take("targets");
    let vars = fields
        .take("vars")
        .map(|node| vars::declared(node, problems))
        .unwrap_or_default();
    fields.finish(problems);
    let members = match (labels, listed) {
        (Some(node), None) => by_labels(node, targets, problems),
        (None, Some(node)) => by_name(node, targets, problems),
        (None, None) => {
            problems.push(
                item.problem("the group says not which targets it has")
                    .hint("write labels: { role: web }, which its targets have, or targets: [NAME, …]"),
            );
            Vec::new()
        }
        (Some(_), Some(second)) => {
            problems.push(
                second
                    .problem("the group chooses by labels and by name")
                    .hint("keep one of labels and targets"),
            );
            Vec::new()
        }
    };
    let group = TargetGroup {
        name: name?,
        targets: members
            .iter()
            .map(|at| TargetName(targets[*at].name.clone()))
            .collect(),
        at: item.span(),
    };
    Some(Draft {
        group,
        members,
        vars,
    })
}

fn name(
    node: &Yaml,
    targets: &[Named<'_>],
    first: &mut BTreeMap<String, Span>,
    problems: &mut Problems,
) -> Option<String> {
    let name = project::directory_name(node, "group", problems)?;
    if let Some(target) = targets.iter().find(|target| target.name == name) {
        problems.push(
            node.problem(format!("there is a target `{name}` already"))
                .hint(format!(
                    "groups and targets share their names and directories; the target is at {}",
                    target.at
                )),
        );
        return None;
    }
    if let Some(before) = first.get(&name) {
        problems.push(
            node.problem(format!("group `{name}` is listed twice"))
                .hint(format!("the first one is at {before}")),
        );
        return None;
    }
    first.insert(name.clone(), node.span());
    Some(name)
}

pub(super) fn by_labels(node: &Yaml, targets: &[Named<'_>], problems: &mut Problems) -> Vec<usize> {
    let before = problems.0.len();
    let wanted = vars::labels(node, problems);
    if problems.0.len() > before {
        return Vec::new();
    }
    if wanted.is_empty() {
        problems.push(
            node.problem("no labels at all would choose every target")
                .hint("give all targets a label in common, and choose by that"),
        );
        return Vec::new();
    }
    let has_all = |target: &Named<'_>| {
        wanted
            .iter()
            .all(|(key, value)| target.labels.get(key) == Some(value))
    };
    let members: Vec<_> = (0..targets.len())
        .filter(|at| has_all(&targets[*at]))
        .collect();
    if members.is_empty() {
        problems.push(
            node.problem("no target has all of these labels")
                .hint("a target's labels stand beside its name: labels: { role: web }"),
        );
    }
    members
}

fn by_name(node: &Yaml, targets: &[Named<'_>], problems: &mut Problems) -> Vec<usize> {
    let items = node.list(problems).unwrap_or_default();
    let mut members = BTreeSet::new();
    if items.is_empty() {
        problems.push(
            node.problem("the group has no target")
                .hint("list one at least, or take the group out"),
        );
    }
    let positions: BTreeMap<_, _> = targets
        .iter()
        .enumerate()
        .map(|(at, target)| (target.name.as_str(), at))
        .collect();
    for item in items {
        let Some(text) = item.text(problems) else {
            continue;
        };
        match positions.get(text) {
            None => {
                let known: Vec<_> = positions.keys().copied().take(50).collect();
                let message = format!("there is no target \"{}\"", terms::shown(text));
                problems.push(item.problem(message).hint(suggest(text, &known)));
            }
            Some(at) if !members.insert(*at) => {
                problems.push(item.problem(format!("target `{text}` is listed twice")));
            }
            Some(_) => {}
        }
    }
    members.into_iter().collect()
}

/// The values that each target has in the end: its own, and what its groups agree on.
fn resolve(targets: &[Named<'_>], drafts: &[Draft<'_>], problems: &mut Problems) -> Vec<Vars> {
    let mut from_groups: Vec<BTreeMap<&str, (&Scalar, usize)>> =
        vec![BTreeMap::new(); targets.len()];
    for (second, draft) in drafts.iter().enumerate() {
        let mut told = BTreeSet::new();
        for at in &draft.members {
            let (target, found) = (&targets[*at], &mut from_groups[*at]);
            for (name, (value, node)) in &draft.vars {
                let Some((other, first)) = found.get(name) else {
                    found.insert(name, (value, second));
                    continue;
                };
                if *other == value || target.vars.contains_key(name) || !told.insert(name) {
                    continue;
                }
                let first = &drafts[*first];
                problems.push(
                    node.problem(format!(
                        "groups `{}` and `{}` give different values of `{name}` to target {}",
                        first.group.name, draft.group.name, target.name
                    ))
                    .hint(format!(
                        "the other one is at {}; a value of the target's own overrides both",
                        first
                            .vars
                            .get(name)
                            .map_or_else(|| first.group.at.clone(), |(_, n)| n.span())
                    )),
                );
            }
        }
    }
    targets
        .iter()
        .zip(from_groups)
        .map(|(target, found)| together(target, &found, problems))
        .collect()
}

fn together(
    target: &Named<'_>,
    found: &BTreeMap<&str, (&Scalar, usize)>,
    problems: &mut Problems,
) -> Vars {
    let mut vars: Vars = found
        .iter()
        .take(MAX_VARS + 1)
        .map(|(name, (value, _))| ((*name).to_owned(), (*value).clone()))
        .collect();
    for (name, (value, _)) in &target.vars {
        vars.insert((*name).to_owned(), value.clone());
    }
    if vars.len() > MAX_VARS {
        problems.push(crate::model::Problem {
            at: Some(target.at.clone()),
            message: format!(
                "target {} has more than {MAX_VARS} values from all its groups",
                target.name
            ),
            source_line: String::new(),
            hint: None,
        });
    }
    vars
}
