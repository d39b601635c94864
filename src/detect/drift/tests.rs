use std::collections::BTreeSet;

use super::*;
use crate::model::{
    Address, Blob, Change, Exempted, FieldDrift, Fields, INDICATORS, Level, Observed, Origin,
    ResourceId, Risk, Selector, State, TargetName, Value,
};

/// A drift in short: `Kind address`, with `in=KIND` for a listing that found it and, of fields, `name=now` or
/// `name=now<wanted`, where `-` is nothing and numbers are numbers.
fn drift(change: Change, short: &str) -> Drift {
    let target = TargetName("h1".into());
    let mut words = short.split_whitespace();
    let kind = words.next().unwrap();
    let address = words.next().unwrap();
    let mut drift = Drift {
        resource: ResourceId::new(&target, kind, address),
        address: Address(address.into()),
        change,
        fields: Vec::new(),
        before: Observed::Absent,
        after: None,
        origin: Origin {
            file: "a.yaml".into(),
            line: 1,
            column: 1,
        },
        found_in: None,
        risk: Risk::default(),
        disclose: false,
        sensitive: false,
        controls: vec![],
        depends_on: vec![],
        options: Fields::new(),
        one_way: None,
        by_hand: None,
    };
    let (mut before, mut after) = (Fields::new(), Fields::new());
    for word in words {
        let (name, values) = word.split_once('=').unwrap();
        let (now, wanted) = values.split_once('<').unwrap_or((values, "-"));
        match name {
            "in" => drift.found_in = Some(ResourceId::new(&target, now, "all")),
            "is" => {
                before.insert("type".into(), now.into());
            }
            "sensitive" => drift.sensitive = true,
            _ => {
                let [now, wanted] = [now, wanted].map(value);
                before.extend(now.clone().map(|value| (name.to_owned(), value)));
                after.extend(wanted.clone().map(|value| (name.to_owned(), value)));
                drift.fields.push(FieldDrift {
                    path: name.into(),
                    expected: wanted,
                    actual: now,
                });
            }
        }
    }
    if change != Change::Missing {
        drift.before = Observed::Present(State::of(before));
    }
    if change != Change::Extra {
        drift.after = Some(State::of(after));
    }
    drift
}

fn value(text: &str) -> Option<Value> {
    Some(match (text, text.parse()) {
        ("-", _) => return None,
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        ("blob", _) => Value::Blob(Blob::of(b"one")),
        ("list", _) => Value::List(vec!["/usr/sbin/auditd".into()]),
        // A mode has four digits and is a text.
        (_, Ok(number)) if !(text.len() == 4 && text.starts_with(['0', '4', '2'])) => {
            Value::Int(number)
        }
        _ => Value::text(text),
    })
}

fn names(drift: &Drift) -> Vec<String> {
    let found = of(drift, &Severity::default()).into_iter();
    found.map(|one| one.indicator).collect()
}

const EXTRA: Change = Change::Extra;
const CHANGED: Change = Change::Changed;
const MISSING: Change = Change::Missing;

