/* SPDX-License-Identifier: MIT */
/* Limits that are far away: counted from the loop's last look at the clock,
 * never early, and late by no more than a grain and what tasks computed. All on
 * the real clock, which tests know by what the loop has read from it. */
#include <coppice/scope.h>

#include "core/sched.h"

#include "support/check_main.h"
#include "support/tasks.h"

#define FAR CO__LIMIT_FAR

/* Compute, without a look at the clock by the loop. */
static void compute(co_time ns)
{
    co_time end = co__clock_read() + ns;

    while (co__clock_read() < end)
        continue;
}

/* What a limit that was counted at `then` is, after the look `now`. */
static co_time counted(co_time then, co_time now, co_time ns)
{
    co_time late = now - then - CO__LIMIT_GRAIN;

    return then + CO__LIMIT_GRAIN + (late > 0 ? late : 0) + ns;
}

CO_TASK_TEST(limit_is_counted_from_the_last_look)
{
    co_time then = co__look(co__loop);

    co_scope s = {0};
    co_timeout_in(&s, FAR) {
        ck_assert_int_eq(s.co__deadline, then + CO__LIMIT_GRAIN + FAR);
        ck_assert_int_eq(co__loop->self->chain.due, s.co__deadline);
    }
    ck_assert_int_eq(co__loop->now, then);
    ck_assert_int_eq(co__loop->self->chain.due, CO_NEVER);
}

CO_TASK_TEST(limit_that_is_near_is_exact)
{
    co_time then = co__look(co__loop);

    compute(CO_US);
    co_scope s = {0};
    co_timeout_in(&s, FAR - 1) {
        ck_assert_int_gt(co__loop->now, then);
        ck_assert_int_eq(s.co__deadline, co__loop->now + FAR - 1);
        ck_assert_uint_eq(co__loop->counted, 0);
    }
}

CO_TASK_TEST(limit_stays_where_it_is_if_the_next_look_comes_soon)
{
    co_time then = co__look(co__loop);
    co_time now;

    co_timeout(FAR) {
        now = co__look(co__loop);
        ck_assert_int_eq(co__loop->self->chain.due, counted(then, now, FAR));
        /* It belongs to the first look after it alone. */
        compute(2 * CO__LIMIT_GRAIN);
        co__look(co__loop);
        ck_assert_int_eq(co__loop->self->chain.due, counted(then, now, FAR));
    }
}

CO_TASK_TEST(limit_is_counted_anew_if_a_task_has_computed)
{
    co_time then = co__look(co__loop);
    co_time entered, now;

    compute(3 * CO__LIMIT_GRAIN);
    entered = co__clock_read();
    co_timeout(FAR) {
        /* Too early, if nobody looked. */
        ck_assert_int_lt(co__loop->self->chain.due, entered + FAR);
        now = co__look(co__loop);
        ck_assert_int_eq(co__loop->self->chain.due, now + FAR);
        ck_assert_int_eq(co__loop->self->chain.due, counted(then, now, FAR));
        ck_assert_int_ge(co__loop->self->chain.due, entered + FAR);
    }
}

CO_TASK_TEST(limits_inside_each_other_are_counted_anew_each)
{
    co_time then = co__look(co__loop);
    co_scope outer = {0}, middle = {0}, inner = {0};
    co_time at, now;

    co_timeout_in(&outer, 3 * FAR) {
        at = then + 2 * FAR; /* exact, and a look of its own */
        co_deadline(at) {
            co_time second = co__loop->now;

            co_timeout_in(&middle, FAR) {
                co_timeout_in(&inner, 4 * FAR) {
                    compute(2 * CO__LIMIT_GRAIN);
                    now = co__look(co__loop);
                    ck_assert_int_eq(outer.co__deadline,
                                     counted(then, second, 3 * FAR));
                    ck_assert_int_eq(middle.co__deadline,
                                     counted(second, now, FAR));
                    ck_assert_int_eq(inner.co__deadline,
                                     counted(second, now, 4 * FAR));
                    ck_assert_int_eq(inner.co__due, middle.co__deadline);
                    ck_assert_int_eq(co__loop->self->chain.due,
                                     middle.co__deadline);
                }
            }
            ck_assert_int_eq(co__loop->self->chain.due, at);
        }
        ck_assert_int_eq(co__loop->self->chain.due, outer.co__deadline);
    }
}

CO_TASK_TEST(limit_behind_a_shield_is_counted_anew)
{
    co_time then = co__look(co__loop);
    co_scope s = {0};

    co_timeout_in(&s, FAR) {
        co_shield {
            compute(2 * CO__LIMIT_GRAIN);
            ck_assert_int_eq(s.co__deadline, then + CO__LIMIT_GRAIN + FAR);
            ck_assert_int_eq(counted(then, co__look(co__loop), FAR),
                             s.co__deadline);
            ck_assert_int_eq(co__loop->self->chain.due, CO_NEVER);
        }
        ck_assert_int_eq(co__loop->self->chain.due, s.co__deadline);
    }
}

