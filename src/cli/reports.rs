//! Prints a run's report, writes the files that were asked for, and gives the exit code.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::CliError;
use super::args::{Format, OutputArgs};
use super::output::Terminal;
use crate::model::{Digest, RunReport};
use crate::report::plan_file::PlanFile;
use crate::report::{FailOn, annotations, exit, json, junit, markdown, plan_file, sarif, text};

/// What was asked for beside the result, understood before anything is done.
#[derive(Default)]
pub struct Wishes {
    reports: Vec<(Kind, PathBuf)>,
    /// Where the plan goes, for `reconcile --plan`.
    pub plan: Option<PathBuf>,
    fail_on: FailOn,
    exit_zero: bool,
    show_content: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Sarif,
    Junit,
    Markdown,
    Json,
}

impl Wishes {
    /// Reads what was said on the command line.
    ///
    /// # Errors
    /// There is no such report or level.
    pub fn of(output: &OutputArgs) -> Result<Self, CliError> {
        let fail_on = match &output.fail_on {
            None => FailOn::default(),
            Some(level) => FailOn::from_str(level).map_err(|error| CliError::of(&error))?,
        };
        let reports = output.report.iter().map(|wish| report_wish(wish));
        Ok(Self {
            reports: reports.collect::<Result<_, _>>()?,
            plan: None,
            fail_on,
            exit_zero: output.exit_zero,
            show_content: output.show_content,
        })
    }

    fn code(&self, report: &RunReport) -> u8 {
        exit::code(report, self.fail_on, self.exit_zero)
    }
}

fn report_wish(wish: &str) -> Result<(Kind, PathBuf), CliError> {
    let (kind, path) = wish
        .split_once('=')
        .filter(|(_, path)| !path.is_empty())
        .ok_or_else(|| {
            CliError::new(format!("--report {wish} is not KIND=FILE")).hint(
                "such as --report sarif=evenkeel.sarif,junit=evenkeel.xml,markdown=summary.md",
            )
        })?;
    let kind = match kind {
        "sarif" => Kind::Sarif,
        "junit" => Kind::Junit,
        "markdown" => Kind::Markdown,
        "json" => Kind::Json,
        _ => {
            return Err(CliError::new(format!("there is no report of kind {kind}"))
                .hint("one of: sarif, junit, markdown, json"));
        }
    };
    Ok((kind, path.into()))
}

/// Writes, prints and judges. A file that cannot be written is one more error of the report: what the run found and did
/// is told all the same.
pub fn finish(
    mut report: RunReport,
    wishes: &Wishes,
    format: Format,
    untrusted: bool,
    terminal: &Terminal,
) -> u8 {
    let mut errors = Vec::new();
    if let Some(path) = &wishes.plan {
        let written = plan_file::write(path, &PlanFile::of(&report));
        errors.extend(
            written
                .err()
                .map(|error| format!("{} ({})", crate::report_chain(&error), path.display())),
        );
    }
    let code = wishes.code(&report);
    for (kind, path) in &wishes.reports {
        let text = match kind {
            Kind::Sarif => sarif::render(&report, code),
            Kind::Junit => junit::render(&report),
            Kind::Markdown => markdown::render(&report),
            Kind::Json => json::render(&report, code),
        };
        let written = write_file(path, text.as_bytes());
        errors.extend(written.err().map(|error| error.to_string()));
    }
    report.errors.extend(errors);
    print(&report, wishes, format, untrusted, terminal)
}

/// Prints the report and gives the exit code.
pub fn print(
    report: &RunReport,
    wishes: &Wishes,
    format: Format,
    untrusted: bool,
    terminal: &Terminal,
) -> u8 {
    let code = wishes.code(report);
    match format {
        Format::Json => terminal.out(&json::render(report, code)),
        Format::Text => {
            let mut style = terminal.style(wishes.show_content);
            style.show_content &= !untrusted;
            terminal.out(&text::render(report, &style));
            if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
                terminal.out(&annotations::render(report));
            }
        }
    }
    code
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

/// Reads the hash of a plan that was written earlier. Its steps are never executed from there.
pub fn read_plan(path: &Path) -> Result<Digest, CliError> {
    plan_file::read(path)
        .map(|file| file.plan.hash)
        .map_err(|error| CliError::of(&error))
}
