/* SPDX-License-Identifier: MIT */
/* Pools: numbers are the things that are dear to make. */
#include <coppice/pool.h>

#include <coppice/future.h>

#include "core/task.h"
#include "support/check_main.h"
#include "support/tasks.h"

static struct {
    int created, destroyed, checks;
    int create_error; /* of the next one */
    int bad;          /* the item that fails its check */
    co_time delay;    /* creating takes so long */
} made;

static int create(void *arg, void **item)
{
    int r = made.delay ? co_sleep(made.delay) : 0;

    ck_assert_ptr_eq(arg, &made);
    if (r == 0)
        r = made.create_error;
    if (r < 0)
        return r;
    *item = co_test_number(++made.created);
    return 0;
}

static int check(void *arg, void *item)
{
    ck_assert_ptr_eq(arg, &made);
    made.checks++;
    return (intptr_t)item == made.bad ? -EPIPE : 0;
}

static void destroy(void *arg, void *item)
{
    ck_assert_ptr_eq(arg, &made);
    ck_assert_ptr_nonnull(item);
    ck_assert_int_eq(co_yield_now(), 0); /* it may wait, come what may */
    made.destroyed++;
}

static co_pool *pool_of(unsigned max)
{
    co_pool_options options = {.size = sizeof(options),
                               .max = max,
                               .create = create,
                               .check = check,
                               .destroy = destroy,
                               .arg = &made};
    co_pool *pool = co_pool_new(&options);

    memset(&made, 0, sizeof(made));
    ck_assert_ptr_nonnull(pool);
    return pool;
}

static void pool_end(co_pool *pool)
{
    ck_assert_int_eq(co_pool_close(pool), 0);
    co_pool_free(pool);
    ck_assert_int_eq(made.created, made.destroyed);
}

static int got(co_pool *pool)
{
    void *item = NULL;
    int r = co_pool_get(pool, &item);

    return r < 0 ? r : (int)(intptr_t)item;
}

static int get_one(void *pool)
{
    return got(pool);
}

static co_task *waiter_of(co_pool *pool)
{
    co_task *task = co_test_spawn(get_one, pool);

    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    return task;
}

static int put(co_pool *pool, int number)
{
    return co_pool_put(pool, co_test_number(number));
}

/* ---- one task ------------------------------------------------------------ */

CO_TASK_TEST(what_was_put_back_last_is_given_out_first)
{
    co_pool *pool = pool_of(3);

    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(got(pool), i);
    ck_assert_uint_eq(co_pool_in_use(pool), 3);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(put(pool, 3), 0);
    ck_assert_uint_eq(co_pool_idle(pool), 2);
    ck_assert_int_eq(got(pool), 3);
    ck_assert_int_eq(made.checks, 1);
    ck_assert_int_eq(put(pool, 3), 0);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
    ck_assert_int_eq(made.created, 3);
}

CO_TASK_TEST(what_fails_its_check_is_destroyed)
{
    co_pool *pool = pool_of(2);

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    made.bad = 1;
    ck_assert_int_eq(got(pool), 2);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
}

CO_TASK_TEST(what_is_discarded_makes_room)
{
    co_pool *pool = pool_of(1);

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(co_pool_discard(pool, co_test_number(1)), 0);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(got(pool), 2);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
}

CO_TASK_TEST(a_failure_to_create_loses_no_room)
{
    co_pool *pool = pool_of(1);

    made.create_error = -ECONNREFUSED;
    ck_assert_int_eq(got(pool), -ECONNREFUSED);
    made.create_error = 0;
    made.delay = CO_SEC;
    co_timeout(CO_MS) {
        ck_assert_int_eq(got(pool), -ETIMEDOUT);
    }
    made.delay = 0;
    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    pool_end(pool);
}

CO_TASK_TEST(what_nobody_used_for_long_is_not_given_out)
{
    co_pool_options options = {.size = sizeof(options),
                               .max = 2,
                               .idle = CO_MS,
                               .create = create,
                               .destroy = destroy,
                               .arg = &made};
    co_pool *pool = co_pool_new(&options);

    memset(&made, 0, sizeof(made));
    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(co_sleep(2 * CO_MS), 0);
    ck_assert_int_eq(got(pool), 2);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
}

/* ---- several ------------------------------------------------------------- */

