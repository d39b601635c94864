//! What the next boot would set: the texts of `sysctl.d` and `/etc/sysctl.conf`, as `sysctl --system` reads them.
//!
//! Lines are `key = value`; a `-` before a key lets it fail. Names are parted by dots or slashes. A key with `*`, `?` or `[`
//! sets all that it matches but for those that a line names itself; `-key` without a value takes one out of that.
//!
//! **Invariant:** pure; an edit changes the bytes of one line, or adds or takes away one line, and leaves each other byte.

use crate::providers::host::glob::Globs;

/// The first line of a file that evenkeel made; a file that holds nothing else goes.
const HEADER: &[u8] =
    b"# Settings of the kernel that evenkeel keeps: no other file in /etc sets them.\n";
/// Files for settings that none in `/etc` decides, so that one of them is read after any other.
pub const OWN: [&str; 3] = [
    "/etc/sysctl.d/99-evenkeel.conf",
    "/etc/sysctl.d/zz-evenkeel.conf",
    "/etc/sysctl.d/~~~~-evenkeel.conf",
];
/// It is read after all others.
pub const LAST: &str = "/etc/sysctl.conf";

/// One file, in the order in which they are read.
pub struct File {
    /// Its printable path.
    pub path: String,
    pub text: Vec<u8>,
}

/// The line that decides a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// The printable path of its file.
    pub file: String,
    /// Without the line end.
    pub line: Vec<u8>,
    /// None where the line says that no value is to be set.
    pub value: Option<String>,
}

/// The line that decides this key, which is a path below `/proc/sys`.
pub fn decide(files: &[File], key: &str) -> Option<Decided> {
    let mut by_name = None;
    let mut by_glob = None;
    for file in files {
        for line in file.text.split(|byte| *byte == b'\n') {
            let Some(entry) = parse(line) else { continue };
            let slot = match (entry.key == key, &entry.value) {
                (true, _) => &mut by_name,
                (false, Some(_)) if entry.matches(key) => &mut by_glob,
                _ => continue,
            };
            *slot = Some(Decided {
                file: file.path.clone(),
                line: line.to_vec(),
                value: entry.value,
            });
        }
    }
    by_name.or(by_glob)
}

/// Whether a line is one that names this key itself.
pub fn names(line: &[u8], key: &str) -> bool {
    parse(line).is_some_and(|entry| entry.key == key)
}

/// The file and line that make this value the one of the next boot, where that file and line decide now. None where
/// every file that could hold it is read before the deciding one.
pub fn put_right(
    decided: Option<(&str, &[u8])>,
    key: &str,
    name: &str,
    value: &str,
) -> Option<(String, Vec<u8>)> {
    let new = || format!("{name} = {value}").into_bytes();
    let Some((file, line)) = decided else {
        return Some((OWN[0].to_owned(), new()));
    };
    if is_editable(file) && names(line, key) {
        return Some((file.to_owned(), with_value(line, value).unwrap_or_else(new)));
    }
    // A line that names the key counts more than any glob, wherever that stands.
    let is_after = |own: &&&str| !names(line, key) || base(own) > base(file);
    let own = OWN.iter().find(is_after).filter(|_| file != LAST)?;
    Some(((*own).to_owned(), new()))
}

/// Whether a file is one that evenkeel edits.
pub fn is_editable(file: &str) -> bool {
    file.starts_with("/etc/") && !file.split('/').any(|name| name == "..")
}

/// A text whose last line that names the key is this one instead. None where no line does.
pub fn replaced(text: &[u8], key: &str, with: &[u8]) -> Option<Vec<u8>> {
    let (start, end) = last_of(text, key)?;
    Some([&text[..start], with, &text[end..]].concat())
}

/// A text with this line at its end; one of evenkeel's own where there was none.
pub fn appended(text: Option<&[u8]>, line: &[u8]) -> Vec<u8> {
    match text {
        None => [HEADER, line, b"\n"].concat(),
        // Without a line end as before, so that taking it away gives the same text.
        Some(text) if !text.is_empty() && !text.ends_with(b"\n") => [text, b"\n", line].concat(),
        Some(text) => [text, line, b"\n"].concat(),
    }
}

