//! `evenkeel adopt`: the live state becomes the baseline, by pull request.

use serde_json::{Value as Json, json};

use super::CliError;
use super::args::{AdoptArgs, Format};
use super::context::{self, Doubt, Place};
use super::output::Terminal;
use super::plan::{Ready, prepare};
use super::reconcile::{lock_roots, lock_state};
use crate::baseline::load_resources;
use crate::clock::SystemClock;
use crate::engine::{AdoptInput, Adopted, Edited, Engine};
use crate::entropy::SystemEntropy;
use crate::model::{Command, Problem, Problems};
use crate::ports::{FileChange, Forge};
use crate::report::escape;

/// Opens the pull request, or prints what would be in it.
pub async fn run(args: &AdoptArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let (ready, adopted) = match args.print {
        true => print_only(args).await?,
        false => publish(args, terminal).await?,
    };
    match args.baseline.format {
        Format::Json => terminal.out(&escape::json(&format!("{:#}\n", as_json(&ready, &adopted)))),
        Format::Text => as_text(&ready, &adopted, terminal),
    }
    Ok(0)
}

async fn print_only(args: &AdoptArgs) -> Result<(Ready, Adopted), CliError> {
    let place = Place::find(&args.baseline.baseline, args.baseline.worktree)?;
    let store = place.read_state(&args.state)?;
    let ready = open(&place, store, args)?;
    let adopted = adopt(&ready, args, None).await?;
    Ok((ready, adopted))
}

async fn publish(args: &AdoptArgs, terminal: &Terminal) -> Result<(Ready, Adopted), CliError> {
    if args.baseline.worktree || args.baseline.rev.is_some() {
        return Err(CliError::new(
            "a pull request is made from the commit that is checked out, and from nothing else",
        )
        .hint("leave out --worktree and --rev, or add --print to see the change"));
    }
    let place = Place::find(&args.baseline.baseline, false)?;
    let _state_lock = lock_state(&place, &args.state, args.lock, terminal)?;
    let store = place.write_state(&args.state)?;
    let ready = open(&place, store, args)?;
    context::remember(&ready.opened, ready.store.as_ref(), &SystemClock)?;
    let _locks = lock_roots(&place, &ready, args.lock, terminal)?;
    let project = &ready.opened.project;
    let forge = super::forge::from_project(project)?.ok_or_else(|| {
        let why = match &project.forge {
            None => "evenkeel.yaml names no forge to open a pull request at".to_owned(),
            Some(config) => format!("there is no token for the forge in {}", config.token_env),
        };
        CliError::new(why).hint("--print prints the change for git apply instead")
    })?;
    let adopted = adopt(&ready, args, Some(forge.as_ref())).await?;
    Ok((ready, adopted))
}

fn open(
    place: &Place,
    store: std::sync::Arc<dyn crate::ports::StateStore>,
    args: &AdoptArgs,
) -> Result<Ready, CliError> {
    let doubt = Doubt::default();
    prepare(place, store, &args.baseline, &args.state, None, doubt, None)
}

async fn adopt(
    ready: &Ready,
    args: &AdoptArgs,
    forge: Option<&dyn Forge>,
) -> Result<Adopted, CliError> {
    let engine = Engine {
        providers: &ready.providers,
        store: ready.store.as_ref(),
        clock: &SystemClock,
        entropy: &SystemEntropy,
        forge,
    };
    let input = AdoptInput {
        words: &args.resources,
        cycle: ready.input(Command::Plan),
        edited: &|changes| edited(ready, changes),
        publish: forge.is_some(),
    };
    Ok(engine.adopt(input).await?)
}

/// Loads the baseline with some of its files replaced.
fn edited(ready: &Ready, changes: &[FileChange]) -> Result<Edited, Problems> {
    let mut source = ready.opened.source.clone();
    for change in changes {
        source = source.with(&change.path, change.content.clone().unwrap_or_default());
    }
    let loaded = load_resources(&source, &ready.opened.project)
        .map_err(|error| Problems(vec![Problem::general(crate::report_chain(&error))]))?;
    match loaded.problems.is_empty() {
        true => Ok(Edited {
            declared: loaded.declared,
            files: loaded.files,
        }),
        false => Err(loaded.problems),
    }
}

fn as_text(ready: &Ready, adopted: &Adopted, terminal: &Terminal) {
    for notice in &ready.opened.notices {
        terminal.note(&format!("note: {}", escape::terminal(notice)));
    }
    let names: Vec<_> = adopted
        .drifts
        .iter()
        .map(|drift| drift.resource.to_string())
        .collect();
    if let Some(patch) = &adopted.patch {
        // For git every byte counts; a person's terminal is not to be driven by what a live file holds.
        match terminal.is_interactive() {
            true => {
                let lines = patch.split_inclusive('\n').map(|line| {
                    let text = line.trim_end_matches('\n');
                    format!("{}\n", escape::terminal(text))
                });
                terminal.out(&lines.collect::<String>());
            }
            false => terminal.out(patch),
        }
    }
    let Some(pull) = &adopted.pull else {
        return;
    };
    terminal.out(&escape::terminal(&format!(
        "pull request #{} {}: {}",
        pull.number, pull.what, pull.url
    )));
    terminal.out(&format!(
        "\nmerging it makes what is live of {} the baseline; until then nothing changes\n",
        escape::terminal(&names.join(", "))
    ));
    if let Some((seq, hash)) = &adopted.journal_head {
        terminal.out(&format!("journal head {hash} (record {seq})\n"));
    }
}

fn as_json(ready: &Ready, adopted: &Adopted) -> Json {
    let resources: Vec<_> = adopted
        .drifts
        .iter()
        .map(|drift| {
            json!({
                "id": drift.resource.to_string(),
                "address": drift.address,
                "fingerprint": drift.fingerprint(),
                "change": drift.change,
            })
        })
        .collect();
    json!({
        "schema": "evenkeel.dev/adopt/v1",
        "baseline": ready.opened.info,
        "resources": resources,
        "patch": adopted.patch,
        "pull": adopted.pull,
        "journal": {
            "head": adopted.journal_head.as_ref().map(|(_, hash)| hash),
            "seq": adopted.journal_head.as_ref().map(|(seq, _)| seq),
        },
        "notices": ready.opened.notices,
        "exit_code": 0,
    })
}
