/* SPDX-License-Identifier: MIT */
/* SIGPIPE: blocked in a thread that runs a loop, and nothing else changes. */
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/loop.h>
#include <coppice/task.h>

#include "support/check_main.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- support ------------------------------------------------------------- */

static volatile sig_atomic_t delivered;

static void count(int number)
{
    (void)number;
    delivered++;
}

static struct sigaction old_action;
static sigset_t old_mask;

static void handler_set(void)
{
    struct sigaction action = {.sa_handler = count};

    delivered = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &old_mask);
    sigaction(SIGPIPE, &action, &old_action);
}

static void handler_restored(void)
{
    static const struct timespec at_once = {0};
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    while (sigtimedwait(&pipe_only, NULL, &at_once) == SIGPIPE)
        continue;
    sigaction(SIGPIPE, &old_action, NULL);
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
}

static int is_blocked(void)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, SIGPIPE);
}

static int is_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE);
}

static void set_blocked(int how)
{
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(how, &pipe_only, NULL);
}

/* A write(2) of the program's own, to a pipe that nobody reads. */
static int write_to_nobody(void *arg)
{
    int fds[2], r;

    (void)arg;
    if (pipe(fds) < 0)
        return -errno;
    close(fds[0]);
    r = write(fds[1], "x", 1) < 0 ? -errno : 0;
    close(fds[1]);
    return r;
}

static int blocked_inside(void *arg)
{
    (void)arg;
    return is_blocked();
}

/* ---- a run --------------------------------------------------------------- */

START_TEST(a_run_blocks_sigpipe_and_restores_the_mask)
{
    sigset_t before, after;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    ck_assert_int_eq(is_blocked(), 0);
    ck_assert_int_eq(co_run(blocked_inside, NULL), 1);
    ck_assert_int_eq(is_blocked(), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++)
        ck_assert_int_eq(sigismember(&before, i), sigismember(&after, i));
}
END_TEST

START_TEST(what_became_pending_is_discarded)
{
    ck_assert_int_eq(co_run(write_to_nobody, NULL), -EPIPE);
    ck_assert_int_eq(delivered, 0);
    ck_assert_int_eq(is_pending(), 0);
}
END_TEST

START_TEST(what_was_pending_before_is_kept)
{
    set_blocked(SIG_BLOCK);
    raise(SIGPIPE);
    ck_assert_int_eq(is_pending(), 1);
    ck_assert_int_eq(co_run(write_to_nobody, NULL), -EPIPE);
    ck_assert_int_eq(is_pending(), 1);
    ck_assert_int_eq(delivered, 0);
    set_blocked(SIG_UNBLOCK);
    ck_assert_int_eq(delivered, 1);
}
END_TEST

START_TEST(a_program_that_blocked_it_finds_it_blocked)
{
    set_blocked(SIG_BLOCK);
    ck_assert_int_eq(co_run(write_to_nobody, NULL), -EPIPE);
    ck_assert_int_eq(is_blocked(), 1);
    ck_assert_int_eq(is_pending(), 0);
    set_blocked(SIG_UNBLOCK);
    ck_assert_int_eq(delivered, 0);
}
END_TEST

START_TEST(the_programs_own_handler_stays)
{
    struct sigaction action;

    ck_assert_int_eq(co_run(write_to_nobody, NULL), -EPIPE);
    sigaction(SIGPIPE, NULL, &action);
    ck_assert(action.sa_handler == count);
    ck_assert_int_eq(write_to_nobody(NULL), -EPIPE);
    ck_assert_int_eq(delivered, 1); /* outside of a run it is as ever */
}
END_TEST

START_TEST(a_failed_run_leaves_the_mask_alone)
{
    co_loop_options options = {.size = sizeof(options), .backend = "teapot"};

    ck_assert_int_eq(co_run(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_run_with(&options, blocked_inside, NULL, NULL),
                     -ENOSYS);
    ck_assert_int_eq(is_blocked(), 0);
}
END_TEST

/* ---- loop objects -------------------------------------------------------- */

START_TEST(each_run_and_turn_of_a_loop_restores_the_mask)
{
    co_loop *loop = co_loop_new(NULL);
    int result = 0;

    ck_assert_int_eq(is_blocked(), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            co_loop_run_until(loop, write_to_nobody, NULL, &result), 0);
        ck_assert_int_eq(result, -EPIPE);
        ck_assert_int_eq(is_blocked(), 0);
        ck_assert_ptr_nonnull(co_loop_spawn(loop, write_to_nobody, NULL));
        ck_assert_int_eq(co_loop_turn(loop, 0), 0);
        ck_assert_int_eq(is_blocked(), 0);
        ck_assert_int_eq(co_loop_stop(loop), 0);
        ck_assert_int_eq(co_loop_run_forever(loop), 0);
        ck_assert_int_eq(is_blocked(), 0);
    }
    ck_assert_ptr_nonnull(co_loop_spawn(loop, write_to_nobody, NULL));
    co_loop_free(loop); /* runs it */
    ck_assert_int_eq(is_blocked(), 0);
    ck_assert_int_eq(delivered, 0);
}
END_TEST

/* ---- threads and children ------------------------------------------------ */

static void *thread_mask(void *arg)
{
    *(int *)arg = is_blocked();
    return NULL;
}

static int look_from_a_thread(void *arg)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, thread_mask, arg), 0);
    pthread_join(thread, NULL);
    return 0;
}

START_TEST(other_threads_are_not_touched)
{
    pthread_t thread;
    int inside = -1, beside = -1;

    ck_assert_int_eq(co_run(look_from_a_thread, &inside), 0);
    /* A new thread inherits its maker's mask: nothing we could change. */
    ck_assert_int_eq(inside, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_mask, &beside), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(beside, 0);
}
END_TEST

static int fork_and_look(void *arg)
{
    int status = -1;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        _exit(is_blocked() ? 1 : 0);
    if (waitpid(pid, &status, 0) != pid)
        return -errno;
    return status;
}

START_TEST(a_child_has_the_old_mask)
{
    ck_assert_int_eq(co_run(fork_and_look, NULL), 0);
    set_blocked(SIG_BLOCK);
    ck_assert_int_eq(co_run(fork_and_look, NULL), 1 << 8);
}
END_TEST

static int fork_and_die(void *arg)
{
    int status = -1;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        write_to_nobody(NULL);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        return -errno;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(a_child_dies_of_sigpipe_as_ever)
{
    ck_assert_int_eq(co_run(fork_and_die, NULL), SIGPIPE);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sigpipe");
    TCase *tc = tcase_create("sigpipe");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, handler_set, handler_restored);
    tcase_add_test(tc, a_run_blocks_sigpipe_and_restores_the_mask);
    tcase_add_test(tc, what_became_pending_is_discarded);
    tcase_add_test(tc, what_was_pending_before_is_kept);
    tcase_add_test(tc, a_program_that_blocked_it_finds_it_blocked);
    tcase_add_test(tc, the_programs_own_handler_stays);
    tcase_add_test(tc, a_failed_run_leaves_the_mask_alone);
    tcase_add_test(tc, each_run_and_turn_of_a_loop_restores_the_mask);
    tcase_add_test(tc, other_threads_are_not_touched);
    tcase_add_test(tc, a_child_has_the_old_mask);
    tcase_add_test(tc, a_child_dies_of_sigpipe_as_ever);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
