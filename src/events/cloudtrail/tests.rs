use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::model::{Object, Trust};

fn terms() -> SourceTerms {
    SourceTerms {
        name: "trail.json".into(),
        trust: Trust::Authenticated,
        host: Some("ignored".into()),
        zone: TimeZone::UTC,
        until: Timestamp::MAX,
    }
}

fn call() -> Value {
    json!({
        "eventVersion": "1.08", "eventTime": "2026-03-01T10:00:00Z", "eventID": "8d0ba3e5-1f0c-4c59-a2b9-3a4f0d9f7c11",
        "eventSource": "s3.amazonaws.com", "eventName": "PutBucketPolicy", "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2",
        "userIdentity": {
            "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/deploy/run-4",
            "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111122223333:role/deploy"}}
        },
        "requestParameters": {"bucketName": "logs", "key": "a/b"},
        "responseElements": null
    })
}

fn seen(body: Value) -> Event {
    event(&decode(body, 1, &terms()).unwrap())
}

// Goal: catches an actor, an origin or an object that attribution would not find again.
#[test]
fn an_event_says_who_did_what() {
    let record = decode(call(), 9, &terms()).unwrap();
    assert_eq!(
        record.id.as_deref(),
        Some("8d0ba3e5-1f0c-4c59-a2b9-3a4f0d9f7c11")
    );
    assert_eq!(record.host, None);
    let event = event(&record);
    assert_eq!(
        event.actor.name,
        "arn:aws:sts::111122223333:assumed-role/deploy/run-4"
    );
    assert_eq!(
        event.actor.original.as_deref(),
        Some("arn:aws:iam::111122223333:role/deploy")
    );
    assert_eq!(event.actor.session.as_deref(), Some("ASIAEXAMPLE"));
    assert_eq!(event.action, "s3:PutBucketPolicy");
    let object = event.object.unwrap();
    assert_eq!(
        (object.kind.as_str(), object.name.as_str()),
        ("AWS::S3::Object", "logs/a/b")
    );
    assert_eq!(event.outcome, Outcome::Success);
    assert_eq!(event.addresses, ["198.51.100.7"]);
}

// Goal: catches somebody without a name because they have no ARN, and a role in the place of who assumed it.
#[test]
fn actors_without_an_arn_have_a_name() {
    let actor = |identity: Value| {
        let mut body = call();
        body["userIdentity"] = identity;
        seen(body).actor
    };
    let service = actor(json!({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}));
    assert_eq!(service.name, "ec2.amazonaws.com");
    assert_eq!(service.original, None);
    let login = actor(json!({"type": "IAMUser", "userName": "alice", "accessKeyId": ""}));
    assert_eq!((login.name.as_str(), login.session), ("alice", None));
    let other =
        actor(json!({"type": "AWSAccount", "accountId": "444455556666", "principalId": "AIDA"}));
    assert_eq!(other.name, "444455556666");
    let center = actor(json!({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "u-1"}}));
    assert_eq!(center.name, "u-1");
    let known = actor(json!({"arn": "x", "sessionContext":
        {"sourceIdentity": "alice", "sessionIssuer": {"arn": "role"}}}));
    assert_eq!(known.original.as_deref(), Some("alice"));
}

// Goal: catches a failed sign-in, which has no error code, counted as a success.
#[test]
fn failures_are_seen() {
    let mut body = call();
    body["responseElements"] = json!({"ConsoleLogin": "Failure"});
    assert_eq!(seen(body.clone()).outcome, Outcome::Failure);
    body["responseElements"] = json!({"ConsoleLogin": "Success"});
    assert_eq!(seen(body.clone()).outcome, Outcome::Success);
    body["errorCode"] = json!("AccessDenied");
    assert_eq!(seen(body).outcome, Outcome::Failure);
}