/// A text without the last line that names the key: the reverse of [`appended`]. `Some(None)`: nothing of the file is left.
pub fn removed(text: &[u8], key: &str) -> Option<Option<Vec<u8>>> {
    let (start, end) = last_of(text, key)?;
    let (start, end) = match text.get(end) {
        Some(_) => (start, end + 1),
        None => (start.saturating_sub(1), end),
    };
    let left = [&text[..start], &text[end..]].concat();
    Some((left != HEADER).then_some(left))
}

/// Whether two texts are the same but for lines that name the key.
pub fn is_alike(one: &[u8], other: &[u8], key: &str) -> bool {
    let rest = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(|byte| *byte == b'\n')
            .filter(|line| !names(line, key) && !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    rest(one) == rest(other)
}

/// Fields of a value are told apart by any blanks.
pub fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Entry {
    key: String,
    value: Option<String>,
}

impl Entry {
    fn matches(&self, key: &str) -> bool {
        self.key.contains(['*', '?', '['])
            && Globs::new(std::slice::from_ref(&self.key))
                .is_ok_and(|globs| globs.matches(key.as_bytes()))
    }
}

/// A line that sets something; none for a comment, an empty line and what is neither.
fn parse(line: &[u8]) -> Option<Entry> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return None;
    }
    let (is_marked, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(normal(value))),
        None if is_marked => (text, None),
        None => return None,
    };
    let key = key.trim().trim_start_matches('/');
    let key = key.strip_prefix("proc/sys/").unwrap_or(key);
    Some(Entry {
        key: path_of(key),
        value,
    })
}

