//! `detect` and `rules`: what a person sees of logs, and what a pipeline judges by.

use std::io::{BufRead, Write};
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::{Project, Ran, config};

const RULE: &str = r"
title: Public Bucket
id: 0d7f8a1e-58f4-4c55-9d65-2f7b9d1c6a01
status: stable
tags: [attack.t1530]
controls: ['attack:M1022']
logsource: { product: aws, service: cloudtrail }
detection:
  selection: { eventName: PutBucketAcl, requestParameters.AccessControlPolicy|exists: true }
  condition: selection
level: high
";

/// A project with one rule, committed.
pub(super) fn project() -> Project {
    let project = Project::new(&config("observe", ""), "");
    project.write("desired-state/rules/aws/public.yml", RULE);
    project.commit("a rule");
    project
}

pub(super) fn record(number: u32, name: &str, who: &str) -> String {
    json!({
        "eventVersion": "1.08",
        "eventID": format!("00000000-0000-4000-8000-{number:012}"),
        "eventTime": format!("2026-03-01T10:00:{:02}Z", number % 60),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "192.0.2.7",
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::111122223333:user/{who}"), "userName": who},
        "requestParameters": {"bucketName": "shop", "AccessControlPolicy": ""},
    })
    .to_string()
}

pub(super) fn detect(project: &Project, code: i32, more: &[&str]) -> Ran {
    let args: Vec<_> = ["detect"].iter().chain(more).copied().collect();
    project.expect(code, &args)
}

pub(super) fn found(report: &Json) -> Vec<(String, u64)> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|it| {
            let title = it["rule"]["title"].as_str().unwrap().to_owned();
            (title, it["event_count"].as_u64().unwrap())
        })
        .collect()
}

// Goal: the page that a responder reads says who, what, when and from where, hides nothing, and lets nothing that an attacker
// wrote reach the terminal as it is.
#[test]
fn a_finding_is_told() {
    let project = project();
    let lines = [
        record(1, "GetObject", "alice"),
        record(2, "PutBucketAcl", "mallory\u{1b}[2J"),
        record(3, "PutBucketAcl", "mallory\u{1b}[2J"),
        "{\"broken".to_owned(),
        record(2, "PutBucketAcl", "mallory\u{1b}[2J"),
        record(4, "GetObject", "alice"),
    ];
    project.write("logs/trail.jsonl", &lines.join("\n"));
    let said = detect(&project, 3, &["--events", "cloudtrail=logs/trail.jsonl"]);
    insta::assert_snapshot!(said.stdout);
    let args = [
        "--events",
        "cloudtrail=logs/trail.jsonl",
        "--format",
        "json",
    ];
    let report = detect(&project, 3, &args).json();
    assert_eq!(found(&report), [("Public Bucket".to_owned(), 2)]);
    insta::assert_json_snapshot!(report["findings"][0]);
    assert_eq!(report["sources"][0]["lines"], 6);
    assert_eq!(report["sources"][0]["left_out"]["malformed"]["line"], 4);
    assert_eq!(report["sources"][0]["left_out"]["duplicate"]["count"], 1);
}

// Goal: exit codes: what could not be read is no clean log, and a level that nobody asked for fails no pipeline.
#[test]
fn exit_codes() {
    let project = project();
    project.write(
        "bad",
        &format!("{}\nnonsense\n", record(1, "PutBucketAcl", "m")),
    );
    project.write("clean", &format!("{}\n", record(1, "GetObject", "a")));
    detect(&project, 0, &["--events", "clean"]);
    detect(&project, 3, &["--events", "bad"]);
    detect(&project, 4, &["--events", "bad", "--fail-on", "critical"]);
    detect(
        &project,
        0,
        &["--events", "bad", "--fail-on", "critical,refused"],
    );
    detect(&project, 0, &["--events", "bad", "--exit-zero"]);
    detect(&project, 1, &["--events", "nowhere"]);
    detect(&project, 1, &["--events", "clean", "--fail-on", "loud"]);
    detect(&project, 1, &["--events", "clean", "--report", "junit=x"]);
    detect(&project, 1, &["--events", "trail=clean"]);
}

