/* SPDX-License-Identifier: MIT */
/* Barriers. */
#include <coppice/barrier.h>

#include "sync/sync_support.h"

#include <limits.h>

static co_barrier barrier;

static int arrive(void)
{
    return co_barrier_wait(&barrier);
}

static void start(unsigned parties)
{
    ck_assert_int_eq(co_barrier_init(&barrier, parties), 0);
}

static void waiting_is(unsigned count)
{
    ck_assert_uint_eq(co_barrier_waiting(&barrier), count);
}

static void is_whole(void)
{
    waiting_is(0);
    ck_assert_int_eq(co_barrier_broken(&barrier), 0);
    co_barrier_fini(&barrier);
}

/* ---- alone --------------------------------------------------------------- */

CO_TASK_TEST(barrier_for_one_is_never_waited_for)
{
    start(1);
    ck_assert_uint_eq(co_barrier_parties(&barrier), 1);
    ck_assert_int_eq(arrive(), 0);
    ck_assert_int_eq(arrive(), 0);
    is_whole();
}

START_TEST(null_and_impossible_parties_are_einval)
{
    ck_assert_int_eq(co_barrier_init(NULL, 1), -EINVAL);
    ck_assert_int_eq(co_barrier_init(&barrier, 0), -EINVAL);
    ck_assert_int_eq(co_barrier_init(&barrier, (unsigned)INT_MAX + 1), -EINVAL);
    ck_assert_int_eq(co_barrier_wait(NULL), -EINVAL);
    ck_assert_int_eq(co_barrier_reset(NULL), -EINVAL);
    ck_assert_int_eq(co_barrier_abort(NULL), -EINVAL);
    ck_assert_uint_eq(co_barrier_parties(NULL), 0);
    ck_assert_uint_eq(co_barrier_waiting(NULL), 0);
    ck_assert_int_eq(co_barrier_broken(NULL), 0);
    co_barrier_fini(NULL);
}
END_TEST

START_TEST(barrier_without_init_is_einval)
{
    memset(&barrier, 0, sizeof(barrier));
    ck_assert_int_eq(co_barrier_wait(&barrier), -EINVAL);
    ck_assert_int_eq(co_barrier_reset(&barrier), -EINVAL);
    ck_assert_int_eq(co_barrier_abort(&barrier), -EINVAL);
    is_whole();
}
END_TEST

START_TEST(outside_a_task_only_waiting_is_refused)
{
    start(2);
    ck_assert_int_eq(arrive(), -EPERM);
    is_whole();
    ck_assert_int_eq(co_barrier_abort(&barrier), 0);
    ck_assert_int_eq(arrive(), -EPIPE);
    start(1);
    ck_assert_int_eq(arrive(), 0);
    co_timeout(0) {
        ck_assert_int_eq(arrive(), -ETIMEDOUT);
    }
}
END_TEST

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start(2);
    ck_assert_int_eq(sync_in_callback(arrive), -EPERM);
    is_whole();
    sync_line_up(arrive, NULL, 1);
    ck_assert_int_eq(sync_in_callback(arrive), 1);
    sync_results_are(0, 1, 0);
}

CO_TASK_TEST(cancelled_or_late_task_does_not_arrive)
{
    start(1);
    sync_refused_when_cancelled(arrive);
    sync_refused_when_late(arrive);
    start(2);
    sync_refused_when_cancelled(arrive);
    is_whole();
}

/* ---- together ------------------------------------------------------------ */

CO_TASK_TEST(all_go_on_when_the_last_has_come)
{
    start(5);
    sync_line_up(arrive, NULL, 4);
    waiting_is(4);
    ck_assert_int_eq(arrive(), 4);
    is_whole();
    for (int i = 0; i < 4; i++)
        sync_results_are(i, i + 1, i);
    sync_log_is("abcd");
}

/* CPython drains a barrier first; here who comes next is the first of the next
 * round at once. */
CO_TASK_TEST(next_round_may_begin_before_the_last_has_left)
{
    start(3);
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(arrive(), 2);
    waiting_is(0);
    co_timeout(CO_MS) {
        ck_assert_int_eq(arrive(), -ETIMEDOUT);
    }
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, 1);
    is_whole();
}

