/* Scalar floating point: results to the bit, NaNs included, and the exceptions of invalid operations, division by zero
 * and overflow. Where a hash leaves bits of FPSCR out, the interpreter does not keep them: inexact, underflow and what
 * depends on them. */

#include "selftest.h"

static const u64 doubles[] = {
    0x0000000000000000, 0x8000000000000000, /* 0 */
    0x3FF0000000000000, 0xBFF0000000000000, /* 1 */
    0x3FF0000000000001, 0x4008000000000000, 0xC01D666666666666,
    0x3FD5555555555555, 0x0010000000000000, 0x8010000000000000, /* least normal */
    0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x000AAAAAAAAAAAAA, /* denormal */
    0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, /* greatest */
    0x7FF0000000000000, 0xFFF0000000000000, /* infinity */
    0x7FF8000000000000, 0xFFF8000012345678, /* quiet NaN */
    0x7FF0000000000001, 0xFFF7FFFFFFFFFFFF, /* signalling NaN */
    0x41DFFFFFFFC00000, 0xC1E0000000000000, 0x43E0000000000000, 0x4330000000000001,
};

static const u32 singles[] = {
    0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x3F800001, 0x40490FDB, 0x3EAAAAAB, 0xC0E9999A,
    0x00800000, 0x80800000, 0x00000001, 0x807FFFFF, 0x00555555, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000,
    0xFF800000, 0x7FC00000, 0xFFC12345, 0x7F800001, 0xFFBFFFFF, 0x4B800001, 0x33FFFFFF, 0x1F8007E1,
};

/* OX, ZX, VX and its causes; the class of the result for doubles. */
#define EXCEPTIONS 0x35F80700
#define CLASS 0x0001F000

static inline double single(u32 bits) {
    double d;
    __asm__ volatile("lfs%U1%X1 %0,%1" : "=d"(d) : "m"(bits));
    return d;
}

#define VXSNAN 0x01000000
#define VXIMZ 0x00100000

/* When infinity times zero is added to a signalling NaN, both exceptions happen (Power ISA, Book I, 4.4). QEMU 7.2 raises
 * the first only, so the second does not count there. */
static inline u32 exceptions(double status, u32 mask) {
    u32 bits = as_bits(status);
    return bits & mask & ~(bits & VXIMZ ? VXSNAN : 0);
}

