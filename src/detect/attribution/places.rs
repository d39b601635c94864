//! Where a drift would show in a log: the keys by which records are looked up.

use crate::model::Drift;

/// What a record names. One drift has several, one record too; where they meet, the record may concern the drift.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A file, by its resolved path.
    Path(String),
    /// Something of a sort by its name: `user`, `sysctl`, `listener`, `deployments`.
    Name(String, String),
    /// Something of a sort, without saying which.
    Some(&'static str),
}

/// How surely a key means the drift.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strength {
    /// It is about what the drift is a part of or follows from.
    Near,
    /// It names the drift's own place.
    Exact,
}

pub(super) fn name(sort: &str, name: &str) -> Key {
    Key::Name(sort.to_owned(), name.to_owned())
}

/// The keys of a drift.
///
/// Addresses on hosts are paths, or `//SORT/NAME` for parts. Of what is on no host, the address ends in the name, before
/// that comes the kind, and a namespace before the kind; a kind with `::` is CloudFormation's.
pub(super) fn of(drift: &Drift) -> Vec<(Key, Strength)> {
    let address = drift.address.0.as_str();
    match address.strip_prefix("//") {
        Some(part) => of_part(part),
        None => {
            let mut keys = vec![(Key::Path(address.to_owned()), Strength::Exact)];
            keys.extend(of_object(&drift.resource.kind.0, address));
            keys
        }
    }
}

fn of_part(part: &str) -> Vec<(Key, Strength)> {
    use Strength::{Exact, Near};
    let (sort, rest) = part.split_once('/').unwrap_or((part, ""));
    let files = |names: &[&str]| -> Vec<(Key, Strength)> {
        let keys = names.iter().map(|name| Key::Path((*name).to_owned()));
        keys.map(|key| (key, Near)).collect()
    };
    let mut keys = Vec::new();
    match sort {
        "user" => {
            let (user, group) = match rest.split_once("/in/") {
                Some((user, group)) => (user, Some(group)),
                None => (rest, None),
            };
            keys.push((name("user", user), Exact));
            keys.extend(group.map(|group| (name("group", group), Exact)));
            keys.extend(files(&["/etc/passwd", "/etc/shadow"]));
            if group.is_some() {
                keys.extend(files(&["/etc/group", "/etc/gshadow"]));
            }
        }
        "group" => {
            keys.push((name("group", rest), Exact));
            keys.extend(files(&["/etc/group", "/etc/gshadow"]));
        }
        "sudo" => keys.push((Key::Some("sudo"), Near)),
        "sysctl" => {
            let setting = rest.replace('/', ".");
            // One write to the first sets all of the second.
            if setting.starts_with("net.ipv4.conf.") && setting.ends_with(".forwarding") {
                keys.push((name("sysctl", "net.ipv4.ip_forward"), Near));
                keys.push((name("sysctl", "net.ipv4.conf.all.forwarding"), Near));
            }
            keys.push((name("sysctl", &setting), Exact));
            keys.push((Key::Some("sysctl"), Near));
        }
        "service" => {
            keys.push((name("service", rest), Exact));
            let unit = rest.strip_suffix(".service").unwrap_or(rest);
            keys.push((name("service", unit), Exact));
            keys.push((Key::Path(format!("/etc/systemd/system/{rest}")), Exact));
        }
        "listener" => {
            if let Some(port) = port_of(rest) {
                keys.push((name("listener", port), Exact));
            }
        }
        "firewall" => keys.push((Key::Some("firewall"), Exact)),
        "kernel-module" | "module" => {
            keys.push((name("module", &rest.replace('-', "_")), Exact));
            keys.push((Key::Some("module"), Near));
        }
        "package" => {
            let bare = rest.split(':').next().unwrap_or(rest);
            keys.push((name("package", bare), Exact));
            keys.push((Key::Some("package"), Near));
        }
        _ => keys.push((name(sort, rest), Exact)),
    }
    keys
}

/// The number after the last `:` or `/` that is one.
fn port_of(listener: &str) -> Option<&str> {
    let mut parts = listener.rsplit([':', '/']);
    parts.find(|part| part.parse::<u16>().is_ok())
}

fn of_object(kind: &str, address: &str) -> Option<(Key, Strength)> {
    let parts: Vec<&str> = address.split('/').filter(|part| !part.is_empty()).collect();
    let last = parts.last()?;
    let key = match (kind.contains("::"), parts.len()) {
        (true, _) => name(kind, last),
        (false, 3) => name(&plural(kind), &format!("{}/{last}", parts.first()?)),
        (false, 2) => name(&plural(kind), last),
        (false, _) => return None,
    };
    Some((key, Strength::Exact))
}

/// The resource of a kind as the API has it in its paths.
pub fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    if kind == "endpoints" {
        return kind;
    }
    match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ if kind.ends_with(['s', 'x']) || kind.ends_with("ch") => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}
