/* SPDX-License-Identifier: MIT */
/* sync/signal.h - signals that tasks wait for, as co_select sees them. */
#ifndef CO_SYNC_SIGNAL_H
#define CO_SYNC_SIGNAL_H

#include <coppice/signal.h>

#include "core/signals.h"
#include "core/waitlist.h"

struct co__signal_source {
    struct co__sigwatch watch;
    struct co_signal *owner;
    struct co__signal_source *next; /* valid while pending */
    int pending;                    /* it came, and nobody has had it yet */
};

struct co_signal {
    struct co_loop *loop;           /* NULL once that is freed */
    struct co_signal *next, **link; /* in loop->signals; valid while loop is */
    struct co__waitlist waiters;    /* as of a channel */
    struct co__signal_source *oldest, **newest; /* that are pending */
    size_t count;
    struct co__signal_source sources[];
};

/* Have a signal without waiting: its number, or -EAGAIN, -EPERM. */
int co__signal_take(struct co_signal *signal);

/* The loop is about to be freed: nothing comes from now on. */
void co__signals_close(struct co_loop *loop);

#endif
