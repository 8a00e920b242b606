/* Three stages, each woken by the one before: a reader, a decoder, and main as the display. When the reader stops, the
   others starve: they are victims, and the reader's reason is the root. --arg
     0  rows of game:\level.dat (--mount guests/disc): healthy; --fault io-no-event@5 stops the reader at the fifth row
     1  no disc; after eight rows the reader waits for a command that never comes
     2  no disc; after eight rows the reader and a cache thread take two mutants in opposite order */
#include "xbox.h"

enum { ROWS = 8, MORE_ROWS = 16, ROW_BYTES = 64 };
enum { FROM_DISC, NO_COMMAND, CACHE_CYCLE };

static HANDLE row_read, row_decoded, row_shown, read_done, command;
static HANDLE index_mutant, data_mutant, index_held, data_held;
static u8 row[ROW_BYTES];
static u32 variant, rows;
static volatile u32 shown;

GUEST_FN HANDLE open_level(void)
{
    static const char path[] = "game:\\level.dat";
    static IO_STATUS io;
    const ANSI_STRING name = { sizeof path - 1, sizeof path, path };
    const OBJECT_ATTRIBUTES attributes = { 0, &name, 0 };
    HANDLE file = 0;
    NtCreateFile(&file, 0x80000000u, &attributes, &io, NULL, 0, 1, 1);
    return file;
}

GUEST_FN void read_row(HANDLE file, u32 number)
{
    static IO_STATUS io;
    const i64 offset = number * ROW_BYTES;
    if (NtReadFile(file, read_done, NULL, NULL, &io, row, ROW_BYTES, &offset) == STATUS_PENDING)
        wait(read_done);
}

GUEST_FN void take_both(HANDLE first, HANDLE second, HANDLE mine_held, HANDLE other_held)
{
    wait(first);
    NtSetEvent(mine_held, NULL);
    wait(other_held);
    wait(second);
}

GUEST_FN u32 cache(void *context)
{
    (void)context;
    take_both(data_mutant, index_mutant, data_held, index_held);
    return 0;
}

GUEST_FN void stop_reading(void)
{
    if (variant == NO_COMMAND)
        wait(command);
    else
        take_both(index_mutant, data_mutant, index_held, data_held);
}

GUEST_FN u32 reader(void *context)
{
    HANDLE file = variant == FROM_DISC ? open_level() : 0;
    (void)context;
    for (u32 number = 0; number < rows; number++) {
        if (variant == FROM_DISC)
            read_row(file, number);
        else if (number == ROWS)
            stop_reading();
        NtSetEvent(row_read, NULL);
        wait(row_shown);
    }
    return 0;
}

GUEST_FN u32 decoder(void *context)
{
    (void)context;
    for (u32 number = 0; number < rows; number++) {
        wait(row_read);
        compute(200, number);
        NtSetEvent(row_decoded, NULL);
    }
    return 0;
}

GUEST_FN void display(void)
{
    for (u32 number = 0; number < rows; number++) {
        wait(row_decoded);
        shown++;
        NtSetEvent(row_shown, NULL);
    }
}

GUEST_FN void create_objects(void)
{
    row_read = create_event(AUTO, 0);
    row_decoded = create_event(AUTO, 0);
    row_shown = create_event(AUTO, 0);
    read_done = create_event(AUTO, 0);
    command = create_event(AUTO, 0);
    index_mutant = create_mutant(0);
    data_mutant = create_mutant(0);
    index_held = create_event(MANUAL, 0);
    data_held = create_event(MANUAL, 0);
}

GUEST_FN u32 main(u32 arg)
{
    variant = arg;
    rows = variant == FROM_DISC ? ROWS : MORE_ROWS;
    create_objects();
    HANDLE first = spawn(reader, NULL), second = spawn(decoder, NULL);
    if (variant == CACHE_CYCLE)
        spawn(cache, NULL);
    display();
    join(first);
    join(second);
    DbgPrint("pipeline: %u rows, %s\n", shown, ok_or_wrong(shown == rows));
    return shown != rows;
}
