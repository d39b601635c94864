//! `suppressions.yaml`: findings that a team knows and accepts for a time.
//!
//! **Invariant:** no suppression is without a reason, an owner and an end, and none chooses everything.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::exemptions::text;
use super::selector::selector;
use super::severity::indicator;
use super::terms;
use crate::document::Yaml;
use crate::model::{FindingSelector, Problems, Selector, Span, Suppression};

/// The most suppressions, since each finding is held against all of them.
const MAX_SUPPRESSIONS: usize = 1_000;
/// The most globs or ranges of one.
const MAX_NAMES: usize = 100;

/// Decodes the documents of `suppressions.yaml`: one list, or nothing.
pub(super) fn decode(docs: &[Yaml], problems: &mut Problems) -> Vec<Suppression> {
    if let Some(second) = docs.get(1) {
        problems.push(second.problem("only one document is expected here"));
    }
    let Some(doc) = docs.first() else {
        return Vec::new();
    };
    let items = doc.list(problems).unwrap_or_default();
    if items.len() > MAX_SUPPRESSIONS {
        let message = format!("more than {MAX_SUPPRESSIONS} suppressions are not read");
        problems.push(doc.problem(message));
    }
    let mut found: Vec<Suppression> = Vec::new();
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    for item in items.iter().take(MAX_SUPPRESSIONS) {
        let Some(suppression) = one(item, problems) else {
            continue;
        };
        if let Some(before) = first.get(&suppression.id) {
            problems.push(
                item.problem(format!("suppression `{}` is listed twice", suppression.id))
                    .hint(format!("the first one is at {before}")),
            );
            continue;
        }
        first.insert(suppression.id.clone(), suppression.origin.clone());
        found.push(suppression);
    }
    found
}

fn one(item: &Yaml, problems: &mut Problems) -> Option<Suppression> {
    let mut fields = item.fields(problems)?;
    let id = fields
        .require("id", problems)
        .and_then(|node| terms::name(node, problems));
    let chosen = fields
        .require("selector", problems)
        .and_then(|node| of_findings(node, problems));
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
    Some(Suppression {
        id: id?,
        selector: chosen?,
        reason: reason?,
        owner: owner?.to_owned(),
        expires: expires?,
        origin: item.span(),
    })
}

fn of_findings(node: &Yaml, problems: &mut Problems) -> Option<FindingSelector> {
    let before = problems.0.len();
    let mut fields = node.fields(problems)?;
    let rule = fields
        .take("rule")
        .and_then(|node| terms::line(node, problems))
        .map(str::to_owned);
    let indicator = fields
        .take("indicator")
        .and_then(|node| indicator(node, problems));
    let targets = fields
        .take("targets")
        .map(|node| names(node, terms::glob, problems));
    let resource = fields
        .take("resource")
        .and_then(|node| resource(node, problems));
    let actor = fields
        .take("actor")
        .and_then(|node| terms::glob(node, problems));
    let addresses = fields
        .take("addresses")
        .map(|node| names(node, range, problems));
    fields.finish(problems);
    if problems.0.len() > before {
        return None;
    }
    let chosen = FindingSelector {
        rule,
        indicator,
        targets: targets.unwrap_or_default(),
        resource,
        actor,
        addresses: addresses.unwrap_or_default(),
    };
    if chosen == FindingSelector::default() {
        problems.push(
            node.problem("an empty selector would choose every finding")
                .hint("say which by rule, indicator, targets, resource, actor or addresses"),
        );
        return None;
    }
    Some(chosen)
}

fn names(
    node: &Yaml,
    one: fn(&Yaml, &mut Problems) -> Option<String>,
    problems: &mut Problems,
) -> Vec<String> {
    let items = node.list(problems).unwrap_or_default();
    if items.is_empty() || items.len() > MAX_NAMES {
        let message = format!("from 1 to {MAX_NAMES} are expected here");
        problems.push(node.problem(message));
    }
    let items = items.iter().take(MAX_NAMES);
    items.filter_map(|item| one(item, problems)).collect()
}

fn resource(node: &Yaml, problems: &mut Problems) -> Option<Selector> {
    let chosen = selector(node, problems)?;
    if chosen.risk.is_some() {
        problems.push(
            node.problem("a finding has no risk to be chosen by")
                .hint("say which resources by target, kind, name or path"),
        );
        return None;
    }
    Some(chosen)
}

/// `192.0.2.7`, `192.0.2.0/24`.
fn range(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = terms::line(node, problems)?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let is_range = address.parse::<IpAddr>().is_ok_and(|address| {
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        // All addresses are no range that anybody could mean.
        let fits = |bits: u8| (1..=most).contains(&bits);
        bits.is_none_or(|bits| bits.parse().is_ok_and(fits))
    });
    if !is_range {
        problems.push(
            node.problem(format!(
                "\"{}\" is no range of addresses",
                terms::shown(text)
            ))
            .hint("write 192.0.2.7 or 192.0.2.0/24"),
        );
        return None;
    }
    Some(text.to_owned())
}
