//! Listening sockets on a real host: an attacker's is found by what it executes, and ending it ends nothing else.

use std::path::Path;

use evenkeel::model::{Comparison, Desired};
use evenkeel::plan::plan;
use evenkeel::ports::{ActContext, ActError, ContentSource, Provider};
use evenkeel::providers::host::HostConfig;

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::host::fixture::{Files, Fixture, block};
use crate::remote::{Process, host as remote};
use crate::support::drifts;

const SPEC: &str = r#"{ allow: [
  { protocol: tcp, port: 22, program: /usr/sbin/sshd, user: 0 },
  { protocol: tcp, port: 5000-5010, program: /usr/sbin/sshd },
  { protocol: udp, address: 127.0.0.1, port: 53, program: /usr/bin/perl } ] }"#;
const LISTEN: &str = r#"
use IO::Socket::INET;
$0 = "sshd: /usr/sbin/sshd -D [listener]";
my ($proto, $addr) = @ARGV;
my @more = $proto eq "tcp" ? (Listen => 1, ReuseAddr => 1) : ();
my $s = IO::Socket::INET->new(LocalAddr => $addr, Proto => $proto, @more) or die;
open(my $f, ">", "/run/listens-$addr"); close $f;
$SIG{TERM} = "IGNORE";
sleep 600;
"#;

/// Starts a listener that no word of its own tells from sshd, and gives its number.
fn listen(host: &Host<'_>, program: &str, protocol: &str, address: &str) -> String {
    host.write("/run/listen.pl", LISTEN);
    host.run(&["rm", "-f", &format!("/run/listens-{address}")]);
    let script = "setsid \"$1\" /run/listen.pl \"$2\" \"$3\" >/dev/null 2>&1 </dev/null & echo $!; \
                  until [ -e \"/run/listens-$3\" ]; do sleep 0.05; done";
    host.run(&[
        "timeout", "20", "sh", "-c", script, "sh", program, protocol, address,
    ])
}

fn lives(host: &Host<'_>, pid: &str) -> bool {
    let state = host.exec(
        &[
            "sh",
            "-c",
            "grep -q '^State:.[RSD]' /proc/$1/status",
            "sh",
            pid,
        ],
        b"",
    );
    state.status.success()
}

struct Nothing;

impl ContentSource for Nothing {
    fn content(&self, _: &evenkeel::model::Digest) -> Option<std::sync::Arc<[u8]>> {
        None
    }
}

/// What the baseline's resource finds through a worker inside the host.
fn look(provider: &dyn Provider) -> (Vec<Desired>, Comparison) {
    let manifest = format!("kind: Listeners\nname: all\nspec: {SPEC}\n");
    let declared = Fixture::new().declare(&manifest);
    let normalised = block(provider.normalise(&declared, &Files(Default::default()), true));
    assert!(normalised.problems.is_empty(), "{}", normalised.problems);
    let snapshot = block(provider.observe(&normalised.desired));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let compared = evenkeel::compare::compare(&normalised.desired, &snapshot, &[], now);
    (normalised.desired, compared)
}

// Goal: a socket is judged by what its process executes, whatever name that gives itself and wherever a file of an allowed
// name lies; what is allowed is clean, by both of the kernel's lists; ending it is never done without an approval.
#[test]
fn an_attackers_socket_is_found() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    // Whatever listens since an earlier test is none of this one.
    host.restart();
    let baseline = format!(
        "apiVersion: host.evenkeel.dev/v1\nkind: Listeners\nmetadata: {{ name: all }}\nspec: {SPEC}\n"
    );
    let Some(fleet) = Fleet::of(&hosts, &["h3"], &baseline, "") else {
        return;
    };
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    host.run(&["cp", "/usr/bin/perl", "/root/sshd"]);
    let pids = [
        listen(&host, "/usr/bin/perl", "tcp", "0.0.0.0:4444"),
        // An allowed place, another program.
        listen(&host, "/root/sshd", "tcp", "0.0.0.0:5001"),
        listen(&host, "/usr/bin/perl", "udp", "127.0.0.1:54"),
        listen(&host, "/usr/bin/perl", "udp", "127.0.0.1:53"),
    ];
    host.run(&["rm", "/root/sshd"]);
    let plan = fleet.json(2, "plan");
    let places = ["tcp/0.0.0.0:4444", "tcp/0.0.0.0:5001", "udp/127.0.0.1:54"];
    let expected = places.map(|place| format!("h3/Listener///listener/{place}"));
    assert_eq!(drifts(&plan), expected, "{plan:#}");
    let text = plan.to_string();
    for part in [
        "/usr/bin/perl",
        "/root/sshd (deleted)",
        "does not come back",
    ] {
        assert!(text.contains(part), "{part}: {plan:#}");
    }
    fleet.json(2, "reconcile");
    for pid in &pids {
        assert!(lives(&host, pid));
        host.run(&["kill", "-KILL", pid]);
    }
}

