//! Which files are the baseline: those of a commit, wherever its repository and its checkout lie.

use std::path::Path;

use super::{git, motd, one_missing};
use crate::support::{Project, Ran, config, file};

const MANIFEST: &str = "desired-state/host/all.yaml";

fn content(text: &str) -> String {
    file("motd", "/motd", text)
}

// Goal: what is not committed does not count and is told; each run says which commit it went by; `--rev` and
// `--worktree` read what they say.
#[test]
fn the_baseline_is_what_the_commit_holds() {
    let project = one_missing("enforce", "");
    let first = project.plan(2)["baseline"]["commit"].clone();
    project.write(MANIFEST, &content("second\n"));
    project.write(
        "desired-state/host/more.yaml",
        &file("more", "/more", "x\n"),
    );
    let report = project.reconcile(0);
    assert_eq!(report["baseline"]["commit"], first);
    assert_eq!(motd(&project).unwrap(), "good\n");
    assert!(!project.path("more").exists());

    let ran = project.expect(0, &["reconcile", "--worktree"]);
    assert!(ran.stdout.contains("files as they lie"), "{}", ran.stdout);
    assert_eq!(motd(&project).unwrap(), "second\n");
    assert!(project.path("more").exists());

    let second = project.commit("second");
    let ran = project.expect(2, &["reconcile", "--rev", "HEAD~1", "--mode", "observe"]);
    let short = &first.as_str().unwrap()[..8];
    assert!(ran.stdout.contains(short), "{}", ran.stdout);
    project.expect(0, &["reconcile", "--rev", "HEAD~1"]);
    assert_eq!(motd(&project).unwrap(), "good\n");
    assert_eq!(project.reconcile(0)["baseline"]["commit"], second.as_str());
    assert_eq!(motd(&project).unwrap(), "second\n");
    let none = project.expect(1, &["plan", "--rev", "nowhere"]);
    assert!(none.stderr.contains("nowhere"), "{}", none.stderr);
}

// Goal: a detached HEAD is as good as a branch.
#[test]
fn a_detached_head_is_read() {
    let project = one_missing("enforce", "");
    let first = project.plan(2)["baseline"]["commit"].clone();
    project.write(MANIFEST, &content("second\n"));
    project.commit("second");
    let repo = git2::Repository::open(&project.repo).unwrap();
    let id = first.as_str().unwrap().parse().unwrap();
    repo.set_head_detached(id).unwrap();
    assert_eq!(project.reconcile(0)["baseline"]["commit"], first);
    assert_eq!(motd(&project).unwrap(), "good\n");
}

// Goal: the clone that a CI runner makes, of one commit and no history, is enough.
#[test]
fn a_shallow_clone_is_enough() {
    let project = one_missing("enforce", "");
    project.write(MANIFEST, &content("second\n"));
    let head = project.commit("second");
    let url = format!("file://{}", project.repo.display());
    let args = ["clone", "-q", "--depth", "1", &url, "clone"];
    if git(project.temp.path(), &args).is_none() {
        return;
    }
    let clone = project.temp.path().join("clone");
    assert!(clone.join(".git/shallow").exists());
    let run = |args: &[&str]| Ran::of(&mut project.command_in(&clone, args));
    let report = run(&["reconcile", "--format", "json"]).expect(0).json();
    assert_eq!(report["baseline"]["commit"], head.as_str());
    assert_eq!(motd(&project).unwrap(), "second\n");
    run(&["plan", "--rev", "HEAD~1"]).expect(1);
}

