/* SPDX-License-Identifier: MIT */
/* ctest: timeout=300 labels=slow */
/* Processes: how they begin, what they are given, how their end is known. */
#include "process_support.h"

#include <coppice/alloc.h>
#include <coppice/pipe.h>
#include <coppice/stream.h>

#include "base/alloc.h"
#include "support/forks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- the end ------------------------------------------------------------- */

CO_TASK_TEST(exit_codes_and_signals_are_told)
{
    ck_assert_int_eq(end_of_shell("exit 0"), 0);
    ck_assert_int_eq(end_of_shell("exit 255"), 255);
    ck_assert_int_eq(end_of_shell("kill -KILL $$"), -SIGKILL);
    ck_assert_int_eq(end_of_shell("kill -TERM $$; exit 3"), -SIGTERM);
}

CO_TASK_TEST(what_has_ended_can_be_asked_again)
{
    co_process *process = start_shell("exit 7", NULL);
    int code = 0;

    ck_assert_int_gt(co_process_pid(process), 0);
    ck_assert_int_eq(co_process_wait(process, NULL), 0);
    ck_assert_int_eq(co_process_wait(process, &code), 0);
    ck_assert_int_eq(code, 7);
    ck_assert_int_eq(co_process_try_wait(process, &code), 0);
    ck_assert_int_eq(code, 7);
    ck_assert_int_eq(co_process_signal(process, 0), -ESRCH);
    co_process_free(process);
}

CO_TASK_TEST(try_wait_looks_for_itself)
{
    co_process *process = start_sleeper();
    int code = 5;

    ck_assert_int_eq(co_process_try_wait(process, &code), -EAGAIN);
    ck_assert_int_eq(co_process_signal(process, 0), 0);
    ck_assert_int_eq(co_process_kill(process), 0);
    has_ended(process);
    ck_assert_int_eq(co_process_kill(process), -ESRCH);
    ck_assert_int_eq(co_process_try_wait(process, &code), 0);
    ck_assert_int_eq(code, -SIGKILL);
    co_process_free(process);
}

CO_TASK_TEST(signals_are_sent)
{
    static const char trap[] = "trap 'exit 9' USR1; echo; "
                               "while :; do sleep 0.01; done";
    co_process *process = start_with(trap, CO_PROCESS_PIPE);
    char byte;
    int code = 0;

    ck_assert_int_eq(co_read(co_process_fd(process, 1), &byte, 1), 1);
    ck_assert_int_eq(co_process_signal(process, -1), -EINVAL);
    ck_assert_int_eq(co_process_signal(process, SIGUSR1), 0);
    ck_assert_int_eq(co_process_wait(process, &code), 0);
    ck_assert_int_eq(code, 9);
    co_process_free(process);
    process = start_sleeper();
    ck_assert_int_eq(co_process_terminate(process), 0);
    ck_assert_int_eq(co_process_wait(process, &code), 0);
    ck_assert_int_eq(code, -SIGTERM);
    co_process_free(process);
}

CO_TASK_TEST(all_who_wait_are_told)
{
    struct waiter waiters[3];

    waiters[0].process = start_sleeper();
    for (int i = 0; i < 3; i++) {
        waiters[i].process = waiters[0].process;
        start_waiting(&waiters[i]);
    }
    ck_assert_int_eq(co_process_kill(waiters[0].process), 0);
    ck_assert_int_eq(co_test_result(waiters[0].task), 0);
    co_process_free(waiters[0].process); /* the others were told before */
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            ck_assert_int_eq(co_test_result(waiters[i].task), 0);
        ck_assert_int_eq(waiters[i].code, -SIGKILL);
    }
}

CO_TASK_TEST(a_wait_that_is_given_up_leaves_the_process)
{
    struct waiter w = {.process = start_sleeper()};
    int code = 0;

    start_waiting(&w);
    co_cancel(w.task);
    ck_assert_int_eq(co_test_result(w.task), -ECANCELED);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_process_wait(w.process, &code), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_process_try_wait(w.process, &code), -EAGAIN);
    ck_assert_int_eq(co_process_kill(w.process), 0);
    ck_assert_int_eq(co_process_wait(w.process, &code), 0);
    ck_assert_int_eq(code, -SIGKILL);
    co_process_free(w.process);
}

CO_TASK_TEST(of_end_and_cancel_the_first_decides)
{
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct waiter w = {.process = start_shell("exit 4", NULL)};
        int code = 0;

        start_waiting(&w);
        has_ended(w.process);
        if (cancel_first)
            co_cancel(w.task);
        while (w.task->state == CO__TASK_PARKED)
            collect_events();
        collect_events();
        co_cancel(w.task);
        ck_assert_int_eq(co_test_result(w.task), cancel_first ? -ECANCELED : 0);
        if (!cancel_first)
            ck_assert_int_eq(w.code, 4);
        ck_assert_int_eq(co_process_wait(w.process, &code), 0);
        ck_assert_int_eq(code, 4);
        co_process_free(w.process);
    }
}

