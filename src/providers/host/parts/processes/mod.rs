//! `Processes`: what has to run and what must not, by what is executed.
//!
//! Flow: all processes by two roads ([`table`]) → those that a rule forbids, by program a member of kind `Process` at
//! `//process/usr/bin/nc`, whose removal ends all that execute it; and the required programs that nobody executes.
//!
//! Fields of the list: `observers`, whether the roads agree; `missing`. Of a member: `program`, `executables` by digest,
//! `uid`, `processes` by number and start, and `spared` where it is not for evenkeel to end one of them.
//!
//! **Invariant:** a process is known by the file that it executes and never by its name; and it is ended only when number,
//! start and program are those that were seen.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use super::listeners::owners;
use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    AGREE, Address, Completeness, Contents, Desired, Fields, Kind, Listing, Member, OBSERVERS,
    Observation, Observed, Presence, Problems, Reason, ReasonCode, Risk, RiskLevel, Scope, State,
    Step, Value, Verb,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::fs::FsError;
use crate::providers::host::glob::Globs;
use crate::providers::host::kinds::{Decoding, Draft, UNASKED, blank};
use crate::providers::host::listing::MAX_MEMBERS;
use crate::providers::host::machine::{Machine, not_running};

const PLACE: &str = "//process";
const PROCESS: &str = "Process";
const MISSING: &str = "missing";
const REQUIRED: &str = "required";
const PROGRAMS: &str = "programs";
const DIGESTS: &str = "digests";
const NO_DELETED: &str = "no_deleted";
const PROGRAM: &str = "program";
const EXECUTABLES: &str = "executables";
const SPARED: &str = "spared";
/// What the kernel writes behind the path of a file that is gone.
const DELETED: &str = " (deleted)";
const MAX_RULES: usize = 1000;

pub struct Processes;

/// All processes of one program, which only a listing names.
pub struct Process;

impl Part for Processes {
    fn kind(&self) -> &'static str {
        "Processes"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let nodes = [REQUIRED, "forbidden", "deleted"].map(|field| spec.take(field));
        let mut options = Fields::new();
        let required = nodes[0].map(|node| required(node, decoding));
        let is_asked = required.as_ref().is_none_or(|(_, is_asked)| *is_asked);
        let (programs, digests) = match nodes[1] {
            Some(node) => forbidden(node, &mut decoding.problems),
            None => Default::default(),
        };
        let allowed = nodes[2].map(|node| node.boolean(&mut decoding.problems));
        options.insert(
            NO_DELETED.to_owned(),
            Value::Bool(allowed == Some(Some(false))),
        );
        options.insert(
            REQUIRED.to_owned(),
            required.map_or(Value::List(vec![]), |(all, _)| all),
        );
        options.insert(PROGRAMS.to_owned(), list(programs));
        options.insert(DIGESTS.to_owned(), list(digests));
        if !is_asked {
            let text = Value::text("the users that it names were not looked up");
            options.insert(UNASKED.to_owned(), text);
        }
        let expected = Fields::from([
            (OBSERVERS.to_owned(), AGREE.into()),
            (MISSING.to_owned(), Value::List(Vec::new())),
        ]);
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        desired.address = address("processes", "all");
        desired.options.extend(options);
        desired.scope = Some(Scope {
            within: BTreeSet::from([Address(PLACE.to_owned())]),
            ..Scope::default()
        });
        desired.risk = Risk::new(RiskLevel::High, "ends processes");
        desired.one_way = Some("a process that was ended does not come back".to_owned());
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let seen = match host.fs.machine() {
            Some(machine) => look(machine, desired),
            None => Err(not_running()),
        };
        seen.unwrap_or_else(|reason| Observation::plain(Observed::NotEvaluated(reason)))
    }

    fn see(&self, _: &View<'_>, _: &Address, _: &Fields, _: &mut Contents) -> Observed {
        Observed::NotEvaluated(Reason::new(ReasonCode::Unsupported, NEVER))
    }

    fn act(
        &self,
        _: &View<'_>,
        _: &Step,
        _: &Observed,
        _: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        Err(ActError::Refused(NEVER.to_owned()))
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let state = observed.state()?;
        let expected = desired.expected()?;
        let differs = |field: &str| state.get(field) != expected.get(field);
        if differs(OBSERVERS) {
            return Some(
                "look at the host from outside: something hides a process from /proc".to_owned(),
            );
        }
        differs(MISSING).then(|| {
            "start what is missing, or hold its unit as a `Service`, which starts it".to_owned()
        })
    }

    fn judge(&self, desired: &Desired, member: &mut Member) -> bool {
        member.remedy = None;
        member.by_hand = None;
        let Observed::Present(state) = &member.observed else {
            return member.kind.0 == PROCESS;
        };
        let program = state
            .get(PROGRAM)
            .and_then(Value::as_text)
            .unwrap_or_default();
        if member.kind.0 != PROCESS || member.address != address_of(program) {
            return false;
        }
        let digests = texts(state.get(EXECUTABLES));
        if !Rules::of(desired).forbid(program, &digests) {
            return false;
        }
        let spared = state.get(SPARED).and_then(Value::as_text);
        member.by_hand =
            spared.map(|why| format!("look into it: {why}, so evenkeel does not end it"));
        true
    }
}

