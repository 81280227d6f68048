/* SPDX-License-Identifier: MIT */
/*
 * core/inbox.h - the only door through which other threads, and signal
 * handlers, reach a loop. See inbox.c.
 */
#ifndef CO_CORE_INBOX_H
#define CO_CORE_INBOX_H

#include <coppice/loop.h>

#include <stdatomic.h>

struct co__inbox {
    _Atomic(co_call *) newest; /* a stack of calls, pushed by anybody */
    atomic_int flagged;        /* something was pushed, or stop was asked for */
    atomic_int asleep;         /* the loop is in, or about to enter, a wait */
    atomic_int stop;           /* co_loop_stop was called */
    co_call *calls;            /* taken, oldest first; the loop's own */
    co_call **calls_end;
};

/* Take what was pushed into `calls`, and return whether there is any. */
int co__inbox_take(struct co__inbox *inbox);

/* Flag the inbox, and end the loop's wait if it is in one. */
void co__inbox_wake(struct co_loop *loop);

#endif
