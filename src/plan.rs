//! Plans the way from what is to what should be.
//!
//! Flow: [`Drift`]s and [`Finding`]s → steps → groups (the steps that answer one cause) → [`Plan`].
//!
//! Cost: linear in the drifts, with a sort.
//!
//! **Invariant:** the same drifts give the same plan, byte for byte; no step touches a resource without a drift.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Address, Change, Drift, Finding, Group, Observed, Plan, ResourceId, Risk, RiskLevel, State,
    Step, TargetName, Undo, Verb,
};

/// Makes the plan that undoes these drifts, but for those that only a person can put right. What is larger than
/// `undo_max_bytes` before cannot be undone.
pub fn plan(drifts: &[Drift], findings: &[Finding], undo_max_bytes: u64) -> Plan {
    let by_id: BTreeMap<_, _> = drifts
        .iter()
        .filter(|drift| drift.by_hand.is_none())
        .map(|drift| (&drift.resource, drift))
        .collect();
    let mut groups: BTreeMap<&ResourceId, Vec<&Drift>> = BTreeMap::new();
    for drift in by_id.values() {
        groups.entry(cause(drift, &by_id)).or_default().push(drift);
    }
    let mut groups: Vec<_> = groups
        .into_values()
        .map(|drifts| group(&drifts, findings, undo_max_bytes))
        .collect();
    // What holds others comes first: a directory's flags and mode may be what keeps its entries from being put right.
    groups.sort_by(|a, b| order(a).cmp(&order(b)));
    Plan::new(after_what_they_need(groups, &by_id))
}

/// Moves each group behind those of what its resources depend on, and else leaves the order as it is.
fn after_what_they_need(groups: Vec<Group>, by_id: &BTreeMap<&ResourceId, &Drift>) -> Vec<Group> {
    let mut place_of = BTreeMap::new();
    for (place, group) in groups.iter().enumerate() {
        place_of.extend(group.steps.iter().map(|step| (&step.resource, place)));
    }
    let needs = |place: usize| {
        let steps = groups[place].steps.iter();
        let needed = steps
            .filter_map(|step| by_id.get(&step.resource))
            .flat_map(|drift| &drift.depends_on)
            .filter_map(|id| place_of.get(id).copied());
        needed.collect::<BTreeSet<usize>>()
    };
    let mut in_order = Vec::new();
    let mut begun = BTreeSet::new();
    for first in 0..groups.len() {
        // Down the chain of needs, without recursion: it may be as long as the plan.
        let mut open = vec![(first, false)];
        while let Some((place, has_needs)) = open.pop() {
            if has_needs {
                in_order.push(place);
            } else if begun.insert(place) {
                open.push((place, true));
                open.extend(needs(place).into_iter().rev().map(|need| (need, false)));
            }
        }
    }
    let mut groups: Vec<_> = groups.into_iter().map(Some).collect();
    in_order
        .into_iter()
        .filter_map(|place| groups[place].take())
        .collect()
}

fn order(group: &Group) -> (&TargetName, &Address, &ResourceId) {
    let first = &group.steps[0];
    (&group.target, &first.address, &first.resource)
}

/// The drift that has to be put right first: the farthest one up the chain of dependencies that stands in the way.
fn cause<'a>(drift: &'a Drift, by_id: &BTreeMap<&'a ResourceId, &'a Drift>) -> &'a ResourceId {
    let mut at = drift;
    let mut seen = BTreeSet::from([&at.resource]);
    while let Some(next) = at
        .depends_on
        .iter()
        .filter_map(|id| by_id.get(id))
        .find(|parent| stands_in_the_way(parent))
    {
        if !seen.insert(&next.resource) {
            break;
        }
        at = next;
    }
    &at.resource
}

/// Whether nothing that depends on this can be right before it is: it is not there, or something else is.
fn stands_in_the_way(drift: &Drift) -> bool {
    match drift.change {
        Change::Missing => true,
        Change::Changed => changes_type(drift).is_some(),
        Change::Extra => false,
    }
}

/// The types before and after, where they differ.
fn changes_type(drift: &Drift) -> Option<(String, String)> {
    let name = |state: &State| {
        state
            .get("type")
            .and_then(|t| t.as_text())
            .map(str::to_owned)
    };
    let before = name(drift.before.state()?)?;
    let after = name(drift.after.as_ref()?)?;
    (before != after).then_some((before, after))
}

