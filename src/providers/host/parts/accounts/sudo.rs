//! What sudo grants, to whom, as a resource: asked of the host's `cvtsudoers`, put right by a person.
//!
//! Flow: `/etc/sudoers` → `cvtsudoers` → [`rules`] → who may do what.
//!
//! **Invariant:** what could grant more than these rules, or cannot be read, makes it not evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use super::files::Files;
use super::rules::{self, Granted, ROOT};
use crate::document::{Yaml, YamlValue};
use crate::model::{Desired, Fields, Observed, Problems, Reason, ReasonCode, State, Value};
use crate::providers::host::fs::{Fs, HostPath, Look, Want};
use crate::providers::host::machine::not_running;
use crate::providers::host::path::{escape, parse};

/// The field of what is granted.
pub const RIGHTS: &str = "rights";
/// Which files name somebody to whom something is granted that git does not list.
const NAMED_IN: &str = "named_in";
const PROGRAMS: [&str; 2] = ["/usr/bin/cvtsudoers", "/usr/sbin/cvtsudoers"];
/// Without the host's own settings for the program, which could leave rules out.
const ARGUMENTS: [&str; 6] = ["-c", "/dev/null", "-e", "-f", "json", SUDOERS];
const SUDOERS: &str = "/etc/sudoers";
const LIMIT: Duration = Duration::from_secs(20);
/// The largest configuration that is read, in bytes, and the most files of it.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 200;

/// The map of a manifest: names, and for each what sudo lists.
pub fn of_manifest(node: &Yaml, problems: &mut Problems) -> Option<Value> {
    let YamlValue::Map(entries) = &node.value else {
        problems.push(node.problem(format!("expected a map, found {}", node.type_name())));
        return None;
    };
    let mut all = BTreeMap::new();
    for (key, list) in entries {
        let mut said = BTreeSet::new();
        for item in list.list(problems).unwrap_or_default() {
            if let Some(right) = item.text(problems)
                && !said.insert(rules::canonical(right))
            {
                problems.push(item.problem("the right is listed twice"));
            }
        }
        if key.name != ROOT && !said.is_empty() {
            all.insert(escape(key.name.as_bytes()), texts(&said));
        }
    }
    Some(Value::Map(all))
}

fn texts(rights: &BTreeSet<String>) -> Value {
    Value::List(rights.iter().cloned().map(Value::Text).collect())
}

/// What is granted on this root.
pub fn see(fs: &dyn Fs, files: &Files, desired: &Desired) -> Observed {
    match granted(fs, files) {
        Ok(granted) => Observed::Present(state_of(fs, &granted, desired)),
        Err(reason) => Observed::NotEvaluated(reason),
    }
}

fn granted(fs: &dyn Fs, files: &Files) -> Result<Granted, Reason> {
    let machine = fs.machine().ok_or_else(not_running)?;
    let cannot = |text: String| Reason::new(ReasonCode::Unsupported, text);
    let is_there = |path: &str| {
        parse(path).is_ok_and(|path| !matches!(fs.look(&path, Want::Nothing), Look::Absent))
    };
    if !is_there(SUDOERS) {
        return Ok(Granted::default());
    }
    refuse_other_sources(fs)?;
    let program = PROGRAMS.into_iter().find(|path| is_there(path));
    let program = program.ok_or_else(|| {
        cannot("the host has no cvtsudoers, which would tell what sudo grants".to_owned())
    })?;
    let said = machine.call(program, &ARGUMENTS, b"", LIMIT)?;
    let complains = !said.errors.trim_ascii().is_empty();
    if !said.succeeded || complains || said.is_cut {
        let line = match said.is_cut {
            true => "there are more of them than are read".to_owned(),
            false => said.first_line().unwrap_or_default(),
        };
        return Err(cannot(format!(
            "{program} cannot tell the rules of sudo: {line}"
        )));
    }
    let text = String::from_utf8_lossy(&said.output);
    rules::of_json(&text, files).map_err(|why| cannot(format!("{program} {why}")))
}

