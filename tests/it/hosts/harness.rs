//! The harness itself: that the hosts are what the tests of hosts take them for.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use super::{Host, Hosts, NAMES, fed, succeeded, text};

const BOOT: [&str; 2] = ["cat", "/proc/sys/kernel/random/boot_id"];

fn login(host: &Host, options: &[&str], command: &str) -> Output {
    let mut ssh = host.ssh();
    ssh.args(options).args([host.name(), command]);
    fed(ssh, b"")
}

/// A session that runs until it is told to end, and the number of its process on the host's side.
fn session(host: &Host) -> (std::process::Child, String) {
    let mut ssh = host.ssh();
    let mut child = ssh
        .args([host.name(), "echo $PPID; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid = line.trim().to_owned();
    assert!(pid.parse::<u32>().is_ok(), "no session: {line:?}");
    (child, pid)
}

// Goal: a host that is not the one it is named, a user who cannot come in, or a way around the management namespace
// would make every other test of hosts say nothing.
#[test]
fn each_host_lets_each_user_in() {
    let Some(hosts) = Hosts::start() else { return };
    for name in NAMES {
        let host = hosts.take(name);
        for user in ["root", "deploy", "alice"] {
            let mut ssh = host.ssh();
            let command = "hostname; id -un; echo $SSH_CONNECTION | cut -d' ' -f1; cat";
            ssh.args([&format!("{user}@{name}"), command]);
            let output = succeeded(fed(ssh, b"in and out"));
            let expected = format!("{name}\n{user}\n198.18.0.1\nin and out");
            assert_eq!(text(&output.stdout), expected);
        }
    }
}

// Goal: a configuration that takes whatever key a host shows would hide it when evenkeel does.
#[test]
fn a_wrong_host_key_is_refused() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let of_h2 = hosts.dir.join("h2/ssh_host_ed25519_key.pub");
    let known = tempfile::NamedTempFile::new().unwrap();
    let key = std::fs::read_to_string(of_h2).unwrap();
    std::fs::write(&known, format!("h1 {key}")).unwrap();
    let option = format!("UserKnownHostsFile={}", known.path().display());
    let output = login(&host, &["-o", &option], "true");
    assert_eq!(output.status.code(), Some(255));
    let said = text(&output.stderr);
    assert!(said.contains("Host key verification failed"), "{said}");
}

// Goal: a cut that answers (a reset, "no route") instead of silence is another fault than the one that hangs programs;
// one that does not reach the host, or stays after `heal`, is none.
#[test]
fn a_cut_host_is_silent_until_healed() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    let before = host.connections();
    host.cut();
    host.cut();
    let output = login(&host, &["-o", "ConnectTimeout=1"], "true");
    assert_eq!(output.status.code(), Some(255));
    let said = text(&output.stderr);
    assert!(said.contains("timed out"), "{said}");
    assert_eq!(host.connections(), before);
    host.heal();
    host.heal();
    succeeded(login(&host, &[], "true"));
}

// Goal: a fault that outlives the test that made it would fail the next one on that host.
#[test]
fn faults_end_with_their_test() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    host.cut();
    host.fill();
    drop(host);
    let host = hosts.take("h2");
    succeeded(login(&host, &[], "echo x >/root/after; rm /root/after"));
}

// Goal: a restart that lets a process, a session or the volatile part of the tree live on is no reboot; one that loses
// the disk is a new host.
#[test]
fn a_restarted_host_keeps_its_disk_only() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    host.write("/root/kept", "kept\n");
    host.write("/run/lost", "lost\n");
    host.run(&["nft", "add", "table", "inet", "lost"]);
    let boot = host.run(&BOOT);
    let (mut open, _) = session(&host);
    host.run(&["pgrep", "-x", "cat"]);
    host.restart();
    assert_ne!(host.run(&BOOT), boot);
    // Still there: until it sends something, a client cannot know that its host forgot the connection.
    assert!(open.try_wait().unwrap().is_none());
    drop(open.stdin.take());
    assert_eq!(open.wait().unwrap().code(), Some(255));
    assert_eq!(
        host.exec(&["pgrep", "-x", "cat"], b"").status.code(),
        Some(1)
    );
    assert_eq!(host.run(&["nft", "list", "ruleset"]), "");
    assert!(
        !host
            .exec(&["test", "-e", "/run/lost"], b"")
            .status
            .success()
    );
    let output = succeeded(login(&host, &[], "cat /root/kept; rm /root/kept"));
    assert_eq!(text(&output.stdout), "kept");
}

// Goal: a disk that is full for a large file only would not find a program that leaves half a small one behind.
#[test]
fn a_full_host_has_no_room_for_a_line() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    host.fill();
    let write = "echo x >/root/line";
    let output = login(&host, &[], write);
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("No space left on device"), "{said}");
    host.unfill();
    succeeded(login(&host, &[], &format!("{write} && rm /root/line")));
}

// Goal: with a count that misses a connection, or counts the harness's own, no test can say that evenkeel needs one.
#[test]
fn connections_are_counted_one_by_one() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let before = host.connections();
    host.run(&["true"]);
    assert_eq!(host.connections(), before);
    for more in 1..=2 {
        succeeded(login(&host, &[], "true"));
        assert_eq!(host.connections(), before + more);
    }
    host.restart();
    assert_eq!(host.connections(), before + 2);
}

// Goal: a relay that outlives its killed ssh would hold the session on the host open, and what runs there would go on.
#[test]
fn a_killed_client_ends_its_session() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let (mut open, pid) = session(&host);
    host.run(&["kill", "-0", &pid]);
    // Kept, so that the end of the input does not end the session.
    let stdin = open.stdin.take();
    open.kill().unwrap();
    open.wait().unwrap();
    // Until that process is gone, ten seconds at most.
    let pid = format!("--pid={pid}");
    host.run(&[
        "timeout",
        "10",
        "tail",
        &pid,
        "-s",
        "0.1",
        "-f",
        "/dev/null",
    ]);
    drop(stdin);
}

// Goal: a host that shares a namespace with the machine, or with another host, would let a test change both.
#[test]
fn hosts_share_no_namespace() {
    let Some(hosts) = Hosts::start() else { return };
    let kinds = ["net", "mnt", "pid", "uts", "ipc"];
    let links = kinds.map(|kind| format!("/proc/self/ns/{kind}"));
    let ours = Command::new("readlink").args(&links).output().unwrap();
    let mut seen = vec![text(&ours.stdout)];
    let argv: Vec<&str> = std::iter::once("readlink")
        .chain(links.iter().map(String::as_str))
        .collect();
    seen.extend(NAMES.map(|name| hosts.take(name).run(&argv)));
    let different: BTreeSet<&str> = seen.iter().flat_map(|links| links.lines()).collect();
    assert_eq!(different.len(), 4 * kinds.len(), "{seen:?}");
}
