//! The incidents that the findings of `detect` belong to.
//!
//! **Invariant:** without `--record` nothing is written.

use std::sync::Arc;

use crate::cli::CliError;
use crate::cli::args::DetectArgs;
use crate::cli::context::{Place, StateDir};
use crate::cli::output::Terminal;
use crate::cli::reconcile::lock_state;
use crate::clock::SystemClock;
use crate::detect::suppress::split;
use crate::engine::{Incidents, SUPPRESSED, new_run_id, news};
use crate::entropy::SystemEntropy;
use crate::model::{Detection, Suppression};
use crate::ports::{Clock, StateStore};

/// The incidents that the state has; none where there is no project.
///
/// # Errors
/// The state belongs to the rules' baseline and cannot be read.
pub fn known(args: &DetectArgs) -> Result<Incidents, CliError> {
    let Ok(place) = Place::find(&args.rules.baseline, true) else {
        return Ok(Incidents::default());
    };
    let read = || -> Result<Incidents, CliError> {
        let store = place.read_state(&args.rules.state)?;
        Ok(Incidents::read(store.as_ref())?)
    };
    match read() {
        // Whoever looks by other rules needs no state.
        Err(_) if !args.rules.paths.is_empty() => Ok(Incidents::default()),
        read => read,
    }
}

/// Takes out of a detection what is suppressed; `grows`: its findings may still get records.
pub fn suppress(detection: &mut Detection, grows: bool, suppressions: &[Suppression]) {
    let findings = std::mem::take(&mut detection.findings);
    let split = split(findings, grows, suppressions, |_| None, SystemClock.now());
    detection.findings = split.findings;
    detection.suppressed.extend(split.suppressed);
    for notice in split.notices {
        if !detection.notices.contains(&notice) {
            detection.notices.push(notice);
        }
    }
}

/// Says of each finding which incident it belongs to, and records that where it is asked for.
///
/// # Errors
/// The state cannot be read or written. The findings are told all the same.
pub fn name(
    args: &DetectArgs,
    detection: &mut Detection,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let now = SystemClock.now();
    let mut settle = |incidents: &Incidents| {
        let settled = incidents.settle(&mut detection.findings, now);
        detection.notices.extend(settled.notices);
        settled.changes
    };
    if !args.record {
        let (incidents, read) = match known(args) {
            Ok(incidents) => (incidents, Ok(())),
            Err(error) => (Incidents::default(), Err(error)),
        };
        settle(&incidents);
        return read;
    }
    let recorded = (|| {
        let place = Place::find(&args.rules.baseline, args.rules.worktree)?;
        if matches!(place.own_state(&args.rules.state)?, StateDir::None) {
            return Err(CliError::new("with --state none nothing can be recorded")
                .hint("leave out --record, or name a state directory"));
        }
        let lock = lock_state(&place, &args.rules.state, args.lock, terminal)?;
        let store: Arc<dyn StateStore> = place.write_state(&args.rules.state)?;
        let incidents = Incidents::read(store.as_ref())?;
        Ok((lock, store, incidents))
    })();
    let (_lock, store, incidents) = match recorded {
        Ok(opened) => opened,
        Err(error) => {
            settle(&Incidents::default());
            return Err(error);
        }
    };
    let run = new_run_id(now, &SystemEntropy);
    if let Some(news) = news(store.as_ref(), &detection.suppressed)? {
        let payload = serde_json::to_value(news).map_err(|error| CliError::of(&error))?;
        store.append(&run, SUPPRESSED, SystemClock.now(), payload)?;
    }
    for change in settle(&incidents) {
        store.append(&run, change.kind, SystemClock.now(), change.payload)?;
    }
    Ok(())
}
