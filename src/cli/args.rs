//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use super::detect_args::*;
use super::logs::LogArgs;
use crate::model::Mode;

/// Keeps live systems on the state that a team committed to git, and answers incidents with the same means.
#[derive(Parser, Debug)]
#[command(name = "evenkeel", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 clean, 1 error, 2 drift or waiting for approval, 3 indicator of compromise,
4 not everything could be evaluated, 5 the guard refused."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Says more: -v all drifts in full, -vv what is done, -vvv everything (also: EVENKEEL_LOG).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: ColorWhen,
}

/// The commands. One is made a process, so that their sizes differ costs nothing.
#[derive(Subcommand, Debug)]
#[expect(clippy::large_enum_variant)]
pub enum Command {
    /// Validates the baseline: every error with file, line, column and a hint.
    Check(CheckArgs),
    /// Makes a project to start from.
    Init(InitArgs),
    /// Shows what differs and what would be done; changes nothing.
    Plan(PlanArgs),
    /// Puts the baseline back, as far as modes and guard allow, and proves it.
    Reconcile(ReconcileArgs),
    /// Shows which persistence places of ATT&CK (TA0003) the baseline watches, and which not.
    Coverage(CheckArgs),
    /// Writes down what every entry of a tree is, for a FileTree of the baseline; run it where that is trusted.
    Manifest(ManifestArgs),
    /// Prints JSON Schema for editors: of manifests, of evenkeel.yaml or of suppressions.yaml.
    Schema {
        /// What it is of.
        #[arg(value_enum, default_value = "manifest")]
        of: SchemaOf,
    },
    /// Looks for compromise in logs, by rules; changes nothing.
    Detect(DetectArgs),
    /// Checks, tests or explains rules.
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Opens the opposite pull request: what is live becomes the baseline.
    Adopt(AdoptArgs),
    /// Takes back what a run did, and proves it.
    Undo(UndoArgs),
    /// Shows or verifies the journal.
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
    /// Lists incidents, shows one, closes one, or reports one to hand on.
    Incident {
        #[command(subcommand)]
        command: IncidentCommand,
    },
    /// Replays recorded incidents in simulated time.
    Drill(DrillArgs),
    /// Decides whose commits are believed.
    Trust {
        #[command(subcommand)]
        command: TrustCommand,
    },
    /// Puts the worker on hosts for good, or takes it away.
    Worker {
        #[command(subcommand)]
        command: WorkerCommand,
    },
    /// Shows the whole job on a throw-away copy of an example: tamper, plan, reconcile, undo, drill.
    Demo(DemoArgs),
}

/// What a schema is of.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SchemaOf {
    /// One document of a manifest.
    Manifest,
    /// `evenkeel.yaml`.
    Project,
    /// `suppressions.yaml`.
    Suppressions,
}

/// Where the baseline is.
#[derive(Args, Debug, Clone)]
pub struct BaselineArgs {
    /// The directory of the baseline, in a git repository.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "desired-state",
        env = "EVENKEEL_BASELINE"
    )]
    pub baseline: PathBuf,
    /// The commit to read: a revision, or last-good (the newest that was verified clean).
    #[arg(long, value_name = "REV", conflicts_with = "worktree")]
    pub rev: Option<String>,
    /// Reads the files as they lie instead of a commit.
    #[arg(long)]
    pub worktree: bool,
    /// Only these targets, or the targets of these groups.
    #[arg(long, value_name = "NAME")]
    pub target: Vec<String>,
    /// Judges signatures by this file (OpenSSH's allowed_signers), for a runner that keeps no state; signatures are then required.
    #[arg(long, value_name = "FILE", env = "EVENKEEL_ALLOWED_SIGNERS")]
    pub allowed_signers: Option<PathBuf>,
    /// Accepts a commit that does not descend from the last trusted one.
    #[arg(long)]
    pub allow_rewind: bool,
    /// The worker to send to hosts over ssh. Default: evenkeel-worker beside this program.
    #[arg(long, value_name = "FILE", env = "EVENKEEL_WORKER")]
    pub worker: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

