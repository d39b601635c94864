//! Drift that a team accepts for a time.

use crate::support::{Project, config, file};

fn with_exemption(id: &str, expires: &str) -> Project {
    let manifests = file("motd", "/motd", "good\n") + &file("hosts", "/hosts", "good\n");
    let project = Project::new(&config("enforce", ""), &manifests);
    project.write(
        "desired-state/exemptions.yaml",
        &format!(
            "- {{ id: older, selector: File/none, reason: r, owner: ops, expires: 2999-01-01 }}\n- {{ id: {id}, selector: File/motd, reason: vendor upgrade, owner: ops, expires: {expires} }}\n"
        ),
    );
    project.commit("exempted");
    project
}

// Goal: what is exempted is neither drift nor put right, is shown as exempted with who vouches for it, and hides nothing
// else.
#[test]
fn an_exemption_silences_what_it_names() {
    let project = with_exemption("upgrade", "2999-01-01");
    let report = project.reconcile(0);
    assert!(project.path("hosts").exists() && !project.path("motd").exists());
    assert_eq!(report["exempted"][0]["exemption"], "upgrade");
    assert_eq!(report["exempted"][0]["id"], "host/File/motd");
    let summary = project.plan(0)["summary"].clone();
    assert_eq!(
        (&summary["exempted"], &summary["drifted"]),
        (&1.into(), &0.into())
    );
    let text = project.expect(0, &["plan"]).stdout;
    assert!(text.contains("upgrade") && text.contains("motd"), "{text}");
}

// Goal: one that has expired is an error with its place, and silences nothing any more.
#[test]
fn an_expired_exemption_is_an_error() {
    let project = with_exemption("upgrade", "2020-01-01");
    for format in ["text", "json"] {
        let ran = project.expect(1, &["plan", "--format", format]);
        assert!(
            ran.stdout.contains("exemption upgrade of ops expired"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("exemptions.yaml:2:3"), "{}", ran.stdout);
    }
    let report = project.plan(1);
    assert_eq!(report["exempted"].as_array().unwrap().len(), 0);
    assert_eq!(report["summary"]["drifted"], 2);
    project.expect(1, &["plan", "--exit-zero"]);
}
