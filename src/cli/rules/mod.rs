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
use super::args::{BaselineArgs, RulesCommand, RulesFrom};
use super::context::{Doubt, Opened, Place};
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

/// The rules, of which there has to be one.
///
/// # Errors
/// The baseline cannot be opened or is not believed, a file cannot be read, or there is none.
pub fn rules(from: &RulesFrom, terminal: &Terminal) -> Result<Vec<Text>, CliError> {
    some(texts(from, files::is_rule, terminal)?)
}

/// The rules, and the files of tests beside them.
///
/// # Errors
/// As [`rules`].
pub fn rules_and_tests(
    from: &RulesFrom,
    terminal: &Terminal,
) -> Result<(Vec<Text>, Vec<Text>), CliError> {
    let either = |path: &str| files::is_rule(path) || files::is_test(path);
    let (tests, rules) = texts(from, either, terminal)?
        .into_iter()
        .partition(|text| files::is_test(&text.path));
    Ok((some(rules)?, tests))
}

/// Rules of which there are any.
///
/// # Errors
/// There is none.
pub fn some(rules: Vec<Text>) -> Result<Vec<Text>, CliError> {
    match rules.is_empty() {
        false => Ok(rules),
        true => Err(CliError::new("there are no rules").hint(
            "put Sigma rules into rules/ of the baseline, or name files or folders with --rules",
        )),
    }
}

/// The texts that are such, of the named files and folders, or of the baseline.
fn texts(
    from: &RulesFrom,
    such: fn(&str) -> bool,
    terminal: &Terminal,
) -> Result<Vec<Text>, CliError> {
    if !from.paths.is_empty() {
        return files::of_paths(&from.paths, such);
    }
    files::of_baseline(&opened(from, terminal)?.source, such)
}

/// The baseline that rules are read from, with its notices told.
///
/// # Errors
/// It cannot be opened or is not believed.
pub fn opened(from: &RulesFrom, terminal: &Terminal) -> Result<Opened, CliError> {
    let baseline = BaselineArgs::reading(&from.baseline, from.rev.as_deref(), from.worktree);
    let place = Place::find(&from.baseline, from.worktree)?;
    let store = place.read_state(&from.state)?;
    let facts = Facts::read(store.as_ref())?;
    let opened = place.open(&baseline, &facts, Doubt::default())?;
    for notice in &opened.notices {
        terminal.note(&format!("notice: {notice}"));
    }
    Ok(opened)
}
