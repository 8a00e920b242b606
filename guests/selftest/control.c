/* The condition register and branches. */

#include "selftest.h"

static const u32 patterns[] = { 0, 0xFFFFFFFF, 0x12345678, 0x89ABCDEF, 0xF0F0F0F0, 0x55555555, 0x80000001 };

/* One execution with all of CR as given; the hash takes all of CR. */
#define ON_CR(text)                                                                                             \
    for (unsigned i = 0; i < COUNT(patterns); i++) {                                                            \
        u32 cr_;                                                                                                \
        __asm__ volatile("mtcrf 255,%1\n\t" text "\n\tmfcr %0" : "=&r"(cr_) : "r"(patterns[i]) : ALL_CR);       \
        mix(cr_);                                                                                               \
    }

#define COMBINE(insn)                                                                                           \
    ON_CR(#insn " 0,1,2")                                                                                       \
    ON_CR(#insn " 31,0,30")                                                                                     \
    ON_CR(#insn " 14,7,7")                                                                                      \
    ON_CR(#insn " 9,9,22")

static void moves(void) {
    for (unsigned i = 0; i < COUNT(patterns); i++) {
        u32 cr, xer = patterns[i] & 0xE000007F, value = patterns[COUNT(patterns) - 1 - i], low;
        __asm__ volatile("mtcrf 255,%2\n\tmtcrf 0x5a,%3\n\tmfcr %0\n\tmtcrf 0x01,%2\n\tmtcrf 0x80,%2\n\tmfcr %1"
                         : "=&r"(cr), "=&r"(low) : "r"(patterns[i]), "r"(value) : ALL_CR);
        mix(cr);
        mix(low);
        __asm__ volatile("mtxer %1\n\tmfxer %0" : "=r"(cr) : "r"(xer) : "xer");
        mix(cr);
        __asm__ volatile("mtctr %1\n\tmfctr %0" : "=r"(cr) : "r"(patterns[i]) : "ctr");
        mix(cr);
#ifndef SELFTEST_CELL /* gone from the 64-bit oracle */
        __asm__ volatile("mtxer %2\n\tmtcrf 255,%2\n\tmcrxr 5\n\tmfcr %0\n\tmfxer %1"
                         : "=&r"(cr), "=&r"(low) : "r"(xer) : ALL_CR, "xer");
        mix(cr);
        mix(low);
#else
        __asm__ volatile("mtcrf 255,%2\n\tmtocrf 0x10,%3\n\tmfocrf %0,0x10\n\tmfcr %1"
                         : "=&r"(cr), "=&r"(low) : "r"(patterns[i]), "r"(value) : ALL_CR);
        mix(cr & 0x000F0000);
        mix(low);
#endif
    }
}

void condition_register(void) {
    COMBINE(crand)
    COMBINE(crandc)
    COMBINE(creqv)
    COMBINE(crnand)
    COMBINE(crnor)
    COMBINE(cror)
    COMBINE(crorc)
    COMBINE(crxor)
    ON_CR("mcrf 0,7")
    ON_CR("mcrf 3,0")
    ON_CR("mcrf 6,6")
    moves();
}

/* How often the branch goes back, from several counts and conditions; at most 40 times. */
#define LOOP(insn)                                                                                              \
    for (unsigned i = 0; i < COUNT(patterns); i++)                                                              \
        for (u32 count = 1; count < 6; count++) {                                                               \
            unsigned long rounds = 0, counter = count;                                                          \
            __asm__ volatile("mtcrf 255,%2\n\tmtctr %1\n1:\taddi %0,%0,1\n\tcmplwi 7,%0,40\n\tbge 7,2f\n\t"     \
                             insn "\n2:\tmfctr %1"                                                              \
                             : "+b"(rounds), "+r"(counter) : "r"(patterns[i]) : ALL_CR, "ctr", "lr");           \
            mix(rounds);                                                                                        \
            mix(counter);                                                                                       \
        }

/* A conditional jump through LR or CTR over one addition; what LR holds behind it, relative to the block. */
#define THROUGH(to, insn)                                                                                       \
    for (unsigned i = 0; i < COUNT(patterns); i++) {                                                            \
        unsigned long passed = 0, base, link;                                                                   \
        __asm__ volatile("mtcrf 255,%3\n\tbcl 20,31,1f\n1:\tmflr %1\n\taddi %2,%1,2f-1b\n\t" to " %2\n\t" insn  \
                         "\n\taddi %0,%0,1\n2:\taddi %0,%0,16\n\tmflr %2"                                       \
                         : "+b"(passed), "=&b"(base), "=&b"(link) : "r"(patterns[i]) : ALL_CR, "lr", "ctr");    \
        mix(passed);                                                                                            \
        mix(link - base);                                                                                       \
    }

/* With the count as well: jumps if it falls to a value and the condition holds. */
#define COUNTED(insn)                                                                                           \
    for (unsigned i = 0; i < COUNT(patterns); i++)                                                              \
        for (unsigned long count = 1; count < 3; count++) {                                                     \
            unsigned long passed = 0, base, counter = count;                                                    \
            __asm__ volatile("mtcrf 255,%3\n\tbcl 20,31,1f\n1:\tmflr %1\n\taddi %1,%1,2f-1b\n\tmtlr %1\n\t"     \
                             "mtctr %2\n\t" insn "\n\taddi %0,%0,1\n2:\taddi %0,%0,16\n\tmfctr %2"              \
                             : "+b"(passed), "=&b"(base), "+r"(counter)                                         \
                             : "r"(patterns[i]) : ALL_CR, "lr", "ctr");                                         \
            mix(passed);                                                                                        \
            mix(counter);                                                                                       \
        }

void branches(void) {
    LOOP("bdnz 1b")
    LOOP("bdz 1b")
    LOOP("bdnzt 2,1b")
    LOOP("bdnzf 9,1b")
    LOOP("bdzt 0,1b")
    LOOP("bdzf 21,1b")
    LOOP("beq 1b")
    LOOP("bns 5,1b")
    LOOP("bdnzl 1b")
    LOOP("bdnztl 17,1b")
    THROUGH("mtlr", "blr")
    THROUGH("mtlr", "beqlr")
    THROUGH("mtlr", "bnelr 3")
    THROUGH("mtlr", "bltlrl 1")
    THROUGH("mtctr", "bctr")
    THROUGH("mtctr", "bgtctr 4")
    THROUGH("mtctr", "bsoctrl 6")
    THROUGH("mtctr", "bctrl")
    COUNTED("bdnzlr")
    COUNTED("bdzlr")
    COUNTED("bdnztlr 2")
    COUNTED("bdzflr 13")
}
