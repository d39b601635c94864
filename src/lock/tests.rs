use std::cell::{Cell, RefCell};

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn try_now(folders: &Path, paths: &[&Path], who: &str) -> Result<RootLock, LockError> {
    let patience = Patience {
        wait: Duration::ZERO,
        waiting: &|_| unreachable!("nothing is waited for"),
        pause: &|_| unreachable!("nothing is waited for"),
    };
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    RootLock::acquire_in(&[folders.to_path_buf()], &paths, who, &patience)
}

// Goal: a held root is refused to another run, which learns who holds it, and is free again afterwards.
#[test]
fn one_holder_at_a_time() {
    let (locks, root) = (folder(), folder());
    let first = try_now(locks.path(), &[root.path()], "web").unwrap();
    let refused = try_now(locks.path(), &[root.path()], "web");
    let Err(LockError::Held {
        holder: Some(holder),
        ..
    }) = &refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (holder.pid, holder.what.as_str()),
        (std::process::id(), "web")
    );
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    drop(first);
    try_now(locks.path(), &[root.path()], "web").unwrap();
}

// Goal: the lock is on the directory, not on its path, and other roots are not held up.
#[test]
fn paths_to_one_root_meet() {
    let (locks, root, other) = (folder(), folder(), folder());
    let link = other.path().join("link");
    std::os::unix::fs::symlink(root.path(), &link).unwrap();
    let _held = try_now(locks.path(), &[root.path()], "a").unwrap();
    assert!(matches!(
        try_now(locks.path(), &[&link], "b"),
        Err(LockError::Held { .. })
    ));
    try_now(locks.path(), &[other.path()], "b").unwrap();
}

// Goal: two targets on one root do not wait for themselves, and a run that gets only some of its roots holds none.
#[test]
fn several_roots_are_held_together() {
    let (locks, a, b) = (folder(), folder(), folder());
    let again = a.path().join(".");
    let both = try_now(locks.path(), &[a.path(), b.path(), &again], "x").unwrap();
    assert_eq!(both.files.len(), 2);
    drop(both);
    let held = try_now(locks.path(), &[b.path()], "y").unwrap();
    assert!(try_now(locks.path(), &[a.path(), b.path()], "x").is_err());
    try_now(locks.path(), &[a.path()], "z").unwrap();
    drop(held);
}

// Goal: a waiting run tells once whom it waits for and goes on as soon as the lock is free. Method: the holder lets go at
// the third pause.
#[test]
fn waits_until_it_is_free() {
    let (locks, root) = (folder(), folder());
    let held = RefCell::new(Some(
        try_now(locks.path(), &[root.path()], "first").unwrap(),
    ));
    let (told, pauses) = (Cell::new(0), Cell::new(0));
    let patience = Patience {
        wait: Duration::from_secs(60),
        waiting: &|holder| {
            assert!(holder.contains("first"), "{holder}");
            told.set(told.get() + 1);
        },
        pause: &|_| {
            pauses.set(pauses.get() + 1);
            if pauses.get() == 3 {
                held.take();
            }
        },
    };
    let paths = [root.path().to_path_buf()];
    RootLock::acquire_in(&[locks.path().to_path_buf()], &paths, "second", &patience).unwrap();
    assert_eq!((told.get(), pauses.get()), (1, 3));
}

// Goal: waiting ends after the time that was given, neither earlier nor later, and does not spin meanwhile.
#[test]
fn waiting_is_bounded() {
    let (locks, root) = (folder(), folder());
    let _held = try_now(locks.path(), &[root.path()], "first").unwrap();
    let (slept, pauses) = (Cell::new(Duration::ZERO), Cell::new(0));
    let patience = Patience {
        wait: Duration::from_secs(30),
        waiting: &|_| {},
        pause: &|duration| {
            slept.set(slept.get() + duration);
            pauses.set(pauses.get() + 1);
        },
    };
    let paths = [root.path().to_path_buf()];
    let refused = RootLock::acquire_in(&[locks.path().to_path_buf()], &paths, "x", &patience);
    assert!(matches!(refused, Err(LockError::Held { .. })));
    assert_eq!(slept.get(), Duration::from_secs(30));
    assert!(pauses.get() < 100, "{}", pauses.get());
}

// Goal: what a killed run left is no obstacle, whatever it wrote, and the note of the next holder replaces it.
#[test]
fn leftovers_are_no_obstacle() {
    let (locks, root) = (folder(), folder());
    drop(try_now(locks.path(), &[root.path()], "x").unwrap());
    let file = std::fs::read_dir(locks.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(&file, "x".repeat(100_000)).unwrap();
    let _held = try_now(locks.path(), &[root.path()], "y").unwrap();
    assert_eq!(read_note(&file).unwrap().what, "y");
    std::fs::write(&file, "{").unwrap();
    assert!(matches!(
        try_now(locks.path(), &[root.path()], "z"),
        Err(LockError::Held { holder: None, .. })
    ));
}

// Goal: when the folder is cleared while a run waits, it does not take the vanished file for the lock.
#[test]
fn a_vanished_file_is_no_lock() {
    let locks = folder();
    let path = locks.path().join("x.lock");
    let held = try_hold(&path).unwrap().unwrap();
    assert!(is_current(&held, &path).unwrap());
    std::fs::remove_file(&path).unwrap();
    assert!(!is_current(&held, &path).unwrap());
    let newer = try_hold(&path).unwrap().unwrap();
    assert!(is_current(&newer, &path).unwrap());
    assert!(!is_current(&held, &path).unwrap());
}

// Goal: a link in place of the lock file is refused, so that nothing elsewhere is emptied.
#[test]
fn links_are_refused() {
    let (locks, root, elsewhere) = (folder(), folder(), folder());
    drop(try_now(locks.path(), &[root.path()], "x").unwrap());
    let file = std::fs::read_dir(locks.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let victim = elsewhere.path().join("victim");
    std::fs::write(&victim, "keep me").unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&victim, &file).unwrap();
    assert!(matches!(
        try_now(locks.path(), &[root.path()], "x"),
        Err(LockError::Io { .. })
    ));
    assert_eq!(std::fs::read(&victim).unwrap(), b"keep me");
}
