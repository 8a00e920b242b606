/* Two threads hand a number back and forth through two auto events; a semaphore counts the rounds that ended, and main
   joins its partner. Healthy. */
#include "xbox.h"

static HANDLE ping, pong, rounds_done;
static volatile u32 ball;
static u32 rounds, heard;

GUEST_FN u32 echo(void *context)
{
    (void)context;
    for (u32 i = 0; i < rounds; i++) {
        wait(ping);
        heard += ball;
        ball = ~ball;
        NtReleaseSemaphore(rounds_done, 1, NULL);
        NtSetEvent(pong, NULL);
    }
    return heard;
}

GUEST_FN u32 serve(void)
{
    u32 returned = 0;
    for (u32 i = 1; i <= rounds; i++) {
        ball = i;
        NtSetEvent(ping, NULL);
        wait(pong);
        returned += ball == ~i;
    }
    return returned;
}

GUEST_FN u32 count_rounds(void)
{
    u32 counted = 0;
    while (poll(rounds_done) == STATUS_WAIT_0)
        counted++;
    return counted;
}

GUEST_FN u32 main(u32 arg)
{
    rounds = arg ? arg : 1000;
    ping = create_event(AUTO, 0);
    pong = create_event(AUTO, 0);
    rounds_done = create_semaphore(0, (i32)rounds);
    HANDLE partner = spawn(echo, NULL);
    u32 returned = serve();
    join(partner);
    u32 counted = count_rounds();
    u32 ok = heard == rounds * (rounds + 1) / 2 && returned == rounds && counted == rounds;
    NtClose(ping);
    NtClose(pong);
    NtClose(rounds_done);
    DbgPrint("pingpong: %u rounds, sum %u, %s\n", rounds, heard, ok_or_wrong(ok));
    return !ok;
}
