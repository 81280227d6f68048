/* SPDX-License-Identifier: MIT */
/* offload/offload.h - calls that wait for a job of a pool; see offload.c. */
#ifndef CO_OFFLOAD_OFFLOAD_H
#define CO_OFFLOAD_OFFLOAD_H

#include "offload/pool.h"

/* The process's pool: 0 or -EINVAL, -ENOMEM. */
int co__lane(enum co_lane lane, struct co_executor **pool);

/* Queue fn(arg) and wait for it, in a task or a thread: what fn returned, or
 * why it has not run. */
int co__offload_wait(struct co_executor *pool, co_offload_fn fn, void *arg,
                     enum co__wait_reason reason);

/* co_offload_in, for what a dump is to call by its own name. */
int co__offload_in(enum co_lane lane, co_offload_fn fn, void *arg,
                   enum co__wait_reason reason);

/* What a call begins with: 0, and *outside (no loop runs here), or why it
 * fails, having tried nothing. */
int co__offload_enter(int *outside);

#endif
