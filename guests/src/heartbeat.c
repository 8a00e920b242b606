/* The audio clock beats every 2 ms; main counts the beats. A janitor keeps the run going for a while after the last. --arg
     0  60 beats are sent, 60 wanted: healthy
     1  the clock stops after 40
     2  the clock stops after 40; it sets an event in memory, at 0x82010040 */
#include "xbox.h"

enum { ALL = 60, SOME = 40, JANITOR_MS = 150 };

static PINNED struct {
    u8 padding[0x40];
    KEVENT beat;
} pinned;

static HANDLE beat;
static u32 in_memory, beats_sent;

GUEST_FN u32 audio_clock(void *context)
{
    (void)context;
    for (u32 i = 0; i < beats_sent; i++) {
        delay(MILLISECONDS(2));
        if (in_memory)
            KeSetEvent(&pinned.beat, 0, 0);
        else
            NtReleaseSemaphore(beat, 1, NULL);
    }
    return 0;
}

GUEST_FN u32 janitor(void *context)
{
    (void)context;
    delay(MILLISECONDS(JANITOR_MS));
    return 0;
}

GUEST_FN void listen(void)
{
    if (in_memory)
        KeWaitForSingleObject(&pinned.beat, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER);
    else
        wait(beat);
}

GUEST_FN u32 main(u32 arg)
{
    u32 heard = 0;
    in_memory = arg == 2;
    beats_sent = arg ? SOME : ALL;
    KeInitializeEvent(&pinned.beat, AUTO, 0);
    beat = create_semaphore(0, ALL);
    HANDLE clock = spawn(audio_clock, NULL), cleaner = spawn(janitor, NULL);
    for (; heard < ALL; heard++)
        listen();
    join(clock);
    join(cleaner);
    DbgPrint("heartbeat: %u beats, %s\n", heard, ok_or_wrong(heard == ALL));
    return heard != ALL;
}
