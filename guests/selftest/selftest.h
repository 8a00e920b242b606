/* Self-test of a PowerPC: groups of instructions, each folded into one hash.
 *
 * The hashes do not depend on the word size, so that a program of 64-bit code can be the oracle of one of 32-bit code. In the groups
 * that both build, results are taken from the low 32 bits, or go through memory. */

#ifndef SELFTEST_H
#define SELFTEST_H

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALL_CR "cr0", "cr1", "cr2", "cr3", "cr4", "cr5", "cr6", "cr7"

/* The hash of the current group. */
extern u32 hash;

static inline void mix(u32 value) {
    hash = ((hash << 5 | hash >> 27) ^ value) * 0x9E3779B1u;
}

static inline void mix64(u64 value) {
    mix(value >> 32);
    mix(value);
}

/* Hides a value from the optimiser, so that the instruction is executed and not its result compiled in. */
#define OPAQUE(x) ({ __typeof__(x) opaque_ = (x); __asm__ volatile("" : "+r"(opaque_)); opaque_; })

static inline double as_double(u64 bits) {
    union { u64 bits; double value; } u = { bits };
    return u.value;
}

static inline u64 as_bits(double value) {
    union { double value; u64 bits; } u = { value };
    return u.bits;
}

/* Every group that a build has; see main.c. */
void arithmetic(void);
void logic(void);
void rotates(void);
void compiled_integers(void);
void compiled_floats(void);
void compiled_control(void);
void condition_register(void);
void branches(void);
void loads_and_stores(void);
void strings(void);
void reservations(void);
void float_arithmetic(void);
void float_single(void);
void float_conversions(void);
void float_status(void);
void doubleword_arithmetic(void);
void doubleword_shifts(void);
void doubleword_memory(void);
void doubleword_float(void);

#endif
