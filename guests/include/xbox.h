/* What a guest needs to know of the console: types, statuses, dispatcher objects, the kernel's exports, and a few
   helpers. Helpers are always inlined: the address that a report shows for a call must lie in the guest's own
   function, not in a wrapper. */
#ifndef XBOX_H
#define XBOX_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed int i32;
typedef signed long long i64;
typedef __SIZE_TYPE__ size_t;

typedef u32 HANDLE;
typedef u32 NTSTATUS;

#define NULL ((void *)0)

/* A function that keeps its name and its frame, so that back-chains read as the source does. */
#define GUEST_FN __attribute__((noipa))
#define HELPER static inline __attribute__((always_inline, unused))

/* An address that never moves: 0x82010000 plus the offsets of the section's objects. */
#define PINNED __attribute__((section(".pinned")))

enum {
    STATUS_SUCCESS = 0,
    STATUS_WAIT_0 = 0,
    STATUS_ABANDONED_WAIT_0 = 0x80,
    STATUS_USER_APC = 0xC0,
    STATUS_ALERTED = 0x101,
    STATUS_TIMEOUT = 0x102,
    STATUS_PENDING = 0x103,
};
#define STATUS_END_OF_FILE 0xC0000011u
#define STATUS_NOT_IMPLEMENTED 0xC0000002u
#define STATUS_INVALID_HANDLE 0xC0000008u
#define STATUS_OBJECT_TYPE_MISMATCH 0xC0000024u
#define STATUS_MUTANT_NOT_OWNED 0xC0000046u
#define STATUS_SEMAPHORE_LIMIT_EXCEEDED 0xC0000047u

/* Dispatcher header types, and the `type` argument of NtCreateEvent, KeInitializeEvent and NtCreateTimer. */
enum { MANUAL = 0, AUTO = 1, MUTANT = 2, SEMAPHORE = 5, THREAD = 6 };
enum { KERNEL_MODE = 0, USER_MODE = 1 };
enum { WAIT_ALL = 0, WAIT_ANY = 1 };
enum { NOT_ALERTABLE = 0, ALERTABLE = 1 };
enum { CREATE_SUSPENDED = 1 };
#define ON_HARDWARE_THREAD(n) (1u << (24 + (n)))

#define CURRENT_PROCESS ((HANDLE)-1)
#define CURRENT_THREAD ((HANDLE)-2)

struct dispatcher_header {
    u8 type;
    u8 absolute;
    u8 size; /* in words */
    u8 inserted;
    volatile i32 signal_state;
    u32 wait_flink;
    u32 wait_blink;
};

typedef struct {
    struct dispatcher_header header;
} KEVENT;

typedef struct {
    struct dispatcher_header header;
    i32 limit;
} KSEMAPHORE;

typedef struct {
    struct dispatcher_header header;
    volatile i32 lock_count; /* -1 when free */
    volatile i32 recursion;
    volatile u32 owner;
} CRITICAL_SECTION;

typedef struct {
    u32 word[10];
} KAPC;

typedef struct {
    volatile NTSTATUS status;
    volatile u32 bytes;
} IO_STATUS;

typedef struct {
    u16 length;
    u16 maximum;
    const char *text;
} ANSI_STRING;

typedef struct {
    HANDLE root;
    const ANSI_STRING *name;
    u32 flags;
} OBJECT_ATTRIBUTES;

_Static_assert(sizeof(KEVENT) == 16, "KEVENT is 16 bytes");
_Static_assert(sizeof(KSEMAPHORE) == 20, "the limit is at +0x10");
_Static_assert(sizeof(CRITICAL_SECTION) == 28, "lock count at +0x10, recursion +0x14, owner +0x18");

typedef u32 (*thread_routine)(void *context);
typedef void (*apc_routine)(void *context, u32 arg1, u32 arg2);
typedef void (*kernel_apc_routine)(KAPC *apc, apc_routine *normal, void **context, u32 *arg1, u32 *arg2);
typedef void (*timer_apc_routine)(void *context, u32 time_low, u32 time_high);

/* Exports. exports.tsv has their ordinals. */
NTSTATUS NtCreateEvent(HANDLE *out, const void *attributes, u32 type, u32 initial);
NTSTATUS NtSetEvent(HANDLE event, u32 *previous);
NTSTATUS NtPulseEvent(HANDLE event, u32 *previous);
NTSTATUS NtClearEvent(HANDLE event);
void KeInitializeEvent(KEVENT *event, u32 type, u32 initial);
i32 KeSetEvent(KEVENT *event, u32 increment, u32 wait);
i32 KePulseEvent(KEVENT *event, u32 increment, u32 wait);
i32 KeResetEvent(KEVENT *event);

