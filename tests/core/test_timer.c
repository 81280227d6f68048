/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* The timers against a model that is too simple to be wrong: an array that is
 * searched. Nothing here runs a loop. */
#include "core/timer.h"

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/random.h"

#include <errno.h>

#define TICK  ((co_time)1 << 20) /* what timer.c calls a tick */
#define START (1000 * CO_SEC)

/* How often one may be told to look again before a timer is due: each level is
 * entered once, the last slot ordered once. */
#define WAITS_MAX (CO__TIMER_LEVELS + 1)

static struct co__timers timers;

static void set_up(void)
{
    ck_assert_int_eq(co__timers_init(&timers, START), 0);
}

/* Time has been looked at: what is due within this tick is ordered exactly. */
static void reach(co_time now)
{
    struct co__timer timer = {0};

    co__timer_arm(&timers, &timer, now);
    ck_assert_ptr_eq(co__timers_expire(&timers, now), &timer);
}

static void tear_down(void)
{
    ck_assert(co__timers_check(&timers));
    co__timers_fini(&timers);
}

/* ---- the model ----------------------------------------------------------- */

#define MODEL_TIMERS 300

struct model {
    struct co__timer timer[MODEL_TIMERS];
    co_time deadline[MODEL_TIMERS];
    uint64_t seq[MODEL_TIMERS]; /* 0: not armed */
    uint64_t armed_so_far;
    size_t armed;
    co_time now;
    struct co_test_random random;
};

static int model_first(const struct model *m)
{
    int best = -1;

    for (int i = 0; i < MODEL_TIMERS; i++) {
        if (!m->seq[i])
            continue;
        if (best < 0 || m->deadline[i] < m->deadline[best] ||
            (m->deadline[i] == m->deadline[best] && m->seq[i] < m->seq[best]))
            best = i;
    }
    return best;
}

static void model_check(const struct model *m)
{
    int first = model_first(m);
    co_time next = co__timers_next(&timers);

    ck_assert(co__timers_check(&timers));
    ck_assert_uint_eq(timers.count, m->armed);
    if (first < 0)
        ck_assert_int_eq(next, CO_NEVER);
    else
        ck_assert_int_le(next, m->deadline[first]);
}

/* Nothing is due: a loop that waits until next() must get on by that. */
static void model_check_next(const struct model *m)
{
    int first = model_first(m);
    co_time at = m->now, next;

    if (first < 0)
        return;
    for (int waits = 0; (next = co__timers_next(&timers)) != m->deadline[first];
         waits++) {
        ck_assert_int_gt(next, at);
        ck_assert_int_lt(waits, WAITS_MAX);
        at = next;
        ck_assert_ptr_null(co__timers_expire(&timers, at));
    }
}

/* A deadline: near, far, of another timer, past, or the end of time. */
static co_time model_deadline(struct model *m)
{
    co_time delta = co_test_random_log(&m->random);

    switch (co_test_random_below(&m->random, 16)) {
    case 0:
        return m->deadline[co_test_random_below(&m->random, MODEL_TIMERS)];
    case 1:
        return m->now;
    case 2:
        return delta > m->now ? -1 : m->now - delta;
    case 3:
        return CO_NEVER;
    case 4:
        return (m->now + TICK) & ~(TICK - 1);
    case 5:
        return ((m->now + TICK) & ~(TICK - 1)) - 1;
    default:
        return delta > CO_NEVER - m->now ? CO_NEVER : m->now + delta;
    }
}

static void model_arm(struct model *m, int i)
{
    ck_assert_int_eq(co__timer_armed(&m->timer[i]), m->seq[i] != 0);
    co__timer_cancel(&timers, &m->timer[i]);
    m->armed -= m->seq[i] != 0;
    m->deadline[i] = model_deadline(m);
    co__timer_arm(&timers, &m->timer[i], m->deadline[i]);
    m->seq[i] = ++m->armed_so_far;
    m->armed++;
}

static void model_cancel(struct model *m, int i)
{
    co__timer_cancel(&timers, &m->timer[i]);
    ck_assert(!co__timer_armed(&m->timer[i]));
    m->armed -= m->seq[i] != 0;
    m->seq[i] = 0;
}

