//! The targets of a run, and a provider for each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::CliError;
use super::args::StateArgs;
use super::context::{Place, StateDir};
use crate::model::{Mode, Project, ProviderKind, Reason, ReasonCode, Ssh, Target, TargetInfo};
use crate::ports::{Provider, Providers};
use crate::providers::host::{Host, HostConfig, LocalFs, OwnPath};
use crate::providers::remote::link::{Connector, Pipe};
use crate::providers::remote::ssh::{ROOT_DIR, SUDO_DIR, SUDOERS, SshConnector};
use crate::providers::remote::{Program, ProgramError, RemoteConfig, RemoteHost, WayIn};
use crate::providers::unreachable::Unreachable;

/// After how long a connection is made anew before it is used: half of what a worker waits.
const IDLE: Duration = Duration::from_secs(60);

/// What a run may do with hosts at the other end of a connection.
#[derive(Clone, Copy, Default)]
pub struct Reach<'a> {
    /// Why no host is connected to.
    pub offline: Option<&'static str>,
    /// Set where the run means to act: how long to wait for another run on a host's root.
    pub lock_wait: Option<Duration>,
    /// The worker to send, instead of the one beside the program.
    pub worker: Option<&'a Path>,
}

/// The targets of a run, with the modes they have in it.
pub fn targets(
    project: &Project,
    only: &[String],
    cap: Option<Mode>,
    notices: &mut Vec<String>,
) -> Result<Vec<TargetInfo>, CliError> {
    let mut named = BTreeSet::new();
    for name in only {
        let group = project.groups.iter().find(|group| group.name == *name);
        if let Some(group) = group {
            named.extend(&group.targets);
        } else if let Some(target) = project.targets.iter().find(|t| t.name.0 == *name) {
            named.insert(&target.name);
        } else {
            let groups = project.groups.iter().map(|group| group.name.as_str());
            let targets = project.targets.iter().map(|t| t.name.0.as_str());
            let known: Vec<_> = targets.chain(groups).collect();
            return Err(
                CliError::new(format!("there is no target and no group {name}"))
                    .hint(format!("evenkeel.yaml has: {}", known.join(", "))),
            );
        }
    }
    let chosen = |target: &&Target| only.is_empty() || named.contains(&target.name);
    Ok(project
        .targets
        .iter()
        .filter(chosen)
        .map(|target| {
            let mode = cap.map_or(target.mode, |cap| cap.min(target.mode));
            if cap.is_some_and(|cap| cap > target.mode) {
                notices.push(format!(
                    "target {} is committed as {}, and --mode only lowers: it stays {mode}",
                    target.name, target.mode
                ));
            }
            TargetInfo {
                name: target.name.clone(),
                description: description(target),
                committed_mode: target.mode,
                mode,
            }
        })
        .collect())
}

fn description(target: &Target) -> String {
    match &target.provider {
        ProviderKind::Host { root, ssh: None } => format!("host, root {root}"),
        ProviderKind::Host {
            root,
            ssh: Some(ssh),
        } => format!("host {} over ssh, root {root}", ssh.host),
    }
}

/// The root folder of a target on this machine; none for one that lies elsewhere.
pub fn root_of(place: &Place, target: &Target) -> Option<PathBuf> {
    match &target.provider {
        ProviderKind::Host { root, ssh: None } => Some(place.whole(root)),
        ProviderKind::Host { ssh: Some(_), .. } => None,
    }
}

/// Makes the providers of the chosen targets.
pub fn providers(
    place: &Place,
    project: &Project,
    chosen: &[TargetInfo],
    state: &StateArgs,
    reach: Reach<'_>,
) -> Providers {
    let own = own_paths(place, state);
    let mut worker = None;
    let mut providers = Providers::new();
    for target in &project.targets {
        if !chosen.iter().any(|info| info.name == target.name) {
            continue;
        }
        let provider = match &target.provider {
            ProviderKind::Host { root, ssh: None } => {
                local(place.whole(root), target, project, own.clone())
            }
            ProviderKind::Host {
                root,
                ssh: Some(ssh),
            } => {
                let worker = worker
                    .get_or_insert_with(|| Program::find(reach.worker).map(Arc::new))
                    .clone();
                remote(place, (root, ssh), target, project, worker, reach)
            }
        };
        providers.insert(target.name.clone(), provider);
    }
    providers
}

