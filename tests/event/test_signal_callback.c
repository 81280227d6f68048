/* SPDX-License-Identifier: MIT */
/* Functions that the loop calls when a signal has come, and SIGINT during
 * co_run. */
#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/fd.h>

#include "base/alloc.h"
#include "base/sanitize.h"
#include "core/loop.h"
#include "core/turn.h"
#include "support/check_main.h"
#include "support/tasks.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

/* ---- support ------------------------------------------------------------- */

struct heard {
    int calls;
    int signo;
    int remove; /* itself, in the call */
};

static void on_signal(int signo, void *arg)
{
    struct heard *h = arg;

    h->calls++;
    h->signo = signo;
    if (h->remove)
        ck_assert_int_eq(co_loop_remove_signal(co_loop_running(), signo), 1);
}

static int add(int signo, struct heard *h)
{
    return co_loop_add_signal(co_loop_running(), signo, on_signal, h);
}

static int drop(int signo)
{
    return co_loop_remove_signal(co_loop_running(), signo);
}

static void turns(void)
{
    for (int i = 0; i < 5; i++) {
        co__turn(co_loop_running(), 0);
        co_test_yield();
    }
}

static void send(int signo)
{
    ck_assert_int_eq(raise(signo), 0);
}

static atomic_int old_calls;
static atomic_int old_infos; /* calls without one */

static void old_handler(int signo)
{
    (void)signo;
    atomic_fetch_add(&old_calls, 1);
}

static void old_handler_with_info(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    if (!info)
        atomic_fetch_add(&old_infos, 1);
    atomic_fetch_add(&old_calls, 1);
}

static struct sigaction saved[3];
static const int used[3] = {SIGUSR1, SIGUSR2, SIGINT};

static void install(int signo, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    ck_assert_int_eq(sigaction(signo, &action, NULL), 0);
}

static void keep(void)
{
    old_calls = 0;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(sigaction(used[i], NULL, &saved[i]), 0);
        install(used[i], old_handler);
    }
}

/* What was there before the test is there after it: checked by each. */
static void restore(void)
{
    for (int i = 0; i < 3; i++) {
        struct sigaction now;

        ck_assert_int_eq(sigaction(used[i], &saved[i], &now), 0);
        ck_assert(now.sa_handler == old_handler);
    }
}

/* ---- hearing ------------------------------------------------------------- */

CO_TASK_TEST(a_signal_is_a_call)
{
    struct heard h = {0};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    turns();
    ck_assert_int_eq(h.calls, 0);
    for (int i = 1; i <= 3; i++) {
        send(SIGUSR1);
        ck_assert_int_eq(h.calls, i - 1); /* not in the handler */
        turns();
        ck_assert_int_eq(h.calls, i);
        ck_assert_int_eq(h.signo, SIGUSR1);
    }
    ck_assert_int_eq(old_calls, 0);
    ck_assert_int_eq(drop(SIGUSR1), 1);
    ck_assert_int_eq(drop(SIGUSR1), 0);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(h.calls, 3);
    ck_assert_int_eq(old_calls, 1); /* the one before is back */
}

