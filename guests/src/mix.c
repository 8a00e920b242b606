/* A mix of all families, drawn from a seed: the guest for a hunt after lost wakes. Twelve threads hold 600 meetings, each
   of two threads with objects of one family. Everybody attends the meetings in the order of their numbers, so the
   lowest one that is not over always has both its threads on the way to it: no correct kernel can hang here, and what
   each meeting leaves behind depends on the seed alone. --arg N: the seed (1 when 0). */
#include "xbox.h"

enum { THREADS = 12, MEETINGS = 600 };

struct meeting {
    u32 dice, family, left, right;
    HANDLE a, b;
    KEVENT event;
    CRITICAL_SECTION section;
    volatile u32 result, over;
};

static struct meeting meetings[MEETINGS];
static HANDLE threads[THREADS];

HELPER u32 rounds_of(const struct meeting *m)
{
    return 1 + m->dice % 7;
}

/* Auto events: there and back. */
GUEST_FN void auto_left(struct meeting *m)
{
    m->result = ~m->dice;
    NtSetEvent(m->a, NULL);
    wait(m->b);
}

GUEST_FN void auto_right(struct meeting *m)
{
    wait(m->a);
    m->result = ~m->result;
    NtSetEvent(m->b, NULL);
}

/* A manual event: set, cleared, set for good. */
GUEST_FN void manual_left(struct meeting *m)
{
    m->result = m->dice;
    NtSetEvent(m->a, NULL);
    NtClearEvent(m->a);
    NtSetEvent(m->a, NULL);
}

GUEST_FN void manual_right(struct meeting *m)
{
    wait(m->a);
    wait(m->a);
}

/* A semaphore: several units, taken one by one. */
GUEST_FN void semaphore_left(struct meeting *m)
{
    for (u32 i = 0; i < rounds_of(m); i++)
        NtReleaseSemaphore(m->a, 1, NULL);
}

GUEST_FN void semaphore_right(struct meeting *m)
{
    for (u32 i = 0; i < rounds_of(m); i++)
        wait(m->a);
    m->result = m->dice;
}

/* A mutant: both add half under it. */
GUEST_FN void add_under_mutant(struct meeting *m)
{
    for (u32 i = 0; i < rounds_of(m); i++) {
        wait(m->a);
        u32 seen = m->result;
        compute(m->dice % 64, seen);
        m->result = seen + 1;
        NtReleaseMutant(m->a, NULL);
    }
}

/* A critical section: the same. */
GUEST_FN void add_in_section(struct meeting *m)
{
    for (u32 i = 0; i < rounds_of(m); i++) {
        RtlEnterCriticalSection(&m->section);
        u32 seen = m->result;
        compute(m->dice % 512, seen);
        m->result = seen + 1;
        RtlLeaveCriticalSection(&m->section);
    }
}

/* A timer: armed by one, awaited by the other. */
GUEST_FN void timer_left(struct meeting *m)
{
    const i64 due = -(i64)(m->dice % 2000);
    m->result = m->dice;
    NtSetTimerEx(m->a, &due, NULL, USER_MODE, NULL, 0, 0, 0);
}

GUEST_FN void timer_right(struct meeting *m)
{
    wait(m->a);
}

/* Wait for any: only the second will come. */
GUEST_FN void any_left(struct meeting *m)
{
    NtSetEvent(m->b, NULL);
}

GUEST_FN void any_right(struct meeting *m)
{
    const HANDLE both[2] = { m->a, m->b };
    m->result = m->dice - 1 + NtWaitForMultipleObjectsEx(2, both, WAIT_ANY, USER_MODE, NOT_ALERTABLE, FOR_EVER);
}

/* Wait for all: they come one after the other. */
GUEST_FN void all_left(struct meeting *m)
{
    NtSetEvent(m->b, NULL);
    NtReleaseSemaphore(m->a, 1, NULL);
}

