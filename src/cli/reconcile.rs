//! `evenkeel reconcile`: puts the baseline back.

use std::path::PathBuf;

use super::CliError;
use super::args::{LockArgs, ReconcileArgs};
use super::context::{self, Doubt, Place};
use super::logs::LogFiles;
use super::output::Terminal;
use super::plan::{Ready, earlier, prepare};
use super::reports::{self, Wishes};
use super::targets;
use crate::clock::SystemClock;
use crate::engine::{CycleInput, Engine};
use crate::entropy::SystemEntropy;
use crate::lock::RootLock;
use crate::model::{Command, Mode};

/// Plans, guards, acts, verifies.
pub async fn run(args: &ReconcileArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let wishes = Wishes::of(&args.output)?;
    let expected = args.plan.as_deref().map(reports::read_plan).transpose()?;
    let place = Place::find(&args.baseline.baseline, args.baseline.worktree)?;
    let _state_lock = lock_state(&place, &args.state, args.lock, terminal)?;
    let store = place.write_state(&args.state)?;
    let cap = args.mode.map(Mode::from);
    let mut ready = prepare(
        &place,
        store,
        &args.baseline,
        &args.state,
        cap,
        Doubt::default(),
        Some(args.lock.lock_wait),
    )?;
    context::remember(&ready.opened, ready.store.as_ref(), &SystemClock)?;
    let _locks = lock_roots(&place, &ready, args.lock, terminal)?;
    let forge = super::forge::of_run(&ready.opened.project, &mut ready.opened.notices)?;
    let engine = Engine {
        providers: &ready.providers,
        store: ready.store.as_ref(),
        clock: &SystemClock,
        entropy: &SystemEntropy,
        forge: forge.as_deref(),
    };
    let logs = LogFiles::of(&args.logs, &place, &ready.opened, terminal)?;
    let earlier = || earlier(&place, &args.baseline, &ready);
    let input = CycleInput {
        expected_plan: expected,
        earlier: Some(&earlier),
        logs: logs.as_ref().map(LogFiles::input),
        ..ready.input(Command::Reconcile)
    };
    let report = engine.cycle(input).await?;
    let format = args.baseline.format;
    Ok(reports::finish(report, &wishes, format, false, terminal))
}

/// Holds the state for this run alone.
pub fn lock_state(
    place: &Place,
    state: &super::args::StateArgs,
    lock: LockArgs,
    terminal: &Terminal,
) -> Result<Option<RootLock>, CliError> {
    let context::StateDir::At(dir) = place.own_state(state)? else {
        return Ok(None);
    };
    crate::journal::prepare(&dir)?;
    acquire(&[dir], "the state", lock, terminal).map(Some)
}

/// Holds every root of the run.
pub fn lock_roots(
    place: &Place,
    ready: &Ready,
    lock: LockArgs,
    terminal: &Terminal,
) -> Result<RootLock, CliError> {
    let roots: Vec<_> = ready
        .opened
        .project
        .targets
        .iter()
        .filter(|target| ready.targets.iter().any(|info| info.name == target.name))
        .filter_map(|target| targets::root_of(place, target))
        .filter(|root| root.is_dir())
        .collect();
    acquire(&roots, "the root", lock, terminal)
}

fn acquire(
    paths: &[PathBuf],
    what: &str,
    lock: LockArgs,
    terminal: &Terminal,
) -> Result<RootLock, CliError> {
    let waiting = |holder: &str| {
        terminal.note(&format!(
            "waiting for another run that holds {what}: {holder}"
        ));
    };
    RootLock::acquire_all(paths, "evenkeel", lock.lock_wait, &waiting).map_err(|error| {
        CliError::of(&error).hint("wait for it, or give --lock-wait more time, such as 10m")
    })
}
