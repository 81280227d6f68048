/* SPDX-License-Identifier: MIT */
/* co_offload: a function that a thread runs while a task waits. */
#include "offload_support.h"

#include <coppice/error.h>
#include <coppice/report.h>

#include "base/alloc.h"
#include "support/check_main.h"

#include <signal.h>

/* ---- one call ------------------------------------------------------------ */

static int which_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 7;
}

CO_TASK_TEST(the_function_runs_on_another_thread)
{
    pthread_t thread = pthread_self();

    ck_assert_int_eq(co_offload(which_thread, &thread), 7);
    ck_assert(!pthread_equal(thread, pthread_self()));
}

static int give_eio(void *arg)
{
    (void)arg;
    return -EIO;
}

CO_TASK_TEST(the_functions_error_is_returned)
{
    ck_assert_int_eq(co_offload(give_eio, NULL), -EIO);
    ck_assert_int_eq(co_offload_in(CO_LANE_DNS, give_eio, NULL), -EIO);
    ck_assert_int_eq(co_executor_run(NULL, give_eio, NULL), -EIO);
}

START_TEST(outside_a_task_the_function_is_just_called)
{
    pthread_t thread;

    ck_assert_int_eq(co_offload(which_thread, &thread), 7);
    ck_assert(pthread_equal(thread, pthread_self()));
    ck_assert_int_eq(co_offload_in(CO_LANE_DNS, which_thread, &thread), 7);
    ck_assert(pthread_equal(thread, pthread_self()));
    ck_assert_int_eq(co_executor_run(NULL, which_thread, &thread), 7);
    ck_assert(pthread_equal(thread, pthread_self()));
}
END_TEST

START_TEST(outside_a_task_a_scope_that_ran_out_calls_nothing)
{
    pthread_t thread;

    co_timeout(0) {
        ck_assert_int_eq(co_offload(which_thread, &thread), -ETIMEDOUT);
    }
}
END_TEST

static int offload_again(void *arg)
{
    pthread_t inner, self = pthread_self();

    ck_assert_int_eq(co_offload(which_thread, &inner), 7);
    ck_assert(pthread_equal(inner, self));
    ck_assert_ptr_null(co_self());
    ck_assert_int_eq(co_sleep(CO_US), 0); /* blocks that thread alone */
    (void)arg;
    return 3;
}

CO_TASK_TEST(a_call_in_a_job_just_calls)
{
    ck_assert_int_eq(co_offload(offload_again, NULL), 3);
}

static int blocks_signals(void *arg)
{
    sigset_t mask;

    (void)arg;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, SIGINT) && sigismember(&mask, SIGPIPE) &&
           sigismember(&mask, SIGCHLD);
}

CO_TASK_TEST(signals_do_not_reach_the_threads)
{
    ck_assert_int_eq(co_offload(blocks_signals, NULL), 1);
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    ck_assert_int_eq(co_offload(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_offload_in((enum co_lane)2, give_eio, NULL), -EINVAL);
    ck_assert_int_eq(co_offload_in((enum co_lane) - 1, give_eio, NULL),
                     -EINVAL);
    ck_assert_int_eq(co_executor_run(NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_offload_abandon(give_eio, NULL, NULL, NULL), -EINVAL);
}

static void call_in_callback(void *arg)
{
    *(int *)arg = co_offload(give_eio, NULL);
}

CO_TASK_TEST(a_loop_callback_cannot_wait)
{
    int r = 0;
    co_call call = {.fn = call_in_callback, .arg = &r};

    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (!r)
        co_test_yield();
    ck_assert_int_eq(r, -EPERM);
}

/* ---- many ---------------------------------------------------------------- */

CO_TASK_TEST(the_loop_goes_on_meanwhile)
{
    struct gate gate;
    co_task *task;
    int steps = 0;

    gate_init(&gate, NULL, 5);
    task = gate_spawn_begun(&gate);
    while (steps < 100) {
        co_test_yield();
        steps++;
    }
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_test_result(task), 5);
    gate_fini(&gate);
}

static atomic_int total;

static int add(void *arg)
{
    return atomic_fetch_add(&total, (int)(intptr_t)arg) >= 0 ? 1 : 0;
}

static int offload_add(void *arg)
{
    int sum = 0;

    for (int i = 0; i < 10; i++)
        sum += co_offload(add, arg);
    return sum;
}

CO_TASK_TEST(a_thousand_tasks_share_the_pool)
{
    enum {
        TASKS = 1000
    };
    static co_task *tasks[TASKS];
    int count = co_test_scale(TASKS, 100);

    atomic_store(&total, 0);
    for (int i = 0; i < count; i++)
        tasks[i] = co_test_spawn(offload_add, co_test_number(i));
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 10);
    ck_assert_int_eq(atomic_load(&total), 10 * (count * (count - 1) / 2));
    ck_assert_uint_le(pool_threads(default_pool(CO_LANE_DEFAULT)), 64);
}

