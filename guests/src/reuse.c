/* Handles that are closed and reissued while other threads still signal and poll them. Main makes an event, publishes
   it, waits until somebody set it, and closes it; a semaphore gets the freed value now and then. The others use
   whatever value they read last, so they meet closed handles and handles of another type, and tolerate both. Healthy:
   the result depends on the rounds alone. */
#include "xbox.h"

enum { SLOTS = 4, SIGNALLERS = 3 };

static volatile u32 slots[SLOTS];
static volatile u32 stop, strange;

GUEST_FN void tolerate(NTSTATUS status)
{
    if (status != STATUS_SUCCESS && status != STATUS_TIMEOUT && status != STATUS_INVALID_HANDLE
        && status != STATUS_OBJECT_TYPE_MISMATCH)
        atomic_add(&strange, 1);
}

GUEST_FN u32 signaller(void *context)
{
    for (u32 i = (u32)context; !atomic_load(&stop); i++) {
        tolerate(NtSetEvent(atomic_load(&slots[i % SLOTS]), NULL));
        if (i % SLOTS == 0)
            NtYieldExecution();
    }
    return 0;
}

/* Steals a signal sometimes; another one comes. */
GUEST_FN u32 poller(void *context)
{
    (void)context;
    for (u32 i = 0; !atomic_load(&stop); i++) {
        tolerate(poll(atomic_load(&slots[i % SLOTS])));
        if (i % SLOTS == 0)
            NtYieldExecution();
    }
    return 0;
}

GUEST_FN u32 one_life(u32 round)
{
    HANDLE event = create_event(round % 2 ? MANUAL : AUTO, 0);
    atomic_store(&slots[round % SLOTS], event);
    NTSTATUS status = wait(event);
    NtClose(event);
    return status == STATUS_WAIT_0;
}

/* Takes the value that was just freed, or the lowest one that nobody is using, with an object that NtSetEvent refuses. */
GUEST_FN u32 intruder(void)
{
    i32 previous = -1;
    HANDLE semaphore = create_semaphore(0, 2);
    NTSTATUS status = NtReleaseSemaphore(semaphore, 2, &previous);
    NtClose(semaphore);
    return status == STATUS_SUCCESS && previous == 0;
}

GUEST_FN u32 main(u32 arg)
{
    u32 rounds = arg ? arg : 2000, lives = 0, intruders = 0;
    HANDLE threads[SIGNALLERS + 1];
    for (u32 i = 0; i < SIGNALLERS; i++)
        threads[i] = spawn(signaller, (void *)i);
    threads[SIGNALLERS] = spawn(poller, NULL);

    for (u32 round = 0; round < rounds; round++) {
        lives += one_life(round);
        if (round % 8 == 7)
            intruders += intruder();
    }
    atomic_store(&stop, 1);
    for (u32 i = 0; i <= SIGNALLERS; i++)
        join(threads[i]);
    u32 ok = lives == rounds && intruders == rounds / 8 && strange == 0;
    DbgPrint("reuse: %u events, %u semaphores, %u strange statuses, %s\n", lives, intruders, strange, ok_or_wrong(ok));
    return !ok;
}
