//! The main job, end to end, by the built program: see what differs, put it right, prove it, take it back.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};

use super::support::{
    Project, chmod, config, directory, drifts, facts, file, is_root, run_of, skip,
};

const FILES: usize = 500;
const DIRECTORIES: usize = 10;
const LISTED: usize = 6;

fn name(at: usize) -> String {
    format!("f{at:03}")
}

fn place(at: usize) -> String {
    format!("srv/d{}/{}.conf", at % DIRECTORIES, name(at))
}

fn content(at: usize) -> String {
    format!("setting = {at}\nallow = no\n")
}

/// 500 files in ten directories, and one exclusive directory with a few more; the root is as the baseline says.
fn large() -> Project {
    let mut manifests = directory("srv", "/srv", "");
    for at in 0..DIRECTORIES {
        manifests += &directory(&format!("d{at}"), &format!("/srv/d{at}"), "");
    }
    for at in 0..FILES {
        manifests += &file(&name(at), &format!("/{}", place(at)), &content(at));
    }
    manifests += &directory("cron", "/cron", ", exclusive: true, ignore: [\".keep\"]");
    for at in 0..LISTED {
        manifests += &file(
            &format!("job{at}"),
            &format!("/cron/job{at}"),
            "* * * * *\n",
        );
    }
    let project = Project::new(
        &config("enforce", "guard: { max_changes: 1000 }\n"),
        &manifests,
    );
    let report = project.reconcile(0);
    assert_eq!(report["summary"]["clean"], FILES + DIRECTORIES + LISTED + 2);
    std::fs::write(project.path("cron/.keep"), "").unwrap();
    project
}

/// Tampers with one file after the other, each in another way, and remembers the ids.
struct Tampering<'a> {
    project: &'a Project,
    next: usize,
    ids: BTreeSet<String>,
}

impl Tampering<'_> {
    fn file(&mut self, tamper: impl FnOnce(&Path)) {
        // Spread over the directories, and not the first of each.
        let at = self.next * 11 + 3;
        self.next += 1;
        tamper(&self.project.path(&place(at)));
        assert!(self.ids.insert(format!("host/File/{}", name(at))));
    }

    fn extra(&mut self, name: &[u8], shown: &str, tamper: impl FnOnce(&Path)) {
        tamper(&self.project.path("cron").join(OsStr::from_bytes(name)));
        assert!(self.ids.insert(shown.to_owned()));
    }
}

fn node(path: &Path, kind: FileType, mode: u32, device: u64) {
    mknodat(CWD, path, kind, Mode::from_raw_mode(mode), device).unwrap();
    chmod(path, mode);
}

