//! Tests of the decisions, one by one and as a life cycle.

use proptest::prelude::*;

use super::*;
use crate::forge::marker::branch;
use crate::ports::Person;

const DAY: Duration = Duration::from_secs(24 * 3600);
const VALID: Duration = Duration::from_secs(7 * 24 * 3600);
const TARGET: &str = "web-1";
const PROJECT: &str = "desired-state";
const OTHER: &str = "other/desired-state";

/// The world that decisions act on: what is asked, and the forge's pull requests.
#[derive(Clone, Debug)]
struct World {
    wanted: Vec<Wanted>,
    pulls: Vec<PullRequest>,
    settled: BTreeMap<String, Settled>,
    differing: BTreeSet<String>,
    fully_seen: BTreeSet<TargetName>,
    now: Timestamp,
    max_open: usize,
}

impl World {
    fn new() -> Self {
        Self {
            wanted: Vec::new(),
            pulls: Vec::new(),
            settled: BTreeMap::new(),
            differing: BTreeSet::new(),
            fully_seen: BTreeSet::new(),
            now: "2026-12-01T12:00:00Z".parse().unwrap(),
            max_open: 10,
        }
    }

    fn decide(&self) -> Vec<PullAction> {
        decide(&Situation {
            project: PROJECT,
            wanted: &self.wanted,
            pulls: &self.pulls,
            settled: &self.settled,
            differing: &self.differing,
            fully_seen: &self.fully_seen,
            now: self.now,
            approval_valid: VALID,
            reopen_after: 7 * DAY,
            max_open: self.max_open,
        })
    }

    /// Does to the pull requests what the forge would.
    fn apply(&mut self, actions: &[PullAction]) {
        let expires = self.now + VALID;
        for action in actions {
            match action {
                PullAction::Open {
                    fingerprint, group, ..
                } => {
                    let number = self.pulls.iter().map(|p| p.number).max().unwrap_or(0) + 1;
                    self.pulls
                        .push(pull(number, fingerprint, PullState::Open, *group, expires));
                }
                PullAction::Update {
                    fingerprint,
                    group,
                    number,
                    ..
                } => {
                    let body = body(fingerprint, *group, expires);
                    self.find(*number).body = body;
                }
                PullAction::Close { number, .. } => {
                    let now = self.now;
                    let pull = self.find(*number);
                    pull.state = PullState::Closed;
                    pull.closed_at = Some(now);
                    pull.body.push_str(marker::CLOSED_MARK);
                }
                PullAction::Leave { .. }
                | PullAction::LeaveClosed { .. }
                | PullAction::Hold { .. }
                | PullAction::Taken { .. } => {}
            }
        }
    }

    fn find(&mut self, number: u64) -> &mut PullRequest {
        self.pulls
            .iter_mut()
            .find(|pull| pull.number == number)
            .unwrap()
    }
}

fn fingerprint(cause: u8) -> String {
    format!("{cause:016x}")
}

fn group(state: u8) -> Digest {
    Digest::of(&[state])
}

fn wanted(cause: u8, state: u8, approval: ApprovalState) -> Wanted {
    Wanted {
        fingerprint: fingerprint(cause),
        group: group(state),
        risk: RiskLevel::Low,
        approval,
    }
}

fn body(fingerprint: &str, group: Digest, expires: Timestamp) -> String {
    Marker {
        fingerprint: fingerprint.to_owned(),
        group,
        target: TargetName(TARGET.into()),
        project: PROJECT.into(),
        expires,
    }
    .to_string()
}

fn pull(
    number: u64,
    fingerprint: &str,
    state: PullState,
    group: Digest,
    expires: Timestamp,
) -> PullRequest {
    PullRequest {
        number,
        url: format!("https://forge.example/o/r/pull/{number}"),
        branch: branch(fingerprint),
        state,
        author: Person {
            login: "evenkeel-bot".into(),
            is_bot: true,
        },
        merged_by: None,
        pushers: Vec::new(),
        files: Vec::new(),
        closed_at: None,
        closed_by: None,
        merge_commit: None,
        body: body(fingerprint, group, expires),
        head: "0".repeat(40),
    }
}

fn closed(world: &World, state: PullState, days_ago: u32) -> PullRequest {
    let at = world.now - DAY * days_ago;
    PullRequest {
        closed_at: Some(at),
        ..pull(1, &fingerprint(1), state, group(1), at + VALID)
    }
}

