/* Entry and output. As a guest of the reference host it prints through DbgPrint; with LINUX defined it is a program of its own. */

#include "selftest.h"

u32 hash;

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
#ifndef SELFTEST_CELL /* carry and cr0 of 32 bits: the oracle must be a 32-bit machine */
    { "arithmetic", arithmetic },
    { "logic", logic },
    { "rotates", rotates },
#endif
    { "compiled-integers", compiled_integers },
    { "compiled-floats", compiled_floats },
    { "compiled-control", compiled_control },
    { "condition-register", condition_register },
    { "branches", branches },
    { "loads-and-stores", loads_and_stores },
    { "strings", strings },
    { "reservations", reservations },
    { "float-arithmetic", float_arithmetic },
    { "float-single", float_single },
    { "float-conversions", float_conversions },
    { "float-status", float_status },
#ifdef SELFTEST_CELL
    { "doubleword-arithmetic", doubleword_arithmetic },
    { "doubleword-shifts", doubleword_shifts },
    { "doubleword-memory", doubleword_memory },
    { "doubleword-float", doubleword_float },
#endif
};

#ifdef LINUX
static long system_call(long number, long a, const void *b, long c) {
    register long r0 __asm__("r0") = number;
    register long r3 __asm__("r3") = a;
    register const void *r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    __asm__ volatile("sc" : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5)
                     : : "memory", "cr0", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr");
    return r3;
}

static void print(const char *text) {
    long length = 0;
    while (text[length])
        length++;
    system_call(4, 1, text, length);
}
#else
void DbgPrint(const char *format, ...);

static void print(const char *text) {
    DbgPrint("%s", text);
}

__asm__(".section .import.DbgPrint,\"ax\",@progbits\n"
        ".balign 16\n"
        ".globl DbgPrint\n"
        ".type DbgPrint,@function\n"
        "DbgPrint: .long 0x44000042\n"
        "blr\n"
        ".long 0x01000003\n"
        "nop\n"
        ".size DbgPrint,16\n"
        ".text\n");
#endif

static void print_line(const char *name, u32 value) {
    char line[40];
    unsigned at = 0;
    while (name[at]) {
        line[at] = name[at];
        at++;
    }
    line[at++] = ' ';
    for (int shift = 28; shift >= 0; shift -= 4)
        line[at++] = "0123456789abcdef"[value >> shift & 15];
    line[at++] = '\n';
    line[at] = 0;
    print(line);
}

int main(void) {
    for (unsigned i = 0; i < COUNT(groups); i++) {
        hash = 1;
        groups[i].run();
        print_line(groups[i].name, hash);
    }
    return 0;
}

#ifdef LINUX
void _start(void) {
    system_call(1, main(), 0, 0);
}
#endif
