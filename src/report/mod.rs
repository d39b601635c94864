//! Every form in which a run is shown: text for a person, JSON, SARIF, JUnit, Markdown, workflow annotations, and the
//! exit code.
//!
//! Flow: a [`RunReport`](crate::model::RunReport) is joined into [`entry`]s (a drift with its step, its verdict and its
//! outcome), its values pass through [`shown`], which alone decides what may be seen, and a renderer writes them with the
//! functions of [`escape`].
//!
//! **Invariant:** plain functions of the report; no value and no name of a live system reaches any output but through
//! `shown` and `escape`.

pub mod annotations;
pub mod detection;
pub mod diff;
mod doubt;
pub mod entry;
pub mod escape;
pub mod exit;
pub mod finding;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod plan_file;
pub mod sarif;
pub mod shown;
pub mod text;
pub mod words;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod samples;

pub use exit::FailOn;
pub use text::Style;
