/* SPDX-License-Identifier: MIT */
/* support/tasks.h - tests that are tasks, and what their tasks often do.
 *
 *     CO_TASK_TEST(sleeper_wakes)
 *     {
 *         ck_assert_int_eq(co_sleep(CO_SEC), 0);
 *     }
 *
 * is the START_TEST of that name, its body the first task of a co_run.
 */
#ifndef CO_TESTS_SUPPORT_TASKS_H
#define CO_TESTS_SUPPORT_TASKS_H

#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/loop.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include <check.h>
#include <errno.h>
#include <stdint.h>

/* What the body left; a task that never came back must not pass. */
struct co_test_body {
    void (*fn)(void);
    int finished;
};

static inline int co_test_body_run(void *arg)
{
    struct co_test_body *body = arg;

    body->fn();
    body->finished = 1;
    return 0;
}

static inline void co_test_in_task(void (*fn)(void))
{
    struct co_test_body body = {fn, 0};

    ck_assert_int_eq(co_run(co_test_body_run, &body), 0);
    ck_assert_int_eq(body.finished, 1);
    ck_assert_ptr_null(co_self());
}

#define CO_TASK_TEST(name)                                                     \
    static void name##_in_task(void);                                          \
    START_TEST(name)                                                           \
    {                                                                          \
        co_test_in_task(name##_in_task);                                       \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_in_task(void)

/* ---- what tasks do ------------------------------------------------------- */

/* A number as an argument, and as a result. */
static inline void *co_test_number(intptr_t number)
{
    return (void *)number; /* NOLINT(performance-no-int-to-ptr) */
}

static inline int co_test_return(void *number)
{
    return (int)(intptr_t)number;
}

/* Sleep *(co_time *)arg, and return what co_sleep did. */
static inline int co_test_sleep(void *ns)
{
    return co_sleep(*(const co_time *)ns);
}

static inline int co_test_sleep_for_ever(void *unused)
{
    (void)unused;
    return co_sleep_until(CO_NEVER);
}

/* Join arg, and return what co_join did. */
static inline int co_test_join(void *task)
{
    return co_join(task, NULL);
}

static inline co_task *co_test_spawn(co_task_fn fn, void *arg)
{
    co_task *task = co_spawn(fn, arg);

    ck_assert_ptr_nonnull(task);
    return task;
}

/* Join a task that must be there to be joined, and return its result. */
static inline int co_test_result(co_task *task)
{
    int result = 12345;

    ck_assert_int_eq(co_join(task, &result), 0);
    return result;
}

static inline void co_test_yield(void)
{
    ck_assert_int_eq(co_yield_now(), 0);
}

/* ---- the order in which things happened ---------------------------------- */

#define CO_TEST_LOG_MAX 1024

struct co_test_log {
    char text[CO_TEST_LOG_MAX];
    size_t length;
};

static inline void co_test_log_add(struct co_test_log *log, char event)
{
    ck_assert_uint_lt(log->length, CO_TEST_LOG_MAX - 1);
    log->text[log->length++] = event;
}

#endif