// Goal: the very process that was seen is ended, although it ignores being asked, and sshd and an allowed one live on; one
// that is another by now is left alone, and so is what evenkeel came through.
#[test]
fn only_the_process_that_was_seen_is_ended() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    // Whatever listens since an earlier test is none of this one.
    host.restart();
    let Ok(worker) = std::env::var("EVENKEEL_WORKER") else {
        return;
    };
    host.write("/root/worker", std::fs::read(worker).unwrap());
    host.run(&["chmod", "755", "/root/worker"]);
    let script = format!("{}/tests/peers/hosts.sh", env!("CARGO_MANIFEST_DIR"));
    let dir = hosts.dir.display().to_string();
    let argv = ["bash", &script, "exec", &dir, "h3", "/root/worker", "serve"];
    let process = Process(argv.map(str::to_owned).to_vec());
    let config = HostConfig::default();
    let provider = remote(process, Path::new("/"), &config, None);

    let evil = listen(&host, "/usr/bin/perl", "tcp", "0.0.0.0:4444");
    let good = listen(&host, "/usr/bin/perl", "udp", "127.0.0.1:53");
    let (_, compared) = look(&provider);
    assert_eq!(compared.drifts.len(), 1, "{compared:?}");
    let planned = plan(&compared.drifts, &[], 0);
    assert!(planned.groups[0].is_irreversible());
    let step = &planned.groups[0].steps[0];
    let context = ActContext {
        contents: &Nothing,
        nonce: "n0nce",
    };

    // Another process takes the place between the plan and the step.
    host.run(&["kill", "-KILL", &evil]);
    let other = listen(&host, "/usr/bin/perl", "tcp", "0.0.0.0:4444");
    let refused = block(provider.apply(step, &context));
    assert!(
        matches!(refused, Err(ActError::Stale { .. })),
        "{refused:?}"
    );
    assert!(lives(&host, &other));

    let (_, compared) = look(&provider);
    let planned = plan(&compared.drifts, &[], 0);
    let step = &planned.groups[0].steps[0];
    let notes = block(provider.apply(step, &context)).unwrap();
    assert!(notes[0].contains("/usr/bin/perl"), "{notes:?}");
    assert!(!lives(&host, &other) && lives(&host, &good));
    assert!(block(provider.apply(step, &context)).unwrap().is_empty());
    let (_, compared) = look(&provider);
    assert!(
        compared.drifts.is_empty() && compared.not_evaluated.is_empty(),
        "{compared:?}"
    );
    let mut ssh = host.ssh();
    assert!(ssh.args(["h3", "true"]).status().unwrap().success());
    host.run(&["kill", "-KILL", &good]);
}

// Goal: the sshd through which evenkeel came, and what a user without rights cannot see, are told and never ended.
#[test]
fn sshd_of_the_own_session_is_spared() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let none = "apiVersion: host.evenkeel.dev/v1\nkind: Listeners\nmetadata: { name: all }\nspec: { allow: [] }\n";
    let Some(fleet) = Fleet::of(&hosts, &["h3"], none, "") else {
        return;
    };
    let report = fleet.json(2, "reconcile");
    assert!(
        report
            .to_string()
            .contains("evenkeel itself came through it"),
        "{report:#}"
    );
    assert_eq!(
        report["outcomes"].as_array().map_or(0, Vec::len),
        0,
        "{report:#}"
    );
    let Some(fleet) = Fleet::of(&hosts, &["h3"], none, ", user: alice") else {
        return;
    };
    let unseen = fleet.json(4, "plan")["not_evaluated"].to_string();
    assert!(unseen.contains("//listener/tcp/0.0.0.0:22"), "{unseen}");
    let mut ssh = host.ssh();
    assert!(ssh.args(["h3", "true"]).status().unwrap().success());
}
