//! The rules of sudo: what a person writes and what `cvtsudoers` says, as one spelling, and whom each is for.
//!
//! **Invariant:** pure, and an upper bound: an exception (`!eve`) takes nothing away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::files::{Files, Which};
use super::lines;
use crate::providers::host::path::escape;

/// root may do everything, with or without sudo.
pub const ROOT: &str = "root";
/// The most rights that one account may have, and the longest of them, in characters.
const MAX_RIGHTS: usize = 1000;
const MAX_RIGHT: usize = 4096;

/// Who may do what, and by which names they are meant.
#[derive(Default, Debug, PartialEq)]
pub struct Granted {
    pub rights: BTreeMap<String, BTreeSet<String>>,
    pub meant_by: BTreeMap<String, BTreeSet<String>>,
}

/// One spelling of a right: as `sudo -l` has it, with the words before the command in the order of the alphabet.
pub fn canonical(right: &str) -> String {
    let text = right.split_whitespace().collect::<Vec<_>>().join(" ");
    let (hosts, text) = match text.split_once("= (").or_else(|| text.split_once("=(")) {
        Some((hosts, rest)) if !hosts.contains(['(', '/']) => (hosts.trim(), format!("({rest}")),
        _ => ("", text.clone()),
    };
    let (runas, rest) = match text.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((runas, rest)) => (runas, rest),
        None => (ROOT, text.as_str()),
    };
    let (users, groups) = runas.split_once(':').unwrap_or((runas, ""));
    let mut rest = rest.trim();
    let mut tags = Vec::new();
    while let Some((tag, command)) = rest.split_once(':') {
        let tag = tag.trim();
        if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
            break;
        }
        tags.push(format!("{tag}: "));
        rest = command.trim();
    }
    written(hosts, users, groups, tags, rest)
}

fn written(hosts: &str, users: &str, groups: &str, mut tags: Vec<String>, command: &str) -> String {
    tags.sort();
    let list = |names: &str| {
        let names = names.split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        names.collect::<Vec<_>>().join(", ")
    };
    let hosts = match list(hosts) {
        hosts if hosts.is_empty() || hosts == "ALL" => String::new(),
        hosts => format!("{hosts} = "),
    };
    let runas = match (list(users), list(groups)) {
        (users, groups) if groups.is_empty() => users,
        (users, groups) => format!("{users} : {groups}"),
    };
    format!("{hosts}({runas}) {}{command}", tags.concat())
}

/// The JSON as it should be: `cvtsudoers` leaves out the braces around options such as `CWD`. No text in it has a line
/// break, so lines tell what is one.
pub fn mended(text: &str) -> String {
    let mut is_option = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let bare = line.trim();
        if is_option && bare.starts_with('"') {
            let (option, comma) = match bare.strip_suffix(',') {
                Some(option) => (option, ","),
                None => (bare, ""),
            };
            out.push_str(&format!("{{ {option} }}{comma}\n"));
            continue;
        }
        if bare == "\"Options\": [" {
            is_option = true;
        } else if bare.starts_with(']') {
            is_option = false;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Reads the rules, and takes groups apart.
///
/// # Errors
/// What is wrong with it, to follow the name of the program.
pub fn of_json(text: &str, files: &Files) -> Result<Granted, String> {
    let json: Json =
        serde_json::from_str(&mended(text)).map_err(|_| "says what is no JSON".to_owned())?;
    let mut granted = Granted::default();
    for spec in list(&json, "User_Specs") {
        let hosts = names(list(spec, "Host_List"));
        let mut rights = BTreeSet::new();
        for commands in list(spec, "Cmnd_Specs") {
            rights.extend(rights_of(&hosts, commands)?);
        }
        let subjects = list(spec, "User_List").iter();
        for subject in subjects.filter(|subject| !is_negated(subject)) {
            let meant = name(subject);
            let accounts = accounts_of(subject, &meant, files);
            for who in accounts.into_iter().filter(|who| who != ROOT) {
                let held = granted.rights.entry(who.clone()).or_default();
                held.extend(rights.iter().cloned());
                if held.len() > MAX_RIGHTS {
                    return Err("tells of more rights than are read".to_owned());
                }
                let meant_by = granted.meant_by.entry(who).or_default();
                meant_by.insert(meant.clone());
            }
        }
    }
    Ok(granted)
}

fn list<'a>(json: &'a Json, field: &str) -> &'a [Json] {
    let items = json.get(field).and_then(Json::as_array);
    items.map_or(&[], Vec::as_slice)
}

fn is_negated(item: &Json) -> bool {
    item.get("negated") == Some(&Json::Bool(true))
}

fn names(items: &[Json]) -> String {
    let name = |item: &Json| match is_negated(item) {
        true => format!("!{}", name(item)),
        false => name(item),
    };
    items.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => escape(text.as_bytes()),
        other => other.to_string(),
    }
}

