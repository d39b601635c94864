//! Accounts and groups: what is seen of them, what putting them right leaves, and what hostile files can do.

use std::collections::BTreeMap;

use super::fixture::{Fixture, block};
use evenkeel::model::{Observed, Step};
use evenkeel::ports::{ActContext, ActError};

const FILES: [&str; 4] = ["passwd", "shadow", "group", "gshadow"];
/// An odd one of each: comments, no name service, a broken line, bytes that are no text, and no newline at the end.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n# people\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\nbroken:x\n\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\r\n+::::::";
const SHADOW: &str = "root:$6$root$aaaa:19000:0:99999:7:::\nalice:$6$salt$hash:19001:0:99999:7:::\nwww-data:*:18000:0:99999:7:::\n";
const GROUP: &str =
    "root:x:0:\nsudo:x:27:alice\nadm:x:4:syslog,alice,carol\nalice:x:1000:\nwww-data:x:33:\n";
const GSHADOW: &str =
    "root:*::\nsudo:*::alice\nadm:*:syslog:syslog,alice,carol\nalice:!::\nwww-data:*::\n";

fn with_accounts() -> Fixture {
    let fixture = Fixture::new();
    for (name, text) in FILES.into_iter().zip([PASSWD, SHADOW, GROUP, GSHADOW]) {
        fixture.write(&format!("etc/{name}"), text, 0o640);
    }
    fixture
}

