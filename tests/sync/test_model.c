/* SPDX-License-Identifier: MIT */
/*
 * Random programs over everything in sync/, with ready tasks run in a random
 * order, cancels and timeouts in every turn, against a model that is too simple
 * to be wrong: who holds a lock, how many permits are out, which messages are
 * under way. A seed makes a program; the first that fails is named, and
 * COPPICE_MODEL_SEED= runs it alone.
 */
/* ctest: timeout=300 */
#include <coppice.h>

#include "core/sched.h"

#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ACTORS   5
#define STEPS    10
#define CHANNELS 5 /* the last two thread-safe */
#define QUEUES   3
#define FUTURES  2
#define MESSAGES 512
#define PROMISES 512
#define MEMBERS  16
#define ITEMS    128

/* What is known of a message. */
#define UNDER_WAY 1u /* its send has begun */
#define SENT      2u
#define FAILED    4u
#define RECEIVED  8u

/* A ck_assert writes to another process even if it holds. */
#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition))                                                      \
            ck_abort_msg("not so: %s", #condition);                            \
    } while (0)

/* When something happened: no two things in the same turn. */
struct moment {
    unsigned turn; /* 0: not yet */
    co_time at;
};

struct actor {
    co_task *task; /* NULL once it has ended */
    int step;
    struct moment cancelled; /* the first cancel that it has not got over */
};

/* What is known of a future. */
struct promise {
    struct moment settled; /* by what the model has seen */
    int result;
    int cancelled;
    co_future *future; /* that a task of its own settles; or NULL */
    int dropped;       /* it was seen to be cancelled, by a gather then, */
    int dropped_by;    /* and by how many, which had it and had to give up */
};

/* What is known of a queue. */
struct work {
    int shut; /* 1: nothing comes in, 2: nor out */
    struct moment shut_from;
    int putting; /* puts that have begun, and may have come to something */
    int getting;
    int open;           /* puts that have, less what is dealt with */
    size_t dropped;     /* by a shutdown */
    unsigned open_from; /* the turn in which `open` was last 0 or less */
    struct moment zero; /* when nothing could be open any more, last, */
    unsigned zero_left; /* and the turn in which that ended */
};

struct slot {
    co_future *future;
    struct promise *promise;
};

static struct world {
    struct co_test_random random;
    unsigned turn;
    struct actor actors[ACTORS];

    co_mutex mutexes[2];
    const void *holder[2];
    co_cond cond;
    int cond_wakes, cond_signals;
    int level; /* changes with mutex 0 and a broadcast */

    co_rwlock rwlock;
    int readers, writers;

    co_sem sem, bounded;
    int permits, bounded_permits; /* not taken, as far as calls have returned */

    co_event event;
    unsigned event_sets;
    int event_is_set;

    co_waitgroup waitgroup;
    int members;
    unsigned zeros;

    co_barrier barrier;
    int passed;

    co_once once;
    int once_begun, once_done;

    co_chan *channels[CHANNELS];
    int closed[CHANNELS];
    co_queue *queues[QUEUES];
    struct work works[QUEUES];
    unsigned char messages[MESSAGES];
    int put_into[MESSAGES];       /* a queue, counted from 1; or 0 */
    unsigned put_begun[MESSAGES]; /* turns */
    unsigned put_ended[MESSAGES];
    uint64_t message_count;

    struct slot futures[FUTURES];
    struct promise promises[PROMISES];
    size_t promise_count;
    co_pool *pool;
    enum {
        NOT_MADE,
        IN_POOL,
        OUT,
        DESTROYED
    } items[ITEMS];
    unsigned item_count, items_out;

    co_local_key key;
} world;

static unsigned below(unsigned n)
{
    return co_test_random_below(&world.random, n);
}

static struct moment now(void)
{
    return (struct moment){++world.turn, co_now()};
}

static struct actor *myself(void)
{
    for (int i = 0; i < ACTORS; i++)
        if (world.actors[i].task == co_self())
            return &world.actors[i];
    return NULL;
}

/* ---- what may happen at any time ----------------------------------------- */

/* Whether a call went through. What else it may say is that it was cancelled,
 * which the actor gets over, or that its time was up. */
static int went_through(int r)
{
    if (r >= 0)
        return 1;
    if (r != -ECANCELED && r != -ETIMEDOUT)
        ck_abort_msg("%s", co_error_name(r));
    if (r == -ECANCELED) {
        CHECK(co_cancelling(co_self()) > 0);
        while (co_uncancel(co_self()) > 0)
            continue;
        if (myself())
            myself()->cancelled.turn = 0;
    }
    return 0;
}

/* Another task may run, time pass, somebody be cancelled. */
static void disturb(void)
{
    switch (below(8)) {
    case 0:
    case 1:
        went_through(co_yield_now());
        break;
    case 2:
        went_through(co_sleep(below(3) * CO_MS));
        break;
    case 3:
        co_test_clock_pass(below(3) * CO_MS);
        break;
    case 4: {
        struct actor *victim = &world.actors[below(ACTORS)];

        if (!victim->task)
            break;
        ck_assert_int_gt(co_cancel(victim->task), 0);
        if (!victim->cancelled.turn)
            victim->cancelled = now();
        break;
    }
    default:
        break;
    }
}

/* Run a call under a limit, which may have passed already. */
#define WITHIN(r, call)                                                        \
    do {                                                                       \
        disturb();                                                             \
        (r) = -EINVAL;                                                         \
        co_timeout(below(5) * CO_MS) {                                         \
            (r) = (call);                                                      \
        }                                                                      \
    } while (0)

/* The same, and know from when until when. */
struct limit {
    struct moment begun;
    co_time until;
    int before; /* it had been reached when the call began */
};

#define LIMITED(limit, r, call)                                                \
    do {                                                                       \
        disturb();                                                             \
        (r) = -EINVAL;                                                         \
        (limit).begun = now();                                                 \
        (limit).until = (limit).begun.at + below(5) * CO_MS;                   \
        (limit).before =                                                       \
            (limit).until <= (limit).begun.at || co_cancelling(co_self()) > 0; \
        co_deadline((limit).until) {                                           \
            (r) = (call);                                                      \
        }                                                                      \
    } while (0)

