/* SPDX-License-Identifier: MIT */
/* Groups: children that end together, with the first failure, with who waits
 * for them, and after a grace period. CPython's test_taskgroups was the list of
 * what to look at. */
#include <coppice/call.h>
#include <coppice/future.h>
#include <coppice/group.h>
#include <coppice/report.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/dies.h"
#include "support/random.h"
#include "support/reports.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <string.h>

/* ---- what children do ---------------------------------------------------- */

/* Sleeps, and returns `result`; if that is cut short cleans up for some time,
 * and returns why, or `instead` if that is not 0. */
struct child {
    co_time sleep;
    int result;
    co_time clean_up;
    int instead;
    /* What became of it: */
    int got;
    int cancels;
    int ended;
    co_time ended_at;
};

static int run_child(void *arg)
{
    struct child *child = arg;

    child->got = co_sleep_until(co_now() + child->sleep);
    if (child->got < 0 && child->clean_up) {
        co_shield {
            ck_assert_int_eq(co_sleep(child->clean_up), 0);
        }
    }
    child->cancels = co_cancelling(co_self());
    child->ended = 1;
    child->ended_at = co_test_clock_elapsed();
    if (child->got == 0)
        return child->result;
    return child->instead ? child->instead : child->got;
}

static co_task *add(co_group *group, struct child *child)
{
    co_task *task = co_group_spawn(group, run_child, child);

    ck_assert_ptr_nonnull(task);
    return task;
}

static int wait_for_group(void *group)
{
    return co_group_wait(group);
}

static void is_as_new(const co_group *group)
{
    static const co_group fresh;

    ck_assert_mem_eq(group, &fresh, sizeof(fresh));
}

/* ---- spawning and waiting ------------------------------------------------ */

CO_TASK_TEST(zeroed_group_has_nothing_to_wait_for)
{
    co_group group = {0};

    ck_assert_uint_eq(co_group_count(&group), 0);
    ck_assert_int_eq(co_group_error(&group), 0);
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_group_cancel_after(&group, CO_SEC), 0);
    ck_assert_int_eq((int)co_test_clock_elapsed(), 0);
    co_group_fini(&group);
    is_as_new(&group);
}

CO_TASK_TEST(wait_returns_when_the_last_child_has_ended)
{
    struct child child[5] = {{.sleep = 3 * CO_SEC, .result = 7},
                             {.sleep = CO_SEC, .result = 1},
                             {.sleep = 5 * CO_SEC},
                             {.sleep = 2 * CO_SEC},
                             {.sleep = 4 * CO_SEC}};
    co_group group = {0};

    for (int i = 0; i < 5; i++)
        add(&group, &child[i]);
    ck_assert_uint_eq(co_group_count(&group), 5);
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_SEC);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(child[i].ended, 1);
        ck_assert_int_eq(child[i].got, 0);
    }
    is_as_new(&group);
}

CO_TASK_TEST(wait_for_children_that_have_ended_does_not_suspend)
{
    struct child child = {.sleep = 0};
    co_group group = {0};

    add(&group, &child);
    co_test_yield();
    ck_assert_int_eq(child.ended, 0); /* it has given way itself */
    co_test_yield();
    ck_assert_int_eq(child.ended, 1);
    ck_assert_uint_eq(co_group_count(&group), 0);
    ck_assert_int_eq(co_group_wait(&group), 0);
}

static struct co_test_log events;

static int log_one(void *event)
{
    co_test_log_add(&events, (char)(intptr_t)event);
    return 0;
}

CO_TASK_TEST(children_start_in_the_order_they_were_spawned)
{
    co_group group = {0};

    events = (struct co_test_log){.length = 0};
    for (int i = 0; i < 26; i++)
        ck_assert_ptr_nonnull(
            co_group_spawn(&group, log_one, co_test_number('a' + i)));
    ck_assert_str_eq(events.text, "");
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_str_eq(events.text, "abcdefghijklmnopqrstuvwxyz");
}

CO_TASK_TEST(children_leave_from_anywhere)
{
    struct child child[40];
    struct co_test_random random = {3};

    for (int round = 0; round < 50; round++) {
        co_group group = {0};

        memset(child, 0, sizeof(child));
        for (int i = 0; i < 40; i++) {
            child[i].sleep = co_test_random_below(&random, 50) * CO_MS;
            add(&group, &child[i]);
        }
        ck_assert_int_eq(co_sleep(25 * CO_MS + 1), 0);
        for (int i = 0; i < 40; i++)
            ck_assert_int_eq(child[i].ended, child[i].sleep <= 25 * CO_MS);
        ck_assert_int_eq(co_group_wait(&group), 0);
        for (int i = 0; i < 40; i++)
            ck_assert_int_eq(child[i].ended, 1);
    }
}

static int spawn_more(void *arg)
{
    co_group *group = arg;
    static struct child late[3];

    memset(late, 0, sizeof(late));
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    for (int i = 0; i < 3; i++) {
        late[i].sleep = CO_SEC;
        add(group, &late[i]);
    }
    return 0;
}

CO_TASK_TEST(children_spawned_while_a_task_waits_are_waited_for)
{
    co_group group = {0};

    ck_assert_ptr_nonnull(co_group_spawn(&group, spawn_more, &group));
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
}

