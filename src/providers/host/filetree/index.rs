//! What dpkg's database says of one tree: every path that a package or an alternative owns, in the order of paths.
//!
//! Cost: the bytes of the paths below the tree and some forty more for each.
//!
//! **Invariant:** a package whose lists cannot be read, or that the status file has forgotten, is told: its files must not
//! pass for nobody's.

use std::borrow::Cow;

use super::listed::Listed;
use super::manifest::order;
use crate::model::{Reason, ReasonCode};
use crate::providers::host::dpkg::files::{Layout, Own};
use crate::providers::host::dpkg::{alternatives, lists};
use crate::providers::host::fs::{HostPath, Node, NodeType, Want};
use crate::providers::host::parts::View;

/// The most paths that are taken.
const MAX_PATHS: usize = 2_000_000;
/// The most packages that cannot be read and are named.
const MAX_UNREAD: usize = 1000;

/// Whose a path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner<'a> {
    /// A package, by the name that its address has.
    Package(&'a str),
    /// A link that an alternative made.
    Alternative,
    /// A directory that only leads to what is owned.
    Nobody,
}

/// What is known of the content of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Content {
    /// A file with this MD5 digest.
    Digest([u8; 16]),
    /// A configuration file, or one that was moved aside: it may be anything.
    Open,
    /// A directory or a link: dpkg tells no files without a digest.
    NoFile,
    /// dpkg would put it elsewhere.
    DivertedByHand,
    /// A link to the alternative of this number.
    Alternative(u32),
    /// A directory.
    Leads,
}

struct Item {
    start: u32,
    length: u16,
    /// The number of a package, for all but `Alternative` and `Leads`.
    package: u32,
    content: Content,
}

/// All that is owned below a place.
pub struct Index {
    paths: Vec<u8>,
    items: Vec<Item>,
    ends: Vec<u32>,
    packages: Vec<String>,
    alternatives: Vec<Vec<u8>>,
    /// Packages whose lists cannot be read.
    pub unread: Vec<(String, Reason)>,
    /// Why something may be owned that is not here.
    pub lacks: Option<Reason>,
}

impl Index {
    /// The index of what lies below `top`.
    ///
    /// # Errors
    /// The database as a whole cannot be read, or is too large.
    pub fn of(view: &View<'_>, top: &HostPath) -> Result<Self, Reason> {
        let packages = view.packages()?;
        let layout = Layout::of(view.fs)?;
        let mut index = Self {
            paths: Vec::new(),
            items: Vec::new(),
            ends: Vec::new(),
            packages: Vec::new(),
            alternatives: Vec::new(),
            unread: Vec::new(),
            lacks: None,
        };
        index.push(b"", 0, Content::Leads)?;
        for (name, entry) in packages.all() {
            let number = index.packages.len() as u32;
            match layout.owned(view.fs, entry) {
                Ok(owned) => {
                    for own in owned {
                        index.add(top, number, &own)?;
                    }
                    index.packages.push(name);
                }
                Err(reason) => index.is_unread(name, reason),
            }
        }
        for (link, target) in alternatives::links(view.fs, &layout)? {
            if let Some(path) = below(top, &link) {
                let number = index.alternatives.len() as u32;
                index.push(&path, 0, Content::Alternative(number))?;
                index.alternatives.push(target);
            }
        }
        if packages.is_interrupted {
            let text =
                "dpkg is at work or was ended in the middle of it, so what it owns is not known";
            index.lacks = Some(Reason::new(ReasonCode::Unstable, text));
        } else if let Some(list) = lists::forgotten(view.fs, packages)? {
            let text = format!("dpkg's status file does not know the package of {list}");
            index.lacks = Some(Reason::new(ReasonCode::Unstable, text));
        }
        index.in_order()?;
        Ok(index)
    }

    fn is_unread(&mut self, name: String, reason: Reason) {
        if self.lacks.is_none() {
            let text = format!("what {name} owns is not known: {}", reason.text);
            self.lacks = Some(Reason::new(reason.code, text));
        }
        if self.unread.len() < MAX_UNREAD {
            self.unread.push((name, reason));
        }
    }

    fn add(&mut self, top: &HostPath, package: u32, own: &Own) -> Result<(), Reason> {
        let at_its_place = match (own.is_diverted_by_hand, own.lies == own.place) {
            (true, _) => Content::DivertedByHand,
            // What took its place is another package's.
            (false, false) => Content::Open,
            (false, true) => content(own),
        };
        if let Some(path) = below(top, &own.place) {
            self.push(&path, package, at_its_place)?;
        }
        if own.lies != own.place
            && let Some(path) = below(top, &own.lies)
        {
            let content = match own.is_diverted_by_hand {
                true => Content::Open,
                false => content(own),
            };
            self.push(&path, package, content)?;
        }
        Ok(())
    }

    fn push(&mut self, path: &[u8], package: u32, content: Content) -> Result<(), Reason> {
        let start = u32::try_from(self.paths.len());
        let length = u16::try_from(path.len());
        let (Ok(start), Ok(length), true) = (start, length, self.items.len() < MAX_PATHS) else {
            let text = "dpkg's lists have more paths than are looked at";
            return Err(Reason::new(ReasonCode::TooLarge, text));
        };
        self.paths.extend_from_slice(path);
        self.items.push(Item {
            start,
            length,
            package,
            content,
        });
        Ok(())
    }

