/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include "support/pidfd.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

struct watched {
    struct co__poll_watch watch; /* first */
    int fired;
};

static void count(struct co__poll_watch *watch)
{
    ((struct watched *)watch)->fired++;
}

static const struct watched unwatched = {.watch = {.fire = count}};

static sigset_t old_mask;

static void signals_blocked(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, &old_mask);
}

static int is_pending(int signo)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, signo);
}

static void discard(int signo)
{
    sigset_t set;
    int taken;

    sigemptyset(&set);
    sigaddset(&set, signo);
    while (is_pending(signo))
        sigwait(&set, &taken);
}

static void signals_restored(void)
{
    discard(SIGUSR1);
    discard(SIGUSR2);
    discard(SIGCHLD);
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
}

START_TEST(a_signal_is_told_each_time)
{
    struct watched w = unwatched;

    signals_blocked();
    ck_assert_int_eq(ops->watch_signal(poller, &w.watch, SIGUSR1), 0);
    ck_assert_int_eq(look(), 0);
    for (int i = 1; i <= 5; i++) {
        kill(getpid(), SIGUSR1);
        ck_assert_int_eq(look(), 1);
        ck_assert_int_eq(w.fired, i);
        ck_assert(!is_pending(SIGUSR1));
        ck_assert_int_eq(look(), 0);
    }
    ops->end_watch(poller, &w.watch);
    signals_restored();
}
END_TEST

START_TEST(a_signal_that_was_pending_is_told_of)
{
    struct watched w = unwatched;

    signals_blocked();
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2); /* not watched: it stays */
    ck_assert_int_eq(ops->watch_signal(poller, &w.watch, SIGUSR1), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(w.fired, 1);
    ck_assert(!is_pending(SIGUSR1));
    ck_assert(is_pending(SIGUSR2));
    ops->end_watch(poller, &w.watch);
    signals_restored();
}
END_TEST

START_TEST(a_signal_that_was_sent_often_is_told_once_at_least)
{
    struct watched w = unwatched;

    signals_blocked();
    ck_assert_int_eq(ops->watch_signal(poller, &w.watch, SIGUSR1), 0);
    for (int i = 0; i < 100; i++)
        kill(getpid(), SIGUSR1);
    while (look())
        continue;
    ck_assert_int_ge(w.fired, 1);
    ck_assert_int_le(w.fired, 100);
    ops->end_watch(poller, &w.watch);
    signals_restored();
}
END_TEST

START_TEST(two_signals_are_told_apart)
{
    struct watched one = unwatched, two = unwatched;

    signals_blocked();
    ck_assert_int_eq(ops->watch_signal(poller, &one.watch, SIGUSR1), 0);
    ck_assert_int_eq(ops->watch_signal(poller, &two.watch, SIGUSR2), 0);
    kill(getpid(), SIGUSR2);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(one.fired, 0);
    ck_assert_int_eq(two.fired, 1);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    for (int left = 2; left > 0;)
        left -= wait_for(CO_NEVER);
    ck_assert_int_eq(one.fired, 1);
    ck_assert_int_eq(two.fired, 2);
    ops->end_watch(poller, &one.watch);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(two.fired, 3);
    ck_assert(is_pending(SIGUSR1));
    ops->end_watch(poller, &two.watch);
    signals_restored();
}
END_TEST

START_TEST(each_watch_of_a_signal_fires)
{
    struct watched w[3] = {unwatched, unwatched, unwatched};

    signals_blocked();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ops->watch_signal(poller, &w[i].watch, SIGUSR1), 0);
    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(look(), 3);
    ops->end_watch(poller, &w[1].watch);
    ops->end_watch(poller, &w[1].watch); /* harmless */
    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(look(), 2);
    ck_assert_int_eq(w[0].fired, 2);
    ck_assert_int_eq(w[1].fired, 1);
    ck_assert_int_eq(w[2].fired, 2);
    ops->end_watch(poller, &w[0].watch);
    ops->end_watch(poller, &w[2].watch);
    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(look(), 0); /* nobody's any more */
    ck_assert(is_pending(SIGUSR1));
    ck_assert_int_eq(ops->watch_signal(poller, &w[0].watch, SIGUSR1), 0);
    ck_assert_int_eq(look(), 1);
    ops->end_watch(poller, &w[0].watch);
    signals_restored();
}
END_TEST

