//! Prints a run's report, writes the files that were asked for, and gives the exit code.

use std::path::Path;
use std::str::FromStr;

use super::CliError;
use super::args::{Format, OutputArgs};
use super::output::Terminal;
use crate::model::{Digest, RunReport};
use crate::report::plan_file::PlanFile;
use crate::report::{FailOn, annotations, exit, json, junit, markdown, plan_file, sarif, text};

/// Prints, writes and judges.
pub fn finish(
    report: &RunReport,
    output: &OutputArgs,
    format: Format,
    untrusted: bool,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    write_files(report, output)?;
    print(report, output, format, untrusted, terminal)
}

/// Prints the report and gives the exit code.
pub fn print(
    report: &RunReport,
    output: &OutputArgs,
    format: Format,
    untrusted: bool,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let fail_on = match &output.fail_on {
        None => FailOn::default(),
        Some(level) => FailOn::from_str(level).map_err(|error| CliError::of(&error))?,
    };
    let code = exit::code(report, fail_on, output.exit_zero);
    match format {
        Format::Json => terminal.out(&json::render(report, code)),
        Format::Text => {
            let mut style = terminal.style(output.show_content);
            style.show_content &= !untrusted;
            terminal.out(&text::render(report, &style));
            if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
                terminal.out(&annotations::render(report));
            }
        }
    }
    Ok(code)
}

fn write_files(report: &RunReport, output: &OutputArgs) -> Result<(), CliError> {
    for wish in &output.report {
        let (kind, path) = wish.split_once('=').ok_or_else(|| {
            CliError::new(format!("--report {wish} is not KIND=FILE")).hint(
                "such as --report sarif=evenkeel.sarif,junit=evenkeel.xml,markdown=summary.md",
            )
        })?;
        let code = exit::code(report, FailOn::default(), false);
        let text = match kind {
            "sarif" => sarif::render(report, code),
            "junit" => junit::render(report),
            "markdown" => markdown::render(report),
            "json" => json::render(report, code),
            _ => {
                return Err(CliError::new(format!("there is no report of kind {kind}"))
                    .hint("one of: sarif, junit, markdown, json"));
            }
        };
        write_file(Path::new(path), text.as_bytes())?;
    }
    Ok(())
}

/// Writes a file whole: a reader never sees half of it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(format!("failed to write {}: {error}", path.display()))
    };
    if !path.is_file() && path.exists() {
        // A terminal, a pipe, /dev/stdout: there is nothing to replace.
        return std::fs::write(path, bytes).map_err(failed);
    }
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    std::fs::write(file.path(), bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Writes a plan for `reconcile --plan`.
pub fn write_plan(path: &Path, report: &RunReport) -> Result<(), CliError> {
    plan_file::write(path, &PlanFile::of(report)).map_err(|error| CliError::of(&error))
}

/// Reads the hash of a plan that was written earlier. Its steps are never executed from there.
pub fn read_plan(path: &Path) -> Result<Digest, CliError> {
    plan_file::read(path)
        .map(|file| file.plan.hash)
        .map_err(|error| CliError::of(&error))
}
