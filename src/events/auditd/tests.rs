use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Auditd, event};
use crate::events::{Decode, Left, LeftOut, Line, SourceTerms};
use crate::model::{Outcome, Record, Trust};

fn terms() -> SourceTerms {
    SourceTerms {
        name: "audit.log".into(),
        trust: Trust::HostWritten,
        host: None,
        zone: TimeZone::UTC,
        until: Timestamp::UNIX_EPOCH,
    }
}

/// What each line gave, and what the end gave.
fn read(lines: &[&str]) -> (Vec<Record>, Vec<Left>) {
    let mut auditd = Auditd::new(terms());
    let (mut records, mut left) = (Vec::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let line = Line {
            number: at as u64 + 1,
            bytes: line.as_bytes(),
        };
        auditd.take(line, &mut records, &mut left);
    }
    auditd.end(&mut records, &mut left);
    let accounted = records.len() as u64 + auditd.joined() + left.len() as u64;
    assert_eq!(accounted, lines.len() as u64);
    (records, left)
}

fn line(kind: &str, serial: u64, fields: &str) -> String {
    format!("type={kind} msg=audit(1700000000.100:{serial}): {fields}")
}

fn call(serial: u64, syscall: u32, rest: &str) -> String {
    line(
        "SYSCALL",
        serial,
        &format!(
            "arch=c000003e syscall={syscall} success=yes exit=0 a0=ffffff9c a1=1 a2=241 a3=0 ppid=10 pid=11 auid=1000 uid=0 \
             euid=0 tty=pts0 ses=7 comm=\"sh\" exe=\"/usr/bin/dash\" {rest}\u{1d}AUID=\"alice\" UID=\"root\""
        ),
    )
}

