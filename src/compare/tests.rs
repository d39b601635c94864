//! Tests of comparing, on resources made by hand.

use super::*;
use crate::model::{
    Completeness, Kind, Listing, Observation, ResourceId, Risk, Scope, Selector, Span, TargetName,
};

fn id(name: &str) -> ResourceId {
    ResourceId::new(&TargetName("t".into()), "File", name)
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::text(*value)))
        .collect()
}

fn desired(name: &str, presence: Presence) -> Desired {
    Desired {
        id: id(name),
        origin: Span {
            file: "t/a.yaml".into(),
            line: 1,
            column: 1,
        },
        address: Address(format!("/etc/{name}")),
        presence,
        create_with: fields(&[("type", "file"), ("mode", "0644")]),
        scope: None,
        depends_on: BTreeSet::new(),
        risk: Risk::default(),
        disclose: false,
        sensitive: false,
        controls: vec![],
        one_way: None,
        options: Fields::new(),
    }
}

fn present(pairs: &[(&str, &str)]) -> Observed {
    Observed::Present(State::of(fields(pairs)))
}

fn snapshot(observations: Vec<(ResourceId, Observation)>) -> Snapshot {
    Snapshot {
        observations: observations.into_iter().collect(),
        ..Snapshot::default()
    }
}

fn exclusive(name: &str, ignore: &[&str]) -> Desired {
    Desired {
        scope: Some(Scope {
            ignore: ignore.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Scope::default()
        }),
        ..desired(name, Presence::Present(fields(&[("type", "directory")])))
    }
}

fn member(address: &str) -> Member {
    Member {
        address: Address(address.into()),
        kind: Kind("File".into()),
        observed: present(&[("type", "file")]),
        remedy: None,
        by_hand: None,
    }
}

fn listing(members: Vec<Member>, complete: Completeness) -> Observation {
    Observation {
        observed: present(&[("type", "directory")]),
        remedy: None,
        listing: Some(Listing {
            members,
            complete,
            ignored: 0,
        }),
        by_hand: None,
        one_way: None,
    }
}

fn run(desired: &[Desired], snapshot: &Snapshot) -> Comparison {
    compare(desired, snapshot, &[], Timestamp::UNIX_EPOCH)
}

// Goal: fields of which the baseline says nothing are no drift, and survive in the state that a remedy leaves.
#[test]
fn unmanaged_fields_are_kept() {
    let wanted = desired(
        "a",
        Presence::Present(fields(&[("type", "file"), ("content", "x")])),
    );
    let seen = present(&[("type", "file"), ("content", "y"), ("mode", "0600")]);
    let result = run(
        &[wanted],
        &snapshot(vec![(id("a"), Observation::plain(seen))]),
    );
    let drift = &result.drifts[0];
    assert_eq!(drift.change, Change::Changed);
    assert_eq!(drift.fields.len(), 1);
    let after = drift.after.as_ref().unwrap();
    assert_eq!(after.get("mode"), Some(&Value::text("0600")));
    assert_eq!(after.get("content"), Some(&Value::text("x")));
}

// Goal: when something of another type stands there, none of its fields leak into the remedy.
#[test]
fn another_type_gives_nothing_on() {
    let wanted = desired("a", Presence::Present(fields(&[("type", "file")])));
    let seen = present(&[("type", "symlink"), ("target", "/etc/shadow")]);
    let result = run(
        &[wanted],
        &snapshot(vec![(id("a"), Observation::plain(seen))]),
    );
    let after = result.drifts[0].after.as_ref().unwrap();
    assert_eq!(after.get("target"), None);
    assert_eq!(after.get("mode"), Some(&Value::text("0644")));
}

// Goal: what could not be seen, or was not looked at, is neither clean nor missing.
#[test]
fn unseen_is_not_evaluated() {
    let wanted = [
        desired("a", Presence::Present(fields(&[("type", "file")]))),
        desired("b", Presence::Absent),
    ];
    let unseen = Observation::not_evaluated(ReasonCode::PermissionDenied, "not readable");
    let result = run(&wanted, &snapshot(vec![(id("a"), unseen)]));
    assert!(result.drifts.is_empty() && result.clean.is_empty());
    assert_eq!(result.not_evaluated.len(), 2);
}

// Goal: in a scope, everything is extra but what git lists, what git says is absent, and the way to what git lists.
#[test]
fn only_unlisted_members_are_extra() {
    let mut nested = desired("d", Presence::Present(fields(&[("type", "file")])));
    nested.id = id("nested");
    nested.address = Address("/etc/d/sub/file".into());
    let wanted = [exclusive("d", &[]), nested];
    let seen = listing(
        vec![
            member("/etc/d/evil"),
            member("/etc/d/sub"),
            member("/etc/d/sub-old"),
            member("/etc/elsewhere"),
        ],
        Completeness::Complete,
    );
    let file = Observation::plain(present(&[("type", "file")]));
    let result = run(
        &wanted,
        &snapshot(vec![(id("d"), seen), (id("nested"), file)]),
    );
    let extras: Vec<_> = result
        .drifts
        .iter()
        .map(|drift| drift.resource.name.as_str())
        .collect();
    assert_eq!(extras, ["/etc/d/evil", "/etc/d/sub-old"]);
    assert!(
        result
            .drifts
            .iter()
            .all(|d| d.change == Change::Extra && d.after.is_none())
    );
}

