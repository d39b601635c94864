//! `Package` on a root folder: what dpkg's database and the files say, hostile databases, and manifests.
//!
//! Acting needs apt and a running machine; `hosts::packages` has that.

use std::fmt::Write;
use std::os::unix::fs::symlink;

use md5::{Digest, Md5};

use super::fixture::Fixture;

/// A root with packages: name, dpkg's words for the status, version.
pub(super) fn root(packages: &[(&str, &str, &str)]) -> Fixture {
    let fixture = Fixture::new();
    let mut status = String::new();
    for (name, words, version) in packages {
        write!(
            status,
            "Package: {name}\nStatus: {words}\nArchitecture: all\nVersion: {version}\nDescription: a test\n about it\n\n"
        )
        .unwrap();
    }
    fixture.write("/var/lib/dpkg/status", status, 0o644);
    fixture
}

/// Puts files of a package there, with its lists.
pub(super) fn install(fixture: &Fixture, package: &str, files: &[(&str, &str)]) {
    let mut list = "/.\n".to_owned();
    let mut digests = String::new();
    for (path, content) in files {
        fixture.write(path, content, 0o755);
        writeln!(list, "{path}").unwrap();
        let digest = Md5::digest(content);
        let hex = digest.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(digests, "{hex}  {}", path.trim_start_matches('/')).unwrap();
    }
    let info = format!("/var/lib/dpkg/info/{package}");
    fixture.write(&format!("{info}.list"), list, 0o644);
    fixture.write(&format!("{info}.md5sums"), digests, 0o644);
}

fn package(name: &str, spec: &str) -> String {
    format!("---\nkind: Package\nname: {name}\nspec: {spec}\n")
}

fn drifts(fixture: &Fixture, name: &str, spec: &str) -> Vec<String> {
    let looked = fixture.look(&package(name, spec));
    assert_eq!(looked.unseen(), Vec::<String>::new());
    looked.drifts()
}

fn unseen(fixture: &Fixture, name: &str, spec: &str) -> String {
    let looked = fixture.look(&package(name, spec));
    assert_eq!(looked.drifts(), Vec::<String>::new(), "{name} {spec}");
    let [one] = &looked.comparison.not_evaluated[..] else {
        panic!("{name} is clean");
    };
    one.reason.text.clone()
}

const NONE: [&str; 0] = [];

// Goal: an older version than the minimum is found and a newer one is left alone; with an exact version both are drift;
// what is half installed or held against the baseline is named; configuration files alone are no package.
#[test]
fn versions_status_and_hold() {
    let fixture = root(&[
        ("tzdata", "install ok installed", "2025b-0+deb12u1"),
        ("held", "hold ok installed", "1.0"),
        ("half", "install reinstreq half-installed", "1.0"),
        ("gone", "deinstall ok config-files", "1.0"),
    ]);
    let of = |name, spec| drifts(&fixture, name, spec);
    let version = ["Changed Package //package/tzdata: version"];
    assert_eq!(of("tzdata", "{}"), NONE);
    assert_eq!(of("tzdata", "{ minimum: 2024a-0+deb12u1 }"), NONE);
    assert_eq!(of("tzdata", "{ minimum: 2025b-0+deb12u1 }"), NONE);
    assert_eq!(of("tzdata", "{ version: 0:2025b-0+deb12u1 }"), NONE);
    assert_eq!(of("tzdata", "{ minimum: 2025b-0+deb12u2 }"), version);
    assert_eq!(of("tzdata", "{ version: 2024a-0+deb12u1 }"), version);
    assert_eq!(of("other", "{ name: tzdata, version: \"2026\" }"), version);
    let held = ["Changed Package //package/held: held"];
    assert_eq!(of("held", "{ held: true }"), NONE);
    assert_eq!(of("held", "{ held: false }"), held);
    let half = ["Changed Package //package/half: status"];
    assert_eq!(of("half", "{}"), half);
    assert_eq!(of("gone", "{ state: absent }"), NONE);
    assert_eq!(of("gone", "{}"), ["Missing Package //package/gone"]);
    assert_eq!(of("none", "{}"), ["Missing Package //package/none"]);
    let extra = ["Extra Package //package/held"];
    assert_eq!(of("held", "{ state: absent }"), extra);
}

