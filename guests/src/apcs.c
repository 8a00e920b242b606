/* Asynchronous procedure calls: user ones are delivered in alertable waits and end them, kernel ones need none and end
   nothing. Healthy. --arg N: calls sent to another thread. */
#include "check.h"

static HANDLE acknowledged, quit, ready;
static volatile u32 calls, order, kernel_calls, ended_by_apc;
static u32 sent;

GUEST_FN void add_digit(u32 digit, u32 arg2, u32 arg3)
{
    order = order * 10 + digit + arg2 + arg3;
}

GUEST_FN void delivered_in_order(void)
{
    HANDLE never = create_event(AUTO, 0);
    for (u32 digit = 1; digit <= 3; digit++)
        NtQueueApcThread(CURRENT_THREAD, add_digit, (void *)digit, 0, 0);
    check(poll(never) == STATUS_TIMEOUT && order == 0, "a wait that is not alertable delivers no user APC");
    NTSTATUS status = NtWaitForSingleObjectEx(never, USER_MODE, ALERTABLE, FOR_EVER);
    check(status == STATUS_USER_APC, "an alertable one is ended by it");
    check(order == 123, "all were delivered, first in first out");
    check(NtWaitForSingleObjectEx(never, USER_MODE, ALERTABLE, &POLL) == STATUS_TIMEOUT, "and none is left");
    NtClose(never);
}

GUEST_FN void on_call(u32 value, u32 arg2, u32 arg3)
{
    atomic_add(&calls, value + arg2 + arg3);
    NtSetEvent(acknowledged, NULL);
}

GUEST_FN u32 alertable_server(void *context)
{
    (void)context;
    while (NtWaitForSingleObjectEx(quit, USER_MODE, ALERTABLE, FOR_EVER) == STATUS_USER_APC)
        ended_by_apc = 1;
    return 0;
}

GUEST_FN void sent_to_another_thread(void)
{
    HANDLE server = spawn(alertable_server, NULL);
    for (u32 i = 1; i <= sent; i++) {
        NtQueueApcThread(server, on_call, (void *)i, 0, 0);
        wait(acknowledged);
    }
    NtSetEvent(quit, NULL);
    join(server);
    check(calls == sent * (sent + 1) / 2, "every call arrived once");
    check(ended_by_apc, "and ended the server's wait");
}

/* Nothing to do before the normal routine runs. */
GUEST_FN void kernel_routine(KAPC *apc, apc_routine *normal, void **context, u32 *arg1, u32 *arg2)
{
    (void)apc, (void)normal, (void)context, (void)arg1, (void)arg2;
}

GUEST_FN void normal_routine(void *context, u32 arg1, u32 arg2)
{
    atomic_add(&kernel_calls, (u32)context + arg1 + arg2);
    NtSetEvent(acknowledged, NULL);
}

GUEST_FN u32 plain_waiter(void *context)
{
    *(void *volatile *)context = current_kthread();
    NtSetEvent(ready, NULL);
    check(wait(quit) == STATUS_WAIT_0, "a kernel APC does not end a wait");
    return 0;
}

GUEST_FN void kernel_apc_needs_no_alert(void)
{
    static KAPC apc;
    void *volatile target = NULL;
    HANDLE waiter = spawn(plain_waiter, (void *)&target);
    wait(ready);
    KeInitializeApc(&apc, target, kernel_routine, NULL, normal_routine, KERNEL_MODE, (void *)100);
    check(KeInsertQueueApc(&apc, 20, 3, 0), "the APC was queued");
    wait(acknowledged);
    check(kernel_calls == 123, "and ran, with its context and arguments");
    NtSetEvent(quit, NULL);
    join(waiter);
}

GUEST_FN void user_apc_object(void)
{
    static KAPC apc;
    const i64 rest = MILLISECONDS(100000);
    kernel_calls = 0;
    KeInitializeApc(&apc, current_kthread(), kernel_routine, NULL, normal_routine, USER_MODE, (void *)7);
    check(KeInsertQueueApc(&apc, 0, 0, 0), "a user APC was queued");
    check(KeDelayExecutionThread(USER_MODE, ALERTABLE, &rest) == STATUS_USER_APC, "an alertable delay delivers it");
    check(kernel_calls == 7, "once");
    check(poll(acknowledged) == STATUS_WAIT_0, "and it could signal");
}

GUEST_FN u32 main(u32 arg)
{
    sent = arg ? arg : 50;
    acknowledged = create_event(AUTO, 0);
    ready = create_event(AUTO, 0);
    quit = create_event(AUTO, 0);
    delivered_in_order();
    sent_to_another_thread();
    kernel_apc_needs_no_alert();
    user_apc_object();
    return conclude("apcs");
}
