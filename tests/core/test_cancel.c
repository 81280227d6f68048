/* SPDX-License-Identifier: MIT */
/* Cancelling is a level that is counted; what was granted before is kept. */
#include <coppice/cancel.h>

#include "core/sched.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

/* ---- the level ----------------------------------------------------------- */

CO_TASK_TEST(cancelled_task_fails_at_every_call_until_it_ends)
{
    co_task *self = co_self();
    co_task *other = co_test_spawn(co_test_sleep_for_ever, NULL);

    ck_assert_int_eq(co_cancel(self), 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_yield_now(), -ECANCELED);
        ck_assert_int_eq(co_sleep(CO_SEC), -ECANCELED);
        ck_assert_int_eq(co_sleep(0), -ECANCELED);
        ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
        ck_assert_int_eq(co_sleep_until(0), -ECANCELED);
        ck_assert_int_eq(co_join(other, NULL), -ECANCELED);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    ck_assert_int_eq(co_uncancel(self), 0);
    ck_assert_int_eq(co_cancel(other), 1);
    ck_assert_int_eq(co_test_result(other), -ECANCELED);
}

CO_TASK_TEST(cancelled_task_still_does_what_does_not_suspend)
{
    co_task *other;

    ck_assert_int_eq(co_cancel(co_self()), 1);
    other = co_test_spawn(co_test_return, NULL);
    ck_assert_int_eq(co_cancel(other), 1);
    ck_assert_int_eq(co_uncancel(other), 0);
    ck_assert_int_eq(co_detach(other), 0);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
}

CO_TASK_TEST(requests_are_counted)
{
    co_task *self = co_self();

    ck_assert_int_eq(co_cancelling(self), 0);
    ck_assert_int_eq(co_cancel(self), 1);
    ck_assert_int_eq(co_cancel(self), 2);
    ck_assert_int_eq(co_cancelling(self), 2);
    ck_assert_int_eq(co_uncancel(self), 1);
    ck_assert_int_eq(co_yield_now(), -ECANCELED);
    ck_assert_int_eq(co_uncancel(self), 0);
    ck_assert_int_eq(co_cancelling(self), 0);
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(co_uncancel(self), 0);
    ck_assert_int_eq(co_cancelling(self), 0);
}

CO_TASK_TEST(too_many_requests_are_eoverflow)
{
    co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);

    ck_assert_int_eq(co_cancel(task), 1);
    task->chain.cancels = INT32_MAX - 1;
    ck_assert_int_eq(co_cancel(task), INT32_MAX);
    ck_assert_int_eq(co_cancel(task), -EOVERFLOW);
    ck_assert_int_eq(co_cancelling(task), INT32_MAX);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

CO_TASK_TEST(new_task_is_not_cancelled_though_its_parent_is)
{
    co_time ns = CO_MS;
    co_task *task;

    ck_assert_int_eq(co_cancel(co_self()), 1);
    task = co_test_spawn(co_test_sleep, &ns);
    ck_assert_int_eq(co_cancelling(task), 0);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_test_result(task), 0);
}

/* A stack that is used again remembers no requests. */
CO_TASK_TEST(new_task_does_not_inherit_requests_of_the_dead)
{
    for (int i = 0; i < 200; i++) {
        co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);

        ck_assert_int_eq(co_cancelling(task), 0);
        ck_assert_int_eq(co_cancel(task), 1);
        ck_assert_int_eq(co_cancel(task), 2);
        ck_assert_int_eq(co_test_result(task), -ECANCELED);
    }
}

/* ---- in which state the task is ------------------------------------------ */

CO_TASK_TEST(task_cancelled_before_it_started_fails_at_its_first_call)
{
    co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);

    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

/* It is not dropped: its function runs, and may own something. */
CO_TASK_TEST(task_cancelled_before_it_started_runs)
{
    co_task *task = co_test_spawn(co_test_return, co_test_number(5));

    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 5);
}

static int yield_twice(void *first)
{
    *(int *)first = co_yield_now();
    return co_yield_now();
}

CO_TASK_TEST(ready_task_returns_from_its_yield_and_fails_at_the_next)
{
    int first = 1;
    co_task *task = co_test_spawn(yield_twice, &first);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(first, 0);
}

CO_TASK_TEST(sleeper_wakes_at_once_and_its_timer_is_gone)
{
    co_loop *loop = co_loop_running();
    co_time ns = 3600 * CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);

    co_test_yield();
    ck_assert_uint_eq(loop->timers.count, 1);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    ck_assert_uint_eq(loop->timers.count, 0);
}