/// Rules that lie elsewhere are not seen by `cvtsudoers`.
fn refuse_other_sources(fs: &dyn Fs) -> Result<(), Reason> {
    let elsewhere = |text: &str| Err(Reason::new(ReasonCode::Unsupported, text));
    let conf = read(fs, &["etc", "sudo.conf"])?;
    let is_other = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.first() == Some(&"Plugin") && words.get(2..) != Some(&["sudoers.so"][..])
    };
    if conf.lines().any(is_other) {
        return elsewhere("/etc/sudo.conf names other plugins or rules than sudo's own");
    }
    let switch = read(fs, &["etc", "nsswitch.conf"])?;
    let sources = |line: &str| {
        let sources = line.trim().strip_prefix("sudoers:")?.split('#').next()?;
        let is_other = sources.split_whitespace().any(|one| one != "files");
        is_other.then_some(())
    };
    if switch.lines().any(|line| sources(line).is_some()) {
        return elsewhere("/etc/nsswitch.conf lets sudo take rules from elsewhere than its files");
    }
    Ok(())
}

fn path_of(names: &[&str]) -> HostPath {
    HostPath(names.iter().map(|name| name.as_bytes().to_vec()).collect())
}

/// A small file as text, empty where it is not there.
fn read(fs: &dyn Fs, names: &[&str]) -> Result<String, Reason> {
    let path = path_of(names);
    let want = Want::Bytes {
        unless: None,
        max_bytes: MAX_BYTES,
    };
    match fs.look(&path, want) {
        Look::Absent => Ok(String::new()),
        Look::Present(_, Some(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Look::Present(..) => Err(Reason::new(
            ReasonCode::Unsupported,
            format!("{} is no regular file of a sensible size", path.address()),
        )),
        Look::Unseen(reason) => Err(reason),
    }
}

/// The rights as a state, with the files that name whoever has others than git lists.
fn state_of(fs: &dyn Fs, granted: &Granted, desired: &Desired) -> State {
    let rights = granted.rights.iter();
    let rights = Value::Map(rights.map(|(who, all)| (who.clone(), texts(all))).collect());
    let mut wanted = BTreeSet::new();
    for who in differing(desired, &rights) {
        wanted.extend(granted.meant_by.get(&who).into_iter().flatten().cloned());
        wanted.insert(who);
    }
    let mut state = State::of(Fields::from([(RIGHTS.to_owned(), rights)]));
    if !wanted.is_empty() {
        let files = naming(fs, &wanted).into_iter().map(Value::Text).collect();
        state.beyond.insert(NAMED_IN.into(), Value::List(files));
    }
    state
}

/// Whose rights are others than git lists.
fn differing(desired: &Desired, rights: &Value) -> BTreeSet<String> {
    let expected = desired.expected().and_then(|fields| fields.get(RIGHTS));
    let (Some(Value::Map(expected)), Value::Map(rights)) = (expected, rights) else {
        return BTreeSet::new();
    };
    let names = expected.keys().chain(rights.keys());
    let differ = names.filter(|who| expected.get(*who) != rights.get(*who));
    differ.cloned().collect()
}

/// The files of sudo in which one of these names is a word. Only a hint: what cannot be read names nobody.
fn naming(fs: &dyn Fs, wanted: &BTreeSet<String>) -> Vec<String> {
    let mut entries = BTreeSet::new();
    let _ = fs.list(&path_of(&["etc", "sudoers.d"]), &mut |entry| {
        entries.extend(String::from_utf8(entry.name));
        match entries.len() < MAX_FILES {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    let below = entries.iter().map(|name| vec!["etc", "sudoers.d", name]);
    let paths = std::iter::once(vec!["etc", "sudoers"]).chain(below);
    let is_between = |c: char| c.is_whitespace() || ",=:".contains(c);
    let names_one = |line: &str| {
        let mut words = line.split(is_between);
        !line.trim_start().starts_with("# ") && words.any(|word| wanted.contains(word))
    };
    paths
        .filter(|path| read(fs, path).unwrap_or_default().lines().any(names_one))
        .map(|path| path_of(&path).address().0)
        .collect()
}

/// What a person has to do.
pub fn by_hand(desired: &Desired, state: &State) -> Option<String> {
    let who = differing(desired, state.fields.get(RIGHTS)?);
    if who.is_empty() {
        return None;
    }
    let some = |names: &mut dyn Iterator<Item = &str>| {
        let short = |name: &str| name.chars().take(80).collect::<String>();
        names.take(6).map(short).collect::<Vec<_>>().join(", ")
    };
    let names = some(&mut who.iter().map(String::as_str));
    let place = match state.get(NAMED_IN) {
        Some(Value::List(files)) if !files.is_empty() => {
            let files = some(&mut files.iter().filter_map(Value::as_text));
            format!(" (see {files})")
        }
        _ => String::new(),
    };
    Some(format!(
        "sudo grants {names} other rights than git lists{place}: put that right by a `File` or an exclusive `Directory` of its rules, or by a `Group` with its members"
    ))
}