static int wait_a_while(void *arg)
{
    struct waiter *w = arg;
    int r = 0;

    co_timeout(20 * CO_MS)
        r = co_process_wait(w->process, &w->code);
    return r;
}

CO_TASK_TEST(of_end_and_timeout_in_one_turn_either_decides_and_none_is_lost)
{
    struct waiter w = {.process = start_shell("exit 4", NULL)};
    co_task *task = co_test_spawn(wait_a_while, &w);
    int code = 0, r;

    co_test_yield();
    has_ended(w.process);
    usleep(25 * 1000); /* both are due when the loop looks */
    r = co_test_result(task);
    ck_assert(r == 0 || r == -ETIMEDOUT);
    ck_assert_int_eq(co_process_wait(w.process, &code), 0);
    ck_assert_int_eq(code, 4);
    co_process_free(w.process);
}

/* ---- freeing ------------------------------------------------------------- */

CO_TASK_TEST(what_is_freed_is_killed_and_reaped)
{
    struct waiter w = {.process = start_sleeper()};
    pid_t pid = co_process_pid(w.process);

    start_waiting(&w);
    co_process_free(w.process);
    ck_assert_int_eq(co_test_result(w.task), -EBADF);
    while (kill(pid, 0) == 0)
        ck_assert_int_eq(co_sleep(CO_MS / 10), 0);
    ck_assert_int_eq(errno, ESRCH);
    no_children();
}

static void let_scope_end(void)
{
    CO_CLEANUP(co_process_freep) co_process *process = start_sleeper();

    ck_assert_ptr_nonnull(process);
}

CO_TASK_TEST(the_end_of_the_loop_reaps_what_was_freed)
{
    let_scope_end();
    co_process_free(NULL);
}

static int start_one(void *out)
{
    *(co_process **)out = start_sleeper();
    return 0;
}

START_TEST(a_process_outlives_its_loop_until_it_is_freed)
{
    co_process *process = NULL;
    int status;
    pid_t pid;

    ck_assert_int_eq(co_run(start_one, &process), 0);
    pid = co_process_pid(process);
    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
    ck_assert_int_eq(co_process_wait(process, NULL), -EPERM);
    ck_assert_int_eq(co_process_try_wait(process, NULL), -EPERM);
    co_process_free(process);
    no_children();
}
END_TEST

static int free_in_child(void *unused)
{
    co_process *process = start_sleeper();
    pid_t child = fork();
    int code = 0;

    (void)unused;
    if (child == 0) {
        CO_CHILD_CHECK(co_process_kill(process) == -ESRCH);
        co_process_free(process);
        _exit(CO_TEST_WELL);
    }
    ck_assert_int_eq(co_test_end_of(child), CO_TEST_WELL);
    ck_assert_int_eq(co_process_try_wait(process, &code), -EAGAIN);
    co_process_free(process);
    return 0;
}

START_TEST(a_forked_child_leaves_the_processes_of_its_parent)
{
    ck_assert_int_eq(co_run(free_in_child, NULL), 0);
}
END_TEST

/* ---- the program's own children ------------------------------------------ */

static atomic_int chld_calls;

static void on_chld(int signo)
{
    (void)signo;
    atomic_fetch_add(&chld_calls, 1);
}

CO_TASK_TEST(sigchld_and_children_of_the_programs_own_are_left_alone)
{
    struct sigaction action = {.sa_handler = on_chld}, old, now;
    pid_t own;

    ck_assert_int_eq(sigaction(SIGCHLD, &action, &old), 0);
    own = fork();
    if (own == 0)
        _exit(CO_TEST_WELL);
    ck_assert_int_eq(end_of_shell("exit 3"), 3);
    ck_assert_int_gt(chld_calls, 0);
    ck_assert_int_eq(co_test_end_of(own), CO_TEST_WELL);
    ck_assert_int_eq(sigaction(SIGCHLD, &old, &now), 0);
    ck_assert(now.sa_handler == on_chld);
}

CO_TASK_TEST(what_the_program_has_reaped_is_echild)
{
    co_process *process = start_shell("exit 3", NULL);
    int status, code = 55;

    ck_assert_int_eq(waitpid(co_process_pid(process), &status, 0),
                     co_process_pid(process));
    ck_assert_int_eq(co_process_kill(process), -ESRCH);
    ck_assert_int_eq(co_process_wait(process, &code), -ECHILD);
    ck_assert_int_eq(co_process_wait(process, &code), -ECHILD);
    ck_assert_int_eq(code, 55);
    co_process_free(process);
}

