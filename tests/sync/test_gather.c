/* SPDX-License-Identifier: MIT */
/* Waiting for several futures: gather, the three modes of co_wait_many, and
 * futures in the order of their completion. */
#include <coppice/call.h>
#include <coppice/gather.h>
#include <coppice/group.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/dies.h"
#include "support/random.h"
#include "support/reports.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MANY 40 /* more than have room on the stack */

/* ---- the futures of these tests ------------------------------------------ */

static co_future *future[MANY];

static void make(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        future[i] = co_future_new();
        ck_assert_ptr_nonnull(future[i]);
    }
}

static void drop(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        co_future_unref(future[i]);
        future[i] = NULL;
    }
}

/* Resolves the future with this number after as many seconds, with ten times
 * its number, or with an error, if it is in `failing`. */
static unsigned failing;

static int resolve_later(void *number)
{
    int i = (int)(intptr_t)number;
    int r = co_sleep((i + 1) * CO_SEC);

    if (r < 0)
        return r;
    if (failing & 1u << i)
        return co_future_fail(future[i], -EPIPE - i);
    return co_future_resolve(future[i], 10 * i, NULL);
}

static void resolve_all_later(size_t count, unsigned failures)
{
    failing = failures;
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(co_detach(co_test_spawn(resolve_later,
                                                 co_test_number((intptr_t)i))),
                         0);
}

/* A task that gathers, or waits. */
struct call {
    size_t count;
    unsigned flags;
    enum co_wait_mode mode;
    co_time timeout; /* 0: none */
    int results[MANY];
};

static int run_gather(void *arg)
{
    struct call *call = arg;
    int r = 0;

    co_timeout(call->timeout ? call->timeout : CO_NEVER) {
        r = co_gather(future, call->count, call->results, call->flags);
    }
    return r;
}

static int run_wait(void *arg)
{
    struct call *call = arg;
    int r = 0;

    co_timeout(call->timeout ? call->timeout : CO_NEVER) {
        r = co_wait_many(future, call->count, call->mode);
    }
    return r;
}

/* ---- gather -------------------------------------------------------------- */

CO_TASK_TEST(gather_of_nothing_is_done)
{
    ck_assert_int_eq(co_gather(NULL, 0, NULL, 0), 0);
    ck_assert_int_eq(co_gather(NULL, 0, NULL, CO_GATHER_ALL), 0);
    ck_assert_int_eq(co_gather(future, 0, NULL, 0), 0);
}

CO_TASK_TEST(gather_returns_all_results_in_the_order_of_the_array)
{
    static const size_t counts[] = {1, 3, 12, 13, 30};

    for (int i = 0; i < 10; i++) {
        struct call call = {.count = counts[i / 2],
                            .flags = i % 2 ? CO_GATHER_ALL : 0};
        co_time begun = co_test_clock_elapsed();

        make(call.count);
        resolve_all_later(call.count, 0);
        ck_assert_int_eq(run_gather(&call), 0);
        ck_assert_int_eq(co_test_clock_elapsed() - begun,
                         (co_time)call.count * CO_SEC);
        for (size_t j = 0; j < call.count; j++)
            ck_assert_int_eq(call.results[j], 10 * (int)j);
        drop(call.count);
    }
}

CO_TASK_TEST(gather_of_what_is_done_does_not_suspend)
{
    int results[3];

    make(3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_future_resolve(future[i], i + 5, NULL), 0);
    ck_assert_int_eq(co_gather(future, 3, results, 0), 0);
    ck_assert_int_eq(results[2], 7);
    ck_assert_int_eq(co_gather(future, 3, NULL, CO_GATHER_ALL), 0);
    drop(3);
}

