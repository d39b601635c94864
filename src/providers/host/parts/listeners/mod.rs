//! `Listeners`: all sockets that may listen on a host, and who may hold them.
//!
//! Flow: the kernel's two lists of sockets → who holds each → the entries of the baseline; what no entry allows is `Extra`, a
//! member of kind `Listener` at `//listener/tcp/0.0.0.0:4444`, whose removal ends the processes that hold it.
//!
//! Fields of a listener: `address`, `program` (of each that holds it), `uid`, `processes` by number and start, `executables`
//! by digest, `sockets`, and `spared` where it is not for evenkeel to end one of them.
//!
//! **Invariant:** a socket whose holder cannot be told is told as such and never left out; and a process is ended only when
//! number, start, program and socket are those that were seen.

mod allowed;
pub(super) mod owners;
mod sockets;
mod survey;

use std::cell::Cell;
use std::collections::BTreeSet;

use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields};
use crate::model::{
    AGREE, Address, Contents, Desired, Fields, Member, OBSERVERS, Observation, Observed, Presence,
    Reason, ReasonCode, Risk, RiskLevel, Scope, State, Step, Value, Verb,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::fs::FsError;
use crate::providers::host::kinds::{Decoding, Draft, UNASKED, blank};
use crate::providers::host::machine::{Machine, not_running};
use allowed::{Allowed, KERNEL};
use owners::Process;
use sockets::Place;
use survey::{both, listener, survey};

/// Whether an answer of the kernel's list of sockets is whole.
pub use sockets::is_whole as sockets_end;

/// The place of all listeners.
const PLACE: &str = "listener";
/// The option with the allowed entries.
const ALLOWED: &str = "allowed";
const PROGRAM: &str = "program";
const SPARED: &str = "spared";
/// What stands for the program of a socket that no process holds that could be seen.
const UNKNOWN: &str = "unknown";

pub struct Listeners;

/// One listener, which only a listing names.
pub struct Listener;

impl Part for Listeners {
    fn kind(&self) -> &'static str {
        "Listeners"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let Some(list) = spec.require("allow", &mut decoding.problems) else {
            return Vec::new();
        };
        let nodes = list.list(&mut decoding.problems).unwrap_or_default();
        let entries = nodes
            .iter()
            .filter_map(|node| allowed::entry(node, decoding));
        let entries: Vec<Value> = entries.map(|entry| entry.value()).collect();
        // An entry that is missing would make what it allows look like an intruder's.
        let lacks_users = entries.len() < nodes.len();
        let expected = Fields::from([(OBSERVERS.to_owned(), AGREE.into())]);
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        // Of one place only, since two lists of all that may be would deny each other.
        desired.address = address("listeners", "all");
        desired
            .options
            .insert(ALLOWED.to_owned(), Value::List(entries));
        if lacks_users {
            let text = Value::text("the users that it names were not looked up");
            desired.options.insert(UNASKED.to_owned(), text);
        }
        desired.scope = Some(Scope {
            within: BTreeSet::from([Address(format!("//{PLACE}"))]),
            ..Scope::default()
        });
        desired.risk = Risk::new(RiskLevel::High, "ends processes");
        desired.one_way = Some("a process that was ended does not come back".to_owned());
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let Some(machine) = host.fs.machine() else {
            return Observation::plain(Observed::NotEvaluated(not_running()));
        };
        match survey(machine, &allowed_by(desired)) {
            Ok((observers, listing)) => Observation {
                listing: Some(listing),
                ..Observation::plain(seen(observers))
            },
            Err(reason) => Observation::plain(Observed::NotEvaluated(reason)),
        }
    }

    fn see(
        &self,
        host: &View<'_>,
        _address: &Address,
        _options: &Fields,
        _keep: &mut Contents,
    ) -> Observed {
        match host.fs.machine().ok_or_else(not_running).and_then(both) {
            Ok((_, observers)) => seen(observers),
            Err(reason) => Observed::NotEvaluated(reason),
        }
    }

    fn act(
        &self,
        _host: &View<'_>,
        _step: &Step,
        _now: &Observed,
        _context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let why = "what a kernel says of its sockets cannot be put right";
        Err(ActError::Refused(why.to_owned()))
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let state = observed.state()?;
        let differs = desired.expected()?.get(OBSERVERS) != state.get(OBSERVERS);
        differs.then(|| {
            "look at the host from outside: its kernel tells one asker of sockets that it hides from another".to_owned()
        })
    }

    fn judge(&self, desired: &Desired, member: &mut Member) -> bool {
        let place = place_of(&member.address).filter(|_| member.kind.0 == Listener.kind());
        let Some(place) = place else {
            return false;
        };
        member.remedy = None;
        member.by_hand = None;
        let Observed::Present(state) = &member.observed else {
            return true;
        };
        if is_allowed(&allowed_by(desired), &place, state) {
            return false;
        }
        let spared = state.get(SPARED).and_then(Value::as_text);
        member.by_hand = match (spared, programs(state)) {
            (Some(why), _) => Some(format!("look into it: {why}, so evenkeel does not end it")),
            (None, Some(programs)) if !programs.contains(&UNKNOWN) => None,
            _ => Some("find out who holds it: no process that can be seen does".to_owned()),
        };
        true
    }
}

