//! `evenkeel incident`: what is open, what is known of it, and closing it.
//!
//! Flow: the journal → incidents → text, JSON or a report; `close` appends one record.
//!
//! **Invariant:** an incident is changed by signed records alone, and no live system is asked.

pub mod of_detect;

use super::CliError;
use super::args::{Format, IncidentCommand, JournalArgs};
use super::context::Place;
use super::output::Terminal;
use super::reports::write_file;
use crate::clock::SystemClock;
use crate::engine::{Incidents, NotClosed, new_run_id};
use crate::entropy::SystemEntropy;
use crate::model::Incident;
use crate::ports::Clock;
use crate::report::incident::{json, markdown, text};

/// Carries out a subcommand.
pub fn run(command: &IncidentCommand, terminal: &Terminal) -> Result<u8, CliError> {
    match command {
        IncidentCommand::List { all, at, .. } => list(*all, at, terminal),
        IncidentCommand::Show { id, at } => show(id, at, terminal),
        IncidentCommand::Close {
            id,
            reason,
            lock,
            at,
        } => {
            let place = Place::find(&at.baseline, true)?;
            // Before anything is made or locked.
            let store = place.read_state(&at.state)?;
            let known = Incidents::read(store.as_ref())?;
            known.close(id, reason).map_err(not_closed)?;
            let _lock = super::reconcile::lock_state(&place, &at.state, *lock, terminal)?;
            close(id, reason, &place, at, terminal)
        }
        IncidentCommand::Report { id, out, at } => {
            let (incident, done) = known(id, at)?;
            let text = match at.format {
                Format::Json => json::one(&incident, &done),
                Format::Text => markdown::render(&incident, &done),
            };
            match out {
                Some(path) => write_file(path, text.as_bytes())?,
                None => terminal.out(&text),
            }
            Ok(0)
        }
    }
}

fn list(all: bool, at: &JournalArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let store = Place::find(&at.baseline, true)?.read_state(&at.state)?;
    let incidents = Incidents::read(store.as_ref())?;
    let mut shown = incidents.all();
    shown.retain(|it| all || it.is_open());
    terminal.out(&match at.format {
        Format::Json => json::list(&shown),
        Format::Text => text::list(&shown, &terminal.style(false)),
    });
    Ok(0)
}

fn show(id: &str, at: &JournalArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let (incident, done) = known(id, at)?;
    terminal.out(&match at.format {
        Format::Json => json::one(&incident, &done),
        Format::Text => text::one(&incident, &done, &terminal.style(false)),
    });
    Ok(0)
}

fn close(
    id: &str,
    reason: &str,
    place: &Place,
    at: &JournalArgs,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    if reason.trim().is_empty() {
        return Err(CliError::new("--reason says nothing")
            .hint("say what it was and why nothing more has to be done"));
    }
    let store = place.write_state(&at.state)?;
    let mut incidents = Incidents::read(store.as_ref())?;
    let change = incidents.close(id, reason).map_err(not_closed)?;
    let now = SystemClock.now();
    let run = new_run_id(now, &SystemEntropy);
    store.append(&run, change.kind, now, change.payload.clone())?;
    incidents.apply(&[change], &run, now);
    let incident = incidents.named(id).map_err(not_closed)?;
    terminal.out(&match at.format {
        Format::Json => json::one(incident, &Incidents::acts(store.as_ref(), incident)?),
        Format::Text => text::closed(incident),
    });
    Ok(0)
}

fn known(
    id: &str,
    at: &JournalArgs,
) -> Result<(Incident, Vec<crate::model::IncidentAct>), CliError> {
    let store = Place::find(&at.baseline, true)?.read_state(&at.state)?;
    let incidents = Incidents::read(store.as_ref())?;
    let incident = incidents.named(id).map_err(not_closed)?.clone();
    let done = Incidents::acts(store.as_ref(), &incident)?;
    Ok((incident, done))
}

fn not_closed(error: NotClosed) -> CliError {
    let hint = match &error {
        NotClosed::Several(..) => "give more digits",
        NotClosed::Unknown(_) | NotClosed::Already(_) => {
            "evenkeel incident list --all shows those that there are"
        }
    };
    CliError::of(&error).hint(hint)
}
