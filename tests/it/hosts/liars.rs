//! What a real host gains when its worker lies, or is killed.

use std::io::Write;
use std::process::Command;

use super::Hosts;
use super::fleet::{Fleet, count, host_waits, listing, tamper};
use crate::support::Ran;

/// Address space for evenkeel and each ssh, in KiB. What is kept of 1 GiB would not fit.
const ROOM: &str = "409600";

/// A static program that lies in this way, built with the compiler of the tests.
fn liar(dir: &std::path::Path, way: u8) -> String {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/liar/main.rs");
    let path = dir.join(format!("liar-{}", way as char));
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let built = Command::new(compiler)
        .args(["--edition=2024", "-C", "target-feature=+crt-static", "-o"])
        .arg(&path)
        .arg(source)
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    file.write_all(&[way]).unwrap();
    path.to_str().unwrap().to_owned()
}

impl Fleet {
    /// A plan with this worker, by a program that has little memory.
    fn plan_with(&self, worker: &str) -> Ran {
        let args = ["plan", "--format", "json", "--worker", worker];
        let program = self.project.command(&args);
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -v \"$0\" && exec \"$@\"", ROOM])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(program.get_current_dir().unwrap())
            .env_clear();
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap());
        }
        Ran::of(&mut command)
    }
}

// Goal: over real ssh too, a worker that talks nonsense, floods 1 GiB on both of its outputs or says nothing ends in one
// sentence for its host within its time and little memory, and no control character of it is shown; then the real worker
// takes its place again.
#[test]
fn a_lying_worker_costs_its_host() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::new(&hosts, &["h2"], ", user: root") else {
        return;
    };
    tamper(&host);
    let config = "desired-state/evenkeel.yaml";
    let text = std::fs::read_to_string(fleet.project.repo.join(config)).unwrap();
    let short = text.replace("timeout: 20s", "timeout: 3s");
    assert_ne!(short, text);
    let resources = fleet.json(3, "plan")["drifts"].as_array().unwrap().len();
    let dir = tempfile::tempdir().unwrap();
    for (way, because) in [
        (b'g', "what came is no message: it starts with \"Welcome \""),
        (
            b'f',
            "a message cannot be understood: at byte 1 of 67108864",
        ),
        (b's', "no whole message came within 3s"),
    ] {
        // Only silence has to be waited for.
        fleet
            .project
            .write(config, if way == b's' { &short } else { &text });
        fleet.project.commit("how long to wait");
        let ran = fleet.plan_with(&liar(dir.path(), way)).expect(4);
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
        let report = ran.json();
        let reasons = Fleet::reasons(&report, "h2");
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(
            reasons[0].starts_with(&format!("the worker on h2 failed: {because}")),
            "{reasons:?}"
        );
        assert_eq!(count(&report, "not_evaluated"), resources as u64);
    }
    assert_eq!(count(&fleet.json(3, "plan"), "not_evaluated"), 0);
}

// Goal: a worker that is killed in the middle of a step is an error that says so; a new one takes its place in the same
// run, looks at what is there, and tidies up; the next run finishes.
#[test]
fn a_worker_killed_in_a_step() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::new(&hosts, &["h2"], ", user: root") else {
        return;
    };
    fleet.waits_for_validation();
    tamper(&host);
    host_waits(&host);
    let run = fleet.start(&["reconcile", "--format", "json"]);
    // The step has begun when the validation of its new file says so; its parent is the worker.
    host.run(&[
        "timeout",
        "60",
        "sh",
        "-c",
        "until [ -s /run/step-begun ]; do sleep 0.05; done; kill -KILL $(cat /run/step-begun)",
    ]);
    let output = run.wait_with_output().unwrap();
    host.run(&["sh", "-c", "pkill -x sleep || true"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    let errors = report["errors"].to_string();
    assert!(
        errors.contains("failed to put h2/File/motd right: the worker on h2 failed"),
        "{errors}"
    );
    assert!(!listing(&host).contains(".evenkeel"), "{}", listing(&host));
    fleet.run(&["journal", "verify"]).expect(0);

    host.write("/usr/local/bin/wait-here", "#!/bin/sh\nexit 0\n");
    let report = fleet.json(0, "reconcile");
    assert!(listing(&host).ends_with("listen h2.example"), "{report:#}");
    fleet.run(&["journal", "verify"]).expect(0);
}
