# What the guests and the programs for the oracle have in common. Sourced by build.sh and oracle.sh.
cpus=(powerpc cell)
levels=(O0 O1 O2 O3 Os)
# No contraction: whether a product and a sum become one instruction must not depend on the level.
cflags=(-std=gnu11 -Wall -Wextra -Werror -ffreestanding -nostdlib -static -fno-stack-protector
        -fno-asynchronous-unwind-tables -mno-altivec -mno-vsx -ffp-contract=off -fno-tree-loop-distribute-patterns)

cpu_flags() {
    case $1 in
        powerpc) echo -mcpu=powerpc ;;
        cell) echo -mcpu=cell -DSELFTEST_CELL ;;
    esac
}
