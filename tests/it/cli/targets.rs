//! Several targets in one project.

use crate::support::{Project, file};

/// Two targets: `a` on the root, `b` on a root that is not there yet.
fn two() -> Project {
    let target = |name: &str, root: &str| {
        format!("  - {{ name: {name}, provider: host, root: ../../{root}, mode: enforce }}\n")
    };
    let config = format!(
        "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n{}{}",
        target("a", "root"),
        target("b", "other")
    );
    let project = Project::new(&config, "");
    std::fs::remove_dir_all(project.repo.join("desired-state/host")).unwrap();
    project.write("desired-state/a/all.yaml", &file("motd", "/motd", "a\n"));
    project.write("desired-state/b/all.yaml", &file("motd", "/motd", "b\n"));
    project.commit("two targets");
    project
}

fn last_good(project: &Project) -> serde_json::Value {
    let shown = project.expect(0, &["trust", "show", "--format", "json"]);
    shown.json()["last_good"].clone()
}

// Goal: a target that cannot be reached is "not evaluated" and never clean or missing, keeps nobody from putting the
// other right, and its absence makes no commit good.
#[test]
fn an_unreachable_target_holds_nobody_up() {
    let project = two();
    let report = project.reconcile(4);
    assert_eq!(std::fs::read(project.path("motd")).unwrap(), b"a\n");
    assert_eq!(report["not_evaluated"][0]["id"], "b/File/motd");
    assert_eq!(report["not_evaluated"][0]["code"], "unreachable");
    assert_eq!(report["summary"]["coverage_percent"], 50.0);
    assert_eq!(report["drifts"].as_array().unwrap().len(), 0);
    assert!(!project.temp.path().join("other").exists());
    assert!(last_good(&project).is_null());
}

// Goal: `--target` works on that one alone, says no word of the other, and proves nothing of the commit as a whole.
#[test]
fn one_target_alone() {
    let project = two();
    let other = project.temp.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let args = ["reconcile", "--target", "b", "--format", "json"];
    let report = project.expect(0, &args).json();
    assert_eq!(report["targets"].as_array().unwrap().len(), 1);
    assert_eq!(report["summary"]["clean"], 1);
    assert!(other.join("motd").exists() && !project.path("motd").exists());
    assert!(last_good(&project).is_null());
    let unknown = project.expect(1, &["reconcile", "--target", "c"]).stderr;
    assert!(unknown.contains("evenkeel.yaml has: a, b"), "{unknown}");
    let commit = project.reconcile(0)["baseline"]["commit"].clone();
    assert_eq!(last_good(&project), commit);
}
