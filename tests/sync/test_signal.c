/* SPDX-License-Identifier: MIT */
/* Signals that tasks wait for. */
#include <coppice/signal.h>

#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/chan.h>
#include <coppice/report.h>
#include <coppice/select.h>

#include "base/alloc.h"
#include "core/loop.h"
#include "core/turn.h"
#include "support/check_main.h"
#include "support/tasks.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- support ------------------------------------------------------------- */

static const int both[2] = {SIGUSR1, SIGUSR2};
static struct sigaction saved[2];
static atomic_int old_calls;

static void old_handler(int signo)
{
    (void)signo;
    atomic_fetch_add(&old_calls, 1);
}

static void keep(void)
{
    struct sigaction action = {.sa_handler = old_handler};

    atomic_store(&old_calls, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sigaction(both[i], &action, &saved[i]), 0);
}

/* What was there before the test is there after it: checked by each. */
static void restore(void)
{
    for (int i = 0; i < 2; i++) {
        struct sigaction now;

        ck_assert_int_eq(sigaction(both[i], &saved[i], &now), 0);
        ck_assert(now.sa_handler == old_handler);
    }
}

static co_signal *open_both(void)
{
    co_signal *signal = co_signal_open(both, 2);

    ck_assert_ptr_nonnull(signal);
    return signal;
}

static void send(int signo)
{
    ck_assert_int_eq(raise(signo), 0);
}

/* Until all that was sent has come to where it goes. */
static void turns(void)
{
    for (int i = 0; i < 3; i++) {
        co__turn(co_loop_running(), 0);
        co_test_yield();
    }
}

static int waits(void *signal)
{
    return co_signal_wait(signal);
}

static co_task *start_waiting(co_signal *signal)
{
    co_task *task = co_test_spawn(waits, signal);

    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    return task;
}

static void expect_nothing(co_signal *signal)
{
    co_case cases[] = {CO_CASE_SIGNAL(signal), CO_CASE_DEFAULT()};

    turns();
    ck_assert_int_eq(co_select(cases, 2), 1);
}

/* ---- waiting ------------------------------------------------------------- */

CO_TASK_TEST(who_waits_gets_the_number)
{
    co_signal *signal = open_both();

    for (int i = 0; i < 4; i++) {
        co_task *task = start_waiting(signal);

        send(both[i % 2]);
        ck_assert_int_eq(co_test_result(task), both[i % 2]);
    }
    expect_nothing(signal);
    ck_assert_int_eq(co_signal_close(signal), 0);
    ck_assert_int_eq(old_calls, 0);
}

CO_TASK_TEST(what_comes_between_two_waits_is_kept_in_order)
{
    co_signal *signal = open_both();

    send(SIGUSR2);
    turns();
    send(SIGUSR1);
    send(SIGUSR1);
    send(SIGUSR2); /* nobody has had the first one */
    turns();
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR2);
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR1);
    expect_nothing(signal);
    send(SIGUSR2); /* and comes while we wait */
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR2);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

CO_TASK_TEST(all_who_wait_get_it)
{
    co_signal *signal = open_both();
    co_task *tasks[3];

    for (int i = 0; i < 3; i++)
        tasks[i] = start_waiting(signal);
    send(SIGUSR1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), SIGUSR1);
    expect_nothing(signal);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

static void count_call(int signo, void *arg)
{
    (void)signo;
    ++*(int *)arg;
}

CO_TASK_TEST(all_who_have_it_open_get_it)
{
    co_signal *signals[3];
    int calls = 0;

    for (int i = 0; i < 3; i++)
        signals[i] = open_both();
    ck_assert_int_eq(
        co_loop_add_signal(co_loop_running(), SIGUSR1, count_call, &calls), 0);
    send(SIGUSR1);
    turns();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_signal_wait(signals[i]), SIGUSR1);
        expect_nothing(signals[i]);
    }
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(co_signal_close(signals[1]), 0);
    send(SIGUSR1);
    ck_assert_int_eq(co_signal_wait(signals[0]), SIGUSR1);
    ck_assert_int_eq(co_signal_wait(signals[2]), SIGUSR1);
    ck_assert_int_eq(co_signal_close(signals[0]), 0);
    ck_assert_int_eq(co_signal_close(signals[2]), 0);
    ck_assert_int_eq(co_loop_remove_signal(co_loop_running(), SIGUSR1), 1);
    ck_assert_int_eq(calls, 2);
    send(SIGUSR1);
    ck_assert_int_eq(old_calls, 1);
}

