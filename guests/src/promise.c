/* Reads whose event was promised. --arg
     0  rows of game:\level.dat (--mount guests/disc), each awaited: healthy
     1  a control code sent to the disc drive, which the host leaves unimplemented: main waits for its event
     2  a streaming thread reads from the drive: it waits for the event, main waits for the thread
     3  a read from the drive that nobody waits for: suspicious and healthy */
#include "xbox.h"

enum { ROWS = 8, ROW_BYTES = 64 };
enum { HEALTHY, CONTROL, STREAM_FROM_DRIVE, FORGET };

static const char on_disc[] = "game:\\level.dat", on_drive[] = "\\Device\\Cdrom0\\stream.bin";
static HANDLE read_done;
static IO_STATUS io;
static u8 row[ROW_BYTES];
static u32 variant, rows_read;

GUEST_FN HANDLE open_file(const char *path, u32 length)
{
    static IO_STATUS opened;
    const ANSI_STRING name = { (u16)length, (u16)(length + 1), path };
    const OBJECT_ATTRIBUTES attributes = { 0, &name, 0 };
    HANDLE file = 0;
    NtCreateFile(&file, 0x80000000u, &attributes, &opened, NULL, 0, 1, 1);
    return file;
}

GUEST_FN void read_row(HANDLE file, u32 number)
{
    const i64 offset = number * ROW_BYTES;
    if (NtReadFile(file, read_done, NULL, NULL, &io, row, ROW_BYTES, &offset) == STATUS_PENDING)
        wait(read_done);
    rows_read += io.bytes == ROW_BYTES;
}

GUEST_FN u32 streamer(void *context)
{
    (void)context;
    HANDLE file = variant == HEALTHY ? open_file(on_disc, sizeof on_disc - 1) : open_file(on_drive, sizeof on_drive - 1);
    for (u32 number = 0; number < ROWS; number++)
        read_row(file, number);
    NtClose(file);
    return 0;
}

GUEST_FN void query_drive(void)
{
    static u32 answer;
    HANDLE drive = open_file(on_drive, sizeof on_drive - 1);
    NtDeviceIoControlFile(drive, read_done, NULL, NULL, &io, 0x24064, NULL, 0, &answer, sizeof answer);
    wait(read_done);
    NtClose(drive);
}

GUEST_FN void prefetch(void)
{
    const i64 offset = 0;
    HANDLE drive = open_file(on_drive, sizeof on_drive - 1);
    NtReadFile(drive, read_done, NULL, NULL, &io, row, ROW_BYTES, &offset);
    rows_read = ROWS;
}

GUEST_FN u32 main(u32 arg)
{
    variant = arg;
    read_done = create_event(AUTO, 0);
    if (variant == CONTROL)
        query_drive();
    else if (variant == FORGET)
        prefetch();
    else
        join(spawn(streamer, NULL));
    DbgPrint("promise: %u rows, %s\n", rows_read, ok_or_wrong(rows_read == ROWS));
    return rows_read != ROWS;
}
