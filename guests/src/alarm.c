/* Timers that main relies on. --arg
     0  armed: healthy; hangs with --fault timer-never
     1  never armed
     2  cancelled by a helper before it is due
     3  periodic, five ticks: healthy; hangs with --fault timer-once */
#include "xbox.h"

enum { ARMED, NEVER_ARMED, CANCELLED, PERIODIC };

static HANDLE timer;

GUEST_FN void arm_timer(i64 due, u32 period_ms)
{
    NtSetTimerEx(timer, &due, NULL, USER_MODE, NULL, 0, period_ms, 0);
}

GUEST_FN u32 careless_helper(void *context)
{
    (void)context;
    NtCancelTimer(timer, NULL);
    return 0;
}

GUEST_FN u32 wait_for_ticks(u32 ticks)
{
    u32 heard = 0;
    while (heard < ticks && wait(timer) == STATUS_WAIT_0)
        heard++;
    return heard;
}

GUEST_FN u32 main(u32 arg)
{
    u32 ticks = arg == PERIODIC ? 5 : 1;
    timer = create_timer(AUTO);
    if (arg == CANCELLED)
        arm_timer(MILLISECONDS(60000), 0);
    else if (arg != NEVER_ARMED)
        arm_timer(MILLISECONDS(3), arg == PERIODIC ? 3 : 0);
    if (arg == CANCELLED)
        join(spawn(careless_helper, NULL));
    u32 heard = wait_for_ticks(ticks);
    NtCancelTimer(timer, NULL);
    DbgPrint("alarm: %u ticks, %s\n", heard, ok_or_wrong(heard == ticks));
    return heard != ticks;
}
