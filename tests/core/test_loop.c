/* SPDX-License-Identifier: MIT */
/* Loop objects: making, running again and again, stopping, freeing. */
#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/fd.h>
#include <coppice/loop.h>
#include <coppice/pipe.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include "base/clock.h"
#include "core/loop.h"
#include "support/check_main.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

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
    ck_assert_ptr_null(co_loop_running());
}

static void virtual_on(void)
{
    co__clock_virtual = 1;
    co__clock_virtual_now = CO_SEC;
}

static void virtual_off(void)
{
    co__clock_virtual = 0;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

/* Yielders live on until the loop is freed, after the test. */
static int counts[200];

static int yield_often(void *arg)
{
    int *count = arg;

    *count = 0;
    while (co_yield_now() == 0)
        ++*count;
    return 0;
}

static int sleep_for_ever(void *arg)
{
    int *result = arg;
    int r = co_sleep_until(CO_NEVER);

    if (result)
        *result = r;
    return r;
}

static int nap(void *arg)
{
    return co_sleep(*(co_time *)arg);
}

static int run_a_second(void)
{
    co_time second = CO_SEC;

    return co_loop_run_until(the_loop, nap, &second, NULL);
}

/* ---- making -------------------------------------------------------------- */

static int new_fails_with(const co_loop_options *options)
{
    co_loop *loop;

    errno = 0;
    loop = co_loop_new(options);
    if (loop) {
        co_loop_free(loop);
        return 0;
    }
    return errno;
}

START_TEST(bad_options_are_refused_with_errno)
{
    co_loop_options options = {.size = sizeof(options)};

    ck_assert_int_eq(new_fails_with(&options), 0);
    options.size = 0;
    ck_assert_int_eq(new_fails_with(&options), EINVAL);
    options.size = sizeof(options);
    options.backend = "teapot";
    ck_assert_int_eq(new_fails_with(&options), ENOSYS);
    options.backend = NULL;
    options.stack_size = 1;
    ck_assert_int_eq(new_fails_with(&options), EINVAL);
    options.stack_size = SIZE_MAX;
    ck_assert_int_eq(new_fails_with(&options), EINVAL);
    options.stack_size = CO_STACK_SIZE_MIN;
    options.no_overflow_report = 1;
    ck_assert_int_eq(new_fails_with(&options), 0);
}
END_TEST

START_TEST(freeing_nothing_is_harmless)
{
    co_loop_free(NULL);
}
END_TEST

START_TEST(a_loop_that_never_ran_can_be_freed)
{
    for (int i = 0; i < 100; i++) {
        co_loop *loop = co_loop_new(NULL);

        ck_assert_ptr_nonnull(loop);
        ck_assert_uint_eq(co_loop_task_count(loop), 0);
        co_loop_free(loop);
    }
}
END_TEST

START_TEST(a_thread_can_have_many_loops)
{
    co_loop *loops[10];

    for (int i = 0; i < 10; i++) {
        loops[i] = co_loop_new(NULL);
        ck_assert_ptr_nonnull(loops[i]);
    }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 10; i++) {
            int result = 0;

            ck_assert_int_eq(co_loop_run_until(loops[i], seven, NULL, &result),
                             0);
            ck_assert_int_eq(result, 7);
        }
    for (int i = 9; i >= 0; i -= 2)
        co_loop_free(loops[i]);
    for (int i = 0; i < 10; i += 2)
        co_loop_free(loops[i]);
}
END_TEST

