//! One look at all sockets: the kernel's two lists, held against each other, and who holds each.
//!
//! **Invariant:** what either list has is looked at; a list that lacks it lets nothing pass.

use std::collections::{BTreeMap, BTreeSet};

use super::allowed::Allowed;
use super::owners::{self, Holders, Process};
use super::sockets::{self, Place, Protocol, Sockets, TABLES};
use super::{Listener, PLACE, PROGRAM, SPARED, UNKNOWN};
use crate::model::{
    AGREE, Completeness, Fields, Kind, Listing, Member, Observed, Reason, ReasonCode, State, Value,
};
use crate::providers::host::listing::MAX_MEMBERS;
use crate::providers::host::machine::Machine;
use crate::providers::host::parts::{Part, address};

/// The largest table of sockets, in bytes.
const MAX_TABLE: u64 = 16 << 20;
/// How often the two lists are compared before they disagree: sockets come and go meanwhile.
const ROUNDS: usize = 4;
/// The most places that are named of a disagreement.
const MAX_NAMED: usize = 5;

/// All listeners that the entries do not allow, and what the two lists say of each other.
pub(super) fn survey(
    machine: &dyn Machine,
    allowed: &[Allowed],
) -> Result<(String, Listing), Reason> {
    let (sockets, observers) = both(machine)?;
    let holders = owners::holders(machine)?;
    let mut members = Vec::new();
    for (place, held) in &sockets {
        let (observed, _) = listener(machine, place, held, &holders);
        let is_allowed = observed
            .state()
            .is_some_and(|state| super::is_allowed(allowed, place, state));
        if !is_allowed {
            members.push(Member {
                address: address(PLACE, &place.to_string()),
                kind: Kind(Listener.kind().to_owned()),
                observed,
                remedy: None,
                by_hand: None,
            });
        }
    }
    let is_cut = members.len() > MAX_MEMBERS;
    members.truncate(MAX_MEMBERS);
    let complete = match is_cut {
        false => Completeness::Complete,
        true => Completeness::Partial(Reason::new(
            ReasonCode::TooLarge,
            format!("more than {MAX_MEMBERS} sockets listen that git does not list"),
        )),
    };
    let listing = Listing {
        members,
        complete,
        ignored: 0,
    };
    Ok((observers, listing))
}

/// The sockets of both lists, and `agree` or where one of them has what the other has not.
pub(super) fn both(machine: &dyn Machine) -> Result<(Sockets, String), Reason> {
    let mut differing: Option<BTreeMap<Place, bool>> = None;
    let mut all = Sockets::new();
    for _ in 0..ROUNDS {
        let tables = tables(machine)?;
        let Ok(answers) = answers(machine) else {
            // A kernel without that interface says nothing against the other one.
            return Ok((tables, AGREE.to_owned()));
        };
        let now = differing_places(&tables, &answers);
        all = merged(tables, answers);
        let still = match differing {
            None => now,
            Some(before) => before
                .into_iter()
                .filter(|(place, side)| now.get(place) == Some(side))
                .collect(),
        };
        if still.is_empty() {
            return Ok((all, AGREE.to_owned()));
        }
        differing = Some(still);
    }
    Ok((all, disagreement(&differing.unwrap_or_default())))
}

/// Places of which one list has a socket that the other has not, and whether the tables have any there.
pub(super) fn differing_places(tables: &Sockets, answers: &Sockets) -> BTreeMap<Place, bool> {
    let places = tables.keys().chain(answers.keys());
    places
        .filter(|place| tables.get(place) != answers.get(place))
        .map(|place| (*place, tables.contains_key(place)))
        .collect()
}

pub(super) fn disagreement(differing: &BTreeMap<Place, bool>) -> String {
    let mut named: Vec<_> = differing
        .iter()
        .take(MAX_NAMED)
        .map(|(place, in_tables)| match in_tables {
            true => format!("{place} differs between /proc/net and netlink"),
            false => format!("{place} is hidden from /proc/net"),
        })
        .collect();
    if differing.len() > MAX_NAMED {
        named.push(format!("{} more", differing.len() - MAX_NAMED));
    }
    named.join("; ")
}