// Goal: the ordinary life: opened once, left alone while nothing changes, updated in place when the state changes.
#[test]
fn one_pull_request_a_cause() {
    let mut world = World::new();
    world.wanted = vec![wanted(1, 1, ApprovalState::None)];
    let actions = world.decide();
    assert!(matches!(
        &actions[..],
        [PullAction::Open { follows: None, .. }]
    ));
    world.apply(&actions);
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Leave {
            number: 1,
            because: LeaveBecause::UpToDate,
            ..
        }]
    ));
    world.wanted = vec![wanted(1, 2, ApprovalState::None)];
    let actions = world.decide();
    assert!(matches!(
        &actions[..],
        [PullAction::Update {
            number: 1,
            because: UpdateBecause::GroupChanged { .. },
            ..
        }]
    ));
    world.apply(&actions);
    assert!(world.decide()[0].is_passive());
}

// Goal: an open pull request whose approval would be worthless once merged is renewed in time.
#[test]
fn an_expiring_approval_is_renewed() {
    let mut world = World::new();
    world.wanted = vec![wanted(1, 1, ApprovalState::None)];
    world.apply(&world.decide());
    world.now += 5 * DAY;
    assert!(world.decide()[0].is_passive());
    world.now += DAY;
    let actions = world.decide();
    assert!(matches!(
        &actions[..],
        [PullAction::Update {
            because: UpdateBecause::Expires { .. },
            ..
        }]
    ));
    world.apply(&actions);
    assert!(world.decide()[0].is_passive());
}

// Goal: a pull request is closed when its drift is gone, and never because nobody looked.
#[test]
fn closed_only_when_seen_to_be_gone() {
    let mut world = World::new();
    world.pulls = vec![pull(
        1,
        &fingerprint(1),
        PullState::Open,
        group(1),
        world.now + VALID,
    )];
    let because = |world: &World| match &world.decide()[..] {
        [PullAction::Leave { because, .. }] => Err(*because),
        [PullAction::Close { because, .. }] => Ok(*because),
        other => panic!("{other:?}"),
    };
    assert_eq!(because(&world), Err(LeaveBecause::NotSeen));
    world.fully_seen.insert(TargetName("web-2".into()));
    assert_eq!(because(&world), Err(LeaveBecause::NotSeen));
    world.fully_seen.insert(TargetName(TARGET.into()));
    assert_eq!(because(&world), Ok(Settled::DriftGone));
    world.settled.insert(fingerprint(1), Settled::Exempted);
    assert_eq!(because(&world), Ok(Settled::Exempted));
    world.differing.insert(fingerprint(1));
    assert_eq!(because(&world), Err(LeaveBecause::StillDiffers));
}

// Goal: without its marker nothing tells whose target it was, so the target's coverage never closes it.
#[test]
fn without_marker_coverage_does_not_close() {
    let mut world = World::new();
    world.fully_seen.insert(TargetName(TARGET.into()));
    let mut lost = pull(
        1,
        &fingerprint(1),
        PullState::Open,
        group(1),
        world.now + VALID,
    );
    lost.body = "edited".into();
    world.pulls = vec![lost];
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Leave {
            because: LeaveBecause::Unmarked,
            ..
        }]
    ));
}

// Goal: a person's "no" holds for the configured time, then the cause is raised again as a new pull request.
#[test]
fn a_no_holds_for_a_time() {
    let mut world = World::new();
    world.wanted = vec![wanted(1, 2, ApprovalState::None)];
    world.pulls = vec![closed(&world, PullState::Closed, 6)];
    let until = world.now + DAY;
    assert_eq!(
        world.decide(),
        [PullAction::LeaveClosed {
            fingerprint: fingerprint(1),
            number: 1,
            until
        }]
    );
    world.now = until;
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Open {
            follows: Some(1),
            ..
        }]
    ));
}

// Goal: what evenkeel closed itself because the drift was gone is raised at once when the drift is back.
#[test]
fn our_own_closing_is_no_veto() {
    let mut world = World::new();
    world.wanted = vec![wanted(1, 1, ApprovalState::None)];
    world.pulls = vec![closed(&world, PullState::Closed, 0)];
    world.pulls[0].body.push_str(marker::CLOSED_MARK);
    assert!(matches!(&world.decide()[..], [PullAction::Open { .. }]));
}

