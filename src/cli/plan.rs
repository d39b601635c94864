//! `evenkeel plan` and `evenkeel plan show`: what differs and what would be done.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use super::args::{BaselineArgs, PlanCommonArgs, StateArgs};
use super::context::{self, Doubt, Opened, Place, StateDir};
use super::logs::LogFiles;
use super::output::Terminal;
use super::reports::{self, Wishes};
use super::targets::{self, Reach};
use crate::clock::SystemClock;
use crate::engine::{CycleInput, Earlier, Engine, Facts};
use crate::entropy::SystemEntropy;
use crate::kill_switch;
use crate::model::{Command, Mode, RunReport, SignatureState, TargetInfo};
use crate::ports::{Providers, StateStore};
use crate::providers::host::HostConfig;
use crate::providers::snapshot::Recording;

/// Everything that a cycle needs, opened.
pub struct Ready {
    pub opened: Opened,
    pub targets: Vec<TargetInfo>,
    pub providers: Providers,
    pub store: Arc<dyn StateStore>,
    pub kill_switch: Option<String>,
    pub whole: bool,
}

/// Makes the plan and shows it.
pub async fn run(args: &PlanCommonArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let mut wishes = Wishes::of(&args.output)?;
    wishes.plan.clone_from(&args.out);
    let report = make(args, terminal).await?;
    Ok(reports::finish(
        report,
        &wishes,
        args.baseline.format,
        args.untrusted,
        terminal,
    ))
}

/// Makes the plan and shows one of its groups.
pub async fn show(hash: &str, args: &PlanCommonArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let mut report = make(args, terminal).await?;
    let wanted = hash.to_ascii_lowercase();
    let matching: Vec<_> = report
        .plan
        .groups
        .iter()
        .filter(|group| {
            group.hash.to_string().starts_with(&wanted) || group.fingerprint.starts_with(&wanted)
        })
        .cloned()
        .collect();
    match matching.len() {
        1 => {}
        0 => {
            return Err(CliError::new(format!(
                "the plan made now has no group {hash}: the drift is gone, or differs from what it was"
            ))
            .hint("evenkeel plan shows the groups that there are"));
        }
        many => {
            return Err(
                CliError::new(format!("{many} groups start with {hash}")).hint("give more digits")
            );
        }
    }
    let named: Vec<_> = matching[0]
        .steps
        .iter()
        .map(|step| step.resource.clone())
        .collect();
    report
        .comparison
        .drifts
        .retain(|drift| named.contains(&drift.resource));
    report.plan.groups = matching;
    let verbose = terminal.all_shown();
    Ok(reports::print(
        &report,
        &Wishes::default(),
        args.baseline.format,
        args.untrusted,
        &verbose,
    ))
}

async fn make(args: &PlanCommonArgs, terminal: &Terminal) -> Result<RunReport, CliError> {
    let place = Place::find(&args.baseline.baseline, args.baseline.worktree)?;
    let store = place.read_state(&args.state)?;
    let doubt = Doubt {
        untrusted: args.untrusted,
        trusted_rev: args.trusted_rev.as_deref(),
    };
    let cap = args.mode.map(Mode::from);
    let mut ready = prepare(&place, store, &args.baseline, &args.state, cap, doubt, None)?;
    if !args.snapshot.is_empty() {
        ready.look_at_recordings(&args.snapshot)?;
    }
    let forge = match args.untrusted || !args.snapshot.is_empty() {
        true => None,
        false => super::forge::of_run(&ready.opened.project, &mut ready.opened.notices)?,
    };
    let engine = Engine {
        providers: &ready.providers,
        store: ready.store.as_ref(),
        clock: &SystemClock,
        entropy: &SystemEntropy,
        forge: forge.as_deref(),
    };
    let logs = logs(args, &place, &mut ready.opened, terminal)?;
    let earlier = || earlier(&place, &args.baseline, &ready);
    let input = CycleInput {
        logs: logs.as_ref().map(LogFiles::input),
        earlier: Some(&earlier),
        ..ready.input(Command::Plan)
    };
    Ok(engine.cycle(input).await?)
}

/// The last good commit's resources, where it is another commit than the one at hand and is believed still.
pub fn earlier(place: &Place, args: &BaselineArgs, ready: &Ready) -> Option<Earlier> {
    let facts = Facts::read(ready.store.as_ref()).ok()?;
    let commit = facts.last_good.clone()?;
    let is_vouched_for = ready.opened.info.signature != SignatureState::Untrusted;
    if !is_vouched_for || ready.opened.info.commit.as_deref() == Some(&commit) {
        return None;
    }
    let args = BaselineArgs {
        rev: Some("last-good".to_owned()),
        worktree: false,
        ..args.clone()
    };
    let opened = place.open(&args, &facts, Doubt::default()).ok()?;
    let repo = place.git().ok()?;
    let info = repo
        .commit(&context::resolve(repo, &commit, &facts).ok()?)
        .ok()?;
    Some(Earlier {
        commit,
        time: info.committed_at,
        author: info.author,
        declared: opened.loaded.declared,
        files: opened.loaded.files,
    })
}

