//! Packages on real hosts, by their own dpkg and apt, from an archive inside the host.
//!
//! What can be taken back is driven through the program. What cannot needs a merged approval there; it is driven through
//! the provider and a worker on the host, after the program has said that it cannot be undone.

use std::fmt::Write as _;
use std::path::Path;

use evenkeel::model::{Observed, Undo};
use evenkeel::ports::ActError;
use evenkeel::providers::host::HostConfig;
use evenkeel::providers::remote::RemoteHost;
use serde_json::Value as Json;

use super::fleet::{Fleet, count};
use super::{Host, Hosts};
use crate::host::fixture::{Fixture, block};
use crate::remote;
use crate::support::{drifts, run_of};

/// Makes packages in `/srv/repo`, each with a program, a configuration file and, if asked for, a script that is run last.
const ARCHIVE: &str = r#"
set -eu
rm -rf /srv/repo /etc/apt/sources.list.d/*
mkdir -p /srv/repo
make() { # NAME VERSION [DEPENDS [SCRIPT]]
  d=$(mktemp -d)
  mkdir -p "$d/DEBIAN" "$d/usr/bin" "$d/etc"
  printf '#!/bin/sh\necho %s %s\n' "$1" "$2" >"$d/usr/bin/$1"
  chmod 755 "$d/usr/bin/$1" "$d"
  echo "of $1" >"$d/etc/$1.conf"
  echo "/etc/$1.conf" >"$d/DEBIAN/conffiles"
  {
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: t <t@example.invalid>\n' "$1" "$2"
    [ -z "${3:-}" ] || echo "Depends: $3"
    echo 'Description: of a test'
  } >"$d/DEBIAN/control"
  if [ -n "${4:-}" ]; then
    printf '#!/bin/sh\n%s\n' "$4" >"$d/DEBIAN/postinst"
    chmod 755 "$d/DEBIAN/postinst"
  fi
  dpkg-deb --root-owner-group -b "$d" "/srv/repo/$1_$2.deb" >/dev/null
  rm -r "$d"
}
index() {
  cd /srv/repo
  for deb in *.deb; do
    dpkg-deb -f "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done >Packages
}
make keel-w 1.0
make keel-lib 1.0
make keel-tool 1.0 keel-lib
make keel-bad 1.0 '' 'echo no luck >&2; exit 1'
index
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
apt-get -qq update
apt-get -qq install -y keel-w >/dev/null 2>&1
make keel-w 1.1
index
"#;

/// Takes away what a test installed, and the archive.
const END: &str =
    "dpkg --purge --force-all keel-w keel-tool keel-lib keel-bad >/dev/null 2>&1; rm -rf /srv/repo";

const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Package
metadata: { name: keel-w }
disclose: true
spec: { minimum: "1.0", verify: true, held: true }
---
apiVersion: host.evenkeel.dev/v1
kind: Package
metadata: { name: keel-tool }
spec: { version: "1.0", verify: true }
"#;

fn sh(host: &Host<'_>, script: &str) -> String {
    host.run(&["sh", "-c", script])
}

/// All that the packages of these tests are, in the host's own words.
fn facts(host: &Host<'_>) -> String {
    sh(
        host,
        "dpkg-query -W -f '${Package} ${Version} ${Status}\\n' 'keel-*' | grep -v not-installed; \
         for f in /usr/bin/keel-* /etc/keel-*; do [ ! -e $f ] || { stat -c '%n %a %U' $f; cat $f; }; done; true",
    )
}

fn is_installed(host: &Host<'_>, name: &str) -> bool {
    let status = format!("dpkg-query -W -f '${{Status}}' {name} 2>/dev/null || true");
    sh(host, &status).ends_with(" installed")
}

// Goal: every package of a real Debian is as dpkg says it is: a rule about merged directories, diversions, files that moved
// between packages or shared architectures that is wrong would name some file here. The one that is replaced is named alone.
#[test]
fn a_whole_system_is_clean() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let mut baseline = String::new();
    let all = sh(
        &host,
        "dpkg-query -W -f '${db:Status-Status} ${binary:Package} ${Version}\\n'",
    );
    let all: Vec<_> = all
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    assert!(all.len() > 100, "{all:?}");
    for (at, line) in all.iter().enumerate() {
        let (name, version) = line.split_once(' ').unwrap();
        write!(
            baseline,
            "---\napiVersion: host.evenkeel.dev/v1\nkind: Package\nmetadata: {{ name: p{at} }}\nspec: {{ name: \"{name}\", version: \"{version}\", verify: true }}\n"
        )
        .unwrap();
    }
    let Some(fleet) = Fleet::of(&hosts, &["h1"], &baseline, "") else {
        return;
    };
    let plan = fleet.json(0, "plan");
    assert_eq!(count(&plan, "not_evaluated"), 0, "{plan:#}");

    sh(
        &host,
        "cp -a /usr/bin/w /usr/lib/.w.real; printf '#!/bin/sh\\n/usr/lib/.w.real | grep -v evil\\n' >/usr/bin/w",
    );
    let plan = fleet.json(2, "plan");
    sh(
        &host,
        "cat /usr/lib/.w.real >/usr/bin/w; rm /usr/lib/.w.real",
    );
    let [drift] = &plan["drifts"].as_array().unwrap()[..] else {
        panic!("{plan:#}")
    };
    assert_eq!(drift["address"], "//package/procps");
    let fields = drift["fields"].to_string();
    assert!(fields.contains("files./usr/bin/w"), "{fields}");
}

// Goal: a missing package is installed, a replaced program and a lost hold are put right by apt while a newer version in the
// archive is left there, a changed configuration file stays; undo brings exactly the files before back, the attacker's
// program included, so that it can be looked at; an exact version that the archive does not have fails in apt's words.
#[test]
fn packages_are_put_right_and_back() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::of(&hosts, &["h2"], BASELINE, "") else {
        return;
    };
    sh(&host, ARCHIVE);
    sh(
        &host,
        "printf '#!/bin/sh\\necho evil\\n' >/usr/bin/keel-w; chmod 4711 /usr/bin/keel-w; echo mine >>/etc/keel-w.conf",
    );
    let bad = facts(&host);
    let plan = fleet.json(3, "plan");
    let both = ["h2/Package/keel-tool", "h2/Package/keel-w"];
    assert_eq!(drifts(&plan), both);
    assert_eq!(facts(&host), bad);

    let done = fleet.json(3, "reconcile");
    assert_eq!(sh(&host, "keel-w; keel-tool"), "keel-w 1.0\nkeel-tool 1.0");
    assert_eq!(sh(&host, "apt-mark showhold"), "keel-w");
    assert!(sh(&host, "cat /etc/keel-w.conf").ends_with("mine"));
    assert!(
        done.to_string().contains("apt installed besides: keel-lib"),
        "{done:#}"
    );
    assert_eq!(fleet.json(0, "plan")["drifts"].as_array().unwrap().len(), 0);

    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    assert!(!is_installed(&host, "keel-tool"));
    sh(&host, "dpkg --purge keel-lib keel-tool");
    assert_eq!(facts(&host), bad);

    // What is held stays held when it is installed anew.
    sh(&host, "apt-mark hold keel-w");
    let hand = "{ name: keel-w, verify: true, held: true }";
    let [step] = &steps(&host, hand)[..] else {
        panic!()
    };
    act(&host, step).unwrap();
    assert_eq!(sh(&host, "apt-mark showhold; keel-w"), "keel-w\nkeel-w 1.0");
    sh(&host, END);
}

// Goal: a failing apt says why, in the report of the run, and what it left behind is seen by the next one.
#[test]
fn a_failing_apt_says_why() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let baseline = r#"
apiVersion: host.evenkeel.dev/v1
kind: Package
metadata: { name: keel-bad }
spec: {}
---
apiVersion: host.evenkeel.dev/v1
kind: Package
metadata: { name: keel-tool }
spec: { version: "9.9" }
---
apiVersion: host.evenkeel.dev/v1
kind: Package
metadata: { name: keel-none.x }
spec: {}
"#;
    let Some(fleet) = Fleet::of(&hosts, &["h3"], baseline, "") else {
        return;
    };
    sh(&host, ARCHIVE);
    let report = fleet.json(1, "reconcile").to_string();
    for said in [
        "post-installation script subprocess returned error exit status 1",
        "Version '9.9' for 'keel-tool' was not found",
        "Unable to locate package keel-none.x",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    assert!(!is_installed(&host, "keel-tool"));
    sh(&host, END);
}

/// What would be done for one package, as the program plans it.
fn steps(host: &Host<'_>, spec: &str) -> Vec<evenkeel::model::Step> {
    let fixture = Fixture::new();
    let yaml = format!("---\nkind: Package\nname: one\nspec: {spec}\n");
    let looked = fixture.look_with(&on(host), &yaml);
    assert_eq!(looked.unseen(), Vec::<String>::new());
    let groups = looked.plan.groups.into_iter();
    groups.flat_map(|group| group.steps).collect()
}

fn act(host: &Host<'_>, step: &evenkeel::model::Step) -> Result<Observed, ActError> {
    let fixture = Fixture::new();
    let remote = on(host);
    let before = fixture.act(&remote, step)?;
    let after = block(evenkeel::ports::Provider::capture(&remote, step, 0))?.observed;
    assert_eq!(after.digest(), Some(step.leaves), "{after:?}");
    Ok(before)
}

/// The host behind a worker that `Fleet` sent there.
fn on(host: &Host<'_>) -> RemoteHost {
    let worker = sh(host, "ls -t /var/lib/evenkeel/worker-* | head -n 1");
    let config = host.hosts.ssh_config().display().to_string();
    let words = ["ssh", "-F", &config, host.name(), &worker, "serve"];
    let process = remote::Process(words.map(str::to_owned).to_vec());
    remote::host(process, Path::new("/"), &HostConfig::default(), None)
}

// Goal: a package that is older than the minimum is brought to a version that meets it, after apt's lists were brought up
// to date; one that is newer is left alone; an exact version goes back as well; a removal takes nothing else with it. Each
// is one-way, and the program holds it and says so.
#[test]
fn what_cannot_be_taken_back() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let baseline = BASELINE.replace("minimum: \"1.0\"", "minimum: \"1.1\"");
    let Some(fleet) = Fleet::of(&hosts, &["h2"], &baseline, "") else {
        return;
    };
    sh(&host, ARCHIVE);
    let held = fleet.json(2, "reconcile").to_string();
    let why = "the version before may not be in the archive any more";
    assert!(held.contains(why), "{held}");
    assert_eq!(sh(&host, "keel-w; keel-tool"), "keel-w 1.0\nkeel-tool 1.0");

    let one = |spec: &str| {
        let steps = steps(&host, spec);
        let [step] = &steps[..] else {
            panic!("{spec}: {steps:?}")
        };
        assert!(matches!(step.undo, Undo::Irreversible { .. }));
        step.clone()
    };
    act(&host, &one("{ name: keel-w, minimum: \"1.1\" }")).unwrap();
    assert_eq!(sh(&host, "keel-w"), "keel-w 1.1");
    assert!(steps(&host, "{ name: keel-w, minimum: \"1.0\" }").is_empty());
    act(&host, &one("{ name: keel-w, version: \"1.0\" }")).unwrap();
    assert_eq!(sh(&host, "keel-w"), "keel-w 1.0");

    // keel-tool needs it.
    let lib = one("{ name: keel-lib, state: absent }");
    let error = act(&host, &lib).unwrap_err().to_string();
    assert!(error.contains("dependency problems"), "{error}");
    assert!(is_installed(&host, "keel-tool") && is_installed(&host, "keel-lib"));
    act(&host, &one("{ name: keel-tool, state: absent }")).unwrap();
    assert!(!is_installed(&host, "keel-tool") && is_installed(&host, "keel-w"));
    sh(&host, END);
}

// Goal: dpkg is killed in the middle, as a host that loses its power: the package is not called installed, and the next
// step finishes what was begun.
#[test]
fn an_interrupted_dpkg_is_finished() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let Some(fleet) = Fleet::of(&hosts, &["h3"], BASELINE, "") else {
        return;
    };
    sh(&host, ARCHIVE);
    sh(
        &host,
        "apt-mark hold keel-w; dpkg --unpack /srv/repo/keel-lib_1.0.deb /srv/repo/keel-tool_1.0.deb",
    );
    let report: Json = fleet.json(2, "plan");
    assert_eq!(drifts(&report), ["h3/Package/keel-tool"]);
    let [step] = &steps(&host, "{ name: keel-tool, verify: true }")[..] else {
        panic!()
    };
    act(&host, step).unwrap();
    fleet.json(0, "plan");
    sh(&host, END);
}
