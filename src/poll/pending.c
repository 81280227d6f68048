/* SPDX-License-Identifier: MIT */
/*
 * See pending.h. Not every system has sigtimedwait(2), and sigwait(2) waits if
 * another thread has just taken the signal: so one thread takes at a time. A
 * process that was forked meanwhile has not got that thread, and takes over.
 */
#include "poll/pending.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic(int) taker; /* the process whose thread is at it; or 0 */

static void enter(void)
{
    int self = (int)getpid();
    int seen = 0;

    while (!atomic_compare_exchange_strong(&taker, &seen, self)) {
        if (seen != self)
            continue;
        sched_yield();
        seen = 0;
    }
}

void co__pending_take(int signo)
{
    sigset_t pending, one;
    int taken;

    sigemptyset(&one);
    sigaddset(&one, signo);
    enter();
    while (sigpending(&pending) == 0 && sigismember(&pending, signo) == 1)
        if (sigwait(&one, &taken) != 0)
            break;
    atomic_store(&taker, 0);
}
