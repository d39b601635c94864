//! From a source to the model: which files there are, what they say, and everything that is wrong.
//!
//! Flow: every entry of the source gets its role → files are read and parsed → documents are decoded → [`Loaded`].
//!
//! **Invariant:** whatever looks like a manifest is decoded, or reported, or named in a notice; nothing is skipped in
//! silence. The number of problems and of values is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layout::{EXEMPTIONS, PROJECT, RESERVED, Role, SUPPRESSIONS, in_files, is_yaml, role};
use super::manifests::Manifests;
use super::owners::Owners;
use super::project::{self, Decoded};
use super::source::{EntryKind, about_file};
use super::{BaselineError, Source, approvals, exemptions, suppressions, terms};
use crate::document::{Declared, Yaml, YamlValue, parse_all, suggest};
use crate::model::{Approval, Exemption, Problem, Problems, Project, Suppression, TargetName};
use crate::ports::SideFiles;

/// How many problems are collected before the rest is left for the next run.
const MAX_PROBLEMS: usize = 1_000;
/// How many YAML values a baseline may have in all: what bounds the memory that its trees take.
const MAX_VALUES: usize = 4_000_000;
/// How much text is parsed at once.
const BATCH_BYTES: usize = 32 << 20;

/// All that a baseline says.
pub struct Loaded {
    /// The configuration; none where it was not asked for, is missing, or is no map. When there are problems with it,
    /// it is disarmed (every target only observes, no change is allowed) and good for nothing but further checks.
    pub project: Option<Project>,
    /// By target, in the order of files and documents. Targets without resources are left out.
    pub declared: BTreeMap<TargetName, Vec<Declared>>,
    pub exemptions: Vec<Exemption>,
    pub suppressions: Vec<Suppression>,
    pub approvals: Vec<Approval>,
    /// The files beside the manifests.
    pub files: Arc<dyn SideFiles>,
    /// What is wrong, in the order of file and line. Any problem has to stop the run before anything is observed.
    pub problems: Problems,
    /// Sentences that every reader has to see.
    pub notices: Vec<String>,
}

/// Loads the configuration and the resources of one source.
///
/// # Errors
/// The source cannot be read. What is wrong with its text is in [`Loaded::problems`].
pub fn load(source: &Source) -> Result<Loaded, BaselineError> {
    let mut problems = Problems::default();
    let decoded = read_project(source, &mut problems);
    if source.entries().all(|(path, _)| path != PROJECT) {
        // This is no baseline's directory: whatever lies here, its mistakes are none of ours.
        let mut nothing = resources(&Source::empty(), None)?;
        nothing.problems = problems;
        return Ok(nothing);
    }
    let owners = decoded
        .project
        .as_ref()
        .map(|project| match problems.is_empty() {
            true => Owners::of(project),
            false => Owners {
                by_directory: decoded.directories,
                vars: None,
            },
        });
    let mut loaded = resources(source, owners.as_ref())?;
    loaded.problems.extend(problems);
    put_in_order(&mut loaded.problems);
    loaded.project = decoded.project;
    Ok(loaded)
}

/// Loads `evenkeel.yaml` alone, from the source that is trusted to configure.
///
/// # Errors
/// As [`load`].
pub fn load_project(source: &Source) -> Result<(Option<Project>, Problems), BaselineError> {
    let mut problems = Problems::default();
    let decoded = read_project(source, &mut problems);
    problems.sort();
    Ok((decoded.project, problems))
}

/// Loads everything but `evenkeel.yaml`, for the targets of a project that may come from another source.
///
/// # Errors
/// As [`load`].
pub fn load_resources(source: &Source, project: &Project) -> Result<Loaded, BaselineError> {
    let mut loaded = resources(source, Some(&Owners::of(project)))?;
    put_in_order(&mut loaded.problems);
    Ok(loaded)
}

fn put_in_order(problems: &mut Problems) {
    problems.sort();
    if problems.0.len() > MAX_PROBLEMS {
        problems.0.truncate(MAX_PROBLEMS);
        problems.push(Problem::general(format!(
            "these are the first {MAX_PROBLEMS} problems; there are more"
        )));
    }
}