// Goal: catches a listed resource passed over, and a parameter of one service read as another's.
#[test]
fn objects_come_from_resources_and_parameters() {
    let object = |source: &str, parameters: Value, resources: Value| -> Option<Object> {
        let mut body = call();
        body["eventSource"] = json!(source);
        body["requestParameters"] = parameters;
        body["resources"] = resources;
        seen(body).object
    };
    let role = json!([{"accountId": "1"}, {"ARN": "arn:role", "type": "AWS::IAM::Role"}]);
    let listed = object("sts.amazonaws.com", json!({"roleArn": "x"}), role).unwrap();
    assert_eq!(listed.name, "arn:role");
    let instances =
        json!({"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}});
    let first = object("ec2.amazonaws.com", instances, Value::Null).unwrap();
    assert_eq!(
        (first.kind.as_str(), first.name.as_str()),
        ("AWS::EC2::Instance", "i-1")
    );
    assert_eq!(
        object("zzz.amazonaws.com", json!({"userName": "a"}), Value::Null),
        None
    );
}

// Goal: catches an Insight event without its subject, and a digest read as a record of nobody.
#[test]
fn insights_are_kept_and_digests_are_not() {
    let insight = json!({
        "eventTime": "2026-03-01T10:00:00Z", "eventID": "i", "eventType": "AwsCloudTrailInsight",
        "insightDetails": {"eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "state": "Start"}
    });
    let event = seen(insight);
    assert_eq!(event.action, "iam:CreateUser");
    assert_eq!(event.outcome, Outcome::Unknown);
    let digest = json!({"awsAccountId": "1", "digestS3Bucket": "b", "logFiles": []});
    let left = decode(digest, 4, &terms()).unwrap_err();
    assert_eq!((left.line, left.why), (4, LeftOut::OtherFormat));
    assert!(left.detail.contains("digest"), "{}", left.detail);
}

// Goal: records whose ids were taken out for an example are told apart by nothing, so they must not pass for one record.
#[test]
fn what_is_no_id_is_none() {
    for taken_out in ["<eventId>", "", "8d0ba3e5-1f0c-4c59-a2b9-3a4f0d9f7c1x"] {
        let mut body = call();
        body["eventID"] = json!(taken_out);
        assert_eq!(decode(body, 1, &terms()).unwrap().id, None, "{taken_out}");
    }
}

// Goal: the quick reading of times agrees with the careful one on every day of leap and common years, and refuses what it
// refuses.
#[test]
fn quick_times_are_right() {
    for year in [1970, 1999, 2000, 2024, 2026, 2100] {
        for month in 0..14 {
            for day in 0..33 {
                let text = format!("{year:04}-{month:02}-{day:02}T23:59:58Z");
                assert_eq!(
                    plain_time(text.as_bytes()),
                    text.parse::<Timestamp>().ok(),
                    "{text}"
                );
            }
        }
    }
    for wrong in [
        "2026-03-01T24:00:00Z",
        "2026-03-01 10:00:00Z",
        "2026-03-01T1０:00Z",
        "+026-03-01T10:00:00Z",
    ] {
        assert_eq!(plain_time(wrong.as_bytes()), None, "{wrong}");
    }
    assert_eq!(
        time("2026-03-01T10:00:00.5+01:00"),
        "2026-03-01T09:00:00.5Z".parse().ok()
    );
}

// Goal: catches a panic or a record made of what is none. Each key in turn gets each wrong shape.
#[test]
fn hostile_shapes_do_no_harm() {
    let why = |body: Value| decode(body, 3, &terms()).unwrap_err().why;
    assert_eq!(why(json!("x")), LeftOut::Malformed);
    assert_eq!(why(json!({"kind": "Event"})), LeftOut::OtherFormat);
    assert_eq!(
        why(json!({"eventSource": 1, "eventName": "x"})),
        LeftOut::Malformed
    );
    assert_eq!(
        why(json!({"eventSource": "a", "eventName": "x"})),
        LeftOut::NoTime
    );
    let keys: Vec<String> = call().as_object().unwrap().keys().cloned().collect();
    for key in keys {
        for wrong in [
            json!(null),
            json!(-1),
            json!([[]]),
            json!({"": {}}),
            json!(""),
        ] {
            let mut body = call();
            body[&key] = wrong;
            if let Ok(record) = decode(body, 1, &terms()) {
                event(&record);
            }
        }
    }
}
