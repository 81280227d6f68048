/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: who runs next, how a task starts, waits and ends.
 *
 * Ready tasks are in a ring of pointers, first in, first out, with room for
 * every task there is: it grows when a task is spawned, so making a task ready
 * cannot fail. A ring and not a linked list, because the tasks that come next
 * can then be prefetched: with 100,000 tasks a switch is little but cache
 * misses.
 *
 * A task that parks picks the next ready one and switches to it directly. If
 * none is ready it runs the reactor's turn on its own stack, and returns
 * without a switch if it is itself the next. The root context, the thread's own
 * stack, runs when a task ends and nothing is ready, and at the end of a run.
 *
 * The switch is the last thing that yield and park do, and hands the woken
 * task's value over, so that compilers make it a tail call: the one return of
 * the switch goes straight back to the caller. Each frame between would be a
 * return that the processor predicts from another task's history.
 *
 * Every CO__SLICE switches slice_end looks at the clock, and asks the reactor
 * if it has not been asked for CO__POLL_PERIOD: tasks that yield to each other
 * can starve neither timers nor descriptors.
 */
#include "core/sched.h"

#include "arch/switch.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/lock.h"
#include "core/deadlock.h"
#include "core/future.h"
#include "core/hooks.h"
#include "core/keep.h"
#include "core/park.h"
#include "core/queue.h"
#include "core/report.h"
#include "core/stack.h"
#include "core/turn.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

uint64_t co__sched_seed;

/* ---- who is next --------------------------------------------------------- */

/* For tests: any ready task may be the next, by a generator (xorshift64). */
static CO_COLD void shuffle(struct co_loop *loop)
{
    uint32_t ready = co__queue_length(loop);
    struct co_task **first, **chosen, *task;

    if (ready < 2)
        return;
    co__sched_seed ^= co__sched_seed << 13;
    co__sched_seed ^= co__sched_seed >> 7;
    co__sched_seed ^= co__sched_seed << 17;
    first = &loop->queue[loop->head & loop->mask];
    chosen = &loop->queue[(loop->head + co__sched_seed % ready) & loop->mask];
    task = *first;
    *first = *chosen;
    *chosen = task;
}

/* How many switches until the next look. */
CO_INLINE int32_t slice_length(const struct co_loop *loop)
{
    return CO_UNLIKELY(loop->debug || co__sched_seed) ? 1 : CO__SLICE;
}

/* The slice is over. Returns the root context if this turn of an embedded or
 * stopping loop is over too, else NULL. */
static CO_NOINLINE struct co_task *slice_end(struct co_loop *loop)
{
    loop->slice = slice_length(loop);
    if (loop->flags & CO__LOOP_BATCHED) {
        if (!loop->batch) {
            loop->slice = 1; /* the root context asks again */
            return &loop->root;
        }
        if (loop->batch < (uint32_t)loop->slice)
            loop->slice = (int32_t)loop->batch;
        loop->batch -= (uint32_t)loop->slice;
    }
    co__look(loop);
    if (CO_UNLIKELY(loop->debug))
        co__report_slow(loop);
    if (loop->now - loop->polled >= CO__POLL_PERIOD || co__inbox_flagged(loop))
        co__turn(loop, 0);
    if (CO_UNLIKELY(co__sched_seed))
        shuffle(loop);
    return NULL;
}

/* Take the next task to run off the queue; NULL: none is ready. */
CO_INLINE struct co_task *next(struct co_loop *loop)
{
    struct co_task *task;

    if (CO_UNLIKELY(--loop->slice <= 0)) {
        task = slice_end(loop);
        if (task)
            return task;
    }
    return loop->head == loop->tail ? NULL : co__take(loop);
}

void co__switch_from_root(struct co_loop *loop, struct co_task *task)
{
    co__switch_to(loop, &loop->root, task);
}

struct co_task *co__next(struct co_loop *loop)
{
    return next(loop);
}

int co__wake(struct co_task *task, int value)
{
    return co__wake_inline(task, value);
}

/* ---- waiting ------------------------------------------------------------- */

/* Have the task's timer fire no later than at its limit. */
static CO_NOINLINE void arm(struct co_loop *loop, struct co_task *task)
{
    if (co__limit_is_set(task))
        return;
    if (co__timer_armed(&task->timer))
        co__timer_cancel(&loop->timers, &task->timer);
    task->flags |= CO__FLAG_TIMED;
    co__timer_arm(&loop->timers, &task->timer, co__limit(task));
}

/* The limits that a parked task is under end its wait, with an error. */
static void interrupt(struct co_task *task, int error)
{
    if (CO_UNLIKELY(task->reason == CO__WAIT_GENERATOR)) {
        co__gen_interrupt(task, error);
        return;
    }
    co__leave_places(task);
    co__wake(task, error);
}