CO_TASK_TEST(limit_that_was_moved_stays_where_it_is)
{
    co_scope s = {0};
    co_time at = co__look(co__loop) + 2 * FAR;

    co_timeout_in(&s, FAR) {
        ck_assert_int_eq(co_scope_reschedule(&s, at), 0);
        compute(2 * CO__LIMIT_GRAIN);
        co__look(co__loop);
        ck_assert_int_eq(s.co__deadline, at);
    }
}

CO_TASK_TEST(limit_that_was_left_is_touched_no_more)
{
    co_time then = co__look(co__loop);
    co_scope s = {0};

    co_timeout_in(&s, FAR)
        ck_assert_uint_eq(co__loop->counted, 1);
    compute(2 * CO__LIMIT_GRAIN);
    co__look(co__loop);
    ck_assert_uint_eq(co__loop->counted, 0);
    ck_assert_int_eq(s.co__deadline, then + CO__LIMIT_GRAIN + FAR);
}

CO_TASK_TEST(many_limits_bring_about_a_look)
{
    co_time then = co__look(co__loop);

    for (unsigned i = 0; i < CO__LIMITS_MAX; i++) {
        co_timeout(FAR)
            ck_assert_uint_eq(co__loop->counted, i + 1);
        ck_assert_int_eq(co__loop->now, then);
    }
    compute(CO_US);
    co_timeout(FAR) {
        ck_assert_int_gt(co__loop->now, then);
        ck_assert_uint_eq(co__loop->counted, 0);
        ck_assert_int_eq(co__loop->self->chain.due, co__loop->now + FAR);
    }
}

/* ---- other tasks --------------------------------------------------------- */

static int waits_for_ever(void *arg)
{
    co_time entered = co__clock_read();
    co_time *left = arg;
    int r = 0;

    co_timeout(FAR)
        r = co_sleep(CO_NEVER);
    *left = co__clock_read() - entered;
    return r;
}

CO_TASK_TEST(wait_is_not_ended_early_by_what_others_computed)
{
    co_time left = 0;
    co_task *task;
    int result = 0;

    co__look(co__loop);
    compute(2 * CO__LIMIT_GRAIN);
    task = co_spawn(waits_for_ever, &left);
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_join(task, &result), 0);
    ck_assert_int_eq(result, -ETIMEDOUT);
    ck_assert_int_ge(left, FAR);
}

static int enters_and_ends(void *arg)
{
    (void)arg;
    co_timeout(FAR)
        continue;
    return 0;
}

CO_TASK_TEST(task_that_has_ended_leaves_nothing_to_count)
{
    int before;

    co__look(co__loop);
    before = (int)co__loop->counted;
    ck_assert_int_eq(co_join(co_spawn(enters_and_ends, NULL), NULL), 0);
    ck_assert_int_ge((int)co__loop->counted, before);
    compute(2 * CO__LIMIT_GRAIN);
    co__look(co__loop);
    ck_assert_uint_eq(co__loop->counted, 0);
}

CO_TASK_TEST(number_of_a_look_is_never_that_of_none)
{
    co__loop->look = 0u - CO__SCOPE_LOOK;
    co_timeout(FAR)
        co__look(co__loop);
    ck_assert_uint_eq(co__loop->look, CO__SCOPE_LOOK);
}

static Suite *suite(void)
{
    Suite *s = suite_create("core/scope_far");
    TCase *tc = tcase_create("scope_far");

    tcase_add_test(tc, limit_is_counted_from_the_last_look);
    tcase_add_test(tc, limit_that_is_near_is_exact);
    tcase_add_test(tc, limit_stays_where_it_is_if_the_next_look_comes_soon);
    tcase_add_test(tc, limit_is_counted_anew_if_a_task_has_computed);
    tcase_add_test(tc, limits_inside_each_other_are_counted_anew_each);
    tcase_add_test(tc, limit_behind_a_shield_is_counted_anew);
    tcase_add_test(tc, limit_that_was_moved_stays_where_it_is);
    tcase_add_test(tc, limit_that_was_left_is_touched_no_more);
    tcase_add_test(tc, many_limits_bring_about_a_look);
    tcase_add_test(tc, wait_is_not_ended_early_by_what_others_computed);
    tcase_add_test(tc, task_that_has_ended_leaves_nothing_to_count);
    tcase_add_test(tc, number_of_a_look_is_never_that_of_none);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
