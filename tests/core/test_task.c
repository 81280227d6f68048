/* SPDX-License-Identifier: MIT */
/* Tasks from outside: spawning, joining, detaching, naming, sleeping, and what
 * is said to those who do it wrongly. */
#include <coppice/call.h>
#include <coppice/embed.h>
#include <coppice/stack.h>
#include <coppice/task.h>

#include "base/assert.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <string.h>

static struct co_test_log events;

static int log_one(void *event)
{
    co_test_log_add(&events, (char)(intptr_t)event);
    return 0;
}

/* ---- spawning ------------------------------------------------------------ */

CO_TASK_TEST(spawned_task_does_not_run_before_its_turn)
{
    co_task *task = co_test_spawn(log_one, co_test_number('a'));

    events = (struct co_test_log){.length = 0};
    ck_assert_str_eq(events.text, "");
    co_test_yield();
    ck_assert_str_eq(events.text, "a");
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(tasks_start_in_the_order_they_were_spawned)
{
    co_task *task[26];

    events = (struct co_test_log){.length = 0};
    for (int i = 0; i < 26; i++)
        task[i] = co_test_spawn(log_one, co_test_number('a' + i));
    for (int i = 25; i >= 0; i--)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_str_eq(events.text, "abcdefghijklmnopqrstuvwxyz");
}

CO_TASK_TEST(results_of_all_signs_and_sizes_reach_the_joiner)
{
    static const int results[] = {0, 1, -1, -EIO, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        co_task *task =
            co_test_spawn(co_test_return, co_test_number(results[i]));

        ck_assert_int_eq(co_test_result(task), results[i]);
    }
}

CO_TASK_TEST(null_function_is_einval)
{
    errno = 0;
    ck_assert_ptr_null(co_spawn(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_spawn_with(NULL, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
}

START_TEST(spawn_outside_a_loop_is_eperm)
{
    errno = 0;
    ck_assert_ptr_null(co_spawn(co_test_return, NULL));
    ck_assert_int_eq(errno, EPERM);
    errno = 0;
    ck_assert_ptr_null(co_spawn_with(NULL, co_test_return, NULL));
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

static int spawn_errno;

static int spawn_when_cancelled(void *unused)
{
    int r = co_test_sleep_for_ever(unused);

    errno = 0;
    if (!co_spawn(co_test_return, NULL))
        spawn_errno = errno;
    return r;
}

static void leave_one_that_spawns(void)
{
    ck_assert_int_eq(co_detach(co_test_spawn(spawn_when_cancelled, NULL)), 0);
    co_test_yield();
}

START_TEST(spawn_while_the_loop_ends_is_eshutdown)
{
    spawn_errno = 0;
    co_test_in_task(leave_one_that_spawns);
    ck_assert_int_eq(spawn_errno, ESHUTDOWN);
}
END_TEST

CO_TASK_TEST(wrong_options_size_is_einval)
{
    co_spawn_options options = {.size = sizeof(options) - 1};

    errno = 0;
    ck_assert_ptr_null(co_spawn_with(&options, co_test_return, NULL));
    ck_assert_int_eq(errno, EINVAL);
    options.size = 0;
    errno = 0;
    ck_assert_ptr_null(co_spawn_with(&options, co_test_return, NULL));
    ck_assert_int_eq(errno, EINVAL);
}

CO_TASK_TEST(absurd_stack_sizes_are_einval)
{
    static const size_t sizes[] = {1, CO_STACK_SIZE_MIN - 1,
                                   CO_STACK_SIZE_MAX + 1, SIZE_MAX / 2,
                                   SIZE_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        co_spawn_options options = {.size = sizeof(options),
                                    .stack_size = sizes[i]};

        errno = 0;
        ck_assert_ptr_null(co_spawn_with(&options, co_test_return, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
}

CO_TASK_TEST(spawn_options_are_not_kept)
{
    char name[] = "reader";
    co_spawn_options options = {.size = sizeof(options), .name = name};
    co_task *task = co_spawn_with(&options, co_test_return, NULL);

    memset(name, 'x', sizeof(name) - 1);
    memset(&options, 0xff, sizeof(options));
    ck_assert_str_eq(co_task_name(task), "reader");
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(null_options_mean_all_defaults)
{
    co_task *task = co_spawn_with(NULL, co_test_return, co_test_number(4));

    ck_assert_str_eq(co_task_name(task), "");
    ck_assert_uint_eq(co_task_stack_size(task), co_task_stack_size(co_self()));
    ck_assert_int_eq(co_test_result(task), 4);
}

CO_TASK_TEST(task_spawned_detached_has_no_handle_to_join)
{
    co_spawn_options options = {.size = sizeof(options), .detached = 1};
    co_task *task = co_spawn_with(&options, co_test_return, NULL);

    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_join(task, NULL), -EINVAL);
    ck_assert_int_eq(co_detach(task), -EINVAL);
    co_test_yield();
}

/* The ring of ready tasks grows while its contents wrap around its end. */
CO_TASK_TEST(order_survives_the_growth_of_the_queue)
{
    enum {
        COUNT = 900
    };
    static co_task *task[COUNT];
    int spawned = 0;

    for (int round = 1; spawned < COUNT; round++) {
        for (int i = 0; i < round && spawned < COUNT; i++, spawned++)
            task[spawned] = co_test_spawn(co_test_sleep_for_ever, NULL);
        co_test_yield();
    }
    /* All of them ready at once, in their order, and then joined. */
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(co_cancel(task[i]), 1);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(co_test_result(task[i]), -ECANCELED);
}

/* All of them are ready and none runs: the queue is as full as it gets. */
START_TEST(queue_has_room_for_all_tasks_of_a_loop_that_does_not_run)
{
    for (int count = 60; count <= 260; count += 1 + (count > 70) * 60) {
        co_loop *loop = co_loop_new(NULL);

        ck_assert_ptr_nonnull(loop);
        for (int i = 0; i < count; i++)
            ck_assert_ptr_nonnull(co_loop_spawn(loop, co_test_return, NULL));
        ck_assert_uint_eq(co_loop_task_count(loop), (size_t)count);
        ck_assert_int_eq(co_loop_turn(loop, 0), 0);
        co_loop_free(loop);
    }
}
END_TEST

static int spawn_a_chain(void *depth)
{
    intptr_t left = (intptr_t)depth;
    co_task *task;

    if (!left)
        return 0;
    task = co_test_spawn(spawn_a_chain, co_test_number(left - 1));
    return co_test_result(task) + 1;
}

CO_TASK_TEST(tasks_spawn_and_join_tasks)
{
    ck_assert_int_eq(spawn_a_chain(co_test_number(500)), 500);
}

/* ---- joining ------------------------------------------------------------- */

CO_TASK_TEST(join_of_a_task_that_has_ended_returns_its_result)
{
    co_task *task = co_test_spawn(co_test_return, co_test_number(-EPIPE));
    int result = 0;

    co_test_yield();
    ck_assert_int_eq(co_join(task, &result), 0);
    ck_assert_int_eq(result, -EPIPE);
}

CO_TASK_TEST(join_waits_for_a_task_that_has_not_ended)
{
    co_time ns = 3 * CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);

    ck_assert_int_eq(co_join(task, NULL), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), ns);
}

CO_TASK_TEST(join_of_null_is_einval)
{
    ck_assert_int_eq(co_join(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_detach(NULL), -EINVAL);
}

CO_TASK_TEST(join_of_oneself_is_edeadlk)
{
    int result = 7;

    ck_assert_int_eq(co_join(co_self(), &result), -EDEADLK);
    ck_assert_int_eq(result, 7);
}

static int join_self(void *unused)
{
    (void)unused;
    return co_join(co_self(), NULL);
}

CO_TASK_TEST(join_of_oneself_in_a_spawned_task_is_edeadlk)
{
    ck_assert_int_eq(co_test_result(co_test_spawn(join_self, NULL)), -EDEADLK);
}

CO_TASK_TEST(second_join_of_a_handle_is_einval)
{
    co_task *task = co_test_spawn(co_test_return, NULL);
    int result = 7;

    ck_assert_int_eq(co_join(task, NULL), 0);
    ck_assert_int_eq(co_join(task, &result), -EINVAL);
    ck_assert_int_eq(co_detach(task), -EINVAL);
    ck_assert_int_eq(result, 7);
}

/* Other builds reuse a handle at once. */
#if CO__DEBUG
CO_TASK_TEST(finished_handle_is_known_for_a_while_in_debug_builds)
{
    co_task *task = co_test_spawn(co_test_return, NULL);

    ck_assert_int_eq(co_join(task, NULL), 0);
    for (int i = 0; i < 32; i++) {
        co_task *other = co_test_spawn(co_test_return, NULL);

        ck_assert_ptr_ne(other, task);
        ck_assert_int_eq(co_join(task, NULL), -EINVAL);
        ck_assert_int_eq(co_test_result(other), 0);
    }
}
#endif

CO_TASK_TEST(second_joiner_is_ebusy_and_the_first_is_not_disturbed)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);
    co_task *first = co_test_spawn(co_test_join, task);

    co_test_yield();
    ck_assert_int_eq(co_join(task, NULL), -EBUSY);
    ck_assert_int_eq(co_detach(task), -EBUSY);
    ck_assert_int_eq(co_test_result(first), 0);
}

CO_TASK_TEST(second_joiner_is_ebusy_while_the_first_is_ready_to_return)
{
    co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);
    co_task *first = co_test_spawn(co_test_join, task);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    co_test_yield();
    /* The task has ended; its joiner is in the queue and has the claim. */
    ck_assert_int_eq(co_join(task, NULL), -EBUSY);
    ck_assert_int_eq(co_detach(task), -EBUSY);
    ck_assert_int_eq(co_test_result(first), 0);
}

CO_TASK_TEST(join_of_a_detached_task_is_einval)
{
    co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);

    ck_assert_int_eq(co_detach(task), 0);
    ck_assert_int_eq(co_join(task, NULL), -EINVAL);
    ck_assert_int_eq(co_detach(task), -EINVAL);
    ck_assert_int_eq(co_cancel(task), 1);
}

static co_task *foreign;

static void *use_foreign_handle(void *unused)
{
    (void)unused;
    ck_assert_int_eq(co_join(foreign, NULL), -EPERM);
    ck_assert_int_eq(co_detach(foreign), -EPERM);
    ck_assert_int_eq(co_cancel(foreign), -EPERM);
    ck_assert_int_eq(co_uncancel(foreign), -EPERM);
    return NULL;
}

static void use_foreign_in_task(void)
{
    use_foreign_handle(NULL);
}

static void *use_foreign_in_loop(void *unused)
{
    co_test_in_task(use_foreign_in_task);
    return unused;
}

static void on_thread(void *(*fn)(void *))
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, fn, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

CO_TASK_TEST(handle_of_another_threads_loop_is_eperm)
{
    foreign = co_test_spawn(co_test_return, co_test_number(3));
    on_thread(use_foreign_handle);
    on_thread(use_foreign_in_loop);
    ck_assert_int_eq(co_test_result(foreign), 3);
}

START_TEST(handles_outside_a_running_loop_are_eperm)
{
    co_loop *loop = co_loop_new(NULL);
    co_task *task;

    ck_assert_ptr_nonnull(loop);
    task = co_loop_spawn(loop, co_test_return, NULL);
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_join(task, NULL), -EPERM);
    ck_assert_int_eq(co_detach(task), -EPERM);
    ck_assert_int_eq(co_cancel(task), -EPERM);
    ck_assert_int_eq(co_uncancel(task), -EPERM);
    ck_assert_int_eq(co_join(NULL, NULL), -EINVAL);
    co_loop_free(loop);
}
END_TEST

/* ---- a join that ends in two ways at once -------------------------------- */

static int join_and_check(void *task)
{
    int result = 99;
    int r = co_join(task, &result);

    ck_assert_int_eq(result, r < 0 ? 99 : 5);
    return r;
}

/* Sleeps until woken by a cancel, then ends well. */
static int end_when_cancelled(void *unused)
{
    ck_assert_int_eq(co_test_sleep_for_ever(unused), -ECANCELED);
    return 5;
}

CO_TASK_TEST(end_before_cancel_of_the_joiner_is_a_join)
{
    co_task *task = co_test_spawn(end_when_cancelled, NULL);
    co_task *joiner = co_test_spawn(join_and_check, task);

    co_test_yield();
    co_cancel(task);
    co_test_yield();
    /* The task has ended, the joiner is ready and has not run. */
    ck_assert_int_eq(co_cancel(joiner), 1);
    ck_assert_int_eq(co_test_result(joiner), 0);
}

CO_TASK_TEST(cancel_of_the_joiner_before_the_end_leaves_the_handle)
{
    co_task *task = co_test_spawn(end_when_cancelled, NULL);
    co_task *joiner = co_test_spawn(join_and_check, task);

    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_cancel(joiner), 1);
    ck_assert_int_eq(co_test_result(joiner), -ECANCELED);
    ck_assert_int_eq(co_test_result(task), 5);
}

CO_TASK_TEST(cancelled_joiner_leaves_a_handle_that_can_be_joined)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);
    co_task *joiner = co_test_spawn(co_test_join, task);

    co_test_yield();
    co_cancel(joiner);
    ck_assert_int_eq(co_test_result(joiner), -ECANCELED);
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(join_that_times_out_leaves_a_handle_that_can_be_joined)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(co_test_sleep, &ns);
    int r = 0;

    co_timeout(CO_MS) {
        r = co_join(task, NULL);
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), ns);
}

