//! Carries deeds out on a tree.
//!
//! **Invariant:** a deed that fails has changed nothing.

use std::sync::Arc;

use super::tree::{Inode, Obstacle, TOP, Tree};
use crate::providers::host::fs::{HostPath, NodeType};
use crate::providers::host::path::MAX_DEPTH;
use crate::sim::deed::{Deed, Dress, Each, Matching};

/// The most bytes of all files, and the most inodes, that deeds may bring about.
const MAX_BYTES: u64 = 256 << 20;
const MAX_INODES: usize = 200_000;

/// Carries one deed out and gives the paths that it changed.
pub(super) fn apply(tree: &mut Tree, deed: &Deed) -> Result<Vec<HostPath>, String> {
    if tree.len() >= MAX_INODES {
        return Err(format!(
            "a simulated root holds at most {MAX_INODES} files and directories"
        ));
    }
    match deed {
        Deed::Write {
            path,
            content,
            dress,
        } => write(tree, path, content, false, dress),
        Deed::Append { path, content } => write(tree, path, content, true, &Dress::default()),
        Deed::Make {
            path,
            node_type,
            target,
            device,
            dress,
        } => {
            let (directory, name) = place(tree, path)?;
            let stays = match tree.find(path) {
                Ok(there) => {
                    *node_type == NodeType::Directory
                        && tree.inode(there).node_type == NodeType::Directory
                }
                Err(_) => false,
            };
            if !stays {
                clear(tree, path)?;
                let mut inode = Inode::new(*node_type, plain_mode(*node_type));
                inode.target.clone_from(target);
                inode.device = *device;
                tree.add(directory, &name, inode);
            }
            put_on(tree, path, dress)
        }
        Deed::Link { path, to } => {
            let (directory, name) = place(tree, to)?;
            let number = existing(tree, path)?;
            if tree.inode(number).node_type == NodeType::Directory {
                return Err(format!("{} is a directory", path.address()));
            }
            if path != to && path.is_within(to) {
                return Err(nested(path, to));
            }
            if tree.find(to) != Ok(number) {
                clear(tree, to)?;
                tree.link(directory, &name, number);
            }
            Ok(vec![to.clone()])
        }
        Deed::Rename { path, to } => rename(tree, path, to),
        Deed::Remove { path } => {
            existing(tree, path)?;
            clear(tree, path)?;
            Ok(vec![path.clone()])
        }
        Deed::Dress { path, dress } => put_on(tree, path, dress),
        Deed::Mount { path } => {
            let number = existing(tree, path)?;
            if path.0.is_empty() || tree.inode(number).node_type != NodeType::Directory {
                return Err(format!("nothing can be mounted at {}", path.address()));
            }
            tree.mount(number);
            Ok(vec![path.clone()])
        }
        Deed::Mass {
            matching,
            at_most,
            each,
        } => mass(tree, matching, *at_most, each),
    }
}

fn nested(path: &HostPath, to: &HostPath) -> String {
    format!(
        "{} and {} lie within each other",
        path.address(),
        to.address()
    )
}

fn plain_mode(node_type: NodeType) -> u32 {
    match node_type {
        NodeType::Directory => 0o755,
        _ => 0o644,
    }
}

fn obstacle(path: &HostPath, obstacle: Obstacle) -> String {
    match obstacle {
        Obstacle::Absent => format!("{} does not exist", path.address()),
        Obstacle::Link => format!("a symbolic link stands in the way of {}", path.address()),
        Obstacle::Closed => format!("{} cannot be entered", path.address()),
    }
}

fn existing(tree: &Tree, path: &HostPath) -> Result<u64, String> {
    tree.find(path).map_err(|why| obstacle(path, why))
}

/// The directory and the name of a path.
fn place(tree: &Tree, path: &HostPath) -> Result<(u64, Vec<u8>), String> {
    let (parent, name) = path.split().ok_or("the root itself stays as it is")?;
    let directory = tree
        .find_directory(&parent)
        .map_err(|why| obstacle(&parent, why))?;
    Ok((directory, name.to_vec()))
}

fn clear(tree: &mut Tree, path: &HostPath) -> Result<(), String> {
    let (directory, name) = place(tree, path)?;
    if let Ok(number) = tree.find(path)
        && (tree.is_mount(directory, number) || tree.holds_mount(number))
    {
        return Err(format!("something is mounted at or in {}", path.address()));
    }
    tree.remove(directory, &name);
    Ok(())
}

