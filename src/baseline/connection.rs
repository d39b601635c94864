//! How a host target is reached: its `root`, and `ssh` where it is not this machine.
//!
//! Flow: the fields `root` and `ssh` of a target → [`ProviderKind::Host`].
//!
//! **Invariant:** nothing that reaches the command line of ssh begins with `-`, and hosts, users and ports hold no
//! character that means something to ssh or to a shell.

use std::time::Duration;

use super::terms;
use crate::document::{Fields, Yaml, YamlValue};
use crate::model::{Become, Problems, ProviderKind, Ssh};

/// How long one answer may take where nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest time that anybody could want to wait for one answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// The most hosts to jump over.
const MAX_JUMPS: usize = 8;
/// The longest name of a host, as in DNS.
const MAX_HOST: usize = 253;
/// The longest name of a user.
const MAX_USER: usize = 64;

/// Takes `root` and `ssh` of a target.
pub(super) fn host(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<ProviderKind> {
    let root = fields.take("root");
    let Some(node) = fields.take("ssh") else {
        let Some(root) = root else {
            problems.push(fields.node().problem("a host target needs `root`").hint(
                "write root: / for this machine, or the path of a folder; or ssh: { host: NAME }",
            ));
            return None;
        };
        let root = terms::line(root, problems)?.to_owned();
        return Some(ProviderKind::Host { root, ssh: None });
    };
    let ssh = ssh(node, problems);
    let root = match root {
        None => Some("/".to_owned()),
        Some(node) if matches!(&node.value, YamlValue::Text(text) if text == "/") => {
            Some("/".to_owned())
        }
        Some(node) => terms::absolute_path(node, problems),
    };
    Some(ProviderKind::Host {
        root: root?,
        ssh: Some(ssh?),
    })
}

fn ssh(node: &Yaml, problems: &mut Problems) -> Option<Ssh> {
    let mut fields = node.fields(problems)?;
    let host = fields
        .require("host", problems)
        .and_then(|node| host_name(node, problems));
    let user = fields.take("user").map(|node| user(node, problems));
    let port = fields
        .take("port")
        .map(|node| node.integer(1, u16::MAX.into(), problems));
    let jump = fields.take("jump").map(|node| jumps(node, problems));
    let mut path = |name| fields.take(name).map(|node| path(node, problems));
    let (identity, config, known_hosts) = (path("identity"), path("config"), path("known_hosts"));
    let r#become = fields
        .take("become")
        .map(|node| node.one_of(&[("sudo", Become::Sudo)], problems));
    let timeout = fields.take("timeout").map(|node| timeout(node, problems));
    fields.finish(problems);
    // What is given and wrong must not become what is not given.
    Some(Ssh {
        host: host?,
        user: given(user)?,
        port: given(port)?.and_then(|port| u16::try_from(port).ok()),
        jump: given(jump)?.unwrap_or_default(),
        identity: given(identity)?,
        config: given(config)?,
        known_hosts: given(known_hosts)?,
        r#become: given(r#become)?.unwrap_or_default(),
        timeout: given(timeout)?.unwrap_or(DEFAULT_TIMEOUT),
    })
}

/// Not given, or given and right; none for given and wrong.
fn given<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    }
}

fn host_name(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if is_host(text) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!("\"{}\" is no host", terms::shown(text)))
            .hint("a name, an address or an alias of the ssh configuration, of letters, digits and . _ - : % and not beginning with -; the user and the port have fields of their own"),
    );
    None
}

fn user(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    if is_user(text) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!(
            "\"{}\" is no user to log in as",
            terms::shown(text)
        ))
        .hint("at most 64 letters, digits and . _ - + @, not beginning with -"),
    );
    None
}

/// One host to jump over, or a list of them.
fn jumps(node: &Yaml, problems: &mut Problems) -> Option<Vec<String>> {
    let items = match &node.value {
        YamlValue::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() || items.len() > MAX_JUMPS {
        problems.push(
            node.problem(format!(
                "1 to {MAX_JUMPS} hosts to jump over are expected here"
            ))
            .hint("leave `jump` out to connect directly"),
        );
        return None;
    }
    let before = problems.0.len();
    let mut jumps = Vec::new();
    for item in items {
        let Some(text) = item.text(problems) else {
            continue;
        };
        if !is_jump(text) {
            problems.push(
                item.problem(format!(
                    "\"{}\" is no host to jump over",
                    terms::shown(text)
                ))
                .hint("write [user@]host[:port], an IPv6 address in [ ], several as a list"),
            );
        }
        jumps.push(text.to_owned());
    }
    (problems.0.len() == before).then_some(jumps)
}

/// A path that stands for itself: ssh replaces `%h` and `${HOME}` in paths, and takes quotes out of them.
fn path(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = terms::line(node, problems)?;
    let wrong = if text.starts_with('~') {
        "`~` is not expanded here"
    } else if text.contains(['"', '\\', '%', '$']) {
        "the path holds a character that means something else to ssh: \" \\ % or $"
    } else {
        return Some(text.to_owned());
    };
    problems.push(node.problem(wrong).hint(
        "write an absolute path or one relative to the directory of evenkeel.yaml; without this field ssh uses the user's own",
    ));
    None
}

fn timeout(node: &Yaml, problems: &mut Problems) -> Option<Duration> {
    let timeout = terms::duration(node, problems)?;
    if !timeout.is_zero() && timeout <= MAX_TIMEOUT {
        return Some(timeout);
    }
    problems.push(
        node.problem("the time for one answer is out of range")
            .hint("from 1s to 24h"),
    );
    None
}

fn is_word(text: &str, max: usize, also: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    (1..=max).contains(&text.len()) && !text.starts_with('-') && text.chars().all(allowed)
}

fn is_host(text: &str) -> bool {
    is_word(text, MAX_HOST, "._-:%")
}

/// Whether somebody can have this name on a host, as far as ssh is concerned.
pub fn is_user(text: &str) -> bool {
    is_word(text, MAX_USER, "._-+@")
}

/// `[user@]host[:port]`; what could begin an option stands in front.
fn is_jump(text: &str) -> bool {
    let (name, place) = match text.rsplit_once('@') {
        Some((name, place)) => (Some(name), place),
        None => (None, text),
    };
    let (host, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').unwrap_or("?"))),
        Some(None) => return false,
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    name.is_none_or(is_user)
        && is_host(host)
        && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && is_port(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: what ssh understands as hosts to jump over gets through, and nothing that could be an option or a command.
    #[test]
    fn jumps_are_hosts() {
        for text in [
            "bastion",
            "ops@bastion:2222",
            "ops@corp.example@bastion",
            "[fe80::1%eth0]",
            "a@[::1]:22",
        ] {
            assert!(is_jump(text), "{text}");
        }
        for text in [
            "",
            "-oProxyCommand=x",
            "@host",
            "-l@host",
            "ops@-x",
            "a,b",
            "a b",
            "host:",
            "host:0",
            "host:+22",
            "host:65536",
            "::1",
            "[::1",
            "[::1]22",
            "[]",
            "$(x)",
            "h;x",
            "h\nx",
            "hö",
        ] {
            assert!(!is_jump(text), "{text}");
        }
    }
}
