/* SPDX-License-Identifier: MIT */
/* Futures of one loop: resolving, waiting, callbacks, references, and those of
 * tasks. CPython's test_futures and test_tasks were the list of what to look
 * at. Other threads are in test_future_threads.c. */
#include "core/future.h"

#include <coppice/call.h>
#include <coppice/future.h>
#include <coppice/group.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/random.h"
#include "support/reports.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <limits.h>
#include <string.h>
#include <sys/wait.h>

/* ---- what the tasks of these tests do ------------------------------------ */

static co_future *make(void)
{
    co_future *future = co_future_new();

    ck_assert_ptr_nonnull(future);
    return future;
}

static int wait_for(void *future)
{
    return co_wait(future, NULL);
}

static int wait_a_second(void *future)
{
    int r = 0;

    co_timeout(CO_SEC) {
        r = co_wait(future, NULL);
    }
    return r;
}

static struct co_test_log events;

struct named {
    co_future *future;
    char name;
};

static int wait_and_log(void *arg)
{
    struct named *named = arg;
    int r = co_wait(named->future, NULL);

    co_test_log_add(&events, named->name);
    return r;
}

static void log_letter(co_future *future, void *letter)
{
    ck_assert_int_eq(co_future_done(future), 1);
    co_test_log_add(&events, (char)(intptr_t)letter);
}

static void no_events(void)
{
    events = (struct co_test_log){.length = 0};
}

/* Let the callback task run. */
static void settle(void)
{
    ck_assert_int_eq(co_sleep(CO_MS), 0);
}

/* ---- resolving ----------------------------------------------------------- */

CO_TASK_TEST(new_future_is_pending)
{
    co_future *future = make();
    void *value = &future;

    ck_assert_int_eq(co_future_done(future), 0);
    ck_assert_int_eq(co_future_cancelled(future), 0);
    ck_assert_int_eq(co_future_result(future, &value), -EAGAIN);
    ck_assert_ptr_eq(value, &future);
    co_future_unref(future);
}

CO_TASK_TEST(result_and_value_reach_who_asks)
{
    static const int results[] = {0, 1, INT_MAX};
    int thing;

    for (int i = 0; i < 3; i++) {
        co_future *future = make();
        void *value = NULL;

        ck_assert_int_eq(co_future_resolve(future, results[i], &thing), 0);
        ck_assert_int_eq(co_future_done(future), 1);
        ck_assert_int_eq(co_future_cancelled(future), 0);
        ck_assert_int_eq(co_future_result(future, &value), results[i]);
        ck_assert_ptr_eq(value, &thing);
        value = NULL;
        ck_assert_int_eq(co_wait(future, &value), results[i]);
        ck_assert_ptr_eq(value, &thing);
        ck_assert_int_eq(co_future_result(future, NULL), results[i]);
        ck_assert_int_eq(co_wait(future, NULL), results[i]);
        co_future_unref(future);
    }
}

CO_TASK_TEST(error_leaves_the_value_alone)
{
    co_future *future = make();
    void *value = &future;

    ck_assert_int_eq(co_future_fail(future, -EIO), 0);
    ck_assert_int_eq(co_future_result(future, &value), -EIO);
    ck_assert_int_eq(co_wait(future, &value), -EIO);
    ck_assert_ptr_eq(value, &future);
    ck_assert_int_eq(co_future_cancelled(future), 0);
    co_future_unref(future);
}

CO_TASK_TEST(cancelled_future_says_so)
{
    co_future *future = make();

    ck_assert_int_eq(co_future_cancel(future), 0);
    ck_assert_int_eq(co_future_done(future), 1);
    ck_assert_int_eq(co_future_cancelled(future), 1);
    ck_assert_int_eq(co_future_result(future, NULL), -ECANCELED);
    ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
    co_future_unref(future);
    future = make();
    ck_assert_int_eq(co_future_fail(future, -ECANCELED), 0);
    ck_assert_int_eq(co_future_cancelled(future), 0); /* just an error */
    co_future_unref(future);
}

