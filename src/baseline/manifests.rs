//! Manifests: one resource a document and target, its `spec` left to the provider.
//!
//! Flow: a document → what every kind has in common → a resource for each target of its directory, with the target's
//! values put into `spec`.
//!
//! **Invariant:** two documents never declare the same resource; the second one is a problem that names both places.
//! However many targets share a document, its problems are told once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::owners::Owners;
use super::{layout, terms, vars};
use crate::document::{Declared, Substitution, TooMuch, Yaml, YamlValue};
use crate::model::{Problem, Problems, ResourceId, Span, TargetName, Vars};

/// The version of host resources.
const HOST_API_VERSION: &str = "host.evenkeel.dev/v1";

/// How many resources there may be on all targets together.
const MAX_RESOURCES: usize = 500_000;
/// What all manifests into which values were put may take together, in bytes.
const MAX_SUBSTITUTED: usize = 256 << 20;

/// Collects what is declared, across files.
pub(super) struct Manifests {
    first: BTreeMap<ResourceId, Span>,
    /// In the order of files and documents.
    pub declared: BTreeMap<TargetName, Vec<Declared>>,
    resources: usize,
    budget: usize,
}

/// One document, before it is known whose resource it is.
struct Document {
    kind: String,
    name: String,
    /// Names of values with their nodes.
    listed: Vec<(String, Yaml)>,
    /// A resource of nobody yet, its `spec` as it is written.
    draft: Declared,
}

impl Default for Manifests {
    fn default() -> Self {
        Self {
            first: BTreeMap::new(),
            declared: BTreeMap::new(),
            resources: 0,
            budget: MAX_SUBSTITUTED,
        }
    }
}

impl Manifests {
    /// Whether a bound was reached; the problem that says so was given.
    pub(super) fn is_full(&self) -> bool {
        self.resources > MAX_RESOURCES || self.budget == 0
    }

    /// Takes in one document of a file in this directory, once for each target that the directory is for.
    pub(super) fn add(
        &mut self,
        directory: &str,
        owners: Option<&Owners>,
        path: &str,
        doc: &Yaml,
        problems: &mut Problems,
    ) {
        let Some(document) = decode(path, doc, problems) else {
            return;
        };
        let alone = [TargetName(directory.to_owned())];
        let targets = owners
            .and_then(|owners| owners.by_directory.get(directory))
            .map_or(&alone[..], Vec::as_slice);
        self.resources += targets.len();
        if self.is_full() {
            problems.push(doc.problem(format!(
                "there are more than {MAX_RESOURCES} resources on all targets; from here on they are not read"
            )));
            return;
        }
        let vars = owners.and_then(|owners| owners.vars.as_ref());
        let usable = match (document.listed.is_empty(), vars) {
            (true, _) => true,
            (false, Some(vars)) => vars::are_there(&document.listed, targets, vars, problems),
            // Whatever is wrong with the values is told where they are declared.
            (false, None) => false,
        };
        let mut told = false;
        for target in targets {
            let id = ResourceId::new(target, &document.kind, document.name.clone());
            if let Some(first) = self.first.get(&id) {
                if !std::mem::replace(&mut told, true) {
                    problems.push(declared_twice(doc, &id, first, path));
                }
                continue;
            }
            self.first.insert(id.clone(), document.draft.at.clone());
            if !usable {
                continue;
            }
            let values = vars.and_then(|vars| vars.get(target));
            match self.fill(&document, values) {
                Ok((spec, vars)) => {
                    let declared = Declared {
                        id,
                        spec,
                        vars,
                        ..document.draft.clone()
                    };
                    self.declared
                        .entry(target.clone())
                        .or_default()
                        .push(declared);
                }
                Err(too_much) => {
                    problems.push(too_much.problem(&document.draft.spec));
                    return;
                }
            }
        }
    }

    fn fill(
        &mut self,
        document: &Document,
        values: Option<&Vars>,
    ) -> Result<(Arc<Yaml>, Substitution), TooMuch> {
        let spec = &document.draft.spec;
        match values {
            Some(values) if !document.listed.is_empty() => {
                let filled =
                    Substitution::of_spec(spec, &document.listed, values, &mut self.budget);
                if matches!(filled, Err(TooMuch::All)) {
                    self.budget = 0;
                }
                filled.map(|(spec, vars)| (Arc::new(spec), vars))
            }
            _ => Ok((Arc::clone(spec), Substitution::default())),
        }
    }
}

fn declared_twice(doc: &Yaml, id: &ResourceId, first: &Span, path: &str) -> Problem {
    let top = |path: &str| path.split('/').next().map(str::to_owned);
    let why = match top(&first.file) == top(path) {
        true => "",
        false => "; a target has the resources of all its groups, and none overrides another",
    };
    doc.problem(format!("{id} is declared twice"))
        .hint(format!("the first one is at {first}{why}"))
}

fn decode(path: &str, doc: &Yaml, problems: &mut Problems) -> Option<Document> {
    let mut fields = doc.fields(problems)?;
    let version = fields
        .require("apiVersion", problems)
        .and_then(|node| api_version(node, problems));
    let kind = fields
        .require("kind", problems)
        .and_then(|node| Some((node, kind(node, problems)?)));
    let name = fields.require("metadata", problems).and_then(|node| {
        let mut metadata = node.fields(problems)?;
        let name = metadata
            .require("name", problems)
            .and_then(|node| terms::name(node, problems));
        metadata.finish(problems);
        name
    });
    let spec = fields
        .require("spec", problems)
        .and_then(|node| match node.value {
            YamlValue::Map(_) => Some(Arc::new(node.clone())),
            _ => {
                problems.push(node.problem(format!("expected a map, found {}", node.type_name())));
                None
            }
        });
    let controls = fields
        .take("controls")
        .map(|node| terms::lines(node, problems));
    let disclose = fields
        .take("disclose")
        .and_then(|node| node.boolean(problems));
    let listed = match fields.take("vars") {
        Some(node) => vars::listed(node, problems),
        None => Some(Vec::new()),
    };
    fields.finish(problems);
    let ((kind_node, kind), name) = (kind?, name?);
    let draft = Declared {
        id: ResourceId::new(&TargetName(String::new()), &kind, name.clone()),
        kind: kind_node.clone(),
        api_version: version?,
        at: doc.span(),
        spec: spec?,
        disclose: disclose.unwrap_or(false),
        controls: controls.unwrap_or_default(),
        directory: path
            .rsplit_once('/')
            .map_or_else(String::new, |(directory, _)| directory.to_owned()),
        vars: Substitution::default(),
    };
    Some(Document {
        kind,
        name,
        listed: listed?,
        draft,
    })
}

fn api_version(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if text == HOST_API_VERSION {
        return Some(text.to_owned());
    }
    let hint = if text == super::project::API_VERSION {
        format!(
            "the project's own files lie at the top, as {}; a resource is {HOST_API_VERSION}",
            layout::PROJECT
        )
    } else {
        format!(
            "the resources of a host are {HOST_API_VERSION}; YAML that is data and no resource belongs below a directory called files/"
        )
    };
    problems.push(
        node.problem(format!("`apiVersion` is \"{}\" here", terms::shown(text)))
            .hint(hint),
    );
    None
}

fn kind(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric());
    if letters && (1..=63).contains(&text.len()) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!("\"{}\" is not a kind", terms::shown(text)))
            .hint("a kind is letters and digits, such as File"),
    );
    None
}
