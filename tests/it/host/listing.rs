//! `Accounts`: who may log in and who is root, listed completely, and what is made of who is not listed.

use super::fixture::Fixture;

const FILES: [&str; 4] = ["passwd", "shadow", "group", "gshadow"];
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/bash\n";
const SHADOW: &str = "root:*:19000:0:99999:7:::\nwww-data:*:18000:0:99999:7:::\nalice:$6$salt$hash:19001:0:99999:7:::\n";
const GROUP: &str = "root:x:0:\nsudo:x:27:alice\nwww-data:x:33:\nalice:x:1000:\n";
const GSHADOW: &str = "root:*::\nsudo:*::alice\nwww-data:*::\nalice:!::\n";
const OPS: &str = "{kind: Accounts, name: ops, spec: {login: [root, alice]}}\n";

fn with_accounts() -> Fixture {
    let fixture = Fixture::new();
    for (name, text) in FILES.into_iter().zip([PASSWD, SHADOW, GROUP, GSHADOW]) {
        fixture.write(&format!("etc/{name}"), text, 0o640);
    }
    fixture
}

fn all(fixture: &Fixture) -> [String; 4] {
    FILES.map(|name| {
        let bytes = std::fs::read(fixture.path(&format!("etc/{name}"))).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn insert(fixture: &Fixture, name: &str, before: &str, line: impl AsRef<[u8]>) {
    let path = fixture.path(&format!("etc/{name}"));
    let text = std::fs::read(&path).unwrap();
    let mut places = text.windows(before.len());
    let at = places
        .position(|window| window == before.as_bytes())
        .unwrap();
    let (head, tail) = text.split_at(at);
    std::fs::write(&path, [head, line.as_ref(), tail].concat()).unwrap();
}

fn edit(fixture: &Fixture, name: &str, from: &str, to: &str) {
    let path = fixture.path(&format!("etc/{name}"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{name} has no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

// Goal: accounts that somebody put between the others, with their own groups and in others' groups, are each named, go
// wholly in one run, and come back to the very bytes; a hash that a way back needs survives that and is never shown.
#[test]
fn unlisted_accounts_go_and_come_back() {
    let fixture = with_accounts();
    assert_eq!(fixture.look(OPS).drifts(), Vec::<String>::new());
    let between = |file: &str, lines: &str| insert(&fixture, file, "alice:", lines);
    between(
        "passwd",
        "daemon:x:1:1::/:/usr/sbin/nologin\nsysd:x:0:0::/tmp:/bin/bash\nmallory:x:1666:1666::/home/m:/usr/sbin/nologin\nkeys:x:1667:1667::/home/k:/bin/sh\n",
    );
    between(
        "shadow",
        "sysd:$6$e$vil:1:0:9:7:::\nmallory:$6$m$m:1:::::\n",
    );
    between("group", "mallory:x:1666:\n");
    between("gshadow", "mallory:!::\n");
    edit(
        &fixture,
        "group",
        "sudo:x:27:alice",
        "sudo:x:27:mallory,alice,keys",
    );
    edit(
        &fixture,
        "gshadow",
        "sudo:*::alice",
        "sudo:*::mallory,alice",
    );
    let tampered = all(&fixture);
    let looked = fixture.look(OPS);
    let extra = ["keys", "mallory", "sysd"].map(|name| format!("Extra User //user/{name}"));
    assert_eq!(looked.drifts(), extra);
    assert_eq!(looked.snapshot.contents.iter().count(), 0);
    let undo = fixture.reconcile(OPS);
    assert_eq!(fixture.look(OPS).drifts(), Vec::<String>::new());
    let [passwd, shadow, group, gshadow] = all(&fixture);
    // What lets nobody in is nobody's business.
    assert_eq!(
        passwd.replace("daemon:x:1:1::/:/usr/sbin/nologin\n", ""),
        PASSWD
    );
    assert_eq!([shadow, group, gshadow], [SHADOW, GROUP, GSHADOW]);
    fixture.undo(&undo);
    assert_eq!(all(&fixture), tampered);
}

// Goal: a group that is in order and an account that is not are put right in one run, although the account's going takes it
// out of the group as well.
#[test]
fn a_group_and_a_stranger_in_it_in_one_run() {
    let fixture = with_accounts();
    insert(&fixture, "passwd", "alice:", "sysd:x:0:0::/tmp:/bin/bash\n");
    insert(&fixture, "group", "alice:", "docker:x:50:sysd\n");
    edit(&fixture, "group", "sudo:x:27:alice", "sudo:x:27:sysd,alice");
    let tampered = all(&fixture);
    let yaml = format!("{OPS}---\n{{kind: Group, name: sudo, spec: {{members: [alice]}}}}\n");
    assert_eq!(
        fixture.look(&yaml).drifts(),
        [
            "Changed Group //group/sudo: members.sysd",
            "Extra User //user/sysd"
        ]
    );
    let undo = fixture.reconcile(&yaml);
    assert_eq!(fixture.look(&yaml).drifts(), Vec::<String>::new());
    assert!(all(&fixture).iter().all(|text| !text.contains("sysd")));
    fixture.undo(&undo);
    assert_eq!(all(&fixture), tampered);
}

// Goal: an account of the system that was opened is closed again and stays, since something may run as it; root keeps its
// line and loses a password that git does not list.
#[test]
fn accounts_of_the_system_are_disarmed() {
    let fixture = with_accounts();
    edit(
        &fixture,
        "passwd",
        "/var/www:/usr/sbin/nologin",
        "/var/www:/bin/sh",
    );
    edit(&fixture, "shadow", "www-data:*", "www-data:$6$e$vil");
    edit(&fixture, "shadow", "root:*", "root:$6$r$oot");
    let tampered = all(&fixture);
    let ops = "{kind: Accounts, name: ops, spec: {login: [alice]}}\n";
    assert_eq!(
        fixture.look(ops).drifts(),
        ["Extra User //user/root", "Extra User //user/www-data"]
    );
    let undo = fixture.reconcile(ops);
    assert_eq!(fixture.look(ops).drifts(), Vec::<String>::new());
    let [passwd, shadow, ..] = all(&fixture);
    assert_eq!(passwd, PASSWD);
    assert_eq!(shadow, SHADOW.replace(":*:", ":!:"));
    fixture.undo(&undo);
    assert_eq!(all(&fixture), tampered);
}

// Goal: a person who was made root is not removed but told of; with a `User` that says her number she is put right. Which of
// two lines of root is the right one nobody but a person can say.
#[test]
fn a_listed_person_is_not_removed() {
    let fixture = with_accounts();
    edit(&fixture, "passwd", "alice:x:1000", "alice:x: 0");
    let looked = fixture.look(OPS);
    assert_eq!(looked.drifts(), ["Extra User //user/alice"]);
    let by_hand = |looked: &super::fixture::Looked| looked.comparison.drifts[0].by_hand.clone();
    assert!(by_hand(&looked).unwrap().contains("`uid`"));
    assert_eq!(looked.plan.steps(), 0);
    let both = format!("{OPS}---\n{{kind: User, name: alice, spec: {{uid: 1000}}}}\n");
    fixture.reconcile(&both);
    assert_eq!(fixture.look(&both).drifts(), Vec::<String>::new());
    assert_eq!(all(&fixture)[0], PASSWD);

    insert(&fixture, "passwd", "www-data:", "root:x:0:0::/:/bin/sh\n");
    let looked = fixture.look(OPS);
    assert_eq!(looked.drifts(), ["Extra User //user/root"]);
    assert!(by_hand(&looked).unwrap().contains("2 lines"));
}

// Goal: no odd line hides an account: blanks before a name, a line that ends early, a NUL, bytes that are no text, a slash
// or an escape in a name, a shadow line whose account is to come, lines that others than glibc may take for one.
#[test]
fn odd_lines_hide_nobody() {
    let fixture = with_accounts();
    let odd = b"\t ghost:x:0:0\nnul:x:+0:0:::/bin/false\0:\n\xff\xfe:x:00:0:::/bin/sh\na/b\\x2f:x:0:0:::/bin/sh\r\n:x:0:0:::/bin/sh\n+nis::0:0:::\nlate:x:zero:0:::/bin/sh\n";
    insert(&fixture, "passwd", "alice:", odd);
    insert(&fixture, "shadow", "alice:", "coming:$6$a$b:1::::::\n");
    let tampered = std::fs::read(fixture.path("etc/passwd")).unwrap();
    let looked = fixture.look(OPS);
    assert_eq!(
        looked.drifts(),
        [
            "Changed Accounts //accounts/ops: unreadable.line 7 unreadable.line 8 unreadable.line 9",
            "Extra User //user/\\xff\\xfe",
            "Extra User //user/a\\x2fb\\x5cx2f",
            "Extra User //user/coming",
            "Extra User //user/ghost",
            "Extra User //user/nul",
        ]
    );
    let undo = fixture.reconcile(OPS);
    // Only what a person has to look at is left.
    assert_eq!(fixture.look(OPS).drifts().len(), 1);
    fixture.undo(&undo);
    assert_eq!(std::fs::read(fixture.path("etc/passwd")).unwrap(), tampered);
}

// Goal: a list that cannot be whole is never clean: without shadow, and with more accounts than are listed.
#[test]
fn what_cannot_be_whole_is_not_clean() {
    let fixture = with_accounts();
    std::fs::remove_file(fixture.path("etc/shadow")).unwrap();
    insert(&fixture, "passwd", "alice:", "evil:x:0:0:::/bin/sh\n");
    let looked = fixture.look(OPS);
    assert_eq!(looked.drifts(), Vec::<String>::new());
    assert_eq!(
        looked.unseen(),
        ["Unsupported //accounts/ops", "Unsupported //user/evil"]
    );

    let fixture = with_accounts();
    let flood: String = (0..20_000).map(|n| format!("u{n}:x:0:0\n")).collect();
    insert(&fixture, "passwd", "alice:", flood);
    let looked = fixture.look(OPS);
    assert_eq!(looked.unseen(), ["TooLarge //accounts/ops"]);
    assert_eq!(looked.comparison.drifts.len(), 1000);
}

// Goal: sudo is not evaluated where there is no running system to ask, and the accounts are all the same; a list without
// root, a name twice and a map that is none are refused.
#[test]
fn what_is_said_of_sudo_is_checked() {
    let fixture = with_accounts();
    let looked =
        fixture.look("{kind: Accounts, name: ops, spec: {login: [root], sudo: {alice: [ALL]}}}\n");
    assert_eq!(looked.drifts(), ["Extra User //user/alice"]);
    assert_eq!(looked.unseen(), ["Unsupported //accounts/ops/sudo"]);
    for (spec, says) in [
        ("{uid0: [alice]}", "root always is root"),
        ("{login: [alice, alice]}", "listed twice"),
        ("{sudo: [alice]}", "expected a map"),
        (
            "{sudo: {alice: ['(root) ALL', ALL]}}",
            "right is listed twice",
        ),
        ("{logins: []}", "unknown field"),
    ] {
        let problems = fixture.problems(&format!("{{kind: Accounts, name: a, spec: {spec}}}\n"));
        assert!(problems.contains(says), "{spec}: {problems}");
    }
}
