//! Brings the state of a unit about with `systemctl`.
//!
//! Flow: take files away or put them back → reload → unmask → enable or disable → mask → start or stop → look again.
//!
//! **Invariant:** a step has succeeded only when the unit was seen to be what the step leaves, a moment after it was started.

use std::time::Duration;

use super::{
    ENABLED, FOR_NOW, FOUND, MASKED, NEEDS_RELOAD, RUNNING, SYSTEMCTL, Service, ask, files, words,
};
use crate::model::Contents;
use crate::model::{Fields, Observed, State, Step, Value};
use crate::ports::{ActContext, ActError};
use crate::providers::host::act::{act_error, wanted};
use crate::providers::host::fs::{FsError, HostPath, Leftover, Look};
use crate::providers::host::machine::Machine;
use crate::providers::host::parts::{Part, View};
use crate::providers::host::place;

/// How long a unit may take to start or stop: systemd gives it 90 seconds, and as long to be killed.
const LIMIT: Duration = Duration::from_secs(200);
/// How long a step may take.
#[cfg(feature = "controller")]
pub const LIMIT_IN_ALL: Duration = Duration::from_secs(10 * 60);
/// How long a unit has to live to count as started.
const SETTLED: Duration = Duration::from_millis(700);

/// One step on one unit.
pub struct Task<'a> {
    pub host: &'a View<'a>,
    pub machine: &'a dyn Machine,
    pub name: &'a str,
    pub step: &'a Step,
    pub wanted: &'a State,
    pub context: &'a ActContext<'a>,
}

