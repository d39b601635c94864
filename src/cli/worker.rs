//! `evenkeel worker install` and `clean`: the worker on hosts that sudo starts it on, and everywhere else.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value as Json, json};

use super::CliError;
use super::args::{Format, WorkerArgs, WorkerCommand};
use super::context::{Doubt, Opened, Place};
use super::output::Terminal;
use super::targets::{self, Reach};
use crate::engine::Facts;
use crate::model::{Become, ProviderKind, Ssh, Target};
use crate::providers::remote::Program;
use crate::providers::remote::ssh::{Deed, Installer, SUDOERS};
use crate::report::escape;

/// How many hosts are worked on at a time.
const AT_ONCE: usize = 16;

/// One target over ssh.
struct On<'a> {
    target: &'a Target,
    root: &'a str,
    ssh: &'a Ssh,
    installer: Installer,
}

/// What became of one target.
struct Became<'a> {
    target: &'a Target,
    host: &'a str,
    deeds: Vec<Deed>,
    /// Set where it was tried whether a run could start the worker, and it could.
    tried: bool,
    error: Option<String>,
}

/// Carries out a subcommand.
pub async fn run(command: &WorkerCommand, terminal: &Terminal) -> Result<u8, CliError> {
    let args = command.on();
    let place = Place::find(&args.baseline.baseline, args.baseline.worktree)?;
    let facts = Facts::read(place.read_state(&args.state)?.as_ref())?;
    let opened = place.open(&args.baseline, &facts, Doubt::default())?;
    let worker = Program::find(args.baseline.worker.as_deref())
        .map(Arc::new)
        .map_err(|error| {
            CliError::of(&error).hint("build it as the README says, or name it with --worker")
        })?;
    let on = hosts(&place, &opened, args, &worker)?;
    if let WorkerCommand::Install { print: true, .. } = command {
        return print(&on, &worker, args.baseline.format, terminal);
    }
    let became = stream::iter(&on).map(|one| async {
        match command {
            WorkerCommand::Install { no_try, .. } => {
                install(&place, &opened, one, &worker, *no_try).await
            }
            WorkerCommand::Clean { .. } => clean(one).await,
        }
    });
    let became: Vec<_> = became.buffered(AT_ONCE).collect().await;
    Ok(tell(command, &became, &worker, terminal))
}

/// The chosen targets, all of them over ssh.
fn hosts<'a>(
    place: &Place,
    opened: &'a Opened,
    args: &WorkerArgs,
    worker: &Arc<Program>,
) -> Result<Vec<On<'a>>, CliError> {
    let names: Vec<_> = args
        .targets
        .iter()
        .chain(&args.baseline.target)
        .cloned()
        .collect();
    let chosen = targets::targets(&opened.project, &names, None, &mut Vec::new())?;
    let identity = args
        .identity
        .as_deref()
        .map(std::path::absolute)
        .transpose();
    let identity = identity.map_err(|error| CliError::new(format!("--identity: {error}")))?;
    let mut on = Vec::new();
    for target in &opened.project.targets {
        if !chosen.iter().any(|info| info.name == target.name) {
            continue;
        }
        let ProviderKind::Host { root, ssh } = &target.provider;
        let Some(ssh) = ssh else {
            return Err(CliError::new(format!(
                "{} lies on this machine, where no worker is needed; nothing was done",
                target.name
            ))
            .hint("name targets with ssh"));
        };
        let whole = |path: &str| place.whole(path);
        let installer = Installer::new(
            ssh,
            &whole,
            Arc::clone(worker),
            &args.admin,
            identity.clone(),
        );
        on.push(On {
            target,
            root,
            ssh,
            installer,
        });
    }
    Ok(on)
}

async fn install<'a>(
    place: &Place,
    opened: &Opened,
    one: &'a On<'a>,
    worker: &Arc<Program>,
    no_try: bool,
) -> Became<'a> {
    let mut became = Became::of(one, one.installer.install().await);
    if became.error.is_some() || no_try {
        return became;
    }
    let connector = targets::by_ssh(place, one.ssh, Arc::clone(worker));
    let host = targets::remote_host(
        connector,
        (one.root, one.ssh),
        one.target,
        &opened.project,
        Reach::default(),
    );
    match host.prove_login().await {
        Ok(()) => became.tried = true,
        Err(reason) => {
            became.error = Some(format!(
                "it was installed, and a run could not start it: {}",
                reason.text
            ));
        }
    }
    became
}