// Goal: a listing that is not whole keeps its scope from being clean, while what it does show is still named.
#[test]
fn a_partial_listing_is_not_clean() {
    let reason = Reason::new(ReasonCode::TooLarge, "too many entries");
    let seen = listing(vec![member("/etc/d/evil")], Completeness::Partial(reason));
    let result = run(&[exclusive("d", &[])], &snapshot(vec![(id("d"), seen)]));
    assert_eq!(result.drifts.len(), 1);
    assert_eq!(result.not_evaluated.len(), 1);
    assert!(result.clean.is_empty());
}

// Goal: maps are compared by key, so that one more key is drift of that key alone and order is none.
#[test]
fn maps_are_exact_by_key() {
    let map = |keys: &[&str]| {
        Value::Map(
            keys.iter()
                .map(|key| ((*key).to_owned(), Value::Bool(true)))
                .collect(),
        )
    };
    let expected = Fields::from([("keys".to_owned(), map(&["a", "b"]))]);
    let state = State::of(Fields::from([("keys".to_owned(), map(&["b", "evil"]))]));
    let drifts = field_drifts(&expected, &state);
    let paths: Vec<_> = drifts.iter().map(|drift| drift.path.as_str()).collect();
    assert_eq!(paths, ["keys.a", "keys.evil"]);
    assert_eq!(drifts[1].expected, None);
}

// Goal: an exemption silences what it selects until it expires, and the drift stays visible as exempted.
#[test]
fn exemptions_expire() {
    let wanted = desired("a", Presence::Present(fields(&[("type", "file")])));
    let seen = snapshot(vec![(id("a"), Observation::plain(Observed::Absent))]);
    let exemption = Exemption {
        id: "x".into(),
        selector: Selector {
            name: Some("a".into()),
            ..Selector::default()
        },
        reason: "r".into(),
        owner: "o".into(),
        expires: Timestamp::from_second(100).unwrap(),
        origin: wanted.origin.clone(),
    };
    let at = |second| {
        compare(
            std::slice::from_ref(&wanted),
            &seen,
            std::slice::from_ref(&exemption),
            Timestamp::from_second(second).unwrap(),
        )
    };
    assert_eq!((at(99).drifts.len(), at(99).exempted.len()), (0, 1));
    assert_eq!((at(100).drifts.len(), at(100).exempted.len()), (1, 0));
}

// Goal: an exclusive directory that somebody swapped for a link is drift and nothing else: that nothing can be listed in
// it is no reason to call it not evaluated, which would hold up whatever depends on it.
#[test]
fn a_swapped_directory_is_only_drift() {
    let wanted = exclusive("d", &[]);
    let swapped = Observation::plain(present(&[("type", "symlink")]));
    let found = run(&[wanted], &snapshot(vec![(id("d"), swapped)]));
    assert_eq!(found.drifts.len(), 1);
    assert_eq!(found.not_evaluated, []);
}

// Goal: of a resource that lists its entries itself, an entry that differs is changed, one that is gone is missing and waits
// for the directory above it, also where another resource lies below; only what has no remedy is extra.
#[test]
fn a_listed_entry_is_changed_or_missing() {
    let mut tree = exclusive("tree", &[]);
    tree.options
        .insert(LISTS_ENTRIES.to_owned(), Value::Bool(true));
    let remedy = |kind: &str| Some(State::of(fields(&[("type", kind), ("mode", "0755")])));
    let one = |address: &str, kind: &str, observed, remedy| Member {
        kind: Kind(kind.into()),
        observed,
        remedy,
        ..member(address)
    };
    let found = listing(
        vec![
            one(
                "/etc/tree/d",
                "Directory",
                Observed::Absent,
                remedy("directory"),
            ),
            one("/etc/tree/d/f", "File", Observed::Absent, remedy("file")),
            one(
                "/etc/tree/g",
                "File",
                present(&[("type", "file")]),
                remedy("file"),
            ),
            one("/etc/tree/gone", "File", Observed::Absent, None),
            one(
                "/etc/tree/sub",
                "Directory",
                present(&[("type", "directory")]),
                remedy("directory"),
            ),
            one(
                "/etc/tree/sub2",
                "Directory",
                present(&[("type", "directory")]),
                None,
            ),
            one("/etc/tree/x", "File", present(&[("type", "file")]), None),
        ],
        Completeness::Complete,
    );
    let below = ["tree/sub/own", "tree/sub2/own"].map(|name| desired(name, Presence::Absent));
    let seen = snapshot(vec![
        (tree.id.clone(), found),
        (below[0].id.clone(), Observation::plain(Observed::Absent)),
        (below[1].id.clone(), Observation::plain(Observed::Absent)),
    ]);
    let wanted = [vec![tree], below.to_vec()].concat();
    let drifts = run(&wanted, &seen).drifts;
    let shown: Vec<_> = drifts
        .iter()
        .map(|drift| {
            (
                drift.change,
                drift.address.0.as_str(),
                drift.depends_on.len(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Change::Missing, "/etc/tree/d", 0),
            (Change::Changed, "/etc/tree/sub", 0),
            (Change::Missing, "/etc/tree/d/f", 1),
            (Change::Changed, "/etc/tree/g", 0),
            (Change::Extra, "/etc/tree/x", 0),
        ]
    );
    assert_eq!(drifts[2].depends_on[0].name, "/etc/tree/d");
}
