//! Kubernetes audit events (`audit.k8s.io`, v1 and its betas): one JSON object is one record.
//!
//! **Invariant:** the actor is who the API server authenticated. What a caller can write (field managers, annotations, user
//! agent) is in the body for rules to read and never decides who did it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::json::{at, text, texts};
use super::{Left, LeftOut, SourceTerms};
use crate::model::{Actor, Event, Format, Object, Outcome, Record, RecordPlace, TimeBasis};

/// No id of an API server is longer; what is longer is no id.
const MAX_ID: usize = 128;

/// Where audit events say which credential authenticated the request.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// Makes a record of one event. Its id is the `auditID`; for stages before the response is complete the stage is added,
/// since they tell of the same request.
///
/// # Errors
///
/// What is no audit event, or has no time.
pub fn decode(body: Value, line: u64, terms: &SourceTerms) -> Result<Record, Left> {
    let left = |why, detail: &str| Left {
        line,
        why,
        detail: detail.to_owned(),
    };
    if let Err((why, detail)) = recognise(&body) {
        return Err(left(why, detail));
    }
    let Some(time) = time(&body) else {
        return Err(left(
            LeftOut::NoTime,
            "no stageTimestamp, requestReceivedTimestamp or timestamp that can be read",
        ));
    };
    let id = match text(&body, "auditID") {
        Some(id) if id.len() > MAX_ID => {
            return Err(left(LeftOut::Malformed, "auditID is longer than 128 bytes"));
        }
        Some(id) => match text(&body, "stage") {
            None | Some("ResponseComplete") => Some(Arc::from(id)),
            Some(stage) if stage.len() <= MAX_ID => Some(Arc::from(format!("{id}/{stage}"))),
            Some(_) => {
                return Err(left(LeftOut::Malformed, "stage is longer than 128 bytes"));
            }
        },
        None => None,
    };
    Ok(Record {
        format: Format::KubernetesAudit,
        place: RecordPlace {
            source: Arc::clone(&terms.name),
            line,
        },
        trust: terms.trust,
        time,
        basis: TimeBasis::Stated,
        id,
        host: terms.host.clone(),
        body,
    })
}

/// Whether it is an audit event. Webhook backends of old leave `apiVersion` out; then `auditID` tells it from an `Event` of
/// the core API.
fn recognise(body: &Value) -> Result<(), (LeftOut, &'static str)> {
    if !body.is_object() {
        return Err((LeftOut::Malformed, "no JSON object"));
    }
    match body.get("kind") {
        Some(Value::String(kind)) if kind == "Event" => {}
        Some(Value::String(_)) => return Err((LeftOut::OtherFormat, "kind is not Event")),
        Some(_) => return Err((LeftOut::Malformed, "kind is no text")),
        None => return Err((LeftOut::OtherFormat, "no kind")),
    }
    let known = match body.get("apiVersion") {
        Some(Value::String(version)) => version.starts_with("audit.k8s.io/"),
        Some(_) => return Err((LeftOut::Malformed, "apiVersion is no text")),
        None => text(body, "auditID").is_some(),
    };
    if !known {
        return Err((
            LeftOut::OtherFormat,
            "an Event of another API than audit.k8s.io",
        ));
    }
    match text(body, "verb") {
        Some(_) => Ok(()),
        None => Err((LeftOut::Malformed, "no verb")),
    }
}

/// When this stage was reached, or else when the request came.
fn time(body: &Value) -> Option<Timestamp> {
    ["stageTimestamp", "requestReceivedTimestamp", "timestamp"]
        .into_iter()
        .find_map(|name| text(body, name)?.parse().ok())
}

/// What was asked of the API server, by whom.
pub fn event(record: &Record) -> Event {
    let body = &record.body;
    Event {
        actor: actor(body),
        action: action(body),
        object: object(body),
        outcome: outcome(body),
        addresses: texts(body.get("sourceIPs")),
    }
}

fn actor(body: &Value) -> Actor {
    let own = text(at(body, &["user"]), "username").unwrap_or_default();
    let played = text(at(body, &["impersonatedUser"]), "username");
    let session = match at(body, &["user", "extra", CREDENTIAL]) {
        Value::Array(ids) => ids.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    Actor {
        name: played.unwrap_or(own).to_owned(),
        original: played.map(|_| own.to_owned()),
        session: session.map(str::to_owned),
        agent: text(body, "userAgent").map(str::to_owned),
    }
}

/// `delete pods`, `create pods/exec`; for what is no resource, `get /metrics`.
fn action(body: &Value) -> String {
    let verb = text(body, "verb").unwrap_or_default();
    let reference = at(body, &["objectRef"]);
    match (text(reference, "resource"), text(reference, "subresource")) {
        (Some(resource), Some(part)) => format!("{verb} {resource}/{part}"),
        (Some(resource), None) => format!("{verb} {resource}"),
        (None, _) => match text(body, "requestURI") {
            Some(uri) => format!("{verb} {}", uri.split('?').next().unwrap_or_default()),
            None => verb.to_owned(),
        },
    }
}

/// The object as `namespace/name`. A request that names none is about all of them, `namespace/*`, unless it creates one:
/// then the answer or the request has its name.
fn object(body: &Value) -> Option<Object> {
    let reference = at(body, &["objectRef"]);
    let kind = text(reference, "resource")?;
    let made = || {
        let create = text(body, "verb") == Some("create");
        let named = |part: &str, field| text(at(body, &[part, "metadata"]), field);
        create
            .then(|| {
                named("responseObject", "name")
                    .or_else(|| named("requestObject", "name"))
                    .or_else(|| named("requestObject", "generateName"))
            })
            .flatten()
    };
    let name = text(reference, "name").or_else(made).unwrap_or("*");
    // The reference of a namespace has its name twice.
    let name = match text(reference, "namespace") {
        Some(namespace) if kind != "namespaces" => format!("{namespace}/{name}"),
        _ => name.to_owned(),
    };
    Some(Object {
        kind: kind.to_owned(),
        name,
    })
}

fn outcome(body: &Value) -> Outcome {
    match at(body, &["responseStatus", "code"]).as_u64() {
        Some(100..=399) => Outcome::Success,
        Some(400..) => Outcome::Failure,
        _ => match at(body, &["annotations", "authorization.k8s.io/decision"]).as_str() {
            Some("forbid") => Outcome::Failure,
            _ => Outcome::Unknown,
        },
    }
}

#[cfg(test)]
mod tests;