fn write(
    tree: &mut Tree,
    path: &HostPath,
    content: &Arc<[u8]>,
    append: bool,
    dress: &Dress,
) -> Result<Vec<HostPath>, String> {
    let (directory, name) = place(tree, path)?;
    let there = match tree.find(path) {
        Ok(number) => Some(number),
        Err(Obstacle::Absent) => None,
        Err(why) => return Err(obstacle(path, why)),
    };
    if there.is_some_and(|number| tree.inode(number).node_type != NodeType::File) {
        return Err(format!("{} is no regular file", path.address()));
    }
    let before = there.and_then(|number| tree.inode(number).content.clone());
    let kept = before.filter(|_| append).map(|(_, bytes)| bytes);
    let length = kept.as_ref().map_or(0, |bytes| bytes.len()) + content.len();
    if tree.bytes() + length as u64 > MAX_BYTES {
        return Err(format!(
            "a simulated root holds at most {} MiB",
            MAX_BYTES >> 20
        ));
    }
    let bytes = match kept {
        Some(before) => [&before, &content[..]].concat().into(),
        None => Arc::clone(content),
    };
    let number = there.unwrap_or_else(|| {
        let inode = Inode::new(NodeType::File, plain_mode(NodeType::File));
        tree.add(directory, &name, inode)
    });
    tree.refill(number, bytes);
    put_on(tree, path, dress)
}

fn put_on(tree: &mut Tree, path: &HostPath, dress: &Dress) -> Result<Vec<HostPath>, String> {
    let number = existing(tree, path)?;
    let inode = tree.inode_mut(number);
    let mode = dress.mode.unwrap_or(inode.mode);
    if inode.node_type != NodeType::Symlink {
        inode.mode = mode;
    }
    inode.uid = dress.uid.unwrap_or(inode.uid);
    inode.gid = dress.gid.unwrap_or(inode.gid);
    if let Some(words) = &dress.capabilities {
        inode.capabilities = (!words.is_empty()).then(|| words.clone());
    }
    inode.immutable = dress.immutable.unwrap_or(inode.immutable);
    inode.append_only = dress.append_only.unwrap_or(inode.append_only);
    inode.unreadable = dress.unreadable.unwrap_or(inode.unreadable);
    Ok(vec![path.clone()])
}

fn rename(tree: &mut Tree, path: &HostPath, to: &HostPath) -> Result<Vec<HostPath>, String> {
    let (from_directory, from_name) = place(tree, path)?;
    let (directory, name) = place(tree, to)?;
    let number = existing(tree, path)?;
    if to.is_within(path) || path.is_within(to) {
        return Err(nested(path, to));
    }
    if to.0.len() + tree.height(number) > MAX_DEPTH {
        return Err(format!(
            "a simulated root is at most {MAX_DEPTH} directories deep"
        ));
    }
    if tree.is_mount(from_directory, number)
        || tree.inode(directory).file_system != tree.inode(from_directory).file_system
    {
        return Err("it cannot be moved across file systems".to_owned());
    }
    clear(tree, to)?;
    tree.link(directory, &name, number);
    tree.remove(from_directory, &from_name);
    Ok(vec![path.clone(), to.clone()])
}

fn mass(
    tree: &mut Tree,
    matching: &Matching,
    at_most: usize,
    each: &Each,
) -> Result<Vec<HostPath>, String> {
    let mut paths = Vec::new();
    tree.walk(&HostPath::default(), TOP, &mut |path, number| {
        let is_file = tree.inode(number).node_type == NodeType::File;
        if is_file && paths.len() < at_most && matching.glob.is_match(&path.address().0) {
            paths.push(path.clone());
        }
    });
    if paths.is_empty() {
        return Err(format!("no file matches {}", matching.text));
    }
    for path in &paths {
        match each {
            Each::Write(content) => write(tree, path, content, false, &Dress::default())?,
            Each::Append(content) => write(tree, path, content, true, &Dress::default())?,
            Each::Dress(dress) => put_on(tree, path, dress)?,
            Each::Remove => apply(tree, &Deed::Remove { path: path.clone() })?,
        };
    }
    Ok(paths)
}