// Goal: a baseline further down in its repository is found from wherever the program is started, its state lies at the
// top, and files are named from the top.
#[test]
fn a_baseline_below_the_top() {
    let project = Project::new(&config("observe", ""), "");
    let moved = config("enforce", "").replace("../../root", "../../../../root");
    project.write("ops/live/base/evenkeel.yaml", &moved);
    project.write("ops/live/base/host/all.yaml", &content("good\n"));
    project.commit("moved");
    let plan = ["plan", "--format", "json", "--baseline"];
    let from = |dir: &str, baseline| {
        let mut args = plan.to_vec();
        args.push(baseline);
        let dir = project.repo.join(dir);
        Ran::of(&mut project.command_in(&dir, &args))
            .expect(2)
            .json()
    };
    for report in [
        from("", "ops/live/base"),
        from("ops/live", "base"),
        from("ops/live/base", "."),
    ] {
        assert_eq!(report["baseline"]["prefix"], "ops/live/base");
        assert_eq!(report["drifts"][0]["file"], "ops/live/base/host/all.yaml");
    }
    project.expect(0, &["reconcile", "--baseline", "ops/live/base"]);
    assert_eq!(motd(&project).unwrap(), "good\n");
    assert!(project.repo.join(".evenkeel/state.db").exists());
}

// Goal: after a commit that nobody should have made, `last-good` brings back the state that was proven; before any
// such proof it is refused, by every command that reads a baseline.
#[test]
fn last_good_outlives_a_poisoned_head() {
    let project = one_missing("enforce", "");
    for command in ["plan", "reconcile", "check"] {
        let ran = project.expect(1, &[command, "--rev", "last-good"]);
        assert!(ran.stderr.contains("no last good commit"), "{}", ran.stderr);
    }
    assert_eq!(motd(&project), None);
    let good = project.reconcile(0)["baseline"]["commit"].clone();
    project.write(MANIFEST, &content("poisoned\n"));
    project.commit("poisoned");
    project.expect(2, &["plan"]);
    std::fs::write(project.path("motd"), "poisoned\n").unwrap();
    let args = ["reconcile", "--rev", "last-good", "--format", "json"];
    assert_eq!(project.expect(0, &args).json()["baseline"]["commit"], good);
    assert_eq!(motd(&project).unwrap(), "good\n");
    project.expect(0, &["check", "--rev", "last-good"]);
}

/// A state directory as a checkout could bring it: private, as `umask 077` makes it.
fn with_state_in_the_commit(project: &Project, path: &str) {
    project.reconcile(0);
    let ours = project.repo.join(".evenkeel");
    let there = project.repo.join(path);
    if there != ours {
        std::fs::rename(&ours, &there).unwrap();
    }
    let _ = std::fs::remove_file(there.join(".gitignore"));
    let repo = git2::Repository::open(&project.repo).unwrap();
    let mut index = repo.index().unwrap();
    for name in ["state.db", "journal.key"] {
        index.add_path(&Path::new(path).join(name)).unwrap();
    }
    index.write().unwrap();
    let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
    let parent = repo.head().unwrap().peel_to_commit().unwrap();
    let who = parent.author();
    repo.commit(Some("HEAD"), &who, &who, "state", &tree, &[&parent])
        .unwrap();
}

// Goal: whoever can push must not bring a state along, in which he would be trusted and his own work known as good:
// what git tracks is no state, however private a checkout made it.
#[test]
fn a_state_that_came_with_a_checkout_is_refused() {
    for (path, more) in [(".evenkeel", &[][..]), ("state", &["--state", "state"])] {
        let project = one_missing("enforce", "");
        with_state_in_the_commit(&project, path);
        std::fs::write(project.path("motd"), "live\n").unwrap();
        for command in [
            &["plan"][..],
            &["reconcile"],
            &["journal", "show"],
            &["trust", "show"],
        ] {
            let args: Vec<_> = command.iter().chain(more).copied().collect();
            let ran = project.expect(1, &args);
            assert!(
                ran.stderr.contains("git tracks"),
                "{args:?}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        }
        assert_eq!(motd(&project).unwrap(), "live\n");
        // An index without it, and a commit that has it: a checkout made it all the same.
        let repo = git2::Repository::open(&project.repo).unwrap();
        let mut index = repo.index().unwrap();
        index.remove_all([path], None).unwrap();
        index.write().unwrap();
        let args: Vec<_> = ["plan"].iter().chain(more).copied().collect();
        project.expect(1, &args);
    }
}
