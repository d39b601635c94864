//! `evenkeel rules`: whether rules can be evaluated, whether they find what they should, and what they look for.
//!
//! Flow: files of rules (the baseline's, or named) → all that is wrong with them, or the outcome of their tests, or what they say.
//!
//! **Invariant:** rules and tests go through the same loader and reader as in a run, and no live system is asked.

mod check;
mod explain;
pub mod files;
mod test;

use super::CliError;
use super::args::{BaselineArgs, RulesArgs, RulesCommand};
use super::context::{Doubt, Place};
use super::output::Terminal;
use crate::engine::Facts;
use files::Text;

/// Runs one of them.
pub fn run(command: &RulesCommand, terminal: &Terminal) -> Result<u8, CliError> {
    match command {
        RulesCommand::Check { at } => check::run(at, terminal),
        RulesCommand::Test { at } => test::run(at, terminal),
        RulesCommand::Explain { rule, at } => explain::run(rule, at, terminal),
    }
}

/// The texts that are such, of the named files and folders, or of the baseline.
pub fn texts(at: &RulesArgs, such: fn(&str) -> bool) -> Result<Vec<Text>, CliError> {
    let texts = match at.paths.is_empty() {
        false => files::of_paths(&at.paths, such)?,
        true => {
            let baseline = BaselineArgs::reading(&at.baseline, at.rev.as_deref(), at.worktree);
            let place = Place::find(&at.baseline, at.worktree)?;
            let store = place.read_state(&at.state)?;
            let facts = Facts::read(store.as_ref())?;
            let opened = place.open(&baseline, &facts, Doubt::default())?;
            files::of_baseline(&opened.source, such)?
        }
    };
    Ok(texts)
}

/// The rules, of which there has to be one.
pub fn rules(at: &RulesArgs) -> Result<Vec<Text>, CliError> {
    let texts = texts(at, files::is_rule)?;
    match texts.is_empty() {
        false => Ok(texts),
        true => Err(CliError::new("there are no rules")
            .hint("put Sigma rules into rules/ of the baseline, or name files or folders")),
    }
}
