//! Logins: who opened the session in which something was done, from where and with which key.
//!
//! Flow: auditd's session → the login program's message of that session → sshd's own line of the same process.
//!
//! **Invariant:** bounded; a session whose login was forgotten has none, which never speaks for anybody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::model::{Event, EventRef, Format, Record, Trust};

/// Logins, accepted lines and failing pairs that are remembered.
const MOST: usize = 65_536;
/// Failures longer ago do not count before a success.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// sshd's line and the session's opening are not further apart.
const NEAR: SignedDuration = SignedDuration::from_mins(2);

/// Types of audit records that tell of logins.
const OPENINGS: [&str; 3] = ["USER_START", "USER_LOGIN", "USER_AUTH"];

/// What one record says of a login.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Said {
    pub(super) reference: EventRef,
    pub(super) trust: Trust,
    pub(super) user: Option<String>,
    pub(super) address: Option<String>,
    /// `publickey`, `password`.
    pub(super) method: Option<String>,
    pub(super) fingerprint: Option<String>,
    /// Failures of the same user from the same address before it.
    pub(super) failures: u32,
    /// The program that opened the session.
    pub(super) program: Option<String>,
    host: Option<Arc<str>>,
    pid: Option<u64>,
}

/// Logins as they are read.
#[derive(Default)]
pub(super) struct Logins {
    opened: BTreeMap<String, Vec<Said>>,
    accepted: BTreeMap<u64, Vec<Said>>,
    failed: BTreeMap<(Arc<str>, String, String), (u32, Timestamp)>,
    order: VecDeque<Place>,
}

enum Place {
    Session(String),
    Process(u64),
}

fn text(body: &Value, key: &str) -> Option<String> {
    Some(body.get(key)?.as_str()?.to_owned())
}

/// Whether a record may say something of a login. Most do not.
pub(super) fn may_be_login(record: &Record) -> bool {
    let is = |key: &str, words: &[&str]| {
        let text = record.body.get(key).and_then(Value::as_str);
        text.is_some_and(|text| words.contains(&text))
    };
    match record.format {
        Format::Auditd => is("type", &OPENINGS),
        Format::Syslog | Format::Journald => is("action", &["ssh-login"]),
        _ => false,
    }
}

impl Logins {
    pub(super) fn take(&mut self, record: &Record) {
        match record.format {
            Format::Auditd => self.take_audit(record),
            Format::Syslog | Format::Journald => self.take_message(record),
            _ => {}
        }
    }

    fn take_audit(&mut self, record: &Record) {
        let body = &record.body;
        let Some(kind) = text(body, "type") else {
            return;
        };
        let program = text(body, "exe").unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or("").to_owned();
        // Who becomes another in a session opens no session of its own.
        if !OPENINGS.contains(&kind.as_str())
            || ["sudo", "su", "pkexec", "doas"].contains(&program.as_str())
        {
            return;
        }
        let user = text(body, "login_user").or_else(|| text(body, "acct"));
        let address = text(body, "address");
        if body.get("success") == Some(&Value::Bool(false)) {
            // USER_AUTH and USER_LOGIN tell of one attempt.
            if kind == "USER_LOGIN" {
                self.failure(record, text(body, "acct"), address);
            }
            return;
        }
        let Some(session) = text(body, "session").filter(|_| kind != "USER_AUTH") else {
            return;
        };
        let failures = self.failures(record, &user, &address);
        let said = Said {
            user,
            address,
            failures,
            program: Some(program),
            ..said(record, &kind)
        };
        self.opened.entry(session.clone()).or_default().push(said);
        self.note(Place::Session(session));
    }

    fn take_message(&mut self, record: &Record) {
        let body = &record.body;
        if text(body, "action").as_deref() != Some("ssh-login") {
            return;
        }
        let (user, address) = (text(body, "user"), text(body, "address"));
        match text(body, "outcome").as_deref() {
            Some("failure") => {
                let times = body.get("repeated").and_then(Value::as_u64).unwrap_or(1);
                for _ in 0..times.min(100) {
                    self.failure(record, user.clone(), address.clone());
                }
            }
            Some("success") => {
                let Some(pid) = body.get("pid").and_then(Value::as_u64) else {
                    return;
                };
                let failures = self.failures(record, &user, &address);
                let said = Said {
                    user,
                    address,
                    failures,
                    method: text(body, "method"),
                    fingerprint: text(body, "fingerprint"),
                    ..said(record, "ssh-login")
                };
                self.accepted.entry(pid).or_default().push(said);
                self.note(Place::Process(pid));
            }
            _ => {}
        }
    }

    /// Remembers where the newest was put, and forgets the oldest.
    fn note(&mut self, place: Place) {
        self.order.push_back(place);
        if self.order.len() <= MOST {
            return;
        }
        fn forget<K: Ord>(map: &mut BTreeMap<K, Vec<Said>>, key: K) {
            if let Some(all) = map.get_mut(&key) {
                if !all.is_empty() {
                    all.remove(0);
                }
                if all.is_empty() {
                    map.remove(&key);
                }
            }
        }
        match self.order.pop_front() {
            Some(Place::Session(session)) => forget(&mut self.opened, session),
            Some(Place::Process(pid)) => forget(&mut self.accepted, pid),
            None => {}
        }
    }

