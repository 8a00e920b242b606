/* Events that no call created: the guest writes their dispatcher headers itself, as titles with static KEVENTs do.
   They have fixed addresses, so they can be put in focus: --trace-handles=0x82010040,0x82010050.
     0x82010040  request  main sets it, the server waits for it
     0x82010050  reply    the server sets it, main waits for it
     0x82010060  quit     with --arg 1 main waits for it and nobody sets it; otherwise the server does */
#include "xbox.h"

enum { ROUNDS = 64 };

static PINNED struct {
    u8 padding[0x40];
    KEVENT request, reply, quit;
} pinned;

static volatile u32 question;
static u32 answers, forget_quit;

GUEST_FN void initialise_by_hand(KEVENT *event, u32 type)
{
    event->header.type = (u8)type;
    event->header.size = sizeof(KEVENT) / 4;
    event->header.signal_state = 0;
    event->header.wait_flink = (u32)&event->header.wait_flink;
    event->header.wait_blink = (u32)&event->header.wait_flink;
}

HELPER void wait_object(KEVENT *event)
{
    KeWaitForSingleObject(event, 0, KERNEL_MODE, NOT_ALERTABLE, FOR_EVER);
}

GUEST_FN u32 server(void *context)
{
    (void)context;
    for (u32 i = 0; i < ROUNDS; i++) {
        wait_object(&pinned.request);
        question *= 3;
        KeSetEvent(&pinned.reply, 0, 0);
    }
    if (!forget_quit)
        KeSetEvent(&pinned.quit, 0, 0);
    return 0;
}

GUEST_FN void ask(u32 value)
{
    question = value;
    KeSetEvent(&pinned.request, 0, 0);
    wait_object(&pinned.reply);
    answers += question == value * 3;
}

GUEST_FN void wait_for_quit(void)
{
    wait_object(&pinned.quit);
}

GUEST_FN u32 main(u32 arg)
{
    forget_quit = arg == 1;
    initialise_by_hand(&pinned.request, AUTO);
    initialise_by_hand(&pinned.reply, AUTO);
    initialise_by_hand(&pinned.quit, MANUAL);
    DbgPrint("ghost: request 0x%08x, reply 0x%08x, quit 0x%08x\n", (u32)&pinned.request,
             (u32)&pinned.reply, (u32)&pinned.quit);
    HANDLE thread = spawn(server, NULL);
    for (u32 i = 1; i <= ROUNDS; i++)
        ask(i);
    wait_for_quit();
    join(thread);
    DbgPrint("ghost: %u answers, %s\n", answers, ok_or_wrong(answers == ROUNDS));
    return answers != ROUNDS;
}