impl Task<'_> {
    /// Does it, from what is there `now`; gives what a person has to know.
    pub fn run(&self, now: &State) -> Result<Vec<String>, ActError> {
        let is = |state: &State, field: &str| state.get(field) == Some(&Value::Bool(true));
        let differs = |field: &str| now.get(field) != self.wanted.get(field);
        let is_changed = self.change_files(now)?;
        if is_changed || is(now, NEEDS_RELOAD) {
            self.call(&["daemon-reload"])?;
        }
        let will_mask = is(self.wanted, MASKED);
        if is(now, MASKED) && (!will_mask || differs(ENABLED)) {
            // One of the two takes away what the other made.
            self.call(&["unmask", "--", self.name])?;
            self.call(&["unmask", "--runtime", "--", self.name])?;
        }
        if differs(ENABLED) {
            self.enable()?;
        }
        // Before it is masked, since systemd stops what it no longer knows less well.
        if differs(RUNNING) && !is(self.wanted, RUNNING) {
            self.call(&["stop", "--", self.name])?;
        }
        if will_mask && (!is(now, MASKED) || differs(ENABLED)) {
            self.call(&["mask", "--", self.name])?;
        }
        if is(self.wanted, RUNNING) && differs(RUNNING) {
            self.call(&["start", "--", self.name])?;
            std::thread::sleep(SETTLED);
        }
        self.verify()?;
        // To end what runs is a decision of its own.
        let runs_on = is_changed && is(now, RUNNING) && is(self.wanted, RUNNING);
        Ok(match runs_on {
            true => vec![format!(
                "{} still runs as its files had it when it was started: restart it",
                self.name
            )],
            false => Vec::new(),
        })
    }

    fn enable(&self) -> Result<(), ActError> {
        match self.wanted.get(ENABLED) {
            Some(Value::Bool(true)) => self.call(&["enable", "--", self.name]),
            Some(Value::Bool(false)) => {
                self.call(&["disable", "--runtime", "--", self.name])?;
                self.call(&["disable", "--", self.name])
            }
            Some(Value::Text(word)) if word == FOR_NOW => {
                self.call(&["disable", "--", self.name])?;
                self.call(&["enable", "--runtime", "--", self.name])
            }
            _ => Err(ActError::Refused(
                "it cannot be made what it was for systemd".to_owned(),
            )),
        }
    }

    fn verify(&self) -> Result<(), ActError> {
        let view = View::new(self.host.fs);
        let mut kept = Contents::default();
        let after = Service.see(&view, &self.step.address, &self.step.options, &mut kept);
        let state = match &after {
            Observed::Present(state) if state.digest() == self.step.leaves => return Ok(()),
            Observed::Present(state) => state,
            Observed::Absent => return Err(ActError::Failed("it is gone".to_owned())),
            Observed::NotEvaluated(reason) => return Err(ActError::Failed(reason.text.clone())),
        };
        let differing = self
            .wanted
            .fields
            .iter()
            .find(|(field, value)| state.get(field) != Some(value));
        let what = match differing.map(|(field, _)| field.as_str()) {
            Some(RUNNING) => {
                let result = ask(self.machine, self.name).map(|unit| unit.result);
                format!(
                    "it does not stay as it was told to: systemd says {} of how it ended",
                    result.unwrap_or_default().escape_debug()
                )
            }
            Some(field) => format!("its {field} is still another"),
            None => "more was changed than asked for".to_owned(),
        };
        Err(ActError::Failed(format!(
            "systemctl ended well, but {what}"
        )))
    }

    /// Takes away the files that the wanted state has not, and puts those back that it has. Whether any was.
    fn change_files(&self, now: &State) -> Result<bool, ActError> {
        let (there, wanted) = (found(now), found(self.wanted));
        let mut changed = false;
        for path in there.keys().filter(|path| !wanted.contains_key(*path)) {
            self.change(path, None)?;
            changed = true;
        }
        for (path, state) in wanted
            .iter()
            .filter(|(path, state)| there.get(*path) != Some(state))
        {
            let Value::Map(fields) = state else {
                return Err(ActError::Refused(format!("what {path} was is not known")));
            };
            self.change(path, Some(&State::of(fields.clone())))?;
            changed = true;
        }
        Ok(changed)
    }

    fn change(&self, path: &str, state: Option<&State>) -> Result<(), ActError> {
        if !files::is_editable(path) {
            return Err(ActError::Refused(format!("{path} is no file of a unit")));
        }
        let at = files::path_of(path).map_err(|reason| ActError::Refused(reason.text))?;
        let fs = self.host.fs;
        let seen = place::see(fs, &at, place::Terms::Whole);
        let verify = |at: &HostPath, look: &Look| {
            let now = place::observed(fs, at, look, place::Terms::Whole);
            match now.digest() == seen.digest() {
                true => Ok(()),
                false => Err(FsError::Stale(format!("{path} changed meanwhile"))),
            }
        };
        let nonce = self.context.nonce;
        match state {
            None => fs.remove(&at, nonce, &verify).map_err(act_error),
            Some(state) => {
                let wanted = wanted(state, &seen, self.context)?;
                let put = fs.put(&at, &wanted, nonce, &verify, &|_| Ok(()));
                put.map(drop).map_err(act_error)
            }
        }
    }

    fn call(&self, arguments: &[&str]) -> Result<(), ActError> {
        let said = self
            .machine
            .call(SYSTEMCTL, arguments, b"", LIMIT)
            .map_err(|reason| ActError::Failed(reason.text))?;
        match said.succeeded {
            true => Ok(()),
            false => {
                let what = arguments.first().copied().unwrap_or_default();
                Err(ActError::Failed(format!(
                    "systemctl {what}: {}",
                    words(&said)
                )))
            }
        }
    }
}

/// Takes away what an interrupted step left aside.
pub fn tidy(host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
    let Some(state) = &step.state else {
        return Ok(());
    };
    for (path, kept) in found(state) {
        let (Ok(at), Value::Map(fields)) = (files::path_of(&path), kept) else {
            continue;
        };
        let made = State::of(fields).digest();
        let judge = |at: &HostPath, look: &Look| {
            let seen = place::observed(host.fs, at, look, place::Terms::Whole);
            match seen.digest() == Some(made) {
                true => Leftover::Made,
                false => Leftover::Foreign,
            }
        };
        host.fs.tidy(&at, nonce, &judge).map_err(act_error)?;
    }
    Ok(())
}

fn found(state: &State) -> Fields {
    match state.get(FOUND) {
        Some(Value::Map(found)) => found.clone(),
        _ => Fields::new(),
    }
}
