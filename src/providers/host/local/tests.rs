//! What the file system on this machine withstands: whatever is swapped at whatever moment, nothing outside is touched.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::ReasonCode;
use crate::providers::host::fs::{
    Content, Fs, FsError, HostPath, Leftover, Look, NodeType, Want, Wanted,
};
use crate::providers::host::path::parse;

use super::LocalFs;

struct Place {
    temp: tempfile::TempDir,
    fs: LocalFs,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("root/d")).unwrap();
        fs::create_dir(temp.path().join("outside")).unwrap();
        fs::write(temp.path().join("root/d/f"), "old").unwrap();
        let fs = LocalFs::open(&temp.path().join("root")).unwrap();
        Self { temp, fs }
    }

    fn at(&self, inner: &str) -> PathBuf {
        self.temp.path().join(inner)
    }

    fn read(&self, inner: &str) -> String {
        fs::read_to_string(self.at(inner)).unwrap()
    }

    /// All names below the temporary folder, to see that nothing was left or made anywhere.
    fn names(&self) -> Vec<String> {
        fn walk(dir: &Path, top: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                found.push(path.strip_prefix(top).unwrap().display().to_string());
                if entry.file_type().unwrap().is_dir() {
                    walk(&path, top, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.temp.path(), self.temp.path(), &mut found);
        found.sort();
        found
    }
}

fn path(text: &str) -> HostPath {
    parse(text).unwrap()
}

fn file(content: &str) -> Wanted {
    Wanted {
        node_type: NodeType::File,
        mode: 0o640,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        content: Some(Content::Bytes(Arc::from(content.as_bytes()))),
        target: None,
        device: None,
        capabilities: None,
        acl: None,
        default_acl: None,
        xattrs: vec![],
        immutable: false,
        append_only: false,
        children: None,
    }
}

fn directory() -> Wanted {
    Wanted {
        node_type: NodeType::Directory,
        mode: 0o750,
        content: None,
        ..file("")
    }
}

fn allow(_: &HostPath, _: &Look) -> Result<(), FsError> {
    Ok(())
}

fn ready(_: &Path) -> Result<(), FsError> {
    Ok(())
}

/// Whether a look shows a file with this content.
fn holds(look: &Look, content: &str) -> bool {
    let Look::Present(node, _) = look else {
        return false;
    };
    node.content.map(|blob| blob.digest) == Some(crate::model::Digest::of(content.as_bytes()))
}

fn expect_old(_: &HostPath, look: &Look) -> Result<(), FsError> {
    match holds(look, "old") {
        true => Ok(()),
        false => Err(FsError::Stale("not as expected".into())),
    }
}

// Goal: a file that is changed in the very moment of the exchange is put back as the change left it. Method: the first
// judgement, right before the exchange, plays the attacker.
#[test]
fn a_change_in_the_last_moment_survives() {
    for plays in ["put", "remove"] {
        let place = Place::new();
        let calls = Cell::new(0);
        let verify = |path: &HostPath, look: &Look| {
            calls.set(calls.get() + 1);
            let judged = expect_old(path, look);
            if calls.get() == 1 {
                fs::write(place.at("root/d/f"), "theirs").unwrap();
            }
            judged
        };
        let error = match plays {
            "put" => place
                .fs
                .put(&path("/d/f"), &file("new"), "n", &verify, &ready)
                .map(drop),
            _ => place.fs.remove(&path("/d/f"), "n", &verify),
        };
        assert_eq!(
            error,
            Err(FsError::Stale("not as expected".into())),
            "{plays}"
        );
        assert_eq!(calls.get(), 2, "{plays}");
        assert_eq!(place.read("root/d/f"), "theirs", "{plays}");
        assert_eq!(
            place.names(),
            ["outside", "root", "root/d", "root/d/f"],
            "{plays}"
        );
    }
}

// Goal: a directory that is moved out of the root and replaced by a link to it, between look and act, gets nothing
// written outside. Method: each judgement in turn plays the attacker, for each kind of change.
#[test]
fn a_swapped_parent_gets_nothing() {
    for at_call in 1..=2 {
        for change in ["replace", "create", "remove"] {
            let place = Place::new();
            let calls = Cell::new(0);
            let verify = |_: &HostPath, _: &Look| {
                calls.set(calls.get() + 1);
                if calls.get() == at_call {
                    fs::rename(place.at("root/d"), place.at("outside/d")).unwrap();
                    symlink(place.at("outside/d"), place.at("root/d")).unwrap();
                }
                Ok(())
            };
            let result = match change {
                "replace" => place
                    .fs
                    .put(&path("/d/f"), &file("new"), "n", &verify, &ready)
                    .map(drop),
                "create" => place
                    .fs
                    .put(&path("/d/made"), &file("new"), "n", &verify, &ready)
                    .map(drop),
                _ => place.fs.remove(&path("/d/f"), "n", &verify),
            };
            if change == "create" && at_call == 2 {
                // There is nothing to judge a second time.
                assert_eq!((result, calls.get()), (Ok(()), 1));
                continue;
            }
            assert!(
                matches!(result, Err(FsError::Stale(_))),
                "{change} {at_call}: {result:?}"
            );
            assert_eq!(place.read("outside/d/f"), "old", "{change} {at_call}");
            assert_eq!(
                place.names(),
                ["outside", "outside/d", "outside/d/f", "root", "root/d"],
                "{change} {at_call}"
            );
        }
    }
}

// Goal: a link in the place of a parent leads nowhere, for a look, a list and every change.
#[test]
fn links_lead_nowhere() {
    let place = Place::new();
    fs::write(place.at("outside/f"), "secret").unwrap();
    symlink(place.at("outside"), place.at("root/link")).unwrap();
    symlink("d", place.at("root/inner")).unwrap();
    let before = place.names();
    for inside in ["/link/f", "/inner/f"] {
        let target = path(inside);
        let Look::Unseen(reason) = place.fs.look(&target, Want::Digest) else {
            panic!("{inside} was followed");
        };
        assert_eq!(reason.code, ReasonCode::Redirected);
        let put = place.fs.put(&target, &file("new"), "n", &allow, &ready);
        let error = put.unwrap_err().to_string();
        assert!(error.contains("symbolic link stands in the way"), "{error}");
        place.fs.remove(&target, "n", &allow).unwrap_err();
    }
    place
        .fs
        .list(&path("/link"), &mut |_| panic!("listed"))
        .unwrap_err();
    assert_eq!(place.names(), before);
    assert_eq!(place.read("outside/f"), "secret");
}

// Goal: what appears in the moment of creation is not replaced.
#[test]
fn creation_replaces_nothing() {
    let place = Place::new();
    let verify = |_: &HostPath, look: &Look| {
        assert!(matches!(look, Look::Absent));
        fs::write(place.at("root/d/made"), "theirs").unwrap();
        Ok(())
    };
    let result = place
        .fs
        .put(&path("/d/made"), &file("new"), "n", &verify, &ready);
    assert!(matches!(result, Err(FsError::Stale(_))), "{result:?}");
    assert_eq!(place.read("root/d/made"), "theirs");
    assert_eq!(
        place.names(),
        ["outside", "root", "root/d", "root/d/f", "root/d/made"]
    );
}

// Goal: a veto on the complete new file leaves everything as it was, and the file it judges is complete.
#[test]
fn a_veto_changes_nothing() {
    let place = Place::new();
    let veto = |file: &Path| {
        assert_eq!(fs::read_to_string(file).unwrap(), "new");
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, 0o640);
        Err(FsError::Refused("no".into()))
    };
    let result = place
        .fs
        .put(&path("/d/f"), &file("new"), "n", &allow, &veto);
    assert_eq!(result, Err(FsError::Refused("no".into())));
    assert_eq!(place.read("root/d/f"), "old");
    assert_eq!(place.names(), ["outside", "root", "root/d", "root/d/f"]);
}

