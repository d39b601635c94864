//! What is listed as a whole: accounts, keys, jobs, programs with power, listeners, packages, settings of the kernel.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::ask::{self, POWERFUL};
use super::{Answers, Draft, Manifest};
use crate::model::{Fields, Member, Observed, State, Value};
use crate::providers::host::kinds::FILE;

/// The name of what is asked for once.
pub(super) const START: &str = "all";
const ROOT: &str = "root";

/// Settings that decide how far an intruder gets.
pub(super) const SETTINGS: [&str; 16] = [
    "fs.protected_hardlinks",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
    "kernel.core_pattern",
    "kernel.dmesg_restrict",
    "kernel.kptr_restrict",
    "kernel.modprobe",
    "kernel.randomize_va_space",
    "kernel.sysrq",
    "kernel.unprivileged_bpf_disabled",
    "kernel.yama.ptrace_scope",
    "net.ipv4.conf.all.accept_redirects",
    "net.ipv4.conf.all.accept_source_route",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
];

/// Packages that are held wherever they are: who comes in, who becomes root, what shows an intruder.
const HELD: [&str; 24] = [
    "apt",
    "base-files",
    "bash",
    "coreutils",
    "cron",
    "dash",
    "dpkg",
    "findutils",
    "grep",
    "iproute2",
    "kmod",
    "libc-bin",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam-runtime",
    "login",
    "mount",
    "net-tools",
    "nftables",
    "openssh-server",
    "passwd",
    "procps",
    "sudo",
    "util-linux",
];

/// How what packages brought differs from them.
#[derive(Default)]
pub(super) struct Changed {
    pub conffiles: BTreeSet<String>,
}

fn members<'a>(answers: &Answers<'a>, kind: &str, out: &mut Draft) -> Vec<(&'a Member, &'a State)> {
    let id = answers
        .observations
        .keys()
        .find(|id| id.kind.0 == kind && id.name == START);
    let Some(observation) = id.and_then(|id| answers.observations.get(id)) else {
        return Vec::new();
    };
    if let Observed::NotEvaluated(reason) = &observation.observed {
        out.left_out.push(format!("{kind}: {reason}"));
    }
    let Some(listing) = &observation.listing else {
        return Vec::new();
    };
    if let crate::model::Completeness::Partial(reason) = &listing.complete {
        out.left_out.push(format!("part of {kind}: {reason}"));
    }
    let mut all = Vec::new();
    for member in &listing.members {
        match &member.observed {
            Observed::Present(state) => all.push((member, state)),
            Observed::NotEvaluated(reason) => {
                out.left_out.push(format!("{}: {reason}", member.address.0))
            }
            Observed::Absent => {}
        }
    }
    all
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::List(list)) => list.iter().filter_map(Value::as_text).collect(),
        Some(Value::Text(text)) => vec![text],
        _ => Vec::new(),
    }
}

/// Who may log in, and who is root.
pub(super) fn accounts(answers: &Answers<'_>, out: &mut Draft) {
    let seen = answers.of("Accounts", START);
    let state = seen.and_then(|seen| seen.observed.state());
    if state.is_some_and(|state| !entries(state, "unreadable").is_empty()) {
        out.suspicious
            .push("/etc/passwd has lines that are no accounts".to_owned());
    }
    let mut login = BTreeSet::from([ROOT.to_owned()]);
    let mut uid0 = BTreeSet::from([ROOT.to_owned()]);
    for (member, state) in members(answers, "Accounts", out) {
        let Some(name) = member.address.0.strip_prefix("//user/") else {
            continue;
        };
        login.insert(name.to_owned());
        if name != ROOT && state.get("uid") == Some(&Value::Int(0)) {
            uid0.insert(name.to_owned());
            out.suspicious
                .push(format!("the account {name} is root by its number"));
        }
    }
    out.add(
        "accounts",
        Manifest {
            kind: "Accounts",
            name: START.to_owned(),
            spec: vec![("login", json!(login)), ("uid0", json!(uid0))],
            comment: Some("Who may log in, and who is root; anybody else is an intruder."),
        },
    );
}

