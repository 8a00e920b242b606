/* An event that is created and awaited, and that nobody signals. --arg
     0  the renderer sets it: healthy (and silent with --fault stub:NtSetEvent)
     1  its creator hands it to NtReadFileScatter, an export that hosts leave out
     2  an event in memory, at 0x82010040, which its creator signals with KeSetEventBoostPriority, another such export */
#include "xbox.h"

enum { HEALTHY, SCATTER, BOOST };

static PINNED struct {
    u8 padding[0x40];
    KEVENT event;
} pinned;

static HANDLE device_ready;
static volatile u32 frames;

GUEST_FN u32 renderer(void *context)
{
    (void)context;
    compute(2000, 1);
    frames = 1;
    NtSetEvent(device_ready, NULL);
    return 0;
}

GUEST_FN void start_renderer(void)
{
    HANDLE thread = spawn(renderer, NULL);
    wait(device_ready);
    join(thread);
}

GUEST_FN void read_scattered(void)
{
    static IO_STATUS io;
    static u64 segments[4];
    const i64 offset = 0;
    NtReadFileScatter(0, device_ready, NULL, NULL, &io, segments, 4096, &offset);
    wait(device_ready);
}

GUEST_FN void boost(void)
{
    KeInitializeEvent(&pinned.event, AUTO, 0);
    KeSetEventBoostPriority(&pinned.event, NULL);
    KeWaitForSingleObject(&pinned.event, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER);
}

GUEST_FN u32 main(u32 arg)
{
    device_ready = create_event(MANUAL, 0);
    if (arg == SCATTER)
        read_scattered();
    else if (arg == BOOST)
        boost();
    else
        start_renderer();
    DbgPrint("silence: %u frames, %s\n", frames, ok_or_wrong(frames == 1));
    return frames != 1;
}
