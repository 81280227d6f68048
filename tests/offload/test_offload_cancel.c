/* SPDX-License-Identifier: MIT */
/* A task that is cancelled, or runs out of time, with a job in a pool. */
#include "offload_support.h"

#include "base/alloc.h"
#include "support/check_main.h"
#include "support/virtual_clock.h"

/* ---- a pool of one thread, and a job that keeps it busy ------------------ */

static co_executor *pool;
static struct gate busy;
static co_task *busy_task;

static void occupy(void)
{
    pool = pool_of(1);
    gate_init(&busy, pool, 1);
    busy_task = gate_spawn_begun(&busy);
}

static void vacate(void)
{
    sem_post(&busy.let_go);
    ck_assert_int_eq(co_test_result(busy_task), 1);
    pool_end(pool);
    gate_fini(&busy);
}

static int number(void *arg)
{
    return (int)(intptr_t)arg;
}

/* ---- before it has begun ------------------------------------------------- */

CO_TASK_TEST(a_task_cancelled_before_the_call_runs_nothing)
{
    struct gate gate;

    gate_init(&gate, NULL, 1);
    sem_post(&gate.let_go);
    co_cancel(co_self());
    ck_assert_int_eq(co_offload(gate_job, &gate), -ECANCELED);
    ck_assert_int_eq(co_executor_run(NULL, gate_job, &gate), -ECANCELED);
    ck_assert_int_eq(co_loop_shutdown_executor(), -ECANCELED);
    co_uncancel(co_self());
    co_timeout(0) {
        ck_assert_int_eq(co_offload(gate_job, &gate), -ETIMEDOUT);
        ck_assert_int_eq(co_loop_shutdown_executor(), -ETIMEDOUT);
    }
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    gate_fini(&gate);
}

CO_TASK_TEST(a_job_that_has_not_begun_is_taken_back)
{
    struct gate gate;
    co_task *task;

    occupy();
    gate_init(&gate, pool, 2);
    task = gate_spawn_queued(&gate);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_ptr_null(pool->head);
    vacate();
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    gate_fini(&gate);
}

static int gate_run_for_a_second(void *arg)
{
    int r = 0;

    co_timeout(CO_SEC) {
        r = gate_run(arg);
    }
    return r;
}

CO_TASK_TEST(a_job_whose_time_runs_out_first_is_taken_back)
{
    struct gate gate;
    co_task *task;

    occupy();
    gate_init(&gate, pool, 2);
    task = co_test_spawn(gate_run_for_a_second, &gate);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_ptr_null(pool->head);
    vacate();
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    gate_fini(&gate);
}

CO_TASK_TEST(jobs_around_one_that_was_taken_back_run_in_order)
{
    struct gate gates[5];
    co_task *tasks[5];
    static const int order[] = {2, 0, 4}; /* middle, first, last */

    occupy();
    for (int i = 0; i < 5; i++) {
        gate_init(&gates[i], pool, 10 + i);
        tasks[i] = gate_spawn_queued(&gates[i]);
    }
    for (int i = 0; i < 3; i++) {
        co_cancel(tasks[order[i]]);
        ck_assert_int_eq(co_test_result(tasks[order[i]]), -ECANCELED);
    }
    sem_post(&busy.let_go);
    gate_await(&gates[1].begun);
    ck_assert_int_lt(sem_trywait(&gates[3].begun), 0);
    sem_post(&gates[1].let_go);
    sem_post(&gates[3].let_go);
    ck_assert_int_eq(co_test_result(tasks[1]), 11);
    ck_assert_int_eq(co_test_result(tasks[3]), 13);
    sem_post(&busy.let_go);
    ck_assert_int_eq(co_test_result(busy_task), 1);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(atomic_load(&gates[i].ran), i & 1);
        gate_fini(&gates[i]);
    }
    pool_end(pool);
    gate_fini(&busy);
}

/* ---- while it runs ------------------------------------------------------- */

CO_TASK_TEST(a_job_that_has_begun_is_waited_for)
{
    struct gate gate;
    co_task *task;

    gate_init(&gate, NULL, 5);
    task = gate_spawn_begun(&gate);
    co_cancel(task);
    for (int i = 0; i < 10; i++)
        co_test_yield();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 2);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_test_result(task), 5);
    gate_fini(&gate);
}

static struct gate late;

static int run_late_and_look(void *arg)
{
    int r;

    (void)arg;
    co_timeout(CO_SEC) {
        r = co_offload(gate_job, &late);
        ck_assert_int_eq(r, 5);
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT); /* the next one fails */
    }
    return 1;
}

