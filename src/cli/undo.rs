//! `evenkeel undo`: takes a run back, and proves it.

use super::CliError;
use super::args::UndoArgs;
use super::context::{Doubt, Place};
use super::output::Terminal;
use super::plan::prepare;
use super::reconcile::{lock_roots, lock_state};
use super::reports::{self, Wishes};
use crate::clock::SystemClock;
use crate::engine::{Engine, UndoInput};
use crate::entropy::SystemEntropy;
use crate::model::{Command, RunId};

/// Takes the run back, or ends the rest that an earlier undo began.
pub async fn run(args: &UndoArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let wishes = Wishes::of(&args.output)?;
    let place = Place::find(&args.baseline.baseline, args.baseline.worktree)?;
    let _state_lock = lock_state(&place, &args.state, args.lock, terminal)?;
    let store = place.write_state(&args.state)?;
    if !store.is_durable() {
        return Err(CliError::new(
            "there is no journal, so there is nothing to undo from",
        ));
    }
    let ready = prepare(
        &place,
        store,
        &args.baseline,
        &args.state,
        None,
        Doubt::default(),
        Some(args.lock.lock_wait),
    )?;
    let _locks = lock_roots(&place, &ready, args.lock, terminal)?;
    let engine = Engine {
        providers: &ready.providers,
        store: ready.store.as_ref(),
        clock: &SystemClock,
        entropy: &SystemEntropy,
        forge: None,
    };
    if let Some(named) = &args.resume {
        let run = engine.resume(&RunId(named.clone()))?;
        terminal.out(&format!(
            "what run {named} left at rest is managed again (run {run})\n"
        ));
        return Ok(0);
    }
    let input = UndoInput {
        run: RunId(args.run.clone().unwrap_or_default()),
        reopen: args.reopen,
        cycle: ready.input(Command::Undo),
    };
    let report = engine.undo(input).await?;
    let format = args.baseline.format;
    Ok(reports::finish(report, &wishes, format, false, terminal))
}
