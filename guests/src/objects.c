/* Handles and the objects behind them: duplicates, pointers, closing, refusals, and handles closed while a thread is
   parked on them. Healthy. */
#include "check.h"

enum { LIVES = 8 };

static HANDLE parked_on, about_to_park;
static volatile u32 refused;

GUEST_FN u32 wait_and_note(void *context)
{
    (void)context;
    NtSetEvent(about_to_park, NULL);
    if (wait(parked_on) != STATUS_WAIT_0)
        atomic_add(&refused, 1);
    return 0;
}

GUEST_FN void duplicates_share_one_object(void)
{
    HANDLE event = create_event(AUTO, 0), twin = 0;
    check(NtDuplicateObject(event, &twin, 0) == STATUS_SUCCESS && twin != event, "a duplicate has a handle of its own");
    NtSetEvent(twin, NULL);
    check(poll(event) == STATUS_WAIT_0, "a set through one is seen through the other");
    NtClose(event);
    NtSetEvent(twin, NULL);
    check(poll(twin) == STATUS_WAIT_0, "the object lives as long as one handle does");
    NtClose(twin);
}

GUEST_FN void pointers_share_it_too(void)
{
    KEVENT *object = NULL;
    HANDLE event = create_event(AUTO, 0);
    check(ObReferenceObjectByHandle(event, NULL, (void **)&object) == STATUS_SUCCESS, "a handle leads to its object");
    check(KeSetEvent(object, 0, 0) == 0 && poll(event) == STATUS_WAIT_0, "a set of the object is seen through the handle");
    NtSetEvent(event, NULL);
    check(KeResetEvent(object) == 1, "and the other way round");
    ObDereferenceObject(object);
    NtClose(event);
}

GUEST_FN void refusals(void)
{
    HANDLE event = create_event(AUTO, 0), semaphore = create_semaphore(0, 1);
    check(NtSetEvent(semaphore, NULL) == STATUS_OBJECT_TYPE_MISMATCH, "a semaphore is no event");
    check(NtReleaseSemaphore(event, 1, NULL) == STATUS_OBJECT_TYPE_MISMATCH, "an event is no semaphore");
    check(NtReleaseMutant(event, NULL) == STATUS_OBJECT_TYPE_MISMATCH, "nor a mutant");
    NtClose(semaphore);
    NtClose(event);
    check(NtSetEvent(event, NULL) == STATUS_INVALID_HANDLE, "a closed handle is refused");
    check(NtClose(event) == STATUS_INVALID_HANDLE, "even to close it");
    HANDLE next = create_event(AUTO, 0);
    check(next == event || next == semaphore, "and reissued to the next object");
    NtClose(next);
}

/* The waiter holds the object, not the handle. The kernel must not give the value to another object meanwhile. */
GUEST_FN u32 close_under_a_waiter(void)
{
    HANDLE spare = 0, next;
    parked_on = create_event(AUTO, 0);
    NtDuplicateObject(parked_on, &spare, 0);
    HANDLE waiter = spawn(wait_and_note, NULL);
    wait(about_to_park);
    delay(MILLISECONDS(2));
    NtClose(parked_on);
    next = create_event(AUTO, 0);
    NtSetEvent(spare, NULL);
    if (next == parked_on)
        NtSetEvent(next, NULL);
    join(waiter);
    NtClose(spare);
    NtClose(next);
    return next == parked_on;
}

/* A waiter that is slow to park may be overtaken now and then, but not most of the time. */
GUEST_FN void no_reissue_while_in_use(void)
{
    u32 reissued = 0;
    for (u32 i = 0; i < LIVES; i++)
        reissued += close_under_a_waiter();
    check(reissued <= LIVES / 2, "a handle with a thread parked on it is not reissued");
    check(refused <= LIVES / 2, "and closing it does not end the wait");
}

GUEST_FN u32 main(u32 arg)
{
    (void)arg;
    about_to_park = create_event(AUTO, 0);
    duplicates_share_one_object();
    pointers_share_it_too();
    refusals();
    no_reissue_while_in_use();
    return conclude("objects");
}
