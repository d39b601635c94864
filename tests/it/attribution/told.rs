//! `plan --events`: what differs, with who did it and how grave that makes it, on a recorded attack.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::recorded::{baseline, incident};
use crate::support::{Project, config};

/// The people of the recording, and its logs.
fn settings(dir: &Path, trust: &str, more: &str) -> String {
    let logs = dir.join("logs").canonicalize().unwrap();
    let logs = logs.display();
    format!(
        "detect:
  people:
    - {{ name: ops, identities: [root], keys: [\"SHA256:gg/v3JptnZH52Q9zKS7UpL83gl8RTK5xDJwlxHMAXtE\"], addresses: [198.18.77.2] }}
    - {{ name: alice, identities: [alice], keys: [\"SHA256:9p+uFtEQT8w7l8pGuYw30Sdp+N29nH5mYTVF+OfWqk0\"], addresses: [198.18.77.2] }}
  events:
    - {{ path: {logs}/audit.log, format: auditd, host: h1, trust: {trust} }}
    - {{ path: {logs}/auth.log.1, format: syslog, host: h1, trust: {trust} }}
    - {{ path: {logs}/auth.log, format: syslog, host: h1, trust: {trust} }}
{more}"
    )
}

/// Plans the recording with its logs, which `evenkeel.yaml` lists.
fn planned(dir: &Path, trust: &str, more: &str) -> Json {
    let named = config("observe", "").replace("name: host", "name: h1");
    let project = Project::new(&(named + &settings(dir, trust, more)), "");
    std::fs::remove_dir_all(project.repo.join("desired-state/host")).unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("desired-state/rules/linux");
    let into = project.repo.join("desired-state/rules");
    std::fs::create_dir_all(&into).unwrap();
    for rule in std::fs::read_dir(rules).unwrap() {
        let rule = rule.unwrap();
        std::fs::copy(rule.path(), into.join(rule.file_name())).unwrap();
    }
    baseline(&project, dir, "h1");
    let snapshot = dir.join("after.json").display().to_string();
    project
        .run(&["plan", "--format", "json", "--snapshot", &snapshot])
        .expect(3)
        .json()
}

/// What an attacker did, by what is found of it: an indicator with its place, or a rule. Not found are the commands that looked
/// round, the login with the planted key, of which auth.log tells no more, and the end of the sessions.
const FOUND: [(&str, &str); 16] = [
    ("brute-force", "logins-over-ssh-fail-again-and-again"),
    ("password-login", "login-from-where-passwords-were-tried"),
    ("sudo-root", "sudo-after-a-guessed-login"),
    ("add-root-user", "second-root //user/sysd"),
    ("root-key", "unlisted-key /root/.ssh/authorized_keys"),
    ("cron-drop", "scheduled-job /etc/cron.d/sysstat-collect"),
    ("cron-drop", "hidden-file /usr/local/sbin/.sysupd"),
    ("suid-shell", "privileged-file /usr/local/bin/dbus-helper"),
    ("sshd-config", "login-rules-changed /etc/ssh/sshd_config"),
    (
        "log-blind",
        "logging-changed /etc/rsyslog.d/05-ratelimit.conf",
    ),
    ("ip-forward", "network-setting //sysctl/net.ipv4.ip_forward"),
    (
        "ip-forward",
        "network-setting //sysctl/net.ipv4.conf.all.forwarding",
    ),
    ("hosts-entry", "names-redirected /etc/hosts"),
    ("immutable", "flag-changed /etc/cron.d/sysstat-collect"),
    ("timestomp", "times-of-a-system-file-set-back"),
    ("history-wipe", "history-of-another-user-written"),
];

/// Each finding by indicator and address.
fn findings(report: &Json) -> BTreeMap<String, &Json> {
    let addresses: BTreeMap<&str, &str> = report["drifts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| {
            (
                drift["id"].as_str().unwrap(),
                drift["address"].as_str().unwrap(),
            )
        })
        .collect();
    let all = report["findings"].as_array().unwrap().iter();
    all.map(|one| {
        let mut name = one["indicator"].as_str().unwrap().to_owned();
        if one["source"] == "drift" {
            name.push(' ');
            name.push_str(addresses[one["targets"][0].as_str().unwrap()]);
        }
        (name, one)
    })
    .collect()
}

fn is_above_low(finding: &Json) -> bool {
    ["medium", "high", "critical"].contains(&finding["level"].as_str().unwrap())
}

// Goal: one run of the program over what a host became and its own logs finds these steps of a real attack above low, and lays
// what differs at the attacker's door.
#[test]
fn each_step_of_the_attack_is_found() {
    let Some(dir) = incident() else { return };
    let report = planned(&dir, "host-written", "");
    let found = findings(&report);
    let names: Vec<_> = found.keys().collect();
    for (step, name) in FOUND {
        let Some(finding) = found.get(name) else {
            panic!("{step}: no {name} in {names:#?}");
        };
        assert!(is_above_low(finding), "{step}: {finding:#}");
        // sudo's own line names no session.
        if step != "sudo-root" {
            assert_eq!(finding["addresses"][0], "198.18.77.66", "{step}");
        }
        if finding["source"] == "drift" {
            assert_eq!(finding["actor"]["name"], "root", "{step}");
        }
    }
    // What differs by the admin's hand keeps the level of its indicator: the host's own logs prove nothing.
    let by_ops = found["scheduled-job /etc/cron.d/shop-report"];
    assert_eq!(
        (&by_ops["level"], &by_ops["addresses"][0]),
        (&"medium".into(), &"198.18.77.2".into())
    );
}

// Goal: where the logs came by a road that the host cannot forge, what the admin did by hand is not above low, and still less
// in an approved window; nothing that the attacker did becomes milder.
#[test]
fn what_the_admin_did_is_mild_where_it_is_proven() {
    let Some(dir) = incident() else { return };
    let forgeable = planned(&dir, "host-written", "");
    let proven = planned(&dir, "authenticated", "");
    let (forgeable, proven) = (findings(&forgeable), findings(&proven));
    assert_eq!(forgeable.len(), proven.len());
    let mut milder = Vec::new();
    for (name, finding) in &proven {
        let of_ops = name.ends_with("shop-report");
        assert_eq!(
            is_above_low(finding),
            !of_ops && is_above_low(forgeable[name]),
            "{name}"
        );
        if finding["level"] != forgeable[name]["level"] {
            milder.push(name.as_str());
        }
    }
    let window = "  windows:\n    - { id: CHG-7, from: 2026-11-24T03:00:00Z, until: 2026-11-24T04:00:00Z, who: [ops] }\n";
    let in_window = planned(&dir, "authenticated", window);
    for (name, finding) in findings(&in_window) {
        let expected = match name.ends_with("shop-report") {
            true => &Json::from("informational"),
            false => &forgeable[&name]["level"],
        };
        assert_eq!(&finding["level"], expected, "{name}");
    }
    assert_eq!(
        milder,
        [
            "scheduled-job /etc/cron.d/shop-report",
            "unlisted-local-program /usr/local/sbin/shop-report"
        ]
    );
}

// Goal: the report of the attack as people read it: the author of each drift beside its findings.
#[test]
fn authors_stand_beside_what_differs() {
    let Some(dir) = incident() else { return };
    let report = planned(&dir, "host-written", "");
    let authors: BTreeMap<&str, String> = report["drifts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| {
            let by = &drift["author"]["by"];
            let text = |key: &str| by[key].as_str().unwrap();
            (
                drift["address"].as_str().unwrap(),
                format!(
                    "{} {}: {}",
                    text("class"),
                    by["addresses"][0],
                    text("method")
                ),
            )
        })
        .collect();
    insta::assert_debug_snapshot!(authors);
}
