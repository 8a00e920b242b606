/* Programs that look as if they hung, and do not: each finishes its job and returns 0. --arg
     0  an idle pool: eight workers parked for ever when main returns
     1  a long poll that succeeds at last        2  a signal that comes late
     3  timeouts that expire by design           4  a one-shot init event, signalled once and awaited by many
     5  pulses that hit nobody, then a set       6  a crash handler parked for ever on purpose
     7  events that nobody ever uses             8  a spare thread, created suspended and never resumed
     9  a timer armed for the next hour         10  sets that coalesce where one is enough
    11  mutants in opposite order, with timeouts and a retreat
    12  a heartbeat that stops once its listener has had enough
    13  an APC for a thread that never waits alertably, and need not
    14  a wait for any of two, one of which never comes
    15  unimplemented exports whose absence does not matter
    16  a long computation without a kernel call, awaited */
#include "xbox.h"

enum { WORKERS = 8 };

static HANDLE first, second, third;
static volatile u32 work, stop;

GUEST_FN u32 worker(void *context)
{
    (void)context;
    for (;;) {
        wait(first);
        atomic_add(&work, 1);
        NtReleaseSemaphore(second, 1, NULL);
    }
}

GUEST_FN u32 idle_pool(void)
{
    first = create_semaphore(0, 100);
    second = create_semaphore(0, 100);
    for (u32 i = 0; i < WORKERS; i++)
        spawn(worker, NULL);
    NtReleaseSemaphore(first, 100, NULL);
    for (u32 i = 0; i < 100; i++)
        wait(second);
    delay(MILLISECONDS(2));
    return work == 100;
}

GUEST_FN u32 late_setter(void *context)
{
    delay(MILLISECONDS((u32)context));
    NtSetEvent(first, NULL);
    return 0;
}

GUEST_FN u32 long_poll(void)
{
    first = create_event(AUTO, 0);
    HANDLE thread = spawn(late_setter, (void *)60);
    u32 polls = 0;
    while (wait_for(first, MILLISECONDS(1)) == STATUS_TIMEOUT)
        polls++;
    join(thread);
    return polls != 0;
}

GUEST_FN u32 late_signal(void)
{
    first = create_event(AUTO, 0);
    HANDLE thread = spawn(late_setter, (void *)80);
    NTSTATUS status = wait(first);
    join(thread);
    return status == STATUS_WAIT_0;
}

GUEST_FN u32 timeouts_by_design(void)
{
    u32 expired = 0;
    first = create_event(AUTO, 0);
    for (u32 i = 0; i < 40; i++)
        expired += wait_for(first, MILLISECONDS(1)) == STATUS_TIMEOUT;
    return expired == 40;
}

GUEST_FN u32 needs_init(void *context)
{
    (void)context;
    wait(first);
    atomic_add(&work, 1);
    return 0;
}

GUEST_FN u32 one_shot_init(void)
{
    HANDLE threads[WORKERS];
    first = create_event(MANUAL, 0);
    for (u32 i = 0; i < WORKERS; i++)
        threads[i] = spawn(needs_init, NULL);
    delay(MILLISECONDS(2));
    NtSetEvent(first, NULL);
    for (u32 i = 0; i < WORKERS; i++)
        join(threads[i]);
    return work == WORKERS;
}

GUEST_FN u32 spurious_pulses(void)
{
    first = create_event(MANUAL, 0);
    for (u32 i = 0; i < 10; i++)
        NtPulseEvent(first, NULL);
    HANDLE thread = spawn(needs_init, NULL);
    NtSetEvent(first, NULL);
    join(thread);
    NtPulseEvent(first, NULL);
    return work == 1;
}

GUEST_FN u32 crash_handler(void *context)
{
    (void)context;
    wait(third);
    return 1;
}

GUEST_FN u32 parked_on_purpose(void)
{
    third = create_event(MANUAL, 0);
    spawn(crash_handler, NULL);
    first = create_event(MANUAL, 0);
    HANDLE thread = spawn(late_setter, (void *)5);
    wait(first);
    join(thread);
    return 1;
}

GUEST_FN u32 unused_events(void)
{
    u32 made = 0;
    for (u32 i = 0; i < 20; i++)
        made += create_event(i % 2 ? MANUAL : AUTO, 0) != 0;
    return made == 20;
}

GUEST_FN u32 spare_thread(void)
{
    spawn_with(needs_init, NULL, CREATE_SUSPENDED);
    return timeouts_by_design();
}

GUEST_FN u32 timer_watcher(void *context)
{
    (void)context;
    wait(second);
    return 0;
}

