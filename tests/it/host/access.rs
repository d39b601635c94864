//! Links, keys that let people in, and files that give power.

use std::os::unix::fs::{MetadataExt, symlink};

use super::fixture::{Fixture, chmod, is_root};

const ALICE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const BOB: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
const EVE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

/// A root with one user whose files the tests may own.
fn with_user() -> Fixture {
    let fixture = Fixture::new();
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let uid = if is_root() { 1234 } else { uid };
    fixture.write(
        "etc/passwd",
        format!("deploy:x:{uid}:{gid}::/home/deploy:/bin/sh\n"),
        0o644,
    );
    std::fs::create_dir_all(fixture.path("home/deploy")).unwrap();
    fixture
}

fn keys(exclusive: bool) -> String {
    format!(
        "{{kind: AuthorizedKeys, name: k, spec: {{user: deploy, exclusive: {exclusive}, keys: ['{ALICE} alice@laptop', 'restrict,command=\"backup\" {BOB} bob']}}}}"
    )
}

const FILE: &str = "home/deploy/.ssh/authorized_keys";

fn read(fixture: &Fixture) -> String {
    std::fs::read_to_string(fixture.path(FILE)).unwrap()
}

// Goal: from nothing, the directory and the file are made as sshd wants them, and undone again.
#[test]
fn keys_are_made_from_nothing() {
    let fixture = with_user();
    let looked = fixture.look(&keys(true));
    assert_eq!(
        looked.drifts(),
        [
            "Missing AuthorizedKeys /home/deploy/.ssh/authorized_keys",
            "Missing Directory /home/deploy/.ssh",
        ]
    );
    assert_eq!(
        looked.plan.groups.len(),
        1,
        "the file waits for its directory"
    );
    let undo = fixture.reconcile(&keys(true));
    assert!(fixture.look(&keys(true)).drifts().is_empty());
    assert_eq!(
        read(&fixture),
        format!("{ALICE} alice@laptop\nrestrict,command=\"backup\" {BOB} bob\n")
    );
    let meta = std::fs::metadata(fixture.path(FILE)).unwrap();
    let dir = std::fs::metadata(fixture.path("home/deploy/.ssh")).unwrap();
    assert_eq!((meta.mode() & 0o7777, dir.mode() & 0o7777), (0o600, 0o700));
    if is_root() {
        assert_eq!((meta.uid(), dir.uid()), (1234, 1234));
    }
    fixture.undo(&undo);
    assert!(!fixture.path("home/deploy/.ssh").exists());
}

/// Tampers with keys that are right, expects these drifts, and that putting them right gives back what was there.
fn tampered(exclusive: bool, content: &str, drift: &str) -> (Fixture, String) {
    let fixture = with_user();
    fixture.reconcile(&keys(exclusive));
    let before = read(&fixture);
    std::fs::write(fixture.path(FILE), content.replace("$GOOD", &before)).unwrap();
    let looked = fixture.look(&keys(exclusive));
    assert_eq!(looked.drifts(), [drift], "{content}");
    let evil = read(&fixture);
    let undo = fixture.reconcile(&keys(exclusive));
    let after = read(&fixture);
    assert!(fixture.look(&keys(exclusive)).drifts().is_empty());
    fixture.undo(&undo);
    assert_eq!(read(&fixture), evil);
    fixture.reconcile(&keys(exclusive));
    assert_eq!(read(&fixture), after);
    (fixture, before)
}

fn changed(key: &str) -> String {
    let public = ssh_key::PublicKey::from_openssh(key).unwrap();
    let print = public.fingerprint(ssh_key::HashAlg::Sha256);
    format!("Changed AuthorizedKeys /home/deploy/.ssh/authorized_keys: keys.{print}")
}

// Goal: an added key, a key whose restrictions were taken away, a second unrestricted line of the same key, an authority
// that lets in whomever it signs, and a missing key are all found, by their fingerprints, and put right.
#[test]
fn tampered_keys_are_found() {
    for (content, key) in [
        (format!("$GOOD{EVE} eve\n"), EVE),
        (format!("{ALICE}\n{BOB}\n"), BOB),
        (format!("$GOOD{BOB}\n"), BOB),
        (format!("$GOODcert-authority {EVE}\n"), EVE),
        (format!("{ALICE} alice\n"), BOB),
        (
            format!("# {ALICE}\nrestrict,command=\"backup\" {BOB}\n"),
            ALICE,
        ),
    ] {
        let (fixture, before) = tampered(true, &content, &changed(key));
        assert_eq!(read(&fixture), before);
    }
}

