/* Loads and stores of every width, with update, byte-reversed, multiple, string, and with reservation. */

#include "selftest.h"

static u8 source[160] __attribute__((aligned(128)));
static u8 target[320] __attribute__((aligned(128)));

static void fill(void) {
    for (unsigned i = 0; i < COUNT(source); i++)
        source[i] = i * 73 + 129;
    for (unsigned i = 0; i < COUNT(target); i++)
        target[i] = 0xEE;
}

static void mix_target(void) {
    for (unsigned i = 0; i < COUNT(target); i++)
        mix(target[i]);
}

/* A load from base + 64 + 0 to 7: what it gives, and how far it moved the base. */
#define LOAD(displaced, with_update, indexed, indexed_update)                                                   \
    for (long offset = 0; offset < 8; offset++) {                                                               \
        unsigned long d_, base_ = (unsigned long)source + offset;                                               \
        __asm__ volatile(displaced " %0,64(%1)" : "=r"(d_) : "b"(base_) : "memory");                            \
        mix(d_);                                                                                                \
        __asm__ volatile(with_update " %0,-3(%1)" : "=&r"(d_), "+b"(base_) : : "memory");                       \
        mix(d_);                                                                                                \
        mix(base_ - (unsigned long)source);                                                                     \
        __asm__ volatile(indexed " %0,%1,%2" : "=r"(d_) : "b"(base_), "r"(offset * 5 + 3) : "memory");          \
        mix(d_);                                                                                                \
        __asm__ volatile(indexed_update " %0,%1,%2"                                                             \
                         : "=&r"(d_), "+b"(base_) : "r"(offset * 7 + 3) : "memory");                            \
        mix(d_);                                                                                                \
        mix(base_ - (unsigned long)source);                                                                     \
    }

#define STORE(displaced, with_update, indexed, indexed_update)                                                  \
    for (long offset = 0; offset < 8; offset++) {                                                               \
        unsigned long value_ = 0x81C3A5F7, base_ = (unsigned long)target + 17 * offset;                         \
        __asm__ volatile(displaced " %0,64(%1)" : : "r"(value_), "b"(base_) : "memory");                        \
        __asm__ volatile(with_update " %1,3(%0)" : "+b"(base_) : "r"(value_ * 3) : "memory");                   \
        mix(base_ - (unsigned long)target);                                                                     \
        __asm__ volatile(indexed " %0,%1,%2" : : "r"(value_ * 5), "b"(base_), "r"(offset + 30) : "memory");     \
        __asm__ volatile(indexed_update " %1,%0,%2" : "+b"(base_) : "r"(value_ * 7), "r"(offset * 3) : "memory"); \
        mix(base_ - (unsigned long)target);                                                                     \
    }

void loads_and_stores(void) {
    fill();
    source[1] = 0x80; /* a halfword and a word of either sign */
    LOAD("lbz", "lbzu", "lbzx", "lbzux")
    LOAD("lhz", "lhzu", "lhzx", "lhzux")
    LOAD("lha", "lhau", "lhax", "lhaux")
    LOAD("lwz", "lwzu", "lwzx", "lwzux")
    STORE("stb", "stbu", "stbx", "stbux")
    STORE("sth", "sthu", "sthx", "sthux")
    STORE("stw", "stwu", "stwx", "stwux")
    mix_target();
    for (long offset = 0; offset < 8; offset++) {
        unsigned long d;
        __asm__ volatile("lhbrx %0,%1,%2" : "=r"(d) : "b"(source), "r"(offset) : "memory");
        mix(d);
        __asm__ volatile("lwbrx %0,%1,%2" : "=r"(d) : "b"(source), "r"(offset) : "memory");
        mix(d);
        __asm__ volatile("sthbrx %0,%1,%2" : : "r"(d), "b"(target), "r"(offset * 9) : "memory");
        __asm__ volatile("stwbrx %0,%1,%2" : : "r"(d), "b"(target), "r"(offset * 9 + 100) : "memory");
    }
    mix_target();
#ifndef SELFTEST_CELL /* a block is larger on the 64-bit oracle */
    __asm__ volatile("dcbz %0,%1" : : "b"(target), "r"(70) : "memory");
    mix_target();
#endif
    __asm__ volatile("dcbt 0,%0\n\tdcbtst 0,%0\n\tdcbst 0,%0\n\tdcbf 0,%0\n\tsync\n\tlwsync\n\teieio\n\tisync" : : "r"(target) : "memory");
    mix_target();
}

