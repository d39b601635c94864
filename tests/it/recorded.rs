//! A recorded attack on a real host, planned against what the team's git held before it: `plan --snapshot`.
//!
//! Needs the recordings beside the project; says so where they are missing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::support::{Project, config};

/// The recording, or none after saying so.
pub fn incident() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/recordings/host/incident-ssh-takeover");
    if !dir.is_dir() {
        eprintln!("skipped: no recordings in ../shared");
        return None;
    }
    Some(dir)
}

fn resource(manifests: &mut String, kind: &str, name: &str, spec: &str) {
    let _ = write!(
        manifests,
        "apiVersion: host.evenkeel.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n---\n"
    );
}

fn quoted(value: &Json) -> String {
    value.to_string()
}

/// The baseline of a host as a team would write it, from what its git held.
pub fn baseline(project: &Project, dir: &Path, host: &str) {
    let text = std::fs::read_to_string(dir.join(format!("baseline/{host}/state.json"))).unwrap();
    let state: Json = serde_json::from_str(&text).unwrap();
    let mut out = String::new();
    for (path, file) in state["files"].as_object().unwrap() {
        let name = path.trim_start_matches('/').replace(['/', '_'], "-");
        // Accounts and keys are held by kinds of their own.
        if path.ends_with("/.ssh/authorized_keys")
            || ["/etc/passwd", "/etc/group"].contains(&path.as_str())
        {
            continue;
        }
        let content = std::fs::read(dir.join(format!("baseline/{host}/rootfs{path}"))).unwrap();
        let beside = project
            .repo
            .join(format!("desired-state/{host}/files"))
            .join(&name);
        std::fs::create_dir_all(beside.parent().unwrap()).unwrap();
        std::fs::write(beside, content).unwrap();
        let spec = format!(
            "{{ path: {path}, contentFrom: files/{name}, mode: {}, owner: {}, group: {} }}",
            file["mode"], file["owner"], file["group"]
        );
        resource(&mut out, "File", &name, &spec);
    }
    for user in ["root", "alice"] {
        let home = if user == "root" { "root" } else { "home/alice" };
        let keys = dir.join(format!(
            "baseline/{host}/rootfs/{home}/.ssh/authorized_keys"
        ));
        let keys = std::fs::read_to_string(keys).unwrap();
        let keys: Vec<_> = keys.lines().map(|key| quoted(&key.into())).collect();
        let spec = format!(
            "{{ user: {user}, exclusive: true, keys: [{}] }}",
            keys.join(", ")
        );
        resource(&mut out, "AuthorizedKeys", &format!("keys-{user}"), &spec);
    }
    for folder in [
        "etc/rsyslog.d",
        "etc/sudoers.d",
        "etc/pam.d",
        "usr/local/bin",
        "usr/local/sbin",
        "var/tmp",
    ] {
        let ignore = match folder {
            "etc/pam.d" => ", ignore: [\"*\"]",
            "var/tmp" => ", mode: \"1777\"",
            "etc/sudoers.d" => ", ignore: [README]",
            _ => "",
        };
        let spec = format!("{{ path: /{folder}, exclusive: true{ignore} }}");
        resource(&mut out, "Directory", &folder.replace('/', "-"), &spec);
    }
    for (key, value) in state["sysctls"].as_object().unwrap() {
        let spec = format!(
            "{{ key: {}, value: {value}, persist: false }}",
            quoted(&key.as_str().into())
        );
        resource(
            &mut out,
            "Sysctl",
            &key.replace(['/', '_'], "-").to_lowercase(),
            &spec,
        );
    }
    // Of the other host nobody recorded them.
    let packages = state["packages"].as_object().unwrap();
    for (name, version) in packages.iter().filter(|_| host == "h1") {
        // What is newer, as the upgrade in the midst of the attack, is as good.
        let spec = format!("{{ name: \"{name}\", minimum: {version} }}");
        resource(&mut out, "Package", &name.replace(':', "-"), &spec);
    }
    let groups = state["groups"].as_array().unwrap();
    for group in groups {
        let members = group["members"].to_string();
        let spec = format!("{{ gid: {}, members: {members} }}", group["gid"]);
        resource(&mut out, "Group", group["name"].as_str().unwrap(), &spec);
    }
    for user in state["users"].as_array().unwrap() {
        let group = groups.iter().find(|group| group["gid"] == user["gid"]);
        let spec = format!(
            "{{ uid: {}, group: {}, comment: {}, home: {}, shell: {}, password: {} }}",
            user["uid"],
            group.map_or(&user["gid"], |group| &group["name"]),
            user["gecos"],
            user["home"],
            user["shell"],
            user["password"]
        );
        resource(&mut out, "User", user["name"].as_str().unwrap(), &spec);
    }
    resource(
        &mut out,
        "Accounts",
        "all",
        "{ login: [root, alice, sync], uid0: [root] }",
    );
    let powers: Vec<_> = state["suid_files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("{{ path: {}, mode: {} }}", file["path"], file["mode"]))
        .collect();
    let spec = format!("{{ paths: [/usr], allow: [{}] }}", powers.join(", "));
    resource(&mut out, "PrivilegedFiles", "powers", &spec);
    resource(
        &mut out,
        "Cron",
        "jobs",
        "{ allow: [], ignore: [\"/etc/cron.*ly/*\", \"/etc/systemd/system/*.timer*\"] }",
    );
    let file = format!("desired-state/{host}/all.yaml");
    project.write(&file, out.trim_end_matches("---\n"));
    project.commit("what git held");
}

/// A project that holds the baseline of a host.
fn project(dir: &Path, host: &str) -> Project {
    let named = config("observe", "").replace("name: host", &format!("name: {host}"));
    let project = Project::new(&named, "");
    std::fs::remove_dir_all(project.repo.join("desired-state/host")).unwrap();
    baseline(&project, dir, host);
    project
}

fn planned(dir: &Path, host: &str, recordings: [&str; 2]) -> String {
    let project = project(dir, host);
    let mut out = String::new();
    for recording in recordings {
        let snapshot = dir.join(recording).display().to_string();
        let report = project
            .run(&["plan", "--format", "json", "--snapshot", &snapshot])
            .json();
        let _ = write!(out, "{recording}\n{}{}\n", told(&report), unseen(&report));
    }
    out
}

// Goal: of a real attack each change to what the baseline holds is named, and nothing else is: not what an admin, the
// pipeline and the package manager did meanwhile to what it does not hold.
#[test]
fn the_recorded_attack_is_told_exactly() {
    let Some(dir) = incident() else { return };
    insta::assert_snapshot!(
        "main_host",
        planned(&dir, "h1", ["before.json", "after.json"])
    );
    insta::assert_snapshot!(
        "other_host",
        planned(&dir, "h2", ["h2.before.json", "h2.after.json"])
    );
}

/// Whether what the truth calls a resource is the drift's.
fn is_it(named: &str, drift: &Json) -> bool {
    let (sort, name) = named.split_once(':').unwrap();
    let address = drift["address"].as_str().unwrap();
    match sort {
        "file" => address == name,
        "user" | "package" => address == format!("//{sort}/{name}"),
        "sysctl" => match name.split_once(".{") {
            Some((stem, _)) => address.starts_with(&format!("//sysctl/{stem}.")),
            None => address == format!("//sysctl/{name}"),
        },
        // The recording has no sockets and no rules of the running firewall.
        _ => false,
    }
}

// Goal: of a real attack each malicious step that leaves a drift is at least medium, and what an admin, the pipeline and the
// package manager did is at most low. One benign job stays medium: an admin's file in /etc/cron.d, not committed yet, differs
// in nothing from an intruder's but in who wrote it, and no drift tells that.
#[test]
fn the_recorded_attack_is_told_from_the_rest() {
    let Some(dir) = incident() else { return };
    let text = std::fs::read_to_string(dir.join("truth.yaml")).unwrap();
    let truth: Json = serde_yaml::from_str(&text).unwrap();
    let mut told = String::new();
    let mut steps = 0;
    for (host, recording) in [("h1", "after.json"), ("h2", "h2.after.json")] {
        let project = project(&dir, host);
        let snapshot = dir.join(recording).display().to_string();
        let report = project
            .run(&["plan", "--format", "json", "--snapshot", &snapshot])
            .json();
        let drifts = report["drifts"].as_array().unwrap();
        let findings = report["findings"].as_array().unwrap();
        let of = |drift: &Json| -> Vec<(String, String)> {
            let all = findings.iter().filter(|it| it["targets"][0] == drift["id"]);
            let text = |it: &Json, key: &str| it[key].as_str().unwrap().to_owned();
            all.map(|it| (text(it, "level"), text(it, "indicator")))
                .collect()
        };
        for step in truth["steps"].as_array().unwrap() {
            let id = step["id"].as_str().unwrap();
            let expected = step["expected_drift"].as_array().unwrap().iter();
            let here = expected.filter(|it| it["host"] == host);
            let seen: Vec<_> = here
                .flat_map(|it| {
                    drifts
                        .iter()
                        .filter(|one| is_it(it["resource"].as_str().unwrap(), one))
                })
                .collect();
            if seen.is_empty() {
                continue;
            }
            steps += 1;
            let found: Vec<_> = seen.iter().flat_map(|drift| of(drift)).collect();
            let _ = writeln!(told, "{id}: {}", listed(&found));
            let is_grave = |(level, _): &(String, String)| {
                ["medium", "high", "critical"].contains(&level.as_str())
            };
            match step["malicious"] == true {
                true => assert!(found.iter().any(is_grave), "{id}: {found:?}"),
                false if id == "ops-cron" => {
                    let grave: Vec<_> = found.iter().filter(|it| is_grave(it)).collect();
                    assert_eq!(grave, [&("medium".into(), "scheduled-job".into())]);
                }
                false => assert!(!found.iter().any(is_grave), "{id}: {found:?}"),
            }
        }
        let is_explained = |drift: &Json| {
            let steps = truth["steps"].as_array().unwrap().iter();
            let all = steps.flat_map(|step| step["expected_drift"].as_array().unwrap());
            let mut names = all.map(|it| it["resource"].as_str().unwrap());
            names.any(|name| is_it(name, drift))
        };
        let others = drifts.iter().filter(|drift| !is_explained(drift));
        let graded: Vec<_> = others.filter(|drift| !of(drift).is_empty()).collect();
        assert!(graded.is_empty(), "nobody did this: {graded:?}");
    }
    assert!(steps >= 12, "{steps}");
    insta::assert_snapshot!("steps", told);
}

fn listed(found: &[(String, String)]) -> String {
    let all = found.iter().map(|(level, name)| format!("{level} {name}"));
    all.collect::<Vec<_>>().join(", ")
}

/// Each drift with its change and fields.
fn told(report: &Json) -> String {
    let mut lines: Vec<_> = report["drifts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| {
            let fields = drift["fields"].as_array().unwrap().iter();
            let fields: Vec<_> = fields
                .map(|field| field["path"].as_str().unwrap())
                .collect();
            let change = drift["change"].as_str().unwrap();
            let id = drift["id"].as_str().unwrap();
            match change {
                "Changed" => format!("{change} {id}: {}", fields.join(" ")),
                _ => format!("{change} {id}"),
            }
        })
        .collect();
    lines.sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn unseen(report: &Json) -> String {
    let all = report["not_evaluated"].as_array().unwrap().iter();
    all.map(|one| format!("not evaluated {}: {}\n", one["id"], one["reason"]))
        .collect()
}
