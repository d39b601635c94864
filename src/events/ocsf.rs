//! OCSF events, as JSON: one object is one record.
//!
//! Read are all classes; for those that tell who did what (authentication, calls of an API, processes, files, network,
//! findings) the `classes` say where that stands. Detection findings are read as evenkeel writes them, too.
//!
//! **Invariant:** an event is in the body as it was written. What it says of its own trust (`unmapped.trust`) counts for nothing:
//! trust is that of the source.

mod classes;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::json::{at, text};
use super::{Left, LeftOut, SourceTerms};
use crate::model::{Event, Format, Record, RecordPlace, TimeBasis};

/// No id is longer; what is longer is no id.
const MAX_ID: usize = 128;

/// Makes a record of one event. Its id is `metadata.uid`.
///
/// # Errors
///
/// What is no OCSF event, or has no time.
pub fn decode(body: Value, line: u64, terms: &SourceTerms) -> Result<Record, Left> {
    let left = |why, detail: &str| Left {
        line,
        why,
        detail: detail.to_owned(),
    };
    if !body.is_object() {
        return Err(left(LeftOut::Malformed, "no JSON object"));
    }
    match body.get("class_uid") {
        Some(class) if class.as_u64().is_some() => {}
        Some(_) => return Err(left(LeftOut::Malformed, "class_uid is no number")),
        None => return Err(left(LeftOut::OtherFormat, "no class_uid")),
    }
    let Some(time) = time(&body) else {
        return Err(left(LeftOut::NoTime, "no time that can be read"));
    };
    let id = text(at(&body, &["metadata"]), "uid").filter(|id| id.len() <= MAX_ID);
    let device = at(&body, &["device"]);
    let host = text(device, "hostname").or_else(|| text(device, "name"));
    Ok(Record {
        format: Format::Ocsf,
        place: RecordPlace {
            source: Arc::clone(&terms.name),
            line,
        },
        trust: terms.trust,
        time,
        basis: TimeBasis::Stated,
        id: id.map(Arc::from),
        host: terms.host.clone().or_else(|| host.map(Arc::from)),
        body,
    })
}

/// `time` in milliseconds, or else `time_dt`. A zero is what writers put where they know no time.
fn time(body: &Value) -> Option<Timestamp> {
    let millis = body.get("time").and_then(Value::as_i64);
    millis
        .filter(|millis| *millis != 0)
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .or_else(|| text(body, "time_dt")?.parse().ok())
}

/// What an event says was done.
pub fn event(record: &Record) -> Event {
    classes::event(&record.body)
}

/// The program that was started and the one that started it.
pub fn lineage(record: &Record) -> Option<(&str, &str)> {
    classes::lineage(&record.body)
}

/// Where the event says that its actor was: latitude and longitude, in degrees.
pub fn location(record: &Record) -> Option<(f64, f64)> {
    let place = at(&record.body, &["src_endpoint", "location"]);
    let number = |key: &str| place.get(key).and_then(Value::as_f64);
    let (latitude, longitude) = match (number("lat"), number("long")) {
        (Some(latitude), Some(longitude)) => (latitude, longitude),
        // Before 1.4: the longitude comes first.
        _ => {
            let pair = place.get("coordinates")?.as_array()?;
            match pair.as_slice() {
                [longitude, latitude] => (latitude.as_f64()?, longitude.as_f64()?),
                _ => return None,
            }
        }
    };
    let sound = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    sound.then_some((latitude, longitude))
}

#[cfg(test)]
mod tests;
