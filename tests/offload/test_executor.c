/* SPDX-License-Identifier: MIT */
/* Pools of one's own: jobs with futures, and the end of a pool. */
#include "offload_support.h"

#include "base/alloc.h"
#include "support/check_main.h"
#include "support/stderr.h"

#include <string.h>

static int number(void *arg)
{
    return (int)(intptr_t)arg;
}

static int pool_now(void *arg)
{
    return co__pool_inside(arg);
}

/* ---- making one ---------------------------------------------------------- */

static void refused(const co_executor_options *options)
{
    errno = 0;
    ck_assert_ptr_null(co_executor_new(options));
    ck_assert_int_eq(errno, EINVAL);
}

START_TEST(options_out_of_range_are_refused)
{
    co_executor_options good = {.size = sizeof(good)}, bad;

    co_executor_free(co_executor_new(&good));
    bad = good;
    bad.size = 0;
    refused(&bad);
    bad = good;
    bad.threads_max = 1025;
    refused(&bad);
    bad = good;
    bad.threads_min = 2;
    bad.threads_max = 1;
    refused(&bad);
    bad = good;
    bad.idle_ns = -1;
    refused(&bad);
}
END_TEST

START_TEST(without_memory_there_is_no_pool)
{
    co_executor *pool;

    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_executor_new(NULL));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(0);
    pool = co_executor_new(NULL);
    ck_assert_ptr_nonnull(pool);
    co_executor_free(pool);
}
END_TEST

START_TEST(free_of_null_is_nothing)
{
    co_executor_free(NULL);
    ck_assert_int_eq(co_executor_shutdown(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_executor_shutdown(NULL, 1), -EINVAL);
}
END_TEST

/* ---- calls --------------------------------------------------------------- */

CO_TASK_TEST(a_call_runs_in_the_pool_that_was_named)
{
    co_executor *pool = pool_of(2);

    ck_assert_int_eq(co_executor_run(pool, pool_now, pool), 1);
    ck_assert_int_eq(co_offload(pool_now, pool), 0);
    pool_end(pool);
}

START_TEST(a_thread_outside_tasks_waits_for_its_call)
{
    co_executor *pool = pool_of(1);

    ck_assert_int_eq(co_executor_run(pool, pool_now, pool), 1);
    pool_end(pool);
}
END_TEST

static int run_inside(void *pool)
{
    return co_executor_run(pool, pool_now, pool) +
           co_executor_run(pool, number, co_test_number(10));
}

CO_TASK_TEST(a_job_of_the_pool_just_calls)
{
    co_executor *pool = pool_of(1);

    ck_assert_int_eq(co_executor_run(pool, run_inside, pool), 11);
    pool_end(pool);
}

static int run_outside(void *pool)
{
    return co_executor_run(pool, pool_now, pool);
}

CO_TASK_TEST(a_job_of_one_pool_may_wait_for_another)
{
    co_executor *one = pool_of(1), *two = pool_of(1);

    ck_assert_int_eq(co_executor_run(one, run_outside, two), 1);
    pool_end(one);
    pool_end(two);
}

/* ---- jobs with futures --------------------------------------------------- */

static co_future *submit(co_executor *pool, co_offload_fn fn, void *arg)
{
    co_future *future = co_executor_submit(pool, fn, arg);

    ck_assert_ptr_nonnull(future);
    return future;
}

CO_TASK_TEST(a_future_tells_what_the_job_returned)
{
    co_executor *pool = pool_of(2);
    co_future *good = submit(pool, number, co_test_number(5));
    co_future *bad = submit(NULL, number, co_test_number(-EIO));
    void *value = pool;

    ck_assert_int_eq(co_wait(good, &value), 5);
    ck_assert_ptr_null(value);
    ck_assert_int_eq(co_wait(bad, NULL), -EIO);
    ck_assert_int_eq(co_future_cancelled(bad), 0);
    ck_assert_int_eq(co_future_cancel(good), -EALREADY);
    ck_assert_int_eq(co_future_resolve(good, 1, NULL), -EPERM);
    co_future_unref(good);
    co_future_unref(bad);
    pool_end(pool);
}

START_TEST(a_plain_thread_can_submit_and_wait)
{
    co_executor *pool = pool_of(1);
    co_future *future = submit(pool, number, co_test_number(5));

    ck_assert_int_eq(co_wait(future, NULL), 5);
    co_future_unref(future);
    pool_end(pool);
}
END_TEST

CO_TASK_TEST(jobs_run_in_the_order_they_came)
{
    enum {
        JOBS = 50
    };
    co_executor *pool = pool_of(1);
    struct gate gate;
    co_task *task;
    co_future *futures[JOBS];

    gate_init(&gate, pool, 1);
    task = gate_spawn_begun(&gate);
    for (int i = 0; i < JOBS; i++)
        futures[i] = submit(pool, number, co_test_number(i));
    sem_post(&gate.let_go);
    for (int i = JOBS - 1; i >= 0; i--) {
        ck_assert_int_eq(co_wait(futures[i], NULL), i);
        for (int k = 0; k < i; k++)
            ck_assert_int_eq(co_future_done(futures[k]), 1);
        co_future_unref(futures[i]);
    }
    ck_assert_int_eq(co_test_result(task), 1);
    pool_end(pool);
    gate_fini(&gate);
}

CO_TASK_TEST(a_future_that_nobody_keeps_lets_its_job_run)
{
    co_executor *pool = pool_of(1);
    struct gate gate;

    gate_init(&gate, pool, 1);
    co_future_unref(submit(pool, gate_job, &gate));
    sem_post(&gate.let_go);
    pool_end(pool);
    ck_assert_int_eq(atomic_load(&gate.ran), 1);
    gate_fini(&gate);
}

static int forget_a_failing_job(void *unused)
{
    co_executor *pool = pool_of(1);

    (void)unused;
    co_future_unref(submit(pool, number, co_test_number(-EIO)));
    pool_end(pool);
    return 0;
}

START_TEST(an_error_of_a_job_whose_future_nobody_keeps_is_reported)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    FILE *file = co_test_stderr_catch();
    int r = co_run_with(&options, forget_a_failing_job, NULL, NULL);
    const char *text = co_test_stderr_caught(file);

    ck_assert_int_eq(r, 0);
    ck_assert_ptr_nonnull(strstr(text, "error was never looked at"));
    ck_assert_ptr_nonnull(strstr(text, __FILE__));
}
END_TEST

