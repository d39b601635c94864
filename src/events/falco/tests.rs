use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::model::Trust;

fn terms() -> SourceTerms {
    SourceTerms {
        name: "falco.json".into(),
        trust: Trust::HostWritten,
        host: None,
        zone: TimeZone::UTC,
        until: Timestamp::MAX,
    }
}

fn alert() -> Value {
    json!({
        "hostname": "node-1", "uuid": "5f3b4f0e-0000-4000-8000-000000000001",
        "output": "10:00:00.25: Error File below a known binary directory opened for writing (user=root)",
        "priority": "Error", "rule": "Write below binary dir", "source": "syscall",
        "tags": ["filesystem", "mitre_persistence"], "time": "2026-03-01T10:00:00.250000001Z",
        "output_fields": {
            "evt.time": 1_772_359_200_250_000_001_i64, "evt.type": "openat", "fd.name": "/usr/bin/x", "user.name": "root",
            "user.loginname": "alice", "proc.name": "touch", "proc.exepath": "/usr/bin/touch", "proc.pname": "bash",
            "container.id": "host", "evt.res": "SUCCESS", "fd.cip": null
        }
    })
}

fn made(body: Value) -> Event {
    event(&decode(body, 2, &terms()).unwrap())
}

// Goal: catches an alert about the wrong one: who it is told of, what was done and to what.
#[test]
fn an_alert_says_who_did_what() {
    let record = decode(alert(), 2, &terms()).unwrap();
    assert_eq!(
        record.time,
        "2026-03-01T10:00:00.250000001Z".parse().unwrap()
    );
    assert_eq!(record.host.as_deref(), Some("node-1"));
    assert!(record.id.as_deref().unwrap().starts_with("5f3b4f0e"));
    let event = event(&record);
    assert_eq!(event.actor.name, "root");
    assert_eq!(event.actor.original.as_deref(), Some("alice"));
    assert_eq!(event.action, "openat");
    assert_eq!(event.object.unwrap().name, "/usr/bin/x");
    assert_eq!(event.outcome, Outcome::Success);
    assert_eq!(lineage(&record), None);
}

// Goal: catches an alert of a plugin that has no actor, since its fields have other names; and `<NA>` taken for a name.
#[test]
fn plugins_have_names_of_their_own() {
    let mut body = alert();
    body["source"] = json!("k8s_audit");
    body["output_fields"] = json!({
        "user.name": "<NA>", "ka.user.name": "eve", "ka.verb": "create", "ka.target.resource": "pods",
        "ka.target.namespace": "prod", "ka.target.name": "web", "ka.sourceips": "192.0.2.7"
    });
    let event = made(body);
    assert_eq!(
        (event.actor.name.as_str(), event.action.as_str()),
        ("eve", "create pods")
    );
    assert_eq!(event.object.unwrap().name, "prod/web");
    assert_eq!(event.addresses, ["192.0.2.7"]);
    let mut body = alert();
    body["output_fields"] = json!({"ct.user": "bob", "ct.name": "CreateUser", "ct.srcip": "192.0.2.8", "ct.error": "AccessDenied"});
    let event = made(body);
    assert_eq!(
        (event.actor.name.as_str(), event.action.as_str()),
        ("bob", "CreateUser")
    );
    assert_eq!(event.outcome, Outcome::Failure);
    let mut body = alert();
    body.as_object_mut().unwrap().remove("output_fields");
    assert_eq!(made(body).action, "Write below binary dir");
}

// Goal: catches a start of a program that is not seen as one, or one made of another system call.
#[test]
fn who_started_what() {
    let mut body = alert();
    body["output_fields"]["evt.type"] = json!("execve");
    let record = decode(body, 2, &terms()).unwrap();
    assert_eq!(lineage(&record), Some(("bash", "/usr/bin/touch")));
}

// Goal: catches a panic or a record made of what is none. Each key in turn gets each wrong shape.
#[test]
fn hostile_shapes_do_no_harm() {
    let why = |body: Value| decode(body, 3, &terms()).unwrap_err().why;
    assert_eq!(why(json!([])), LeftOut::Malformed);
    assert_eq!(why(json!({"rule": 1, "priority": "x"})), LeftOut::Malformed);
    assert_eq!(why(json!({"rule": "x"})), LeftOut::OtherFormat);
    assert_eq!(why(json!({"rule": "x", "priority": "y"})), LeftOut::NoTime);
    assert_eq!(
        why(
            json!({"rule": "x", "priority": "y", "output_fields": [], "time": "2026-03-01T10:00:00Z"})
        ),
        LeftOut::Malformed
    );
    let wrong = [
        json!(null),
        json!(i64::MIN),
        json!([[]]),
        json!({"": {}}),
        json!(""),
    ];
    let keys =
        |body: &Value| -> Vec<String> { body.as_object().unwrap().keys().cloned().collect() };
    let look = |body: Value| {
        if let Ok(record) = decode(body, 1, &terms()) {
            event(&record);
            lineage(&record);
        }
    };
    for wrong in wrong {
        for key in keys(&alert()) {
            let mut body = alert();
            body[&key] = wrong.clone();
            look(body);
        }
        for key in keys(&alert()["output_fields"]) {
            let mut body = alert();
            body["output_fields"][&key] = wrong.clone();
            body.as_object_mut().unwrap().remove("time");
            look(body);
        }
    }
}
