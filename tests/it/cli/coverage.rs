//! `coverage`: what the baseline watches of the places where an intruder stays.

use crate::support::{Project, config, file};

const CRON: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Cron
metadata: { name: jobs }
spec: { allow: [/etc/cron.d/shop] }
---
apiVersion: host.evenkeel.dev/v1
kind: Directory
metadata: { name: pam }
spec: { path: /etc/pam.d, exclusive: true }
"#;

// Goal: the page a platform engineer reads stays readable, and says no more than is true: what a resource watches in part
// or not at all is never told as watched; a mistake in the baseline is told instead of a table of half of it.
#[test]
fn what_is_watched_is_told() {
    let project = Project::new(
        &config("observe", ""),
        &file("passwd", "/etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
    );
    project.write("desired-state/host/more.yaml", CRON);
    project.commit("more");
    let said = project.expect(0, &["coverage"]).stdout;
    insta::assert_snapshot!(said);
    let json = project.expect(0, &["coverage", "--format", "json"]).json();
    let rows = json["targets"]["host"].as_array().unwrap();
    let crontab = rows.iter().find(|row| row["place"] == "/etc/crontab");
    assert_eq!(crontab.unwrap()["watched"], "whole");
    project.write("desired-state/host/more.yaml", "kind: Cron\n");
    project.commit("mistake");
    project.expect(1, &["coverage"]);
}
