//! Alerts that another engine raises on a few lines: ours are about the same, in scope and target.

use std::collections::BTreeSet;

use evenkeel::events::{cloudtrail, kubernetes};
use evenkeel::model::Record;
use serde_json::Value as Json;

use super::evaluate::{self, Finding, findings, load, rule_files, shared, terms};

/// Its scenarios, by our rule: the group, the file, and where the target stands.
const SCENARIOS: [(&str, &str, &str, Target); 5] = [
    (
        "crowdsecurity/aws-cloudtrail-bf-console-login",
        "aws",
        "console_login_brute_force",
        Target::Group,
    ),
    (
        "crowdsecurity/aws-cloudtrail-postexploit",
        "aws",
        "denied_discovery",
        Target::Group,
    ),
    (
        "crowdsecurity/aws-cloudtrail-nwo-nwd-console-login",
        "aws",
        "console_login_outside_hours",
        Target::Actor,
    ),
    (
        "crowdsecurity/k8s-audit-pod-exec",
        "kubernetes",
        "exec_into_pod",
        Target::Address,
    ),
    (
        "crowdsecurity/k8s-audit-privileged-pod-creation",
        "kubernetes",
        "privileged_container",
        Target::Address,
    ),
];

#[derive(Clone, Copy)]
enum Target {
    /// What the correlation groups by.
    Group,
    Actor,
    Address,
}

/// Working hours, which the lines do not have: a filter lets sign-ins in them be.
const HOURS: &str = "title: hours\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: any\n  \
                     selection: {eventName: ConsoleLogin, eventTime|hour: [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]}\n  \
                     condition: not selection\n";

fn records(entry: &Json) -> Option<Vec<Record>> {
    let raw = match &entry["raw"] {
        Json::Array(lines) => lines
            .iter()
            .filter_map(Json::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        other => other.as_str().unwrap().to_owned(),
    };
    let decode: fn(Json, u64) -> Record = match entry["log_type"].as_str()? {
        "aws-cloudtrail" => |body, line| cloudtrail::decode(body, line, &terms()).unwrap(),
        "k8s-audit" => |body, line| kubernetes::decode(body, line, &terms()).unwrap(),
        _ => return None,
    };
    let lines = raw
        .lines()
        .filter(|line| !line.trim().is_empty())
        .enumerate();
    Some(
        lines
            .map(|(number, line)| decode(serde_json::from_str(line).unwrap(), number as u64 + 1))
            .collect(),
    )
}

fn target(finding: &Finding, target: Target) -> String {
    let event = evaluate::event(&finding.record);
    match target {
        Target::Group => finding.group[0].1.clone(),
        Target::Actor => event.actor.name,
        Target::Address => event.addresses[0].clone(),
    }
}

// Goal: an alert of another engine on the same lines that ours does not raise, raises twice, or about something else.
// Method: per entry only the rules of the scenarios that it names; entries without one must only become records.
#[test]
fn alerts_on_cloudtrail_and_kubernetes_are_met() {
    let Some(path) = shared("corpora/response-crowdsec.jsonl") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut met = 0;
    for line in text.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        let Some(records) = records(&entry) else {
            continue;
        };
        let alerts = entry["alerts"].as_array().unwrap();
        for alert in alerts {
            let scenario = alert["scenario"].as_str().unwrap();
            let known = SCENARIOS.iter().find(|(name, ..)| *name == scenario);
            let (_, group, stem, at) = known.unwrap_or_else(|| panic!("no rule for {scenario}"));
            let mut files = rule_files(&[group]);
            files.retain(|(path, _)| path.ends_with(&format!("/{stem}.yml")));
            if *stem == "console_login_outside_hours" {
                files.push(("hours.yml".to_owned(), HOURS.to_owned()));
            }
            let found = findings(&load(&files), records.clone());
            assert_eq!(found.len(), 1, "{scenario}: {found:?}");
            let wanted: BTreeSet<_> = alert["sources"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Json::as_str)
                .collect();
            let told = target(&found[0], *at);
            assert!(
                wanted.contains(told.as_str()),
                "{scenario}: {told} and not {wanted:?}"
            );
            met += 1;
        }
    }
    assert_eq!(met, SCENARIOS.len());
}

// Goal: a sign-in in working hours that is told, and one outside of them that is not, by a team's own filter.
#[test]
fn working_hours_are_a_filter() {
    let mut files = rule_files(&["aws"]);
    files.retain(|(path, _)| path.ends_with("/console_login_outside_hours.yml"));
    files.push(("hours.yml".to_owned(), HOURS.to_owned()));
    let rules = load(&files);
    let told = |time: &str| {
        let body = serde_json::json!({
            "eventTime": time, "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin",
            "responseElements": {"ConsoleLogin": "Success"}
        });
        findings(&rules, vec![cloudtrail::decode(body, 1, &terms()).unwrap()]).len()
    };
    assert_eq!(told("2026-03-02T06:59:59Z"), 1);
    assert_eq!(told("2026-03-02T07:00:00Z"), 0);
    assert_eq!(told("2026-03-02T18:59:59Z"), 0);
    assert_eq!(told("2026-03-02T19:00:00Z"), 1);
}
