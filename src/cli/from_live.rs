//! `evenkeel init --from-live`: a first baseline of what a host is now.
//!
//! Flow: the target's provider → its packages and users → the questions → the answers → files that did not exist.
//!
//! **Invariant:** the host is only looked at, and nothing is written before all of it is known.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::CliError;
use super::args::{Format, InitArgs, StateArgs};
use super::context::Place;
use super::output::Terminal;
use super::targets::{self, Reach};
use crate::baseline::{
    NewFiles, Source, Starter, load_project, load_resources, project_files, write_new,
};
use crate::model::{Address, Fields, Observed, Project, ResourceId, Risk, Step, Undo, Verb};
use crate::model::{Snapshot, TargetInfo, TargetName};
use crate::ports::Provider;
use crate::providers::host::first::{self, Answers, Draft, Known};
use crate::report::escape;

/// The largest file that is read whole, in bytes: dpkg's status of a machine with 3,000 packages has 4 MiB.
const MAX_BYTES: u64 = 32 << 20;
/// How many lines of each sort are shown.
const MAX_TOLD: usize = 40;

/// Looks at the host and writes the files.
pub async fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let name = TargetName(args.target.clone());
    let (mut files, project) = project(args, &name)?;
    let (provider, info) = provider(args, &project, &name)?;
    terminal.note(&format!("looking at {} ({})", name, info.description));
    let looked = look(provider.as_ref(), &project, &name).await;
    provider.release().await;
    let (known, draft) = looked?;
    files.extend(of_target(&name, &draft)?);
    let written = write_new(&args.dir, &files)?;
    match args.format {
        Format::Json => terminal.out(&as_json(&written, &draft)),
        Format::Text => terminal.out(&as_text(&written, &known, &draft)),
    }
    Ok(0)
}

/// The project that is there, or the files of a new one.
fn project(args: &InitArgs, name: &TargetName) -> Result<(NewFiles, Project), CliError> {
    let own = args.dir.join(&name.0);
    if own.symlink_metadata().is_ok() {
        return Err(
            CliError::new(format!("{} exists already", own.display())).hint(
                "a first baseline is written where there is none; look at it beside another: --target with a new name",
            ),
        );
    }
    let is_there = args.dir.join("evenkeel.yaml").symlink_metadata().is_ok();
    let (files, source) = match is_there {
        true => (NewFiles::new(), Source::folder(&args.dir)?),
        false => {
            let starter = Starter {
                target: name.clone(),
                root: args.root.clone(),
            };
            let files = project_files(&starter)?;
            let source = files.iter().fold(Source::empty(), |source, (path, text)| {
                source.with(path, text.clone())
            });
            (files, source)
        }
    };
    match load_project(&source)? {
        (Some(project), problems) if problems.is_empty() => Ok((files, project)),
        (_, problems) => Err(CliError::problems(problems)),
    }
}

fn provider(
    args: &InitArgs,
    project: &Project,
    name: &TargetName,
) -> Result<(Arc<dyn Provider>, TargetInfo), CliError> {
    let baseline = std::path::absolute(&args.dir).map_err(|error| {
        CliError::new(format!("failed to find {}: {error}", args.dir.display()))
    })?;
    let place = Place {
        repo: None,
        top: baseline.parent().unwrap_or(&baseline).to_owned(),
        baseline,
    };
    let mut notices = Vec::new();
    let chosen = targets::targets(project, std::slice::from_ref(&name.0), None, &mut notices)?;
    let state = StateArgs {
        state: None,
        journal_key: None,
    };
    let reach = Reach {
        worker: args.worker.as_deref(),
        ..Reach::default()
    };
    let mut providers = targets::providers(&place, project, &chosen, &state, reach);
    let info = chosen.into_iter().find(|info| info.name == *name);
    match (providers.remove(name), info) {
        (Some(provider), Some(info)) => Ok((provider, info)),
        _ => Err(CliError::new(format!("{name} is a group"))
            .hint("name one target; its group's resources are written by hand")),
    }
}

/// Reads what has to be known first.
async fn known(provider: &dyn Provider, target: &TargetName) -> Result<Known, CliError> {
    let status = read(provider, target, first::STATUS).await?;
    let passwd = read(provider, target, first::PASSWD).await?;
    Known::read(&status, &passwd)
        .map_err(|why| CliError::new(format!("{} cannot be understood: {why}", first::STATUS)))
}

