/* Checks that name what did not hold. The number of checks made does not depend on the schedule, so the one line that
   a healthy guest prints is always the same. */
#ifndef CHECK_H
#define CHECK_H

#include "xbox.h"

static volatile u32 checks_made, checks_failed;

static GUEST_FN void check(u32 holds, const char *what)
{
    atomic_add(&checks_made, 1);
    if (!holds) {
        atomic_add(&checks_failed, 1);
        DbgPrint("does not hold: %s\n", what);
    }
}

/* Prints the result; the guest's exit value. */
HELPER u32 conclude(const char *guest)
{
    u32 ok = checks_failed == 0;
    DbgPrint("%s: %u checks, %s\n", guest, checks_made, ok_or_wrong(ok));
    return !ok;
}

#endif
