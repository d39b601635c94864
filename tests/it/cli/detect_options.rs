//! `detect`: what its options change. Each test looks with the option and without.

use std::io::BufRead;
use std::process::Stdio;

use serde_json::Value as Json;

use super::detect::{detect, found, next, project, record};
use crate::support::{Project, config};

fn json(project: &Project, code: i32, more: &[&str]) -> Json {
    let args: Vec<_> = ["--format", "json"].iter().chain(more).copied().collect();
    detect(project, code, &args).json()
}

fn lines(records: impl IntoIterator<Item = String>) -> String {
    records.into_iter().map(|line| line + "\n").collect()
}

// Goal: times without a zone are read as UTC, whatever is said.
#[test]
fn a_zone_moves_times_that_have_none() {
    let project = Project::new(&config("observe", ""), "");
    let rule = "title: Marked\nlogsource: { product: linux }\ndetection: { word: [marked], condition: word }\nlevel: high\n";
    project.write("desired-state/rules/marked.yml", rule);
    project.commit("a rule");
    project.write("log", "Mar  1 10:00:00 h1 app: marked\n");
    let first = |more: &[&str]| {
        let args: Vec<_> = ["--events", "syslog=log"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let report = json(&project, 3, &args);
        report["findings"][0]["first"].as_str().unwrap().to_owned()
    };
    assert!(first(&[]).ends_with("-03-01T10:00:00Z"));
    assert!(first(&["--zone", "Europe/Berlin"]).ends_with("-03-01T09:00:00Z"));
    let wrong = ["--events", "log", "--zone", "Europe/Nowhere"];
    assert!(
        detect(&project, 1, &wrong)
            .stderr
            .contains("Europe/Nowhere")
    );
}

// Goal: a source is believed more than its user said.
#[test]
fn trust_is_as_it_was_said() {
    let project = project();
    project.write("trail", &record(1, "PutBucketAcl", "m"));
    let finding = |more: &[&str]| {
        let args: Vec<_> = ["--events", "cloudtrail=trail"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let report = json(&project, 3, &args);
        let finding = &report["findings"][0];
        assert_eq!(finding["trust"], report["sources"][0]["trust"]);
        format!("{} {}", finding["trust"], finding["confidence"])
    };
    assert_eq!(finding(&[]), r#""authenticated" "high""#);
    assert_eq!(
        finding(&["--trust", "host-written"]),
        r#""host-written" "medium""#
    );
    assert_eq!(
        finding(&["--trust", "unauthenticated"]),
        r#""unauthenticated" "low""#
    );
}

// Goal: bounds on lines and sources that do not hold, or are not told.
#[test]
fn what_is_too_long_is_left_out_and_told() {
    let project = project();
    let long = record(1, "PutBucketAcl", &"m".repeat(1500));
    project.write("long", &lines([long, record(2, "GetObject", "a")]));
    let args = ["--events", "cloudtrail=long"];
    let report = json(&project, 3, &args);
    assert_eq!(report["sources"][0]["records"], 2);
    let report = json(&project, 4, &[&args[..], &["--max-line", "1"]].concat());
    assert_eq!(report["sources"][0]["records"], 1);
    assert_eq!(report["sources"][0]["left_out"]["too-long"]["line"], 1);

    let many = (0..4000).map(|n| record(n, "GetObject", "a"));
    project.write("many", &lines(many));
    let args = ["--events", "cloudtrail=many"];
    let report = json(&project, 0, &args);
    assert_eq!(report["sources"][0]["records"], 4000);
    let report = json(&project, 4, &[&args[..], &["--max-source", "1"]].concat());
    let source = &report["sources"][0];
    assert!(source["records"].as_u64().unwrap() < 4000);
    assert!(source["error"].as_str().unwrap().contains("--max-source"));
}

const ORDER: &str = r"
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

// Goal: memory that is not bounded, or a bound that changes the result without a word.
#[test]
fn memory_is_bounded_and_what_it_does_not_hold_is_told() {
    let project = project();
    project.write("desired-state/rules/order.yml", ORDER);
    project.commit("rules");
    let many = (0..600).map(|n| record(n, "First", "a"));
    project.write("many", &lines(many));
    let args = ["--events", "cloudtrail=many"];
    assert_eq!(json(&project, 0, &args)["notices"], serde_json::json!([]));
    let report = json(&project, 0, &[&args[..], &["--memory", "1"]].concat());
    let notice = report["notices"][0].as_str().unwrap();
    assert!(notice.contains("--memory"), "{notice}");
}

/// What `--follow` says of a trail, from its first finding until it is asked to end, and its number of threads.
fn followed(project: &Project, more: &[&str]) -> (Vec<Json>, usize) {
    let args = [
        "detect",
        "--events",
        "cloudtrail=trail",
        "--follow",
        "--format",
        "json",
    ];
    let args: Vec<_> = args.iter().chain(more).copied().collect();
    let mut program = project
        .command(&args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(program.stdout.take().unwrap()).lines();
    let mut said = vec![next(&mut lines)];
    let tasks = format!("/proc/{}/task", program.id());
    let threads = std::fs::read_dir(tasks).unwrap().count();
    let pid = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    said.extend(lines.map(|line| serde_json::from_str::<Json>(&line.unwrap()).unwrap()));
    assert_eq!(program.wait().unwrap().code(), Some(3));
    (said, threads)
}

// Goal: a record that comes late is counted out of its turn, or is lost without a word.
#[test]
fn lateness_says_how_long_records_are_waited_for() {
    let project = project();
    project.write("desired-state/rules/order.yml", ORDER);
    project.commit("rules");
    let records = [
        record(9, "Then", "m"),
        record(1, "First", "m"),
        record(59, "PutBucketAcl", "m"),
    ];
    project.write("trail", &lines(records));
    let titles = |said: &[Json]| -> Vec<String> {
        let titles = said
            .iter()
            .filter_map(|it| it["finding"]["rule"]["title"].as_str());
        titles.map(str::to_owned).collect()
    };
    let (said, _) = followed(&project, &["--lateness", "10s"]);
    assert!(
        titles(&said).contains(&"First, Then Then".to_owned()),
        "{said:?}"
    );
    assert_eq!(said.last().unwrap()["late"], 0);
    let (said, _) = followed(&project, &["--lateness", "1s"]);
    assert_eq!(titles(&said), ["Public Bucket"]);
    assert_eq!(said.last().unwrap()["late"], 1);
}

// Goal: a number of threads that is not kept, or that changes the result.
#[test]
fn threads_are_as_many_as_was_said() {
    let project = project();
    let many = (0..3000).map(|n| record(n, "PutBucketAcl", &format!("u{}", n % 7)));
    project.write("trail", &lines(many));
    let ((_, two), (_, five)) = (
        followed(&project, &["--threads", "2"]),
        followed(&project, &["--threads", "5"]),
    );
    assert_eq!(five - two, 3);
    let [one, four] =
        ["1", "4"].map(|threads| json(&project, 3, &["--events", "trail", "--threads", threads]));
    assert_eq!(one, four);
    assert_eq!(found(&one).len(), 7);
}