impl Part for Listener {
    fn kind(&self) -> &'static str {
        "Listener"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let _ = spec;
        decoding.problems.push(
            declared
                .kind
                .problem("a single listener is no resource")
                .hint("`Listeners` lists all that may listen on a host"),
        );
        Vec::new()
    }

    fn look(&self, host: &View<'_>, desired: &Desired, shown: &mut Contents) -> Observation {
        Observation::plain(self.see(host, &desired.address, &desired.options, shown))
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        _options: &Fields,
        _keep: &mut Contents,
    ) -> Observed {
        let Some(machine) = host.fs.machine() else {
            return Observed::NotEvaluated(not_running());
        };
        let Some(place) = place_of(address) else {
            let text = "its address is no place where something listens";
            return Observed::NotEvaluated(Reason::new(ReasonCode::Unsupported, text));
        };
        let found = both(machine).and_then(|(sockets, _)| {
            let holders = owners::holders(machine)?;
            Ok(sockets
                .get(&place)
                .map(|held| listener(machine, &place, held, &holders)))
        });
        match found {
            Ok(Some((observed, _))) => observed,
            Ok(None) => Observed::Absent,
            Err(reason) => Observed::NotEvaluated(reason),
        }
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        _context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let refused = |why: &str| ActError::Refused(why.to_owned());
        if step.verb != Verb::Remove {
            return Err(refused("a process that was ended cannot be brought back"));
        }
        let machine = host.fs.machine();
        let machine = machine.ok_or_else(|| ActError::Refused(not_running().text))?;
        let place = place_of(&step.address).ok_or_else(|| refused("it is no place"))?;
        let failed = |reason: Reason| ActError::Failed(reason.text);
        let (sockets, _) = both(machine).map_err(failed)?;
        let holders = owners::holders(machine).map_err(failed)?;
        let held = sockets.get(&place).cloned().unwrap_or_default();
        let (again, processes) = listener(machine, &place, &held, &holders);
        if again.digest() != now.digest() {
            let found = "other processes hold it".to_owned();
            return Err(ActError::Stale { found });
        }
        if processes.is_empty() {
            return Err(refused("no process that can be seen holds it"));
        }
        let spared = processes
            .iter()
            .find_map(|one| owners::spared(machine, one.pid));
        if let Some(why) = spared {
            return Err(ActError::Refused(format!("{why}, so it is not ended")));
        }
        let inodes: BTreeSet<u64> = held.iter().map(|socket| socket.inode).collect();
        for process in &processes {
            let is_read = Cell::new(false);
            let is_same = || same(machine, process, &inodes, &is_read);
            machine
                .end(process.pid, &is_same)
                .map_err(|error| match error {
                    FsError::Stale(found) => ActError::Stale { found },
                    FsError::Refused(why) => ActError::Refused(why),
                    FsError::Failed(why) => ActError::Failed(why),
                })?;
        }
        let ended = processes.iter().map(|one| {
            let program = one
                .program
                .as_ref()
                .map_or(UNKNOWN, |program| &program.path);
            format!("ended process {} ({program})", one.pid)
        });
        Ok(ended.collect())
    }
}

/// Whether a process still is the one that was seen, and still holds one of these sockets. Its file is read once.
fn same(
    machine: &dyn Machine,
    seen: &Process,
    inodes: &BTreeSet<u64>,
    is_read: &Cell<bool>,
) -> Result<(), String> {
    let words = |reason: Reason| reason.text;
    let is_it = match is_read.replace(true) {
        true => {
            let now = owners::stat(machine, seen.pid).map_err(words)?;
            now.is_some_and(|(start, _)| start == seen.start)
        }
        false => {
            let now = owners::process(machine, seen.pid).map_err(words)?;
            now.as_ref() == Some(seen)
        }
    };
    let held = owners::inodes(machine, seen.pid).map_err(words)?;
    match is_it && !held.is_disjoint(inodes) {
        true => Ok(()),
        false => Err(format!("process {} is another one by now", seen.pid)),
    }
}

fn seen(observers: String) -> Observed {
    let fields = Fields::from([(OBSERVERS.to_owned(), Value::Text(observers))]);
    Observed::Present(State::of(fields))
}

/// Whether every program that holds it, for every user that made a socket of it, is allowed there.
fn is_allowed(allowed: &[Allowed], place: &Place, state: &State) -> bool {
    let (Some(programs), Some(Value::List(uids))) = (programs(state), state.get("uid")) else {
        return false;
    };
    let may = |program: &str, uid: &Value| {
        let program = if program == UNKNOWN { KERNEL } else { program };
        let uid = uid.as_int().and_then(|uid| u32::try_from(uid).ok());
        uid.is_some_and(|uid| {
            allowed
                .iter()
                .any(|entry| entry.allows(place, program, uid))
        })
    };
    let all = |program: &&str| uids.iter().all(|uid| may(program, uid));
    !programs.is_empty() && !uids.is_empty() && programs.iter().all(all)
}

/// The programs that hold a listener; none where a host does not say it in the way of one.
fn programs(state: &State) -> Option<Vec<&str>> {
    match state.get(PROGRAM) {
        Some(Value::List(programs)) => programs.iter().map(Value::as_text).collect(),
        _ => None,
    }
}

fn allowed_by(desired: &Desired) -> Vec<Allowed> {
    match desired.options.get(ALLOWED) {
        Some(Value::List(entries)) => entries.iter().filter_map(Allowed::of).collect(),
        _ => Vec::new(),
    }
}

fn place_of(address: &Address) -> Option<Place> {
    Place::parse(address.0.strip_prefix("//listener/")?)
}

#[cfg(test)]
mod tests;
