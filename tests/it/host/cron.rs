//! What the clock starts: whatever the baseline does not allow is found, put right, and can be put back.

use std::os::unix::fs::symlink;

use super::fixture::Fixture;

const MANIFEST: &str = r#"
kind: Cron
name: jobs
spec:
  allow:
    - /etc/cron.d/shop
    - path: /etc/crontab
      lines:
        - "PATH=/usr/bin:/bin"
        - "17 * * * *  root  run-parts /etc/cron.hourly"
    - /usr/lib/systemd/system/fstrim.timer
  ignore: ["/etc/cron.daily/*"]
---
kind: File
name: report
spec: { path: /etc/cron.d/report, content: "0 6 * * * root /usr/bin/report\n" }
"#;

/// As a distribution would have it: comments, other blanks, folders with their placeholders.
fn good() -> Fixture {
    let fixture = Fixture::new();
    fixture.write(
        "etc/crontab",
        "# m h\n\nPATH=/usr/bin:/bin\n17 *\t* * *\troot run-parts /etc/cron.hourly\n#\n",
        0o644,
    );
    for allowed in ["cron.d/shop", "cron.d/.placeholder", "cron.daily/apt"] {
        fixture.write(&format!("etc/{allowed}"), "# nothing\n", 0o644);
    }
    fixture.write(
        "etc/cron.d/report",
        "0 6 * * * root /usr/bin/report\n",
        0o644,
    );
    for unit in ["fstrim.timer", "ssh.service"] {
        fixture.write(&format!("usr/lib/systemd/system/{unit}"), "[Unit]\n", 0o644);
    }
    fixture
}

fn tampered(fixture: &Fixture) -> Vec<String> {
    fixture.look(MANIFEST).drifts()
}

// Goal: what is allowed, ignored, another resource's or only formatted otherwise is no drift; a plain root without any
// crontab is none either.
#[test]
fn allowed_jobs_are_clean() {
    let looked = good().look(MANIFEST);
    assert_eq!(looked.drifts(), Vec::<String>::new());
    assert_eq!(looked.unseen(), Vec::<String>::new());
    let bare = Fixture::new();
    assert_eq!(
        bare.look(MANIFEST).drifts(),
        ["Missing File /etc/cron.d/report"]
    );
}

// Goal: each place from which something is started is looked at, for what is hidden by its name, its type or a link too,
// and each is put right and put back exactly.
#[test]
fn every_place_is_looked_at() {
    for place in [
        "etc/cron.d/sysstat-collect",
        "etc/cron.d/.hidden",
        "etc/cron.hourly/0anacron",
        "etc/cron.yearly/x",
        "etc/anacrontab",
        "etc/systemd/system/beat.timer",
        "etc/systemd/user/beat.timer",
        "run/systemd/transient/run-1.timer",
        "var/spool/cron/crontabs/alice",
        "var/spool/cron/atjobs/a0000101c0ffee",
    ] {
        let fixture = good();
        fixture.write(place, "* * * * * root /x\n", 0o600);
        assert_eq!(tampered(&fixture), [format!("Extra File /{place}")]);
        let steps = fixture.reconcile(MANIFEST);
        assert_eq!(tampered(&fixture), Vec::<String>::new());
        fixture.undo(&steps);
        let back = std::fs::read(fixture.path(place)).unwrap();
        assert_eq!(back, b"* * * * * root /x\n");
    }
    let fixture = good();
    symlink(
        "/tmp/x.timer",
        fixture.path("usr/lib/systemd/system/x.timer"),
    )
    .unwrap();
    fixture.write(
        "usr/lib/systemd/system/fstrim.timer.d/fast.conf",
        "[Timer]\nOnCalendar=minutely\n",
        0o644,
    );
    assert_eq!(
        tampered(&fixture),
        [
            "Extra Directory /usr/lib/systemd/system/fstrim.timer.d",
            "Extra Symlink /usr/lib/systemd/system/x.timer",
        ]
    );
}

// Goal: a line in a file whose lines are given is found, one that changes where programs are looked for included; what is
// put is what the baseline says, and undo brings the tampered file back.
#[test]
fn a_line_in_an_allowed_file_is_found() {
    for line in ["* * * * * root /x\n", "PATH=/tmp:/bin\n", "@reboot root /x"] {
        let fixture = good();
        let path = fixture.path("etc/crontab");
        let before = std::fs::read_to_string(&path).unwrap() + line;
        std::fs::write(&path, &before).unwrap();
        assert_eq!(tampered(&fixture).len(), 1, "{line}");
        let steps = fixture.reconcile(MANIFEST);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "PATH=/usr/bin:/bin\n17 * * * *  root  run-parts /etc/cron.hourly\n"
        );
        assert_eq!(tampered(&fixture), Vec::<String>::new());
        fixture.undo(&steps);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    }
}

// Goal: a folder that is a link hides what lies behind it, so the inventory is not called whole.
#[test]
fn a_link_for_a_folder_is_told() {
    let fixture = good();
    std::fs::create_dir(fixture.path("etc/elsewhere")).unwrap();
    symlink("elsewhere", fixture.path("etc/cron.weekly")).unwrap();
    let looked = fixture.look(MANIFEST);
    assert_eq!(looked.unseen(), ["Redirected //cron/jobs"]);
}

// Goal: an entry that nothing starts, a comment as a line, or a file named twice is a mistake of whoever wrote it.
#[test]
fn mistakes_are_told() {
    let fixture = good();
    let problems = fixture.problems(
        "kind: Cron\nname: jobs\nspec:\n  allow:\n    - /etc/passwd\n    - /etc/crontab\n    - { path: /etc/crontab, lines: [\"# a\"] }\n    - { path: /etc/cron.d/a }\n    - { path: /etc/cron.d/b, lines: [\"a\"] }\n    - /etc/cron.d/b\n",
    );
    for part in [
        "nothing at /etc/passwd is started by the clock",
        "no line of a crontab",
        "missing",
        "/etc/cron.d/b is listed twice",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}
