/* SPDX-License-Identifier: MIT */
/*
 * See watches.h. A process is a pidfd, and the signals are one signalfd, all in
 * an epoll set of their own, whose descriptor the backend waits for. So no
 * backend has to tell these descriptors from those of the program, and what a
 * set of its own reports is never out of date: nothing is forgotten between its
 * look and its last call.
 *
 * One signalfd for all the signals: of two that read the same signal only one
 * would get it.
 */
#include "poll/watches.h"

#include "poll/watchlist.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define INFOS_MAX  16

void co__watches_init(struct co__watches *watches)
{
    *watches = (struct co__watches){.fd = -1, .signal_fd = -1};
}

int co__watches_open(struct co__watches *watches)
{
    if (watches->fd >= 0)
        return 0;
    watches->fd = epoll_create1(EPOLL_CLOEXEC);
    return watches->fd < 0 ? -errno : 1;
}

static void end_process(struct co__watches *watches,
                        struct co__poll_watch *watch)
{
    struct epoll_event unused = {0};

    /* Not left to the close: a forked child may have the pidfd, too. */
    epoll_ctl(watches->fd, EPOLL_CTL_DEL, watch->fd, &unused);
    close(watch->fd);
    co__watchlist_remove(watch);
}

void co__watches_close(struct co__watches *watches)
{
    const struct co__poll_watch *watch = watches->processes;

    /* The set may be shared with a parent's, which is left as it is. */
    for (; watch; watch = watch->next)
        close(watch->fd);
    co__watchlist_end_all(&watches->processes);
    co__watchlist_end_all(&watches->of_signals);
    if (watches->signal_fd >= 0)
        close(watches->signal_fd);
    if (watches->fd >= 0)
        close(watches->fd);
}

static int add(struct co__watches *watches, int fd,
               struct co__poll_watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};

    return epoll_ctl(watches->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* ---- processes ----------------------------------------------------------- */

int co__watches_process(struct co__watches *watches,
                        struct co__poll_watch *watch, pid_t pid)
{
    int fd, r;

    if (pid < 1)
        return -EINVAL;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -errno;
    r = add(watches, fd, watch);
    if (r < 0) {
        close(fd);
        return r;
    }
    co__watchlist_add(&watches->processes, watch, pid, fd);
    return 0;
}

/* ---- signals ------------------------------------------------------------- */

/* Have the signalfd read `signals`; the first time, make it. */
static int read_signals(struct co__watches *watches, const sigset_t *signals)
{
    int fd = signalfd(watches->signal_fd, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    if (watches->signal_fd < 0) {
        r = add(watches, fd, NULL);
        if (r < 0) {
            close(fd);
            return r;
        }
        watches->signal_fd = fd;
    }
    watches->signals = *signals;
    return 0;
}

int co__watches_signal(struct co__watches *watches,
                       struct co__poll_watch *watch, int signo)
{
    sigset_t signals = watches->signals;
    int r;

    if (watches->signal_fd < 0)
        sigemptyset(&signals);
    if (signo == SIGKILL || signo == SIGSTOP || sigaddset(&signals, signo) < 0)
        return -EINVAL;
    r = read_signals(watches, &signals);
    if (r < 0)
        return r;
    co__watchlist_add(&watches->of_signals, watch, signo, -1);
    return 0;
}

/* All that was sent, each signal once. */
static int take_signals(const struct co__watches *watches, sigset_t *sent)
{
    struct signalfd_siginfo infos[INFOS_MAX];
    ssize_t n;
    int any = 0;

    sigemptyset(sent);
    while ((n = read(watches->signal_fd, infos, sizeof(infos))) > 0) {
        for (size_t i = 0; i < (size_t)n / sizeof(*infos); i++)
            sigaddset(sent, (int)infos[i].ssi_signo);
        any = 1;
    }
    return any;
}

static int fire_signals(struct co__watches *watches)
{
    struct co__poll_watch *watch;
    sigset_t sent;
    int fired = 0;

    if (!take_signals(watches, &sent))
        return 0;
    for (watch = watches->of_signals; watch; watch = watch->next) {
        if (!sigismember(&sent, watch->id))
            continue;
        watch->fire(watch);
        fired++;
    }
    return fired;
}

/* ---- both ---------------------------------------------------------------- */

void co__watches_end(struct co__watches *watches, struct co__poll_watch *watch)
{
    sigset_t signals;

    if (!watch->link)
        return;
    if (watch->fd >= 0) {
        end_process(watches, watch);
        return;
    }
    co__watchlist_remove(watch);
    if (co__watchlist_has(watches->of_signals, watch->id))
        return;
    signals = watches->signals;
    sigdelset(&signals, watch->id);
    (void)read_signals(watches, &signals); /* a smaller set: cannot fail */
}

int co__watches_fire(struct co__watches *watches)
{
    struct epoll_event events[EVENTS_MAX];
    int fired = 0;
    int n;

    do {
        n = epoll_wait(watches->fd, events, EVENTS_MAX, 0);
        for (int i = 0; i < n; i++) {
            struct co__poll_watch *watch = events[i].data.ptr;

            if (!watch) {
                fired += fire_signals(watches);
                continue;
            }
            end_process(watches, watch);
            watch->fire(watch);
            fired++;
        }
    } while (n == EVENTS_MAX);
    return fired;
}
