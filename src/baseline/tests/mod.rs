//! Tests of the baseline as a whole: broken input, sources, hostile input, rendering, a first project.
//!
//! **Invariant:** nothing outside a temporary directory of its own is written.

mod broken;
mod commits;
mod connections;
mod folders;
mod groups;
mod hostile;
mod loading;
mod rendering;
mod starting;

use super::Source;

/// A configuration with the targets `web` and `db`.
pub(super) const PROJECT: &str = "\
apiVersion: evenkeel.dev/v1
kind: Project
targets:
  - { name: web, provider: host, root: / }
  - { name: db, provider: host, root: /srv/db, mode: enforce }
";

/// A manifest of one file.
pub(super) fn manifest(name: &str) -> String {
    format!(
        "apiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata:\n  name: {name}\nspec:\n  path: /etc/{name}\n"
    )
}

/// A source in memory.
pub(super) fn source(files: &[(&str, &str)]) -> Source {
    files.iter().fold(Source::empty(), |source, (path, text)| {
        source.with(path, *text)
    })
}