/* A call has failed for a limit. If what it was to wait for has come, and when
 * is known, then not before that limit. */
static void check_limit(const struct limit *limit, int r, struct moment came)
{
    const struct actor *self = myself();

    if (!came.turn)
        return;
    if (came.turn <= limit->begun.turn)
        came = limit->begun;
    if (r == -ETIMEDOUT)
        CHECK(came.at >= limit->until);
    else if (self)
        CHECK(came.turn > self->cancelled.turn);
}

/* ---- locks --------------------------------------------------------------- */

static void take(int i)
{
    ck_assert_ptr_null(world.holder[i]);
    world.holder[i] = co_self();
}

static void let_go(int i)
{
    ck_assert_ptr_eq(world.holder[i], co_self());
    world.holder[i] = NULL;
    co_mutex_unlock(&world.mutexes[i]);
}

static void use_mutex(void)
{
    int i = (int)below(2);
    int r;

    if (below(4) == 0) {
        r = co_mutex_try_lock(&world.mutexes[i]);
        /* Or it is handed over to one who has not run yet. */
        ck_assert(r == -EBUSY || (r == 0 && !world.holder[i]));
        if (r < 0)
            return;
    } else {
        WITHIN(r, co_mutex_lock(&world.mutexes[i]));
        if (!went_through(r))
            return;
    }
    take(i);
    disturb();
    let_go(i);
}

/* What a task waits for, and how often it has asked. */
struct goal {
    int level, asked;
};

static int is_reached(void *arg)
{
    struct goal *goal = arg;

    CHECK(!world.holder[0]);
    goal->asked++;
    return world.level < goal->level ? 0 : 1 + world.level;
}

static int wait_for_level(void)
{
    struct goal goal = {world.level + (int)below(3), 0};
    int r = 0;

    co_timeout(below(5) * CO_MS) {
        r = co_cond_wait_for(&world.cond, &world.mutexes[0], is_reached, &goal);
    }
    if (goal.asked > 0)
        world.cond_wakes += goal.asked - 1;
    else
        CHECK(r < 0);
    if (r >= 0)
        CHECK(world.level >= goal.level && r == 1 + world.level);
    else
        CHECK(r == -ECANCELED || r == -ETIMEDOUT);
    return r;
}

static int wait_for_signal(void)
{
    int r = 0;

    co_timeout(below(5) * CO_MS) {
        r = co_cond_wait(&world.cond, &world.mutexes[0]);
    }
    world.cond_wakes += r == 0;
    return r;
}

static void use_cond(void)
{
    int r;

    WITHIN(r, co_mutex_lock(&world.mutexes[0]));
    if (!went_through(r))
        return;
    take(0);
    switch (below(4)) {
    case 0:
        world.cond_signals += co_cond_signal(&world.cond);
        break;
    case 1:
        world.level++;
        world.cond_signals += co_cond_broadcast(&world.cond);
        break;
    default:
        world.holder[0] = NULL;
        r = below(2) ? wait_for_level() : wait_for_signal();
        ck_assert_ptr_null(world.holder[0]); /* held, whatever it says */
        world.holder[0] = co_self();
        went_through(r);
        ck_assert_int_le(world.cond_wakes, world.cond_signals);
        break;
    }
    let_go(0);
}

static void use_rwlock(void)
{
    int writes = below(3) == 0;
    int r;

    WITHIN(r, writes ? co_rwlock_write_lock(&world.rwlock)
                     : co_rwlock_read_lock(&world.rwlock));
    if (!went_through(r))
        return;
    ck_assert_int_eq(world.writers, 0);
    if (writes) {
        ck_assert_int_eq(world.readers, 0);
        world.writers++;
        disturb();
        world.writers--;
        co_rwlock_write_unlock(&world.rwlock);
        return;
    }
    world.readers++;
    disturb();
    ck_assert_int_eq(world.writers, 0);
    world.readers--;
    co_rwlock_read_unlock(&world.rwlock);
}

static void use_sem(co_sem *sem, int *permits)
{
    int r;

    if (below(4) == 0) {
        r = co_sem_try_acquire(sem);
        if (r == -EAGAIN)
            return;
        ck_assert_int_eq(r, 0);
    } else {
        WITHIN(r, co_sem_acquire(sem));
        if (!went_through(r))
            return;
    }
    ck_assert_int_gt(*permits, 0);
    --*permits;
    disturb();
    ++*permits;
    ck_assert_int_eq(co_sem_release(sem), 0);
}

static void use_sems(void)
{
    if (below(2))
        use_sem(&world.sem, &world.permits);
    else
        use_sem(&world.bounded, &world.bounded_permits);
}

/* ---- signals between tasks ----------------------------------------------- */

static void use_event(void)
{
    unsigned sets = world.event_sets;
    int was_set = world.event_is_set;
    int r;

    switch (below(4)) {
    case 0:
        world.event_sets++;
        world.event_is_set = 1;
        co_event_set(&world.event);
        break;
    case 1:
        world.event_is_set = 0;
        co_event_clear(&world.event);
        break;
    default:
        WITHIN(r, co_event_wait(&world.event));
        if (went_through(r))
            ck_assert(was_set || sets != world.event_sets);
        break;
    }
    ck_assert_int_eq(co_event_is_set(&world.event), world.event_is_set);
}

static void use_waitgroup(void)
{
    unsigned zeros = world.zeros;
    int were = world.members;
    int r;

    if (below(2)) {
        co_waitgroup_add(&world.waitgroup, 1);
        world.members++;
        disturb();
        if (--world.members == 0)
            world.zeros++;
        co_waitgroup_done(&world.waitgroup);
        return;
    }
    WITHIN(r, co_waitgroup_wait(&world.waitgroup));
    if (went_through(r))
        ck_assert(were == 0 || zeros != world.zeros);
}

static void use_barrier(void)
{
    int r;

    if (below(8) == 0) {
        co_barrier_abort(&world.barrier);
        disturb();
        co_barrier_reset(&world.barrier);
        return;
    }
    WITHIN(r, co_barrier_wait(&world.barrier));
    if (r != -EPIPE && went_through(r))
        world.passed++;
}

