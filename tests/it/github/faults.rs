//! What the forge does when answers are late, lost, too many, too large or hostile.

use std::sync::Arc;
use std::time::Duration;

use evenkeel::forge::github::GitHub;
use evenkeel::forge::marker::{CLOSED_MARK, comment_mark};
use evenkeel::ports::{Forge, ForgeError, PullState, StatusState};
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, Times};

use super::{BRANCH, VirtualClock, approval_path, config, connect, proposal};

const TOKEN: &str = "ghp_verysecret";
/// GitHub Enterprise has its API below a path, so these tests do too.
const API: &str = "/api/v3";

/// A server with made-up answers, and the forge that talks to it.
struct Peer {
    server: MockServer,
    clock: Arc<VirtualClock>,
    forge: GitHub,
}

impl Peer {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let clock = VirtualClock::new();
        let config = config(&format!("{}{API}", server.uri()), "o/r");
        let forge = connect(&config, TOKEN, clock.clone());
        Self {
            server,
            clock,
            forge,
        }
    }

    /// Answers requests below the repository, or below the API when the path starts with `/`.
    async fn on(&self, verb: &str, at: &str, answer: ResponseTemplate, times: impl Into<Times>) {
        let at = match at.strip_prefix('/') {
            Some(at) => format!("{API}/{at}"),
            None => format!("{API}/repos/o/r/{at}"),
        };
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(answer)
            .expect(times)
            .mount(&self.server)
            .await;
    }

    /// Answers the first requests only; later ones go to what is mounted after.
    async fn first(&self, verb: &str, at: &str, answer: ResponseTemplate, times: u64) {
        Mock::given(method(verb))
            .and(path(format!("{API}/repos/o/r/{at}")))
            .respond_with(answer)
            .up_to_n_times(times)
            .expect(times)
            .mount(&self.server)
            .await;
    }

    /// The lists of open pull requests of the branch: the first `empty` ones hold nothing.
    async fn open_list(&self, empty: u64) {
        if empty > 0 {
            self.first("GET", "pulls", ok(json!([])), empty).await;
        }
        Mock::given(method("GET"))
            .and(path(format!("{API}/repos/o/r/pulls")))
            .and(query_param("head", format!("o:{BRANCH}")))
            .respond_with(ok(json!([pull(BRANCH)])))
            .mount(&self.server)
            .await;
    }

    /// What every look at pull request 7 needs.
    async fn pull_7(&self, pull: Value, files: Value, author: &str) {
        self.on("GET", "pulls/7", ok(pull), 0..).await;
        self.on("GET", "pulls/7/files", ok(files), 0..).await;
        let by = json!({ "login": author, "type": "User" });
        let commits = json!([{ "author": by, "committer": by, "parents": [{ "sha": sha('b') }] }]);
        self.on("GET", "pulls/7/commits", ok(commits), 0..).await;
        self.on(
            "GET",
            "/user",
            ok(json!({ "login": "keel", "type": "User" })),
            0..,
        )
        .await;
    }

    /// The way to a new branch with its file on it.
    async fn branch_is_made(&self) {
        let main = ok(json!({ "object": { "sha": sha('b') } }));
        self.on("GET", "git/ref/heads/main", main, 0..).await;
        self.on("GET", &format!("git/ref/heads/{BRANCH}"), no(404), 0..)
            .await;
        self.on("POST", "git/refs", made(json!({})), 0..).await;
        let contents = format!("contents/{}", approval_path('a'));
        self.on("GET", &contents, no(404), 0..).await;
        self.on("PUT", &contents, made(json!({})), 0..).await;
    }

    async fn requests(&self, verb: &str) -> Vec<Request> {
        let mut all = self.server.received_requests().await.unwrap();
        all.retain(|request| request.method.as_str() == verb);
        all
    }

    async fn writes(&self) -> usize {
        let mut count = 0;
        for verb in ["POST", "PUT", "PATCH", "DELETE"] {
            count += self.requests(verb).await.len();
        }
        count
    }
}

fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn made(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(201).set_body_json(body)
}

fn no(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "message": "No" }))
}

fn pull(branch: &str) -> Value {
    json!({
        "number": 7, "state": "open", "html_url": "https://forge.example/o/r/pull/7",
        "title": "Restore File/motd (a)", "body": "state a\r\n",
        "user": { "login": "keel", "type": "User" },
        "head": { "ref": branch, "sha": sha('c'), "repo": { "full_name": "o/r" } },
        "base": { "ref": "main", "sha": sha('b') },
    })
}

fn own_files() -> Value {
    json!([{ "filename": approval_path('a'), "status": "added" }])
}

fn why(error: &ForgeError) -> String {
    error.to_string()
}