static int offload_in_a_loop(void *arg)
{
    for (int i = 0; i < co_test_scale(2000, 200); i++)
        if (co_offload(add, arg) != 1)
            return -EIO;
    return 0;
}

static void *run_a_loop(void *arg)
{
    return co_test_number(co_run(offload_in_a_loop, arg));
}

START_TEST(loops_of_several_threads_share_the_pool)
{
    pthread_t threads[4];
    void *r;

    atomic_store(&total, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_a_loop,
                                        co_test_number(1)),
                         0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &r);
        ck_assert_ptr_null(r);
    }
    ck_assert_int_eq(atomic_load(&total), 4 * co_test_scale(2000, 200));
}
END_TEST

static int offload_once(void *arg)
{
    return co_offload(add, arg);
}

START_TEST(a_loop_that_ends_at_once_after_a_job_is_left_alone)
{
    for (int i = 0; i < co_test_scale(3000, 200); i++)
        ck_assert_int_eq(co_run(offload_once, NULL), 1);
}
END_TEST

CO_TASK_TEST(one_call_after_the_other_uses_one_thread_and_no_memory)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(co_offload(add, NULL), 1);
    ck_assert_uint_eq(pool_threads(pool), 1);
    (void)co__fault_after(0);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(co_offload(add, NULL), 1);
    ck_assert_uint_eq(co__fault_after(0), 0);
    ck_assert_uint_eq(pool_threads(pool), 1);
}

/* ---- lanes and limits ---------------------------------------------------- */

static int gate_run_default(void *arg)
{
    return co_offload(gate_job, arg);
}

static int gate_run_dns(void *arg)
{
    return co_offload_in(CO_LANE_DNS, gate_job, arg);
}

CO_TASK_TEST(lookups_do_not_keep_files_waiting)
{
    enum {
        LOOKUPS = 40,
        THREADS = 32 /* of the lane, at most */
    };
    struct gate gate;
    co_task *tasks[LOOKUPS];

    gate_init(&gate, NULL, 1);
    for (int i = 0; i < LOOKUPS; i++)
        tasks[i] = co_test_spawn(gate_run_dns, &gate);
    co_test_yield();
    for (int i = 0; i < THREADS; i++)
        gate_await(&gate.begun);
    ck_assert_uint_eq(pool_threads(default_pool(CO_LANE_DNS)), THREADS);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_offload(add, NULL), 1);
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    for (int i = 0; i < LOOKUPS; i++)
        sem_post(&gate.let_go);
    for (int i = 0; i < LOOKUPS; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 1);
    gate_fini(&gate);
}

static void set_limits(unsigned threads_min, unsigned threads_max, co_time idle)
{
    co_executor_options options = {.size = sizeof(options),
                                   .threads_min = threads_min,
                                   .threads_max = threads_max,
                                   .idle_ns = idle};

    ck_assert_int_eq(co_offload_configure(CO_LANE_DEFAULT, &options), 0);
}