START_TEST(null_loops_are_refused)
{
    ck_assert_int_eq(co_loop_run_until(NULL, seven, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_loop_run_until(the_loop, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_loop_run_forever(NULL), -EINVAL);
    ck_assert_int_eq(co_loop_stop(NULL), -EINVAL);
    ck_assert_uint_eq(co_loop_task_count(NULL), 0);
    errno = 0;
    ck_assert_ptr_null(co_loop_spawn(NULL, seven, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_loop_spawn(the_loop, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- run_until ----------------------------------------------------------- */

static int fail_inside(void *arg)
{
    (void)arg;
    return -EINTR;
}

START_TEST(run_until_tells_a_result_from_its_own_error)
{
    int result = 0;

    ck_assert_int_eq(co_loop_run_until(the_loop, fail_inside, NULL, &result),
                     0);
    ck_assert_int_eq(result, -EINTR);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, NULL), 0);
}
END_TEST

static int count_naps(void *arg)
{
    int *count = arg;

    for (;;) {
        int r = co_sleep(CO_SEC);

        if (r < 0)
            return r;
        ++*count;
    }
}

static int start_napper(void *arg)
{
    return co_detach(co_spawn(count_naps, arg));
}

START_TEST(tasks_survive_between_two_runs)
{
    co_time long_ = 10 * CO_SEC + CO_MS;

    counts[0] = 0;
    ck_assert_int_eq(co_loop_run_until(the_loop, start_napper, counts, NULL),
                     0);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 1);
    ck_assert_int_eq(co_loop_run_until(the_loop, nap, &long_, NULL), 0);
    ck_assert_int_eq(counts[0], 10);
    ck_assert_int_eq(co_loop_run_until(the_loop, nap, &long_, NULL), 0);
    ck_assert_int_eq(counts[0], 20);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 1);
}
END_TEST

static int start_yielder(void *arg)
{
    return co_detach(co_spawn(yield_often, arg));
}

START_TEST(a_ready_task_waits_for_the_next_run)
{
    int before;

    counts[0] = 0;
    ck_assert_int_eq(co_loop_run_until(the_loop, start_yielder, counts, NULL),
                     0);
    before = counts[0];
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, NULL), 0);
    ck_assert_int_le(counts[0], before + 2);
    ck_assert_int_ge(counts[0], before);
}
END_TEST

static int join_handle(void *arg)
{
    int result = -1;
    int r = co_join(*(co_task **)arg, &result);

    return r < 0 ? r : result;
}

static int leave_handle(void *arg)
{
    *(co_task **)arg = co_spawn(seven, NULL);
    return 0;
}

START_TEST(a_handle_can_be_joined_in_a_later_run)
{
    co_task *task = NULL;
    int result = 0;

    ck_assert_int_eq(co_loop_run_until(the_loop, leave_handle, &task, NULL), 0);
    ck_assert_int_eq(co_loop_run_until(the_loop, join_handle, &task, &result),
                     0);
    ck_assert_int_eq(result, 7);
    ck_assert_uint_eq(the_loop->held, 0);
}
END_TEST

static int nest(void *arg)
{
    co_loop *other = co_loop_new(NULL);

    (void)arg;
    ck_assert_ptr_nonnull(other);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, NULL), -EDEADLK);
    ck_assert_int_eq(co_loop_run_until(other, seven, NULL, NULL), -EDEADLK);
    ck_assert_int_eq(co_loop_run_forever(the_loop), -EDEADLK);
    ck_assert_int_eq(co_loop_run_forever(other), -EDEADLK);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), -EDEADLK);
    ck_assert_int_eq(co_loop_turn(other, 0), -EDEADLK);
    ck_assert_ptr_eq(co_loop_running(), the_loop);
    co_loop_free(other); /* it has no tasks */
    return 0;
}

START_TEST(one_thread_runs_one_loop_at_a_time)
{
    ck_assert_int_eq(co_loop_run_until(the_loop, nest, NULL, NULL), 0);
}
END_TEST

struct rival {
    int until, forever, turn, spawn_errno;
};

static void *run_rival(void *arg)
{
    struct rival *r = arg;

    r->until = co_loop_run_until(the_loop, seven, NULL, NULL);
    r->forever = co_loop_run_forever(the_loop);
    r->turn = co_loop_turn(the_loop, 0);
    errno = 0;
    if (!co_loop_spawn(the_loop, seven, NULL))
        r->spawn_errno = errno;
    return NULL;
}

static int meet_rival(void *arg)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_rival, arg), 0);
    pthread_join(thread, NULL);
    return 0;
}

START_TEST(one_loop_runs_on_one_thread_at_a_time)
{
    struct rival r = {0};

    ck_assert_int_eq(co_loop_run_until(the_loop, meet_rival, &r, NULL), 0);
    ck_assert_int_eq(r.until, -EDEADLK);
    ck_assert_int_eq(r.forever, -EDEADLK);
    ck_assert_int_eq(r.turn, -EDEADLK);
    ck_assert_int_eq(r.spawn_errno, EPERM);
    /* and afterwards anybody may */
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, NULL), 0);
}
END_TEST

