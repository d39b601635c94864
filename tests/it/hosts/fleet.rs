//! The program against real hosts over ssh: the whole job, and what a host that fails in any way costs.
//!
//! Needs the hosts and a static worker in `EVENKEEL_WORKER`, which `.ci/run` builds.

use std::process::Child;

use serde_json::Value as Json;

use super::{Host, Hosts};
use crate::support::{Project, Ran, skip};

/// What every host has to be, below a folder of its own that no other test uses.
const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Directory
metadata: { name: top }
spec: { path: /srv/keel, mode: "0755", owner: root, group: root, exclusive: true }
---
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: conf }
vars: [address]
disclose: true
spec: { path: /srv/keel/conf, mode: "0644", owner: root, group: root, content: "listen ${address}\n" }
---
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: motd }
disclose: true
spec: { path: /srv/keel/motd, mode: "0640", owner: root, group: adm, content: "hello\n" }
---
apiVersion: host.evenkeel.dev/v1
kind: Symlink
metadata: { name: current }
spec: { path: /srv/keel/current, target: conf }
---
apiVersion: host.evenkeel.dev/v1
kind: AuthorizedKeys
metadata: { name: keel }
spec:
  user: keel
  exclusive: true
  keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhZBr+eB/EFQXL4ro0yR0Ui9r9qjqyoQWFSF+ZpiQFP ops"]
---
apiVersion: host.evenkeel.dev/v1
kind: PrivilegedFiles
metadata: { name: powers }
spec: { paths: [/srv/keel], allow: [] }
"#;
const RESOURCES: usize = 6;

/// A project whose targets are these hosts.
pub struct Fleet {
    pub project: Project,
    pub worker: String,
}

impl Fleet {
    /// None, after saying so, where there is no worker to send.
    pub fn new(hosts: &Hosts, names: &[&str], more: &str) -> Option<Self> {
        Self::of(hosts, names, BASELINE, more)
    }

    /// The same with a baseline of its own for all of them.
    pub fn of(hosts: &Hosts, names: &[&str], baseline: &str, more: &str) -> Option<Self> {
        let Ok(worker) = std::env::var("EVENKEEL_WORKER") else {
            skip("skipped: no static worker (EVENKEEL_WORKER)");
            return None;
        };
        let config = hosts.ssh_config().display();
        let targets: String = names
            .iter()
            .map(|name| {
                format!(
                    "  - {{ name: {name}, provider: host, mode: enforce, labels: {{ role: web }}, vars: {{ address: {name}.example }}, ssh: {{ host: {name}, config: {config}, timeout: 20s{more} }} }}\n"
                )
            })
            .collect();
        let project = Project::new(
            &format!(
                "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n{targets}groups:\n  - {{ name: web, labels: {{ role: web }} }}\n"
            ),
            "",
        );
        project.write("desired-state/web/all.yaml", baseline);
        std::fs::remove_dir_all(project.repo.join("desired-state/host")).unwrap();
        project.commit("hosts");
        Some(Self { project, worker })
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(
            self.project
                .command(args)
                .env("EVENKEEL_WORKER", &self.worker),
        )
    }

