//! An audit event in the form that all sources share.

use serde_json::Value;

use crate::model::{Actor, Event, Object, Outcome, Record};

/// What an audit record says was done. Pure.
pub fn event(record: &Record) -> Event {
    let body = &record.body;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let action = text("syscall").or(text("type")).unwrap_or("").to_owned();
    let mut event = Event {
        actor: actor(body),
        object: object(body, &action),
        action,
        outcome: match body.get("success") {
            Some(Value::Bool(true)) => Outcome::Success,
            Some(Value::Bool(false)) => Outcome::Failure,
            _ => Outcome::Unknown,
        },
        addresses: Vec::new(),
    };
    // The address of a system call is where it goes to, that of a program's message where somebody came from.
    if text("syscall").is_none() {
        event.addresses.extend(text("address").map(str::to_owned));
    }
    event
}

fn actor(body: &Value) -> Actor {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| {
        body.get(key)
            .and_then(Value::as_i64)
            .map(|id| id.to_string())
    };
    let login = text("login_user").or_else(|| number("auid"));
    let running = text("user").or_else(|| number("uid"));
    // A login program speaks as root about somebody who has no session yet.
    let about = text("acct").filter(|_| is_login(body) && text("syscall").is_none());
    let name = about.or(running).unwrap_or_default();
    Actor {
        original: login.filter(|login| *login != name),
        name,
        session: text("session"),
        agent: text("exe"),
    }
}

/// The records by which a program says who came in.
fn is_login(body: &Value) -> bool {
    let kind = body.get("type").and_then(Value::as_str).unwrap_or("");
    kind.starts_with("CRED_")
        || [
            "USER_LOGIN",
            "USER_LOGOUT",
            "USER_AUTH",
            "USER_ACCT",
            "USER_START",
            "USER_END",
            "USER_ERR",
        ]
        .contains(&kind)
}

fn object(body: &Value, action: &str) -> Option<Object> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let named = |kind: &str, name: Option<String>| {
        name.map(|name| Object {
            kind: kind.to_owned(),
            name,
        })
    };
    if action.starts_with("execve") {
        return named("process", text("exe"));
    }
    if text("syscall").is_some() {
        let peer = || match (text("address"), body.get("port")) {
            (Some(address), Some(port)) if address.contains(':') => {
                Some(format!("[{address}]:{port}"))
            }
            (Some(address), Some(port)) => Some(format!("{address}:{port}")),
            _ => None,
        };
        return named("file", text("object"))
            .or_else(|| named("socket", text("socket")))
            .or_else(|| named("address", peer()));
    }
    named("process", text("command_line"))
        .or_else(|| named("unit", text("unit")))
        .or_else(|| named("user", text("acct")))
}

/// The program that was started and the one that started it. Pure.
pub fn lineage(record: &Record) -> Option<(&str, &str)> {
    let body = &record.body;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    text("syscall").filter(|call| call.starts_with("execve"))?;
    let succeeded = body.get("success") == Some(&Value::Bool(true));
    succeeded.then(|| Some((text("parent_exe")?, text("exe")?)))?
}