fn group(drifts: &[&Drift], findings: &[Finding], undo_max_bytes: u64) -> Group {
    let mut steps: Vec<_> = drifts
        .iter()
        .map(|drift| step(drift, findings, undo_max_bytes))
        .collect();
    // Parents are put before what lies below them, and removed after it.
    steps.sort_by(|a, b| match (a.verb, b.verb) {
        (Verb::Put, Verb::Put) => a.address.cmp(&b.address),
        (Verb::Remove, Verb::Remove) => b.address.cmp(&a.address),
        (verb, other) => verb.cmp(&other),
    });
    Group::new(drifts[0].resource.target.clone(), steps)
}

fn step(drift: &Drift, findings: &[Finding], undo_max_bytes: u64) -> Step {
    let answers: Vec<_> = findings
        .iter()
        .filter(|finding| finding.resource.as_ref() == Some(&drift.resource))
        .map(|finding| finding.id.clone())
        .collect();
    let undo = undo(drift, undo_max_bytes);
    let absent = Observed::absent_digest();
    Step {
        resource: drift.resource.clone(),
        address: drift.address.clone(),
        verb: match drift.after {
            Some(_) => Verb::Put,
            None => Verb::Remove,
        },
        expect: drift.before.digest().unwrap_or(absent),
        leaves: drift.after.as_ref().map_or(absent, State::digest),
        state: drift.after.clone(),
        options: drift.options.clone(),
        risk: risk(drift, &undo),
        undo,
        keep: !answers.is_empty(),
        answers,
    }
}

fn undo(drift: &Drift, undo_max_bytes: u64) -> Undo {
    if let Some(why) = &drift.one_way {
        return Undo::Irreversible { why: why.clone() };
    }
    let bytes = drift.bytes_at_stake();
    if bytes > undo_max_bytes {
        return Undo::Irreversible {
            why: format!(
                "the state before has {bytes} bytes, more than guard.undo_max_bytes ({undo_max_bytes})"
            ),
        };
    }
    Undo::Restore
}

