//! From manifests to comparable resources, and what only all of them together tell.
//!
//! **Invariant:** every resource claims its path, also one that cannot be resolved: what is claimed is never `Extra`.

use std::collections::{BTreeMap, BTreeSet};

use super::filetree::{self, Baselines, is_tree};
use super::fs::{Fs, HostPath};
use super::kinds::{self, Decoding, Draft};
use super::owner::{Names, TargetNames};
use super::parts::{self, Forms, Question, View};
use super::{Host, HostConfig, glob::Globs};
use crate::document::Declared;
use crate::model::{Address, Contents, Presence, Problem, Problems, ResourceId};
use crate::ports::{Normalised, SideFiles};

/// What the files beside the manifests of one target may come to by putting values in, in bytes.
const MAX_SUBSTITUTED: usize = 64 << 20;

impl<F: Fs> Host<F> {
    pub(super) fn make_comparable(
        &self,
        declared: &[Declared],
        files: &dyn SideFiles,
        connect: bool,
    ) -> Normalised {
        let names = connect.then(|| self.names());
        let comparable = |forms: &Forms| {
            comparable(
                declared,
                files,
                names.as_ref(),
                forms,
                self.fs.creator(),
                &self.config,
            )
        };
        let first = comparable(&Forms::new());
        let last = match connect && !first.questions.is_empty() {
            true => comparable(&self.forms(first.questions)),
            false => first,
        };
        self.hold_against(last.trees);
        last.normalised
    }

    /// The one form of each of these texts.
    pub(crate) fn forms(&self, questions: Vec<Question>) -> Forms {
        let host = View::new(&self.fs);
        let answer = |question: Question| {
            let form = parts::form(&host, &question);
            (question, form)
        };
        questions.into_iter().map(answer).collect()
    }

    /// The names of this host.
    pub(crate) fn names(&self) -> TargetNames {
        let controller = match self.config.root {
            Some(_) => Names::of_this_machine(),
            None => Names::default(),
        };
        TargetNames::load(&self.fs, &controller)
    }
}

/// Manifests made comparable as far as that goes without what only the host can say.
pub(crate) struct Comparable {
    pub normalised: Normalised,
    /// Texts whose one form was not known.
    pub questions: Vec<Question>,
    /// What the trees are held against.
    pub trees: Baselines,
}

/// Makes the manifests of one host comparable, wherever its names come from. Without names, what needs one is left open.
pub(crate) fn comparable(
    declared: &[Declared],
    files: &dyn SideFiles,
    names: Option<&TargetNames>,
    forms: &Forms,
    creator: (u32, u32),
    config: &HostConfig,
) -> Comparable {
    let names = names.cloned().map(|mut names| {
        parts::accounts::declared_names(declared, &mut names);
        names
    });
    let mut decoding = Decoding {
        names: names.as_ref(),
        files,
        forms,
        questions: Vec::new(),
        validate_commands: &config.validate_commands,
        creator,
        contents: Contents::default(),
        problems: Problems::default(),
        used: BTreeSet::new(),
        budget: MAX_SUBSTITUTED,
        trees: Baselines::default(),
        stores: BTreeSet::new(),
        unresolved: None,
    };
    if let Err((at, why)) = Globs::new(&config.ignore) {
        let glob = &config.ignore[at];
        decoding.problems.push(Problem::general(format!(
            "`ignore` of evenkeel.yaml has \"{}\", which is no glob: {why}",
            glob.escape_debug()
        )));
    }
    let mut drafts = Vec::new();
    for document in declared {
        // A document with a problem may have met an unknown name, or used a value, before it.
        decoding.unresolved = None;
        decoding.used.clear();
        drafts.extend(kinds::decode(document, &mut decoding));
    }
    let mut drafts = without_superseded(drafts);
    check_paths(&drafts, &mut decoding.problems);
    depend(&mut drafts);
    depend_parts(&mut drafts);
    filetree::set_bounds(&mut drafts, &config.ignore);
    Comparable {
        normalised: Normalised {
            desired: drafts.into_iter().map(|draft| draft.desired).collect(),
            contents: decoding.contents,
            stores: decoding.stores,
            problems: decoding.problems,
            not_evaluated: Vec::new(),
        },
        questions: decoding.questions,
        trees: decoding.trees,
    }
}

