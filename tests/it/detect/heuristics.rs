//! Heuristics on streams: quiet on daily work within their budget, and loud on the attack that each is for.

use std::collections::BTreeMap;

use evenkeel::detect::heuristics::{Heuristics, Places, read};
use evenkeel::detect::scan::{Scan, ScanOptions, look};
use evenkeel::model::{Detection, Finding, FindingSource, Heuristic, HeuristicsConfig, Record};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::benign;
use super::evaluate::{decode, load, shared};

const BUDGET: u32 = 5;
const LEARN: u32 = 5;

fn config(on: &[Heuristic], learn_days: u32) -> HeuristicsConfig {
    HeuristicsConfig {
        learn_days,
        budgets: on.iter().map(|heuristic| (*heuristic, BUDGET)).collect(),
        ..HeuristicsConfig::default()
    }
}

fn run(heuristics: Heuristics, records: Vec<Record>) -> (Detection, Heuristics) {
    let rules = load(&[]);
    let mut scan = Scan::new(rules.clone(), ScanOptions::default()).with(Some(heuristics));
    for record in records {
        scan.take(look(&rules, true, record));
    }
    let (detection, heuristics) = scan.finish();
    (detection, heuristics.unwrap())
}

fn with(config: &HeuristicsConfig) -> Heuristics {
    Heuristics::new(config.clone(), Places::default()).unwrap()
}

fn found(config: &HeuristicsConfig, records: Vec<Record>) -> Vec<Finding> {
    run(with(config), records).0.findings
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn benign(count: usize) -> Vec<Record> {
    let records: Vec<Json> = benign::records(count, 1).collect();
    decode("cloudtrail", &records)
}

// Goal: catches thresholds that let more through than the budget says, on work in which nothing is an attack; and a learning
// period that raises something.
#[test]
fn daily_work_stays_within_the_budget() {
    let told = found(&config(&Heuristic::ALL, LEARN), benign(100_000));
    let learned = at("2026-03-02T00:00:00Z") + SignedDuration::from_hours(24 * i64::from(LEARN));
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &told {
        assert_eq!(finding.source, FindingSource::Heuristic);
        assert!(finding.last.unwrap() >= learned, "{finding:?}");
        *by.entry(&finding.indicator).or_default() += 1;
    }
    let most = (benign::DAYS as usize - LEARN as usize) * BUDGET as usize;
    assert!(by.values().all(|count| *count <= most), "{by:?}");
    assert!(!by.is_empty(), "nothing was above any threshold");
}

/// A call of a role of the benign stream, from somewhere else, on its tenth day.
fn call(name: &str, second: u32, request: Json) -> Json {
    let (service, name) = name.split_once(':').unwrap();
    json!({
        "eventVersion": "1.09", "eventTime": format!("2026-03-11T03:{:02}:{:02}Z", second / 60, second % 60),
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.77", "userAgent": "aws-cli", "requestParameters": request,
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::210987654321:assumed-role/external-secrets/x",
            "accountId": "210987654321", "accessKeyId": "ASIAEXAMPLE"},
        "eventID": format!("attack-{second}"), "recipientAccountId": "210987654321"
    })
}

/// What one heuristic tells of the stolen role after nine days of daily work.
fn on_the_attack(heuristic: Heuristic, calls: Vec<Json>) -> Vec<Finding> {
    let mut records = benign(40_000);
    records.extend(decode("cloudtrail", &calls));
    let mut told = found(&config(&[heuristic], LEARN), records);
    told.retain(|finding| {
        let actor = finding.actor.as_ref().map_or("", |actor| &actor.name);
        actor.ends_with("/external-secrets") && finding.last >= Some(at("2026-03-11T03:00:00Z"))
    });
    told
}

fn said(told: &[Finding], words: &[&str]) {
    let [finding] = told else { panic!("{told:?}") };
    let evidence = finding.evidence.join("\n");
    for word in words {
        assert!(evidence.contains(word), "no {word:?} in {evidence}");
    }
}

