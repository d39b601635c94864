//! Drift that git itself explains: the baseline moved, and the host has what the last good commit says.

use serde_json::Value as Json;

use super::{config, file};
use crate::support::{Project, directory};

const SSHD: &str = "etc/ssh/sshd_config";

fn manifests(sshd: &str, more: &str) -> String {
    [
        directory("etc", "/etc", ""),
        directory("ssh", "/etc/ssh", ""),
        file("sshd", "/etc/ssh/sshd_config", sshd),
        more.to_owned(),
    ]
    .concat()
}

/// A project of which everything is clean, and was found so.
fn clean(sshd: &str) -> Project {
    let project = Project::new(&config("enforce", ""), &manifests(sshd, ""));
    project.run(&["reconcile"]);
    project.run(&["plan"]).expect(0);
    project
}

fn commit(project: &Project, sshd: &str, more: &str) {
    project.write("desired-state/host/all.yaml", &manifests(sshd, more));
    project.commit("sshd");
}

fn plan(project: &Project, code: i32) -> Json {
    project
        .run(&["plan", "--format", "json"])
        .expect(code)
        .json()
}

// Goal: a change that came by git is no intruder's, whatever it touches; one that came otherwise is, though git changed the
// same file.
#[test]
fn what_git_changed_is_no_indicator() {
    let project = clean("PermitRootLogin no\n");
    commit(&project, "PermitRootLogin no\nX11Forwarding no\n", "");
    let report = plan(&project, 2);
    let [drift] = &report["drifts"].as_array().unwrap()[..] else {
        panic!("{report:#}")
    };
    let by = &drift["author"]["by"];
    assert_eq!(by["class"], "intended", "{report:#}");
    let reason = by["reason"].as_str().unwrap();
    assert!(reason.ends_with("of Ada says what is there"), "{reason}");
    assert_eq!(report["findings"][0]["level"], "informational");
    let text = project.run(&["plan"]).expect(2).stdout;
    assert!(text.contains("  author   intended: commit "), "{text}");

    std::fs::write(project.path(SSHD), "PermitRootLogin yes\n").unwrap();
    let report = plan(&project, 3);
    assert_eq!(report["findings"][0]["indicator"], "login-rules-changed");
    assert_eq!(report["findings"][0]["level"], "high");
    assert_eq!(report["drifts"][0]["author"], Json::Null);
}

// Goal: whoever puts back an older state after git moved on is no commit, neither after a clean run nor after one in which
// only that resource was put right.
#[test]
fn going_back_to_an_older_commit_is_an_indicator() {
    let old = "PermitRootLogin yes\n";
    let new = "PermitRootLogin no\n";
    let project = clean(old);
    let waits = file("late", "/etc/none/late", "x\n");
    commit(&project, new, &waits);
    let ran = project.run(&["reconcile"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert_eq!(std::fs::read_to_string(project.path(SSHD)).unwrap(), new);
    std::fs::write(project.path(SSHD), old).unwrap();
    assert_eq!(plan(&project, 3)["findings"][0]["level"], "high");

    commit(&project, new, "");
    project.run(&["reconcile"]).expect(3);
    project.run(&["plan"]).expect(0);
    std::fs::write(project.path(SSHD), old).unwrap();
    assert_eq!(plan(&project, 3)["findings"][0]["level"], "high");
}

// Goal: what git no longer lists in an exclusive folder is what a commit put there; what lies beside it is not.
#[test]
fn what_git_no_longer_lists_is_explained_by_it() {
    let folder = directory("cron", "/etc/cron.d", ", exclusive: true");
    let job = file("job", "/etc/cron.d/job", "* * * * * root true\n");
    let project = Project::new(
        &config("enforce", ""),
        &manifests("x\n", &(folder.clone() + &job)),
    );
    project.run(&["reconcile"]);
    project.run(&["plan"]).expect(0);
    commit(&project, "x\n", &folder);
    std::fs::write(project.path("etc/cron.d/other"), "* * * * * root false\n").unwrap();
    let report = plan(&project, 2);
    let levels: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["level"], one["targets"][0]))
        .collect();
    assert_eq!(
        levels,
        [
            "\"medium\" \"host/File//etc/cron.d/other\"",
            "\"informational\" \"host/File//etc/cron.d/job\"",
        ]
    );
}
