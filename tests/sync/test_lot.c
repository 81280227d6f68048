/* SPDX-License-Identifier: MIT */
/* The parking lot: waiting at an address. */
#include "sync/lot.h"

#include "core/task.h"
#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static int places[4096];
static struct co_test_log order;

struct visit {
    const void *address;
    int (*worth)(void *arg);
    int (*before)(void *arg);
    char name;
};

static int visit(void *arg)
{
    struct visit *v = arg;
    int r = co__lot_wait(v->address, v->worth, v->before, v);

    co_test_log_add(&order, v->name);
    return r;
}

static co_task *begun(struct visit *v)
{
    co_task *task = co_test_spawn(visit, v);

    co_test_yield();
    return task;
}

static int no(void *unused)
{
    (void)unused;
    return 17;
}

static void start(void)
{
    order.length = 0;
}

CO_TASK_TEST(who_came_first_is_woken_first)
{
    struct visit v[3];
    co_task *tasks[3];

    for (int i = 0; i < 3; i++) {
        v[i] = (struct visit){&places[0], NULL, NULL, (char)('a' + i)};
        tasks[i] = begun(&v[i]);
        ck_assert_int_eq(tasks[i]->state, CO__TASK_PARKED);
    }
    ck_assert_uint_eq(co__lot_wake(&places[0], 1), 1);
    ck_assert_int_eq(co_test_result(tasks[0]), 0);
    ck_assert_int_eq(tasks[1]->state, CO__TASK_PARKED);
    ck_assert_uint_eq(co__lot_wake(&places[0], 100), 2);
    ck_assert_int_eq(co_test_result(tasks[1]), 0);
    ck_assert_int_eq(co_test_result(tasks[2]), 0);
    ck_assert_uint_eq(co__lot_wake(&places[0], 100), 0);
    ck_assert_int_eq(memcmp(order.text, "abc", 3), 0);
}

/* Many addresses share a bucket. */
CO_TASK_TEST(only_those_at_the_address_are_woken)
{
    static struct visit v[300];
    static co_task *tasks[300];

    for (int i = 0; i < 300; i++) {
        v[i] = (struct visit){&places[i], NULL, NULL, 'x'};
        tasks[i] = begun(&v[i]);
    }
    for (int i = 299; i >= 0; i--) {
        ck_assert_uint_eq(co__lot_wake(&places[i + 300], 9), 0);
        ck_assert_uint_eq(co__lot_wake(&places[i], 9), 1);
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
        ck_assert_int_eq(i == 0 || tasks[i - 1]->state == CO__TASK_PARKED, 1);
    }
}

CO_TASK_TEST(what_is_not_worth_it_is_not_waited_for)
{
    struct visit v = {&places[0], no, NULL, 'a'};

    ck_assert_int_eq(visit(&v), 17);
    v = (struct visit){&places[0], NULL, no, 'a'};
    ck_assert_int_eq(visit(&v), 17);
    ck_assert_uint_eq(co__lot_wake(&places[0], 1), 0); /* not in line */
}

/* Already in line: what `before` lets go may be what somebody waits for. */
static int wake_myself(void *arg)
{
    return co__lot_wake(((struct visit *)arg)->address, 1) == 1 ? 0 : 18;
}

CO_TASK_TEST(who_is_woken_before_it_waits_does_not_wait)
{
    struct visit v = {&places[0], NULL, wake_myself, 'a'};

    ck_assert_int_eq(visit(&v), 0);
}

CO_TASK_TEST(a_wait_ends_with_a_scope_or_a_cancel)
{
    struct visit v = {&places[0], NULL, NULL, 'a'};
    co_task *task;

    co_timeout(10 * CO_MS) {
        ck_assert_int_eq(visit(&v), -ETIMEDOUT);
        ck_assert_int_eq(co_test_clock_elapsed(), 10 * CO_MS);
        ck_assert_int_eq(visit(&v), -ETIMEDOUT); /* it is past */
    }
    task = begun(&v);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_uint_eq(co__lot_wake(&places[0], 9), 0); /* all have left */
}