/* Take what is due, all of it or a few. */
static void model_expire(struct model *m, int most)
{
    while (most-- > 0) {
        struct co__timer *timer = co__timers_expire(&timers, m->now);
        int first = model_first(m);

        if (first < 0 || m->deadline[first] > m->now) {
            ck_assert_ptr_null(timer);
            if (first >= 0)
                ck_assert_int_gt(co__timers_next(&timers), m->now);
            return;
        }
        ck_assert_ptr_eq(timer, &m->timer[first]);
        ck_assert(!co__timer_armed(timer));
        m->seq[first] = 0;
        m->armed--;
    }
}

static void model_pass(struct model *m)
{
    co_time first = co__timers_next(&timers);
    co_time delta = co_test_random_log(&m->random) >> 8;

    if (first != CO_NEVER && first > m->now &&
        co_test_random_below(&m->random, 2))
        m->now = first;
    else if (delta < CO_NEVER / 2 - m->now)
        m->now += delta;
}

static void model_run(uint64_t seed, int steps)
{
    struct model m = {.now = START, .random = {seed}};

    m.now = co_test_random_log(&m.random) / 2;
    ck_assert_int_eq(co__timers_init(&timers, m.now), 0);
    for (int step = 0; step < steps; step++) {
        int i = (int)co_test_random_below(&m.random, MODEL_TIMERS);

        switch (co_test_random_below(&m.random, 8)) {
        case 0:
        case 1:
        case 2:
            model_arm(&m, i);
            break;
        case 3:
            model_cancel(&m, i);
            break;
        case 4:
            model_pass(&m);
            break;
        case 5:
            model_expire(&m, 3);
            break;
        default:
            model_expire(&m, MODEL_TIMERS + 1);
            break;
        }
        model_check(&m);
    }
    while (model_first(&m) >= 0) {
        model_expire(&m, MODEL_TIMERS + 1);
        model_check_next(&m);
        m.now = co__timers_next(&timers);
    }
    model_check(&m);
    ck_assert_uint_eq(timers.count, 0);
    co__timers_fini(&timers);
}

START_TEST(timers_behave_like_a_sorted_array)
{
    int rounds = co_test_scale(120, 20);

    for (int round = 0; round < rounds; round++)
        model_run((uint64_t)round, 400);
}
END_TEST

/* Near deadlines only, so that the heap is what works. */
START_TEST(deadlines_within_one_tick_are_told_apart)
{
    struct co_test_random random = {7};
    struct co__timer timer[200] = {{0}};
    struct co__timer *fired;
    co_time last = 0;
    int count = 0;

    reach(START);
    for (int i = 0; i < 200; i++)
        co__timer_arm(&timers, &timer[i],
                      START + co_test_random_below(&random, 1000));
    while ((fired = co__timers_expire(&timers, START + 1000))) {
        ck_assert_int_ge(fired->deadline, last);
        last = fired->deadline;
        count++;
    }
    ck_assert_int_eq(count, 200);
}
END_TEST

/* Wait for a timer as a loop does. */
static void wait_for(const struct co__timer *timer)
{
    struct co__timer *fired = NULL;
    co_time when = timer->deadline, next = 0;

    for (int waits = 0; !fired; waits++) {
        ck_assert_int_le(waits, WAITS_MAX);
        ck_assert_int_gt(co__timers_next(&timers), next);
        next = co__timers_next(&timers);
        ck_assert_int_le(next, when);
        fired = co__timers_expire(&timers, next);
    }
    ck_assert_ptr_eq(fired, timer);
    ck_assert_int_eq(next, when);
}

/* ---- order --------------------------------------------------------------- */

START_TEST(equal_deadlines_fire_in_the_order_they_were_armed)
{
    static const co_time after[] = {0,
                                    1,
                                    TICK,
                                    5 * CO_SEC,
                                    400 * CO_SEC,
                                    86400 * CO_SEC,
                                    31557600 * CO_SEC};

    for (size_t k = 0; k < sizeof(after) / sizeof(after[0]); k++) {
        struct co__timer timer[50] = {{0}};
        co_time now = timers.horizon * TICK;

        for (int i = 0; i < 50; i++)
            co__timer_arm(&timers, &timer[i], now + after[k]);
        for (int i = 0; i < 50; i++)
            ck_assert_ptr_eq(co__timers_expire(&timers, now + after[k]),
                             &timer[i]);
        ck_assert_ptr_null(co__timers_expire(&timers, now + after[k]));
    }
}
END_TEST