CO_TASK_TEST(joiner_wakes_and_the_joined_task_goes_on)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);
    co_task *joiner = co_test_spawn(co_test_join, task);

    co_test_yield();
    ck_assert_int_eq(co_cancel(joiner), 1);
    ck_assert_int_eq(co_test_result(joiner), -ECANCELED);
    ck_assert_int_eq(co_cancelling(task), 0);
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(cancel_of_a_task_that_has_ended_is_allowed)
{
    co_task *task = co_test_spawn(co_test_return, co_test_number(5));

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_cancelling(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_test_result(task), 5);
}

CO_TASK_TEST(null_and_consumed_handles_are_einval)
{
    co_task *task = co_test_spawn(co_test_return, NULL);

    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_cancel(task), -EINVAL);
    ck_assert_int_eq(co_uncancel(task), -EINVAL);
    ck_assert_int_eq(co_cancelling(task), -EINVAL);
    ck_assert_int_eq(co_cancel(NULL), -EINVAL);
    ck_assert_int_eq(co_uncancel(NULL), -EINVAL);
    ck_assert_int_eq(co_cancelling(NULL), -EINVAL);
}

/* ---- uncancel ------------------------------------------------------------ */

CO_TASK_TEST(wake_by_a_cancel_is_delivered_though_it_was_taken_back)
{
    co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

static int sleep_twice(void *first)
{
    *(int *)first = co_test_sleep_for_ever(NULL);
    return co_sleep(CO_SEC);
}

CO_TASK_TEST(call_after_a_cancel_that_was_taken_back_works)
{
    int first = 0;
    co_task *task = co_test_spawn(sleep_twice, &first);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(first, -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

CO_TASK_TEST(cancel_taken_back_before_the_task_ran_was_none)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);

    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_test_result(task), 0);
}

static int sleep_in_a_timeout(void *unused)
{
    int r = 0;

    (void)unused;
    co_timeout(CO_SEC) {
        ck_assert_int_eq(co_test_sleep_for_ever(NULL), -ECANCELED);
        r = co_test_sleep_for_ever(NULL);
    }
    return r;
}

