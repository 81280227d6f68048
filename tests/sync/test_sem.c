/* SPDX-License-Identifier: MIT */
/* Semaphores, bounded and not. */
#include <coppice/sem.h>

#include "sync/sync_support.h"

#include <limits.h>

static co_sem sem;

static int acquire(void)
{
    return co_sem_acquire(&sem);
}

static unsigned bound; /* of the semaphore of the tests; 0: none */

static void bound_by_one(void)
{
    bound = 1;
}

static void unbound(void)
{
    bound = 0;
}

static void start(unsigned permits)
{
    ck_assert_int_eq(bound ? co_sem_init_bounded(&sem, permits, bound)
                           : co_sem_init(&sem, permits),
                     0);
}

static void release(int times)
{
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(co_sem_release(&sem), 0);
}

static void permits_are(unsigned permits)
{
    ck_assert_uint_eq(co_sem_permits(&sem), permits);
    if (bound && permits == bound)
        ck_assert_int_eq(co_sem_release(&sem), -EOVERFLOW);
    co_sem_fini(&sem);
}

/* ---- alone --------------------------------------------------------------- */

START_TEST(zeroed_semaphore_has_no_permits)
{
    co_sem zero;

    memset(&zero, 0, sizeof(zero));
    ck_assert_uint_eq(co_sem_permits(&zero), 0);
    ck_assert_int_eq(co_sem_try_acquire(&zero), -EAGAIN);
    ck_assert_int_eq(co_sem_release(&zero), 0);
    ck_assert_uint_eq(co_sem_permits(&zero), 1);
    ck_assert_int_eq(co_sem_try_acquire(&zero), 0);
    ck_assert_int_eq(co_sem_try_acquire(&zero), -EAGAIN);
    co_sem_fini(&zero);
}
END_TEST

CO_TASK_TEST(free_permits_are_taken_without_waiting)
{
    start(3);
    for (unsigned left = 3; left-- > 0;) {
        ck_assert_int_eq(acquire(), 0);
        ck_assert_uint_eq(co_sem_permits(&sem), left);
    }
    ck_assert_int_eq(co_sem_try_acquire(&sem), -EAGAIN);
    release(3);
    permits_are(3);
}

START_TEST(bounded_semaphore_refuses_a_release_beyond_its_bound)
{
    ck_assert_int_eq(co_sem_init_bounded(&sem, 1, 2), 0);
    release(1);
    ck_assert_int_eq(co_sem_release(&sem), -EOVERFLOW);
    permits_are(2);
    ck_assert_int_eq(co_sem_try_acquire(&sem), 0);
    release(1);
    ck_assert_int_eq(co_sem_release(&sem), -EOVERFLOW);
    permits_are(2);
}
END_TEST

START_TEST(unbounded_semaphore_ends_at_uint_max)
{
    start(UINT_MAX - 1);
    release(1);
    ck_assert_int_eq(co_sem_release(&sem), -EOVERFLOW);
    permits_are(UINT_MAX);
    ck_assert_int_eq(co_sem_init_bounded(&sem, UINT_MAX, UINT_MAX), 0);
    ck_assert_int_eq(co_sem_release(&sem), -EOVERFLOW);
}
END_TEST

START_TEST(null_and_impossible_bounds_are_einval)
{
    ck_assert_int_eq(co_sem_init(NULL, 1), -EINVAL);
    ck_assert_int_eq(co_sem_init_bounded(NULL, 1, 1), -EINVAL);
    ck_assert_int_eq(co_sem_init_bounded(&sem, 0, 0), -EINVAL);
    ck_assert_int_eq(co_sem_init_bounded(&sem, 2, 1), -EINVAL);
    ck_assert_int_eq(co_sem_acquire(NULL), -EINVAL);
    ck_assert_int_eq(co_sem_try_acquire(NULL), -EINVAL);
    ck_assert_int_eq(co_sem_release(NULL), -EINVAL);
    ck_assert_uint_eq(co_sem_permits(NULL), 0);
    co_sem_fini(NULL);
}
END_TEST

START_TEST(outside_a_task_only_waiting_is_refused)
{
    start(1);
    ck_assert_int_eq(acquire(), 0);
    ck_assert_int_eq(acquire(), -EPERM);
    release(1);
    permits_are(1);
    co_timeout(0) {
        ck_assert_int_eq(acquire(), -ETIMEDOUT);
    }
    permits_are(1);
}
END_TEST

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start(1);
    ck_assert_int_eq(sync_in_callback(acquire), 0);
    ck_assert_int_eq(sync_in_callback(acquire), -EPERM);
    permits_are(0);
    release(1);
    permits_are(1);
}

CO_TASK_TEST(cancelled_or_late_task_takes_nothing)
{
    start(1);
    sync_refused_when_cancelled(acquire);
    sync_refused_when_late(acquire);
    permits_are(1);
}

/* ---- waiting ------------------------------------------------------------- */

CO_TASK_TEST(waiters_are_served_in_the_order_they_came)
{
    start(0);
    sync_line_up(acquire, NULL, 5);
    release(2);
    ck_assert_uint_eq(co_sem_permits(&sem), 0);
    co_test_yield();
    sync_log_is("ab");
    release(4);
    co_test_yield();
    sync_log_is("cde");
    sync_results_are(0, 5, 0);
    permits_are(1);
}