/// A key as a path: which of dot and slash comes first parts its names, and the other one stands for the first.
pub fn path_of(key: &str) -> String {
    match key.find(['.', '/']).map(|at| key.as_bytes()[at]) {
        Some(b'.') => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

/// The line with another value and each other byte as it was.
fn with_value(line: &[u8], value: &str) -> Option<Vec<u8>> {
    let after = line.iter().position(|byte| *byte == b'=')? + 1;
    let blanks = |byte: &&u8| byte.is_ascii_whitespace();
    let before = line[after..].iter().take_while(blanks).count();
    let old = line[after + before..].trim_ascii_end();
    let end = after + before + old.len();
    Some([&line[..after + before], value.as_bytes(), &line[end..]].concat())
}

/// Where the last line that names the key begins and ends.
fn last_of(text: &[u8], key: &str) -> Option<(usize, usize)> {
    let mut start = 0;
    let mut last = None;
    for line in text.split(|byte| *byte == b'\n') {
        if names(line, key) {
            last = Some((start, start + line.len()));
        }
        start += line.len() + 1;
    }
    last
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "net/ipv4/ip_forward";

    fn files(texts: &[(&str, &str)]) -> Vec<File> {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: text.as_bytes().to_vec(),
        };
        texts.iter().map(file).collect()
    }

    fn value(text: &str) -> Option<String> {
        decide(&files(&[("/etc/sysctl.conf", text)]), KEY).and_then(|decided| decided.value)
    }

    // Goal: a line that the boot would obey is not passed over because it is written in another way, and one that it would
    // not obey sets nothing.
    #[test]
    fn every_form_of_a_line_counts() {
        for line in [
            "net.ipv4.ip_forward=1",
            "\tnet/ipv4/ip_forward =  1 \r",
            "-net.ipv4.ip_forward = 1",
            "- net.ipv4.ip_forward = 1",
            "/proc/sys/net/ipv4/ip_forward = 1",
            "net.ipv4.ip_* = 1",
            "net/*/ip_forward = 1",
            "net.ipv4.ip_forward = 0\nnet.ipv4.ip_forward = 1",
            // The line that names it counts more than a later glob.
            "net.ipv4.ip_forward = 1\nnet.ipv4.* = 0",
        ] {
            assert_eq!(value(line).as_deref(), Some("1"), "{line:?}");
        }
        for line in [
            "# net.ipv4.ip_forward = 1",
            ";net.ipv4.ip_forward = 1",
            "net.ipv4.ip_forward 1",
            "net.ipv4.ip_forwarding = 1",
            "net.* = 1",
            "net.ipv4.* = 1\n-net.ipv4.ip_forward",
            "net.ipv4.[ = 1",
        ] {
            assert_eq!(value(line), None, "{line:?}");
        }
        // No comment can follow a value: the kernel would be given all of it.
        assert_eq!(
            value("net.ipv4.ip_forward = 1 # on").as_deref(),
            Some("1 # on")
        );
    }

    // Goal: the name of an interface that has a dot is one name, in both ways to write it.
    #[test]
    fn dots_within_names() {
        assert_eq!(
            path_of("net.ipv4.conf.eth0/1.forwarding"),
            path_of("net/ipv4/conf/eth0.1/forwarding")
        );
    }

    // Goal: an edit leaves each other byte: comments, blanks, line ends, other keys, even those of hostile texts; and what
    // was added can be taken away to the byte.
    #[test]
    fn edits_leave_every_other_byte() {
        let text =
            b"# a\r\n net.ipv4.ip_forward=1\t\r\nx.y = \xff\nnet.ipv4.ip_forward =\t 2 \nlast = 1";
        let decided = decide(
            &[File {
                path: LAST.into(),
                text: text.to_vec(),
            }],
            KEY,
        )
        .unwrap();
        let (file, line) =
            put_right(Some((LAST, &decided.line)), KEY, "net.ipv4.ip_forward", "0").unwrap();
        assert_eq!(
            (file.as_str(), &line[..]),
            (LAST, &b"net.ipv4.ip_forward =\t 0 "[..])
        );
        let edited = replaced(text, KEY, &line).unwrap();
        assert_eq!(
            edited,
            b"# a\r\n net.ipv4.ip_forward=1\t\r\nx.y = \xff\nnet.ipv4.ip_forward =\t 0 \nlast = 1"
        );
        assert_eq!(replaced(&edited, KEY, &decided.line).unwrap(), text);
        for text in [&b""[..], b"a = 1", b"a = 1\n", b"\n", HEADER] {
            let with = appended(Some(text), b"net.ipv4.ip_forward = 0");
            let back = removed(&with, KEY).unwrap();
            assert_eq!(back, (text != HEADER).then(|| text.to_vec()));
            assert!(is_alike(text, &with, KEY));
        }
        let own = appended(None, b"net.ipv4.ip_forward = 0");
        assert_eq!(removed(&own, KEY), Some(None));
        let two = appended(Some(&own), b"a.b = 1");
        assert_eq!(removed(&two, "a/b"), Some(Some(own)));
    }

    // Goal: what is written comes after what decided before, or nothing is written at all.
    #[test]
    fn the_new_line_is_the_last_word() {
        let right = |file: &str, line: &str| {
            put_right(
                Some((file, line.as_bytes())),
                KEY,
                "net.ipv4.ip_forward",
                "0",
            )
            .map(|(file, _)| file)
        };
        let line = "net.ipv4.ip_forward = 1";
        assert_eq!(
            right("/usr/lib/sysctl.d/50-a.conf", line).as_deref(),
            Some(OWN[0])
        );
        assert_eq!(
            right("/run/sysctl.d/99-a.conf", line).as_deref(),
            Some(OWN[0])
        );
        assert_eq!(
            right("/run/sysctl.d/99-evil.conf", line).as_deref(),
            Some(OWN[1])
        );
        assert_eq!(
            right("/run/sysctl.d/zzz.conf", line).as_deref(),
            Some(OWN[2])
        );
        assert_eq!(right("/run/sysctl.d/~~~~~.conf", line), None);
        assert_eq!(
            right("/run/sysctl.d/~~~~~.conf", "net.ipv4.* = 1").as_deref(),
            Some(OWN[0])
        );
        assert_eq!(right("/etc/../usr/x.conf", line).as_deref(), Some(OWN[1]));
        assert_eq!(
            put_right(None, KEY, "net.ipv4.ip_forward", "0"),
            Some((OWN[0].into(), b"net.ipv4.ip_forward = 0".to_vec()))
        );
    }
}
