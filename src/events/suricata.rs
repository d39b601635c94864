//! Suricata's EVE log: one JSON object is one record.
//!
//! Kept is everything that has a time: alerts, flows, protocols, files. Statistics tell of nobody, but they are records of
//! the log too and show that it was written.
//!
//! **Invariant:** what a sensor saw on the wire is in the body as the sensor wrote it. Nothing of a payload becomes an actor or
//! an address.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::json::{at, text};
use super::{Left, LeftOut, SourceTerms};
use crate::model::{Actor, Event, Format, Object, Outcome, Record, RecordPlace, TimeBasis};

/// Makes a record of one event. It has no id of its own: a flow's id is that of all its events.
///
/// # Errors
///
/// What is no event of Suricata, or has no time.
pub fn decode(body: Value, line: u64, terms: &SourceTerms) -> Result<Record, Left> {
    let left = |why, detail: &str| Left {
        line,
        why,
        detail: detail.to_owned(),
    };
    if !body.is_object() {
        return Err(left(LeftOut::Malformed, "no JSON object"));
    }
    match body.get("event_type") {
        Some(Value::String(_)) => {}
        Some(_) => return Err(left(LeftOut::Malformed, "event_type is no text")),
        None => return Err(left(LeftOut::OtherFormat, "no event_type")),
    }
    let time = text(&body, "timestamp").and_then(|time| time.parse::<Timestamp>().ok());
    let Some(time) = time else {
        return Err(left(LeftOut::NoTime, "no timestamp that can be read"));
    };
    let host = text(&body, "host").map(Arc::from);
    Ok(Record {
        format: Format::Suricata,
        place: RecordPlace {
            source: Arc::clone(&terms.name),
            line,
        },
        trust: terms.trust,
        time,
        basis: TimeBasis::Stated,
        id: None,
        host: terms.host.clone().or(host),
        body,
    })
}

/// What was seen on the network. The actor is the address that the event is told for, since a network knows no others.
pub fn event(record: &Record) -> Event {
    let body = &record.body;
    let source = text(body, "src_ip");
    let kind = text(body, "event_type").unwrap_or_default();
    let agent = text(at(body, &["http"]), "http_user_agent");
    Event {
        actor: Actor {
            name: source.unwrap_or_default().to_owned(),
            original: None,
            session: body
                .get("flow_id")
                .and_then(Value::as_u64)
                .map(|id| id.to_string()),
            agent: agent.map(str::to_owned),
        },
        action: kind.to_owned(),
        object: object(body),
        outcome: match text(at(body, &["alert"]), "action") {
            Some("blocked") => Outcome::Failure,
            Some("allowed") => Outcome::Success,
            _ => Outcome::Unknown,
        },
        addresses: source.map(str::to_owned).into_iter().collect(),
    }
}

/// Where the traffic went.
fn object(body: &Value) -> Option<Object> {
    let address = text(body, "dest_ip")?;
    let name = match body.get("dest_port").and_then(Value::as_u64) {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_owned(),
    };
    Some(Object {
        kind: "address".to_owned(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::model::Trust;

    fn terms() -> SourceTerms {
        SourceTerms {
            name: "eve.json".into(),
            trust: Trust::HostWritten,
            host: None,
            zone: TimeZone::UTC,
            until: Timestamp::MAX,
        }
    }

    fn alert() -> Value {
        json!({
            "timestamp": "2026-03-01T10:00:00.250000+0200", "event_type": "alert", "flow_id": 7, "host": "sensor",
            "src_ip": "2001:db8::7", "src_port": 4000, "dest_ip": "2001:db8::1", "dest_port": 443,
            "alert": {"action": "blocked", "signature_id": 1, "severity": 1}, "http": {"http_user_agent": "x"}
        })
    }

    // Goal: catches a zone without a colon that is not read, and an event about the wrong side.
    #[test]
    fn an_alert_says_who_went_where() {
        let record = decode(alert(), 2, &terms()).unwrap();
        assert_eq!(record.time, "2026-03-01T08:00:00.25Z".parse().unwrap());
        assert_eq!(record.host.as_deref(), Some("sensor"));
        let event = event(&record);
        assert_eq!(event.actor.name, "2001:db8::7");
        assert_eq!(event.actor.session.as_deref(), Some("7"));
        assert_eq!(event.object.unwrap().name, "[2001:db8::1]:443");
        assert_eq!(event.outcome, Outcome::Failure);
    }

    // Goal: catches a zone of minus nothing, which Suricata writes too.
    #[test]
    fn every_zone_is_read() {
        for zone in ["+0000", "-0000", "Z", "+00:00", "-0330"] {
            let mut body = alert();
            body["timestamp"] = json!(format!("2026-03-01T10:00:00.25{zone}"));
            assert!(decode(body, 1, &terms()).is_ok(), "{zone}");
        }
    }

    // Goal: catches a panic or a record made of what is none. Each key in turn gets each wrong shape.
    #[test]
    fn hostile_shapes_do_no_harm() {
        let why = |body: Value| decode(body, 3, &terms()).unwrap_err().why;
        assert_eq!(why(json!(1)), LeftOut::Malformed);
        assert_eq!(why(json!({"event_type": 1})), LeftOut::Malformed);
        assert_eq!(why(json!({"timestamp": "x"})), LeftOut::OtherFormat);
        assert_eq!(why(json!({"event_type": "alert"})), LeftOut::NoTime);
        let keys: Vec<String> = alert().as_object().unwrap().keys().cloned().collect();
        for key in keys {
            for wrong in [
                json!(null),
                json!(-1),
                json!([[]]),
                json!({"": {}}),
                json!(""),
            ] {
                let mut body = alert();
                body[&key] = wrong;
                if let Ok(record) = decode(body, 1, &terms()) {
                    event(&record);
                }
            }
        }
    }
}
