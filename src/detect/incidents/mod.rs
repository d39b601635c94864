//! Incidents: findings that have one cause, brought together.
//!
//! Flow: findings, and those of the incidents that are open → the `links` of each → a union of all that share a link within
//! the window → [`Group`]s, each with the id of its incident.
//!
//! **Invariant:** the order of findings decides nothing. What is grouped again with its own result as open incidents lands in
//! the same ones, and two open incidents never become one: so nothing that is written later can close what is open.

mod links;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Finding, Incident, Level};

/// How far apart in time two findings may be that share a link. Chains of them may last longer.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// A group with nothing as bad as this opens no incident.
pub const OPENS: Level = Level::Medium;

/// An incident that is open, with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    pub id: &'a str,
    pub opened: Timestamp,
    /// Each with when it was first seen, for what has no time of its own.
    pub findings: &'a [(Timestamp, &'a Finding)],
}

/// Findings with one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The id of the open incident that they belong to, or that they would open.
    pub incident: String,
    pub is_new: bool,
    /// Places in the list of findings, in order.
    pub members: Vec<usize>,
    /// Other open incidents that they have a link to.
    pub related: BTreeSet<String>,
}

/// One finding while it is grouped: of the list, of an incident, or of both.
struct Node<'a> {
    finding: &'a Finding,
    from: Timestamp,
    until: Timestamp,
    /// The place of its incident among those that are open.
    anchor: Option<usize>,
    member: Option<usize>,
}

/// Brings findings together. `now` is the time of what has none: a drift is there now.
///
/// The cost grows with the number of findings and not with its square, whatever they share.
pub fn group(findings: &[Finding], open: &[Open<'_>], now: Timestamp) -> Vec<Group> {
    let nodes = nodes(findings, open, now);
    let mut union = Union::new(nodes.len());
    for mut linked in links::shared(nodes.iter().map(|node| node.finding)) {
        join(&nodes, &mut linked, &mut union);
    }
    let mut by_root: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..nodes.len() {
        by_root.entry(union.root(at)).or_default().push(at);
    }
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for together in by_root.into_values() {
        settle(&nodes, open, &together, &mut groups);
    }
    for group in groups.values_mut() {
        group.members.sort_unstable();
    }
    groups.into_values().collect()
}

/// The id of the incident that begins with a finding.
pub fn id_of(first: &Finding) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in ["incident-1", &first.fingerprint] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    format!(
        "{}{}",
        Incident::PREFIX,
        &hasher.finalize().to_hex()[..Incident::DIGITS]
    )
}

fn nodes<'a>(findings: &'a [Finding], open: &[Open<'a>], now: Timestamp) -> Vec<Node<'a>> {
    let mut nodes = Vec::with_capacity(findings.len());
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for (anchor, incident) in open.iter().enumerate() {
        for (seen, finding) in incident.findings {
            known.entry(&finding.fingerprint).or_insert(nodes.len());
            nodes.push(Node {
                finding,
                from: finding.first.unwrap_or(*seen),
                until: finding.last.unwrap_or(*seen),
                anchor: Some(anchor),
                member: None,
            });
        }
    }
    for (member, finding) in findings.iter().enumerate() {
        let (from, until) = (finding.first.unwrap_or(now), finding.last.unwrap_or(now));
        let before = known.get(finding.fingerprint.as_str());
        let (from, anchor) = match before.map(|at| &nodes[*at]) {
            Some(node) => (node.from.min(from), node.anchor),
            None => (from, None),
        };
        nodes.push(Node {
            finding,
            from,
            until,
            anchor,
            member: Some(member),
        });
    }
    nodes
}

/// Joins those of a shared link that follow each other within the window.
fn join(nodes: &[Node<'_>], linked: &mut [usize], union: &mut Union) {
    linked.sort_unstable_by_key(|at| (nodes[*at].from, *at));
    let mut before: Option<(usize, Timestamp)> = None;
    for at in linked.iter().copied() {
        let node = &nodes[at];
        let until = match before {
            Some((other, until)) if node.from.duration_since(until) <= WINDOW => {
                union.join(other, at);
                until.max(node.until)
            }
            _ => node.until,
        };
        before = Some((at, until));
    }
}

/// Says which incident each finding of a union belongs to.
fn settle(
    nodes: &[Node<'_>],
    open: &[Open<'_>],
    together: &[usize],
    groups: &mut BTreeMap<String, Group>,
) {
    let anchors: BTreeSet<usize> = together.iter().filter_map(|at| nodes[*at].anchor).collect();
    let oldest = anchors
        .iter()
        .min_by_key(|at| (open[**at].opened, open[**at].id));
    let members = || together.iter().filter(|at| nodes[**at].member.is_some());
    let cause = members().min_by_key(|at| (nodes[**at].from, &nodes[**at].finding.fingerprint));
    for at in members() {
        let (incident, is_new) = match (nodes[*at].anchor.as_ref().or(oldest), cause) {
            (Some(anchor), _) => (open[*anchor].id.to_owned(), false),
            (None, Some(cause)) => (id_of(nodes[*cause].finding), true),
            (None, None) => continue,
        };
        let group = groups.entry(incident.clone()).or_insert_with(|| Group {
            incident,
            is_new,
            members: Vec::new(),
            related: BTreeSet::new(),
        });
        group.members.extend(nodes[*at].member);
        if anchors.len() > 1 && group.related.is_empty() {
            let others = anchors.iter().map(|anchor| open[*anchor].id);
            let others = others.filter(|id| *id != group.incident);
            let others = others.take(Incident::MAX_RELATED).map(str::to_owned);
            group.related.extend(others);
        }
    }
}

/// Sets that grow together.
struct Union(Vec<usize>);

impl Union {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// The lower root stays, so that the order of joins leaves no trace.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
