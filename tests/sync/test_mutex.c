/* SPDX-License-Identifier: MIT */
/* Mutexes. */
#include <coppice/mutex.h>

#include "sync/sync_support.h"

static co_mutex mutex;

static int lock(void)
{
    return co_mutex_lock(&mutex);
}

static void unlock(void)
{
    co_mutex_unlock(&mutex);
}

/* The test's task has it. */
static void start(void)
{
    memset(&mutex, 0, sizeof(mutex));
    ck_assert_int_eq(lock(), 0);
}

static void is_free(void)
{
    ck_assert_int_eq(co_mutex_is_locked(&mutex), 0);
    co_mutex_fini(&mutex);
}

/* ---- alone --------------------------------------------------------------- */

CO_TASK_TEST(mutex_is_locked_and_unlocked)
{
    memset(&mutex, 0, sizeof(mutex));
    for (int i = 0; i < 3; i++) {
        is_free();
        ck_assert_int_eq(lock(), 0);
        ck_assert_int_eq(co_mutex_is_locked(&mutex), 1);
        unlock();
    }
    is_free();
}

CO_TASK_TEST(try_lock_takes_what_is_free_and_else_is_ebusy)
{
    memset(&mutex, 0, sizeof(mutex));
    ck_assert_int_eq(co_mutex_try_lock(&mutex), 0);
    ck_assert_int_eq(co_mutex_try_lock(&mutex), -EBUSY);
    unlock();
    is_free();
}

CO_TASK_TEST(locking_twice_is_edeadlk)
{
    start();
    ck_assert_int_eq(lock(), -EDEADLK);
    unlock();
    is_free();
}

START_TEST(null_is_einval)
{
    ck_assert_int_eq(co_mutex_lock(NULL), -EINVAL);
    ck_assert_int_eq(co_mutex_try_lock(NULL), -EINVAL);
    ck_assert_int_eq(co_mutex_is_locked(NULL), 0);
    co_mutex_fini(NULL);
}
END_TEST

static void null_in_a_task_in_task(void)
{
    ck_assert_int_eq(co_mutex_lock(NULL), -EINVAL);
}

START_TEST(null_in_a_task_is_einval)
{
    co_test_in_task(null_in_a_task_in_task);
}
END_TEST

static void find_it_locked_outside(void)
{
    ck_assert_int_eq(co_mutex_try_lock(&mutex), -EBUSY);
    co_timeout(CO_MS) {
        ck_assert_int_eq(lock(), -ETIMEDOUT);
    }
}

START_TEST(outside_a_task_only_waiting_is_refused)
{
    start();
    ck_assert_int_eq(lock(), -EDEADLK);
    co_test_in_task(find_it_locked_outside);
    unlock();
    is_free();
    co_timeout(0) {
        ck_assert_int_eq(lock(), -ETIMEDOUT);
    }
    is_free();
}
END_TEST

static int lock_for_good(void *unused)
{
    (void)unused;
    return lock();
}

/* Between the turns of a loop that is embedded, a task may have the mutex. */
START_TEST(mutex_that_a_task_has_cannot_be_waited_for_outside)
{
    co_loop *loop = co_loop_new(NULL);

    memset(&mutex, 0, sizeof(mutex));
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(co_loop_run_until(loop, lock_for_good, NULL, NULL), 0);
    ck_assert_int_eq(lock(), -EPERM);
    co_loop_free(loop);
}
END_TEST

static int lock_and_unlock(void)
{
    int r = lock();

    if (r == 0)
        unlock();
    return r;
}

CO_TASK_TEST(in_a_callback_only_waiting_is_refused)
{
    start();
    ck_assert_int_eq(sync_in_callback(lock), -EPERM);
    unlock();
    is_free();
    ck_assert_int_eq(sync_in_callback(lock_and_unlock), 0);
    is_free();
}

CO_TASK_TEST(cancelled_or_late_task_locks_nothing)
{
    memset(&mutex, 0, sizeof(mutex));
    sync_refused_when_cancelled(lock);
    sync_refused_when_late(lock);
    is_free();
}

