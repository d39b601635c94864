//! `evenkeel.yaml`: targets and their groups, guard, forge, trust.
//!
//! Flow: the one document of the file → [`Decoded`], with every problem in one go.
//!
//! **Invariant:** a project with any problem is disarmed: each target only observes and no change is allowed, so that
//! nobody who overlooks the problems can act on half a configuration.

use std::collections::BTreeMap;

use super::groups::{self, Grouped, Named};
use super::layout::{PROJECT, RESERVED};
use super::source::about_file;
use super::{connection, settings, severity, terms, vars};
use crate::document::{Fields, Yaml, suggest};
use crate::model::{
    GuardConfig, Mode, Problems, Project, ProviderKind, Span, Target, TargetGroup, TargetName, Vars,
};

/// The version of the project's own files.
pub(super) const API_VERSION: &str = "evenkeel.dev/v1";

/// The most targets: what bounds the work of grouping them.
const MAX_TARGETS: usize = 10_000;

/// What is known of the configuration.
#[derive(Default)]
pub(super) struct Decoded {
    /// None when the file is no map at all.
    pub project: Option<Project>,
    /// The targets of every directory, those with problems included.
    pub directories: BTreeMap<String, Vec<TargetName>>,
}

/// Decodes the documents of `evenkeel.yaml`.
pub(super) fn decode(docs: &[Yaml], problems: &mut Problems) -> Decoded {
    let before = problems.0.len();
    let [doc] = docs else {
        problems.push(match docs {
            [] => about_file(PROJECT, "the file is empty")
                .hint("`evenkeel init` writes one to begin with"),
            [_, second, ..] => second.problem("only one document is expected here"),
            [_] => unreachable!("one document was matched above"),
        });
        return Decoded::default();
    };
    let mut decoded = decode_project(doc, problems);
    if problems.0.len() > before
        && let Some(project) = &mut decoded.project
    {
        disarm(project);
    }
    decoded
}

fn decode_project(doc: &Yaml, problems: &mut Problems) -> Decoded {
    let Some(mut fields) = doc.fields(problems) else {
        return Decoded::default();
    };
    header(&mut fields, "Project", problems);
    if let Some(mut metadata) = fields.take("metadata").and_then(|n| n.fields(problems)) {
        if let Some(node) = metadata.take("name") {
            terms::name(node, problems);
        }
        metadata.finish(problems);
    }
    let (mut targets, named) = fields
        .require("targets", problems)
        .map(|node| targets(node, problems))
        .unwrap_or_default();
    let Grouped { groups, vars } = groups::decode(fields.take("groups"), &named, problems);
    let directories = by_directory(&named, &groups);
    let severity = fields
        .take("detect")
        .map(|node| severity::decode(node, &named, problems))
        .unwrap_or_default();
    let mut vars: BTreeMap<_, _> = named.into_iter().map(|one| one.name).zip(vars).collect();
    for target in &mut targets {
        target.vars = vars.remove(&target.name.0).unwrap_or_default();
    }
    let guard = fields
        .take("guard")
        .and_then(|node| settings::guard(node, problems));
    let forge = fields
        .take("forge")
        .and_then(|node| settings::forge(node, problems));
    let trust = fields
        .take("trust")
        .and_then(|node| settings::trust(node, problems));
    let ignore = fields.take("ignore").map(|node| {
        let items = node.list(problems).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| terms::path_glob(item, problems))
            .collect()
    });
    fields.finish(problems);
    Decoded {
        project: Some(Project {
            targets,
            groups,
            guard: guard.unwrap_or_default(),
            forge,
            trust: trust.unwrap_or_default(),
            severity,
            ignore: ignore.unwrap_or_default(),
        }),
        directories,
    }
}