// Goal: one log, whatever it is packed in and however it comes, gives one answer.
#[test]
fn every_road_gives_one_answer() {
    let project = project();
    let records: Vec<_> = (0..30).map(|n| record(n, "PutBucketAcl", "m")).collect();
    project.write("lines/trail.jsonl", &records.join("\n"));
    project.write(
        "document/trail.json",
        &format!("{{\"Records\":[{}]}}", records.join(",")),
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(records.join("\n").as_bytes()).unwrap();
    std::fs::create_dir_all(project.repo.join("packed/2026")).unwrap();
    std::fs::write(
        project.repo.join("packed/2026/trail.gz"),
        packed.finish().unwrap(),
    )
    .unwrap();
    let mut answers = Vec::new();
    for path in ["lines", "document", "packed"] {
        let report = detect(&project, 3, &["--events", path, "--format", "json"]).json();
        answers.push((found(&report), report["findings"][0]["fingerprint"].clone()));
    }
    let mut command = project.command(&["detect", "--events", "-", "--format", "json"]);
    command.stdin(Stdio::from(
        std::fs::File::open(project.repo.join("lines/trail.jsonl")).unwrap(),
    ));
    let report = Ran::of(&mut command).expect(3).json();
    answers.push((found(&report), report["findings"][0]["fingerprint"].clone()));
    assert!(
        answers.windows(2).all(|two| two[0] == two[1]),
        "{answers:?}"
    );
    // The same records by three roads in one run are the same records.
    let args = [
        "--events", "lines", "--events", "document", "--events", "packed", "--format", "json",
    ];
    let report = detect(&project, 3, &args).json();
    assert_eq!(found(&report), [("Public Bucket".to_owned(), 30)]);
}

// Goal: a link that was planted among logs makes a file readable that nobody named.
#[test]
fn links_among_logs_are_not_followed() {
    let project = project();
    project.write("logs/trail.jsonl", &record(1, "GetObject", "a"));
    project.write("elsewhere", &record(2, "PutBucketAcl", "m"));
    std::os::unix::fs::symlink("../elsewhere", project.repo.join("logs/more.jsonl")).unwrap();
    let report = detect(&project, 0, &["--events", "logs", "--format", "json"]).json();
    assert_eq!(report["sources"].as_array().unwrap().len(), 1);
}

// Goal: a rule that cannot be evaluated is passed over in silence.
#[test]
fn a_bad_rule_stops_a_strict_run_and_is_named_in_a_loose_one() {
    let project = project();
    let bad = RULE
        .replace("PutBucketAcl", "'%names%'")
        .replace("eventName", "eventName|expand");
    let bad = bad
        .replace("a01", "a02")
        .replace("Public Bucket", "By Name");
    project.write("desired-state/rules/aws/by_name.yml", &bad);
    project.commit("a bad rule");
    project.write("clean", &record(1, "GetObject", "a"));
    let said = detect(&project, 1, &["--events", "clean"]);
    assert!(
        said.stderr.contains("rules/aws/by_name.yml:9:"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("%names%"), "{}", said.stderr);
    let loose = ["--events", "clean", "--skip-bad-rules", "--format", "json"];
    let report = detect(&project, 4, &loose).json();
    let left_out = report["rules"]["left_out"][0].as_str().unwrap();
    assert!(left_out.contains("By Name"), "{left_out}");
    let said = project.expect(1, &["rules", "check"]);
    assert!(said.stderr.contains("by_name.yml:9:"), "{}", said.stderr);
}

// Goal: rules that lie in the folder and in no commit are believed.
#[test]
fn rules_come_from_the_commit() {
    let project = project();
    project.write("trail", &record(1, "PutBucketAcl", "m"));
    project.write(
        "desired-state/rules/aws/public.yml",
        &RULE.replace("PutBucketAcl", "Nothing"),
    );
    detect(&project, 3, &["--events", "trail"]);
    detect(&project, 0, &["--events", "trail", "--worktree"]);
}

// Goal: a correlation that counts in the order of the files instead of the order of time.
#[test]
fn correlations_go_by_the_time_of_records() {
    let project = Project::new(&config("observe", ""), "");
    let rule = r"
title: First
name: first
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: First }, condition: selection }
---
title: Then
name: then
logsource: { product: aws, service: cloudtrail }
detection: { selection: { eventName: Then }, condition: selection }
---
title: First, Then Then
correlation:
  type: temporal_ordered
  rules: [first, then]
  group-by: [userIdentity.arn]
  timespan: 5m
level: critical
";
    project.write("desired-state/rules/order.yml", rule);
    project.commit("rules");
    project.write("right/a.jsonl", &record(9, "Then", "m"));
    project.write("right/b.jsonl", &record(1, "First", "m"));
    project.write("wrong/a.jsonl", &record(1, "Then", "m"));
    project.write("wrong/b.jsonl", &record(9, "First", "m"));
    let report = detect(&project, 3, &["--events", "right", "--format", "json"]).json();
    assert_eq!(found(&report), [("First, Then Then".to_owned(), 2)]);
    assert_eq!(report["findings"][0]["source"], "correlation");
    detect(&project, 0, &["--events", "wrong"]);
}

// Goal: a test beside a rule that is not run, or whose failure is no failure.
#[test]
fn tests_beside_rules_are_run() {
    let project = project();
    let said = project.expect(0, &["rules", "test"]);
    assert!(
        said.stdout.contains("public.yml has no tests"),
        "{}",
        said.stdout
    );
    let case = |name: &str| {
        format!(
            "[{{name: it, events: [{{eventVersion: '1', eventSource: s3.amazonaws.com, eventName: {name}, requestParameters: {{AccessControlPolicy: ''}}}}]}}]"
        )
    };
    let (hit, miss) = (case("PutBucketAcl"), case("GetObject"));
    let path = "desired-state/rules/aws/public.test.yaml";
    project.write(path, &format!("must_hit: {hit}\nmust_miss: {miss}\n"));
    project.commit("tests");
    let said = project.expect(0, &["rules", "test"]);
    assert_eq!(said.stdout, "2 cases of 1 file, 0 failed\n");
    project.write(path, &format!("must_hit: {miss}\nmust_miss: {hit}\n"));
    project.commit("wrong tests");
    let report = project
        .expect(1, &["rules", "test", "--format", "json"])
        .json();
    assert_eq!(report["failures"].as_array().unwrap().len(), 2);
    project.write(path, &format!("must_hit: {hit}\nmust_mis: {miss}\n"));
    project.commit("a misspelt key");
    let said = project.expect(1, &["rules", "test"]);
    assert!(said.stderr.contains("must_mis"), "{}", said.stderr);
}

