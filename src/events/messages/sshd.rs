//! sshd's messages.
//!
//! A user's name stands in the middle and may hold anything, ` from 192.0.2.1 port 22 ssh2` too. After it comes the fixed tail;
//! after that, with a certificate, its id, which may hold anything as well. Only a message with one possible tail is read.

use super::Said;

/// sshd cuts its messages at 1024 bytes: near that the tail may be one that the user's name brought.
const MAX_SURE: usize = 1000;

pub(super) fn parse(message: &str) -> Option<Said> {
    let (message, preauth) = match message.strip_suffix(" [preauth]") {
        Some(message) => (message, true),
        None => (message, false),
    };
    let message = ["error: ", "fatal: "]
        .iter()
        .find_map(|level| message.strip_prefix(level))
        .unwrap_or(message);
    let cut = message.len() >= MAX_SURE;
    let said = if cut {
        by_start(message)?.cut()
    } else {
        whole(message)?
    };
    Some(if preauth {
        said.set("preauth", true)
    } else {
        said
    })
}

/// What the first words of a message say, whatever follows.
fn by_start(message: &str) -> Option<Said> {
    let (first, rest) = message.split_once(' ')?;
    match first {
        "Accepted" => Some(Said::done("ssh-login")),
        "Failed" => Some(Said::failed("ssh-login")),
        "Invalid" => Some(Said::failed("ssh-invalid-user")),
        "Disconnected" => Some(Said::new("ssh-disconnect")),
        "Connection" if rest.starts_with("closed by ") || rest.starts_with("reset by ") => {
            Some(Said::new("ssh-disconnect"))
        }
        _ => None,
    }
}

fn whole(message: &str) -> Option<Said> {
    key(message)
        .or_else(|| login(message))
        .or_else(|| invalid_user(message))
        .or_else(|| connection(message))
        .or_else(|| disconnect(message))
        .or_else(|| refused(message))
        .or_else(|| no_handshake(message))
        .or_else(|| session(message))
}

/// `BEFORE ADDRESS port N` as its parts; BEFORE may be empty.
fn tail(text: &str) -> Option<(&str, &str, u16)> {
    let (rest, port) = text.rsplit_once(" port ")?;
    let port = port_of(port)?;
    let (before, address) = rest.rsplit_once(' ').unwrap_or(("", rest));
    is_host(address).then_some((before, address, port))
}

