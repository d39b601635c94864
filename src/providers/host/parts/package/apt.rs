//! Brings the state of a package about with apt, and puts back files that an undo wants back.
//!
//! Flow: finish what dpkg was ended in → install, reinstall or remove → put files that stood there before → hold → look again.
//!
//! **Invariant:** words that reach a program are constants, or names and versions by Debian's grammar; nothing is removed for
//! the sake of an installation; and a step has succeeded only when the package was seen to be what the step leaves.

use std::collections::BTreeSet;
use std::time::Duration;

use super::terms::{Terms, Version};
use super::{FILES, FOUND, HELD, Name, STATUS, VERSION, map, version};
use crate::model::{Fields, Observed, State, Step, Value};
use crate::ports::{ActContext, ActError};
use crate::providers::host::act::{act_error, wanted};
use crate::providers::host::dpkg::files::{self, DIVERTED, REDIRECTED};
use crate::providers::host::fs::{FsError, HostPath, Leftover, Look};
use crate::providers::host::machine::{Machine, not_running};
use crate::providers::host::parts::View;
use crate::providers::host::place;
use crate::providers::host::tool::Said;

const APT_GET: &str = "/usr/bin/apt-get";
const APT_MARK: &str = "/usr/bin/apt-mark";
const DPKG: &str = "/usr/bin/dpkg";

/// How long one of them may take: a large package over a slow line, and its scripts.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long a step may take: it runs no more of them than this.
#[cfg(feature = "controller")]
pub const LIMIT_IN_ALL: Duration = Duration::from_secs(5 * 15 * 60);
/// The most that is told of what a program said, in bytes.
const MAX_WORDS: usize = 400;
/// How many packages that came along are named.
const MAX_NAMED: usize = 20;

const APT_ALWAYS: [&str; 15] = [
    "-y",
    "-q",
    "--no-install-recommends",
    // What stands in the way stays, and the step fails.
    "--no-remove",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "Dpkg::Use-Pty=0",
    // Somebody else's apt is waited for.
    "-o",
    "DPkg::Lock::Timeout=60",
    // A name that is not known is no pattern.
    "-o",
    "APT::Cmd::Pattern-Only=true",
    "-o",
    "APT::Install-Suggests=false",
    "install",
];

/// One step on one package.
pub struct Task<'a> {
    pub host: &'a View<'a>,
    pub name: Name<'a>,
    pub step: &'a Step,
    pub context: &'a ActContext<'a>,
    /// Looks at the package in the step's terms.
    pub see: &'a dyn Fn(&View<'_>) -> Observed,
}

