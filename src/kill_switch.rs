//! The kill switch: a person's way to stop every change at once, with a file or an environment variable.
//!
//! **Invariant:** reads only; a switch that cannot be looked at is on; a file of an ordinary user other than us never counts.

use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// The environment variable that switches everything off when it is set and neither empty nor `0`.
pub const VARIABLE: &str = "EVENKEEL_KILL_SWITCH";

/// The file that every run on this machine looks for.
pub const SYSTEM_FILE: &str = "/etc/evenkeel/kill-switch";

/// The name of the file inside a state directory.
pub const STATE_FILE: &str = "kill-switch";

/// No more of the file is read as the reason.
const MAX_REASON: usize = 200;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KillSwitch {
    /// What holds everything, in words; none when nothing does. Not escaped: a file may say why in its first line.
    pub on: Option<String>,
    /// What was found and does not count.
    pub notices: Vec<String>,
}

/// The files to look for: the system's, the state directory's and the one that the configuration names.
pub fn places(state_dir: Option<&Path>, configured: Option<&Path>) -> Vec<PathBuf> {
    [Some(PathBuf::from(SYSTEM_FILE))]
        .into_iter()
        .chain([
            state_dir.map(|dir| dir.join(STATE_FILE)),
            configured.map(Path::to_path_buf),
        ])
        .flatten()
        .collect()
}

/// Looks at the variable's value and at the files.
pub fn look(variable: Option<&OsStr>, files: &[PathBuf]) -> KillSwitch {
    look_as(geteuid().as_raw(), variable, files)
}

fn look_as(euid: u32, variable: Option<&OsStr>, files: &[PathBuf]) -> KillSwitch {
    let mut switch = KillSwitch::default();
    if variable.is_some_and(|value| !value.is_empty() && value != "0") {
        switch.on = Some(format!("the environment variable {VARIABLE} is set"));
    }
    for file in files {
        let on = match std::fs::symlink_metadata(file) {
            Ok(meta) if meta.uid() == 0 || meta.uid() == euid => {
                format!("the file {} exists{}", file.display(), reason(file, &meta))
            }
            Ok(meta) => {
                switch.notices.push(format!(
                    "the kill switch {} is ignored: it is owned by uid {}",
                    file.display(),
                    meta.uid()
                ));
                continue;
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => format!("the file {} cannot be looked for: {error}", file.display()),
        };
        switch.on.get_or_insert(on);
    }
    switch
}

/// The first line of a regular file, as a reason.
fn reason(path: &Path, meta: &Metadata) -> String {
    if !meta.is_file() {
        return String::new();
    }
    let mut bytes = Vec::new();
    let read = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .and_then(|file| file.take(MAX_REASON as u64).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next().map(str::trim) {
        Some(line) if read.is_ok() && !line.is_empty() => format!(": {line}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody_else() -> u32 {
        geteuid().as_raw()
    }

    // Goal: the variable holds when it says anything but "no", and is reported by its name.
    #[test]
    fn variable_counts_when_set() {
        let on = |value: Option<&str>| look(value.map(OsStr::new), &[]).on;
        for off in [None, Some(""), Some("0")] {
            assert_eq!(on(off), None, "{off:?}");
        }
        for set in ["1", "yes", "00"] {
            assert!(
                on(Some(set)).is_some_and(|text| text.contains(VARIABLE)),
                "{set}"
            );
        }
    }

    // Goal: a file holds because it is there, empty or not, a dangling link too, and its first line is the reason.
    #[test]
    fn file_counts_when_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kill-switch");
        let files = [file.clone()];
        assert_eq!(look(None, &files), KillSwitch::default());
        std::fs::write(&file, "").unwrap();
        assert!(
            look(None, &files)
                .on
                .is_some_and(|text| text.ends_with("exists"))
        );
        std::fs::write(&file, "migration tonight\nsecond line").unwrap();
        assert!(
            look(None, &files)
                .on
                .is_some_and(|text| text.ends_with(": migration tonight"))
        );
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("nowhere", &file).unwrap();
        assert!(look(None, &files).on.is_some());
    }

    // Goal: another user cannot stop evenkeel, and is named. Method: a file of ours, looked at as if we were another user;
    // only when the tests do not run as root, whose files always count, can the file itself serve.
    #[test]
    fn foreign_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kill-switch");
        std::fs::write(&file, "").unwrap();
        let owner = if nobody_else() == 0 {
            std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
            12_345
        } else {
            nobody_else()
        };
        let switch = look_as(owner + 1, None, &[file]);
        assert_eq!(switch.on, None);
        assert!(switch.notices[0].contains(&format!("uid {owner}")));
    }

    // Goal: a switch that cannot be looked for holds, rather than being taken for absent. Method: a path through a loop.
    #[test]
    fn doubt_holds() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(look(None, &[link.join("kill-switch")]).on.is_some());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(look(None, &[dir.path().join("file/kill-switch")]).on, None);
    }

    // Goal: all three places are looked at, and the configured one is optional.
    #[test]
    fn three_places() {
        let files = places(Some(Path::new("/s")), Some(Path::new("/c")));
        assert_eq!(
            files,
            [SYSTEM_FILE, "/s/kill-switch", "/c"].map(PathBuf::from)
        );
        assert_eq!(places(None, None).len(), 1);
    }
}