static void *run_elsewhere(void *arg)
{
    int *result = arg;

    if (co_loop_run_until(the_loop, seven, NULL, result) < 0)
        *result = -1;
    return NULL;
}

START_TEST(a_loop_can_be_run_by_another_thread_than_its_makers)
{
    pthread_t thread;
    int result = 0;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_elsewhere, &result), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
}
END_TEST

static int pass_bytes(void *arg)
{
    const int *fds = arg;
    char byte = 'b';

    for (int i = 0; i < 10; i++)
        if (co_write(fds[1], &byte, 1) != 1)
            return -1;
    return 7;
}

/* Each time the reader has to wait first. */
static int take_bytes(void *arg)
{
    int fds[2], result = -1;
    co_task *writer;
    char byte;

    (void)arg;
    if (co_pipe(fds) < 0)
        return -1;
    writer = co_spawn(pass_bytes, fds);
    for (int i = 0; i < 10; i++)
        if (co_read(fds[0], &byte, 1) != 1)
            return -1;
    if (co_join(writer, &result) < 0 || co_close(fds[0]) < 0 ||
        co_close(fds[1]) < 0)
        return -1;
    return result;
}

static void *take_elsewhere(void *result)
{
    if (co_loop_run_until(the_loop, take_bytes, NULL, result) < 0)
        *(int *)result = -1;
    return NULL;
}

/* Threads that mostly get all that the one before had: its stack, its variables
 * and its pthread_t. */
START_TEST(threads_one_after_the_other_run_a_loop)
{
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        int result = 0;

        ck_assert_int_eq(pthread_create(&thread, NULL, take_elsewhere, &result),
                         0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(result, 7);
    }
}
END_TEST

static int nap_for_ever(void *arg)
{
    (void)arg;
    return co_sleep_until(CO_NEVER);
}

static int spawn_nap(void *arg)
{
    (void)arg;
    ck_assert_ptr_nonnull(co_spawn(nap_for_ever, NULL));
    return co_yield_now();
}

START_TEST(started_task_keeps_its_loop_on_its_thread)
{
    pthread_t thread;
    int result = 0;

    ck_assert_int_eq(co_loop_run_until(the_loop, spawn_nap, NULL, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_elsewhere, &result), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
    ck_assert_int_eq(result, 7);
}
END_TEST

static void do_nothing(void *arg)
{
    (void)arg;
}

START_TEST(loop_that_made_callbacks_stays_on_its_thread)
{
    co_call call = {.fn = do_nothing};
    pthread_t thread;
    int result = 0;

    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_elsewhere, &result), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
}
END_TEST

/* ---- spawning from outside ----------------------------------------------- */

START_TEST(what_is_spawned_before_a_run_runs_in_it)
{
    co_task *task = co_loop_spawn(the_loop, seven, NULL);
    int result = 0;

    ck_assert_ptr_nonnull(task);
    ck_assert_ptr_nonnull(strstr(co_task_site(task), "test_loop.c:"));
    ck_assert_uint_eq(co_loop_task_count(the_loop), 1);
    ck_assert_int_eq(run_a_second(), 0);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 0);
    ck_assert_int_eq(co_loop_run_until(the_loop, join_handle, &task, &result),
                     0);
    ck_assert_int_eq(result, 7);
}
END_TEST

static int spawn_in_two_loops(void *arg)
{
    co_loop *other = arg;
    co_task *here = co_loop_spawn(the_loop, seven, NULL);
    co_task *there = co_loop_spawn(other, seven, NULL);

    ck_assert_ptr_nonnull(here);
    ck_assert_ptr_nonnull(there);
    ck_assert_int_eq(co_join(there, NULL), -EPERM);
    return co_join(here, NULL);
}

START_TEST(a_task_can_spawn_into_its_own_and_into_an_idle_loop)
{
    co_loop *other = co_loop_new(NULL);
    co_time second = CO_SEC;

    ck_assert_int_eq(
        co_loop_run_until(the_loop, spawn_in_two_loops, other, NULL), 0);
    ck_assert_uint_eq(co_loop_task_count(other), 1);
    ck_assert_int_eq(co_loop_run_until(other, nap, &second, NULL), 0);
    ck_assert_uint_eq(co_loop_task_count(other), 0);
    co_loop_free(other);
}
END_TEST