CO_TASK_TEST(first_error_is_returned_at_once_and_the_others_go_on)
{
    struct call call = {.count = 4};

    make(4);
    resolve_all_later(4, 1u << 1 | 1u << 2);
    ck_assert_int_eq(run_gather(&call), -EPIPE - 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
    ck_assert_int_eq(call.results[0], 0);
    ck_assert_int_eq(call.results[1], -EPIPE - 1);
    ck_assert_int_eq(call.results[2], -EAGAIN);
    ck_assert_int_eq(co_wait(future[3], NULL), 30);
    ck_assert_int_eq(co_test_clock_elapsed(), 4 * CO_SEC);
    drop(4);
}

/* First in time, not in the array. */
CO_TASK_TEST(first_error_is_the_first_that_came)
{
    make(3);
    ck_assert_int_eq(co_detach(co_test_spawn(resolve_later, co_test_number(1))),
                     0);
    failing = 7;
    ck_assert_int_eq(co_gather(future, 3, NULL, 0), -EPIPE - 1);
    ck_assert_int_eq(co_future_fail(future[0], -EIO), 0);
    ck_assert_int_eq(co_gather(future, 3, NULL, 0), -EIO); /* both are there */
    drop(3);
}

CO_TASK_TEST(of_two_errors_in_one_turn_the_first_is_returned)
{
    struct call call = {.count = 3};
    co_task *task;

    make(3);
    task = co_test_spawn(run_gather, &call);
    co_test_yield();
    ck_assert_int_eq(co_future_fail(future[2], -EIO), 0);
    ck_assert_int_eq(co_future_fail(future[0], -EPIPE), 0);
    ck_assert_int_eq(co_test_result(task), -EIO);
    drop(3);
}

CO_TASK_TEST(of_errors_from_before_the_first_of_the_array_is_returned)
{
    make(3);
    ck_assert_int_eq(co_future_fail(future[2], -EIO), 0);
    ck_assert_int_eq(co_future_fail(future[1], -EPIPE), 0);
    ck_assert_int_eq(co_gather(future, 3, NULL, 0), -EPIPE);
    drop(3);
}

CO_TASK_TEST(cancelled_future_is_an_error_of_gather)
{
    struct call call = {.count = 2};
    co_task *task;

    make(2);
    task = co_test_spawn(run_gather, &call);
    co_test_yield();
    ck_assert_int_eq(co_future_cancel(future[1]), 0);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(call.results[0], -EAGAIN);
    ck_assert_int_eq(co_future_done(future[0]), 0);
    drop(2);
}

CO_TASK_TEST(with_gather_all_errors_are_results)
{
    struct call call = {.count = 4, .flags = CO_GATHER_ALL};

    make(4);
    resolve_all_later(4, 1u << 0 | 1u << 2);
    ck_assert_int_eq(run_gather(&call), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 4 * CO_SEC);
    ck_assert_int_eq(call.results[0], -EPIPE);
    ck_assert_int_eq(call.results[1], 10);
    ck_assert_int_eq(call.results[2], -EPIPE - 2);
    ck_assert_int_eq(call.results[3], 30);
    drop(4);
}

CO_TASK_TEST(future_given_twice_counts_twice)
{
    co_future *twice[4];
    int results[4];

    for (unsigned flags = 0; flags < 2; flags++) {
        make(2);
        twice[0] = twice[3] = future[0];
        twice[1] = twice[2] = future[1];
        resolve_all_later(2, 0);
        ck_assert_int_eq(co_gather(twice, 4, results, flags), 0);
        ck_assert_int_eq(results[0], 0);
        ck_assert_int_eq(results[1], 10);
        ck_assert_int_eq(results[2], 10);
        ck_assert_int_eq(results[3], 0);
        drop(2);
    }
}

static int sleep_and_clean_up(void *arg)
{
    int r = co_sleep(*(co_time *)arg);

    if (r < 0)
        co_shield {
            ck_assert_int_eq(co_sleep(CO_SEC), 0);
        }
    return r < 0 ? r : 8;
}

CO_TASK_TEST(gatherer_that_is_limited_cancels_and_waits)
{
    for (int i = 0; i < 8; i++) {
        struct call call = {.count = i & 4 ? MANY : 2,
                            .flags = i & 1 ? CO_GATHER_ALL : 0,
                            .timeout = i & 2 ? CO_SEC : 0};
        co_time nine = 9 * CO_SEC, begun = co_test_clock_elapsed();
        co_task *gatherer, *task;

        make(call.count);
        task = co_test_spawn(sleep_and_clean_up, &nine);
        co_future_unref(future[1]);
        future[1] = co_future_ref(co_task_future(task));
        gatherer = co_test_spawn(run_gather, &call);
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        if (!call.timeout)
            ck_assert_int_eq(co_cancel(gatherer), 1);
        ck_assert_int_eq(co_test_result(gatherer),
                         call.timeout ? -ETIMEDOUT : -ECANCELED);
        ck_assert_int_eq(co_test_clock_elapsed() - begun, 2 * CO_SEC);
        ck_assert_int_eq(call.results[0], -ECANCELED);
        ck_assert_int_eq(call.results[1], -ECANCELED);
        ck_assert_int_eq(co_future_cancelled(future[1]), 1);
        ck_assert_int_eq(co_test_result(task), -ECANCELED);
        drop(call.count);
    }
}

CO_TASK_TEST(limit_that_is_there_already_cancels_too)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        struct call call = {.count = 3, .flags = flags};

        make(3);
        ck_assert_int_eq(co_future_resolve(future[1], 4, NULL), 0);
        ck_assert_int_eq(co_cancel(co_self()), 1);
        ck_assert_int_eq(run_gather(&call), -ECANCELED);
        ck_assert_int_eq(co_uncancel(co_self()), 0);
        ck_assert_int_eq(call.results[0], -ECANCELED);
        ck_assert_int_eq(call.results[1], 4);
        ck_assert_int_eq(co_future_cancelled(future[2]), 1);
        drop(3);
    }
}

CO_TASK_TEST(last_result_before_a_cancel_is_returned)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        struct call call = {.count = 2, .flags = flags};
        co_task *task;

        make(2);
        ck_assert_int_eq(co_future_resolve(future[0], 1, NULL), 0);
        task = co_test_spawn(run_gather, &call);
        co_test_yield();
        ck_assert_int_eq(co_future_resolve(future[1], 2, NULL), 0);
        ck_assert_int_eq(co_cancel(task), 1);
        ck_assert_int_eq(co_test_result(task), 0);
        ck_assert_int_eq(call.results[1], 2);
        drop(2);
    }
}

CO_TASK_TEST(cancel_before_the_last_result_is_returned)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        struct call call = {.count = 2, .flags = flags};
        co_task *task;

        make(2);
        task = co_test_spawn(run_gather, &call);
        co_test_yield();
        ck_assert_int_eq(co_cancel(task), 1);
        ck_assert_int_eq(co_future_resolve(future[1], 2, NULL), 0);
        ck_assert_int_eq(co_test_result(task), -ECANCELED);
        ck_assert_int_eq(call.results[0], -ECANCELED);
        ck_assert_int_eq(call.results[1], 2); /* it is not lost */
        drop(2);
    }
}

/* Waiting for all, the first was granted; for the second the cancel counts. */
CO_TASK_TEST(cancel_after_a_result_that_was_not_the_last_is_seen)
{
    struct call call = {.count = 2, .flags = CO_GATHER_ALL};
    co_task *task;

    make(2);
    task = co_test_spawn(run_gather, &call);
    co_test_yield();
    ck_assert_int_eq(co_future_resolve(future[0], 1, NULL), 0);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(call.results[0], 1);
    ck_assert_int_eq(call.results[1], -ECANCELED);
    drop(2);
}

