/* Two threads take two mutants, in opposite order, each once the other holds its first: they block each other for ever,
   and main with them. --arg 1: both take them in the same order, which is healthy. */
#include "xbox.h"

static HANDLE world_mutant, sound_mutant, world_held, sound_held;
static u32 same_order;
static volatile u32 steps;

GUEST_FN void take_both(HANDLE first, HANDLE second, HANDLE mine_held, HANDLE other_held)
{
    wait(first);
    NtSetEvent(mine_held, NULL);
    if (!same_order)
        wait(other_held);
    wait(second);
    atomic_add(&steps, 1);
    NtReleaseMutant(second, NULL);
    NtReleaseMutant(first, NULL);
}

GUEST_FN u32 physics(void *context)
{
    (void)context;
    take_both(world_mutant, sound_mutant, world_held, sound_held);
    return 0;
}

GUEST_FN u32 mixer(void *context)
{
    (void)context;
    if (same_order)
        take_both(world_mutant, sound_mutant, sound_held, world_held);
    else
        take_both(sound_mutant, world_mutant, sound_held, world_held);
    return 0;
}

GUEST_FN u32 main(u32 arg)
{
    same_order = arg == 1;
    world_mutant = create_mutant(0);
    sound_mutant = create_mutant(0);
    world_held = create_event(MANUAL, 0);
    sound_held = create_event(MANUAL, 0);
    HANDLE first = spawn(physics, NULL);
    HANDLE second = spawn(mixer, NULL);
    join(first);
    join(second);
    DbgPrint("deadlock: %u of 2 threads got both mutants, %s\n", steps, ok_or_wrong(steps == 2));
    return steps != 2;
}
