//! The questions: manifests that ask for nothing to be there, so that all that is there is told.

use super::Known;
use super::lists::{SETTINGS, START};
use serde_json::json;

/// Where programs with power are looked for.
pub(super) const POWERFUL: [&str; 7] = ["/usr", "/opt", "/home", "/root", "/srv", "/tmp", "/var"];
/// Where whatever lies is declared.
pub(super) const OWN: [&str; 2] = ["/usr/local/bin", "/usr/local/sbin"];

/// The questions to one host, as manifests. Texts of the host are JSON's texts in them, which are YAML's too.
pub fn questions(known: &Known) -> String {
    let mut out = Vec::new();
    let mut ask = |kind: &str, name: &str, spec: serde_json::Value| {
        let document = json!({
            "apiVersion": "host.evenkeel.dev/v1",
            "kind": kind,
            "metadata": { "name": name },
            "spec": spec,
        });
        out.push(document.to_string());
    };
    ask("Accounts", START, json!({ "login": [] }));
    ask("Cron", START, json!({ "allow": [] }));
    ask("Listeners", START, json!({ "allow": [] }));
    ask(
        "PrivilegedFiles",
        START,
        json!({ "paths": POWERFUL, "allow": [] }),
    );
    for key in SETTINGS {
        let spec = json!({ "key": key, "value": "", "persist": false });
        ask("Sysctl", &super::plain(key), spec);
    }
    for (at, user) in known.with_own_home() {
        let path = format!("{}/.ssh/authorized_keys", user.home);
        let spec = json!({ "path": path, "state": "absent" });
        ask("File", &keys(at), spec);
    }
    for (at, one) in known.packages.iter().enumerate() {
        let spec = json!({ "name": one.name, "verify": { "conffiles": true } });
        ask("Package", &package(at), spec);
    }
    out.join("\n---\n")
}

/// The folders to begin with.
pub const FOLDERS: [&str; 3] = ["/etc", OWN[0], OWN[1]];
/// The most folders that are looked into.
pub const MAX_FOLDERS: usize = 4000;

/// The questions about folders, from this number on: what lies in each. What lies in a folder within is another question.
pub fn about_folders(known: &Known, from: usize) -> String {
    let asked = known
        .folders
        .iter()
        .enumerate()
        .skip(from)
        .map(|(at, path)| {
            let document = json!({
                "apiVersion": "host.evenkeel.dev/v1",
                "kind": "Directory",
                "metadata": { "name": folder(at) },
                "spec": { "path": path, "exclusive": true },
            });
            document.to_string()
        });
    asked.collect::<Vec<_>>().join("\n---\n")
}

/// The name of the question for a folder.
pub(super) fn folder(at: usize) -> String {
    format!("folder-{at}")
}

/// The name of the question for the keys of a user.
pub(super) fn keys(at: usize) -> String {
    format!("keys-{at}")
}

/// The name of the question for a package.
pub(super) fn package(at: usize) -> String {
    format!("package-{at}")
}