/* Its own future goes as the child ends; the gatherer's hold keeps it. */
CO_TASK_TEST(children_of_a_group_can_be_gathered)
{
    static co_time second = CO_SEC;
    co_group group = {0};
    co_future *of[3];
    int results[3];

    for (unsigned flags = 0; flags < 2; flags++) {
        for (int i = 0; i < 3; i++) {
            of[i] = co_task_future(
                co_group_spawn(&group, sleep_and_clean_up, &second));
            ck_assert_ptr_nonnull(of[i]);
        }
        ck_assert_int_eq(co_gather(of, 3, results, flags), 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(results[i], 8);
        ck_assert_int_eq(co_group_wait(&group), 0);
    }
}

static int gather_self(void *unused)
{
    co_future *self = co_task_future(co_self());

    (void)unused;
    ck_assert_int_eq(co_gather(&self, 1, NULL, 0), -EDEADLK);
    ck_assert_int_eq(co_gather(&self, 1, NULL, CO_GATHER_ALL), -EDEADLK);
    ck_assert_int_eq(co_wait_many(&self, 1, CO_FIRST_DONE), -EDEADLK);
    return 0;
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_future *hole[2];

    make(2);
    hole[0] = future[0];
    hole[1] = NULL;
    ck_assert_int_eq(co_gather(NULL, 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_gather(hole, 2, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_gather(future, 2, NULL, 2), -EINVAL);
    ck_assert_int_eq(co_wait_many(NULL, 1, CO_FIRST_DONE), -EINVAL);
    ck_assert_int_eq(co_wait_many(hole, 2, CO_ALL_DONE), -EINVAL);
    ck_assert_int_eq(co_wait_many(future, 2, (enum co_wait_mode)3), -EINVAL);
    ck_assert_int_eq(co_wait_many(future, (size_t)INT_MAX + 1, CO_FIRST_DONE),
                     -EINVAL);
    ck_assert_int_eq(co_completed_init(NULL, future, 2), -EINVAL);
    ck_assert_int_eq(co_completed_init(&(co_completed){0}, hole, 2), -EINVAL);
    ck_assert_int_eq(co_completed_init(&(co_completed){0}, NULL, 2), -EINVAL);
    ck_assert_int_eq(co_completed_next(NULL, &(size_t){0}), -EINVAL);
    ck_assert_int_eq(co_completed_next(&(co_completed){0}, NULL), -EINVAL);
    ck_assert_int_eq(co_test_result(co_test_spawn(gather_self, NULL)), 0);
    ck_assert_int_eq(co_future_done(future[0]), 0);
    drop(2);
}

struct from_callback {
    co_call call;
    int gather, all, wait, next;
    co_completed completed;
};

static void use_in_callback(void *arg)
{
    struct from_callback *f = arg;
    size_t index;

    f->gather = co_gather(future, 2, NULL, 0);
    f->all = co_gather(future, 2, NULL, CO_GATHER_ALL);
    f->wait = co_wait_many(future, 2, CO_FIRST_DONE);
    f->next = co_completed_next(&f->completed, &index);
}

CO_TASK_TEST(callback_may_look_but_not_wait)
{
    struct from_callback f = {.gather = 1};

    f.call = (co_call){.fn = use_in_callback, .arg = &f};
    make(2);
    ck_assert_int_eq(co_completed_init(&f.completed, future, 2), 0);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &f.call), 0);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(f.gather, -EPERM);
    ck_assert_int_eq(f.all, -EPERM);
    ck_assert_int_eq(f.wait, -EPERM);
    ck_assert_int_eq(f.next, -EPERM);
    ck_assert_int_eq(co_future_done(future[0]), 0); /* nothing was cancelled */
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_future_resolve(future[i], 0, NULL), 0);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &f.call), 0);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(f.gather, 0);
    ck_assert_int_eq(f.all, 0);
    ck_assert_int_eq(f.wait, 2);
    ck_assert_int_eq(f.next, 1);
    co_completed_fini(&f.completed);
    drop(2);
}

static int make_two(void *unused)
{
    (void)unused;
    make(2);
    return 0;
}

static int drop_two(void *unused)
{
    (void)unused;
    drop(2);
    return 0;
}

static int use_foreign(void *unused)
{
    co_completed completed = {0};

    (void)unused;
    ck_assert_int_eq(co_gather(future, 2, NULL, 0), -EPERM);
    ck_assert_int_eq(co_wait_many(future, 2, CO_ALL_DONE), -EPERM);
    ck_assert_int_eq(co_completed_init(&completed, future, 2), -EPERM);
    return 0;
}

START_TEST(futures_of_another_loop_are_eperm)
{
    co_loop *loop = co_loop_new(NULL);
    co_completed none = {0};
    size_t index;

    ck_assert_int_eq(co_loop_run_until(loop, make_two, NULL, NULL), 0);
    use_foreign(NULL);
    ck_assert_int_eq(co_run(use_foreign, NULL), 0);
    ck_assert_int_eq(co_loop_run_until(loop, drop_two, NULL, NULL), 0);
    co_loop_free(loop);
    ck_assert_int_eq(co_completed_init(&none, NULL, 0), -EPERM);
    ck_assert_int_eq(co_completed_next(&none, &index), -EPERM);
}
END_TEST

