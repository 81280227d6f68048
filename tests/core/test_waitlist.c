/* SPDX-License-Identifier: MIT */
/* The list that everything waits in, alone and with tasks: first come, first
 * served, unlinked on each way out, nothing granted to who does not take it. */
#include "core/waitlist.h"

#include "core/park.h"
#include "core/sched.h"

#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <string.h>

/* ---- the list alone ------------------------------------------------------ */

#define WAITERS 20

static void check_list(const struct co__waitlist *list)
{
    const struct co__waiter *prev = NULL;

    for (const struct co__waiter *w = list->head; w; w = w->next) {
        ck_assert_ptr_eq(w->prev, prev);
        ck_assert_ptr_eq(w->list, list);
        prev = w;
    }
    ck_assert_ptr_eq(list->tail, prev);
    ck_assert_int_eq(co__waitlist_empty(list), !prev);
}

START_TEST(zeroed_list_is_empty)
{
    struct co__waitlist list;

    memset(&list, 0, sizeof(list));
    ck_assert(co__waitlist_empty(&list));
    check_list(&list);
    ck_assert_int_eq(co__waitlist_wake(&list, 0), 0);
    co__waitlist_wake_all(&list, 0);
}
END_TEST

START_TEST(waiters_stand_in_the_order_they_came)
{
    struct co__waitlist list = {0};
    struct co__waiter waiter[WAITERS];
    int i = 0;

    for (i = 0; i < WAITERS; i++) {
        co__waitlist_push(&list, &waiter[i], NULL);
        check_list(&list);
    }
    i = 0;
    for (struct co__waiter *w = list.head; w; w = w->next)
        ck_assert_ptr_eq(w, &waiter[i++]);
    ck_assert_int_eq(i, WAITERS);
}
END_TEST

START_TEST(removal_anywhere_and_twice_keeps_the_list_whole)
{
    struct co_test_random random = {5};
    struct co__waitlist list = {0};
    struct co__waiter waiter[WAITERS] = {{0}};
    int linked[WAITERS] = {0};

    for (int step = 0; step < 5000; step++) {
        int i = (int)co_test_random_below(&random, WAITERS), count = 0;

        if (linked[i])
            co__waitlist_remove(&waiter[i]);
        else
            co__waitlist_push(&list, &waiter[i], NULL);
        linked[i] = !linked[i];
        ck_assert_ptr_eq(waiter[i].list, linked[i] ? &list : NULL);
        if (!linked[i])
            co__waitlist_remove(&waiter[i]);
        check_list(&list);
        for (struct co__waiter *w = list.head; w; w = w->next)
            count++;
        for (i = 0; i < WAITERS; i++)
            count -= linked[i];
        ck_assert_int_eq(count, 0);
    }
}
END_TEST

/* ---- with tasks ---------------------------------------------------------- */

/* The least that can be waited for: a thing that is handed to one at a time. */
static struct co__waitlist line;
static struct co_test_log events;

static int stand_in_line(void *event)
{
    co_loop *loop = co_loop_running();
    struct co__waiter w;
    int r = co__enter(loop, loop->self);

    if (r < 0)
        return r;
    co__waitlist_push(&line, &w, loop->self);
    r = co__park(loop, loop->self, CO__WAIT_JOIN);
    co__waitlist_remove(&w);
    if (r >= 0)
        co_test_log_add(&events, (char)(intptr_t)event);
    return r;
}

static co_task *task[5];

static void line_up(void)
{
    memset(&line, 0, sizeof(line));
    events = (struct co_test_log){.length = 0};
    for (int i = 0; i < 5; i++)
        task[i] = co_test_spawn(stand_in_line, co_test_number('a' + i));
    co_test_yield();
}

CO_TASK_TEST(first_come_is_first_served)
{
    line_up();
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co__waitlist_wake(&line, 10 + i), 1);
    ck_assert_int_eq(co__waitlist_wake(&line, 99), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), 10 + i);
    ck_assert_str_eq(events.text, "abcde");
    ck_assert(co__waitlist_empty(&line));
}

