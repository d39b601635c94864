//! Rules and records, brought together as a run does it: in the order of time, with the correlations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel::detect::sigma::{Correlator, Limits, Options, RuleFile, Rules};
use evenkeel::events::formats::{Decoder, decoder};
use evenkeel::events::{Line, SourceTerms};
use evenkeel::model::{Format, Level, Record, Trust};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

/// What a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub title: String,
    /// Where the rule stands.
    pub file: String,
    pub id: String,
    pub level: Level,
    /// The record that it hit, or by which a correlation fired.
    pub record: Record,
    /// What a correlation groups by, with its values.
    pub group: Vec<(String, String)>,
}

pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file or folder beside the project, or none after saying so.
pub fn shared(path: &str) -> Option<PathBuf> {
    let found = project("../shared").join(path);
    if !found.exists() {
        eprintln!("skipped: no {path} in ../shared");
        return None;
    }
    Some(found)
}

/// The rules of some of our own groups, each file with its path.
pub fn rule_files(groups: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for group in groups {
        let dir = project("desired-state/rules").join(group);
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{dir:?}: {error}"));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ext| ext == "yml") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// Loads files, all of which have to be sound.
pub fn load(files: &[(String, String)]) -> Arc<Rules> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| RuleFile { path, text })
        .collect();
    let loaded = Rules::load(&files, &Options::default());
    let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Arc::new(loaded.rules)
}

/// What all sources of these tests have in common.
pub fn terms() -> SourceTerms {
    SourceTerms {
        name: "test".into(),
        trust: Trust::Authenticated,
        host: None,
        zone: TimeZone::UTC,
        until: "2026-12-31T00:00:00Z".parse::<Timestamp>().unwrap(),
    }
}

/// What the rules find in records.
pub fn findings(rules: &Arc<Rules>, mut records: Vec<Record>) -> Vec<Finding> {
    records.sort_by_key(|record| record.time);
    let mut correlator = Correlator::new(Arc::clone(rules), Limits::default());
    let mut found = Vec::new();
    for record in &records {
        let hits = rules.hits(record);
        let alone = hits.iter().map(|hit| (hit.rule, Vec::new()));
        let fired = correlator.feed(&hits, record);
        let together = fired.into_iter().map(|fired| (fired.rule, fired.group));
        for (index, group) in alone.chain(together) {
            let rule = rules.rule(index);
            if rule.is_finding {
                found.push(Finding {
                    title: rule.title.clone(),
                    file: rule.at.file.to_string(),
                    id: rule.id.clone().unwrap_or_default(),
                    level: rule.level.unwrap_or(Level::Informational),
                    record: record.clone(),
                    group,
                });
            }
        }
    }
    found
}

/// Records of events as tests give them: objects, or lines of text.
pub fn decode(format: &str, events: &[Json]) -> Vec<Record> {
    let format = Format::ALL.into_iter().find(|known| known.name() == format);
    let format = format.expect("a known format");
    let mut records = Vec::new();
    let mut left = Vec::new();
    let numbered = events.iter().zip(1..);
    match decoder(format, &terms()) {
        Decoder::Json(decode) => {
            for (event, line) in numbered {
                let mut event = event.clone();
                // Where time does not matter, tests leave it out.
                if format == Format::KubernetesAudit && event["stageTimestamp"].is_null() {
                    event["stageTimestamp"] = "2026-03-02T10:00:00Z".into();
                }
                match decode(event, line, &terms()) {
                    Ok(record) => records.push(record),
                    Err(why) => left.push(why),
                }
            }
        }
        Decoder::Text(mut decode) => {
            for (event, number) in numbered {
                let bytes = event.as_str().expect("a line").as_bytes();
                decode.take(Line { number, bytes }, &mut records, &mut left);
            }
            decode.end(&mut records, &mut left);
        }
    }
    assert!(left.is_empty(), "{left:?}");
    records
}
