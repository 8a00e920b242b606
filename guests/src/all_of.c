/* Main waits for all of three loaders: textures (an auto event, 0x1004), sounds (a semaphore, 0x1008) and the level (an
   auto event, 0x100C). --arg
     0  all three report: healthy; with --fault stub:NtReleaseSemaphore the sounds never do
     1  the level's loader takes an early way out and does not report */
#include "xbox.h"

static HANDLE textures, sounds, level;
static volatile u32 loaded;
static u32 level_is_broken;

GUEST_FN u32 texture_loader(void *context)
{
    (void)context;
    atomic_add(&loaded, 1);
    NtSetEvent(textures, NULL);
    return 0;
}

GUEST_FN u32 sound_loader(void *context)
{
    (void)context;
    atomic_add(&loaded, 1);
    NtReleaseSemaphore(sounds, 1, NULL);
    return 0;
}

GUEST_FN u32 level_loader(void *context)
{
    (void)context;
    if (level_is_broken)
        return 1;
    atomic_add(&loaded, 1);
    NtSetEvent(level, NULL);
    return 0;
}

GUEST_FN void wait_for_all_loaders(void)
{
    const HANDLE all[3] = { textures, sounds, level };
    NtWaitForMultipleObjectsEx(3, all, WAIT_ALL, USER_MODE, NOT_ALERTABLE, FOR_EVER);
}

GUEST_FN u32 main(u32 arg)
{
    level_is_broken = arg == 1;
    textures = create_event(AUTO, 0);
    sounds = create_semaphore(0, 1);
    level = create_event(AUTO, 0);
    HANDLE threads[3] = { spawn(texture_loader, NULL), spawn(sound_loader, NULL), spawn(level_loader, NULL) };
    wait_for_all_loaders();
    for (u32 i = 0; i < 3; i++)
        join(threads[i]);
    DbgPrint("all_of: %u loaded, %s\n", loaded, ok_or_wrong(loaded == 3));
    return loaded != 3;
}
