//! Syslog as text: RFC 3164 with and without `<PRI>`, rsyslog's form with RFC 3339 times, and RFC 5424.
//!
//! Flow: a line → its header (`header`) → time with year and zone (`time`) → program and message → what the message says
//! (`messages`) → a record.
//!
//! Control characters and rsyslog's `#012` stay text. A line without a header (the rest of a message with a line's end in it)
//! is malformed. Any process may write any program's name here: only the journal knows better.
//!
//! **Invariant:** a year or zone that the line does not have is inferred from the source's terms, and the record says so.

mod header;
mod structured;
#[cfg(test)]
mod tests;
mod time;

use jiff::Timestamp;
use serde_json::{Map, Value};

use self::header::Header;
pub(super) use self::header::{facility, severity};
use super::messages;
use super::{Decode, Left, LeftOut, Line, SourceTerms};
use crate::model::{Event, Format, Record, RecordPlace, TimeBasis};

/// Decodes the lines of one source.
pub struct Syslog {
    terms: SourceTerms,
    /// The time of the record before: RFC 5424 lets one have none.
    last: Option<Timestamp>,
}

impl Syslog {
    pub fn new(terms: SourceTerms) -> Self {
        Self { terms, last: None }
    }

    fn record(&mut self, line: Line<'_>) -> Result<Record, Left> {
        let left = |why, detail: &str| Left {
            line: line.number,
            why,
            detail: detail.to_owned(),
        };
        let text = String::from_utf8_lossy(line.bytes);
        let text = text.trim_end_matches(['\r', '\n']);
        let header = header::read(text, &self.terms).map_err(|detail| {
            let other =
                text.starts_with('{') || text.starts_with("type=") || text.starts_with("node=");
            let why = if other {
                LeftOut::OtherFormat
            } else {
                LeftOut::Malformed
            };
            left(why, detail)
        })?;
        let (time, basis) = match (header.time, self.last) {
            (Some(known), _) => known,
            (None, Some(last)) => (last, TimeBasis::Neighbour),
            (None, None) => return Err(left(LeftOut::NoTime, "the first record has no time")),
        };
        self.last = Some(time);
        let host = self
            .terms
            .host
            .clone()
            .or_else(|| header.host.map(Into::into));
        Ok(Record {
            format: Format::Syslog,
            place: RecordPlace {
                source: self.terms.name.clone(),
                line: line.number,
            },
            trust: self.terms.trust,
            time,
            basis,
            id: None,
            host,
            body: Value::Object(body(&header, time)),
        })
    }
}

impl Decode for Syslog {
    fn take(&mut self, line: Line<'_>, records: &mut Vec<Record>, left: &mut Vec<Left>) {
        match self.record(line) {
            Ok(record) => records.push(record),
            Err(why) => left.push(why),
        }
    }

    fn end(&mut self, _records: &mut Vec<Record>, _left: &mut Vec<Left>) {}

    fn until(&mut self, until: Timestamp) {
        self.terms.until = until;
    }
}

fn body(header: &Header<'_>, time: Timestamp) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |key: &str, text: Option<&str>| {
        if let Some(text) = text {
            body.insert(key.to_owned(), text.into());
        }
    };
    put("time", Some(&time.to_string()));
    put("host", header.host);
    put("program", header.program);
    put("facility", header.facility);
    put("severity", header.severity);
    put("message_id", header.message_id);
    put("message", Some(header.message));
    match header.pid.map(|pid| (pid, pid.parse::<u32>())) {
        Some((_, Ok(pid))) => {
            body.insert("pid".to_owned(), pid.into());
        }
        Some((text, Err(_))) => {
            body.insert("process_id".to_owned(), text.into());
        }
        None => {}
    }
    if !header.structured.is_empty() {
        body.insert(
            "structured".to_owned(),
            Value::Object(header.structured.clone()),
        );
    }
    if let Some(program) = header.program {
        messages::add(program, header.message, &mut body);
    }
    body
}

/// What a record says was done. Pure.
pub fn event(record: &Record) -> Event {
    messages::event(record)
}
