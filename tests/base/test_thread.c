/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include "support/check_main.h"

#include <pthread.h>

static void *number_of(void *number)
{
    *(uint64_t *)number = co__thread();
    return NULL;
}

static uint64_t next_thread(void)
{
    uint64_t number = 0;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, number_of, &number), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return number;
}

START_TEST(a_thread_keeps_its_number)
{
    uint64_t number = co__thread();

    ck_assert_uint_ne(number, 0);
    ck_assert_uint_ne(next_thread(), number);
    ck_assert_uint_eq(co__thread(), number);
}
END_TEST

/* They mostly get the stack, and with it the pthread_t, of the one before. */
START_TEST(threads_one_after_the_other_have_different_numbers)
{
    uint64_t last = next_thread();

    for (int i = 0; i < 10; i++) {
        uint64_t number = next_thread();

        ck_assert_uint_gt(number, last);
        last = number;
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base/thread");
    TCase *tc = tcase_create("thread");

    tcase_add_test(tc, a_thread_keeps_its_number);
    tcase_add_test(tc, threads_one_after_the_other_have_different_numbers);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
