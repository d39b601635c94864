//! Taking runs back, and reading what happened.

use serde_json::Value as Json;

use crate::support::{Project, run_of};

use super::{motd, one_missing};

/// A project whose file was tampered with and put right in this run.
fn put_right() -> (Project, String) {
    let project = one_missing("enforce", "");
    project.reconcile(0);
    std::fs::write(project.path("motd"), "theirs\n").unwrap();
    let run = run_of(&project.reconcile(0));
    (project, run)
}

/// Undoes a run, and gives the undo's own.
fn undo(project: &Project, run: &str) -> String {
    let args = ["undo", run, "--format", "json"];
    run_of(&project.expect(0, &args).json())
}

// Goal: an undo brings back what was there, and it stays until the time that is shown, or until a person ends its rest.
#[test]
fn what_is_undone_rests_until_it_is_resumed() {
    let (project, run) = put_right();
    let ran = project.expect(0, &["undo", &run]);
    assert_eq!(motd(&project).unwrap(), "theirs\n");
    let until = ran.stdout.split("rests until ").nth(1).expect(&ran.stdout);
    let until = &until[..until.find(';').unwrap()];
    let report = project.reconcile(2);
    assert_eq!(motd(&project).unwrap(), "theirs\n");
    let held = &report["held"][0];
    assert_eq!(held["code"], "suspended");
    assert!(
        held["because"].as_str().unwrap().contains(until),
        "{held} has no {until}"
    );
    let text = project.expect(2, &["reconcile"]).stdout;
    assert!(text.contains("at rest until"), "{text}");
    project.expect(1, &["undo", "--resume", &run]);
    let resumed = ran.stdout.split("undo --resume ").nth(1).unwrap();
    let resumed = resumed.split_whitespace().next().unwrap();
    project.expect(0, &["undo", "--resume", resumed]);
    project.reconcile(0);
    assert_eq!(motd(&project).unwrap(), "good\n");
}

// Goal: an undo is a run like any other: taking it back puts the baseline's file there again. A run taken back twice, one
// that did nothing and one that never was are refused, and change nothing.
#[test]
fn an_undo_can_be_undone() {
    let (project, run) = put_right();
    let undone = undo(&project, &run);
    undo(&project, &undone);
    assert_eq!(motd(&project).unwrap(), "good\n");
    project.expect(0, &["plan"]);
    for unknown in [
        "20200101T000000Z-abcdef",
        "",
        "../../x",
        &run_of(&project.reconcile(0)),
    ] {
        let ran = project.expect(1, &["undo", unknown]);
        assert!(
            ran.stderr.contains("journal show"),
            "{unknown}: {}",
            ran.stderr
        );
        project.expect(1, &["undo", "--resume", "nobody"]);
    }
    assert_eq!(motd(&project).unwrap(), "good\n");
}

// Goal: what was changed since the run is not overwritten by its undo.
#[test]
fn an_undo_overwrites_no_later_change() {
    let (project, run) = put_right();
    std::fs::write(project.path("motd"), "later\n").unwrap();
    let ran = project.run(&["undo", &run]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert_eq!(motd(&project).unwrap(), "later\n");
}

// Goal: records are found by run, resource and kind, several kinds at once, and carry the names that programs read.
#[test]
fn records_are_found() {
    let (project, run) = put_right();
    let shown = |more: &[&str]| -> Vec<Json> {
        let args: Vec<_> = ["journal", "show", "--format", "json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let report = project.expect(0, &args).json();
        assert_eq!(report["schema"], "evenkeel.dev/journal/v1");
        report["records"].as_array().unwrap().clone()
    };
    let all = shown(&[]);
    for (at, record) in all.iter().enumerate() {
        assert_eq!(record["seq"], at as u64 + 1);
        assert!(record["run"].is_string() && record["kind"].is_string());
        record["at"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
    }
    let kinds = shown(&["--kind", "intent", "--kind", "outcome", "--run", &run]);
    let kinds: Vec<_> = kinds
        .iter()
        .map(|record| record["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["intent", "outcome"]);
    assert!(shown(&["--run", "nobody"]).is_empty());
    assert!(!shown(&["--resource", "host/File/motd"]).is_empty());
    assert!(shown(&["--resource", "host/File/mot"]).is_empty());
    project.expect(1, &["journal", "show", "--resource", "motd"]);
    let text = project
        .expect(0, &["journal", "show", "--kind", "intent"])
        .stdout;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines().all(|line| line.contains("put host/File/motd")),
        "{text}"
    );
}
