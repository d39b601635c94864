//! The invariants of the design as properties, over random small worlds, random tampering and a fault at any effect.
//!
//! Method throughout: the real engine, saga and host provider on a simulated root, where effects of the world and of the
//! journal are counted together and any one of them can go wrong, before or after it happened.

mod rig;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use self::rig::{Case, Rig, baseline, cases, tampering};
use crate::model::{Change, GroupResult, Plan, RunReport, StepResult};
use crate::providers::host::fs::HostPath;
use crate::sim::{Fault, Picture};

/// Every way in which one effect can go wrong.
const FAULTS: [Fault; 6] = [
    Fault::Refused,
    Fault::NoSpace,
    Fault::FailsBefore,
    Fault::FailsAfter,
    Fault::KilledBefore,
    Fault::KilledAfter,
];

fn is_kill(fault: &Fault) -> bool {
    matches!(fault, Fault::KilledBefore | Fault::KilledAfter)
}

/// What a case comes to when nothing goes wrong.
struct Smooth {
    tampered: Picture,
    converged: Picture,
    plan: Plan,
    effects: usize,
}

fn smooth(case: &Case) -> Smooth {
    let rig = Rig::new(case);
    let tampered = rig.bench.world.picture();
    let plan = rig.plan().plan;
    rig.faults.disarm();
    rig.reconcile().expect("nothing goes wrong");
    let effects = rig.faults.effects().len();
    rig.converge();
    Smooth {
        tampered,
        converged: rig.bench.world.picture(),
        plan,
        effects,
    }
}

/// Each path is as before or as it has to be; what has to be as before is. Temporary names and flags are left out
/// while something is in flight.
fn require_old_or_new(smooth: &Smooth, now: &Picture, in_flight: bool) -> TestCaseResult {
    let paths = [&smooth.tampered, now, &smooth.converged]
        .into_iter()
        .flat_map(|picture| picture.0.keys());
    for path in paths.filter(|path| !(in_flight && rig::is_temporary(path))) {
        let at = |picture: &Picture| {
            let mut node = picture.0.get(path).cloned();
            if let Some(node) = node.as_mut().filter(|_| in_flight) {
                (node.immutable, node.append_only) = (false, false);
            }
            node
        };
        let (old, is, new) = (at(&smooth.tampered), at(now), at(&smooth.converged));
        prop_assert!(is == old || is == new, "{}: {is:?}", path.address());
    }
    Ok(())
}

/// A group is done whole, or what it touches is as before; what was done in answer to an indicator stays done.
fn require_whole_groups(smooth: &Smooth, report: &RunReport, now: &Picture) -> TestCaseResult {
    for outcome in &report.outcomes {
        let group = smooth.plan.group(&outcome.group).expect("it was planned");
        prop_assert_ne!(outcome.result, GroupResult::Broken, "{:?}", outcome);
        if outcome.result == GroupResult::Done {
            continue;
        }
        for step in &group.steps {
            let path = HostPath::from_address(&step.address).expect("a path");
            let [is, old, new] =
                [now, &smooth.tampered, &smooth.converged].map(|picture| picture.0.get(&path));
            let mut results = outcome.steps.iter();
            let result = results.find(|it| it.resource == step.resource);
            let is_done = result.is_some_and(|it| it.result == StepResult::Done);
            let holds = match step.keep && is_done {
                true => is == new,
                false => is == old,
            };
            prop_assert!(holds, "{}: {:?} after {:?}", step.address, is, outcome);
        }
    }
    Ok(())
}

