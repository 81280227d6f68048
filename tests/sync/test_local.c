/* SPDX-License-Identifier: MIT */
/* Task-locals: keys, values, what children begin with, when values die. */
#include <coppice/local.h>

#include <coppice/future.h>
#include <coppice/generator.h>
#include <coppice/loop.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>

/* Which values were destroyed, in order: 'a' + value. */
static struct co_test_log dead;
static co_local_key key;

static void destroy(void *value)
{
    co_test_log_add(&dead, (char)('a' + (intptr_t)value));
}

static void setup(void)
{
    dead = (struct co_test_log){.length = 0};
    ck_assert_int_eq(co_local_key_new(&key, destroy), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(co_local_key_delete(key), 0);
}

static void set(intptr_t value)
{
    ck_assert_int_eq(co_local_set(key, co_test_number(value)), 0);
}

static intptr_t get(void)
{
    return (intptr_t)co_local_get(key);
}

CO_TASK_TEST(value_is_what_was_set)
{
    ck_assert_int_eq(get(), 0);
    set(1);
    ck_assert_int_eq(get(), 1);
    set(2);
    ck_assert_int_eq(get(), 2);
    ck_assert_str_eq(dead.text, "b");
    set(0);
    ck_assert_int_eq(get(), 0);
    ck_assert_str_eq(dead.text, "bc");
}

static int get_and_set(void *value)
{
    intptr_t had = get();

    set((intptr_t)value);
    return (int)had;
}

CO_TASK_TEST(child_begins_with_what_its_parent_had_and_neither_sees_the_other)
{
    co_task *child;

    set(1);
    child = co_test_spawn(get_and_set, co_test_number(2));
    set(3);
    ck_assert_int_eq(co_test_result(child), 1);
    ck_assert_int_eq(get(), 3);
    ck_assert_str_eq(dead.text, "bc");
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync.local");
    TCase *tc = tcase_create("values");

    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    tcase_add_test(tc, value_is_what_was_set);
    tcase_add_test(
        tc, child_begins_with_what_its_parent_had_and_neither_sees_the_other);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
