//! What a record names, and which sort of change it tells.
//!
//! Only what took effect counts: a refused call changed nothing.

use serde_json::Value;

use super::places::{Key, name};
use crate::events::formats;
use crate::model::{Format, Outcome, Record};

/// Words of a command that are looked at, and paths of an event.
const MOST: usize = 128;

/// What a record did to what it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Did {
    /// A command that names it was run; what it did is not said.
    Ran,
    /// Its attributes were changed.
    Attributes,
    /// It was removed.
    Removed,
    /// It was made or written.
    Written,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Named {
    pub(super) key: Key,
    pub(super) did: Did,
}

fn text<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.get(key)?.as_str()
}

/// Everything that a record names as changed.
pub(super) fn of(record: &Record) -> Vec<Named> {
    match record.format {
        Format::Auditd => of_audit(&record.body),
        Format::Syslog | Format::Journald => of_message(&record.body),
        Format::KubernetesAudit | Format::CloudTrail => of_call(record),
        Format::Falco | Format::Suricata | Format::Ocsf => Vec::new(),
    }
}

fn of_audit(body: &Value) -> Vec<Named> {
    if body.get("success") == Some(&Value::Bool(false)) {
        return Vec::new();
    }
    let mut named = Vec::new();
    let mut add = |key, did| named.push(Named { key, did });
    let syscall = text(body, "syscall");
    if let Some(change) = text(body, "change") {
        let did = match change {
            "delete" => Did::Removed,
            "attributes" => Did::Attributes,
            _ => Did::Written,
        };
        if let Some(object) = text(body, "object") {
            add(Key::Path(object.to_owned()), did);
            if let Some(setting) = object.strip_prefix("/proc/sys/") {
                add(name("sysctl", &setting.replace('/', ".")), did);
            }
            if object == "/etc/sudoers" || object.starts_with("/etc/sudoers.d/") {
                add(Key::Some("sudo"), did);
            }
        }
        if let Some(from) = text(body, "from") {
            add(Key::Path(from.to_owned()), Did::Removed);
        }
    }
    match syscall {
        Some("bind") => {
            if let Some(port) = body.get("port").and_then(Value::as_u64) {
                add(name("listener", &port.to_string()), Did::Written);
            }
        }
        Some("init_module" | "finit_module") => add(Key::Some("module"), Did::Written),
        Some("delete_module") => add(Key::Some("module"), Did::Removed),
        Some("execve" | "execveat") => {
            let words = body.get("argv").and_then(Value::as_array);
            let words: Vec<&str> = words
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            named.extend(of_command(&words));
        }
        _ => {}
    }
    named.extend(of_account_message(body));
    if has_record(body, "NETFILTER_CFG") {
        named.push(Named {
            key: Key::Some("firewall"),
            did: Did::Written,
        });
    }
    named
}

fn has_record(body: &Value, kind: &str) -> bool {
    let records = body.get("records").and_then(Value::as_array);
    text(body, "type") == Some(kind)
        || records
            .into_iter()
            .flatten()
            .any(|record| text(record, "type") == Some(kind))
}

fn of_account_message(body: &Value) -> Option<Named> {
    let did = match text(body, "type")? {
        "ADD_USER" | "USER_CHAUTHTOK" | "USER_MGMT" | "ACCT_LOCK" | "ACCT_UNLOCK" => Did::Written,
        "DEL_USER" => Did::Removed,
        "ADD_GROUP" | "GRP_MGMT" => {
            let key = name("group", text(body, "acct")?);
            return Some(Named {
                key,
                did: Did::Written,
            });
        }
        _ => return None,
    };
    let key = name("user", text(body, "acct")?);
    Some(Named { key, did })
}

