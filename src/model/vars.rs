//! Values that the configuration declares for targets, and that resources ask for by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Span, TargetName};

/// One declared value, in the type that YAML gives it. A fraction is none, since 1.50 would come out as 1.5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scalar {
    /// On one line, without control characters.
    Text(Arc<str>),
    Int(i64),
    Bool(bool),
}

/// The values of one target by name.
pub type Vars = BTreeMap<String, Scalar>;

/// Targets that share resources: those in the directory of the group's name.
#[derive(Clone, PartialEq, Debug)]
pub struct TargetGroup {
    /// Shares its namespace with the names of targets.
    pub name: String,
    /// In the order of `evenkeel.yaml`; never empty in a project without problems.
    pub targets: Vec<TargetName>,
    /// Where `evenkeel.yaml` lists it.
    pub at: Span,
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}
