/* Semaphores: counts, limits, and a producer that relies on the limit to be held back. Healthy. --arg N: items. */
#include "check.h"

enum { CONSUMERS = 3, ROOM = 4 };

static HANDLE items;
static volatile u32 next_item, consumed;
static u32 item_count;

GUEST_FN void counts_and_limits(void)
{
    i32 previous = 9;
    HANDLE semaphore = create_semaphore(1, 3);
    check(NtReleaseSemaphore(semaphore, 2, &previous) == STATUS_SUCCESS && previous == 1, "release returns the count before");
    check(NtReleaseSemaphore(semaphore, 1, NULL) == STATUS_SEMAPHORE_LIMIT_EXCEEDED, "a release over the limit is refused");
    for (u32 i = 0; i < 3; i++)
        check(poll(semaphore) == STATUS_WAIT_0, "each unit is taken once");
    check(poll(semaphore) == STATUS_TIMEOUT, "the refused release changed nothing");
    NtClose(semaphore);
}

GUEST_FN void semaphores_in_memory(void)
{
    static KSEMAPHORE semaphore;
    KeInitializeSemaphore(&semaphore, 0, 5);
    check(semaphore.header.type == SEMAPHORE && semaphore.limit == 5, "KeInitializeSemaphore writes the header");
    check(KeReleaseSemaphore(&semaphore, 0, 2, 0) == 0, "KeReleaseSemaphore returns the count before");
    check(semaphore.header.signal_state == 2, "the header shows the count");
    check(KeWaitForSingleObject(&semaphore, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER) == STATUS_WAIT_0, "a wait takes one");
    check(semaphore.header.signal_state == 1, "and one is left");
}

GUEST_FN u32 consumer(void *context)
{
    u32 sum = 0;
    (void)context;
    for (;;) {
        wait(items);
        u32 item = atomic_add(&next_item, 1);
        if (item >= item_count)
            break;
        sum += compute(100, item);
    }
    atomic_add(&consumed, sum);
    return 0;
}

/* Produces one unit; when the semaphore is full, tries again later. A kernel that says yes and forgets loses units. */
GUEST_FN void produce(void)
{
    while (NtReleaseSemaphore(items, 1, NULL) == STATUS_SEMAPHORE_LIMIT_EXCEEDED)
        NtYieldExecution();
}

GUEST_FN void held_back_by_the_limit(void)
{
    HANDLE consumers[CONSUMERS];
    u32 expected = 0;
    items = create_semaphore(0, ROOM);
    for (u32 i = 0; i < item_count; i++)
        expected += compute(100, i);
    for (u32 i = 0; i < ROOM + 1; i++)
        if (i < ROOM)
            produce();
        else
            check(NtReleaseSemaphore(items, 1, NULL) == STATUS_SEMAPHORE_LIMIT_EXCEEDED, "full before anybody consumes");
    for (u32 i = 0; i < CONSUMERS; i++)
        consumers[i] = spawn(consumer, NULL);
    for (u32 i = ROOM; i < item_count + CONSUMERS; i++)
        produce();
    for (u32 i = 0; i < CONSUMERS; i++)
        join(consumers[i]);
    check(consumed == expected, "every item was consumed once");
}

GUEST_FN u32 main(u32 arg)
{
    item_count = arg > ROOM ? arg : 500;
    counts_and_limits();
    semaphores_in_memory();
    held_back_by_the_limit();
    return conclude("semaphores");
}
