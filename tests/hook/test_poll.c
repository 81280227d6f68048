/* SPDX-License-Identifier: MIT */
/* Waiting for several descriptors: poll(2), select(2), epoll_wait(2) and kin.
 * "user epoll_wait", "select, fd >= 1024". */
#include "hook/hook_support.h"

#include "support/virtual_clock.h"

#include <coppice/select.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>

int __poll(struct pollfd *fds, nfds_t count, int ms);
int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *limit,
                const sigset_t *mask, size_t room);

/* ---- every call, for one descriptor to be readable ----------------------- */

/* c->flags: how many milliseconds, or -1. */
static struct timespec *span_of(struct hook_call *c, struct timespec *span)
{
    *span = (struct timespec){c->flags / 1000, c->flags % 1000 * 1000000L};
    return c->flags < 0 ? NULL : span;
}

static ssize_t by_poll(struct hook_call *c)
{
    struct pollfd p = {c->fd, POLLIN, 0};

    return poll(&p, 1, c->flags);
}

static ssize_t by_poll_alias(struct hook_call *c)
{
    struct pollfd p = {c->fd, POLLIN, 0};

    return __poll(&p, 1, c->flags);
}

static ssize_t by_poll_chk(struct hook_call *c)
{
    struct pollfd p = {c->fd, POLLIN, 0};

    return __poll_chk(&p, 1, c->flags, sizeof(p));
}

static ssize_t by_ppoll(struct hook_call *c)
{
    struct pollfd p = {c->fd, POLLIN, 0};
    struct timespec span;

    return ppoll(&p, 1, span_of(c, &span), NULL);
}

static ssize_t by_ppoll_chk(struct hook_call *c)
{
    struct pollfd p = {c->fd, POLLIN, 0};
    struct timespec span;

    return __ppoll_chk(&p, 1, span_of(c, &span), NULL, sizeof(p));
}

static ssize_t by_select(struct hook_call *c)
{
    struct timeval limit = {c->flags / 1000, c->flags % 1000 * 1000};
    fd_set in;
    int n;

    FD_ZERO(&in);
    FD_SET(c->fd, &in);
    n = select(c->fd + 1, &in, NULL, NULL, c->flags < 0 ? NULL : &limit);
    ck_assert_int_eq(n > 0, n >= 0 && FD_ISSET(c->fd, &in));
    return n;
}

static ssize_t by_pselect(struct hook_call *c)
{
    struct timespec span;
    sigset_t none;
    fd_set in;

    sigemptyset(&none);
    FD_ZERO(&in);
    FD_SET(c->fd, &in);
    return pselect(c->fd + 1, &in, NULL, NULL, span_of(c, &span), &none);
}

static int epoll_of(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 77}};
    int set = epoll_create1(EPOLL_CLOEXEC);

    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    return set;
}

static ssize_t by_epoll_wait(struct hook_call *c)
{
    struct epoll_event event = {0};
    int set = epoll_of(c->fd), n = epoll_wait(set, &event, 1, c->flags);
    int error = errno;

    if (n > 0)
        ck_assert_uint_eq(event.data.u64, 77);
    close(set);
    errno = error;
    return n;
}

static ssize_t by_epoll_pwait(struct hook_call *c)
{
    struct epoll_event event;
    int set = epoll_of(c->fd), n = epoll_pwait(set, &event, 1, c->flags, NULL);
    int error = errno;

    close(set);
    errno = error;
    return n;
}

