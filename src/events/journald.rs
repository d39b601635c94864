//! `journalctl -o json`: one entry a line.
//!
//! Fields that begin with `_` are journald's own word; all others, `SYSLOG_IDENTIFIER` and `MESSAGE` among them, are the
//! sender's. A message is read as its program's only where journald's word bears that out: otherwise any user's `logger -t sshd`
//! would be a login. Where it does not, `program_unproven` is set and the message stays text.
//!
//! Limits: bytes that are no UTF-8 become U+FFFD; of a field that was sent several times the first counts as identifier or
//! message; a field that journalctl left out for its size stays null.
//!
//! **Invariant:** an entry's own fields are never changed, apart from bytes made into text.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::messages;
use super::syslog::{facility, severity};
use super::{Left, LeftOut, SourceTerms};
use crate::model::{Event, Format, Record, RecordPlace, TimeBasis};

/// Programs that users run and that write about themselves with rights of their own.
const SETUID: [&str; 10] = [
    "sudo", "su", "passwd", "chsh", "chfn", "chage", "gpasswd", "crontab", "sshd", "cron",
];

/// Decodes one entry.
pub fn decode(body: Value, line: u64, terms: &SourceTerms) -> Result<Record, Left> {
    let left = |why, detail: String| Left { line, why, detail };
    let Value::Object(mut entry) = body else {
        return Err(left(LeftOut::Malformed, "no JSON object".to_owned()));
    };
    let Some(stamp) = entry.get("__REALTIME_TIMESTAMP") else {
        let why = if entry.contains_key("__CURSOR") || entry.contains_key("_BOOT_ID") {
            LeftOut::NoTime
        } else {
            LeftOut::OtherFormat
        };
        return Err(left(why, "no __REALTIME_TIMESTAMP".to_owned()));
    };
    let micros = match stamp {
        Value::String(text) => text.parse().ok(),
        stamp => stamp.as_i64(),
    };
    let time = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let time = time.ok_or_else(|| {
        left(
            LeftOut::Malformed,
            "no number in __REALTIME_TIMESTAMP".to_owned(),
        )
    })?;
    entry.values_mut().for_each(to_text);
    let host = first(&entry, "_HOSTNAME").map(Into::into);
    let id = first(&entry, "__CURSOR").map(Into::into);
    add(&mut entry, time);
    Ok(Record {
        format: Format::Journald,
        place: RecordPlace {
            source: terms.name.clone(),
            line,
        },
        trust: terms.trust,
        time,
        basis: TimeBasis::Stated,
        id,
        host: terms.host.clone().or(host),
        body: Value::Object(entry),
    })
}

/// What an entry says was done. Pure.
pub fn event(record: &Record) -> Event {
    messages::event(record)
}

/// Makes a text of what journalctl wrote as a list of bytes, also in a field that was sent several times.
fn to_text(value: &mut Value) {
    let Value::Array(items) = value else { return };
    let byte = |item: &Value| item.as_u64().and_then(|number| u8::try_from(number).ok());
    let bytes: Option<Vec<u8>> = items.iter().map(byte).collect();
    match bytes {
        Some(bytes) if !bytes.is_empty() => *value = String::from_utf8_lossy(&bytes).into(),
        _ => {
            for item in items {
                if let Value::Array(inner) = item {
                    let bytes: Option<Vec<u8>> = inner.iter().map(byte).collect();
                    if let Some(bytes) = bytes {
                        *item = String::from_utf8_lossy(&bytes).into();
                    }
                }
            }
        }
    }
}

/// A field's text, or the first of several.
fn first<'a>(entry: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    match entry.get(key)? {
        Value::Array(items) => items.first()?.as_str(),
        value => value.as_str(),
    }
}

