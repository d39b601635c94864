//! The decoder: lines in, joined events out.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::body::{self, Head};
use super::line::{self, AuditLine};
use super::processes::Processes;
use crate::events::{Decode, Left, LeftOut, Line, SourceTerms};
use crate::model::{Format, Record, RecordPlace, TimeBasis};

/// How many events may wait for more of their records.
const MAX_OPEN: usize = 1024;
/// How much of them may wait, in bytes of their lines.
const MAX_OPEN_BYTES: usize = 32 << 20;
/// How much one event may be: twice what a program's arguments may be, in hex.
const MAX_EVENT_BYTES: usize = 8 << 20;
const MAX_EVENT_RECORDS: usize = 4096;
/// How much later than an event another of the same node may be before the first is taken for whole, in milliseconds.
const MAX_AGE_MILLIS: i64 = 2000;
/// How many lines may pass before an event is taken for whole, whatever their times are.
const MAX_LINES_APART: u64 = 4096;

/// One event of one node.
type Key = (Option<String>, i64, u64);

struct Open {
    first_line: u64,
    /// Counted in lines taken: tells this event from an earlier one of the same key.
    opened: u64,
    stamp: String,
    bytes: usize,
    records: Vec<Map<String, Value>>,
    call: bool,
    title: bool,
    /// PATH records that the SYSCALL record announces, less those that came.
    paths_due: i64,
}

/// Joins the records of an audit log into events.
pub struct Auditd {
    terms: SourceTerms,
    open: HashMap<Key, Open>,
    /// Open events in the order of their first lines; some are whole already.
    order: VecDeque<(Key, u64)>,
    open_bytes: usize,
    lines: u64,
    joined: u64,
    processes: Processes,
}

impl Auditd {
    pub fn new(terms: SourceTerms) -> Self {
        Self {
            terms,
            open: HashMap::new(),
            order: VecDeque::new(),
            open_bytes: 0,
            lines: 0,
            joined: 0,
            processes: Processes::default(),
        }
    }

    fn add(&mut self, number: u64, length: usize, line: AuditLine, records: &mut Vec<Record>) {
        let alone = stands_alone(&line.kind);
        let ends = line.kind == "EOE";
        let key = (line.node, line.millis, line.serial);
        let lines = self.lines;
        let order = &mut self.order;
        let joined = &mut self.joined;
        let open = self
            .open
            .entry(key.clone())
            .and_modify(|_| *joined += 1)
            .or_insert_with(|| {
                order.push_back((key.clone(), lines));
                Open {
                    first_line: number,
                    opened: lines,
                    stamp: line.stamp,
                    bytes: 0,
                    records: Vec::new(),
                    call: false,
                    title: false,
                    paths_due: 0,
                }
            });
        open.bytes += length;
        self.open_bytes += length;
        match line.kind.as_str() {
            "SYSCALL" => {
                open.call = true;
                let items = line.fields.get("items").and_then(Value::as_str);
                open.paths_due += items
                    .and_then(|items| items.parse::<i64>().ok())
                    .unwrap_or(0);
            }
            "PATH" => open.paths_due -= 1,
            "PROCTITLE" => open.title = true,
            _ => {}
        }
        open.records.push(line.fields);
        let full = open.bytes > MAX_EVENT_BYTES || open.records.len() >= MAX_EVENT_RECORDS;
        let whole = open.call && open.title && open.paths_due <= 0;
        let alone = alone && open.records.len() == 1;
        if ends || whole || alone || full {
            self.close(&key, full, records);
        }
    }

    fn close(&mut self, key: &Key, cut: bool, records: &mut Vec<Record>) {
        let Some(open) = self.open.remove(key) else {
            return;
        };
        self.open_bytes -= open.bytes;
        let (node, millis, serial) = key;
        let head = Head {
            node: node.clone(),
            serial: *serial,
            cut,
        };
        let id = match node {
            Some(node) => format!("{node}/{}", open.stamp),
            None => open.stamp,
        };
        records.push(Record {
            format: Format::Auditd,
            place: RecordPlace {
                source: self.terms.name.clone(),
                line: open.first_line,
            },
            trust: self.terms.trust,
            // Checked when the line was read.
            time: Timestamp::from_millisecond(*millis).unwrap_or(Timestamp::UNIX_EPOCH),
            basis: TimeBasis::Stated,
            id: Some(id.into()),
            host: self
                .terms
                .host
                .clone()
                .or_else(|| node.as_deref().map(Arc::from)),
            body: body::join(&head, open.records, &mut self.processes),
        });
    }

    /// Closes the events that `now` shows to be whole, and the oldest while too much waits. Looks at the front only: no
    /// event costs more than one look after its end.
    fn age(&mut self, now: Option<(&Option<String>, i64)>, records: &mut Vec<Record>) {
        while let Some((key, opened)) = self.order.front() {
            let known = self.open.get(key).filter(|open| open.opened == *opened);
            let old = || {
                now.is_some_and(|(node, millis)| {
                    *node == key.0 && millis.saturating_sub(key.1) > MAX_AGE_MILLIS
                })
            };
            let over = self.open.len() > MAX_OPEN || self.open_bytes > MAX_OPEN_BYTES;
            if known.is_some() && !over && self.lines - opened <= MAX_LINES_APART && !old() {
                return;
            }
            let is_open = known.is_some();
            let Some((key, _)) = self.order.pop_front() else {
                return;
            };
            if is_open {
                self.close(&key, false, records);
            }
        }
    }
}

impl Decode for Auditd {
    fn take(&mut self, line: Line<'_>, records: &mut Vec<Record>, left: &mut Vec<Left>) {
        self.lines += 1;
        let text: Cow<'_, str> = String::from_utf8_lossy(line.bytes);
        let read = line::read(text.trim_end_matches(['\r', '\n'])).and_then(|read| {
            match Timestamp::from_millisecond(read.millis) {
                Ok(_) => Ok(read),
                Err(_) => Err("a time that no calendar has"),
            }
        });
        match read {
            Ok(read) => {
                self.age(Some((&read.node, read.millis)), records);
                self.add(line.number, line.bytes.len(), read, records);
                self.age(None, records);
            }
            Err(detail) => left.push(Left {
                line: line.number,
                why: if text.trim_start().starts_with(['{', '<']) {
                    LeftOut::OtherFormat
                } else {
                    LeftOut::Malformed
                },
                detail: detail.to_owned(),
            }),
        }
    }

    fn end(&mut self, records: &mut Vec<Record>, _left: &mut Vec<Left>) {
        while let Some((key, opened)) = self.order.pop_front() {
            if self
                .open
                .get(&key)
                .is_some_and(|open| open.opened == opened)
            {
                self.close(&key, false, records);
            }
        }
    }

    fn joined(&self) -> u64 {
        self.joined
    }
}

/// Records that programs write: each is an event by itself.
fn stands_alone(kind: &str) -> bool {
    const FAMILIES: [&str; 18] = [
        "ACCT_",
        "ADD_",
        "CHGRP_",
        "CHUSER_",
        "CRED_",
        "CRYPTO_",
        "DAEMON_",
        "DEL_",
        "GRP_",
        "LABEL_",
        "RESP_",
        "ROLE_",
        "SERVICE_",
        "SOFTWARE_",
        "SYSTEM_",
        "TRUSTED_",
        "USER_",
        "VIRT_",
    ];
    FAMILIES.iter().any(|family| kind.starts_with(family))
}
