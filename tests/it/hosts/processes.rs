//! Processes of a real host: what must not run is found by what it executes, what hides is told, and what has to run is missed.

use std::path::Path;

use evenkeel::model::{Step, Undo};
use evenkeel::ports::{ActContext, ContentSource, Provider};
use evenkeel::providers::host::HostConfig;

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::host::fixture::{Fixture, block};
use crate::remote::{Process, host as remote};
use crate::support::drifts;

const SPEC: &str = r#"{ required: [{ program: /usr/sbin/sshd, user: root }], forbidden: [{ program: "/tmp/**" }], deleted: false }"#;

fn baseline(spec: &str) -> String {
    format!(
        "apiVersion: host.evenkeel.dev/v1\nkind: Processes\nmetadata: {{ name: all }}\nspec: {spec}\n"
    )
}

/// Starts a copy of `sleep` and gives its number.
fn start(host: &Host<'_>, program: &str) -> String {
    host.run(&["cp", "/usr/bin/sleep", program]);
    let script = "setsid \"$1\" 600 >/dev/null 2>&1 </dev/null & echo $!; \
                  until [ \"$(readlink /proc/$!/exe)\" = \"$1\" ]; do sleep 0.05; done";
    host.run(&["timeout", "20", "sh", "-c", script, "sh", program])
}

fn lives(host: &Host<'_>, pid: &str) -> bool {
    let state = "grep -q '^State:.[RSD]' /proc/$1/status";
    let said = host.exec(&["sh", "-c", state, "sh", pid], b"");
    said.status.success()
}

struct Nothing;

impl ContentSource for Nothing {
    fn content(&self, _: &evenkeel::model::Digest) -> Option<std::sync::Arc<[u8]>> {
        None
    }
}

fn steps(provider: &dyn Provider, spec: &str) -> Vec<Step> {
    let manifest = format!("kind: Processes\nname: all\nspec: {spec}\n");
    let looked = Fixture::new().look_with(provider, &manifest);
    assert_eq!(looked.unseen(), Vec::<String>::new());
    let groups = looked.plan.groups.into_iter();
    groups.flat_map(|group| group.steps).collect()
}

// Goal: a program where none belongs is found, and by its content wherever it lies and after it deleted its file; each waits
// for an approval; a process whose folder in `/proc` is covered is told as hidden; and a required one that does not run is
// missed. What is allowed is never named.
#[test]
fn what_must_not_run_is_found() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    // Whatever runs since an earlier test is none of this one.
    host.restart();
    let Some(fleet) = Fleet::of(&hosts, &["h3"], &baseline(SPEC), "") else {
        return;
    };
    let clean = fleet.json(0, "plan");
    assert_eq!(drifts(&clean), Vec::<String>::new(), "{clean:#}");

    let evil = start(&host, "/tmp/evil");
    let gone = start(&host, "/usr/local/bin/gone");
    host.run(&["rm", "/usr/local/bin/gone"]);
    let plan = fleet.json(3, "plan");
    let expected = [
        "h3/Process///process/tmp/evil",
        "h3/Process///process/usr/local/bin/gone (deleted)",
    ];
    assert_eq!(drifts(&plan), expected, "{plan:#}");
    assert!(plan.to_string().contains("does not come back"), "{plan:#}");
    fleet.json(3, "reconcile");
    assert!(lives(&host, &evil) && lives(&host, &gone));

    host.run(&["mkdir", "-p", "/tmp/empty"]);
    host.run(&["mount", "--bind", "/tmp/empty", &format!("/proc/{evil}")]);
    let plan = fleet.json(3, "plan");
    host.run(&["umount", &format!("/proc/{evil}")]);
    assert_eq!(drifts(&plan), [expected[1], "h3/Processes/all"], "{plan:#}");
    assert!(plan.to_string().contains("observer-disagrees"), "{plan:#}");
    for pid in [&evil, &gone] {
        host.run(&["kill", "-KILL", pid]);
    }

    let missing = baseline("{ required: [{ program: /usr/sbin/rsyslogd }] }");
    fleet.project.write("desired-state/web/all.yaml", &missing);
    fleet.project.commit("it has to run");
    let plan = fleet.json(3, "plan");
    assert_eq!(drifts(&plan), ["h3/Processes/all"], "{plan:#}");
    host.run(&["rm", "-r", "/tmp/evil", "/tmp/empty"]);
}

// Goal: every process of the forbidden program is ended, under whatever name it was started anew, and nothing else is; one
// that took its place after the plan is left alone.
#[test]
fn all_of_a_program_are_ended() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    host.restart();
    let Ok(worker) = std::env::var("EVENKEEL_WORKER") else {
        return;
    };
    host.write("/root/worker", std::fs::read(worker).unwrap());
    host.run(&["chmod", "755", "/root/worker"]);
    let script = format!("{}/tests/peers/hosts.sh", env!("CARGO_MANIFEST_DIR"));
    let dir = hosts.dir.display().to_string();
    let argv = ["bash", &script, "exec", &dir, "h3", "/root/worker", "serve"];
    let process = Process(argv.map(str::to_owned).to_vec());
    let provider = remote(process, Path::new("/"), &HostConfig::default(), None);
    let context = ActContext {
        contents: &Nothing,
        nonce: "n0nce",
    };

    let pids = [
        start(&host, "/tmp/evil"),
        start(&host, "/usr/local/bin/good"),
    ];
    let [step] = &steps(&provider, SPEC)[..] else {
        panic!()
    };
    assert!(matches!(step.undo, Undo::Irreversible { .. }));
    host.run(&["kill", "-KILL", &pids[0]]);
    host.run(&["rm", "/tmp/evil"]);
    let other = start(&host, "/tmp/evil");
    let stale = block(provider.apply(step, &context));
    assert!(stale.is_err() && lives(&host, &other), "{stale:?}");
    let [step] = &steps(&provider, SPEC)[..] else {
        panic!()
    };
    let notes = block(provider.apply(step, &context)).unwrap();
    assert!(notes[0].contains("/tmp/evil"), "{notes:?}");
    assert!(!lives(&host, &other) && lives(&host, &pids[1]));
    assert!(steps(&provider, SPEC).is_empty());
    host.run(&["kill", "-KILL", &pids[1]]);
    host.run(&["rm", "/tmp/evil", "/usr/local/bin/good", "/root/worker"]);
}
