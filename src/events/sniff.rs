//! Which format a record has, told by the record.
//!
//! What is told this way is a guess that a log's writer can steer, so it settles how a source is read and never how far it is
//! believed beyond [`Trust::HostWritten`](crate::model::Trust).

use serde_json::{Map, Value};

use crate::model::Format;

/// The format of one line or element; none where it is no known one.
pub fn format_of(bytes: &[u8]) -> Option<Format> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let bytes = &bytes[start..];
    match bytes[0] {
        b'{' => {
            let text = String::from_utf8_lossy(bytes);
            of_object(serde_json::from_str::<Value>(&text).ok()?.as_object()?)
        }
        _ => of_text(bytes),
    }
}

fn of_object(object: &Map<String, Value>) -> Option<Format> {
    let has = |keys: &[&str]| keys.iter().all(|key| object.contains_key(*key));
    let starts = |key: &str, with: &str| {
        object
            .get(key)
            .and_then(Value::as_str)
            .is_some_and(|value| value.starts_with(with))
    };
    // Webhook backends of old leave `apiVersion` out.
    let is_event = object.get("kind").is_some_and(|kind| kind == "Event");
    let old = is_event && !object.contains_key("apiVersion") && has(&["auditID", "verb"]);
    if old || starts("apiVersion", "audit.k8s.io/") {
        return Some(Format::KubernetesAudit);
    }
    if has(&["eventVersion", "eventSource", "eventName"])
        || has(&["eventID", "eventName", "eventTime"])
        || has(&["eventID", "eventTime", "insightDetails"])
    {
        return Some(Format::CloudTrail);
    }
    if has(&["__REALTIME_TIMESTAMP"]) {
        return Some(Format::Journald);
    }
    if has(&["class_uid", "metadata"]) {
        return Some(Format::Ocsf);
    }
    if has(&["output", "rule", "priority", "output_fields"]) {
        return Some(Format::Falco);
    }
    if has(&["event_type", "timestamp"])
        && (has(&["src_ip"]) || has(&["flow_id"]) || has(&["stats"]))
    {
        return Some(Format::Suricata);
    }
    None
}

const MONTHS: [&[u8]; 12] = [
    b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ",
    b"Nov ", b"Dec ",
];

fn of_text(bytes: &[u8]) -> Option<Format> {
    let head = &bytes[..bytes.len().min(512)];
    let after_node = match head.strip_prefix(b"node=") {
        Some(rest) => rest
            .iter()
            .position(|byte| *byte == b' ')
            .map_or(rest, |at| &rest[at + 1..]),
        None => head,
    };
    if after_node.starts_with(b"type=") && memchr::memmem::find(head, b" msg=audit(").is_some() {
        return Some(Format::Auditd);
    }
    let dated = MONTHS.iter().any(|month| head.starts_with(month)) || is_rfc3339(head);
    (dated || has_priority(head)).then_some(Format::Syslog)
}

/// `<13>` at the start.
fn has_priority(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(b"<") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits) && rest.get(digits) == Some(&b'>')
}

/// `2026-11-24T03:17:04` at the start.
fn is_rfc3339(head: &[u8]) -> bool {
    head.len() > 20
        && head[..19]
            .iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a source read in the wrong format, or one that is left out though it is known.
    #[test]
    fn formats_are_told_by_their_records() {
        for (line, format) in [
            (
                r#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject"}"#,
                Some(Format::CloudTrail),
            ),
            (
                r#" {"kind":"Event","apiVersion":"audit.k8s.io/v1"}"#,
                Some(Format::KubernetesAudit),
            ),
            (
                r#"{"kind":"Event","auditID":"a","verb":"get"}"#,
                Some(Format::KubernetesAudit),
            ),
            (
                r#"{"kind":"Event","apiVersion":"v1","auditID":"a","verb":"get"}"#,
                None,
            ),
            (
                r#"{"eventID":"a","eventTime":"b","insightDetails":{}}"#,
                Some(Format::CloudTrail),
            ),
            (
                r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":"eventVersion"}"#,
                Some(Format::Journald),
            ),
            (r#"{"class_uid":2004,"metadata":{}}"#, Some(Format::Ocsf)),
            (
                r#"{"output":"x","rule":"y","priority":"Notice","output_fields":{}}"#,
                Some(Format::Falco),
            ),
            (
                r#"{"timestamp":"x","event_type":"alert","src_ip":"192.0.2.1"}"#,
                Some(Format::Suricata),
            ),
            (
                "type=SYSCALL msg=audit(1.2:3): arch=c000003e",
                Some(Format::Auditd),
            ),
            (
                "node=a type=CWD msg=audit(1.2:3): cwd=\"/\"",
                Some(Format::Auditd),
            ),
            ("Nov  4 03:17:04 h1 sshd[1]: x", Some(Format::Syslog)),
            (
                "2026-11-24T03:17:04.123456+00:00 h1 sshd[1]: x",
                Some(Format::Syslog),
            ),
            (
                "<34>1 2026-11-24T03:17:04Z h1 su - - - x",
                Some(Format::Syslog),
            ),
            ("<3x>", None),
            ("{\"torn", None),
            ("November rain", None),
            ("", None),
        ] {
            assert_eq!(format_of(line.as_bytes()), format, "{line}");
        }
    }
}