fn local(
    root: PathBuf,
    target: &Target,
    project: &Project,
    own: Vec<OwnPath>,
) -> Arc<dyn Provider> {
    let fs = match LocalFs::open(&root) {
        Ok(fs) => fs,
        Err(error) => {
            let reason = Reason::new(ReasonCode::Unreachable, crate::report_chain(&error));
            return Arc::new(Unreachable::new(reason));
        }
    };
    let config = HostConfig {
        ignore: project.ignore.clone(),
        validate_commands: project.guard.validate_commands.clone(),
        own,
        root: Some(root),
    };
    Arc::new(Host::new(target.name.clone(), fs, config))
}

fn remote(
    place: &Place,
    (root, ssh): (&str, &Ssh),
    target: &Target,
    project: &Project,
    worker: Result<Arc<Program>, ProgramError>,
    reach: Reach<'_>,
) -> Arc<dyn Provider> {
    let connector: Box<dyn Connector> = match (reach.offline, worker) {
        (Some(why), _) => Box::new(NoRoad(why.to_owned())),
        (None, Err(error)) => Box::new(NoRoad(error.to_string())),
        (None, Ok(worker)) => by_ssh(place, ssh, worker),
    };
    Arc::new(remote_host(connector, (root, ssh), target, project, reach))
}

/// The way to a host.
pub fn by_ssh(place: &Place, ssh: &Ssh, worker: Arc<Program>) -> Box<dyn Connector> {
    let whole = |path: &str| place.whole(path);
    Box::new(SshConnector::new(ssh.clone(), &whole, worker))
}

/// A host behind this way.
pub fn remote_host(
    connector: Box<dyn Connector>,
    (root, ssh): (&str, &Ssh),
    target: &Target,
    project: &Project,
    reach: Reach<'_>,
) -> RemoteHost {
    let config = RemoteConfig {
        root: root.to_owned(),
        ignore: project.ignore.clone(),
        validate_commands: project.guard.validate_commands.clone(),
        timeout: ssh.timeout,
        lock_wait: reach.lock_wait,
        idle: IDLE,
        way_in: Some(WayIn::new(root, ssh)),
        own: vec![
            (ROOT_DIR, "worker"),
            (SUDO_DIR, "worker"),
            (SUDOERS, "worker's line of sudoers"),
        ],
    };
    RemoteHost::new(target.name.clone(), connector, config)
}

/// Stands where no connection is made.
struct NoRoad(String);

#[async_trait]
impl Connector for NoRoad {
    async fn connect(&self) -> Result<Pipe, Reason> {
        Err(Reason::new(ReasonCode::Unreachable, &self.0))
    }
}

/// What of evenkeel's own lies on this machine.
fn own_paths(place: &Place, state: &StateArgs) -> Vec<OwnPath> {
    let git = match &place.repo {
        Some(repo) => repo.git_directories(),
        None => vec![place.top.join(".git")],
    };
    let mut own: Vec<_> = git
        .into_iter()
        .map(|path| OwnPath {
            path,
            what: "baseline repository",
        })
        .collect();
    if let StateDir::At(dir) = place.state_dir(state) {
        own.push(OwnPath {
            path: dir,
            what: "state directory",
        });
    }
    if let Some(key) = &state.journal_key {
        own.push(OwnPath {
            path: std::path::absolute(key).unwrap_or_else(|_| key.clone()),
            what: "journal key",
        });
    }
    if let Ok(program) = std::env::current_exe() {
        own.push(OwnPath {
            path: program,
            what: "program",
        });
    }
    own
}
