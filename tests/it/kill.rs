//! The program killed in the middle, at every system call that changes something on the disk.
//!
//! Method: for each such call `strace` delivers SIGKILL as the program enters it for the N-th time, N counting up until
//! a run gets through (strace counts each call by itself, so they cannot be counted together). So every boundary of
//! every effect, of the root and of the journal alike, is hit once, in the very program that users run.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::support::{Facts, Project, config, directory, facts, file, skip};

/// The calls that change what is on a disk, or make it last.
const CALLS: [&str; 20] = [
    "renameat2",
    "renameat",
    "rename",
    "unlinkat",
    "unlink",
    "mkdirat",
    "mkdir",
    "symlinkat",
    "mknodat",
    "linkat",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fsetxattr",
    "ftruncate",
    "fsync",
    "fdatasync",
    "write",
    "pwrite64",
];
/// How many kills one journal sees; each run reads what earlier ones wrote.
const KILLS_A_PROJECT: usize = 10;
/// More boundaries than a run of this size has.
const MOST: usize = 2_000;

/// The files of accounts, and what a stranger adds to each.
const ACCOUNTS: [(&str, &str, &str); 4] = [
    (
        "passwd",
        "root:x:0:0::/root:/bin/sh\n",
        "evil:x:0:1:::/bin/sh\n",
    ),
    ("shadow", "root:*:1::::::\n", "evil:$6$a$b:1::::::\n"),
    ("group", "root:x:0:\nadm:x:4:\n", "evil:x:1:\n"),
    ("gshadow", "root:*::\nadm:*::\n", "evil:!::\n"),
];

fn project() -> Project {
    let mut manifests = directory("app", "/app", "");
    manifests.push_str(&directory("cron", "/cron", ", exclusive: true"));
    for at in 0..5 {
        let content = format!("baseline {at}\n").repeat(400);
        manifests.push_str(&file(&format!("f{at}"), &format!("/app/f{at}"), &content));
    }
    manifests.push_str(&file("job", "/cron/job", "as it should be\n"));
    manifests.push_str(
        "---\napiVersion: host.evenkeel.dev/v1\nkind: Accounts\nmetadata: { name: people }\nspec: { login: [root] }\n",
    );
    let project = Project::new(&config("enforce", ""), &manifests);
    std::fs::create_dir_all(project.path("etc")).unwrap();
    for (name, text, _) in ACCOUNTS {
        std::fs::write(project.path(&format!("etc/{name}")), text).unwrap();
    }
    project.reconcile(0);
    project
}

