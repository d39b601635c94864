use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::model::Trust;

fn terms() -> SourceTerms {
    SourceTerms {
        name: "audit.jsonl".into(),
        trust: Trust::Authenticated,
        host: None,
        zone: TimeZone::UTC,
        until: Timestamp::MAX,
    }
}

fn exec() -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a-1", "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/pods/web-1/exec?command=sh", "verb": "create",
        "user": {"username": "alice", "extra": {CREDENTIAL: ["JTI=1", "JTI=2"]}},
        "impersonatedUser": {"username": "system:admin"},
        "sourceIPs": ["198.51.100.7", "127.0.0.1"], "userAgent": "kubectl",
        "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "shop", "name": "web-1"},
        "responseStatus": {"code": 101},
        "requestReceivedTimestamp": "2026-03-01T10:00:00.000001Z",
        "stageTimestamp": "2026-03-01T10:00:02.5Z"
    })
}

// Goal: catches an actor without the person behind an impersonation, a lost subresource, and a wrong time among three.
#[test]
fn an_event_says_who_did_what() {
    let record = decode(exec(), 7, &terms()).unwrap();
    assert_eq!(record.id.as_deref(), Some("a-1"));
    assert_eq!(record.time, "2026-03-01T10:00:02.5Z".parse().unwrap());
    assert_eq!(record.place.line, 7);
    let event = event(&record);
    assert_eq!(event.actor.name, "system:admin");
    assert_eq!(event.actor.original.as_deref(), Some("alice"));
    assert_eq!(event.actor.session.as_deref(), Some("JTI=1"));
    assert_eq!(event.action, "create pods/exec");
    assert_eq!(event.object.unwrap().name, "shop/web-1");
    assert_eq!(event.outcome, Outcome::Success);
    assert_eq!(event.addresses, ["198.51.100.7", "127.0.0.1"]);
}

// Goal: catches two stages of a request under one id, and an answer of the server read into a stage that has none.
#[test]
fn an_early_stage_has_an_id_of_its_own() {
    let mut body = exec();
    body["stage"] = json!("RequestReceived");
    body.as_object_mut().unwrap().remove("responseStatus");
    let record = decode(body, 1, &terms()).unwrap();
    assert_eq!(record.id.as_deref(), Some("a-1/RequestReceived"));
    assert_eq!(event(&record).outcome, Outcome::Unknown);
}

// Goal: catches events of the first betas (a `timestamp`, no apiVersion) and of all betas left out.
#[test]
fn betas_are_read() {
    for version in ["audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1"] {
        let mut body = exec();
        body["apiVersion"] = json!(version);
        assert!(decode(body, 1, &terms()).is_ok(), "{version}");
    }
    let old = json!({"kind": "Event", "auditID": "b", "verb": "get", "timestamp": "2018-10-26T14:26:34Z"});
    let record = decode(old, 1, &terms()).unwrap();
    assert_eq!(record.time, "2018-10-26T14:26:34Z".parse().unwrap());
}

// Goal: catches an object without a name where the request or the answer has it, and a namespace named twice.
#[test]
fn objects_are_named() {
    let named = |reference: Value, verb: &str, request: Value, answer: Value| {
        let mut body = exec();
        body["objectRef"] = reference;
        body["verb"] = json!(verb);
        body["requestObject"] = request;
        body["responseObject"] = answer;
        let object = event(&decode(body, 1, &terms()).unwrap()).object.unwrap();
        object.name
    };
    let pods = json!({"resource": "pods", "namespace": "shop"});
    let generated = json!({"metadata": {"generateName": "web-"}});
    let answer = json!({"metadata": {"name": "web-x1"}});
    assert_eq!(
        named(pods.clone(), "create", generated.clone(), answer.clone()),
        "shop/web-x1"
    );
    assert_eq!(
        named(pods.clone(), "create", generated, Value::Null),
        "shop/web-"
    );
    assert_eq!(named(pods, "list", Value::Null, answer), "shop/*");
    let all = json!({"resource": "secrets"});
    assert_eq!(named(all, "list", Value::Null, Value::Null), "*");
    let namespace = json!({"resource": "namespaces", "namespace": "shop", "name": "shop"});
    assert_eq!(named(namespace, "patch", Value::Null, Value::Null), "shop");
}

// Goal: catches a refusal counted as done, also where only the authorizer's word is there.
#[test]
fn refusals_are_failures() {
    let mut body = exec();
    body["responseStatus"] = json!({"code": 403});
    assert_eq!(
        event(&decode(body.clone(), 1, &terms()).unwrap()).outcome,
        Outcome::Failure
    );
    body["responseStatus"] = Value::Null;
    body["annotations"] = json!({"authorization.k8s.io/decision": "forbid"});
    assert_eq!(
        event(&decode(body, 1, &terms()).unwrap()).outcome,
        Outcome::Failure
    );
}

// Goal: catches a panic or a record made of what is no audit event. Each key in turn gets each wrong shape.
#[test]
fn hostile_shapes_do_no_harm() {
    let why = |body: Value| decode(body, 3, &terms()).unwrap_err().why;
    assert_eq!(why(json!([])), LeftOut::Malformed);
    assert_eq!(why(json!({"kind": 0})), LeftOut::Malformed);
    assert_eq!(why(json!({"a": 1})), LeftOut::OtherFormat);
    assert_eq!(
        why(json!({"kind": "Event", "apiVersion": "v1", "verb": "x"})),
        LeftOut::OtherFormat
    );
    assert_eq!(
        why(json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": "get"})),
        LeftOut::NoTime
    );
    let mut long = exec();
    long["auditID"] = json!("x".repeat(200));
    assert_eq!(why(long), LeftOut::Malformed);
    let keys: Vec<String> = exec().as_object().unwrap().keys().cloned().collect();
    for key in keys {
        for wrong in [
            json!(null),
            json!(-1),
            json!([[]]),
            json!({"": {}}),
            json!(""),
        ] {
            let mut body = exec();
            body[&key] = wrong;
            if let Ok(record) = decode(body, 1, &terms()) {
                event(&record);
            }
        }
    }
}
