//! Messages of useradd, usermod, userdel, groupadd, gpasswd, passwd and their kin, and of systemd-logind.

use super::Said;

pub(super) fn parse(message: &str) -> Option<Said> {
    added(message)
        .or_else(|| membership(message))
        .or_else(|| password(message))
        .or_else(|| changed(message))
        .or_else(|| removed(message))
}

/// A text in single quotes at the start, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('\'')?.split_once('\'')
}

/// `new user: name=x, UID=0, GID=0, home=/root, shell=/bin/bash, from=/dev/pts/1`.
fn added(message: &str) -> Option<Said> {
    let field = |rest: &str, key: &str| {
        let at = rest.find(key)? + key.len();
        let end = rest[at..].find(", ").map_or(rest.len(), |end| at + end);
        Some(rest[at..end].to_owned())
    };
    if let Some(rest) = message.strip_prefix("new user: name=") {
        let (name, rest) = rest.split_once(", ").unwrap_or((rest, ""));
        let mut said = Said::done("user-add").with("target_user", name);
        for (key, mark) in [("home", "home="), ("shell", "shell="), ("tty", "from=")] {
            said = said.with(key, &field(rest, mark).unwrap_or_default());
        }
        for (key, mark) in [("target_uid", "UID="), ("target_gid", "GID=")] {
            if let Some(id) = field(rest, mark).and_then(|id| id.parse::<u64>().ok()) {
                said = said.set(key, id);
            }
        }
        return Some(said);
    }
    if let Some(rest) = message.strip_prefix("failed adding user '") {
        let (name, reason) = rest.split_once('\'')?;
        let said = Said::failed("user-add").with("target_user", name);
        return Some(said.with("reason", reason.trim_start_matches([',', ' '])));
    }
    let rest = message.strip_prefix("new group: name=").or_else(|| {
        let rest = message.strip_prefix("group added to ")?;
        Some(rest.split_once(": name=")?.1)
    })?;
    let (name, rest) = rest.split_once(", ").unwrap_or((rest, ""));
    let said = Said::done("group-add").with("group", name);
    Some(
        match field(rest, "GID=").and_then(|id| id.parse::<u64>().ok()) {
            Some(id) => said.set("target_gid", id),
            None => said,
        },
    )
}

/// `add 'x' to group 'sudo'`, `user x added by root to group sudo`.
fn membership(message: &str) -> Option<Said> {
    for (verb, link, action) in [
        ("add ", " to ", "group-member-add"),
        ("delete ", " from ", "group-member-delete"),
    ] {
        if let Some((user, rest)) = message.strip_prefix(verb).and_then(quoted) {
            let rest = rest.strip_prefix(link)?;
            let rest = rest.strip_prefix("shadow ").unwrap_or(rest);
            let (group, _) = quoted(rest.strip_prefix("group ")?)?;
            return Some(
                Said::done(action)
                    .with("target_user", user)
                    .with("group", group),
            );
        }
    }
    let rest = message.strip_prefix("user ")?;
    let (user, rest) = rest.split_once(' ')?;
    let (action, rest) = match rest.strip_prefix("added by ") {
        Some(rest) => ("group-member-add", rest),
        None => ("group-member-delete", rest.strip_prefix("removed by ")?),
    };
    let (by, rest) = rest.split_once(' ')?;
    let group = rest
        .strip_prefix("to group ")
        .or(rest.strip_prefix("from group "))?;
    Some(
        Said::done(action)
            .with("user", by)
            .with("target_user", user)
            .with("group", group),
    )
}

/// `password for 'x' changed by 'root'`.
fn password(message: &str) -> Option<Said> {
    let (name, rest) = quoted(message.strip_prefix("password for ")?)?;
    let (by, _) = quoted(rest.strip_prefix(" changed by ")?)?;
    Some(
        Said::done("password-change")
            .with("target_user", name)
            .with("user", by),
    )
}

/// `change user 'x' UID from '1' to '0'`, `lock user 'x' password`, `changed user 'x' shell to '/bin/sh'`.
fn changed(message: &str) -> Option<Said> {
    if let Some(name) = message.strip_prefix("changed password expiry for ") {
        let said = Said::done("user-change").with("target_user", name);
        return Some(said.with("detail", "password expiry"));
    }
    let (verb, rest) = message.split_once(' ')?;
    let (name, detail) = quoted(rest.strip_prefix("user ")?)?;
    let detail = detail.trim_start();
    let action = match verb {
        "change" | "changed" if detail == "password" => "password-change",
        "change" | "changed" => "user-change",
        "lock" => "account-lock",
        "unlock" => "account-unlock",
        "delete" => "user-delete",
        _ => return None,
    };
    Some(
        Said::done(action)
            .with("target_user", name)
            .with("detail", detail),
    )
}

