//! The recorded takeover of two hosts, carried out again on real ones: what the attacker does is named and put right, what
//! admins do meanwhile is left alone.
//!
//! The steps are those of `incident-ssh-takeover` in the recordings; the baseline is what a team would hold of such a host.

use std::fmt::Write as _;

use super::fleet::Fleet;
use super::{Host, Hosts, NAMES};
use crate::support::{drifts, run_of};

/// What an admin set up before the baseline was committed.
const FURNISH: &str = r#"
set -eu
install -d /etc/shop /etc/rsyslog.d /srv/shop
echo 'workers = 2' >/etc/shop/shop.conf
echo '*.* @198.18.77.2' >/etc/rsyslog.d/20-collector.conf
echo '*/5 * * * * root /usr/local/sbin/shop-cleanup' >/etc/cron.d/shop
printf '#!/bin/sh\nexit 0\n' >/usr/local/sbin/shop-cleanup
chmod 755 /usr/local/sbin/shop-cleanup
echo 'alice ALL=(ALL:ALL) ALL' >/etc/sudoers.d/alice
chmod 440 /etc/sudoers.d/alice
# Who forwards accepts none; set before, so that nothing but what the attacker writes changes it.
echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects
nft -f - <<'NFT'
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    icmp type echo-request accept
    tcp dport { 22, 8080 } accept
  }
}
NFT
# The archive that apt gets packages from, made of what is installed.
repack() { # NAME MORE: with that added to its version
  d=$(mktemp -d)
  mkdir "$d/DEBIAN"
  dpkg -L "$1" | while read -r f; do [ -d "$f" ] || echo "$f"; done | tar -C / -c -T - 2>/dev/null | tar -C "$d" -x
  for part in conffiles md5sums preinst postinst prerm postrm config templates; do
    [ ! -e "/var/lib/dpkg/info/$1.$part" ] || cp -p "/var/lib/dpkg/info/$1.$part" "$d/DEBIAN/$part"
  done
  dpkg-query -W -f "Package: \${Package}\nVersion: \${Version}$2\nArchitecture: \${Architecture}\nMaintainer: t <t@example.invalid>\nDepends: \${Depends}\nDescription: as installed\n" "$1" >"$d/DEBIAN/control"
  deb="/srv/repo/$1$2.deb"
  dpkg-deb -Znone -b "$d" "$deb" >/dev/null
  rm -r "$d"
  dpkg-deb -f "$deb" >>/srv/repo/Packages
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${deb##*/}" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)" >>/srv/repo/Packages
}
rm -rf /srv/repo /etc/apt/sources.list.d/*
mkdir /srv/repo
repack procps ''
repack tzdata ''
repack tzdata +security
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
apt-get -qq update
"#;

/// The same as a team would write it.
const RULES: &str = r#"
    table inet filter {
      chain input {
        type filter hook input priority 0; policy drop;
        iifname lo accept; ct state established,related accept
        icmp type echo-request accept
        tcp dport { 8080, 22 } accept
      }
    }
"#;

/// The files of which the baseline holds everything: what lies in these places, but for what is secret or changes by itself.
const HELD: &str = r"
find /etc -xdev -type f \( -path '/etc/pam.d/*' -o -path '/etc/security/*' -o -path '/etc/shop/*' \
  -o -path '/etc/rsyslog.d/*' -o -path '/etc/sudoers.d/*' -o -path '/etc/default/*' -o -path '/etc/logrotate.d/*' \
  -o -path '/etc/apt/*' -o -path '/etc/init.d/*' -o -path '/etc/cron.d/*' -o ! -path '/etc/*/*' \) \
  ! -name 'shadow*' ! -name 'gshadow*' ! -name '*-' ! -name '.*' ! -path /etc/passwd ! -path /etc/group ! -name ld.so.cache \
  ! -name subuid ! -name subgid; echo /etc/ssh/sshd_config; echo /usr/local/sbin/shop-cleanup";

/// What the attacker leaves on the main host.
const ATTACK: &str = r#"
set -eu
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhZBr+eB/EFQXL4ro0yR0Ui9r9qjqyoQWFSF+ZpiQFP kali@box' >>/root/.ssh/authorized_keys
printf '#!/bin/sh\ndate >>/var/tmp/.beat\n' >/usr/local/sbin/.sysupd
chmod 755 /usr/local/sbin/.sysupd
echo '* * * * * root /usr/local/sbin/.sysupd' >/etc/cron.d/sysstat-collect
cp /bin/bash /usr/local/bin/dbus-helper
chmod 4755 /usr/local/bin/dbus-helper
cp -a /usr/bin/w /usr/lib/.w.real
printf '#!/bin/sh\n/usr/lib/.w.real "$@" | grep -v 198.18.77.66\n' >/usr/bin/w
sed -i 's/^PermitRootLogin.*/PermitRootLogin yes/; s/^PasswordAuthentication.*/PasswordAuthentication yes/' /etc/ssh/sshd_config
echo 'authpriv.* stop' >/etc/rsyslog.d/05-ratelimit.conf
echo 1 >/proc/sys/net/ipv4/ip_forward
echo '198.18.77.66 updates.internal deb.debian.org' >>/etc/hosts
touch -r /etc/fstab /usr/bin/w /usr/local/bin/dbus-helper /etc/ssh/sshd_config /usr/local/sbin/.sysupd
useradd -o -u 0 -g 0 -M -d /root -s /bin/bash -p '$6$x$y' sysd 2>/dev/null
nft insert rule inet filter input tcp dport 4444 accept
# Not every file system has such a flag.
chattr +i /etc/cron.d/sysstat-collect || true
"#;

/// What others do meanwhile: a rollout of the next commit, an admin whose change the baseline allows, a user, an upgrade.
const BENIGN: &str = r"
set -eu
echo 'workers = 4' >/etc/shop/shop.conf.new
mv /etc/shop/shop.conf.new /etc/shop/shop.conf
echo '15 6 * * * root /usr/local/sbin/shop-report' >/etc/cron.d/shop-report
install -d -m 700 -o alice -g alice /home/alice/.ssh
echo 'h2 ssh-ed25519 AAAA' >/home/alice/.ssh/known_hosts
: >/home/alice/.bash_history
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y tzdata=*+security >/dev/null 2>&1
";

/// Puts away what this test made, or what one that failed left.
const CLEAN: &str = r#"
chattr -i /etc/cron.d/sysstat-collect 2>/dev/null
nft delete table inet filter 2>/dev/null
[ ! -e /usr/lib/.w.real ] || { cat /usr/lib/.w.real >/usr/bin/w; rm /usr/lib/.w.real; }
case "$(dpkg-query -W tzdata)" in
*+security) DEBIAN_FRONTEND=noninteractive dpkg -i --force-downgrade /srv/repo/tzdata.deb >/dev/null 2>&1 ;;
esac
sed -i '/^sysd:/d' /etc/passwd /etc/shadow
rm -rf /etc/shop /etc/rsyslog.d /srv/shop /srv/repo /etc/cron.d/shop /etc/cron.d/shop-report /etc/cron.d/sysstat-collect \
  /usr/local/sbin/* /usr/local/sbin/.sysupd /usr/local/bin/* /etc/sudoers.d/alice /var/tmp/.beat \
  /home/alice/.ssh/known_hosts
sed -i '/kali@box/d' /root/.ssh/authorized_keys /home/alice/.ssh/authorized_keys
sed -i '/updates.internal/d' /etc/hosts
sed -i 's/^PermitRootLogin.*/PermitRootLogin prohibit-password/; s/^PasswordAuthentication.*/PasswordAuthentication no/' /etc/ssh/sshd_config
chown alice: /home/alice/.ssh/authorized_keys
echo 0 >/proc/sys/net/ipv4/ip_forward
true"#;

