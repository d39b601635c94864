//! `worker install` and `worker clean` on real hosts: what a login user can and cannot do with what they leave.

use serde_json::Value as Json;

use super::fleet::{Fleet, count, listing, tamper};
use super::{Host, Hosts};
use crate::support::Ran;

const SUDO: &str = ", user: deploy, become: sudo";
const DIR: &str = "/usr/local/lib/evenkeel";
const LINE: &str = "/etc/sudoers.d/evenkeel-worker";

impl Fleet {
    fn worker_command(&self, what: &str, code: i32, more: &[&str]) -> Json {
        let args: Vec<_> = ["worker", what, "web", "--format", "json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        self.run(&args).expect(code).json()
    }
}

/// What was done on the only host, as `put PATH`.
fn done(report: &Json) -> Vec<String> {
    let word = |one: &Json, key: &str| one[key].as_str().unwrap().to_owned();
    let deeds = report["targets"][0]["done"].as_array().unwrap();
    deeds
        .iter()
        .map(|deed| format!("{} {}", word(deed, "what"), word(deed, "path")))
        .collect()
}

fn error(report: &Json) -> String {
    report["targets"][0]["error"].as_str().unwrap().to_owned()
}

fn tidy(host: &Host<'_>) {
    host.run(&["rm", "-rf", DIR, LINE]);
}

/// What the login user gets for a command of its own.
fn as_deploy(host: &Host<'_>, command: &str) -> bool {
    let mut ssh = host.ssh();
    ssh.arg(format!("deploy@{}", host.name())).arg(command);
    ssh.output().unwrap().status.success()
}

// Goal: what install leaves lets the login user start this worker as root and do nothing else: neither the worker nor the
// line can be changed by it. A second install changes nothing, workers of other versions and what a broken transfer left
// go, and clean takes everything away, after which a run says what to do.
#[test]
fn installed_used_and_taken_away() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let Some(fleet) = Fleet::new(&hosts, &["h3"], SUDO) else {
        return;
    };
    tamper(&host);
    host.run(&["install", "-d", "-m", "755", DIR]);
    let old = format!("{DIR}/worker-{}", "0".repeat(64));
    host.write(&old, "old\n");
    host.write(&format!("{DIR}/.sent-1"), "half\n");
    let report = fleet.worker_command("install", 0, &[]);
    let path = format!("{DIR}/worker-{}", report["sha256"].as_str().unwrap());
    assert_eq!(
        done(&report),
        [
            format!("put {path}"),
            format!("put {LINE}"),
            format!("removed {old}"),
            format!("removed {DIR}/.sent-1"),
        ]
    );
    assert_eq!(report["targets"][0]["tried"], true);
    let facts = ["stat", "-c", "%n %F %U:%G %a", DIR, &path, LINE];
    assert_eq!(
        host.run(&facts),
        format!(
            "{DIR} directory root:root 755\n{path} regular file root:root 755\n{LINE} regular file root:root 440"
        )
    );
    assert_eq!(
        host.run(&["ls", "-A", "/etc/sudoers.d"]),
        "README\nevenkeel-worker"
    );
    assert_eq!(count(&fleet.json(3, "reconcile"), "drifted"), 0);
    assert!(listing(&host).ends_with("listen h3.example"));

    assert!(as_deploy(
        &host,
        &format!("sudo -n {path} serve </dev/null")
    ));
    for forbidden in [
        format!("echo >>{path}"),
        format!("mv {path} /tmp/worker"),
        format!("touch {DIR}/worker-1"),
        format!("mv {DIR} /tmp/evenkeel"),
        format!("cat {LINE}"),
        format!("rm -f {LINE}"),
        format!("sudo -n {path}"),
        format!("sudo -n {path} serve more"),
        "sudo -n true".to_owned(),
        format!("cp {path} /tmp/w && sudo -n /tmp/w serve </dev/null"),
    ] {
        assert!(!as_deploy(&host, &forbidden), "{forbidden}");
    }

    let again = done(&fleet.worker_command("install", 0, &[]));
    assert_eq!(again, [format!("kept {path}"), format!("kept {LINE}")]);
    // Elsewhere the first run would have put it there; this one goes too.
    host.run(&["install", "-d", "-o", "deploy", "/home/deploy/.evenkeel"]);
    host.write("/home/deploy/.evenkeel/worker-1", "old\n");
    host.run(&["rm", "-rf", "/var/lib/evenkeel"]);
    let cleaned = done(&fleet.worker_command("clean", 0, &[]));
    assert_eq!(
        cleaned,
        [
            format!("removed {LINE}"),
            format!("removed {path}"),
            format!("removed {DIR}"),
            "removed /home/deploy/.evenkeel/worker-1".to_owned(),
            "removed /home/deploy/.evenkeel".to_owned(),
        ]
    );
    assert!(done(&fleet.worker_command("clean", 0, &[])).is_empty());
    let reasons = Fleet::reasons(&fleet.json(4, "reconcile"), "h3");
    assert!(
        reasons[0].contains("evenkeel worker install"),
        "{reasons:?}"
    );
}

