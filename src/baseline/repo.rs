//! The git repository around a baseline: where it is, which commit is meant, what a commit says of itself.
//!
//! Flow: a directory → [`Repo`] → a revision → [`CommitId`] → a [`Source`](super::Source) of its files.
//!
//! **Invariant:** only reads, only locally: no network, no hooks, no filters, no configured commands.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ErrorCode, ObjectType, Oid, Repository};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BaselineError;
use crate::model::{BaselineInfo, SignatureState};

/// How many uncommitted paths are named.
const MAX_UNCOMMITTED: usize = 20;

/// The full id of a commit: 40 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(String);

/// What a commit says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitInfo {
    pub id: CommitId,
    /// The first line of the message, as far as it is text.
    pub summary: Option<String>,
    pub committed_at: Timestamp,
    /// The author's name, which anybody can write.
    pub author: String,
    pub parents: Vec<CommitId>,
}

/// A commit's signature and the bytes that it signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The armoured signature, lines joined by `\n`.
    pub signature: String,
    /// The commit without its signature header.
    pub payload: Vec<u8>,
}

/// The git repository around a baseline directory.
#[derive(Clone)]
pub struct Repo {
    git: Arc<Mutex<Repository>>,
    top: PathBuf,
    prefix: String,
}

impl Repo {
    /// Finds the repository around a directory, which may be its top or lie anywhere below, and need not exist in the
    /// work tree when a commit is read.
    ///
    /// # Errors
    /// There is none, it is bare, it belongs to another user, or the directory lies in `.git`.
    pub fn discover(dir: &Path) -> Result<Repo, BaselineError> {
        let dir = real_path(dir)?;
        let mut existing = dir.as_path();
        while !existing.is_dir() {
            existing = existing
                .parent()
                .ok_or_else(|| BaselineError::NoRepository { dir: dir.clone() })?;
        }
        let git = Repository::discover(existing).map_err(|source| match source.code() {
            ErrorCode::NotFound => BaselineError::NoRepository { dir: dir.clone() },
            ErrorCode::Owner => BaselineError::NotOwned { dir: dir.clone() },
            _ => BaselineError::Git {
                action: format!("open the git repository around {}", dir.display()),
                source,
            },
        })?;
        let Some(workdir) = git.workdir() else {
            return Err(BaselineError::Bare {
                path: git.path().to_owned(),
            });
        };
        let top = workdir.canonicalize().map_err(|source| BaselineError::Io {
            action: "find",
            path: workdir.to_owned(),
            source,
        })?;
        let outside = || BaselineError::Outside {
            dir: dir.clone(),
            top: top.clone(),
        };
        if dir.starts_with(git.path()) || dir.starts_with(git.commondir()) {
            return Err(outside());
        }
        let below = dir.strip_prefix(&top).map_err(|_| outside())?;
        let prefix = below
            .components()
            .map(|part| part.as_os_str().to_str())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(outside)?
            .join("/");
        Ok(Repo {
            git: Arc::new(Mutex::new(git)),
            top,
            prefix,
        })
    }

    /// The top of the work tree, absolute: below it lies `.evenkeel/`.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The baseline's directory relative to the top, `/`-separated, empty for the top.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The baseline's directory, absolute.
    pub fn directory(&self) -> PathBuf {
        self.top.join(&self.prefix)
    }

    /// The directories that git keeps this repository in; a work tree beside the main one has two.
    pub fn git_directories(&self) -> Vec<PathBuf> {
        let git = self.git();
        let mut all = vec![self.top.join(".git")];
        all.extend([git.path().to_owned(), git.commondir().to_owned()]);
        all.dedup();
        all
    }

