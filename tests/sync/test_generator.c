/* SPDX-License-Identifier: MIT */
/* Generators. */
#include <coppice/generator.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

static int count_to(co_gen *gen, void *arg)
{
    int limit = (int)(intptr_t)arg, r;

    for (int i = 1; i <= limit; i++)
        if ((r = co_gen_yield(gen, co_test_number(i), NULL)) < 0)
            return r;
    return 100;
}

CO_TASK_TEST(values_come_in_order_and_then_the_end)
{
    co_gen *gen = co_gen_new(count_to, co_test_number(3));
    void *value = NULL;

    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(co_gen_next(gen, &value), 1);
        ck_assert_int_eq((intptr_t)value, i);
    }
    ck_assert_int_eq(co_gen_result(gen), -EAGAIN);
    ck_assert_int_eq(co_gen_next(gen, &value), 0);
    ck_assert_int_eq(co_gen_next(gen, &value), 0);
    ck_assert_int_eq(co_gen_result(gen), 100);
    co_gen_free(gen);
}

CO_TASK_TEST(each_runs_its_block_for_each_value)
{
    co_gen *gen = co_gen_new(count_to, co_test_number(10000));
    long sum = 0;

    co_gen_each(gen, value) sum += (intptr_t)value;
    ck_assert_int_eq(sum, 10000 * 10001 / 2);
    co_gen_free(gen);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync.generator");
    TCase *tc = tcase_create("values");

    co_test_check_fds(tc);
    tcase_add_test(tc, values_come_in_order_and_then_the_end);
    tcase_add_test(tc, each_runs_its_block_for_each_value);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
