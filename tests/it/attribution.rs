//! The drifts of recorded attacks, joined with the logs that were recorded with them.
//!
//! Needs the recordings beside the project; says so where they are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evenkeel::detect::attribution::{Kept, Known, Party, Span, Wanted, attribute};
use evenkeel::events::{Decode, Line, SourceTerms, auditd, journald, syslog};
use evenkeel::model::{
    Address, Attribution, Authorship, Change, Class, Drift, FieldDrift, Kind, Observed, Record,
    ResourceId, Risk, Span as Place, TargetName, Trust,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::recorded::{baseline, incident};
use crate::support::{Project, config};

mod cluster;
mod forged;

/// A drift as attribution sees it.
fn drift(target: &str, kind: &str, address: &str, change: Change, fields: &[&str]) -> Drift {
    Drift {
        resource: ResourceId {
            target: TargetName(target.to_owned()),
            kind: Kind(kind.to_owned()),
            name: address.to_owned(),
        },
        address: Address(address.to_owned()),
        change,
        fields: fields
            .iter()
            .map(|path| FieldDrift {
                path: (*path).to_owned(),
                expected: None,
                actual: None,
            })
            .collect(),
        before: Observed::Absent,
        after: None,
        origin: Place {
            file: String::new(),
            line: 0,
            column: 0,
        },
        found_in: None,
        risk: Risk::default(),
        disclose: false,
        sensitive: false,
        controls: Vec::new(),
        depends_on: Vec::new(),
        options: BTreeMap::new(),
        one_way: None,
        by_hand: None,
    }
}

/// The drifts of a recording against what git held, as `plan` reports them.
fn planned(dir: &Path, host: &str, recording: &str) -> Vec<Drift> {
    let named = config("observe", "").replace("name: host", &format!("name: {host}"));
    let project = Project::new(&named, "");
    std::fs::remove_dir_all(project.repo.join("desired-state/host")).unwrap();
    baseline(&project, dir, host);
    let snapshot = dir.join(recording).display().to_string();
    let report = project
        .run(&["plan", "--format", "json", "--snapshot", &snapshot])
        .json();
    let drifts = report["drifts"].as_array().unwrap().iter();
    let made = drifts.map(|it| {
        let text = |key: &str| it[key].as_str().unwrap();
        let change = serde_json::from_value(it["change"].clone()).unwrap();
        let fields: Vec<&str> = it["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["path"].as_str().unwrap())
            .collect();
        drift(host, text("kind"), text("address"), change, &fields)
    });
    made.collect()
}

fn records(dir: &Path, logs: &[&str], host: &str, trust: Trust) -> Vec<Record> {
    let mut all = Vec::new();
    for name in logs {
        let bytes = std::fs::read(dir.join("logs").join(name)).unwrap();
        let terms = SourceTerms {
            name: (*name).into(),
            trust,
            host: Some(host.into()),
            zone: TimeZone::UTC,
            until: "2026-11-24T03:30:00Z".parse().unwrap(),
        };
        let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
        let lines = lines
            .filter(|(bytes, _)| !bytes.is_empty())
            .map(|(bytes, number)| Line { number, bytes });
        let mut decoder: Box<dyn Decode> = match name {
            name if name.ends_with("journal.json") => {
                all.extend(lines.map(|line| {
                    let body = serde_json::from_slice(line.bytes).unwrap();
                    journald::decode(body, line.number, &terms).unwrap()
                }));
                continue;
            }
            name if name.ends_with("audit.log") => Box::new(auditd::Auditd::new(terms)),
            _ => Box::new(syslog::Syslog::new(terms)),
        };
        let mut left = Vec::new();
        lines.for_each(|line| decoder.take(line, &mut all, &mut left));
        decoder.end(&mut all, &mut left);
        assert!(left.is_empty(), "{left:?}");
    }
    all
}

/// The team: its people by key and by where they come from.
fn team() -> Known {
    let party = |name: &str, user: &str, key: &str| Party {
        name: name.to_owned(),
        identities: BTreeSet::from([user.to_owned()]),
        keys: BTreeSet::from([key.to_owned()]),
        addresses: vec!["198.18.77.2".parse().unwrap()],
    };
    Known {
        people: vec![
            party(
                "ops",
                "root",
                "SHA256:gg/v3JptnZH52Q9zKS7UpL83gl8RTK5xDJwlxHMAXtE",
            ),
            party(
                "alice",
                "alice",
                "SHA256:9p+uFtEQT8w7l8pGuYw30Sdp+N29nH5mYTVF+OfWqk0",
            ),
        ],
        ..Known::default()
    }
}

fn authors(drifts: &[Drift], records: &[Record], known: &Known) -> Vec<Authorship> {
    let mut kept = Kept::new(Wanted::of(drifts));
    records.iter().for_each(|record| kept.take(record));
    attribute(drifts, &kept, known, Span::default())
}

/// A step of the truth: who, from where, when.
struct Step {
    actor: String,
    source: String,
    start: Timestamp,
    end: Timestamp,
}

fn steps(dir: &Path) -> BTreeMap<String, Step> {
    let text = std::fs::read_to_string(dir.join("truth.yaml")).unwrap();
    let mut steps = BTreeMap::new();
    for part in text.split("- order: ").skip(1) {
        let field = |key: &str| {
            let mark = format!("\n  {key}: ");
            let rest = part.split_once(&mark).unwrap().1;
            rest.lines().next().unwrap().trim_matches('\'').to_owned()
        };
        let step = Step {
            actor: field("actor"),
            source: field("source"),
            start: field("start").parse().unwrap(),
            end: field("end").parse().unwrap(),
        };
        steps.insert(field("id"), step);
    }
    steps
}

/// What is wrong with an attribution against the step that made the drift.
fn wrong(found: &Authorship, step: &Step) -> Option<String> {
    let Authorship::By(found) = found else {
        return Some("no event".to_owned());
    };
    let time = found.time.unwrap();
    // The kernel's clock for audit records ticks every few milliseconds.
    let start = step.start - SignedDuration::from_millis(10);
    let in_time = (start..=step.end).contains(&time);
    let from = found.addresses == [step.source.clone()];
    // Each record that is named is one of the logs, and one of them is the change itself.
    let shown = found.events.iter().any(|event| event.time == time);
    let is_attack = step.actor == "attacker";
    let blamed = found.against.is_empty() != is_attack;
    (!(in_time && from && shown && blamed)).then(|| format!("{found:#?}"))
}

const H1_LOGS: [&str; 3] = ["audit.log", "auth.log.1", "auth.log"];

/// The drifts that `plan` finds, and by which step of the truth each came about.
const PLANNED: [(&str, &str); 15] = [
    ("/root/.ssh/authorized_keys", "root-key"),
    ("/etc/hosts", "hosts-entry"),
    ("/etc/ssh/sshd_config", "sshd-config"),
    ("//sysctl/net.ipv4.conf.all.forwarding", "ip-forward"),
    ("//sysctl/net.ipv4.conf.default.forwarding", "ip-forward"),
    ("//sysctl/net.ipv4.conf.eth0.forwarding", "ip-forward"),
    ("//sysctl/net.ipv4.conf.lo.forwarding", "ip-forward"),
    ("//sysctl/net.ipv4.ip_forward", "ip-forward"),
    ("/etc/cron.d/shop-report", "ops-cron"),
    ("/etc/cron.d/sysstat-collect", "cron-drop"),
    ("/etc/rsyslog.d/05-ratelimit.conf", "log-blind"),
    ("/usr/local/bin/dbus-helper", "suid-shell"),
    ("/usr/local/sbin/.sysupd", "cron-drop"),
    ("/usr/local/sbin/shop-report", "ops-cron"),
    ("//user/sysd", "add-root-user"),
];

// Goal: each drift of a real attack is laid at the door of whoever made it, with their address and the time, and what an
// admin did meanwhile at theirs.
#[test]
fn each_drift_of_the_recorded_attack_has_its_author() {
    let Some(dir) = incident() else { return };
    let steps = steps(&dir);
    let drifts = planned(&dir, "h1", "after.json");
    let records = records(&dir, &H1_LOGS, "h1", Trust::HostWritten);
    let found = authors(&drifts, &records, &team());
    let mut problems = Vec::new();
    let by_address: BTreeMap<_, _> = PLANNED.into_iter().collect();
    assert_eq!(drifts.len(), PLANNED.len());
    for (drift, found) in drifts.iter().zip(&found) {
        let Some(step) = by_address.get(drift.address.0.as_str()) else {
            problems.push(format!("{} is in no step", drift.address.0));
            continue;
        };
        if let Some(why) = wrong(found, &steps[*step]) {
            problems.push(format!("{}: {why}", drift.address.0));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Drifts that the baseline of this test does not hold, of the same attack.
const BESIDE: [(&str, &str, Change, &str); 3] = [
    (
        "//listener/tcp/0.0.0.0:4444",
        "Listener",
        Change::Extra,
        "listener",
    ),
    ("/usr/bin/w", "File", Change::Changed, "replace-w"),
    (
        "//package/tzdata",
        "Package",
        Change::Changed,
        "package-upgrade",
    ),
];

// Goal: what a listener, a replaced program and an upgrade show is found by other keys than a path that was created.
#[test]
fn other_sorts_of_drift_have_their_author() {
    let Some(dir) = incident() else { return };
    let steps = steps(&dir);
    let drifts: Vec<_> = BESIDE
        .iter()
        .map(|(address, kind, change, _)| drift("h1", kind, address, *change, &["content"]))
        .collect();
    let records = records(&dir, &H1_LOGS, "h1", Trust::HostWritten);
    let found = authors(&drifts, &records, &team());
    let problems: Vec<_> = BESIDE
        .iter()
        .zip(&found)
        .filter_map(|((address, _, _, step), found)| {
            Some(format!("{address}: {}", wrong(found, &steps[*step])?))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

// Goal: the key that was left on the second host goes back to the login from the first.
#[test]
fn the_lateral_move_is_found_on_the_other_host() {
    let Some(dir) = incident() else { return };
    let drifts = planned(&dir, "h2", "h2.after.json");
    let logs = ["h2/audit.log", "h2/auth.log"];
    let records = records(&dir, &logs, "h2", Trust::HostWritten);
    let found = authors(&drifts, &records, &team());
    assert_eq!(found.len(), 1);
    assert_eq!(wrong(&found[0], &steps(&dir)["lateral-h2"]), None);
}

fn by(found: &Authorship) -> &Attribution {
    match found {
        Authorship::By(found) => found,
        Authorship::NoEvent { .. } => panic!("no event"),
    }
}

// Goal: the host's own logs make nobody's act milder; the same logs by a road that proves them make the admin's manual,
// and the attacker's nothing else.
#[test]
fn only_proven_logs_make_a_class_milder() {
    let Some(dir) = incident() else { return };
    let drifts = planned(&dir, "h1", "after.json");
    for (trust, of_ops) in [
        (Trust::HostWritten, Class::Suspicious),
        (Trust::Authenticated, Class::Manual),
    ] {
        let records = records(&dir, &H1_LOGS, "h1", trust);
        for (drift, found) in drifts.iter().zip(&authors(&drifts, &records, &team())) {
            let expected = match drift.address.0.ends_with("shop-report") {
                true => of_ops,
                false => Class::Suspicious,
            };
            assert_eq!(by(found).class, expected, "{}", drift.address.0);
        }
    }
}

// Goal: a drift of which no log tells says what time the logs cover.
#[test]
fn no_event_is_said_with_the_coverage() {
    let Some(dir) = incident() else { return };
    let drifts = [drift("h1", "File", "/opt/untold", Change::Extra, &[])];
    let records = records(&dir, &H1_LOGS, "h1", Trust::HostWritten);
    let found = authors(&drifts, &records, &team());
    let Authorship::NoEvent { coverage } = &found[0] else {
        panic!("{found:#?}");
    };
    let names: Vec<&str> = coverage.iter().map(|source| &*source.source).collect();
    assert_eq!(names, ["audit.log", "auth.log", "auth.log.1"]);
    let audit: Vec<_> = records
        .iter()
        .filter(|record| &*record.place.source == "audit.log")
        .collect();
    assert_eq!(coverage[0].records, audit.len() as u64);
    assert_eq!(Some(coverage[0].from), audit.iter().map(|it| it.time).min());
    assert_eq!(
        Some(coverage[0].until),
        audit.iter().map(|it| it.time).max()
    );
}
