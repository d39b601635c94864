//! `evenkeel incident`: what has one cause, from the finding that opens it to the person who closes it.

use serde_json::{Value as Json, json};

use crate::support::{Project, config};

const RULES: &str = r"
title: Public Bucket
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: PutBucketAcl }, condition: selection }
level: high
---
title: Trail Stopped
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: StopLogging }, condition: selection }
level: medium
---
title: List
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: ListBuckets }, condition: selection }
level: low
";

fn record(second: u32, name: &str, who: &str, address: &str) -> String {
    let line = json!({
        "eventVersion": "1.08",
        "eventID": format!("00000000-0000-4000-8000-{second:06}{:06}", name.len()),
        "eventTime": format!("2026-03-01T10:00:{second:02}Z"),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": address,
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::111122223333:user/{who}"), "userName": who},
        "requestParameters": {"bucketName": "shop"},
    });
    format!("{line}\n")
}

/// A project with rules and this log.
fn project(log: &[String]) -> Project {
    let project = Project::new(&config("observe", ""), "");
    project.write("desired-state/rules/aws.yml", RULES);
    project.commit("rules");
    project.write("trail", &log.concat());
    project
}

fn detect(project: &Project, code: i32, more: &[&str]) -> Json {
    let args = ["detect", "--events", "cloudtrail=trail", "--format", "json"];
    let args: Vec<_> = args.iter().chain(more).copied().collect();
    project.expect(code, &args).json()
}

fn incidents(project: &Project, more: &[&str]) -> Vec<Json> {
    let args = ["incident", "list", "--format", "json"];
    let args: Vec<_> = args.iter().chain(more).copied().collect();
    let listed = project.expect(0, &args).json();
    listed["incidents"].as_array().unwrap().clone()
}

/// The titles of findings with the incidents that they belong to.
fn named(report: &Json) -> Vec<(String, Json)> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|it| {
            let title = it["rule"]["title"].as_str().unwrap().to_owned();
            (title, it["incident"].clone())
        })
        .collect()
}

fn kinds(project: &Project) -> Vec<String> {
    let records = project.records();
    let kinds = records.iter().map(|it| it["kind"].as_str().unwrap());
    kinds
        .filter(|kind| kind.starts_with("incident-"))
        .map(str::to_owned)
        .collect()
}

// Goal: findings of one cause are told as one and others apart, with ids that stay; nothing is written unless it is asked
// for, and then it is in the journal.
#[test]
fn detect_names_incidents_and_records_when_asked() {
    let project = project(&[
        record(1, "ListBuckets", "mallory", "192.0.2.7"),
        record(2, "PutBucketAcl", "mallory", "192.0.2.7"),
        record(3, "StopLogging", "mallory", "192.0.2.7"),
        record(4, "StopLogging", "bob", "198.51.100.3"),
        record(5, "ListBuckets", "carol", "198.51.100.4"),
    ]);
    let report = detect(&project, 3, &[]);
    let told = named(&report);
    let of = |at: usize| &told[at].1;
    let titles: Vec<_> = told.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Public Bucket",
            "Trail Stopped",
            "Trail Stopped",
            "List",
            "List"
        ]
    );
    assert!(of(0).as_str().unwrap().starts_with("inc-"), "{told:?}");
    assert!(
        of(0) == of(1) && of(0) == of(3) && of(0) != of(2),
        "{told:?}"
    );
    assert_eq!(of(4), &Json::Null, "what is low alone is no incident");
    assert!(!project.repo.join(".evenkeel").exists());
    assert!(incidents(&project, &[]).is_empty());
    assert_eq!(named(&detect(&project, 3, &["--record"])), told);
    assert_eq!(kinds(&project), ["incident-opened", "incident-opened"]);
    // The same again is nothing new.
    assert_eq!(named(&detect(&project, 3, &["--record"])), told);
    assert_eq!(kinds(&project).len(), 2);
    let listed = incidents(&project, &[]);
    assert_eq!(listed.len(), 2);
    let first = listed.iter().find(|it| it["id"] == *of(0)).unwrap();
    assert_eq!(
        (&first["count"], &first["level"]),
        (&json!(3), &json!("high"))
    );
    project.expect(0, &["journal", "verify"]);
    let elsewhere = [
        "incident", "close", "inc-no", "--reason", "x", "--state", "other",
    ];
    project.expect(1, &elsewhere);
    assert!(
        !project.repo.join("other").exists(),
        "nothing is made for nothing"
    );
    project.expect(
        1,
        &[
            "detect",
            "--events",
            "cloudtrail=trail",
            "--record",
            "--state",
            "none",
        ],
    );
}

