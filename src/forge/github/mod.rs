//! Pull requests and commit statuses at GitHub, GitHub Enterprise or a server that speaks the same API.
//!
//! Flow: [`GitHub`] checks names, then `branch` and `pulls` look, act and look again through `client`, which knows when
//! a request may be sent twice (`retry`).
//!
//! **Invariant:** the forge is not trusted: its answers are bounded, its names are checked, and a branch of a fork or
//! a commit of somebody else is never taken for evenkeel's own.

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::OnceCell;

use self::client::{Call, Client, Failure};
use self::retry::Repeat;
use self::wire::{Pull, User};
use super::marker::{self, BRANCH_PREFIX};
use super::text::bounded;
use crate::model::ForgeConfig;
use crate::ports::{Clock, Forge, ForgeError, Proposal, PullRequest, PullState, StatusState};

mod branch;
mod client;
mod names;
mod pulls;
mod retry;
mod wire;

/// What GitHub takes of a comment or a body, with room for the mark.
const MAX_TEXT_BYTES: usize = 60_000;
/// What GitHub takes of a status' description, in characters.
const MAX_STATUS_CHARS: usize = 140;

/// A GitHub repository to which evenkeel opens pull requests.
pub struct GitHub {
    client: Client,
    base: String,
    own: OnceCell<Option<String>>,
}

