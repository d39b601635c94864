//! Branches and the files on them.
//!
//! Flow: look, act, and look again where the answer does not tell what was done.
//!
//! **Invariant:** no commit that somebody else made on a branch is overwritten.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use super::client::{Call, Client, Failure};
use super::names::{encode_path, encode_value};
use super::retry::Repeat;
use super::wire::{Commit, Compared, Content, File, Reference, is_commit};
use crate::forge::marker;
use crate::ports::Proposal;

/// How often a change is looked at again when it is not clear whether it was made.
pub(super) const TRIES: usize = 3;

/// What a branch holds that its base does not.
pub(super) struct Work {
    pub files: Vec<File>,
    pub commits: Vec<Commit>,
}

/// The commit that a branch points at, or none.
pub(super) async fn head(client: &Client, branch: &str) -> Result<Option<String>, Failure> {
    let call = Call::get(format!("git/ref/heads/{}", encode_path(branch)));
    let found: Option<Reference> = client.find(call).await?;
    match found.map(|reference| reference.object.sha) {
        Some(sha) if !is_commit(&sha) => Err(Failure::NotDone {
            why: "it names a commit in a form that no commit has".into(),
        }),
        sha => Ok(sha),
    }
}

/// Makes a branch at a commit; done as well when it is there at that commit already.
pub(super) async fn create(client: &Client, branch: &str, commit: &str) -> Result<(), Failure> {
    let mut last = None;
    for _ in 0..TRIES {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": commit });
        let call = Call::new(Method::POST, "git/refs", Some(body), Repeat::Harmful);
        let failure = match client.send(&call).await {
            Ok(_) => return Ok(()),
            Err(failure @ (Failure::Unclear { .. } | Failure::Status { status: 422, .. })) => {
                failure
            }
            Err(failure) => return Err(failure),
        };
        match head(client, branch).await? {
            Some(sha) if sha == commit => return Ok(()),
            Some(_) => return Err(failure),
            None => last = Some(failure),
        }
    }
    Err(last.expect("tried at least once"))
}

/// Deletes a branch; done as well when it is not there.
pub(super) async fn delete(client: &Client, branch: &str) -> Result<(), Failure> {
    let path = format!("git/refs/heads/{}", encode_path(branch));
    let call = Call::new(Method::DELETE, path, None, Repeat::Harmless);
    match client.send(&call).await {
        Ok(_)
        | Err(Failure::Status {
            status: 404 | 422, ..
        }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Compares a branch with its base; none when it holds nothing of its own and nothing is missing in it.
pub(super) async fn compare(
    client: &Client,
    base: &str,
    branch: &str,
) -> Result<Option<Work>, Failure> {
    let path = format!("compare/{}...{}", encode_path(base), encode_path(branch));
    let compared: Compared = client.fetch(Call::get(path)).await?;
    if compared.ahead_by == 0 && compared.behind_by == 0 {
        return Ok(None);
    }
    Ok(Some(Work {
        files: compared.files,
        commits: compared.commits,
    }))
}

/// What on a branch is not evenkeel's, as a fragment; `own` are the accounts that evenkeel uses.
pub(super) fn foreign(work: &Work, proposal: &Proposal, own: &[String]) -> Option<String> {
    let is_ours = |path: &str| {
        proposal.files.iter().any(|file| file.path == path)
            || marker::approval_in_path(path).is_some()
    };
    let stranger = work.files.iter().find(|file| {
        !is_ours(&file.filename)
            || file
                .previous_filename
                .as_deref()
                .is_some_and(|p| !is_ours(p))
    });
    if let Some(file) = stranger {
        return Some(format!("changes {}", file.filename.escape_debug()));
    }
    if own.is_empty() {
        return None;
    }
    let is_own = |login: &str| own.iter().any(|one| one.eq_ignore_ascii_case(login));
    work.commits
        .iter()
        // A merge of the base brings nothing of its own; whatever else it brings shows among the files.
        .filter(|commit| commit.parents.len() < 2)
        .map(|commit| super::wire::person(commit.author.as_ref()).login)
        .find(|login| !is_own(login))
        .map(|login| match login.as_str() {
            "" => "holds a commit of somebody unknown".to_owned(),
            login => format!("holds a commit of {login}"),
        })
}

/// Brings the files of a proposal onto its branch and takes older approvals off it; true when anything changed.
pub(super) async fn put_files(
    client: &Client,
    proposal: &Proposal,
    work: &[File],
) -> Result<bool, Failure> {
    let mut changed = false;
    for file in &proposal.files {
        changed |= settle(client, proposal, &file.path, file.content.as_deref()).await?;
    }
    let old = work.iter().filter(|file| {
        file.status != "removed"
            && marker::approval_in_path(&file.filename).is_some()
            && proposal.files.iter().all(|new| new.path != file.filename)
    });
    for file in old {
        changed |= settle(client, proposal, &file.filename, None).await?;
    }
    Ok(changed)
}

/// The bytes of a file on a branch; none where there is none, or where it is not given whole.
pub(super) async fn read(
    client: &Client,
    branch: &str,
    path: &str,
) -> Result<Option<Vec<u8>>, Failure> {
    let found = content(client, branch, path).await?;
    Ok(found
        .filter(|found| found.kind == "file")
        .and_then(|found| found.bytes()))
}

async fn content(client: &Client, branch: &str, path: &str) -> Result<Option<Content>, Failure> {
    let at = format!(
        "contents/{}?ref={}",
        encode_path(path),
        encode_value(branch)
    );
    client.find(Call::get(at)).await
}

/// Makes one file be as wanted, or not be; true when it was not. Looks first each time, so that a lost answer or
/// a conflict is seen for what it is.
async fn settle(
    client: &Client,
    proposal: &Proposal,
    path: &str,
    wanted: Option<&[u8]>,
) -> Result<bool, Failure> {
    let mut last = None;
    for attempt in 0..TRIES {
        let found = content(client, &proposal.branch, path).await?;
        let is_right = match (&found, wanted) {
            (None, None) => true,
            (Some(found), Some(wanted)) if found.kind == "file" => {
                found.bytes().as_deref() == Some(wanted)
            }
            _ => false,
        };
        if is_right {
            return Ok(attempt > 0);
        }
        let mut body = json!({ "message": proposal.message, "branch": proposal.branch });
        if let Some(found) = &found {
            body["sha"] = json!(found.sha);
        }
        let method = match wanted {
            Some(bytes) => {
                body["content"] = json!(STANDARD.encode(bytes));
                Method::PUT
            }
            None => Method::DELETE,
        };
        let target = format!("contents/{}", encode_path(path));
        match client
            .send(&Call::new(method, target, Some(body), Repeat::Harmful))
            .await
        {
            Ok(_) => return Ok(true),
            Err(
                failure @ (Failure::Unclear { .. }
                | Failure::Status {
                    status: 409 | 422, ..
                }),
            ) => {
                last = Some(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(last.expect("tried at least once"))
}
