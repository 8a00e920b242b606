/* What the compiler makes of plain C. */

#include "selftest.h"

void *memset(void *to, int byte, __SIZE_TYPE__ length) {
    u8 *out = to;
    while (length--)
        *out++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ length) {
    u8 *out = to;
    const u8 *in = from;
    while (length--)
        *out++ = *in++;
    return to;
}

static const u64 numbers[] = {
    1, 2, 3, 7, 10, 255, 1000, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000001, 0x123456789ABCDEF, 0x7FFFFFFFFFFFFFFF,
    0x8000000000000000, 0xFEDCBA9876543210, 0xFFFFFFFFFFFFFFFF,
};

static void words(u32 a, u32 b) {
    mix(a + b), mix(a - b), mix(a * b), mix(a / b), mix(a % b), mix(a << (b & 31)), mix(a >> (b & 31));
    mix(a & b), mix(a | ~b), mix(~(a ^ b)), mix(a < b), mix((i32)a < (i32)b), mix(a == b), mix(!a);
    mix((i32)a >> (b & 31)), mix((i32)a / 7), mix((i32)a % 10), mix(a / 1000), mix((i32)a / -16);
    if (!(a == 0x80000000 && b == 0xFFFFFFFF))
        mix((i32)a / (i32)b), mix((i32)a % (i32)b);
    mix(a << 7 | a >> 25), mix(__builtin_bswap32(a)), mix(__builtin_bswap16(a)), mix(__builtin_clz(a | 1)), mix(__builtin_ctz(b | 0x80000000));
    mix((i8)a), mix((i16)b), mix(a * 10 + b * 36), mix(__builtin_popcount(a)), mix(__builtin_abs((i32)(a >> 1)));
    mix(((u64)a * b) >> 32), mix(((i64)(i32)a * (i32)b) >> 32);
    u32 sum;
    mix(__builtin_add_overflow(a, b, &sum)), mix(sum);
    mix(__builtin_mul_overflow((i32)a, (i32)b, (i32 *)&sum)), mix(sum);
}

static void doublewords(u64 a, u64 b) {
    mix64(a + b), mix64(a - b), mix64(a * b), mix64(a / b), mix64(a % b), mix64(a << (b & 63)), mix64(a >> (b & 63));
    mix64((i64)a >> (b & 63)), mix64(~a & b), mix64(-a), mix(a < b), mix((i64)a < (i64)b), mix(a == b), mix((i64)a >= (i64)b);
    if (!(a == 1ull << 63 && b == ~0ull))
        mix64((i64)a / (i64)b), mix64((i64)a % (i64)b);
    mix64(a << 13 | a >> 51), mix(__builtin_clzll(a | 1)), mix(__builtin_popcountll(b));
    mix64((i64)a / 1000), mix64(a / 10);
}

struct packed {
    u32 flags : 5, kind : 11, id : 16;
    i32 delta : 9;
    u8 tail;
    u16 half;
    u32 word;
} __attribute__((packed));

static u32 crc(const u8 *bytes, unsigned length) {
    u32 value = ~0u;
    while (length--) {
        value ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xEDB88320 : 0);
    }
    return ~value;
}

void compiled_integers(void) {
    for (unsigned i = 0; i < COUNT(numbers); i++)
        for (unsigned j = 0; j < COUNT(numbers); j++) {
            u32 b = OPAQUE((u32)numbers[j]);
            words(OPAQUE((u32)numbers[i]), b ? b : 13);
            doublewords(*(const volatile u64 *)&numbers[i], *(const volatile u64 *)&numbers[j]);
        }
    struct packed records[8];
    memset(records, 0xA5, sizeof records);
    for (unsigned i = 0; i < COUNT(records); i++) {
        records[i].flags = i * 3;
        records[i].kind = i * 501;
        records[i].id ^= i << 7;
        records[i].delta = -(i32)i * 17;
        records[i].half = i * 0x1111;
        records[i].word += OPAQUE(i) << 20;
        mix(records[i].delta), mix(records[i].id);
    }
    mix(crc((const u8 *)records, sizeof records));
}