// Goal: a pull request that was opened although the answer was lost is found again and not opened twice.
// Method: the answer to the one POST is a 502, after which the list holds the pull request.
#[tokio::test]
async fn lost_answer_is_found_again() {
    let peer = Peer::new().await;
    peer.open_list(1).await;
    peer.branch_is_made().await;
    peer.on("POST", "pulls", no(502), 1).await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    let opened = peer.forge.open(&proposal('a')).await.unwrap();
    assert_eq!((opened.number, opened.state), (7, PullState::Open));
    assert_eq!(opened.files, [approval_path('a')]);
}

// Goal: when the answer was lost and nothing was opened, it is opened by a second request.
#[tokio::test]
async fn lost_request_is_sent_again() {
    let peer = Peer::new().await;
    peer.on("GET", "pulls", ok(json!([])), 2).await;
    peer.branch_is_made().await;
    peer.first("POST", "pulls", no(502), 1).await;
    peer.on("POST", "pulls", made(pull(BRANCH)), 1).await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    assert_eq!(peer.forge.open(&proposal('a')).await.unwrap().number, 7);
}

// Goal: a 422 for a pull request that exists leads to that one; any other 422 is an error in the forge's words.
#[tokio::test]
async fn already_exists_is_found() {
    let peer = Peer::new().await;
    peer.open_list(1).await;
    peer.branch_is_made().await;
    peer.on("POST", "pulls", no(422), 1).await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    assert_eq!(peer.forge.open(&proposal('a')).await.unwrap().number, 7);

    let peer = Peer::new().await;
    peer.on("GET", "pulls", ok(json!([])), 2).await;
    peer.branch_is_made().await;
    let answer =
        json!({ "message": "Validation Failed", "errors": [{ "message": "No commits\u{1b}[2J" }] });
    let refusal = ResponseTemplate::new(422).set_body_json(answer);
    peer.on("POST", "pulls", refusal, 1).await;
    let error = peer.forge.open(&proposal('a')).await.unwrap_err();
    assert!(
        why(&error).ends_with("422 Validation Failed: No commitsU+001B[2J"),
        "{error}"
    );
}

// Goal: reading is repeated with growing waits on the clock, and ends.
#[tokio::test]
async fn reading_is_repeated_with_backoff() {
    let peer = Peer::new().await;
    peer.first("GET", "pulls/7", no(502), 2).await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    peer.forge.pull(7).await.unwrap();
    assert_eq!(peer.clock.waited(), Duration::from_secs(3));

    let peer = Peer::new().await;
    peer.on("GET", "pulls/7", no(503), 5).await;
    let error = peer.forge.pull(7).await.unwrap_err();
    assert!(matches!(error, ForgeError::Unreachable { .. }), "{error}");
}

// Goal: a refusal for the rate of requests is waited for as long as it asks, for writing requests too.
#[tokio::test]
async fn asked_waits_are_kept() {
    let peer = Peer::new().await;
    let limited = no(429).insert_header("retry-after", "7");
    let at = format!("statuses/{}", sha('a'));
    peer.first("POST", &at, limited, 1).await;
    peer.on("POST", &at, made(json!({})), 1).await;
    let (commit, state) = (sha('a'), StatusState::Success);
    peer.forge
        .status(&commit, "evenkeel", state, "clean")
        .await
        .unwrap();
    assert_eq!(peer.clock.waited(), Duration::from_secs(7));
}

// Goal: a limit that lasts too long is an error at once, and nothing more is sent until it is over.
#[tokio::test]
async fn long_limits_are_not_waited_for() {
    let peer = Peer::new().await;
    let reset = (super::start().as_second() + 3000).to_string();
    let limited = no(403)
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", reset.as_str());
    peer.on("GET", "pulls/7", limited, 1).await;
    for _ in 0..2 {
        let error = peer.forge.pull(7).await.unwrap_err();
        assert!(why(&error).contains("another 3000 s"), "{error}");
    }
    assert_eq!(peer.clock.waited(), Duration::ZERO);
}

// Goal: an endless answer costs bounded memory, and is an error.
#[tokio::test]
async fn huge_answers_are_refused() {
    let peer = Peer::new().await;
    let huge = ResponseTemplate::new(200).set_body_bytes(vec![b' '; (16 << 20) + 1]);
    peer.on("GET", "pulls/7", huge, 1).await;
    let error = peer.forge.pull(7).await.unwrap_err();
    assert!(why(&error).contains("larger than"), "{error}");
}

