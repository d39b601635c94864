//! A tree against its manifest: whatever was done to an entry is found, put right from the store and can be put back;
//! what is not the tree's is never touched.

use std::os::unix::fs::symlink;
use std::process::Command;

use evenkeel::model::{Change, Digest};
use evenkeel::providers::host::LocalFs;
use evenkeel::providers::host::tree_manifest::{Globs, Making, make};

use super::fixture::{Fixture, chmod, is_root};
use super::mount::tmpfs;
use crate::support::facts;

const MANIFEST: &str = r#"
kind: FileTree
name: usr
spec: { path: /usr, manifest: usr.manifest, store: store, ignore: ["share/cache/**", "*.log"] }
"#;

fn build(fixture: &Fixture) {
    for (path, content, mode) in [
        ("usr/bin/w", "who\n", 0o755),
        ("usr/bin/sudo", "root\n", 0o4755),
        ("usr/bin/a b\n", "odd\n", 0o644),
        ("usr/lib/mod/one.so", "one\n", 0o644),
        ("usr/lib/mod/deep/two.so", "two\n", 0o644),
        ("usr/lib/empty", "", 0o600),
        ("usr/share/cache/x", "x", 0o644),
    ] {
        fixture.write(path, content, mode);
    }
    symlink("w", fixture.path("usr/bin/who")).unwrap();
    std::fs::hard_link(fixture.path("usr/bin/w"), fixture.path("usr/bin/w2")).unwrap();
}

/// A root as it should be, with its manifest and a store of all contents.
fn good() -> Fixture {
    let mut fixture = Fixture::new();
    build(&fixture);
    let fs = LocalFs::open(&fixture.path("usr")).unwrap();
    let ignore = Globs::new(&["share/cache/**".into(), "*.log".into()]).unwrap();
    let kept = std::sync::Mutex::new(Vec::new());
    let keep = |digest: &Digest, bytes: &[u8]| {
        let one = (format!("t/store/{digest}"), bytes.to_vec());
        kept.lock().unwrap().push(one);
        Ok(())
    };
    let making = Making {
        ignore: &ignore,
        keep: Some((&keep, 1 << 20)),
        progress: &|_, _| {},
    };
    let made = make(&fs, &making).unwrap();
    fixture.side.extend(kept.into_inner().unwrap());
    fixture
        .side
        .insert("t/usr.manifest".into(), made.text.into_bytes());
    fixture
}

fn in_shell(fixture: &Fixture, script: &str) {
    let status = Command::new("sh")
        .args(["-ec", script])
        .current_dir(fixture.path("usr"))
        .status();
    assert!(status.unwrap().success(), "{script}");
}

// Goal: a tree that is as listed has no drift, whatever lies where it is ignored; the same tree gives the same manifest,
// byte for byte.
#[test]
fn a_tree_as_listed_is_clean() {
    let fixture = good();
    fixture.write("usr/share/cache/y", "new", 0o4777);
    fixture.write("usr/any.log", "new", 0o644);
    let looked = fixture.look(MANIFEST);
    assert_eq!(looked.drifts(), Vec::<String>::new());
    assert_eq!(looked.unseen(), Vec::<String>::new());
    assert_eq!(
        fixture.side["t/usr.manifest"],
        good().side["t/usr.manifest"]
    );
}

