//! Alerts of other engines and findings of our own, read from bytes as they come.

use std::io::Cursor;
use std::sync::Arc;

use evenkeel::events::frame::Bounds;
use evenkeel::events::source::Opened;
use evenkeel::events::{Given, Reader, Seen, SourceTerms, formats};
use evenkeel::model::{
    Actor, Confidence, Event, Finding, FindingSource, Format, Level, Record, Tally, Trust,
};
use evenkeel::report::detection::ocsf;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The records of a source whose format its content tells, and what was counted.
fn read(bytes: &[u8]) -> (Vec<Record>, Tally) {
    let name: Arc<str> = "alerts".into();
    let opened = Opened {
        name: Arc::clone(&name),
        bytes: Box::new(Cursor::new(bytes.to_vec())),
        written: None,
    };
    let given = Given {
        format: None,
        trust: None,
        terms: SourceTerms {
            name,
            trust: Trust::Unauthenticated,
            host: None,
            zone: TimeZone::UTC,
            until: Timestamp::MAX,
        },
        bounds: Bounds::default(),
    };
    let mut reader = Reader::new(opened, given).unwrap();
    let mut records = Vec::new();
    while let Some(some) = reader.next(&mut Seen::new(100), &|record| record) {
        records.extend(some);
    }
    (records, reader.into_tally())
}

const FALCO: &str = r#"{"hostname":"n1","output":"x","priority":"Critical","rule":"Fileless execution","source":"syscall","tags":["T1620"],"time":"2026-03-01T10:00:00.5Z","output_fields":{"user.name":"root","proc.exepath":"memfd:x","evt.type":"execve"}}"#;

// Goal: catches a source that is not known by its content, a line that is in no count or in two, and torn or strange lines
// that end the reading.
#[test]
fn every_line_is_in_one_count() {
    let text = format!(
        "{FALCO}\n{{\"class_uid\":1,\"metadata\":{{}}}}\n{{\"rule\":\"x\",\"priority\":\"y\"}}\n[1]\n{FALCO}\n{{\"torn"
    );
    let (records, tally) = read(text.as_bytes());
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.format == Format::Falco));
    assert!(
        records
            .iter()
            .all(|record| record.trust == Trust::HostWritten)
    );
    let left: u64 = tally.left_out.values().map(|left| left.count).sum();
    assert_eq!((tally.lines, tally.records + left), (6, 6));
}

fn finding() -> Finding {
    let fingerprint = Finding::fingerprint("rule", Some("alice"), "host/h1");
    Finding {
        id: Finding::id_of(&fingerprint),
        source: FindingSource::Rule,
        rule: None,
        indicator: "a-key-was-made".to_owned(),
        level: Level::High,
        confidence: Confidence::Medium,
        trust: Trust::Unauthenticated,
        resource: None,
        targets: vec!["AWS::S3::Bucket/b".to_owned(), "host/h1".to_owned()],
        actor: Some(Actor {
            name: "alice".to_owned(),
            session: Some("7".to_owned()),
            ..Actor::default()
        }),
        addresses: vec![
            "192.0.2.7".to_owned(),
            "cloudformation.amazonaws.com".to_owned(),
        ],
        events: Vec::new(),
        event_count: 1,
        attack: vec!["T1098.004".to_owned()],
        controls: Vec::new(),
        evidence: Vec::new(),
        first: Some("2026-03-01T10:00:00Z".parse().unwrap()),
        last: Some("2026-03-01T10:05:00Z".parse().unwrap()),
        fingerprint,
        incident: None,
    }
}

// Goal: our own findings, handed on and read back, are about the same: who, to what, from where, when, under the same id; and
// what they say of their trust lifts nothing.
#[test]
fn our_own_findings_are_read_back() {
    let own = finding();
    let (records, tally) = read(ocsf::one(&own).as_bytes());
    assert_eq!((tally.records, tally.format), (1, Some(Format::Ocsf)));
    let record = &records[0];
    assert_eq!(record.id.as_deref(), Some(own.fingerprint.as_str()));
    assert_eq!(Some(record.time), own.last);
    assert_eq!(record.trust, Trust::HostWritten);
    let Event {
        actor,
        action,
        object,
        addresses,
        ..
    } = formats::event(record);
    assert_eq!(Some(actor), own.actor);
    assert_eq!(action, "finding: a-key-was-made");
    let object = object.map(|object| format!("{}/{}", object.kind, object.name));
    assert_eq!(object.as_ref(), own.targets.first());
    assert_eq!(addresses, own.addresses);
}
