//! `evenkeel init`: a project to start from.

use serde_json::json;

use super::CliError;
use super::args::{Format, InitArgs};
use super::output::Terminal;
use crate::baseline::{Starter, init};

/// Writes the project; never overwrites anything.
pub fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let starter = Starter::new(&args.target, &args.root).map_err(CliError::problems)?;
    let written = init(&args.dir, &starter)?;
    match args.format {
        Format::Json => {
            let value = json!({"schema": "evenkeel.dev/init/v1", "written": written, "exit_code": 0});
            terminal.out(&format!("{value:#}\n"));
        }
        Format::Text => {
            for path in &written {
                terminal.out(&format!("wrote {}\n", path.display()));
            }
            terminal.out(
                "next: look at desired-state/, commit it, then evenkeel check and evenkeel plan\n",
            );
        }
    }
    Ok(0)
}
