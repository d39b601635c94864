//! Plans: they change nothing, can be kept in a file, and nothing but what was seen is done from one.

use std::path::Path;

use crate::support::{Project, config, facts, file};

use super::{motd, one_missing};

fn two() -> Project {
    let manifests = file("motd", "/motd", "good\n") + &file("hosts", "/hosts", "good\n");
    Project::new(&config("enforce", ""), &manifests)
}

// Goal: looking leaves no trace, neither on the live system nor in the repository with its `.git`, the first time and
// after a run, whatever is asked of it.
#[test]
fn looking_writes_nothing() {
    let project = two();
    let look = |code: i32| {
        let before = (facts(&project.repo), facts(&project.root));
        for args in [
            &["plan"][..],
            &["plan", "--format", "json"],
            &["plan", "--worktree"],
            &["plan", "--mode", "observe", "-vvv"],
            &["plan", "--untrusted", "--trusted-rev", "HEAD"],
        ] {
            project.expect(code, args);
        }
        for args in [
            &["journal", "show"][..],
            &["journal", "verify"],
            &["check"],
            &["trust", "show"],
        ] {
            project.expect(0, args);
        }
        assert_eq!((facts(&project.repo), facts(&project.root)), before);
    };
    look(2);
    project.reconcile(0);
    look(0);
    std::fs::write(project.path("motd"), "evil\n").unwrap();
    look(2);
}

// Goal: a project that never ran has an empty journal, which is no error and no head to compare with.
#[test]
fn no_run_is_an_empty_journal() {
    let project = two();
    let shown = project.expect(0, &["journal", "show"]).stdout;
    assert_eq!(shown, "no records\n");
    assert!(project.records().is_empty());
    let verified = project.expect(0, &["journal", "verify"]).stdout;
    assert_eq!(verified, "the journal is empty\n");
    let head = "0".repeat(64);
    project.expect(1, &["journal", "verify", "--expect-head", &head]);
}

// Goal: a plan file is carried out when the plan is still the same; one that somebody edited is refused before anything
// is looked at, with and without its hashes put right as far as an editor can.
#[test]
fn an_edited_plan_file_is_refused() {
    let project = two();
    project.expect(2, &["plan", "--out", "../plan"]);
    let plan = project.temp.path().join("plan");
    let made = std::fs::read_to_string(&plan).unwrap();
    let hash = project.plan(2)["plan"]["hash"].as_str().unwrap().to_owned();
    for edited in [
        made.replace("\"/motd\"", "\"/shadow\""),
        made.replace(&hash, &"0".repeat(64)),
        made.replace("\"put\"", "\"remove\""),
        made.replace("0644", "4755"),
        made[..made.len() / 2].to_owned(),
        String::new(),
    ] {
        assert_ne!(edited, made);
        std::fs::write(&plan, edited).unwrap();
        let ran = project.expect(1, &["reconcile", "--plan", "../plan"]);
        assert!(ran.stderr.contains("plan file"), "{}", ran.stderr);
        assert_eq!(facts(&project.root).len(), 1, "something was done");
    }
    project.expect(1, &["reconcile", "--plan", "../nowhere"]);
    std::fs::write(&plan, made).unwrap();
    let done = project.expect(0, &["reconcile", "--plan", "../plan", "--format", "json"]);
    assert_eq!(done.json()["plan"]["hash"], hash.as_str());
    assert_eq!(motd(&project).unwrap(), "good\n");
}

// Goal: a plan that may not be done whole is not done in part: with one of its groups held, none runs.
#[test]
fn a_plan_file_is_all_or_nothing() {
    let project = two();
    project.expect(2, &["plan", "--out", "../plan"]);
    let guard = "guard: { protected: [File/hosts] }\n";
    project.write("desired-state/evenkeel.yaml", &config("enforce", guard));
    project.commit("protected");
    let ran = project.expect(1, &["reconcile", "--plan", "../plan"]);
    assert!(ran.stderr.contains("protected"), "{}", ran.stderr);
    assert_eq!(motd(&project), None);
}

// Goal: one group is shown by the start of its hash, whole and alone; a start that fits none or several is refused.
#[test]
fn a_group_is_shown_by_the_start_of_its_hash() {
    let project = two();
    let groups = project.plan(2)["plan"]["groups"].clone();
    let hash = groups[0]["hash"].as_str().unwrap();
    let shown = project.expect(2, &["plan", "show", &hash[..12], "--format", "json"]);
    let shown = shown.json();
    assert_eq!(shown["plan"]["groups"].as_array().unwrap().len(), 1);
    assert_eq!(shown["plan"]["groups"][0], groups[0]);
    assert_eq!(shown["drifts"].as_array().unwrap().len(), 1);
    assert_eq!(shown["drifts"][0]["id"], groups[0]["steps"][0]["id"]);
    let many = project.expect(1, &["plan", "show", ""]).stderr;
    assert!(many.contains("2 groups start with"), "{many}");
    let none = project.expect(1, &["plan", "show", &"0".repeat(64)]).stderr;
    assert!(none.contains("no group"), "{none}");
}

// Goal: what programs read keeps its names. Method: every field that the README's users and the workflow rely on.
#[test]
fn the_json_of_a_plan() {
    let project = one_missing("enforce", "guard: { protected: [File/motd] }\n");
    let plan = project.plan(5);
    assert_eq!(plan["schema"], "evenkeel.dev/plan/v1");
    let head = git2::Repository::open(&project.repo).unwrap();
    let head = head.head().unwrap().target().unwrap().to_string();
    assert_eq!(plan["baseline"]["commit"], head.as_str());
    let summary = serde_json::json!(
        {"clean": 0, "drifted": 1, "not_evaluated": 0, "exempted": 0, "coverage_percent": 100.0}
    );
    assert_eq!(plan["summary"], summary);
    let drift = &plan["drifts"][0];
    for (field, value) in [
        ("id", "host/File/motd"),
        ("target", "host"),
        ("resource", "File/motd"),
        ("kind", "File"),
        ("change", "Missing"),
        ("address", "/motd"),
    ] {
        assert_eq!(drift[field], value);
    }
    assert_eq!(drift["fingerprint"].as_str().unwrap().len(), 16);
    let field = &drift["fields"].as_array().unwrap()[0];
    assert!(field["path"].is_string() && !field["expected"].is_null());
    assert!(field["actual"].is_null());
    let group = &plan["plan"]["groups"][0];
    assert_eq!(group["steps"][0]["id"], "host/File/motd");
    assert_eq!(group["fingerprint"], drift["fingerprint"]);
    assert_eq!(plan["held"][0]["group"], group["hash"]);
    assert!(plan["held"][0]["because"].is_string());
    std::os::unix::fs::symlink("/tmp", project.path("away")).unwrap();
    project.write("desired-state/host/all.yaml", &file("away", "/away/x", "x"));
    project.commit("led away");
    let unseen = &project.plan(4)["not_evaluated"][0];
    assert_eq!(unseen["resource"], "File/away");
    assert_eq!(unseen["code"], "redirected");
    assert!(unseen["reason"].is_string());
    assert!(Path::new("/tmp").is_dir());
}
