/* Critical sections: recursion, try, contention, and what the guest can see of them. Healthy.
   --arg N: rounds of each contender. */
#include "check.h"

enum { CONTENDERS = 6 };

static CRITICAL_SECTION section, other_section;
static u32 guarded, rounds;

GUEST_FN u32 try_from_outside(void *context)
{
    (void)context;
    check(!RtlTryEnterCriticalSection(&section), "held by somebody else");
    return 0;
}

GUEST_FN void recursion_and_try(void)
{
    check(section.lock_count == -1 && section.owner == 0, "free at first");
    RtlEnterCriticalSection(&section);
    check(section.lock_count == 0 && section.recursion == 1 && section.owner != 0, "held once");
    check(RtlTryEnterCriticalSection(&section), "its owner may enter again");
    check(section.recursion == 2, "held twice");
    join(spawn(try_from_outside, NULL));
    RtlLeaveCriticalSection(&section);
    join(spawn(try_from_outside, NULL));
    RtlLeaveCriticalSection(&section);
    check(section.lock_count == -1 && section.owner == 0, "free at last");
    check(RtlTryEnterCriticalSection(&section), "free for anybody");
    RtlLeaveCriticalSection(&section);
}

GUEST_FN u32 contender(void *context)
{
    (void)context;
    for (u32 i = 0; i < rounds; i++) {
        RtlEnterCriticalSection(&section);
        u32 seen = guarded;
        if (i % 4 == 0)
            NtYieldExecution();
        guarded = seen + 1;
        RtlLeaveCriticalSection(&section);
    }
    return 0;
}

GUEST_FN void contention(void)
{
    HANDLE threads[CONTENDERS];
    for (u32 i = 0; i < CONTENDERS; i++)
        threads[i] = spawn(contender, NULL);
    for (u32 i = 0; i < CONTENDERS; i++)
        join(threads[i]);
    check(guarded == CONTENDERS * rounds, "no increment was lost");
    check(section.lock_count == -1, "nobody is left inside");
}

GUEST_FN u32 main(u32 arg)
{
    rounds = arg ? arg : 200;
    RtlInitializeCriticalSection(&section);
    RtlInitializeCriticalSectionAndSpinCount(&other_section, 1000);
    RtlEnterCriticalSection(&other_section);
    recursion_and_try();
    contention();
    RtlLeaveCriticalSection(&other_section);
    return conclude("critsec");
}
