/* SPDX-License-Identifier: MIT */
/* Events. */
#include <coppice/event.h>

#include "sync/sync_support.h"

static co_event event;

static int wait_for_it(void)
{
    return co_event_wait(&event);
}

static void set(void)
{
    ck_assert_int_eq(co_event_set(&event), 0);
    ck_assert_int_eq(co_event_is_set(&event), 1);
}

static void clear(void)
{
    ck_assert_int_eq(co_event_clear(&event), 0);
    ck_assert_int_eq(co_event_is_set(&event), 0);
}

static void start(void)
{
    memset(&event, 0, sizeof(event));
    ck_assert_int_eq(co_event_is_set(&event), 0);
}

/* ---- alone --------------------------------------------------------------- */

CO_TASK_TEST(set_event_is_not_waited_for)
{
    start();
    set();
    ck_assert_int_eq(wait_for_it(), 0);
    ck_assert_int_eq(wait_for_it(), 0);
    set();
    clear();
    clear();
    co_timeout(CO_MS) {
        ck_assert_int_eq(wait_for_it(), -ETIMEDOUT);
    }
    co_event_fini(&event);
}

START_TEST(null_is_einval)
{
    ck_assert_int_eq(co_event_set(NULL), -EINVAL);
    ck_assert_int_eq(co_event_clear(NULL), -EINVAL);
    ck_assert_int_eq(co_event_wait(NULL), -EINVAL);
    ck_assert_int_eq(co_event_is_set(NULL), 0);
    co_event_fini(NULL);
}
END_TEST

START_TEST(outside_a_task_only_waiting_is_refused)
{
    start();
    ck_assert_int_eq(wait_for_it(), -EPERM);
    set();
    ck_assert_int_eq(wait_for_it(), 0);
    co_timeout(0) {
        ck_assert_int_eq(wait_for_it(), -ETIMEDOUT);
    }
    clear();
}
END_TEST

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start();
    ck_assert_int_eq(sync_in_callback(wait_for_it), -EPERM);
    co_event_fini(&event);
    set();
    ck_assert_int_eq(sync_in_callback(wait_for_it), 0);
}

CO_TASK_TEST(cancelled_or_late_task_does_not_see_a_set_event)
{
    start();
    set();
    sync_refused_when_cancelled(wait_for_it);
    sync_refused_when_late(wait_for_it);
}

/* ---- waiting ------------------------------------------------------------- */

CO_TASK_TEST(all_go_on_in_the_order_they_came)
{
    start();
    sync_line_up(wait_for_it, NULL, 5);
    set();
    sync_results_are(0, 5, 0);
    sync_log_is("abcde");
}

/* CPython's test_clear_with_waiters. */
CO_TASK_TEST(who_waited_goes_on_even_if_it_is_cleared_at_once)
{
    start();
    sync_line_up(wait_for_it, NULL, 2);
    set();
    clear();
    sync_results_are(0, 2, 0);
    sync_line_up(wait_for_it, NULL, 1);
    set();
    sync_results_are(0, 1, 0);
}

CO_TASK_TEST(event_set_before_cancel_has_happened)
{
    start();
    sync_line_up(wait_for_it, NULL, 1);
    set();
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
}

CO_TASK_TEST(cancelled_before_the_event_is_cancelled)
{
    start();
    sync_line_up(wait_for_it, NULL, 3);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    set();
    sync_results_are(1, 2, -ECANCELED);
    sync_results_are(0, 1, 0);
    sync_results_are(2, 3, 0);
    sync_log_is("ac");
}

CO_TASK_TEST(event_set_before_the_timeout_is_seen_has_happened)
{
    start();
    sync_line_up_nearly_late(wait_for_it, NULL, 2);
    set();
    sync_results_are(0, 2, 0);
}

CO_TASK_TEST(late_before_the_event_is_late)
{
    start();
    sync_line_up_late(wait_for_it, NULL, 2);
    set();
    sync_results_are(0, 2, -ETIMEDOUT);
}

CO_TASK_TEST(cancelled_waiter_leaves)
{
    start();
    sync_line_up(wait_for_it, NULL, 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, -ECANCELED);
    co_event_fini(&event);
    set();
}

static void wait_and_set(void)
{
    start();
    sync_line_up(wait_for_it, NULL, 3);
    set();
    sync_results_are(0, 3, 0);
}

CO_TASK_TEST(nothing_is_allocated)
{
    sync_allocates_nothing(wait_and_set);
}

static void fini_while_waited_for(void)
{
    start();
    sync_line_up(wait_for_it, NULL, 1);
    co_event_fini(&event);
}

START_TEST(fini_while_a_task_waits_stops_the_program)
{
    sync_dies(fini_while_waited_for, 1, "co_event_fini");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync/event");
    TCase *tc = tcase_create("event");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, set_event_is_not_waited_for);
    tcase_add_test(tc, null_is_einval);
    tcase_add_test(tc, outside_a_task_only_waiting_is_refused);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, cancelled_or_late_task_does_not_see_a_set_event);
    tcase_add_test(tc, all_go_on_in_the_order_they_came);
    tcase_add_test(tc, who_waited_goes_on_even_if_it_is_cleared_at_once);
    tcase_add_test(tc, event_set_before_cancel_has_happened);
    tcase_add_test(tc, cancelled_before_the_event_is_cancelled);
    tcase_add_test(tc, event_set_before_the_timeout_is_seen_has_happened);
    tcase_add_test(tc, late_before_the_event_is_late);
    tcase_add_test(tc, cancelled_waiter_leaves);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, fini_while_a_task_waits_stops_the_program);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