static int once_body(void *arg)
{
    int fails = below(3) == 0;

    (void)arg;
    ck_assert_int_eq(world.once_begun, 0);
    ck_assert_int_eq(world.once_done, 0);
    world.once_begun = 1;
    disturb();
    world.once_begun = 0;
    if (fails)
        return -EIO;
    world.once_done = 1;
    return 0;
}

static void use_once(void)
{
    int r;

    WITHIN(r, co_once_do(&world.once, once_body, NULL));
    if (r != -EIO && went_through(r))
        ck_assert_int_eq(world.once_done, 1);
}

/* ---- messages ------------------------------------------------------------ */

static uint64_t message_begin(void)
{
    ck_assert_uint_lt(world.message_count, MESSAGES);
    world.messages[world.message_count] = UNDER_WAY;
    return world.message_count++;
}

static void message_end(uint64_t message, int sent)
{
    unsigned char *state = &world.messages[message];

    ck_assert(!(*state & (SENT | FAILED)));
    *state |= sent ? SENT : FAILED;
    ck_assert_msg(sent || !(*state & RECEIVED), "message %llu failed and came",
                  (unsigned long long)message);
}

static void message_received(uint64_t message)
{
    unsigned char *state;

    ck_assert_uint_lt(message, world.message_count);
    state = &world.messages[message];
    ck_assert_msg(!(*state & (FAILED | RECEIVED)), "message %llu: state %u",
                  (unsigned long long)message, *state);
    *state |= RECEIVED;
}

static void use_channel(void)
{
    int i = (int)below(CHANNELS);
    uint64_t message = UINT64_MAX;
    int r;

    switch (below(20)) {
    case 0:
        r = co_chan_close(world.channels[i]);
        ck_assert_int_eq(r, world.closed[i] ? -EALREADY : 0);
        world.closed[i] = 1;
        return;
    case 1:
    case 2:
        message = message_begin();
        r = co_chan_try_send(world.channels[i], &message);
        message_end(message, r == 0);
        ck_assert(r == 0 || r == -EAGAIN || (r == -EPIPE && world.closed[i]));
        return;
    case 3:
    case 4:
        r = co_chan_try_recv(world.channels[i], &message);
        if (r == 1)
            message_received(message);
        ck_assert(r == 1 || r == -EAGAIN || (r == 0 && world.closed[i]));
        return;
    default:
        break;
    }
    if (below(2)) {
        message = message_begin();
        WITHIN(r, co_chan_send(world.channels[i], &message));
        message_end(message, r == 0);
        if (r == -EPIPE)
            ck_assert_int_eq(world.closed[i], 1);
        else
            went_through(r);
        return;
    }
    WITHIN(r, co_chan_recv(world.channels[i], &message));
    if (r == 1)
        message_received(message);
    else if (r == 0)
        ck_assert_int_eq(world.closed[i], 1);
    else
        went_through(r);
}

/* ---- futures ------------------------------------------------------------- */

static struct slot promise_new(co_future *future)
{
    struct slot slot = {future, &world.promises[world.promise_count]};

    CHECK(future);
    CHECK(world.promise_count++ < PROMISES);
    return slot;
}

static void promise_settle(struct promise *promise, int result, int cancelled)
{
    CHECK(promise->settled.turn == 0);
    promise->settled = now();
    promise->result = result;
    promise->cancelled = cancelled;
}

static int is_done(const struct slot *slot)
{
    struct promise *promise = slot->promise;
    int result = promise->result;

    if (!promise->settled.turn) {
        promise->dropped |= co_future_done(slot->future);
        result = promise->dropped ? -ECANCELED : -EAGAIN;
    }
    CHECK(co_future_result(slot->future, NULL) == result);
    CHECK(co_future_cancelled(slot->future) ==
          (promise->cancelled || promise->dropped));
    return result != -EAGAIN;
}

/* What a future that is done was done with. */
static int result_of(const struct slot *slot)
{
    return slot->promise->dropped ? -ECANCELED : slot->promise->result;
}

static int some_error(void)
{
    static const int errors[] = {-EIO, -ENOENT, -EBADF, -ENOSPC};

    return errors[below(CO_ARRAY_LEN(errors))];
}

/* In one way or another, if a gather was not faster. */
static void settle(struct slot slot)
{
    int result = (int)below(1000);
    int r;

    switch (below(8)) {
    case 0:
        result = -ECANCELED;
        r = co_future_cancel(slot.future);
        break;
    case 1:
    case 2:
        result = some_error();
        r = co_future_fail(slot.future, result);
        break;
    default:
        r = co_future_resolve(slot.future, result, co_test_number(result + 1));
        break;
    }
    if (r == 0)
        promise_settle(slot.promise, result, result == -ECANCELED);
    else
        CHECK(r == -EALREADY);
    CHECK(is_done(&slot));
}

static void slot_fill(struct slot *slot)
{
    *slot =
        promise_new(below(3) ? co_future_new() : co_future_new_threadsafe());
}

static void use_future(void)
{
    struct slot *place = &world.futures[below(FUTURES)];
    struct slot slot = *place;
    struct limit limit;
    void *value = NULL;
    int r;

    if (below(3) == 0) {
        settle(slot);
        slot_fill(place);
        co_future_unref(slot.future);
        return;
    }
    co_future_ref(slot.future);
    LIMITED(limit, r, co_wait(slot.future, &value));
    if (is_done(&slot) && r == result_of(&slot)) {
        if (r >= 0)
            CHECK((int)(intptr_t)value == r + 1);
    } else {
        check_limit(&limit, r, slot.promise->settled);
        CHECK(went_through(r) == 0);
    }
    co_future_unref(slot.future);
}

/* ---- several futures ----------------------------------------------------- */

struct set {
    size_t count;
    co_future *futures[MEMBERS];
    struct slot slots[MEMBERS];
    co_task *tasks[MEMBERS]; /* that settle them; or NULL */
};

