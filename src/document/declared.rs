//! One resource document, read but not yet understood by its provider.

use std::sync::Arc;

use crate::model::{ResourceId, Span};

use super::{Substitution, Yaml};

/// A document of the baseline: what every kind has in common, and the `spec` that only its provider understands.
#[derive(Clone, Debug)]
pub struct Declared {
    pub id: ResourceId,
    /// What says the kind, for problems with it.
    pub kind: Yaml,
    pub api_version: String,
    pub at: Span,
    /// Shared by the targets of a group, unless their values are in it.
    pub spec: Arc<Yaml>,
    pub disclose: bool,
    pub controls: Vec<String>,
    /// The directory of the file, relative to the baseline's, where paths beside it start.
    pub directory: String,
    /// The values that the resource asks for, for the files beside it; `spec` holds them already.
    pub vars: Substitution,
}
