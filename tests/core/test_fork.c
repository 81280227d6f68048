/* SPDX-License-Identifier: MIT */
/* fork(2): the child drops the loop, the parent notices nothing. */
#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/error.h>
#include <coppice/loop.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include "base/clock.h"
#include "core/loop.h"
#include "support/check_main.h"
#include "support/forks.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- support ------------------------------------------------------------- */

/*
 * All is well, in a child of a process with loops on other threads. Their
 * memory is out of reach here, which memcheck would report at an exit, or not,
 * depending on where the threads were; a signal it does not ask about.
 */
#define UNASKED (-1 - SIGKILL)

static void leave_unasked(void)
{
    raise(SIGKILL);
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int nap(void *arg)
{
    return co_sleep(*(co_time *)arg);
}

/* ---- what the child sees ------------------------------------------------- */

static int fork_and_look_around(void *arg)
{
    pid_t pid;

    (void)arg;
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(co_self() == NULL);
        CO_CHILD_CHECK(co_loop_running() == NULL);
        errno = 0;
        CO_CHILD_CHECK(co_spawn(seven, NULL) == NULL && errno == EPERM);
        CO_CHILD_CHECK(co_yield_now() == 0);
        CO_CHILD_CHECK(co_sleep(CO_US) == 0);
        _exit(CO_TEST_WELL);
    }
    return co_test_end_of(pid);
}

START_TEST(the_child_is_a_plain_thread)
{
    ck_assert_int_eq(co_run(fork_and_look_around, NULL), CO_TEST_WELL);
}
END_TEST

static int square(void *arg)
{
    int n = *(int *)arg;

    return co_sleep(CO_US * n) < 0 ? -1 : n * n;
}

/* A run with tasks and sleep, as any other. */
static int run_tasks(void *arg)
{
    co_task *tasks[20];
    int numbers[20], sum = 0;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        numbers[i] = i;
        tasks[i] = co_spawn(square, &numbers[i]);
        if (!tasks[i])
            return -errno;
    }
    for (int i = 0; i < 20; i++) {
        int r = -1;

        if (co_join(tasks[i], &r) < 0)
            return -1;
        sum += r;
    }
    return sum;
}

static int fork_and_run(void *arg)
{
    pid_t pid = fork();

    (void)arg;
    if (pid == 0) {
        for (int i = 0; i < 3; i++)
            CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470);
        _exit(CO_TEST_WELL);
    }
    return co_test_end_of(pid);
}

START_TEST(co_run_works_in_the_child)
{
    ck_assert_int_eq(co_run(fork_and_run, NULL), CO_TEST_WELL);
}
END_TEST

static int fork_inside_a_fork(void *arg)
{
    pid_t pid = fork();

    if (pid == 0)
        CO_CHILD_CHECK(co_run(fork_and_run, arg) == CO_TEST_WELL);
    if (pid == 0)
        return CO_TEST_WELL;
    return co_test_end_of(pid);
}

START_TEST(a_child_that_runs_a_loop_can_fork_in_it)
{
    ck_assert_int_eq(co_run(fork_inside_a_fork, NULL), CO_TEST_WELL);
}
END_TEST

static int fork_and_return(void *arg)
{
    int value = *(int *)arg;
    pid_t pid = fork();

    if (pid == 0)
        return value;
    return co_test_end_of(pid);
}

START_TEST(a_child_whose_function_returns_exits_with_the_result)
{
    int values[] = {0, 1, 255, 256, -1, -EIO};

    for (size_t i = 0; i < CO_ARRAY_LEN(values); i++)
        ck_assert_int_eq(co_run(fork_and_return, &values[i]), values[i] & 255);
}
END_TEST

static int spawn_forker(void *arg)
{
    co_task *task = co_spawn(fork_and_return, arg);
    int result = -1;

    ck_assert_int_eq(co_join(task, &result), 0);
    return result;
}

START_TEST(a_task_other_than_the_first_can_fork)
{
    int value = 9;

    ck_assert_int_eq(co_run(spawn_forker, &value), 9);
}
END_TEST

/* ---- the parent ---------------------------------------------------------- */

struct beside {
    int steps;
    int stop;
};

static int step_along(void *arg)
{
    struct beside *b = arg;

    while (!b->stop) {
        if (co_sleep(20 * CO_US) < 0 || co_yield_now() < 0)
            return -1;
        b->steps++;
    }
    return 0;
}

static int fork_beside(void *arg)
{
    struct beside *b = arg;
    co_task *task = co_spawn(step_along, b);
    int before;
    pid_t pid;

    ck_assert_int_eq(co_sleep(CO_MS), 0);
    pid = fork();
    if (pid == 0) {
        before = b->steps;
        CO_CHILD_CHECK(co_sleep(5 * CO_MS) == 0); /* runs nobody's tasks */
        CO_CHILD_CHECK(b->steps == before);
        CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470);
        CO_CHILD_CHECK(b->steps == before);
        return CO_TEST_WELL;
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    before = b->steps;
    ck_assert_int_eq(co_sleep(2 * CO_MS), 0);
    ck_assert_int_gt(b->steps, before);
    b->stop = 1;
    return co_join(task, NULL);
}