CO_TASK_TEST(signals_before_the_call_are_one_call)
{
    struct heard h = {0};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    for (int i = 0; i < 10; i++)
        send(SIGUSR1);
    turns();
    ck_assert_int_eq(h.calls, 1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
}

CO_TASK_TEST(each_signal_has_a_function_of_its_own)
{
    struct heard one = {0}, two = {0};

    ck_assert_int_eq(add(SIGUSR1, &one), 0);
    ck_assert_int_eq(add(SIGUSR2, &two), 0);
    send(SIGUSR2);
    turns();
    ck_assert_int_eq(one.calls, 0);
    ck_assert_int_eq(two.calls, 1);
    ck_assert_int_eq(two.signo, SIGUSR2);
    ck_assert_int_eq(drop(SIGUSR2), 1);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(one.calls, 1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
}

CO_TASK_TEST(a_second_function_replaces_the_first)
{
    struct heard one = {0}, two = {0};

    ck_assert_int_eq(add(SIGUSR1, &one), 0);
    ck_assert_int_eq(add(SIGUSR1, &two), 0);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(one.calls, 0);
    ck_assert_int_eq(two.calls, 1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
    ck_assert_int_eq(drop(SIGUSR1), 0);
}

CO_TASK_TEST(a_signal_that_came_before_the_removal_is_not_heard_after_it)
{
    struct heard h = {0};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    send(SIGUSR1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
    turns();
    ck_assert_int_eq(h.calls, 0);
    /* Nor is it when the loop has taken the call, but not made it. */
    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    send(SIGUSR1);
    co__turn(co_loop_running(), 0);
    ck_assert_int_eq(drop(SIGUSR1), 1);
    turns();
    ck_assert_int_eq(h.calls, 0);
}

CO_TASK_TEST(a_function_can_remove_itself)
{
    struct heard h = {.remove = 1};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(h.calls, 1);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(h.calls, 1);
    ck_assert_int_eq(old_calls, 1);
}

static void *send_to_process(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
    return NULL;
}

CO_TASK_TEST(a_signal_wakes_a_loop_that_waits)
{
    struct heard h = {0};
    pthread_t thread;

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_to_process, NULL), 0);
    for (int i = 0; h.calls == 0 && i < 10000; i++)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(h.calls, 1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
}

static void install_with_info(int signo)
{
    struct sigaction action = {.sa_sigaction = old_handler_with_info,
                               .sa_flags = SA_SIGINFO};

    ck_assert_int_eq(sigaction(signo, &action, NULL), 0);
}

CO_TASK_TEST(a_handler_that_others_have_installed_meanwhile_stays)
{
    struct sigaction now;
    struct heard h = {0};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    install_with_info(SIGUSR1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
    ck_assert(now.sa_sigaction == old_handler_with_info);
    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    install(SIGUSR1, old_handler);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(h.calls, 0);
    ck_assert_int_eq(old_calls, 1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
    send(SIGUSR1);
    ck_assert_int_eq(old_calls, 2);
}

CO_TASK_TEST(errno_is_kept)
{
    struct heard h = {0};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    errno = 12345;
    raise(SIGUSR1);
    ck_assert_int_eq(errno, 12345);
    turns();
    ck_assert_int_eq(h.calls, 1);
    ck_assert_int_eq(drop(SIGUSR1), 1);
}

CO_TASK_TEST(signals_allocate_nothing)
{
    struct heard h = {0};

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    send(SIGUSR1);
    turns();
    co__fault_after(0);
    for (int i = 0; i < 100; i++) {
        send(SIGUSR1);
        turns();
    }
    ck_assert_int_eq(co__fault_after(0), 0);
    ck_assert_int_eq(h.calls, 101);
    ck_assert_int_eq(drop(SIGUSR1), 1);
}

/* ---- several loops ------------------------------------------------------- */

struct listener {
    sem_t ready;
    atomic_int heard;
    atomic_int stop;
};

static void tell(int signo, void *arg)
{
    struct listener *l = arg;

    (void)signo;
    atomic_fetch_add(&l->heard, 1);
}

static int listen_until_told(void *arg)
{
    struct listener *l = arg;

    ck_assert_int_eq(co_loop_add_signal(co_loop_running(), SIGUSR1, tell, l),
                     0);
    sem_post(&l->ready);
    while (!atomic_load(&l->stop))
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    return 0; /* it is still there when the loop ends */
}

static void *run_listener(void *arg)
{
    ck_assert_int_eq(co_run(listen_until_told, arg), 0);
    return NULL;
}

START_TEST(each_loop_hears_a_signal)
{
    enum {
        LOOPS = 4
    };
    struct listener l[LOOPS];
    pthread_t threads[LOOPS];

    for (int i = 0; i < LOOPS; i++) {
        memset(&l[i], 0, sizeof(l[i]));
        sem_init(&l[i].ready, 0, 0);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_listener, &l[i]),
                         0);
        sem_wait(&l[i].ready);
    }
    send(SIGUSR1);
    for (int i = 0; i < LOOPS; i++) {
        while (!atomic_load(&l[i].heard))
            usleep(100);
        atomic_store(&l[i].stop, 1);
        pthread_join(threads[i], NULL);
        sem_destroy(&l[i].ready);
        if (i < LOOPS - 1)
            ck_assert_int_eq(old_calls, 0);
        send(SIGUSR1); /* the others still hear it */
    }
    ck_assert_int_eq(old_calls, 1);
}
END_TEST

static atomic_int bombing;

static void *bomb(void *arg)
{
    (void)arg;
    while (atomic_load(&bombing)) {
        raise(SIGUSR1);
        kill(getpid(), SIGUSR1);
    }
    return NULL;
}

START_TEST(loops_come_and_go_while_signals_rain)
{
    pthread_t thread;
    int rounds = co_test_scale(300, 30);

    atomic_store(&bombing, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, bomb, NULL), 0);
    for (int i = 0; i < rounds; i++) {
        struct listener l = {.stop = 1};

        sem_init(&l.ready, 0, 0);
        ck_assert_int_eq(co_run(listen_until_told, &l), 0);
        sem_destroy(&l.ready);
    }
    atomic_store(&bombing, 0);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_loop_that_does_not_run_takes_signals)
{
    co_loop *loop = co_loop_new(NULL);
    struct heard h = {0};

    ck_assert_int_eq(co_loop_add_signal(loop, SIGUSR1, on_signal, &h), 0);
    send(SIGUSR1);
    ck_assert_int_eq(co_loop_stop(loop), 0);
    ck_assert_int_eq(co_loop_run_forever(loop), 0);
    ck_assert_int_eq(h.calls, 1);
    send(SIGUSR1);
    ck_assert_int_eq(co_loop_remove_signal(loop, SIGUSR1), 1);
    ck_assert_int_eq(co_loop_add_signal(loop, SIGUSR2, on_signal, &h), 0);
    co_loop_free(loop);
    ck_assert_int_eq(h.calls, 1);
}
END_TEST

static void stop_amid_a_removal(int signo, void *arg)
{
    co_loop *loop = co_loop_running();

    ck_assert_int_eq(co_loop_stop(loop), 0);
    send(SIGUSR2);
    ck_assert_int_eq(co_loop_remove_signal(loop, SIGUSR2), 1);
    ck_assert_int_eq(co_loop_remove_signal(loop, signo), 1);
    *(int *)arg += 1;
}

START_TEST(a_removal_that_takes_calls_back_loses_no_stop)
{
    co_loop *loop = co_loop_new(NULL);
    struct heard h = {0};
    int stopped = 0;

    ck_assert_int_eq(
        co_loop_add_signal(loop, SIGUSR1, stop_amid_a_removal, &stopped), 0);
    ck_assert_int_eq(co_loop_add_signal(loop, SIGUSR2, on_signal, &h), 0);
    send(SIGUSR1);
    ck_assert_int_eq(co_loop_run_forever(loop), 0);
    ck_assert_int_eq(stopped, 1);
    ck_assert_int_eq(h.calls, 0);
    co_loop_free(loop);
}
END_TEST

/* ---- refusals ------------------------------------------------------------ */

CO_TASK_TEST(bad_signals_are_refused)
{
    static const int bad[] = {0,       -1,     SIGKILL,  SIGSTOP,
                              SIGSEGV, SIGBUS, SIGFPE,   SIGILL,
                              NSIG,    12345,  INT32_MAX};
    co_loop *loop = co_loop_running();
    struct heard h = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(add(bad[i], &h), -EINVAL);
        ck_assert_int_eq(drop(bad[i]), 0);
    }
    ck_assert_int_eq(co_loop_add_signal(NULL, SIGUSR1, on_signal, &h), -EINVAL);
    ck_assert_int_eq(co_loop_add_signal(loop, SIGUSR1, NULL, &h), -EINVAL);
    ck_assert_int_eq(co_loop_remove_signal(NULL, SIGUSR1), -EINVAL);
    co__fault_after(1);
    ck_assert_int_eq(add(SIGUSR1, &h), -ENOMEM);
    co__fault_after(0);
}

static int at_the_end(void *arg)
{
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    *(int *)arg = add(SIGUSR1, NULL);
    return 0;
}

static int leave(void *arg)
{
    ck_assert_int_eq(co_detach(co_spawn(at_the_end, arg)), 0);
    co_test_yield();
    return 0;
}

START_TEST(an_ending_loop_takes_no_signals)
{
    int r = 0;

    ck_assert_int_eq(co_run(leave, &r), 0);
    ck_assert_int_eq(r, -ESHUTDOWN);
}
END_TEST

/* ---- fork ---------------------------------------------------------------- */

CO_TASK_TEST(a_forked_child_has_the_old_handler)
{
    struct heard h = {0};
    int status = -1;
    pid_t pid;

    ck_assert_int_eq(add(SIGUSR1, &h), 0);
    pid = fork();
    if (pid == 0) {
        raise(SIGUSR1);
        for (int i = 0; !old_calls && i < 1000; i++)
            usleep(1000);
        _exit(old_calls);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    turns();
    ck_assert_int_eq(h.calls, 0);
    ck_assert_int_eq(drop(SIGUSR1), 1);
}

/* ---- SIGINT -------------------------------------------------------------- */

static int interrupted(void *arg)
{
    int *calls = arg;
    int r;

    send(SIGINT);
    r = co_sleep_until(CO_NEVER); /* the first one cancels */
    ck_assert_int_eq(r, -ECANCELED);
    ck_assert_int_eq(old_calls, 0);
    send(SIGINT); /* the second one does what it did before */
    *calls = old_calls;
    ck_assert_int_eq(co_cancelling(co_self()), 1);
    return r;
}

static void run_interrupted(void)
{
    co_run_options options = {.size = sizeof(options), .handle_sigint = 1};
    int result = 1, calls = -1;

    ck_assert_int_eq(co_run_with(&options, interrupted, &calls, &result), 0);
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_int_eq(calls, 1);
    send(SIGINT); /* after the run all is as it was */
    ck_assert_int_eq(old_calls, 2);
}

START_TEST(the_first_sigint_cancels_the_main_task)
{
    run_interrupted();
}
END_TEST

START_TEST(the_old_handler_may_want_to_know_more)
{
    install_with_info(SIGINT);
    run_interrupted();
    ck_assert_int_eq(old_infos, 0);
    install(SIGINT, old_handler);
}
END_TEST

static int interrupt_twice(void *arg)
{
    (void)arg;
    send(SIGINT);
    send(SIGINT);
    return co_sleep(CO_MS) == 0 ? 7 : 1;
}

static int wait_for_the_end(void *arg)
{
    (void)arg;
    send(SIGINT);
    if (co_sleep_until(CO_NEVER) != -ECANCELED)
        return 1;
    send(SIGINT);
    usleep(1000 * 1000); /* stuck, but not deaf */
    return 2;
}

START_TEST(by_default_the_second_sigint_ends_the_process)
{
    co_run_options options = {.size = sizeof(options), .handle_sigint = 1};
    int status = -1, result;
    pid_t pid = fork();

    if (pid == 0) {
        install(SIGINT, SIG_DFL);
        result = 3;
        _exit(co_run_with(&options, wait_for_the_end, NULL, &result) < 0
                  ? 4
                  : result);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status), "status %x", (unsigned)status);
    ck_assert_int_eq(WTERMSIG(status), SIGINT);
}
END_TEST

START_TEST(a_sigint_that_is_ignored_stays_ignored)
{
    co_run_options options = {.size = sizeof(options), .handle_sigint = 1};
    struct sigaction now;
    int result = 0;

    install(SIGINT, SIG_IGN);
    ck_assert_int_eq(co_run_with(&options, interrupt_twice, NULL, &result), 0);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(sigaction(SIGINT, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_IGN);
    install(SIGINT, old_handler);
}
END_TEST

static int interrupted_plainly(void *arg)
{
    (void)arg;
    send(SIGINT);
    return co_sleep(CO_MS);
}

START_TEST(without_the_option_sigint_is_none_of_our_business)
{
    ck_assert_int_eq(co_run(interrupted_plainly, NULL), 0);
    ck_assert_int_eq(old_calls, 1);
}
END_TEST

/* -------------------------------------------------------------------------- */

static Suite *suite(void)
{
    Suite *s = suite_create("signal_callback");
    TCase *tc = tcase_create("signal_callback");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, keep, restore);
    tcase_add_test(tc, the_first_sigint_cancels_the_main_task);
    tcase_add_test(tc, the_old_handler_may_want_to_know_more);
    /* ThreadSanitizer holds signals back from a child that did not exec. */
    if (!CO__TSAN)
        tcase_add_test(tc, by_default_the_second_sigint_ends_the_process);
    tcase_add_test(tc, a_sigint_that_is_ignored_stays_ignored);
    tcase_add_test(tc, without_the_option_sigint_is_none_of_our_business);
    tcase_add_test(tc, a_signal_is_a_call);
    tcase_add_test(tc, signals_before_the_call_are_one_call);
    tcase_add_test(tc, each_signal_has_a_function_of_its_own);
    tcase_add_test(tc, a_second_function_replaces_the_first);
    tcase_add_test(tc,
                   a_signal_that_came_before_the_removal_is_not_heard_after_it);
    tcase_add_test(tc, a_function_can_remove_itself);
    tcase_add_test(tc, a_signal_wakes_a_loop_that_waits);
    tcase_add_test(tc, a_handler_that_others_have_installed_meanwhile_stays);
    tcase_add_test(tc, errno_is_kept);
    tcase_add_test(tc, signals_allocate_nothing);
    tcase_add_test(tc, each_loop_hears_a_signal);
    tcase_add_test(tc, loops_come_and_go_while_signals_rain);
    tcase_add_test(tc, a_loop_that_does_not_run_takes_signals);
    tcase_add_test(tc, a_removal_that_takes_calls_back_loses_no_stop);
    tcase_add_test(tc, bad_signals_are_refused);
    tcase_add_test(tc, an_ending_loop_takes_no_signals);
    tcase_add_test(tc, a_forked_child_has_the_old_handler);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
