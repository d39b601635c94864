//! The opposite of a cycle: what is live becomes the baseline, through a pull request and never at once.
//!
//! Flow: normalise → observe → compare → choose the drifts that were named → edit their manifests → load and normalise
//! the edited baseline, look again → open the pull request → journal.
//!
//! **Invariant:** all that was named is adopted in one pull request, or nothing is; what the edited baseline means
//! differs from the one before in what was named and in nothing else, and the live state is what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::Engine;
use super::cycle::{CycleInput, EngineError, new_run_id};
use super::facts::PULL;
use super::look::{self, Looked, Wanted};
use crate::document::{Declared, suggest};
use crate::forge::adopt::{changes, patch, touches};
use crate::forge::body::{Adoption, adopt_proposal, in_repository};
use crate::forge::marker;
use crate::model::{
    Change, Comparison, Desired, Drift, Finding, Problem, Problems, PullNote, ResourceId,
    TargetName,
};
use crate::ports::{FileChange, Forge, Proposal, PullState, SideFiles};

/// What to adopt.
pub struct AdoptInput<'a> {
    /// Resources in a person's words: a name, `Kind/name`, `target/Kind/name`, or a fingerprint.
    pub words: &'a [String],
    pub cycle: CycleInput<'a>,
    /// Loads the baseline anew with these files in place of its own.
    pub edited: &'a dyn Fn(&[FileChange]) -> Result<Edited, Problems>,
    /// Whether to open a pull request; otherwise the edit is only made.
    pub publish: bool,
}

/// What an edited baseline says.
pub struct Edited {
    pub declared: BTreeMap<TargetName, Vec<Declared>>,
    pub files: Arc<dyn SideFiles>,
}

/// What was adopted.
#[derive(Debug)]
pub struct Adopted {
    pub drifts: Vec<Drift>,
    /// The change in the form that `git apply` takes at the top of the repository; none when a pull request has it. Live
    /// content is in it only where its resource discloses it.
    pub patch: Option<String>,
    pub pull: Option<PullNote>,
    pub journal_head: Option<(u64, String)>,
}

