//! One line of an audit log: `[node=N ]type=T msg=audit(SECONDS.MS:SERIAL): FIELDS[\x1dENRICHED]`.
//!
//! Parts of it are chosen by others. What the kernel writes stands before what a program says of itself, so the first of two
//! fields of one name counts; within a program's `msg='...'` the tail (`addr`, `terminal`, `res`) is written after a host
//! name that may hold blanks, so there the last counts. Enriched names are upper case and nothing else is taken from there.

use serde_json::{Map, Value};

use super::value;

/// Byte 0x1D: after it auditd writes the names that it resolved.
const ENRICHED: u8 = 0x1d;

/// One record of an audit event.
#[derive(Debug)]
pub(super) struct AuditLine {
    pub(super) node: Option<String>,
    pub(super) kind: String,
    /// Since the epoch.
    pub(super) millis: i64,
    /// `SECONDS.MS:SERIAL`, as written.
    pub(super) stamp: String,
    pub(super) serial: u64,
    /// `type` first, then the fields.
    pub(super) fields: Map<String, Value>,
}

/// Reads a line. The error says what is missing.
pub(super) fn read(text: &str) -> Result<AuditLine, &'static str> {
    let (node, text) = match text.strip_prefix("node=") {
        Some(rest) => {
            let (node, rest) = rest.split_once(' ').ok_or("nothing after node=")?;
            (Some(node.to_owned()), rest)
        }
        None => (None, text),
    };
    let rest = text.strip_prefix("type=").ok_or("no type=")?;
    let (kind, rest) = rest.split_once(' ').ok_or("nothing after type=")?;
    let rest = rest.strip_prefix("msg=audit(").ok_or("no msg=audit(")?;
    let (stamp, rest) = rest.split_once("):").ok_or("no end of msg=audit(")?;
    let (millis, serial) = stamp_of(stamp).ok_or("no time and serial in msg=audit()")?;
    let known = |c: char| c.is_ascii_alphanumeric() || "_-[]".contains(c);
    if kind.is_empty() || !kind.chars().all(known) {
        return Err("no name in type=");
    }
    let mut fields = Map::new();
    fields.insert("type".to_owned(), kind.into());
    Fields { kind, rest }.read(&mut fields);
    Ok(AuditLine {
        node,
        kind: kind.to_owned(),
        millis,
        stamp: stamp.to_owned(),
        serial,
        fields,
    })
}

fn stamp_of(stamp: &str) -> Option<(i64, u64)> {
    let (time, serial) = stamp.split_once(':')?;
    let (seconds, millis) = time.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if millis.len() != 3 || !digits(seconds) || !digits(millis) || !digits(serial) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let millis: i64 = millis.parse().ok()?;
    let all = seconds.checked_mul(1000)?.checked_add(millis)?;
    Some((all, serial.parse().ok()?))
}

/// A cursor over `key=value` pairs.
struct Fields<'a> {
    kind: &'a str,
    rest: &'a str,
}

impl<'a> Fields<'a> {
    fn read(mut self, into: &mut Map<String, Value>) {
        let mut said = Map::new();
        // The field whose value may go on after a blank: `op=adding user`.
        let mut open: Option<&str> = None;
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            let Some(first) = self.rest.bytes().next() else {
                break;
            };
            if first == ENRICHED {
                enriched(&self.rest[1..], into);
                break;
            }
            let word_end = self.end_of_word();
            let Some((key, _)) = self.rest[..word_end].split_once('=') else {
                let word = self.take(word_end);
                let key = open.unwrap_or("text");
                append(into, key, word);
                continue;
            };
            self.take(key.len() + 1);
            if key == "msg" && self.rest.starts_with('\'') {
                let inner = self.program_text();
                program(self.kind, inner, &mut said);
                continue;
            }
            open = (key == "op").then_some("op");
            let text = self.value(key);
            into.entry(key).or_insert(Value::String(text));
        }
        for (key, value) in said {
            into.entry(key).or_insert(value);
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn end_of_word(&self) -> usize {
        let end = |byte: u8| byte == b' ' || byte == ENRICHED;
        self.rest.bytes().position(end).unwrap_or(self.rest.len())
    }

    /// The value at the cursor, decoded.
    fn value(&mut self, key: &str) -> String {
        if let Some(quoted) = self.quoted() {
            return quoted.to_owned();
        }
        let end = self.end_of_word();
        let bare = self.take(end);
        if value::may_be_encoded(self.kind, key) {
            return value::decode(key, bare);
        }
        bare.to_owned()
    }

    /// A text in double quotes: to the first quote that a blank, the enriched part or the end follows, and the whole rest
    /// where there is none.
    fn quoted(&mut self) -> Option<&'a str> {
        let inner = self.rest.strip_prefix('"')?;
        let bytes = inner.as_bytes();
        let end = (0..bytes.len()).find(|at| {
            bytes[*at] == b'"' && matches!(bytes.get(at + 1), None | Some(b' ' | &ENRICHED))
        });
        self.rest = end.map_or("", |end| &inner[end + 1..]);
        Some(&inner[..end.unwrap_or(inner.len())])
    }

