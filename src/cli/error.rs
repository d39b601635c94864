//! What a person sees when a command cannot do its work.

use std::process::ExitCode;

use serde_json::json;

use super::output::Terminal;
use crate::baseline::BaselineError;
use crate::engine::EngineError;
use crate::model::Problems;
use crate::ports::{ForgeError, StoreError};

/// An error with what to do about it.
#[derive(Debug)]
pub struct CliError {
    message: String,
    hint: Option<String>,
    problems: Problems,
    /// Stands in front of the names of files in problems.
    directory: Option<String>,
}

impl CliError {
    /// An error of this sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            problems: Problems::default(),
            directory: None,
        }
    }

    /// An error of a chain of causes.
    pub fn of(error: &dyn std::error::Error) -> Self {
        Self::new(crate::report_chain(error))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problems of a baseline.
    pub fn problems(problems: Problems) -> Self {
        let count = problems.0.len();
        let noun = if count == 1 { "error" } else { "errors" };
        Self {
            message: format!("the baseline has {count} {noun}; nothing was looked at"),
            hint: None,
            problems,
            directory: None,
        }
    }

    /// Why nothing was adopted.
    fn not_adopted(problems: Problems) -> Self {
        match &problems.0[..] {
            [only] if only.at.is_none() => Self {
                hint: only.hint.clone(),
                ..Self::new(format!("nothing was adopted: {only}"))
            },
            many => Self {
                message: format!("nothing was adopted, for {} reasons", many.len()),
                problems,
                ..Self::new("")
            },
        }
    }

    /// Says that the files of the problems are named whole, since they are none of the baseline's.
    #[must_use]
    pub fn outside_baseline(mut self) -> Self {
        self.directory = Some(String::new());
        self
    }

    /// Names the directory that the files of problems are relative to, unless that is known already.
    #[must_use]
    pub fn within(mut self, directory: &std::path::Path) -> Self {
        self.directory
            .get_or_insert_with(|| directory.display().to_string());
        self
    }

    /// Prints the error and gives the exit code, which is 1.
    pub fn print(&self, terminal: &Terminal, as_json: bool) -> ExitCode {
        if as_json {
            let value = json!({
                "schema": "evenkeel.dev/error/v1",
                "error": self.message,
                "hint": self.hint,
                "problems": self.problems.0,
                "exit_code": 1,
            });
            terminal.out(&format!("{value:#}\n"));
        } else {
            if !self.problems.is_empty() {
                let text = crate::baseline::render(
                    &self.problems,
                    self.directory.as_deref().unwrap_or_default(),
                    terminal.colour_on_stderr(),
                );
                terminal.note(&text);
            }
            terminal.error(&self.message, self.hint.as_deref());
        }
        ExitCode::from(1)
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<BaselineError> for CliError {
    fn from(error: BaselineError) -> Self {
        let hint = error.hint();
        Self {
            hint,
            ..Self::of(&error)
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::of(&error)
    }
}

impl From<ForgeError> for CliError {
    fn from(error: ForgeError) -> Self {
        let message = error.to_string();
        match error {
            ForgeError::Refused { hint, .. } => Self::new(message).hint(hint),
            ForgeError::Unreachable { .. } => Self::new(message),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Problems(problems) => Self::problems(problems),
            EngineError::StalePlan { .. } => Self::of(&error)
                .hint("look at what changed with evenkeel plan, and make the plan file again"),
            EngineError::NotAdopted(problems) => Self::not_adopted(problems),
            EngineError::Forge(error) => Self::from(error),
            other => Self::of(&other),
        }
    }
}
