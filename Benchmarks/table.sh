#!/usr/bin/env bash
# table.sh: the whole table with its roofs, here and in PyTorch where there is one, as text and as a picture.
#
#   DEVICE         where ours run (cpu)
#   THREADS        threads for both (all)
#   ROUNDS         each group is run so often, in turn (1)
#   SECONDS_EACH   least time for a workload (0.3)
#   FILTER         only workloads that match
#   OUT            folder of table.txt, table.svg and the raw lines (.build/bench)
#   TORCH_PYTHON   a Python that has torch (python3)
#   BENCH_TABLE    folder of torch_bench.py (../shared/bench)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cresset=.build/${CONFIG:-release}/cresset
python=${TORCH_PYTHON:-python3}
torch=${BENCH_TABLE:-../shared/bench}/torch_bench.py
out=${OUT:-.build/bench}
filter=${FILTER:-.}
common=(--seconds "${SECONDS_EACH:-0.3}")
[[ -z ${THREADS:-} ]] || common+=(--threads "$THREADS")
mkdir -p "$out"
: > "$out/lines.json"

has_torch=false
if [[ -e $torch ]] && "$python" -c 'import torch' 2>/dev/null; then has_torch=true
else printf 'table.sh: no PyTorch (TORCH_PYTHON) or no table (BENCH_TABLE) here: ours alone\n' >&2; fi

groups=$("$cresset" bench --list --filter "$filter" | cut -d/ -f1 | uniq)
checked=()
for ((round = 1; round <= ${ROUNDS:-1}; round++)); do
  for group in $groups; do
    printf 'round %d: %s\n' "$round" "$group" >&2
    # A workload of this group that also matches the filter.
    names=$("$cresset" bench --list --filter "$filter" | grep "^$group/" | sed 's/[.[\*^$()+?{|]/\\&/g' | paste -sd'|')
    "$cresset" bench --device "${DEVICE:-cpu}" --probe --filter "^($names)\$" "${common[@]}" "${checked[@]}" \
      >> "$out/lines.json"
    if $has_torch; then "$python" "$torch" --filter "^($names)\$" "${common[@]}" >> "$out/lines.json"; fi
  done
  # Results were compared with the reference's in the first round.
  checked=(--no-check)
done
"$cresset" bench-report "$out/lines.json" --svg "$out/table.svg" | tee "$out/table.txt"
printf 'written: %s/table.txt, %s/table.svg\n' "$out" "$out" >&2