CO_TASK_TEST(timeout_holds_again_after_the_cancel_was_taken_back)
{
    co_task *task = co_test_spawn(sleep_in_a_timeout, NULL);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

/* ---- shields ------------------------------------------------------------- */

static int sleep_shielded(void *inside)
{
    co_shield {
        *(int *)inside = co_sleep(CO_SEC);
    }
    return co_yield_now();
}

CO_TASK_TEST(shield_defers_a_cancel_to_its_end)
{
    int inside = 1;
    co_task *task = co_test_spawn(sleep_shielded, &inside);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(inside, 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

CO_TASK_TEST(cancel_taken_back_within_a_shield_was_none)
{
    int inside = 1;
    co_task *task = co_test_spawn(sleep_shielded, &inside);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(inside, 0);
}

CO_TASK_TEST(cancel_before_a_shield_waits_for_its_end)
{
    ck_assert_int_eq(co_cancel(co_self()), 1);
    co_shield {
        ck_assert_int_eq(co_yield_now(), 0);
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        co_shield {
            ck_assert_int_eq(co_sleep(CO_SEC), 0);
        }
        /* The outer shield is still up. */
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
    ck_assert_int_eq(co_yield_now(), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
}

CO_TASK_TEST(shielded_sleeper_keeps_its_deadline_under_a_cancel)
{
    int inside = 1;
    co_task *task = co_test_spawn(sleep_shielded, &inside);

    co_test_yield();
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(co_sleep(100 * CO_MS), 0);
        ck_assert_int_eq(co_cancel(task), i);
    }
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(inside, 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

static int sleep_and_yield(void *first)
{
    *(int *)first = co_test_sleep_for_ever(NULL);
    return co_yield_now();
}

/* The wait's result stays with the wait. */
CO_TASK_TEST(yield_after_a_wait_that_failed_succeeds)
{
    int first = 0;
    co_task *task = co_test_spawn(sleep_and_yield, &first);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_uncancel(task), 0);
    co_test_yield();
    ck_assert_int_eq(first, -ECANCELED);
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- in one turn with the wake ------------------------------------------- */

static int park(void *unused)
{
    co_loop *loop = co_loop_running();

    (void)unused;
    return co__park(loop, loop->self, CO__WAIT_JOIN);
}

CO_TASK_TEST(value_granted_before_a_cancel_is_kept)
{
    co_task *task = co_test_spawn(park, NULL);

    co_test_yield();
    ck_assert_int_eq(co__wake(task, 42), 1);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 42);
}

CO_TASK_TEST(nothing_is_granted_after_a_cancel)
{
    co_task *task = co_test_spawn(park, NULL);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co__wake(task, 42), 0);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

static int sleep_and_sleep(void *second)
{
    int r = co_sleep(CO_MS);

    *(int *)second = co_sleep(CO_MS);
    return r;
}

/* A and B wake by their timers in one turn; A, the first, cancels B. */
static int sleep_then_cancel(void *other)
{
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(co_cancel(other), 1);
    return 0;
}

/* Both are made ready in one turn, in either order. */
static void cancel_in_the_turn_of_the_wake(int canceller_first)
{
    int second = 0;
    co_task *sleeper = co_test_spawn(sleep_and_sleep, &second);
    co_task *canceller = co_test_spawn(sleep_then_cancel, sleeper);

    co_test_yield();
    if (canceller_first) {
        /* What the turn would do, in the other order. */
        ck_assert_int_eq(co__wake(canceller, 0), 1);
        ck_assert_int_eq(co__wake(sleeper, 0), 1);
    }
    ck_assert_int_eq(co_test_result(canceller), 0);
    ck_assert_int_eq(co_test_result(sleeper), 0);
    ck_assert_int_eq(second, -ECANCELED);
}

CO_TASK_TEST(sleeper_that_was_woken_before_a_cancel_has_slept)
{
    cancel_in_the_turn_of_the_wake(0);
    cancel_in_the_turn_of_the_wake(1);
}

static int cancel_self_and_sleep(void *unused)
{
    ck_assert_int_eq(co_cancel(co_self()), 1);
    return co_test_sleep_for_ever(unused);
}

CO_TASK_TEST(task_that_cancels_itself_fails_at_its_next_call)
{
    ck_assert_int_eq(co_test_result(co_test_spawn(cancel_self_and_sleep, NULL)),
                     -ECANCELED);
}

/* ---- at the end of the loop ---------------------------------------------- */

static int cleaned_up;

static int clean_up(void *unused)
{
    ck_assert_int_eq(co_test_sleep_for_ever(unused), -ECANCELED);
    co_shield {
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        cleaned_up++;
    }
    return -ECANCELED;
}

static void leave_some_behind(void)
{
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_detach(co_test_spawn(clean_up, NULL)), 0);
    for (int i = 0; i < 10; i++)
        (void)co_test_spawn(clean_up, NULL);
    co_test_yield();
}

START_TEST(tasks_that_are_left_are_cancelled_and_may_clean_up)
{
    cleaned_up = 0;
    co_test_in_task(leave_some_behind);
    ck_assert_int_eq(cleaned_up, 20);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/cancel");
    TCase *tc = tcase_create("cancel");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, cancelled_task_fails_at_every_call_until_it_ends);
    tcase_add_test(tc, cancelled_task_still_does_what_does_not_suspend);
    tcase_add_test(tc, requests_are_counted);
    tcase_add_test(tc, too_many_requests_are_eoverflow);
    tcase_add_test(tc, new_task_is_not_cancelled_though_its_parent_is);
    tcase_add_test(tc, new_task_does_not_inherit_requests_of_the_dead);
    tcase_add_test(tc,
                   task_cancelled_before_it_started_fails_at_its_first_call);
    tcase_add_test(tc, task_cancelled_before_it_started_runs);
    tcase_add_test(tc, ready_task_returns_from_its_yield_and_fails_at_the_next);
    tcase_add_test(tc, sleeper_wakes_at_once_and_its_timer_is_gone);
    tcase_add_test(tc, joiner_wakes_and_the_joined_task_goes_on);
    tcase_add_test(tc, cancel_of_a_task_that_has_ended_is_allowed);
    tcase_add_test(tc, null_and_consumed_handles_are_einval);
    tcase_add_test(tc, wake_by_a_cancel_is_delivered_though_it_was_taken_back);
    tcase_add_test(tc, call_after_a_cancel_that_was_taken_back_works);
    tcase_add_test(tc, cancel_taken_back_before_the_task_ran_was_none);
    tcase_add_test(tc, timeout_holds_again_after_the_cancel_was_taken_back);
    tcase_add_test(tc, shield_defers_a_cancel_to_its_end);
    tcase_add_test(tc, cancel_taken_back_within_a_shield_was_none);
    tcase_add_test(tc, cancel_before_a_shield_waits_for_its_end);
    tcase_add_test(tc, shielded_sleeper_keeps_its_deadline_under_a_cancel);
    tcase_add_test(tc, yield_after_a_wait_that_failed_succeeds);
    tcase_add_test(tc, value_granted_before_a_cancel_is_kept);
    tcase_add_test(tc, nothing_is_granted_after_a_cancel);
    tcase_add_test(tc, sleeper_that_was_woken_before_a_cancel_has_slept);
    tcase_add_test(tc, task_that_cancels_itself_fails_at_its_next_call);
    tcase_add_test(tc, tasks_that_are_left_are_cancelled_and_may_clean_up);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
