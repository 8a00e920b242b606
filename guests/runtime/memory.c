/* GCC may turn a loop or an assignment into these two, freestanding or not. */
#include "xbox.h"

void *memset(void *to, int byte, size_t length)
{
    u8 *out = to;
    while (length--)
        *out++ = (u8)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t length)
{
    u8 *out = to;
    const u8 *in = from;
    while (length--)
        *out++ = *in++;
    return to;
}