CO_TASK_TEST(a_job_that_has_begun_is_waited_for_beyond_its_time)
{
    co_task *task = co_test_spawn(run_late_and_look, NULL);

    gate_init(&late, NULL, 5);
    co_test_yield();
    gate_await(&late.begun);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 2);
    sem_post(&late.let_go);
    ck_assert_int_eq(co_test_result(task), 1);
    gate_fini(&late);
}

CO_TASK_TEST(a_result_posted_before_the_cancel_is_returned)
{
    struct gate gate;
    co_task *task;

    gate_init(&gate, NULL, 5);
    task = gate_spawn_begun(&gate);
    gate_end_and_post(&gate);
    co_cancel(task); /* first in the loop's eyes */
    ck_assert_int_eq(co_test_result(task), 5);
    gate_fini(&gate);
}

CO_TASK_TEST(a_result_that_has_arrived_before_the_cancel_is_returned)
{
    struct gate gate;
    co_task *task;

    gate_init(&gate, NULL, 5);
    task = gate_spawn_begun(&gate);
    gate_end_and_post(&gate);
    co__inbox_take(&co__loop->inbox); /* the task is ready */
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 5);
    gate_fini(&gate);
}

static int return_at_once(void *arg)
{
    return co_test_spawn(gate_run, arg) ? co_yield_now() : -1;
}

START_TEST(the_end_of_a_run_waits_for_a_job_that_has_begun)
{
    struct gate gate;

    gate_init(&gate, NULL, 5);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_run(return_at_once, &gate), 0);
    /* Begun or taken back: in no case does it run on. */
    ck_assert_int_eq(sem_trywait(&gate.begun) == 0, atomic_load(&gate.ran));
    gate_fini(&gate);
}
END_TEST

/* ---- jobs that may be left behind ---------------------------------------- */

/* The argument is on the heap, and counts how it was freed. */
struct parcel {
    struct gate *gate;
    int opened;
};

static atomic_int freed;

static void parcel_free(void *arg)
{
    free(arg);
    atomic_fetch_add(&freed, 1);
}

static struct parcel *parcel_new(struct gate *gate)
{
    struct parcel *parcel = malloc(sizeof(*parcel));

    ck_assert_ptr_nonnull(parcel);
    *parcel = (struct parcel){.gate = gate};
    atomic_store(&freed, 0);
    return parcel;
}

static int open_parcel(void *arg)
{
    struct parcel *parcel = arg;
    int r = gate_job(parcel->gate);

    parcel->opened = r;
    return r;
}

CO_TASK_TEST(what_was_not_left_behind_is_the_callers_again)
{
    struct gate gate;
    struct parcel *parcel = parcel_new(&gate);
    int result = 0;

    gate_init(&gate, NULL, 5);
    sem_post(&gate.let_go);
    ck_assert_int_eq(
        co_offload_abandon(open_parcel, parcel, parcel_free, &result), 0);
    ck_assert_int_eq(result, 5);
    ck_assert_int_eq(parcel->opened, 5);
    ck_assert_int_eq(atomic_load(&freed), 0);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_offload_abandon_in(CO_LANE_DNS, open_parcel, parcel,
                                           parcel_free, NULL),
                     0);
    ck_assert_int_eq(atomic_load(&freed), 0);
    free(parcel);
    gate_fini(&gate);
}

START_TEST(outside_a_task_nothing_is_left_behind)
{
    struct gate gate;
    struct parcel *parcel = parcel_new(&gate);
    int result = 0;

    gate_init(&gate, NULL, 5);
    sem_post(&gate.let_go);
    ck_assert_int_eq(
        co_offload_abandon(open_parcel, parcel, parcel_free, &result), 0);
    ck_assert_int_eq(result, 5);
    ck_assert_int_eq(atomic_load(&freed), 0);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_offload_abandon(open_parcel, parcel, parcel_free, NULL),
                     0);
    free(parcel);
    gate_fini(&gate);
}
END_TEST

static int send_parcel(void *arg)
{
    int result = 77;
    int r = co_offload_abandon(open_parcel, arg, parcel_free, &result);

    ck_assert_int_eq(result, r == 0 ? 5 : 77);
    return r;
}

CO_TASK_TEST(a_cancelled_task_leaves_a_job_behind_that_has_begun)
{
    struct gate gate;
    co_task *task;

    gate_init(&gate, NULL, 5);
    task = co_test_spawn(send_parcel, parcel_new(&gate));
    co_test_yield();
    gate_await(&gate.begun);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    ck_assert_int_eq(atomic_load(&freed), 0);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    ck_assert_int_eq(atomic_load(&gate.ran), 1);
    ck_assert_int_eq(atomic_load(&freed), 1);
    gate_fini(&gate);
}

