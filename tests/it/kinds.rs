//! Links, keys that let people in, and files that give power, by the built program: found, put right, clean, put back.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use serde_json::Value as Json;

use super::support::{Project, chmod, config, drifts, facts, is_root, run_of, skip};

const ADA: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const EVE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
const KEYS: &str = "home/ada/.ssh/authorized_keys";
const CAPABILITY: &str = "security.capability";

fn resource(kind: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: host.evenkeel.dev/v1\nkind: {kind}\nmetadata: {{ name: it }}\nspec: {{ {spec} }}\n"
    )
}

fn project(manifests: &str) -> Project {
    Project::new(&config("enforce", ""), manifests)
}

/// The whole way: exactly these drifts are found, put right so that `right` holds, the plan is empty then, and the undo
/// brings back every bit. Gives the report of the plan.
#[track_caller]
fn the_whole_way(project: &Project, expected: &[&str], right: impl Fn()) -> Json {
    way(project, (2, 0), expected, right)
}

/// The same of what is a compromise by itself.
#[track_caller]
fn the_way_of_a_compromise(project: &Project, expected: &[&str], right: impl Fn()) -> Json {
    way(project, (3, 3), expected, right)
}

#[track_caller]
fn way(project: &Project, codes: (i32, i32), expected: &[&str], right: impl Fn()) -> Json {
    let before = facts(&project.root);
    let plan = project.plan(codes.0);
    assert_eq!(drifts(&plan), expected);
    assert_eq!(facts(&project.root), before, "a plan changes nothing");
    let done = project.reconcile(codes.1);
    right();
    assert_eq!(project.plan(0)["plan"]["groups"], Json::Array(Vec::new()));
    project.expect(0, &["undo", "--reopen", &run_of(&done)]);
    assert_eq!(facts(&project.root), before, "the undo brings back all");
    project.expect(0, &["journal", "verify"]);
    plan
}

fn target(path: &Path) -> String {
    std::fs::read_link(path).unwrap().display().to_string()
}

// Goal: a link that points elsewhere, is missing, or has become a file or a folder is put right and put back; what it
// points to is never touched.
#[test]
fn links() {
    let tampers: [&dyn Fn(&Path); 4] = [
        &|path| symlink("../outside", path).unwrap(),
        &|_| {},
        &|path| std::fs::write(path, "a file").unwrap(),
        &|path| {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("inside"), "kept").unwrap();
        },
    ];
    for tamper in tampers {
        let project = project(&resource("Symlink", "path: /link, target: there/now"));
        std::fs::write(project.temp.path().join("outside"), "outside").unwrap();
        let link = project.path("link");
        tamper(&link);
        the_whole_way(&project, &["host/Symlink/it"], || {
            assert_eq!(target(&link), "there/now");
        });
        let outside = std::fs::read_to_string(project.temp.path().join("outside"));
        assert_eq!(outside.unwrap(), "outside");
    }
}

/// A root in which ada has a home, and her keys are these.
fn with_keys(exclusive: bool, content: &str) -> Project {
    let spec = format!(
        "user: ada, exclusive: {exclusive}, keys: ['restrict,command=\"backup\" {ADA} ada']"
    );
    let project = project(&resource("AuthorizedKeys", &spec));
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    std::fs::create_dir_all(project.path("home/ada/.ssh")).unwrap();
    std::fs::create_dir(project.path("etc")).unwrap();
    for (path, mode) in [
        ("home", 0o755),
        ("home/ada", 0o755),
        ("home/ada/.ssh", 0o700),
    ] {
        chmod(&project.path(path), mode);
    }
    let account = format!(
        "ada:x:{}:{}::/home/ada:/bin/sh\n",
        uid.as_raw(),
        gid.as_raw()
    );
    std::fs::write(project.path("etc/passwd"), account).unwrap();
    std::fs::write(project.path(KEYS), content).unwrap();
    chmod(&project.path(KEYS), 0o600);
    project
}

fn good() -> String {
    format!("restrict,command=\"backup\" {ADA} ada\n")
}

/// The fingerprint that `ssh-keygen` gives a key.
fn fingerprint(project: &Project, key: &str) -> Option<String> {
    let path = project.temp.path().join("key.pub");
    std::fs::write(&path, format!("{key}\n")).unwrap();
    let output = Command::new("ssh-keygen").arg("-lf").arg(&path).output();
    let Ok(output) = output else {
        skip("there is no ssh-keygen to compare fingerprints with");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).map(str::to_owned)
}

// Goal: an added key is named by the fingerprint that ssh-keygen gives it, is removed and nothing else with it, and the
// key itself is in no report.
#[test]
fn an_added_key_is_named_and_removed() {
    let content = format!("# keys of ada\n{}{EVE} eve@nowhere\n", good());
    let project = with_keys(true, &content);
    let plan = the_way_of_a_compromise(&project, &["host/AuthorizedKeys/it"], || {
        let left = std::fs::read_to_string(project.path(KEYS)).unwrap();
        assert!(left.contains(ADA) && !left.contains(EVE), "{left}");
    });
    if let Some(fingerprint) = fingerprint(&project, EVE) {
        let path = plan["drifts"][0]["fields"][0]["path"].as_str().unwrap();
        assert_eq!(path, format!("keys.{fingerprint}"));
    }
    let all = format!("{plan}{}", project.run(&["plan"]).all());
    assert!(!all.contains("eve@nowhere") && !all.contains(EVE), "{all}");
}