NTSTATUS NtCreateSemaphore(HANDLE *out, const void *attributes, i32 count, i32 limit);
NTSTATUS NtReleaseSemaphore(HANDLE semaphore, i32 count, i32 *previous);
void KeInitializeSemaphore(KSEMAPHORE *semaphore, i32 count, i32 limit);
i32 KeReleaseSemaphore(KSEMAPHORE *semaphore, u32 increment, i32 count, u32 wait);

NTSTATUS NtCreateMutant(HANDLE *out, const void *attributes, u32 owned);
NTSTATUS NtReleaseMutant(HANDLE mutant, void *unused);

NTSTATUS NtCreateTimer(HANDLE *out, const void *attributes, u32 type);
NTSTATUS NtSetTimerEx(HANDLE timer, const i64 *due, timer_apc_routine routine, u32 mode, void *context, u32 resume,
                      u32 period_ms, u32 unused);
NTSTATUS NtCancelTimer(HANDLE timer, u32 *previous);

NTSTATUS ExCreateThread(HANDLE *out, u32 stack, u32 *tid, void *xapi, thread_routine start, void *context, u32 flags);
void ExTerminateThread(u32 status) __attribute__((noreturn));
NTSTATUS NtResumeThread(HANDLE thread, u32 *previous);
NTSTATUS NtSuspendThread(HANDLE thread, u32 *previous);
u32 KeResumeThread(void *thread);
u32 KeSetAffinityThread(void *thread, u32 mask, u32 *previous);
i32 KeSetBasePriorityThread(void *thread, i32 increment);
NTSTATUS KeDelayExecutionThread(u32 mode, u32 alertable, const i64 *interval);
NTSTATUS NtYieldExecution(void);

NTSTATUS NtWaitForSingleObjectEx(HANDLE object, u32 mode, u32 alertable, const i64 *timeout);
NTSTATUS NtWaitForMultipleObjectsEx(u32 count, const HANDLE *objects, u32 type, u32 mode, u32 alertable,
                                    const i64 *timeout);
NTSTATUS KeWaitForSingleObject(void *object, u32 reason, u32 mode, u32 alertable, const i64 *timeout);
NTSTATUS KeWaitForMultipleObjects(u32 count, void *const *objects, u32 type, u32 reason, u32 mode, u32 alertable,
                                  const i64 *timeout, void *blocks);
NTSTATUS NtSignalAndWaitForSingleObjectEx(HANDLE signal, HANDLE wait, u32 alertable, u32 mode, const i64 *timeout);

void RtlInitializeCriticalSection(CRITICAL_SECTION *section);
NTSTATUS RtlInitializeCriticalSectionAndSpinCount(CRITICAL_SECTION *section, u32 spins);
void RtlEnterCriticalSection(CRITICAL_SECTION *section);
u32 RtlTryEnterCriticalSection(CRITICAL_SECTION *section);
void RtlLeaveCriticalSection(CRITICAL_SECTION *section);

NTSTATUS NtCreateFile(HANDLE *out, u32 access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS *io, const i64 *size,
                      u32 file_attributes, u32 share, u32 disposition);
NTSTATUS NtReadFile(HANDLE file, HANDLE event, void *apc, void *apc_context, IO_STATUS *io, void *buffer, u32 length,
                    const i64 *offset);
NTSTATUS NtWriteFile(HANDLE file, HANDLE event, void *apc, void *apc_context, IO_STATUS *io, const void *buffer,
                     u32 length, const i64 *offset);
NTSTATUS NtDeviceIoControlFile(HANDLE file, HANDLE event, void *apc, void *apc_context, IO_STATUS *io, u32 code,
                               const void *in, u32 in_length, void *out, u32 out_length);
NTSTATUS NtCreateIoCompletion(HANDLE *out, u32 access, const void *attributes, u32 threads);
NTSTATUS NtSetIoCompletion(HANDLE port, u32 key, u32 apc_context, NTSTATUS status, u32 bytes);
NTSTATUS NtRemoveIoCompletion(HANDLE port, u32 *key, u32 *apc_context, IO_STATUS *io, const i64 *timeout);

void KeInitializeApc(KAPC *apc, void *thread, kernel_apc_routine kernel, void *rundown, apc_routine normal, u32 mode,
                     void *context);
u32 KeInsertQueueApc(KAPC *apc, u32 arg1, u32 arg2, u32 priority);
NTSTATUS NtQueueApcThread(HANDLE thread, void *routine, void *arg1, u32 arg2, u32 arg3);

NTSTATUS NtDuplicateObject(HANDLE object, HANDLE *out, u32 options);
NTSTATUS NtClose(HANDLE object);
NTSTATUS ObReferenceObjectByHandle(HANDLE object, void *type, void **out);
void ObDereferenceObject(void *object);