START_TEST(the_parents_tasks_run_in_the_parent_only)
{
    struct beside b = {0};

    ck_assert_int_eq(co_run(fork_beside, &b), 0);
}
END_TEST

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void *call_later(void *arg)
{
    void **args = arg;

    usleep(2000);
    return co_call_soon_threadsafe(args[0], args[1]) < 0 ? arg : NULL;
}

/* The parent's wake-up descriptor still works when the child has gone. */
static int fork_then_be_called(void *arg)
{
    int called = 0;
    co_call call = {.fn = count_call, .arg = &called};
    void *args[] = {co_loop_running(), &call};
    pthread_t thread;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        _exit(CO_TEST_WELL);
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    ck_assert_int_eq(pthread_create(&thread, NULL, call_later, args), 0);
    while (!called)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    pthread_join(thread, NULL);
    return 0;
}

START_TEST(the_parent_can_still_be_woken)
{
    ck_assert_int_eq(co_run(fork_then_be_called, NULL), 0);
}
END_TEST

static int fork_and_count_fds(void *arg)
{
    int before = co_test_fds_open();
    pid_t pid = fork();

    (void)arg;
    if (pid == 0) {
        int after = co_test_fds_open();

        CO_CHILD_CHECK(after < before);
        CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470);
        CO_CHILD_CHECK(co_test_fds_open() == after);
        _exit(CO_TEST_WELL);
    }
    return co_test_end_of(pid);
}

START_TEST(the_child_closes_its_copies_of_the_reactor)
{
    ck_assert_int_eq(co_run(fork_and_count_fds, NULL), CO_TEST_WELL);
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

static int fork_in_scopes(void *arg)
{
    co_scope scope = {0};
    pid_t pid = -1;

    (void)arg;
    co_timeout_in(&scope, 10 * CO_SEC) {
        co_shield {
            pid = fork();
            if (pid == 0)
                CO_CHILD_CHECK(co_sleep(CO_US) == 0);
        }
        if (pid == 0) {
            co_timeout(0) /* a scope of the child's own thread */
            {
                CO_CHILD_CHECK(co_sleep(CO_MS) == -ETIMEDOUT);
            }
            CO_CHILD_CHECK(co_sleep(CO_US) == 0);
            CO_CHILD_CHECK(co_scope_reschedule(&scope, CO_NEVER) == -EPERM);
        }
    }
    if (pid == 0) {
        CO_CHILD_CHECK(co_sleep(CO_US) == 0);
        CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470);
        return CO_TEST_WELL;
    }
    return co_test_end_of(pid);
}

START_TEST(scopes_can_be_left_in_the_child)
{
    ck_assert_int_eq(co_run(fork_in_scopes, NULL), CO_TEST_WELL);
}
END_TEST

static int fork_cancelled(void *arg)
{
    pid_t pid;

    (void)arg;
    ck_assert_int_eq(co_cancel(co_self()), 1);
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(co_sleep(CO_US) == 0); /* a thread is not cancelled */
        return CO_TEST_WELL;
    }
    return co_test_end_of(pid);
}

START_TEST(the_child_of_a_cancelled_task_is_not_cancelled)
{
    ck_assert_int_eq(co_run(fork_cancelled, NULL), CO_TEST_WELL);
}
END_TEST

/* ---- other places to fork in --------------------------------------------- */

START_TEST(a_child_forked_outside_of_a_run_can_run)
{
    pid_t pid;

    ck_assert_int_eq(co_run(seven, NULL), 7); /* handlers are installed */
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(co_self() == NULL);
        CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470);
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    ck_assert_int_eq(co_run(run_tasks, NULL), 2470);
}
END_TEST

static pid_t callback_child;
static int after_fork;

static void fork_in_call(void *arg)
{
    (void)arg;
    callback_child = fork();
}

static void child_must_not_call(void *arg)
{
    (void)arg;
    if (callback_child == 0)
        _exit(13);
    after_fork++;
}

static int await_callback_child(void *arg)
{
    co_call first = {.fn = fork_in_call};
    co_call second = {.fn = child_must_not_call};

    (void)arg;
    callback_child = -1;
    after_fork = 0;
    co_call_soon_threadsafe(co_loop_running(), &first);
    co_call_soon_threadsafe(co_loop_running(), &second);
    while (!after_fork)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    if (callback_child == 0)
        _exit(14); /* a task of the parent's, in the child */
    return co_test_end_of(callback_child);
}

START_TEST(a_child_forked_in_a_callback_ends_with_it)
{
    ck_assert_int_eq(co_run(await_callback_child, NULL), 0);
    ck_assert_int_eq(after_fork, 1);
}
END_TEST

static atomic_int stop_threads;

