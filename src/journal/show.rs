//! Shows records: a line each for a person, everything for a program.
//!
//! **Invariant:** shows no content and no field of a state in the lines for people, and nothing there that was not escaped.

use serde_json::{Map, Value as Json, json};

use crate::model::ResourceId;
use crate::ports::Record;

/// The name and version of the JSON form.
pub const SCHEMA: &str = "evenkeel.dev/journal/v1";

/// No line tells more than this many characters of a record.
const MAX_MEANING: usize = 160;

/// One line a record: number, time, run, kind, meaning. `escape` makes text fit for where it is going.
pub fn text(records: &[Record], escape: fn(&str) -> String) -> String {
    let width = records
        .last()
        .map_or(1, |record| record.seq.to_string().len());
    let kinds = records.iter().map(|record| record.kind.chars().count());
    let kind_width = kinds.max().unwrap_or(0).min(24);
    let mut out = String::new();
    for record in records {
        let line = format!(
            "{:>width$}  {}  {}  {:<kind_width$}  {}",
            record.seq,
            record.at.strftime("%Y-%m-%d %H:%M:%SZ"),
            escape(&record.run.0),
            escape(&record.kind),
            escape(&meaning(record)),
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The whole records as versioned JSON.
pub fn json(records: &[Record]) -> Json {
    json!({"schema": SCHEMA, "records": records})
}

/// What a record means, in one line that is not escaped yet.
pub fn meaning(record: &Record) -> String {
    let payload = &record.payload;
    let known = match record.kind.as_str() {
        "intent" => intent(payload),
        "outcome" => outcome(payload),
        "run-started" => run_started(payload),
        "run-ended" => run_ended(payload),
        kind if kind.starts_with("incident-") => incident(payload),
        _ => None,
    };
    let whole = known.unwrap_or_else(|| plainly(payload));
    if whole.chars().count() <= MAX_MEANING {
        return whole;
    }
    let mut short: String = whole.chars().take(MAX_MEANING - 1).collect();
    short.push('…');
    short
}

fn incident(payload: &Json) -> Option<String> {
    let id = text_at(payload, "incident")?;
    if let Some(reason) = text_at(payload, "reason") {
        return Some(format!("{id}: {reason}"));
    }
    let count = |key: &str| match payload.get(key) {
        Some(Json::Array(all)) => all.len(),
        Some(Json::Object(all)) => all.len(),
        _ => 0,
    };
    let findings = count("findings") + count("more") + count("fingerprints");
    Some(format!("{id}: {findings} findings"))
}

fn intent(payload: &Json) -> Option<String> {
    let step = payload.get("step")?;
    let purpose = match text_at(payload, "purpose")? {
        "act" => String::new(),
        other => format!("{other}: "),
    };
    let resource = resource(step.get("resource")?)?;
    Some(format!("{purpose}{} {resource}", text_at(step, "verb")?))
}

fn outcome(payload: &Json) -> Option<String> {
    let mut line = format!(
        "{} {} (of {})",
        resource(payload.get("resource")?)?,
        text_at(payload, "result")?.replace('_', " "),
        payload.get("intent")?
    );
    if payload.get("recovered").and_then(Json::as_bool) == Some(true) {
        line.push_str(", found out by a later run");
    }
    match text_at(payload, "detail") {
        Some(detail) if !detail.is_empty() => Some(format!("{line}: {detail}")),
        _ => Some(line),
    }
}

fn run_started(payload: &Json) -> Option<String> {
    let command = text_at(payload, "command")?;
    let baseline = payload.get("baseline")?;
    let from = match text_at(baseline, "commit") {
        Some(commit) => {
            let short: String = commit.chars().take(12).collect();
            format!("commit {short} ({})", text_at(baseline, "rev")?)
        }
        None => text_at(baseline, "rev")?.to_owned(),
    };
    let targets = payload.get("targets")?.as_array()?;
    let names: Vec<_> = targets
        .iter()
        .filter_map(|target| text_at(target, "name"))
        .collect();
    Some(format!("{command} from {from} on {}", names.join(", ")))
}

fn run_ended(payload: &Json) -> Option<String> {
    if let Some(error) = text_at(payload, "error") {
        return Some(format!("failed: {error}"));
    }
    let outcomes = payload.get("outcomes")?.as_array()?;
    let count = |result: &str| {
        let is = |outcome: &&Json| text_at(outcome, "result") == Some(result);
        (result.to_owned(), outcomes.iter().filter(is).count())
    };
    let mut parts: Vec<_> = ["done", "stale", "failed", "broken"]
        .map(count)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(result, count)| format!("{count} {result}"))
        .collect();
    if let Some(errors) = payload.get("errors").and_then(Json::as_array)
        && !errors.is_empty()
    {
        parts.push(format!("{} errors", errors.len()));
    }
    Some(match parts.is_empty() {
        true => "no group was carried out".to_owned(),
        false => format!("groups: {}", parts.join(", ")),
    })
}

/// The resources and plain values at the top of a payload; of lists the length, of the rest nothing.
fn plainly(payload: &Json) -> String {
    let Some(fields) = payload.as_object() else {
        return scalar(payload).unwrap_or_default();
    };
    let parts: Vec<_> = fields
        .iter()
        .filter_map(|(key, value)| part(key, value))
        .collect();
    parts.join(", ")
}

fn part(key: &str, value: &Json) -> Option<String> {
    if let Some(id) = resource(value) {
        return Some(id);
    }
    match value {
        Json::Array(items) if items.is_empty() => None,
        Json::Array(items) => {
            let ids: Option<Vec<_>> = items.iter().map(resource).collect();
            Some(match ids {
                Some(ids) => ids.join(", "),
                None => format!("{key}: {}", items.len()),
            })
        }
        value => scalar(value).map(|text| format!("{key} {text}")),
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn resource(value: &Json) -> Option<String> {
    let fields: &Map<_, _> = value.as_object()?;
    let part = |key: &str| fields.get(key).and_then(Json::as_str);
    let id = ResourceId::new(
        &crate::model::TargetName(part("target")?.to_owned()),
        part("kind")?,
        part("name")?,
    );
    Some(id.to_string())
}

fn text_at<'a>(value: &'a Json, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunId;

    fn record(kind: &str, payload: Json) -> Record {
        Record {
            seq: 7,
            run: RunId("20261124T035032Z-1a2b3c".into()),
            kind: kind.into(),
            at: "2026-11-24T03:50:32.5Z".parse().unwrap(),
            payload,
            hash: "ab".into(),
        }
    }

    fn says(kind: &str, payload: Json) -> String {
        meaning(&record(kind, payload))
    }

    // Goal: the records of a run read as sentences, whatever else their payload holds.
    #[test]
    fn meanings_are_readable() {
        let motd = json!({"target": "web", "kind": "File", "name": "motd"});
        let step =
            json!({"verb": "put", "resource": motd, "state": {"fields": {"content": "secret"}}});
        assert_eq!(
            says("intent", json!({"purpose": "act", "step": step})),
            "put web/File/motd"
        );
        assert_eq!(
            says("intent", json!({"purpose": "undo", "step": step})),
            "undo: put web/File/motd"
        );
        assert_eq!(
            says(
                "outcome",
                json!({"intent": 6, "resource": motd, "result": "not_done", "detail": "", "recovered": true})
            ),
            "web/File/motd not done (of 6), found out by a later run"
        );
        assert_eq!(
            says(
                "run-started",
                json!({"command": "reconcile", "baseline": {"commit": "0123456789abcdef", "rev": "HEAD"},
                       "targets": [{"name": "web"}, {"name": "db"}]})
            ),
            "reconcile from commit 0123456789ab (HEAD) on web, db"
        );
        assert_eq!(
            says(
                "run-ended",
                json!({"outcomes": [{"result": "done"}, {"result": "stale"}, {"result": "done"}], "errors": ["x"]})
            ),
            "groups: 2 done, 1 stale, 1 errors"
        );
        assert_eq!(says("run-ended", json!({"error": "disk"})), "failed: disk");
        assert_eq!(
            says(
                "suspended",
                json!({"resources": [motd], "until": "2026", "state": {"a": "secret"}})
            ),
            "web/File/motd, until 2026"
        );
    }

    // Goal: no payload, however it looks under a known kind, breaks the display or makes it long.
    #[test]
    fn odd_payloads_are_shown_briefly() {
        for kind in ["intent", "outcome", "run-started", "run-ended", "other"] {
            for payload in [
                json!(null),
                json!([1]),
                json!({}),
                json!({"step": 1, "resource": "x"}),
            ] {
                says(kind, payload);
            }
        }
        assert_eq!(
            says("x", json!("é".repeat(1000))).chars().count(),
            MAX_MEANING
        );
    }

    // Goal: everything that comes from a record goes through the caller's escape, so that no line breaks into two.
    #[test]
    fn lines_are_escaped() {
        fn escape(text: &str) -> String {
            text.replace('\n', "\\n")
        }
        let mut hostile = record("a\nb", json!({"x": "c\nd"}));
        hostile.run.0.push('\n');
        let shown = text(&[hostile], escape);
        assert_eq!(
            shown,
            "7  2026-11-24 03:50:32Z  20261124T035032Z-1a2b3c\\n  a\\nb  x c\\nd\n"
        );
    }

    // Goal: the JSON form has the promised fields under the promised version.
    #[test]
    fn json_is_versioned() {
        let shown = json(&[record("x", json!({"a": 1}))]);
        assert_eq!(shown["schema"], SCHEMA);
        let first = &shown["records"][0];
        for key in ["seq", "run", "kind", "at", "payload", "hash"] {
            assert!(first.get(key).is_some(), "{key}");
        }
    }
}
