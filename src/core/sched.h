/* SPDX-License-Identifier: MIT */
/*
 * core/sched.h - what everything that waits is built from.
 *
 * A call that may suspend has this form:
 *
 *     struct co__here h;
 *     if (!co__here(&h))                outside a task: block the thread
 *         return ...;
 *     r = co__enter(h.loop, h.task);    pending cancel, expired scope, budget
 *     if (r < 0)
 *         return r;                     having tried nothing
 *     ... try; if it would block:
 *     return co__park_in(h.loop, h.task, &thing->waiters, CO__WAIT_THING);
 *
 * or, where it is woken to try again, or waits for several things,
 *
 *     co__waitlist_push(&thing->waiters, &w, h.task);
 *     r = co__park(h.loop, h.task, CO__WAIT_THING);
 *     co__waitlist_remove(&w);
 *
 * Both return the value that co__wake passed, or -ECANCELED, -ETIMEDOUT if that
 * came first, or -EPERM at once in a loop callback.
 */
#ifndef CO_CORE_SCHED_H
#define CO_CORE_SCHED_H

#include "core/loop.h"
#include "core/queue.h"
#include "core/task.h"
#include "core/waitlist.h"

#include <errno.h>

/* The running task and its loop, read once. */
struct co__here {
    struct co_loop *loop;
    struct co_task *task;
};

/* Fill *here; 0 outside a task. */
CO_INLINE int co__here(struct co__here *here)
{
    here->loop = co__loop;
    if (CO_UNLIKELY(!here->loop))
        return 0;
    here->task = here->loop->self;
    return 1;
}

/* For tests: not 0 makes the order in which ready tasks run a pseudo-random
 * sequence, the same for the same seed. */
extern uint64_t co__sched_seed;

/* See above. Yields by itself when the task has had its share. */
int co__enter_slow(struct co_loop *loop, struct co_task *task);
CO_INLINE int co__enter(struct co_loop *loop, struct co_task *task)
{
    if (CO_UNLIKELY(task->chain.due <= loop->now ||
                    (loop->budget -= CO__BUDGET_LIGHT) <= 0))
        return co__enter_slow(loop, task);
    return 0;
}
/* The same for operations of a few nanoseconds, where nothing has to wait. */
CO_INLINE int co__enter_light(struct co_loop *loop, struct co_task *task)
{
    if (CO_UNLIKELY(task->chain.due <= loop->now || --loop->budget <= 0))
        return co__enter_slow(loop, task);
    return 0;
}

/* Wait until woken. */
int co__park(struct co_loop *loop, struct co_task *task,
             enum co__wait_reason reason);
/* The same, and say which task has to act for this one to go on (NULL: not
 * known), for the dump and the deadlock report: where co__task_waits_for reads
 * it, and there always. */
CO_INLINE int co__park_for(struct co_loop *loop, struct co_task *task,
                           enum co__wait_reason reason, struct co_task *other)
{
    task->waits_for = other;
    return co__park(loop, task, reason);
}
/* The same, where that task changes while this one waits: the owner of a lock.
 * *other is looked at when somebody asks. */
CO_INLINE int co__park_on(struct co_loop *loop, struct co_task *task,
                          enum co__wait_reason reason,
                          struct co_task *const *other)
{
    task->waits_on = other;
    return co__park(loop, task, reason);
}
/* The same with a deadline of the wait's own, which gives 0. */
int co__park_until(struct co_loop *loop, struct co_task *task,
                   enum co__wait_reason reason, co_time until);

/*
 * Make a parked task of this loop ready, and co__park return value. Returns 1,
 * or 0 if it is ready already, and then nothing was handed over.
 */
int co__wake(struct co_task *task, int value);
/*
 * A task's loop, for its queue. It is nearly always that of this thread, whose
 * address is known before the task's: then where to push is known early, too,
 * and who takes the task out again does not wait for two loads more. So the
 * processor predicts what the compiler must not see: that they are equal.
 */
CO_INLINE struct co_loop *co__loop_of(const struct co_task *task)
{
    struct co_loop *loop = co__loop;
    uintptr_t differ = (uintptr_t)loop ^ (uintptr_t)task->loop;

    co__forget(differ);
    if (CO_UNLIKELY(differ)) {
        loop = task->loop;
        co__forget(loop);
    }
    return loop;
}
/* co__wake, inlined for hand-overs: a fifth of what they cost. */
CO_INLINE int co__wake_inline(struct co_task *task, int value)
{
    if (task->state != CO__TASK_PARKED)
        return 0;
    task->state = CO__TASK_READY;
    task->value = value;
    co__queue_push(co__loop_of(task), task);
    return 1;
}

/* Wake the first waiter that can be woken. It stays linked. Returns 1 or 0. */
static inline int co__waitlist_wake(struct co__waitlist *list, int value)
{
    for (struct co__waiter *w = list->head; w; w = w->next)
        if (co__wake(w->task, value))
            return 1;
    return 0;
}

/*
 * Hand something to who waits: unlink waiters from the front until one could be
 * woken, and return it; NULL if nobody takes it. Those passed over are ready
 * for another reason, and will not take anything. The waiter's memory is valid
 * until its task runs.
 */
static inline struct co__waiter *co__waitlist_grant(struct co__waitlist *list,
                                                    int value)
{
    struct co__waiter *waiter;

    while ((waiter = list->head)) {
        co__waitlist_pop(list, waiter);
        if (co__wake_inline(waiter->task, value))
            return waiter;
    }
    return NULL;
}

/* Unlink a task from all lines that it waits in by its places, before it is
 * made ready. */
void co__leave_places(struct co_task *task);

/* Wake and unlink all. */
void co__waitlist_wake_all(struct co__waitlist *list, int value);

/*
 * Park, and let `to` run at once, ahead of the queue: a parked task of this
 * loop, whose co__park returns value. For calls into another stack that are to
 * be as direct as a function call (generators). At the end of a slice it goes
 * to the end of the queue instead, so that others get their turn.
 */
int co__park_into(struct co_loop *loop, struct co_task *task,
                  enum co__wait_reason reason, struct co_task *to, int value);

/* To the end of the queue, whatever limits the task is under. */
void co__give_way(struct co_loop *loop, struct co_task *task);

/* Park whatever limits the task is under: for waits that are sure to end soon
 * and must not be left before. Returns what the wake passed. */
int co__park_shielded(struct co_loop *loop, struct co_task *task,
                      enum co__wait_reason reason);

#endif