u32 KeGetCurrentProcessType(void);
u32 KeQueryPerformanceFrequency(void);
void DbgPrint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Exports that a host is free to leave out. */
NTSTATUS ExRegisterTitleTerminateNotification(void *registration, u32 create);
u32 KeBoostPriorityThread(void *thread, u32 increment);
void KeEnterCriticalRegion(void);
void KeLeaveCriticalRegion(void);
void KeSetEventBoostPriority(KEVENT *event, void **thread);
NTSTATUS NtQueryDirectoryFile(HANDLE file, HANDLE event, void *apc, void *apc_context, IO_STATUS *io, void *buffer,
                              u32 length, const ANSI_STRING *name);
NTSTATUS NtReadFileScatter(HANDLE file, HANDLE event, void *apc, void *apc_context, IO_STATUS *io, void *segments,
                           u32 length, const i64 *offset);
u32 NetDll_WSAStartup(u32 caller, u32 version, void *data);
u32 NetDll_WSASetEvent(HANDLE event);

/* Time, in 100 ns units; negative is from now on. */
#define MILLISECONDS(n) ((i64)(n) * -10000)
static const i64 POLL = 0;
#define FOR_EVER ((const i64 *)0)

/* r13 is the processor control region: the running thread's KTHREAD is at +0x100, its id at KTHREAD + 0x14C. */
register u8 *processor_control __asm__("r13");

HELPER void *current_kthread(void)
{
    return *(void *volatile *)(processor_control + 0x100);
}

HELPER u32 current_tid(void)
{
    return *(volatile u32 *)((u8 *)current_kthread() + 0x14C);
}

HELPER HANDLE create_event(u32 type, u32 initial)
{
    HANDLE event = 0;
    NtCreateEvent(&event, NULL, type, initial);
    return event;
}

HELPER HANDLE create_semaphore(i32 count, i32 limit)
{
    HANDLE semaphore = 0;
    NtCreateSemaphore(&semaphore, NULL, count, limit);
    return semaphore;
}

HELPER HANDLE create_mutant(u32 owned)
{
    HANDLE mutant = 0;
    NtCreateMutant(&mutant, NULL, owned);
    return mutant;
}

HELPER HANDLE create_timer(u32 type)
{
    HANDLE timer = 0;
    NtCreateTimer(&timer, NULL, type);
    return timer;
}

HELPER HANDLE spawn_with(thread_routine start, void *context, u32 flags)
{
    HANDLE thread = 0;
    ExCreateThread(&thread, 0x4000, NULL, NULL, start, context, flags);
    return thread;
}

HELPER HANDLE spawn(thread_routine start, void *context)
{
    return spawn_with(start, context, 0);
}

/* Waits for ever. */
HELPER NTSTATUS wait(HANDLE object)
{
    return NtWaitForSingleObjectEx(object, USER_MODE, NOT_ALERTABLE, FOR_EVER);
}

HELPER NTSTATUS wait_for(HANDLE object, i64 timeout)
{
    return NtWaitForSingleObjectEx(object, USER_MODE, NOT_ALERTABLE, &timeout);
}

HELPER NTSTATUS poll(HANDLE object)
{
    return NtWaitForSingleObjectEx(object, USER_MODE, NOT_ALERTABLE, &POLL);
}

HELPER void join(HANDLE thread)
{
    NtWaitForSingleObjectEx(thread, USER_MODE, NOT_ALERTABLE, FOR_EVER);
    NtClose(thread);
}

HELPER void delay(i64 interval)
{
    KeDelayExecutionThread(USER_MODE, NOT_ALERTABLE, &interval);
}

HELPER u32 atomic_add(volatile u32 *cell, u32 amount)
{
    return __atomic_fetch_add(cell, amount, __ATOMIC_SEQ_CST);
}

HELPER u32 atomic_load(volatile u32 *cell)
{
    return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}

HELPER void atomic_store(volatile u32 *cell, u32 value)
{
    __atomic_store_n(cell, value, __ATOMIC_RELEASE);
}

/* A value that looks random and depends on nothing but its seed (the finalizer of MurmurHash3). */
HELPER u32 scramble(u32 seed)
{
    seed ^= seed >> 16;
    seed *= 0x85EBCA6Bu;
    seed ^= seed >> 13;
    seed *= 0xC2B2AE35u;
    return seed ^ seed >> 16;
}

/* Work without a kernel call: `rounds` steps of a generator. */
HELPER u32 compute(u32 rounds, u32 value)
{
    while (rounds--)
        value = value * 1664525u + 1013904223u;
    __asm__ volatile("" : "+r"(value));
    return value;
}

HELPER const char *ok_or_wrong(u32 ok)
{
    return ok ? "ok" : "WRONG";
}

#endif