// Goal: catches a role that is used from a place and for an act that it never had, and is told by nobody.
#[test]
fn what_was_never_seen_is_told() {
    let told = on_the_attack(
        Heuristic::FirstSeen,
        vec![call("iam:CreateUser", 1, json!({"userName": "x"}))],
    );
    said(
        &told,
        &[
            "action iam:CreateUser was never met",
            "address 198.51.100.77 was never met",
            "the score is",
        ],
    );
    assert_eq!(told[0].attack, ["T1078"]);
}

// Goal: catches a flood that passes for usual, since others are busier or since it is judged by a day's and not an hour's count.
#[test]
fn a_flood_is_told() {
    let calls = (0..1500).map(|n| {
        call(
            "secretsmanager:GetSecretValue",
            n,
            json!({"secretId": "db"}),
        )
    });
    let told = on_the_attack(Heuristic::Rate, calls.collect());
    said(&told, &["acts in one hour, where"]);
}

// Goal: catches somebody who takes everything there is, slowly enough for every count but that of different things.
#[test]
fn variety_is_told() {
    let names = [
        "iam:ListUsers",
        "iam:ListRoles",
        "s3:ListBuckets",
        "ec2:DescribeInstances",
        "rds:DescribeDBInstances",
    ];
    let calls = (0..150_u32).map(|n| {
        let name = names
            .get(n as usize % 7)
            .map_or_else(|| format!("s3:GetThing{n}"), |name| (*name).to_owned());
        call(&name, n, json!({"bucketName": format!("b{n}")}))
    });
    let told = on_the_attack(Heuristic::Distinct, calls.collect());
    said(&told, &["different actions in one hour, where"]);
}

fn syslog(lines: &[String]) -> Vec<Record> {
    let lines: Vec<Json> = lines.iter().map(|line| line.as_str().into()).collect();
    decode("syslog", &lines)
}

/// Seven days on which people mistype now and then, and an attacker on the eighth.
fn logins(tries: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let line = |day: usize, second: usize, what: &str, user: &str, from: &str| {
        let (minute, second) = (second / 60, second % 60);
        format!(
            "2026-03-{:02}T09:{minute:02}:{second:02}+00:00 h1 sshd[7{second}]: {what} password for {user} from {from} port 4022 ssh2",
            2 + day
        )
    };
    for day in 0..7 {
        for (at, user) in [
            "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
        ]
        .iter()
        .enumerate()
        {
            let from = format!("192.0.2.{}", at + 1);
            for n in 0..=(at + day) % 3 {
                let what = if n == (at + day) % 3 {
                    "Accepted"
                } else {
                    "Failed"
                };
                lines.push(line(day, at * 60 + n, what, user, &from));
            }
        }
    }
    for n in 0..tries {
        lines.push(line(7, 1000 + n, "Failed", "alice", "198.51.100.9"));
    }
    lines.push(line(7, 1000 + tries, "Accepted", "alice", "198.51.100.9"));
    lines
}

// Goal: catches a guessed password that is lost among those that are mistyped, and a mistyped one that is told.
#[test]
fn failures_before_a_success_are_told() {
    let mut config = config(&[Heuristic::FailedThenSuccess], 7);
    config.budgets.insert(Heuristic::FailedThenSuccess, 1);
    let told = found(&config, syslog(&logins(40)));
    said(&told, &["40 failures of ssh within 40 s, then a success"]);
    assert_eq!(told[0].actor.as_ref().unwrap().name, "alice");
    assert_eq!(told[0].addresses, ["198.51.100.9"]);
    assert_eq!(found(&config, syslog(&logins(2))), []);
}