// Goal: records of two events that stand among each other are joined to the right one, and a whole event does not wait.
#[test]
fn interleaved_events_are_joined() {
    let lines = [
        call(1, 257, "items=2 key=(null)"),
        call(2, 59, "items=1 key=6578656301726F6F74"),
        line("CWD", 1, "cwd=\"/etc\""),
        line("EXECVE", 2, "argc=2 a0=\"sh\" a1=2D6320"),
        line(
            "PATH",
            1,
            "item=0 name=\"/etc/\" inode=1 dev=00:2a mode=040755 nametype=PARENT",
        ),
        line(
            "PATH",
            2,
            "item=0 name=\"/bin/sh\" inode=2 dev=00:2a mode=0100755 nametype=NORMAL",
        ),
        line("PROCTITLE", 2, "proctitle=7368002D63"),
        line(
            "PATH",
            1,
            "item=1 name=\"cron.d/../x\" inode=3 dev=00:2a mode=0100644 nametype=CREATE",
        ),
        line("PROCTITLE", 1, "proctitle=\"sh\""),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (records, left) = read(&lines);
    assert!(left.is_empty());
    assert_eq!(records.len(), 2);
    let exec = &records[0].body;
    assert_eq!(records[0].id.as_deref(), Some("1700000000.100:2"));
    assert_eq!(records[0].place.line, 2);
    assert_eq!(exec["syscall"], "execve");
    assert_eq!(exec["argv"], json!(["sh", "-c "]));
    assert_eq!(exec["command_line"], "sh -c ");
    assert_eq!(exec["key"], json!(["exec", "root"]));
    assert_eq!(exec["records"][0]["SYSCALL"], "execve");
    let create = &records[1].body;
    assert_eq!(create["object"], "/etc/x");
    assert_eq!(create["change"], "create");
    assert_eq!(create["cwd"], "/etc");
    assert_eq!(create["paths"][1]["given"], "cron.d/../x");
    let event = event(&records[1]);
    assert_eq!(event.actor.name, "root");
    assert_eq!(event.actor.original.as_deref(), Some("alice"));
    assert_eq!(event.actor.session.as_deref(), Some("7"));
    assert_eq!(event.object.unwrap().name, "/etc/x");
    assert_eq!(event.outcome, Outcome::Success);
}

// Goal: an argument that the kernel wrote in pieces and over several records is one text again, in its place.
#[test]
fn long_arguments_are_put_together() {
    let lines = [
        call(1, 59, "items=0 key=(null)"),
        line(
            "EXECVE",
            1,
            "argc=12 a0=\"cat\" a1_len=8 a1[0]=6162 a1[1]=6320",
        ),
        line(
            "EXECVE",
            1,
            "a1[2]=\"de\" a2=\"b\" a3=\"c\" a4=\"d\" a5=\"e\" a6=\"f\" a7=\"g\" a8=\"h\" a9=\"i\" a10=\"j\" a11=\"\"",
        ),
        line("PROCTITLE", 1, "proctitle=\"cat\""),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (records, _) = read(&lines);
    assert_eq!(
        records[0].body["argv"],
        json!([
            "cat", "abc de", "b", "c", "d", "e", "f", "g", "h", "i", "j", ""
        ])
    );
    assert_eq!(records[0].body["records"].as_array().unwrap().len(), 3);
    assert_eq!(records[0].body["records"][1]["a10"], "j");
}

// Goal: a program's message about a login gives the account, its address and the outcome; it needs no other line.
#[test]
fn a_login_is_an_event_by_itself() {
    let mut auditd = Auditd::new(terms());
    let (mut records, mut left) = (Vec::new(), Vec::new());
    let text = "type=USER_LOGIN msg=audit(1700000000.100:5): pid=9 uid=0 auid=4294967295 ses=4294967295 msg='op=login \
                acct=\"alice\" exe=\"/usr/sbin/sshd\" hostname=? addr=198.51.100.7 terminal=sshd res=failed'\u{1d}UID=\"root\" AUID=\"unset\"";
    auditd.take(
        Line {
            number: 1,
            bytes: text.as_bytes(),
        },
        &mut records,
        &mut left,
    );
    assert_eq!(records.len(), 1, "it waits for nothing");
    let body = &records[0].body;
    assert_eq!(body["acct"], "alice");
    assert_eq!(body["address"], "198.51.100.7");
    assert_eq!(body["success"], false);
    assert!(
        body.get("auid").is_none()
            && body.get("session").is_none()
            && body.get("login_user").is_none()
    );
    let event = event(&records[0]);
    assert_eq!(event.actor.name, "alice");
    assert_eq!(event.actor.original, None);
    assert_eq!(event.addresses, ["198.51.100.7"]);
    assert_eq!(event.outcome, Outcome::Failure);
}

// Goal: a parent is named by what it was executed as, on its own node only.
#[test]
fn parents_are_named() {
    let child = |node: &str| {
        let call = call(2, 59, "items=0 key=(null)")
            .replace("pid=11", "pid=12")
            .replace("ppid=10", "ppid=11");
        format!("{node}{}", call.replace("ppid=12", "ppid=11"))
    };
    let parent = call(1, 59, "items=0 key=(null)");
    let command = line("EXECVE", 1, "argc=2 a0=\"sh\" a1=\"-i\"");
    let title = line("PROCTITLE", 1, "proctitle=\"sh\"");
    let (records, _) = read(&[&parent, &command, &title, &child(""), &child("node=n2 ")]);
    assert_eq!(records[1].body["parent_exe"], "/usr/bin/dash");
    assert_eq!(records[1].body["parent_command_line"], "sh -i");
    assert!(records[2].body.get("parent_exe").is_none());
    assert_eq!(records[2].host.as_deref(), Some("n2"));
    assert_eq!(records[2].id.as_deref(), Some("n2/1700000000.100:2"));
}

// Goal: an event whose end never comes is let go when the log's time has moved on, and what comes after that is not lost.
#[test]
fn an_open_event_ages() {
    let open = call(1, 257, "items=1 key=(null)");
    let later = "type=EOE msg=audit(1700000003.000:9): ";
    let late = line("CWD", 1, "cwd=\"/\"");
    let (records, left) = read(&[&open, later, &late]);
    let ids: Vec<_> = records
        .iter()
        .map(|record| record.id.as_deref().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["1700000000.100:1", "1700000003.000:9", "1700000000.100:1"]
    );
    assert!(left.is_empty());
}

// Goal: a log of events that never end holds a bounded number of them.
#[test]
fn open_events_are_bounded() {
    let mut auditd = Auditd::new(terms());
    let (mut records, mut left) = (Vec::new(), Vec::new());
    for serial in 0..3000 {
        let text = call(serial, 257, "items=1 key=(null)");
        let line = Line {
            number: serial + 1,
            bytes: text.as_bytes(),
        };
        auditd.take(line, &mut records, &mut left);
    }
    assert_eq!(records.len(), 3000 - 1024);
    assert_eq!(records[0].place.line, 1, "the oldest goes first");
}

// Goal: one event that never stops growing is cut, says so, and loses no line.
#[test]
fn an_endless_event_is_cut() {
    let text = line("PATH", 1, "item=0 name=\"/x\" nametype=NORMAL");
    let lines = vec![text.as_str(); 40_000];
    let (records, _) = read(&lines);
    assert_eq!(records.len(), 10);
    assert_eq!(records[0].body["cut"], true);
    assert!(records[9].body.get("cut").is_none());
}

// Goal: lines of other formats are told from broken ones.
#[test]
fn other_lines_are_left() {
    let (records, left) = read(&[
        "{\"MESSAGE\":\"x\"}",
        "type=SYSCALL msg=audit(",
        "",
        "type=A msg=audit(9999999999999999.000:1): ",
    ]);
    assert!(records.is_empty());
    let why: Vec<_> = left.iter().map(|left| left.why).collect();
    use LeftOut::{Malformed, OtherFormat};
    assert_eq!(why, [OtherFormat, Malformed, Malformed, Malformed]);
}

/// Lines that are audit lines in most of their parts.
fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let kind = prop_oneof![
        Just("SYSCALL"),
        Just("EXECVE"),
        Just("PATH"),
        Just("CWD"),
        Just("PROCTITLE"),
        Just("SOCKADDR"),
        Just("USER_CMD"),
        Just("EOE"),
        Just("UNKNOWN[1400]")
    ];
    let piece = prop_oneof![
        "[a-z0-9]{1,4}=[\"'{(]?[ -~]{0,12}[\"'})]?",
        Just("\u{1d}".to_owned()),
        Just("a1[4294967295]=41".to_owned()),
        Just("a4294967296=41".to_owned()),
        Just("items=-9".to_owned()),
        Just("syscall=59 arch=c000003e success=yes".to_owned()),
        "saddr=0[12A]00([0-9A-F]{2}){0,28}",
        "msg='[ -~\u{1d}]{0,30}'?",
        "\\PC{0,6}",
    ];
    let pieces = proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.join(" "));
    let line = (
        kind,
        0..5_i64,
        0..4_u64,
        pieces,
        proptest::option::of((0..200_usize, any::<u8>())),
    )
        .prop_map(|(kind, second, serial, fields, hurt)| {
            let mut bytes =
                format!("type={kind} msg=audit({second}.000:{serial}): {fields}").into_bytes();
            if let Some((at, byte)) = hurt
                && let Some(place) = bytes.get_mut(at)
            {
                *place = byte;
            }
            bytes
        });
    let any_line = prop_oneof![8 => line, 1 => proptest::collection::vec(any::<u8>(), 0..60)];
    proptest::collection::vec(any_line, 0..30)
}

