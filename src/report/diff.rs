//! Unified diffs of content, with the changed words of a changed line marked.
//!
//! Flow: bytes of both sides → lines → hunks of [`Line`]s whose text is not yet escaped → a renderer.
//!
//! **Invariant:** the work is bounded by the size of what differs, never by what an attacker made of it, and the same
//! input gives the same lines.

use similar::{ChangeTag, DiffOp, TextDiff};

/// The most lines, on both sides together and without what is the same at both ends, that are compared.
const MAX_LINES: usize = 6_000;
/// The most bytes of one changed block in which changed words are looked for.
const MAX_EMPHASIS_BYTES: usize = 8 << 10;
/// The most characters of a line that are shown.
const MAX_LINE: usize = 400;
/// How many unchanged lines are shown around changed ones.
const CONTEXT: usize = 3;

/// How two contents differ.
#[derive(Clone, PartialEq, Debug)]
pub enum Difference {
    Lines(Diff),
    /// At least one side is no text; the offset of the first byte that differs.
    Binary {
        offset: usize,
    },
    /// Too many lines differ to compare them: how many on either side.
    TooMany {
        old: usize,
        new: usize,
    },
}

/// The hunks of a diff, as many as were asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Diff {
    pub hunks: Vec<Hunk>,
    /// How many lines of the diff were left out.
    pub left_out: usize,
}

/// Lines that belong together.
#[derive(Clone, PartialEq, Debug)]
pub struct Hunk {
    /// `@@ -1,3 +1,4 @@`
    pub header: String,
    pub lines: Vec<Line>,
}

/// One line. Its text has no line end.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    pub side: Side,
    /// Parts of the line, and whether each is what changed in it.
    pub parts: Vec<(bool, String)>,
    /// Whether the content ends here without a line end.
    pub is_open: bool,
}

/// Which side a line is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Both,
    Old,
    New,
}

/// Compares two contents, showing at most `max_lines` lines. A side that does not exist is empty.
pub fn unified(old: &[u8], new: &[u8], max_lines: usize) -> Difference {
    if old.contains(&0) || new.contains(&0) {
        let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        return Difference::Binary { offset: same };
    }
    let (old, new) = (readable(old), readable(new));
    let (old_lines, new_lines) = differing_lines(&old, &new);
    if old_lines + new_lines > MAX_LINES {
        return Difference::TooMany {
            old: old_lines,
            new: new_lines,
        };
    }
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    let mut shown = Diff::default();
    let mut room = max_lines;
    for ops in diff.grouped_ops(CONTEXT) {
        let header = similar::udiff::UnifiedHunkHeader::new(&ops).to_string();
        let mut lines: Vec<_> = ops.iter().flat_map(|op| lines_of(&diff, op)).collect();
        shown.left_out += lines.len().saturating_sub(room);
        lines.truncate(room);
        room -= lines.len();
        if !lines.is_empty() {
            shown.hunks.push(Hunk { header, lines });
        }
    }
    Difference::Lines(shown)
}

/// Bytes as text in which what is no UTF-8 is written `\xNN`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// How many lines there are on either side between what is the same at the start and at the end.
fn differing_lines(old: &str, new: &str) -> (usize, usize) {
    let (old, new): (Vec<_>, Vec<_>) = (old.split('\n').collect(), new.split('\n').collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (old.len() - head - tail, new.len() - head - tail)
}

fn lines_of<'a>(diff: &'a TextDiff<'a, 'a, 'a, str>, op: &DiffOp) -> Vec<Line> {
    let bytes: usize = diff
        .iter_changes(op)
        .map(|change| change.value().len())
        .sum();
    if bytes > MAX_EMPHASIS_BYTES {
        return diff
            .iter_changes(op)
            .map(|change| line(change.tag(), &[(false, change.value())]))
            .collect();
    }
    // Without a deadline, so that the same input always gives the same marks; its size bounds it.
    diff.iter_inline_changes_deadline(op, None)
        .map(|change| line(change.tag(), change.values()))
        .collect()
}