GUEST_FN void all_right(struct meeting *m)
{
    const HANDLE both[2] = { m->a, m->b };
    m->result = m->dice + NtWaitForMultipleObjectsEx(2, both, WAIT_ALL, USER_MODE, NOT_ALERTABLE, FOR_EVER);
}

/* Signal and wait, as one step. */
GUEST_FN void signal_and_wait_left(struct meeting *m)
{
    NtSignalAndWaitForSingleObjectEx(m->a, m->b, NOT_ALERTABLE, USER_MODE, FOR_EVER);
}

/* A completion port: one packet carries the result. */
GUEST_FN void port_left(struct meeting *m)
{
    NtSetIoCompletion(m->a, m->dice, 0, STATUS_SUCCESS, 0);
}

GUEST_FN void port_right(struct meeting *m)
{
    u32 key = 0, context = 0;
    IO_STATUS io;
    NtRemoveIoCompletion(m->a, &key, &context, &io, FOR_EVER);
    m->result = key;
}

/* A user APC: it may also arrive in an earlier alertable wait. */
GUEST_FN void leave_result(struct meeting *m, u32 dice, u32 arg3)
{
    m->result = dice + arg3;
}

GUEST_FN void apc_left(struct meeting *m)
{
    NtQueueApcThread(threads[m->right], leave_result, m, m->dice, 0);
}

GUEST_FN void apc_right(struct meeting *m)
{
    while (m->result == 0)
        NtWaitForSingleObjectEx(m->a, USER_MODE, ALERTABLE, FOR_EVER);
}

/* Pulses until one hits. */
GUEST_FN void pulse_left(struct meeting *m)
{
    do
        NtPulseEvent(m->a, NULL);
    while (wait_for(m->b, MILLISECONDS(1) / 20) == STATUS_TIMEOUT);
}

/* A thread of its own, created suspended. */
GUEST_FN u32 child(void *context)
{
    struct meeting *m = context;
    m->result = m->dice;
    NtSetEvent(m->a, NULL);
    return 0;
}

GUEST_FN void child_left(struct meeting *m)
{
    HANDLE thread = spawn_with(child, m, CREATE_SUSPENDED);
    NtResumeThread(thread, NULL);
    join(thread);
}

GUEST_FN void child_right(struct meeting *m)
{
    wait(m->a);
}

/* A duplicate: set through one handle, awaited through the other. */
GUEST_FN void duplicate_left(struct meeting *m)
{
    HANDLE twin = 0;
    NtDuplicateObject(m->a, &twin, 0);
    m->result = m->dice;
    NtSetEvent(twin, NULL);
    NtClose(twin);
}

/* An event in guest memory. */
GUEST_FN void memory_left(struct meeting *m)
{
    m->result = m->dice;
    KeSetEvent(&m->event, 0, 0);
}

GUEST_FN void memory_right(struct meeting *m)
{
    KeWaitForSingleObject(&m->event, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER);
}

/* A timeout that expires by design, while the other delays. */
GUEST_FN void timeout_left(struct meeting *m)
{
    delay(-(i64)(m->dice % 1000));
}

GUEST_FN void timeout_right(struct meeting *m)
{
    m->result = m->dice - STATUS_TIMEOUT + wait_for(m->a, -(i64)(m->dice % 1000));
}

enum { NO_OBJECT, AUTO_EVENT, MANUAL_EVENT, UNITS, LOCK, CLOCK, PORT };

struct family {
    void (*left)(struct meeting *m);
    void (*right)(struct meeting *m);
    u8 a, b;
};

