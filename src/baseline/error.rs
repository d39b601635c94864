//! Why there is no baseline to speak of.
//!
//! **Invariant:** what is wrong with the text of a file is a `Problem`, never one of these.

use std::path::PathBuf;

/// The baseline could not be found or read at all.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("{} is in no git repository", .dir.display())]
    NoRepository { dir: PathBuf },
    #[error("the git repository at {} is bare: it has no work tree", .path.display())]
    Bare { path: PathBuf },
    #[error("the git repository around {} belongs to another user", .dir.display())]
    NotOwned { dir: PathBuf },
    #[error("{} does not lie in the work tree at {}", .dir.display(), .top.display())]
    Outside { dir: PathBuf, top: PathBuf },
    #[error("the repository has no commit yet")]
    NoCommit,
    #[error("\"{}\" names no commit of this repository", .rev.escape_debug())]
    NoSuchRevision {
        rev: String,
        #[source]
        source: git2::Error,
    },
    #[error("the history of this shallow clone ends before the answer")]
    ShallowHistory,
    #[error("commit {commit} has no directory {prefix}")]
    NotInCommit { commit: String, prefix: String },
    #[error("the baseline is too large: {what}")]
    TooLarge { what: String },
    #[error("the state directory {} is no state: git tracks it, so it came with a checkout", .dir.display())]
    TrackedState { dir: PathBuf },
    #[error("failed to {action}")]
    Git {
        action: String,
        #[source]
        source: git2::Error,
    },
    #[error("failed to {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("\"{}\" is not a name for a target", .name.escape_debug())]
    BadTargetName { name: String },
    #[error("nothing was written, because this exists already: {}", .paths.join(", "))]
    Exists { paths: Vec<String> },
}

impl BaselineError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoRepository { .. } => {
                "run `git init` and commit the baseline, or read the files as they lie with --worktree".to_owned()
            }
            Self::Bare { .. } => "clone it, and point --baseline into the clone".to_owned(),
            Self::NotOwned { dir } => format!(
                "run as the user who owns it, or, if you trust what is in it: git config --global --add safe.directory {}",
                dir.display()
            ),
            Self::Outside { .. } => {
                "point --baseline at a directory of the work tree, not into .git".to_owned()
            }
            Self::NoCommit => "commit the baseline, or read the files as they lie with --worktree".to_owned(),
            Self::NoSuchRevision { .. } => {
                "a shallow clone lacks older commits and other branches: git fetch --unshallow".to_owned()
            }
            Self::ShallowHistory => "fetch the rest: git fetch --unshallow".to_owned(),
            Self::NotInCommit { .. } => {
                "commit it, or point --baseline at the directory that holds evenkeel.yaml; `evenkeel init` makes one".to_owned()
            }
            Self::TooLarge { .. } => {
                "point --baseline at a directory that holds nothing but the baseline".to_owned()
            }
            Self::TrackedState { .. } => {
                "whoever made that commit could decide what is trusted: find out who, take the directory out of git (git rm -r) and list it in .gitignore".to_owned()
            }
            Self::BadTargetName { .. } => {
                "use 1 to 63 lower-case letters, digits, - and ., and none of the directories that a baseline has for other things".to_owned()
            }
            Self::Exists { .. } => "choose another directory, or remove what is there".to_owned(),
            Self::Git { source, .. }
                if ["unsupported extension", "unknown object format"]
                    .iter()
                    .any(|known| source.message().contains(known)) =>
            {
                "this repository uses a git extension that evenkeel does not know (SHA-256, reftable, a partial clone); make a plain clone".to_owned()
            }
            Self::Git { .. } => "git fsck tells whether the repository is intact".to_owned(),
            Self::Io { .. } => return None,
        };
        Some(hint)
    }
}
