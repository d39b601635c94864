//! Access: keys, accounts, groups, rights, and what decides who is let in.

use super::Sign;
use super::places::is_privileged_group;
use super::seen::Seen;
use crate::model::{
    ACCESS_REMOVED, ACCOUNT_CHANGED, ACCOUNT_FILES_CHANGED, ACCOUNT_OPENED, GROUP_CHANGED,
    KEYS_WRITABLE, LOGIN_RULES_CHANGED, PRIVILEGED_MEMBER, SECOND_ROOT, SUDO_RIGHT,
    UNLISTED_ACCOUNT, UNLISTED_KEY, Value,
};

/// Programs that end at once. Git says which of them an account has; a live shell is never asked whether it is one.
const NO_SHELLS: [&str; 4] = ["nologin", "false", "true", "sync"];
const RIGHTS: [&str; 4] = [
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/doas.conf",
    "/etc/polkit-1",
];
const LOGIN_RULES: [&str; 6] = [
    "/etc/ssh",
    "/etc/security",
    "/etc/nsswitch.conf",
    "/etc/login.defs",
    "/etc/securetty",
    "/etc/krb5.conf",
];
const ACCOUNT_FILES: [&str; 6] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
];

pub fn signs(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    keys(seen, out);
    match seen.kind {
        "User" => user(seen, out),
        "Group" => group(seen, out),
        "Accounts" => accounts(seen, out),
        _ => files(seen, out),
    }
}

fn keys(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.kind == "AuthorizedKeys" {
        if seen.adds("keys") || seen.differs("type") && !seen.is_missing() {
            out.push((&UNLISTED_KEY).into());
        }
        let removed = seen.fields("keys").any(|field| field.actual.is_none());
        if removed || seen.is_missing() {
            out.push((&ACCESS_REMOVED).into());
        }
        if !seen.is_missing() && seen.differs("access") {
            out.push((&KEYS_WRITABLE).into());
        }
        return;
    }
    let Some(path) = seen.path else { return };
    let is_folder = seen.name() == ".ssh";
    let is_file = path.contains("/.ssh/authorized_keys")
        || path.starts_with("/etc/ssh/authorized_keys")
        || path.starts_with("/etc/ssh/authorized_principals");
    if (is_file && seen.holds_other()) || (is_folder && seen.is_extra()) {
        out.push((&UNLISTED_KEY).into());
    } else if is_file && seen.is_missing() {
        out.push((&ACCESS_REMOVED).into());
    }
    let is_looser = seen.differs("access") || seen.bits_too_many() & 0o022 != 0;
    if (is_file || is_folder) && !seen.is_missing() && !seen.is_extra() && is_looser {
        out.push((&KEYS_WRITABLE).into());
    }
}

fn user(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    let words = seen.part("user").unwrap_or_default();
    if let [_, "in", group] = words[..] {
        let is_in = !seen.is_missing() && seen.adds("member");
        match (is_in, is_privileged_group(group)) {
            (true, true) => out.push((&PRIVILEGED_MEMBER).into()),
            (true, false) => out.push((&GROUP_CHANGED).into()),
            (false, _) => out.push((&ACCESS_REMOVED).into()),
        }
        return;
    }
    if seen.is_missing() {
        return out.push((&ACCESS_REMOVED).into());
    }
    let is_root = seen.live_number("uid") == Some(0) || seen.live("superuser") == Some("yes");
    let is_new_root = seen.differs("uid") || seen.differs("superuser");
    if is_root && (seen.is_extra() || is_new_root) {
        out.push((&SECOND_ROOT).into());
    } else if seen.is_extra() {
        out.push((&UNLISTED_ACCOUNT).into());
    }
    if seen.is_extra() {
        return;
    }
    let gid = seen.fields("gid").find_map(|field| field.actual.as_ref());
    if gid == Some(&Value::Int(0)) {
        out.push((&PRIVILEGED_MEMBER).into());
    }
    let has_no_shell = |shell: &str| {
        let name = shell.rsplit_once('/').map_or(shell, |(_, name)| name);
        NO_SHELLS.contains(&name)
    };
    let password = seen.now("password");
    let is_opened = password.is_some_and(|word| word != "locked")
        || seen.now("without_password") == Some("yes")
        || seen.expected("shell").is_some_and(has_no_shell);
    if is_opened {
        out.push((&ACCOUNT_OPENED).into());
    }
    if password == Some("locked") {
        out.push((&ACCESS_REMOVED).into());
    }
    let others = [
        "uid",
        "gid",
        "shell",
        "home",
        "lines",
        "raw",
        "hash",
        "in_passwd",
    ];
    if others.iter().any(|field| seen.differs(field)) {
        out.push((&ACCOUNT_CHANGED).into());
    }
}

fn group(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.is_missing() {
        return out.push((&ACCESS_REMOVED).into());
    }
    let words = seen.part("group").unwrap_or_default();
    let is_privileged = words.first().is_some_and(|name| is_privileged_group(name));
    let gid = seen.fields("gid").find_map(|field| field.actual.as_ref());
    let has_root = gid == Some(&Value::Int(0));
    let is_less = |path: &str| seen.differs(path) && !seen.adds(path);
    match () {
        () if has_root || is_privileged && seen.adds("members") => {
            out.push((&PRIVILEGED_MEMBER).into());
        }
        () if is_less("members") && seen.drift.fields.iter().all(|it| it.actual.is_none()) => {
            out.push((&ACCESS_REMOVED).into());
        }
        () => out.push((&GROUP_CHANGED).into()),
    }
}

fn accounts(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.adds("unreadable") {
        out.push((&ACCOUNT_FILES_CHANGED).into());
    }
    if seen.adds("rights") {
        out.push((&SUDO_RIGHT).into());
    } else if seen.differs("rights") {
        out.push((&ACCESS_REMOVED).into());
    }
}

fn files(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.within(&RIGHTS) {
        match seen.is_missing() {
            true => out.push((&ACCESS_REMOVED).into()),
            false if seen.holds_other() => out.push((&SUDO_RIGHT).into()),
            false => {}
        }
    }
    if seen.within(&LOGIN_RULES) && seen.is_other() {
        out.push((&LOGIN_RULES_CHANGED).into());
    }
    if seen.within(&ACCOUNT_FILES) && seen.is_other() {
        out.push((&ACCOUNT_FILES_CHANGED).into());
    }
}
