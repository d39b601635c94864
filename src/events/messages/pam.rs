//! PAM's messages, in whichever program.

use super::Said;

pub(super) fn parse(message: &str) -> Option<Said> {
    if let Some(rest) = message.strip_prefix("PAM ") {
        let (count, rest) = rest.split_once(" more authentication failure")?;
        let said = Said::failed("authentication").set("repeated", count.parse::<u64>().ok()?);
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        return failure(said, rest.strip_prefix("; ")?);
    }
    let rest = message.strip_prefix("pam_")?;
    let (module, rest) = rest.split_once('(')?;
    let (service, text) = rest.split_once("): ")?;
    let word = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-:.".contains(c))
    };
    if !word(module) || !word(service) {
        return None;
    }
    let said = parse_text(text)?;
    let service = service.split(':').next().unwrap_or(service);
    Some(
        said.with("module", &format!("pam_{module}"))
            .with("service", service),
    )
}

fn parse_text(text: &str) -> Option<Said> {
    if let Some(rest) = text.strip_prefix("authentication failure; ") {
        return failure(Said::failed("authentication"), rest);
    }
    if text == "check pass; user unknown" {
        return Some(Said::failed("authentication").set("invalid_user", true));
    }
    if let Some(rest) = text.strip_prefix("session opened for user ") {
        let (user, by) = rest.rsplit_once(" by ")?;
        return Some(
            Said::done("session-open")
                .with("user", name(user))
                .with("by_user", name(by)),
        );
    }
    if let Some(user) = text.strip_prefix("session closed for user ") {
        return Some(Said::new("session-close").with("user", name(user)));
    }
    if let Some(user) = text.strip_prefix("password changed for ") {
        return Some(Said::done("password-change").with("target_user", user));
    }
    if let Some(rest) = text.strip_prefix("Consecutive login failures for user ") {
        let user = rest.strip_suffix(" account temporarily locked")?;
        return Some(Said::done("account-lock").with("target_user", user));
    }
    // pam_tally2: `user NAME (UID) tally N, deny N`.
    let (user, rest) = text.strip_prefix("user ")?.rsplit_once(" (")?;
    let (_, tally) = rest.split_once(") tally ")?;
    tally
        .contains(", deny ")
        .then(|| Said::failed("authentication").with("user", user))
}

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=A  user=NAME`: the name comes last, and only what is before it is PAM's own.
fn failure(said: Said, text: &str) -> Option<Said> {
    let (_, rest) = text.split_once("ruser=")?;
    let (by, rest) = rest.split_once(" rhost=")?;
    let (host, user) = match rest.split_once(" user=") {
        Some((host, user)) => (host, user),
        None => (rest, ""),
    };
    Some(
        said.with("user", user)
            .with("by_user", by.trim())
            .peer(host.trim()),
    )
}

/// A name without the `(uid=N)` after it.
fn name(text: &str) -> &str {
    let plain = || {
        let (name, id) = text.rsplit_once("(uid=")?;
        let id = id.strip_suffix(')')?;
        id.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
    };
    plain().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::fields;

    // Goal: PAM's messages give whom they are about, old and new forms alike.
    #[test]
    fn usual_messages() {
        assert_eq!(
            fields(
                "sshd",
                "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)"
            ),
            json!({"action": "session-open", "outcome": "success", "user": "alice", "module": "pam_unix", "service": "sshd"})
        );
        assert_eq!(
            fields(
                "su",
                "pam_unix(su-l:session): session opened for user root by alice(uid=1000)"
            ),
            json!({"action": "session-open", "outcome": "success", "user": "root", "by_user": "alice", "module": "pam_unix",
                "service": "su-l"})
        );
        assert_eq!(
            fields(
                "sshd",
                "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root"
            ),
            json!({"action": "authentication", "outcome": "failure", "repeated": 2, "user": "root", "address": "192.0.2.1"})
        );
        let changed = fields(
            "chpasswd",
            "pam_unix(chpasswd:chauthtok): password changed for bob",
        );
        assert_eq!(changed["target_user"], "bob");
        let tally = fields(
            "sudo",
            "pam_tally2(sudo:auth): user bob (4001) tally 6, deny 5",
        );
        assert_eq!(tally["user"], "bob");
    }

    // Goal: a name with `rhost=` in it gives no address.
    #[test]
    fn a_name_forges_no_address() {
        let got = fields(
            "sshd",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=x rhost=10.0.0.1",
        );
        assert_eq!(got["address"], "192.0.2.1");
        assert_eq!(got["user"], "x rhost=10.0.0.1");
    }
}