impl Engine<'_> {
    /// Makes what is live of the named resources the baseline.
    ///
    /// # Errors
    /// With every reason in one go when anything that was named cannot be adopted; when the baseline is not valid, the
    /// forge refuses, or the journal fails.
    pub async fn adopt(&self, input: AdoptInput<'_>) -> Result<Adopted, EngineError> {
        let cycle = &input.cycle;
        let now = self.clock.now();
        let baseline = cycle.baseline_of_targets();
        let more = look::Then::More;
        let (wanted, looked) = look::survey(self.providers, &baseline, cycle.exemptions, now, more)
            .await
            .map_err(EngineError::Problems)?;
        let (drifts, mut problems) = choose(
            input.words,
            &looked.comparison,
            &cycle.findings_in(&looked.comparison),
        );
        let files = compose(&drifts, &looked, cycle.files, &mut problems);
        if !problems.is_empty() {
            return Err(EngineError::NotAdopted(problems));
        }
        self.prove_edit(&input, &drifts, &wanted, &files)
            .await
            .map_err(EngineError::NotAdopted)?;
        let mut adopted = Adopted {
            patch: None,
            drifts: drifts.iter().map(|drift| (*drift).clone()).collect(),
            pull: None,
            journal_head: None,
        };
        if input.publish {
            let mut contents = wanted.contents;
            contents.extend(looked.contents.clone());
            let (Some(forge), Some(config)) = (self.forge, &cycle.project.forge) else {
                return Err(EngineError::Refused(
                    "there is no forge to open a pull request at".to_owned(),
                ));
            };
            let proposal = adopt_proposal(&Adoption {
                drifts: &drifts,
                files: files.after(),
                made_from: files.before(),
                contents: &contents,
                disclosure_key: self.store.disclosure_key().as_ref(),
                baseline: &cycle.baseline,
                now,
                config,
            });
            adopted.pull = Some(self.publish(forge, &proposal, &drifts).await?);
            adopted.journal_head = self.store.head()?;
        } else {
            let patch = files.patch(&cycle.baseline.prefix);
            adopted.patch = Some(patch.map_err(EngineError::NotAdopted)?);
        }
        Ok(adopted)
    }

    /// Loads the edited baseline and holds it against the one before and against the live systems.
    async fn prove_edit(
        &self,
        input: &AdoptInput<'_>,
        drifts: &[&Drift],
        before: &Wanted,
        files: &Files,
    ) -> Result<(), Problems> {
        let named: BTreeSet<_> = drifts.iter().map(|drift| &drift.resource).collect();
        let edited = (input.edited)(&files.after())?;
        let baseline = look::Baseline {
            declared: &edited.declared,
            files: edited.files.as_ref(),
            connect: input.cycle.connect,
        };
        let mut after = look::want(self.providers, &baseline).await?;
        let mut problems = Problems::default();
        for id in changed_meaning(before, &after, &named) {
            problems.push(
                Problem::general(format!("the edit would also change what {id} means"))
                    .hint("name that one as well, or make the change by hand"),
            );
        }
        let involved: BTreeSet<_> = named.iter().map(|id| &id.target).collect();
        after.desired.retain(|target, _| involved.contains(&target));
        let looked = look::look(self.providers, &after, &[], self.clock.now()).await;
        let still = looked.comparison.drifts.iter().map(|drift| &drift.resource);
        let still = still.chain(looked.unseen.iter());
        for id in still.filter(|id| named.contains(id)) {
            problems.push(
                Problem::general(format!("{id} is not what the edited baseline says"))
                    .hint("it may have changed meanwhile: run again"),
            );
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    async fn publish(
        &self,
        forge: &dyn Forge,
        proposal: &Proposal,
        drifts: &[&Drift],
    ) -> Result<PullNote, EngineError> {
        let open: Vec<_> = forge
            .pulls(marker::ADOPT_PREFIX)
            .await?
            .into_iter()
            .filter(|pull| pull.state == PullState::Open)
            .collect();
        let mut problems = Problems::default();
        for pull in open.iter().filter(|pull| pull.branch != proposal.branch) {
            let there = marker::adopted_in(&pull.body);
            for drift in drifts {
                if there.contains(&drift.fingerprint().as_str()) {
                    problems.push(
                        Problem::general(format!(
                            "pull request #{} adopts {} already, together with others",
                            pull.number, drift.resource
                        ))
                        .hint("merge or close it first, or name all that it adopts"),
                    );
                }
            }
        }
        if !problems.is_empty() {
            return Err(EngineError::NotAdopted(problems));
        }
        let is_there = open.iter().any(|pull| pull.branch == proposal.branch);
        let pull = forge.open(proposal).await?;
        let cause = proposal.branch.strip_prefix(marker::ADOPT_PREFIX);
        let note = PullNote {
            number: pull.number,
            url: pull.url,
            fingerprint: cause.unwrap_or_default().to_owned(),
            resource: drifts.first().map(|drift| drift.resource.to_string()),
            what: if is_there { "updated" } else { "opened" }.to_owned(),
        };
        if self.store.is_durable() {
            let run = new_run_id(self.clock.now(), self.entropy);
            let resources: Vec<_> = drifts.iter().map(|drift| &drift.resource).collect();
            let payload = json!({
                "number": note.number,
                "url": note.url,
                "fingerprint": note.fingerprint,
                "what": note.what,
                "adopts": resources,
            });
            self.record(&run, PULL, &payload).map_err(|error| {
                EngineError::Refused(format!(
                    "pull request #{} is open, and the journal could not tell of it: {}",
                    note.number,
                    crate::report_chain(&error)
                ))
            })?;
        }
        Ok(note)
    }
}

/// The drifts that were named, each once, in the order of resources, and what is wrong with what was named.
fn choose<'a>(
    words: &[String],
    comparison: &'a Comparison,
    findings: &[Finding],
) -> (Vec<&'a Drift>, Problems) {
    let exempted = comparison.exempted.iter().map(|it| &it.drift);
    let drifted: BTreeMap<&ResourceId, &Drift> = comparison
        .drifts
        .iter()
        .chain(exempted)
        .map(|drift| (&drift.resource, drift))
        .collect();
    let mut chosen = BTreeMap::new();
    let mut problems = Problems::default();
    for word in words {
        match pick(word, &drifted, comparison) {
            Ok(drift) => {
                chosen.insert(&drift.resource, drift);
            }
            Err(problem) => problems.push(problem),
        }
    }
    for finding in findings {
        let Some(resource) = &finding.resource else {
            continue;
        };
        if chosen.contains_key(resource) {
            problems.push(
                Problem::general(format!(
                    "{resource} has an open indicator of compromise ({}, finding {})",
                    finding.indicator, finding.id
                ))
                .hint("what an attacker made is not adopted: close the finding first"),
            );
        }
    }
    (chosen.into_values().collect(), problems)
}