/// The targets by the directories of their resources: their own, and those of their groups.
fn by_directory(named: &[Named<'_>], groups: &[TargetGroup]) -> BTreeMap<String, Vec<TargetName>> {
    let own = named
        .iter()
        .map(|target| (target.name.clone(), vec![TargetName(target.name.clone())]));
    let shared = groups
        .iter()
        .map(|group| (group.name.clone(), group.targets.clone()));
    own.chain(shared).collect()
}

/// Checks `apiVersion` and `kind` of one of the project's own files.
pub(super) fn header(fields: &mut Fields<'_>, kind: &'static str, problems: &mut Problems) {
    for (name, expected) in [("apiVersion", API_VERSION), ("kind", kind)] {
        let Some(node) = fields.require(name, problems) else {
            continue;
        };
        match node.text(problems) {
            Some(text) if text != expected => problems.push(
                node.problem(format!("`{name}` is \"{}\" here", terms::shown(text)))
                    .hint(format!("write {expected}")),
            ),
            _ => {}
        }
    }
}

fn disarm(project: &mut Project) {
    for target in &mut project.targets {
        target.mode = Mode::Observe;
    }
    project.guard = GuardConfig {
        max_changes: 0,
        ..GuardConfig::default()
    };
    project.forge = None;
}

/// Gives the targets, and all that are named, those with problems included.
fn targets<'a>(node: &'a Yaml, problems: &mut Problems) -> (Vec<Target>, Vec<Named<'a>>) {
    let Some(items) = node.list(problems) else {
        return Default::default();
    };
    if items.is_empty() {
        problems.push(
            node.problem("there is no target, so nothing would ever be looked at")
                .hint("list at least one: - { name: web-1, provider: host, root: / }"),
        );
    }
    if items.len() > MAX_TARGETS {
        problems.push(node.problem(format!("more than {MAX_TARGETS} targets are not read")));
    }
    let mut found = Vec::new();
    let mut named = Vec::new();
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    for item in items.iter().take(MAX_TARGETS) {
        let Some(mut fields) = item.fields(problems) else {
            continue;
        };
        let name = fields.require("name", problems).and_then(|node| {
            let name = directory_name(node, "target", problems)?;
            if let Some(before) = first.get(&name) {
                problems.push(
                    node.problem(format!("target `{name}` is listed twice"))
                        .hint(format!("the first one is at {before}")),
                );
                return None;
            }
            first.insert(name.clone(), node.span());
            Some((name, node.span()))
        });
        let provider = provider(&mut fields, problems);
        let mode = fields
            .take("mode")
            .and_then(|node| mode(node, problems))
            .unwrap_or_default();
        let labels = fields
            .take("labels")
            .map(|node| vars::labels(node, problems))
            .unwrap_or_default();
        let vars = fields
            .take("vars")
            .map(|node| vars::declared(node, problems))
            .unwrap_or_default();
        fields.finish(problems);
        let Some((name, at)) = name else {
            continue;
        };
        if let Some(provider) = provider {
            found.push(Target {
                name: TargetName(name.clone()),
                provider,
                mode,
                vars: Vars::new(),
                at: item.span(),
            });
        }
        named.push(Named {
            name,
            at,
            labels,
            vars,
        });
    }
    (found, named)
}

/// The name of a target or of a group of them, and with it of a directory.
pub(super) fn directory_name(node: &Yaml, what: &str, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if !terms::is_target_name(text) {
        problems.push(
            node.problem(format!("\"{}\" is not a name for a {what}", terms::shown(text)))
                .hint(format!("a {what}'s name is 1 to 63 lower-case letters, digits, - and ., starting with a letter or digit")),
        );
        return None;
    }
    if RESERVED.contains(&text) {
        problems.push(
            node.problem(format!("no {what} can be called `{text}`"))
                .hint(format!(
                    "the directory {text}/ of a baseline holds other things"
                )),
        );
        return None;
    }
    Some(text.to_owned())
}

fn mode(node: &Yaml, problems: &mut Problems) -> Option<Mode> {
    const MODES: [(&str, Mode); 3] = [
        ("observe", Mode::Observe),
        ("propose", Mode::Propose),
        ("enforce", Mode::Enforce),
    ];
    node.one_of(&MODES, problems)
}

fn provider(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<ProviderKind> {
    let text = fields
        .require("provider", problems)
        .and_then(|node| Some((node, node.text(problems)?)));
    let Some((node, text)) = text else {
        leave_to_provider(fields);
        return None;
    };
    match text {
        "host" => connection::host(fields, problems),
        later @ ("kubernetes" | "aws" | "terraform" | "ssh") => {
            leave_to_provider(fields);
            problems.push(
                node.problem(format!(
                    "provider `{later}` is not there yet, it comes later"
                ))
                .hint(match later {
                    "ssh" => "write provider: host, with ssh: { host: NAME } beside it",
                    _ => "this version knows: host",
                }),
            );
            None
        }
        other => {
            leave_to_provider(fields);
            problems.push(
                node.problem(format!("\"{}\" is no provider", terms::shown(other)))
                    .hint(suggest(other, &["host"])),
            );
            None
        }
    }
}

/// What only the provider could judge is no unknown field, when it is the provider that is wrong.
fn leave_to_provider(fields: &mut Fields<'_>) {
    for name in ["root", "ssh"] {
        fields.take(name);
    }
}