// Goal: without `exclusive` other people's keys and comments stay where they are, and only what is listed counts.
#[test]
fn other_keys_stay_where_not_exclusive() {
    let fixture = with_user();
    fixture.reconcile(&keys(false));
    std::fs::write(
        fixture.path(FILE),
        format!("# mine\n{}{EVE} eve", read(&fixture)),
    )
    .unwrap();
    assert!(fixture.look(&keys(false)).drifts().is_empty());
    let content = format!("# mine\nno-pty {ALICE}\n{EVE} eve");
    let (fixture, _) = tampered(
        false,
        &content,
        &format!(
            "{} {}",
            changed(ALICE),
            changed(BOB).rsplit(' ').next().unwrap()
        ),
    );
    assert_eq!(
        read(&fixture),
        format!("# mine\n{EVE} eve\n{ALICE} alice@laptop\nrestrict,command=\"backup\" {BOB} bob\n")
    );
}

// Goal: who else can write the file or its directory can let himself in, and counts; so does the second file that sshd
// reads, and a link in the place of the file.
#[test]
fn ways_around_the_list_are_found() {
    let fixture = with_user();
    fixture.reconcile(&keys(true));
    let before = read(&fixture);
    chmod(&fixture.path(FILE), 0o666);
    chmod(&fixture.path("home/deploy/.ssh"), 0o770);
    fixture.write("home/deploy/.ssh/authorized_keys2", EVE, 0o600);
    assert_eq!(
        fixture.look(&keys(true)).drifts(),
        [
            "Changed AuthorizedKeys /home/deploy/.ssh/authorized_keys: access",
            "Changed Directory /home/deploy/.ssh: access",
            "Extra File /home/deploy/.ssh/authorized_keys2",
        ]
    );
    let undo = fixture.reconcile(&keys(true));
    assert!(fixture.look(&keys(true)).drifts().is_empty());
    assert_eq!(read(&fixture), before);
    assert_eq!(
        std::fs::metadata(fixture.path(FILE)).unwrap().mode() & 0o777,
        0o644
    );
    fixture.undo(&undo);
    assert_eq!(
        std::fs::metadata(fixture.path(FILE)).unwrap().mode() & 0o777,
        0o666
    );
    fixture.reconcile(&keys(true));

    let copy = fixture.write("elsewhere", &before, 0o600);
    std::fs::remove_file(fixture.path(FILE)).unwrap();
    symlink(copy, fixture.path(FILE)).unwrap();
    let drifts = fixture.look(&keys(true)).drifts();
    assert!(
        drifts[0].ends_with("type") && drifts.len() == 1,
        "{drifts:?}"
    );
    fixture.reconcile(&keys(true));
    assert_eq!(read(&fixture), before);
}

// Goal: a file stuffed beyond what is read hides nothing: exclusive keys are put right, others are not evaluated.
#[test]
fn a_stuffed_file_hides_nothing() {
    let stuffed = format!("{EVE}\n{}", "#".repeat(2 << 20));
    for exclusive in [true, false] {
        let fixture = with_user();
        fixture.reconcile(&keys(exclusive));
        std::fs::write(fixture.path(FILE), &stuffed).unwrap();
        let looked = fixture.look(&keys(exclusive));
        if exclusive {
            assert_eq!(looked.drifts().len(), 1);
            fixture.reconcile(&keys(exclusive));
            assert!(!read(&fixture).contains(EVE));
        } else {
            assert_eq!(
                looked.unseen(),
                ["TooLarge /home/deploy/.ssh/authorized_keys"]
            );
        }
    }
}

// Goal: a user whom the target no longer knows leaves the keys unevaluated, and an exclusive directory does not take
// them for unlisted.
#[test]
fn a_user_that_is_gone_is_not_evaluated() {
    let fixture = with_user();
    fixture.reconcile(&keys(true));
    fixture.write("etc/passwd", "", 0o644);
    let manifest = format!(
        "{}\n---\n{{kind: Directory, name: s, spec: {{path: /home/deploy/.ssh, exclusive: true}}}}",
        keys(true)
    );
    let looked = fixture.look(&manifest);
    assert_eq!(looked.drifts(), Vec::<String>::new());
    assert_eq!(
        looked.unseen(),
        ["Unresolved /~deploy/.ssh/authorized_keys"]
    );
}

