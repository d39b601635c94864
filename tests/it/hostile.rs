//! Baselines, checkouts and live systems that mean harm: an error with its place or a correct answer, within bounded
//! memory and time, never a crash.
//!
//! The kernel keeps the bounds: each run has a limit on its address space, its CPU time and its wall time, and whoever
//! passes one of them ends by a signal or a failed allocation, which no test here accepts.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};

use super::support::{Project, Ran, chmod, config, directory, drifts, file};

const MEMORY_KIB: u64 = 1 << 20;
const CPU_SECONDS: u64 = 60;
const WALL_SECONDS: u64 = 120;

fn project(manifests: &str) -> Project {
    Project::new(
        &config("enforce", "guard: { max_changes: 1000 }\n"),
        manifests,
    )
}

/// Runs the program within the bounds, as in a CI job.
fn bounded(project: &Project, args: &[&str]) -> Ran {
    let limits = format!(
        "ulimit -v {MEMORY_KIB}; ulimit -t {CPU_SECONDS}; exec timeout -k 1 {WALL_SECONDS} \"$@\""
    );
    let given = project.command(args);
    let mut command = Command::new("sh");
    command
        .args(["-c", &limits, "sh"])
        .arg(given.get_program())
        .args(given.get_args())
        .current_dir(given.get_current_dir().unwrap())
        .env_clear()
        .env("GITHUB_ACTIONS", "true")
        .stdin(std::process::Stdio::null());
    for (name, value) in given.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let ran = Ran::of(&mut command);
    assert!(
        (0..=5).contains(&ran.code),
        "{args:?} ended with {}: {}",
        ran.code,
        shortened(&ran.all())
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    printable(&ran.all());
    ran
}

fn shortened(text: &str) -> String {
    text.chars().take(4000).collect()
}

/// Nothing in it moves a cursor, changes a title or turns the direction of what follows.
#[track_caller]
fn printable(text: &str) {
    let harmful = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    if let Some(at) = text.find(harmful) {
        let near: String = text[..at].chars().rev().take(80).collect();
        let near: String = near.chars().rev().collect();
        panic!("harmful character after {near:?}");
    }
}

/// Checks and plans, which both have to fail with this place in the file of manifests.
fn refused(manifests: &str, place: &str) {
    let project = project(manifests);
    for args in [
        &["check"][..],
        &["plan"],
        &["reconcile"],
        &["plan", "--worktree"],
    ] {
        let ran = bounded(&project, args);
        assert_eq!(ran.code, 1, "{args:?}: {}", shortened(&ran.all()));
        assert!(
            ran.stderr.contains(place),
            "{args:?}: {place} is not in {}",
            shortened(&ran.stderr)
        );
        assert!(ran.stderr.len() < 200_000, "{}", ran.stderr.len());
    }
    assert_eq!(std::fs::read_dir(&project.root).unwrap().count(), 0);
}

/// The places where the given text is written into a manifest.
fn spec(fields: &str) -> String {
    format!(
        "apiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: {{ name: a }}\nspec: {{ {fields} }}\n"
    )
}

// Goal: a few hundred bytes that mean gigabytes are refused where they begin to.
#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            [below.as_str(); 10].join(", ")
        );
    }
    refused(&bomb, "host/all.yaml:");
}

// Goal: nesting that would overflow a recursive reader's stack is refused with its place.
#[test]
fn deep_nesting_is_refused() {
    for opening in ["[", "{a: ", "- ", "? ", "!x [", "&a ["] {
        refused(&opening.repeat(100_000), "host/all.yaml:1:");
    }
}

// Goal: no path leads out of the root, and no file beside the manifests out of the baseline.
#[test]
fn escapes_are_refused() {
    for path in [
        "../../etc/passwd",
        "/../etc/passwd",
        "/etc/../../passwd",
        "/etc/./passwd",
        "etc/passwd",
        "//etc",
        "/",
        "\"/a\\0b\"",
        "\"/a\\nb\"",
        "\"/a\\e[2Jb\"",
        "\"\"",
    ] {
        refused(
            &spec(&format!("path: {path}, content: x")),
            "host/all.yaml:4:",
        );
    }
    for beside in [
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "files/../../evenkeel.yaml/..",
        "\"a\\0b\"",
        ".",
    ] {
        refused(
            &spec(&format!("path: /a, contentFrom: {beside}")),
            "host/all.yaml:4:",
        );
    }
}

