//! Baselines as they lie in a folder.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::{BaselineError, Source, load};
use super::{PROJECT, manifest};
use crate::model::TargetName;

fn baseline() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("web/files")).unwrap();
    fs::write(dir.path().join("evenkeel.yaml"), PROJECT).unwrap();
    fs::write(dir.path().join("web/a.yaml"), manifest("a")).unwrap();
    fs::write(dir.path().join("web/files/motd"), "hello").unwrap();
    dir
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

// Goal: a folder loads without git, and its own `.git` and `.evenkeel` can never be read through it.
#[test]
fn a_folder_loads() {
    let dir = baseline();
    for own in [".git", ".evenkeel", "web/.git"] {
        fs::create_dir_all(dir.path().join(own)).unwrap();
        fs::write(dir.path().join(own).join("config"), "token").unwrap();
    }
    let loaded = load(&Source::folder(dir.path()).unwrap()).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(loaded.declared[&TargetName("web".into())].len(), 1);
    assert_eq!(&*loaded.files.read("web/files/motd").unwrap(), b"hello");
    for own in [".git/config", ".evenkeel/config", "web/.git/config"] {
        assert!(loaded.files.read(own).is_err(), "{own}");
    }
}

// Goal: links and FIFOs are named and neither followed nor waited for, whether they stand for files or directories.
#[test]
fn links_and_fifos_are_refused() {
    let dir = baseline();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.yaml"), manifest("secret")).unwrap();
    symlink(
        outside.path().join("secret.yaml"),
        dir.path().join("web/link.yaml"),
    )
    .unwrap();
    symlink(outside.path(), dir.path().join("db")).unwrap();
    symlink(outside.path(), dir.path().join("web/files/out")).unwrap();
    fifo(&dir.path().join("web/pipe.yaml"));
    fifo(&dir.path().join("web/files/pipe"));
    let loaded = load(&Source::folder(dir.path()).unwrap()).unwrap();
    assert_eq!(
        loaded.problems.to_string(),
        "db:1:1: this is a symbolic link, and none is followed\n\
         web/link.yaml:1:1: this is a symbolic link, and none is followed\n\
         web/pipe.yaml:1:1: this is no regular file"
    );
    assert!(loaded.files.read("web/files/out/secret.yaml").is_err());
    assert!(loaded.files.read("web/files/pipe").is_err());
}

// Goal: what was a file or directory when it was listed is not followed when a link has taken its place since.
#[test]
fn later_swaps_are_refused() {
    let dir = baseline();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("motd"), "secret").unwrap();
    let source = Source::folder(dir.path()).unwrap();
    assert!(source.read("web/files/motd").is_ok());
    fs::remove_file(dir.path().join("web/files/motd")).unwrap();
    symlink(
        outside.path().join("motd"),
        dir.path().join("web/files/motd"),
    )
    .unwrap();
    assert!(
        source
            .read("web/files/motd")
            .unwrap_err()
            .contains("symbolic link")
    );
    fs::remove_file(dir.path().join("web/files/motd")).unwrap();
    fifo(&dir.path().join("web/files/motd"));
    assert_eq!(
        source.read("web/files/motd").unwrap_err(),
        "is no regular file"
    );
    fs::remove_dir_all(dir.path().join("web/files")).unwrap();
    symlink(outside.path(), dir.path().join("web/files")).unwrap();
    assert!(
        source
            .read("web/files/motd")
            .unwrap_err()
            .contains("symbolic link")
    );
}

// Goal: a huge sparse file is refused by its size, and a name of raw bytes by its name.
#[test]
fn sizes_and_names_are_bounded() {
    let dir = baseline();
    let big = fs::File::create(dir.path().join("web/big.yaml")).unwrap();
    big.set_len(1 << 40).unwrap();
    let raw = std::ffi::OsStr::from_bytes(b"caf\xe9\n.yaml");
    fs::write(dir.path().join("web").join(raw), manifest("b")).unwrap();
    let loaded = load(&Source::folder(dir.path()).unwrap()).unwrap();
    assert_eq!(
        loaded.problems.to_string(),
        "web/big.yaml:1:1: the file has 1099511627776 bytes, more than the 16777216 that are read\n\
         web/caf\\xe9\\n.yaml:1:1: the name is not UTF-8"
    );
}

// Goal: a folder that is not there is an error of its own, not an empty baseline.
#[test]
fn a_missing_folder_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = Source::folder(&dir.path().join("no")).err().unwrap();
    assert!(matches!(error, BaselineError::Io { .. }), "{error}");
}