fn read_project(source: &Source, problems: &mut Problems) -> Decoded {
    let found = source.entries().find(|(path, _)| *path == PROJECT);
    match found {
        Some((_, EntryKind::File)) => {}
        Some((_, kind)) => {
            problems.push(not_a_file(PROJECT, kind));
            return Decoded::default();
        }
        None => {
            problems.push(
                Problem::general(format!("{PROJECT} is missing"))
                    .hint("`evenkeel init` writes one to begin with; --baseline names the directory that holds it"),
            );
            return Decoded::default();
        }
    }
    match parse_files(source, &[PROJECT], problems).pop() {
        Some((_, docs)) => project::decode(&docs, problems),
        None => Decoded::default(),
    }
}

fn resources(source: &Source, owners: Option<&Owners>) -> Result<Loaded, BaselineError> {
    let mut found = Resources {
        owners,
        problems: source.misfits().clone(),
        notices: Vec::new(),
        manifests: Manifests::default(),
        exemptions: Vec::new(),
        suppressions: Vec::new(),
        approvals: Vec::new(),
    };
    let paths = found.sort_out(source);
    for (path, docs) in parse_files(source, &paths, &mut found.problems) {
        if found.problems.0.len() > MAX_PROBLEMS {
            break;
        }
        found.decode(path, &docs);
    }
    found.name_empty_targets();
    Ok(Loaded {
        project: None,
        declared: found.manifests.declared,
        exemptions: found.exemptions,
        suppressions: found.suppressions,
        approvals: found.approvals,
        files: Arc::new(source.clone()),
        problems: found.problems,
        notices: found.notices,
    })
}

struct Resources<'a> {
    /// None when the configuration is not known: then any directory may be a target's.
    owners: Option<&'a Owners>,
    problems: Problems,
    notices: Vec<String>,
    manifests: Manifests,
    exemptions: Vec<Exemption>,
    suppressions: Vec<Suppression>,
    approvals: Vec<Approval>,
}

impl Resources<'_> {
    /// Chooses the files to parse; reports those that lie wrong.
    fn sort_out<'s>(&mut self, source: &'s Source) -> Vec<&'s str> {
        let mut chosen = Vec::new();
        let mut strangers = BTreeSet::new();
        for (path, kind) in source.entries() {
            if kind != EntryKind::File {
                if self.matters(path) {
                    self.problems.push(not_a_file(path, kind));
                }
                continue;
            }
            match role(path) {
                Role::Project | Role::Data => {}
                Role::Exemptions | Role::Suppressions | Role::Approval => chosen.push(path),
                Role::Hidden => self.notices.push(format!(
                    "{} is hidden by its dot and is not read as a manifest",
                    path.escape_debug()
                )),
                Role::Stray => self.problems.push(stray(path)),
                Role::Manifest { directory } => {
                    chosen.push(path);
                    if self.is_stranger(directory) && strangers.insert(directory) {
                        let problem = self.stranger(directory, path);
                        self.problems.push(problem);
                    }
                }
            }
        }
        chosen
    }

    fn is_stranger(&self, directory: &str) -> bool {
        self.owners
            .is_some_and(|owners| !owners.by_directory.contains_key(directory))
    }

    /// Whether a link, a submodule or something special at this path could hide manifests.
    fn matters(&self, path: &str) -> bool {
        match path.split_once('/') {
            None => {
                matches!(
                    role(path),
                    Role::Exemptions | Role::Suppressions | Role::Stray
                ) || path == "approvals"
                    || (self.owners.is_some() && !self.is_stranger(path))
            }
            Some(("approvals", _)) => true,
            Some((top, _)) if RESERVED.contains(&top) => false,
            Some((top, _)) => !in_files(path) && (!self.is_stranger(top) || is_yaml(path)),
        }
    }

    fn stranger(&self, directory: &str, path: &str) -> Problem {
        let known: Vec<_> = self
            .owners
            .into_iter()
            .flat_map(|owners| owners.by_directory.keys())
            .map(String::as_str)
            .collect();
        let problem = about_file(
            path,
            format!(
                "the directory {}/ belongs to no target and no group of {PROJECT}",
                directory.escape_debug()
            ),
        );
        match suggest(directory, &known) {
            similar if similar.starts_with("did you mean") => problem.hint(similar),
            _ => problem.hint(format!(
                "list it under targets in {PROJECT}, or move YAML that is no manifest below a directory called files/"
            )),
        }
    }

    fn decode(&mut self, path: &str, docs: &[Yaml]) {
        let problems = &mut self.problems;
        match role(path) {
            Role::Exemptions => self.exemptions = exemptions::decode(docs, problems),
            Role::Suppressions => self.suppressions = suppressions::decode(docs, problems),
            Role::Approval => self
                .approvals
                .extend(approvals::decode(path, docs, problems)),
            Role::Manifest { directory } => {
                for doc in docs {
                    if problems.0.len() > MAX_PROBLEMS || self.manifests.is_full() {
                        break;
                    }
                    self.manifests
                        .add(directory, self.owners, path, doc, problems);
                }
            }
            Role::Project | Role::Hidden | Role::Stray | Role::Data => {}
        }
    }

    fn name_empty_targets(&mut self) {
        if let Some(owners) = self.owners {
            let declared = &mut self.manifests.declared;
            let known: BTreeSet<_> = owners.targets().collect();
            declared.retain(|target, _| known.contains(target));
            let empty = known.iter().filter(|name| !declared.contains_key(**name));
            self.notices.extend(empty.map(|name| {
                format!(
                    "target {name} has no resources in this baseline, so nothing of it is looked at"
                )
            }));
        }
    }
}

