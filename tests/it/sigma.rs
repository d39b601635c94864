//! Sigma rules as they are published, on records of others.
//!
//! The corpora lie beside the project; says so where they are missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel::detect::sigma::{Loaded, Options, RuleFile, Rules};
use evenkeel::model::{Format, Record, RecordPlace, TimeBasis, Trust};
use serde_json::Value as Json;

/// A folder or file of the corpora, or none after saying so.
fn corpus(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/corpora")
        .join(path);
    if !found.exists() {
        eprintln!("skipped: no {path} in ../shared/corpora");
        return None;
    }
    Some(found)
}

fn rule_files(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rule_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "yml") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

fn load(dir: &Path) -> Loaded {
    let mut files = Vec::new();
    rule_files(dir, &mut files);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| RuleFile { path, text })
        .collect();
    Rules::load(&files, &Options::default())
}

/// A record as a decoder would make it.
fn record(format: Format, line: u64, time: &str, body: Json) -> Record {
    Record {
        format,
        place: RecordPlace {
            source: Arc::from("test"),
            line,
        },
        trust: Trust::HostWritten,
        time: time.parse().unwrap(),
        basis: TimeBasis::Stated,
        id: None,
        host: None,
        body,
    }
}

// Goal: a rule that means something else here than it says, or that is passed over without a word. Method: all 322 published
// rules are loaded; the one with a placeholder that nobody has given a value is refused and named, with its place.
#[test]
fn published_rules_load() {
    let Some(dir) = corpus("sigma-rules") else {
        return;
    };
    let loaded = load(&dir);
    let told: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(!told.is_empty());
    for told in told {
        assert!(told.contains("the placeholder `%"), "{told}");
        assert!(
            told.ends_with("(rule \"AWS Console Login Monitoring\")"),
            "{told}"
        );
    }
    assert_eq!(loaded.rules.all().len(), 321);
}

// Goal: a hit too many or too few against what two independent evaluators agree on: 80 pairs of a rule and a record.
#[test]
fn hits_are_those_of_other_evaluators() {
    let (Some(dir), Some(events)) = (
        corpus("sigma-rules/aws_cloudtrail"),
        corpus("cloudtrail-stratus.jsonl"),
    ) else {
        return;
    };
    let rules = load(&dir).rules;
    let mut pairs = BTreeSet::new();
    for (line, text) in std::fs::read_to_string(events).unwrap().lines().enumerate() {
        let body: Json = serde_json::from_str(text).unwrap();
        let time = body["eventTime"].as_str().unwrap().to_owned();
        let record = record(Format::CloudTrail, line as u64 + 1, &time, body);
        for hit in rules.hits(&record) {
            assert!(pairs.insert((hit.rule, line)), "a rule hit a record twice");
        }
    }
    assert_eq!(pairs.len(), 80);
}