// Goal: catches an alert of another engine on the same lines that ours does not raise, or about somebody else. The locations,
// which the lines lack, are the team's.
#[test]
fn impossible_travel_is_told() {
    let Some(path) = shared("corpora/response-crowdsec.jsonl") else {
        return;
    };
    let places =
        Places::read("# ours\n1.2.3.0/24,-33.9,151.2,Sydney\n9.0.0.0/8,40.7,-74.0,New York\n")
            .unwrap();
    let mut met = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        if !entry["test"]
            .as_str()
            .unwrap()
            .starts_with("sshd-impossible-travel")
        {
            continue;
        }
        let lines: Vec<String> = entry["raw"]
            .as_str()
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        let heuristics = Heuristics::new(config(&[Heuristic::ImpossibleTravel], 0), places.clone());
        let told = run(heuristics.unwrap(), syslog(&lines)).0.findings;
        said(
            &told,
            &["from 1.2.3.4 (Sydney) to 9.8.8.8 (New York)", "km in 3 s"],
        );
        let alert = &entry["alerts"][0];
        let wanted = alert["GetValue"].as_str().unwrap();
        match alert["GetScope"].as_str().unwrap() {
            "Ip" => assert!(told[0].addresses.iter().any(|address| address == wanted)),
            _ => assert_eq!(told[0].actor.as_ref().unwrap().name, wanted),
        }
        assert_eq!(told[0].event_count, alert["events"].as_u64().unwrap());
        met += 1;
    }
    assert_eq!(met, 2);
}

/// A service that starts its workers for eight days, and then what `last` says.
fn starts(last: &str) -> Vec<Record> {
    let start = |day: u32, hour: u32, parent: &str, child: &str| {
        json!({
            "class_uid": 1007, "activity_id": 1, "time_dt": format!("2026-03-{:02}T{hour:02}:00:00Z", 2 + day),
            "metadata": {"uid": format!("{day}-{hour}-{child}")}, "device": {"hostname": "h1"}, "status_id": 1,
            "actor": {"user": {"name": "www"}, "process": {"file": {"path": parent}}},
            "process": {"file": {"path": child}}
        })
    };
    let mut events = Vec::new();
    for day in 0..8 {
        for hour in 0..24 {
            events.push(start(
                day,
                hour,
                "/usr/sbin/nginx",
                "/usr/sbin/nginx-worker",
            ));
            events.push(start(
                day,
                hour,
                "/usr/bin/bash",
                &format!("/usr/bin/tool{}", day * 24 + hour),
            ));
        }
    }
    events.push(start(8, 3, "/usr/sbin/nginx", last));
    events.push(start(8, 3, "/usr/bin/bash", "/usr/bin/new"));
    decode("ocsf", &events)
}

// Goal: catches a shell under a web server that is told no louder than a new program under a shell, which is every day's.
#[test]
fn a_rare_child_is_told() {
    let config = config(&[Heuristic::RareChild], 8);
    let told = found(&config, starts("/usr/bin/dash"));
    said(
        &told,
        &["child process /usr/bin/dash of /usr/sbin/nginx was never met"],
    );
    assert_eq!(found(&config, starts("/usr/sbin/nginx-worker")), []);
}

// Goal: catches state that depends on the order of sources, on how a run is cut, or on anything but records and seed.
#[test]
fn one_result_whatever_the_order_and_the_cuts() {
    let config = config(&Heuristic::ALL, 1);
    let records = || benign(12_000);
    let (whole, state) = run(with(&config), records());
    let mut mixed = records();
    mixed.reverse();
    let (other, mixed) = run(with(&config), mixed);
    assert_eq!(whole.findings, other.findings);
    assert!(state.learned() == mixed.learned());
    // In two runs, with a file between them.
    let mut first = records();
    let second = first.split_off(7_000);
    let (mut told, between) = run(with(&config), first);
    let mut next = with(&config);
    next.restore(read(&between.learned()).unwrap()).unwrap();
    let (rest, after) = run(next, second);
    assert!(after.learned() == state.learned());
    told.findings.extend(rest.findings);
    let ids = |findings: &[Finding]| -> std::collections::BTreeSet<String> {
        findings
            .iter()
            .map(|finding| finding.fingerprint.clone())
            .collect()
    };
    assert_eq!(ids(&told.findings), ids(&whole.findings));
    assert!(!whole.findings.is_empty());
}