CO_TASK_TEST(without_memory_nothing_is_waited_for_or_cancelled)
{
    co_completed completed = {0};

    make(MANY);
    co__fault_after(1);
    ck_assert_int_eq(co_gather(future, MANY, NULL, 0), -ENOMEM);
    co__fault_after(1);
    ck_assert_int_eq(co_wait_many(future, MANY, CO_FIRST_DONE), -ENOMEM);
    co__fault_after(1);
    ck_assert_int_eq(co_completed_init(&completed, future, MANY), -ENOMEM);
    co__fault_after(0);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(co_future_done(future[i]), 0);
    drop(MANY);
}

static int gather_few_and_all(void)
{
    struct call call = {.count = 12};
    co_task *task;

    make(12);
    resolve_all_later(12, 0);
    ck_assert_int_eq(run_wait(&call), 1);
    ck_assert_int_eq(run_gather(&call), 0);
    drop(12);
    make(30);
    call = (struct call){.count = 30, .flags = CO_GATHER_ALL};
    task = co_test_spawn(run_gather, &call);
    resolve_all_later(30, 0);
    call.mode = CO_ALL_DONE;
    ck_assert_int_eq(run_wait(&call), 30);
    ck_assert_int_eq(co_test_result(task), 0);
    drop(30);
    return 0;
}

CO_TASK_TEST(few_futures_and_all_of_many_take_no_memory)
{
    for (int i = 0; i < 4; i++) /* debug builds do not reuse stacks at once */
        gather_few_and_all();
    co__fault_after(0);
    gather_few_and_all();
    ck_assert_uint_eq(co__fault_after(0), 0);
}

/* Results that were given count as looked at. */
static int gather_errors(void *unused)
{
    struct call call = {.count = 2, .flags = CO_GATHER_ALL};

    (void)unused;
    make(2);
    resolve_all_later(2, 3);
    ck_assert_int_eq(run_gather(&call), 0);
    drop(2);
    make(2);
    resolve_all_later(2, 3);
    ck_assert_int_eq(co_gather(future, 2, NULL, 0), -EPIPE);
    ck_assert_int_eq(co_sleep(5 * CO_SEC), 0);
    drop(2); /* the second error came after the gather */
    return 0;
}

START_TEST(gathered_errors_are_not_reported_as_unseen)
{
    ck_assert_int_eq(co_test_run_reported(gather_errors, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_int_eq(co_test_reported.seen[0].error, -EPIPE - 1);
}
END_TEST

/* ---- the modes of wait --------------------------------------------------- */

CO_TASK_TEST(first_done_returns_with_the_first)
{
    static const size_t counts[] = {2, 12, 13, 30};

    ck_assert_int_eq(co_wait_many(NULL, 0, CO_FIRST_DONE), 0);
    for (int i = 0; i < 4; i++) {
        struct call call = {.count = counts[i]};
        co_time begun = co_test_clock_elapsed();

        make(counts[i]);
        resolve_all_later(counts[i], i & 1);
        ck_assert_int_eq(run_wait(&call), 1);
        ck_assert_int_eq(co_test_clock_elapsed() - begun, CO_SEC);
        ck_assert_int_eq(co_future_done(future[0]), 1);
        ck_assert_int_eq(co_future_done(future[1]), 0);
        ck_assert_int_eq(run_wait(&call), 1); /* it still is */
        ck_assert_int_eq(co_sleep(30 * CO_SEC), 0);
        ck_assert_int_eq(run_wait(&call), (int)counts[i]);
        drop(counts[i]);
    }
}

CO_TASK_TEST(first_error_returns_with_it)
{
    struct call call = {.count = 5, .mode = CO_FIRST_ERROR};

    make(5);
    resolve_all_later(5, 1u << 2 | 1u << 3);
    ck_assert_int_eq(run_wait(&call), 3);
    ck_assert_int_eq(co_test_clock_elapsed(), 3 * CO_SEC);
    ck_assert_int_eq(run_wait(&call), 3);
    ck_assert_int_eq(co_sleep(5 * CO_SEC), 0);
    drop(5);
}

CO_TASK_TEST(without_an_error_first_error_waits_for_all)
{
    struct call call = {.count = 4, .mode = CO_FIRST_ERROR};

    ck_assert_int_eq(co_wait_many(NULL, 0, CO_FIRST_ERROR), 0);
    make(4);
    resolve_all_later(3, 0);
    ck_assert_int_eq(co_future_cancel(future[3]), 0); /* that is none */
    ck_assert_int_eq(run_wait(&call), 4);
    ck_assert_int_eq(co_test_clock_elapsed(), 3 * CO_SEC);
    ck_assert_int_eq(run_wait(&call), 4);
    drop(4);
}

CO_TASK_TEST(all_done_waits_for_all)
{
    struct call call = {.count = 4, .mode = CO_ALL_DONE};

    ck_assert_int_eq(co_wait_many(NULL, 0, CO_ALL_DONE), 0);
    make(4);
    resolve_all_later(4, 5);
    ck_assert_int_eq(run_wait(&call), 4);
    ck_assert_int_eq(co_test_clock_elapsed(), 4 * CO_SEC);
    drop(4);
}

CO_TASK_TEST(wait_that_is_limited_cancels_nothing)
{
    for (int i = 0; i < 6; i++) {
        struct call call = {.count = 3,
                            .mode = (enum co_wait_mode)(i / 2),
                            .timeout = i & 1 ? CO_SEC : 0};
        co_task *waiter;

        make(3);
        waiter = co_test_spawn(run_wait, &call);
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        if (!call.timeout)
            ck_assert_int_eq(co_cancel(waiter), 1);
        ck_assert_int_eq(co_test_result(waiter),
                         call.timeout ? -ETIMEDOUT : -ECANCELED);
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(co_future_done(future[j]), 0);
            ck_assert_int_eq(co_future_resolve(future[j], 0, NULL), 0);
        }
        ck_assert_int_eq(co_cancel(co_self()), 1);
        ck_assert_int_eq(co_wait_many(future, 3, call.mode), -ECANCELED);
        ck_assert_int_eq(co_uncancel(co_self()), 0);
        drop(3);
    }
}

CO_TASK_TEST(result_and_cancel_of_a_wait_in_both_orders)
{
    for (int i = 0; i < 6; i++) {
        struct call call = {.count = 2, .mode = (enum co_wait_mode)(i / 2)};
        co_task *waiter;

        make(2);
        ck_assert_int_eq(co_future_resolve(future[0], 0, NULL), 0);
        if (call.mode == CO_FIRST_DONE)
            call.count = 1,
            future[0] = (co_future_unref(future[0]), co_future_new());
        waiter = co_test_spawn(run_wait, &call);
        co_test_yield();
        if (i & 1)
            ck_assert_int_eq(co_cancel(waiter), 1);
        ck_assert_int_eq(co_future_resolve(future[call.count - 1], 0, NULL), 0);
        if (!(i & 1))
            ck_assert_int_eq(co_cancel(waiter), 1);
        ck_assert_int_eq(co_test_result(waiter),
                         i & 1 ? -ECANCELED : (int)call.count);
        drop(2);
    }
}

CO_TASK_TEST(waiters_of_the_same_futures_are_all_served)
{
    struct call call[3] = {{.count = 5, .mode = CO_FIRST_DONE},
                           {.count = 5, .mode = CO_FIRST_ERROR},
                           {.count = 5, .mode = CO_ALL_DONE}};
    co_task *waiter[3];

    make(5);
    resolve_all_later(5, 1u << 2);
    for (int i = 0; i < 3; i++)
        waiter[i] = co_test_spawn(run_wait, &call[i]);
    ck_assert_int_eq(co_test_result(waiter[0]), 1);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(co_test_result(waiter[1]), 3);
    ck_assert_int_eq(co_test_clock_elapsed(), 3 * CO_SEC);
    ck_assert_int_eq(co_test_result(waiter[2]), 5);
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_SEC);
    drop(5);
}

