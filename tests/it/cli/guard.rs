//! The guard, as whoever runs the program meets it.

use serde_json::Value as Json;

use super::{git, one_missing};
use crate::support::{Project, config, directory, facts, file, run_of};

fn files(count: usize) -> String {
    let one = |at| file(&format!("f{at}"), &format!("/f{at}"), "good\n");
    (0..count).map(one).collect()
}

/// Reconciles, which has to do nothing at all and to say this, to people and to programs.
#[track_caller]
fn refused(project: &Project, code: &str, because: &str) -> Json {
    let before = facts(&project.root);
    let text = project.expect(5, &["reconcile"]).stdout;
    assert!(text.contains(because), "{because} is not in {text}");
    let report = project.reconcile(5);
    let held = &report["held"][0];
    assert_eq!(held["code"], code, "{report:#}");
    assert_eq!(held["refused"], true);
    assert!(held["because"].as_str().unwrap().contains(because));
    assert!(!held["hint"].as_str().unwrap().is_empty());
    assert_eq!(held["group"], report["plan"]["groups"][0]["hash"]);
    assert_eq!(facts(&project.root), before);
    report
}

// Goal: a plan above the bound is not done in part, and one at the bound is done.
#[test]
fn more_than_max_changes_is_nothing() {
    let guard = |max| config("enforce", &format!("guard: {{ max_changes: {max} }}\n"));
    let project = Project::new(&guard(2), &files(3));
    let because = "changes 3 resources, and guard.max_changes is 2";
    let report = refused(&project, "blast_radius", because);
    assert_eq!(report["held"].as_array().unwrap().len(), 3);
    project.write("desired-state/evenkeel.yaml", &guard(3));
    project.commit("raised");
    project.reconcile(0);
}

// Goal: a share above the bound is refused whole: 2 of 4 are more than 49 %, and 1 of 4 is not.
#[test]
fn more_than_max_changed_percent_is_nothing() {
    let project = Project::new(&config("enforce", ""), &files(4));
    project.reconcile(0);
    let more = "guard: { max_changed_percent: 49 }\n";
    project.write("desired-state/evenkeel.yaml", &config("enforce", more));
    project.commit("a bound");
    let tamper = |name: &str| std::fs::write(project.path(name), "evil\n").unwrap();
    tamper("f0");
    project.reconcile(0);
    tamper("f0");
    tamper("f1");
    refused(&project, "changed_percent", "2 of 4 evaluated resources");
}

// Goal: what is protected stays as it is, by name and by path, and holds up nothing else.
#[test]
fn protected_resources_are_not_touched() {
    for selector in ["File/f0", "/f0", "{ kind: File, path: /f0 }"] {
        let more = format!("guard: {{ protected: ['{selector}'] }}\n")
            .replace("'{", "{")
            .replace("}'", "}");
        let project = Project::new(&config("enforce", &more), &files(2));
        project.reconcile(5);
        assert!(project.path("f1").exists() && !project.path("f0").exists());
        refused(&project, "protected", "is protected by guard.protected");
    }
}

// Goal: without anybody to ask, what needs an approval waits: it is no refusal, and it is not done.
#[test]
fn what_needs_approval_waits_without_a_forge() {
    let more = "guard: { require_approval: [File/f0] }\n";
    let project = Project::new(&config("enforce", more), &files(2));
    let report = project.reconcile(2);
    assert_eq!(report["held"][0]["code"], "needs_approval");
    assert_eq!(report["held"][0]["refused"], false);
    assert!(project.path("f1").exists() && !project.path("f0").exists());
    let text = project.expect(2, &["reconcile"]).stdout;
    assert!(text.contains("needs approval"), "{text}");
}

/// A project whose root is the folder that its own repository lies in, all of which is to be exclusive.
fn around_itself() -> Project {
    let all = directory("all", "/inner", ", exclusive: true") + &file("motd", "/motd", "good\n");
    let project = Project::new(&config("enforce", ""), &all);
    let inner = project.root.join("inner");
    std::fs::create_dir(&inner).unwrap();
    crate::support::chmod(&inner, 0o755);
    project
}

// Goal: an exclusive directory around evenkeel's own state and repository removes neither, says so, and everything else
// goes on. Method: the state alone, then the repository, then a second checkout of a repository that lies there.
#[test]
fn nothing_of_its_own_is_removed() {
    let project = around_itself();
    let state = project.path("inner/deep/state");
    std::fs::create_dir_all(state.parent().unwrap()).unwrap();
    std::fs::write(project.path("inner/evil"), "x").unwrap();
    let args = [
        "reconcile",
        "--state",
        state.to_str().unwrap(),
        "--format",
        "json",
    ];
    let report = project.expect(5, &args).json();
    assert_eq!(report["held"][0]["code"], "self_protection", "{report:#}");
    assert!(
        report["held"][0]["because"]
            .as_str()
            .unwrap()
            .contains("state directory")
    );
    assert!(state.join("state.db").exists());
    assert!(!project.path("inner/evil").exists() && project.path("motd").exists());
}

#[test]
fn its_repository_is_not_removed() {
    let project = around_itself();
    let moved = project.path("inner/repo");
    let text = config("enforce", "").replace("../../root", "../../..");
    project.write("desired-state/evenkeel.yaml", &text);
    project.commit("for the root");
    std::fs::rename(&project.repo, &moved).unwrap();
    let run = |dir: &std::path::Path| {
        let mut command = project.command_in(dir, &["reconcile", "--format", "json"]);
        crate::support::Ran::of(&mut command).expect(5).json()
    };
    let held = run(&moved)["held"].to_string();
    assert!(held.contains("baseline repository"), "{held}");
    assert!(moved.join(".git/HEAD").exists());
    // A work tree elsewhere has its repository here all the same.
    if git(
        &moved,
        &["worktree", "add", "-q", "--detach", "../../../other"],
    )
    .is_none()
    {
        return;
    }
    let other = project.temp.path().join("other");
    let root = config("enforce", "").replace("../../root", project.root.to_str().unwrap());
    std::fs::write(other.join("desired-state/evenkeel.yaml"), root).unwrap();
    git(
        &other,
        &[
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=a@example.com",
            "commit",
            "-qam",
            "there",
        ],
    );
    let held = run(&other)["held"].to_string();
    assert!(held.contains("baseline repository"), "{held}");
    assert!(moved.join(".git/HEAD").exists());
}

// Goal: a runner that keeps no state acts on nothing, and says what is missing.
#[test]
fn no_state_no_action() {
    let project = one_missing("enforce", "");
    let ran = project.expect(5, &["reconcile", "--state", "none"]);
    assert!(ran.stdout.contains("there is no journal"), "{}", ran.stdout);
    assert!(!project.path("motd").exists());
    assert!(!project.repo.join(".evenkeel").exists());
    project.expect(2, &["plan", "--state", "none"]);
    project.expect(1, &["undo", "--state", "none", "any"]);
    let _ = run_of(&project.reconcile(0));
}
