/* SPDX-License-Identifier: MIT */
/* Condition variables. */
#include <coppice/cond.h>

#include "sync/mutex.h"
#include "sync/sync_support.h"

static co_cond cond;
static co_mutex mutex;

static void start(void)
{
    memset(&cond, 0, sizeof(cond));
    memset(&mutex, 0, sizeof(mutex));
}

static void lock(void)
{
    ck_assert_int_eq(co_mutex_lock(&mutex), 0);
}

static void unlock(void)
{
    co_mutex_unlock(&mutex);
}

static void is_over(void)
{
    ck_assert_int_eq(co_mutex_is_locked(&mutex), 0);
    co_cond_fini(&cond);
    co_mutex_fini(&mutex);
}

/* The wait of these tests: lock, wait, look that it is locked, unlock. */
static int wait_for_signal(void)
{
    int r = co_mutex_lock(&mutex);

    if (r < 0)
        return r;
    r = co_cond_wait(&cond, &mutex);
    ck_assert_ptr_eq(co__mutex_owner(&mutex), co_self());
    unlock();
    return r;
}

static int count;

static int is_counted(void *least)
{
    ck_assert_ptr_eq(co__mutex_owner(&mutex), co_self());
    return count >= (int)(intptr_t)least ? count : 0;
}

static int wait_for_three(void)
{
    int r = co_mutex_lock(&mutex);

    if (r < 0)
        return r;
    r = co_cond_wait_for(&cond, &mutex, is_counted, co_test_number(3));
    ck_assert_ptr_eq(co__mutex_owner(&mutex), co_self());
    unlock();
    return r;
}

/* ---- what it refuses ----------------------------------------------------- */