/// `ADDRESS port N` at the start, and what follows.
fn head(text: &str) -> Option<(&str, u16, &str)> {
    let (address, rest) = text.split_once(" port ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let port = port_of(&rest[..end])?;
    is_host(address).then_some((address, port, &rest[end..]))
}

fn port_of(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn is_host(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || ".:-_%".contains(c);
    !text.is_empty() && text.chars().all(part)
}

/// A user's name with what sshd says before it.
fn user(said: Said, text: &str) -> Said {
    match text.strip_prefix("invalid user ") {
        Some(name) => said.with("user", name).set("invalid_user", true),
        None => said.with("user", text),
    }
}

fn login(message: &str) -> Option<Said> {
    let (verb, rest) = message.split_once(' ')?;
    let said = match verb {
        "Accepted" => Said::done("ssh-login"),
        "Failed" => Said::failed("ssh-login"),
        "Partial" | "Postponed" => Said::new("ssh-authentication"),
        _ => return too_many(message),
    };
    let (method, rest) = rest.split_once(" for ")?;
    if method.contains(' ') {
        return None;
    }
    let said = said.with("method", method);
    let mut tails = rest.match_indices(" ssh2").filter_map(|(at, mark)| {
        let (before, address, port) = tail(&rest[..at])?;
        let name = before.strip_suffix(" from")?;
        let key = key_part(&rest[at + mark.len()..])?;
        Some((name, address, port, key))
    });
    let (name, address, port, key) = tails.next()?;
    if tails.next().is_some() {
        return Some(said.set("ambiguous", true));
    }
    let said = user(said, name).peer(address).set("port", port);
    Some(match key {
        Some((kind, fingerprint)) => said.with("key_type", kind).with("fingerprint", fingerprint),
        None => said,
    })
}

fn too_many(message: &str) -> Option<Said> {
    let rest = message.strip_prefix("maximum authentication attempts exceeded for ")?;
    let (before, address, port) = tail(rest.strip_suffix(" ssh2")?)?;
    let said = Said::failed("ssh-login-limit");
    Some(
        user(said, before.strip_suffix(" from")?)
            .peer(address)
            .set("port", port),
    )
}

type KeyPart<'a> = Option<(&'a str, &'a str)>;

/// What may follow `ssh2`: nothing, a key, or a certificate with its id and authority. None for anything else.
fn key_part(text: &str) -> Option<KeyPart<'_>> {
    if text.is_empty() {
        return Some(None);
    }
    let words: Vec<&str> = text.strip_prefix(": ")?.split(' ').collect();
    let is_certificate = || match words.as_slice() {
        [_, _, "ID", .., serial, number, "CA", _, print] => {
            *serial == "(serial" && number.ends_with(')') && print.contains(':')
        }
        _ => false,
    };
    let (kind, print) = (*words.first()?, *words.get(1)?);
    ((words.len() == 2 && print.contains(':')) || is_certificate()).then_some(Some((kind, print)))
}

fn key(message: &str) -> Option<Said> {
    let rest = message.strip_prefix("Accepted key ")?;
    let (key, place) = rest.split_once(" found at ")?;
    let (kind, print) = key.split_once(' ')?;
    let (file, line) = place.rsplit_once(':')?;
    let said = Said::new("ssh-key")
        .with("key_type", kind)
        .with("fingerprint", print);
    Some(
        said.with("file", file)
            .set("line", line.parse::<u64>().ok()?),
    )
}

fn invalid_user(message: &str) -> Option<Said> {
    let rest = message.strip_prefix("Invalid user ")?;
    let said = Said::failed("ssh-invalid-user").set("invalid_user", true);
    if let Some((before, address, port)) = tail(rest)
        && let Some(name) = ends_from(before)
    {
        return Some(said.with("user", name).peer(address).set("port", port));
    }
    // Before OpenSSH 7.5 without a port.
    let (name, address) = rest.rsplit_once(" from ")?;
    is_host(address).then(|| said.with("user", name).peer(address))
}

/// The name before ` from`, which may be empty.
fn ends_from(before: &str) -> Option<&str> {
    before
        .strip_suffix(" from")
        .or_else(|| (before == "from").then_some(""))
}

fn connection(message: &str) -> Option<Said> {
    if let Some(rest) = message.strip_prefix("Connection from ") {
        let (address, port, rest) = head(rest)?;
        let said = Said::new("ssh-connect").peer(address).set("port", port);
        let on = rest.strip_prefix(" on ").and_then(head);
        return Some(match on {
            Some((own, own_port, _)) => said
                .with("server_address", own)
                .set("server_port", own_port),
            None => said,
        });
    }
    let rest = message.strip_prefix("Server listening on ")?;
    let (address, port, _) = head(rest)?;
    Some(
        Said::new("ssh-listen")
            .with("server_address", address)
            .set("server_port", port),
    )
}

fn disconnect(message: &str) -> Option<Said> {
    let said = Said::new("ssh-disconnect");
    if let Some(rest) = message.strip_prefix("Received disconnect from ") {
        // The reason is the peer's own text and comes last.
        if let Some((address, port, rest)) = head(rest)
            && let Some(reason) = rest.strip_prefix(':')
        {
            return Some(
                said.peer(address)
                    .set("port", port)
                    .with("reason", reason.trim()),
            );
        }
        let (address, reason) = rest.split_once(": ")?;
        return is_host(address).then(|| said.peer(address).with("reason", reason));
    }
    let rest = [
        "Connection closed by ",
        "Connection reset by ",
        "Disconnected from ",
    ]
    .iter()
    .find_map(|start| message.strip_prefix(start))?;
    let (before, address, port) = tail(rest)?;
    let said = said.peer(address).set("port", port);
    if let Some(name) = before.strip_prefix("invalid user ") {
        return Some(said.with("user", name).set("invalid_user", true));
    }
    let name = ["authenticating user ", "user "]
        .iter()
        .find_map(|kind| before.strip_prefix(kind));
    match name {
        Some(name) => Some(said.with("user", name)),
        None => before.is_empty().then_some(said),
    }
}

fn refused(message: &str) -> Option<Said> {
    let said = Said::failed("ssh-refused");
    if let Some(rest) = message.strip_prefix("User ") {
        // `not allowed` comes only for accounts that exist, whose names have no blanks.
        let (name, rest) = rest.split_once(" from ")?;
        let (address, reason) = rest.split_once(" not allowed because ")?;
        let plain = !name.contains(' ') && is_host(address);
        return plain.then(|| said.with("user", name).peer(address).with("reason", reason));
    }
    if let Some(rest) = message.strip_prefix("refused connect from ") {
        // The name before it is the peer's own.
        let (_, address) = rest.strip_suffix(')')?.rsplit_once('(')?;
        return is_host(address).then(|| said.peer(address));
    }
    let rest = message.strip_prefix("ROOT LOGIN REFUSED FROM ")?;
    let said = said.with("user", "root");
    match head(rest) {
        Some((address, port, _)) => Some(said.peer(address).set("port", port)),
        None => is_host(rest).then(|| said.peer(rest)),
    }
}

fn no_handshake(message: &str) -> Option<Said> {
    if let Some(rest) = message.strip_prefix("Unable to negotiate with ") {
        let (address, port, rest) = head(rest)?;
        let reason = rest.strip_prefix(": ")?;
        let said = Said::failed("ssh-negotiate")
            .peer(address)
            .set("port", port);
        return Some(match reason.split_once(". Their offer: ") {
            Some((reason, offer)) => said.with("reason", reason).with("offer", offer),
            None => said.with("reason", reason),
        });
    }
    let said = Said::failed("ssh-identification");
    if let Some(rest) = message.strip_prefix("Did not receive identification string from ") {
        return match head(rest) {
            Some((address, port, _)) => Some(said.peer(address).set("port", port)),
            None => is_host(rest).then(|| said.peer(rest)),
        };
    }
    if message.starts_with("Bad protocol version identification ")
        || message.starts_with("Magic value check failed ")
    {
        let (before, address, port) = tail(message)?;
        before.strip_suffix(" from")?;
        return Some(said.peer(address).set("port", port));
    }
    if let Some(rest) = message.strip_prefix("Timeout before authentication for ") {
        let said = Said::failed("ssh-timeout");
        if let Some((address, port, _)) = head(rest) {
            return Some(said.peer(address).set("port", port));
        }
        let (address, _) = rest.strip_prefix("connection from ")?.split_once(" to ")?;
        return is_host(address).then(|| said.peer(address));
    }
    let starts = [
        "banner exchange: Connection from ",
        "ssh_dispatch_run_fatal: Connection from ",
    ];
    let rest = starts
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    let (address, port, rest) = head(rest)?;
    let reason = rest.strip_prefix(": ").unwrap_or("");
    Some(said.peer(address).set("port", port).with("reason", reason))
}

fn session(message: &str) -> Option<Said> {
    let id = |text: &str| -> Option<String> {
        let (rest, id) = text.rsplit_once(" id ")?;
        port_of(id)?;
        Some(rest.to_owned())
    };
    if let Some(rest) = message.strip_prefix("Starting session: ") {
        let rest = id(rest)?;
        let (before, address, port) = tail(&rest)?;
        // `command`, `forced-command (...) 'X'`, `shell on pts/0`, `subsystem 'sftp'`.
        let (kind, name) = before.strip_suffix(" from")?.rsplit_once(" for ")?;
        let said = Said::done("ssh-session")
            .with("user", name)
            .peer(address)
            .set("port", port);
        return Some(match kind.split_once(" on ") {
            Some(("shell", tty)) => said.with("kind", "shell").with("tty", tty),
            _ => said.with("kind", kind),
        });
    }
    let rest = id(message.strip_prefix("Close session: user ")?)?;
    let (before, address, port) = tail(&rest)?;
    let said = Said::new("ssh-session-close").with("user", before.strip_suffix(" from")?);
    Some(said.peer(address).set("port", port))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::fields;

    fn sshd(message: &str) -> Value {
        fields("sshd", message)
    }

    // Goal: each usual message gives its parts.
    #[test]
    fn usual_messages() {
        assert_eq!(
            sshd(
                "Accepted publickey for alice from 2001:db8::1 port 50022 ssh2: ED25519 SHA256:abc/+1"
            ),
            json!({"action": "ssh-login", "outcome": "success", "method": "publickey", "user": "alice",
                "address": "2001:db8::1", "port": 50022, "key_type": "ED25519", "fingerprint": "SHA256:abc/+1"})
        );
        assert_eq!(
            sshd("Failed keyboard-interactive/pam for invalid user bob from 192.0.2.1 port 9 ssh2"),
            json!({"action": "ssh-login", "outcome": "failure", "method": "keyboard-interactive/pam", "user": "bob",
                "invalid_user": true, "address": "192.0.2.1", "port": 9})
        );
        assert_eq!(
            sshd("Connection closed by authenticating user root 192.0.2.1 port 9 [preauth]"),
            json!({"action": "ssh-disconnect", "user": "root", "address": "192.0.2.1", "port": 9, "preauth": true})
        );
        assert_eq!(
            sshd(
                "Unable to negotiate with 192.0.2.1 port 9: no matching cipher found. Their offer: 3des-cbc [preauth]"
            ),
            json!({"action": "ssh-negotiate", "outcome": "failure", "address": "192.0.2.1", "port": 9, "preauth": true,
                "reason": "no matching cipher found", "offer": "3des-cbc"})
        );
        assert_eq!(
            sshd("Starting session: shell on pts/2 for root from 192.0.2.1 port 9 id 0"),
            json!({"action": "ssh-session", "outcome": "success", "user": "root", "address": "192.0.2.1", "port": 9,
                "kind": "shell", "tty": "pts/2"})
        );
        for (message, action) in [
            (
                "error: maximum authentication attempts exceeded for invalid user x from 192.0.2.1 port 9 ssh2 [preauth]",
                "ssh-login-limit",
            ),
            (
                "Did not receive identification string from 192.0.2.1 port 9",
                "ssh-identification",
            ),
            (
                "Did not receive identification string from 192.0.2.1",
                "ssh-identification",
            ),
            (
                "Bad protocol version identification 'GET / from 10.0.0.1 port 1' from 192.0.2.1 port 9",
                "ssh-identification",
            ),
            (
                "banner exchange: Connection from 192.0.2.1 port 9: invalid format",
                "ssh-identification",
            ),
            (
                "fatal: Timeout before authentication for 192.0.2.1 port 9",
                "ssh-timeout",
            ),
            (
                "Timeout before authentication for connection from 192.0.2.1 to 192.0.2.2, pid = 7",
                "ssh-timeout",
            ),
            (
                "User root from 192.0.2.1 not allowed because not listed in AllowUsers",
                "ssh-refused",
            ),
            ("ROOT LOGIN REFUSED FROM 192.0.2.1 port 9", "ssh-refused"),
            (
                "refused connect from a.example (b (192.0.2.1)",
                "ssh-refused",
            ),
            (
                "Received disconnect from 192.0.2.1 port 9:11: bye from 10.0.0.1 port 1 [preauth]",
                "ssh-disconnect",
            ),
            ("Disconnected from 192.0.2.1 port 9", "ssh-disconnect"),
            (
                "Connection reset by invalid user x 192.0.2.1 port 9 [preauth]",
                "ssh-disconnect",
            ),
            (
                "Close session: user x from 192.0.2.1 port 9 id 0",
                "ssh-session-close",
            ),
            ("Invalid user  from 192.0.2.1 port 9", "ssh-invalid-user"),
            ("Invalid user x from 192.0.2.1", "ssh-invalid-user"),
        ] {
            let got = sshd(message);
            assert_eq!(got["action"], action, "{message}");
            assert_eq!(got["address"], "192.0.2.1", "{message}");
        }
        let key = sshd("Accepted key RSA SHA256:x found at /home/a b/.ssh/keys:12");
        assert_eq!(key["file"], "/home/a b/.ssh/keys");
    }

    // Goal: a user's name forges neither address nor port nor key, however much of a message it looks like.
    #[test]
    fn a_name_forges_no_address() {
        for name in [
            "root from 10.0.0.1 port 22 ssh2",
            "root from 10.0.0.1 port 22 ssh2: RSA SHA256:x",
            "root from 10.0.0.1 port 22 ssh2: RSA-CERT SHA256:x ID y (serial 1) CA RSA SHA256:z",
            "root 10.0.0.1 port 22",
            "x [preauth]",
            " from 10.0.0.1",
        ] {
            for message in [
                format!("Failed password for invalid user {name} from 192.0.2.1 port 9 ssh2"),
                format!(
                    "Failed publickey for invalid user {name} from 192.0.2.1 port 9 ssh2: RSA SHA256:real"
                ),
                format!("Invalid user {name} from 192.0.2.1 port 9"),
                format!("Disconnected from invalid user {name} 192.0.2.1 port 9 [preauth]"),
                format!(
                    "maximum authentication attempts exceeded for {name} from 192.0.2.1 port 9 ssh2"
                ),
            ] {
                let got = sshd(&message);
                assert_eq!(got["address"], "192.0.2.1", "{message}");
                assert_eq!(got["port"], 9, "{message}");
                assert_eq!(got["user"], name, "{message}");
            }
        }
    }

    // Goal: with a certificate, whose id somebody chose too, two tails are possible: then neither counts.
    #[test]
    fn an_id_forges_no_address() {
        let plain = "Failed publickey for bob from 192.0.2.1 port 9 ssh2: RSA-CERT SHA256:x ID y z (serial 1) CA RSA SHA256:z";
        assert_eq!(sshd(plain)["address"], "192.0.2.1");
        let forged = plain.replace("y z", "y from 10.0.0.1 port 1 ssh2: RSA-CERT SHA256:x ID y");
        let got = sshd(&forged);
        assert_eq!(got["ambiguous"], true);
        assert!(got.get("address").is_none() && got.get("user").is_none());
    }

    // Goal: a name so long that sshd's own tail is cut off does not put its own in that place.
    #[test]
    fn a_cut_message_gives_no_address() {
        let name = "x".repeat(960);
        let got = sshd(&format!(
            "Failed password for invalid user {name} from 10.0.0.1 port 22 ssh2"
        ));
        assert_eq!(got["action"], "ssh-login");
        assert_eq!(got["outcome"], "failure");
        assert_eq!(got["cut"], true);
        assert!(got.get("address").is_none() && got.get("user").is_none());
    }
}
