/* SPDX-License-Identifier: MIT */
/* The queue and the call. */
#include "shim_tests.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

START_TEST(a_kevent_is_identified_by_ident_and_filter)
{
    int fds[2];
    int in, out, n;

    pair_make(fds);
    put(fds[1], 1);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, &in), 0);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_WRITE, EV_ADD, 0, &out),
                     0);
    n = look();
    ck_assert_int_eq(n, 2);
    ck_assert_ptr_eq(event_of((uintptr_t)fds[0], EVFILT_READ, n)->udata, &in);
    ck_assert_ptr_eq(event_of((uintptr_t)fds[0], EVFILT_WRITE, n)->udata, &out);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_DELETE, 0, NULL),
                     0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].filter, EVFILT_WRITE);
    close_both(fds);
}
END_TEST

START_TEST(the_filter_is_executed_upon_the_initial_registration)
{
    int fds[2];

    pipe_make(fds);
    put(fds[1], 3);
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    ck_assert_int_eq(look(), 1);
    close_both(fds);
}
END_TEST

START_TEST(what_no_longer_holds_is_not_returned)
{
    char bytes[8];
    int fds[2];

    pipe_make(fds);
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    put(fds[1], 1);
    ck_assert_int_eq((int)read(fds[0], bytes, sizeof(bytes)), 1);
    ck_assert_int_eq(look(), 0);
    close_both(fds);
}
END_TEST

START_TEST(what_happens_several_times_is_one_kevent)
{
    int fds[2];

    pipe_make(fds);
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    put(fds[1], 1);
    put(fds[1], 2);
    put(fds[1], 3);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 6);
    ck_assert_int_eq(look(), 0);
    close_both(fds);
}
END_TEST

START_TEST(close_removes_the_kevents_of_the_descriptor)
{
    int fds[2];
    int other;

    pipe_make(fds);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, NULL),
                     0);
    other = dup(fds[0]); /* the file stays open */
    close(fds[0]);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(dup2(other, fds[0]), fds[0]); /* the number comes back */
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_DELETE, 0, NULL),
                     -ENOENT);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, NULL),
                     0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(dup2(fds[1], fds[0]), fds[0]); /* closes it, too */
    ck_assert_int_eq(look(), 0);
    close(other);
    close_both(fds);
}
END_TEST

START_TEST(a_queue_is_not_inherited_by_a_child)
{
    int before = co_test_fds_open();
    int fds[2], status;
    pid_t pid;

    pipe_make(fds);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, NULL),
                     0);
    pid = fork();
    if (pid == 0) {
        int gone = fcntl(kq, F_GETFD) < 0 && look() < 0 && errno == EBADF;

        _exit(gone && co_test_fds_open() < before + 2 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 1); /* the parent's is as it was */
    close_both(fds);
}
END_TEST