// Goal: the page about a rule keeps what its author says, and where it looks.
#[test]
fn a_rule_is_explained() {
    let project = project();
    let said = project.expect(0, &["rules", "explain", "public bucket"]);
    insta::assert_snapshot!(said.stdout);
    project.expect(1, &["rules", "explain", "no such rule"]);
}

// Goal: a scan that code scanning refuses, or that makes a new alert each day.
#[test]
fn sarif_has_a_rule_a_place_and_a_fingerprint() {
    let project = project();
    project.write("logs/a b.jsonl", &record(1, "PutBucketAcl", "m"));
    let args = [
        "--events",
        "logs",
        "--report",
        "sarif=out.sarif,json=out.json",
    ];
    detect(&project, 3, &args);
    let read = |name: &str| -> Json {
        serde_json::from_slice(&std::fs::read(project.repo.join(name)).unwrap()).unwrap()
    };
    let (sarif, report) = (read("out.sarif"), read("out.json"));
    let result = &sarif["runs"][0]["results"][0];
    let rule = &sarif["runs"][0]["tool"]["driver"]["rules"][0];
    assert_eq!(result["ruleId"], rule["id"]);
    assert_eq!(rule["properties"]["security-severity"], "8.0");
    assert_eq!(
        result["partialFingerprints"]["evenkeel/v1"],
        report["findings"][0]["fingerprint"]
    );
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "logs/a%20b.jsonl");
    assert_eq!(place["region"]["startLine"], 1);
}

// Goal: an event that a reader of OCSF refuses: a class, a type or a time in another form than the schema has.
#[test]
fn ocsf_is_a_detection_finding_a_line() {
    let project = project();
    project.write("trail", &record(1, "PutBucketAcl", "m"));
    let said = detect(
        &project,
        3,
        &["--events", "cloudtrail=trail", "--format", "ocsf"],
    );
    let lines: Vec<Json> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1);
    insta::assert_json_snapshot!(lines[0]);
}

/// The next line that the program prints.
pub(super) fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Json {
    let line = lines.next().expect("the program goes on").unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

// Goal: what is written to a log after it was opened, moved away or cut off is lost, told twice, or told late.
#[test]
fn a_log_is_followed_through_its_rotation() {
    let project = project();
    let path = project.repo.join("logs/trail.jsonl");
    project.write(
        "logs/trail.jsonl",
        &format!("{}\n", record(1, "PutBucketAcl", "one")),
    );
    let args = [
        "detect",
        "--events",
        "cloudtrail=logs",
        "--follow",
        "--format",
        "json",
    ];
    let mut program = project
        .command(&args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(program.stdout.take().unwrap()).lines();
    let who = |line: &Json| {
        line["finding"]["actor"]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(who(&next(&mut lines)).ends_with("/one"));
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    let (start, end) = (record(2, "PutBucketAcl", "two"), "\n");
    log.write_all(start.as_bytes()).unwrap();
    log.write_all(end.as_bytes()).unwrap();
    assert!(who(&next(&mut lines)).ends_with("/two"));
    // Moved away, and its writer does not know yet.
    std::fs::rename(&path, project.repo.join("logs/trail.jsonl.1")).unwrap();
    project.write(
        "logs/trail.jsonl",
        &format!("{}\n", record(3, "PutBucketAcl", "three")),
    );
    assert!(who(&next(&mut lines)).ends_with("/three"));
    writeln!(log, "{}", record(4, "PutBucketAcl", "four")).unwrap();
    assert!(who(&next(&mut lines)).ends_with("/four"));
    // Told before: not told again, but counted.
    writeln!(log, "{}", record(5, "PutBucketAcl", "two")).unwrap();
    // Cut off and written anew, as copytruncate does.
    let cut = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    cut.set_len(0).unwrap();
    let mut cut = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    writeln!(cut, "{}", record(6, "PutBucketAcl", "six")).unwrap();
    assert!(who(&next(&mut lines)).ends_with("/six"));
    let pid = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let last = next(&mut lines);
    assert!(lines.next().is_none());
    assert_eq!(program.wait().unwrap().code(), Some(3));
    let sources = last["sources"].as_array().unwrap();
    let records: u64 = sources
        .iter()
        .map(|it| it["records"].as_u64().unwrap())
        .sum();
    assert_eq!((sources.len(), records), (2, 6), "{last:#}");
}
