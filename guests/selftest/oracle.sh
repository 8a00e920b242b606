#!/usr/bin/env bash
# Asks QEMU what the self-test must print, and writes expected/CPU.txt. Needs Debian's qemu-user and the cross-compilers
# for powerpc and powerpc64; the tests need none of them.
#
# powerpc: 32-bit code on a 7457. cell: 64-bit code on a 970, since a 7457 has no 64-bit instructions; the hashes do not
# depend on the word size.
#   oracle.sh          write expected/
#   oracle.sh --check  compare with expected/; without QEMU or a compiler, says so and passes
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C
source ./flags.sh

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
for tool in powerpc-linux-gnu-gcc powerpc64-linux-gnu-gcc qemu-ppc qemu-ppc64; do
    if ! command -v "$tool" > /dev/null; then
        echo "selftest: $tool is not installed, expected/ is taken as it stands" >&2
        [ "${1-}" = --check ] && exit 0
        exit 1
    fi
done

# ask CPU LEVEL: builds the program and prints what it prints.
ask() {
    local program="$work/$1-$2"
    case $1 in
        powerpc)
            powerpc-linux-gnu-gcc -m32 -DLINUX "-$2" "${cflags[@]}" $(cpu_flags "$1") ./*.c -lgcc -o "$program"
            qemu-ppc -cpu 7457 "$program" ;;
        cell)
            powerpc64-linux-gnu-gcc -m64 -DLINUX "-$2" "${cflags[@]}" $(cpu_flags "$1") ./*.c -lgcc -o "$program"
            qemu-ppc64 -cpu 970 "$program" ;;
    esac
}

mkdir -p "$work/expected" expected
for cpu in "${cpus[@]}"; do
    for level in "${levels[@]}"; do
        ask "$cpu" "$level" > "$work/$cpu-$level.txt"
        # The level must not matter; if it does, a source has undefined behaviour.
        [ -e "$work/expected/$cpu.txt" ] || cp "$work/$cpu-$level.txt" "$work/expected/$cpu.txt"
        diff -u "$work/expected/$cpu.txt" "$work/$cpu-$level.txt"
    done
done
case ${1-} in
    "") cp "$work"/expected/*.txt expected/ ;;
    --check) diff -ru "$work/expected" expected && echo "selftest: the oracle agrees with expected/" ;;
    *) echo "usage: oracle.sh [--check]" >&2; exit 2 ;;
esac
