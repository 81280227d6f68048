/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "base/sanitize.h"
#include "support/alarms.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

/* ---- deadlines ----------------------------------------------------------- */

START_TEST(a_wait_never_ends_before_its_deadline)
{
    static const co_time lengths[] = {1,      999,   CO_US,     50 * CO_US,
                                      999999, CO_MS, CO_MS + 1, 3 * CO_MS};

    for (int round = 0; round < co_test_scale(50, 5); round++)
        for (size_t i = 0; i < CO_ARRAY_LEN(lengths); i++) {
            co_time now = co__clock_read();
            co_time end = now + lengths[i];

            ck_assert_int_eq(ops->wait(poller, now, end), 0);
            ck_assert_int_ge(co__clock_read(), end);
        }
}
END_TEST

START_TEST(deadlines_that_have_passed_do_not_wait)
{
    co_time start = co__clock_read();

    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(ops->wait(poller, start, 0), 0);
        ck_assert_int_eq(ops->wait(poller, start, start), 0);
        ck_assert_int_eq(ops->wait(poller, start, start - CO_SEC), 0);
        ck_assert_int_eq(ops->wait(poller, start, 1), 0);
    }
    ck_assert_int_lt(co__clock_read() - start, 5 * CO_SEC);
}
END_TEST

START_TEST(a_far_deadline_does_not_end_a_wait)
{
    co_time far[] = {CO_NEVER, CO_NEVER - 1, CO_SEC * 86400 * 365 * 250};
    int fds[2];

    pair_make(fds);
    for (size_t i = 0; i < CO_ARRAY_LEN(far); i++) {
        put(fds[1]);
        ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
        forget();
        ck_assert_int_eq(ops->wait(poller, co__clock_read(), far[i]), 1);
        ck_assert_int_eq(reports[fds[0]].count, 1);
    }
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* ---- wake ---------------------------------------------------------------- */

START_TEST(a_wake_before_the_wait_is_not_lost)
{
    co_time start = co__clock_read();

    ops->wake(poller);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ops->wake(poller);
    ck_assert_int_eq(wait_for(20 * CO_SEC), 0);
    ck_assert_int_lt(co__clock_read() - start, 10 * CO_SEC);
}
END_TEST

START_TEST(many_wakes_become_one)
{
    co_time start = co__clock_read();

    for (int i = 0; i < 10000; i++)
        ops->wake(poller);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ck_assert_int_eq(wait_for(2 * CO_MS), 0); /* used up: this one waits */
    ck_assert_int_ge(co__clock_read() - start, 2 * CO_MS);
}
END_TEST

START_TEST(wake_keeps_errno)
{
    errno = E2BIG;
    ops->wake(poller);
    ck_assert_int_eq(errno, E2BIG);
    look();
}
END_TEST

static void *wake_thread(void *arg)
{
    usleep(*(useconds_t *)arg);
    ops->wake(poller);
    return NULL;
}

START_TEST(another_thread_ends_a_wait)
{
    for (int i = 0; i < co_test_scale(200, 20); i++) {
        useconds_t pause = (useconds_t)(i % 20) * 20;
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, wake_thread, &pause), 0);
        ck_assert_int_eq(wait_for(CO_NEVER), 0);
        pthread_join(thread, NULL);
    }
}
END_TEST

static co_time woken_at;

static void *wake_late(void *arg)
{
    usleep(20000);
    woken_at = co__clock_read();
    ops->wake(poller);
    return arg;
}

START_TEST(a_wait_without_a_limit_lasts)
{
    pthread_t thread;
    co_time ended;

    ck_assert_int_eq(pthread_create(&thread, NULL, wake_late, NULL), 0);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ended = co__clock_read();
    pthread_join(thread, NULL);
    ck_assert_int_ge(ended, woken_at);
}
END_TEST

static int begin(void)
{
    return ops->begin ? ops->begin(poller) : 0;
}

static void end(void)
{
    if (ops->end)
        ops->end(poller, 1);
}

static void *wait_elsewhere(void *result)
{
    *(int *)result = begin();
    if (*(int *)result == 0) {
        *(int *)result = wait_for(CO_NEVER);
        end();
    }
    return NULL;
}

/* Who sends it cannot know who will wait. */
START_TEST(a_wake_ends_the_wait_of_the_thread_that_begins_next)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int result = -1;

        look();
        ops->wake(poller);
        end();
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_elsewhere, &result),
                         0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(result, 0);
        ck_assert_int_eq(begin(), 0);
    }
}
END_TEST

/* ---- pause --------------------------------------------------------------- */

/* The first may end at once, and so may the one after a wake. */
static void pause_in_full(co_time ns)
{
    co_time start = co__clock_read();

    do
        ops->pause(poller, ns);
    while (co__clock_read() - start < ns);
}