/// What each drift shows.
const TABLE: &[(Change, &str, &str)] = &[
    // Nothing, or next to nothing.
    (CHANGED, "File /etc/motd content=blob<blob", ""),
    (
        CHANGED,
        "File /srv/www/index.html is=file content=blob<blob mode=0644<0644",
        "",
    ),
    (
        CHANGED,
        "File /srv/www/index.html is=file mode=0600<0644",
        "",
    ),
    (
        CHANGED,
        "File /srv/www/index.html is=file mode=0664<0644",
        "writable-by-others",
    ),
    (
        CHANGED,
        "File /srv/www/index.html is=file uid=33<0",
        "writable-by-others",
    ),
    (EXTRA, "File /srv/www/new.html is=file mode=0644", ""),
    (MISSING, "File /srv/www/index.html", ""),
    (
        CHANGED,
        "Symlink /srv/www/current is=symlink mode=0777<0777 target=/a<b",
        "",
    ),
    (MISSING, "File /etc/cron.d/backup", ""),
    (
        CHANGED,
        "File /etc/cron.d/backup is=file mode=0600<0644",
        "",
    ),
    (MISSING, "File /etc/systemd/system/shop.service", ""),
    (MISSING, "File /usr/bin/w", ""),
    (CHANGED, "User //user/alice gecos=Alice<A", ""),
    (CHANGED, "Package //package/tzdata version=2<1", ""),
    (CHANGED, "Sysctl //sysctl/vm.swappiness live=10<60", ""),
    (
        CHANGED,
        "Service //service/shop.service running=false<true",
        "",
    ),
    (
        CHANGED,
        "Service //service/shop.service needs_reload=true<false",
        "",
    ),
    (EXTRA, "File /etc/ssh-notes is=file mode=0644", ""),
    (MISSING, "Mount //mount/srv", ""),
    // Access.
    (
        CHANGED,
        "AuthorizedKeys /root/.ssh/authorized_keys keys.SHA256:x=secret",
        "unlisted-key",
    ),
    (
        CHANGED,
        "AuthorizedKeys /root/.ssh/authorized_keys keys.SHA256:x=-<a",
        "access-removed",
    ),
    (
        MISSING,
        "AuthorizedKeys /root/.ssh/authorized_keys keys.SHA256:x=-<a",
        "access-removed",
    ),
    (
        CHANGED,
        "AuthorizedKeys /root/.ssh/authorized_keys access=mode<sound",
        "keys-writable",
    ),
    (
        CHANGED,
        "AuthorizedKeys /root/.ssh/authorized_keys type=symlink<file",
        "unlisted-key",
    ),
    (
        EXTRA,
        "File /root/.ssh/authorized_keys2 is=file mode=0600",
        "unlisted-key",
    ),
    (
        EXTRA,
        "Directory /home/x/.ssh is=directory mode=0700",
        "unlisted-key",
    ),
    (
        CHANGED,
        "Directory /root/.ssh access=others<sound",
        "keys-writable",
    ),
    (EXTRA, "User //user/eve uid=1001", "unlisted-account"),
    (EXTRA, "User //user/eve uid=0", "second-root"),
    (
        CHANGED,
        "User //user/eve uid=0<1000",
        "second-root account-changed",
    ),
    (
        CHANGED,
        "User //user/www shell=/tmp/nologin</usr/sbin/nologin",
        "account-opened account-changed",
    ),
    (
        CHANGED,
        "User //user/www password=set<locked",
        "account-opened",
    ),
    (
        CHANGED,
        "User //user/www password=locked<set",
        "access-removed",
    ),
    (CHANGED, "User //user/www home=/tmp</srv", "account-changed"),
    (
        EXTRA,
        "User //user/eve/in/docker member=member",
        "privileged-member",
    ),
    (
        EXTRA,
        "User //user/eve/in/games member=member",
        "group-changed",
    ),
    (
        MISSING,
        "User //user/eve/in/docker member=-<member",
        "access-removed",
    ),
    (
        CHANGED,
        "Group //group/sudo members.eve=member",
        "privileged-member",
    ),
    (
        CHANGED,
        "Group //group/sudo members.eve=-<member",
        "access-removed",
    ),
    (CHANGED, "Group //group/games gid=0<60", "privileged-member"),
    (
        CHANGED,
        "Group //group/games members.eve=member",
        "group-changed",
    ),
    (
        CHANGED,
        "Accounts //accounts/all/sudo rights.eve=list",
        "sudo-right",
    ),
    (
        CHANGED,
        "Accounts //accounts/all/sudo rights.eve=-<list",
        "access-removed",
    ),
    (
        CHANGED,
        "Accounts //accounts/all unreadable.line=odd",
        "account-files-changed",
    ),
    (
        EXTRA,
        "File /etc/sudoers.d/README is=file mode=0440",
        "sudo-right",
    ),
    (
        CHANGED,
        "File /etc/ssh/sshd_config is=file content=blob<blob",
        "login-rules-changed",
    ),
    (
        MISSING,
        "File /etc/ssh/sshd_config.d/10-hard.conf",
        "login-rules-changed",
    ),
    // Persistence.
    (
        EXTRA,
        "File /etc/cron.d/x is=file mode=0644",
        "scheduled-job",
    ),
    (
        EXTRA,
        "File /var/spool/cron/crontabs/eve in=Cron is=file",
        "scheduled-job",
    ),
    (
        EXTRA,
        "File /etc/systemd/system/x.timer is=file",
        "scheduled-job",
    ),
    (
        EXTRA,
        "File /etc/systemd/system/x.service is=file",
        "unit-changed",
    ),
    (
        EXTRA,
        "Directory /etc/systemd is=directory",
        "unit-changed logging-changed names-redirected",
    ),
    (
        CHANGED,
        "Service //service/shop.service drop_ins=list<list",
        "unit-changed",
    ),
    (
        CHANGED,
        "Service //service/shop.service enabled=true<false",
        "unit-changed",
    ),
    (EXTRA, "File /etc/ld.so.preload is=file", "preloaded"),
    (
        CHANGED,
        "Preload //preload/all libraries./tmp/x.so=preloaded",
        "preloaded",
    ),
    (
        CHANGED,
        "Preload //preload/all modules.pam_x.so=named",
        "pam-changed",
    ),
    (
        CHANGED,
        "File /etc/pam.d/sshd is=file content=blob<blob",
        "pam-changed",
    ),
    (MISSING, "File /etc/pam.d/common-auth", "pam-changed"),
    (
        EXTRA,
        "File /etc/profile.d/x.sh is=file",
        "shell-start-changed",
    ),
    (
        CHANGED,
        "File /home/a/.bashrc content=blob<blob",
        "shell-start-changed",
    ),
    (
        EXTRA,
        "File /etc/udev/rules.d/x.rules is=file",
        "event-hook",
    ),
    (
        EXTRA,
        "File /srv/x in=PrivilegedFiles is=file mode=4755",
        "privileged-file",
    ),
    (
        CHANGED,
        "File /srv/x is=file mode=4755<0755",
        "privileged-file",
    ),
    (
        CHANGED,
        "File /srv/x is=file capabilities=cap_setuid=ep<none",
        "privileged-file",
    ),
    (EXTRA, "KernelModule //module/x name=x", "kernel-module"),
    (MISSING, "File /etc/modprobe.d/deny.conf", "kernel-module"),
    (
        CHANGED,
        "File /etc/default/grub content=blob<blob",
        "boot-changed",
    ),
    // Defence evasion.
    (
        CHANGED,
        "Listeners //listeners/all observers=hidden<agree",
        "observer-disagrees",
    ),
    (
        EXTRA,
        "File /etc/rsyslog.d/05-x.conf is=file",
        "logging-changed",
    ),
    (
        MISSING,
        "File /etc/audit/rules.d/10.rules",
        "logging-changed",
    ),
    (CHANGED, "File /etc/rsyslog.conf is=file mode=0600<0644", ""),
    (
        CHANGED,
        "File /var/log/auth.log type=symlink<file",
        "logging-changed",
    ),
    (
        CHANGED,
        "Service //service/auditd.service running=false<true",
        "defence-stopped",
    ),
    (
        CHANGED,
        "Service //service/rsyslog.service masked=true<false",
        "defence-stopped",
    ),
    (
        CHANGED,
        "Service //service/auditd.service drop_ins=list<list",
        "defence-changed",
    ),
    (
        MISSING,
        "File /etc/systemd/system/falco.service",
        "defence-stopped",
    ),
    (
        EXTRA,
        "Symlink /etc/systemd/system/auditd.service is=symlink",
        "unit-changed defence-changed",
    ),
    (MISSING, "Package //package/auditd", "defence-stopped"),
    (
        CHANGED,
        "Processes //processes/all missing=list<list",
        "defence-stopped",
    ),
    (MISSING, "File /etc/fail2ban/jail.local", "defence-changed"),
    (
        CHANGED,
        "File /srv/x is=file flags=immutable<none",
        "flag-changed",
    ),
    (EXTRA, "File /srv/x is=file flags=immutable", "flag-changed"),
    (EXTRA, "Mount //mount/etc/cron.d options=list", "mount-over"),
    (
        EXTRA,
        "Mount //mount/srv/new options=list",
        "unlisted-mount",
    ),
    (
        EXTRA,
        "Symlink /root/.bash_history is=symlink",
        "history-linked",
    ),
    (EXTRA, "File /var/tmp/.beat is=file", "hidden-file"),
    (
        CHANGED,
        "Sysctl //sysctl/kernel.yama.ptrace_scope live=0<1",
        "kernel-hardening",
    ),
    // Exposure.
    (
        EXTRA,
        "Listener //listener/tcp/0.0.0.0:4444 uid=0",
        "unlisted-listener",
    ),
    (
        CHANGED,
        "Firewall //firewall/inet/filter rules=blob<blob",
        "firewall-changed",
    ),
    (
        CHANGED,
        "File /etc/hosts is=file content=blob<blob",
        "names-redirected",
    ),
    (
        CHANGED,
        "Hosts //hosts/all entries.1.2.3.4=list",
        "names-redirected",
    ),
    (
        CHANGED,
        "Sysctl //sysctl/net.ipv4.ip_forward live=1<0",
        "network-setting",
    ),
    (
        EXTRA,
        "File /usr/local/share/ca-certificates/x.crt is=file",
        "trust-anchor",
    ),
    // Integrity.
    (
        CHANGED,
        "File /usr/bin/w in=FileTree is=file content=blob<blob",
        "program-changed",
    ),
    (
        CHANGED,
        "Package //package/procps files./usr/bin/w=changed",
        "program-changed",
    ),
    (
        CHANGED,
        "File /srv/run is=file mode=0755<0755 content=blob<blob",
        "local-program-changed",
    ),
    (
        EXTRA,
        "File /usr/bin/x is=file mode=0755",
        "unlisted-program",
    ),
    (
        EXTRA,
        "File /usr/local/sbin/report is=file mode=0755",
        "unlisted-local-program",
    ),
    (
        EXTRA,
        "Process //process/tmp/x program=/tmp/x",
        "strange-process",
    ),
    // Secrets.
    (
        CHANGED,
        "File /etc/shadow is=file mode=0644<0640",
        "secret-exposed",
    ),
    (
        CHANGED,
        "File /etc/ssh/ssh_host_rsa_key is=file mode=0640<0600",
        "secret-exposed",
    ),
    (
        CHANGED,
        "File /srv/token sensitive=1 is=file mode=0644<0600",
        "secret-exposed",
    ),
    (CHANGED, "File /etc/shadow is=file mode=0600<0640", ""),
];

