//! Settings of the kernel on plain folders: what the next boot would set, and the one line that is changed.

use super::fixture::Fixture;

const BASELINE: &str = r#"
kind: Sysctl
name: forward
spec: { key: net.ipv4.ip_forward, value: 0, live: false }
---
kind: Sysctl
name: pointers
spec: { key: kernel.kptr_restrict, value: "2", live: false }
"#;
const FORWARD: &str = "Changed Sysctl //sysctl/net.ipv4.ip_forward: boot";
const POINTERS: &str = "Changed Sysctl //sysctl/kernel.kptr_restrict: boot";

/// Everything below /etc, with its bytes.
fn etc(fixture: &Fixture) -> crate::support::Facts {
    crate::support::facts(&fixture.path("etc"))
}

// Goal: which file decides is found as the boot finds it: by name over all folders, a file of /etc instead of one of the same
// name, sysctl.conf last, also where a link of sysctl.d leads to it. Only the deciding line changes, and an undo restores
// each byte, also where the line went into a file of evenkeel's own.
#[test]
fn the_deciding_line_is_put_right() {
    let own = "etc/sysctl.d/99-evenkeel.conf";
    for (files, changed) in [
        (
            &[(
                "etc/sysctl.conf",
                "# a\nnet.ipv4.ip_forward=1 \nkernel.kptr_restrict = 2\n",
            )][..],
            "etc/sysctl.conf",
        ),
        (
            &[
                ("etc/sysctl.d/10-a.conf", "-net/ipv4/ip_forward = 1"),
                ("usr/lib/sysctl.d/05-b.conf", "net.ipv4.ip_forward = 0\n"),
            ],
            "etc/sysctl.d/10-a.conf",
        ),
        (
            &[("usr/lib/sysctl.d/50-a.conf", "net.ipv4.ip_forward = 1\n")],
            own,
        ),
        (
            &[
                ("usr/lib/sysctl.d/50-a.conf", "net.ipv4.ip_forward = 0\n"),
                ("etc/sysctl.d/50-a.conf", "\n"),
            ],
            own,
        ),
        (
            &[
                ("run/sysctl.d/99-z.conf", "net.ipv4.ip_* = 1\n"),
                (own, "a.b = 1"),
            ],
            own,
        ),
        (
            &[("run/sysctl.d/99-z.conf", "net.ipv4.ip_forward = 1\n")],
            "etc/sysctl.d/zz-evenkeel.conf",
        ),
        (&[], own),
    ] {
        let fixture = Fixture::new();
        fixture.write("etc/sysctl.d/README", "net.ipv4.ip_forward = 0\n", 0o644);
        fixture.write("etc/sysctl.d/01-p.conf", "kernel.kptr_restrict = 2", 0o600);
        for (path, text) in files {
            fixture.write(path, text, 0o640);
        }
        let _ = std::os::unix::fs::symlink(
            "../sysctl.conf",
            fixture.path("etc/sysctl.d/99-sysctl.conf"),
        );
        let before = etc(&fixture);
        assert_eq!(fixture.look(BASELINE).drifts(), [FORWARD], "{files:?}");
        let undo = fixture.reconcile(BASELINE);
        assert_eq!(
            fixture.look(BASELINE).drifts(),
            Vec::<String>::new(),
            "{files:?}"
        );
        let after = etc(&fixture);
        let touched: Vec<_> = after
            .iter()
            .filter(|(path, fact)| before.get(*path) != Some(fact))
            .collect();
        assert_eq!(touched.len(), 1, "{files:?}: {touched:?}");
        assert_eq!(format!("etc/{}", touched[0].0), changed, "{files:?}");
        fixture.undo(&undo);
        assert_eq!(etc(&fixture), before, "{files:?}");
    }
}

// Goal: two settings in one file are two steps that do not stand in each other's way, in either direction.
#[test]
fn settings_share_a_file() {
    let fixture = Fixture::new();
    let text = "kernel.kptr_restrict = 0\nnet.ipv4.ip_forward = 1\n";
    fixture.write("etc/sysctl.conf", text, 0o644);
    fixture.write("etc/sysctl.d/README", "", 0o644);
    let before = etc(&fixture);
    assert_eq!(fixture.look(BASELINE).drifts(), [FORWARD, POINTERS]);
    let undo = fixture.reconcile(BASELINE);
    assert_eq!(
        std::fs::read_to_string(fixture.path("etc/sysctl.conf")).unwrap(),
        "kernel.kptr_restrict = 2\nnet.ipv4.ip_forward = 0\n"
    );
    fixture.undo(&undo);
    assert_eq!(etc(&fixture), before);
    std::fs::remove_file(fixture.path("etc/sysctl.conf")).unwrap();
    let before = etc(&fixture);
    let undo = fixture.reconcile(BASELINE);
    fixture.undo(&undo);
    assert_eq!(etc(&fixture), before);
}

// Goal: what the boot would read and evenkeel cannot is not taken for silence; a folder has no live value, and nobody may
// take it for one that is right.
#[test]
fn what_cannot_be_read_is_not_clean() {
    let fixture = Fixture::new();
    fixture.write(
        "etc/sysctl.conf",
        "net.ipv4.ip_forward = 0\nkernel.kptr_restrict = 2\n",
        0o644,
    );
    let live = BASELINE.replacen(", live: false", "", 1);
    assert_eq!(
        fixture.look(&live).unseen(),
        ["Unsupported //sysctl/net.ipv4.ip_forward"]
    );
    std::fs::create_dir_all(fixture.path("run/sysctl.d/a.conf")).unwrap();
    assert_eq!(fixture.look(BASELINE).unseen().len(), 2);
    std::fs::remove_dir(fixture.path("run/sysctl.d/a.conf")).unwrap();
    assert!(fixture.look(BASELINE).unseen().is_empty());
    std::os::unix::fs::symlink("/elsewhere", fixture.path("run/sysctl.d/b.conf")).unwrap();
    assert!(fixture.look(BASELINE).unseen().is_empty());
    std::os::unix::fs::symlink("/run/sysctl.d/b.conf", fixture.path("elsewhere")).unwrap();
    assert_eq!(fixture.look(BASELINE).unseen().len(), 2);
}

// Goal: mistakes are named where they are, instead of keeping nothing.
#[test]
fn mistakes_have_places() {
    let problems = Fixture::new().problems(
        "kind: Sysctl\nname: a\nspec: { key: net.ipv4.ip_forward, value: 0, live: false, persist: false }\n---\nkind: Sysctl\nname: b\nspec: { key: ../x.y, value: 1 }\n---\nkind: Sysctl\nname: c\nspec: { key: a.b, value: \"1\\n2\", persits: true }\n",
    );
    for part in [
        "nothing to keep",
        "no key of sysctl",
        "control characters",
        "persits",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}
