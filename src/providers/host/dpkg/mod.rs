//! dpkg's database of a host, read from its files: which packages there are, and which of their files differ.
//!
//! Flow: `/var/lib/dpkg/status` and what `updates` adds to it ([`status`]) → [`Database::find`] → for one package the
//! digests in `info/NAME.md5sums` against the files ([`files`]).
//!
//! **Invariant:** a database that is not there, damaged or at odds with itself is a reason and never "not installed". It
//! lies on the host: whoever took root there can have changed it together with the files.

pub mod alternatives;
pub mod files;
pub mod lists;
pub mod status;
pub mod version;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use self::status::Entry;
use super::fs::{Fs, HostPath, Look, Want};
use crate::model::{Digest, Reason, ReasonCode};

/// The largest status file, in bytes. That of a machine with 3,000 packages has 4 MiB.
const MAX_STATUS: u64 = 64 << 20;
/// dpkg itself makes no more updates than this before it writes the status file anew.
const MAX_UPDATES: usize = 1000;
const PLACE: [&str; 3] = ["var", "lib", "dpkg"];

/// All packages that dpkg knows.
#[derive(Debug, Default)]
pub struct Database {
    by_name: BTreeMap<String, Vec<Entry>>,
    /// The architecture of the host itself, where that can be told.
    native: Option<String>,
    /// Whether dpkg is at work, or was ended in the middle of it.
    pub is_interrupted: bool,
}

/// A package by its name, for one architecture where that is said: `libc6`, `libc6:i386`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<'a> {
    pub name: &'a str,
    pub architecture: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Reads one; none where it is no name of Debian's.
    pub fn of(text: &'a str) -> Option<Self> {
        let (name, architecture) = match text.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (text, None),
        };
        let sound = version::is_name(name) && architecture.is_none_or(version::is_architecture);
        sound.then_some(Self { name, architecture })
    }
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.architecture {
            Some(architecture) => write!(f, "{}:{architecture}", self.name),
            None => f.write_str(self.name),
        }
    }
}

impl Database {
    /// Reads it.
    ///
    /// # Errors
    /// It is not there or cannot be understood.
    pub fn read(fs: &dyn Fs) -> Result<Self, Reason> {
        let status = place(&["status"]);
        let text = read(fs, &status, MAX_STATUS)?.ok_or_else(|| {
            let text = "there is no /var/lib/dpkg/status, so no packages of Debian's can be told";
            Reason::new(ReasonCode::Unsupported, text)
        })?;
        let mut database = Self::default();
        database.add(&status, &text, false)?;
        if database.by_name.is_empty() {
            return Err(damaged(&status, "it has no package at all"));
        }
        for name in updates(fs)? {
            let update = place(&["updates", &name]);
            // One that is gone meanwhile has been taken into the status file.
            let text = read(fs, &update, MAX_STATUS)?
                .ok_or_else(|| unstable("dpkg was at work while its database was read"))?;
            database.is_interrupted = true;
            database.add(&update, &text, true)?;
        }
        let own = database.by_name.get("dpkg").map(Vec::as_slice);
        if let Some([own]) = own {
            database.native = Some(own.architecture.clone());
        }
        Ok(database)
    }

    fn add(&mut self, path: &HostPath, text: &[u8], replaces: bool) -> Result<(), Reason> {
        for entry in status::parse(text).map_err(|why| damaged(path, &why))? {
            let same = self.by_name.entry(entry.name.clone()).or_default();
            let known = same
                .iter_mut()
                .find(|one| one.architecture == entry.architecture);
            match known {
                Some(known) if replaces => *known = entry,
                Some(_) => return Err(damaged(path, "it has a package twice")),
                None => same.push(entry),
            }
        }
        Ok(())
    }

    /// The names of all packages that are there.
    pub fn there(&self) -> impl Iterator<Item = String> {
        let all = self.by_name.iter();
        all.filter(|(_, entries)| entries.iter().any(Entry::is_there))
            .map(|(name, _)| name.clone())
    }

    /// All packages of which anything is there, if only configuration files, by the names that [`find`](Self::find) knows.
    pub fn all(&self) -> impl Iterator<Item = (String, &Entry)> {
        let entries = self.by_name.values().flatten();
        let there = entries.filter(|entry| entry.status != "not-installed");
        there.map(|entry| {
            let is_native = self.native.as_ref().is_none_or(|native| {
                entry.architecture == *native || matches!(&*entry.architecture, "all" | "")
            });
            let name = match is_native {
                true => entry.name.clone(),
                false => format!("{}:{}", entry.name, entry.architecture),
            };
            (name, entry)
        })
    }

