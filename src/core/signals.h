/* SPDX-License-Identifier: MIT */
/* core/signals.h - signals that arrive as calls into loops; see signals.c. */
#ifndef CO_CORE_SIGNALS_H
#define CO_CORE_SIGNALS_H

#include <coppice/call.h>

#include <stdatomic.h>

struct co_loop;

/* One loop's interest in one signal. It lives until it is given up. */
struct co__sigwatch {
    co_call call; /* queued for each signal, unless it is queued already */
    struct co_loop *loop;
    int signo;
    int pass_on; /* from the second signal on do what was done before us, too */
    atomic_uint count; /* signals so far */
    _Atomic(struct co__sigwatch *) next;
};

/*
 * Have the call, whose fn, arg and site are set, queued whenever the signal
 * comes. Returns 0, or -EINVAL (no such signal, or one that cannot be had).
 */
int co__signal_watch(struct co__sigwatch *watch, struct co_loop *loop,
                     int signo);

/* No longer; the call is not queued any more when this returns. With the last
 * interest in a signal goes our handler, and the one before it is back. */
void co__signal_unwatch(struct co__sigwatch *watch);

/* Around a fork; and in the child, with the lock held: the parent's loops are
 * not to hear of our signals. */
void co__signals_lock(void);
void co__signals_unlock(void);
void co__signals_forget(void);

#endif