fn read(fixture: &Fixture, name: &str) -> String {
    let bytes = std::fs::read(fixture.path(&format!("etc/{name}"))).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn all(fixture: &Fixture) -> [String; 4] {
    FILES.map(|name| read(fixture, name))
}

fn append(fixture: &Fixture, name: &str, line: impl AsRef<[u8]>) {
    let path = fixture.path(&format!("etc/{name}"));
    let mut text = std::fs::read(&path).unwrap();
    text.extend(line.as_ref());
    std::fs::write(path, text).unwrap();
}

fn edit(fixture: &Fixture, name: &str, from: &str, to: &str) {
    let text = read(fixture, name);
    assert!(text.contains(from), "{name} has no {from}");
    let path = fixture.path(&format!("etc/{name}"));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

const ALICE: &str = "{kind: User, name: alice, spec: {uid: 1000, group: 1000, comment: 'Alice,,,', home: /home/alice, shell: /bin/bash, groups: [sudo, adm], exclusiveGroups: true, password: set}}\n";

// Goal: an account as it should be is clean, whatever else is in the files; each field that somebody changes is named, is
// put right without touching another byte, and undo brings back exactly what was there.
#[test]
fn an_account_is_put_right_and_back() {
    let fixture = with_accounts();
    assert_eq!(fixture.look(ALICE).drifts(), Vec::<String>::new());
    let changes: [(&str, &str, &str, &str); 6] = [
        (
            "passwd",
            "alice:x:1000:1000",
            "alice:x:0:1000",
            "uid superuser",
        ),
        ("passwd", ":/bin/bash\nbroken", ":/bin/zsh\nbroken", "shell"),
        ("passwd", "Alice,,,:/home/alice", "Eve:/tmp", "gecos home"),
        ("passwd", "alice:x:", "alice::", "without_password"),
        (
            "passwd",
            "# people\n",
            "alice:x:7:7:::/bin/sh\n",
            "gecos gid home lines shell uid",
        ),
        (
            "shadow",
            "alice:$6$salt$hash",
            "alice:",
            "password without_password",
        ),
    ];
    for (file, from, to, fields) in changes {
        let clean = all(&fixture);
        edit(&fixture, file, from, to);
        let tampered = all(&fixture);
        let drifts = fixture.look(ALICE).drifts();
        assert_eq!(drifts.len(), 1, "{drifts:?}");
        assert!(
            drifts[0].starts_with("Changed User //user/alice: "),
            "{drifts:?}"
        );
        for field in fields.split(' ') {
            assert!(drifts[0].contains(field), "{field}: {drifts:?}");
        }
        let undo = fixture.reconcile(ALICE);
        let left = fixture.look(ALICE).drifts();
        if fields.contains("password") {
            // The hash that was there is gone for good: what is left is locked, for a person to set one.
            assert!(read(&fixture, "shadow").contains("alice:!:19001:0:99999:7:::\n"));
        } else {
            assert_eq!(left, Vec::<String>::new());
            assert!(
                read(&fixture, "passwd")
                    .contains("alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n")
            );
        }
        fixture.undo(&undo);
        assert_eq!(all(&fixture), tampered);
        for (name, text) in FILES.into_iter().zip(&clean) {
            std::fs::write(fixture.path(&format!("etc/{name}")), text).unwrap();
        }
    }
}

// Goal: an account that is missing is made locked, with its groups, before the lines of NIS; one that has to go leaves no
// trace in any file; undo of both is exact, the hash included.
#[test]
fn accounts_come_and_go() {
    let fixture = with_accounts();
    let before = all(&fixture);
    let bob = "{kind: Group, name: bobs, spec: {gid: 1001}}\n---\n{kind: User, name: bob, spec: {uid: 1001, group: bobs, groups: [sudo, bobs]}}\n";
    let undo = fixture.reconcile(bob);
    assert_eq!(fixture.look(bob).drifts(), Vec::<String>::new());
    assert!(
        read(&fixture, "passwd").contains("\nbob:x:1001:1001::/home/bob:/usr/sbin/nologin\n+::")
    );
    assert!(read(&fixture, "shadow").ends_with("\nbob:!::0:99999:7:::\n"));
    assert!(read(&fixture, "group").contains("sudo:x:27:alice,bob\n"));
    assert!(read(&fixture, "group").ends_with("bobs:x:1001:bob\n"));
    assert!(read(&fixture, "gshadow").ends_with("bobs:!::bob\n"));
    fixture.undo(&undo);
    assert_eq!(all(&fixture), before);

    let gone = "{kind: User, name: alice, spec: {state: absent}}\n";
    let undo = fixture.reconcile(gone);
    assert!(
        all(&fixture).iter().all(|text| !text.contains("alice")),
        "{:?}",
        all(&fixture)
    );
    assert_eq!(
        read(&fixture, "group"),
        "root:x:0:\nsudo:x:27:\nadm:x:4:syslog,carol\nwww-data:x:33:\n"
    );
    fixture.undo(&undo);
    assert_eq!(all(&fixture), before);
}

// Goal: a group has exactly its members, in both files, and lets nobody in by a password; a second group of its number is
// told; undo brings the lists back in their order.
#[test]
fn a_group_has_its_members() {
    let fixture = with_accounts();
    let sudo = "{kind: Group, name: sudo, spec: {gid: 27, members: [alice]}}\n";
    assert_eq!(fixture.look(sudo).drifts(), Vec::<String>::new());
    edit(&fixture, "group", "sudo:x:27:alice", "sudo:x:27:eve, alice");
    edit(
        &fixture,
        "gshadow",
        "sudo:*::alice",
        "sudo:$6$a$b:mallory:mallory,alice",
    );
    let tampered = all(&fixture);
    assert_eq!(
        fixture.look(sudo).drifts(),
        ["Changed Group //group/sudo: members.eve members.mallory password"]
    );
    let undo = fixture.reconcile(sudo);
    assert_eq!(fixture.look(sudo).drifts(), Vec::<String>::new());
    assert_eq!(read(&fixture, "group"), GROUP);
    assert!(read(&fixture, "gshadow").contains("sudo:!::alice\n"));
    fixture.undo(&undo);
    assert_eq!(all(&fixture), tampered);

    let fixture = with_accounts();
    append(&fixture, "group", "helpers:x:27:eve\n");
    let looked = fixture.look(sudo);
    assert_eq!(looked.drifts(), ["Changed Group //group/sudo: same_gid"]);
    assert!(
        looked.comparison.drifts[0]
            .by_hand
            .as_ref()
            .unwrap()
            .contains("helpers")
    );
    let absent = "{kind: Group, name: helpers, spec: {state: absent}}\n";
    let undo = fixture.reconcile(absent);
    assert_eq!(read(&fixture, "group"), GROUP);
    assert_eq!(fixture.look(sudo).drifts(), Vec::<String>::new());
    fixture.undo(&undo);
    assert!(read(&fixture, "group").ends_with("helpers:x:27:eve\n"));
}

// Goal: with exclusiveGroups a membership that git does not list goes and nothing else does; without it, it stays.
#[test]
fn memberships_are_told_one_by_one() {
    let fixture = with_accounts();
    edit(&fixture, "gshadow", "www-data:*::", "www-data:*::alice");
    edit(&fixture, "group", "sudo:x:27:alice", "sudo:x:27:");
    let tampered = all(&fixture);
    let listed = ALICE.replace(", exclusiveGroups: true", "");
    let half = "Changed User //user/alice/in/sudo: member";
    assert_eq!(fixture.look(&listed).drifts(), [half]);
    let extra = "Extra User //user/alice/in/www-data";
    assert_eq!(fixture.look(ALICE).drifts(), [extra, half]);
    let undo = fixture.reconcile(ALICE);
    assert_eq!(all(&fixture), [PASSWD, SHADOW, GROUP, GSHADOW]);
    fixture.undo(&undo);
    assert_eq!(all(&fixture), tampered);
}

// Goal: no content of a shadow file is among what may be shown, whatever differs, and what is kept for undo is.
#[test]
fn hashes_are_kept_and_never_shown() {
    let fixture = with_accounts();
    let locked = ALICE.replace("password: set", "password: locked");
    let looked = fixture.look(&locked);
    assert_eq!(looked.drifts(), ["Changed User //user/alice: password"]);
    assert_eq!(looked.snapshot.contents.iter().count(), 0);
    assert!(!format!("{:?}", looked.comparison).contains("$6$"));
    let host = fixture.host();
    let step = &looked.plan.groups[0].steps[0];
    let kept = fixture.capture(host.as_ref(), step).unwrap().contents;
    assert!(
        kept.iter()
            .any(|(_, bytes)| bytes.as_ref() == b"$6$salt$hash")
    );
    fixture.reconcile(&locked);
    assert!(read(&fixture, "shadow").contains("alice:!:19001:"));
}

// Goal: what the files cannot tell is not evaluated, and never clean, missing or extra.
#[test]
fn unreadable_files_tell_nothing() {
    type Deed<'a> = &'a dyn Fn(&Fixture);
    let cases: [(&str, Deed<'_>); 4] = [
        ("TooLarge", &|fixture| {
            append(fixture, "passwd", vec![b'#'; 3 << 20])
        }),
        ("Unsupported", &|fixture| {
            std::fs::remove_file(fixture.path("etc/shadow")).unwrap()
        }),
        ("Unsupported", &|fixture| {
            std::fs::remove_file(fixture.path("etc/group")).unwrap();
            std::fs::create_dir(fixture.path("etc/group")).unwrap();
        }),
        ("Redirected", &|fixture| {
            std::fs::rename(fixture.path("etc"), fixture.path("real")).unwrap();
            std::os::unix::fs::symlink("real", fixture.path("etc")).unwrap();
        }),
    ];
    let alice = "{kind: User, name: alice, spec: {uid: 1000, shell: /bin/bash}}\n";
    for (code, break_it) in cases {
        let fixture = with_accounts();
        break_it(&fixture);
        let looked = fixture.look(alice);
        assert_eq!(looked.drifts(), Vec::<String>::new(), "{code}");
        assert_eq!(looked.unseen(), [format!("{code} //user/alice")]);
    }
}

fn one_step(fixture: &Fixture, yaml: &str) -> Step {
    let looked = fixture.look(yaml);
    assert_eq!(looked.plan.steps(), 1, "{:?}", looked.drifts());
    looked.plan.groups[0].steps[0].clone()
}

// Goal: an account that somebody adds between the plan and the step is not lost, and one that changed is not overwritten.
#[test]
fn a_change_of_somebody_else_stays() {
    let fixture = with_accounts();
    let host = fixture.host();
    edit(&fixture, "passwd", "alice:x:1000:", "alice:x:0:");
    let step = one_step(&fixture, ALICE);
    edit(&fixture, "passwd", "# people", "carol:x:1002:1002:::");
    fixture.act(host.as_ref(), &step).unwrap();
    assert!(read(&fixture, "passwd").contains("carol:x:1002:1002:::\nalice:x:1000:"));

    edit(&fixture, "passwd", "alice:x:1000:", "alice:x:0:");
    let step = one_step(&fixture, ALICE);
    edit(
        &fixture,
        "passwd",
        "/home/alice:/bin/bash",
        "/home/alice:/bin/sh",
    );
    let context = ActContext {
        contents: &fixture,
        nonce: "n0nce",
    };
    let result = block(host.apply(&step, &context));
    assert!(matches!(result, Err(ActError::Stale { .. })), "{result:?}");
}

// Goal: while another process holds the lock of useradd nothing is changed, and the sentence says who is in the way.
#[test]
fn the_lock_of_useradd_is_respected() {
    let fixture = with_accounts();
    fixture.write("etc/.pwd.lock", "", 0o600);
    let before = all(&fixture);
    edit(&fixture, "passwd", "alice:x:1000:", "alice:x:0:");
    let step = one_step(&fixture, ALICE);
    // A lock of this process would not stop it; python is among the peers, and holds it until its input ends.
    let holder = "import fcntl,sys\nf=open(sys.argv[1],'w')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.read()";
    let mut child = std::process::Command::new("python3")
        .args(["-c", holder])
        .arg(fixture.path("etc/.pwd.lock"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    let host = fixture.host();
    fixture.capture(host.as_ref(), &step).unwrap();
    let context = ActContext {
        contents: &fixture,
        nonce: "n0nce",
    };
    let result = block(host.apply(&step, &context));
    drop(child.stdin.take());
    child.wait().unwrap();
    match result {
        Err(ActError::Refused(why)) => assert!(why.contains("/etc/.pwd.lock"), "{why}"),
        other => panic!("{other:?}"),
    }
    block(host.apply(&step, &context)).unwrap();
    assert_eq!(all(&fixture), before);
}

// Goal: whatever a killed step left beside the files is cleaned up, unless somebody else's change is in it; then that
// comes back.
#[test]
fn leftovers_are_cleaned_up_and_foreign_ones_put_back() {
    let fixture = with_accounts();
    let host = fixture.host();
    let gone = "{kind: User, name: alice, spec: {state: absent}}\n";
    let step = one_step(&fixture, gone);
    let made = PASSWD.replace("alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n", "");
    let left = "etc/.evenkeel-n0nce-passwd";
    // Complete, and not yet in place.
    fixture.write(left, &made, 0o600);
    fixture.write("etc/.evenkeel-n0nce-group.new", "half", 0o600);
    block(host.tidy(&step, "n0nce")).unwrap();
    assert_eq!(fixture.leftovers(), Vec::<std::path::PathBuf>::new());
    assert_eq!(read(&fixture, "passwd"), PASSWD);
    // In place, and what stood there not yet gone.
    fixture.write("etc/passwd", &made, 0o640);
    fixture.write(left, PASSWD, 0o640);
    block(host.tidy(&step, "n0nce")).unwrap();
    assert_eq!(read(&fixture, "passwd"), made);
    // What was displaced has an account that nobody has seen.
    let foreign = PASSWD.replace("# people", "carol:x:1002:1002:::");
    fixture.write(left, &foreign, 0o640);
    block(host.tidy(&step, "n0nce")).unwrap();
    assert_eq!(read(&fixture, "passwd"), foreign);
    assert_eq!(fixture.leftovers(), Vec::<std::path::PathBuf>::new());
}

// Goal: an account half of which is gone, as after a kill between two files, is seen by the next plan and goes wholly;
// half of one that has to be is made whole.
#[test]
fn half_an_account_converges() {
    let gone = "{kind: User, name: alice, spec: {state: absent}}\n";
    let fixture = with_accounts();
    edit(
        &fixture,
        "shadow",
        "alice:$6$salt$hash:19001:0:99999:7:::\n",
        "",
    );
    edit(&fixture, "group", "alice:x:1000:\n", "");
    fixture.reconcile(gone);
    assert!(!read(&fixture, "passwd").contains("alice"));
    let fixture = with_accounts();
    edit(
        &fixture,
        "passwd",
        "alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n",
        "",
    );
    fixture.reconcile(ALICE);
    assert_eq!(fixture.look(ALICE).drifts(), Vec::<String>::new());
    assert_eq!(read(&fixture, "shadow"), SHADOW);
}

// Goal: git's own numbers stand for its names, so that what belongs to a user that is yet to be made, or whom somebody
// shadows by a line of his, is not left out or given to another.
#[test]
fn names_mean_what_git_says() {
    let fixture = with_accounts();
    let owned = "{kind: File, name: f, spec: {path: /srv/f, content: '', owner: alice, group: team}}\n---\n{kind: Group, name: team, spec: {gid: 2000}}\n---\n";
    edit(&fixture, "passwd", "# people", "alice:x:0:0:::/bin/sh");
    append(&fixture, "passwd", "\nevil:x:0:0:::/bin/sh\n");
    let desired = fixture.desired(&format!("{owned}{ALICE}"));
    let file = desired.iter().find(|one| one.id.name == "f").unwrap();
    let fields = file.expected().unwrap();
    assert_eq!(
        (fields["uid"].as_int(), fields["gid"].as_int()),
        (Some(1000), Some(2000))
    );
}

// Goal: a baseline that contradicts itself is refused with both places, and so is what no line can hold.
#[test]
fn contradictions_are_problems() {
    let fixture = with_accounts();
    let user = "{kind: User, name: u, spec: {name: alice, uid: 1000}}\n";
    for (yaml, says) in [
        (
            format!("{user}---\n{{kind: File, name: p, spec: {{path: /etc/shadow, state: absent}}}}\n"),
            "fight with User/u",
        ),
        (
            format!("{user}---\n{{kind: User, name: v, spec: {{name: alice}}}}\n"),
            "managed by User/u already",
        ),
        (
            "{kind: User, name: a, spec: {uid: 5, groups: [g]}}\n---\n{kind: Group, name: g, spec: {members: [b]}}\n".into(),
            "do not list a",
        ),
        (
            "{kind: User, name: b, spec: {uid: 5, exclusiveGroups: true}}\n---\n{kind: Group, name: g, spec: {members: [b]}}\n".into(),
            "no other group",
        ),
        (
            "{kind: User, name: b, spec: {state: absent}}\n---\n{kind: Group, name: g, spec: {members: [b]}}\n".into(),
            "b is absent",
        ),
        ("{kind: User, name: root, spec: {state: absent}}\n".into(), "root stays"),
        ("{kind: User, name: a, spec: {name: 'a:b'}}\n".into(), "no name"),
        ("{kind: User, name: a, spec: {name: '+'}}\n".into(), "no name"),
        ("{kind: User, name: a, spec: {comment: \"x\\ny\"}}\n".into(), "no colon"),
        ("{kind: User, name: a, spec: {shell: bash}}\n".into(), "not absolute"),
        ("{kind: User, name: a, spec: {password: $6$x}}\n".into(), "not known here"),
        ("{kind: User, name: a, spec: {uid: 4294967295}}\n".into(), "out of range"),
        ("{kind: Group, name: a, spec: {gid: 1, state: absent}}\n".into(), "no other fields"),
    ] {
        let problems = fixture.problems(&yaml);
        assert!(problems.contains(says), "{yaml}{problems}");
    }
}

// Goal: an account whose number or password only a person can tell has a sentence for that person, and no step.
#[test]
fn what_git_cannot_say_is_by_hand() {
    let fixture = with_accounts();
    edit(&fixture, "shadow", "alice:$6$salt$hash", "alice:!");
    edit(&fixture, "passwd", "www-data:x:33:", "www-data:x:-0:");
    let yaml = format!(
        "{ALICE}---\n{{kind: User, name: new, spec: {{shell: /bin/sh}}}}\n---\n{{kind: User, name: www-data, spec: {{}}}}\n"
    );
    let looked = fixture.look(&yaml);
    let sentences: BTreeMap<&str, &str> = looked
        .comparison
        .drifts
        .iter()
        .map(|drift| (drift.address.0.as_str(), drift.by_hand.as_deref().unwrap()))
        .collect();
    assert!(sentences["//user/alice"].contains("passwd alice"));
    assert!(sentences["//user/new"].contains("`uid`"));
    assert!(sentences["//user/www-data"].contains("number 0"));
    assert_eq!(looked.plan.steps(), 0);
    let observed = &looked.snapshot.observations[&looked.desired[0].id].observed;
    assert!(matches!(observed, Observed::Present(_)));
}
