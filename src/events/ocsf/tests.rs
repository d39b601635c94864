use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::model::{Outcome, Trust};

fn terms() -> SourceTerms {
    SourceTerms {
        name: "ocsf.jsonl".into(),
        trust: Trust::HostWritten,
        host: None,
        zone: TimeZone::UTC,
        until: Timestamp::MAX,
    }
}

fn of(class: u64, activity: u64, more: Value) -> Value {
    let mut body = json!({
        "class_uid": class, "activity_id": activity, "type_uid": class * 100 + activity, "time": 1_772_359_200_250_i64,
        "metadata": {"version": "1.3.0", "uid": "e-1", "product": {"name": "x"}}, "severity_id": 1, "status_id": 1,
        "device": {"hostname": "h1"}
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn each() -> Vec<Value> {
    vec![
        of(
            3002,
            1,
            json!({"user": {"name": "alice"}, "src_endpoint": {"ip": "192.0.2.7", "location": {"lat": 52.5, "long": 13.4}},
            "actor": {"process": {"name": "sshd"}}, "dst_endpoint": {"hostname": "h1"}, "status_id": 2}),
        ),
        of(
            6003,
            1,
            json!({"api": {"operation": "PutBucketPolicy", "service": {"name": "s3.amazonaws.com"}},
            "actor": {"user": {"uid": "arn:aws:iam::111122223333:user/bob", "name": "bob"},
                "session": {"uid": "AKIA", "issuer": "arn:aws:iam::111122223333:role/r"}},
            "src_endpoint": {"svc_name": "cloudformation.amazonaws.com"}, "http_request": {"user_agent": "cli"},
            "resources": [{"type": "AWS::S3::Bucket", "name": "b"}]}),
        ),
        of(
            1007,
            1,
            json!({"actor": {"user": {"name": "root"}, "process": {"file": {"path": "/usr/sbin/nginx"}, "name": "nginx"}},
            "process": {"name": "sh", "file": {"path": "/usr/bin/dash"}, "cmd_line": "sh -i"}}),
        ),
        of(
            1001,
            4,
            json!({"actor": {"user": {"name": "root"}}, "file": {"path": "/etc/passwd"}}),
        ),
        of(
            4001,
            6,
            json!({"actor": {"user": {"name": "www"}}, "src_endpoint": {"ip": "2001:db8::7"},
            "dst_endpoint": {"ip": "2001:db8::1", "port": 443}}),
        ),
        of(
            2004,
            1,
            json!({"finding_info": {"title": "A key was made", "uid": "f"}, "resources": [{"type": "host", "name": "h1"}],
            "evidences": [{"actor": {"user": {"name": "eve"}, "session": {"uid": "7"}}}, {"src_endpoint": {"ip": "192.0.2.9"}}],
            "unmapped": {"trust": "authenticated"}}),
        ),
    ]
}

// Goal: catches an event about the wrong one, for each class that is read: who, what, to what, from where.
#[test]
fn each_class_says_who_did_what() {
    let told: Vec<_> = each()
        .into_iter()
        .map(|body| {
            let record = decode(body, 1, &terms()).unwrap();
            let event = event(&record);
            let object = event
                .object
                .map(|object| format!("{}/{}", object.kind, object.name));
            (
                event.actor.name,
                event.action,
                object.unwrap(),
                event.addresses.join(","),
            )
        })
        .collect();
    let wanted = [
        ("alice", "authentication-logon", "host/h1", "192.0.2.7"),
        (
            "arn:aws:iam::111122223333:user/bob",
            "s3:PutBucketPolicy",
            "AWS::S3::Bucket/b",
            "cloudformation.amazonaws.com",
        ),
        ("root", "process-launch", "process//usr/bin/dash", ""),
        ("root", "file-delete", "file//etc/passwd", ""),
        (
            "www",
            "network-traffic",
            "address/[2001:db8::1]:443",
            "2001:db8::7",
        ),
        ("eve", "finding: A key was made", "host/h1", "192.0.2.9"),
    ];
    let wanted = wanted.map(|(who, what, to, from)| {
        (
            who.to_owned(),
            what.to_owned(),
            to.to_owned(),
            from.to_owned(),
        )
    });
    assert_eq!(told, wanted);
}

// Goal: catches a time in the wrong unit, a zero taken for 1970, and an outcome that a finding's status was taken for.
#[test]
fn times_and_outcomes() {
    let [logon, .., finding] = &each()[..] else {
        panic!()
    };
    let record = decode(logon.clone(), 1, &terms()).unwrap();
    assert_eq!(record.time, "2026-03-01T10:00:00.25Z".parse().unwrap());
    assert_eq!(
        (record.id.as_deref(), record.host.as_deref()),
        (Some("e-1"), Some("h1"))
    );
    assert_eq!(event(&record).outcome, Outcome::Failure);
    assert_eq!(location(&record), Some((52.5, 13.4)));
    let record = decode(finding.clone(), 1, &terms()).unwrap();
    assert_eq!(event(&record).outcome, Outcome::Unknown);
    assert_eq!(record.trust, Trust::HostWritten);
    let mut zero = logon.clone();
    zero["time"] = json!(0);
    assert_eq!(
        decode(zero.clone(), 1, &terms()).unwrap_err().why,
        LeftOut::NoTime
    );
    zero["time_dt"] = json!("2026-03-01T10:00:00Z");
    assert!(decode(zero, 1, &terms()).is_ok());
}

// Goal: catches coordinates in the wrong order, and a place that is none on earth.
#[test]
fn places() {
    let place = |location: Value| {
        let body = of(3002, 1, json!({"src_endpoint": {"location": location}}));
        location_of(body)
    };
    assert_eq!(
        place(json!({"coordinates": [13.4, 52.5]})),
        Some((52.5, 13.4))
    );
    assert_eq!(place(json!({"lat": 91.0, "long": 0.0})), None);
    assert_eq!(place(json!({"coordinates": [1]})), None);
    assert_eq!(place(json!({"coordinates": "x", "lat": "1"})), None);
}

fn location_of(body: Value) -> Option<(f64, f64)> {
    location(&decode(body, 1, &terms()).unwrap())
}

// Goal: catches a start of a program with the wrong parent, and one made of an end.
#[test]
fn who_started_what() {
    let mut body = each()[2].clone();
    let record = decode(body.clone(), 1, &terms()).unwrap();
    assert_eq!(lineage(&record), Some(("/usr/sbin/nginx", "/usr/bin/dash")));
    body["activity_id"] = json!(2);
    assert_eq!(lineage(&decode(body, 1, &terms()).unwrap()), None);
}

// Goal: catches a panic or a record made of what is none. Each key of each class in turn gets each wrong shape.
#[test]
fn hostile_shapes_do_no_harm() {
    let why = |body: Value| decode(body, 3, &terms()).unwrap_err().why;
    assert_eq!(why(json!("x")), LeftOut::Malformed);
    assert_eq!(why(json!({"class_uid": "3002"})), LeftOut::Malformed);
    assert_eq!(why(json!({"metadata": {}})), LeftOut::OtherFormat);
    assert_eq!(
        why(json!({"class_uid": 3002, "time": i64::MAX})),
        LeftOut::NoTime
    );
    for body in each() {
        let keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        for key in keys {
            for wrong in [
                json!(null),
                json!(u64::MAX),
                json!(-1),
                json!([[]]),
                json!({"": {}}),
                json!(""),
            ] {
                let mut body = body.clone();
                body[&key] = wrong;
                if let Ok(record) = decode(body, 1, &terms()) {
                    event(&record);
                    lineage(&record);
                    location(&record);
                }
            }
        }
    }
}
