/* SPDX-License-Identifier: MIT */
/*
 * Signals that are watched. One that is blocked is seen by a signalfd that
 * nobody reads, so that it stays pending as on BSD. One that is ignored or
 * handled when the watch begins is counted by a handler, which then does what
 * was done before; it rings a bell that stands in the sets of all queues.
 */
#include "shim.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
    int watches;
    int counted; /* our handler is in the place of `before` */
    struct sigaction before;
    atomic_int count;
} signals[NSIG];

static int watches; /* of all signals */
static atomic_int bell = -1;

static void on_signal(int signo, siginfo_t *info, void *context)
{
    const struct sigaction *before = &signals[signo].before;
    const uint64_t one = 1;
    int saved = errno;

    atomic_fetch_add(&signals[signo].count, 1);
    if (write(atomic_load(&bell), &one, sizeof(one)) < 0)
        atomic_fetch_add(&signals[signo].count, 0);
    errno = saved;
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(signo, info, context);
    else if (before->sa_handler != SIG_IGN && before->sa_handler != SIG_DFL)
        before->sa_handler(signo);
}

static int is_harmless(int signo, const struct sigaction *action)
{
    if (action->sa_flags & SA_SIGINFO || action->sa_handler != SIG_DFL)
        return 1;
    return signo == SIGCHLD || signo == SIGURG || signo == SIGWINCH ||
           signo == SIGCONT;
}

static void count(int signo)
{
    struct sigaction ours;

    if (sigaction(signo, NULL, &ours) < 0 || !is_harmless(signo, &ours))
        return;
    signals[signo].before = ours;
    ours.sa_flags |= SA_SIGINFO | SA_RESTART;
    ours.sa_sigaction = on_signal;
    signals[signo].counted = sigaction(signo, &ours, NULL) == 0;
}

static void count_no_more(int signo)
{
    struct sigaction now;

    if (signals[signo].counted && sigaction(signo, NULL, &now) == 0 &&
        now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal)
        sigaction(signo, &signals[signo].before, NULL);
    signals[signo].counted = 0;
}

static int add(const struct queue *queue, int fd, uint64_t what)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = what};
    int r = epoll_ctl(queue->sets[SHIM_SIGNAL], EPOLL_CTL_ADD, fd, &event);

    return r < 0 && errno != EEXIST ? ENOMEM : 0;
}

int shim_signal_attach(struct queue *queue, struct knote *knote)
{
    int signo = (int)knote->is.ident;
    sigset_t set;
    int r;

    sigemptyset(&set);
    if (knote->is.ident >= NSIG || sigaddset(&set, signo) < 0)
        return EINVAL;
    if (!watches)
        atomic_store(&bell, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (atomic_load(&bell) < 0)
        return ENOMEM;
    knote->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (knote->fd < 0)
        return ENOMEM;
    r = add(queue, knote->fd, knote->is.ident);
    if (r == 0)
        r = add(queue, atomic_load(&bell), 0);
    if (r) {
        shim_close(knote->fd);
        return r;
    }
    watches++;
    if (!signals[signo].watches++)
        count(signo);
    knote->seen = atomic_load(&signals[signo].count);
    /* What was sent before is not told of, and the signalfd will. */
    sigpending(&set);
    knote->count = sigismember(&set, signo) == 1 ? -1 : 0;
    return 0;
}

void shim_signal_detach(struct knote *knote)
{
    int signo = (int)knote->is.ident;

    shim_close(knote->fd);
    if (!--signals[signo].watches)
        count_no_more(signo);
    if (!--watches)
        shim_close(atomic_exchange(&bell, -1));
}

int shim_signal_count(int signo)
{
    return atomic_load(&signals[signo].count);
}
