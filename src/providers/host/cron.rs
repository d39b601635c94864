//! Walks all places from which the clock starts something.
//!
//! Cost: one look at each entry of twenty folders, which hold some dozens in all.
//!
//! **Invariant:** an entry that could not be seen, or a folder that could not be listed, is told and never left out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::fs::{Fs, HostPath, Look, NodeType, Want};
use super::glob::Globs;
use super::kinds;
use super::listing::{Claims, MAX_MEMBERS, kind_of};
use super::path::parse;
use super::place::{self, Terms};
use crate::model::{
    Address, Completeness, Desired, Kind, Listing, Member, Observed, Reason, ReasonCode, State,
    Value,
};

/// Which entries of a place count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    /// The place is a file itself.
    Itself,
    /// All that it holds.
    All,
    /// Timers and what is dropped in for them.
    Timers,
}

/// A place from which something is started at some time.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    path: &'static str,
    which: Which,
}

/// How much of an entry is read: its lines count.
pub const WANT: Want = Want::Bytes {
    unless: None,
    max_bytes: 64 << 10,
};
/// The most entries of one place that are looked at.
const MAX_ENTRIES: usize = 20_000;
/// What lies in these folders by itself and starts nothing.
const HARMLESS: [&[u8]; 2] = [b".placeholder", b".SEQ"];

const PLACES: [(&str, Which); 20] = [
    ("/etc/anacrontab", Which::Itself),
    ("/etc/cron.d", Which::All),
    ("/etc/cron.daily", Which::All),
    ("/etc/cron.hourly", Which::All),
    ("/etc/cron.monthly", Which::All),
    ("/etc/cron.weekly", Which::All),
    ("/etc/cron.yearly", Which::All),
    ("/etc/crontab", Which::Itself),
    ("/etc/systemd/system", Which::Timers),
    ("/etc/systemd/user", Which::Timers),
    ("/root/.config/systemd/user", Which::Timers),
    ("/run/systemd/system", Which::Timers),
    ("/run/systemd/transient", Which::Timers),
    ("/usr/lib/systemd/system", Which::Timers),
    ("/usr/lib/systemd/user", Which::Timers),
    ("/usr/local/lib/systemd/system", Which::Timers),
    ("/usr/local/lib/systemd/user", Which::Timers),
    ("/var/spool/cron/atjobs", Which::All),
    ("/var/spool/cron/atspool", Which::All),
    ("/var/spool/cron/crontabs", Which::All),
];

/// All places.
pub fn places() -> impl Iterator<Item = Place> {
    PLACES
        .into_iter()
        .map(|(path, which)| Place { path, which })
}

impl Place {
    /// Where it is.
    pub fn path(self) -> HostPath {
        parse(self.path).unwrap_or_default()
    }

    /// Whether something at this path counts here.
    pub fn holds(self, path: &HostPath) -> bool {
        match path.split() {
            _ if self.which == Which::Itself => *path == self.path(),
            Some((parent, name)) => parent == self.path() && self.counts(name),
            None => false,
        }
    }

    /// Whether every entry counts, and not timers alone.
    #[cfg(feature = "controller")]
    pub fn is_whole(self) -> bool {
        self.which != Which::Timers
    }

    fn counts(self, name: &[u8]) -> bool {
        match self.which {
            Which::Itself => false,
            Which::All => !HARMLESS.contains(&name),
            Which::Timers => name.ends_with(b".timer") || name.ends_with(b".timer.d"),
        }
    }
}

/// Lists what starts by the clock, is not allowed by this resource, and is no other's.
pub fn survey(
    fs: &dyn Fs,
    desired: &Desired,
    claims: &Claims,
    everywhere: &Globs,
    look: &mut dyn FnMut(&HostPath) -> Look,
) -> Listing {
    let scope = desired.scope.clone().unwrap_or_default();
    let mut walk = Walk {
        desired,
        ignore: Globs::new(&scope.ignore).unwrap_or_default(),
        everywhere,
        members: Vec::new(),
        ignored: 0,
        partial: None,
    };
    for place in places() {
        for path in walk.entries(fs, place) {
            if !claims.has(&path) {
                walk.entry(fs, &path, look);
            }
        }
    }
    walk.members.sort_by(|a, b| a.address.cmp(&b.address));
    Listing {
        members: walk.members,
        complete: match walk.partial {
            None => Completeness::Complete,
            Some(reason) => Completeness::Partial(reason),
        },
        ignored: walk.ignored,
    }
}

struct Walk<'a> {
    desired: &'a Desired,
    ignore: Globs,
    everywhere: &'a Globs,
    members: Vec<Member>,
    ignored: u64,
    partial: Option<Reason>,
}

