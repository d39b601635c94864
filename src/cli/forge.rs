//! The forge that a project names.

use std::sync::Arc;

use super::CliError;
use crate::model::Project;
use crate::ports::Forge;

/// Connects to the project's forge; none where it names none, or where there is no token to ask it with.
///
/// # Errors
/// The settings cannot be used.
#[cfg(feature = "github")]
pub fn from_project(project: &Project) -> Result<Option<Arc<dyn Forge>>, CliError> {
    let Some(config) = &project.forge else {
        return Ok(None);
    };
    let Ok(token) = std::env::var(&config.token_env) else {
        tracing::warn!(variable = %config.token_env, "no token for the forge, so no pull request is looked at or opened");
        return Ok(None);
    };
    let forge = crate::forge::github::GitHub::connect(
        config,
        &token.into(),
        Arc::new(crate::clock::SystemClock),
    )
    .map_err(|error| CliError::of(&error))?;
    Ok(Some(Arc::new(forge)))
}

/// Without the feature `github` there is no forge.
///
/// # Errors
/// The project names one.
#[cfg(not(feature = "github"))]
pub fn from_project(project: &Project) -> Result<Option<Arc<dyn Forge>>, CliError> {
    match &project.forge {
        None => Ok(None),
        Some(_) => Err(CliError::new(
            "this evenkeel was built without the feature github, and the project names a forge",
        )),
    }
}
