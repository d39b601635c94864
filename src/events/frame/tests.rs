use std::io::{Cursor, Read, Write};

use proptest::prelude::*;

use super::*;
use crate::events::LeftOut;

/// Hands out its bytes a few at a time.
struct Slow(Cursor<Vec<u8>>, usize);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

/// Lines, and what was left out, each with its number.
type Cut = (Vec<(u64, String)>, Vec<(u64, LeftOut)>);

fn cut(bytes: &[u8], bounds: Bounds) -> Cut {
    cut_slowly(bytes, bounds, usize::MAX)
}

fn cut_slowly(bytes: &[u8], bounds: Bounds, step: usize) -> Cut {
    let source = Box::new(Slow(Cursor::new(bytes.to_vec()), step));
    let mut frames = Frames::new(source, bounds).unwrap();
    let (mut lines, mut left) = (Vec::new(), Vec::new());
    let mut batch = Batch::default();
    while frames.next(&mut batch).unwrap() {
        lines.extend(batch.lines().map(|line| {
            (
                line.number,
                String::from_utf8_lossy(line.bytes).into_owned(),
            )
        }));
        left.extend(batch.left.iter().map(|left| (left.line, left.why)));
    }
    (lines, left)
}

fn words(lines: &[(u64, String)]) -> Vec<&str> {
    lines.iter().map(|(_, line)| line.as_str()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

// Goal: a line number that is off by one, a lost last line, an empty line counted as a record.
#[test]
fn lines_have_their_numbers() {
    let (lines, left) = cut(b"one\r\n\n  \ntwo\nthree", Bounds::default());
    assert_eq!(
        lines,
        [
            (1, "one".to_owned()),
            (4, "two".to_owned()),
            (5, "three".to_owned())
        ]
    );
    assert_eq!(left, []);
}

// Goal: a long line that takes the next one with it, or memory of its size.
#[test]
fn a_long_line_is_left_out_alone() {
    let mut bytes = b"short\n".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 5000));
    bytes.extend(b"\nafter\n");
    let bounds = Bounds {
        line: 100,
        ..Bounds::default()
    };
    let (lines, left) = cut(&bytes, bounds);
    assert_eq!(words(&lines), ["short", "after"]);
    assert_eq!(left, [(2, LeftOut::TooLong)]);
}

// Goal: gzip that is read up to its first member only, which is what logrotate and CloudTrail concatenate.
#[test]
fn gzip_of_several_members_is_read_whole() {
    let mut bytes = gzip(b"one\ntwo\n");
    bytes.extend(gzip(b"three\n"));
    assert_eq!(
        words(&cut(&bytes, Bounds::default()).0),
        ["one", "two", "three"]
    );
}

// Goal: a small file that unpacks without end.
#[test]
fn what_unpacks_too_far_is_an_error_after_what_was_read() {
    let packed = gzip(&vec![b'\n'; 4 << 20]);
    let bounds = Bounds {
        source: 1 << 20,
        ..Bounds::default()
    };
    let mut frames = Frames::new(Box::new(Cursor::new(packed)), bounds).unwrap();
    let mut batch = Batch::default();
    let ended = loop {
        match frames.next(&mut batch) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    assert!(ended.is_some_and(|words| words.contains("--max-source")));
}

// Goal: damaged gzip that ends a run or loses what came before.
#[test]
fn damaged_gzip_keeps_what_came_before() {
    let text: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    let mut packed = gzip(text.as_bytes());
    packed.truncate(packed.len() / 2);
    let mut frames = Frames::new(Box::new(Cursor::new(packed)), Bounds::default()).unwrap();
    let mut batch = Batch::default();
    let mut seen = 0;
    loop {
        match frames.next(&mut batch) {
            Ok(true) => seen += batch.len(),
            Ok(false) => panic!("the damage was not told"),
            Err(_) => break,
        }
    }
    assert!(seen > 1000, "{seen}");
}

// Goal: a Windows tool's UTF-16 read as garbage.
#[test]
fn utf_16_is_decoded() {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(
        "{\"a\":1}\n{\"b\":2}\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    assert_eq!(
        words(&cut(&bytes, Bounds::default()).0),
        ["{\"a\":1}", "{\"b\":2}"]
    );
}

// Goal: documents of each shape cut at wrong places; brackets and quotes within strings counted.
#[test]
fn documents_are_cut_into_their_elements() {
    for (text, elements) in [
        (
            r#"{"Records":[{"a":"]}\""},{"b":[{}]}]}"#,
            vec![r#"{"a":"]}\""}"#, r#"{"b":[{}]}"#],
        ),
        (r#"[{"a":1}, {"b":2}]"#, vec![r#"{"a":1}"#, r#"{"b":2}"#]),
        (
            "{\n \"a\": 1\n}\n{\n \"b\": 2\n}\n",
            vec!["{  \"a\": 1 }", "{  \"b\": 2 }"],
        ),
        (
            r#"{"kind":"EventList","x":{"Records":[{"n":0}]},"items":[{"a":1}],"y":[{"c":3}]}"#,
            vec![r#"{"a":1}"#],
        ),
        (r#"{"Records":[]}"#, vec![]),
    ] {
        let (lines, left) = cut(text.as_bytes(), Bounds::default());
        assert_eq!(words(&lines), elements, "{text}");
        assert_eq!(left, [], "{text}");
    }
}

// Goal: JSON lines taken for a document, whose damage would then run to the end of the file.
#[test]
fn json_lines_are_lines() {
    for lines in [
        ["{\"a\":{\"Records\":[]}}", "{\"torn", "{\"b\":2}"],
        ["{\"torn", "{\"a\":1}", "{\"b\":2}"],
        ["{\"torn\":1,", "{\"a\":1}", "{\"b\":2}"],
    ] {
        let text = lines.join("\n");
        assert_eq!(words(&cut(text.as_bytes(), Bounds::default()).0), lines);
    }
}

// Goal: a document that was cut off in transit and passes for whole.
#[test]
fn a_torn_document_says_so() {
    let (lines, left) = cut(br#"{"Records":[{"a":1},{"b":"#, Bounds::default());
    assert_eq!(words(&lines), [r#"{"a":1}"#]);
    assert_eq!(left, [(2, LeftOut::Torn)]);
}

// Goal: an element of any size held in memory.
#[test]
fn a_long_element_is_left_out_alone() {
    let text = format!(r#"[{{"a":"{}"}},{{"b":2}}]"#, "x".repeat(500));
    let bounds = Bounds {
        line: 100,
        ..Bounds::default()
    };
    let (lines, left) = cut(text.as_bytes(), bounds);
    assert_eq!(words(&lines), [r#"{"b":2}"#]);
    assert_eq!(left, [(1, LeftOut::TooLong)]);
}

proptest! {
    // Goal: a result that depends on how the bytes arrive.
    #[test]
    fn how_bytes_arrive_does_not_matter(
        bytes in proptest::collection::vec(
            proptest::sample::select(b"{}[]\"\\:,\n\r aRecords1".to_vec()), 0..300),
        step in 1_usize..40,
    ) {
        let bounds = Bounds { line: 60, ..Bounds::default() };
        prop_assert_eq!(cut(&bytes, bounds), cut_slowly(&bytes, bounds, step));
    }
}
