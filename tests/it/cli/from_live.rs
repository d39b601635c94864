//! `init --from-live` on a root that is no running machine: what it takes and what it refuses.

use crate::support::{Project, Ran, chmod, drifts, is_root, skip};

const STATUS: &str =
    "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\neve:x:0:0::/root:/bin/bash\nx y: {}:x:7:7::/x:/bin/sh\nada:x:1000:1000::/home/ada:/bin/bash\n";

/// A root with what every Debian has.
fn debian() -> Project {
    let project = Project::new("", "");
    std::fs::remove_dir_all(project.repo.join("desired-state")).unwrap();
    for (path, text) in [
        ("var/lib/dpkg/status", STATUS),
        ("var/lib/dpkg/info/dpkg.list", "/.\n"),
        ("var/lib/dpkg/info/dpkg.md5sums", ""),
        ("etc/passwd", PASSWD),
        (
            "etc/shadow",
            "root:*:1::::::\neve:*:1::::::\nada:!:1::::::\n",
        ),
        ("etc/group", "root:x:0:\n"),
        ("etc/gshadow", "root:*::\n"),
        ("etc/motd", "hello\n"),
        ("etc/app.conf", "user = x\nPassword: hunter2\n"),
        ("etc/token", "t0p\n"),
        ("etc/odd\nname: {}", "odd\n"),
        ("etc/sudoers.d/ops", "ops ALL=(ALL) ALL\n"),
        ("usr/local/bin/tool", "#!/bin/sh\n"),
    ] {
        let path = project.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        chmod(&path, 0o644);
    }
    for folder in ["opt", "home", "root", "srv", "tmp"] {
        std::fs::create_dir_all(project.path(folder)).unwrap();
    }
    chmod(&project.path("etc/token"), 0o600);
    chmod(&project.path("etc/sudoers.d/ops"), 0o440);
    std::fs::hard_link(project.path("etc/motd"), project.path("etc/motd2")).unwrap();
    project
}

fn init(project: &Project, more: &[&str]) -> Ran {
    let root = project.root.to_str().unwrap();
    let args = ["init", "--from-live", "--root", root, "--format", "json"];
    project.run(&[&args[..], more].concat())
}

// Goal: what nobody else may know stays out of git, in whatever form it lies there; an account that is root by its number is
// pointed out; a name that would be YAML is none; and what was written is valid, clean but for what a root cannot tell, and
// not written twice.
#[test]
fn secrets_stay_where_they_are() {
    if !is_root() {
        return skip("skipped: not root, so files of others cannot be read");
    }
    let project = debian();
    let made = init(&project, &[]).expect(0).json();
    let told = made.to_string();
    for part in [
        "/etc/passwd has lines that are no accounts",
        "the account eve is root by its number",
        "the content of /etc/app.conf: it may hold a secret",
        "the content of /etc/token: not everybody may read it",
        "/etc/motd: it has 2 names",
    ] {
        assert!(told.contains(part), "{part}: {made:#}");
    }
    let mut all = String::new();
    for path in made["written"].as_array().unwrap() {
        let path = project.repo.join(path.as_str().unwrap());
        all += &std::fs::read_to_string(path).unwrap();
    }
    for secret in ["hunter2", "t0p"] {
        assert!(!all.contains(secret), "{secret}");
    }
    for held in [
        "ops ALL=(ALL) ALL",
        "path: /etc/app.conf",
        "path: /usr/local/bin/tool",
    ] {
        assert!(all.contains(held), "{held}: {all}");
    }
    project.commit("what it is");
    project.expect(0, &["check"]);
    let plan = project.run(&["plan", "--format", "json"]).expect(3).json();
    // A line of passwd that is no account never is clean, and may be there to be read by something else.
    assert_eq!(drifts(&plan), ["this-host/Accounts/all"]);

    let again = init(&project, &[]).expect(1);
    assert!(again.all().contains("exists already"), "{}", again.all());
}

// Goal: of what is no Debian nothing is written at all, and it says what was missing.
#[test]
fn what_is_no_debian_gets_no_baseline() {
    let project = debian();
    std::fs::remove_file(project.path("var/lib/dpkg/status")).unwrap();
    let refused = init(&project, &[]).expect(1).all();
    assert!(refused.contains("/var/lib/dpkg/status"), "{refused}");
    assert!(!project.repo.join("desired-state").exists());
    std::fs::write(project.path("var/lib/dpkg/status"), "Package: ../x\n").unwrap();
    let refused = init(&project, &[]).expect(1).all();
    assert!(refused.contains("cannot be understood"), "{refused}");
    assert!(!project.repo.join("desired-state").exists());
}