// Goal: a merge that this checkout does not hold yet is waited for; an approval that does not count is asked for anew.
#[test]
fn after_the_merge() {
    let mut world = World::new();
    world.pulls = vec![closed(&world, PullState::Merged, 0)];
    world.wanted = vec![wanted(1, 1, ApprovalState::None)];
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Leave {
            because: LeaveBecause::MergeNotHere,
            ..
        }]
    ));
    world.wanted = vec![wanted(1, 1, ApprovalState::Valid)];
    assert_eq!(world.decide(), []);
    world.wanted = vec![wanted(1, 1, ApprovalState::Refused)];
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Open {
            follows: Some(1),
            ..
        }]
    ));
    world.wanted = vec![wanted(1, 2, ApprovalState::None)];
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Open {
            follows: Some(1),
            ..
        }]
    ));
    world.wanted = vec![wanted(1, 1, ApprovalState::None)];
    world.now += DAY;
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Open {
            follows: Some(1),
            ..
        }]
    ));
}

// Goal: under the bound the highest risk comes first, what is held back is named, and closing makes room.
#[test]
fn too_many_are_held_back() {
    let mut world = World::new();
    world.max_open = 1;
    world.pulls = vec![pull(
        1,
        &fingerprint(9),
        PullState::Open,
        group(9),
        world.now + VALID,
    )];
    world.wanted = vec![
        wanted(1, 1, ApprovalState::None),
        Wanted {
            risk: RiskLevel::High,
            ..wanted(2, 2, ApprovalState::None)
        },
    ];
    let held = world.decide();
    assert!(matches!(
        held[1],
        PullAction::Hold {
            open: 1,
            max: 1,
            ..
        }
    ));
    world.settled.insert(fingerprint(9), Settled::DriftGone);
    let actions = world.decide();
    assert!(matches!(&actions[0], PullAction::Close { number: 1, .. }));
    assert!(matches!(&actions[1], PullAction::Open { fingerprint: f, .. } if *f == fingerprint(2)));
    assert!(matches!(&actions[2], PullAction::Hold { fingerprint: f, .. } if *f == fingerprint(1)));
}

// Goal: a pull request from a branch that only looks like ours decides nothing.
#[test]
fn other_branches_do_not_count() {
    let mut world = World::new();
    world.wanted = vec![wanted(1, 1, ApprovalState::None)];
    let mut other = pull(
        1,
        &fingerprint(1),
        PullState::Open,
        group(1),
        world.now + VALID,
    );
    other.branch = format!("evenkeel/adopt-{}", fingerprint(1));
    world.pulls = vec![other];
    assert!(matches!(&world.decide()[..], [PullAction::Open { .. }]));
}

// Goal: a second project in the repository, whose target has the same name, is left alone: its pull request is neither
// closed nor updated nor counted, and no second one is opened on its branch.
#[test]
fn another_project_is_left_alone() {
    let mut world = World::new();
    world.max_open = 1;
    world.fully_seen.insert(TargetName(TARGET.into()));
    let mut theirs = pull(
        1,
        &fingerprint(1),
        PullState::Open,
        group(1),
        world.now + VALID,
    );
    theirs.body = theirs.body.replace(PROJECT, OTHER);
    world.pulls = vec![theirs];
    assert_eq!(world.decide(), []);
    world.wanted = vec![
        wanted(1, 2, ApprovalState::None),
        wanted(2, 2, ApprovalState::None),
    ];
    assert!(matches!(
        &world.decide()[..],
        [PullAction::Taken { number: 1, by, .. }, PullAction::Open { .. }] if by == OTHER
    ));
    world.pulls[0].state = PullState::Merged;
    world.pulls[0].closed_at = Some(world.now);
    world.max_open = 2;
    assert!(matches!(
        &world.decide()[..],
        [
            PullAction::Open { follows: None, .. },
            PullAction::Open { .. }
        ]
    ));
}

// Goal: the pull request that adopts the live state of a cause is nobody's request for approval: it neither stands in for
// the one that is, nor counts as one that is open, nor is it closed when the drift is gone; and merged it approves nothing.
#[test]
fn an_adoption_is_left_alone() {
    let mut world = World::new();
    let cause = fingerprint(1);
    let adoption = PullRequest {
        branch: marker::adopt_branch(&cause),
        body: marker::adopt_mark([cause.clone()].into_iter()),
        ..pull(7, &cause, PullState::Open, group(1), world.now)
    };
    world.pulls.push(adoption.clone());
    world.wanted.push(wanted(1, 1, ApprovalState::None));
    world.differing.insert(cause.clone());
    world.fully_seen.insert(TargetName(TARGET.into()));
    world.max_open = 1;
    let actions = world.decide();
    assert!(
        matches!(&actions[..], [PullAction::Open { follows: None, .. }]),
        "{actions:?}"
    );
    world.apply(&actions);

    world.wanted.clear();
    world.differing.clear();
    world.settled.insert(cause.clone(), Settled::DriftGone);
    let actions = world.decide();
    assert!(
        matches!(&actions[..], [PullAction::Close { number, .. }] if *number != adoption.number),
        "{actions:?}"
    );
    let approval = crate::model::Approval {
        group: group(1),
        fingerprint: cause,
        expires: world.now,
        origin: crate::model::Span {
            file: String::new(),
            line: 1,
            column: 1,
        },
    };
    let merged = PullRequest {
        state: PullState::Merged,
        ..adoption
    };
    assert!(crate::forge::approval::candidates(&[merged], &approval).is_empty());
}

