#!/usr/bin/env bash
# What a plan of one FileTree costs: CPU seconds (user and system), the time that passes and the largest resident memory,
# of the least of three runs, once with the tree as listed and, where it is a made one, once with some of it changed.
#
#   benches/tree.sh [PROGRAM [TREE | FILES MIB]]
#
# PROGRAM is target/release/evenkeel unless told. TREE is a directory that is only read, /usr unless told; FILES and MIB
# make one of so many files with so many MiB in all. A tree that is not made is measured against dpkg's database too, where
# there is one. Needs git and GNU time (Debian: apt-get install time).
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(realpath "${1:-$top/target/release/evenkeel}")
[ -x "$program" ] || { echo "build it first: cargo build --release" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=/
tree=${2:-/usr}
made=
if [ $# -ge 3 ]; then
  root=$folder/root tree=/tree made=yes
  mkdir -p "$root$tree"
  files=$2 bytes=$(($3 * 1024 * 1024 / $2))
  for ((at = 0; at < files; at++)); do
    directory=$root$tree/d$((at % 50))/e$((at % 7))
    [ -d "$directory" ] || mkdir -p "$directory"
    { printf '%d\n' "$at" && head -c "$bytes" /dev/zero; } >"$directory/file-$at"
  done
fi

mkdir -p "$folder/repo/desired-state/host"
cd "$folder/repo"
"$program" manifest "$root$tree" --out desired-state/host/tree.manifest
cat >desired-state/evenkeel.yaml <<YAML
apiVersion: evenkeel.dev/v1
kind: Project
targets:
  - { name: host, provider: host, root: $root, mode: observe }
YAML
cat >desired-state/host/tree.yaml <<YAML
apiVersion: host.evenkeel.dev/v1
kind: FileTree
metadata: { name: tree }
spec: { path: $tree, manifest: tree.manifest }
YAML
git init --quiet
git add -A
git -c user.name=Ops -c user.email=ops@example.invalid commit --quiet --message baseline

# WANTED is a pattern of exit codes.
measure() {
  local wanted=$1 what=$2
  : >"$folder/figures"
  for _ in 1 2 3; do
    local code=0
    command time --quiet --format '%U %S %e %M' --append --output "$folder/figures" \
      "$program" plan >"$folder/out" 2>&1 || code=$?
    # shellcheck disable=SC2053
    [[ $code == $wanted ]] || { cat "$folder/out" >&2; echo "exit $code, not $wanted" >&2; exit 1; }
  done
  printf '%s: ' "$what"
  awk '{ printf "%.2f %.2f %.0f\n", $1 + $2, $3, $4 / 1024 }' "$folder/figures" | sort -n | head -n 1 |
    awk '{ print $1 " s of CPU, " $2 " s in all, " $3 " MiB" }'
}

entries=$(($(wc -l <desired-state/host/tree.manifest) - 1))
mib=$(awk '$1 == "f" { bytes += $5 } END { printf "%d", bytes / 1048576 }' desired-state/host/tree.manifest)
measure 0 "plan of a tree of $entries entries and $mib MiB, as listed"
if [ -n "$made" ]; then
  for file in "$root$tree"/d0/e0/*; do echo tampered >>"$file"; done
  measure 2 "plan of a tree of $entries entries and $mib MiB, some changed"
fi
if [ -z "$made" ] && [ -e /var/lib/dpkg/status ]; then
  sed -i 's/manifest: tree.manifest/against: dpkg, exclusive: false/' desired-state/host/tree.yaml
  git -c user.name=Ops -c user.email=ops@example.invalid commit --quiet --all --message dpkg
  # Whether all of it is as the packages brought it is not for a measurement to say.
  measure '[02]' "plan of the same tree against dpkg"
fi
