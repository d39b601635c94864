//! Point 3: two runs at once, full and read-only disks, and a world that changes between plan and act, on the program itself.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::host::mount::tmpfs;
use crate::support::{Project, Ran, config, directory, facts, file, is_root, run_of, skip};

fn two_files() -> Project {
    let mut manifests = directory("app", "/app", "");
    manifests.push_str(&file("a", "/app/a", &"a\n".repeat(4_000)));
    manifests.push_str(&directory("other", "/other", ""));
    manifests.push_str(&file("b", "/other/b", "b\n"));
    Project::new(&config("enforce", ""), &manifests)
}

fn read(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.path(path)).unwrap()
}

/// No error of the journal, whatever happened to the root.
fn journal_is_whole(project: &Project) {
    project.expect(0, &["journal", "verify"]);
}

// Goal: a second run on the same root, from another checkout with a state of its own, never interleaves, and says who is
// in the way. Method: the first run is inside an action, in a `validate` command that takes its time.
#[test]
fn two_checkouts_never_interleave() {
    let slow =
        file("slow", "/slow", "new\n").replace(", mode:", ", validate: [/bin/sleep, \"3\"], mode:");
    let guard = "guard: { validate_commands: [/bin/sleep] }\n";
    let project = Project::new(&config("enforce", guard), &slow);
    let second = project.repo.with_file_name("second");
    git2::Repository::clone(&project.repo.display().to_string(), &second).unwrap();
    let first = project
        .command(&["reconcile"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first run has begun to act when its intent is in the journal.
    while !project.repo.join(".evenkeel/state.db").exists()
        || !project
            .run(&["journal", "show", "--kind", "intent"])
            .stdout
            .contains("put")
    {
        std::thread::yield_now();
    }
    let refused = Ran::of(&mut project.command_in(&second, &["reconcile", "--lock-wait", "0s"]));
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(
        refused.stderr.contains(&first.id().to_string()),
        "{}",
        refused.stderr
    );
    assert!(
        !project.path("slow").exists(),
        "the first run was over too early to tell"
    );
    let waited = Ran::of(&mut project.command_in(&second, &["reconcile", "--lock-wait", "60s"]));
    assert_eq!(waited.code, 0, "{}", waited.all());
    assert!(waited.stderr.contains("waiting"), "{}", waited.stderr);
    assert!(first.wait_with_output().unwrap().status.success());
    let intents =
        Ran::of(&mut project.command_in(&second, &["journal", "show", "--kind", "intent"]));
    assert_eq!(
        intents.stdout, "no records\n",
        "the second run found nothing to do"
    );
}

// Goal: on a full disk the step that does not fit fails with a sentence, the other group is done, nothing temporary is
// left, and the journal is whole.
#[test]
fn a_full_disk() {
    let project = two_files();
    project.reconcile(0);
    std::fs::remove_file(project.path("app/a")).unwrap();
    std::fs::write(project.path("other/b"), "changed\n").unwrap();
    let Some(_mount) = is_root()
        .then(|| tmpfs(&project.path("app"), "4k"))
        .flatten()
    else {
        return skip("skipped: a full disk, which takes a mount");
    };
    let ran = project.run(&["reconcile"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.all().contains("no space left"), "{}", ran.all());
    assert_eq!(read(&project, "other/b"), "b\n");
    assert_eq!(std::fs::read_dir(project.path("app")).unwrap().count(), 0);
    journal_is_whole(&project);
}

// Goal: on a read-only file system nothing changes and the error says so; the other group is done.
#[test]
fn a_read_only_file_system() {
    let project = two_files();
    std::fs::create_dir(project.path("app")).unwrap();
    let Some(mount) = is_root()
        .then(|| tmpfs(&project.path("app"), "1m"))
        .flatten()
    else {
        return skip("skipped: a read-only file system, which takes a mount");
    };
    project.reconcile(0);
    std::fs::write(project.path("app/a"), "changed\n").unwrap();
    std::fs::write(project.path("other/b"), "changed\n").unwrap();
    mount.read_only();
    let ran = project.run(&["reconcile"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.all().contains("read-only"), "{}", ran.all());
    assert_eq!(
        (read(&project, "app/a"), read(&project, "other/b")),
        ("changed\n".into(), "b\n".into())
    );
    journal_is_whole(&project);
}

// Goal: no journal, no action: with the state on a full disk the root stays as it was.
#[test]
fn a_full_state_disk() {
    let project = two_files();
    let state = project.repo.with_file_name("state");
    std::fs::create_dir(&state).unwrap();
    let Some(_mount) = is_root().then(|| tmpfs(&state, "16k")).flatten() else {
        return skip("skipped: a full state disk, which takes a mount");
    };
    let before = facts(&project.root);
    let inner = state.join("state");
    let ran = project.run(&["reconcile", "--state", &inner.display().to_string()]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_eq!(facts(&project.root), before);
}

// Goal: a plan file applies that plan or nothing: after the live file changed again it is refused, and both stay as they are.
#[test]
fn a_stale_plan_is_refused() {
    let project = two_files();
    project.reconcile(0);
    std::fs::write(project.path("app/a"), "one\n").unwrap();
    std::fs::write(project.path("other/b"), "one\n").unwrap();
    project.expect(2, &["plan", "--out", "plan.json"]);
    std::fs::write(project.path("app/a"), "two\n").unwrap();
    let ran = project.expect(1, &["reconcile", "--plan", "plan.json"]);
    assert!(ran.stderr.contains("stale"), "{}", ran.stderr);
    assert_eq!(
        (read(&project, "app/a"), read(&project, "other/b")),
        ("two\n".into(), "one\n".into())
    );
    project.expect(2, &["plan", "--out", "plan.json"]);
    project.expect(0, &["reconcile", "--plan", "plan.json"]);
    project.plan(0);
    journal_is_whole(&project);
}

// Goal: a directory that was swapped for a link to outside the root redirects nothing: what is outside stays, the other
// group is done, and a run that may replace the link rebuilds what it hid.
#[test]
fn a_swapped_directory_redirects_nothing() {
    let manifests = format!(
        "{}{}",
        file("a", "/app/a", "a\n"),
        file("b", "/other", "b\n")
    );
    let project = Project::new(&config("enforce", ""), &manifests);
    let outside = project.repo.with_file_name("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("a"), "precious\n").unwrap();
    symlink(&outside, project.path("app")).unwrap();
    let ran = project.run(&["reconcile", "--format", "json"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert_eq!(
        std::fs::read_to_string(outside.join("a")).unwrap(),
        "precious\n"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(read(&project, "other"), "b\n");
    assert!(!run_of(&ran.json()).is_empty());
    journal_is_whole(&project);
}

// Goal: somebody who swaps the directory in the very moment of the action gains nothing either. Method: the `validate`
// command of the action itself does it, between the look and the rename.
#[test]
fn a_swap_in_the_last_moment_redirects_nothing() {
    let project = two_files();
    project.reconcile(0);
    let outside = project.repo.with_file_name("outside");
    std::fs::create_dir(&outside).unwrap();
    let (app, away) = (project.path("app"), project.path("away"));
    let script = project.repo.with_file_name("swap");
    let text = format!(
        "#!/bin/sh\nmv {} {}\nln -s {} {}\n",
        app.display(),
        away.display(),
        outside.display(),
        app.display()
    );
    std::fs::write(&script, text).unwrap();
    crate::support::chmod(&script, 0o755);
    let path: &Path = &script;
    let guard = format!("guard: {{ validate_commands: [{}] }}\n", path.display());
    project.write("desired-state/evenkeel.yaml", &config("enforce", &guard));
    let mut manifests = directory("app", "/app", "");
    let validate = format!(", validate: [{}], mode:", path.display());
    manifests.push_str(&file("a", "/app/a", "new\n").replace(", mode:", &validate));
    manifests.push_str(&file("b", "/b", "b\n"));
    project.write("desired-state/host/all.yaml", &manifests);
    project.commit("swap");
    let ran = project.run(&["reconcile"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert_eq!(
        std::fs::read_dir(&outside).unwrap().count(),
        0,
        "{}",
        ran.all()
    );
    assert_eq!(read(&project, "b"), "b\n");
    let left = Command::new("find")
        .arg(&project.root)
        .args(["-name", ".evenkeel-*"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{}", ran.all());
    journal_is_whole(&project);
}
