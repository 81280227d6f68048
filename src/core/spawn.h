/* SPDX-License-Identifier: MIT */
/*
 * core/spawn.h - how a task is made, for task.c, and for what spawns as most
 * do and is to be as short as it can be: inlined, with nothing called, it has
 * no registers to save.
 */
#ifndef CO_CORE_SPAWN_H
#define CO_CORE_SPAWN_H

#include "core/keep.h"
#include "core/queue.h"
#include "core/stack.h"

/* All of a control block that was just taken, but for its parent. */
CO_INLINE void co__task_begin(struct co_loop *loop, struct co_task *task,
                              const char *site, co_task_fn fn, void *arg)
{
    CO_ASSERT(!co__timer_armed(&task->timer));
    task->sp = (char *)task - CO_CACHE_LINE;
    task->chain.due = CO_NEVER;
    task->chain.top = NULL;
    task->chain.cancels = 0;
    task->chain.shields = 0;
    task->value = 0;
    task->state = CO__TASK_READY;
    task->loop = loop;
    task->joiner = NULL;
    task->fn = fn;
    task->arg = arg;
    task->site = site;
    task->flags |= co__keep_flag;
    task->paused = 0;
    task->serial = ++loop->spawned;
    loop->held++;
    loop->alive++;
}

/* co_spawn_at, by a task, on a warm stack, and with nothing to inherit; NULL,
 * with nothing done, if it is not as simple as that. */
CO_INLINE struct co_task *co__spawn_plain(const char *site, co_task_fn fn,
                                          void *arg)
{
    struct co_loop *loop = co__loop;
    const struct co_task *parent;
    struct co_task *task;

    if (CO_UNLIKELY(!fn || !loop ||
                    loop->flags & (CO__LOOP_ENDING | CO__LOOP_FACTORY) ||
                    loop->held > loop->mask))
        return NULL;
    parent = loop->self;
    if (CO_UNLIKELY(!parent || parent->flags & CO__FLAG_ATTACHED ||
                    !co__stack_warm(loop->pool, loop->size_class)))
        return NULL;
    task = co__stack_warm_pop(loop->pool, loop->size_class);
    co__task_begin(loop, task, site, fn, arg);
    task->parent_serial = parent->serial;
    co__queue_push(loop, task);
    return task;
}

#endif