fn tamper(project: &Project) {
    let app = |name: &str| project.path(&format!("app/{name}"));
    std::fs::write(app("f0"), "somebody else's\n".repeat(300)).unwrap();
    std::fs::remove_file(app("f1")).unwrap();
    std::fs::remove_file(app("f2")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", app("f2")).unwrap();
    std::fs::remove_file(app("f3")).unwrap();
    std::fs::create_dir(app("f3")).unwrap();
    std::fs::write(app("f3/inner"), "deep\n").unwrap();
    crate::support::chmod(&app("f4"), 0o666);
    std::fs::write(project.path("cron/evil"), "* * * * * root x\n").unwrap();
    for (name, text, line) in ACCOUNTS {
        let text = format!("{}{line}", text.replace("adm:x:4:", "adm:x:4:evil"));
        std::fs::write(project.path(&format!("etc/{name}")), text).unwrap();
    }
    std::fs::create_dir(project.path("cron/tree")).unwrap();
    std::fs::write(project.path("cron/tree/leaf"), "leaf\n").unwrap();
}

/// Reconciles, and is killed at the N-th such call. Says whether that was reached.
fn killed_at(project: &Project, call: &str, at: usize) -> bool {
    let plain = project.command(&["reconcile"]);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:signal=KILL:when={at}"))
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(plain.get_current_dir().unwrap())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (name, value) in plain.get_envs() {
        traced.env(name, value.unwrap_or_default());
    }
    let status = traced.status().unwrap();
    // strace ends as the program did.
    status.signal() == Some(9) || status.code() == Some(137)
}

/// How many intents have no outcome.
fn in_flight(project: &Project) -> usize {
    let records = project.records();
    let closed: BTreeSet<u64> = records
        .iter()
        .filter(|record| record["kind"] == "outcome")
        .map(|record| record["payload"]["intent"].as_u64().unwrap())
        .collect();
    records
        .iter()
        .filter(|record| record["kind"] == "intent")
        .filter(|record| !closed.contains(&record["seq"].as_u64().unwrap()))
        .count()
}

fn is_temporary(path: &str) -> bool {
    path.contains(".evenkeel-")
}

/// Every path is wholly as somebody left it or wholly as the baseline says; what is temporary is left out.
fn require_old_or_new(at: &str, tampered: &Facts, now: &Facts, good: &Facts) {
    let paths: BTreeSet<_> = [tampered, now, good]
        .into_iter()
        .flat_map(Facts::keys)
        .collect();
    for path in paths.into_iter().filter(|path| !is_temporary(path)) {
        let seen = now.get(path);
        assert!(
            seen == tampered.get(path) || seen == good.get(path),
            "killed at {at}, {path} is neither old nor new: {seen:?}"
        );
    }
}

// Goal: point 2. Whatever call it dies at, no file is half written, the next run gets everything right, nothing is left
// behind in the root, and the journal is whole. At least 200 kills, of which 100 between an intent and its outcome.
#[test]
fn killed_at_every_call() {
    let has_strace = Command::new("strace").args(["-qq", "true"]).output();
    if !has_strace.is_ok_and(|ran| ran.status.success()) {
        return skip("skipped: no strace that may trace (Debian: apt-get install strace)");
    }
    let next = Mutex::new(Some((0, 1)));
    let counts = Mutex::new(Counts::default());
    let kill_some = |project: &Project| {
        let good = facts(&project.path(""));
        for _ in 0..KILLS_A_PROJECT {
            let Some((call, at)) = take(&next) else { break };
            tamper(project);
            let tampered = facts(&project.path(""));
            let killed = killed_at(project, CALLS[call], at);
            let place = format!("{} number {at}", CALLS[call]);
            let now = facts(&project.path(""));
            if killed {
                let mut counts = counts.lock().unwrap();
                counts.kills += 1;
                counts.in_flight += in_flight(project);
                counts.left_behind += usize::from(now.keys().any(|path| is_temporary(path)));
            } else {
                pass_over(&next, call);
            }
            require_old_or_new(&place, &tampered, &now, &good);
            // 3 where the account that somebody made was still there to be found.
            let next = project.run(&["reconcile"]);
            assert!([0, 3].contains(&next.code), "{}", next.all());
            assert_eq!(facts(&project.path("")), good, "killed at {place}");
        }
        assert_eq!(in_flight(project), 0);
        project.expect(0, &["journal", "verify"]);
        let plan = project.plan(0);
        assert_eq!(plan["plan"]["groups"].as_array().unwrap().len(), 0);
    };
    let work = || {
        while next.lock().unwrap().is_some() {
            kill_some(&project());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let counts = counts.into_inner().unwrap();
    println!("{counts:?}");
    assert!(counts.kills >= 200, "{counts:?}");
    assert!(counts.in_flight >= 100, "{counts:?}");
    // Without these the test would not reach the moments that recovery is for.
    assert!(counts.left_behind >= 10, "{counts:?}");
}

#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    /// Intents without an outcome, right after a kill.
    in_flight: usize,
    /// Kills after which something temporary lay in the root.
    left_behind: usize,
}

/// The next call by its place in [`CALLS`] and the number of its turn.
fn take(next: &Mutex<Option<(usize, usize)>>) -> Option<(usize, usize)> {
    let mut next = next.lock().unwrap();
    let (call, at) = (*next)?;
    assert!(at < MOST, "no run gets through {}", CALLS[call]);
    *next = Some((call, at + 1));
    Some((call, at))
}

/// A run got through this call: the next one's turn, unless another thread said so already.
fn pass_over(next: &Mutex<Option<(usize, usize)>>, call: usize) {
    let mut next = next.lock().unwrap();
    if next.is_some_and(|(at, _)| at == call) {
        *next = (call + 1 < CALLS.len()).then_some((call + 1, 1));
    }
}
