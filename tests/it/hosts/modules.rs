//! Loaded modules on a real host, which has the kernel of this machine: what git lists is clean, what hides is found.

use super::fleet::Fleet;
use super::{Host, Hosts};
use crate::support::drifts;

/// A mount inside the host, which ends with it.
struct Mount<'a>(&'a Host<'a>, &'a str);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        self.0.exec(&["umount", self.1], b"");
    }
}

fn fleet(hosts: &Hosts, allowed: &[&str]) -> Option<Fleet> {
    let baseline = format!(
        "apiVersion: host.evenkeel.dev/v1\nkind: KernelModules\nmetadata: {{ name: all }}\nspec: {{ allow: [{}] }}\n",
        allowed.join(", ")
    );
    Fleet::of(hosts, &["h2"], &baseline, "")
}

// Goal: what this kernel has loaded is clean once it is listed, and one that is not listed is exactly what is told; one that
// `/proc/modules` hides is told as hidden, with an exit code that no exemption lowers; and nothing of it has a step.
#[test]
fn a_hidden_module_is_found() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h2");
    // A kernel that can load none has no such file, and lists none.
    let table = host.exec(&["cat", "/proc/modules"], b"").stdout;
    let table = String::from_utf8(table).unwrap();
    let names: Vec<_> = table
        .lines()
        .filter_map(|it| it.split(' ').next())
        .collect();
    let Some(all) = fleet(&hosts, &names) else {
        return;
    };
    let clean = all.json(0, "plan");
    assert_eq!(drifts(&clean), Vec::<String>::new(), "{clean:#}");
    assert_eq!(
        clean["not_evaluated"].as_array().map_or(0, Vec::len),
        0,
        "{clean:#}"
    );
    if let Some((left_out, others)) = names.split_first() {
        let Some(others) = fleet(&hosts, others) else {
            return;
        };
        let expected = format!("h2/KernelModule///kernel-module/{left_out}");
        assert_eq!(drifts(&others.json(3, "plan")), [expected]);
    }
    host.run(&["mount", "-t", "tmpfs", "none", "/sys/module"]);
    let _mount = Mount(&host, "/sys/module");
    host.run(&["mkdir", "/sys/module/evil", "/sys/module/builtin"]);
    host.write("/sys/module/evil/initstate", "live\n");
    host.write("/sys/module/evil/taint", "OE\n");
    let plan = all.json(3, "plan");
    let expected = [
        "h2/KernelModule///kernel-module/evil",
        "h2/KernelModules/all",
    ];
    assert_eq!(drifts(&plan), expected, "{plan:#}");
    let text = plan.to_string();
    for part in ["observer-disagrees", "never unloaded"] {
        assert!(text.contains(part), "{part}: {plan:#}");
    }
    // Where this kernel has modules, they are hidden as well and more than are named.
    let is_named = text.contains("evil is hidden from /proc/modules");
    assert!(is_named || !names.is_empty(), "{plan:#}");
    let report = all.json(3, "reconcile");
    assert_eq!(
        report["outcomes"].as_array().map_or(0, Vec::len),
        0,
        "{report:#}"
    );
}
