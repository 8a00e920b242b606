/* Eight workers on one semaphore take jobs until they are used up; a critical section guards the checksum. The
   argument's low 20 bits are the jobs, the bits above the rounds of computing in each: so many, so few kernel events a second. Healthy. */
#include "xbox.h"

enum { WORKERS = 8 };

static HANDLE work_ready;
static CRITICAL_SECTION total_lock;
static volatile u32 next_job;
static u32 jobs, rounds, total, finished;

GUEST_FN u32 run_job(u32 job)
{
    return compute(rounds, scramble(job));
}

GUEST_FN u32 worker(void *context)
{
    u32 sum = 0, done = 0;
    (void)context;
    for (;;) {
        wait(work_ready);
        u32 job = atomic_add(&next_job, 1);
        if (job >= jobs)
            break;
        sum += run_job(job);
        done++;
    }
    RtlEnterCriticalSection(&total_lock);
    total += sum;
    finished += done;
    RtlLeaveCriticalSection(&total_lock);
    return done;
}

/* One release a job, then one more for each worker, which finds no job and leaves. */
GUEST_FN void feed(void)
{
    for (u32 job = 0; job < jobs; job++)
        NtReleaseSemaphore(work_ready, 1, NULL);
    NtReleaseSemaphore(work_ready, WORKERS, NULL);
}

GUEST_FN u32 main(u32 arg)
{
    HANDLE workers[WORKERS];
    jobs = arg & 0xfffff ? arg & 0xfffff : 100000;
    rounds = arg >> 20 ? arg >> 20 : 16;
    work_ready = create_semaphore(0, (i32)jobs + WORKERS);
    RtlInitializeCriticalSection(&total_lock);
    for (u32 i = 0; i < WORKERS; i++)
        workers[i] = spawn(worker, NULL);
    feed();
    NtWaitForMultipleObjectsEx(WORKERS, workers, WAIT_ALL, USER_MODE, NOT_ALERTABLE, FOR_EVER);

    u32 expected = 0;
    for (u32 job = 0; job < jobs; job++)
        expected += run_job(job);
    u32 ok = total == expected && finished == jobs;
    for (u32 i = 0; i < WORKERS; i++)
        NtClose(workers[i]);
    NtClose(work_ready);
    DbgPrint("pool: %u jobs, %u workers, checksum %08x, %s\n", finished, (u32)WORKERS, total, ok_or_wrong(ok));
    return !ok;
}
