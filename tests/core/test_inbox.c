/* SPDX-License-Identifier: MIT */
/* Calls into a loop from elsewhere: threads, signal handlers, itself. */
#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/loop.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/loop.h"
#include "support/alarms.h"
#include "support/check_main.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

/* ---- support ------------------------------------------------------------- */

static co_loop *the_loop;

static void loop_made(void)
{
    the_loop = co_loop_new(NULL);
    ck_assert_ptr_nonnull(the_loop);
}

static void loop_freed(void)
{
    co_loop_free(the_loop);
    the_loop = NULL;
}

static int nap(void *arg)
{
    return co_sleep(*(co_time *)arg);
}

static int run_for(co_time ns)
{
    return co_loop_run_until(the_loop, nap, &ns, NULL);
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

/* What callbacks leave. */
static int made[1000];
static int made_count;

static void note(void *arg)
{
    made[made_count++ % 1000] = *(int *)arg;
}

static void stop(void *arg)
{
    (void)arg;
    co_loop_stop(the_loop);
}

static void stop_loop(void *loop)
{
    co_loop_stop(loop);
}

/* ---- order and states ---------------------------------------------------- */

START_TEST(bad_calls_are_refused)
{
    co_call call = {.fn = stop}, empty = {0};

    ck_assert_int_eq(co_call_soon_threadsafe(NULL, &call), -EINVAL);
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, NULL), -EINVAL);
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &empty), -EINVAL);
    ck_assert_int_eq(run_for(CO_US), 0);
}
END_TEST

START_TEST(calls_are_made_in_the_order_of_the_requests)
{
    int numbers[1000];
    co_call calls[1000];

    memset(calls, 0, sizeof(calls));
    made_count = 0;
    for (int i = 0; i < 1000; i++) {
        numbers[i] = i;
        calls[i].fn = note;
        calls[i].arg = &numbers[i];
        ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &calls[i]), 0);
    }
    ck_assert_int_eq(made_count, 0);
    ck_assert_int_eq(run_for(CO_MS), 0);
    ck_assert_int_eq(made_count, 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(made[i], i);
}
END_TEST

START_TEST(a_queued_call_cannot_be_queued_again)
{
    int number = 5;
    co_call call = {.fn = note, .arg = &number};

    made_count = 0;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
        ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), -EALREADY);
        ck_assert_int_eq(run_for(CO_MS), 0);
        ck_assert_int_eq(made_count, i + 1);
    }
}
END_TEST

struct again {
    co_call call;
    int left;
    int yields; /* of a task beside it */
    int first_yields;
};

static void queue_again(void *arg)
{
    struct again *a = arg;

    if (a->left-- == 0) {
        co_loop_stop(the_loop);
        return;
    }
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &a->call), 0);
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &a->call), -EALREADY);
}

static int yield_on(void *arg)
{
    struct again *a = arg;

    while (a->left >= 0 && co_yield_now() == 0)
        a->yields++;
    return 0;
}

START_TEST(a_call_can_queue_itself_again)
{
    struct again a = {.left = 500};

    a.call.fn = queue_again;
    a.call.arg = &a;
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &a.call), 0);
    ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    ck_assert_int_eq(a.left, -1);
}
END_TEST

START_TEST(a_call_that_queues_itself_starves_nobody)
{
    struct again a = {.left = 500};

    a.call.fn = queue_again;
    a.call.arg = &a;
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &a.call), 0);
    ck_assert_ptr_nonnull(co_loop_spawn(the_loop, yield_on, &a));
    ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    ck_assert_int_ge(a.yields, 400);
    ck_assert_int_eq(a.left, -1);
}
END_TEST

static void free_own_node(void *arg)
{
    made_count++;
    free(arg); /* the node: it is ours from the beginning of the call on */
}

START_TEST(a_node_may_be_freed_in_its_call)
{
    made_count = 0;
    for (int i = 0; i < 100; i++) {
        co_call *call = calloc(1, sizeof(*call));

        call->fn = free_own_node;
        call->arg = call;
        ck_assert_int_eq(co_call_soon_threadsafe(the_loop, call), 0);
    }
    ck_assert_int_eq(run_for(CO_MS), 0);
    ck_assert_int_eq(made_count, 100);
}
END_TEST

/* ---- what callbacks may do ----------------------------------------------- */