/* Settle a future after a while, or the task's own by what it returns. */
static int fulfil(void *arg)
{
    struct promise *promise = arg;
    int result = below(3) == 0 ? some_error() : (int)below(1000);
    int r = 0;

    switch (below(5)) {
    case 0:
        r = co_sleep_until(CO_NEVER);
        break;
    case 1:
        use_channel();
        break;
    default:
        r = co_sleep(below(5) * CO_MS);
        break;
    }
    if (promise->future) {
        settle((struct slot){promise->future, promise});
        return 0;
    }
    if (r == -ECANCELED && below(2))
        result = -ECANCELED;
    else
        went_through(r);
    promise_settle(promise, result, result == -ECANCELED);
    return result;
}

static void add_task(struct set *set)
{
    co_task **task = &set->tasks[set->count];
    struct slot *slot = &set->slots[set->count];

    CHECK(world.promise_count < PROMISES);
    *task = co_test_spawn(fulfil, &world.promises[world.promise_count]);
    *slot = promise_new(co_future_ref(co_task_future(*task)));
    set->futures[set->count++] = slot->future;
}

static void add_member(struct set *set)
{
    struct slot *slot = &set->slots[set->count];
    co_task **task = &set->tasks[set->count];

    *task = NULL;
    switch (below(8)) {
    case 0:
    case 1:
        *slot = world.futures[below(FUTURES)];
        co_future_ref(slot->future);
        break;
    case 2:
        slot_fill(slot);
        settle(*slot);
        break;
    case 3:
    case 4:
        slot_fill(slot);
        slot->promise->future = slot->future;
        *task = co_test_spawn(fulfil, slot->promise);
        break;
    default:
        add_task(set);
        return;
    }
    set->futures[set->count++] = slot->future;
}

static void set_make(struct set *set)
{
    size_t count = below(16) ? below(5) : 12 + below(MEMBERS - 11);

    set->count = 0;
    while (set->count < count)
        add_member(set);
}

/* The tasks are left over, if nobody has waited for all. */
static void set_end(struct set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct slot *slot = &set->slots[i];

        if (set->tasks[i]) {
            int result = 0;

            CHECK(co_cancel(set->tasks[i]) >= 0);
            co_shield {
                CHECK(co_join(set->tasks[i], &result) == 0);
            }
            CHECK(is_done(slot));
            if (!slot->promise->future)
                CHECK(result == result_of(slot));
        }
        co_future_unref(slot->future);
    }
}

/* What one may wait for. */
enum want {
    ANY,   /* one that is done */
    ERROR, /* one that has failed */
    FAULT, /* one that has failed, and was not cancelled */
};

static int is_wanted(const struct slot *slot, enum want want)
{
    if (!is_done(slot))
        return 0;
    if (want == ANY)
        return 1;
    if (want == FAULT && co_future_cancelled(slot->future))
        return 0;
    return result_of(slot) < 0;
}

static size_t set_done(const struct set *set)
{
    size_t done = 0;

    for (size_t i = 0; i < set->count; i++)
        done += is_done(&set->slots[i]) != 0;
    return done;
}

/* The first that was done, of those wanted of which is known when; or NULL. */
static const struct promise *set_first(const struct set *set, enum want want)
{
    const struct promise *first = NULL;

    for (size_t i = 0; i < set->count; i++) {
        const struct promise *promise = set->slots[i].promise;

        if (is_wanted(&set->slots[i], want) && promise->settled.turn &&
            (!first || promise->settled.turn < first->settled.turn))
            first = promise;
    }
    return first;
}

/* When all were done, if that is known. */
static struct moment set_over(const struct set *set)
{
    struct moment over = {1, 0};

    for (size_t i = 0; i < set->count; i++) {
        struct moment settled = set->slots[i].promise->settled;

        if (!settled.turn)
            return settled;
        if (settled.turn > over.turn)
            over = settled;
    }
    return over;
}

/* When one that is wanted was done, or all were, if that is known. */
static struct moment set_came(const struct set *set, enum want want)
{
    const struct promise *first = set_first(set, want);

    return first ? first->settled : set_over(set);
}

/* An error is that of the future that failed first. Which that was among those
 * that had failed before is left open. */
static int is_first_error(const struct set *set, const struct limit *limit,
                          int error)
{
    const struct promise *first = set_first(set, ERROR);

    for (size_t i = 0; i < set->count; i++) {
        const struct promise *promise = set->slots[i].promise;

        if (!is_wanted(&set->slots[i], ERROR) ||
            result_of(&set->slots[i]) != error)
            continue;
        if (promise == first || promise->dropped ||
            promise->settled.turn < limit->begun.turn)
            return 1;
    }
    return 0;
}

/* It had to give up: all are done, cancelled if they were pending. */
static void gather_gave_up(struct set *set)
{
    CHECK(set_done(set) == set->count);
    for (size_t i = 0; i < set->count; i++)
        set->slots[i].promise->dropped_by += set->slots[i].promise->dropped;
}

static void use_gather(void)
{
    unsigned flags = below(2) ? CO_GATHER_ALL : 0;
    int results[MEMBERS] = {0};
    struct limit limit;
    struct set set;
    size_t done;
    int r;

    set_make(&set);
    LIMITED(limit, r, co_gather(set.futures, set.count, results, flags));
    done = set_done(&set);
    for (size_t i = 0; i < set.count; i++)
        CHECK(results[i] == co_future_result(set.futures[i], NULL));
    if (r == 0) {
        CHECK(done == set.count);
        CHECK(flags || !set_first(&set, ERROR));
        CHECK(!limit.before);
    } else if (!flags && is_first_error(&set, &limit, r)) {
        if (r == -ECANCELED && co_cancelling(co_self()) > 0 &&
            done == set.count)
            gather_gave_up(&set); /* it may be either */
    } else {
        gather_gave_up(&set);
        check_limit(&limit, r, flags ? set_over(&set) : set_came(&set, ERROR));
        CHECK(went_through(r) == 0);
    }
    set_end(&set);
}

