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
#define STEPS    8
#define CHANNELS 3
#define QUEUES   3
#define FUTURES  2
#define MESSAGES 512

/* What is known of a message. */
#define UNDER_WAY 1u /* its send has begun */
#define SENT      2u
#define FAILED    4u
#define RECEIVED  8u

struct actor {
    co_task *task; /* NULL once it has ended */
    int step;
};

static struct world {
    struct co_test_random random;
    struct actor actors[ACTORS];

    co_mutex mutexes[2];
    const void *holder[2];
    co_cond cond;
    int cond_wakes, cond_signals;

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
    int unfinished[QUEUES];
    unsigned char messages[MESSAGES];
    uint64_t message_count;

    co_future *futures[FUTURES];
    co_local_key key;
} world;

static unsigned below(unsigned n)
{
    return co_test_random_below(&world.random, n);
}

/* ---- what may happen at any time ----------------------------------------- */

/* Whether a call went through. What else it may say is that it was cancelled,
 * which the actor gets over, or that its time was up. */
static int went_through(int r)
{
    if (r >= 0)
        return 1;
    ck_assert_msg(r == -ECANCELED || r == -ETIMEDOUT, "%s", co_error_name(r));
    if (r == -ECANCELED) {
        ck_assert_int_gt(co_cancelling(co_self()), 0);
        while (co_uncancel(co_self()) > 0)
            continue;
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

        if (victim->task)
            ck_assert_int_gt(co_cancel(victim->task), 0);
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
        co_timeout(below(5) * CO_MS) {                                         \
            (r) = (call);                                                      \
        }                                                                      \
    } while (0)

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

static void use_cond(void)
{
    int r;

    WITHIN(r, co_mutex_lock(&world.mutexes[0]));
    if (!went_through(r))
        return;
    take(0);
    switch (below(3)) {
    case 0:
        world.cond_signals += co_cond_signal(&world.cond);
        break;
    case 1:
        world.cond_signals += co_cond_broadcast(&world.cond);
        break;
    default:
        world.holder[0] = NULL;
        co_timeout(below(5) * CO_MS) {
            r = co_cond_wait(&world.cond, &world.mutexes[0]);
        }
        ck_assert_ptr_null(world.holder[0]); /* held, whatever it says */
        world.holder[0] = co_self();
        if (went_through(r))
            world.cond_wakes++;
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
    co_future *future;
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
        choice->future = co_future_ref(world.futures[below(FUTURES)]);
        return CO_CASE_FUTURE(choice->future, NULL);
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
            ck_assert_int_eq(co_future_done(choice->future), 1);
        co_future_unref(choice->future);
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

static int by_number(const void *a, const void *b, void *arg)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    (void)arg;
    return x < y ? -1 : x > y;
}

static void queue_got(int i, uint64_t message)
{
    message_received(message);
    disturb();
    ck_assert_int_eq(co_queue_task_done(world.queues[i]), 0);
    world.unfinished[i]--;
}

static void use_queue(void)
{
    int i = (int)below(QUEUES);
    uint64_t message = UINT64_MAX;
    int r;

    switch (below(6)) {
    case 0:
        message = message_begin();
        r = co_queue_try_put(world.queues[i], &message);
        message_end(message, r == 0);
        ck_assert(r == 0 || r == -EAGAIN);
        return;
    case 1:
        r = co_queue_try_get(world.queues[i], &message);
        if (r == 0)
            queue_got(i, message);
        else
            ck_assert_int_eq(r, -EAGAIN);
        return;
    case 2:
    case 3:
        message = message_begin();
        WITHIN(r, co_queue_put(world.queues[i], &message));
        message_end(message, r == 0);
        went_through(r);
        return;
    default:
        WITHIN(r, co_queue_get(world.queues[i], &message));
        if (r == 0)
            queue_got(i, message);
        else
            went_through(r);
        return;
    }
}

/* ---- futures, groups, generators, locals --------------------------------- */

static void use_future(void)
{
    int i = (int)below(FUTURES);
    co_future *future = world.futures[i];
    void *value = NULL;
    int number = (int)below(1000);
    int r;

    if (below(3) == 0) {
        r = co_future_resolve(future, number, co_test_number(number + 1));
        ck_assert_int_eq(r, 0);
        world.futures[i] = co_future_new();
        ck_assert_ptr_nonnull(world.futures[i]);
        co_future_unref(future);
        return;
    }
    co_future_ref(future);
    WITHIN(r, co_wait(future, &value));
    if (went_through(r))
        ck_assert_int_eq((int)(intptr_t)value, r + 1);
    co_future_unref(future);
}

struct family {
    int alive, failed;
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

static void use_group(void)
{
    struct family family = {0, 0};
    co_group group = {0};
    int r;

    for (int n = 1 + (int)below(3); n > 0; n--) {
        ck_assert_ptr_nonnull(co_group_spawn(&group, child, &family));
        family.alive++;
    }
    WITHIN(r, co_group_wait(&group));
    if (r == -EIO)
        ck_assert_int_gt(family.failed, 0);
    else if (went_through(r))
        ck_assert_int_eq(family.failed, 0);
    ck_assert_int_eq(family.alive, 0);
}

/* Yields the running total of what it is sent. */
static int accumulate(co_gen *gen, void *arg)
{
    intptr_t total = 0;

    (void)arg;
    for (;;) {
        void *sent = NULL;
        int r = co_gen_yield(gen, co_test_number(total), &sent);

        if (r < 0)
            return r;
        disturb();
        total += (intptr_t)sent;
    }
}

static void use_generator(void)
{
    co_gen *gen = co_gen_new(accumulate, NULL);
    intptr_t total = 0;
    void *value;
    int r = 0;

    ck_assert_ptr_nonnull(gen);
    for (int i = 0; i < 4; i++) {
        intptr_t number = (intptr_t)below(100);

        if (i == 0)
            WITHIN(r, co_gen_next(gen, &value));
        else
            WITHIN(r, co_gen_send(gen, co_test_number(number), &value));
        if (r != 1)
            break;
        if (i > 0)
            total += number;
        ck_assert_int_eq((intptr_t)value, total);
    }
    if (r != 1)
        went_through(r);
    co_gen_free(gen);
}

static void use_local(void)
{
    intptr_t number = 1 + (intptr_t)below(1000);

    ck_assert_int_eq(co_local_set(world.key, co_test_number(number)), 0);
    disturb();
    ck_assert_int_eq((intptr_t)co_local_get(world.key), number);
}

/* ---- programs ------------------------------------------------------------ */

static int act(void *arg)
{
    static void (*const uses[])(void) = {
        use_mutex,   use_cond,      use_rwlock,  use_sems,    use_event,
        use_barrier, use_once,      use_channel, use_channel, use_select,
        use_select,  use_queue,     use_queue,   use_future,  use_waitgroup,
        use_group,   use_generator, use_local,
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
    static const size_t capacities[CHANNELS] = {0, 1, 3};
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
        world.channels[i] = co_chan_new(sizeof(uint64_t), capacities[i]);
        ck_assert_ptr_nonnull(world.channels[i]);
    }
    for (int i = 0; i < QUEUES; i++) {
        co_queue_options options = {
            .size = sizeof(options),
            .kind = kinds[i],
            .element_bytes = sizeof(uint64_t),
            .max_count = 2,
            .compare = kinds[i] == CO_PRIORITY ? by_number : NULL,
        };

        world.queues[i] = co_queue_new(&options);
        ck_assert_ptr_nonnull(world.queues[i]);
    }
    for (int i = 0; i < FUTURES; i++) {
        world.futures[i] = co_future_new();
        ck_assert_ptr_nonnull(world.futures[i]);
    }
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
    for (int i = 0; i < QUEUES; i++) {
        while (co_queue_try_get(world.queues[i], &message) == 0)
            message_received(message);
        co_queue_free(world.queues[i]);
    }
    for (uint64_t i = 0; i < world.message_count; i++)
        ck_assert_msg(!(world.messages[i] & SENT) ||
                          world.messages[i] & RECEIVED,
                      "message %llu was lost", (unsigned long long)i);
    for (int i = 0; i < FUTURES; i++)
        co_future_unref(world.futures[i]);
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
