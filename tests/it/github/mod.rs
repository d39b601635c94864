//! The GitHub forge: against answers made up here (`faults`), against a stateful server (`life`), and from the built
//! program to that server (`pulls`).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use evenkeel::forge::github::GitHub;
use evenkeel::model::ForgeConfig;
use evenkeel::ports::{Clock, FileChange, Proposal};
use jiff::Timestamp;
use secrecy::SecretString;

mod faults;
mod life;
mod peer;
mod pulls;
mod site;

pub const BRANCH: &str = "evenkeel/0123456789abcdef";

/// A clock on which waiting costs nothing, and which tells how long was waited.
pub struct VirtualClock(Mutex<Timestamp>);

impl VirtualClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(start())))
    }

    pub fn waited(&self) -> Duration {
        Duration::try_from(self.now().duration_since(start())).unwrap()
    }
}

fn start() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
}

pub fn config(api_url: &str, repository: &str) -> ForgeConfig {
    ForgeConfig {
        kind: "github".into(),
        repository: repository.into(),
        base: "main".into(),
        api_url: api_url.into(),
        token_env: "TEST_TOKEN".into(),
        reopen_after_days: 7,
        approval_valid_days: 7,
        max_open: 10,
        labels: Vec::new(),
    }
}

pub fn connect(config: &ForgeConfig, token: &str, clock: Arc<dyn Clock>) -> GitHub {
    GitHub::connect(config, &SecretString::from(token.to_owned()), clock).unwrap()
}

/// A path as an approval has it, different for each `state`.
pub fn approval_path(state: char) -> String {
    format!(
        "desired-state/approvals/{}.yaml",
        state.to_string().repeat(64)
    )
}

pub fn proposal(state: char) -> Proposal {
    Proposal {
        branch: BRANCH.into(),
        title: format!("Restore File/motd ({state})"),
        body: format!("state {state}\n"),
        message: "Approve".into(),
        files: vec![FileChange {
            path: approval_path(state),
            content: Some(format!("state: {state}\n").into_bytes()),
        }],
        made_from: Vec::new(),
        labels: Vec::new(),
    }
}
