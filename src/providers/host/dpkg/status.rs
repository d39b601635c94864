//! The text of dpkg's status file.
//!
//! **Invariant:** what is not wholly understood is an error, never a package less: a line that is skipped could hide one.

use super::version::{is_architecture, is_name, is_version};

const WANTS: [&str; 5] = ["unknown", "install", "hold", "deinstall", "purge"];
const FLAGS: [&str; 2] = ["ok", "reinstreq"];
const STATUSES: [&str; 8] = [
    "not-installed",
    "config-files",
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
    "installed",
];

/// What dpkg says of one package.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    pub name: String,
    pub architecture: String,
    /// Whether it can be installed for several architectures at once (`Multi-Arch: same`).
    pub is_same: bool,
    /// Empty where nothing is installed.
    pub version: String,
    /// What is asked of dpkg: `install`, `hold`.
    pub want: String,
    /// Whether dpkg says that it has to be installed anew.
    pub is_broken: bool,
    /// How far it is installed: `installed`, `unpacked`.
    pub status: String,
    pub conffiles: Vec<Conffile>,
}

/// A configuration file, which dpkg leaves as it is when a person has changed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conffile {
    pub path: Vec<u8>,
    /// The MD5 digest of what the package brought; none where that is not to be had.
    pub digest: Option<String>,
}

impl Entry {
    /// Whether any of it is there but for configuration files.
    pub fn is_there(&self) -> bool {
        !matches!(self.status.as_str(), "not-installed" | "config-files")
    }
}

/// Reads a status file, or one of `updates`.
///
/// # Errors
/// What cannot be understood, and in which line.
pub fn parse(text: &[u8]) -> Result<Vec<Entry>, String> {
    if !text.is_empty() && !text.ends_with(b"\n") {
        return Err("it ends in the middle of a line".to_owned());
    }
    let mut entries = Vec::new();
    let mut open: Option<Stanza> = None;
    let mut number = 0;
    for line in text.split(|byte| *byte == b'\n') {
        number += 1;
        if line.trim_ascii().is_empty() {
            entries.extend(open.take().map(|stanza| stanza.close(number)).transpose()?);
            continue;
        }
        let stanza = open.get_or_insert_with(Stanza::default);
        stanza
            .line(line)
            .map_err(|why| format!("{why} in line {number}"))?;
    }
    entries.extend(open.map(|stanza| stanza.close(number)).transpose()?);
    Ok(entries)
}

/// The lines of one package, as far as they were read.
#[derive(Default)]
struct Stanza {
    entry: Entry,
    /// The names of the fields that were there.
    fields: Vec<String>,
}

impl Stanza {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if matches!(line[0], b' ' | b'\t') {
            return match self.fields.last().map(String::as_str) {
                None => Err("a field goes on that has not begun".to_owned()),
                Some("conffiles") => self.conffile(line),
                Some("package" | "status" | "version" | "architecture" | "multi-arch") => {
                    Err("a field has several lines that has one".to_owned())
                }
                Some(_) => Ok(()),
            };
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .filter(|at| *at > 0 && line[..*at].iter().all(u8::is_ascii_graphic))
            .ok_or("there is no field")?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        if self.fields.contains(&name) {
            return Err("a field is there twice".to_owned());
        }
        let value = line[colon + 1..].trim_ascii();
        self.field(&name, value)?;
        self.fields.push(name);
        Ok(())
    }

    fn field(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        if !matches!(
            name,
            "package" | "status" | "version" | "architecture" | "multi-arch" | "conffiles"
        ) {
            return Ok(());
        }
        let text = std::str::from_utf8(value).map_err(|_| "a value is no text")?;
        let taken = |sound: bool, what: &str| match sound {
            true => Ok(text.to_owned()),
            false => Err(format!("a {what} is none")),
        };
        match name {
            "package" => self.entry.name = taken(is_name(text), "name")?,
            "version" => self.entry.version = taken(is_version(text), "version")?,
            "architecture" => {
                self.entry.architecture = taken(is_architecture(text), "architecture")?;
            }
            "multi-arch" => self.entry.is_same = text == "same",
            "conffiles" if !text.is_empty() => return Err("a list begins in its first line".into()),
            "status" => {
                let words: Vec<&str> = text.split_ascii_whitespace().collect();
                let [want, flag, status] = words[..] else {
                    return Err("a status is none".to_owned());
                };
                let known = WANTS.contains(&want) && FLAGS.contains(&flag);
                if !known || !STATUSES.contains(&status) {
                    return Err("a status is none".to_owned());
                }
                self.entry.want = want.to_owned();
                self.entry.is_broken = flag != "ok";
                self.entry.status = status.to_owned();
            }
            _ => {}
        }
        Ok(())
    }

