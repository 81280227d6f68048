/* SPDX-License-Identifier: MIT */
/*
 * support/forks.h - tests that fork. In a child nothing may be asserted: Check
 * would think it its own test. It ends with a number that says what went wrong,
 * or CO_TEST_WELL.
 */
#ifndef CO_TESTS_SUPPORT_FORKS_H
#define CO_TESTS_SUPPORT_FORKS_H

#include "support/check_main.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CO_TEST_WELL = 42,
};

#define CO_CHILD_CHECK(condition)                                              \
    do {                                                                       \
        if (!(condition))                                                      \
            _exit(__LINE__ % 199 + 50);                                        \
    } while (0)

/* fork(2). The child is killed after a while, so that one which hangs is a
 * failure and no more. */
static inline pid_t co_test_fork(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(co_test_scale(20, 60));
    }
    return pid;
}

/* Wait for a child: its exit code, or -1 - signal. */
static inline int co_test_end_of(pid_t pid)
{
    int status = -1;

    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1 - WTERMSIG(status);
}

#endif
