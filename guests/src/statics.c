/* A semaphore that the guest initialised by hand, at 0x82010040: no call created it. --arg
     0  the producer releases it: healthy
     1  the producer was never started, and main waits for it
     2  the producer, which waits for it, is what main waits for */
#include "xbox.h"

enum { PRODUCED, NO_PRODUCER, BOTH_WAIT };

static PINNED struct {
    u8 padding[0x40];
    KSEMAPHORE units;
} pinned;

GUEST_FN void initialise_by_hand(KSEMAPHORE *semaphore, i32 limit)
{
    semaphore->header.type = SEMAPHORE;
    semaphore->header.size = sizeof(KSEMAPHORE) / 4;
    semaphore->header.signal_state = 0;
    semaphore->header.wait_flink = (u32)&semaphore->header.wait_flink;
    semaphore->header.wait_blink = (u32)&semaphore->header.wait_flink;
    semaphore->limit = limit;
}

GUEST_FN void take_unit(void)
{
    KeWaitForSingleObject(&pinned.units, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER);
}

GUEST_FN u32 producer(void *context)
{
    (void)context;
    KeReleaseSemaphore(&pinned.units, 0, 1, 0);
    return 0;
}

GUEST_FN u32 confused_producer(void *context)
{
    (void)context;
    take_unit();
    KeReleaseSemaphore(&pinned.units, 0, 1, 0);
    return 0;
}

GUEST_FN u32 main(u32 arg)
{
    initialise_by_hand(&pinned.units, 4);
    if (arg == BOTH_WAIT)
        join(spawn(confused_producer, NULL));
    else if (arg == PRODUCED)
        join(spawn(producer, NULL));
    take_unit();
    u32 left = (u32)pinned.units.header.signal_state;
    DbgPrint("statics: %u units left, %s\n", left, ok_or_wrong(left == 0));
    return left != 0;
}