static void use_wait_many(void)
{
    enum co_wait_mode mode = (enum co_wait_mode)below(3);
    enum want want = mode == CO_FIRST_DONE ? ANY : FAULT;
    struct moment came;
    struct limit limit;
    struct set set;
    size_t done;
    int r;

    set_make(&set);
    LIMITED(limit, r, co_wait_many(set.futures, set.count, mode));
    done = set_done(&set);
    came = mode == CO_ALL_DONE ? set_over(&set) : set_came(&set, want);
    if (r < 0) {
        check_limit(&limit, r, came);
        went_through(r);
    } else {
        int enough = done == set.count;

        CHECK((size_t)r == done);
        CHECK(!limit.before);
        for (size_t i = 0; mode != CO_ALL_DONE && i < set.count; i++)
            enough |= is_wanted(&set.slots[i], want);
        CHECK(enough == 1);
    }
    set_end(&set);
}

/* Where a member comes among the others: that it was done when it began, or
 * else when it was. 0: it is not known. */
static unsigned place_of(const struct set *set, size_t index, unsigned begun)
{
    const struct promise *promise = set->slots[index].promise;

    if (promise->settled.turn && promise->settled.turn < begun)
        return (unsigned)index + 1;
    return promise->settled.turn ? promise->settled.turn + MEMBERS : 0;
}

static void set_remove(struct set *set, const struct promise *promise)
{
    size_t i = 0;

    while (set->slots[i].promise != promise)
        i++;
    set->slots[i] = set->slots[--set->count];
}

static void use_completed(void)
{
    unsigned begun, place, last = 0, came = 0;
    co_completed completed;
    struct limit limit;
    struct set set, rest;
    size_t index;
    int r;

    set_make(&set);
    begun = now().turn;
    CHECK(co_completed_init(&completed, set.futures, set.count) == 0);
    rest = set;
    while (below(16)) {
        index = SIZE_MAX;
        LIMITED(limit, r, co_completed_next(&completed, &index));
        if (r < 0) {
            CHECK(index == SIZE_MAX);
            check_limit(&limit, r, set_came(&rest, ANY));
            CHECK(went_through(r) == 0);
            continue;
        }
        if (r == 0) {
            CHECK(rest.count == 0);
            CHECK(!limit.before);
            break;
        }
        CHECK(r == 1 && !limit.before);
        CHECK(index < set.count);
        CHECK(!(came & 1u << index));
        came |= 1u << index;
        set_remove(&rest, set.slots[index].promise);
        CHECK(is_done(&set.slots[index]));
        place = place_of(&set, index, begun);
        CHECK(!place || place >= last);
        last = place ? place : last;
    }
    co_completed_fini(&completed);
    set_end(&set);
}

/* One case of a select: what it is, and what its outcome means. */
struct choice {
    enum {
        SEND,
        RECV,
        FUTURE,
        TIMER,
        DEFAULT
    } kind;
    uint64_t message;
    struct slot slot;
    co_time at;
};

static co_case make_case(struct choice *choice)
{
    co_chan *channel = world.channels[below(CHANNELS)];

    switch (below(8)) {
    case 0:
        choice->kind = TIMER;
        choice->at = co_now() + below(4) * CO_MS;
        return CO_CASE_AT(choice->at);
    case 1:
        choice->kind = FUTURE;
        choice->slot = world.futures[below(FUTURES)];
        co_future_ref(choice->slot.future);
        return CO_CASE_FUTURE(choice->slot.future, NULL);
    case 2:
        if (below(3) == 0) {
            choice->kind = DEFAULT;
            return CO_CASE_DEFAULT();
        }
        /* fall through */
    case 3:
    case 4:
        choice->kind = SEND;
        choice->message = message_begin();
        return CO_CASE_SEND(channel, &choice->message);
    default:
        choice->kind = RECV;
        choice->message = UINT64_MAX;
        return CO_CASE_RECV(channel, &choice->message);
    }
}

static void check_case(struct choice *choice, int chosen, int result)
{
    switch (choice->kind) {
    case SEND:
        message_end(choice->message, chosen && result == 0);
        break;
    case RECV:
        if (chosen && result == 1)
            message_received(choice->message);
        else
            ck_assert_uint_eq(choice->message, UINT64_MAX);
        break;
    case FUTURE:
        if (chosen)
            ck_assert_int_eq(is_done(&choice->slot), 1);
        co_future_unref(choice->slot.future);
        break;
    case TIMER:
        if (chosen)
            ck_assert_int_ge(co_now(), choice->at);
        break;
    default:
        break;
    }
}

static void use_select(void)
{
    struct choice choices[4];
    co_case cases[4];
    int count = 1 + (int)below(4);
    int r;

    for (int i = 0; i < count; i++)
        cases[i] = make_case(&choices[i]);
    WITHIN(r, co_select(cases, (size_t)count));
    for (int i = 0; i < count; i++)
        check_case(&choices[i], r == i, cases[i].result);
    went_through(r);
}

/* Of messages: many have the same. */
static int rank(uint64_t message)
{
    return (int)(message * 5 % 8);
}

static int by_rank(const void *a, const void *b, void *arg)
{
    (void)arg;
    return rank(*(const uint64_t *)a) - rank(*(const uint64_t *)b);
}

static void work_less(struct work *work)
{
    if (work->open + work->putting <= 0)
        work->zero = now();
}

static uint64_t put_begin(int i)
{
    struct work *work = &world.works[i];
    uint64_t message = message_begin();

    world.put_into[message] = i + 1;
    world.put_begun[message] = now().turn;
    if (work->open + work->putting <= 0)
        work->zero_left = now().turn;
    work->putting++;
    return message;
}

static void put_end(int i, uint64_t message, int r)
{
    struct work *work = &world.works[i];

    message_end(message, r == 0);
    world.put_ended[message] = now().turn;
    work->putting--;
    if (r == 0 && work->open++ <= 0)
        work->open_from = now().turn;
    work_less(work);
}

/* Of what is in a queue for certain nothing should have come before. If others
 * get, too, it may be on its way to them. */
