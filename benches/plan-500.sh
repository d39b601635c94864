#!/usr/bin/env bash
# What a plan of 500 files costs: the median of CPU seconds (user and system) and of the largest resident memory over
# eleven runs, once with the live files as the baseline says and once with 50 of them changed.
#
#   benches/plan-500.sh [PROGRAM [FILES]]
#
# PROGRAM is target/release/evenkeel unless told; needs git and GNU time (Debian: apt-get install time).
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(realpath "${1:-$top/target/release/evenkeel}")
files=${2:-500}
[ -x "$program" ] || { echo "build it first: cargo build --release" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/repo/desired-state/host" "$folder/root/srv"
cd "$folder/repo"
cat >desired-state/evenkeel.yaml <<YAML
apiVersion: evenkeel.dev/v1
kind: Project
targets:
  - { name: host, provider: host, root: ../../root, mode: enforce }
guard: { max_changes: 100000 }
YAML
for ((at = 0; at < files; at++)); do
  group=$((at % 10))
  directory="$folder/root/srv/d$group"
  if ((at < 10)); then
    mkdir "$directory"
    printf -- '---\napiVersion: host.evenkeel.dev/v1\nkind: Directory\nmetadata: { name: d%d }\nspec: { path: /srv/d%d, mode: "0755", exclusive: true }\n' \
      "$group" "$group" >>desired-state/host/directories.yaml
  fi
  text="setting = $at, of a file that is about as long as what is configured by hand"
  printf -- '---\napiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: { name: f%d }\nspec:\n  path: /srv/d%d/f%d.conf\n  mode: "0644"\n  owner: %d\n  group: %d\n  content: |\n' \
    "$at" "$group" "$at" "$(id -u)" "$(id -g)" >>"desired-state/host/d$group.yaml"
  for line in {1..20}; do
    printf '    %s %d\n' "$text" "$line" >>"desired-state/host/d$group.yaml"
    printf '%s %d\n' "$text" "$line"
  done >"$directory/f$at.conf"
  chmod 0644 "$directory/f$at.conf"
done
chmod 0755 "$folder/root/srv"/d*
git init --quiet
git add -A
git -c user.name=Ops -c user.email=ops@example.invalid commit --quiet --message baseline

measure() {
  local wanted=$1 what=$2
  shift 2
  : >"$folder/figures"
  for _ in {1..11}; do
    local code=0
    command time --quiet --format '%U %S %M' --append --output "$folder/figures" \
      "$program" plan >"$folder/out" 2>&1 || code=$?
    [ "$code" = "$wanted" ] || { cat "$folder/out" >&2; echo "exit $code, not $wanted" >&2; exit 1; }
  done
  printf '%s: ' "$what"
  paste -d ' ' \
    <(awk '{ printf "%.2f\n", $1 + $2 }' "$folder/figures" | sort -n | sed -n 6p) \
    <(awk '{ printf "%.1f\n", $3 / 1024 }' "$folder/figures" | sort -n | sed -n 6p) |
    awk '{ print $1 " s of CPU, " $2 " MiB" }'
}

measure 0 "plan of $files files, all as they should be"
for ((at = 0; at < files; at += 10)); do
  echo tampered >>"$folder/root/srv/d0/f$at.conf"
done
measure 2 "plan of $files files, a tenth of them changed"