START_TEST(order_holds_between_timers_armed_from_near_and_from_afar)
{
    struct co__timer far = {0}, near = {0};
    co_time when = START + 3600 * CO_SEC;

    /* The first waits on a high level; the second is armed when only a
     * millisecond is left, and goes elsewhere. */
    co__timer_arm(&timers, &far, when);
    ck_assert_ptr_null(co__timers_expire(&timers, when - CO_MS));
    co__timer_arm(&timers, &near, when);
    ck_assert_ptr_eq(co__timers_expire(&timers, when), &far);
    ck_assert_ptr_eq(co__timers_expire(&timers, when), &near);
}
END_TEST

START_TEST(timer_never_fires_early_and_fires_to_the_nanosecond)
{
    for (unsigned bits = 0; bits < 60; bits++) {
        co_time now = (co_time)timers.horizon * TICK;
        co_time when = now + ((co_time)1 << bits);
        struct co__timer timer = {0};

        if (when < now || when > CO_NEVER / 2)
            break;
        co__timer_arm(&timers, &timer, when);
        ck_assert_int_le(co__timers_next(&timers), when);
        ck_assert_ptr_null(co__timers_expire(&timers, when - 1));
        ck_assert_int_eq(co__timers_next(&timers), when);
        ck_assert_ptr_eq(co__timers_expire(&timers, when), &timer);
        ck_assert_int_eq(co__timers_next(&timers), CO_NEVER);
    }
}
END_TEST

START_TEST(timers_around_each_boundary_of_slots_and_levels_fire_in_order)
{
    for (unsigned level = 0; level < 4; level++) {
        co_time span = TICK << (level * CO__TIMER_SLOT_BITS);
        co_time base = ((co_time)timers.horizon * TICK / span + 2) * span;
        struct co__timer timer[5] = {{0}};

        for (int i = 4; i >= 0; i--)
            co__timer_arm(&timers, &timer[i], base + i - 2);
        ck_assert(co__timers_check(&timers));
        for (int i = 0; i < 5; i++) {
            ck_assert_ptr_null(co__timers_expire(&timers, base + i - 3));
            ck_assert_ptr_eq(co__timers_expire(&timers, base + i - 2),
                             &timer[i]);
            ck_assert(co__timers_check(&timers));
        }
    }
}
END_TEST

START_TEST(one_long_leap_fires_everything_between_in_order)
{
    struct co__timer timer[1000] = {{0}};
    struct co_test_random random = {11};
    struct co__timer *fired;
    co_time last = 0;
    int count = 0;

    for (int i = 0; i < 1000; i++)
        co__timer_arm(&timers, &timer[i],
                      START + (co_test_random_log(&random) >> 4));
    while ((fired = co__timers_expire(&timers, CO_NEVER / 2))) {
        ck_assert_int_ge(fired->deadline, last);
        last = fired->deadline;
        count++;
    }
    ck_assert_int_eq(count, 1000);
}
END_TEST

/* ---- what next() says ---------------------------------------------------- */

START_TEST(near_timer_that_has_fired_does_not_hide_the_far_one)
{
    struct co__timer near = {0}, far = {0};

    reach(START);
    co__timer_arm(&timers, &far, START + CO_SEC);
    ck_assert_int_gt(co__timers_next(&timers), START + 1);
    co__timer_arm(&timers, &near, START + 1);
    ck_assert_int_eq(co__timers_next(&timers), START + 1);
    ck_assert_ptr_eq(co__timers_expire(&timers, START + 1), &near);
    /* A loop that is told START + 1 here spins for a second. */
    ck_assert_int_gt(co__timers_next(&timers), START + 1);
    wait_for(&far);
}
END_TEST

START_TEST(near_timer_that_was_cancelled_does_not_hide_the_far_one)
{
    struct co__timer near = {0}, far = {0};

    reach(START);
    co__timer_arm(&timers, &far, START + CO_SEC);
    ck_assert_int_gt(co__timers_next(&timers), START + 1);
    co__timer_arm(&timers, &near, START + 1);
    co__timer_cancel(&timers, &near);
    ck_assert_int_gt(co__timers_next(&timers), START + 1);
    wait_for(&far);
    ck_assert_int_eq(co__timers_next(&timers), CO_NEVER);
}
END_TEST