/* The task's timer has fired: perhaps early, see co__limit_is_set. */
void co__task_expired(struct co_task *task, co_time now)
{
    if (task->state != CO__TASK_PARKED)
        return;
    /* Both may have come by now: the earlier decides. */
    if (task->until <= now && task->until <= task->chain.due)
        co__wake(task, 0);
    else if (task->chain.due <= now)
        interrupt(task, co__chain_error(&task->chain, now));
    else
        arm(task->loop, task);
}

void co__limits_changed(struct co_task *task)
{
    if (task->state != CO__TASK_PARKED || task->flags & CO__FLAG_CALLBACK)
        return;
    /* Not by `due`: a scope may have been moved to that point in time. */
    if (task->chain.cancels && !task->chain.shields)
        interrupt(task, -ECANCELED);
    else
        arm(task->loop, task);
}

/* Nothing is ready: wait for events here, on the parked task's stack. */
static CO_NOINLINE int park_idle(struct co_loop *loop, struct co_task *task)
{
    struct co_task *to;

    do {
        /* An ending loop is over when its tasks are; the callback task is not
         * counted, and the root context is who looks. */
        if (loop->flags & (CO__LOOP_BATCHED | CO__LOOP_ENDING) ||
            (CO_UNLIKELY(loop->debug) && co__deadlocked(loop))) {
            to = &loop->root;
            break;
        }
        co__turn(loop, CO_NEVER);
        to = next(loop);
    } while (!to);
    if (to == task)
        return task->value;
    return co__switch_to(loop, task, to);
}

int co__park_slow(struct co_loop *loop, struct co_task *task)
{
    struct co_task *to;

    arm(loop, task);
    loop->slice++; /* next() counts the switch, too */
    to = next(loop);
    if (CO_UNLIKELY(!to))
        return park_idle(loop, task);
    if (CO_UNLIKELY(to == task)) /* the end of the slice has woken it */
        return task->value;
    return co__switch_to(loop, task, to);
}

int co__park(struct co_loop *loop, struct co_task *task,
             enum co__wait_reason reason)
{
    return co__park_inline(loop, task, reason, CO_NEVER);
}

int co__park_until(struct co_loop *loop, struct co_task *task,
                   enum co__wait_reason reason, co_time until)
{
    return co__park_inline(loop, task, reason, until);
}

/* Around a switch away from a task that has a keeper. The flag is down
 * meanwhile: the switch is as any other. What a keeper asks of its library may
 * take a lock, for which this task cannot wait now. */
static void keeper_leave(struct co_task *task, void **kept)
{
    memset(kept, 0, CO__KEPT_WORDS * sizeof(*kept));
    co__own_work++;
    co__keeper->leave(kept);
    co__own_work--;
    task->flags &= (uint16_t)~CO__FLAG_KEEPS;
}

static void keeper_arrive(struct co_task *task, void **kept)
{
    task->flags |= CO__FLAG_KEEPS;
    co__own_work++;
    co__keeper->arrive(kept);
    co__own_work--;
}

static void keeper_end(void)
{
    co__own_work++;
    co__keeper->end();
    co__own_work--;
}

CO_NOINLINE int co__park_kept(struct co_loop *loop, struct co_task *task,
                              unsigned reason, co_time until)
{
    void *kept[CO__KEPT_WORDS];
    int value;

    keeper_leave(task, kept);
    value = co__park_inline(loop, task, reason, until);
    keeper_arrive(task, kept);
    return value;
}

CO_INLINE int park_into(struct co_loop *loop, struct co_task *task,
                        unsigned reason, struct co_task *to, int value)
{
    loop->slice--;
    task->state = CO__TASK_PARKED;
    task->reason = (uint8_t)reason;
    task->since = loop->now;
    task->until = CO_NEVER;
    to->value = value;
    to->state = CO__TASK_READY;
    return co__switch_to(loop, task, to);
}

static CO_NOINLINE int park_into_slow(struct co_loop *loop,
                                      struct co_task *task,
                                      enum co__wait_reason reason,
                                      struct co_task *to, int value)
{
    void *kept[CO__KEPT_WORDS];

