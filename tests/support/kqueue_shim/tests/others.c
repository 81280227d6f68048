/* SPDX-License-Identifier: MIT */
/* EVFILT_PROC, EVFILT_SIGNAL and EVFILT_USER. */
#include "shim_tests.h"

#include "support/pidfd.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

/* ---- processes ----------------------------------------------------------- */

/* A child that ends as `how` says when the pipe is closed. */
static pid_t child(int gate[2], int status, int signo)
{
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe(gate), 0);
    pid = fork();
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 0 && signo) {
            signal(signo, SIG_DFL);
            raise(signo);
        }
        _exit(status);
    }
    return pid;
}

START_TEST(the_exit_status_of_a_process_is_in_data)
{
    static const struct {
        int status, signo;
    } ways[] = {{0, 0}, {7, 0}, {255, 0}, {0, SIGKILL}, {0, SIGTERM}};
    int gate[2], status;

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        pid_t pid = child(gate, ways[i].status, ways[i].signo);

        ck_assert_int_eq(
            change((uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, &status), 0);
        ck_assert_int_eq(look(), 0);
        close_both(gate);
        ck_assert_int_eq(await(), 1);
        ck_assert_uint_eq(events[0].ident, (uintptr_t)pid);
        ck_assert_int_eq(events[0].filter, EVFILT_PROC);
        ck_assert_uint_eq(events[0].fflags, NOTE_EXIT);
        ck_assert_ptr_eq(events[0].udata, &status);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid); /* it was left */
        ck_assert_int_eq(events[0].data, status);
        ck_assert_int_eq(look(), 0); /* once, and it is gone */
        ck_assert_int_eq(
            change((uintptr_t)pid, EVFILT_PROC, EV_DELETE, 0, NULL), -ENOENT);
    }
}
END_TEST

START_TEST(a_process_that_does_not_exist_cannot_be_attached_to)
{
    int gate[2];
    siginfo_t info;
    pid_t pid = child(gate, 0, 0);

    ck_assert_int_eq(change((uintptr_t)pid, EVFILT_PROC, EV_ADD, 0, NULL),
                     -EINVAL); /* only its exit is known here */
    close_both(gate);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    /* macOS: nor one that has ended. */
    ck_assert_int_eq(
        change((uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, NULL), -ESRCH);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(
        change((uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, NULL), -ESRCH);
}
END_TEST

/* ---- signals ------------------------------------------------------------- */

static int handled;

static void handle(int signo)
{
    (void)signo;
    handled++;
}

START_TEST(data_is_how_often_the_signal_has_occurred)
{
    struct sigaction action = {.sa_handler = handle}, before;

    handled = 0;
    sigaction(SIGUSR1, &action, &before);
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, &action), 0);
    ck_assert_int_eq(look(), 0);
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(events[0].ident, SIGUSR1);
    ck_assert_int_eq(events[0].data, 3);
    ck_assert_ptr_eq(events[0].udata, &action);
    ck_assert_int_eq(handled, 3); /* it goes its usual way as well */
    ck_assert_int_eq(look(), 0);  /* EV_CLEAR is set internally */
    raise(SIGUSR1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 1);
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, NULL), 0);
    sigaction(SIGUSR1, NULL, &action);
    ck_assert(action.sa_handler == handle); /* as it was */
    sigaction(SIGUSR1, &before, NULL);
}
END_TEST

START_TEST(a_signal_that_is_ignored_is_recorded)
{
    struct sigaction action = {.sa_handler = SIG_IGN}, before;

    sigaction(SIGUSR1, &action, &before);
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, NULL), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 1);
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, NULL), 0);
    sigaction(SIGUSR1, &before, NULL);
}
END_TEST

START_TEST(a_signal_that_is_blocked_is_recorded_and_stays_pending)
{
    sigset_t set, before, pending;
    int taken;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    raise(SIGUSR2); /* before the filter: not recorded */
    ck_assert_int_eq(change(SIGUSR2, EVFILT_SIGNAL, EV_ADD, 0, NULL), 0);
    ck_assert_int_eq(look(), 0);
    sigwait(&set, &taken);
    for (int i = 0; i < 3; i++) {
        kill(getpid(), SIGUSR2);
        ck_assert_int_eq(look(), 1);
        ck_assert_int_eq(events[0].data, 1);
        ck_assert_int_eq(look(), 0);
        sigpending(&pending);
        ck_assert_int_eq(sigismember(&pending, SIGUSR2), 1);
        sigwait(&set, &taken);
    }
    ck_assert_int_eq(change(SIGUSR2, EVFILT_SIGNAL, EV_DELETE, 0, NULL), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
END_TEST

START_TEST(every_queue_is_told_of_a_signal)
{
    struct sigaction action = {.sa_handler = handle}, before;
    int first = kq, second = kqueue();

    sigaction(SIGUSR1, &action, &before);
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, NULL), 0);
    kq = second;
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, NULL), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(look(), 1);
    kq = first;
    ck_assert_int_eq(look(), 1);
    close(second);
    raise(SIGUSR1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(change(SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, NULL), 0);
    sigaction(SIGUSR1, &before, NULL);
}
END_TEST

