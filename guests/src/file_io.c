/* Asynchronous reads of game:\level.dat (--mount guests/disc), completed through an event and through an APC. Healthy.
   --arg 1: a title that clears the event after it has issued the read, as some do; it hangs on a host that completes
   the read before the call returns. */
#include "check.h"

enum { ROWS = 64, ROW_BYTES = 64, APC_READS = 8 };

static HANDLE level, read_done;
static u8 row[ROW_BYTES];
static volatile u32 apc_reads;

GUEST_FN NTSTATUS open_level(void)
{
    static const char path[] = "game:\\level.dat";
    static IO_STATUS io;
    const ANSI_STRING name = { sizeof path - 1, sizeof path, path };
    const OBJECT_ATTRIBUTES attributes = { 0, &name, 0 };
    return NtCreateFile(&level, 0x80000000u, &attributes, &io, NULL, 0, 1, 1);
}

GUEST_FN u32 row_is_right(u32 number)
{
    u32 right = row[ROW_BYTES - 1] == '\n';
    for (u32 column = 0; column < ROW_BYTES - 1; column++)
        right &= row[column] == 'a' + (number * 7 + column) % 26;
    return right;
}

/* How many reads were still under way when the call returned. */
GUEST_FN void read_with_event(void)
{
    u32 right = 0, pending = 0, under_way = 0;
    for (u32 number = 0; number < ROWS; number++) {
        const i64 offset = number * ROW_BYTES;
        IO_STATUS io = { STATUS_PENDING, 0 };
        pending += NtReadFile(level, read_done, NULL, NULL, &io, row, ROW_BYTES, &offset) == STATUS_PENDING;
        under_way += io.status == STATUS_PENDING;
        wait(read_done);
        right += io.status == STATUS_SUCCESS && io.bytes == ROW_BYTES && row_is_right(number);
    }
    check(right == ROWS, "every row was read");
    check(pending == ROWS, "every read was pending");
    check(under_way != 0, "reads take time");
}

GUEST_FN void on_read(void *context, u32 io, u32 reserved)
{
    (void)reserved;
    if (((IO_STATUS *)io)->status == STATUS_SUCCESS && row_is_right((u32)context))
        atomic_add(&apc_reads, 1);
}

GUEST_FN void read_with_apc(void)
{
    HANDLE never = create_event(AUTO, 0);
    for (u32 number = 0; number < APC_READS; number++) {
        const i64 offset = number * ROW_BYTES;
        IO_STATUS io = { STATUS_PENDING, 0 };
        NtReadFile(level, 0, (void *)on_read, (void *)number, &io, row, ROW_BYTES, &offset);
        NTSTATUS status = NtWaitForSingleObjectEx(never, USER_MODE, ALERTABLE, FOR_EVER);
        check(status == STATUS_USER_APC, "the read's APC ends the wait");
    }
    NtClose(never);
    check(apc_reads == APC_READS, "and found the row");
}

GUEST_FN void clear_after_issue(void)
{
    const i64 offset = 0;
    IO_STATUS io = { STATUS_PENDING, 0 };
    NtReadFile(level, read_done, NULL, NULL, &io, row, ROW_BYTES, &offset);
    NtClearEvent(read_done);
    wait(read_done);
    check(row_is_right(0), "the first row was read");
}

GUEST_FN u32 main(u32 arg)
{
    read_done = create_event(AUTO, 0);
    check(open_level() == STATUS_SUCCESS, "game:\\level.dat opens (--mount guests/disc)");
    if (checks_failed == 0 && arg == 1)
        clear_after_issue();
    else if (checks_failed == 0) {
        read_with_event();
        read_with_apc();
    }
    return conclude("file_io");
}
