use super::format::{parsed, path_of};
use super::tree::Tree;
use crate::providers::host::fs::{Fs, Look, Want};

fn json(more: &str) -> String {
    format!("{{\"schema\": 1, \"host\": \"h1\"{more}}}")
}

fn look(tree: &Tree, path: &str) -> Look {
    tree.look(&path_of(path).unwrap(), Want::Digest)
}

const FILES: &str = r#", "observed_roots": ["/etc"], "files": {
    "/etc": {"type": "dir", "mode": "0755", "owner": "root", "group": "root"},
    "/etc/a": {"type": "file", "mode": "0644", "owner": "x", "group": "7", "size": 3, "sha256": "00", "nlink": 2},
    "/etc/l": {"type": "link", "mode": "0777", "owner": "root", "group": "root", "target": "/srv"},
    "/usr/bin/w": {"type": "file", "mode": "0755", "owner": "root", "group": "root"}},
    "attributes": ["----i---------e------- /etc/a"],
    "users": [{"name": "root", "uid": 0, "gid": 0, "home": "/root", "shell": "/bin/sh"}],
    "groups": [{"name": "root", "gid": 0}]"#;

// Goal: what was not looked at is never told as absent, and what lies behind a link is not told at all.
#[test]
fn unseen_is_not_absent() {
    let tree = Tree::of_files(&parsed(&json(FILES)).unwrap(), Default::default());
    assert!(matches!(look(&tree, "/etc/b"), Look::Absent));
    assert!(matches!(look(&tree, "/etc/l/x"), Look::Unseen(_)));
    assert!(matches!(look(&tree, "/usr/bin/x"), Look::Unseen(_)));
    assert!(matches!(look(&tree, "/usr/bin/w"), Look::Present(..)));
    let list = |path: &str| {
        let mut names = Vec::new();
        let whole = tree.list(&path_of(path).unwrap(), &mut |entry| {
            names.push(String::from_utf8(entry.name).unwrap());
            std::ops::ControlFlow::Continue(())
        });
        (names.join(" "), whole.is_ok())
    };
    assert_eq!(list("/etc"), ("a l".to_owned(), true));
    assert_eq!(list("/usr/bin"), ("w".to_owned(), false));
}

// Goal: the flags that are recorded apart count, a name that nobody explains is no name that a baseline could mean, and
// a number is a number.
#[test]
fn what_is_recorded_counts() {
    let tree = Tree::of_files(&parsed(&json(FILES)).unwrap(), Default::default());
    let Look::Present(node, None) = look(&tree, "/etc/a") else {
        panic!("it is there");
    };
    assert!(node.immutable);
    assert_eq!(
        (node.uid, node.gid, node.links, node.size),
        (u32::MAX, 7, 2, 3)
    );
}

// Goal: a recording may come from anyone: no name in it becomes a second line of passwd, no path leads out, and another
// version is not guessed at.
#[test]
fn hostile_recordings_are_refused() {
    for (more, told) in [
        (
            r#", "users": [{"name": "a\nroot", "uid": 1, "gid": 1, "home": "/", "shell": "/"}]"#,
            "name",
        ),
        (
            r#", "users": [{"name": "a", "uid": 1, "gid": 1, "home": "/:x", "shell": "/"}]"#,
            "name",
        ),
        (
            r#", "groups": [{"name": "a", "gid": 1, "members": ["b,c:"]}]"#,
            "name",
        ),
        (r#", "packages": {"a\n": "1"}"#, "name"),
        (
            r#", "files": {"/etc/../x": {"mode": "0644", "owner": "root", "group": "root"}}"#,
            "path",
        ),
        (r#", "observed_roots": ["etc"]"#, "path"),
        (r#", "users": 1"#, "line 1"),
    ] {
        let error = parsed(&json(more)).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    let error = parsed("{\"schema\": 2, \"host\": \"h1\"}").unwrap_err();
    assert!(error.contains("version 2"));
    let deep = format!("{{\"x\": {}}}", "[".repeat(100_000));
    assert!(parsed(&deep).is_err());
}
