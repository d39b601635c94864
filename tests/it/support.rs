//! A project in a folder of its own, and the built program run in it as its user would run it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

/// A repository with a baseline, and a root folder beside it.
pub struct Project {
    pub temp: tempfile::TempDir,
    /// The top of the repository.
    pub repo: PathBuf,
    /// The live system.
    pub root: PathBuf,
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The state of everything below a folder, by escaped path: type, mode, owner, content or target, attributes.
pub type Facts = BTreeMap<String, String>;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says what is skipped; where every peer has to be there, that is a failure.
pub fn skip(what: &str) {
    let required = std::env::var_os("EVENKEEL_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "EVENKEEL_REQUIRE_PEERS is set, and {what}");
    eprintln!("{what}");
}

/// The manifest of a file.
pub fn file(name: &str, path: &str, content: &str) -> String {
    let ids = format!(
        "owner: {}, group: {}",
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw()
    );
    format!(
        "---\napiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: {{ name: {name} }}\nspec: {{ path: {path}, mode: \"0644\", {ids}, content: {content:?} }}\n"
    )
}

/// The manifest of a directory.
pub fn directory(name: &str, path: &str, more: &str) -> String {
    format!(
        "---\napiVersion: host.evenkeel.dev/v1\nkind: Directory\nmetadata: {{ name: {name} }}\nspec: {{ path: {path}, mode: \"0755\"{more} }}\n"
    )
}

/// An `evenkeel.yaml` with one target `host` on a root beside the repository.
pub fn config(mode: &str, more: &str) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - {{ name: host, provider: host, root: ../../root, mode: {mode} }}\n{more}"
    )
}

impl Project {
    /// A repository with this `evenkeel.yaml` and these manifests for the target `host`, committed, and an empty root.
    pub fn new(config: &str, manifests: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (repo, root) = (temp.path().join("repo"), temp.path().join("root"));
        for dir in [&repo, &root, &temp.path().join("home")] {
            std::fs::create_dir(dir).unwrap();
        }
        chmod(&root, 0o755);
        git2::Repository::init(&repo).unwrap();
        let project = Self { temp, repo, root };
        project.write("desired-state/evenkeel.yaml", config);
        project.write("desired-state/host/all.yaml", manifests);
        project.commit("baseline");
        project
    }

    /// The path of something in the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file of the repository.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.repo.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits all that lies in the repository, and gives the commit's id.
    pub fn commit(&self, message: &str) -> String {
        let repo = git2::Repository::open(&self.repo).unwrap();
        let mut index = repo.index().unwrap();
        let all = |path: &Path, _: &[u8]| i32::from(path.starts_with(".evenkeel"));
        index
            .add_all(["*"], git2::IndexAddOption::DEFAULT, Some(&mut { all }))
            .unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
        let who =
            git2::Signature::new("Ada", "ada@example.com", &git2::Time::new(1_700_000_000, 0))
                .unwrap();
        let parent = repo.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        repo.commit(Some("HEAD"), &who, &who, message, &tree, &parents)
            .unwrap()
            .to_string()
    }

    /// The program, in the repository, with nothing of this process's surroundings that could change what it does.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_in(&self.repo, args)
    }

    /// The program in another folder.
    pub fn command_in(&self, dir: &Path, args: &[&str]) -> Command {
        let home = self.temp.path().join("home");
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command
            .args(args)
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &home)
            .env("XDG_RUNTIME_DIR", &home)
            .env("XDG_CONFIG_HOME", &home)
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Runs the program and expects this exit code.
    pub fn expect(&self, code: i32, args: &[&str]) -> Ran {
        self.run(args).expect(code)
    }

    /// Plans, and expects this exit code.
    pub fn plan(&self, code: i32) -> Json {
        self.expect(code, &["plan", "--format", "json"]).json()
    }

    /// Reconciles, and expects this exit code.
    pub fn reconcile(&self, code: i32) -> Json {
        self.expect(code, &["reconcile", "--format", "json"]).json()
    }

    /// All records of the journal.
    pub fn records(&self) -> Vec<Json> {
        let shown = self
            .expect(0, &["journal", "show", "--format", "json"])
            .json();
        shown["records"].as_array().unwrap().clone()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // What the tests made immutable could not be removed otherwise; there may be none, or no such program.
        let _ = Command::new("chattr")
            .args(["-R", "-f", "-i"])
            .arg(&self.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, which has to have ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Its output as JSON.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// Both of its outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The ids of a report's drifts.
pub fn drifts(report: &Json) -> Vec<String> {
    let drifts = report["drifts"].as_array().unwrap();
    let mut ids: Vec<_> = drifts
        .iter()
        .map(|drift| drift["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// The run that made a report.
pub fn run_of(report: &Json) -> String {
    report["run"].as_str().unwrap().to_owned()
}

/// Sets permissions.
pub fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below a folder that counts, in the system's own words.
pub fn facts(root: &Path) -> Facts {
    let mut found = Facts::new();
    collect(root, root, &mut found);
    found
}

fn collect(root: &Path, path: &Path, found: &mut Facts) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let content = if kind.is_symlink() {
        format!("{:?}", std::fs::read_link(path).unwrap())
    } else if kind.is_file() {
        format!("{}", std::fs::read(path).unwrap().escape_ascii())
    } else {
        format!("{:x}", meta.rdev())
    };
    let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
    let fact = format!(
        "{:o} {}:{} {content} {} {}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        attributes(path),
        flags(path, kind.is_file())
    );
    found.insert(name.escape_ascii().to_string(), fact);
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(root, &entry.unwrap().path(), found);
        }
    }
}

/// The extended attributes, with their values.
fn attributes(path: &Path) -> String {
    let mut list = vec![0_u8; 4096];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap_or(0);
    let mut names: Vec<_> = list[..length].split(|byte| *byte == 0).collect();
    names.sort();
    let values = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0_u8; 4096];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
            format!("{}={}", name.escape_ascii(), value[..length].escape_ascii())
        });
    values.collect::<Vec<_>>().join(",")
}

/// Whether a file is immutable.
fn flags(path: &Path, is_file: bool) -> &'static str {
    if !is_file {
        return "";
    }
    let flags = std::fs::File::open(path)
        .ok()
        .and_then(|file| rustix::fs::ioctl_getflags(file).ok());
    match flags {
        Some(flags) if flags.contains(rustix::fs::IFlags::IMMUTABLE) => "immutable",
        _ => "",
    }
}
