//! How far a run goes: modes, and the switch that stops everything.

use super::{motd, one_missing};
use crate::support::Ran;

// Goal: `--mode` takes away and never gives: neither a committed `observe` nor an `observe` of the command line acts, the
// weaker of both is what counts, and the report tells both.
#[test]
fn mode_lowers_and_never_raises() {
    for (committed, asked, counts) in [
        ("observe", "enforce", "observe"),
        ("enforce", "observe", "observe"),
        ("enforce", "propose", "propose"),
        ("propose", "enforce", "propose"),
    ] {
        let project = one_missing(committed, "");
        let args = ["reconcile", "--mode", asked, "--format", "json"];
        let report = project.expect(2, &args).json();
        assert_eq!(motd(&project), None, "{committed} {asked}");
        assert_eq!(report["targets"][0]["mode"], counts);
        assert_eq!(report["targets"][0]["committed_mode"], committed);
        let text = project.expect(2, &["plan", "--mode", asked]).stdout;
        let raised = "--mode only lowers: it stays";
        assert_eq!(text.contains(raised), asked == "enforce", "{text}");
    }
}

/// Plans and reconciles with the switch on: nothing is done, and each says which switch it was.
#[track_caller]
fn stopped(project: &super::Project, variable: Option<&str>, named: &str) {
    for args in [
        &["plan"][..],
        &["reconcile"],
        &["reconcile", "--format", "json"],
    ] {
        let mut command = project.command(args);
        if let Some(value) = variable {
            command.env("EVENKEEL_KILL_SWITCH", value);
        }
        let ran = Ran::of(&mut command).expect(5);
        assert!(ran.stdout.contains(named), "{args:?}: {}", ran.all());
        if args.len() > 1 {
            let held = &ran.json()["held"][0];
            assert_eq!(held["code"], "kill_switch");
            assert_eq!(held["refused"], true);
        }
    }
    assert_eq!(motd(project), None);
}

// Goal: each of the switches stops an enforcing target, is named with its reason, and lets go when it is gone.
#[test]
fn every_kill_switch_stops_and_is_named() {
    let elsewhere = tempfile::tempdir().unwrap();
    let configured = elsewhere.path().join("stop");
    let more = format!("guard: {{ kill_switch: {} }}\n", configured.display());
    let project = one_missing("enforce", &more);
    stopped(&project, Some("1"), "EVENKEEL_KILL_SWITCH");
    project.expect(0, &["journal", "verify"]);
    for file in [configured, project.repo.join(".evenkeel/kill-switch")] {
        std::fs::write(&file, "incident 42\n").unwrap();
        stopped(&project, None, "incident 42");
        let name = file.display().to_string();
        stopped(&project, None, &name);
        std::fs::remove_file(&file).unwrap();
    }
    project.reconcile(0);
    assert!(motd(&project).is_some());
}

// Goal: the switch stops an undo as well, since that changes the system just as much.
#[test]
fn the_kill_switch_stops_an_undo() {
    let project = one_missing("enforce", "");
    let run = crate::support::run_of(&project.reconcile(0));
    let switch = project.repo.join(".evenkeel/kill-switch");
    std::fs::write(&switch, "").unwrap();
    let ran = project.expect(5, &["undo", &run]);
    assert!(ran.stdout.contains("kill switch"), "{}", ran.stdout);
    assert!(motd(&project).is_some());
    std::fs::remove_file(&switch).unwrap();
    project.expect(0, &["undo", &run]);
    assert_eq!(motd(&project), None);
}