/* Conversions are made where every value fits. */
void compiled_floats(void) {
    double matrix[6][6];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            matrix[i][j] = (double)OPAQUE(i * 7 - j * 3) / (double)(i + j + 1);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            double sum = 0;
            for (int k = 0; k < 6; k++)
                sum += matrix[i][k] * matrix[k][j];
            mix64(as_bits(sum));
            mix((i32)sum), mix((u32)(sum < 0 ? -sum : sum)), mix64((i64)(sum * 1e9));
        }
    float series = 0, term = 1;
    for (int i = 1; i < 30; i++) {
        series += term;
        term = term * 0.7f / (float)OPAQUE(i);
        mix64(as_bits(series));
    }
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        u64 value = *(const volatile u64 *)&numbers[i];
        mix64(as_bits((double)(i64)value)), mix64(as_bits((double)value)), mix64(as_bits((double)(u32)value));
        mix64(as_bits((float)(i32)value)), mix64(as_bits((float)(u32)value)), mix64(as_bits((float)(i64)value)), mix64(as_bits((float)value));
        double fraction = (double)value / 3;
        mix(fraction > series), mix(fraction != fraction), mix64((u64)fraction), mix64(as_bits((float)fraction));
        mix64(as_bits(fraction > 5 ? -fraction : fraction)), mix64(as_bits(__builtin_fabs(-fraction)));
    }
}

static u32 fibonacci(u32 n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static u32 choose(u32 kind, u32 value) {
    switch (kind) {
    case 0: return value + 1;
    case 1: return value * 3;
    case 2: return value ^ 0x5555;
    case 3: return ~value;
    case 4: return value >> 3;
    case 5: return value << 9;
    case 6: return value - 77;
    case 9: return value & 0xF0F0F0F0;
    case 10: return fibonacci(value & 7);
    default: return kind;
    }
}

static u32 sum_of(unsigned count, ...) {
    __builtin_va_list list;
    __builtin_va_start(list, count);
    u32 sum = 0;
    while (count--)
        sum = sum * 31 + __builtin_va_arg(list, u32);
    u64 last = __builtin_va_arg(list, u64);
    double real = __builtin_va_arg(list, double);
    __builtin_va_end(list);
    return sum ^ (u32)last ^ (u32)(last >> 32) ^ (u32)real;
}

static int rising(u32 a, u32 b) { return a < b; }
static int falling(u32 a, u32 b) { return a > b; }
static int by_low_bits(u32 a, u32 b) { return (a & 0xFF) < (b & 0xFF) || ((a & 0xFF) == (b & 0xFF) && a < b); }

static void sort(u32 *array, unsigned count, int (*before)(u32, u32)) {
    for (unsigned i = 1; i < count; i++) {
        u32 moved = array[i];
        unsigned at = i;
        for (; at > 0 && before(moved, array[at - 1]); at--)
            array[at] = array[at - 1];
        array[at] = moved;
    }
}

void compiled_control(void) {
    static int (*volatile const orders[])(u32, u32) = { rising, falling, by_low_bits };
    u32 array[40];
    for (unsigned o = 0; o < COUNT(orders); o++) {
        for (unsigned i = 0; i < COUNT(array); i++)
            array[i] = OPAQUE(i) * 2654435761u >> 3;
        sort(array, COUNT(array), orders[o]);
        for (unsigned i = 0; i < COUNT(array); i++)
            mix(array[i]);
    }
    for (u32 i = 0; i < 60; i++)
        mix(choose(OPAQUE(i) % 13, i * 0x01010101));
    mix(fibonacci(OPAQUE(15)));
    mix(sum_of(10, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 0x123456789ABCDEFull, 12345.75));
    mix(sum_of(1, 99u, 0xFFFFFFFF00000001ull, 2.5));
}
