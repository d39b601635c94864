//! Files: what of `/etc` and of the machine's own programs no package brought, and folders in which nothing else may lie.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::lists::Changed;
use super::{Answers, Draft, Manifest, ask};
use crate::model::{Completeness, Member, Observation, Observed, ResourceId, State, Value};
use crate::providers::host::kinds::{DIRECTORY, FILE, SYMLINK};
use crate::providers::host::path::parse;
use crate::providers::host::risk;

/// What is made anew by itself, is another kind's, or tells machines apart.
const NOISE: [&str; 29] = [
    "/etc/.pwd.lock",
    "/etc/.updated",
    "/etc/adjtime",
    "/etc/alternatives/",
    "/etc/apparmor.d/cache/",
    "/etc/cron.",
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/mtab",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/rc0.d/",
    "/etc/rc1.d/",
    "/etc/rc2.d/",
    "/etc/rc3.d/",
    "/etc/rc4.d/",
    "/etc/rc5.d/",
    "/etc/rc6.d/",
    "/etc/rcS.d/",
    "/etc/resolv.conf",
    "/etc/shadow",
    "/etc/ssl/certs/",
    "/etc/subgid-",
    "/etc/subuid-",
];

/// Folders in which whatever is new has an effect.
const WATCHED: [&str; 20] = [
    "/etc/apt/apt.conf.d",
    "/etc/apt/sources.list.d",
    "/etc/init.d",
    "/etc/ld.so.conf.d",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/pam.d",
    "/etc/profile.d",
    "/etc/rsyslog.d",
    "/etc/security",
    "/etc/ssh",
    "/etc/sudoers.d",
    "/etc/sysctl.d",
    "/etc/systemd/system",
    "/etc/udev/rules.d",
    "/etc/xdg/autostart",
    "/etc/audit/rules.d",
    "/etc/logrotate.d",
    "/usr/local/bin",
    "/usr/local/sbin",
];

/// A file that says this holds what nobody else may know.
const SECRETS: [&str; 3] = ["PRIVATE KEY-----", "password", "secret"];

/// Adds them. `jobs` are the paths that are held as such.
pub fn files(answers: &Answers<'_>, changed: &Changed, jobs: &BTreeSet<String>, out: &mut Draft) {
    let members = members(answers, out);
    let packaged: BTreeMap<&str, &str> = (answers.known.packages.iter())
        .flat_map(|one| one.conffiles.iter().map(|path| (&**path, &*one.name)))
        .collect();
    // What is held elsewhere, or by nobody, and is no stranger in its folder.
    let mut left_alone: BTreeSet<&str> = BTreeSet::new();
    for (path, member) in &members {
        if is_noise(path) || jobs.contains(*path) {
            continue;
        }
        let Observed::Present(state) = &member.observed else {
            out.left_out.push(format!("{path}: it could not be read"));
            continue;
        };
        let is_packaged = packaged.contains_key(*path) && !changed.conffiles.contains(*path);
        match state.get("type").and_then(Value::as_text) {
            Some("file") if is_packaged => {
                out.unchanged += 1;
                left_alone.insert(path);
            }
            Some("file") if names(state) > 1 => {
                out.left_out.push(format!(
                    "{path}: it has {} names (hard links), which a File does not allow",
                    names(state)
                ));
                left_alone.insert(path);
            }
            Some("file") => file(answers, path, state, out),
            Some("symlink") if is_of_interest(path) => symlink(answers, path, state, out),
            _ => {}
        }
    }
    folders(answers, &members, &left_alone, out);
}

/// The folders in what was seen of folders, but for those in which nothing is a person's.
pub fn folders_within(
    observations: &BTreeMap<ResourceId, Observation>,
) -> impl Iterator<Item = &str> {
    let listings = observations
        .iter()
        .filter(|(id, _)| id.kind.0 == DIRECTORY)
        .filter_map(|(_, seen)| seen.listing.as_ref());
    listings
        .flat_map(|listing| &listing.members)
        .filter(|member| is_folder(member))
        .map(|member| &*member.address.0)
        .filter(|path| !is_noise(&format!("{path}/")))
}

fn is_folder(member: &Member) -> bool {
    let state = member.observed.state();
    state.is_some_and(|state| state.get("type") == Some(&"directory".into()))
}

fn is_noise(path: &str) -> bool {
    NOISE.iter().any(|one| path.starts_with(one))
}

/// All that was found, by path.
fn members<'a>(answers: &Answers<'a>, out: &mut Draft) -> BTreeMap<&'a str, &'a Member> {
    let mut members = BTreeMap::new();
    for (at, folder) in answers.known.folders.iter().enumerate() {
        let seen = answers.of(DIRECTORY, &ask::folder(at));
        let Some(listing) = seen.and_then(|seen| seen.listing.as_ref()) else {
            out.left_out
                .push(format!("{folder}: it could not be looked into"));
            continue;
        };
        if let Completeness::Partial(reason) = &listing.complete {
            out.left_out.push(format!("part of {folder}: {reason}"));
        }
        members.extend(listing.members.iter().map(|one| (&*one.address.0, one)));
    }
    members
}