// Goal: manifests of these kinds say what is wrong with them.
#[test]
fn mistakes_are_named() {
    let fixture = with_user();
    for (document, problem) in [
        (
            "{kind: AuthorizedKeys, name: k, spec: {keys: []}}".to_owned(),
            "`user` is missing",
        ),
        (
            "{kind: AuthorizedKeys, name: k, spec: {user: deploy}}".to_owned(),
            "`keys` is missing",
        ),
        (
            "{kind: AuthorizedKeys, name: k, spec: {user: deploy, keys: [x]}}".to_owned(),
            "this is no public key",
        ),
        (
            format!(
                "{{kind: AuthorizedKeys, name: k, spec: {{user: deploy, keys: ['{ALICE}', '{ALICE} x']}}}}"
            ),
            "this key is listed twice",
        ),
        (
            format!(
                "{{kind: AuthorizedKeys, name: k, spec: {{user: deploy, keys: [\"{ALICE}\\n{EVE}\"]}}}}"
            ),
            "this is no public key",
        ),
        (
            "{kind: Symlink, name: l, spec: {path: /l}}".to_owned(),
            "`target` is missing",
        ),
        (
            "{kind: Symlink, name: l, spec: {path: /l, target: \"\"}}".to_owned(),
            "this is no target of a link",
        ),
        (
            "{kind: Symlink, name: l, spec: {path: /l, state: absent, target: x}}".to_owned(),
            "a link that is absent has no such thing",
        ),
        (
            "{kind: PrivilegedFiles, name: p, spec: {allow: []}}".to_owned(),
            "`paths` is missing",
        ),
        (
            "{kind: PrivilegedFiles, name: p, spec: {paths: []}}".to_owned(),
            "no place is given",
        ),
        (
            "{kind: PrivilegedFiles, name: p, spec: {paths: [/usr], allow: [su]}}".to_owned(),
            "the path is not absolute",
        ),
        (
            "{kind: PrivilegedFiles, name: p, spec: {paths: [/usr], allow: [/su, {path: /su}]}}"
                .to_owned(),
            "/su is listed twice",
        ),
        (
            "{kind: PrivilegedFiles, name: p, spec: {paths: [/usr], ignore: ['[']}}".to_owned(),
            "this is no glob",
        ),
    ] {
        let said = fixture.problems(&document);
        assert!(said.contains(problem), "{document}: {said}");
    }
}

// Goal: a link counts by its target, and whatever stands in its place is replaced and brought back.
#[test]
fn links_are_kept() {
    let fixture = Fixture::new();
    let manifest = "{kind: Symlink, name: l, spec: {path: /l, target: ../real}}\n---\n{kind: Symlink, name: gone, spec: {path: /gone, state: absent}}";
    assert_eq!(fixture.look(manifest).drifts(), ["Missing Symlink /l"]);
    fixture.reconcile(manifest);
    std::fs::remove_file(fixture.path("l")).unwrap();
    symlink("/evil", fixture.path("l")).unwrap();
    symlink("/evil", fixture.path("gone")).unwrap();
    assert_eq!(
        fixture.look(manifest).drifts(),
        ["Extra Symlink /gone", "Changed Symlink /l: target"]
    );
    let undo = fixture.reconcile(manifest);
    assert_eq!(
        std::fs::read_link(fixture.path("l")).unwrap().to_str(),
        Some("../real")
    );
    fixture.undo(&undo);
    assert_eq!(
        std::fs::read_link(fixture.path("l")).unwrap().to_str(),
        Some("/evil")
    );
    std::fs::remove_file(fixture.path("l")).unwrap();
    fixture.write("l", "a file", 0o600);
    assert_eq!(
        fixture.look(manifest).drifts()[1],
        "Changed Symlink /l: target type"
    );
    fixture.reconcile(manifest);
    assert!(fixture.path("l").is_symlink());
}