    /// Refuses a state directory of which the checked-out commit or the index holds anything: a checkout made it, and
    /// with a strict umask nothing else tells it from our own.
    ///
    /// # Errors
    /// Git tracks it, or the repository cannot be read.
    pub fn refuse_tracked(&self, dir: &Path) -> Result<(), BaselineError> {
        // Its own name is not resolved: a link that stands there is told apart by whoever opens it.
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
            return Ok(());
        };
        let real = parent.canonicalize().unwrap_or_else(|_| parent.to_owned());
        let real = real.join(name);
        let Ok(below) = real.strip_prefix(&self.top) else {
            return Ok(());
        };
        let failed = |source| BaselineError::Git {
            action: "look whether git tracks the state directory".to_owned(),
            source,
        };
        let git = self.git();
        let index = git.index().map_err(failed)?;
        let in_index = index.iter().any(|entry| {
            use std::os::unix::ffi::OsStrExt;
            Path::new(std::ffi::OsStr::from_bytes(&entry.path)).starts_with(below)
        });
        let in_head = match git.head().and_then(|head| head.peel_to_tree()) {
            Ok(tree) => tree.get_path(below).is_ok(),
            Err(_) => false,
        };
        match in_index || in_head {
            true => Err(BaselineError::TrackedState { dir: real }),
            false => Ok(()),
        }
    }

    /// Finds the commit that a revision means: `HEAD`, a branch, a tag, an id, anything that git understands.
    ///
    /// # Errors
    /// It means no commit, or there is none yet.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, BaselineError> {
        let git = self.git();
        let found = git
            .revparse_single(rev)
            .and_then(|object| object.peel_to_commit());
        match found {
            Ok(commit) => Ok(CommitId::of(commit.id())),
            Err(_) if rev == "HEAD" && git.is_empty().unwrap_or(false) => {
                Err(BaselineError::NoCommit)
            }
            Err(source) if source.code() == ErrorCode::UnbornBranch => Err(BaselineError::NoCommit),
            Err(source) => Err(BaselineError::NoSuchRevision {
                rev: rev.to_owned(),
                source,
            }),
        }
    }

    /// Whether one commit is another or comes before it in its history.
    ///
    /// # Errors
    /// The history is cut off (a shallow clone) before it could tell, or cannot be read.
    pub fn is_ancestor(
        &self,
        ancestor: &CommitId,
        descendant: &CommitId,
    ) -> Result<bool, BaselineError> {
        if ancestor == descendant {
            return Ok(true);
        }
        let git = self.git();
        let answer = git.graph_descendant_of(descendant.oid()?, ancestor.oid()?);
        match answer {
            Ok(true) => Ok(true),
            Ok(false) if git.is_shallow() => Err(BaselineError::ShallowHistory),
            Ok(false) => Ok(false),
            Err(_) if git.is_shallow() => Err(BaselineError::ShallowHistory),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(source) => Err(BaselineError::Git {
                action: "walk the history".to_owned(),
                source,
            }),
        }
    }

    /// What a commit says of itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn commit(&self, id: &CommitId) -> Result<CommitInfo, BaselineError> {
        let git = self.git();
        let commit = git
            .find_commit(id.oid()?)
            .map_err(|source| BaselineError::Git {
                action: format!("read commit {id}"),
                source,
            })?;
        Ok(CommitInfo {
            id: id.clone(),
            summary: commit
                .summary_bytes()
                .map(|line| String::from_utf8_lossy(line).into_owned()),
            committed_at: Timestamp::from_second(commit.time().seconds()).unwrap_or_default(),
            author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
            parents: commit.parent_ids().map(CommitId::of).collect(),
        })
    }

    /// The line about the baseline that every report carries, for a commit of which no signature is asked.
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn info(&self, rev: &str, id: &CommitId) -> Result<BaselineInfo, BaselineError> {
        Ok(BaselineInfo {
            commit: Some(id.to_string()),
            rev: rev.to_owned(),
            summary: self.commit(id)?.summary,
            prefix: self.prefix.clone(),
            signature: SignatureState::NotRequired,
        })
    }

    /// The signature of a commit, none when it has none.
    ///
    /// # Errors
    /// It cannot be read, or carries more than one signature, so that it is not clear what was signed.
    pub fn signature(&self, id: &CommitId) -> Result<Option<Signed>, BaselineError> {
        let failed = |source| BaselineError::Git {
            action: format!("read commit {id}"),
            source,
        };
        let git = self.git();
        let odb = git.odb().map_err(failed)?;
        let object = odb.read(id.oid()?).map_err(failed)?;
        if object.kind() != ObjectType::Commit {
            return Err(failed(git2::Error::from_str("the object is no commit")));
        }
        split_signature(object.data()).map_err(|message| failed(git2::Error::from_str(message)))
    }

    /// The branch that is checked out; none for a detached HEAD.
    pub fn branch(&self) -> Option<String> {
        let git = self.git();
        if git.head_detached().unwrap_or(true) {
            return None;
        }
        let head = git.find_reference("HEAD").ok()?;
        let target = head.symbolic_target().ok().flatten()?;
        Some(target.strip_prefix("refs/heads/")?.to_owned())
    }

    /// Whether older history is missing.
    pub fn is_shallow(&self) -> bool {
        self.git().is_shallow()
    }

    /// Files of the baseline that differ from HEAD or that git does not know, at most 20, relative to the top: what a
    /// run that reads the commit does not see.
    ///
    /// # Errors
    /// The work tree cannot be compared.
    pub fn uncommitted(&self) -> Result<Vec<String>, BaselineError> {
        let git = self.git();
        let mut options = git2::StatusOptions::new();
        options
            .include_untracked(true)
            .include_ignored(false)
            .disable_pathspec_match(true)
            .exclude_submodules(true);
        if !self.prefix.is_empty() {
            options.pathspec(&self.prefix);
        }
        let statuses = git
            .statuses(Some(&mut options))
            .map_err(|source| BaselineError::Git {
                action: "compare the work tree with HEAD".to_owned(),
                source,
            })?;
        Ok(statuses
            .iter()
            .map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned())
            .filter(|path| !path.starts_with('.'))
            .take(MAX_UNCOMMITTED)
            .collect())
    }

    /// The repository, for as long as the guard lives.
    pub(super) fn git(&self) -> MutexGuard<'_, Repository> {
        self.git.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shared handle to the repository, for sources that read later.
    pub(super) fn shared(&self) -> Arc<Mutex<Repository>> {
        Arc::clone(&self.git)
    }
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repo")
            .field("top", &self.top)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl CommitId {
    fn of(id: Oid) -> Self {
        Self(id.to_string())
    }

    pub(super) fn oid(&self) -> Result<Oid, BaselineError> {
        self.0
            .parse()
            .map_err(|source| BaselineError::NoSuchRevision {
                rev: self.0.clone(),
                source,
            })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CommitId {
    type Err = BaselineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let full = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
        full.then(|| Self(text.to_ascii_lowercase()))
            .ok_or_else(|| BaselineError::NoSuchRevision {
                rev: text.chars().take(80).collect(),
                source: git2::Error::from_str("a commit id is 40 hexadecimal digits"),
            })
    }
}

/// Resolves the links of what exists of a path and appends the rest, which may then hold no `..`.
fn real_path(dir: &Path) -> Result<PathBuf, BaselineError> {
    let io = |source| BaselineError::Io {
        action: "find",
        path: dir.to_owned(),
        source,
    };
    let absolute = std::path::absolute(dir).map_err(io)?;
    let mut rest = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        match existing.canonicalize() {
            Ok(mut real) => {
                real.extend(rest.iter().rev());
                return Ok(real);
            }
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(io(source)),
            Err(source) => match (existing.parent(), existing.components().next_back()) {
                (Some(parent), Some(Component::Normal(name))) => {
                    rest.push(name.to_owned());
                    existing = parent;
                }
                _ => return Err(io(source)),
            },
        }
    }
}

