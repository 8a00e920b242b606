/* Timers: one-shot, periodic, cancelled, absolute, and with an APC. Healthy. --arg N: ticks of the periodic one. */
#include "check.h"

static volatile u32 apc_runs;

HELPER NTSTATUS arm(HANDLE timer, i64 due, u32 period_ms)
{
    return NtSetTimerEx(timer, &due, NULL, USER_MODE, NULL, 0, period_ms, 0);
}

GUEST_FN void one_shot(void)
{
    HANDLE automatic = create_timer(AUTO), manual = create_timer(MANUAL);
    arm(automatic, MILLISECONDS(1), 0);
    arm(manual, MILLISECONDS(1), 0);
    check(wait(automatic) == STATUS_WAIT_0, "an auto timer fires");
    check(poll(automatic) == STATUS_TIMEOUT, "and is consumed");
    check(wait(manual) == STATUS_WAIT_0, "a manual timer fires");
    check(poll(manual) == STATUS_WAIT_0, "and stays set");
    arm(manual, MILLISECONDS(1000000), 0);
    check(poll(manual) == STATUS_TIMEOUT, "arming clears it");
    NtCancelTimer(manual, NULL);
    NtClose(automatic);
    NtClose(manual);
}

GUEST_FN void periodic(u32 ticks)
{
    HANDLE metronome = create_timer(AUTO);
    u32 heard = 0;
    arm(metronome, MILLISECONDS(1), 1);
    while (heard < ticks && wait(metronome) == STATUS_WAIT_0)
        heard++;
    check(heard == ticks, "a periodic timer keeps firing");
    NtCancelTimer(metronome, NULL);
    poll(metronome);
    check(wait_for(metronome, MILLISECONDS(5)) == STATUS_TIMEOUT, "until it is cancelled");
    NtClose(metronome);
}

GUEST_FN void absolute_time_in_the_past(void)
{
    HANDLE timer = create_timer(MANUAL), never = create_event(AUTO, 0);
    arm(timer, 1, 0);
    check(wait(timer) == STATUS_WAIT_0, "a due time that is past fires at once");
    check(wait_for(never, 1) == STATUS_TIMEOUT, "a timeout that is past expires at once");
    NtClose(timer);
    NtClose(never);
}

GUEST_FN void on_timer(void *context, u32 time_low, u32 time_high)
{
    (void)time_low;
    (void)time_high;
    atomic_add(&apc_runs, (u32)context);
}

GUEST_FN void with_apc(void)
{
    const i64 due = MILLISECONDS(1), rest = MILLISECONDS(10000);
    HANDLE timer = create_timer(AUTO);
    NtSetTimerEx(timer, &due, on_timer, USER_MODE, (void *)3, 0, 0, 0);
    NTSTATUS status = KeDelayExecutionThread(USER_MODE, ALERTABLE, &rest);
    check(status == STATUS_USER_APC, "the timer's APC ends an alertable delay");
    check(apc_runs == 3, "and ran once, with its context");
    NtClose(timer);
}

GUEST_FN u32 main(u32 arg)
{
    one_shot();
    periodic(arg ? arg : 20);
    absolute_time_in_the_past();
    with_apc();
    return conclude("timers");
}