struct effects {
    co_task *sleeper;
    co_task *other;
    co_task *spawned;
    co_loop *running;
    int sleep, sleep_until, yield, join_parked, join_ended, cancel, cancel_self;
    int slept, run, turn, until, scoped;
};

static int sleep_for_ever(void *arg)
{
    struct effects *e = arg;

    e->slept = co_sleep_until(CO_NEVER);
    return e->slept;
}

static void try_everything(void *arg)
{
    struct effects *e = arg;
    co_task *ended = co_spawn(seven, NULL);

    e->running = co_loop_running();
    e->sleep = co_sleep(CO_MS);
    e->sleep_until = co_sleep_until(CO_NEVER);
    e->yield = co_yield_now();
    e->join_parked = co_join(e->other, NULL);
    e->join_ended = co_join(ended, NULL);
    co_detach(ended);
    co_shield {
        e->scoped = co_sleep(CO_SEC);
    }
    e->run = co_run(seven, NULL);
    e->until = co_loop_run_until(the_loop, seven, NULL, NULL);
    e->turn = co_loop_turn(the_loop, 0);
    e->spawned = co_spawn(seven, NULL);
    e->cancel_self = co_cancel(co_self());
    e->cancel = co_cancel(e->sleeper);
}

static int await_effects(void *arg)
{
    struct effects *e = arg;
    co_call call = {.fn = try_everything, .arg = e};
    int result = 0;

    e->sleeper = co_spawn(sleep_for_ever, e);
    e->other = co_spawn(sleep_for_ever, e);
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    ck_assert_int_eq(co_join(e->sleeper, &result), 0);
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_int_eq(co_join(e->spawned, &result), 0);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(co_cancel(e->other), 1);
    return co_join(e->other, NULL);
}

START_TEST(callbacks_spawn_cancel_and_wake_but_never_suspend)
{
    struct effects e = {0};

    ck_assert_int_eq(co_loop_run_until(the_loop, await_effects, &e, NULL), 0);
    ck_assert_ptr_eq(e.running, the_loop);
    ck_assert_int_eq(e.sleep, -EPERM);
    ck_assert_int_eq(e.sleep_until, -EPERM);
    ck_assert_int_eq(e.yield, -EPERM);
    ck_assert_int_eq(e.join_parked, -EPERM);
    ck_assert_int_eq(e.join_ended, -EPERM); /* it has not run yet */
    ck_assert_int_eq(e.scoped, -EPERM);
    ck_assert_int_eq(e.run, -EDEADLK);
    ck_assert_int_eq(e.until, -EDEADLK);
    ck_assert_int_eq(e.turn, -EDEADLK);
    ck_assert_int_eq(e.cancel_self, -EINVAL);
    ck_assert_int_eq(e.cancel, 1);
}
END_TEST

static void call_many_times(void *arg)
{
    int *refused = arg;

    for (int i = 0; i < 1000; i++)
        *refused += co_sleep(CO_SEC) == -EPERM && co_yield_now() == -EPERM;
}

/* The budget, too, must not make a callback give way. */
START_TEST(a_long_callback_is_not_made_to_yield)
{
    int refused = 0;
    co_call call = {.fn = call_many_times, .arg = &refused};

    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    ck_assert_int_eq(run_for(CO_MS), 0);
    ck_assert_int_eq(refused, 1000);
}
END_TEST

START_TEST(the_callback_task_is_not_counted)
{
    int number = 1;
    co_call call = {.fn = note, .arg = &number};

    made_count = 0;
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 0);
    ck_assert_int_eq(run_for(CO_MS), 0);
    ck_assert_int_eq(made_count, 1);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 0);
}
END_TEST

/* ---- the end of a run ---------------------------------------------------- */

static int queue_and_leave(void *arg)
{
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), arg), 0);
    return 0;
}

START_TEST(calls_that_wait_at_the_end_of_co_run_are_made)
{
    int number = 3;
    co_call call = {.fn = note, .arg = &number};

    made_count = 0;
    ck_assert_int_eq(co_run(queue_and_leave, &call), 0);
    ck_assert_int_eq(made_count, 1);
}
END_TEST

START_TEST(calls_wait_for_the_next_run)
{
    int number = 3;
    co_call call = {.fn = note, .arg = &number};

    made_count = 0;
    ck_assert_int_eq(co_loop_run_until(the_loop, queue_and_leave, &call, NULL),
                     0);
    ck_assert_int_eq(run_for(CO_MS), 0);
    ck_assert_int_eq(made_count, 1);
}
END_TEST

