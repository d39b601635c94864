//! Deeds: what somebody other than evenkeel does to a world.
//!
//! **Invariant:** a deed changes what it names and nothing else, or fails with a sentence and changes nothing.

use std::sync::Arc;

use globset::GlobMatcher;

use crate::providers::host::fs::{HostPath, NodeType};

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
