/* SPDX-License-Identifier: MIT */
/* Pools: numbers are the things that are dear to make. */
#include <coppice/pool.h>

#include "core/task.h"
#include "support/check_main.h"
#include "support/dies.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

static struct {
    int created, destroyed, checks;
    int create_error; /* of the next one */
    int bad;          /* the item that fails its check, with -EPIPE */
    co_time delay;    /* creating takes so long */
    co_time look;     /* and so long checking */
    co_time bury;     /* and destroying */
} made;

static int create(void *arg, void **item)
{
    int r = made.delay ? co_sleep(made.delay) : 0;

    ck_assert_ptr_eq(arg, &made);
    if (r == 0) {
        r = made.create_error;
        made.create_error = 0;
    }
    if (r < 0)
        return r;
    *item = co_test_number(++made.created);
    return 0;
}

static int check(void *arg, void *item)
{
    int r;

    ck_assert_ptr_eq(arg, &made);
    made.checks++;
    r = made.look ? co_sleep(made.look) : 0;
    if (r < 0)
        return r;
    return (intptr_t)item == made.bad ? -EPIPE : 0;
}

static void destroy(void *arg, void *item)
{
    ck_assert_ptr_eq(arg, &made);
    ck_assert_ptr_nonnull(item);
    ck_assert_int_eq(co_yield_now(), 0); /* it may wait, come what may */
    if (made.bury)
        ck_assert_int_eq(co_sleep(made.bury), 0);
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

CO_TASK_TEST(a_failure_to_create_is_the_next_ones_turn)
{
    co_pool *pool = pool_of(1);
    co_task *first, *second, *third;

    ck_assert_int_eq(got(pool), 1);
    first = waiter_of(pool);
    second = waiter_of(pool);
    third = waiter_of(pool);
    made.create_error = -ECONNREFUSED;
    made.delay = CO_MS;
    ck_assert_int_eq(co_pool_discard(pool, co_test_number(1)), 0);
    ck_assert_int_eq(co_test_result(first), -ECONNREFUSED);
    co_test_yield();
    co_cancel(second); /* it creates */
    ck_assert_int_eq(co_test_result(second), -ECANCELED);
    ck_assert_int_eq(co_test_result(third), 2);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
}

/* Its check cannot tell whether the item is good: that one is lost, but not
 * those that were not looked at. */
CO_TASK_TEST(a_getter_that_is_cancelled_while_it_checks_loses_one_item)
{
    co_pool *pool = pool_of(3);
    co_task *task;

    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(got(pool), i);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(put(pool, i), 0);
    made.look = CO_SEC;
    task = waiter_of(pool);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(made.checks, 1);
    ck_assert_uint_eq(co_pool_idle(pool), 2);
    co_timeout(CO_MS)
        ck_assert_int_eq(got(pool), -ETIMEDOUT);
    ck_assert_int_eq(made.checks, 2);
    ck_assert_uint_eq(co_pool_idle(pool), 1);
    made.look = 0;
    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(made.created, 3);
    pool_end(pool);
}

/* The same when the item was handed over, and the cancel came after it. */
CO_TASK_TEST(a_cancel_after_the_hand_over_is_the_checks)
{
    co_pool *pool = pool_of(2);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(got(pool), 2);
    task = waiter_of(pool);
    made.look = CO_MS;
    ck_assert_int_eq(put(pool, 1), 0);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(got(pool), 3); /* and the room is there */
    ck_assert_int_eq(put(pool, 2), 0);
    ck_assert_int_eq(put(pool, 3), 0);
    pool_end(pool);
}

CO_TASK_TEST(after_a_failed_check_the_next_item_is_tried)
{
    co_pool *pool = pool_of(3);

    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(got(pool), i);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(put(pool, i), 0);
    made.bad = 3;
    made.look = CO_US;
    ck_assert_int_eq(got(pool), 2);
    ck_assert_int_eq(made.checks, 2);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(put(pool, 2), 0);
    pool_end(pool);
}

/* What was handed over to another is not there for who comes now. */
CO_TASK_TEST(nobody_overtakes_who_waited)
{
    co_pool *pool = pool_of(1);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    task = waiter_of(pool);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_uint_eq(co_pool_idle(pool), 1);
    co_timeout(0)
        ck_assert_int_eq(got(pool), -ETIMEDOUT);
    co_timeout(CO_MS)
        ck_assert_int_eq(got(pool), -ETIMEDOUT);
    ck_assert_int_eq(co_test_result(task), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    pool_end(pool);
}

CO_TASK_TEST(only_what_was_idle_for_too_long_is_destroyed)
{
    co_pool_options options = {.size = sizeof(options),
                               .max = 3,
                               .idle = 20 * CO_MS,
                               .create = create,
                               .check = check,
                               .destroy = destroy,
                               .arg = &made};
    co_pool *pool = co_pool_new(&options);

    memset(&made, 0, sizeof(made));
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(got(pool), i);
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(put(pool, 2), 0);
    ck_assert_int_eq(co_sleep(30 * CO_MS), 0);
    ck_assert_int_eq(put(pool, 3), 0);
    ck_assert_uint_eq(co_pool_idle(pool), 3);
    made.bad = 3;
    ck_assert_int_eq(got(pool), 4);
    ck_assert_int_eq(made.checks, 1); /* the old ones were not asked */
    ck_assert_int_eq(made.destroyed, 3);
    ck_assert_int_eq(put(pool, 4), 0);
    pool_end(pool);
}

/* ---- closing ------------------------------------------------------------- */

static int close_one(void *pool)
{
    return co_pool_close(pool);
}

CO_TASK_TEST(all_who_close_return_when_the_last_item_is_back)
{
    co_pool *pool = pool_of(2);
    co_task *first, *second;

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(got(pool), 2);
    first = co_test_spawn(close_one, pool);
    second = co_test_spawn(close_one, pool);
    co_test_yield();
    ck_assert_int_eq(put(pool, 1), 0);
    co_test_yield();
    ck_assert_int_eq(first->state, CO__TASK_PARKED);
    ck_assert_int_eq(second->state, CO__TASK_PARKED);
    ck_assert_int_eq(co_pool_discard(pool, co_test_number(2)), 0);
    ck_assert_int_eq(co_test_result(first), 0);
    ck_assert_int_eq(co_test_result(second), 0);
    pool_end(pool);
}

CO_TASK_TEST(who_closes_second_waits_for_what_the_first_destroys)
{
    co_pool *pool = pool_of(1);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    made.bury = CO_MS;
    task = co_test_spawn(close_one, pool);
    co_test_yield();
    ck_assert_int_eq(co_pool_close(pool), 0);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(co_test_result(task), 0);
    pool_end(pool);
}

CO_TASK_TEST(closing_waits_for_who_gives_back)
{
    co_pool *pool = pool_of(1);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    task = co_test_spawn(close_one, pool);
    co_test_yield();
    made.bury = CO_MS;
    ck_assert_int_eq(put(pool, 1), 0);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(co_test_result(task), 0);
    pool_end(pool);
}

/* A waiter has been given the item, a second one is cancelled, a third one
 * waits: all in the turn in which the pool is closed. */
CO_TASK_TEST(what_is_handed_over_as_it_closes_is_destroyed)
{
    co_pool *pool = pool_of(1);
    co_task *given, *cancelled, *waiting;

    ck_assert_int_eq(got(pool), 1);
    given = waiter_of(pool);
    cancelled = waiter_of(pool);
    waiting = waiter_of(pool);
    ck_assert_int_eq(put(pool, 1), 0);
    co_cancel(cancelled);
    ck_assert_int_eq(co_pool_close(pool), 0);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(co_test_result(given), -ESHUTDOWN);
    ck_assert_int_eq(co_test_result(cancelled), -ECANCELED);
    ck_assert_int_eq(co_test_result(waiting), -ESHUTDOWN);
    pool_end(pool);
}

CO_TASK_TEST(what_is_checked_while_it_closes_is_destroyed)
{
    co_pool *pool = pool_of(1);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(put(pool, 1), 0);
    made.look = CO_MS;
    task = waiter_of(pool);
    ck_assert_int_eq(co_pool_close(pool), 0);
    ck_assert_int_eq(made.destroyed, 1);
    ck_assert_int_eq(co_test_result(task), -ESHUTDOWN);
    pool_end(pool);
}

CO_TASK_TEST(a_cancelled_close_has_closed)
{
    co_pool *pool = pool_of(2);
    co_task *task;

    ck_assert_int_eq(got(pool), 1);
    ck_assert_int_eq(got(pool), 2);
    ck_assert_int_eq(put(pool, 2), 0);
    task = co_test_spawn(close_one, pool);
    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(made.destroyed, 1); /* what was idle */
    ck_assert_int_eq(got(pool), -ESHUTDOWN);
    ck_assert_int_eq(put(pool, 1), 0);
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

static int free_while_one_creates(void *unused)
{
    co_pool *pool = pool_of(1);

    (void)unused;
    made.delay = CO_SEC;
    waiter_of(pool);
    co_pool_free(pool);
    return 0;
}

static int free_while_one_is_out(void *unused)
{
    co_pool *pool = pool_of(1);

    (void)unused;
    ck_assert_int_eq(got(pool), 1);
    co_pool_free(pool);
    return 0;
}

START_TEST(a_pool_that_is_in_use_is_not_freed)
{
    ck_assert_ptr_nonnull(
        strstr(co_test_dies(free_while_one_creates, NULL), "co_pool_free"));
    ck_assert_ptr_nonnull(
        strstr(co_test_dies(free_while_one_is_out, NULL), "co_pool_free"));
}
END_TEST

/* ---- many at once -------------------------------------------------------- */

#define CROWD_MAX 4

static struct {
    co_pool *pool;
    struct co_test_random random;
    int rounds;
    int live; /* items that there are */
    int has[1 << 16];
} crowd;

static int some(uint32_t limit)
{
    return (int)co_test_random_below(&crowd.random, limit);
}

static int crowd_pause(void)
{
    return some(2) ? co_sleep(some(20) * CO_US) : 0;
}

static int crowd_create(void *arg, void **item)
{
    int r = ++crowd.live > CROWD_MAX ? -EOVERFLOW : crowd_pause();

    (void)arg;
    ck_assert_int_ne(r, -EOVERFLOW);
    if (r == 0 && some(8) == 0)
        r = -ECONNREFUSED;
    if (r < 0)
        crowd.live--;
    else
        *item = co_test_number(++made.created);
    return r;
}

static int crowd_check(void *arg, void *item)
{
    int r = crowd_pause();

    (void)arg;
    ck_assert_int_eq(crowd.has[(intptr_t)item], 0);
    return r < 0 ? r : some(8) == 0 ? -EPIPE : 0;
}

static void crowd_destroy(void *arg, void *item)
{
    (void)arg;
    ck_assert_int_eq(crowd.has[(intptr_t)item], 0);
    crowd.has[(intptr_t)item] = -1; /* for ever */
    ck_assert_int_eq(crowd_pause(), 0);
    crowd.live--;
    made.destroyed++;
}

static int crowd_member(void *arg)
{
    (void)arg;
    for (int i = 0; i < crowd.rounds; i++) {
        void *item;
        int r = -1;

        co_timeout(some(200) * CO_US)
            r = co_pool_get(crowd.pool, &item);
        if (r < 0) {
            if (r == -ECANCELED || r == -ESHUTDOWN)
                return 0;
            continue;
        }
        ck_assert_int_eq(crowd.has[(intptr_t)item]++, 0);
        r = crowd_pause();
        ck_assert_int_eq(crowd.has[(intptr_t)item]--, 1);
        if (some(8) == 0)
            co_pool_discard(crowd.pool, item);
        else
            co_pool_put(crowd.pool, item);
    }
    return 0;
}

/* Timeouts, cancels, failures, and in the end a close at any time: no item is
 * ever two tasks', nor are there too many, and none is left. */
CO_TASK_TEST(a_crowd_loses_nothing)
{
    for (int seed = 1; seed <= co_test_scale(200, 20); seed++) {
        co_pool_options options = {.size = sizeof(options),
                                   .max = CROWD_MAX,
                                   .idle = 50 * CO_US,
                                   .create = crowd_create,
                                   .check = crowd_check,
                                   .destroy = crowd_destroy};
        co_task *members[16];

        memset(&made, 0, sizeof(made));
        memset(&crowd, 0, sizeof(crowd));
        crowd.random.state = (uint64_t)seed;
        crowd.rounds = 20;
        crowd.pool = co_pool_new(&options);
        for (int i = 0; i < 16; i++)
            members[i] = co_test_spawn(crowd_member, NULL);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(co_sleep(some(500) * CO_US), 0);
            co_cancel(members[some(16)]);
        }
        if (seed % 2)
            ck_assert_int_eq(co_pool_close(crowd.pool), 0);
        for (int i = 0; i < 16; i++)
            ck_assert_int_eq(co_test_result(members[i]), 0);
        ck_assert_uint_eq(co_pool_in_use(crowd.pool), 0);
        ck_assert_int_eq(co_pool_close(crowd.pool), 0);
        co_pool_free(crowd.pool);
        ck_assert_int_eq(crowd.live, 0);
        ck_assert_int_eq(made.created, made.destroyed);
    }
}

static Suite *suite(void)
{
    Suite *s = suite_create("pool");
    TCase *tc = tcase_create("pool");

    co_test_virtual_clock(tc);
    tcase_add_test(tc, what_was_put_back_last_is_given_out_first);
    tcase_add_test(tc, what_fails_its_check_is_destroyed);
    tcase_add_test(tc, what_is_discarded_makes_room);
    tcase_add_test(tc, a_failure_to_create_loses_no_room);
    tcase_add_test(tc, what_nobody_used_for_long_is_not_given_out);
    tcase_add_test(tc, who_waits_is_served_in_turn);
    tcase_add_test(tc, a_cancelled_getter_loses_no_item);
    tcase_add_test(tc, closing_sends_waiters_away_and_waits_for_items);
    tcase_add_test(tc, a_failure_to_create_is_the_next_ones_turn);
    tcase_add_test(tc,
                   a_getter_that_is_cancelled_while_it_checks_loses_one_item);
    tcase_add_test(tc, a_cancel_after_the_hand_over_is_the_checks);
    tcase_add_test(tc, after_a_failed_check_the_next_item_is_tried);
    tcase_add_test(tc, nobody_overtakes_who_waited);
    tcase_add_test(tc, only_what_was_idle_for_too_long_is_destroyed);
    tcase_add_test(tc, all_who_close_return_when_the_last_item_is_back);
    tcase_add_test(tc, who_closes_second_waits_for_what_the_first_destroys);
    tcase_add_test(tc, closing_waits_for_who_gives_back);
    tcase_add_test(tc, what_is_handed_over_as_it_closes_is_destroyed);
    tcase_add_test(tc, what_is_checked_while_it_closes_is_destroyed);
    tcase_add_test(tc, a_cancelled_close_has_closed);
    tcase_add_test(tc, what_is_created_while_it_closes_is_destroyed);
    tcase_add_test(tc, a_pool_that_is_in_use_is_not_freed);
    tcase_add_test(tc, a_crowd_loses_nothing);
    tcase_add_test(tc, bad_input_is_refused);
    tcase_add_test(tc, more_cannot_be_given_back_than_is_out);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
