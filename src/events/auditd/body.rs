//! An audit event's records, joined into one body.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::paths::{self, Touched};
use super::processes::{Process, Processes};
use super::saddr::{self, SocketAddress};
use super::syscalls;

type Fields = Map<String, Value>;

/// What an event is, apart from its records.
pub(super) struct Head {
    pub(super) node: Option<String>,
    pub(super) serial: u64,
    /// Its records were more than are held: the rest stands in another record of the same id.
    pub(super) cut: bool,
}

/// Joins the records, which are at least one, and remembers what was executed.
pub(super) fn join(head: &Head, mut records: Vec<Fields>, processes: &mut Processes) -> Value {
    join_arguments(&mut records);
    records.iter_mut().for_each(complete);
    let mut body = Fields::new();
    put(&mut body, "node", head.node.as_deref());
    body.insert("serial".to_owned(), head.serial.into());
    if head.cut {
        body.insert("cut".to_owned(), true.into());
    }
    if let Some(first) = records.first() {
        put(&mut body, "type", text(first, "type"));
    }
    let call = records.iter().find(|record| record["type"] == "SYSCALL");
    if let Some(main) = call.or(records.first()) {
        who(main, &mut body);
        outcome(main, &mut body);
        said(main, &mut body);
    }
    let syscall = call.and_then(|call| text(call, "SYSCALL"));
    put(&mut body, "syscall", syscall);
    command(&records, &mut body);
    let cwd = of(&records, "CWD", "cwd").or_else(|| text(records.first()?, "cwd"));
    put(&mut body, "cwd", cwd);
    files(paths::touched(&records, call, syscall, cwd), &mut body);
    address(&records, &mut body);
    if syscall == Some("connect") {
        body.insert("initiated".to_owned(), true.into());
    }
    ancestry(head, syscall, processes, &mut body);
    body.insert(
        "records".to_owned(),
        Value::Array(records.into_iter().map(Value::Object).collect()),
    );
    Value::Object(body)
}

/// A field that says something: not `?`, `(none)`, `(null)`, and not the id that stands for none.
fn text<'a>(record: &'a Fields, key: &str) -> Option<&'a str> {
    let text = record.get(key)?.as_str()?;
    (!["", "?", "(none)", "(null)", "4294967295", "-1", "unset"].contains(&text)).then_some(text)
}

/// The first such field in records of a type.
fn of<'a>(records: &'a [Fields], kind: &str, key: &str) -> Option<&'a str> {
    let mut kind = records.iter().filter(|record| record["type"] == kind);
    kind.find_map(|record| text(record, key))
}

fn put(body: &mut Fields, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        body.insert(key.to_owned(), text.into());
    }
}

fn number(body: &mut Fields, record: &Fields, key: &str) {
    let number = text(record, key).and_then(|text| text.parse::<i64>().ok());
    if let Some(number) = number {
        body.insert(key.to_owned(), number.into());
    }
}

/// Makes one EXECVE record of all, with each argument in one piece.
fn join_arguments(records: &mut Vec<Fields>) {
    let mut pieces: BTreeMap<(u32, u32), String> = BTreeMap::new();
    let mut first = None;
    let mut at = 0;
    records.retain_mut(|record| {
        let keep = if record["type"] == "EXECVE" {
            let arguments: Vec<String> = record
                .keys()
                .filter(|key| argument(key).is_some())
                .cloned()
                .collect();
            for key in arguments {
                if let (Some(place), Some(Value::String(text))) =
                    (argument(&key), record.remove(&key))
                {
                    pieces.entry(place).or_insert(text);
                }
            }
            record.retain(|key, _| !key.ends_with("_len"));
            first.is_none()
        } else {
            true
        };
        if keep {
            if record["type"] == "EXECVE" {
                first = Some(at);
            }
            at += 1;
        }
        keep
    });
    let Some(record) = first.and_then(|first| records.get_mut(first)) else {
        return;
    };
    for ((place, _), piece) in pieces {
        match record
            .entry(format!("a{place}"))
            .or_insert_with(|| "".into())
        {
            Value::String(text) => text.push_str(&piece),
            other => *other = piece.into(),
        }
    }
}

/// `a3` is piece 0 of argument 3, and `a3[2]` piece 2.
fn argument(key: &str) -> Option<(u32, u32)> {
    let rest = key.strip_prefix('a')?;
    match rest.split_once('[') {
        Some((place, piece)) => Some((place.parse().ok()?, piece.strip_suffix(']')?.parse().ok()?)),
        None => Some((rest.parse().ok()?, 0)),
    }
}