fn line(tag: ChangeTag, values: &[(bool, &str)]) -> Line {
    let side = match tag {
        ChangeTag::Equal => Side::Both,
        ChangeTag::Delete => Side::Old,
        ChangeTag::Insert => Side::New,
    };
    let is_open = !values.last().is_some_and(|(_, text)| text.ends_with('\n'));
    let mut parts = Vec::new();
    let mut room = MAX_LINE;
    for (marked, text) in values {
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let length = text.chars().count();
        if length > room {
            let kept: String = text.chars().take(room).collect();
            let rest: usize = length - room;
            parts.push((*marked, format!("{kept}… ({rest} characters more)")));
            break;
        }
        room -= length;
        parts.push((*marked, text.to_owned()));
    }
    // A line of which all is new has nothing to point out.
    if parts.iter().all(|(marked, _)| *marked) {
        parts.iter_mut().for_each(|(marked, _)| *marked = false);
    }
    Line {
        side,
        parts,
        is_open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(difference: &Difference) -> String {
        let Difference::Lines(diff) = difference else {
            panic!("{difference:?}");
        };
        let mut out = String::new();
        for hunk in &diff.hunks {
            out.push_str(&format!("{}\n", hunk.header));
            for line in &hunk.lines {
                let sign = match line.side {
                    Side::Both => ' ',
                    Side::Old => '-',
                    Side::New => '+',
                };
                out.push(sign);
                for (marked, part) in &line.parts {
                    out.push_str(&if *marked {
                        format!("<{part}>")
                    } else {
                        part.clone()
                    });
                }
                out.push_str(if line.is_open { " (open)\n" } else { "\n" });
            }
        }
        out
    }

    // Goal: the changed word of a changed line is marked, and a missing line end is seen.
    #[test]
    fn marks_changed_words() {
        let difference = unified(
            b"Port 22\nPermitRootLogin yes\nUsePAM yes\n",
            b"Port 22\nPermitRootLogin no\nUsePAM yes",
            100,
        );
        insta::assert_snapshot!(text(&difference));
    }

    // Goal: what is left out is counted, and nothing more is shown than was asked for.
    #[test]
    fn counts_what_is_left_out() {
        let new: String = (0..100).map(|i| format!("{i}\n")).collect();
        let Difference::Lines(diff) = unified(b"", new.as_bytes(), 30) else {
            panic!("text is compared by lines");
        };
        assert_eq!(
            diff.hunks.iter().map(|it| it.lines.len()).sum::<usize>(),
            30
        );
        assert_eq!(diff.left_out, 70);
    }

    // Goal: binary content is said to be so with the place, and bytes of another encoding are still lines.
    #[test]
    fn what_is_no_text() {
        assert_eq!(
            unified(b"\x7fELF\0a", b"\x7fELF\0b", 9),
            Difference::Binary { offset: 5 }
        );
        let latin = text(&unified(b"gr\xfcn\n", b"rot\n", 9));
        assert!(latin.contains("-gr\\xfcn"), "{latin}");
    }

    // Goal: content made to be slow to compare ends at once, and one changed line in a huge file is still found.
    #[test]
    fn work_is_bounded() {
        let many = |word: &str| {
            (0..50_000)
                .map(|i| format!("{word}{i}\n"))
                .collect::<String>()
        };
        let (old, new) = (many("a"), many("b"));
        assert!(matches!(
            unified(old.as_bytes(), new.as_bytes(), 9),
            Difference::TooMany { old: 50_000, .. }
        ));
        let one = old.replace("a25000\n", "b\n");
        assert!(text(&unified(old.as_bytes(), one.as_bytes(), 9)).contains("-a25000\n+b\n"));
        let long = "x ".repeat(1 << 20);
        let cut = text(&unified(long.as_bytes(), b"x\n", 9));
        assert!(cut.len() < 1_000, "{}", cut.len());
    }
}
