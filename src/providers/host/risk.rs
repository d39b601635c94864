//! How dangerous it is to change a path at all.
//!
//! **Invariant:** judged by the path alone, never by what an attacker may have put there.

use super::fs::HostPath;
use crate::model::{Risk, RiskLevel};

const LOGIN: &str = "decides who may log in or become root";
const STARTS: &str = "starts programs";
const LOADS: &str = "is loaded into every program";

/// Files and directories by their names from the root, the longest that fits.
const PLACES: [(&str, RiskLevel, &str); 28] = [
    ("etc/ssh", RiskLevel::High, LOGIN),
    ("etc/sudoers", RiskLevel::High, LOGIN),
    ("etc/sudoers.d", RiskLevel::High, LOGIN),
    ("etc/passwd", RiskLevel::High, LOGIN),
    ("etc/shadow", RiskLevel::High, LOGIN),
    ("etc/group", RiskLevel::High, LOGIN),
    ("etc/gshadow", RiskLevel::High, LOGIN),
    ("etc/pam.d", RiskLevel::High, LOGIN),
    ("etc/pam.conf", RiskLevel::High, LOGIN),
    ("etc/security", RiskLevel::High, LOGIN),
    ("etc/nsswitch.conf", RiskLevel::High, LOGIN),
    ("etc/polkit-1", RiskLevel::High, LOGIN),
    ("etc/doas.conf", RiskLevel::High, LOGIN),
    ("etc/ld.so.preload", RiskLevel::High, LOADS),
    ("etc/ld.so.conf", RiskLevel::High, LOADS),
    ("etc/ld.so.conf.d", RiskLevel::High, LOADS),
    ("etc/crontab", RiskLevel::Medium, STARTS),
    ("etc/cron.d", RiskLevel::Medium, STARTS),
    ("etc/cron.hourly", RiskLevel::Medium, STARTS),
    ("etc/cron.daily", RiskLevel::Medium, STARTS),
    ("etc/cron.weekly", RiskLevel::Medium, STARTS),
    ("etc/cron.monthly", RiskLevel::Medium, STARTS),
    ("var/spool/cron", RiskLevel::Medium, STARTS),
    ("etc/systemd", RiskLevel::Medium, STARTS),
    ("usr/lib/systemd", RiskLevel::Medium, STARTS),
    ("etc/init.d", RiskLevel::Medium, STARTS),
    ("etc/rc.local", RiskLevel::Medium, STARTS),
    ("etc/profile.d", RiskLevel::Medium, STARTS),
];

/// The risk of changing what stands at a path.
pub fn of(path: &HostPath) -> Risk {
    if path.0.iter().any(|name| name == b".ssh") {
        return Risk::new(RiskLevel::High, LOGIN);
    }
    let is_within = |place: &str| {
        let names: Vec<_> = place.split('/').map(str::as_bytes).collect();
        path.0.len() >= names.len() && path.0.iter().zip(&names).all(|(a, b)| a == b)
    };
    PLACES
        .iter()
        .find(|(place, _, _)| is_within(place))
        .map_or_else(Risk::default, |(_, level, why)| Risk::new(*level, *why))
}

/// Whether the content of a path is secret by its nature: password hashes and private host keys.
pub fn is_secret(path: &HostPath) -> bool {
    let text = path.relative();
    matches!(
        text.as_slice(),
        b"etc/shadow" | b"etc/gshadow" | b"etc/shadow-" | b"etc/gshadow-"
    ) || (text.starts_with(b"etc/ssh/") && text.ends_with(b"_key"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::host::path::parse;

    // Goal: places that decide who gets in are rated high wherever they lie, and names that only begin alike are not.
    #[test]
    fn places_are_rated_by_whole_names() {
        let level = |path: &str| of(&parse(path).unwrap()).level;
        assert_eq!(level("/etc/ssh/sshd_config"), RiskLevel::High);
        assert_eq!(level("/home/a/.ssh/authorized_keys"), RiskLevel::High);
        assert_eq!(level("/etc/cron.d/x"), RiskLevel::Medium);
        assert_eq!(level("/etc/cron.deny"), RiskLevel::Low);
        assert_eq!(level("/srv/etc/ssh"), RiskLevel::Low);
        assert!(is_secret(&parse("/etc/shadow").unwrap()));
        assert!(is_secret(&parse("/etc/ssh/ssh_host_ed25519_key").unwrap()));
        assert!(!is_secret(
            &parse("/etc/ssh/ssh_host_ed25519_key.pub").unwrap()
        ));
    }
}