const NEVER: &str = "what it lists is put right, and not the list";

impl Part for Process {
    fn kind(&self) -> &'static str {
        PROCESS
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        _spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        decoding.problems.push(
            declared
                .kind
                .problem("a single process is no resource")
                .hint("`Processes` says what must run and what must not"),
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
        let found = host
            .fs
            .machine()
            .ok_or_else(not_running)
            .and_then(|machine| {
                let all = of_program(machine, address)?;
                match all.is_empty() {
                    true => Ok(Observed::Absent),
                    false => state(machine, &all).map(Observed::Present),
                }
            });
        found.unwrap_or_else(Observed::NotEvaluated)
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        _context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let refused = |why: &str| ActError::Refused(why.to_owned());
        let failed = |reason: Reason| ActError::Failed(reason.text);
        if step.verb != Verb::Remove {
            return Err(refused("a process that was ended cannot be brought back"));
        }
        let machine = host.fs.machine();
        let machine = machine.ok_or_else(|| ActError::Refused(not_running().text))?;
        let all = of_program(machine, &step.address).map_err(failed)?;
        let again = state(machine, &all).map_err(failed)?;
        if Some(again.digest()) != now.digest() {
            let found = "other processes execute it".to_owned();
            return Err(ActError::Stale { found });
        }
        if let Some(why) = all.iter().find_map(|one| owners::spared(machine, one.pid)) {
            return Err(ActError::Refused(format!("{why}, so it is not ended")));
        }
        for one in &all {
            let is_same = || match owners::stat(machine, one.pid) {
                Ok(Some((start, _))) if start == one.start => Ok(()),
                Ok(_) => Err(format!("process {} is another one by now", one.pid)),
                Err(reason) => Err(reason.text),
            };
            machine
                .end(one.pid, &is_same)
                .map_err(|error| match error {
                    FsError::Stale(found) => ActError::Stale { found },
                    FsError::Refused(why) => ActError::Refused(why),
                    FsError::Failed(why) => ActError::Failed(why),
                })?;
        }
        Ok(all
            .iter()
            .map(|one| format!("ended process {} ({})", one.pid, one.program))
            .collect())
    }
}

/// What a manifest forbids.
struct Rules {
    programs: Globs,
    digests: BTreeSet<String>,
    no_deleted: bool,
}

impl Rules {
    fn of(desired: &Desired) -> Self {
        let option = |name: &str| texts(desired.options.get(name));
        Self {
            programs: Globs::new(&option(PROGRAMS)).unwrap_or_default(),
            digests: option(DIGESTS).into_iter().collect(),
            no_deleted: desired.options.get(NO_DELETED) == Some(&Value::Bool(true)),
        }
    }

    /// Whether what is executed, by path and by content, must not be.
    fn forbid(&self, program: &str, digests: &[String]) -> bool {
        // A file that is gone was at that path.
        let path = program.strip_suffix(DELETED).unwrap_or(program);
        self.programs.matches(path.as_bytes())
            || (self.no_deleted && path != program)
            || digests.iter().any(|digest| self.digests.contains(digest))
    }
}

fn look(machine: &dyn Machine, desired: &Desired) -> Result<Observation, Reason> {
    let found = table::table(machine)?;
    let rules = Rules::of(desired);
    let mut by_program: BTreeMap<&str, Vec<table::Process>> = BTreeMap::new();
    for one in &found.processes {
        by_program
            .entry(&one.program)
            .or_default()
            .push(one.clone());
    }
    let mut members = Vec::new();
    for (program, all) in &by_program {
        // Their content is only read where it can matter.
        let digests = match rules.digests.is_empty() {
            true => Vec::new(),
            false => executables(machine, all)?,
        };
        if rules.forbid(program, &digests) {
            members.push(Member {
                address: address_of(program),
                kind: Kind(PROCESS.to_owned()),
                observed: Observed::Present(state(machine, all)?),
                remedy: None,
                by_hand: None,
            });
        }
    }
    let complete = match members.len() > MAX_MEMBERS {
        false => Completeness::Complete,
        true => Completeness::Partial(Reason::new(
            ReasonCode::TooLarge,
            format!("more than {MAX_MEMBERS} programs run that must not"),
        )),
    };
    members.truncate(MAX_MEMBERS);
    let fields = Fields::from([
        (OBSERVERS.to_owned(), Value::Text(found.observers)),
        (MISSING.to_owned(), missing(desired, &found.processes)),
    ]);
    Ok(Observation {
        listing: Some(Listing {
            members,
            complete,
            ignored: 0,
        }),
        ..Observation::plain(Observed::Present(State::of(fields)))
    })
}