    /// What a program said: to the last single quote that the enriched part or the end follows, since an account's name
    /// may hold one.
    fn program_text(&mut self) -> &'a str {
        let inner = &self.rest[1..];
        let bytes = inner.as_bytes();
        let end = (0..bytes.len())
            .rev()
            .find(|at| bytes[*at] == b'\'' && matches!(bytes.get(at + 1), None | Some(&ENRICHED)));
        match end {
            Some(end) => {
                self.rest = &inner[end + 1..];
                &inner[..end]
            }
            None => {
                self.rest = "";
                inner
            }
        }
    }
}

/// The inside of `msg='...'`.
fn program(kind: &str, text: &str, into: &mut Map<String, Value>) {
    let mut cursor = Fields { kind, rest: text };
    let mut open: Option<&str> = None;
    loop {
        cursor.rest = cursor.rest.trim_start_matches([' ', '\u{1d}']);
        if cursor.rest.is_empty() {
            return;
        }
        let word_end = cursor.end_of_word();
        let Some((key, _)) = cursor.rest[..word_end].split_once('=') else {
            let word = cursor.take(word_end);
            append(into, open.unwrap_or("text"), word);
            continue;
        };
        cursor.take(key.len() + 1);
        let mut text = cursor.value(key);
        // Before 2008: `(hostname=?, addr=?, terminal=? res=success)`.
        let key = key.trim_start_matches('(');
        let tail = ["hostname", "addr", "terminal", "res", "result"];
        if tail.contains(&key) {
            text.truncate(text.trim_end_matches([',', ')']).len());
        }
        open = (key == "op").then_some("op");
        if tail.contains(&key) {
            into.insert(key.to_owned(), Value::String(text));
        } else {
            into.entry(key).or_insert(Value::String(text));
        }
    }
}

fn enriched(text: &str, into: &mut Map<String, Value>) {
    let mut cursor = Fields {
        kind: "",
        rest: text,
    };
    loop {
        cursor.rest = cursor.rest.trim_start_matches([' ', '\u{1d}']);
        let word_end = cursor.end_of_word();
        if cursor.rest.is_empty() {
            return;
        }
        let Some((key, _)) = cursor.rest[..word_end].split_once('=') else {
            cursor.take(word_end);
            continue;
        };
        cursor.take(key.len() + 1);
        if cursor.rest.starts_with('{') {
            // A socket's path stands in here as its owner chose it: the rest of the line belongs to it.
            let all = cursor.rest.trim_start_matches('{').trim_end_matches('}');
            into.entry(key).or_insert(all.trim().into());
            return;
        }
        let text = cursor.value(key);
        let upper =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if key.bytes().all(upper) {
            into.entry(key).or_insert(Value::String(text));
        }
    }
}