/* All timers of the slot that next() has named are gone when it is reached. */
START_TEST(cancelled_slot_does_not_hide_the_later_ones)
{
    struct co__timer timer[100] = {{0}}, far = {0};
    co_time next;

    for (co_time after = TICK; after < 3600 * CO_SEC; after *= 8) {
        co_time now = (co_time)timers.horizon * TICK;

        reach(now);
        co__timer_arm(&timers, &far, now + 2 * after);
        for (int i = 0; i < 100; i++)
            co__timer_arm(&timers, &timer[i], now + after + i);
        next = co__timers_next(&timers);
        ck_assert_int_le(next, now + after);
        for (int i = 0; i < 100; i++)
            co__timer_cancel(&timers, &timer[i]);
        ck_assert_ptr_null(co__timers_expire(&timers, next));
        ck_assert_int_gt(co__timers_next(&timers), next);
        wait_for(&far);
    }
}
END_TEST

START_TEST(loop_that_waits_until_next_is_woken_at_each_deadline)
{
    for (co_time after = 1; after < 1000 * 86400 * CO_SEC; after *= 3) {
        struct co__timer timer = {0};

        co__timer_arm(&timers, &timer, (co_time)timers.horizon * TICK + after);
        wait_for(&timer);
    }
}
END_TEST

START_TEST(next_of_no_timers_is_never)
{
    ck_assert_int_eq(co__timers_next(&timers), CO_NEVER);
    ck_assert_ptr_null(co__timers_expire(&timers, CO_NEVER));
}
END_TEST

START_TEST(timer_at_never_comes_last_and_not_before_the_end_of_time)
{
    struct co__timer never = {0}, late = {0};

    co__timer_arm(&timers, &never, CO_NEVER);
    co__timer_arm(&timers, &late, CO_NEVER - 1);
    ck_assert_int_le(co__timers_next(&timers), CO_NEVER - 1);
    ck_assert_ptr_null(co__timers_expire(&timers, CO_NEVER - 2));
    ck_assert_ptr_eq(co__timers_expire(&timers, CO_NEVER - 1), &late);
    ck_assert_ptr_null(co__timers_expire(&timers, CO_NEVER - 1));
    co__timer_cancel(&timers, &never);
    ck_assert_uint_eq(timers.count, 0);
}
END_TEST

START_TEST(deadline_before_time_began_fires_at_once)
{
    struct co__timer past[3] = {{0}};

    co__timer_arm(&timers, &past[2], 0);
    co__timer_arm(&timers, &past[1], -1);
    co__timer_arm(&timers, &past[0], INT64_MIN);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(co__timers_expire(&timers, START), &past[i]);
}
END_TEST

START_TEST(cancel_of_a_timer_that_is_not_armed_does_nothing)
{
    struct co__timer timer = {0};

    co__timer_cancel(&timers, &timer);
    co__timer_arm(&timers, &timer, START + CO_SEC);
    co__timer_cancel(&timers, &timer);
    co__timer_cancel(&timers, &timer);
    ck_assert_uint_eq(timers.count, 0);
    ck_assert_ptr_null(co__timers_expire(&timers, START + 2 * CO_SEC));
}
END_TEST

/* ---- many, and none ------------------------------------------------------ */

/* By these a slot's timers are prefetched; nothing else shows them. */
START_TEST(each_timer_of_a_slot_knows_one_that_comes_later)
{
    static struct co__timer timer[30];
    co_time deadline = START + 100 * TICK;

    for (int i = 0; i < 30; i++) {
        co__timer_arm(&timers, &timer[i], deadline + i);
        ck_assert_ptr_eq(timer[i].child, i > CO__TIMER_HINTS
                                             ? &timer[i - CO__TIMER_HINTS - 1]
                                             : NULL);
    }
    for (int i = 0; i < 30; i++)
        ck_assert_ptr_eq(co__timers_expire(&timers, deadline + 30), &timer[i]);

    /* The same slot again: of those that it had none are left. */
    deadline += CO__TIMER_SLOTS * TICK;
    reach(deadline - 10 * TICK);
    for (int i = 0; i < 2; i++) {
        co__timer_arm(&timers, &timer[i], deadline);
        ck_assert_ptr_null(timer[i].child);
    }
    for (int i = 0; i < 2; i++)
        co__timer_cancel(&timers, &timer[i]);
}
END_TEST