static void check_order(int i, uint64_t came, int waited)
{
    const struct work *work = &world.works[i];

    if (work->getting || work->dropped || (waited && i != CO_FIFO))
        return;
    for (uint64_t other = 0; other < world.message_count; other++) {
        if (world.put_into[other] != i + 1 || other == came ||
            (world.messages[other] & (SENT | RECEIVED)) != SENT)
            continue;
        if (i == CO_PRIORITY)
            CHECK(rank(other) >= rank(came));
        if (i == CO_LIFO)
            CHECK(!(world.messages[came] & SENT) ||
                  world.put_begun[other] < world.put_ended[came]);
        else if (i == CO_FIFO || rank(other) == rank(came))
            CHECK(world.put_ended[other] > world.put_begun[came]);
    }
}

static void queue_got(int i, uint64_t message, int waited)
{
    check_order(i, message, waited);
    message_received(message);
    disturb();
    CHECK(co_queue_task_done(world.queues[i]) == 0);
    world.works[i].open--;
    work_less(&world.works[i]);
}

static void try_put(int i)
{
    co_queue *queue = world.queues[i];
    uint64_t message = put_begin(i);
    int r = co_queue_try_put(queue, &message);

    put_end(i, message, r);
    if (world.works[i].shut)
        CHECK(r == -ESHUTDOWN);
    else
        CHECK(r == 0 || (r == -EAGAIN && co_queue_full(queue)));
}

static void try_get(int i)
{
    const struct work *work = &world.works[i];
    uint64_t message = UINT64_MAX;
    int r = co_queue_try_get(world.queues[i], &message);

    if (r == 0) {
        CHECK(work->shut < 2);
        queue_got(i, message, 0);
        return;
    }
    CHECK(r == (work->shut ? -ESHUTDOWN : -EAGAIN));
    CHECK(co_queue_empty(world.queues[i]));
}

static void put(int i)
{
    int was_shut = world.works[i].shut;
    uint64_t message = put_begin(i);
    struct limit limit;
    int r;

    LIMITED(limit, r, co_queue_put(world.queues[i], &message));
    put_end(i, message, r);
    if (r == 0) {
        CHECK(!was_shut && !limit.before);
    } else if (r == -ESHUTDOWN) {
        CHECK(world.works[i].shut);
    } else {
        check_limit(&limit, r, world.works[i].shut_from);
        CHECK(!went_through(r));
    }
}

static void get(int i)
{
    struct work *work = &world.works[i];
    int was_shut = work->shut;
    uint64_t message = UINT64_MAX;
    struct limit limit;
    int r;

    work->getting++;
    LIMITED(limit, r, co_queue_get(world.queues[i], &message));
    work->getting--;
    if (r == 0) {
        CHECK(was_shut < 2 && !limit.before);
        queue_got(i, message, 1);
        return;
    }
    if (r == -ESHUTDOWN) {
        CHECK(work->shut && co_queue_empty(world.queues[i]));
    } else {
        check_limit(&limit, r, work->shut_from);
        CHECK(!went_through(r));
    }
}

/* It returns when nothing is open, or has been meanwhile. */
static void join_queue(int i)
{
    const struct work *work = &world.works[i];
    struct moment came = {0, 0};
    struct limit limit;
    int r;

    LIMITED(limit, r, co_queue_join(world.queues[i]));
    if (r == 0) {
        CHECK(work->open <= 0 || work->open_from > limit.begun.turn);
        CHECK(!limit.before);
        return;
    }
    if (work->open + work->putting <= 0 || work->zero_left > limit.begun.turn)
        came = work->zero.turn ? work->zero : limit.begun;
    check_limit(&limit, r, came);
    CHECK(!went_through(r));
}

static void shut_queue(int i)
{
    struct work *work = &world.works[i];
    int immediate = (int)below(2);
    size_t count = co_queue_count(world.queues[i]);

    CHECK(co_queue_shutdown(world.queues[i], immediate) == 0);
    if (!work->shut)
        work->shut_from = now();
    if (work->shut < 1 + immediate)
        work->shut = 1 + immediate;
    if (!immediate)
        return;
    CHECK(co_queue_empty(world.queues[i]));
    work->dropped += count;
    work->open -= (int)count;
    work_less(work);
}

static void use_queue(void)
{
    int i = (int)below(QUEUES);

    for (int n = 1 + (int)below(3); n > 0; n--) {
        switch (below(16)) {
        case 0:
        case 1:
        case 2:
            try_put(i);
            break;
        case 3:
        case 4:
            try_get(i);
            break;
        case 5:
        case 6:
            join_queue(i);
            break;
        case 7:
            if (below(3) == 0)
                shut_queue(i);
            break;
        case 8:
        case 9:
        case 10:
        case 11:
            put(i);
            if (below(2))
                join_queue(i);
            break;
        default:
            get(i);
            break;
        }
    }
}

/* All is dealt with, and what was dropped has not come. */
static void end_queue(int i)
{
    struct work *work = &world.works[i];
    co_queue *queue = world.queues[i];
    size_t lost = 0;
    uint64_t message;
    int r = -EAGAIN;

    while (co_queue_try_get(queue, &message) == 0) {
        check_order(i, message, 0);
        message_received(message);
        CHECK(co_queue_task_done(queue) == 0);
        work->open--;
    }
    CHECK(work->open == 0);
    CHECK(co_queue_task_done(queue) == -EINVAL);
    co_timeout(CO_MS) {
        r = co_queue_join(queue);
    }
    CHECK(r == 0);
    for (message = 0; message < world.message_count; message++) {
        if (world.put_into[message] == i + 1 &&
            (world.messages[message] & (SENT | RECEIVED)) == SENT) {
            lost++;
            world.messages[message] |= RECEIVED;
        }
    }
    CHECK(lost == work->dropped);
    co_queue_free(queue);
}

/* ---- groups, generators, locals ------------------------------------------ */

struct family {
    int alive, failed, sleepers;
};

static int child(void *arg)
{
    struct family *family = arg;
    int fails = below(8) == 0;

    disturb();
    use_channel();
    disturb();
    family->alive--;
    family->failed += fails;
    return fails ? -EIO : 0;
}

