//! `evenkeel adopt` at a forge, from the drift to the merged pull request, with peers of its own: what is merged here
//! would be in the way of other tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel::forge::github::GitHub;
use evenkeel::ports::{FileChange, Forge, Proposal, PullRequest, PullState};
use octocrab::Octocrab;
use serde_json::{Value as Json, json};

use crate::github::{VirtualClock, config as forge_config, connect};
use crate::support::{Project, Ran, chmod, config, skip};

const MANIFEST: &str = "\
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: motd }
disclose: true
spec:
  path: /motd # where
  content: |
    hello
---
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: secret }
spec: { path: /secret, mode: \"0600\", content: committed }
";
const PATH: &str = "desired-state/host/all.yaml";

/// The forge and the git server, ended when this goes.
struct Peers {
    dir: PathBuf,
    variables: BTreeMap<String, String>,
}

fn script(args: &[&str]) -> Ran {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/github.sh");
    Ran::of(Command::new("bash").arg(script).args(args))
}

impl Peers {
    fn start(dir: &Path) -> Option<Self> {
        if std::env::var_os("EVENKEEL_TEST_GITHUB_URL").is_none() {
            skip("no GitHub simulator runs (see tests/peers/github.sh)");
            return None;
        }
        let dir = dir.join("peers");
        let up = script(&["up", dir.to_str().unwrap()]).expect(0);
        let variables = up
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("EVENKEEL_TEST_")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(Self { dir, variables })
    }

    fn get(&self, name: &str) -> &str {
        &self.variables[name]
    }

    fn forge(&self, who: &str) -> GitHub {
        let config = forge_config(self.get("GITHUB_URL"), self.get("GITHUB_REPOSITORY"));
        let token = self.get(&format!("TOKEN_{who}"));
        connect(&config, token, VirtualClock::new())
    }

    async fn merge(&self, who: &str, number: u64) {
        let client = Octocrab::builder()
            .base_uri(self.get("GITHUB_URL"))
            .unwrap()
            .personal_token(self.get(&format!("TOKEN_{who}")).to_owned())
            .build()
            .unwrap();
        let path = format!(
            "/repos/{}/pulls/{number}/merge",
            self.get("GITHUB_REPOSITORY")
        );
        let how = json!({ "merge_method": "merge" });
        let _: Json = client.put(path, Some(&how)).await.unwrap();
    }

    async fn open(&self, prefix: &str) -> Vec<PullRequest> {
        let mut pulls = self.forge("ALICE").pulls(prefix).await.unwrap();
        pulls.retain(|pull| pull.state == PullState::Open);
        pulls
    }

    fn clone(&self, project: &Project, name: &str) -> Clone {
        let dir = project.temp.path().join(name);
        let mut git = Command::new("git");
        git.args(["clone", "-q", self.get("GIT_URL")]).arg(&dir);
        Ran::of(&mut git).expect(0);
        Clone {
            dir,
            state: project.temp.path().join("state"),
            token: self.get("TOKEN_BOT").to_owned(),
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        script(&["down", self.dir.to_str().unwrap()]);
    }
}

struct Clone {
    dir: PathBuf,
    state: PathBuf,
    token: String,
}

impl Clone {
    #[track_caller]
    fn expect(&self, project: &Project, code: i32, args: &[&str]) -> Ran {
        let mut command = project.command_in(&self.dir, args);
        command
            .env("GITHUB_TOKEN", &self.token)
            .env("EVENKEEL_STATE", &self.state);
        Ran::of(&mut command).expect(code)
    }
}

/// Puts the baseline on the main branch, of the forge and of git.
async fn set_up(peers: &Peers) {
    let forge = format!(
        "forge: {{ repository: {}, api_url: \"{}\" }}\n",
        peers.get("GITHUB_REPOSITORY"),
        peers.get("GITHUB_URL")
    );
    let file = |path: &str, text: &str| FileChange {
        path: path.into(),
        content: Some(text.into()),
    };
    let proposal = Proposal {
        branch: "evenkeel/baseline".into(),
        title: "The baseline".into(),
        body: "All of it.".into(),
        message: "The baseline".into(),
        files: vec![
            file("desired-state/evenkeel.yaml", &config("propose", &forge)),
            file(PATH, MANIFEST),
        ],
        made_from: Vec::new(),
        labels: Vec::new(),
    };
    let pull = peers.forge("ALICE").open(&proposal).await.unwrap();
    peers.merge("BOB", pull.number).await;
}

// Goal: the opposite pull request of a drift is opened beside the one that would put the baseline back; asked for again it
// is updated and no second one is opened, also not together with others; runs leave it alone; and when a person has
// merged it, the other is closed and nothing differs. An older checkout takes nothing back. What is undisclosed is nowhere.
#[tokio::test]
async fn adopted_by_merging() {
    let project = Project::new(&config("observe", ""), "");
    let Some(peers) = Peers::start(project.temp.path()) else {
        return;
    };
    set_up(&peers).await;
    let clone = peers.clone(&project, "clone");
    std::fs::write(project.path("motd"), "first\n").unwrap();
    std::fs::write(project.path("secret"), "LIVE-SECRET").unwrap();
    chmod(&project.path("secret"), 0o640);
    clone.expect(&project, 2, &["reconcile"]);
    let asked = peers.open("evenkeel/").await;
    assert_eq!(asked.len(), 2);
    let way = "`evenkeel adopt host/File/motd`";
    assert_eq!(
        asked.iter().filter(|pull| pull.body.contains(way)).count(),
        1
    );

    let json = ["adopt", "host/File/motd", "--format", "json"];
    let first = clone.expect(&project, 0, &json).json();
    assert_eq!(first["pull"]["what"], "opened");
    std::fs::write(project.path("motd"), "second\n").unwrap();
    let again = clone.expect(&project, 0, &json).json();
    assert_eq!(again["pull"]["what"], "updated");
    assert_eq!(again["pull"]["number"], first["pull"]["number"]);
    let both = clone.expect(&project, 1, &["adopt", "motd", "secret"]);
    assert!(both.stderr.contains("would be published"), "{both:?}");
    std::fs::write(project.path("secret"), "committed").unwrap();
    let both = clone.expect(&project, 1, &["adopt", "motd", "secret"]);
    assert!(
        both.stderr.contains("adopts host/File/motd already"),
        "{both:?}"
    );
    clone.expect(&project, 2, &["reconcile"]);

    let open = peers.open("evenkeel/adopt-").await;
    assert_eq!(open.len(), 1);
    let number = open[0].number;
    let pull = peers.forge("ALICE").pull(number).await.unwrap();
    assert_eq!(pull.files, [PATH]);
    assert!(!format!("{pull:?}{first}{again}").contains("LIVE-SECRET"));
    chmod(&project.path("secret"), 0o600);
    peers.merge("ALICE", number).await;

    std::fs::write(project.path("motd"), "third\n").unwrap();
    let stale = clone.expect(&project, 1, &["adopt", "motd"]);
    assert!(
        stale
            .stderr
            .contains("main has another desired-state/host/all.yaml"),
        "{stale:?}"
    );
    assert!(peers.open("evenkeel/adopt-").await.is_empty());
    std::fs::write(project.path("motd"), "second\n").unwrap();

    let fresh = peers.clone(&project, "fresh");
    let text = std::fs::read_to_string(fresh.dir.join(PATH)).unwrap();
    assert_eq!(text, MANIFEST.replace("hello", "second"));
    fresh.expect(&project, 0, &["plan"]);
    fresh.expect(&project, 0, &["reconcile"]);
    assert_eq!(peers.open("evenkeel/").await, []);
    let args = [
        "journal",
        "show",
        "--resource",
        "host/File/motd",
        "--kind",
        "pull-request",
        "--format",
        "json",
    ];
    let shown = fresh.expect(&project, 0, &args).json();
    let records = shown["records"].as_array().unwrap().iter();
    let adopted = records.filter(|record| !record["payload"]["adopts"].is_null());
    assert_eq!(adopted.count(), 2, "{shown}");
}
