//! `ssh` of a target: what arrives, and what is refused.

use std::time::Duration;

use super::super::load_project;
use super::source;
use crate::model::{Become, ProviderKind, Ssh};

/// What a target becomes with these fields, or what is wrong with them.
fn host(fields: &str) -> Result<ProviderKind, String> {
    let text = format!(
        "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - name: a\n    provider: host\n{fields}"
    );
    let (project, problems) = load_project(&source(&[("evenkeel.yaml", &text)])).unwrap();
    match problems.is_empty() {
        true => Ok(project.unwrap().targets.remove(0).provider),
        false => Err(problems.to_string()),
    }
}

// Goal: every field of a connection arrives where it is used, and what is not given has its documented default.
#[test]
fn connections_arrive() {
    let least = Ssh {
        host: "web-1.example.org".into(),
        user: None,
        port: None,
        jump: vec![],
        identity: None,
        config: None,
        known_hosts: None,
        r#become: Become::Nobody,
        timeout: Duration::from_secs(120),
    };
    assert_eq!(
        host("    ssh: { host: web-1.example.org }\n"),
        Ok(ProviderKind::Host {
            root: "/".into(),
            ssh: Some(least)
        })
    );
    let all = Ssh {
        host: "fe80::1%eth0".into(),
        user: Some("ops".into()),
        port: Some(2222),
        jump: vec!["ops@bastion:22".into(), "[::1]:2".into()],
        identity: Some("keys/a b".into()),
        config: Some("/etc/evenkeel/ssh".into()),
        known_hosts: Some("known_hosts".into()),
        r#become: Become::Sudo,
        timeout: Duration::from_secs(30),
    };
    assert_eq!(
        host(
            "    root: /srv/jail\n    ssh:\n      host: fe80::1%eth0\n      user: ops\n      port: 2222\n      jump: ['ops@bastion:22', '[::1]:2']\n      identity: keys/a b\n      config: /etc/evenkeel/ssh\n      known_hosts: known_hosts\n      become: sudo\n      timeout: 30s\n"
        ),
        Ok(ProviderKind::Host {
            root: "/srv/jail".into(),
            ssh: Some(all)
        })
    );
    let one = host("    root: /\n    ssh: { host: a, jump: bastion }\n").unwrap();
    let ProviderKind::Host { ssh, .. } = one;
    assert_eq!(ssh.unwrap().jump, ["bastion"]);
}

// Goal: nothing that ssh or a shell could take for an option, a command or another host gets through, and each mistake
// is named at its place.
#[test]
fn connections_are_checked() {
    for (fields, expected) in [
        ("", "4:5: a host target needs `root`"),
        ("    ssh: web-1\n", "6:10: expected a map, found text"),
        ("    ssh: {}\n", "6:10: `host` is missing"),
        (
            "    root: srv\n    ssh: { host: a }\n",
            "6:11: the path is not absolute",
        ),
        (
            "    root: /a/../b\n    ssh: { host: a }\n",
            "6:11: the path is not plain",
        ),
        (
            "    ssh: { host: -oProxyCommand=x }\n",
            "6:18: \"-oProxyCommand=x\" is no host",
        ),
        ("    ssh: { host: a@b }\n", "6:18: \"a@b\" is no host"),
        ("    ssh: { host: '' }\n", "6:18: \"\" is no host"),
        (
            "    ssh: { host: 'a b;$(x)' }\n",
            "6:18: \"a b;$(x)\" is no host",
        ),
        (
            "    ssh: { host: \"a\\nb\" }\n",
            "6:18: \"a\\nb\" is no host",
        ),
        (
            "    ssh: { host: a, user: -l }\n",
            "6:27: \"-l\" is no user to log in as",
        ),
        (
            "    ssh: { host: a, port: 0 }\n",
            "6:27: 0 is out of range, which is 1 to 65535",
        ),
        (
            "    ssh: { host: a, port: 65536 }\n",
            "6:27: 65536 is out of range, which is 1 to 65535",
        ),
        (
            "    ssh: { host: a, jump: 'b,c' }\n",
            "6:27: \"b,c\" is no host to jump over",
        ),
        (
            "    ssh: { host: a, jump: [b, -c] }\n",
            "6:31: \"-c\" is no host to jump over",
        ),
        (
            "    ssh: { host: a, jump: [] }\n",
            "6:27: 1 to 8 hosts to jump over are expected here",
        ),
        (
            "    ssh: { host: a, identity: ~/.ssh/id }\n",
            "6:31: `~` is not expanded here",
        ),
        (
            "    ssh: { host: a, known_hosts: '/%h/$x' }\n",
            "6:34: the path holds a character that means something else to ssh: \" \\ % or $",
        ),
        (
            "    ssh: { host: a, config: \"a\\tb\" }\n",
            "6:29: the text holds a line break or a control character",
        ),
        (
            "    ssh: { host: a, become: su }\n",
            "6:29: \"su\" is not known here",
        ),
        (
            "    ssh: { host: a, timeout: 0s }\n",
            "6:30: the time for one answer is out of range",
        ),
        (
            "    ssh: { host: a, options: [x] }\n",
            "6:21: unknown field `options`",
        ),
    ] {
        assert_eq!(
            host(fields),
            Err(format!("evenkeel.yaml:{expected}")),
            "{fields}"
        );
    }
}
