//! Trees that somebody made to hold a walk up, or to hide something from it.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::model::Digest;
use crate::providers::host::LocalFs;
use crate::providers::host::filetree::manifest::{FIRST_LINE, Manifest};

/// A manifest of these files, each with its name as content, and of the directory `d`.
fn manifest(top: &Path, files: &[&str]) -> Manifest {
    use std::os::unix::fs::MetadataExt;

    let node = std::fs::metadata(top).unwrap();
    let (uid, gid) = (node.uid(), node.gid());
    let mode = |path: &Path| std::fs::metadata(path).map_or(0o644, |node| node.mode() & 0o7777);
    let mut text = format!("{FIRST_LINE}\nd {:04o} {uid} {gid} .\n", mode(top));
    text += &format!("d {:04o} {uid} {gid} d\n", mode(&top.join("d")));
    for file in files {
        let (size, digest) = (file.len(), Digest::of(file.as_bytes()));
        text += &format!(
            "f {:04o} {uid} {gid} {size} {digest} {file}\n",
            mode(&top.join(file))
        );
    }
    Manifest::parse(text.into_bytes().into()).unwrap()
}

fn tree(files: &[&str]) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("d")).unwrap();
    for file in files {
        std::fs::write(temp.path().join(file), file).unwrap();
    }
    temp
}

fn walked(top: &Path, manifest: &Manifest, max_read: u64) -> (Vec<Odd>, usize, Option<Reason>) {
    let fs = LocalFs::open(top).unwrap();
    let (bounds, claims) = (Bounds::default(), Claims::default());
    let ground = Ground {
        fs: &fs,
        bounds: &bounds,
        exclusive: true,
        claims: &claims,
    };
    let walk = Walk::within(ground, manifest, max_read);
    (walk.take_odd(), walk.take_extras().len(), walk.partial())
}

fn names(odd: &[Odd]) -> Vec<String> {
    odd.iter().map(|one| one.path.address().0).collect()
}

// Goal: more planted files than are held hide no changed entry, wherever it sorts, and it is said that there are more.
#[test]
fn a_flood_hides_no_change() {
    let temp = tree(&["x", "y"]);
    let manifest = manifest(temp.path(), &["x", "y"]);
    assert_eq!(walked(temp.path(), &manifest, MAX_READ).0.len(), 0);
    for at in 0..=MAX_EXTRAS {
        std::fs::File::create(temp.path().join(format!("d/{at}"))).unwrap();
    }
    std::fs::write(temp.path().join("y"), "z").unwrap();
    let (odd, extras, partial) = walked(temp.path(), &manifest, MAX_READ);
    assert_eq!(names(&odd), ["/y"]);
    assert_eq!(extras, MAX_EXTRAS);
    assert_eq!(partial.unwrap().code, ReasonCode::TooLarge);
}

// Goal: files that are long to read and cost nothing to make do not hold a walk up for ever: what is not read any more is
// told as unseen and never as good.
#[test]
fn reading_has_an_end() {
    let many: Vec<String> = (0..200).map(|at| format!("f{at:03}")).collect();
    let files: Vec<&str> = many.iter().map(String::as_str).collect();
    let temp = tree(&files);
    let manifest = manifest(temp.path(), &files);
    let (odd, ..) = walked(temp.path(), &manifest, 4 * 200);
    assert_eq!(odd.len(), 0);
    let (odd, ..) = walked(temp.path(), &manifest, 100);
    let is_unseen = |one: &Odd| matches!(&one.what, What::Unseen(reason) if reason.code == ReasonCode::TooLarge);
    assert!(
        odd.len() > 20 && odd.iter().all(is_unseen),
        "{:?}",
        names(&odd)
    );
    let sparse = std::fs::File::create(temp.path().join("f000")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert_eq!(
        names(&walked(temp.path(), &manifest, MAX_READ).0),
        ["/f000"]
    );
}

// Goal: a directory that was swapped for a link hides nothing of what it should hold, and what the link leads to is not
// looked at; a FIFO in a file's place is not waited for.
#[test]
fn nothing_is_followed_or_waited_for() {
    let temp = tree(&["d/a", "d/b"]);
    let manifest = manifest(temp.path(), &["d/a", "d/b"]);
    let path = |name: &str| temp.path().join(name);
    std::fs::remove_file(path("d/a")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(path("d/a"))
        .status();
    assert!(made.unwrap().success());
    assert_eq!(names(&walked(temp.path(), &manifest, MAX_READ).0), ["/d/a"]);
    std::fs::remove_file(path("d/a")).unwrap();
    std::fs::write(path("d/a"), "d/a").unwrap();
    std::fs::rename(path("d"), path("e")).unwrap();
    symlink("e", path("d")).unwrap();
    let (odd, extras, _) = walked(temp.path(), &manifest, MAX_READ);
    assert_eq!(names(&odd), ["/d", "/d/a", "/d/b"]);
    assert_eq!(extras, 1);
}
