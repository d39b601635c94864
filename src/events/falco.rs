//! Falco's JSON output: one alert is one record.
//!
//! Of an alert's `output_fields` the actor, the act and the object are read where Falco has names for them: those of system
//! calls, and those of its plugins for Kubernetes audit and CloudTrail. `output` is a sentence for people and decides nothing.
//!
//! **Invariant:** an alert is in the body as Falco wrote it. What a process chose for itself (its name, its command line) becomes
//! neither an actor nor an address.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::json::text;
use super::{Left, LeftOut, SourceTerms};
use crate::model::{Actor, Event, Format, Object, Outcome, Record, RecordPlace, TimeBasis};

/// No id is longer; what is longer is no id.
const MAX_ID: usize = 128;

/// Makes a record of one alert. Its id is the `uuid` that forwarders add.
///
/// # Errors
///
/// What is no alert of Falco, or has no time.
pub fn decode(body: Value, line: u64, terms: &SourceTerms) -> Result<Record, Left> {
    let left = |why, detail: &str| Left {
        line,
        why,
        detail: detail.to_owned(),
    };
    if !body.is_object() {
        return Err(left(LeftOut::Malformed, "no JSON object"));
    }
    match (body.get("rule"), body.get("priority")) {
        (Some(Value::String(_)), Some(Value::String(_))) => {}
        (Some(_), Some(_)) => return Err(left(LeftOut::Malformed, "rule or priority is no text")),
        _ => return Err(left(LeftOut::OtherFormat, "no rule and priority")),
    }
    match body.get("output_fields") {
        // Falco leaves them out where a rule's output names none.
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(_) => return Err(left(LeftOut::Malformed, "output_fields is no object")),
    }
    let Some(time) = time(&body) else {
        return Err(left(LeftOut::NoTime, "no time that can be read"));
    };
    let id = text(&body, "uuid").filter(|id| id.len() <= MAX_ID);
    let host = text(&body, "hostname").map(Arc::from);
    Ok(Record {
        format: Format::Falco,
        place: RecordPlace {
            source: Arc::clone(&terms.name),
            line,
        },
        trust: terms.trust,
        time,
        basis: TimeBasis::Stated,
        id: id.map(Arc::from),
        host: terms.host.clone().or(host),
        body,
    })
}

/// The alert's own time, or else that of the event, which is in nanoseconds.
fn time(body: &Value) -> Option<Timestamp> {
    let stated = text(body, "time").and_then(|time| time.parse().ok());
    stated.or_else(|| {
        let nanoseconds = field(body, "evt.time")?.as_i64()?;
        Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
    })
}

fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get("output_fields")?.get(name)
}

/// The first of some fields that has a text. Falco writes `<NA>` where it knows none.
fn first<'a>(body: &'a Value, names: &[&str]) -> Option<&'a str> {
    let of = |name: &&str| field(body, name)?.as_str();
    names
        .iter()
        .filter_map(of)
        .find(|text| !text.is_empty() && *text != "<NA>")
}

/// What Falco saw. The action is what was done, where it says so, and otherwise the rule that was met.
pub fn event(record: &Record) -> Event {
    let body = &record.body;
    let login = first(body, &["user.loginname"]);
    let name = first(body, &["user.name", "ka.user.name", "ct.user"])
        .or(login)
        .unwrap_or_default();
    let verb = first(body, &["ka.verb"]).map(|verb| {
        let resource = first(body, &["ka.target.resource"]).unwrap_or_default();
        format!("{verb} {resource}").trim_end().to_owned()
    });
    let action = verb
        .or_else(|| first(body, &["evt.type", "ct.name"]).map(str::to_owned))
        .or_else(|| text(body, "rule").map(str::to_owned));
    let addresses = first(body, &["fd.cip", "ka.sourceips", "ct.srcip"]);
    Event {
        actor: Actor {
            name: name.to_owned(),
            original: login.filter(|login| *login != name).map(str::to_owned),
            session: None,
            agent: first(body, &["proc.exepath", "proc.name", "ka.useragent"]).map(str::to_owned),
        },
        action: action.unwrap_or_default(),
        object: object(body),
        // An alert tells of what happened; of an attempt that failed it has the error.
        outcome: match first(body, &["evt.res", "ct.error"]) {
            Some("SUCCESS") => Outcome::Success,
            Some(_) => Outcome::Failure,
            None => Outcome::Unknown,
        },
        addresses: addresses.map(str::to_owned).into_iter().collect(),
    }
}

/// What it was done to: what Kubernetes was asked about, a file, a process, a container, in this order.
fn object(body: &Value) -> Option<Object> {
    let of = |kind: &str, name: String| Object {
        kind: kind.to_owned(),
        name,
    };
    if let Some(resource) = first(body, &["ka.target.resource"]) {
        let name = first(body, &["ka.target.name"]).unwrap_or("*");
        let name = match first(body, &["ka.target.namespace"]) {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        return Some(of(resource, name));
    }
    let named = |kind, names: &[&str]| first(body, names).map(|name| of(kind, name.to_owned()));
    named("file", &["fs.path.name", "fd.name"])
        .or_else(|| named("process", &["proc.exepath", "proc.name"]))
        .or_else(|| named("container", &["container.id"]))
}

/// The program that was started and the one that started it.
pub fn lineage(record: &Record) -> Option<(&str, &str)> {
    let body = &record.body;
    let started = ["execve", "execveat"];
    first(body, &["evt.type"]).filter(|kind| started.contains(kind))?;
    Some((
        first(body, &["proc.pexepath", "proc.pname"])?,
        first(body, &["proc.exepath", "proc.name"])?,
    ))
}

#[cfg(test)]
#[path = "falco/tests.rs"]
mod tests;
