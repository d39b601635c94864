//! The life of pull requests against a stateful GitHub API, with requests judged against GitHub's OpenAPI description.

use std::process::Command;

use evenkeel::forge::approval::{self, ApprovedBy, WhyNot};
use evenkeel::forge::github::GitHub;
use evenkeel::forge::marker::{CLOSED_MARK, branch};
use evenkeel::model::{Approval, Digest, Span};
use evenkeel::ports::{Forge, ForgeError, Proposal, PullRequest, PullState, StatusState};
use serde_json::{Value, json};

use super::peer::{Peer, variable};
use super::{VirtualClock, approval_path, config, connect, proposal, start};

/// The server, evenkeel's way to it, and one cause that no other test uses.
struct Life {
    forge: GitHub,
    fingerprint: String,
    peer: Peer,
}

impl Life {
    async fn start(fingerprint: &str) -> Option<Self> {
        let peer = Peer::start().await?;
        let config = config(&peer.url, &peer.repository);
        let token = variable("TOKEN_BOT").unwrap();
        Some(Self {
            forge: connect(&config, &token, VirtualClock::new()),
            fingerprint: fingerprint.to_owned(),
            peer,
        })
    }

    fn proposal(&self, state: char) -> Proposal {
        Proposal {
            branch: branch(&self.fingerprint),
            ..proposal(state)
        }
    }

    async fn open(&self, state: char) -> PullRequest {
        self.forge.open(&self.proposal(state)).await.unwrap()
    }

    async fn merge(&self, who: &str, number: u64) -> PullRequest {
        self.peer.merge(who, number).await;
        self.forge.pull(number).await.unwrap()
    }

    fn judge(&self, pull: &PullRequest, state: char) -> Result<ApprovedBy, WhyNot> {
        let group: Digest = state.to_string().repeat(64).parse().unwrap();
        let approval = Approval {
            group,
            fingerprint: self.fingerprint.clone(),
            expires: start() + std::time::Duration::from_secs(60),
            origin: Span {
                file: String::new(),
                line: 1,
                column: 1,
            },
        };
        approval::judge(
            &approval,
            &group,
            &approval_path(state),
            start(),
            Some(pull),
            false,
        )
    }

    /// How many pull requests of this cause there are.
    async fn count(&self) -> usize {
        let pulls = self.forge.pulls("evenkeel/").await.unwrap();
        let branch = branch(&self.fingerprint);
        let listed = pulls.iter().filter(|pull| pull.branch == branch).count();
        assert_eq!(self.forge.pulls(&branch).await.unwrap().len(), listed);
        listed
    }
}

fn logins(pull: &PullRequest) -> Vec<&str> {
    pull.pushers.iter().map(|who| who.login.as_str()).collect()
}

// Goal: the whole way of one cause: opened, found again, updated in place, merged by somebody else, counted as an
// approval, told the outcome once, and its file in the repository that git serves.
#[tokio::test]
async fn opened_updated_merged() {
    let Some(life) = Life::start("00000000000000a1").await else {
        return;
    };
    let opened = life.open('a').await;
    assert_eq!(life.open('a').await, opened);
    let known = life.forge.pull(opened.number).await.unwrap();
    let updated = life
        .forge
        .update(&known, &life.proposal('b'))
        .await
        .unwrap();
    assert_eq!(updated.files, [approval_path('b')]);
    assert_eq!(updated.body.trim_end(), "state b");
    assert_eq!(life.count().await, 1);

    let merged = life.merge("ALICE", opened.number).await;
    assert_eq!(
        (merged.state, logins(&merged)),
        (PullState::Merged, vec!["evenkeel-bot"])
    );
    assert_eq!(life.judge(&merged, 'b').unwrap().login, "alice");
    assert!(matches!(
        life.judge(&merged, 'a'),
        Err(WhyNot::NotInPull { .. })
    ));

    for _ in 0..2 {
        life.forge
            .comment(merged.number, "outcome:1", "done")
            .await
            .unwrap();
    }
    let path = format!("issues/{}/comments", merged.number);
    let comments = life.peer.look(&path).await;
    assert_eq!(comments.as_array().unwrap().len(), 1);

    let folder = tempfile::tempdir().unwrap();
    let clone = Command::new("git")
        .args(["clone", "-q", "--depth", "1", &variable("GIT_URL").unwrap()])
        .arg(folder.path())
        .status();
    assert!(clone.unwrap().success());
    assert!(folder.path().join(approval_path('b')).is_file());
    let head = Command::new("git")
        .arg("-C")
        .arg(folder.path())
        .args(["rev-parse", "HEAD"])
        .output();
    let head = String::from_utf8(head.unwrap().stdout).unwrap();
    assert_eq!(merged.merge_commit.as_deref(), Some(head.trim()));
    let status = life
        .forge
        .status(head.trim(), "evenkeel", StatusState::Success, "clean");
    status.await.unwrap();
    life.peer.requests_conform().await;
}

