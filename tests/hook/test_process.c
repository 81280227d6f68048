/* SPDX-License-Identifier: MIT */
/* Processes, in tasks. "fork in a task", "vfork", "posix_spawn +
 * waitpid", "system()". */
#include "hook/hook_support.h"

#include "support/forks.h"
#include "support/virtual_clock.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>

pid_t __waitpid(pid_t pid, int *status, int options);

/* It ends when what it reads from is closed, and returns 7. */
static int leash[2];

static pid_t start_child(void)
{
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                    (char *)(uintptr_t) "read x; exit 7", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;

    hook_pipe(leash);
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, leash[0], 0),
                     0);
    ck_assert_int_eq(
        posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(leash[0]);
    return pid;
}

static void let_it_end(void)
{
    close(leash[1]);
}

/* ---- every call that waits: of call->fd, the process; returns its status - */

static ssize_t checked(const struct hook_call *c, pid_t pid, const int *status)
{
    if (pid < 0)
        return -1;
    ck_assert_int_eq(pid, c->fd);
    ck_assert(WIFEXITED(*status));
    return WEXITSTATUS(*status);
}

static ssize_t by_waitpid(struct hook_call *c)
{
    int status;

    return checked(c, waitpid(c->fd, &status, 0), &status);
}

static ssize_t by_waitpid_alias(struct hook_call *c)
{
    int status;

    return checked(c, __waitpid(c->fd, &status, 0), &status);
}

static ssize_t by_wait(struct hook_call *c)
{
    int status;

    return checked(c, wait(&status), &status);
}

static ssize_t by_wait3(struct hook_call *c)
{
    struct rusage usage;
    int status;

    return checked(c, wait3(&status, 0, &usage), &status);
}

static ssize_t by_wait4(struct hook_call *c)
{
    struct rusage usage;
    int status;

    return checked(c, wait4(c->fd, &status, 0, &usage), &status);
}

static ssize_t by_any(struct hook_call *c)
{
    int status;

    return checked(c, waitpid(-1, &status, WUNTRACED), &status);
}

static ssize_t by_waitid(struct hook_call *c)
{
    siginfo_t info;

    if (waitid(P_PID, (id_t)c->fd, &info, WEXITED) < 0)
        return -1;
    ck_assert_int_eq(info.si_pid, c->fd);
    ck_assert_int_eq(info.si_code, CLD_EXITED);
    return info.si_status;
}

static ssize_t by_waitid_any(struct hook_call *c)
{
    siginfo_t info;

    if (waitid(P_ALL, 0, &info, WEXITED) < 0)
        return -1;
    ck_assert_int_eq(info.si_pid, c->fd);
    return info.si_status;
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const waiters[] = {by_waitpid, by_waitpid_alias, by_wait4,
                                   by_waitid,  by_wait,          by_wait3,
                                   by_any,     by_waitid_any};
#define WAITERS ((int)(sizeof(waiters) / sizeof(waiters[0])))

EACH_TEST(waiting_for_a_process_parks)
{
    struct hook_call call = {.fn = waiters[i]};

    call.fd = start_child();
    hook_begin_waiting(&call);
    let_it_end();
    ck_assert_int_eq(hook_end(&call), 7);
    ck_assert_int_eq(hook_do(&call), -ECHILD);
}

EACH_TEST(a_cancelled_wait_leaves_the_process)
{
    struct hook_call call = {.fn = waiters[i]};

    call.fd = start_child();
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    co_timeout(5 * CO_MS)
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    let_it_end();
    ck_assert_int_eq(hook_do(&call), 7);
}

CO_TASK_TEST(wnohang_does_not_wait)
{
    siginfo_t info = {.si_pid = 1};
    pid_t pid = start_child();
    int status;

    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
    ck_assert_int_eq(wait4(pid, &status, WNOHANG, NULL), 0);
    ck_assert_int_eq(wait3(&status, WNOHANG, NULL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), 0);
    ck_assert_int_eq(info.si_pid, 0);
    let_it_end();
    /* WNOWAIT leaves it to be waited for. */
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(info.si_pid, pid);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, NULL, WEXITED), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, NULL, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(waitpid(pid, NULL, 1 << 20), -1);
    ck_assert_int_eq(errno, EINVAL);
}

