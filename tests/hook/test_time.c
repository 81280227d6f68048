/* SPDX-License-Identifier: MIT */
/* Sleeping, in tasks, and what signals do to it. */
#include "hook/hook_support.h"

#include "support/virtual_clock.h"

#include <signal.h>
#include <time.h>

int __nanosleep(const struct timespec *time, struct timespec *left);
int __clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                      struct timespec *left);

/* c->flags: milliseconds. */
static struct timespec span_of(const struct hook_call *c)
{
    return (struct timespec){c->flags / 1000, c->flags % 1000 * 1000000L};
}

static ssize_t by_nanosleep(struct hook_call *c)
{
    struct timespec span = span_of(c);

    return nanosleep(&span, NULL);
}

static ssize_t by_nanosleep_alias(struct hook_call *c)
{
    struct timespec span = span_of(c);

    return __nanosleep(&span, NULL);
}

/* These return the error. */
static ssize_t told(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static ssize_t by_clock_nanosleep(struct hook_call *c)
{
    struct timespec span = span_of(c);

    return told(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL));
}

static ssize_t by_clock_nanosleep_alias(struct hook_call *c)
{
    struct timespec span = span_of(c);

    return told(__clock_nanosleep(CLOCK_REALTIME, 0, &span, NULL));
}

static ssize_t by_usleep(struct hook_call *c)
{
    return usleep((useconds_t)c->flags * 1000);
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const sleepers[] = {by_nanosleep, by_nanosleep_alias,
                                    by_clock_nanosleep,
                                    by_clock_nanosleep_alias, by_usleep};
#define SLEEPERS ((int)(sizeof(sleepers) / sizeof(sleepers[0])))

EACH_TEST(sleepers_sleep_side_by_side)
{
    struct hook_call calls[20];

    for (int k = 0; k < 20; k++) {
        calls[k] = (struct hook_call){.fn = sleepers[i], .flags = 100};
        hook_begin_waiting(&calls[k]);
    }
    for (int k = 0; k < 20; k++)
        ck_assert_int_eq(hook_end(&calls[k]), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 100 * CO_MS);
}

EACH_TEST(a_sleeper_is_cancelled_or_out_of_time)
{
    struct hook_call call = {.fn = sleepers[i], .flags = 100};

    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    co_timeout(30 * CO_MS)
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), 30 * CO_MS);
}

EACH_TEST(no_time_is_over_at_once)
{
    struct hook_call call = {.fn = sleepers[i], .flags = 0};

    ck_assert_int_eq(hook_do(&call), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

CO_TASK_TEST(what_is_left_is_told)
{
    struct timespec span = {2, 500000000}, left = {0, 0};

    co_timeout(CO_SEC) {
        ck_assert_int_eq(nanosleep(&span, &left), -1);
        ck_assert_int_eq(errno, ETIMEDOUT);
    }
    ck_assert_int_eq(left.tv_sec, 1);
    ck_assert_int_eq(left.tv_nsec, 500000000);
    co_timeout(CO_SEC)
        ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &left),
                         ETIMEDOUT);
    ck_assert_int_eq(left.tv_sec, 1);
    co_timeout(CO_SEC)
        ck_assert_uint_eq(sleep(10), 9);
    ck_assert_uint_eq(sleep(10), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 13 * CO_SEC);
}

CO_TASK_TEST(mistakes_are_told_as_by_the_system)
{
    struct timespec wrong = {0, 1000000000}, less = {-1, 0};
    struct timespec *volatile nowhere = NULL;

    ck_assert_int_eq(nanosleep(&wrong, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(nanosleep(&less, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    if (!CO_TEST_MEMCHECK) { /* which minds */
        ck_assert_int_eq(nanosleep(nowhere, NULL), -1);
        ck_assert_int_eq(errno, EFAULT);
        ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, nowhere, NULL),
                         EFAULT);
    }
    ck_assert_int_eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL), EINVAL);
    ck_assert_int_eq(clock_nanosleep(1000, 0, &less, NULL), EINVAL);
}

/* A point in time of either clock, which is not the loop's. */
CO_TASK_TEST(a_point_in_time_is_waited_for)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};

    for (int i = 0; i < 2; i++) {
        struct timespec when, now;

        clock_gettime(clocks[i], &when);
        when.tv_nsec += 5000000;
        when.tv_sec += when.tv_nsec / 1000000000;
        when.tv_nsec %= 1000000000;
        ck_assert_int_eq(clock_nanosleep(clocks[i], TIMER_ABSTIME, &when, NULL),
                         0);
        clock_gettime(clocks[i], &now);
        ck_assert(now.tv_sec > when.tv_sec ||
                  (now.tv_sec == when.tv_sec && now.tv_nsec >= when.tv_nsec));
        when.tv_sec -= 5; /* it is past */
        ck_assert_int_eq(clock_nanosleep(clocks[i], TIMER_ABSTIME, &when, NULL),
                         0);
    }
}

/* "signals: handler runs; parked read gets no EINTR". */
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    (void)number;
    signalled++;
}

static ssize_t by_read(struct hook_call *c)
{
    return read(c->fd, c->data, c->len);
}

CO_TASK_TEST(a_signal_runs_its_handler_and_ends_no_wait)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct hook_call call = {.fn = by_read, .len = 1};
    char c;
    int fds[2];

    hook_pair(fds);
    call.fd = fds[0];
    call.data = &c;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    hook_begin_waiting(&call);
    raise(SIGUSR1);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(signalled, 1);
    ck_assert_int_eq(hook_waits(&call), 1);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
    hook_close(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.time");
    TCase *tc = hook_case(s, "time");

    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, sleepers_sleep_side_by_side, 0, SLEEPERS);
    tcase_add_loop_test(tc, a_sleeper_is_cancelled_or_out_of_time, 0, SLEEPERS);
    tcase_add_loop_test(tc, no_time_is_over_at_once, 0, SLEEPERS);
    tcase_add_test(tc, what_is_left_is_told);

    tc = hook_case(s, "clocks");
    tcase_add_test(tc, mistakes_are_told_as_by_the_system);
    tcase_add_test(tc, a_point_in_time_is_waited_for);
    tcase_add_test(tc, a_signal_runs_its_handler_and_ends_no_wait);
    return s;
}

CO_TEST_MAIN(suite)
