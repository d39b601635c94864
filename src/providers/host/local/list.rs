//! Directory entries, streamed.
//!
//! **Invariant:** memory does not grow with the directory.

use std::ops::ControlFlow;
use std::os::fd::AsFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::{errors, open};
use crate::model::Reason;
use crate::providers::host::fs::{Entry, HostPath, NodeType};

const BUFFER_BYTES: usize = 32 << 10;

/// Visits the entries of the directory at a path below `root`.
///
/// # Errors
/// Why it could not be listed.
pub fn list(
    root: impl AsFd,
    path: &HostPath,
    visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), Reason> {
    let dir = open::open_dir(root.as_fd(), &path.0).map_err(|errno| errors::unseen(errno, path))?;
    entries(dir, visit).map_err(|errno| errors::unseen(errno, path))
}

/// Visits the entries of an open directory.
pub(super) fn entries(
    dir: impl AsFd,
    visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), Errno> {
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_BYTES);
    let mut raw = RawDir::new(dir, buffer.spare_capacity_mut());
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let entry = Entry {
            name: name.to_vec(),
            node_type: node_type(entry.file_type()),
        };
        if visit(entry).is_break() {
            break;
        }
    }
    Ok(())
}

/// The model's word for the system's.
pub(super) fn node_type(file_type: FileType) -> Option<NodeType> {
    match file_type {
        FileType::RegularFile => Some(NodeType::File),
        FileType::Directory => Some(NodeType::Directory),
        FileType::Symlink => Some(NodeType::Symlink),
        FileType::Fifo => Some(NodeType::Fifo),
        FileType::Socket => Some(NodeType::Socket),
        FileType::CharacterDevice => Some(NodeType::CharDevice),
        FileType::BlockDevice => Some(NodeType::BlockDevice),
        FileType::Unknown => None,
    }
}
