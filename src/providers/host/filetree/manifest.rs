//! A manifest of a tree: what every entry below a directory is, one line each, as it lies in git.
//!
//! ```text
//! evenkeel manifest v1
//! d 0755 0 0 .
//! f 0755 0 0 35664 <64 hexadecimal digits of BLAKE3> bin/ls
//! l 0777 0 0 bin/sh<TAB>target=dash
//! f 0755 0 0 90568 <digest> bin/ping<TAB>capabilities=cap_net_raw=ep
//! ```
//!
//! Type, mode, owner and group; of a file its size and digest; the path below the directory, escaped as addresses are. What
//! few entries have follows after tabs, in this order: `target`, `capabilities`, `flags`, `acl`, `default_acl` (both in
//! hexadecimal digits), `links` (how many names a file may have, where that is more than one). A directory is followed by
//! what it holds, in the order of the bytes of names.
//!
//! The text is kept as it is, with the places of its lines: nothing is as small.
//!
//! **Invariant:** one tree has one manifest, byte for byte; what is not written exactly so is refused with its line.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::model::Digest;
use crate::providers::host::capability;
use crate::providers::host::fs::NodeType;
use crate::providers::host::path::{MAX_DEPTH, escape, unescape};
use crate::providers::host::state::{ALL_FLAGS, NONE};

/// The first line.
pub const FIRST_LINE: &str = "evenkeel manifest v1";
/// The largest manifest, in bytes, and the most entries.
pub const MAX_BYTES: usize = 128 << 20;
pub const MAX_ENTRIES: usize = 1_000_000;
/// Larger files are hashed by nobody.
const MAX_FILE: u64 = 1 << 30;
/// The longest value after a tab. A path in escapes is four times as long as its bytes.
const MAX_VALUE: usize = 16 << 10;
const MAX_PATH_BYTES: usize = 4095;
const MAX_NAME_BYTES: usize = 255;
/// Which keys there are, in their order.
const KEYS: [&str; 6] = [
    "target",
    "capabilities",
    "flags",
    "acl",
    "default_acl",
    "links",
];

/// A manifest, read.
pub struct Manifest {
    text: Arc<[u8]>,
    digest: Digest,
    /// Where the line of each entry starts.
    starts: Vec<u32>,
    /// The first entry that does not lie below it.
    ends: Vec<u32>,
}

/// What one line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub node_type: NodeType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of a file: its size and the digits of its digest.
    pub size: u64,
    pub digest: &'a str,
    /// Escaped; `.` for the top.
    pub path: &'a str,
    /// Escaped, of a link.
    pub target: Option<&'a str>,
    pub capabilities: Option<&'a str>,
    pub flags: &'a str,
    pub acl: Option<&'a str>,
    pub default_acl: Option<&'a str>,
    /// How many names a file may have.
    pub links: u64,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct BadManifest {
    pub line: u32,
    pub message: String,
}

impl Manifest {
    /// Reads a manifest, strictly.
    ///
    /// # Errors
    /// The first line that is not as it has to be.
    pub fn parse(text: Arc<[u8]>) -> Result<Self, BadManifest> {
        let bad = |line: usize, message: String| BadManifest {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            message,
        };
        if text.len() > MAX_BYTES {
            return Err(bad(1, format!("a manifest has at most {MAX_BYTES} bytes")));
        }
        let whole = std::str::from_utf8(&text).map_err(|error| {
            let before = &text[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            bad(line, "this is no UTF-8".to_owned())
        })?;
        let mut index = Index::default();
        let mut at = 0;
        for (number, line) in whole.split_inclusive('\n').enumerate() {
            let here = |message: String| bad(number + 1, message);
            let Some(content) = line.strip_suffix('\n') else {
                return Err(here("the last line has no end".to_owned()));
            };
            match number {
                0 if content != FIRST_LINE => {
                    return Err(here(format!("a manifest begins with \"{FIRST_LINE}\"")));
                }
                0 => {}
                _ => index.add(at, content).map_err(here)?,
            }
            at += line.len();
        }
        if index.starts.is_empty() {
            return Err(bad(1, "there is no entry".to_owned()));
        }
        index.close(0);
        let Index { starts, ends, .. } = index;
        Ok(Self {
            digest: Digest::of(&text),
            text,
            starts,
            ends,
        })
    }

    /// The digest of its text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its text.
    pub fn text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// How many entries there are, the top included.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    fn line(&self, at: usize) -> &str {
        let start = self.starts[at] as usize;
        let end = match self.starts.get(at + 1) {
            Some(next) => *next as usize,
            None => self.text.len(),
        };
        std::str::from_utf8(&self.text[start..end - 1]).unwrap_or_default()
    }