CO_TASK_TEST(second_resolution_is_ealready_and_changes_nothing)
{
    for (int first = 0; first < 3; first++) {
        co_future *future = make();
        int result = first == 0 ? 4 : first == 1 ? -EIO : -ECANCELED;

        ck_assert_int_eq(first == 0   ? co_future_resolve(future, 4, NULL)
                         : first == 1 ? co_future_fail(future, -EIO)
                                      : co_future_cancel(future),
                         0);
        ck_assert_int_eq(co_future_resolve(future, 5, NULL), -EALREADY);
        ck_assert_int_eq(co_future_fail(future, -EPIPE), -EALREADY);
        ck_assert_int_eq(co_future_cancel(future), -EALREADY);
        ck_assert_int_eq(co_future_result(future, NULL), result);
        ck_assert_int_eq(co_future_cancelled(future), first == 2);
        co_future_unref(future);
    }
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_future *future = make();

    ck_assert_int_eq(co_future_resolve(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(co_future_resolve(future, -1, NULL), -EINVAL);
    ck_assert_int_eq(co_future_fail(NULL, -EIO), -EINVAL);
    ck_assert_int_eq(co_future_fail(future, 0), -EINVAL);
    ck_assert_int_eq(co_future_fail(future, EIO), -EINVAL);
    ck_assert_int_eq(co_future_cancel(NULL), -EINVAL);
    ck_assert_int_eq(co_future_done(NULL), 0);
    ck_assert_int_eq(co_future_cancelled(NULL), 0);
    ck_assert_int_eq(co_future_result(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_wait(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_future_on_done(NULL, log_letter, NULL), -EINVAL);
    ck_assert_int_eq(co_future_on_done(future, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_future_remove_on_done(NULL, log_letter, NULL), -EINVAL);
    ck_assert_int_eq(co_future_remove_on_done(future, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(co_future_ref(NULL));
    co_future_unref(NULL);
    errno = 0;
    ck_assert_ptr_null(co_task_future(NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_spawn_on(NULL, co_test_return, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_spawn_on(co_loop_running(), NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_future_done(future), 0);
    co_future_unref(future);
}

static co_future *of_another;

static int make_there(void *task)
{
    of_another = make();
    *(co_task **)task = co_test_spawn(co_test_sleep_for_ever, NULL);
    ck_assert_ptr_nonnull(co_task_future(*(co_task **)task));
    return 0;
}

static int use_foreign(void *task)
{
    ck_assert_int_eq(co_future_resolve(of_another, 0, NULL), -EPERM);
    ck_assert_int_eq(co_future_fail(of_another, -EIO), -EPERM);
    ck_assert_int_eq(co_future_cancel(of_another), -EPERM);
    ck_assert_int_eq(co_wait(of_another, NULL), -EPERM);
    ck_assert_int_eq(co_future_on_done(of_another, log_letter, NULL), -EPERM);
    ck_assert_int_eq(co_future_remove_on_done(of_another, log_letter, NULL),
                     -EPERM);
    ck_assert_int_eq(co_future_done(of_another), 0);
    errno = 0;
    ck_assert_ptr_null(co_task_future(task));
    ck_assert_int_eq(errno, EPERM);
    return 0;
}

START_TEST(future_of_another_loop_is_eperm)
{
    co_loop *loop = co_loop_new(NULL);
    co_task *task = NULL;

    errno = 0;
    ck_assert_ptr_null(co_future_new());
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(co_loop_run_until(loop, make_there, &task, NULL), 0);
    use_foreign(task);
    ck_assert_int_eq(co_run(use_foreign, task), 0);
    co_loop_free(loop);
    co_future_unref(of_another); /* may outlive its loop */
}
END_TEST

CO_TASK_TEST(no_memory_is_enomem)
{
    co_future *future, *held[8];
    co_task *task = co_test_spawn(co_test_return, NULL);
    int count = 0;

    /* What the loop keeps for reuse needs none. */
    while (count < 8) {
        co__fault_after(1);
        errno = 0;
        future = co_future_new();
        if (!future)
            break;
        held[count++] = future;
    }
    ck_assert_int_lt(count, 8);
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_task_future(task));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_future_new_threadsafe());
    ck_assert_int_eq(errno, ENOMEM);
    for (unsigned n = 1; n <= 2; n++) {
        co__fault_after(n);
        errno = 0;
        ck_assert_ptr_null(
            co_spawn_on(co_loop_running(), co_test_return, NULL));
        ck_assert_int_eq(errno, ENOMEM);
    }
    co__fault_after(0);
    future = make();
    co__fault_after(1);
    ck_assert_int_eq(co_future_on_done(future, log_letter, NULL), -ENOMEM);
    co__fault_after(0);
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    co_future_unref(future);
    while (count)
        co_future_unref(held[--count]);
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- waiting ------------------------------------------------------------- */

static int resolve_in_a_second(void *future)
{
    static int thing;

    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    return co_future_resolve(future, 6, &thing);
}

CO_TASK_TEST(waiting_task_gets_result_and_value)
{
    co_future *future = make();
    void *value = NULL;

    ck_assert_int_eq(co_detach(co_test_spawn(resolve_in_a_second, future)), 0);
    ck_assert_int_eq(co_wait(future, &value), 6);
    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    co_future_unref(future);
}

CO_TASK_TEST(waiting_tasks_are_woken_in_the_order_they_came)
{
    struct named named[10];
    co_task *task[10];
    co_future *future = make();

    no_events();
    for (int i = 0; i < 10; i++) {
        named[i] = (struct named){future, (char)('a' + i)};
        task[i] = co_test_spawn(wait_and_log, &named[i]);
    }
    co_test_yield();
    ck_assert_int_eq(co_future_fail(future, -EIO), 0);
    for (int i = 9; i >= 0; i--)
        ck_assert_int_eq(co_test_result(task[i]), -EIO);
    ck_assert_str_eq(events.text, "abcdefghij");
    co_future_unref(future);
}

CO_TASK_TEST(result_before_a_cancel_is_kept)
{
    co_future *future = make();
    co_task *task = co_test_spawn(wait_for, future);

    co_test_yield();
    ck_assert_int_eq(co_future_resolve(future, 6, NULL), 0);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 6);
    co_future_unref(future);
}

CO_TASK_TEST(cancel_before_a_result_is_kept)
{
    co_future *future = make();
    co_task *task = co_test_spawn(wait_for, future);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_future_resolve(future, 6, NULL), 0);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_wait(future, NULL), 6); /* the result stays */
    co_future_unref(future);
}

/* Timers of one point in time fire in the order they were set. */
CO_TASK_TEST(result_and_timeout_in_both_orders)
{
    for (int late = 0; late < 2; late++) {
        co_future *future = make();
        co_task *task = co_test_spawn(wait_a_second, future);

        ck_assert_int_eq(co_sleep(CO_SEC - 1 + late), 0);
        ck_assert_int_eq(co_future_resolve(future, 6, NULL), 0);
        ck_assert_int_eq(co_test_result(task), late ? -ETIMEDOUT : 6);
        co_future_unref(future);
    }
}

CO_TASK_TEST(wait_that_ends_early_leaves_the_future_pending)
{
    co_future *future = make();
    co_task *task[3];

    for (int i = 0; i < 3; i++)
        task[i] = co_test_spawn(i == 1 ? wait_a_second : wait_for, future);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_int_eq(co_cancel(task[0]), 1);
    ck_assert_int_eq(co_test_result(task[0]), -ECANCELED);
    ck_assert_int_eq(co_test_result(task[1]), -ETIMEDOUT);
    ck_assert_int_eq(co_future_done(future), 0);
    ck_assert_int_eq(co_future_resolve(future, 2, NULL), 0);
    ck_assert_int_eq(co_test_result(task[2]), 2);
    co_future_unref(future);
}

CO_TASK_TEST(wait_under_a_limit_tries_nothing)
{
    co_future *future = make();

    ck_assert_int_eq(co_future_resolve(future, 2, NULL), 0);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
    co_shield {
        ck_assert_int_eq(co_wait(future, NULL), 2);
    }
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    co_timeout(0) {
        ck_assert_int_eq(co_wait(future, NULL), -ETIMEDOUT);
    }
    co_future_unref(future);
}

/* asyncio's wait_for, and one that must not be cut short. */
CO_TASK_TEST(shielded_wait_holds_a_cancel_back)
{
    co_future *future = make();

    ck_assert_int_eq(co_detach(co_test_spawn(resolve_in_a_second, future)), 0);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    co_shield {
        ck_assert_int_eq(co_wait(future, NULL), 6);
    }
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    co_future_unref(future);
}

struct from_callback {
    co_call call;
    co_future *future;
    int pending, done;
};

static void wait_in_callback(void *arg)
{
    struct from_callback *f = arg;

    f->pending = co_wait(f->future, NULL);
    ck_assert_int_eq(co_future_resolve(f->future, 5, NULL), 0);
    f->done = co_wait(f->future, NULL);
}

CO_TASK_TEST(callback_may_resolve_and_look_but_not_wait)
{
    struct from_callback f = {.future = make()};

    f.call = (co_call){.fn = wait_in_callback, .arg = &f};
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &f.call), 0);
    ck_assert_int_eq(co_wait(f.future, NULL), 5);
    ck_assert_int_eq(f.pending, -EPERM);
    ck_assert_int_eq(f.done, 5);
    co_future_unref(f.future);
}

/* The waiter holds it while it waits. */
CO_TASK_TEST(last_reference_may_go_while_a_task_waits)
{
    co_future *future = make();
    co_task *task = co_test_spawn(wait_for, future);
    co_task *other = co_test_spawn(wait_for, future);

    co_test_yield();
    ck_assert_int_eq(co_future_resolve(future, 3, NULL), 0);
    co_future_unref(future);
    ck_assert_int_eq(co_test_result(task), 3);
    ck_assert_int_eq(co_test_result(other), 3);
    future = make();
    task = co_test_spawn(wait_for, future);
    co_test_yield();
    co_future_unref(future); /* nobody can resolve it now */
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

CO_TASK_TEST(references_are_counted)
{
    co_future *future = make();

    for (int i = 0; i < 5; i++)
        ck_assert_ptr_eq(co_future_ref(future), future);
    for (int i = 0; i < 5; i++)
        co_future_unref(future);
    ck_assert_int_eq(co_future_resolve(future, 1, NULL), 0);
    co_future_unref(future);
}

static void resolve_and_wait(void)
{
    co_future *future[50];
    co_task *task[50];

    for (int i = 0; i < 50; i++) {
        future[i] = make();
        task[i] = co_test_spawn(wait_for, future[i]);
    }
    co_test_yield();
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(co_future_resolve(future[i], i, NULL), 0);
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(co_test_result(task[i]), i);
        co_future_unref(future[i]);
    }
    for (int i = 0; i < 50; i++) {
        task[i] = co_test_spawn(co_test_return, co_test_number(i));
        ck_assert_int_eq(co_wait(co_task_future(task[i]), NULL), i);
        ck_assert_int_eq(co_test_result(task[i]), i);
    }
}

CO_TASK_TEST(steady_state_allocates_nothing)
{
    for (int i = 0; i < 4; i++)
        resolve_and_wait();
    co__fault_after(0);
    for (int i = 0; i < 10; i++)
        resolve_and_wait();
    ck_assert_uint_eq(co__fault_after(0), 0);
}

/* ---- functions that are called ------------------------------------------- */

CO_TASK_TEST(functions_are_called_later_and_in_order)
{
    co_future *future = make();

    no_events();
    for (char c = 'a'; c < 'e'; c++)
        ck_assert_int_eq(
            co_future_on_done(future, log_letter, co_test_number(c)), 0);
    settle();
    ck_assert_str_eq(events.text, "");
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    ck_assert_str_eq(events.text, "");
    for (char c = 'e'; c < 'g'; c++) /* it is done: these come after */
        ck_assert_int_eq(
            co_future_on_done(future, log_letter, co_test_number(c)), 0);
    ck_assert_str_eq(events.text, "");
    settle();
    ck_assert_str_eq(events.text, "abcdef");
    settle();
    ck_assert_str_eq(events.text, "abcdef"); /* once each */
    co_future_unref(future);
}

CO_TASK_TEST(request_holds_the_future)
{
    co_future *future = make();

    no_events();
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('a')),
                     0);
    ck_assert_int_eq(co_future_cancel(future), 0);
    co_future_unref(future);
    settle();
    ck_assert_str_eq(events.text, "a");
}

CO_TASK_TEST(requests_can_be_taken_back)
{
    static const char letters[] = "abacab";
    co_future *future = make(), *other = make();

    no_events();
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(co_future_on_done(future, log_letter,
                                           co_test_number(letters[i])),
                         0);
        ck_assert_int_eq(
            co_future_on_done(other, log_letter, co_test_number('x')), 0);
    }
    ck_assert_int_eq(
        co_future_remove_on_done(future, log_letter, co_test_number('z')), 0);
    ck_assert_int_eq(
        co_future_remove_on_done(future, log_letter, co_test_number('a')), 3);
    ck_assert_int_eq(
        co_future_remove_on_done(future, log_letter, co_test_number('a')), 0);
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    ck_assert_int_eq(/* they are on their way already */
                     co_future_remove_on_done(future, log_letter,
                                              co_test_number('c')),
                     1);
    ck_assert_int_eq(
        co_future_remove_on_done(future, log_letter, co_test_number('c')), 0);
    settle();
    ck_assert_str_eq(events.text, "bb");
    ck_assert_int_eq(
        co_future_remove_on_done(future, log_letter, co_test_number('b')), 0);
    ck_assert_int_eq(
        co_future_remove_on_done(other, log_letter, co_test_number('x')), 6);
    co_future_unref(future);
    co_future_unref(other);
}

static void remove_the_next(co_future *future, void *letter)
{
    log_letter(future, letter);
    ck_assert_int_eq(
        co_future_remove_on_done(future, log_letter, co_test_number('b')), 1);
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('d')),
                     0);
    ck_assert_int_eq(co_wait(future, NULL), 1); /* it is done */
    ck_assert_int_eq(co_sleep(CO_SEC), -EPERM);
}