// Goal: a program that was replaced, as /usr/bin/w in the recorded takeover, is named with nothing else, and a reinstallation
// that can be taken back is planned; what is asked to be left out, taken over by another package, or a configuration file
// is none of it.
#[test]
fn replaced_and_missing_files() {
    let fixture = root(&[("procps", "install ok installed", "2:4.0.2-3")]);
    let files = [
        ("/usr/bin/w", "w"),
        ("/usr/bin/ps", "ps"),
        ("/usr/share/doc/procps/copyright", "mine"),
        ("/usr/lib/taken", "before"),
    ];
    install(&fixture, "procps", &files);
    let list = fixture.path("/var/lib/dpkg/info/procps.list");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("/usr/lib/taken\n", "")).unwrap();
    fixture.write("/usr/lib/taken", "after", 0o644);
    assert_eq!(drifts(&fixture, "procps", "{ verify: true }"), NONE);
    fixture.write("/usr/bin/w", "#!/bin/sh\n", 0o755);
    std::fs::remove_file(fixture.path("/usr/bin/ps")).unwrap();
    std::fs::remove_file(fixture.path("/usr/share/doc/procps/copyright")).unwrap();
    let ignoring = "{ verify: { ignore: [/usr/share/doc/**] } }";
    let named = ["Changed Package //package/procps: files./usr/bin/ps files./usr/bin/w"];
    assert_eq!(drifts(&fixture, "procps", ignoring), named);
    assert_eq!(drifts(&fixture, "procps", "{}"), NONE);
    let plan = fixture.look(&package("procps", ignoring)).plan;
    let [group] = &plan.groups[..] else { panic!() };
    assert!(!group.is_irreversible());
    let error = fixture
        .act(fixture.host().as_ref(), &group.steps[0])
        .unwrap_err();
    assert!(error.to_string().contains("running system"), "{error}");

    fixture.write("/usr/bin/ps", "ps", 0o755);
    std::fs::remove_file(fixture.path("/usr/bin/w")).unwrap();
    symlink("/usr/bin/ps", fixture.path("/usr/bin/w")).unwrap();
    let link = ["Changed Package //package/procps: files./usr/bin/w"];
    assert_eq!(drifts(&fixture, "procps", ignoring), link);
}

// Goal: on a merged /usr, packages that still name /bin are compared and not "behind a link"; what another package moved
// aside is compared where it went; what a person did to that end is for a person, as a directory that became a link.
#[test]
fn files_that_lie_elsewhere() {
    let fixture = root(&[("tool", "install ok installed", "1")]);
    std::fs::create_dir_all(fixture.path("/usr/bin")).unwrap();
    symlink("usr/bin", fixture.path("/bin")).unwrap();
    let files = [("/bin/tool", "t"), ("/usr/lib/d/x", "x")];
    install(&fixture, "tool", &files);
    assert_eq!(drifts(&fixture, "tool", "{ verify: true }"), NONE);
    fixture.write("/bin/tool", "evil", 0o755);
    let tool = ["Changed Package //package/tool: files./usr/bin/tool"];
    assert_eq!(drifts(&fixture, "tool", "{ verify: true }"), tool);
    let ignored = "{ verify: { ignore: [/bin/tool] } }";
    assert_eq!(drifts(&fixture, "tool", ignored), NONE);

    fixture.write("/usr/bin/tool.real", "t", 0o755);
    let divert = |by: &str| {
        let text = format!("/bin/tool\n/bin/tool.real\n{by}\n");
        fixture.write("/var/lib/dpkg/diversions", text, 0o644);
    };
    divert("wrapper");
    assert_eq!(drifts(&fixture, "tool", "{ verify: true }"), NONE);
    divert(":");
    let by_hand = || {
        let looked = fixture.look(&package("tool", "{ verify: true }"));
        assert!(looked.plan.groups.is_empty());
        looked.comparison.drifts[0].by_hand.clone().unwrap()
    };
    assert!(by_hand().contains("diversion"));
    divert("wrapper");
    std::fs::rename(fixture.path("/usr/lib/d"), fixture.path("/usr/lib/e")).unwrap();
    symlink("e", fixture.path("/usr/lib/d")).unwrap();
    assert!(by_hand().contains("the link"));
}

// Goal: a configuration file counts when it is asked for, and then is for a person, while a program beside it is still put
// right.
#[test]
fn configuration_files_are_told_apart() {
    let fixture = root(&[("cron", "install ok installed", "3.0")]);
    // dpkg's own list of digests has the configuration file too.
    install(
        &fixture,
        "cron",
        &[("/usr/sbin/cron", "cron"), ("/etc/crontab", "")],
    );
    let status = fixture.path("/var/lib/dpkg/status");
    let text = std::fs::read_to_string(&status).unwrap();
    let empty = "d41d8cd98f00b204e9800998ecf8427e";
    let conffiles = format!("Conffiles:\n /etc/crontab {empty}\n /etc/old {empty} obsolete\n");
    std::fs::write(
        &status,
        text.replace("Description", &(conffiles + "Description")),
    )
    .unwrap();
    fixture.write("/etc/crontab", "changed", 0o644);
    assert_eq!(drifts(&fixture, "cron", "{ verify: true }"), NONE);
    let asked = package("cron", "{ verify: { conffiles: true } }");
    let looked = fixture.look(&asked);
    let named = ["Changed Package //package/cron: conffiles./etc/crontab"];
    assert_eq!(looked.drifts(), named);
    assert!(looked.comparison.drifts[0].by_hand.is_some());
    fixture.write("/usr/sbin/cron", "evil", 0o755);
    let looked = fixture.look(&asked);
    assert_eq!(looked.plan.groups.len(), 1);
    let after = looked.plan.groups[0].steps[0].state.clone().unwrap();
    assert!(format!("{:?}", after.fields["conffiles"]).contains("crontab"));
}

