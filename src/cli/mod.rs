//! The command line: one file a command; everything here is glue.
//!
//! Flow: arguments → [`run`] → a command makes its answer → text or JSON on standard output, everything else on
//! standard error → exit code.
//!
//! **Invariant:** no decision about live systems is taken here; clap's own exit code 2 never leaks.

mod adopt;
mod args;
mod check;
mod context;
mod coverage;
mod demo;
mod detect;
mod detect_args;
mod drill;
mod error;
mod follow;
mod forge;
mod from_live;
mod heuristics;
mod incident;
mod init;
mod journal;
mod logs;
mod manifest;
mod output;
mod plan;
mod reconcile;
mod reports;
mod rules;
mod schema;
mod sources;
mod targets;
mod told;
mod trust;
mod undo;
mod worker;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, PlanCommand};
pub use error::CliError;
use output::Terminal;

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a wrong word is one, and 2 would mean drift.
            let code = u8::from(error.use_stderr());
            // Nothing can be said when not even the error can be printed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let terminal = Terminal::new(cli.color, cli.verbose);
    terminal.start_tracing();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = CliError::new(format!("failed to start: {error}"));
            return error.print(&terminal, false);
        }
    };
    let json = wants_json(&cli.command);
    let directory = baseline_of(&cli.command).to_owned();
    match runtime.block_on(dispatch(cli.command, &terminal)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => error.within(&directory).print(&terminal, json),
    }
}

async fn dispatch(command: Command, terminal: &Terminal) -> Result<u8, CliError> {
    match command {
        Command::Check(args) => check::run(&args, terminal).await,
        Command::Coverage(args) => coverage::run(&args, terminal).await,
        Command::Init(args) if args.from_live => from_live::run(&args, terminal).await,
        Command::Schema { of } => schema::run(of, terminal),
        Command::Init(args) => init::run(&args, terminal),
        Command::Manifest(args) => manifest::run(&args, terminal),
        Command::Plan(args) => match args.command {
            Some(PlanCommand::Show { hash, common }) => plan::show(&hash, &common, terminal).await,
            None => plan::run(&args.common, terminal).await,
        },
        Command::Reconcile(args) => reconcile::run(&args, terminal).await,
        Command::Detect(args) => detect::run(&args, terminal).await,
        Command::Rules { command } => rules::run(&command, terminal),
        Command::Adopt(args) => adopt::run(&args, terminal).await,
        Command::Undo(args) => undo::run(&args, terminal).await,
        Command::Journal { command } => journal::run(&command, terminal),
        Command::Incident { command } => incident::run(&command, terminal),
        Command::Drill(args) => drill::run(&args, terminal).await,
        Command::Trust { command } => trust::run(&command, terminal),
        Command::Worker { command } => worker::run(&command, terminal).await,
        Command::Demo(args) => demo::run(&args, terminal).await,
    }
}

/// The directory that the files of a command's problems are relative to.
fn baseline_of(command: &Command) -> &Path {
    match command {
        Command::Check(args) | Command::Coverage(args) => &args.baseline.baseline,
        Command::Plan(args) => match &args.command {
            Some(PlanCommand::Show { common, .. }) => &common.baseline.baseline,
            None => &args.common.baseline.baseline,
        },
        Command::Reconcile(args) => &args.baseline.baseline,
        Command::Adopt(args) => &args.baseline.baseline,
        Command::Detect(args) if args.rules.paths.is_empty() => &args.rules.baseline,
        Command::Rules { command } if command.at().from.paths.is_empty() => {
            &command.at().from.baseline
        }
        Command::Undo(args) => &args.baseline.baseline,
        Command::Journal { command } => &command.at().baseline,
        Command::Incident { command } => &command.at().baseline,
        Command::Trust { command } => &command.baseline().baseline,
        Command::Worker { command } => &command.on().baseline.baseline,
        Command::Init(args) => &args.dir,
        Command::Manifest(_)
        | Command::Schema { .. }
        | Command::Drill(_)
        | Command::Demo(_)
        | Command::Detect(_)
        | Command::Rules { .. } => Path::new(""),
    }
}

fn wants_json(command: &Command) -> bool {
    let format = match command {
        Command::Check(args) | Command::Coverage(args) => args.baseline.format,
        Command::Init(args) => args.format,
        Command::Plan(args) => match &args.command {
            Some(PlanCommand::Show { common, .. }) => common.baseline.format,
            None => args.common.baseline.format,
        },
        Command::Reconcile(args) => args.baseline.format,
        Command::Adopt(args) => args.baseline.format,
        Command::Undo(args) => args.baseline.format,
        Command::Journal { command } => command.at().format,
        Command::Incident { command } => command.at().format,
        Command::Drill(args) => args.format,
        Command::Rules { command } => command.at().format,
        Command::Detect(args) => match args.format {
            args::DetectFormat::Text => args::Format::Text,
            _ => args::Format::Json,
        },
        Command::Trust { command } => command.baseline().format,
        Command::Worker { command } => command.on().baseline.format,
        Command::Manifest(_) | Command::Schema { .. } | Command::Demo(_) => args::Format::Text,
    };
    format == args::Format::Json
}
