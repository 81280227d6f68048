/* SPDX-License-Identifier: MIT */
/* What a keeper keeps: a number of the thread that each task has for itself. */
#include "core/keep.h"

#include <coppice.h>

#include <string.h>

#include "support/check_main.h"
#include "support/tasks.h"

static int number; /* the thread's */
static int left, arrived, ended;

static void leave(void **kept)
{
    for (int i = 0; i < CO__KEPT_WORDS; i++)
        ck_assert_ptr_null(kept[i]);
    kept[0] = co_test_number(number);
    kept[CO__KEPT_WORDS - 1] = co_test_number(~number);
    number = 0;
    left++;
}

static void arrive(void **kept)
{
    number = co_test_return(kept[0]);
    ck_assert_int_eq(co_test_return(kept[CO__KEPT_WORDS - 1]), ~number);
    arrived++;
}

static void end(void)
{
    number = 0;
    ended++;
}

static void keep(void)
{
    static const struct co__keeper keeper = {leave, arrive, end};

    number = left = arrived = ended = 0;
    co__keep(&keeper);
}

static void keep_no_more(void)
{
    co__keeper = NULL;
    co__keep_flag = 0;
}

/* Returns how often the number was another than its own. */
static int count_up(void *own)
{
    int wrong = 0;

    for (int i = 0; i < 10; i++) {
        number = co_test_return(own) + i;
        co_yield_now();
        wrong += number != co_test_return(own) + i;
        co_sleep(1);
        wrong += number != co_test_return(own) + i;
    }
    return wrong;
}

CO_TASK_TEST(each_task_has_its_own)
{
    co_task *tasks[5];

    number = 77;
    for (int i = 0; i < 5; i++)
        tasks[i] = co_test_spawn(count_up, co_test_number(1000 * (i + 1)));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    ck_assert_int_eq(number, 77);
    ck_assert_int_eq(left, arrived);
    ck_assert_int_gt(left, 0);
    ck_assert_int_eq(ended, 5);
}

static co_sem turn[2];

/* Waits in a line each time, and hands over to the other; the second does not
 * the last time. */
static int take_turns(void *me)
{
    int i = co_test_return(me), wrong = 0;

    for (int n = 0; n < 10; n++) {
        number = 100 * i + n;
        if (co_sem_acquire(&turn[i]) < 0)
            return -1;
        wrong += number != 100 * i + n;
        if (i == 0 || n < 9)
            ck_assert_int_eq(co_sem_release(&turn[1 - i]), 0);
    }
    number = 100 * i;
    wrong += co_sem_acquire(&turn[i]) != -ECANCELED || number != 100 * i;
    return wrong;
}

CO_TASK_TEST(each_task_has_its_own_after_it_stood_in_line)
{
    co_task *tasks[2];

    number = 77;
    memset(turn, 0, sizeof(turn));
    for (int i = 0; i < 2; i++)
        tasks[i] = co_test_spawn(take_turns, co_test_number(i));
    ck_assert_int_eq(co_sem_release(&turn[0]), 0);
    for (int i = 0; i < 60; i++)
        co_test_yield();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_cancel(tasks[i]), 1);
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    }
    ck_assert_int_eq(number, 77);
    ck_assert_int_eq(left, arrived);
}

static int see(void *unused)
{
    (void)unused;
    return number;
}

static int leave_something(void *unused)
{
    (void)unused;
    number = 55;
    return 0;
}

CO_TASK_TEST(what_a_task_leaves_behind_is_nobodys)
{
    ck_assert_int_eq(co_test_result(co_test_spawn(leave_something, NULL)), 0);
    ck_assert_int_eq(co_test_result(co_test_spawn(see, NULL)), 0);
    number = 3;
    ck_assert_int_eq(co_test_result(co_test_spawn(see, NULL)), 0);
    ck_assert_int_eq(number, 3);
}

/* At once, on its parent's turn. */
CO_TASK_TEST(an_eager_task_does_not_find_its_parents)
{
    co_task *task;

    number = 3;
    task = co_spawn_with(CO_SPAWN_EAGER, see, NULL);
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_test_result(task), 0);
    task = co_spawn_with(CO_SPAWN_EAGER, count_up, co_test_number(40));
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(number, 3);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(number, 3);
}

static void set_keeper(void)
{
    keep();
    number = 9;
}

/* It begins amid a task, and with others about that have begun. */
static int begin_it(void *unused)
{
    (void)unused;
    set_keeper();
    co_yield_now();
    return number;
}

START_TEST(a_keeper_is_set_by_a_task)
{
    ck_assert_int_eq(co_run(begin_it, NULL), 9);
    ck_assert_int_gt(left, 0);
}
END_TEST

START_TEST(without_a_keeper_nobody_is_asked)
{
    number = left = 0;
    ck_assert_int_eq(co_run(count_up, co_test_number(1)), 0);
    ck_assert_int_eq(left, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core.keep");
    TCase *tc = tcase_create("keep");

    tcase_add_checked_fixture(tc, keep, keep_no_more);
    tcase_add_test(tc, each_task_has_its_own);
    tcase_add_test(tc, each_task_has_its_own_after_it_stood_in_line);
    tcase_add_test(tc, what_a_task_leaves_behind_is_nobodys);
    tcase_add_test(tc, an_eager_task_does_not_find_its_parents);
    suite_add_tcase(s, tc);

    tc = tcase_create("begin");
    tcase_add_checked_fixture(tc, NULL, keep_no_more);
    tcase_add_test(tc, a_keeper_is_set_by_a_task);
    tcase_add_test(tc, without_a_keeper_nobody_is_asked);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