CO_TASK_TEST(a_job_is_taken_back_by_its_future_if_it_has_not_begun)
{
    co_executor *pool = pool_of(1);
    struct gate first, second;
    co_future *running, *queued;

    gate_init(&first, pool, 1);
    gate_init(&second, pool, 2);
    running = submit(pool, gate_job, &first);
    gate_await(&first.begun);
    queued = submit(pool, gate_job, &second);
    ck_assert_int_eq(co_future_cancel(running), -EBUSY);
    ck_assert_int_eq(co_future_cancel(queued), 0);
    ck_assert_int_eq(co_future_cancel(queued), -EALREADY);
    ck_assert_int_eq(co_wait(queued, NULL), -ECANCELED);
    ck_assert_int_eq(co_future_cancelled(queued), 1);
    sem_post(&first.let_go);
    ck_assert_int_eq(co_wait(running, NULL), 1);
    ck_assert_int_eq(co_future_cancelled(running), 0);
    co_future_unref(running);
    co_future_unref(queued);
    pool_end(pool);
    ck_assert_int_eq(atomic_load(&second.ran), 0);
    gate_fini(&first);
    gate_fini(&second);
}

CO_TASK_TEST(giving_up_the_wait_does_not_take_the_job_back)
{
    co_executor *pool = pool_of(1);
    struct gate gate;
    co_future *future;

    gate_init(&gate, pool, 4);
    future = submit(pool, gate_job, &gate);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_wait(future, NULL), -ETIMEDOUT);
    }
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_wait(future, NULL), 4);
    co_future_unref(future);
    pool_end(pool);
    gate_fini(&gate);
}

CO_TASK_TEST(a_full_queue_takes_no_more)
{
    co_executor_options options = {
        .size = sizeof(options), .threads_max = 1, .queue_max = 2};
    co_executor *pool = co_executor_new(&options);
    struct gate gate, called;
    co_future *futures[3];
    co_task *task;

    gate_init(&gate, pool, 1);
    gate_init(&called, pool, 9);
    sem_post(&called.let_go);
    futures[0] = submit(pool, gate_job, &gate);
    gate_await(&gate.begun);
    task = gate_spawn_queued(&called); /* a call that waits does not count */
    futures[1] = submit(pool, number, co_test_number(1));
    futures[2] = submit(pool, number, co_test_number(2));
    errno = 0;
    ck_assert_ptr_null(co_executor_submit(pool, number, NULL));
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(co_future_cancel(futures[1]), 0);
    co_future_unref(futures[1]);
    futures[1] = submit(pool, number, co_test_number(3));
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_wait(futures[0], NULL), 1);
    ck_assert_int_eq(co_wait(futures[1], NULL), 3);
    ck_assert_int_eq(co_wait(futures[2], NULL), 2);
    ck_assert_int_eq(co_test_result(task), 9);
    for (int i = 0; i < 3; i++)
        co_future_unref(futures[i]);
    pool_end(pool);
    gate_fini(&gate);
    gate_fini(&called);
}

