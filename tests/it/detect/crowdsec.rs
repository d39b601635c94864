//! Alerts that another engine raises on a few lines: ours are about the same, in scope and target.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel::detect::sigma::Rules;
use evenkeel::events::formats;
use evenkeel::model::Record;
use serde_json::Value as Json;

use super::evaluate::{Finding, decode, findings, load, rule_files, shared};

/// Its scenarios (without their author), by our rule: the group, the file, and where the target stands.
const SCENARIOS: &[(&str, &str, &str, Target)] = &[
    (
        "aws-cloudtrail-bf-console-login",
        "aws",
        "console_login_brute_force",
        Target::Group,
    ),
    (
        "aws-cloudtrail-postexploit",
        "aws",
        "denied_discovery",
        Target::Group,
    ),
    (
        "aws-cloudtrail-nwo-nwd-console-login",
        "aws",
        "console_login_outside_hours",
        Target::Actor,
    ),
    (
        "k8s-audit-pod-exec",
        "kubernetes",
        "exec_into_pod",
        Target::Address,
    ),
    (
        "k8s-audit-privileged-pod-creation",
        "kubernetes",
        "privileged_container",
        Target::Address,
    ),
    (
        "auditd-base64-exec-behavior",
        "linux",
        "decoded_and_interpreted",
        Target::Group,
    ),
    (
        "auditd-postexploit-exec-from-net",
        "linux",
        "fetched_and_run",
        Target::Group,
    ),
    (
        "auditd-postexploit-rm",
        "linux",
        "removals_in_a_row",
        Target::Group,
    ),
    (
        "auditd-suid-crash",
        "linux",
        "setuid_program_crashed",
        Target::Group,
    ),
    ("ssh-bf", "linux", "ssh_brute_force", Target::Group),
    (
        "ssh-bf_user-enum",
        "linux",
        "ssh_users_tried",
        Target::Group,
    ),
    (
        "ssh-slow-bf",
        "linux",
        "ssh_slow_brute_force",
        Target::Group,
    ),
    (
        "ssh-time-based-bf",
        "linux",
        "ssh_few_an_hour",
        Target::Group,
    ),
    (
        "ssh-time-based-bf_user-enum",
        "linux",
        "ssh_few_users_an_hour",
        Target::Group,
    ),
    (
        "ssh-cve-2024-6387",
        "linux",
        "ssh_handshakes_abandoned",
        Target::Group,
    ),
    (
        "ssh-refused-conn",
        "linux",
        "ssh_connection_refused",
        Target::Address,
    ),
    (
        "ssh-bad-keyexchange-bf",
        "linux",
        "ssh_no_common_algorithm",
        Target::Group,
    ),
    (
        "suricata-major-severity",
        "network",
        "suricata_severe_alert",
        Target::Address,
    ),
    (
        "suricata-high-medium-severity",
        "network",
        "suricata_several_alerts",
        Target::Group,
    ),
];

#[derive(Clone, Copy)]
enum Target {
    /// What the correlation groups by.
    Group,
    Actor,
    Address,
}

/// A canary's name, and two entries about places that their lines do not have.
const LEFT_OUT: [&str; 3] = [
    "ssh-generic-test",
    "sshd-impossible-travel",
    "sshd-impossible-travel-user",
];

/// Working hours, which the lines do not have: a filter lets sign-ins in them be.
const HOURS: &str = "title: hours\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: [RULE]\n  \
                     selection: {eventName: ConsoleLogin, eventTime|hour: [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]}\n  \
                     condition: not selection\n";

fn records(entry: &Json) -> Option<Vec<Record>> {
    let raw = entry["raw"].as_str().unwrap();
    let lines = raw.lines().filter(|line| !line.trim().is_empty());
    let objects = || {
        lines
            .clone()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<_>>()
    };
    let texts = || lines.clone().map(Json::from).collect::<Vec<_>>();
    let (format, events) = match entry["log_type"].as_str().unwrap() {
        "aws-cloudtrail" => ("cloudtrail", objects()),
        "suricata-evelogs" => ("suricata", objects()),
        "k8s-audit" => ("kubernetes-audit", objects()),
        "auditd" => ("auditd", texts()),
        "syslog" => ("syslog", texts()),
        _ => return None,
    };
    Some(decode(format, &events))
}

