/* An auto event used as if it counted. --arg
     0  main consumes each set before the next: healthy
     1  the loader sets it for two files before main waits for the first
     2  two reads of game:\level.dat (--mount guests/disc) share it, and both are done before main waits */
#include "xbox.h"

enum { ONE_BY_ONE, TWO_AT_ONCE, TWO_READS };

static HANDLE file_loaded, consumed;
static u32 variant;
static volatile u32 files;

GUEST_FN u32 loader(void *context)
{
    (void)context;
    for (u32 i = 0; i < 2; i++) {
        NtSetEvent(file_loaded, NULL);
        if (variant == ONE_BY_ONE)
            wait(consumed);
    }
    return 0;
}

GUEST_FN void start_two_reads(void)
{
    static const char path[] = "game:\\level.dat";
    static IO_STATUS opened, io[2];
    static u8 rows[2][64];
    const ANSI_STRING name = { sizeof path - 1, sizeof path, path };
    const OBJECT_ATTRIBUTES attributes = { 0, &name, 0 };
    const i64 offset = 0;
    HANDLE file = 0;
    NtCreateFile(&file, 0x80000000u, &attributes, &opened, NULL, 0, 1, 1);
    io[0].status = io[1].status = STATUS_PENDING;
    for (u32 i = 0; i < 2; i++)
        NtReadFile(file, file_loaded, NULL, NULL, &io[i], rows[i], sizeof rows[i], &offset);
    while (io[0].status == STATUS_PENDING || io[1].status == STATUS_PENDING)
        delay(MILLISECONDS(1));
    delay(MILLISECONDS(5));
}

GUEST_FN void wait_for_files(void)
{
    for (u32 i = 0; i < 2; i++) {
        wait(file_loaded);
        files++;
        NtSetEvent(consumed, NULL);
    }
}

GUEST_FN u32 main(u32 arg)
{
    variant = arg;
    file_loaded = create_event(AUTO, 0);
    consumed = create_event(AUTO, 0);
    if (variant == TWO_READS) {
        start_two_reads();
    } else {
        HANDLE thread = spawn(loader, NULL);
        if (variant == TWO_AT_ONCE)
            join(thread);
    }
    wait_for_files();
    DbgPrint("coalesced: %u files, %s\n", files, ok_or_wrong(files == 2));
    return files != 2;
}