// Goal: file systems that cannot exchange still get every kind of replacement done, and say what was not watched.
#[test]
fn plain_renames_do_too() {
    let mut place = Place::new();
    place.fs.exchange = false;
    let put = |inside: &str, wanted: &Wanted| {
        place
            .fs
            .put(&path(inside), wanted, "n", &allow, &ready)
            .unwrap()
    };
    assert_eq!(put("/d/f", &file("new")).len(), 1);
    assert_eq!(place.read("root/d/f"), "new");
    put("/d/f", &directory());
    put("/d/f/inner", &file("inner"));
    assert_eq!(place.read("root/d/f/inner"), "inner");
    put("/d/f", &file("again"));
    assert_eq!(place.read("root/d/f"), "again");
    place.fs.remove(&path("/d/f"), "n", &allow).unwrap();
    assert_eq!(place.names(), ["outside", "root", "root/d"]);
}

// Goal: after a crash each leftover ends where it belongs: our own goes, what was displaced unseen comes back.
#[test]
fn leftovers_are_told_apart() {
    let judge = |_: &HostPath, look: &Look| match look {
        look if holds(look, "old") => Leftover::Expected,
        look if holds(look, "new") => Leftover::Made,
        _ => Leftover::Foreign,
    };
    let cases = [
        // (half written, complete or displaced, being deleted, in place) → in place afterwards
        ([Some("ne"), None, None, Some("old")], "old"),
        ([None, Some("new"), None, Some("old")], "old"),
        ([None, Some("old"), None, Some("new")], "new"),
        ([None, None, Some("ol"), Some("new")], "new"),
        ([None, Some("theirs"), None, Some("new")], "theirs"),
        ([None, Some("theirs"), None, None], "theirs"),
    ];
    for (found, expected) in cases {
        let place = Place::new();
        fs::remove_file(place.at("root/d/f")).unwrap();
        let names = [".evenkeel-n.new", ".evenkeel-n", ".evenkeel-n.old", "f"];
        for (name, content) in names.iter().zip(found) {
            if let Some(content) = content {
                fs::write(place.at("root/d").join(name), content).unwrap();
            }
        }
        place.fs.tidy(&path("/d/f"), "n", &judge).unwrap();
        assert_eq!(place.read("root/d/f"), expected, "{found:?}");
        assert_eq!(
            place.names(),
            ["outside", "root", "root/d", "root/d/f"],
            "{found:?}"
        );
    }
}