/* By default it is discarded, which must not happen to one that is watched. */
START_TEST(the_end_of_a_child_is_a_signal_too)
{
    struct watched w = unwatched;
    pid_t pid;

    signals_blocked();
    ck_assert_int_eq(ops->watch_signal(poller, &w.watch, SIGCHLD), 0);
    pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(wait_for(CO_NEVER), 1);
    ck_assert_int_eq(w.fired, 1);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ops->end_watch(poller, &w.watch);
    signals_restored();
}
END_TEST

static void *send_late(void *arg)
{
    usleep(*(useconds_t *)arg);
    kill(getpid(), SIGUSR1);
    return NULL;
}

START_TEST(a_signal_ends_a_wait)
{
    struct watched w = unwatched;

    signals_blocked(); /* the threads inherit that */
    ck_assert_int_eq(ops->watch_signal(poller, &w.watch, SIGUSR1), 0);
    for (int i = 1; i <= co_test_scale(100, 20); i++) {
        useconds_t pause = (useconds_t)(i % 20) * 20;
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, send_late, &pause), 0);
        while (wait_for(CO_NEVER) == 0)
            continue;
        ck_assert_int_eq(w.fired, i);
        pthread_join(thread, NULL);
    }
    ops->end_watch(poller, &w.watch);
    signals_restored();
}
END_TEST

START_TEST(what_is_no_signal_cannot_be_watched)
{
    static const int none[] = {0, -1, 1000, SIGKILL, SIGSTOP};
    struct watched w = unwatched;

    for (size_t i = 0; i < CO_ARRAY_LEN(none); i++)
        ck_assert_int_eq(ops->watch_signal(poller, &w.watch, none[i]), -EINVAL);
    ops->end_watch(poller, &w.watch); /* harmless */
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(the_descriptor_tells_of_signals)
{
    struct watched w = unwatched;
    int fd = ops->fd(poller);

    if (fd == -ENOTSUP)
        return;
    signals_blocked();
    ck_assert_int_eq(ops->watch_signal(poller, &w.watch, SIGUSR1), 0);
    look();
    ck_assert(!is_readable(fd));
    kill(getpid(), SIGUSR1);
    ck_assert(is_readable(fd));
    ck_assert_int_eq(look(), 1);
    look();
    ck_assert(!is_readable(fd));
    ops->end_watch(poller, &w.watch);
    signals_restored();
}
END_TEST

START_TEST(a_child_that_abandons_leaves_the_parents_watches)
{
    static struct watched signal, process; /* outlive a failure */
    int status, before;
    pid_t pid;

    signal = process = unwatched;
    signals_blocked();
    ck_assert_int_eq(ops->watch_signal(poller, &signal.watch, SIGUSR1), 0);
    if (co_test_watches_processes())
        ck_assert_int_eq(ops->watch_process(poller, &process.watch, getppid()),
                         0);
    before = co_test_fds_open();
    pid = fork();
    if (pid == 0)
        _exit(abandoned_well(before, 0) ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(signal.fired, 1);
    ck_assert_int_eq(process.fired, 0);
    ops->end_watch(poller, &signal.watch);
    ops->end_watch(poller, &process.watch);
    signals_restored();
}
END_TEST

void add_signals(TCase *tc)
{
    tcase_add_test(tc, a_signal_is_told_each_time);
    tcase_add_test(tc, a_signal_that_was_pending_is_told_of);
    tcase_add_test(tc, a_signal_that_was_sent_often_is_told_once_at_least);
    tcase_add_test(tc, two_signals_are_told_apart);
    tcase_add_test(tc, each_watch_of_a_signal_fires);
    tcase_add_test(tc, the_end_of_a_child_is_a_signal_too);
    tcase_add_test(tc, a_signal_ends_a_wait);
    tcase_add_test(tc, what_is_no_signal_cannot_be_watched);
    tcase_add_test(tc, the_descriptor_tells_of_signals);
    tcase_add_test(tc, a_child_that_abandons_leaves_the_parents_watches);
}