START_TEST(handles_are_out_of_reach_between_runs)
{
    co_task *task = co_loop_spawn(the_loop, sleep_for_ever, NULL);

    ck_assert_int_eq(co_join(task, NULL), -EPERM);
    ck_assert_int_eq(co_cancel(task), -EPERM);
    ck_assert_int_eq(co_detach(task), -EPERM);
}
END_TEST

/* ---- stopping ------------------------------------------------------------ */

static int stop_soon(void *arg)
{
    (void)arg;
    co_sleep(CO_SEC);
    return co_loop_stop(the_loop);
}

START_TEST(a_task_stops_the_run)
{
    ck_assert_ptr_nonnull(co_loop_spawn(the_loop, stop_soon, NULL));
    ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 0);
}
END_TEST

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(a_stop_before_the_run_ends_the_next_one)
{
    co_call call = {.fn = nothing};
    int result = 99;

    ck_assert_int_eq(co_loop_stop(the_loop), 0);
    ck_assert_int_eq(co_loop_stop(the_loop), 0);
    ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    /* one run only, though the inbox is looked at again */
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    ck_assert_int_eq(run_a_second(), 0);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
    ck_assert_int_eq(result, 7);
}
END_TEST

static void stop_with_yielders(int n)
{
    int least = 1, most = 3; /* what a look in the middle of a turn may add */

    for (int i = 0; i < n; i++) {
        counts[i] = -1;
        ck_assert_ptr_nonnull(co_loop_spawn(the_loop, yield_often, &counts[i]));
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_loop_stop(the_loop), 0);
        ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    }
    for (int i = 0; i < n; i++)
        ck_assert_msg(counts[i] >= least && counts[i] <= most,
                      "yielder %d of %d had %d turns", i, n, counts[i]);
}

START_TEST(a_stop_gives_ready_tasks_their_turn)
{
    static const int crowds[] = {1, 2, 59, 60, 61, 62, 63, 121, 122, 123};

    stop_with_yielders(crowds[_i]);
}
END_TEST

START_TEST(a_stopped_run_until_is_interrupted_and_its_task_goes_on)
{
    int result = 99, slept = 0;

    ck_assert_ptr_nonnull(co_loop_spawn(the_loop, stop_soon, NULL));
    ck_assert_int_eq(
        co_loop_run_until(the_loop, sleep_for_ever, &slept, &result), -EINTR);
    ck_assert_int_eq(result, 99);
    ck_assert_int_eq(slept, 0);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 1);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
    loop_freed();
    ck_assert_int_eq(slept, -ECANCELED);
    loop_made();
}
END_TEST

START_TEST(an_interrupted_first_task_ends_on_its_own)
{
    co_time half = 3 * CO_SEC, rest = 4 * CO_SEC;

    ck_assert_ptr_nonnull(co_loop_spawn(the_loop, stop_soon, NULL));
    ck_assert_int_eq(co_loop_run_until(the_loop, nap, &half, NULL), -EINTR);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 1);
    ck_assert_int_eq(co_loop_run_until(the_loop, nap, &rest, NULL), 0);
    ck_assert_uint_eq(co_loop_task_count(the_loop), 0);
    ck_assert_uint_eq(the_loop->held, 1); /* stop_soon, which none joined */
}
END_TEST

static int stop_and_return(void *arg)
{
    (void)arg;
    co_loop_stop(the_loop);
    return 8;
}

START_TEST(a_stop_that_the_run_no_longer_needed_does_not_end_the_next)
{
    int result = 99;

    ck_assert_int_eq(
        co_loop_run_until(the_loop, stop_and_return, NULL, &result), 0);
    ck_assert_int_eq(result, 8);
    ck_assert_int_eq(run_a_second(), 0);
}
END_TEST

START_TEST(a_task_that_ends_in_the_last_batch_gives_its_result)
{
    int result = 99;

    ck_assert_int_eq(co_loop_stop(the_loop), 0);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
    ck_assert_int_eq(result, 7);
}
END_TEST

