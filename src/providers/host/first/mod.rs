//! A first baseline of a host, made of what it is now.
//!
//! Flow: packages and users of the host → [`questions`], manifests that ask for nothing to be there → the provider's answers
//! → [`draft`], the manifests that hold what was found.
//!
//! What equals the distribution's packages is left out: those packages are held against dpkg's database instead. What may be
//! secret is held by its owner and mode alone.
//!
//! **Invariant:** pure. A host that is compromised makes a baseline that allows the compromise; what looks like one is told,
//! and never left out of sight.

mod ask;
mod etc;
mod lists;
mod manifest;

use std::collections::{BTreeMap, BTreeSet};

pub use ask::{about_folders, questions};
pub use manifest::Manifest;

use super::dpkg::status;
use crate::model::{Contents, Kind, Observation, ResourceId, State, Value};

/// Where a host keeps what is asked for first.
pub const STATUS: &str = "/var/lib/dpkg/status";
pub const PASSWD: &str = "/etc/passwd";

/// The most users whose keys are looked at.
const MAX_USERS: usize = 1000;

/// What has to be known before the questions are put.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The packages that are installed, with their configuration files.
    pub packages: Vec<Installed>,
    pub users: Vec<User>,
    /// The folders that are looked into.
    pub folders: Vec<String>,
}

/// A package.
#[derive(Clone, Debug)]
pub struct Installed {
    pub name: String,
    pub conffiles: Vec<String>,
}

/// A user with a home.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub home: String,
}

/// What a provider said to the questions.
pub struct Answers<'a> {
    pub known: &'a Known,
    pub observations: &'a BTreeMap<ResourceId, Observation>,
    pub contents: &'a Contents,
}

/// The baseline, and what a person has to know of it.
#[derive(Debug, Default)]
pub struct Draft {
    /// By the names of their files, without `.yaml`: `accounts`.
    pub manifests: BTreeMap<&'static str, Vec<Manifest>>,
    /// What lies beside them, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is in it and looks as if an intruder had put it there.
    pub suspicious: Vec<String>,
    /// What is not in it, and why.
    pub left_out: Vec<String>,
    /// How many files are left to their packages.
    pub unchanged: usize,
}

impl Known {
    /// Reads dpkg's status file and passwd.
    ///
    /// # Errors
    /// The status file cannot be understood.
    pub fn read(status: &[u8], passwd: &[u8]) -> Result<Self, String> {
        let entries = status::parse(status)?.into_iter();
        let whole = entries.filter(|entry| entry.status == "installed");
        let packages = whole.map(|entry| Installed {
            // Of several architectures there may be several.
            name: match entry.is_same {
                true => format!("{}:{}", entry.name, entry.architecture),
                false => entry.name,
            },
            conffiles: (entry.conffiles.iter())
                .filter(|one| one.digest.is_some())
                .filter_map(|one| String::from_utf8(one.path.clone()).ok())
                .collect(),
        });
        let users = passwd.split(|byte| *byte == b'\n').filter_map(user);
        Ok(Self {
            packages: packages.collect(),
            users: users.take(MAX_USERS).collect(),
            folders: ask::FOLDERS.map(str::to_owned).to_vec(),
        })
    }

    /// Takes up the folders within those that were looked into; whether there are more to look into.
    pub fn go_deeper(&mut self, observations: &BTreeMap<ResourceId, Observation>) -> bool {
        let before = self.folders.len();
        let known: BTreeSet<String> = self.folders.iter().cloned().collect();
        let found = etc::folders_within(observations);
        let new = found
            .filter(|path| !known.contains(*path))
            .map(str::to_owned);
        let new: BTreeSet<String> = new.collect();
        self.folders.extend(new);
        self.folders.truncate(ask::MAX_FOLDERS);
        self.folders.len() > before
    }

    /// The users with their numbers here, those left out that live where another one does.
    fn with_own_home(&self) -> impl Iterator<Item = (usize, &User)> {
        let mut homes = BTreeSet::new();
        let all = self.users.iter().enumerate();
        all.filter(move |(_, user)| homes.insert(user.home.as_str()))
    }

    /// The name that stands for a number, where there is just one.
    fn name_of(&self, uid: i64) -> Option<&str> {
        let mut all = self.users.iter().filter(|user| i64::from(user.uid) == uid);
        match (all.next(), all.next()) {
            (Some(one), None) => Some(&one.name),
            _ => None,
        }
    }
}

fn user(line: &[u8]) -> Option<User> {
    let line = std::str::from_utf8(line).ok()?;
    let fields: Vec<_> = line.split(':').collect();
    let [name, _, uid, _, _, home, _] = fields[..] else {
        return None;
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let first = name.chars().next()?;
    let is_name = (first.is_ascii_alphabetic() || first == '_') && name.chars().all(is_plain);
    let is_home = home.starts_with('/') && home != "/" && !home.contains(['\\', '\u{7f}']);
    (is_name && is_home && !home.chars().any(char::is_control)).then_some(())?;
    Some(User {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        home: home.trim_end_matches('/').to_owned(),
    })
}

/// Makes the baseline.
pub fn draft(answers: &Answers<'_>) -> Draft {
    let mut draft = Draft::default();
    lists::accounts(answers, &mut draft);
    lists::keys(answers, &mut draft);
    let jobs = lists::jobs(answers, &mut draft);
    let changed = lists::packages(answers, &mut draft);
    etc::files(answers, &changed, &jobs, &mut draft);
    lists::programs(answers, &mut draft);
    lists::network(answers, &mut draft);
    draft.manifests.retain(|_, all| !all.is_empty());
    draft
}

impl<'a> Answers<'a> {
    fn of(&self, kind: &str, name: &str) -> Option<&'a Observation> {
        let is_it = |id: &&ResourceId| id.kind == Kind(kind.to_owned()) && id.name == name;
        let id = self.observations.keys().find(is_it)?;
        self.observations.get(id)
    }

    /// The content of a state, where it is small enough to have been kept.
    fn content(&self, state: &State) -> Option<std::sync::Arc<[u8]>> {
        match state.get("content") {
            Some(Value::Blob(blob)) => self.contents.get(&blob.digest),
            _ => None,
        }
    }
}

impl Draft {
    fn add(&mut self, file: &'static str, manifest: Manifest) {
        self.manifests.entry(file).or_default().push(manifest);
    }

    /// A name for a resource that no other of its kind has.
    fn name(&self, kind: &str, wanted: &str) -> String {
        let taken: BTreeSet<&str> = (self.manifests.values().flatten())
            .filter(|one| one.kind == kind)
            .map(|one| one.name.as_str())
            .collect();
        let plain = plain(wanted);
        let mut name = plain.clone();
        let mut count = 1;
        while taken.contains(name.as_str()) {
            count += 1;
            name = format!("{plain}-{count}");
        }
        name
    }

    /// How many resources it has.
    pub fn resources(&self) -> usize {
        self.manifests.values().map(Vec::len).sum()
    }
}

/// A text as the name of a resource or file: small letters, digits, dots and dashes.
fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text.to_ascii_lowercase().chars().take(80) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            '.' if !name.is_empty() => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_end_matches(['-', '.']);
    match name.is_empty() {
        true => "unnamed".to_owned(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
