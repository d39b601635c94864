#!/usr/bin/env bash
# The hosts of the tests: three Debian hosts with a real sshd each, one management and one attacker's place, on a switch.
#
#   hosts.sh up DIR                     starts them and prints NAME=value lines to source
#   hosts.sh down DIR                   ends what `up` started there, by process id, and removes its namespaces
#   hosts.sh exec DIR HOST COMMAND...   runs a command as root inside the host, not by way of ssh
#   hosts.sh cut|heal DIR HOST          loses all of its packets without a word; lets them through again
#   hosts.sh full|unfull DIR HOST       leaves no block of its disk; gives the space back
#   hosts.sh restart DIR HOST           kills and boots it: the same disk, new processes, a new network stack
#   hosts.sh connections DIR HOST       how many connections its sshd accepted since `up`
#
# Each host is a set of namespaces (net, mount, pid, uts, ipc) over a small disk in memory, which is an overlay over one
# debootstrap'ed folder. A keeper process holds the disks while a host is down, so nothing is mounted where others see it.
# The addresses exist behind the switch only; the ssh_config that `up` writes enters the management namespace.
#
# Ends with 3 when a peer cannot be had, after saying which; with EVENKEEL_REQUIRE_PEERS=1 that is a failure (1).
# Needs root. The Debian folder is kept in EVENKEEL_PEERS_CACHE.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${EVENKEEL_PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/evenkeel-peers}
base_packages=openssh-server,iproute2,nftables,cron,procps,sudo
# The number counts up with each change of what the folder holds.
base=$cache/hosts-bookworm-1
hosts=(h1 h2 h3)
users=(root deploy alice)
declare -A address=([mgmt]=198.18.0.1 [attacker]=198.18.0.99 [h1]=198.18.0.11 [h2]=198.18.0.12 [h3]=198.18.0.13)
disk_size=256m

missing() { # WHAT
  echo "skipped: $1" >&2
  [ "${EVENKEEL_REQUIRE_PEERS:-}" = 1 ] && exit 1
  exit 3
}

fail() { # WHAT
  echo "$1" >&2
  exit 1
}

within() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

### What is there

open() { # DIR
  [ -s "$1/suffix" ] || fail "$1 holds no hosts: run hosts.sh up $1"
  dir=$(cd "$1" && pwd)
  suffix=$(cat "$dir/suffix")
}

known() { # HOST
  [[ " ${hosts[*]} " = *" $1 "* ]] || fail "no host $1: there are ${hosts[*]}"
}

netns() { echo "ek-$suffix-$1"; } # PLACE

# Whether the process that was noted still is the one that was started: it is in the namespace that was made for it.
lives() { # PLACE
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && [ "/proc/$pid/ns/net" -ef "/run/netns/$(netns "$1")" ]
}

dead() { ! lives "$1"; } # PLACE

stop() { # PLACE
  ! lives "$1" || kill -KILL "$(cat "$dir/$1.pid")" 2>/dev/null || true
  within 10 dead "$1" || fail "$1 does not end"
  rm -f "$dir/$1.pid"
}

# Who is in a namespace that is ours is ours: an `exec` that still runs, or what a killed `up` could not note.
clear_out() { # PLACE
  local pid
  for pid in $(ip netns pids "$(netns "$1")"); do kill -KILL "$pid" 2>/dev/null || true; done
}

in_keeper() { nsenter --target "$(cat "$dir/switch.pid")" --mount -- "$@"; } # COMMAND...

### The Debian folder

base_ready() { [ -e "$base/etc/evenkeel-base" ]; }

# Made beside its place and moved there when complete, by one at a time.
install_base() {
  base_ready && return
  mkdir -p "$cache"
  flock -w 900 "$base.lock" bash "$here/hosts.sh" _base
}