    pub fn start(&self, args: &[&str]) -> Child {
        self.project
            .command(args)
            .env("EVENKEEL_WORKER", &self.worker)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[track_caller]
    pub fn json(&self, code: i32, command: &str) -> Json {
        let ran = self.run(
            &[command, "--format", "json", "--lock-wait=20s"]
                [..if command == "plan" { 3 } else { 4 }],
        );
        ran.expect(code).json()
    }

    /// Has one of its steps wait for a command on the host, for as long as that takes.
    pub fn waits_for_validation(&self) {
        let path = self.project.repo.join("desired-state/evenkeel.yaml");
        let config = std::fs::read_to_string(path).unwrap();
        self.project.write(
            "desired-state/evenkeel.yaml",
            &format!("{config}guard: {{ validate_commands: [/usr/local/bin/wait-here] }}\n")
                .replace("timeout: 20s", "timeout: 8s"),
        );
        let stops = BASELINE.replace(
            "content: \"hello\\n\" }",
            "content: \"hello\\n\", validate: [/usr/local/bin/wait-here, \"{}\"] }",
        );
        assert_ne!(stops, BASELINE);
        self.project.write("desired-state/web/all.yaml", &stops);
        self.project.commit("a step that waits");
    }

    /// Why each resource of this host could not be evaluated, each reason once.
    pub fn reasons(report: &Json, host: &str) -> Vec<String> {
        let mut reasons: Vec<String> = report["not_evaluated"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["id"].as_str().unwrap().starts_with(&format!("{host}/")))
            .map(|one| one["reason"].as_str().unwrap().to_owned())
            .collect();
        reasons.dedup();
        reasons
    }
}

pub fn count(report: &Json, what: &str) -> u64 {
    report["summary"][what].as_u64().unwrap()
}

/// Makes a host what the baseline says, and then what an attacker makes of it.
pub fn tamper(host: &Host<'_>) {
    host.run(&["rm", "-rf", "/srv/keel"]);
    host.run(&["install", "-d", "-m", "0777", "/srv/keel"]);
    host.write("/srv/keel/conf", "listen evil.example\n");
    host.write("/srv/keel/extra", "#!/bin/sh\n");
    host.run(&["chmod", "4755", "/srv/keel/extra"]);
    host.run(&["ln", "-sfn", "/etc/passwd", "/srv/keel/current"]);
    // A user of these tests alone, with a key that git does not list.
    host.run(&["sh", "-c", "id keel >/dev/null 2>&1 || useradd -m keel"]);
    host.run(&[
        "install",
        "-d",
        "-m",
        "0700",
        "-o",
        "keel",
        "/home/keel/.ssh",
    ]);
    host.write(
        "/home/keel/.ssh/authorized_keys",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f evil\n",
    );
    host.run(&["chown", "keel", "/home/keel/.ssh/authorized_keys"]);
}

pub fn listing(host: &Host<'_>) -> String {
    host.run(&[
        "sh",
        "-c",
        "cd /srv/keel && find . -printf '%p %y %m %u %g %l\\n' | sort && cat conf",
    ])
}

// Goal: three real hosts of one baseline, each with its own value: what was tampered with is named and put right, over
// one connection a host and run, since no step is on the way in; a further plan is clean; undo brings back exactly what was
// there; the hosts still answer.
#[test]
fn three_hosts_are_restored_and_undone() {
    let Some(hosts) = Hosts::start() else { return };
    let taken = super::NAMES.map(|name| hosts.take(name));
    let Some(fleet) = Fleet::new(&hosts, &super::NAMES, ", user: root") else {
        return;
    };
    let before = taken.each_ref().map(|host| {
        tamper(host);
        listing(host)
    });
    let connections = |hosts: &[Host<'_>; 3]| hosts.each_ref().map(Host::connections);
    let counted = connections(&taken);
    let plan = fleet.json(2, "plan");
    assert_eq!(connections(&taken), counted.map(|one| one + 1));
    assert_eq!(
        (count(&plan, "not_evaluated"), count(&plan, "drifted")),
        (0, 18)
    );

    let done = fleet.json(0, "reconcile");
    assert_eq!(connections(&taken), counted.map(|one| one + 2));
    assert_eq!(count(&done, "drifted"), 0);
    assert_eq!(fleet.json(0, "plan")["drifts"].as_array().unwrap().len(), 0);
    for host in &taken {
        assert!(listing(host).ends_with(&format!("listen {}.example", host.name())));
        let ssh = host.ssh().args([host.name(), "true"]).status().unwrap();
        assert!(ssh.success());
    }
    let run = done["run"].as_str().unwrap();
    fleet.run(&["undo", "--reopen", run]).expect(0);
    assert_eq!(taken.each_ref().map(listing), before);
}

// Goal: a host whose link is cut, whose key is another, or whose disk is full costs only itself; the others are put
// right in the same run, and each says in one sentence what is wrong.
#[test]
fn a_failing_host_costs_itself() {
    let Some(hosts) = Hosts::start() else { return };
    let [one, two, three] = super::NAMES.map(|name| hosts.take(name));
    let Some(fleet) = Fleet::new(&hosts, &super::NAMES, "") else {
        return;
    };
    for host in [&one, &two, &three] {
        tamper(host);
    }
    let key = two.run(&["cat", "/etc/ssh/ssh_host_ed25519_key"]);
    let public = two.run(&["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]);
    two.run(&["rm", "/etc/ssh/ssh_host_ed25519_key"]);
    two.run(&[
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-f",
        "/etc/ssh/ssh_host_ed25519_key",
    ]);
    two.restart();
    one.cut();
    let report = fleet.json(4, "reconcile");
    two.write("/etc/ssh/ssh_host_ed25519_key", format!("{key}\n"));
    two.write("/etc/ssh/ssh_host_ed25519_key.pub", format!("{public}\n"));
    two.restart();
    let reasons = ["h1", "h2", "h3"].map(|host| Fleet::reasons(&report, host));
    assert_eq!(reasons.each_ref().map(Vec::len), [1, 1, 0], "{reasons:?}");
    assert!(reasons[0][0].starts_with("ssh to h1: "), "{reasons:?}");
    assert!(
        reasons[1][0].to_lowercase().contains("host key"),
        "{reasons:?}"
    );
    assert_eq!(count(&report, "not_evaluated"), 2 * RESOURCES as u64);
    one.heal();

    three.run(&["rm", "-rf", "/var/lib/evenkeel"]);
    three.fill();
    let report = fleet.json(4, "reconcile");
    let reasons = Fleet::reasons(&report, "h3");
    assert!(
        reasons[0].contains("could not be written on h3"),
        "{reasons:?}"
    );
    three.unfill();
    assert_eq!(count(&fleet.json(0, "reconcile"), "drifted"), 0);
}

// Goal: a worker that somebody changed is not started, and the file that was checked is the one that runs even when
// another is put in its place in that moment; a missing one is sent anew.
#[test]
fn a_changed_worker_is_not_started() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let Some(fleet) = Fleet::new(&hosts, &["h1"], "") else {
        return;
    };
    tamper(&host);
    fleet.json(2, "plan");
    let worker = host.run(&["sh", "-c", "echo /var/lib/evenkeel/worker-*"]);
    host.run(&["cp", &worker, "/root/worker"]);
    host.write(&worker, "#!/bin/sh\ntouch /root/started\n");
    let report = fleet.json(4, "plan");
    let reasons = Fleet::reasons(&report, "h1");
    assert!(reasons[0].contains("somebody changed it"), "{reasons:?}");

    // In the moment between the check and the use.
    host.run(&["cp", "/root/worker", &worker]);
    host.run(&["cp", "/usr/bin/sha256sum", "/root/sha256sum"]);
    let swap = format!(
        "#!/bin/sh\n/root/sha256sum\nprintf '#!/bin/sh\\ntouch /root/started\\n' >/root/evil\nchmod 755 /root/evil\nmv /root/evil {worker}\n"
    );
    host.write("/usr/bin/sha256sum.new", swap);
    host.run(&["chmod", "755", "/usr/bin/sha256sum.new"]);
    host.run(&["mv", "/usr/bin/sha256sum.new", "/usr/bin/sha256sum"]);
    let plan = fleet.run(&["plan", "--format", "json"]);
    host.run(&["mv", "/root/sha256sum", "/usr/bin/sha256sum"]);
    assert_eq!(count(&plan.expect(2).json(), "not_evaluated"), 0);
    host.run(&["test", "!", "-e", "/root/started"]);
    host.run(&["rm", &worker]);
    fleet.json(2, "plan");
}

// Goal: with sudo the worker runs as root only when it is the one whose digest sudoers names, in a folder that root alone can
// write; a missing one, a changed one, a missing line and an open folder are each refused in a sentence of their own.
#[test]
fn sudo_starts_what_sudoers_pins() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let more = ", user: deploy, become: sudo";
    let Some(fleet) = Fleet::new(&hosts, &["h3"], more) else {
        return;
    };
    tamper(&host);
    let refused = |because: &str| {
        let reasons = Fleet::reasons(&fleet.json(4, "plan"), "h3");
        assert!(reasons[0].contains(because), "{because}: {reasons:?}");
    };
    let folder = "/usr/local/lib/evenkeel";
    let worker = std::fs::read(&fleet.worker).unwrap();
    host.run(&["install", "-d", "-m", "755", folder]);
    refused("is not installed on h3");
    host.write("/root/worker", &worker);
    let sum = host.run(&["sha256sum", "/root/worker"]);
    let digest = sum.split(' ').next().unwrap();
    let path = format!("{folder}/worker-{digest}");
    host.run(&["install", "-m", "755", "/root/worker", &path]);
    refused("sudo: ");
    host.write(
        "/etc/sudoers.d/evenkeel-worker",
        format!("deploy ALL=(root) NOPASSWD: sha256:{digest} {path} serve\n"),
    );
    assert_eq!(count(&fleet.json(0, "reconcile"), "drifted"), 0);
    assert!(listing(&host).ends_with("listen h3.example"));
    host.run(&["sh", "-c", "echo >>\"$1\"", "sh", &path]);
    refused("somebody changed it");
    host.run(&["install", "-m", "755", "/root/worker", &path]);
    host.run(&["chmod", "777", folder]);
    refused("does not belong to root alone");
    host.run(&["rm", "-r", folder, "/etc/sudoers.d/evenkeel-worker"]);
}

// Goal: a login user without rights sees what it may see, and what it may not is not evaluated and never clean.
#[test]
fn a_login_without_rights() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::new(&hosts, &["h2"], ", user: alice") else {
        return;
    };
    tamper(&host);
    host.run(&["chmod", "0700", "/srv/keel"]);
    let report = fleet.json(4, "plan");
    let unseen = report["not_evaluated"].to_string();
    for id in [
        "File/conf",
        "File/motd",
        "Symlink/current",
        "PrivilegedFiles/powers",
    ] {
        assert!(unseen.contains(&format!("h2/{id}\"")), "{id}: {unseen}");
    }
    host.run(&["chmod", "0755", "/srv/keel"]);
}

// Goal: the link is cut, or the host loses its power, in the middle of a step: that is an error that says so, the other
// host is put right in the same run, the journal verifies, and the next run finds out what is there and finishes.
#[test]
fn lost_in_the_middle_of_a_step() {
    let Some(hosts) = Hosts::start() else { return };
    let [one, two] = ["h1", "h2"].map(|name| hosts.take(name));
    let Some(fleet) = Fleet::new(&hosts, &["h1", "h2"], "") else {
        return;
    };
    fleet.waits_for_validation();
    for way in ["cut", "power"] {
        for host in [&one, &two] {
            tamper(host);
            host.write("/usr/local/bin/wait-here", "#!/bin/sh\nexit 0\n");
            host.run(&["chmod", "755", "/usr/local/bin/wait-here"]);
        }
        // On the first host the step does not come to its end before the host is lost.
        host_waits(&one);
        let run = fleet.start(&["reconcile", "--format", "json"]);
        one.run(&[
            "timeout",
            "60",
            "sh",
            "-c",
            "until [ -e /run/step-begun ]; do sleep 0.05; done",
        ]);
        match way {
            "cut" => one.cut(),
            _ => one.restart(),
        }
        let output = run.wait_with_output().unwrap();
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{way}: {report:#}");
        let errors = report["errors"].to_string();
        // A host that is back at once is looked at in the same run.
        let said = match way {
            "cut" => "lost the target",
            _ => "the worker on h1 failed",
        };
        assert!(errors.contains(said), "{way}: {errors}");
        assert!(listing(&two).ends_with("listen h2.example"), "{way}");
        fleet.run(&["journal", "verify"]).expect(0);
        if way == "cut" {
            one.heal();
            one.run(&["sh", "-c", "pkill -x sleep || true"]);
        }
        one.write("/usr/local/bin/wait-here", "#!/bin/sh\nexit 0\n");
        let report = fleet.json(0, "reconcile");
        let recovered = report["recovered"].as_array().unwrap();
        assert_eq!(recovered.is_empty(), way != "cut", "{way}: {report:#}");
        assert!(listing(&one).ends_with("listen h1.example"), "{way}");
        assert!(!listing(&one).contains(".evenkeel"), "{way}");
        fleet.run(&["journal", "verify"]).expect(0);
    }
}

/// Has the validation of a new file say who asks for it, and then take its time.
pub fn host_waits(host: &Host<'_>) {
    host.run(&["rm", "-f", "/run/step-begun"]);
    host.write(
        "/usr/local/bin/wait-here",
        "#!/bin/sh\necho $PPID >/run/step-begun\nexec sleep 20\n",
    );
    host.run(&["chmod", "755", "/usr/local/bin/wait-here"]);
}
