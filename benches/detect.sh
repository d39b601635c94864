#!/usr/bin/env bash
# What detecting costs, from JSON lines on disk to findings: CPU seconds (user and system), the time that passes and the
# largest resident memory of the whole process, the least of five runs; beside it the same of the engine alone
# (rsigma-eval, one engine with every rule, nothing counted, remembered or reported), on the same records and rules.
#
#   benches/detect.sh [PROGRAM [RECORDS|TRAIL]]
#
# PROGRAM is target/release/evenkeel unless told. RECORDS made ones are read, 30,477 unless told, or TRAIL: CloudTrail records,
# one a line and none twice. Rules are 57 for CloudTrail and 321 for AWS, Kubernetes and Linux, the
# published ones where ../shared/corpora/sigma-rules lies beside the checkout and made ones elsewhere, and 3,000 made ones.
# Needs cargo, for the engine alone (built in fuzz/), jq, and GNU time (Debian: apt-get install time).
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(realpath "${1:-$top/target/release/evenkeel}")
records=${2:-30477} trail=
[ ! -f "$records" ] || { trail=$(realpath "$records"); records=$(wc -l <"$trail"); }
[ -x "$program" ] || { echo "build it first: cargo build --release" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
beside=$(cargo build --quiet --release --locked --manifest-path "$top/fuzz/Cargo.toml" --bin beside --message-format json |
  sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
made=$records
[ -z "$trail" ] || made=0
"$beside" make "$folder" "$made" 3000
[ -z "$trail" ] || cp "$trail" "$folder/trail.json"
cd "$folder"

public=$top/../shared/corpora/sigma-rules
mkdir few
if [ -d "$public" ]; then
  few=$public/aws_cloudtrail some=$public whose=published
else
  # Made ones of the same number, of which the same share is for CloudTrail.
  mkdir some
  # shellcheck disable=SC2046
  cp $(grep -l cloudtrail rules/*.yml | head -57) few
  # shellcheck disable=SC2046
  cp few/* $(grep -L cloudtrail rules/*.yml | head -264) some
  few=few some=some whose=made
fi

# FIGURES COMMAND...: the least of five, as `CPU WALL KIB`.
measure() {
  local figures=$1
  shift
  : >"$figures.all"
  for _ in 1 2 3 4 5; do
    command time --quiet --format '%U %S %e %M' --append --output "$figures.all" "$@" >"$figures.out" 2>"$figures.err" ||
      { cat "$figures.err" >&2; exit 1; }
  done
  awk '{ printf "%.2f %.2f %d\n", $1 + $2, $3, $4 }' "$figures.all" | sort -n | head -n 1 >"$figures"
}

say() { awk '{ printf "%s s of CPU, %s s in all, %.1f MiB", $1, $2, $3 / 1024 }' "$1"; }

compare() { # WHAT RULES
  local ours=("$program" detect --events "cloudtrail=trail.json" --rules "$2" --skip-bad-rules --exit-zero --format json)
  measure one "${ours[@]}" --threads 1
  measure two "${ours[@]}" --threads 2
  measure alone "$beside" rsigma "$2" trail.json
  # What reads fewer records than there are is fast for nothing.
  jq -e --argjson records "$records" '[.sources[].records] | add == $records' one.out >/dev/null ||
    { echo "not all of the $records records were read" >&2; exit 1; }
  echo "$1: $(tr '\n' ' ' <alone.out)"
  echo "  evenkeel, 1 thread:  $(say one)"
  echo "  evenkeel, 2 threads: $(say two)"
  echo "  rsigma-eval alone:   $(say alone)"
  awk '{ cpu[NR] = $1; wall[NR] = $2 } END {
    printf "  rate against rsigma-eval: %.2f; with a second thread %.2f times the rate of one\n",
      cpu[3] / cpu[1], wall[1] / wall[2] }' one two alone
}

echo "$records records, $(($(stat -c %s trail.json) / 1000000)) MB"
compare "57 rules for CloudTrail ($whose)" "$few"
compare "321 rules for AWS, Kubernetes and Linux ($whose)" "$some"
compare "3,000 made rules" rules