// Goal: a name that would clear a screen, start a command of a CI runner or hide its end is refused, and is not printed
// raw while it is.
#[test]
fn names_with_escapes_are_refused() {
    for name in [
        "a\\0b",
        "a\\nb",
        "\\e[2J",
        "\\e]0;title\\a",
        "a\\u202eb",
        "a\\r::error::b",
        "../b",
        "",
    ] {
        let manifests =
            spec("path: /a, content: x").replace("name: a", &format!("name: \"{name}\""));
        refused(&manifests, "host/all.yaml:3:");
    }
    refused(
        &(spec("path: /a, content: x") + "\"\\e[2J\\u202e\": 1\n"),
        "host/all.yaml:5:",
    );
}

// Goal: bytes that are no text at all are an error with the file's name.
#[test]
fn what_is_no_yaml_is_refused() {
    let project = project("");
    let path = project.repo.join("desired-state/host/all.yaml");
    let utf16 = b"\xff\xfea\0:\0 \0b\0\n\0".as_slice();
    for bytes in [
        b"a: \xff\xfe\n".as_slice(),
        utf16,
        b"a: \0\n",
        &[0x9b; 4096],
    ] {
        std::fs::write(&path, bytes).unwrap();
        project.commit("bytes");
        for args in [&["check"][..], &["plan"], &["check", "--worktree"]] {
            let ran = bounded(&project, args);
            assert_eq!(ran.code, 1, "{}", ran.all());
            assert!(ran.stderr.contains("host/all.yaml"), "{}", ran.stderr);
        }
    }
}