async fn read(
    provider: &dyn Provider,
    target: &TargetName,
    path: &str,
) -> Result<Arc<[u8]>, CliError> {
    let step = Step {
        resource: ResourceId::new(target, "File", "asked-for-first"),
        address: Address(path.to_owned()),
        verb: Verb::Remove,
        expect: Observed::absent_digest(),
        leaves: Observed::absent_digest(),
        state: None,
        options: Fields::new(),
        undo: Undo::Restore,
        risk: Risk::default(),
        answers: Vec::new(),
        keep: false,
    };
    let failed = |why: String| {
        CliError::new(format!("{path} of {target} cannot be read: {why}"))
            .hint("a first baseline is made of Debian hosts, as a user who may read all of /etc")
    };
    let captured = provider
        .capture(&step, MAX_BYTES)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let state = match &captured.observed {
        Observed::Present(state) => state,
        Observed::Absent => return Err(failed("it is not there".to_owned())),
        Observed::NotEvaluated(reason) => return Err(failed(reason.text.clone())),
    };
    let content = state
        .blobs()
        .find_map(|blob| captured.contents.get(&blob.digest));
    content.ok_or_else(|| failed(format!("it is no file of at most {MAX_BYTES} bytes")))
}

/// Looks at all of it and makes the baseline.
async fn look(
    provider: &dyn Provider,
    project: &Project,
    target: &TargetName,
) -> Result<(Known, Draft), CliError> {
    let mut known = known(provider, target).await?;
    let mut seen = ask(provider, project, target, first::questions(&known)).await?;
    let mut asked = 0;
    loop {
        let folders = first::about_folders(&known, asked);
        asked = known.folders.len();
        let more = ask(provider, project, target, folders).await?;
        seen.observations.extend(more.observations);
        seen.contents.extend(more.contents);
        if !known.go_deeper(&seen.observations) {
            break;
        }
    }
    let draft = first::draft(&Answers {
        known: &known,
        observations: &seen.observations,
        contents: &seen.contents,
    });
    Ok((known, draft))
}

/// Puts questions.
async fn ask(
    provider: &dyn Provider,
    project: &Project,
    target: &TargetName,
    questions: String,
) -> Result<Snapshot, CliError> {
    let asked = Source::empty().with(&format!("{target}/asked.yaml"), questions);
    let loaded = load_resources(&asked, project)?;
    if !loaded.problems.is_empty() {
        return Err(CliError::problems(loaded.problems));
    }
    let declared = loaded.declared.get(target).map_or(&[][..], Vec::as_slice);
    let normalised = provider
        .normalise(declared, loaded.files.as_ref(), true)
        .await;
    if !normalised.problems.is_empty() {
        return Err(CliError::problems(normalised.problems));
    }
    Ok(provider.observe(&normalised.desired).await)
}

/// The files of the target's directory.
fn of_target(target: &TargetName, draft: &Draft) -> Result<NewFiles, CliError> {
    let mut files = NewFiles::new();
    for (file, manifests) in &draft.manifests {
        let texts: Result<Vec<_>, _> = manifests.iter().map(first::Manifest::text).collect();
        let texts = texts.map_err(|error| {
            CliError::new(format!("{file}.yaml cannot be written as YAML: {error}"))
        })?;
        files.push((format!("{target}/{file}.yaml"), texts.join("---\n").into()));
    }
    for (path, content) in &draft.files {
        files.push((format!("{target}/{path}"), content.clone()));
    }
    Ok(files)
}

fn as_json(written: &[PathBuf], draft: &Draft) -> String {
    let value = json!({
        "schema": "evenkeel.dev/init/v1",
        "written": written,
        "resources": draft.resources(),
        "unchanged": draft.unchanged,
        "suspicious": draft.suspicious,
        "left_out": draft.left_out,
        "exit_code": 0,
    });
    format!("{value:#}\n")
}

fn as_text(written: &[PathBuf], known: &Known, draft: &Draft) -> String {
    let mut out = String::new();
    let (beside, manifests): (Vec<_>, Vec<_>) = written
        .iter()
        .partition(|path| path.parent().is_some_and(|dir| dir.ends_with("files")));
    for path in manifests {
        out += &format!("wrote {}\n", path.display());
    }
    out += &format!(
        "wrote {} files beside them\n\n{} resources; {} configuration files are as their packages brought them and are left to those, of {} packages\n",
        beside.len(),
        draft.resources(),
        draft.unchanged,
        known.packages.len(),
    );
    out += &told(
        "look twice, since it is part of the baseline now:",
        &draft.suspicious,
    );
    out += &told("left out:", &draft.left_out);
    out +=
        "\nnext: read it and commit it; then evenkeel check, evenkeel plan and evenkeel coverage\n";
    out += "A host that is compromised makes a baseline that allows the compromise: start from one that you trust.\n";
    out
}

fn told(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{heading}\n");
    for line in lines.iter().take(MAX_TOLD) {
        out += &format!("  {}\n", escape::terminal(line));
    }
    if lines.len() > MAX_TOLD {
        out += &format!("  and {} more (--format json)\n", lines.len() - MAX_TOLD);
    }
    out
}