static const struct family families[] = {
    { auto_left, auto_right, AUTO_EVENT, AUTO_EVENT },
    { manual_left, manual_right, MANUAL_EVENT, NO_OBJECT },
    { semaphore_left, semaphore_right, UNITS, NO_OBJECT },
    { add_under_mutant, add_under_mutant, LOCK, NO_OBJECT },
    { add_in_section, add_in_section, NO_OBJECT, NO_OBJECT },
    { timer_left, timer_right, CLOCK, NO_OBJECT },
    { any_left, any_right, AUTO_EVENT, AUTO_EVENT },
    { all_left, all_right, UNITS, AUTO_EVENT },
    { signal_and_wait_left, auto_right, AUTO_EVENT, AUTO_EVENT },
    { port_left, port_right, PORT, NO_OBJECT },
    { apc_left, apc_right, AUTO_EVENT, NO_OBJECT },
    { pulse_left, auto_right, MANUAL_EVENT, AUTO_EVENT },
    { child_left, child_right, MANUAL_EVENT, NO_OBJECT },
    { duplicate_left, child_right, AUTO_EVENT, NO_OBJECT },
    { memory_left, memory_right, NO_OBJECT, NO_OBJECT },
    { timeout_left, timeout_right, AUTO_EVENT, NO_OBJECT },
};
enum { FAMILIES = sizeof families / sizeof families[0], MUTANT_FAMILY = 3, SECTION_FAMILY = 4 };

/* What the meeting must leave behind. */
GUEST_FN u32 promised(const struct meeting *m)
{
    if (m->family == MUTANT_FAMILY || m->family == SECTION_FAMILY)
        return 2 * rounds_of(m);
    return families[m->family].right == auto_right && families[m->family].left != auto_left ? ~0u : m->dice;
}

GUEST_FN HANDLE create_object(u32 what)
{
    HANDLE port = 0;
    switch (what) {
    case AUTO_EVENT: return create_event(AUTO, 0);
    case MANUAL_EVENT: return create_event(MANUAL, 0);
    case UNITS: return create_semaphore(0, 8);
    case LOCK: return create_mutant(0);
    case CLOCK: return create_timer(AUTO);
    case PORT: NtCreateIoCompletion(&port, 0, NULL, 0); return port;
    default: return 0;
    }
}

GUEST_FN void convene(struct meeting *m, u32 seed)
{
    u32 place = scramble(seed);
    m->dice = scramble(seed + 1) | 0x1000; /* never 0: the APC family tells "not yet" by 0 */
    m->family = place % FAMILIES;
    m->left = (place >> 8) % THREADS;
    m->right = (m->left + 1 + (place >> 16) % (THREADS - 1)) % THREADS;
    m->a = create_object(families[m->family].a);
    m->b = create_object(families[m->family].b);
    KeInitializeEvent(&m->event, AUTO, 0);
    RtlInitializeCriticalSection(&m->section);
}

/* Whoever leaves last closes the handles, which are reissued to threads and duplicates. */
GUEST_FN void leave(struct meeting *m)
{
    if (atomic_add(&m->over, 1) != 1)
        return;
    if (m->a)
        NtClose(m->a);
    if (m->b)
        NtClose(m->b);
}

GUEST_FN u32 attendant(void *context)
{
    u32 me = (u32)context;
    for (u32 i = 0; i < MEETINGS; i++) {
        struct meeting *m = &meetings[i];
        if (m->left != me && m->right != me)
            continue;
        (m->left == me ? families[m->family].left : families[m->family].right)(m);
        leave(m);
    }
    return 0;
}

GUEST_FN u32 main(u32 arg)
{
    u32 seed = arg ? arg : 1, digest = 0, kept = 0;
    for (u32 i = 0; i < MEETINGS; i++)
        convene(&meetings[i], scramble(seed) + 2 * i);
    for (u32 i = 0; i < THREADS; i++)
        threads[i] = spawn_with(attendant, (void *)i, CREATE_SUSPENDED);
    for (u32 i = 0; i < THREADS; i++)
        NtResumeThread(threads[i], NULL);
    for (u32 i = 0; i < THREADS; i++)
        join(threads[i]);
    for (u32 i = 0; i < MEETINGS; i++) {
        kept += meetings[i].result == promised(&meetings[i]);
        digest = scramble(digest ^ meetings[i].result);
    }
    DbgPrint("mix: seed %u, %u of %u meetings kept, digest %08x, %s\n", seed, kept, (u32)MEETINGS, digest,
             ok_or_wrong(kept == MEETINGS));
    return kept != MEETINGS;
}