impl GitHub {
    /// Prepares for a repository; nothing is sent yet. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the configuration names no repository, branch or API that could exist, or the token is none.
    pub fn connect(
        config: &ForgeConfig,
        token: &SecretString,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ForgeError> {
        let refused = |why: String| ForgeError::Refused {
            action: "prepare for GitHub".into(),
            why,
            hint: "see `forge` in evenkeel.yaml".into(),
        };
        if !names::is_repository(&config.repository) {
            return Err(refused("forge.repository is not owner/name".into()));
        }
        if !names::is_branch(&config.base) {
            return Err(refused("forge.base is not the name of a branch".into()));
        }
        Ok(Self {
            client: Client::new(config, token, clock).map_err(refused)?,
            base: config.base.clone(),
            own: OnceCell::new(),
        })
    }

    /// The account of the token, where GitHub tells it: an app's token may not ask.
    async fn own(&self) -> Result<Option<&str>, Failure> {
        let own = self
            .own
            .get_or_try_init(|| async {
                match self.client.fetch::<User>(Call::get("/user")).await {
                    Ok(user) => Ok(Some(user.person().login).filter(|login| !login.is_empty())),
                    Err(Failure::Status {
                        status: 403 | 404, ..
                    }) => Ok(None),
                    Err(failure) => Err(failure),
                }
            })
            .await?;
        Ok(own.as_deref())
    }

    fn failed<'a>(&'a self, action: &'a str) -> impl Fn(Failure) -> ForgeError + 'a {
        move |failure| self.client.error(action, failure)
    }

    /// Makes the branch of a proposal afresh from the base, unless somebody else's work is on it that no pull request
    /// keeps; `before` are the pull requests that it had.
    async fn prepare(
        &self,
        proposal: &Proposal,
        before: &[Pull],
        action: &str,
    ) -> Result<(), ForgeError> {
        let failed = self.failed(action);
        let (client, name) = (&self.client, proposal.branch.as_str());
        let base = branch::head(client, &self.base)
            .await
            .map_err(&failed)?
            .ok_or_else(|| ForgeError::Refused {
                action: action.to_owned(),
                why: format!("there is no branch {}", self.base),
                hint: "check forge.base".into(),
            })?;
        if let Some(left) = branch::head(client, name).await.map_err(&failed)? {
            let is_kept = before.iter().any(|pull| pull.head.sha == left);
            if is_kept {
                branch::delete(client, name).await.map_err(&failed)?;
            } else {
                self.clear(proposal, action).await?;
            }
        }
        branch::create(client, name, &base).await.map_err(&failed)
    }

    /// Deletes a branch that was left without a pull request, when all that is on it is evenkeel's.
    async fn clear(&self, proposal: &Proposal, action: &str) -> Result<(), ForgeError> {
        let (failed, name) = (self.failed(action), proposal.branch.as_str());
        let left = branch::compare(&self.client, &self.base, name).await;
        let Some(work) = left.map_err(&failed)? else {
            return Ok(());
        };
        let own = self.own().await.map_err(&failed)?;
        let own: Vec<_> = own.map(str::to_owned).into_iter().collect();
        refuse_foreign(&work, proposal, &own, action)?;
        branch::delete(&self.client, name).await.map_err(failed)
    }

    /// Refuses when a branch has other files than those that the changes were made from.
    async fn has_what_was_read(
        &self,
        proposal: &Proposal,
        branch: &str,
        action: &str,
    ) -> Result<(), ForgeError> {
        for file in &proposal.made_from {
            let found = branch::read(&self.client, branch, &file.path)
                .await
                .map_err(self.failed(action))?;
            if found != file.content {
                return Err(ForgeError::Refused {
                    action: action.to_owned(),
                    why: format!(
                        "{} has another {} than the commit that was read",
                        self.base,
                        file.path.escape_debug()
                    ),
                    hint: format!(
                        "push what is missing there, or fetch and check out {}, and run again",
                        self.base
                    ),
                });
            }
        }
        Ok(())
    }

    async fn open_new(
        &self,
        proposal: &Proposal,
        before: &[Pull],
        action: &str,
    ) -> Result<PullRequest, ForgeError> {
        self.prepare(proposal, before, action).await?;
        let failed = self.failed(action);
        // The branch is at a commit of the base and nobody knows of it, so what it has now is what will be changed.
        if let Err(error) = self
            .has_what_was_read(proposal, &proposal.branch, action)
            .await
        {
            branch::delete(&self.client, &proposal.branch)
                .await
                .map_err(&failed)?;
            return Err(error);
        }
        branch::put_files(&self.client, proposal, &[])
            .await
            .map_err(&failed)?;
        let pull = pulls::create(&self.client, &self.base, proposal)
            .await
            .map_err(&failed)?;
        pulls::label(&self.client, pull.number, &pull.labels, &proposal.labels).await;
        pulls::whole(&self.client, &self.base, pull.number)
            .await
            .map_err(failed)
    }

    async fn bring_up_to_date(
        &self,
        number: u64,
        proposal: &Proposal,
        action: &str,
    ) -> Result<PullRequest, ForgeError> {
        let (failed, client) = (self.failed(action), &self.client);
        let pull = pulls::get(client, number).await.map_err(&failed)?;
        let is_its =
            pull.head.branch == proposal.branch && pulls::is_ours(client, &self.base, &pull);
        if pull.state() != PullState::Open || !is_its {
            return Err(ForgeError::Refused {
                action: action.to_owned(),
                why: format!(
                    "#{number} is no longer open, or not from {} into {}",
                    proposal.branch, self.base
                ),
                hint: "run again when it is closed: each run decides anew".into(),
            });
        }
        self.has_what_was_read(proposal, &self.base, action).await?;
        let work = pulls::work(client, number).await.map_err(&failed)?;
        let mut own: Vec<_> = self
            .own()
            .await
            .map_err(&failed)?
            .map(str::to_owned)
            .into_iter()
            .collect();
        own.extend(pull.user.as_ref().map(|user| user.person().login));
        refuse_foreign(&work, proposal, &own, action)?;
        branch::put_files(client, proposal, &work.files)
            .await
            .map_err(&failed)?;
        pulls::describe(client, &pull, proposal)
            .await
            .map_err(&failed)?;
        pulls::label(client, number, &pull.labels, &proposal.labels).await;
        pulls::whole(client, &self.base, number)
            .await
            .map_err(failed)
    }
}

fn refuse_foreign(
    work: &branch::Work,
    proposal: &Proposal,
    own: &[String],
    action: &str,
) -> Result<(), ForgeError> {
    match branch::foreign(work, proposal, own) {
        None => Ok(()),
        Some(what) => Err(ForgeError::Refused {
            action: action.to_owned(),
            why: format!(
                "branch {} {what}, and evenkeel does not overwrite what others did",
                proposal.branch
            ),
            hint: format!(
                "merge or close what is there and delete branch {}; the next run makes it anew",
                proposal.branch
            ),
        }),
    }
}

/// Whether a proposal holds only names that are safe to use.
fn check(proposal: &Proposal, action: &str) -> Result<(), ForgeError> {
    let is_branch =
        proposal.branch.starts_with(BRANCH_PREFIX) && names::is_branch(&proposal.branch);
    let bad = proposal
        .files
        .iter()
        .find(|file| !names::is_path(&file.path));
    let why = match bad {
        _ if !is_branch => format!(
            "{} is no branch of evenkeel's",
            proposal.branch.escape_debug()
        ),
        Some(file) => format!("{} is no path in a repository", file.path.escape_debug()),
        None => return Ok(()),
    };
    Err(ForgeError::Refused {
        action: action.to_owned(),
        why,
        hint: "rename it".into(),
    })
}

#[async_trait]
impl Forge for GitHub {
    async fn pulls(&self, prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        pulls::with_prefix(&self.client, &self.base, prefix)
            .await
            .map_err(self.failed("list pull requests"))
    }