// Goal: what was displaced unseen while its place was taken by somebody else is neither deleted nor put over that.
#[test]
fn two_unknown_things_are_left_to_a_person() {
    let place = Place::new();
    fs::write(place.at("root/d/.evenkeel-n"), "theirs").unwrap();
    let judge = |_: &HostPath, _: &Look| Leftover::Foreign;
    let result = place.fs.tidy(&path("/d/f"), "n", &judge);
    assert!(matches!(result, Err(FsError::Failed(_))));
    assert_eq!(place.read("root/d/.evenkeel-n"), "theirs");
    assert_eq!(place.read("root/d/f"), "old");
}

// Goal: tidying touches no other run's names, nor anybody's that only look alike.
#[test]
fn other_names_are_not_tidied() {
    let place = Place::new();
    fs::write(place.at("root/d/.evenkeel-other.new"), "x").unwrap();
    fs::write(place.at("root/d/.evenkeel-n.new.txt"), "x").unwrap();
    let before = place.names();
    let judge = |_: &HostPath, _: &Look| Leftover::Expected;
    place.fs.tidy(&path("/d/f"), "n", &judge).unwrap();
    assert_eq!(place.names(), before);
}

// Goal: looks at many entries of a directory by their names tell exactly what single looks tell, of every sort of entry,
// of one that is not there and of a directory that is a link.
#[test]
fn many_looks_tell_what_single_ones_do() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    std::fs::create_dir(at("dir")).unwrap();
    std::fs::write(at("dir/empty"), "").unwrap();
    std::fs::write(at("dir/large"), vec![7; 300_000]).unwrap();
    std::fs::create_dir(at("dir/sub")).unwrap();
    std::os::unix::fs::symlink("large", at("dir/link")).unwrap();
    std::os::unix::fs::symlink("dir", at("way")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("dir/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let fs = LocalFs::open(temp.path()).unwrap();
    let names: [&[u8]; 6] = [b"empty", b"large", b"link", b"none", b"pipe", b"sub"];
    for dir in [b"dir", b"way"] {
        let dir = HostPath(vec![dir.to_vec()]);
        for want in [
            Want::Nothing,
            Want::Digest,
            Want::Bytes {
                unless: None,
                max_bytes: 10,
            },
        ] {
            let mut seen = Vec::new();
            fs.look_in(&dir, &names, want, &mut |at, look| seen.push((at, look)));
            assert_eq!(seen.len(), names.len());
            for (at, look) in seen {
                let single = fs.look(&dir.join(names[at]), want);
                assert_eq!(format!("{look:?}"), format!("{single:?}"));
            }
        }
    }
}

// Goal: a file that grows while it is hashed is never seen as something that it was at no moment.
// Method: another thread appends all the while; whatever is reported has to be a whole number of its blocks.
#[test]
fn a_file_that_grows_is_seen_whole_or_not() {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("log"), vec![1; 400_000]).unwrap();
    let fs = LocalFs::open(temp.path()).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let path = temp.path().join("log");
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            while !ended.load(Ordering::SeqCst) {
                file.write_all(&[1; 1000]).unwrap();
                if file.metadata().unwrap().len() > 8 << 20 {
                    file.set_len(400_000).unwrap();
                }
            }
        });
        for _ in 0..40 {
            fs.look_in(
                &HostPath::default(),
                &[b"log"],
                Want::Digest,
                &mut |_, look| {
                    if let Look::Present(node, _) = look {
                        let content = node.content.unwrap();
                        let whole = vec![1; usize::try_from(node.size).unwrap()];
                        assert_eq!(content, crate::model::Blob::of(&whole));
                    }
                },
            );
        }
        ended.store(true, Ordering::SeqCst);
    });
}