    /// Puts the paths in order, each once, with the directories that lead to them.
    fn in_order(&mut self) -> Result<(), Reason> {
        self.sort();
        let mut leads: Vec<Vec<u8>> = Vec::new();
        for pair in self.items.windows(2) {
            let (before, path) = (self.path(&pair[0]), self.path(&pair[1]));
            let shared = parents(path).take_while(|parent| !is_at_or_above(parent, before));
            leads.extend(shared.map(<[u8]>::to_vec));
        }
        for path in leads {
            self.push(&path, 0, Content::Leads)?;
        }
        self.sort();
        let mut ends = vec![0; self.items.len()];
        let mut open: Vec<usize> = Vec::new();
        for at in 0..self.items.len() {
            let path = self.path(&self.items[at]);
            while let Some(above) = open.last().copied()
                && !is_at_or_above(self.path(&self.items[above]), path)
            {
                ends[above] = at as u32;
                open.pop();
            }
            open.push(at);
        }
        for above in open {
            ends[above] = self.items.len() as u32;
        }
        self.ends = ends;
        Ok(())
    }

    /// Sorts; of several owners of a path the one that tells most of it stays.
    fn sort(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        let path = |item: &Item| self.path(item);
        items.sort_by(|a, b| {
            order(path(a), path(b)).then_with(|| rank(a.content).cmp(&rank(b.content)))
        });
        items.dedup_by(|b, a| path(a) == path(b));
        self.items = items;
    }

    fn path(&self, item: &Item) -> &[u8] {
        let start = item.start as usize;
        &self.paths[start..start + usize::from(item.length)]
    }

    /// Whose an entry is.
    pub fn owner(&self, at: usize) -> Owner<'_> {
        let item = &self.items[at];
        match item.content {
            Content::Leads => Owner::Nobody,
            Content::Alternative(_) => Owner::Alternative,
            _ => Owner::Package(&self.packages[item.package as usize]),
        }
    }
}

fn content(own: &Own) -> Content {
    match own.digest {
        _ if own.is_conffile => Content::Open,
        Some(digest) => Content::Digest(digest),
        None => Content::NoFile,
    }
}

/// Which content says most: what dpkg would put elsewhere, what has a digest, what may be anything.
fn rank(content: Content) -> u8 {
    match content {
        Content::DivertedByHand => 0,
        Content::Digest(_) => 1,
        Content::Open => 2,
        Content::NoFile => 3,
        Content::Alternative(_) => 4,
        Content::Leads => 5,
    }
}

/// The bytes of a path below `top`; none where it lies elsewhere.
fn below(top: &HostPath, path: &HostPath) -> Option<Vec<u8>> {
    path.is_within(top)
        .then(|| path.0[top.0.len()..].join(&b'/'))
}

/// The directories above a path, the nearest first.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let slash = rest.iter().rposition(|byte| *byte == b'/')?;
        rest = &rest[..slash];
        Some(rest)
    })
}

/// Whether a path is the other one or a directory above it.
fn is_at_or_above(above: &[u8], path: &[u8]) -> bool {
    above.is_empty()
        || path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

impl Listed for Index {
    fn want(&self) -> Want {
        Want::Md5
    }

    fn end(&self, at: usize) -> usize {
        self.ends[at] as usize
    }

    fn name(&self, at: usize) -> Cow<'_, [u8]> {
        let path = self.path(&self.items[at]);
        let start = path.iter().rposition(|byte| *byte == b'/');
        Cow::Borrowed(&path[start.map_or(0, |slash| slash + 1)..])
    }

    fn may_hold(&self, at: usize) -> bool {
        !matches!(self.items[at].content, Content::Digest(_))
    }

    fn is_as_listed(&self, at: usize, node: &Node, bytes: Option<&[u8]>) -> bool {
        match self.items[at].content {
            Content::Digest(digest) => {
                node.node_type == NodeType::File && bytes.is_some_and(|bytes| bytes == digest)
            }
            Content::Open | Content::Leads => true,
            Content::NoFile => {
                matches!(node.node_type, NodeType::Directory | NodeType::Symlink)
            }
            Content::DivertedByHand => false,
            Content::Alternative(number) => {
                node.target.as_deref() == Some(&*self.alternatives[number as usize])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(paths: &[&str]) -> Index {
        let mut index = Index {
            paths: Vec::new(),
            items: Vec::new(),
            ends: Vec::new(),
            packages: vec!["one".into(), "two".into()],
            alternatives: Vec::new(),
            unread: Vec::new(),
            lacks: None,
        };
        index.push(b"", 0, Content::Leads).unwrap();
        for (at, path) in paths.iter().enumerate() {
            let content = Content::Digest([at as u8; 16]);
            index
                .push(path.as_bytes(), (at % 2) as u32, content)
                .unwrap();
        }
        index.in_order().unwrap();
        index
    }

    // Goal: whatever the order of dpkg's lists and whichever directories they leave out, every path is found in the
    // directory that holds it and each once: one that is not would pass for nobody's, and be removed.
    #[test]
    fn every_path_is_in_its_directory() {
        let index = index(&["b/x/y/z", "a", "b-1/q", "b/x/a", "b\x01", "b/x/y/z"]);
        let mut found = Vec::new();
        let mut open = vec![(0, String::new())];
        while let Some((at, path)) = open.pop() {
            for child in super::super::listed::children(&index, at) {
                let name = String::from_utf8(index.name(child).into_owned()).unwrap();
                let path = format!("{path}/{name}");
                let is_led = index.owner(child) == Owner::Nobody;
                found.push(format!("{path}{}", if is_led { "/" } else { "" }));
                open.push((child, path));
            }
        }
        found.sort();
        let expected = [
            "/a", "/b/", "/b\x01", "/b-1/", "/b-1/q", "/b/x/", "/b/x/a", "/b/x/y/", "/b/x/y/z",
        ];
        let mut expected: Vec<_> = expected.map(str::to_owned).into();
        expected.sort();
        assert_eq!(found, expected);
    }
}