/// `group 'x' removed from /etc/group`, `removed group 'x' owned by 'y'`.
fn removed(message: &str) -> Option<Said> {
    let said = |name: &str| Some(Said::done("group-delete").with("group", name));
    if let Some((name, rest)) = message.strip_prefix("group ").and_then(quoted) {
        return rest.starts_with(" removed").then(|| said(name))?;
    }
    let rest = message.strip_prefix("removed ")?;
    let rest = rest.strip_prefix("shadow ").unwrap_or(rest);
    said(quoted(rest.strip_prefix("group ")?)?.0)
}

/// `New session 84 of user alice.`
pub(super) fn parse_logind(message: &str) -> Option<Said> {
    let bare = |text: &str| text.trim_matches('\'').to_owned();
    if let Some(rest) = message.strip_prefix("New session ") {
        let (session, rest) = rest.split_once(" of user ")?;
        let user = rest.split(" with class").next()?.trim_end_matches('.');
        let said = Said::done("session-open").with("user", &bare(user));
        return Some(said.with("session", &bare(session)));
    }
    let session = message.strip_prefix("Removed session ").or_else(|| {
        Some(
            message
                .strip_prefix("Session ")?
                .split_once(" logged out")?
                .0,
        )
    })?;
    let session = bare(session.trim_end_matches('.'));
    Some(Said::new("session-close").with("session", &session))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::fields;

    // Goal: who was added, changed or removed, with what makes it dangerous: the id and the group.
    #[test]
    fn usual_messages() {
        assert_eq!(
            fields(
                "useradd",
                "new user: name=sysd, UID=0, GID=0, home=/root, shell=/bin/bash, from=/dev/pts/1"
            ),
            json!({"action": "user-add", "outcome": "success", "target_user": "sysd", "target_uid": 0, "target_gid": 0,
                "home": "/root", "shell": "/bin/bash", "tty": "/dev/pts/1"})
        );
        for (program, message, action, user, group) in [
            (
                "usermod",
                "add 'bob' to group 'sudo'",
                "group-member-add",
                "bob",
                "sudo",
            ),
            (
                "usermod",
                "add 'bob' to shadow group 'sudo'",
                "group-member-add",
                "bob",
                "sudo",
            ),
            (
                "userdel",
                "delete 'bob' from group 'sudo'",
                "group-member-delete",
                "bob",
                "sudo",
            ),
            (
                "gpasswd",
                "user bob added by root to group sudo",
                "group-member-add",
                "bob",
                "sudo",
            ),
            (
                "usermod",
                "change user 'bob' UID from '1001' to '0'",
                "user-change",
                "bob",
                "",
            ),
            (
                "usermod",
                "change user 'bob' password",
                "password-change",
                "bob",
                "",
            ),
            (
                "usermod",
                "unlock user 'bob' password",
                "account-unlock",
                "bob",
                "",
            ),
            ("userdel", "delete user 'bob'", "user-delete", "bob", ""),
            (
                "passwd",
                "password for 'bob' changed by 'root'",
                "password-change",
                "bob",
                "",
            ),
            (
                "chsh",
                "changed user 'bob' shell to '/bin/sh'",
                "user-change",
                "bob",
                "",
            ),
            (
                "useradd",
                "failed adding user 'bob', data deleted",
                "user-add",
                "bob",
                "",
            ),
            (
                "groupadd",
                "new group: name=ops, GID=0",
                "group-add",
                "",
                "ops",
            ),
            (
                "groupadd",
                "group added to /etc/group: name=ops, GID=1002",
                "group-add",
                "",
                "ops",
            ),
            (
                "groupdel",
                "group 'ops' removed from /etc/group",
                "group-delete",
                "",
                "ops",
            ),
            (
                "userdel",
                "removed shadow group 'ops' owned by 'ops'",
                "group-delete",
                "",
                "ops",
            ),
        ] {
            let got = fields(program, message);
            assert_eq!(got["action"], action, "{message}");
            assert_eq!(got["target_user"].as_str().unwrap_or(""), user, "{message}");
            assert_eq!(got["group"].as_str().unwrap_or(""), group, "{message}");
        }
        assert_eq!(
            fields("systemd-logind", "New session 84 of user alice."),
            json!({"action": "session-open", "outcome": "success", "user": "alice", "session": "84"})
        );
        assert_eq!(
            fields("systemd-logind", "Removed session 84.")["session"],
            "84"
        );
    }
}
