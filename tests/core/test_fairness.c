/* SPDX-License-Identifier: MIT */
/* Who runs when: first in, first out; nobody is starved by tasks that give way
 * to each other, or by one that never waits. Time is virtual and passes only
 * where a test says so, so every bound here is exact. */
#include "core/sched.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <coppice/mutex.h>

static struct co_test_log events;

static int log_three_times(void *event)
{
    for (int i = 0; i < 3; i++) {
        co_test_log_add(&events, (char)(intptr_t)event);
        co_test_yield();
    }
    return 0;
}

CO_TASK_TEST(tasks_that_yield_take_turns_in_order)
{
    co_task *task[4];

    events = (struct co_test_log){.length = 0};
    for (int i = 0; i < 4; i++)
        task[i] = co_test_spawn(log_three_times, co_test_number('a' + i));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_str_eq(events.text, "abcdabcdabcd");
}

static int park_and_log(void *event)
{
    ck_assert_int_eq(co_test_sleep_for_ever(NULL), -ECANCELED);
    co_test_log_add(&events, (char)(intptr_t)event);
    return 0;
}

CO_TASK_TEST(woken_task_queues_behind_those_that_are_ready)
{
    co_task *parked = co_test_spawn(park_and_log, co_test_number('p'));
    co_task *ready[3];

    events = (struct co_test_log){.length = 0};
    co_test_yield();
    for (int i = 0; i < 3; i++)
        ready[i] = co_test_spawn(log_three_times, co_test_number('a' + i));
    co_cancel(parked);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(ready[i]), 0);
    ck_assert_int_eq(co_test_result(parked), 0);
    ck_assert_str_eq(events.text, "abcpabcabc");
}

/* The longest wait: the fairness rule's own numbers. */
#define LATE_MAX (CO__SLICE * CO_US + CO__POLL_PERIOD)

static int running;

/* Each turn takes a microsecond. */
static int yield_for_ever(void *unused)
{
    (void)unused;
    while (running) {
        co_test_clock_pass(CO_US);
        co_test_yield();
    }
    return 0;
}

