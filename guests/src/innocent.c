/* Hangs whose first suspect is innocent. --arg
     0  slow, and making progress all the time: healthy under a watchdog that is shorter than the run
     1  main misses a bell that it has heard before, while who rings it is stuck in a read
     2  a semaphore serves as a lock, and who holds it is stuck in a read
     3  of two events made at one place the first is set, while who is to set the second is stuck in a read
     4  a spare thread never runs, and has nothing to do with the stub that sets no event
     5  main is stuck in a read, while another thread goes on for ever and says so
   The reads go to the disc drive, which the host leaves unimplemented. */
#include "xbox.h"

enum { SLOW, BELL, LOCK, ASSETS, SPARE, TICKER };
enum { PAUSES = 8, RINGS = 5 };

static HANDLE bell, heard, lock, assets[2], stream_read;

/* Reads from the drive, and waits for ever. */
GUEST_FN void stream(void)
{
    static const char path[] = "\\Device\\Cdrom0\\stream.bin";
    static IO_STATUS io;
    static u8 block[64];
    const ANSI_STRING name = { sizeof path - 1, sizeof path, path };
    const OBJECT_ATTRIBUTES attributes = { 0, &name, 0 };
    const i64 offset = 0;
    HANDLE file = 0;
    NtCreateFile(&file, 0x80000000u, &attributes, &io, NULL, 0, 1, 1);
    stream_read = create_event(AUTO, 0);
    NtReadFile(file, stream_read, NULL, NULL, &io, block, sizeof block, &offset);
    wait(stream_read);
}

GUEST_FN u32 ringer(void *context)
{
    (void)context;
    for (u32 i = 0; i < RINGS; i++)
        do
            NtPulseEvent(bell, NULL);
        while (wait_for(heard, MILLISECONDS(1)) == STATUS_TIMEOUT);
    NtPulseEvent(bell, NULL);
    stream();
    return 0;
}

GUEST_FN void listen(void)
{
    for (u32 i = 0; i < RINGS; i++) {
        wait(bell);
        NtSetEvent(heard, NULL);
    }
    delay(MILLISECONDS(20));
    wait(bell);
}

GUEST_FN u32 holder(void *context)
{
    (void)context;
    wait(lock);
    NtSetEvent(heard, NULL);
    stream();
    return 0;
}

GUEST_FN HANDLE make_event(void)
{
    return create_event(AUTO, 0);
}

GUEST_FN u32 asset_loader(void *context)
{
    (void)context;
    NtSetEvent(assets[1], NULL);
    stream();
    NtSetEvent(assets[0], NULL);
    return 0;
}

GUEST_FN u32 spare(void *context)
{
    (void)context;
    return 0;
}

GUEST_FN void open_content(void)
{
    HANDLE opened = create_event(MANUAL, 0);
    NetDll_WSASetEvent(opened);
    wait(opened);
}

GUEST_FN u32 ticker(void *context)
{
    (void)context;
    for (u32 tick = 1;; tick++) {
        delay(MILLISECONDS(10));
        DbgPrint("tick %u\n", tick);
    }
}

GUEST_FN u32 main(u32 arg)
{
    bell = create_event(AUTO, 0);
    heard = create_event(AUTO, 0);
    lock = create_semaphore(1, 1);
    assets[0] = make_event();
    assets[1] = make_event();
    switch (arg) {
    case BELL:
        spawn(ringer, NULL);
        listen();
        break;
    case LOCK:
        spawn(holder, NULL);
        wait(heard);
        wait(lock);
        break;
    case ASSETS:
        spawn(asset_loader, NULL);
        wait(assets[0]);
        break;
    case SPARE:
        spawn_with(spare, NULL, CREATE_SUSPENDED);
        open_content();
        break;
    case TICKER:
        spawn(ticker, NULL);
        stream();
        break;
    default:
        for (u32 i = 0; i < PAUSES; i++) {
            delay(MILLISECONDS(100));
            NtSetEvent(bell, NULL);
            wait(bell);
        }
    }
    DbgPrint("innocent: %u pauses, ok\n", PAUSES);
    return 0;
}
