//! What each path of a baseline is for.
//!
//! **Invariant:** decided by the path alone, never by content.

/// The names that no target may have, because the baseline keeps other things there.
pub(super) const RESERVED: [&str; 6] = [
    "approvals",
    "containments",
    "files",
    "playbooks",
    "rules",
    "scenarios",
];

/// The name of the configuration.
pub(super) const PROJECT: &str = "evenkeel.yaml";
/// The name of the list of exemptions.
pub(super) const EXEMPTIONS: &str = "exemptions.yaml";
/// The name of the list of suppressions.
pub(super) const SUPPRESSIONS: &str = "suppressions.yaml";

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role<'a> {
    Project,
    Exemptions,
    Suppressions,
    Approval,
    /// A manifest of the target, or the targets of the group, in whose directory it lies.
    Manifest {
        directory: &'a str,
    },
    /// Something that looks like a manifest but is hidden.
    Hidden,
    /// YAML at the top that is nothing of ours.
    Stray,
    /// Never parsed.
    Data,
}

/// Tells what the file at this path, relative to the baseline's directory, is for.
///
/// Below a directory called `files` everything is data, so YAML that is to be copied to a system can lie there.
pub(super) fn role(path: &str) -> Role<'_> {
    let yaml = is_yaml(path);
    let Some((top, rest)) = path.split_once('/') else {
        return match path {
            PROJECT => Role::Project,
            EXEMPTIONS => Role::Exemptions,
            SUPPRESSIONS => Role::Suppressions,
            _ if yaml => Role::Stray,
            _ => Role::Data,
        };
    };
    let is_data = !yaml || in_files(path);
    match top {
        "approvals" if yaml => Role::Approval,
        _ if RESERVED.contains(&top) || is_data => Role::Data,
        _ if rest.split('/').any(|part| part.starts_with('.')) => Role::Hidden,
        _ => Role::Manifest { directory: top },
    }
}

/// Whether one of the directories of a path is called `files`.
pub(super) fn in_files(path: &str) -> bool {
    path.rsplit_once('/')
        .is_some_and(|(parents, _)| parents.split('/').any(|part| part == "files"))
}

/// Whether a name ends as YAML files do, in whatever case.
pub(super) fn is_yaml(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: each path has one purpose; nothing that looks like a manifest is silently data, and no data is parsed.
    #[test]
    fn paths_have_roles() {
        let web = Role::Manifest { directory: "web" };
        for (path, expected) in [
            ("evenkeel.yaml", Role::Project),
            ("evenkeel.yml", Role::Stray),
            ("EVENKEEL.yaml", Role::Stray),
            ("exemptions.yaml", Role::Exemptions),
            ("suppressions.yaml", Role::Suppressions),
            ("README.md", Role::Data),
            ("web/a.yaml", web),
            ("web/a.YML", web),
            ("web/sub/a.yaml", web),
            ("web/files/a.yaml", Role::Data),
            ("web/sub/files/x/a.yaml", Role::Data),
            ("web/files.yaml", web),
            ("web/motd.txt", Role::Data),
            ("web/.a.yaml", Role::Hidden),
            ("web/.d/a.yaml", Role::Hidden),
            ("files/a.yaml", Role::Data),
            ("rules/a.yaml", Role::Data),
            ("approvals/a.yaml", Role::Approval),
            ("approvals/sub/a.yml", Role::Approval),
            ("approvals/README.md", Role::Data),
        ] {
            assert_eq!(role(path), expected, "{path}");
        }
    }
}
