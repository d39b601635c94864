//! The stateful GitHub of the tests, as everybody but evenkeel meets it.
//!
//! Runs where `tests/peers/github.sh up` has set its variables; elsewhere each test says that it is skipped, which
//! `EVENKEEL_REQUIRE_PEERS=1` makes a failure. What the peer cannot do by itself is said in
//! `tests/peers/github_proxy.py`.

use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// Faults are the server's, not a test's, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The server, for one test alone.
pub struct Peer {
    pub url: String,
    pub repository: String,
    control: Octocrab,
    /// How many requests there were before the test.
    before: usize,
    _alone: MutexGuard<'static, ()>,
}

/// What `tests/peers/github.sh` says.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(format!("EVENKEEL_TEST_{name}")).ok()
}

fn client(url: &str, token: &str) -> Octocrab {
    Octocrab::builder()
        .add_retry_config(RetryConfig::None)
        .base_uri(url)
        .unwrap()
        .personal_token(token.to_owned())
        .build()
        .unwrap()
}

impl Peer {
    /// The server, when no other test uses it any more; none where there is none.
    pub async fn start() -> Option<Self> {
        let Some(url) = variable("GITHUB_URL") else {
            crate::support::skip("no GitHub simulator runs (see tests/peers/github.sh)");
            return None;
        };
        let alone = ALONE.lock().await;
        let mut peer = Self {
            url,
            repository: variable("GITHUB_REPOSITORY").unwrap(),
            control: client(&variable("GITHUB_CONTROL").unwrap(), "none"),
            before: 0,
            _alone: alone,
        };
        peer.before = peer.requests().await.len();
        Some(peer)
    }

    /// Has a request fail; see `fault` in `tests/peers/github_proxy.py`.
    pub async fn fault(&self, fault: Value) {
        let _: Value = self.control.post("/fault", Some(&fault)).await.unwrap();
    }

    /// What somebody does by their own hand at the forge.
    pub async fn by_hand(&self, who: &str, verb: &str, path: &str, body: Value) -> Value {
        self.ask(who, verb, path, body).await.unwrap()
    }

    /// What anybody can see, where it is there.
    pub async fn find(&self, path: &str) -> Option<Value> {
        match self.ask("ALICE", "GET", path, Value::Null).await {
            Err(octocrab::Error::GitHub { source, .. }) if source.status_code == 404 => None,
            answer => Some(answer.unwrap()),
        }
    }

    async fn ask(&self, who: &str, verb: &str, path: &str, body: Value) -> octocrab::Result<Value> {
        let client = client(&self.url, &variable(&format!("TOKEN_{who}")).unwrap());
        let path = format!("/repos/{}/{path}", self.repository);
        match verb {
            "PUT" => client.put(path, Some(&body)).await,
            "PATCH" => client.patch(path, Some(&body)).await,
            "GET" => client.get(path, None::<&()>).await,
            _ => unreachable!("no other verb is used"),
        }
    }

    /// What anybody can see.
    pub async fn look(&self, path: &str) -> Value {
        self.by_hand("ALICE", "GET", path, Value::Null).await
    }

    pub async fn merge(&self, who: &str, number: u64) {
        let path = format!("pulls/{number}/merge");
        self.by_hand(who, "PUT", &path, json!({ "merge_method": "merge" }))
            .await;
    }

    /// All requests of this test, evenkeel's and its own.
    pub async fn requests(&self) -> Vec<Value> {
        let mut all: Vec<Value> = self.control.get("/requests", None::<&()>).await.unwrap();
        all.split_off(self.before)
    }

    /// How many requests of this test were made to fail.
    pub async fn failed(&self) -> usize {
        let requests = self.requests().await;
        let failed = requests.iter().filter(|one| !one["fault"].is_null());
        failed.count()
    }

    /// No request, of evenkeel's or of the test's, may break GitHub's own description.
    pub async fn requests_conform(&self) {
        let requests = self.requests().await;
        let by_users: Vec<_> = requests
            .iter()
            .filter(|one| !one["user"].is_null())
            .collect();
        assert!(!by_users.is_empty());
        if variable("GITHUB_JUDGED").as_deref() == Some("1") {
            for request in by_users {
                assert_eq!(request["violations"], json!([]), "{request}");
            }
        }
    }
}
