/* SPDX-License-Identifier: MIT */
/*
 * A turn of the reactor, step by step:
 *  1. If it may wait: until the caller's deadline or the next timer, but not at
 *     all if the inbox is flagged. Before a wait stacks that nobody needs are
 *     trimmed, a few at a time; if a task waits for another thread, the inbox
 *     is looked at for a little while (spin.h); and a loop with a min_wait
 *     sleeps that long.
 *  2. The poller waits and reports events; each makes the first task that waits
 *     for it ready (co__fd_ready).
 *  3. The clock is read.
 *  4. Timers that are due make their tasks ready, in the order of deadlines.
 *  5. Calls from other threads are taken, and make the callback task ready.
 * Nothing here switches tasks, so a turn can run on any task's stack.
 */
#include "core/turn.h"

#include "base/clock.h"
#include "core/queue.h"
#include "core/sched.h"
#include "core/stack.h"

#define TRIM_PERIOD (10 * CO_MS)
#define DO_NOT_POLL ((co_time)-1)

static int run_calls(void *arg)
{
    struct co_loop *loop = arg;

    for (;;) {
        co__inbox_run(loop);
        /* A stop ends this round; what it has asked for is not in it. */
        if (atomic_load_explicit(&loop->inbox.stop, memory_order_relaxed))
            loop->flags |= CO__LOOP_HOLD;
        if (loop->inbox.calls && !(loop->flags & CO__LOOP_HOLD))
            co__give_way(loop, loop->self);
        else
            co__park(loop, loop->self, CO__WAIT_CALLS);
    }
    return 0;
}

void co__timed_arm(struct co_loop *loop, struct co__timed *timed, co_time when)
{
    timed->timer.timed = 1;
    loop->external++;
    co__timer_arm(&loop->timers, &timed->timer, when);
}

void co__timed_cancel(struct co_loop *loop, struct co__timed *timed)
{
    if (!co__timer_armed(&timed->timer))
        return;
    loop->external--;
    co__timer_cancel(&loop->timers, &timed->timer);
}

void co__wake_caller(struct co_loop *loop)
{
    struct co_task *self = loop->self;

    if (loop->flags & CO__LOOP_HOLD)
        return;
    if (loop->caller) {
        co__wake(loop->caller, 0);
        return;
    }
    loop->self = NULL; /* nobody's child */
    loop->caller = co__spawn(loop, CO_SITE, loop->size_class, run_calls, loop);
    loop->self = self;
    if (!loop->caller) {
        /* No memory now: the calls stay, and the next turn tries again. */
        atomic_store(&loop->inbox.flagged, 1);
        return;
    }
    loop->caller->flags |= CO__FLAG_CALLBACK;
    loop->alive--;
    co_task_set_name(loop->caller, "loop callbacks");
}

/*
 * When a wait for the next timer ends. Each wait that ends for a timer costs
 * two context switches of the kernel's, several times the work itself. So while
 * timers are so dense that each wait would end for several anyway (the kernel's
 * own slack is 50 us), waits last until the millisecond is over. What is due by
 * then is made ready in its order.
 */
static co_time coalesce(struct co_loop *loop, co_time timer)
{
    if (loop->polled - loop->period >= CO__TIMER_PERIOD) {
        loop->period = loop->polled;
        loop->timers_dense = loop->timers_fired > CO__TIMER_DENSE;
        loop->timers_fired = 0;
    }
    if (loop->timers_dense && timer < loop->period + CO__TIMER_PERIOD)
        return loop->period + CO__TIMER_PERIOD;
    return timer;
}

static int inbox_flagged(void *loop)
{
    return co__inbox_flagged((struct co_loop *)loop);
}

/* Until when to wait; 0: not at all; or DO_NOT_POLL. */
static co_time wait_until(struct co_loop *loop, co_time deadline)
{
    co_time timer = co__timers_next(&loop->timers);

    if (timer < deadline) {
        timer = coalesce(loop, timer);
        if (timer < deadline)
            deadline = timer;
    }
    if (deadline != CO_NEVER) {
        co__look(loop);
        if (deadline <= loop->now)
            return 0;
    }
    if (loop->now - loop->trimmed >= TRIM_PERIOD) {
        loop->trimmed = loop->now;
        co__stack_pool_idle(loop->pool);
    }
    if (loop->remotes && co__spin_wanted(&loop->spin) &&
        co__spin(&loop->spin, inbox_flagged, loop, deadline)) {
        co__look(loop);
        return loop->now - loop->polled < CO__POLL_PERIOD ? DO_NOT_POLL : 0;
    }
    return co__inbox_sleep(&loop->inbox) ? deadline : 0;
}

/* With the virtual clock time does not pass, it jumps. */
static void jump(struct co_loop *loop, co_time deadline)
{
    co_time timer = co__timers_next(&loop->timers);

    if (timer > deadline)
        timer = deadline;
    if (timer != CO_NEVER && !co__queue_length(loop) &&
        !co__inbox_flagged(loop))
        co__clock_jump(timer);
}

/*
 * With a min_wait, who would wait sleeps first, and finds more at once. While
 * nobody waits for a descriptor, to make it ready wakes nobody: on a machine
 * with several processors, a virtual one above all, that is the dearest part of
 * it. (Network cards know this as interrupt moderation.)
 */
static co_time sleep_first(struct co_loop *loop, co_time until)
{
    co_time limit = loop->min_wait;

    if (until != CO_NEVER && until - loop->now < limit)
        limit = until - loop->now;
    loop->poller_ops->pause(loop->poller, limit);
    if (co__inbox_flagged(loop))
        return 0; /* the wake may be used up */
    if (until == CO_NEVER)
        return CO_NEVER;
    co__look(loop);
    return until > loop->now ? until : 0;
}

void co__turn(struct co_loop *loop, co_time deadline)
{
    struct co__timer *timer;
    co_time until = 0;

    if (deadline)
        until = wait_until(loop, deadline);
    if (CO_UNLIKELY(co__clock_virtual) && loop->timers.count)
        until = 0;
    if (CO_UNLIKELY(loop->min_wait) && until > 0 && !co__clock_virtual)
        until = sleep_first(loop, until);
    if (until != DO_NOT_POLL)
        loop->poller_ops->wait(loop->poller, loop->now, until);
    if (deadline)
        co__inbox_awake(&loop->inbox);
    if (CO_UNLIKELY(co__clock_virtual))
        jump(loop, deadline);
    loop->step_began = co__look(loop);
    if (until != DO_NOT_POLL)
        loop->polled = loop->now;
    while ((timer = co__timers_expire(&loop->timers, loop->now))) {
        loop->timers_fired++;
        if (CO_UNLIKELY(timer->timed)) {
            struct co__timed *timed =
                CO_CONTAINER_OF(timer, struct co__timed, timer);

            loop->external--;
            timed->fire(timed);
            continue;
        }
        co__task_expired(CO_CONTAINER_OF(timer, struct co_task, timer),
                         loop->now);
    }
    if (!co__inbox_flagged(loop) && !loop->inbox.calls)
        return;
    if (co__inbox_take(&loop->inbox))
        co__wake_caller(loop);
    if (atomic_exchange(&loop->inbox.stop, 0)) {
        loop->flags |= CO__LOOP_BATCHED | CO__LOOP_STOPPED;
        loop->batch = co__queue_length(loop);
        loop->slice = 1;
    }
}
