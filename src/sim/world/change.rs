//! Puts and removes by small effects, in the same order as on a disk.
//!
//! Flow of a put: make aside → take its final temporary name → judge what stands there → exchange → judge what came out,
//! and exchange back where that is not what was expected → discard. A removal begins by taking aside.
//!
//! **Invariant:** at every effect the place holds either all of the old or all of the new.

use super::site::Site;
use super::tree::{Inode, TOP, Tree};
use super::{World, look_at};
use crate::providers::host::fs::{FsError, HostPath, Look, Node, NodeType, Verify, Want, Wanted};
use crate::sim::faults::Pass;

/// Puts what is wanted at a path.
pub(super) fn put(
    world: &World,
    path: &HostPath,
    wanted: &Wanted,
    nonce: &str,
    verify: Verify<'_>,
) -> Result<(), FsError> {
    if path.0.is_empty() {
        return redress_top(world, wanted, verify);
    }
    let site = Site::open(world, path, nonce)?;
    let now = site.look(&site.name, path);
    if let Look::Present(node, _) = &now
        && stays_directory(node, wanted)
    {
        verify(path, &now)?;
        return redress(world, path, node, wanted);
    }
    site.refuse_leftovers()?;
    let done = site.make(wanted).and_then(|()| {
        let now = site.look(&site.name, path);
        verify(path, &now)?;
        match &now {
            Look::Absent => site.place(wanted),
            Look::Present(node, _) => site.swap(node, wanted, verify),
            Look::Unseen(reason) => Err(FsError::Refused(reason.text.clone())),
        }
    });
    if matches!(done, Err(FsError::Stale(_) | FsError::Refused(_))) {
        site.discard(&site.fresh)?;
        site.discard(&site.temporary)?;
    }
    done
}

/// Removes what stands at a path.
pub(super) fn remove(
    world: &World,
    path: &HostPath,
    nonce: &str,
    verify: Verify<'_>,
) -> Result<(), FsError> {
    let Some(site) = Site::open_if_there(world, path, nonce)? else {
        return verify(path, &Look::Absent);
    };
    let now = site.look(&site.name, path);
    verify(path, &now)?;
    let node = match &now {
        Look::Present(node, _) => node,
        Look::Absent => return Ok(()),
        Look::Unseen(reason) => return Err(FsError::Refused(reason.text.clone())),
    };
    site.refuse_leftovers()?;
    site.clear_flags(node)?;
    let taken = site.effect("take aside", false, |tree| {
        let number = site.number(tree)?;
        world.note_touched(tree, path, number);
        tree.rename(site.directory, &site.name, &site.temporary);
        Ok(())
    });
    if let Err(error) = taken {
        site.restore_flags(node, &error);
        return Err(error);
    }
    let judged = site
        .judge_aside(node, verify)
        .and_then(|()| site.still_there());
    if let Err(error) = judged {
        let back = site.effect("put back", true, |tree| {
            tree.rename(site.directory, &site.temporary, &site.name);
            Ok(())
        });
        return Err(site.after_putting_back(node, error, back));
    }
    site.discard_aside(node)
}

fn stays_directory(node: &Node, wanted: &Wanted) -> bool {
    node.node_type == NodeType::Directory
        && wanted.node_type == NodeType::Directory
        && wanted.children.is_none()
}

fn redress_top(world: &World, wanted: &Wanted, verify: Verify<'_>) -> Result<(), FsError> {
    let path = HostPath::default();
    let now = look_at(&world.tree(), TOP, &path, Want::Digest);
    verify(&path, &now)?;
    match &now {
        Look::Present(node, _) if stays_directory(node, wanted) => {
            redress(world, &path, node, wanted)
        }
        _ => Err(FsError::Refused("the root stays a directory".into())),
    }
}

/// Changes owner, mode and attributes of a directory where it stands, and back where not all of it can be done.
fn redress(world: &World, path: &HostPath, node: &Node, wanted: &Wanted) -> Result<(), FsError> {
    let same = |tree: &Tree| match tree.find(path) {
        Ok(number) if number == node.inode => Ok(number),
        _ => Err(FsError::Stale("another directory stands there now".into())),
    };
    let attempt = |what: &'static str, change: &dyn Fn(&mut Inode)| {
        effect(world, path, what, false, |tree| {
            let number = same(tree)?;
            change(tree.inode_mut(number));
            let mut touched = world.0.touched.lock().unwrap_or_else(|e| e.into_inner());
            touched.push(path.clone());
            Ok(())
        })
    };
    let flags = |immutable: bool, append_only: bool| {
        move |inode: &mut Inode| {
            inode.immutable = immutable;
            inode.append_only = append_only;
        }
    };
    let all = || {
        if node.immutable || node.append_only {
            attempt("clear flags", &flags(false, false))?;
        }
        attempt("dress", &|inode| dress(inode, wanted))?;
        if wanted.immutable || wanted.append_only {
            attempt("set flags", &flags(wanted.immutable, wanted.append_only))?;
        }
        Ok(())
    };
    let Err(error) = all() else { return Ok(()) };
    if matches!(error, FsError::Failed(_)) {
        return Err(error);
    }
    let back = attempt("put back", &|inode| {
        dress_as(inode, node);
        flags(node.immutable, node.append_only)(inode);
    });
    Err(match back {
        Err(FsError::Stale(_)) | Ok(()) => error,
        Err(_) => FsError::Failed(format!("{} was changed in part: {error}", path.address())),
    })
}

pub(super) fn dress(inode: &mut Inode, wanted: &Wanted) {
    inode.mode = match wanted.node_type {
        NodeType::Symlink => 0o777,
        _ => wanted.mode,
    };
    inode.uid = wanted.uid;
    inode.gid = wanted.gid;
    inode.capabilities.clone_from(&wanted.capabilities);
    inode.acl.clone_from(&wanted.acl);
    inode.default_acl.clone_from(&wanted.default_acl);
    inode.xattrs.clone_from(&wanted.xattrs);
    inode.xattrs.sort();
}

fn dress_as(inode: &mut Inode, node: &Node) {
    inode.mode = node.mode;
    inode.uid = node.uid;
    inode.gid = node.gid;
    inode.capabilities.clone_from(&node.capabilities);
    inode.acl.clone_from(&node.acl);
    inode.default_acl.clone_from(&node.default_acl);
    inode.xattrs.clone_from(&node.xattrs);
}

/// Lets one effect happen, or go wrong. `begun` says that something was changed before it.
pub(super) fn effect(
    world: &World,
    path: &HostPath,
    what: &'static str,
    begun: bool,
    change: impl FnOnce(&mut Tree) -> Result<(), FsError>,
) -> Result<(), FsError> {
    let done = match world.faults().pass(what) {
        Pass::Go => return change(&mut world.tree()),
        Pass::After(deeds) => {
            for deed in &deeds {
                // One that has no effect any more is as good as none: the moment is what counts.
                let _ = world.apply(deed);
            }
            return change(&mut world.tree());
        }
        Pass::Refused(why) if begun => {
            return Err(FsError::Failed(format!(
                "failed to {what} {}: {why}",
                path.address()
            )));
        }
        Pass::Refused(why) => {
            return Err(FsError::Refused(format!(
                "{why} to {what} {}; nothing was changed",
                path.address()
            )));
        }
        Pass::Broken { done } => done,
    };
    if done {
        change(&mut world.tree())?;
    }
    Err(FsError::Failed(format!(
        "failed to {what} {}: input/output error",
        path.address()
    )))
}