/* Another loop, which hears of the same signal. */
struct other {
    sem_t open;
    int heard;
};

static int hear(void *arg)
{
    struct other *other = arg;
    co_signal *signal = open_both();

    sem_post(&other->open);
    other->heard = co_signal_wait(signal);
    return co_signal_close(signal);
}

static void *run_other(void *arg)
{
    ck_assert_int_eq(co_run(hear, arg), 0);
    return NULL;
}

CO_TASK_TEST(each_loop_gets_it)
{
    co_signal *signal = open_both();
    struct other other = {.heard = 0};
    pthread_t thread;

    ck_assert_int_eq(sem_init(&other.open, 0, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_other, &other), 0);
    while (sem_wait(&other.open) < 0)
        continue;
    send(SIGUSR2);
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR2);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(other.heard, SIGUSR2);
    ck_assert_int_eq(sem_destroy(&other.open), 0);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

/* ---- giving up ----------------------------------------------------------- */

CO_TASK_TEST(a_signal_before_the_cancel_is_had)
{
    co_signal *signal = open_both();
    co_task *task = start_waiting(signal);

    send(SIGUSR1);
    while (task->state == CO__TASK_PARKED)
        turns();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), SIGUSR1);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

CO_TASK_TEST(a_signal_after_the_cancel_stays)
{
    co_signal *signal = open_both();
    co_task *task = start_waiting(signal);

    co_cancel(task);
    send(SIGUSR1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR1);
    co_timeout(0) {
        send(SIGUSR2);
        ck_assert_int_eq(co_signal_wait(signal), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR2);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_signal_wait(signal), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_signal_close(signal), 0);
}

CO_TASK_TEST(closing_wakes_who_waits)
{
    co_signal *signal = open_both();
    co_task *one = start_waiting(signal), *two = start_waiting(signal),
            *cancelled = start_waiting(signal);

    co_cancel(cancelled);
    ck_assert_int_eq(co_signal_close(signal), 0);
    ck_assert_int_eq(co_test_result(one), -EBADF);
    ck_assert_int_eq(co_test_result(two), -EBADF);
    ck_assert_int_eq(co_test_result(cancelled), -ECANCELED);
    send(SIGUSR1);
    ck_assert_int_eq(old_calls, 1);
}

CO_TASK_TEST(closing_forgets_what_has_come)
{
    co_signal *signal = open_both();

    send(SIGUSR1);
    ck_assert_int_eq(co_signal_close(signal), 0); /* its call is queued */
    turns();
    signal = open_both();
    expect_nothing(signal);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(co_signal_close(signal), 0);
    ck_assert_int_eq(old_calls, 0);
}

/* ---- in co_select -------------------------------------------------------- */

