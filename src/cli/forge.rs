//! The forge that a project names.

use std::sync::Arc;

use super::CliError;
use crate::model::Project;
use crate::ports::Forge;

/// Connects a run to the project's forge, and says in the notices when there is no token for it.
///
/// # Errors
/// The settings cannot be used.
pub fn of_run(
    project: &Project,
    notices: &mut Vec<String>,
) -> Result<Option<Arc<dyn Forge>>, CliError> {
    let forge = from_project(project)?;
    if let (None, Some(config)) = (&forge, &project.forge) {
        notices.push(format!(
            "{} holds no token for the forge, so pull requests are neither looked at nor opened, and no approval counts",
            config.token_env
        ));
    }
    Ok(forge)
}

/// A secret that a CI does not have is often a variable that is empty.
#[cfg(feature = "github")]
fn token(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|token| !token.is_empty())
}

/// Connects to the project's forge; none where it names none, or where there is no token to ask it with.
///
/// # Errors
/// The settings cannot be used.
#[cfg(feature = "github")]
pub fn from_project(project: &Project) -> Result<Option<Arc<dyn Forge>>, CliError> {
    let Some(config) = &project.forge else {
        return Ok(None);
    };
    let Some(token) = token(&config.token_env) else {
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
