//! Exposure: who can reach the host, and where the host's own words lead.

use super::Sign;
use super::seen::Seen;
use crate::model::{
    FIREWALL_CHANGED, NAMES_REDIRECTED, NETWORK_SETTING, TRUST_ANCHOR, UNLISTED_LISTENER,
};

const FIREWALL: [&str; 10] = [
    "/etc/nftables.conf",
    "/etc/nftables.d",
    "/etc/nftables",
    "/etc/iptables",
    "/etc/iptables.rules",
    "/etc/ufw",
    "/etc/default/ufw",
    "/etc/firewalld",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
];
const NAMES: [&str; 9] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/systemd/resolved.conf",
    "/etc/systemd/resolved.conf.d",
    "/etc/dnsmasq.conf",
    "/etc/dnsmasq.d",
    "/etc/unbound",
];
const ANCHORS: [&str; 11] = [
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/ssl/certs",
    "/etc/pki",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/trusted.gpg.d",
    "/etc/apt/keyrings",
    "/usr/share/keyrings",
];
/// Settings of interfaces and protocols by which traffic is passed on, or taken from where it should not come from.
const SETTINGS: [&str; 13] = [
    "ip_forward",
    "forwarding",
    "mc_forwarding",
    "accept_redirects",
    "secure_redirects",
    "send_redirects",
    "shared_media",
    "accept_source_route",
    "rp_filter",
    "route_localnet",
    "proxy_arp",
    "accept_ra",
    "tcp_syncookies",
];

pub fn signs(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    match seen.kind {
        "Listener" if !seen.is_missing() => return out.push((&UNLISTED_LISTENER).into()),
        "Firewall" => return out.push((&FIREWALL_CHANGED).into()),
        "Hosts" | "Resolver" => return out.push((&NAMES_REDIRECTED).into()),
        "Sysctl" => {
            let key = seen.part("sysctl").unwrap_or_default().join(".");
            let last = key.rsplit_once('.').map_or("", |(_, last)| last);
            if key.starts_with("net.") && SETTINGS.contains(&last) {
                out.push((&NETWORK_SETTING).into());
            }
            return;
        }
        _ => {}
    }
    if seen.is_other() {
        if seen.within(&FIREWALL) {
            out.push((&FIREWALL_CHANGED).into());
        }
        if seen.within(&NAMES) {
            out.push((&NAMES_REDIRECTED).into());
        }
    }
    if seen.holds_other() && seen.within(&ANCHORS) {
        out.push((&TRUST_ANCHOR).into());
    }
}
