use proptest::prelude::*;

use super::*;
use crate::model::{Actor, FindingSource, ResourceId, RuleRef, TargetName, Trust};

const NOW: &str = "2026-11-24T12:00:00Z";

fn at(minute: i64) -> Timestamp {
    let base: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    base + SignedDuration::from_mins(minute)
}

/// What a rule found: title, place, actor, address, level and minute.
fn rule(
    title: &str,
    place: &str,
    actor: &str,
    address: &str,
    level: Level,
    minute: i64,
) -> Finding {
    let fingerprint = Finding::fingerprint(title, Some(&format!("{actor}{address}")), place);
    let mut finding = drift(place, "File", title);
    finding.id = Finding::id_of(&fingerprint);
    finding.fingerprint = fingerprint;
    finding.source = FindingSource::Rule;
    finding.rule = Some(RuleRef {
        id: None,
        title: title.to_owned(),
    });
    finding.resource = None;
    finding.targets = vec![place.to_owned()];
    finding.level = level;
    finding.trust = Trust::HostWritten;
    finding.actor = (!actor.is_empty()).then(|| Actor {
        name: actor.to_owned(),
        ..Actor::default()
    });
    finding.addresses = (!address.is_empty())
        .then(|| address.to_owned())
        .into_iter()
        .collect();
    (finding.first, finding.last) = (Some(at(minute)), Some(at(minute)));
    finding
}