CO_TASK_TEST(woken_waiter_stays_in_line_until_it_has_run)
{
    line_up();
    ck_assert_int_eq(co__waitlist_wake(&line, 1), 1);
    ck_assert_ptr_eq(line.head->task, task[0]);
    check_list(&line);
    co_test_yield();
    ck_assert_ptr_eq(line.head->task, task[1]);
    co__waitlist_wake_all(&line, 2);
    ck_assert(co__waitlist_empty(&line));
    ck_assert_int_eq(co_test_result(task[0]), 1);
    for (int i = 1; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), 2);
    ck_assert_str_eq(events.text, "abcde");
}

CO_TASK_TEST(cancelled_waiter_is_passed_over)
{
    line_up();
    ck_assert_int_eq(co_cancel(task[0]), 1);
    ck_assert_int_eq(co_cancel(task[2]), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co__waitlist_wake(&line, 7), 1);
    ck_assert_int_eq(co__waitlist_wake(&line, 7), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]),
                         i == 0 || i == 2 ? -ECANCELED : 7);
    ck_assert_str_eq(events.text, "bde");
    ck_assert(co__waitlist_empty(&line));
}

/* The thing was granted: a cancel that follows does not lose it. */
CO_TASK_TEST(permit_granted_before_cancel_is_kept)
{
    line_up();
    ck_assert_int_eq(co__waitlist_wake(&line, 7), 1);
    ck_assert_int_eq(co_cancel(task[0]), 1);
    ck_assert_int_eq(co_test_result(task[0]), 7);
    co__waitlist_wake_all(&line, 0);
    for (int i = 1; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
}

static int stand_in_line_briefly(void *event)
{
    int r = 0;

    co_timeout(CO_MS) {
        r = stand_in_line(event);
    }
    return r;
}

CO_TASK_TEST(waiter_that_times_out_leaves_the_line)
{
    co_task *brief;

    line_up();
    brief = co_test_spawn(stand_in_line_briefly, co_test_number('x'));
    ck_assert_int_eq(co_test_result(brief), -ETIMEDOUT);
    check_list(&line);
    co__waitlist_wake_all(&line, 3);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), 3);
    ck_assert_str_eq(events.text, "abcde");
}

CO_TASK_TEST(waiter_that_cannot_wait_joins_no_line)
{
    memset(&line, 0, sizeof(line));
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(stand_in_line(NULL), -ECANCELED);
    ck_assert(co__waitlist_empty(&line));
    ck_assert_int_eq(co_uncancel(co_self()), 0);
}

CO_TASK_TEST(cancelled_waiters_leave_the_middle_and_the_ends)
{
    static const int order[] = {2, 0, 4, 1, 3};

    line_up();
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(co_cancel(task[order[i]]), 1);
        ck_assert_int_eq(co_test_result(task[order[i]]), -ECANCELED);
        check_list(&line);
    }
    ck_assert(co__waitlist_empty(&line));
}

/* ---- in places of the task ----------------------------------------------- */

static int stand_in_place(void *event)
{
    co_loop *loop = co_loop_running();
    int r = co__park_in(loop, loop->self, &line, CO__WAIT_JOIN);

    ck_assert_ptr_null(loop->self->places[0].list);
    if (r >= 0)
        co_test_log_add(&events, (char)(intptr_t)event);
    return r;
}

static co_time limit;

static int stand_in_place_briefly(void *event)
{
    int r = 0;

    co_deadline(limit) {
        r = stand_in_place(event);
    }
    return r;
}

static void spawn_all(co_task_fn fn)
{
    memset(&line, 0, sizeof(line));
    events = (struct co_test_log){.length = 0};
    for (int i = 0; i < 5; i++)
        task[i] = co_test_spawn(fn, co_test_number('a' + i));
}

