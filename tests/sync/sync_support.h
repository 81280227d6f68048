/* SPDX-License-Identifier: MIT */
/* tests/sync/sync_support.h - what the tests of everything that is waited for
 * have in common: numbered tasks and the order in which they got on, waits that
 * are cut short in each order, programs that have to die. */
#ifndef CO_TESTS_SYNC_SUPPORT_H
#define CO_TESTS_SYNC_SUPPORT_H

#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/loop.h>
#include <coppice/scope.h>

#include "base/alloc.h"
#include "core/task.h"

#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SYNC_TASKS 5

/* What happened, a letter each. */
static struct co_test_log sync_log;

static inline void sync_log_clear(void)
{
    sync_log = (struct co_test_log){.length = 0};
}

static inline void sync_log_is(const char *text)
{
    ck_assert_str_eq(sync_log.text, text);
    sync_log_clear();
}

/* ---- tasks in line ------------------------------------------------------- */

/* The wait that a test is about; it returns what the call did. */
typedef int sync_wait(void);

static sync_wait *sync_what;
static co_task *sync_task[SYNC_TASKS];

static void (*sync_then)(void); /* what a task does once it has got on */
static co_time sync_limit;      /* of the tasks' waits */

/* Wait, log the letter if that was granted, return what the wait did. */
static inline int sync_stand(void *letter)
{
    int r = -EIO;

    co_deadline(sync_limit) {
        r = sync_what();
    }
    if (r >= 0) {
        co_test_log_add(&sync_log, (char)(intptr_t)letter);
        if (sync_then)
            sync_then();
    }
    return r;
}

static inline void sync_spawn(sync_wait *wait, void (*then)(void),
                              co_time limit, int count)
{
    sync_log_clear();
    sync_what = wait;
    sync_then = then;
    sync_limit = limit;
    for (int i = 0; i < count; i++)
        sync_task[i] = co_test_spawn(sync_stand, co_test_number('a' + i));
}

/* Have `count` tasks wait, a to e, and all parked. */
static inline void sync_line_up(sync_wait *wait, void (*then)(void), int count)
{
    sync_spawn(wait, then, CO_NEVER, count);
    co_test_yield();
    sync_log_is("");
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(sync_task[i]->state, CO__TASK_PARKED);
}

/* The same, with a time limit that has run out: each task is ready, and will
 * return -ETIMEDOUT, but none has run since. */
static inline void sync_line_up_late(sync_wait *wait, void (*then)(void),
                                     int count)
{
    co_time at = co_now() + CO_MS;

    sync_spawn(wait, then, at, count);
    ck_assert_int_eq(co_sleep_until(at), 0);
    sync_log_is("");
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(sync_task[i]->state, CO__TASK_READY);
}

/* The same, but the loop has not looked at the clock yet. */
static inline void sync_line_up_nearly_late(sync_wait *wait, void (*then)(void),
                                            int count)
{
    sync_spawn(wait, then, co_now() + CO_MS, count);
    co_test_yield();
    co_test_clock_pass(2 * CO_MS);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(sync_task[i]->state, CO__TASK_PARKED);
}

static inline void sync_results_are(int from, int to, int result)
{
    for (int i = from; i < to; i++)
        ck_assert_int_eq(co_test_result(sync_task[i]), result);
}

/* ---- calls that must not wait -------------------------------------------- */

/* The wait as a call of a cancelled task: nothing may have been tried. */
static inline void sync_refused_when_cancelled(sync_wait *wait)
{
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(wait(), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
}

/* The same in a block whose time is up. */
static inline void sync_refused_when_late(sync_wait *wait)
{
    co_timeout(0) {
        ck_assert_int_eq(wait(), -ETIMEDOUT);
    }
}

struct sync_callback {
    co_call call;
    sync_wait *wait;
    int result;
    int called;
};

static inline void sync_called(void *arg)
{
    struct sync_callback *callback = arg;

    callback->result = callback->wait();
    callback->called = 1;
}

/* What the wait returns in a loop callback. */
static inline int sync_in_callback(sync_wait *wait)
{
    struct sync_callback callback = {.wait = wait};

    callback.call = (co_call){.fn = sync_called, .arg = &callback};
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &callback.call),
                     0);
    ck_assert_int_eq(co_sleep(1), 0);
    ck_assert_int_eq(callback.called, 1);
    return callback.result;
}

/* ---- what must not allocate ---------------------------------------------- */

/* Run fn until debug builds, too, use stacks again, and then demand that it
 * allocates nothing more. */
static inline void sync_allocates_nothing(void (*fn)(void))
{
    for (int i = 0; i < 100; i++)
        fn();
    co__fault_after(0);
    for (int i = 0; i < 20; i++)
        fn();
    ck_assert_uint_eq(co__fault_after(0), 0);
}

/* ---- programs that must die ---------------------------------------------- */

/* Demand that fn in a task, or outside of one, ends the program with one line
 * that holds `words`. */
static inline void sync_dies(void (*fn)(void), int in_task, const char *words)
{
    const struct rlimit none = {0, 0};
    char text[1024] = "";
    size_t length = 0;
    int status, fds[2];
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        if (in_task)
            co_test_in_task(fn);
        else
            fn();
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)n;
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                  "status %#x\n%s", (unsigned)status, text);
    ck_assert_msg(strstr(text, words) != NULL, "no \"%s\" in:\n%s", words,
                  text);
}

#endif
