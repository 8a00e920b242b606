/* Word arithmetic, logic and rotates, with carry, overflow and cr0. Built for the 32-bit oracle only. */

#include "selftest.h"

static const u32 words[] = {
    0, 1, 2, 3, 31, 32, 33, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x12345678, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xDEADBEEF,
    0xFFFF8000, 0xFFFFFFFE, 0xFFFFFFFF,
};

static void note(u32 result, u32 xer, u32 cr) {
    mix(result);
    mix(xer & 0xE0000000);
    mix(cr >> 28);
}

/* One execution with XER as given; cr0 is cleared before, so that forms that leave it alone show that. */
#define EXECUTE(text, xer_before, ...)                                                                          \
    do {                                                                                                        \
        u32 d_, xer_ = (xer_before), cr_;                                                                       \
        __asm__ volatile("mtcrf 0x80,%[zero]\n\tmtxer %[xer]\n\t" text "\n\tmfxer %[xer]\n\tmfcr %[cr]"         \
                         : [d] "=&r"(d_), [xer] "+&r"(xer_), [cr] "=&r"(cr_)                                    \
                         : [zero] "r"(0), ##__VA_ARGS__                                                         \
                         : "cr0", "xer");                                                                       \
        note(d_, xer_, cr_);                                                                                    \
    } while (0)

