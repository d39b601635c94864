//! Tests of the guard, one rule each, and the property that no rule can be talked out of its veto.

use proptest::prelude::*;

use super::*;
use crate::model::{Fields, Kind, Observed, Risk, RiskLevel, Selector, State, Value};

fn target() -> TargetName {
    TargetName("t".into())
}

fn step(path: &str, verb: Verb) -> Step {
    let state = State::of(Fields::from([("type".to_owned(), Value::text("file"))]));
    Step {
        resource: ResourceId {
            target: target(),
            kind: Kind("File".into()),
            name: path.into(),
        },
        address: Address(path.into()),
        verb,
        expect: Observed::absent_digest(),
        leaves: state.digest(),
        state: (verb == Verb::Put).then_some(state),
        options: Fields::new(),
        undo: Undo::Restore,
        risk: Risk::new(RiskLevel::Low, ""),
        answers: vec![],
        keep: false,
    }
}

fn plan_of(paths: &[&str]) -> Plan {
    Plan::new(
        paths
            .iter()
            .map(|path| Group::new(target(), vec![step(path, Verb::Put)]))
            .collect(),
    )
}

fn situation(mode: Mode) -> Situation {
    Situation {
        modes: BTreeMap::from([(target(), mode)]),
        evaluated: 100,
        has_journal: true,
        ..Situation::default()
    }
}

fn only(plan: &Plan, config: &GuardConfig, situation: &Situation) -> Verdict {
    guard(plan, config, situation, Timestamp::UNIX_EPOCH)[&plan.groups[0].hash].clone()
}

fn held(verdict: Verdict) -> HeldBecause {
    match verdict {
        Verdict::Held(because) => because,
        Verdict::Allow { .. } => panic!("allowed"),
    }
}

// Goal: nothing runs on a target whose mode is observe, or which the situation does not name at all.
#[test]
fn modes() {
    let plan = plan_of(&["/a"]);
    let config = GuardConfig::default();
    assert_eq!(
        only(&plan, &config, &situation(Mode::Enforce)),
        Verdict::Allow { approved_by: None }
    );
    for unsure in [situation(Mode::Observe), Situation::default()] {
        assert_eq!(
            held(only(&plan, &config, &unsure)),
            HeldBecause::Mode {
                mode: Mode::Observe
            }
        );
    }
    assert_eq!(
        held(only(&plan, &config, &situation(Mode::Propose))),
        HeldBecause::Mode {
            mode: Mode::Propose
        }
    );
}

// Goal: the limits judge the whole plan: one change too many holds every group, the last allowed one holds none.
#[test]
fn blast_radius_is_exact() {
    let plan = plan_of(&["/a", "/b"]);
    let config = |max_changes, max_changed_percent| GuardConfig {
        max_changes,
        max_changed_percent,
        ..GuardConfig::default()
    };
    let enforce = situation(Mode::Enforce);
    assert!(matches!(
        only(&plan, &config(2, Some(2)), &enforce),
        Verdict::Allow { .. }
    ));
    assert_eq!(
        held(only(&plan, &config(1, None), &enforce)),
        HeldBecause::BlastRadius { changes: 2, max: 1 }
    );
    assert!(matches!(
        held(only(&plan, &config(2, Some(1)), &enforce)),
        HeldBecause::ChangedPercent { .. }
    ));
}

// Goal: an approval of exactly this group lets it run in propose, and never in observe or against a protection.
#[test]
fn approvals() {
    let plan = plan_of(&["/a"]);
    let config = GuardConfig::default();
    let mut approved = situation(Mode::Propose);
    approved.approvals.insert(
        plan.groups[0].hash,
        ApprovalState::Valid("pull request 1".into()),
    );
    assert!(matches!(
        only(&plan, &config, &approved),
        Verdict::Allow {
            approved_by: Some(_)
        }
    ));
    let other = plan_of(&["/b"]);
    assert!(matches!(only(&other, &config, &approved), Verdict::Held(_)));
    approved.modes.insert(target(), Mode::Observe);
    assert!(matches!(only(&plan, &config, &approved), Verdict::Held(_)));
    let protecting = GuardConfig {
        protected: vec![Selector {
            path: Some("/a".into()),
            ..Selector::default()
        }],
        ..GuardConfig::default()
    };
    approved.modes.insert(target(), Mode::Enforce);
    assert!(matches!(
        held(only(&plan, &protecting, &approved)),
        HeldBecause::Protected { .. }
    ));
}

