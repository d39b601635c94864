//! Evidence that an attacker can write makes nothing milder.

use std::collections::BTreeSet;

use evenkeel::detect::attribution::{Known, Party};
use evenkeel::model::{Authorship, Change, Class, Format, Record, RecordPlace, TimeBasis, Trust};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::{authors, drift};

const FILE: &str = "/etc/watched";

fn known() -> Known {
    Known {
        people: vec![Party {
            name: "ada".to_owned(),
            identities: BTreeSet::from(["ada".to_owned()]),
            keys: BTreeSet::from(["SHA256:ada".to_owned()]),
            addresses: vec!["192.0.2.0/24".parse().unwrap()],
        }],
        ..Known::default()
    }
}

fn record(second: i64, format: Format, trust: Trust, body: serde_json::Value) -> Record {
    Record {
        format,
        place: RecordPlace {
            source: format!("{format} {trust}").into(),
            line: second.unsigned_abs(),
        },
        trust,
        time: Timestamp::from_second(1_800_000_000 + second).unwrap(),
        basis: TimeBasis::Stated,
        id: None,
        host: None,
        body,
    }
}

/// A login, its line, and a change, of one user in one session, in some order of parts that may be left out.
fn written(trust: Trust) -> impl Strategy<Value = Vec<Record>> {
    let one = (
        0..60_i64,
        0..4_u8,
        prop_oneof![Just("ada"), Just("eve")],
        prop_oneof![Just("SHA256:ada"), Just("SHA256:eve")],
        prop_oneof![Just("192.0.2.1"), Just("203.0.113.9")],
        1..3_u8,
    );
    let one = one.prop_map(move |(second, what, user, print, address, session)| {
        let session_name = session.to_string();
        let pid = u64::from(session);
        let body = match what {
            0 => json!({"type": "USER_START", "exe": "/usr/sbin/sshd", "success": true, "session": session_name,
                "login_user": user, "address": address, "pid": pid}),
            1 => {
                let body = json!({"program": "sshd", "action": "ssh-login", "outcome": "success", "user": user, "pid": pid,
                    "method": "publickey", "fingerprint": print, "address": address});
                return record(second, Format::Syslog, trust, body);
            }
            2 => json!({"type": "SYSCALL", "syscall": "chmod", "success": true, "change": "attributes", "object": FILE,
                "login_user": user, "session": session_name}),
            _ => json!({"type": "SYSCALL", "syscall": "openat", "success": true, "change": "write", "object": FILE,
                "login_user": user, "session": session_name}),
        };
        record(second, Format::Auditd, trust, body)
    });
    proptest::collection::vec(one, 0..24)
}

fn class(mut records: Vec<Record>) -> Option<Class> {
    records.sort_by_key(|record| record.time);
    let drifts = [drift("h", "File", FILE, Change::Changed, &["content"])];
    match &authors(&drifts, &records, &known())[0] {
        Authorship::By(found) => Some(found.class),
        Authorship::NoEvent { .. } => None,
    }
}

proptest! {
    // Goal: whatever a host writes, alone it is suspicious, and beside proven records it only makes worse.
    #[test]
    fn host_written_records_make_nothing_milder(
        proven in written(Trust::Authenticated),
        forged in prop_oneof![written(Trust::HostWritten), written(Trust::Unauthenticated)],
    ) {
        prop_assert!(class(forged.clone()).is_none_or(|class| class == Class::Suspicious));
        let before = class(proven.clone());
        let after = class([proven, forged].concat());
        prop_assert!(after >= before, "{before:?} became {after:?}");
    }
}

// Goal: the property is not empty: the same records, proven, are a known person's act.
#[test]
fn proven_records_can_make_it_manual() {
    let all = |trust| {
        vec![
            record(
                1,
                Format::Syslog,
                trust,
                json!({"action": "ssh-login", "outcome": "success", "user": "ada", "pid": 1,
                "method": "publickey", "fingerprint": "SHA256:ada", "address": "192.0.2.1"}),
            ),
            record(
                1,
                Format::Auditd,
                trust,
                json!({"type": "USER_START", "exe": "/usr/sbin/sshd", "success": true,
                "session": "1", "login_user": "ada", "address": "192.0.2.1", "pid": 1}),
            ),
            record(
                2,
                Format::Auditd,
                trust,
                json!({"syscall": "openat", "success": true, "change": "write", "object": FILE,
                "login_user": "ada", "session": "1"}),
            ),
        ]
    };
    assert_eq!(class(all(Trust::Authenticated)), Some(Class::Manual));
    assert_eq!(class(all(Trust::HostWritten)), Some(Class::Suspicious));
}