START_TEST(all_changes_are_applied_before_events_are_read)
{
    const struct timespec at_once = {0};
    struct kevent changes[2];
    int fds[2];

    pipe_make(fds);
    put(fds[1], 1);
    EV_SET(&changes[0], (uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
    EV_SET(&changes[1], (uintptr_t)fds[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    ck_assert_int_eq(kevent(kq, changes, 2, events, EVENTS, &at_once), 2);
    changes[0].flags = EV_DELETE;
    ck_assert_int_eq(kevent(kq, changes, 1, events, EVENTS, &at_once), 1);
    ck_assert_int_eq(events[0].filter, EVFILT_WRITE);
    close_both(fds);
}
END_TEST

START_TEST(with_no_room_for_events_it_returns_at_once)
{
    const struct timespec long_time = {.tv_sec = 1000};

    ck_assert_int_eq(kevent(kq, NULL, 0, NULL, 0, &long_time), 0);
    ck_assert_int_eq(kevent(kq, NULL, 0, NULL, 0, NULL), 0);
}
END_TEST

START_TEST(the_same_array_may_be_used_for_both_lists)
{
    struct kevent list[3];
    int fds[2];

    pipe_make(fds);
    EV_SET(&list[0], (uintptr_t)fds[0], EVFILT_READ, EV_DELETE, 0, 0, NULL);
    EV_SET(&list[1], (uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0,
           NULL);
    EV_SET(&list[2], (uintptr_t)fds[1], EVFILT_WRITE, EV_ADD | EV_RECEIPT, 0, 0,
           NULL);
    ck_assert_int_eq(kevent(kq, list, 3, list, 3, NULL), 3);
    ck_assert_int_eq(list[0].data, ENOENT);
    ck_assert_int_eq(list[1].data, 0);
    ck_assert_int_eq(list[2].data, 0);
    ck_assert_int_eq(list[2].filter, EVFILT_WRITE);
    close_both(fds);
}
END_TEST

/* ---- time ---------------------------------------------------------------- */

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) +
           (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

START_TEST(if_the_time_limit_expires_it_returns_0)
{
    static const long lengths[] = {1, 1000, 1000000, 3000001};
    struct timespec start, limit = {0};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        limit.tv_nsec = lengths[i];
        clock_gettime(CLOCK_MONOTONIC, &start);
        ck_assert_int_eq(kevent(kq, NULL, 0, events, EVENTS, &limit), 0);
        ck_assert(seconds_since(&start) >= (double)lengths[i] / 1e9);
    }
}
END_TEST

START_TEST(a_limit_of_zero_effects_a_poll)
{
    struct timespec start;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(look(), 0);
    ck_assert(seconds_since(&start) < 5);
}
END_TEST

static void *trigger_late(void *arg)
{
    struct kevent k;

    usleep(*(useconds_t *)arg);
    EV_SET(&k, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    kevent(kq, &k, 1, NULL, 0, NULL);
    return NULL;
}

START_TEST(without_a_limit_it_waits_until_another_thread_triggers)
{
    ck_assert_int_eq(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, NULL), 0);
    for (int i = 0; i < co_test_scale(100, 20); i++) {
        useconds_t pause = (useconds_t)(i % 20) * 20;
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, trigger_late, &pause),
                         0);
        ck_assert_int_eq(kevent(kq, NULL, 0, events, EVENTS, NULL), 1);
        ck_assert_int_eq(events[0].filter, EVFILT_USER);
        pthread_join(thread, NULL);
        ck_assert_int_eq(look(), 0);
    }
}
END_TEST

static void *register_late(void *arg)
{
    const int *fd = arg;

    usleep(1000);
    change((uintptr_t)*fd, EVFILT_READ, EV_ADD, 0, NULL);
    return NULL;
}

START_TEST(what_another_thread_registers_ends_a_wait)
{
    pthread_t thread;
    int fds[2];

    pipe_make(fds);
    put(fds[1], 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, register_late, &fds[0]), 0);
    ck_assert_int_eq(kevent(kq, NULL, 0, events, EVENTS, NULL), 1);
    pthread_join(thread, NULL);
    close_both(fds);
}
END_TEST

/* ---- errors -------------------------------------------------------------- */

START_TEST(an_error_is_an_event_where_there_is_room)
{
    const struct timespec at_once = {0};
    struct kevent k;
    int udata;

    EV_SET(&k, 77, EVFILT_USER, EV_DELETE, 0, 0, &udata);
    ck_assert_int_eq(kevent(kq, &k, 1, events, EVENTS, &at_once), 1);
    ck_assert(events[0].flags & EV_ERROR);
    ck_assert_int_eq(events[0].data, ENOENT);
    ck_assert_uint_eq(events[0].ident, 77);
    ck_assert_int_eq(events[0].filter, EVFILT_USER);
    ck_assert_int_eq(kevent(kq, &k, 1, NULL, 0, NULL), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(it_fails_as_it_should)
{
    const struct timespec bad = {.tv_nsec = 1000000000};
    const struct timespec negative = {.tv_sec = -1};
    int fds[2];

    ck_assert_int_eq(kevent(999, NULL, 0, events, EVENTS, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(kevent(-1, NULL, 0, events, EVENTS, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(kevent(kq, NULL, 0, events, EVENTS, &bad), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(kevent(kq, NULL, 0, events, EVENTS, &negative), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(change(0, -99, EV_ADD, 0, NULL), -EINVAL);
    ck_assert_int_eq(change(999, EVFILT_READ, EV_ADD, 0, NULL), -EBADF);
    ck_assert_int_eq(change((uintptr_t)-1, EVFILT_READ, EV_ADD, 0, NULL),
                     -EBADF);
    ck_assert_int_eq(change(999, EVFILT_WRITE, EV_DELETE, 0, NULL), -EBADF);
    pipe_make(fds);
    ck_assert_int_eq(kevent(fds[0], NULL, 0, events, EVENTS, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(change((uintptr_t)fds[0], EVFILT_READ, EV_ENABLE, 0, NULL),
                     -ENOENT);
    close_both(fds);
}
END_TEST

static void ignore(int signo)
{
    (void)signo;
}

START_TEST(a_signal_interrupts_a_wait)
{
    struct sigaction action = {.sa_handler = ignore}, before;
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};

    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    ck_assert_int_eq(kevent(kq, NULL, 0, events, EVENTS, NULL), -1);
    ck_assert_int_eq(errno, EINTR);
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_IGN);
    sigaction(SIGALRM, &before, NULL);
}
END_TEST

/* ---- the descriptor ------------------------------------------------------ */

static int is_readable(void)
{
    struct pollfd p = {.fd = kq, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

START_TEST(its_descriptor_is_readable_while_there_are_events)
{
    int fds[2];

    pipe_make(fds);
    ck_assert(!is_readable());
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    ck_assert(!is_readable());
    put(fds[1], 1);
    ck_assert(is_readable());
    ck_assert_int_eq(look(), 1);
    ck_assert(!is_readable());
    ck_assert_int_eq(
        change(5, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, NULL), 0);
    ck_assert(is_readable());
    ck_assert_int_eq(look(), 1);
    ck_assert(!is_readable());
    close_both(fds);
}
END_TEST

START_TEST(two_queues_know_nothing_of_each_other)
{
    int first = kq, second = kqueue();
    int fds[2];

    pipe_make(fds);
    put(fds[1], 1);
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    kq = second;
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(
        change((uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    ck_assert_int_eq(look(), 1);
    close(second);
    kq = first;
    ck_assert_int_eq(look(), 1);
    close_both(fds);
}
END_TEST

START_TEST(of_many_events_none_starves)
{
    enum {
        MANY = 64,
    };
    int fds[MANY][2];
    int seen[MANY] = {0};
    int left = 2 * MANY;
    struct kevent some[4];
    const struct timespec at_once = {0};

    for (int i = 0; i < MANY; i++) {
        pair_make(fds[i]);
        put(fds[i][1], 1);
        ck_assert_int_eq(change((uintptr_t)fds[i][0], EVFILT_READ, EV_ADD, 0,
                                (void *)(intptr_t)i),
                         0);
        ck_assert_int_eq(change((uintptr_t)fds[i][0], EVFILT_WRITE, EV_ADD, 0,
                                (void *)(intptr_t)i),
                         0);
    }
    for (int rounds = 0; left > 0; rounds++) {
        ck_assert_int_lt(rounds, 1000);
        ck_assert_int_eq(kevent(kq, NULL, 0, some, 4, &at_once), 4);
        for (int i = 0; i < 4; i++) {
            int bit = some[i].filter == EVFILT_READ ? 1 : 2;
            int *of = &seen[(intptr_t)some[i].udata];

            left -= !(*of & bit);
            *of |= bit;
        }
    }
    for (int i = 0; i < MANY; i++)
        close_both(fds[i]);
}
END_TEST

void add_queue(TCase *tc)
{
    tcase_add_test(tc, a_kevent_is_identified_by_ident_and_filter);
    tcase_add_test(tc, the_filter_is_executed_upon_the_initial_registration);
    tcase_add_test(tc, what_no_longer_holds_is_not_returned);
    tcase_add_test(tc, what_happens_several_times_is_one_kevent);
    tcase_add_test(tc, close_removes_the_kevents_of_the_descriptor);
    tcase_add_test(tc, a_queue_is_not_inherited_by_a_child);
    tcase_add_test(tc, all_changes_are_applied_before_events_are_read);
    tcase_add_test(tc, with_no_room_for_events_it_returns_at_once);
    tcase_add_test(tc, the_same_array_may_be_used_for_both_lists);
    tcase_add_test(tc, if_the_time_limit_expires_it_returns_0);
    tcase_add_test(tc, a_limit_of_zero_effects_a_poll);
    tcase_add_test(tc, without_a_limit_it_waits_until_another_thread_triggers);
    tcase_add_test(tc, what_another_thread_registers_ends_a_wait);
    tcase_add_test(tc, an_error_is_an_event_where_there_is_room);
    tcase_add_test(tc, it_fails_as_it_should);
    tcase_add_test(tc, a_signal_interrupts_a_wait);
    tcase_add_test(tc, its_descriptor_is_readable_while_there_are_events);
    tcase_add_test(tc, two_queues_know_nothing_of_each_other);
    tcase_add_test(tc, of_many_events_none_starves);
}
