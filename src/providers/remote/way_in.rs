//! The way in: the places of a host that a login of evenkeel's depends on.
//!
//! **Invariant:** rather a place too many than one too few. One too many costs a login, one too few a host.

use crate::model::{Address, Become, Ssh};

/// What sshd, PAM and the look-up of names read, with all that lies below.
const PLACES: [&str; 17] = [
    "/etc/ssh",
    "/etc/pam.d",
    "/etc/pam.conf",
    "/etc/security",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/nsswitch.conf",
    "/etc/shells",
    "/etc/nologin",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/nftables.conf",
    "/etc/nftables.d",
    "/etc/iptables",
    "/usr/sbin/sshd",
];
/// What sudo reads.
const SUDO: [&str; 4] = [
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/sudo.conf",
    "/usr/bin/sudo",
];
/// Parts that are no places: accounts with their groups, packages, services.
const PARTS: [&str; 4] = ["//user/", "//group/", "//package/", "//service/"];
/// Where a user's keys lie, in its home.
const KEYS: &str = ".ssh";

/// How evenkeel comes into one host.
#[derive(Clone, Debug)]
pub struct WayIn {
    /// The root folder of the target on the host, without a slash at its end.
    root: String,
    user: Option<String>,
    by_sudo: bool,
}

impl WayIn {
    /// The way into a host with these settings, whose target is this folder there.
    pub fn new(root: &str, ssh: &Ssh) -> Self {
        Self {
            root: root.trim_end_matches('/').to_owned(),
            user: ssh.user.clone(),
            by_sudo: ssh.r#become == Become::Sudo,
        }
    }

    /// Whether a change at this address may decide whether the next login works: it is such a place, lies in one or is a
    /// folder on the way to one.
    pub fn holds(&self, address: &Address) -> bool {
        // What is no place may be what a login needs all the same. A firewall is asked for itself.
        if address.0.starts_with("//") {
            return PARTS.iter().any(|part| address.0.starts_with(part));
        }
        let path = format!("{}{}", self.root, address.0);
        let path = path.trim_end_matches('/');
        let touches = |place: &str| lies_in(path, place) || lies_in(place, path);
        let by_sudo: &[&str] = if self.by_sudo { &SUDO } else { &[] };
        PLACES.iter().chain(by_sudo).any(|place| touches(place)) || self.is_home(path)
    }

    /// Whether it is the login user's home or keys, as far as a path tells.
    fn is_home(&self, path: &str) -> bool {
        let has_keys = path.split('/').any(|part| part == KEYS);
        let own = match self.user.as_deref() {
            Some("root") => "/root".to_owned(),
            Some(user) => format!("/home/{user}"),
            // Then anybody's may be it.
            None => {
                let is_home =
                    path == "/root" || path.rsplit_once('/').is_some_and(|it| it.0 == "/home");
                return has_keys || is_home || path == "/home";
            }
        };
        let keys = format!("{own}/{KEYS}");
        if lies_in(path, &keys) || lies_in(&keys, path) {
            return true;
        }
        // A home elsewhere may be the login user's; one of another name in the usual place is not.
        has_keys && !lies_in(path, "/home") && !lies_in(path, "/root")
    }
}

/// Whether a path is this place or lies below it. The top is written as nothing.
fn lies_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(root: &str, user: Option<&str>, by_sudo: bool) -> WayIn {
        WayIn {
            root: root.trim_end_matches('/').to_owned(),
            user: user.map(str::to_owned),
            by_sudo,
        }
    }

    fn holds(way: &WayIn, path: &str) -> bool {
        way.holds(&Address(path.to_owned()))
    }

    // Goal: what a login reads, what lies in it and each folder above is on the way; what only begins alike is not, and
    // neither is sudo where nothing is started by it.
    #[test]
    fn places_of_a_login() {
        let root = way("/", Some("root"), false);
        for path in [
            "/",
            "/etc",
            "/etc/ssh/sshd_config",
            "/etc/ssh/sshd_config.d/90-keys.conf",
            "/etc/pam.d/sshd",
            "/etc/shadow",
            "/root",
            "/root/.ssh/authorized_keys",
            "/srv/keel/.ssh/authorized_keys",
            "//user/deploy",
            "//package/openssh-server",
            "//group/sudo",
        ] {
            assert!(holds(&root, path), "{path}");
        }
        for path in [
            "/etc/ssh2",
            "/etc/passwd-",
            "/etc/motd",
            "/etc/sudoers",
            "/srv",
            "/root/.bashrc",
            "/home/ada/.ssh/authorized_keys",
            "//privileged-files/etc",
        ] {
            assert!(!holds(&root, path), "{path}");
        }
        let deploy = way("/", Some("deploy"), true);
        for path in [
            "/etc/sudoers.d/deploy",
            "/home",
            "/home/deploy",
            "/home/deploy/.ssh",
        ] {
            assert!(holds(&deploy, path), "{path}");
        }
        assert!(!holds(&deploy, "/root/.ssh/authorized_keys"));
        assert!(holds(
            &way("/", None, false),
            "/home/ada/.ssh/authorized_keys"
        ));
    }

    // Goal: the places are those of the host, wherever in it the target's folder lies.
    #[test]
    fn a_root_elsewhere() {
        assert!(holds(
            &way("/etc/", Some("root"), false),
            "/ssh/sshd_config"
        ));
        assert!(!holds(
            &way("/srv/jail", Some("root"), false),
            "/etc/ssh/sshd_config"
        ));
    }
}
