//! `evenkeel coverage`: which persistence places the baseline watches, and which not.

use std::collections::BTreeMap;

use serde_json::json;

use super::CliError;
use super::args::{CheckArgs, Format};
use super::check::{Read, read};
use super::output::Terminal;
use crate::engine::told_once;
use crate::model::TargetName;
use crate::providers::host::coverage::{Row, Watched, coverage};

/// The widest name of a place in the table; a longer one shifts its own line only.
const PLACE_WIDTH: usize = 36;
/// How many resources are named for one place.
const MAX_NAMED: usize = 3;

/// Shows it for each target; targets that watch the same are shown together. No host is asked.
pub async fn run(args: &CheckArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let Read {
        loaded,
        providers,
        what,
    } = read(&args.baseline)?;
    let mut problems = loaded.problems;
    let empty = Vec::new();
    let mut of_targets = Vec::new();
    let mut rows: BTreeMap<&TargetName, Vec<Row>> = BTreeMap::new();
    for (target, provider) in &providers {
        let declared = loaded.declared.get(target).unwrap_or(&empty);
        let normalised = provider
            .normalise(declared, loaded.files.as_ref(), true)
            .await;
        of_targets.push((target, normalised.problems));
        rows.insert(target, coverage(&normalised.desired));
    }
    problems.extend(told_once(of_targets, &loaded.declared));
    problems.sort();
    if !problems.is_empty() {
        return Err(CliError::problems(problems));
    }
    match args.baseline.format {
        Format::Json => {
            let value = json!({
                "schema": "evenkeel.dev/coverage/v1",
                "source": what,
                "tactic": "TA0003",
                "targets": rows,
                "exit_code": 0,
            });
            terminal.out(&format!("{value:#}\n"));
        }
        Format::Text => terminal.out(&text(&rows)),
    }
    Ok(0)
}

fn text(rows: &BTreeMap<&TargetName, Vec<Row>>) -> String {
    let mut alike: Vec<(Vec<&TargetName>, &[Row])> = Vec::new();
    for (target, rows) in rows {
        let same = |shown: &&mut (Vec<&TargetName>, &[Row])| {
            let pairs = shown.1.iter().zip(rows);
            pairs.into_iter().all(|(a, b)| line(a) == line(b))
        };
        match alike.iter_mut().find(same) {
            Some((targets, _)) => targets.push(target),
            None => alike.push((vec![target], rows)),
        }
    }
    let mut out = String::new();
    for (targets, rows) in alike {
        let count = |level| rows.iter().filter(|row| row.watched == level).count();
        out += &format!(
            "{}: of {} places where an intruder stays (ATT&CK TA0003), {} are watched, {} in part, {} not\n",
            TargetName::several(targets.into_iter()),
            rows.len(),
            count(Watched::Whole),
            count(Watched::Part),
            count(Watched::No),
        );
        let mut technique = "";
        for row in rows {
            if row.technique != technique {
                technique = row.technique;
                out += &format!("\n  {technique}  {}\n", row.name);
            }
            out += &line(row);
        }
        out.push('\n');
    }
    out
}

fn line(row: &Row) -> String {
    let word = match row.watched {
        Watched::Whole => "watched",
        Watched::Part => "in part",
        Watched::No => "NOT",
    };
    let mut by: Vec<_> = row.by.iter().take(MAX_NAMED).map(|id| id.short()).collect();
    let more = row.by.len() - by.len();
    if more > 0 {
        by.push(format!("{more} more"));
    }
    let line = format!(
        "    {word:<8} {:<PLACE_WIDTH$} {}",
        row.place,
        by.join(", ")
    );
    format!("{}\n", line.trim_end())
}
