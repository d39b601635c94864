//! Where logs come from: files, folders, standard input.
//!
//! **Invariant:** below a folder that was given, no symbolic link is followed, and nothing but regular files is opened.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Format, Trust};

/// A folder with more files than this is refused.
const MAX_FILES: usize = 100_000;
/// Folders deeper than this below the given one are refused.
const MAX_DEPTH: usize = 32;

/// One source as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// None: each file's own beginning tells.
    pub format: Option<Format>,
    /// None: what the format is worth, see [`trust_of`].
    pub trust: Option<Trust>,
    /// The machine whose logs these are.
    pub host: Option<Arc<str>>,
    /// A file, a folder, or `-` for standard input.
    pub path: PathBuf,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{0:?} names no format; the formats are {formats}", formats = names())]
    Format(String),
    #[error("failed to read {path}")]
    Io {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} is no file and no folder")]
    Neither(String),
    #[error("{0} has more than {MAX_FILES} files, or folders more than {MAX_DEPTH} deep")]
    TooMany(String),
    #[error("{0} has no file that could be read as a log")]
    Empty(String),
}

fn names() -> String {
    Format::ALL.map(Format::name).join(", ")
}

impl std::str::FromStr for Wanted {
    type Err = SourceError;

    /// `[FORMAT=]PATH`. A path with `=` in it needs the format, or `./` before it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, path) = match text.split_once('=') {
            Some((name, path)) if !name.contains('/') => {
                let format = Format::ALL.into_iter().find(|it| it.name() == name);
                (
                    Some(format.ok_or_else(|| SourceError::Format(name.to_owned()))?),
                    path,
                )
            }
            _ => (None, text),
        };
        Ok(Self {
            format,
            trust: None,
            host: None,
            path: PathBuf::from(path),
        })
    }
}

/// How far a format is believed when nothing says where it came from: what a service outside the systems wrote counts as
/// that only when the user named the format, since whoever writes a log can write it in any.
pub fn trust_of(format: Format, named: bool) -> Trust {
    match format {
        Format::CloudTrail | Format::KubernetesAudit if named => Trust::Authenticated,
        _ => Trust::HostWritten,
    }
}

/// Bytes to read, with what is known of them before.
pub struct Opened {
    /// As it is told to people.
    pub name: Arc<str>,
    pub bytes: Box<dyn Read + Send>,
    /// When the file was last written; none for a stream.
    pub written: Option<Timestamp>,
}

/// The files of a source, by name; a source that is no folder is its one file.
///
/// # Errors
/// When it is not there, is no file, or a folder has nothing or too much in it.
pub fn files(wanted: &Wanted) -> Result<Vec<PathBuf>, SourceError> {
    let path = &wanted.path;
    if path == Path::new("-") {
        return Ok(vec![path.clone()]);
    }
    let io = |source| SourceError::Io {
        path: path.display().to_string(),
        source,
    };
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_dir() {
        return Ok(vec![path.clone()]);
    }
    let mut found = Vec::new();
    walk(path, 0, &mut found)?;
    found.sort();
    match found.is_empty() {
        true => Err(SourceError::Empty(path.display().to_string())),
        false => Ok(found),
    }
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let shown = || dir.display().to_string();
    let io = |source| SourceError::Io {
        path: shown(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let kind = entry.file_type().map_err(io)?;
        if kind.is_file() {
            found.push(entry.path());
        } else if kind.is_dir() && depth < MAX_DEPTH {
            walk(&entry.path(), depth + 1, found)?;
        } else if kind.is_dir() {
            return Err(SourceError::TooMany(shown()));
        }
        if found.len() > MAX_FILES {
            return Err(SourceError::TooMany(shown()));
        }
    }
    Ok(())
}

/// Opens one of them. A pipe that was given by name is read like standard input.
///
/// # Errors
/// When it cannot be opened, or became a link or something else since it was listed.
pub fn open(wanted: &Wanted, file: &Path) -> Result<Opened, SourceError> {
    let name: Arc<str> = file.display().to_string().into();
    if file == Path::new("-") {
        return Ok(Opened {
            name,
            bytes: Box::new(std::io::stdin()),
            written: None,
        });
    }
    let io = |source| SourceError::Io {
        path: name.to_string(),
        source,
    };
    let listed = file != wanted.path;
    let opened = open_file(file, listed).map_err(io)?;
    let meta = opened.metadata().map_err(io)?;
    if meta.is_dir() || (listed && !meta.is_file()) {
        return Err(SourceError::Neither(name.to_string()));
    }
    let written = meta
        .is_file()
        .then(|| meta.modified().ok())
        .flatten()
        .and_then(|time| Timestamp::try_from(time).ok());
    Ok(Opened {
        name: name.clone(),
        bytes: Box::new(opened),
        written,
    })
}

/// Opens a file; one that was `listed` below a folder only if it is no link.
pub(super) fn open_file(file: &Path, listed: bool) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    if listed {
        // Between the listing and here, it may have become a link, or a pipe that would block for ever.
        flags |= OFlags::NOFOLLOW | OFlags::NONBLOCK;
    }
    Ok(File::from(open(file, flags, Mode::empty())?))
}