fn risk(drift: &Drift, undo: &Undo) -> Risk {
    let mut risk = drift.risk.clone();
    if let Some((before, after)) = changes_type(drift) {
        risk = risk.max(Risk::new(
            RiskLevel::Medium,
            format!("replaces a {before} by a {after}"),
        ));
    }
    if drift.after.is_none() {
        risk = risk.max(Risk::new(
            RiskLevel::Medium,
            "removes what git does not list",
        ));
    }
    if matches!(undo, Undo::Irreversible { .. }) {
        risk = risk.max(Risk::new(RiskLevel::High, "cannot be undone"));
    }
    risk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Blob, Fields, Level, Span, Value};

    fn state(kind: &str) -> State {
        State::of(Fields::from([("type".to_owned(), Value::text(kind))]))
    }

    fn drift(name: &str, before: Option<&str>, after: Option<&str>, needs: &[&str]) -> Drift {
        let target = TargetName("t".into());
        let before = before.map_or(Observed::Absent, |kind| Observed::Present(state(kind)));
        let after = after.map(state);
        Drift {
            resource: ResourceId::new(&target, "File", name),
            address: Address(name.into()),
            change: match (&before, &after) {
                (Observed::Absent, _) => Change::Missing,
                (_, None) => Change::Extra,
                _ => Change::Changed,
            },
            fields: vec![],
            before,
            after,
            origin: Span {
                file: "a.yaml".into(),
                line: 1,
                column: 1,
            },
            found_in: None,
            risk: Risk::default(),
            disclose: false,
            sensitive: false,
            controls: vec![],
            depends_on: needs
                .iter()
                .map(|need| ResourceId::new(&target, "File", *need))
                .collect(),
            options: Fields::new(),
            one_way: None,
            by_hand: None,
        }
    }

    fn shape(plan: &Plan) -> Vec<Vec<String>> {
        plan.groups
            .iter()
            .map(|group| {
                group
                    .steps
                    .iter()
                    .map(|step| format!("{} {}", step.verb, step.address))
                    .collect()
            })
            .collect()
    }

    // Goal: a missing directory and what belongs in it are one cause, in the order of need; an unrelated file is its own.
    #[test]
    fn a_missing_parent_makes_one_group() {
        let drifts = [
            drift("/d/s/f", None, Some("file"), &["/d/s"]),
            drift("/d/s", None, Some("directory"), &["/d"]),
            drift("/d", Some("file"), Some("directory"), &[]),
            drift("/x", Some("file"), Some("file"), &[]),
        ];
        assert_eq!(
            shape(&plan(&drifts, &[], 0)),
            [vec!["put /d", "put /d/s", "put /d/s/f"], vec!["put /x"]]
        );
    }

    // Goal: a parent whose mode alone differs does not tie its children's fate to its own.
    #[test]
    fn a_parent_that_is_there_is_no_cause() {
        let drifts = [
            drift("/d", Some("directory"), Some("directory"), &[]),
            drift("/d/f", None, Some("file"), &["/d"]),
        ];
        assert_eq!(plan(&drifts, &[], 0).groups.len(), 2);
    }

    // Goal: what follows from another setting is put right after it, whatever the order of their addresses; otherwise the
    // first step makes the plan of the second one stale.
    #[test]
    fn what_depends_comes_after() {
        let drifts = [
            drift("/a", Some("file"), Some("file"), &["/c"]),
            drift("/b", Some("file"), Some("file"), &[]),
            drift("/c", Some("file"), Some("file"), &["/d"]),
            drift("/d", Some("file"), Some("file"), &[]),
        ];
        let shape = shape(&plan(&drifts, &[], 0));
        assert_eq!(shape.concat(), ["put /d", "put /c", "put /a", "put /b"]);
    }

    // Goal: a cycle of dependencies, which a provider must not make, ends all the same.
    #[test]
    fn a_cycle_ends() {
        for before in [None, Some("file")] {
            let drifts = [
                drift("/a", before, Some("file"), &["/b"]),
                drift("/b", before, Some("file"), &["/a"]),
            ];
            assert_eq!(plan(&drifts, &[], 0).steps(), 2);
        }
    }

    // Goal: the order in which drifts arrive changes nothing, so that an approval stays valid.
    #[test]
    fn order_does_not_matter() {
        let mut drifts = vec![
            drift("/a", Some("file"), None, &[]),
            drift("/b", None, Some("file"), &[]),
        ];
        let one = plan(&drifts, &[], 0);
        drifts.reverse();
        assert_eq!(one, plan(&drifts, &[], 0));
    }

    // Goal: what is too large to keep is planned as irreversible, and its risk says so.
    #[test]
    fn a_large_state_before_is_irreversible() {
        let mut large = drift("/a", Some("file"), None, &[]);
        if let Observed::Present(state) = &mut large.before {
            let blob = Blob {
                digest: state.digest(),
                size: 11,
            };
            state.fields.insert("content".into(), Value::Blob(blob));
        }
        assert!(!plan(std::slice::from_ref(&large), &[], 11).groups[0].is_irreversible());
        let plan = plan(&[large], &[], 10);
        assert!(plan.groups[0].is_irreversible());
        assert_eq!(plan.groups[0].risk().level, RiskLevel::High);
    }

    // Goal: what a provider says cannot be taken back is never planned as if it could.
    #[test]
    fn one_way_is_irreversible() {
        let mut ended = drift("/a", Some("file"), None, &[]);
        ended.one_way = Some("a process that was ended does not come back".into());
        let plan = plan(&[ended], &[], u64::MAX);
        assert!(plan.groups[0].is_irreversible());
        assert_eq!(plan.groups[0].risk().level, RiskLevel::High);
    }

    // Goal: nothing is planned for what only a person can put right, and nothing waits for it.
    #[test]
    fn by_hand_has_no_step() {
        let mut hand = drift("/d", None, Some("directory"), &[]);
        hand.by_hand = Some("ask the vendor".into());
        let drifts = [hand, drift("/d/f", None, Some("file"), &["/d"])];
        assert_eq!(shape(&plan(&drifts, &[], 0)), [vec!["put /d/f"]]);
    }

    // Goal: a step that answers an indicator is marked to be kept, others are not.
    #[test]
    fn answering_a_finding_is_kept() {
        let drifts = [
            drift("/a", Some("file"), None, &[]),
            drift("/b", Some("file"), None, &[]),
        ];
        let finding = Finding::on(drifts[0].resource.clone(), "unlisted-key", Level::High);
        let plan = plan(&drifts, &[finding], 0);
        assert!(plan.groups[0].steps[0].keep);
        assert!(!plan.groups[1].steps[0].keep);
    }
}
