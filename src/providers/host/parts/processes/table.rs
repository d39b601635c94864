//! All processes of a machine, by two roads: what `/proc` lists, and what the kernel's groups of processes hold.
//!
//! **Invariant:** a process that one road has and the other has not is told; a thread of the kernel executes no file and is
//! none of these.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AGREE, Digest, Reason, ReasonCode};
use crate::providers::host::machine::Machine;
use crate::providers::host::parts::listeners::owners;
use crate::providers::host::path::escape;

const GROUPS: &str = "/sys/fs/cgroup";
/// The most groups that are asked, and how deep they nest.
const MAX_GROUPS: usize = 20_000;
const MAX_DEPTH: usize = 32;
const MAX_STATUS: u64 = 64 << 10;
const MAX_PIDS: u64 = 4 << 20;
const MAX_EXECUTABLE: u64 = 256 << 20;
/// How often the roads are compared before they disagree: processes come and go meanwhile.
const ROUNDS: usize = 4;
/// The most processes that are named of a disagreement.
const MAX_NAMED: usize = 5;

/// One process that executes a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    pub pid: u32,
    /// When it began: with the number it names one process for good.
    pub start: u64,
    pub uid: u32,
    /// The path of what it executes, as the kernel says it; ` (deleted)` behind it where that is gone.
    pub program: String,
}

/// What is there.
pub struct Table {
    pub processes: Vec<Process>,
    /// `agree`, or which processes one road hides.
    pub observers: String,
}

/// How a process is hidden.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hidden {
    /// `/proc` does not list it.
    Unlisted,
    /// `/proc` lists it and has nothing of it.
    Empty,
}

/// Looks at all of them.
///
/// # Errors
/// One could not be looked into, and may be any.
pub fn table(machine: &dyn Machine) -> Result<Table, Reason> {
    let mut hidden: Option<BTreeMap<u32, Hidden>> = None;
    let mut processes = Vec::new();
    for _ in 0..ROUNDS {
        // What began after the list was read is not hidden from it.
        let grouped = grouped(machine)?;
        let listed = listed(machine)?;
        let mut now: BTreeMap<u32, Hidden> = grouped
            .difference(&listed)
            .map(|pid| (*pid, Hidden::Unlisted))
            .collect();
        processes.clear();
        for pid in &listed {
            match owners::stat(machine, *pid)? {
                Some((start, _)) => processes.extend(process(machine, *pid, start)?),
                None => drop(now.insert(*pid, Hidden::Empty)),
            }
        }
        let still: BTreeMap<u32, Hidden> = match hidden {
            None => now,
            Some(before) => before
                .into_iter()
                .filter(|(pid, how)| now.get(pid) == Some(how))
                .collect(),
        };
        if still.is_empty() {
            return Ok(Table {
                processes,
                observers: AGREE.to_owned(),
            });
        }
        hidden = Some(still);
    }
    Ok(Table {
        processes,
        observers: said(&hidden.unwrap_or_default()),
    })
}

fn said(hidden: &BTreeMap<u32, Hidden>) -> String {
    let mut named: Vec<_> = hidden
        .iter()
        .take(MAX_NAMED)
        .map(|(pid, how)| match how {
            Hidden::Unlisted => format!("process {pid} is hidden from /proc"),
            Hidden::Empty => format!("/proc has nothing of process {pid}, which it lists"),
        })
        .collect();
    if hidden.len() > MAX_NAMED {
        named.push(format!("{} more", hidden.len() - MAX_NAMED));
    }
    named.join("; ")
}

fn listed(machine: &dyn Machine) -> Result<BTreeSet<u32>, Reason> {
    let names = machine
        .names("/proc")?
        .ok_or_else(|| Reason::new(ReasonCode::Unsupported, "there is no /proc"))?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The processes in all groups; none where there are no groups of that sort.
fn grouped(machine: &dyn Machine) -> Result<BTreeSet<u32>, Reason> {
    let mut pids = BTreeSet::new();
    let mut groups = vec![(GROUPS.to_owned(), 0)];
    let mut seen = 0;
    while let Some((group, depth)) = groups.pop() {
        // A group may end meanwhile or hold threads alone, and what is no folder has no such file. What it is called tells
        // nothing: whoever makes a group names it.
        let Ok(Some(bytes)) = machine.read(&format!("{group}/cgroup.procs"), MAX_PIDS) else {
            continue;
        };
        seen += 1;
        if seen > MAX_GROUPS || depth > MAX_DEPTH {
            let text = format!("there are more than {MAX_GROUPS} groups of processes");
            return Err(Reason::new(ReasonCode::TooLarge, text));
        }
        let text = String::from_utf8_lossy(&bytes);
        // Processes of other namespaces have no number here.
        let numbers = text.lines().filter_map(|line| line.parse().ok());
        pids.extend(numbers.filter(|pid: &u32| *pid > 0));
        let names = machine.names(&group)?.unwrap_or_default();
        groups.extend(
            names
                .iter()
                .map(|name| (format!("{group}/{name}"), depth + 1)),
        );
    }
    Ok(pids)
}

/// A process that executes a file; none where it is gone, or executes none.
fn process(machine: &dyn Machine, pid: u32, start: u64) -> Result<Option<Process>, Reason> {
    let Some(target) = machine.link(&format!("/proc/{pid}/exe"))? else {
        return Ok(None);
    };
    let Some(uid) = uid(machine, pid)? else {
        return Ok(None);
    };
    Ok(Some(Process {
        pid,
        start,
        uid,
        program: escape(&target),
    }))
}

/// As whom it acts.
fn uid(machine: &dyn Machine, pid: u32) -> Result<Option<u32>, Reason> {
    let Some(bytes) = machine.read(&format!("/proc/{pid}/status"), MAX_STATUS)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"));
    // Real, effective, saved and of the file system.
    let uid = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    uid.map(Some).ok_or_else(|| {
        let text = format!("what the kernel says of process {pid} is not understood");
        Reason::new(ReasonCode::Io, text)
    })
}

/// The digest of what a process executes; none where it is gone.
pub fn digest(machine: &dyn Machine, pid: u32) -> Result<Option<String>, Reason> {
    let bytes = machine.read(&format!("/proc/{pid}/exe"), MAX_EXECUTABLE)?;
    Ok(bytes.map(|bytes| Digest::of(&bytes).to_string()))
}
