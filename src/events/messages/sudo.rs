//! Messages of sudo and su.

use super::Said;

/// Where the fields end whose values nobody chose.
const COMMAND: &str = " ; COMMAND=";

/// `alice : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/bash`, with a complaint before TTY where it was refused.
///
/// The directory and the command are chosen. Where ` ; USER=` or ` ; COMMAND=` stands twice, one of them may be a part of
/// either: then the target user is left out, and the command is everything that could belong to it.
pub(super) fn parse(message: &str) -> Option<Said> {
    let (user, rest) = message.trim_start().split_once(" : ")?;
    if user.is_empty() || user.contains(' ') {
        return None;
    }
    let (before, command) = match rest.split_once(COMMAND) {
        Some((before, command)) => (before, command),
        None => (rest, ""),
    };
    let twice = |mark: &str| rest.match_indices(mark).nth(1).is_some();
    let ambiguous = twice(COMMAND) || twice(" ; USER=");
    let field = |name: &str| {
        let mark = format!(" ; {name}=");
        let at = before.find(&mark)? + mark.len();
        let end = before[at..]
            .find(" ; ")
            .map_or(before.len(), |end| at + end);
        Some(&before[at..end])
    };
    let (first, _) = before.split_once(" ; ").unwrap_or((before, ""));
    let (refusal, tty) = match first.strip_prefix("TTY=") {
        Some(tty) => (None, Some(tty)),
        None => (Some(first), field("TTY")),
    };
    if tty.is_none() && field("PWD").is_none() {
        return None;
    }
    let said = match refusal {
        None => Said::done("sudo"),
        Some(reason) => Said::failed("sudo").with("reason", reason),
    };
    let said = said
        .with("user", user)
        .with("tty", tty.unwrap_or(""))
        .with("cwd", field("PWD").unwrap_or(""))
        .with("command_line", command);
    Some(if ambiguous {
        said.set("ambiguous", true)
    } else {
        said.with("target_user", field("USER").unwrap_or(""))
            .with("group", field("GROUP").unwrap_or(""))
    })
}

/// `(to root) alice on pts/0`, and older forms.
pub(super) fn parse_su(message: &str) -> Option<Said> {
    let (said, rest) = match message.strip_prefix("FAILED SU ") {
        Some(rest) => (Said::failed("su"), rest),
        None => (Said::done("su"), message),
    };
    if let Some(rest) = rest.strip_prefix("(to ") {
        let (target, rest) = rest.split_once(") ")?;
        let (user, tty) = rest.rsplit_once(" on ").unwrap_or((rest, ""));
        return Some(
            said.with("user", user)
                .with("target_user", target)
                .with("tty", tty),
        );
    }
    let (said, rest) = match message.strip_prefix("FAILED su for ") {
        Some(rest) => (Said::failed("su"), rest),
        None => (
            Said::done("su"),
            message.strip_prefix("Successful su for ")?,
        ),
    };
    let (target, user) = rest.split_once(" by ")?;
    Some(said.with("user", user).with("target_user", target))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::fields;

    // Goal: who ran what as whom, and what was refused.
    #[test]
    fn usual_messages() {
        assert_eq!(
            fields(
                "sudo",
                "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/sh -c 'a ; b'"
            ),
            json!({"action": "sudo", "outcome": "success", "user": "alice", "tty": "pts/0", "cwd": "/home/alice",
                "target_user": "root", "command_line": "/bin/sh -c 'a ; b'"})
        );
        for (reason, rest) in [
            (
                "3 incorrect password attempts",
                "TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            ),
            (
                "user NOT in sudoers",
                "TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            ),
            (
                "a password is required",
                "PWD=/ ; USER=root ; COMMAND=/bin/sh",
            ),
        ] {
            let got = fields("sudo", &format!("bob : {reason} ; {rest}"));
            assert_eq!(got["outcome"], "failure", "{reason}");
            assert_eq!(got["reason"], reason);
            assert_eq!(got["target_user"], "root");
            assert_eq!(got["command_line"], "/bin/sh");
        }
        let minus = fields(
            "sudo",
            "bob : TTY=pts/0 ; PWD=/ ; USER=#-1 ; COMMAND=/bin/sh",
        );
        assert_eq!(minus["target_user"], "#-1");
        assert_eq!(
            fields("su", "FAILED SU (to root) alice on pts/0"),
            json!({"action": "su", "outcome": "failure", "user": "alice", "target_user": "root", "tty": "pts/0"})
        );
        assert_eq!(
            fields("su", "Successful su for root by alice")["target_user"],
            "root"
        );
    }

    // Goal: a directory's name does not decide as whom a command ran, nor hide it.
    #[test]
    fn a_directory_forges_no_user() {
        let got = fields(
            "sudo",
            "bob : TTY=pts/0 ; PWD=/tmp/x ; USER=bob ; COMMAND=/bin/true ; USER=root ; COMMAND=/bin/sh",
        );
        assert_eq!(got["ambiguous"], true);
        assert!(got.get("target_user").is_none());
        assert!(
            got["command_line"]
                .as_str()
                .unwrap()
                .ends_with("COMMAND=/bin/sh")
        );
    }
}
