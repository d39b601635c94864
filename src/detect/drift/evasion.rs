//! Defence evasion: what blinds, stops or misleads whoever watches. Here what is missing counts as well.

use super::Sign;
use super::places::is_defence;
use super::seen::{Seen, lies_in};
use crate::model::{
    DEFENCE_CHANGED, DEFENCE_STOPPED, FLAG_CHANGED, HIDDEN_FILE, HISTORY_LINKED, KERNEL_HARDENING,
    LOGGING_CHANGED, MOUNT_OVER, OBSERVER_DISAGREES, UNLISTED_MOUNT, Value,
};

const LOGGING: [&str; 9] = [
    "/etc/rsyslog.conf",
    "/etc/rsyslog.d",
    "/etc/syslog.conf",
    "/etc/syslog-ng",
    "/etc/systemd/journald.conf",
    "/etc/systemd/journald.conf.d",
    "/etc/audit",
    "/etc/audisp",
    "/etc/libaudit.conf",
];
const DEFENCES: [&str; 14] = [
    "/etc/aide",
    "/etc/apparmor",
    "/etc/apparmor.d",
    "/etc/clamav",
    "/etc/crowdsec",
    "/etc/evenkeel",
    "/etc/fail2ban",
    "/etc/falco",
    "/etc/osquery",
    "/etc/selinux",
    "/etc/snort",
    "/etc/suricata",
    "/etc/wazuh-agent",
    "/var/ossec/etc",
];
const SETTINGS: [&str; 3] = ["/etc/sysctl.conf", "/etc/sysctl.d", "/run/sysctl.d"];
/// Keys of the kernel, or what they begin with, that protect it.
const HARDENING: [&str; 16] = [
    "kernel.randomize_va_space",
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.perf_event_paranoid",
    "kernel.unprivileged_",
    "kernel.modules_disabled",
    "kernel.kexec_load_disabled",
    "kernel.yama.",
    "kernel.core_pattern",
    "kernel.core_uses_pid",
    "kernel.sysrq",
    "kernel.apparmor_",
    "fs.protected_",
    "fs.suid_dumpable",
    "vm.mmap_min_addr",
    "net.core.bpf_jit_harden",
];
const UNIT_PLACES: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/etc/init.d",
];
/// Places over which a mount hides something that matters.
const COVERED: [&str; 14] = [
    "/bin",
    "/boot",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib",
    "/var/log",
    "/var/spool",
];
const HISTORIES: [&str; 7] = [
    ".bash_history",
    ".zsh_history",
    ".ash_history",
    ".sh_history",
    ".python_history",
    ".mysql_history",
    ".psql_history",
];
/// Where nobody keeps files with a dot before their names.
const NO_DOTS: [&str; 10] = [
    "/bin", "/sbin", "/lib", "/usr", "/dev", "/tmp", "/var/tmp", "/boot", "/run", "/opt",
];

pub fn signs(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.drift.disagreement().is_some() {
        out.push((&OBSERVER_DISAGREES).into());
    }
    match seen.kind {
        "Service" => service(seen, out),
        "Package" => {
            let name = seen.part("package").unwrap_or_default();
            let is_one = name.first().is_some_and(|name| is_defence(name));
            if is_one && (seen.is_missing() || seen.differs("status")) {
                out.push((&DEFENCE_STOPPED).into());
            }
        }
        "Processes" => required(seen, out),
        "Mount" => mount(seen, out),
        "Sysctl" => {
            let key = seen.part("sysctl").unwrap_or_default().join(".");
            if HARDENING.iter().any(|known| key.starts_with(known)) {
                out.push((&KERNEL_HARDENING).into());
            }
        }
        _ => files(seen, out),
    }
}

fn service(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    let name = seen.part("service").unwrap_or_default();
    if !name.first().is_some_and(|name| is_defence(name)) {
        return;
    }
    let wants = |field: &str, value: bool| {
        let mut wanted = seen.fields(field).filter_map(|it| it.expected.as_ref());
        wanted.any(|wanted| *wanted == Value::Bool(value))
    };
    let is_stopped = wants("running", true)
        || wants("enabled", true)
        || wants("masked", false)
        || seen.differs("load");
    if is_stopped {
        out.push((&DEFENCE_STOPPED).into());
    }
    if ["drop_ins", "overrides", "found"]
        .iter()
        .any(|field| seen.differs(field))
    {
        out.push((&DEFENCE_CHANGED).into());
    }
}

/// Programs that git wants to run and that do not.
fn required(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    let lists = seen.fields("missing").filter_map(|it| it.actual.as_ref());
    let texts = lists.flat_map(|list| match list {
        Value::List(items) => items.iter().filter_map(Value::as_text).collect(),
        other => other.as_text().into_iter().collect::<Vec<_>>(),
    });
    let is_one = |text: &str| {
        let program = text.split([' ', ',']).next().unwrap_or_default();
        is_defence(program.rsplit('/').next().unwrap_or_default())
    };
    if texts.into_iter().any(is_one) {
        out.push((&DEFENCE_STOPPED).into());
    }
}

fn mount(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.is_missing() {
        return;
    }
    let at = seen.drift.address.0.strip_prefix("//mount");
    let covers = |at: &str| {
        let is_all = at.is_empty() || at == "/";
        is_all || COVERED.iter().any(|place| lies_in(at, place))
    };
    match at.is_some_and(covers) {
        true => out.push((&MOUNT_OVER).into()),
        false => out.push((&UNLISTED_MOUNT).into()),
    }
}

fn files(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.is_other() {
        for (places, indicator) in [
            (&LOGGING[..], &LOGGING_CHANGED),
            (&DEFENCES[..], &DEFENCE_CHANGED),
            (&SETTINGS[..], &KERNEL_HARDENING),
        ] {
            if seen.within(places) {
                out.push(indicator.into());
            }
        }
        unit(seen, out);
    }
    let is_log = seen.within(&["/var/log"]) && !seen.is_extra() && !seen.is_missing();
    if is_log && seen.differs("type") {
        out.push((&LOGGING_CHANGED).into());
    }
    flags(seen, out);
    let is_no_file = seen.live("type").is_some_and(|word| word != "file");
    if HISTORIES.contains(&seen.name()) && is_no_file && seen.holds_other() {
        out.push((&HISTORY_LINKED).into());
    }
    let is_hidden = seen.name().starts_with('.') && seen.is_extra();
    if is_hidden
        && NO_DOTS
            .iter()
            .any(|place| seen.path.is_some_and(|path| lies_in(path, place)))
    {
        out.push((&HIDDEN_FILE).into());
    }
}

/// The unit of a defence: a file of it that is gone, or one that is laid over it.
fn unit(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    let Some(path) = seen.path else { return };
    let below = UNIT_PLACES
        .iter()
        .find_map(|place| path.strip_prefix(place));
    let Some(below) = below else { return };
    let mut names = below.split('/').filter(|name| !name.is_empty());
    if names.any(is_defence) {
        out.push(match seen.is_missing() {
            true => (&DEFENCE_STOPPED).into(),
            false => (&DEFENCE_CHANGED).into(),
        });
    }
}

fn flags(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    let is_set = seen.live("flags").is_some_and(|flags| flags != "none");
    let is_it = match seen.is_extra() {
        true => is_set,
        false => !seen.is_missing() && seen.differs("flags"),
    };
    if seen.path.is_some() && is_it {
        out.push((&FLAG_CHANGED).into());
    }
}
