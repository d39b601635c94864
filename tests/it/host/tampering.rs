//! Every way to tamper with a file is seen for what it is, put right, and can be put back exactly.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{FileType, Mode, XattrFlags, mknodat, setxattr};

use super::fixture::{Fixture, chmod, is_root};

const MANIFEST: &str = r#"
kind: Directory
name: etc
spec: { path: /etc, mode: "0755" }
---
kind: File
name: conf
spec: { path: /etc/conf, mode: "0644", content: "good\n" }
"#;

fn good() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("etc/conf", "good\n", 0o644);
    chmod(&fixture.path("etc"), 0o755);
    assert_eq!(fixture.look(MANIFEST).drifts(), Vec::<String>::new());
    fixture
}

/// All that counts of a file, in the system's own words.
fn facts(path: &Path) -> String {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let content = match meta.file_type() {
        kind if kind.is_symlink() => format!("{:?}", std::fs::read_link(path).unwrap()),
        kind if kind.is_file() => format!("{:?}", std::fs::read(path).unwrap()),
        kind if kind.is_dir() => std::fs::read_dir(path)
            .unwrap()
            .map(|entry| facts(&entry.unwrap().path()))
            .collect(),
        _ => format!("{:x}", meta.rdev()),
    };
    let mut list = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap_or(0);
    list.truncate(length);
    format!(
        "{path:?} {:o} {}:{} {content} {:?}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        String::from_utf8_lossy(&list)
    )
}

/// Tampers, expects to see `fields` of the file, puts it right, and back.
fn case(name: &str, fields: &str, tamper: impl FnOnce(&Fixture, &Path)) {
    let fixture = good();
    let conf = fixture.path("etc/conf");
    let before = facts(&conf);
    tamper(&fixture, &conf);
    let tampered = facts(&conf);
    let looked = fixture.look(MANIFEST);
    assert_eq!(
        looked.drifts(),
        [format!("Changed File /etc/conf: {fields}")],
        "{name}"
    );
    assert!(looked.unseen().is_empty(), "{name}");
    let undo = fixture.reconcile(MANIFEST);
    assert_eq!(
        fixture.look(MANIFEST).drifts(),
        Vec::<String>::new(),
        "{name}"
    );
    assert_eq!(facts(&conf), before, "{name}");
    fixture.undo(&undo);
    assert_eq!(facts(&conf), tampered, "{name}");
}

// Goal: a flipped byte is found although size and time are as before, since every byte is read on each run.
#[test]
fn a_flipped_byte_is_found() {
    case("flip", "content", |_, conf| {
        let time = std::fs::metadata(conf).unwrap().modified().unwrap();
        std::fs::write(conf, "goOd\n").unwrap();
        let file = std::fs::File::options().append(true).open(conf).unwrap();
        file.set_modified(time).unwrap();
    });
}

// Goal: permissions count, those of setuid and setgid included.
#[test]
fn modes_are_found() {
    case("mode", "mode", |_, conf| chmod(conf, 0o666));
    case("setuid", "mode", |_, conf| chmod(conf, 0o4755));
}

// Goal: where the manifest gives no mode, the bits that give a file power still count, and the rest stays as it is.
#[test]
fn power_bits_are_found_without_a_mode() {
    let fixture = Fixture::new();
    let manifest = "{kind: File, name: tool, spec: {path: /tool, content: x}}";
    let tool = fixture.write("tool", "x", 0o711);
    assert!(fixture.look(manifest).drifts().is_empty());
    chmod(&tool, 0o6711);
    assert_eq!(
        fixture.look(manifest).drifts(),
        ["Changed File /tool: special_bits"]
    );
    fixture.reconcile(manifest);
    assert_eq!(std::fs::metadata(&tool).unwrap().mode() & 0o7777, 0o711);
}

