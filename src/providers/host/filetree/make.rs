//! Makes the manifest of a tree that is as it should be, on a machine that is trusted.
//!
//! **Invariant:** the same tree gives the same text; a tree that a manifest cannot say all of gives none.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::manifest::{Entry, FIRST_LINE, Manifest, order};
use super::pool;
use crate::model::Digest;
use crate::providers::host::capability::hex;
use crate::providers::host::fs::{Fs, HostPath, Look, Node, NodeType, Want};
use crate::providers::host::glob::Globs;
use crate::providers::host::path::{MAX_DEPTH, escape};
use crate::providers::host::state::flags_text;

/// How many sentences are told.
const MAX_REFUSALS: usize = 20;
/// How many entries one lane takes at once.
const PARCEL: usize = 64;
/// Files above this are not hashed by anyone.
const MAX_FILE: u64 = 1 << 30;

/// Keeps the content of a file that is listed.
///
/// # Errors
/// A sentence.
pub type Keep<'a> = &'a (dyn Fn(&Digest, &[u8]) -> Result<(), String> + Sync);

/// How to make a manifest.
pub struct Making<'a> {
    pub ignore: &'a Globs,
    /// What to do with contents of up to so many bytes.
    pub keep: Option<(Keep<'a>, u64)>,
    /// Told how many entries and bytes were seen, again and again.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// A manifest, made.
pub struct Made {
    pub text: String,
    pub entries: u64,
    pub bytes: u64,
    /// Files that were too large to be kept.
    pub not_kept: u64,
}

enum Job {
    Directory(HostPath),
    Entries(Arc<HostPath>, Vec<Vec<u8>>),
}

struct Walk<'a> {
    fs: &'a dyn Fs,
    making: &'a Making<'a>,
    file_system: u64,
    /// The raw path of each line, for their order.
    lines: Mutex<Vec<(Vec<u8>, String)>>,
    refusals: Mutex<Vec<String>>,
    entries: AtomicU64,
    bytes: AtomicU64,
    not_kept: AtomicU64,
}

/// Makes the manifest of all that lies below the root of a file system.
///
/// # Errors
/// Sentences, in order: what no manifest can say, or what could not be read.
pub fn make(fs: &dyn Fs, making: &Making<'_>) -> Result<Made, Vec<String>> {
    let top = HostPath::default();
    let node = match fs.look(&top, Want::Nothing) {
        Look::Present(node, _) => node,
        Look::Absent => return Err(vec!["there is no such directory".to_owned()]),
        Look::Unseen(reason) => return Err(vec![reason.text]),
    };
    let walk = Walk {
        fs,
        making,
        file_system: node.file_system,
        lines: Mutex::default(),
        refusals: Mutex::default(),
        entries: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        not_kept: AtomicU64::new(0),
    };
    walk.add(&top, &node);
    pool::run(fs.lanes(), Job::Directory(top), |job, more| match job {
        Job::Directory(path) => walk.directory(path, more),
        Job::Entries(dir, names) => walk.look(&dir, &names, more),
    });
    let mut refusals = walk.refusals.into_inner().unwrap_or_default();
    if !refusals.is_empty() {
        refusals.sort();
        let more = refusals.len().saturating_sub(MAX_REFUSALS);
        refusals.truncate(MAX_REFUSALS);
        if more > 0 {
            refusals.push(format!("and {more} more"));
        }
        return Err(refusals);
    }
    let mut lines = walk.lines.into_inner().unwrap_or_default();
    lines.sort_unstable_by(|a, b| order(&a.0, &b.0));
    let mut text = format!("{FIRST_LINE}\n");
    for (_, line) in lines {
        text.push_str(&line);
        text.push('\n');
    }
    // What cannot be read again is of no use, however it came about.
    let text = Arc::<[u8]>::from(text.into_bytes());
    let manifest = Manifest::parse(text).map_err(|bad| vec![bad.to_string()])?;
    Ok(Made {
        text: String::from_utf8_lossy(manifest.text()).into_owned(),
        entries: walk.entries.into_inner(),
        bytes: walk.bytes.into_inner(),
        not_kept: walk.not_kept.into_inner(),
    })
}