// Goal: a list that never ends is an error, not taken for the whole.
#[tokio::test]
async fn endless_lists_are_refused() {
    let peer = Peer::new().await;
    let page = Value::Array(vec![pull("other"); 100]);
    peer.on("GET", "pulls", ok(page), 30).await;
    let error = peer.forge.pulls("evenkeel/").await.unwrap_err();
    assert!(why(&error).contains("more than 3000"), "{error}");
}

// Goal: a pull request from a fork whose branch is named like ours is neither listed nor looked at as ours.
#[tokio::test]
async fn forks_are_not_ours() {
    let mut fork = pull(BRANCH);
    fork["head"]["repo"]["full_name"] = json!("mallory/r");
    let peer = Peer::new().await;
    peer.on("GET", "pulls", ok(json!([fork])), 2).await;
    peer.pull_7(fork, own_files(), "mallory").await;
    assert_eq!(peer.forge.pulls("evenkeel/").await.unwrap(), []);
    assert_eq!(peer.forge.pull(7).await.unwrap().branch, "");
}

// Goal: nothing is written onto a branch on which somebody else has worked, and the error says what is there.
#[tokio::test]
async fn foreign_work_is_left_alone() {
    let mut files = own_files();
    files
        .as_array_mut()
        .unwrap()
        .push(json!({ "filename": "src/x.rs", "status": "added" }));
    for (files, author, found) in [
        (files, "keel", "changes src/x.rs"),
        (own_files(), "alice", "holds a commit of alice"),
    ] {
        let peer = Peer::new().await;
        peer.open_list(0).await;
        peer.pull_7(pull(BRANCH), files, author).await;
        let error = peer.forge.open(&proposal('b')).await.unwrap_err();
        assert!(why(&error).contains(found), "{error}");
        assert_eq!(peer.writes().await, 0);
    }
}

// Goal: a branch left without an open pull request is made anew when what is on it is evenkeel's own or is kept by a
// closed one, and refused when neither is so.
#[tokio::test]
async fn leftover_branches() {
    for (author, kept, is_own) in [
        ("keel", 'd', true),
        ("alice", 'd', false),
        ("alice", 'c', true),
    ] {
        let peer = Peer::new().await;
        let mut before = pull(BRANCH);
        before["state"] = json!("closed");
        before["head"]["sha"] = json!(sha(kept));
        peer.on("GET", "pulls", ok(json!([before])), 1).await;
        let there = ok(json!({ "object": { "sha": sha('c') } }));
        peer.first("GET", &format!("git/ref/heads/{BRANCH}"), there, 1)
            .await;
        let by = json!({ "login": author });
        let compared = json!({
            "ahead_by": 1, "behind_by": 3, "files": own_files(),
            "commits": [{ "author": by, "committer": by }],
        });
        peer.on(
            "GET",
            &format!("compare/main...{BRANCH}"),
            ok(compared),
            u64::from(kept == 'd'),
        )
        .await;
        let delete = format!("git/refs/heads/{BRANCH}");
        peer.on(
            "DELETE",
            &delete,
            ResponseTemplate::new(204),
            u64::from(is_own),
        )
        .await;
        peer.branch_is_made().await;
        peer.on("POST", "pulls", made(pull(BRANCH)), u64::from(is_own))
            .await;
        peer.pull_7(pull(BRANCH), own_files(), "keel").await;
        assert_eq!(peer.forge.open(&proposal('a')).await.is_ok(), is_own);
    }
}

// Goal: where everything is as it should be, nothing is written, though the forge gives bodies back with CRLF.
#[tokio::test]
async fn an_update_without_change_writes_nothing() {
    let peer = Peer::new().await;
    peer.open_list(0).await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    let content = json!({ "type": "file", "sha": sha('e'), "encoding": "base64", "content": "c3Rh\ndGU6IGEK\n" });
    peer.on(
        "GET",
        &format!("contents/{}", approval_path('a')),
        ok(content),
        1,
    )
    .await;
    peer.forge.open(&proposal('a')).await.unwrap();
    assert_eq!(peer.writes().await, 0);
}

// Goal: a changed group replaces the old approval by the new one on the same branch, and title and body follow.
#[tokio::test]
async fn an_update_replaces_the_approval() {
    let peer = Peer::new().await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    let (new, old) = (approval_path('b'), approval_path('a'));
    peer.on("GET", &format!("contents/{new}"), no(404), 1).await;
    peer.on("PUT", &format!("contents/{new}"), made(json!({})), 1)
        .await;
    let content = json!({ "type": "file", "sha": sha('e'), "encoding": "base64", "content": "" });
    peer.on("GET", &format!("contents/{old}"), ok(content), 1)
        .await;
    peer.on("DELETE", &format!("contents/{old}"), ok(json!({})), 1)
        .await;
    peer.on("PATCH", "pulls/7", ok(pull(BRANCH)), 1).await;
    let known = peer.forge.pull(7).await.unwrap();
    peer.forge.update(&known, &proposal('b')).await.unwrap();
    let delete = &peer.requests("DELETE").await[0];
    assert_eq!(delete.body_json::<Value>().unwrap()["sha"], sha('e'));
}