static int sleeper(void *arg)
{
    struct family *family = arg;
    int r = co_sleep_until(CO_NEVER);

    CHECK(r == -ECANCELED);
    family->alive--;
    family->sleepers++;
    return r;
}

static void use_group(void)
{
    struct family family = {0};
    co_group group = {0};
    int is_cancelled = below(3) == 0;
    int r;

    for (int n = 1 + (int)below(3); n > 0; n--) {
        ck_assert_ptr_nonnull(
            co_group_spawn(&group, below(4) ? child : sleeper, &family));
        family.alive++;
    }
    if (is_cancelled) {
        disturb();
        CHECK(co_group_count(&group) == (size_t)family.alive);
        CHECK(co_group_cancel(&group) == 0);
        errno = 0;
        CHECK(!co_group_spawn(&group, sleeper, &family) && errno == ECANCELED);
    }
    if (below(4) == 0) {
        is_cancelled = 1;
        WITHIN(r, co_group_cancel_after(&group, below(3) * CO_MS));
    } else {
        WITHIN(r, co_group_wait(&group));
    }
    if (r == -EIO)
        ck_assert_int_gt(family.failed, 0);
    else if (went_through(r))
        CHECK(!family.failed && (is_cancelled || !family.sleepers));
    ck_assert_int_eq(family.alive, 0);
    CHECK(co_group_count(&group) == 0);
}

/* A task that ends in the time, or is left to its own devices first. */
static void use_join(void)
{
    struct limit limit;
    struct set set = {0};
    int result = 0;
    int r;

    add_task(&set);
    LIMITED(limit, r, co_join(set.tasks[0], &result));
    if (r == 0) {
        CHECK(!limit.before);
        CHECK(is_done(&set.slots[0]));
        CHECK(result == result_of(&set.slots[0]));
        set.tasks[0] = NULL;
    } else {
        check_limit(&limit, r, set.slots[0].promise->settled);
        CHECK(!went_through(r));
    }
    set_end(&set);
}

#define ENOUGH 150
#define RESULT 7

/* Yields the running total of what it is sent, until that is enough. */
static int accumulate(co_gen *gen, void *arg)
{
    intptr_t total = 0;

    (void)arg;
    while (total < ENOUGH) {
        void *sent = NULL;
        int r = co_gen_yield(gen, co_test_number(total), &sent);

        if (r < 0)
            return r;
        disturb();
        total += (intptr_t)sent;
    }
    return RESULT;
}

/* The same by way of another, or of two. */
static int delegate(co_gen *gen, void *arg)
{
    co_gen *inner = co_gen_new(below(3) ? accumulate : delegate, arg);
    int r;

    ck_assert_ptr_nonnull(inner);
    r = co_gen_delegate(gen, inner);
    co_gen_free(inner);
    return r;
}

static void use_generator(void)
{
    co_gen *gen = co_gen_new(below(2) ? accumulate : delegate, NULL);
    intptr_t total = 0;
    void *value;
    int r = 0;

    ck_assert_ptr_nonnull(gen);
    for (int i = 0; i < 6; i++) {
        intptr_t number = (intptr_t)below(100);

        if (i == 0)
            WITHIN(r, co_gen_next(gen, &value));
        else
            WITHIN(r, co_gen_send(gen, co_test_number(number), &value));
        if (i > 0)
            total += number;
        if (r != 1)
            break;
        ck_assert_int_eq((intptr_t)value, total);
        CHECK(total < ENOUGH);
    }
    if (r == 0)
        CHECK(total >= ENOUGH && co_gen_result(gen) == RESULT);
    else if (r != 1)
        went_through(r);
    co_gen_free(gen);
}

static void use_local(void)
{
    intptr_t number = 1 + (intptr_t)below(1000);
    co_local_token token;

    ck_assert_int_eq(co_local_set(world.key, co_test_number(number)), 0);
    disturb();
    if (below(2)) {
        void *other = co_test_number(number + 1000);

        CHECK(co_local_swap(world.key, other, &token) == 0);
        disturb();
        CHECK(co_local_get(world.key) == other);
        CHECK(co_local_reset(&token) == 0);
        CHECK(co_local_reset(&token) == -EINVAL);
    }
    ck_assert_int_eq((intptr_t)co_local_get(world.key), number);
}

/* ---- pools --------------------------------------------------------------- */

static int item_create(void *arg, void **item)
{
    int r = below(2) ? co_yield_now() : 0;

    (void)arg;
    if (r < 0)
        return r;
    if (below(4) == 0)
        return -EIO;
    CHECK(world.item_count < ITEMS);
    world.items[world.item_count] = IN_POOL;
    *item = co_test_number((intptr_t)world.item_count++);
    return 0;
}

static int item_check(void *arg, void *item)
{
    (void)arg;
    CHECK(world.items[(intptr_t)item] == IN_POOL);
    disturb();
    return below(4) ? 0 : -EIO;
}

static void item_destroy(void *arg, void *item)
{
    (void)arg;
    CHECK(world.items[(intptr_t)item] == IN_POOL);
    world.items[(intptr_t)item] = DESTROYED;
    if (below(2))
        CHECK(co_yield_now() == 0);
}

static void use_pool(void)
{
    struct limit limit;
    void *item = NULL;
    intptr_t number;
    int r;

    LIMITED(limit, r, co_pool_get(world.pool, &item));
    if (r < 0) {
        if (r != -EIO)
            went_through(r);
        return;
    }
    CHECK(!limit.before);
    number = (intptr_t)item;
    CHECK(world.items[number] == IN_POOL);
    world.items[number] = OUT;
    CHECK(++world.items_out <= 2);
    CHECK(co_pool_in_use(world.pool) >= world.items_out);
    disturb();
    world.items_out--;
    world.items[number] = IN_POOL;
    if (below(3)) {
        CHECK(co_pool_put(world.pool, item) == 0);
    } else {
        CHECK(co_pool_discard(world.pool, item) == 0);
        CHECK(world.items[number] == DESTROYED);
    }
}

