//! The logs of a recorded attack on a real host, and lines that others collected.
//!
//! Needs the recordings beside the project; says so where they are missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evenkeel::events::{Decode, Left, Line, SourceTerms, auditd, journald, syslog};
use evenkeel::model::{Event, Outcome, Record, TimeBasis, Trust};
use jiff::tz::TimeZone;
use serde_json::Value;

const ATTACKER: &str = "198.18.77.66";
const ATTACKERS_KEY: &str = "SHA256:claZgKkMNyObZXNEXqakjyLaVIOVuRpqI48WsQmsRdw";

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(path);
    if !path.exists() {
        eprintln!("skipped: no {} in ../shared", path.display());
        return None;
    }
    Some(path)
}

fn log(name: &str) -> Option<Vec<u8>> {
    let path = shared("recordings/host/incident-ssh-takeover/logs")?.join(name);
    Some(std::fs::read(path).expect("a recorded log can be read"))
}

fn terms(name: &str, until: &str) -> SourceTerms {
    SourceTerms {
        name: name.into(),
        trust: Trust::HostWritten,
        host: None,
        zone: TimeZone::UTC,
        until: until.parse().unwrap(),
    }
}

fn lines(bytes: &[u8]) -> Vec<Line<'_>> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    lines
        .filter(|(bytes, _)| !bytes.is_empty())
        .map(|(bytes, number)| Line { number, bytes })
        .collect()
}

/// Decodes all lines and holds that each is in one count, and that none was left out.
fn decoded(mut decoder: impl Decode, bytes: &[u8]) -> Vec<Record> {
    let (mut records, mut left) = (Vec::new(), Vec::new());
    let lines = lines(bytes);
    for line in &lines {
        decoder.take(*line, &mut records, &mut left);
    }
    decoder.end(&mut records, &mut left);
    let none: Vec<Left> = Vec::new();
    assert_eq!(left, none);
    assert_eq!(records.len() as u64 + decoder.joined(), lines.len() as u64);
    records
}

const UNTIL: &str = "2026-11-24T03:30:00Z";

fn audit(name: &str) -> Option<Vec<Record>> {
    let bytes = log(name)?;
    Some(decoded(auditd::Auditd::new(terms(name, UNTIL)), &bytes))
}

fn text(name: &str) -> Option<Vec<Record>> {
    let bytes = log(name)?;
    Some(decoded(syslog::Syslog::new(terms(name, UNTIL)), &bytes))
}

fn journal(name: &str) -> Option<Vec<Record>> {
    let bytes = log(name)?;
    let terms = terms(name, UNTIL);
    let entries = lines(&bytes);
    Some(
        entries
            .iter()
            .map(|line| {
                let body = serde_json::from_slice(line.bytes).expect("JSON");
                journald::decode(body, line.number, &terms).expect("an entry")
            })
            .collect(),
    )
}

fn is(record: &Record, key: &str, value: &str) -> bool {
    record.body.get(key).and_then(Value::as_str) == Some(value)
}

// Goal: each line of the host's audit logs belongs to a record, and records of one event are one record.
#[test]
fn audit_logs_are_whole() {
    for (name, calls) in [("audit.log", 587), ("h2/audit.log", 0)] {
        let Some(records) = audit(name) else { return };
        let ids: BTreeSet<_> = records.iter().map(|record| record.id.clone()).collect();
        assert_eq!(
            ids.len(),
            records.len(),
            "{name}: an event became two records"
        );
        let with_call = records
            .iter()
            .filter(|record| record.body.get("syscall").is_some())
            .count();
        assert!(
            calls == 0 || with_call == calls,
            "{name}: {with_call} system calls"
        );
        let times: Vec<_> = records
            .iter()
            .map(|record| record.time.to_string())
            .collect();
        assert!(
            times.iter().all(|time| time.starts_with("2026-11-24T03:1")),
            "{name}"
        );
    }
}

