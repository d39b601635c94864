//! A recorded takeover of a cluster: objects that differ, joined with the API server's audit log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evenkeel::detect::attribution::{Commit, Known, Party, plural};
use evenkeel::events::{SourceTerms, kubernetes};
use evenkeel::model::{Change, Class, Drift, Record, Trust};
use jiff::tz::TimeZone;

use super::{authors, by, drift};

fn incident() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/recordings/kubernetes/incident-cluster-admin");
    if !dir.is_dir() {
        eprintln!("skipped: no recordings in ../shared");
        return None;
    }
    Some(dir)
}

fn records(dir: &Path) -> Vec<Record> {
    let terms = SourceTerms {
        name: "audit.jsonl".into(),
        trust: Trust::Authenticated,
        host: None,
        zone: TimeZone::UTC,
        until: "2026-11-24T04:00:00Z".parse().unwrap(),
    };
    let text = std::fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    let lines = text.lines().zip(1..);
    lines
        .map(|(line, number)| {
            kubernetes::decode(serde_json::from_str(line).unwrap(), number, &terms).unwrap()
        })
        .collect()
}

fn team() -> Known {
    let party = |name: &str, user: &str, address: &str| Party {
        name: name.to_owned(),
        identities: BTreeSet::from([user.to_owned()]),
        keys: BTreeSet::new(),
        addresses: vec![address.parse().unwrap()],
    };
    Known {
        people: vec![
            party("alice", "alice", "10.20.0.32"),
            party("bob", "bob", "10.20.0.31"),
        ],
        controllers: vec![
            party(
                "evenkeel",
                "system:serviceaccount:evenkeel-system:evenkeel",
                "10.20.0.5",
            ),
            party(
                "deployer",
                "system:serviceaccount:ci:deployer",
                "10.20.0.15",
            ),
            party("runner", "system:serviceaccount:ci:ci-runner", "10.20.0.15"),
        ],
        proxies: vec!["127.0.0.1".parse().unwrap()],
        ..Known::default()
    }
}

const RUNNER: &str = "system:serviceaccount:ci:ci-runner";
const EVENKEEL: &str = "system:serviceaccount:evenkeel-system:evenkeel";
const DEPLOYER: &str = "system:serviceaccount:ci:deployer";
const OUTSIDE: &str = "203.0.113.66";

/// Each object that differs, how, who that was from where, of which class, and a record of the truth that shows it.
type Row = (
    &'static str,
    Change,
    &'static [&'static str],
    &'static str,
    &'static str,
    Class,
    &'static str,
);

#[rustfmt::skip]
const ROWS: [Row; 12] = [
    ("/ClusterRoleBinding/system:shop-metrics-reader", Change::Extra, &[], RUNNER, OUTSIDE, Class::Suspicious, "fee33166-00cc-4c3c-aae3-b66d73608884"),
    ("/shop/NetworkPolicy/default-deny", Change::Missing, &[], RUNNER, OUTSIDE, Class::Suspicious, "ea817162-1226-49d4-beaf-d267d1ea9d33"),
    ("/Namespace/shop", Change::Changed, &["metadata/labels"], RUNNER, OUTSIDE, Class::Suspicious, "23e701c0-9142-4589-a28b-d090490a0950"),
    ("/kube-system/DaemonSet/kube-proxy-metrics", Change::Extra, &[], RUNNER, OUTSIDE, Class::Suspicious, "a30c855c-2fed-436d-87bf-e704a856c776"),
    ("/shop/Deployment/web", Change::Changed, &["spec/template/spec"], RUNNER, OUTSIDE, Class::Suspicious, "4924eaab-61a1-4429-af67-ed3d979ad1d0"),
    ("/shop/Deployment/web", Change::Changed, &["metadata/annotations"], RUNNER, OUTSIDE, Class::Suspicious, "26386e8e-b931-44e9-82c8-52d23942ab9e"),
    ("/shop/Deployment/payments", Change::Changed, &["spec/template/spec"], RUNNER, OUTSIDE, Class::Suspicious, "8d246d00-b93f-4e58-8c36-ac0084ecee14"),
    ("/shop/NetworkPolicy/orders-allow", Change::Changed, &["spec/egress"], RUNNER, OUTSIDE, Class::Suspicious, "37179237-00bf-4f92-8509-34eff2063327"),
    ("/shop/CronJob/log-rotate", Change::Extra, &[], RUNNER, OUTSIDE, Class::Suspicious, "cc0b4c2a-add8-491e-8aa1-a8b14233edf9"),
    ("/shop/ConfigMap/payments-config", Change::Changed, &["data"], EVENKEEL, OUTSIDE, Class::Suspicious, "38baa988-ecc1-4643-9b4d-58c060f78358"),
    ("/shop/Deployment/web", Change::Changed, &["spec/replicas"], "bob", "10.20.0.31", Class::Manual, "7f7c1323-8a31-44ef-b406-6a93c91c84f3"),
    ("/shop/Deployment/orders", Change::Changed, &["spec/template/spec"], DEPLOYER, "10.20.0.15", Class::Intended, "926d1e6e-b02d-4525-a536-7f3b84c3aefb"),
];

fn drift_of(row: &Row) -> Drift {
    let kind = row.0.rsplit('/').nth(1).unwrap();
    drift("cluster", kind, row.0, row.1, row.2)
}

// Goal: each object that differs goes back to the call and the credential's own name, also where the caller wrote the name
// of the reconciler into its field manager, and where it held the reconciler's token; a person's change stays a person's.
#[test]
fn each_object_of_the_recorded_takeover_has_its_author() {
    let Some(dir) = incident() else { return };
    let drifts: Vec<_> = ROWS.iter().map(drift_of).collect();
    let records = records(&dir);
    let mut known = team();
    known.commits.push(Commit {
        id: "c0ffee".to_owned(),
        time: "2026-11-24T03:21:29Z".parse().unwrap(),
        author: "bob".to_owned(),
        files: BTreeSet::from(["shop/deployment.yaml".to_owned()]),
        met: BTreeSet::from([drifts[11].resource.clone()]),
    });
    let found = authors(&drifts, &records, &known);
    let mut problems = Vec::new();
    for (row, found) in ROWS.iter().zip(&found) {
        let found = by(found);
        let actor = found.actor.as_ref().unwrap();
        let shown = found
            .events
            .iter()
            .any(|event| event.id.as_deref() == Some(row.6));
        if actor.name != row.3 || found.addresses != [row.4] || found.class != row.5 || !shown {
            problems.push(format!("{} {:?}: {found:#?}", row.0, row.2));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

// Goal: without the commit the rollout is a controller's, so that it is git and not the deployer that makes it intended.
#[test]
fn a_rollout_that_git_does_not_explain_is_its_controllers() {
    let Some(dir) = incident() else { return };
    let drifts = [drift_of(&ROWS[11])];
    let found = authors(&drifts, &records(&dir), &team());
    assert_eq!(by(&found[0]).class, Class::Controller);
}

// Goal: kinds are looked up by the names that the API has for them.
#[test]
fn kinds_have_their_plurals() {
    for (kind, name) in [
        ("NetworkPolicy", "networkpolicies"),
        ("Ingress", "ingresses"),
        ("Endpoints", "endpoints"),
        ("Gateway", "gateways"),
        ("DaemonSet", "daemonsets"),
    ] {
        assert_eq!(plural(kind), name);
    }
}
