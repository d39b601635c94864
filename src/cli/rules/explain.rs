//! `evenkeel rules explain`: what one rule looks for, in which logs, and what its author says of it.

use serde_json::json;

use super::files::Text;
use crate::cli::CliError;
use crate::cli::args::{Format, RulesArgs};
use crate::cli::output::Terminal;
use crate::detect::collect::LEVEL;
use crate::detect::fields::Views;
use crate::detect::sigma::{Correlation, LooksFor, Options, Rule, Rules};
use crate::model::Format as LogFormat;
use crate::report::escape;
use crate::report::exit::CLEAN;

/// Explains the rule with this id, name or title, or the rules of this file.
pub fn run(wanted: &str, at: &RulesArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let texts = super::rules(&at.from, terminal)?;
    let files: Vec<_> = texts.iter().map(Text::as_rule_file).collect();
    let loaded = Rules::load(&files, &Options::default());
    let rules = &loaded.rules;
    let is_meant = |rule: &&Rule| {
        rule.id.as_deref() == Some(wanted)
            || rule.name.as_deref() == Some(wanted)
            || rule.title.eq_ignore_ascii_case(wanted)
            || rule.at.file == wanted
    };
    let meant: Vec<_> = rules.all().iter().filter(is_meant).collect();
    if meant.is_empty() {
        let refused = loaded.problems.iter().find(|it| {
            it.rule
                .as_deref()
                .is_some_and(|rule| rule.eq_ignore_ascii_case(wanted))
                || it.problem.at.as_ref().is_some_and(|at| at.file == wanted)
        });
        return Err(match refused {
            Some(problem) => CliError::new(format!("the rule cannot be evaluated: {problem}")),
            None => CliError::new(format!("there is no rule {wanted}"))
                .hint("give its id, its name, its title or its file; evenkeel rules check says what there is"),
        });
    }
    match at.format {
        Format::Json => {
            let all: Vec<_> = meant.iter().map(|rule| value(rules, rule)).collect();
            let value = json!({ "version": 1, "rules": all, "exit_code": CLEAN });
            terminal.out(&escape::json(&format!("{value:#}\n")));
        }
        Format::Text => {
            let all: Vec<_> = meant.iter().map(|rule| text(rules, rule)).collect();
            terminal.out(&all.join("\n"));
        }
    }
    Ok(CLEAN)
}

/// In which logs a rule looks; empty where none that can be read has its log source.
fn logs(rule: &Rule) -> Vec<String> {
    let LooksFor::Record(logsource) = &rule.looks_for else {
        return Vec::new();
    };
    let views = Views::built_in();
    LogFormat::ALL
        .into_iter()
        .filter(|format| {
            let admits = |view: &crate::detect::fields::View| logsource.admits(&view.logsource);
            views.of(*format).iter().any(admits)
        })
        .map(|format| format.to_string())
        .collect()
}

fn counted(rules: &Rules, correlation: &Correlation) -> Vec<String> {
    correlation
        .rules
        .iter()
        .map(|index| rules.rule(*index).title.clone())
        .collect()
}

fn value(rules: &Rules, rule: &Rule) -> serde_json::Value {
    json!({
        "id": rule.id,
        "title": rule.title,
        "description": rule.description,
        "level": rule.level.unwrap_or(LEVEL),
        "status": rule.status,
        "author": rule.author,
        "references": rule.references,
        "attack": rule.attack().collect::<Vec<_>>(),
        "controls": rule.attributes.get("controls"),
        "falsepositives": rule.falsepositives,
        "at": rule.at,
        "is_finding": rule.is_finding,
        "logs": logs(rule),
        "counts": match &rule.looks_for {
            LooksFor::Hits(correlation) => counted(rules, correlation),
            LooksFor::Record(_) => Vec::new(),
        },
    })
}

fn text(rules: &Rules, rule: &Rule) -> String {
    let mut text = format!("{}\n", escape::terminal(&rule.title));
    let mut line = |label: &str, said: &str| {
        if !said.is_empty() {
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("  {label:<12}{}\n", escape::terminal(&said)));
        }
    };
    line("at", &format!("{}:{}", rule.at.file, rule.at.line));
    line("id", rule.id.as_deref().unwrap_or_default());
    line("level", rule.level.unwrap_or(LEVEL).name());
    line("status", rule.status.as_deref().unwrap_or_default());
    line("what", rule.description.as_deref().unwrap_or_default());
    line("attack", &rule.attack().collect::<Vec<_>>().join(", "));
    let controls = rule.attributes.get("controls");
    line(
        "controls",
        &controls.map_or_else(String::new, |it| it.join(", ")),
    );
    match &rule.looks_for {
        LooksFor::Record(_) => match logs(rule) {
            logs if logs.is_empty() => line("logs", "none that can be read has its log source"),
            logs => line("logs", &logs.join(", ")),
        },
        LooksFor::Hits(correlation) => {
            line("counts", &counted(rules, correlation).join("; "));
            line("within", &format!("{} seconds", correlation.timespan));
            let by: Vec<_> = correlation
                .group_by
                .iter()
                .map(|it| it.name.as_str())
                .collect();
            line("for each", &by.join(", "));
        }
    }
    if !rule.is_finding {
        line("finding", "no: it is only counted by others");
    }
    for known in &rule.falsepositives {
        line("also hits", known);
    }
    for reference in &rule.references {
        line("see", reference);
    }
    text
}