/// Adds to a record what its raw fields mean.
fn complete(record: &mut Fields) {
    match record["type"].as_str() {
        Some("SYSCALL") => {
            let arch = text(record, "arch").unwrap_or("").to_owned();
            let name = text(record, "syscall").and_then(|number| syscalls::name(&arch, number));
            if let Some(name) = name {
                record.entry("SYSCALL").or_insert(name.into());
            }
            if let Some(name) = syscalls::architecture(&arch) {
                record.entry("ARCH").or_insert(name.into());
            }
            if let Some(keys) = text(record, "key").filter(|keys| keys.contains('\u{1}')) {
                let keys = Value::Array(keys.split('\u{1}').map(Value::from).collect());
                record.insert("key".to_owned(), keys);
            }
        }
        Some("SOCKADDR") => {
            let decoded = text(record, "saddr").and_then(saddr::decode);
            match decoded {
                Some(SocketAddress::Internet { address, port }) => {
                    record.insert("address".to_owned(), address.into());
                    record.insert("port".to_owned(), port.into());
                }
                Some(SocketAddress::Local(path)) => {
                    record.insert("socket".to_owned(), path.into());
                }
                None => {}
            }
        }
        Some("PROCTITLE") => {
            // Arguments are parted by NUL.
            if let Some(Value::String(title)) = record.get_mut("proctitle") {
                *title = title.trim_end_matches('\0').replace('\0', " ");
            }
        }
        _ => {}
    }
}

fn who(main: &Fields, body: &mut Fields) {
    for key in ["pid", "ppid", "uid", "auid", "euid"] {
        number(body, main, key);
    }
    put(body, "user", text(main, "UID"));
    put(body, "login_user", text(main, "AUID"));
    put(body, "session", text(main, "ses"));
    put(body, "tty", text(main, "tty").or(text(main, "terminal")));
    put(body, "exe", text(main, "exe"));
    put(body, "comm", text(main, "comm"));
    let keys = match main.get("key") {
        Some(Value::Array(keys)) => keys.clone(),
        _ => text(main, "key").map(Value::from).into_iter().collect(),
    };
    if !keys.is_empty() {
        body.insert("key".to_owned(), Value::Array(keys));
    }
}

fn outcome(main: &Fields, body: &mut Fields) {
    let said = ["success", "res", "result"]
        .iter()
        .find_map(|key| text(main, key));
    let success = match said {
        Some("yes" | "success" | "1") => Some(true),
        Some("no" | "failed" | "failure" | "0") => Some(false),
        _ => None,
    };
    if let Some(success) = success {
        body.insert("success".to_owned(), success.into());
    }
    number(body, main, "exit");
}

/// What a program said in a message of its own.
fn said(main: &Fields, body: &mut Fields) {
    for key in ["op", "acct", "unit"] {
        put(body, key, text(main, key));
    }
    put(body, "res", text(main, "res").or(text(main, "result")));
    put(body, "address", text(main, "addr"));
    put(body, "hostname", text(main, "hostname"));
    put(body, "command_line", text(main, "cmd"));
}

fn command(records: &[Fields], body: &mut Fields) {
    if let Some(record) = records.iter().find(|record| record["type"] == "EXECVE") {
        let mut arguments: Vec<(u32, &str)> = record
            .iter()
            .filter_map(|(key, value)| Some((argument(key)?.0, value.as_str()?)))
            .collect();
        arguments.sort_unstable_by_key(|(place, _)| *place);
        let argv: Vec<&str> = arguments.into_iter().map(|(_, text)| text).collect();
        put(body, "command_line", Some(&argv.join(" ")));
        body.insert("argv".to_owned(), argv.into());
        return;
    }
    put(body, "command_line", of(records, "PROCTITLE", "proctitle"));
}

fn files(touched: Touched, body: &mut Fields) {
    put(body, "object", touched.object.as_deref());
    put(body, "from", touched.from.as_deref());
    put(body, "change", touched.change);
    if !touched.paths.is_empty() {
        body.insert("paths".to_owned(), Value::Array(touched.paths));
    }
}

fn address(records: &[Fields], body: &mut Fields) {
    let Some(record) = records.iter().find(|record| record["type"] == "SOCKADDR") else {
        return;
    };
    for key in ["address", "port", "socket"] {
        if let Some(value) = record.get(key) {
            body.insert(key.to_owned(), value.clone());
        }
    }
}

/// Names the parent, and remembers an execution for those that come after.
fn ancestry(head: &Head, syscall: Option<&str>, processes: &mut Processes, body: &mut Fields) {
    let id = |body: &Fields, key: &str| body.get(key).and_then(Value::as_u64);
    let node = head.node.as_deref();
    if let Some(parent) = id(body, "ppid").and_then(|parent| processes.get(node, parent)) {
        put(body, "parent_exe", parent.exe.as_deref());
        put(body, "parent_command_line", parent.command_line.as_deref());
    }
    if matches!(syscall, Some("execve" | "execveat"))
        && body.get("success") == Some(&Value::Bool(true))
        && let Some(pid) = id(body, "pid")
    {
        let owned = |key: &str| text(body, key).map(str::to_owned);
        let process = Process {
            exe: owned("exe"),
            command_line: owned("command_line"),
        };
        processes.executed(node, pid, process);
    }
}