fn any_world() -> impl Strategy<Value = World> {
    let approval = prop_oneof![
        Just(ApprovalState::None),
        Just(ApprovalState::Valid),
        Just(ApprovalState::Refused)
    ];
    let wants = prop::collection::vec((0..6u8, 0..3u8, approval, 0..3u8), 0..8);
    let pulls = prop::collection::vec((0..6u8, 0..3u8, 0..3u8, 0..20u32, 0..5u8), 0..12);
    let marks = prop::collection::vec((0..6u8, 0..3u8), 0..6);
    (wants, pulls, marks, any::<bool>(), 0..5usize).prop_map(
        |(wants, pulls, marks, seen, max_open)| {
            let mut world = World::new();
            world.max_open = max_open;
            for (cause, state, approval, risk) in wants {
                world.wanted.push(Wanted {
                    risk: [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High][usize::from(risk)],
                    ..wanted(cause, state, approval)
                });
                world.differing.insert(fingerprint(cause));
            }
            for (number, (cause, state, kind, days, flaw)) in (1..).zip(pulls) {
                let at = world.now - DAY * days;
                let mut one = pull(
                    number,
                    &fingerprint(cause),
                    PullState::Open,
                    group(state),
                    at + VALID,
                );
                let is_open =
                    |p: &PullRequest| p.branch == one.branch && p.state == PullState::Open;
                if kind > 0 || world.pulls.iter().any(is_open) {
                    one.state = [PullState::Closed, PullState::Merged][usize::from(kind == 1)];
                    one.closed_at = (flaw != 3).then_some(at);
                }
                match flaw {
                    1 => one.body = "edited by a person".into(),
                    2 => one.body.push_str(marker::CLOSED_MARK),
                    4 => one.body = one.body.replace(PROJECT, OTHER),
                    _ => {}
                }
                world.pulls.push(one);
            }
            for (cause, what) in marks {
                match what {
                    0 => world
                        .settled
                        .insert(fingerprint(cause), Settled::DriftGone)
                        .is_none(),
                    1 => world
                        .settled
                        .insert(fingerprint(cause), Settled::Exempted)
                        .is_none(),
                    _ => world.differing.insert(fingerprint(cause)),
                };
            }
            if seen {
                world.fully_seen.insert(TargetName(TARGET.into()));
            }
            world
        },
    )
}

proptest! {
    // Goal: from any state of the forge, what is decided settles after one round, never leads to two open pull
    // requests for one cause, never opens more than the bound allows, and touches nothing of another project. Method:
    // carry the actions out and decide again.
    #[test]
    fn decisions_settle(mut world in any_world()) {
        let is_theirs = |pull: &&PullRequest| pull.body.contains(OTHER);
        let theirs: Vec<_> = world.pulls.iter().filter(is_theirs).cloned().collect();
        let open = |world: &World| {
            let ours = world.pulls.iter().filter(|pull| !is_theirs(pull));
            ours.filter(|pull| pull.state == PullState::Open).count()
        };
        let open_before = open(&world);
        let actions = world.decide();
        world.apply(&actions);
        let again = world.decide();
        // What could not be opened for want of room may follow when closing has made some; nothing else may.
        prop_assert!(again.iter().all(PullAction::is_passive), "{actions:?} then {again:?}");
        let mut branches = BTreeMap::new();
        for pull in world.pulls.iter().filter(|p| p.state == PullState::Open) {
            *branches.entry(pull.branch.clone()).or_insert(0) += 1;
        }
        prop_assert!(branches.values().all(|count| *count == 1), "{branches:?}");
        prop_assert!(open(&world) <= open_before.max(world.max_open));
        prop_assert!(theirs.iter().all(|pull| world.pulls.contains(pull)));
        let mut causes = BTreeSet::new();
        prop_assert!(actions.iter().all(|action| causes.insert(action.fingerprint())));
    }
}
