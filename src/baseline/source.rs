//! The files of one baseline: listed once, read within bounds, from a commit, a folder or memory.
//!
//! Flow: a commit or a folder → the list of every entry by its path → [`Source::read`] of one, looked up in that list.
//!
//! **Invariant:** a path is only ever looked up in the list, so nothing outside the baseline's directory can be named;
//! symbolic links are in the list as what they are and never followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use git2::{Oid, Repository};

use super::folder::Folder;
use super::{BaselineError, CommitId, Repo, commit, folder};
use crate::document::MAX_FILE_BYTES;
use crate::model::{Problem, Problems, Span};
use crate::ports::SideFiles;

/// The most bytes that are read of one baseline, manifests and side files together.
const MAX_TOTAL_BYTES: u64 = 256 << 20;
/// The most entries, directories included.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// The deepest nesting of directories.
pub(super) const MAX_DEPTH: usize = 32;

/// The files of one baseline.
#[derive(Clone)]
pub struct Source {
    entries: Arc<BTreeMap<String, Entry>>,
    misfits: Arc<Problems>,
    store: Store,
    spent: Arc<Mutex<Spent>>,
    /// Large files that somebody still holds, so that many targets hold one copy.
    held: Arc<Mutex<BTreeMap<String, Weak<[u8]>>>>,
}

/// Where the bytes lie.
#[derive(Clone)]
enum Store {
    Nowhere,
    Commit(Arc<Mutex<Repository>>),
    Folder(Arc<Folder>),
}

/// One entry that is no directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub kind: EntryKind,
    pub place: Place,
}

/// What sort of thing an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryKind {
    File,
    Symlink,
    Submodule,
    /// A FIFO, a socket, a device.
    Special,
}

/// How to get at an entry's bytes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Blob(Oid),
    Disk,
    Bytes(Arc<[u8]>),
}

/// What was read so far: each path counts once.
#[derive(Default)]
struct Spent {
    paths: BTreeSet<String>,
    bytes: u64,
}

/// What a walk finds: entries by path, and names or places that no baseline may have.
#[derive(Default)]
pub(super) struct Listing {
    pub entries: BTreeMap<String, Entry>,
    pub misfits: Problems,
    seen: usize,
}

impl Source {
    /// The baseline as a commit holds it.
    ///
    /// # Errors
    /// The commit has no such directory, cannot be read, or holds too many files.
    pub fn commit(repo: &Repo, id: &CommitId) -> Result<Source, BaselineError> {
        let listing = commit::list(&repo.git(), id, repo.prefix())?;
        Ok(Self::new(listing, Store::Commit(repo.shared())))
    }

    /// The baseline as it lies in a folder: a work tree, or a scenario's.
    ///
    /// # Errors
    /// The folder cannot be opened or listed, or holds too many files.
    pub fn folder(dir: &Path) -> Result<Source, BaselineError> {
        let (folder, listing) = folder::open(dir)?;
        Ok(Self::new(listing, Store::Folder(Arc::new(folder))))
    }

    /// A baseline with no file in it.
    pub fn empty() -> Source {
        Self::new(Listing::default(), Store::Nowhere)
    }

    /// The same baseline with one file added or replaced, to see what a change would make of it.
    #[must_use]
    pub fn with(&self, path: &str, content: impl Into<Vec<u8>>) -> Source {
        let mut entries = BTreeMap::clone(&self.entries);
        entries.insert(
            path.to_owned(),
            Entry {
                kind: EntryKind::File,
                place: Place::Bytes(content.into().into()),
            },
        );
        Source {
            entries: Arc::new(entries),
            ..self.clone()
        }
    }

    fn new(listing: Listing, store: Store) -> Source {
        Source {
            entries: Arc::new(listing.entries),
            misfits: Arc::new(listing.misfits),
            store,
            spent: Arc::default(),
            held: Arc::default(),
        }
    }

    /// The paths of all entries in order, relative to the baseline's directory.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, EntryKind)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry.kind))
    }

    /// Names and places that no baseline may have.
    pub(super) fn misfits(&self) -> &Problems {
        &self.misfits
    }

    /// Reads one file of the list.
    ///
    /// # Errors
    /// A fragment for the person who wrote the path.
    pub fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        let bytes = self.read_bounded(path, MAX_FILE_BYTES)?;
        self.spend(path, bytes.len())?;
        Ok(bytes)
    }

    fn read_bounded(&self, path: &str, max_bytes: usize) -> Result<Arc<[u8]>, String> {
        let entry = self
            .entries
            .get(path)
            .ok_or_else(|| self.why_not_listed(path))?;
        match entry.kind {
            EntryKind::File => {}
            EntryKind::Symlink => return Err("is a symbolic link, and none is followed".into()),
            EntryKind::Submodule => return Err("is a submodule, and none is read".into()),
            EntryKind::Special => return Err("is no regular file".into()),
        }
        match (&entry.place, &self.store) {
            (Place::Bytes(bytes), _) => Ok(Arc::clone(bytes)),
            (Place::Blob(id), Store::Commit(git)) => {
                let git = git.lock().unwrap_or_else(PoisonError::into_inner);
                commit::read(&git, *id, max_bytes)
            }
            (Place::Disk, Store::Folder(folder)) => folder.read(path, max_bytes),
            _ => Err("cannot be read".into()),
        }
    }

    fn why_not_listed(&self, path: &str) -> String {
        let below = format!("{path}/");
        let is_directory = self
            .entries
            .range(below.clone()..)
            .next()
            .is_some_and(|(first, _)| first.starts_with(&below));
        let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        if is_directory {
            "is a directory".to_owned()
        } else if let Some(link) = parents.find(
            |parent| matches!(self.entries.get(*parent), Some(e) if e.kind != EntryKind::File),
        ) {
            format!(
                "lies below {}, which is no directory of this baseline",
                link.escape_debug()
            )
        } else {
            "does not exist".to_owned()
        }
    }

    fn spend(&self, path: &str, bytes: usize) -> Result<(), String> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.paths.insert(path.to_owned()) {
            spent.bytes = spent.bytes.saturating_add(bytes as u64);
        }
        if spent.bytes > MAX_TOTAL_BYTES {
            return Err(format!(
                "is not read: with it, the baseline has more than {} MiB",
                MAX_TOTAL_BYTES >> 20
            ));
        }
        Ok(())
    }
}

