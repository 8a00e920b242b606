/* Completion ports: packets come out in the order in which they went in, each once. Healthy. --arg N: packets of each
   sender. */
#include "check.h"

enum { SENDERS = 2, RECEIVERS = 4 };

static HANDLE port;
static u32 packets;
static volatile u32 received, sum;

GUEST_FN void first_in_first_out(void)
{
    u32 key = 0, context = 0, in_order = 1;
    IO_STATUS io;
    for (u32 i = 1; i <= 5; i++)
        NtSetIoCompletion(port, i, i * 10, i * 100, i * 1000);
    for (u32 i = 1; i <= 5; i++) {
        NTSTATUS status = NtRemoveIoCompletion(port, &key, &context, &io, FOR_EVER);
        in_order &= status == STATUS_SUCCESS && key == i && context == i * 10 && io.status == i * 100 && io.bytes == i * 1000;
    }
    check(in_order, "packets come out as they went in");
    check(NtRemoveIoCompletion(port, &key, &context, &io, &POLL) == STATUS_TIMEOUT, "an empty port times out");
}

GUEST_FN u32 sender(void *context)
{
    u32 base = (u32)context * packets;
    for (u32 i = 1; i <= packets; i++)
        NtSetIoCompletion(port, base + i, 0, STATUS_SUCCESS, i);
    return 0;
}

/* Key 0 says that no more will come. */
GUEST_FN u32 receiver(void *unused)
{
    (void)unused;
    for (;;) {
        u32 key = 0, context = 0;
        IO_STATUS io;
        NtRemoveIoCompletion(port, &key, &context, &io, FOR_EVER);
        if (key == 0)
            return 0;
        atomic_add(&received, 1);
        atomic_add(&sum, key);
    }
}

GUEST_FN void many_to_many(void)
{
    HANDLE senders[SENDERS], receivers[RECEIVERS];
    u32 total = SENDERS * packets;
    for (u32 i = 0; i < RECEIVERS; i++)
        receivers[i] = spawn(receiver, NULL);
    for (u32 i = 0; i < SENDERS; i++)
        senders[i] = spawn(sender, (void *)i);
    for (u32 i = 0; i < SENDERS; i++)
        join(senders[i]);
    for (u32 i = 0; i < RECEIVERS; i++)
        NtSetIoCompletion(port, 0, 0, STATUS_SUCCESS, 0);
    for (u32 i = 0; i < RECEIVERS; i++)
        join(receivers[i]);
    check(received == total, "every packet was received");
    check(sum == total * (total + 1) / 2, "once");
}

GUEST_FN u32 main(u32 arg)
{
    packets = arg ? arg : 200;
    check(NtCreateIoCompletion(&port, 0, NULL, 0) == STATUS_SUCCESS, "a port was created");
    first_in_first_out();
    many_to_many();
    NtClose(port);
    return conclude("ports");
}
