//! The four files that say who there is, read and written through the port of the file system.
//!
//! Flow: [`Files::read`] → an edit of their lines → [`Files::write`], file by file, each exchanged whole.
//!
//! **Invariant:** a file is replaced only while it holds exactly what was edited, and keeps all but its content.

use std::collections::HashMap;
use std::sync::Arc;

use super::lines::Lines;
use crate::model::{Blob, Digest, Reason, ReasonCode};
use crate::ports::ActError;
use crate::providers::host::fs::{
    Content, Fs, FsError, HostPath, Leftover, Look, Node, NodeType, Want, Wanted,
};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 2 << 20;
/// What `useradd` and its like lock.
const LOCK: &str = ".pwd.lock";

/// One of the files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Which {
    Passwd,
    Shadow,
    Group,
    Gshadow,
}

use Which::{Group, Gshadow, Passwd, Shadow};

/// In this order an account loses what it may do, and is seen until all of it is gone: a line in gshadow that a step killed
/// half way left would be known for the account's own only by the line in group.
pub const LEAVING: [Which; 4] = [Gshadow, Group, Shadow, Passwd];
/// In this order it gets what it may do, beginning with how it is locked.
pub const COMING: [Which; 4] = [Shadow, Passwd, Gshadow, Group];

/// One file as it was read, and its lines as they shall be.
#[derive(Clone)]
pub struct OneFile {
    node: Node,
    digest: Digest,
    pub lines: Lines,
    /// The numbers of the lines of each name, as they were read.
    pub index: HashMap<Vec<u8>, Vec<usize>>,
}

/// All of them. Only gshadow may be missing.
pub struct Files {
    pub passwd: OneFile,
    /// Why it could not be read, where it could not: then nothing is known of passwords.
    pub shadow: Result<OneFile, Reason>,
    pub group: OneFile,
    pub gshadow: Option<OneFile>,
}

impl Which {
    pub fn name(self) -> &'static str {
        match self {
            Passwd => "passwd",
            Shadow => "shadow",
            Group => "group",
            Gshadow => "gshadow",
        }
    }

    pub fn path(self) -> HostPath {
        in_etc(self.name())
    }

    /// A nonce of the file's own: they lie in one directory, and what was left there has to tell to which it belongs.
    fn nonce(self, nonce: &str) -> String {
        format!("{nonce}-{}", self.name())
    }
}

fn in_etc(name: &str) -> HostPath {
    HostPath(vec![b"etc".to_vec(), name.as_bytes().to_vec()])
}

impl Files {
    /// Reads all of them.
    ///
    /// # Errors
    /// Why one of them could not be read, but for shadow.
    pub fn read(fs: &dyn Fs) -> Result<Self, Reason> {
        let there = |which: Which| {
            read(fs, which)?.ok_or_else(|| {
                let text = format!("there is no {}", which.path().address());
                Reason::new(ReasonCode::Unsupported, text)
            })
        };
        Ok(Self {
            passwd: there(Passwd)?,
            shadow: there(Shadow),
            group: there(Group)?,
            gshadow: read(fs, Gshadow)?,
        })
    }

    /// One of them, where it is there and could be read.
    pub fn get(&self, which: Which) -> Option<&OneFile> {
        match which {
            Passwd => Some(&self.passwd),
            Shadow => self.shadow.as_ref().ok(),
            Group => Some(&self.group),
            Gshadow => self.gshadow.as_ref(),
        }
    }

    /// The lines of one of them, to be edited.
    pub fn edit(&mut self, which: Which) -> Option<&mut Lines> {
        let file = match which {
            Passwd => Some(&mut self.passwd),
            Shadow => self.shadow.as_mut().ok(),
            Group => Some(&mut self.group),
            Gshadow => self.gshadow.as_mut(),
        };
        file.map(|file| &mut file.lines)
    }

    /// The numbers of the lines of a name, as they were read.
    pub fn of_name(&self, which: Which, name: &[u8]) -> &[usize] {
        let file = self.get(which);
        file.and_then(|file| file.index.get(name))
            .map_or(&[], Vec::as_slice)
    }

    /// Writes those that were edited, in this order.
    ///
    /// # Errors
    /// `Stale` and `Refused` where nothing was changed yet; after that every error is `Failed`.
    pub fn write(
        &self,
        fs: &dyn Fs,
        nonce: &str,
        order: [Which; 4],
    ) -> Result<Vec<String>, ActError> {
        let mut notes = Vec::new();
        let mut has_begun = false;
        for which in order {
            let Some(file) = self.get(which) else {
                continue;
            };
            let text = file.lines.text();
            if Digest::of(&text) == file.digest {
                continue;
            }
            let written = file.put(fs, which, text, nonce);
            notes.extend(written.map_err(|error| failure(error, has_begun))?);
            has_begun = true;
        }
        Ok(notes)
    }
}