static ssize_t by_epoll_pwait2(struct hook_call *c)
{
    struct epoll_event event;
    struct timespec span;
    int set = epoll_of(c->fd);
    int n = epoll_pwait2(set, &event, 1, span_of(c, &span), NULL);
    int error = errno;

    close(set);
    errno = error;
    return n;
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const pollers[] = {
    by_poll,   by_poll_alias, by_poll_chk,   by_ppoll,       by_ppoll_chk,
    by_select, by_pselect,    by_epoll_wait, by_epoll_pwait, by_epoll_pwait2,
};
/* Emulators have no epoll_pwait2. */
#define POLLERS                                                                \
    ((int)(sizeof(pollers) / sizeof(pollers[0])) -                             \
     (CO_TEST_EMULATED || CO_TEST_MEMCHECK))

static int fds[2];
static struct hook_call call;

static void prepare(int i, void (*make)(int fds[2]))
{
    make(fds);
    call = (struct hook_call){.fn = pollers[i], .fd = fds[0], .flags = -1};
}

EACH_TEST(a_poll_parks_its_task_alone)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    ck_assert_int_eq(hook_do(&call), 1);
    hook_close(fds);
}

EACH_TEST(a_poll_ends_when_its_time_does)
{
    prepare(i, hook_pair);
    call.flags = 30;
    ck_assert_int_eq(hook_do(&call), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 30 * CO_MS);
    call.flags = 0;
    ck_assert_int_eq(hook_do(&call), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 30 * CO_MS);
    co_timeout(10 * CO_MS) {
        call.flags = 30;
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    }
    hook_close(fds);
}

EACH_TEST(a_cancelled_poll_is_ecanceled)
{
    prepare(i, hook_pipe);
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_close(fds);
}

EACH_TEST(hanging_up_is_told)
{
    prepare(i, hook_pipe);
    hook_begin_waiting(&call);
    close(fds[1]);
    ck_assert_int_eq(hook_end(&call), 1);
    close(fds[0]);
}

/* Both are told of one byte, as by the system. */
EACH_TEST(two_tasks_poll_one_descriptor)
{
    struct hook_call other;

    prepare(i, hook_pair);
    other = call;
    hook_begin_waiting(&call);
    hook_begin_waiting(&other);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    ck_assert_int_eq(hook_end(&other), 1);
    hook_close(fds);
}

/* ---- poll(2) ------------------------------------------------------------- */

static struct pollfd *list;
static nfds_t list_count;

static ssize_t by_list(struct hook_call *c)
{
    return poll(list, list_count, c->flags);
}

static void poll_of(struct pollfd *them, nfds_t count)
{
    list = them;
    list_count = count;
    call = (struct hook_call){.fn = by_list, .flags = -1};
}

CO_TASK_TEST(poll_tells_just_what_the_system_does)
{
    struct pollfd p[4];
    int other[2];

    hook_pair(fds);
    hook_pipe(other);
    p[0] = (struct pollfd){fds[0], POLLIN | POLLRDHUP, 9};
    p[1] = (struct pollfd){-1, POLLIN, 9};
    p[2] = (struct pollfd){other[0], 0, 9};
    p[3] = (struct pollfd){fds[0], POLLIN, 9}; /* once more */
    poll_of(p, 4);
    hook_begin_waiting(&call);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 2);
    ck_assert_int_eq(p[0].revents, POLLIN);
    ck_assert_int_eq(p[1].revents, 0);
    ck_assert_int_eq(p[2].revents, 0);
    ck_assert_int_eq(p[3].revents, POLLIN);

    poll_of(p + 1, 2); /* nothing asked: hang-up is told */
    hook_begin_waiting(&call);
    close(other[1]);
    ck_assert_int_eq(hook_end(&call), 1);
    ck_assert_int_eq(p[2].revents, POLLHUP);

    p[0].events = POLLOUT;
    ck_assert_int_eq(poll(p, 1, -1), 1);
    ck_assert_int_eq(p[0].revents, POLLOUT);
    p[0].fd = 1000;
    ck_assert_int_eq(poll(p, 1, -1), 1);
    ck_assert_int_eq(p[0].revents, POLLNVAL);
    close(other[0]);
    hook_close(fds);
}

static void put(void)
{
    hook_put(fds[1], "a");
}

static void end_its_side(void)
{
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
}

static void hang_up(void)
{
    close(fds[1]);
    fds[1] = -1;
}

