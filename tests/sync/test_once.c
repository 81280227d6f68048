/* SPDX-License-Identifier: MIT */
/* What is done once. */
#include <coppice/embed.h>
#include <coppice/once.h>

#include "sync/sync_support.h"

static co_once once;
static int runs;      /* how often the function was called */
static int outcome;   /* what it returns */
static co_time takes; /* and how long it takes */

static int prepare(void *result)
{
    int r = takes ? co_sleep(takes) : 0;

    runs++;
    if (r < 0)
        return r;
    return result ? *(int *)result : outcome;
}

static int need(void)
{
    return co_once_do(&once, prepare, NULL);
}

static void start(int result, co_time ns)
{
    memset(&once, 0, sizeof(once));
    runs = 0;
    outcome = result;
    takes = ns;
}

static void is_done(int result)
{
    ck_assert_int_eq(co_once_is_done(&once), 1);
    ck_assert_int_eq(need(), result);
    co_once_fini(&once);
}

/* ---- alone --------------------------------------------------------------- */

CO_TASK_TEST(it_is_done_once_and_its_result_is_kept)
{
    int other = 5;

    start(42, 0);
    ck_assert_int_eq(co_once_is_done(&once), 0);
    ck_assert_int_eq(need(), 42);
    outcome = 43;
    ck_assert_int_eq(need(), 42);
    ck_assert_int_eq(co_once_do(&once, prepare, &other), 42);
    ck_assert_int_eq(runs, 1);
    is_done(42);
}

CO_TASK_TEST(who_fails_gets_the_error_and_the_next_tries_again)
{
    start(-EIO, 0);
    ck_assert_int_eq(need(), -EIO);
    ck_assert_int_eq(co_once_is_done(&once), 0);
    ck_assert_int_eq(need(), -EIO);
    outcome = 0;
    ck_assert_int_eq(need(), 0);
    ck_assert_int_eq(runs, 3);
    is_done(0);
}

START_TEST(null_is_einval)
{
    ck_assert_int_eq(co_once_do(NULL, prepare, NULL), -EINVAL);
    ck_assert_int_eq(co_once_do(&once, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_once_is_done(NULL), 0);
    co_once_fini(NULL);
}
END_TEST

static int need_it_itself(void *unused)
{
    (void)unused;
    return co_once_do(&once, prepare, NULL);
}

CO_TASK_TEST(call_by_the_function_itself_is_edeadlk)
{
    start(0, 0);
    ck_assert_int_eq(co_once_do(&once, need_it_itself, NULL), -EDEADLK);
    ck_assert_int_eq(runs, 0);
    ck_assert_int_eq(need(), 0);
    is_done(0);
}

static void find_it_being_done(void)
{
    co_timeout(CO_MS) {
        ck_assert_int_eq(need(), -ETIMEDOUT);
    }
}

static int run_a_loop(void *unused)
{
    (void)unused;
    co_test_in_task(find_it_being_done);
    return 0;
}

START_TEST(outside_a_task_it_is_done_without_waiting)
{
    start(7, 0);
    ck_assert_int_eq(co_once_do(&once, need_it_itself, NULL), -EDEADLK);
    ck_assert_int_eq(co_once_do(&once, run_a_loop, NULL), 0);
    is_done(0);
    start(7, 0);
    co_timeout(0) {
        ck_assert_int_eq(need(), -ETIMEDOUT);
    }
    ck_assert_int_eq(need(), 7);
    is_done(7);
}
END_TEST

/* Between the turns of a loop that is embedded a task may be at it. */
START_TEST(what_a_task_is_at_cannot_be_waited_for_outside)
{
    co_loop *loop = co_loop_new(NULL);

    start(7, CO_SEC);
    ck_assert_ptr_nonnull(loop);
    sync_what = need;
    sync_then = NULL;
    sync_limit = CO_NEVER;
    ck_assert_ptr_nonnull(co_loop_spawn(loop, sync_stand, co_test_number('a')));
    ck_assert_int_eq(co_loop_turn(loop, 0), 1);
    ck_assert_int_eq(need(), -EPERM);
    co_loop_free(loop);
    ck_assert_int_eq(runs, 1);
    co_once_fini(&once);
}
END_TEST

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start(7, 0);
    ck_assert_int_eq(sync_in_callback(need), 7);
    start(7, CO_SEC);
    sync_line_up(need, NULL, 1);
    ck_assert_int_eq(sync_in_callback(need), -EPERM);
    sync_results_are(0, 1, 7);
    ck_assert_int_eq(sync_in_callback(need), 7);
    is_done(7);
}

CO_TASK_TEST(cancelled_or_late_task_does_nothing)
{
    start(7, 0);
    sync_refused_when_cancelled(need);
    sync_refused_when_late(need);
    ck_assert_int_eq(runs, 0);
    ck_assert_int_eq(need(), 7);
    sync_refused_when_cancelled(need);
    sync_refused_when_late(need);
}

/* ---- waiting ------------------------------------------------------------- */

CO_TASK_TEST(others_wait_and_get_the_same_result)
{
    start(9, CO_MS);
    sync_line_up(need, NULL, 5);
    ck_assert_int_eq(runs, 0);
    ck_assert_int_eq(need(), 9);
    sync_results_are(0, 5, 9);
    sync_log_is("abcde");
    ck_assert_int_eq(runs, 1);
    is_done(9);
}

static int fail_twice(void *unused)
{
    int r = co_sleep(CO_MS);

    (void)unused;
    return r < 0 ? r : runs++ < 2 ? -EIO : 3;
}

static int need_persistence(void)
{
    return co_once_do(&once, fail_twice, NULL);
}

