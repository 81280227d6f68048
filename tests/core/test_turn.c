/* SPDX-License-Identifier: MIT */
/* A loop that sleeps before it looks: co_loop_options, field min_wait_ns. */
#include <coppice.h>

#include "core/loop.h"
#include "core/task.h"
#include "support/check_main.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define ROUNDS 20

static int run_with(co_time min_wait, co_task_fn fn, void *arg)
{
    co_run_options options = {.size = sizeof(options), .min_wait_ns = min_wait};
    int result = -1;

    ck_assert_int_eq(co_run_with(&options, fn, arg, &result), 0);
    return result;
}

/* ---- what waits ---------------------------------------------------------- */

struct pipes {
    co_loop *loop;
    int first[2], second[2];
};

/* Both at once, when the loop sleeps. */
static void *write_to_both(void *arg)
{
    struct pipes *pipes = arg;

    while (!atomic_load(&pipes->loop->inbox.asleep))
        sched_yield();
    ck_assert_int_eq(write(pipes->first[1], "1", 1), 1);
    ck_assert_int_eq(write(pipes->second[1], "2", 1), 1);
    return NULL;
}

static int read_second(void *arg)
{
    struct pipes *pipes = arg;
    char byte;

    return (int)co_read(pipes->second[0], &byte, 1);
}

static int read_both(void *arg)
{
    struct pipes *pipes = arg;
    co_time start;
    char byte;

    pipes->loop = co_loop_running();
    ck_assert_int_eq(pipe(pipes->first), 0);
    ck_assert_int_eq(pipe(pipes->second), 0);
    ck_assert_int_eq(co_sleep(20 * CO_MS), 0); /* kqueue's first is none */
    for (int i = 0; i < 3; i++) {
        co_task *second = co_spawn(read_second, pipes);
        pthread_t writer;
        int r;

        start = co_now();
        ck_assert_int_eq(pthread_create(&writer, NULL, write_to_both, pipes),
                         0);
        ck_assert_int_eq(co_read(pipes->first[0], &byte, 1), 1);
        ck_assert_int_ge(co_now() - start, 20 * CO_MS);
        /* What came meanwhile was found by the same look. */
        ck_assert_int_eq(second->state, CO__TASK_READY);
        ck_assert_int_eq(co_join(second, &r), 0);
        ck_assert_int_eq(r, 1);
        pthread_join(writer, NULL);
    }
    for (int i = 0; i < 2; i++) {
        close(pipes->first[i]);
        close(pipes->second[i]);
    }
    return 7;
}

START_TEST(descriptors_are_looked_at_after_the_min_wait_all_at_once)
{
    struct pipes pipes;

    ck_assert_int_eq(run_with(20 * CO_MS, read_both, &pipes), 7);
}
END_TEST

/* ---- what does not ------------------------------------------------------- */

/* It waits so often, or could: a second each time would be noticed. */
static void does_not_sleep(co_task_fn fn)
{
    co_time start = co_now();

    ck_assert_int_eq(run_with(CO_SEC, fn, NULL), 7);
    ck_assert_int_lt(co_now() - start, ROUNDS * CO_SEC / 2);
}

static int elsewhere(void *arg)
{
    usleep(100);
    return *(int *)arg;
}

static int offload_often(void *arg)
{
    int seven = 7;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++)
        ck_assert_int_eq(co_offload(elsewhere, &seven), 7);
    return 7;
}

START_TEST(other_threads_do_not_wait_for_it)
{
    does_not_sleep(offload_often);
}
END_TEST

static int sleep_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        co_time start = co_now();

        ck_assert_int_eq(co_sleep(CO_MS), 0);
        ck_assert_int_ge(co_now() - start, CO_MS);
    }
    return 7;
}

START_TEST(timers_do_not_wait_for_it)
{
    does_not_sleep(sleep_often);
}
END_TEST

static int yield_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50 * ROUNDS; i++)
        ck_assert_int_eq(co_yield_now(), 0);
    return 7;
}

START_TEST(a_loop_that_has_something_to_do_does_not_sleep)
{
    does_not_sleep(yield_often);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("turn");
    TCase *tc = tcase_create("min_wait");

    tcase_add_test(tc,
                   descriptors_are_looked_at_after_the_min_wait_all_at_once);
    tcase_add_test(tc, other_threads_do_not_wait_for_it);
    tcase_add_test(tc, timers_do_not_wait_for_it);
    tcase_add_test(tc, a_loop_that_has_something_to_do_does_not_sleep);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