/// The logs of a plan. What an untrusted revision brings for rules is not held against anything.
fn logs(
    args: &PlanCommonArgs,
    place: &Place,
    opened: &mut Opened,
    terminal: &Terminal,
) -> Result<Option<LogFiles>, CliError> {
    if !args.untrusted {
        return LogFiles::of(&args.logs, place, opened, terminal);
    }
    if !args.logs.events.is_empty() {
        return Err(
            CliError::new("an untrusted revision is planned without logs")
                .hint("leave out --events, or plan a revision that somebody vouches for"),
        );
    }
    if !opened.project.events.is_empty() && !args.logs.no_events {
        let notice = "the logs of detect.events are not read for an untrusted revision";
        opened.notices.push(notice.to_owned());
    }
    Ok(None)
}

/// Opens everything that a cycle needs.
pub fn prepare(
    place: &Place,
    store: Arc<dyn StateStore>,
    baseline: &BaselineArgs,
    state: &StateArgs,
    cap: Option<Mode>,
    doubt: Doubt<'_>,
    lock_wait: Option<Duration>,
) -> Result<Ready, CliError> {
    let facts = Facts::read(store.as_ref())?;
    let mut opened = place.open(baseline, &facts, doubt)?;
    let targets = targets::targets(&opened.project, &baseline.target, cap, &mut opened.notices)?;
    let reach = Reach {
        offline: doubt
            .untrusted
            .then_some("an untrusted revision is planned offline, so no host over ssh is asked"),
        lock_wait,
        worker: baseline.worker.as_deref(),
    };
    let providers = targets::providers(place, &opened.project, &targets, state, reach);
    let state_dir = match place.state_dir(state) {
        StateDir::At(dir) => Some(dir),
        StateDir::None => None,
    };
    let configured = opened.project.guard.kill_switch.as_deref().map(Path::new);
    let switch = kill_switch::look(
        std::env::var_os(kill_switch::VARIABLE).as_deref(),
        &kill_switch::places(state_dir.as_deref(), configured),
    );
    opened.notices.extend(switch.notices);
    Ok(Ready {
        whole: targets.len() == opened.project.targets.len(),
        opened,
        targets,
        providers,
        store,
        kill_switch: switch.on,
    })
}

impl Ready {
    /// Puts recordings in the places of hosts; other targets are left out.
    fn look_at_recordings(&mut self, given: &[String]) -> Result<(), CliError> {
        let config = HostConfig {
            ignore: self.opened.project.ignore.clone(),
            validate_commands: self.opened.project.guard.validate_commands.clone(),
            ..HostConfig::default()
        };
        let mut providers = Providers::new();
        for words in given {
            let (target, file) = match words.split_once('=') {
                Some((target, file)) => (Some(target), file),
                None => (None, words.as_str()),
            };
            let recording = Recording::read(Path::new(file), target, &config)
                .map_err(|error| CliError::new(error.to_string()))?;
            let name = recording.target().clone();
            if !self.targets.iter().any(|info| info.name == name) {
                let hint = "write --snapshot TARGET=FILE with the target that it is a recording of";
                return Err(CliError::new(format!("there is no target {name}")).hint(hint));
            }
            self.opened
                .notices
                .push(format!("{name} is a recording: {file}"));
            if providers
                .insert(name.clone(), Arc::new(recording))
                .is_some()
            {
                return Err(CliError::new(format!("there are two recordings of {name}")));
            }
        }
        self.targets
            .retain(|info| providers.contains_key(&info.name));
        for info in &mut self.targets {
            info.description = "recorded host".to_owned();
        }
        self.providers = providers;
        self.whole = false;
        Ok(())
    }

    /// The cycle's input.
    pub fn input(&self, command: Command) -> CycleInput<'_> {
        CycleInput {
            command,
            project: &self.opened.project,
            declared: &self.opened.loaded.declared,
            exemptions: &self.opened.loaded.exemptions,
            suppressions: &self.opened.loaded.suppressions,
            approvals: &self.opened.loaded.approvals,
            findings: &[],
            logs: None,
            earlier: None,
            files: self.opened.loaded.files.as_ref(),
            connect: true,
            baseline: self.opened.info.clone(),
            targets: self.targets.clone(),
            kill_switch: self.kill_switch.clone(),
            expected_plan: None,
            whole: self.whole,
            notices: self.opened.notices.clone(),
        }
    }
}
