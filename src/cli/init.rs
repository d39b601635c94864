//! `evenkeel init`: a project to start from.

use serde_json::json;

use super::CliError;
use super::args::{Format, InitArgs};
use super::output::Terminal;
use crate::baseline::{Starter, init};
use crate::model::TargetName;

/// Writes the project; never overwrites anything.
pub fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let starter = Starter {
        target: TargetName(args.target.clone()),
        root: args.root.clone(),
    };
    let written = init(&args.dir, &starter)?;
    match args.format {
        Format::Json => {
            let value =
                json!({"schema": "evenkeel.dev/init/v1", "written": written, "exit_code": 0});
            terminal.out(&format!("{value:#}\n"));
        }
        Format::Text => {
            for path in &written {
                terminal.out(&format!("wrote {}\n", path.display()));
            }
            terminal.out(
                "next: look at what was written, commit it, then evenkeel check and evenkeel plan\n",
            );
        }
    }
    Ok(0)
}
