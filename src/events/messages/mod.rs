//! What the messages of well-known programs say: sshd, sudo, su, cron, the account tools, systemd-logind, and PAM in any of them.
//!
//! Flow: program and message → [`Said`] → fields of the body that syslog and journald share → an [`Event`].
//!
//! Names and commands in a message are chosen by whoever is logged, and a message can be told from another only by the parts
//! that its program writes: the parsers read from the end that the chosen text can't reach. Where two readings are possible
//! the fields are left out and `ambiguous` is set; where the program cut its message, `cut`.
//!
//! **Invariant:** an address or a name in a body was at the program's own place for it.

mod accounts;
mod cron;
mod event;
mod pam;
mod sshd;
mod sudo;

use serde_json::{Map, Value};

pub(super) use event::event;

/// What one message says.
pub(super) struct Said {
    action: &'static str,
    success: Option<bool>,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    fn new(action: &'static str) -> Self {
        Self {
            action,
            success: None,
            fields: Vec::new(),
        }
    }

    fn done(action: &'static str) -> Self {
        Self {
            success: Some(true),
            ..Self::new(action)
        }
    }

    fn failed(action: &'static str) -> Self {
        Self {
            success: Some(false),
            ..Self::new(action)
        }
    }

    /// Adds a field, unless it is empty.
    fn with(mut self, key: &'static str, text: &str) -> Self {
        if !text.is_empty() {
            self.fields.push((key, text.into()));
        }
        self
    }

    fn set(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((key, value.into()));
        self
    }

    /// An address where it is one, and otherwise a name that somebody gave to one.
    fn peer(self, address: &str) -> Self {
        let ip = address.split('%').next().unwrap_or(address);
        match ip.parse::<std::net::IpAddr>() {
            Ok(ip) => self.set("address", ip.to_canonical().to_string()),
            Err(_) => self.with("hostname", address),
        }
    }

    /// Takes back what the end of a cut message seemed to say.
    fn cut(mut self) -> Self {
        const SURE: [&str; 3] = ["method", "service", "module"];
        self.fields.retain(|(key, _)| SURE.contains(key));
        self.set("cut", true)
    }
}

/// Adds to a body what a program's message says, as `action`, `outcome` and fields of the action.
pub(super) fn add(program: &str, message: &str, body: &mut Map<String, Value>) {
    let (times, message) = repeated(message);
    let message = message.trim_end();
    let Some(said) = parse(program, message) else {
        return;
    };
    body.insert("action".to_owned(), said.action.into());
    if let Some(success) = said.success {
        let outcome = if success { "success" } else { "failure" };
        body.insert("outcome".to_owned(), outcome.into());
    }
    if let Some(times) = times {
        body.insert("repeated".to_owned(), times.into());
    }
    for (key, value) in said.fields {
        body.entry(key).or_insert(value);
    }
}

/// A program's name without its directory and what follows in its title.
pub(super) fn family(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or(program);
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "sshd-session" | "sshd-auth" => "sshd".to_owned(),
        "crond" | "anacron" => "cron".to_owned(),
        _ => name,
    }
}

fn parse(program: &str, message: &str) -> Option<Said> {
    if let Some(said) = pam::parse(message) {
        return Some(said);
    }
    match family(program).as_str() {
        "sshd" => sshd::parse(message),
        "sudo" => sudo::parse(message),
        "su" => sudo::parse_su(message),
        "cron" | "crontab" => cron::parse(message),
        "useradd" | "adduser" | "userdel" | "deluser" | "usermod" | "groupadd" | "addgroup"
        | "groupdel" | "delgroup" | "groupmod" | "gpasswd" | "passwd" | "chpasswd" | "chage"
        | "chfn" | "chsh" | "newusers" => accounts::parse(message),
        "systemd-logind" => accounts::parse_logind(message),
        _ => None,
    }
}

/// rsyslog's `message repeated 3 times: [ TEXT]`.
fn repeated(message: &str) -> (Option<u64>, &str) {
    let inner = || {
        let rest = message.strip_prefix("message repeated ")?;
        let (times, rest) = rest.split_once(" times: [")?;
        Some((times.parse().ok()?, rest.strip_suffix(']')?))
    };
    match inner() {
        Some((times, text)) => (Some(times), text.strip_prefix(' ').unwrap_or(text)),
        None => (None, message),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The fields that a message gives.
    pub(super) fn fields(program: &str, message: &str) -> Value {
        let mut body = Map::new();
        add(program, message, &mut body);
        Value::Object(body)
    }

    // Goal: a message that stands for several is read and says for how many.
    #[test]
    fn repeated_messages() {
        assert_eq!(
            fields(
                "sshd",
                "message repeated 3 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]"
            ),
            json!({"action": "ssh-login", "outcome": "failure", "repeated": 3, "method": "password", "user": "root",
                "address": "192.0.2.1", "port": 22})
        );
    }

    // Goal: another program's message is not read as sshd's.
    #[test]
    fn the_program_decides() {
        assert_eq!(
            fields(
                "nginx",
                "Accepted password for root from 192.0.2.1 port 22 ssh2"
            ),
            json!({})
        );
        assert_eq!(
            fields(
                "/usr/sbin/sshd-session",
                "Connection from 192.0.2.1 port 9 on 192.0.2.2 port 22"
            )["address"],
            "192.0.2.1"
        );
    }

    proptest! {
        // Goal: no message makes a parser panic. Method: pieces of real messages in any order.
        #[test]
        fn nothing_panics(
            program in "sshd|sudo|su|cron|useradd|passwd|gpasswd|systemd-logind",
            pieces in proptest::collection::vec(prop_oneof![
                "Accepted|Failed|publickey|password| for |invalid user | from |192.0.2.1| port |22| ssh2|: |RSA SHA256:x| ID |\\(serial 1\\)| CA | \\[preauth\\]",
                " ; (TTY|PWD|USER|COMMAND)=|root|\\(| : |\\) |CMD|to |new user: name=|, UID=|'| changed by |added | by |New session |of user |\\.",
                "pam_unix\\(sshd:(auth|session)\\): |session opened for user | by |\\(uid=0\\)|authentication failure; |rhost=| user=|message repeated 2 times: \\[|\\]",
                "\\PC{0,5}"
            ], 0..14)
        ) {
            fields(&program, &pieces.concat());
        }
    }
}
