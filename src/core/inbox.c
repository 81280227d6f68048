/* SPDX-License-Identifier: MIT */
/*
 * Calls are pushed on a stack with one compare-and-swap (Treiber, 1986) by any
 * thread or signal handler, taken all at once by the loop, and reversed.
 *
 * The wake-up that must not be lost: a pusher first pushes, then flags, then
 * looks whether the loop is asleep; the loop first says that it is asleep, then
 * looks at the flag, then waits. Both in sequentially consistent order, so one
 * of them sees the other. Only who sets the flag wakes, so a burst of calls is
 * one system call. A loop that no thread runs counts as asleep: the foreign
 * loop around it waits for its descriptor.
 */
#include "core/inbox.h"

#include "base/assert.h"
#include "core/loop.h"
#include "core/remote.h"
#include "core/report.h"
#include "core/turn.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#define STATE_IDLE   0u
#define STATE_QUEUED 1u

void co__inbox_wake(struct co_loop *loop)
{
    struct co__inbox *inbox = &loop->inbox;

    /* Pairs with co__inbox_sleep. */
    if (atomic_exchange(&inbox->flagged, 1) == 0 && atomic_load(&inbox->asleep))
        loop->poller_ops->wake(loop->poller);
}

int co__inbox_sleep(struct co__inbox *inbox)
{
    /* Pairs with co__inbox_wake. */
    atomic_store(&inbox->asleep, 1);
    return !atomic_load(&inbox->flagged);
}

void co__inbox_awake(struct co__inbox *inbox)
{
    atomic_store_explicit(&inbox->asleep, 0, memory_order_relaxed);
}

static void append(struct co__inbox *inbox, co_call *call)
{
    call->co__next = NULL;
    call->co__prev = inbox->calls ? inbox->last : NULL;
    if (inbox->calls)
        inbox->last->co__next = call;
    else
        inbox->calls = call;
    inbox->last = call;
}

int co__inbox_take(struct co__inbox *inbox)
{
    co_call *taken, *oldest = NULL;

    if (atomic_load_explicit(&inbox->flagged, memory_order_relaxed)) {
        atomic_store(&inbox->flagged, 0);
        /* Acquire: pairs with the push. */
        taken = atomic_exchange(&inbox->newest, NULL);
        while (taken) {
            co_call *next = taken->co__next;

            taken->co__next = oldest;
            oldest = taken;
            taken = next;
        }
        while ((taken = oldest)) {
            oldest = taken->co__next;
            if (taken->fn == co__remote_arrive)
                co__remote_arrive(taken->arg); /* at once: it only wakes */
            else
                append(inbox, taken);
        }
    }
    return inbox->calls != NULL;
}

/* Around what touches the loop after the last thing it may be waiting for. */
static void enter(struct co_loop *loop)
{
    atomic_fetch_add_explicit(&loop->inbox.callers, 1, memory_order_relaxed);
}

static void leave(struct co_loop *loop)
{
    /* Release: pairs with co__inbox_quiesce. */
    atomic_fetch_sub_explicit(&loop->inbox.callers, 1, memory_order_release);
}

void co__inbox_quiesce(struct co__inbox *inbox)
{
    while (atomic_load_explicit(&inbox->callers, memory_order_acquire))
        sched_yield();
}

int co_call_soon_threadsafe(co_loop *loop, co_call *call)
{
    co_call *newest;

    if (!loop || !call || !call->fn)
        return -EINVAL;
    if (__atomic_exchange_n(&call->co__state, STATE_QUEUED, __ATOMIC_ACQ_REL) !=
        STATE_IDLE)
        return -EALREADY;
    enter(loop);
    newest = atomic_load_explicit(&loop->inbox.newest, memory_order_relaxed);
    do
        call->co__next = newest;
    while (!atomic_compare_exchange_weak(&loop->inbox.newest, &newest, call));
    co__inbox_wake(loop);
    leave(loop);
    return 0;
}

int co__inbox_post(struct co_loop *loop, co_call *call)
{
    if (__atomic_exchange_n(&call->co__state, STATE_QUEUED, __ATOMIC_ACQ_REL) !=
        STATE_IDLE)
        return -EALREADY;
    append(&loop->inbox, call);
    if (CO_LIKELY(loop == co__loop))
        co__wake_caller(loop);
    else
        co__inbox_wake(loop); /* it does not run: the next turn takes it */
    return 0;
}

void co__inbox_collect(struct co_loop *loop)
{
    if (!co__inbox_flagged(loop))
        return;
    co__inbox_take(&loop->inbox);
    atomic_store(&loop->inbox.flagged, 1); /* the turn has not seen it */
}

void co__inbox_unpost(struct co_loop *loop, co_call *call)
{
    struct co__inbox *inbox = &loop->inbox;

    co__inbox_collect(loop);
    if (call->co__prev)
        call->co__prev->co__next = call->co__next;
    else if (inbox->round == call)
        inbox->round = call->co__next;
    else
        inbox->calls = call->co__next;
    if (call->co__next)
        call->co__next->co__prev = call->co__prev;
    else if (inbox->last == call)
        inbox->last = call->co__prev;
    __atomic_store_n(&call->co__state, STATE_IDLE, __ATOMIC_RELEASE);
}

void co__inbox_run(struct co_loop *loop)
{
    struct co__inbox *inbox = &loop->inbox;
    co_call *call;

    CO_ASSERT(!inbox->round);
    inbox->round = inbox->calls;
    inbox->calls = inbox->last = NULL;
    while ((call = inbox->round)) {
        void (*fn)(void *) = call->fn;
        void *arg = call->arg;
        const char *site = call->site;

        inbox->round = call->co__next;
        if (inbox->round)
            inbox->round->co__prev = NULL;
        /* From here on the caller may queue the node again, or free it. */
        __atomic_store_n(&call->co__state, STATE_IDLE, __ATOMIC_RELEASE);
        fn(arg);
        if (CO_UNLIKELY(!co__loop))
            _exit(0); /* a forked child, see fork.c */
        if (CO_UNLIKELY(loop->debug))
            co__report_slow_call(loop, site);
    }
}

int co_loop_stop(co_loop *loop)
{
    if (!loop)
        return -EINVAL;
    enter(loop);
    atomic_store(&loop->inbox.stop, 1);
    co__inbox_wake(loop);
    leave(loop);
    return 0;
}
