/* Threads created suspended, which main then joins. --arg
     0  resumed: healthy; hangs with --fault resume-lost
     1  never resumed
     2  resumed through KeResumeThread: healthy; hangs with --fault resume-lost
     3  suspended twice, resumed once */
#include "xbox.h"

enum { RESUMED, NEVER_RESUMED, RESUMED_BY_POINTER, SUSPENDED_TWICE };

static volatile u32 ran;

GUEST_FN u32 network_thread(void *context)
{
    (void)context;
    compute(1000, 1);
    atomic_add(&ran, 1);
    return 0;
}

GUEST_FN void resume_by_pointer(HANDLE thread)
{
    void *kthread = NULL;
    ObReferenceObjectByHandle(thread, NULL, &kthread);
    KeResumeThread(kthread);
    ObDereferenceObject(kthread);
}

GUEST_FN HANDLE start_network(u32 variant)
{
    HANDLE thread = spawn_with(network_thread, NULL, CREATE_SUSPENDED);
    if (variant == SUSPENDED_TWICE)
        NtSuspendThread(thread, NULL);
    if (variant == RESUMED_BY_POINTER)
        resume_by_pointer(thread);
    else if (variant != NEVER_RESUMED)
        NtResumeThread(thread, NULL);
    return thread;
}

GUEST_FN u32 main(u32 arg)
{
    HANDLE thread = start_network(arg);
    join(thread);
    DbgPrint("late_start: %u ran, %s\n", ran, ok_or_wrong(ran == 1));
    return ran != 1;
}
