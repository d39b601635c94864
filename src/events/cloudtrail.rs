//! AWS CloudTrail records: one JSON object is one record.
//!
//! Kept are API calls, console sign-ins, service events and Insight events (their subject lies in `insightDetails`). A digest
//! file lists log files and tells of nobody; it is left out and named.
//!
//! **Invariant:** the actor is who AWS says signed the request. The user agent and the session's name are the caller's to
//! choose and never stand in for it.

mod objects;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::json::{at, text};
use super::{Left, LeftOut, SourceTerms};
use crate::model::{Actor, Event, Format, Outcome, Record, RecordPlace, TimeBasis};

/// Makes a record of one CloudTrail record. Its id is the `eventID`, where that is one: CloudTrail gives UUIDs, and what stands
/// there after somebody took them out does not tell two records apart. CloudTrail says nothing of a machine.
///
/// # Errors
///
/// What is no CloudTrail record, or has no time.
pub fn decode(body: Value, line: u64, terms: &SourceTerms) -> Result<Record, Left> {
    let left = |why, detail: &str| Left {
        line,
        why,
        detail: detail.to_owned(),
    };
    if let Err((why, detail)) = recognise(&body) {
        return Err(left(why, detail));
    }
    let Some(time) = text(&body, "eventTime").and_then(time) else {
        return Err(left(LeftOut::NoTime, "no eventTime that can be read"));
    };
    let id = text(&body, "eventID")
        .filter(|id| is_uuid(id))
        .map(Arc::from);
    Ok(Record {
        format: Format::CloudTrail,
        place: RecordPlace {
            source: Arc::clone(&terms.name),
            line,
        },
        trust: terms.trust,
        time,
        basis: TimeBasis::Stated,
        id,
        host: None,
        body,
    })
}

fn recognise(body: &Value) -> Result<(), (LeftOut, &'static str)> {
    if !body.is_object() {
        return Err((LeftOut::Malformed, "no JSON object"));
    }
    if body.get("digestS3Bucket").is_some() && body.get("logFiles").is_some() {
        return Err((LeftOut::OtherFormat, "a CloudTrail digest, not records"));
    }
    if body.get("insightDetails").is_some_and(Value::is_object) {
        return Ok(());
    }
    match (body.get("eventSource"), body.get("eventName")) {
        (Some(Value::String(_)), Some(Value::String(_))) => Ok(()),
        (None, None) => Err((LeftOut::OtherFormat, "no eventSource and no eventName")),
        _ => Err((
            LeftOut::Malformed,
            "eventSource and eventName are not both texts",
        )),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// CloudTrail writes `2026-11-24T03:21:29Z`, which is read in place; other forms of RFC 3339 are read too.
fn time(text: &str) -> Option<Timestamp> {
    plain_time(text.as_bytes()).or_else(|| text.parse().ok())
}

fn plain_time(text: &[u8]) -> Option<Timestamp> {
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_i64, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + i64::from(byte - b'0'))
        })
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if text.len() != 20 || text[19] != b'Z' || marks.iter().any(|&(i, mark)| text[i] != mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 59 || year < 1 {
        return None;
    }
    // Days since 1970, by counting years from March so that the leap day is a year's last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
            - 1
            - 719_468;
    Timestamp::from_second(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

/// What was asked of AWS, by whom.
pub fn event(record: &Record) -> Event {
    let body = &record.body;
    let (service, name) = operation(body);
    Event {
        actor: actor(body),
        action: format!("{service}:{name}"),
        object: objects::of(body, service),
        outcome: outcome(body),
        addresses: text(body, "sourceIPAddress")
            .map(str::to_owned)
            .into_iter()
            .collect(),
    }
}

/// The service (`s3`) and the name of the call.
fn operation(body: &Value) -> (&str, &str) {
    let insight = at(body, &["insightDetails"]);
    let part = |key| text(body, key).or_else(|| text(insight, key)).unwrap_or("");
    let source = part("eventSource");
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    (service, part("eventName"))
}

fn actor(body: &Value) -> Actor {
    let identity = at(body, &["userIdentity"]);
    let context = at(identity, &["sessionContext"]);
    let name = text(identity, "arn")
        .or_else(|| by_type(identity))
        .unwrap_or_default();
    let original = text(context, "sourceIdentity")
        .or_else(|| text(at(identity, &["onBehalfOf"]), "userId"))
        .or_else(|| text(at(context, &["sessionIssuer"]), "arn"))
        .or_else(|| text(at(context, &["sessionIssuer"]), "userName"))
        .or_else(|| text(identity, "invokedBy"))
        .filter(|original| *original != name);
    Actor {
        name: name.to_owned(),
        original: original.map(str::to_owned),
        session: text(identity, "accessKeyId").map(str::to_owned),
        agent: text(body, "userAgent").map(str::to_owned),
    }
}

/// The name of somebody without an ARN.
fn by_type(identity: &Value) -> Option<&str> {
    let order: &[&str] = match text(identity, "type") {
        Some("AWSService") => &["invokedBy", "principalId"],
        Some("AWSAccount" | "Root") => &["accountId", "principalId"],
        _ => &["userName", "principalId", "accountId", "invokedBy"],
    };
    order
        .iter()
        .find_map(|key| text(identity, key))
        .or_else(|| text(at(identity, &["onBehalfOf"]), "userId"))
}

/// A failure is said by an error, or for sign-ins by the answer (`{"ConsoleLogin": "Failure"}`).
fn outcome(body: &Value) -> Outcome {
    if body.get("insightDetails").is_some() {
        return Outcome::Unknown;
    }
    let failed_answer = || {
        body.get("responseElements")
            .and_then(Value::as_object)
            .is_some_and(|answer| {
                ["ConsoleLogin", "SwitchRole", "ExitRole", "CheckMfa"]
                    .iter()
                    .any(|key| answer.get(*key).and_then(Value::as_str) == Some("Failure"))
            })
    };
    if text(body, "errorCode").is_some() || text(body, "errorMessage").is_some() || failed_answer()
    {
        Outcome::Failure
    } else {
        Outcome::Success
    }
}

#[cfg(test)]
#[path = "cloudtrail/tests.rs"]
mod tests;