static void sleep_beside(int yielders)
{
    co_task *task[8];
    co_time before = co_now();

    running = 1;
    for (int i = 0; i < yielders; i++)
        task[i] = co_test_spawn(yield_for_ever, NULL);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_ge(co_now() - before, CO_MS);
    ck_assert_int_le(co_now() - before, CO_MS + LATE_MAX + yielders * CO_US);
    running = 0;
    for (int i = 0; i < yielders; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
}

CO_TASK_TEST(timer_is_not_starved_by_a_task_that_yields_alone)
{
    sleep_beside(1);
}

CO_TASK_TEST(timer_is_not_starved_by_a_pair_that_yields)
{
    sleep_beside(2);
    sleep_beside(7);
}

static void stop_running(void *unused)
{
    (void)unused;
    running = 0;
}

CO_TASK_TEST(call_from_outside_is_not_starved_by_tasks_that_yield)
{
    co_call call = {.fn = stop_running};
    co_time before = co_now();
    co_task *task[2];

    running = 1;
    for (int i = 0; i < 2; i++)
        task[i] = co_test_spawn(yield_for_ever, NULL);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_int_le(co_now() - before, LATE_MAX + 2 * CO_US);
}

/* Though no time passes: the flag is enough. */
CO_TASK_TEST(call_from_outside_is_made_within_61_switches)
{
    co_call call = {.fn = stop_running};
    int switches = 0;

    running = 1;
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (running && switches < 10000) {
        co_test_yield();
        switches++;
    }
    ck_assert_int_le(switches, CO__SLICE + 1);
}

/* A look at the clock is cheap, asking the kernel is not. */
CO_TASK_TEST(reactor_is_asked_once_a_period_and_not_at_each_look)
{
    co_loop *loop = co_loop_running();
    co_time polled = loop->polled;
    int polls = 0;

    for (int i = 0; i < 100 * CO__SLICE; i++) {
        co_test_clock_pass(CO__POLL_PERIOD / CO__SLICE / 2);
        co_test_yield();
        polls += loop->polled != polled;
        polled = loop->polled;
    }
    /* Two slices and a bit make a period. */
    ck_assert_int_ge(polls, 30);
    ck_assert_int_le(polls, 50);
}

CO_TASK_TEST(clock_is_looked_at_every_61_switches)
{
    co_loop *loop = co_loop_running();
    co_time now;
    int switches = 0;

    ck_assert_int_eq(CO__SLICE, 61);
    for (int round = 0; round < 5; round++) {
        now = loop->now;
        co_test_clock_pass(1);
        for (switches = 0; loop->now == now; switches++)
            co_test_yield();
        if (round)
            ck_assert_int_eq(switches, CO__SLICE);
    }
}

/* ---- the budget of a task that does not wait ----------------------------- */

static int operations;

/* What every call that may suspend does first, and nothing else. */
static int operate(co_time each)
{
    co_loop *loop = co_loop_running();

    co_test_clock_pass(each);
    operations++;
    return co__enter(loop, loop->self);
}

static int note_operations(void *at)
{
    *(int *)at = operations;
    return 0;
}

static int operations_before_another_runs(co_time each)
{
    int at = 0;
    co_task *other;

    co_test_yield();
    other = co_test_spawn(note_operations, &at);
    for (operations = 0; !at && operations < 10000;)
        ck_assert_int_eq(operate(each), 0);
    ck_assert_int_eq(co_test_result(other), 0);
    return at;
}

CO_TASK_TEST(task_gives_way_after_128_operations)
{
    ck_assert_int_eq(operations_before_another_runs(0), CO__BUDGET);
    ck_assert_int_eq(CO__BUDGET, 128);
}

CO_TASK_TEST(task_gives_way_after_100_microseconds)
{
    int at = operations_before_another_runs(10 * CO_US);

    /* Ten operations take so long; it is looked at every 16, from the first
     * look on. */
    ck_assert_int_le(at, 2 * CO__BUDGET_LOOK);
}

/* A lock, a permit: of such 32 count as one. */
static int light_operations_before_another_runs(co_time each)
{
    co_mutex mutex = {0};
    co_task *other;
    int at = 0;

    co_test_yield();
    other = co_test_spawn(note_operations, &at);
    for (operations = 0; !at && operations < 100000;) {
        co_test_clock_pass(each);
        operations++;
        ck_assert_int_eq(co_mutex_lock(&mutex), 0);
        co_mutex_unlock(&mutex);
    }
    ck_assert_int_eq(co_test_result(other), 0);
    return at;
}

CO_TASK_TEST(task_gives_way_after_4096_light_operations)
{
    ck_assert_int_eq(light_operations_before_another_runs(0),
                     CO__BUDGET * CO__BUDGET_LIGHT);
    ck_assert_int_eq(CO__BUDGET_LIGHT, 32);
}

CO_TASK_TEST(task_gives_way_after_100_microseconds_of_light_operations)
{
    int at = light_operations_before_another_runs(CO_US);

    ck_assert_int_le(at, 2 * CO__BUDGET_LOOK * CO__BUDGET_LIGHT);
}

static void operate_beside_a_sleeper(co_time each)
{
    co_time ns = CO_MS, before = co_now();
    co_task *sleeper = co_test_spawn(co_test_sleep, &ns);
    int at;

    co_test_yield();
    operations = 0;
    while (co_loop_task_count(co_loop_running()) > 1 && operations < 20000)
        ck_assert_int_eq(operate(each), 0);
    at = (int)((co_now() - before - ns) / each);
    ck_assert_int_eq(co_test_result(sleeper), 0);
    /* Twice: the budget may have begun anew right before. */
    ck_assert_int_le(at, 2 * CO__BUDGET);
}

CO_TASK_TEST(timer_is_not_starved_by_a_task_that_never_waits)
{
    operate_beside_a_sleeper(CO_US);
    operate_beside_a_sleeper(10 * CO_US);
}

/* ---- what the look finds ------------------------------------------------- */

static int sleep_under_a_timeout_that_passes(void *unused)
{
    co_loop *loop = co_loop_running();
    int r = 0;

    (void)unused;
    co_timeout(CO_US) {
        co_test_clock_pass(CO_MS);
        loop->slice = 1;
        /* The look finds this task's own timer due. */
        r = co__park(loop, co_self(), CO__WAIT_SLEEP);
    }
    return r;
}

CO_TASK_TEST(task_that_its_own_park_makes_ready_goes_on)
{
    co_task *task = co_test_spawn(sleep_under_a_timeout_that_passes, NULL);

    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(sleep_under_a_timeout_that_passes(NULL), -ETIMEDOUT);
}

static void count_call(void *count)
{
    ++*(int *)count;
}

static int end_with_a_call(void *call)
{
    co_loop *loop = co_loop_running();

    ck_assert_int_eq(co_call_soon_threadsafe(loop, call), 0);
    loop->slice = 1;
    return 0;
}

/* The callback task is spawned at the first call, here while a task that has
 * just given its stack back still runs on it. */
CO_TASK_TEST(callback_task_does_not_take_the_stack_of_the_ending_task)
{
    co_spawn_options options = {.size = sizeof(options), .detached = 1};
    int calls = 0;
    co_call call = {.fn = count_call, .arg = &calls};

    ck_assert_ptr_nonnull(co_spawn_with(&options, end_with_a_call, &call));
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_ptr_nonnull(co_spawn_with(&options, end_with_a_call, &call));
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(calls, 2);
}

static Suite *suite(void)
{
    Suite *s = suite_create("core/fairness");
    TCase *tc = tcase_create("fairness");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, tasks_that_yield_take_turns_in_order);
    tcase_add_test(tc, woken_task_queues_behind_those_that_are_ready);
    tcase_add_test(tc, timer_is_not_starved_by_a_task_that_yields_alone);
    tcase_add_test(tc, timer_is_not_starved_by_a_pair_that_yields);
    tcase_add_test(tc, call_from_outside_is_not_starved_by_tasks_that_yield);
    tcase_add_test(tc, call_from_outside_is_made_within_61_switches);
    tcase_add_test(tc, reactor_is_asked_once_a_period_and_not_at_each_look);
    tcase_add_test(tc, clock_is_looked_at_every_61_switches);
    tcase_add_test(tc, task_gives_way_after_128_operations);
    tcase_add_test(tc, task_gives_way_after_100_microseconds);
    tcase_add_test(tc, task_gives_way_after_4096_light_operations);
    tcase_add_test(tc,
                   task_gives_way_after_100_microseconds_of_light_operations);
    tcase_add_test(tc, timer_is_not_starved_by_a_task_that_never_waits);
    tcase_add_test(tc, task_that_its_own_park_makes_ready_goes_on);
    tcase_add_test(tc,
                   callback_task_does_not_take_the_stack_of_the_ending_task);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