fn drift(target: &str, kind: &str, name: &str) -> Finding {
    let id = ResourceId::new(&TargetName(target.to_owned()), kind, name);
    Finding::on(id, "unlisted-key", Level::High)
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Which findings are together, as the lists of their places.
fn together(findings: &[Finding]) -> Vec<Vec<usize>> {
    let mut groups: Vec<_> = group(findings, &[], now())
        .into_iter()
        .map(|group| group.members)
        .collect();
    groups.sort();
    groups
}

const H1: &str = "host/h1";
const H2: &str = "host/h2";
const OUT: &str = "203.0.113.9";

// Goal: what one party alone has brings its findings together, across hosts where it is theirs everywhere.
#[test]
fn what_is_one_partys_joins() {
    let high = Level::High;
    for (why, a, b) in [
        (
            "a public address",
            rule("a", H1, "alice", OUT, high, 0),
            rule("b", H2, "bob", OUT, high, 5),
        ),
        (
            "an actor on one host",
            rule("a", H1, "alice", "", Level::Medium, 0),
            rule("b", H1, "alice", "", Level::Low, 5),
        ),
        (
            "an actor by a name that is unique",
            rule("a", "AWS::Account/1", "arn:aws:iam::1:user/x", "", high, 0),
            rule("b", "AWS::Account/2", "arn:aws:iam::1:user/x", "", high, 5),
        ),
        (
            "a private address at one place",
            rule("a", H1, "alice", "10.0.0.9", Level::Medium, 0),
            rule("b", H1, "bob", "10.0.0.9", Level::Medium, 5),
        ),
        (
            "a host that somebody is on",
            rule("a", H1, "alice", "", high, 700),
            drift("h1", "Cron", "/etc/cron.d/x"),
        ),
    ] {
        assert_eq!(together(&[a, b]), [vec![0, 1]], "{why}");
    }
}

// Goal: what many have brings nothing together: two intruders behind one NAT, root on two hosts, a cloud account, the same
// stranger who tries passwords everywhere, and two acts that are days apart.
#[test]
fn what_many_have_does_not_join() {
    let (high, medium) = (Level::High, Level::Medium);
    let mut forged = rule("b", H2, "", OUT, high, 5);
    forged.trust = Trust::Unauthenticated;
    for (why, a, b) in [
        (
            "root on two hosts",
            rule("a", H1, "root", "", high, 0),
            rule("b", H2, "root", "", high, 5),
        ),
        (
            "root on one host, where nobody need be in",
            rule("a", H1, "root", "", medium, 0),
            rule("b", H1, "root", "", medium, 5),
        ),
        (
            "an address behind a NAT",
            rule("a", H1, "", "10.0.0.9", high, 0),
            rule("b", H2, "", "10.0.0.9", high, 5),
        ),
        (
            "a carrier's NAT",
            rule("a", H1, "", "100.64.3.9", high, 0),
            rule("b", H2, "", "100.64.3.9", high, 5),
        ),
        (
            "loopback",
            rule("a", H1, "", "127.0.0.1", medium, 0),
            rule("b", H1, "", "::ffff:127.0.0.1", medium, 5),
        ),
        (
            "the same local name on two hosts",
            rule("a", H1, "alice", "", high, 0),
            rule("b", H2, "alice", "", high, 5),
        ),
        (
            "an account of a cloud",
            rule("a", "AWS::Account/1", "arn:aws:iam::1:user/x", "", high, 0),
            rule("b", "AWS::Account/1", "arn:aws:iam::1:user/y", "", high, 5),
        ),
        (
            "a stranger at the door of two hosts",
            rule("a", H1, "", OUT, medium, 0),
            rule("b", H2, "", OUT, medium, 5),
        ),
        (
            "everybody without a name in a cluster",
            rule("a", "kubernetes-audit", "system:anonymous", "", high, 0),
            rule("b", "kubernetes-audit", "system:anonymous", "", high, 5),
        ),
        (
            "what anybody may have written, on another host",
            rule("a", H1, "", OUT, high, 0),
            forged,
        ),
        (
            "days between",
            rule("a", H1, "alice", OUT, high, 0),
            rule("b", H1, "alice", OUT, high, 3 * 24 * 60),
        ),
    ] {
        assert_eq!(together(&[a, b]), [vec![0], vec![1]], "{why}");
    }
}

// Goal: an account that one finding tells of making and that another tells of acting is a chain; a service of the cloud that
// both name is none.
#[test]
fn who_was_made_and_then_acted_is_one_chain() {
    let account = "AWS::Account/1";
    let mut made = rule("made", account, "arn:aws:iam::1:user/m", "", Level::High, 0);
    made.targets.push("AWS::IAM::User/backdoor".to_owned());
    let acted = rule(
        "acted",
        account,
        "arn:aws:iam::1:user/backdoor",
        "",
        Level::High,
        9,
    );
    assert_eq!(together(&[made.clone(), acted]), [vec![0, 1]]);
    let mut also = rule("also", account, "arn:aws:iam::1:user/n", "", Level::High, 9);
    also.targets.push("AWS::IAM::User/backdoor".to_owned());
    // Two who touched it are no chain.
    assert_eq!(together(&[made, also]), [vec![0], vec![1]]);
    let account = drift("h1", "User", "//user/mallory");
    let mut acted = rule("acted", H1, "mallory", "", Level::Medium, 700);
    acted.trust = Trust::Unauthenticated;
    assert_eq!(together(&[account, acted]), [vec![0, 1]]);
}

// Goal: a compromised host that names everybody's addresses glues no other hosts together by them.
#[test]
fn a_host_that_names_everybody_leads_nowhere() {
    let victims = 20;
    let address = |n: usize| format!("203.0.113.{n}");
    let others = (0..victims).map(|n| {
        let host = format!("host/v{n}");
        rule("x", &host, "", &address(n), Level::High, 0)
    });
    let liar = (0..victims).map(|n| rule(&format!("l{n}"), H1, "", &address(n), Level::High, 5));
    let findings: Vec<_> = others.chain(liar).collect();
    let groups = together(&findings);
    assert_eq!(groups.len(), victims + 1);
    // And one finding with many addresses is about none of them.
    let mut wide = rule("wide", H1, "", &address(0), Level::High, 5);
    wide.addresses = (0..victims).map(address).collect();
    let findings: Vec<_> = findings[..victims].iter().cloned().chain([wide]).collect();
    assert_eq!(together(&findings).len(), victims + 1);
}

fn open<'a>(id: &'a str, minute: i64, findings: &'a [(Timestamp, &'a Finding)]) -> Open<'a> {
    Open {
        id,
        opened: at(minute),
        findings,
    }
}