    /// One entry; the first is the top.
    pub fn entry(&self, at: usize) -> Entry<'_> {
        // Every line was read before.
        read(self.line(at)).unwrap_or(NOTHING)
    }

    /// The escaped path of an entry.
    pub fn path(&self, at: usize) -> &str {
        path_of(self.line(at))
    }

    /// Whether an entry is a directory.
    pub fn is_directory(&self, at: usize) -> bool {
        self.line(at).starts_with('d')
    }

    /// The first entry that does not lie below this one.
    pub fn end_of(&self, at: usize) -> usize {
        self.ends[at] as usize
    }

    /// The entry at this path below the top.
    pub fn find(&self, names: &[Vec<u8>]) -> Option<usize> {
        let key = names.join(&b'/');
        let order_to_key = |at: &usize| match path_of(self.line(*at)) {
            "." => order(b"", &key),
            path => order(&raw(path), &key),
        };
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match order_to_key(&middle) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }
}

/// Entries while they are read.
#[derive(Default)]
struct Index {
    starts: Vec<u32>,
    ends: Vec<u32>,
    /// The directories above the last entry, with their paths as written.
    open: Vec<(usize, String)>,
    last: Vec<u8>,
}

impl Index {
    fn add(&mut self, start: usize, line: &str) -> Result<(), String> {
        let entry = read(line)?;
        let at = self.starts.len();
        if at >= MAX_ENTRIES {
            return Err(format!("a manifest has at most {MAX_ENTRIES} entries"));
        }
        let is_directory = entry.node_type == NodeType::Directory;
        if at == 0 {
            if entry.path != "." || !is_directory {
                return Err("the first entry is the directory itself, at .".to_owned());
            }
        } else {
            if entry.path == "." {
                return Err("only the first entry is at .".to_owned());
            }
            let path = raw(entry.path);
            if order(&self.last, &path) != Ordering::Less {
                return Err("the entries are not in order, or one is listed twice".to_owned());
            }
            let parent = entry
                .path
                .rsplit_once('/')
                .map_or(".", |(parent, _)| parent);
            let depth = self.open.iter().rposition(|(_, open)| open == parent);
            let Some(depth) = depth else {
                return Err("the directory that holds it is not listed".to_owned());
            };
            self.close(depth + 1);
            self.last.clear();
            self.last.extend_from_slice(&path);
        }
        let position = |at: usize| u32::try_from(at).map_err(|_| "it is too large".to_owned());
        self.starts.push(position(start)?);
        self.ends.push(position(at + 1)?);
        if is_directory {
            self.open.push((at, entry.path.to_owned()));
        }
        Ok(())
    }

    /// Closes the open directories from this depth on.
    fn close(&mut self, depth: usize) {
        let end = self.starts.len() as u32;
        for (at, _) in self.open.drain(depth..) {
            self.ends[at] = end;
        }
    }
}

/// The order of paths: that of their names, so that a directory is followed by what it holds.
pub fn order(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}

/// The bytes that an escaped text stands for.
pub fn raw(escaped: &str) -> Cow<'_, [u8]> {
    match escaped.contains('\\') {
        false => Cow::Borrowed(escaped.as_bytes()),
        true => Cow::Owned(unescape(escaped).unwrap_or_default()),
    }
}

/// The path of a line that was read before.
fn path_of(line: &str) -> &str {
    let head = line.split('\t').next().unwrap_or_default();
    let words = if head.starts_with('f') { 6 } else { 4 };
    head.splitn(words + 1, ' ').nth(words).unwrap_or_default()
}

const NOTHING: Entry<'static> = Entry {
    node_type: NodeType::Directory,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    digest: "",
    path: ".",
    target: None,
    capabilities: None,
    flags: NONE,
    acl: None,
    default_acl: None,
    links: 1,
};

/// A number as it is written: without a sign or zeros before it.
fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| format!("{what} is no number"))
}

fn id(text: &str, what: &str) -> Result<u32, String> {
    // The largest number means "leave as it is" to the system.
    number(text, what)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| format!("{what} is no number from 0 to 4294967294"))
}