    /// The package of this name; none where it is not there, or there are but its configuration files.
    ///
    /// # Errors
    /// It cannot be told which one is meant, or whether it is there.
    pub fn find(&self, fs: &dyn Fs, wanted: Name<'_>) -> Result<Option<&Entry>, Reason> {
        let all = self.by_name.get(wanted.name).map_or(&[][..], Vec::as_slice);
        let fits = |entry: &&Entry| match (wanted.architecture, &self.native) {
            (Some(architecture), _) => entry.architecture == architecture,
            (None, Some(native)) => entry.architecture == *native || entry.architecture == "all",
            (None, None) => true,
        };
        let there: Vec<_> = all
            .iter()
            .filter(fits)
            .filter(|entry| entry.is_there())
            .collect();
        match there[..] {
            [one] => Ok(Some(one)),
            [one, _, ..] => {
                let text = format!(
                    "there are several packages {}; name one by its architecture, as {}:{}",
                    wanted.name, wanted.name, one.architecture
                );
                Err(Reason::new(ReasonCode::Unresolved, text))
            }
            [] if all.is_empty() => self.none_unless_forgotten(fs, wanted).map(|()| None),
            [] => Ok(None),
        }
    }

    /// A package that the status file has forgotten, while its list of files is there, was taken out of it by hand.
    fn none_unless_forgotten(&self, fs: &dyn Fs, wanted: Name<'_>) -> Result<(), Reason> {
        let architecture = wanted.architecture.or(self.native.as_deref());
        let names = [
            Some(format!("{}.list", wanted.name)),
            architecture.map(|one| format!("{}:{one}.list", wanted.name)),
        ];
        for name in names.into_iter().flatten() {
            let path = place(&["info", &name]);
            match fs.look(&path, Want::Nothing) {
                Look::Absent => {}
                Look::Present(..) => {
                    let text = format!(
                        "dpkg's status file does not know {}, and {} is there",
                        wanted.name,
                        path.address()
                    );
                    return Err(Reason::new(ReasonCode::Unstable, text));
                }
                Look::Unseen(reason) => return Err(reason),
            }
        }
        Ok(())
    }
}

/// What changes whenever dpkg does anything.
///
/// # Errors
/// Its database could not be read.
pub fn mark(fs: &dyn Fs) -> Result<(Option<Digest>, Vec<String>), Reason> {
    let status = match fs.look(&place(&["status"]), Want::Digest) {
        Look::Absent => None,
        Look::Present(node, _) => node.content.map(|content| content.digest),
        Look::Unseen(reason) => return Err(reason),
    };
    Ok((status, updates(fs)?))
}

/// The names of the files that dpkg keeps until it writes the status file anew, in order.
fn updates(fs: &dyn Fs) -> Result<Vec<String>, Reason> {
    let dir = place(&["updates"]);
    match fs.look(&dir, Want::Nothing) {
        Look::Absent => return Ok(Vec::new()),
        Look::Unseen(reason) => return Err(reason),
        Look::Present(..) => {}
    }
    let mut names = Vec::new();
    fs.list(&dir, &mut |entry| {
        let digits = entry.name.iter().all(u8::is_ascii_digit);
        // What is not complete yet has another name.
        if digits && let Ok(name) = String::from_utf8(entry.name) {
            names.push(name);
        }
        match names.len() > MAX_UPDATES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    names.sort();
    match names.len() > MAX_UPDATES {
        true => Err(damaged(&dir, "it holds more than dpkg makes")),
        false => Ok(names),
    }
}

/// A path of dpkg's.
fn place(names: &[&str]) -> HostPath {
    let names = PLACE.iter().chain(names);
    HostPath(names.map(|name| name.as_bytes().to_vec()).collect())
}

/// The bytes of a regular file; none where there is none.
fn read(fs: &dyn Fs, path: &HostPath, max_bytes: u64) -> Result<Option<Arc<[u8]>>, Reason> {
    let want = Want::Bytes {
        unless: None,
        max_bytes,
    };
    match fs.look(path, want) {
        Look::Absent => Ok(None),
        Look::Unseen(reason) => Err(reason),
        Look::Present(_, Some(bytes)) => Ok(Some(bytes)),
        Look::Present(node, None) if node.content.is_some() => Err(Reason::new(
            ReasonCode::TooLarge,
            format!("{} has more than {max_bytes} bytes", path.address()),
        )),
        Look::Present(..) => Err(damaged(path, "it is no file")),
    }
}

fn damaged(path: &HostPath, why: &str) -> Reason {
    let text = format!("{} cannot be understood: {why}", path.address());
    Reason::new(ReasonCode::Unsupported, text)
}

fn unstable(text: &str) -> Reason {
    Reason::new(ReasonCode::Unstable, text)
}