CO_TASK_TEST(the_pool_grows_to_its_limit_and_no_further)
{
    struct gate gate;
    co_task *tasks[6];

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    set_limits(0, 3, 0);
    gate_init(&gate, NULL, 1);
    for (int i = 0; i < 6; i++) {
        tasks[i] = co_test_spawn(gate_run_default, &gate);
        co_test_yield();
        if (i < 3)
            gate_await(&gate.begun);
    }
    ck_assert_uint_eq(pool_threads(default_pool(CO_LANE_DEFAULT)), 3);
    ck_assert_int_lt(sem_trywait(&gate.begun), 0);
    for (int i = 0; i < 6; i++)
        sem_post(&gate.let_go);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 1);
    gate_fini(&gate);
    set_limits(0, 0, 0);
}

CO_TASK_TEST(idle_threads_leave_after_their_time)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    set_limits(0, 3, CO_MS);
    ck_assert_int_eq(co_offload(add, NULL), 1);
    AWAIT(pool_threads(pool) == 0);
    ck_assert_int_eq(co_offload(add, NULL), 1); /* and come back */
    set_limits(0, 0, 0);
}

/* Two gates on two threads, and then both idle. */
static void make_two_idle(co_executor *pool)
{
    struct gate gate;
    co_task *a, *b;

    gate_init(&gate, NULL, 1);
    a = gate_spawn_begun(&gate);
    b = gate_spawn_begun(&gate);
    sem_post(&gate.let_go);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_test_result(a), 1);
    ck_assert_int_eq(co_test_result(b), 1);
    gate_fini(&gate);
    (void)pool;
}

CO_TASK_TEST(some_threads_stay_if_so_asked)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    set_limits(1, 3, CO_MS);
    make_two_idle(pool);
    AWAIT(pool_threads(pool) == 1 && pool_idle(pool) == 1);
    usleep(5000);
    ck_assert_uint_eq(pool_threads(pool), 1);
    set_limits(0, 0, 0);
}

CO_TASK_TEST(a_lower_limit_sends_threads_away)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    set_limits(0, 3, 0);
    make_two_idle(pool);
    AWAIT(pool_idle(pool) == 2);
    set_limits(0, 1, 0);
    AWAIT(pool_threads(pool) == 1);
    ck_assert_int_eq(co_offload(add, NULL), 1);
    ck_assert_uint_eq(pool_threads(pool), 1);
    set_limits(0, 0, 0);
}

CO_TASK_TEST(a_lower_limit_sends_busy_threads_away_when_they_are_done)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);
    struct gate gate;
    co_task *tasks[5];

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    set_limits(0, 2, 0);
    gate_init(&gate, NULL, 1);
    tasks[0] = gate_spawn_begun(&gate);
    tasks[1] = gate_spawn_begun(&gate);
    for (int i = 2; i < 5; i++)
        tasks[i] = co_test_spawn(gate_run_default, &gate);
    co_test_yield();
    set_limits(0, 1, 0);
    for (int i = 0; i < 5; i++)
        sem_post(&gate.let_go);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 1);
    AWAIT(pool_threads(pool) <= 1);
    gate_fini(&gate);
    set_limits(0, 0, 0);
}

START_TEST(limits_out_of_range_are_refused)
{
    co_executor_options good = {.size = sizeof(good)}, bad;
    enum co_lane lane = CO_LANE_DEFAULT;

    ck_assert_int_eq(co_offload_configure(lane, &good), 0);
    ck_assert_int_eq(co_offload_configure(lane, NULL), -EINVAL);
    ck_assert_int_eq(co_offload_configure((enum co_lane)2, &good), -EINVAL);
    bad = good;
    bad.size--;
    ck_assert_int_eq(co_offload_configure(lane, &bad), -EINVAL);
    bad = good;
    bad.threads_min = 3;
    bad.threads_max = 2;
    ck_assert_int_eq(co_offload_configure(lane, &bad), -EINVAL);
    bad = good;
    bad.threads_max = 1025;
    ck_assert_int_eq(co_offload_configure(lane, &bad), -EINVAL);
    bad = good;
    bad.idle_ns = -1;
    ck_assert_int_eq(co_offload_configure(lane, &bad), -EINVAL);
}
END_TEST