CO_TASK_TEST(many_processes_are_waited_for_at_once)
{
    struct hook_call calls[10];
    int ends[10];

    for (int i = 0; i < 10; i++) {
        calls[i] = (struct hook_call){.fn = by_waitpid};
        calls[i].fd = start_child();
        ends[i] = leash[1];
        hook_begin_waiting(&calls[i]);
    }
    for (int i = 9; i >= 0; i--) {
        close(ends[i]);
        ck_assert_int_eq(hook_end(&calls[i]), 7);
    }
}

/* ---- fork(2), vfork(2) --------------------------------------------------- */

static int fds[2];
static char got[8];

static ssize_t by_read(struct hook_call *c)
{
    return read(c->fd, c->data, c->len);
}

static struct hook_call reader;

static void reader_waits(void)
{
    hook_pair(fds);
    reader = (struct hook_call){
        .fn = by_read, .fd = fds[0], .data = got, .len = sizeof(got)};
    hook_begin_waiting(&reader);
}

static void reader_reads(void)
{
    ck_assert_int_eq(hook_waits(&reader), 1);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&reader), 3);
    hook_close(fds);
}

static int end_of(pid_t pid)
{
    int status;

    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The child closes what a task of its parent waits for, and calls what would
 * park in the parent: in it nothing is hooked, since there is no loop. */
CO_TASK_TEST(a_forked_child_has_calls_of_its_own)
{
    int pipes[2];
    pid_t pid;
    char c;

    reader_waits();
    hook_pipe(pipes);
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(close(fds[0]) == 0);
        CO_CHILD_CHECK(dup2(pipes[0], fds[1]) == fds[1]);
        CO_CHILD_CHECK(read(pipes[0], &c, 1) == 1);
        CO_CHILD_CHECK(poll(NULL, 0, 1) == 0);
        CO_CHILD_CHECK(usleep(100) == 0);
        CO_CHILD_CHECK(!reader.done);
        _exit(CO_TEST_WELL);
    }
    hook_put(pipes[1], "x");
    ck_assert_int_eq(end_of(pid), CO_TEST_WELL);
    hook_close(pipes);
    reader_reads();
}

static int park_once(void *unused)
{
    struct timespec ms = {0, 1000000};

    (void)unused;
    return nanosleep(&ms, NULL);
}

