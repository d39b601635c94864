//! A message in the form that all sources share.

use serde_json::Value;

use crate::model::{Actor, Event, Object, Outcome, Record};

/// What a record of syslog or journald says was done. Pure. A message that is not known is the act of its program: `log`.
pub(in crate::events) fn event(record: &Record) -> Event {
    let body = &record.body;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let program = text("program").unwrap_or("");
    let Some(action) = text("action") else {
        return Event {
            actor: Actor {
                name: program.to_owned(),
                ..Actor::default()
            },
            action: "log".to_owned(),
            ..Event::default()
        };
    };
    let pid = body
        .get("pid")
        .and_then(Value::as_u64)
        .map(|pid| pid.to_string());
    Event {
        actor: Actor {
            session: text("session").map(str::to_owned).or(pid),
            agent: Some(program.to_owned()).filter(|program| !program.is_empty()),
            ..who(body, action)
        },
        object: object(record, action),
        action: action.to_owned(),
        outcome: match text("outcome") {
            Some("success") => Outcome::Success,
            Some("failure") => Outcome::Failure,
            _ => Outcome::Unknown,
        },
        addresses: text("address").map(str::to_owned).into_iter().collect(),
    }
}

fn who(body: &Value, action: &str) -> Actor {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let user = text("user").unwrap_or_default();
    // What sudo and su do is done as another; who refuses to let them leaves them who they are.
    let became = text("target_user").filter(|_| {
        ["sudo", "su"].contains(&action) && text("outcome").as_deref() == Some("success")
    });
    let (name, original) = match became {
        Some(target) => (target, Some(user)),
        None => (user, text("by_user")),
    };
    Actor {
        original: original.filter(|original| !original.is_empty() && *original != name),
        name,
        session: None,
        agent: None,
    }
}

fn object(record: &Record, action: &str) -> Option<Object> {
    let body = &record.body;
    let (kind, key) = match action {
        "sudo" | "cron-run" | "cron-end" => ("process", "command_line"),
        "cron-change" | "cron-edit" | "cron-list" => ("crontab", "target_user"),
        "cron-reload" | "ssh-key" => ("file", "file"),
        "group-add" | "group-delete" | "group-member-add" | "group-member-delete" => {
            ("group", "group")
        }
        _ if action.starts_with("ssh-") => {
            return record.host.as_deref().map(|host| Object {
                kind: "host".to_owned(),
                name: host.to_owned(),
            });
        }
        _ => ("user", "target_user"),
    };
    let name = body.get(key)?.as_str()?.to_owned();
    Some(Object {
        kind: kind.to_owned(),
        name,
    })
}
