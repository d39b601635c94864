//! One resource document, read but not yet understood by its provider.

use crate::model::{ResourceId, Span};

use super::Yaml;

/// A document of the baseline: what every kind has in common, and the `spec` that only its provider understands.
#[derive(Clone, Debug)]
pub struct Declared {
    pub id: ResourceId,
    /// What says the kind, for problems with it.
    pub kind: Yaml,
    pub api_version: String,
    pub at: Span,
    pub spec: Yaml,
    pub disclose: bool,
    pub controls: Vec<String>,
    /// The directory of the file, relative to the baseline's, where paths beside it start.
    pub directory: String,
}