// Goal: an update for which there is no room takes nothing away: the old worker still runs, with nothing half-made
// beside it, and once there is room the new one takes its place.
#[test]
fn a_full_disk_leaves_the_old_worker_working() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let Some(fleet) = Fleet::new(&hosts, &["h3"], SUDO) else {
        return;
    };
    tamper(&host);
    tidy(&host);
    fleet.worker_command("install", 0, &[]);
    let before = host.run(&["sh", "-c", "ls -lA --time-style=full-iso $0 $1", DIR, LINE]);
    // Another file that is the same program.
    let newer = tempfile::NamedTempFile::new().unwrap();
    let mut bytes = std::fs::read(&fleet.worker).unwrap();
    bytes.push(0);
    std::fs::write(&newer, bytes).unwrap();
    let newer = newer.path().to_str().unwrap();

    host.fill();
    let report = fleet.worker_command("install", 1, &["--worker", newer]);
    assert!(
        error(&report).contains("what worked there still does"),
        "{report:#}"
    );
    let after = host.run(&["sh", "-c", "ls -lA --time-style=full-iso $0 $1", DIR, LINE]);
    assert_eq!(after, before);
    assert_eq!(count(&fleet.json(3, "plan"), "not_evaluated"), 0);
    host.unfill();
    let put = done(&fleet.worker_command("install", 0, &["--worker", newer]));
    assert_eq!(put.len(), 3, "{put:?}");
    assert!(put[2].starts_with("removed "), "{put:?}");
    assert_eq!(count(&fleet.json(4, "plan"), "clean"), 0);
    tidy(&host);
}

// Goal: a place that others could change, a user without rights and a host out of reach are each told, on the host that
// has it, and cost the other host nothing. One who becomes root by sudo can install as well as root.
#[test]
fn each_failure_names_its_host() {
    let Some(hosts) = Hosts::start() else { return };
    let [two, three] = ["h2", "h3"].map(|name| hosts.take(name));
    let Some(fleet) = Fleet::new(&hosts, &["h3"], SUDO) else {
        return;
    };
    tidy(&three);
    let refused = |more: &[&str], because: &str| {
        let report = fleet.worker_command("install", 1, more);
        assert!(error(&report).contains(because), "{because}: {report:#}");
        three.run(&["test", "!", "-e", LINE]);
    };
    three.run(&["chmod", "g+w", "/usr/local/lib"]);
    refused(&[], "/usr/local/lib on h3 can be changed by others");
    three.run(&["chmod", "g-w", "/usr/local/lib"]);
    three.run(&["ln", "-s", "/tmp", DIR]);
    refused(&[], &format!("{DIR} on h3 can be changed by others"));
    three.run(&["rm", DIR]);
    refused(&["--as", "alice"], "sudo: ");
    three.write("/etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL\n");
    fleet.worker_command("install", 0, &["--as", "alice"]);
    fleet.worker_command("clean", 0, &["--as", "alice"]);
    three.run(&["test", "!", "-e", DIR]);
    three.run(&["rm", "/etc/sudoers.d/alice"]);

    let Some(fleet) = Fleet::new(&hosts, &["h2", "h3"], SUDO) else {
        return;
    };
    two.run(&["rm", "-rf", "/var/lib/evenkeel", "/home/deploy/.evenkeel"]);
    tidy(&two);
    two.cut();
    let report = fleet.worker_command("install", 1, &[]);
    let targets = report["targets"].as_array().unwrap();
    assert!(
        targets[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("ssh to h2"),
        "{report:#}"
    );
    assert_eq!(targets[1]["error"], Json::Null);
    two.heal();
    let text = fleet.run(&["worker", "clean", "web"]).expect(0).stdout;
    assert!(text.contains("h2: nothing was there\n"), "{text}");
    assert!(text.ends_with("cleaned: 2 of 2\n"), "{text}");
}

// Goal: where no sudo is needed, install puts the worker where the first run would, as the login user, and clean takes
// it away again.
#[test]
fn without_sudo_it_is_sent_ahead() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::new(&hosts, &["h2"], ", user: alice") else {
        return;
    };
    host.run(&["rm", "-rf", "/home/alice/.evenkeel"]);
    let put = |report: &Json| {
        report["targets"][0]["done"][0]["what"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(put(&fleet.worker_command("install", 0, &[])), "put");
    assert_eq!(put(&fleet.worker_command("install", 0, &[])), "kept");
    let cleaned = done(&fleet.worker_command("clean", 0, &[]));
    assert_eq!(cleaned[1..], ["removed /home/alice/.evenkeel"]);
    host.run(&["test", "!", "-e", "/home/alice/.evenkeel"]);
}

// Goal: a target on this machine is refused before any host is asked, and what is printed for one's own tools is the line
// itself.
#[test]
fn what_needs_no_host() {
    let Ok(worker) = std::env::var("EVENKEEL_WORKER") else {
        return crate::support::skip("skipped: no static worker (EVENKEEL_WORKER)");
    };
    let project = crate::support::Project::new(
        "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - { name: host, provider: host, root: / }\n  - { name: web, provider: host, ssh: { host: web.invalid, user: deploy, become: sudo } }\n",
        "",
    );
    let run = |args: &[&str]| Ran::of(project.command(args).env("EVENKEEL_WORKER", &worker));
    let refused = run(&["worker", "install", "web", "host"]).expect(1).stderr;
    assert!(refused.contains("host lies on this machine"), "{refused}");
    let printed = run(&["worker", "install", "web", "--print"])
        .expect(0)
        .stdout;
    assert!(
        printed.contains("deploy ALL=(root) NOPASSWD: sha256:"),
        "{printed}"
    );
    run(&["worker", "clean", "web", "--as", "-oProxyCommand=x"]).expect(1);
}