/// The required programs that nobody executes, or not as the right user.
fn missing(desired: &Desired, processes: &[table::Process]) -> Value {
    let required = match desired.options.get(REQUIRED) {
        Some(Value::List(required)) => required.as_slice(),
        _ => &[],
    };
    let missing = required.iter().filter_map(|one| {
        let Value::List(parts) = one else { return None };
        let [program, uid] = &parts[..] else {
            return None;
        };
        let (program, uid) = (program.as_text()?, uid.as_int()?);
        let is_it = |one: &&table::Process| {
            one.program == program && (uid < 0 || i64::from(one.uid) == uid)
        };
        processes
            .iter()
            .find(is_it)
            .is_none()
            .then(|| Value::text(program))
    });
    Value::List(missing.collect())
}

fn of_program(machine: &dyn Machine, address: &Address) -> Result<Vec<table::Process>, Reason> {
    let mut all = table::table(machine)?.processes;
    all.retain(|one| address_of(&one.program) == *address);
    Ok(all)
}

/// The state of all processes of one program.
fn state(machine: &dyn Machine, all: &[table::Process]) -> Result<State, Reason> {
    let program = all
        .first()
        .map(|one| one.program.clone())
        .unwrap_or_default();
    let uids: BTreeSet<u32> = all.iter().map(|one| one.uid).collect();
    let started = all
        .iter()
        .map(|one| format!("{} started at {}", one.pid, one.start));
    let mut fields = Fields::from([
        (PROGRAM.to_owned(), Value::Text(program)),
        (EXECUTABLES.to_owned(), list(executables(machine, all)?)),
        (
            "uid".to_owned(),
            Value::List(uids.into_iter().map(|uid| Value::Int(uid.into())).collect()),
        ),
        ("processes".to_owned(), list(started)),
    ]);
    if let Some(why) = all.iter().find_map(|one| owners::spared(machine, one.pid)) {
        fields.insert(SPARED.to_owned(), why.into());
    }
    Ok(State::of(fields))
}

/// The digests of what they execute: of a path, different files may be.
fn executables(machine: &dyn Machine, all: &[table::Process]) -> Result<Vec<String>, Reason> {
    let mut read = BTreeMap::new();
    let mut digests = BTreeSet::new();
    for one in all {
        let link = format!("/proc/{}/exe", one.pid);
        let Some(file) = machine.identity(&link) else {
            continue;
        };
        if let std::collections::btree_map::Entry::Vacant(entry) = read.entry(file)
            && let Some(digest) = table::digest(machine, one.pid)?
        {
            digests.insert(entry.insert(digest).clone());
        }
    }
    Ok(digests.into_iter().collect())
}

fn address_of(program: &str) -> Address {
    match program.starts_with('/') {
        true => Address(format!("{PLACE}{program}")),
        // A file that only is in memory.
        false => Address(format!("{PLACE}/{program}")),
    }
}

fn list(texts: impl IntoIterator<Item = String>) -> Value {
    Value::List(texts.into_iter().map(Value::Text).collect())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::List(items)) => {
            let items = items.iter().filter_map(Value::as_text);
            items.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The required programs with their users, and whether all users are known.
fn required(node: &Yaml, decoding: &mut Decoding<'_>) -> (Value, bool) {
    let mut all = Vec::new();
    let mut is_asked = true;
    for item in node.list(&mut decoding.problems).unwrap_or_default() {
        let Some(mut fields) = item.fields(&mut decoding.problems) else {
            continue;
        };
        let program = fields.require(PROGRAM, &mut decoding.problems);
        let user = fields.take("user");
        fields.finish(&mut decoding.problems);
        let program = program.and_then(|node| path(node, &mut decoding.problems));
        let uid = match user {
            None => Some(-1),
            Some(node) => decoding.user(node).map(i64::from),
        };
        is_asked &= uid.is_some();
        if let (Some(program), Some(uid)) = (program, uid) {
            all.push(Value::List(vec![Value::Text(program), Value::Int(uid)]));
        }
    }
    (Value::List(all), is_asked)
}

/// The globs of programs and the digests that must not be executed.
fn forbidden(node: &Yaml, problems: &mut Problems) -> (Vec<String>, Vec<String>) {
    let (mut programs, mut digests) = (Vec::new(), Vec::new());
    for item in node.list(problems).unwrap_or_default() {
        let Some(mut fields) = item.fields(problems) else {
            continue;
        };
        let nodes = (fields.take(PROGRAM), fields.take("digest"));
        fields.finish(problems);
        match nodes {
            (Some(program), None) => programs.extend(path(program, problems)),
            (None, Some(node)) => digests.extend(digest(node, problems)),
            _ => problems.push(
                item.problem("one of `program` and `digest` is asked for")
                    .hint("program: /tmp/** or digest: the BLAKE3 digest of an executable"),
            ),
        }
    }
    if programs.len() + digests.len() > MAX_RULES {
        problems.push(node.problem(format!("more than {MAX_RULES} rules")));
    }
    (programs, digests)
}

fn path(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let is_glob = Globs::new(&[text.to_owned()]).is_ok();
    if text.starts_with('/') && is_glob && !text.chars().any(char::is_control) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem("the program is named by its absolute path")
            .hint("as `readlink /proc/PID/exe` shows it"),
    );
    None
}

fn digest(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    problems.push(
        node.problem("this is no digest")
            .hint("64 hexadecimal digits, as `b3sum` prints them and reports show them"),
    );
    None
}

#[cfg(test)]
mod tests;