/* ---- waiting ------------------------------------------------------------- */

CO_TASK_TEST(waiters_lock_in_the_order_they_came)
{
    start();
    sync_line_up(lock, unlock, 5);
    unlock();
    sync_results_are(0, 5, 0);
    sync_log_is("abcde");
    is_free();
}

static void keep_for_a_while(void)
{
    co_test_yield();
    ck_assert_int_eq(co_mutex_is_locked(&mutex), 1);
    co_test_log_add(&sync_log, '.');
    unlock();
}

CO_TASK_TEST(only_one_has_it_at_a_time)
{
    start();
    sync_line_up(lock, keep_for_a_while, 3);
    unlock();
    sync_results_are(0, 3, 0);
    sync_log_is("a.b.c.");
    is_free();
}

/* It is handed over, so that nobody can take it in between. */
CO_TASK_TEST(who_unlocks_cannot_overtake_a_waiter)
{
    start();
    sync_line_up(lock, unlock, 1);
    unlock();
    ck_assert_int_eq(co_mutex_is_locked(&mutex), 1);
    ck_assert_int_eq(co_mutex_try_lock(&mutex), -EBUSY);
    ck_assert_int_eq(lock(), 0);
    sync_log_is("a");
    unlock();
    sync_results_are(0, 1, 0);
    is_free();
}

CO_TASK_TEST(mutex_granted_before_cancel_is_kept)
{
    start();
    sync_line_up(lock, unlock, 2);
    unlock();
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 2, 0);
    sync_log_is("ab");
    is_free();
}

CO_TASK_TEST(mutex_unlocked_after_cancel_goes_to_the_next)
{
    start();
    sync_line_up(lock, unlock, 2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    unlock();
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 2, 0);
    sync_log_is("b");
    is_free();
}

CO_TASK_TEST(mutex_granted_before_the_timeout_is_seen_is_kept)
{
    start();
    sync_line_up_nearly_late(lock, unlock, 1);
    unlock();
    sync_results_are(0, 1, 0);
    is_free();
}

CO_TASK_TEST(mutex_unlocked_after_the_timeout_is_free)
{
    start();
    sync_line_up_late(lock, unlock, 2);
    unlock();
    is_free();
    sync_results_are(0, 2, -ETIMEDOUT);
    is_free();
}

CO_TASK_TEST(cancelled_waiters_leave_the_middle_and_the_ends)
{
    static const int order[] = {2, 0, 4, 1, 3};

    start();
    sync_line_up(lock, unlock, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(co_cancel(sync_task[order[i]]), 1);
        sync_results_are(order[i], order[i] + 1, -ECANCELED);
    }
    unlock();
    is_free();
}

/* CPython's bpo-32734: a cancel in the turn of an unlock left a lock stuck. */
CO_TASK_TEST(all_cancelled_in_the_turn_of_an_unlock_leave_it_free)
{
    start();
    sync_line_up(lock, unlock, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_cancel(sync_task[i]), 1);
    unlock();
    sync_results_are(0, 3, -ECANCELED);
    is_free();
    ck_assert_int_eq(lock(), 0);
    unlock();
}

/* While others wait for it, when they have left, and when it was handed to the
 * last of them: the owner is told so, and nobody else gets it. */
CO_TASK_TEST(owner_of_a_wanted_mutex_is_known)
{
    start();
    sync_line_up(lock, unlock, 2);
    ck_assert_int_eq(lock(), -EDEADLK);
    ck_assert_int_eq(co_mutex_try_lock(&mutex), -EBUSY);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_cancel(sync_task[i]), 1);
    sync_results_are(0, 2, -ECANCELED);
    ck_assert_int_eq(lock(), -EDEADLK);
    ck_assert_int_eq(co_mutex_try_lock(&mutex), -EBUSY);
    sync_line_up(lock, unlock, 1);
    unlock();
    ck_assert_int_eq(co_mutex_try_lock(&mutex), -EBUSY);
    sync_results_are(0, 1, 0);
    is_free();
    ck_assert_int_eq(lock(), 0);
    ck_assert_int_eq(lock(), -EDEADLK);
    unlock();
    is_free();
}

