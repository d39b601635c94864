//! What can be said to `detect` and `rules` on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::args::{Format, LockArgs, StateArgs, duration};

/// Arguments of `detect`.
#[derive(Args, Debug)]
pub struct DetectArgs {
    /// Where logs are: a file, a folder with all below it, or - for standard input; the format is told by the content unless it
    /// is named (cloudtrail, kubernetes-audit, auditd, syslog, journald, falco, suricata, ocsf). May be given again.
    #[arg(long, required = true, value_name = "[FORMAT[@HOST]=]PATH")]
    pub events: Vec<String>,
    /// Reads on as files grow, are rotated or come into a folder, and tells each finding once when it is made, until it is
    /// interrupted.
    #[arg(long)]
    pub follow: bool,
    /// With --follow: how much later than its time a record may come and still count for a correlation in its place.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, requires = "follow")]
    pub lateness: Duration,
    #[command(flatten)]
    pub rules: RulesFrom,
    /// Goes on without the rules that cannot be evaluated, and names them; exit code 4.
    #[arg(long)]
    pub skip_bad_rules: bool,
    /// Settings of heuristics (docs/heuristics.md), instead of detect.heuristics of the baseline. Paths in it start at its folder.
    #[arg(long, value_name = "FILE")]
    pub heuristics: Option<PathBuf>,
    /// What heuristics learned: read at the start, where it is there, and written at the end.
    #[arg(long, value_name = "FILE")]
    pub learned: Option<PathBuf>,
    /// Records the incidents that the findings open or belong to; without it nothing is written.
    #[arg(long, conflicts_with = "follow")]
    pub record: bool,
    #[command(flatten)]
    pub lock: LockArgs,
    /// How far the sources are believed. Default: what a cloud service or Kubernetes wrote and is named so is authenticated,
    /// all else is host-written.
    #[arg(long, value_enum)]
    pub trust: Option<TrustArg>,
    /// The machine whose logs these are, whatever they say.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// The zone of times that have none, such as Europe/Berlin. Default: UTC.
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// How many threads. Default: as many as there are cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// How much the state of correlations may take, in MiB; what it does not hold is told.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub memory: u32,
    /// Lines longer than this, in KiB, are left out and counted.
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub max_line: u32,
    /// What is beyond this in one source, in MiB and unpacked, is left out and told.
    #[arg(long, value_name = "MIB", default_value_t = 65_536, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub max_source: u64,
    /// Also writes reports: sarif=FILE,json=FILE,ocsf=FILE.
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',')]
    pub report: Vec<String>,
    /// The lowest level of a finding that gives exit code 3 (informational to critical), or not-evaluated, refused or error to let
    /// what could not be read pass, or both with a comma.
    #[arg(long, value_name = "LEVEL")]
    pub fail_on: Option<String>,
    /// Exits with 0 whatever was found; errors still exit with 1.
    #[arg(long)]
    pub exit_zero: bool,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: DetectFormat,
}

/// Where rules are.
#[derive(Args, Debug, Clone)]
pub struct RulesFrom {
    /// Sigma rules: a file, or a folder with all below it. Default: rules/ of the baseline. May be given again.
    #[arg(long = "rules", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The directory of the baseline, in a git repository.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "desired-state",
        env = "EVENKEEL_BASELINE"
    )]
    pub baseline: PathBuf,
    /// The commit to read the rules from.
    #[arg(long, value_name = "REV", conflicts_with = "worktree")]
    pub rev: Option<String>,
    /// Reads the rules as they lie instead of a commit.
    #[arg(long)]
    pub worktree: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

/// Subcommands of `rules`.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Says which rules can be evaluated as they say, and what is wrong with the others.
    Check {
        #[command(flatten)]
        at: RulesArgs,
    },
    /// Runs the tests that lie beside rules (RULE.test.yaml).
    Test {
        #[command(flatten)]
        at: RulesArgs,
    },
    /// Says what a rule looks for, where, and what its author says of it.
    Explain {
        /// Its id, name, title or file.
        rule: String,
        #[command(flatten)]
        at: RulesArgs,
    },
}

impl RulesCommand {
    /// Which rules it is about.
    pub fn at(&self) -> &RulesArgs {
        match self {
            Self::Check { at } | Self::Test { at } | Self::Explain { at, .. } => at,
        }
    }
}

/// Which rules, and how they are shown.
#[derive(Args, Debug, Clone)]
pub struct RulesArgs {
    #[command(flatten)]
    pub from: RulesFrom,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Output formats of `detect`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum DetectFormat {
    Text,
    Json,
    Sarif,
    /// OCSF 1.2 Detection Findings, one a line.
    Ocsf,
}

/// How far a source is believed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustArg {
    Unauthenticated,
    HostWritten,
    Authenticated,
}

impl From<TrustArg> for crate::model::Trust {
    fn from(trust: TrustArg) -> Self {
        match trust {
            TrustArg::Unauthenticated => Self::Unauthenticated,
            TrustArg::HostWritten => Self::HostWritten,
            TrustArg::Authenticated => Self::Authenticated,
        }
    }
}
