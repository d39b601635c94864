//! The tests that lie beside our own rules.

use serde_json::Value as Json;

use super::evaluate::{decode, findings, load, rule_files};

fn hold(group: &str) {
    for (path, text) in rule_files(&[group]) {
        let beside = path.replace(".yml", ".test.yaml");
        let tests =
            std::fs::read_to_string(&beside).unwrap_or_else(|error| panic!("{beside}: {error}"));
        let tests: Json =
            serde_yaml::from_str(&tests).unwrap_or_else(|error| panic!("{beside}: {error}"));
        let format = tests["format"]
            .as_str()
            .unwrap_or_else(|| panic!("{beside}: no format"));
        let rules = load(&[(path.clone(), text)]);
        for (part, wanted) in [("must_hit", true), ("must_miss", false)] {
            let cases = tests[part]
                .as_array()
                .unwrap_or_else(|| panic!("{beside}: no {part}"));
            assert!(!cases.is_empty(), "{beside}: {part} is empty");
            for case in cases {
                let events = case["events"].as_array().unwrap();
                let found = findings(&rules, decode(format, events));
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

// Goal: as above.
#[test]
fn rules_for_aws_hold() {
    hold("aws");
}

// Goal: as above. The lines go through the decoders, since what these rules group by is theirs to find.
#[test]
fn rules_for_linux_hold() {
    hold("linux");
}

// Goal: as above.
#[test]
fn rules_for_networks_hold() {
    hold("network");
}
