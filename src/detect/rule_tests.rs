//! What lies beside a rule as its tests: events that it must hit, and events that it must miss.
//!
//! Flow: `<rule>.test.yaml` → [`RuleTests`] → the caller reads each case's events as it reads a log → findings of the rule or none.

use serde_json::{Map, Value};

use crate::document::{Yaml, YamlValue, parse};
use crate::events::sniff::format_of;
use crate::model::{Format, Problem, Problems, Span};

/// The tests of one file of rules.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleTests {
    /// The form of the events; none where they tell by themselves.
    pub format: Option<Format>,
    pub cases: Vec<Case>,
}

/// Some events, and whether the rules of the file have to find something in them.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    pub name: String,
    pub must_hit: bool,
    /// Lines of a log, each with its end.
    pub log: Vec<u8>,
    pub at: Span,
}

/// The file of rules that tests belong to: `a.test.yaml` to `a.yml` or `a.yaml`.
pub fn tested(path: &str) -> Option<[String; 2]> {
    let stem = path
        .strip_suffix(".test.yaml")
        .or_else(|| path.strip_suffix(".test.yml"))?;
    Some([format!("{stem}.yml"), format!("{stem}.yaml")])
}

/// Reads a file of tests.
///
/// # Errors
/// All that is wrong in it.
pub fn read(path: &str, text: &str) -> Result<RuleTests, Problems> {
    let documents = parse(path, text.as_bytes()).map_err(|problem| Problems(vec![*problem]))?;
    let mut problems = Problems::default();
    let [document] = &documents[..] else {
        problems.push(Problem::general(format!(
            "{path} has {} documents; tests are one",
            documents.len()
        )));
        return Err(problems);
    };
    let tests = file(document, &mut problems);
    match tests {
        Some(tests) if problems.0.is_empty() => Ok(tests),
        _ => Err(problems),
    }
}

fn file(document: &Yaml, problems: &mut Problems) -> Option<RuleTests> {
    let mut fields = document.fields(problems)?;
    let formats = Format::ALL.map(|format| (format.name(), format));
    let format = fields
        .take("format")
        .and_then(|format| format.one_of(&formats, problems));
    let mut cases = Vec::new();
    for (key, must_hit) in [("must_hit", true), ("must_miss", false)] {
        let Some(list) = fields.require(key, problems) else {
            continue;
        };
        let items = list.list(problems)?;
        if items.is_empty() {
            problems.push(
                list.problem("a rule has a case of each sort")
                    .hint("a test that only hits passes for a rule that hits everything"),
            );
        }
        cases.extend(
            items
                .iter()
                .filter_map(|item| case(item, must_hit, format, problems)),
        );
    }
    fields.finish(problems);
    Some(RuleTests { format, cases })
}

fn case(
    node: &Yaml,
    must_hit: bool,
    format: Option<Format>,
    problems: &mut Problems,
) -> Option<Case> {
    let mut fields = node.fields(problems)?;
    let name = fields.require("name", problems)?.text(problems)?.to_owned();
    let events = fields.require("events", problems)?.list(problems)?;
    fields.finish(problems);
    let mut log = Vec::new();
    for (place, event) in events.iter().enumerate() {
        match &event.value {
            YamlValue::Text(line) if !line.contains('\n') => log.extend(line.as_bytes()),
            YamlValue::Map(_) => {
                log.extend(timed(json(event), format, place).to_string().into_bytes())
            }
            _ => problems.push(event.problem("an event is a map, or one line of a log as text")),
        }
        log.push(b'\n');
    }
    if events.is_empty() {
        problems.push(node.problem("a case has events"));
    }
    Some(Case {
        name,
        must_hit,
        log,
        at: node.span(),
    })
}

/// The event with a time where it has none: a rule that asks for no time is tested without one. One second after the other.
fn timed(mut event: Value, format: Option<Format>, place: usize) -> Value {
    let format = format.or_else(|| format_of(event.to_string().as_bytes()));
    let keys: &[&str] = match format {
        Some(Format::CloudTrail) => &["eventTime"],
        Some(Format::KubernetesAudit) => {
            &["stageTimestamp", "requestReceivedTimestamp", "timestamp"]
        }
        Some(Format::Suricata) => &["timestamp"],
        Some(Format::Falco) => &["time"],
        Some(Format::Ocsf) => &["time_dt", "time"],
        _ => &[],
    };
    if let (Some(key), Some(map)) = (keys.first(), event.as_object_mut())
        && !keys.iter().any(|key| map.contains_key(*key))
    {
        let (minutes, seconds) = (place / 60 % 60, place % 60);
        let time = format!("2026-01-01T12:{minutes:02}:{seconds:02}Z");
        map.insert((*key).to_owned(), Value::String(time));
    }
    event
}

fn json(node: &Yaml) -> Value {
    match &node.value {
        YamlValue::Null => Value::Null,
        YamlValue::Bool(value) => Value::Bool(*value),
        YamlValue::Int(value) => Value::from(*value),
        YamlValue::Float(value) => Value::from(*value),
        YamlValue::Text(text) => Value::String(text.clone()),
        YamlValue::List(items) => Value::Array(items.iter().map(json).collect()),
        YamlValue::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.name.clone(), json(value)))
                .collect::<Map<_, _>>(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<String> {
        read("a.test.yaml", text)
            .unwrap_err()
            .0
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    // Goal: a misspelt key, by which a case is never run.
    #[test]
    fn mistakes_are_told_with_their_place() {
        let case = "[{name: a, events: [{a: 1}]}]";
        assert_eq!(
            wrong(&format!("must_hit: {case}\nmust_mis: {case}\n")).len(),
            2
        );
        assert_eq!(
            wrong(&format!("must_hit: []\nmust_miss: {case}\n")).len(),
            1
        );
        assert_eq!(
            wrong(&format!(
                "must_hit: {case}\nmust_miss: [{{name: b, events: [1]}}]\n"
            ))
            .len(),
            1
        );
    }

    // Goal: events that reach the reader in another form than the log has.
    #[test]
    fn events_become_lines() {
        let text = "must_hit: [{name: a, events: [{b: [1, null, x]}, 'type=X msg=audit(1.2:3): a']}]\nmust_miss: [{name: c, events: [{}]}]";
        let tests = read("a.test.yaml", text).unwrap();
        let log = String::from_utf8_lossy(&tests.cases[0].log).into_owned();
        assert_eq!(log, "{\"b\":[1,null,\"x\"]}\ntype=X msg=audit(1.2:3): a\n");
        assert!(tests.cases[0].must_hit && !tests.cases[1].must_hit);
    }
}
