/* The 64-bit forms. Operands and results go through memory, so that a build of 32-bit code does the same work. CR0 and
 * CA are left out: they are of 32 bits in one build and of 64 in the other. */

#include "selftest.h"

static const u64 values[] = {
    0, 1, 2, 63, 64, 65, 127, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x123456789ABCDEF0, 0x7FFFFFFFFFFFFFFF,
    0x8000000000000000, 0x8000000000000001, 0xDEADBEEFCAFEBABE, 0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF,
};

/* Runs `text` on r7 and r8, the result in r9. */
static u64 slots[3];

#define EXECUTE(text, a, b)                                                                                     \
    do {                                                                                                        \
        slots[0] = (a);                                                                                         \
        slots[1] = (b);                                                                                         \
        __asm__ volatile("ld 7,0(%0)\n\tld 8,8(%0)\n\t" text "\n\tstd 9,16(%0)"                                 \
                         : : "b"(slots) : "r7", "r8", "r9", "r10", ALL_CR, "xer", "memory");                    \
        mix64(slots[2]);                                                                                        \
    } while (0)

#define BINARY(text)                                                                                            \
    for (unsigned i = 0; i < COUNT(values); i++)                                                                \
        for (unsigned j = 0; j < COUNT(values); j++)                                                            \
            EXECUTE(text, values[i], values[j]);

#define UNARY(text)                                                                                             \
    for (unsigned i = 0; i < COUNT(values); i++)                                                                \
        EXECUTE(text, values[i], values[COUNT(values) - 1 - i]);

static void divide(void) {
    for (unsigned i = 0; i < COUNT(values); i++)
        for (unsigned j = 0; j < COUNT(values); j++) {
            u64 a = values[i], b = values[j];
            if (b != 0)
                EXECUTE("divdu 9,7,8", a, b);
            if (b != 0 && !(a == 1ull << 63 && b == ~0ull))
                EXECUTE("divd 9,7,8", a, b);
            EXECUTE("li 10,0\n\tmtxer 10\n\tdivdo 9,7,8\n\tmfxer 9\n\trlwinm 9,9,0,0,1", a, b);
            EXECUTE("li 10,0\n\tmtxer 10\n\tdivduo 9,7,8\n\tmfxer 9\n\trlwinm 9,9,0,0,1", a, b);
        }
}

void doubleword_arithmetic(void) {
    BINARY("add 9,7,8")
    BINARY("subf 9,7,8")
    BINARY("mulld 9,7,8")
    BINARY("mulhd 9,7,8")
    BINARY("mulhdu 9,7,8")
    BINARY("mullw 9,7,8")
    BINARY("li 10,0\n\tmtxer 10\n\tmulldo 9,7,8\n\tmfxer 9\n\trlwinm 9,9,0,0,1")
    BINARY("and 9,7,8")
    BINARY("orc 9,7,8")
    BINARY("eqv 9,7,8")
    BINARY("nand 9,7,8")
    BINARY("cmpd 7,8\n\tmfcr 9\n\trlwinm 9,9,4,28,30")
    BINARY("cmpld 5,7,8\n\tmfcr 9\n\trlwinm 9,9,24,28,30")
    BINARY("cmpw 6,7,8\n\tmfcr 9\n\trlwinm 9,9,28,28,30")
    BINARY("cmplw 7,8\n\tmfcr 9\n\trlwinm 9,9,4,28,30")
    UNARY("cmpdi 7,-2\n\tmfcr 9\n\trlwinm 9,9,4,28,30")
    UNARY("cmpldi 7,65\n\tmfcr 9\n\trlwinm 9,9,4,28,30")
    UNARY("neg 9,7")
    UNARY("addi 9,7,-1")
    UNARY("addis 9,7,-32768")
    UNARY("mulli 9,7,-7")
    UNARY("oris 9,7,0xffff")
    UNARY("xoris 9,7,0x8000")
    UNARY("andis. 9,7,0x8001")
    UNARY("extsb 9,7")
    UNARY("extsh 9,7")
    UNARY("extsw 9,7")
    UNARY("cntlzd 9,7")
    UNARY("cntlzw 9,7")
    UNARY("tdlgti 7,-1\n\ttdeqi 7,77\n\ttwllti 7,0\n\ttdlt 7,7\n\tmr 9,7")
    divide();
}