// Goal: without `exclusive` a key that git does not list is none of its business, and stays through the repair of one
// that it does list.
#[test]
fn other_keys_stay_where_not_exclusive() {
    let kept = format!("{EVE} eve@nowhere\n");
    let clean = with_keys(false, &(kept.clone() + &good()));
    clean.plan(0);
    let project = with_keys(false, &kept);
    the_whole_way(&project, &["host/AuthorizedKeys/it"], || {
        let left = std::fs::read_to_string(project.path(KEYS)).unwrap();
        assert!(left.starts_with(&kept), "{left}");
        assert!(left.contains("command=\"backup\""), "{left}");
    });
}

// Goal: a key whose restrictions were taken away or changed is drift of that key, with and without `exclusive`.
#[test]
fn options_of_a_key_count() {
    for exclusive in [true, false] {
        for content in [format!("{ADA} ada\n"), good().replace("backup", "sh")] {
            let project = with_keys(exclusive, &content);
            let plan = the_way_of_a_compromise(&project, &["host/AuthorizedKeys/it"], || {
                let left = std::fs::read_to_string(project.path(KEYS)).unwrap();
                assert_eq!(left, good());
            });
            if let Some(fingerprint) = fingerprint(&project, ADA) {
                let path = plan["drifts"][0]["fields"][0]["path"].as_str().unwrap();
                assert_eq!(path, format!("keys.{fingerprint}"));
            }
        }
    }
}

// Goal: a setuid shell below a watched path is Extra, loses its power and nothing else; the one that git allows stays;
// the undo gives it back, since that is what undo means.
#[test]
fn unlisted_power_is_taken_away() {
    let spec = "paths: [/usr, /home], allow: [{ path: /usr/bin/su, mode: \"4755\" }]";
    let manifests = resource("PrivilegedFiles", spec);
    let project = project(&manifests);
    for (path, mode) in [
        ("usr/bin/su", 0o4755),
        ("usr/bin/sh", 0o755),
        ("home/.x/sh", 0o4755),
        ("usr/lib/mail", 0o2755),
    ] {
        let path = project.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "#!shell\n").unwrap();
        chmod(&path, mode);
    }
    let plan = the_way_of_a_compromise(
        &project,
        &["host/File//home/.x/sh", "host/File//usr/lib/mail"],
        || {
            let all = facts(&project.root);
            assert!(all["home/.x/sh"].starts_with("100755 "), "{all:?}");
            assert!(all["usr/lib/mail"].starts_with("100755 "), "{all:?}");
            assert!(all["usr/bin/su"].starts_with("104755 "), "{all:?}");
            let content = std::fs::read_to_string(project.path("home/.x/sh"));
            assert_eq!(content.unwrap(), "#!shell\n");
        },
    );
    for drift in plan["drifts"].as_array().unwrap() {
        assert_eq!(drift["change"], "Extra", "{drift:#}");
    }
}

// Goal: an allowed file that gained more power than it may have is no longer an allowed one.
#[test]
fn an_allowed_file_with_more_power_is_found() {
    let spec = "paths: [/usr], allow: [{ path: /usr/mail, mode: \"2755\" }]";
    let project = project(&resource("PrivilegedFiles", spec));
    std::fs::create_dir(project.path("usr")).unwrap();
    std::fs::write(project.path("usr/mail"), "mail").unwrap();
    chmod(&project.path("usr/mail"), 0o2755);
    project.plan(0);
    chmod(&project.path("usr/mail"), 0o6755);
    let plan = project.plan(3);
    assert_eq!(plan["drifts"][0]["address"], "/usr/mail", "{plan:#}");
}

// Goal: a capability gives power without a bit in the mode: it is found, taken away and given back.
#[test]
fn capabilities_are_power() {
    if !is_root() {
        skip("only root may give a file capabilities: skipped");
        return;
    }
    let project = project(&resource("PrivilegedFiles", "paths: [/usr], allow: []"));
    std::fs::create_dir(project.path("usr")).unwrap();
    let path = project.path("usr/python");
    std::fs::write(&path, "python").unwrap();
    chmod(&path, 0o755);
    // Version 2, effective, permitted: cap_setuid.
    let raw = [
        1, 0, 0, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    setxattr(&path, CAPABILITY, &raw, XattrFlags::empty()).unwrap();
    let plan = the_way_of_a_compromise(&project, &["host/File//usr/python"], || {
        assert!(getxattr(&path, CAPABILITY, &mut [0_u8; 64][..]).is_err());
    });
    assert!(plan.to_string().contains("cap_setuid"), "{plan:#}");
}