static void make_pool(void)
{
    co_pool_options options = {
        .size = sizeof(options),
        .max = 2,
        .idle = 2 * CO_MS,
        .create = item_create,
        .check = item_check,
        .destroy = item_destroy,
    };

    world.pool = co_pool_new(&options);
    CHECK(world.pool);
}

static void end_pool(void)
{
    CHECK(co_pool_in_use(world.pool) == 0);
    if (below(2))
        CHECK(co_pool_close(world.pool) == 0);
    co_pool_free(world.pool);
    for (unsigned i = 0; i < world.item_count; i++)
        CHECK(world.items[i] == DESTROYED);
}

/* ---- programs ------------------------------------------------------------ */

static int act(void *arg)
{
    static void (*const uses[])(void) = {
        use_mutex,     use_cond,      use_rwlock,  use_sems,    use_event,
        use_barrier,   use_once,      use_channel, use_channel, use_select,
        use_select,    use_queue,     use_queue,   use_future,  use_waitgroup,
        use_group,     use_generator, use_local,   use_gather,  use_wait_many,
        use_completed, use_join,      use_pool,
    };
    struct actor *actor = arg;

    for (actor->step = 0; actor->step < STEPS; actor->step++) {
        disturb();
        uses[below(CO_ARRAY_LEN(uses))]();
    }
    actor->task = NULL;
    return 0;
}

static void make_world(unsigned seed)
{
    static const size_t capacities[CHANNELS] = {0, 1, 3, 0, 2};
    static const enum co_queue_kind kinds[QUEUES] = {CO_FIFO, CO_LIFO,
                                                     CO_PRIORITY};

    memset(&world, 0, sizeof(world));
    world.random.state = seed;
    world.permits = 2;
    co_sem_init(&world.sem, 2);
    world.bounded_permits = 1;
    co_sem_init_bounded(&world.bounded, 1, 1);
    ck_assert_int_eq(co_barrier_init(&world.barrier, 2), 0);
    for (int i = 0; i < CHANNELS; i++) {
        world.channels[i] =
            i < CHANNELS - 2
                ? co_chan_new(sizeof(uint64_t), capacities[i])
                : co_chan_new_threadsafe(sizeof(uint64_t), capacities[i]);
        ck_assert_ptr_nonnull(world.channels[i]);
    }
    for (int i = 0; i < QUEUES; i++) {
        co_queue_options options = {
            .size = sizeof(options),
            .kind = kinds[i],
            .element_bytes = sizeof(uint64_t),
            .max_count = below(4),
            .compare = kinds[i] == CO_PRIORITY ? by_rank : NULL,
        };

        world.queues[i] = co_queue_new(&options);
        ck_assert_ptr_nonnull(world.queues[i]);
    }
    for (int i = 0; i < FUTURES; i++)
        slot_fill(&world.futures[i]);
    make_pool();
    ck_assert_int_eq(co_local_key_new(&world.key, NULL), 0);
}

/* Everything is given back, and every message has come. */
static void end_world(void)
{
    uint64_t message;

    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(world.holder[i]);
        ck_assert_int_eq(co_mutex_try_lock(&world.mutexes[i]), 0);
        co_mutex_unlock(&world.mutexes[i]);
    }
    ck_assert_int_eq(co_rwlock_try_write_lock(&world.rwlock), 0);
    co_rwlock_write_unlock(&world.rwlock);
    ck_assert_int_eq((int)co_sem_permits(&world.sem), 2);
    ck_assert_int_eq((int)co_sem_permits(&world.bounded), 1);
    ck_assert_int_eq(world.cond_wakes, world.cond_signals);
    ck_assert_int_eq(world.passed % 2, 0);
    for (int i = 0; i < CHANNELS; i++) {
        while (co_chan_try_recv(world.channels[i], &message) == 1)
            message_received(message);
        co_chan_free(world.channels[i]);
    }
    for (int i = 0; i < QUEUES; i++)
        end_queue(i);
    for (uint64_t i = 0; i < world.message_count; i++)
        ck_assert_msg(!(world.messages[i] & SENT) ||
                          world.messages[i] & RECEIVED,
                      "message %llu was lost", (unsigned long long)i);
    for (int i = 0; i < FUTURES; i++)
        co_future_unref(world.futures[i].future);
    for (size_t i = 0; i < world.promise_count; i++)
        CHECK(!world.promises[i].dropped || world.promises[i].dropped_by);
    end_pool();
    ck_assert_int_eq(co_local_key_delete(world.key), 0);
}

static int run_program(void *arg)
{
    co_task *tasks[ACTORS];

    make_world(*(unsigned *)arg);
    for (int i = 0; i < ACTORS; i++)
        tasks[i] = world.actors[i].task = co_test_spawn(act, &world.actors[i]);
    for (int i = 0; i < ACTORS; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    end_world();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
    return 77;
}

static void run_seed(unsigned seed)
{
    co_test_clock_start();
    co__sched_seed = seed * 0x9e3779b97f4a7c15u;
    ck_assert_int_eq(co_run(run_program, &seed), 77);
    co__sched_seed = 0;
    co_test_clock_stop();
}

/* Shared with the process that the test case runs in. */
static unsigned *current_seed;

static void name_seed(void)
{
    if (*current_seed)
        fprintf(stderr, "it was COPPICE_MODEL_SEED=%u\n", *current_seed);
}

START_TEST(random_programs_agree_with_the_model)
{
    const char *chosen = getenv("COPPICE_MODEL_SEED");
    unsigned count = (unsigned)co_test_scale(10000, 300);

    if (chosen) {
        run_seed((unsigned)atoi(chosen));
        return;
    }
    for (*current_seed = 1; *current_seed <= count; ++*current_seed)
        run_seed(*current_seed);
    *current_seed = 0;
}
END_TEST

static Suite *model_suite(void)
{
    Suite *suite = suite_create("model");
    TCase *tc = tcase_create("model");

    current_seed = mmap(NULL, sizeof(*current_seed), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    atexit(name_seed);
    tcase_set_timeout(tc, 250);
    tcase_add_test(tc, random_programs_agree_with_the_model);
    suite_add_tcase(suite, tc);
    return suite;
}

CO_TEST_MAIN(model_suite)
