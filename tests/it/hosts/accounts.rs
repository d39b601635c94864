//! Accounts on a real host: what an attacker made with the host's own programs is named and put right, and taken back to
//! the byte.

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::support::{drifts, run_of};

/// `keel` and `deploy` are other tests'.
const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Accounts
metadata: { name: people }
spec:
  login: [root, alice, deploy, keel]
  sudo:
    alice: ["(root) NOPASSWD:/usr/bin/id"]
---
apiVersion: host.evenkeel.dev/v1
kind: User
metadata: { name: alice }
spec: { uid: 1001, shell: /bin/bash, home: /home/alice, exclusiveGroups: true }
---
apiVersion: host.evenkeel.dev/v1
kind: Group
metadata: { name: sudo }
spec: { gid: 27, members: [] }
"#;

const RULE: &str = "echo 'alice ALL = NOPASSWD: /usr/bin/id' >/etc/sudoers.d/alice-id";

/// A second root as in the recorded takeover, a user with a key, an account of the system that was opened, rights by group,
/// by a group of the same number and by a rule of sudo, and a line that no program of the host would write.
const ATTACK: &str = r#"
set -eu
useradd -o -u 0 -g 0 -M -d /root -s /bin/bash -c 'system daemon' sysd
usermod -p '$6$evil$SrqZ0XjX5bBvW0C6a1qT7n5vC2v1' sysd
useradd -m -s /bin/sh mallory
usermod -aG sudo,adm mallory
usermod -aG sudo alice
usermod -s /bin/bash -p '$6$evil$SrqZ0XjX5bBvW0C6a1qT7n5vC2v1' www-data
usermod -u 0 -o alice
groupadd -o -g 27 helpers
usermod -aG helpers alice
echo 'alice ALL=(ALL) CWD=/tmp NOPASSWD: ALL' >/etc/sudoers.d/zz-shop
sed -i '3i \ ghost:x:-0:0' /etc/passwd
"#;

fn sh(host: &Host<'_>, script: &str) -> String {
    host.run(&["bash", "-c", script])
}

fn files(host: &Host<'_>) -> String {
    sh(
        host,
        "cd /etc && for f in passwd shadow group gshadow; do stat -c '%n %a %U %G' $f; base64 -w0 $f; done",
    )
}

// Goal: each of these is named and nothing else is; one run puts right all that steps can, so that the host's own programs
// find no fault; sudo's rule and the group of the same number are a person's, who is told which file it is; no hash is in any
// report; an undo brings all four files back to the byte.
#[test]
fn strangers_go_and_come_back() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::of(&hosts, &["h2"], BASELINE, "") else {
        return;
    };
    // What a test that failed left goes first.
    let clean = "rm -f /etc/sudoers.d/zz-shop /etc/sudoers.d/alice-id; rm -rf /home/mallory; \
        cd /etc && for f in passwd shadow group gshadow; do [ ! -e /root/$f.good ] || mv /root/$f.good $f; done; \
        chown -R alice:alice /home/alice";
    sh(&host, clean);
    sh(
        &host,
        "cd /etc && for f in passwd shadow group gshadow; do cp -a $f /root/$f.good; done",
    );
    sh(&host, RULE);
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());

    let good = files(&host);
    sh(&host, ATTACK);
    let bad = files(&host);
    let plan = fleet.json(3, "plan");
    assert!(!plan.to_string().contains("$6$evil"));
    assert_eq!(
        drifts(&plan),
        [
            "h2/Accounts/people/sudo",
            "h2/Group/sudo",
            "h2/User///user/alice/in/helpers",
            "h2/User///user/alice/in/sudo",
            "h2/User///user/ghost",
            "h2/User///user/mallory",
            "h2/User///user/sysd",
            "h2/User///user/www-data",
            "h2/User/alice",
        ]
    );
    let done = fleet.json(3, "reconcile");
    assert_eq!(
        drifts(&done),
        ["h2/Accounts/people/sudo", "h2/Group/sudo"],
        "{done}"
    );
    let said = fleet.run(&["plan"]).expect(3).stdout;
    assert!(said.contains("/etc/sudoers.d/zz-shop)"), "{said}");
    assert!(said.contains("helpers stands for the number"), "{said}");
    for gone in ["sysd", "mallory", "ghost"] {
        sh(
            &host,
            &format!(
                "! getent passwd {gone} && ! grep -w {gone} /etc/passwd /etc/shadow /etc/group /etc/gshadow"
            ),
        );
    }
    assert_eq!(
        sh(&host, "id -nG www-data alice; id -u alice"),
        sh(&host, "id -nG www-data alice; echo 1001")
    );
    assert_eq!(
        sh(&host, "getent passwd www-data | cut -d: -f7"),
        "/usr/sbin/nologin"
    );
    sh(
        &host,
        "pwck -rq | grep -v 'directory .* does not exist\\|no changes' || true; grpck -r",
    );
    let login = host.ssh().args(["h2", "true"]).status().unwrap();
    assert!(login.success());

    // What a person does, by the sentences.
    sh(&host, "rm /etc/sudoers.d/zz-shop; groupdel helpers");
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    assert_eq!(
        sh(&host, "cut -d: -f1,3- /etc/passwd"),
        sh(&host, "cut -d: -f1,3- /root/passwd.good")
    );
    sh(&host, "groupadd -o -g 27 helpers");
    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    assert_eq!(files(&host), bad);
    sh(&host, clean);
    assert_eq!(files(&host), good);
}

// Goal: where sudo cannot be asked, or takes rules from elsewhere, its rights are not evaluated, with the reason, while
// accounts are; the host's own settings for the program that is asked leave nothing out.
#[test]
fn what_sudo_cannot_tell_is_not_clean() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let Some(fleet) = Fleet::of(&hosts, &["h2"], BASELINE, "") else {
        return;
    };
    sh(&host, RULE);
    for (spoil, mend, says) in [
        (
            "echo 'x y z' >/etc/sudoers.d/broken",
            "rm /etc/sudoers.d/broken",
            "syntax error",
        ),
        (
            "cp -a /etc/sudo.conf /root/ 2>/dev/null; echo 'Plugin sudoers_policy sudoers.so sudoers_file=/tmp/s' >>/etc/sudo.conf",
            "sed -i '/sudoers_file/d' /etc/sudo.conf",
            "/etc/sudo.conf",
        ),
        (
            "mv /usr/bin/cvtsudoers /root/",
            "mv /root/cvtsudoers /usr/bin/",
            "no cvtsudoers",
        ),
    ] {
        sh(&host, spoil);
        let report = fleet.json(4, "plan");
        sh(&host, mend);
        let reasons = Fleet::reasons(&report, "h2");
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].contains(says), "{says}: {reasons:?}");
    }
    sh(
        &host,
        "echo 'match = user = nobody' >/etc/cvtsudoers.conf; rm /etc/sudoers.d/alice-id",
    );
    let plan = fleet.json(3, "plan");
    sh(&host, "rm /etc/cvtsudoers.conf");
    assert_eq!(drifts(&plan), ["h2/Accounts/people/sudo"]);
}