static void *run_and_run(void *arg)
{
    while (!atomic_load(&stop_threads)) {
        if (co_run(run_tasks, NULL) != 2470)
            return arg;
        if (CO_TEST_SLOW)
            usleep(5000); /* valgrind runs one thread at a time */
    }
    return NULL;
}

static int fork_much(void *arg)
{
    int failed = 0;

    (void)arg;
    for (int i = 0; i < co_test_scale(200, 5); i++) {
        pid_t pid = fork();

        if (pid == 0) {
            CO_CHILD_CHECK(co_self() == NULL);
            CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470);
            leave_unasked();
        }
        failed += co_test_end_of(pid) != UNASKED;
        ck_assert_int_eq(co_yield_now(), 0);
    }
    return failed;
}

START_TEST(loops_of_other_threads_do_not_matter)
{
    pthread_t threads[2];
    void *failed;
    int r;

    atomic_store(&stop_threads, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, run_and_run, threads), 0);
    r = co_run(fork_much, NULL);
    atomic_store(&stop_threads, 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_int_eq(r, 0);
}
END_TEST

static void *make_slabs(void *arg)
{
    co_loop_options options = {.size = sizeof(options)};

    /* A thread without a kept pool maps anew at each first run. */
    (void)arg;
    for (size_t size = CO_STACK_SIZE_MIN; size < (size_t)1 << 22; size *= 2) {
        options.stack_size = size;
        if (co_run_with(&options, run_tasks, NULL, NULL) < 0)
            return &stop_threads;
    }
    return NULL;
}

static void *make_threads(void *arg)
{
    while (!atomic_load(&stop_threads)) {
        pthread_t thread;
        void *failed = arg;

        if (pthread_create(&thread, NULL, make_slabs, NULL) != 0)
            return arg;
        pthread_join(thread, &failed);
        if (failed)
            return arg;
        if (CO_TEST_SLOW)
            usleep(5000);
    }
    return NULL;
}

/* A lock that another thread holds at the moment of the fork is never given
 * back in the child. */
START_TEST(locks_of_other_threads_do_not_outlive_a_fork)
{
    pthread_t threads[3];
    int thread_count = co_test_scale(3, 1);
    void *failed;
    int bad = 0;

    ck_assert_int_eq(co_run(seven, NULL), 7);
    atomic_store(&stop_threads, 0);
    for (int i = 0; i < thread_count; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, make_threads, threads), 0);
    for (int i = 0; i < co_test_scale(500, 5) && !bad; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            co_loop_options options = {.size = sizeof(options),
                                       .stack_size = (size_t)8 << 20};
            int sum = 0;

            alarm(co_test_scale(10, 60));
            CO_CHILD_CHECK(co_run_with(&options, run_tasks, NULL, &sum) == 0);
            CO_CHILD_CHECK(sum == 2470);
            _exit(CO_TEST_WELL);
        }
        bad += co_test_end_of(pid) != CO_TEST_WELL;
    }
    atomic_store(&stop_threads, 1);
    for (int i = 0; i < thread_count; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_int_eq(bad, 0);
}
END_TEST

static co_loop *kept;

START_TEST(a_loop_kept_by_the_parent_goes_on_after_a_fork_between_runs)
{
    co_time ms = CO_MS;
    pid_t pid;

    kept = co_loop_new(NULL);
    ck_assert_int_eq(co_loop_run_until(kept, nap, &ms, NULL), 0);
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(co_run(run_tasks, NULL) == 2470); /* its own */
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    ck_assert_int_eq(co_loop_run_until(kept, nap, &ms, NULL), 0);
    co_loop_free(kept);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fork");
    TCase *tc = tcase_create("fork");

    co_test_check_fds(tc);
    tcase_set_timeout(tc, 170);
    tcase_add_test(tc, the_child_is_a_plain_thread);
    tcase_add_test(tc, co_run_works_in_the_child);
    tcase_add_test(tc, a_child_that_runs_a_loop_can_fork_in_it);
    tcase_add_test(tc, a_child_whose_function_returns_exits_with_the_result);
    tcase_add_test(tc, a_task_other_than_the_first_can_fork);
    tcase_add_test(tc, the_parents_tasks_run_in_the_parent_only);
    tcase_add_test(tc, the_parent_can_still_be_woken);
    tcase_add_test(tc, the_child_closes_its_copies_of_the_reactor);
    tcase_add_test(tc, scopes_can_be_left_in_the_child);
    tcase_add_test(tc, the_child_of_a_cancelled_task_is_not_cancelled);
    tcase_add_test(tc, a_child_forked_outside_of_a_run_can_run);
    tcase_add_test(tc, a_child_forked_in_a_callback_ends_with_it);
    tcase_add_test(tc,
                   a_loop_kept_by_the_parent_goes_on_after_a_fork_between_runs);
    tcase_add_test(tc, loops_of_other_threads_do_not_matter);
    tcase_add_test(tc, locks_of_other_threads_do_not_outlive_a_fork);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
