//! Errors in what people wrote: where, what, and what to do about it.

use std::fmt;

use serde::Serialize;

/// A place in a file of the baseline. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Span {
    /// Path relative to the baseline's directory, `/`-separated.
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// One thing wrong with the input.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Problem {
    pub at: Option<Span>,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// The line of the source that `at` points into, without its line end; empty where there is none.
    pub source_line: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// All that was wrong, in the order of file and line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem that no file is to blame for.
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            at: None,
            message: message.into(),
            source_line: String::new(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Problems) {
        self.0.extend(other.0);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Orders by file, line and column and drops exact repeats, so that output is stable.
    pub fn sort(&mut self) {
        self.0.sort();
        self.0.dedup();
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