/* ---- in the order of completion ------------------------------------------ */

static int next_is(co_completed *completed, size_t expected)
{
    size_t index = 999;
    int r = co_completed_next(completed, &index);

    return r == 1 && index == expected;
}

CO_TASK_TEST(zeroed_completed_has_nothing)
{
    co_completed completed = {0};
    size_t index = 7;

    ck_assert_int_eq(co_completed_next(&completed, &index), 0);
    ck_assert_uint_eq(index, 7);
    co_completed_fini(&completed);
    co_completed_fini(NULL);
    ck_assert_int_eq(co_completed_init(&completed, NULL, 0), 0);
    ck_assert_int_eq(co_completed_next(&completed, &index), 0);
    co_completed_fini(&completed);
}

CO_TASK_TEST(completed_come_in_the_order_of_completion)
{
    static const int order[] = {3, 0, 4, 1, 2};
    co_completed completed;
    size_t index = 7;

    make(5);
    ck_assert_int_eq(co_future_resolve(future[order[1]], 1, NULL), 0);
    ck_assert_int_eq(co_future_resolve(future[order[0]], 1, NULL), 0);
    ck_assert_int_eq(co_completed_init(&completed, future, 5), 0);
    ck_assert_int_eq(co_future_fail(future[order[2]], -EIO), 0);
    ck_assert_int_eq(co_future_cancel(future[order[3]]), 0);
    ck_assert_int_eq(co_future_resolve(future[order[4]], 1, NULL), 0);
    ck_assert(next_is(&completed, 0)); /* by the array: both were done */
    ck_assert(next_is(&completed, 3));
    for (int i = 2; i < 5; i++)
        ck_assert(next_is(&completed, (size_t)order[i]));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_completed_next(&completed, &index), 0);
    ck_assert_uint_eq(index, 7);
    co_completed_fini(&completed);
    ck_assert_int_eq(co_future_result(future[order[2]], NULL), -EIO);
    drop(5);
}

CO_TASK_TEST(completed_waits_for_the_next)
{
    co_completed completed;

    make(3);
    ck_assert_int_eq(co_completed_init(&completed, future, 3), 0);
    resolve_all_later(3, 2);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(next_is(&completed, i));
        ck_assert_int_eq(co_test_clock_elapsed(), (co_time)(i + 1) * CO_SEC);
    }
    co_completed_fini(&completed);
    ck_assert_int_eq(co_future_result(future[1], NULL), -EPIPE - 1);
    drop(3);
}

CO_TASK_TEST(completed_holds_its_futures_until_the_end)
{
    co_completed completed;
    co_future *kept;

    make(2);
    ck_assert_int_eq(co_completed_init(&completed, future, 2), 0);
    kept = co_future_ref(future[0]);
    drop(2);
    ck_assert_int_eq(co_future_resolve(kept, 3, NULL), 0);
    ck_assert(next_is(&completed, 0));
    co_completed_fini(&completed); /* the other is pending */
    ck_assert_int_eq(co_future_result(kept, NULL), 3);
    co_future_unref(kept);
}

static int take_next(void *arg)
{
    size_t index = 0;
    int r = co_completed_next(arg, &index);

    return r == 1 ? (int)(100 + index) : r;
}