START_TEST(calls_into_a_loop_that_never_ran_are_made_before_it_is_freed)
{
    int number = 3;
    co_call call = {.fn = note, .arg = &number};

    made_count = 0;
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    loop_freed();
    ck_assert_int_eq(made_count, 1);
    loop_made();
}
END_TEST

static void spawn_late(void *arg)
{
    int *error = arg;

    errno = 0;
    if (!co_spawn(seven, NULL))
        *error = errno;
}

START_TEST(a_callback_of_a_loop_that_ends_cannot_spawn)
{
    int error = 0;
    co_call call = {.fn = spawn_late, .arg = &error};

    ck_assert_int_eq(co_run(queue_and_leave, &call), 0);
    ck_assert_int_eq(error, ESHUTDOWN);
}
END_TEST

static int spawn_call_spawn(void *arg)
{
    co_call call = {.fn = note, .arg = arg};

    for (int i = 0; i < 100; i++) {
        co_task *task = co_spawn(seven, NULL);
        int result = 0;

        ck_assert_ptr_nonnull(task);
        if (i == 50)
            ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call),
                             0);
        ck_assert_int_eq(co_join(task, &result), 0);
        ck_assert_int_eq(result, 7);
    }
    return co_sleep(CO_MS);
}

/* The callback task takes a stack on which another task has ended, and its own
 * is used again by the next run. */
START_TEST(the_stack_of_the_callback_task_is_reused)
{
    int number = 1;

    made_count = 0;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_run(spawn_call_spawn, &number), 0);
    ck_assert_int_eq(made_count, 5);
}
END_TEST

/* ---- memory -------------------------------------------------------------- */

/* The callback task's stack comes from a new slab: let that fail. */
START_TEST(without_memory_a_call_waits_until_there_is_some)
{
    co_loop_options options = {.size = sizeof(options),
                               .no_overflow_report = 1,
                               .stack_size = (size_t)2 << 20};
    int number = 1;

    made_count = 0;
    for (unsigned n = 1; n < 12; n++) {
        co_loop *loop = co_loop_new(&options);
        co_call call = {.fn = note, .arg = &number};
        unsigned turns = 0;

        ck_assert_int_eq(co_call_soon_threadsafe(loop, &call), 0);
        co__fault_after(n);
        while (made_count < (int)n && turns++ < 20)
            ck_assert_int_eq(co_loop_turn(loop, CO_MS), 0);
        co__fault_after(0);
        ck_assert_int_eq(made_count, (int)n);
        co_loop_free(loop);
    }
}
END_TEST

/* Nothing else would end the wait. */
START_TEST(without_memory_a_loop_does_not_wait_with_a_call_left)
{
    co_loop_options options = {.size = sizeof(options),
                               .no_overflow_report = 1,
                               .stack_size = (size_t)4 << 20};

    for (unsigned n = 1; n < 12; n++) {
        co_loop *loop = co_loop_new(&options);
        co_call call = {.fn = stop_loop, .arg = loop};

        ck_assert_int_eq(co_call_soon_threadsafe(loop, &call), 0);
        co__fault_after(n);
        ck_assert_int_eq(co_loop_run_forever(loop), 0);
        co__fault_after(0);
        co_loop_free(loop);
    }
}
END_TEST

static int start_some(void *arg)
{
    int *ended = arg;

    ck_assert_int_eq(co_sleep(CO_US), 0);
    ++*ended;
    return 0;
}

/* The callback task fills the last place of the ring: it grows, or it waits. */
START_TEST(without_memory_for_the_ring_a_call_waits_too)
{
    int number = 1;

    for (unsigned n = 1; n < 6; n++) {
        co_call call = {.fn = note, .arg = &number};
        int ended = 0;

        the_loop->overflow_report = 0;
        made_count = 0;
        for (int i = 0; i < 64; i++)
            ck_assert_ptr_nonnull(co_loop_spawn(the_loop, start_some, &ended));
        ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
        co__fault_after(n);
        while (ended < 64 || made_count < 1)
            ck_assert_int_ge(co_loop_turn(the_loop, CO_MS), 0);
        co__fault_after(0);
        loop_freed();
        loop_made();
    }
}
END_TEST

/* ---- other threads ------------------------------------------------------- */

enum {
    THREADS = 4,
    CALLS = 25000,
    NODES = 64,
};