impl Walk<'_> {
    fn refuse(&self, path: &HostPath, why: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.push(format!("{} {why}", shown(path)));
    }

    fn directory(&self, path: HostPath, more: &mut Vec<Job>) {
        if path.0.len() >= MAX_DEPTH {
            return self.refuse(&path, "is nested more than 128 deep");
        }
        let mut names = Vec::new();
        let listed = self.fs.list(&path, &mut |entry| {
            names.push(entry.name);
            ControlFlow::Continue(())
        });
        if let Err(reason) = listed {
            return self.refuse(&path, &format!("cannot be listed: {}", reason.text));
        }
        names.retain(|name| !self.making.ignore.matches(&path.join(name).relative()));
        names.sort_unstable();
        let path = Arc::new(path);
        for parcel in names.chunks(PARCEL) {
            more.push(Job::Entries(Arc::clone(&path), parcel.to_vec()));
        }
    }

    fn look(&self, dir: &HostPath, names: &[Vec<u8>], more: &mut Vec<Job>) {
        let wanted: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let want = match self.making.keep {
            Some((_, max_bytes)) => Want::Bytes {
                unless: None,
                max_bytes,
            },
            None => Want::Digest,
        };
        self.fs.look_in(dir, &wanted, want, &mut |at, look| {
            let path = dir.join(&names[at]);
            let (node, bytes) = match &look {
                Look::Present(node, bytes) => (node, bytes),
                Look::Absent => return self.refuse(&path, "vanished while it was looked at"),
                Look::Unseen(reason) => {
                    return self.refuse(&path, &format!("cannot be read: {}", reason.text));
                }
            };
            if node.file_system != self.file_system {
                return self.refuse(&path, "is a mount point; leave it out with --ignore");
            }
            self.add(&path, node);
            match (node.content, bytes, self.making.keep) {
                (Some(content), Some(bytes), Some((keep, _))) => {
                    if let Err(why) = keep(&content.digest, bytes) {
                        self.refuse(&path, &why);
                    }
                }
                (Some(_), None, Some(_)) => {
                    self.not_kept.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
            if node.node_type == NodeType::Directory {
                more.push(Job::Directory(path));
            }
        });
        let entries = self.entries.load(Ordering::Relaxed);
        (self.making.progress)(entries, self.bytes.load(Ordering::Relaxed));
    }

    fn add(&self, path: &HostPath, node: &Node) {
        let is_kept = matches!(
            node.node_type,
            NodeType::File | NodeType::Directory | NodeType::Symlink
        );
        if !is_kept {
            return self.refuse(
                path,
                "is no file, directory or link; leave it out with --ignore",
            );
        }
        if node.size > MAX_FILE {
            return self.refuse(path, "has more than 1 GiB; leave it out with --ignore");
        }
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(node.size, Ordering::Relaxed);
        let key = match path.0.is_empty() {
            true => Vec::new(),
            false => path.relative(),
        };
        let line = line(&escape(&path.relative()), node);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((key, line));
    }
}

fn shown(path: &HostPath) -> String {
    escape(&path.relative())
}

pub(super) fn line(path: &str, node: &Node) -> String {
    let digest = node.content.map(|content| content.digest.to_string());
    let list = |raw: &Option<Vec<u8>>| raw.as_deref().map(hex);
    let (target, acl) = (node.target.as_deref().map(escape), list(&node.acl));
    let default_acl = list(&node.default_acl);
    Entry {
        node_type: node.node_type,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        size: node.size,
        digest: digest.as_deref().unwrap_or_default(),
        path,
        target: target.as_deref(),
        capabilities: node.capabilities.as_deref(),
        flags: flags_text(node.immutable, node.append_only),
        acl: acl.as_deref(),
        default_acl: default_acl.as_deref(),
        links: match node.node_type {
            NodeType::File => node.links,
            _ => 1,
        },
    }
    .line()
}
