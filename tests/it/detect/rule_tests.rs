//! The tests that lie beside our own rules.

use evenkeel::events::{cloudtrail, kubernetes};
use evenkeel::model::Record;
use serde_json::Value as Json;

use super::evaluate::{findings, load, rule_files, terms};

/// Records of an event as a test gives it.
fn records(group: &str, events: &[Json]) -> Vec<Record> {
    let decode = |(number, event): (usize, &Json)| {
        let mut event = event.clone();
        let line = number as u64 + 1;
        let decoded = match group {
            "aws" => cloudtrail::decode(event, line, &terms()),
            _ => {
                // Where time does not matter, it is left out.
                let given = event.as_object_mut().unwrap();
                given
                    .entry("stageTimestamp")
                    .or_insert("2026-03-02T10:00:00Z".into());
                kubernetes::decode(event, line, &terms())
            }
        };
        decoded.unwrap_or_else(|left| panic!("{left:?}"))
    };
    events.iter().enumerate().map(decode).collect()
}

fn hold(group: &str) {
    for (path, text) in rule_files(&[group]) {
        let beside = path.replace(".yml", ".test.yaml");
        let tests =
            std::fs::read_to_string(&beside).unwrap_or_else(|error| panic!("{beside}: {error}"));
        let tests: Json =
            serde_yaml::from_str(&tests).unwrap_or_else(|error| panic!("{beside}: {error}"));
        let rules = load(&[(path.clone(), text)]);
        for (part, wanted) in [("must_hit", true), ("must_miss", false)] {
            let cases = tests[part]
                .as_array()
                .unwrap_or_else(|| panic!("{beside}: no {part}"));
            assert!(!cases.is_empty(), "{beside}: {part} is empty");
            for case in cases {
                let found = findings(&rules, records(group, case["events"].as_array().unwrap()));
                assert_eq!(
                    !found.is_empty(),
                    wanted,
                    "{beside}: {part}: {}",
                    case["name"]
                );
            }
        }
    }
}

// Goal: a rule that does not hit what it was written for, or hits what it says it leaves alone.
#[test]
fn rules_for_kubernetes_hold() {
    hold("kubernetes");
    hold("kubernetes-allow-lists");
}