    /// ` PATH DIGEST [obsolete|remove-on-upgrade]`; the path may have blanks.
    fn conffile(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line.trim_ascii();
        let mut words = line.rsplitn(3, |byte| *byte == b' ');
        let mut last = words.next().unwrap_or_default();
        let mut rest = &line[..line.len() - last.len()];
        let is_gone = matches!(last, b"obsolete" | b"remove-on-upgrade");
        if is_gone {
            last = words.next().unwrap_or_default();
            rest = words.next().unwrap_or_default();
        }
        let path = rest.trim_ascii();
        let digest = String::from_utf8_lossy(last).into_owned();
        let is_digest = digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        if !path.starts_with(b"/") || !(is_digest || digest == "newconffile") {
            return Err("a configuration file cannot be told".to_owned());
        }
        self.entry.conffiles.push(Conffile {
            path: path.to_vec(),
            digest: (is_digest && !is_gone).then_some(digest),
        });
        Ok(())
    }

    fn close(self, line: usize) -> Result<Entry, String> {
        let entry = self.entry;
        let lacks = |what: &str| format!("a package has no {what} before line {line}");
        if entry.name.is_empty() {
            return Err(lacks("name"));
        }
        if entry.status.is_empty() {
            return Err(lacks("status"));
        }
        if entry.status != "not-installed" && entry.version.is_empty() {
            return Err(lacks("version"));
        }
        if entry.is_there() && entry.architecture.is_empty() {
            return Err(lacks("architecture"));
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCPS: &str = "Package: procps\nStatus: hold ok installed\nPriority: important\nMaintainer: B\u{e9}b\u{e9} <b@example.invalid>\nArchitecture: amd64\nMulti-Arch: foreign\nVersion: 2:4.0.2-3\nConffiles:\n /etc/sysctl.d/a b.conf d41d8cd98f00b204e9800998ecf8427e\n /etc/old d41d8cd98f00b204e9800998ecf8427e obsolete\nDescription: /proc utilities\n two lines\n .\n three\n\n";

    // Goal: what counts is read from the midst of what does not, and a configuration file that the package gave up is none.
    #[test]
    fn a_package_is_read() {
        let entries = parse(PROCPS.as_bytes()).unwrap();
        let [entry] = &entries[..] else { panic!() };
        assert_eq!(
            (&*entry.name, &*entry.version, &*entry.want, &*entry.status),
            ("procps", "2:4.0.2-3", "hold", "installed")
        );
        assert!(entry.is_there() && !entry.is_broken && !entry.is_same);
        let [own, old] = &entry.conffiles[..] else {
            panic!()
        };
        assert_eq!(own.path, b"/etc/sysctl.d/a b.conf");
        assert!(own.digest.is_some() && old.digest.is_none());
    }

    // Goal: whoever can write the file can make it unreadable but cannot make a package vanish from it unseen.
    #[test]
    fn hostile_files_are_errors() {
        let whole = PROCPS.trim_end().to_owned() + "\n\n";
        let cases = [
            whole.trim_end().to_owned(),
            whole.replace("Package: procps", "Package: ../x"),
            whole.replace("Package: procps", "Package procps"),
            whole.replace("Package: procps\n", ""),
            whole.replace("Package: procps", "Package: procps\n procps2"),
            whole.replace("Package: procps", " Package: procps"),
            whole.replace("hold ok installed", "hold ok"),
            whole.replace("hold ok installed", "hold ok gone"),
            whole.replace("Version: 2:4.0.2-3", "Version: 2:4.0.2-3\nVersion: 1"),
            whole.replace("Version: 2:4.0.2-3", "Version: $(id)"),
            whole.replace("Version: 2:4.0.2-3\n", ""),
            whole.replace("/etc/old d4", "etc/old d4"),
            whole.replace("Architecture: amd64\n", ""),
        ];
        for case in cases {
            assert!(parse(case.as_bytes()).is_err(), "{case}");
        }
        assert!(parse(b"Package: aa\nStatus: \xff\n\n").is_err());
    }
}
