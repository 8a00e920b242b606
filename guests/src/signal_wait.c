/* Signal-and-wait as one step: a rally between two threads, a condition variable, and what must not happen when the
   object to wait for is bad. Healthy. --arg N: strokes of the rally. */
#include "check.h"

static HANDLE left, right, guard, changed;
static u32 strokes, returned;
static volatile u32 value;

HELPER NTSTATUS signal_and_wait(HANDLE signal, HANDLE object)
{
    return NtSignalAndWaitForSingleObjectEx(signal, object, NOT_ALERTABLE, USER_MODE, FOR_EVER);
}

GUEST_FN u32 far_side(void *context)
{
    (void)context;
    wait(left);
    for (u32 i = 1; i < strokes; i++) {
        returned++;
        signal_and_wait(right, left);
    }
    returned++;
    NtSetEvent(right, NULL);
    return 0;
}

GUEST_FN void rally(void)
{
    HANDLE opponent = spawn(far_side, NULL);
    u32 completed = 0;
    for (u32 i = 0; i < strokes; i++)
        completed += signal_and_wait(left, right) == STATUS_WAIT_0;
    join(opponent);
    check(completed == strokes && returned == strokes, "every stroke came back");
}

GUEST_FN u32 changer(void *context)
{
    (void)context;
    wait(guard);
    value = 42;
    NtSetEvent(changed, NULL);
    NtReleaseMutant(guard, NULL);
    return 0;
}

/* Releases the mutant and waits in one step. */
GUEST_FN void condition_variable(void)
{
    wait(guard);
    HANDLE thread = spawn(changer, NULL);
    while (value != 42) {
        check(signal_and_wait(guard, changed) == STATUS_WAIT_0, "the change woke us");
        wait(guard);
    }
    NtReleaseMutant(guard, NULL);
    join(thread);
}

GUEST_FN void both_handles_are_resolved_first(void)
{
    const HANDLE bad = 0xBADC0DE0;
    HANDLE event = create_event(AUTO, 0), full = create_semaphore(1, 1);
    check(signal_and_wait(event, bad) == STATUS_INVALID_HANDLE, "a bad handle to wait for is refused");
    check(poll(event) == STATUS_TIMEOUT, "before the other is signalled");
    check(signal_and_wait(full, event) == STATUS_SEMAPHORE_LIMIT_EXCEEDED, "a refused release does not wait");
    check(signal_and_wait(guard, event) == STATUS_MUTANT_NOT_OWNED, "nor does a mutant of somebody else");
    NtClose(event);
    NtClose(full);
}

GUEST_FN u32 main(u32 arg)
{
    strokes = arg ? arg : 500;
    left = create_event(AUTO, 0);
    right = create_event(AUTO, 0);
    guard = create_mutant(0);
    changed = create_event(AUTO, 0);
    rally();
    condition_variable();
    both_handles_are_resolved_first();
    return conclude("signal_wait");
}