impl Task<'_> {
    /// Does it, from what is there `now`.
    pub fn run(&self, now: &Observed) -> Result<Vec<String>, ActError> {
        let machine = self
            .host
            .fs
            .machine()
            .ok_or_else(|| ActError::Refused(not_running().text))?;
        let packages = self.host.packages().map_err(refused)?;
        let before: BTreeSet<String> = packages.there().collect();
        let is_whole = now
            .state()
            .is_none_or(|state| state.fields.get(STATUS) == Some(&super::INSTALLED.into()));
        if packages.is_interrupted || !is_whole {
            // What it cannot finish is told by what comes next.
            call(machine, DPKG, &["--force-confold", "--configure", "-a"])?;
        }
        let said = match &self.step.state {
            None => call(machine, DPKG, &["--remove", &self.name.to_string()])?,
            Some(state) => self.put(machine, state, now)?,
        };
        let view = View::new(self.host.fs);
        let after = (self.see)(&view);
        if after.digest() != Some(self.step.leaves) {
            return Err(ActError::Failed(self.why(&said, &after)));
        }
        let there: BTreeSet<String> = view.packages().map_err(failed)?.there().collect();
        Ok(besides(&before, &there, &self.name.to_string()))
    }

    fn put(&self, machine: &dyn Machine, state: &State, now: &Observed) -> Result<Said, ActError> {
        let mut said = self.install(machine, state, now)?;
        if said.succeeded {
            let fresh = (self.see)(&View::new(self.host.fs));
            self.put_files_back(state, &fresh)?;
            let wanted = state.fields.get(HELD);
            if let (Some(Value::Bool(held)), Some(fresh)) = (wanted, fresh.state())
                && fresh.fields.get(HELD) != wanted
            {
                let word = if *held { "hold" } else { "unhold" };
                said = call(machine, APT_MARK, &[word, &self.name.to_string()])?;
            }
        }
        Ok(said)
    }

    /// Has apt install what is not as it should be. Where its lists know nothing that would do, they are brought up to
    /// date once.
    fn install(
        &self,
        machine: &dyn Machine,
        state: &State,
        now: &Observed,
    ) -> Result<Said, ActError> {
        let field = |name: &str| state.fields.get(name);
        let has = |seen: &Observed, name: &str| {
            seen.state()
                .is_some_and(|seen| seen.fields.get(name) == field(name))
        };
        let is_new = !has(now, VERSION);
        let is_done = |seen: &Observed| has(seen, VERSION) && has(seen, STATUS);
        if !is_new && has(now, STATUS) && !has_files_to_replace(state, now) {
            return Ok(Said {
                succeeded: true,
                ..Said::default()
            });
        }
        let mut arguments = APT_ALWAYS.to_vec();
        if !is_new {
            arguments.push("--reinstall");
        }
        if now
            .state()
            .is_some_and(|now| now.fields.get(HELD) == Some(&Value::Bool(true)))
        {
            arguments.push("--allow-change-held-packages");
        }
        let exact = self.exact(state, is_new)?;
        if is_new && exact.is_some() {
            arguments.push("--allow-downgrades");
        }
        let package = match exact {
            Some(version) => format!("{}={version}", self.name),
            None => self.name.to_string(),
        };
        arguments.extend(["--", &package]);
        let said = call(machine, APT_GET, &arguments)?;
        let lacks = match said.succeeded {
            true => !is_done(&(self.see)(&View::new(self.host.fs))),
            false => is_about_the_archive(&said),
        };
        if !lacks {
            return Ok(said);
        }
        call(machine, APT_GET, &["-q", "update"])?;
        call(machine, APT_GET, &arguments)
    }

    /// The version to name, where it must not be the newest one.
    fn exact(&self, state: &State, is_new: bool) -> Result<Option<String>, ActError> {
        let asked = state.fields.get(VERSION).and_then(Value::as_text);
        let terms = Terms::of(&self.step.options).version;
        let version = match (is_new, asked) {
            // As it was, which has to be known for that.
            (false, _) => {
                let packages = self.host.packages().map_err(refused)?;
                let entry = packages.find(self.host.fs, self.name).map_err(refused)?;
                entry.map(|entry| entry.version.clone())
            }
            (true, Some(asked)) if terms.wanted().as_deref() != Some(asked) => {
                Some(asked.to_owned())
            }
            (true, _) => match terms {
                Version::Exact(exact) => Some(exact),
                _ => None,
            },
        };
        match version {
            Some(version) if !version::is_version(&version) => {
                Err(ActError::Refused("its version is none of Debian's".into()))
            }
            version => Ok(version),
        }
    }

    /// Puts the files back that the step's state has beside the package's own, or takes away what it lacks.
    fn put_files_back(&self, state: &State, fresh: &Observed) -> Result<(), ActError> {
        let there = fresh
            .state()
            .map(|fresh| map(fresh, FILES).collect::<Vec<_>>());
        let there = there.unwrap_or_default();
        let missing: Vec<_> = map(state, FILES)
            .filter(|one| !there.contains(one))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let places = self.places()?;
        for (address, what) in missing {
            let path = places
                .iter()
                .find(|(own, _)| own == address)
                .map(|(_, path)| path)
                .ok_or_else(|| ActError::Failed(format!("{address} is no file of the package")))?;
            let seen = place::see(self.host.fs, path, place::Terms::Whole);
            let verify = |at: &HostPath, look: &Look| {
                let now = place::observed(self.host.fs, at, look, place::Terms::Whole);
                match now.digest() == seen.digest() {
                    true => Ok(()),
                    false => Err(FsError::Stale(format!("{address} changed meanwhile"))),
                }
            };
            let nonce = self.context.nonce;
            match found_of(state, address) {
                Some(found) => {
                    let wanted = wanted(&found, &seen, self.context)?;
                    let put = self.host.fs.put(path, &wanted, nonce, &verify, &|_| Ok(()));
                    put.map_err(act_error)?;
                }
                None if what.as_text() == Some(files::MISSING) => {
                    let gone = self.host.fs.remove(path, nonce, &verify);
                    gone.map_err(act_error)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The places of the package's files.
    fn places(&self) -> Result<Vec<(String, HostPath)>, ActError> {
        let view = View::new(self.host.fs);
        let packages = view.packages().map_err(failed)?;
        let entry = packages.find(self.host.fs, self.name).map_err(failed)?;
        match entry {
            Some(entry) => files::places(self.host.fs, entry).map_err(failed),
            None => Err(ActError::Failed("the package is gone".into())),
        }
    }

    /// Takes away what an interrupted `put_files_back` left aside.
    pub fn tidy(host: &View<'_>, name: Name<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        let Some(state) = step
            .state
            .as_ref()
            .filter(|state| map(state, FILES).next().is_some())
        else {
            return Ok(());
        };
        let packages = host.packages().map_err(failed)?;
        let Some(entry) = packages.find(host.fs, name).map_err(failed)? else {
            return Ok(());
        };
        for (address, path) in files::places(host.fs, entry).map_err(failed)? {
            let Some(found) = found_of(state, &address) else {
                continue;
            };
            let judge = |at: &HostPath, look: &Look| {
                let seen = place::observed(host.fs, at, look, place::Terms::Whole);
                match seen.digest() == Some(found.digest()) {
                    true => Leftover::Made,
                    false => Leftover::Foreign,
                }
            };
            host.fs.tidy(&path, nonce, &judge).map_err(act_error)?;
        }
        Ok(())
    }

    /// Why the package is not what the step leaves: in apt's words, else by what differs.
    fn why(&self, said: &Said, after: &Observed) -> String {
        if let Some(words) = words(said).filter(|_| !said.succeeded) {
            return words;
        }
        let fields = |state: Option<&State>| state.map(|state| state.fields.clone());
        let (wanted, there) = (fields(self.step.state.as_ref()), fields(after.state()));
        let what = match (wanted, there, after) {
            (_, _, Observed::NotEvaluated(reason)) => reason.text.clone(),
            (None, _, _) => "it is still there".to_owned(),
            (_, None, _) => "it is not there".to_owned(),
            (Some(wanted), Some(there), _) => differing(&wanted, &there),
        };
        format!("apt and dpkg ended well, but {what}")
    }
}

/// Whether a file is there in another state than the step's, that a reinstallation would put right.
fn has_files_to_replace(state: &State, now: &Observed) -> bool {
    let Some(now) = now.state() else {
        return false;
    };
    map(now, FILES).any(|(path, what)| {
        let stays = matches!(what.as_text(), Some(DIVERTED | REDIRECTED));
        let is_wanted = map(state, FILES).any(|one| one == (path, what))
            && found_of(state, path) == found_of(now, path);
        !stays && !is_wanted
    })
}

/// What a state says stood in the place of a file.
fn found_of(state: &State, address: &str) -> Option<State> {
    let (_, found) = map(state, FOUND).find(|(path, _)| *path == address)?;
    match found {
        Value::Map(fields) => Some(State::of(fields.clone())),
        _ => None,
    }
}

fn differing(wanted: &Fields, there: &Fields) -> String {
    let text = |fields: &Fields, name: &str| match fields.get(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => "none".to_owned(),
    };
    for (name, what) in [(VERSION, "version"), (STATUS, "status")] {
        if wanted.get(name) != there.get(name) {
            let (wanted, there) = (text(wanted, name), text(there, name));
            return format!("its {what} is {there} and not {wanted}");
        }
    }
    match wanted.get(HELD) == there.get(HELD) {
        true => "files of it differ still".to_owned(),
        false => "its hold differs still".to_owned(),
    }
}

/// What was installed along with it, which taking the step back leaves.
fn besides(before: &BTreeSet<String>, there: &BTreeSet<String>, own: &str) -> Vec<String> {
    let own = own.split(':').next().unwrap_or(own);
    let new: Vec<&str> = there
        .difference(before)
        .map(String::as_str)
        .filter(|name| *name != own)
        .collect();
    if new.is_empty() {
        return Vec::new();
    }
    let named = new[..new.len().min(MAX_NAMED)].join(", ");
    let more = match new.len() > MAX_NAMED {
        true => format!(" and {} more", new.len() - MAX_NAMED),
        false => String::new(),
    };
    vec![format!("apt installed besides: {named}{more}")]
}

fn call(machine: &dyn Machine, program: &str, arguments: &[&str]) -> Result<Said, ActError> {
    machine.call(program, arguments, b"", LIMIT).map_err(failed)
}

/// Whether apt's lists are to blame, which may be old.
fn is_about_the_archive(said: &Said) -> bool {
    let text = String::from_utf8_lossy(&said.errors);
    [
        "Unable to locate",
        "was not found",
        "no installation candidate",
        "o fetch",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// The errors among what apt or dpkg said, in one line.
fn words(said: &Said) -> Option<String> {
    let text = String::from_utf8_lossy(&said.errors);
    let mut told: Vec<&str> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let is_dpkgs = line.starts_with("dpkg: error");
        // dpkg says why in the line after.
        if is_dpkgs || line.starts_with("E: ") || (goes_on && line.starts_with(' ')) {
            told.push(line.trim());
        }
        goes_on = is_dpkgs;
    }
    if told.is_empty() {
        return said.first_line();
    }
    let line = told.join("; ");
    let end = line.floor_char_boundary(line.len().min(MAX_WORDS));
    Some(crate::providers::host::path::escape(
        &line.as_bytes()[..end],
    ))
}

fn refused(reason: crate::model::Reason) -> ActError {
    ActError::Refused(reason.text)
}

fn failed(reason: crate::model::Reason) -> ActError {
    ActError::Failed(reason.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: of all that a failing apt says, what a person needs is told, and no more than fits in a line.
    #[test]
    fn the_errors_are_told() {
        let said = |errors: &str| Said {
            errors: errors.as_bytes().to_vec(),
            ..Said::default()
        };
        let failing = "debconf: delaying\ndpkg: error processing package x (--configure):\n installed x package post-installation script subprocess returned error exit status 1\nErrors were encountered\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n";
        insta::assert_snapshot!(words(&said(failing)).unwrap(), @"dpkg: error processing package x (--configure):; installed x package post-installation script subprocess returned error exit status 1; E: Sub-process /usr/bin/dpkg returned an error code (1)");
        assert_eq!(words(&said("W: odd\n")).as_deref(), Some("W: odd"));
        let long = format!("E: {}\u{1b}[2J\n", "\u{e9}".repeat(1000));
        assert!(words(&said(&long)).unwrap().len() <= 2 * MAX_WORDS);
    }
}
