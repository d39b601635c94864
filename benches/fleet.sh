#!/usr/bin/env bash
# What a plan of many hosts costs, with about 150 resources a host and everything as it should be.
#
#   benches/fleet.sh [PROGRAM [WORKER [COUNT...]]]
#
# First three real hosts over ssh (as root; tests/peers/hosts.sh): connections a host, CPU and memory of the controller,
# and CPU of a host. Fails when a host needs more than one connection. Then fleets of COUNT hosts (10 100 1000) that are
# simulated: a stand-in for ssh starts each worker on this machine, on one folder that all of them look at.
# PROGRAM is target/release/evenkeel unless told; WORKER the one beside it, or what README.md builds. Needs git and Python.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(realpath "${1:-$top/target/release/evenkeel}")
worker=${2:-${EVENKEEL_WORKER:-$top/target/$(uname -m)-unknown-linux-gnu/release/evenkeel-worker}}
worker=$(realpath "$worker")
for built in "$program" "$worker"; do
  [ -x "$built" ] || { echo "build it first, as README.md says: $built" >&2; exit 1; }
done
counts=("${@:3}")
[ ${#counts[@]} -gt 0 ] || counts=(10 100 1000)
runs=5
# Whose the files of the simulated hosts are. As root a worker would be kept in /var/lib of this machine.
if [ "$(id -u)" = 0 ]; then owner=65534 group=65534; else owner=$(id -u) group=$(id -g); fi

folder=$(mktemp -d)
finish() {
  bash "$top/tests/peers/hosts.sh" down "$folder/hosts" >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap finish EXIT
# Whoever a simulated worker runs as looks for its folders here.
chmod 755 "$folder"

resource() { # KIND NAME SPEC
  printf -- '---\napiVersion: host.evenkeel.dev/v1\nkind: %s\nmetadata: { name: %s }\nspec: { %s }\n' "$1" "$2" "$3"
}

# 100 files of 1.6 KB in ten exclusive directories, and 30 links.
common() { # OWNER GROUP
  local at line text
  for ((at = 0; at < 10; at++)); do
    resource Directory "d$at" "path: /srv/fleet/d$at, mode: \"0755\", owner: $1, group: $2, exclusive: true"
  done
  for ((at = 0; at < 30; at++)); do
    resource Symlink "l$at" "path: /srv/fleet/l$at, target: d$((at % 10))/f$at.conf"
  done
  for ((at = 0; at < 100; at++)); do
    text=
    for line in {1..20}; do
      text+="setting = $at, of a file that is about as long as what is configured by hand $line\\n"
    done
    resource File "f$at" "path: /srv/fleet/d$((at % 10))/f$at.conf, mode: \"0644\", owner: $1, group: $2, content: \"$text\""
  done
}

project() { # FOLDER TARGETS
  mkdir -p "$1/desired-state/all"
  cat >"$1/desired-state/evenkeel.yaml" <<YAML
apiVersion: evenkeel.dev/v1
kind: Project
targets:
$2
groups: [{ name: all, labels: { of: bench } }]
guard: { max_changes: 100000 }
YAML
}

keep() { # FOLDER
  cd "$1"
  git init --quiet
  git add -A
  git -c user.name=Ops -c user.email=ops@example.invalid commit --quiet --message baseline
}

target() { # NAME MORE
  echo "  - { name: $1, provider: host, mode: enforce, labels: { of: bench }, $2 }"
}

run() { # CODE COMMAND...
  local code=0 wanted=$1
  shift
  "$program" "$@" --worker "$worker" >"$folder/out" 2>&1 || code=$?
  [ "$code" = "$wanted" ] || { cat "$folder/out" >&2; echo "exit $code, not $wanted" >&2; exit 1; }
}

# Adds a line of figures to the file.
measure() { # FILE
  local line
  line=$(python3 "$top/benches/measure.py" "$folder/out" "$program" plan --worker "$worker")
  [ "${line%% *}" = 0 ] || { cat "$folder/out" >&2; echo "exit ${line%% *}, not 0" >&2; exit 1; }
  echo "$line" >>"$1"
}

# shellcheck disable=SC2016
median() { # FILE EXPRESSION
  awk "{ print $2 }" "$1" | sort -n | sed -n "$(((runs + 1) / 2))p"
}

resources() { cat "$1"/desired-state/all/*.yaml | grep -c '^kind:'; } # FOLDER

### Real hosts

hosts=(h1 h2 h3)
on() { bash "$top/tests/peers/hosts.sh" exec "$folder/hosts" "$@"; }                      # HOST COMMAND...
connections() { bash "$top/tests/peers/hosts.sh" connections "$folder/hosts" "$1"; }      # HOST

# The CPU of all logins that have ended, in seconds: sshd is told by the kernel when it waits for them.
logins() { # HOST
  # shellcheck disable=SC2016
  on "$1" sh -c 'until [ "$(pgrep -c -x sshd)" = 1 ]; do sleep 0.05; done
    cut -d " " -f 16,17 "/proc/$(pgrep -o -x sshd)/stat"' | awk -v tick="$(getconf CLK_TCK)" '{ print ($1 + $2) / tick }'
}

# shellcheck disable=SC2016
real() {
  local host before=() cpu=() targets='' code=0 each
  bash "$top/tests/peers/hosts.sh" up "$folder/hosts" >/dev/null || code=$?
  [ "$code" != 3 ] || return 0
  [ "$code" = 0 ] || exit "$code"
  for host in "${hosts[@]}"; do
    targets+=$(target "$host" "ssh: { host: $host, user: root, config: $folder/hosts/ssh_config }")$'\n'
  done
  project "$folder/real" "$targets"
  {
    resource Directory top "path: /srv/fleet, mode: \"0755\", owner: root, group: root, exclusive: true"
    common root root
    for each in root deploy alice; do
      resource AuthorizedKeys "$each" "user: $each, exclusive: true, keys: [\"$(cat "$folder/hosts/key.pub")\"]"
    done
    for each in passwd shadow group gshadow sudoers; do
      # As they are: the same on all of them.
      resource File "$each" "path: /etc/$each, sensitive: true, owner: root, mode: \"0$(on h1 stat -c %a "/etc/$each")\""
    done
    resource Symlink sh "path: /usr/bin/sh, target: dash"
    resource PrivilegedFiles powers "paths: [/usr], allow: [$(on h1 find /usr -xdev -type f -perm /6000 | paste -sd ,)]"
  } >"$folder/real/desired-state/all/all.yaml"
  keep "$folder/real"
  run 0 reconcile
  for host in "${hosts[@]}"; do
    before+=("$(connections "$host")")
    cpu+=("$(logins "$host")")
  done
  for ((each = 0; each < runs; each++)); do measure "$folder/real.figures"; done
  for each in 0 1 2; do
    host=${hosts[each]}
    [ $(($(connections "$host") - before[each])) = "$runs" ] ||
      { echo "$host: $(($(connections "$host") - before[each])) connections for $runs plans" >&2; exit 1; }
    cpu[each]=$(awk -v a="${cpu[each]}" -v b="$(logins "$host")" -v n="$runs" 'BEGIN { printf "%.2f", (b - a) / n }')
  done
  echo "3 hosts over ssh, $(resources "$folder/real") resources each: 1 connection a host and plan"
  echo "  controller: $(median "$folder/real.figures" '$2 + $3 + $4') s of CPU" \
    "($(median "$folder/real.figures" '$2') s without ssh), $(median "$folder/real.figures" 'int($5 / 1024)') MiB"
  echo "  each host: ${cpu[*]} s of CPU, with sshd, the login and the worker"
}

### Simulated hosts

stand_in() {
  local as=
  mkdir -p "$folder/bin" "$folder/home"
  [ "$(id -u)" != 0 ] || as="setpriv --reuid $owner --regid $group --clear-groups"
  cat >"$folder/bin/ssh" <<SSH
#!/bin/sh
# Instead of a login: nothing. Instead of a command on a host: the same command here.
case " \$* " in *" -M "* | *" -O "*) exit 0 ;; esac
while [ "\$1" != -- ]; do shift; done
shift
exec $as env -i HOME="$folder/home" PATH="\$PATH" /bin/sh -c "\$*"
SSH
  chmod 755 "$folder/bin/ssh"
  PATH="$folder/bin:$PATH"
}

simulated() { # COUNT
  local count=$1 targets='' at each times=$runs fleet="$folder/fleet$1"
  for ((at = 1; at <= count; at++)); do
    targets+=$(target "host$at" "root: $folder/root, ssh: { host: host$at, timeout: 10m }")$'\n'
  done
  project "$fleet" "$targets"
  cp "$folder/common.yaml" "$fleet/desired-state/all/all.yaml"
  keep "$fleet"
  ((count < 500)) || times=1
  for ((each = 0; each < times; each++)); do measure "$fleet.figures"; done
  # What the stand-in and the workers take is in the second figure, and nobody's cost here.
  sort -n -k 2 "$fleet.figures" | sed -n "$((($(wc -l <"$fleet.figures") + 1) / 2))p" | awk -v count="$count" '{
    printf "%d simulated hosts: controller %.2f s of CPU without ssh (%.1f ms a host), %d MiB (%.2f a host)\n",
      count, $2, $2 * 1000 / count, $5 / 1024, $5 / 1024 / count }'
}

make_root() {
  mkdir -p "$folder/root/srv/fleet" "$folder/one"
  common "$owner" "$group" >"$folder/common.yaml"
  # Evenkeel itself makes what the workers find.
  mkdir -p "$folder/one/desired-state/all"
  project "$folder/one" "$(target one "root: $folder/root")"
  cp "$folder/common.yaml" "$folder/one/desired-state/all/all.yaml"
  keep "$folder/one"
  run 0 reconcile
}

real
make_root
stand_in
[ "$(id -u)" != 0 ] || chown -hR "$owner:$group" "$folder/root" "$folder/home"
echo "fleets of $(resources "$folder/one") resources a host"
for count in "${counts[@]}"; do simulated "$count"; done