impl BaselineArgs {
    /// Just what is to be read.
    pub fn reading(dir: &std::path::Path, rev: Option<&str>, worktree: bool) -> Self {
        Self {
            baseline: dir.to_owned(),
            rev: rev.map(str::to_owned),
            worktree,
            target: Vec::new(),
            allowed_signers: None,
            allow_rewind: false,
            worker: None,
            format: Format::Text,
        }
    }
}

/// Where evenkeel keeps its journal.
#[derive(Args, Debug, Clone)]
pub struct StateArgs {
    /// The state directory, or none for a runner without a disk; default: .evenkeel at the top of the repository.
    #[arg(long, value_name = "DIR|none", env = "EVENKEEL_STATE")]
    pub state: Option<PathBuf>,
    /// The key that signs the journal; made on first use. Default: journal.key in the state directory.
    #[arg(long, value_name = "FILE", env = "EVENKEEL_JOURNAL_KEY")]
    pub journal_key: Option<PathBuf>,
}

/// What a run leaves for CI.
#[derive(Args, Debug, Clone, Default)]
pub struct OutputArgs {
    /// Also writes reports: sarif=FILE,junit=FILE,markdown=FILE,json=FILE.
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',')]
    pub report: Vec<String>,
    /// Only what is at least this bad fails: drift, not-evaluated, refused, error, a finding's level (informational to critical), or one of both with a comma.
    #[arg(long, value_name = "LEVEL")]
    pub fail_on: Option<String>,
    /// Exits with 0 whatever was found; errors still exit with 1.
    #[arg(long)]
    pub exit_zero: bool,
    /// Shows live content even where the output is no terminal.
    #[arg(long)]
    pub show_content: bool,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub baseline: BaselineArgs,
}

/// Arguments of `init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The baseline's directory.
    #[arg(default_value = "desired-state", value_name = "DIR")]
    pub dir: PathBuf,
    /// The first target's name.
    #[arg(long, default_value = "this-host")]
    pub target: String,
    /// The first target's root.
    #[arg(long, default_value = "/")]
    pub root: String,
    /// Makes the resources of what the target is now: a Debian host, on this machine or one that evenkeel.yaml reaches over ssh.
    #[arg(long)]
    pub from_live: bool,
    /// The worker to send to hosts over ssh. Default: evenkeel-worker beside this program.
    #[arg(long, value_name = "FILE", env = "EVENKEEL_WORKER")]
    pub worker: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Arguments of `plan`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PlanArgs {
    #[command(subcommand)]
    pub command: Option<PlanCommand>,
    #[command(flatten)]
    pub common: PlanCommonArgs,
}

/// What `plan` and `plan show` have in common.
#[derive(Args, Debug, Clone)]
pub struct PlanCommonArgs {
    #[command(flatten)]
    pub baseline: BaselineArgs,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Lowers the mode; never raises it.
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// Writes the plan, for reconcile --plan.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Plans against a recording of a host instead of the host: JSON, for the target of the recording's host name or for TARGET.
    #[arg(long, value_name = "[TARGET=]FILE")]
    pub snapshot: Vec<String>,
    #[command(flatten)]
    pub logs: LogArgs,
    /// Plans a revision that nobody vouches for (a fork's): no token, no network, no command; guard and forge from the trusted commit.
    #[arg(long)]
    pub untrusted: bool,
    /// The commit whose evenkeel.yaml counts with --untrusted.
    #[arg(long, value_name = "REV", requires = "untrusted")]
    pub trusted_rev: Option<String>,
}

/// Subcommands of `plan`.
#[derive(Subcommand, Debug)]
pub enum PlanCommand {
    /// Shows one group of the plan that would be made now, whole.
    Show {
        /// The group's hash, or the start of it.
        hash: String,
        #[command(flatten)]
        common: PlanCommonArgs,
    },
}

