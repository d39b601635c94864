use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::providers::host::LocalFs;
use crate::providers::host::fs::{Content, Leftover, Node};
use crate::providers::host::path::parse;
use crate::sim::deed::Dress;
use crate::sim::faults::Fault;

/// One call of the port, or something done behind its back.
#[derive(Clone, Debug)]
enum Op {
    Put(HostPath, Wanted, bool),
    Remove(HostPath, bool),
    Deed(Deed),
}

fn paths() -> impl Strategy<Value = HostPath> {
    prop::sample::select(vec![
        "/a", "/b", "/a/x", "/a/y", "/a/d", "/a/d/z", "/l", "/l/x",
    ])
    .prop_map(|path| parse(path).unwrap())
}

fn plain(node_type: NodeType, mode: u32) -> Wanted {
    Wanted {
        node_type,
        mode,
        uid: 0,
        gid: 0,
        content: None,
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

fn wanted() -> impl Strategy<Value = Wanted> {
    let modes = prop::sample::select(vec![0o600, 0o755, 0o4755]);
    let bytes = |text: String| Some(Content::Bytes(text.into_bytes().into()));
    let file = (modes.clone(), "[ab]{0,2}").prop_map(move |(mode, text)| Wanted {
        content: bytes(text),
        ..plain(NodeType::File, mode)
    });
    let link = prop::sample::select(vec!["a", "/etc", "none"]).prop_map(|target| Wanted {
        target: Some(target.into()),
        ..plain(NodeType::Symlink, 0o777)
    });
    let children = prop::option::of(prop::collection::btree_map(
        prop::sample::select(vec![b"x".to_vec(), b"q".to_vec()]),
        file.clone(),
        0..2,
    ));
    let directory = (Just(0o750), children).prop_map(|(mode, children)| Wanted {
        children: children.map(|children| children.into_iter().collect()),
        ..plain(NodeType::Directory, mode)
    });
    let fifo = modes.prop_map(|mode| plain(NodeType::Fifo, mode));
    prop_oneof![3 => file, 2 => directory, 1 => link, 1 => fifo]
}

fn deeds() -> impl Strategy<Value = Deed> {
    let make = |node_type| {
        paths().prop_map(move |path| Deed::Make {
            path,
            node_type,
            target: (node_type == NodeType::Symlink).then(|| b"a".to_vec()),
            device: None,
            dress: Dress::default(),
        })
    };
    prop_oneof![
        (paths(), "[cd]{0,2}").prop_map(|(path, text)| Deed::Write {
            path,
            content: text.into_bytes().into(),
            dress: Dress::default(),
        }),
        make(NodeType::Directory),
        make(NodeType::Symlink),
        (paths(), paths()).prop_map(|(path, to)| Deed::Link { path, to }),
        (paths(), paths()).prop_map(|(path, to)| Deed::Rename { path, to }),
        paths().prop_map(|path| Deed::Remove { path }),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (paths(), wanted(), prop::bool::weighted(0.9))
            .prop_map(|(path, wanted, agrees)| Op::Put(path, wanted, agrees)),
        2 => (paths(), prop::bool::weighted(0.9)).prop_map(|(path, agrees)| Op::Remove(path, agrees)),
        3 => deeds().prop_map(Op::Deed),
    ]
}

fn on_disk(root: &Path, path: &HostPath) -> PathBuf {
    root.join(OsStr::from_bytes(&path.relative()))
}

/// Does on the disk what a deed did in the world, which has to be possible there too.
fn repeat(root: &Path, deed: &Deed) {
    let at = |path: &HostPath| on_disk(root, path);
    let clear = |path: &HostPath| match at(path).symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(at(path)).unwrap(),
        Ok(_) => std::fs::remove_file(at(path)).unwrap(),
        Err(_) => {}
    };
    match deed {
        Deed::Write { path, content, .. } => {
            let is_new = at(path).symlink_metadata().is_err();
            std::fs::write(at(path), content).unwrap();
            if is_new {
                std::fs::set_permissions(at(path), PermissionsExt::from_mode(0o644)).unwrap();
            }
        }
        Deed::Make {
            path,
            target: Some(target),
            ..
        } => {
            clear(path);
            symlink(OsStr::from_bytes(target), at(path)).unwrap();
        }
        Deed::Make { path, .. } => {
            if !at(path)
                .symlink_metadata()
                .is_ok_and(|found| found.is_dir())
            {
                clear(path);
                std::fs::create_dir(at(path)).unwrap();
                std::fs::set_permissions(at(path), PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
        Deed::Link { path, to } => {
            let same = path == to || {
                use std::os::unix::fs::MetadataExt;
                let number = |path| at(path).symlink_metadata().map(|found| found.ino()).ok();
                number(path) == number(to)
            };
            if !same {
                clear(to);
                std::fs::hard_link(at(path), at(to)).unwrap();
            }
        }
        Deed::Rename { path, to } => {
            clear(to);
            std::fs::rename(at(path), at(to)).unwrap();
        }
        Deed::Remove { path } => clear(path),
        _ => unreachable!("not generated"),
    }
}

/// All that a look at every path tells, without what belongs to the machine.
fn seen(fs: &dyn Fs, path: &HostPath, found: &mut Vec<(HostPath, Node)>) {
    let Look::Present(node, _) = fs.look(path, Want::Digest) else {
        panic!("{path:?} was listed");
    };
    let is_directory = node.node_type == NodeType::Directory;
    let (uid, gid) = fs.creator();
    assert_eq!((node.uid, node.gid), (uid, gid));
    found.push((
        path.clone(),
        Node {
            uid: 0,
            gid: 0,
            links: if is_directory { 0 } else { node.links },
            file_system: 0,
            inode: 0,
            ..*node
        },
    ));
    if is_directory {
        let mut names = Vec::new();
        fs.list(path, &mut |entry| {
            names.push(entry.name);
            ControlFlow::Continue(())
        })
        .unwrap();
        names.sort();
        for name in names {
            seen(fs, &path.join(&name), found);
        }
    }
}

fn all(fs: &dyn Fs) -> Vec<(HostPath, Node)> {
    let mut found = Vec::new();
    seen(fs, &HostPath::default(), &mut found);
    // The temporary folder's own mode is the machine's.
    found.remove(0);
    found
}

fn verdict(result: Result<(), FsError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(FsError::Stale(_)) => "stale",
        Err(FsError::Refused(_)) => "refused",
        Err(FsError::Failed(_)) => "failed",
    }
}

fn call(fs: &dyn Fs, op: &Op) -> &'static str {
    let judge = |agrees: bool| {
        move |_: &HostPath, look: &Look| match look {
            Look::Unseen(reason) => Err(FsError::Refused(reason.text.clone())),
            _ if agrees => Ok(()),
            _ => Err(FsError::Stale("not so".into())),
        }
    };
    let (uid, gid) = fs.creator();
    match op {
        Op::Put(path, wanted, agrees) => {
            let mut wanted = wanted.clone();
            (wanted.uid, wanted.gid) = (uid, gid);
            for (_, child) in wanted.children.iter_mut().flatten() {
                (child.uid, child.gid) = (uid, gid);
            }
            let put = fs.put(path, &wanted, "n0", &judge(*agrees), &|_| Ok(()));
            verdict(put.map(drop))
        }
        Op::Remove(path, agrees) => verdict(fs.remove(path, "n0", &judge(*agrees))),
        Op::Deed(_) => "ok",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    // Goal: a drill tells the truth about the disk: after any calls and any tampering the world answers as the real
    // root does and holds the same. Method: the same random calls on both, compared after each.
    #[test]
    fn the_world_is_as_a_disk(ops in prop::collection::vec(ops(), 1..14)) {
        let temp = tempfile::tempdir().unwrap();
        let local = LocalFs::open(temp.path()).unwrap();
        let world = World::default();
        for op in &ops {
            if let Op::Deed(deed) = op
                && world.apply(deed).is_ok()
            {
                repeat(temp.path(), deed);
            }
            prop_assert_eq!(call(&world, op), call(&local, op), "{:?}", op);
            prop_assert_eq!(all(&world), all(&local), "{:?}", op);
        }
    }

    // Goal: whatever effect of a call is the last one before a kill, the place holds all of the old or all of the new
    // (but for flags), and tidying leaves nothing beside it. Method: every effect of one random call in turn.
    #[test]
    fn a_kill_leaves_old_or_new(
        before in prop::collection::vec(deeds(), 0..6),
        path in paths(),
        wanted in prop::option::of(wanted()),
    ) {
        let op = match wanted {
            Some(wanted) => Op::Put(path.clone(), wanted, true),
            None => Op::Remove(path.clone(), true),
        };
        let fresh = |faults: &Arc<Faults>| {
            let world = World::new(Arc::clone(faults));
            for deed in &before {
                let _ = world.apply(deed);
            }
            world
        };
        let faults = Faults::none();
        let world = fresh(&faults);
        let old = world.picture();
        call(&world, &op);
        let new = world.picture();
        for at in 0..faults.effects().len() {
            for fault in [Fault::KilledBefore, Fault::KilledAfter] {
                let faults = Faults::none();
                let world = fresh(&faults);
                faults.arm(at, fault);
                prop_assert_eq!(call(&world, &op), "failed");
                faults.disarm();
                let judge = |_: &HostPath, _: &Look| Leftover::Expected;
                prop_assert_eq!(world.tidy(&path, "n0", &judge), Ok(()));
                let now = world.picture();
                prop_assert!(now == old || now == new, "{:?}", old.differences(&now));
            }
        }
    }
}

fn file(world: &World, path: &str, content: &str, dress: Dress) {
    let deed = Deed::Write {
        path: parse(path).unwrap(),
        content: content.as_bytes().into(),
        dress,
    };
    world.apply(&deed).unwrap();
}

fn fine(_: &HostPath, _: &Look) -> Result<(), FsError> {
    Ok(())
}

// Goal: an immutable file is replaced and removed, and one in an immutable directory is not, as on a disk for root;
// a change that is taken back leaves the flag set.
#[test]
fn flags_are_cleared_and_restored() {
    let world = World::default();
    let immutable = Dress {
        immutable: Some(true),
        ..Dress::default()
    };
    file(&world, "/f", "old", immutable.clone());
    let path = parse("/f").unwrap();
    let before = world.picture();
    let stale = |at: &HostPath, _: &Look| match *at == path {
        true => Ok(()),
        false => Err(FsError::Stale("judged after it was taken out".into())),
    };
    let wanted = plain(NodeType::File, 0o600);
    let put = world.put(&path, &wanted, "n", &stale, &|_| Ok(()));
    assert_eq!(verdict(put.map(drop)), "stale");
    assert_eq!(world.picture(), before);
    assert_eq!(verdict(world.remove(&path, "n", &stale)), "stale");
    assert_eq!(world.picture(), before);
    world.put(&path, &wanted, "n", &fine, &|_| Ok(())).unwrap();
    let Look::Present(node, _) = world.look(&path, Want::Digest) else {
        panic!("the file is there");
    };
    assert!(!node.immutable && node.size == 0);
    let top = Deed::Dress {
        path: HostPath::default(),
        dress: immutable,
    };
    world.apply(&top).unwrap();
    assert_eq!(verdict(world.remove(&path, "n", &fine)), "refused");
}

// Goal: what somebody writes in the moment between the last look and the exchange is not lost: it is judged, goes back,
// and the change is stale. Method: the deed right before every effect of a put in turn.
#[test]
fn a_write_in_the_last_moment_survives() {
    let meanwhile = Deed::Write {
        path: parse("/f").unwrap(),
        content: b"attacker"[..].into(),
        dress: Dress::default(),
    };
    let mut stale = 0;
    for at in 0..4 {
        let faults = Faults::none();
        let world = World::new(Arc::clone(&faults));
        file(&world, "/f", "old", Dress::default());
        let judge = |_: &HostPath, look: &Look| match look {
            Look::Present(node, _) if node.size == 3 => Ok(()),
            _ => Err(FsError::Stale("another size".into())),
        };
        let path = parse("/f").unwrap();
        faults.arm(at, Fault::Meanwhile(vec![meanwhile.clone()]));
        let wanted = plain(NodeType::File, 0o600);
        let put = world.put(&path, &wanted, "n", &judge, &|_| Ok(()));
        let Look::Present(node, _) = world.look(&path, Want::Digest) else {
            panic!("the file is there");
        };
        match put {
            // Written after the exchange: the new file is in place, and its content is the attacker's again.
            Ok(_) => assert_eq!((at, node.size), (3, 8)),
            Err(error) => {
                assert_eq!(verdict(Err(error)), "stale");
                assert_eq!(node.size, 8);
                stale += 1;
            }
        }
        assert_eq!(world.picture().0.len(), 2, "nothing is left beside it");
    }
    assert_eq!(stale, 3);
}

// Goal: a mount point is neither moved nor entered.
#[test]
fn mounts_are_left_alone() {
    let world = World::default();
    for path in ["/d", "/d/m"] {
        let deed = Deed::Make {
            path: parse(path).unwrap(),
            node_type: NodeType::Directory,
            target: None,
            device: None,
            dress: Dress::default(),
        };
        world.apply(&deed).unwrap();
    }
    let mount = parse("/d/m").unwrap();
    world
        .apply(&Deed::Mount {
            path: mount.clone(),
        })
        .unwrap();
    assert_eq!(verdict(world.remove(&mount, "n", &fine)), "refused");
    let parent = parse("/d").unwrap();
    assert_eq!(verdict(world.remove(&parent, "m", &fine)), "failed");
    assert!(world.apply(&Deed::Remove { path: parent }).is_err());
}

// Goal: what may not be read is unseen with the reason, and its metadata is seen.
#[test]
fn unreadable_is_unseen() {
    let world = World::default();
    let dress = Dress {
        unreadable: Some(true),
        ..Dress::default()
    };
    file(&world, "/secret", "x", dress);
    let path = parse("/secret").unwrap();
    assert!(matches!(
        world.look(&path, Want::Nothing),
        Look::Present(..)
    ));
    let Look::Unseen(reason) = world.look(&path, Want::Digest) else {
        panic!("it may not be read");
    };
    assert_eq!(reason.code, ReasonCode::PermissionDenied);
}

// Goal: no story can make a tree so deep that walking through it fails. Method: a deep directory moved into another, over
// and over.
#[test]
fn depth_is_bounded() {
    let world = World::default();
    let deep = |top: &str| format!("/{top}{}", "/d".repeat(100));
    let mut refused = 0;
    for _ in 0..100 {
        for top in ["a", "b"] {
            world.make_parents(&parse(&deep(top)).unwrap().address());
        }
        let deed = Deed::Rename {
            path: parse("/a").unwrap(),
            to: parse(&deep("b")).unwrap(),
        };
        refused += usize::from(world.apply(&deed).is_err());
        let deed = Deed::Rename {
            path: parse("/b").unwrap(),
            to: parse("/a").unwrap(),
        };
        world.apply(&deed).unwrap();
    }
    assert_eq!(refused, 100);
    assert!(world.picture().0.keys().all(|path| path.0.len() <= 128));
}
