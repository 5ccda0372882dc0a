#!/bin/sh
# Every check of the portable maths. Needs clang (#embed), gcc with libquadmath, python3 with mpmath;
# glslangValidator and an OpenCL loader are used where they are. Some three minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sources=$here/../../Sources/CBackend
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

clang -std=gnu2x -O2 -ffp-contract=off -Wall -Wextra -I "$sources/include" -c "$sources/maths.c" -o "$folder/maths.o"
for precision in 32 64; do
  gcc -O2 -DPRECISION=$precision -I "$sources/include" "$here/ulp_test.c" "$folder/maths.o" -lquadmath -lm \
    -o "$folder/ulp$precision"
  "$folder/ulp$precision" "$@"
done
python3 "$here/check.py"
python3 "$here/special.py" --check
if command -v glslangValidator >/dev/null; then python3 "$here/glsl_check.py"; fi
if gcc -O2 -I "$sources/include" "$here/opencl_check.c" "$folder/maths.o" -lOpenCL -lm -o "$folder/opencl" 2>/dev/null; then
  "$folder/opencl" || [ $? = 77 ]
fi
echo "portable maths: all checks passed"