/// The keys of every user; where there are none, that there are none.
pub(super) fn keys(answers: &Answers<'_>, out: &mut Draft) {
    for (at, user) in answers.known.with_own_home() {
        let Some(seen) = answers.of(FILE, &ask::keys(at)) else {
            continue;
        };
        let path = format!("{}/.ssh/authorized_keys", user.home);
        let state = match &seen.observed {
            Observed::Present(state) => state,
            Observed::NotEvaluated(reason) => {
                out.left_out.push(format!("{path}: {reason}"));
                continue;
            }
            Observed::Absent if user.uid == 0 || user.uid >= 1000 && user.uid < 65_000 => {
                let name = out.name(FILE, &format!("no-keys-{}", user.name));
                let spec = vec![("path", json!(path)), ("state", json!("absent"))];
                out.add(
                    "accounts",
                    Manifest {
                        kind: FILE,
                        name,
                        spec,
                        comment: None,
                    },
                );
                continue;
            }
            Observed::Absent => continue,
        };
        let content = answers.content(state).map(|bytes| bytes.to_vec());
        let Some(text) = content.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            out.left_out
                .push(format!("{path}: it is no text, or too large"));
            continue;
        };
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let name = out.name("AuthorizedKeys", &user.name);
        out.add(
            "accounts",
            Manifest {
                kind: "AuthorizedKeys",
                name,
                spec: vec![
                    ("user", json!(user.name)),
                    ("exclusive", json!(true)),
                    ("keys", json!(lines)),
                ],
                comment: None,
            },
        );
    }
}

/// What is started by the clock; gives the paths.
pub(super) fn jobs(answers: &Answers<'_>, out: &mut Draft) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut allow = Vec::new();
    for (member, state) in members(answers, "Cron", out) {
        let path = member.address.0.clone();
        let lines = texts(state.get("lines"));
        let is_table = path == "/etc/crontab"
            || path == "/etc/anacrontab"
            || path.starts_with("/etc/cron.d/")
            || path.starts_with("/var/spool/cron/crontabs/");
        allow.push(match is_table && !lines.is_empty() {
            true => json!({ "path": path, "lines": lines }),
            false => json!(path),
        });
        paths.insert(path);
    }
    out.add(
        "jobs",
        Manifest {
            kind: "Cron",
            name: START.to_owned(),
            spec: vec![("allow", Json::Array(allow))],
            comment: Some("All that is started by the clock."),
        },
    );
    paths
}

/// The packages that are held against dpkg's database.
pub(super) fn packages(answers: &Answers<'_>, out: &mut Draft) -> Changed {
    let mut changed = Changed::default();
    for (at, package) in answers.known.packages.iter().enumerate() {
        let asked = answers.of("Package", &ask::package(at));
        let state = match asked.map(|seen| &seen.observed) {
            Some(Observed::Present(state)) => state,
            Some(Observed::NotEvaluated(reason)) => {
                // Nothing of it is known to be as the package brought it.
                changed.conffiles.extend(package.conffiles.iter().cloned());
                out.left_out
                    .push(format!("package {}: {reason}", package.name));
                continue;
            }
            Some(Observed::Absent) | None => continue,
        };
        let conffiles = entries(state, "conffiles");
        let files = entries(state, "files");
        changed
            .conffiles
            .extend(conffiles.keys().map(|path| (*path).to_owned()));
        let bare = package.name.split(':').next().unwrap_or_default();
        let missing: Vec<&str> = (files.iter())
            .filter(|(_, what)| what.as_text() == Some("missing"))
            .map(|(path, _)| *path)
            .collect();
        let replaced = files.keys().filter(|path| !missing.contains(path));
        for path in replaced.take(5) {
            out.suspicious.push(format!(
                "{path} is not what the package {} brought",
                package.name
            ));
        }
        let is_odd = files.len() > missing.len();
        let has_conffiles = package.conffiles.len() > conffiles.len();
        if !HELD.contains(&bare) && !is_odd && !has_conffiles {
            continue;
        }
        let mut ignore = missing;
        ignore.extend(conffiles.keys());
        let mut verify = serde_json::Map::from_iter([("conffiles".to_owned(), json!(true))]);
        if !ignore.is_empty() {
            verify.insert("ignore".to_owned(), json!(ignore));
        }
        let name = out.name("Package", &package.name);
        let mut spec = Vec::new();
        if name != package.name {
            spec.push(("name", json!(package.name)));
        }
        spec.push(("verify", Json::Object(verify)));
        out.add(
            "packages",
            Manifest {
                kind: "Package",
                name,
                spec,
                comment: None,
            },
        );
    }
    changed
}

