//! Walks for files that give power to whoever runs them: setuid, setgid, capabilities.
//!
//! **Invariant:** nothing but regular files counts, no mount is entered, and what was not seen makes the listing partial.

use std::ops::ControlFlow;

use super::fs::{Fs, HostPath, Look, Node, NodeType, Want};
use super::glob::Globs;
use super::kinds;
use super::listing::{Claims, MAX_ENTRIES, MAX_MEMBERS};
use super::path::MAX_DEPTH;
use super::place::{self, Terms};
use super::state::{NONE, mode_of, mode_text};
use crate::model::{
    Address, Completeness, Desired, Fields, Kind, Listing, Member, Observed, Reason, ReasonCode,
    State, Value,
};

/// The setuid and setgid bits.
const POWER: u32 = 0o6000;
/// How many names of one directory are held at once.
const MAX_NAMES: usize = 200_000;

struct Walk<'a> {
    fs: &'a dyn Fs,
    desired: &'a Desired,
    claims: &'a Claims,
    ignore: Globs,
    everywhere: &'a Globs,
    members: Vec<Member>,
    ignored: u64,
    seen: u64,
    partial: Option<Reason>,
}

/// Lists all powerful files below the places of a `PrivilegedFiles` that it does not allow and no `File` claims.
pub fn survey(fs: &dyn Fs, desired: &Desired, claims: &Claims, everywhere: &Globs) -> Listing {
    let scope = desired.scope.clone().unwrap_or_default();
    let mut walk = Walk {
        fs,
        desired,
        claims,
        ignore: Globs::new(&scope.ignore).unwrap_or_default(),
        everywhere,
        members: Vec::new(),
        ignored: 0,
        seen: 0,
        partial: None,
    };
    let places: Vec<_> = scope
        .within
        .iter()
        .filter_map(HostPath::from_address)
        .collect();
    for (at, place) in places.iter().enumerate() {
        // In order, a place that contains another comes first.
        let covered = places[..at].iter().any(|other| place.is_within(other));
        walk.place(place, covered);
    }
    walk.members.sort_by(|a, b| a.address.cmp(&b.address));
    walk.members.dedup_by(|a, b| a.address == b.address);
    Listing {
        members: walk.members,
        complete: match walk.partial {
            None => Completeness::Complete,
            Some(reason) => Completeness::Partial(reason),
        },
        ignored: walk.ignored,
    }
}

impl Walk<'_> {
    fn cut(&mut self, reason: Reason) {
        self.partial.get_or_insert(reason);
    }

    fn too_large(&mut self, path: &HostPath, what: &str) {
        let text = format!("{} {what}", path.address());
        self.cut(Reason::new(ReasonCode::TooLarge, text));
    }

    /// Walks one of the listed places. One that lies in another listed place matters only as a mount, which the walk
    /// from above does not enter.
    fn place(&mut self, place: &HostPath, covered: bool) {
        let node = match self.fs.look(place, Want::Nothing) {
            Look::Present(node, _) => node,
            Look::Absent => return,
            Look::Unseen(reason) => return self.cut(reason),
        };
        if covered && !self.is_mount(place, &node) {
            return;
        }
        match node.node_type {
            NodeType::Directory => self.directory(place, node.file_system),
            NodeType::Symlink => self.cut(Reason::new(
                ReasonCode::Redirected,
                format!(
                    "{} is a symbolic link; name the real place in the baseline",
                    place.address()
                ),
            )),
            _ => self.node(place, &node),
        }
    }

    fn is_mount(&self, place: &HostPath, node: &Node) -> bool {
        let Some((parent, _)) = place.split() else {
            return true;
        };
        match self.fs.look(&parent, Want::Nothing) {
            Look::Present(above, _) => above.file_system != node.file_system,
            _ => true,
        }
    }

    fn directory(&mut self, dir: &HostPath, file_system: u64) {
        if dir.0.len() >= MAX_DEPTH {
            return self.too_large(dir, "is nested more than 128 deep");
        }
        let mut names = Vec::new();
        let mut overflowed = false;
        let fs = self.fs;
        let listed = fs.list(dir, &mut |entry| {
            self.seen += 1;
            if self.seen > MAX_ENTRIES || names.len() >= MAX_NAMES {
                overflowed = true;
                return ControlFlow::Break(());
            }
            let matters = |known| matches!(known, NodeType::File | NodeType::Directory);
            if entry.node_type.is_none_or(matters) {
                names.push(entry.name);
            }
            ControlFlow::Continue(())
        });
        if let Err(reason) = listed {
            self.cut(reason);
        }
        if overflowed {
            self.too_large(dir, "holds more than is looked at");
        }
        names.sort_unstable();
        for name in names {
            if self.seen > MAX_ENTRIES {
                return;
            }
            self.entry(&dir.join(&name), file_system);
        }
    }

    fn entry(&mut self, path: &HostPath, file_system: u64) {
        let whole = [b"/", path.relative().as_slice()].concat();
        if self.ignore.matches(&whole) || self.everywhere.matches(&whole) {
            self.ignored += 1;
            return;
        }
        let node = match self.fs.look(path, Want::Nothing) {
            Look::Present(node, _) => node,
            Look::Absent => return,
            Look::Unseen(reason) => return self.cut(reason),
        };
        if node.file_system != file_system {
            return self.mount(path);
        }
        match node.node_type {
            NodeType::Directory => self.directory(path, file_system),
            _ => self.node(path, &node),
        }
    }

    /// A mount that is a place of its own is walked as such; another one was not looked at.
    fn mount(&mut self, path: &HostPath) {
        let address = path.address();
        let scope = self.desired.scope.as_ref();
        if scope.is_some_and(|scope| scope.within.contains(&address)) {
            return;
        }
        self.cut(Reason::new(
            ReasonCode::Redirected,
            format!("{address} is a mount point; list it in paths or in ignore"),
        ));
    }

    fn node(&mut self, path: &HostPath, node: &Node) {
        let powerful = node.node_type == NodeType::File
            && (node.mode & POWER != 0 || node.capabilities.is_some());
        let address = path.address();
        let scope = self.desired.scope.as_ref();
        if !powerful
            || self.claims.has(path)
            || scope.is_some_and(|scope| scope.allow.contains(&address))
        {
            return;
        }
        if self.members.len() >= MAX_MEMBERS {
            return self.too_large(path, "is one privileged file more than are listed");
        }
        let observed = place::see(self.fs, path, Terms::Whole);
        let remedy = match &observed {
            Observed::Present(state) => match remedy(self.desired, &address, state) {
                Some(remedy) => Some(remedy),
                None => return,
            },
            Observed::Absent => return,
            Observed::NotEvaluated(_) => None,
        };
        self.members.push(Member {
            address,
            kind: Kind(kinds::FILE.to_owned()),
            observed,
            remedy,
            by_hand: None,
        });
    }
}

/// The state to put at this place: what is allowed, or no power at all. None where the file is as it may be.
pub fn remedy(desired: &Desired, address: &Address, state: &State) -> Option<State> {
    let allowed = match desired.options.get(kinds::ALLOW) {
        Some(Value::Map(allow)) => match allow.get(&address.0) {
            Some(Value::Map(wanted)) => Some(wanted),
            _ => None,
        },
        _ => None,
    };
    let mut fields: Fields = state.fields.clone();
    match allowed {
        Some(wanted) => fields.extend(wanted.clone()),
        None => {
            let mode = mode_of(state)? & !POWER;
            fields.insert("mode".into(), mode_text(mode));
            fields.insert("capabilities".into(), NONE.into());
        }
    }
    (fields != state.fields).then(|| State::of(fields))
}
