/* A worker that is asked for something by a user APC; main waits for the answer. --arg
     0  the worker waits alertably: healthy; hangs with --fault apc-lost
     1  the worker's wait is not alertable
     2  an APC object instead of a queued call, alertable: healthy; hangs with --fault apc-lost
     3  an APC object, not alertable */
#include "xbox.h"

static HANDLE answered, quit, up;
static u32 alertable;
static void *volatile worker_kthread;
static volatile u32 answers;

GUEST_FN void answer(u32 amount, u32 arg2, u32 arg3)
{
    atomic_add(&answers, amount + arg2 + arg3);
    NtSetEvent(answered, NULL);
}

GUEST_FN void answer_apc(void *context, u32 arg1, u32 arg2)
{
    answer((u32)context, arg1, arg2);
}

GUEST_FN void kernel_routine(KAPC *apc, apc_routine *normal, void **context, u32 *arg1, u32 *arg2)
{
    (void)apc, (void)normal, (void)context, (void)arg1, (void)arg2;
}

GUEST_FN u32 worker(void *context)
{
    (void)context;
    worker_kthread = current_kthread();
    NtSetEvent(up, NULL);
    while (NtWaitForSingleObjectEx(quit, USER_MODE, alertable, FOR_EVER) == STATUS_USER_APC)
        ;
    return 0;
}

GUEST_FN void ask(HANDLE thread, u32 by_object)
{
    static KAPC apc;
    if (by_object) {
        KeInitializeApc(&apc, worker_kthread, kernel_routine, NULL, answer_apc, USER_MODE, (void *)1);
        KeInsertQueueApc(&apc, 0, 0, 0);
    } else {
        NtQueueApcThread(thread, answer, (void *)1, 0, 0);
    }
}

GUEST_FN void wait_for_answer(void)
{
    wait(answered);
}

GUEST_FN u32 main(u32 arg)
{
    alertable = arg % 2 == 0;
    answered = create_event(AUTO, 0);
    quit = create_event(AUTO, 0);
    up = create_event(AUTO, 0);
    HANDLE thread = spawn(worker, NULL);
    wait(up);
    delay(MILLISECONDS(2));
    ask(thread, arg >= 2);
    wait_for_answer();
    NtSetEvent(quit, NULL);
    join(thread);
    DbgPrint("apc_target: %u answers, %s\n", answers, ok_or_wrong(answers == 1));
    return answers != 1;
}