void doubleword_shifts(void) {
    BINARY("sld 9,7,8")
    BINARY("srd 9,7,8")
    BINARY("srad 9,7,8")
    BINARY("srad 9,7,8\n\tli 10,0\n\taddze 9,10")
    BINARY("slw 9,7,8")
    BINARY("srw 9,7,8")
    BINARY("sraw 9,7,8")
    BINARY("rldcl 9,7,8,0")
    BINARY("rldcl 9,7,8,37")
    BINARY("rldcr 9,7,8,63")
    BINARY("rldcr 9,7,8,21")
    BINARY("rlwnm 9,7,8,3,17")
    BINARY("rlwnm 9,7,8,20,9")
    BINARY("mr 9,8\n\trldimi 9,7,0,0")
    BINARY("mr 9,8\n\trldimi 9,7,32,16")
    BINARY("mr 9,8\n\trldimi 9,7,48,40")
    BINARY("mr 9,8\n\trlwimi 9,7,5,8,19")
    BINARY("mr 9,8\n\trlwimi 9,7,5,25,4")
    UNARY("sradi 9,7,1")
    UNARY("sradi 9,7,33")
    UNARY("sradi 9,7,63\n\tli 10,0\n\taddze 9,10")
    UNARY("srawi 9,7,4\n\taddze 9,9")
    UNARY("rldicl 9,7,0,32")
    UNARY("rldicl 9,7,17,45")
    UNARY("rldicl 9,7,63,1")
    UNARY("rldicr 9,7,33,30")
    UNARY("rldicr 9,7,5,63")
    UNARY("rldic 9,7,12,20")
    UNARY("rldic 9,7,40,50")
    UNARY("rlwinm 9,7,9,4,27")
    UNARY("rlwinm 9,7,9,27,4")
    UNARY("rlwinm 9,7,0,12,11")
}

void doubleword_memory(void) {
    static u64 area[24];
    for (unsigned i = 0; i < COUNT(area); i++)
        area[i] = 0x9E3779B97F4A7C15 * (i + 1);
    for (long offset = 0; offset < 16; offset++) {
        u8 *base = (u8 *)area + offset;
        slots[0] = offset * 4;
        __asm__ volatile("ld 7,0(%1)\n\tld 9,16(%0)\n\tstd 9,0(%2)\n\tldx 9,%0,%3\n\tstd 9,8(%2)\n\tlwa 9,20(%0)\n\tstd 9,16(%2)"
                         : : "b"(base), "b"(slots), "b"(slots), "r"(offset + 3) : "r7", "r9", "memory");
        mix64(slots[0]), mix64(slots[1]), mix64(slots[2]);
        __asm__ volatile("mr 10,%0\n\tldu 9,24(10)\n\tstd 9,0(%1)\n\tlwax 9,10,%2\n\tstd 9,8(%1)\n\tlwaux 9,10,%2\n\tstd 9,16(%1)"
                         "\n\tldux 9,10,%2\n\tstdu 9,-32(10)\n\tstdx 9,10,%2\n\tsubf 10,%0,10\n\tstd 10,8(%1)"
                         : : "b"(base), "b"(slots), "r"(offset) : "r9", "r10", "memory");
        mix64(slots[0]), mix64(slots[2]);
        mix(slots[1]);
    }
    for (unsigned i = 0; i < COUNT(area); i++)
        mix64(area[i]);
    u32 first, second;
    __asm__ volatile("ldarx 9,0,%2\n\taddi 9,9,-1\n\tstdcx. 9,0,%2\n\tmfcr %0\n\tstdcx. 9,0,%2\n\tmfcr %1"
                     : "=&r"(first), "=&r"(second) : "b"(area) : "r9", "cr0", "memory");
    mix(first >> 28), mix(second >> 28), mix64(area[0]);
}

static const u64 doubles[] = {
    0, 0x8000000000000000, 0x3FF0000000000000, 0xBFF8000000000000, 0x4004000000000000, 0xC004000000000000, 0x3FDFFFFFFFFFFFFF,
    0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0xC3E0000000000000, 0xC3E0000000000001, 0x4330000000000001, 0x4320000000000001,
    0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0x7FF0000000000001, 0xFFF0000000000001, 0x0000000000000001,
    0x7FEFFFFFFFFFFFFF, 0x41D0000000200000, 0x4008000000000000, 0x0010000000000000,
};

/* One execution with FPSCR as given; OX, ZX, VX and its causes are kept. */
#define FLOAT(insn, table, mode)                                                                                \
    for (unsigned i = 0; i < COUNT(table); i++) {                                                               \
        double d_, status_;                                                                                     \
        __asm__ volatile("mtfsf 255,%3\n\t" insn " %0,%2\n\tmffs %1\n\tmtfsf 255,%4"                            \
                         : "=&d"(d_), "=&d"(status_)                                                            \
                         : "d"(as_double(table[i])), "d"(as_double(mode)), "d"(as_double(0)));                  \
        mix64(as_bits(d_));                                                                                     \
        mix(as_bits(status_) & 0x35F80700);                                                                     \
    }

void doubleword_float(void) {
    FLOAT("fcfid", values, 0)
    FLOAT("fcfid", doubles, 0)
    FLOAT("fctid", doubles, 0)
    FLOAT("fctid", doubles, 1)
    FLOAT("fctid", doubles, 2)
    FLOAT("fctid", doubles, 3)
    FLOAT("fctidz", doubles, 0)
    FLOAT("fsqrt", doubles, 0)
    FLOAT("fsqrts", doubles, 0)
}