/* One execution on a clean FPSCR. */
#define EXECUTE(text, mask, ...)                                                                                \
    do {                                                                                                        \
        double d_, status_;                                                                                     \
        __asm__ volatile("mtfsf 255,%[clean]\n\t" text "\n\tmffs %[status]"                                     \
                         : [d] "=&d"(d_), [status] "=&d"(status_) : [clean] "d"(as_double(0)), ##__VA_ARGS__);  \
        mix64(as_bits(d_));                                                                                     \
        mix(exceptions(status_, mask));                                                                         \
    } while (0)

#define UNARY(insn, table, value, mask)                                                                         \
    for (unsigned i = 0; i < COUNT(table); i++)                                                                 \
        EXECUTE(insn " %[d],%[b]", mask, [b] "d"(value(table[i])));

#define BINARY(insn, table, value, mask)                                                                        \
    for (unsigned i = 0; i < COUNT(table); i++)                                                                 \
        for (unsigned j = 0; j < COUNT(table); j++)                                                             \
            EXECUTE(insn " %[d],%[a],%[b]", mask, [a] "d"(value(table[i])), [b] "d"(value(table[j])));

#define TERNARY(insn, table, value, mask)                                                                       \
    for (unsigned i = 0; i < COUNT(table); i++)                                                                 \
        for (unsigned j = 0; j < COUNT(table); j++)                                                             \
            for (unsigned k = 0; k < COUNT(table); k++)                                                         \
                EXECUTE(insn " %[d],%[a],%[c],%[b]", mask, [a] "d"(value(table[i])),                            \
                        [b] "d"(value(table[j])), [c] "d"(value(table[k])));

void float_arithmetic(void) {
    BINARY("fadd", doubles, as_double, EXCEPTIONS | CLASS)
    BINARY("fsub", doubles, as_double, EXCEPTIONS | CLASS)
    BINARY("fmul", doubles, as_double, EXCEPTIONS | CLASS)
    BINARY("fdiv", doubles, as_double, EXCEPTIONS | CLASS)
    TERNARY("fmadd", doubles, as_double, EXCEPTIONS | CLASS)
    TERNARY("fmsub", doubles, as_double, EXCEPTIONS | CLASS)
    TERNARY("fnmadd", doubles, as_double, EXCEPTIONS | CLASS)
    TERNARY("fnmsub", doubles, as_double, EXCEPTIONS | CLASS)
    TERNARY("fsel", doubles, as_double, EXCEPTIONS)
    UNARY("fmr", doubles, as_double, EXCEPTIONS)
    UNARY("fneg", doubles, as_double, EXCEPTIONS)
    UNARY("fabs", doubles, as_double, EXCEPTIONS)
    UNARY("fnabs", doubles, as_double, EXCEPTIONS)
}

/* Operands that stand close to a tie of the single format, where rounding twice goes wrong. */
static u32 state;

static u32 random_single(void) {
    state = state * 1664525 + 1013904223;
    u32 exponent = 110 + (state >> 8) % 34;
    return (state & 0x80000000) | exponent << 23 | ((state >> 3 & 7) == 0 ? 0 : (state * 2654435761u >> 9));
}

#define RANDOM(insn)                                                                                            \
    for (unsigned i = 0; i < 3000; i++) {                                                                       \
        u32 a_ = random_single(), b_ = random_single(), c_ = random_single();                                   \
        EXECUTE(insn " %[d],%[a],%[c],%[b]", EXCEPTIONS, [a] "d"(single(a_)), [b] "d"(single(b_)), [c] "d"(single(c_))); \
    }

void float_single(void) {
    BINARY("fadds", singles, single, EXCEPTIONS)
    BINARY("fsubs", singles, single, EXCEPTIONS)
    BINARY("fmuls", singles, single, EXCEPTIONS)
    BINARY("fdivs", singles, single, EXCEPTIONS)
    TERNARY("fmadds", singles, single, EXCEPTIONS)
    TERNARY("fmsubs", singles, single, EXCEPTIONS)
    TERNARY("fnmadds", singles, single, EXCEPTIONS)
    TERNARY("fnmsubs", singles, single, EXCEPTIONS)
    state = 1;
    RANDOM("fmadds")
    RANDOM("fmsubs")
    RANDOM("fnmadds")
    RANDOM("fnmsubs")
    UNARY("frsp", doubles, as_double, EXCEPTIONS)
    UNARY("frsp", singles, single, EXCEPTIONS)
    for (unsigned i = 0; i < COUNT(singles); i++)
        mix64(as_bits(single(singles[i])));
    /* stfs takes bits out; beyond the range of a denormal single the result is undefined. */
    for (unsigned i = 0; i < COUNT(singles); i++)
        for (unsigned shift = 0; shift < 24; shift++) {
            u64 bits = as_bits(single(singles[i]));
            u32 exponent = bits >> 52 & 0x7FF, stored;
            if (exponent < 0x7FF && exponent > shift + 874)
                bits -= (u64)shift << 52;
            __asm__ volatile("stfs%U0%X0 %1,%0" : "=m"(stored) : "d"(as_double(bits)));
            mix(stored);
        }
}

#define TO_WORD(insn)                                                                                           \
    for (unsigned i = 0; i < COUNT(inputs); i++)                                                                \
        for (u32 mode = 0; mode < 4; mode++) {                                                                  \
            double status_;                                                                                     \
            u32 word_;                                                                                          \
            __asm__ volatile("mtfsf 255,%3\n\t" insn " 0,%2\n\tmffs %0\n\tmtfsf 255,%5\n\tstfiwx 0,0,%4"        \
                             : "=&d"(status_), "=m"(word_)                                                      \
                             : "d"(as_double(inputs[i])), "d"(as_double(mode)), "r"(&word_), "d"(as_double(0))  \
                             : "fr0");                                                                          \
            mix(word_);                                                                                         \
            mix(as_bits(status_) & EXCEPTIONS);                                                                 \
        }

void float_conversions(void) {
    static u64 inputs[COUNT(doubles) + 16];
    static const u64 fractions[16] = {
        0x3FE0000000000000, 0xBFE0000000000000, 0x3FF8000000000000, 0x4004000000000000, 0xC004000000000000,
        0x3FDFFFFFFFFFFFFF, 0x41DFFFFFFFE00000, 0x41DFFFFFFFDFFFFF, 0xC1E0000000100000, 0xC1E00000000FFFFF,
        0xC1E0000000200000, 0x41E0000000000000, 0x40C38800C9539B89, 0xC0C38800C9539B89, 0x41EFFFFFFFE00000, 0x3FB999999999999A,
    };
    for (unsigned i = 0; i < COUNT(inputs); i++)
        inputs[i] = i < COUNT(doubles) ? doubles[i] : fractions[i - COUNT(doubles)];
    TO_WORD("fctiw")
    TO_WORD("fctiwz")
}

#define COMPARE(insn, table, value)                                                                             \
    for (unsigned i = 0; i < COUNT(table); i++)                                                                 \
        for (unsigned j = 0; j < COUNT(table); j++) {                                                           \
            u32 cr_;                                                                                            \
            double status_;                                                                                     \
            __asm__ volatile("mtfsf 255,%4\n\tmtcrf 255,%5\n\t" insn " 0,%2,%3\n\t" insn " 6,%3,%2\n\tmfcr %0"  \
                             "\n\tmffs %1"                                                                      \
                             : "=&r"(cr_), "=&d"(status_)                                                       \
                             : "d"(value(table[i])), "d"(value(table[j])), "d"(as_double(0)), "r"(0) : ALL_CR); \
            mix(cr_);                                                                                           \
            mix(as_bits(status_) & (EXCEPTIONS | 0xF000));                                                      \
        }

#define STATUS(text, mask)                                                                                      \
    for (unsigned i = 0; i < COUNT(patterns); i++) {                                                            \
        double status_;                                                                                         \
        u32 cr_;                                                                                                \
        __asm__ volatile("mtfsf 255,%2\n\tmtcrf 255,%3\n\t" text "\n\tmffs %0\n\tmfcr %1\n\tmtfsf 255,%4"       \
                         : "=&d"(status_), "=&r"(cr_)                                                           \
                         : "d"(as_double(patterns[i])), "r"(0), "d"(as_double(0)) : ALL_CR);                    \
        mix(as_bits(status_) & (mask));                                                                         \
        mix(cr_);                                                                                               \
    }

#define ALL 0xFFFFFFFF
/* mtfsb1 sets FX with an exception, as all but mtfsf and mtfsfi do (Power ISA, Book I, 4.2.2). QEMU 7.2 does not. */
#define BUT_FX 0x7FFFFFFF

void float_status(void) {
    /* No exception is enabled: the 32-bit oracle would trap. */
    static const u64 patterns[] = { 0, 0xFFFFF700, 0x9F80F003, 0x00087002, 0x12345601, 0x04000500 };
    COMPARE("fcmpu", doubles, as_double)
    COMPARE("fcmpo", doubles, as_double)
    STATUS("nop", ALL)
    STATUS("mtfsfi 7,3", ALL)
    STATUS("mtfsfi 0,9", ALL)
    STATUS("mtfsfi 5,7", ALL)
    STATUS("mtfsb0 24-1", ALL)
    STATUS("mtfsb1 31", ALL)
    STATUS("mtfsb1 30", ALL)
    STATUS("mtfsb0 7", ALL)
    STATUS("mtfsb1 7", BUT_FX)
    STATUS("mtfsb1 10", BUT_FX)
    STATUS("mtfsb1 22", BUT_FX)
    STATUS("mtfsb1 3", BUT_FX)
    STATUS("mtfsb0 0", ALL)
    STATUS("mtfsf 0x21,%2", ALL)
    STATUS("mtfsf 0x80,%2", ALL)
    STATUS("mcrfs 0,0", ALL)
    STATUS("mcrfs 5,1", ALL)
    STATUS("mcrfs 2,2", ALL)
    STATUS("mcrfs 7,5", ALL)
    STATUS("mcrfs 7,3", ALL)
    STATUS("fmr. %0,%2", ALL)
}
