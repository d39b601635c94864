//! A first baseline of a real host: what it is now is clean against it, and what comes after is not.

use super::Hosts;
use super::fleet::Fleet;
use crate::support::drifts;

// Goal: what `init --from-live` writes of a real Debian is valid and names nothing of it as drift; it holds no private key and
// leaves what its packages brought to them; and each thing that an intruder does to the host afterwards is named by it.
#[test]
fn what_a_host_is_becomes_its_baseline() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h3");
    let Some(fleet) = Fleet::of(&hosts, &["h3"], "", "") else {
        return;
    };
    let made = fleet.run(&["init", "--from-live", "--target", "h3", "--format", "json"]);
    let made = made.expect(0).json();
    assert!(made["unchanged"].as_u64().unwrap() > 50, "{made:#}");
    let resources = made["resources"].as_u64().unwrap();
    assert!((50..250).contains(&resources), "{made:#}");
    fleet.project.commit("what it is");
    let plan = fleet.json(0, "plan");
    assert_eq!(drifts(&plan), Vec::<String>::new());
    assert_eq!(plan["not_evaluated"].as_array().unwrap().len(), 0);
    let dir = fleet.project.repo.join("desired-state/h3/files");
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("PRIVATE KEY"));
    }

    let tamper = "cp -a /usr/bin/w /usr/lib/.w; echo '#!/bin/sh' >/usr/bin/w; mkdir -p -m 700 /root/.ssh; \
         cp -a /root/.ssh/authorized_keys /root/keys; \
         echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhZBr+eB/EFQXL4ro0yR0Ui9r9qjqyoQWFSF+ZpiQFP x' >>/root/.ssh/authorized_keys; \
         echo '* * * * * root true' >/etc/cron.d/x; echo 'x ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/x; \
         echo 'PermitRootLogin yes' >>/etc/ssh/sshd_config; cp /bin/bash /usr/lib/x; chmod 4755 /usr/lib/x";
    host.run(&["cp", "-a", "/etc/ssh/sshd_config", "/root/sshd_config"]);
    host.run(&["sh", "-c", tamper]);
    let plan = fleet.json(3, "plan");
    host.run(&[
        "sh",
        "-c",
        "cat /usr/lib/.w >/usr/bin/w; cat /root/keys >/root/.ssh/authorized_keys; cat /root/sshd_config >/etc/ssh/sshd_config; \
         rm /usr/lib/.w /root/keys /root/sshd_config /etc/cron.d/x /etc/sudoers.d/x /usr/lib/x",
    ]);
    assert_eq!(
        drifts(&plan),
        [
            "h3/AuthorizedKeys/root",
            "h3/File//etc/cron.d/x",
            "h3/File//etc/sudoers.d/x",
            "h3/File//usr/lib/x",
            "h3/File/etc-ssh-sshd-config",
            "h3/Package/procps",
        ]
    );
}
