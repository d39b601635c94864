//! The program killed in the middle, at every system call that changes something on the disk.
//!
//! Method: `strace` delivers SIGKILL as the program enters the N-th such call, N counting up until a run gets through.
//! So every boundary of every effect, of the root and of the journal alike, is hit once and in order, in the very
//! program that users run.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Facts, Project, config, directory, facts, file, skip};

/// The calls that change what is on a disk, or make it last.
const CALLS: &str = "write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,\
mkdir,mkdirat,symlinkat,fchmod,fchmodat,fchown,fchownat,fsetxattr,fremovexattr,mknodat,linkat";
/// How many kills one journal sees; each run reads what earlier ones wrote.
const KILLS_A_PROJECT: usize = 10;
/// More boundaries than a run of this size has.
const MOST: usize = 2_000;

fn project() -> Project {
    let mut manifests = directory("app", "/app", "");
    manifests.push_str(&directory("cron", "/cron", ", exclusive: true"));
    for at in 0..5 {
        let content = format!("baseline {at}\n").repeat(400);
        manifests.push_str(&file(&format!("f{at}"), &format!("/app/f{at}"), &content));
    }
    manifests.push_str(&file("job", "/cron/job", "as it should be\n"));
    let project = Project::new(&config("enforce", ""), &manifests);
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
    std::fs::create_dir(project.path("cron/tree")).unwrap();
    std::fs::write(project.path("cron/tree/leaf"), "leaf\n").unwrap();
}

/// Reconciles, and is killed at the N-th call. Says whether that was reached.
fn killed_at(project: &Project, at: usize) -> bool {
    let plain = project.command(&["reconcile"]);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e"])
        .arg(format!("trace={CALLS}"))
        .arg("-e")
        .arg(format!("inject={CALLS}:signal=KILL:when={at}"))
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
fn require_old_or_new(at: usize, tampered: &Facts, now: &Facts, good: &Facts) {
    let paths: BTreeSet<_> = [tampered, now, good]
        .into_iter()
        .flat_map(Facts::keys)
        .collect();
    for path in paths.into_iter().filter(|path| !is_temporary(path)) {
        let seen = now.get(path);
        assert!(
            seen == tampered.get(path) || seen == good.get(path),
            "killed at call {at}, {path} is neither old nor new: {seen:?}"
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
    let next = AtomicUsize::new(1);
    let (kills, flying) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ended = Mutex::new(false);
    let kill_some = |project: &Project| {
        let good = facts(&project.path(""));
        for _ in 0..KILLS_A_PROJECT {
            if *ended.lock().unwrap() {
                break;
            }
            let at = next.fetch_add(1, Ordering::SeqCst);
            assert!(at < MOST, "no run gets through");
            tamper(project);
            let tampered = facts(&project.path(""));
            if killed_at(project, at) {
                kills.fetch_add(1, Ordering::SeqCst);
                flying.fetch_add(in_flight(project), Ordering::SeqCst);
            } else {
                *ended.lock().unwrap() = true;
            }
            require_old_or_new(at, &tampered, &facts(&project.path("")), &good);
            project.reconcile(0);
            assert_eq!(facts(&project.path("")), good, "killed at call {at}");
        }
        assert_eq!(in_flight(project), 0);
        project.expect(0, &["journal", "verify"]);
        let plan = project.plan(0);
        assert_eq!(plan["plan"]["groups"].as_array().unwrap().len(), 0);
    };
    let work = || {
        while !*ended.lock().unwrap() {
            kill_some(&project());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let (kills, flying) = (kills.into_inner(), flying.into_inner());
    println!("{kills} kills, {flying} between an intent and its outcome");
    assert!(kills >= 200, "{kills} kills");
    assert!(flying >= 100, "{flying} of {kills} kills were in flight");
}
