//! A tree of a real host over ssh: its own programs against a manifest that was made of them.

use super::fleet::Fleet;
use super::{Hosts, succeeded};

const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: FileTree
metadata: { name: bin }
spec: { path: /usr/bin, manifest: bin.manifest, store: bin.store }
"#;

/// Makes the manifest and the store of the host's programs here, from a copy of them.
fn take_down(fleet: &Fleet, host: &super::Host<'_>) {
    let here = fleet.project.temp.path().join("taken");
    std::fs::create_dir(&here).unwrap();
    let packed = succeeded(host.exec(&["tar", "-C", "/usr", "-c", "bin"], b"")).stdout;
    let mut tar = std::process::Command::new("tar");
    tar.args(["--numeric-owner", "-xp", "-C"]).arg(&here);
    succeeded(super::fed(tar, &packed));
    let folder = fleet.project.repo.join("desired-state/web");
    let arguments = [
        "manifest",
        &here.join("bin").display().to_string(),
        "--out",
        &folder.join("bin.manifest").display().to_string(),
        "--store",
        &folder.join("bin.store").display().to_string(),
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fleet.run(&arguments).expect(0);
}

fn listing(host: &super::Host<'_>) -> String {
    let script = "cd /usr/bin && find . -printf '%p %y %m %u %g %l\\n' | sort && find . -type f | sort | xargs -d '\\n' sha256sum";
    host.run(&["sh", "-c", script])
}

// Goal: on a real Debian over ssh, programs that were replaced, made setuid, removed, swapped for a link or dropped beside
// them are named and nothing else is; the store brings them back byte for byte, a further plan is clean, undo restores
// exactly what was there.
#[test]
fn programs_of_a_real_host_are_restored() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let Some(fleet) = Fleet::new(&hosts, &["h1"], "") else {
        return;
    };
    fleet.project.write("desired-state/web/all.yaml", BASELINE);
    take_down(&fleet, &host);
    fleet.project.commit("the programs of a host");
    let clean = listing(&host);
    let plan = fleet.json(0, "plan");
    assert_eq!(plan["drifts"].as_array().unwrap().len(), 0, "{plan:#}");

    let _restored = Restored(&host);
    host.run(&["cp", "-a", "/usr/bin", "/root/bin.kept"]);
    host.run(&["rm", "/usr/bin/cmp"]);
    host.run(&["mv", "/usr/bin/diff", "/root/diff.away"]);
    host.write("/usr/bin/diff", "#!/bin/sh\nexec /root/diff.away \"$@\"\n");
    host.run(&["chmod", "755", "/usr/bin/diff"]);
    host.run(&["chmod", "u+s", "/usr/bin/env"]);
    host.run(&["ln", "-sfn", "/root/diff.away", "/usr/bin/sdiff"]);
    host.write("/usr/bin/.w", "#!/bin/sh\n");
    let tampered = listing(&host);
    let plan = fleet.json(2, "plan");
    let mut named: Vec<_> = plan["drifts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| {
            let word = |key: &str| drift[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("change"), word("address"))
        })
        .collect();
    named.sort();
    assert_eq!(
        named,
        [
            "Changed /usr/bin/diff",
            "Changed /usr/bin/env",
            "Changed /usr/bin/sdiff",
            "Extra /usr/bin/.w",
            "Missing /usr/bin/cmp",
        ],
        "{plan:#}"
    );
    let done = fleet.json(0, "reconcile");
    assert_eq!(listing(&host), clean);
    assert_eq!(fleet.json(0, "plan")["drifts"].as_array().unwrap().len(), 0);
    fleet
        .run(&["undo", done["run"].as_str().unwrap()])
        .expect(0);
    assert_eq!(listing(&host), tampered);
    fleet.run(&["journal", "verify"]).expect(0);
}

/// Gives the host its programs back, also when the test fails.
struct Restored<'a>(&'a super::Host<'a>);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        let script = "test -d /root/bin.kept || exit 0; for f in cmp diff sdiff env; do rm -f /usr/bin/$f; /root/bin.kept/cp -a /root/bin.kept/$f /usr/bin/$f; done; rm -rf /usr/bin/.w /root/bin.kept /root/diff.away";
        let done = self.0.exec(&["sh", "-c", script], b"");
        if !done.status.success() {
            eprintln!("{} keeps what the test did: {done:?}", self.0.name());
        }
    }
}