// Goal: whoever can write dpkg's database can make packages "not evaluated", which is seen, and cannot make one look
// as it should, or missing, by damage alone; what dpkg has not taken into the status file yet counts.
#[test]
fn hostile_databases_are_not_evaluated() {
    let fixture = root(&[
        ("tool", "install ok installed", "1"),
        ("other", "install ok installed", "1"),
    ]);
    install(&fixture, "tool", &[("/usr/bin/tool", "t")]);
    let status = fixture.path("/var/lib/dpkg/status");
    let text = std::fs::read_to_string(&status).unwrap();
    let without = text.split_once("Package: other").unwrap();
    let damaged = [
        (String::new(), "no package at all"),
        (text.replace("Version: 1\n", ""), "no version"),
        (
            text.replace("Package: tool", "Package: tool\u{1}"),
            "a name is none",
        ),
        (format!("{text}{text}"), "a package twice"),
        (format!("Package: other{}", without.1), "is there"),
        (text.trim_end().to_owned(), "the middle of a line"),
    ];
    for (content, because) in &damaged {
        std::fs::write(&status, content).unwrap();
        let said = unseen(&fixture, "tool", "{}");
        assert!(said.contains(because), "{because}: {said}");
    }
    std::fs::remove_file(&status).unwrap();
    assert!(unseen(&fixture, "tool", "{}").contains("no /var/lib/dpkg/status"));
    symlink("/etc/passwd", &status).unwrap();
    assert!(unseen(&fixture, "tool", "{}").contains("it is no file"));
    std::fs::remove_file(&status).unwrap();
    std::fs::write(&status, &text).unwrap();

    for (content, because) in [
        ("zz  usr/bin/tool\n", "has no digest"),
        (
            "d41d8cd98f00b204e9800998ecf8427e  usr/bin/tool",
            "middle of a line",
        ),
    ] {
        fixture.write("/var/lib/dpkg/info/tool.md5sums", content, 0o644);
        let said = unseen(&fixture, "tool", "{ verify: true }");
        assert!(said.contains(because), "{said}");
    }
    let out = "d41d8cd98f00b204e9800998ecf8427e  ../../etc/shadow\n";
    fixture.write("/var/lib/dpkg/info/tool.md5sums", out, 0o644);
    fixture.write("/var/lib/dpkg/info/tool.list", "/../../etc/shadow\n", 0o644);
    assert!(unseen(&fixture, "tool", "{ verify: true }").contains("is none"));
    install(&fixture, "tool", &[("/usr/bin/tool", "t")]);
    std::fs::remove_file(fixture.path("/var/lib/dpkg/info/tool.md5sums")).unwrap();
    assert!(unseen(&fixture, "tool", "{ verify: true }").contains("there is no"));

    let update = text
        .split("\n\n")
        .next()
        .unwrap()
        .replace("Version: 1", "Version: 2");
    fixture.write("/var/lib/dpkg/updates/0001", update + "\n", 0o644);
    fixture.write("/var/lib/dpkg/updates/tmp.i", "half", 0o644);
    assert_eq!(drifts(&fixture, "tool", "{ version: \"2\" }"), NONE);
}

// Goal: what cannot be taken back is planned as such: another version, and a removal; a hold can.
#[test]
fn what_is_one_way() {
    let fixture = root(&[("tool", "install ok installed", "1")]);
    let irreversible = |spec| {
        let plan = fixture.look(&package("tool", spec)).plan;
        plan.groups[0].is_irreversible()
    };
    assert!(irreversible("{ version: \"2\" }"));
    assert!(irreversible("{ minimum: \"2\" }"));
    assert!(irreversible("{ state: absent }"));
    assert!(!irreversible("{ held: true }"));
    let missing = fixture.look(&package("none", "{}")).plan;
    assert!(!missing.groups[0].is_irreversible());
}

// Goal: each mistake in a manifest is named where it is, and nothing that apt would read as another order is taken.
#[test]
fn manifests_are_checked() {
    let fixture = Fixture::new();
    let documents = [
        ("a1", "{ name: wget- }"),
        ("a2", "{ name: \"-y\" }"),
        ("a3", "{ version: 1.2 }"),
        ("a4", "{ version: \"1 2\" }"),
        ("a5", "{ version: \"1\", minimum: \"1\" }"),
        ("a6", "{ state: absent, held: true }"),
        ("a7", "{ verify: { ignore: [\"[\"] } }"),
        ("a8", "{ verify: yes please }"),
        ("Upper", "{}"),
        ("twice", "{ name: one }"),
        ("again", "{ name: one }"),
    ];
    let yaml: String = documents.map(|(name, spec)| package(name, spec)).concat();
    insta::assert_snapshot!(fixture.problems(&yaml));
}
