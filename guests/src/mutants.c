/* Mutants: recursion, ownership, hand-over under contention, and the mutant of a thread that died. Healthy.
   --arg N: rounds of each contender. */
#include "check.h"

enum { CONTENDERS = 6 };

static HANDLE guard, taken;
static u32 guarded, rounds;
static volatile u32 refused;

GUEST_FN u32 try_to_release(void *context)
{
    (void)context;
    check(NtReleaseMutant(guard, NULL) == STATUS_MUTANT_NOT_OWNED, "only the owner may release");
    check(poll(guard) == STATUS_TIMEOUT, "and nobody else acquires");
    return 0;
}

GUEST_FN void recursion_and_ownership(void)
{
    check(wait(guard) == STATUS_WAIT_0 && wait(guard) == STATUS_WAIT_0, "the owner acquires again");
    join(spawn(try_to_release, NULL));
    check(NtReleaseMutant(guard, NULL) == STATUS_SUCCESS, "released once");
    join(spawn(try_to_release, NULL));
    check(NtReleaseMutant(guard, NULL) == STATUS_SUCCESS, "released twice");
    check(NtReleaseMutant(guard, NULL) == STATUS_MUTANT_NOT_OWNED, "then it is free");
}

/* Yields while it holds the mutant, so that the next round is nearly always a hand-over. */
GUEST_FN u32 contender(void *context)
{
    (void)context;
    for (u32 i = 0; i < rounds; i++) {
        wait(guard);
        u32 seen = guarded;
        NtYieldExecution();
        guarded = seen + 1;
        if (NtReleaseMutant(guard, NULL) != STATUS_SUCCESS)
            atomic_add(&refused, 1);
    }
    return 0;
}

GUEST_FN void hand_over(void)
{
    HANDLE threads[CONTENDERS];
    for (u32 i = 0; i < CONTENDERS; i++)
        threads[i] = spawn(contender, NULL);
    for (u32 i = 0; i < CONTENDERS; i++)
        join(threads[i]);
    check(guarded == CONTENDERS * rounds, "no increment was lost");
    check(refused == 0, "whoever was let in could release");
}

GUEST_FN u32 die_as_owner(void *context)
{
    wait((HANDLE)context);
    NtSetEvent(taken, NULL);
    ExTerminateThread(0);
}

GUEST_FN void abandoned(void)
{
    HANDLE mutant = create_mutant(0);
    HANDLE owner = spawn(die_as_owner, (void *)mutant);
    wait(taken);
    check(wait(mutant) == STATUS_ABANDONED_WAIT_0, "the heir is told that the owner died");
    check(NtReleaseMutant(mutant, NULL) == STATUS_SUCCESS, "and owns the mutant");
    check(poll(mutant) == STATUS_WAIT_0, "told once");
    NtReleaseMutant(mutant, NULL);
    join(owner);
    NtClose(mutant);
}

GUEST_FN u32 main(u32 arg)
{
    rounds = arg ? arg : 100;
    guard = create_mutant(0);
    taken = create_event(AUTO, 0);
    recursion_and_ownership();
    hand_over();
    abandoned();
    return conclude("mutants");
}
