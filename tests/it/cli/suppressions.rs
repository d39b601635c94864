//! Findings that a team accepts for a time.

use serde_json::{Value as Json, json};

use crate::support::{Project, config};

const RULE: &str = r"
title: Public Bucket
id: 0d7f8a1e-58f4-4c55-9d65-2f7b9d1c6a01
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: PutBucketAcl }, condition: selection }
level: high
";

const CRON: &str = "apiVersion: host.evenkeel.dev/v1\nkind: Directory\nmetadata: { name: cron }\nspec: { path: /etc/cron.d, exclusive: true }\n";

/// A project with a rule, a log and a planted job, in which this is suppressed.
fn project(selector: &str, expires: &str) -> Project {
    let project = Project::new(&config("enforce", ""), CRON);
    std::fs::create_dir_all(project.path("etc/cron.d")).unwrap();
    std::fs::write(project.path("etc/cron.d/x"), "* * * * * root /tmp/x\n").unwrap();
    project.write("desired-state/rules/aws.yml", RULE);
    let line = json!({
        "eventVersion": "1.08", "eventID": "e", "eventTime": "2026-03-01T10:00:00Z", "eventSource": "s3.amazonaws.com",
        "eventName": "PutBucketAcl", "sourceIPAddress": "192.0.2.7", "recipientAccountId": "1",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/scan"},
        "requestParameters": {"bucketName": "shop"},
    });
    project.write("trail", &format!("{line}\n"));
    suppress(&project, selector, expires);
    project.commit("all");
    project
}

fn suppress(project: &Project, selector: &str, expires: &str) {
    let text = format!(
        "- id: known\n  selector: {selector}\n  reason: our own scanner\n  owner: ops\n  expires: {expires}\n"
    );
    project.write("desired-state/suppressions.yaml", &text);
}

const LATER: &str = "2999-01-01";

fn detect(project: &Project, code: i32, more: &[&str]) -> Json {
    let args = ["detect", "--events", "cloudtrail=trail", "--format", "json"];
    let args: Vec<_> = args.iter().chain(more).copied().collect();
    project.expect(code, &args).json()
}

fn records(project: &Project, kind: &str) -> Vec<Json> {
    let mut records = project.records();
    records.retain(|it| it["kind"] == kind);
    records
}

// Goal: a suppressed finding wakes nobody and is told all the same, in every form, with who vouches for it; it opens no
// incident, and the journal has it once.
#[test]
fn a_suppressed_finding_is_told_and_counts_for_nothing() {
    let project = project("{ rule: Public Bucket, addresses: [192.0.2.0/28] }", LATER);
    let report = detect(&project, 0, &["--record"]);
    assert_eq!(report["findings"], json!([]));
    let held = &report["suppressed"][0];
    assert_eq!(
        (&held["suppression"], &held["owner"], &held["expires"]),
        (
            &json!("known"),
            &json!("ops"),
            &json!("2999-01-02T00:00:00Z")
        )
    );
    assert_eq!(held["finding"]["rule"]["title"], "Public Bucket");
    detect(&project, 0, &["--record"]);
    assert_eq!(records(&project, "suppressed").len(), 1);
    assert_eq!(records(&project, "incident-opened").len(), 0);
    for format in ["text", "sarif", "ocsf"] {
        let args = ["detect", "--events", "cloudtrail=trail", "--format", format];
        let said = project.expect(0, &args).stdout;
        assert!(
            said.contains("suppression known of ops until 2999"),
            "{format}: {said}"
        );
    }
}