START_TEST(million_timers_fire_in_order)
{
    int count = co_test_scale(1000000, 50000);
    struct co__timer *timer = calloc((size_t)count, sizeof(*timer));
    struct co__timer *fired;
    struct co_test_random random = {3};
    co_time last = 0;
    int seen = 0;

    ck_assert_ptr_nonnull(timer);
    for (int i = 0; i < count; i++)
        co__timer_arm(&timers, &timer[i],
                      START + (co_time)(co_test_random_next(&random) %
                                        (uint64_t)(100 * CO_SEC)));
    ck_assert(co__timers_check(&timers));
    for (int i = 0; i < count; i += 2)
        co__timer_cancel(&timers, &timer[i]);
    ck_assert(co__timers_check(&timers));
    for (co_time now = START; now <= START + 100 * CO_SEC; now += 10 * CO_MS)
        while ((fired = co__timers_expire(&timers, now))) {
            ck_assert(fired->deadline >= last && fired->deadline <= now);
            ck_assert((fired - timer) % 2 == 1);
            last = fired->deadline;
            seen++;
        }
    ck_assert_int_eq(seen, count / 2);
    free(timer);
}
END_TEST

START_TEST(million_timers_of_one_instant_fire_first_in_first_out)
{
    int count = co_test_scale(1000000, 50000);
    struct co__timer *timer = calloc((size_t)count, sizeof(*timer));

    ck_assert_ptr_nonnull(timer);
    for (int i = 0; i < count; i++)
        co__timer_arm(&timers, &timer[i], START + CO_SEC);
    ck_assert_ptr_null(co__timers_expire(&timers, START + CO_SEC - 1));
    for (int i = 0; i < count; i++)
        ck_assert(co__timers_expire(&timers, START + CO_SEC) == &timer[i]);
    free(timer);
}
END_TEST

START_TEST(init_without_memory_is_enomem)
{
    struct co__timers none;

    co__fault_after(1);
    ck_assert_int_eq(co__timers_init(&none, START), -ENOMEM);
    co__fault_after(0);
}
END_TEST

START_TEST(checker_sees_what_is_broken)
{
    struct co__timer timer = {0};

    co__timer_arm(&timers, &timer, START + CO_SEC);
    ck_assert(co__timers_check(&timers));
    timers.count++;
    ck_assert(!co__timers_check(&timers));
    timers.count--;
    timer.deadline = 0;
    ck_assert(!co__timers_check(&timers));
    timer.deadline = START + CO_SEC;
    ck_assert(co__timers_check(&timers));
    co__timer_cancel(&timers, &timer);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/timer");
    TCase *model = tcase_create("model");
    TCase *tc = tcase_create("timer");

    tcase_add_test(model, timers_behave_like_a_sorted_array);
    suite_add_tcase(s, model);

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, each_timer_of_a_slot_knows_one_that_comes_later);
    tcase_add_test(tc, deadlines_within_one_tick_are_told_apart);
    tcase_add_test(tc, equal_deadlines_fire_in_the_order_they_were_armed);
    tcase_add_test(tc,
                   order_holds_between_timers_armed_from_near_and_from_afar);
    tcase_add_test(tc, timer_never_fires_early_and_fires_to_the_nanosecond);
    tcase_add_test(
        tc, timers_around_each_boundary_of_slots_and_levels_fire_in_order);
    tcase_add_test(tc, one_long_leap_fires_everything_between_in_order);
    tcase_add_test(tc, near_timer_that_has_fired_does_not_hide_the_far_one);
    tcase_add_test(tc, near_timer_that_was_cancelled_does_not_hide_the_far_one);
    tcase_add_test(tc, cancelled_slot_does_not_hide_the_later_ones);
    tcase_add_test(tc, loop_that_waits_until_next_is_woken_at_each_deadline);
    tcase_add_test(tc, next_of_no_timers_is_never);
    tcase_add_test(tc,
                   timer_at_never_comes_last_and_not_before_the_end_of_time);
    tcase_add_test(tc, deadline_before_time_began_fires_at_once);
    tcase_add_test(tc, cancel_of_a_timer_that_is_not_armed_does_nothing);
    tcase_add_test(tc, million_timers_fire_in_order);
    tcase_add_test(tc, million_timers_of_one_instant_fire_first_in_first_out);
    tcase_add_test(tc, init_without_memory_is_enomem);
    tcase_add_test(tc, checker_sees_what_is_broken);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
