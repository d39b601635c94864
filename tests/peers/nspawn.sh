#!/usr/bin/env bash
# The machine of the tests on which systemd runs: a small Debian that boots in systemd-nspawn, with a real sshd.
#
#   nspawn.sh up DIR                  boots it and prints NAME=value lines to source
#   nspawn.sh down DIR                ends what `up` started there, by process id, and removes it
#   nspawn.sh exec DIR COMMAND...     runs a command as root inside, not by way of ssh
#
# It has a network namespace of its own with nothing but `lo`; the ssh_config that `up` writes enters it.
# Ends with 3 when it cannot be had, after saying why; with EVENKEEL_REQUIRE_PEERS=1 that is a failure (1).
# Needs root. The Debian folder is kept in EVENKEEL_PEERS_CACHE.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${EVENKEEL_PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/evenkeel-peers}
packages=systemd-sysv,dbus,openssh-server,cron
# The number counts up with each change of what the folder holds.
base=$cache/nspawn-bookworm-1

missing() { # WHAT
  echo "skipped: $1" >&2
  [ "${EVENKEEL_REQUIRE_PEERS:-}" = 1 ] && exit 1
  exit 3
}

within() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# Made beside its place and moved there when complete, by one at a time.
install_base() {
  [ ! -e "$base/etc/evenkeel-base" ] || return 0
  mkdir -p "$cache"
  flock -w 900 "$base.lock" bash "$here/nspawn.sh" _base
}

make_base() {
  local new=$base.new
  [ ! -e "$base/etc/evenkeel-base" ] || return 0
  rm -rf "$new" "$base"
  timeout 900 debootstrap --variant=minbase --include="$packages" bookworm "$new" >"$base.log" 2>&1 || {
    tail -n 5 "$base.log" >&2
    return 1
  }
  rm -rf "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/* "$new/etc/machine-id" "$new/etc/resolv.conf"
  rm -f "$new"/etc/ssh/ssh_host_*
  echo "$packages" >"$new/etc/evenkeel-base"
  mv "$new" "$base"
}

netns() { echo "ek-systemd-$(cat "$dir/suffix")"; }

# The first process inside: the child of the one that was started, if that is it still.
init() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd-nspawn ] || return 1
  cat "/proc/$pid/task/$pid/children" 2>/dev/null | tr ' ' '\n' | while read -r child; do
    [ "$(cat "/proc/$child/comm" 2>/dev/null)" = systemd ] && echo "$child" && break
  done | grep .
}

run_in() { # COMMAND...
  nsenter --target "$(init)" --mount --uts --ipc --net --pid --root --wd -- \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

booted() { init >/dev/null && run_in systemctl is-active --quiet ssh.service cron.service 2>/dev/null; }

up() { # DIR
  local tool suffix
  [ "$(id -u)" = 0 ] || missing "a machine with systemd needs root"
  for tool in ip nsenter socat ssh-keygen systemd-nspawn debootstrap; do
    command -v "$tool" >/dev/null || missing "$tool is not installed"
  done
  [ ! -e "$1/suffix" ] || down "$1"
  install_base || missing "a Debian folder with systemd (debootstrap) cannot be made"
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  suffix=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
  echo "$suffix" >"$dir/suffix"
  trap 'down "$dir"' EXIT
  ssh-keygen -q -t ed25519 -N '' -C management -f "$dir/key"
  ip netns add "$(netns)"
  ip -n "$(netns)" link set lo up
  cp -a "$base" "$dir/root"
  ssh-keygen -q -t ed25519 -N '' -C s1 -f "$dir/root/etc/ssh/ssh_host_ed25519_key"
  echo "s1 $(cut -d' ' -f1,2 "$dir/root/etc/ssh/ssh_host_ed25519_key.pub")" >"$dir/known_hosts"
  echo s1 >"$dir/root/etc/hostname"
  install -d -m 700 "$dir/root/root/.ssh"
  install -m 600 "$dir/key.pub" "$dir/root/root/.ssh/authorized_keys"
  setsid systemd-nspawn -q -D "$dir/root" -M "ek-$suffix" --register=no --keep-unit \
    --capability=CAP_NET_ADMIN,CAP_AUDIT_CONTROL --network-namespace-path="/run/netns/$(netns)" \
    --console=pipe -b >"$dir/console" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  within 60 booted || {
    tail -n 5 "$dir/console" >&2
    missing "systemd does not boot in systemd-nspawn here"
  }
  cat >"$dir/ssh_config" <<CONFIG
Host s1
  HostKeyAlias s1
  User root
  IdentityFile "$dir/key"
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile "$dir/known_hosts"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 5
  ProxyCommand nsenter --net=/run/netns/$(netns) socat -t 1 STDIO TCP:127.0.0.1:22
CONFIG
  trap - EXIT
  cat <<ENV
EVENKEEL_TEST_SYSTEMD=$dir
EVENKEEL_TEST_SYSTEMD_CONFIG=$dir/ssh_config
ENV
}

gone() { ! init >/dev/null; }

down() { # DIR
  [ -s "$1/suffix" ] || return 0
  dir=$(cd "$1" && pwd)
  local pid
  if pid=$(init); then
    kill -KILL "$pid"
    within 20 gone || echo "the machine does not end" >&2
  fi
  for pid in $(ip netns pids "$(netns)" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
  ip netns delete "$(netns)" 2>/dev/null || true
  rm -rf --one-file-system "${dir:?}/root"
  rm -f "$dir"/{key,key.pub,known_hosts,ssh_config,console,pid,suffix,turn}
}

case "${1:-}:$#" in
up:2) up "$2" ;;
down:2) down "$2" ;;
_base:1) make_base ;;
exec:[3-9] | exec:[1-9][0-9]*)
  dir=$(cd "$2" && pwd)
  run_in "${@:3}"
  ;;
*)
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 1
  ;;
esac
