use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::Trust;

fn terms(until: &str, zone: &str) -> SourceTerms {
    SourceTerms {
        name: "auth.log".into(),
        trust: Trust::HostWritten,
        host: None,
        zone: TimeZone::get(zone).unwrap(),
        until: until.parse().unwrap(),
    }
}

fn read_with(terms: SourceTerms, lines: &[&str]) -> (Vec<Record>, Vec<Left>) {
    let mut syslog = Syslog::new(terms);
    let (mut records, mut left) = (Vec::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let line = Line {
            number: at as u64 + 1,
            bytes: line.as_bytes(),
        };
        syslog.take(line, &mut records, &mut left);
    }
    syslog.end(&mut records, &mut left);
    assert_eq!(records.len() + left.len(), lines.len());
    (records, left)
}

fn one(line: &str) -> Record {
    let (mut records, left) = read_with(terms("2026-11-24T12:00:00Z", "UTC"), &[line]);
    assert!(left.is_empty(), "{line}: {left:?}");
    records.remove(0)
}

// Goal: the same line in each of the three forms gives the same body, apart from what a form lacks.
#[test]
fn three_forms() {
    let traditional = one("Nov 24 03:15:54 h1 sshd[30513]: Invalid user x from 192.0.2.1 port 9");
    assert_eq!(
        traditional.body,
        json!({"time": "2026-11-24T03:15:54Z", "host": "h1", "program": "sshd", "pid": 30513,
            "message": "Invalid user x from 192.0.2.1 port 9", "action": "ssh-invalid-user", "outcome": "failure",
            "invalid_user": true, "user": "x", "address": "192.0.2.1", "port": 9})
    );
    assert_eq!(traditional.basis, TimeBasis::YearInferred);
    let rsyslog =
        one("2026-11-24T03:15:54+00:00 h1 sshd[30513]: Invalid user x from 192.0.2.1 port 9");
    assert_eq!(rsyslog.body, traditional.body);
    assert_eq!(rsyslog.basis, TimeBasis::Stated);
    let new = one(
        "<38>1 2026-11-24T03:15:54Z h1 sshd 30513 - [meta sequenceId=\"1\"] \u{feff}Invalid user x from 192.0.2.1 port 9",
    );
    assert_eq!(new.body["address"], "192.0.2.1");
    assert_eq!(new.body["structured"], json!({"meta": {"sequenceId": "1"}}));
    assert_eq!(new.body["facility"], "auth");
    assert_eq!(new.body["severity"], "info");
    let event = event(&new);
    assert_eq!(event.actor.name, "x");
    assert_eq!(event.actor.session.as_deref(), Some("30513"));
    assert_eq!(event.object.unwrap().name, "h1");
}

// Goal: a rotated log over New Year, a leap day and a zone with summer time get the year and hour that they had.
#[test]
fn years_and_zones_are_inferred() {
    let at = |until: &str, zone: &str, stamp: &str| {
        let line = format!("{stamp} h1 app: x");
        let (records, left) = read_with(terms(until, zone), &[&line]);
        assert!(left.is_empty(), "{left:?}");
        (records[0].time.to_string(), records[0].basis)
    };
    let inferred = |time: &str| (time.to_owned(), TimeBasis::YearInferred);
    assert_eq!(
        at("2027-01-03T00:00:00Z", "UTC", "Dec 31 23:59:59"),
        inferred("2026-12-31T23:59:59Z")
    );
    assert_eq!(
        at("2027-01-03T00:00:00Z", "UTC", "Jan  1 00:00:00"),
        inferred("2027-01-01T00:00:00Z")
    );
    assert_eq!(
        at("2026-12-31T23:59:59Z", "UTC", "Jan  1 00:00:10"),
        inferred("2027-01-01T00:00:10Z")
    );
    assert_eq!(
        at("2026-11-24T12:00:00Z", "UTC", "Feb 29 01:02:03"),
        inferred("2024-02-29T01:02:03Z")
    );
    assert_eq!(
        at("2103-11-24T12:00:00Z", "UTC", "Feb 29 01:02:03"),
        inferred("2096-02-29T01:02:03Z")
    );
    assert_eq!(
        at("2026-11-24T12:00:00Z", "Europe/Berlin", "Jul  1 12:00:00"),
        inferred("2026-07-01T10:00:00Z")
    );
    assert_eq!(
        at("2026-11-24T12:00:00Z", "UTC", "Nov 26 12:00:00"),
        inferred("2025-11-26T12:00:00Z")
    );
    assert_eq!(
        at("2026-11-24T12:00:00Z", "UTC", "Nov 2 12:00:00.25"),
        inferred("2026-11-02T12:00:00.25Z")
    );
    let zone = |time: &str| (time.to_owned(), TimeBasis::ZoneInferred);
    assert_eq!(
        at("2026-11-24T12:00:00Z", "UTC", "Nov 24 2020 12:00:00"),
        zone("2020-11-24T12:00:00Z")
    );
    assert_eq!(
        at("2026-11-24T12:00:00Z", "UTC", "Nov 24 12:00:00 2020"),
        zone("2020-11-24T12:00:00Z")
    );
    assert_eq!(
        at(
            "2026-11-24T12:00:00Z",
            "Europe/Berlin",
            "2026-01-02T12:00:00"
        ),
        zone("2026-01-02T11:00:00Z")
    );
}

