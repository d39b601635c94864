//! `evenkeel drill`: replays recorded incidents in simulated time.

use std::path::Path;

use super::CliError;
use super::args::{DrillArgs, Format};
use super::output::Terminal;
use super::reports::write_file;
use crate::report::escape;
use crate::sim::drill;

/// Runs the scenarios, prints what became of them, and gives the exit code.
pub async fn run(args: &DrillArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let found = drill::find(&args.dir, &args.scenarios).map_err(|why| {
        CliError::new(why).hint("--dir names the directory that holds the scenarios")
    })?;
    let drills = drill::run_all(&found, args.seed, args.bless).await;
    for wish in &args.report {
        match wish.split_once('=') {
            Some(("junit", path)) => {
                write_file(Path::new(path), drill::junit(&drills.results).as_bytes())?;
            }
            _ => {
                return Err(CliError::new(format!("--report {wish} is not junit=FILE")));
            }
        }
    }
    match args.format {
        Format::Json => terminal.out(&drill::json(&drills.results)),
        Format::Text => terminal.out(&drill::text(&drills.results, terminal.is_verbose())),
    }
    for error in &drills.errors {
        terminal.note(&error.render(terminal.colour_on_stderr()));
    }
    for name in &drills.blessed {
        terminal.note(&format!("blessed {}", escape::terminal(name)));
    }
    for (name, why) in &drills.not_blessed {
        terminal.error(&format!("{name} was not blessed: {why}"), None);
    }
    Ok(drills.exit_code())
}
