//! The text of `/etc/passwd` and its like, line by line, as the C library understands it.
//!
//! **Invariant:** pure; whatever is edited, every other byte stays as it is, a missing last newline included.

use std::collections::HashMap;

/// The lines of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// Without their newlines.
    lines: Vec<Vec<u8>>,
    /// Whether the last line has a newline.
    ends: bool,
}

/// Where a line stood: its number and the name in the line before it, so that it finds its place again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub index: usize,
    pub after: Vec<u8>,
}

impl Lines {
    /// Takes a text apart.
    pub fn of(text: &[u8]) -> Self {
        if text.is_empty() {
            return Self {
                lines: Vec::new(),
                ends: true,
            };
        }
        let (text, ends) = match text.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (text, false),
        };
        Self {
            lines: text
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect(),
            ends,
        }
    }

    /// The text again.
    pub fn text(&self) -> Vec<u8> {
        let mut text = self.lines.join(&b'\n');
        if self.ends && !self.lines.is_empty() {
            text.push(b'\n');
        }
        text
    }

    /// All lines, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.lines.iter().map(Vec::as_slice)
    }

    /// The line of this number, counted from 0.
    pub fn get(&self, index: usize) -> &[u8] {
        self.lines.get(index).map_or(b"", Vec::as_slice)
    }

    /// The numbers of the lines of each name.
    pub fn by_name(&self) -> HashMap<Vec<u8>, Vec<usize>> {
        let mut names: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (index, line) in self.iter().enumerate() {
            if !is_blank(line) {
                names.entry(name(line).to_vec()).or_default().push(index);
            }
        }
        names
    }

    /// The numbers of the lines of one name.
    pub fn of_name(&self, wanted: &[u8]) -> Vec<usize> {
        let lines = self.iter().enumerate();
        lines
            .filter(|(_, line)| !is_blank(line) && name(line) == wanted)
            .map(|(index, _)| index)
            .collect()
    }

    /// Where a line stands.
    pub fn place(&self, index: usize) -> Place {
        Place {
            index,
            after: match index {
                0 => Vec::new(),
                index => name(self.get(index - 1)).to_vec(),
            },
        }
    }

    /// Writes another line in the place of one.
    pub fn replace(&mut self, index: usize, line: Vec<u8>) {
        if let Some(old) = self.lines.get_mut(index) {
            *old = line;
        }
    }

    /// Makes these the lines of a name. As many as there were are replaced where they stand; otherwise the old ones go,
    /// and the new ones stand at their places, or without such where the first one stood, or at the end.
    pub fn set(&mut self, wanted: &[u8], new: &[Vec<u8>], places: &[Place]) {
        let old = self.of_name(wanted);
        if old.len() == new.len() {
            for (index, line) in old.iter().zip(new) {
                self.replace(*index, line.clone());
            }
            return;
        }
        for index in old.iter().rev() {
            self.lines.remove(*index);
        }
        let first = old.first().copied().unwrap_or_else(|| self.end());
        for (at, line) in new.iter().enumerate() {
            let index = match places.get(at) {
                Some(place) => self.find(place),
                None => (first + at).min(self.lines.len()),
            };
            self.lines.insert(index, line.clone());
        }
    }

    /// Where a line that stood at a place belongs now.
    fn find(&self, place: &Place) -> usize {
        let stands_after =
            |index: usize| index > 0 && name(self.get(index - 1)) == place.after.as_slice();
        if place.index == 0 || stands_after(place.index.min(self.lines.len())) {
            return place.index.min(self.lines.len());
        }
        (1..=self.lines.len())
            .find(|index| stands_after(*index))
            .unwrap_or_else(|| place.index.min(self.lines.len()))
    }

    /// Where a new line goes: to the end, but before the lines of NIS, which end the list for some.
    fn end(&self) -> usize {
        let is_nis = |line: &[u8]| matches!(seen(line).first(), Some(b'+' | b'-'));
        self.iter().position(is_nis).unwrap_or(self.lines.len())
    }
}

/// What stands before what the C library sees of a line (blanks), that, and what stands behind it (from the first NUL).
pub fn parts(line: &[u8]) -> [&[u8]; 3] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r');
    let start = line.iter().take_while(|byte| is_blank(byte)).count();
    let (before, line) = line.split_at(start);
    let end = line.iter().position(|byte| *byte == 0);
    let (seen, behind) = line.split_at(end.unwrap_or(line.len()));
    [before, seen, behind]
}

/// What the C library sees of a line.
pub fn seen(line: &[u8]) -> &[u8] {
    parts(line)[1]
}

/// Whether a line says nothing: it is empty or a comment.
pub fn is_blank(line: &[u8]) -> bool {
    matches!(seen(line).first(), None | Some(b'#'))
}

/// The name that a line begins with.
pub fn name(line: &[u8]) -> &[u8] {
    seen(line).split(|byte| *byte == b':').next().unwrap_or(b"")
}

/// So many fields of a line, the last one with all that follows; what is missing is empty, as it is to the C library.
pub fn fields<const N: usize>(line: &[u8]) -> [&[u8]; N] {
    let mut found = [&b""[..]; N];
    let parts = seen(line).splitn(N, |byte| *byte == b':');
    for (field, part) in found.iter_mut().zip(parts) {
        *field = part;
    }
    found
}

/// A number as `strtoul` reads it, which is how ` 0`, `+0` and `-0` are the superuser too.
pub fn number(field: &[u8]) -> Option<u32> {
    let text = field.trim_ascii_start();
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    let value = match digits.parse::<u64>() {
        Ok(value) if is_negative => value.wrapping_neg(),
        Ok(value) => value,
        Err(_) => u64::MAX,
    };
    Some(u32::try_from(value).unwrap_or(u32::MAX))
}