// Goal: a comment is made once, even when its answer is lost; a stranger's copy of the mark does not suppress it.
#[tokio::test]
async fn comments_are_made_once() {
    let comment = |login: &str| json!([{ "body": format!("x {}", comment_mark("outcome:1")), "user": { "login": login } }]);
    let peer = Peer::new().await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    peer.first("GET", "issues/7/comments", ok(comment("mallory")), 1)
        .await;
    peer.on("GET", "issues/7/comments", ok(comment("keel")), 2)
        .await;
    Mock::given(method("POST"))
        .and(path(format!("{API}/repos/o/r/issues/7/comments")))
        .and(body_string_contains("evenkeel:outcome:1"))
        .respond_with(no(502))
        .expect(1)
        .mount(&peer.server)
        .await;
    for _ in 0..2 {
        peer.forge.comment(7, "outcome:1", "done").await.unwrap();
    }
    let bad = peer.forge.comment(7, "x --> y", "done").await;
    assert!(matches!(bad, Err(ForgeError::Refused { .. })));
}

// Goal: closing marks the body as evenkeel's own doing, and a branch that is gone already is fine.
#[tokio::test]
async fn closing_is_marked() {
    let peer = Peer::new().await;
    peer.pull_7(pull(BRANCH), own_files(), "keel").await;
    peer.on("PATCH", "pulls/7", ok(pull(BRANCH)), 1).await;
    peer.on("DELETE", &format!("git/refs/heads/{BRANCH}"), no(422), 1)
        .await;
    let known = peer.forge.pull(7).await.unwrap();
    peer.forge.close(&known).await.unwrap();
    let body: Value = peer.requests("PATCH").await[0].body_json().unwrap();
    assert_eq!(body["state"], "closed");
    assert!(body["body"].as_str().unwrap().contains(CLOSED_MARK));
}

// Goal: a branch that is not evenkeel's is never deleted, whatever number it is asked to close.
#[tokio::test]
async fn other_branches_are_never_deleted() {
    let peer = Peer::new().await;
    peer.pull_7(pull("release"), own_files(), "keel").await;
    let mut known = peer.forge.pull(7).await.unwrap();
    known.branch = BRANCH.into();
    assert!(peer.forge.close(&known).await.is_err());
    let mut elsewhere = proposal('a');
    elsewhere.branch = "main".into();
    assert!(peer.forge.open(&elsewhere).await.is_err());
    elsewhere.branch = BRANCH.into();
    elsewhere.files[0].path = "../../etc/passwd".into();
    assert!(peer.forge.open(&elsewhere).await.is_err());
    assert_eq!(peer.writes().await, 0);
}

// Goal: the token goes to the configured server and nowhere else, not even where that server sends us.
#[tokio::test]
async fn redirects_do_not_carry_the_token() {
    let elsewhere = MockServer::start().await;
    let peer = Peer::new().await;
    let there =
        ResponseTemplate::new(302).insert_header("location", format!("{}/x", elsewhere.uri()));
    peer.on("GET", "pulls/7", there, 0..).await;
    assert!(peer.forge.pull(7).await.is_err());
    let authorization = |request: &Request| request.headers.get("authorization").cloned();
    let asked = peer.requests("GET").await;
    assert_eq!(authorization(&asked[0]).unwrap(), format!("Bearer {TOKEN}"));
    for request in elsewhere.received_requests().await.unwrap() {
        assert_eq!(authorization(&request), None);
    }
}

// Goal: a token or an address that could only do harm is refused before anything is sent, and the token is not shown.
#[tokio::test]
async fn unfit_connections_are_refused() {
    let connect = |url: &str, repository: &str, token: &str| {
        let config = config(url, repository);
        GitHub::connect(
            &config,
            &SecretString::from(token.to_owned()),
            VirtualClock::new(),
        )
    };
    let github = "https://api.github.com";
    assert!(connect(github, "o/r", TOKEN).is_ok());
    for (url, repository, token) in [
        ("http://github.example", "o/r", TOKEN),
        ("ftp://127.0.0.1", "o/r", TOKEN),
        ("not a url", "o/r", TOKEN),
        (github, "o/../r", TOKEN),
        (github, "o/r", ""),
        (github, "o/r", "ghp_verysecret\n"),
    ] {
        let error = connect(url, repository, token).err().unwrap();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("verysecret"), "{shown}");
    }
}