START_TEST(what_is_no_signal_has_no_filter)
{
    ck_assert_int_eq(change(0, EVFILT_SIGNAL, EV_ADD, 0, NULL), -EINVAL);
    ck_assert_int_eq(change(1000, EVFILT_SIGNAL, EV_ADD, 0, NULL), -EINVAL);
}
END_TEST

/* ---- user events --------------------------------------------------------- */

START_TEST(a_user_event_is_triggered_by_user_level_code)
{
    int one, two;

    ck_assert_int_eq(change(4711, EVFILT_USER, EV_ADD, 0, &one), 0);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change(4711, EVFILT_USER, 0, NOTE_TRIGGER, &two), 0);
    for (int i = 0; i < 2; i++) { /* a level */
        ck_assert_int_eq(look(), 1);
        ck_assert_uint_eq(events[0].ident, 4711);
        ck_assert_int_eq(events[0].filter, EVFILT_USER);
        ck_assert_ptr_eq(events[0].udata, &two);
    }
    ck_assert_int_eq(change(4711, EVFILT_USER, EV_DELETE, 0, NULL), 0);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(many_triggers_are_one_event)
{
    ck_assert_int_eq(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, NULL), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(change(1, EVFILT_USER, 0, NOTE_TRIGGER, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(a_trigger_of_what_is_disabled_waits)
{
    ck_assert_int_eq(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, NULL), 0);
    ck_assert_int_eq(change(1, EVFILT_USER, EV_DISABLE, 0, NULL), 0);
    ck_assert_int_eq(change(1, EVFILT_USER, 0, NOTE_TRIGGER, NULL), 0);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change(1, EVFILT_USER, EV_ENABLE, 0, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(the_lower_24_bits_of_fflags_are_the_users)
{
    const unsigned all = NOTE_FFLAGSMASK;

    ck_assert_int_eq(
        change(1, EVFILT_USER, EV_ADD, NOTE_FFCOPY | 0xabcdef, NULL), 0);
    ck_assert_int_eq(
        change(1, EVFILT_USER, 0, NOTE_FFAND | NOTE_TRIGGER | 0xff, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(events[0].fflags & all, 0xef);
    ck_assert_int_eq(change(1, EVFILT_USER, 0, NOTE_FFOR | 0x100, NULL), 0);
    ck_assert_int_eq(change(1, EVFILT_USER, 0, NOTE_FFNOP | 0x777, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(events[0].fflags & all, 0x1ef);
    ck_assert_int_eq(change(1, EVFILT_USER, 0, NOTE_FFCOPY | 0x2, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(events[0].fflags & all, 0x2);
}
END_TEST

static void trigger_in_handler(int signo)
{
    struct kevent k;

    (void)signo;
    EV_SET(&k, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    kevent(kq, &k, 1, NULL, 0, NULL);
    handled++;
}

/* kevent is a system call, and so may be called there. */
START_TEST(a_signal_handler_may_trigger)
{
    struct sigaction action = {.sa_handler = trigger_in_handler}, before;
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    int told = 0;

    handled = 0;
    ck_assert_int_eq(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, NULL), 0);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    while (told < co_test_scale(500, 50))
        told += look() == 1;
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_IGN);
    sigaction(SIGALRM, &before, NULL);
    ck_assert_int_ge(handled, told);
}
END_TEST

void add_others(TCase *tc)
{
    if (co_test_watches_processes()) {
        tcase_add_test(tc, the_exit_status_of_a_process_is_in_data);
        tcase_add_test(tc, a_process_that_does_not_exist_cannot_be_attached_to);
    }
    tcase_add_test(tc, data_is_how_often_the_signal_has_occurred);
    tcase_add_test(tc, a_signal_that_is_ignored_is_recorded);
    tcase_add_test(tc, a_signal_that_is_blocked_is_recorded_and_stays_pending);
    tcase_add_test(tc, every_queue_is_told_of_a_signal);
    tcase_add_test(tc, what_is_no_signal_has_no_filter);
    tcase_add_test(tc, a_user_event_is_triggered_by_user_level_code);
    tcase_add_test(tc, many_triggers_are_one_event);
    tcase_add_test(tc, a_trigger_of_what_is_disabled_waits);
    tcase_add_test(tc, the_lower_24_bits_of_fflags_are_the_users);
    tcase_add_test(tc, a_signal_handler_may_trigger);
}