CO_TASK_TEST(select_takes_what_has_come)
{
    co_signal *signal = open_both();
    co_case cases[] = {CO_CASE_SIGNAL(NULL), CO_CASE_SIGNAL(signal)};

    send(SIGUSR2);
    turns();
    ck_assert_int_eq(co_select(cases, 2), 1);
    ck_assert_int_eq(cases[1].result, SIGUSR2);
    expect_nothing(signal);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

/* Wait for two signals, and a channel that decides nothing. */
struct selecting {
    co_signal *signals[2];
    co_chan *chan;
    int which, result;
};

static int selects(void *arg)
{
    struct selecting *s = arg;
    int unused;
    co_case cases[] = {
        CO_CASE_SIGNAL(s->signals[0]),
        CO_CASE_SIGNAL(s->signals[1]),
        CO_CASE_RECV(s->chan, &unused),
    };

    s->which = co_select(cases, 3);
    if (s->which >= 0)
        s->result = cases[s->which].result;
    return 0;
}

static void select_waits_with(co_chan *chan)
{
    static const int numbers[2][1] = {{SIGUSR1}, {SIGUSR2}};
    struct selecting s = {.chan = chan};
    co_task *task, *plain;

    for (int i = 0; i < 2; i++)
        s.signals[i] = co_signal_open(numbers[i], 1);
    for (int i = 0; i < 2; i++) {
        task = co_test_spawn(selects, &s);
        co_test_yield();
        plain = start_waiting(s.signals[i]);
        send(both[i]);
        ck_assert_int_eq(co_test_result(task), 0);
        ck_assert_int_eq(s.which, i);
        ck_assert_int_eq(s.result, both[i]);
        ck_assert_int_eq(co_test_result(plain), both[i]);
        expect_nothing(s.signals[i]);
    }
    task = co_test_spawn(selects, &s);
    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(s.which, -ECANCELED);
    task = co_test_spawn(selects, &s);
    co_test_yield();
    ck_assert_int_eq(co_signal_close(s.signals[1]), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(s.which, 1);
    ck_assert_int_eq(s.result, -EBADF);
    ck_assert_int_eq(co_signal_close(s.signals[0]), 0);
    co_chan_free(chan);
}

CO_TASK_TEST(select_waits_for_signals)
{
    select_waits_with(co_chan_new(sizeof(int), 0));
}

CO_TASK_TEST(select_waits_for_signals_and_other_threads)
{
    select_waits_with(co_chan_new_threadsafe(sizeof(int), 0));
}

CO_TASK_TEST(a_select_that_another_case_has_decided_takes_no_signal)
{
    co_signal *signal = open_both();
    co_chan *chan = co_chan_new_threadsafe(sizeof(int), 1);
    struct selecting s = {.signals = {signal, NULL}, .chan = chan};
    co_task *task = co_test_spawn(selects, &s);
    int number = 1;

    co_test_yield();
    ck_assert_int_eq(co_chan_send(chan, &number), 0);
    send(SIGUSR1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(s.which, 2);
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR1);
    ck_assert_int_eq(co_signal_close(signal), 0);
    co_chan_free(chan);
}

/* ---- bad input ----------------------------------------------------------- */

static void open_fails(const int *signos, size_t count, int error)
{
    errno = 0;
    ck_assert_ptr_null(co_signal_open(signos, count));
    ck_assert_int_eq(errno, error);
}

CO_TASK_TEST(what_is_no_signal_is_refused)
{
    static const int none[] = {0,       -1,     NSIG,   SIGKILL, SIGSTOP,
                               SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    int pair[2] = {SIGUSR1, SIGUSR1};

    open_fails(NULL, 1, EINVAL);
    open_fails(pair, 0, EINVAL);
    open_fails(pair, NSIG, EINVAL);
    open_fails(pair, 2, EINVAL);
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        pair[1] = none[i];
        open_fails(pair, 2, EINVAL);
    }
    ck_assert_int_eq(co_signal_wait(NULL), -EINVAL);
    ck_assert_int_eq(co_signal_close(NULL), 0);
    send(SIGUSR1);
    ck_assert_int_eq(old_calls, 1);
}

static void wait_in_callback(void *arg)
{
    void **args = arg;

    *(int *)args[1] = co_signal_wait(args[0]);
}

CO_TASK_TEST(a_callback_takes_what_is_there_and_does_not_wait)
{
    co_signal *signal = open_both();
    int r = 0;
    void *args[2] = {signal, &r};

    ck_assert_int_eq(co_call_soon(NULL, wait_in_callback, args), 0);
    co_test_yield();
    ck_assert_int_eq(r, -EPERM);
    send(SIGUSR1);
    turns();
    ck_assert_int_eq(co_call_soon(NULL, wait_in_callback, args), 0);
    co_test_yield();
    ck_assert_int_eq(r, SIGUSR1);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

CO_TASK_TEST(no_memory_is_an_error)
{
    co__fault_after(1);
    open_fails(both, 2, ENOMEM);
    co__fault_after(0);
}

/* ---- loops --------------------------------------------------------------- */

static int open_in(void *arg)
{
    *(co_signal **)arg = open_both();
    return 0;
}

START_TEST(it_is_its_loops)
{
    co_loop *loop = co_loop_new(NULL);
    co_signal *signal = NULL;
    int result;

    open_fails(both, 2, EPERM);
    ck_assert_int_eq(co_loop_run_until(loop, open_in, &signal, &result), 0);
    send(SIGUSR1);
    ck_assert_int_eq(co_signal_wait(signal), -EPERM); /* no task waits */
    ck_assert_int_eq(co_run(waits, signal), -EPERM);  /* another loop's */
    ck_assert_int_eq(co_loop_run_until(loop, waits, signal, &result), 0);
    ck_assert_int_eq(result, SIGUSR1);
    ck_assert_int_eq(old_calls, 0);
    ck_assert_int_eq(co_signal_close(signal), 0); /* between two runs */
    co_loop_free(loop);
}
END_TEST

START_TEST(a_loop_that_is_freed_lets_the_signal_go)
{
    co_loop *loop = co_loop_new(NULL);
    co_signal *signals[2] = {NULL, NULL};
    int result;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_loop_run_until(loop, open_in, &signals[i], &result),
                         0);
    send(SIGUSR1);
    co_loop_free(loop);
    send(SIGUSR1);
    ck_assert_int_eq(old_calls, 1);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_run(waits, signals[i]), -EPERM);
        ck_assert_int_eq(co_signal_close(signals[i]), 0);
    }
}
END_TEST