CO_TASK_TEST(completed_and_cancel_in_both_orders_lose_nothing)
{
    co_completed completed;
    co_task *task;

    make(2);
    ck_assert_int_eq(co_completed_init(&completed, future, 2), 0);
    task = co_test_spawn(take_next, &completed);
    co_test_yield();
    ck_assert_int_eq(co_future_resolve(future[1], 0, NULL), 0);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 101);
    task = co_test_spawn(take_next, &completed);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_future_resolve(future[0], 0, NULL), 0);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(take_next(&completed), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    co_timeout(0) {
        ck_assert_int_eq(take_next(&completed), -ETIMEDOUT);
    }
    ck_assert_int_eq(take_next(&completed), 100);
    ck_assert_int_eq(take_next(&completed), 0);
    co_completed_fini(&completed);
    drop(2);
}

CO_TASK_TEST(completed_that_times_out_can_be_asked_again)
{
    co_completed completed;

    make(1);
    resolve_all_later(1, 0);
    ck_assert_int_eq(co_completed_init(&completed, future, 1), 0);
    co_timeout(CO_MS) {
        ck_assert_int_eq(take_next(&completed), -ETIMEDOUT);
    }
    ck_assert_int_eq(take_next(&completed), 100);
    co_completed_fini(&completed);
    drop(1);
}

CO_TASK_TEST(second_task_that_waits_for_the_next_is_ebusy)
{
    co_completed completed;
    co_task *task;

    make(1);
    ck_assert_int_eq(co_completed_init(&completed, future, 1), 0);
    task = co_test_spawn(take_next, &completed);
    co_test_yield();
    ck_assert_int_eq(take_next(&completed), -EBUSY);
    ck_assert_int_eq(co_future_resolve(future[0], 0, NULL), 0);
    ck_assert_int_eq(take_next(&completed), -EBUSY); /* it is granted */
    ck_assert_int_eq(co_test_result(task), 100);
    co_completed_fini(&completed);
    drop(1);
}

static int fini_while_waiting(void *unused)
{
    static co_completed completed;
    co_spawn_options options = {.size = sizeof(options), .name = "taker"};

    (void)unused;
    make(1);
    if (co_completed_init(&completed, future, 1) < 0 ||
        !co_spawn_with(&options, take_next, &completed))
        _exit(1);
    co_yield_now();
    co_completed_fini(&completed);
    return 0;
}

START_TEST(end_of_completed_that_is_waited_for_stops_the_program)
{
    const char *text = co_test_dies(fini_while_waiting, NULL);

    ck_assert_msg(strstr(text, "co_completed_fini") && strstr(text, "taker"),
                  "%s", text);
}
END_TEST

/* ---- a result and a timeout in the same turn ----------------------------- */

static const size_t one_and_many[] = {1, 20};

/* All are done but the last; or none is. */
static void make_nearly_done(size_t count, int none)
{
    make(count);
    for (size_t i = 0; !none && i + 1 < count; i++)
        ck_assert_int_eq(co_future_resolve(future[i], (int)i, NULL), 0);
}

static void resolve_last(size_t count)
{
    ck_assert_int_eq(co_future_resolve(future[count - 1], 77, NULL), 0);
}

/* The last future is resolved, and the second that the task has passes before
 * it goes on. Returns the task's result. */
static int result_then_timeout(co_task_fn fn, void *arg, size_t count)
{
    co_task *task = co_test_spawn(fn, arg);

    co_test_yield();
    resolve_last(count);
    co_test_clock_pass(2 * CO_SEC);
    return co_test_result(task);
}

/* The other order. */
static int timeout_then_result(co_task_fn fn, void *arg, size_t count)
{
    co_task *task = co_test_spawn(fn, arg);

    /* Its timer is armed after this one, for the same time. */
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    resolve_last(count);
    return co_test_result(task);
}

CO_TASK_TEST(last_result_before_a_timeout_is_gathered)
{
    for (int i = 0; i < 4; i++) {
        struct call call = {.count = one_and_many[i / 2],
                            .flags = i & 1 ? CO_GATHER_ALL : 0,
                            .timeout = CO_SEC};

        make_nearly_done(call.count, 0);
        ck_assert_int_eq(result_then_timeout(run_gather, &call, call.count), 0);
        for (size_t j = 0; j + 1 < call.count; j++)
            ck_assert_int_eq(call.results[j], (int)j);
        ck_assert_int_eq(call.results[call.count - 1], 77);
        drop(call.count);
    }
}

/* As with a cancel, for the second the timeout counts. */
CO_TASK_TEST(timeout_after_a_result_that_was_not_the_last_is_seen)
{
    for (int i = 0; i < 2; i++) {
        struct call call = {.count = 1 + one_and_many[i],
                            .flags = CO_GATHER_ALL,
                            .timeout = CO_SEC};

        make(call.count);
        ck_assert_int_eq(result_then_timeout(run_gather, &call, 1), -ETIMEDOUT);
        ck_assert_int_eq(call.results[0], 77);
        for (size_t j = 1; j < call.count; j++)
            ck_assert_int_eq(call.results[j], -ECANCELED);
        drop(call.count);
    }
}

CO_TASK_TEST(timeout_before_the_last_result_ends_a_gather_and_loses_nothing)
{
    for (int i = 0; i < 4; i++) {
        struct call call = {.count = one_and_many[i / 2],
                            .flags = i & 1 ? CO_GATHER_ALL : 0,
                            .timeout = CO_SEC};

        make(call.count);
        ck_assert_int_eq(timeout_then_result(run_gather, &call, call.count),
                         -ETIMEDOUT);
        for (size_t j = 0; j + 1 < call.count; j++)
            ck_assert_int_eq(call.results[j], -ECANCELED);
        ck_assert_int_eq(call.results[call.count - 1], 77);
        drop(call.count);
    }
}

