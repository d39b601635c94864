//! Steps on evenkeel's own way into a real host: what would lock it out is taken back, what would not is kept.

use super::fleet::{Fleet, count};
use super::{Host, Hosts, NAMES};

const KEYS: &str = "/root/.ssh/authorized_keys";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhZBr+eB/EFQXL4ro0yR0Ui9r9qjqyoQWFSF+ZpiQFP ops";

/// A fleet of one host whose baseline says that only this key may log in as root.
fn only(hosts: &Hosts, key: &str) -> Option<Fleet> {
    let fleet = Fleet::new(hosts, &["h1"], ", user: root")?;
    fleet.project.write(
        "desired-state/web/all.yaml",
        &format!(
            "apiVersion: host.evenkeel.dev/v1\nkind: AuthorizedKeys\nmetadata: {{ name: root }}\nspec: {{ user: root, exclusive: true, keys: [\"{key}\"] }}\n"
        ),
    );
    fleet.project.commit("who may log in");
    Some(fleet)
}

fn keys(host: &Host<'_>) -> String {
    host.run(&["sh", "-c", "cat $0 && stat -c '%a %U' $0", KEYS])
}

// Goal: a baseline that forgets evenkeel's own key would lock it out for good with its first run. The step is taken back
// over the connection that did it, the run says why, and the host stays reachable as it was.
#[test]
fn a_baseline_without_our_key_is_taken_back() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take("h1");
    let Some(fleet) = only(&hosts, OTHER) else {
        return;
    };
    let before = keys(&host);
    let report = fleet.json(3, "reconcile");
    let errors = report["errors"].to_string();
    assert!(
        errors.contains("a new login to h1 no longer works after this step: ssh to h1: "),
        "{errors}"
    );
    assert_eq!(keys(&host), before);
    assert_eq!(count(&fleet.json(3, "plan"), "drifted"), 1);
    fleet.run(&["journal", "verify"]).expect(0);
}

// Goal: what leaves the login working is kept, at the cost of one login more for that step and none for others; undoing
// it is proven the same way.
#[test]
fn a_baseline_with_our_key_is_kept() {
    let Some(hosts) = Hosts::start() else { return };
    let host = hosts.take(NAMES[0]);
    let ours = std::fs::read_to_string(hosts.dir.join("key.pub")).unwrap();
    let Some(fleet) = only(&hosts, ours.trim()) else {
        return;
    };
    let before = keys(&host);
    host.run(&["sh", "-c", "echo \"$0\" >>$1", OTHER, KEYS]);
    let connections = host.connections();
    let done = fleet.json(3, "reconcile");
    assert_eq!(count(&done, "drifted"), 0);
    assert_eq!(host.connections(), connections + 2);
    assert_eq!(keys(&host), before);
    fleet
        .run(&["undo", "--reopen", done["run"].as_str().unwrap()])
        .expect(0);
    assert!(keys(&host).contains(OTHER));
    host.write(KEYS, &ours);
}