CO_TASK_TEST(without_sigchld_the_end_is_echild)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    co_process *process;

    ck_assert_int_eq(sigaction(SIGCHLD, &ignore, &old), 0);
    process = start_shell("exit 3", NULL);
    ck_assert_int_eq(co_process_wait(process, NULL), -ECHILD);
    ck_assert_int_eq(sigaction(SIGCHLD, &old, NULL), 0);
    co_process_free(process);
}

/* How many descriptors are open when the loop has what it keeps. */
static int fds_with_a_watch(void)
{
    ck_assert_int_eq(end_of_shell("exit 0"), 0);
    return co_test_fds_open();
}

/* ---- many ---------------------------------------------------------------- */

CO_TASK_TEST(ten_thousand_one_after_another)
{
    const char *argv[] = {"true", NULL};
    int fds = fds_with_a_watch();

    for (int i = 0; i < co_test_scale(10000, 300); i++) {
        co_process *process = start(argv, NULL);
        int code = 1;

        ck_assert_int_eq(co_process_wait(process, &code), 0);
        ck_assert_int_eq(code, 0);
        co_process_free(process);
    }
    ck_assert_int_eq(co_test_fds_open(), fds);
    no_children();
}

static int run_one(void *number)
{
    co_process_output output = {.code = -1};
    co_process *process = start_with("cat; exit 5", CO_PROCESS_PIPE);
    int n = (int)(intptr_t)number;

    ck_assert_int_eq(co_process_communicate(process, &n, sizeof(n), 0, &output),
                     0);
    ck_assert_uint_eq(output.out_len, sizeof(n));
    ck_assert_mem_eq(output.out, &n, sizeof(n));
    ck_assert_int_eq(output.code, 5);
    co_process_output_free(&output);
    co_process_free(process);
    return 0;
}

CO_TASK_TEST(two_hundred_at_once)
{
    co_task *tasks[200];
    int count = co_test_scale(200, 40);
    int fds = fds_with_a_watch();

    for (int i = 0; i < count; i++)
        tasks[i] = co_test_spawn(run_one, co_test_number(i));
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    ck_assert_int_eq(co_test_fds_open(), fds);
    no_children();
}

/* ---- bad input ----------------------------------------------------------- */

static void refused(const char *const *argv, const co_process_options *options,
                    int error)
{
    co_process *process = (co_process *)&error;

    ck_assert_int_eq(co_process_spawn(argv, options, &process), error);
    ck_assert_ptr_eq(process, &error);
}

CO_TASK_TEST(what_cannot_be_run_is_an_error_of_spawn)
{
    const char *none[] = {"/nonexistent/program", NULL};
    const char *none_in_path[] = {"no-such-program-anywhere", NULL};
    const char *directory[] = {"/", NULL};
    const char *text[] = {NULL, NULL};
    const char *echo[] = {"true", NULL};
    co_process_options options = {.size = sizeof(options),
                                  .in = CO_PROCESS_PIPE,
                                  .out = CO_PROCESS_PIPE,
                                  .err = CO_PROCESS_PIPE};
    char path[] = "/tmp/co-process-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "text\n", 5), 5);
    close(fd);
    text[0] = path;
    if (exec_errors_are_told()) {
        refused(none, &options, -ENOENT);
        refused(none_in_path, &options, -ENOENT);
        refused(directory, &options, -EACCES);
        refused(text, &options, -EACCES);
        ck_assert_int_eq(chmod(path, 0700), 0);
        refused(text, &options, -ENOEXEC);
        options.cwd = "/nonexistent";
        refused(echo, &options, -ENOENT);
        options.cwd = path;
        refused(echo, &options, -ENOTDIR);
    }
    ck_assert_int_eq(unlink(path), 0);
    no_children();
}

