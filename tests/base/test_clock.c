/* SPDX-License-Identifier: MIT */
#include <coppice/clock.h>

#include "support/check_main.h"
#include "support/virtual_clock.h"

#include <time.h>

START_TEST(now_is_the_monotonic_clock)
{
    struct timespec ts;
    co_time before = co_now(), between, after;

    ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
    between = (co_time)ts.tv_sec * CO_SEC + ts.tv_nsec;
    after = co_now();
    ck_assert_int_ge(between, before);
    ck_assert_int_ge(after, between);
}
END_TEST

START_TEST(now_is_read_afresh_and_never_goes_back)
{
    co_time last = co_now(), first = last;

    for (int i = 0; i < 10000; i++) {
        co_time now = co_now();

        ck_assert_int_ge(now, last);
        last = now;
    }
    ck_assert_int_gt(last, first);
}
END_TEST

START_TEST(sums_that_overflow_are_never)
{
    ck_assert_int_eq(co__time_add(5, 7), 12);
    ck_assert_int_eq(co__time_add(5, -7), -2);
    ck_assert_int_eq(co__time_add(1, CO_NEVER), CO_NEVER);
    ck_assert_int_eq(co__time_add(0, CO_NEVER), CO_NEVER);
    ck_assert_int_eq(co__time_add(CO_NEVER, CO_NEVER), CO_NEVER);
    ck_assert_int_eq(co__time_add(CO_NEVER - 1, 1), CO_NEVER);
    ck_assert_int_eq(co__time_add(-1, INT64_MIN), 0);
}
END_TEST

START_TEST(virtual_clock_jumps_and_stands_still)
{
    co_test_clock_start();
    ck_assert_int_eq(co_now(), CO_TEST_EPOCH);
    ck_assert_int_eq(co_now(), CO_TEST_EPOCH);
    co__clock_jump(CO_TEST_EPOCH + 5);
    ck_assert_int_eq(co_now(), CO_TEST_EPOCH + 5);
    co__clock_jump(CO_TEST_EPOCH);
    ck_assert_int_eq(co_now(), CO_TEST_EPOCH + 5);
    co_test_clock_stop();
    ck_assert_int_ne(co_now(), CO_TEST_EPOCH + 5);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base/clock");
    TCase *tc = tcase_create("clock");

    tcase_add_test(tc, now_is_the_monotonic_clock);
    tcase_add_test(tc, now_is_read_afresh_and_never_goes_back);
    tcase_add_test(tc, sums_that_overflow_are_never);
    tcase_add_test(tc, virtual_clock_jumps_and_stands_still);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
