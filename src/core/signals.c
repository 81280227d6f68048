/* SPDX-License-Identifier: MIT */
/*
 * Signals as calls. A signal's handler, one for all, walks the list of those
 * who want it, and queues a call in the loop of each: everything that it does
 * is async-signal-safe, takes no lock, and may happen on any thread.
 *
 * So who leaves a list cannot know whether a handler is looking at it. It first
 * unlinks itself, then waits until no handler runs: one that begins later does
 * not find it. Both in sequentially consistent order.
 *
 * Handlers of others that were there before are put back with the last
 * interest, unless somebody has put another in our place meanwhile.
 */
#include "core/signals.h"

#include "base/lock.h"
#include "core/inbox.h"
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* not the handler */
static atomic_int handlers;                              /* that are running */

static struct {
    _Atomic(struct co__sigwatch *) first;
    struct sigaction before; /* valid while there is one */
} signals[NSIG];

/* ---- the handler --------------------------------------------------------- */

static void do_as_before(int signo, siginfo_t *info, void *context)
{
    const struct sigaction *before = &signals[signo].before;
    struct sigaction standard = {.sa_handler = SIG_DFL};

    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(signo, info, context);
    } else if (before->sa_handler == SIG_DFL) {
        sigaction(signo, &standard, NULL);
        raise(signo); /* comes when we return */
    } else if (before->sa_handler != SIG_IGN) {
        before->sa_handler(signo);
    }
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    struct co__sigwatch *watch;
    int saved = errno;
    int pass_on = 0;

    atomic_fetch_add(&handlers, 1);
    for (watch = atomic_load(&signals[signo].first); watch;
         watch = atomic_load(&watch->next)) {
        if (atomic_fetch_add(&watch->count, 1) > 0 && watch->pass_on)
            pass_on = 1;
        co_call_soon_threadsafe(watch->loop, &watch->call);
    }
    atomic_fetch_sub(&handlers, 1);
    if (pass_on)
        do_as_before(signo, info, context);
    errno = saved;
}

/* ---- coming and going ---------------------------------------------------- */

/* Those that cannot be caught, and those of the program's own mistakes: the
 * instruction would be run again and again. */
static int is_refused(int signo)
{
    return signo < 1 || signo >= NSIG || signo == SIGKILL || signo == SIGSTOP ||
           signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE ||
           signo == SIGILL;
}

int co__signal_watch(struct co__sigwatch *watch, struct co_loop *loop,
                     int signo)
{
    struct sigaction ours = {.sa_sigaction = on_signal,
                             .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct sigaction before;
    struct co__sigwatch *first;
    int r = 0;

    if (is_refused(signo))
        return -EINVAL;
    watch->loop = loop;
    watch->signo = signo;
    atomic_store(&watch->count, 0);
    sigemptyset(&ours.sa_mask);
    co__lock(&lock);
    first = atomic_load(&signals[signo].first);
    atomic_store(&watch->next, first);
    if (!first) {
        /* Before the first signal can ask for it. */
        if (sigaction(signo, NULL, &before) == 0)
            signals[signo].before = before;
    }
    atomic_store(&signals[signo].first, watch);
    if (!first && sigaction(signo, &ours, NULL) < 0) {
        r = -errno;
        atomic_store(&signals[signo].first, NULL);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

static void put_back(int signo)
{
    struct sigaction now;

    if (sigaction(signo, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
        now.sa_sigaction == on_signal)
        sigaction(signo, &signals[signo].before, NULL);
}

void co__signal_unwatch(struct co__sigwatch *watch)
{
    _Atomic(struct co__sigwatch *) *link = &signals[watch->signo].first;
    struct co__sigwatch *at;

    co__lock(&lock);
    while ((at = atomic_load(link)) && at != watch)
        link = &at->next;
    if (at) { /* not: forgotten in a forked child */
        atomic_store(link, atomic_load(&watch->next));
        if (!atomic_load(&signals[watch->signo].first))
            put_back(watch->signo);
    }
    pthread_mutex_unlock(&lock);
    while (atomic_load(&handlers))
        sched_yield();
    if (co__inbox_queued(&watch->call))
        co__inbox_unpost(watch->loop, &watch->call);
}

/* ---- fork ---------------------------------------------------------------- */

void co__signals_lock(void)
{
    co__lock(&lock);
}

void co__signals_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void co__signals_forget(void)
{
    for (int signo = 1; signo < NSIG; signo++) {
        if (!atomic_load(&signals[signo].first))
            continue;
        put_back(signo);
        atomic_store(&signals[signo].first, NULL);
    }
    atomic_store(&handlers, 0);
}
