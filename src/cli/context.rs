//! What every command that looks at targets needs: the repository, the trusted configuration, the resources, the store,
//! the providers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CliError;
use super::args::{BaselineArgs, StateArgs};
use crate::baseline::{CommitId, Loaded, Repo, Source, load_project, load_resources};
use crate::engine::{Facts, TRUSTED};
use crate::journal::{NoStore, Store};
use crate::model::{BaselineInfo, Problems, Project, RunId, SignatureState};
use crate::ports::{Clock, StateStore};
use crate::trust::{AllowedSigners, Candidate, Distrust, Signer, Standing, judge, verify};

/// The place that everything is relative to.
pub struct Place {
    pub repo: Option<Repo>,
    /// The top of the repository; without one, the directory that holds the baseline's.
    pub top: PathBuf,
    /// The baseline's directory.
    pub baseline: PathBuf,
}

/// Where the state is kept.
pub enum StateDir {
    None,
    At(PathBuf),
}

/// A baseline, trusted or known not to be.
pub struct Opened {
    pub info: BaselineInfo,
    pub project: Project,
    pub loaded: Loaded,
    /// Where it was loaded from.
    pub source: Source,
    pub notices: Vec<String>,
    /// The signer of a commit that was found trustworthy and should be remembered.
    pub remember: Option<(String, Signer)>,
}

impl Opened {
    /// Lets go of the suppressions of a revision that nobody vouches for: who wrote it may be who is looked for.
    fn unsuppress(&mut self) {
        let count = self.loaded.suppressions.len();
        if count > 0 {
            self.notices.push(format!(
                "nobody vouches for this revision, so its suppressions ({count}) hold no finding back"
            ));
        }
        self.loaded.suppressions.clear();
    }
}

/// How a revision is treated.
#[derive(Clone, Copy, Default)]
pub struct Doubt<'a> {
    pub untrusted: bool,
    pub trusted_rev: Option<&'a str>,
}

