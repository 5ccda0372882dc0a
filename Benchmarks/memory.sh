#!/usr/bin/env bash
# memory.sh: the most memory each model workload has resident, less that of a process that only adds two numbers; here and
# in PyTorch where there is one. Megabytes.
#
#   DEVICE, THREADS, TORCH_PYTHON, BENCH_TABLE   as for table.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cresset=.build/${CONFIG:-release}/cresset
python=${TORCH_PYTHON:-python3}
torch=${BENCH_TABLE:-../shared/bench}/torch_bench.py
threads=${THREADS:-2}

# The resident peak of a command, in KB.
peak() { { /usr/bin/time -f %M "$@" > /dev/null 2> >(tail -1 >&3); } 3>&1; }
ours() { peak "$cresset" bench --device "${DEVICE:-cpu}" --no-check --seconds 0.5 --threads "$threads" --filter "^$1\$"; }
theirs() { peak "$python" "$torch" --seconds 0.5 --threads "$threads" --filter "^$1\$"; }

has_torch=false
if [[ -e $torch ]] && "$python" -c 'import torch' 2>/dev/null; then has_torch=true; fi

idle_ours=$(ours dispatch/add_1)
idle_theirs=0
if $has_torch; then idle_theirs=$(theirs dispatch/add_1); fi
printf '%-36s %10s %10s %8s\n' workload ours PyTorch share
printf '%-36s %10d %10d\n' 'idle process' $((idle_ours / 1024)) $((idle_theirs / 1024))
for name in $("$cresset" bench --list --filter '^model/'); do
  a=$((($(ours "$name") - idle_ours) / 1024))
  if $has_torch; then
    b=$((($(theirs "$name") - idle_theirs) / 1024))
    printf '%-36s %10d %10d %7d%%\n' "$name" "$a" "$b" $((b > 0 ? 100 * a / b : 0))
  else printf '%-36s %10d\n' "$name" "$a"; fi
done
