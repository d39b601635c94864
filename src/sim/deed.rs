//! Deeds: what somebody other than evenkeel does to a world.
//!
//! **Invariant:** a deed changes what it names and nothing else, or fails with a sentence and changes nothing.

use std::fmt;
use std::sync::Arc;

use globset::GlobMatcher;

use crate::providers::host::fs::{HostPath, NodeType};
use crate::providers::host::path::escape;

/// One change of a world. Whoever does it is root: flags and modes do not stop it.
#[derive(Clone, PartialEq, Debug)]
pub enum Deed {
    /// Gives a file this content, and makes it where there is none.
    Write {
        path: HostPath,
        content: Arc<[u8]>,
        dress: Dress,
    },
    /// Adds to the end of a file, and makes it where there is none.
    Append { path: HostPath, content: Arc<[u8]> },
    /// Puts something else than a file there, replacing what stands there.
    Make {
        path: HostPath,
        node_type: NodeType,
        /// The text of a link.
        target: Option<Vec<u8>>,
        device: Option<(u32, u32)>,
        dress: Dress,
    },
    /// Gives a file one more name, replacing what stands there.
    Link { path: HostPath, to: HostPath },
    /// Moves something, replacing what stands there.
    Rename { path: HostPath, to: HostPath },
    /// Takes something away with all below it.
    Remove { path: HostPath },
    /// Changes owner, mode or attributes.
    Dress { path: HostPath, dress: Dress },
    /// Makes a directory a mount point.
    Mount { path: HostPath },
    /// Does the same to every regular file that matches, in the order of paths.
    Mass {
        matching: Matching,
        at_most: usize,
        each: Each,
    },
}

/// Owner, mode and attributes; what is none stays as it is, or is plain for something new.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Dress {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// In the words of `setcap`; empty for none.
    pub capabilities: Option<String>,
    pub immutable: Option<bool>,
    pub append_only: Option<bool>,
    /// Whether evenkeel may not read it.
    pub unreadable: Option<bool>,
}

/// What a mass change does to each file.
#[derive(Clone, PartialEq, Debug)]
pub enum Each {
    Write(Arc<[u8]>),
    Append(Arc<[u8]>),
    Dress(Dress),
    Remove,
}

/// A glob with its text.
#[derive(Clone, Debug)]
pub struct Matching {
    pub text: String,
    pub glob: GlobMatcher,
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Deed {
    /// What is done, in the words of a transcript.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write {
                path,
                content,
                dress,
            } => write!(f, "writes {} to {}{dress}", bytes(content), path.address()),
            Self::Append { path, content } => {
                write!(f, "appends {} to {}", bytes(content), path.address())
            }
            Self::Make {
                path,
                node_type,
                target,
                dress,
                ..
            } => {
                write!(f, "makes the {} {}", word(*node_type), path.address())?;
                if let Some(target) = target {
                    write!(f, " to {}", escape(target))?;
                }
                write!(f, "{dress}")
            }
            Self::Link { path, to } => {
                write!(f, "links {} as {}", path.address(), to.address())
            }
            Self::Rename { path, to } => {
                write!(f, "moves {} to {}", path.address(), to.address())
            }
            Self::Remove { path } => write!(f, "removes {}", path.address()),
            Self::Dress { path, dress } => write!(f, "changes {}{dress}", path.address()),
            Self::Mount { path } => write!(f, "mounts something at {}", path.address()),
            Self::Mass {
                matching,
                at_most,
                each,
            } => {
                match each {
                    Each::Write(content) => write!(f, "writes {} to", bytes(content))?,
                    Each::Append(content) => write!(f, "appends {} to", bytes(content))?,
                    Each::Dress(_) => write!(f, "changes")?,
                    Each::Remove => write!(f, "removes")?,
                }
                write!(f, " files like {}, at most {at_most}", matching.text)?;
                match each {
                    Each::Dress(dress) => write!(f, "{dress}"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Dress {
    /// Everything that is set, each after a comma.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mode) = self.mode {
            write!(f, ", mode {mode:04o}")?;
        }
        if let Some(uid) = self.uid {
            write!(f, ", uid {uid}")?;
        }
        if let Some(gid) = self.gid {
            write!(f, ", gid {gid}")?;
        }
        if let Some(words) = &self.capabilities {
            write!(f, ", capabilities {}", escape(words.as_bytes()))?;
        }
        let flags = [
            ("immutable", self.immutable),
            ("append-only", self.append_only),
            ("unreadable", self.unreadable),
        ];
        for (flag, value) in flags {
            match value {
                Some(true) => write!(f, ", {flag}")?,
                Some(false) => write!(f, ", not {flag}")?,
                None => {}
            }
        }
        Ok(())
    }
}

fn bytes(content: &[u8]) -> String {
    match content.len() {
        1 => "1 byte".to_owned(),
        length => format!("{length} bytes"),
    }
}

fn word(node_type: NodeType) -> &'static str {
    match node_type {
        NodeType::File => "file",
        NodeType::Directory => "directory",
        NodeType::Symlink => "link",
        NodeType::Fifo => "FIFO",
        NodeType::Socket => "socket",
        NodeType::CharDevice => "character device",
        NodeType::BlockDevice => "block device",
    }
}