impl Walk<'_> {
    /// The paths of one place that count, in order.
    fn entries(&mut self, fs: &dyn Fs, place: Place) -> BTreeSet<HostPath> {
        let top = place.path();
        if place.which == Which::Itself {
            return BTreeSet::from([top]);
        }
        match fs.look(&top, Want::Nothing) {
            Look::Absent => return BTreeSet::new(),
            Look::Present(node, _) if node.node_type == NodeType::Directory => {}
            Look::Present(..) => {
                let text = format!("{} is no directory; name the real place", top.address());
                let reason = Reason::new(ReasonCode::Redirected, text);
                self.partial.get_or_insert(reason);
                return BTreeSet::new();
            }
            Look::Unseen(reason) => {
                self.partial.get_or_insert(reason);
                return BTreeSet::new();
            }
        }
        let mut found = BTreeSet::new();
        let mut seen = 0;
        let listed = fs.list(&top, &mut |entry| {
            seen += 1;
            if place.counts(&entry.name) {
                found.insert(top.join(&entry.name));
            }
            match seen < MAX_ENTRIES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        if let Err(reason) = listed {
            self.partial.get_or_insert(reason);
        }
        if seen >= MAX_ENTRIES {
            self.too_many(&top);
        }
        found
    }

    fn too_many(&mut self, path: &HostPath) {
        let text = format!("{} holds more than is looked at", path.address());
        self.partial
            .get_or_insert(Reason::new(ReasonCode::TooLarge, text));
    }

    fn entry(&mut self, fs: &dyn Fs, path: &HostPath, look: &mut dyn FnMut(&HostPath) -> Look) {
        let whole = [b"/", path.relative().as_slice()].concat();
        if self.ignore.matches(&whole) || self.everywhere.matches(&whole) {
            self.ignored += 1;
            return;
        }
        let address = path.address();
        let scope = self.desired.scope.as_ref();
        if scope.is_some_and(|scope| scope.allow.contains(&address)) {
            return;
        }
        if self.members.len() >= MAX_MEMBERS {
            return self.too_many(path);
        }
        let look = look(path);
        let mut observed = place::observed(fs, path, &look, Terms::Whole);
        let kind = match &look {
            Look::Absent => return,
            Look::Present(node, bytes) => {
                if let (Observed::Present(state), Some(bytes)) = (&mut observed, bytes) {
                    let lines = lines(bytes).into_iter().map(Value::Text);
                    let lines = Value::List(lines.collect());
                    state.beyond.insert("lines".into(), lines);
                }
                kind_of(node.node_type)
            }
            Look::Unseen(_) => kinds::FILE,
        };
        let mut member = Member {
            address,
            kind: Kind(kind.to_owned()),
            observed,
            remedy: None,
            by_hand: None,
        };
        if judge(self.desired, &mut member) {
            self.members.push(member);
        }
    }
}

/// Whether such an entry is `Extra`, and what is to be made of it: what the baseline says, or nothing.
pub fn judge(desired: &Desired, member: &mut Member) -> bool {
    let Some(wanted) = held(desired, &member.address) else {
        return true;
    };
    let Observed::Present(state) = &member.observed else {
        return true;
    };
    let is_file = state.get("type") == Some(&"file".into());
    let same = state.get("content") == wanted.get("content")
        || state.beyond.get("lines") == wanted.get("lines");
    if is_file && same {
        return false;
    }
    if is_file && let Some(content) = wanted.get("content") {
        let mut fields = state.fields.clone();
        fields.insert("content".into(), content.clone());
        member.remedy = Some(State {
            fields,
            beyond: state.beyond.clone(),
        });
    }
    true
}

/// What the lines of an allowed file have to be, where that is said.
fn held<'a>(
    desired: &'a Desired,
    address: &Address,
) -> Option<&'a std::collections::BTreeMap<String, Value>> {
    let Some(Value::Map(all)) = desired.options.get(kinds::ALLOW) else {
        return None;
    };
    match all.get(&address.0) {
        Some(Value::Map(wanted)) => Some(wanted),
        _ => None,
    }
}

/// The lines of a crontab that say something, as cron reads them: without comments, blanks between fields made one.
fn lines(content: &[u8]) -> Vec<String> {
    content
        .split(|byte| *byte == b'\n')
        .map(String::from_utf8_lossy)
        .filter(|line| !matches!(line.trim_start().chars().next(), None | Some('#')))
        .map(|line| normal(&line))
        .collect()
}

/// A line with its blanks made one.
pub fn normal(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: places are paths, in order and each once; what lies deeper or beside them is no job.
    #[test]
    fn places_are_sound() {
        assert!(PLACES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(places().all(|place| !place.path().0.is_empty()));
        let holds = |path: &str| {
            let path = parse(path).unwrap();
            places().any(|place| place.holds(&path))
        };
        assert!(holds("/etc/crontab"));
        assert!(holds("/etc/cron.d/x"));
        assert!(holds("/etc/systemd/system/x.timer"));
        assert!(!holds("/etc/systemd/system/x.service"));
        assert!(!holds("/etc/cron.d/x/y"));
        assert!(!holds("/etc/cron.d/.placeholder"));
    }

    // Goal: what cron passes over is no line; what hides behind blanks, a missing last newline or odd bytes is.
    #[test]
    fn hidden_lines_count() {
        let text = b"# a\n\n  #b\n\t* *  * * * root /x\nPATH=/tmp\n\xff @reboot root y";
        assert_eq!(
            lines(text),
            ["* * * * * root /x", "PATH=/tmp", "\u{fffd} @reboot root y"]
        );
    }
}
