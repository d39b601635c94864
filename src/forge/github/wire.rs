//! What is read of GitHub's answers, and nothing more, so that a thinner or newer server does no harm.
//!
//! Flow: bytes → these types → [`PullRequest`], [`Person`].
//!
//! **Invariant:** names from the forge are taken over only in the form that such names have; anything else becomes empty.

use jiff::Timestamp;
use serde::Deserialize;

use crate::ports::{Person, PullRequest, PullState};

/// The most of a body that is kept, in bytes; GitHub allows 65,536 characters.
const MAX_BODY_BYTES: usize = 256 * 1024;

#[derive(Deserialize, Debug)]
pub(super) struct User {
    pub login: String,
    #[serde(rename = "type", default)]
    pub kind: String,
}

#[derive(Deserialize, Debug)]
pub(super) struct Repo {
    pub full_name: String,
}

/// One side of a pull request.
#[derive(Deserialize, Debug)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    pub branch: String,
    pub sha: String,
    /// `owner:branch`
    #[serde(default)]
    pub label: Option<String>,
    /// None when the fork is gone.
    #[serde(default)]
    pub repo: Option<Repo>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Label {
    pub name: String,
}

#[derive(Deserialize, Debug)]
pub(super) struct Pull {
    pub number: u64,
    #[serde(default)]
    pub html_url: String,
    pub state: String,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub merged_at: Option<Timestamp>,
    #[serde(default)]
    pub merged_by: Option<User>,
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    #[serde(default)]
    pub merge_commit_sha: Option<String>,
    #[serde(default)]
    pub labels: Vec<Label>,
    pub head: Side,
    pub base: Side,
}

#[derive(Deserialize, Debug)]
pub(super) struct Reference {
    pub object: Object,
}

#[derive(Deserialize, Debug)]
pub(super) struct Object {
    pub sha: String,
}

#[derive(Deserialize, Debug)]
pub(super) struct Content {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub sha: String,
    #[serde(default)]
    pub encoding: Option<String>,
    #[serde(default)]
    pub content: Option<String>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Commit {
    #[serde(default)]
    pub author: Option<User>,
    #[serde(default)]
    pub committer: Option<User>,
    #[serde(default)]
    pub parents: Vec<Object>,
}

#[derive(Deserialize, Debug)]
pub(super) struct File {
    pub filename: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub previous_filename: Option<String>,
}

/// The answer of a comparison of two branches.
#[derive(Deserialize, Debug)]
pub(super) struct Compared {
    pub ahead_by: u64,
    pub behind_by: u64,
    #[serde(default)]
    pub commits: Vec<Commit>,
    #[serde(default)]
    pub files: Vec<File>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Comment {
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub user: Option<User>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Issue {
    #[serde(default)]
    pub closed_by: Option<User>,
}

impl User {
    /// The account; its login is empty when it is not one that GitHub could have.
    pub fn person(&self) -> Person {
        let plain = self.login.strip_suffix("[bot]").unwrap_or(&self.login);
        let is_login = (1..=100).contains(&plain.len())
            && plain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        Person {
            login: if is_login {
                self.login.clone()
            } else {
                String::new()
            },
            is_bot: self.kind == "Bot" || plain.len() < self.login.len(),
        }
    }
}

/// Nobody that the forge knows.
pub(super) fn nobody() -> Person {
    Person {
        login: String::new(),
        is_bot: false,
    }
}

pub(super) fn person(user: Option<&User>) -> Person {
    user.map_or_else(nobody, User::person)
}

impl Pull {
    /// Whether its branch lies in this very repository; a fork's branch may have any name.
    pub fn is_from(&self, repository: &str) -> bool {
        if let Some(repo) = &self.head.repo {
            return repo.full_name.eq_ignore_ascii_case(repository);
        }
        let owner = repository.split('/').next().unwrap_or_default();
        let label = self.head.label.as_deref().unwrap_or_default();
        label
            .strip_suffix(self.head.branch.as_str())
            .and_then(|rest| rest.strip_suffix(':'))
            .is_some_and(|from| from.eq_ignore_ascii_case(owner))
    }

    pub fn state(&self) -> PullState {
        match self.merged_at {
            Some(_) => PullState::Merged,
            None if self.state == "open" => PullState::Open,
            None => PullState::Closed,
        }
    }

    /// The port's form, without what only further requests tell.
    pub fn into_port(self) -> PullRequest {
        let state = self.state();
        let mut body = self.body.unwrap_or_default();
        let mut end = body.len().min(MAX_BODY_BYTES);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        body.truncate(end);
        PullRequest {
            number: self.number,
            url: url(self.html_url),
            branch: self.head.branch,
            state,
            author: person(self.user.as_ref()),
            merged_by: self.merged_by.as_ref().map(User::person),
            pushers: Vec::new(),
            files: Vec::new(),
            closed_at: self.closed_at.or(self.merged_at),
            closed_by: None,
            merge_commit: (state == PullState::Merged)
                .then_some(self.merge_commit_sha)
                .flatten()
                .filter(|sha| is_commit(sha)),
            body,
            head: self.head.sha,
        }
    }
}

impl Content {
    /// The bytes, where the answer holds them.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        if self.encoding.as_deref() != Some("base64") {
            return None;
        }
        let text: String = self
            .content
            .as_deref()?
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .collect();
        base64::engine::general_purpose::STANDARD.decode(text).ok()
    }
}

/// Whether this is the full id of a commit.
pub(super) fn is_commit(sha: &str) -> bool {
    matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A web address fit to show, or none.
fn url(text: String) -> String {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    if is_web && text.len() < 500 && text.bytes().all(|b| b.is_ascii_graphic()) {
        text
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(head: &str) -> Pull {
        let text = format!(
            r#"{{"number":1,"state":"open","head":{head},"base":{{"ref":"main","sha":"x"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    // Goal: a fork's branch that is named like ours is never taken for ours, whether or not the fork is still there.
    #[test]
    fn forks_are_told_apart() {
        let ours =
            r#"{"ref":"evenkeel/1","sha":"x","label":"o:evenkeel/1","repo":{"full_name":"O/r"}}"#;
        assert!(pull(ours).is_from("o/r"));
        let thin = r#"{"ref":"evenkeel/1","sha":"x","label":"o:evenkeel/1"}"#;
        assert!(pull(thin).is_from("o/r"));
        for head in [
            r#"{"ref":"evenkeel/1","sha":"x","label":"m:evenkeel/1","repo":{"full_name":"m/r"}}"#,
            r#"{"ref":"evenkeel/1","sha":"x","label":"o:evenkeel/1","repo":{"full_name":"o/fork"}}"#,
            r#"{"ref":"evenkeel/1","sha":"x","label":"m:evenkeel/1","repo":null}"#,
            r#"{"ref":"evenkeel/1","sha":"x"}"#,
        ] {
            assert!(!pull(head).is_from("o/r"), "{head}");
        }
    }

    // Goal: bots are known by type and by name, and a login that no account has becomes nobody.
    #[test]
    fn people_and_bots() {
        let of = |login: &str, kind: &str| {
            User {
                login: login.into(),
                kind: kind.into(),
            }
            .person()
        };
        assert!(of("keel[bot]", "User").is_bot && of("keel", "Bot").is_bot);
        assert!(!of("alice", "User").is_bot);
        assert_eq!(of("a\u{1b}[2J", "User").login, "");
        assert_eq!(of("", "User").login, "");
    }
}