CO_TASK_TEST(who_waits_is_served_in_turn)
{
    co_pool *pool = pool_of(1);
    co_task *first, *second;

    ck_assert_int_eq(got(pool), 1);
    first = waiter_of(pool);
    second = waiter_of(pool);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(co_test_result(first), 1);
    ck_assert_int_eq(second->state, CO__TASK_PARKED);
    ck_assert_int_eq(co_pool_discard(pool, co_test_number(1)), 0);
    ck_assert_int_eq(co_test_result(second), 2);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
}

CO_TASK_TEST(a_cancelled_getter_loses_no_item)
{
    co_pool *pool = pool_of(1);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    task = waiter_of(pool);
    co_cancel(task);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(got(pool), 1);
    task = waiter_of(pool);
    ck_assert_int_eq(put(pool, 1), 0); /* it is the task's now */
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    pool_end(pool);
}

CO_TASK_TEST(closing_sends_waiters_away_and_waits_for_items)
{
    co_pool *pool = pool_of(1);
    co_task *task, *cancelled;

    ck_assert_int_eq(got(pool), 1);
    task = waiter_of(pool);
    cancelled = waiter_of(pool);
    co_cancel(cancelled);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_pool_close(pool), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_result(task), -ESHUTDOWN);
    ck_assert_int_eq(co_test_result(cancelled), -ECANCELED);
    ck_assert_int_eq(got(pool), -ESHUTDOWN);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(co_pool_close(pool), 0);
    pool_end(pool);
}

CO_TASK_TEST(what_is_created_while_it_closes_is_destroyed)
{
    co_pool *pool = pool_of(2);
    co_task *task;

    made.delay = CO_MS;
    task = waiter_of(pool);
    ck_assert_int_eq(co_pool_close(pool), 0);
    ck_assert_int_eq(co_test_result(task), -ESHUTDOWN);
    pool_end(pool);
    ck_assert_int_eq(made.created, 1);
}

START_TEST(bad_input_is_refused)
{
    co_pool_options options = {
        .size = sizeof(options), .max = 1, .create = create};
    void *item;

    ck_assert_ptr_null(co_pool_new(NULL));
    ck_assert_int_eq(errno, EINVAL);
    options.max = 0;
    ck_assert_ptr_null(co_pool_new(&options));
    options.max = 1;
    options.idle = -1;
    ck_assert_ptr_null(co_pool_new(&options));
    options.idle = 0;
    options.create = NULL;
    ck_assert_ptr_null(co_pool_new(&options));
    options.create = create;
    options.size = 1;
    ck_assert_ptr_null(co_pool_new(&options));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_pool_get(NULL, &item), -EINVAL);
    ck_assert_int_eq(co_pool_put(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_pool_discard(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_pool_close(NULL), -EINVAL);
    ck_assert_uint_eq(co_pool_in_use(NULL), 0);
    ck_assert_uint_eq(co_pool_idle(NULL), 0);
    co_pool_free(NULL);
}
END_TEST

CO_TASK_TEST(more_cannot_be_given_back_than_is_out)
{
    co_pool *pool = pool_of(1);

    ck_assert_int_eq(co_pool_get(pool, NULL), -EINVAL);
    ck_assert_int_eq(put(pool, 1), -EINVAL);
    ck_assert_int_eq(co_pool_discard(pool, co_test_number(1)), -EINVAL);
    pool_end(pool);
}

static Suite *suite(void)
{
    Suite *s = suite_create("pool");
    TCase *tc = tcase_create("pool");

    tcase_add_test(tc, what_was_put_back_last_is_given_out_first);
    tcase_add_test(tc, what_fails_its_check_is_destroyed);
    tcase_add_test(tc, what_is_discarded_makes_room);
    tcase_add_test(tc, a_failure_to_create_loses_no_room);
    tcase_add_test(tc, what_nobody_used_for_long_is_not_given_out);
    tcase_add_test(tc, who_waits_is_served_in_turn);
    tcase_add_test(tc, a_cancelled_getter_loses_no_item);
    tcase_add_test(tc, closing_sends_waiters_away_and_waits_for_items);
    tcase_add_test(tc, what_is_created_while_it_closes_is_destroyed);
    tcase_add_test(tc, bad_input_is_refused);
    tcase_add_test(tc, more_cannot_be_given_back_than_is_out);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
