//! `plan --events` and `reconcile --events`: logs beside what is looked at.

use serde_json::Value as Json;

use super::{config, file, motd, one_missing};
use crate::support::Project;

/// Seven logins of one address, of which the last succeeds: a finding of `ssh_guessed.yml`, level high.
fn guessed() -> String {
    let line = |second: u32, words: &str| {
        format!(
            "<38>1 2026-03-02T10:00:0{second}Z web sshd 4711 - - {words} password for alice from 198.51.100.7 port 40000 ssh2\n"
        )
    };
    (0..6)
        .map(|second| line(second, "Failed"))
        .collect::<String>()
        + &line(9, "Accepted")
}

fn with_rules(mode: &str, more: &str) -> Project {
    let project = one_missing(mode, more);
    project.write(
        "desired-state/rules/ssh_guessed.yml",
        include_str!("../../../desired-state/rules/linux/ssh_guessed.yml"),
    );
    project.write("logs/auth.log", &guessed());
    project.commit("rules");
    project
}

fn indicators(report: &Json) -> Vec<&str> {
    let all = report["findings"].as_array().unwrap().iter();
    all.map(|one| one["indicator"].as_str().unwrap()).collect()
}

// Goal: what rules find in logs is a finding of the run and gives its exit code, and the baseline is put back all the same.
#[test]
fn rules_are_held_against_the_logs_of_a_run() {
    let project = with_rules("enforce", "");
    let log = "syslog@host=logs/auth.log";
    let json = ["--format", "json"];
    let plan = |code, more: &[&str]| {
        let args = [&["plan"], &json[..], more].concat();
        project.run(&args).expect(code).json()
    };
    assert_eq!(plan(2, &[])["logs"], Json::Null);
    let report = plan(3, &["--events", log]);
    assert_eq!(
        indicators(&report),
        ["login-from-where-passwords-were-tried"]
    );
    assert_eq!(report["findings"][0]["targets"][0], "host/host");
    assert_eq!(report["logs"]["sources"][0]["records"], 7);
    assert_eq!(report["logs"]["rules"]["loaded"], 4);
    let author = &report["drifts"][0]["author"]["no_event"]["coverage"][0];
    assert_eq!(author["records"], 7, "{author:#}");
    let done = project
        .run(&["reconcile", "--events", log])
        .expect(3)
        .stdout;
    assert!(
        done.contains("logs    1 log with 7 records, 4 rules"),
        "{done}"
    );
    assert_eq!(motd(&project).as_deref(), Some("good\n"));
    assert_eq!(plan(0, &[])["findings"], Json::Array(vec![]));
}

// Goal: evenkeel.yaml lists the logs of every run, and one run can do without them; a relative path starts at the baseline.
#[test]
fn evenkeel_yaml_lists_the_logs() {
    let more = "detect:\n  events: [{ path: ../logs, format: syslog, host: host }]\n";
    let project = with_rules("observe", more);
    project.run(&["plan"]).expect(3);
    project.run(&["plan", "--no-events"]).expect(2);
    let untrusted = project
        .run(&["plan", "--untrusted", "--trusted-rev", "HEAD"])
        .expect(2)
        .stdout;
    assert!(
        untrusted.contains("are not read for an untrusted revision"),
        "{untrusted}"
    );
    let refused = project
        .run(&[
            "plan",
            "--untrusted",
            "--trusted-rev",
            "HEAD",
            "--events",
            "logs",
        ])
        .expect(1)
        .stderr;
    assert!(refused.contains("planned without logs"), "{refused}");
}

// Goal: a log that cannot be read is an error of the run that names it, and what differs is told and put right all the same;
// a pipe that somebody put in its place is not waited for.
#[test]
fn a_log_that_cannot_be_read_is_an_error() {
    let more = "detect:\n  events:\n    - { path: ../logs/auth.log, format: syslog }\n    - { path: ../logs/gone.log, format: syslog }\n";
    let project = with_rules("enforce", more);
    std::fs::remove_file(project.repo.join("logs/auth.log")).unwrap();
    let pipe = project.repo.join("logs/auth.log");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let report = project
        .run(&["reconcile", "--format", "json"])
        .expect(1)
        .json();
    let errors = report["errors"].to_string();
    for log in ["auth.log", "gone.log"] {
        assert!(errors.contains(log), "{errors}");
    }
    assert!(errors.contains("failed to read the log"), "{errors}");
    assert_eq!(motd(&project).as_deref(), Some("good\n"));
}

// Goal: a source that is written wrongly is refused before anything is looked at, with what to write instead.
#[test]
fn sources_are_understood_first() {
    let project = with_rules("observe", "");
    for (events, says) in [
        ("-", "a run reads its logs from files"),
        ("syslog@web=logs/auth.log", "there is no target web"),
        ("sylog=logs/auth.log", "names no format"),
    ] {
        let error = project.run(&["plan", "--events", events]).expect(1).stderr;
        assert!(error.contains(says), "{events}: {error}");
    }
    project.write("desired-state/rules/bad.yml", "title: x\n");
    project.commit("a bad rule");
    let error = project.run(&["plan", "--events", "logs"]).expect(1).stderr;
    assert!(error.contains("rules/bad.yml"), "{error}");
    // Without logs, rules are nothing that a plan needs.
    project.run(&["plan"]).expect(2);
}

// Goal: a team says how grave a finding is by who is behind it, and of a class that nothing proves no rule for it holds.
#[test]
fn levels_by_author() {
    let more = "detect:\n  severity:\n    - { indicator: writable-by-others, author: manual, level: informational }\n    - { indicator: writable-by-others, level: critical }\n";
    let project = Project::new(&config("observe", more), &file("motd", "/motd", "good\n"));
    std::fs::write(project.path("motd"), "good\n").unwrap();
    crate::support::chmod(&project.path("motd"), 0o666);
    let report = project.run(&["plan", "--format", "json"]).expect(3).json();
    assert_eq!(indicators(&report), ["writable-by-others"]);
    assert_eq!(report["findings"][0]["level"], "critical");
}