fn target(finding: &Finding, target: Target) -> String {
    let event = formats::event(&finding.record);
    match target {
        Target::Group => finding.group[0].1.clone(),
        Target::Actor => event.actor.name,
        Target::Address => event.addresses[0].clone(),
    }
}

/// The rules of the scenarios that an entry names: those of which an alert is wanted and those of which none is.
fn rules(entry: &Json) -> Arc<Rules> {
    let wanted = wanted(entry);
    let named: Vec<_> = entry["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Json::as_str)
        .map(|path| path.rsplit('/').next().unwrap().trim_end_matches(".yaml"))
        .collect();
    let is_on = |scenario: &str| {
        wanted.iter().any(|(of, _)| of == scenario)
            // A scenario's file has its variants too.
            || named.iter().any(|name| scenario.split('_').next() == Some(name))
    };
    let mut files = Vec::new();
    for (_, group, stem, _) in SCENARIOS.iter().filter(|(scenario, ..)| is_on(scenario)) {
        let ending = format!("/{stem}.yml");
        files.extend(
            rule_files(&[group])
                .into_iter()
                .filter(|(path, _)| path.ends_with(&ending)),
        );
    }
    files.extend(hours(&files));
    load(&files)
}

/// The working hours, for the rule that asks for them.
fn hours(files: &[(String, String)]) -> Option<(String, String)> {
    let rule = files
        .iter()
        .find(|(path, _)| path.ends_with("/console_login_outside_hours.yml"));
    let id = rule?.1.lines().find_map(|line| line.strip_prefix("id: "))?;
    Some(("hours.yml".to_owned(), HOURS.replace("RULE", id)))
}

/// The alerts that an entry wants: scenario, without its author, and target.
fn wanted(entry: &Json) -> BTreeSet<(String, String)> {
    let text = |alert: &Json, key: &str| alert[key].as_str().unwrap().to_owned();
    let alerts = entry["alerts"].as_array().unwrap().iter();
    alerts
        .map(|alert| {
            let scenario = text(alert, "scenario");
            let (_, scenario) = scenario.split_once('/').unwrap();
            (scenario.to_owned(), text(alert, "GetValue"))
        })
        .collect()
}

// Goal: an alert of another engine on the same lines that ours does not raise, raises twice, or about something else, and one
// of ours that it does not raise. Method: per entry only the rules of the scenarios that it names; entries without one must
// only become records.
#[test]
fn alerts_are_met() {
    let Some(path) = shared("corpora/response-crowdsec.jsonl") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut met = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        let test = entry["test"].as_str().unwrap();
        if LEFT_OUT.contains(&test) {
            continue;
        }
        let Some(records) = records(&entry) else {
            continue;
        };
        if entry["scenarios"].as_array().unwrap().is_empty() {
            continue;
        }
        let mut told = Vec::new();
        for finding in findings(&rules(&entry), records) {
            let of = SCENARIOS
                .iter()
                .find(|(_, _, stem, _)| finding.file.ends_with(&format!("/{stem}.yml")));
            let (scenario, _, _, at) = of.unwrap();
            told.push(((*scenario).to_owned(), target(&finding, *at)));
        }
        told.sort();
        let wanted = wanted(&entry);
        if told != wanted.iter().cloned().collect::<Vec<_>>() {
            wrong.push(format!("{test}: {told:?} and not {wanted:?}"));
        }
        met.extend(wanted.into_iter().map(|(scenario, _)| scenario));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(met.len(), SCENARIOS.len(), "{met:?}");
}

// Goal: a sign-in in working hours that is told, and one outside of them that is not, by a team's own filter.
#[test]
fn working_hours_are_a_filter() {
    let mut files = rule_files(&["aws"]);
    files.retain(|(path, _)| path.ends_with("/console_login_outside_hours.yml"));
    files.extend(hours(&files));
    let rules = load(&files);
    let told = |time: &str| {
        let body = serde_json::json!({
            "eventTime": time, "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin",
            "responseElements": {"ConsoleLogin": "Success"}
        });
        findings(&rules, decode("cloudtrail", &[body])).len()
    };
    assert_eq!(told("2026-03-02T06:59:59Z"), 1);
    assert_eq!(told("2026-03-02T07:00:00Z"), 0);
    assert_eq!(told("2026-03-02T18:59:59Z"), 0);
    assert_eq!(told("2026-03-02T19:00:00Z"), 1);
}