static int be_busy(void *ns)
{
    co_test_clock_pass(*(co_time *)ns);
    return 5;
}

CO_TASK_TEST(end_before_the_timeout_is_seen_is_a_join)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(be_busy, &ns);
    int r = -1;

    co_timeout(CO_MS) {
        r = join_and_check(task);
        /* What was granted is returned; the next call fails. */
        ck_assert_int_eq(co_sleep(1), -ETIMEDOUT);
    }
    ck_assert_int_eq(r, 0);
}

static int sleep_then_5(void *ns)
{
    ck_assert_int_eq(co_test_sleep(ns), 0);
    return 5;
}

CO_TASK_TEST(timeout_before_the_end_in_one_turn_leaves_the_handle)
{
    co_time ns = CO_MS;
    co_task *task = co_test_spawn(sleep_then_5, &ns);
    int r = 0;

    co_test_yield();
    co_timeout(CO_MS) {
        r = join_and_check(task);
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_eq(co_test_result(task), 5);
}

CO_TASK_TEST(join_under_a_pending_cancel_tries_nothing)
{
    co_task *task = co_test_spawn(co_test_return, co_test_number(5));

    co_test_yield();
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(join_and_check(task), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(join_and_check(task), 0);
}

/* ---- detaching ----------------------------------------------------------- */

static int detach_self(void *ended)
{
    ck_assert_int_eq(co_detach(co_self()), 0);
    ck_assert_int_eq(co_detach(co_self()), -EINVAL);
    *(int *)ended = 1;
    return 0;
}

CO_TASK_TEST(task_may_detach_itself)
{
    int ended = 0;
    co_task *task = co_test_spawn(detach_self, &ended);

    co_test_yield();
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(co_join(task, NULL), -EINVAL);
}

CO_TASK_TEST(detach_of_a_task_that_has_ended_gives_its_stack_back)
{
    co_task *task = co_test_spawn(co_test_return, NULL);

    co_test_yield();
    ck_assert_int_eq(co_detach(task), 0);
    ck_assert_int_eq(co_detach(task), -EINVAL);
    ck_assert_int_eq(co_join(task, NULL), -EINVAL);
}

/* ---- in a loop callback -------------------------------------------------- */

static struct {
    co_task *task;
    co_task *spawned;
    int calls;
} callback;

static void misbehave(void *unused)
{
    (void)unused;
    ck_assert_ptr_nonnull(co_self());
    ck_assert_int_eq(co_yield_now(), -EPERM);
    ck_assert_int_eq(co_sleep(CO_SEC), -EPERM);
    ck_assert_int_eq(co_sleep(0), -EPERM);
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -EPERM);
    ck_assert_int_eq(co_join(callback.task, NULL), -EPERM);
    ck_assert_int_eq(co_join(co_self(), NULL), -EDEADLK);
    ck_assert_int_eq(co_detach(co_self()), -EINVAL);
    ck_assert_int_eq(co_cancel(co_self()), -EINVAL);
    callback.spawned = co_spawn(co_test_return, co_test_number(8));
    ck_assert_int_eq(co_cancel(callback.task), 1);
    callback.calls++;
}

CO_TASK_TEST(callback_may_spawn_and_cancel_but_not_suspend)
{
    co_call call = {.fn = misbehave};

    callback.calls = 0;
    callback.task = co_test_spawn(co_test_sleep_for_ever, NULL);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
        ck_assert_int_eq(callback.calls, i);
        ck_assert_int_eq(co_test_result(callback.spawned), 8);
        ck_assert_int_eq(co_test_result(callback.task), -ECANCELED);
        callback.task = co_test_spawn(co_test_sleep_for_ever, NULL);
    }
    ck_assert_int_eq(co_detach(callback.task), 0);
}