fn pick<'a>(
    word: &str,
    drifted: &BTreeMap<&'a ResourceId, &'a Drift>,
    comparison: &Comparison,
) -> Result<&'a Drift, Problem> {
    let shown = word.escape_debug();
    let meant: Vec<_> = drifted
        .values()
        .filter(|drift| drift.resource.is_meant_by(word) || drift.fingerprint() == word)
        .collect();
    let unseen = comparison
        .not_evaluated
        .iter()
        .find(|unseen| unseen.resource.is_meant_by(word));
    match (&meant[..], unseen) {
        ([drift], _) => Ok(drift),
        ([], Some(unseen)) => Err(Problem::general(format!(
            "{} could not be evaluated, and nothing is adopted unseen: {}",
            unseen.resource, unseen.reason.text
        ))),
        ([], None) => Err(unknown(word, drifted, comparison)),
        (many, _) => {
            let names: Vec<_> = many.iter().map(|it| it.resource.to_string()).collect();
            let first: Vec<_> = names.iter().take(5).map(String::as_str).collect();
            Err(
                Problem::general(format!("{shown} means {} resources", many.len()))
                    .hint(format!("say which, such as {}", first.join(" or "))),
            )
        }
    }
}

fn unknown(
    word: &str,
    drifted: &BTreeMap<&ResourceId, &Drift>,
    comparison: &Comparison,
) -> Problem {
    if let Some(clean) = comparison.clean.iter().find(|id| id.is_meant_by(word)) {
        return Problem::general(format!(
            "{clean} is as the baseline says, so there is nothing to adopt"
        ));
    }
    let forms = |id: &&ResourceId| [id.to_string(), id.short(), id.name.clone()];
    let unseen = comparison.not_evaluated.iter().map(|it| &it.resource);
    let known: Vec<String> = drifted
        .keys()
        .copied()
        .chain(&comparison.clean)
        .chain(unseen)
        .flat_map(|id| forms(&id))
        .collect();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let near = suggest(word, &known);
    let problem = Problem::general(format!("there is no resource {}", word.escape_debug()));
    match near.starts_with("did you mean") {
        true => problem.hint(near),
        false => problem.hint("evenkeel plan shows what differs"),
    }
}

/// The files that the adoption touches, by path relative to the baseline's directory. Those that stay as they are are
/// among them: an earlier state of the same pull request may have changed them.
#[derive(Default)]
struct Files(BTreeMap<String, File>);

struct File {
    before: Arc<[u8]>,
    after: Arc<[u8]>,
}

/// Edits the manifests of all drifts, one after another where they lie in one file.
fn compose(
    drifts: &[&Drift],
    looked: &Looked,
    files: &dyn SideFiles,
    problems: &mut Problems,
) -> Files {
    let mut composed = Files::default();
    for drift in drifts {
        if let Err(why) = composed.add(drift, looked, files) {
            problems.push(Problem::general(why));
        }
    }
    composed
}

