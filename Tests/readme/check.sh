#!/usr/bin/env bash
# The programs of the README: each is the file it is named after in Examples/README, and runs as it is printed there.
# check.sh --compare only compares.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

blocks=$(mktemp -d "${TMPDIR:-/tmp}/cresset-readme-XXXXXX")
trap 'rm -rf "$blocks"' EXIT
scripts/readme-blocks README.md "$blocks"

failed=0
shown=()
for block in "$blocks"/*; do
  # The first line names the file, in a comment.
  file=$(sed -nE '1s,^(//|#) (Examples/README/[A-Za-z0-9_.]+)$,\2,p' "$block")
  [[ -n $file ]] || continue
  shown+=("$file")
  if ! diff -u --label "$file" --label README.md "$file" "$block"; then failed=1; fi
done
for file in Examples/README/*; do
  [[ " ${shown[*]} " == *" $file "* ]] || { printf '%s is not in the README\n' "$file" && failed=1; }
done
((failed == 0)) || exit 1
printf '%d programs of the README are those of Examples/README\n' "${#shown[@]}"
[[ ${1:-} == --compare ]] || scripts/test --stage readme
