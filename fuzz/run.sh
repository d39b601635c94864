#!/usr/bin/env bash
# Fuzzes every target for so long, from the seeds and from what was found before (fuzz/corpus/).
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# SECONDS is for each target. Needs no cargo-fuzz and no nightly: all that is instrumented is safe code, so that coverage is
# enough and a sanitizer would find nothing more. `cargo fuzz run TARGET` works too. A crash is kept in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=$1
shift
targets=("$@")
[ $# -gt 0 ] || targets=(cloudtrail kubernetes-audit auditd syslog journald falco ocsf sniffed rules rule-tests learned)

# What cargo-fuzz gives with `--sanitizer none`. The target keeps it from build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  cargo build --quiet --release --locked --target "$host" "${targets[@]/#/--bin=}"

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  log=$(mktemp)
  "target/$host/release/$target" "corpus/$target" "seeds/$target" -artifact_prefix="artifacts/$target/" \
    -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; rm "$log"; exit 1; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs without a crash"
  rm "$log"
done
