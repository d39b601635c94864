//! One project of a repository at the forge, cloned over HTTP, with a live system beside the clone.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::peer::{Peer, variable};
use crate::support::{Project, Ran, file};

/// What the baseline's one file holds, unless a test says otherwise.
pub const CALM: &str = "calm\n";
/// The variable that holds evenkeel's token.
pub const TOKEN: &str = "EVENKEEL_TEST_TOKEN";

/// A project in a directory of its own of the repository, with a target that no other test has.
pub struct Site {
    pub peer: Peer,
    project: Project,
    /// The directory of the baseline, and the target.
    pub name: String,
}

/// One pull request of a report.
#[derive(Clone, PartialEq, Debug)]
pub struct Note {
    pub number: u64,
    pub what: String,
}

impl Site {
    /// A baseline with `/etc/motd` on a target of this mode, committed by alice, cloned, and live as it says. `more` is
    /// added to `evenkeel.yaml`.
    pub async fn start(name: &str, mode: &str, more: &str) -> Option<Self> {
        let forge = "labels: [drift], max_open: 100";
        Self::start_with(name, mode, forge, more).await
    }

    /// The same with these settings of the forge.
    pub async fn start_with(name: &str, mode: &str, forge: &str, more: &str) -> Option<Self> {
        let peer = Peer::start().await?;
        let temp = tempfile::tempdir().unwrap();
        let (repo, root) = (temp.path().join("clone"), temp.path().join("root"));
        for dir in [&root.join("etc"), &temp.path().join("home")] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let site = Self {
            peer,
            project: Project { temp, repo, root },
            // The server may outlive the tests, and what is left there must not disturb them.
            name: format!("{name}-{}", std::process::id()),
        };
        site.live("etc/motd", CALM);
        let config = format!("mode: {mode} }}\nforge: {{ {forge}, ");
        site.commit_project(&site.name, &site.project.root, &config, more)
            .await;
        site.clone_afresh();
        Some(site)
    }

    /// Alice commits a baseline with `/etc/motd` in a directory, for a root, on a target that is called as this site.
    pub async fn commit_project(&self, directory: &str, root: &Path, middle: &str, more: &str) {
        let (name, root) = (&self.name, root.display());
        let (url, repository) = (&self.peer.url, &self.peer.repository);
        let config = format!(
            "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - {{ name: {name}, provider: host, root: {root}, {middle}kind: github, repository: {repository}, api_url: \"{url}\", token_env: {TOKEN} }}\n{more}"
        );
        self.push(directory, "evenkeel.yaml", &config).await;
        let manifest = file("motd", "/etc/motd", CALM);
        self.push(directory, &format!("{name}/all.yaml"), &manifest)
            .await;
    }

    /// Alice commits a file of a project to the base branch, by the API.
    pub async fn push(&self, project: &str, path: &str, text: &str) {
        let at = format!("contents/{project}/{path}");
        let content = STANDARD.encode(text);
        let body = json!({ "message": format!("{project}: {path}"), "content": content });
        self.peer.by_hand("ALICE", "PUT", &at, body).await;
    }

    /// Clones the repository over HTTP, with a state that knows nothing.
    pub fn clone_afresh(&self) {
        let _ = std::fs::remove_dir_all(&self.project.repo);
        let url = variable("GIT_URL").unwrap();
        let mut clone = Command::new("git");
        clone.args(["clone", "-q", &url]).arg(&self.project.repo);
        Ran::of(&mut clone).expect(0);
    }

    /// What whoever runs evenkeel does after a merge.
    pub fn pull(&self) {
        let mut pull = Command::new("git");
        pull.arg("-C").arg(&self.project.repo);
        Ran::of(pull.args(["pull", "-q", "--ff-only"])).expect(0);
    }

    /// The clone's commit.
    pub fn commit(&self) -> String {
        let mut head = Command::new("git");
        head.arg("-C").arg(&self.project.repo);
        let ran = Ran::of(head.args(["rev-parse", "HEAD"])).expect(0);
        ran.stdout.trim().to_owned()
    }

