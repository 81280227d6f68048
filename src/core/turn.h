/* SPDX-License-Identifier: MIT */
/* core/turn.h - between the scheduler (sched.c) and the loop (loop.c). */
#ifndef CO_CORE_TURN_H
#define CO_CORE_TURN_H

#include "core/loop.h"
#include "core/stack.h"

/*
 * One turn of the reactor: wait for events until `deadline` at most (0: do not
 * wait), or until the next timer; make ready what they wake, what has timed
 * out, and the callback task if there are calls. Runs on whatever stack is
 * current and switches to none.
 */
void co__turn(struct co_loop *loop, co_time deadline);

/* There are calls: have the callback task run them. */
void co__wake_caller(struct co_loop *loop);

/* Arm a timer that is not a task's, and disarm it, if it is armed. */
void co__timed_arm(struct co_loop *loop, struct co__timed *timed, co_time when);
void co__timed_cancel(struct co_loop *loop, struct co__timed *timed);

/* A task's timer has fired. */
void co__task_expired(struct co_task *task, co_time now);

/* For the root context: the next ready task, itself at the end of a batch, or
 * NULL; and the way there, until something switches back. */
struct co_task *co__next(struct co_loop *loop);
void co__switch_from_root(struct co_loop *loop, struct co_task *task);

/* Run a task that has just been made, ahead of the queue, on behalf of the
 * running one, which is next. If none runs, it stands in line as others. */
void co__run_first(struct co_loop *loop, struct co_task *task);

/* Give a task's stack and control block back. */
void co__task_undress(struct co_task *task);
CO_INLINE void co__task_free(struct co_task *task)
{
    struct co_loop *loop = task->loop;

    if (CO_UNLIKELY(task->flags & (CO__FLAG_ATTACHED | CO__FLAG_NAMED)))
        co__task_undress(task);
    loop->held--;
    co__stack_give(loop->pool, task);
}

#endif