async fn clean<'a>(one: &'a On<'a>) -> Became<'a> {
    Became::of(one, one.installer.clean().await)
}

impl<'a> Became<'a> {
    fn of(one: &'a On<'a>, done: Result<Vec<Deed>, crate::model::Reason>) -> Self {
        let (deeds, error) = match done {
            Ok(deeds) => (deeds, None),
            Err(reason) => (Vec::new(), Some(reason.text)),
        };
        Self {
            target: one.target,
            host: &one.ssh.host,
            deeds,
            tried: false,
            error,
        }
    }

    fn json(&self) -> Json {
        let deeds = self.deeds.iter();
        let deeds = deeds.map(|deed| json!({"what": deed.what.as_str(), "path": deed.path}));
        json!({
            "target": self.target.name.0,
            "host": self.host,
            "done": deeds.collect::<Vec<_>>(),
            "tried": self.tried,
            "error": self.error,
        })
    }

    fn lines(&self) -> String {
        let deeds = self.deeds.iter();
        let mut said: Vec<_> = deeds
            .map(|deed| format!("{} {}", deed.what.as_str(), deed.path))
            .collect();
        match &self.error {
            Some(error) => said.push(format!("error: {error}")),
            None if self.tried => said.push("a run can start it".to_owned()),
            None if said.is_empty() => said.push("nothing was there".to_owned()),
            None => {}
        }
        let line = |said: &String| format!("{}: {}\n", self.target.name, escape::terminal(said));
        said.iter().map(line).collect()
    }
}

fn tell(
    command: &WorkerCommand,
    became: &[Became<'_>],
    worker: &Program,
    terminal: &Terminal,
) -> u8 {
    let failed = became.iter().filter(|one| one.error.is_some()).count();
    let code = u8::from(failed > 0);
    let (word, done) = match command {
        WorkerCommand::Install { .. } => ("install", "installed"),
        WorkerCommand::Clean { .. } => ("clean", "cleaned"),
    };
    match command.on().baseline.format {
        Format::Json => {
            let value = json!({
                "schema": "evenkeel.dev/worker/v1",
                "command": word,
                "sha256": worker.digest,
                "targets": became.iter().map(Became::json).collect::<Vec<_>>(),
                "exit_code": code,
            });
            terminal.out(&format!("{value:#}\n"));
        }
        Format::Text => {
            let lines: String = became.iter().map(Became::lines).collect();
            let all = became.len();
            terminal.out(&format!("{lines}{done}: {} of {all}\n", all - failed));
        }
    }
    code
}

/// What somebody who has other means would put on each host.
fn print(
    on: &[On<'_>],
    worker: &Program,
    format: Format,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let mut text = String::new();
    let mut all = Vec::new();
    for one in on {
        let name = &one.target.name;
        if one.ssh.r#become == Become::Nobody {
            text.push_str(&format!("{name}: the worker is sent by the first run\n"));
            continue;
        }
        let (path, line) = one
            .installer
            .line()
            .map_err(|why| CliError::new(format!("{name}: {why}")))?;
        text.push_str(&format!(
            "{name}: {path}, root:root 0755, in folders that only root can write\n\
             {name}: {SUDOERS}, root:root 0440: {line}\n"
        ));
        all.push(json!({
            "target": name.0, "host": one.ssh.host, "path": path, "sudoers": SUDOERS, "line": line
        }));
    }
    match format {
        Format::Text => terminal.out(&text),
        Format::Json => {
            let value = json!({
                "schema": "evenkeel.dev/worker/v1",
                "command": "print",
                "sha256": worker.digest,
                "targets": all,
                "exit_code": 0,
            });
            terminal.out(&format!("{value:#}\n"));
        }
    }
    Ok(0)
}
