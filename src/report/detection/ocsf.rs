//! A detection as OCSF 1.2: one Detection Finding (2004) a line.
//!
//! **Invariant:** what OCSF has no place for stands in `unmapped`, and nothing is left out.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::model::{Confidence, Detection, Finding, Level};
use crate::report::escape;

/// The version of the schema that is written.
const VERSION: &str = "1.2.0";
const CLASS: u32 = 2004;
/// `Create`: the finding is told for the first time in this run.
const ACTIVITY: u32 = 1;

/// Writes a line for each finding.
pub fn render(detection: &Detection) -> String {
    detection.findings.iter().map(one).collect()
}

/// Writes one finding as a line.
pub fn one(finding: &Finding) -> String {
    format!("{}\n", escape::json(&event(finding).to_string()))
}

fn event(finding: &Finding) -> Value {
    let millis = |time: Option<jiff::Timestamp>| time.map_or(0, jiff::Timestamp::as_millisecond);
    let mut event = json!({
        "activity_id": ACTIVITY,
        "category_uid": 2,
        "class_uid": CLASS,
        "type_uid": CLASS * 100 + ACTIVITY,
        "severity_id": severity(finding.level),
        "severity": finding.level.name(),
        "confidence_id": confidence(finding.confidence),
        "status_id": 1,
        "time": millis(finding.last),
        "start_time": millis(finding.first),
        "end_time": millis(finding.last),
        "count": finding.event_count.max(1),
        "message": title(finding),
        "metadata": {
            "version": VERSION,
            "uid": finding.fingerprint,
            "product": {
                "name": "evenkeel",
                "vendor_name": "evenkeel",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "finding_info": information(finding),
        "unmapped": {
            "trust": finding.trust,
            "events": finding.events,
            "controls": finding.controls,
            "incident": finding.incident,
        },
    });
    let resources: Vec<_> = finding
        .targets
        .iter()
        .map(|target| resource(target))
        .collect();
    let evidences = evidences(finding);
    if let Some(map) = event.as_object_mut() {
        put(map, "resources", resources);
        put(map, "evidences", evidences);
    }
    event
}

/// Lists are left out rather than empty.
fn put(map: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        map.insert(key.to_owned(), Value::Array(list));
    }
}

fn title(finding: &Finding) -> &str {
    finding
        .rule
        .as_ref()
        .map_or(&finding.indicator, |rule| &rule.title)
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Informational => 1,
        Level::Low => 2,
        Level::Medium => 3,
        Level::High => 4,
        Level::Critical => 5,
    }
}

fn confidence(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 1,
        Confidence::Medium => 2,
        Confidence::High => 3,
    }
}

fn information(finding: &Finding) -> Value {
    let mut information = json!({
        "uid": finding.id,
        "title": title(finding),
        "types": [finding.indicator],
    });
    let Some(map) = information.as_object_mut() else {
        return information;
    };
    if !finding.evidence.is_empty() {
        map.insert("desc".to_owned(), finding.evidence.join("; ").into());
    }
    for (key, time) in [
        ("first_seen_time", finding.first),
        ("last_seen_time", finding.last),
    ] {
        if let Some(time) = time {
            map.insert(key.to_owned(), time.as_millisecond().into());
        }
    }
    if let Some(rule) = &finding.rule {
        let mut analytic = json!({ "type_id": 1, "name": rule.title });
        if let (Some(id), Some(analytic)) = (&rule.id, analytic.as_object_mut()) {
            analytic.insert("uid".to_owned(), id.clone().into());
        }
        map.insert("analytic".to_owned(), analytic);
    }
    let attacks = finding.attack.iter().map(|id| attack(id)).collect();
    put(map, "attacks", attacks);
    information
}

/// A technique; `T1098.004` is one below `T1098`.
fn attack(id: &str) -> Value {
    match id.split_once('.') {
        Some((technique, _)) => json!({
            "technique": { "uid": technique },
            "sub_technique": { "uid": id },
        }),
        None => json!({ "technique": { "uid": id } }),
    }
}

/// `AWS::S3::Bucket/name` is a resource `name` of a type.
fn resource(target: &str) -> Value {
    match target.split_once('/') {
        Some((kind, name)) => json!({ "type": kind, "name": name }),
        None => json!({ "name": target }),
    }
}

/// Who and from where; an address that is the name of a service is no address to OCSF.
fn evidences(finding: &Finding) -> Vec<Value> {
    let mut evidences = Vec::new();
    if let Some(actor) = &finding.actor {
        let mut evidence = json!({ "actor": { "user": { "name": actor.name } } });
        if let (Some(session), Some(evidence)) = (&actor.session, evidence["actor"].as_object_mut())
        {
            evidence.insert("session".to_owned(), json!({ "uid": session }));
        }
        evidences.push(evidence);
    }
    evidences.extend(
        finding
            .addresses
            .iter()
            .map(|address| match address.parse::<IpAddr>() {
                Ok(address) => json!({ "src_endpoint": { "ip": address.to_string() } }),
                Err(_) => json!({ "src_endpoint": { "name": address } }),
            }),
    );
    evidences
}