static int stop_co_run(void *arg)
{
    (void)arg;
    ck_assert_ptr_nonnull(co_spawn(sleep_for_ever, arg));
    co_loop_stop(co_loop_running());
    return co_sleep_until(CO_NEVER);
}

START_TEST(a_stop_ends_co_run_with_its_tasks_cancelled)
{
    int slept = 0;

    ck_assert_int_eq(co_run(stop_co_run, &slept), -EINTR);
    ck_assert_int_eq(slept, -ECANCELED);
}
END_TEST

static int stop_while_ending(void *arg)
{
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    co_loop_stop(co_loop_running());
    co_shield {
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        co_loop_stop(co_loop_running());
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
    *(int *)arg = 1;
    return 0;
}

static int leave_stoppers(void *arg)
{
    int *ended = arg;

    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(co_spawn(stop_while_ending, &ended[i]));
    return co_yield_now();
}

START_TEST(a_stop_while_ending_leaves_nobody_behind)
{
    int ended[5] = {0};

    ck_assert_int_eq(co_run(leave_stoppers, ended), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ended[i], 1);
}
END_TEST

static sem_t ready_to_stop;

static void *stop_from_thread(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        while (sem_wait(&ready_to_stop) < 0)
            continue;
        co_loop_stop(the_loop);
    }
    return NULL;
}

/* Real time: the loop is in, or about to enter, its wait. */
START_TEST(another_thread_stops_the_run)
{
    int rounds = co_test_scale(2000, 100);
    pthread_t thread;

    sem_init(&ready_to_stop, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_from_thread, &rounds),
                     0);
    for (int i = 0; i < rounds; i++) {
        sem_post(&ready_to_stop);
        ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    }
    pthread_join(thread, NULL);
    sem_destroy(&ready_to_stop);
}
END_TEST

static int post_and_yield(void *arg)
{
    sem_post(&ready_to_stop);
    return yield_often(arg);
}

START_TEST(another_thread_stops_a_busy_run)
{
    int one = 1;
    pthread_t thread;

    sem_init(&ready_to_stop, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_from_thread, &one), 0);
    ck_assert_ptr_nonnull(co_loop_spawn(the_loop, post_and_yield, counts));
    ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    pthread_join(thread, NULL);
    sem_destroy(&ready_to_stop);
}
END_TEST

static void stop_in_handler(int number)
{
    (void)number;
    co_loop_stop(the_loop);
}

START_TEST(a_signal_handler_stops_the_run)
{
    struct sigaction action = {.sa_handler = stop_in_handler}, old;

    sigaction(SIGALRM, &action, &old);
    for (int i = 0; i < co_test_scale(300, 30); i++) {
        struct itimerval soon = {.it_value = {.tv_usec = 50 + i % 100}};

        setitimer(ITIMER_REAL, &soon, NULL);
        ck_assert_int_eq(co_loop_run_forever(the_loop), 0);
    }
    sigaction(SIGALRM, &old, NULL);
}
END_TEST

/* ---- freeing ------------------------------------------------------------- */

START_TEST(freeing_a_loop_ends_its_tasks)
{
    int results[100] = {0};

    for (int i = 0; i < 50; i++)
        ck_assert_ptr_nonnull(
            co_loop_spawn(the_loop, sleep_for_ever, &results[i]));
    ck_assert_int_eq(run_a_second(), 0);
    for (int i = 50; i < 100; i++)
        ck_assert_ptr_nonnull(
            co_loop_spawn(the_loop, sleep_for_ever, &results[i]));
    loop_freed();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(results[i], -ECANCELED);
    loop_made();
}
END_TEST

START_TEST(freeing_a_loop_names_its_tasks_in_debug_mode)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    co_loop *loop = co_loop_new(&options);
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    char text[1024] = "";

    ck_assert_ptr_nonnull(co_loop_spawn(loop, sleep_for_ever, NULL));
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    co_loop_free(loop);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "test_loop.c:"));
}
END_TEST

static int free_the_running(void *arg)
{
    (void)arg;
    co_loop_free(the_loop);
    return 0;
}

static int free_another_with_tasks(void *arg)
{
    co_loop *other = co_loop_new(NULL);

    (void)arg;
    if (!co_loop_spawn(other, seven, NULL))
        _exit(1);
    co_loop_free(other);
    return 0;
}