/// A link that starts or loads something.
fn is_of_interest(path: &str) -> bool {
    WATCHED.iter().any(|folder| is_below(path, folder))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// How many names a file has.
fn names(state: &State) -> i64 {
    state.get("links").and_then(Value::as_int).unwrap_or(1)
}

/// Owner, group and mode.
fn access(answers: &Answers<'_>, state: &State) -> Vec<(&'static str, Json)> {
    let number = |field: &str| state.get(field).and_then(Value::as_int).unwrap_or(0);
    let (uid, gid) = (number("uid"), number("gid"));
    let owner = answers
        .known
        .name_of(uid)
        .map_or(json!(uid), |name| json!(name));
    let group = if gid == 0 { json!("root") } else { json!(gid) };
    let mode = state.get("mode").and_then(Value::as_text).unwrap_or("0644");
    vec![("mode", json!(mode)), ("owner", owner), ("group", group)]
}

fn file(answers: &Answers<'_>, path: &str, state: &State, out: &mut Draft) {
    let name = out.name(FILE, path);
    let mut spec = vec![("path", json!(path))];
    match shown(answers, path, state) {
        Ok(content) => {
            let beside = format!("files/{name}");
            spec.push(("contentFrom", json!(beside)));
            out.files.insert(beside, content);
        }
        Err(why) => out.left_out.push(format!(
            "the content of {path}: {why}; owner and mode are held"
        )),
    }
    spec.extend(access(answers, state));
    let is = |field: &str| match state.get(field).and_then(Value::as_text) {
        None | Some("none") => None,
        Some(text) => Some(text),
    };
    if let Some(capabilities) = is("capabilities") {
        spec.push(("capabilities", json!(capabilities)));
    }
    if let Some(flags) = is("flags") {
        out.suspicious.push(format!("{path} is {flags}"));
        if flags == "immutable" {
            spec.push(("immutable", json!(true)));
        }
    }
    let file = match ask::OWN.iter().any(|folder| is_below(path, folder)) {
        true => "programs",
        false => "files",
    };
    out.add(
        file,
        Manifest {
            kind: FILE,
            name,
            spec,
            comment: None,
        },
    );
}

/// The content that may go into git.
fn shown(answers: &Answers<'_>, path: &str, state: &State) -> Result<Vec<u8>, &'static str> {
    let mode = state.get("mode").and_then(Value::as_text).unwrap_or("0");
    let others = u32::from_str_radix(mode, 8).unwrap_or(0) & 0o004;
    let is_rights = path.starts_with("/etc/sudoers");
    let is_secret = parse(path).is_ok_and(|path| risk::is_secret(&path));
    if is_secret || (others == 0 && !is_rights) {
        return Err("not everybody may read it");
    }
    let content = answers.content(state).ok_or("it is too large")?;
    let text = String::from_utf8_lossy(&content);
    let is_told = |line: &str| {
        let line = line.trim();
        let is_comment = line.starts_with(['#', ';']);
        !is_comment
            && (line.contains(SECRETS[0])
                || SECRETS[1..].iter().any(|word| {
                    let line = line.to_ascii_lowercase();
                    let rest = line.split_once(word).map(|(_, rest)| rest.trim_start());
                    rest.is_some_and(|rest| rest.starts_with(['=', ':']))
                }))
    };
    // What PAM does with passwords is no password.
    match text.lines().any(is_told) && !is_below(path, "/etc/pam.d") {
        true => Err("it may hold a secret"),
        false => Ok(content.to_vec()),
    }
}

fn symlink(answers: &Answers<'_>, path: &str, state: &State, out: &mut Draft) {
    let Some(target) = state.get("target").and_then(Value::as_text) else {
        return;
    };
    let name = out.name(SYMLINK, path);
    let owner = access(answers, state).split_off(1);
    let mut spec = vec![("path", json!(path)), ("target", json!(target))];
    spec.extend(owner);
    out.add(
        "files",
        Manifest {
            kind: SYMLINK,
            name,
            spec,
            comment: None,
        },
    );
}

fn folders(
    answers: &Answers<'_>,
    members: &BTreeMap<&str, &Member>,
    left_alone: &BTreeSet<&str>,
    out: &mut Draft,
) {
    for (at, path) in answers.known.folders.iter().enumerate() {
        let seen = answers.of(DIRECTORY, &ask::folder(at));
        let Some(state) = seen.and_then(|seen| seen.observed.state()) else {
            continue;
        };
        let is_watched = WATCHED.contains(&&**path);
        if !is_watched && !is_of_interest(path) {
            continue;
        }
        let mut spec = vec![("path", json!(path))];
        spec.extend(access(answers, state));
        if is_watched {
            spec.push(("exclusive", json!(true)));
            let ignored = ignored(path, members, left_alone);
            if !ignored.is_empty() {
                spec.push(("ignore", json!(ignored)));
            }
        }
        let name = out.name(DIRECTORY, path);
        out.add(
            "folders",
            Manifest {
                kind: DIRECTORY,
                name,
                spec,
                comment: None,
            },
        );
    }
}

/// What the listing of a folder leaves to packages and to the list of jobs.
fn ignored(
    folder: &str,
    members: &BTreeMap<&str, &Member>,
    left_alone: &BTreeSet<&str>,
) -> Vec<String> {
    let below = members.keys().filter(|path| is_below(path, folder));
    let mut globs: Vec<String> = below
        .filter(|path| left_alone.contains(**path))
        .map(|path| globbed(&path[folder.len() + 1..]))
        .collect();
    if folder == "/etc/systemd/system" {
        globs.push("*.timer".to_owned());
    }
    globs
}

/// A path as a glob that means just it.
fn globbed(path: &str) -> String {
    let mut glob = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
}