/* A child may have a loop of its own. */
CO_TASK_TEST(a_forked_child_runs_a_loop_of_its_own)
{
    pid_t pid;

    reader_waits();
    pid = fork();
    if (pid == 0) {
        CO_CHILD_CHECK(co_run(park_once, NULL) == 0);
        CO_CHILD_CHECK(!reader.done);
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(end_of(pid), CO_TEST_WELL);
    reader_reads();
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* It has its parent's memory, and descriptors of its own. */
static pid_t vfork_and_close(void)
{
    pid_t pid = vfork(); /* NOLINT: it is what is tested */

    if (pid == 0) {
        close(fds[0]); /* NOLINT: likewise */
        close(fds[1]); /* NOLINT */
        _exit(CO_TEST_WELL);
    }
    return pid;
}

#pragma GCC diagnostic pop

CO_TASK_TEST(a_vforked_child_closes_nothing_of_its_parents)
{
    reader_waits();
    ck_assert_int_eq(end_of(vfork_and_close()), CO_TEST_WELL);
    co_test_yield();
    reader_reads();
}

CO_TASK_TEST(a_spawned_child_closes_nothing_of_its_parents)
{
    struct hook_call call = {.fn = by_waitpid};
    posix_spawn_file_actions_t actions;
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                    (char *)(uintptr_t) "exit 7", NULL};
    pid_t pid;

    reader_waits();
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    ck_assert_int_eq(posix_spawn_file_actions_addclose(&actions, fds[0]), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, fds[1], 0), 0);
    ck_assert_int_eq(
        posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    call.fd = pid;
    ck_assert_int_eq(hook_do(&call), 7);
    reader_reads();
}

/* ---- system(3), popen(3) ------------------------------------------------- */

static char line[64];

static ssize_t by_system(struct hook_call *c)
{
    int status = system(c->data); /* NOLINT: it is what is tested */

    return status < 0 ? -1 : WEXITSTATUS(status);
}

CO_TASK_TEST(a_shell_is_waited_for_by_its_task_alone)
{
    struct hook_call call = {.fn = by_system, .data = line};
    int ready[2];
    char c;

    hook_pipe(ready);
    fcntl(ready[0], F_SETFD, 0);
    fcntl(ready[1], F_SETFD, 0);
    hook_pair(fds);
    fcntl(fds[0], F_SETFD, 0);
    snprintf(line, sizeof(line), "echo >&%d; read x <&%d; exit 5", ready[1],
             fds[0]);
    hook_begin_waiting(&call);
    ck_assert_int_eq(read(ready[0], &c, 1), 1); /* it has begun */
    co_cancel(call.task);
    co_test_yield();
    ck_assert_int_eq(hook_waits(&call), 1);
    hook_put(fds[1], "\n");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_int_ne(system(NULL), 0); /* NOLINT: whether there is one */
    hook_close(ready);
    hook_close(fds);
}

static int cancelled_system(void *unused)
{
    (void)unused;
    co_cancel(co_self());
    return system("exit 3") < 0 ? -errno : 0; /* NOLINT */
}

CO_TASK_TEST(a_cancelled_task_starts_no_shell)
{
    ck_assert_int_eq(co_test_result(co_test_spawn(cancelled_system, NULL)),
                     -ECANCELED);
}

static FILE *stream;

static ssize_t by_pclose(struct hook_call *c)
{
    int status = pclose(stream);

    (void)c;
    return status < 0 ? -1 : WEXITSTATUS(status);
}

CO_TASK_TEST(pclose_waits_for_the_process)
{
    struct hook_call call = {.fn = by_pclose};
    hook_pair(fds);
    fcntl(fds[0], F_SETFD, 0);
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof(line), "read x <&%d; exit 6", fds[0]);
        stream = popen(line, "re"); /* NOLINT: it is what is tested */
        ck_assert_ptr_nonnull(stream);
        hook_begin_waiting(&call);
        if (i == 1) /* its process has to end whatever the limits */
            co_cancel(call.task);
        hook_put(fds[1], "\n");
        ck_assert_int_eq(hook_end(&call), 6);
    }
    hook_close(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.process");
    TCase *tc = hook_case(s, "process");

    tcase_add_loop_test(tc, waiting_for_a_process_parks, 0, WAITERS);
    tcase_add_loop_test(tc, a_cancelled_wait_leaves_the_process, 0, WAITERS);
    tcase_add_test(tc, wnohang_does_not_wait);
    tcase_add_test(tc, many_processes_are_waited_for_at_once);
    tcase_add_test(tc, a_forked_child_has_calls_of_its_own);
    tcase_add_test(tc, a_forked_child_runs_a_loop_of_its_own);
    tcase_add_test(tc, a_vforked_child_closes_nothing_of_its_parents);
    tcase_add_test(tc, a_spawned_child_closes_nothing_of_its_parents);
    tcase_add_test(tc, a_shell_is_waited_for_by_its_task_alone);
    tcase_add_test(tc, a_cancelled_task_starts_no_shell);
    tcase_add_test(tc, pclose_waits_for_the_process);
    return s;
}

CO_TEST_MAIN(suite)