/* ---- letting go ---------------------------------------------------------- */

CO_TASK_TEST(shutdown_lets_idle_threads_go)
{
    ck_assert_int_eq(co_offload(add, NULL), 1);
    ck_assert_int_eq(co_offload_in(CO_LANE_DNS, add, NULL), 1);
    /* They may be on their way to their rest still. */
    AWAIT(co_loop_shutdown_executor() == 0 &&
          !pool_threads(default_pool(CO_LANE_DEFAULT)) &&
          !pool_threads(default_pool(CO_LANE_DNS)));
    ck_assert_int_eq(co_offload(add, NULL), 1);
}

CO_TASK_TEST(shutdown_waits_until_idle_threads_have_gone)
{
    co_executor *pool = default_pool(CO_LANE_DEFAULT);

    ck_assert_int_eq(co_offload(add, NULL), 1);
    for (int i = 0; i < co_test_scale(50, 5); i++) {
        ck_assert_int_eq(co_offload(add, NULL), 1);
        AWAIT(pool_idle(pool) == pool_threads(pool));
        ck_assert_int_eq(co_loop_shutdown_executor(), 0);
        ck_assert_uint_eq(pool_threads(pool), 0);
    }
}

static int shut_down(void *arg)
{
    (void)arg;
    return co_loop_shutdown_executor();
}

CO_TASK_TEST(shutdown_waits_for_this_loops_jobs)
{
    struct gate gate;
    co_task *task, *other;

    gate_init(&gate, NULL, 1);
    task = gate_spawn_begun(&gate);
    other = co_test_spawn(shut_down, NULL);
    for (int i = 0; i < 10; i++)
        co_test_yield();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 3);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_test_result(other), 0);
    ck_assert_int_eq(atomic_load(&gate.ran), 1);
    ck_assert_int_eq(co_test_result(task), 1);
    gate_fini(&gate);
}

CO_TASK_TEST(shutdown_keeps_to_its_time_and_can_be_asked_again)
{
    struct gate gate;
    co_task *task;

    gate_init(&gate, NULL, 1);
    task = gate_spawn_begun(&gate);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_loop_shutdown_executor(), -ETIMEDOUT);
    }
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    ck_assert_int_eq(co_test_result(task), 1);
    gate_fini(&gate);
}

CO_TASK_TEST(shutdown_that_is_cancelled_waits_no_more_and_can_be_asked_again)
{
    struct gate gate;
    co_task *task, *other;

    gate_init(&gate, NULL, 1);
    task = gate_spawn_begun(&gate);
    other = co_test_spawn(shut_down, NULL);
    co_test_yield();
    ck_assert_int_eq(other->state, CO__TASK_PARKED);
    ck_assert_int_eq(co_cancel(other), 1);
    ck_assert_int_eq(co_test_result(other), -ECANCELED);
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    ck_assert_int_eq(co_test_result(task), 1);
    gate_fini(&gate);
}

CO_TASK_TEST(shutdown_that_is_over_before_the_cancel_says_so)
{
    struct gate gate;
    co_future *future;
    co_task *other;

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    gate_init(&gate, NULL, 1);
    future = co_executor_submit(NULL, gate_job, &gate);
    ck_assert_ptr_nonnull(future);
    gate_await(&gate.begun);
    other = co_test_spawn(shut_down, NULL);
    co_test_yield();
    ck_assert_int_eq(other->state, CO__TASK_PARKED);
    gate_end_and_post(&gate);
    ck_assert_int_eq(co_cancel(other), 1);
    ck_assert_int_eq(co_test_result(other), 0);
    ck_assert_int_eq(co_future_result(future, NULL), 1);
    co_future_unref(future);
    gate_fini(&gate);
}

static struct gate foreign;

static void *run_foreign(void *arg)
{
    (void)arg;
    return co_test_number(co_run(gate_run_default, &foreign));
}