    if (task->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    if (task->flags & CO__FLAG_KEEPS) {
        keeper_leave(task, kept);
        value = co__park_into(loop, task, reason, to, value);
        keeper_arrive(task, kept);
        return value;
    }
    if (loop->slice <= 1) {
        co__wake(to, value);
        return co__park_inline(loop, task, reason, CO_NEVER);
    }
    task->until = CO_NEVER;
    arm(loop, task);
    return park_into(loop, task, reason, to, value);
}

int co__park_into(struct co_loop *loop, struct co_task *task,
                  enum co__wait_reason reason, struct co_task *to, int value)
{
    CO_ASSERT(task == loop->self && task->state == CO__TASK_READY);
    CO_ASSERT(to->state == CO__TASK_PARKED && to != task);
    if (CO_UNLIKELY(loop->slice <= 1 || task->chain.due != CO_NEVER ||
                    task->flags & (CO__FLAG_CALLBACK | CO__FLAG_KEEPS)))
        return park_into_slow(loop, task, reason, to, value);
    return park_into(loop, task, reason, to, value);
}

void co__run_first(struct co_loop *loop, struct co_task *task)
{
    struct co_task *self = loop->self;
    void *kept[CO__KEPT_WORDS];
    unsigned keeps;

    if (!self || self == &loop->root || loop->flags & CO__LOOP_REPORTING) {
        co__queue_push(loop, task);
        return;
    }
    keeps = self->flags & CO__FLAG_KEEPS;
    if (CO_UNLIKELY(keeps))
        keeper_leave(self, kept);
    CO_ASSERT(self->state == CO__TASK_READY);
    if (CO_UNLIKELY(loop->debug)) { /* what it took so far is its own */
        co__look(loop);
        co__report_slow(loop);
    }
    self->value = 0;
    co__queue_push_first(loop, self);
    loop->slice--; /* as in co__park_into */
    co__switch_to(loop, self, task);
    if (CO_UNLIKELY(keeps))
        keeper_arrive(self, kept);
}

int co__park_shielded(struct co_loop *loop, struct co_task *task,
                      enum co__wait_reason reason)
{
    co_scope shield = {0};
    int r;