impl Place {
    /// Finds the repository around the baseline's directory.
    ///
    /// # Errors
    /// There is none, and the files are not to be read as they lie.
    pub fn find(dir: &Path, worktree: bool) -> Result<Self, CliError> {
        match Repo::discover(dir) {
            Ok(repo) => Ok(Self {
                top: repo.top().to_owned(),
                baseline: repo.directory(),
                repo: Some(repo),
            }),
            Err(error) if worktree => {
                let baseline = std::path::absolute(dir).map_err(|error| {
                    CliError::new(format!("failed to find {}: {error}", dir.display()))
                })?;
                if !baseline.is_dir() {
                    return Err(error.into());
                }
                let top = baseline.parent().unwrap_or(&baseline).to_owned();
                Ok(Self {
                    repo: None,
                    top,
                    baseline,
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A path of the configuration: a relative one starts at the baseline's directory.
    pub fn whole(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        match path.is_absolute() {
            true => path.to_owned(),
            false => self.baseline.join(path),
        }
    }

    /// The repository, where a commit is needed.
    ///
    /// # Errors
    /// There is none.
    pub fn git(&self) -> Result<&Repo, CliError> {
        self.repo
            .as_ref()
            .ok_or_else(|| CliError::new("there is no git repository around the baseline"))
    }

    /// Where the state lies.
    pub fn state_dir(&self, args: &StateArgs) -> StateDir {
        match &args.state {
            Some(none) if none.as_os_str() == "none" => StateDir::None,
            Some(dir) => StateDir::At(std::path::absolute(dir).unwrap_or_else(|_| dir.clone())),
            None => StateDir::At(self.top.join(".evenkeel")),
        }
    }

    /// Where the state lies, refused where it came with a checkout.
    ///
    /// # Errors
    /// Git tracks it.
    pub fn own_state(&self, args: &StateArgs) -> Result<StateDir, CliError> {
        let state = self.state_dir(args);
        if let (StateDir::At(dir), Some(repo)) = (&state, &self.repo) {
            repo.refuse_tracked(dir)?;
        }
        Ok(state)
    }

    /// Opens the state for reading, which leaves no trace.
    ///
    /// # Errors
    /// The state is damaged or cannot be read.
    pub fn read_state(&self, args: &StateArgs) -> Result<Arc<dyn StateStore>, CliError> {
        Ok(match self.own_state(args)? {
            StateDir::None => Arc::new(NoStore),
            StateDir::At(dir) => Arc::new(Store::read_only(&dir, args.journal_key.as_deref())?),
        })
    }

    /// Opens the state for writing; it is made when it is not there.
    ///
    /// # Errors
    /// The state is damaged or cannot be written.
    pub fn write_state(&self, args: &StateArgs) -> Result<Arc<dyn StateStore>, CliError> {
        Ok(match self.own_state(args)? {
            StateDir::None => Arc::new(NoStore),
            StateDir::At(dir) => Arc::new(Store::open(&dir, args.journal_key.as_deref())?),
        })
    }

    /// Loads the baseline, after judging whether it may be believed.
    ///
    /// # Errors
    /// The commit is not trusted, or the baseline cannot be read or has problems.
    pub fn open(
        &self,
        args: &BaselineArgs,
        facts: &Facts,
        doubt: Doubt<'_>,
    ) -> Result<Opened, CliError> {
        if args.worktree {
            return self.open_worktree(args, facts);
        }
        let repo = self.git()?;
        let rev = args.rev.as_deref().unwrap_or("HEAD");
        let commit = resolve(repo, rev, facts)?;
        let info = repo.info(rev, &commit)?;
        if doubt.untrusted {
            return self.open_untrusted(repo, args, &commit, info, facts, doubt);
        }
        let source = Source::commit(repo, &commit)?;
        let (own_project, own_problems) = load_project(&source)?;
        let signer = self.trust(repo, args, facts, &commit, rev, own_project.as_ref())?;
        // Unsigned, the checked-out branch is what is trusted: another revision brings resources, and no configuration.
        let (project, problems) = match (&signer, rev) {
            (Some(_), _) | (None, "HEAD" | "last-good") => (own_project, own_problems),
            (None, _) => load_project(&Source::commit(repo, &repo.resolve("HEAD")?)?)?,
        };
        let project = usable(project, problems)?;
        // Another revision may ask for no signature; the configuration that counts here does.
        if signer.is_none() && project.trust.require_signed {
            let distrust = Distrust::NothingPinned;
            return Err(CliError::of(&distrust).hint(distrust.hint()));
        }
        let signature = match &signer {
            None => SignatureState::NotRequired,
            Some(signer) => SignatureState::Trusted {
                principal: signer.principal.clone(),
                key: signer.fingerprint.clone(),
            },
        };
        let is_vouched = signer.is_some() || matches!(rev, "HEAD" | "last-good");
        let remember = signer
            .filter(|_| rev != "last-good" && facts.trusted.as_deref() != Some(commit.as_str()))
            .map(|signer| (commit.as_str().to_owned(), signer));
        let info = BaselineInfo { signature, ..info };
        let mut opened = self.finish(&source, project, info, remember)?;
        if !is_vouched {
            opened.unsuppress();
        }
        Ok(opened)
    }

    fn open_worktree(&self, args: &BaselineArgs, facts: &Facts) -> Result<Opened, CliError> {
        let source = Source::folder(&self.baseline)?;
        let (project, problems) = load_project(&source)?;
        let signed = args.allowed_signers.is_some()
            || facts.trusted.is_some()
            || project.as_ref().is_some_and(|p| p.trust.require_signed)
            || self.head_asks_for_signatures();
        if signed {
            return Err(CliError::new(
                "signed commits are required, and files as they lie (--worktree) are signed by nobody",
            )
            .hint("commit and sign the change, or use evenkeel check --worktree to look at it"));
        }
        let info = BaselineInfo {
            commit: None,
            rev: "worktree".to_owned(),
            summary: None,
            prefix: self
                .repo
                .as_ref()
                .map_or_else(String::new, |repo| repo.prefix().to_owned()),
            signature: SignatureState::NotRequired,
        };
        self.finish(&source, usable(project, problems)?, info, None)
    }

    /// Whether the checked-out commit asks for signatures: a file changed beside it must not take that back.
    fn head_asks_for_signatures(&self) -> bool {
        let project = self.repo.as_ref().and_then(|repo| {
            let commit = repo.resolve("HEAD").ok()?;
            load_project(&Source::commit(repo, &commit).ok()?).ok()?.0
        });
        project.is_some_and(|project| project.trust.require_signed)
    }

    /// A revision that nobody vouches for: its resources with the guard, forge and modes of a trusted commit, and
    /// nothing disclosed whatever it says.
    fn open_untrusted(
        &self,
        repo: &Repo,
        args: &BaselineArgs,
        commit: &CommitId,
        info: BaselineInfo,
        facts: &Facts,
        doubt: Doubt<'_>,
    ) -> Result<Opened, CliError> {
        let trusted = match (doubt.trusted_rev, &facts.trusted, &args.rev) {
            (Some(rev), _, _) => repo.resolve(rev)?,
            (None, Some(commit), _) => repo.resolve(commit)?,
            (None, None, Some(_)) => repo.resolve("HEAD")?,
            (None, None, None) => ["refs/remotes/origin/HEAD", "refs/remotes/origin/main"]
                .iter()
                .find_map(|rev| repo.resolve(rev).ok())
                .ok_or_else(|| {
                    CliError::new("no trusted commit is known to plan an untrusted one with")
                        .hint("name it with --trusted-rev, such as --trusted-rev origin/main")
                })?,
        };
        let (own_project, _) = load_project(&Source::commit(repo, &trusted)?)?;
        self.trust(
            repo,
            args,
            facts,
            &trusted,
            trusted.as_str(),
            own_project.as_ref(),
        )?;
        let project = usable(own_project, Problems::default())?;
        let source = Source::commit(repo, commit)?;
        let info = BaselineInfo {
            signature: SignatureState::Untrusted,
            ..info
        };
        let mut opened = self.finish(&source, project, info, None)?;
        for declared in opened.loaded.declared.values_mut().flatten() {
            declared.disclose = false;
        }
        opened.unsuppress();
        opened.notices.push(format!(
            "untrusted: guard, forge and modes are those of commit {}",
            short(trusted.as_str())
        ));
        Ok(opened)
    }

    fn finish(
        &self,
        source: &Source,
        project: Project,
        info: BaselineInfo,
        remember: Option<(String, Signer)>,
    ) -> Result<Opened, CliError> {
        let loaded = load_resources(source, &project)?;
        if !loaded.problems.is_empty() {
            return Err(CliError::problems(loaded.problems));
        }
        let mut notices = loaded.notices.clone();
        if info.signature == SignatureState::NotRequired {
            notices.push(
                "the baseline is unsigned: whoever can push to its branch decides what these systems are"
                    .to_owned(),
            );
        }
        Ok(Opened {
            info,
            project,
            loaded,
            source: source.clone(),
            notices,
            remember,
        })
    }

    /// Judges a commit. None: no signature is asked for.
    pub fn trust(
        &self,
        repo: &Repo,
        args: &BaselineArgs,
        facts: &Facts,
        commit: &CommitId,
        rev: &str,
        own: Option<&Project>,
    ) -> Result<Option<Signer>, CliError> {
        let pinned = facts
            .trusted
            .as_deref()
            .map(|id| repo.resolve(id))
            .transpose()?;
        let (standing, signers) = self.standing(repo, args, pinned.as_ref())?;
        let signature = match &signers {
            None => None,
            Some(signers) => repo.signature(commit)?.map(|signed| {
                let at = repo.commit(commit).map_err(|e| e.to_string())?.committed_at;
                verify(&signed.signature, &signed.payload, signers, at)
            }),
        };
        let descends = match &pinned {
            None => Some(true),
            Some(pinned) => repo.is_ancestor(pinned, commit).ok(),
        };
        let candidate = Candidate {
            commit: commit.as_str().to_owned(),
            signature,
            descends,
            asks_for_signatures: own.is_some_and(|project| project.trust.require_signed),
        };
        // The last good commit was trusted once; going back to it is what it is for.
        let allow_rewind = args.allow_rewind || rev == "last-good";
        judge(&candidate, &standing, allow_rewind)
            .map_err(|distrust| CliError::of(&distrust).hint(distrust.hint()))
    }

    fn standing(
        &self,
        repo: &Repo,
        args: &BaselineArgs,
        pinned: Option<&CommitId>,
    ) -> Result<(Standing, Option<AllowedSigners>), CliError> {
        if let Some(file) = &args.allowed_signers {
            let text = std::fs::read_to_string(file).map_err(|error| {
                CliError::new(format!("failed to read {}: {error}", file.display()))
            })?;
            let signers = AllowedSigners::parse(&file.display().to_string(), &text)
                .map_err(|problems| CliError::problems(problems).outside_baseline())?;
            let pinned = pinned.map(|pinned| pinned.as_str().to_owned());
            return Ok((Standing::CommandLine { pinned }, Some(signers)));
        }
        let Some(pinned) = pinned else {
            return Ok((Standing::Nothing, None));
        };
        let source = Source::commit(repo, pinned)?;
        let (project, problems) = load_project(&source)?;
        let project = usable(project, problems)?;
        if !project.trust.require_signed {
            let commit = pinned.as_str().to_owned();
            return Ok((Standing::PinnedOpen { commit }, None));
        }
        let standing = Standing::Pinned {
            commit: pinned.as_str().to_owned(),
        };
        Ok((standing, Some(signers_of(&source, &project)?)))
    }
}

/// The allowed signers that a commit's own configuration names.
pub fn signers_of(source: &Source, project: &Project) -> Result<AllowedSigners, CliError> {
    let Some(file) = &project.trust.allowed_signers else {
        return Err(CliError::new(
            "trust.require_signed is set, and trust.allowed_signers names no file",
        ));
    };
    let bytes = source.read(file).map_err(CliError::new)?;
    let text = String::from_utf8_lossy(&bytes);
    AllowedSigners::parse(file, &text).map_err(CliError::problems)
}

fn usable(project: Option<Project>, problems: Problems) -> Result<Project, CliError> {
    match project {
        Some(project) if problems.is_empty() => Ok(project),
        _ => Err(CliError::problems(problems)),
    }
}

/// Finds the commit that a revision means, `last-good` included.
///
/// # Errors
/// It means none, or no run has proven one good.
pub fn resolve(repo: &Repo, rev: &str, facts: &Facts) -> Result<CommitId, CliError> {
    if rev != "last-good" {
        return Ok(repo.resolve(rev)?);
    }
    let commit = facts.last_good.as_deref().ok_or_else(|| {
        CliError::new("no run has ended verified clean yet, so there is no last good commit")
            .hint("a reconcile of all targets that ends clean marks its commit")
    })?;
    Ok(repo.resolve(commit)?)
}

/// The first digits of a commit's id.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Remembers a commit that was found trustworthy.
pub fn remember(
    opened: &Opened,
    store: &dyn StateStore,
    clock: &dyn Clock,
) -> Result<(), CliError> {
    if let Some((commit, signer)) = &opened.remember {
        let run = RunId("trust".to_owned());
        let payload = serde_json::json!({
            "commit": commit,
            "principal": signer.principal,
            "key": signer.fingerprint,
        });
        store.append(&run, TRUSTED, clock.now(), payload)?;
    }
    Ok(())
}