/// Words without a key: `text`, or more of the value that began before them.
fn append(into: &mut Map<String, Value>, key: &str, word: &str) {
    match into.get_mut(key) {
        Some(Value::String(text)) => {
            text.push(' ');
            text.push_str(word);
        }
        _ => {
            into.insert(key.to_owned(), word.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Map<String, Value> {
        read(line).unwrap().fields
    }

    // Goal: the parts of a usual enriched line land under their names, decoded.
    #[test]
    fn an_enriched_line() {
        let line = read(
            "node=web1 type=SYSCALL msg=audit(1700000000.042:77): arch=c000003e syscall=59 a0=55 uid=0 tty=(none) \
             comm=\"sh\" exe=2F746D702F612062 key=6578656301726F6F74\u{1d}ARCH=x86_64 SYSCALL=execve UID=\"root\"",
        )
        .unwrap();
        assert_eq!(line.node.as_deref(), Some("web1"));
        assert_eq!((line.millis, line.serial), (1_700_000_000_042, 77));
        assert_eq!(line.fields["a0"], "55");
        assert_eq!(line.fields["exe"], "/tmp/a b");
        assert_eq!(line.fields["key"], "exec\u{1}root");
        assert_eq!(line.fields["SYSCALL"], "execve");
        assert_eq!(line.fields["UID"], "root");
    }

    // Goal: an account's name with quotes, blanks and 0x1D in it forges no field of the kernel's or of auditd's.
    #[test]
    fn an_account_forges_nothing() {
        let got = fields(
            "type=USER_AUTH msg=audit(1700000000.042:77): pid=9 uid=1000 auid=1000 ses=4 \
             msg='op=PAM:authentication acct=\"o'brien'\u{1d}AUID=x uid=0\" exe=\"/usr/bin/su\" hostname=a uid=0 addr=192.0.2.1 \
             acct=\"root\" addr=198.51.100.7 terminal=ssh res=failed'\u{1d}UID=\"bob\" AUID=\"bob\"",
        );
        assert_eq!(got["uid"], "1000");
        assert_eq!(got["acct"], "o'brien'\u{1d}AUID=x uid=0");
        assert_eq!(got["addr"], "198.51.100.7");
        assert_eq!(got["res"], "failed");
        assert_eq!(got["AUID"], "bob");
    }

    // Goal: a socket's path that looks like enriched names is only a path; lower-case keys there are not taken.
    #[test]
    fn the_enriched_part_is_not_forged() {
        let got = fields(
            "type=SOCKADDR msg=audit(1700000000.042:77): saddr=0100\u{1d}SADDR={ saddr_fam=local path=/tmp/x } AUID=\"root\" }",
        );
        assert!(!got.contains_key("AUID"), "{got:?}");
        let got = fields("type=X msg=audit(1700000000.042:77): uid=5\u{1d}uid=0 pid=1 UID=\"eve\"");
        assert_eq!(got["uid"], "5");
        assert!(!got.contains_key("pid"));
    }

    // Goal: values with blanks that older programs write, and words without a key, are kept.
    #[test]
    fn words_without_a_key() {
        let got = fields(
            "type=ADD_USER msg=audit(1700000000.042:77): pid=9 uid=0 auid=0 ses=1 \
             msg='op=adding user id=0 exe=\"/usr/sbin/useradd\" hostname=? addr=? terminal=? res=success'",
        );
        assert_eq!(got["op"], "adding user");
        assert_eq!(got["id"], "0");
        let got = fields(
            "type=AVC msg=audit(1700000000.042:77): avc:  denied  { read } for  pid=9 comm=\"x\"",
        );
        assert_eq!(got["text"], "avc: denied { read } for");
        assert_eq!(got["pid"], "9");
    }

    // Goal: what is no audit line is refused with the reason.
    #[test]
    fn malformed_lines() {
        for (line, why) in [
            ("", "no type="),
            ("type=SYSCALL", "nothing after type="),
            (
                "type=SYSCALL msg=audit(1.2:3): a=b",
                "no time and serial in msg=audit()",
            ),
            ("type=SYSCALL msg=audit(1.002:3", "no end of msg=audit("),
            ("type=A\"B msg=audit(1.002:3): a=b", "no name in type="),
            (
                "type=SYSCALL msg=audit(99999999999999999999.002:3): a=b",
                "no time and serial in msg=audit()",
            ),
        ] {
            assert_eq!(read(line).unwrap_err(), why, "{line}");
        }
    }
}