CO_TASK_TEST(null_is_einval)
{
    start();
    lock();
    ck_assert_int_eq(co_cond_wait(NULL, &mutex), -EINVAL);
    ck_assert_int_eq(co_cond_wait(&cond, NULL), -EINVAL);
    ck_assert_int_eq(co_cond_wait_for(NULL, &mutex, is_counted, NULL), -EINVAL);
    ck_assert_int_eq(co_cond_wait_for(&cond, NULL, is_counted, NULL), -EINVAL);
    ck_assert_int_eq(co_cond_wait_for(&cond, &mutex, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_cond_signal(NULL), -EINVAL);
    ck_assert_int_eq(co_cond_broadcast(NULL), -EINVAL);
    co_cond_fini(NULL);
    unlock();
    is_over();
}

/* A wait with the mutex locked, without unlocking it: the caller has it. */
static int just_wait(void)
{
    return co_cond_wait(&cond, &mutex);
}

static int just_wait_for(void)
{
    return co_cond_wait_for(&cond, &mutex, is_counted, co_test_number(1));
}

START_TEST(waiting_outside_a_task_is_eperm_and_leaves_the_mutex_locked)
{
    start();
    lock();
    ck_assert_int_eq(just_wait(), -EPERM);
    ck_assert_int_eq(just_wait_for(), -EPERM);
    ck_assert_int_eq(co_mutex_is_locked(&mutex), 1);
    ck_assert_int_eq(co_cond_signal(&cond), 0);
    ck_assert_int_eq(co_cond_broadcast(&cond), 0);
    unlock();
    is_over();
}
END_TEST

static int just_lock(void)
{
    return co_mutex_lock(&mutex);
}

static int just_unlock(void)
{
    unlock();
    return 0;
}

static int lock_and_unlock(void)
{
    int r = co_mutex_lock(&mutex);

    if (r == 0)
        unlock();
    return r;
}

/* It does not let go of it for a moment either. */
CO_TASK_TEST(waiting_in_a_callback_is_eperm_and_leaves_the_mutex_locked)
{
    start();
    ck_assert_int_eq(sync_in_callback(just_lock), 0);
    sync_line_up(lock_and_unlock, NULL, 1);
    ck_assert_int_eq(sync_in_callback(just_wait), -EPERM);
    ck_assert_int_eq(sync_in_callback(just_wait_for), -EPERM);
    sync_log_is("");
    ck_assert_int_eq(sync_in_callback(just_unlock), 0);
    sync_results_are(0, 1, 0);
    is_over();
}

CO_TASK_TEST(cancelled_or_late_task_keeps_the_mutex_and_does_not_wait)
{
    start();
    count = 1;
    lock();
    sync_line_up(lock_and_unlock, NULL, 1);
    sync_refused_when_cancelled(just_wait);
    sync_refused_when_late(just_wait);
    sync_refused_when_cancelled(just_wait_for);
    sync_refused_when_late(just_wait_for);
    ck_assert_ptr_eq(co__mutex_owner(&mutex), co_self());
    sync_log_is("");
    unlock();
    sync_results_are(0, 1, 0);
    is_over();
}

static void wait_without_the_mutex(void)
{
    start();
    if (just_wait() < 0)
        _exit(1);
}

static void wait_for_without_the_mutex(void)
{
    start();
    if (just_wait_for() < 0)
        _exit(1);
}

static int unlock_it(void *unused)
{
    (void)unused;
    unlock();
    return 0;
}

static void predicate_unlocks(void)
{
    start();
    lock();
    if (co_cond_wait_for(&cond, &mutex, unlock_it, NULL) < 0)
        _exit(1);
}

START_TEST(waiting_without_the_mutex_stops_the_program)
{
    sync_dies(wait_without_the_mutex, 1, "co_cond_wait by task");
    sync_dies(wait_for_without_the_mutex, 1, "co_cond_wait_for by task");
    sync_dies(predicate_unlocks, 1, "co_cond_wait_for by task");
}
END_TEST

static void fini_while_waited_for(void)
{
    start();
    sync_line_up(wait_for_signal, NULL, 1);
    co_cond_fini(&cond);
}

START_TEST(fini_while_a_task_waits_stops_the_program)
{
    sync_dies(fini_while_waited_for, 1, "co_cond_fini");
}
END_TEST

/* ---- signals ------------------------------------------------------------- */

CO_TASK_TEST(signal_wakes_the_one_that_has_waited_longest)
{
    start();
    sync_line_up(wait_for_signal, NULL, 3);
    ck_assert_int_eq(co_mutex_is_locked(&mutex), 0);
    for (int i = 0; i < 3; i++) {
        lock();
        ck_assert_int_eq(co_cond_signal(&cond), 1);
        unlock();
        sync_results_are(i, i + 1, 0);
    }
    sync_log_is("abc");
    ck_assert_int_eq(co_cond_signal(&cond), 0);
    is_over();
}

CO_TASK_TEST(broadcast_wakes_all_in_the_order_they_came)
{
    start();
    sync_line_up(wait_for_signal, NULL, 5);
    lock();
    ck_assert_int_eq(co_cond_broadcast(&cond), 5);
    ck_assert_int_eq(co_cond_broadcast(&cond), 0);
    unlock();
    sync_results_are(0, 5, 0);
    sync_log_is("abcde");
    is_over();
}

CO_TASK_TEST(signal_without_a_waiter_is_not_kept)
{
    start();
    ck_assert_int_eq(co_cond_signal(&cond), 0);
    sync_line_up(wait_for_signal, NULL, 1);
    co_test_yield();
    sync_log_is("");
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    sync_results_are(0, 1, 0);
    is_over();
}

CO_TASK_TEST(who_is_signalled_waits_for_the_mutex)
{
    start();
    sync_line_up(wait_for_signal, NULL, 2);
    lock();
    ck_assert_int_eq(co_cond_broadcast(&cond), 2);
    for (int i = 0; i < 3; i++)
        co_test_yield();
    sync_log_is("");
    unlock();
    sync_results_are(0, 2, 0);
    sync_log_is("ab");
    is_over();
}

/* ---- cancelled and late -------------------------------------------------- */

CO_TASK_TEST(signal_before_cancel_is_kept)
{
    start();
    sync_line_up(wait_for_signal, NULL, 2);
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    sync_results_are(1, 2, 0);
    is_over();
}

CO_TASK_TEST(signal_after_cancel_goes_to_the_next)
{
    start();
    sync_line_up(wait_for_signal, NULL, 2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 2, 0);
    is_over();
}

/* CPython's test_wait_cancel_contested and bpo-22970: the mutex is had again
 * whatever happens, and a second cancel does not change that. */
CO_TASK_TEST(cancelled_waiter_waits_for_the_mutex_all_the_same)
{
    start();
    sync_line_up(wait_for_signal, NULL, 1);
    lock();
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    co_test_yield();
    co_test_yield();
    ck_assert_int_eq(sync_task[0]->state, CO__TASK_PARKED);
    ck_assert_int_eq(co_cancel(sync_task[0]), 2);
    co_test_yield();
    ck_assert_int_eq(sync_task[0]->state, CO__TASK_PARKED);
    unlock();
    sync_results_are(0, 1, -ECANCELED);
    is_over();
}

CO_TASK_TEST(signalled_waiter_cancelled_while_it_waits_for_the_mutex_returns_0)
{
    start();
    sync_line_up(wait_for_signal, NULL, 1);
    lock();
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    co_test_yield();
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    co_test_yield();
    unlock();
    sync_results_are(0, 1, 0);
    is_over();
}

CO_TASK_TEST(signal_before_the_timeout_is_seen_is_kept)
{
    start();
    sync_line_up_nearly_late(wait_for_signal, NULL, 1);
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    sync_results_are(0, 1, 0);
    is_over();
}

CO_TASK_TEST(signal_after_the_timeout_finds_nobody)
{
    start();
    sync_line_up_late(wait_for_signal, NULL, 2);
    ck_assert_int_eq(co_cond_signal(&cond), 0);
    sync_results_are(0, 2, -ETIMEDOUT);
    is_over();
}

CO_TASK_TEST(late_waiter_waits_for_the_mutex_all_the_same)
{
    start();
    sync_line_up_late(wait_for_signal, NULL, 2);
    lock();
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    unlock();
    sync_results_are(0, 2, -ETIMEDOUT);
    is_over();
}

/* ---- predicates ---------------------------------------------------------- */

CO_TASK_TEST(predicate_that_holds_is_not_waited_for)
{
    start();
    count = 7;
    ck_assert_int_eq(wait_for_three(), 7);
    is_over();
}

CO_TASK_TEST(predicate_is_asked_after_each_signal)
{
    start();
    count = 0;
    sync_line_up(wait_for_three, NULL, 2);
    for (count = 1; count < 3; count++) {
        ck_assert_int_eq(co_cond_broadcast(&cond), 2);
        co_test_yield();
        co_test_yield();
        sync_log_is("");
    }
    ck_assert_int_eq(co_cond_broadcast(&cond), 2);
    sync_results_are(0, 2, 3);
    sync_log_is("ab");
    is_over();
}

static int fails(void *error)
{
    return (int)(intptr_t)error;
}

CO_TASK_TEST(error_of_the_predicate_is_returned)
{
    start();
    lock();
    ck_assert_int_eq(
        co_cond_wait_for(&cond, &mutex, fails, co_test_number(-EIO)), -EIO);
    unlock();
    is_over();
}

CO_TASK_TEST(wait_for_a_predicate_is_cancelled_and_times_out)
{
    start();
    count = 0;
    sync_line_up(wait_for_three, NULL, 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    count = 3;
    ck_assert_int_eq(co_cond_signal(&cond), 0);
    sync_results_are(0, 1, -ECANCELED);
    count = 0;
    sync_line_up_late(wait_for_three, NULL, 1);
    sync_results_are(0, 1, -ETIMEDOUT);
    is_over();
}

/* The signal was for what it finds: it looks before it gives up. */
CO_TASK_TEST(signalled_before_cancel_the_predicate_is_still_asked)
{
    start();
    count = 0;
    sync_line_up(wait_for_three, NULL, 1);
    count = 3;
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 3);
    count = 0;
    sync_line_up(wait_for_three, NULL, 1);
    ck_assert_int_eq(co_cond_signal(&cond), 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, -ECANCELED);
    is_over();
}

/* ---- a program ----------------------------------------------------------- */

#define ITEMS 200

static int items, made, taken;

static int is_item(void *unused)
{
    (void)unused;
    return items > 0;
}

static int consume(void *unused)
{
    int r;

    (void)unused;
    for (;;) {
        r = co_mutex_lock(&mutex);
        if (r < 0)
            return r;
        r = co_cond_wait_for(&cond, &mutex, is_item, NULL);
        if (r > 0) {
            items--;
            taken++;
        }
        unlock();
        if (r < 0)
            return r;
    }
}

/* One signal an item, consumers cancelled at random: if a signal were lost an
 * item would be left over. */
CO_TASK_TEST(no_signal_is_lost_to_a_cancelled_consumer)
{
    co_task *task[3];

    start();
    items = made = taken = 0;
    for (int i = 0; i < 3; i++)
        task[i] = co_test_spawn(consume, NULL);
    while (made < ITEMS) {
        int victim = made % 3;

        lock();
        items++;
        made++;
        if (made % 2)
            ck_assert_int_eq(co_cancel(task[victim]), 1);
        co_cond_signal(&cond);
        if (made % 2 == 0)
            ck_assert_int_eq(co_cancel(task[victim]), 1);
        unlock();
        ck_assert_int_eq(co_test_result(task[victim]), -ECANCELED);
        task[victim] = co_test_spawn(consume, NULL);
        ck_assert_int_eq(co_sleep(1), 0);
        ck_assert_int_eq(items, 0);
        ck_assert_int_eq(taken, made);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_cancel(task[i]), 1);
        ck_assert_int_eq(co_test_result(task[i]), -ECANCELED);
    }
    is_over();
}