    fn failure(&mut self, record: &Record, user: Option<String>, address: Option<String>) {
        let (Some(user), Some(address)) = (user, address) else {
            return;
        };
        if self.failed.len() >= MOST {
            let now = record.time;
            self.failed
                .retain(|_, (_, last)| now.duration_since(*last) < RECENT);
            if self.failed.len() >= MOST {
                return;
            }
        }
        let key = (Arc::clone(&record.place.source), user, address);
        let (count, last) = self.failed.entry(key).or_insert((0, record.time));
        if record.time.duration_since(*last) > RECENT {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *last = record.time;
    }

    /// How often the same was refused before, by the same source.
    fn failures(&self, record: &Record, user: &Option<String>, address: &Option<String>) -> u32 {
        let (Some(user), Some(address)) = (user, address) else {
            return 0;
        };
        let key = (
            Arc::clone(&record.place.source),
            user.clone(),
            address.clone(),
        );
        match self.failed.get(&key) {
            Some((count, last)) if record.time.duration_since(*last) <= RECENT => *count,
            _ => 0,
        }
    }

    /// Adds to an event without an address where the session came from in which it was done, and who had logged in. Only what is
    /// believed as far as the record itself counts, so that a forged line makes nothing less believed.
    pub(super) fn complete(&self, event: &mut Event, record: &Record) {
        let is_host = matches!(
            record.format,
            Format::Auditd | Format::Syslog | Format::Journald
        );
        if !is_host || !event.addresses.is_empty() {
            return;
        }
        for said in self.behind(record) {
            if said.trust < record.trust {
                continue;
            }
            event.addresses.extend(said.address.clone());
            let actor = &mut event.actor;
            if actor.original.is_none() && said.user.as_ref() != Some(&actor.name) {
                actor.original.clone_from(&said.user);
            }
        }
        event.addresses.sort();
        event.addresses.dedup();
    }

    /// All that is said of the login behind a record.
    pub(super) fn behind(&self, record: &Record) -> Vec<&Said> {
        let Some(session) = text(&record.body, "session") else {
            return Vec::new();
        };
        let before = |said: &&Said| {
            said.reference.time <= record.time && same_host(&said.host, &record.host)
        };
        let mut opened: Vec<&Said> = self
            .opened
            .get(&session)
            .into_iter()
            .flatten()
            .filter(before)
            .collect();
        // Numbers of sessions begin anew with each start of the machine: the last that was opened counts.
        let last = opened.iter().map(|said| said.reference.time).max();
        opened.retain(|said| {
            last.is_some_and(|last| last.duration_since(said.reference.time) <= NEAR)
        });
        let lines: Vec<&Said> = opened
            .iter()
            .filter_map(|opened| Some((opened, self.accepted.get(&opened.pid?)?)))
            .flat_map(|(opened, lines)| lines.iter().filter(|line| goes_with(line, opened)))
            .collect();
        opened.extend(lines);
        opened.sort_by(|a, b| a.reference.cmp(&b.reference));
        opened.dedup_by(|a, b| a.reference == b.reference);
        opened
    }
}

fn goes_with(line: &Said, opened: &Said) -> bool {
    let apart = line
        .reference
        .time
        .duration_since(opened.reference.time)
        .abs();
    apart <= NEAR && same_host(&line.host, &opened.host)
}

/// Two records may be of one host where neither says otherwise.
fn same_host(a: &Option<Arc<str>>, b: &Option<Arc<str>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

fn said(record: &Record, what: &str) -> Said {
    Said {
        reference: EventRef {
            time: record.time,
            place: record.place.clone(),
            id: record.id.as_deref().map(str::to_owned),
            what: what.to_owned(),
        },
        trust: record.trust,
        user: None,
        address: None,
        method: None,
        fingerprint: None,
        failures: 0,
        program: None,
        host: record.host.clone(),
        pid: record.body.get("pid").and_then(Value::as_u64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{RecordPlace, TimeBasis};

    fn record(second: i64, host: &str, trust: Trust, body: Value) -> Record {
        Record {
            format: Format::Auditd,
            place: RecordPlace {
                source: format!("{host} {trust}").into(),
                line: second.unsigned_abs(),
            },
            trust,
            time: Timestamp::from_second(1_800_000_000 + second).unwrap(),
            basis: TimeBasis::Stated,
            id: None,
            host: Some(host.into()),
            body,
        }
    }

    fn opening(second: i64, host: &str, trust: Trust, session: &str, address: &str) -> Record {
        let body = json!({"type": "USER_START", "exe": "/usr/sbin/sshd", "success": true,
            "session": session, "login_user": "alice", "address": address, "pid": 7});
        record(second, host, trust, body)
    }

    fn completed(logins: &Logins, act: &Record) -> Event {
        let mut event = Event::default();
        event.actor.name = "root".into();
        logins.complete(&mut event, act);
        event
    }

    // Goal: an act in a session comes from where the session does; one of another session, another host or an earlier time does
    // not, and what is less believed than the act says nothing of it.
    #[test]
    fn an_act_comes_from_where_its_session_does() {
        let act = |second, host: &str, session: &str| {
            let body = json!({"type": "SYSCALL", "session": session});
            record(second, host, Trust::HostWritten, body)
        };
        let mut logins = Logins::default();
        for login in [
            opening(10, "h1", Trust::HostWritten, "4", "192.0.2.66"),
            opening(20, "h1", Trust::Unauthenticated, "5", "203.0.113.9"),
        ] {
            assert!(may_be_login(&login));
            logins.take(&login);
        }
        let found = completed(&logins, &act(30, "h1", "4"));
        assert_eq!(found.addresses, ["192.0.2.66"]);
        assert_eq!(found.actor.original.as_deref(), Some("alice"));
        for other in [
            act(30, "h2", "4"),
            act(5, "h1", "4"),
            act(30, "h1", "5"),
            act(30, "h1", "6"),
        ] {
            assert!(!may_be_login(&other));
            let found = completed(&logins, &other);
            assert_eq!((found.addresses.len(), found.actor.original), (0, None));
        }
    }
}