const EXPECTED: [&str; 14] = [
    "h1/AuthorizedKeys/root",
    "h1/File//etc/cron.d/sysstat-collect",
    "h1/File//etc/rsyslog.d/05-ratelimit.conf",
    "h1/File//usr/local/bin/dbus-helper",
    "h1/File//usr/local/sbin/.sysupd",
    "h1/File/etc-hosts",
    "h1/File/etc-ssh-sshd-config",
    "h1/Firewall/filter",
    "h1/Package/procps",
    "h1/Sysctl/net-ipv4-conf-all-forwarding",
    "h1/Sysctl/net-ipv4-conf-eth0-forwarding",
    "h1/Sysctl/net-ipv4-ip-forward",
    "h1/User///user/sysd",
    "h2/AuthorizedKeys/alice",
];

fn sh(host: &Host<'_>, script: &str) -> String {
    host.run(&["bash", "-c", script])
}

fn resource(out: &mut String, kind: &str, name: &str, spec: &str) {
    let _ = write!(
        out,
        "apiVersion: host.evenkeel.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n---\n"
    );
}

fn name_of(path: &str) -> String {
    let name = path.trim_start_matches('/').to_lowercase();
    name.replace(['/', '_', '.'], "-")
}

/// Writes the baseline of one host into the project, and gives how many resources it has.
fn hold(fleet: &Fleet, host: &Host<'_>) -> usize {
    let script = format!(
        "{{ {HELD}; }} | sort -u | while read -r f; do echo \"$f $(stat -c '%04a %U %G' \"$f\") $(base64 -w0 \"$f\")\"; done"
    );
    let mut out = String::new();
    for line in sh(host, &script).lines() {
        let words: Vec<_> = line.split(' ').collect();
        let (path, name) = (words[0], name_of(words[0]));
        let content = match path {
            // What the pipeline rolls out is committed before it does.
            "/etc/shop/shop.conf" => b"workers = 4\n".to_vec(),
            _ => base64(words.get(4).copied().unwrap_or("")),
        };
        let beside = format!("desired-state/{}/files/{name}", host.name());
        let beside = fleet.project.repo.join(beside);
        std::fs::create_dir_all(beside.parent().unwrap()).unwrap();
        std::fs::write(beside, content).unwrap();
        let spec = format!(
            "{{ path: {path}, contentFrom: files/{name}, mode: \"{}\", owner: {}, group: {} }}",
            words[1], words[2], words[3]
        );
        resource(&mut out, "File", &name, &spec);
    }
    for user in ["root", "alice", "deploy"] {
        let keys = sh(host, &format!("cat ~{user}/.ssh/authorized_keys"));
        let spec = format!("{{ user: {user}, exclusive: true, keys: [\"{keys}\"] }}");
        resource(&mut out, "AuthorizedKeys", user, &spec);
    }
    for folder in [
        "etc/rsyslog.d",
        "etc/sudoers.d",
        "etc/pam.d",
        "usr/local/bin",
        "usr/local/sbin",
    ] {
        let spec = format!("{{ path: /{folder}, exclusive: true }}");
        resource(&mut out, "Directory", &name_of(folder), &spec);
    }
    let keys = "cd /proc/sys && grep -Hs . net/ipv4/ip_forward net/ipv4/conf/{all,eth0}/{forwarding,rp_filter,accept_redirects,accept_source_route,log_martians,send_redirects,secure_redirects,arp_ignore}";
    for line in sh(host, keys).lines() {
        let (path, value) = line.split_once(':').unwrap();
        let key = path.replace('/', ".");
        let spec = format!("{{ key: {key}, value: \"{value}\", persist: false }}");
        resource(&mut out, "Sysctl", &name_of(&key), &spec);
    }
    let logins = sh(
        host,
        "awk -F: '$7 !~ /(nologin|false)$/ {print $1}' /etc/passwd",
    );
    let logins: Vec<_> = logins.lines().collect();
    let spec = format!("{{ login: [{}] }}", logins.join(", "));
    resource(&mut out, "Accounts", "people", &spec);
    let spec = format!("\n  table: {{ family: inet, name: filter }}\n  rules: |{RULES}");
    resource(&mut out, "Firewall", "filter", spec.trim_end());
    let packages = "dpkg-query -W -f '${Priority} ${Package} ${Version}\\n' | grep -E '^(required|important) | tzdata '";
    for line in sh(host, packages).lines() {
        let words: Vec<_> = line.split(' ').collect();
        let spec = format!(
            "{{ name: \"{}\", minimum: \"{}\", verify: true }}",
            words[1], words[2]
        );
        resource(&mut out, "Package", &words[1].replace('.', "-"), &spec);
    }
    let powers = sh(host, "find /usr -xdev -perm /6000 -type f");
    let powers: Vec<_> = powers.lines().collect();
    let spec = format!("{{ paths: [/usr], allow: [{}] }}", powers.join(", "));
    resource(&mut out, "PrivilegedFiles", "powers", &spec);
    resource(
        &mut out,
        "Cron",
        "jobs",
        "{ allow: [/etc/cron.d/shop-report], ignore: [\"/etc/cron.*ly/*\", \"/usr/lib/systemd/system/*.timer\"] }",
    );
    let file = format!("desired-state/{}/all.yaml", host.name());
    fleet.project.write(&file, out.trim_end_matches("---\n"));
    out.matches("\n---\n").count()
}

