/* SPDX-License-Identifier: MIT */
/* core/run.h - a loop's time on a thread; see run.c. */
#ifndef CO_CORE_RUN_H
#define CO_CORE_RUN_H

#include "core/loop.h"

/* Make `loop` the one that runs on this thread. Returns 0, or -EDEADLK (one
 * does, or this one does elsewhere), -ENOMEM. And no longer. */
int co__run_begin(struct co_loop *loop);
void co__run_end(struct co_loop *loop);

/* Cancel what is left, and wait for it. The loop runs on this thread. */
void co__run_drain(struct co_loop *loop);

/* This thread uses the loop's poller, from begin to end: 0, or -EPERM, -ENOMEM,
 * -EMFILE, -ENFILE. The loop's `runs` is set. */
int co__poller_begin(struct co_loop *loop);
void co__poller_end(struct co_loop *loop);

#endif