    co__scope_shield(&shield, 0);
    r = co__park(loop, task, reason);
    co__scope_leave(&shield);
    return r;
}

/* ---- giving way ---------------------------------------------------------- */

/* The slice may be over. */
static CO_NOINLINE int yield_slow(struct co_loop *loop, struct co_task *task)
{
    struct co_task *to;

    task->value = 0;
    co__queue_push(loop, task);
    to = next(loop);
    if (to == task)
        return 0;
    return co__switch_to(loop, task, to);
}

CO_INLINE int yield(struct co_loop *loop, struct co_task *task)
{
    if (CO_UNLIKELY(loop->slice <= 1))
        return yield_slow(loop, task);
    loop->slice--;
    if (loop->head == loop->tail)
        return 0;
    task->value = 0;
    co__queue_push(loop, task);
    return co__switch_to(loop, task, co__take(loop));
}

void co__give_way(struct co_loop *loop, struct co_task *task)
{
    void *kept[CO__KEPT_WORDS];

    if (CO_LIKELY(!(task->flags & CO__FLAG_KEEPS))) {
        yield(loop, task);
        return;
    }
    keeper_leave(task, kept);
    yield(loop, task);
    keeper_arrive(task, kept);
}

/* co_yield_now where it is more than that, or refused. */
static CO_COLD int yield_unusual(struct co_loop *loop, struct co_task *task)
{
    int r;

    if (!loop) {
        r = co__chain_error(co__chain_current(), co__clock_read());
        if (r < 0)
            return r;
        return sched_yield() < 0 ? -errno : 0;
    }
    if (task->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    if (task->chain.due <= loop->now)
        return co__chain_error(&task->chain, loop->now);
    co__give_way(loop, task);
    return 0;
}

int co_yield_now(void)
{
    struct co_loop *loop = co__loop;
    struct co_task *task;

    if (CO_UNLIKELY(!loop))
        return yield_unusual(NULL, NULL);
    task = loop->self;
    if (CO_UNLIKELY(task->chain.due <= loop->now ||
                    task->flags & (CO__FLAG_CALLBACK | CO__FLAG_KEEPS)))
        return yield_unusual(loop, task);
    return yield(loop, task);
}

/* The running task has had CO__BUDGET_LOOK more operations. */
static void budget_look(struct co_loop *loop, struct co_task *task)
{
    loop->budget = CO__BUDGET_FULL;
    loop->looks++;
    co__look(loop);
    if (loop->looks == 1)
        loop->stint = loop->now;
    if (task->flags & CO__FLAG_CALLBACK || task->chain.due <= loop->now)
        return;
    if (loop->looks * CO__BUDGET_LOOK < CO__BUDGET &&
        loop->now - loop->stint < CO__BUDGET_TIME)
        return;
    loop->looks = 0;
    if (CO_UNLIKELY(loop->debug))
        co__report_slow(loop);
    /* Not only to who is ready now: with nobody ready a yield is nothing. */
    if (loop->now - loop->polled >= CO__POLL_PERIOD)
        co__turn(loop, 0);
    co__give_way(loop, task);
}

int co__enter_slow(struct co_loop *loop, struct co_task *task)
{
    if (loop->budget <= 0)
        budget_look(loop, task);
    if (task->chain.due > loop->now)
        return 0;
    return co__chain_error(&task->chain, loop->now);
}

/* ---- starting and ending ------------------------------------------------- */

/* Who runs after a task that hands over at its end. */
static struct co_task *heir(struct co_loop *loop, const struct co_task *task)
{
    struct co_task *to = task->joiner;

    CO_ASSERT(to != NULL);
    if (loop->slice <= 1) {
        co__wake(to, to->value);
        return next(loop);
    }
    CO_ASSERT(to->state == CO__TASK_PARKED);
    loop->slice--;
    to->state = CO__TASK_READY;
    return to;
}

/* A task's function has returned; who runs next. The usual case is below. */
static CO_NOINLINE struct co_task *finish_unusual(struct co_loop *loop,
                                                  struct co_task *task)
{
    struct co_task *to;
    int unclaimed, hands_over = task->flags & CO__FLAG_HANDS_OVER;

    if (task->flags & CO__FLAG_KEEPS)
        keeper_end();
    if (CO_UNLIKELY(task->chain.top != NULL))
        co__die("task \"%s\" (%s) returned from inside a scope", task->name,
                task->site);
    if (task->flags & CO__FLAG_TIMED && co__timer_armed(&task->timer))
        co__timer_cancel(&loop->timers, &task->timer);
    if (task->flags & CO__FLAG_ATTACHED && task->locals)
        co__locals_release(task);
    loop->alive--;
    task->state = CO__TASK_DONE;
    if (task->flags & CO__FLAG_ATTACHED && task->future)
        co__future_task_ended(task);
    else if (task->result < 0 && loop->debug &&
             (task->flags & (CO__FLAG_DETACHED | CO__FLAG_CHILD)) ==
                 CO__FLAG_DETACHED)
        co__report_unseen(task);
    if (task->flags & CO__FLAG_CHILD)
        co__group_child_ended(task);
    unclaimed =
        (!task->joiner || hands_over) && task->flags & CO__FLAG_DETACHED;
    if (task->joiner && !hands_over)
        co__wake(task->joiner, 0);
    if (task == loop->until) {
        loop->until = NULL;
        loop->flags |= CO__LOOP_LEAVE;
        if (loop->debug) {
            co__look(loop);
            co__report_slow(loop);
        }
        return &loop->root;
    }
    to = hands_over ? heir(loop, task) : next(loop);
    if (unclaimed)
        co__task_free(task); /* nobody takes the stack before we have left it */
    return to ? to : &loop->root;
}

CO_INLINE struct co_task *finish(struct co_loop *loop, struct co_task *task)
{
    struct co_task *joiner, *to;

    if (CO_UNLIKELY(task->flags & (CO__FLAG_HANDS_OVER | CO__FLAG_TIMED |
                                   CO__FLAG_ATTACHED | CO__FLAG_KEEPS)) ||
        CO_UNLIKELY(task->chain.top || task == loop->until || loop->debug ||
                    loop->slice <= 1))
        return finish_unusual(loop, task);
    loop->alive--;
    task->state = CO__TASK_DONE;
    if (task->flags & CO__FLAG_CHILD)
        co__group_child_ended(task);
    joiner = task->joiner;
    if (joiner)
        co__wake_inline(joiner, 0);
    to = &loop->root;
    if (CO_LIKELY(loop->head != loop->tail)) {
        loop->slice--;
        to = co__take(loop);
    }
    if (!joiner && task->flags & CO__FLAG_DETACHED)
        co__task_free(task);
    return to;
}

/* Where a task starts. It ends in a jump, see co__switch_final. */
void co__task_entry(void *arg)
{
    struct co_task *task = arg, *to;
    struct co_loop *loop;

    if (CO__SANITIZED)
        co__fiber_arrive(&task->fiber);
    task->result = task->fn(task->arg);
    loop = co__loop;
    if (CO_UNLIKELY(!loop))
        _exit(task->result & 255); /* a forked child, see fork.c */
    to = finish(loop, task);
    co__loop_hand_over(loop, to);
    if (CO__SANITIZED)
        co__fiber_leave(&task->fiber, &to->fiber, 1);
    if (to->flags & CO__FLAG_NEW) {
        to->flags &= (uint16_t)~CO__FLAG_NEW;
        co__switch_begin(to, co__task_entry, to);
    } else {
        co__switch_final(to->sp, to->value);
    }
}

/* What few tasks have, before the control block is reused. */
void co__task_undress(struct co_task *task)
{
    if (task->flags & CO__FLAG_ATTACHED && task->future)
        co__future_task_freed(task);
    if (task->flags & CO__FLAG_NAMED)
        memset(task->name, 0, sizeof(task->name));
}