/// Reads one line.
fn read(line: &str) -> Result<Entry<'_>, String> {
    let (head, rest) = match line.split_once('\t') {
        Some((head, rest)) => (head, Some(rest)),
        None => (line, None),
    };
    let mut words = head;
    let mut word = |what: &str| -> Result<&str, String> {
        let (word, rest) = words
            .split_once(' ')
            .ok_or_else(|| format!("{what} is missing"))?;
        words = rest;
        Ok(word)
    };
    let node_type = match word("the type")? {
        "f" => NodeType::File,
        "d" => NodeType::Directory,
        "l" => NodeType::Symlink,
        _ => return Err("the type is none of f, d and l".to_owned()),
    };
    let mode = word("the mode")?;
    let is_mode = mode.len() == 4 && mode.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|_| is_mode)
        .ok_or("the mode is not four octal digits")?;
    let uid = id(word("the owner")?, "the owner")?;
    let gid = id(word("the group")?, "the group")?;
    let mut entry = Entry {
        node_type,
        mode,
        uid,
        gid,
        ..NOTHING
    };
    if node_type == NodeType::File {
        entry.size = number(word("the size")?, "the size")?;
        if entry.size > MAX_FILE {
            return Err("files above 1 GiB have to be ignored".to_owned());
        }
        entry.digest = word("the digest")?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if entry.digest.len() != 64 || !entry.digest.bytes().all(is_digit) {
            return Err("the digest is not 64 hexadecimal digits in lower case".to_owned());
        }
    }
    entry.path = words;
    if entry.path != "." {
        check_path(entry.path)?;
    }
    if let Some(rest) = rest {
        attributes(rest, &mut entry)?;
    }
    if (node_type == NodeType::Symlink) != entry.target.is_some() {
        return Err("a link, and nothing else, has a target".to_owned());
    }
    Ok(entry)
}

fn attributes<'a>(rest: &'a str, entry: &mut Entry<'a>) -> Result<(), String> {
    let mut next = 0;
    for part in rest.split('\t') {
        let (key, value) = part.split_once('=').ok_or("after a tab stands KEY=VALUE")?;
        let at = KEYS.iter().position(|known| *known == key);
        let at = at.filter(|at| *at >= next).ok_or_else(|| {
            format!(
                "after tabs stand, in this order and each once: {}",
                KEYS.join(", ")
            )
        })?;
        next = at + 1;
        let wrong = || format!("{key} is not written as evenkeel writes it");
        let is_canonical = match key {
            "target" => {
                entry.target = Some(value);
                let bytes = unescape(value).ok_or_else(wrong)?;
                (1..=MAX_PATH_BYTES).contains(&bytes.len())
                    && !bytes.contains(&0)
                    && escape(&bytes) == value
            }
            "capabilities" => {
                entry.capabilities = Some(value);
                entry.node_type == NodeType::File
                    && capability::canonical(value).as_deref() == Ok(value)
            }
            "flags" => {
                entry.flags = ALL_FLAGS
                    .iter()
                    .find(|known| **known == value)
                    .ok_or_else(wrong)?;
                value != NONE
            }
            "acl" => {
                entry.acl = Some(value);
                is_hex(value)
            }
            "default_acl" => {
                entry.default_acl = Some(value);
                entry.node_type == NodeType::Directory && is_hex(value)
            }
            _ => {
                entry.links = number(value, "links")?;
                entry.node_type == NodeType::File && entry.links > 1
            }
        };
        if !is_canonical || value.len() > MAX_VALUE {
            return Err(wrong());
        }
    }
    Ok(())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text.len().is_multiple_of(2)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn check_path(path: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the path {what}"));
    if path.len() > 4 * MAX_PATH_BYTES {
        return wrong("is too long");
    }
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let bytes = match plain {
        true => Cow::Borrowed(path.as_bytes()),
        false => {
            let Some(bytes) = unescape(path) else {
                return wrong("has a backslash that does not begin \\xNN");
            };
            // A name has no slash of its own, so that escaping the whole is escaping each name.
            if escape(&bytes) != path || bytes.contains(&0) {
                return wrong("is not escaped as addresses are");
            }
            Cow::Owned(bytes)
        }
    };
    let mut depth = 0;
    for name in bytes.split(|byte| *byte == b'/') {
        depth += 1;
        if matches!(name, b"" | b"." | b"..") || name.len() > MAX_NAME_BYTES {
            return wrong("has a part that no name can be");
        }
    }
    if depth > MAX_DEPTH || bytes.len() > MAX_PATH_BYTES {
        return wrong("is too long");
    }
    Ok(())
}

/// The last name of an escaped path.
pub fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(any(feature = "controller", test))]
impl Entry<'_> {
    /// Its line, without the end.
    pub fn line(&self) -> String {
        use std::fmt::Write as _;

        let mut line = match self.node_type {
            NodeType::File => "f",
            NodeType::Symlink => "l",
            _ => "d",
        }
        .to_owned();
        let _ = write!(line, " {:04o} {} {}", self.mode, self.uid, self.gid);
        if self.node_type == NodeType::File {
            let _ = write!(line, " {} {}", self.size, self.digest);
        }
        let _ = write!(line, " {}", self.path);
        let flags = Some(self.flags).filter(|flags| *flags != NONE);
        let links = (self.links > 1).then(|| self.links.to_string());
        let values = [
            self.target,
            self.capabilities,
            flags,
            self.acl,
            self.default_acl,
            links.as_deref(),
        ];
        for (key, value) in KEYS.iter().zip(values) {
            if let Some(value) = value {
                let _ = write!(line, "\t{key}={value}");
            }
        }
        line
    }
}

#[cfg(test)]
mod tests;
