/* Threads: ids, suspension, affinity, termination, and the thread object as something to wait for. Healthy. */
#include "check.h"

enum { SLEEPS = 10, HARDWARE_THREADS = 6 };

static HANDLE woke;
static volatile u32 ran, wakes;

HELPER u32 hardware_thread(void)
{
    return *(volatile u8 *)(processor_control + 0x10C);
}

GUEST_FN u32 note_tid(void *context)
{
    *(volatile u32 *)context = current_tid();
    return 0;
}

GUEST_FN void ids(void)
{
    u32 given = 0;
    volatile u32 seen = 0;
    HANDLE thread = 0;
    check(current_tid() == 1, "the main thread is tid 1");
    ExCreateThread(&thread, 0x4000, &given, NULL, note_tid, (void *)&seen, 0);
    join(thread);
    check(seen == given && given != 1, "a thread has the tid that its creator was given");
}

GUEST_FN u32 note_run(void *context)
{
    (void)context;
    atomic_add(&ran, 1);
    return 0;
}

GUEST_FN void created_suspended(void)
{
    u32 previous = 9;
    HANDLE thread = spawn_with(note_run, NULL, CREATE_SUSPENDED);
    delay(MILLISECONDS(1));
    check(ran == 0, "a thread created suspended does not run");
    NtSuspendThread(thread, &previous);
    check(previous == 1, "suspensions count");
    NtResumeThread(thread, &previous);
    check(previous == 2, "and are taken back one by one");
    delay(MILLISECONDS(1));
    check(ran == 0, "one resume is not enough for two");
    NtResumeThread(thread, &previous);
    join(thread);
    check(ran == 1, "the last resume lets it run");
}

GUEST_FN void resumed_by_pointer(void)
{
    void *kthread = NULL;
    HANDLE thread = spawn_with(note_run, NULL, CREATE_SUSPENDED);
    check(ObReferenceObjectByHandle(thread, NULL, &kthread) == STATUS_SUCCESS && kthread, "a handle leads to its object");
    KeSetBasePriorityThread(kthread, 2);
    check(KeResumeThread(kthread) == 1, "KeResumeThread returns the count before");
    ObDereferenceObject(kthread);
    join(thread);
    check(ran == 2, "and lets the thread run");
}

GUEST_FN u32 sleeper(void *context)
{
    (void)context;
    for (u32 i = 0; i < SLEEPS; i++) {
        NtSuspendThread(CURRENT_THREAD, NULL);
        atomic_add(&wakes, 1);
        NtSetEvent(woke, NULL);
    }
    return 0;
}

GUEST_FN void suspends_itself(void)
{
    HANDLE thread = spawn(sleeper, NULL);
    for (u32 i = 1; i <= SLEEPS; i++) {
        for (u32 previous = 0; previous == 0;) {
            NtResumeThread(thread, &previous);
            NtYieldExecution();
        }
        wait(woke);
        check(wakes == i, "one resume, one wake");
    }
    join(thread);
}

GUEST_FN u32 stay_home(void *context)
{
    u32 home = (u32)context, away = 0;
    for (u32 i = 0; i < 20; i++) {
        away += hardware_thread() != home;
        NtYieldExecution();
    }
    check(away == 0, "affinity holds");
    return 0;
}

GUEST_FN void affinity(void)
{
    HANDLE threads[HARDWARE_THREADS];
    u32 previous = 0;
    for (u32 i = 0; i < HARDWARE_THREADS; i++)
        threads[i] = spawn_with(stay_home, (void *)i, ON_HARDWARE_THREAD(i));
    for (u32 i = 0; i < HARDWARE_THREADS; i++)
        join(threads[i]);
    KeSetAffinityThread(current_kthread(), 1 << 3, &previous);
    NtYieldExecution();
    check(hardware_thread() == 3, "a thread moves to where it may run");
    KeSetAffinityThread(current_kthread(), previous, NULL);
}

GUEST_FN void leave_early(void)
{
    ExTerminateThread(5);
}

GUEST_FN u32 terminated(void *context)
{
    (void)context;
    leave_early();
    atomic_add(&ran, 100);
    return 0;
}

GUEST_FN void exit_signals(void)
{
    HANDLE thread = spawn(terminated, NULL);
    check(wait(thread) == STATUS_WAIT_0, "a thread that ended is signalled");
    check(poll(thread) == STATUS_WAIT_0, "for good");
    check(ran == 2, "ExTerminateThread does not return");
    NtClose(thread);
}

GUEST_FN u32 main(u32 arg)
{
    (void)arg;
    woke = create_event(AUTO, 0);
    ids();
    created_suspended();
    resumed_by_pointer();
    suspends_itself();
    affinity();
    exit_signals();
    return conclude("threads");
}