/// What a command line is about, by the name of its program.
fn of_command(words: &[&str]) -> Vec<Named> {
    let Some((program, words)) = words.split_first() else {
        return Vec::new();
    };
    let program = program.rsplit('/').next().unwrap_or(program);
    let words = words.iter().take(MOST).copied();
    let plain = words.clone().filter(|word| !word.starts_with('-'));
    let all = |sorts: &[&str]| -> Vec<Named> {
        let keys = plain
            .clone()
            .flat_map(|word| sorts.iter().map(move |sort| name(sort, word)));
        keys.map(|key| Named { key, did: Did::Ran }).collect()
    };
    let some = |sort: &'static str| Named {
        key: Key::Some(sort),
        did: Did::Ran,
    };
    match program {
        "useradd" | "usermod" | "userdel" | "adduser" | "deluser" | "passwd" | "chage" | "chsh"
        | "groupadd" | "groupmod" | "groupdel" | "gpasswd" => all(&["user", "group"]),
        "sysctl" => {
            let mut named: Vec<_> = plain
                .map(|word| Named {
                    key: name(
                        "sysctl",
                        &word.split('=').next().unwrap_or(word).replace('/', "."),
                    ),
                    did: Did::Ran,
                })
                .collect();
            if words.clone().any(|word| word == "-p" || word == "--system") {
                named.push(some("sysctl"));
            }
            named
        }
        "nft" | "iptables" | "ip6tables" | "iptables-restore" | "ip6tables-restore" => {
            vec![some("firewall")]
        }
        "systemctl" => all(&["service"]),
        "modprobe" | "insmod" | "rmmod" => plain
            .map(|word| {
                let file = word.rsplit('/').next().unwrap_or(word);
                let module = file.split('.').next().unwrap_or(file).replace('-', "_");
                Named {
                    key: name("module", &module),
                    did: Did::Ran,
                }
            })
            .collect(),
        "apt" | "apt-get" | "dpkg" => plain
            .map(|word| {
                let file = word.rsplit('/').next().unwrap_or(word);
                let package = file.split(['=', ':', '_', '/']).next().unwrap_or(file);
                Named {
                    key: name("package", package),
                    did: Did::Ran,
                }
            })
            .collect(),
        // What these do stands in no record of its own where only the run of programs is audited.
        "chattr" | "setfattr" | "setfacl" | "setcap" | "chmod" | "chown" | "touch" | "rm"
        | "mv" | "cp" | "tee" | "install" | "ln" => plain
            .filter(|word| word.starts_with('/'))
            .map(|word| Named {
                key: Key::Path(word.to_owned()),
                did: Did::Ran,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn of_message(body: &Value) -> Vec<Named> {
    if text(body, "outcome") == Some("failure") {
        return Vec::new();
    }
    let by = |sort: &str, key: &str, did| {
        let key = text(body, key).map(|who| name(sort, who));
        key.map(|key| Named { key, did })
            .into_iter()
            .collect::<Vec<_>>()
    };
    match text(body, "action").unwrap_or("") {
        "user-add" | "user-change" | "password-change" => by("user", "target_user", Did::Written),
        "user-delete" => by("user", "target_user", Did::Removed),
        "group-add" => by("group", "group", Did::Written),
        "group-delete" => by("group", "group", Did::Removed),
        "group-member-add" | "group-member-delete" => {
            let mut named = by("user", "target_user", Did::Written);
            named.extend(by("group", "group", Did::Written));
            named
        }
        "cron-change" => by("user-crontab", "target_user", Did::Written)
            .into_iter()
            .filter_map(|named| match named.key {
                Key::Name(_, user) => Some(Named {
                    key: Key::Path(format!("/var/spool/cron/crontabs/{user}")),
                    did: named.did,
                }),
                _ => None,
            })
            .collect(),
        "sudo" => {
            let command = text(body, "command_line").unwrap_or("");
            of_command(&command.split_whitespace().take(MOST).collect::<Vec<_>>())
        }
        _ => Vec::new(),
    }
}

/// A call of an API: the object that it names.
fn of_call(record: &Record) -> Vec<Named> {
    let event = formats::event(record);
    let is_kubernetes = record.format == Format::KubernetesAudit;
    if event.outcome == Outcome::Failure || (is_kubernetes && !changes(&record.body)) {
        return Vec::new();
    }
    if !is_kubernetes && record.body.get("readOnly") == Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let Some(object) = event.object else {
        return Vec::new();
    };
    let removes = ["delete", "Delete", "Remove", "Terminate"];
    let verb = event.action.rsplit(':').next().unwrap_or("");
    let did = match removes.iter().any(|word| verb.starts_with(word)) {
        true => Did::Removed,
        false => Did::Written,
    };
    // An ARN ends in the name.
    let short = object.name.rsplit(['/', ':']).next().map(str::to_owned);
    let mut named = vec![Named {
        key: Key::Name(object.kind.clone(), object.name.clone()),
        did,
    }];
    if !is_kubernetes && let Some(short) = short.filter(|short| *short != object.name) {
        named.push(Named {
            key: Key::Name(object.kind, short),
            did,
        });
    }
    named
}

/// Whether a call of Kubernetes changes the object that it names.
fn changes(body: &Value) -> bool {
    const VERBS: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
    const PARTS: [&str; 3] = ["scale", "finalize", "ephemeralcontainers"];
    let reference = body.get("objectRef");
    let part = reference.and_then(|reference| text(reference, "subresource"));
    let is_tried = text(body, "requestURI").is_some_and(|uri| {
        let query = uri.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair.starts_with("dryRun="))
    });
    text(body, "verb").is_some_and(|verb| VERBS.contains(&verb))
        && part.is_none_or(|part| PARTS.contains(&part))
        && !is_tried
}

/// Whether a call of Kubernetes may have set a field. Where the request is not in the record, it may.
pub(super) fn may_set(body: &Value, field: &str) -> bool {
    let steps: Vec<&str> = field
        .split(['/', '.'])
        .filter(|step| !step.is_empty())
        .collect();
    let Some(first) = steps.first() else {
        return true;
    };
    let scales = body.get("objectRef").and_then(|of| text(of, "subresource")) == Some("scale");
    if scales {
        return steps.contains(&"replicas");
    }
    match body.get("requestObject") {
        None | Some(Value::Null) => true,
        Some(Value::Array(patches)) => patches.iter().any(|patch| {
            text(patch, "path").is_none_or(|path| path.split('/').any(|step| step == *first))
        }),
        Some(request) => {
            let mut at = request;
            for step in &steps {
                match at {
                    Value::Object(fields) => match fields.get(*step) {
                        Some(below) => at = below,
                        None => return false,
                    },
                    _ => return true,
                }
            }
            true
        }
    }
}