START_TEST(without_memory_nothing_is_submitted)
{
    co_executor *pool = pool_of(1);
    int failures = 0;

    for (unsigned n = 1; n < 10; n++) {
        co_future *future;

        co__fault_after(n);
        errno = 0;
        future = co_executor_submit(pool, number, co_test_number(1));
        co__fault_after(0);
        if (future) {
            ck_assert_int_eq(co_wait(future, NULL), 1);
            co_future_unref(future);
            break;
        }
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_uint_eq(pool_threads(pool), 0);
        failures++;
    }
    ck_assert_int_eq(failures, 3); /* the job, its future, a thread */
    pool_end(pool);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    co_executor *pool = pool_of(1);

    errno = 0;
    ck_assert_ptr_null(co_executor_submit(pool, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_executor_run(pool, NULL, NULL), -EINVAL);
    co_executor_free(pool);
}
END_TEST

/* ---- the end ------------------------------------------------------------- */

CO_TASK_TEST(after_a_shutdown_nothing_is_taken)
{
    for (int wait = 0; wait < 2; wait++) {
        co_executor *pool = pool_of(2);

        ck_assert_int_eq(co_executor_run(pool, number, co_test_number(1)), 1);
        ck_assert_int_eq(co_executor_shutdown(pool, wait), 0);
        ck_assert_int_eq(co_executor_shutdown(pool, wait), 0);
        errno = 0;
        ck_assert_ptr_null(co_executor_submit(pool, number, NULL));
        ck_assert_int_eq(errno, ESHUTDOWN);
        ck_assert_int_eq(co_executor_run(pool, number, NULL), -ESHUTDOWN);
        co_executor_free(pool);
    }
}

static int shut_down(void *pool)
{
    return co_executor_shutdown(pool, 1);
}

/* A pool with one job that runs, one of a call and one of a future behind. */
struct three {
    co_executor *pool;
    struct gate running, called, submitted;
    co_task *running_task, *called_task;
    co_future *future;
};

static void three_init(struct three *three)
{
    three->pool = pool_of(1);
    gate_init(&three->running, three->pool, 1);
    gate_init(&three->called, three->pool, 2);
    gate_init(&three->submitted, three->pool, 3);
    sem_post(&three->called.let_go);
    sem_post(&three->submitted.let_go);
    three->running_task = gate_spawn_begun(&three->running);
    three->called_task = gate_spawn_queued(&three->called);
    three->future = submit(three->pool, gate_job, &three->submitted);
}

static void three_fini(struct three *three, int called, int submitted)
{
    ck_assert_int_eq(co_test_result(three->running_task), 1);
    ck_assert_int_eq(co_test_result(three->called_task), called);
    ck_assert_int_eq(co_wait(three->future, NULL), submitted);
    ck_assert_int_eq(atomic_load(&three->called.ran), called == 2);
    ck_assert_int_eq(atomic_load(&three->submitted.ran), submitted == 3);
    co_future_unref(three->future);
    gate_fini(&three->running);
    gate_fini(&three->called);
    gate_fini(&three->submitted);
}

CO_TASK_TEST(a_shutdown_that_waits_lets_all_jobs_run)
{
    struct three three;
    co_task *task;

    three_init(&three);
    task = co_test_spawn(shut_down, three.pool);
    for (int i = 0; i < 5; i++)
        co_test_yield();
    ck_assert_int_eq(atomic_load(&three.called.ran), 0);
    sem_post(&three.running.let_go);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_uint_eq(pool_threads(three.pool), 0);
    co_executor_free(three.pool);
    three_fini(&three, 2, 3);
}

CO_TASK_TEST(a_shutdown_without_waiting_fails_what_has_not_begun)
{
    struct three three;

    three_init(&three);
    ck_assert_int_eq(co_executor_shutdown(three.pool, 0), 0);
    ck_assert_int_eq(co_test_result(three.called_task), -ECANCELED);
    three.called_task = co_test_spawn(number, co_test_number(-ECANCELED));
    ck_assert_int_eq(co_future_cancelled(three.future), 1);
    ck_assert_int_eq(atomic_load(&three.running.ran), 0);
    sem_post(&three.running.let_go);
    ck_assert_int_eq(co_executor_shutdown(three.pool, 1), 0);
    co_executor_free(three.pool);
    three_fini(&three, -ECANCELED, -ECANCELED);
}

CO_TASK_TEST(a_pool_may_be_freed_while_a_job_runs)
{
    struct three three;

    three_init(&three);
    co_executor_free(three.pool);
    sem_post(&three.running.let_go);
    three_fini(&three, -ECANCELED, -ECANCELED);
}

CO_TASK_TEST(a_call_cancelled_while_its_pool_is_freed_is_dropped_once)
{
    struct three three;

    three_init(&three);
    co_cancel(three.called_task);
    co_executor_free(three.pool);
    sem_post(&three.running.let_go);
    three_fini(&three, -ECANCELED, -ECANCELED);
}

CO_TASK_TEST(a_shutdown_keeps_to_its_time_and_goes_on)
{
    struct three three;

    three_init(&three);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_executor_shutdown(three.pool, 1), -ETIMEDOUT);
    }
    errno = 0;
    ck_assert_ptr_null(co_executor_submit(three.pool, number, NULL));
    ck_assert_int_eq(errno, ESHUTDOWN);
    sem_post(&three.running.let_go);
    ck_assert_int_eq(co_executor_shutdown(three.pool, 1), 0);
    co_executor_free(three.pool);
    three_fini(&three, 2, 3);
}

