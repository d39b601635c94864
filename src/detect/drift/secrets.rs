//! Secrets: who may read what few should, and who may write what others believe.

use super::Sign;
use super::seen::Seen;
use crate::model::{SECRET_EXPOSED, WRITABLE_BY_OTHERS};

const SECRETS: [&str; 8] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/security/opasswd",
    "/etc/wireguard",
];

pub fn signs(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    // What nobody lists is told as that.
    if seen.path.is_none() || seen.is_missing() || seen.is_extra() {
        return;
    }
    if seen.live("type") == Some("symlink") {
        return;
    }
    let more = seen.bits_too_many();
    let has_other_owner = seen.has_other_owner();
    let has_other_group = seen.differs("gid");
    if is_secret(seen) && (more & 0o077 != 0 || has_other_owner || has_other_group) {
        out.push((&SECRET_EXPOSED).into());
    } else if more & 0o022 != 0 || has_other_owner {
        out.push((&WRITABLE_BY_OTHERS).into());
    }
}

fn is_secret(seen: &Seen<'_>) -> bool {
    let name = seen.name();
    let of_host = name.starts_with("ssh_host_") && name.ends_with("_key");
    let of_user =
        seen.path.is_some_and(|path| path.contains("/.ssh/id_")) && !name.ends_with(".pub");
    seen.drift.sensitive || of_host || of_user || name.ends_with(".key") || seen.within(&SECRETS)
}
