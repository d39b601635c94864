//! `evenkeel rules check`: every rule that cannot be evaluated, with its place.

use serde_json::json;

use super::files;
use crate::cli::CliError;
use crate::cli::args::{Format, RulesArgs};
use crate::cli::output::Terminal;
use crate::detect::sigma::{Loaded, Options, Rules};
use crate::report::escape;
use crate::report::exit::{CLEAN, ERROR};

/// Says which rules are sound, which are not, and which no log that can be read will ever reach.
pub fn run(at: &RulesArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let texts = super::rules(&at.from, terminal)?;
    let read: Vec<_> = texts.iter().map(files::Text::as_rule_file).collect();
    let Loaded { rules, problems } = Rules::load(&read, &Options::default());
    let code = if problems.is_empty() { CLEAN } else { ERROR };
    let unreachable: Vec<_> = rules
        .unreachable()
        .map(|index| rules.rule(index))
        .map(|rule| format!("{}:{}: {}", rule.at.file, rule.at.line, rule.title))
        .collect();
    match at.format {
        Format::Json => {
            let value = json!({
                "version": 1,
                "files": texts.len(),
                "rules": rules.all().len(),
                "problems": problems.iter().map(|it| json!({
                    "at": it.problem.at,
                    "message": it.problem.message,
                    "hint": it.problem.hint,
                    "rule": it.rule,
                })).collect::<Vec<_>>(),
                "unreachable": unreachable,
                "exit_code": code,
            });
            terminal.out(&escape::json(&format!("{value:#}\n")));
        }
        Format::Text => {
            for problem in &problems {
                terminal.error(&problem.to_string(), problem.problem.hint.as_deref());
            }
            let mut text = format!(
                "{} of {} can be evaluated\n",
                crate::report::words::counted(rules.all().len(), "rule", "rules"),
                crate::report::words::counted(texts.len(), "file", "files"),
            );
            for rule in &unreachable {
                let line = escape::terminal(rule);
                text.push_str(&format!(
                    "notice  {line}: no log that can be read has its log source\n"
                ));
            }
            terminal.out(&text);
        }
    }
    Ok(code)
}
