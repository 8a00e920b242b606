/* The presenter polls for the vertical blank and tells main of each frame. After 20 frames the blanking thread is gone;
   the presenter goes on polling, which no deadlock detector sees, and main waits for the next frame. --arg
     0  main wants 20 frames only: healthy
     1  the presenter waits with a timeout of 1 ms, again and again
     2  it polls with a zero timeout and naps
   1 and 2 need --watchdog. */
#include "xbox.h"

enum { BLANKS = 20 };

static HANDLE vertical_blank, frame_done;
static u32 variant;
static volatile u32 stop;

GUEST_FN u32 blanking(void *context)
{
    (void)context;
    for (u32 i = 0; i < BLANKS; i++) {
        NtReleaseSemaphore(vertical_blank, 1, NULL);
        delay(MILLISECONDS(1));
    }
    return 0;
}

GUEST_FN NTSTATUS look_for_blank(void)
{
    if (variant == 2) {
        delay(MILLISECONDS(1) / 4);
        return poll(vertical_blank);
    }
    return wait_for(vertical_blank, MILLISECONDS(1));
}

/* A frame a blank. */
GUEST_FN u32 presenter(void *context)
{
    (void)context;
    while (!atomic_load(&stop)) {
        if (look_for_blank() == STATUS_WAIT_0)
            NtReleaseSemaphore(frame_done, 1, NULL);
    }
    return 0;
}

GUEST_FN u32 main(u32 arg)
{
    u32 seen = 0, wanted = arg ? BLANKS + 1 : BLANKS;
    variant = arg;
    vertical_blank = create_semaphore(0, BLANKS);
    frame_done = create_semaphore(0, BLANKS);
    HANDLE first = spawn(blanking, NULL), second = spawn(presenter, NULL);
    while (seen < wanted && wait(frame_done) == STATUS_WAIT_0)
        seen++;
    atomic_store(&stop, 1);
    join(first);
    join(second);
    DbgPrint("busy_poll: %u frames, %s\n", seen, ok_or_wrong(seen == wanted));
    return seen != wanted;
}