fn entries<'a>(state: &'a State, field: &str) -> BTreeMap<&'a str, &'a Value> {
    let empty: Option<&Fields> = None;
    let map = match state.get(field) {
        Some(Value::Map(map)) => Some(map),
        _ => empty,
    };
    map.into_iter()
        .flatten()
        .map(|(path, what)| (&**path, what))
        .collect()
}

/// Programs that give power to whoever runs them.
pub(super) fn programs(answers: &Answers<'_>, out: &mut Draft) {
    let mut allow = Vec::new();
    for (member, state) in members(answers, "PrivilegedFiles", out) {
        let path = &member.address.0;
        if !path.starts_with("/usr/") || path.starts_with("/usr/local/") {
            out.suspicious
                .push(format!("{path} gives power to whoever runs it"));
        }
        let mut entry = serde_json::Map::new();
        let mut set = |name: &str, value: Json| entry.insert(name.to_owned(), value);
        set("path", json!(path));
        set("mode", json!(state.get("mode").and_then(Value::as_text)));
        for (name, field) in [("owner", "uid"), ("group", "gid")] {
            set(name, json!(state.get(field).and_then(Value::as_int)));
        }
        let capabilities = state.get("capabilities").and_then(Value::as_text);
        if let Some(capabilities) = capabilities.filter(|text| *text != "none") {
            set("capabilities", json!(capabilities));
        }
        allow.push(Json::Object(entry));
    }
    out.add(
        "programs",
        Manifest {
            kind: "PrivilegedFiles",
            name: START.to_owned(),
            spec: vec![("paths", json!(POWERFUL)), ("allow", Json::Array(allow))],
            comment: Some("All setuid, setgid and capability files; any other loses its power."),
        },
    );
}

/// Sockets that listen, and settings of the kernel.
pub(super) fn network(answers: &Answers<'_>, out: &mut Draft) {
    let mut allow: Vec<Json> = Vec::new();
    let is_seen = answers
        .of("Listeners", START)
        .is_some_and(|seen| seen.listing.is_some());
    for (member, state) in members(answers, "Listeners", out) {
        let place = member.address.0.strip_prefix("//listener/");
        let Some((protocol, address)) = place.and_then(|place| place.split_once('/')) else {
            continue;
        };
        let Ok(address) = address.parse::<std::net::SocketAddr>() else {
            continue;
        };
        for program in texts(state.get("program")) {
            if program == "unknown" {
                out.suspicious.push(format!(
                    "no program is seen to listen on {protocol} {address}, and something does"
                ));
            }
            let program = if program == "unknown" {
                "kernel"
            } else {
                program
            };
            let entry = json!({
                "protocol": protocol,
                "address": address.ip().to_string(),
                "port": address.port(),
                "program": program,
            });
            if !allow.contains(&entry) {
                allow.push(entry);
            }
        }
    }
    if is_seen {
        out.add(
            "network",
            Manifest {
                kind: "Listeners",
                name: START.to_owned(),
                spec: vec![("allow", Json::Array(allow))],
                comment: Some("All sockets that may listen, and who may hold them."),
            },
        );
    }
    for key in SETTINGS {
        let seen = answers.of("Sysctl", &super::plain(key));
        let state = seen.and_then(|seen| seen.observed.state());
        let Some(live) = state.and_then(|state| state.get("live")?.as_text()) else {
            continue;
        };
        let name = out.name("Sysctl", key);
        let spec = vec![
            ("key", json!(key)),
            ("value", json!(live)),
            ("persist", json!(false)),
        ];
        out.add(
            "network",
            Manifest {
                kind: "Sysctl",
                name,
                spec,
                comment: None,
            },
        );
    }
    out.left_out.push(
        "the ruleset of nftables: write it as a Firewall, from `nft list ruleset`".to_owned(),
    );
}
