/* Signals that are gone before anybody waits. --arg
     0  pulses until one hits: healthy
     1  one pulse before the listener waits
     2  an event that is cleared after it was set and before main waits for it
     3  one pulse of an event in memory, at 0x82010040 */
#include "xbox.h"

enum { UNTIL_HEARD, TOO_EARLY, CLEARED, TOO_EARLY_IN_MEMORY };

static PINNED struct {
    u8 padding[0x40];
    KEVENT bell;
} pinned;

static HANDLE bell, heard, go;
static u32 variant;
static volatile u32 times_heard;

GUEST_FN u32 listener(void *context)
{
    (void)context;
    wait(go);
    if (variant == TOO_EARLY_IN_MEMORY)
        KeWaitForSingleObject(&pinned.bell, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER);
    else
        wait(bell);
    atomic_add(&times_heard, 1);
    NtSetEvent(heard, NULL);
    return 0;
}

GUEST_FN void ring_once(void)
{
    if (variant == TOO_EARLY_IN_MEMORY)
        KePulseEvent(&pinned.bell, 0, 0);
    else
        NtPulseEvent(bell, NULL);
}

GUEST_FN void ring_until_heard(void)
{
    do
        ring_once();
    while (wait_for(heard, MILLISECONDS(1)) == STATUS_TIMEOUT);
}

GUEST_FN u32 loader(void *context)
{
    (void)context;
    NtSetEvent(bell, NULL);
    return 0;
}

/* Clears "to start from a clean slate", after the loader is done. */
GUEST_FN void load_then_clear(void)
{
    join(spawn(loader, NULL));
    NtClearEvent(bell);
    wait(bell);
    times_heard = 1;
}

GUEST_FN u32 main(u32 arg)
{
    variant = arg;
    bell = create_event(MANUAL, 0);
    heard = create_event(AUTO, 0);
    go = create_event(MANUAL, 0);
    KeInitializeEvent(&pinned.bell, MANUAL, 0);
    if (variant == CLEARED) {
        load_then_clear();
    } else {
        HANDLE thread = spawn(listener, NULL);
        if (variant != UNTIL_HEARD)
            ring_once();
        NtSetEvent(go, NULL);
        if (variant == UNTIL_HEARD)
            ring_until_heard();
        join(thread);
    }
    DbgPrint("lost_pulse: heard %u times, %s\n", times_heard, ok_or_wrong(times_heard == 1));
    return times_heard != 1;
}