/// Reads and parses files; those that cannot be are reported and left out.
fn parse_files<'s>(
    source: &Source,
    paths: &[&'s str],
    problems: &mut Problems,
) -> Vec<(&'s str, Vec<Yaml>)> {
    let mut parsed = Vec::with_capacity(paths.len());
    let mut values = 0;
    let mut paths = paths.iter().copied().peekable();
    while paths.peek().is_some() {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(path) = paths.next()
        {
            match source.read(path) {
                Ok(text) => {
                    bytes += text.len();
                    batch.push((path, text));
                }
                Err(why) => problems.push(about_file(path, format!("the file {why}"))),
            }
        }
        let texts = batch.iter().map(|(path, text)| (*path, &**text));
        for (docs, (path, _)) in parse_all(texts).into_iter().zip(&batch) {
            match docs {
                Ok(docs) => {
                    values += docs.iter().map(count).sum::<usize>();
                    parsed.push((*path, docs));
                }
                Err(problem) => problems.push(*problem),
            }
        }
        if values > MAX_VALUES {
            problems.push(Problem::general(format!(
                "the baseline has more than {MAX_VALUES} values; the rest is not read"
            )));
            break;
        }
        if problems.0.len() > MAX_PROBLEMS {
            break;
        }
    }
    parsed
}

/// How many nodes a tree has; its depth is bounded by the parser.
fn count(node: &Yaml) -> usize {
    1 + match &node.value {
        YamlValue::List(items) => items.iter().map(count).sum(),
        YamlValue::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
        _ => 0,
    }
}

fn stray(path: &str) -> Problem {
    let problem = about_file(path, "this file is nothing that a baseline has at its top");
    let names = [PROJECT, EXEMPTIONS, SUPPRESSIONS];
    let lower = path.to_ascii_lowercase().replace(".yml", ".yaml");
    match names.iter().find(|name| **name == lower) {
        Some(name) => problem.hint(format!("call it {name}")),
        None => match suggest(path, &names) {
            similar if similar.starts_with("did you mean") => problem.hint(similar),
            _ => problem.hint(
                "manifests lie in the directory of their target; YAML that is data belongs below files/",
            ),
        },
    }
}

fn not_a_file(path: &str, kind: EntryKind) -> Problem {
    let (what, hint) = match kind {
        EntryKind::Symlink => (
            "this is a symbolic link, and none is followed",
            "put the file or directory itself here",
        ),
        EntryKind::Submodule => (
            "this is a submodule, and none is read",
            "commit the files themselves to this repository",
        ),
        EntryKind::File | EntryKind::Special => {
            ("this is no regular file", "put a regular file here")
        }
    };
    about_file(&terms::shown(path), what).hint(hint)
}