// Goal: a link, a directory, a FIFO and a socket in the place of the file are seen as such, neither followed nor waited for.
#[test]
fn other_types_are_found() {
    case("symlink", "content links mode type", |fixture, conf| {
        let copy = fixture.write("elsewhere", "good\n", 0o644);
        std::fs::remove_file(conf).unwrap();
        symlink(copy, conf).unwrap();
    });
    case("directory", "content links mode type", |_, conf| {
        std::fs::remove_file(conf).unwrap();
        std::fs::create_dir(conf).unwrap();
        chmod(conf, 0o2750);
        std::fs::write(conf.join("inner"), "deep").unwrap();
        symlink("/etc/passwd", conf.join("link")).unwrap();
    });
    case("fifo", "content links type", |_, conf| {
        std::fs::remove_file(conf).unwrap();
        let dir = std::fs::File::open(conf.parent().unwrap()).unwrap();
        mknodat(&dir, "conf", FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        chmod(conf, 0o644);
    });
    case("socket", "content links mode type", |_, conf| {
        std::fs::remove_file(conf).unwrap();
        std::os::unix::net::UnixListener::bind(conf).unwrap();
        chmod(conf, 0o755);
    });
}

// Goal: a file that is gone is made anew, and undoing that removes it again.
#[test]
fn a_missing_file_is_made() {
    let fixture = good();
    let conf = fixture.path("etc/conf");
    std::fs::remove_file(&conf).unwrap();
    assert_eq!(fixture.look(MANIFEST).drifts(), ["Missing File /etc/conf"]);
    let undo = fixture.reconcile(MANIFEST);
    assert_eq!(std::fs::read(&conf).unwrap(), b"good\n");
    fixture.undo(&undo);
    assert!(!conf.exists());
}

// Goal: a second name of the file, through which it can be changed unseen, counts, and is cut off.
#[test]
fn a_hard_link_is_found() {
    let fixture = good();
    let conf = fixture.path("etc/conf");
    let other = fixture.path("hidden");
    std::fs::hard_link(&conf, &other).unwrap();
    assert_eq!(
        fixture.look(MANIFEST).drifts(),
        ["Changed File /etc/conf: links"]
    );
    fixture.reconcile(MANIFEST);
    std::fs::write(&other, "evil").unwrap();
    assert!(fixture.look(MANIFEST).drifts().is_empty());
}

// Goal: what only root can tamper with is found and put back exactly: owner, capabilities, device nodes.
#[test]
fn what_needs_root_is_found() {
    if !is_root() {
        eprintln!("not root: owner, capability and device are not tried");
        return;
    }
    let with_owner = MANIFEST.replace("mode: \"0644\"", "mode: \"0644\", owner: root, group: 0");
    let fixture = good();
    let conf = fixture.path("etc/conf");
    std::os::unix::fs::chown(&conf, Some(1234), Some(4321)).unwrap();
    assert!(fixture.look(MANIFEST).drifts().is_empty());
    let looked = fixture.look(&with_owner);
    assert_eq!(looked.drifts(), ["Changed File /etc/conf: gid uid"]);
    let undo = fixture.reconcile(&with_owner);
    assert_eq!(std::fs::metadata(&conf).unwrap().uid(), 0);
    fixture.undo(&undo);
    assert_eq!(std::fs::metadata(&conf).unwrap().gid(), 4321);

    case("capability", "capabilities", |_, conf| {
        let raw = [
            1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        setxattr(conf, "security.capability", &raw, XattrFlags::empty()).unwrap();
    });
    case("device", "content links mode type", |_, conf| {
        std::fs::remove_file(conf).unwrap();
        let dir = std::fs::File::open(conf.parent().unwrap()).unwrap();
        let null = rustix::fs::makedev(1, 3);
        mknodat(
            &dir,
            "conf",
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o600),
            null,
        )
        .unwrap();
    });
}

// Goal: an access list that gives away what the mode withholds is found. Method: the raw attribute, for want of a tool.
#[test]
fn an_access_list_is_found() {
    // Version 2; user:: rw-, user 1234 rw-, group:: r--, mask:: rw-, other:: r--.
    let mut list = vec![2, 0, 0, 0];
    for (tag, perm, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, 1234),
        (4, 4, u32::MAX),
        (16, 6, u32::MAX),
        (32, 4, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(perm.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let probe = good();
    let name = "system.posix_acl_access";
    if setxattr(probe.path("etc/conf"), name, &list, XattrFlags::empty()).is_err() {
        eprintln!("this file system has no access lists: not tried");
        return;
    }
    case("acl", "acl mode", |_, conf| {
        setxattr(conf, name, &list, XattrFlags::empty()).unwrap();
    });
}

// Goal: an immutable flag is found, does not stop the repair, and is restored by the undo; one that is wanted is set.
#[test]
fn the_immutable_flag_is_found() {
    let fixture = good();
    let conf = fixture.path("etc/conf");
    let chattr = |flag: &str| {
        let done = Command::new("chattr").arg(flag).arg(&conf).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !chattr("+i") {
        eprintln!(
            "no immutable flag here (not root, no chattr, or no such file system): not tried"
        );
        return;
    }
    assert_eq!(
        fixture.look(MANIFEST).drifts(),
        ["Changed File /etc/conf: flags"]
    );
    let undo = fixture.reconcile(MANIFEST);
    std::fs::write(&conf, "good\n").expect("the flag is gone");
    fixture.undo(&undo);
    std::fs::write(&conf, "evil").expect_err("the flag is back");
    let wanted = MANIFEST.replace("mode: \"0644\"", "mode: \"0644\", immutable: true");
    assert!(fixture.look(&wanted).drifts().is_empty());
    assert!(chattr("-i"));
    std::fs::write(&conf, "evil").unwrap();
    assert_eq!(
        fixture.look(&wanted).drifts(),
        ["Changed File /etc/conf: content flags"]
    );
    fixture.reconcile(&wanted);
    std::fs::write(&conf, "evil").expect_err("the flag is set");
    assert!(chattr("-i"));
}

// Goal: user attributes, of which the baseline says nothing, survive a replacement of the file.
#[test]
fn other_attributes_are_kept() {
    let fixture = good();
    let conf = fixture.path("etc/conf");
    if setxattr(&conf, "user.note", b"mine", XattrFlags::empty()).is_err() {
        eprintln!("this file system has no user attributes: not tried");
        return;
    }
    std::fs::write(&conf, "evil").unwrap();
    fixture.reconcile(MANIFEST);
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(&conf, "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"mine");
}