// Goal: the same of a drift: what differs is put right as ever, and the run does not end as a compromise.
#[test]
fn a_suppressed_indicator_is_drift_still() {
    let project = project(
        "{ indicator: scheduled-job, resource: '/etc/cron.d/*' }",
        LATER,
    );
    let fail_on = ["plan", "--fail-on", "medium", "--format", "json"];
    let report = project.expect(2, &fail_on).json();
    assert_eq!(report["findings"], json!([]));
    assert_eq!(
        report["suppressed"][0]["finding"]["indicator"],
        "scheduled-job"
    );
    assert_eq!(
        records(&project, "suppressed").len(),
        0,
        "plan writes nothing"
    );
    let wishes = "markdown=a.md,junit=a.xml,sarif=a.sarif";
    let said = project.expect(2, &["plan", "--report", wishes]).stdout;
    assert!(
        said.contains("suppression known of ops until 2999"),
        "{said}"
    );
    for file in ["a.md", "a.xml", "a.sarif"] {
        let text = std::fs::read_to_string(project.repo.join(file)).unwrap();
        assert!(
            text.contains("suppression known of ops until 2999"),
            "{file}: {text}"
        );
    }
    project.reconcile(0);
    assert!(!project.path("etc/cron.d/x").exists());
    assert_eq!(records(&project, "suppressed").len(), 1);
    assert_eq!(records(&project, "incident-opened").len(), 0);
}

// Goal: one that expired holds nothing back and is told; one by what the writer of a record chooses neither.
#[test]
fn what_expired_or_can_be_forged_holds_nothing() {
    let project = project("{ rule: Public Bucket }", "2020-01-01");
    let report = detect(&project, 3, &[]);
    let notices = report["notices"].to_string();
    assert!(
        notices.contains("suppression known of ops expired"),
        "{notices}"
    );
    assert!(notices.contains("suppressions.yaml:1:3"), "{notices}");
    suppress(&project, "{ actor: 'arn:aws:iam::1:user/*' }", LATER);
    project.commit("by actor");
    detect(&project, 0, &[]);
    let report = detect(&project, 3, &["--trust", "host-written"]);
    let notices = report["notices"].to_string();
    assert!(notices.contains("host-written records"), "{notices}");
}

// Goal: whoever can write a branch or the folder cannot silence what tells of it.
#[test]
fn a_revision_that_nobody_vouches_for_suppresses_nothing() {
    let project = project("{ rule: Nothing }", LATER);
    detect(&project, 3, &[]);
    suppress(&project, "{ rule: Public Bucket }", LATER);
    detect(&project, 3, &[]);
    let head = project.commit("all is well");
    detect(&project, 0, &[]);
    suppress(&project, "{ rule: Nothing }", LATER);
    project.commit("and back");
    let report = detect(&project, 3, &["--rev", &head]);
    assert_eq!(report["suppressed"], json!([]));
    suppress(&project, "{ indicator: scheduled-job }", LATER);
    let head = project.commit("a job");
    suppress(&project, "{ rule: Nothing }", LATER);
    project.commit("and back again");
    let said = project
        .expect(2, &["plan", "--rev", &head, "--format", "json"])
        .json();
    assert_eq!(said["suppressed"], json!([]));
    let notices = said["notices"].to_string();
    assert!(
        notices.contains("nobody vouches for this revision"),
        "{notices}"
    );
}

// Goal: one without an end, one that chooses everything or by what a record's writer is free to say is a mistake with its
// place.
#[test]
fn mistakes_are_told() {
    for (selector, expires, expected) in [
        ("{ }", LATER, "empty selector"),
        ("{ user_agent: x }", LATER, "user_agent"),
        (
            "{ indicator: scheduled-jobs }",
            LATER,
            "did you mean `scheduled-job`",
        ),
        ("{ addresses: [0.0.0.0/0] }", LATER, "no range of addresses"),
        ("{ addresses: [] }", LATER, "from 1 to 100"),
        ("{ resource: { risk: high } }", LATER, "no risk"),
        ("{ rule: x }", "never", "no date"),
        ("{ rule: x }", "''", "no date"),
    ] {
        let project = Project::new(&config("observe", ""), "");
        suppress(&project, selector, expires);
        let said = project.expect(1, &["check", "--worktree"]).all();
        assert!(said.contains(expected), "{selector}: {said}");
        assert!(said.contains("suppressions.yaml:"), "{selector}: {said}");
    }
    let project = Project::new(&config("observe", ""), "");
    project.write(
        "desired-state/suppressions.yaml",
        "- { id: a, selector: { rule: x } }\n",
    );
    let said = project.expect(1, &["check", "--worktree"]).all();
    for field in ["reason", "owner", "expires"] {
        assert!(said.contains(&format!("`{field}`")), "{said}");
    }
}
