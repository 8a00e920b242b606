/* Auto and manual events, by handle and in guest memory. Healthy. */
#include "check.h"

enum { WAITERS = 4 };

static HANDLE turnstile, gate, passed_one;
static volatile u32 passed;

GUEST_FN void auto_event_is_consumed(void)
{
    u32 previous = 7;
    HANDLE event = create_event(AUTO, 0);
    NtSetEvent(event, &previous);
    check(previous == 0, "first set finds the auto event clear");
    NtSetEvent(event, &previous);
    check(previous == 1, "second set finds it set");
    check(poll(event) == STATUS_WAIT_0, "one wait takes the signal");
    check(poll(event) == STATUS_TIMEOUT, "a second finds none: two sets coalesce");
    NtClose(event);
}

GUEST_FN void manual_event_stays_set(void)
{
    HANDLE event = create_event(MANUAL, 1);
    check(poll(event) == STATUS_WAIT_0 && poll(event) == STATUS_WAIT_0, "a manual event stays set");
    NtClearEvent(event);
    check(poll(event) == STATUS_TIMEOUT, "until it is cleared");
    NtClose(event);
}

GUEST_FN u32 through_turnstile(void *context)
{
    (void)context;
    wait(turnstile);
    atomic_add(&passed, 1);
    NtReleaseSemaphore(passed_one, 1, NULL);
    return 0;
}

GUEST_FN u32 through_gate(void *context)
{
    (void)context;
    wait(gate);
    atomic_add(&passed, 1);
    return 0;
}

GUEST_FN void auto_event_wakes_one(void)
{
    HANDLE threads[WAITERS];
    for (u32 i = 0; i < WAITERS; i++)
        threads[i] = spawn(through_turnstile, NULL);
    for (u32 i = 1; i <= WAITERS; i++) {
        NtSetEvent(turnstile, NULL);
        wait(passed_one);
        delay(MILLISECONDS(1));
        check(passed == i, "one set lets one thread through");
    }
    for (u32 i = 0; i < WAITERS; i++)
        join(threads[i]);
}

GUEST_FN void manual_event_wakes_all(void)
{
    HANDLE threads[WAITERS];
    passed = 0;
    for (u32 i = 0; i < WAITERS; i++)
        threads[i] = spawn(through_gate, NULL);
    delay(MILLISECONDS(1));
    NtSetEvent(gate, NULL);
    for (u32 i = 0; i < WAITERS; i++)
        join(threads[i]);
    check(passed == WAITERS, "one set lets every thread through");
}

GUEST_FN NTSTATUS poll_object(void *object)
{
    return KeWaitForSingleObject(object, 0, KERNEL_MODE, NOT_ALERTABLE, &POLL);
}

GUEST_FN void events_in_memory(void)
{
    static KEVENT event;
    KeInitializeEvent(&event, AUTO, 0);
    check(event.header.type == AUTO && event.header.signal_state == 0, "KeInitializeEvent writes the header");
    check(KeSetEvent(&event, 0, 0) == 0, "KeSetEvent returns the previous state");
    check(event.header.signal_state == 1, "the header shows the set");
    check(KeSetEvent(&event, 0, 0) == 1, "again");
    check(poll_object(&event) == STATUS_WAIT_0, "a wait takes it");
    check(event.header.signal_state == 0, "the header shows that");
    check(poll_object(&event) == STATUS_TIMEOUT, "and it is gone");
    KeSetEvent(&event, 0, 0);
    check(KeResetEvent(&event) == 1, "KeResetEvent returns the previous state");
    check(poll_object(&event) == STATUS_TIMEOUT, "and clears");
}

GUEST_FN u32 main(u32 arg)
{
    (void)arg;
    turnstile = create_event(AUTO, 0);
    gate = create_event(MANUAL, 0);
    passed_one = create_semaphore(0, WAITERS);
    auto_event_is_consumed();
    manual_event_stays_set();
    auto_event_wakes_one();
    manual_event_wakes_all();
    events_in_memory();
    return conclude("events");
}