/// A name as sudoers writes it; what is not known is told as it is.
fn name(item: &Json) -> String {
    let fields = item.as_object().into_iter().flatten();
    let Some((sort, value)) = fields.into_iter().find(|(field, _)| *field != "negated") else {
        return item.to_string();
    };
    let value = text(value);
    match sort.as_str() {
        "username" | "hostname" | "networkaddr" => value,
        "userid" => format!("#{value}"),
        "usergroup" => format!("%{value}"),
        "usergid" => format!("%#{value}"),
        "netgroup" => format!("+{value}"),
        "nonunixgroup" => format!("%:{value}"),
        other => format!("{}={value}", escape(other.as_bytes())),
    }
}

fn rights_of(hosts: &str, spec: &Json) -> Result<Vec<String>, String> {
    let (runas, groups) = (list(spec, "runasusers"), list(spec, "runasgroups"));
    let users = match runas.is_empty() && groups.is_empty() {
        true => ROOT.to_owned(),
        false => names(runas),
    };
    let groups: Vec<_> = groups
        .iter()
        .map(|group| name(group).trim_start_matches('%').to_owned())
        .collect();
    let mut rights = Vec::new();
    for item in list(spec, "Commands") {
        let command = command_of(item);
        let (mut tags, mut settings) = (Vec::new(), Vec::new());
        let options = list(spec, "Options").iter().filter_map(Json::as_object);
        for (option, value) in options.flatten() {
            match (option.as_str(), value) {
                // Follows from the command.
                ("setenv", Json::Bool(true)) if command == "ALL" => {}
                (option, Json::Bool(is)) => tags.push(tag(option, *is)),
                (option, value) => settings.push(setting(option, value)),
            }
        }
        settings.sort();
        let command = format!("{}{command}", settings.concat());
        let right = written(hosts, &users, &groups.join(", "), tags, &command);
        if right.chars().count() > MAX_RIGHT {
            return Err("tells of a right that is too long".to_owned());
        }
        rights.push(right);
    }
    Ok(rights)
}

/// An option that is on or off, by the word that sudoers has for it.
fn tag(option: &str, is: bool) -> String {
    let word = match option {
        "authenticate" => "PASSWD".to_owned(),
        "sendmail" => "MAIL".to_owned(),
        "sudoedit_follow" => "FOLLOW".to_owned(),
        other => escape(other.to_ascii_uppercase().as_bytes()),
    };
    match (word.strip_prefix("NO"), is) {
        (_, true) => format!("{word}: "),
        (Some(opposite), false) => format!("{opposite}: "),
        (None, false) => format!("NO{word}: "),
    }
}

fn setting(option: &str, value: &Json) -> String {
    let word = match option {
        "runcwd" => "CWD".to_owned(),
        "runchroot" => "CHROOT".to_owned(),
        "command_timeout" => "TIMEOUT".to_owned(),
        other => escape(other.to_ascii_uppercase().as_bytes()),
    };
    format!("{word}={} ", text(value))
}