static void hand_over(void)
{
    start();
    sync_line_up(lock, unlock, 3);
    unlock();
    sync_results_are(0, 3, 0);
}

CO_TASK_TEST(nothing_is_allocated)
{
    sync_allocates_nothing(hand_over);
}

/* ---- who must not -------------------------------------------------------- */

static void unlock_a_free_one(void)
{
    memset(&mutex, 0, sizeof(mutex));
    unlock();
}

static int unlock_in_a_task(void *unused)
{
    (void)unused;
    unlock();
    return 0;
}

static void unlock_by_another(void)
{
    co_spawn_options options = {.size = sizeof(options), .name = "stranger"};
    co_task *task = co_spawn_with(&options, unlock_in_a_task, NULL);

    start();
    if (co_join(task, NULL) < 0)
        _exit(1);
}

static void unlock_by_another_while_one_waits(void)
{
    co_spawn_options options = {.size = sizeof(options), .name = "stranger"};

    start();
    sync_line_up(lock, unlock, 1);
    if (co_join(co_spawn_with(&options, unlock_in_a_task, NULL), NULL) < 0)
        _exit(1);
}

static void unlock_null(void)
{
    co_mutex_unlock(NULL);
}

static void fini_of_a_locked_one(void)
{
    start();
    co_mutex_fini(&mutex);
}

START_TEST(unlock_by_a_stranger_stops_the_program)
{
    sync_dies(unlock_a_free_one, 1, "co_mutex_unlock");
    sync_dies(unlock_a_free_one, 0, "co_mutex_unlock outside a task");
    sync_dies(unlock_by_another, 1, "co_mutex_unlock by task \"stranger\" (");
    sync_dies(unlock_by_another_while_one_waits, 1,
              "co_mutex_unlock by task \"stranger\" (");
    sync_dies(unlock_null, 1, "co_mutex_unlock");
}
END_TEST

START_TEST(fini_of_a_locked_mutex_stops_the_program)
{
    sync_dies(fini_of_a_locked_one, 1, "co_mutex_fini");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync/mutex");
    TCase *tc = tcase_create("mutex");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, mutex_is_locked_and_unlocked);
    tcase_add_test(tc, try_lock_takes_what_is_free_and_else_is_ebusy);
    tcase_add_test(tc, locking_twice_is_edeadlk);
    tcase_add_test(tc, null_is_einval);
    tcase_add_test(tc, null_in_a_task_is_einval);
    tcase_add_test(tc, outside_a_task_only_waiting_is_refused);
    tcase_add_test(tc, mutex_that_a_task_has_cannot_be_waited_for_outside);
    tcase_add_test(tc, in_a_callback_only_waiting_is_refused);
    tcase_add_test(tc, cancelled_or_late_task_locks_nothing);
    tcase_add_test(tc, waiters_lock_in_the_order_they_came);
    tcase_add_test(tc, only_one_has_it_at_a_time);
    tcase_add_test(tc, who_unlocks_cannot_overtake_a_waiter);
    tcase_add_test(tc, mutex_granted_before_cancel_is_kept);
    tcase_add_test(tc, mutex_unlocked_after_cancel_goes_to_the_next);
    tcase_add_test(tc, mutex_granted_before_the_timeout_is_seen_is_kept);
    tcase_add_test(tc, mutex_unlocked_after_the_timeout_is_free);
    tcase_add_test(tc, cancelled_waiters_leave_the_middle_and_the_ends);
    tcase_add_test(tc, all_cancelled_in_the_turn_of_an_unlock_leave_it_free);
    tcase_add_test(tc, owner_of_a_wanted_mutex_is_known);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, unlock_by_a_stranger_stops_the_program);
    tcase_add_test(tc, fini_of_a_locked_mutex_stops_the_program);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
