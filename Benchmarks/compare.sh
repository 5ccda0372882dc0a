#!/usr/bin/env bash
# compare.sh [OPTION…]: the workloads here and in PyTorch, in turn, and their ratios. Without PyTorch: ours alone.
#
#   DEVICE         where ours run (cpu)
#   TORCH_PYTHON   a Python that has torch (python3)
#   BENCH_TABLE    folder of torch_bench.py and compare.py (../shared/bench)
#
# Options go to compare.py (--filter REGEX, --rounds N, --threads N, --seconds S, --json FILE), or to `cresset bench`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ours=".build/${CONFIG:-release}/cresset bench --device ${DEVICE:-cpu}"
python=${TORCH_PYTHON:-python3}
table=${BENCH_TABLE:-../shared/bench}

if [[ -e $table/compare.py ]] && "$python" -c 'import torch' 2>/dev/null; then
  exec "$python" "$table/compare.py" --ours "$ours" --torch-python "$python" "$@"
fi
printf 'compare.sh: no PyTorch (TORCH_PYTHON) or no table (BENCH_TABLE) here: ours alone\n' >&2
# shellcheck disable=SC2086
exec $ours "$@"