/* All of a register must be kept, and stmw stores words. */
#ifdef __powerpc64__
#define EACH(insn) insn " 24,0(9)\n\t" insn " 25,8(9)\n\t" insn " 26,16(9)\n\t" insn " 27,24(9)\n\t" insn      \
                   " 28,32(9)\n\t" insn " 29,40(9)\n\t" insn " 30,48(9)\n\t" insn " 31,56(9)"
#define KEEP EACH("std")
#define RESTORE EACH("ld")
#else
#define KEEP "stmw 24,0(9)"
#define RESTORE "lmw 24,0(9)"
#endif

/* Registers 24 to 31 are the compiler's, so they are kept in `kept` and the string goes on from them to `out`. */
#define STRING(load, store, length)                                                                             \
    for (long offset = 0; offset < 5; offset++) {                                                               \
        static u64 kept_[8];                                                                                     \
        static u32 out_[8];                                                                           \
        register u64 *k_ __asm__("r9") = kept_;                                                                 \
        register u32 *o_ __asm__("r10") = out_;                                                                 \
        register u8 *s_ __asm__("r11") = source + offset;                                                       \
        register u8 *t_ __asm__("r12") = target + 37 * offset;                                                  \
        register long l_ __asm__("r8") = length;                                                                \
        __asm__ volatile("mtxer 8\n\tli 7,0\n\t" KEEP "\n\t" load "\n\tstmw 24,0(10)\n\t" store "\n\t" RESTORE  \
                                                                                             \
                         : "+r"(k_), "+r"(o_), "+r"(s_), "+r"(t_), "+r"(l_) : : "memory", "r7", "xer");         \
        unsigned used_ = ((length) + 3) / 4;                                                                    \
        for (unsigned i = 0; i < used_; i++)                                                                    \
            mix(out_[i]);                                                                                       \
    }

void strings(void) {
    fill();
    STRING("lswi 24,11,1", "stswi 24,12,1", 1)
    STRING("lswi 24,11,7", "stswi 24,12,7", 7)
    STRING("lswi 24,11,32", "stswi 24,12,31", 32)
    STRING("lswi 25,11,12\n\tmr 24,25", "stswi 25,12,9", 16)
    STRING("lswx 24,11,7", "stswx 24,12,7", 5)
    STRING("lswx 24,11,7", "stswx 24,7,12", 23)
    STRING("lmw 24,4(11)", "stmw 26,8(12)", 32)
    mix_target();
}

void reservations(void) {
    static u32 word[4];
    u32 loaded = 0, cr1, cr2, cr3, other = 77;
    word[0] = 0x01020304;
    /* Stores once; not twice on one reservation. */
    __asm__ volatile("lwarx %0,0,%4\n\tstwcx. %5,0,%4\n\tmfcr %1\n\tstwcx. %0,0,%4\n\tmfcr %2\n\t"
                     "li 7,4\n\tlwarx %0,7,%4\n\taddi 7,7,0\n\tstwcx. %5,7,%4\n\tmfcr %3"
                     : "=&r"(loaded), "=&r"(cr1), "=&r"(cr2), "=&r"(cr3) : "b"(word), "r"(other)
                     : "memory", "cr0", "r7");
    mix(loaded);
    mix(cr1 >> 28);
    mix(cr2 >> 28);
    mix(cr3 >> 28);
    /* A store in between takes the reservation away. */
    __asm__ volatile("lwarx %0,0,%2\n\tstw %3,0(%2)\n\tstwcx. %0,0,%2\n\tmfcr %1"
                     : "=&r"(loaded), "=&r"(cr1) : "b"(word), "r"(other + 1) : "memory", "cr0");
    mix(loaded);
    mix(cr1 >> 28);
    for (unsigned i = 0; i < COUNT(word); i++)
        mix(word[i]);
    for (u32 i = 0; i < 50; i++) {
        mix(__atomic_fetch_add(&word[1], i * i, __ATOMIC_SEQ_CST));
        mix(__atomic_exchange_n(&word[2], i << 8, __ATOMIC_ACQUIRE));
        mix(__sync_val_compare_and_swap(&word[2], i % 3 << 8, ~i));
        mix(__atomic_xor_fetch(&word[3], i * 0x10001, __ATOMIC_RELEASE));
    }
}