CO_TASK_TEST(a_shutdown_under_a_cancel_does_nothing)
{
    co_executor *pool = pool_of(1);

    co_cancel(co_self());
    ck_assert_int_eq(co_executor_shutdown(pool, 1), -ECANCELED);
    co_uncancel(co_self());
    ck_assert_int_eq(co_executor_run(pool, number, co_test_number(1)), 1);
    pool_end(pool);
}

CO_TASK_TEST(a_shutdown_that_is_cancelled_leaves_the_list)
{
    struct three three;
    co_task *task;

    three_init(&three);
    task = co_test_spawn(shut_down, three.pool);
    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    sem_post(&three.running.let_go);
    ck_assert_int_eq(co_executor_shutdown(three.pool, 1), 0);
    co_executor_free(three.pool);
    three_fini(&three, 2, 3);
}

CO_TASK_TEST(a_shutdown_that_is_done_before_the_cancel_says_so)
{
    co_executor *pool = pool_of(1);
    struct gate gate;
    co_future *future;
    co_task *task;

    gate_init(&gate, pool, 1);
    future = submit(pool, gate_job, &gate);
    gate_await(&gate.begun);
    task = co_test_spawn(shut_down, pool);
    co_test_yield();
    gate_end_and_post(&gate);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_future_result(future, NULL), 1);
    co_future_unref(future);
    co_executor_free(pool);
    gate_fini(&gate);
}

START_TEST(a_plain_thread_can_shut_down_and_wait)
{
    co_executor *pool = pool_of(2);
    co_future *future = submit(pool, number, co_test_number(3));

    ck_assert_int_eq(co_executor_shutdown(pool, 1), 0);
    ck_assert_int_eq(co_future_result(future, NULL), 3);
    co_future_unref(future);
    co_executor_free(pool);
}
END_TEST

static int shut_down_inside(void *pool)
{
    return co_executor_shutdown(pool, 1);
}

static int free_inside(void *pool)
{
    co_executor_free(pool);
    return 1;
}

CO_TASK_TEST(a_job_cannot_wait_for_the_end_of_its_own_pool)
{
    co_executor *pool = pool_of(1);

    ck_assert_int_eq(co_executor_run(pool, shut_down_inside, pool), -EDEADLK);
    ck_assert_int_eq(co_executor_run(pool, free_inside, pool), 1);
}

static void shut_down_in_callback(void *arg)
{
    void **args = arg;

    *(int *)args[1] = co_executor_shutdown(args[0], 1);
}

CO_TASK_TEST(a_callback_can_shut_down_only_without_waiting)
{
    co_executor *pool = pool_of(1);
    int r = 0;
    void *args[] = {pool, &r};
    co_call call = {.fn = shut_down_in_callback, .arg = args};

    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (!r)
        co_test_yield();
    ck_assert_int_eq(r, -EPERM);
    pool_end(pool);
}