impl Files {
    fn add(&mut self, drift: &Drift, looked: &Looked, files: &dyn SideFiles) -> Result<(), String> {
        // What is listed nowhere has no manifest to read; its refusal says so.
        if drift.change != Change::Extra {
            self.load(&drift.origin.file, files)?;
        }
        let manifest = self
            .0
            .get(&drift.origin.file)
            .map_or(Ok(""), |file| std::str::from_utf8(&file.after))
            .map_err(|_| format!("{} is no text", drift.origin.file))?
            .to_owned();
        let changed =
            changes(drift, &looked.contents, &manifest).map_err(|error| error.to_string())?;
        for path in touches(drift, &manifest).map_err(|error| error.to_string())? {
            self.load(&path, files)?;
        }
        for change in changed {
            let Some(file) = self.0.get_mut(&change.path) else {
                continue;
            };
            let content: Arc<[u8]> = change.content.unwrap_or_default().into();
            let is_beside = change.path != drift.origin.file;
            if is_beside && file.after != file.before && file.after != content {
                return Err(format!(
                    "{} would need another content of {} than the other resources that share it",
                    drift.resource, change.path
                ));
            }
            file.after = content;
        }
        Ok(())
    }

    fn load(&mut self, path: &str, files: &dyn SideFiles) -> Result<(), String> {
        if !self.0.contains_key(path) {
            let bytes = files.read(path)?;
            let file = File {
                before: Arc::clone(&bytes),
                after: bytes,
            };
            self.0.insert(path.to_owned(), file);
        }
        Ok(())
    }

    fn before(&self) -> Vec<FileChange> {
        self.each(|file| &file.before)
    }

    fn after(&self) -> Vec<FileChange> {
        self.each(|file| &file.after)
    }

    fn each(&self, side: impl Fn(&File) -> &Arc<[u8]>) -> Vec<FileChange> {
        self.0
            .iter()
            .map(|(path, file)| FileChange {
                path: path.clone(),
                content: Some(side(file).to_vec()),
            })
            .collect()
    }

    fn patch(&self, prefix: &str) -> Result<String, Problems> {
        let mut all = String::new();
        for (path, file) in self.0.iter().filter(|(_, file)| file.before != file.after) {
            let path = in_repository(prefix, path);
            let sides = (
                std::str::from_utf8(&file.before),
                std::str::from_utf8(&file.after),
            );
            let (Ok(before), Ok(after)) = sides else {
                let problem =
                    Problem::general(format!("{path} is no text, so no patch can be made"));
                return Err(Problems(vec![
                    problem.hint("without --print, a pull request replaces it as a whole"),
                ]));
            };
            all.push_str(&patch(&path, before, after));
        }
        Ok(all)
    }
}

/// Which resources mean something else than before, but for what was named: of that, only what is expected of its own
/// state may differ.
fn changed_meaning(
    before: &Wanted,
    after: &Wanted,
    named: &BTreeSet<&ResourceId>,
) -> Vec<ResourceId> {
    let by_id = |wanted: &Wanted| -> BTreeMap<ResourceId, Desired> {
        let all = wanted.desired.values().flatten();
        all.map(|one| (one.id.clone(), meaning(one, named.contains(&one.id))))
            .collect()
    };
    let (before, after) = (by_id(before), by_id(after));
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    ids.into_iter()
        .filter(|id| before.get(id) != after.get(id))
        .cloned()
        .collect()
}

/// A resource without its line, which moves, and for a named one without what may be adopted.
fn meaning(desired: &Desired, is_named: bool) -> Desired {
    let mut desired = desired.clone();
    (desired.origin.line, desired.origin.column) = (0, 0);
    if is_named {
        desired.presence = crate::model::Presence::Absent;
        desired.create_with.clear();
        desired.options.clear();
    }
    desired
}

#[cfg(test)]
mod tests;