/// Leaves out what only follows from another resource where its path has a resource of its own.
fn without_superseded(drafts: Vec<Draft<'_>>) -> Vec<Draft<'_>> {
    let mut taken: BTreeSet<HostPath> = drafts
        .iter()
        .filter(|draft| !draft.implied && has_place(draft))
        .map(|draft| draft.path.clone())
        .collect();
    drafts
        .into_iter()
        .filter(|draft| !draft.implied || taken.insert(draft.path.clone()))
        .collect()
}

/// No two resources of one path, and nothing below what is no directory.
fn check_paths(drafts: &[Draft<'_>], problems: &mut Problems) {
    check_parts(drafts, problems);
    check_listings(drafts, problems);
    parts::accounts::check(drafts, problems);
    parts::names::check(drafts, problems);
    let mut first: BTreeMap<&HostPath, &Draft<'_>> = BTreeMap::new();
    for draft in with_places(drafts) {
        if let Some(other) = first.get(&draft.path) {
            problems.push(
                draft
                    .at
                    .problem(format!(
                        "{} is managed by {} already",
                        draft.desired.address,
                        other.desired.id.short()
                    ))
                    .hint(format!("the first one is at {}", other.at.span())),
            );
            continue;
        }
        first.insert(&draft.path, draft);
    }
    for draft in with_places(drafts) {
        if draft.desired.presence == Presence::Absent {
            continue;
        }
        let mut above = draft.path.split().map(|(parent, _)| parent);
        while let Some(path) = above {
            if let Some(other) = first.get(&path)
                && !is_directory(other)
            {
                problems.push(
                    draft
                        .at
                        .problem(format!(
                            "{} lies below {}, which {} says is no directory",
                            draft.desired.address,
                            other.desired.address,
                            other.desired.id.short()
                        ))
                        .hint(format!("that one is at {}", other.at.span())),
                );
                break;
            }
            above = path.split().map(|(parent, _)| parent);
        }
    }
}

/// No two resources that say what one directory holds.
fn check_listings(drafts: &[Draft<'_>], problems: &mut Problems) {
    let mut first: BTreeMap<&HostPath, &Draft<'_>> = BTreeMap::new();
    let says = |draft: &&Draft<'_>| {
        is_tree(&draft.desired) || is_directory(draft) && draft.desired.scope.is_some()
    };
    for draft in drafts.iter().filter(says) {
        let Some(other) = first.insert(&draft.path, draft) else {
            continue;
        };
        if is_tree(&draft.desired) || is_tree(&other.desired) {
            let message = format!(
                "{} says already what {} holds",
                other.desired.id.short(),
                draft.path.address()
            );
            let hint = format!("the first one is at {}", other.at.span());
            problems.push(draft.at.problem(message).hint(hint));
        }
    }
}

/// No two resources of one part.
fn check_parts(drafts: &[Draft<'_>], problems: &mut Problems) {
    let mut first: BTreeMap<&Address, &Draft<'_>> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| !has_place(draft)) {
        if let Some(other) = first.insert(&draft.desired.address, draft) {
            let message = format!(
                "{} is managed by {} already",
                draft.desired.address,
                other.desired.id.short()
            );
            let hint = format!("the first one is at {}", other.at.span());
            problems.push(draft.at.problem(message).hint(hint));
        }
    }
}

fn with_places<'a, 'b>(drafts: &'a [Draft<'b>]) -> impl Iterator<Item = &'a Draft<'b>> {
    drafts.iter().filter(|draft| has_place(draft))
}

fn has_place(draft: &Draft<'_>) -> bool {
    !parts::is_address(&draft.desired.address)
}

fn is_directory(draft: &Draft<'_>) -> bool {
    draft.desired.id.kind.0 == kinds::DIRECTORY
}

/// Each resource depends on the nearest managed directory above it.
fn depend(drafts: &mut [Draft<'_>]) {
    let directories: BTreeMap<HostPath, ResourceId> = drafts
        .iter()
        .filter(|draft| is_directory(draft))
        .map(|draft| (draft.path.clone(), draft.desired.id.clone()))
        .collect();
    for draft in drafts {
        let mut above = match is_tree(&draft.desired) {
            // The directory that it is about may be another resource.
            true => Some(draft.path.clone()),
            false => draft.path.split().map(|(parent, _)| parent),
        };
        while let Some(path) = above {
            if let Some(id) = directories.get(&path) {
                draft.desired.depends_on.insert(id.clone());
                break;
            }
            above = path.split().map(|(parent, _)| parent);
        }
    }
}

/// Each part depends on the managed ones that it follows from.
fn depend_parts(drafts: &mut [Draft<'_>]) {
    let parts: BTreeMap<Address, ResourceId> = drafts
        .iter()
        .filter(|draft| !has_place(draft))
        .map(|draft| (draft.desired.address.clone(), draft.desired.id.clone()))
        .collect();
    for draft in drafts.iter_mut().filter(|draft| !has_place(draft)) {
        let desired = &mut draft.desired;
        let follows = parts::of(&desired.id.kind).map(|part| part.follows(&desired.address));
        let needed = follows.into_iter().flatten();
        desired
            .depends_on
            .extend(needed.filter_map(|address| parts.get(&address).cloned()));
    }
}