START_TEST(shutdown_does_not_wait_for_another_loops_jobs)
{
    pthread_t thread;

    gate_init(&foreign, NULL, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_foreign, NULL), 0);
    gate_await(&foreign.begun);
    ck_assert_int_eq(co_run(shut_down, NULL), 0);
    sem_post(&foreign.let_go);
    pthread_join(thread, NULL);
    gate_fini(&foreign);
}
END_TEST

START_TEST(shutdown_outside_a_task_is_refused)
{
    ck_assert_int_eq(co_loop_shutdown_executor(), -EPERM);
}
END_TEST

/* ---- what the loop knows ------------------------------------------------- */

static int deadlock_test(void *arg)
{
    struct gate *gate = arg;
    co_task *task = co_spawn(gate_run_default, gate);
    int result = 0;
    int r = co_join(task, &result); /* in debug mode the loop looks around */

    return r < 0 ? r : result;
}

static void *open_gate_later(void *arg)
{
    struct gate *gate = arg;

    gate_await(&gate->begun);
    usleep(2000);
    sem_post(&gate->let_go);
    return NULL;
}

START_TEST(a_job_under_way_is_no_deadlock)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    struct gate gate;
    pthread_t thread;
    int result = 0;

    gate_init(&gate, NULL, 9);
    ck_assert_int_eq(pthread_create(&thread, NULL, open_gate_later, &gate), 0);
    ck_assert_int_eq(co_run_with(&options, deadlock_test, &gate, &result), 0);
    ck_assert_int_eq(result, 9);
    pthread_join(thread, NULL);
    gate_fini(&gate);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("offload");
    TCase *tc = tcase_create("offload");

    co_test_check_fds(tc);
    tcase_add_test(tc, one_call_after_the_other_uses_one_thread_and_no_memory);
    tcase_add_test(tc, the_function_runs_on_another_thread);
    tcase_add_test(tc, the_functions_error_is_returned);
    tcase_add_test(tc, outside_a_task_the_function_is_just_called);
    tcase_add_test(tc, outside_a_task_a_scope_that_ran_out_calls_nothing);
    tcase_add_test(tc, a_call_in_a_job_just_calls);
    tcase_add_test(tc, signals_do_not_reach_the_threads);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, a_loop_callback_cannot_wait);
    tcase_add_test(tc, the_loop_goes_on_meanwhile);
    tcase_add_test(tc, a_thousand_tasks_share_the_pool);
    tcase_add_test(tc, loops_of_several_threads_share_the_pool);
    tcase_add_test(tc, a_loop_that_ends_at_once_after_a_job_is_left_alone);
    tcase_add_test(tc, lookups_do_not_keep_files_waiting);
    tcase_add_test(tc, the_pool_grows_to_its_limit_and_no_further);
    tcase_add_test(tc, idle_threads_leave_after_their_time);
    tcase_add_test(tc, some_threads_stay_if_so_asked);
    tcase_add_test(tc, a_lower_limit_sends_threads_away);
    tcase_add_test(tc,
                   a_lower_limit_sends_busy_threads_away_when_they_are_done);
    tcase_add_test(tc, limits_out_of_range_are_refused);
    tcase_add_test(tc, shutdown_lets_idle_threads_go);
    tcase_add_test(tc, shutdown_waits_until_idle_threads_have_gone);
    tcase_add_test(tc, shutdown_waits_for_this_loops_jobs);
    tcase_add_test(tc, shutdown_keeps_to_its_time_and_can_be_asked_again);
    tcase_add_test(
        tc, shutdown_that_is_cancelled_waits_no_more_and_can_be_asked_again);
    tcase_add_test(tc, shutdown_that_is_over_before_the_cancel_says_so);
    tcase_add_test(tc, shutdown_does_not_wait_for_another_loops_jobs);
    tcase_add_test(tc, shutdown_outside_a_task_is_refused);
    tcase_add_test(tc, a_job_under_way_is_no_deadlock);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