    async fn pull(&self, number: u64) -> Result<PullRequest, ForgeError> {
        pulls::whole(&self.client, &self.base, number)
            .await
            .map_err(self.failed(&format!("look at pull request #{number}")))
    }

    async fn open(&self, proposal: &Proposal) -> Result<PullRequest, ForgeError> {
        let action = format!("open a pull request from {}", proposal.branch);
        check(proposal, &action)?;
        let pulls = pulls::of_branch(&self.client, &proposal.branch, "all")
            .await
            .map_err(self.failed(&action))?;
        match pulls.iter().find(|pull| pull.state() == PullState::Open) {
            Some(pull) => self.bring_up_to_date(pull.number, proposal, &action).await,
            None => self.open_new(proposal, &pulls, &action).await,
        }
    }

    async fn update(
        &self,
        pull: &PullRequest,
        proposal: &Proposal,
    ) -> Result<PullRequest, ForgeError> {
        let action = format!("update pull request #{}", pull.number);
        check(proposal, &action)?;
        self.bring_up_to_date(pull.number, proposal, &action).await
    }

    async fn comment(&self, number: u64, key: &str, body: &str) -> Result<(), ForgeError> {
        let action = format!("comment on pull request #{number}");
        if !marker::is_comment_key(key) {
            return Err(ForgeError::Refused {
                action,
                why: format!("{} is no key for a comment", key.escape_debug()),
                hint: "use letters, digits and ._:-".into(),
            });
        }
        let own = self.own().await.map_err(self.failed(&action))?;
        let body = bounded(body.to_owned(), MAX_TEXT_BYTES);
        pulls::comment_once(&self.client, number, &marker::comment_mark(key), &body, own)
            .await
            .map_err(self.failed(&action))
    }

    async fn close(&self, pull: &PullRequest) -> Result<(), ForgeError> {
        let action = format!("close pull request #{}", pull.number);
        let failed = self.failed(&action);
        let fresh = pulls::get(&self.client, pull.number)
            .await
            .map_err(&failed)?;
        let is_ours = fresh.head.branch.starts_with(BRANCH_PREFIX)
            && names::is_branch(&fresh.head.branch)
            && fresh.is_from(self.client.repository());
        if !is_ours {
            return Err(ForgeError::Refused {
                action: action.clone(),
                why: "its branch is none of evenkeel's".into(),
                hint: "close it by hand".into(),
            });
        }
        if fresh.state() == PullState::Open {
            pulls::close(&self.client, &fresh).await.map_err(&failed)?;
        }
        branch::delete(&self.client, &fresh.head.branch)
            .await
            .map_err(failed)
    }

    async fn status(
        &self,
        commit: &str,
        context: &str,
        state: StatusState,
        text: &str,
    ) -> Result<(), ForgeError> {
        let action = format!(
            "set the status of commit {}",
            commit.get(..12).unwrap_or(commit).escape_debug()
        );
        if !wire::is_commit(commit) {
            return Err(ForgeError::Refused {
                action,
                why: "this is no commit".into(),
                hint: "run on a commit, not with --worktree".into(),
            });
        }
        let text: String = super::text::plain_line(text)
            .chars()
            .take(MAX_STATUS_CHARS)
            .collect();
        let body = json!({
            "state": status_word(state),
            "context": context,
            "description": text,
        });
        let path = format!("statuses/{commit}");
        let call = Call::new(Method::POST, path, Some(body), Repeat::Harmless);
        let sent = self.client.send(&call).await;
        sent.map(drop).map_err(self.failed(&action))
    }
}

fn status_word(state: StatusState) -> &'static str {
    match state {
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error => "error",
        StatusState::Pending => "pending",
    }
}