/* ---- sleeping and giving way --------------------------------------------- */

CO_TASK_TEST(sleep_takes_as_long_as_it_says)
{
    static const co_time ns[] = {1, 999, CO_MS, CO_SEC, 86400 * CO_SEC};
    co_time sum = 0;

    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        ck_assert_int_eq(co_sleep(ns[i]), 0);
        sum += ns[i];
        ck_assert_int_eq(co_test_clock_elapsed(), sum);
    }
}

static int sleep_and_log(void *ns)
{
    const co_time *time = ns;

    ck_assert_int_eq(co_sleep(*time), 0);
    co_test_log_add(&events, (char)('0' + *time / CO_SEC));
    return 0;
}

CO_TASK_TEST(sleepers_wake_in_the_order_of_their_deadlines)
{
    static co_time ns[] = {5 * CO_SEC, CO_SEC,     9 * CO_SEC,
                           3 * CO_SEC, 3 * CO_SEC, 7 * CO_SEC};
    co_task *task[6];

    events = (struct co_test_log){.length = 0};
    for (int i = 0; i < 6; i++)
        task[i] = co_test_spawn(sleep_and_log, &ns[i]);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_str_eq(events.text, "133579");
}

CO_TASK_TEST(sleep_of_zero_or_less_gives_way)
{
    static const co_time ns[] = {0, -1, INT64_MIN};

    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        co_task *task = co_test_spawn(log_one, co_test_number('x'));

        events = (struct co_test_log){.length = 0};
        ck_assert_int_eq(co_sleep(ns[i]), 0);
        ck_assert_str_eq(events.text, "x");
        ck_assert_int_eq(co_test_result(task), 0);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

CO_TASK_TEST(sleep_until_the_past_gives_way)
{
    static const co_time when[] = {CO_TEST_EPOCH, CO_TEST_EPOCH - 1, 0, -1,
                                   INT64_MIN};

    for (size_t i = 0; i < sizeof(when) / sizeof(when[0]); i++) {
        co_task *task = co_test_spawn(log_one, co_test_number('x'));

        events = (struct co_test_log){.length = 0};
        ck_assert_int_eq(co_sleep_until(when[i]), 0);
        ck_assert_str_eq(events.text, "x");
        ck_assert_int_eq(co_test_result(task), 0);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

CO_TASK_TEST(sleep_until_a_point_ends_there)
{
    ck_assert_int_eq(co_sleep_until(CO_TEST_EPOCH + 17), 0);
    ck_assert_int_eq(co_now(), CO_TEST_EPOCH + 17);
}

/* A sum that overflows is for ever, not the past. */
CO_TASK_TEST(endless_sleep_ends_by_cancel_alone)
{
    static co_time ns[] = {CO_NEVER, CO_NEVER - 1, CO_NEVER - CO_TEST_EPOCH};

    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        co_task *task = co_test_spawn(co_test_sleep, &ns[i]);

        ck_assert_int_eq(co_sleep(1000 * 86400 * CO_SEC), 0);
        co_cancel(task);
        ck_assert_int_eq(co_test_result(task), -ECANCELED);
    }
}

START_TEST(real_sleep_is_never_too_short)
{
    for (co_time ns = 1000; ns <= 4 * CO_MS; ns *= 4) {
        co_time before = co_now();

        /* Outside a task the thread sleeps. */
        ck_assert_int_eq(co_sleep(ns), 0);
        ck_assert_int_ge(co_now() - before, ns);
        before = co_now();
        ck_assert_int_eq(co_sleep_until(before + ns), 0);
        ck_assert_int_ge(co_now() - before, ns);
    }
}
END_TEST

static void sleep_really(void)
{
    for (co_time ns = 1; ns <= 4 * CO_MS; ns *= 4) {
        co_time before = co_now();

        ck_assert_int_eq(co_sleep(ns), 0);
        ck_assert_int_ge(co_now() - before, ns);
    }
}

START_TEST(real_sleep_of_a_task_is_never_too_short)
{
    co_test_in_task(sleep_really);
}
END_TEST

START_TEST(outside_a_task_giving_way_succeeds)
{
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(co_sleep(0), 0);
    ck_assert_int_eq(co_sleep(-5), 0);
    ck_assert_int_eq(co_sleep_until(0), 0);
    ck_assert_ptr_null(co_self());
}
END_TEST

/* ---- names and sites ----------------------------------------------------- */

CO_TASK_TEST(name_is_cut_to_its_greatest_length)
{
    char name[3 * CO_TASK_NAME_MAX];
    co_spawn_options options = {.size = sizeof(options), .name = name};
    co_task *task;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    task = co_spawn_with(&options, co_test_return, NULL);
    ck_assert_uint_eq(strlen(co_task_name(task)), CO_TASK_NAME_MAX);
    name[CO_TASK_NAME_MAX] = '\0';
    ck_assert_int_eq(co_task_set_name(task, name), 0);
    ck_assert_str_eq(co_task_name(task), name);
    ck_assert_int_eq(co_task_set_name(task, "a"), 0);
    ck_assert_str_eq(co_task_name(task), "a");
    ck_assert_int_eq(co_task_set_name(task, NULL), 0);
    ck_assert_str_eq(co_task_name(task), "");
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(new_task_does_not_inherit_a_name)
{
    co_task *task;

    for (int i = 0; i < 200; i++) {
        task = co_test_spawn(co_test_return, NULL);
        ck_assert_str_eq(co_task_name(task), "");
        ck_assert_int_eq(co_task_set_name(task, "old"), 0);
        ck_assert_int_eq(co_test_result(task), 0);
    }
}

CO_TASK_TEST(null_task_has_neither_name_nor_site)
{
    ck_assert_ptr_null(co_task_name(NULL));
    ck_assert_ptr_null(co_task_site(NULL));
    ck_assert_int_eq(co_task_set_name(NULL, "x"), -EINVAL);
    ck_assert_uint_eq(co_task_stack_size(NULL), 0);
    ck_assert_uint_eq(co_task_stack_used(NULL), 0);
}

CO_TASK_TEST(site_is_where_the_task_was_spawned)
{
    co_task *task = co_spawn(co_test_return, NULL);
    const char *here = CO_SITE;
    int line = atoi(strrchr(here, ':') + 1);
    char expected[32];

    snprintf(expected, sizeof(expected), "test_task.c:%d", line - 1);
    ck_assert_ptr_nonnull(strstr(co_task_site(task), expected));
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- what a task keeps --------------------------------------------------- */

static int self_is(void *out)
{
    *(co_task **)out = co_self();
    return 0;
}

CO_TASK_TEST(self_is_the_handle_that_spawn_returned)
{
    co_task *self = NULL;
    co_task *task = co_test_spawn(self_is, &self);

    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_ptr_eq(self, task);
}

/* Sums that compilers like to keep in registers over a call. */
static int add_doubles(void *arg)
{
    double step = (double)(intptr_t)arg, a = 0, b = 0, c = 0, d = 0, e = 0;
    long double x = 0;

    for (int i = 0; i < 1000; i++) {
        a += step;
        b += step * 2;
        c += step * 3;
        d += step * 4;
        e += step * 5;
        x += (long double)step / 4;
        if (co_yield_now() < 0)
            return -1;
    }
    return a == 1000 * step && b == 2 * a && c == 3 * a && d == 4 * a &&
                   e == 5 * a && x == (long double)a / 4
               ? 0
               : -EIO;
}

CO_TASK_TEST(doubles_live_across_switches)
{
    co_task *task[16];

    for (intptr_t i = 0; i < 16; i++)
        task[i] = co_test_spawn(add_doubles, co_test_number(i + 1));
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("core/task");
    TCase *real = tcase_create("real clock");
    TCase *tc = tcase_create("task");

    co_test_check_fds(real);
    tcase_add_test(real, real_sleep_is_never_too_short);
    tcase_add_test(real, real_sleep_of_a_task_is_never_too_short);
    suite_add_tcase(s, real);

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, spawned_task_does_not_run_before_its_turn);
    tcase_add_test(tc, tasks_start_in_the_order_they_were_spawned);
    tcase_add_test(tc, results_of_all_signs_and_sizes_reach_the_joiner);
    tcase_add_test(tc, null_function_is_einval);
    tcase_add_test(tc, spawn_outside_a_loop_is_eperm);
    tcase_add_test(tc, spawn_while_the_loop_ends_is_eshutdown);
    tcase_add_test(tc, wrong_options_size_is_einval);
    tcase_add_test(tc, absurd_stack_sizes_are_einval);
    tcase_add_test(tc, spawn_options_are_not_kept);
    tcase_add_test(tc, null_options_mean_all_defaults);
    tcase_add_test(tc, task_spawned_detached_has_no_handle_to_join);
    tcase_add_test(tc, order_survives_the_growth_of_the_queue);
    tcase_add_test(tc,
                   queue_has_room_for_all_tasks_of_a_loop_that_does_not_run);
    tcase_add_test(tc, tasks_spawn_and_join_tasks);
    tcase_add_test(tc, join_of_a_task_that_has_ended_returns_its_result);
    tcase_add_test(tc, join_waits_for_a_task_that_has_not_ended);
    tcase_add_test(tc, join_of_null_is_einval);
    tcase_add_test(tc, join_of_oneself_is_edeadlk);
    tcase_add_test(tc, join_of_oneself_in_a_spawned_task_is_edeadlk);
    tcase_add_test(tc, second_join_of_a_handle_is_einval);
#if CO__DEBUG
    tcase_add_test(tc, finished_handle_is_known_for_a_while_in_debug_builds);
#endif
    tcase_add_test(tc, second_joiner_is_ebusy_and_the_first_is_not_disturbed);
    tcase_add_test(tc,
                   second_joiner_is_ebusy_while_the_first_is_ready_to_return);
    tcase_add_test(tc, join_of_a_detached_task_is_einval);
    tcase_add_test(tc, handle_of_another_threads_loop_is_eperm);
    tcase_add_test(tc, handles_outside_a_running_loop_are_eperm);
    tcase_add_test(tc, end_before_cancel_of_the_joiner_is_a_join);
    tcase_add_test(tc, cancel_of_the_joiner_before_the_end_leaves_the_handle);
    tcase_add_test(tc, cancelled_joiner_leaves_a_handle_that_can_be_joined);
    tcase_add_test(tc, join_that_times_out_leaves_a_handle_that_can_be_joined);
    tcase_add_test(tc, end_before_the_timeout_is_seen_is_a_join);
    tcase_add_test(tc, timeout_before_the_end_in_one_turn_leaves_the_handle);
    tcase_add_test(tc, join_under_a_pending_cancel_tries_nothing);
    tcase_add_test(tc, task_may_detach_itself);
    tcase_add_test(tc, detach_of_a_task_that_has_ended_gives_its_stack_back);
    tcase_add_test(tc, callback_may_spawn_and_cancel_but_not_suspend);
    tcase_add_test(tc, sleep_takes_as_long_as_it_says);
    tcase_add_test(tc, sleepers_wake_in_the_order_of_their_deadlines);
    tcase_add_test(tc, sleep_of_zero_or_less_gives_way);
    tcase_add_test(tc, sleep_until_the_past_gives_way);
    tcase_add_test(tc, sleep_until_a_point_ends_there);
    tcase_add_test(tc, endless_sleep_ends_by_cancel_alone);
    tcase_add_test(tc, outside_a_task_giving_way_succeeds);
    tcase_add_test(tc, name_is_cut_to_its_greatest_length);
    tcase_add_test(tc, new_task_does_not_inherit_a_name);
    tcase_add_test(tc, null_task_has_neither_name_nor_site);
    tcase_add_test(tc, site_is_where_the_task_was_spawned);
    tcase_add_test(tc, self_is_the_handle_that_spawn_returned);
    tcase_add_test(tc, doubles_live_across_switches);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
