//! `evenkeel manifest`, and a tree that is restored from the store of the commit.

use std::path::Path;

use crate::support::{Project, config, facts};

const TREE: &str = "apiVersion: host.evenkeel.dev/v1\nkind: FileTree\nmetadata: { name: opt }\nspec: { path: /opt, manifest: opt.manifest, store: opt.store }\n";

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn project() -> Project {
    let project = Project::new(&config("enforce", ""), TREE);
    for (path, content) in [("opt/app/run", "run\n"), ("opt/app/conf", "conf\n")] {
        write(&project.path(path), content);
    }
    let tree = project.path("opt").display().to_string();
    let folder = "desired-state/host";
    let (out, store) = (
        format!("{folder}/opt.manifest"),
        format!("{folder}/opt.store"),
    );
    project.expect(0, &["manifest", &tree, "--out", &out, "--store", &store]);
    let printed = project.expect(0, &["manifest", &tree]).stdout;
    let written = std::fs::read_to_string(project.repo.join(&out)).unwrap();
    assert_eq!(printed, written);
    project.commit("a tree");
    project
}

// Goal: the whole job through the program: what the command wrote is clean, tampering is put right from the commit's store
// and undone exactly, and to adopt an entry is refused with the way to do it.
#[test]
fn a_tree_is_restored_from_the_commit() {
    let project = project();
    project.plan(0);
    write(&project.path("opt/app/run"), "evil\n");
    std::fs::remove_file(project.path("opt/app/conf")).unwrap();
    write(&project.path("opt/app/new"), "new\n");
    let before = facts(&project.path("opt"));
    assert_eq!(project.plan(2)["drifts"].as_array().unwrap().len(), 3);
    let adopted = project.expect(1, &["adopt", "--print", "File//opt/app/run"]);
    assert!(
        adopted.stderr.contains("make its manifest anew"),
        "{}",
        adopted.stderr
    );
    let run = project.reconcile(0)["run"].as_str().unwrap().to_owned();
    project.plan(0);
    project.expect(0, &["undo", "--reopen", &run]);
    assert_eq!(facts(&project.path("opt")), before);
}

// Goal: a store whose file holds something else than its name says is refused at the step, and nothing is put.
#[test]
fn a_store_that_lies_is_refused() {
    let project = project();
    let store = project.repo.join("desired-state/host/opt.store");
    for entry in std::fs::read_dir(store).unwrap() {
        std::fs::write(entry.unwrap().path(), "evil\n").unwrap();
    }
    project.commit("a poisoned store");
    std::fs::remove_file(project.path("opt/app/run")).unwrap();
    let report = project.reconcile(1);
    assert!(
        report["errors"].to_string().contains("not kept"),
        "{report:#}"
    );
    assert!(!project.path("opt/app/run").exists());
}

// Goal: the command follows no link to the tree, and says the real place.
#[test]
fn a_link_is_not_followed() {
    let project = project();
    std::os::unix::fs::symlink("opt", project.path("link")).unwrap();
    let link = project.path("link").display().to_string();
    let refused = project.expect(1, &["manifest", &link]).stderr;
    assert!(
        refused.contains("symbolic link") && refused.contains("/opt"),
        "{refused}"
    );
    let wrong = project
        .expect(1, &["manifest", &link, "--ignore", "["])
        .stderr;
    assert!(wrong.contains("no glob"), "{wrong}");
}
