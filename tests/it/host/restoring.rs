//! Directories: what git does not list is found, removed and brought back whole.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::fixture::{Fixture, chmod, is_root};

const EXCLUSIVE: &str = r#"
kind: Directory
name: d
spec: { path: /d, mode: "0755", exclusive: true, ignore: ["*.swp", "cache/**"] }
---
kind: File
name: a
spec: { path: /d/a, content: a }
---
kind: File
name: deep
spec: { path: /d/sub/deep, content: deep }
---
kind: Directory
name: own
spec: { path: /d/own }
---
kind: File
name: gone
spec: { path: /d/gone, state: absent }
"#;

fn good() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("d/a", "a", 0o644);
    fixture.write("d/sub/deep", "deep", 0o644);
    fixture.write("d/own/anything", "x", 0o644);
    fixture.write("d/.b.swp", "x", 0o644);
    fixture.write("d/cache/1/2", "x", 0o644);
    chmod(&fixture.path("d"), 0o755);
    let looked = fixture.look(EXCLUSIVE);
    assert_eq!(looked.drifts(), Vec::<String>::new());
    assert_eq!(looked.unseen(), Vec::<String>::new());
    fixture
}

fn listing(fixture: &Fixture) -> Vec<String> {
    let mut found = Vec::new();
    super::fixture::walk(&fixture.root, &mut found);
    let mut lines: Vec<_> = found
        .iter()
        .map(|path| {
            let meta = std::fs::symlink_metadata(path).unwrap();
            use std::os::unix::fs::MetadataExt;
            let content = match meta.is_file() {
                true => std::fs::read(path).unwrap(),
                false => Vec::new(),
            };
            format!("{path:?} {:o} {:?}", meta.mode(), content)
        })
        .collect();
    lines.sort();
    lines
}

// Goal: what git does not list is found at every depth, each topmost thing once, and comes back exactly when undone.
#[test]
fn extras_are_found_removed_and_brought_back() {
    let fixture = good();
    fixture.write("d/evil", "evil", 0o4755);
    fixture.write("d/sub/more", "more", 0o600);
    fixture.write("d/tree/x/y", "y", 0o644);
    fixture.write("d/tree/z", "", 0o400);
    chmod(&fixture.path("d/tree/x"), 0o711);
    symlink("../../etc", fixture.path("d/tree/x/link")).unwrap();
    symlink("/nowhere", fixture.path("d/dangling")).unwrap();
    fixture.write("d/gone", "back again", 0o644);
    let odd = OsStr::from_bytes(b"\xff\n\x1b[31m");
    std::fs::write(fixture.path("d").join(odd), "odd").unwrap();
    let tampered = listing(&fixture);
    let looked = fixture.look(EXCLUSIVE);
    assert_eq!(
        looked.drifts(),
        [
            "Extra Directory /d/tree",
            "Extra File /d/\\xff\\x0a\\x1b[31m",
            "Extra File /d/evil",
            "Extra File /d/sub/more",
            "Extra File /d/gone",
            "Extra Symlink /d/dangling",
        ]
    );
    assert_eq!(looked.unseen(), Vec::<String>::new());
    let undo = fixture.reconcile(EXCLUSIVE);
    assert_eq!(fixture.look(EXCLUSIVE).drifts(), Vec::<String>::new());
    assert!(fixture.path("d/.b.swp").exists() && fixture.path("d/cache/1/2").exists());
    fixture.undo(&undo);
    assert_eq!(listing(&fixture), tampered);
}

// Goal: nothing that is ignored is ever removed, not even with the unlisted directory that it lies in.
#[test]
fn what_is_ignored_is_not_swept_away() {
    let fixture = good();
    let manifest = EXCLUSIVE.replace("\"*.swp\"", "\"**/*.swp\"");
    fixture.write("d/new/keep.swp", "x", 0o644);
    fixture.write("d/new/evil", "x", 0o644);
    fixture.write("d/new/tree/evil", "x", 0o644);
    assert_eq!(
        fixture.look(&manifest).drifts(),
        ["Extra Directory /d/new/tree", "Extra File /d/new/evil"]
    );
    fixture.reconcile(&manifest);
    assert!(fixture.path("d/new/keep.swp").exists());
    assert!(!fixture.path("d/new/evil").exists());
}

// Goal: a directory that was swapped for a link leaves what git has in it missing, not unseen, so that one run repairs
// both, and what the link leads to stays as it is.
#[test]
fn a_swapped_directory_is_rebuilt() {
    let fixture = good();
    let outside = fixture.temp.path().join("outside");
    std::fs::rename(fixture.path("d"), &outside).unwrap();
    symlink(&outside, fixture.path("d")).unwrap();
    let looked = fixture.look(EXCLUSIVE);
    assert_eq!(
        looked.drifts(),
        [
            "Changed Directory /d: default_acl mode type",
            "Missing Directory /d/own",
            "Missing File /d/a",
            "Missing File /d/sub/deep",
        ]
    );
    let manifest = EXCLUSIVE.replace(
        "kind: File\nname: deep",
        "kind: Directory\nname: sub\nspec: { path: /d/sub }\n---\nkind: File\nname: deep",
    );
    fixture.reconcile(&manifest);
    assert_eq!(fixture.look(&manifest).drifts(), Vec::<String>::new());
    assert!(outside.join("own/anything").exists());
}

// Goal: a step that made a directory is not undone over what others have put into it since.
#[test]
fn a_filled_directory_is_not_undone() {
    let fixture = Fixture::new();
    let manifest = "{kind: Directory, name: d, spec: {path: /d}}";
    let undo = fixture.reconcile(manifest);
    fixture.write("d/mine", "x", 0o644);
    let error = fixture.act(fixture.host().as_ref(), &undo[0]).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    assert!(fixture.path("d/mine").exists());
}

// Goal: mode, owner and type of a directory count, what it holds stays when they are put right.
#[test]
fn a_directory_is_put_right_where_it_stands() {
    let fixture = good();
    let owner = if is_root() { ", owner: 0" } else { "" };
    let manifest = EXCLUSIVE.replace("mode: \"0755\"", &format!("mode: \"0755\"{owner}"));
    chmod(&fixture.path("d"), 0o1777);
    if is_root() {
        std::os::unix::fs::chown(fixture.path("d"), Some(99), None).unwrap();
    }
    let before = listing(&fixture);
    let undo = fixture.reconcile(&manifest);
    assert_eq!(undo.len(), 1);
    assert!(fixture.look(&manifest).drifts().is_empty());
    fixture.undo(&undo);
    assert_eq!(listing(&fixture), before);
}