// Goal: each way to change an entry is found and named, put right exactly, and put back exactly, with nothing else touched.
#[test]
fn tampering_is_found_and_undone() {
    let as_root = [
        (
            "setcap cap_net_raw=ep lib/empty",
            "Changed File /usr/lib/empty: capabilities",
        ),
        ("chown 7 bin/who -h", "Changed Symlink /usr/bin/who: uid"),
        ("chattr +i lib/empty", "Changed File /usr/lib/empty: flags"),
    ];
    let all = [
        (
            "echo evil > lib/empty",
            "Changed File /usr/lib/empty: content",
        ),
        (
            "printf 'wh0\\n' > bin/w2",
            "Changed File /usr/bin/w: content|Changed File /usr/bin/w2: content",
        ),
        ("chmod u+s lib/empty", "Changed File /usr/lib/empty: mode"),
        ("chmod u-s bin/sudo", "Changed File /usr/bin/sudo: mode"),
        ("chmod 1777 lib/mod", "Changed Directory /usr/lib/mod: mode"),
        ("chmod 0700 .", "Changed Directory /usr: mode"),
        (
            "ln -sfn /tmp/w bin/who",
            "Changed Symlink /usr/bin/who: target",
        ),
        ("ln bin/sudo ../door", "Changed File /usr/bin/sudo: links"),
        ("rm bin/w", "Missing File /usr/bin/w"),
        (
            "rm -r lib/mod",
            "Missing Directory /usr/lib/mod|Missing Directory /usr/lib/mod/deep|Missing File /usr/lib/mod/deep/two.so|Missing File /usr/lib/mod/one.so",
        ),
        ("echo x > bin/.hidden", "Extra File /usr/bin/.hidden"),
        (
            "mkdir -p bin/.d/e; echo x > bin/.d/e/f",
            "Extra Directory /usr/bin/.d",
        ),
        ("mkfifo lib/pipe", "Extra File /usr/lib/pipe"),
        (
            "rm bin/w; mkdir bin/w; echo x > bin/w/in",
            "Changed File /usr/bin/w: content type",
        ),
        (
            "rm bin/w; ln -s sudo bin/w",
            "Changed File /usr/bin/w: content mode type",
        ),
        (
            "rm bin/who; echo x > bin/who",
            "Changed Symlink /usr/bin/who: mode target type",
        ),
        (
            "rm -r lib/mod/deep; echo x > lib/mod/deep",
            "Changed Directory /usr/lib/mod/deep: default_acl mode type|Missing File /usr/lib/mod/deep/two.so",
        ),
        (
            "mv lib/mod /tmp/x.$$; mv /tmp/x.$$ ../elsewhere; ln -s ../../elsewhere lib/mod",
            "Changed Directory /usr/lib/mod: default_acl mode type|Missing Directory /usr/lib/mod/deep|Missing File /usr/lib/mod/deep/two.so|Missing File /usr/lib/mod/one.so",
        ),
    ];
    let cases = all.iter().chain(as_root.iter().filter(|_| is_root()));
    for (script, expected) in cases {
        let fixture = good();
        let clean = facts(&fixture.path("usr"));
        in_shell(&fixture, script);
        let tampered = facts(&fixture.path("usr"));
        let looked = fixture.look(MANIFEST);
        let drifts = looked.drifts();
        let expected: Vec<_> = expected.split('|').collect();
        assert_eq!(drifts.len(), expected.len(), "{script}: {drifts:?}");
        for (drift, expected) in drifts.iter().zip(expected) {
            assert!(drift.starts_with(expected), "{script}: {drift}");
        }
        let by_hand = looked
            .comparison
            .drifts
            .iter()
            .any(|drift| drift.by_hand.is_some());
        assert!(!by_hand, "{script}");
        let steps = fixture.reconcile(MANIFEST);
        assert_eq!(
            fixture.look(MANIFEST).drifts(),
            Vec::<String>::new(),
            "{script}"
        );
        assert_eq!(facts(&fixture.path("usr")), clean, "{script}");
        fixture.undo(&steps);
        assert_eq!(facts(&fixture.path("usr")), tampered, "{script}");
        let _ = Command::new("chattr")
            .args(["-i"])
            .arg(fixture.path("usr/lib/empty"))
            .output();
    }
}

// Goal: with `exclusive: false` only listed entries count.
#[test]
fn what_is_not_listed_may_be_left_alone() {
    let fixture = good();
    in_shell(&fixture, "echo x > bin/new; rm bin/who");
    let open = MANIFEST.replace("store: store,", "store: store, exclusive: false,");
    assert_eq!(
        fixture.look(&open).drifts(),
        ["Missing Symlink /usr/bin/who"]
    );
}

