/* A title that never boots: it reads its image from the disc drive and waits for the event that it gave to NtReadFile.
   The host leaves the drive unimplemented, so nobody sets that event. Around it, as in a real title: a thread that did
   its work and left, a worker that is idle by design, and a thread that is blocked only because the boot is. */
#include "xbox.h"

enum { SHADERS = 16, IMAGE_BYTES = 512 };

static HANDLE shader_ready, shader_done, title_loaded;
static u8 image[IMAGE_BYTES];
static volatile u32 shaders_compiled;

/* Idle by design: serves its semaphore for as long as the title runs. */
GUEST_FN u32 shader_worker(void *context)
{
    (void)context;
    for (;;) {
        wait(shader_ready);
        compute(200, 1);
        atomic_add(&shaders_compiled, 1);
        NtSetEvent(shader_done, NULL);
    }
}

/* Does its work and leaves. */
GUEST_FN u32 audio_init(void *context)
{
    (void)context;
    return compute(5000, 7);
}

/* A victim: it waits for the boot. */
GUEST_FN u32 intro_video(void *context)
{
    (void)context;
    wait(title_loaded);
    return compute(100, 3);
}

GUEST_FN void compile_shaders(void)
{
    for (u32 i = 0; i < SHADERS; i++) {
        NtReleaseSemaphore(shader_ready, 1, NULL);
        wait(shader_done);
    }
}

GUEST_FN NTSTATUS wait_for_disc(HANDLE read_done)
{
    return wait(read_done);
}

GUEST_FN NTSTATUS load_title(void)
{
    static const char path[] = "\\Device\\Cdrom0\\default.xex";
    static IO_STATUS io;
    const ANSI_STRING name = { sizeof path - 1, sizeof path, path };
    const OBJECT_ATTRIBUTES attributes = { 0, &name, 0 };
    const i64 start = 0;
    HANDLE disc = 0;
    HANDLE read_done = create_event(AUTO, 0);

    NTSTATUS status = NtCreateFile(&disc, 0x80000000u, &attributes, &io, NULL, 0, 1, 1);
    if (status == STATUS_SUCCESS)
        status = NtReadFile(disc, read_done, NULL, NULL, &io, image, IMAGE_BYTES, &start);
    if (status == STATUS_PENDING)
        status = wait_for_disc(read_done);
    NtClose(read_done);
    NtClose(disc);
    return status;
}

GUEST_FN u32 boot_sequence(void)
{
    shader_ready = create_semaphore(0, SHADERS);
    shader_done = create_event(AUTO, 0);
    title_loaded = create_event(MANUAL, 0);
    HANDLE audio = spawn(audio_init, NULL);
    HANDLE shaders = spawn(shader_worker, NULL);
    HANDLE intro = spawn(intro_video, NULL);

    compile_shaders();
    wait(audio);
    NTSTATUS status = load_title();
    NtSetEvent(title_loaded, NULL);
    wait(intro);
    NtClose(audio);
    NtClose(shaders);
    NtClose(intro);
    DbgPrint("boot_hang: %u shaders, image status %08x\n", shaders_compiled, status);
    return status != STATUS_SUCCESS;
}

GUEST_FN u32 main(u32 arg)
{
    (void)arg;
    return boot_sequence();
}