static int rounds_of(void *count)
{
    int sum = 0;

    for (int i = 0; i < *(int *)count; i++) {
        int r = arrive();

        if (r < 0)
            return r;
        sum += r;
    }
    return sum;
}

CO_TASK_TEST(numbers_of_a_round_are_all_different)
{
    int rounds = 10, sum = 0;
    co_task *task[7];

    start(7);
    for (int i = 0; i < 7; i++)
        task[i] = co_test_spawn(rounds_of, &rounds);
    for (int i = 0; i < 7; i++)
        sum += co_test_result(task[i]);
    ck_assert_int_eq(sum, rounds * (0 + 1 + 2 + 3 + 4 + 5 + 6));
    is_whole();
}

CO_TASK_TEST(more_tasks_than_parties_go_in_rounds)
{
    start(2);
    sync_line_up(arrive, NULL, 1);
    sync_results_are(0, 0, 0);
    ck_assert_int_eq(arrive(), 1);
    sync_results_are(0, 1, 0);
    sync_spawn(arrive, NULL, CO_NEVER, 5);
    co_test_yield();
    co_test_yield();
    sync_log_is("bdac"); /* b and d complete a round and do not wait */
    waiting_is(1);
    ck_assert_int_eq(arrive(), 1);
    for (int i = 0; i < 5; i++)
        sync_results_are(i, i + 1, i % 2);
    is_whole();
}

/* ---- cancelled and late -------------------------------------------------- */

/* CPython's test_filling_tasks_cancel_one. */
CO_TASK_TEST(cancelled_waiter_leaves_and_the_barrier_is_whole)
{
    start(4);
    sync_line_up(arrive, NULL, 3);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    sync_results_are(1, 2, -ECANCELED);
    waiting_is(2);
    ck_assert_int_eq(co_barrier_broken(&barrier), 0);
    co_timeout(CO_MS) {
        ck_assert_int_eq(arrive(), -ETIMEDOUT);
    }
    waiting_is(2);
    sync_task[1] = co_test_spawn(sync_stand, co_test_number('d'));
    co_test_yield();
    ck_assert_int_eq(arrive(), 3);
    sync_results_are(0, 1, 0);
    sync_results_are(2, 3, 1);
    sync_results_are(1, 2, 2);
    is_whole();
}

CO_TASK_TEST(gone_on_before_cancel_is_gone_on)
{
    start(2);
    sync_line_up(arrive, NULL, 1);
    ck_assert_int_eq(arrive(), 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
    is_whole();
}

/* It is not one of those that are waited for, though it has not run yet. */
CO_TASK_TEST(cancelled_before_the_last_comes_does_not_count)
{
    start(3);
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    waiting_is(1);
    co_timeout(CO_MS) {
        ck_assert_int_eq(arrive(), -ETIMEDOUT);
    }
    sync_results_are(0, 1, -ECANCELED);
    waiting_is(1);
    sync_task[0] = co_test_spawn(sync_stand, co_test_number('c'));
    co_test_yield();
    ck_assert_int_eq(arrive(), 2);
    sync_results_are(1, 2, 0);
    sync_results_are(0, 1, 1);
    is_whole();
}

CO_TASK_TEST(gone_on_before_the_timeout_is_seen_is_gone_on)
{
    start(3);
    sync_line_up_nearly_late(arrive, NULL, 2);
    ck_assert_int_eq(arrive(), 2);
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, 1);
    is_whole();
}

static int abort_soon(void *unused)
{
    (void)unused;
    return co_barrier_abort(&barrier);
}

CO_TASK_TEST(late_before_the_last_comes_does_not_count)
{
    co_task *task;

    start(3);
    sync_line_up_late(arrive, NULL, 2);
    waiting_is(0);
    task = co_test_spawn(abort_soon, NULL);
    ck_assert_int_eq(arrive(), -EPIPE);
    sync_results_are(0, 2, -ETIMEDOUT);
    ck_assert_int_eq(co_test_result(task), 0);
    waiting_is(0);
}

