/* 24 threads, 64 objects, over a million kernel events. Tokens travel through 16 mailboxes (a semaphore and a critical
   section each), thrown by whoever held them last, so each semaphore is released by every thread. On each hop the
   holder also takes a mutant, an auto event used as a lock, and passes a door, a manual event that somebody shuts and
   opens again now and then. What a token does depends on its number and its hops alone: the result is the same
   whatever the schedule. --arg N: hops of each token. */
#include "xbox.h"

enum { THREADS = 24, MAILBOXES = 16, MUTANTS = 12, LOCKS = 12, DOORS = 8, TOKENS = 48 };
_Static_assert(2 * MAILBOXES + MUTANTS + LOCKS + DOORS == 64, "64 objects besides the threads");

struct token {
    struct token *next;
    u32 number, hops_left, sum;
};

struct mailbox {
    CRITICAL_SECTION lock;
    HANDLE count;
    struct token *first;
};

static struct mailbox mailboxes[MAILBOXES];
static struct token tokens[TOKENS], last_calls[THREADS];
static HANDLE mutants[MUTANTS], locks[LOCKS], doors[DOORS];
static u32 mutant_totals[MUTANTS], lock_totals[LOCKS]; /* each guarded by its object */
static volatile u32 tokens_left, hops_made;

HELPER u32 dice_of(u32 number, u32 hops_left)
{
    return scramble(number << 16 ^ hops_left);
}

GUEST_FN void throw_token(struct mailbox *to, struct token *token)
{
    RtlEnterCriticalSection(&to->lock);
    token->next = to->first;
    to->first = token;
    RtlLeaveCriticalSection(&to->lock);
    NtReleaseSemaphore(to->count, 1, NULL);
}

GUEST_FN struct token *catch_token(struct mailbox *from)
{
    wait(from->count);
    RtlEnterCriticalSection(&from->lock);
    struct token *token = from->first;
    from->first = token->next;
    RtlLeaveCriticalSection(&from->lock);
    return token;
}

GUEST_FN void add_under_mutant(u32 dice)
{
    u32 i = (dice >> 4) % MUTANTS;
    wait(mutants[i]);
    mutant_totals[i] += dice;
    NtReleaseMutant(mutants[i], NULL);
}

GUEST_FN void add_under_lock(u32 dice)
{
    u32 i = (dice >> 8) % LOCKS;
    wait(locks[i]);
    lock_totals[i] ^= dice;
    NtSetEvent(locks[i], NULL);
}

/* Whoever shuts a door opens it again and waits for nothing in between, so nobody stands before it for ever. */
GUEST_FN void pass_door(u32 dice)
{
    HANDLE door = doors[(dice >> 12) % DOORS];
    if ((dice >> 16) % 8 == 0) {
        NtClearEvent(door);
        compute(50, dice);
        NtSetEvent(door, NULL);
    } else if ((dice >> 16) % 8 < 5) {
        wait(door);
    } else {
        NtSetEvent(door, NULL);
    }
}

GUEST_FN void call_everybody_home(void)
{
    for (u32 i = 0; i < THREADS; i++)
        throw_token(&mailboxes[i % MAILBOXES], &last_calls[i]);
}

GUEST_FN void hop(struct token *token)
{
    u32 dice = dice_of(token->number, token->hops_left);
    token->sum += dice;
    add_under_mutant(dice);
    add_under_lock(dice);
    pass_door(dice);
    atomic_add(&hops_made, 1);
    if (--token->hops_left != 0)
        throw_token(&mailboxes[dice % MAILBOXES], token);
    else if (atomic_add(&tokens_left, (u32)-1) == 1)
        call_everybody_home();
}

GUEST_FN u32 runner(void *context)
{
    struct mailbox *mine = &mailboxes[(u32)context % MAILBOXES];
    for (;;) {
        struct token *token = catch_token(mine);
        if (token->hops_left == 0)
            return 0;
        hop(token);
    }
}

GUEST_FN void create_objects(u32 hops)
{
    for (u32 i = 0; i < MAILBOXES; i++) {
        RtlInitializeCriticalSection(&mailboxes[i].lock);
        mailboxes[i].count = create_semaphore(0, TOKENS + THREADS);
    }
    for (u32 i = 0; i < MUTANTS; i++)
        mutants[i] = create_mutant(0);
    for (u32 i = 0; i < LOCKS; i++)
        locks[i] = create_event(AUTO, 1);
    for (u32 i = 0; i < DOORS; i++)
        doors[i] = create_event(MANUAL, 1);
    for (u32 i = 0; i < TOKENS; i++)
        tokens[i] = (struct token){ .number = i + 1, .hops_left = hops };
    tokens_left = TOKENS;
}

/* The same journey without a kernel. */
GUEST_FN u32 rehearse(u32 hops)
{
    u32 by_mutant[MUTANTS] = { 0 }, by_lock[LOCKS] = { 0 }, sum = 0, digest = 0;
    for (u32 number = 1; number <= TOKENS; number++)
        for (u32 left = hops; left != 0; left--) {
            u32 dice = dice_of(number, left);
            sum += dice;
            by_mutant[(dice >> 4) % MUTANTS] += dice;
            by_lock[(dice >> 8) % LOCKS] ^= dice;
        }
    for (u32 i = 0; i < MUTANTS; i++)
        digest = scramble(digest ^ by_mutant[i]);
    for (u32 i = 0; i < LOCKS; i++)
        digest = scramble(digest ^ by_lock[i]);
    return scramble(digest ^ sum);
}

GUEST_FN u32 digest_of_run(void)
{
    u32 sum = 0, digest = 0;
    for (u32 i = 0; i < TOKENS; i++)
        sum += tokens[i].sum;
    for (u32 i = 0; i < MUTANTS; i++)
        digest = scramble(digest ^ mutant_totals[i]);
    for (u32 i = 0; i < LOCKS; i++)
        digest = scramble(digest ^ lock_totals[i]);
    return scramble(digest ^ sum);
}

GUEST_FN u32 main(u32 arg)
{
    HANDLE threads[THREADS];
    u32 hops = arg ? arg : 1600;
    create_objects(hops);
    for (u32 i = 0; i < THREADS; i++)
        threads[i] = spawn(runner, (void *)i);
    for (u32 i = 0; i < TOKENS; i++)
        throw_token(&mailboxes[i % MAILBOXES], &tokens[i]);
    NtWaitForMultipleObjectsEx(THREADS, threads, WAIT_ALL, USER_MODE, NOT_ALERTABLE, FOR_EVER);

    u32 digest = digest_of_run();
    u32 ok = digest == rehearse(hops) && hops_made == hops * TOKENS;
    DbgPrint("storm: %u hops, digest %08x, %s\n", hops_made, digest, ok_or_wrong(ok));
    return !ok;
}