pub(super) fn merged(mut one: Sockets, other: Sockets) -> Sockets {
    for (place, held) in other {
        one.entry(place).or_default().extend(held);
    }
    for held in one.values_mut() {
        held.sort();
        held.dedup();
    }
    one
}

pub(super) fn tables(machine: &dyn Machine) -> Result<Sockets, Reason> {
    let mut sockets = Sockets::new();
    for (path, protocol, is_v6) in TABLES {
        // A kernel without IPv6 has no such table.
        let Some(bytes) = machine.read(path, MAX_TABLE)? else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        sockets::read_table(&text, protocol, is_v6, &mut sockets)
            .map_err(|why| Reason::new(ReasonCode::Io, why))?;
    }
    Ok(merged(sockets, Sockets::new()))
}

pub(super) fn answers(machine: &dyn Machine) -> Result<Sockets, Reason> {
    let mut sockets = Sockets::new();
    for protocol in Protocol::ALL {
        for is_v6 in [false, true] {
            let answer = machine.sock_diag(&sockets::request(protocol, is_v6))?;
            sockets::read_answer(&answer, protocol, &mut sockets)
                .map_err(|why| Reason::new(ReasonCode::Unsupported, why))?;
        }
    }
    Ok(merged(sockets, Sockets::new()))
}

/// One listener and the processes that hold it.
pub(super) fn listener(
    machine: &dyn Machine,
    place: &Place,
    held: &[sockets::Socket],
    holders: &Holders,
) -> (Observed, Vec<Process>) {
    let mut pids = BTreeSet::new();
    let mut is_orphan = false;
    for socket in held {
        match holders.by_inode.get(&socket.inode) {
            Some(found) => pids.extend(found),
            None => is_orphan = true,
        }
    }
    if let (true, Some(reason)) = (is_orphan, &holders.unseen) {
        let text = format!("who holds it cannot be told: {}", reason.text);
        return (
            Observed::NotEvaluated(Reason::new(reason.code, text)),
            Vec::new(),
        );
    }
    let mut processes = Vec::new();
    for pid in pids {
        match owners::process(machine, pid) {
            Ok(process) => processes.extend(process),
            Err(reason) => return (Observed::NotEvaluated(reason), Vec::new()),
        }
    }
    let mut programs = BTreeSet::new();
    let mut digests = BTreeSet::new();
    for process in &processes {
        match &process.program {
            Ok(program) => {
                programs.insert(program.path.as_str());
                digests.insert(program.digest.as_str());
            }
            Err(why) => drop(programs.insert(why)),
        }
    }
    if is_orphan || processes.is_empty() {
        programs.insert(UNKNOWN);
    }
    let list = |texts: BTreeSet<&str>| Value::List(texts.into_iter().map(Value::text).collect());
    let numbers =
        |numbers: BTreeSet<i64>| Value::List(numbers.into_iter().map(Value::Int).collect());
    let started = processes
        .iter()
        .map(|one| format!("{} started at {}", one.pid, one.start));
    let inodes = held
        .iter()
        .map(|one| i64::try_from(one.inode).unwrap_or(i64::MAX));
    let mut fields = Fields::from([
        ("address".to_owned(), Value::Text(place.to_string())),
        (PROGRAM.to_owned(), list(programs)),
        ("executables".to_owned(), list(digests)),
        (
            "uid".to_owned(),
            numbers(held.iter().map(|one| one.uid.into()).collect()),
        ),
        (
            "processes".to_owned(),
            Value::List(started.map(Value::Text).collect()),
        ),
        ("sockets".to_owned(), numbers(inodes.collect())),
    ]);
    let spared = processes
        .iter()
        .find_map(|one| owners::spared(machine, one.pid));
    if let Some(why) = spared {
        fields.insert(SPARED.to_owned(), why.into());
    }
    (Observed::Present(State::of(fields)), processes)
}
