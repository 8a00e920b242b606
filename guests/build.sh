#!/usr/bin/env bash
# Builds every guest: src/NAME.c -> bin/NAME.elf. The same compiler gives the same bytes.
#   build.sh           build all into bin/
#   build.sh --check   build into a temporary directory and compare with bin/; without the cross-compiler, says so and passes
# Needs Debian's gcc-powerpc-linux-gnu and binutils-powerpc-linux-gnu; running a guest needs neither.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C

cc=powerpc-linux-gnu-gcc
cflags=(-m32 -mbig -mcpu=cell -O2 -std=gnu11 -Wall -Wextra -Werror
        -ffreestanding -nostdlib -static -fno-pic -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables
        -mno-altivec -mno-vsx -G0 -fno-omit-frame-pointer -fno-optimize-sibling-calls -ffixed-r13 -ffixed-r2
        -ffunction-sections -fdata-sections -fno-tree-loop-distribute-patterns -Iinclude)
ldflags=(-Wl,-m,elf32ppc,-z,max-page-size=16,-z,noexecstack,--build-id=none,--gc-sections,--no-warn-rwx-segments,-T,runtime/guest.ld)

# One thunk per line of exports.tsv, each in a section of its own so that unused ones are dropped.
thunks() {
    awk -F'\t' '
        BEGIN { module[1] = "01"; module[2] = "02" }
        /^#/ || NF == 0 { next }
        NF != 3 || !($1 in module) { print "exports.tsv:" NR ": want module, ordinal, name" > "/dev/stderr"; exit 1 }
        {
            printf ".section .import.%s,\"ax\",@progbits\n.balign 16\n.globl %s\n.type %s,@function\n%s:\n", $3, $3, $3, $3
            printf "\t.long 0x44000042\n\tblr\n\t.long 0x%s%s%s\n\tnop\n.size %s,16\n", module[$1], substr("000000", 1, 6 - length($2)), $2, $3
        }
        END { print ".section .note.GNU-stack,\"\",@progbits" }
    ' exports.tsv
}

build_into() {
    local out=$1 work source name
    work=$(mktemp -d)
    thunks > "$work/thunks.s"
    "$cc" -c "$work/thunks.s" -o "$work/thunks.o"
    "$cc" "${cflags[@]}" -c runtime/memory.c -o "$work/memory.o"
    for source in src/*.c; do
        name=$(basename "$source" .c)
        "$cc" "${cflags[@]}" -c "$source" -o "$work/$name.o"
        "$cc" "${cflags[@]}" "${ldflags[@]}" "$work/$name.o" "$work/memory.o" "$work/thunks.o" -o "$out/$name.elf"
        chmod 644 "$out/$name.elf"
    done
    rm -r "$work"
}

case ${1-} in
    "") mkdir -p bin && build_into bin ;;
    --check)
        if ! command -v "$cc" > /dev/null; then
            echo "guests: $cc is not installed, bin/ is taken as it stands" >&2
            exit 0
        fi
        fresh=$(mktemp -d)
        trap 'rm -r "$fresh"' EXIT
        build_into "$fresh"
        diff -rq "$fresh" bin || { echo "guests: bin/ is not what $($cc --version | head -n 1) makes of src/: run guests/build.sh" >&2; exit 1; }
        echo "guests: $(ls bin | wc -l) ELFs match their sources" ;;
    *) echo "usage: build.sh [--check]" >&2; exit 2 ;;
esac