// Goal: each way in which an intruder stays, hides or opens a door is told by its name, and what anybody does by mistake is
// not; what is missing counts where it defended something and nowhere else.
#[test]
fn what_a_drift_shows() {
    let mut wrong = Vec::new();
    for (change, short, expected) in TABLE {
        let found = names(&drift(*change, short)).join(" ");
        if found != *expected {
            wrong.push(format!("{change:?} {short}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Goal: no indicator is named that nothing raises, and none has the name of another one: both would be words in the
// documentation that never come true.
#[test]
fn each_indicator_is_raised_by_something() {
    let told = TABLE.iter().flat_map(|(_, _, names)| names.split(' '));
    let told: BTreeSet<_> = told.filter(|name| !name.is_empty()).collect();
    let known: BTreeSet<_> = INDICATORS.iter().map(|one| one.name).collect();
    assert_eq!(told, known);
    assert_eq!(known.len(), INDICATORS.len());
    for one in INDICATORS {
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(one.name.chars().all(is_plain), "{}", one.name);
        assert!(!one.attack.is_empty(), "{}", one.name);
    }
}

// Goal: whoever writes a content cannot phrase it to look milder, and what he writes does not come into the evidence, where
// forges and logs show it.
#[test]
fn content_decides_and_tells_nothing() {
    let with = |text: &str| {
        let mut drift = drift(CHANGED, "File /etc/ssh/sshd_config is=file");
        for name in ["content", "target", "xattrs", "keys.SHA256:x"] {
            drift.fields.push(FieldDrift {
                path: name.into(),
                expected: Some("a".into()),
                actual: Some(Value::text(text)),
            });
        }
        of(&drift, &Severity::default())
    };
    let found = with("s3cret");
    assert_eq!(found, with("# only a comment"));
    assert!(!format!("{found:?}").contains("s3cret"));
}

// Goal: one cause is one alert from run to run: the fingerprint stays when the intruder changes his mind about the rest.
#[test]
fn fingerprints_are_those_of_the_cause() {
    let one = of(
        &drift(EXTRA, "File /etc/cron.d/x is=file mode=0644"),
        &Severity::default(),
    );
    let other = of(
        &drift(
            EXTRA,
            "File /etc/cron.d/x is=file mode=4755 flags=immutable",
        ),
        &Severity::default(),
    );
    let job = |found: &[Finding]| {
        let mut all = found.iter().filter(|it| it.indicator == "scheduled-job");
        all.next().unwrap().fingerprint.clone()
    };
    assert_eq!(job(&one), job(&other));
    let prints: BTreeSet<_> = other.iter().map(|it| &it.fingerprint).collect();
    assert_eq!(prints.len(), other.len());
}

// Goal: an exemption silences no indicator, and the worst comes first.
#[test]
fn exempted_drifts_are_told() {
    let comparison = Comparison {
        drifts: vec![drift(EXTRA, "File /etc/cron.d/x is=file")],
        exempted: vec![Exempted {
            drift: drift(EXTRA, "File /etc/ld.so.preload is=file"),
            exemption: "old".into(),
        }],
        ..Comparison::default()
    };
    let found = findings(&comparison, &Severity::default());
    let names: Vec<_> = found.iter().map(|it| it.indicator.as_str()).collect();
    assert_eq!(names, ["preloaded", "scheduled-job"]);
}

// Goal: a team's levels: the first rule that fits decides, for the targets, places and names that it is about and no others,
// and the lowest level still is a finding.
#[test]
fn a_team_says_how_grave() {
    let rule = |indicator: &str, level| SeverityRule {
        indicator: indicator.into(),
        targets: None,
        on: None,
        level,
    };
    let on = |glob: &str| {
        Some(Selector {
            path: Some(glob.into()),
            ..Selector::default()
        })
    };
    let rules = [
        SeverityRule {
            targets: Some(vec![TargetName("other".into())]),
            ..rule("scheduled-job", Level::Critical)
        },
        SeverityRule {
            on: on("/etc/cron.d/backup*"),
            ..rule("scheduled-job", Level::Informational)
        },
        rule("scheduled-job", Level::High),
        rule("scheduled-job", Level::Low),
    ];
    let level = |path: &str| {
        let found = of(&drift(EXTRA, path), &Severity::new(&rules));
        assert_eq!(found.len(), 1);
        found[0].level
    };
    assert_eq!(
        level("File /etc/cron.d/backup-shop is=file"),
        Level::Informational
    );
    assert_eq!(level("File /etc/cron.d/x is=file"), Level::High);
    assert_eq!(level("File /etc/profile.d/x is=file"), Level::Medium);
}