/// The names in a list, as the C library finds them: after blanks, without empty ones.
pub fn list(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii_start)
        .filter(|name| !name.is_empty())
}

/// A list without a name.
pub fn without(field: &[u8], gone: &[u8]) -> Vec<u8> {
    let kept = field
        .split(|byte| *byte == b',')
        .filter(|name| name.trim_ascii_start() != gone);
    kept.collect::<Vec<_>>().join(&b',')
}

/// A list with a name at a place, counted from 0, or at its end.
pub fn with(field: &[u8], new: &[u8], at: Option<usize>) -> Vec<u8> {
    let mut names: Vec<&[u8]> = match field.is_empty() {
        true => Vec::new(),
        false => field.split(|byte| *byte == b',').collect(),
    };
    if names.iter().any(|name| name.trim_ascii_start() == new) {
        return field.to_vec();
    }
    names.insert(at.unwrap_or(names.len()).min(names.len()), new);
    names.join(&b',')
}

/// The place of a name in a list, counted from 0.
pub fn position(field: &[u8], name: &[u8]) -> Option<usize> {
    field
        .split(|byte| *byte == b',')
        .position(|one| one.trim_ascii_start() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0::/root:/bin/sh\r\n# c\n\n  evil:x:0:0\n\xff:x:1:1:::\nalice:x:5:5:::\n+::::::";

    // Goal: a text that was taken apart is the same again, whatever is in it.
    #[test]
    fn texts_round_trip() {
        for text in [
            PASSWD,
            b"",
            b"\n",
            b"a",
            b"a\n",
            b"\n\na:\0\n",
            b"a\r\n\r\n",
        ] {
            assert_eq!(Lines::of(text).text(), text);
        }
    }

    // Goal: taking a line out and putting it back changes no byte, at whichever place and in whichever order they went.
    #[test]
    fn lines_find_their_places_again() {
        let all = Lines::of(PASSWD);
        let names: [&[u8]; 4] = [b"root", b"evil", b"\xff", b"alice"];
        let mut lines = all.clone();
        let mut taken = Vec::new();
        for name in names {
            let index = lines.of_name(name)[0];
            taken.push((name, lines.get(index).to_vec(), lines.place(index)));
            lines.set(name, &[], &[]);
        }
        assert_eq!(lines.text(), b"# c\n\n+::::::");
        for (name, line, place) in taken.into_iter().rev() {
            lines.set(name, &[line], &[place]);
        }
        assert_eq!(lines.text(), PASSWD);
    }

    // Goal: a line whose neighbours moved meanwhile comes back after the same neighbour.
    #[test]
    fn a_neighbour_outweighs_the_number() {
        let mut lines = Lines::of(b"new:1\na:1\nb:1\nc:1\n");
        let place = Place {
            index: 2,
            after: b"b".to_vec(),
        };
        lines.set(b"x", &[b"x:1".to_vec()], &[place]);
        assert_eq!(lines.text(), b"new:1\na:1\nb:1\nx:1\nc:1\n");
    }

    // Goal: a new account stands before NIS's lines, and a file without a last newline gets no line that runs into another.
    #[test]
    fn new_lines_stand_alone() {
        let mut lines = Lines::of(PASSWD);
        lines.set(b"bob", &[b"bob:x".to_vec()], &[]);
        assert!(lines.text().ends_with(b"alice:x:5:5:::\nbob:x\n+::::::"));
        let mut lines = Lines::of(b"a:x");
        lines.set(b"bob", &[b"bob:x".to_vec()], &[]);
        assert_eq!(lines.text(), b"a:x\nbob:x");
    }

    // Goal: every way to spell the superuser's number is seen as such.
    #[test]
    fn numbers_are_those_of_the_c_library() {
        for (text, value) in [
            ("0", Some(0)),
            (" 0", Some(0)),
            ("-0", Some(0)),
            ("+000", Some(0)),
            ("1000", Some(1000)),
            ("4294967296", Some(u32::MAX)),
            ("-1", Some(u32::MAX)),
            ("-18446744073709551615", Some(1)),
            ("99999999999999999999999", Some(u32::MAX)),
            ("", None),
            ("0x0", None),
            ("0 ", None),
        ] {
            assert_eq!(number(text.as_bytes()), value, "{text:?}");
        }
    }

    // Goal: a name behind blanks or before a NUL is the one that counts, and comments are none.
    #[test]
    fn names_are_those_of_the_c_library() {
        assert_eq!(name(b"\t evil:x:0:0\0:y"), b"evil");
        assert_eq!(fields::<4>(b"evil:x:0:0"), [&b"evil"[..], b"x", b"0", b"0"]);
        assert_eq!(fields::<3>(b"a:b:c:d"), [&b"a"[..], b"b", b"c:d"]);
        assert!(is_blank(b"  # evil:x:0:0"));
        assert!(is_blank(b"\0evil:x:0:0"));
    }

    // Goal: names of lists are found behind blanks, and what stands beside one that goes or comes is untouched.
    #[test]
    fn lists_are_edited_in_place() {
        assert_eq!(without(b"bob, evil,,carol", b"evil"), b"bob,,carol");
        assert_eq!(with(b"bob,carol", b"alice", Some(1)), b"bob,alice,carol");
        assert_eq!(with(b"", b"alice", Some(7)), b"alice");
        assert_eq!(with(b" alice", b"alice", None), b" alice");
        assert_eq!(list(b" a,,b").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(position(b"bob, evil", b"evil"), Some(1));
    }
}
