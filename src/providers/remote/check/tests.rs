use super::*;
use crate::model::{Address, Fields, Presence, Risk, RiskLevel, Scope, Span, State, TargetName};

fn desired(kind: &str, path: &str, expected: &[(&str, Value)]) -> Desired {
    Desired {
        id: ResourceId::new(&TargetName("t".into()), kind, path),
        origin: Span {
            file: String::new(),
            line: 1,
            column: 1,
        },
        address: Address(path.into()),
        presence: Presence::Present(fields(expected)),
        create_with: Fields::new(),
        scope: None,
        depends_on: BTreeSet::new(),
        risk: Risk {
            level: RiskLevel::Low,
            why: String::new(),
        },
        disclose: false,
        sensitive: false,
        controls: vec![],
        one_way: None,
        options: Fields::new(),
    }
}

fn fields(pairs: &[(&str, Value)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn directory() -> Observed {
    Observed::Present(State::of(fields(&[
        ("type", "directory".into()),
        ("mode", "0777".into()),
    ])))
}

fn member(address: &str, kind: &str) -> Member {
    Member {
        address: Address(address.into()),
        kind: Kind(kind.into()),
        observed: directory(),
        remedy: Some(State::default()),
        by_hand: None,
    }
}

// Goal: a host that proposes its own remedy, speaks of resources that nobody asked for, or is silent about one, decides
// nothing: the remedy is the baseline's, the silence is no cleanness, and content that no state refers to is dropped.
#[test]
fn a_host_proposes_nothing() {
    let one = desired(
        kinds::DIRECTORY,
        "/etc/a",
        &[("type", "directory".into()), ("mode", "0755".into())],
    );
    let two = desired(kinds::DIRECTORY, "/etc/b", &[]);
    let evil = Observation {
        observed: directory(),
        remedy: Some(State::of(fields(&[("mode", "4777".into())]))),
        listing: Some(Listing {
            members: vec![member("/etc/a/x", kinds::DIRECTORY)],
            complete: Completeness::Complete,
            ignored: 0,
        }),
        by_hand: None,
        one_way: None,
    };
    let stranger = ResourceId::new(&TargetName("other".into()), kinds::FILE, "x");
    let mut sent = Contents::default();
    sent.keep(b"nobody asked".to_vec());
    let seen = snapshot(
        &[one.clone(), two.clone()],
        vec![(one.id.clone(), evil.clone()), (stranger, evil)],
        sent,
        &Baselines::default(),
    );
    assert_eq!(seen.observations.len(), 2);
    let first = &seen.observations[&one.id];
    let remedy = first.remedy.as_ref().unwrap();
    assert_eq!(remedy.get("mode"), Some(&Value::from("0755")));
    assert_eq!(first.listing, None);
    assert!(matches!(
        seen.observations[&two.id].observed,
        Observed::NotEvaluated(_)
    ));
    assert_eq!(seen.contents.bytes(), 0);
}

// Goal: a listing is of its own directory: an entry elsewhere, of an unknown kind, listed twice or managed by git would
// become a step against it; such a listing is not whole, and no entry of a directory has a remedy of its own.
#[test]
fn a_listing_stays_in_its_place() {
    let mut top = desired(kinds::DIRECTORY, "/etc/a", &[("type", "directory".into())]);
    top.scope = Some(Scope::default());
    let inner = desired(kinds::FILE, "/etc/a/managed", &[]);
    let all = [
        member("/etc/a/x", kinds::DIRECTORY),
        member("/etc/a/x", kinds::DIRECTORY),
        member("/etc/a", kinds::DIRECTORY),
        member("/etc/ab", kinds::DIRECTORY),
        member("/etc/a/../shadow", kinds::FILE),
        member("/etc/a/managed", kinds::FILE),
        member("/etc/a/y", "Package"),
    ];
    let answer = Observation {
        observed: directory(),
        remedy: None,
        listing: Some(Listing {
            members: all.to_vec(),
            complete: Completeness::Complete,
            ignored: 0,
        }),
        by_hand: None,
        one_way: None,
    };
    let answered = vec![(top.id.clone(), answer)];
    let desired = [top.clone(), inner];
    let seen = snapshot(
        &desired,
        answered,
        Contents::default(),
        &Baselines::default(),
    );
    let listing = seen.observations[&top.id].listing.as_ref().unwrap();
    assert!(matches!(listing.complete, Completeness::Partial(_)));
    let left: Vec<_> = listing
        .members
        .iter()
        .map(|member| (member.address.0.as_str(), member.remedy.is_some()))
        .collect();
    assert_eq!(left, [("/etc/a/x", false)]);
}

// Goal: a host's words are one bounded line without control characters.
#[test]
fn words_are_bounded() {
    assert_eq!(bounded("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\u{a}b");
    assert_eq!(bounded(&"x".repeat(10_000)).chars().count(), 501);
}
