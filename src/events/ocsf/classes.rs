//! Where the classes of OCSF say who did what.

use serde_json::Value;

use crate::events::json::{at, text};
use crate::model::{Actor, Event, Object, Outcome};

const FILE_SYSTEM: u64 = 1001;
const PROCESS: u64 = 1007;
const FINDING: u64 = 2004;
const AUTHENTICATION: u64 = 3002;
const NETWORK: u64 = 4001;
const API: u64 = 6003;

/// How the activities of a class are called, from the one with the number 1.
fn activities(class: u64) -> (&'static str, &'static [&'static str]) {
    match class {
        FILE_SYSTEM => (
            "file",
            &[
                "create",
                "read",
                "update",
                "delete",
                "rename",
                "set-attributes",
                "set-security",
                "get-attributes",
                "get-security",
                "encrypt",
                "decrypt",
                "mount",
                "unmount",
                "open",
            ],
        ),
        PROCESS => (
            "process",
            &["launch", "terminate", "open", "inject", "set-user-id"],
        ),
        AUTHENTICATION => (
            "authentication",
            &[
                "logon",
                "logoff",
                "authentication-ticket",
                "service-ticket-request",
                "service-ticket-renew",
                "preauth",
            ],
        ),
        NETWORK => (
            "network",
            &[
                "open", "close", "reset", "fail", "refuse", "traffic", "listen",
            ],
        ),
        _ => ("", &[]),
    }
}

pub(super) fn event(body: &Value) -> Event {
    let class = class(body);
    Event {
        actor: actor(body, class),
        action: action(body, class),
        object: object(body, class),
        outcome: match number(body, "status_id") {
            // In a finding this is how far people are with it.
            _ if class == FINDING => Outcome::Unknown,
            Some(1) => Outcome::Success,
            Some(2) => Outcome::Failure,
            _ => Outcome::Unknown,
        },
        addresses: addresses(body, class),
    }
}

pub(super) fn lineage(body: &Value) -> Option<(&str, &str)> {
    if class(body) != PROCESS || number(body, "activity_id") != Some(1) {
        return None;
    }
    let started = at(body, &["process"]);
    let parent = [
        at(started, &["parent_process"]),
        at(body, &["actor", "process"]),
    ];
    Some((parent.into_iter().find_map(program)?, program(started)?))
}

fn class(body: &Value) -> u64 {
    number(body, "class_uid").unwrap_or_default()
}

fn number(body: &Value, key: &str) -> Option<u64> {
    body.get(key).and_then(Value::as_u64)
}

fn program(process: &Value) -> Option<&str> {
    text(at(process, &["file"]), "path").or_else(|| text(process, "name"))
}

/// Whom an object `user` is about: by a name of the whole world, if it has one.
fn user(user: &Value) -> Option<&str> {
    let arn = text(user, "uid").filter(|uid| uid.starts_with("arn:"));
    arn.or_else(|| text(user, "name"))
        .or_else(|| text(user, "uid"))
        .or_else(|| text(user, "email_addr"))
}

fn actor(body: &Value, class: u64) -> Actor {
    let acting = match class {
        FINDING => evidences(body)
            .map(|evidence| at(evidence, &["actor"]))
            .find(|actor| user(at(actor, &["user"])).is_some())
            .unwrap_or(&Value::Null),
        _ => at(body, &["actor"]),
    };
    let own = user(at(acting, &["user"]));
    // Who comes in is the user of the event; the actor of it is the service that lets them in.
    let coming = match class {
        AUTHENTICATION => user(at(body, &["user"])),
        _ => None,
    };
    let invoked = || text(acting, "invoked_by");
    let process = || program(at(acting, &["process"]));
    let name = coming.or(own).or_else(invoked).unwrap_or_default();
    let issuer = text(at(acting, &["session"]), "issuer");
    let agent = text(at(body, &["http_request"]), "user_agent").or_else(process);
    Actor {
        name: name.to_owned(),
        original: issuer.filter(|issuer| *issuer != name).map(str::to_owned),
        session: text(at(acting, &["session"]), "uid").map(str::to_owned),
        agent: agent.map(str::to_owned),
    }
}

fn action(body: &Value, class: u64) -> String {
    match class {
        API => {
            let api = at(body, &["api"]);
            let operation = text(api, "operation").unwrap_or_default();
            let service = text(at(api, &["service"]), "name");
            return match service {
                Some(service) => {
                    let short = service.strip_suffix(".amazonaws.com").unwrap_or(service);
                    format!("{short}:{operation}")
                }
                None => operation.to_owned(),
            };
        }
        FINDING => {
            let information = at(body, &["finding_info"]);
            let title = text(information, "title").or_else(|| text(body, "message"));
            return format!("finding: {}", title.unwrap_or("untitled"));
        }
        _ => {}
    }
    let (group, names) = activities(class);
    let activity = number(body, "activity_id").and_then(|id| usize::try_from(id).ok());
    let known = activity.and_then(|id| names.get(id.checked_sub(1)?));
    match known {
        Some(name) => format!("{group}-{name}"),
        None => {
            let words = text(body, "type_name")
                .or_else(|| text(body, "activity_name"))
                .or_else(|| text(body, "class_name"));
            words.map_or_else(|| format!("class {class}"), str::to_lowercase)
        }
    }
}

fn object(body: &Value, class: u64) -> Option<Object> {
    let of = |kind: &str, name: Option<&str>| {
        name.map(|name| Object {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    };
    match class {
        FILE_SYSTEM => of("file", text(at(body, &["file"]), "path")),
        PROCESS => of("process", program(at(body, &["process"]))),
        AUTHENTICATION => {
            let target = at(body, &["dst_endpoint"]);
            of(
                "host",
                text(target, "hostname").or_else(|| text(target, "name")),
            )
            .or_else(|| of("service", text(at(body, &["service"]), "name")))
        }
        NETWORK => {
            let target = at(body, &["dst_endpoint"]);
            let address = text(target, "ip").or_else(|| text(target, "hostname"))?;
            let name = match number(target, "port") {
                Some(port) if address.contains(':') => format!("[{address}]:{port}"),
                Some(port) => format!("{address}:{port}"),
                None => address.to_owned(),
            };
            of("address", Some(&name))
        }
        _ => {
            let resource = body.get("resources")?.get(0)?;
            let kind = text(resource, "type").unwrap_or("resource");
            of(
                kind,
                text(resource, "name").or_else(|| text(resource, "uid")),
            )
        }
    }
}

/// More evidences than this in one finding are not looked at.
const MAX_EVIDENCES: usize = 256;

fn evidences(body: &Value) -> impl Iterator<Item = &Value> {
    let all = body.get("evidences").and_then(Value::as_array);
    all.into_iter().flatten().take(MAX_EVIDENCES)
}

fn addresses(body: &Value, class: u64) -> Vec<String> {
    let address = |endpoint: &Value| {
        let name = ["ip", "hostname", "svc_name", "name"];
        name.iter()
            .find_map(|key| text(endpoint, key))
            .map(str::to_owned)
    };
    if class != FINDING {
        return address(at(body, &["src_endpoint"])).into_iter().collect();
    }
    evidences(body)
        .filter_map(|evidence| address(at(evidence, &["src_endpoint"])))
        .collect()
}
