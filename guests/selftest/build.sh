#!/usr/bin/env bash
# Builds the self-test as guests: bin/CPU-LEVEL.elf for powerpc and cell, -O0 to -O3 and -Os.
# The same compiler gives the same bytes (Debian 12, GCC 12.2.0).
#   build.sh           build all into bin/
#   build.sh --check   build aside and compare with bin/; without the cross-compiler, says so and passes
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C
source ./flags.sh

cc=powerpc-linux-gnu-gcc

build_into() {
    for cpu in "${cpus[@]}"; do
        for level in "${levels[@]}"; do
            "$cc" -m32 -mbig "-$level" "${cflags[@]}" $(cpu_flags "$cpu") \
                -fno-pic -no-pie -G0 -ffixed-r13 -ffixed-r2 -fno-omit-frame-pointer -fno-optimize-sibling-calls \
                ./*.c -lgcc -o "$1/$cpu-$level.elf" \
                -Wl,-m,elf32ppc,-Ttext-segment=0x82000000,-e,main,-z,max-page-size=16,-z,noexecstack,--build-id=none
            chmod 644 "$1/$cpu-$level.elf"
        done
    done
}

case ${1-} in
    "") mkdir -p bin && build_into bin ;;
    --check)
        if ! command -v "$cc" > /dev/null; then
            echo "selftest: $cc is not installed, bin/ is taken as it stands" >&2
            exit 0
        fi
        fresh=$(mktemp -d)
        trap 'rm -r "$fresh"' EXIT
        build_into "$fresh"
        diff -rq "$fresh" bin || { echo "selftest: bin/ is not what $($cc --version | head -n 1) makes: run build.sh" >&2; exit 1; }
        echo "selftest: $(ls bin | wc -l) ELFs match their sources" ;;
    *) echo "usage: build.sh [--check]" >&2; exit 2 ;;
esac
