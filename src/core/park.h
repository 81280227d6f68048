/* SPDX-License-Identifier: MIT */
/*
 * core/park.h - the way from one task to the next, for sched.c, and for what is
 * to be as short as it can be: inlined into the function that waits, it has no
 * registers to save but those of the switch.
 */
#ifndef CO_CORE_PARK_H
#define CO_CORE_PARK_H

#include "arch/switch.h"
#include "core/queue.h"
#include "core/sched.h"

/* How far ahead the control block of a ready task, and then the frame that its
 * switch will load, are prefetched. */
#define CO__PREFETCH_TASK  16
#define CO__PREFETCH_FRAME 8

/* How many lines of its stack a task touches that goes on after an event. */
#define CO__FETCH_LINES 6

/* Fetch the frames of a parked task, which is about to be made ready. */
CO_INLINE void co__fetch_frames(const struct co_task *task)
{
    for (uintptr_t i = 0; i < CO__FETCH_LINES; i++)
        __builtin_prefetch((void *)((uintptr_t)task->sp + i * CO_CACHE_LINE));
}

/* Take the first ready task off the queue; there is one. */
CO_INLINE struct co_task *co__take(struct co_loop *loop)
{
    uint32_t ready = loop->tail - loop->head;
    struct co_task *task = loop->queue[loop->head++ & loop->mask];

    if (ready > CO__PREFETCH_TASK) {
        __builtin_prefetch(
            loop->queue[(loop->head + CO__PREFETCH_TASK - 1) & loop->mask]);
        struct co_task *soon =
            loop->queue[(loop->head + CO__PREFETCH_FRAME - 1) & loop->mask];
        __builtin_prefetch(soon->sp);
        /* As a number: a task that has not started has no frame yet. */
        __builtin_prefetch((void *)((uintptr_t)soon->sp + CO_CACHE_LINE));
    }
    return task;
}

/* What co__switch_start and co__switch_begin call. */
void co__task_entry(void *arg);

/* Save `from` and run `to`, for the first time or again. */
CO_INLINE int co__switch_enter(struct co_task *from, struct co_task *to)
{
    if (to->flags & CO__FLAG_NEW) {
        to->flags &= (uint16_t)~CO__FLAG_NEW;
        return co__switch_start(&from->sp, to, co__task_entry, to);
    }
    return co__switch(&from->sp, to->sp, to->value);
}

CO_INLINE int co__switch_to(struct co_loop *loop, struct co_task *from,
                            struct co_task *to)
{
    int value;

    co__loop_hand_over(loop, to);
    if (!CO__SANITIZED)
        return co__switch_enter(from, to);
    co__fiber_leave(&from->fiber, &to->fiber, 0);
    value = co__switch_enter(from, to);
    co__fiber_arrive(&from->fiber);
    return value;
}

/* co__park_until for a task that has a keeper, see keep.h. In sched.c. */
int co__park_kept(struct co_loop *loop, struct co_task *task, unsigned reason,
                  co_time until);

/* The task is parked and the switch counted, but the way on is not the
 * shortest. In sched.c. */
int co__park_slow(struct co_loop *loop, struct co_task *task);

/* When a parked task must be looked at. */
CO_INLINE co_time co__limit(const struct co_task *task)
{
    return task->until < task->chain.due ? task->until : task->chain.due;
}

/* Whether the task's timer need not be touched: it has no limit, or the timer
 * will fire no later than that. One that is armed and earlier stays: a
 * connection that renews its timeout with each message then touches the wheel
 * once a timeout, not once a message. */
CO_INLINE int co__limit_is_set(const struct co_task *task)
{
    co_time limit = co__limit(task);

    return limit == CO_NEVER ||
           (co__timer_armed(&task->timer) && task->timer.deadline <= limit);
}

/* co__park and co__park_until. */
CO_INLINE int co__park_inline(struct co_loop *loop, struct co_task *task,
                              unsigned reason, co_time until)
{
    CO_ASSERT(task == loop->self && task->state == CO__TASK_READY);
    if (CO_UNLIKELY(task->flags & (CO__FLAG_CALLBACK | CO__FLAG_KEEPS)) &&
        reason != CO__WAIT_CALLS)
        return task->flags & CO__FLAG_CALLBACK
                   ? -EPERM
                   : co__park_kept(loop, task, reason, until);
    task->state = CO__TASK_PARKED;
    task->reason = (uint8_t)reason;
    task->since = loop->now;
    task->until = until;
    if (CO_UNLIKELY(--loop->slice <= 0) || loop->head == loop->tail ||
        !co__limit_is_set(task))
        return co__park_slow(loop, task);
    return co__switch_to(loop, task, co__take(loop));
}

/*
 * Stand in `list` until something is granted: the value of the grant, or, with
 * the waiter unlinked, -ECANCELED, -ETIMEDOUT, -EPERM. What the owner of the
 * list wants in task->places[0] is to be there already.
 *
 * To be called last, with nothing left on the stack: then the switch returns to
 * who called the caller, and one return is mispredicted less.
 */
CO_INLINE int co__park_in(struct co_loop *loop, struct co_task *task,
                          struct co__waitlist *list, unsigned reason)
{
    CO_ASSERT(!task->places[0].list);
    if (CO_UNLIKELY(task->flags & CO__FLAG_CALLBACK))
        return -EPERM;
    co__waitlist_push(list, &task->places[0], task);
    return co__park_inline(loop, task, reason, CO_NEVER);
}

/*
 * co__waitlist_grant, if the first waiter is the only one and takes it: 1. Else
 * 0, with nothing done.
 */
CO_INLINE int co__waitlist_grant_one(struct co__waitlist *list, int value)
{
    struct co__waiter *waiter = list->head;
    struct co_task *task = waiter->task;

    if (CO_UNLIKELY(waiter->next || task->state != CO__TASK_PARKED))
        return 0;
    list->head = list->tail = NULL;
    waiter->list = NULL;
    return co__wake_inline(task, value);
}

#endif