// Goal: whoever wrote, pushed or is no person does not approve by merging; and their commits are not overwritten.
#[tokio::test]
async fn wrong_hands() {
    let Some(life) = Life::start("00000000000000a2").await else {
        return;
    };
    let opened = life.open('c').await;
    let path = format!("contents/{}", approval_path('c'));
    let at = format!("{path}?ref={}", branch(&life.fingerprint));
    let content = life.peer.by_hand("BOB", "GET", &at, Value::Null).await;
    let push = json!({
        "message": "longer", "content": "eA==", "branch": branch(&life.fingerprint), "sha": content["sha"],
    });
    life.peer.by_hand("BOB", "PUT", &path, push).await;
    let refused = life
        .forge
        .update(&opened, &life.proposal('d'))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, ForgeError::Refused { why, .. } if why.contains("a commit of bob")),
        "{refused}"
    );
    let merged = life.merge("BOB", opened.number).await;
    assert!(matches!(
        life.judge(&merged, 'c'),
        Err(WhyNot::MergedByPusher { .. })
    ));

    for (state, who, bot) in [('e', "ROBOT", true), ('f', "BOT", false)] {
        let opened = life.open(state).await;
        let merged = life.merge(who, opened.number).await;
        match life.judge(&merged, state) {
            Err(WhyNot::MergedByBot { .. }) => assert!(bot),
            Err(WhyNot::MergedByAuthor { .. }) => assert!(!bot),
            other => panic!("{other:?}"),
        }
    }
    life.peer.requests_conform().await;
}

// Goal: whichever answer is lost, there is one branch, one pull request and one comment in the end.
#[tokio::test]
async fn lost_answers() {
    let Some(life) = Life::start("00000000000000a3").await else {
        return;
    };
    for (method, path) in [
        ("POST", "git/refs$"),
        ("PUT", "contents/"),
        ("POST", "pulls$"),
        ("POST", "comments$"),
        ("PATCH", r"pulls/\d+$"),
        ("DELETE", "git/refs/"),
    ] {
        life.peer
            .fault(json!({ "method": method, "path": path }))
            .await;
    }
    let opened = life.open('1').await;
    let comment = life.forge.comment(opened.number, "outcome:1", "done");
    comment.await.unwrap();
    let path = format!("issues/{}/comments", opened.number);
    let comments = life.peer.look(&path).await;
    assert_eq!(comments.as_array().unwrap().len(), 1);
    let commits = format!("pulls/{}/commits", opened.number);
    let commits = life.peer.look(&commits).await;
    assert_eq!(commits.as_array().unwrap().len(), 1);
    assert_eq!(life.count().await, 1);
    life.forge.close(&opened).await.unwrap();
    assert_eq!(
        life.forge.pull(opened.number).await.unwrap().state,
        PullState::Closed
    );
    assert_eq!(life.count().await, 1);
    assert_eq!(life.peer.failed().await, 6);
    life.peer.requests_conform().await;
}

// Goal: what is closed can be raised again as a new pull request, whoever closed it and whether or not the branch is
// still there; and the two ways of closing are told apart.
#[tokio::test]
async fn closed_and_raised_again() {
    let Some(life) = Life::start("00000000000000a4").await else {
        return;
    };
    let first = life.open('2').await;
    life.forge.close(&first).await.unwrap();
    let second = life.open('2').await;
    assert_ne!(first.number, second.number);
    let path = format!("pulls/{}", second.number);
    life.peer
        .by_hand("ALICE", "PATCH", &path, json!({ "state": "closed" }))
        .await;
    let third = life.open('3').await;
    assert_eq!(life.count().await, 3);
    assert_eq!(third.files, [approval_path('3')]);

    let first = life.forge.pull(first.number).await.unwrap();
    let second = life.forge.pull(second.number).await.unwrap();
    assert!(first.body.contains(CLOSED_MARK) && !second.body.contains(CLOSED_MARK));
    let by = |pull: &PullRequest| pull.closed_by.clone().unwrap().login;
    assert_eq!(
        (by(&first).as_str(), by(&second).as_str()),
        ("evenkeel-bot", "alice")
    );
    life.forge.close(&third).await.unwrap();
    life.peer.requests_conform().await;
}

// Goal: a refusal for the rate of requests and a failing gateway are waited out on the clock.
#[tokio::test]
async fn limits_and_gateways() {
    let Some(life) = Life::start("00000000000000a5").await else {
        return;
    };
    let fault = |method: &str, path: &str, status: u16, headers: Value| json!({ "method": method, "path": path, "when": "before", "status": status, "headers": headers, "times": 2 });
    life.peer
        .fault(fault("POST", "pulls$", 429, json!({ "Retry-After": "3" })))
        .await;
    life.peer
        .fault(fault("GET", r"pulls/\d+/files", 502, json!({})))
        .await;
    let opened = life.open('4').await;
    assert_eq!(opened.files, [approval_path('4')]);
    assert_eq!(life.count().await, 1);
    life.forge.close(&opened).await.unwrap();
    life.peer.requests_conform().await;
}