// Goal: other resources come first: a file of its own is theirs, an exclusive directory says what it holds, and what is
// ignored inside of an unlisted directory survives its removal.
#[test]
fn others_and_the_ignored_come_first() {
    let mut fixture = good();
    fixture.config.ignore = vec!["/usr/opt/keep".into()];
    in_shell(
        &fixture,
        "echo mine > bin/w; mkdir -p opt/keep opt/more lib/mod/own; echo x > opt/keep/f; echo x > lib/mod/own/y; echo x > lib/mod/new; echo x > lib/mod/deep/new",
    );
    let more = format!(
        "{MANIFEST}---
kind: File
name: w
spec: {{ path: /usr/bin/w, content: \"mine\\n\" }}
---
kind: Directory
name: mod
spec: {{ path: /usr/lib/mod, exclusive: true }}
---
kind: File
name: one
spec: {{ path: /usr/lib/mod/one.so, content: \"one\\n\" }}
---
kind: PrivilegedFiles
name: powers
spec: {{ paths: [/usr], allow: [] }}
"
    );
    let mut drifts = fixture.look(&more).drifts();
    drifts.sort();
    assert_eq!(
        drifts,
        [
            // One of two names, and the other one says what the inode holds.
            "Changed File /usr/bin/w2: content",
            "Changed File w: links",
            "Extra Directory /usr/lib/mod/deep",
            "Extra Directory /usr/lib/mod/own",
            "Extra Directory /usr/opt/more",
            "Extra File /usr/lib/mod/new",
        ]
        .map(|line| line.replace("File w", "File /usr/bin/w"))
    );
    fixture.reconcile(&more);
    assert!(fixture.path("usr/opt/keep/f").exists());
    assert_eq!(fixture.look(&more).drifts(), Vec::<String>::new());
}

// Goal: what the store does not have is a drift for a person, with a sentence, and holds up nothing else; what a store has
// under a wrong name is refused and nothing is put.
#[test]
fn what_the_store_lacks_is_for_a_person() {
    let mut fixture = good();
    in_shell(
        &fixture,
        "echo evil > bin/sudo; echo evil > lib/mod/one.so; chmod 600 lib/mod/deep/two.so",
    );
    let name = |content: &[u8]| format!("t/store/{}", Digest::of(content));
    fixture.side.remove(&name(b"root\n"));
    fixture.side.remove(&name(b"two\n"));
    fixture.side.insert(name(b"one\n"), b"evil".to_vec());
    let looked = fixture.look(MANIFEST);
    let by_hand: Vec<_> = looked
        .comparison
        .drifts
        .iter()
        .filter(|drift| drift.change == Change::Changed)
        .map(|drift| (drift.address.0.as_str(), drift.by_hand.is_some()))
        .collect();
    assert_eq!(
        by_hand,
        [
            ("/usr/bin/sudo", true),
            ("/usr/lib/mod/deep/two.so", false),
            ("/usr/lib/mod/one.so", false),
        ]
    );
    let said = looked.comparison.drifts[0].by_hand.clone().unwrap();
    assert!(said.contains("not in the store"), "{said}");
    let host = fixture.host();
    let steps: Vec<_> = looked
        .plan
        .groups
        .iter()
        .flat_map(|group| &group.steps)
        .collect();
    assert_eq!(steps.len(), 2);
    // The content is there; only the mode differs.
    fixture.act(host.as_ref(), steps[0]).unwrap();
    let refused = fixture.act(host.as_ref(), steps[1]).unwrap_err();
    assert!(refused.to_string().contains("not kept"), "{refused}");
    assert_eq!(
        std::fs::read(fixture.path("usr/lib/mod/one.so")).unwrap(),
        b"evil\n"
    );
}

// Goal: what could not be seen is never clean, never missing and never removed: a mount in the tree, a tree behind a link,
// a directory in a file's place that holds what is left alone.
#[test]
fn what_is_not_seen_is_told() {
    let fixture = good();
    in_shell(&fixture, "mv ../usr ../real; ln -s real ../usr");
    let looked = fixture.look(MANIFEST);
    assert_eq!(looked.unseen(), ["Redirected //file-tree/usr"]);
    assert_eq!(looked.drifts(), Vec::<String>::new());

    let mut fixture = good();
    fixture.config.ignore = vec!["/usr/bin/w/own".into()];
    in_shell(&fixture, "rm bin/w; mkdir -p bin/w/own");
    assert_eq!(fixture.look(MANIFEST).unseen(), ["Unsupported /usr/bin/w"]);

    let fixture = good();
    let Some(_mounted) = tmpfs(&fixture.path("usr/lib/mod"), "1m") else {
        return;
    };
    let looked = fixture.look(MANIFEST);
    assert_eq!(looked.unseen(), ["Redirected /usr/lib/mod"]);
    assert_eq!(looked.drifts(), Vec::<String>::new());
}

// Goal: a manifest that is wrong, missing or one of two for a place is a problem with its line, before anything is looked at.
#[test]
fn a_wrong_manifest_is_a_problem() {
    let mut fixture = good();
    let second = MANIFEST.replace("name: usr\n", "name: again\n");
    let twice = fixture.problems(&format!("{MANIFEST}---{second}"));
    assert!(twice.contains("says already what /usr holds"), "{twice}");
    let exclusive = format!(
        "{MANIFEST}---\nkind: Directory\nname: d\nspec: {{ path: /usr, exclusive: true }}\n"
    );
    assert!(fixture.problems(&exclusive).contains("says already"));
    let text = String::from_utf8(fixture.side["t/usr.manifest"].clone()).unwrap();
    let broken = text.replacen("d 0755", "d 755", 2);
    fixture
        .side
        .insert("t/usr.manifest".into(), broken.into_bytes());
    let problems = fixture.problems(MANIFEST);
    assert!(
        problems.contains("usr.manifest:2:1: the mode is not"),
        "{problems}"
    );
    fixture.side.clear();
    assert!(
        fixture
            .problems(MANIFEST)
            .contains("there is no file t/usr.manifest")
    );
}

// Goal: a directory that its reader may not list but enter hides nothing that is listed, and what cannot be read is told.
#[test]
fn a_manifest_says_what_it_cannot() {
    let fixture = Fixture::new();
    build(&fixture);
    in_shell(&fixture, "mkfifo lib/pipe");
    chmod(&fixture.path("usr/lib"), 0o755);
    let fs = LocalFs::open(&fixture.path("usr")).unwrap();
    let making = Making {
        ignore: &Globs::default(),
        keep: None,
        progress: &|_, _| {},
    };
    let refused = make(&fs, &making).map(|_| ()).unwrap_err();
    assert_eq!(
        refused,
        ["lib/pipe is no file, directory or link; leave it out with --ignore"]
    );
}