/* A wake that was given is not lost: who is cancelled after it has it. */
CO_TASK_TEST(a_wake_beside_a_cancel_goes_to_somebody)
{
    struct visit v = {&places[0], NULL, NULL, 'a'};
    struct visit w = {&places[0], NULL, NULL, 'b'};
    co_task *first, *second;

    first = begun(&v);
    second = begun(&w);
    ck_assert_uint_eq(co__lot_wake(&places[0], 1), 1);
    co_cancel(first);
    ck_assert_int_eq(co_test_result(first), 0);
    ck_assert_int_eq(second->state, CO__TASK_PARKED);
    first = begun(&v);
    co_cancel(second);
    ck_assert_uint_eq(co__lot_wake(&places[0], 1), 1);
    if (co_test_result(second) == -ECANCELED) /* then it was the other's */
        ck_assert_int_eq(co_test_result(first), 0);
    else {
        ck_assert_uint_eq(co__lot_wake(&places[0], 1), 1);
        ck_assert_int_eq(co_test_result(first), 0);
    }
}

static void *wake_one(void *address)
{
    return co_test_number((intptr_t)co__lot_wake(address, 1));
}

static int visit_shortly(void *v)
{
    int r = 0;

    co_timeout(CO_MS)
        r = visit(v);
    return r;
}

/* The wake is under way from another thread, and has not arrived when the
 * cancel, or the end of the time, does: it was for this task. */
CO_TASK_TEST(a_wake_under_way_is_before_a_cancel)
{
    struct visit v = {&places[0], NULL, NULL, 'a'};
    pthread_t thread;
    co_task *task;
    void *count;

    for (int late = 0; late < 2; late++) {
        task = late ? co_test_spawn(visit_shortly, &v) : begun(&v);
        co_test_yield();
        ck_assert_int_eq(pthread_create(&thread, NULL, wake_one, &places[0]),
                         0);
        ck_assert_int_eq(pthread_join(thread, &count), 0);
        ck_assert_int_eq(co_test_return(count), 1);
        if (late)
            co_test_clock_pass(2 * CO_MS);
        else
            co_cancel(task);
        ck_assert_int_eq(co_test_result(task), 0);
    }
}

/* ---- threads ------------------------------------------------------------- */

/* A lock made of a number and the lot, as the hooks make theirs: its waiters
 * have no other way to learn that it is free. */
static atomic_int taken;
static int inside, entered;

static int still_taken(void *unused)
{
    int none = 0;

    (void)unused;
    return atomic_compare_exchange_strong(&taken, &none, 1) ? 1 : 0;
}

static int take_and_let_go(void *rounds)
{
    for (int i = 0; i < (int)(intptr_t)rounds; i++) {
        int r = still_taken(NULL);

        while (r == 0) {
            r = co__lot_wait(&taken, still_taken, NULL, NULL);
            if (r < 0)
                return r;
        }
        if (inside++ != 0)
            return -EIO;
        entered++;
        if (i % 16 == 0)
            co_yield_now();
        inside--;
        atomic_store(&taken, 0);
        co__lot_wake(&taken, 1);
    }
    return 0;
}

static int some_tasks(void *rounds)
{
    co_task *tasks[4];
    int r = 0;

    for (int i = 0; i < 4; i++)
        tasks[i] = co_spawn(take_and_let_go, rounds);
    for (int i = 0; i < 4; i++) {
        int result = -ENOMEM;

        if (!tasks[i] || co_join(tasks[i], &result) < 0 || result < 0)
            r = -EIO;
    }
    return r;
}

static void *some_tasks_in_loop(void *rounds)
{
    return co_test_number(co_run(some_tasks, rounds));
}

START_TEST(no_wake_is_lost_between_threads)
{
    int rounds = co_test_scale(3000, 300);
    pthread_t threads[2];
    void *r;

    atomic_store(&taken, 0);
    inside = entered = 0;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, some_tasks_in_loop,
                       co_test_number(rounds));
    ck_assert_int_eq(co_run(some_tasks, co_test_number(rounds)), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &r), 0);
        ck_assert_ptr_null(r);
    }
    ck_assert_int_eq(entered, 3 * 4 * rounds);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync.lot");
    TCase *tc = tcase_create("lot");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, start, NULL);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, who_came_first_is_woken_first);
    tcase_add_test(tc, only_those_at_the_address_are_woken);
    tcase_add_test(tc, what_is_not_worth_it_is_not_waited_for);
    tcase_add_test(tc, who_is_woken_before_it_waits_does_not_wait);
    tcase_add_test(tc, a_wait_ends_with_a_scope_or_a_cancel);
    tcase_add_test(tc, a_wake_beside_a_cancel_goes_to_somebody);
    tcase_add_test(tc, a_wake_under_way_is_before_a_cancel);
    suite_add_tcase(s, tc);

    tc = tcase_create("threads");
    co_test_check_fds(tc);
    tcase_add_test(tc, no_wake_is_lost_between_threads);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
