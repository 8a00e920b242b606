/* Handles closed under those who use them. --arg
     0  the waiter is woken, then the handle is closed: healthy
     1  main closes the handle while the waiter is parked on it, then sets it: too late
     2  a helper closes its own handle twice; in between the value was reissued to the event that main waits for
     3  main keeps a table of its objects, keyed by handle value; healthy, unless the host reissues a value that a
        thread is parked on (--fault stale-handle): then the table's entry is overwritten */
#include "xbox.h"

enum { IN_ORDER, CLOSED_TOO_EARLY, CLOSED_TWICE, KEYED_BY_VALUE };
enum { ENTRIES = 256 };

static HANDLE parked_on, about_to_park, by_value[ENTRIES];
static volatile u32 woken, refused;

GUEST_FN u32 waiter(void *context)
{
    (void)context;
    NtSetEvent(about_to_park, NULL);
    NTSTATUS status = wait(parked_on);
    atomic_add(status == STATUS_WAIT_0 ? &woken : &refused, 1);
    return 0;
}

GUEST_FN HANDLE park_a_waiter(void)
{
    parked_on = create_event(AUTO, 0);
    HANDLE thread = spawn(waiter, NULL);
    wait(about_to_park);
    delay(MILLISECONDS(5));
    return thread;
}

GUEST_FN void in_order(void)
{
    HANDLE thread = park_a_waiter();
    NtSetEvent(parked_on, NULL);
    join(thread);
    NtClose(parked_on);
}

/* A waiter that was too slow to park is refused; then once more. */
GUEST_FN void close_too_early(void)
{
    do {
        HANDLE thread = park_a_waiter();
        NtClose(parked_on);
        NtSetEvent(parked_on, NULL);
        join(thread);
    } while (woken == 0);
}

GUEST_FN u32 clumsy_helper(void *context)
{
    HANDLE mine = (HANDLE)context;
    wait(about_to_park);
    delay(MILLISECONDS(5));
    NtClose(mine);
    NtSetEvent(parked_on, NULL);
    return 0;
}

/* The helper's handle is closed, as it should be; its value goes to the next event, and the helper closes it again. */
GUEST_FN void close_twice(void)
{
    do {
        HANDLE mine = create_event(AUTO, 0);
        HANDLE helper = spawn(clumsy_helper, (void *)mine);
        NtClose(mine);
        parked_on = create_event(AUTO, 0);
        NtSetEvent(about_to_park, NULL);
        if (wait(parked_on) == STATUS_WAIT_0)
            woken = 1;
        join(helper);
    } while (woken == 0);
}

HELPER HANDLE *entry(HANDLE value)
{
    return &by_value[value / 4 % ENTRIES];
}

/* Keeps the object under its first name, by a duplicate, and gives that name back to the kernel. */
GUEST_FN void keyed_by_value(void)
{
    HANDLE thread = park_a_waiter(), first_name = parked_on, spare = 0;
    NtDuplicateObject(first_name, &spare, 0);
    *entry(first_name) = spare;
    NtClose(first_name);
    HANDLE other = create_event(AUTO, 0);
    *entry(other) = other;
    NtSetEvent(*entry(first_name), NULL);
    join(thread);
}

GUEST_FN u32 main(u32 arg)
{
    about_to_park = create_event(AUTO, 0);
    if (arg == CLOSED_TOO_EARLY)
        close_too_early();
    else if (arg == CLOSED_TWICE)
        close_twice();
    else if (arg == KEYED_BY_VALUE)
        keyed_by_value();
    else
        in_order();
    DbgPrint("closed: %u woken, %s\n", woken, ok_or_wrong(woken == 1));
    return woken != 1;
}
