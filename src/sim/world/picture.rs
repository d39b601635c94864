//! All that a world holds at one moment, to be compared with another moment.
//!
//! **Invariant:** two pictures are equal exactly when nothing that can be restored differs.

use std::collections::BTreeMap;

use super::tree::{TOP, Tree};
use crate::providers::host::fs::{HostPath, Node};

/// What there is, by path. Numbers of inodes and of links, which no undo brings back, are left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Picture(pub BTreeMap<HostPath, Node>);

/// One path at which two pictures differ.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    pub path: HostPath,
    /// In which way: `added`, `removed`, or what is another one (`content, mode`).
    pub what: String,
}

impl Picture {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut nodes = BTreeMap::new();
        tree.walk(&HostPath::default(), TOP, &mut |path, number| {
            let node = Node {
                inode: 0,
                links: 0,
                ..tree.node(number, true)
            };
            nodes.insert(path.clone(), node);
        });
        Self(nodes)
    }

    /// Where `later` differs, in the order of paths; what lies below something added or removed is not named itself.
    pub fn differences(&self, later: &Self) -> Vec<Difference> {
        let mut found: Vec<Difference> = Vec::new();
        let mut paths: Vec<_> = self.0.keys().chain(later.0.keys()).collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            let what = match (self.0.get(path), later.0.get(path)) {
                (Some(before), Some(after)) => words(before, after),
                (None, _) => "added".to_owned(),
                (_, None) => "removed".to_owned(),
            };
            let covered = found.last().is_some_and(|last| {
                matches!(last.what.as_str(), "added" | "removed") && path.is_within(&last.path)
            });
            if !what.is_empty() && !covered {
                found.push(Difference {
                    path: path.clone(),
                    what,
                });
            }
        }
        found
    }
}

fn words(before: &Node, after: &Node) -> String {
    let flags = |node: &Node| (node.immutable, node.append_only);
    let attributes = |node: &Node| {
        (
            node.acl.clone(),
            node.default_acl.clone(),
            node.xattrs.clone(),
        )
    };
    [
        ("type", before.node_type != after.node_type),
        ("content", before.content != after.content),
        ("link target", before.target != after.target),
        ("device", before.device != after.device),
        ("mode", before.mode != after.mode),
        ("owner", (before.uid, before.gid) != (after.uid, after.gid)),
        ("capabilities", before.capabilities != after.capabilities),
        ("flags", flags(before) != flags(after)),
        ("attributes", attributes(before) != attributes(after)),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(word, _)| word)
    .collect::<Vec<_>>()
    .join(", ")
}