CO_TASK_TEST(called_function_may_add_and_take_back)
{
    co_future *future = make();

    no_events();
    ck_assert_int_eq(
        co_future_on_done(future, remove_the_next, co_test_number('a')), 0);
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('b')),
                     0);
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('c')),
                     0);
    ck_assert_int_eq(co_future_resolve(future, 1, NULL), 0);
    settle();
    ck_assert_str_eq(events.text, "acd");
    co_future_unref(future);
}

CO_TASK_TEST(tasks_and_functions_are_both_served)
{
    co_future *future = make();
    struct named named = {future, 't'};
    co_task *task = co_test_spawn(wait_and_log, &named);

    no_events();
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('f')),
                     0);
    co_test_yield();
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    settle();
    ck_assert_str_eq(events.text, "tf");
    co_future_unref(future);
}

static int leave_requests(void *unused)
{
    co_future *pending = make(), *done = make();

    (void)unused;
    no_events();
    ck_assert_int_eq(
        co_future_on_done(pending, log_letter, co_test_number('p')), 0);
    ck_assert_int_eq(co_future_on_done(done, log_letter, co_test_number('d')),
                     0);
    ck_assert_int_eq(co_future_resolve(done, 0, NULL), 0);
    co_future_unref(pending);
    co_future_unref(done);
    return 0;
}