START_TEST(a_pause_sees_nothing_and_loses_nothing)
{
    int fds[2];

    pause_in_full(1);
    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    look();
    put(fds[1]);
    for (int i = 0; i < co_test_scale(20, 3); i++) {
        co_time start = co__clock_read();

        forget();
        ops->pause(poller, CO_MS);
        ck_assert_int_ge(co__clock_read() - start, CO_MS);
        ck_assert_int_eq(reports[fds[0]].count, 0);
    }
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(reports[fds[0]].count, 1);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* A wait may report some of what is ready. */
START_TEST(a_pause_does_not_hold_up_what_a_wait_has_left)
{
    enum {
        MANY = 300
    };
    static int fds[MANY][2];
    int count = 0;

    for (int i = 0; i < MANY; i++) {
        pair_make(fds[i]);
        put(fds[i][1]);
        ck_assert_int_eq(ops->arm(poller, fds[i][0], 1, CO__POLL_IN), 0);
    }
    while (count < MANY) {
        int n = wait_for(5 * CO_SEC);

        ck_assert_int_gt(n, 0);
        count += n;
        if (count < MANY)
            ops->pause(poller, 600 * CO_SEC);
    }
    ck_assert_int_eq(look(), 0);
    for (int i = 0; i < MANY; i++) {
        ops->unwatch(poller, fds[i][0]);
        pair_close(fds[i]);
    }
}
END_TEST

START_TEST(a_wake_before_a_pause_ends_it_and_no_other)
{
    co_time start = co__clock_read();

    pause_in_full(1);
    for (int i = 0; i < 20; i++) {
        ops->wake(poller);
        ops->wake(poller);
        ops->pause(poller, 600 * CO_SEC);
    }
    ck_assert_int_lt(co__clock_read() - start, 300 * CO_SEC);
    start = co__clock_read();
    ops->pause(poller, 2 * CO_MS);
    ck_assert_int_ge(co__clock_read() - start, 2 * CO_MS);
}
END_TEST

START_TEST(another_thread_ends_a_pause)
{
    pause_in_full(1);
    for (int i = 0; i < co_test_scale(200, 20); i++) {
        useconds_t late = (useconds_t)(i % 20) * 20;
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, wake_thread, &late), 0);
        ops->pause(poller, 600 * CO_SEC);
        pthread_join(thread, NULL);
        look();
    }
}
END_TEST

/* ---- signals ------------------------------------------------------------- */

static int handled;

static void wake_in_handler(int number)
{
    (void)number;
    handled++;
    ops->wake(poller);
}

static void only_count(int number)
{
    (void)number;
    handled++;
}

/* ThreadSanitizer runs a handler in the next call that it knows, and none is
 * that waits in liburing: of a signal just before such a wait it needs a second
 * one to be told. All others get one alarm. */
#define AGAIN_US (CO__TSAN ? 10000 : 0)

static void alarm_in(suseconds_t us)
{
    struct itimerval soon = {.it_value = {.tv_usec = us},
                             .it_interval = {.tv_usec = us ? AGAIN_US : 0}};

    setitimer(ITIMER_REAL, &soon, NULL);
}

START_TEST(a_signal_handler_ends_a_wait)
{
    struct sigaction action = {.sa_handler = wake_in_handler};

    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < co_test_scale(200, 20); i++) {
        handled = 0;
        alarm_in(20 + i);
        while (!handled)
            ck_assert_int_eq(wait_for(CO_NEVER), 0);
        alarm_in(0);
        look();
    }
    signal(SIGALRM, SIG_DFL);
}
END_TEST

START_TEST(a_signal_may_end_a_wait_early_but_reports_nothing)
{
    co_time start = co__clock_read();

    handled = 0;
    /* Again and again: the first may come before the wait. */
    co_test_alarms_start(only_count, 2000);
    ck_assert_int_eq(wait_for(30 * CO_SEC), 0);
    co_test_alarms_stop();
    ck_assert_int_ge(handled, 1);
    ck_assert_int_lt(co__clock_read() - start, 20 * CO_SEC);
}
END_TEST

void add_waits(TCase *tc)
{
    tcase_add_test(tc, a_wait_never_ends_before_its_deadline);
    tcase_add_test(tc, deadlines_that_have_passed_do_not_wait);
    tcase_add_test(tc, a_far_deadline_does_not_end_a_wait);
    tcase_add_test(tc, a_wake_before_the_wait_is_not_lost);
    tcase_add_test(tc, many_wakes_become_one);
    tcase_add_test(tc, wake_keeps_errno);
    tcase_add_test(tc, another_thread_ends_a_wait);
    tcase_add_test(tc, a_wait_without_a_limit_lasts);
    tcase_add_test(tc, a_pause_sees_nothing_and_loses_nothing);
    tcase_add_test(tc, a_pause_does_not_hold_up_what_a_wait_has_left);
    tcase_add_test(tc, a_wake_before_a_pause_ends_it_and_no_other);
    tcase_add_test(tc, a_wake_ends_the_wait_of_the_thread_that_begins_next);
    tcase_add_test(tc, another_thread_ends_a_pause);
    tcase_add_test(tc, a_signal_handler_ends_a_wait);
    tcase_add_test(tc, a_signal_may_end_a_wait_early_but_reports_nothing);
}
