//! Settings of the kernel on a real host: found, put right for now and for the next boot, and taken back.

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::support::{drifts, run_of};

const BASELINE: &str = r#"
apiVersion: host.evenkeel.dev/v1
kind: Sysctl
metadata: { name: forward }
spec: { key: net.ipv4.ip_forward, value: 0 }
---
apiVersion: host.evenkeel.dev/v1
kind: Sysctl
metadata: { name: forward-all }
spec: { key: net.ipv4.conf.all.forwarding, value: 0, persist: false }
---
apiVersion: host.evenkeel.dev/v1
kind: Sysctl
metadata: { name: forward-eth0 }
spec: { key: net.ipv4.conf.eth0.forwarding, value: "0", persist: false }
---
apiVersion: host.evenkeel.dev/v1
kind: Sysctl
metadata: { name: redirects }
spec: { key: net.ipv4.conf.all.accept_redirects, value: 0, persist: false }
"#;

fn kernel(host: &Host<'_>) -> String {
    host.run(&[
        "sh",
        "-c",
        "cd /proc/sys/net/ipv4 && grep . ip_forward conf/*/forwarding conf/all/accept_redirects; \
         cd /etc && grep -r . sysctl.conf sysctl.d",
    ])
}

// Goal: one write of an attacker changes a setting and all that follow from it: each is named, one run puts the kernel and
// the line for the next boot right, what the boot would set agrees with `sysctl --system`, and an undo brings all back.
#[test]
fn forwarding_is_put_right() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let Some(fleet) = Fleet::of(&hosts, &["h1"], BASELINE, "") else {
        return;
    };
    host.run(&[
        "sh",
        "-c",
        "echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects",
    ]);
    host.write(
        "/etc/sysctl.d/50-net.conf",
        "# kept\nnet.ipv4.ip_forward = 0\n",
    );
    host.run(&["sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"]);
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    let good = kernel(&host);

    host.run(&["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
    host.write(
        "/etc/sysctl.d/50-net.conf",
        "# kept\nnet.ipv4.ip_forward = 1\n",
    );
    let bad = kernel(&host);
    assert_eq!(
        drifts(&fleet.json(2, "plan")),
        ["forward", "forward-all", "forward-eth0"].map(|name| format!("h1/Sysctl/{name}"))
    );
    let done = fleet.json(0, "reconcile");
    assert_eq!(kernel(&host), good);
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    assert_eq!(kernel(&host), bad);

    // What evenkeel wrote is what the host's own program sets at boot, over a file that is read before it.
    host.run(&["rm", "/etc/sysctl.d/50-net.conf"]);
    host.run(&["install", "-d", "/run/sysctl.d"]);
    host.write("/run/sysctl.d/98-evil.conf", "net.ipv4.ip_forward = 1\n");
    fleet.run(&["undo", "--resume", &undo_of(&fleet)]).expect(0);
    fleet.json(0, "reconcile");
    host.run(&[
        "sh",
        "-c",
        "echo 1 >/proc/sys/net/ipv4/ip_forward; sysctl --system",
    ]);
    assert_eq!(host.run(&["cat", "/proc/sys/net/ipv4/ip_forward"]), "0");
    host.run(&[
        "rm",
        "/run/sysctl.d/98-evil.conf",
        "/etc/sysctl.d/99-evenkeel.conf",
    ]);
}

/// The run whose resources rest since it was an undo.
fn undo_of(fleet: &Fleet) -> String {
    let shown = fleet
        .run(&["journal", "show", "--kind", "suspended", "--format", "json"])
        .expect(0)
        .json();
    let records = shown["records"].as_array().unwrap();
    records.last().unwrap()["run"].as_str().unwrap().to_owned()
}