START_TEST(end_of_the_loop_calls_what_is_due_and_forgets_the_rest)
{
    co_loop *loop = co_loop_new(NULL);

    ck_assert_int_eq(co_run(leave_requests, NULL), 0);
    ck_assert_str_eq(events.text, "d");
    ck_assert_int_eq(co_loop_run_until(loop, leave_requests, NULL, NULL), 0);
    co_loop_free(loop);
    ck_assert_str_eq(events.text, "d");
}
END_TEST

static void fork_in_callback(co_future *future, void *status)
{
    pid_t pid = fork();

    (void)future;
    if (pid > 0)
        ck_assert_int_eq(waitpid(pid, status, 0), pid);
}

/* The child has no loop any more, see fork.c. */
CO_TASK_TEST(forked_child_leaves_from_a_called_function)
{
    co_future *future = make();
    int status = -1;

    ck_assert_int_eq(co_future_on_done(future, fork_in_callback, &status), 0);
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('x')),
                     0);
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    settle();
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    co_future_unref(future);
}

/* ---- tasks' futures ------------------------------------------------------ */

CO_TASK_TEST(future_of_a_task_has_its_result)
{
    static const int results[] = {0, 7, INT_MAX, -EIO, -ECANCELED};

    for (int i = 0; i < 10; i++) {
        co_task *task =
            co_test_spawn(co_test_return, co_test_number(results[i / 2]));
        co_future *future = i & 1 ? co_task_future(task) : NULL;

        if (!future) { /* asked for when it has ended */
            co_test_yield();
            future = co_task_future(task);
        }
        ck_assert_ptr_nonnull(future);
        ck_assert_ptr_eq(co_task_future(task), future);
        ck_assert_int_eq(co_wait(future, NULL), results[i / 2]);
        ck_assert_int_eq(co_future_cancelled(future), 0);
        ck_assert_int_eq(co_test_result(task), results[i / 2]);
    }
}

