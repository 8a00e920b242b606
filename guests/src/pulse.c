/* Pulses wake whoever waits at that moment and leave nothing behind. Sleepers count how often they were woken; a poller
   never finds the event set. Healthy: the result does not depend on how many pulses hit nobody. A pulse that is made
   of a set and a later reset lets sleepers through twice and shows the poller a signal. --arg N: wakes of each sleeper. */
#include "check.h"

enum { SLEEPERS = 4 };

static HANDLE bell, woken;
static KEVENT bell_in_memory;
static u32 rounds;
static volatile u32 stop, caught_by_poll, caught_in_memory, wakes;

GUEST_FN u32 sleeper(void *context)
{
    volatile u32 *mine = context;
    for (u32 i = 0; i < rounds; i++) {
        wait(bell);
        atomic_add(mine, 1);
        atomic_add(&wakes, 1);
    }
    NtReleaseSemaphore(woken, 1, NULL);
    return 0;
}

/* A poll is no wait: between two pulses, and during one, it finds the event clear. */
GUEST_FN u32 poller(void *context)
{
    (void)context;
    while (!atomic_load(&stop)) {
        if (poll(bell) == STATUS_WAIT_0)
            atomic_add(&caught_by_poll, 1);
        if (KeWaitForSingleObject(&bell_in_memory, 0, KERNEL_MODE, NOT_ALERTABLE, &POLL) == STATUS_WAIT_0)
            atomic_add(&caught_in_memory, 1);
    }
    return 0;
}

/* Pulses until every sleeper has had its wakes. No sleeper can have had more wakes than there were pulses. */
GUEST_FN u32 ring_until_all_awake(volatile u32 *counts)
{
    u32 pulses = 0, asleep = SLEEPERS, honest = 1;
    while (asleep != 0) {
        pulses++;
        NtPulseEvent(bell, NULL);
        KePulseEvent(&bell_in_memory, 0, 0);
        for (u32 i = 0; i < SLEEPERS; i++)
            honest &= counts[i] <= pulses;
        delay(MILLISECONDS(1) / 20);
        while (asleep != 0 && poll(woken) == STATUS_WAIT_0)
            asleep--;
    }
    return honest;
}

GUEST_FN void alone(void)
{
    u32 previous = 9;
    HANDLE event = create_event(AUTO, 0);
    check(NtPulseEvent(event, &previous) == STATUS_SUCCESS && previous == 0, "a pulse returns the previous state");
    check(poll(event) == STATUS_TIMEOUT, "a pulse with no waiter is lost");
    NtSetEvent(event, NULL);
    NtPulseEvent(event, &previous);
    check(previous == 1 && poll(event) == STATUS_TIMEOUT, "a pulse clears what was set");
    NtClose(event);
}

GUEST_FN u32 main(u32 arg)
{
    static volatile u32 counts[SLEEPERS];
    HANDLE threads[SLEEPERS + 1];
    rounds = arg ? arg : 20;
    bell = create_event(MANUAL, 0);
    woken = create_semaphore(0, SLEEPERS);
    KeInitializeEvent(&bell_in_memory, MANUAL, 0);
    alone();
    for (u32 i = 0; i < SLEEPERS; i++)
        threads[i] = spawn(sleeper, (void *)&counts[i]);
    threads[SLEEPERS] = spawn(poller, NULL);
    check(ring_until_all_awake(counts), "one pulse wakes a thread at most once");
    atomic_store(&stop, 1);
    for (u32 i = 0; i <= SLEEPERS; i++)
        join(threads[i]);
    check(wakes == SLEEPERS * rounds, "every sleeper was woken as often as it slept");
    check(caught_by_poll == 0 && caught_in_memory == 0, "a poll never sees a pulse");
    return conclude("pulse");
}