/// Arguments of `reconcile`.
#[derive(Args, Debug)]
pub struct ReconcileArgs {
    #[command(flatten)]
    pub baseline: BaselineArgs,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Lowers the mode; never raises it.
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// Applies exactly this plan, whole, or refuses.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub logs: LogArgs,
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Arguments of `adopt`.
#[derive(Args, Debug)]
pub struct AdoptArgs {
    /// What to adopt, all of it in one pull request: Kind/name, target/Kind/name, or the fingerprint of a drift.
    #[arg(required = true, value_name = "RESOURCE")]
    pub resources: Vec<String>,
    /// Prints the change for git apply (or as JSON) and opens nothing; needs no forge and writes no state.
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    pub baseline: BaselineArgs,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub lock: LockArgs,
}

/// How long to wait for another run.
#[derive(Args, Debug, Clone, Copy)]
pub struct LockArgs {
    /// How long to wait for another run on the same root, such as 0s or 5m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub lock_wait: Duration,
}

/// Arguments of `undo`.
#[derive(Args, Debug)]
pub struct UndoArgs {
    /// The run to take back.
    #[arg(required_unless_present = "resume")]
    pub run: Option<String>,
    /// Also takes back what answered an indicator of compromise.
    #[arg(long)]
    pub reopen: bool,
    /// Ends the rest that an undo began, so that the schedule takes over again.
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    pub resume: Option<String>,
    #[command(flatten)]
    pub baseline: BaselineArgs,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Subcommands of `journal`.
#[derive(Subcommand, Debug)]
pub enum JournalCommand {
    /// Shows records.
    Show {
        /// Only this run.
        #[arg(long)]
        run: Option<String>,
        /// Only what names this resource (target/Kind/name).
        #[arg(long)]
        resource: Option<String>,
        /// Only records of this kind.
        #[arg(long)]
        kind: Vec<String>,
        #[command(flatten)]
        at: JournalArgs,
    },
    /// Proves that no record was changed, removed, reordered or cut off.
    Verify {
        /// A head that an earlier run printed: it has to be in the journal still.
        #[arg(long, value_name = "HASH")]
        expect_head: Option<String>,
        #[command(flatten)]
        at: JournalArgs,
    },
}

impl JournalCommand {
    /// Which journal it is about.
    pub fn at(&self) -> &JournalArgs {
        match self {
            Self::Show { at, .. } | Self::Verify { at, .. } => at,
        }
    }
}

/// Subcommands of `incident`.
#[derive(Subcommand, Debug)]
pub enum IncidentCommand {
    /// Lists the open ones.
    List {
        /// Only those that are open, as without it.
        #[arg(long, conflicts_with = "all")]
        open: bool,
        /// Also those that are closed.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        at: JournalArgs,
    },
    /// Shows all that is known of one, in the order of time.
    Show {
        /// Its id, or the first digits of it.
        id: String,
        #[command(flatten)]
        at: JournalArgs,
    },
    /// Closes one: nothing more has to be done.
    Close {
        /// Its id, or the first digits of it.
        id: String,
        /// What it was, and why it is over.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        lock: LockArgs,
        #[command(flatten)]
        at: JournalArgs,
    },
    /// Writes a report of one to hand on, as Markdown.
    Report {
        /// Its id, or the first digits of it.
        id: String,
        /// Writes it there.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        at: JournalArgs,
    },
}

impl IncidentCommand {
    /// Where incidents are recorded.
    pub fn at(&self) -> &JournalArgs {
        match self {
            Self::List { at, .. }
            | Self::Show { at, .. }
            | Self::Close { at, .. }
            | Self::Report { at, .. } => at,
        }
    }
}

/// Which journal.
#[derive(Args, Debug, Clone)]
pub struct JournalArgs {
    /// The directory of the baseline whose repository holds the journal.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "desired-state",
        env = "EVENKEEL_BASELINE"
    )]
    pub baseline: PathBuf,
    #[command(flatten)]
    pub state: StateArgs,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Arguments of `manifest`.
#[derive(Args, Debug)]
pub struct ManifestArgs {
    /// The directory, by its real place.
    pub path: PathBuf,
    /// Leaves out what matches, with all below it; relative to the directory. May be given again.
    #[arg(long, value_name = "GLOB")]
    pub ignore: Vec<String>,
    /// Where to write it; standard output unless given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also puts the content of each file here, by its digest.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

/// Arguments of `drill`.
#[derive(Args, Debug)]
pub struct DrillArgs {
    /// Names below the scenarios directory, or paths; all when none is given.
    pub scenarios: Vec<String>,
    /// Where scenarios are.
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub dir: PathBuf,
    /// Seeds everything that chance decides.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Rewrites expected.txt; never while an expectation fails.
    #[arg(long)]
    pub bless: bool,
    /// Also writes a report: junit=FILE.
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',')]
    pub report: Vec<String>,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Subcommands of `trust`.
#[derive(Subcommand, Debug)]
pub enum TrustCommand {
    /// Pins the first trusted commit.
    Init {
        #[command(flatten)]
        baseline: BaselineArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Shows what is trusted, and whether the commit at hand is.
    Show {
        #[command(flatten)]
        baseline: BaselineArgs,
        #[command(flatten)]
        state: StateArgs,
    },
}

impl TrustCommand {
    /// Which baseline it is about.
    pub fn baseline(&self) -> &BaselineArgs {
        match self {
            Self::Init { baseline, .. } | Self::Show { baseline, .. } => baseline,
        }
    }
}

/// Subcommands of `worker`.
#[derive(Subcommand, Debug)]
pub enum WorkerCommand {
    /// Puts the worker where it is started, with the line of sudoers for targets with become: sudo, and tries it.
    Install {
        /// Prints what would be put where, as for one's own tools, and connects to no host.
        #[arg(long)]
        print: bool,
        /// Does not try whether a run could start the worker, as where evenkeel's own key is elsewhere.
        #[arg(long)]
        no_try: bool,
        #[command(flatten)]
        on: WorkerArgs,
    },
    /// Takes away the line of sudoers and every worker.
    Clean {
        #[command(flatten)]
        on: WorkerArgs,
    },
}

impl WorkerCommand {
    /// What both are told.
    pub fn on(&self) -> &WorkerArgs {
        match self {
            Self::Install { on, .. } | Self::Clean { on } => on,
        }
    }
}

/// On which hosts, and as whom.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    /// Targets over ssh, or groups of them.
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Who logs in where become: sudo is set: root, or one who may become root by sudo without a password.
    #[arg(long = "as", value_name = "USER", default_value = "root", value_parser = user)]
    pub admin: String,
    /// The private key of that user, instead of the target's.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    #[command(flatten)]
    pub baseline: BaselineArgs,
    #[command(flatten)]
    pub state: StateArgs,
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// The example project.
    #[arg(long, value_name = "DIR", default_value = "desired-state")]
    pub example: PathBuf,
    /// The scenarios for the drill at the end.
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub scenarios: PathBuf,
    /// Keeps the throw-away folder and says where it is.
    #[arg(long)]
    pub keep: bool,
}

/// Output formats.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text,
    Json,
}

/// When to use colour.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// Modes on the command line.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModeArg {
    Observe,
    Propose,
    Enforce,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Observe => Self::Observe,
            ModeArg::Propose => Self::Propose,
            ModeArg::Enforce => Self::Enforce,
        }
    }
}

/// Reads the name of a user, which has to be no option of ssh.
fn user(text: &str) -> Result<String, String> {
    match crate::baseline::is_user(text) {
        true => Ok(text.to_owned()),
        false => Err("that is no user to log in as".to_owned()),
    }
}

/// Reads `90s`, `5m`, `2h` or `1d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is written 30s, 5m, 2h or 1d".to_owned();
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}
