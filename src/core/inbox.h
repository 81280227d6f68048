/* SPDX-License-Identifier: MIT */
/*
 * core/inbox.h - the only door through which other threads, and signal
 * handlers, reach a loop. See inbox.c.
 */
#ifndef CO_CORE_INBOX_H
#define CO_CORE_INBOX_H

#include <coppice/call.h>

#include <stdatomic.h>

struct co__inbox {
    _Atomic(co_call *) newest; /* a stack of calls, pushed by anybody */
    atomic_int flagged;        /* something was pushed, or stop was asked for */
    atomic_int asleep;         /* the loop is in, or about to enter, a wait */
    atomic_int stop;           /* co_loop_stop was called */
    atomic_uint callers;       /* threads between their push and their return */
    co_call *calls;            /* taken, oldest first; the loop's own */
    co_call *last;             /* the newest of them; valid if there are any */
    co_call *round;            /* those of the round that is being run */
};

/* Take what was pushed into `calls`, and return whether there is any. */
int co__inbox_take(struct co__inbox *inbox);

/* The same amid a turn's work: the next turn still wakes the callback task. */
void co__inbox_collect(struct co_loop *loop);

/* Whether somebody has pushed since the last take. */
#define co__inbox_flagged(loop)                                                \
    atomic_load_explicit(&(loop)->inbox.flagged, memory_order_relaxed)

/* Call what had been taken when this began, in order; what comes meanwhile is
 * left. In the callback task. */
void co__inbox_run(struct co_loop *loop);

/* Queue a call from the loop's own thread, or while it does not run. Returns 0,
 * or -EALREADY. */
int co__inbox_post(struct co_loop *loop, co_call *call);

/* Take back a call that is queued, in the same place. If it came from
 * elsewhere, nobody may be about to queue it again. */
void co__inbox_unpost(struct co_loop *loop, co_call *call);

/* Whether a call is queued. */
static inline int co__inbox_queued(const co_call *call)
{
    return __atomic_load_n(&call->co__state, __ATOMIC_RELAXED) != 0;
}

/* Before a wait: say so. Returns 0 if there is something to take instead. */
int co__inbox_sleep(struct co__inbox *inbox);
void co__inbox_awake(struct co__inbox *inbox);

/* Wait until nobody is in a call into the loop, which is to be freed: what was
 * pushed may have been taken, and have ended the last task, while who pushed it
 * is still about to wake the loop. */
void co__inbox_quiesce(struct co__inbox *inbox);

/* Flag the inbox, and end the loop's wait if it is in one. */
void co__inbox_wake(struct co_loop *loop);

#endif
