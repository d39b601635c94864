//! `evenkeel.yaml`: targets, guard, forge, trust.
//!
//! Flow: the one document of the file → [`Decoded`], with every problem in one go.
//!
//! **Invariant:** a project with any problem is disarmed: each target only observes and no change is allowed, so that
//! nobody who overlooks the problems can act on half a configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{PROJECT, RESERVED};
use super::source::about_file;
use super::{settings, terms};
use crate::document::{Fields, Yaml, suggest};
use crate::model::{GuardConfig, Mode, Problems, Project, ProviderKind, Span, Target, TargetName};

/// The version of the project's own files.
pub(super) const API_VERSION: &str = "evenkeel.dev/v1";

/// What is known of the configuration.
#[derive(Default)]
pub(super) struct Decoded {
    /// None when the file is no map at all.
    pub project: Option<Project>,
    /// Every target that is named, those with problems included.
    pub named: BTreeSet<String>,
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
    let (targets, named) = fields
        .require("targets", problems)
        .map(|node| targets(node, problems))
        .unwrap_or_default();
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
            guard: guard.unwrap_or_default(),
            forge,
            trust: trust.unwrap_or_default(),
            ignore: ignore.unwrap_or_default(),
        }),
        named,
    }
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

fn targets(node: &Yaml, problems: &mut Problems) -> (Vec<Target>, BTreeSet<String>) {
    let Some(items) = node.list(problems) else {
        return Default::default();
    };
    if items.is_empty() {
        problems.push(
            node.problem("there is no target, so nothing would ever be looked at")
                .hint("list at least one: - { name: web-1, provider: host, root: / }"),
        );
    }
    let mut found = Vec::new();
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    for item in items {
        let Some(mut fields) = item.fields(problems) else {
            continue;
        };
        let name = fields.require("name", problems).and_then(|node| {
            let name = target_name(node, problems)?;
            if let Some(before) = first.get(&name) {
                problems.push(
                    node.problem(format!("target `{name}` is listed twice"))
                        .hint(format!("the first one is at {before}")),
                );
                return None;
            }
            first.insert(name.clone(), node.span());
            Some(name)
        });
        let provider = provider(&mut fields, problems);
        let mode = fields
            .take("mode")
            .and_then(|node| mode(node, problems))
            .unwrap_or_default();
        fields.finish(problems);
        if let (Some(name), Some(provider)) = (name, provider) {
            found.push(Target {
                name: TargetName(name),
                provider,
                mode,
                at: item.span(),
            });
        }
    }
    (found, first.into_keys().collect())
}

fn target_name(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if !terms::is_target_name(text) {
        problems.push(
            node.problem(format!("\"{}\" is not a name for a target", terms::shown(text)))
                .hint("a target's name is 1 to 63 lower-case letters, digits, - and ., starting with a letter or digit"),
        );
        return None;
    }
    if RESERVED.contains(&text) {
        problems.push(
            node.problem(format!("no target can be called `{text}`"))
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
    let root = fields.take("root");
    let ssh = fields.take("ssh");
    let node = fields.require("provider", problems)?;
    match node.text(problems)? {
        "host" => {}
        later @ ("kubernetes" | "aws" | "terraform" | "ssh") => {
            problems.push(
                node.problem(format!(
                    "provider `{later}` is not there yet, it comes later"
                ))
                .hint("this version knows: host"),
            );
            return None;
        }
        other => {
            problems.push(
                node.problem(format!("\"{}\" is no provider", terms::shown(other)))
                    .hint(suggest(other, &["host"])),
            );
            return None;
        }
    }
    if let Some(ssh) = ssh {
        problems.push(
            ssh.problem("hosts over ssh are not there yet, they come later")
                .hint("run evenkeel on the host itself, with root: /"),
        );
        return None;
    }
    let Some(root) = root else {
        problems.push(
            fields
                .node()
                .problem("a host target needs `root`")
                .hint("write root: / for this machine, or the path of a folder"),
        );
        return None;
    };
    let root = terms::line(root, problems)?;
    Some(ProviderKind::Host {
        root: root.to_owned(),
        ssh: None,
    })
}