static int send_parcel_for_a_second(void *arg)
{
    int r = 0;

    co_timeout(CO_SEC) {
        r = send_parcel(arg);
    }
    return r;
}

CO_TASK_TEST(a_task_out_of_time_leaves_a_job_behind_that_has_begun)
{
    struct gate gate;
    co_task *task;

    gate_init(&gate, NULL, 5);
    task = co_test_spawn(send_parcel_for_a_second, parcel_new(&gate));
    co_test_yield();
    gate_await(&gate.begun);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    sem_post(&gate.let_go);
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    ck_assert_int_eq(atomic_load(&freed), 1);
    gate_fini(&gate);
}

static int shut_down_in_a_second(void *unused)
{
    int r = 0;

    (void)unused;
    co_timeout(CO_SEC) {
        r = co_loop_shutdown_executor();
    }
    return r;
}

CO_TASK_TEST(a_shutdown_that_is_over_before_its_time_is_seen_says_so)
{
    struct gate gate;
    co_future *future;
    co_task *task;

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    gate_init(&gate, NULL, 5);
    future = co_executor_submit(NULL, gate_job, &gate);
    ck_assert_ptr_nonnull(future);
    gate_await(&gate.begun);
    task = co_test_spawn(shut_down_in_a_second, NULL);
    co_test_yield();
    gate_end_and_post(&gate);
    co_test_clock_pass(2 * CO_SEC);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_future_result(future, NULL), 5);
    co_future_unref(future);
    gate_fini(&gate);
}

CO_TASK_TEST(a_parcel_that_came_before_the_cancel_is_delivered)
{
    struct gate gate;
    struct parcel *parcel = parcel_new(&gate);
    co_task *task;

    gate_init(&gate, NULL, 5);
    task = co_test_spawn(send_parcel, parcel);
    co_test_yield();
    gate_await(&gate.begun);
    gate_end_and_post(&gate);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(atomic_load(&freed), 0);
    free(parcel);
    gate_fini(&gate);
}

static void one_thread(unsigned threads_max)
{
    co_executor_options options = {.size = sizeof(options),
                                   .threads_max = threads_max};

    ck_assert_int_eq(co_offload_configure(CO_LANE_DEFAULT, &options), 0);
}

CO_TASK_TEST(a_parcel_whose_job_has_not_begun_is_freed)
{
    struct gate first, gate;
    co_task *before, *task;

    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    one_thread(1);
    gate_init(&first, NULL, 1);
    gate_init(&gate, NULL, 5);
    before = gate_spawn_begun(&first);
    task = co_test_spawn(send_parcel, parcel_new(&gate));
    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(atomic_load(&freed), 1);
    sem_post(&first.let_go);
    ck_assert_int_eq(co_test_result(before), 1);
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    one_thread(0);
    gate_fini(&gate);
    gate_fini(&first);
}

CO_TASK_TEST(a_parcel_is_freed_whatever_goes_wrong)
{
    struct gate gate;

    gate_init(&gate, NULL, 5);
    ck_assert_int_eq(co_offload_abandon(NULL, parcel_new(&gate), parcel_free,
                                        NULL),
                     -EINVAL);
    ck_assert_int_eq(atomic_load(&freed), 1);
    ck_assert_int_eq(co_offload_abandon_in((enum co_lane)9, open_parcel,
                                           parcel_new(&gate), parcel_free,
                                           NULL),
                     -EINVAL);
    ck_assert_int_eq(atomic_load(&freed), 1);
    co_timeout(0) {
        ck_assert_int_eq(send_parcel(parcel_new(&gate)), -ETIMEDOUT);
    }
    ck_assert_int_eq(atomic_load(&freed), 1);
    co__fault_after(1);
    ck_assert_int_eq(send_parcel(parcel_new(&gate)), -ENOMEM);
    co__fault_after(0);
    ck_assert_int_eq(atomic_load(&freed), 1);
    ck_assert_int_eq(atomic_load(&gate.ran), 0);
    gate_fini(&gate);
}

CO_TASK_TEST(without_memory_for_a_thread_the_call_fails)
{
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    pool = pool_of(2);
    co__fault_after(1);
    ck_assert_int_eq(co_executor_run(pool, number, co_test_number(3)), -ENOMEM);
    co__fault_after(0);
    ck_assert_uint_eq(pool_threads(pool), 0);
    ck_assert_int_eq(co_executor_run(pool, number, co_test_number(3)), 3);
    pool_end(pool);
}