static void *close_elsewhere(void *signal)
{
    static int r;

    r = co_signal_close(signal);
    return &r;
}

static void say_nothing(co_loop *loop, const co_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
}

CO_TASK_TEST(another_thread_may_not_close_it)
{
    co_signal *signal = open_both();
    pthread_t thread;
    void *r;

    ck_assert_int_eq(
        co_loop_set_error_handler(co_loop_running(), say_nothing, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_elsewhere, signal), 0);
    ck_assert_int_eq(pthread_join(thread, &r), 0);
    ck_assert_int_eq(*(int *)r, -EPERM);
    send(SIGUSR1);
    ck_assert_int_eq(co_signal_wait(signal), SIGUSR1);
    ck_assert_int_eq(co_signal_close(signal), 0);
}

/* Waiting for a signal alone is no deadlock, though no task can end it.
 * ThreadSanitizer makes room for a fiber's signals when it is about to wait for
 * the first time; LLVM's before 17 loses one that comes just then. So that is
 * done before. */
static int wait_for_another(void *arg)
{
    co_signal *signal = open_both();
    int r;

    poll(NULL, 0, 0);
    sem_post(arg);
    r = co_signal_wait(signal);
    co_signal_close(signal);
    return r;
}

static void *send_later(void *arg)
{
    while (sem_wait(arg) < 0)
        continue;
    kill(getpid(), SIGUSR1);
    return NULL;
}

START_TEST(waiting_for_a_signal_is_no_deadlock)
{
    co_run_options options = {.size = sizeof(options), .debug = 1};
    pthread_t thread;
    sem_t open;
    int result = 0;

    ck_assert_int_eq(sem_init(&open, 0, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_later, &open), 0);
    ck_assert_int_eq(co_run_with(&options, wait_for_another, &open, &result),
                     0);
    ck_assert_int_eq(result, SIGUSR1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(sem_destroy(&open), 0);
}
END_TEST

/* -------------------------------------------------------------------------- */

static Suite *suite(void)
{
    Suite *s = suite_create("signal");
    TCase *tc = tcase_create("signal");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, keep, restore);
    tcase_add_test(tc, who_waits_gets_the_number);
    tcase_add_test(tc, what_comes_between_two_waits_is_kept_in_order);
    tcase_add_test(tc, all_who_wait_get_it);
    tcase_add_test(tc, all_who_have_it_open_get_it);
    tcase_add_test(tc, each_loop_gets_it);
    tcase_add_test(tc, a_signal_before_the_cancel_is_had);
    tcase_add_test(tc, a_signal_after_the_cancel_stays);
    tcase_add_test(tc, closing_wakes_who_waits);
    tcase_add_test(tc, closing_forgets_what_has_come);
    tcase_add_test(tc, select_takes_what_has_come);
    tcase_add_test(tc, select_waits_for_signals);
    tcase_add_test(tc, select_waits_for_signals_and_other_threads);
    tcase_add_test(tc, a_select_that_another_case_has_decided_takes_no_signal);
    tcase_add_test(tc, what_is_no_signal_is_refused);
    tcase_add_test(tc, a_callback_takes_what_is_there_and_does_not_wait);
    tcase_add_test(tc, no_memory_is_an_error);
    tcase_add_test(tc, it_is_its_loops);
    tcase_add_test(tc, a_loop_that_is_freed_lets_the_signal_go);
    tcase_add_test(tc, another_thread_may_not_close_it);
    tcase_add_test(tc, waiting_for_a_signal_is_no_deadlock);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
