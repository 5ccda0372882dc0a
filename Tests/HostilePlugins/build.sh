#!/bin/sh
# Builds every plugin of this folder into OUTDIR: build.sh OUTDIR. What the loader should make of each: README.md.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
mkdir -p "$1"
out=$(cd "$1" && pwd)

# build NAME SOURCE [FLAGS...]: the library is named as backends are, so that a search of OUTDIR finds it
build() {
  plugin=$1 source=$2 # not "name", which is the caller's: a shell function has no variables of its own
  shift 2
  ${CC:-cc} -std=c11 -O1 -Wall -Wextra -pedantic -shared -fPIC "$@" -I"$root/Sources/CBackend/include" \
    -o "$out/libcresset_backend_$plugin.so" "$source" -lm
}

for source in "$here"/*.c; do
  name=$(basename "$source" .c)
  case $name in # how many variants
    bad_name) last=6 ;;
    null_table_slots) last=3 ;;
    device_count_lies|kernel_count_lies|devices_fail) last=2 ;;
    *) build "$name" "$source"; continue ;;
  esac
  variant=0
  while [ $variant -le $last ]; do
    build "${name}_$variant" "$source" -DVARIANT=$variant
    variant=$((variant + 1))
  done
done
naive=$root/Examples/CustomBackend/naive_backend.c
build second_good "$naive" '-DBACKEND_NAME="second"'
build naive_again "$naive" # the device type "naive" once more, from another file
cp "$here/not_a_library.so.txt" "$out/libcresset_backend_not_a_library.so"
: > "$out/libcresset_backend_empty.so"
# In a folder of its own: dlopen itself dies of SIGBUS on it, so only a loader that looks first survives.
mkdir -p "$out/truncated"
head -c 4096 "$out/libcresset_backend_second_good.so" > "$out/truncated/libcresset_backend_truncated.so"