static void signal_all(void)
{
    start();
    sync_line_up(wait_for_signal, NULL, 3);
    ck_assert_int_eq(co_cond_broadcast(&cond), 3);
    sync_results_are(0, 3, 0);
}

CO_TASK_TEST(nothing_is_allocated)
{
    sync_allocates_nothing(signal_all);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync/cond");
    TCase *tc = tcase_create("cond");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, null_is_einval);
    tcase_add_test(tc,
                   waiting_outside_a_task_is_eperm_and_leaves_the_mutex_locked);
    tcase_add_test(tc,
                   waiting_in_a_callback_is_eperm_and_leaves_the_mutex_locked);
    tcase_add_test(tc,
                   cancelled_or_late_task_keeps_the_mutex_and_does_not_wait);
    tcase_add_test(tc, waiting_without_the_mutex_stops_the_program);
    tcase_add_test(tc, fini_while_a_task_waits_stops_the_program);
    tcase_add_test(tc, signal_wakes_the_one_that_has_waited_longest);
    tcase_add_test(tc, broadcast_wakes_all_in_the_order_they_came);
    tcase_add_test(tc, signal_without_a_waiter_is_not_kept);
    tcase_add_test(tc, who_is_signalled_waits_for_the_mutex);
    tcase_add_test(tc, signal_before_cancel_is_kept);
    tcase_add_test(tc, signal_after_cancel_goes_to_the_next);
    tcase_add_test(tc, cancelled_waiter_waits_for_the_mutex_all_the_same);
    tcase_add_test(
        tc, signalled_waiter_cancelled_while_it_waits_for_the_mutex_returns_0);
    tcase_add_test(tc, signal_before_the_timeout_is_seen_is_kept);
    tcase_add_test(tc, signal_after_the_timeout_finds_nobody);
    tcase_add_test(tc, late_waiter_waits_for_the_mutex_all_the_same);
    tcase_add_test(tc, predicate_that_holds_is_not_waited_for);
    tcase_add_test(tc, predicate_is_asked_after_each_signal);
    tcase_add_test(tc, error_of_the_predicate_is_returned);
    tcase_add_test(tc, wait_for_a_predicate_is_cancelled_and_times_out);
    tcase_add_test(tc, signalled_before_cancel_the_predicate_is_still_asked);
    tcase_add_test(tc, no_signal_is_lost_to_a_cancelled_consumer);
    tcase_add_test(tc, nothing_is_allocated);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