/* ---- everything at once -------------------------------------------------- */

static atomic_int jobs_run;

static int count_job(void *arg)
{
    atomic_fetch_add(&jobs_run, 1);
    return number(arg);
}

static void *submit_much(void *pool)
{
    for (int i = 0; i < co_test_scale(2000, 100); i++) {
        co_future *future = co_executor_submit(pool, count_job, NULL);

        if (!future)
            return pool;
        if (i % 3 == 0 && co_future_cancel(future) == 0)
            atomic_fetch_add(&jobs_run, 1);
        if (i % 3 == 1 && co_wait(future, NULL) != 0)
            return pool;
        co_future_unref(future);
    }
    return NULL;
}

START_TEST(each_job_of_four_threads_runs_or_is_taken_back)
{
    co_executor *pool = pool_of(3);
    pthread_t threads[4];
    void *failed;

    atomic_store(&jobs_run, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_much, pool),
                         0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    pool_end(pool);
    ck_assert_int_eq(atomic_load(&jobs_run), 4 * co_test_scale(2000, 100));
}
END_TEST

START_TEST(pools_come_and_go)
{
    for (int i = 0; i < co_test_scale(300, 20); i++) {
        co_executor *pool = pool_of(3);
        co_future *futures[5];

        for (int k = 0; k < 5; k++)
            futures[k] = submit(pool, number, co_test_number(k));
        if (i & 1)
            ck_assert_int_eq(co_executor_shutdown(pool, 1), 0);
        co_executor_free(pool);
        for (int k = 0; k < 5; k++) {
            int r = co_wait(futures[k], NULL);

            ck_assert(r == k || (r == -ECANCELED && !(i & 1)));
            co_future_unref(futures[k]);
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("executor");
    TCase *tc = tcase_create("executor");

    co_test_check_fds(tc);
    tcase_add_test(tc, options_out_of_range_are_refused);
    tcase_add_test(tc, without_memory_there_is_no_pool);
    tcase_add_test(tc, free_of_null_is_nothing);
    tcase_add_test(tc, a_call_runs_in_the_pool_that_was_named);
    tcase_add_test(tc, a_thread_outside_tasks_waits_for_its_call);
    tcase_add_test(tc, a_job_of_the_pool_just_calls);
    tcase_add_test(tc, a_job_of_one_pool_may_wait_for_another);
    tcase_add_test(tc, a_future_tells_what_the_job_returned);
    tcase_add_test(tc, a_plain_thread_can_submit_and_wait);
    tcase_add_test(tc, jobs_run_in_the_order_they_came);
    tcase_add_test(tc, a_future_that_nobody_keeps_lets_its_job_run);
    tcase_add_test(tc, an_error_of_a_job_whose_future_nobody_keeps_is_reported);
    tcase_add_test(tc, a_job_is_taken_back_by_its_future_if_it_has_not_begun);
    tcase_add_test(tc, giving_up_the_wait_does_not_take_the_job_back);
    tcase_add_test(tc, a_full_queue_takes_no_more);
    tcase_add_test(tc, without_memory_nothing_is_submitted);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, after_a_shutdown_nothing_is_taken);
    tcase_add_test(tc, a_shutdown_that_waits_lets_all_jobs_run);
    tcase_add_test(tc, a_shutdown_without_waiting_fails_what_has_not_begun);
    tcase_add_test(tc, a_pool_may_be_freed_while_a_job_runs);
    tcase_add_test(tc,
                   a_call_cancelled_while_its_pool_is_freed_is_dropped_once);
    tcase_add_test(tc, a_shutdown_keeps_to_its_time_and_goes_on);
    tcase_add_test(tc, a_shutdown_under_a_cancel_does_nothing);
    tcase_add_test(tc, a_shutdown_that_is_cancelled_leaves_the_list);
    tcase_add_test(tc, a_shutdown_that_is_done_before_the_cancel_says_so);
    tcase_add_test(tc, a_plain_thread_can_shut_down_and_wait);
    tcase_add_test(tc, a_job_cannot_wait_for_the_end_of_its_own_pool);
    tcase_add_test(tc, a_callback_can_shut_down_only_without_waiting);
    tcase_add_test(tc, each_job_of_four_threads_runs_or_is_taken_back);
    tcase_add_test(tc, pools_come_and_go);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