CO_TASK_TEST(without_memory_for_one_more_thread_the_job_waits)
{
    struct gate gate;
    co_task *task;

    pool = pool_of(2);
    gate_init(&busy, pool, 1);
    gate_init(&gate, pool, 2);
    busy_task = gate_spawn_begun(&busy);
    co_test_yield();
    task = co_test_spawn(gate_run, &gate);
    co__fault_after(1);
    co_test_yield();
    co__fault_after(0);
    ck_assert_ptr_nonnull(pool->head);
    ck_assert_uint_eq(pool_threads(pool), 1);
    sem_post(&gate.let_go);
    sem_post(&busy.let_go);
    ck_assert_int_eq(co_test_result(task), 2);
    ck_assert_int_eq(co_test_result(busy_task), 1);
    pool_end(pool);
    gate_fini(&gate);
    gate_fini(&busy);
}

/* ---- everything at once -------------------------------------------------- */

static atomic_int begun_count, ended_count;

static int count_job(void *arg)
{
    atomic_fetch_add(&begun_count, 1);
    for (volatile int i = 0; i < (int)(intptr_t)arg; i = i + 1)
        continue;
    atomic_fetch_add(&ended_count, 1);
    return 1;
}

static void count_freed(void *arg)
{
    (void)arg;
    atomic_fetch_add(&freed, 1);
}

static int storm_task(void *arg)
{
    int left = (int)(intptr_t)arg, done = 0;

    while (left--) {
        void *load = co_test_number(left % 7 * 200);
        int r;

        if (left & 1)
            r = co_offload(count_job, load);
        else if (co_offload_abandon(count_job, load, count_freed, &r) < 0)
            r = -ECANCELED;
        if (r < 0)
            break;
        done++;
    }
    return done;
}

CO_TASK_TEST(cancels_at_any_time_lose_no_job_and_no_parcel)
{
    co_task *tasks[16];
    int rounds = co_test_scale(60, 6), done = 0;

    atomic_store(&begun_count, 0);
    atomic_store(&ended_count, 0);
    atomic_store(&freed, 0);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 16; i++)
            tasks[i] = co_test_spawn(storm_task, co_test_number(10));
        for (int i = 0; i < round % 40; i++)
            co_test_yield();
        for (int i = 0; i < 16; i++)
            co_cancel(tasks[i]);
        for (int i = 0; i < 16; i++)
            done += co_test_result(tasks[i]);
    }
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    ck_assert_int_eq(atomic_load(&begun_count), atomic_load(&ended_count));
    ck_assert_int_ge(atomic_load(&ended_count), done);
}

static Suite *suite(void)
{
    Suite *s = suite_create("offload_cancel");
    TCase *tc = tcase_create("cancel");
    TCase *timed = tcase_create("limits");

    co_test_check_fds(tc);
    tcase_add_test(tc, a_task_cancelled_before_the_call_runs_nothing);
    tcase_add_test(tc, a_job_that_has_not_begun_is_taken_back);
    tcase_add_test(tc, jobs_around_one_that_was_taken_back_run_in_order);
    tcase_add_test(tc, a_job_that_has_begun_is_waited_for);
    tcase_add_test(tc, a_result_posted_before_the_cancel_is_returned);
    tcase_add_test(tc, a_result_that_has_arrived_before_the_cancel_is_returned);
    tcase_add_test(tc, the_end_of_a_run_waits_for_a_job_that_has_begun);
    tcase_add_test(tc, what_was_not_left_behind_is_the_callers_again);
    tcase_add_test(tc, outside_a_task_nothing_is_left_behind);
    tcase_add_test(tc, a_cancelled_task_leaves_a_job_behind_that_has_begun);
    tcase_add_test(tc, a_parcel_that_came_before_the_cancel_is_delivered);
    tcase_add_test(tc, a_parcel_whose_job_has_not_begun_is_freed);
    tcase_add_test(tc, a_parcel_is_freed_whatever_goes_wrong);
    tcase_add_test(tc, without_memory_for_a_thread_the_call_fails);
    tcase_add_test(tc, without_memory_for_one_more_thread_the_job_waits);
    tcase_add_test(tc, cancels_at_any_time_lose_no_job_and_no_parcel);
    suite_add_tcase(s, tc);

    co_test_virtual_clock(timed);
    tcase_add_test(timed, a_job_whose_time_runs_out_first_is_taken_back);
    tcase_add_test(timed, a_job_that_has_begun_is_waited_for_beyond_its_time);
    tcase_add_test(timed,
                   a_task_out_of_time_leaves_a_job_behind_that_has_begun);
    tcase_add_test(timed,
                   a_shutdown_that_is_over_before_its_time_is_seen_says_so);
    suite_add_tcase(s, timed);
    return s;
}

CO_TEST_MAIN(suite)
