/* SPDX-License-Identifier: MIT */
/* support/dies.h - what a program's own mistake says before it stops it. */
#ifndef CO_TESTS_SUPPORT_DIES_H
#define CO_TESTS_SUPPORT_DIES_H

#include <coppice/loop.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CO_TEST_DIES_MAX 1024

/* Run fn in a child process as the first task of a loop. Returns what it wrote
 * to standard error if that stopped it with SIGABRT, else "(alive)". Not to be
 * called in a task. */
static inline const char *co_test_dies(int (*fn)(void *arg), void *arg)
{
    static char text[CO_TEST_DIES_MAX];
    int status, fds[2];
    size_t length = 0;
    ssize_t n;
    pid_t pid;

    fflush(NULL);
    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        _exit(co_run(fn, arg) < 0);
    }
    close(fds[1]);
    while ((n = read(fds[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        return "(alive)";
    return text;
}

#endif