/// Another content of the same size, at the same time.
fn flip(path: &Path) {
    let time = std::fs::metadata(path).unwrap().modified().unwrap();
    let changed = std::fs::read_to_string(path).unwrap().replace("no", "NO");
    std::fs::write(path, changed).unwrap();
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Version 2 of an access list: user:: rw-, user 1234 rw-, group:: r--, mask:: rw-, other:: r--.
fn access_list() -> Vec<u8> {
    let mut list = vec![2, 0, 0, 0];
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, 1234),
        (4, 4, u32::MAX),
        (16, 6, u32::MAX),
        (32, 4, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// Tampers in every way that this machine lets us, 50 times in all.
fn tamper(project: &Project) -> BTreeSet<String> {
    let mut all = Tampering {
        project,
        next: 0,
        ids: BTreeSet::new(),
    };
    for _ in 0..2 {
        change_files(&mut all);
    }
    change_with_power(&mut all);
    add_extras(&mut all);
    std::fs::remove_file(project.path("cron/job2")).unwrap();
    all.ids.insert("host/File/job2".to_owned());
    std::fs::write(project.path("cron/job3"), "* * * * * evil\n").unwrap();
    all.ids.insert("host/File/job3".to_owned());
    while all.ids.len() < 50 {
        all.file(flip);
    }
    all.ids
}

fn change_files(all: &mut Tampering<'_>) {
    let outside = all.project.temp.path().to_owned();
    all.file(flip);
    all.file(|path| std::fs::write(path, "").unwrap());
    all.file(|path| {
        let more = std::fs::read_to_string(path).unwrap() + "allow = yes\n";
        std::fs::write(path, more).unwrap();
    });
    all.file(|path| std::fs::write(path, [0, 159, 146, 150, 27]).unwrap());
    all.file(|path| chmod(path, 0o666));
    all.file(|path| chmod(path, 0o4755));
    all.file(|path| chmod(path, 0o2644));
    all.file(|path| {
        // To a copy with the right content: only the type tells.
        let copy = outside.join(format!("copy-{}", path.file_name().unwrap().display()));
        std::fs::rename(path, &copy).unwrap();
        symlink(copy, path).unwrap();
    });
    all.file(|path| {
        std::fs::remove_file(path).unwrap();
        symlink("/etc/passwd", path).unwrap();
    });
    all.file(|path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
        std::fs::write(path.join("inner"), "deep").unwrap();
        symlink("/etc/passwd", path.join("link")).unwrap();
        chmod(path, 0o2750);
    });
    all.file(|path| {
        let name = format!("linked-{}", path.file_name().unwrap().display());
        std::fs::hard_link(path, outside.join(name)).unwrap();
    });
    all.file(|path| {
        std::fs::remove_file(path).unwrap();
        node(path, FileType::Fifo, 0o644, 0);
    });
    all.file(|path| std::fs::remove_file(path).unwrap());
}

/// What not every user may do, and not every file system knows.
fn change_with_power(all: &mut Tampering<'_>) {
    let probe = all.project.temp.path().join("probe");
    std::fs::write(&probe, "").unwrap();
    let list = access_list();
    match setxattr(
        &probe,
        "system.posix_acl_access",
        &list,
        XattrFlags::empty(),
    ) {
        Ok(()) => all.file(|path| {
            setxattr(path, "system.posix_acl_access", &list, XattrFlags::empty()).unwrap();
        }),
        Err(_) => eprintln!("this file system has no access lists: not tried"),
    }
    if !is_root() {
        return skip("not root: owner, device, capability and immutable flag are not tried");
    }
    all.file(|path| chown(path, Some(1234), None).unwrap());
    all.file(|path| chown(path, None, Some(4321)).unwrap());
    all.file(|path| {
        std::fs::remove_file(path).unwrap();
        let null = rustix::fs::makedev(1, 3);
        node(path, FileType::CharacterDevice, 0o666, null);
    });
    all.file(|path| {
        let raw = [
            1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        setxattr(path, "security.capability", &raw, XattrFlags::empty()).unwrap();
    });
    let immutable = |path: &Path| {
        let done = Command::new("chattr").arg("+i").arg(path).output();
        done.is_ok_and(|output| output.status.success())
    };
    match immutable(&probe) {
        true => {
            let _ = Command::new("chattr").arg("-i").arg(&probe).status();
            all.file(|path| assert!(immutable(path)));
        }
        false => eprintln!("this file system has no immutable flag: not tried"),
    }
}

fn add_extras(all: &mut Tampering<'_>) {
    all.extra(b"evil", "host/File//cron/evil", |path| {
        std::fs::write(path, "* * * * * root sh\n").unwrap();
    });
    all.extra(b"tree", "host/Directory//cron/tree", |path| {
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        std::fs::write(path.join("a/b/payload"), "x").unwrap();
        chmod(&path.join("a/b/payload"), 0o4755);
        symlink("b", path.join("a/c")).unwrap();
    });
    all.extra(b"away", "host/Symlink//cron/away", |path| {
        symlink("/etc/passwd", path).unwrap();
    });
    all.extra(b"n\xff\nme", r"host/File//cron/n\xff\x0ame", |path| {
        std::fs::write(path, "hidden").unwrap();
    });
    all.extra(b"pipe", "host/File//cron/pipe", |path| {
        node(path, FileType::Fifo, 0o600, 0);
    });
}

// Goal: point 1 of the main job. Of 500 files and an exclusive directory 50 are tampered with in every way; exactly these
// are named, all are put right, the plan is empty then, and the undo brings back every bit of what there was.
#[test]
fn fifty_of_five_hundred_are_found_put_right_and_put_back() {
    let project = large();
    let good = facts(&project.root);
    let ids = tamper(&project);
    let tampered = facts(&project.root);

    let plan = project.plan(3);
    let named: BTreeSet<_> = drifts(&plan).into_iter().collect();
    assert_eq!(named, ids);
    assert_eq!(ids.len(), 50);
    assert_eq!(plan["not_evaluated"].as_array().unwrap().len(), 0);
    assert_eq!(facts(&project.root), tampered, "a plan changes nothing");

    let done = project
        .expect(3, &["reconcile", "--mode", "enforce", "--format", "json"])
        .json();
    assert_eq!(facts(&project.root), good);
    let after = project.plan(0);
    assert_eq!(after["plan"]["groups"].as_array().unwrap().len(), 0);

    let undone = project
        .expect(0, &["undo", "--reopen", &run_of(&done), "--format", "json"])
        .json();
    assert_eq!(undone["errors"].as_array().unwrap().len(), 0);
    assert_eq!(facts(&project.root), tampered);

    // What was undone rests: the next schedule leaves it, and says so.
    let rests = project.reconcile(3);
    // The two hard links are no drift any more: no undo makes a file the other name of a removed one, and undo says so.
    assert_eq!(drifts(&rests).len(), 48);
    assert_eq!(rests["held"].as_array().unwrap().len(), 48);
    assert_eq!(facts(&project.root), tampered);

    project.expect(0, &["undo", "--resume", &run_of(&undone)]);
    project.reconcile(3);
    assert_eq!(facts(&project.root), good);
    project.plan(0);
    project.expect(0, &["journal", "verify"]);
}

// Goal: an error names the file as whoever runs the program finds it, from where he stands.
#[test]
fn errors_name_the_file_from_here() {
    let project = Project::new(&config("observe", ""), "kind: Nonsense\n");
    for command in ["check", "plan", "reconcile"] {
        let ran = project.expect(1, &[command]);
        assert!(
            ran.stderr.contains("desired-state/host/all.yaml:1:"),
            "{command}: {}",
            ran.stderr
        );
    }
}
