//! Whose a socket is: the processes that hold it, by the walk of `/proc`.
//!
//! **Invariant:** a program is what the kernel says that a process executes, never the name that it gives itself; and a
//! path that leads to another file than the one that is executed is told as such.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Digest, Reason, ReasonCode};
use crate::providers::host::machine::Machine;
use crate::providers::host::path::escape;

/// The largest executable that is read, in bytes.
const MAX_EXECUTABLE: u64 = 256 << 20;
/// The longest `stat` and `status` of a process.
const MAX_STAT: u64 = 16 << 10;

/// One process at one moment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Process {
    pub pid: u32,
    /// When it began, in the kernel's ticks since the boot: with the number it names one process for good.
    pub start: u64,
    /// The program, or why none can be told.
    pub program: Result<Program, String>,
}

/// What a process executes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Program {
    /// Its path, printable. With a remark behind it where no file, or another one, is there by now.
    pub path: String,
    pub digest: String,
}

/// The processes that hold each socket, by its number.
pub struct Holders {
    pub by_inode: BTreeMap<u64, Vec<u32>>,
    /// Why some processes could not be looked into, which may hold any.
    pub unseen: Option<Reason>,
}

/// Looks who holds which socket.
pub fn holders(machine: &dyn Machine) -> Result<Holders, Reason> {
    let mut holders = Holders {
        by_inode: BTreeMap::new(),
        unseen: None,
    };
    let pids = machine.names("/proc")?.unwrap_or_default();
    for pid in pids.iter().filter_map(|name| name.parse::<u32>().ok()) {
        match inodes(machine, pid) {
            Ok(inodes) => {
                for inode in inodes {
                    holders.by_inode.entry(inode).or_default().push(pid);
                }
            }
            Err(reason) => holders.unseen = Some(reason),
        }
    }
    Ok(holders)
}

/// The sockets that a process holds.
pub fn inodes(machine: &dyn Machine, pid: u32) -> Result<BTreeSet<u64>, Reason> {
    let folder = format!("/proc/{pid}/fd");
    let mut inodes = BTreeSet::new();
    for name in machine.names(&folder)?.unwrap_or_default() {
        let Some(target) = machine.link(&format!("{folder}/{name}"))? else {
            continue;
        };
        let inode = target
            .strip_prefix(b"socket:[")
            .and_then(|rest| rest.strip_suffix(b"]"));
        inodes
            .extend(inode.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok()));
    }
    Ok(inodes)
}

/// A process as it is now; none where it is gone.
pub fn process(machine: &dyn Machine, pid: u32) -> Result<Option<Process>, Reason> {
    let Some((start, _)) = stat(machine, pid)? else {
        return Ok(None);
    };
    let program = program(machine, pid).map_err(|reason| reason.text);
    Ok(Some(Process {
        pid,
        start,
        program,
    }))
}

/// When a process began, and the one that it came from.
pub fn stat(machine: &dyn Machine, pid: u32) -> Result<Option<(u64, u32)>, Reason> {
    let Some(bytes) = machine.read(&format!("/proc/{pid}/stat"), MAX_STAT)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    // The name is the process's own to choose: what counts follows its last bracket.
    let words = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace());
    let words: Vec<&str> = words.into_iter().flatten().collect();
    match (
        words.get(19).map(|word| word.parse()),
        words.get(1).map(|word| word.parse()),
    ) {
        (Some(Ok(start)), Some(Ok(parent))) => Ok(Some((start, parent))),
        _ => Err(Reason::new(
            ReasonCode::Io,
            format!("what the kernel says of process {pid} is not understood"),
        )),
    }
}

fn program(machine: &dyn Machine, pid: u32) -> Result<Program, Reason> {
    let link = format!("/proc/{pid}/exe");
    let none = || Reason::new(ReasonCode::Unsupported, "a process that executes no file");
    let target = machine.link(&link)?.ok_or_else(none)?;
    let mut path = escape(&target);
    let is_the_same = machine.identity(&link) == machine.identity(&path);
    if !is_the_same && !path.ends_with(" (deleted)") {
        path.push_str(" (another file than the one there)");
    }
    let bytes = machine.read(&link, MAX_EXECUTABLE)?.ok_or_else(none)?;
    Ok(Program {
        path,
        digest: Digest::of(&bytes).to_string(),
    })
}

/// Why a process must not be ended, if so: the first one, evenkeel itself and all that it came from.
pub fn spared(machine: &dyn Machine, pid: u32) -> Option<&'static str> {
    if pid <= 1 {
        return Some("it is the first process of the system");
    }
    let mut own = machine.own_pid();
    // Bounded, for a /proc that leads in circles.
    for _ in 0..64 {
        if own == pid {
            return Some("evenkeel itself came through it");
        }
        match stat(machine, own) {
            Ok(Some((_, parent))) if parent > 1 => own = parent,
            _ => return None,
        }
    }
    None
}
