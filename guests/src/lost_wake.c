/* A thread is parked, then signalled. Healthy; a host that loses the wake shows here. --arg
     0  an auto event, --fault wake-lost
     1  a semaphore, --fault wake-lost
     2  a manual event with three waiters, --fault manual-as-auto */
#include "xbox.h"

enum { GUESTS = 3 };

static HANDLE doorbell;
static volatile u32 came_in;

GUEST_FN u32 visitor(void *context)
{
    (void)context;
    wait(doorbell);
    atomic_add(&came_in, 1);
    return 0;
}

GUEST_FN void open_door(u32 variant)
{
    if (variant == 1)
        NtReleaseSemaphore(doorbell, 1, NULL);
    else
        NtSetEvent(doorbell, NULL);
}

GUEST_FN u32 main(u32 arg)
{
    HANDLE threads[GUESTS];
    u32 visitors = arg == 2 ? GUESTS : 1;
    doorbell = arg == 1 ? create_semaphore(0, 1) : create_event(arg == 2 ? MANUAL : AUTO, 0);
    for (u32 i = 0; i < visitors; i++)
        threads[i] = spawn(visitor, NULL);
    delay(MILLISECONDS(5));
    open_door(arg);
    for (u32 i = 0; i < visitors; i++)
        join(threads[i]);
    DbgPrint("lost_wake: %u came in, %s\n", came_in, ok_or_wrong(came_in == visitors));
    return came_in != visitors;
}