#define BINARY(insn)                                                                                            \
    static void insn(void) {                                                                                    \
        for (unsigned i = 0; i < COUNT(words); i++)                                                             \
            for (unsigned j = 0; j < COUNT(words); j++) {                                                       \
                u32 xer = (i + j) % 2 ? 0x20000000 : j % 3 ? 0x80000000 : 0x40000000;                           \
                EXECUTE(#insn " %[d],%[a],%[b]", xer, [a] "r"(words[i]), [b] "r"(words[j]));                    \
                EXECUTE(#insn ". %[d],%[a],%[b]", xer, [a] "r"(words[i]), [b] "r"(words[j]));                   \
            }                                                                                                   \
    }

#define BINARY_O(insn)                                                                                          \
    BINARY(insn)                                                                                                \
    static void insn##_o(void) {                                                                                \
        for (unsigned i = 0; i < COUNT(words); i++)                                                             \
            for (unsigned j = 0; j < COUNT(words); j++) {                                                       \
                u32 xer = (i + j) % 2 ? 0x20000000 : 0;                                                         \
                EXECUTE(#insn "o %[d],%[a],%[b]", xer, [a] "r"(words[i]), [b] "r"(words[j]));                   \
                EXECUTE(#insn "o. %[d],%[a],%[b]", xer, [a] "r"(words[i]), [b] "r"(words[j]));                  \
            }                                                                                                   \
    }

#define UNARY(insn)                                                                                             \
    static void insn(void) {                                                                                    \
        for (unsigned i = 0; i < COUNT(words); i++)                                                             \
            for (u32 xer = 0; xer < 2; xer++) {                                                                 \
                EXECUTE(#insn " %[d],%[a]", xer << 29, [a] "r"(words[i]));                                      \
                EXECUTE(#insn ". %[d],%[a]", xer << 29 | xer << 31, [a] "r"(words[i]));                         \
            }                                                                                                   \
    }

#define UNARY_O(insn)                                                                                           \
    UNARY(insn)                                                                                                 \
    static void insn##_o(void) {                                                                                \
        for (unsigned i = 0; i < COUNT(words); i++)                                                             \
            for (u32 xer = 0; xer < 2; xer++) {                                                                 \
                EXECUTE(#insn "o %[d],%[a]", xer << 29, [a] "r"(words[i]));                                     \
                EXECUTE(#insn "o. %[d],%[a]", xer << 29, [a] "r"(words[i]));                                    \
            }                                                                                                   \
    }

BINARY_O(add) BINARY_O(addc) BINARY_O(adde) BINARY_O(subf) BINARY_O(subfc) BINARY_O(subfe) BINARY_O(mullw)
BINARY(mulhw) BINARY(mulhwu)
UNARY_O(addme) UNARY_O(addze) UNARY_O(subfme) UNARY_O(subfze) UNARY_O(neg)

BINARY(and) BINARY(andc) BINARY(or) BINARY(orc) BINARY(xor) BINARY(eqv) BINARY(nand) BINARY(nor)
BINARY(slw) BINARY(srw) BINARY(sraw)
UNARY(extsb) UNARY(extsh) UNARY(cntlzw)

/* A quotient that does not exist is left undefined: of such a division only the overflow counts. */
static void divide(void) {
    for (unsigned i = 0; i < COUNT(words); i++)
        for (unsigned j = 0; j < COUNT(words); j++) {
            u32 a = words[i], b = words[j], d, xer = 0, xer2 = 0x80000000;
            int exists = b != 0 && !(a == 0x80000000 && b == 0xFFFFFFFF);
            if (exists) {
                EXECUTE("divw %[d],%[a],%[b]", 0, [a] "r"(a), [b] "r"(b));
                EXECUTE("divw. %[d],%[a],%[b]", 0, [a] "r"(a), [b] "r"(b));
                EXECUTE("divwo. %[d],%[a],%[b]", 0, [a] "r"(a), [b] "r"(b));
            }
            if (b != 0) {
                EXECUTE("divwu %[d],%[a],%[b]", 0, [a] "r"(a), [b] "r"(b));
                EXECUTE("divwuo. %[d],%[a],%[b]", 0, [a] "r"(a), [b] "r"(b));
            }
            __asm__ volatile("mtxer %1\n\tdivwo %0,%3,%4\n\tmfxer %1\n\tmtxer %2\n\tdivwuo %0,%3,%4\n\tmfxer %2"
                             : "=&r"(d), "+&r"(xer), "+&r"(xer2) : "r"(a), "r"(b) : "xer");
            mix(xer);
            mix(xer2);
        }
}

#define IMMEDIATE(text)                                                                                         \
    for (unsigned i = 0; i < COUNT(words); i++)                                                                 \
        EXECUTE(text, i % 2 ? 0x20000000 : 0, [a] "b"(words[i]))

static void immediates(void) {
    IMMEDIATE("addi %[d],%[a],1");
    IMMEDIATE("addi %[d],%[a],-32768");
    IMMEDIATE("addis %[d],%[a],0x7fff");
    IMMEDIATE("addis %[d],%[a],-1");
    IMMEDIATE("li %[d],-5");
    IMMEDIATE("addic %[d],%[a],1");
    IMMEDIATE("addic %[d],%[a],-1");
    IMMEDIATE("addic. %[d],%[a],-1");
    IMMEDIATE("addic. %[d],%[a],32767");
    IMMEDIATE("subfic %[d],%[a],0");
    IMMEDIATE("subfic %[d],%[a],-1");
    IMMEDIATE("subfic %[d],%[a],100");
    IMMEDIATE("mulli %[d],%[a],-3");
    IMMEDIATE("mulli %[d],%[a],32767");
    IMMEDIATE("ori %[d],%[a],0x8001");
    IMMEDIATE("oris %[d],%[a],0x8001");
    IMMEDIATE("xori %[d],%[a],0xffff");
    IMMEDIATE("xoris %[d],%[a],0xffff");
    IMMEDIATE("andi. %[d],%[a],0x8001");
    IMMEDIATE("andis. %[d],%[a],0x8001");
}

#define COMPARE(text)                                                                                           \
    for (unsigned i = 0; i < COUNT(words); i++)                                                                 \
        for (unsigned j = 0; j < COUNT(words); j++) {                                                           \
            u32 cr_, xer_ = (i ^ j) % 2 ? 0x80000000 : 0;                                                       \
            __asm__ volatile("mtxer %[xer]\n\tmtcrf 255,%[xer]\n\t" text "\n\tmfcr %[cr]"                       \
                             : [cr] "=&r"(cr_)                                                                  \
                             : [a] "r"(words[i]), [b] "r"(words[j]), [xer] "r"(xer_)                            \
                             : ALL_CR, "xer");                                                                  \
            mix(cr_);                                                                                           \
        }

static void compares(void) {
    COMPARE("cmpw %[a],%[b]")
    COMPARE("cmpw 7,%[a],%[b]")
    COMPARE("cmplw 3,%[a],%[b]")
    COMPARE("cmpwi 1,%[a],-1")
    COMPARE("cmpwi 6,%[a],32767")
    COMPARE("cmplwi 5,%[a],0xffff")
    COMPARE("cmplwi %[b],0")
}

void arithmetic(void) {
    add(), add_o(), addc(), addc_o(), adde(), adde_o(), subf(), subf_o(), subfc(), subfc_o(), subfe(), subfe_o();
    mullw(), mullw_o(), mulhw(), mulhwu();
    addme(), addme_o(), addze(), addze_o(), subfme(), subfme_o(), subfze(), subfze_o(), neg(), neg_o();
    divide();
    immediates();
    compares();
}

void logic(void) {
    and(), andc(), or(), orc(), xor(), eqv(), nand(), nor(), slw(), srw(), sraw(), extsb(), extsh(), cntlzw();
    IMMEDIATE("srawi %[d],%[a],0");
    IMMEDIATE("srawi %[d],%[a],1");
    IMMEDIATE("srawi. %[d],%[a],15");
    IMMEDIATE("srawi. %[d],%[a],31");
}

#define ROTATE(sh, mb, me)                                                                                      \
    for (unsigned i = 0; i < COUNT(words); i++) {                                                               \
        u32 kept_ = 0xA5C3F00F, cr_, by_ = words[i] ^ sh;                                                       \
        EXECUTE("rlwinm %[d],%[a]," #sh "," #mb "," #me, 0, [a] "r"(words[i]));                                 \
        EXECUTE("rlwinm. %[d],%[a]," #sh "," #mb "," #me, 0x80000000, [a] "r"(words[i]));                       \
        EXECUTE("rlwnm %[d],%[a],%[b]," #mb "," #me, 0, [a] "r"(words[i]), [b] "r"(by_));                       \
        EXECUTE("rlwnm. %[d],%[a],%[b]," #mb "," #me, 0, [a] "r"(words[i]), [b] "r"(by_));                      \
        __asm__ volatile("rlwimi. %0,%2," #sh "," #mb "," #me "\n\tmfcr %1"                                     \
                         : "+&r"(kept_), "=r"(cr_) : "r"(words[i]) : "cr0");                                    \
        mix(kept_);                                                                                             \
        mix(cr_ >> 29);                                                                                         \
    }

void rotates(void) {
    ROTATE(0, 0, 31)
    ROTATE(1, 0, 30)
    ROTATE(31, 1, 31)
    ROTATE(8, 8, 15)
    ROTATE(5, 31, 31)
    ROTATE(13, 0, 0)
    ROTATE(17, 20, 9)
    ROTATE(16, 31, 0)
    ROTATE(29, 12, 11)
}