/* What the child that runs fn in the loop dies of; its stderr goes to text. */
static int dies_of(co_task_fn fn, char *text, size_t bytes)
{
    int status, fds[2];
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        struct sigaction action = {.sa_handler = SIG_DFL};

        sigaction(SIGABRT, &action, NULL);
        dup2(fds[1], STDERR_FILENO);
        if (co_loop_run_until(the_loop, fn, NULL, NULL) < 0)
            _exit(1);
        _exit(0);
    }
    close(fds[1]);
    n = read(fds[0], text, bytes - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(freeing_a_loop_that_runs_stops_the_program)
{
    char text[512];

    ck_assert_int_eq(dies_of(free_the_running, text, sizeof(text)), SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "co_loop_free"));
    ck_assert_int_eq(dies_of(free_another_with_tasks, text, sizeof(text)),
                     SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "co_loop_free"));
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

static void add_stopping(TCase *tc)
{
    tcase_add_checked_fixture(tc, virtual_on, virtual_off);
    tcase_add_test(tc, a_task_stops_the_run);
    tcase_add_test(tc, a_stop_before_the_run_ends_the_next_one);
    tcase_add_loop_test(tc, a_stop_gives_ready_tasks_their_turn, 0, 10);
    tcase_add_test(tc, a_stopped_run_until_is_interrupted_and_its_task_goes_on);
    tcase_add_test(tc, an_interrupted_first_task_ends_on_its_own);
    tcase_add_test(tc,
                   a_stop_that_the_run_no_longer_needed_does_not_end_the_next);
    tcase_add_test(tc, a_task_that_ends_in_the_last_batch_gives_its_result);
    tcase_add_test(tc, a_stop_ends_co_run_with_its_tasks_cancelled);
    tcase_add_test(tc, a_stop_while_ending_leaves_nobody_behind);
}

static Suite *suite(void)
{
    Suite *s = suite_create("loop");
    TCase *tc = case_of(s, "making");

    tcase_add_test(tc, bad_options_are_refused_with_errno);
    tcase_add_test(tc, freeing_nothing_is_harmless);
    tcase_add_test(tc, a_loop_that_never_ran_can_be_freed);
    tcase_add_test(tc, a_thread_can_have_many_loops);
    tcase_add_test(tc, null_loops_are_refused);
    tcase_add_test(tc, one_thread_runs_one_loop_at_a_time);
    tcase_add_test(tc, one_loop_runs_on_one_thread_at_a_time);
    tcase_add_test(tc, a_loop_can_be_run_by_another_thread_than_its_makers);
    tcase_add_test(tc, threads_one_after_the_other_run_a_loop);
    tcase_add_test(tc, started_task_keeps_its_loop_on_its_thread);
    tcase_add_test(tc, loop_that_made_callbacks_stays_on_its_thread);

    tc = case_of(s, "running");
    tcase_add_checked_fixture(tc, virtual_on, virtual_off);
    tcase_add_test(tc, run_until_tells_a_result_from_its_own_error);
    tcase_add_test(tc, tasks_survive_between_two_runs);
    tcase_add_test(tc, a_ready_task_waits_for_the_next_run);
    tcase_add_test(tc, a_handle_can_be_joined_in_a_later_run);
    tcase_add_test(tc, what_is_spawned_before_a_run_runs_in_it);
    tcase_add_test(tc, a_task_can_spawn_into_its_own_and_into_an_idle_loop);
    tcase_add_test(tc, handles_are_out_of_reach_between_runs);

    add_stopping(case_of(s, "stopping"));
    tc = case_of(s, "stopping from outside");
    tcase_add_test(tc, another_thread_stops_the_run);
    tcase_add_test(tc, another_thread_stops_a_busy_run);
    tcase_add_test(tc, a_signal_handler_stops_the_run);

    tc = case_of(s, "freeing");
    tcase_add_checked_fixture(tc, virtual_on, virtual_off);
    tcase_add_test(tc, freeing_a_loop_ends_its_tasks);
    tcase_add_test(tc, freeing_a_loop_names_its_tasks_in_debug_mode);
    tcase_add_test(tc, freeing_a_loop_that_runs_stops_the_program);
    return s;
}

CO_TEST_MAIN(suite)
