//! Which targets the resources in each directory are for, and the values of these targets.
//!
//! **Invariant:** a directory is a target's or a group's, never both; what is not known here belongs to nobody.

use std::collections::BTreeMap;

use crate::model::{Project, TargetName, Vars};

/// The targets by the directories that hold their resources.
#[derive(Default)]
pub(super) struct Owners {
    /// A target's own directory, or a group's. Those with problems are here too, so that they are no strangers.
    pub by_directory: BTreeMap<String, Vec<TargetName>>,
    /// None where the configuration has problems: then it is not known which values a target has.
    pub vars: Option<BTreeMap<TargetName, Vars>>,
}

impl Owners {
    /// Those of a project without problems.
    pub fn of(project: &Project) -> Self {
        let own = project
            .targets
            .iter()
            .map(|target| (target.name.0.clone(), vec![target.name.clone()]));
        let groups = project
            .groups
            .iter()
            .map(|group| (group.name.clone(), group.targets.clone()));
        let vars = project
            .targets
            .iter()
            .map(|target| (target.name.clone(), target.vars.clone()));
        Self {
            by_directory: own.chain(groups).collect(),
            vars: Some(vars.collect()),
        }
    }

    /// Every target, in order of name.
    pub fn targets(&self) -> impl Iterator<Item = &TargetName> {
        self.by_directory
            .iter()
            .filter_map(|(directory, targets)| targets.iter().find(|t| t.0 == *directory))
    }
}