CO_TASK_TEST(result_and_timeout_of_a_wait_in_both_orders)
{
    for (int i = 0; i < 12; i++) {
        struct call call = {.count = one_and_many[i & 1],
                            .mode = (enum co_wait_mode)(i / 4),
                            .timeout = CO_SEC};
        int first = call.mode == CO_FIRST_DONE;

        make_nearly_done(call.count, first);
        if (i & 2)
            ck_assert_int_eq(timeout_then_result(run_wait, &call, call.count),
                             -ETIMEDOUT);
        else
            ck_assert_int_eq(result_then_timeout(run_wait, &call, call.count),
                             first ? 1 : (int)call.count);
        ck_assert_int_eq(run_wait(&call), first ? 1 : (int)call.count);
        drop(call.count);
    }
}

static int take_next_in_a_second(void *completed)
{
    int r = 0;

    co_timeout(CO_SEC) {
        r = take_next(completed);
    }
    return r;
}

CO_TASK_TEST(completed_and_timeout_in_both_orders_lose_nothing)
{
    for (int i = 0; i < 4; i++) {
        size_t count = one_and_many[i / 2];
        int last = 99 + (int)count;
        co_completed completed;

        make(count);
        ck_assert_int_eq(co_completed_init(&completed, future, count), 0);
        if (i & 1) {
            ck_assert_int_eq(result_then_timeout(take_next_in_a_second,
                                                 &completed, count),
                             last);
        } else {
            ck_assert_int_eq(timeout_then_result(take_next_in_a_second,
                                                 &completed, count),
                             -ETIMEDOUT);
            ck_assert_int_eq(take_next(&completed), last);
        }
        co_completed_fini(&completed);
        drop(count);
    }
}

/* ---- thread-safe futures ------------------------------------------------- */

struct thread {
    pthread_t id;
    atomic_int go;
    int count;
};

/* Resolves all, the last first. */
static void *resolve_from_thread(void *arg)
{
    struct thread *thread = arg;

    while (!atomic_load(&thread->go))
        sched_yield();
    for (int i = thread->count - 1; i >= 0; i--)
        co_future_resolve(future[i], i, NULL);
    return NULL;
}

static void make_shared(struct thread *thread, int count)
{
    for (int i = 0; i < count; i++) {
        future[i] = co_future_new_threadsafe();
        ck_assert_ptr_nonnull(future[i]);
    }
    *thread = (struct thread){.count = count};
    ck_assert_int_eq(
        pthread_create(&thread->id, NULL, resolve_from_thread, thread), 0);
}

static void drop_shared(struct thread *thread)
{
    ck_assert_int_eq(pthread_join(thread->id, NULL), 0);
    drop((size_t)thread->count);
}

CO_TASK_TEST(thread_safe_futures_are_gathered)
{
    for (int round = 0; round < co_test_scale(300, 60); round++) {
        struct call call = {.count = 5 + 15 * (round & 1),
                            .flags = round & 2 ? CO_GATHER_ALL : 0};
        struct thread thread;

        make_shared(&thread, (int)call.count);
        atomic_store(&thread.go, 1);
        ck_assert_int_eq(run_gather(&call), 0);
        for (size_t i = 0; i < call.count; i++)
            ck_assert_int_eq(call.results[i], (int)i);
        drop_shared(&thread);
    }
}

CO_TASK_TEST(first_of_thread_safe_futures_ends_the_wait)
{
    for (int round = 0; round < co_test_scale(300, 60); round++) {
        struct call call = {.count = 5 + 15 * (round & 1)};
        struct thread thread;
        int r;

        make_shared(&thread, (int)call.count);
        atomic_store(&thread.go, 1);
        r = run_wait(&call);
        ck_assert_int_ge(r, 1);
        ck_assert_int_eq(co_future_done(future[call.count - 1]), 1);
        drop_shared(&thread);
    }
}

CO_TASK_TEST(thread_safe_futures_complete_in_their_order)
{
    for (int round = 0; round < co_test_scale(300, 60); round++) {
        co_completed completed;
        struct thread thread;

        make_shared(&thread, 10);
        ck_assert_int_eq(co_completed_init(&completed, future, 10), 0);
        atomic_store(&thread.go, 1);
        for (int i = 9; i >= round % 10; i--)
            ck_assert(next_is(&completed, (size_t)i));
        co_completed_fini(&completed); /* perhaps amid the resolving */
        drop_shared(&thread);
    }
}

/* A timeout that races the resolving thread. */
CO_TASK_TEST(gather_of_thread_safe_futures_can_time_out)
{
    for (int round = 0; round < co_test_scale(300, 60); round++) {
        struct call call = {.count = 20,
                            .flags = round & 1 ? CO_GATHER_ALL : 0,
                            .timeout = 1 + round % 50 * CO_US};
        struct thread thread;
        int r;

        make_shared(&thread, 20);
        atomic_store(&thread.go, 1);
        r = run_gather(&call);
        ck_assert(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        for (int i = 0; i < 20; i++)
            ck_assert(co_future_result(future[i], NULL) == i ||
                      co_future_cancelled(future[i]));
        drop_shared(&thread);
    }
}

START_TEST(thread_outside_loops_can_wait_for_all)
{
    struct call call = {.count = 20, .flags = CO_GATHER_ALL};
    struct thread thread;

    for (int i = 0; i < 2; i++) {
        make_shared(&thread, 20);
        ck_assert_int_eq(co_gather(future, 20, NULL, 0), -EPERM);
        ck_assert_int_eq(co_wait_many(future, 20, CO_FIRST_DONE), -EPERM);
        atomic_store(&thread.go, 1);
        call.mode = CO_ALL_DONE;
        if (i == 0)
            ck_assert_int_eq(run_gather(&call), 0);
        else
            ck_assert_int_eq(run_wait(&call), 20);
        ck_assert_int_eq(co_gather(future, 20, call.results, 0), 0);
        ck_assert_int_eq(call.results[19], 19);
        ck_assert_int_eq(co_wait_many(future, 20, CO_FIRST_DONE), 20);
        drop_shared(&thread);
    }
}
END_TEST

START_TEST(thread_that_times_out_cancels)
{
    struct thread thread;
    int results[3] = {0};

    make_shared(&thread, 3);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_gather(future, 3, results, CO_GATHER_ALL),
                         -ETIMEDOUT);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(results[i], -ECANCELED);
    atomic_store(&thread.go, 1);
    drop_shared(&thread);
}
END_TEST

