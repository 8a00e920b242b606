/* A critical section, at 0x82010040, whose owner is gone. --arg
     0  the loader leaves it before it ends: healthy
     1  the loader terminates inside
     2  the loader enters twice, leaves once and returns; three threads want to enter */
#include "xbox.h"

enum { TIDY, TERMINATES_INSIDE, UNBALANCED };

static PINNED struct {
    u8 padding[0x40];
    CRITICAL_SECTION section;
} pinned;

static u32 variant;
static volatile u32 entered;

GUEST_FN void give_up(void)
{
    ExTerminateThread(1);
}

GUEST_FN u32 loader(void *context)
{
    (void)context;
    RtlEnterCriticalSection(&pinned.section);
    if (variant == TERMINATES_INSIDE)
        give_up();
    if (variant == UNBALANCED)
        RtlEnterCriticalSection(&pinned.section);
    RtlLeaveCriticalSection(&pinned.section);
    return 0;
}

GUEST_FN u32 visitor(void *context)
{
    (void)context;
    RtlEnterCriticalSection(&pinned.section);
    entered++;
    RtlLeaveCriticalSection(&pinned.section);
    return 0;
}

GUEST_FN void let_in(u32 visitors)
{
    HANDLE threads[3];
    for (u32 i = 0; i < visitors; i++)
        threads[i] = spawn(visitor, NULL);
    for (u32 i = 0; i < visitors; i++)
        join(threads[i]);
}

GUEST_FN u32 main(u32 arg)
{
    variant = arg;
    RtlInitializeCriticalSection(&pinned.section);
    wait(spawn(loader, NULL)); /* its handle stays open: the owner's KTHREAD is not reused for a visitor */
    if (variant == TERMINATES_INSIDE)
        visitor(NULL);
    else
        let_in(3);
    DbgPrint("dead_owner: %u entered, %s\n", entered, ok_or_wrong(entered == 3));
    return entered != 3;
}
