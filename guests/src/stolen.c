/* Signals that were all consumed, by the wrong thread. --arg
     0  four tickets, two visitors with two each: healthy
     1  the greedy visitor takes all four
     2  an auto event that tells of two frames; the recorder takes both, the display none */
#include "xbox.h"

enum { FAIR, GREEDY, FRAMES };

static HANDLE tickets, frame_done, noted;
static volatile u32 rides;

GUEST_FN void ride(u32 times)
{
    while (times--) {
        wait(tickets);
        atomic_add(&rides, 1);
    }
}

GUEST_FN u32 greedy_visitor(void *context)
{
    ride((u32)context);
    return 0;
}

GUEST_FN u32 modest_visitor(void *context)
{
    (void)context;
    ride(2);
    return 0;
}

GUEST_FN void sell_tickets(u32 variant)
{
    NtReleaseSemaphore(tickets, 4, NULL);
    join(spawn(greedy_visitor, (void *)(variant == GREEDY ? 4 : 2)));
    join(spawn(modest_visitor, NULL));
}

GUEST_FN u32 recorder(void *context)
{
    (void)context;
    for (u32 i = 0; i < 2; i++) {
        wait(frame_done);
        atomic_add(&rides, 1);
        NtSetEvent(noted, NULL);
    }
    return 0;
}

GUEST_FN u32 display(void *context)
{
    (void)context;
    wait(frame_done);
    atomic_add(&rides, 1);
    return 0;
}

GUEST_FN void draw_frames(void)
{
    HANDLE first = spawn(recorder, NULL);
    for (u32 i = 0; i < 2; i++) {
        NtSetEvent(frame_done, NULL);
        wait(noted);
    }
    join(first);
    join(spawn(display, NULL));
}

GUEST_FN u32 main(u32 arg)
{
    tickets = create_semaphore(0, 8);
    frame_done = create_event(AUTO, 0);
    noted = create_event(AUTO, 0);
    if (arg == FRAMES)
        draw_frames();
    else
        sell_tickets(arg);
    DbgPrint("stolen: %u rides, %s\n", rides, ok_or_wrong(rides == 4));
    return rides != 4;
}