/// Adds, in lower case, the fields that syslog's bodies have too.
fn add(entry: &mut Map<String, Value>, time: Timestamp) {
    let text = |key: &str| first(entry, key).map(str::to_owned);
    let number = |key: &str| first(entry, key).and_then(|text| text.parse::<u32>().ok());
    let program = text("SYSLOG_IDENTIFIER").or_else(|| text("_COMM"));
    let message = text("MESSAGE");
    let proven = program
        .as_deref()
        .is_some_and(|program| is_proven(program, entry));
    let own: [(&str, Option<Value>); 11] = [
        ("time", Some(time.to_string().into())),
        ("host", text("_HOSTNAME").map(Value::from)),
        ("program", program.clone().map(Value::from)),
        (
            "pid",
            number("_PID")
                .or_else(|| number("SYSLOG_PID"))
                .map(Value::from),
        ),
        ("uid", number("_UID").map(Value::from)),
        ("unit", text("_SYSTEMD_UNIT").map(Value::from)),
        ("exe", text("_EXE").map(Value::from)),
        ("message", message.clone().map(Value::from)),
        (
            "facility",
            number("SYSLOG_FACILITY")
                .and_then(|at| facility(at as usize))
                .map(Value::from),
        ),
        (
            "severity",
            number("PRIORITY")
                .and_then(|at| severity(at as usize))
                .map(Value::from),
        ),
        (
            "login_uid",
            number("_AUDIT_LOGINUID")
                .filter(|uid| *uid != u32::MAX)
                .map(Value::from),
        ),
    ];
    let session = number("_AUDIT_SESSION").filter(|session| *session != u32::MAX);
    // A lower-case field is none of journald's: in a real entry there is none.
    entry.retain(|key, _| !key.starts_with(|c: char| c.is_ascii_lowercase()));
    for (key, value) in own {
        if let Some(value) = value {
            entry.insert(key.to_owned(), value);
        }
    }
    let (Some(program), Some(message)) = (program, message) else {
        return;
    };
    if proven {
        messages::add(&program, &message, entry);
    } else {
        entry.insert("program_unproven".to_owned(), true.into());
    }
    // sshd's own processes hang together by their number.
    if let Some(session) = session.filter(|_| messages::family(&program) != "sshd") {
        entry.entry("session").or_insert(session.to_string().into());
    }
}

