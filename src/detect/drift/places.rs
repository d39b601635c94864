//! Names that mean something: defences, privileged groups, folders of programs.

use super::seen::Seen;

/// Programs that watch, log or hold off; by the names of their units and packages, without what stands behind the first dot.
const DEFENCES: [&str; 36] = [
    "aide",
    "apparmor",
    "auditd",
    "clamav",
    "clamav-daemon",
    "clamav-freshclam",
    "crowdsec",
    "crowdsec-firewall-bouncer",
    "dailyaidecheck",
    "evenkeel",
    "fail2ban",
    "falco",
    "falco-bpf",
    "falco-kmod",
    "falco-modern-bpf",
    "filebeat",
    "firewalld",
    "fluent-bit",
    "iptables",
    "laurel",
    "netfilter-persistent",
    "nftables",
    "osquery",
    "osqueryd",
    "promtail",
    "rsyslog",
    "rsyslogd",
    "snort",
    "suricata",
    "sysmon",
    "syslog",
    "syslog-ng",
    "systemd-journald",
    "ufw",
    "vector",
    "wazuh-agent",
];

/// Groups whose members come to root's powers or to everybody's secrets.
const PRIVILEGED: [&str; 15] = [
    "admin",
    "disk",
    "docker",
    "incus-admin",
    "kmem",
    "libvirt",
    "lxc",
    "lxd",
    "mem",
    "root",
    "shadow",
    "staff",
    "sudo",
    "sys",
    "wheel",
];

/// Where the distribution's programs lie.
const SYSTEM: [&str; 12] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/games",
];

/// Where the team's programs lie.
const LOCAL: [&str; 5] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/lib",
    "/usr/local/libexec",
    "/opt",
];

/// Whether a unit, package or program is a defence.
pub fn is_defence(name: &str) -> bool {
    let stem = name
        .split_once(['.', '@', ':'])
        .map_or(name, |(stem, _)| stem);
    DEFENCES.contains(&stem)
}

pub fn is_privileged_group(name: &str) -> bool {
    PRIVILEGED.contains(&name)
}

pub fn is_among_system_programs(seen: &Seen<'_>) -> bool {
    seen.within(&SYSTEM)
}

pub fn is_among_local_programs(seen: &Seen<'_>) -> bool {
    seen.within(&LOCAL)
}
