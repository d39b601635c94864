use std::io::Cursor;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;

fn given(format: Option<Format>) -> Given {
    Given {
        format,
        trust: None,
        terms: SourceTerms {
            name: Arc::from("trail.jsonl"),
            trust: Trust::Unauthenticated,
            host: None,
            zone: TimeZone::UTC,
            until: Timestamp::UNIX_EPOCH,
        },
        bounds: Bounds {
            line: 2000,
            ..Bounds::default()
        },
    }
}

fn reader(text: &[u8], format: Option<Format>) -> Result<Reader, ReadError> {
    let opened = Opened {
        name: Arc::from("trail.jsonl"),
        bytes: Box::new(Cursor::new(text.to_vec())),
        written: None,
    };
    Reader::new(opened, given(format))
}

fn all(text: &[u8]) -> (Vec<String>, Tally) {
    let mut reader = reader(text, None).unwrap();
    let mut seen = Seen::new(1000);
    let mut ids = Vec::new();
    let id = |record: Record| match record.id.as_deref() {
        Some(id) => id.trim_start_matches(ID).trim_start_matches('f').to_owned(),
        None => "none".to_owned(),
    };
    while let Some(some) = reader.next(&mut seen, &id) {
        ids.extend(some);
    }
    (ids, reader.into_tally())
}

/// All of a record's id but its end.
const ID: &str = "00000000-0000-4000-8000-0000000";

fn trail(id: &str) -> String {
    let id = format!("{ID}{id:f>5}");
    format!(
        r#"{{"eventVersion":"1.08","eventTime":"2026-03-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventID":"{id}"}}"#
    )
}

// Goal: a line that is in no count, or in two; a reason that misleads.
#[test]
fn every_line_is_in_one_count() {
    let audit = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"x"}"#;
    let long = format!("{{\"eventID\":\"{}\"}}", "x".repeat(3000));
    let lines = [
        trail("a"),
        String::new(),
        "{\"broken\": ".to_owned(),
        trail("b"),
        trail("a"),
        audit.to_owned(),
        long,
        "[1]".to_owned(),
        trail("c"),
        "{\"torn".to_owned(),
    ];
    let (ids, tally) = all(lines.join("\n").as_bytes());
    assert_eq!(ids, ["a", "b", "c"]);
    let left: Vec<_> = tally
        .left_out
        .iter()
        .map(|(why, left)| (*why, left.count, left.line))
        .collect();
    assert_eq!(
        left,
        [
            (LeftOut::TooLong, 1, 7),
            (LeftOut::Torn, 1, 10),
            (LeftOut::Malformed, 2, 3),
            (LeftOut::OtherFormat, 1, 6),
            (LeftOut::Duplicate, 1, 5),
        ]
    );
    assert_eq!((tally.lines, tally.records, tally.joined), (9, 3, 0));
    assert_eq!(tally.lost(), 4);
}

// Goal: a record that borrows the id of another one and is dropped as its duplicate.
#[test]
fn an_id_alone_makes_no_duplicate() {
    let other = trail("a").replace("GetObject", "DeleteObject");
    let (ids, tally) = all(format!("{}\n{other}\n", trail("a")).as_bytes());
    assert_eq!(ids, ["a", "a"]);
    assert!(tally.left_out.is_empty());
}

// Goal: results in another order with more threads, which would make a run depend on the machine.
#[test]
fn results_come_in_order() {
    let lines: Vec<_> = (0..20_000).map(|n| trail(&format!("{n}"))).collect();
    let (ids, _) = all(lines.join("\n").as_bytes());
    let expected: Vec<_> = (0..20_000).map(|n| n.to_string()).collect();
    assert_eq!(ids, expected);
}

// Goal: bytes that are no UTF-8 in a name hide the record.
#[test]
fn a_record_with_strange_bytes_is_read() {
    let mut line = trail("a").into_bytes();
    let at = line.windows(9).position(|it| it == b"GetObject").unwrap();
    line[at] = 0xff;
    assert_eq!(all(&line).0, ["a"]);
}

// Goal: a guessed format that is believed like a named one.
#[test]
fn a_guess_is_believed_less() {
    let text = trail("a");
    let guessed = reader(text.as_bytes(), None).unwrap();
    assert_eq!(guessed.tally().trust, Some(Trust::HostWritten));
    let named = reader(text.as_bytes(), Some(Format::CloudTrail)).unwrap();
    assert_eq!(named.tally().trust, Some(Trust::Authenticated));
}

// Goal: a binary file that is read as an empty log, and an empty log that is an error.
#[test]
fn what_is_no_log_is_told_from_an_empty_one() {
    assert!(matches!(
        reader(b"\x7fELF\0\0\0", None),
        Err(ReadError::Unknown(_))
    ));
    let (ids, tally) = all(b"\n");
    assert!(ids.is_empty() && tally.format.is_none());
}

// Goal: the last element of a document that was cut off is lost without a word.
#[test]
fn a_document_is_read_as_its_records() {
    let text = format!(r#"{{"Records":[{},{},{{"eventID""#, trail("a"), trail("b"));
    let (ids, tally) = all(text.as_bytes());
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(tally.left_out[&LeftOut::Torn].line, 3);
}

/// Whole bytes, then silence for ever: a file that grows no more.
struct Silent(Cursor<Vec<u8>>);

impl io::Read for Silent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

// Goal: an event of a followed audit log that is let go in a silence is judged a second time when its lines come again, as
// after a file was copied or put back.
#[test]
fn what_is_let_go_in_a_silence_is_judged_once() {
    // Its PATH record never comes, so the event waits.
    let text = "type=SYSCALL msg=audit(1772359200.000:7): arch=c000003e syscall=59 success=yes items=2 exe=\"/bin/x\"\n";
    let mut seen = Seen::new(16);
    let mut all = Vec::new();
    let mut tallies = Vec::new();
    for name in ["audit.log", "audit.log.1"] {
        let opened = Opened {
            name: Arc::from(name),
            bytes: Box::new(Silent(Cursor::new(text.as_bytes().to_vec()))),
            written: None,
        };
        let mut reader = Reader::following(opened, given(None)).unwrap();
        let id = |record: Record| record.id.as_deref().map(str::to_owned);
        for _ in 0..3 {
            all.extend(reader.next(&mut seen, &id).unwrap());
        }
        tallies.push(reader.into_tally());
    }
    assert_eq!(all, [Some("1772359200.000:7".to_owned())]);
    assert_eq!((tallies[0].records, tallies[1].records), (1, 0));
    assert_eq!(tallies[1].left_out[&LeftOut::Duplicate].count, 1);
}
