//! Several targets with one baseline, through the program: each has its own values, mistakes are told once.

use crate::support::{Project, drifts};

/// Two root folders in one group, each with an address of its own.
const CONFIG: &str = "\
apiVersion: evenkeel.dev/v1
kind: Project
targets:
  - { name: web-1, provider: host, root: ../../root/1, mode: enforce, labels: { role: web }, vars: { listen: 10.0.0.1 } }
  - { name: web-2, provider: host, root: ../../root/2, mode: enforce, labels: { role: web }, vars: { listen: 10.0.0.2, workers: 8 } }
  - { name: db, provider: host, root: ../../root/db, mode: enforce }
groups:
  - { name: web, labels: { role: web }, vars: { domain: example.org } }
";
const SITE: &str = "\
---
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: site }
vars: [listen, domain]
spec:
  path: /etc/sites/${domain}
  contentFrom: files/site.conf
disclose: true
";

fn project() -> Project {
    let project = Project::new(CONFIG, "");
    std::fs::remove_dir_all(project.repo.join("desired-state/host")).unwrap();
    for root in ["1", "2", "db"] {
        std::fs::create_dir_all(project.path(root).join("etc/sites")).unwrap();
    }
    project.write("desired-state/web/site.yaml", SITE);
    project.write(
        "desired-state/web/files/site.conf",
        "server ${domain} on ${listen}; # $${listen} ${HOME}\n",
    );
    project.write(
        "desired-state/db/motd.yaml",
        "apiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: { name: motd }\nspec: { path: /etc/motd, content: x }\n",
    );
    project.commit("groups");
    project
}

// Goal: a shared resource is planned for each target of its group with that target's values, put there, and then clean.
#[test]
fn each_target_has_its_own_values() {
    let project = project();
    project.expect(0, &["check"]);
    let plan = project.plan(2);
    assert_eq!(
        drifts(&plan),
        ["db/File/motd", "web-1/File/site", "web-2/File/site"]
    );
    for drift in plan["drifts"].as_array().unwrap() {
        let shared = drift["id"] != "db/File/motd";
        let expected = if shared {
            "web/site.yaml"
        } else {
            "db/motd.yaml"
        };
        let file = drift["file"].as_str().unwrap();
        assert_eq!(file, format!("desired-state/{expected}"));
    }
    project.reconcile(0);
    for (root, listen) in [("1", "10.0.0.1"), ("2", "10.0.0.2")] {
        let site = project.path(root).join("etc/sites/example.org");
        assert_eq!(
            std::fs::read_to_string(site).unwrap(),
            format!("server example.org on {listen}; # ${{listen}} ${{HOME}}\n")
        );
    }
    assert_eq!(drifts(&project.plan(0)), Vec::<String>::new());
}

// Goal: --target takes a group for all of its targets, and says what there is when it knows no such name.
#[test]
fn a_group_chooses_its_targets() {
    let project = project();
    let plan = project.expect(2, &["plan", "--target", "web", "--format", "json"]);
    assert_eq!(drifts(&plan.json()), ["web-1/File/site", "web-2/File/site"]);
    let wrong = project.expect(1, &["plan", "--target", "wbe"]);
    assert!(
        wrong.stderr.contains("there is no target and no group wbe")
            && wrong.stderr.contains("web-1, web-2, db, web"),
        "{}",
        wrong.stderr
    );
}

// Goal: a mistake in a shared manifest is told once with file, line and column; one that only a target's value makes
// names the target; a name that nothing uses is told although the file beside the manifest could have used it.
#[test]
fn mistakes_are_told_once_and_at_their_place() {
    let project = project();
    let config = CONFIG
        .replace("listen: 10.0.0.2", "listen: 10.0.0.2, mode: \"rw\"")
        .replace(
            "listen: 10.0.0.1",
            "listen: 10.0.0.1, workers: 4, mode: \"0644\"",
        );
    project.write("desired-state/evenkeel.yaml", &config);
    let site = SITE
        .replace("[listen, domain]", "[listen, domain, mode, workers]")
        .replace("disclose:", "  owner: -x\n  mode: ${mode}\ndisclose:");
    project.write("desired-state/web/site.yaml", &site);
    project.commit("mistakes");
    let told = project.expect(1, &["check"]).stderr;
    for (text, times) in [
        ("\"-x\" is not a user", 1),
        ("desired-state/web/site.yaml:9:10", 1),
        (
            "\"rw\" is no mode, after substitution (for target web-2)",
            1,
        ),
        ("desired-state/web/site.yaml:10:9", 1),
        ("  mode: ${mode}", 1),
        ("`workers` is listed and never used", 1),
        ("desired-state/web/site.yaml:5:30", 1),
        ("3 problems", 1),
    ] {
        assert_eq!(told.matches(text).count(), times, "{text}\n{told}");
    }
    let plan = project.expect(1, &["plan"]).stderr;
    assert_eq!(plan.matches("\"-x\" is not a user").count(), 1, "{plan}");
}

// Goal: a value cannot lead out of where its manifest could go by itself: what it makes of a path or of the name of a
// file beside the manifest is judged like any other.
#[test]
fn a_value_is_judged_where_it_is_put() {
    let project = project();
    let config = CONFIG.replace("domain: example.org", "domain: ../../../etc/passwd");
    project.write("desired-state/evenkeel.yaml", &config);
    let site = SITE.replace("files/site.conf", "'${domain}'");
    project.write(
        "desired-state/web/site.yaml",
        &site.replace("[listen, domain]", "[domain]"),
    );
    project.commit("a way out");
    let told = project.expect(1, &["check"]).stderr;
    for text in [
        "desired-state/web/site.yaml:7:9",
        "desired-state/web/site.yaml:8:16",
        "the path leaves the baseline's directory, after substitution",
    ] {
        assert!(told.contains(text), "{text}\n{told}");
    }
    assert!(told.contains("2 problems"), "{told}");
}

// Goal: a host over ssh that cannot be reached is not evaluated, and holds up nobody else in its group.
#[test]
fn an_unreachable_host_is_not_clean() {
    let project = project();
    let far = CONFIG.replace(
        "root: ../../root/2",
        "ssh: { host: web-2.invalid, port: 1, timeout: 1s }",
    );
    project.write("desired-state/evenkeel.yaml", &far);
    project.commit("far");
    let report = project.reconcile(4);
    assert!(project.path("1/etc/sites/example.org").exists());
    let target = &report["targets"][1];
    assert_eq!(
        target["description"], "host web-2.invalid over ssh, root /",
        "{target}"
    );
    let unseen = report["not_evaluated"].to_string();
    assert!(unseen.contains("web-2/File/site"), "{unseen}");
}