fn command_of(item: &Json) -> String {
    let Some(fields) = item.as_object() else {
        return item.to_string();
    };
    let digests = fields.iter().filter(|(field, _)| field.starts_with("sha"));
    let mut out: String = digests
        .map(|(field, value)| format!("{}:{} ", escape(field.as_bytes()), text(value)))
        .collect();
    if is_negated(item) {
        out.push('!');
    }
    for (field, value) in fields {
        match field.as_str() {
            "command" => out.push_str(&text(value)),
            field if field == "negated" || field.starts_with("sha") => {}
            field => out.push_str(&format!("{}={}", escape(field.as_bytes()), text(value))),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The accounts that a name of sudoers stands for; itself where only sudo can tell.
fn accounts_of(subject: &Json, meant: &str, files: &Files) -> BTreeSet<String> {
    let id = |field: &str| {
        let id = subject.get(field)?;
        match id.as_str() {
            Some(text) => lines::number(text.as_bytes()),
            None => u32::try_from(id.as_u64()?).ok(),
        }
    };
    if let Some(group) = subject.get("usergroup").and_then(Json::as_str) {
        return members_of(files, Some(group.as_bytes()), None);
    }
    if let Some(gid) = id("usergid") {
        return members_of(files, None, Some(gid));
    }
    if let Some(uid) = id("userid") {
        let of = users(files).filter(|(_, entry)| lines::number(entry[2]) == Some(uid));
        let named: BTreeSet<_> = of.map(|(name, _)| escape(name)).collect();
        if !named.is_empty() {
            return named;
        }
    }
    BTreeSet::from([meant.to_owned()])
}

fn users(files: &Files) -> impl Iterator<Item = (&[u8], [&[u8]; 7])> {
    let lines = files.passwd.lines.iter();
    let lines = lines.filter(|line| !lines::is_blank(line));
    lines.map(|line| (lines::name(line), lines::fields::<7>(line)))
}

/// Everybody who is in a group, by its name or number, or by a group that has the same number.
fn members_of(files: &Files, name: Option<&[u8]>, gid: Option<u32>) -> BTreeSet<String> {
    let groups = || {
        let lines = files.group.lines.iter();
        let lines = lines.filter(|line| !lines::is_blank(line));
        lines.map(|line| (lines::name(line), lines::fields::<4>(line)))
    };
    let mut gids: BTreeSet<u32> = gid.into_iter().collect();
    let named = groups().filter(|(group, _)| Some(*group) == name);
    gids.extend(named.filter_map(|(_, entry)| lines::number(entry[2])));
    let has = |field: &[u8]| lines::number(field).is_some_and(|gid| gids.contains(&gid));
    let mut members = BTreeSet::new();
    for (group, entry) in groups() {
        if Some(group) != name && !has(entry[2]) {
            continue;
        }
        members.extend(lines::list(entry[3]).map(escape));
        // What `newgrp` believes.
        for at in files.of_name(Which::Gshadow, group) {
            if let Some(file) = &files.gshadow {
                let list = lines::fields::<4>(file.lines.get(*at))[3];
                members.extend(lines::list(list).map(escape));
            }
        }
    }
    let primary = users(files).filter(|(_, entry)| has(entry[3]));
    members.extend(primary.map(|(name, _)| escape(name)));
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::host::LocalFs;

    // Goal: what a person copies from `sudo -l`, or from sudoers, is the same right as the one that is found.
    #[test]
    fn rights_have_one_spelling() {
        for (written, form) in [
            ("ALL", "(root) ALL"),
            ("(ALL:ALL) ALL", "(ALL : ALL) ALL"),
            (
                "(www-data : adm)  NOPASSWD:NOEXEC:   /bin/a  b:c",
                "(www-data : adm) NOEXEC: NOPASSWD: /bin/a b:c",
            ),
            ("(a,b) /bin/x (y)", "(a, b) /bin/x (y)"),
            ("h1=(root) /bin/x", "h1 = (root) /bin/x"),
            (
                "(ALL) CWD=/tmp TIMEOUT=5 /bin/q",
                "(ALL) CWD=/tmp TIMEOUT=5 /bin/q",
            ),
        ] {
            assert_eq!(canonical(written), form);
            assert_eq!(canonical(form), form);
        }
    }

    // Goal: every way in which sudo means somebody leads to that account: by name, number, group, the number of a group, a
    // second group of that number, a primary group, gshadow; exceptions take nothing away; options without braces, as sudo
    // 1.9 writes them, hide nothing.
    #[test]
    fn rules_are_taken_apart() {
        let temp = tempfile::tempdir().unwrap();
        let etc = temp.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        for (name, text) in [
            (
                "passwd",
                "root:x:0:0:::\nalice:x:1000:1000:::\nbob:x:1001:27:::\n",
            ),
            ("shadow", ""),
            ("group", "sudo:x:27:alice\nother:x:27:carol\nops:x:30:\n"),
            ("gshadow", "sudo:!::dave\n"),
        ] {
            std::fs::write(etc.join(name), text).unwrap();
        }
        let files = Files::read(&LocalFs::open(temp.path()).unwrap()).unwrap();
        let rule = |users: &str, commands: &str| {
            format!(
                "{{\"User_List\": [{users}], \"Host_List\": [{{\"hostname\": \"ALL\"}}], \"Cmnd_Specs\": [{commands}]}}"
            )
        };
        let all = "{\"runasusers\": [{\"username\": \"ALL\"}], \"Options\": [\n{ \"setenv\": true }\n], \"Commands\": [{\"command\": \"ALL\"}]}";
        let odd = "{\"Options\": [\n\"runcwd\": \"/tmp\",\n{ \"authenticate\": false }\n], \"Commands\": [{\"command\": \"/bin/q\"}, {\"command\": \"/bin/su\", \"negated\": true}]}";
        let odd = odd.replace("\"Options\": [", "\n\"Options\": [");
        let json = format!(
            "{{\"User_Specs\": [{}, {}, {}, {}]}}",
            rule("{\"usergroup\": \"sudo\"}, {\"username\": \"root\"}", all),
            rule("{\"userid\": 1000}, {\"usergid\": 30}", &odd),
            rule(
                "{\"username\": \"ALL\"}, {\"username\": \"eve\", \"negated\": true}",
                &odd
            ),
            rule("{\"netgroup\": \"net\"}", all),
        );
        let granted = of_json(&json, &files).unwrap();
        let told: Vec<String> = granted
            .rights
            .iter()
            .map(|(who, rights)| {
                let rights: Vec<_> = rights.iter().map(String::as_str).collect();
                format!("{who}: {}", rights.join("; "))
            })
            .collect();
        let odd = "(root) NOPASSWD: !/bin/su; (root) NOPASSWD: CWD=/tmp /bin/q";
        let odd = odd.replace("NOPASSWD: !", "NOPASSWD: CWD=/tmp !");
        assert_eq!(
            told,
            [
                "+net: (ALL) ALL".to_owned(),
                format!("ALL: {odd}"),
                format!("alice: (ALL) ALL; {odd}"),
                "bob: (ALL) ALL".to_owned(),
                "carol: (ALL) ALL".to_owned(),
                "dave: (ALL) ALL".to_owned(),
            ]
        );
        assert!(of_json("", &files).is_err());
    }
}
