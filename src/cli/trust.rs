//! `evenkeel trust`: pins the first trusted commit, and shows what is trusted.

use serde_json::json;

use super::CliError;
use super::args::{Format, LockArgs, TrustCommand};
use super::context::{self, Place, signers_of};
use super::output::Terminal;
use super::reconcile::lock_state;
use crate::baseline::{Source, load_project};
use crate::clock::SystemClock;
use crate::engine::{Facts, TRUSTED};
use crate::model::RunId;
use crate::ports::Clock;
use crate::trust::verify;

/// Carries out a subcommand.
pub fn run(command: &TrustCommand, terminal: &Terminal) -> Result<u8, CliError> {
    match command {
        TrustCommand::Init { baseline, state } => init(baseline, state, terminal),
        TrustCommand::Show { baseline, state } => show(baseline, state, terminal),
    }
}

fn init(
    args: &super::args::BaselineArgs,
    state: &super::args::StateArgs,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let place = Place::find(&args.baseline, false)?;
    let repo = place.git()?;
    let lock = LockArgs {
        lock_wait: std::time::Duration::from_secs(30),
    };
    let _lock = lock_state(&place, state, lock, terminal)?;
    let store = place.write_state(state)?;
    if !store.is_durable() {
        return Err(CliError::new("without a state store nothing can be pinned")
            .hint("a runner without a disk names the signers with --allowed-signers FILE"));
    }
    let facts = Facts::read(store.as_ref())?;
    if let Some(pinned) = &facts.trusted
        && !args.allow_rewind
    {
        return Err(CliError::new(format!(
            "commit {} is pinned already; from there on trust follows signatures",
            context::short(pinned)
        ))
        .hint("--allow-rewind pins another one all the same"));
    }
    let commit = repo.resolve(args.rev.as_deref().unwrap_or("HEAD"))?;
    let source = Source::commit(repo, &commit)?;
    let (project, problems) = load_project(&source)?;
    let Some(project) = project.filter(|_| problems.is_empty()) else {
        return Err(CliError::problems(problems));
    };
    if !project.trust.require_signed {
        return Err(
            CliError::new("the baseline does not ask for signed commits").hint(
                "set trust: { require_signed: true, allowed_signers: FILE } in evenkeel.yaml first",
            ),
        );
    }
    let signers = match &args.allowed_signers {
        None => signers_of(&source, &project)?,
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                CliError::new(format!("failed to read {}: {error}", file.display()))
            })?;
            crate::trust::AllowedSigners::parse(&file.display().to_string(), &text)
                .map_err(|problems| CliError::problems(problems).outside_baseline())?
        }
    };
    let signed = repo.signature(&commit)?.ok_or_else(|| {
        CliError::new(format!(
            "commit {} is not signed",
            context::short(commit.as_str())
        ))
    })?;
    let at = repo.commit(&commit)?.committed_at;
    let signer = verify(&signed.signature, &signed.payload, &signers, at).map_err(|why| {
        CliError::new(format!(
            "commit {} is not trusted: {why}",
            context::short(commit.as_str())
        ))
    })?;
    let payload = json!({
        "commit": commit.as_str(),
        "principal": signer.principal,
        "key": signer.fingerprint,
        "pinned_by": "trust init",
    });
    store.append(
        &RunId("trust".to_owned()),
        TRUSTED,
        SystemClock.now(),
        payload,
    )?;
    let text = format!(
        "pinned commit {}, signed by {} ({}); {} signers may sign what follows\n",
        commit.as_str(),
        signer.principal,
        signer.fingerprint,
        signers.0.len()
    );
    answer(
        args.format,
        terminal,
        &text,
        &json!({"trusted": commit.as_str(), "principal": signer.principal, "key": signer.fingerprint}),
    );
    Ok(0)
}

fn show(
    args: &super::args::BaselineArgs,
    state: &super::args::StateArgs,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let place = Place::find(&args.baseline, false)?;
    let repo = place.git()?;
    let store = place.read_state(state)?;
    let facts = Facts::read(store.as_ref())?;
    let rev = args.rev.as_deref().unwrap_or("HEAD");
    let commit = context::resolve(repo, rev, &facts)?;
    let (project, _) = load_project(&Source::commit(repo, &commit)?)?;
    let signer = place.trust(repo, args, &facts, &commit, rev, project.as_ref())?;
    let trusted = facts.trusted.as_deref().unwrap_or("none");
    let good = facts.last_good.as_deref().unwrap_or("none");
    let verdict = match &signer {
        Some(signer) => format!(
            "trusted, signed by {} ({})",
            signer.principal, signer.fingerprint
        ),
        None => "no signature is asked for".to_owned(),
    };
    let text = format!("last trusted: {trusted}\nlast good:    {good}\n{rev}: {verdict}\n");
    answer(
        args.format,
        terminal,
        &text,
        &json!({
            "last_trusted": facts.trusted,
            "last_good": facts.last_good,
            "commit": commit.as_str(),
            "signer": signer.map(|signer| json!({"principal": signer.principal, "key": signer.fingerprint})),
        }),
    );
    Ok(0)
}

fn answer(format: Format, terminal: &Terminal, text: &str, value: &serde_json::Value) {
    match format {
        Format::Text => terminal.out(text),
        Format::Json => {
            let mut value = value.clone();
            value["schema"] = json!("evenkeel.dev/trust/v1");
            terminal.out(&format!("{value:#}\n"));
        }
    }
}