CO_TASK_TEST(future_of_a_task_can_outlive_it)
{
    co_task *task = co_test_spawn(co_test_return, co_test_number(7));
    co_future *joined = co_future_ref(co_task_future(task)), *detached;

    ck_assert_int_eq(co_test_result(task), 7);
    ck_assert_int_eq(co_future_result(joined, NULL), 7);
    co_future_unref(joined);
    task = co_test_spawn(co_test_return, co_test_number(8));
    detached = co_future_ref(co_task_future(task));
    ck_assert_int_eq(co_detach(task), 0);
    ck_assert_int_eq(co_wait(detached, NULL), 8);
    ck_assert_int_eq(co_future_cancel(detached), -EALREADY);
    co_future_unref(detached);
}

CO_TASK_TEST(future_of_a_task_is_not_resolved_by_others)
{
    co_time second = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &second);
    co_future *future = co_task_future(task);

    ck_assert_int_eq(co_future_resolve(future, 1, NULL), -EPERM);
    ck_assert_int_eq(co_future_fail(future, -EIO), -EPERM);
    ck_assert_int_eq(co_wait(future, NULL), 0);
    ck_assert_int_eq(co_test_result(task), 0);
}

static int end_slowly(void *unused)
{
    int r = co_sleep_until(CO_NEVER);

    (void)unused;
    co_shield {
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
    return r;
}

CO_TASK_TEST(cancel_of_a_tasks_future_asks_the_task)
{
    co_task *task = co_test_spawn(end_slowly, NULL);
    co_future *future = co_task_future(task);

    co_test_yield();
    ck_assert_int_eq(co_future_cancel(future), 0);
    ck_assert_int_eq(co_cancelling(task), 1);
    ck_assert_int_eq(co_future_done(future), 0); /* it ends in its own time */
    ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(co_future_cancelled(future), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

static int refuse_to_end(void *unused)
{
    (void)unused;
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    return 3;
}

CO_TASK_TEST(task_may_have_a_result_all_the_same)
{
    co_task *task = co_test_spawn(refuse_to_end, NULL);
    co_future *future = co_task_future(task);

    co_test_yield();
    ck_assert_int_eq(co_future_cancel(future), 0);
    ck_assert_int_eq(co_wait(future, NULL), 3);
    ck_assert_int_eq(co_future_cancelled(future), 0);
    ck_assert_int_eq(co_test_result(task), 3);
}

static int wait_for_self(void *unused)
{
    (void)unused;
    return co_wait(co_task_future(co_self()), NULL);
}

CO_TASK_TEST(wait_for_ones_own_end_is_edeadlk)
{
    ck_assert_int_eq(co_test_result(co_test_spawn(wait_for_self, NULL)),
                     -EDEADLK);
}

CO_TASK_TEST(joiner_and_waiters_all_learn_of_the_end)
{
    co_time second = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &second);
    co_future *future = co_future_ref(co_task_future(task));
    co_task *waiter[3], *joiner;

    no_events();
    ck_assert_int_eq(co_future_on_done(future, log_letter, co_test_number('a')),
                     0);
    for (int i = 0; i < 3; i++)
        waiter[i] = co_test_spawn(wait_for, future);
    joiner = co_test_spawn(co_test_join, task);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(waiter[i]), 0);
    ck_assert_int_eq(co_test_result(joiner), 0);
    settle();
    ck_assert_str_eq(events.text, "a");
    co_future_unref(future);
}

static co_future *left_behind;

static int leave_a_waiter(void *unused)
{
    (void)unused;
    left_behind = co_future_ref(
        co_task_future(co_test_spawn(co_test_sleep_for_ever, NULL)));
    ck_assert_int_eq(co_detach(co_test_spawn(wait_for, left_behind)), 0);
    return co_yield_now();
}

START_TEST(future_of_a_task_that_is_left_is_resolved)
{
    ck_assert_int_eq(co_run(leave_a_waiter, NULL), 0);
    ck_assert_int_eq(co_future_result(left_behind, NULL), -ECANCELED);
    ck_assert_int_eq(co_future_cancelled(left_behind), 1);
    co_future_unref(left_behind);
}
END_TEST

/* ---- spawning into a loop, this one -------------------------------------- */

CO_TASK_TEST(spawn_on_gives_a_future_of_the_result)
{
    co_future *future =
        co_spawn_on(co_loop_running(), co_test_return, co_test_number(12));

    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(co_future_resolve(future, 1, NULL), -EPERM);
    ck_assert_int_eq(co_future_fail(future, -EIO), -EPERM);
    ck_assert_int_eq(co_wait(future, NULL), 12);
    ck_assert_int_eq(co_future_cancel(future), -EALREADY);
    co_future_unref(future);
}

CO_TASK_TEST(cancel_of_its_future_cancels_the_spawned_task)
{
    for (int begun = 0; begun < 2; begun++) {
        co_future *future = co_spawn_on(co_loop_running(), end_slowly, NULL);

        if (begun)
            settle();
        ck_assert_int_eq(co_future_cancel(future), 0);
        ck_assert_int_eq(co_future_cancel(future), 0); /* is on its way */
        ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
        ck_assert_int_eq(co_future_cancelled(future), 1);
        co_future_unref(future);
    }
}

static int spawn_at_the_end(void *future)
{
    *(co_future **)future =
        co_spawn_on(co_loop_running(), co_test_return, co_test_number(1));
    return 0;
}

START_TEST(spawn_on_an_ending_loop_is_eshutdown)
{
    co_future *future = NULL;

    ck_assert_int_eq(co_run(spawn_at_the_end, &future), 0);
    ck_assert_int_eq(co_future_result(future, NULL), -ESHUTDOWN);
    co_future_unref(future);
}
END_TEST

static int fork_and_return(void *status)
{
    pid_t pid = fork();

    if (pid == 0)
        return 5;
    ck_assert_int_eq(waitpid(pid, status, 0), pid);
    return 6;
}

CO_TASK_TEST(forked_child_of_a_spawned_task_exits_with_its_result)
{
    int status = -1;
    co_future *future =
        co_spawn_on(co_loop_running(), fork_and_return, &status);

    ck_assert_int_eq(co_wait(future, NULL), 6);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    co_future_unref(future);
}

/* ---- errors that nobody looked at ---------------------------------------- */

static int line_of_future;

static int forget_an_error(void *unused)
{
    co_future *future;

    (void)unused;
    line_of_future = __LINE__ + 1;
    future = co_future_new();
    ck_assert_int_eq(co_future_fail(future, -EIO), 0);
    co_future_unref(future);
    return 0;
}

START_TEST(error_that_nobody_looked_at_is_reported_with_its_site)
{
    ck_assert_int_eq(co_test_run_reported(forget_an_error, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_int_eq(co_test_reported.seen[0].error, -EIO);
    ck_assert(co_test_report_is_of(0, __FILE__, line_of_future));
    ck_assert_int_eq(co_test_reported.seen[0].had_task, 0);
}
END_TEST

static int look_at_errors(void *unused)
{
    co_future *future[6];
    co_task *task;

    (void)unused;
    for (int i = 0; i < 6; i++) {
        future[i] = make();
        if (i == 1)
            ck_assert_int_eq(co_future_on_done(future[i], log_letter, NULL), 0);
    }
    task = co_test_spawn(wait_for, future[2]);
    co_test_yield();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(co_future_fail(future[i], -EIO), 0);
    ck_assert_int_eq(co_future_cancel(future[4]), 0);
    settle();
    ck_assert_int_eq(co_future_result(future[0], NULL), -EIO);
    ck_assert_int_eq(co_test_result(task), -EIO);
    ck_assert_int_eq(co_wait(future[3], NULL), -EIO);
    for (int i = 0; i < 6; i++)
        co_future_unref(future[i]);
    task = co_test_spawn(co_test_return, co_test_number(-EIO));
    ck_assert_ptr_nonnull(co_task_future(task));
    ck_assert_int_eq(co_test_result(task), -EIO); /* joined: that is looking */
    ck_assert_ptr_nonnull(co_task_future(co_self()));
    return -EPIPE; /* co_run returns it */
}

START_TEST(error_that_was_looked_at_is_not_reported)
{
    ck_assert_int_eq(co_test_run_reported(look_at_errors, NULL), -EPIPE);
    ck_assert_int_eq(co_test_reported.count, 0);
}
END_TEST

static int forget_tasks(void *unused)
{
    co_task *task = co_test_spawn(co_test_return, co_test_number(-EIO));
    co_task *ended = co_test_spawn(co_test_return, co_test_number(-EPIPE));
    co_future *future;

    (void)unused;
    line_of_future = __LINE__ - 5;
    ck_assert_ptr_nonnull(co_task_future(task));
    ck_assert_int_eq(co_detach(task), 0);
    ck_assert_ptr_nonnull(co_task_future(ended));
    co_test_yield();
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_int_eq(co_detach(ended), 0);
    ck_assert_int_eq(co_test_reported.count, 2);
    future =
        co_spawn_on(co_loop_running(), co_test_return, co_test_number(-EBADF));
    settle();
    co_future_unref(future);
    return 0;
}

START_TEST(error_of_a_detached_task_with_a_future_is_reported_once)
{
    ck_assert_int_eq(co_test_run_reported(forget_tasks, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 3);
    ck_assert_int_eq(co_test_reported.seen[0].error, -EIO);
    ck_assert_int_eq(co_test_reported.seen[1].error, -EPIPE);
    ck_assert_int_eq(co_test_reported.seen[2].error, -EBADF);
}
END_TEST

/* ---- watches, for the layers above --------------------------------------- */

struct watcher {
    struct co__watch watch;
    char letter;
    struct watcher *to_unwatch;
};

static void told(struct co__watch *watch)
{
    struct watcher *w = CO_CONTAINER_OF(watch, struct watcher, watch);

    co_test_log_add(&events, w->letter);
    if (w->to_unwatch)
        co__future_unwatch(&w->to_unwatch->watch);
}

CO_TASK_TEST(watches_are_told_once_in_order_and_can_be_taken_back)
{
    struct watcher w[6] = {{.letter = 'a'}, {.letter = 'b'}, {.letter = 'c'},
                           {.letter = 'd'}, {.letter = 'e'}, {.letter = 'f'}};
    co_future *future = make();

    no_events();
    w[1].to_unwatch = &w[2]; /* that comes next */
    w[3].to_unwatch = &w[0]; /* that was told */
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(co__future_watch(future, &w[i].watch, told), 0);
    co__future_unwatch(&w[5].watch);
    co__future_unwatch(&w[5].watch);
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    ck_assert_str_eq(events.text, "abde");
    ck_assert_int_eq(co__future_watch(future, &w[5].watch, told), 1);
    co__future_unwatch(&w[5].watch);
    ck_assert_str_eq(events.text, "abde");
    co_future_unref(future);
}

/* ---- at random ----------------------------------------------------------- */

#define FUTURES 8
#define WAITERS 20

static int wait_for_one(void *slot)
{
    return co_wait(*(co_future **)slot, NULL);
}

/* Waiters come, are cancelled, and futures are resolved, in any order: each
 * waiter's result is that of what came first. */
CO_TASK_TEST(random_waits_agree_with_the_model)
{
    struct co_test_random random = {17};

    for (int round = 0; round < co_test_scale(2000, 200); round++) {
        co_future *future[FUTURES];
        co_task *task[WAITERS] = {NULL};
        int of[WAITERS] = {0}, expected[WAITERS] = {0}, left[WAITERS] = {0};
        int result[FUTURES] = {0}, done[FUTURES] = {0};

        for (int i = 0; i < FUTURES; i++)
            future[i] = make();
        for (int step = 0; step < 60; step++) {
            int f = (int)co_test_random_below(&random, FUTURES);
            int w = (int)co_test_random_below(&random, WAITERS);

            switch (co_test_random_below(&random, 3)) {
            case 0:
                if (task[w])
                    break;
                task[w] = co_test_spawn(wait_for_one, &future[f]);
                of[w] = f;
                expected[w] = result[f];
                left[w] = !done[f];
                co_test_yield();
                break;
            case 1:
                if (!task[w] || !left[w])
                    break;
                ck_assert_int_eq(co_cancel(task[w]), 1);
                expected[w] = -ECANCELED;
                left[w] = 0;
                break;
            default:
                if (done[f] || co_test_random_below(&random, 3))
                    break;
                done[f] = 1;
                result[f] = step;
                ck_assert_int_eq(co_future_resolve(future[f], step, NULL), 0);
                for (int i = 0; i < WAITERS; i++) {
                    if (!task[i] || !left[i] || of[i] != f)
                        continue;
                    expected[i] = step;
                    left[i] = 0;
                }
                break;
            }
        }
        for (int i = 0; i < FUTURES; i++)
            if (!done[i])
                ck_assert_int_eq(co_future_cancel(future[i]), 0);
        for (int i = 0; i < WAITERS; i++)
            if (task[i])
                ck_assert_int_eq(co_test_result(task[i]),
                                 left[i] ? -ECANCELED : expected[i]);
        for (int i = 0; i < FUTURES; i++)
            co_future_unref(future[i]);
    }
}

/* ---- the suite ----------------------------------------------------------- */

static void add_resolving(TCase *tc)
{
    tcase_add_test(tc, new_future_is_pending);
    tcase_add_test(tc, result_and_value_reach_who_asks);
    tcase_add_test(tc, error_leaves_the_value_alone);
    tcase_add_test(tc, cancelled_future_says_so);
    tcase_add_test(tc, second_resolution_is_ealready_and_changes_nothing);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, future_of_another_loop_is_eperm);
    tcase_add_test(tc, no_memory_is_enomem);
}

static void add_waiting(TCase *tc)
{
    tcase_add_test(tc, waiting_task_gets_result_and_value);
    tcase_add_test(tc, waiting_tasks_are_woken_in_the_order_they_came);
    tcase_add_test(tc, result_before_a_cancel_is_kept);
    tcase_add_test(tc, cancel_before_a_result_is_kept);
    tcase_add_test(tc, result_and_timeout_in_both_orders);
    tcase_add_test(tc, wait_that_ends_early_leaves_the_future_pending);
    tcase_add_test(tc, wait_under_a_limit_tries_nothing);
    tcase_add_test(tc, shielded_wait_holds_a_cancel_back);
    tcase_add_test(tc, callback_may_resolve_and_look_but_not_wait);
    tcase_add_test(tc, last_reference_may_go_while_a_task_waits);
    tcase_add_test(tc, references_are_counted);
    tcase_add_test(tc, steady_state_allocates_nothing);
    tcase_add_test(tc, watches_are_told_once_in_order_and_can_be_taken_back);
    tcase_add_test(tc, random_waits_agree_with_the_model);
}

static void add_calls(TCase *tc)
{
    tcase_add_test(tc, functions_are_called_later_and_in_order);
    tcase_add_test(tc, request_holds_the_future);
    tcase_add_test(tc, requests_can_be_taken_back);
    tcase_add_test(tc, called_function_may_add_and_take_back);
    tcase_add_test(tc, tasks_and_functions_are_both_served);
    tcase_add_test(tc, end_of_the_loop_calls_what_is_due_and_forgets_the_rest);
    tcase_add_test(tc, forked_child_leaves_from_a_called_function);
}

static void add_tasks(TCase *tc)
{
    tcase_add_test(tc, future_of_a_task_has_its_result);
    tcase_add_test(tc, future_of_a_task_can_outlive_it);
    tcase_add_test(tc, future_of_a_task_is_not_resolved_by_others);
    tcase_add_test(tc, cancel_of_a_tasks_future_asks_the_task);
    tcase_add_test(tc, task_may_have_a_result_all_the_same);
    tcase_add_test(tc, wait_for_ones_own_end_is_edeadlk);
    tcase_add_test(tc, joiner_and_waiters_all_learn_of_the_end);
    tcase_add_test(tc, future_of_a_task_that_is_left_is_resolved);
    tcase_add_test(tc, spawn_on_gives_a_future_of_the_result);
    tcase_add_test(tc, cancel_of_its_future_cancels_the_spawned_task);
    tcase_add_test(tc, spawn_on_an_ending_loop_is_eshutdown);
    tcase_add_test(tc, forked_child_of_a_spawned_task_exits_with_its_result);
    tcase_add_test(tc, error_that_nobody_looked_at_is_reported_with_its_site);
    tcase_add_test(tc, error_that_was_looked_at_is_not_reported);
    tcase_add_test(tc, error_of_a_detached_task_with_a_future_is_reported_once);
}

static Suite *suite(void)
{
    static void (*const cases[])(TCase *) = {add_resolving, add_waiting,
                                             add_calls, add_tasks};
    static const char *const names[] = {"resolving", "waiting", "calls",
                                        "tasks"};
    Suite *s = suite_create("core/future");

    for (int i = 0; i < 4; i++) {
        TCase *tc = tcase_create(names[i]);

        co_test_check_fds(tc);
        co_test_virtual_clock(tc);
        cases[i](tc);
        suite_add_tcase(s, tc);
    }
    return s;
}

CO_TEST_MAIN(suite)
