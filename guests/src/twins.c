/* Objects made by one function, told apart by their variables alone. --arg
     0  the decoder sets what main waits for: healthy
     1  main waits for one event, the decoder sets its twin
     2  main waits for the second queue, the feeder feeds the third */
#include "xbox.h"

enum { RIGHT, WRONG_EVENT, WRONG_QUEUE };

static HANDLE loaded, decoded, queues[3];
static u32 variant;
static volatile u32 work;

/* The one place that creates events: both twins have its address as their creator's. */
GUEST_FN HANDLE make_event(void)
{
    return create_event(AUTO, 0);
}

GUEST_FN void make_queues(void)
{
    for (u32 i = 0; i < 3; i++)
        queues[i] = create_semaphore(0, 4);
}

GUEST_FN u32 decoder(void *context)
{
    (void)context;
    work = 1;
    NtSetEvent(variant == WRONG_EVENT ? decoded : loaded, NULL);
    return 0;
}

GUEST_FN u32 feeder(void *context)
{
    (void)context;
    work = 1;
    NtReleaseSemaphore(queues[2], 1, NULL);
    return 0;
}

GUEST_FN void wait_for_event(void)
{
    HANDLE thread = spawn(decoder, NULL);
    wait(loaded);
    join(thread);
}

GUEST_FN void wait_for_queue(void)
{
    HANDLE thread = spawn(feeder, NULL);
    wait(queues[1]);
    join(thread);
}

GUEST_FN u32 main(u32 arg)
{
    variant = arg;
    loaded = make_event();
    decoded = make_event();
    make_queues();
    if (variant == WRONG_QUEUE)
        wait_for_queue();
    else
        wait_for_event();
    DbgPrint("twins: work %u, %s\n", work, ok_or_wrong(work == 1));
    return work != 1;
}