// Goal: an approval that does not count holds a group with the reason, even where none would be needed.
#[test]
fn a_bad_approval_is_told() {
    let plan = plan_of(&["/a"]);
    let mut situation = situation(Mode::Enforce);
    situation.approvals.insert(
        plan.groups[0].hash,
        ApprovalState::Invalid("it has expired".into()),
    );
    assert_eq!(
        held(only(&plan, &GuardConfig::default(), &situation)),
        HeldBecause::NeedsApproval {
            why: "an approval for it was given".into(),
            found: Some("it has expired".into())
        }
    );
}

// Goal: evenkeel's own places are safe from changes of them, below them, and of what they lie in, while the mode of a
// directory above may still be put right.
#[test]
fn self_protection() {
    let own = Address("/srv/repo/.evenkeel".into());
    let mut directory = step("/srv", Verb::Put);
    directory.state = Some(State::of(Fields::from([(
        "type".to_owned(),
        Value::text("directory"),
    )])));
    for (step, expected) in [
        (step("/srv/repo/.evenkeel/state.db", Verb::Put), true),
        (step("/srv/repo", Verb::Remove), true),
        (step("/srv", Verb::Put), true),
        (directory, false),
        (step("/srv/repo/.evenkeel-old", Verb::Remove), false),
    ] {
        assert_eq!(
            touches(&step, &own),
            expected,
            "{} {}",
            step.verb,
            step.address
        );
    }
}

// Goal: a suspended resource rests until the shown time and not a second longer, unless somebody approves it.
#[test]
fn suspension_ends() {
    let plan = plan_of(&["/a"]);
    let mut resting = situation(Mode::Enforce);
    let until = Timestamp::from_second(10).unwrap();
    resting.suspended.insert(
        plan.groups[0].steps[0].resource.clone(),
        Suspension {
            until,
            run: RunId("r".into()),
        },
    );
    let at = |second, situation: &Situation| {
        let now = Timestamp::from_second(second).unwrap();
        guard(&plan, &GuardConfig::default(), situation, now)[&plan.groups[0].hash].clone()
    };
    assert!(matches!(
        held(at(9, &resting)),
        HeldBecause::Suspended { .. }
    ));
    assert!(matches!(at(10, &resting), Verdict::Allow { .. }));
}

// Goal: what depends on something that could not be seen waits.
#[test]
fn dependencies_must_be_seen() {
    let plan = plan_of(&["/a/b"]);
    let parent = ResourceId::new(&target(), "Directory", "a");
    let mut situation = situation(Mode::Enforce);
    situation.depends_on.insert(
        plan.groups[0].steps[0].resource.clone(),
        vec![parent.clone()],
    );
    situation.not_evaluated.insert(parent);
    assert!(matches!(
        held(only(&plan, &GuardConfig::default(), &situation)),
        HeldBecause::DependsOnNotEvaluated { .. }
    ));
}

// Goal: what cannot be undone needs an approval although no selector asks for one; a risk selector is a floor.
#[test]
fn risks_ask_for_approval() {
    let mut plan = plan_of(&["/a"]);
    plan.groups[0].steps[0].undo = Undo::Irreversible {
        why: "too big".into(),
    };
    let enforce = situation(Mode::Enforce);
    assert!(matches!(
        held(only(&plan, &GuardConfig::default(), &enforce)),
        HeldBecause::NeedsApproval { .. }
    ));
    let mut plan = plan_of(&["/a"]);
    plan.groups[0].steps[0].risk = Risk::new(RiskLevel::High, "x");
    let config = GuardConfig {
        require_approval: vec![Selector {
            risk: Some("medium".into()),
            ..Selector::default()
        }],
        ..GuardConfig::default()
    };
    assert!(matches!(
        held(only(&plan, &config, &enforce)),
        HeldBecause::NeedsApproval { .. }
    ));
}

proptest! {
    // Goal: with any single veto on, nothing runs, whatever else is granted.
    #[test]
    fn a_veto_is_final(
        veto in 0..5_usize,
        propose in any::<bool>(),
        approved in any::<bool>(),
        paths in proptest::collection::btree_set("/[a-c]{1,3}", 1..4),
    ) {
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let plan = plan_of(&paths);
        let mut config = GuardConfig::default();
        let mut around = situation(if propose { Mode::Propose } else { Mode::Enforce });
        if approved {
            for group in &plan.groups {
                around.approvals.insert(group.hash, ApprovalState::Valid("x".into()));
            }
        }
        match veto {
            0 => around.kill_switch = Some("here".into()),
            1 => config.max_changes = paths.len() - 1,
            2 => around.has_journal = false,
            3 => config.protected = vec![Selector::default()],
            _ => { around.own_places.insert(target(), vec![(Address("/".into()), "root")]); }
        }
        let verdicts = guard(&plan, &config, &around, Timestamp::UNIX_EPOCH);
        for verdict in verdicts.values() {
            prop_assert!(matches!(verdict, Verdict::Held(_)));
        }
    }
}
