//! Pull requests and what is said on them.
//!
//! Flow: lists are filtered to branches of this very repository; what is made is looked for before and after.
//!
//! **Invariant:** never a second open pull request for a branch, and never the same comment twice.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use super::branch::{TRIES, Work};
use super::client::{Call, Client, Failure};
use super::names::encode_value;
use super::retry::Repeat;
use super::wire::{Comment, Commit, File, Issue, Label, Pull, User, nobody, person};
use crate::forge::marker::{self, CLOSED_MARK};
use crate::ports::{Person, Proposal, PullRequest, PullState};

/// The most pages that are read of any list.
const MAX_PAGES: usize = 30;
/// The most pages of closed pull requests, the last touched first; older ones are looked for by branch.
const MAX_CLOSED_PAGES: usize = 10;
/// GitHub tells no more commits of a pull request than this.
const MAX_COMMITS: usize = 250;

/// The pull requests into the base from branches with this prefix, the newest first.
pub(super) async fn with_prefix(
    client: &Client,
    base: &str,
    prefix: &str,
) -> Result<Vec<PullRequest>, Failure> {
    let all = if marker::fingerprint_of(prefix).is_some() {
        of_branch(client, prefix, "all").await?
    } else {
        recent(client, base).await?
    };
    // One that is closed while the lists are read is in both; the later look is the newer one.
    let by_number: BTreeMap<u64, Pull> = all
        .into_iter()
        .filter(|pull| is_ours(client, base, pull) && pull.head.branch.starts_with(prefix))
        .map(|pull| (pull.number, pull))
        .collect();
    Ok(by_number.into_values().rev().map(Pull::into_port).collect())
}

/// All that are open, then those that were closed lately.
async fn recent(client: &Client, base: &str) -> Result<Vec<Pull>, Failure> {
    let base = encode_value(base);
    let open = format!("pulls?state=open&base={base}");
    let (mut all, whole) = client.list::<Pull>(&open, MAX_PAGES).await?;
    if !whole {
        return Err(Failure::NotDone {
            why: format!("it has more than {} open pull requests", all.len()),
        });
    }
    let closed = format!("pulls?state=closed&sort=updated&direction=desc&base={base}");
    all.extend(client.list::<Pull>(&closed, MAX_CLOSED_PAGES).await?.0);
    Ok(all)
}

/// Whether a pull request goes into the base from a branch of this very repository.
pub(super) fn is_ours(client: &Client, base: &str, pull: &Pull) -> bool {
    pull.base.branch == base && pull.is_from(client.repository())
}

/// The pull requests from one branch, into whichever base; `state` is `open` or `all`.
pub(super) async fn of_branch(
    client: &Client,
    branch: &str,
    state: &str,
) -> Result<Vec<Pull>, Failure> {
    let head = encode_value(&format!("{}:{branch}", client.owner()));
    let path = format!("pulls?state={state}&head={head}");
    let (mut pulls, _) = client.list::<Pull>(&path, MAX_PAGES).await?;
    pulls.retain(|pull| pull.head.branch == branch && pull.is_from(client.repository()));
    Ok(pulls)
}

/// The open pull request of a branch, into whichever base.
pub(super) async fn open_of(client: &Client, branch: &str) -> Result<Option<Pull>, Failure> {
    let pulls = of_branch(client, branch, "open").await?;
    Ok(pulls
        .into_iter()
        .find(|pull| pull.state() == PullState::Open))
}

/// One pull request, as its own page tells it.
pub(super) async fn get(client: &Client, number: u64) -> Result<Pull, Failure> {
    client.fetch(Call::get(format!("pulls/{number}"))).await
}

/// What a pull request changes, and by which commits.
pub(super) async fn work(client: &Client, number: u64) -> Result<Work, Failure> {
    let path = |what: &str| format!("pulls/{number}/{what}");
    let (files, _) = client.list::<File>(&path("files"), MAX_PAGES).await?;
    let (commits, _) = client.list::<Commit>(&path("commits"), MAX_PAGES).await?;
    Ok(Work { files, commits })
}

/// One pull request whole.
pub(super) async fn whole(
    client: &Client,
    base: &str,
    number: u64,
) -> Result<PullRequest, Failure> {
    let pull = get(client, number).await?;
    let is_ours = is_ours(client, base, &pull);
    let mut port = pull.into_port();
    if !is_ours {
        // A fork's branch may be named like ours; without a name it is never taken for ours.
        port.branch = String::new();
    }
    let work = work(client, number).await?;
    port.pushers = pushers(&work.commits);
    port.files = work.files.iter().flat_map(paths).collect();
    if port.state == PullState::Closed {
        let issue: Option<Issue> = client.find(Call::get(format!("issues/{number}"))).await?;
        let closed_by = issue.and_then(|issue| issue.closed_by);
        port.closed_by = closed_by.as_ref().map(User::person);
    }
    Ok(port)
}

fn paths(file: &File) -> impl Iterator<Item = String> + '_ {
    [Some(&file.filename), file.previous_filename.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
}

