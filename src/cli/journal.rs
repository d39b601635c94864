//! `evenkeel journal`: shows and verifies the record of everything that was done.

use super::CliError;
use super::args::{Format, JournalArgs, JournalCommand};
use super::context::{Place, StateDir};
use super::output::Terminal;
use crate::journal::{self, show};
use crate::model::RunId;
use crate::ports::RecordQuery;
use crate::report::escape;

/// Carries out a subcommand.
pub fn run(command: &JournalCommand, terminal: &Terminal) -> Result<u8, CliError> {
    match command {
        JournalCommand::Show {
            run,
            resource,
            kind,
            at,
        } => {
            let resource = resource
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|error: crate::model::IdParseError| CliError::of(&error))?;
            let query = RecordQuery {
                run: run.clone().map(RunId),
                resource,
                ..RecordQuery::default()
            };
            show_records(&query, kind, at, terminal)
        }
        JournalCommand::Verify { expect_head, at } => verify(expect_head.as_deref(), at, terminal),
    }
}

fn show_records(
    query: &RecordQuery,
    kinds: &[String],
    at: &JournalArgs,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let store = Place::find(&at.baseline, true)?.read_state(&at.state)?;
    let mut records = store.records(query)?;
    records.retain(|record| kinds.is_empty() || kinds.contains(&record.kind));
    match at.format {
        Format::Json => terminal.out(&format!("{:#}\n", show::json(&records))),
        Format::Text if records.is_empty() => terminal.out("no records\n"),
        Format::Text => {
            terminal.out(&show::text(&records, |text| {
                escape::terminal(text).into_owned()
            }));
        }
    }
    Ok(0)
}

fn verify(
    expect_head: Option<&str>,
    at: &JournalArgs,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let place = Place::find(&at.baseline, true)?;
    let StateDir::At(dir) = place.state_dir(&at.state) else {
        return Err(CliError::new("with --state none there is no journal"));
    };
    let report = journal::verify(&dir, at.state.journal_key.as_deref(), expect_head)?;
    let code = u8::from(!report.is_sound());
    match at.format {
        Format::Json => {
            let mut value =
                serde_json::to_value(&report).map_err(|error| CliError::new(error.to_string()))?;
            value["schema"] = "evenkeel.dev/journal-verify/v1".into();
            value["exit_code"] = code.into();
            terminal.out(&format!("{value:#}\n"));
        }
        Format::Text => match (&report.flaw, &report.head) {
            (Some(flaw), _) => {
                let place = flaw
                    .seq
                    .map_or_else(String::new, |seq| format!(" at record {seq}"));
                terminal.error(
                    &format!("the journal is not as it was written{place}: {}", flaw.what),
                    Some("keep this state directory as evidence, and compare it with the heads that earlier runs printed"),
                );
            }
            (None, Some(head)) => terminal.out(&format!(
                "the journal is whole: {} records of {} runs, head {} {}\n",
                report.records, report.runs, head.seq, head.hash
            )),
            (None, None) => terminal.out("the journal is empty\n"),
        },
    }
    Ok(code)
}