/// Takes the `gpgsig` header out of a raw commit.
fn split_signature(raw: &[u8]) -> Result<Option<Signed>, &'static str> {
    let headers_end = raw
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .map_or(raw.len(), |at| at + 1);
    let mut payload = Vec::with_capacity(raw.len());
    let mut signature: Option<Vec<u8>> = None;
    let mut inside = false;
    for line in raw[..headers_end].split_inclusive(|b| *b == b'\n') {
        if inside && line.starts_with(b" ") {
            if let Some(signature) = &mut signature {
                signature.extend_from_slice(&line[1..]);
            }
            continue;
        }
        inside = line.starts_with(b"gpgsig ");
        match line.strip_prefix(b"gpgsig ") {
            Some(first) if signature.is_none() => signature = Some(first.to_vec()),
            Some(_) => return Err("the commit carries more than one signature"),
            None => payload.extend_from_slice(line),
        }
    }
    payload.extend_from_slice(&raw[headers_end..]);
    let Some(signature) = signature else {
        return Ok(None);
    };
    let signature =
        String::from_utf8(signature).map_err(|_| "the commit's signature is no text")?;
    Ok(Some(Signed {
        signature: signature.trim_end().to_owned(),
        payload,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the payload is the commit byte for byte without the header, whatever the message looks like.
    #[test]
    fn signature_is_split_off() {
        let raw = b"tree t\nauthor a\ngpgsig -----BEGIN\n abc\n -----END\nencoding x\n\nmsg\ngpgsig no\n\nmore\n";
        let signed = split_signature(raw).unwrap().unwrap();
        assert_eq!(signed.signature, "-----BEGIN\nabc\n-----END");
        assert_eq!(
            signed.payload,
            b"tree t\nauthor a\nencoding x\n\nmsg\ngpgsig no\n\nmore\n"
        );
        assert_eq!(split_signature(b"tree t\n\nmsg").unwrap(), None);
    }

    // Goal: two signatures are refused, since a verifier could check one and a reader believe the other.
    #[test]
    fn two_signatures_are_refused() {
        assert!(split_signature(b"tree t\ngpgsig a\ngpgsig b\n\nmsg").is_err());
    }
}