static void reset(void)
{
    struct linger hard = {1, 0};

    ck_assert_int_eq(
        setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    hang_up();
}

static void fill(int fd)
{
    static const char bytes[65536];

    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
}

/* What ends the wait, and what was asked for. */
static const struct {
    void (*happens)(void);
    short events;
} news[] = {
    {put, POLLIN},
    {put, POLLIN | POLLERR},
    {put, POLLIN | POLLOUT},
    {put, POLLIN | POLLRDNORM},
    {end_its_side, POLLIN},
    {end_its_side, POLLIN | POLLRDHUP},
    {end_its_side, POLLRDHUP},
    {hang_up, POLLIN},
    {reset, POLLIN},
    {reset, POLLIN | POLLOUT},
    {reset, 0},
};
#define NEWS ((int)(sizeof(news) / sizeof(news[0])))

/* Also where an event has said it all, and the system is not asked again. */
EACH_TEST(a_wait_for_one_tells_what_the_system_says)
{
    struct pollfd one, same;

    hook_tcp_pair(fds);
    if (news[i].events & POLLOUT)
        fill(fds[0]);
    one = same = (struct pollfd){fds[0], news[i].events, 0};
    poll_of(&one, 1);
    hook_begin_waiting(&call);
    news[i].happens();
    ck_assert_int_eq(hook_end(&call), 1);
    co_hook_pause
    {
        ck_assert_int_eq(poll(&same, 1, 0), 1);
    }
    ck_assert_int_eq(one.revents, same.revents);
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
}

static ssize_t by_poll_out(struct hook_call *c)
{
    struct pollfd p = {c->fd, POLLOUT, 0};

    return poll(&p, 1, c->flags);
}

/* A cancelled call leaves its event to come. It says nothing of what the next
 * waits for, which is waited for beside another direction, too. */
CO_TASK_TEST(an_event_of_before_is_forgotten)
{
    struct hook_call out;
    char bytes[65536];

    prepare(0, hook_pair);
    fill(fds[0]);
    out = (struct hook_call){.fn = by_poll_out, .fd = fds[0], .flags = -1};
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_put(fds[1], "a");
    ck_assert_int_eq(co_sleep(CO_MS), 0); /* it comes */
    ck_assert_int_eq(read(fds[0], bytes, 1), 1);
    hook_begin_waiting(&call);
    hook_begin_waiting(&out);
    while (recv(fds[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    ck_assert_int_eq(hook_end(&out), 1);
    ck_assert_int_eq(hook_waits(&call), 1);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    hook_close(fds);
}

/* Of urgent data alone no event of the reactor tells. */
CO_TASK_TEST(poll_waits_for_urgent_data)
{
    struct pollfd p;

    hook_tcp_pair(fds);
    p = (struct pollfd){fds[0], POLLPRI, 0};
    poll_of(&p, 1);
    hook_begin_waiting(&call);
    hook_put(fds[1], "a"); /* which is not */
    co_sleep(CO_MS);
    ck_assert_int_eq(call.done, 0);
    ck_assert_int_eq(send(fds[1], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(hook_end(&call), 1);
    ck_assert_int_eq(p.revents, POLLPRI);
    hook_close(fds);
}

CO_TASK_TEST(poll_of_nothing_sleeps)
{
    struct pollfd none = {-1, POLLIN, 7};

    ck_assert_int_eq(poll(NULL, 0, 20), 0);
    ck_assert_int_eq(poll(&none, 1, 20), 0);
    ck_assert_int_eq(none.revents, 0);
    ck_assert_int_eq(
        select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 1020000}), 0);
    ck_assert_int_eq(
        ppoll(NULL, 0, &(struct timespec){.tv_nsec = 20000000}, NULL), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 1080 * CO_MS);
}

#define MANY 40

CO_TASK_TEST(many_are_polled_at_once)
{
    struct pollfd p[MANY];
    int ends[MANY][2];

    for (int i = 0; i < MANY; i++) {
        hook_pipe(ends[i]);
        p[i] = (struct pollfd){ends[i][0], POLLIN, 0};
    }
    poll_of(p, MANY);
    hook_begin_waiting(&call);
    hook_put(ends[33][1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(p[i].revents, i == 33 ? POLLIN : 0);
        hook_close(ends[i]);
    }
}

/* More than co_select takes are looked at again and again. */
CO_TASK_TEST(more_than_can_be_waited_for_are_polled)
{
    nfds_t count = CO_SELECT_MAX + 3;
    struct pollfd *p = calloc(count, sizeof(*p));

    hook_pair(fds);
    for (nfds_t i = 0; i < count; i++)
        p[i] = (struct pollfd){-1, POLLIN, 0};
    p[count - 1].fd = fds[0];
    poll_of(p, count);
    hook_begin_waiting(&call);
    hook_put(fds[1], "a");
    ck_assert_int_eq(hook_end(&call), 1);
    call.flags = 3;
    p[count - 1].fd = -1;
    ck_assert_int_eq(hook_do(&call), 0);
    free(p);
    hook_close(fds);
}

CO_TASK_TEST(mistakes_are_told_as_by_the_system)
{
    /* Volatile: the compiler is not to know better. */
    struct pollfd *volatile nowhere = NULL;
    struct timespec wrong = {0, -1};
    struct timeval less = {-1, 0};
    struct epoll_event event;

    if (!CO_TEST_MEMCHECK) { /* which minds */
        ck_assert_int_eq(poll(nowhere, 1, -1), -1);
        ck_assert_int_eq(errno, EFAULT);
    }
    ck_assert_int_eq(ppoll(NULL, 0, &wrong, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(select(0, NULL, NULL, NULL, &less), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(select(-1, NULL, NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(pselect(0, NULL, NULL, NULL, &wrong, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(epoll_wait(-1, &event, 1, -1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(epoll_wait(0, &event, 1, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
}

/* "close() while another waits". */
CO_TASK_TEST(what_is_closed_meanwhile_is_pollnval)
{
    struct pollfd p[2];
    int other[2];

    hook_pair(other);
    p[1] = (struct pollfd){other[0], POLLIN, 0};
    for (nfds_t count = 1; count <= 2; count++) {
        hook_pair(fds);
        p[0] = (struct pollfd){fds[0], POLLIN, 0};
        poll_of(p, count);
        hook_begin_waiting(&call);
        close(fds[0]);
        ck_assert_int_eq(hook_end(&call), 1);
        ck_assert_int_eq(p[0].revents, POLLNVAL);
        close(fds[1]);
    }
    prepare(0, hook_pair);
    call.fn = by_select;
    hook_begin_waiting(&call);
    close(fds[0]);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
    hook_close(other);
}

/* The mask is the call's, and gone after it. */
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    (void)number;
    signalled++;
}

CO_TASK_TEST(a_mask_lets_a_pending_signal_in)
{
    struct pollfd p;
    sigset_t usr1, none;

    hook_pair(fds);
    p = (struct pollfd){fds[0], POLLIN, 0};
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    signal(SIGUSR1, on_signal);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    ck_assert_int_eq(ppoll(&p, 1, NULL, &none), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(signalled, 1);
    raise(SIGUSR1);
    ck_assert_int_eq(pselect(0, NULL, NULL, NULL, NULL, &none), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(signalled, 2);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    signal(SIGUSR1, SIG_DFL);
    hook_close(fds);
}

/* ---- select(2) ----------------------------------------------------------- */

CO_TASK_TEST(select_writes_its_sets_and_what_is_left)
{
    struct timeval limit = {5, 0};
    fd_set in, out;
    int other[2];

    hook_pair(fds);
    hook_pipe(other);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(fds[0], &in);
    FD_SET(other[0], &in);
    FD_SET(fds[0], &out);
    ck_assert_int_eq(select(64, &in, &out, NULL, &limit), 1);
    ck_assert_int_eq(FD_ISSET(fds[0], &in), 0);
    ck_assert_int_eq(FD_ISSET(other[0], &in), 0);
    ck_assert_int_ne(FD_ISSET(fds[0], &out), 0);
    ck_assert_int_eq(limit.tv_sec, 5);

    FD_SET(fds[0], &in);
    ck_assert_int_eq(select(64, &in, NULL, NULL, &limit), 0);
    ck_assert_int_eq(FD_ISSET(fds[0], &in), 0);
    ck_assert_int_eq(limit.tv_sec, 0);
    ck_assert_int_eq(limit.tv_usec, 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_SEC);

    FD_SET(1000, &in);
    ck_assert_int_eq(select(1001, &in, NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    hook_close(fds);
    hook_close(other);
}

/* "select, fd >= 1024": a set that its program has made larger is
 * the system's. */
CO_TASK_TEST(a_set_of_more_than_fd_setsize_blocks_the_thread)
{
    struct rlimit limit;
    fd_set *in;
    int high;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur <= 2000 || co_test_crawl(0, 1))
        return;
    hook_pair(fds);
    high = fcntl(fds[0], F_DUPFD_CLOEXEC, 1500);
    ck_assert_int_ge(high, 1500);
    in = calloc(4, sizeof(fd_set));
    ((long *)in)[high / 64] |= 1L << high % 64;
    hook_put(fds[1], "a");
    ck_assert_int_eq(select(high + 1, in, NULL, NULL, NULL), 1);
    ck_assert_int_ne((int)(((long *)in)[high / 64] >> high % 64 & 1), 0);
    free(in);
    close(high);
    hook_close(fds);
}

/* ---- epoll_wait(2) ------------------------------------------------------- */

static ssize_t by_set(struct hook_call *c)
{
    struct epoll_event events[4];

    return epoll_wait(c->fd, events, 4, c->flags);
}

CO_TASK_TEST(a_set_that_grows_wakes_who_waits)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    hook_pair(fds);
    call = (struct hook_call){.fn = by_set, .flags = -1};
    call.fd = epoll_create1(EPOLL_CLOEXEC);
    hook_put(fds[1], "a");
    hook_begin_waiting(&call);
    ck_assert_int_eq(epoll_ctl(call.fd, EPOLL_CTL_ADD, fds[0], &event), 0);
    ck_assert_int_eq(hook_end(&call), 1);
    hook_begin_waiting(&call); /* edge-triggered: told once */
    hook_put(fds[1], "b");
    ck_assert_int_eq(hook_end(&call), 1);
    hook_begin_waiting(&call);
    close(call.fd);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    hook_close(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.poll");
    TCase *tc = hook_case(s, "every call");

    tcase_add_loop_test(tc, a_poll_parks_its_task_alone, 0, POLLERS);
    tcase_add_loop_test(tc, a_cancelled_poll_is_ecanceled, 0, POLLERS);
    tcase_add_loop_test(tc, hanging_up_is_told, 0, POLLERS);
    tcase_add_loop_test(tc, two_tasks_poll_one_descriptor, 0, POLLERS);

    tc = hook_case(s, "time");
    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, a_poll_ends_when_its_time_does, 0, POLLERS);
    tcase_add_test(tc, poll_of_nothing_sleeps);
    tcase_add_test(tc, select_writes_its_sets_and_what_is_left);

    tc = hook_case(s, "poll");
    tcase_add_test(tc, poll_tells_just_what_the_system_does);
    tcase_add_loop_test(tc, a_wait_for_one_tells_what_the_system_says, 0, NEWS);
    tcase_add_test(tc, an_event_of_before_is_forgotten);
    tcase_add_test(tc, poll_waits_for_urgent_data);
    tcase_add_test(tc, many_are_polled_at_once);
    tcase_add_test(tc, more_than_can_be_waited_for_are_polled);
    tcase_add_test(tc, mistakes_are_told_as_by_the_system);
    tcase_add_test(tc, what_is_closed_meanwhile_is_pollnval);
    tcase_add_test(tc, a_mask_lets_a_pending_signal_in);
    tcase_add_test(tc, a_set_of_more_than_fd_setsize_blocks_the_thread);
    tcase_add_test(tc, a_set_that_grows_wakes_who_waits);
    return s;
}

CO_TEST_MAIN(suite)