/* Handed over: whoever comes between the release and the waiter's turn finds
 * nothing. */
CO_TASK_TEST(newcomer_does_not_overtake_a_waiter)
{
    start(0);
    sync_line_up(acquire, NULL, 1);
    release(1);
    ck_assert_int_eq(co_sem_try_acquire(&sem), -EAGAIN);
    sync_results_are(0, 1, 0);
    permits_are(0);
}

CO_TASK_TEST(permit_granted_before_cancel_is_kept)
{
    start(0);
    sync_line_up(acquire, NULL, 2);
    release(1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
    release(1);
    sync_results_are(1, 2, 0);
    permits_are(0);
}

CO_TASK_TEST(permit_after_cancel_goes_to_the_next)
{
    start(0);
    sync_line_up(acquire, NULL, 3);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    release(1);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 2, 0);
    ck_assert_int_eq(co_cancel(sync_task[2]), 1);
    release(1);
    sync_results_are(2, 3, -ECANCELED);
    permits_are(1);
}

CO_TASK_TEST(permit_granted_before_the_timeout_is_seen_is_kept)
{
    start(0);
    sync_line_up_nearly_late(acquire, NULL, 2);
    release(1);
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, -ETIMEDOUT);
    permits_are(0);
}

CO_TASK_TEST(permit_after_the_timeout_stays_free)
{
    start(0);
    sync_line_up_late(acquire, NULL, 2);
    release(1);
    permits_are(1);
    sync_results_are(0, 2, -ETIMEDOUT);
    permits_are(1);
}

CO_TASK_TEST(cancelled_waiters_leave_the_middle_and_the_ends)
{
    static const int order[] = {2, 0, 4, 1, 3};

    start(0);
    sync_line_up(acquire, NULL, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(co_cancel(sync_task[order[i]]), 1);
        sync_results_are(order[i], order[i] + 1, -ECANCELED);
    }
    release(1);
    permits_are(1);
}

static void hand_over_and_back(void)
{
    co_task *task;

    sync_what = acquire;
    sync_then = NULL;
    sync_limit = CO_NEVER;
    sync_log_clear();
    task = co_test_spawn(sync_stand, co_test_number('x'));
    co_test_yield();
    release(1);
    ck_assert_int_eq(co_test_result(task), 0);
    release(1);
    ck_assert_int_eq(acquire(), 0);
}

CO_TASK_TEST(nothing_is_allocated)
{
    start(0);
    sync_allocates_nothing(hand_over_and_back);
}

static int take_for_ever(void *count)
{
    int r;

    while ((r = co_sem_acquire(&sem)) == 0) {
        ++*(int *)count;
        ck_assert_int_eq(co_sem_release(&sem), 0);
    }
    return r;
}

/* A task that never has to wait gives way all the same, and sees its limits. */
CO_TASK_TEST(task_that_never_waits_can_be_cancelled)
{
    int count = 0;
    co_task *task = co_test_spawn(take_for_ever, &count);

    start(1);
    co_test_yield();
    ck_assert_int_gt(count, 100);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    permits_are(1);
}

static void fini_while_waited_for(void)
{
    start(0);
    sync_line_up(acquire, NULL, 1);
    co_sem_fini(&sem);
}

START_TEST(fini_while_a_task_waits_stops_the_program)
{
    sync_dies(fini_while_waited_for, 1, "co_sem_fini");
}
END_TEST

static void add_waiting(Suite *s, TCase *tc)
{
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, cancelled_or_late_task_takes_nothing);
    tcase_add_test(tc, waiters_are_served_in_the_order_they_came);
    tcase_add_test(tc, newcomer_does_not_overtake_a_waiter);
    tcase_add_test(tc, permit_granted_before_cancel_is_kept);
    tcase_add_test(tc, permit_after_cancel_goes_to_the_next);
    tcase_add_test(tc, permit_granted_before_the_timeout_is_seen_is_kept);
    tcase_add_test(tc, permit_after_the_timeout_stays_free);
    tcase_add_test(tc, cancelled_waiters_leave_the_middle_and_the_ends);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, task_that_never_waits_can_be_cancelled);
    suite_add_tcase(s, tc);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync/sem");
    TCase *tc = tcase_create("sem");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, zeroed_semaphore_has_no_permits);
    tcase_add_test(tc, free_permits_are_taken_without_waiting);
    tcase_add_test(tc, bounded_semaphore_refuses_a_release_beyond_its_bound);
    tcase_add_test(tc, unbounded_semaphore_ends_at_uint_max);
    tcase_add_test(tc, null_and_impossible_bounds_are_einval);
    tcase_add_test(tc, outside_a_task_only_waiting_is_refused);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, fini_while_a_task_waits_stops_the_program);
    suite_add_tcase(s, tc);
    add_waiting(s, tcase_create("waiting"));
    tc = tcase_create("waiting, bounded");
    tcase_add_checked_fixture(tc, bound_by_one, unbound);
    add_waiting(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
