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
    let plan = fleet.json(3, "plan");
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
    let done = fleet.json(3, "reconcile");
    assert_eq!(listing(&host), clean);
    assert_eq!(fleet.json(0, "plan")["drifts"].as_array().unwrap().len(), 0);
    fleet
        .run(&["undo", "--reopen", done["run"].as_str().unwrap()])
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

const OF_DPKG: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: FileTree
metadata: { name: usr }
disclose: true
spec: { path: /usr, against: dpkg, ignore: ["local/**", "**/__pycache__/**", "lib/locale/**", "share/info/dir"] }
"#;

// Goal: on a real Debian over ssh, /usr as dpkg and its tools left it is clean. A program that was replaced, a file that is
// gone and one that nobody owns are told and nothing else is; apt brings the package's own back, undo brings exactly what
// was there back, the attacker's mode included.
#[test]
fn packages_bring_their_files_back() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::of(&hosts, &["h2"], OF_DPKG, "") else {
        return;
    };
    let sh = |script: &str| host.run(&["sh", "-c", script]);
    sh(ARCHIVE);
    let plan = fleet.json(0, "plan");
    assert_eq!(
        crate::support::drifts(&plan),
        Vec::<String>::new(),
        "{plan:#}"
    );
    assert_eq!(super::fleet::count(&plan, "not_evaluated"), 0, "{plan:#}");

    let facts = || {
        sh(
            "cd /usr; stat -c '%n %a %F' bin/keel-t bin/.w lib/keel-t 2>/dev/null; cat bin/keel-t; ls lib/keel-t; true",
        )
    };
    let clean = facts();
    sh(
        "printf '#!/bin/sh\\necho evil\\n' >/usr/bin/keel-t; chmod 4711 /usr/bin/keel-t; rm -r /usr/lib/keel-t; echo x >/usr/bin/.w",
    );
    let tampered = facts();
    let plan = fleet.json(3, "plan");
    assert_eq!(
        crate::support::drifts(&plan),
        ["h2/File//usr/bin/.w", "h2/Package///package/keel-t"],
        "{plan:#}"
    );
    let done = fleet.json(3, "reconcile");
    assert_eq!(facts(), clean);
    assert_eq!(fleet.json(0, "plan")["drifts"].as_array().unwrap().len(), 0);
    let run = done["run"].as_str().unwrap();
    fleet.run(&["undo", "--reopen", run]).expect(0);
    assert_eq!(facts(), tampered);
    fleet.run(&["journal", "verify"]).expect(0);
    sh("dpkg --purge keel-t >/dev/null; rm -rf /srv/trees /usr/bin/.w /etc/apt/sources.list");
}

/// A package with a program, a directory and a link, from an archive inside the host.
const ARCHIVE: &str = r#"
set -eu
rm -rf /srv/trees /etc/apt/sources.list.d/*
mkdir -p /srv/trees
d=$(mktemp -d)
mkdir -p "$d/DEBIAN" "$d/usr/bin" "$d/usr/lib/keel-t/empty"
printf '#!/bin/sh\necho good\n' >"$d/usr/bin/keel-t"
chmod 755 "$d/usr/bin/keel-t" "$d"
ln -s ../../bin/keel-t "$d/usr/lib/keel-t/link"
printf 'Package: keel-t\nVersion: 1.0\nArchitecture: all\nMaintainer: t <t@example.invalid>\nDescription: of a test\n' >"$d/DEBIAN/control"
(cd "$d" && md5sum usr/bin/keel-t >DEBIAN/md5sums)
dpkg-deb --root-owner-group -b "$d" /srv/trees/keel-t_1.0.deb >/dev/null
rm -r "$d"
cd /srv/trees
dpkg-deb -f keel-t_1.0.deb >Packages
printf 'Filename: ./keel-t_1.0.deb\nSize: %s\nSHA256: %s\n\n' "$(stat -c %s keel-t_1.0.deb)" "$(sha256sum keel-t_1.0.deb | cut -d' ' -f1)" >>Packages
echo 'deb [trusted=yes] file:/srv/trees ./' >/etc/apt/sources.list
apt-get -qq update
apt-get -qq install -y keel-t >/dev/null 2>&1
"#;