/// Whether journald's word bears out that the entry is from this program.
fn is_proven(program: &str, entry: &Map<String, Value>) -> bool {
    let is_root = first(entry, "_UID") == Some("0");
    let family = messages::family(program);
    match (first(entry, "_EXE"), first(entry, "_COMM")) {
        (Some(exe), _) if messages::family(exe) != family => false,
        // Users have no files of their own there; a copy of `logger` elsewhere may have any name.
        (Some(exe), _) => {
            let installed = ["/usr/", "/bin/", "/sbin/", "/nix/store/"];
            is_root
                || (SETUID.contains(&family.as_str())
                    && installed.iter().any(|dir| exe.starts_with(dir)))
        }
        // A process chooses its own name, but the one of another user can't be root's.
        (None, Some(comm)) => is_root && messages::family(comm) == family,
        (None, None) => is_root,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::Trust;

    fn read(bytes: &[u8]) -> Result<Record, Left> {
        let terms = SourceTerms {
            name: "-".into(),
            trust: Trust::HostWritten,
            host: None,
            zone: TimeZone::UTC,
            until: Timestamp::UNIX_EPOCH,
        };
        let body = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        decode(body, 1, &terms)
    }

    fn entry(more: Value) -> Value {
        let mut entry = json!({"__REALTIME_TIMESTAMP": "1795490146278473", "__CURSOR": "s=1", "_HOSTNAME": "h1", "_PID": "7",
            "_UID": "0", "_EXE": "/usr/sbin/sshd", "_COMM": "sshd", "SYSLOG_IDENTIFIER": "sshd", "PRIORITY": "6",
            "MESSAGE": "Accepted password for root from 192.0.2.1 port 9 ssh2"});
        for (key, value) in more.as_object().unwrap() {
            entry[key] = value.clone();
        }
        entry
    }

    fn body(more: Value) -> Value {
        read(entry(more).to_string().as_bytes()).unwrap().body
    }

    // Goal: an entry keeps its fields and gets those that syslog has too.
    #[test]
    fn an_entry() {
        let record = read(entry(json!({"_AUDIT_SESSION": "4"})).to_string().as_bytes()).unwrap();
        assert_eq!(record.time.to_string(), "2026-11-24T03:15:46.278473Z");
        assert_eq!(record.id.as_deref(), Some("s=1"));
        assert_eq!(record.host.as_deref(), Some("h1"));
        assert_eq!(record.body["action"], "ssh-login");
        assert_eq!(record.body["_EXE"], "/usr/sbin/sshd");
        let event = event(&record);
        assert_eq!(event.addresses, ["192.0.2.1"]);
        assert_eq!(event.actor.session.as_deref(), Some("7"));
        let sudo = body(
            json!({"_EXE": "/usr/bin/sudo", "_UID": "1000", "SYSLOG_IDENTIFIER": "sudo", "_AUDIT_SESSION": "4",
            "MESSAGE": " alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh"}),
        );
        assert_eq!(
            (&sudo["target_user"], &sudo["session"]),
            (&json!("root"), &json!("4"))
        );
    }

    // Goal: a user's own process, or one of another name, makes no login out of a message.
    #[test]
    fn others_forge_no_login() {
        for forged in [
            json!({"_EXE": "/usr/bin/logger", "_COMM": "logger"}),
            json!({"_EXE": "/usr/bin/logger", "_COMM": "logger", "_UID": "1000"}),
            json!({"_EXE": "/tmp/sshd", "_UID": "1000"}),
            json!({"_EXE": null, "_UID": "1000"}),
            json!({"_EXE": null, "_COMM": null, "_UID": "1000"}),
            json!({"_EXE": "/usr/bin/logger", "_UID": "1000", "SYSLOG_IDENTIFIER": "logger",
                "MESSAGE": "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.0.0.1  user=x"}),
            json!({"SYSLOG_IDENTIFIER": ["sshd", "x"], "_EXE": "/usr/bin/logger"}),
        ] {
            let got = body(forged);
            assert_eq!(got["program_unproven"], true, "{got}");
            assert!(got.get("action").is_none() && got.get("address").is_none());
        }
        let own = body(json!({"action": "ssh-login", "address": "10.0.0.1", "MESSAGE": "x"}));
        assert!(
            own.get("action").is_none() && own.get("address").is_none(),
            "{own}"
        );
    }

    // Goal: bytes become text, repeated fields stay apart, and a field too large stays null.
    #[test]
    fn forms_of_a_field() {
        let got = body(
            json!({"MESSAGE": [72, 105, 27, 255], "A": ["x", [121]], "B": null, "C": [300], "D": []}),
        );
        assert_eq!(got["message"], "Hi\u{1b}\u{fffd}");
        assert_eq!((&got["A"], &got["B"]), (&json!(["x", "y"]), &Value::Null));
        assert_eq!((&got["C"], &got["D"]), (&json!([300]), &json!([])));
    }

    // Goal: what is no entry is left out with the right reason.
    #[test]
    fn other_lines() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().why;
        assert_eq!(why("Nov 24 03:15:54 h1 a: b"), LeftOut::Malformed);
        assert_eq!(why("[1]"), LeftOut::Malformed);
        assert_eq!(why("{\"eventVersion\": 1}"), LeftOut::OtherFormat);
        assert_eq!(why("{\"__CURSOR\": \"x\"}"), LeftOut::NoTime);
        assert_eq!(why("{\"__REALTIME_TIMESTAMP\": \"x\"}"), LeftOut::Malformed);
        assert_eq!(
            why("{\"__REALTIME_TIMESTAMP\": 9223372036854775807}"),
            LeftOut::Malformed
        );
    }

    proptest! {
        // Goal: no entry makes it panic, whatever types its fields have.
        #[test]
        fn nothing_panics(
            key in "__CURSOR|_PID|_EXE|_UID|MESSAGE|SYSLOG_IDENTIFIER|PRIORITY|SYSLOG_FACILITY|_AUDIT_SESSION",
            text in "\\PC{0,8}", number in any::<i64>(), kind in 0..5_u8,
        ) {
            let value = match kind {
                0 => json!(text),
                1 => json!(number),
                2 => json!([number % 300, text]),
                3 => json!({text: number}),
                _ => Value::Null,
            };
            let record = read(entry(json!({key: value})).to_string().as_bytes()).unwrap();
            event(&record);
        }

        // Goal: nor do any bytes.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
