//! CloudTrail: what independent evaluators agree on, what our own rules add, and how quiet they are on daily work.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel::model::Level;
use serde_json::Value as Json;

use super::benign;
use super::evaluate::{decode, findings, load, rule_files, shared};

/// The public rules that can be evaluated.
fn public_rules() -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![shared("corpora/sigma-rules/aws_cloudtrail")?];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let text = std::fs::read_to_string(&path).unwrap();
                    // One asks for the countries and networks of a team, which nobody but the team knows.
                    if !text.contains("|expand") {
                        found.push((path.to_string_lossy().into_owned(), text));
                    }
                }
            }
        }
    }
    found.sort();
    Some(found)
}

// Goal: a technique that is found no more, since a rule or the engine changed.
#[test]
fn most_techniques_are_found() {
    let Some(mut rules) = public_rules() else {
        return;
    };
    let Some(corpus) = shared("corpora/cloudtrail-stratus.jsonl") else {
        return;
    };
    rules.extend(rule_files(&["aws"]));
    let rules = load(&rules);
    let mut by_technique: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for line in std::fs::read_to_string(corpus).unwrap().lines() {
        let mut record: Json = serde_json::from_str(line).unwrap();
        let truth = record.as_object_mut().unwrap().remove("_corpus").unwrap();
        let technique = truth["technique"].as_str().unwrap().to_owned();
        by_technique.entry(technique).or_default().push(record);
    }
    assert_eq!(by_technique.len(), 35);
    let missed: BTreeSet<_> = by_technique
        .iter()
        .filter(|(_, records)| {
            let found = findings(&rules, decode("cloudtrail", records));
            !found.iter().any(|finding| finding.level > Level::Low)
        })
        .map(|(technique, _)| technique.as_str())
        .collect();
    let known = [
        "aws.persistence.lambda-layer-extension",
        "aws.persistence.lambda-overwrite-code",
    ];
    assert_eq!(missed, BTreeSet::from(known));
}

// Goal: a rule that takes what infrastructure code and people do every day for an attack.
#[test]
fn daily_work_is_quiet() {
    let rules = load(&rule_files(&["aws"]));
    let records: Vec<Json> = benign::records(100_000, 1).collect();
    let found = findings(&rules, decode("cloudtrail", &records));
    let loud: Vec<_> = found
        .iter()
        .filter(|finding| finding.level > Level::Low)
        .map(|finding| finding.title.as_str())
        .collect();
    assert!(loud.len() <= 5, "{loud:?}");
}
