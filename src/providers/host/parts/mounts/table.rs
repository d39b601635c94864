//! The kernel's table of mounts, and whether one of them is allowed.
//!
//! **Invariant:** pure; a line that is not understood is counted, never skipped.

use crate::model::{Fields, Value};
use crate::providers::host::glob::Globs;
use crate::providers::host::path::escape;

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Where it is, escaped as paths of reports are.
    pub path: String,
    /// The part of the file system that is seen there: `/`, or where a bind mount comes from.
    pub root: String,
    pub kind: String,
    pub source: String,
    pub options: Vec<String>,
}

/// An entry of a manifest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowed {
    pub path: String,
    /// Empty where anything may be mounted there, once.
    pub kind: String,
    pub source: String,
    pub root: String,
    pub options: Vec<String>,
    pub is_required: bool,
}

/// Reads the lines of `mountinfo`: the mounts in their order, and how many lines are none.
pub fn parse(text: &[u8]) -> (Vec<Mount>, usize) {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty()).map(mount);
    let (mut mounts, mut unread) = (Vec::new(), 0);
    for line in lines {
        match line {
            Some(mount) => mounts.push(mount),
            None => unread += 1,
        }
    }
    (mounts, unread)
}

/// `36 35 98:0 /root /path rw,noatime master:1 - ext4 /dev/sda rw`
fn mount(line: &[u8]) -> Option<Mount> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let end = words.iter().position(|word| *word == b"-")?;
    let [_, _, _, root, path, options, ..] = words[..end] else {
        return None;
    };
    let [kind, source, _] = words[end + 1..] else {
        return None;
    };
    let text = |word: &[u8]| Some(escape(&plain(word)?));
    let path = text(path)?;
    path.starts_with('/').then_some(Mount {
        path,
        root: text(root)?,
        kind: text(kind)?,
        source: text(source)?,
        options: text(options)?.split(',').map(str::to_owned).collect(),
    })
}

/// The kernel writes blanks and what is like them as a backslash with three octal digits.
fn plain(word: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..3)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 8).ok()?);
        rest = &tail[3..];
    }
    Some(bytes)
}

impl Mount {
    /// The fields of one of so many layers at its place.
    pub fn fields(&self) -> Fields {
        let text = |text: &str| Value::Text(text.to_owned());
        let options = self.options.iter().map(|option| text(option)).collect();
        Fields::from([
            ("type".to_owned(), "mount".into()),
            ("filesystem".to_owned(), text(&self.kind)),
            ("source".to_owned(), text(&self.source)),
            ("root".to_owned(), text(&self.root)),
            ("options".to_owned(), Value::List(options)),
        ])
    }

    /// A mount of these fields.
    pub fn of(path: &str, fields: &Fields) -> Option<Self> {
        let text = |name: &str| Some(fields.get(name)?.as_text()?.to_owned());
        let Some(Value::List(options)) = fields.get("options") else {
            return None;
        };
        let options = options.iter().map(|one| one.as_text().map(str::to_owned));
        Some(Self {
            path: path.to_owned(),
            kind: text("filesystem")?,
            source: text("source")?,
            root: text("root")?,
            options: options.collect::<Option<_>>()?,
        })
    }
}

impl Allowed {
    /// Whether this entry allows the mount, which has so many beside it at its place.
    pub fn allows(&self, mount: &Mount, layers: usize) -> bool {
        let is = |wanted: &str, live: &str| wanted.is_empty() || wanted == live;
        let is_there = Globs::new(std::slice::from_ref(&self.path))
            .is_ok_and(|globs| globs.matches(mount.path.as_bytes()));
        is_there
            && (layers == 1 || !self.kind.is_empty())
            && is(&self.kind, &mount.kind)
            && is(&self.source, &mount.source)
            && is(&self.root, &mount.root)
            && self.options.iter().all(|one| mount.options.contains(one))
    }

    /// As an option of a resource.
    pub fn value(&self) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        Value::List(vec![
            text(&self.path),
            text(&self.kind),
            text(&self.source),
            text(&self.root),
            text(&self.options.join(",")),
            Value::Bool(self.is_required),
        ])
    }

    /// The entry behind such an option.
    pub fn of(value: &Value) -> Option<Self> {
        let Value::List(parts) = value else {
            return None;
        };
        let [path, kind, source, root, options, is_required] = &parts[..] else {
            return None;
        };
        let text = |value: &Value| value.as_text().map(str::to_owned);
        let options = options.as_text()?.split(',').filter(|one| !one.is_empty());
        Some(Self {
            path: text(path)?,
            kind: text(kind)?,
            source: text(source)?,
            root: text(root)?,
            options: options.map(str::to_owned).collect(),
            is_required: *is_required == Value::Bool(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 0:21 / /proc rw,nosuid - proc proc rw\n24 22 8:1 /srv/x /etc/a\\040b ro - ext4 /dev/sda1 rw\n25 22 nonsense\n26 22 0:1 / relative rw - x y z\n";

    fn allowed(path: &str) -> Allowed {
        Allowed {
            path: path.to_owned(),
            ..Allowed::default()
        }
    }

    // Goal: what a mount hides behind a blank in its path is told, a bind mount by where it comes from, and a line that is
    // none is counted.
    #[test]
    fn lines_are_read() {
        let (mounts, unread) = parse(TABLE);
        assert_eq!((mounts.len(), unread), (3, 2));
        assert_eq!(mounts[2].path, "/etc/a b");
        assert_eq!((&*mounts[2].root, &*mounts[2].kind), ("/srv/x", "ext4"));
        assert_eq!(
            Mount::of("/etc/a b", &mounts[2].fields()).as_ref(),
            Some(&mounts[2])
        );
        for hostile in ["\\", "\\9", "a\\777", "1 2 3 / /\\04 rw - x y z"] {
            assert_eq!(parse(hostile.as_bytes()).1, 1, "{hostile}");
        }
    }

    // Goal: an entry allows what it says and no more: not a second mount over the first, not another file system, not one
    // that lost an option.
    #[test]
    fn entries_allow_what_they_say() {
        let (mounts, _) = parse(TABLE);
        let proc = &mounts[1];
        assert!(allowed("/proc").allows(proc, 1) && allowed("/p*").allows(proc, 1));
        assert!(!allowed("/proc").allows(proc, 2) && !allowed("/").allows(proc, 1));
        let typed = Allowed {
            kind: "proc".to_owned(),
            options: vec!["nosuid".to_owned()],
            ..allowed("/proc")
        };
        assert!(typed.allows(proc, 2));
        let other = |change: &dyn Fn(&mut Mount)| {
            let mut mount = proc.clone();
            change(&mut mount);
            typed.allows(&mount, 1)
        };
        assert!(!other(&|mount| mount.kind = "tmpfs".to_owned()));
        assert!(!other(&|mount| mount.options = vec!["rw".to_owned()]));
        assert_eq!(Allowed::of(&typed.value()), Some(typed));
    }
}
