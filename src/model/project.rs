//! The project's configuration, as `evenkeel.yaml` says it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mode, Selector, SeverityRule, Span, TargetGroup, TargetName, Vars};

/// Everything in `evenkeel.yaml`. All of it could disarm evenkeel, so all of it comes from a trusted commit.
#[derive(Clone, PartialEq, Debug)]
pub struct Project {
    pub targets: Vec<Target>,
    pub groups: Vec<TargetGroup>,
    pub guard: GuardConfig,
    pub forge: Option<ForgeConfig>,
    pub trust: TrustConfig,
    /// The levels of findings, where they are not the usual ones. The first that fits decides.
    pub severity: Vec<SeverityRule>,
    /// Globs of paths that no exclusive listing looks at, on every target.
    pub ignore: Vec<String>,
}

/// One live system.
#[derive(Clone, PartialEq, Debug)]
pub struct Target {
    pub name: TargetName,
    pub provider: ProviderKind,
    pub mode: Mode,
    /// Its own and those of its groups.
    pub vars: Vars,
    /// Where `evenkeel.yaml` lists it.
    pub at: Span,
}

/// Which provider a target uses, with its connection.
#[derive(Clone, PartialEq, Debug)]
pub enum ProviderKind {
    /// A Linux root folder: on this machine, where a relative one starts at the baseline's directory, or on the host
    /// that `ssh` leads to.
    Host { root: String, ssh: Option<Ssh> },
}

/// How a host is reached: the system's own ssh, with its configuration, agent and known hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ssh {
    /// A name or address, or an alias of the ssh configuration.
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Hosts to jump over, in order, as `[user@]host[:port]`.
    pub jump: Vec<String>,
    /// The private key's file. A relative path starts at the baseline's directory.
    pub identity: Option<String>,
    /// An ssh configuration of its own, instead of the user's. As `identity`.
    pub config: Option<String>,
    /// A known_hosts of its own, instead of the user's. As `identity`.
    pub known_hosts: Option<String>,
    pub r#become: Become,
    /// How long one answer may take. Default 2 minutes.
    pub timeout: Duration,
}

/// Whose rights are used on a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Become {
    /// Those of the login user.
    #[default]
    Nobody,
    /// Those of root, through a line of sudoers that names the worker and its digest.
    Sudo,
}

/// Limits on what may be done.
#[derive(Clone, PartialEq, Debug)]
pub struct GuardConfig {
    /// The most changes in one plan; above it nothing of the plan runs. Default 100.
    pub max_changes: usize,
    /// The largest share of evaluated resources that one plan may change, in percent; none by default.
    pub max_changed_percent: Option<u32>,
    pub protected: Vec<Selector>,
    pub require_approval: Vec<Selector>,
    /// The largest state before, in bytes, that is kept for undo; what is larger is irreversible. Default 64 MiB.
    pub undo_max_bytes: u64,
    /// A file whose presence stops all acting, besides those that are always looked for.
    pub kill_switch: Option<String>,
    /// The programs that `validate` may call, as absolute paths.
    pub validate_commands: Vec<String>,
    /// How long a resource rests after a person has undone what was done to it. Default 24 hours.
    pub suspend_after_undo: Duration,
}

/// Where pull requests go.
#[derive(Clone, PartialEq, Debug)]
pub struct ForgeConfig {
    /// `github` is the only one now.
    pub kind: String,
    /// `owner/name`
    pub repository: String,
    /// The branch that pull requests are merged into. Default `main`.
    pub base: String,
    /// Default `https://api.github.com`.
    pub api_url: String,
    /// The environment variable that holds the token. Default `GITHUB_TOKEN`.
    pub token_env: String,
    /// After how many days a pull request that a person closed unmerged is raised again; 0 for the next run. Default 7.
    pub reopen_after_days: u32,
    /// How long an approval is valid. Default 7 days.
    pub approval_valid_days: u32,
    /// The most pull requests that are open at once. Default 10.
    pub max_open: usize,
    pub labels: Vec<String>,
}

/// Whose commits are believed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TrustConfig {
    pub require_signed: bool,
    /// A file in OpenSSH's allowed_signers format, relative to the baseline's directory.
    pub allowed_signers: Option<String>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            max_changes: 100,
            max_changed_percent: None,
            protected: Vec::new(),
            require_approval: Vec::new(),
            undo_max_bytes: 64 << 20,
            kill_switch: None,
            validate_commands: Vec::new(),
            suspend_after_undo: Duration::from_secs(24 * 3600),
        }
    }
}
