#!/bin/sh
# Compares the layout of the current header, and of the frozen version 1, with the golden file.
# Exits 1 with the difference if anything moved.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
result=0
for headers in "$here/../../Sources/CBackend/include" "$here/v1"; do
  if ! ${CC:-cc} -std=c11 -Wall -Wextra -I"$headers" "$here/abi_offsets.c" -o "$work/offsets"; then
    echo "the layout of $headers does not compile: a field or constant is gone, or a size changed" >&2
    result=1
    continue
  fi
  "$work/offsets" > "$work/now"
  if ! diff -u "$here/abi_v1.golden" "$work/now"; then
    echo "the layout of $headers differs from abi_v1.golden" >&2
    result=1
  fi
done
[ $result -ne 0 ] || echo "ABI unchanged: $(wc -l < "$work/now") lines"
exit $result