fn base64(text: &str) -> Vec<u8> {
    let mut command = std::process::Command::new("base64");
    command.arg("-d");
    super::succeeded(super::fed(command, text.as_bytes())).stdout
}

/// All that the attack or a restoration could touch, in the host's own words.
fn facts(host: &Host<'_>) -> String {
    sh(
        host,
        "find /etc /usr/local /root /home -xdev ! -name '.bash_history' ! -name '*-' ! -name 'sub?id' ! -path '/root/.evenkeel*' -printf '%p %y %m %U:%G %l\\n' | sort; \
         find /etc /usr/local /root/.ssh /home -xdev -type f ! -name '*-' ! -name 'sub?id' -exec sha256sum {} + | sort -k2; \
         stat -c '%a %U:%G' /usr/bin/w; sha256sum /usr/bin/w; dpkg-query -W tzdata procps; \
         cat /proc/sys/net/ipv4/ip_forward; nft -s list ruleset; lsattr -d /etc/cron.d/* 2>/dev/null || true",
    )
}

// Goal: the whole promise on real machines: of an intrusion in many places while others work, each malicious change is
// named and none of the benign ones; one run puts it right and proves it, the hosts still answer, and undo brings the
// tampered state back to the last bit that can be brought back.
#[test]
fn a_takeover_is_put_right() {
    let Some(hosts) = Hosts::start() else { return };
    let taken = NAMES.map(|name| hosts.take(name));
    let Some(fleet) = Fleet::of(&hosts, &NAMES, "", "") else {
        return;
    };
    for host in &taken {
        sh(host, CLEAN);
        sh(host, FURNISH);
        let resources = hold(&fleet, host);
        assert!(resources >= 150, "{resources}");
        sh(host, BENIGN);
    }
    fleet.project.commit("what the hosts are");
    let quiet = fleet.json(0, "plan");
    assert_eq!(drifts(&quiet), Vec::<String>::new());

    let intact = taken.each_ref().map(facts);
    sh(&taken[0], ATTACK);
    sh(
        &taken[1],
        "echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhZBr+eB/EFQXL4ro0yR0Ui9r9qjqyoQWFSF+ZpiQFP kali@box' >>/home/alice/.ssh/authorized_keys",
    );
    let tampered = taken.each_ref().map(facts);
    assert_eq!(drifts(&fleet.json(3, "plan")), EXPECTED);

    let done = fleet.json(3, "reconcile");
    assert_eq!(drifts(&fleet.json(0, "plan")), Vec::<String>::new());
    assert_eq!(taken.each_ref().map(facts), intact);
    for host in &taken {
        let ssh = host.ssh().args([host.name(), "true"]).status().unwrap();
        assert!(ssh.success());
    }
    fleet.run(&["undo", "--reopen", &run_of(&done)]).expect(0);
    assert_eq!(taken.each_ref().map(facts), tampered);
    for host in &taken {
        sh(host, CLEAN);
    }
}
