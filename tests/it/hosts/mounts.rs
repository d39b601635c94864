//! Mounts of a real host: what git lists is clean, and what is mounted over a place that somebody watches is told.

use std::fmt::Write as _;

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::support::drifts;

/// Mounts inside the host, which end with this.
struct Mounted<'a>(&'a Host<'a>, [&'static str; 2]);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        for path in self.1 {
            self.0.exec(&["umount", path], b"");
        }
    }
}

// Goal: a folder that hides another one, a second mount over an allowed one and an allowed one without its option are each
// named and nothing else is; that a required one is not there is told; nothing of it has a step, and the host is as it was
// afterwards.
#[test]
fn what_hides_is_named() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let table = host.run(&["cat", "/proc/self/mountinfo"]);
    let mut allow = String::new();
    for line in table.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let kind = words[words.iter().position(|word| *word == "-").unwrap() + 1];
        let _ = writeln!(allow, "    - {{ path: {:?}, type: {kind} }}", words[4]);
    }
    let baseline = |more: &str| {
        format!(
            "apiVersion: host.evenkeel.dev/v1\nkind: Mounts\nmetadata: {{ name: all }}\nspec:\n  allow:\n{allow}    - {{ path: /mnt/safe, type: tmpfs, options: [noexec]{more} }}\n"
        )
    };
    let Some(fleet) = Fleet::of(&hosts, &["h1"], &baseline(""), "") else {
        return;
    };
    let clean = fleet.json(0, "plan");
    assert_eq!(drifts(&clean), Vec::<String>::new(), "{clean:#}");

    host.run(&["mkdir", "-p", "/mnt/safe", "/mnt/evil"]);
    let mounted = Mounted(&host, ["/etc/cron.d", "/mnt/safe"]);
    host.run(&["mount", "--bind", "/mnt/evil", "/etc/cron.d"]);
    host.run(&["mount", "--bind", "/mnt/evil", "/mnt/safe"]);
    let plan = fleet.json(3, "plan");
    assert_eq!(
        drifts(&plan),
        ["h1/Mount///mount/etc/cron.d", "h1/Mount///mount/mnt/safe"],
        "{plan:#}"
    );
    let told = plan.to_string();
    assert!(told.contains("find out who mounted it"), "{plan:#}");
    let held = fleet.json(3, "reconcile");
    assert_eq!(drifts(&held).len(), 2, "{held:#}");
    host.run(&["umount", "/etc/cron.d"]);
    host.run(&["umount", "/mnt/safe"]);

    host.run(&["mount", "-t", "tmpfs", "x", "/mnt/safe"]);
    let plan = fleet.json(2, "plan");
    assert_eq!(drifts(&plan), ["h1/Mount///mount/mnt/safe"], "{plan:#}");
    host.run(&["mount", "-o", "remount,noexec", "/mnt/safe"]);
    fleet.json(0, "plan");
    host.run(&["umount", "/mnt/safe"]);
    drop(mounted);

    let file = "desired-state/web/all.yaml";
    fleet.project.write(file, &baseline(", required: true"));
    fleet.project.commit("it has to be there");
    let plan = fleet.json(2, "plan");
    assert_eq!(drifts(&plan), ["h1/Mounts/all"], "{plan:#}");
    assert!(plan.to_string().contains("mount what is missing"));
    host.run(&["rmdir", "/mnt/safe", "/mnt/evil"]);
}