CO_TASK_TEST(who_is_granted_to_in_its_place_has_left_it)
{
    spawn_all(stand_in_place);
    co_test_yield();
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_eq(line.head, &task[i]->places[0]);
        ck_assert_ptr_eq(co__waitlist_grant(&line, i), &task[i]->places[0]);
        ck_assert_ptr_null(task[i]->places[0].list);
        check_list(&line);
    }
    co__waitlist_wake_all(&line, 7);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), i < 2 ? i : 7);
    ck_assert_str_eq(events.text, "abcde");
}

/* Before it runs: others need not look whether it is still there. */
CO_TASK_TEST(cancelled_task_leaves_its_place_at_once)
{
    static const int order[] = {2, 0, 4, 1, 3};

    spawn_all(stand_in_place);
    co_test_yield();
    for (int i = 0; i < 5; i++) {
        co_task *cancelled = task[order[i]];

        ck_assert_int_eq(co_cancel(cancelled), 1);
        ck_assert_int_eq(cancelled->state, CO__TASK_READY);
        ck_assert_ptr_null(cancelled->places[0].list);
        check_list(&line);
    }
    ck_assert(co__waitlist_empty(&line));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), -ECANCELED);
    ck_assert_str_eq(events.text, "");
}

CO_TASK_TEST(task_that_times_out_leaves_its_place_at_once)
{
    limit = co_now() + CO_MS;
    spawn_all(stand_in_place_briefly);
    ck_assert_int_eq(co_sleep_until(limit), 0); /* whose timer comes first */
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(task[i]->state, CO__TASK_READY);
    ck_assert(co__waitlist_empty(&line));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), -ETIMEDOUT);
}

CO_TASK_TEST(all_places_of_a_task_are_left_together)
{
    struct co__waitlist lines[CO__PLACES] = {{0}};
    co_task *self = co_self();

    for (int i = 0; i < CO__PLACES; i++)
        co__waitlist_push(&lines[i], &self->places[i], self);
    co__leave_places(self);
    for (int i = 0; i < CO__PLACES; i++)
        ck_assert(co__waitlist_empty(&lines[i]));
}

static void stand_in_a_callback(void *result)
{
    *(int *)result = stand_in_place(NULL);
}

CO_TASK_TEST(a_callback_takes_no_place)
{
    int result = 0;
    co_call call = {.fn = stand_in_a_callback, .arg = &result};

    memset(&line, 0, sizeof(line));
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    ck_assert_int_eq(co_sleep(1), 0);
    ck_assert_int_eq(result, -EPERM);
    ck_assert(co__waitlist_empty(&line));
}

static Suite *suite(void)
{
    Suite *s = suite_create("core/waitlist");
    TCase *tc = tcase_create("waitlist");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, zeroed_list_is_empty);
    tcase_add_test(tc, waiters_stand_in_the_order_they_came);
    tcase_add_test(tc, removal_anywhere_and_twice_keeps_the_list_whole);
    tcase_add_test(tc, first_come_is_first_served);
    tcase_add_test(tc, woken_waiter_stays_in_line_until_it_has_run);
    tcase_add_test(tc, cancelled_waiter_is_passed_over);
    tcase_add_test(tc, permit_granted_before_cancel_is_kept);
    tcase_add_test(tc, waiter_that_times_out_leaves_the_line);
    tcase_add_test(tc, waiter_that_cannot_wait_joins_no_line);
    tcase_add_test(tc, cancelled_waiters_leave_the_middle_and_the_ends);
    tcase_add_test(tc, who_is_granted_to_in_its_place_has_left_it);
    tcase_add_test(tc, cancelled_task_leaves_its_place_at_once);
    tcase_add_test(tc, task_that_times_out_leaves_its_place_at_once);
    tcase_add_test(tc, all_places_of_a_task_are_left_together);
    tcase_add_test(tc, a_callback_takes_no_place);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