// Goal: an RFC 5424 record without a time takes its neighbour's and says so; the first can't.
#[test]
fn a_record_without_a_time() {
    let none = "<13>1 - - app - - - x";
    let (records, left) = read_with(
        terms("2026-11-24T12:00:00Z", "UTC"),
        &[none, "<13>1 2026-11-24T03:15:54Z - app - - - y", none],
    );
    assert_eq!(left[0].why, LeftOut::NoTime);
    assert_eq!(records[1].basis, TimeBasis::Neighbour);
    assert_eq!(records[1].time, records[0].time);
    assert_eq!(records[1].host, None);
}

// Goal: tags of all shapes, and lines that have none.
#[test]
fn tags() {
    let parts = |line: &str| {
        let body = one(&format!("Nov 24 03:15:54 {line}")).body;
        let text = |key: &str| body[key].as_str().unwrap_or("").to_owned();
        (text("host"), text("program"), text("message"))
    };
    let expect = |host: &str, program: &str, message: &str| {
        (host.to_owned(), program.to_owned(), message.to_owned())
    };
    assert_eq!(
        parts("h1 sudo:    alice : x"),
        expect("h1", "sudo", "   alice : x")
    );
    assert_eq!(
        parts("h1 postfix/smtpd[1]: x"),
        expect("h1", "postfix/smtpd", "x")
    );
    assert_eq!(
        parts("h1 kernel: [ 1.2] x"),
        expect("h1", "kernel", "[ 1.2] x")
    );
    assert_eq!(
        parts("h1 app[w-1]: a\u{1}#012b"),
        expect("h1", "app", "a\u{1}#012b")
    );
    assert_eq!(
        parts("h1 last message repeated 2 times"),
        expect("h1", "", "last message repeated 2 times")
    );
    assert_eq!(parts("sshd[1]: x y: z"), expect("", "sshd", "x y: z"));
    assert_eq!(parts("h1 a[b c]: x"), expect("h1", "", "a[b c]: x"));
}

// Goal: what is no syslog is left out with the right reason.
#[test]
fn other_lines() {
    let (records, left) = read_with(
        terms("2026-11-24T12:00:00Z", "UTC"),
        &[
            "",
            "{\"MESSAGE\": 1}",
            "type=CWD msg=audit(1.000:1): cwd=\"/\"",
            "<999>Nov 24 03:15:54 h1 a: b",
            "<13>1 x",
            "Nov 31 03:15:54 h1 a: b",
            "Nov 24 25:15:54 h1 a: b",
            "2026-11-24 03:16:50 startup archives unpack",
            "<13>1 2026-11-24T03:15:54Z h a - - [x y",
        ],
    );
    assert!(records.is_empty(), "{records:?}");
    let other = left
        .iter()
        .filter(|left| left.why == LeftOut::OtherFormat)
        .count();
    assert_eq!(other, 2);
}

proptest! {
    // Goal: no input makes it panic, and each line is in exactly one count.
    #[test]
    fn every_line_is_accounted_for(lines in proptest::collection::vec(proptest::collection::vec(prop_oneof![
        "<[0-9]{1,4}>1?", "(Jan|Feb|Nov) ", "[0-9]{1,2} ", "[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,10})? ", "[0-9]{4} ",
        "2026-11-24T03:15:54(Z|\\+01:00|)", " h1 ", "sshd(\\[[0-9]{0,12}\\])?: ", "- ", "\\[a b=\"[ -~]{0,5}\"?\\]?", "\\PC{0,6}"
    ], 0..9), 0..12)) {
        let lines: Vec<String> = lines.iter().map(|pieces| pieces.concat()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for record in read_with(terms("2026-11-24T12:00:00Z", "Europe/Berlin"), &lines).0 {
            event(&record);
        }
    }

    // Goal: bytes that are no text are no trouble either.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut syslog = Syslog::new(terms("2026-11-24T12:00:00Z", "UTC"));
        let (mut records, mut left) = (Vec::new(), Vec::new());
        let mut line = b"Nov 24 03:15:54 h1 ".to_vec();
        line.extend(&bytes);
        syslog.take(Line { number: 1, bytes: &bytes }, &mut records, &mut left);
        syslog.take(Line { number: 2, bytes: &line }, &mut records, &mut left);
        prop_assert_eq!(records.len() + left.len(), 2);
    }
}
