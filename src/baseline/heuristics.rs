//! `detect.heuristics`: which heuristics are on, and what they may say and take.
//!
//! **Invariant:** none is on that is not named.

use std::time::Duration;

use super::terms;
use crate::document::{Fields, Yaml, parse};
use crate::model::{Heuristic, HeuristicsConfig, Problems};

const DAY: u64 = 24 * 3600;
/// The largest budget: nobody reads more alerts a day of one kind.
const MAX_BUDGET: i64 = 100;
const USUAL_BUDGET: u32 = 5;

/// Settings that stand in a file of their own, in the same form.
///
/// # Errors
/// What is wrong, with its place.
pub fn heuristics_of_file(name: &str, text: &[u8]) -> Result<HeuristicsConfig, Problems> {
    let mut problems = Problems::default();
    let documents = parse(name, text).map_err(|problem| Problems(vec![*problem]))?;
    let config = match documents.as_slice() {
        [document] => decode(document, &mut problems),
        [] => Some(HeuristicsConfig::default()),
        [_, second, ..] => {
            problems.push(second.problem("only one document is expected here"));
            None
        }
    };
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

/// Decodes `heuristics`.
pub(super) fn decode(node: &Yaml, problems: &mut Problems) -> Option<HeuristicsConfig> {
    let mut fields = node.fields(problems)?;
    let mut config = HeuristicsConfig::default();
    if let Some(days) = fields.take("learn").and_then(|node| days(node, problems)) {
        config.learn_days = days;
    }
    if let Some(seed) = fields
        .take("seed")
        .and_then(|node| node.integer(0, i64::MAX, problems))
    {
        config.seed = seed.unsigned_abs();
    }
    if let Some(memory) = number(&mut fields, "memory", 1, 1024, problems) {
        config.memory_mib = memory;
    }
    config.learned = path(&mut fields, "learned", problems);
    for heuristic in Heuristic::ALL {
        let Some(node) = fields.take(heuristic.name()) else {
            continue;
        };
        let Some(mut own) = node.fields(problems) else {
            continue;
        };
        let budget = number(&mut own, "budget", 1, MAX_BUDGET, problems);
        config
            .budgets
            .insert(heuristic, budget.unwrap_or(USUAL_BUDGET));
        if heuristic == Heuristic::ImpossibleTravel {
            config.travel.locations = path(&mut own, "locations", problems);
            if let Some(speed) = number(&mut own, "speed", 1, 100_000, problems) {
                config.travel.speed = speed;
            }
            if let Some(accuracy) = number(&mut own, "accuracy", 0, 20_000, problems) {
                config.travel.accuracy = accuracy;
            }
        }
        own.finish(problems);
    }
    fields.finish(problems);
    Some(config)
}

fn days(node: &Yaml, problems: &mut Problems) -> Option<u32> {
    let duration: Duration = terms::duration(node, problems)?;
    let days = duration.as_secs() / DAY;
    if !duration.as_secs().is_multiple_of(DAY) || days > 365 {
        problems.push(
            node.problem("learning takes whole days, 365 at most")
                .hint("write it like 14d"),
        );
        return None;
    }
    u32::try_from(days).ok()
}

fn path(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Option<String> {
    let node = fields.take(name)?;
    terms::relative_path(node, problems)
}

fn number(
    fields: &mut Fields<'_>,
    name: &'static str,
    min: i64,
    max: i64,
    problems: &mut Problems,
) -> Option<u32> {
    let value = fields.take(name)?.integer(min, max, problems)?;
    u32::try_from(value).ok()
}