CO_TASK_TEST(arguments_are_checked)
{
    const char *argv[] = {"true", NULL}, *empty[] = {NULL};
    co_process_options options = {.size = sizeof(options)};
    co_process_output output = {.out = NULL};
    co_process *process;

    refused(NULL, NULL, -EINVAL);
    refused(empty, NULL, -EINVAL);
    ck_assert_int_eq(co_process_spawn(argv, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_process_shell(NULL, NULL, &process), -EINVAL);
    options.size--;
    refused(argv, &options, -EINVAL);
    options.size++;
    options.in = CO_PROCESS_STDOUT;
    refused(argv, &options, -EINVAL);
    options.in = CO_PROCESS_PIPE;
    options.out = 4;
    refused(argv, &options, -EINVAL);
    options.out = CO_PROCESS_FD(-1);
    refused(argv, &options, -EINVAL);
    options.out = CO_PROCESS_FD(9999);
    refused(argv, &options, -EBADF);
    ck_assert_int_eq(co_process_wait(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_process_try_wait(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_process_kill(NULL), -EINVAL);
    ck_assert_int_eq(co_process_pid(NULL), -EINVAL);
    ck_assert_int_eq(co_process_fd(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_process_communicate(NULL, NULL, 0, 0, &output),
                     -EINVAL);
    co_process_output_free(NULL);
    process = start_sleeper();
    ck_assert_int_eq(co_process_communicate(process, NULL, 1, 0, &output),
                     -EINVAL);
    for (int i = -1; i < 4; i++) {
        int none = i < 0 || i > 2 ? -EINVAL : -EBADF;

        ck_assert_int_eq(co_process_fd(process, i), none);
        ck_assert_int_eq(co_process_close(process, i), none);
        ck_assert_ptr_null(co_process_stream(process, i));
        ck_assert_int_eq(errno, -none);
    }
    co_process_free(process);
}

START_TEST(a_process_needs_a_loop)
{
    const char *argv[] = {"true", NULL};

    refused(argv, NULL, -EPERM);
}
END_TEST

CO_TASK_TEST(too_few_descriptors_leave_nothing)
{
    const char *argv[] = {"true", NULL};
    co_process_options options = {.size = sizeof(options),
                                  .in = CO_PROCESS_PIPE,
                                  .out = CO_PROCESS_PIPE,
                                  .err = CO_PROCESS_PIPE};
    struct rlimit limit, few;
    int fds = co_test_fds_open(), tries = 0, r;
    co_process *process;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    for (few.rlim_cur = 1;; few.rlim_cur++) {
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        r = co_process_spawn(argv, &options, &process);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -EMFILE);
        ck_assert_int_eq(co_test_fds_open(), fds);
        tries++;
    }
    ck_assert_int_gt(tries, 3);
    co_process_free(process);
}

CO_TASK_TEST(too_little_memory_leaves_nothing)
{
    int fds = fds_with_a_watch();

    for (unsigned n = 1;; n++) {
        co_process_output output = {.out = NULL};
        co_process *process = NULL;
        int r;

        co__fault_after(n);
        r = co_process_shell("echo hello", &pipes, &process);
        if (r == 0)
            r = co_process_communicate(process, "x", 1, 0, &output);
        if (co__fault_after(0) < n) {
            ck_assert_int_eq(r, 0);
            ck_assert_str_eq(output.out, "hello\n");
            co_process_output_free(&output);
            co_process_free(process);
            break;
        }
        ck_assert_int_eq(r, -ENOMEM);
        co_process_free(process);
    }
    /* What watches a process may be closed when its end is reported. */
    for (int i = 0; i < 1000 && co_test_fds_open() != fds; i++)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(co_test_fds_open(), fds);
}

/* -------------------------------------------------------------------------- */

static void add_all(TCase *tc)
{
    tcase_add_test(tc, exit_codes_and_signals_are_told);
    tcase_add_test(tc, what_has_ended_can_be_asked_again);
    tcase_add_test(tc, try_wait_looks_for_itself);
    tcase_add_test(tc, signals_are_sent);
    tcase_add_test(tc, all_who_wait_are_told);
    tcase_add_test(tc, a_wait_that_is_given_up_leaves_the_process);
    tcase_add_test(tc, of_end_and_cancel_the_first_decides);
    tcase_add_test(
        tc, of_end_and_timeout_in_one_turn_either_decides_and_none_is_lost);
    tcase_add_test(tc, what_is_freed_is_killed_and_reaped);
    tcase_add_test(tc, the_end_of_the_loop_reaps_what_was_freed);
    tcase_add_test(tc, a_process_outlives_its_loop_until_it_is_freed);
    tcase_add_test(tc, a_forked_child_leaves_the_processes_of_its_parent);
    tcase_add_test(tc, sigchld_and_children_of_the_programs_own_are_left_alone);
    tcase_add_test(tc, what_the_program_has_reaped_is_echild);
    tcase_add_test(tc, without_sigchld_the_end_is_echild);
    tcase_add_test(tc, ten_thousand_one_after_another);
    tcase_add_test(tc, two_hundred_at_once);
    tcase_add_test(tc, what_cannot_be_run_is_an_error_of_spawn);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, a_process_needs_a_loop);
    tcase_add_test(tc, too_few_descriptors_leave_nothing);
    tcase_add_test(tc, too_little_memory_leaves_nothing);
}

static Suite *suite(void)
{
    Suite *s = suite_create("process");
    TCase *tc = tcase_create("process");

    tcase_set_timeout(tc, 250);
    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, NULL, no_children);
    if (can_watch(tc))
        add_all(tc);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
