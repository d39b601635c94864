//! A project to begin with.
//!
//! **Invariant:** never overwrites a file; it writes all or, where something is in the way, nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{BaselineError, Repo, terms};
use crate::model::TargetName;

/// What the first target is.
#[derive(Clone, Debug)]
pub struct Starter {
    pub target: TargetName,
    /// The root of the host, as `evenkeel.yaml` says it.
    pub root: String,
}

impl Default for Starter {
    fn default() -> Self {
        Self {
            target: TargetName("this-host".to_owned()),
            root: "/".to_owned(),
        }
    }
}

/// Files to be written: names relative to the baseline's directory, with their contents.
pub type NewFiles = Vec<(String, Vec<u8>)>;

/// Writes a starter project into a directory, as [`write_new`] does.
///
/// # Errors
/// As [`project_files`] and [`write_new`].
pub fn init(dir: &Path, starter: &Starter) -> Result<Vec<PathBuf>, BaselineError> {
    let mut files = project_files(starter)?;
    let target = &starter.target.0;
    files.push((format!("{target}/motd.yaml"), MOTD.into()));
    files.push((format!("{target}/cron.yaml"), CRON.into()));
    write_new(dir, &files)
}

/// A project without any resource.
///
/// # Errors
/// The target's name is none.
pub fn project_files(starter: &Starter) -> Result<NewFiles, BaselineError> {
    let target = &starter.target.0;
    if !terms::is_target_name(target) || super::layout::RESERVED.contains(&target.as_str()) {
        return Err(BaselineError::BadTargetName {
            name: target.clone(),
        });
    }
    Ok(vec![
        ("evenkeel.yaml".to_owned(), project(starter).into()),
        ("exemptions.yaml".to_owned(), EXEMPTIONS.into()),
    ])
}

/// Writes files into a directory, and a line into the `.gitignore` at the top of the repository around it (without one: of
/// the directory above). Returns the files that were written or added to.
///
/// # Errors
/// One of them exists already, in which case none is written; or a file cannot be written.
pub fn write_new(dir: &Path, files: &NewFiles) -> Result<Vec<PathBuf>, BaselineError> {
    let existing: Vec<_> = files
        .iter()
        .map(|(name, _)| dir.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if !existing.is_empty() {
        return Err(BaselineError::Exists { paths: existing });
    }
    let mut written = Vec::new();
    for (name, content) in files {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("make the directory", parent))?;
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(content))
            .map_err(failed("write", &path))?;
        written.push(path);
    }
    written.extend(keep_state_out_of_git(dir)?);
    Ok(written)
}

/// Adds `.evenkeel/` to `.gitignore` where it is not there yet.
fn keep_state_out_of_git(dir: &Path) -> Result<Option<PathBuf>, BaselineError> {
    let top = match Repo::discover(dir) {
        Ok(repo) => repo.top().to_owned(),
        Err(_) => fs::canonicalize(dir)
            .map_err(failed("find", dir))?
            .parent()
            .map_or_else(|| dir.to_owned(), Path::to_owned),
    };
    let path = top.join(".gitignore");
    let text = match fs::read(&path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let covers = |line: &str| {
        let line = line.trim();
        matches!(
            line,
            ".evenkeel" | ".evenkeel/" | "/.evenkeel" | "/.evenkeel/"
        )
    };
    if text.lines().any(covers) {
        return Ok(None);
    }
    let separator = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{separator}.evenkeel/\n").as_bytes()))
        .map_err(failed("write", &path))?;
    Ok(Some(path))
}

fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> BaselineError + use<'a> {
    move |source| BaselineError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn project(starter: &Starter) -> String {
    // JSON's form of a text is YAML's too, whatever is in it.
    let root = serde_json::Value::from(starter.root.as_str());
    let target = &starter.target;
    format!(
        r#"# What evenkeel looks at, and how far it may go. `evenkeel check` says whether all of it is understood.
apiVersion: evenkeel.dev/v1
kind: Project

targets:
  # The resources of a target lie in the directory of the same name.
  - name: "{target}"
    provider: host
    root: {root}
    # observe: look and report. propose: open pull requests. enforce: put the baseline back at once.
    mode: observe

# Limits on what may be done in one run, in every mode.
guard:
  # Above this, nothing of a plan runs. With more than a handful of resources, a share is a good second limit.
  max_changes: 20
  # max_changed_percent: 30
  # Never touched.
  protected:
    - File/passwd
    - /etc/shadow
  # Only after a pull request was merged.
  require_approval:
    - risk: high
    - risk: irreversible
  # Larger states before are not kept, which makes a change irreversible. In bytes (64 MiB).
  undo_max_bytes: 67108864
  # What a person has undone rests this long.
  suspend_after_undo: 24h
  # The programs that `validate` of a File may call.
  validate_commands: []

# Where pull requests go; needed for mode propose.
# forge:
#   repository: owner/name
#   base: main

# Paths that no exclusive directory complains about.
ignore:
  - "/**/*.dpkg-*"
"#
    )
}

const EXEMPTIONS: &str = r#"# Drift that is accepted for a time. An exemption never silences an indicator of compromise.
# - id: motd-during-migration
#   selector: File/motd
#   reason: the old banner stays until the migration is done
#   owner: ops@example.org
#   expires: 2027-01-31
[]
"#;

const MOTD: &str = r#"apiVersion: host.evenkeel.dev/v1
kind: File
metadata:
  name: motd
spec:
  path: /etc/motd
  content: |
    This host is kept on its baseline by evenkeel: changes made by hand are seen.
  mode: "0644"
  owner: root
  group: root
# Its content is no secret, so pull requests and CI logs may show it.
disclose: true
"#;

const CRON: &str = r#"# A favourite place to persist: whatever git does not list here is reported.
apiVersion: host.evenkeel.dev/v1
kind: Directory
metadata:
  name: cron.d
spec:
  path: /etc/cron.d
  mode: "0755"
  owner: root
  group: root
  exclusive: true
  ignore:
    - .placeholder
"#;
