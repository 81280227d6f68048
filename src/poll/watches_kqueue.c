/* SPDX-License-Identifier: MIT */
/*
 * See watches.h: processes and signals are filters of a kqueue. That of a
 * backend that has one is theirs, too (watches_kqueue.h); another backend waits
 * for the descriptor of one that is made here.
 *
 * A kqueue knows a process or a signal once, however many watch it, so its
 * events are handed out by number. It tells of signals, and leaves them pending
 * where they are blocked: taking them is ours.
 */
#include "poll/watches_kqueue.h"

#include "poll/kqchanges.h"
#include "poll/pending.h"
#include "poll/watchlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_MAX 64

/* In a record's fd. */
#define OF_PROCESS 0
#define OF_SIGNAL  (-1)

void co__watches_init(struct co__watches *watches)
{
    *watches = (struct co__watches){.fd = -1, .signal_fd = -1};
}

int co__watches_open(struct co__watches *watches)
{
    int r;

    if (watches->fd >= 0)
        return 0;
    watches->fd = kqueue();
    if (watches->fd < 0)
        return -errno;
    watches->maker = getpid();
    /* exec(2) alone would hand it on. */
    if (fcntl(watches->fd, F_SETFD, FD_CLOEXEC) == 0)
        return 1;
    r = -errno;
    close(watches->fd);
    watches->fd = -1;
    return r;
}

void co__watches_leave(struct co__watches *watches)
{
    co__watchlist_end_all(&watches->processes);
    co__watchlist_end_all(&watches->of_signals);
    watches->fd = -1;
}

void co__watches_close(struct co__watches *watches)
{
    /* It does not outlive fork(2): the number is another's now. */
    if (watches->fd >= 0 && watches->maker == getpid())
        close(watches->fd);
    co__watches_leave(watches);
}

/* ---- both ---------------------------------------------------------------- */

static int add(int kq, int id, short filter, unsigned flags, unsigned note)
{
    struct co__kq_changes changes = {.count = 0};

    co__kq_change(&changes, (uintptr_t)id, filter, EV_ADD | flags, note, 0);
    return co__kq_make_all(kq, &changes);
}

void co__watches_end(struct co__watches *watches, struct co__poll_watch *watch)
{
    int of_process = watch->fd == OF_PROCESS;
    short filter = of_process ? EVFILT_PROC : EVFILT_SIGNAL;
    struct co__kq_changes changes = {.count = 0};

    if (!watch->link)
        return;
    co__watchlist_remove(watch);
    if (co__watchlist_has(of_process ? watches->processes : watches->of_signals,
                          watch->id))
        return;
    co__kq_change(&changes, (uintptr_t)watch->id, filter, EV_DELETE, 0, 0);
    co__kq_unecho(&changes, (uintptr_t)watch->id, filter);
    (void)co__kq_make(watches->fd, &changes);
}

/* ---- processes ----------------------------------------------------------- */

/* Not every kernel tells of a process that has ended already. A child that
 * nobody has waited for is left as it is. */
static int has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
}

int co__watches_process(struct co__watches *watches,
                        struct co__poll_watch *watch, pid_t pid)
{
    int r;

    if (pid < 1)
        return -EINVAL;
    r = add(watches->fd, pid, EVFILT_PROC, EV_ONESHOT, NOTE_EXIT);
    if (r == -ESRCH && has_ended(pid))
        r = co__kq_echo(watches->fd, (uintptr_t)pid, EVFILT_PROC, 0);
    if (r == 0)
        co__watchlist_add(&watches->processes, watch, pid, OF_PROCESS);
    return r;
}

static int fire_process(struct co__watches *watches, int pid)
{
    struct co__poll_watch *watch, *next;
    int fired = 0;

    for (watch = watches->processes; watch; watch = next) {
        next = watch->next;
        if (watch->id != pid)
            continue;
        co__watchlist_remove(watch);
        watch->fire(watch);
        fired++;
    }
    return fired;
}

/* ---- signals ------------------------------------------------------------- */

int co__watches_signal(struct co__watches *watches,
                       struct co__poll_watch *watch, int signo)
{
    sigset_t pending;
    int r;

    sigemptyset(&pending);
    if (signo == SIGKILL || signo == SIGSTOP ||
        sigismember(&pending, signo) != 0)
        return -EINVAL;
    r = add(watches->fd, signo, EVFILT_SIGNAL, 0, 0);
    if (r < 0)
        return r;
    co__watchlist_add(&watches->of_signals, watch, signo, OF_SIGNAL);
    /* What was sent before the filter began is not told of. */
    if (sigpending(&pending) == 0 && sigismember(&pending, signo) == 1)
        r = co__kq_echo(watches->fd, (uintptr_t)signo, EVFILT_SIGNAL, 0);
    if (r < 0)
        co__watches_end(watches, watch);
    return r;
}

static int fire_signal(struct co__watches *watches, int signo)
{
    struct co__poll_watch *watch;
    int fired = 0;

    co__pending_take(signo);
    for (watch = watches->of_signals; watch; watch = watch->next) {
        if (watch->id != signo)
            continue;
        watch->fire(watch);
        fired++;
    }
    return fired;
}

/* ---- telling ------------------------------------------------------------- */

int co__watches_event(struct co__watches *watches, const struct kevent *event)
{
    if (event->filter == EVFILT_PROC)
        return fire_process(watches, (int)event->ident);
    return fire_signal(watches, (int)event->ident);
}

int co__watches_fire(struct co__watches *watches)
{
    static const struct timespec at_once = {0};
    struct kevent events[EVENTS_MAX];
    int fired = 0;
    int n;

    do {
        n = kevent(watches->fd, NULL, 0, events, EVENTS_MAX, &at_once);
        for (int i = 0; i < n; i++) {
            co__kq_resolve(&events[i]);
            fired += co__watches_event(watches, &events[i]);
        }
    } while (n == EVENTS_MAX);
    return fired;
}