// Goal: files of a gigabyte are refused unread, as a manifest, as the configuration and as a file beside; so are large
// blobs of a commit.
#[test]
fn giants_are_refused() {
    let from = spec("path: /a, contentFrom: giant");
    let project = project(&from);
    let base = project.repo.join("desired-state");
    for name in ["host/giant", "host/giant.yaml", "evenkeel.yaml"] {
        let path = base.join(name);
        let before = std::fs::read(&path).ok();
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        for command in ["check", "plan"] {
            let ran = bounded(&project, &[command, "--worktree"]);
            assert_eq!(ran.code, 1, "{name}: {}", shortened(&ran.all()));
            let told = ran.stderr.contains(name) || ran.stderr.contains("host/all.yaml:4:");
            assert!(told, "{name}: {}", shortened(&ran.stderr));
        }
        match before {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    std::fs::write(base.join("host/giant"), vec![b'a'; 300 << 20]).unwrap();
    project.commit("a large blob");
    let ran = bounded(&project, &["plan"]);
    assert_eq!(ran.code, 1, "{}", shortened(&ran.all()));
    assert!(ran.stderr.contains("host/all.yaml:4:"), "{}", ran.stderr);
}

// Goal: a checkout in which a pipe, a device, a link or a folder stands for a file is neither waited for nor followed.
#[test]
fn what_is_no_file_is_refused() {
    let fifo = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let zero = |path: &Path| symlink("/dev/zero", path).unwrap();
    let around = |path: &Path| symlink(path.file_name().unwrap(), path).unwrap();
    let folder = |path: &Path| std::fs::create_dir(path).unwrap();
    let makers: [&dyn Fn(&Path); 4] = [&fifo, &zero, &around, &folder];
    for make in makers {
        for name in [
            "evenkeel.yaml",
            "host/all.yaml",
            "host/giant",
            "exemptions.yaml",
        ] {
            let project = project(&spec("path: /a, contentFrom: giant"));
            let path = project.repo.join("desired-state").join(name);
            let _ = std::fs::remove_file(&path);
            make(&path);
            let ran = bounded(&project, &["plan", "--worktree"]);
            // An empty folder of manifests is one, whatever its name ends in.
            let is_harmless = path.is_dir() && name == "host/all.yaml";
            assert_eq!(ran.code == 0, is_harmless, "{name}: {}", ran.all());
            project.commit("odd");
            bounded(&project, &["plan"]);
        }
    }
}

// Goal: names on the live system that no text can hold or that would harm a reader are named without loss and harm, in
// every report, and what bears them is removed and brought back.
#[test]
fn names_on_the_live_system_are_told_unharmed() {
    let project = project(&directory("d", "/d", ", exclusive: true"));
    std::fs::create_dir(project.path("d")).unwrap();
    chmod(&project.path("d"), 0o755);
    let names: [(&[u8], &str); 9] = [
        (b"\xff\xfe", r"\xff\xfe"),
        (b"a\nb", r"a\x0ab"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\x1b]0;title\x07", r"\x1b]0;title\x07"),
        (b"::error::x", "::error::x"),
        (b"\xe2\x80\xaeb", r"\xe2\x80\xaeb"),
        (b"back\\x41slash", r"back\x5cx41slash"),
        (b"<td><script>|`", "<td><script>|`"),
        (&[b'l'; 255], ""),
    ];
    for (name, _) in names {
        std::fs::write(project.path("d").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let report = bounded(&project, &["plan", "--format", "json"]);
    let ids = drifts(&report.json());
    assert_eq!(ids.len(), names.len(), "{ids:?}");
    for (_, shown) in names {
        let id = format!("host/File//d/{shown}");
        assert!(
            ids.iter().any(|found| found.starts_with(&id)),
            "{id}: {ids:?}"
        );
    }
    let text = bounded(
        &project,
        &["plan", "--report", "sarif=s,junit=j,markdown=m,json=o"],
    );
    let started = |line: &&str| line.starts_with("::");
    let own = |line: &str| {
        ["::error file=", "::warning file=", "::notice title="]
            .iter()
            .any(|start| line.starts_with(start))
    };
    for line in text.stdout.lines().filter(started) {
        assert!(own(line), "{line}");
    }
    for name in ["s", "j", "m", "o"] {
        let written = std::fs::read_to_string(project.repo.join(name)).unwrap();
        printable(&written);
        assert!(
            !written.lines().any(|line| line.starts_with("::")),
            "{name}"
        );
        assert!(name != "m" || !written.contains("<script>"));
    }
    let done = bounded(&project, &["reconcile", "--format", "json"]);
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(std::fs::read_dir(project.path("d")).unwrap().count(), 0);
    let run = super::support::run_of(&done.json());
    let undone = bounded(&project, &["undo", &run]);
    assert_eq!(undone.code, 0, "{}", undone.all());
    for (name, _) in names {
        let path = project.path("d").join(OsStr::from_bytes(name));
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }
}

// Goal: more entries than anybody could act on are an incomplete look, which says so, and a plan that the guard holds. Method:
// 200,000 entries, a million where everything has to run.
#[test]
fn a_million_entries_are_not_too_many() {
    let all = std::env::var_os("EVENKEEL_REQUIRE_PEERS").is_some_and(|value| value == "1");
    let count = if all { 1_000_000 } else { 200_000 };
    let manifests = directory("d", "/d", ", exclusive: true") + &file("f", "/d/f", "x\n");
    let project = project(&manifests);
    let dir = project.path("d");
    std::fs::create_dir(&dir).unwrap();
    chmod(&dir, 0o755);
    let fd: OwnedFd = File::open(&dir).unwrap().into();
    for at in 0..count {
        mknodat(&fd, format!("{at}"), FileType::RegularFile, Mode::RUSR, 0).unwrap();
    }
    let ran = bounded(&project, &["plan", "--format", "json"]);
    let report = ran.json();
    assert!(drifts(&report).contains(&"host/File/f".to_owned()));
    let unseen = report["not_evaluated"].to_string();
    assert!(unseen.contains("Directory/d"), "{}", shortened(&unseen));
    let held = bounded(&project, &["reconcile"]);
    assert_eq!(held.code, 5, "{}", shortened(&held.all()));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), count);
    remove(&dir);
}

// Goal: a tree that is deeper than any path can name is Extra like any other, or not evaluated; nothing overflows and
// nothing of it is lost half-way.
#[test]
fn endless_trees_are_answered() {
    let project = project(&directory("d", "/d", ", exclusive: true"));
    let dir = project.path("d");
    std::fs::create_dir(&dir).unwrap();
    chmod(&dir, 0o755);
    let mut at: OwnedFd = File::open(&dir).unwrap().into();
    for _ in 0..5_000 {
        mkdirat(&at, "deeper", Mode::RWXU).unwrap();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        at = openat(&at, "deeper", flags, Mode::empty()).unwrap();
    }
    let depth = depth(&dir);
    for args in [&["plan"][..], &["reconcile"], &["plan"]] {
        let ran = bounded(&project, args);
        assert_ne!(ran.code, 0, "{}", ran.all());
    }
    assert_eq!(
        self::depth(&dir),
        depth,
        "what cannot be undone stays whole"
    );
    remove(&dir);
}

fn depth(dir: &Path) -> usize {
    let mut at: OwnedFd = File::open(dir).unwrap().into();
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    for count in 0.. {
        match openat(&at, "deeper", flags, Mode::empty()) {
            Ok(next) => at = next,
            Err(_) => return count,
        }
    }
    0
}

/// Removes what the standard library's own removal takes minutes or too many handles for.
fn remove(dir: &Path) {
    assert!(
        Command::new("rm")
            .arg("-rf")
            .arg(dir)
            .status()
            .unwrap()
            .success()
    );
}

// Goal: links that lead in circles and pipes nobody writes to are seen for what they are, wherever evenkeel would read:
// a managed file, its directory, the accounts of the root, a list of keys.
#[test]
fn circles_and_pipes_hold_nobody_up() {
    let keys = "---\napiVersion: host.evenkeel.dev/v1\nkind: AuthorizedKeys\nmetadata: { name: keys }\nspec: { user: ada, keys: [], exclusive: true }\n";
    let manifests = directory("d", "/d", ", exclusive: true")
        + &file("in", "/d/in", "x\n")
        + &file("through", "/loop/x", "x\n")
        + &file("pipe", "/pipe", "x\n")
        + &file("owned", "/owned", "x\n")
            .replace("owner: 0", "owner: ada")
            .replace("group: 0", "group: ada")
        + keys;
    let project = project(&manifests);
    let fifo = |path: &str| {
        mknodat(CWD, project.path(path), FileType::Fifo, Mode::RWXU, 0).unwrap();
    };
    symlink("loop", project.path("loop")).unwrap();
    std::fs::create_dir(project.path("d")).unwrap();
    symlink("b", project.path("d/a")).unwrap();
    symlink("a", project.path("d/b")).unwrap();
    symlink("in", project.path("d/in")).unwrap();
    fifo("pipe");
    fifo("d/pipe");
    std::fs::create_dir_all(project.path("etc")).unwrap();
    std::fs::create_dir_all(project.path("home/ada/.ssh")).unwrap();
    fifo("home/ada/.ssh/authorized_keys");
    fifo("etc/passwd");
    let unread = bounded(&project, &["plan", "--format", "json"]).json();
    assert!(
        unread["not_evaluated"].to_string().contains("File/owned"),
        "{unread:#}"
    );
    std::fs::remove_file(project.path("etc/passwd")).unwrap();
    let giant = File::create(project.path("etc/passwd")).unwrap();
    giant.set_len(1 << 30).unwrap();
    let unread = bounded(&project, &["plan", "--format", "json"]).json();
    assert!(
        unread["not_evaluated"].to_string().contains("File/owned"),
        "{unread:#}"
    );
    std::fs::write(
        project.path("etc/passwd"),
        "ada:x:1000:1000::/home/ada:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(project.path("etc/group"), "ada:x:1000:\n").unwrap();
    let seen = bounded(&project, &["plan", "--format", "json"]).json();
    let found = drifts(&seen);
    for id in [
        "File/in",
        "File/pipe",
        "Symlink//d/a",
        "Symlink//d/b",
        "File//d/pipe",
    ] {
        assert!(found.contains(&format!("host/{id}")), "{id}: {found:?}");
    }
    bounded(&project, &["reconcile"]);
    assert_eq!(std::fs::read(project.path("pipe")).unwrap(), b"x\n");
    assert_eq!(std::fs::read(project.path("d/in")).unwrap(), b"x\n");
    assert!(
        std::fs::symlink_metadata(project.path("loop"))
            .unwrap()
            .is_symlink()
    );
}