// Goal: the life of one: closed with a reason, left alone by old events, opened again by a newer one, each of it in the
// journal; an incident that is open fails no clean plan.
#[test]
fn an_incident_is_closed_and_opened_again() {
    let log = [record(2, "PutBucketAcl", "mallory", "192.0.2.7")];
    let project = project(&log);
    detect(&project, 3, &["--record"]);
    project.expect(0, &["plan"]);
    project.expect(0, &["reconcile"]);
    let id = incidents(&project, &[])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    project.expect(1, &["incident", "close", &id]);
    project.expect(1, &["incident", "close", &id, "--reason", " "]);
    project.expect(1, &["incident", "close", "inc-no", "--reason", "x"]);
    let reason = "a test of ours \u{1b}[2J";
    project.expect(0, &["incident", "close", &id[..8], "--reason", reason]);
    project.expect(1, &["incident", "close", &id, "--reason", "again"]);
    assert!(incidents(&project, &[]).is_empty());
    assert_eq!(incidents(&project, &["--all"])[0]["state"], "closed");
    let shown = project.expect(0, &["incident", "show", &id]).stdout;
    assert!(shown.contains("closed: a test of ours \\x1b[2J"), "{shown}");
    detect(&project, 3, &["--record"]);
    assert!(incidents(&project, &[]).is_empty());
    let newer = record(9, "PutBucketAcl", "mallory", "192.0.2.7");
    project.write("trail", &(log.concat() + &newer));
    let report = detect(&project, 3, &["--record"]);
    assert_eq!(report["findings"][0]["incident"], json!(id));
    assert_eq!(incidents(&project, &[])[0]["id"], json!(id));
    assert_eq!(
        kinds(&project),
        ["incident-opened", "incident-closed", "incident-reopened"]
    );
    let whole = project
        .expect(0, &["incident", "show", &id, "--format", "json"])
        .json();
    assert_eq!(whole["history"][1]["reason"], reason);
    assert_eq!(whole["findings"][0]["events"].as_array().unwrap().len(), 2);
    project.expect(0, &["journal", "verify"]);
}

// Goal: a drift that is an indicator opens an incident when it is put right and not when it is only planned, the report tells
// what was done and that nothing is left, and the same drift again opens it again.
#[test]
fn reconcile_records_and_reports_what_was_done() {
    let manifest = "apiVersion: host.evenkeel.dev/v1\nkind: Directory\nmetadata: { name: cron }\nspec: { path: /etc/cron.d, exclusive: true }\n";
    let project = Project::new(&config("enforce", ""), manifest);
    std::fs::create_dir_all(project.path("etc/cron.d")).unwrap();
    let plant = || std::fs::write(project.path("etc/cron.d/x"), "* * * * * root /tmp/x\n").unwrap();
    project.run(&["reconcile"]);
    plant();
    let planned = project.run(&["plan", "--format", "json"]).json();
    let id = planned["findings"][0]["incident"].as_str().unwrap();
    assert!(incidents(&project, &[]).is_empty());
    let report = project.run(&["reconcile", "--format", "json"]).json();
    assert_eq!(report["findings"][0]["incident"], json!(id), "{report}");
    assert!(!project.path("etc/cron.d/x").exists());
    assert_eq!(kinds(&project), ["incident-opened", "incident-gone"]);
    let shown = project.expect(0, &["incident", "report", id]).stdout;
    assert!(shown.contains("remove done"), "{shown}");
    assert!(
        shown.contains("Nothing that differs from the baseline is known to be left."),
        "{shown}"
    );
    project.expect(0, &["incident", "report", id, "--out", "report.md"]);
    let file = std::fs::read_to_string(project.repo.join("report.md")).unwrap();
    assert_eq!(file, shown);
    project.expect(0, &["incident", "close", id, "--reason", "cleaned"]);
    project.expect(0, &["plan"]);
    plant();
    let planned = project.run(&["plan", "--format", "json"]).json();
    assert_eq!(planned["findings"][0]["incident"], json!(id));
    assert!(incidents(&project, &[]).is_empty(), "plan writes nothing");
    project.run(&["reconcile"]);
    assert_eq!(incidents(&project, &[])[0]["id"], json!(id));
}
