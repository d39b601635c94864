//! `detect`: how grave a team finds what is found, who its people are, and where its logs lie.
//!
//! **Invariant:** who is known, and which log is believed, comes from the trusted commit alone.

use super::groups::Named;
use super::{heuristics, severity, terms};
use crate::document::Yaml;
use crate::model::{
    EventSource, Format, HeuristicsConfig, Known, Net, Party, Problems, SeverityRule, Trust, Window,
};

const TRUSTS: [(&str, Trust); 3] = [
    ("unauthenticated", Trust::Unauthenticated),
    ("host-written", Trust::HostWritten),
    ("authenticated", Trust::Authenticated),
];
/// The most parties, windows and sources of each sort: records are held against all of them.
const MAX_LISTED: usize = 1000;

/// What `detect` says.
#[derive(Default)]
pub(super) struct Detect {
    pub(super) severity: Vec<SeverityRule>,
    pub(super) heuristics: Option<HeuristicsConfig>,
    pub(super) known: Known,
    pub(super) events: Vec<EventSource>,
}

/// Decodes it.
pub(super) fn decode(node: &Yaml, targets: &[Named<'_>], problems: &mut Problems) -> Detect {
    let Some(mut fields) = node.fields(problems) else {
        return Detect::default();
    };
    let severity = fields
        .take("severity")
        .map(|node| severity::decode(node, targets, problems));
    let heuristics = fields
        .take("heuristics")
        .and_then(|node| heuristics::decode(node, problems));
    let people = each(fields.take("people"), problems, party);
    let controllers = each(fields.take("controllers"), problems, party);
    let proxies = each(fields.take("proxies"), problems, net);
    let windows = fields.take("windows");
    let windows = each(windows, problems, |item, problems| {
        window(item, &people, problems)
    });
    let events = fields.take("events");
    let events = each(events, problems, |item, problems| {
        source(item, targets, problems)
    });
    fields.finish(problems);
    Detect {
        severity: severity.unwrap_or_default(),
        heuristics,
        known: Known {
            people,
            controllers,
            proxies,
            windows,
            commits: Vec::new(),
        },
        events,
    }
}

/// Each item of a list; those that are wrong are reported and left out.
fn each<T>(
    node: Option<&Yaml>,
    problems: &mut Problems,
    one: impl Fn(&Yaml, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let Some(node) = node else { return Vec::new() };
    let items = node.list(problems).unwrap_or_default();
    if items.len() > MAX_LISTED {
        problems.push(node.problem(format!("more than {MAX_LISTED} are not read")));
    }
    let items = items.iter().take(MAX_LISTED);
    items.filter_map(|item| one(item, problems)).collect()
}

fn party(item: &Yaml, problems: &mut Problems) -> Option<Party> {
    let mut fields = item.fields(problems)?;
    let name = fields.require("name", problems);
    let name = name.and_then(|node| terms::name(node, problems));
    let mut lines = |key| {
        let node = fields.take(key);
        node.map(|node| terms::lines(node, problems))
            .unwrap_or_default()
    };
    let identities = lines("identities");
    let keys = lines("keys");
    let addresses = each(fields.take("addresses"), problems, net);
    if identities.is_empty() {
        problems.push(
            item.problem("nobody would be taken for this one")
                .hint("list `identities`: accounts, ARNs or user names as the logs have them"),
        );
    }
    fields.finish(problems);
    Some(Party {
        name: name?,
        identities: identities.into_iter().collect(),
        keys: keys.into_iter().collect(),
        addresses,
    })
}

fn net(node: &Yaml, problems: &mut Problems) -> Option<Net> {
    let text = terms::line(node, problems)?;
    let read = text.parse::<Net>();
    if let Err(error) = &read {
        problems.push(node.problem(error.to_string()));
    }
    read.ok()
}

fn window(item: &Yaml, people: &[Party], problems: &mut Problems) -> Option<Window> {
    let mut fields = item.fields(problems)?;
    let id = fields.require("id", problems);
    let id = id.and_then(|node| terms::name(node, problems));
    let mut time = |key| {
        let node = fields.require(key, problems)?;
        Some((node, terms::instant(node, problems)?))
    };
    let (from, until) = (time("from"), time("until"));
    let who = fields.require("who", problems);
    let who = each(who, problems, |node, problems| {
        let name = terms::name(node, problems)?;
        if people.iter().any(|party| party.name == name) {
            return Some(name);
        }
        problems.push(
            node.problem(format!("\"{name}\" is not one of `people`"))
                .hint("a window names those who may change things by hand in it"),
        );
        None
    });
    fields.finish(problems);
    let ((_, from), (node, until)) = (from?, until?);
    if until <= from {
        problems.push(node.problem("the window ends before it begins"));
    }
    Some(Window {
        id: id?,
        from,
        until,
        who: who.into_iter().collect(),
    })
}

fn source(item: &Yaml, targets: &[Named<'_>], problems: &mut Problems) -> Option<EventSource> {
    let formats = Format::ALL.map(|format| (format.name(), format));
    let mut fields = item.fields(problems)?;
    let path = fields.require("path", problems);
    let path = path.and_then(|node| terms::line(node, problems));
    let format = fields.require("format", problems);
    let format = format.and_then(|node| node.one_of(&formats, problems));
    let host = fields
        .take("host")
        .and_then(|node| target(node, targets, problems));
    let trust = fields
        .take("trust")
        .and_then(|node| node.one_of(&TRUSTS, problems));
    let zone = fields
        .take("zone")
        .and_then(|node| terms::line(node, problems));
    fields.finish(problems);
    Some(EventSource {
        path: path?.to_owned(),
        format: format?,
        host,
        trust,
        zone: zone.map(str::to_owned),
    })
}

fn target(node: &Yaml, targets: &[Named<'_>], problems: &mut Problems) -> Option<String> {
    let name = node.text(problems)?;
    if targets.iter().any(|target| target.name == name) {
        return Some(name.to_owned());
    }
    let shown = terms::shown(name);
    problems.push(
        node.problem(format!("there is no target \"{shown}\""))
            .hint("`host` is the target that wrote the log"),
    );
    None
}
