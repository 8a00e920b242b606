/* Main spins on a word in memory that nobody writes: it hangs, and no handle is to blame. Needs --max-instructions. */
#include "xbox.h"

static volatile u32 flag;

GUEST_FN u32 helper(void *context)
{
    (void)context;
    return compute(1000, 1);
}

GUEST_FN void spin_until_set(void)
{
    while (flag == 0)
        ;
}

GUEST_FN u32 main(u32 arg)
{
    (void)arg;
    join(spawn(helper, NULL));
    spin_until_set();
    DbgPrint("spin: set\n");
    return 0;
}
