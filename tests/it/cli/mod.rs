//! What the README promises of the command line, one promise a test, by the built program.

mod check;
mod commits;
mod coverage;
mod detect;
mod detect_options;
mod events;
mod exemptions;
mod from_live;
mod guard;
mod heuristics;
mod hidden;
mod incident;
mod intended;
mod modes;
mod outputs;
mod plans;
mod suppressions;
mod targets;
mod trees;
mod undo;

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{Project, config, file, skip};

/// A target in this mode with one file that is missing, and this beside it in `evenkeel.yaml`.
fn one_missing(mode: &str, more: &str) -> Project {
    Project::new(&config(mode, more), &file("motd", "/motd", "good\n"))
}

/// What the managed file holds; none when it is not there.
fn motd(project: &Project) -> Option<String> {
    std::fs::read_to_string(project.path("motd")).ok()
}

/// Runs git in a folder, apart from what is configured on this machine; none when there is no git.
fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let made = Command::new("git")
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .stdin(Stdio::null())
        .output();
    let Ok(output) = made else {
        skip("there is no git: skipped");
        return None;
    };
    assert!(output.status.success(), "git {args:?}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}