/// One fault, and everything that has to hold after it.
fn check_fault(case: &Case, smooth: &Smooth, at: usize, fault: &Fault) -> TestCaseResult {
    let mut rig = Rig::new(case);
    rig.faults.arm(at, fault.clone());
    let report = rig.reconcile();
    let now = rig.bench.world.picture();
    let what = format!(
        "{:?} at effect {at} ({:?})",
        fault,
        rig.faults.effects().last()
    );
    require_old_or_new(smooth, &now, is_kill(fault))?;
    if !is_kill(fault) {
        prop_assert!(!rig::has_temporary(&now), "{what}: {now:?}");
        if let Ok(report) = &report {
            require_whole_groups(smooth, report, &now)?;
        }
    }
    rig.faults.disarm();
    rig.restart();
    rig.converge();
    let now = rig.bench.world.picture();
    prop_assert_eq!(smooth.converged.differences(&now), vec![], "{}", &what);
    rig.undo_all();
    let now = rig.bench.world.picture();
    prop_assert_eq!(
        smooth.tampered.differences(&now),
        vec![],
        "undone after {}",
        &what
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    // Goal: invariants 1 and 3: after a run there is nothing left to plan, a second run does nothing, and what nobody
    // manages is as it was.
    #[test]
    fn a_run_converges(case in cases()) {
        let rig = Rig::new(&case);
        let before = rig.bench.world.picture();
        rig.converge();
        let after = rig.bench.world.picture();
        rig.faults.disarm();
        let again = rig.reconcile().unwrap();
        prop_assert!(again.outcomes.is_empty());
        prop_assert_eq!(rig.bench.world.picture(), after.clone());
        prop_assert!(rig.faults.effects().iter().all(|what| *what == "append to"));
        for path in rig::unmanaged(&case) {
            prop_assert_eq!(before.0.get(&path), after.0.get(&path));
        }
    }

    // Goal: invariants 2, 4 and 5: whatever goes wrong at whatever effect, each group is whole or as before, nothing
    // else changes, the next run converges to the same state, and undo brings exactly the tampered state back.
    #[test]
    fn any_fault_is_survived(
        case in cases(),
        at in any::<prop::sample::Index>(),
        fault in prop::sample::select(FAULTS.to_vec()),
    ) {
        let smooth = smooth(&case);
        check_fault(&case, &smooth, at.index(smooth.effects), &fault)?;
    }

    // Goal: somebody who changes something in the very moment of acting stops nothing for good: the run ends, nothing is
    // left behind, and the next runs converge, where even the way back was barred after a person has looked.
    #[test]
    fn changes_meanwhile_are_survived(
        case in cases(),
        at in any::<prop::sample::Index>(),
        deed in tampering(),
    ) {
        let smooth = smooth(&case);
        let mut rig = Rig::new(&case);
        rig.faults.arm(at.index(smooth.effects), Fault::Meanwhile(vec![deed]));
        let report = rig.reconcile().unwrap();
        prop_assert!(!rig::has_temporary(&rig.bench.world.picture()));
        rig.faults.disarm();
        rig.restart();
        if report.outcomes.iter().any(|outcome| outcome.result == GroupResult::Broken) {
            rig.resume(&report.run.expect("it was journalled"));
        }
        rig.converge();
    }
}

/// A case in which every sort of step happens: missing, extra and changed, files, directories and trees, flags.
fn fixed() -> Case {
    Case {
        loaded: Arc::new(baseline(&[
            Some(("A", 0o644)),
            Some(("B", 0o600)),
            Some(("C", 0o755)),
            Some(("D", 0o644)),
        ])),
        tampering: rig::rich_tampering(),
    }
}

// Goal: every effect boundary of a run that does a bit of everything, each way to go wrong, once: nothing is skipped by
// chance. This is the enumeration of crash points.
#[test]
fn every_boundary_of_a_run() {
    let case = fixed();
    let smooth = smooth(&case);
    let kinds: std::collections::BTreeSet<_> = Rig::new(&case)
        .plan()
        .comparison
        .drifts
        .iter()
        .map(|drift| drift.change)
        .collect();
    assert_eq!(
        kinds,
        [Change::Missing, Change::Extra, Change::Changed].into()
    );
    assert!(smooth.effects > 60, "{}", smooth.effects);
    for at in 0..smooth.effects {
        // A full disk refuses as everything else that refuses.
        for fault in FAULTS.iter().filter(|fault| **fault != Fault::NoSpace) {
            check_fault(&case, &smooth, at, fault).unwrap();
        }
    }
}

// Goal: a run that is killed while it looks after a run that was killed is looked after too. Method: every pair of
// boundaries, a few of the first ones.
#[test]
fn every_boundary_of_a_recovery() {
    let case = fixed();
    let smooth = smooth(&case);
    for first in (0..smooth.effects).step_by(5) {
        let mut second = 0;
        loop {
            let mut rig = Rig::new(&case);
            rig.faults.arm(first, Fault::KilledAfter);
            let _ = rig.reconcile();
            rig.restart();
            rig.faults.arm(second, Fault::KilledBefore);
            let _ = rig.reconcile();
            let reached = rig.faults.is_killed();
            rig.faults.disarm();
            rig.restart();
            rig.converge();
            let now = rig.bench.world.picture();
            assert_eq!(smooth.converged.differences(&now), [], "{first}, {second}");
            rig.undo_all();
            let now = rig.bench.world.picture();
            assert_eq!(smooth.tampered.differences(&now), [], "{first}, {second}");
            if !reached {
                break;
            }
            second += 3;
        }
    }
}

// Goal: an undo that is killed at any boundary can be asked for again, and then gives exactly the state before.
#[test]
fn every_boundary_of_an_undo() {
    let case = fixed();
    let smooth = smooth(&case);
    for fault in [Fault::KilledBefore, Fault::KilledAfter, Fault::FailsAfter] {
        for at in 0.. {
            let mut rig = Rig::new(&case);
            rig.converge();
            rig.faults.arm(at, fault.clone());
            rig.try_undo_all();
            let reached = rig.faults.effects().len() > at;
            rig.faults.disarm();
            rig.restart();
            rig.undo_all();
            let now = rig.bench.world.picture();
            assert_eq!(smooth.tampered.differences(&now), [], "{fault:?} at {at}");
            if !reached {
                break;
            }
        }
    }
}
