//! What stands before a message.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{structured, time};
use crate::events::SourceTerms;
use crate::model::TimeBasis;

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
const SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// The names of a facility and a severity by their numbers.
pub(in crate::events) fn facility(number: usize) -> Option<&'static str> {
    FACILITIES.get(number).copied()
}

pub(in crate::events) fn severity(number: usize) -> Option<&'static str> {
    SEVERITIES.get(number).copied()
}

#[derive(Default)]
pub(super) struct Header<'a> {
    /// None where RFC 5424's `-` stands for it.
    pub(super) time: Option<(Timestamp, TimeBasis)>,
    pub(super) host: Option<&'a str>,
    pub(super) program: Option<&'a str>,
    pub(super) pid: Option<&'a str>,
    pub(super) facility: Option<&'static str>,
    pub(super) severity: Option<&'static str>,
    pub(super) message_id: Option<&'a str>,
    pub(super) structured: Map<String, Value>,
    pub(super) message: &'a str,
}

/// Takes a line apart. The error says what is missing.
pub(super) fn read<'a>(text: &'a str, terms: &SourceTerms) -> Result<Header<'a>, &'static str> {
    let mut header = Header::default();
    let mut rest = text;
    if let Some(inner) = text.strip_prefix('<') {
        let (number, after) = inner.split_once('>').ok_or("no end of <PRI>")?;
        let digits = number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: usize = number
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or("no number in <PRI>")?;
        header.facility = Some(facility(number / 8).ok_or("a number over 191 in <PRI>")?);
        header.severity = severity(number % 8);
        rest = after;
        if let Some(after) = after.strip_prefix("1 ") {
            return rfc5424(header, after, terms);
        }
    }
    let (stamp, basis, rest) = time::read(rest, terms)?;
    header.time = Some((stamp, basis));
    let rest = rest.strip_prefix(' ').ok_or("nothing after the time")?;
    Ok(tagged(header, rest))
}

fn rfc5424<'a>(
    mut header: Header<'a>,
    rest: &'a str,
    terms: &SourceTerms,
) -> Result<Header<'a>, &'static str> {
    let mut parts = rest.splitn(6, ' ');
    let mut part = || parts.next().ok_or("too few fields");
    let stamp = part()?;
    let present = |text: &'a str| (text != "-" && !text.is_empty()).then_some(text);
    header.host = present(part()?);
    header.program = present(part()?);
    header.pid = present(part()?);
    header.message_id = present(part()?);
    let rest = part()?;
    if stamp != "-" {
        let (stamp, basis, after) = time::read(stamp, terms)?;
        if !after.is_empty() {
            return Err("no RFC 3339 time");
        }
        header.time = Some((stamp, basis));
    }
    let (structured, message) = structured::read(rest).ok_or("structured data without its end")?;
    header.structured = structured;
    header.message = message.strip_prefix('\u{feff}').unwrap_or(message);
    Ok(header)
}

/// `HOST PROGRAM[PID]: MESSAGE`, with the host left out by some senders and the program by others.
fn tagged<'a>(mut header: Header<'a>, rest: &'a str) -> Header<'a> {
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_tag = first.ends_with(':') || first.contains('[');
    let rest = if is_tag {
        rest
    } else {
        header.host = Some(first).filter(|host| !host.is_empty());
        after
    };
    header.message = rest;
    let end = rest.find([' ', ':', '[']).unwrap_or(rest.len());
    let (program, after) = rest.split_at(end);
    let (pid, after) = match after
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    {
        Some((pid, after)) if !pid.contains(' ') => (Some(pid), after),
        _ => (None, after),
    };
    // Without a colon it is no tag: `last message repeated 2 times`.
    if let Some(message) = after.strip_prefix(':').filter(|_| !program.is_empty()) {
        header.program = Some(program);
        header.pid = pid;
        header.message = message.strip_prefix(' ').unwrap_or(message);
    }
    header
}