/* ---- the suite ----------------------------------------------------------- */

static void add_gather(TCase *tc)
{
    co_test_virtual_clock(tc);
    tcase_add_test(tc, gather_of_nothing_is_done);
    tcase_add_test(tc, gather_returns_all_results_in_the_order_of_the_array);
    tcase_add_test(tc, gather_of_what_is_done_does_not_suspend);
    tcase_add_test(tc, first_error_is_returned_at_once_and_the_others_go_on);
    tcase_add_test(tc, first_error_is_the_first_that_came);
    tcase_add_test(tc, of_two_errors_in_one_turn_the_first_is_returned);
    tcase_add_test(tc,
                   of_errors_from_before_the_first_of_the_array_is_returned);
    tcase_add_test(tc, cancelled_future_is_an_error_of_gather);
    tcase_add_test(tc, with_gather_all_errors_are_results);
    tcase_add_test(tc, future_given_twice_counts_twice);
    tcase_add_test(tc, gatherer_that_is_limited_cancels_and_waits);
    tcase_add_test(tc, limit_that_is_there_already_cancels_too);
    tcase_add_test(tc, last_result_before_a_cancel_is_returned);
    tcase_add_test(tc, cancel_before_the_last_result_is_returned);
    tcase_add_test(tc, cancel_after_a_result_that_was_not_the_last_is_seen);
    tcase_add_test(tc, children_of_a_group_can_be_gathered);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, callback_may_look_but_not_wait);
    tcase_add_test(tc, futures_of_another_loop_are_eperm);
    tcase_add_test(tc, without_memory_nothing_is_waited_for_or_cancelled);
    tcase_add_test(tc, few_futures_and_all_of_many_take_no_memory);
    tcase_add_test(tc, gathered_errors_are_not_reported_as_unseen);
}

static void add_wait(TCase *tc)
{
    co_test_virtual_clock(tc);
    tcase_add_test(tc, first_done_returns_with_the_first);
    tcase_add_test(tc, first_error_returns_with_it);
    tcase_add_test(tc, without_an_error_first_error_waits_for_all);
    tcase_add_test(tc, all_done_waits_for_all);
    tcase_add_test(tc, wait_that_is_limited_cancels_nothing);
    tcase_add_test(tc, result_and_cancel_of_a_wait_in_both_orders);
    tcase_add_test(tc, waiters_of_the_same_futures_are_all_served);
}

static void add_completed(TCase *tc)
{
    co_test_virtual_clock(tc);
    tcase_add_test(tc, zeroed_completed_has_nothing);
    tcase_add_test(tc, completed_come_in_the_order_of_completion);
    tcase_add_test(tc, completed_waits_for_the_next);
    tcase_add_test(tc, completed_holds_its_futures_until_the_end);
    tcase_add_test(tc, completed_and_cancel_in_both_orders_lose_nothing);
    tcase_add_test(tc, completed_that_times_out_can_be_asked_again);
    tcase_add_test(tc, second_task_that_waits_for_the_next_is_ebusy);
    tcase_add_test(tc, end_of_completed_that_is_waited_for_stops_the_program);
}

static void add_same_turn(TCase *tc)
{
    co_test_virtual_clock(tc);
    tcase_add_test(tc, last_result_before_a_timeout_is_gathered);
    tcase_add_test(tc, timeout_after_a_result_that_was_not_the_last_is_seen);
    tcase_add_test(
        tc, timeout_before_the_last_result_ends_a_gather_and_loses_nothing);
    tcase_add_test(tc, result_and_timeout_of_a_wait_in_both_orders);
    tcase_add_test(tc, completed_and_timeout_in_both_orders_lose_nothing);
}

static void add_threads(TCase *tc)
{
    tcase_add_test(tc, thread_safe_futures_are_gathered);
    tcase_add_test(tc, first_of_thread_safe_futures_ends_the_wait);
    tcase_add_test(tc, thread_safe_futures_complete_in_their_order);
    tcase_add_test(tc, gather_of_thread_safe_futures_can_time_out);
    tcase_add_test(tc, thread_outside_loops_can_wait_for_all);
    tcase_add_test(tc, thread_that_times_out_cancels);
}

static Suite *suite(void)
{
    static void (*const cases[])(TCase *) = {
        add_gather, add_wait, add_completed, add_same_turn, add_threads};
    static const char *const names[] = {"gather", "wait", "completed",
                                        "same turn", "threads"};
    Suite *s = suite_create("sync/gather");

    for (int i = 0; i < 5; i++) {
        TCase *tc = tcase_create(names[i]);

        co_test_check_fds(tc);
        cases[i](tc);
        suite_add_tcase(s, tc);
    }
    return s;
}

CO_TEST_MAIN(suite)