/* The group was empty for a moment, and its waiter has been woken. */
CO_TASK_TEST(child_spawned_after_the_last_has_ended_is_waited_for_too)
{
    struct child first = {.sleep = CO_SEC}, late = {.sleep = CO_SEC};
    co_group group = {0};
    co_task *waiter;

    waiter = co_test_spawn(wait_for_group, &group);
    add(&group, &first);
    co_test_yield();
    ck_assert_int_eq(co_sleep(CO_SEC), 0); /* its timer is before ours */
    ck_assert_int_eq(first.ended, 1);
    add(&group, &late);
    ck_assert_int_eq(co_test_result(waiter), 0);
    ck_assert_int_eq(late.ended, 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
}

CO_TASK_TEST(options_of_a_child_are_those_of_a_spawn)
{
    co_group group = {0}, other = {0};
    co_spawn_options options = {.size = sizeof(options), .name = "kid"};
    struct child child = {.sleep = CO_SEC};
    co_task *task = co_group_spawn_with(&group, &options, run_child, &child);

    ck_assert_ptr_nonnull(task);
    ck_assert_str_eq(co_task_name(task), "kid");
    ck_assert_ptr_null(options.group);
    options.group = &group;
    ck_assert_ptr_nonnull(
        co_group_spawn_with(&group, &options, run_child, &child));
    ck_assert_ptr_nonnull(co_spawn_with(&options, run_child, &child));
    ck_assert_ptr_nonnull(co_group_spawn_with(&group, NULL, run_child, &child));
    ck_assert_uint_eq(co_group_count(&group), 4);
    errno = 0;
    ck_assert_ptr_null(
        co_group_spawn_with(&other, &options, run_child, &child));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_group group = {0};
    co_spawn_options wrong = {.size = 3};
    co_spawn_options detached = {.size = sizeof(detached), .detached = 1};
    co_spawn_options tiny = {.size = sizeof(tiny), .stack_size = 1};
    struct {
        co_group *group;
        co_spawn_options *options;
        co_task_fn fn;
    } bad[] = {{NULL, NULL, log_one},     {&group, NULL, NULL},
               {&group, &wrong, log_one}, {&group, &detached, log_one},
               {&group, &tiny, log_one},  {NULL, &detached, log_one}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        ck_assert_ptr_null(
            co_group_spawn_with(bad[i].group, bad[i].options, bad[i].fn, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_ptr_null(co_group_spawn(NULL, log_one, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_group_spawn(&group, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    detached.group = &group;
    errno = 0;
    ck_assert_ptr_null(co_spawn_with(&detached, log_one, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_group_wait(NULL), -EINVAL);
    ck_assert_int_eq(co_group_cancel(NULL), -EINVAL);
    ck_assert_int_eq(co_group_cancel_after(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_group_cancel_after(NULL, 1), -EINVAL);
    ck_assert_uint_eq(co_group_count(NULL), 0);
    ck_assert_int_eq(co_group_error(NULL), 0);
    co_group_fini(NULL);
    is_as_new(&group);
}

CO_TASK_TEST(without_memory_a_group_stays_as_it_was)
{
    struct child child = {.sleep = CO_SEC};
    co_group group = {0};
    co_spawn_options large = {.size = sizeof(large), .stack_size = 1 << 26};

    add(&group, &child);
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_group_spawn_with(&group, &large, log_one, NULL));
    co__fault_after(0);
    ck_assert(errno == ENOMEM || errno == EAGAIN);
    ck_assert_uint_eq(co_group_count(&group), 1);
    ck_assert_int_eq(co_group_wait(&group), 0);
}

CO_TASK_TEST(child_is_neither_joined_nor_detached)
{
    struct child child = {.sleep = CO_SEC};
    co_group group = {0};
    co_task *task = add(&group, &child);

    ck_assert_int_eq(co_join(task, NULL), -EINVAL);
    ck_assert_int_eq(co_detach(task), -EINVAL);
    ck_assert_int_eq(co_cancelling(task), 0);
    ck_assert_int_eq(co_group_wait(&group), 0);
}

CO_TASK_TEST(future_of_a_child_can_outlive_it)
{
    struct child child = {.sleep = CO_SEC, .result = 31};
    co_group group = {0};
    co_future *future = co_future_ref(co_task_future(add(&group, &child)));

    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_future_result(future, NULL), 31);
    co_future_unref(future);
}

static int batch(co_group *group, int count)
{
    for (int i = 0; i < count; i++)
        if (!co_group_spawn(group, co_test_return, NULL))
            return -errno;
    return co_group_wait(group);
}

CO_TASK_TEST(steady_state_allocates_nothing)
{
    co_group group = {0};

    ck_assert_int_eq(batch(&group, 1000), 0);
    co__fault_after(0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(batch(&group, 1000), 0);
    ck_assert_uint_eq(co__fault_after(0), 0);
}

/* ---- failure ------------------------------------------------------------- */

CO_TASK_TEST(first_failure_is_returned_and_cancels_the_others)
{
    struct child child[4] = {
        {.sleep = 9 * CO_SEC},
        {.sleep = CO_SEC, .result = -EPIPE},
        {.sleep = 2 * CO_SEC, .result = -EIO},
        {.sleep = CO_MS, .result = 5},
    };
    co_group group = {0};

    for (int i = 0; i < 4; i++)
        add(&group, &child[i]);
    ck_assert_int_eq(co_group_wait(&group), -EPIPE);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(child[0].got, -ECANCELED);
    ck_assert_int_eq(child[0].cancels, 1);
    ck_assert_int_eq(child[2].got, -ECANCELED);
    ck_assert_int_eq(child[2].cancels, 1);
    ck_assert_int_eq(child[3].got, 0);
    is_as_new(&group);
}

CO_TASK_TEST(of_two_that_fail_at_once_the_first_spawned_is_first)
{
    struct child child[3] = {{.sleep = CO_SEC, .result = -EPIPE},
                             {.sleep = CO_SEC, .result = -EIO},
                             {.sleep = 2 * CO_SEC}};
    co_group group = {0};

    for (int i = 0; i < 3; i++)
        add(&group, &child[i]);
    ck_assert_int_eq(co_group_wait(&group), -EPIPE);
    ck_assert_int_eq(child[1].got, 0);
    ck_assert_int_eq(child[2].got, -ECANCELED);
}

CO_TASK_TEST(others_are_waited_for_while_they_clean_up)
{
    struct child child[2] = {{.sleep = 9 * CO_SEC, .clean_up = 4 * CO_SEC},
                             {.sleep = CO_SEC, .result = -EPIPE}};
    co_group group = {0};

    add(&group, &child[0]);
    add(&group, &child[1]);
    ck_assert_int_eq(co_group_wait(&group), -EPIPE);
    ck_assert_int_eq(child[0].ended, 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_SEC);
}

CO_TASK_TEST(failed_group_takes_no_children_until_the_wait)
{
    struct child bad = {.sleep = CO_SEC, .result = -EPIPE};
    struct child good = {.sleep = CO_SEC, .clean_up = 2 * CO_SEC};
    co_group group = {0};
    co_spawn_options options = {.size = sizeof(options), .group = &group};

    add(&group, &bad);
    add(&group, &good);
    ck_assert_int_eq(co_sleep(CO_SEC + 1), 0);
    ck_assert_int_eq(co_group_error(&group), -EPIPE);
    for (int i = 0; i < 2; i++) {
        errno = 0;
        ck_assert_ptr_null(co_group_spawn(&group, log_one, NULL));
        ck_assert_int_eq(errno, ECANCELED);
        errno = 0;
        ck_assert_ptr_null(co_spawn_with(&options, log_one, NULL));
        ck_assert_int_eq(errno, ECANCELED);
        ck_assert_int_eq(co_sleep(3 * CO_SEC), 0); /* now it is empty */
        ck_assert_uint_eq(co_group_count(&group), 0);
    }
    ck_assert_int_eq(co_group_wait(&group), -EPIPE);
    good.sleep = 0;
    good.clean_up = 0;
    add(&group, &good);
    ck_assert_int_eq(co_group_wait(&group), 0);
}

CO_TASK_TEST(cancelled_child_has_not_failed)
{
    struct child child[2] = {{.sleep = 9 * CO_SEC}, {.sleep = CO_SEC}};
    co_group group = {0};
    co_task *task = add(&group, &child[0]);

    add(&group, &child[1]);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(child[0].got, -ECANCELED);
    ck_assert_int_eq(child[1].got, 0);
}

/* The same number from something else it called is an error like others. */
CO_TASK_TEST(child_that_nobody_cancelled_fails_with_ecanceled)
{
    struct child child[2] = {{.sleep = CO_SEC, .result = -ECANCELED},
                             {.sleep = 2 * CO_SEC}};
    co_group group = {0};

    add(&group, &child[0]);
    add(&group, &child[1]);
    ck_assert_int_eq(co_group_wait(&group), -ECANCELED);
    ck_assert_int_eq(child[1].got, -ECANCELED);
}

CO_TASK_TEST(cancelled_child_that_fails_otherwise_has_failed)
{
    struct child child[2] = {{.sleep = 9 * CO_SEC, .instead = -EIO},
                             {.sleep = 2 * CO_SEC}};
    co_group group = {0};
    co_task *task = add(&group, &child[0]);

    add(&group, &child[1]);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_group_wait(&group), -EIO);
    ck_assert_int_eq(child[1].got, -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

static int time_out(void *unused)
{
    int r = 0;

    (void)unused;
    co_timeout(CO_SEC) {
        r = co_sleep_until(CO_NEVER);
    }
    return r;
}

CO_TASK_TEST(child_that_times_out_has_failed)
{
    co_group group = {0};

    ck_assert_ptr_nonnull(co_group_spawn(&group, time_out, NULL));
    ck_assert_int_eq(co_group_wait(&group), -ETIMEDOUT);
}

static int fail_twice(void *arg)
{
    struct child late = {.sleep = 9 * CO_SEC, .instead = -EIO};
    co_group group = {0};

    add(&group, &late);
    *(int *)arg = __LINE__ - 1;
    ck_assert_ptr_nonnull(
        co_group_spawn(&group, co_test_return, co_test_number(-EPIPE)));
    return co_group_wait(&group);
}

START_TEST(later_errors_are_reported_in_debug_mode)
{
    int line;

    ck_assert_int_eq(co_test_run_reported(fail_twice, &line), -EPIPE);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_int_eq(co_test_reported.seen[0].error, -EIO);
    ck_assert_ptr_nonnull(strstr(co_test_reported.seen[0].message, "group"));
    ck_assert_ptr_nonnull(strstr(co_test_reported.seen[0].site, __FILE__));
}
END_TEST

/* ---- cancelling ---------------------------------------------------------- */

CO_TASK_TEST(cancelled_group_ends_and_returns_zero)
{
    struct child child[3] = {{.sleep = 9 * CO_SEC},
                             {.sleep = 9 * CO_SEC, .clean_up = CO_SEC},
                             {.sleep = 9 * CO_SEC}};
    co_group group = {0};

    for (int i = 0; i < 3; i++)
        add(&group, &child[i]);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    for (int i = 0; i < 3; i++) /* no more than once */
        ck_assert_int_eq(co_group_cancel(&group), 0);
    errno = 0;
    ck_assert_ptr_null(co_group_spawn(&group, log_one, NULL));
    ck_assert_int_eq(errno, ECANCELED);
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(child[i].got, -ECANCELED);
        ck_assert_int_eq(child[i].cancels, 1);
    }
    is_as_new(&group);
}

CO_TASK_TEST(child_that_fails_while_a_cancelled_group_ends_is_the_error)
{
    struct child child[2] = {{.sleep = 9 * CO_SEC, .instead = -EIO},
                             {.sleep = 9 * CO_SEC, .clean_up = CO_SEC}};
    co_group group = {0};

    add(&group, &child[0]);
    add(&group, &child[1]);
    co_test_yield();
    ck_assert_int_eq(co_group_cancel(&group), 0);
    ck_assert_int_eq(co_group_wait(&group), -EIO);
    ck_assert_int_eq(child[1].cancels, 1);
}

static int cancel_own_group(void *group)
{
    ck_assert_int_eq(co_group_cancel(group), 0);
    ck_assert_int_eq(co_cancelling(co_self()), 1);
    return co_sleep(CO_SEC);
}

CO_TASK_TEST(child_can_cancel_its_group)
{
    struct child child = {.sleep = 9 * CO_SEC};
    co_group group = {0};

    add(&group, &child);
    ck_assert_ptr_nonnull(co_group_spawn(&group, cancel_own_group, &group));
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(child.got, -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

CO_TASK_TEST(empty_group_that_was_cancelled_opens_with_a_wait)
{
    co_group group = {0};

    ck_assert_int_eq(co_group_cancel(&group), 0);
    ck_assert_ptr_null(co_group_spawn(&group, log_one, NULL));
    ck_assert_int_eq(co_group_wait(&group), 0);
    is_as_new(&group);
}

/* A child may say that it was not meant. */
static int go_on(void *unused)
{
    (void)unused;
    ck_assert_int_eq(co_sleep(CO_SEC), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    return 3;
}

CO_TASK_TEST(child_that_takes_its_cancel_back_is_waited_for)
{
    co_group group = {0};

    ck_assert_ptr_nonnull(co_group_spawn(&group, go_on, NULL));
    co_test_yield();
    ck_assert_int_eq(co_group_cancel(&group), 0);
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

/* ---- the waiter's own limits --------------------------------------------- */

CO_TASK_TEST(waiter_that_is_cancelled_cancels_and_waits)
{
    struct child child[2] = {{.sleep = 9 * CO_SEC, .clean_up = 2 * CO_SEC},
                             {.sleep = 9 * CO_SEC}};
    co_group group = {0};
    co_task *waiter = co_test_spawn(wait_for_group, &group);

    add(&group, &child[0]);
    add(&group, &child[1]);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_int_eq(co_cancel(waiter), 1);
    ck_assert_int_eq(co_test_result(waiter), -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), 3 * CO_SEC);
    ck_assert_int_eq(child[0].ended, 1);
    ck_assert_int_eq(child[1].ended, 1);
    ck_assert_int_eq(child[1].cancels, 1);
    is_as_new(&group);
}

CO_TASK_TEST(waiter_that_times_out_cancels_and_waits)
{
    struct child child = {.sleep = 9 * CO_SEC, .clean_up = 2 * CO_SEC};
    co_group group = {0};
    co_scope scope = {0};

    add(&group, &child);
    co_timeout_in(&scope, CO_SEC) {
        ck_assert_int_eq(co_group_wait(&group), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_scope_expired(&scope), 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 3 * CO_SEC);
    ck_assert_int_eq(child.ended, 1);
    is_as_new(&group);
}

CO_TASK_TEST(limit_that_is_there_already_cancels_and_waits_too)
{
    struct child child = {.sleep = 9 * CO_SEC, .clean_up = 2 * CO_SEC};
    co_group group = {0};

    add(&group, &child);
    co_test_yield();
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_group_wait(&group), -ECANCELED);
    ck_assert_int_eq(child.ended, 1);
    ck_assert_int_eq(co_group_wait(&group), -ECANCELED); /* an empty one too */
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    add(&group, &child);
    co_test_yield();
    co_timeout(0) {
        ck_assert_int_eq(co_group_wait(&group), -ETIMEDOUT);
    }
    is_as_new(&group);
    ck_assert_int_eq(co_test_clock_elapsed(), 4 * CO_SEC);
}

CO_TASK_TEST(error_from_before_the_cancel_wins)
{
    struct child bad = {.sleep = CO_SEC, .result = -EPIPE};
    struct child slow = {.sleep = 9 * CO_SEC, .clean_up = 2 * CO_SEC};
    co_group group = {0};
    co_task *waiter = co_test_spawn(wait_for_group, &group);

    add(&group, &bad);
    add(&group, &slow);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    ck_assert_int_eq(co_group_error(&group), -EPIPE);
    ck_assert_int_eq(co_cancel(waiter), 1);
    ck_assert_int_eq(co_test_result(waiter), -EPIPE);
    ck_assert_int_eq(slow.ended, 1);
    ck_assert_int_eq(slow.cancels, 1);
}

CO_TASK_TEST(error_from_after_the_cancel_does_not)
{
    struct child slow = {
        .sleep = 9 * CO_SEC, .clean_up = 2 * CO_SEC, .instead = -EIO};
    co_group group = {0};
    co_task *waiter = co_test_spawn(wait_for_group, &group);

    add(&group, &slow);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_int_eq(co_cancel(waiter), 1);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_int_eq(co_group_error(&group), -ECANCELED);
    ck_assert_int_eq(co_test_result(waiter), -ECANCELED);
}

/* The child has ended, and the waiter has not run since. */
static void end_child_first(co_group *group, co_task **waiter)
{
    static struct child child;

    child = (struct child){.sleep = CO_SEC};
    add(group, &child);
    *waiter = co_test_spawn(wait_for_group, group);
    co_test_yield();
    ck_assert_int_eq(co_sleep(CO_SEC), 0); /* our timer is after the child's */
    ck_assert_int_eq(child.ended, 1);
}

CO_TASK_TEST(end_of_the_last_child_before_a_cancel_is_kept)
{
    co_group group = {0};
    co_task *waiter;

    end_child_first(&group, &waiter);
    ck_assert_int_eq(co_cancel(waiter), 1);
    ck_assert_int_eq(co_test_result(waiter), 0);
    is_as_new(&group);
}

CO_TASK_TEST(cancel_before_the_end_of_the_last_child_is_kept)
{
    struct child child = {.sleep = CO_SEC};
    co_group group = {0};
    co_task *waiter = co_test_spawn(wait_for_group, &group);

    add(&group, &child);
    ck_assert_int_eq(co_sleep(CO_SEC), 0); /* our timer is before the child's */
    ck_assert_int_eq(child.ended, 0);
    ck_assert_int_eq(co_cancel(waiter), 1); /* the child is ready as well */
    ck_assert_int_eq(co_test_result(waiter), -ECANCELED);
    ck_assert_int_eq(child.got, 0);
    is_as_new(&group);
}

/* Woken, but not done: what comes then is a wait of its own. */
CO_TASK_TEST(cancel_between_the_end_and_a_late_child_ends_that)
{
    struct child late = {.sleep = 9 * CO_SEC};
    co_group group = {0};
    co_task *waiter;

    end_child_first(&group, &waiter);
    add(&group, &late);
    ck_assert_int_eq(co_cancel(waiter), 1);
    ck_assert_int_eq(co_test_result(waiter), -ECANCELED);
    ck_assert_int_eq(late.got, -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

static int wait_two_seconds(void *group)
{
    int r = 0;

    co_timeout(2 * CO_SEC) {
        r = co_group_wait(group);
    }
    return r;
}

CO_TASK_TEST(timeout_and_end_in_one_turn_in_both_orders)
{
    /* The timers of one point in time fire in the order they were set. */
    for (int end_first = 0; end_first < 2; end_first++) {
        struct child child = {.sleep = 2 * CO_SEC - end_first};
        co_group group = {0};
        co_task *waiter;

        add(&group, &child);
        waiter = co_test_spawn(wait_two_seconds, &group);
        ck_assert_int_eq(co_test_result(waiter), end_first ? 0 : -ETIMEDOUT);
        ck_assert_int_eq(child.got, 0);
        is_as_new(&group);
    }
}

CO_TASK_TEST(shielded_wait_is_not_cut_short)
{
    struct child child = {.sleep = 3 * CO_SEC};
    co_group group = {0};

    add(&group, &child);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    co_shield {
        ck_assert_int_eq(co_group_wait(&group), 0);
    }
    ck_assert_int_eq(child.got, 0);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
}

/* ---- the grace period ---------------------------------------------------- */

CO_TASK_TEST(what_ends_within_the_grace_period_is_left_alone)
{
    struct child child[3] = {
        {.sleep = CO_SEC}, {.sleep = 2 * CO_SEC}, {.sleep = 9 * CO_SEC}};
    co_group group = {0};

    for (int i = 0; i < 3; i++)
        add(&group, &child[i]);
    ck_assert_int_eq(co_group_cancel_after(&group, 3 * CO_SEC), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 3 * CO_SEC);
    ck_assert_int_eq(child[0].got, 0);
    ck_assert_int_eq(child[1].got, 0);
    ck_assert_int_eq(child[2].got, -ECANCELED);
    is_as_new(&group);
}

CO_TASK_TEST(grace_period_ends_with_the_last_child)
{
    struct child child = {.sleep = CO_SEC};
    co_group group = {0};

    add(&group, &child);
    ck_assert_int_eq(co_group_cancel_after(&group, CO_NEVER), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(child.got, 0);
}

CO_TASK_TEST(no_grace_period_cancels_at_once)
{
    static const co_time none[] = {0, -1, INT64_MIN};

    for (int i = 0; i < 3; i++) {
        struct child child = {.sleep = CO_SEC};
        co_group group = {0};

        add(&group, &child);
        ck_assert_int_eq(co_group_cancel_after(&group, none[i]), 0);
        ck_assert_int_eq(child.got, -ECANCELED);
        ck_assert_int_eq(co_test_clock_elapsed(), 0);
    }
}

CO_TASK_TEST(failure_cuts_the_grace_period_short)
{
    struct child child[2] = {{.sleep = CO_SEC, .result = -EPIPE},
                             {.sleep = 9 * CO_SEC}};
    co_group group = {0};

    add(&group, &child[0]);
    add(&group, &child[1]);
    ck_assert_int_eq(co_group_cancel_after(&group, 5 * CO_SEC), -EPIPE);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

static int end_with_grace(void *group)
{
    return co_group_cancel_after(group, 5 * CO_SEC);
}

CO_TASK_TEST(cancel_cuts_the_grace_period_short)
{
    struct child child = {.sleep = 9 * CO_SEC};
    co_group group = {0};
    co_task *waiter;

    add(&group, &child);
    waiter = co_test_spawn(end_with_grace, &group);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_int_eq(co_cancel(waiter), 1);
    ck_assert_int_eq(co_test_result(waiter), -ECANCELED);
    ck_assert_int_eq(child.got, -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

CO_TASK_TEST(timeout_before_the_grace_period_ends_is_one)
{
    struct child child = {.sleep = 9 * CO_SEC};
    co_group group = {0};

    add(&group, &child);
    co_timeout(CO_SEC) {
        ck_assert_int_eq(co_group_cancel_after(&group, 5 * CO_SEC), -ETIMEDOUT);
    }
    add(&group, &child);
    co_timeout(5 * CO_SEC) {
        ck_assert_int_eq(co_group_cancel_after(&group, CO_SEC), 0);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
}

CO_TASK_TEST(children_may_still_come_within_the_grace_period)
{
    struct child child = {.sleep = 9 * CO_SEC}, late = {.sleep = CO_SEC};
    co_group group = {0};
    co_task *waiter;

    add(&group, &child);
    waiter = co_test_spawn(end_with_grace, &group);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    add(&group, &late);
    child.clean_up = CO_SEC;
    ck_assert_int_eq(co_sleep(4 * CO_SEC + 1), 0);
    errno = 0;
    ck_assert_ptr_null(co_group_spawn(&group, log_one, NULL));
    ck_assert_int_eq(errno, ECANCELED);
    ck_assert_int_eq(co_test_result(waiter), 0);
    ck_assert_int_eq(late.got, 0);
    ck_assert_int_eq(child.cancels, 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 6 * CO_SEC);
}

/* ---- nested -------------------------------------------------------------- */

struct nest {
    struct child child[2];
    int result;
    co_time timeout; /* 0: none */
};

static int run_nest(void *arg)
{
    struct nest *nest = arg;
    co_group group = {0};
    co_scope scope = {0};

    add(&group, &nest->child[0]);
    add(&group, &nest->child[1]);
    co_timeout_in(&scope, nest->timeout ? nest->timeout : 100 * CO_SEC) {
        nest->result = co_group_wait(&group);
    }
    is_as_new(&group);
    return nest->result;
}

CO_TASK_TEST(cancel_reaches_the_groups_inside)
{
    struct nest nest[2] = {
        {.child = {{.sleep = 9 * CO_SEC}, {.sleep = 9 * CO_SEC}}},
        {.child = {{.sleep = CO_SEC}, {.sleep = 9 * CO_SEC}}},
    };
    co_group group = {0};

    for (int i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(co_group_spawn(&group, run_nest, &nest[i]));
    co_timeout(2 * CO_SEC) {
        ck_assert_int_eq(co_group_wait(&group), -ETIMEDOUT);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nest[i].result, -ECANCELED);
        ck_assert_int_eq(nest[i].child[0].got, i ? 0 : -ECANCELED);
        ck_assert_int_eq(nest[i].child[1].got, -ECANCELED);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
}

CO_TASK_TEST(failure_inside_is_the_failure_of_the_child_around_it)
{
    struct nest nest[2] = {
        {.child = {{.sleep = 9 * CO_SEC}, {.sleep = 9 * CO_SEC}}},
        {.child = {{.sleep = CO_SEC, .result = -EPIPE}, {.sleep = 9 * CO_SEC}}},
    };
    co_group group = {0};

    for (int i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(co_group_spawn(&group, run_nest, &nest[i]));
    ck_assert_int_eq(co_group_wait(&group), -EPIPE);
    ck_assert_int_eq(nest[0].result, -ECANCELED);
    ck_assert_int_eq(nest[1].result, -EPIPE);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

CO_TASK_TEST(timeout_inside_is_a_failure_outside)
{
    struct nest nest = {.child = {{.sleep = 9 * CO_SEC}, {.sleep = 9 * CO_SEC}},
                        .timeout = CO_SEC};
    co_group group = {0};

    ck_assert_ptr_nonnull(co_group_spawn(&group, run_nest, &nest));
    ck_assert_int_eq(co_group_wait(&group), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

static int make_tree(void *depth)
{
    intptr_t left = (intptr_t)depth;
    co_group group = {0};

    if (left == 0)
        return co_sleep(CO_SEC);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(
            co_group_spawn(&group, make_tree, co_test_number(left - 1)));
    return co_group_wait(&group);
}

CO_TASK_TEST(tree_of_groups_ends_from_the_leaves)
{
    ck_assert_int_eq(make_tree(co_test_number(5)), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    co_timeout(CO_MS) {
        ck_assert_int_eq(make_tree(co_test_number(5)), -ETIMEDOUT);
    }
}

/* ---- misuse -------------------------------------------------------------- */

CO_TASK_TEST(second_waiter_is_ebusy)
{
    struct child child = {.sleep = CO_SEC};
    co_group group = {0};
    co_task *waiter;

    add(&group, &child);
    waiter = co_test_spawn(wait_for_group, &group);
    co_test_yield();
    ck_assert_int_eq(co_group_wait(&group), -EBUSY);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_group_wait(&group), -EBUSY);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_test_result(waiter), 0);
    ck_assert_int_eq(child.got, 0);
}

static int wait_for_own_group(void *group)
{
    ck_assert_int_eq(co_group_wait(group), -EDEADLK);
    ck_assert_int_eq(co_group_cancel_after(group, CO_SEC), -EDEADLK);
    return 0;
}

CO_TASK_TEST(wait_of_a_child_is_edeadlk)
{
    co_group group = {0};

    ck_assert_ptr_nonnull(co_group_spawn(&group, wait_for_own_group, &group));
    ck_assert_int_eq(co_group_wait(&group), 0);
}

struct from_callback {
    co_call call;
    co_group group;
    struct child child;
    int empty, full;
};

static void use_group(void *arg)
{
    struct from_callback *f = arg;

    f->empty = co_group_wait(&f->group);
    add(&f->group, &f->child);
    f->full = co_group_wait(&f->group);
}

CO_TASK_TEST(callback_may_spawn_but_not_wait)
{
    struct from_callback f = {.child = {.sleep = CO_SEC}};

    f.call = (co_call){.fn = use_group, .arg = &f};
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &f.call), 0);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(f.empty, 0);
    ck_assert_int_eq(f.full, -EPERM);
    ck_assert_uint_eq(co_group_count(&f.group), 1);
    ck_assert_int_eq(co_group_wait(&f.group), 0);
    ck_assert_int_eq(f.child.got, 0);
}

static int add_to_group(void *group)
{
    static struct child child;

    child = (struct child){.sleep = CO_SEC};
    add(group, &child);
    return 0;
}

static int use_foreign_group(void *group)
{
    errno = 0;
    ck_assert_ptr_null(co_group_spawn(group, log_one, NULL));
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(co_group_wait(group), -EPERM);
    ck_assert_int_eq(co_group_cancel(group), -EPERM);
    ck_assert_int_eq(co_group_cancel_after(group, 0), -EPERM);
    ck_assert_int_eq(co_group_cancel_after(group, 1), -EPERM);
    return 0;
}

START_TEST(group_outside_its_loop_is_eperm)
{
    co_loop *loop = co_loop_new(NULL);
    co_group group = {0}, empty = {0};
    int result = -1;

    errno = 0;
    ck_assert_ptr_null(co_group_spawn(&empty, log_one, NULL));
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(co_group_wait(&empty), 0);
    ck_assert_int_eq(co_loop_run_until(loop, add_to_group, &group, NULL), 0);
    use_foreign_group(&group);
    ck_assert_int_eq(co_run(use_foreign_group, &group), 0);
    ck_assert_uint_eq(co_group_count(&group), 1);
    ck_assert_int_eq(co_loop_run_until(loop, wait_for_group, &group, &result),
                     0);
    ck_assert_int_eq(result, 0);
    co_loop_free(loop);
}
END_TEST

static int spawn_while_ending(void *arg)
{
    co_group group = {0};

    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    errno = 0;
    ck_assert_ptr_null(co_group_spawn(&group, log_one, NULL));
    *(int *)arg = errno;
    return 0;
}

static int leave_spawner(void *arg)
{
    ck_assert_int_eq(co_detach(co_test_spawn(spawn_while_ending, arg)), 0);
    return co_yield_now();
}

START_TEST(ending_loop_takes_no_children)
{
    int error = 0;

    ck_assert_int_eq(co_run(leave_spawner, &error), 0);
    ck_assert_int_eq(error, ESHUTDOWN);
}
END_TEST

static int leave_group(void *arg)
{
    ck_assert_int_eq(co_detach(co_test_spawn(run_nest, arg)), 0);
    ck_assert_int_eq(co_yield_now(), 0);
    return co_yield_now();
}

START_TEST(group_that_is_left_ends_with_its_loop)
{
    struct nest nest = {.child = {{.sleep = 9 * CO_SEC, .clean_up = CO_SEC},
                                  {.sleep = 9 * CO_SEC}}};

    ck_assert_int_eq(co_run(leave_group, &nest), 0);
    ck_assert_int_eq(nest.result, -ECANCELED);
    ck_assert_int_eq(nest.child[0].ended, 1);
    ck_assert_int_eq(nest.child[1].ended, 1);
}
END_TEST

static int fini_with_children(void *arg)
{
    co_group *group = arg;
    co_spawn_options options = {.size = sizeof(options), .name = "reader"};

    if (!co_group_spawn_with(group, &options, co_test_sleep_for_ever, NULL))
        _exit(1);
    co_group_fini(group);
    return 0;
}

static int fini_with_waiter(void *arg)
{
    co_group *group = arg;
    co_spawn_options options = {.size = sizeof(options), .name = "boss"};

    if (!co_spawn_with(&options, wait_for_group, group) ||
        !co_group_spawn(group, co_test_return, NULL))
        _exit(1);
    co_yield_now(); /* the child has ended, the waiter has not seen it yet */
    co_group_fini(group);
    return 0;
}

START_TEST(end_of_a_group_in_use_stops_the_program)
{
    co_group group = {0};
    const char *text = co_test_dies(fini_with_children, &group);

    ck_assert_msg(strstr(text, "co_group_fini") && strstr(text, "\"reader\""),
                  "%s", text);
    text = co_test_dies(fini_with_waiter, &group);
    ck_assert_msg(strstr(text, "co_group_fini") && strstr(text, "\"boss\""),
                  "%s", text);
}
END_TEST

static int forget_error(void *arg)
{
    co_group group = {0};

    *(int *)arg = __LINE__ + 2;
    ck_assert_ptr_nonnull(
        co_group_spawn(&group, co_test_return, co_test_number(-EPIPE)));
    co_test_yield();
    ck_assert_int_eq(co_group_error(&group), -EPIPE);
    co_group_fini(&group);
    is_as_new(&group);
    return 0;
}

START_TEST(error_that_no_wait_returned_is_reported_in_debug_mode)
{
    int line;

    ck_assert_int_eq(co_test_run_reported(forget_error, &line), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_int_eq(co_test_reported.seen[0].error, -EPIPE);
    ck_assert(co_test_report_is_of(0, __FILE__, line));
}
END_TEST

static int deadlock(void *unused)
{
    static co_group group, never; /* they outlive this task, which just ends */
    co_task *waiter;

    (void)unused;
    waiter = co_test_spawn(wait_for_group, &never);
    ck_assert_ptr_nonnull(co_group_spawn(&group, co_test_join, waiter));
    ck_assert_ptr_nonnull(
        co_group_spawn(&never, wait_for_group, &group)); /* a circle */
    return co_sleep_until(CO_NEVER);
}

START_TEST(circle_of_groups_is_found_in_debug_mode)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    int fds[2], r, saved = dup(STDERR_FILENO);
    static char text[8192];
    ssize_t n;

    ck_assert_int_eq(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    r = co_run_with(&options, deadlock, NULL, NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    n = read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    text[n > 0 ? n : 0] = '\0';
    ck_assert_int_eq(r, -EDEADLK);
    ck_assert_msg(strstr(text, "waits for group of") != NULL, "%s", text);
}
END_TEST

/* ---- at random ----------------------------------------------------------- */

#define KIDS 6

struct plan {
    struct child child[KIDS];
    co_time cancel_at, timeout, grace; /* CO_NEVER: none */
    co_group group;
};

static int run_plan(void *arg)
{
    struct plan *plan = arg;
    int r = 12345;

    for (int i = 0; i < KIDS; i++)
        add(&plan->group, &plan->child[i]);
    co_timeout(plan->timeout) {
        r = plan->grace == CO_NEVER
                ? co_group_wait(&plan->group)
                : co_group_cancel_after(&plan->group, plan->grace);
    }
    return r;
}

/* All points in time differ, so the earliest decides. */
static int expected(const struct plan *plan, co_time *closed)
{
    int result = 0;
    co_time last = 0;

    *closed = CO_NEVER;
    for (int i = 0; i < KIDS; i++) {
        const struct child *child = &plan->child[i];

        if (child->sleep > last)
            last = child->sleep;
        if (child->result < 0 && child->sleep < *closed) {
            *closed = child->sleep;
            result = child->result;
        }
    }
    if (plan->cancel_at < *closed && plan->cancel_at < last) {
        *closed = plan->cancel_at;
        result = -ECANCELED;
    }
    if (plan->timeout < *closed && plan->timeout < last) {
        *closed = plan->timeout;
        result = -ETIMEDOUT;
    }
    if (plan->grace < *closed && plan->grace < last) {
        *closed = plan->grace;
        result = 0;
    }
    return result;
}

CO_TASK_TEST(random_groups_end_as_the_model_says)
{
    struct co_test_random random = {11};

    for (int round = 0; round < co_test_scale(5000, 500); round++) {
        struct plan plan = {.group = {0}};
        co_time closed, begun = co_test_clock_elapsed();
        co_task *waiter;
        int result;

        for (int i = 0; i < KIDS; i++) {
            plan.child[i].sleep =
                (1 + co_test_random_below(&random, 100)) * CO_MS + i;
            if (co_test_random_below(&random, 4) == 0)
                plan.child[i].result = -EPIPE - i;
        }
        plan.cancel_at =
            (1 + co_test_random_below(&random, 200)) * CO_MS + KIDS;
        plan.timeout =
            (1 + co_test_random_below(&random, 200)) * CO_MS + KIDS + 1;
        plan.grace =
            co_test_random_below(&random, 2)
                ? (1 + co_test_random_below(&random, 100)) * CO_MS + KIDS + 2
                : CO_NEVER;
        /* A limit that comes while they clean up decides, unless one failed */
        for (int i = 0; plan.grace == CO_NEVER && i < KIDS; i++)
            plan.child[i].clean_up =
                co_test_random_below(&random, 2) ? 7 * CO_MS : 0;
        result = expected(&plan, &closed);
        waiter = co_test_spawn(run_plan, &plan);
        ck_assert_int_eq(co_sleep_until(CO_TEST_EPOCH + begun + plan.cancel_at),
                         0);
        ck_assert_int_eq(co_cancel(waiter), 1);
        ck_assert_int_eq(co_test_result(waiter), result);
        is_as_new(&plan.group);
        for (int i = 0; i < KIDS; i++) {
            ck_assert_int_eq(plan.child[i].ended, 1);
            ck_assert_int_eq(plan.child[i].got,
                             plan.child[i].sleep <= closed ? 0 : -ECANCELED);
        }
    }
}

/* ---- the suite ----------------------------------------------------------- */

static void add_spawning(TCase *tc)
{
    tcase_add_test(tc, zeroed_group_has_nothing_to_wait_for);
    tcase_add_test(tc, wait_returns_when_the_last_child_has_ended);
    tcase_add_test(tc, wait_for_children_that_have_ended_does_not_suspend);
    tcase_add_test(tc, children_start_in_the_order_they_were_spawned);
    tcase_add_test(tc, children_leave_from_anywhere);
    tcase_add_test(tc, children_spawned_while_a_task_waits_are_waited_for);
    tcase_add_test(tc,
                   child_spawned_after_the_last_has_ended_is_waited_for_too);
    tcase_add_test(tc, options_of_a_child_are_those_of_a_spawn);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, without_memory_a_group_stays_as_it_was);
    tcase_add_test(tc, child_is_neither_joined_nor_detached);
    tcase_add_test(tc, future_of_a_child_can_outlive_it);
    tcase_add_test(tc, steady_state_allocates_nothing);
}

static void add_failure(TCase *tc)
{
    tcase_add_test(tc, first_failure_is_returned_and_cancels_the_others);
    tcase_add_test(tc, of_two_that_fail_at_once_the_first_spawned_is_first);
    tcase_add_test(tc, others_are_waited_for_while_they_clean_up);
    tcase_add_test(tc, failed_group_takes_no_children_until_the_wait);
    tcase_add_test(tc, cancelled_child_has_not_failed);
    tcase_add_test(tc, child_that_nobody_cancelled_fails_with_ecanceled);
    tcase_add_test(tc, cancelled_child_that_fails_otherwise_has_failed);
    tcase_add_test(tc, child_that_times_out_has_failed);
    tcase_add_test(tc, later_errors_are_reported_in_debug_mode);
    tcase_add_test(tc, cancelled_group_ends_and_returns_zero);
    tcase_add_test(tc,
                   child_that_fails_while_a_cancelled_group_ends_is_the_error);
    tcase_add_test(tc, child_can_cancel_its_group);
    tcase_add_test(tc, empty_group_that_was_cancelled_opens_with_a_wait);
    tcase_add_test(tc, child_that_takes_its_cancel_back_is_waited_for);
}

static void add_limits(TCase *tc)
{
    tcase_add_test(tc, waiter_that_is_cancelled_cancels_and_waits);
    tcase_add_test(tc, waiter_that_times_out_cancels_and_waits);
    tcase_add_test(tc, limit_that_is_there_already_cancels_and_waits_too);
    tcase_add_test(tc, error_from_before_the_cancel_wins);
    tcase_add_test(tc, error_from_after_the_cancel_does_not);
    tcase_add_test(tc, end_of_the_last_child_before_a_cancel_is_kept);
    tcase_add_test(tc, cancel_before_the_end_of_the_last_child_is_kept);
    tcase_add_test(tc, cancel_between_the_end_and_a_late_child_ends_that);
    tcase_add_test(tc, timeout_and_end_in_one_turn_in_both_orders);
    tcase_add_test(tc, shielded_wait_is_not_cut_short);
    tcase_add_test(tc, what_ends_within_the_grace_period_is_left_alone);
    tcase_add_test(tc, grace_period_ends_with_the_last_child);
    tcase_add_test(tc, no_grace_period_cancels_at_once);
    tcase_add_test(tc, failure_cuts_the_grace_period_short);
    tcase_add_test(tc, cancel_cuts_the_grace_period_short);
    tcase_add_test(tc, timeout_before_the_grace_period_ends_is_one);
    tcase_add_test(tc, children_may_still_come_within_the_grace_period);
}

static void add_rest(TCase *tc)
{
    tcase_add_test(tc, cancel_reaches_the_groups_inside);
    tcase_add_test(tc, failure_inside_is_the_failure_of_the_child_around_it);
    tcase_add_test(tc, timeout_inside_is_a_failure_outside);
    tcase_add_test(tc, tree_of_groups_ends_from_the_leaves);
    tcase_add_test(tc, second_waiter_is_ebusy);
    tcase_add_test(tc, wait_of_a_child_is_edeadlk);
    tcase_add_test(tc, callback_may_spawn_but_not_wait);
    tcase_add_test(tc, group_outside_its_loop_is_eperm);
    tcase_add_test(tc, ending_loop_takes_no_children);
    tcase_add_test(tc, group_that_is_left_ends_with_its_loop);
    tcase_add_test(tc, end_of_a_group_in_use_stops_the_program);
    tcase_add_test(tc, error_that_no_wait_returned_is_reported_in_debug_mode);
    tcase_add_test(tc, circle_of_groups_is_found_in_debug_mode);
    tcase_add_test(tc, random_groups_end_as_the_model_says);
}

static Suite *suite(void)
{
    static void (*const cases[])(TCase *) = {add_spawning, add_failure,
                                             add_limits, add_rest};
    static const char *const names[] = {"spawning", "failure", "limits",
                                        "rest"};
    Suite *s = suite_create("sync/group");

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
