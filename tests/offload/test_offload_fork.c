/* SPDX-License-Identifier: MIT */
/* fork(2) of a program with pools: the child has pools without threads and
 * jobs, and starts its own threads. */
#include "offload_support.h"

#include "base/sanitize.h"
#include "support/check_main.h"
#include "support/forks.h"

/* ThreadSanitizer refuses to start threads in the child of a program that has
 * threads. */
#define THREADS_AFTER_FORK (!CO__TSAN)

static int number(void *arg)
{
    return (int)(intptr_t)arg;
}

static int offload_three(void *arg)
{
    (void)arg;
    return co_offload(number, co_test_number(1)) +
           co_offload(number, co_test_number(2));
}

/* What a child does to see that its pools work. */
static void use_pools_in_child(void)
{
    co_executor *pool;

    if (!THREADS_AFTER_FORK)
        return;
    CO_CHILD_CHECK(pool_threads(default_pool(CO_LANE_DEFAULT)) == 0);
    CO_CHILD_CHECK(co_run(offload_three, NULL) == 3);
    CO_CHILD_CHECK(co_run(offload_three, NULL) == 3);
    pool = co_executor_new(NULL);
    CO_CHILD_CHECK(pool != NULL);
    CO_CHILD_CHECK(co_executor_run(pool, number, co_test_number(5)) == 5);
    CO_CHILD_CHECK(co_executor_shutdown(pool, 1) == 0);
    co_executor_free(pool);
}

CO_TASK_TEST(the_child_starts_its_own_threads)
{
    pid_t pid;

    ck_assert_int_eq(offload_three(NULL), 3);
    pid = fork();
    if (pid == 0) {
        use_pools_in_child();
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    ck_assert_int_eq(offload_three(NULL), 3);
}

CO_TASK_TEST(jobs_and_threads_stay_the_parents)
{
    co_executor *pool = pool_of(1);
    struct gate running, queued;
    co_task *tasks[2];
    pid_t pid;

    gate_init(&running, pool, 1);
    gate_init(&queued, pool, 2);
    sem_post(&queued.let_go);
    tasks[0] = gate_spawn_begun(&running);
    tasks[1] = gate_spawn_queued(&queued);
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(!pool->head && !pool->threads && !pool->running);
        if (THREADS_AFTER_FORK)
            CO_CHILD_CHECK(co_executor_run(pool, number, co_test_number(5)) ==
                           5);
        use_pools_in_child();
        CO_CHILD_CHECK(co_executor_shutdown(pool, 1) == 0);
        co_executor_free(pool);
        CO_CHILD_CHECK(atomic_load(&queued.ran) == 0);
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(co_test_end_of(pid), CO_TEST_WELL);
    sem_post(&running.let_go);
    ck_assert_int_eq(co_test_result(tasks[0]), 1);
    ck_assert_int_eq(co_test_result(tasks[1]), 2);
    pool_end(pool);
    gate_fini(&running);
    gate_fini(&queued);
}

static int fork_in_job(void *arg)
{
    pid_t pid = fork();

    if (pid == 0) {
        CO_CHILD_CHECK(!co__pool_inside(default_pool(CO_LANE_DEFAULT)));
        use_pools_in_child();
        return (int)(intptr_t)arg; /* ends the process */
    }
    return co_test_end_of(pid);
}

CO_TASK_TEST(a_child_forked_in_a_job_ends_with_it)
{
    ck_assert_int_eq(co_offload(fork_in_job, co_test_number(256 + 7)), 7);
    ck_assert_int_eq(co_offload(number, co_test_number(7)), 7);
}

static atomic_int stop;

static int offload_on(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        co_executor *pool;

        if (co_offload(number, co_test_number(1)) != 1)
            return -EIO;
        pool = co_executor_new(NULL);
        if (!pool || co_executor_run(pool, number, co_test_number(1)) != 1)
            return -EIO;
        co_executor_free(pool);
        if (CO_TEST_SLOW)
            usleep(5000); /* valgrind runs one thread at a time */
    }
    return 0;
}

static void *run_offload_on(void *arg)
{
    return co_test_number(co_run(offload_on, arg));
}

START_TEST(locks_of_other_threads_do_not_outlive_a_fork)
{
    pthread_t threads[2];
    void *r;
    int bad = 0;

    atomic_store(&stop, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, run_offload_on, NULL), 0);
    for (int i = 0; i < co_test_scale(200, 5) && !bad; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            use_pools_in_child();
            /* Memcheck would look for what other threads have lost. */
            raise(SIGKILL);
        }
        bad = co_test_end_of(pid) != -1 - SIGKILL;
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &r);
        ck_assert_ptr_null(r);
    }
    ck_assert_int_eq(bad, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("offload_fork");
    TCase *tc = tcase_create("fork");

    co_test_check_fds(tc);
    tcase_set_timeout(tc, 170);
    tcase_add_test(tc, the_child_starts_its_own_threads);
    tcase_add_test(tc, jobs_and_threads_stay_the_parents);
    tcase_add_test(tc, a_child_forked_in_a_job_ends_with_it);
    if (CO_TEST_FORKS_AMID_WORK)
        tcase_add_test(tc, locks_of_other_threads_do_not_outlive_a_fork);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
