//! What goes through a worker is what would have been done without one.

use std::os::unix::fs::symlink;
use std::time::Duration;

use evenkeel::model::{Observed, ReasonCode};
use evenkeel::ports::{ActError, Provider};
use evenkeel::providers::host::LocalFs;

use super::super::host::fixture::{Fixture, block, chmod};

const MANIFEST: &str = r#"
kind: Directory
name: etc
spec: { path: /etc, mode: "0755", exclusive: true }
---
kind: File
name: conf
spec: { path: /etc/conf, mode: "0644", content: "good\n" }
---
kind: File
name: gone
spec: { path: /etc/gone, mode: "0600", content: "must come back\n" }
---
kind: Symlink
name: link
spec: { path: /etc/link, target: conf }
---
kind: PrivilegedFiles
name: powers
spec: { paths: [/bin], allow: [] }
"#;

fn tampered() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("etc/conf", "evil\n", 0o666);
    fixture.write("etc/extra/deep/file", "a", 0o600);
    fixture.write("etc/extra/deep/same", "a", 0o644);
    fixture.write("bin/shell", "#!", 0o4755);
    symlink("/outside", fixture.path("etc/link")).unwrap();
    chmod(&fixture.path("etc"), 0o777);
    fixture
}

// Goal: a worker's snapshot is the one that the same code takes here, remedies and contents included; so is what is
// done: everything is put right and back again, a removed tree with its files included.
#[test]
fn equal_to_a_local_root() {
    let fixture = tampered();
    let remote = fixture.remote();
    let local = fixture.host_on(LocalFs::open(&fixture.root).unwrap());
    let here = fixture.look_with(&local, MANIFEST);
    let there = fixture.look_with(&remote, MANIFEST);
    assert_eq!(here.snapshot.observations, there.snapshot.observations);
    assert!(
        here.snapshot
            .contents
            .iter()
            .eq(there.snapshot.contents.iter())
    );
    assert_eq!(there.drifts().len(), 6);

    let before = super::super::support::facts(&fixture.root);
    let mut undo = Vec::new();
    for step in there.plan.groups.iter().flat_map(|group| &group.steps) {
        let was = fixture.act(&remote, step).unwrap();
        undo.push(super::super::host::fixture::inverse(step, &was));
    }
    assert_eq!(
        fixture.look_with(&remote, MANIFEST).drifts(),
        Vec::<String>::new()
    );
    for step in undo.iter().rev() {
        fixture.act(&remote, step).unwrap();
    }
    assert_eq!(super::super::support::facts(&fixture.root), before);
}

// Goal: two runs never act on one root at once, though each comes through a worker of its own; one that only looks is
// not held up; and when the holder's connection ends, so does its hold.
#[test]
fn one_run_acts_at_a_time() {
    let fixture = tampered();
    let acting = || {
        super::host(
            super::worker(),
            &fixture.root,
            &fixture.config,
            Some(Duration::ZERO),
        )
    };
    let (first, second) = (acting(), acting());
    let seen = |host: &dyn Provider| fixture.look_with(host, MANIFEST).unseen().len();
    assert_eq!(seen(&first), 0);
    assert_eq!(seen(&second), 5);
    let desired = fixture.desired(MANIFEST);
    let snapshot = block(second.observe(&desired));
    let Observed::NotEvaluated(reason) = &snapshot.observations[&desired[0].id].observed else {
        panic!("the root is held");
    };
    assert_eq!(reason.code, ReasonCode::Unreachable);
    assert!(
        reason.text.contains("is held by process"),
        "{}",
        reason.text
    );
    assert_eq!(seen(&fixture.remote()), 0);
    let step = &fixture.look(MANIFEST).plan.groups[0].steps[0];
    assert!(matches!(
        block(second.capture(step, 0)),
        Err(ActError::Lost(_))
    ));
    drop(first);
    let patient = super::host(
        super::worker(),
        &fixture.root,
        &fixture.config,
        Some(Duration::from_secs(20)),
    );
    assert_eq!(seen(&patient), 0);
}

// Goal: a worker that is killed is replaced, and what was asked for goes on; but not for ever.
#[test]
fn a_killed_worker_is_replaced() {
    let fixture = tampered();
    let remote = fixture.remote();
    let seen = || fixture.look_with(&remote, MANIFEST).unseen().len();
    let kill = || {
        let mine = std::process::id().to_string();
        let root = fixture.root.display().to_string();
        // The worker of this test is the child that has this root open.
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let proc = entry.path();
            let is_child = std::fs::read_to_string(proc.join("stat")).is_ok_and(|stat| {
                stat.rsplit(')')
                    .next()
                    .is_some_and(|rest| rest.split(' ').nth(2) == Some(&mine))
            });
            let has_root = is_child
                && std::fs::read_dir(proc.join("fd")).is_ok_and(|fds| {
                    fds.flatten().any(|fd| {
                        std::fs::read_link(fd.path())
                            .is_ok_and(|to| to.display().to_string() == root)
                    })
                });
            if has_root
                && let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok())
            {
                let pid = rustix::process::Pid::from_raw(pid).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
        }
    };
    assert_eq!(seen(), 0);
    for _ in 0..2 {
        kill();
        assert_eq!(seen(), 5);
        assert_eq!(seen(), 0);
    }
    kill();
    assert_eq!((seen(), seen()), (5, 5));
}
