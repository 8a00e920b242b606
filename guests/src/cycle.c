/* Cycles through objects that have an owner. Who takes what when is fixed by events, so the cycle always closes. --arg
     0  the same objects, taken in one order: healthy
     1  two critical sections, at 0x82010040 and 0x82010060
     2  main holds a mutant and joins a thread that wants it
     3  three mutants and three threads */
#include "xbox.h"

enum { HEALTHY, SECTIONS, JOIN, THREE };

static PINNED struct {
    u8 padding[0x40];
    CRITICAL_SECTION left;
    u32 gap;
    CRITICAL_SECTION right;
} pinned;

static HANDLE mutants[3], taken;
static volatile u32 holders, done;

/* Everybody holds one before anybody asks for a second. */
GUEST_FN void meet(u32 threads)
{
    if (atomic_add(&holders, 1) == threads - 1)
        NtSetEvent(taken, NULL);
    wait(taken);
}

GUEST_FN u32 left_then_right(void *context)
{
    RtlEnterCriticalSection(&pinned.left);
    if (context)
        meet(2);
    RtlEnterCriticalSection(&pinned.right);
    atomic_add(&done, 1);
    RtlLeaveCriticalSection(&pinned.right);
    RtlLeaveCriticalSection(&pinned.left);
    return 0;
}

GUEST_FN u32 right_then_left(void *context)
{
    RtlEnterCriticalSection(&pinned.right);
    if (context)
        meet(2);
    RtlEnterCriticalSection(&pinned.left);
    atomic_add(&done, 1);
    RtlLeaveCriticalSection(&pinned.left);
    RtlLeaveCriticalSection(&pinned.right);
    return 0;
}

GUEST_FN u32 around_the_table(void *context)
{
    u32 seat = (u32)context;
    wait(mutants[seat]);
    meet(3);
    wait(mutants[(seat + 1) % 3]);
    atomic_add(&done, 1);
    NtReleaseMutant(mutants[(seat + 1) % 3], NULL);
    NtReleaseMutant(mutants[seat], NULL);
    return 0;
}

GUEST_FN u32 saver(void *context)
{
    (void)context;
    wait(mutants[0]);
    atomic_add(&done, 2);
    NtReleaseMutant(mutants[0], NULL);
    return 0;
}

GUEST_FN void save_and_quit(void)
{
    wait(mutants[0]);
    HANDLE thread = spawn(saver, NULL);
    join(thread);
    NtReleaseMutant(mutants[0], NULL);
}

GUEST_FN u32 main(u32 arg)
{
    HANDLE threads[3];
    u32 count = arg == THREE ? 3 : 2;
    for (u32 i = 0; i < 3; i++)
        mutants[i] = create_mutant(0);
    taken = create_event(MANUAL, 0);
    RtlInitializeCriticalSection(&pinned.left);
    RtlInitializeCriticalSection(&pinned.right);
    if (arg == JOIN) {
        save_and_quit();
    } else {
        for (u32 i = 0; i < count; i++)
            threads[i] = arg == THREE                ? spawn(around_the_table, (void *)i)
                         : arg == SECTIONS && i == 1 ? spawn(right_then_left, (void *)1)
                                                     : spawn(left_then_right, (void *)(arg == SECTIONS));
        for (u32 i = 0; i < count; i++)
            join(threads[i]);
    }
    DbgPrint("cycle: %u done, %s\n", done, ok_or_wrong(done == 2));
    return done != 2;
}
