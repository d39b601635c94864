//! Tampering with the journal of the built program is found, whatever the way.

use rusqlite::Connection;

use super::support::{Project, config, directory, file, run_of};

/// A project with the journal of two runs.
fn two_runs() -> Project {
    let manifests = directory("etc", "/etc", "")
        + &file("motd", "/etc/motd", "welcome\n")
        + &file("hosts", "/etc/hosts", "127.0.0.1 localhost\n");
    let project = Project::new(&config("enforce", ""), &manifests);
    project.reconcile(0);
    std::fs::write(project.path("etc/motd"), "owned\n").unwrap();
    project.reconcile(0);
    project
}

fn sql(project: &Project, statements: &str) {
    let db = Connection::open(project.repo.join(".evenkeel/state.db")).unwrap();
    for statement in statements.split("; ") {
        let changed = db.execute(statement, []).unwrap();
        assert!(changed > 0, "{statement} tampers with nothing");
    }
}

// Goal: each kind of tampering that SQL can do ends `verify` with 1 and the number of the first record that is not as it
// was written. Method: each kind on a journal of its own, written by real runs.
#[test]
fn tampering_of_each_kind_is_found() {
    let kinds = [
        (
            "changed payload",
            "UPDATE records SET payload = payload || ' ' WHERE seq = 4",
            Some(4),
        ),
        (
            "changed time",
            "UPDATE records SET at = '2001-01-01T00:00:00Z' WHERE seq = 3",
            Some(3),
        ),
        (
            "changed kind",
            "UPDATE records SET kind = 'note' WHERE seq = 5",
            Some(5),
        ),
        (
            "changed run",
            "UPDATE records SET run = 'x' WHERE seq = 2",
            Some(2),
        ),
        (
            "changed hash",
            "UPDATE records SET hash = upper(hash) WHERE seq = 6",
            Some(6),
        ),
        (
            "other's signature",
            "UPDATE records SET sig = (SELECT sig FROM records WHERE seq = 1) WHERE seq = 2",
            Some(2),
        ),
        ("removed", "DELETE FROM records WHERE seq = 5", Some(5)),
        (
            "first removed",
            "DELETE FROM records WHERE seq = 1",
            Some(1),
        ),
        (
            "removed and closed up",
            "DELETE FROM records WHERE seq = 5; UPDATE records SET seq = seq - 1 WHERE seq > 5",
            Some(5),
        ),
        (
            "swapped",
            "UPDATE records SET seq = -3 WHERE seq = 3; UPDATE records SET seq = 3 WHERE seq = 4; UPDATE records SET seq = 4 WHERE seq = -3",
            Some(3),
        ),
        ("tail cut off", "DELETE FROM records WHERE seq > 6", None),
        ("all removed", "DELETE FROM records", None),
        ("head removed", "DELETE FROM meta", None),
        (
            "all and the head removed",
            "DELETE FROM records; DELETE FROM meta",
            None,
        ),
    ];
    for (name, statements, seq) in kinds {
        let project = two_runs();
        let head = project.plan(0)["journal"]["head"]
            .as_str()
            .unwrap()
            .to_owned();
        project.expect(0, &["journal", "verify", "--expect-head", &head]);
        sql(&project, statements);
        let args = [
            "journal",
            "verify",
            "--format",
            "json",
            "--expect-head",
            &head,
        ];
        let ran = project.run(&args);
        assert_eq!(ran.code, 1, "{name}: {}", ran.all());
        let report = ran.json();
        assert!(report["flaw"]["what"].is_string(), "{name}: {report:#}");
        if let Some(seq) = seq {
            assert_eq!(report["flaw"]["seq"], seq, "{name}: {report:#}");
        }
    }
}

// Goal: a whole tail cut off with the signed head put back to what it was earlier is sound in itself, and only the head
// digest that the later run printed tells. Method: the whole state directory is put back to a copy.
#[test]
fn a_journal_put_back_to_an_earlier_one_is_told_by_the_head() {
    let project = two_runs();
    let db = project.repo.join(".evenkeel/state.db");
    let wal = project.repo.join(".evenkeel/state.db-wal");
    assert!(!wal.exists(), "a run leaves the journal in one file");
    let earlier = std::fs::read(&db).unwrap();
    std::fs::write(project.path("etc/motd"), "again\n").unwrap();
    let report = project.reconcile(0);
    let head = report["journal"]["head"].as_str().unwrap();
    std::fs::write(&db, earlier).unwrap();
    project.expect(0, &["journal", "verify"]);
    let found = project.expect(1, &["journal", "verify", "--expect-head", head]);
    assert!(found.stderr.contains("cut off"), "{}", found.stderr);
}

// Goal: `show` tells one run, or one resource, and nothing else.
#[test]
fn records_of_a_run_and_of_a_resource_are_shown() {
    let project = two_runs();
    std::fs::write(project.path("etc/hosts"), "evil\n").unwrap();
    let run = run_of(&project.reconcile(0));
    let shown = |more: &[&str]| {
        let mut args = vec!["journal", "show", "--format", "json"];
        args.extend(more);
        let report = project.expect(0, &args).json();
        report["records"].as_array().unwrap().clone()
    };
    let all = project.records();
    let of_run = shown(&["--run", &run]);
    let wanted: Vec<_> = all.iter().filter(|r| r["run"] == *run).cloned().collect();
    assert_eq!(of_run, wanted);
    assert!(of_run.len() >= 4 && of_run.len() < all.len());
    let of_motd = shown(&["--resource", "host/File/motd", "--kind", "intent"]);
    assert_eq!(of_motd.len(), 2, "made once, put right once");
    assert!(of_motd.iter().all(|record| record["run"] != *run));
}