fn failure(error: FsError, has_begun: bool) -> ActError {
    match error {
        FsError::Stale(found) if !has_begun => ActError::Stale { found },
        FsError::Refused(why) if !has_begun => ActError::Refused(why),
        FsError::Stale(why) | FsError::Refused(why) | FsError::Failed(why) => ActError::Failed(why),
    }
}

/// Reads one; none where there is no such file.
fn read(fs: &dyn Fs, which: Which) -> Result<Option<OneFile>, Reason> {
    let path = which.path();
    let want = Want::Bytes {
        unless: None,
        max_bytes: MAX_BYTES,
    };
    let (node, bytes) = match fs.look(&path, want) {
        Look::Absent => return Ok(None),
        Look::Unseen(reason) => return Err(reason),
        Look::Present(node, bytes) => (node, bytes),
    };
    let cannot = |code, why: &str| Err(Reason::new(code, format!("{} {why}", path.address())));
    match (node.node_type, node.content, bytes) {
        (NodeType::File, Some(content), Some(bytes)) => {
            let lines = Lines::of(&bytes);
            Ok(Some(OneFile {
                digest: content.digest,
                index: lines.by_name(),
                lines,
                node: *node,
            }))
        }
        (NodeType::File, _, _) => cannot(ReasonCode::TooLarge, "is larger than 2 MiB"),
        _ => cannot(ReasonCode::Unsupported, "is no regular file"),
    }
}

impl OneFile {
    fn put(
        &self,
        fs: &dyn Fs,
        which: Which,
        text: Vec<u8>,
        nonce: &str,
    ) -> Result<Vec<String>, FsError> {
        let (node, path) = (&self.node, which.path());
        let wanted = Wanted {
            node_type: NodeType::File,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            content: Some(Content::Bytes(Arc::from(text))),
            target: None,
            device: None,
            capabilities: node.capabilities.clone(),
            acl: node.acl.clone(),
            default_acl: None,
            xattrs: node.xattrs.clone(),
            immutable: node.immutable,
            append_only: node.append_only,
            children: None,
        };
        let verify = |_: &HostPath, look: &Look| match look {
            Look::Present(now, _) if is_same(now, node) => Ok(()),
            _ => Err(FsError::Stale(format!(
                "somebody else changed {}",
                path.address()
            ))),
        };
        fs.put(&path, &wanted, &which.nonce(nonce), &verify, &|_| Ok(()))
    }
}

/// Whether all that a replacement takes over is as it was.
fn is_same(now: &Node, before: &Node) -> bool {
    let kept = |node: &Node| {
        let ids = (node.mode, node.uid, node.gid);
        (node.node_type, node.content.map(blob_digest), ids)
    };
    kept(now) == kept(before)
        && (&now.acl, &now.xattrs, &now.capabilities)
            == (&before.acl, &before.xattrs, &before.capabilities)
}

fn blob_digest(blob: Blob) -> Digest {
    blob.digest
}

/// Holds off `useradd`, `passwd` and their like until it is dropped, where the lock that they take is there.
///
/// # Errors
/// One of them is at work.
pub fn hold(fs: &dyn Fs) -> Result<Option<Box<dyn Send>>, ActError> {
    fs.hold(&in_etc(LOCK))
        .map_err(|error| failure(error, false))
}

/// Takes away what an interrupted write left beside the files. `is_made` tells whether a file holds what the step was to
/// leave there, `strip` takes out of it what the step is about.
///
/// # Errors
/// Something lies there that somebody else wrote and that has no place to go back to.
pub fn tidy(
    fs: &dyn Fs,
    nonce: &str,
    is_made: &dyn Fn(Which, &Lines) -> bool,
    strip: &dyn Fn(Which, &mut Lines),
) -> Result<(), ActError> {
    for which in COMING {
        let path = which.path();
        let lines = |path: &HostPath| {
            let want = Want::Bytes {
                unless: None,
                max_bytes: MAX_BYTES,
            };
            match fs.look(path, want) {
                Look::Present(_, Some(bytes)) => Some(Lines::of(&bytes)),
                _ => None,
            }
        };
        let rest = |path: &HostPath| {
            let mut lines = lines(path)?;
            strip(which, &mut lines);
            Some(lines)
        };
        let judge = |at: &HostPath, _: &Look| {
            if lines(at).is_some_and(|lines| is_made(which, &lines)) {
                return Leftover::Made;
            }
            // But for what the step is about, it is what stands there: nothing of anybody else's is lost with it.
            match rest(at).is_some_and(|left| rest(&path) == Some(left)) {
                true => Leftover::Expected,
                false => Leftover::Foreign,
            }
        };
        fs.tidy(&path, &which.nonce(nonce), &judge)
            .map_err(|error| failure(error, false))?;
    }
    Ok(())
}