impl SideFiles for Source {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        self.beside(path, |clean| Source::read(self, clean))
    }

    fn read_large(&self, path: &str, max_bytes: usize) -> Result<Arc<[u8]>, String> {
        self.beside(path, |clean| {
            let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bytes) = held().get(clean).and_then(Weak::upgrade) {
                return Ok(bytes);
            }
            let bytes = self.read_bounded(clean, max_bytes)?;
            let mut held = held();
            held.retain(|_, bytes| bytes.strong_count() > 0);
            held.insert(clean.to_owned(), Arc::downgrade(&bytes));
            Ok(bytes)
        })
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let Ok(clean) = lexical(directory) else {
            return Vec::new();
        };
        let top = format!("{clean}/");
        self.entries
            .range(top.clone()..)
            .map_while(|(path, entry)| Some((path.strip_prefix(&top)?, entry)))
            .filter(|(name, entry)| entry.kind == EntryKind::File && !name.contains('/'))
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

impl Source {
    fn beside(
        &self,
        path: &str,
        read: impl Fn(&str) -> Result<Arc<[u8]>, String>,
    ) -> Result<Arc<[u8]>, String> {
        let shown: String = path.chars().take(200).collect();
        let shown = shown.escape_debug();
        let clean = lexical(path).map_err(|why| format!("{shown} {why}"))?;
        let bytes = read(&clean).map_err(|why| format!("{shown} {why}"))?;
        if matches!(self.store, Store::Commit(_)) {
            refuse_stand_in(&bytes).map_err(|why| format!("{shown} {why}"))?;
        }
        Ok(bytes)
    }
}

/// Takes `.` and `..` out of a path; since no link is ever followed this is what the path means.
fn lexical(path: &str) -> Result<String, &'static str> {
    if path.starts_with('/') {
        return Err("is an absolute path; write it relative to the manifest");
    }
    if path.ends_with('/') {
        return Err("is a directory");
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("leads out of the baseline's directory")?;
            }
            name => parts.push(name),
        }
    }
    if parts.is_empty() {
        return Err("is a directory");
    }
    Ok(parts.join("/"))
}

/// Refuses what a commit holds in place of a file's real content: nobody means to put that on a live system.
fn refuse_stand_in(bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err("is a Git LFS pointer in the commit, not the file itself");
    }
    if bytes.starts_with(b"\0GITCRYPT\0") {
        return Err("is encrypted by git-crypt in the commit");
    }
    Ok(())
}

impl Listing {
    /// Counts one more entry of any sort.
    pub(super) fn count(&mut self) -> Result<(), BaselineError> {
        self.seen += 1;
        if self.seen > MAX_ENTRIES {
            return Err(BaselineError::TooLarge {
                what: format!("more than {MAX_ENTRIES} files and directories"),
            });
        }
        Ok(())
    }

    /// The path of a name in a directory, or a problem where no baseline may have such a name.
    pub(super) fn path_of(&mut self, directory: &str, name: &[u8]) -> Option<String> {
        let shown = join(directory, &name.escape_ascii().to_string());
        let Ok(text) = std::str::from_utf8(name) else {
            self.refuse(&shown, "the name is not UTF-8");
            return None;
        };
        if matches!(text, "" | "." | "..") || text.contains('/') {
            self.refuse(&shown, "the name leads to another place");
            return None;
        }
        if text.chars().any(is_deceptive) {
            self.refuse(&shown, "the name holds a control character");
            return None;
        }
        Some(join(directory, text))
    }

    /// Adds a problem with a whole entry.
    pub(super) fn refuse(&mut self, path: &str, message: impl Into<String>) {
        self.misfits.push(about_file(path, message));
    }
}

/// Whether an entry is left out unseen: what is hidden at the top (`.git`, `.github`, `.evenkeel`), and what git or
/// evenkeel keeps for itself anywhere.
pub(super) fn is_left_out(directory: &str, name: &[u8]) -> bool {
    let own = name.eq_ignore_ascii_case(b".git") || name == b".evenkeel";
    own || (directory.is_empty() && name.starts_with(b".") && !matches!(name, b"." | b".."))
}

/// Whether a character could make a name look like another one, or drive a terminal.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A problem with a file as a whole.
pub(super) fn about_file(path: &str, message: impl Into<String>) -> Problem {
    Problem {
        at: Some(Span {
            file: path.to_owned(),
            line: 1,
            column: 1,
        }),
        message: message.into(),
        source_line: String::new(),
        hint: None,
    }
}

/// What is said of a file above the bound, whichever way it is read.
pub(super) fn too_large(bytes: u64, max_bytes: usize) -> String {
    format!("has {bytes} bytes, more than the {max_bytes} that are read")
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}