/// A step of the attack as the audit log must tell it: what, on which file or by which command, by whom, who that was at login.
const STEPS: [(&str, &str, &str, &str); 13] = [
    ("write", "/root/.ssh/authorized_keys", "root", "alice"),
    ("create", "/etc/cron.d/sysstat-collect", "root", "alice"),
    ("create", "/usr/local/sbin/.sysupd", "root", "alice"),
    ("create", "/usr/local/bin/dbus-helper", "root", "alice"),
    ("rename", "/etc/ssh/sshd_config", "root", "alice"),
    // Written in place, which an overlay does by creating the file in its upper layer.
    ("create", "/usr/bin/w", "root", "alice"),
    (
        "create",
        "/etc/rsyslog.d/05-ratelimit.conf",
        "root",
        "alice",
    ),
    ("write", "/etc/hosts", "root", "root"),
    ("attributes", "/usr/local/bin/dbus-helper", "root", "alice"),
    ("rename", "/etc/passwd", "root", "alice"),
    ("rename", "/etc/shadow", "root", "alice"),
    ("rename", "/etc/shop/shop.conf", "root", "root"),
    ("create", "/etc/cron.d/shop-report", "root", "root"),
];

// Goal: each step that changed a file is in the audit log with its file, what happened to it, and both of its names.
#[test]
fn audit_tells_the_steps() {
    let Some(records) = audit("audit.log") else {
        return;
    };
    let mut missing = Vec::new();
    for (change, file, user, login) in STEPS {
        let told = records.iter().any(|record| {
            let event = auditd::event(record);
            is(record, "change", change)
                && event
                    .object
                    .as_ref()
                    .is_some_and(|object| object.name == file)
                && event.actor.name == user
                && event.actor.original.as_deref().unwrap_or(&event.actor.name) == login
                && event.outcome == Outcome::Success
        });
        if !told {
            let near: Vec<_> = records
                .iter()
                .filter(|record| is(record, "object", file))
                .map(|record| {
                    format!(
                        "{:?} {:?}",
                        record.body.get("change"),
                        auditd::event(record)
                    )
                })
                .collect();
            missing.push(format!("{change} {file}: {near:#?}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

// Goal: commands come with all arguments and the parent's, and connections with their peer.
#[test]
fn audit_tells_commands_and_connections() {
    let Some(records) = audit("audit.log") else {
        return;
    };
    let ran = |command: &str| {
        let found = records
            .iter()
            .find(|record| is(record, "command_line", command) && is(record, "syscall", "execve"));
        found.unwrap_or_else(|| panic!("{command} was not run"))
    };
    let chattr = ran("chattr +i /etc/cron.d/sysstat-collect");
    assert_eq!(chattr.body["exe"], "/usr/bin/chattr");
    ran("cp -p /usr/bin/w /usr/lib/.w.real");
    let hidden = ran("/usr/lib/.w.real");
    assert_eq!(hidden.body["parent_command_line"], "/bin/sh /usr/bin/w");
    let peers: BTreeSet<String> = records
        .iter()
        .filter(|record| is(record, "syscall", "connect") || is(record, "syscall", "bind"))
        .filter_map(|record| auditd::event(record).object)
        .map(|object| object.name)
        .collect();
    assert!(peers.contains("198.18.77.12:22"), "{peers:?}");
    assert!(peers.contains("0.0.0.0:4444"), "{peers:?}");
    let failed = records.iter().filter(|record| {
        let event = auditd::event(record);
        is(record, "type", "USER_LOGIN")
            && event.outcome == Outcome::Failure
            && event.addresses == [ATTACKER]
            && event.actor.name == "alice"
    });
    assert_eq!(failed.count(), 10, "wrong passwords");
    let added = records
        .iter()
        .find(|record| is(record, "type", "ADD_USER"))
        .expect("useradd");
    assert_eq!(
        auditd::event(added).actor.original.as_deref(),
        Some("alice")
    );
}

/// What the three forms of sshd's log must tell alike.
fn ssh_story(records: &[Record], event: fn(&Record) -> Event) {
    let logins = |outcome: Outcome, method: &str| -> Vec<&Record> {
        let of = |record: &&Record| {
            let event = event(record);
            event.action == "ssh-login"
                && event.outcome == outcome
                && event.addresses == [ATTACKER]
                && is(record, "method", method)
        };
        records.iter().filter(of).collect()
    };
    assert_eq!(logins(Outcome::Failure, "password").len(), 10);
    let guessed = logins(Outcome::Success, "password");
    assert_eq!(guessed.len(), 1);
    assert_eq!(event(guessed[0]).actor.name, "alice");
    let planted = logins(Outcome::Success, "publickey");
    assert_eq!(planted.len(), 1);
    assert_eq!(event(planted[0]).actor.name, "root");
    assert_eq!(planted[0].body["fingerprint"], ATTACKERS_KEY);
}

// Goal: rsyslog's two forms and the journal tell of the same logins, and lines are whole in each file.
#[test]
fn the_text_logs_and_the_journal_agree() {
    let Some(mut auth) = text("auth.log.1") else {
        return;
    };
    auth.extend(text("auth.log").unwrap());
    ssh_story(&auth, syslog::event);
    assert!(auth.iter().all(|record| record.basis == TimeBasis::Stated && record.host.as_deref() == Some("h1")));
    let traditional = text("auth-traditional.log").unwrap();
    ssh_story(&traditional, syslog::event);
    assert!(
        traditional
            .iter()
            .all(|record| record.basis == TimeBasis::YearInferred)
    );
    for (new, old) in auth.iter().zip(&traditional) {
        assert_eq!(new.time.as_second(), old.time.as_second());
        assert_eq!(new.body["message"], old.body["message"]);
    }
    let journal = journal("journal.json").unwrap();
    ssh_story(&journal, journald::event);
    for name in [
        "syslog",
        "syslog.1",
        "cron.log",
        "cron.log.1",
        "h2/auth.log",
        "h2/auth-traditional.log",
        "h2/syslog",
        "h2/cron.log",
    ] {
        assert!(!text(name).unwrap().is_empty(), "{name}");
    }
    self::journal("h2/journal.json").unwrap();
}

// Goal: what was hidden from auth.log is told by the journal: sudo, the new user and the cron job, each with who it was.
#[test]
fn the_journal_tells_what_was_hidden() {
    let Some(records) = journal("journal.json") else {
        return;
    };
    let events: Vec<Event> = records.iter().map(journald::event).collect();
    let sudo = events
        .iter()
        .find(|event| event.action == "sudo")
        .expect("sudo");
    assert_eq!(
        (sudo.actor.name.as_str(), sudo.actor.original.as_deref()),
        ("root", Some("alice"))
    );
    assert_eq!(sudo.object.as_ref().unwrap().name, "/bin/bash");
    let added = events
        .iter()
        .find(|event| event.action == "user-add")
        .expect("useradd");
    assert_eq!(added.object.as_ref().unwrap().name, "sysd");
    let job = |event: &&Event| {
        event
            .object
            .as_ref()
            .is_some_and(|object| object.name == "/usr/local/sbin/.sysupd")
    };
    assert_eq!(events.iter().filter(job).count(), 2);
    let unproven: Vec<_> = records
        .iter()
        .filter(|record| record.body.get("program_unproven").is_some())
        .collect();
    assert!(
        unproven
            .iter()
            .all(|record| !is(record, "program", "sudo") && !is(record, "program", "useradd")),
        "{unproven:#?}"
    );
    assert!(unproven.len() < 8, "{}", unproven.len());
}

// Goal: lines that others collected from many systems are all read, and those that an alert stands on give their target.
#[test]
fn collected_lines_are_read() {
    let Some(path) = shared("corpora/response-crowdsec.jsonl") else {
        return;
    };
    let corpus = std::fs::read_to_string(path).unwrap();
    let mut entries = 0;
    for entry in corpus
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
    {
        let raw = entry["raw"].as_str().unwrap().as_bytes();
        let test = entry["test"].as_str().unwrap();
        let events: Vec<(Value, Event)> = match entry["log_type"].as_str().unwrap() {
            "auditd" => decoded(auditd::Auditd::new(terms(test, UNTIL)), raw)
                .iter()
                .map(|record| (record.body.clone(), auditd::event(record)))
                .collect(),
            "syslog" => decoded(syslog::Syslog::new(terms(test, UNTIL)), raw)
                .iter()
                .map(|record| (record.body.clone(), syslog::event(record)))
                .collect(),
            _ => continue,
        };
        entries += 1;
        for alert in entry["alerts"].as_array().unwrap() {
            let target = alert["GetValue"].as_str().unwrap();
            let told =
                events
                    .iter()
                    .any(|(body, event)| match alert["GetScope"].as_str().unwrap() {
                        "Ip" => event.addresses.iter().any(|address| address == target),
                        "pid" => body["ppid"].as_u64() == target.parse().ok(),
                        "exe" => body["exe"] == target,
                        "username" => event.actor.name == target,
                        scope => panic!("{test}: a scope {scope}"),
                    });
            assert!(told, "{test}: {target} in none of {events:#?}");
        }
        let silent = events
            .iter()
            .filter(|(_, event)| event.action == "log")
            .map(|(body, _)| &body["message"]);
        let silent: Vec<_> = silent.collect();
        eprintln!(
            "{test}: {} records, not understood: {silent:?}",
            events.len()
        );
    }
    assert!(entries > 15, "{entries}");
}