GUEST_FN u32 timer_for_later(void)
{
    const i64 hour = MILLISECONDS(3600000);
    second = create_timer(AUTO);
    NtSetTimerEx(second, &hour, NULL, USER_MODE, NULL, 0, 0, 0);
    spawn(timer_watcher, NULL);
    delay(MILLISECONDS(5));
    return 1;
}

/* The event only says that there is something to look at. */
GUEST_FN u32 looker(void *context)
{
    (void)context;
    while (!atomic_load(&stop)) {
        wait(first);
        compute(500, 1);
    }
    return 0;
}

GUEST_FN u32 harmless_coalescing(void)
{
    first = create_event(AUTO, 0);
    HANDLE thread = spawn(looker, NULL);
    for (u32 i = 0; i < 50; i++)
        NtSetEvent(first, NULL);
    atomic_store(&stop, 1);
    NtSetEvent(first, NULL);
    join(thread);
    return 1;
}

GUEST_FN void take_both(HANDLE one, HANDLE other)
{
    for (;;) {
        wait(one);
        NTSTATUS status = wait_for(other, MILLISECONDS(1));
        if (status == STATUS_WAIT_0) {
            atomic_add(&work, 1);
            NtReleaseMutant(other, NULL);
        }
        NtReleaseMutant(one, NULL);
        if (status == STATUS_WAIT_0)
            return;
        delay(MILLISECONDS(current_tid() % 4));
    }
}

GUEST_FN u32 taker(void *context)
{
    if (context)
        take_both(first, second);
    else
        take_both(second, first);
    return 0;
}

GUEST_FN u32 retreat(void)
{
    first = create_mutant(0);
    second = create_mutant(0);
    HANDLE one = spawn(taker, (void *)1), other = spawn(taker, NULL);
    join(one);
    join(other);
    return work == 2;
}

GUEST_FN u32 beater(void *context)
{
    (void)context;
    for (u32 i = 0; i < 30; i++) {
        delay(MILLISECONDS(1));
        NtReleaseSemaphore(first, 1, NULL);
    }
    return 0;
}

GUEST_FN u32 heartbeat_had_its_time(void)
{
    first = create_semaphore(0, 100);
    HANDLE thread = spawn(beater, NULL);
    for (u32 i = 0; i < 30; i++)
        wait(first);
    join(thread);
    delay(MILLISECONDS(60));
    return 1;
}

GUEST_FN void optional_call(u32 arg1, u32 arg2, u32 arg3)
{
    atomic_add(&work, arg1 + arg2 + arg3);
}

GUEST_FN u32 apc_that_need_not_run(void)
{
    first = create_event(MANUAL, 0);
    HANDLE thread = spawn(needs_init, NULL);
    NtQueueApcThread(thread, optional_call, (void *)100, 0, 0);
    delay(MILLISECONDS(2));
    NtSetEvent(first, NULL);
    join(thread);
    return work == 1;
}

GUEST_FN u32 any_of_two(void)
{
    u32 right = 0;
    first = create_event(AUTO, 0);
    second = create_event(AUTO, 0);
    const HANDLE both[2] = { second, first };
    for (u32 i = 0; i < 20; i++) {
        HANDLE thread = spawn(late_setter, (void *)(i % 2));
        right += NtWaitForMultipleObjectsEx(2, both, WAIT_ANY, USER_MODE, NOT_ALERTABLE, FOR_EVER) == 1;
        join(thread);
    }
    return right == 20;
}

GUEST_FN u32 harmless_stubs(void)
{
    static u32 registration[4];
    KeEnterCriticalRegion();
    ExRegisterTitleTerminateNotification(registration, 1);
    NetDll_WSAStartup(1, 0x202, registration);
    KeLeaveCriticalRegion();
    return late_signal();
}

GUEST_FN u32 computes(void *context)
{
    (void)context;
    work = compute(60000000, 1) | 1;
    return 0;
}

GUEST_FN u32 long_computation(void)
{
    join(spawn(computes, NULL));
    return work != 0;
}

GUEST_FN u32 main(u32 arg)
{
    static u32 (*const stories[])(void) = {
        idle_pool, long_poll, late_signal, timeouts_by_design, one_shot_init, spurious_pulses, parked_on_purpose,
        unused_events, spare_thread, timer_for_later, harmless_coalescing, retreat, heartbeat_had_its_time,
        apc_that_need_not_run, any_of_two, harmless_stubs, long_computation,
    };
    u32 ok = arg < sizeof stories / sizeof stories[0] && stories[arg]();
    DbgPrint("suspicious: story %u, %s\n", arg, ok_or_wrong(ok));
    return !ok;
}
