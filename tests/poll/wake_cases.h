/* SPDX-License-Identifier: MIT */
/* Ending a wait from elsewhere (poll/wake.h), whichever file does it. */
#ifndef CO_TESTS_POLL_WAKE_CASES_H
#define CO_TESTS_POLL_WAKE_CASES_H

#include "poll/wake.h"

#include "support/alarms.h"
#include "support/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

static struct co__wake wake;

static void wake_opened(void)
{
    ck_assert_int_eq(co__wake_open(&wake), 0);
}

static void wake_closed(void)
{
    co__wake_close(&wake);
}

static int is_readable(void)
{
    struct pollfd p = {.fd = wake.fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

START_TEST(a_send_makes_it_readable_until_it_is_taken)
{
    ck_assert(!is_readable());
    for (int i = 0; i < 3; i++) {
        co__wake_send(&wake);
        ck_assert(is_readable());
        co__wake_take(&wake);
        ck_assert(!is_readable());
    }
    co__wake_take(&wake); /* harmless, and does not wait */
}
END_TEST

/* More than a pipe holds. */
START_TEST(a_hundred_thousand_sends_are_taken_at_once)
{
    errno = E2BIG;
    for (int i = 0; i < 100000; i++)
        co__wake_send(&wake);
    ck_assert_int_eq(errno, E2BIG);
    ck_assert(is_readable());
    co__wake_take(&wake);
    ck_assert(!is_readable());
}
END_TEST

/* Of each number of sends around what a take reads at a time. */
START_TEST(what_was_sent_is_taken_wholly)
{
    for (int n = 1; n < 600; n++) {
        for (int i = 0; i < n; i++)
            co__wake_send(&wake);
        co__wake_take(&wake);
        ck_assert(!is_readable());
    }
}
END_TEST

START_TEST(programs_that_are_started_do_not_get_it)
{
    ck_assert_int_eq(fcntl(wake.fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(wake.into, F_GETFD), FD_CLOEXEC);
    ck_assert(fcntl(wake.fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(wake.into, F_GETFL) & O_NONBLOCK);
}
END_TEST

START_TEST(want_of_descriptors_is_emfile_and_leaves_none)
{
    struct rlimit limit, few;
    struct co__wake second;

    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &few);
    ck_assert_int_eq(co__wake_open(&second), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &limit);
}
END_TEST

enum {
    SENDS = 2000,
};

static void *send_often(void *arg)
{
    for (int i = 0; i < SENDS; i++)
        co__wake_send(&wake);
    return arg;
}

/* After the last send it is readable once more, whatever was taken before. */
START_TEST(a_send_that_comes_amid_a_take_is_not_lost)
{
    struct pollfd p = {.fd = wake.fd, .events = POLLIN};

    for (int round = 0; round < co_test_scale(50, 5); round++) {
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, send_often, NULL), 0);
        for (int i = 0; i < SENDS / 4; i++)
            co__wake_take(&wake);
        pthread_join(thread, NULL);
        co__wake_take(&wake);
        co__wake_send(&wake);
        ck_assert_int_eq(poll(&p, 1, 0), 1);
        co__wake_take(&wake);
    }
}
END_TEST

static int handled;

static void send_in_handler(int number)
{
    (void)number;
    handled++;
    co__wake_send(&wake);
}

START_TEST(a_signal_handler_may_send)
{
    struct pollfd p = {.fd = wake.fd, .events = POLLIN};

    handled = 0;
    co_test_alarms_start(send_in_handler, 500);
    while (handled < co_test_scale(200, 20)) {
        while (poll(&p, 1, -1) < 0)
            ck_assert_int_eq(errno, EINTR);
        co__wake_take(&wake); /* interrupted, too */
    }
    co_test_alarms_stop();
}
END_TEST

static inline Suite *wake_suite(const char *name)
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, wake_opened, wake_closed);
    tcase_add_test(tc, a_send_makes_it_readable_until_it_is_taken);
    tcase_add_test(tc, a_hundred_thousand_sends_are_taken_at_once);
    tcase_add_test(tc, what_was_sent_is_taken_wholly);
    tcase_add_test(tc, programs_that_are_started_do_not_get_it);
    tcase_add_test(tc, want_of_descriptors_is_emfile_and_leaves_none);
    tcase_add_test(tc, a_send_that_comes_amid_a_take_is_not_lost);
    tcase_add_test(tc, a_signal_handler_may_send);
    suite_add_tcase(s, tc);
    return s;
}

#endif
