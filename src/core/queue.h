/* SPDX-License-Identifier: MIT */
/*
 * core/queue.h - the ring of ready tasks. A task is in it at most once, and
 * there is room for all of them, so a push cannot fail.
 */
#ifndef CO_CORE_QUEUE_H
#define CO_CORE_QUEUE_H

#include "base/assert.h"
#include "core/loop.h"

#define CO__QUEUE_MIN 64u

CO_INLINE void co__queue_push(struct co_loop *loop, struct co_task *task)
{
    CO_ASSERT(loop->tail - loop->head <= loop->mask);
    loop->queue[loop->tail++ & loop->mask] = task;
}

/* To be the next. */
CO_INLINE void co__queue_push_first(struct co_loop *loop, struct co_task *task)
{
    CO_ASSERT(loop->tail - loop->head <= loop->mask);
    loop->queue[--loop->head & loop->mask] = task;
}

CO_INLINE uint32_t co__queue_length(const struct co_loop *loop)
{
    return loop->tail - loop->head;
}

/* Make room for twice as many tasks. Returns 0 or -ENOMEM. In loop.c. */
int co__queue_grow(struct co_loop *loop);

#endif