// Goal: a cause seen again lands in its incident, what is new joins it, and a finding that two incidents lead to joins the
// older one and makes neither disappear.
#[test]
fn open_incidents_take_in_what_is_theirs() {
    let a = rule("a", H1, "alice", "", Level::Medium, 0);
    let b = rule("b", H2, "", OUT, Level::High, 0);
    let (of_a, of_b) = ([(at(1), &a)], [(at(1), &b)]);
    let open = [open("inc-b", 2, &of_b), open("inc-a", 1, &of_a)];
    let again = group(&[b.clone(), a.clone()], &open, now());
    let places: Vec<_> = again
        .iter()
        .map(|it| (it.incident.as_str(), it.is_new, it.members.clone()))
        .collect();
    assert_eq!(
        places,
        [("inc-a", false, vec![1]), ("inc-b", false, vec![0])]
    );
    let bridge = rule("bridge", H1, "alice", OUT, Level::High, 30);
    let groups = group(&[bridge, b.clone()], &open, now());
    let places: Vec<_> = groups
        .iter()
        .map(|it| (it.incident.as_str(), it.members.clone()))
        .collect();
    assert_eq!(places, [("inc-a", vec![0]), ("inc-b", vec![1])]);
    assert!(groups[0].related.contains("inc-b"), "{groups:?}");
}

// Goal: fifty thousand findings that share everything, or nothing, are grouped by work that does not grow with the square.
// Method: with the square it would be more than 10^9 steps, which no test run survives.
#[test]
fn a_flood_is_bounded() {
    let flood: Vec<_> = (0..50_000)
        .map(|n| rule(&format!("r{n}"), H1, "alice", OUT, Level::High, n % 600))
        .collect();
    assert_eq!(group(&flood, &[], now()).len(), 1);
    let apart: Vec<_> = (0..50_000)
        .map(|n| rule("r", &format!("host/h{n}"), "root", "", Level::High, n % 600))
        .collect();
    assert_eq!(group(&apart, &[], now()).len(), 50_000);
}

fn some_finding() -> impl Strategy<Value = Finding> {
    let level = prop_oneof![Just(Level::Low), Just(Level::Medium), Just(Level::High)];
    let (place, actor, address) = (0..4_usize, 0..4_usize, 0..4_usize);
    (0..40_u32, place, actor, address, level, 0..4_000_i64).prop_map(
        |(title, place, actor, address, level, minute)| {
            let places = [H1, H2, "AWS::Account/1", "kubernetes-audit"];
            let actors = ["root", "alice", "arn:aws:iam::1:user/x", ""];
            let addresses = [OUT, "10.0.0.9", "198.51.100.7", ""];
            rule(
                &format!("r{title}"),
                places[place],
                actors[actor],
                addresses[address],
                level,
                minute,
            )
        },
    )
}

/// Which fingerprints belong to which incident.
fn named(findings: &[Finding], groups: &[Group]) -> BTreeMap<String, String> {
    let each = groups.iter().flat_map(|group| {
        let members = group.members.iter();
        members.map(|at| (findings[*at].fingerprint.clone(), group.incident.clone()))
    });
    each.collect()
}

proptest! {
    // Goal: the order in which findings come decides nothing, each belongs to exactly one incident, and grouping again with
    // what came of it changes nothing.
    #[test]
    fn order_and_repetition_change_nothing(mut findings in prop::collection::vec(some_finding(), 1..60), seed in any::<u64>()) {
        let mut known = BTreeSet::new();
        findings.retain(|finding| known.insert(finding.fingerprint.clone()));
        let groups = group(&findings, &[], now());
        let first = named(&findings, &groups);
        prop_assert_eq!(groups.iter().map(|it| it.members.len()).sum::<usize>(), findings.len());
        let mut shuffled = findings.clone();
        shuffled.sort_by_key(|it| blake3::hash(format!("{seed}{}", it.fingerprint).as_bytes()).to_hex().to_string());
        prop_assert_eq!(&first, &named(&shuffled, &group(&shuffled, &[], now())));
        let held: Vec<(String, Vec<(Timestamp, &Finding)>)> = groups
            .iter()
            .map(|it| (it.incident.clone(), it.members.iter().map(|at| (now(), &findings[*at])).collect()))
            .collect();
        let open: Vec<_> = held.iter().map(|(id, all)| Open { id, opened: now(), findings: all }).collect();
        let again = group(&shuffled, &open, now());
        prop_assert!(again.iter().all(|it| !it.is_new && it.related.is_empty()));
        prop_assert_eq!(&first, &named(&shuffled, &again));
    }
}