CO_TASK_TEST(when_it_fails_the_next_that_waits_tries)
{
    start(0, 0);
    sync_line_up(need_persistence, NULL, 5);
    sync_results_are(0, 2, -EIO);
    sync_results_are(2, 5, 3);
    sync_log_is("cde");
    ck_assert_int_eq(runs, 3);
    is_done(3);
}

/* As a mutex, it is handed over: who comes in between waits. */
CO_TASK_TEST(newcomer_does_not_overtake_who_waits_to_try)
{
    start(-EIO, CO_MS);
    sync_line_up(need, NULL, 2);
    sync_results_are(0, 1, -EIO);
    ck_assert_ptr_eq(once.co__runner, sync_task[1]);
    outcome = 1;
    ck_assert_int_eq(need(), 1);
    sync_results_are(1, 2, 1);
    ck_assert_int_eq(runs, 2);
}

CO_TASK_TEST(when_its_task_is_cancelled_the_next_does_it)
{
    start(4, CO_MS);
    sync_line_up(need, NULL, 3);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 3, 4);
    ck_assert_int_eq(runs, 2);
    is_done(4);
}

CO_TASK_TEST(cancelled_waiter_leaves)
{
    start(4, CO_MS);
    sync_line_up(need, NULL, 3);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    sync_results_are(1, 2, -ECANCELED);
    sync_results_are(0, 1, 4);
    sync_results_are(2, 3, 4);
    is_done(4);
}

CO_TASK_TEST(waiter_cancelled_before_the_failure_is_passed_over)
{
    start(-EIO, CO_MS);
    sync_line_up(need, NULL, 3);
    co_test_clock_pass(CO_MS);
    co_test_yield(); /* the first is ready, and will fail when it runs */
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    sync_results_are(0, 1, -EIO);
    sync_results_are(1, 2, -ECANCELED);
    sync_results_are(2, 3, -EIO);
    ck_assert_int_eq(runs, 2);
    co_once_fini(&once);
}

/* It has the role, and with it the duty to pass it on. */
CO_TASK_TEST(waiter_cancelled_after_it_was_told_to_do_it_fails_and_passes_it_on)
{
    start(-EIO, CO_MS);
    sync_line_up(need, NULL, 3);
    sync_results_are(0, 1, -EIO);
    outcome = 6;
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    sync_results_are(1, 2, -ECANCELED);
    sync_results_are(2, 3, 6);
    ck_assert_int_eq(runs, 3);
    is_done(6);
}

CO_TASK_TEST(done_before_cancel_is_done)
{
    start(4, CO_MS);
    sync_line_up(need, NULL, 2);
    sync_results_are(0, 1, 4);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    sync_results_are(1, 2, 4);
    is_done(4);
}

CO_TASK_TEST(waiters_time_out_while_it_is_done)
{
    co_task *task;

    start(4, CO_SEC);
    sync_line_up(need, NULL, 1);
    task = sync_task[0];
    sync_line_up_late(need, NULL, 2);
    sync_results_are(0, 2, -ETIMEDOUT);
    ck_assert_int_eq(co_test_result(task), 4);
    is_done(4);
}

CO_TASK_TEST(done_before_the_timeout_is_seen_is_done)
{
    co_task *task;

    start(4, CO_MS);
    sync_line_up(need, NULL, 1);
    task = sync_task[0];
    sync_spawn(need, NULL, co_now() + CO_MS + 1, 2);
    ck_assert_int_eq(co_test_result(task), 4);
    co_test_clock_pass(CO_SEC);
    sync_results_are(0, 2, 4);
    is_done(4);
}

static void wait_for_it(void)
{
    start(4, CO_MS);
    sync_line_up(need, NULL, 3);
    sync_results_are(0, 3, 4);
}

CO_TASK_TEST(nothing_is_allocated)
{
    sync_allocates_nothing(wait_for_it);
}

static void fini_while_at_it(void)
{
    start(4, CO_MS);
    sync_line_up(need, NULL, 1);
    co_once_fini(&once);
}

START_TEST(fini_while_a_task_is_at_it_stops_the_program)
{
    sync_dies(fini_while_at_it, 1, "co_once_fini");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync/once");
    TCase *tc = tcase_create("once");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, it_is_done_once_and_its_result_is_kept);
    tcase_add_test(tc, who_fails_gets_the_error_and_the_next_tries_again);
    tcase_add_test(tc, null_is_einval);
    tcase_add_test(tc, call_by_the_function_itself_is_edeadlk);
    tcase_add_test(tc, outside_a_task_it_is_done_without_waiting);
    tcase_add_test(tc, what_a_task_is_at_cannot_be_waited_for_outside);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, cancelled_or_late_task_does_nothing);
    tcase_add_test(tc, others_wait_and_get_the_same_result);
    tcase_add_test(tc, when_it_fails_the_next_that_waits_tries);
    tcase_add_test(tc, newcomer_does_not_overtake_who_waits_to_try);
    tcase_add_test(tc, when_its_task_is_cancelled_the_next_does_it);
    tcase_add_test(tc, cancelled_waiter_leaves);
    tcase_add_test(tc, waiter_cancelled_before_the_failure_is_passed_over);
    tcase_add_test(
        tc, waiter_cancelled_after_it_was_told_to_do_it_fails_and_passes_it_on);
    tcase_add_test(tc, done_before_cancel_is_done);
    tcase_add_test(tc, waiters_time_out_while_it_is_done);
    tcase_add_test(tc, done_before_the_timeout_is_seen_is_done);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, fini_while_a_task_is_at_it_stops_the_program);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