/// Everyone who authored or committed; somebody unknown where a list may be cut.
fn pushers(commits: &[Commit]) -> Vec<Person> {
    let mut all: Vec<_> = commits
        .iter()
        .flat_map(|commit| [&commit.author, &commit.committer])
        .map(|user| person(user.as_ref()))
        .collect();
    if commits.len() >= MAX_COMMITS {
        all.push(nobody());
    }
    all.sort();
    all.dedup();
    all
}

/// Opens a pull request on a branch that is ready; the one that is open already when there is one.
pub(super) async fn create(
    client: &Client,
    base: &str,
    proposal: &Proposal,
) -> Result<Pull, Failure> {
    let mut last = None;
    for _ in 0..TRIES {
        let body = json!({
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.branch,
            "base": base,
        });
        let call = Call::new(Method::POST, "pulls", Some(body), Repeat::Harmful);
        let failure = match client.fetch(call).await {
            Ok(pull) => return Ok(pull),
            Err(failure @ (Failure::Unclear { .. } | Failure::Status { status: 422, .. })) => {
                failure
            }
            Err(failure) => return Err(failure),
        };
        if let Some(pull) = open_of(client, &proposal.branch).await?
            && pull.base.branch == base
        {
            return Ok(pull);
        }
        if let Failure::Status { .. } = failure {
            return Err(failure);
        }
        last = Some(failure);
    }
    Err(last.expect("tried at least once"))
}

/// Brings title and body up to date; true when they were not.
pub(super) async fn describe(
    client: &Client,
    pull: &Pull,
    proposal: &Proposal,
) -> Result<bool, Failure> {
    let is_right = pull.title.as_deref().map(str::trim) == Some(proposal.title.trim())
        && normal(pull.body.as_deref().unwrap_or_default()) == normal(&proposal.body);
    if is_right {
        return Ok(false);
    }
    let body = json!({ "title": proposal.title, "body": proposal.body });
    patch(client, pull.number, body).await?;
    Ok(true)
}

/// A body as a forge gives it back: other line ends, no blanks at its end.
fn normal(body: &str) -> String {
    body.replace("\r\n", "\n").trim_end().to_owned()
}

/// Adds the labels that it lacks. A label that the forge refuses is no reason to fail.
pub(super) async fn label(client: &Client, pull: u64, has: &[Label], wanted: &[String]) {
    let lacks: Vec<_> = wanted
        .iter()
        .filter(|label| has.iter().all(|one| !one.name.eq_ignore_ascii_case(label)))
        .collect();
    if lacks.is_empty() {
        return;
    }
    let path = format!("issues/{pull}/labels");
    let body = json!({ "labels": lacks });
    let call = Call::new(Method::POST, path, Some(body), Repeat::Harmless);
    if let Err(failure) = client.send(&call).await {
        tracing::warn!(pull, ?failure, "the forge refused labels");
    }
}

/// Closes a pull request that is open, marked so that evenkeel knows it closed it itself.
pub(super) async fn close(client: &Client, pull: &Pull) -> Result<(), Failure> {
    let mut body = pull.body.clone().unwrap_or_default();
    if !body.contains(CLOSED_MARK) {
        body = format!("{}\n\n{CLOSED_MARK}\n", body.trim_end());
    }
    patch(
        client,
        pull.number,
        json!({ "state": "closed", "body": body }),
    )
    .await
}

async fn patch(client: &Client, number: u64, body: serde_json::Value) -> Result<(), Failure> {
    let path = format!("pulls/{number}");
    let call = Call::new(Method::PATCH, path, Some(body), Repeat::Harmless);
    client.send(&call).await.map(drop)
}

/// Comments once: looks for the mark in evenkeel's own comments first, and again when an answer was lost. `own` is
/// evenkeel's account, where the forge tells it; else any bot's comment counts.
pub(super) async fn comment_once(
    client: &Client,
    number: u64,
    mark: &str,
    body: &str,
    own: Option<&str>,
) -> Result<(), Failure> {
    let mut last = None;
    for _ in 0..TRIES {
        let path = format!("issues/{number}/comments");
        let (comments, whole) = client.list::<Comment>(&path, MAX_PAGES).await?;
        let is_there = comments.iter().any(|comment| {
            is_own(comment, own) && comment.body.as_deref().is_some_and(|b| b.contains(mark))
        });
        if is_there {
            return Ok(());
        }
        if !whole {
            return Err(Failure::NotDone {
                why: format!("#{number} has more than {} comments", comments.len()),
            });
        }
        let text = json!({ "body": format!("{}\n\n{mark}", body.trim_end()) });
        let call = Call::new(Method::POST, path, Some(text), Repeat::Harmful);
        match client.send(&call).await {
            Ok(_) => return Ok(()),
            Err(failure @ Failure::Unclear { .. }) => last = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(last.expect("tried at least once"))
}

fn is_own(comment: &Comment, own: Option<&str>) -> bool {
    let by = person(comment.user.as_ref());
    match own {
        Some(own) => by.login.eq_ignore_ascii_case(own),
        None => by.is_bot,
    }
}