make_base() {
  local new=$base.new user
  base_ready && return
  rm -rf "$new" "$base"
  timeout 900 debootstrap --variant=minbase --include="$base_packages" bookworm "$new" >"$base.log" 2>&1 || {
    tail -n 5 "$base.log" >&2
    return 1
  }
  rm -f "$new"/etc/ssh/ssh_host_* "$new/etc/resolv.conf" "$new"/var/cache/apt/archives/*.deb "$new/etc/machine-id"
  rm -rf "$new"/var/lib/apt/lists/* "${new:?}/dev" "${new:?}/run"
  mkdir "$new/dev" "$new/run"
  for user in "${users[@]:1}"; do chroot "$new" useradd -m -s /bin/bash "$user"; done
  cat >"$new/etc/ssh/sshd_config" <<'SSHD'
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
LogLevel VERBOSE
PrintMotd no
Subsystem sftp internal-sftp
SSHD
  echo "$base_packages" >"$new/etc/evenkeel-base"
  mv "$new" "$base"
}

### The network

join() { # PLACE
  local name last
  name=$(netns "$1")
  last=${address[$1]##*.}
  ip netns add "$name"
  # A fixed hardware address: after a restart nobody has to learn a new one.
  ip -n "$(netns switch)" link add "port-$1" type veth \
    peer name eth0 address "$(printf '02:00:00:00:00:%02x' "$last")" netns "$name"
  ip -n "$(netns switch)" link set "port-$1" master br0 up
  ip -n "$name" address add "${address[$1]}/24" dev eth0
  ip -n "$name" link set lo up
  ip -n "$name" link set eth0 up
}

make_switch() {
  local name
  name=$(netns switch)
  ip netns add "$name"
  ip -n "$name" link add br0 type bridge
  ip -n "$name" link set br0 up
  # Only IP is lost for a host that is cut off. Without ARP the sender would soon be told that there is no way.
  nsenter --net="/run/netns/$name" nft -f - <<'NFT'
table bridge faults {
  set cut { type ifname; }
  chain forward {
    type filter hook forward priority 0;
    ether type arp accept
    iifname @cut drop
    oifname @cut drop
  }
}
NFT
}

### Disks and processes

# Runs in a mount namespace of its own, which lives as long as it does.
keep() { # DIR BASE SIZE HOST...
  local dir=$1 base=$2 size=$3 host
  shift 3
  for host in "$@"; do
    mkdir -p "$dir/$host/disk" "$dir/$host/root"
    mount -t tmpfs -o "size=$size,mode=755" tmpfs "$dir/$host/disk"
    mkdir "$dir/$host/disk/upper" "$dir/$host/disk/work"
    # As on one file system: directories can be renamed, links are counted, and each file is of the same device.
    mount -t overlay -o "lowerdir=$base,upperdir=$dir/$host/disk/upper,workdir=$dir/$host/disk/work" \
      -o redirect_dir=on,index=on,xino=on,metacopy=off overlay "$dir/$host/root"
  done
  echo $$ >"$dir/switch.pid"
  exec sleep infinity
}

start_keeper() {
  local host
  nsenter --net="/run/netns/$(netns switch)" setsid unshare --mount --propagation slave \
    bash "$here/hosts.sh" _keep "$dir" "$base" "$disk_size" "${hosts[@]}" >"$dir/keeper.log" 2>&1 </dev/null &
  within 10 lives switch || {
    tail -n 5 "$dir/keeper.log" >&2
    missing "overlayfs over $base cannot be mounted"
  }
  for host in "${hosts[@]}"; do in_keeper mountpoint -q "$dir/$host/root" || missing "overlayfs cannot be mounted"; done
}

# What tells one host from another, and who is let in.
furnish() { # HOST
  local host=$1 root=$dir/$1/root
  in_keeper bash -euo pipefail -s <<FURNISH
echo "$host" >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$host" >"$root/etc/hosts"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
install -m 600 "$dir/$host/ssh_host_ed25519_key" "$dir/$host/ssh_host_ed25519_key.pub" "$root/etc/ssh/"
chmod 644 "$root/etc/ssh/ssh_host_ed25519_key.pub"
for user in ${users[*]}; do
  home=\$(chroot "$root" sh -c "echo ~\$user")
  install -d -m 700 "$root\$home/.ssh"
  install -m 600 "$dir/key.pub" "$root\$home/.ssh/authorized_keys"
  chroot "$root" chown -R "\$user:\$user" "\$home/.ssh"
done
FURNISH
}

# The first process of a host: makes its root what it sees, and its services run. Its output is the console.
boot() { # DIR HOST
  local root=$1/$2/root device pid
  # This process's number as those outside see it, since their /proc is still there.
  read -r pid _ </proc/self/stat
  echo "$pid" >"$1/$2.pid"
  mount --make-rprivate /
  cd "$root"
  mount -t sysfs -o ro sysfs sys
  mount -t tmpfs -o mode=755,size=1m tmpfs dev
  for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mount -t tmpfs -o mode=1777,size=16m tmpfs dev/shm
  mount -t tmpfs -o mode=755,size=16m tmpfs run
  mkdir -p run/sshd run/lock
  hostname "$2"
  cat /proc/sys/kernel/random/uuid >run/boot_id
  mount -t proc proc proc
  mount --bind run/boot_id proc/sys/kernel/random/boot_id
  pivot_root . .
  umount -l .
  cd /
  # shellcheck disable=SC2016
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ bash -c '
    cron
    /usr/sbin/sshd -D -e &
    # A shell that waits buries whoever lost its parent.
    while :; do sleep infinity & wait $!; done'
}

listening() { # HOST COUNT
  [ "$(grep -c '^Server listening on 0' "$dir/$1.console")" -ge "$2" ]
}

start_host() { # HOST
  local before
  touch "$dir/$1.console"
  before=$(grep -c '^Server listening on 0' "$dir/$1.console" || true)
  nsenter --target "$(cat "$dir/switch.pid")" --mount --net="/run/netns/$(netns "$1")" -- \
    setsid unshare --mount --uts --ipc --pid --fork --kill-child \
    bash "$here/hosts.sh" _boot "$dir" "$1" >>"$dir/$1.console" 2>&1 </dev/null &
  within 20 listening "$1" $((before + 1)) || {
    tail -n 5 "$dir/$1.console" >&2
    fail "$1 does not start"
  }
}

### The way in

make_keys() {
  local host
  ssh-keygen -q -t ed25519 -N '' -C management -f "$dir/key"
  : >"$dir/known_hosts"
  for host in "${hosts[@]}"; do
    mkdir -p "$dir/$host"
    ssh-keygen -q -t ed25519 -N '' -C "$host" -f "$dir/$host/ssh_host_ed25519_key"
    echo "$host,${address[$host]} $(cut -d' ' -f1,2 "$dir/$host/ssh_host_ed25519_key.pub")" >>"$dir/known_hosts"
  done
}

write_config() {
  local host
  for host in "${hosts[@]}"; do
    cat <<CONFIG
Host $host
  HostName ${address[$host]}
  HostKeyAlias $host
CONFIG
  done
  # The relay dies with its ssh, even when that is killed. One that stayed would hold the connection open.
  cat <<CONFIG
Host ${hosts[*]}
  User root
  IdentityFile "$dir/key"
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile "$dir/known_hosts"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 5
  ProxyCommand nsenter --net=/run/netns/$(netns mgmt) socat -t 1 STDIO TCP:%h:%p
CONFIG
}

### The commands

check_needs() {
  local tool
  [ "$(id -u)" = 0 ] || missing "hosts need root"
  for tool in ip nft nsenter unshare setpriv socat ssh ssh-keygen flock; do
    command -v "$tool" >/dev/null || missing "$tool is not installed"
  done
  base_ready || command -v debootstrap >/dev/null || missing "debootstrap is not installed"
  unshare --net true 2>/dev/null || missing "network namespaces cannot be made here"
  unshare --mount true 2>/dev/null || missing "mount namespaces cannot be made here"
}

up() { # DIR
  local place
  check_needs
  [ ! -e "$1/suffix" ] || down "$1"
  install_base || missing "a Debian folder for the hosts (debootstrap) cannot be made"
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  suffix=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
  echo "$suffix" >"$dir/suffix"
  trap 'down "$dir"' EXIT
  make_keys
  write_config >"$dir/ssh_config"
  make_switch
  for place in mgmt attacker "${hosts[@]}"; do join "$place"; done
  start_keeper
  for place in "${hosts[@]}"; do
    furnish "$place"
    start_host "$place"
  done
  trap - EXIT
  cat <<ENV
EVENKEEL_TEST_HOSTS=$dir
EVENKEEL_TEST_HOSTS_CONFIG=$dir/ssh_config
EVENKEEL_TEST_HOSTS_NETNS=$(netns mgmt)
EVENKEEL_TEST_HOSTS_ATTACKER_NETNS=$(netns attacker)
ENV
}

down() { # DIR
  local place
  [ -s "$1/suffix" ] || return 0
  open "$1"
  for place in "${hosts[@]}" switch; do stop "$place"; done
  for place in "${hosts[@]}" mgmt attacker switch; do
    [ -e "/run/netns/$(netns "$place")" ] || continue
    clear_out "$place"
    ip netns delete "$(netns "$place")"
  done
  # Only what `up` makes. The disks were in memory and went with the keeper.
  for place in "${hosts[@]}"; do
    rmdir "$dir/$place/disk" "$dir/$place/root" 2>/dev/null || true
    rm -f "$dir/$place"/ssh_host_ed25519_key{,.pub} "$dir/$place.console" "$dir/$place/turn"
    rmdir "$dir/$place" 2>/dev/null || true
  done
  rm -f "$dir"/key{,.pub} "$dir"/{known_hosts,ssh_config,keeper.log,suffix}
}

run_in() { # HOST COMMAND...
  local host=$1
  shift
  lives "$host" || fail "$host is not running"
  exec nsenter --target "$(cat "$dir/$host.pid")" --mount --uts --ipc --net --pid --root --wd -- \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

fault() { # add|delete HOST
  local has=0
  nsenter --net="/run/netns/$(netns switch)" nft get element bridge faults cut "{ \"port-$2\" }" >/dev/null 2>&1 || has=1
  [ "$1:$has" = add:1 ] || [ "$1:$has" = delete:0 ] || return 0
  nsenter --net="/run/netns/$(netns switch)" nft "$1" element bridge faults cut "{ \"port-$2\" }"
}

# Lies beside the overlay on the same disk, where the host cannot see it. What is less than a block is taken as well.
fill() { # HOST
  local file=$dir/$1/disk/fill left
  in_keeper dd if=/dev/zero bs=64k of="$file" 2>/dev/null || true
  in_keeper dd if=/dev/zero bs=1 oflag=append conv=notrunc of="$file" 2>/dev/null || true
  left=$(in_keeper df --output=avail -B1 "$dir/$1/disk" | tail -n 1)
  [ "$left" -eq 0 ] || fail "the disk of $1 has $left bytes left"
}

# The network goes first, as when the power fails: nobody hears of the end of a connection.
restart() { # HOST
  ip -n "$(netns switch)" link delete "port-$1"
  stop "$1"
  ip netns delete "$(netns "$1")"
  join "$1"
  start_host "$1"
}

connections() { grep -c '^Connection from ' "$dir/$1.console" || true; } # HOST

usage() {
  sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 1
}

command=${1:-} given=$#
case "$command:$given" in
up:2) up "$2" ;;
down:2) down "$2" ;;
_keep:*) keep "${@:2}" ;;
_base:1) make_base ;;
_boot:3) boot "$2" "$3" ;;
exec:[4-9] | exec:[1-9][0-9]* | cut:3 | heal:3 | full:3 | unfull:3 | restart:3 | connections:3)
  open "$2"
  known "$3"
  case "$command" in
  exec) run_in "${@:3}" ;;
  cut) fault add "$3" ;;
  heal) fault delete "$3" ;;
  full) fill "$3" ;;
  unfull) in_keeper rm -f "$dir/$3/disk/fill" ;;
  restart) restart "$3" ;;
  connections) connections "$3" ;;
  esac
  ;;
*) usage ;;
esac