struct flood {
    struct flood_node {
        co_call call;
        struct flood *flood;
    } nodes[NODES];
    atomic_int requested; /* calls that were accepted */
    int done;             /* calls that were made; the loop's own */
    int wanted;
    pthread_t thread;
};

static void count_flood(void *arg)
{
    struct flood_node *node = arg;

    node->flood->done++;
}

static void *flood_loop(void *arg)
{
    struct flood *f = arg;
    int sent = 0;

    while (sent < f->wanted) {
        int before = sent;

        for (int i = 0; i < NODES && sent < f->wanted; i++)
            if (co_call_soon_threadsafe(the_loop, &f->nodes[i].call) == 0)
                sent++;
        if (sent == before)
            sched_yield();
    }
    atomic_fetch_add(&f->requested, sent);
    return NULL;
}

static int await_floods(void *arg)
{
    struct flood *floods = arg;

    for (int i = 0; i < THREADS; i++)
        while (floods[i].done < floods[i].wanted)
            if (co_sleep(100 * CO_US) < 0)
                return -1;
    return 0;
}

static void flood_start(struct flood *f, int wanted)
{
    memset(f, 0, sizeof(*f));
    f->wanted = wanted;
    for (int i = 0; i < NODES; i++) {
        f->nodes[i].call.fn = count_flood;
        f->nodes[i].call.arg = &f->nodes[i];
        f->nodes[i].flood = f;
    }
    ck_assert_int_eq(pthread_create(&f->thread, NULL, flood_loop, f), 0);
}

START_TEST(no_call_of_four_threads_is_lost)
{
    static struct flood floods[THREADS];
    int wanted = co_test_scale(CALLS, 1000);
    int result = -1;

    for (int i = 0; i < THREADS; i++)
        flood_start(&floods[i], wanted);
    ck_assert_int_eq(co_loop_run_until(the_loop, await_floods, floods, &result),
                     0);
    ck_assert_int_eq(result, 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(floods[i].thread, NULL);
        ck_assert_int_eq(floods[i].done, wanted);
        ck_assert_int_eq(atomic_load(&floods[i].requested), wanted);
    }
}
END_TEST

/* One call at a time, each of which must end a blocking wait: a wake-up that
 * is lost stops the test. */
struct pong {
    co_call call;
    sem_t ball;
    int left;
};

static void pong_back(void *arg)
{
    struct pong *p = arg;

    if (--p->left == 0)
        co_loop_stop(the_loop);
    sem_post(&p->ball);
}

static void *pong_thread(void *arg)
{
    struct pong *p = arg;
    int rounds = p->left;

    for (int i = 0; i < rounds; i++) {
        if (co_call_soon_threadsafe(the_loop, &p->call) < 0)
            return p;
        while (sem_wait(&p->ball) < 0)
            continue;
    }
    return NULL;
}

START_TEST(each_call_ends_a_blocking_wait)
{
    struct pong p = {.left = co_test_scale(20000, 500)};
    pthread_t thread;
    void *failed = &p;

    sem_init(&p.ball, 0, 0);
    p.call.fn = pong_back;
    p.call.arg = &p;
    ck_assert_int_eq(pthread_create(&thread, NULL, pong_thread, &p), 0);
    ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    pthread_join(thread, &failed);
    ck_assert_ptr_null(failed);
    ck_assert_int_eq(p.left, 0);
    sem_destroy(&p.ball);
}
END_TEST

/* ---- signal handlers ----------------------------------------------------- */

static co_call signal_calls[16];
static int signal_sent;
static int signal_made;

static void count_signal(void *arg)
{
    (void)arg;
    signal_made++;
}

static void call_in_handler(int number)
{
    (void)number;
    for (int i = 0; i < 16; i++)
        if (co_call_soon_threadsafe(the_loop, &signal_calls[i]) == 0)
            signal_sent++;
}

static int await_signals(void *arg)
{
    int wanted = *(int *)arg;
    co_time until = co_now() + 20 * CO_SEC;

    while (signal_made < wanted && co_now() < until)
        if (co_sleep(50 * CO_US) < 0 || co_yield_now() < 0)
            return -1;
    return 0;
}

