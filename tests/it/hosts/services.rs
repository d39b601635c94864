//! Units of a real systemd over ssh: what an intruder does to them is named, put right and taken back.
//!
//! Needs the machine that `tests/peers/nspawn.sh` boots, and the static worker.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fleet::Fleet;
use super::{Hosts, fed, succeeded, text};
use crate::support::{drifts, run_of, skip};

const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Service
metadata: { name: ssh }
spec: { enabled: true, running: true }
---
apiVersion: host.evenkeel.dev/v1
kind: Service
metadata: { name: cron }
spec: { enabled: true, running: true }
---
apiVersion: host.evenkeel.dev/v1
kind: Service
metadata: { name: own }
spec:
  enabled: true
  running: true
  dropIns: [/etc/systemd/system/own.service.d/10-nice.conf]
---
apiVersion: host.evenkeel.dev/v1
kind: Service
metadata: { name: debug-shell }
spec: { enabled: false, running: false }
---
apiVersion: host.evenkeel.dev/v1
kind: Service
metadata: { name: timesync }
spec: { name: systemd-networkd.service, masked: true }
"#;

/// The machine as git wants it, whatever a run before left, with a service of nobody's package.
const GOOD: &str = r"
rm -rf /etc/systemd/system/ssh.service /run/systemd/system/own.service.d
systemctl unmask cron.service
systemctl disable debug-shell.service
systemctl enable --now cron.service
mkdir -p /etc/systemd/system/own.service.d
printf '[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/own.service
printf '[Service]\nNice=5\n' >/etc/systemd/system/own.service.d/10-nice.conf
systemctl mask systemd-networkd.service
systemctl daemon-reload
systemctl enable --now own.service
";
/// What is done to the units; systemd has read not all of it.
const BAD: &str = r"
systemctl disable --now cron.service
systemctl mask cron.service
mkdir -p /run/systemd/system/own.service.d
printf '[Service]\nExecStartPre=/usr/bin/touch /root/owned\n' >/run/systemd/system/own.service.d/99.conf
systemctl enable debug-shell.service
sed 's,^Description=.*,Description=other,' /usr/lib/systemd/system/ssh.service >/etc/systemd/system/ssh.service
systemctl unmask systemd-networkd.service
systemctl daemon-reload
printf '[Service]\nExecStop=/usr/bin/touch /root/owned\n' >/run/systemd/system/own.service.d/98.conf
";
/// All that counts of the units, by the host's own words and files.
const SHOWN: &str = r"
for unit in ssh cron own debug-shell systemd-networkd; do
  systemctl show -p Id,LoadState,ActiveState,UnitFileState,FragmentPath,DropInPaths $unit.service
done
cd / && find etc/systemd/system run/systemd/system -name '*.service' -printf '%p %l\n' -o -name '*.conf' -print | grep -v control | sort
cat etc/systemd/system/own.service.d/* run/systemd/system/own.service.d/* etc/systemd/system/ssh.service 2>/dev/null || true
";

/// The machine, while it is one test's.
struct Machine {
    dir: PathBuf,
    // Held, not read: the lock goes with the file.
    _turn: File,
}

impl Machine {
    fn sh(&self, script: &str) -> String {
        let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/nspawn.sh");
        let mut command = Command::new("bash");
        command.arg(peer).arg("exec").arg(&self.dir);
        command.args(["sh", "-ec", script]);
        text(&succeeded(fed(command, b"")).stdout)
    }
}

// Goal: a defence that was stopped, disabled and masked, drop-ins that systemd has or has not read, a shell enabled for the
// next boot, a unit over a package's and a mask taken away are each named and nothing else; one run puts all of it right
// without ever running what the drop-ins say, ssh answers, and an undo brings every file and link back.
#[test]
fn units_are_put_right_and_taken_back() {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(dir), Some(ssh_config)) = (
        variable("EVENKEEL_TEST_SYSTEMD"),
        variable("EVENKEEL_TEST_SYSTEMD_CONFIG"),
    ) else {
        skip("skipped: no machine with systemd (tests/peers/nspawn.sh)");
        return;
    };
    let turn = File::create(dir.join("turn")).unwrap();
    turn.lock().unwrap();
    let machine = Machine {
        dir: dir.clone(),
        _turn: turn,
    };
    let hosts = Hosts { dir, ssh_config };
    let Some(fleet) = Fleet::of(&hosts, &["s1"], BASELINE, "") else {
        return;
    };
    machine.sh(GOOD);
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    let good = machine.sh(SHOWN);

    machine.sh(BAD);
    let bad = machine.sh(SHOWN);
    assert_eq!(
        drifts(&fleet.json(2, "plan")),
        ["cron", "debug-shell", "own", "ssh", "timesync"].map(|name| format!("s1/Service/{name}"))
    );
    let done = fleet.json(0, "reconcile");
    let report = done.to_string();
    assert!(
        report.contains("own.service still runs as its files had it"),
        "{done:#}"
    );
    assert_eq!(machine.sh(SHOWN), good);
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    machine.sh("test ! -e /root/owned");

    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    // One of the two drop-ins is read now that was not before.
    let unread = |shown: &str| {
        let lines = shown
            .lines()
            .filter(|line| !line.starts_with("DropInPaths"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(unread(&machine.sh(SHOWN)), unread(&bad));
}

// Goal: a unit that dies as soon as it is started is a step that failed, and says how it ended.
#[test]
fn a_unit_that_dies_is_not_started() {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(dir), Some(ssh_config)) = (
        variable("EVENKEEL_TEST_SYSTEMD"),
        variable("EVENKEEL_TEST_SYSTEMD_CONFIG"),
    ) else {
        skip("skipped: no machine with systemd (tests/peers/nspawn.sh)");
        return;
    };
    let turn = File::create(dir.join("turn")).unwrap();
    turn.lock().unwrap();
    let machine = Machine {
        dir: dir.clone(),
        _turn: turn,
    };
    let hosts = Hosts { dir, ssh_config };
    let baseline = "apiVersion: host.evenkeel.dev/v1\nkind: Service\nmetadata: { name: dies }\nspec: { running: true }\n";
    let Some(fleet) = Fleet::of(&hosts, &["s1"], baseline, "") else {
        return;
    };
    machine.sh(
        "printf '[Service]\\nExecStart=/bin/false\\n' >/etc/systemd/system/dies.service; systemctl daemon-reload",
    );
    let ran = fleet.run(&["reconcile", "--format", "json", "--lock-wait=20s"]);
    assert!(
        ran.stdout.contains("systemd says exit-code"),
        "{}",
        ran.stdout
    );
    machine.sh("rm /etc/systemd/system/dies.service; systemctl daemon-reload");
}
