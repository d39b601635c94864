//! The baseline: what a team wants its systems to be, as a git commit or a folder says it.
//!
//! Flow: [`Repo`] finds the repository and the commit → [`Source`] lists every file of the baseline and reads within
//! bounds → [`load`] parses and decodes `evenkeel.yaml`, the manifests, the exemptions and the approvals into the model
//! → [`render`] shows what is wrong. [`init`] writes a project to begin with.
//!
//! The configuration and the resources can come from different commits: [`load_project`] and [`load_resources`].
//!
//! **Invariant:** nothing outside the baseline's directory is ever read for content, no link is followed, and input of
//! any kind ends in data or in problems with a place, never in a panic.

mod approvals;
mod commit;
mod connection;
mod error;
mod exemptions;
mod folder;
mod groups;
mod init;
mod layout;
mod load;
mod manifests;
mod owners;
mod project;
mod render;
mod repo;
mod selector;
mod settings;
mod severity;
mod source;
mod terms;
mod vars;

#[cfg(test)]
mod tests;

pub use connection::is_user;
pub use error::BaselineError;
pub use init::{NewFiles, Starter, init, project_files, write_new};
pub use load::{Loaded, load, load_project, load_resources};
pub use render::render;
pub use repo::{CommitId, CommitInfo, Repo, Signed};
pub use source::Source;