START_TEST(a_signal_handler_calls_thousands_of_times)
{
    int wanted = co_test_scale(40000, 2000);

    memset(signal_calls, 0, sizeof(signal_calls));
    for (int i = 0; i < 16; i++)
        signal_calls[i].fn = count_signal;
    signal_sent = signal_made = 0;
    /* Slow programs must have time between two signals. */
    co_test_alarms_start(call_in_handler, co_test_scale(40, 1000));
    ck_assert_int_eq(co_loop_run_until(the_loop, await_signals, &wanted, NULL),
                     0);
    co_test_alarms_stop();
    ck_assert_int_eq(run_for(5 * CO_MS), 0);
    ck_assert_int_eq(signal_made, signal_sent);
    ck_assert_int_ge(signal_made, wanted);
}
END_TEST

/* ---- the virtual clock --------------------------------------------------- */

static co_time call_time;

static void note_time(void *arg)
{
    (void)arg;
    call_time = co_now();
}

static int queue_and_sleep(void *arg)
{
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, arg), 0);
    return co_sleep(CO_SEC);
}

START_TEST(the_virtual_clock_does_not_jump_over_a_call)
{
    co_call call = {.fn = note_time};

    co__clock_virtual = 1;
    co__clock_virtual_now = CO_SEC;
    ck_assert_int_eq(co_loop_run_until(the_loop, queue_and_sleep, &call, NULL),
                     0);
    ck_assert_int_eq(call_time, CO_SEC);
    ck_assert_int_eq(co_now(), 2 * CO_SEC);
    co__clock_virtual = 0;
}
END_TEST

static TCase *case_of(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, loop_made, loop_freed);
    suite_add_tcase(s, tc);
    return tc;
}

/* ---- the end of a loop --------------------------------------------------- */

static atomic_int freeing, has_left;

/* A thread that has pushed, and has not left the call yet. */
static void *leave_late(void *loop)
{
    while (!atomic_load(&freeing))
        sched_yield();
    for (int i = 0; i < 1000; i++)
        sched_yield();
    atomic_store(&has_left, 1);
    atomic_fetch_sub(&((co_loop *)loop)->inbox.callers, 1);
    return NULL;
}

START_TEST(a_loop_is_not_freed_while_a_thread_is_in_a_call_into_it)
{
    co_loop *loop = co_loop_new(NULL);
    pthread_t thread;

    atomic_store(&freeing, 0);
    atomic_store(&has_left, 0);
    atomic_fetch_add(&loop->inbox.callers, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_late, loop), 0);
    atomic_store(&freeing, 1);
    co_loop_free(loop);
    ck_assert_int_eq(atomic_load(&has_left), 1);
    pthread_join(thread, NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("inbox");
    TCase *tc = case_of(s, "calls");

    tcase_add_test(tc, bad_calls_are_refused);
    tcase_add_test(tc, calls_are_made_in_the_order_of_the_requests);
    tcase_add_test(tc, a_queued_call_cannot_be_queued_again);
    tcase_add_test(tc, a_call_can_queue_itself_again);
    tcase_add_test(tc, a_call_that_queues_itself_starves_nobody);
    tcase_add_test(tc, a_node_may_be_freed_in_its_call);
    tcase_add_test(tc, callbacks_spawn_cancel_and_wake_but_never_suspend);
    tcase_add_test(tc, a_long_callback_is_not_made_to_yield);
    tcase_add_test(tc, the_callback_task_is_not_counted);
    tcase_add_test(tc, the_virtual_clock_does_not_jump_over_a_call);

    tc = case_of(s, "the end of a run");
    tcase_add_test(tc, calls_that_wait_at_the_end_of_co_run_are_made);
    tcase_add_test(tc, calls_wait_for_the_next_run);
    tcase_add_test(
        tc, calls_into_a_loop_that_never_ran_are_made_before_it_is_freed);
    tcase_add_test(tc, a_callback_of_a_loop_that_ends_cannot_spawn);
    tcase_add_test(tc, the_stack_of_the_callback_task_is_reused);

    tc = case_of(s, "memory");
    tcase_add_test(tc, without_memory_a_call_waits_until_there_is_some);
    tcase_add_test(tc, without_memory_a_loop_does_not_wait_with_a_call_left);
    tcase_add_test(tc, without_memory_for_the_ring_a_call_waits_too);

    tc = case_of(s, "from outside");
    tcase_add_test(tc, no_call_of_four_threads_is_lost);
    tcase_add_test(tc, each_call_ends_a_blocking_wait);
    tcase_add_test(tc, a_signal_handler_calls_thousands_of_times);
    tcase_add_test(tc, a_loop_is_not_freed_while_a_thread_is_in_a_call_into_it);
    return s;
}

CO_TEST_MAIN(suite)
