/* SPDX-License-Identifier: MIT */
/* What the tests of processes share. */
#ifndef CO_TESTS_IO_PROCESS_SUPPORT_H
#define CO_TESTS_IO_PROCESS_SUPPORT_H

#include <coppice/process.h>

#include "io_support.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

static const co_process_options pipes = {
    .size = sizeof(pipes),
    .in = CO_PROCESS_PIPE,
    .out = CO_PROCESS_PIPE,
    .err = CO_PROCESS_PIPE,
};

static inline co_process *start(const char *const *argv,
                                const co_process_options *options)
{
    co_process *process = NULL;

    ck_assert_int_eq(co_process_spawn(argv, options, &process), 0);
    return process;
}

static inline co_process *start_shell(const char *line,
                                      const co_process_options *options)
{
    co_process *process = NULL;

    ck_assert_int_eq(co_process_shell(line, options, &process), 0);
    return process;
}

/* Standard input and output alike; errors are ours. */
static inline co_process *start_with(const char *line, int kind)
{
    co_process_options options = {
        .size = sizeof(options), .in = kind, .out = kind};

    return start_shell(line, &options);
}

static inline co_process *start_sleeper(void)
{
    const char *argv[] = {"sleep", "1000", NULL};

    return start(argv, NULL);
}

/* Until its end can be seen by everybody; it is not reaped. */
static inline void has_ended(const co_process *process)
{
    siginfo_t info;

    ck_assert_int_eq(waitid(P_PID, (id_t)co_process_pid(process), &info,
                            WEXITED | WNOWAIT),
                     0);
}

/* Its code, and it is gone. */
static inline int end_of(co_process *process)
{
    int code = 12345;

    ck_assert_int_eq(co_process_wait(process, &code), 0);
    co_process_free(process);
    return code;
}

static inline int end_of_shell(const char *line)
{
    return end_of(start_shell(line, NULL));
}

/* No zombie either. */
static inline void no_children(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

/* Whether posix_spawn says why a program cannot be run. Emulators that make a
 * fork of a vfork do not. */
static inline int exec_errors_are_told(void)
{
    char *argv[] = {(char *)"/nonexistent", NULL};
    pid_t pid;

    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, NULL) == ENOENT)
        return 1;
    waitpid(pid, NULL, 0);
    return 0;
}

/* What a spawn says where the kernel cannot watch a process: Linux before 5.3,
 * and valgrind, which does not know the call. */
static inline int spawn_true(void *unused)
{
    const char *argv[] = {"true", NULL};
    co_process *process = NULL;
    int r = co_process_spawn(argv, NULL, &process);

    (void)unused;
    co_process_free(process);
    return r;
}

START_TEST(without_a_watch_spawn_says_so_and_leaves_nothing)
{
    ck_assert_int_eq(co_run(spawn_true, NULL), -ENOSYS);
}
END_TEST

/* Whether the rest can be tested; if not, this is. */
static inline int can_watch(TCase *tc)
{
    if (co_run(spawn_true, NULL) != -ENOSYS)
        return 1;
    tcase_add_test(tc, without_a_watch_spawn_says_so_and_leaves_nothing);
    return 0;
}

/* ---- tasks that wait ----------------------------------------------------- */

struct waiter {
    co_process *process;
    co_task *task;
    int code;
};

static inline int waiter_waits(void *arg)
{
    struct waiter *w = arg;

    return co_process_wait(w->process, &w->code);
}

static inline void start_waiting(struct waiter *w)
{
    w->task = co_test_spawn(waiter_waits, w);
    co_test_yield();
    ck_assert_int_eq(w->task->state, CO__TASK_PARKED);
}

#endif
