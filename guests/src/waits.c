/* Waits for several objects, any or all, and timeouts. Philosophers take both forks at once, so a wait-all that takes
   only one of them shows. Healthy. --arg N: meals of each philosopher. */
#include "check.h"

enum { PHILOSOPHERS = 5 };

static HANDLE forks[PHILOSOPHERS];
static volatile u32 fork_in_use[PHILOSOPHERS];
static volatile u32 meals_eaten, clashes;
static u32 meals;

HELPER NTSTATUS poll_many(u32 count, const HANDLE *objects, u32 type)
{
    return NtWaitForMultipleObjectsEx(count, objects, type, USER_MODE, NOT_ALERTABLE, &POLL);
}

GUEST_FN void any_takes_the_lowest(void)
{
    HANDLE objects[3] = { create_event(AUTO, 0), create_semaphore(1, 1), create_event(AUTO, 1) };
    check(poll_many(3, objects, WAIT_ANY) == 1, "the lowest ready object wins");
    check(poll_many(3, objects, WAIT_ANY) == 2, "and only it was consumed");
    check(poll_many(3, objects, WAIT_ANY) == STATUS_TIMEOUT, "then none is ready");
    for (u32 i = 0; i < 3; i++)
        NtClose(objects[i]);
}

GUEST_FN void all_takes_every_one_or_none(void)
{
    HANDLE objects[3] = { create_event(AUTO, 1), create_semaphore(1, 2), create_mutant(0) };
    HANDLE missing = create_event(AUTO, 0);
    HANDLE with_missing[4] = { objects[0], objects[1], objects[2], missing };
    check(poll_many(4, with_missing, WAIT_ALL) == STATUS_TIMEOUT, "one object is missing");
    check(poll_many(3, objects, WAIT_ALL) == STATUS_WAIT_0, "nothing was taken on the way, all are taken now");
    check(poll(objects[0]) == STATUS_TIMEOUT, "the event was consumed");
    check(poll(objects[1]) == STATUS_TIMEOUT, "the unit was consumed");
    check(NtReleaseMutant(objects[2], NULL) == STATUS_SUCCESS, "the mutant was acquired");
    check(NtReleaseMutant(objects[2], NULL) == STATUS_MUTANT_NOT_OWNED, "once");
    for (u32 i = 0; i < 4; i++)
        NtClose(with_missing[i]);
}

GUEST_FN void objects_in_memory(void)
{
    static KEVENT event;
    static KSEMAPHORE semaphore;
    void *objects[2] = { &event, &semaphore };
    KeInitializeEvent(&event, MANUAL, 1);
    KeInitializeSemaphore(&semaphore, 1, 1);
    check(KeWaitForMultipleObjects(2, objects, WAIT_ALL, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER, NULL) == STATUS_WAIT_0,
          "both are ready");
    check(KeWaitForMultipleObjects(2, objects, WAIT_ALL, 0, KERNEL_MODE, NOT_ALERTABLE, &POLL, NULL) == STATUS_TIMEOUT,
          "the semaphore is used up");
    check(KeWaitForMultipleObjects(2, objects, WAIT_ANY, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER, NULL) == STATUS_WAIT_0,
          "the manual event is not");
}

GUEST_FN void timeouts(void)
{
    HANDLE never = create_event(AUTO, 0);
    check(poll(never) == STATUS_TIMEOUT, "a zero timeout polls");
    check(wait_for(never, MILLISECONDS(2)) == STATUS_TIMEOUT, "a relative timeout expires");
    check(NtWaitForSingleObjectEx(0xBADC0DE0, USER_MODE, NOT_ALERTABLE, FOR_EVER) == STATUS_INVALID_HANDLE,
          "a bad handle is refused");
    NtClose(never);
}

GUEST_FN u32 bell_ringer(void *context)
{
    delay(MILLISECONDS(1));
    NtSetEvent((HANDLE)context, NULL);
    return 0;
}

GUEST_FN void any_of_every_kind(void)
{
    const i64 far = MILLISECONDS(1000000);
    HANDLE bell = create_event(AUTO, 0), timer = create_timer(AUTO);
    HANDLE ringer = spawn(bell_ringer, (void *)bell);
    HANDLE objects[4] = { create_semaphore(0, 1), timer, bell, ringer };
    NtSetTimerEx(timer, &far, NULL, USER_MODE, NULL, 0, 0, 0);
    NTSTATUS status = NtWaitForMultipleObjectsEx(4, objects, WAIT_ANY, USER_MODE, NOT_ALERTABLE, FOR_EVER);
    check(status == 2, "the bell ends the wait, before the ringer's exit does");
    wait(ringer);
    NtCancelTimer(timer, NULL);
    for (u32 i = 0; i < 4; i++)
        NtClose(objects[i]);
}

GUEST_FN void eat(u32 left, u32 right)
{
    if (atomic_add(&fork_in_use[left], 1) != 0 || atomic_add(&fork_in_use[right], 1) != 0)
        atomic_add(&clashes, 1);
    NtYieldExecution();
    atomic_add(&fork_in_use[left], (u32)-1);
    atomic_add(&fork_in_use[right], (u32)-1);
    atomic_add(&meals_eaten, 1);
}

GUEST_FN u32 philosopher(void *context)
{
    u32 left = (u32)context, right = (left + 1) % PHILOSOPHERS;
    const HANDLE both[2] = { forks[left], forks[right] };
    for (u32 i = 0; i < meals; i++) {
        NtWaitForMultipleObjectsEx(2, both, WAIT_ALL, USER_MODE, NOT_ALERTABLE, FOR_EVER);
        eat(left, right);
        NtSetEvent(both[1], NULL);
        NtSetEvent(both[0], NULL);
    }
    return 0;
}

GUEST_FN void dinner(void)
{
    HANDLE threads[PHILOSOPHERS];
    for (u32 i = 0; i < PHILOSOPHERS; i++)
        forks[i] = create_event(AUTO, 1);
    for (u32 i = 0; i < PHILOSOPHERS; i++)
        threads[i] = spawn(philosopher, (void *)i);
    for (u32 i = 0; i < PHILOSOPHERS; i++)
        join(threads[i]);
    check(meals_eaten == PHILOSOPHERS * meals, "everybody ate");
    check(clashes == 0, "no fork was in two hands");
}

GUEST_FN u32 main(u32 arg)
{
    meals = arg ? arg : 100;
    any_takes_the_lowest();
    all_takes_every_one_or_none();
    objects_in_memory();
    timeouts();
    any_of_every_kind();
    dinner();
    return conclude("waits");
}
