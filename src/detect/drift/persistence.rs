//! Persistence: what starts by itself, or inside of other programs. What is missing starts nothing.

use super::Sign;
use super::places::is_defence;
use super::seen::Seen;
use crate::model::{
    BOOT_CHANGED, EVENT_HOOK, KERNEL_MODULE, PAM_CHANGED, PRELOADED, PRIVILEGED_FILE,
    SCHEDULED_JOB, SHELL_START_CHANGED, UNIT_CHANGED,
};

const CRON: [&str; 9] = [
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/cron.allow",
    "/var/spool/cron",
];
const AT: [&str; 3] = ["/var/spool/at", "/var/spool/cron/atjobs", "/etc/at.allow"];
const UNITS: [&str; 12] = [
    "/etc/systemd/system",
    "/etc/systemd/user",
    "/etc/systemd/system-generators",
    "/etc/systemd/user-generators",
    "/etc/systemd/system-environment-generators",
    "/run/systemd/system",
    "/run/systemd/user",
    "/usr/lib/systemd",
    "/lib/systemd",
    "/usr/local/lib/systemd",
    "/etc/init.d",
    "/etc/inittab",
];
const PRELOAD: [&str; 3] = ["/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d"];
const PAM: [&str; 7] = [
    "/etc/pam.d",
    "/etc/pam.conf",
    "/lib/security",
    "/usr/lib/security",
    "/usr/lib/x86_64-linux-gnu/security",
    "/usr/lib/aarch64-linux-gnu/security",
    "/usr/share/pam-configs",
];
const SHELLS: [&str; 12] = [
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/bashrc",
    "/etc/bash_completion.d",
    "/etc/zsh",
    "/etc/fish",
    "/etc/environment",
    "/etc/rc.local",
    "/etc/update-motd.d",
    "/etc/skel",
    "/etc/X11/Xsession.d",
];
const SHELL_FILES: [&str; 14] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".xprofile",
    ".xinitrc",
    ".pam_environment",
];
const HOOKS: [&str; 16] = [
    "/etc/udev",
    "/usr/lib/udev",
    "/lib/udev",
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d",
    "/etc/dpkg",
    "/etc/network",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/networkd-dispatcher",
    "/etc/dhcp",
    "/etc/logrotate.d",
    "/etc/logrotate.conf",
    "/etc/binfmt.d",
    "/etc/tmpfiles.d",
    "/etc/xdg/autostart",
    "/etc/kernel",
];
const MODULES: [&str; 6] = [
    "/etc/modules",
    "/etc/modules-load.d",
    "/etc/modprobe.d",
    "/etc/depmod.d",
    "/lib/modules",
    "/usr/lib/modules",
];
const BOOT: [&str; 4] = [
    "/boot",
    "/etc/default/grub",
    "/etc/grub.d",
    "/etc/initramfs-tools",
];

pub fn signs(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    parts(seen, out);
    powers(seen, out);
    let starts = seen.holds_other();
    if !starts {
        // A denial that is gone lets a module in, and a login without its rules lets anybody.
        if seen.is_missing() && seen.within(&["/etc/modprobe.d"]) {
            out.push((&KERNEL_MODULE).into());
        }
        if seen.is_missing() && seen.within(&PAM) {
            out.push((&PAM_CHANGED).into());
        }
        return;
    }
    if let Some(attack) = clock(seen) {
        out.push(Sign {
            indicator: &SCHEDULED_JOB,
            attack,
        });
    } else if is_unit(seen) {
        out.push((&UNIT_CHANGED).into());
    }
    for (places, indicator) in [
        (&PRELOAD[..], &PRELOADED),
        (&PAM[..], &PAM_CHANGED),
        (&HOOKS[..], &EVENT_HOOK),
        (&MODULES[..], &KERNEL_MODULE),
        (&BOOT[..], &BOOT_CHANGED),
    ] {
        if seen.within(places) {
            out.push(indicator.into());
        }
    }
    let is_shell_file = seen.path.is_some_and(|path| {
        SHELL_FILES.contains(&seen.name())
            || path.ends_with("/.ssh/rc")
            || path.ends_with("/.ssh/environment")
            || path.contains("/.config/fish/")
            || path.contains("/.config/autostart/")
    });
    if is_shell_file || seen.within(&SHELLS) {
        out.push((&SHELL_START_CHANGED).into());
    }
}

/// The technique, where the clock starts it.
fn clock(seen: &Seen<'_>) -> Option<&'static [&'static str]> {
    let path = seen.path?;
    let is_timer = path.ends_with(".timer") || path.contains(".timer.d/");
    match () {
        () if seen.within(&AT) => Some(&["T1053.002"]),
        () if seen.within(&CRON) => Some(&["T1053.003"]),
        () if is_timer && (is_unit(seen) || seen.found_in() == Some("Cron")) => {
            Some(&["T1053.006"])
        }
        () if seen.found_in() == Some("Cron") => Some(&["T1053"]),
        () => None,
    }
}

fn is_unit(seen: &Seen<'_>) -> bool {
    let of_user = |path: &str| path.contains("/.config/systemd/user");
    let of_level = |path: &str| {
        let level = path.strip_prefix("/etc/rc");
        level.is_some_and(|rest| rest.as_bytes().get(1..3) == Some(b".d"))
    };
    seen.within(&UNITS)
        || seen
            .path
            .is_some_and(|path| of_user(path) || of_level(path))
}

/// What is no file.
fn parts(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    match seen.kind {
        "Service" => {
            let name = seen.part("service").unwrap_or_default();
            // What changes a defence is told as that.
            let is_plain = !name.first().is_some_and(|name| is_defence(name));
            let changed = ["drop_ins", "overrides", "found", "load"];
            let is_changed = changed.iter().any(|field| seen.differs(field));
            let is_on = |field: &str| {
                let wanted = seen.fields(field).find_map(|it| it.expected.as_ref());
                wanted == Some(&crate::model::Value::Bool(false))
            };
            if is_plain && (is_changed || is_on("enabled") || is_on("running")) {
                out.push((&UNIT_CHANGED).into());
            }
        }
        "Preload" => {
            if seen.differs("libraries") || seen.differs("variables") {
                out.push((&PRELOADED).into());
            }
            if seen.differs("modules") {
                out.push((&PAM_CHANGED).into());
            }
        }
        "KernelModule" if !seen.is_missing() => out.push((&KERNEL_MODULE).into()),
        "KernelModules" if seen.differs("tainted") || seen.differs("unread") => {
            out.push((&KERNEL_MODULE).into());
        }
        _ => {}
    }
}

/// Bits and capabilities that lend powers to whoever runs a program.
fn powers(seen: &Seen<'_>, out: &mut Vec<Sign>) {
    if seen.path.is_none() || seen.is_missing() {
        return;
    }
    let is_file = seen.live("type") == Some("file");
    let has_capability = match seen.is_extra() {
        true => seen.live("capabilities"),
        false => seen.now("capabilities"),
    };
    let has_power = seen.bits_too_many() & 0o6000 != 0
        || has_capability.is_some_and(|word| word != "none")
        || (seen.now("special_bits")).is_some_and(|word| word.contains("set"));
    if seen.found_in() == Some("PrivilegedFiles") || is_file && has_power {
        out.push((&PRIVILEGED_FILE).into());
    }
}