    /// Somebody writes a file of the live system, by a path without a slash at its start.
    pub fn live(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::write(&path, text).unwrap();
        crate::support::chmod(&path, 0o644);
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.project.path(path)
    }

    /// A place in the clone.
    pub fn clone_path(&self, path: &str) -> PathBuf {
        self.project.repo.join(path)
    }

    /// What `/etc/motd` holds.
    pub fn motd(&self) -> String {
        std::fs::read_to_string(self.path("etc/motd")).unwrap()
    }

    /// The program on this project, with evenkeel's token.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("EVENKEEL_BASELINE", &self.name)
            .env(TOKEN, variable("TOKEN_BOT").unwrap());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Runs the program, and expects this exit code and a report.
    #[track_caller]
    pub fn report(&self, code: i32, args: &[&str]) -> Json {
        let args = [args, &["--format", "json"]].concat();
        self.run(&args).expect(code).json()
    }

    /// Reconciles, and expects this exit code.
    #[track_caller]
    pub fn reconcile(&self, code: i32) -> Json {
        self.report(code, &["reconcile"])
    }

    /// The journal's records of this kind.
    pub fn records(&self, kind: &str) -> Vec<Json> {
        let shown = self.report(0, &["journal", "show", "--kind", kind]);
        shown["records"].as_array().unwrap().clone()
    }

    /// The pull requests that ask for this project, oldest first, as the forge has them.
    pub async fn pulls(&self) -> Vec<Json> {
        let listed = self.peer.look("pulls?state=all&per_page=100").await;
        let mark = format!(" target={} ", self.name);
        let mut pulls: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .filter(|pull| pull["body"].as_str().unwrap_or_default().contains(&mark))
            .cloned()
            .collect();
        pulls.sort_by_key(|pull| pull["number"].as_u64());
        pulls
    }

    /// The paths that a pull request changes.
    pub async fn files(&self, number: u64) -> Vec<String> {
        let files = self.peer.look(&format!("pulls/{number}/files")).await;
        texts(&files, "filename")
    }

    /// The comments of a pull request.
    pub async fn comments(&self, number: u64) -> Vec<String> {
        let comments = self.peer.look(&format!("issues/{number}/comments")).await;
        texts(&comments, "body")
    }

    /// Whether the repository has a branch of evenkeel's for a cause.
    pub async fn has_branch(&self, fingerprint: &str) -> bool {
        let path = format!("git/ref/heads/evenkeel/{fingerprint}");
        self.peer.find(&path).await.is_some()
    }

    /// What evenkeel says of a commit.
    pub async fn status(&self, commit: &str) -> String {
        let status = self.peer.look(&format!("commits/{commit}/status")).await;
        let said = status["statuses"].as_array().unwrap();
        assert_eq!(texts(&status["statuses"], "context"), ["evenkeel/drift"]);
        format!("{}: {}", said[0]["state"], said[0]["description"]).replace('"', "")
    }

    /// The path of an approval in this project.
    pub fn approval(&self, group: &str) -> String {
        format!("{}/approvals/{group}.yaml", self.name)
    }

    /// A place in the folder of the test, outside of the clone.
    pub fn temp(&self) -> &Path {
        self.project.temp.path()
    }
}

fn texts(list: &Json, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The pull requests of a report.
pub fn notes(report: &Json) -> Vec<Note> {
    let pulls = report["pulls"].as_array().unwrap().iter();
    pulls
        .map(|pull| Note {
            number: pull["number"].as_u64().unwrap(),
            what: pull["what"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// The one pull request of a report, of which this is said.
#[track_caller]
pub fn the_pull(report: &Json, what: &str) -> u64 {
    let notes = notes(report);
    assert!(
        matches!(&notes[..], [one] if one.what == what),
        "{what}: {notes:?} {}",
        report["errors"]
    );
    notes[0].number
}

/// The hash of the one group of a report's plan.
#[track_caller]
pub fn the_group(report: &Json) -> String {
    let groups = report["plan"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    groups[0]["hash"].as_str().unwrap().to_owned()
}
