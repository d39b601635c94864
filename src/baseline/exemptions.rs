//! `exemptions.yaml`: drift that a team accepts for a time.
//!
//! **Invariant:** no exemption is without a reason, an owner and an end.

use std::collections::BTreeMap;

use super::selector::selector;
use super::terms;
use crate::document::Yaml;
use crate::model::{Exemption, Problems, Span};

/// Decodes the documents of `exemptions.yaml`: one list, or nothing.
pub(super) fn decode(docs: &[Yaml], problems: &mut Problems) -> Vec<Exemption> {
    if let Some(second) = docs.get(1) {
        problems.push(second.problem("only one document is expected here"));
    }
    let Some(doc) = docs.first() else {
        return Vec::new();
    };
    let mut found: Vec<Exemption> = Vec::new();
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    for item in doc.list(problems).unwrap_or_default() {
        let Some(exemption) = one(item, problems) else {
            continue;
        };
        if let Some(before) = first.get(&exemption.id) {
            problems.push(
                item.problem(format!("exemption `{}` is listed twice", exemption.id))
                    .hint(format!("the first one is at {before}")),
            );
            continue;
        }
        first.insert(exemption.id.clone(), exemption.origin.clone());
        found.push(exemption);
    }
    found
}

fn one(item: &Yaml, problems: &mut Problems) -> Option<Exemption> {
    let mut fields = item.fields(problems)?;
    let id = fields
        .require("id", problems)
        .and_then(|node| terms::name(node, problems));
    let chosen = fields.require("selector", problems).and_then(|node| {
        let chosen = selector(node, problems)?;
        if chosen.risk.is_some() {
            problems.push(node.problem("an exemption cannot choose by risk").hint(
                "what is accepted here is drift; say which resources by target, kind, name or path",
            ));
            return None;
        }
        Some(chosen)
    });
    let reason = fields
        .require("reason", problems)
        .and_then(|node| text(node, problems));
    let owner = fields
        .require("owner", problems)
        .and_then(|node| terms::line(node, problems));
    let expires = fields
        .require("expires", problems)
        .and_then(|node| terms::instant(node, problems));
    fields.finish(problems);
    Some(Exemption {
        id: id?,
        selector: chosen?,
        reason: reason?,
        owner: owner?.to_owned(),
        expires: expires?,
        origin: item.span(),
    })
}

/// A text that may have several lines.
pub(super) fn text(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if text.trim().is_empty() {
        problems.push(node.problem("the text is empty"));
        return None;
    }
    Some(text.trim_end().to_owned())
}
