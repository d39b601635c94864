//! Manifests: one resource a document, its `spec` left to the provider.
//!
//! **Invariant:** two documents never declare the same resource; the second one is a problem that names both places.

use std::collections::BTreeMap;

use super::{layout, terms};
use crate::document::{Declared, Yaml, YamlValue};
use crate::model::{Problems, ResourceId, Span, TargetName};

/// The version of host resources.
const HOST_API_VERSION: &str = "host.evenkeel.dev/v1";

/// Collects what is declared, across files.
#[derive(Default)]
pub(super) struct Manifests {
    first: BTreeMap<ResourceId, Span>,
    /// In the order of files and documents.
    pub declared: BTreeMap<TargetName, Vec<Declared>>,
}

impl Manifests {
    /// Takes in one document of a file that lies in the directory of this target.
    pub(super) fn add(
        &mut self,
        target: &TargetName,
        path: &str,
        doc: &Yaml,
        problems: &mut Problems,
    ) {
        let Some(declared) = decode(target, path, doc, problems) else {
            return;
        };
        if let Some(first) = self.first.get(&declared.id) {
            problems.push(
                doc.problem(format!("{} is declared twice", declared.id))
                    .hint(format!("the first one is at {first}")),
            );
            return;
        }
        self.first.insert(declared.id.clone(), declared.at.clone());
        self.declared
            .entry(target.clone())
            .or_default()
            .push(declared);
    }
}

fn decode(
    target: &TargetName,
    path: &str,
    doc: &Yaml,
    problems: &mut Problems,
) -> Option<Declared> {
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
            YamlValue::Map(_) => Some(node.clone()),
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
    fields.finish(problems);
    let (kind, word) = kind?;
    Some(Declared {
        id: ResourceId::new(target, &word, name?),
        kind: kind.clone(),
        api_version: version?,
        at: doc.span(),
        spec: spec?,
        disclose: disclose.unwrap_or(false),
        controls: controls.unwrap_or_default(),
        directory: path
            .rsplit_once('/')
            .map_or_else(String::new, |(directory, _)| directory.to_owned()),
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
