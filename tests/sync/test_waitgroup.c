/* SPDX-License-Identifier: MIT */
/* Wait groups. */
#include <coppice/waitgroup.h>

#include "sync/sync_support.h"

#include <limits.h>

static co_waitgroup group;

static int wait_for_all(void)
{
    return co_waitgroup_wait(&group);
}

static void add(int n)
{
    ck_assert_int_eq(co_waitgroup_add(&group, n), 0);
}

static void done(void)
{
    ck_assert_int_eq(co_waitgroup_done(&group), 0);
}

static void start(int n)
{
    memset(&group, 0, sizeof(group));
    add(n);
}

/* ---- alone --------------------------------------------------------------- */

CO_TASK_TEST(zeroed_group_is_not_waited_for)
{
    memset(&group, 0, sizeof(group));
    ck_assert_int_eq(wait_for_all(), 0);
    add(0);
    ck_assert_int_eq(wait_for_all(), 0);
    co_waitgroup_fini(&group);
}

CO_TASK_TEST(counted_up_and_down_it_is_done_at_zero)
{
    start(2);
    done();
    add(3);
    add(-3);
    co_timeout(CO_MS) {
        ck_assert_int_eq(wait_for_all(), -ETIMEDOUT);
    }
    done();
    ck_assert_int_eq(wait_for_all(), 0);
}

CO_TASK_TEST(count_may_be_more_than_an_int)
{
    start(INT_MAX);
    add(INT_MAX);
    add(-INT_MAX);
    co_timeout(CO_MS) {
        ck_assert_int_eq(wait_for_all(), -ETIMEDOUT);
    }
    add(-INT_MAX);
    ck_assert_int_eq(wait_for_all(), 0);
}

START_TEST(null_is_einval)
{
    ck_assert_int_eq(co_waitgroup_add(NULL, 1), -EINVAL);
    ck_assert_int_eq(co_waitgroup_done(NULL), -EINVAL);
    ck_assert_int_eq(co_waitgroup_wait(NULL), -EINVAL);
    co_waitgroup_fini(NULL);
}
END_TEST

START_TEST(outside_a_task_only_waiting_is_refused)
{
    start(1);
    ck_assert_int_eq(wait_for_all(), -EPERM);
    done();
    ck_assert_int_eq(wait_for_all(), 0);
    co_timeout(0) {
        ck_assert_int_eq(wait_for_all(), -ETIMEDOUT);
    }
}
END_TEST

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start(1);
    ck_assert_int_eq(sync_in_callback(wait_for_all), -EPERM);
    done();
    ck_assert_int_eq(sync_in_callback(wait_for_all), 0);
}

CO_TASK_TEST(cancelled_or_late_task_is_told_so)
{
    start(0);
    sync_refused_when_cancelled(wait_for_all);
    sync_refused_when_late(wait_for_all);
}

/* ---- waiting ------------------------------------------------------------- */

CO_TASK_TEST(all_go_on_at_zero_in_the_order_they_came)
{
    start(2);
    sync_line_up(wait_for_all, NULL, 5);
    done();
    co_test_yield();
    sync_log_is("");
    done();
    sync_results_are(0, 5, 0);
    sync_log_is("abcde");
}

CO_TASK_TEST(who_waited_goes_on_even_if_the_count_rises_at_once)
{
    start(1);
    sync_line_up(wait_for_all, NULL, 2);
    done();
    add(1);
    sync_results_are(0, 2, 0);
    sync_line_up(wait_for_all, NULL, 1);
    done();
    sync_results_are(0, 1, 0);
}

CO_TASK_TEST(done_before_cancel_is_done)
{
    start(1);
    sync_line_up(wait_for_all, NULL, 1);
    done();
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
}

CO_TASK_TEST(cancelled_before_it_is_done_is_cancelled)
{
    start(1);
    sync_line_up(wait_for_all, NULL, 3);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    done();
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, -ECANCELED);
    sync_results_are(2, 3, 0);
}

CO_TASK_TEST(done_before_the_timeout_is_seen_is_done)
{
    start(1);
    sync_line_up_nearly_late(wait_for_all, NULL, 2);
    done();
    sync_results_are(0, 2, 0);
}

CO_TASK_TEST(late_before_it_is_done_is_late)
{
    start(1);
    sync_line_up_late(wait_for_all, NULL, 2);
    done();
    sync_results_are(0, 2, -ETIMEDOUT);
}

static int work(void *unused)
{
    int r = co_sleep(CO_MS);

    (void)unused;
    done();
    return r;
}

static void wait_for_workers(void)
{
    start(0);
    for (int i = 0; i < 5; i++) {
        add(1);
        ck_assert_int_eq(co_detach(co_test_spawn(work, NULL)), 0);
    }
    ck_assert_int_eq(wait_for_all(), 0);
    ck_assert_int_eq(co_loop_task_count(co_loop_running()), 1);
}

CO_TASK_TEST(workers_are_waited_for_and_nothing_is_allocated)
{
    wait_for_workers();
    sync_allocates_nothing(wait_for_workers);
}

/* ---- who must not -------------------------------------------------------- */

static void done_too_often(void)
{
    start(1);
    done();
    done();
}

static void add_too_little(void)
{
    start(1);
    add(-2);
}

static void fini_while_waited_for(void)
{
    start(1);
    sync_line_up(wait_for_all, NULL, 1);
    co_waitgroup_fini(&group);
}

START_TEST(more_done_than_counted_stops_the_program)
{
    sync_dies(done_too_often, 1, "co_waitgroup_done by task");
    sync_dies(add_too_little, 0, "co_waitgroup_add outside a task");
}
END_TEST

START_TEST(fini_while_a_task_waits_stops_the_program)
{
    sync_dies(fini_while_waited_for, 1, "co_waitgroup_fini");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync/waitgroup");
    TCase *tc = tcase_create("waitgroup");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, zeroed_group_is_not_waited_for);
    tcase_add_test(tc, counted_up_and_down_it_is_done_at_zero);
    tcase_add_test(tc, count_may_be_more_than_an_int);
    tcase_add_test(tc, null_is_einval);
    tcase_add_test(tc, outside_a_task_only_waiting_is_refused);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, cancelled_or_late_task_is_told_so);
    tcase_add_test(tc, all_go_on_at_zero_in_the_order_they_came);
    tcase_add_test(tc, who_waited_goes_on_even_if_the_count_rises_at_once);
    tcase_add_test(tc, done_before_cancel_is_done);
    tcase_add_test(tc, cancelled_before_it_is_done_is_cancelled);
    tcase_add_test(tc, done_before_the_timeout_is_seen_is_done);
    tcase_add_test(tc, late_before_it_is_done_is_late);
    tcase_add_test(tc, workers_are_waited_for_and_nothing_is_allocated);
    tcase_add_test(tc, more_done_than_counted_stops_the_program);
    tcase_add_test(tc, fini_while_a_task_waits_stops_the_program);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
