//! What is loaded into every program, on a root folder.

use super::fixture::Fixture;

const BASELINE: &str = "kind: Preload\nname: all\nspec:\n  libraries: [/usr/lib/libsafe.so]\n  variables:\n    - { file: /etc/default/shop, line: \"LD_LIBRARY_PATH=/opt/shop\" }\n  modules: [pam_unix.so, pam_env.so]\n";

fn sound() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("/etc/ld.so.preload", "# ours\n/usr/lib/libsafe.so\n", 0o644);
    fixture.write(
        "/etc/default/shop",
        "A=1\n LD_LIBRARY_PATH=/opt/shop\n",
        0o644,
    );
    fixture.write("/etc/environment", "#LD_PRELOAD=x\nPATH=/bin\n", 0o644);
    let auth = "auth [success=1 default=ignore] pam_unix.so nullok\nauth required pam_env.so\n";
    fixture.write("/etc/pam.d/common-auth", auth, 0o644);
    fixture.write("/etc/pam.d/sshd", "@include common-auth\n", 0o644);
    fixture
}

fn told(fixture: &Fixture) -> Vec<String> {
    let comparison = fixture.look(BASELINE).comparison;
    let drifts = comparison.drifts.iter();
    drifts
        .flat_map(|drift| {
            assert!(drift.by_hand.is_some(), "{drift:?}");
            drift.fields.iter().map(|field| field.path.clone())
        })
        .collect()
}

// Goal: what git lists is clean, comments and blanks included; each thing that an intruder adds is named by itself: a
// library, a variable in any global environment, a module by its path, a module that is merely not listed.
#[test]
fn additions_are_named() {
    let fixture = sound();
    assert_eq!(told(&fixture), Vec::<String>::new());
    fixture.write("/etc/ld.so.preload", "/tmp/x.so\n", 0o644);
    fixture.write("/etc/environment", "LD_PRELOAD=/tmp/x.so\n", 0o644);
    let systemd = "[Manager]\nDefaultEnvironment=\"LD_AUDIT=/x\"\n";
    fixture.write("/etc/systemd/system.conf.d/x.conf", systemd, 0o644);
    std::os::unix::fs::symlink("/tmp/env", fixture.path("/etc/default/link")).unwrap();
    let sshd = "auth sufficient /tmp/pam_e.so\nauth optional pam_exec.so\n@include ../../tmp/x\n";
    fixture.write("/etc/pam.d/sshd", sshd, 0o644);
    assert_eq!(
        told(&fixture),
        [
            "libraries./tmp/x.so",
            "libraries./usr/lib/libsafe.so",
            "modules.../../tmp/x",
            "modules./tmp/pam_e.so",
            "modules.pam_exec.so",
            "variables./etc/default/link",
            "variables./etc/environment:1",
            "variables./etc/systemd/system.conf.d/x.conf:2",
        ]
    );
}

// Goal: what nobody could read is not evaluated, and never clean.
#[test]
fn what_cannot_be_read_is_not_clean() {
    let fixture = sound();
    fixture.write("/etc/environment", vec![b'x'; (1 << 20) + 1], 0o644);
    let comparison = fixture.look(BASELINE).comparison;
    assert_eq!(comparison.not_evaluated.len(), 1, "{comparison:?}");
    assert!(comparison.clean.is_empty());
}
