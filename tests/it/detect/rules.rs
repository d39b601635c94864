//! Our own rules and their tests as files: whether each is complete, and whether the benign stream uses all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::benign;

const RECORDS: usize = 100_000;
const SEED: u64 = 1;

/// A rule's tests, as `docs/rules.md` has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    format: String,
    must_hit: Vec<Case>,
    must_miss: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    events: Vec<Map<String, Value>>,
}

/// The documents of each rule file of the group.
fn rules(group: &str) -> BTreeMap<PathBuf, Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("desired-state/rules")
        .join(group);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("the folder of the rules") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ext| ext == "yml") {
            let text = std::fs::read_to_string(&path).expect("a rule is text");
            let documents = serde_saphyr::from_multiple(&text)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            found.insert(path, documents);
        }
    }
    assert!(!found.is_empty(), "{} has no rules", folder.display());
    found
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().flat_map(words).collect(),
        other => panic!("{other} names no event"),
    }
}

/// An event that a rule names: its source if that is said beside it, its name, and whether that is only a beginning.
type Named = (Option<String>, String, bool);

fn named_events(value: &Value, found: &mut BTreeSet<Named>) {
    if let Value::Array(list) = value {
        list.iter().for_each(|one| named_events(one, found));
    }
    let Value::Object(fields) = value else { return };
    let sources = match fields.get("eventSource") {
        Some(sources) => words(sources).into_iter().map(Some).collect(),
        None => vec![None],
    };
    for (field, value) in fields {
        let beginning = match field.as_str() {
            "eventName" => false,
            "eventName|startswith" => true,
            // Another modifier would name events that this test does not understand, so it must not pass unseen. The
            // field of a value_count is no name of an event.
            other => {
                assert!(
                    !other.starts_with("eventName|"),
                    "{other} is not understood here"
                );
                named_events(value, found);
                continue;
            }
        };
        for name in words(value) {
            for source in &sources {
                found.insert((source.clone(), name.clone(), beginning));
            }
        }
    }
}

// Goal: a rule that says nothing on the benign stream because the stream never makes the call that it watches. Each event
// that a rule names has to happen there, and to succeed.
#[test]
fn each_event_that_our_rules_name_happens_in_the_benign_stream() {
    let mut named = BTreeSet::new();
    for documents in rules("aws").values() {
        documents
            .iter()
            .for_each(|document| named_events(&document["detection"], &mut named));
    }
    let happened: BTreeSet<(String, String)> = benign::records(RECORDS, SEED)
        .filter(|record| record.get("errorCode").is_none())
        .map(|record| {
            let text = |field: &str| record[field].as_str().expect("a text").to_owned();
            (text("eventSource"), text("eventName"))
        })
        .collect();
    let missing: Vec<&Named> = named
        .iter()
        .filter(|(source, name, beginning)| {
            !happened.iter().any(|(at, event)| {
                source.as_ref().is_none_or(|source| source == at)
                    && if *beginning {
                        event.starts_with(name.as_str())
                    } else {
                        event == name
                    }
            })
        })
        .collect();
    assert!(
        named.len() > 60,
        "only {} events were found in the rules",
        named.len()
    );
    assert!(missing.is_empty(), "the benign stream has no {missing:?}");
}

// Goal: a stream that depends on the clock, on chance or on the order of a hash map would give other findings each day;
// one that is out of order or too short would prove less than it says.
#[test]
fn the_benign_stream_is_the_same_each_time_and_in_order() {
    let first: Vec<Value> = benign::records(RECORDS, SEED).collect();
    assert_eq!(first.len(), RECORDS);
    assert!(
        first
            .iter()
            .eq(benign::records(RECORDS, SEED).collect::<Vec<_>>().iter())
    );
    assert!(first.is_sorted_by_key(|record| record["eventTime"].as_str().expect("a time")));
    let ids: BTreeSet<&str> = first
        .iter()
        .filter_map(|record| record["eventID"].as_str())
        .collect();
    assert_eq!(ids.len(), RECORDS, "two records share an eventID");
    let last_day = format!("2026-03-{:02}", 1 + benign::DAYS);
    assert!(
        first[RECORDS - 1]["eventTime"]
            .as_str()
            .expect("a time")
            .starts_with(&last_day)
    );
}

// Goal: a rule that arrives without tests, without the ids that reports need, or with an id that another has.
#[test]
fn each_rule_of_ours_is_complete() {
    let mut ids = BTreeMap::new();
    for (path, documents) in rules("aws") {
        let shown = path.display();
        for document in &documents {
            let id = document["id"]
                .as_str()
                .unwrap_or_else(|| panic!("{shown}: a document without id"));
            let before = ids.insert(id.to_owned(), path.clone());
            assert!(
                before.is_none(),
                "{shown}: the id {id} is in {before:?} too"
            );
        }
        let rule = documents.last().expect("a document");
        for field in ["title", "description", "author", "date", "status", "level"] {
            assert!(rule[field].is_string(), "{shown}: {field} is missing");
        }
        for field in ["references", "tags", "controls", "falsepositives"] {
            assert!(
                rule[field].as_array().is_some_and(|list| !list.is_empty()),
                "{shown}: {field} is missing"
            );
        }
        let text = std::fs::read_to_string(path.with_extension("test.yaml"))
            .unwrap_or_else(|e| panic!("{shown}: {e}"));
        let tests: Tests = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(tests.format, "cloudtrail", "{shown}");
        for (kind, cases) in [
            ("must_hit", &tests.must_hit),
            ("must_miss", &tests.must_miss),
        ] {
            assert!(!cases.is_empty(), "{shown}: {kind} is empty");
            for case in cases {
                assert!(
                    !case.name.is_empty() && !case.events.is_empty(),
                    "{shown}: an empty case in {kind}"
                );
            }
        }
    }
}

// Goal: a rule that an attacker talks out of it by what his own program says about itself.
#[test]
fn no_rule_of_ours_reads_what_the_caller_says_of_itself() {
    for (path, documents) in rules("aws") {
        for document in documents {
            let text = document["detection"].to_string();
            assert!(!text.contains("userAgent"), "{}: userAgent", path.display());
            assert!(
                !text.contains("roleSessionName"),
                "{}: roleSessionName",
                path.display()
            );
        }
    }
}