proptest! {
    // Goal: no input makes it panic, and each line is in exactly one count.
    #[test]
    fn every_line_is_accounted_for(lines in lines()) {
        let mut auditd = Auditd::new(terms());
        let (mut records, mut left) = (Vec::new(), Vec::new());
        for (at, bytes) in lines.iter().enumerate() {
            auditd.take(Line { number: at as u64 + 1, bytes }, &mut records, &mut left);
        }
        auditd.end(&mut records, &mut left);
        prop_assert_eq!(records.len() as u64 + auditd.joined() + left.len() as u64, lines.len() as u64);
        let held: usize = records.iter().map(|record| record.body["records"].as_array().map_or(0, Vec::len)).sum();
        // Only pieces of an EXECVE are joined into fewer records than lines.
        prop_assert!(held + left.len() <= lines.len() && held >= records.len());
        for record in &records {
            event(record);
        }
    }

    // Goal: a command's name, however it is chosen, changes nothing but itself. Method: it is written as the kernel writes
    // it, quoted where plain and in hex where not.
    #[test]
    fn a_chosen_name_changes_nothing_else(name in proptest::collection::vec(any::<u8>(), 1..15)) {
        let plain = name.iter().all(|byte| *byte != b'"' && (0x21..0x7f).contains(byte));
        let written = if plain {
            format!("\"{}\"", String::from_utf8_lossy(&name))
        } else {
            name.iter().map(|byte| format!("{byte:02X}")).collect()
        };
        let text = call(1, 2, "items=0 key=(null)").replace("\"sh\"", &written);
        let (records, _) = read(&[&text]);
        let mut body = records[0].body.clone();
        prop_assert_eq!(&body["comm"], &Value::from(String::from_utf8_lossy(&name).into_owned()));
        body["comm"] = "sh".into();
        body["records"][0]["comm"] = "sh".into();
        let (plain, _) = read(&[&call(1, 2, "items=0 key=(null)")]);
        prop_assert_eq!(&body, &plain[0].body);
    }
}