/* ---- reset and abort ----------------------------------------------------- */

CO_TASK_TEST(reset_turns_away_who_waits_and_makes_it_as_new)
{
    start(3);
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(co_barrier_reset(&barrier), 0);
    is_whole();
    sync_results_are(0, 2, -EPIPE);
    sync_log_is("");
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(arrive(), 2);
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, 1);
    is_whole();
    ck_assert_int_eq(co_barrier_reset(&barrier), 0);
    is_whole();
}

CO_TASK_TEST(abort_turns_away_who_waits_and_who_comes_until_a_reset)
{
    start(3);
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(co_barrier_abort(&barrier), 0);
    waiting_is(0);
    ck_assert_int_eq(co_barrier_broken(&barrier), 1);
    ck_assert_int_eq(arrive(), -EPIPE);
    sync_results_are(0, 2, -EPIPE);
    ck_assert_int_eq(co_barrier_abort(&barrier), 0);
    ck_assert_int_eq(arrive(), -EPIPE);
    ck_assert_int_eq(co_barrier_reset(&barrier), 0);
    is_whole();
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(arrive(), 2);
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, 1);
}

/* CPython's test_wait_task_in_aborted_barrier and its kin: the first to come
 * decides. */
CO_TASK_TEST(gone_on_before_an_abort_is_gone_on)
{
    start(2);
    sync_line_up(arrive, NULL, 1);
    ck_assert_int_eq(arrive(), 1);
    ck_assert_int_eq(co_barrier_abort(&barrier), 0);
    sync_results_are(0, 1, 0);
}

CO_TASK_TEST(cancelled_before_an_abort_is_cancelled)
{
    start(3);
    sync_line_up(arrive, NULL, 2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    ck_assert_int_eq(co_barrier_abort(&barrier), 0);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 2, -EPIPE);
    waiting_is(0);
}

static void meet(void)
{
    start(4);
    sync_line_up(arrive, NULL, 3);
    ck_assert_int_eq(arrive(), 3);
    for (int i = 0; i < 3; i++)
        sync_results_are(i, i + 1, i);
}

CO_TASK_TEST(nothing_is_allocated)
{
    sync_allocates_nothing(meet);
}

static void fini_while_waited_for(void)
{
    start(2);
    sync_line_up(arrive, NULL, 1);
    co_barrier_fini(&barrier);
}

START_TEST(fini_while_a_task_waits_stops_the_program)
{
    sync_dies(fini_while_waited_for, 1, "co_barrier_fini");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync/barrier");
    TCase *tc = tcase_create("barrier");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, barrier_for_one_is_never_waited_for);
    tcase_add_test(tc, null_and_impossible_parties_are_einval);
    tcase_add_test(tc, barrier_without_init_is_einval);
    tcase_add_test(tc, outside_a_task_only_waiting_is_refused);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, cancelled_or_late_task_does_not_arrive);
    tcase_add_test(tc, all_go_on_when_the_last_has_come);
    tcase_add_test(tc, next_round_may_begin_before_the_last_has_left);
    tcase_add_test(tc, numbers_of_a_round_are_all_different);
    tcase_add_test(tc, more_tasks_than_parties_go_in_rounds);
    tcase_add_test(tc, cancelled_waiter_leaves_and_the_barrier_is_whole);
    tcase_add_test(tc, gone_on_before_cancel_is_gone_on);
    tcase_add_test(tc, cancelled_before_the_last_comes_does_not_count);
    tcase_add_test(tc, gone_on_before_the_timeout_is_seen_is_gone_on);
    tcase_add_test(tc, late_before_the_last_comes_does_not_count);
    tcase_add_test(tc, reset_turns_away_who_waits_and_makes_it_as_new);
    tcase_add_test(tc, abort_turns_away_who_waits_and_who_comes_until_a_reset);
    tcase_add_test(tc, gone_on_before_an_abort_is_gone_on);
    tcase_add_test(tc, cancelled_before_an_abort_is_cancelled);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, fini_while_a_task_waits_stops_the_program);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
