//! `evenkeel check`: every error of the baseline in one go.

use serde_json::json;

use super::CliError;
use super::args::{BaselineArgs, CheckArgs, Format, StateArgs};
use super::context::{self, Place};
use super::output::Terminal;
use super::targets::{self, Reach};
use crate::baseline::{Loaded, Source, load};
use crate::engine::{Facts, told_once};
use crate::model::Problems;
use crate::ports::Providers;

/// A baseline as it was read, and providers that ask no host over ssh.
pub struct Read {
    pub loaded: Loaded,
    pub providers: Providers,
    /// Where it was read from: `commit 0123456789ab`.
    pub what: String,
}

/// Reads the baseline that is asked for.
pub fn read(args: &BaselineArgs) -> Result<Read, CliError> {
    let place = Place::find(&args.baseline, args.worktree)?;
    let state = StateArgs {
        state: None,
        journal_key: None,
    };
    let (source, what) = match (&place.repo, args.worktree) {
        (Some(repo), false) => {
            let rev = args.rev.as_deref().unwrap_or("HEAD");
            let facts = match rev {
                "last-good" => Facts::read(place.read_state(&state)?.as_ref())?,
                _ => Facts::default(),
            };
            let commit = context::resolve(repo, rev, &facts)?;
            let what = format!("commit {}", context::short(commit.as_str()));
            (Source::commit(repo, &commit)?, what)
        }
        _ => (
            Source::folder(&place.baseline)?,
            "the files as they lie".to_owned(),
        ),
    };
    let loaded = load(&source)?;
    let mut providers = Providers::new();
    if let Some(project) = &loaded.project {
        let mut notices = Vec::new();
        let chosen = targets::targets(project, &args.target, None, &mut notices)?;
        let reach = Reach {
            offline: Some("a check asks no host over ssh"),
            ..Reach::default()
        };
        providers = targets::providers(&place, project, &chosen, &state, reach);
    }
    Ok(Read {
        loaded,
        providers,
        what,
    })
}

/// Validates the baseline; looks at a target only to resolve the names that the baseline uses.
pub async fn run(args: &CheckArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let Read {
        loaded,
        providers,
        what,
    } = read(&args.baseline)?;
    let mut problems = loaded.problems;
    let mut resources = 0;
    let empty = Vec::new();
    let mut of_targets = Vec::new();
    for (target, provider) in &providers {
        let declared = loaded.declared.get(target).unwrap_or(&empty);
        resources += declared.len();
        let normalised = provider
            .normalise(declared, loaded.files.as_ref(), true)
            .await;
        let mut its = normalised.problems;
        its.extend(unresolved(declared, &normalised.desired));
        of_targets.push((target, its));
    }
    problems.extend(told_once(of_targets, &loaded.declared));
    problems.sort();
    if !problems.is_empty() {
        return Err(CliError::problems(problems));
    }
    let targets = loaded.project.map_or(0, |project| project.targets.len());
    match args.baseline.format {
        Format::Json => {
            let value = json!({
                "schema": "evenkeel.dev/check/v1",
                "source": what,
                "targets": targets,
                "resources": resources,
                "notices": loaded.notices,
                "problems": [],
                "exit_code": 0,
            });
            terminal.out(&format!("{value:#}\n"));
        }
        Format::Text => {
            for notice in &loaded.notices {
                terminal.note(&format!(
                    "note: {}",
                    crate::report::escape::terminal(notice)
                ));
            }
            terminal.out(&format!(
                "the baseline is valid: {resources} resources on {targets} targets ({what})\n"
            ));
        }
    }
    Ok(0)
}

/// A name that the target does not know is an error to whoever checks, though a run goes on without that resource.
fn unresolved(
    declared: &[crate::document::Declared],
    desired: &[crate::model::Desired],
) -> Problems {
    let mut problems = Problems::default();
    for wanted in desired {
        let Some(reason) = wanted
            .options
            .get("unresolved")
            .and_then(|why| why.as_text())
        else {
            continue;
        };
        if let Some(document) = declared.iter().find(|document| document.id == wanted.id) {
            problems.push(document.spec.problem(reason));
        }
    }
    problems
}