const PRIVILEGED: &str = r#"
{kind: PrivilegedFiles, name: p, spec: {paths: [/usr, /opt], ignore: [/usr/share/**],
  allow: [/usr/bin/su, {path: /usr/bin/ping, mode: "0755", capabilities: "cap_net_raw=ep"}, /usr/bin/not-there]}}
"#;

// Goal: any setuid or setgid file that git does not list is found however deep it lies, loses its power and keeps its
// content; directories and allowed files do not count.
#[test]
fn unlisted_power_is_taken_away() {
    let fixture = Fixture::new();
    fixture.write("usr/bin/su", "su", 0o4755);
    fixture.write("usr/bin/plain", "x", 0o755);
    fixture.write("usr/share/ignored", "x", 0o4755);
    fixture.write("elsewhere", "x", 0o4755);
    std::fs::create_dir_all(fixture.path("opt/shared")).unwrap();
    chmod(&fixture.path("opt/shared"), 0o2775);
    let looked = fixture.look(PRIVILEGED);
    assert_eq!(looked.drifts(), Vec::<String>::new());
    assert_eq!(looked.comparison.clean.len(), 1);
    fixture.write("usr/lib/x/.hidden/sh", "shell", 0o6755);
    fixture.write("opt/tool", "tool", 0o2711);
    fixture.write("usr/bin/ping", "ping", 0o4755);
    let looked = fixture.look(PRIVILEGED);
    assert_eq!(
        looked.drifts(),
        [
            "Extra File /opt/tool",
            "Extra File /usr/bin/ping",
            "Extra File /usr/lib/x/.hidden/sh",
        ]
    );
    let fields: Vec<_> = looked
        .comparison
        .drifts
        .iter()
        .map(|drift| drift.fields[0].path.as_str())
        .collect();
    assert_eq!(fields, ["mode", "capabilities", "mode"]);
    if !is_root() {
        eprintln!("not root: capabilities are not put");
        return;
    }
    let undo = fixture.reconcile(PRIVILEGED);
    assert!(fixture.look(PRIVILEGED).drifts().is_empty());
    let mode = |path: &str| std::fs::metadata(fixture.path(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("usr/lib/x/.hidden/sh"), 0o755);
    assert_eq!(mode("opt/tool"), 0o711);
    assert_eq!(mode("usr/bin/ping"), 0o755);
    assert_eq!(std::fs::read(fixture.path("opt/tool")).unwrap(), b"tool");
    fixture.undo(&undo);
    assert_eq!(mode("usr/lib/x/.hidden/sh"), 0o6755);
}

// Goal: one powerful file in an unlisted directory is one drift and not two that get in each other's way; one that a
// File manages is that File's to judge.
#[test]
fn power_is_judged_once() {
    let fixture = Fixture::new();
    fixture.write("usr/local/evil/sh", "x", 0o4755);
    fixture.write("usr/local/sh", "x", 0o4755);
    fixture.write("usr/local/managed", "x", 0o4755);
    let manifest = format!(
        "{PRIVILEGED}\n---\n{{kind: Directory, name: l, spec: {{path: /usr/local, exclusive: true}}}}\n---\n{{kind: File, name: m, spec: {{path: /usr/local/managed, mode: \"4755\"}}}}"
    );
    assert_eq!(
        fixture.look(&manifest).drifts(),
        [
            "Extra Directory /usr/local/evil",
            "Extra File /usr/local/sh"
        ]
    );
    fixture.reconcile(&manifest);
    assert!(fixture.look(&manifest).drifts().is_empty());
}

// Goal: a mount below the places is not entered and makes the answer incomplete, unless it is listed or ignored.
#[test]
fn mounts_have_to_be_listed() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.path("usr/mnt")).unwrap();
    let Some(_mount) = super::mount::tmpfs(&fixture.path("usr/mnt"), "1m") else {
        eprintln!("no mounts here (not root?): not tried");
        return;
    };
    fixture.write("usr/mnt/sh", "x", 0o4755);
    let looked = fixture.look(PRIVILEGED);
    assert!(looked.drifts().is_empty());
    assert_eq!(looked.unseen(), ["Redirected //privileged-files/p"]);
    let listed = PRIVILEGED.replace("[/usr, /opt]", "[/usr, /usr/mnt]");
    let looked = fixture.look(&listed);
    assert_eq!(looked.drifts(), ["Extra File /usr/mnt/sh"]);
    assert!(looked.unseen().is_empty());
    let ignored = PRIVILEGED.replace("/usr/share/**", "/usr/mnt/**");
    assert_eq!(fixture.look(&ignored).comparison.clean.len(), 1);
}
